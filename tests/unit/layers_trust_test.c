/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that are not what their name says, or not the layer that their image says; stores that others may write to. */
#include "layers/image_private.h"
#include "tests/unit/layers_helper.h"

#include <dirent.h>
#include <sys/wait.h>

static void put_file(struct wh_store *s, const char *path, const void *p, size_t n)
{
	assert_int_equal(wh_write_file_atomic(wh_store_dirfd(s), path, p, n, 0644, false), 0);
}

static char *blob_path(const struct wh_digest *d)
{
	char hex[65];

	return wh_asprintf("blobs/sha256/%s", wh_digest_hex(d, hex));
}

static void expect_bad(int r, struct wh_err **err, const char *text)
{
	assert_int_equal(r, -EBADMSG);
	assert_non_null(*err);
	if (!strstr((*err)->msg, text))
		fail_msg("\"%s\" is not in: %s", text, (*err)->msg);
	assert_int_equal((*err)->class, WH_ERR_BUILD);
	wh_err_freep(err);
}

/* Names and number of all there is in a directory of the bed. */
static int count(const struct bed *b, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", b->dir, name);
	struct dirent **v = NULL;
	int n = scandir(path, &v, NULL, NULL);

	for (int i = 0; i < n; i++)
		free(v[i]);
	free(v);
	return n < 0 ? 0 : n - 2;
}

/* ---------------------------------------------------------------- pairs */

/* A layer that says it is good's tar, but whose blob is another's: what an image with lying diff ids gives. */
static void liar(struct bed *b, enum wh_compression comp, struct wh_layer *ret_good, struct wh_layer *ret)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_err *err = NULL;

	o.comp = comp;
	o.threads = 1;
	assert_ok(layer_of_opts(b->store, "f pay 644 GOOD\n", &o, ret_good, &err), err);
	assert_ok(layer_of_opts(b->store, "f pay 644 EVIL\n", &o, ret, &err), err);
	ret->diff_id = ret_good->diff_id;
}

static int use_index(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	struct wh_index *x = NULL;
	int r = wh_index_open(b->store, l, &x, err);

	wh_index_close(x);
	return r;
}

static int use_tree(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	struct wh_tree *t = NULL;
	int r = wh_tree_open(b->store, l, 1, &t, err);

	wh_tree_close(t);
	return r;
}

static int use_snapshot(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	return wh_snapshot_ensure(b->store, l, err);
}

static int use_root(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	struct wh_work *w = NULL;
	int r = wh_work_new(b->store, WH_SNAP_COPY, l, 1, false, &w, err);

	if (r == 0)
		wh_work_discard(w);
	return r;
}

static int use_variant(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer other;
	int r;

	o.comp = WH_COMP_GZIP;
	o.threads = 1;
	r = wh_layer_as(b->store, l, &o, &other, err);
	if (r == 0)
		wh_layer_release(&other);
	return r;
}

static void image_of(struct bed *b, const struct wh_layer *l, struct wh_image *ret)
{
	struct wh_err *err = NULL;

	*ret = (struct wh_image){.layers = wh_calloc(1, sizeof(*ret->layers)), .n_layers = 1};
	wh_layer_copy(&ret->layers[0], l);
	ret->config = json_pack("{s:s, s:s}", "architecture", "amd64", "os", "linux");
	assert_ok(wh_image_write(b->store, ret, &err), err);
}

static int export_to(struct bed *b, const struct wh_layer *l, const char *name, bool tar, struct wh_err **err)
{
	WH_AUTO_FREE char *dest = wh_asprintf("%s/%s", b->dir, name);
	struct wh_export x = {.dest = dest, .tar = tar, .epoch = INT64_MAX};
	struct wh_image i;
	int r;

	image_of(b, l, &i);
	r = wh_export_oci(b->store, &i, &x, err);
	wh_image_release(&i);
	return r;
}

static int use_export(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	return export_to(b, l, "out", false, err);
}

static int use_export_tar(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	return export_to(b, l, "out.tar", true, err);
}

static int use_tag(struct bed *b, const struct wh_layer *l, struct wh_err **err)
{
	struct wh_image i;
	int r;

	image_of(b, l, &i);
	r = wh_store_tag(b->store, "named", &i, err);
	wh_image_release(&i);
	return r;
}

static const struct {
	const char *name;
	int (*use)(struct bed *b, const struct wh_layer *l, struct wh_err **err);
} uses[] = {
	{"index", use_index},     {"tree", use_tree},     {"snapshot", use_snapshot}, {"root", use_root},
	{"variant", use_variant}, {"export", use_export}, {"tar", use_export_tar},    {"tag", use_tag},
};

/* Whatever is known of the good layer, it is not given for another blob; the good one goes on being served. */
static void lying_diff_ids(void **state)
{
	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(uses); k++) {
		for (int comp = WH_COMP_NONE; comp <= WH_COMP_ZSTD; comp += WH_COMP_ZSTD) {
			WH_AUTO_FREE char *out = NULL, *tar = NULL;
			struct wh_err *err = NULL;
			struct wh_layer good, evil;
			struct bed b;

			print_message("%s of a %s layer\n", uses[k].name,
				      wh_compression_name((enum wh_compression)comp));
			bed_open(&b);
			liar(&b, (enum wh_compression)comp, &good, &evil);
			assert_ok(uses[k].use(&b, &good, &err), err);
			/* What the good one left at the destination. */
			out = wh_asprintf("%s/out", b.dir);
			tar = wh_asprintf("%s/out.tar", b.dir);
			assert_int_equal(wh_rm_rf(AT_FDCWD, out), 0);
			assert_int_equal(wh_rm_rf(AT_FDCWD, tar), 0);
			for (int again = 0; again < 2; again++)
				expect_bad(uses[k].use(&b, &evil, &err), &err, "diff id");
			/* Nothing but the store is there. */
			assert_int_equal(count(&b, "."), 1);
			assert_ok(uses[k].use(&b, &good, &err), err);
			bed_close(&b);
		}
	}
}

/* A foreign layer that no step reads is read before it leaves the house, and only once. */
static void unread_bases(void **state)
{
	struct wh_err *err = NULL;
	struct wh_layer good, evil;
	struct bed other, b;
	char a[65], d[65];

	(void)state;
	bed_open(&other);
	liar(&other, WH_COMP_ZSTD, &good, &evil);
	for (size_t k = 5; k < WH_ARRAY_SIZE(uses); k++) {
		WH_AUTO_FREE char *pair = NULL;

		bed_open(&b);
		free(good.origin);
		free(evil.origin);
		good.origin = wh_asprintf("%s/store", other.dir);
		evil.origin = wh_strdup(good.origin);
		expect_bad(uses[k].use(&b, &evil, &err), &err, "diff id");
		assert_int_equal(count(&b, "."), 1);
		assert_ok(uses[k].use(&b, &good, &err), err);
		pair = wh_asprintf("variants/%s.%s", wh_digest_hex(&good.diff_id, a), wh_digest_hex(&good.blob, d));
		assert_int_equal(faccessat(wh_store_dirfd(b.store), pair, F_OK, 0), 0);
		assert_int_equal(count(&b, "store/variants"), 1);
		bed_close(&b);
	}
	wh_layer_release(&good);
	wh_layer_release(&evil);
	bed_close(&other);
}

/* Layers that were made or converted here are known from birth: a cached build reads none of them. */
static void own_layers(void **state)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	struct wh_layer l, gzip;
	struct bed b;

	(void)state;
	bed_open(&b);
	layer_of(b.store, "f a 644 x\n", &l);
	o.comp = WH_COMP_GZIP;
	assert_ok(wh_layer_as(b.store, &l, &o, &gzip, &err), err);
	for (int i = 0; i < 2; i++) {
		path = blob_path(i ? &gzip.blob : &l.blob);
		/* Whoever tried to read it would fail. */
		assert_int_equal(unlinkat(wh_store_dirfd(b.store), path, 0), 0);
		assert_ok(use_index(&b, i ? &gzip : &l, &err), err);
		free(WH_TAKE_PTR(path));
	}
	wh_layer_release(&l);
	wh_layer_release(&gzip);
	bed_close(&b);
}

/* ---------------------------------------------------------------- damaged blobs */

static void expect_blob(struct bed *b, const struct wh_digest *d, size_t n)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_err *err = NULL;

	assert_ok(wh_blob_read(b->store, d, 64 << 20, &buf, &err), err);
	assert_int_equal(buf.n, n);
}

/* A blob that is written once more takes the place of one that was damaged meanwhile. */
static void replaced(void **state)
{
	static const struct {
		size_t n, damaged;
	} rows[] = {{5, 5}, {5, 3}, {5, 0}, {5, 9}, {1 << 20, 1 << 20}, {3 << 20, 3 << 20}, {3 << 20, 10}};
	struct wh_err *err = NULL;
	struct wh_digest d;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *good = wh_calloc(1, rows[i].n), *bad = wh_calloc(1, rows[i].n + 10), *path = NULL;

		memset(bad, 'X', rows[i].n + 10);
		for (int put = 0; put < 2; put++) {
			struct wh_blob_writer *w;

			wh_digest_of(good, rows[i].n, &d);
			free(WH_TAKE_PTR(path));
			path = blob_path(&d);
			put_file(b.store, path, bad, rows[i].damaged);
			if (put) {
				assert_ok(wh_blob_put(b.store, good, rows[i].n, &d, &err), err);
			} else {
				assert_ok(wh_blob_writer_new(b.store, &w, &err), err);
				assert_ok(wh_blob_writer_add(w, good, rows[i].n, &err), err);
				assert_ok(wh_blob_writer_finish(w, NULL, NULL, NULL, &err), err);
			}
			expect_blob(&b, &d, rows[i].n);
		}
		assert_int_equal(unlinkat(wh_store_dirfd(b.store), path, 0), 0);
	}
	bed_close(&b);
}

/* Damaged blobs do not leave the store, and the error names file and mend; small and big, same and other size. */
static void not_shipped(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		for (int cut = 0; cut < 2; cut++) {
			WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
			WH_AUTO_FREE char *path = NULL, *dest = NULL;
			struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
			struct wh_export x = {.epoch = INT64_MAX};
			static char big[2 << 20];
			struct wh_layer_writer *w;
			struct wh_err *err = NULL;
			struct wh_layer l;
			struct wh_image i;
			struct bed b;

			bed_open(&b);
			o.comp = WH_COMP_NONE;
			assert_ok(wh_layer_writer_new(b.store, &o, &w, &err), err);
			assert_ok(wh_layer_writer_add(
					  w, &(struct wh_entry){.path = "f", .type = WH_T_FILE, .size = sizeof(big)},
					  &err),
				  err);
			assert_ok(wh_layer_writer_data(w, big, sizeof(big), &err), err);
			assert_ok(wh_layer_writer_finish(w, &l, &err), err);
			image_of(&b, &l, &i);
			path = blob_path(what == 0 ? &i.manifest : what == 1 ? &i.config_digest : &l.blob);
			assert_int_equal(wh_read_file(wh_store_dirfd(b.store), path, 4 << 20, &buf), 0);
			buf.p[buf.n / 2] ^= 1;
			put_file(b.store, path, buf.p, buf.n - (size_t)(cut ? 1 : 0));
			dest = wh_asprintf("%s/out", b.dir);
			x.dest = dest;
			for (int tar = 0; tar < 2; tar++) {
				x.tar = tar;
				assert_int_equal(wh_export_oci(b.store, &i, &x, &err), -EBADMSG);
				assert_non_null(err->hint);
				assert_non_null(strstr(err->hint, path));
				assert_non_null(strstr(err->hint, "remove"));
				wh_err_freep(&err);
				assert_int_equal(count(&b, "."), 1);
			}
			wh_image_release(&i);
			wh_layer_release(&l);
			bed_close(&b);
		}
	}
}

/* A copy in the store that was cut short is got once more where there is an origin, and else explained. */
static void cut_short(void **state)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	struct bed other, b;
	struct wh_layer l;

	(void)state;
	bed_open(&other);
	bed_open(&b);
	layer_of(other.store, "f a 644 x\n", &l);
	l.origin = wh_asprintf("%s/store", other.dir);
	path = blob_path(&l.blob);
	put_file(b.store, path, "cut", 3);
	assert_ok(wh_layer_fetch(b.store, &l, &err), err);
	expect_blob(&b, &l.blob, (size_t)l.blob_size);
	put_file(b.store, path, "cut", 3);
	free(WH_TAKE_PTR(l.origin));
	assert_int_equal(wh_layer_fetch(b.store, &l, &err), -EBADMSG);
	assert_non_null(err->hint);
	assert_non_null(strstr(err->hint, path));
	wh_err_freep(&err);
	wh_layer_release(&l);
	bed_close(&b);
	bed_close(&other);
}

/* ---------------------------------------------------------------- the store's directory */

static void owners(void **state)
{
	static const struct {
		mode_t mode, after; /* after 0: refused */
		bool used;
	} rows[] = {
		{0700, 0700, false}, {0755, 0700, false}, {0777, 0700, false}, {01777, 0700, false}, {0700, 0700, true},
		{0755, 0755, true},  {0775, 0, true},     {0702, 0, true},     {0777, 0, true},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/s%zu", b.dir, i), *name = wh_asprintf("s%zu", i);
		WH_AUTO_FREE char *file = wh_asprintf("%s/cache.db", path);
		struct wh_err *err = NULL;
		struct wh_store *s = NULL;
		struct stat st;

		assert_int_equal(mkdir(path, 0700), 0);
		if (rows[i].used)
			assert_int_equal(wh_write_file_atomic(AT_FDCWD, file, "x", 1, 0600, false), 0);
		assert_int_equal(chmod(path, rows[i].mode), 0);
		if (rows[i].after) {
			assert_ok(wh_store_open(path, &s, &err), err);
			wh_store_close(s);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode & 07777, rows[i].after);
			continue;
		}
		assert_int_equal(wh_store_open(path, &s, &err), -EPERM);
		assert_int_equal(err->class, WH_ERR_ENV);
		assert_non_null(strstr(err->msg, path));
		assert_non_null(strstr(err->hint, "chmod"));
		wh_err_freep(&err);
		assert_int_equal(count(&b, name), 1);
	}
	bed_close(&b);
}

/* A directory of somebody who is nobody in this user namespace. */
static char *strange;

static void strangers(void **state)
{
	struct wh_err *err = NULL;
	struct wh_store *s = NULL;

	(void)state;
	assert_int_equal(wh_store_open(strange, &s, &err), -EPERM);
	assert_int_equal(err->class, WH_ERR_ENV);
	assert_non_null(strstr(err->msg, "belongs to"));
	assert_non_null(err->hint);
	wh_err_freep(&err);
}

/* Root makes one and gives it away; to anybody else /usr is one. */
static void make_strange(void)
{
	if (geteuid() != 0) {
		strange = wh_strdup("/usr");
		return;
	}
	strange = wh_strdup("/tmp/whittle-strange-XXXXXX");
	if (!mkdtemp(strange) || chown(strange, 12345, 12345) < 0 || chmod(strange, 0755) < 0)
		abort();
}

/* ---------------------------------------------------------------- the store's index.json */

static void bad_index(void **state)
{
	static const char *const rows[] = {"{", "[]", "{}", "", "{\"manifests\":{}}", "\"x\"", "{\"manifests\":[],}"};
	struct wh_err *err = NULL;
	struct wh_layer l;
	struct wh_image i;
	struct bed b;

	(void)state;
	bed_open(&b);
	layer_of(b.store, "f a 644 x\n", &l);
	image_of(&b, &l, &i);
	for (size_t k = 0; k < WH_ARRAY_SIZE(rows); k++) {
		put_file(b.store, "index.json", rows[k], strlen(rows[k]));
		for (int from = 0; from < 2; from++) {
			struct wh_image got;
			int r = from ? wh_image_from_store(b.store, "named", NULL, &got, &err)
				     : wh_store_tag(b.store, "named", &i, &err);

			if (r != -EBADMSG)
				fail_msg("row %zu, %d: %d", k, from, r);
			assert_int_equal(err->class, WH_ERR_ENV);
			assert_non_null(err->hint);
			assert_non_null(strstr(err->hint, "store/index.json"));
			wh_err_freep(&err);
		}
	}
	/* What the hint says does help. */
	assert_int_equal(unlinkat(wh_store_dirfd(b.store), "index.json", 0), 0);
	{
		WH_AUTO_FREE char *path = wh_asprintf("%s/store", b.dir);
		struct wh_store *again = NULL;

		assert_ok(wh_store_open(path, &again, &err), err);
		assert_ok(wh_store_tag(again, "named", &i, &err), err);
		wh_store_close(again);
	}
	wh_image_release(&i);
	wh_layer_release(&l);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lying_diff_ids), cmocka_unit_test(unread_bases), cmocka_unit_test(own_layers),
		cmocka_unit_test(replaced),       cmocka_unit_test(not_shipped),  cmocka_unit_test(cut_short),
		cmocka_unit_test(owners),         cmocka_unit_test(strangers),    cmocka_unit_test(bad_index),
	};

	int status, failed;
	pid_t pid;

	make_strange();
	/* In a child, so that what was given away can be removed. */
	pid = fork();
	if (pid == 0) {
		enter_user_namespace();
		failed = cmocka_run_group_tests_name("layers_trust", tests, NULL, NULL);
		free(strange);
		exit(failed ? 1 : 0);
	}
	failed = pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
	if (geteuid() == 0)
		(void)rmdir(strange);
	free(strange);
	return failed;
}
