/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context memo: which content a local file had, by path, inode, size, mtime
 * and ctime. ROOT/memo/HEX, HEX being the SHA-256 of the directory's real path.
 *
 *   char     magic[8]      "WHMEMO1\n"
 *   uint64_t sum           mix() of all that follows
 *   uint64_t n             records
 *   uint64_t names         bytes of names
 *   record   [n]           sorted by name, bytewise
 *   char     [names]       each NUL-terminated
 *
 *   record: uint64_t ino, size; int64_t mtime, ctime (nanoseconds);
 *           uint32_t name (offset), day (last used, since the epoch); uint8_t digest[32]
 *
 * Numbers are the machine's own: the file never leaves it. A file that is cut,
 * altered or of another machine is ignored and written anew.
 *
 * The racy rule: a file that is written twice within one tick of the clock looks
 * the same both times. So nothing is remembered of a file whose mtime or ctime
 * is not older than the start of the run that read it. (On a network file system,
 * whose clock is another's: two seconds older.) ctime cannot be set
 * by anybody, so same size and same mtime with other content are told apart.
 *
 * Records unused for a month go when the memo is next written.
 */
#include "builder/memo.h"

#include <errno.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#define MAGIC "WHMEMO1\n"
#define DAY_NS ((int64_t)86400 * 1000000000)
#define KEEP_DAYS 30
#define NETWORK_SLACK_NS ((int64_t)2000000000)
#define MAX_BYTES ((uint64_t)1 << 30)

struct head {
	char magic[8];
	uint64_t sum, n, names;
};
struct record {
	uint64_t ino, size;
	int64_t mtime, ctime;
	uint32_t name, day;
	uint8_t digest[32];
};

/* One file, mapped; all NULL and 0 when there is none that is any good. */
struct image {
	void *map;
	size_t size;
	const struct record *v;
	size_t n;
	const char *names;
	size_t names_len;
};

struct learned {
	char *path;
	struct wh_memo_key key;
	struct wh_digest digest;
};

struct wh_memo {
	int dirfd; /* ROOT/memo, or -1 */
	char name[65];
	struct image now;
	uint8_t *used; /* one a record of now */
	struct learned *v;
	size_t n, cap;
	int64_t before; /* times must be older than this */
	uint32_t day;
};

static uint64_t mix(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ n, w;

	for (; n >= sizeof(w); n -= sizeof(w), s += sizeof(w)) {
		memcpy(&w, s, sizeof(w));
		h = (h ^ w) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, s, n);
	h = (h ^ w) * 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 29;
}

static void image_close(struct image *m)
{
	if (m->map)
		munmap(m->map, m->size);
	*m = (struct image){0};
}

static bool image_check(struct image *m)
{
	const struct head *h = m->map;
	uint64_t body = m->size - sizeof(*h);

	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 || h->n > body / sizeof(struct record) ||
	    h->names != body - h->n * sizeof(struct record))
		return false;
	if (h->sum != mix(&h->n, m->size - offsetof(struct head, n)))
		return false;
	m->v = (const void *)(h + 1);
	m->n = h->n;
	m->names = (const char *)(m->v + m->n);
	m->names_len = h->names;
	if (m->n && (!m->names_len || m->names[m->names_len - 1]))
		return false;
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name >= m->names_len)
			return false;
	return true;
}

static void image_open(int dirfd, const char *name, struct image *m)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
	struct stat st;

	*m = (struct image){0};
	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size < sizeof(struct head) ||
	    (uint64_t)st.st_size > MAX_BYTES)
		return;
	m->size = (size_t)st.st_size;
	m->map = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->map == MAP_FAILED)
		m->map = NULL;
	if (!m->map || !image_check(m))
		image_close(m);
}

/* Position of the name, or n. */
static size_t image_find(const struct image *m, const char *path)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(m->names + m->v[mid].name, path);

		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return m->n;
}

static int memo_dir(struct wh_store *s)
{
	int root = wh_store_dirfd(s);

	if (mkdirat(root, "memo", 0700) < 0 && errno != EEXIST)
		return -1;
	return wh_openat(root, "memo", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

struct wh_memo *wh_memo_open(struct wh_store *s, const char *path, int dirfd)
{
	struct wh_memo *m = wh_calloc(1, sizeof(*m));
	WH_AUTO_FREE char *real = realpath(path, NULL);
	struct wh_digest d;
	struct timespec t;

	/* The coarse clock is the one that file systems stamp with. */
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	m->before = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	m->day = (uint32_t)(m->before / DAY_NS);
	if (wh_is_network_fs(dirfd))
		m->before -= NETWORK_SLACK_NS;
	m->dirfd = real ? memo_dir(s) : -1;
	if (m->dirfd < 0)
		return m;
	wh_digest_of(real, strlen(real), &d);
	wh_digest_hex(&d, m->name);
	(void)wh_store_use(s, m->dirfd, m->name);
	image_open(m->dirfd, m->name, &m->now);
	m->used = wh_calloc(m->now.n + 1, 1);
	return m;
}

bool wh_memo_get(struct wh_memo *m, const char *path, const struct wh_memo_key *k, struct wh_digest *ret)
{
	size_t at = image_find(&m->now, path);
	const struct record *r;

	if (at == m->now.n)
		return false;
	r = &m->now.v[at];
	if (r->ino != k->ino || r->size != k->size || r->mtime != k->mtime_ns || r->ctime != k->ctime_ns)
		return false;
	m->used[at] = 1;
	memcpy(ret->b, r->digest, sizeof(ret->b));
	return true;
}

void wh_memo_put(struct wh_memo *m, const char *path, const struct wh_memo_key *k, const struct wh_digest *d)
{
	if (k->mtime_ns >= m->before || k->ctime_ns >= m->before)
		return;
	WH_PUSH(m->v, m->n, m->cap) = (struct learned){wh_strdup(path), *k, *d};
}

static int by_path(const void *a, const void *b)
{
	const struct learned *x = a, *y = b;

	return strcmp(x->path, y->path);
}

struct writer {
	struct wh_buf records, names;
	uint64_t n;
};

static void put_record(struct writer *w, const char *path, struct record r)
{
	r.name = (uint32_t)w->names.n;
	wh_buf_add(&w->records, &r, sizeof(r));
	wh_buf_add(&w->names, path, strlen(path) + 1);
	w->n++;
}

/* What is on disk by now, and what was learned: two sorted lists; the learned wins. */
static void merge(struct wh_memo *m, const struct image *disk, struct writer *w)
{
	size_t i = 0, k = 0;

	while (i < disk->n || k < m->n) {
		const char *old = i < disk->n ? disk->names + disk->v[i].name : NULL;
		int c = !old ? 1 : k == m->n ? -1 : strcmp(old, m->v[k].path);

		if (c >= 0) {
			const struct learned *l = &m->v[k];
			struct record r = {
				.ino = l->key.ino,
				.size = l->key.size,
				.mtime = l->key.mtime_ns,
				.ctime = l->key.ctime_ns,
				.day = m->day,
			};

			memcpy(r.digest, l->digest.b, sizeof(r.digest));
			/* The same path twice: one is enough, for a stale one does no harm. */
			if (k + 1 == m->n || strcmp(l->path, m->v[k + 1].path) != 0)
				put_record(w, l->path, r);
			k++;
			i += c == 0;
		} else {
			struct record r = disk->v[i++];
			size_t mine = image_find(&m->now, old);

			if (mine < m->now.n && m->used[mine])
				r.day = m->day;
			if (r.day + KEEP_DAYS >= m->day)
				put_record(w, old, r);
		}
	}
}

static int write_image(struct wh_memo *m, struct writer *w)
{
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	struct head h = {.n = w->n, .names = w->names.n};

	memcpy(h.magic, MAGIC, sizeof(h.magic));
	if (!wh_buf_ok(&w->records) || !wh_buf_ok(&w->names) || w->names.n > UINT32_MAX)
		return -EFBIG;
	wh_buf_add(&all, &h, sizeof(h));
	wh_buf_add(&all, w->records.p, w->records.n);
	wh_buf_add(&all, w->names.p, w->names.n);
	if (!wh_buf_ok(&all))
		return -EFBIG;
	h.sum = mix(all.p + offsetof(struct head, n), all.n - offsetof(struct head, n));
	memcpy(all.p, &h, sizeof(h));
	return wh_write_file_atomic(m->dirfd, m->name, all.p, all.n, 0600, false);
}

int wh_memo_save(struct wh_memo *m)
{
	WH_AUTO_FD int lock = -1;
	struct writer w = {0};
	struct image disk;
	int r;

	if (!m || !m->n || m->dirfd < 0)
		return 0;
	lock = wh_openat(m->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (lock < 0)
		return lock;
	if (flock(lock, LOCK_EX) < 0)
		return -errno;
	qsort(m->v, m->n, sizeof(*m->v), by_path);
	image_open(m->dirfd, m->name, &disk);
	merge(m, &disk, &w);
	r = write_image(m, &w);
	image_close(&disk);
	wh_buf_release(&w.records);
	wh_buf_release(&w.names);
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].path);
	m->n = 0;
	return r;
}

void wh_memo_free(struct wh_memo *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].path);
	free(m->v);
	free(m->used);
	image_close(&m->now);
	wh_closep(&m->dirfd);
	free(m);
}
