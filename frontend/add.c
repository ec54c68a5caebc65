/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources from elsewhere: what ADD names by URL or git address, and contexts that are given so. Each becomes a source
 * vertex of its own; who asks the network, and how, is told in builder/builder.h (wh_fetch_fn).
 */
#include "frontend/lower.h"
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <ctype.h>
#include <errno.h>

/* ---- names ---- */

/* Without user and password: for progress and messages. */
static const char *shown(struct wh_arena *a, const char *url)
{
	const char *authority = strstr(url, "://"), *at = NULL;
	size_t n, i;

	if (!authority)
		return wh_arena_strdup(a, url);
	authority += strlen("://");
	n = strcspn(authority, "/?#");
	for (i = 0; i < n; i++)
		if (authority[i] == '@')
			at = authority + i;
	return at ? wh_arena_printf(a, "%.*sxxxxx%s", (int)(authority - url), url, at) : wh_arena_strdup(a, url);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *wh_url_filename(const char *url)
{
	const char *p = strstr(url, "://");
	WH_AUTO_BUF struct wh_buf path = WH_BUF_INIT;
	size_t n;

	p = p ? p + strlen("://") : url;
	p += strcspn(p, "/?#");
	n = strcspn(p, "?#");
	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%') {
			if (i + 2 >= n || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
				return wh_strdup("__unnamed__");
			c = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return wh_strdup("download");
		wh_buf_addc(&path, c);
	}
	while (path.n && path.p[path.n - 1] == '/')
		path.p[--path.n] = '\0';
	p = path.n ? wh_path_base(path.p) : "";
	if (!*p || wh_streq(p, "."))
		return wh_strdup("__unnamed__");
	return wh_strdup(wh_streq(p, "..") || strlen(p) > 255 ? "download" : p);
}

/* ---- checksums ---- */

static bool digest_form(const char *algorithm, size_t n, const char *rest)
{
	bool word = false;

	for (size_t i = 0; i < n; i++) {
		bool in = (algorithm[i] >= 'a' && algorithm[i] <= 'z') || isdigit((unsigned char)algorithm[i]);

		if (!in && (!word || i + 1 == n || !strchr(".+_-", algorithm[i])))
			return false;
		word = in;
	}
	for (; *rest; rest++)
		if (!isalnum((unsigned char)*rest) && !strchr("=_-", *rest))
			return false;
	return true;
}

/* "ALGORITHM:HEX", with the errors by which those who write it wrong look for help. */
int wh_checksum_check(const char *text, struct wh_err **err)
{
	static const struct {
		const char *name;
		size_t digits;
	} known[] = {{"sha256", 64}, {"sha384", 96}, {"sha512", 128}};
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!n || !colon[1])
		goto malformed;
	for (size_t i = 0; i < WH_ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) != n || memcmp(known[i].name, text, n) != 0)
			continue;
		if (strlen(colon + 1) != known[i].digits)
			return wh_usage_word(
				err, text, "invalid checksum digest length: %s has %zu hex digits, \"%.200s\" has %zu",
				known[i].name, known[i].digits, text, strlen(colon + 1));
		if (strspn(colon + 1, "0123456789abcdef") != known[i].digits)
			goto malformed;
		return 0;
	}
	if (digest_form(text, n, colon + 1))
		return wh_usage_word(err, text,
				     "unsupported digest algorithm: \"%.*s\"; sha256, sha384 and sha512 are known",
				     (int)n, text);
malformed:
	wh_usage_word(err, text, "invalid checksum digest format: \"%.200s\"", text);
	wh_err_hint(err, "--checksum=sha256:HEX, 64 lower-case digits, for what a URL gives; a commit for git");
	return -EINVAL;
}

static int check_commit(const char *text, struct wh_err **err)
{
	if (*text && strspn(text, "0123456789abcdefABCDEF") == strlen(text))
		return 0;
	return wh_usage_word(err, text, "invalid checksum %.200s for Git URL, expected hex commit hash", text);
}

/* ---- vertices ---- */

static struct wh_vertex *source(struct wh_lower *l, struct wh_op_source *op, const char *name, const struct wh_pos *pos)
{
	struct wh_vertex v = {.kind = WH_OP_SOURCE, .op.source = op, .name = name};

	if (pos)
		v.pos = *pos;
	else
		v.pos.file = l->d->name;
	return wh_graph_add(l->g, &v);
}

/* What a git address says; keep_git_dir and checksum may come from a flag, too. */
static struct wh_vertex *git_source(struct wh_lower *l, const struct wh_git_ref *g, bool keep_git_dir,
				    const char *checksum, const struct wh_pos *pos)
{
	struct wh_op_source *op = wh_arena_alloc(l->a, sizeof(*op));
	WH_AUTO_FREE char *abs = wh_path_abs_in("/", g->subdir ? g->subdir : "");
	const char *remote = g->local_like ? wh_arena_printf(l->a, "https://%s", g->remote) : g->remote;
	const char *at = g->ref ? g->ref : "";

	op->ref = wh_arena_printf(l->a, "git:%s", remote);
	op->git_ref = g->ref ? wh_arena_strdup(l->a, g->ref) : NULL;
	op->git_subdir = abs[1] ? wh_arena_strdup(l->a, abs + 1) : NULL;
	op->checksum = checksum ? wh_arena_strdup(l->a, checksum) : NULL;
	op->keep_git_dir = keep_git_dir;
	op->git_submodules = g->submodules != 0;
	op->git_by_commit = g->fetch_by_commit;
	return source(l, op,
		      wh_arena_printf(l->a, "[internal] load git source %s%s%s%s%s", shown(l->a, remote),
				      *at || abs[1] ? "#" : "", at, abs[1] ? ":" : "", abs + 1),
		      pos);
}

static struct wh_vertex *http_source(struct wh_lower *l, const char *url, const char *filename, const char *checksum,
				     const struct wh_pos *pos)
{
	struct wh_op_source *op = wh_arena_alloc(l->a, sizeof(*op));

	op->ref = wh_arena_strdup(l->a, url);
	op->filename = wh_arena_strdup(l->a, filename);
	op->checksum = checksum ? wh_arena_strdup(l->a, checksum) : NULL;
	return source(l, op, wh_arena_printf(l->a, "[internal] load %s", shown(l->a, url)), pos);
}

/* ---- ADD ---- */

int wh_add_flags(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const struct wh_strv *sources,
		 struct wh_add *ret, struct wh_err **err)
{
	const char *checksum = wh_flag_text(c->n, "checksum"), *text = NULL;
	bool keep = wh_flag_bool(c->n, "keep-git-dir", false);

	/* Said or not, and what: a default that nobody said gives way to what an address says. */
	ret->keep_git_dir = keep ? 1 : wh_flag_bool(c->n, "keep-git-dir", true) ? -1 : 0;
	if (!checksum || !*checksum)
		return 0;
	if (wh_scope_keep(l, s, checksum, &text, err) < 0)
		return -EINVAL;
	if (!*text)
		return 0;
	if (sources->n != 1)
		return wh_usage_word(err, "--checksum", "checksum can't be specified for multiple sources");
	if (!wh_is_url(sources->v[0]) && !wh_is_git(sources->v[0]))
		return wh_usage_word(err, "--checksum", "checksum requires HTTP(S) or Git sources");
	ret->checksum = text;
	return 0;
}

static int add_git(struct wh_lower *l, const struct wh_cmd *c, struct wh_add *add, const struct wh_git_ref *g,
		   struct wh_vertex **ret, struct wh_err **err)
{
	const char *checksum = g->checksum ? g->checksum : add->checksum;

	if (add->keep_git_dir >= 0 && g->keep_git_dir >= 0 && add->keep_git_dir != g->keep_git_dir)
		return wh_usage(err, "inconsistent keep-git-dir configuration");
	if (g->keep_git_dir >= 0)
		add->keep_git_dir = g->keep_git_dir;
	if (add->checksum && g->checksum && !wh_streq(add->checksum, g->checksum))
		return wh_usage(err, "checksum mismatch \"%s\" != \"%s\"", add->checksum, g->checksum);
	if (checksum && check_commit(checksum, err) < 0)
		return -EINVAL;
	*ret = git_source(l, g, add->keep_git_dir == 1, checksum, &c->pos);
	return 0;
}

int wh_add_source(struct wh_lower *l, const struct wh_cmd *c, struct wh_add *add, const char *src,
		  struct wh_vertex **ret, struct wh_file_action *a, struct wh_err **err)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	const char **srcs = wh_arena_alloc(l->a, 2 * sizeof(*srcs));
	WH_AUTO_FREE char *name = NULL;
	int r = wh_git_ref_parse(src, &g, err);

	a->srcs = srcs;
	a->no_glob = true;
	if (r < 0)
		return r;
	if (r == 1 && !g.local_like) {
		r = add_git(l, c, add, &g, ret, err);
		srcs[0] = ".";
		return r < 0 ? r : 1;
	}
	if (!wh_is_url(src))
		return 0;
	if (add->checksum && wh_checksum_check(add->checksum, err) < 0)
		return -EINVAL;
	name = wh_url_filename(src);
	srcs[0] = wh_arena_strdup(l->a, name);
	a->unpack = a->unpack_all = wh_flag_bool(c->n, "unpack", false);
	*ret = http_source(l, src, name, add->checksum, &c->pos);
	return 1;
}

/* ---- contexts ---- */

int wh_context_source(struct wh_lower *l, const char *ref, struct wh_vertex **ret, struct wh_err **err)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	int r = wh_git_ref_parse(ref, &g, err);

	if (r == 1 && g.checksum)
		r = check_commit(g.checksum, err) < 0 ? -EINVAL : 1;
	if (r == 1)
		*ret = git_source(l, &g, g.keep_git_dir == 1, g.checksum, NULL);
	if (r != 0)
		return r;
	if (!wh_is_url(ref))
		return 0;
	/* Not unpacked, whatever it is: BuildKit gives a tree of one file of this name. */
	*ret = http_source(l, ref, "context", NULL, NULL);
	return 1;
}

struct wh_vertex *wh_solid_tree(struct wh_lower *l, struct wh_vertex *v)
{
	static const char *const everything[] = {".", NULL};
	const char *ref = v && v->kind == WH_OP_SOURCE ? v->op.source->ref : "";
	struct wh_file_action *copy;
	struct wh_op_file *op;
	struct wh_vertex **inputs, all = {.kind = WH_OP_FILE};

	if (!wh_has_prefix(ref, "local://") && !wh_has_prefix(ref, "git:") && !wh_is_url(ref))
		return v;
	copy = wh_arena_alloc(l->a, sizeof(*copy));
	op = wh_arena_alloc(l->a, sizeof(*op));
	inputs = wh_arena_alloc(l->a, 2 * sizeof(struct wh_vertex *));
	*copy = (struct wh_file_action){
		.kind = WH_FILE_COPY, .input = 1, .srcs = everything, .no_glob = true, .path = "/"};
	op->actions = copy;
	op->n_actions = 1;
	inputs[1] = v;
	all.op.file = op;
	all.inputs = inputs;
	all.n_inputs = 2;
	all.name = wh_arena_printf(l->a, "%s as a tree", v->name);
	all.pos = v->pos;
	return wh_graph_add(l->g, &all);
}
