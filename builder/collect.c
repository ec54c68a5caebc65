/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's part of a gc: which records there are, with all that they need; and forgetting those that go. */
#include "builder/builder.h"
#include "builder/cacheindex.h"

#include <dirent.h>
#include <errno.h>

#define RECORD_MAX ((size_t)64 * 1024)
#define INPUTS_MAX ((size_t)4 << 20)
#define DOC_MAX ((size_t)1 << 30)
#define SHELL "/bin/sh -c "

struct teller {
	struct wh_gc *gc;
	bool names;
};

/* What a step was, by what its record was made of. The file is read as it lies there: to be shown is not to be used. */
static char *name_of(struct wh_store *s, const struct wh_record *r)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	WH_AUTO_FREE char *path = NULL;
	const char *command, *kind, *source, *destination;
	const json_t *facts;
	char hex[65];

	if (wh_digest_is_zero(&r->inputs))
		return NULL;
	path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&r->inputs, hex));
	if (wh_read_regular(wh_store_dirfd(s), path, INPUTS_MAX, &b) < 0 || !b.n ||
	    wh_json_parse(b.p, b.n, "inputs", &o, NULL) < 0)
		return NULL;
	facts = json_object_get(o, "facts");
	command = wh_json_str(facts, "command");
	kind = wh_json_str(facts, "kind");
	source = wh_json_str(facts, "source");
	destination = wh_json_str(facts, "destination");
	if (command && wh_has_prefix(command, SHELL))
		command += strlen(SHELL);
	if (command)
		return wh_asprintf("RUN %s", command);
	return kind ? wh_asprintf("%s %s %s", kind, source ? source : "", destination ? destination : "") : NULL;
}

/* What a PROFILE's record names beside its document: "trace":"sha256:…", looked for as bytes, so that a gc parses no documents. What
 * only looks like it is kept too long at worst: in a text, the quotation marks would have backslashes before them. */
static bool trace_of(struct wh_store *s, const struct wh_digest *doc, struct wh_digest *ret)
{
	static const char label[] = "\"trace\":\"";
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *path = NULL;
	char hex[65], text[WH_DIGEST_TEXT];
	const char *at;

	path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(doc, hex));
	if (wh_read_regular(wh_store_dirfd(s), path, DOC_MAX, &b) < 0 || !b.n)
		return false;
	at = memmem(b.p, b.n, label, strlen(label));
	if (!at || (size_t)(b.p + b.n - at) < strlen(label) + sizeof(text))
		return false;
	memcpy(text, at + strlen(label), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return wh_digest_parse(text, ret);
}

static int add_record(void *arg, const struct wh_record *r, int64_t used)
{
	const struct teller *t = arg;
	WH_AUTO_FREE char *name = t->names ? name_of(wh_gc_store(t->gc), r) : NULL;
	struct wh_digest blobs[4];
	size_t n = 0;

	if (!r->empty)
		blobs[n++] = r->layer.blob;
	if (!wh_digest_is_zero(&r->doc))
		blobs[n++] = r->doc;
	if (!wh_digest_is_zero(&r->doc) && trace_of(wh_gc_store(t->gc), &r->doc, &blobs[n]))
		n++;
	if (!wh_digest_is_zero(&r->inputs))
		blobs[n++] = r->inputs;
	wh_gc_add_record(
		t->gc, &(struct wh_gc_record){.key = r->key, .blobs = blobs, .n_blobs = n, .used = used, .name = name});
	return 0;
}

/* Without the index, which a disk that is full may not let us open: what lies in records/ is the truth. */
static int add_files(struct teller *t, struct wh_err **err)
{
	int fd = wh_openat(wh_store_dirfd(wh_gc_store(t->gc)), "records", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		wh_closep(&fd);
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "read the cache's records");
	}
	while ((e = readdir(d))) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		struct wh_record r;
		struct stat st;

		if (strlen(e->d_name) != 64 || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    wh_read_regular(fd, e->d_name, RECORD_MAX, &b) < 0 || !b.n || !wh_record_load(e->d_name, b.p, b.n, &r))
			continue;
		add_record(t, &r, st.st_mtim.tv_sec);
		wh_record_release(&r);
	}
	closedir(d);
	return 0;
}

int wh_cache_tell_gc(struct wh_gc *g, bool names, struct wh_err **err)
{
	struct teller t = {g, names};
	struct wh_store *s = wh_gc_store(g);
	struct wh_cache *c = NULL;
	int r;

	/* Where nothing was ever built there is no index, and none is to be made. */
	if (faccessat(wh_store_dirfd(s), "records", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = wh_cache_open(s, NULL, NULL, &c, NULL);
	if (r < 0)
		return add_files(&t, err);
	r = wh_cache_each(c, add_record, &t, err);
	wh_cache_close(c);
	return r;
}

int wh_cache_forget(void *store, const struct wh_digest *keys, size_t n, struct wh_err **err)
{
	struct wh_cache *c = NULL;
	int r = wh_cache_open(store, NULL, NULL, &c, err);

	if (r == 0)
		r = wh_cache_remove(c, keys, n, err);
	wh_cache_close(c);
	return r;
}

void wh_cache_compact(struct wh_store *s)
{
	struct wh_cache *c = NULL;

	if (faccessat(wh_store_dirfd(s), "cache.db", F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    wh_cache_open(s, NULL, NULL, &c, NULL) < 0)
		return;
	wh_cache_shrink(c);
	wh_cache_close(c);
}
