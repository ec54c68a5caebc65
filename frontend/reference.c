/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images, and addresses that are none (distribution/reference's grammar). */
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Letters and digits, between them '.', '_', "__" or any number of '-'. */
static bool component_ok(struct wh_str s)
{
	size_t i, run;

	for (i = 0; i < s.n; i++) {
		if (lower_alnum(s.p[i]))
			continue;
		if (i == 0)
			return false;
		for (run = 1; i + run < s.n && s.p[i + run] == s.p[i]; run++)
			;
		if (!strchr("._-", s.p[i]) || (s.p[i] == '.' && run > 1) || (s.p[i] == '_' && run > 2))
			return false;
		i += run;
		if (i == s.n || !lower_alnum(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool is_domain(struct wh_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == '.' || s.p[i] == ':' || upper(s.p[i]))
			return true;
	return wh_str_eq(s, "localhost");
}

static bool domain_ok(struct wh_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!lower_alnum(s.p[i]) && !upper(s.p[i]) && !strchr(".-:[]", s.p[i]))
			return false;
	return s.n > 0;
}

static bool tag_ok(struct wh_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!lower_alnum(s.p[i]) && !upper(s.p[i]) && s.p[i] != '_' && (i == 0 || !strchr(".-", s.p[i])))
			return false;
	return s.n > 0 && s.n <= 128;
}

static bool digest_ok(struct wh_str s)
{
	size_t i, colon = 0;

	while (colon < s.n && s.p[colon] != ':')
		colon++;
	if (colon == 0 || s.n - colon < 33)
		return false;
	for (i = colon + 1; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return true;
}

struct parts {
	struct wh_str domain, path, tag, digest; /* p is NULL where absent */
};

static struct parts cut(const char *ref)
{
	struct parts x = {.path = wh_str(ref)};
	const char *at = strchr(ref, '@'), *slash;
	size_t i;

	if (at) {
		x.digest = wh_str(at + 1);
		x.path.n = (size_t)(at - ref);
	}
	for (i = x.path.n; i > 0 && x.path.p[i - 1] != '/'; i--)
		if (x.path.p[i - 1] == ':') {
			x.tag = (struct wh_str){x.path.p + i, x.path.n - i};
			x.path.n = i - 1;
			break;
		}
	slash = memchr(x.path.p, '/', x.path.n);
	if (slash && is_domain((struct wh_str){ref, (size_t)(slash - ref)})) {
		x.domain = (struct wh_str){ref, (size_t)(slash - ref)};
		x.path = (struct wh_str){slash + 1, x.path.n - x.domain.n - 1};
	}
	return x;
}

int wh_reference_check(const char *ref, struct wh_err **err)
{
	struct parts x = cut(ref);
	struct wh_str rest = x.path;
	bool ok = (!x.domain.p || domain_ok(x.domain)) && (!x.tag.p || tag_ok(x.tag)) &&
		  (!x.digest.p || digest_ok(x.digest)) && rest.n <= 255;
	bool capital = false;
	size_t i;

	for (i = 0; i < rest.n; i++)
		capital |= upper(rest.p[i]);
	while (ok) {
		const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
		size_t n = slash ? (size_t)(slash - rest.p) : rest.n;

		ok = component_ok((struct wh_str){rest.p, n});
		if (!slash)
			break;
		rest = (struct wh_str){slash + 1, rest.n - n - 1};
	}
	if (ok)
		return 0;
	return wh_usage(err, "failed to parse stage name \"%.200s\": invalid reference format%s", ref,
			capital ? ": repository name must be lowercase" : "");
}

char *wh_reference_familiar(const char *ref)
{
	struct parts x = cut(ref);
	struct wh_buf out = WH_BUF_INIT;

	if (x.domain.p && !wh_str_eq(x.domain, "docker.io") && !wh_str_eq(x.domain, "index.docker.io")) {
		wh_buf_addstr(&out, x.domain);
		wh_buf_addc(&out, '/');
	} else if (x.path.n > 8 && memcmp(x.path.p, "library/", 8) == 0) {
		x.path = (struct wh_str){x.path.p + 8, x.path.n - 8};
	}
	wh_buf_addstr(&out, x.path);
	if (x.tag.p && !wh_str_eq(x.tag, "latest")) {
		wh_buf_addc(&out, ':');
		wh_buf_addstr(&out, x.tag);
	}
	if (x.digest.p) {
		wh_buf_addc(&out, '@');
		wh_buf_addstr(&out, x.digest);
	}
	return wh_buf_take(&out);
}

bool wh_is_url(const char *s)
{
	return wh_has_prefix(s, "http://") || wh_has_prefix(s, "https://");
}

bool wh_is_git(const char *s)
{
	const char *colon, *at, *end;

	if (wh_has_prefix(s, "git://") || wh_has_prefix(s, "ssh://"))
		return true;
	if (wh_is_url(s)) { /* the path ends in ".git", before any '#' or '?' */
		end = s + strcspn(s, "#?");
		return end - s > 4 && strncmp(end - 4, ".git", 4) == 0;
	}
	at = strchr(s, '@'); /* user@host:path, no slash before the colon */
	colon = strchr(s, ':');
	return at && colon && at < colon && at > s && colon[1] && strcspn(s, "/") > (size_t)(colon - s);
}
