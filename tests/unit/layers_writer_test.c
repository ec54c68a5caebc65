/* SPDX-License-Identifier: Apache-2.0 */
/* The layer writer: digests that stay, bytes that no number of threads changes, and what it refuses. */
#include "layers/layers.h"

#include <dirent.h>
#include <errno.h>

#include "tests/unit/layers_helper.h"

static const struct golden_row {
	const char *what, *spec, *diff_id;
} golden_rows[] = {
	{"nothing", "", "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
	{"a bit of everything",
	 "d . 755\nd bin 755\nl bin/ls busybox\nd etc 755\nf etc/passwd 644 root:x:0:0\nw etc/shadow\n"
	 "h hard etc/passwd\n"
	 "d run 1777\np run/fifo 600\no var 755\nf var/x 4755 #!/bin/sh\n",
	 "6070320cfd021af4a70dfb13388085b5c42c25047e46392c3c99bfa4ad857dfa"},
	{"an implied directory is not in the tar", "i a\nf a/b 644 x\n",
	 "f0c6bef02412e601a55f1eaf4a9e03b6d9d834cd6661bc6ac560cd3fd949b79c"},
};

static void golden(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < WH_ARRAY_SIZE(golden_rows); i++) {
		for (unsigned comp = WH_COMP_NONE; comp <= WH_COMP_ZSTD; comp++) {
			struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
			struct wh_err *err = NULL;
			struct wh_layer l;
			char hex[65];

			o.comp = (enum wh_compression)comp;
			assert_ok(layer_of_opts(bed.store, golden_rows[i].spec, &o, &l, &err), err);
			if (strcmp(wh_digest_hex(&l.diff_id, hex), golden_rows[i].diff_id) != 0)
				fail_msg("row %zu: %s: %s", i, golden_rows[i].what, hex);
			if (comp == WH_COMP_NONE)
				assert_true(wh_digest_eq(&l.diff_id, &l.blob));
			assert_int_equal(l.comp, comp);
			assert_int_equal(l.newest, i ? 1000 : INT64_MIN);
			wh_layer_release(&l);
		}
	}
	bed_close(&bed);
}

/* Text that compresses somewhat, the same each time. */
static char *some_bytes(size_t n)
{
	char *p = wh_malloc(n);
	uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (char)((x & 7) ? 'a' + (x >> 32) % 4 : (x >> 40));
	}
	return p;
}

/* One file of n bytes, given in pieces. */
static void write_file(struct bed *bed, const struct wh_layer_opts *o, const char *p, size_t n, size_t piece,
		       struct wh_layer *ret)
{
	struct wh_entry e = {.path = "f", .type = WH_T_FILE, .mode = 0644, .size = n};
	struct wh_layer_writer *w = NULL;
	struct wh_digest want, got;
	struct wh_err *err = NULL;

	assert_ok(wh_layer_writer_new(bed->store, o, &w, &err), err);
	assert_ok(wh_layer_writer_add(w, &e, &err), err);
	for (size_t i = 0; i < n; i += piece)
		assert_ok(wh_layer_writer_data(w, p + i, n - i < piece ? n - i : piece, &err), err);
	wh_digest_of(p, n, &want);
	wh_layer_writer_last_digest(w, &got);
	assert_true(wh_digest_eq(&want, &got));
	assert_ok(wh_layer_writer_finish(w, ret, &err), err);
}

/* Sizes around those of tar blocks, pipeline chunks, zstd's limit for threads and its jobs. */
static void same_bytes(void **state)
{
	static const size_t sizes[] = {
		0,       1, 511, 512, 513, (256 << 10) - 512, (256 << 10) - 511, 256 << 10, 512 << 10, (512 << 10) + 1,
		5 << 20,
	};
	static const unsigned threads[] = {1, 2, 64};
	WH_AUTO_FREE char *p = some_bytes(5 << 20);
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < WH_ARRAY_SIZE(sizes) * 3; i++) {
		struct wh_layer first = {.origin = NULL};
		size_t n = sizes[i / 3];

		for (size_t k = 0; k < WH_ARRAY_SIZE(threads); k++) {
			struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
			struct wh_err *err = NULL;
			struct wh_layer l;

			o.comp = (enum wh_compression)(i % 3);
			o.threads = threads[k];
			write_file(&bed, &o, p, n, k == 0 ? 10007 : k == 1 ? 1 << 20 : n + 1, &l);
			if (k == 0) {
				struct wh_index *x = NULL;

				first = l;
				/* Read back by the layer reader, which checks both digests. */
				assert_ok(wh_snapshot_ensure(bed.store, &l, &err), err);
				assert_ok(wh_index_open(bed.store, &l, &x, &err), err);
				assert_int_equal(wh_index_count(x), 1);
				wh_index_close(x);
				continue;
			}
			assert_true(wh_digest_eq(&l.diff_id, &first.diff_id));
			assert_true(wh_digest_eq(&l.blob, &first.blob));
			assert_int_equal(l.blob_size, first.blob_size);
		}
	}
	bed_close(&bed);
}

static void times_are_clamped(void **state)
{
	const struct {
		int64_t epoch, newest;
	} rows[] = {{INT64_MAX, 3000}, {3000, 3000}, {2999, 2999}, {1500, 1500}, {-7, -7}};
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
		struct wh_xattr xs[WH_MAX_XATTRS];
		struct wh_layer_writer *w = NULL;
		struct wh_index *x = NULL;
		struct wh_err *err = NULL;
		struct wh_layer l;
		struct wh_entry e;

		o.epoch = rows[i].epoch;
		assert_ok(wh_layer_writer_new(bed.store, &o, &w, &err), err);
		assert_ok(
			wh_layer_writer_add(w, &(struct wh_entry){.path = "a", .type = WH_T_DIR, .mtime = 1000}, &err),
			err);
		assert_ok(
			wh_layer_writer_add(w, &(struct wh_entry){.path = "b", .type = WH_T_DIR, .mtime = 3000}, &err),
			err);
		assert_ok(wh_layer_writer_add(w, &(struct wh_entry){.path = "c", .type = WH_T_WHITEOUT, .mtime = 9000},
					      &err),
			  err);
		assert_ok(wh_layer_writer_finish(w, &l, &err), err);
		assert_int_equal(l.newest, rows[i].newest);
		assert_int_equal(l.n_entries, 3);
		assert_ok(wh_index_open(bed.store, &l, &x, &err), err);
		assert_int_equal(wh_index_at(x, 0, &e, xs), 0);
		assert_int_equal(e.mtime, rows[i].epoch < 1000 ? rows[i].epoch : 1000);
		wh_index_close(x);
	}
	bed_close(&bed);
}

static void refused(void **state)
{
	static const struct {
		const char *spec, *says;
	} rows[] = {
		{"f b 644 x\nf a 644 x\n", "out of order"},
		{"f a 644 x\nf a 644 x\n", "out of order"},
		{"d a 755\nf a-b 644 x\nf a/b 644 x\n", "out of order"},
		{"f a/../b 644 x\n", "clean path"},
		{"f a/.wh.b 644 x\n", "/a/.wh.b"},
	};
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_layer l;

		assert_int_equal(layer_of_opts(bed.store, rows[i].spec, &o, &l, &err), -EINVAL);
		assert_non_null(strstr(err->msg, rows[i].says));
	}
	bed_close(&bed);
}

static void content_must_fit(void **state)
{
	const struct wh_entry file = {.path = "f", .type = WH_T_FILE, .size = 4},
			      next = {.path = "g", .type = WH_T_DIR};
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer l;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (int i = 0; i < 4; i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_layer_writer *w = NULL;

		assert_int_equal(wh_layer_writer_new(bed.store, &o, &w, NULL), 0);
		assert_int_equal(wh_layer_writer_add(w, &file, NULL), 0);
		if (i == 0)
			assert_int_equal(wh_layer_writer_data(w, "12345", 5, &err), -EINVAL);
		if (i == 1)
			assert_int_equal(wh_layer_writer_add(w, &next, &err), -EINVAL);
		if (i == 2)
			assert_int_equal(wh_layer_writer_finish(WH_TAKE_PTR(w), &l, &err), -EINVAL);
		if (i == 3) {
			assert_int_equal(wh_layer_writer_data(w, "1234", 4, NULL), 0);
			assert_int_equal(wh_layer_writer_data(w, "5", 1, &err), -EINVAL);
		}
		assert_non_null(err);
		wh_layer_writer_abort(w);
	}
	bed_close(&bed);
}

/* A file that is not what its entry says any more. */
static void files_that_change(void **state)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (uint64_t size = 0; size <= 8; size++) {
		struct wh_entry e = {.path = "f", .type = WH_T_FILE, .size = size};
		WH_AUTO_FREE char *name = wh_asprintf("%s/file", bed.dir);
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_layer_writer *w = NULL;
		WH_AUTO_FD int fd = -1;
		int r;

		assert_int_equal(wh_write_file_atomic(AT_FDCWD, name, "1234", 4, 0600, false), 0);
		fd = wh_openat(AT_FDCWD, name, O_RDONLY, 0);
		assert_int_equal(wh_layer_writer_new(bed.store, &o, &w, NULL), 0);
		assert_int_equal(wh_layer_writer_add(w, &e, NULL), 0);
		r = wh_layer_writer_fd(w, fd, "the file", &err);
		assert_int_equal(r, size == 4 ? 0 : -EAGAIN);
		if (r < 0)
			assert_non_null(strstr(err->msg, "the file changed"));
		wh_layer_writer_abort(w);
	}
	bed_close(&bed);
}

static int count_names(int dirfd)
{
	struct dirent **v = NULL;
	int n = scandirat(dirfd, ".", &v, NULL, NULL);

	for (int i = 0; i < n; i++)
		free(v[i]);
	free(v);
	return n - 2;
}

/* Nothing is left behind by what was given up. */
static void aborted(void **state)
{
	WH_AUTO_FREE char *p = some_bytes(3 << 20);
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct bed bed;
	WH_AUTO_FD int blobs = -1;

	(void)state;
	bed_open(&bed);
	blobs = wh_openat(wh_store_dirfd(bed.store), "blobs/sha256", O_RDONLY | O_DIRECTORY, 0);
	for (size_t n = 0; n <= 3 << 20; n += 1 << 20) {
		struct wh_entry e = {.path = "f", .type = WH_T_FILE, .size = 4 << 20};
		struct wh_layer_writer *w = NULL;

		assert_int_equal(wh_layer_writer_new(bed.store, &o, &w, NULL), 0);
		assert_int_equal(wh_layer_writer_add(w, &e, NULL), 0);
		assert_int_equal(wh_layer_writer_data(w, p, n, NULL), 0);
		wh_layer_writer_abort(w);
		/* Its lock is all that the lease directory holds. */
		assert_int_equal(count_names(wh_store_tmp_dirfd(bed.store)), 1);
		assert_int_equal(count_names(blobs), 0);
	}
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),  cmocka_unit_test(same_bytes),       cmocka_unit_test(times_are_clamped),
		cmocka_unit_test(refused), cmocka_unit_test(content_must_fit), cmocka_unit_test(files_that_change),
		cmocka_unit_test(aborted),
	};

	become_root();
	return cmocka_run_group_tests_name("layers_writer", tests, NULL, NULL);
}
