/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is allowed and hardly meant. BuildKit takes these in silence, and so must we; but whoever wrote them is told. None
 * of this is a finding of the 22 rules.
 */
#include "frontend/lint.h"
#include "frontend/mount.h"
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <strings.h>

#define NOTES_MAX 20   /* who has more than these has read enough */
#define GLOBALS_MAX 50 /* ARGs that are looked for in RUN */

static void add(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **note, struct wh_err **notes)
{
	const struct wh_err *e = *notes;
	size_t count = 0;

	for (; e; e = e->next)
		count++;
	if (count >= NOTES_MAX) {
		wh_err_freep(note);
		return;
	}
	if (n)
		wh_node_at(d, n, note);
	wh_err_append(notes, note);
}

/* ---- commands that are nearly JSON ---- */

/* Where the words of the instruction would be JSON; NULL: nowhere. */
static const char *json_text(const struct wh_node *n)
{
	switch (wh_grammar_row(n->instr)->form) {
	case WH_FORM_JSON_TEXT:
		return n->n_args ? n->args[0] : NULL;
	case WH_FORM_HEALTH:
		return n->n_args > 1 ? n->args[1] : NULL;
	case WH_FORM_JSON_WORDS:
		return n->n_args && n->args[0][0] == '[' ? strchr(n->original, '[') : NULL;
	case WH_FORM_TEXT:
	case WH_FORM_WORDS:
	case WH_FORM_NAMES:
	case WH_FORM_PAIRS:
	case WH_FORM_NESTED:
		break;
	}
	return NULL;
}

static void note_json(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **notes)
{
	const struct wh_node *inner = n->child ? n->child : n;
	const char *text = inner->json || inner->n_heredocs ? NULL : json_text(inner);
	WH_AUTO_ERR struct wh_err *note = NULL;

	if (!text || !wh_json_meant(inner->instr, text))
		return;
	wh_usage(&note, "%s: this is no JSON, so %s", wh_instr_name(inner->instr),
		 wh_grammar_row(inner->instr)->form == WH_FORM_JSON_WORDS
			 ? "its words are paths, brackets and quotes included"
			 : "a shell runs it as a command");
	if (!wh_json_fault_tell(text, &note))
		wh_err_expect(&note, "a list of strings in double quotes");
	add(d, n, &note, notes);
}

/* ---- names of rules ---- */

/* Beside slips of the pen: what a rule's name begins with, in any case ("Stagename"). NULL: nothing is near. */
static const char *nearest_rule(const char *name, const char *const *names)
{
	size_t n = strlen(name);

	for (size_t i = 0; n > 3 && i < WH_RULES; i++)
		if (strncasecmp(names[i], name, n) == 0)
			return names[i];
	return wh_nearest(name, names, WH_RULES);
}

/* text: what a check directive or comment says. n: the instruction below, or NULL. */
static void note_rules(const struct wh_dockerfile *d, const struct wh_node *n, const char *text, struct wh_err **notes)
{
	const char *names[WH_RULES];
	const char *p = text;
	size_t i, k;

	for (i = 0; i < WH_RULES; i++)
		names[i] = wh_lint_rule_name((enum wh_rule)i);
	while (*p) {
		size_t len = strcspn(p, ";"), at = strcspn(p, "=");
		WH_AUTO_FREE char *key = wh_strndup(p, at < len ? at : len), *list = NULL;
		struct wh_str trimmed = wh_str_trim(wh_str(key));

		if (at < len && (wh_str_eq(trimmed, "skip") || wh_str_eq(trimmed, "experimental")))
			list = wh_strndup(p + at + 1, len - at - 1);
		for (const char *q = list; q && *q; q += strcspn(q, ","), q += *q == ',') {
			struct wh_str one = wh_str_trim((struct wh_str){q, strcspn(q, ",")});
			WH_AUTO_FREE char *name = wh_strndup(one.p, one.n);
			WH_AUTO_ERR struct wh_err *note = NULL;
			const char *near = nearest_rule(name, names);

			for (k = 0; k < WH_RULES && !wh_streq(name, names[k]); k++)
				;
			if (k < WH_RULES || !one.n || wh_streq(name, "all"))
				continue;
			wh_usage(&note, "check: there is no rule %s, so nothing is skipped or enabled by it", name);
			if (near)
				wh_err_hint(&note, "did you mean %s?", near);
			else
				wh_err_hint(&note, "the rules are those of docs.docker.com/reference/build-checks");
			wh_err_at(&note, d->name, n ? n->line : 0, 0, NULL);
			add(d, NULL, &note, notes);
		}
		p += len;
		p += *p == ';';
	}
}

static void note_comments(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **notes)
{
	for (size_t i = 0; n->comments && n->comments[i]; i++) {
		struct wh_directives state = {0};
		struct wh_str value;
		const char *key;

		if (wh_directive_line(&state, "", wh_str(n->comments[i]), &key, &value, NULL) > 0 &&
		    wh_streq(key, "check")) {
			WH_AUTO_FREE char *text = wh_strndup(value.p, value.n);

			note_rules(d, n, text, notes);
		}
	}
}

/* ---- comments that are none, directives that are comments ---- */

static void note_trailing(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **notes)
{
	WH_AUTO_ERR struct wh_err *note = NULL;
	WH_AUTO_STRV struct wh_strv words = {0};
	const char *text = strstr(n->original, " #");

	if (n->json || !text ||
	    (n->instr != WH_I_WORKDIR && n->instr != WH_I_USER && n->instr != WH_I_VOLUME && n->instr != WH_I_ARG &&
	     n->instr != WH_I_COPY && n->instr != WH_I_ADD))
		return;
	wh_words_quoted(wh_str(n->original), d->escape, &words);
	for (size_t i = 1; i < words.n && !note; i++) {
		if (words.v[i][0] != '#')
			continue;
		wh_usage(&note, "%s: what begins with # here is no comment, but part of what it says", wh_instr_name(n->instr));
		wh_err_mark(&note, WH_MARK_WORD, text + 1);
		wh_err_hint(&note, "a comment stands on a line of its own");
	}
	if (note)
		add(d, n, &note, notes);
}

/* "# escape=`" and its like where nobody looks for them, or with a slip of the pen. */
static void note_directives(const struct wh_dockerfile *d, struct wh_err **notes)
{
	static const char *const keys[] = {"syntax", "escape"};
	struct wh_directives state = {0};
	struct wh_lines in = {d->text, d->len, 0, 0};
	struct wh_str line, value;
	const char *key;
	bool script;

	if (d->len >= 3 && memcmp(d->text, "\xef\xbb\xbf", 3) == 0)
		in.pos = 3;
	/* Behind "#!" syntax and check are still looked for; the parser sees a comment, and no escape after it. */
	script = d->len - in.pos >= 2 && memcmp(d->text + in.pos, "#!", 2) == 0 && wh_lines_next(&in, &line);
	while (wh_lines_next(&in, &line) && in.number < 50) {
		struct wh_directives anew = {0};
		WH_AUTO_ERR struct wh_err *note = NULL;
		WH_AUTO_FREE char *word = NULL, *shown = NULL;
		bool top = wh_directive_line(&state, "#", wh_line_chomp(line), &key, &value, NULL) > 0;
		const char *near = NULL;

		line = wh_line_chomp(line);
		if ((top && !(script && wh_streq(key, "escape"))) || (line.n && line.p[0] != '#'))
			continue;
		word = wh_strndup(line.p + (line.n > 0), line.n - (line.n > 0));
		if (wh_directive_line(&anew, "", wh_line_indent(wh_str(word)), &key, &value, NULL) > 0) {
			if (wh_streq(key, "check"))
				continue; /* above an instruction, that counts */
			wh_usage(&note, "\"# %s=\" is but a comment here: it counts only at the very top of the file", key);
		} else {
			char *name = word + strspn(word, " \t");
			size_t n = strcspn(name, " \t=");

			if (name[n + strspn(name + n, " \t")] != '=' || !n || n > 20)
				continue;
			name[n] = '\0';
			near = wh_nearest(name, keys, WH_ARRAY_SIZE(keys));
			if (!near)
				continue;
			wh_usage(&note, "\"# %s=\" is but a comment: no directive is called so", name);
			wh_err_hint(&note, "did you mean %s?", near);
		}
		shown = wh_excerpt(line);
		wh_err_at(&note, d->name, in.number, 0, shown);
		add(d, NULL, &note, notes);
	}
}

/* ---- platforms ---- */

static void note_platform(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **notes)
{
	const char *value = n->instr == WH_I_FROM ? wh_flag_text(n, "platform") : NULL;
	WH_AUTO_ERR struct wh_err *note = NULL;

	if (!value || strchr(value, '$'))
		return;
	wh_platform_note(value, &note);
	if (!note)
		return;
	wh_err_mark(&note, WH_MARK_WORD, value);
	add(d, n, &note, notes);
}

/* ---- ARGs from before the first FROM ---- */

static size_t name_length(const char *p)
{
	size_t n = 0;

	while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= '0' && p[n] <= '9') ||
	       p[n] == '_')
		n++;
	return n;
}

/* Does the shell text use $name, and not set it itself? Quoted and escaped ones do not count. */
static bool uses(const char *text, const char *name)
{
	WH_AUTO_FREE char *set = wh_asprintf("%s=", name);
	size_t n = strlen(name);
	bool single = false, twice = false;
	const char *p;

	if (strstr(text, set) || strstr(text, "read ") || strstr(text, "<<"))
		return false;
	for (p = text; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == '\'' && !twice) {
			single = !single;
		} else if (*p == '"' && !single) {
			twice = !twice;
		} else if (*p == '$' && !single) {
			const char *word = p[1] == '{' ? p + 2 : p + 1;

			if (name_length(word) == n && memcmp(word, name, n) == 0)
				return p[1] != '{' || word[n] == '}';
		}
	}
	return false;
}

static void learn(const struct wh_node *n, struct wh_strv *known)
{
	size_t i;

	for (i = 0; n->instr == WH_I_ARG && i < n->n_args; i++)
		wh_strv_take(known, wh_strndup(n->args[i], strcspn(n->args[i], "=")));
	for (i = 0; n->instr == WH_I_ENV && i < n->n_args; i += 3)
		wh_strv_add(known, n->args[i]);
}

/* known: what ARG and ENV have declared since FROM. */
static void note_global(const struct wh_dockerfile *d, const struct wh_node *n, const struct wh_strv *globals,
			const struct wh_strv *known, struct wh_err **notes)
{
	size_t i;

	if (n->instr != WH_I_RUN || n->json || !n->n_args)
		return;
	for (i = 0; i < globals->n; i++) {
		const char *name = globals->v[i];
		WH_AUTO_ERR struct wh_err *note = NULL;
		WH_AUTO_FREE char *word = wh_asprintf("$%s", name);

		if (wh_strv_has(known, name) || !uses(n->args[0], name))
			continue;
		wh_usage(&note, "$%s is not known here: the ARG before the first FROM counts for FROM alone", name);
		wh_err_hint(&note, "declare it again in this stage, above this line: ARG %s", name);
		wh_err_mark(&note, WH_MARK_WORD, strstr(n->args[0], word) ? word : name);
		add(d, n, &note, notes);
	}
}

/* Is the node's base a stage above it? That one's ARGs go on in this one. */
static bool from_stage(const struct wh_dockerfile *d, size_t i)
{
	const struct wh_node *n = &d->nodes[i];

	for (size_t k = 0; k < i && n->n_args; k++)
		if (d->nodes[k].instr == WH_I_FROM && d->nodes[k].n_args == 3 &&
		    strcasecmp(d->nodes[k].args[2], n->args[0]) == 0)
			return true;
	return false;
}

static void note_globals(const struct wh_dockerfile *d, struct wh_err **notes)
{
	WH_AUTO_STRV struct wh_strv globals = {0}, known = {0};
	bool stage = false, own = false;

	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct wh_node *n = &d->nodes[i];

		if (n->instr == WH_I_FROM) {
			if (!globals.n || globals.n > GLOBALS_MAX)
				return;
			wh_strv_release(&known);
			stage = true;
			own = !from_stage(d, i);
			continue;
		}
		learn(n, stage ? &known : &globals);
		if (own)
			note_global(d, n, &globals, &known, notes);
	}
}

/* ---- build arguments ---- */

/* Those that are there without an ARG. */
static bool predefined(const char *name)
{
	static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY",
					    "NO_PROXY",   "ALL_PROXY",   "SOURCE_DATE_EPOCH"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return wh_has_prefix(name, "BUILDKIT_");
}

static void note_build_arg(const struct wh_dockerfile *d, const char *given, struct wh_err **notes)
{
	WH_AUTO_FREE char *name = wh_strndup(given, strcspn(given, "="));
	WH_AUTO_STRV struct wh_strv known = {0};
	WH_AUTO_ERR struct wh_err *note = NULL;

	if (predefined(name))
		return;
	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct wh_node *n = d->nodes[i].child ? d->nodes[i].child : &d->nodes[i];

		if (n->instr == WH_I_ARG)
			learn(n, &known);
	}
	if (wh_strv_has(&known, name))
		return;
	wh_usage(&note, "--build-arg %s: no ARG of the Dockerfile takes it", name);
	if (known.n && known.n <= 20)
		wh_usage_near(&note, name, (const char *const *)known.v, known.n, "");
	wh_err_hint(&note, "declare it in the stage that uses it: ARG %s", name);
	add(d, NULL, &note, notes);
}

void wh_dockerfile_notes(const struct wh_dockerfile *d, const struct wh_strv *build_args, struct wh_err **ret)
{
	size_t i;

	note_directives(d, ret);
	if (d->check)
		note_rules(d, NULL, d->check, ret);
	for (i = 0; i < d->n_nodes; i++) {
		note_comments(d, &d->nodes[i], ret);
		note_platform(d, &d->nodes[i], ret);
		note_trailing(d, &d->nodes[i], ret);
		note_json(d, &d->nodes[i], ret);
	}
	note_globals(d, ret);
	for (i = 0; build_args && i < build_args->n; i++)
		note_build_arg(d, build_args->v[i], ret);
}

/* ---- names on the command line ---- */

static void add_familiar(struct wh_strv *names, const char *name)
{
	wh_strv_take(names, wh_reference_familiar(name));
}

static bool has_name(const struct wh_strv *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->v[i], name) == 0)
			return true;
	return false;
}

void wh_dockerfile_name_notes(const struct wh_dockerfile *d, const struct wh_strv *no_cache_filter,
			      const struct wh_strv *contexts, struct wh_err **ret)
{
	WH_AUTO_STRV struct wh_strv stages = {0}, used = {0};
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	bool variable = false;

	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct wh_node *n = &d->nodes[i];
		const char *from = n->instr == WH_I_FROM ? NULL : wh_flag_text(n, "from"), *mount;
		size_t pos = 0;

		if (n->instr == WH_I_ONBUILD)
			variable = true; /* names what it likes */
		if (n->instr == WH_I_FROM && n->n_args) {
			variable |= strchr(n->args[0], '$') != NULL;
			add_familiar(&used, n->args[0]);
		}
		if (n->instr == WH_I_FROM && n->n_args == 3) {
			wh_strv_add(&stages, n->args[2]);
			wh_strv_add(&used, n->args[2]);
		}
		if (from)
			add_familiar(&used, from);
		while ((mount = wh_flag_next(n, "mount", &pos)))
			if ((from = wh_mount_from(a, mount)))
				add_familiar(&used, from);
	}
	for (size_t i = 0; i < no_cache_filter->n; i++) {
		WH_AUTO_ERR struct wh_err *note = NULL;

		if (has_name(&stages, no_cache_filter->v[i]))
			continue;
		wh_usage(&note, "--no-cache-filter %s: no stage of the Dockerfile is called so", no_cache_filter->v[i]);
		if (stages.n && stages.n <= 20)
			wh_usage_near(&note, no_cache_filter->v[i], (const char *const *)stages.v, stages.n, "");
		add(d, NULL, &note, ret);
	}
	for (size_t i = 0; i < contexts->n && !variable; i++) {
		WH_AUTO_FREE char *name = wh_reference_familiar(contexts->v[i]);
		WH_AUTO_ERR struct wh_err *note = NULL;

		if (has_name(&used, name) || has_name(&used, contexts->v[i]))
			continue;
		wh_usage(&note, "--build-context %s: nothing in the Dockerfile names it", contexts->v[i]);
		wh_err_hint(&note, "FROM %s, COPY --from=%s or RUN --mount=from=%s would", contexts->v[i], contexts->v[i],
			    contexts->v[i]);
		add(d, NULL, &note, ret);
	}
}
