/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to a registry, or to its mirrors first: with a login where it is asked for, redirects followed, tried again where that
 * helps. A login is looked up by the host that is spoken to, and sent to that (scheme, host and port) and its realm alone, never to
 * where it redirects to, nor to another endpoint.
 */
#include "layers/registry_private.h"

#include <sys/random.h>

#define REDIRECTS 10
#define PAUSE_MS 200
#define PAUSE_MAX_MS 10000
#define RETRY_AFTER_MAX 60
#define TROUBLES_MAX ((size_t)2 << 10)
#define MIRROR_PATIENCE 10 /* seconds until it must be connected */

/* ---------------------------------------------------------------- the object */

int wh_registry_new(const struct wh_registry_opts *o, struct wh_registry **ret, struct wh_err **err)
{
	struct wh_registry *r = wh_calloc(1, sizeof(*r));
	const char *ca = o->ca_file ? o->ca_file : getenv("SSL_CERT_FILE");

	(void)err;
	r->o = *o;
	r->o.auth_file = r->auth_file = wh_strdup(o->auth_file);
	r->o.user = r->user = wh_strdup(o->user);
	r->o.password = r->password = wh_strdup(o->password);
	r->o.ca_file = r->ca_file = ca && ca[0] ? wh_strdup(ca) : NULL;
	r->o.hosts_file = r->hosts_file = wh_strdup(o->hosts_file);
	pthread_mutex_init(&r->mutex, NULL);
	*ret = r;
	return 0;
}

static void host_free(struct wh_reg_host *h)
{
	for (size_t i = 0; i < h->n_tokens; i++) {
		free(h->tokens[i].scope);
		wh_secret_free(h->tokens[i].header);
	}
	free(h->tokens);
	wh_challenge_release(&h->challenge);
	wh_login_release(&h->login);
	wh_reg_tls_release(&h->tls);
	free(h->login_path);
	free(h->domain);
	free(h->at);
	free(h->base);
	free(h);
}

void wh_registry_free(struct wh_registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_hosts; i++)
		host_free(r->hosts[i]);
	free(r->hosts);
	wh_reg_hosts_free(r->files);
	pthread_mutex_destroy(&r->mutex);
	free(r->auth_file);
	free(r->user);
	wh_secret_free(r->password);
	free(r->ca_file);
	free(r->hosts_file);
	free(r);
}

/* ---------------------------------------------------------------- errors */

void wh_reg_name(struct wh_reg_conn *c, struct wh_err **err)
{
	/* Mirrors that fail are passed over: what fails in the end is the last. */
	const char *domain = c->endpoints.n ? c->endpoints.v[c->endpoints.n - 1].domain : c->ref.domain;

	if (err && *err && c->troubles.n) {
		char *msg = wh_asprintf("%s%s", (*err)->msg, c->troubles.p);

		free((*err)->msg);
		(*err)->msg = msg;
		wh_buf_reset(&c->troubles);
	}
	/* Where the registry itself cannot be reached, a login at the mirror may be all that it takes. */
	if (err && *err && c->trouble_hint && (*err)->class == WH_ERR_ENV)
		wh_err_hint(err, "%s", c->trouble_hint);
	if (strcmp(domain, c->ref.domain) == 0)
		wh_err_wrap(err, "registry %s", domain);
	else
		wh_err_wrap(err, "registry %s (%s)", c->ref.domain, domain);
}

static void hint_login(const struct wh_reg_conn *c, struct wh_err **err)
{
	const struct wh_login *l = &c->host->login;

	if (l->trouble)
		wh_err_hint(err, "no login was found: %s", l->trouble);
	else if (l->identity)
		wh_err_hint(err, "its token is refused: log in again (whittle login %s)", c->host->domain);
	else if (l->user)
		wh_err_hint(err, "asked as user \"%s\": wrong password, or not this user's to use", l->user);
	else
		wh_err_hint(err, "no login for %s was found; \"whittle login %s\" leaves one, as docker's and podman's do",
			    c->host->domain, c->host->domain);
}

/* Answers to HEAD have no body that could say it, and some others have an empty one. */
static const char *status_text(long status)
{
	static const struct {
		long status;
		const char *text;
	} table[] = {
		{400, "bad request"}, {401, "unauthorized"}, {403, "forbidden"},         {404, "not found"},
		{405, "not allowed"}, {413, "too large"},    {429, "too many requests"}, {500, "server error"},
		{502, "bad gateway"}, {503, "unavailable"},  {504, "gateway timeout"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "";
}

int wh_reg_refusal(const struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_http_resp *a,
		   struct wh_err **err)
{
	bool denied = a->status == 401 || a->status == 403;
	bool later = a->status == 429 || a->status >= 500;
	int sys = denied ? EACCES : a->status == 404 ? ENOENT : a->status == 429 ? EAGAIN : EREMOTEIO;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r;

	wh_reg_error_text(a->body.p, a->body.n, &text);
	if (text.n == 0)
		wh_buf_adds(&text, status_text(a->status));
	r = wh_err_set(err, "registry", denied || later ? WH_ERR_ENV : WH_ERR_BUILD, sys, "%s: %ld%s%s", q->what,
		       a->status, text.n ? " " : "", text.p ? text.p : "");
	if (denied)
		hint_login(c, err);
	else if (a->status == 429)
		wh_err_hint(err, "it asks for fewer requests; with a login it may allow more");
	return r;
}

/* ---------------------------------------------------------------- again */

bool wh_reg_status_passing(long status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

void wh_reg_pause(unsigned attempt, unsigned retry_after)
{
	uint64_t ms = (uint64_t)PAUSE_MS << (attempt < 8 ? attempt : 8);
	struct timespec t;
	uint32_t dice = 0;

	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	/* Half of it by chance, so that many clients do not come back together. */
	if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) == (ssize_t)sizeof(dice))
		ms = ms / 2 + dice % (ms / 2 + 1);
	if (retry_after)
		ms += (uint64_t)(retry_after < RETRY_AFTER_MAX ? retry_after : RETRY_AFTER_MAX) * 1000;
	t = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

/* ---------------------------------------------------------------- one request */

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool wh_reg_plain_allowed(const struct wh_reg_conn *c)
{
	return c->r->o.insecure || (c->host && c->host->insecure);
}

/* Where an answer sends us to. Plain HTTP only from plain HTTP, and on this machine. */
static int next_url(const struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_http_resp *a, char **ret,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_url_resolve(a->url, a->location);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_reg_text(&text, url ? url : a->location);
	if (!url)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: redirected to \"%s\"", q->what, text.p);
	if (!wh_url_is_https(url) && !wh_reg_plain_allowed(c) && (wh_url_is_https(a->url) || !wh_url_is_loopback(url))) {
		wh_err_set(err, "registry", WH_ERR_ENV, EACCES, "%s: redirected to plain HTTP, %s", q->what, text.p);
		wh_err_hint(err, "--registry-insecure allows it");
		return -EACCES;
	}
	*ret = WH_TAKE_PTR(url);
	return 0;
}

static int follow(struct wh_reg_conn *c, const struct wh_http_req *q, const char *header, struct wh_http_resp *ret,
		  enum wh_http_fault *ret_fault, struct wh_err **err)
{
	bool get = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
	WH_AUTO_FREE char *url = wh_strdup(q->url);
	struct wh_http_req x = *q;

	for (unsigned i = 0; i < REDIRECTS; i++) {
		WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
		char *next = NULL;
		int r;

		x.url = url;
		x.authorization = wh_url_same_origin(url, c->host->base) ? header : NULL;
		r = wh_http_transfer(c, &x, &a, ret_fault, err);
		if (r < 0)
			return r;
		if (!is_redirect(a.status) || !a.location || (!get && a.status < 307)) {
			*ret = a;
			a = (struct wh_http_resp){0};
			return 0;
		}
		*ret_fault = WH_HTTP_DEAD;
		r = next_url(c, q, &a, &next, err);
		if (r < 0)
			return r;
		free(url);
		url = next;
	}
	return wh_err_set(err, "registry", WH_ERR_BUILD, ELOOP, "%s: redirected more than %d times", q->what,
			  REDIRECTS);
}

static void keep_challenge(struct wh_reg_conn *c, struct wh_http_resp *a)
{
	if (a->challenge.scheme == WH_AUTH_NONE)
		return;
	pthread_mutex_lock(&c->r->mutex);
	wh_challenge_release(&c->host->challenge);
	c->host->challenge = a->challenge;
	a->challenge = (struct wh_challenge){0};
	pthread_mutex_unlock(&c->r->mutex);
}

static int with_login(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret,
		      enum wh_http_fault *ret_fault, struct wh_err **err)
{
	WH_AUTO_SECRET char *refused = NULL;

	for (unsigned i = 0;; i++) {
		char *header = NULL;
		int r;

		*ret_fault = WH_HTTP_DEAD;
		r = wh_reg_authorize(c, i > 0, refused, &header, err);
		wh_secret_free(refused);
		refused = header;
		if (r < 0)
			return r;
		/* It said 401, and there is nothing to say to that. */
		if (i > 0 && !header)
			return 0;
		wh_http_resp_release(ret);
		r = follow(c, q, header, ret, ret_fault, err);
		if (r < 0 || ret->status != 401 || i == 1 || !wh_url_same_origin(ret->url, c->host->base))
			return r;
		keep_challenge(c, ret);
	}
}

static int call_here(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret, struct wh_err **err)
{
	for (unsigned i = 0;; i++) {
		WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
		WH_AUTO_ERR struct wh_err *why = NULL;
		enum wh_http_fault fault = WH_HTTP_DEAD;
		bool last = q->once || i + 1 == WH_REG_TRIES;
		int r = with_login(c, q, &a, &fault, &why);

		if (r == 0 && (last || !wh_reg_status_passing(a.status))) {
			*ret = a;
			a = (struct wh_http_resp){0};
			return 0;
		}
		if (r < 0 && (last || (fault != WH_HTTP_BROKEN && fault != WH_HTTP_REFUSED))) {
			wh_err_move(err, &why);
			return r;
		}
		wh_reg_pause(i, a.retry_after);
	}
}

char *wh_reg_url(const struct wh_reg_conn *c, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	va_list ap;

	wh_buf_addf(&b, "%s/v2/%s/", c->host->base, c->endpoints.v[c->at].path);
	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return wh_buf_take(&b);
}

/* ---------------------------------------------------------------- the first word */

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* GET /v2/ (distribution-spec, determining support): also says which scheme it speaks, and how to log in. */
static int knock(struct wh_reg_conn *c, const char *scheme, const char *host, unsigned patience,
		 enum wh_http_fault *ret_fault, struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_asprintf("%s://%s/v2/", scheme, host);
	struct wh_http_req q = {.method = "GET", .url = url, .what = "connect", .patience = patience};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r = wh_http_transfer(c, &q, &a, ret_fault, err);

	if (r < 0)
		return r;
	/* Thus speaks a server with TLS to who comes without. */
	if (a.status == 400 && strcmp(scheme, "http") == 0)
		return wh_err_set(err, "registry", WH_ERR_ENV, EPROTO, "connect: it does not speak plain HTTP");
	c->host->base = wh_asprintf("%s://%s", scheme, host);
	c->host->challenge = a.challenge;
	a.challenge = (struct wh_challenge){0};
	return 0;
}

/* *ret_broke: it broke off, which may be better at another try. */
static int find_scheme(struct wh_reg_conn *c, bool *ret_broke, struct wh_err **err)
{
	struct wh_reg_host *h = c->host;
	WH_AUTO_FREE char *https = wh_asprintf("https://%s/", h->at);
	bool plain = c->r->o.insecure || h->insecure || wh_url_is_loopback(https);
	const char *bracket = strchr(h->at, ']');
	bool port = strchr(bracket ? bracket : h->at, ':');
	unsigned patience = h->mirror ? MIRROR_PATIENCE : 0;
	WH_AUTO_ERR struct wh_err *first = NULL;
	enum wh_http_fault fault;
	/* A server that waits for the end of a line, while we wait for its part of a handshake, says nothing at all. */
	int r = knock(c, "https", h->at, plain ? 5 : patience, &fault, &first);

	if (r == 0)
		return 0;
	/* What does not speak TLS may be a registry all the same; without a port, HTTP is another one. */
	if (plain && (fault == WH_HTTP_TLS || fault == WH_HTTP_BROKEN || (fault == WH_HTTP_REFUSED && !port)) &&
	    knock(c, "http", h->at, patience, &fault, NULL) == 0)
		return 0;
	*ret_broke = fault == WH_HTTP_BROKEN;
	wh_err_move(err, &first);
	return r;
}

static int find_base(struct wh_reg_conn *c, struct wh_err **err)
{
	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		time_t start = now();
		bool broke = false;
		int r = find_scheme(c, &broke, &why);

		if (r == 0)
			return 0;
		/* Mirrors are passed over. Who says nothing for seconds is not asked again. */
		if (!broke || c->host->mirror || now() - start > 2 || i + 1 == WH_REG_TRIES) {
			wh_err_move(err, &why);
			return r;
		}
		wh_reg_pause(i, 0);
	}
}

static struct wh_reg_host *find_host(struct wh_registry *r, const struct wh_reg_endpoint *e)
{
	for (size_t i = 0; i < r->n_hosts; i++) {
		struct wh_reg_host *h = r->hosts[i];

		if (strcmp(h->domain, e->domain) == 0 && h->insecure == e->insecure && h->mirror == e->mirror)
			return h;
	}
	return NULL;
}

/* What connects goes on; else the connection is as before. */
static int find_or_add_host(struct wh_reg_conn *c, const struct wh_reg_endpoint *e, struct wh_err **err)
{
	struct wh_reg_host *before = c->host, *h = find_host(c->r, e);
	int res;

	if (h) {
		c->host = h;
		return 0;
	}
	c->host = h = wh_calloc(1, sizeof(*h));
	h->domain = wh_strdup(e->domain);
	h->at = wh_strdup(strcmp(e->domain, "docker.io") == 0 ? "registry-1.docker.io" : e->domain);
	h->insecure = e->insecure;
	h->mirror = e->mirror;
	res = wh_reg_tls_load(c->r, h->domain, &h->tls, err);
	if (res == 0)
		res = find_base(c, err);
	if (res < 0) {
		host_free(h);
		c->host = before;
		return res;
	}
	WH_PUSH(c->r->hosts, c->r->n_hosts, c->r->cap_hosts) = h;
	return 0;
}

/* ---------------------------------------------------------------- endpoints */

static void note_trouble(struct wh_reg_conn *c, const struct wh_reg_endpoint *e, const struct wh_err *why)
{
	bool moved = strcmp(e->path, c->ref.path) != 0; /* the errors speak of the name that was asked for */
	WH_AUTO_FREE char *name = wh_asprintf("; %s%s%s%s: ", e->mirror ? "mirror " : "", e->domain, moved ? "/" : "", moved ? e->path : "");

	if (!(c->troubles.n && strstr(c->troubles.p, name)) && c->troubles.n < TROUBLES_MAX)
		wh_buf_addf(&c->troubles, "%s%s", name, why ? why->msg : "what it gave is wrong");
	if (why && why->hint && why->sys == EACCES && !c->trouble_hint)
		c->trouble_hint = wh_strdup(why->hint);
}

static int go_to(struct wh_reg_conn *c, size_t at, struct wh_err **err)
{
	const struct wh_reg_endpoint *e = &c->endpoints.v[at];
	int r;

	pthread_mutex_lock(&c->r->mutex);
	r = find_or_add_host(c, e, err);
	pthread_mutex_unlock(&c->r->mutex);
	if (r < 0)
		return r;
	c->at = at;
	free(c->scope);
	c->scope = e->path[0] ? wh_asprintf("repository:%s:%s", e->path, c->actions) : wh_strdup("");
	return 0;
}

/* To the first from there on that answers. */
static int go_on(struct wh_reg_conn *c, size_t at, struct wh_err **err)
{
	for (;; at++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r = go_to(c, at, &why);

		if (r == 0)
			return 0;
		if (at + 1 == c->endpoints.n) {
			wh_err_move(err, &why);
			return r;
		}
		note_trouble(c, &c->endpoints.v[at], why);
	}
}

bool wh_reg_distrust(struct wh_reg_conn *c, struct wh_err **why)
{
	const struct wh_reg_endpoint *e = &c->endpoints.v[c->at];
	WH_AUTO_ERR struct wh_err *gone = NULL;

	if (!c->mirrored)
		return false;
	c->mirrored = false;
	if (!e->mirror)
		return true;
	note_trouble(c, e, why ? *why : NULL);
	return go_on(c, c->at + 1, &gone) == 0;
}

char *wh_reg_path_there(const struct wh_reg_conn *c, const char *path)
{
	struct wh_reg_endpoints l = {0};
	char *there = NULL;

	if (wh_reg_hosts_endpoints(c->r->files, c->ref.domain, path, false, true, &l, NULL) == 0 &&
	    strcmp(l.v[l.n - 1].domain, c->host->domain) == 0)
		there = wh_strdup(l.v[l.n - 1].path);
	wh_reg_endpoints_release(&l);
	return there;
}

/* What a request asks of the repository: "manifests/1". NULL: it goes elsewhere. */
static const char *of_repository(const struct wh_reg_conn *c, const char *url)
{
	for (size_t i = 0; i < c->endpoints.n; i++) {
		const struct wh_reg_host *h = find_host(c->r, &c->endpoints.v[i]);
		WH_AUTO_FREE char *begin = h ? wh_asprintf("%s/v2/%s/", h->base, c->endpoints.v[i].path) : NULL;

		if (begin && wh_has_prefix(url, begin))
			return url + strlen(begin);
	}
	return NULL;
}

/* What a mirror's answer comes through: once some of it was handed on, the request cannot be made anew. */
struct tap {
	const struct wh_http_req *q;
	bool begun;
};

static int tap(void *arg, const struct wh_http_resp *head, const void *p, size_t n, struct wh_err **err)
{
	struct tap *t = arg;

	t->begun = true;
	return t->q->sink(t->q->arg, head, p, n, err);
}

/* 1: it failed, or has it not (then *ret is its answer); *ret_for_good: it is not worth a further request. Else as wh_reg_call(). */
static int ask_mirror(struct wh_reg_conn *c, const struct wh_http_req *q, const char *what, struct wh_http_resp *ret,
		      bool *ret_for_good, struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_reg_url(c, "%s", what);
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	WH_AUTO_ERR struct wh_err *why = NULL;
	struct wh_http_req x = *q;
	struct tap t = {.q = q};
	enum wh_http_fault fault = WH_HTTP_DEAD;
	int r;

	x.url = url;
	if (q->sink) {
		x.sink = tap;
		x.arg = &t;
	}
	r = with_login(c, &x, &a, &fault, &why);
	c->mirrored = c->mirrored || t.begun || (r == 0 && a.status < 400);
	if (r == 0 && a.status < 400) {
		*ret = a;
		a = (struct wh_http_resp){0};
		return 0;
	}
	if (r == 0)
		r = wh_reg_refusal(c, &x, &a, &why);
	note_trouble(c, &c->endpoints.v[c->at], why);
	*ret_for_good = a.status != 404;
	if (!t.begun) {
		if (a.status == 404) {
			*ret = a;
			a = (struct wh_http_resp){0};
		}
		return 1;
	}
	/* Whoever takes the body goes on where it ended, with the next. */
	wh_err_move(err, &why);
	return fault == WH_HTTP_BROKEN ? -ECONNRESET : r;
}

/* What is attached may be nothing: where the registry itself cannot be reached, its mirror's word counts. */
static bool is_about_attached(const char *what)
{
	return wh_has_prefix(what, "referrers/") || wh_has_prefix(what, "manifests/sha256-");
}

int wh_reg_call(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret, struct wh_err **err)
{
	WH_AUTO_HTTP_RESP struct wh_http_resp none = {0};
	const char *what = NULL;
	WH_AUTO_FREE char *url = NULL;
	size_t stay = c->at;
	struct wh_http_req x = *q;
	int r;

	if (c->endpoints.n > 1) {
		pthread_mutex_lock(&c->r->mutex);
		what = of_repository(c, q->url);
		pthread_mutex_unlock(&c->r->mutex);
	}
	if (!what)
		return call_here(c, q, ret, err);
	while (c->endpoints.v[c->at].mirror) {
		WH_AUTO_ERR struct wh_err *why = NULL, *gone = NULL;
		WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
		bool for_good = false;
		size_t was = c->at;
		int next;

		r = ask_mirror(c, q, what, &a, &for_good, &why);
		if (r == 0) {
			*ret = a;
			a = (struct wh_http_resp){0};
			goto out;
		}
		if (a.status && !none.status) {
			none = a;
			a = (struct wh_http_resp){0};
		}
		next = go_on(c, c->at + 1, &gone);
		if (for_good && next == 0 && stay == was)
			stay = c->at;
		if (r < 0) {
			wh_err_move(err, &why);
			return r;
		}
		if (next < 0 && none.status && is_about_attached(what)) {
			*ret = none;
			none = (struct wh_http_resp){0};
			return 0;
		}
		if (next < 0) {
			wh_err_move(err, &gone);
			return next;
		}
	}
	x.url = url = wh_reg_url(c, "%s", what);
	r = call_here(c, &x, ret, err);
out:
	/* Who does not have this may have the rest. Where all failed, what is told is about the last. */
	if (stay != c->at && r == 0 && ret->status < 400)
		(void)go_to(c, stay, NULL);
	return r;
}

/* ---------------------------------------------------------------- connections */

/* A login is for the host that was named, wherever its repositories are. */
static void stay_at(struct wh_reg_conn *c, const char *domain)
{
	struct wh_reg_endpoint *e = &c->endpoints.v[0];

	if (strcmp(e->domain, domain) != 0)
		e->insecure = wh_reg_hosts_insecure(c->r->files, domain);
	free(e->domain);
	free(e->path);
	e->domain = wh_strdup(domain);
	e->path = wh_strdup("");
}

static int connect_to(struct wh_registry *r, struct wh_reg_conn *c, bool by_digest, bool push, struct wh_err **err)
{
	int res = 0;

	pthread_mutex_lock(&r->mutex);
	if (!r->files)
		res = wh_reg_hosts_read(&r->o, &r->files, err);
	pthread_mutex_unlock(&r->mutex);
	if (res < 0)
		return res;
	res = wh_reg_hosts_endpoints(r->files, c->ref.domain, c->ref.path, by_digest, push, &c->endpoints, err);
	if (res == 0 && !c->ref.path[0])
		stay_at(c, c->ref.domain);
	if (res == 0)
		res = go_on(c, 0, err);
	if (res < 0)
		wh_reg_name(c, err);
	return res;
}

static int connect_by_name(struct wh_registry *r, const char *ref, const char *actions, bool by_digest, struct wh_reg_conn **ret,
			   struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	int res = wh_reg_conn_new(r, &c, err);

	if (res == 0)
		res = wh_reg_ref_parse(ref, &c->ref, err);
	if (res < 0)
		return res;
	c->actions = wh_strdup(actions);
	res = connect_to(r, c, by_digest || c->ref.has_digest, strcmp(actions, "pull") != 0, err);
	if (res == 0)
		*ret = WH_TAKE_PTR(c);
	return res;
}

int wh_reg_connect(struct wh_registry *r, const char *ref, const char *actions, struct wh_reg_conn **ret,
		   struct wh_err **err)
{
	return connect_by_name(r, ref, actions, false, ret, err);
}

int wh_reg_connect_digest(struct wh_registry *r, const char *ref, struct wh_reg_conn **ret, struct wh_err **err)
{
	return connect_by_name(r, ref, "pull", true, ret, err);
}

int wh_reg_connect_host(struct wh_registry *r, const char *domain, struct wh_reg_conn **ret, struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	int res = wh_reg_conn_new(r, &c, err);

	if (res < 0)
		return res;
	c->ref = (struct wh_reg_ref){.domain = wh_strdup(domain), .path = wh_strdup("")};
	c->actions = wh_strdup("");
	res = connect_to(r, c, false, true, err);
	if (res == 0)
		*ret = WH_TAKE_PTR(c);
	return res;
}

int wh_reg_conn_clone(const struct wh_reg_conn *c, struct wh_reg_conn **ret, struct wh_err **err)
{
	struct wh_reg_conn *x;
	int r = wh_reg_conn_new(c->r, &x, err);

	if (r < 0)
		return r;
	x->host = c->host;
	x->ref = (struct wh_reg_ref){.domain = wh_strdup(c->ref.domain),
				     .path = wh_strdup(c->ref.path),
				     .tag = wh_strdup(c->ref.tag),
				     .has_digest = c->ref.has_digest,
				     .digest = c->ref.digest};
	for (size_t i = 0; i < c->endpoints.n; i++) {
		const struct wh_reg_endpoint *e = &c->endpoints.v[i];

		WH_PUSH(x->endpoints.v, x->endpoints.n, x->endpoints.cap) =
			(struct wh_reg_endpoint){wh_strdup(e->domain), wh_strdup(e->path), e->insecure, e->mirror};
	}
	x->at = c->at;
	x->actions = wh_strdup(c->actions);
	x->scope = wh_strdup(c->scope);
	*ret = x;
	return 0;
}

/* ---------------------------------------------------------------- several at once */

struct each {
	struct wh_reg_conn *c;
	size_t n;
	int (*fn)(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err);
	void *arg;
	pthread_mutex_t mutex; /* of what follows */
	size_t next;
	int r;
	struct wh_err *err;
};

static bool take_one(struct each *e, size_t *ret)
{
	bool more;

	pthread_mutex_lock(&e->mutex);
	more = e->r == 0 && e->next < e->n;
	if (more)
		*ret = e->next++;
	pthread_mutex_unlock(&e->mutex);
	return more;
}

static void work(struct each *e, struct wh_reg_conn *c)
{
	size_t i;

	while (take_one(e, &i)) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = e->fn(c, e->arg, i, &err);

		if (r == 0)
			continue;
		pthread_mutex_lock(&e->mutex);
		if (e->r == 0) {
			e->r = r;
			wh_err_move(&e->err, &err);
		}
		pthread_mutex_unlock(&e->mutex);
	}
}

static void *helper(void *arg)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct each *e = arg;

	/* One that does not come into being is not missed: the first thread does all that nobody else does. */
	if (wh_reg_conn_clone(e->c, &c, NULL) == 0)
		work(e, c);
	return NULL;
}

int wh_reg_each(struct wh_reg_conn *c, size_t n,
		int (*fn)(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err), void *arg,
		struct wh_err **err)
{
	struct each e = {.c = c, .n = n, .fn = fn, .arg = arg, .mutex = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[WH_REG_THREADS - 1];
	size_t started = 0;

	while (started < WH_ARRAY_SIZE(threads) && started + 1 < n &&
	       pthread_create(&threads[started], NULL, helper, &e) == 0)
		started++;
	work(&e, c);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (e.r < 0)
		wh_err_move(err, &e.err);
	return e.r;
}
