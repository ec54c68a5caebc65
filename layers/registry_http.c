/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP transfer with libcurl. Redirects are not followed here, cookies and .netrc not used: what is sent where is
 * decided in registry_call.c and remote_http.c.
 */
#include "layers/registry_private.h"

#include <curl/curl.h>
#include <signal.h>

#define HEADER_MAX ((size_t)8 << 10)
#define PEM_MAX ((size_t)4 << 20)

struct transfer {
	const struct wh_http_req *q;
	struct wh_http_resp *a;
	CURL *curl;
	uint64_t sent;
	size_t headers;
	int r; /* of our own callbacks */
	struct wh_err **err;
};

static const char *domain(const struct wh_http_req *q)
{
	return q->domain ? q->domain : "registry";
}

/* ---------------------------------------------------------------- URLs */

static void url_cleanup(CURLU **u)
{
	if (*u)
		curl_url_cleanup(*u);
}

static void curl_freep(char **s)
{
	curl_free(*s);
}

char *wh_url_resolve(const char *base, const char *url)
{
	WH_CLEANUP(url_cleanup) CURLU *u = curl_url();
	WH_CLEANUP(curl_freep) char *text = NULL;
	WH_CLEANUP(curl_freep) char *scheme = NULL;

	if (!u || (base && curl_url_set(u, CURLUPART_URL, base, 0)) || curl_url_set(u, CURLUPART_URL, url, 0))
		return NULL;
	(void)curl_url_set(u, CURLUPART_USER, NULL, 0);
	(void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	(void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0) || curl_url_get(u, CURLUPART_URL, &text, 0))
		return NULL;
	return wh_strdup(text);
}

static char *url_part(const char *url, CURLUPart part)
{
	WH_CLEANUP(url_cleanup) CURLU *u = curl_url();
	WH_CLEANUP(curl_freep) char *text = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, part, &text, CURLU_DEFAULT_PORT))
		return NULL;
	return wh_strdup(text);
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
	WH_AUTO_FREE char *x = url_part(a, part);
	WH_AUTO_FREE char *y = url_part(b, part);

	return x && y && wh_str_ieq(wh_str(x), y);
}

bool wh_url_same_origin(const char *a, const char *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
}

bool wh_url_is_https(const char *url)
{
	return strncasecmp(url, "https:", strlen("https:")) == 0;
}

bool wh_url_is_loopback(const char *url)
{
	WH_AUTO_FREE char *host = url_part(url, CURLUPART_HOST);
	size_t dots = 0;

	if (!host)
		return false;
	if (wh_str_ieq(wh_str(host), "localhost") || wh_streq(host, "[::1]"))
		return true;
	/* 127.0.0.0/8, and not 127.0.0.1.example.org */
	for (const char *p = host; *p; p++) {
		if (*p == '.')
			dots++;
		else if (*p < '0' || *p > '9')
			return false;
	}
	return dots == 3 && wh_has_prefix(host, "127.");
}

char *wh_url_with(const char *url, const char *key, const char *value)
{
	WH_CLEANUP(curl_freep) char *v = curl_easy_escape(NULL, value, 0);
	const char *q = strchr(url, '?');

	return wh_asprintf("%s%s%s=%s", url, !q ? "?" : q[1] ? "&" : "", key, v ? v : "");
}

/* ---------------------------------------------------------------- certificates */

void wh_reg_tls_release(struct wh_reg_tls *t)
{
	wh_reg_certs_release(&t->certs);
	wh_buf_release(&t->pem);
}

static int add_pem(const char *file, struct wh_buf *out, struct wh_err **err)
{
	int r = wh_read_file(AT_FDCWD, file, PEM_MAX, out);

	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "read %s", file);
	wh_buf_addc(out, '\n');
	return 0;
}

int wh_reg_tls_load(const struct wh_registry *r, const char *domain, struct wh_reg_tls *ret, struct wh_err **err)
{
	const char *usual = r->ca_file;
	struct wh_reg_tls t = {0};
	int res = wh_reg_hosts_certs(r->files, domain, &t.certs, err);

	*ret = t;
	if (res < 0 || t.certs.cas.n == 0)
		goto out;
	/* The host's own come in addition to the usual ones. */
#if LIBCURL_VERSION_NUM >= 0x075400
	if (!usual) {
		CURL *h = curl_easy_init();
		char *file = NULL;

		if (h && curl_easy_getinfo(h, CURLINFO_CAINFO, &file) == CURLE_OK && file && add_pem(file, &t.pem, NULL) < 0)
			wh_buf_reset(&t.pem);
		if (h)
			curl_easy_cleanup(h);
	}
#endif
	if (usual)
		res = add_pem(usual, &t.pem, err);
	for (size_t i = 0; i < t.certs.cas.n && res == 0; i++)
		res = add_pem(t.certs.cas.v[i], &t.pem, err);
out:
	if (res < 0)
		wh_reg_tls_release(&t);
	else
		*ret = t;
	return res;
}

/* HOST[:PORT] of an URL. */
static struct wh_str authority(const char *url)
{
	const char *p = strstr(url, "://");

	p = p ? p + 3 : url;
	return (struct wh_str){p, strcspn(p, "/?#")};
}

static bool is_own(const struct wh_reg_conn *c, const char *url)
{
	return c->host && c->host->at && wh_str_ieq(authority(url), c->host->at);
}

bool wh_reg_url_insecure(const struct wh_reg_conn *c, const char *url)
{
	struct wh_str at = authority(url);
	WH_AUTO_FREE char *domain = wh_strndup(at.p, at.n);

	return c->r->o.insecure || (is_own(c, url) ? c->host->insecure : c->r->files && wh_reg_hosts_insecure(c->r->files, domain));
}

/* Our certificates are for one host: neither where it redirects to, nor its realm, is shown them. */
static int tls_of(struct wh_reg_conn *c, const char *url, const struct wh_reg_tls **ret, struct wh_err **err)
{
	struct wh_str at = authority(url);
	int r;

	*ret = NULL;
	if (!c->r->files || !wh_url_is_https(url))
		return 0;
	*ret = is_own(c, url) ? &c->host->tls : &c->other_tls;
	if (is_own(c, url) || (c->other && wh_str_ieq(at, c->other)))
		return 0;
	free(WH_TAKE_PTR(c->other));
	wh_reg_tls_release(&c->other_tls);
	c->other = wh_strndup(at.p, at.n);
	r = wh_reg_tls_load(c->r, c->other, &c->other_tls, err);
	if (r < 0)
		free(WH_TAKE_PTR(c->other));
	return r;
}

/* ---------------------------------------------------------------- answers */

void wh_http_resp_release(struct wh_http_resp *r)
{
	free(r->url);
	wh_buf_release(&r->body);
	free(r->type);
	free(r->digest);
	free(r->location);
	free(r->subject);
	free(r->link);
	free(r->range);
	free(r->etag);
	free(r->modified);
	free(r->date);
	free(r->arrived);
	free(r->chunk_min);
	wh_challenge_release(&r->challenge);
	*r = (struct wh_http_resp){0};
}

/* A new status line: what an interim answer's headers said does not count. */
static void start_over(struct wh_http_resp *a)
{
	char *url = WH_TAKE_PTR(a->url);

	wh_http_resp_release(a);
	a->url = url;
	a->length = -1;
}

static void keep_header(struct wh_http_resp *a, struct wh_str name, const char *value)
{
	static const struct {
		const char *name;
		size_t at;
	} table[] = {
		{"Content-Type", offsetof(struct wh_http_resp, type)},
		{"Docker-Content-Digest", offsetof(struct wh_http_resp, digest)},
		{"Location", offsetof(struct wh_http_resp, location)},
		{"OCI-Subject", offsetof(struct wh_http_resp, subject)},
		{"Link", offsetof(struct wh_http_resp, link)},
		{"Content-Range", offsetof(struct wh_http_resp, range)},
		{"ETag", offsetof(struct wh_http_resp, etag)},
		{"Last-Modified", offsetof(struct wh_http_resp, modified)},
		{"Date", offsetof(struct wh_http_resp, date)},
		{"Range", offsetof(struct wh_http_resp, arrived)},
		{"OCI-Chunk-Min-Length", offsetof(struct wh_http_resp, chunk_min)},
	};

	if (wh_str_ieq(name, "WWW-Authenticate")) {
		wh_challenge_parse(value, &a->challenge);
		return;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		char **to = (char **)(void *)((char *)a + table[i].at);

		if (wh_str_ieq(name, table[i].name) && !*to)
			*to = wh_strdup(value);
	}
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct wh_str line = {.p = p, .n = size * n}, name, value;
	WH_AUTO_FREE char *text = NULL;
	const char *colon;

	t->headers += line.n;
	if (t->headers > WH_REG_HEADERS_MAX) {
		t->r = wh_err_set(t->err, domain(t->q), WH_ERR_BUILD, EFBIG, "%s: its answer has too many headers",
				  t->q->what);
		return 0;
	}
	if (line.n >= 5 && memcmp(p, "HTTP/", 5) == 0)
		start_over(t->a);
	colon = memchr(p, ':', line.n);
	if (!colon || line.n > HEADER_MAX || memchr(p, '\0', line.n))
		return line.n;
	name = wh_str_trim((struct wh_str){p, (size_t)(colon - p)});
	value = wh_str_trim((struct wh_str){colon + 1, line.n - name.n - 1});
	text = wh_strndup(value.p, value.n);
	keep_header(t->a, name, text);
	return line.n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct wh_http_resp *a = t->a;
	size_t max = WH_REG_ERROR_MAX;

	n *= size;
	if (a->status == 0) {
		curl_off_t length = -1;

		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &a->status);
		curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		a->length = length;
	}
	if (t->q->sink && (a->status == 200 || a->status == 206)) {
		t->r = t->q->sink(t->q->arg, a, p, n, t->err);
		return t->r < 0 ? 0 : n;
	}
	if (a->status / 100 == 2) {
		max = t->q->max ? t->q->max : WH_REG_ERROR_MAX;
		if (n > max - a->body.n) {
			t->r = wh_err_set(t->err, domain(t->q), WH_ERR_BUILD, EFBIG,
					  "%s: the answer is larger than %zu KiB", t->q->what, max >> 10);
			return 0;
		}
	}
	wh_buf_add(&a->body, p, n < max - a->body.n ? n : max - a->body.n);
	return n;
}

/* ---------------------------------------------------------------- bodies */

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	const struct wh_http_req *q = t->q;
	uint64_t total = q->fd > 0 ? q->size : q->len;
	ssize_t got;

	n *= size;
	if (n > total - t->sent)
		n = (size_t)(total - t->sent);
	if (n == 0)
		return 0;
	if (q->fd <= 0) {
		memcpy(p, (const char *)q->body + t->sent, n);
		t->sent += n;
		return n;
	}
	do
		got = pread(q->fd, p, n, (off_t)(q->offset + t->sent));
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		t->r = wh_err_sys(t->err, "registry", WH_ERR_ENV, got < 0 ? errno : EIO, "%s: read what is to be sent",
				  q->what);
		return CURL_READFUNC_ABORT;
	}
	t->sent += (uint64_t)got;
	if (q->sending)
		q->sending(q->arg, t->sent);
	return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	/* libcurl sends it once more where a connection that it kept turns out to be closed. What is added to something is not for that. */
	if (strcmp(t->q->method, "PATCH") == 0)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---------------------------------------------------------------- one transfer */

static void append(struct curl_slist **l, const char *line)
{
	*l = curl_slist_append(*l, line);
	if (!*l)
		abort();
}

static void add_header(struct curl_slist **l, const char *name, const char *value)
{
	WH_AUTO_SECRET char *line = NULL;

	if (!value)
		return;
	line = wh_asprintf("%s:%s%s", name, value[0] ? " " : "", value);
	append(l, line);
}

static void slist_free(struct curl_slist **l)
{
	for (struct curl_slist *x = *l; x; x = x->next)
		explicit_bzero(x->data, strlen(x->data));
	curl_slist_free_all(*l);
}

static void set_protocols(CURL *h)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_method(CURL *h, const struct wh_http_req *q)
{
	bool body = q->body || q->fd > 0;

	if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (body && strcmp(q->method, "POST") != 0) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(q->fd > 0 ? q->size : q->len));
	} else if (strcmp(q->method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->len);
		if (!body)
			curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_tls(CURL *h, const struct wh_reg_conn *c, const char *url, const struct wh_reg_tls *tls)
{
	/* Debian's libcurl goes on looking in the machine's directory of certificates. */
	if (c->r->ca_file)
		curl_easy_setopt(h, CURLOPT_CAINFO, c->r->ca_file);
	else if (curl_version_info(CURLVERSION_NOW)->cainfo && access(curl_version_info(CURLVERSION_NOW)->cainfo, R_OK) < 0)
		curl_easy_setopt(h, CURLOPT_CAINFO, NULL); /* a machine without certificates has registries on loopback all the same */
	if (tls && tls->pem.n) {
#if LIBCURL_VERSION_NUM >= 0x074d00
		struct curl_blob pem = {.data = tls->pem.p, .len = tls->pem.n, .flags = CURL_BLOB_COPY};

		curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &pem);
#else
		curl_easy_setopt(h, CURLOPT_CAINFO, tls->certs.cas.v[0]);
#endif
	}
	if (tls && tls->certs.cert) {
		curl_easy_setopt(h, CURLOPT_SSLCERT, tls->certs.cert);
		curl_easy_setopt(h, CURLOPT_SSLKEY, tls->certs.key);
	}
	if (wh_reg_url_insecure(c, url)) {
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_up(struct transfer *t, const struct wh_reg_conn *c, const struct wh_reg_tls *tls, struct curl_slist *headers)
{
	const struct wh_http_req *q = t->q;
	CURL *h = t->curl;

	curl_easy_reset(h); /* connections, sessions and names looked up stay */
	curl_easy_setopt(h, CURLOPT_URL, q->url);
	set_protocols(h);
	set_method(h, q);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "whittle/" PACKAGE_VERSION);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, q->patience ? (long)q->patience : 30L);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	/* A registry may take its time to look at what it was sent. */
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, q->body || q->fd > 0 ? 300L : 60L);
	if (wh_url_is_loopback(q->url))
		curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	set_tls(h, c, q->url, tls);
	if (q->from) {
		char range[32];

		snprintf(range, sizeof(range), "%llu-", (unsigned long long)q->from);
		curl_easy_setopt(h, CURLOPT_RANGE, range);
	}
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(h, CURLOPT_READDATA, t);
	curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L << 10);
}

static enum wh_http_fault fault_of(CURLcode code)
{
	/* Not a switch: libcurl has a hundred of them, and more with each version. */
	if (code == CURLE_OK)
		return WH_HTTP_FINE;
	if (code == CURLE_COULDNT_CONNECT)
		return WH_HTTP_REFUSED;
	if (code == CURLE_SSL_CONNECT_ERROR)
		return WH_HTTP_TLS;
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR)
		return WH_HTTP_CERT;
	if (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
	    code == CURLE_SEND_FAIL_REWIND || code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_HTTP2 ||
	    code == CURLE_HTTP2_STREAM)
		return WH_HTTP_BROKEN;
	return WH_HTTP_DEAD;
}

/* What OpenSSL writes to a connection that was closed raises SIGPIPE: it is kept from this thread and taken away. */
static CURLcode perform(CURL *h)
{
	static const struct timespec now;
	sigset_t pipe_set, old, pending;
	CURLcode code;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	code = curl_easy_perform(h);
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &now) > 0)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return code;
}

static int tell_fault(const struct wh_http_req *q, CURLcode code, enum wh_http_fault fault, const char *why,
		      struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r, sys = fault == WH_HTTP_REFUSED ? ECONNREFUSED : fault == WH_HTTP_BROKEN ? ECONNRESET : EIO;

	wh_reg_text(&text, why[0] ? why : curl_easy_strerror(code));
	r = wh_err_set(err, domain(q), WH_ERR_ENV, sys, "%s: %s", q->what, text.p ? text.p : "");
	if (fault == WH_HTTP_CERT && q->domain)
		wh_err_hint(err, "add its CA to this machine's, or name it in $SSL_CERT_FILE");
	else if (q->domain)
		return r;
	else if (strstr(why, "alert certificate required") || strstr(why, "alert bad certificate") || strstr(why, "alert unknown ca"))
		wh_err_hint(err, "it wants a certificate of ours that it knows: NAME.cert and NAME.key in "
				 "~/.config/containers/certs.d/HOST[:PORT]/");
	else if (fault == WH_HTTP_CERT)
		wh_err_hint(err, "put its CA into ~/.config/containers/certs.d/HOST[:PORT]/ca.crt, or name it in $SSL_CERT_FILE; "
				 "--registry-insecure takes any");
	else if (fault == WH_HTTP_TLS)
		wh_err_hint(err, "it may speak plain HTTP only, which --registry-insecure allows");
	return r;
}

int wh_http_transfer(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret,
		     enum wh_http_fault *ret_fault, struct wh_err **err)
{
	WH_CLEANUP(slist_free) struct curl_slist *headers = NULL;
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {.url = wh_strdup(q->url), .length = -1};
	struct transfer t = {.q = q, .a = &a, .curl = c->curl, .err = err};
	char why[CURL_ERROR_SIZE] = "";
	const struct wh_reg_tls *tls;
	curl_off_t retry = 0;
	CURLcode code;
	int r;

	add_header(&headers, "Accept", q->accept ? q->accept : "*/*");
	add_header(&headers, "Content-Type", q->type ? q->type : strcmp(q->method, "POST") == 0 ? "" : NULL);
	add_header(&headers, "Authorization", q->authorization);
	add_header(&headers, "Expect", ""); /* takes the header away */
	for (size_t i = 0; q->headers && q->headers[i]; i++)
		append(&headers, q->headers[i]);
	r = tls_of(c, q->url, &tls, err);
	if (r < 0) {
		*ret_fault = WH_HTTP_DEAD;
		return r;
	}
	set_up(&t, c, tls, headers);
	if (strcmp(q->method, "POST") == 0 && q->body)
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, q->body);
	curl_easy_setopt(t.curl, CURLOPT_ERRORBUFFER, why);
	code = perform(t.curl);
	curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &a.status);
	curl_easy_getinfo(t.curl, CURLINFO_RETRY_AFTER, &retry);
	/* No pointer of ours may stay in the handle. */
	curl_easy_reset(t.curl);
	*ret_fault = t.r < 0 ? WH_HTTP_DEAD : fault_of(code);
	if (t.r < 0)
		return t.r;
	if (code != CURLE_OK)
		return tell_fault(q, code, *ret_fault, why, err);
	a.retry_after = retry > 0 ? (unsigned)(retry < 3600 ? retry : 3600) : 0;
	*ret = a;
	a = (struct wh_http_resp){0};
	return 0;
}

/* ---------------------------------------------------------------- connections */

static void init_once(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int wh_reg_conn_new(struct wh_registry *r, struct wh_reg_conn **ret, struct wh_err **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct wh_reg_conn *c;
	CURL *h;

	pthread_once(&once, init_once);
	h = curl_easy_init();
	if (!h)
		return wh_err_set(err, "registry", WH_ERR_ENV, ENOMEM, "libcurl does not start");
	c = wh_calloc(1, sizeof(*c));
	c->r = r;
	c->curl = h;
	*ret = c;
	return 0;
}

void wh_reg_conn_free(struct wh_reg_conn *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	wh_reg_ref_release(&c->ref);
	wh_reg_endpoints_release(&c->endpoints);
	wh_buf_release(&c->troubles);
	free(c->trouble_hint);
	free(c->actions);
	free(c->scope);
	wh_secret_free(c->refresh);
	free(c->other);
	wh_reg_tls_release(&c->other_tls);
	free(c);
}
