/* SPDX-License-Identifier: Apache-2.0 */
/* What ADD unpacks: archives of other kinds, what is none, what was cut off. (A tar of ours, there and back: layers_export_test.) */
#include "tests/unit/layers_helper.h"

#include <archive.h>
#include <archive_entry.h>

static void no_archive(void **state)
{
	static const char *const texts[] = {
		"", "text", "PK\3\4 zip", "#mtree\nfoo type=file\n", "\x1f\x8b\x08", "!<arch>\n", "070707000000",
	};
	struct wh_layer l;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i <= WH_ARRAY_SIZE(texts); i++) {
		static const char zeros[4096];
		const char *p = i < WH_ARRAY_SIZE(texts) ? texts[i] : zeros;
		size_t n = i < WH_ARRAY_SIZE(texts) ? strlen(p) : sizeof(zeros);
		WH_AUTO_FREE char *file = wh_asprintf("%s/in", b.dir);
		struct wh_err *err = NULL;
		int fd;

		assert_int_equal(wh_write_file_atomic(AT_FDCWD, file, p, n, 0644, false), 0);
		fd = wh_openat(AT_FDCWD, file, O_RDONLY, 0);
		assert_int_equal(wh_archive_to_layer(b.store, fd, "in", false, &l, &err), -ENOTSUP);
		assert_null(err);
		close(fd);
	}
	bed_close(&b);
}

/* Too short for the decompressor to show the first header, and yet it is clear what it was. */
static void cut_archives(void **state)
{
	static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_NONE};
	WH_AUTO_FREE char *noise = wh_malloc(100000), *file = NULL;
	uint32_t seed = 1;
	struct bed b;

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		noise[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
	bed_open(&b);
	file = wh_asprintf("%s/in", b.dir);
	for (size_t i = 0; i < WH_ARRAY_SIZE(filters); i++) {
		struct archive *a = archive_write_new();
		struct archive_entry *e = archive_entry_new();
		struct wh_err *err = NULL;
		struct wh_layer l;
		int fd;

		archive_write_set_format_ustar(a);
		archive_write_add_filter(a, filters[i]);
		assert_int_equal(archive_write_open_filename(a, file), ARCHIVE_OK);
		archive_entry_set_pathname(e, "noise");
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_size(e, 100000);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, noise, 100000), 100000);
		archive_entry_free(e);
		archive_write_free(a);
		assert_int_equal(truncate(file, 50000), 0);
		fd = wh_openat(AT_FDCWD, file, O_RDONLY, 0);
		assert_int_equal(wh_archive_to_layer(b.store, fd, "in", false, &l, &err), -EBADMSG);
		close(fd);
		wh_err_free(err);
	}
	bed_close(&b);
}

static void add_member(struct archive *a, const char *name, unsigned type, const char *link, const char *text)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, type == AE_IFDIR ? 0711 : 0750);
	archive_entry_set_mtime(e, 1000000000, 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	archive_entry_set_size(e, (la_int64_t)strlen(text));
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (*text)
		assert_int_equal(archive_write_data(a, text, strlen(text)), strlen(text));
	archive_entry_free(e);
}

static void expect_text(const char *dir, const char *name, const char *want, unsigned mode)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct stat st;
	int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(wh_read_fd(fd, 100, &text), 0);
	close(fd);
	assert_string_equal(text.p ? text.p : "", want);
	if (mode)
		assert_int_equal(st.st_mode & 0777, mode);
}

/* ADD --unpack=true: what docker would copy as it is. */
static void other_archives(void **state)
{
	static const struct {
		const char *format;
		bool flat, links;
	} rows[] = {{"zip", false, true},   {"7zip", false, true},    {"cpio", false, true}, {"newc", false, true},
		    {"arbsd", true, false}, {"iso9660", false, true}, {"xar", false, true}};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *file = wh_asprintf("%s/in", b.dir), *out = wh_asprintf("%s/out", b.dir);
		struct wh_image added = {.layers = wh_calloc(1, sizeof(*added.layers)), .n_layers = 1};
		struct archive *a = archive_write_new();
		struct wh_err *err = NULL;
		unsigned skipped;
		int fd;

		assert_int_equal(archive_write_set_format_by_name(a, rows[i].format), ARCHIVE_OK);
		assert_int_equal(archive_write_open_filename(a, file), ARCHIVE_OK);
		if (!rows[i].flat)
			add_member(a, "d", AE_IFDIR, NULL, "");
		add_member(a, rows[i].flat ? "f" : "d/f", AE_IFREG, NULL, "hello");
		add_member(a, "g", AE_IFREG, NULL, "");
		if (rows[i].links)
			add_member(a, "l", AE_IFLNK, "d/f", "");
		assert_int_equal(archive_write_close(a), ARCHIVE_OK);
		archive_write_free(a);
		fd = wh_openat(AT_FDCWD, file, O_RDONLY, 0);
		assert_int_equal(wh_archive_to_layer(b.store, fd, "in", false, &added.layers[0], &err), -ENOTSUP);
		lseek(fd, 0, SEEK_SET);
		assert_ok(wh_archive_to_layer(b.store, fd, "in", true, &added.layers[0], &err), err);
		close(fd);
		assert_ok(wh_export_local(b.store, &added, &(struct wh_export){.dest = out}, true, &skipped, &err),
			  err);
		expect_text(out, rows[i].flat ? "f" : "d/f", "hello", 0);
		expect_text(out, "g", "", 0);
		if (rows[i].links)
			expect_text(out, "l", "hello", 0);
		assert_int_equal(wh_rm_rf(AT_FDCWD, out), 0);
		wh_image_release(&added);
	}
	bed_close(&b);
}

/* The first name comes without content, as cpio writes it. */
static void cpio_links(void **state)
{
	/* magic; inode, mode, uid, gid, links, mtime, size, device (2), rdev (2), length of the name, checksum */
	static const char text[] = "070701"
				   "00000007"
				   "000081e8"
				   "00000000"
				   "00000000"
				   "00000002"
				   "3b9aca00"
				   "00000000"
				   "00000001"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000002"
				   "00000000"
				   "a\0"
				   "070701"
				   "00000007"
				   "000081e8"
				   "00000000"
				   "00000000"
				   "00000002"
				   "3b9aca00"
				   "00000004"
				   "00000001"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000002"
				   "00000000"
				   "b\0"
				   "late"
				   "070701"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000001"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "00000000"
				   "0000000b"
				   "00000000"
				   "TRAILER!!!\0\0\0\0";
	struct wh_image added = {.layers = wh_calloc(1, sizeof(*added.layers)), .n_layers = 1};
	WH_AUTO_FREE char *file = NULL, *out = NULL;
	struct wh_err *err = NULL;
	unsigned skipped;
	struct bed b;
	int fd;

	(void)state;
	bed_open(&b);
	file = wh_asprintf("%s/in", b.dir);
	out = wh_asprintf("%s/out", b.dir);
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, file, text, sizeof(text) - 1, 0644, false), 0);
	fd = wh_openat(AT_FDCWD, file, O_RDONLY, 0);
	assert_ok(wh_archive_to_layer(b.store, fd, "in", true, &added.layers[0], &err), err);
	close(fd);
	assert_ok(wh_export_local(b.store, &added, &(struct wh_export){.dest = out}, true, &skipped, &err), err);
	expect_text(out, "a", "late", 0750);
	expect_text(out, "b", "late", 0750);
	wh_image_release(&added);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_archive),
		cmocka_unit_test(cut_archives),
		cmocka_unit_test(other_archives),
		cmocka_unit_test(cpio_links),
	};

	become_root();
	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
