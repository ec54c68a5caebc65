/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for single instructions of a stage, called by what lowers them. */
#include "frontend/lint.h"
#include "frontend/lower.h"

#include <strings.h>

/* ---- variables ---- */

void wh_lint_undefined(struct wh_lower *l, const struct wh_stage *s, const struct wh_pos *pos,
		       const struct wh_strv *misses)
{
	size_t i, k;

	for (i = 0; i < misses->n; i++) {
		const char *name = misses->v[i];

		for (k = 0; k < s->n_args && !wh_streq(s->args[k].name, name); k++)
			; /* declared without a value: meant to be empty */
		if (k == s->n_args && !wh_is_scan_arg(name))
			wh_lint(l, WH_RULE_UNDEFINED_VAR, pos, "Usage of undefined variable '$%s'%s", name,
				wh_lint_suggest(l, name, &s->env, "$"));
	}
}

/* ---- secrets ---- */

/* Is one of the name's parts between underscores one of these words? */
static bool has_part(const char *name, const char *const *words)
{
	for (;; name++) {
		size_t n = strcspn(name, "_"), i;

		for (i = 0; words[i]; i++)
			if (wh_str_ieq((struct wh_str){name, n}, words[i]))
				return true;
		name += n;
		if (!*name)
			return false;
	}
}

void wh_lint_secret(struct wh_lower *l, const struct wh_cmd *c, const char *instruction, const char *name)
{
	static const char *const secret[] = {"apikey", "auth",   "credential", "credentials", "key", "password",
					     "pword",  "passwd", "secret",     "token",       NULL};
	static const char *const harmless[] = {"public", "file", "version", NULL};
	WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;

	if (!has_part(name, secret) || has_part(name, harmless))
		return;
	wh_print_quoted(&shown, name);
	wh_lint(l, WH_RULE_SECRETS_USED_IN_ARG_OR_ENV, &c->pos,
		"Do not use ARG or ENV instructions for sensitive data (%s %s)", instruction, shown.p);
}

/* ---- CMD, ENTRYPOINT, HEALTHCHECK ---- */

void wh_lint_once(struct wh_lower *l, const struct wh_cmd *c, const struct wh_pos **previous)
{
	if (*previous) /* what is told is the one that does not count */
		wh_lint(l, WH_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED, *previous,
			"Multiple %s instructions should not be used in the same stage because only the last one will be "
			"used",
			c->n->keyword);
	*previous = &c->pos;
}

/* ---- EXPOSE ---- */

void wh_lint_port(struct wh_lower *l, const struct wh_cmd *c, const char *spec)
{
	static const char *const protocols[] = {"", "tcp", "udp", "sctp"};
	const char *last = strrchr(spec, ':'), *port = last ? last + 1 : spec, *slash = strchr(port, '/');
	const char *proto = slash ? slash + 1 : "", *p;
	bool known = false, upper = false;
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(protocols); i++)
		known |= strcasecmp(proto, protocols[i]) == 0;
	if (!known || port == slash || !*port)
		return; /* refused in a moment */
	for (p = proto; *p; p++)
		upper |= *p >= 'A' && *p <= 'Z';
	if (upper)
		wh_lint(l, WH_RULE_EXPOSE_PROTO_CASING, &c->pos,
			"Defined protocol '%s' in EXPOSE instruction should be lowercase", spec);
	/* ":80" has neither an address nor a port of the host. */
	if (last && last > spec && strspn(spec, ":") < (size_t)(last - spec))
		wh_lint(l, WH_RULE_EXPOSE_INVALID_FORMAT, &c->pos,
			"EXPOSE instruction should not define an IP address or host-port mapping, found '%s'", spec);
}

/* ---- COPY and ADD ---- */

/* A path that begins with a slash is matched with it, so that only patterns for any directory can mean it. */
static bool may_mean_absolute(const char *pattern)
{
	return wh_has_prefix(pattern, "**") || wh_streq(pattern, "*");
}

/* The patterns of the context that this source is compared with; NULL: none to be compared with. */
static struct wh_patterns *ignored(struct wh_lower *l, bool absolute, bool *ret_everything)
{
	WH_AUTO_STRV struct wh_strv kept = {0};
	const struct wh_patterns *filter;
	const char *const *lines = l->o->ignore_of ? l->o->ignore_of(l->o->ignore_arg, "context", &filter) : NULL;
	struct wh_patterns *set = NULL;
	size_t i;

	*ret_everything = false;
	for (i = 0; lines && lines[i]; i++) {
		/* What an exception brings back cannot be told without the files. */
		if (lines[i][0] == '!')
			return NULL;
		*ret_everything |= wh_streq(lines[i], "*") || wh_streq(lines[i], "**") || wh_streq(lines[i], "**/*");
		if (!absolute || may_mean_absolute(lines[i]))
			wh_strv_add(&kept, lines[i]);
	}
	if (!kept.n || wh_patterns_new(&kept, &set, NULL) < 0)
		return NULL;
	return set;
}

void wh_lint_copy_source(struct wh_lower *l, const struct wh_cmd *c, const char *src)
{
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *set = NULL;
	WH_AUTO_FREE char *path = wh_path_clean(src);
	WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;
	bool root = wh_streq(path, ".") || wh_streq(path, "/"), everything;

	set = ignored(l, path[0] == '/', &everything);
	/* The root itself is no path that can be excluded; all that is in it can. */
	if (!set || (root ? !everything : !wh_patterns_excluded(set, path + (path[0] == '/'))))
		return;
	wh_print_quoted(&shown, path);
	wh_lint(l, WH_RULE_COPY_IGNORED_FILE, &c->pos, "Attempting to %s file %s that is excluded by .dockerignore",
		c->n->instr == WH_I_ADD ? "Add" : "Copy", shown.p);
}
