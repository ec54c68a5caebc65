/* SPDX-License-Identifier: Apache-2.0 */
/* What registries say in header values and error bodies, and the parts of an image's name. Nothing here does any I/O. */
#include "layers/registry_private.h"

#define TEXT_MAX 200
#define PARAM_MAX 4096

/* ---------------------------------------------------------------- names */

int wh_reg_ref_parse(const char *ref, struct wh_reg_ref *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	struct wh_reg_ref x = {0};
	char *slash, *at, *colon;
	int r = wh_reference_normalize(ref, &full, err);

	if (r < 0)
		return r;
	at = strchr(full, '@');
	if (at) {
		*at = '\0';
		x.has_digest = wh_digest_parse(at + 1, &x.digest);
	}
	slash = strchr(full, '/');
	colon = strrchr(slash, ':');
	if (colon)
		*colon = '\0';
	x.domain = wh_strndup(full, (size_t)(slash - full));
	x.path = wh_strdup(slash + 1);
	x.tag = colon ? wh_strdup(colon + 1) : NULL;
	*ret = x;
	return 0;
}

void wh_reg_ref_release(struct wh_reg_ref *r)
{
	free(r->domain);
	free(r->path);
	free(r->tag);
	*r = (struct wh_reg_ref){0};
}

/* ---------------------------------------------------------------- challenges */

void wh_challenge_release(struct wh_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct wh_challenge){0};
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip(const char *p, const char *set)
{
	return p + strspn(p, set);
}

static struct wh_str token(const char **p)
{
	struct wh_str t = {.p = *p};

	while (is_token((*p)[0]))
		(*p)++;
	t.n = (size_t)(*p - t.p);
	return t;
}

/* A token or a quoted string. False: neither, or too long. */
static bool param_value(const char **p, struct wh_buf *out)
{
	const char *s = *p;

	out->max = PARAM_MAX;
	if (*s != '"') {
		struct wh_str t = token(p);

		wh_buf_addstr(out, t);
		return t.n > 0 && wh_buf_ok(out);
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
		wh_buf_addc(out, *s);
	}
	if (*s != '"')
		return false;
	*p = s + 1;
	return wh_buf_ok(out);
}

static void keep_param(struct wh_challenge *c, struct wh_str name, struct wh_buf *value)
{
	char **to = wh_str_ieq(name, "realm")     ? &c->realm
		    : wh_str_ieq(name, "service") ? &c->service
		    : wh_str_ieq(name, "scope")   ? &c->scope
						  : NULL;

	if (to && !*to)
		*to = wh_buf_take(value);
}

/* Parameters up to the next challenge, which begins with a word that no "=" follows. */
static bool params(const char **p, struct wh_challenge *c)
{
	for (;;) {
		WH_AUTO_BUF struct wh_buf value = WH_BUF_INIT;
		const char *start = *p = skip(*p, " \t,");
		struct wh_str name = token(p);

		if (name.n == 0)
			return **p == '\0';
		*p = skip(*p, " \t");
		if (**p != '=') {
			*p = start;
			return true;
		}
		*p = skip(*p + 1, " \t");
		if (!param_value(p, &value))
			return false;
		keep_param(c, name, &value);
	}
}

void wh_challenge_parse(const char *value, struct wh_challenge *c)
{
	const char *p = skip(value, " \t,");

	while (*p) {
		struct wh_challenge x = {0};
		struct wh_str scheme = token(&p);
		bool good;

		if (scheme.n == 0 || !(*p == ' ' || *p == '\t' || *p == ',' || *p == '\0'))
			return;
		x.scheme = wh_str_ieq(scheme, "Bearer")  ? WH_AUTH_BEARER
			   : wh_str_ieq(scheme, "Basic") ? WH_AUTH_BASIC
							 : WH_AUTH_NONE;
		good = params(&p, &x);
		if (x.scheme == WH_AUTH_BEARER && !x.realm)
			x.scheme = WH_AUTH_NONE;
		if (good && x.scheme > c->scheme) {
			wh_challenge_release(c);
			*c = x;
		} else {
			wh_challenge_release(&x);
		}
		if (!good)
			return;
	}
}

/* ---------------------------------------------------------------- other headers */

/* Is there rel=next among the parameters of one link? Leaves *p at its end. */
static bool params_say_next(const char **p)
{
	bool next = false;

	for (;;) {
		WH_AUTO_BUF struct wh_buf v = WH_BUF_INIT;
		struct wh_str name;

		*p = skip(*p, " \t");
		if (**p != ';')
			return next;
		*p = skip(*p + 1, " \t");
		name = token(p);
		*p = skip(*p, " \t");
		if (**p != '=')
			continue;
		*p = skip(*p + 1, " \t");
		if (!param_value(p, &v))
			return next;
		next = next || (wh_str_ieq(name, "rel") && wh_str_ieq((struct wh_str){v.p, v.n}, "next"));
	}
}

char *wh_link_next(const char *value)
{
	const char *p = value;

	for (;;) {
		const char *from, *end;

		p = skip(p, " \t,");
		if (*p != '<')
			return NULL;
		from = p + 1;
		end = strchr(from, '>');
		if (!end || (size_t)(end - from) > PARAM_MAX)
			return NULL;
		p = end + 1;
		if (params_say_next(&p))
			return wh_strndup(from, (size_t)(end - from));
	}
}

bool wh_content_range_start(const char *value, uint64_t *ret)
{
	WH_AUTO_FREE char *number = NULL;
	size_t n;

	if (!wh_has_prefix(value, "bytes "))
		return false;
	value += strlen("bytes ");
	n = strspn(value, "0123456789");
	if (value[n] != '-')
		return false;
	number = wh_strndup(value, n);
	return wh_parse_u64(number, 10, ret);
}

bool wh_upload_range(const char *value, uint64_t *ret)
{
	uint64_t last;

	/* Some write it as the header of a request has it. */
	if (wh_has_prefix(value, "bytes=") || wh_has_prefix(value, "bytes "))
		value += strlen("bytes=");
	if (!wh_has_prefix(value, "0-") || !wh_parse_u64(value + 2, 10, &last) || last == UINT64_MAX)
		return false;
	*ret = last ? last + 1 : 0;
	return true;
}

/* ---------------------------------------------------------------- errors */

void wh_reg_text(struct wh_buf *out, const char *s)
{
	size_t n = 0;

	for (; *s && n < TEXT_MAX; s++, n++)
		wh_buf_addc(out, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
	/* Not in the middle of a character. */
	while (*s && n && ((unsigned char)*s & 0xc0) == 0x80) {
		s--;
		out->p[--out->n] = '\0';
		n--;
	}
	if (*s)
		wh_buf_adds(out, "…");
}

void wh_reg_error_text(const char *body, size_t n, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *e;
	const char *code, *message;

	if (wh_json_parse(body, n, "error", &o, NULL) < 0)
		return;
	e = json_array_get(json_object_get(o, "errors"), 0);
	code = wh_json_str(e, "code");
	message = wh_json_str(e, "message");
	if (!code && !message) /* token servers */
		message = wh_json_str(o, "details") ? wh_json_str(o, "details") : wh_json_str(o, "error_description");
	if (!code && !message)
		message = wh_json_str(o, "error") ? wh_json_str(o, "error") : wh_json_str(o, "message");
	if (code)
		wh_reg_text(out, code);
	if (code && message && message[0])
		wh_buf_adds(out, ": ");
	if (message)
		wh_reg_text(out, message);
}

bool wh_reg_error_is(const char *body, size_t n, const char *code)
{
	WH_AUTO_JSON json_t *o = NULL;

	return wh_json_parse(body, n, "error", &o, NULL) == 0 &&
	       wh_streq(wh_json_str(json_array_get(json_object_get(o, "errors"), 0), "code"), code);
}
