/* SPDX-License-Identifier: Apache-2.0 */
/* The store: blobs, leases of living and dead processes, what a crash leaves, a full disk. */
#include "layers/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/unit/layers_helper.h"

static int count_names(int dirfd, const char *dir)
{
	struct dirent **v = NULL;
	int n = scandirat(dirfd, dir, &v, NULL, NULL);

	for (int i = 0; i < n; i++)
		free(v[i]);
	free(v);
	return n - 2;
}

static bool exists(struct wh_store *s, const char *path)
{
	return faccessat(wh_store_dirfd(s), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(struct wh_store *s, const char *path, const char *text)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);

	assert_int_equal(wh_mkdir_p(wh_store_dirfd(s), dir, 0700), 0);
	assert_int_equal(wh_write_file_atomic(wh_store_dirfd(s), path, text, strlen(text), 0600, false), 0);
}

static struct wh_store *again(const struct bed *bed)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/store", bed->dir);
	struct wh_store *s = NULL;
	struct wh_err *err = NULL;

	assert_ok(wh_store_open(path, &s, &err), err);
	return s;
}

static void layout(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_store *second;
	struct stat st;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	assert_int_equal(fstat(wh_store_dirfd(bed.store), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(wh_read_file(wh_store_dirfd(bed.store), "oci-layout", 1000, &text), 0);
	assert_string_equal(text.p, "{\"imageLayoutVersion\":\"1.0.0\"}");
	/* What a build has tagged stays when another one opens the store. */
	put_file(bed.store, "index.json", "{}");
	second = again(&bed);
	wh_buf_reset(&text);
	assert_int_equal(wh_read_file(wh_store_dirfd(second), "index.json", 1000, &text), 0);
	assert_string_equal(text.p, "{}");
	assert_string_not_equal(wh_store_tmp_path(bed.store), wh_store_tmp_path(second));
	wh_store_close(second);
	bed_close(&bed);
}

static void blobs(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_err *err = NULL;
	struct wh_digest d, none;
	char hex[65], text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *path = NULL;
	uint64_t size = 0;
	struct bed bed;
	int fd;

	(void)state;
	bed_open(&bed);
	for (int i = 0; i < 2; i++) { /* the second time it is there */
		assert_ok(wh_blob_put(bed.store, "hello", 5, &d, &err), err);
		assert_true(wh_blob_has(bed.store, &d, &size));
		assert_int_equal(size, 5);
		assert_int_equal(count_names(wh_store_dirfd(bed.store), "blobs/sha256"), 1);
	}
	assert_string_equal(wh_digest_text(&d, text),
			    "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_ok(wh_blob_read(bed.store, &d, 5, &b, &err), err);
	assert_string_equal(b.p, "hello");
	assert_int_equal(wh_blob_read(bed.store, &d, 4, &b, &err), -EFBIG);
	wh_err_freep(&err);

	wh_digest_of("", 0, &none);
	assert_false(wh_blob_has(bed.store, &none, NULL));
	fd = wh_blob_open(bed.store, &none, NULL, &err);
	assert_int_equal(fd, -ENOENT);
	assert_non_null(strstr(err->msg, "sha256:e3b0c442"));
	wh_err_freep(&err);

	path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&d, hex));
	put_file(bed.store, path, "hellO");
	wh_buf_reset(&b);
	assert_int_equal(wh_blob_read(bed.store, &d, 100, &b, &err), -EBADMSG);
	assert_non_null(err->hint);
	wh_err_freep(&err);
	bed_close(&bed);
}

static void blob_writers(void **state)
{
	struct wh_blob_writer *w = NULL;
	struct wh_err *err = NULL;
	struct wh_digest good, bad, d;
	uint64_t size = 0;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	wh_digest_of("two parts", 9, &good);
	wh_digest_of("other", 5, &bad);
	for (int i = 0; i < 3; i++) {
		assert_ok(wh_blob_writer_new(bed.store, &w, &err), err);
		assert_ok(wh_blob_writer_add(w, "two ", 4, &err), err);
		assert_ok(wh_blob_writer_add(w, "parts", 5, &err), err);
		if (i == 0)
			wh_blob_writer_abort(w);
		if (i == 1)
			assert_int_equal(wh_blob_writer_finish(w, &bad, &d, &size, &err), -EBADMSG);
		if (i < 2)
			assert_int_equal(count_names(wh_store_dirfd(bed.store), "blobs/sha256"), 0);
		assert_int_equal(count_names(wh_store_tmp_dirfd(bed.store), "."), i < 2 ? 1 : 2); /* the lock */
		wh_err_freep(&err);
	}
	assert_ok(wh_blob_writer_finish(w, &good, &d, &size, &err), err);
	assert_true(wh_digest_eq(&d, &good));
	assert_int_equal(size, 9);
	bed_close(&bed);
}

/* What is left of one download is where the next begins, and only one is at it. */
static void downloads(void **state)
{
	struct wh_blob_writer *w = NULL, *other = NULL;
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	uint64_t got = 7;
	struct bed bed;
	struct wh_digest d;
	char hex[65];

	(void)state;
	bed_open(&bed);
	wh_digest_of("two parts", 9, &d);
	path = wh_asprintf("partial/%s", wh_digest_hex(&d, hex));
	assert_ok(wh_blob_writer_resume(bed.store, &d, 9, &w, &got, &err), err);
	assert_int_equal(got, 0);
	assert_ok(wh_blob_writer_add(w, "two ", 4, &err), err);
	assert_int_equal(wh_blob_writer_resume(bed.store, &d, 9, &other, &got, &err), -EBUSY);
	assert_null(err);
	assert_int_equal(got, 4);
	wh_blob_writer_leave(w);
	assert_ok(wh_blob_writer_resume(bed.store, &d, 9, &w, &got, &err), err);
	assert_int_equal(got, 4);
	assert_ok(wh_blob_writer_add(w, "parts", 5, &err), err);
	assert_ok(wh_blob_writer_finish(w, &d, NULL, NULL, &err), err);
	assert_int_equal(count_names(wh_store_dirfd(bed.store), "partial"), 0);
	assert_int_equal(wh_blob_writer_resume(bed.store, &d, 9, &other, &got, &err), -EEXIST);
	assert_null(err);
	assert_int_equal(count_names(wh_store_dirfd(bed.store), "partial"), 0);
	/* Of another size the store's is damaged. What is left is too much, begun anew, wrong, or nothing at all. */
	put_file(bed.store, path, "two parts and more");
	assert_ok(wh_blob_writer_resume(bed.store, &d, 8, &w, &got, &err), err);
	assert_int_equal(got, 0);
	assert_ok(wh_blob_writer_add(w, "three", 5, &err), err);
	assert_ok(wh_blob_writer_restart(w, &err), err);
	assert_ok(wh_blob_writer_add(w, "two", 3, &err), err);
	wh_blob_writer_leave(w);
	assert_ok(wh_blob_writer_resume(bed.store, &d, 8, &w, &got, &err), err);
	assert_int_equal(got, 3);
	assert_int_equal(wh_blob_writer_finish(w, &d, NULL, NULL, &err), -EBADMSG);
	wh_err_freep(&err);
	assert_int_equal(count_names(wh_store_dirfd(bed.store), "partial"), 0);
	assert_ok(wh_blob_writer_resume(bed.store, &d, 8, &w, &got, &err), err);
	wh_blob_writer_leave(w);
	assert_int_equal(count_names(wh_store_dirfd(bed.store), "partial"), 0);
	/* Something else in its place, and in the place of all of them, is no file to go on with; nor does it end a download. */
	assert_int_equal(symlinkat("../index.json", wh_store_dirfd(bed.store), path), 0);
	for (int i = 0; i < 2; i++) {
		got = 7;
		assert_ok(wh_blob_writer_resume(bed.store, &d, 9, &w, &got, &err), err);
		assert_int_equal(got, 0);
		assert_ok(wh_blob_writer_add(w, "two parts", 9, &err), err);
		assert_ok(wh_blob_writer_finish(w, &d, NULL, NULL, &err), err);
		(void)unlinkat(wh_store_dirfd(bed.store), path, 0);
		(void)unlinkat(wh_store_dirfd(bed.store), "partial", AT_REMOVEDIR);
		put_file(bed.store, "partial", "");
	}
	bed_close(&bed);
}

/* Another process opens the store, leaves something, and ends in the way that how says. */
static void child(const struct bed *bed, char how)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/store", bed->dir);
		struct wh_store *s = NULL;
		struct wh_digest d;

		if (wh_store_open(path, &s, NULL) < 0 || mkdirat(wh_store_tmp_dirfd(s), "half", 0700) < 0 ||
		    wh_blob_put(s, "child", 5, &d, NULL) < 0)
			_exit(1);
		if (how == 'c')
			wh_store_close(s);
		else if (how == 'k')
			raise(SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(how == 'k' ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status));
}

static void leases(void **state)
{
	struct wh_store *s;
	struct bed bed;
	int tmp;

	(void)state;
	bed_open(&bed);
	tmp = wh_store_dirfd(bed.store);
	assert_int_equal(count_names(tmp, "tmp"), 1);
	child(&bed, 'c');
	assert_int_equal(count_names(tmp, "tmp"), 1);
	child(&bed, 'k');
	assert_int_equal(count_names(tmp, "tmp"), 2);
	put_file(bed.store, "tmp/nolock/deep/file", "x");
	put_file(bed.store, "tmp/freelock/lock", "");
	/* Whoever comes next takes away what nobody holds, and nothing else. */
	s = again(&bed);
	assert_int_equal(count_names(tmp, "tmp"), 2);
	assert_int_equal(faccessat(wh_store_tmp_dirfd(bed.store), "lock", F_OK, 0), 0);
	wh_store_close(s);
	assert_int_equal(count_names(tmp, "tmp"), 1);
	/* All that the dead process had finished is there. */
	assert_int_equal(count_names(tmp, "blobs/sha256"), 1);
	bed_close(&bed);
}

/* A forked child that gives its copy up neither removes nor frees what its parent holds. */
static void forgetting(void **state)
{
	struct wh_store *s;
	struct bed bed;
	int status;
	pid_t pid;

	(void)state;
	bed_open(&bed);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		wh_store_forget(bed.store);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	s = again(&bed);
	wh_store_close(s);
	assert_int_equal(count_names(wh_store_tmp_dirfd(bed.store), "."), 1);
	bed_close(&bed);
}

static void unsynced_mark(void **state)
{
	WH_AUTO_FD int tmp = -1;
	struct wh_err *err = NULL;
	struct wh_digest d;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	tmp = wh_openat(wh_store_tmp_dirfd(bed.store), ".", O_RDONLY | O_DIRECTORY, 0);
	assert_int_not_equal(faccessat(tmp, "unsynced", F_OK, 0), 0);
	assert_ok(wh_blob_put(bed.store, "a", 1, &d, &err), err);
	assert_int_equal(faccessat(tmp, "unsynced", F_OK, 0), 0);
	assert_ok(wh_store_sync(bed.store, &err), err);
	assert_int_not_equal(faccessat(tmp, "unsynced", F_OK, 0), 0);
	assert_ok(wh_blob_put(bed.store, "b", 1, &d, &err), err);
	assert_int_equal(faccessat(tmp, "unsynced", F_OK, 0), 0);
	bed_close(&bed);
}

/* The machine went down: what was renamed shortly before may be empty, cut short or whole. */
static void after_a_crash(void **state)
{
	static const struct {
		const char *boot; /* NULL: this one, which has not crashed */
		bool kept;
	} rows[] = {{"00000000-0000-0000-0000-000000000000\n", false}, {"", false}, {NULL, true}};
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		static const char bad[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
		WH_AUTO_FREE char *blob = wh_asprintf("blobs/sha256/%s", bad), *index = wh_asprintf("index/%s", bad),
				  *snapshot = wh_asprintf("snapshots/%s/f", bad),
				  *variant = wh_asprintf("variants/%s.gzip", bad);
		WH_AUTO_BUF struct wh_buf boot = WH_BUF_INIT;
		struct wh_digest good;
		struct wh_layer l;
		struct bed bed;
		char hex[65];
		WH_AUTO_FREE char *good_index = NULL;

		bed_open(&bed);
		assert_int_equal(wh_blob_put(bed.store, "good", 4, &good, NULL), 0);
		layer_of(bed.store, "f a 644 x\n", &l);
		good_index = wh_asprintf("index/%s", wh_digest_hex(&l.diff_id, hex));
		put_file(bed.store, blob, "");
		put_file(bed.store, index, "");
		put_file(bed.store, snapshot, "");
		put_file(bed.store, variant, "");
		assert_int_equal(wh_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &boot), 0);
		put_file(bed.store, "tmp/dead/lock", "");
		put_file(bed.store, "tmp/dead/unsynced", rows[i].boot ? rows[i].boot : boot.p);
		wh_store_close(bed.store);
		bed.store = again(&bed);
		assert_int_equal(exists(bed.store, blob), rows[i].kept);
		assert_int_equal(exists(bed.store, index), rows[i].kept);
		assert_int_equal(exists(bed.store, snapshot), rows[i].kept);
		assert_int_equal(exists(bed.store, variant), rows[i].kept);
		assert_true(wh_blob_has(bed.store, &good, NULL));
		assert_true(wh_blob_has(bed.store, &l.blob, NULL));
		assert_true(exists(bed.store, good_index));
		assert_false(exists(bed.store, "tmp/dead"));
		wh_layer_release(&l);
		bed_close(&bed);
	}
}

/* While somebody checks it, and when it could not be checked, nobody uses the store. */
static void not_checked(void **state)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_store *s = NULL;
	struct bed bed;
	int status, gate;
	pid_t pid;

	(void)state;
	bed_open(&bed);
	path = wh_asprintf("%s/store", bed.dir);
	put_file(bed.store, "tmp/dead/lock", "");
	put_file(bed.store, "tmp/dead/unsynced", "another boot");
	put_file(bed.store, "blobs/sha256/dir/no-blob", ""); /* cannot be removed as a blob */
	assert_true(wh_store_open(path, &s, &err) < 0);
	assert_true(strstr(err->msg, "after a crash") != NULL);
	assert_true(exists(bed.store, "tmp/dead/unsynced"));
	assert_int_equal(wh_rm_rf(wh_store_dirfd(bed.store), "blobs/sha256/dir"), 0);
	/* One that checks holds tmp/ itself; nobody is seen to open the store before it lets go. */
	gate = wh_openat(wh_store_dirfd(bed.store), "tmp", O_RDONLY | O_DIRECTORY, 0);
	assert_true(gate >= 0);
	assert_int_equal(flock(gate, LOCK_SH), 0); /* leases can be taken, sweeps cannot */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(gate);
		wh_store_forget(bed.store);
		_exit(wh_store_open(path, &s, NULL) < 0 ? 1 : 0);
	}
	usleep(100000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_true(exists(bed.store, "tmp/dead/unsynced"));
	close(gate);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(exists(bed.store, "tmp/dead"));
	bed_close(&bed);
}

/* A full disk gives one clear error of the right class, and a store that works again when there is room. */
static void full_disk(void **state)
{
	WH_AUTO_FREE char *mnt = wh_strdup("/tmp/whittle-full-XXXXXX"), *store = NULL;
	static char big[3 << 20];
	struct wh_store *s = NULL;
	struct wh_err *err = NULL;
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++) { /* nothing that compresses */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		big[i] = (char)(x >> 32);
	}
	assert_non_null(mkdtemp(mnt));
	assert_int_equal(mount("tmpfs", mnt, "tmpfs", 0, "size=1m,mode=700"), 0);
	store = wh_asprintf("%s/store", mnt);
	assert_ok(wh_store_open(store, &s, &err), err);
	for (int comp = WH_COMP_NONE; comp <= WH_COMP_ZSTD; comp++) {
		struct wh_entry e = {.path = "f", .type = WH_T_FILE, .size = sizeof(big)};
		struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
		struct wh_layer_writer *w = NULL;
		struct wh_layer l;
		int r;

		o.comp = (enum wh_compression)comp;
		assert_ok(wh_layer_writer_new(s, &o, &w, &err), err);
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		r = wh_layer_writer_data(w, big, sizeof(big), &err);
		if (r == 0)
			r = wh_layer_writer_finish(w, &l, &err);
		else
			wh_layer_writer_abort(w);
		assert_int_equal(r, -ENOSPC);
		assert_int_equal(err->class, WH_ERR_ENV);
		wh_err_freep(&err);
		layer_of(s, "f a 644 x\n", &l);
		wh_layer_release(&l);
		assert_int_equal(count_names(wh_store_dirfd(s), "blobs/sha256"), 1);
	}
	wh_store_close(s);
	assert_int_equal(umount2(mnt, 0), 0);
	assert_int_equal(rmdir(mnt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),        cmocka_unit_test(blobs),      cmocka_unit_test(blob_writers),
		cmocka_unit_test(downloads),
		cmocka_unit_test(leases),        cmocka_unit_test(forgetting), cmocka_unit_test(unsynced_mark),
		cmocka_unit_test(not_checked),
		cmocka_unit_test(after_a_crash), cmocka_unit_test(full_disk),
	};

	enter_user_namespace();
	return cmocka_run_group_tests_name("layers_store", tests, NULL, NULL);
}
