/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to a registry: with a login where it is asked for, redirects followed, tried again where that helps. A login is
 * sent to the registry itself (scheme, host and port) and its realm alone, never to where it redirects to.
 */
#include "layers/registry_private.h"

#include <sys/random.h>
#include <time.h>

#define REDIRECTS 10
#define PAUSE_MS 200
#define PAUSE_MAX_MS 10000
#define RETRY_AFTER_MAX 60

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
	free(h->login_path);
	free(h->domain);
	free(h->base);
	free(h);
}

void wh_registry_free(struct wh_registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_hosts; i++)
		host_free(r->hosts[i]);
	pthread_mutex_destroy(&r->mutex);
	free(r->auth_file);
	free(r->user);
	wh_secret_free(r->password);
	free(r->ca_file);
	free(r);
}

/* ---------------------------------------------------------------- errors */

void wh_reg_name(const struct wh_reg_conn *c, struct wh_err **err)
{
	wh_err_wrap(err, "registry %s", c->ref.domain);
}

static void hint_login(const struct wh_reg_conn *c, struct wh_err **err)
{
	const struct wh_login *l = &c->host->login;

	if (l->trouble)
		wh_err_hint(err, "no login was found: %s", l->trouble);
	else if (l->identity)
		wh_err_hint(err, "its token is refused: log in again (docker login %s)", c->ref.domain);
	else if (l->user)
		wh_err_hint(err, "asked as user \"%s\": wrong password, or not this user's to use", l->user);
	else
		wh_err_hint(err, "no login for %s was found; \"docker login %s\" or \"podman login %s\" leaves one",
			    c->ref.domain, c->ref.domain, c->ref.domain);
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

/* Where an answer sends us to. Plain HTTP only from plain HTTP, and on this machine. */
static int next_url(const struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_http_resp *a, char **ret,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_url_resolve(a->url, a->location);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_reg_text(&text, url ? url : a->location);
	if (!url)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: redirected to \"%s\"", q->what, text.p);
	if (!wh_url_is_https(url) && !c->r->o.insecure && (wh_url_is_https(a->url) || !wh_url_is_loopback(url))) {
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
	for (unsigned i = 0;; i++) {
		WH_AUTO_SECRET char *header = NULL;
		int r;

		*ret_fault = WH_HTTP_DEAD;
		r = wh_reg_authorize(c, i > 0, &header, err);
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

int wh_reg_call(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret, struct wh_err **err)
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

	wh_buf_addf(&b, "%s/v2/%s/", c->host->base, c->ref.path);
	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return wh_buf_take(&b);
}

/* ---------------------------------------------------------------- the first word */

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
	c->host->base = wh_asprintf("%s://%s", scheme, host);
	c->host->challenge = a.challenge;
	a.challenge = (struct wh_challenge){0};
	return 0;
}

static int find_base(struct wh_reg_conn *c, struct wh_err **err)
{
	const char *host = strcmp(c->ref.domain, "docker.io") == 0 ? "registry-1.docker.io" : c->ref.domain;
	WH_AUTO_FREE char *https = wh_asprintf("https://%s/", host);
	bool plain = c->r->o.insecure || wh_url_is_loopback(https);
	const char *bracket = strchr(host, ']');
	bool port = strchr(bracket ? bracket : host, ':');
	WH_AUTO_ERR struct wh_err *first = NULL;
	enum wh_http_fault fault;
	/* A server that waits for the end of a line, while we wait for its part of a handshake, says nothing at all. */
	int r = knock(c, "https", host, plain ? 5 : 0, &fault, &first);

	if (r == 0)
		return 0;
	/* What does not speak TLS may be a registry all the same; without a port, HTTP is another one. */
	if (plain && (fault == WH_HTTP_TLS || fault == WH_HTTP_BROKEN || (fault == WH_HTTP_REFUSED && !port)) &&
	    knock(c, "http", host, 0, &fault, NULL) == 0)
		return 0;
	wh_err_move(err, &first);
	return r;
}

static struct wh_reg_host *find_host(struct wh_registry *r, const char *domain)
{
	for (size_t i = 0; i < r->n_hosts; i++)
		if (strcmp(r->hosts[i]->domain, domain) == 0)
			return r->hosts[i];
	return NULL;
}

static int find_or_add_host(struct wh_reg_conn *c, struct wh_err **err)
{
	struct wh_registry *r = c->r;
	int res;

	c->host = find_host(r, c->ref.domain);
	if (c->host)
		return 0;
	if (r->n_hosts == WH_ARRAY_SIZE(r->hosts))
		return wh_err_set(err, "registry", WH_ERR_INTERNAL, EMFILE, "too many registries at once");
	c->host = wh_calloc(1, sizeof(*c->host));
	c->host->domain = wh_strdup(c->ref.domain);
	res = find_base(c, err);
	if (res < 0) {
		host_free(WH_TAKE_PTR(c->host));
		return res;
	}
	r->hosts[r->n_hosts++] = c->host;
	return 0;
}

int wh_reg_connect(struct wh_registry *r, const char *ref, const char *actions, struct wh_reg_conn **ret,
		   struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	int res = wh_reg_conn_new(r, &c, err);

	if (res == 0)
		res = wh_reg_ref_parse(ref, &c->ref, err);
	if (res < 0)
		return res;
	c->scope = wh_asprintf("repository:%s:%s", c->ref.path, actions);
	pthread_mutex_lock(&r->mutex);
	res = find_or_add_host(c, err);
	pthread_mutex_unlock(&r->mutex);
	if (res < 0) {
		wh_reg_name(c, err);
		return res;
	}
	*ret = WH_TAKE_PTR(c);
	return 0;
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
