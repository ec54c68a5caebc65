/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of git repositories, by BuildKit's rules (dfgitutil):
 *
 *   [scheme://][user@]host/path.git[?key=value&…][#ref[:subdir]]     http, https; any path with git, ssh
 *   user@host:path[?…][#ref[:subdir]]                                ssh, as scp writes it
 *   github.com/path[?…][#…]                                          contexts only, as it could be a path as well
 */
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <ctype.h>
#include <strings.h>

/* An address in its parts. Strings are ours. */
struct address {
	char *scheme;   /* lower case */
	char *remote;   /* without query and fragment */
	char *path;     /* decoded */
	char *query;    /* as it stands, or NULL */
	char *fragment; /* decoded, or NULL */
};

static void address_release(struct address *a)
{
	free(a->scheme);
	free(a->remote);
	free(a->path);
	free(a->query);
	free(a->fragment);
}

/* ---- percent encoding ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL: a '%' without its two digits, or a NUL in disguise. malloc'ed. */
static char *unescape(const char *s, size_t n, bool plus)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	size_t i;

	for (i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return NULL;
			c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
			if (!c)
				return NULL;
		} else if (plus && c == '+') {
			c = ' ';
		}
		wh_buf_addc(&out, c);
	}
	return wh_buf_take(&out);
}

/* A path with what may not stand in a URL encoded; what is encoded stays so. */
static void add_path(struct wh_buf *out, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (isalnum((unsigned char)s[i]) || strchr("-_.~!$&'()*+,;=:@[]%/", s[i]))
			wh_buf_addc(out, s[i]);
		else
			wh_buf_addf(out, "%%%02X", (unsigned char)s[i]);
	}
}

/* ---- addresses ---- */

static bool good_user(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-._:~!$&'()*+,;=%@", s[i]))
			return false;
	return true;
}

static bool good_host(const char *s, size_t n)
{
	const char *port = NULL;
	size_t i, end = n;

	if (n && s[0] == '[') {
		const char *close = memchr(s, ']', n);

		if (!close)
			return false;
		port = close + 1;
	} else {
		for (i = 0; i < n; i++)
			if (s[i] == ':')
				port = s + i;
		if (!port)
			port = s + n;
		end = (size_t)(port - s);
	}
	if (port < s + n && *port != ':')
		return false;
	for (i = (size_t)(port - s) + 1; i < n; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	for (i = 0; i < end && s[0] != '['; i++)
		if ((unsigned char)s[i] < 0x80 && !isalnum((unsigned char)s[i]) && !strchr("-_.~!$&'()*+,;=:", s[i]))
			return false;
	return true;
}

static bool has_control(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

/* The path, query and fragment that s begins with. False: it is no URL. */
static bool parse_tail(const char *s, struct address *a, struct wh_buf *remote)
{
	size_t n = strcspn(s, "?#"), query;

	a->path = unescape(s, n, false);
	if (!a->path)
		return false;
	add_path(remote, s, n);
	s += n;
	if (*s == '?') {
		query = strcspn(++s, "#");
		a->query = wh_strndup(s, query);
		s += query;
	}
	if (*s == '#' && s[1]) {
		a->fragment = unescape(s + 1, strlen(s + 1), false);
		return a->fragment != NULL;
	}
	return true;
}

static bool parse_url(const char *s, size_t scheme, struct address *a)
{
	WH_AUTO_BUF struct wh_buf remote = WH_BUF_INIT;
	const char *authority = s + scheme + strlen("://"), *at = NULL;
	size_t n = strcspn(authority, "/?#"), user, i;

	if (has_control(s, strcspn(s, "#")))
		return false;
	a->scheme = wh_strndup(s, scheme);
	for (i = 0; i < scheme; i++)
		a->scheme[i] = (char)tolower((unsigned char)a->scheme[i]);
	for (i = 0; i < n; i++)
		if (authority[i] == '@')
			at = authority + i;
	user = at ? (size_t)(at - authority) : 0;
	if (!good_user(authority, user) || !good_host(at ? at + 1 : authority, n - user - (at != NULL)))
		return false;
	wh_buf_addf(&remote, "%s://%.*s", a->scheme, (int)n, authority);
	if (!parse_tail(authority + n, a, &remote))
		return false;
	a->remote = wh_buf_take(&remote);
	return true;
}

/* user@host:path */
static bool parse_scp(const char *s, struct address *a)
{
	size_t user = 0, host = 0, path, query;
	const char *p;

	while (isalnum((unsigned char)s[user]) || s[user] == '-' || s[user] == '_')
		user++;
	if (!user || s[0] == '-' || s[user] != '@') /* ssh would take it for an option */
		return false;
	p = s + user + 1;
	while (isalnum((unsigned char)p[host]) || p[host] == '-' || p[host] == '.')
		host++;
	if (!host || p[0] == '-' || p[host] != ':' || strchr(s, '\n'))
		return false;
	p += host + 1;
	path = strcspn(p, "?#");
	a->scheme = wh_strdup("ssh");
	a->path = wh_strndup(p, path);
	a->remote = wh_strndup(s, (size_t)(p - s) + path);
	p += path;
	if (*p == '?') {
		query = strcspn(++p, "#");
		a->query = wh_strndup(p, query);
		p += query;
	}
	if (*p == '#' && p[1])
		a->fragment = wh_strdup(p + 1);
	return true;
}

static size_t scheme_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]))
		n++;
	return n && wh_has_prefix(s + n, "://") ? n : 0;
}

static bool known_scheme(const char *s, size_t n)
{
	static const char *const known[] = {"http", "https", "ssh", "git"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(known); i++)
		if (strlen(known[i]) == n && strncasecmp(s, known[i], n) == 0)
			return true;
	return false;
}

static bool parse_address(const char *s, bool *ret_local_like, struct address *a)
{
	size_t scheme = scheme_length(s);
	WH_AUTO_FREE char *url = NULL;

	*ret_local_like = wh_has_prefix(s, "github.com/");
	if (*ret_local_like) {
		url = wh_asprintf("https://%s", s);
		return parse_url(url, strlen("https"), a);
	}
	if (!scheme)
		return parse_scp(s, a);
	if (!known_scheme(s, scheme) || !parse_url(s, scheme, a))
		return false;
	return !wh_has_prefix(a->scheme, "http") || wh_has_suffix(a->path, ".git");
}

/* ---- the query ---- */

struct query {
	struct wh_git_ref *g;
	char *tag, *branch;
	struct wh_strv seen;
};

static void query_release(struct query *q)
{
	free(q->tag);
	free(q->branch);
	wh_strv_release(&q->seen);
}

static int same_or_set(char **to, const char *what, const char *value, struct wh_err **err)
{
	if (*to && !wh_streq(*to, value))
		return wh_usage(err, "%s conflicts: \"%s\" vs \"%s\"", what, *to, value);
	free(*to);
	*to = wh_strdup(value);
	return 0;
}

/* Go's strconv.ParseBool; a key alone says true. */
static int parse_flag(const char *key, const char *value, int *ret, struct wh_err **err)
{
	static const char *const yes[] = {"", "1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(yes); i++)
		if (wh_streq(value, yes[i]))
			return *ret = 1, 0;
	for (i = 0; i < WH_ARRAY_SIZE(no); i++)
		if (wh_streq(value, no[i]))
			return *ret = 0, 0;
	return wh_usage(err, "invalid %s value: \"%s\"", key, value);
}

static void set_text(char **to, const char *value)
{
	free(*to);
	*to = wh_strdup(value);
}

static int apply(struct query *q, const char *key, const char *value, struct wh_err **err)
{
	struct wh_git_ref *g = q->g;
	int by_commit = 0, r;

	if (wh_streq(key, "keep-git-dir"))
		return parse_flag(key, value, &g->keep_git_dir, err);
	if (wh_streq(key, "submodules"))
		return parse_flag(key, value, &g->submodules, err);
	if (wh_streq(key, "fetch-by-commit")) {
		r = parse_flag(key, value, &by_commit, err);
		g->fetch_by_commit = by_commit == 1;
		return r;
	}
	if (!*value)
		return wh_usage(err, "query \"%s\" has no value", key);
	if (wh_streq(key, "ref"))
		return same_or_set(&g->ref, "ref", value, err);
	if (wh_streq(key, "subdir"))
		return same_or_set(&g->subdir, "subdir", value, err);
	if (wh_streq(key, "tag"))
		set_text(&q->tag, value);
	else if (wh_streq(key, "branch"))
		set_text(&q->branch, value);
	else if (wh_streq(key, "checksum") || wh_streq(key, "commit"))
		set_text(&g->checksum, value);
	else if (wh_streq(key, "mtime") && (wh_streq(value, "checkout") || wh_streq(value, "commit")))
		set_text(&g->mtime, value);
	else if (wh_streq(key, "mtime"))
		return wh_usage(err, "invalid mtime value: \"%s\" (must be \"checkout\" or \"commit\")", value);
	else
		return wh_usage(err, "unexpected query \"%s\"", key);
	return 0;
}

/* One "key=value"; what is not well formed counts as not there, as Go has it. */
static int apply_pair(struct query *q, const char *pair, size_t n, struct wh_err **err)
{
	const char *eq = memchr(pair, '=', n);
	size_t key_len = eq ? (size_t)(eq - pair) : n;
	WH_AUTO_FREE char *key = NULL, *value = NULL;

	if (!n || memchr(pair, ';', n))
		return 0;
	key = unescape(pair, key_len, true);
	value = eq ? unescape(eq + 1, n - key_len - 1, true) : wh_strdup("");
	if (!key || !value)
		return 0;
	if (wh_strv_has(&q->seen, key))
		return wh_usage(err, "query \"%s\" has multiple values", key);
	wh_strv_add(&q->seen, key);
	return apply(q, key, value, err);
}

static char *with_prefix(const char *prefix, const char *name)
{
	return wh_has_prefix(name, prefix) ? wh_strdup(name) : wh_asprintf("%s%s", prefix, name);
}

static int load_query(struct wh_git_ref *g, const char *text, struct wh_err **err)
{
	WH_CLEANUP(query_release) struct query q = {.g = g};
	WH_AUTO_FREE char *full = NULL;
	int r = 0;

	while (text && *text && r == 0) {
		size_t n = strcspn(text, "&");

		r = apply_pair(&q, text, n, err);
		text += n + (text[n] == '&');
	}
	if (r < 0)
		return r;
	if (q.tag) {
		full = with_prefix("refs/tags/", q.tag);
		r = same_or_set(&g->ref, "ref", full, err);
	}
	if (r == 0 && q.branch && q.tag)
		return wh_usage(err, "branch conflicts with tag");
	if (r == 0 && q.branch) {
		full = with_prefix("refs/heads/", q.branch);
		r = same_or_set(&g->ref, "ref", full, err);
	}
	return r;
}

/* ---- the whole ---- */

/* "a/../b" → "b"; ".." stops at the root. */
static char *inside(const char *path)
{
	WH_AUTO_FREE char *abs = wh_path_abs_in("/", path);

	return wh_strdup(abs + 1);
}

static void load_fragment(struct wh_git_ref *g, const char *fragment)
{
	size_t n = strcspn(fragment, ":");

	g->ref = n ? wh_strndup(fragment, n) : NULL;
	g->subdir = inside(fragment[n] ? fragment + n + 1 : "");
	if (!*g->subdir)
		free(WH_TAKE_PTR(g->subdir));
}

static char *short_name(const char *remote)
{
	const char *slash = strrchr(remote, '/'), *base = slash ? slash + 1 : remote;
	size_t n = strlen(base);

	return wh_strndup(base, wh_has_suffix(base, ".git") ? n - strlen(".git") : n);
}

int wh_git_ref_parse(const char *text, struct wh_git_ref *ret, struct wh_err **err)
{
	struct wh_git_ref g = {.keep_git_dir = -1, .submodules = -1};
	WH_CLEANUP(address_release) struct address a = {0};
	int r;

	if (wh_has_prefix(text, "./") || wh_has_prefix(text, "../") || !parse_address(text, &g.local_like, &a))
		return 0;
	g.unencrypted = !g.local_like && (wh_streq(a.scheme, "http") || wh_streq(a.scheme, "git"));
	g.remote = wh_strdup(a.remote + (g.local_like ? strlen("https://") : 0));
	g.short_name = short_name(g.remote);
	if (a.fragment)
		load_fragment(&g, a.fragment);
	r = load_query(&g, a.query, err);
	if (r < 0) {
		wh_git_ref_release(&g);
		return r;
	}
	*ret = g;
	return 1;
}

void wh_git_ref_release(struct wh_git_ref *g)
{
	free(g->remote);
	free(g->short_name);
	free(g->ref);
	free(g->checksum);
	free(g->subdir);
	free(g->mtime);
	*g = (struct wh_git_ref){0};
}

char *wh_git_ref_format(const char *text, bool with_subdir)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	WH_AUTO_FREE char *sub = NULL;

	if (wh_git_ref_parse(text, &g, NULL) != 1)
		return wh_strdup(text);
	sub = inside(with_subdir && g.subdir ? g.subdir : "");
	return wh_asprintf("%s%s%s%s%s", g.remote, g.ref || *sub ? "#" : "", g.ref ? g.ref : "", *sub ? ":" : "", sub);
}

bool wh_is_git(const char *s)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	int r = wh_git_ref_parse(s, &g, NULL);

	return r < 0 || (r == 1 && !g.local_like);
}
