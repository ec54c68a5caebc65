/* SPDX-License-Identifier: Apache-2.0 */
/* Images written, exported, read back; layouts that lie; exports as files, as tars, in other compressions. */
#include "layers/image_private.h"
#include "tests/unit/layers_helper.h"

#include <dirent.h>

static void text_digest(const char *s, struct wh_digest *d)
{
	wh_digest_of(s, strlen(s), d);
}

/* An image of these layers (specs as in layers_helper.h), written. */
static void image_of(struct bed *b, const char *const *specs, enum wh_compression comp, struct wh_image *ret)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_err *err = NULL;
	size_t n = 0;

	while (specs[n])
		n++;
	*ret = (struct wh_image){.layers = wh_calloc(n + 1, sizeof(*ret->layers)), .n_layers = n};
	o.comp = comp;
	o.threads = 1;
	for (size_t i = 0; i < n; i++)
		assert_ok(layer_of_opts(b->store, specs[i], &o, &ret->layers[i], &err), err);
	ret->config = json_pack(
		"{s:{s:s, s:[s], s:{s:s, s:s}, s:{s:{}}, s:[s, s], s:s}, s:s, s:s, s:s, s:[{s:b, s:s, s:s}]}", "config",
		"StopSignal", "SIGTERM", "Cmd", "sh", "Labels", "z", "1", "a", "2", "Volumes", "/v", "Env", "B=2",
		"A=1", "X-Other", "kept", "os", "linux", "created", "1970-01-01T00:00:00Z", "architecture", "amd64",
		"history", "empty_layer", 1, "created_by", "ENV A=1", "created", "1970-01-01T00:00:00Z");
	assert_non_null(ret->config);
	assert_ok(wh_image_write(b->store, ret, &err), err);
}

static const char *const one[] = {"d . 755\nd bin 755\nf bin/sh 755 #!\nl sh bin/sh\n", NULL};

static void blob_text(struct bed *b, const struct wh_digest *d, struct wh_buf *buf)
{
	struct wh_err *err = NULL;

	assert_ok(wh_blob_read(b->store, d, 1 << 20, buf, &err), err);
}

/* ---------------------------------------------------------------- bytes */

static void documents(void **state)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf want = WH_BUF_INIT;
	char diff[WH_DIGEST_TEXT], config[WH_DIGEST_TEXT], blob[WH_DIGEST_TEXT];
	struct wh_err *err = NULL;
	struct wh_image i;
	struct bed b;

	(void)state;
	bed_open(&b);
	image_of(&b, one, WH_COMP_NONE, &i);
	wh_digest_text(&i.layers[0].diff_id, diff);
	wh_digest_text(&i.layers[0].blob, blob);
	assert_string_equal(diff, blob);
	blob_text(&b, &i.config_digest, &buf);
	wh_buf_addf(
		&want,
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"1970-01-01T00:00:00Z\",\"config\":{"
		"\"Env\":[\"B=2\",\"A=1\"],\"Cmd\":[\"sh\"],\"Volumes\":{\"/v\":{}},\"Labels\":{\"a\":\"2\",\"z\":\"1\"},"
		"\"StopSignal\":\"SIGTERM\",\"X-Other\":\"kept\"},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},"
		"\"history\":[{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"ENV A=1\",\"empty_layer\":true}]}",
		diff);
	assert_string_equal(buf.p, want.p);
	wh_buf_reset(&buf);
	wh_buf_reset(&want);
	wh_digest_text(&i.config_digest, config);
	blob_text(&b, &i.manifest, &buf);
	wh_buf_addf(
		&want,
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{"
		"\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":404},\"layers\":[{"
		"\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%llu}]}",
		config, diff, (unsigned long long)i.layers[0].blob_size);
	assert_string_equal(buf.p, want.p);
	assert_int_equal(i.manifest_size, buf.n);
	/* Annotations come in, sorted. */
	i.annotations = json_pack("{s:s, s:s}", "b", "2", "a", "1");
	assert_ok(wh_image_write(b.store, &i, &err), err);
	wh_buf_reset(&buf);
	blob_text(&b, &i.manifest, &buf);
	assert_non_null(strstr(buf.p, "],\"annotations\":{\"a\":\"1\",\"b\":\"2\"}}"));
	wh_image_release(&i);
	bed_close(&b);
}

static void file_digest(const char *dir, const char *name, struct wh_digest *ret)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);

	assert_int_equal(wh_read_file(AT_FDCWD, path, 64 << 20, &buf), 0);
	wh_digest_of(buf.p, buf.n, ret);
}

/* The bytes of an export are known: whatever machine, user, umask or folder this runs in. */
#define GOLDEN_TAR "sha256:891162d6af0a77144e47fb5f0908633beff45efb82342e52f3a954352807b0d3"

static void same_bytes(void **state)
{
	static const char *const names[] = {"shop:1", "localhost:5000/shop:x", NULL};
	struct wh_digest tar[2];
	char text[WH_DIGEST_TEXT];

	(void)state;
	for (int round = 0; round < 2; round++) {
		WH_AUTO_FREE char *dest = NULL;
		struct wh_err *err = NULL;
		struct wh_image i;
		struct bed b;
		mode_t old = umask(round ? 077 : 0);

		bed_open(&b);
		image_of(&b, one, WH_COMP_NONE, &i);
		dest = wh_asprintf("%s/out.tar", b.dir);
		assert_ok(wh_export_oci(
				  b.store, &i,
				  &(struct wh_export){.dest = dest, .tar = true, .names = names, .epoch = INT64_MAX},
				  &err),
			  err);
		file_digest(b.dir, "out.tar", &tar[round]);
		wh_image_release(&i);
		bed_close(&b);
		umask(old);
	}
	assert_true(wh_digest_eq(&tar[0], &tar[1]));
	assert_string_equal(wh_digest_text(&tar[0], text), GOLDEN_TAR);
}

/* ---------------------------------------------------------------- layouts */

static int load(struct bed *b, const char *tag, const struct wh_digest *d, const char *platform, struct wh_image *ret,
		struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_asprintf("%s/layout", b->dir);
	struct wh_platform p;

	assert_int_equal(wh_platform_parse(platform, NULL, &p, NULL), 0);
	return wh_image_from_layout(b->store, dir, tag, d, &p, ret, err);
}

static void export_layout(struct bed *b, const struct wh_image *i, const char *name)
{
	WH_AUTO_FREE char *dir = wh_asprintf("%s/layout", b->dir);
	const char *const names[] = {name, NULL};
	struct wh_err *err = NULL;

	assert_ok(
		wh_export_oci(b->store, i, &(struct wh_export){.dest = dir, .names = names, .epoch = INT64_MAX}, &err),
		err);
}

static void put_file(struct bed *b, const char *name, const char *text)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/layout/%s", b->dir, name);

	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, false), 0);
}

static void there_and_back(void **state)
{
	static const char *const two[] = {"f a 644 1\n", NULL};
	struct wh_image i, j, back;
	struct wh_err *err = NULL;
	struct bed b, c;

	(void)state;
	bed_open(&b);
	bed_open(&c);
	image_of(&b, one, WH_COMP_ZSTD, &i);
	image_of(&b, two, WH_COMP_GZIP, &j);
	export_layout(&b, &i, "shop:1");
	/* The only image needs no tag. */
	assert_ok(load(&b, NULL, NULL, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	wh_image_release(&back);
	/* A second one comes beside it, the same name replaces. */
	export_layout(&b, &j, "team/shop:2");
	assert_ok(load(&b, "1", NULL, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	wh_image_release(&back);
	assert_ok(load(&b, "2", NULL, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &j.manifest));
	wh_image_release(&back);
	assert_ok(load(&b, NULL, &i.manifest, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	wh_image_release(&back);
	assert_int_equal(load(&b, NULL, NULL, "linux/amd64", &back, &err), -ENOENT);
	assert_non_null(strstr(err->hint, "it has 1, 2"));
	wh_err_freep(&err);
	assert_int_equal(load(&b, "3", NULL, "linux/amd64", &back, &err), -ENOENT);
	assert_non_null(strstr(err->msg, "no image has the tag \"3\""));
	assert_non_null(strstr(err->hint, "it has 1, 2"));
	wh_err_freep(&err);
	assert_int_equal(load(&b, "1", NULL, "linux/arm64", &back, &err), -ENOENT);
	assert_non_null(strstr(err->msg, "no image for linux/arm64"));
	assert_non_null(strstr(err->hint, "linux/amd64"));
	wh_err_freep(&err);
	export_layout(&b, &j, "shop:1");
	assert_ok(load(&b, "1", NULL, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &j.manifest));
	wh_image_release(&back);
	/* Another store takes config and manifest, and layers when they are needed. */
	{
		WH_AUTO_FREE char *dir = wh_asprintf("%s/layout", b.dir);
		struct wh_platform p;

		assert_int_equal(wh_platform_parse("linux/amd64", NULL, &p, NULL), 0);
		assert_ok(wh_image_from_layout(c.store, dir, NULL, &i.manifest, &p, &back, &err), err);
		assert_true(wh_blob_has(c.store, &i.manifest, NULL) && wh_blob_has(c.store, &i.config_digest, NULL));
		assert_false(wh_blob_has(c.store, &i.layers[0].blob, NULL));
		assert_string_equal(back.layers[0].origin, dir);
		assert_ok(wh_layer_fetch(c.store, &back.layers[0], &err), err);
		assert_true(wh_blob_has(c.store, &i.layers[0].blob, NULL));
		wh_image_release(&back);
	}
	wh_image_release(&i);
	wh_image_release(&j);
	bed_close(&b);
	bed_close(&c);
}

/* Layers that are only in their layout go straight from there into an export. */
static void straight_through(void **state)
{
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_FREE char *out = NULL;
	WH_AUTO_FREE char *tar = NULL;
	WH_AUTO_FREE char *blob = NULL;
	char hex[65];
	struct wh_err *err = NULL;
	struct wh_platform p;
	struct wh_image i, back;
	struct bed b, c;

	(void)state;
	bed_open(&b);
	bed_open(&c);
	image_of(&b, one, WH_COMP_ZSTD, &i);
	export_layout(&b, &i, "shop:1");
	dir = wh_asprintf("%s/layout", b.dir);
	out = wh_asprintf("%s/copy", c.dir);
	tar = wh_asprintf("%s/copy.tar", c.dir);
	assert_int_equal(wh_platform_parse("linux/amd64", NULL, &p, NULL), 0);
	assert_ok(wh_image_from_layout(c.store, dir, "1", NULL, &p, &back, &err), err);
	assert_ok(wh_export_oci(c.store, &back, &(struct wh_export){.dest = out, .epoch = INT64_MAX}, &err), err);
	assert_ok(
		wh_export_oci(c.store, &back, &(struct wh_export){.dest = tar, .tar = true, .epoch = INT64_MAX}, &err),
		err);
	assert_false(wh_blob_has(c.store, &i.layers[0].blob, NULL));
	wh_image_release(&back);
	assert_ok(wh_image_from_layout(b.store, out, NULL, NULL, &p, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	/* One bit of it changes. */
	blob = wh_asprintf("%s/blobs/sha256/%s", out, wh_digest_hex(&i.layers[0].blob, hex));
	{
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, blob, O_RDWR, 0);
		char byte;

		assert_int_equal(pread(fd, &byte, 1, 20), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
	}
	wh_image_release(&back);
	assert_ok(wh_image_from_layout(c.store, out, NULL, NULL, &p, &back, &err), err);
	for (int k = 0; k < 2; k++) {
		WH_AUTO_FREE char *bad = wh_asprintf("%s/bad", c.dir);

		assert_int_equal(wh_export_oci(c.store, &back,
					       &(struct wh_export){.dest = bad, .tar = k, .epoch = INT64_MAX}, &err),
				 -EBADMSG);
		assert_non_null(strstr(err->msg, "damaged"));
		wh_err_freep(&err);
		assert_int_equal(faccessat(AT_FDCWD, bad, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	}
	wh_image_release(&back);
	wh_image_release(&i);
	bed_close(&b);
	bed_close(&c);
}

/* A nested index, docker's media types, attestations and foreign platforms. */
static void nested(void **state)
{
	static const char *const specs[2][2] = {{"f a 644 1\n", NULL}, {"f a 644 22\n", NULL}};
	char text[3][WH_DIGEST_TEXT], hex[65];
	WH_AUTO_FREE char *inner = NULL;
	WH_AUTO_FREE char *outer = NULL;
	WH_AUTO_FREE char *path = NULL;
	struct wh_image i[2], back;
	struct wh_err *err = NULL;
	struct wh_digest d;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (int k = 0; k < 2; k++) {
		image_of(&b, specs[k], WH_COMP_GZIP, &i[k]);
		export_layout(&b, &i[k], k ? "x:1" : "x:0");
		wh_digest_text(&i[k].manifest, text[k]);
	}
	inner = wh_asprintf(
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\"digest\":\"%s\",\"size\":%llu,"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}},"
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%llu,"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,"
		"\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"},"
		"\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}}]}",
		text[0], (unsigned long long)i[0].manifest_size, text[1], (unsigned long long)i[1].manifest_size,
		text[0]);
	text_digest(inner, &d);
	wh_digest_text(&d, text[2]);
	path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&d, hex));
	put_file(&b, path, inner);
	outer = wh_asprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}]}",
		WH_MT_DOCKER_LIST, text[2], strlen(inner));
	put_file(&b, "index.json", outer);
	assert_ok(load(&b, NULL, NULL, "linux/amd64", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i[1].manifest));
	wh_image_release(&back);
	assert_ok(load(&b, NULL, NULL, "linux/arm/v7", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i[0].manifest));
	wh_image_release(&back);
	assert_ok(load(&b, NULL, &d, "linux/arm", &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i[0].manifest));
	wh_image_release(&back);
	assert_int_equal(load(&b, NULL, NULL, "linux/s390x", &back, &err), -ENOENT);
	assert_string_equal(err->hint, "there is one for linux/arm/v6, linux/amd64");
	wh_err_freep(&err);
	wh_image_release(&i[0]);
	wh_image_release(&i[1]);
	bed_close(&b);
}

static void bad_layouts(void **state)
{
#define ZEROS "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	static const struct {
		const char *file, *text, *error;
	} table[] = {
		{"index.json", "{", "bad JSON"},
		{"index.json", "{}", "there is no image in it"},
		{"index.json", "{\"manifests\":[]}", "there is no image in it"},
		{"index.json", "{\"manifests\":[1]}", "a descriptor without"},
		{"index.json", "{\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"sha256:00\",\"size\":1}]}",
		 "is no sha256 digest"},
		{"index.json", "{\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"" ZEROS "\",\"size\":-1}]}",
		 "a descriptor without"},
		{"index.json", "{\"manifests\":[{\"mediaType\":\"x\",\"digest\":\"" ZEROS "\",\"size\":1}]}",
		 "no image for"},
		{"index.json",
		 "{\"manifests\":[{\"mediaType\":\"" WH_MT_MANIFEST "\",\"digest\":\"" ZEROS "\",\"size\":1}]}",
		 "No such file"},
		{"oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", "is not 1.x"},
		{"oci-layout", "[]", "is not 1.x"},
	};
	WH_AUTO_FREE char *fifo = NULL;
	WH_AUTO_FREE char *blob = NULL;
	char hex[65];
	struct wh_err *err = NULL;
	struct wh_image i, back;
	struct bed b;

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(table); k++) {
		bed_open(&b);
		image_of(&b, one, WH_COMP_NONE, &i);
		export_layout(&b, &i, "shop:1");
		put_file(&b, table[k].file, table[k].text);
		if (load(&b, NULL, NULL, "linux/amd64", &back, &err) >= 0)
			fail_msg("case %zu was taken", k);
		if (!strstr(err->msg, table[k].error))
			fail_msg("case %zu: %s", k, err->msg);
		wh_err_freep(&err);
		wh_image_release(&i);
		bed_close(&b);
	}
	bed_open(&b);
	image_of(&b, one, WH_COMP_NONE, &i);
	export_layout(&b, &i, "shop:1");
	blob = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&i.config_digest, hex));
	put_file(&b, blob, "{}");
	assert_int_equal(load(&b, "1", NULL, "linux/amd64", &back, &err), -EBADMSG);
	assert_non_null(strstr(err->msg, "is not what its name says"));
	wh_err_freep(&err);
	fifo = wh_asprintf("%s/layout/index.json", b.dir);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(load(&b, "1", NULL, "linux/amd64", &back, &err), -EBADMSG);
	assert_non_null(strstr(err->msg, "not a regular file"));
	wh_err_freep(&err);
	wh_image_release(&i);
	bed_close(&b);
}

static void no_layout(void **state)
{
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_FREE char *sub = NULL;
	struct wh_err *err = NULL;
	struct wh_image i;
	struct bed b;

	(void)state;
	bed_open(&b);
	assert_int_equal(load(&b, NULL, NULL, "linux/amd64", &i, &err), -ENOENT);
	wh_err_freep(&err);
	dir = wh_asprintf("%s/layout", b.dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(load(&b, NULL, NULL, "linux/amd64", &i, &err), -ENOENT);
	assert_non_null(strstr(err->msg, "not an OCI image layout"));
	assert_non_null(err->hint);
	wh_err_freep(&err);
	/* An export goes into an empty directory, but not among other files. */
	image_of(&b, one, WH_COMP_NONE, &i);
	export_layout(&b, &i, "shop:1");
	sub = wh_asprintf("%s/oci-layout", dir);
	assert_int_equal(unlink(sub), 0);
	assert_int_equal(wh_export_oci(b.store, &i, &(struct wh_export){.dest = dir, .epoch = INT64_MAX}, &err),
			 -EEXIST);
	assert_int_equal(err->class, WH_ERR_USAGE);
	wh_err_freep(&err);
	assert_int_equal(
		wh_export_oci(b.store, &i, &(struct wh_export){.dest = dir, .tar = true, .epoch = INT64_MAX}, &err),
		-EISDIR);
	wh_err_freep(&err);
	wh_image_release(&i);
	bed_close(&b);
}

/* ---------------------------------------------------------------- names in the store */

static void tags(void **state)
{
	static const char *const two[] = {"f a 644 1\n", NULL};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_image i, j, back;
	struct wh_err *err = NULL;
	char text[WH_DIGEST_TEXT];
	struct bed b;

	(void)state;
	bed_open(&b);
	image_of(&b, one, WH_COMP_NONE, &i);
	image_of(&b, two, WH_COMP_NONE, &j);
	assert_ok(wh_store_tag(b.store, "shop:1", &i, &err), err);
	assert_ok(wh_store_tag(b.store, "localhost/x", &j, &err), err);
	assert_ok(wh_image_from_store(b.store, "docker.io/library/shop:1", NULL, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	wh_image_release(&back);
	assert_ok(wh_store_tag(b.store, "shop:1", &j, &err), err);
	assert_ok(wh_image_from_store(b.store, "shop:1", NULL, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &j.manifest));
	wh_image_release(&back);
	assert_ok(wh_image_from_store(b.store, wh_digest_text(&i.manifest, text), NULL, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	wh_image_release(&back);
	assert_int_equal(wh_image_from_store(b.store, "shop:2", NULL, &back, &err), -ENOENT);
	wh_err_freep(&err);
	assert_int_equal(wh_image_from_store(b.store, "Shop", NULL, &back, &err), -EINVAL);
	wh_err_freep(&err);
	assert_int_equal(wh_store_tag(b.store, "a@" ZEROS, &i, &err), -EINVAL);
	wh_err_freep(&err);
	assert_int_equal(wh_read_file(wh_store_dirfd(b.store), "index.json", 1 << 20, &buf), 0);
	assert_non_null(strstr(buf.p, "\"io.containerd.image.name\":\"docker.io/library/shop:1\""));
	wh_image_release(&i);
	wh_image_release(&j);
	bed_close(&b);
}

/* ---------------------------------------------------------------- files */

/* Lower layers, and what hides parts of them. */
static const char *const stack[] = {
	"d . 755\nd a 755\nf a/gone 644 1\nf a/kept 600 22\nf a/z 644 333\nh a/zz a/z\nd o 755\nf o/hidden 644 4\nf su 4755 5\n",
	"w a/gone\nf a/z 644 new\no o 700\nf o/seen 644 66\n",
	"i a\nf a/more 644 777\np fifo 644\nl link a/kept\nc null 666\n",
	NULL,
};
#define STACK_TREE \
	"a 755|a/kept 600 22|a/more 644 777|a/z 644 new|a/zz 644 333|fifo 644|link -> a/kept|o 700|o/seen 644 66|su %o 5|"

static void describe_files(int fd, const char *prefix, struct wh_strv *out)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int copy = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fdopendir(copy);
	const struct dirent *de;

	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			wh_strv_add(&names, de->d_name);
	closedir(d);
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_path_join(prefix, names.v[i]);
		WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
		struct stat st;

		assert_int_equal(fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISCHR(st.st_mode)) /* only real root has it */
			continue;
		if (S_ISLNK(st.st_mode)) {
			char to[100] = "";

			assert_true(readlinkat(fd, names.v[i], to, sizeof(to) - 1) > 0);
			wh_strv_addf(out, "%s -> %s|", path, to);
		} else if (S_ISREG(st.st_mode)) {
			assert_int_equal(wh_read_file(fd, names.v[i], 1 << 20, &buf), 0);
			wh_strv_addf(out, "%s %o %s|", path, st.st_mode & 07777, buf.p);
		} else {
			wh_strv_addf(out, "%s %o|", path, st.st_mode & 07777);
		}
		if (S_ISDIR(st.st_mode)) {
			WH_AUTO_FD int sub = wh_openat(fd, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

			describe_files(sub, path, out);
		}
		if (!S_ISLNK(st.st_mode) && st.st_mtime != 1000)
			fail_msg("%s has time %lld", path, (long long)st.st_mtime);
	}
}

static void expect_files(const char *dir, unsigned su)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	WH_AUTO_STRV struct wh_strv v = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	char want[1000];

	describe_files(fd, "", &v);
	wh_strv_sort(&v);
	for (size_t i = 0; i < v.n; i++)
		wh_buf_adds(&buf, v.v[i]);
	snprintf(want, sizeof(want), STACK_TREE, su);
	assert_string_equal(buf.p, want);
}

static void local(void **state)
{
	WH_AUTO_FREE char *dir = NULL;
	unsigned skipped = 0;
	struct wh_err *err = NULL;
	struct wh_image i;
	struct bed b;

	(void)state;
	bed_open(&b);
	dir = wh_asprintf("%s/not/there/files", b.dir);
	for (int comp = WH_COMP_NONE; comp <= WH_COMP_ZSTD; comp++) {
		image_of(&b, stack, (enum wh_compression)comp, &i);
		assert_ok(wh_export_local(b.store, &i, &(struct wh_export){.dest = dir}, false, &skipped, &err), err);
		assert_int_equal(skipped, 1);
		expect_files(dir, 0755);
		assert_int_equal(wh_export_local(b.store, &i, &(struct wh_export){.dest = dir}, false, &skipped, &err),
				 -ENOTEMPTY);
		wh_err_freep(&err);
		assert_int_equal(wh_rm_rf(AT_FDCWD, dir), 0);
		assert_int_equal(mkdir(dir, 0755), 0);
		assert_ok(wh_export_local(b.store, &i, &(struct wh_export){.dest = dir}, true, &skipped, &err), err);
		expect_files(dir, 04755);
		assert_int_equal(wh_rm_rf(AT_FDCWD, dir), 0);
		wh_image_release(&i);
	}
	bed_close(&b);
}

/* Links that a higher layer cut in two keep the old content; those that are whole stay links. */
static void local_links(void **state)
{
	static const char *const specs[] = {"f a 644 old\nh b a\nh c a\nf x 644 y\nh z x\n", "f a 644 new\n", NULL};
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct stat b_st, c_st, x_st, z_st;
	unsigned skipped;
	struct wh_err *err = NULL;
	struct wh_image i;
	struct bed b;
	int fd;

	(void)state;
	bed_open(&b);
	dir = wh_asprintf("%s/files", b.dir);
	image_of(&b, specs, WH_COMP_ZSTD, &i);
	assert_ok(wh_export_local(b.store, &i, &(struct wh_export){.dest = dir}, false, &skipped, &err), err);
	fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(wh_read_file(fd, "a", 100, &buf), 0);
	assert_int_equal(wh_read_file(fd, "b", 100, &buf), 0);
	assert_string_equal(buf.p, "newold");
	assert_int_equal(fstatat(fd, "b", &b_st, 0) | fstatat(fd, "c", &c_st, 0), 0);
	assert_int_equal(fstatat(fd, "x", &x_st, 0) | fstatat(fd, "z", &z_st, 0), 0);
	assert_int_equal(b_st.st_ino, c_st.st_ino);
	assert_int_equal(b_st.st_nlink, 2);
	assert_int_equal(x_st.st_ino, z_st.st_ino);
	close(fd);
	wh_image_release(&i);
	bed_close(&b);
}

/* A root as one tar, given to ADD, is the same root; in both orders of contents. */
static void tar_and_add(void **state)
{
	static const char *const single[] = {
		"d . 755\nd a 755\nf a/kept 600 22\nf a/more 644 777\nf a/z 644 new\nf a/zz 644 333\np fifo 644\nl link a/kept\n"
		"d o 700\nf o/seen 644 66\nf su 4755 5\n",
		NULL,
	};
	static const char *const *const images[] = {stack, single};
	WH_AUTO_FREE char *file = NULL;
	WH_AUTO_FREE char *dir = NULL;
	struct wh_err *err = NULL;
	struct bed b;

	(void)state;
	bed_open(&b);
	file = wh_asprintf("%s/root.tar", b.dir);
	dir = wh_asprintf("%s/files", b.dir);
	for (size_t k = 0; k < WH_ARRAY_SIZE(images); k++) {
		WH_AUTO_FD int fd = -1;
		struct wh_image i, added = {.layers = wh_calloc(1, sizeof(*added.layers)), .n_layers = 1};
		unsigned skipped;

		image_of(&b, images[k], WH_COMP_ZSTD, &i);
		assert_ok(wh_export_tar(b.store, &i, &(struct wh_export){.dest = file}, &err), err);
		fd = wh_openat(AT_FDCWD, file, O_RDONLY, 0);
		assert_ok(wh_archive_to_layer(b.store, fd, "root.tar", false, &added.layers[0], &err), err);
		assert_ok(wh_export_local(b.store, &added, &(struct wh_export){.dest = dir}, true, &skipped, &err),
			  err);
		expect_files(dir, 04755);
		assert_int_equal(wh_rm_rf(AT_FDCWD, dir), 0);
		wh_image_release(&added);
		wh_image_release(&i);
	}
	bed_close(&b);
}

/* ---------------------------------------------------------------- other compressions */

static void conversions(void **state)
{
	struct wh_layer_opts gz = WH_LAYER_OPTS_INIT, none = WH_LAYER_OPTS_INIT;
	struct wh_layer zstd, a, b2, c, d;
	struct wh_err *err = NULL;
	struct bed b;

	(void)state;
	gz.comp = WH_COMP_GZIP;
	none.comp = WH_COMP_NONE;
	bed_open(&b);
	layer_of(b.store, one[0], &zstd);
	assert_ok(wh_layer_as(b.store, &zstd, &gz, &a, &err), err);
	assert_true(wh_digest_eq(&a.diff_id, &zstd.diff_id));
	assert_int_equal(a.comp, WH_COMP_GZIP);
	assert_false(wh_digest_eq(&a.blob, &zstd.blob));
	/* Found again; made again when it is gone. */
	assert_ok(wh_layer_as(b.store, &zstd, &gz, &b2, &err), err);
	assert_true(wh_digest_eq(&a.blob, &b2.blob) && a.blob_size == b2.blob_size);
	{
		char hex[65];
		WH_AUTO_FREE char *path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&a.blob, hex));

		assert_int_equal(unlinkat(wh_store_dirfd(b.store), path, 0), 0);
	}
	assert_ok(wh_layer_as(b.store, &zstd, &gz, &c, &err), err);
	assert_true(wh_digest_eq(&a.blob, &c.blob) && wh_blob_has(b.store, &c.blob, NULL));
	assert_ok(wh_layer_as(b.store, &a, &none, &d, &err), err);
	assert_true(wh_digest_eq(&d.blob, &d.diff_id));
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(same_bytes),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(nested),
		cmocka_unit_test(straight_through),
		cmocka_unit_test(bad_layouts),
		cmocka_unit_test(no_layout),
		cmocka_unit_test(tags),
		cmocka_unit_test(local),
		cmocka_unit_test(local_links),
		cmocka_unit_test(tar_and_add),
		cmocka_unit_test(conversions),
	};

	become_root();
	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
