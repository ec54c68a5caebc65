/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSV records out of whatever they come in: files of JSON objects one after the other (one, or one a line), zip
 * archives of such files, directories of either; gzip, bzip2, xz or zstd around any of them. Everything is a stream:
 * memory holds one record. All of it is hostile: sizes, counts and depths are bounded, no name out of an archive is
 * ever opened.
 */
#include "evidence/vulndb_private.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>

#define MAX_RECORD ((size_t)16 << 20)  /* bytes of one record */
#define MAX_TOTAL ((uint64_t)16 << 30) /* bytes of all, unpacked */
#define MAX_RECORDS ((uint64_t)8000000)
#define MAX_DEPTH 16 /* of directories */
#define CHUNK ((size_t)256 << 10)

struct stream {
	wh_osv_fn fn;
	void *arg;
	uint64_t bytes, records; /* of all files */
};

/* One file, cut into JSON objects by their braces. */
struct cutter {
	struct stream *s;
	const char *what; /* the file */
	struct wh_buf record;
	unsigned depth;
	bool in_string, escaped;
	uint64_t n;  /* records begun */
	uint64_t at; /* bytes before this chunk */
};

static int refuse(struct wh_err **err, const char *what, const char *why)
{
	return wh_err_set(err, "evidence", WH_ERR_USAGE, EINVAL, "%s: %s", what, why);
}

static int refuse_record(struct cutter *c, const char *why, struct wh_err **err)
{
	return wh_err_set(err, "evidence", WH_ERR_USAGE, EINVAL, "%s: record %llu: %s", c->what,
			  (unsigned long long)c->n, why);
}

static int give(struct cutter *c, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_asprintf("%s: record %llu", c->what, (unsigned long long)c->n);
	int r;

	if (++c->s->records > MAX_RECORDS)
		return refuse_record(c, "too many records", err);
	r = c->s->fn(c->s->arg, c->record.p, c->record.n, what, err);
	wh_buf_reset(&c->record);
	return r;
}

/* How many bytes of p are within the record that was begun; *ret_done: the last one ends it. Negative: damaged. */
static ssize_t scan(struct cutter *c, const char *p, size_t n, bool *ret_done)
{
	*ret_done = false;
	for (size_t i = 0; i < n; i++) {
		char ch = p[i];

		if (c->in_string) {
			if ((unsigned char)ch < 0x20)
				return -EINVAL; /* JSON has none in strings: a line was cut */
			if (c->escaped)
				c->escaped = false;
			else if (ch == '\\')
				c->escaped = true;
			else
				c->in_string = ch != '"';
		} else if (ch == '"') {
			c->in_string = true;
		} else if (ch == '{' || ch == '[') {
			c->depth++;
		} else if ((ch == '}' || ch == ']') && --c->depth == 0) {
			*ret_done = true;
			return (ssize_t)i + 1;
		}
	}
	return (ssize_t)n;
}

static int cut(struct cutter *c, const char *p, size_t n, struct wh_err **err)
{
	size_t i = 0;
	int r = 0;

	c->s->bytes += n;
	if (c->s->bytes > MAX_TOTAL)
		return refuse(err, c->what, "too many bytes once unpacked");
	if (!c->at && n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		i = 3;
	c->at += n;
	while (i < n && r == 0) {
		bool done;
		ssize_t used;

		if (!c->depth && strchr(" \t\r\n", p[i]) && p[i]) {
			i++;
			continue;
		}
		if (!c->depth) {
			c->n++;
			if (p[i] != '{')
				return refuse_record(c, "an OSV record is a JSON object, this is none", err);
		}
		used = scan(c, p + i, n - i, &done);
		if (used < 0)
			return refuse_record(c, "damaged JSON: a line end within a text", err);
		if (c->record.n + (size_t)used > MAX_RECORD)
			return refuse_record(c, "it is too big", err);
		wh_buf_add(&c->record, p + i, (size_t)used);
		i += (size_t)used;
		if (done)
			r = give(c, err);
	}
	return r;
}

/* ---------------------------------------------------------------- files */

struct source {
	int fd;
	char *buf;
};

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct source *s = arg;
	ssize_t n;

	do
		n = read(s->fd, s->buf, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "read: %s", strerror(errno));
	*ret = s->buf;
	return n;
}

static la_int64_t on_seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
	struct source *s = arg;
	off_t at = lseek(s->fd, offset, whence);

	if (at < 0)
		archive_set_error(a, errno, "seek: %s", strerror(errno));
	return at < 0 ? ARCHIVE_FATAL : at;
}

static int archive_err(struct archive *a, const char *what, struct wh_err **err)
{
	const char *text = archive_error_string(a);

	return wh_err_set(err, "evidence", WH_ERR_USAGE, EINVAL, "%s: damaged: %s", what,
			  text ? text : "it cannot be read");
}

/* One file of the archive, or the whole file when it is none. */
static int read_entry(struct stream *s, struct archive *a, const char *what, struct wh_err **err)
{
	WH_CLEANUP(wh_freep) char *chunk = wh_malloc(CHUNK);
	struct cutter c = {.s = s, .what = what};
	la_ssize_t n;
	int r = 0;

	while (r == 0 && (n = archive_read_data(a, chunk, CHUNK)) != 0)
		r = n < 0 ? archive_err(a, what, err) : cut(&c, chunk, (size_t)n, err);
	if (r == 0 && c.depth)
		r = refuse_record(&c, "the file ends within it", err);
	if (r == 0 && !c.n)
		r = refuse(err, what, "there is no OSV record in it");
	wh_buf_release(&c.record);
	return r;
}

static bool is_records(const char *name)
{
	return wh_has_suffix(name, ".json") || wh_has_suffix(name, ".jsonl") || wh_has_suffix(name, ".ndjson");
}

static int read_entries(struct stream *s, struct archive *a, const char *what, struct wh_err **err)
{
	struct archive_entry *e;
	uint64_t before = s->records;
	int x;

	while ((x = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
		const char *name;
		int r;

		if (x < ARCHIVE_WARN)
			return archive_err(a, what, err);
		if (archive_format(a) == ARCHIVE_FORMAT_RAW) {
			r = read_entry(s, a, what, err);
		} else {
			WH_AUTO_FREE char *inner = NULL;

			name = archive_entry_pathname_utf8(e);
			if (!name)
				name = archive_entry_pathname(e);
			if (archive_entry_filetype(e) != AE_IFREG || !name || !is_records(name))
				continue;
			inner = wh_asprintf("%s: %s", what, name);
			r = read_entry(s, a, inner, err);
		}
		if (r < 0)
			return r;
	}
	return s->records > before ? 0 : refuse(err, what, "there is no OSV record in it");
}

static int read_fd(struct stream *s, int fd, const char *what, struct wh_err **err)
{
	struct source src = {fd, wh_malloc(CHUNK)};
	struct archive *a = archive_read_new();
	int r = 0;

	archive_read_support_format_zip(a);
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_set_read_callback(a, on_read);
	if (lseek(fd, 0, SEEK_CUR) >= 0)
		archive_read_set_seek_callback(a, on_seek);
	archive_read_set_callback_data(a, &src);
	if (archive_read_open1(a) != ARCHIVE_OK)
		r = archive_err(a, what, err);
	if (r == 0)
		r = read_entries(s, a, what, err);
	archive_read_free(a);
	free(src.buf);
	return r;
}

/* ---------------------------------------------------------------- directories */

/* Does the name say that there are records in it? */
static bool is_source(const char *name)
{
	static const char *const packed[] = {".gz", ".bz2", ".xz", ".zst", ".zstd"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(packed); i++) {
		if (wh_has_suffix(name, packed[i])) {
			WH_AUTO_FREE char *plain = wh_strndup(name, strlen(name) - strlen(packed[i]));

			return is_records(plain) || wh_has_suffix(plain, ".zip");
		}
	}
	return is_records(name) || wh_has_suffix(name, ".zip");
}

static int names_of(int fd, struct wh_strv *ret)
{
	int own = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *e;
	DIR *d;

	if (own < 0)
		return own;
	d = fdopendir(own);
	if (!d) {
		close(own);
		return -ENOMEM;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			wh_strv_add(ret, e->d_name);
	closedir(d);
	wh_strv_sort(ret);
	return 0;
}

/* Symlinks in a directory are passed over, and so is what has another kind of name. */
static int read_dir(struct stream *s, int fd, const char *what, unsigned depth, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = names_of(fd, &names);

	if (r < 0)
		return wh_err_sys(err, "evidence", WH_ERR_USAGE, -r, "read %s", what);
	if (depth > MAX_DEPTH)
		return refuse(err, what, "directories too deep");
	for (size_t i = 0; i < names.n && r == 0; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", what, names.v[i]);
		WH_AUTO_FD int child = -1;
		struct stat st;

		if (fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || !is_source(names.v[i])))
			continue;
		child = wh_openat(fd, names.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (child < 0)
			return wh_err_sys(err, "evidence", WH_ERR_USAGE, -child, "read %s", path);
		r = S_ISDIR(st.st_mode) ? read_dir(s, child, path, depth + 1, err) : read_fd(s, child, path, err);
	}
	return r;
}

int wh_osv_each(const char *path, wh_osv_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);
	struct stream s = {.fn = fn, .arg = arg};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_err_sys(err, "evidence", WH_ERR_USAGE, fd < 0 ? -fd : errno, "read %s", path);
	r = S_ISDIR(st.st_mode) ? read_dir(&s, fd, path, 0, err) : read_fd(&s, fd, path, err);
	if (r == 0 && !s.records)
		r = refuse(err, path, "there is no file with OSV records in it");
	return r;
}
