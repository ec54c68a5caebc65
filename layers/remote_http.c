/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs. A body is kept by its digest, and what a URL gave last by the URL; next time the server is asked whether that
 * is still so (If-None-Match; If-Modified-Since where the time it gave is old enough to mean something). Who answers such
 * a question with 200 and the same ETag is taken at this word, and not listened to any further. A body that is pinned by
 * a checksum and at hand is not asked for at all.
 */
#include "layers/registry_private.h"
#include "layers/remote_private.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <time.h>

#define DOMAIN "source"
#define REDIRECTS 10
#define TRIES 4
#define BODY_MAX ((uint64_t)64 << 30)

struct body { /* of what is kept */
	char hex[65];
	int64_t modified; /* 0: not said */
	uint64_t size;
};

struct ask {
	struct wh_store *s;
	const struct wh_remote_opts *o;
	const char *url, *filename, *checksum; /* as asked for */
	char *clean;                           /* the URL as it is sent: no user, no fragment */
	char *shown, *what;                    /* for messages */
	char *authorization;                   /* wiped */
	int files;                             /* sources/files */
	char key[65];                          /* of the record */
	json_t *record;
	struct body last; /* what the record names, when it is there */
	bool has_last;
};

struct sink {
	struct ask *a;
	int fd;
	struct wh_sha256 *hash;
	EVP_MD_CTX *other; /* the pinned kind, when it is not sha256 */
	uint64_t size;
	bool same; /* a 200 with the ETag that we know */
};

/* ---------------------------------------------------------------- URLs */

static void url_freep(CURLU **u)
{
	if (*u)
		curl_url_cleanup(*u);
}

static void text_freep(char **s)
{
	curl_free(*s);
}

static char *part(CURLU *u, CURLUPart which)
{
	WH_CLEANUP(text_freep) char *text = NULL;

	return curl_url_get(u, which, &text, 0) ? NULL : wh_strdup(text);
}

/* url, seen from base: http or https, without user, password and fragment. both: "user:password", decoded, or NULL. */
static char *resolve(const char *base, const char *url, char **ret_both)
{
	WH_CLEANUP(url_freep) CURLU *u = curl_url();
	WH_AUTO_FREE char *scheme = NULL;
	WH_CLEANUP(text_freep) char *user = NULL;
	WH_CLEANUP(text_freep) char *password = NULL;

	if (!u || (base && curl_url_set(u, CURLUPART_URL, base, 0)) ||
	    curl_url_set(u, CURLUPART_URL, url, CURLU_URLENCODE))
		return NULL;
	if (ret_both && curl_url_get(u, CURLUPART_USER, &user, CURLU_URLDECODE) == CURLUE_OK) {
		(void)curl_url_get(u, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
		*ret_both = wh_asprintf("%s:%s", user, password ? password : "");
		explicit_bzero(user, strlen(user));
		if (password)
			explicit_bzero(password, strlen(password));
	}
	(void)curl_url_set(u, CURLUPART_USER, NULL, 0);
	(void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	(void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	scheme = part(u, CURLUPART_SCHEME);
	if (!wh_streq(scheme, "http") && !wh_streq(scheme, "https"))
		return NULL;
	return part(u, CURLUPART_URL);
}

static char *host_of(const char *url)
{
	WH_CLEANUP(url_freep) CURLU *u = curl_url();

	return !u || curl_url_set(u, CURLUPART_URL, url, 0) ? NULL : part(u, CURLUPART_HOST);
}

/* From the URL itself, or a secret of the host's name (later ones win, as in BuildKit). */
static int find_authorization(struct ask *a, char *both, struct wh_err **err)
{
	static const char *const names[] = {"HTTP_AUTH_HEADER_", "HTTP_AUTH_TOKEN_"};
	WH_AUTO_FREE char *host = host_of(a->clean);

	if (both) {
		WH_AUTO_SECRET char *b64 = wh_remote_basic(both);

		a->authorization = wh_asprintf("Basic %s", b64);
	}
	for (size_t i = 0; host && i < WH_ARRAY_SIZE(names); i++) {
		const struct wh_remote_secret *x = wh_remote_secret(a->o, "%s%s", names[i], host);
		WH_AUTO_SECRET char *line = x ? wh_remote_secret_line(x) : NULL;

		if (x && !line)
			return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL,
					  "the secret %s is no value for a header: it has several lines", x->id);
		if (!x)
			continue;
		wh_secret_free(a->authorization);
		a->authorization = wh_asprintf("%s%s", i ? "Bearer " : "", line);
	}
	return 0;
}

/* ---------------------------------------------------------------- checksums */

/* "sha512:HEX" → which; the others have been refused where the Dockerfile was read. */
static const EVP_MD *algorithm(const char *checksum)
{
	if (wh_has_prefix(checksum, "sha384:"))
		return EVP_sha384();
	return wh_has_prefix(checksum, "sha512:") ? EVP_sha512() : NULL;
}

static void hex_of(const unsigned char *p, size_t n, struct wh_buf *out)
{
	for (size_t i = 0; i < n; i++)
		wh_buf_addf(out, "%02x", p[i]);
}

static int mismatch(const struct ask *a, const char *got, struct wh_err **err)
{
	return wh_err_set(err, DOMAIN, WH_ERR_BUILD, EBADMSG, "digest mismatch for %s: %s (expected: %s)", a->shown,
			  got, a->checksum);
}

/* ---------------------------------------------------------------- bodies that are kept */

static bool body_at(const struct ask *a, const char *hex, struct body *ret)
{
	struct wh_digest d;
	struct stat st;

	if (!hex || !wh_digest_parse_hex(hex, &d) || !wh_store_use_by_atime(a->s, a->files, hex) ||
	    fstatat(a->files, hex, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	memcpy(ret->hex, hex, sizeof(ret->hex));
	ret->modified = 0;
	ret->size = (uint64_t)st.st_size;
	return true;
}

static bool body_of_digest(const struct ask *a, const char *digest, struct body *ret)
{
	return digest && wh_has_prefix(digest, "sha256:") && body_at(a, digest + strlen("sha256:"), ret);
}

/* The pinned body, when it is at hand. */
static bool pinned_body(const struct ask *a, struct body *ret)
{
	WH_AUTO_JSON json_t *sum = NULL;

	if (!a->checksum)
		return false;
	sum = wh_sources_record(a->s, "sums", strchr(a->checksum, ':') + 1);
	if (!body_of_digest(a, algorithm(a->checksum) ? wh_json_str(sum, "digest") : a->checksum, ret))
		return false;
	ret->modified = wh_json_int(sum, "modified", 0);
	return true;
}

/* What this build was told, or the server said last; its time is in the record. */
static bool recorded_body(const struct ask *a, const char *digest, struct body *ret)
{
	if (!body_of_digest(a, digest, ret))
		return false;
	if (wh_streq(wh_json_str(a->record, "digest"), digest))
		ret->modified = wh_json_int(a->record, "modified", 0);
	return true;
}

/* The directory that the reply names: one file, a link to the body where the times agree. */
static int make_tree(const struct ask *a, const struct body *b, char **ret_path, struct wh_err **err)
{
	const struct timespec times[2] = {{.tv_sec = b->modified}, {.tv_sec = b->modified}};
	WH_AUTO_FREE char *when = wh_asprintf("%lld", (long long)b->modified);
	WH_AUTO_FREE char *temp = wh_temp_name("source-");
	WH_AUTO_FREE char *tree = wh_asprintf("%s/" WH_TREE, temp);
	WH_AUTO_FD int trees = wh_sources_dir(a->s, "trees", err), dir = -1, in = -1, out = -1;
	int tmp = wh_store_tmp_dirfd(a->s), r;
	struct stat st;
	char key[65];

	if (trees < 0)
		return trees;
	wh_sources_key(key, "http", b->hex, a->filename, when, NULL);
	*ret_path = wh_sources_tree(a->s, key);
	if (*ret_path)
		return 0;
	r = wh_mkdir_p(tmp, tree, 0755);
	if (r == 0)
		r = dir = wh_openat(tmp, tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r >= 0 && (fstatat(a->files, b->hex, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtim.tv_sec != b->modified ||
		       linkat(a->files, b->hex, dir, a->filename, 0) < 0)) {
		r = in = wh_openat(a->files, b->hex, O_RDONLY | O_NOFOLLOW, 0);
		if (r >= 0)
			r = out = wh_openat(dir, a->filename, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (r >= 0)
			r = wh_copy_fd(in, out, UINT64_MAX);
		if (r == 0 && futimens(out, times) < 0)
			r = -errno;
	}
	if (r >= 0 && (fchmod(dir, 0755) < 0 || futimens(dir, times) < 0))
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_ENV, -r, "%s: write into the store", a->what);
	r = wh_store_publish(a->s, temp, trees, key, err);
	if (r == 0)
		*ret_path = wh_sources_tree(a->s, key);
	if (r == 0 && !*ret_path)
		*ret_path = wh_asprintf("%s/sources/trees/%s/" WH_TREE, a->s->path, key);
	return r;
}

static int reply(const struct ask *a, const struct body *b, bool fetched, json_t **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FREE char *digest = wh_asprintf("sha256:%s", b->hex);
	WH_AUTO_FREE char *note = wh_asprintf("%s%llu bytes", fetched ? "" : "at hand, ", (unsigned long long)b->size);
	int r = make_tree(a, b, &path, err);
	char key[65];

	wh_sources_key(key, "http", b->hex, a->filename, NULL); /* no times in keys */
	if (r == 0)
		*ret = json_pack("{s:s, s:s, s:s, s:s, s:s}", "path", path, "digest", digest, "key", key, "known",
				 digest, "note", note);
	return r;
}

/* ---------------------------------------------------------------- asking */

/* Weak or strong: for us both mean the same bytes, as BuildKit has it. */
static const char *etag_value(const char *etag)
{
	return etag && wh_has_prefix(etag, "W/") ? etag + 2 : etag;
}

static bool same_etag(const struct ask *a, const struct wh_http_resp *head)
{
	const char *known = wh_json_str(a->record, "etag");

	return a->has_last && known && head->etag && strcmp(etag_value(known), etag_value(head->etag)) == 0;
}

static int on_body(void *arg, const struct wh_http_resp *head, const void *p, size_t n, struct wh_err **err)
{
	struct sink *k = arg;
	int r;

	if (k->size == 0 && head->status == 200 && same_etag(k->a, head)) {
		k->same = true;
		return -ECANCELED;
	}
	if (n > BODY_MAX - k->size || (head->length > 0 && (uint64_t)head->length > BODY_MAX))
		return wh_err_set(err, DOMAIN, WH_ERR_BUILD, EFBIG, "%s: it is larger than %llu GiB", k->a->what,
				  (unsigned long long)(BODY_MAX >> 30));
	wh_sha256_add(k->hash, p, n);
	if (k->other)
		EVP_DigestUpdate(k->other, p, n);
	k->size += n;
	r = wh_write_all(k->fd, p, n);
	return r < 0 ? wh_err_sys(err, DOMAIN, WH_ERR_ENV, -r, "%s: write into the store", k->a->what) : 0;
}

static int start_sink(struct sink *k, struct wh_err **err)
{
	if (k->size == 0 && !k->same)
		return 0;
	k->size = 0;
	k->same = false;
	wh_sha256_reset(k->hash);
	if (k->other)
		EVP_DigestInit_ex(k->other, algorithm(k->a->checksum), NULL);
	if (ftruncate(k->fd, 0) < 0 || lseek(k->fd, 0, SEEK_SET) < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_ENV, errno, "%s: write into the store", k->a->what);
	return 0;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* One question, with redirects. A login goes to the origin that was asked first alone. */
static int ask_once(struct wh_reg_conn *c, struct sink *k, const char *const *headers, struct wh_http_resp *ret,
		    enum wh_http_fault *ret_fault, struct wh_err **err)
{
	struct ask *a = k->a;
	WH_AUTO_FREE char *url = wh_strdup(a->clean);

	for (unsigned i = 0; i <= REDIRECTS; i++) {
		WH_AUTO_HTTP_RESP struct wh_http_resp resp = {0};
		struct wh_http_req q = {
			.method = "GET",
			.url = url,
			.what = a->what,
			.sink = on_body,
			.arg = k,
			.headers = headers,
			.domain = DOMAIN,
			.authorization = wh_url_same_origin(url, a->clean) ? a->authorization : NULL,
		};
		char *next;
		int r = start_sink(k, err);

		if (r == 0)
			r = wh_http_transfer(c, &q, &resp, ret_fault, err);
		if (r < 0)
			return r;
		if (!is_redirect(resp.status) || !resp.location) {
			*ret = resp;
			resp = (struct wh_http_resp){0};
			return 0;
		}
		*ret_fault = WH_HTTP_DEAD;
		next = resolve(url, resp.location, NULL);
		if (!next) {
			WH_AUTO_FREE char *shown = wh_remote_shown(resp.location);

			return wh_err_set(err, DOMAIN, WH_ERR_BUILD, EBADMSG,
					  "%s: redirected to \"%.200s\", which is no http or https URL", a->what,
					  shown);
		}
		free(url);
		url = next;
	}
	return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ELOOP, "%s: redirected more than %d times", a->what, REDIRECTS);
}

/* Only where the body is still there. A time tells versions apart when it was two seconds old at least. */
static void add_conditions(const struct ask *a, struct wh_strv *headers)
{
	const char *etag = wh_json_str(a->record, "etag"), *modified = wh_json_str(a->record, "last-modified");
	int64_t date = wh_json_int(a->record, "date", 0), when = wh_json_int(a->record, "modified", 0);

	if (!a->has_last)
		return;
	if (etag)
		wh_strv_addf(headers, "If-None-Match: %s", etag);
	if (modified && when > 0 && date - when >= 2)
		wh_strv_addf(headers, "If-Modified-Since: %s", modified);
}

static int refusal(const struct ask *a, const struct wh_http_resp *resp, struct wh_err **err)
{
	static const struct {
		long status;
		const char *text;
	} table[] = {
		{400, " (bad request)"},     {401, " (unauthorized)"}, {403, " (forbidden)"},
		{404, " (not found)"},       {410, " (gone)"},         {429, " (too many requests)"},
		{500, " (server error)"},    {502, " (bad gateway)"},  {503, " (unavailable)"},
		{504, " (gateway timeout)"},
	};
	bool denied = resp->status == 401 || resp->status == 403;
	const char *text = "";
	WH_AUTO_FREE char *host = host_of(a->clean);
	int sys = resp->status == 404 ? ENOENT : denied ? EACCES : EREMOTEIO;

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (table[i].status == resp->status)
			text = table[i].text;
	wh_err_set(err, DOMAIN, resp->status >= 500 || resp->status == 429 ? WH_ERR_ENV : WH_ERR_BUILD, sys,
		   "%s: invalid response status %ld%s", a->what, resp->status, text);
	if (denied && host)
		wh_err_hint(err, "--secret id=HTTP_AUTH_TOKEN_%s,src=FILE gives a token for this host", host);
	return -sys;
}

/* With further tries where a connection broke or the server is busy. */
static int ask_server(struct wh_reg_conn *c, struct sink *k, struct wh_http_resp *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv headers = {0};

	add_conditions(k->a, &headers);
	for (unsigned i = 0;; i++) {
		WH_AUTO_HTTP_RESP struct wh_http_resp resp = {0};
		WH_AUTO_ERR struct wh_err *why = NULL;
		enum wh_http_fault fault = WH_HTTP_DEAD;
		int r = ask_once(c, k, (const char *const *)headers.v, &resp, &fault, &why);
		bool last = i + 1 == TRIES;

		if (k->same)
			return 0;
		if (r < 0 && (last || fault != WH_HTTP_BROKEN)) {
			wh_err_move(err, &why);
			return r;
		}
		if (r == 0 && (last || !wh_reg_status_passing(resp.status) || resp.status == 500)) {
			*ret = resp;
			resp = (struct wh_http_resp){0};
			return 0;
		}
		wh_reg_pause(i, resp.retry_after);
	}
}

/* ---------------------------------------------------------------- what came */

static int64_t http_time(const char *text)
{
	time_t t = text ? curl_getdate(text, NULL) : -1;

	return t > 0 ? (int64_t)t : 0;
}

/* What a digest stands for. The first time stays: what is pinned looks the same however often it comes. */
static void note_sum(const struct ask *a, const char *hex, const json_t *record)
{
	WH_AUTO_JSON json_t *known = wh_sources_record(a->s, "sums", hex);

	if (!known)
		wh_sources_note(a->s, "sums", hex, record);
}

static int keep(struct sink *k, const char *temp, const struct wh_http_resp *resp, struct body *ret,
		struct wh_err **err)
{
	struct ask *a = k->a;
	struct timespec times[2] = {{0}};
	WH_AUTO_BUF struct wh_buf other = WH_BUF_INIT;
	WH_AUTO_JSON json_t *record = json_object();
	WH_AUTO_FREE char *digest = NULL;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct wh_digest d;
	int r;

	wh_sha256_end(k->hash, &d);
	wh_digest_hex(&d, ret->hex);
	ret->size = k->size;
	ret->modified = http_time(resp->modified);
	digest = wh_asprintf("sha256:%s", ret->hex);
	if (k->other) {
		EVP_DigestFinal_ex(k->other, sum, &n);
		wh_buf_addf(&other, "%.7s", a->checksum);
		hex_of(sum, n, &other);
	}
	if (a->checksum && strcmp(a->checksum, k->other ? other.p : digest) != 0)
		return mismatch(a, k->other ? other.p : digest, err);
	times[0] = wh_store_now(a->s); /* its last use */
	times[1].tv_sec = ret->modified;
	if (fchmod(k->fd, 0600) < 0 || futimens(k->fd, times) < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_ENV, errno, "%s: write into the store", a->what);
	r = wh_store_publish(a->s, temp, a->files, ret->hex, err);
	if (r < 0)
		return r;
	json_object_set_new(record, "version", json_integer(1));
	json_object_set_new(record, "url", json_string(a->shown));
	json_object_set_new(record, "digest", json_string(digest));
	json_object_set_new(record, "modified", json_integer(ret->modified));
	json_object_set_new(record, "date", json_integer(http_time(resp->date)));
	if (resp->etag)
		json_object_set_new(record, "etag", json_string(resp->etag));
	if (resp->modified)
		json_object_set_new(record, "last-modified", json_string(resp->modified));
	wh_sources_note(a->s, "http", a->key, record);
	note_sum(a, ret->hex, record);
	if (k->other)
		note_sum(a, other.p + strlen("sha512:"), record);
	return 0;
}

static int transfer(struct ask *a, struct wh_reg_conn *c, struct body *ret, bool *ret_fetched, struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *hash = wh_sha256_new();
	WH_AUTO_HTTP_RESP struct wh_http_resp resp = {0};
	WH_AUTO_FREE char *temp = wh_temp_name("body-");
	int tmp = wh_store_tmp_dirfd(a->s);
	WH_AUTO_FD int fd = wh_openat(tmp, temp, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct sink k = {.a = a, .fd = fd, .hash = hash};
	const EVP_MD *other = a->checksum ? algorithm(a->checksum) : NULL;
	int r;

	if (fd < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_ENV, -fd, "%s: write into the store", a->what);
	if (other) {
		k.other = EVP_MD_CTX_new();
		if (!k.other || !EVP_DigestInit_ex(k.other, other, NULL))
			abort();
	}
	r = ask_server(c, &k, &resp, err);
	if (r == 0 && (k.same || (resp.status == 304 && a->has_last))) {
		*ret = a->last;
		if (a->checksum) /* what is pinned was looked for already: this is another */
			r = mismatch(a, wh_json_str(a->record, "digest"), err);
	} else if (r == 0 && resp.status != 200) {
		r = refusal(a, &resp, err);
	} else if (r == 0) {
		*ret_fetched = true;
		r = keep(&k, temp, &resp, ret, err);
	}
	EVP_MD_CTX_free(k.other);
	(void)unlinkat(tmp, temp, 0);
	return r;
}

static int ask_network(struct ask *a, struct body *ret, bool *ret_fetched, struct wh_err **err)
{
	WH_AUTO_FD int lock = wh_sources_lock(a->s, a->key, err);
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct wh_registry *plain = NULL;
	int r;

	if (lock < 0)
		return lock;
	/* Another build may have fetched it while this one waited. */
	if (pinned_body(a, ret))
		return 0;
	json_decref(a->record);
	a->record = wh_sources_record(a->s, "http", a->key);
	/* A body whose sha512 is not known cannot be told from another by what the server says of it. */
	a->has_last = !(a->checksum && algorithm(a->checksum)) &&
		      recorded_body(a, wh_json_str(a->record, "digest"), &a->last);
	r = wh_registry_new(&(struct wh_registry_opts){0}, &plain, err); /* for its certificates alone */
	if (r == 0)
		r = wh_reg_conn_new(plain, &c, err);
	if (r == 0)
		r = transfer(a, c, ret, ret_fetched, err);
	wh_reg_conn_freep(&c);
	wh_registry_free(plain);
	return r;
}

/* ---------------------------------------------------------------- the request */

static bool good_name(const char *name)
{
	return name && *name && strlen(name) <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static bool good_checksum(const char *text)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} known[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};

	for (size_t i = 0; i < WH_ARRAY_SIZE(known); i++)
		if (wh_has_prefix(text, known[i].prefix))
			return strlen(text + 7) == known[i].digits &&
			       strspn(text + 7, "0123456789abcdef") == known[i].digits;
	return false;
}

static int refuse_url(const struct ask *a, struct wh_err **err)
{
	WH_CLEANUP(url_freep) CURLU *u = curl_url();
	CURLUcode r = u ? curl_url_set(u, CURLUPART_URL, a->url, CURLU_URLENCODE) : CURLUE_OK;

	if (r == CURLUE_BAD_PORT_NUMBER)
		return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL,
				  "\"%.200s\" is no URL: its port is no number from 0 to 65535", a->shown);
	return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL, "\"%.200s\" is no URL", a->shown);
}

static int answer(struct ask *a, const json_t *q, json_t **ret, struct wh_err **err)
{
	const char *known = wh_json_str(q, "known");
	WH_AUTO_SECRET char *both = NULL;
	struct body b = {0};
	bool fetched = false;
	int r = 0;

	a->clean = resolve(NULL, a->url, &both);
	if (!a->clean)
		return refuse_url(a, err);
	a->record = known ? wh_sources_record(a->s, "http", a->key) : NULL;
	if (pinned_body(a, &b) || (!a->checksum && recorded_body(a, known, &b)))
		return reply(a, &b, false, ret, err);
	if (!a->o)
		return -ENODATA;
	r = find_authorization(a, both, err);
	if (r == 0)
		r = ask_network(a, &b, &fetched, err);
	return r < 0 ? r : reply(a, &b, fetched, ret, err);
}

int wh_remote_http(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		   struct wh_err **err)
{
	struct ask a = {
		.s = s,
		.o = o,
		.url = wh_json_str(request, "url"),
		.filename = wh_json_str(request, "filename"),
		.checksum = wh_json_str(request, "checksum"),
		.files = -1,
	};
	int r;

	if (!a.url || !good_name(a.filename) || (a.checksum && !good_checksum(a.checksum)))
		return wh_err_set(err, DOMAIN, WH_ERR_INTERNAL, EBADMSG, "a request for a URL that says too little");
	a.shown = wh_remote_shown(a.url);
	a.what = wh_asprintf("get %s", a.shown);
	wh_sources_key(a.key, a.url, NULL);
	r = a.files = wh_sources_dir(s, "files", err);
	if (r >= 0)
		r = answer(&a, request, ret_reply, err);
	wh_closep(&a.files);
	json_decref(a.record);
	wh_secret_free(a.authorization);
	free(a.clean);
	free(a.shown);
	free(a.what);
	return r;
}
