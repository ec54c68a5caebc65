/* SPDX-License-Identifier: Apache-2.0 */
/* Layer indexes: what goes in comes out; what an archive does to its own entries; damage is noticed. */
#include "layers/index_private.h"

#include <errno.h>

#include "tests/unit/layers_helper.h"

static const struct wh_xattr some_xattrs[] = {
	{.name = "security.capability", .value = "\0\1\2", .len = 3},
	{.name = "user.empty", .value = "", .len = 0},
	{.name = "user.x", .value = "y", .len = 1},
};

static void add(struct wh_index_builder *b, const struct wh_entry *e)
{
	struct wh_err *err = NULL;

	assert_ok(wh_index_builder_add(b, e, &err), err);
}

static struct wh_index *finish(struct bed *bed, struct wh_index_builder *b, const char *id, struct wh_index_info *info)
{
	struct wh_err *err = NULL;
	struct wh_index *x = NULL;
	struct wh_digest d;

	wh_digest_of(id, strlen(id), &d);
	assert_ok(wh_index_builder_finish(b, &d, info, &err), err);
	assert_true(wh_index_has(bed->store, &d));
	assert_ok(wh_index_open_diff(bed->store, &d, &x, &err), err);
	return x;
}

static void round_trip(void **state)
{
	const struct wh_entry in[] = {
		{.path = "", .type = WH_T_DIR, .mode = 0755, .mtime = 1},
		{.path = "a",
		 .type = WH_T_DIR,
		 .mode = 01777,
		 .uid = 1,
		 .gid = 2,
		 .mtime = -5,
		 .opaque = true,
		 .xattrs = some_xattrs,
		 .n_xattrs = 3},
		{.path = "a/b", .type = WH_T_FILE, .mode = 0644, .size = 1234567890123, .offset = 512, .mtime = 77},
		{.path = "a/c", .type = WH_T_SYMLINK, .mode = 0777, .link = ""},
		{.path = "dev", .type = WH_T_CHR, .mode = 0666, .major = 4095, .minor = 1048575},
		{.path = "gone", .type = WH_T_WHITEOUT, .mtime = 99999},
		{.path = "h", .type = WH_T_HARDLINK, .mode = 0644, .link = "a/b"},
		{.path = "h2", .type = WH_T_HARDLINK, .mode = 0644, .link = "h"},
		{.path = "lower", .type = WH_T_HARDLINK, .mode = 0644, .link = "not/here", .size = 5},
	};
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index_builder *b = NULL;
	struct wh_index_info info;
	struct wh_err *err = NULL;
	struct wh_digest content;
	struct wh_index *x;
	struct wh_entry e;
	struct bed bed;
	size_t pos;

	(void)state;
	bed_open(&bed);
	wh_digest_of("content", 7, &content);
	assert_ok(wh_index_builder_new(bed.store, &b, &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(in); i++) {
		add(b, &in[i]);
		if (in[i].type == WH_T_FILE)
			wh_index_builder_set_digest(b, &content);
	}
	x = finish(&bed, b, "round trip", &info);
	assert_int_equal(wh_index_count(x), WH_ARRAY_SIZE(in));
	assert_int_equal(info.n_entries, WH_ARRAY_SIZE(in));
	assert_int_equal(info.newest, 77); /* a whiteout has no time */
	for (size_t i = 0; i < WH_ARRAY_SIZE(in); i++) {
		assert_true(wh_index_find(x, in[i].path, &pos));
		assert_int_equal(pos, i);
		assert_int_equal(wh_index_at(x, i, &e, xs), 0);
		assert_string_equal(e.path, in[i].path);
		assert_int_equal(e.type, in[i].type);
		assert_int_equal(e.opaque, in[i].opaque);
		assert_int_equal(e.mode, in[i].mode);
		assert_int_equal(e.uid, in[i].uid);
		assert_int_equal(e.gid, in[i].gid);
		assert_int_equal(e.mtime, in[i].mtime);
		assert_int_equal(e.offset, in[i].offset);
		assert_int_equal(e.major, in[i].major);
		assert_int_equal(e.minor, in[i].minor);
		assert_true(wh_streq(e.link, in[i].link));
		assert_int_equal(e.n_xattrs, in[i].n_xattrs);
		for (size_t k = 0; k < e.n_xattrs; k++) {
			assert_string_equal(e.xattrs[k].name, in[i].xattrs[k].name);
			assert_int_equal(e.xattrs[k].len, in[i].xattrs[k].len);
			assert_memory_equal(e.xattrs[k].value, in[i].xattrs[k].value, e.xattrs[k].len);
		}
		/* Links take what they link to, through other links, too. */
		if (strcmp(e.path, "a/b") == 0 || e.path[0] == 'h') {
			assert_int_equal(e.size, 1234567890123);
			assert_true(wh_digest_eq(&e.digest, &content));
		} else {
			assert_int_equal(e.size, in[i].size);
			assert_true(wh_digest_is_zero(&e.digest));
		}
	}
	assert_int_equal(wh_index_at(x, WH_ARRAY_SIZE(in), &e, xs), -EBADMSG);
	assert_false(wh_index_find(x, "a/bb", &pos));
	assert_int_equal(pos, 3);
	assert_false(wh_index_find(x, "zzz", &pos));
	assert_int_equal(pos, WH_ARRAY_SIZE(in));
	assert_int_equal(wh_index_skip(x, 1, "a"), 4);
	assert_int_equal(wh_index_skip(x, 0, ""), WH_ARRAY_SIZE(in));
	wh_index_close(x);
	bed_close(&bed);
}

/* One line an entry, in the order in which the archive has them: "d a", "o a" (opaque mark), "f a SIZE", "w a", "l
 * a". */
static const struct merge_row {
	const char *what, *in, *out;
} merge_rows[] = {
	{"out of order", "f b 1\nf a/c 2\nd a\n", "d a 755\nf a/c 0 2\nf b 0 1\n"},
	{"the last one counts", "f a 1\nf a 2\n", "f a 0 2\n"},
	{"a whiteout after a file of its layer", "f a 1\nw a\n", "f a 0 1\n"},
	{"a whiteout before a file", "w a\nf a 1\n", "f a 0 1\n"},
	{"a whiteout and a directory", "w a\nd a\nf a/b 1\n", "d a opaque 755\nf a/b 0 1\n"},
	{"a directory and a whiteout", "d a\nf a/b 1\nw a\n", "d a opaque 755\nf a/b 0 1\n"},
	{"a whiteout above a file", "w a\nf a/b 1\n", "d a opaque implied 755\nf a/b 0 1\n"},
	{"a missing parent", "f a/b/c 1\nf a/b/d 1\nf a/e 1\n",
	 "d a implied 755\nd a/b implied 755\nf a/b/c 0 1\nf a/b/d 0 1\nf a/e 0 1\n"},
	{"names that sort between a directory and its children", "d a\nf a-b 1\nf a/b 1\nf a.b 1\n",
	 "d a 755\nf a/b 0 1\nf a-b 0 1\nf a.b 0 1\n"},
	{"an opaque mark before its directory", "o a\nd a\n", "d a opaque 755\n"},
	{"an opaque mark after its directory", "d a\no a\n", "d a opaque 755\n"},
	{"only an opaque mark", "o a\n", "d a opaque implied 755\n"},
	{"a file in place of a directory", "d a\nf a/b 1\nf a 2\n", "f a 0 2\n"},
	{"a directory in place of a file", "f a 2\nd a\nf a/b 1\n", "d a opaque 755\nf a/b 0 1\n"},
	{"below a link", "l a\nf a/b 1\nf a/b/c 1\nf b 1\n", "l a 777\nf b 0 1\n"},
	{"a directory twice", "d a\nf a/b 1\nd a\n", "d a 755\nf a/b 0 1\n"},
	{"nothing", "", ""},
};

static void add_line(struct wh_index_builder *b, const char *line)
{
	struct wh_entry e = {.link = NULL};
	char path[100];
	unsigned size = 0;
	char type;

	assert_true(sscanf(line, "%c %99s %u", &type, path, &size) >= 2);
	if (type == 'o') {
		assert_int_equal(wh_index_builder_add_opaque(b, path, NULL), 0);
		return;
	}
	e.path = path;
	e.type = (enum wh_type)type;
	e.size = size;
	e.mode = type == 'd' ? 0755 : type == 'l' ? 0777 : 0;
	e.link = type == 'l' ? "x" : NULL;
	add(b, &e);
}

static void merging(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < WH_ARRAY_SIZE(merge_rows); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		struct wh_xattr xs[WH_MAX_XATTRS];
		struct wh_index_builder *b = NULL;
		struct wh_err *err = NULL;
		struct wh_index_info info;
		struct wh_index *x;
		struct wh_entry e;

		assert_ok(wh_index_builder_new(bed.store, &b, &err), err);
		for (const char *p = merge_rows[i].in; *p; p = strchr(p, '\n') + 1)
			add_line(b, p);
		x = finish(&bed, b, merge_rows[i].what, &info);
		for (size_t k = 0; wh_index_at(x, k, &e, xs) == 0; k++) {
			wh_buf_addf(&out, "%c %s%s%s %o", e.type, e.path, e.opaque ? " opaque" : "",
				    e.implied ? " implied" : "", e.mode);
			if (e.type == WH_T_FILE)
				wh_buf_addf(&out, " %d", (int)e.size);
			wh_buf_addc(&out, '\n');
		}
		if (strcmp(out.p ? out.p : "", merge_rows[i].out) != 0)
			fail_msg("%s:\n%s", merge_rows[i].what, out.p ? out.p : "");
		wh_index_close(x);
	}
	bed_close(&bed);
}

static void refused(void **state)
{
	struct wh_xattr many[WH_MAX_XATTRS + 1] = {{.name = "user.x", .value = ""}};
	const struct wh_xattr unsorted[] = {{.name = "user.b", .value = ""}, {.name = "user.a", .value = ""}};
	WH_AUTO_FREE char *huge = wh_malloc(70001);
	const struct {
		struct wh_entry e;
		int r;
	} bad[] = {
		{{.path = "/a", .type = WH_T_DIR}, -EINVAL},
		{{.path = "a/", .type = WH_T_DIR}, -EINVAL},
		{{.path = "a//b", .type = WH_T_DIR}, -EINVAL},
		{{.path = "a/../b", .type = WH_T_DIR}, -EINVAL},
		{{.path = "./a", .type = WH_T_DIR}, -EINVAL},
		{{.path = "..", .type = WH_T_DIR}, -EINVAL},
		{{.path = "a/.", .type = WH_T_DIR}, -EINVAL},
		{{.path = huge, .type = WH_T_FILE}, -ENAMETOOLONG},
		{{.path = "l", .type = WH_T_SYMLINK, .link = huge}, -ENAMETOOLONG},
		{{.path = "l", .type = WH_T_SYMLINK}, -EINVAL},
		{{.path = "x", .type = WH_T_FILE, .xattrs = many, .n_xattrs = WH_MAX_XATTRS + 1}, -E2BIG},
		{{.path = "x", .type = WH_T_FILE, .xattrs = unsorted, .n_xattrs = 2}, -EINVAL},
	};
	struct wh_index_builder *b = NULL;
	struct bed bed;

	(void)state;
	memset(huge, 'a', 70000);
	huge[70000] = '\0';
	bed_open(&bed);
	assert_int_equal(wh_index_builder_new(bed.store, &b, NULL), 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		assert_int_equal(wh_index_builder_add(b, &bad[i].e, &err), bad[i].r);
		assert_non_null(err);
	}
	wh_index_builder_abort(b);
	bed_close(&bed);
}

/* Reads everything that a reader could. */
static int read_all(struct wh_index *x)
{
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_entry e;
	size_t pos, n = 0;
	int r = 0;

	for (size_t i = 0; i < wh_index_count(x); i++) {
		if (wh_index_at(x, i, &e, xs) < 0) {
			r = -EBADMSG;
			continue;
		}
		n += strlen(e.path) + (e.link ? strlen(e.link) : 0);
		for (size_t k = 0; k < e.n_xattrs; k++)
			n += strlen(e.xattrs[k].name) + (e.xattrs[k].len ? ((const char *)e.xattrs[k].value)[0] : 0);
		wh_index_find(x, e.path, &pos);
		wh_index_skip(x, pos, e.path);
	}
	return n == SIZE_MAX ? 0 : r;
}

/* Each bit of the file turned over, each length: an error, and nothing read out of bounds, even when the checksum is
 * not looked at (the memory is exactly as long as the file, so that a sanitizer sees it). */
static void damage(void **state)
{
	WH_AUTO_FREE char *name = NULL;
	WH_AUTO_BUF struct wh_buf good = WH_BUF_INIT;
	struct wh_index_builder *b = NULL;
	struct wh_err *err = NULL;
	struct wh_index *x;
	struct wh_digest d;
	struct bed bed;
	char hex[65];

	(void)state;
	bed_open(&bed);
	assert_ok(wh_index_builder_new(bed.store, &b, &err), err);
	add(b, &(struct wh_entry){.path = "d", .type = WH_T_DIR, .xattrs = some_xattrs, .n_xattrs = 3});
	add(b, &(struct wh_entry){.path = "d/l", .type = WH_T_SYMLINK, .link = "t"});
	add(b, &(struct wh_entry){.path = "f", .type = WH_T_FILE, .size = 3});
	wh_digest_of("damage", 6, &d);
	wh_index_close(finish(&bed, b, "damage", NULL));
	name = wh_asprintf("index/%s", wh_digest_hex(&d, hex));
	assert_int_equal(wh_read_file(wh_store_dirfd(bed.store), name, 1 << 20, &good), 0);
	for (size_t i = 0; i < good.n * 8; i++) {
		uint8_t *bad = wh_memdup(good.p, good.n);

		bad[i / 8] ^= (uint8_t)(1U << (i % 8));
		err = NULL;
		assert_int_equal(wh_index_parse(bad, good.n, true, &x, &err), -EBADMSG);
		wh_err_freep(&err);
		if (wh_index_parse(bad, good.n, false, &x, NULL) == 0) {
			read_all(x);
			wh_index_close(x);
		}
		free(bad);
	}
	for (size_t n = 0; n < good.n; n++) {
		uint8_t *bad = wh_memdup(good.p, n ? n : 1);

		assert_int_equal(wh_index_parse(bad, n, true, &x, NULL), -EBADMSG);
		if (wh_index_parse(bad, n, false, &x, NULL) == 0) {
			read_all(x);
			wh_index_close(x);
		}
		free(bad);
	}
	assert_int_equal(wh_index_parse(good.p, good.n, true, &x, NULL), 0);
	assert_int_equal(read_all(x), 0);
	wh_index_close(x);
	bed_close(&bed);
}

/* An index that is damaged, gone or of another version is made again from its blob; one that is another layer's is not
 * believed. */
static void made_again(void **state)
{
	WH_AUTO_FREE char *name = NULL;
	struct wh_err *err = NULL;
	struct wh_index *x = NULL;
	struct wh_layer a, b;
	struct bed bed;
	char hex[65];

	(void)state;
	bed_open(&bed);
	layer_of(bed.store, "d etc 755\nf etc/a 644 hello\nh etc/b etc/a\n", &a);
	layer_of(bed.store, "d etc 755\n", &b);
	name = wh_asprintf("index/%s", wh_digest_hex(&a.diff_id, hex));
	for (int round = 0; round < 4; round++) {
		WH_AUTO_FREE char *other = wh_asprintf("index/%s", wh_digest_hex(&b.diff_id, hex));
		WH_AUTO_BUF struct wh_buf bytes = WH_BUF_INIT;
		int at = wh_store_dirfd(bed.store);

		if (round == 3) { /* as an older program left it */
			assert_int_equal(wh_read_file(at, name, 1 << 20, &bytes), 0);
			bytes.p[16]--;
			assert_int_equal(wh_write_file_atomic(at, name, bytes.p, bytes.n, 0600, false), 0);
			assert_int_equal(wh_index_open_diff(bed.store, &a.diff_id, &x, NULL), -EBADMSG);
		} else {
			assert_int_equal(unlinkat(at, name, 0), 0);
		}
		if (round == 1)
			assert_int_equal(wh_write_file_atomic(at, name, "x", 1, 0600, false), 0);
		if (round == 2) {
			assert_int_equal(wh_read_file(at, other, 1 << 20, &bytes), 0);
			assert_int_equal(wh_write_file_atomic(at, name, bytes.p, bytes.n, 0600, false), 0);
		}
		assert_ok(wh_index_open(bed.store, &a, &x, &err), err);
		assert_int_equal(wh_index_count(x), 3);
		wh_index_close(x);
	}
	wh_layer_release(&a);
	wh_layer_release(&b);
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(merging),    cmocka_unit_test(refused),
		cmocka_unit_test(damage),     cmocka_unit_test(made_again),
	};

	return cmocka_run_group_tests_name("layers_index", tests, NULL, NULL);
}
