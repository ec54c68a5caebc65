/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens (distribution's token authentication): the registry's challenge names a realm, which gives a token for a scope to
 * whoever shows a login, or to everybody. With a refresh token the realm is asked by OAuth 2 (RFC 6749, section 6).
 */
#include "layers/registry_private.h"

#include <sodium.h>

#define LIFE_MAX (24 * 3600)

static char *basic_header(const struct wh_login *l)
{
	WH_AUTO_SECRET char *both = wh_asprintf("%s:%s", l->user, l->password);
	size_t n = strlen(both), room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
	WH_AUTO_SECRET char *b64 = wh_malloc(room);

	sodium_bin2base64(b64, room, (const unsigned char *)both, n, sodium_base64_VARIANT_ORIGINAL);
	return wh_asprintf("Basic %s", b64);
}

/* ---------------------------------------------------------------- scopes */

/* Does "repository:NAME:pull,push" grant all of "repository:NAME:pull"? */
static bool scope_covers(const char *have, const char *want, size_t want_n)
{
	const char *have_end = strrchr(have, ':');
	const char *want_end = memrchr(want, ':', want_n);
	const char *end = want + want_n;
	size_t resource;

	if (!have_end || !want_end)
		return false;
	resource = (size_t)(have_end - have);
	if (resource != (size_t)(want_end - want) || memcmp(have, want, resource) != 0)
		return false;
	for (const char *p = want_end + 1; p < end;) {
		size_t n = 0;
		const char *h = have_end + 1;
		bool found = false;

		while (p + n < end && p[n] != ',')
			n++;
		while (*h && !found) {
			size_t k = strcspn(h, ",");

			found = k == n && memcmp(h, p, n) == 0;
			h += k + (h[k] == ',');
		}
		if (!found)
			return false;
		p += n + 1;
	}
	return true;
}

/* Ours, and what the registry asked for beyond that: where it calls a repository by another name, it knows best. */
static void scopes_for(const char *ours, const char *theirs, struct wh_strv *ret)
{
	size_t n_ours;

	for (const char *p = ours; *p;) {
		size_t n = strcspn(p, " ");

		wh_strv_take(ret, wh_strndup(p, n));
		p += n + (p[n] == ' ');
	}
	n_ours = ret->n;
	for (const char *p = theirs ? theirs : ""; *p && ret->n < 8;) {
		size_t n = strcspn(p, " ");
		bool covered = n == 0;

		for (size_t i = 0; i < n_ours && !covered; i++)
			covered = scope_covers(ret->v[i], p, n);
		if (!covered)
			wh_strv_take(ret, wh_strndup(p, n));
		p += n + (p[n] == ' ');
	}
}

/* ---------------------------------------------------------------- asking the realm */

/* May a login be shown to this address? */
static bool realm_allowed(const struct wh_reg_conn *c, const char *realm)
{
	return wh_url_is_https(realm) || (wh_url_is_loopback(realm) && !wh_url_is_https(c->host->base)) ||
	       wh_reg_url_insecure(c, realm);
}

/* It becomes a header. */
static bool token_harmless(const char *s)
{
	if (!s || !s[0] || strlen(s) > WH_REG_TOKEN_MAX)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

/* When to get another: well before it ends. One that does not say lives for a minute (distribution's token specification). */
static time_t renewal(const json_t *o)
{
	int64_t life = wh_json_int(o, "expires_in", 60), margin;

	if (life <= 0 || life > LIFE_MAX)
		life = life <= 0 ? 60 : LIFE_MAX;
	margin = life / 4 < 30 ? life / 4 : 30;
	return now() + (time_t)(life - (margin || life == 1 ? margin : 1));
}

static int read_token(struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_http_resp *a, struct wh_reg_token *ret,
		      struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const char *token, *refresh;

	if (wh_json_parse(a->body.p, a->body.n, "token", &o, NULL) < 0)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: the answer is no JSON", q->what);
	token = wh_json_str(o, "token");
	if (!token)
		token = wh_json_str(o, "access_token");
	if (!token_harmless(token))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: there is no token in the answer",
				  q->what);
	ret->header = wh_asprintf("Bearer %s", token);
	ret->until = renewal(o);
	refresh = wh_json_str(o, "refresh_token");
	if (c->offline && token_harmless(refresh)) {
		wh_secret_free(c->refresh);
		c->refresh = wh_strdup(refresh);
	}
	return 0;
}

static void form_add(struct wh_buf *b, const char *key, const char *value)
{
	WH_AUTO_SECRET char *pair = wh_url_with("", key, value);

	if (b->n)
		wh_buf_addc(b, '&');
	wh_buf_adds(b, pair + 1);
}

/* One request to the realm; its retries are a few, and it follows no redirect. */
static int ask_realm(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret, struct wh_err **err)
{
	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		enum wh_http_fault fault;
		unsigned after = 0;
		int r = wh_http_transfer(c, q, ret, &fault, &why);

		if (r == 0 && !wh_reg_status_passing(ret->status))
			return 0;
		if (i + 1 == WH_REG_TRIES || (r < 0 && fault != WH_HTTP_BROKEN)) {
			wh_err_move(err, &why);
			return r;
		}
		if (r == 0) {
			after = ret->retry_after;
			wh_http_resp_release(ret);
		}
		wh_reg_pause(i, after);
	}
}

static int get_token(struct wh_reg_conn *c, struct wh_reg_token *ret, struct wh_err **err)
{
	const struct wh_challenge *ch = &c->host->challenge;
	const struct wh_login *l = &c->host->login;
	WH_AUTO_FREE char *realm = wh_url_resolve(c->host->base, ch->realm);
	WH_AUTO_SECRET_BUF struct wh_buf form = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;
	WH_AUTO_SECRET char *basic = l->user ? basic_header(l) : NULL;
	WH_AUTO_STRV struct wh_strv scopes = {0};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	struct wh_http_req q = {.method = "GET", .accept = "application/json", .max = WH_REG_TOKEN_MAX * 2};
	int r;

	wh_buf_adds(&what, "get a token from ");
	wh_reg_text(&what, realm ? realm : ch->realm);
	q.what = what.p;
	if (!realm || !realm_allowed(c, realm)) {
		r = wh_err_set(err, "registry", WH_ERR_ENV, EACCES, "%s: that is no https address", what.p);
		wh_err_hint(err, "--registry-insecure allows plain HTTP");
		return r;
	}
	scopes_for(c->scope, ch->scope, &scopes);
	if (l->identity) {
		WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;

		for (size_t i = 0; i < scopes.n; i++)
			wh_buf_addf(&all, "%s%s", i ? " " : "", scopes.v[i]);
		form_add(&form, "grant_type", "refresh_token");
		form_add(&form, "client_id", "whittle");
		form_add(&form, "service", ch->service ? ch->service : "");
		form_add(&form, "scope", all.p);
		form_add(&form, "refresh_token", l->identity);
		q.method = "POST";
		q.type = "application/x-www-form-urlencoded";
		q.body = form.p;
		q.len = form.n;
	} else {
		if (ch->service) {
			char *with = wh_url_with(realm, "service", ch->service);

			free(realm);
			realm = with;
		}
		for (size_t i = 0; i < scopes.n; i++) {
			char *with = wh_url_with(realm, "scope", scopes.v[i]);

			free(realm);
			realm = with;
		}
		if (c->offline) {
			char *with = wh_url_with(realm, "offline_token", "true");

			free(realm);
			realm = wh_url_with(with, "client_id", "whittle");
			free(with);
		}
		q.authorization = basic;
	}
	q.url = realm;
	r = ask_realm(c, &q, &a, err);
	if (r < 0)
		return r;
	if (a.status != 200)
		return wh_reg_refusal(c, &q, &a, err);
	r = read_token(c, &q, &a, ret, err);
	if (a.body.p)
		explicit_bzero(a.body.p, a.body.n);
	return r;
}

/* ---------------------------------------------------------------- what a request is sent with */

static struct wh_reg_token *find_token(struct wh_reg_host *h, const char *scope)
{
	for (size_t i = 0; i < h->n_tokens; i++)
		if (strcmp(h->tokens[i].scope, scope) == 0)
			return &h->tokens[i];
	return NULL;
}

/* Logins may differ from repository to repository. One that was given by itself is for the registry that was named, no mirror. */
static int need_login(struct wh_reg_conn *c, struct wh_err **err)
{
	struct wh_registry_opts o = c->r->o;
	struct wh_reg_host *h = c->host;
	const char *path = c->endpoints.v[c->at].path;
	struct wh_login l;
	int r;

	if (h->login_path && strcmp(h->login_path, path) == 0)
		return 0;
	if (h->mirror)
		o.user = o.password = NULL;
	r = wh_login_load(&o, h->domain, path, &l, err);
	if (r < 0)
		return r;
	wh_login_release(&h->login);
	h->login = l;
	free(h->login_path);
	h->login_path = wh_strdup(path);
	return 0;
}

static int authorize(struct wh_reg_conn *c, bool renew, const char *refused, char **ret, struct wh_err **err)
{
	struct wh_reg_host *h = c->host;
	struct wh_reg_token *t = find_token(h, c->scope), fresh = {0};
	int r = 0;

	/* Somebody else may have got a new one meanwhile. */
	if (t && !(renew && wh_streq(t->header, refused)) && !(t->until && now() >= t->until)) {
		*ret = wh_strdup(t->header);
		return 0;
	}
	if (h->challenge.scheme == WH_AUTH_NONE)
		return 0;
	r = need_login(c, err);
	if (r < 0)
		return r;
	if (h->challenge.scheme == WH_AUTH_BEARER)
		r = get_token(c, &fresh, err);
	else if (h->login.user)
		fresh.header = basic_header(&h->login);
	if (r < 0 || !fresh.header)
		return r;
	if (!t) {
		t = &WH_PUSH(h->tokens, h->n_tokens, h->cap_tokens);
		*t = (struct wh_reg_token){.scope = wh_strdup(c->scope)};
	}
	wh_secret_free(t->header);
	t->header = fresh.header;
	t->until = fresh.until;
	*ret = wh_strdup(t->header);
	return 0;
}

int wh_reg_authorize(struct wh_reg_conn *c, bool renew, const char *refused, char **ret, struct wh_err **err)
{
	int r;

	*ret = NULL;
	pthread_mutex_lock(&c->r->mutex);
	r = authorize(c, renew, refused, ret, err);
	pthread_mutex_unlock(&c->r->mutex);
	return r;
}
