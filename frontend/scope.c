/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a variable means where.
 *
 * Global ARGs (before the first FROM) reach FROM lines only; a stage sees one
 * once it declares it. Inside a stage, ARG and ENV share one list, the later
 * one wins; only ENV goes into the image. All words of one instruction see
 * the values from before it.
 */
#include "frontend/expand.h"
#include "frontend/lower.h"

#include <errno.h>
#include <strings.h>

#define VARIABLES_MAX 16384
#define EXPANDED_MAX  (64 << 20) /* bytes, all words of a Dockerfile together: values of values grow fast */

const char *wh_scope_get(void *env, const char *name)
{
	return wh_env_get(env, name);
}

static void note(struct wh_strv *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->n && !wh_streq(names->v[i], name); i++)
		;
	if (i == names->n)
		wh_strv_add(names, name);
}

const char *wh_matches_get(void *matches, const char *name)
{
	struct wh_matches *m = matches;
	const char *value = wh_env_get(m->env, name);

	note(value ? &m->hits : &m->misses, name);
	return value;
}

void wh_matches_release(struct wh_matches *m)
{
	wh_strv_release(&m->hits);
	wh_strv_release(&m->misses);
}

bool wh_is_scan_arg(const char *name)
{
	return wh_streq(name, "BUILDKIT_SBOM_SCAN_CONTEXT") || wh_streq(name, "BUILDKIT_SBOM_SCAN_STAGE");
}

/* *ret came out of an expansion. Is it not too much by now? */
static int weigh(struct wh_lower *l, char **ret, struct wh_err **err)
{
	l->expanded += strlen(*ret);
	if (l->expanded <= EXPANDED_MAX)
		return 0;
	free(WH_TAKE_PTR(*ret));
	wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG, "the expanded text is too long: up to here it is %d MiB in all",
		   EXPANDED_MAX >> 20);
	return -E2BIG;
}

int wh_scope_expand(struct wh_lower *l, struct wh_stage *s, const char *word, char **ret, struct wh_err **err)
{
	struct wh_matches m = {.env = &s->env};
	int r = 0;

	if (l->d->literal)
		*ret = wh_strdup(word);
	else
		r = wh_expand_word(word, l->d->escape, wh_matches_get, &m, ret, err);

	if (l->cmd)
		wh_lint_undefined(l, s, &l->cmd->pos, &m.misses);
	wh_matches_release(&m);
	return r < 0 ? r : weigh(l, ret, err);
}

int wh_scope_expand_raw(struct wh_lower *l, struct wh_stage *s, const char *text, char **ret, struct wh_err **err)
{
	struct wh_matches m = {.env = &s->env};
	int r = wh_expand_raw(text, '\\', wh_matches_get, &m, ret, err);

	if (l->cmd)
		wh_lint_undefined(l, s, &l->cmd->pos, &m.misses);
	wh_matches_release(&m);
	return r < 0 ? r : weigh(l, ret, err);
}

char *wh_scope_shown(struct wh_lower *l, const struct wh_stage *s, const char *text)
{
	struct wh_matches m = {.env = &s->env};
	char *shown;

	if (l->d->literal || wh_expand_word(text, l->d->escape, wh_matches_get, &m, &shown, NULL) < 0)
		shown = wh_strdup(text);
	wh_matches_release(&m);
	return shown;
}

int wh_scope_keep(struct wh_lower *l, struct wh_stage *s, const char *word, const char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *text = NULL;
	int r = wh_scope_expand(l, s, word, &text, err);

	if (r == 0)
		*ret = wh_arena_strdup(l->a, text);
	return r;
}

int wh_scope_global(struct wh_lower *l, const char *word, struct wh_matches *m, char **ret, struct wh_err **err)
{
	*m = (struct wh_matches){.env = &l->globals};
	if (l->d->literal) {
		*ret = wh_strdup(word);
		return 0;
	}
	return wh_expand_word(word, l->d->escape, wh_matches_get, m, ret, err);
}

/* ---- global ARGs ---- */

static void predefine(struct wh_lower *l, const char *name, const char *value)
{
	const char *given = wh_env_get(&l->build_args, name);

	wh_env_set(&l->globals, name, given ? given : value);
}

static void predefine_platform(struct wh_lower *l, const char *prefix, const struct wh_platform *p)
{
	const struct {
		const char *suffix, *value;
	} parts[] = {{"PLATFORM", wh_lower_platform(l, p)},
		     {"OS", p->os},
		     {"OSVERSION", ""},
		     {"ARCH", p->arch},
		     {"VARIANT", p->variant}};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(parts); i++) {
		WH_AUTO_FREE char *name = wh_asprintf("%s%s", prefix, parts[i].suffix);

		predefine(l, name, parts[i].value);
	}
}

/* The stage that will be built, as TARGETSTAGE has it: before stages are known. */
static const char *target_name(struct wh_lower *l)
{
	const char *name = "default";
	WH_AUTO_FREE char *lower = NULL;
	size_t i;

	if (l->o->target && *l->o->target)
		return l->o->target;
	for (i = 0; i < l->d->n_nodes; i++)
		if (l->d->nodes[i].instr == WH_I_FROM)
			name = l->d->nodes[i].n_args == 3 ? l->d->nodes[i].args[2] : "default";
	lower = wh_lower_case(name);
	return wh_arena_strdup(l->a, lower);
}

/* given: values from --build-arg. needs gets what the default names. *ret: the value, NULL: none; malloc'ed. */
static int global_arg(struct wh_lower *l, const char *word, const struct wh_strv *given, struct wh_strv *env,
		      struct wh_matches *needs, char **ret, struct wh_err **err)
{
	const char *eq = strchr(word, '=');
	WH_AUTO_FREE char *name = wh_strndup(word, strcspn(word, "="));
	int r = 0;

	*needs = (struct wh_matches){.env = env};
	*ret = wh_strdup(wh_env_get(given, name));
	if (!*ret && eq)
		r = wh_expand_word(eq + 1, l->d->escape, wh_matches_get, needs, ret, err);
	if (r == 0 && *ret)
		wh_env_set(env, name, *ret);
	return r;
}

/* What FROM would see if nobody gave values to ARGs. */
static void judge_defaults(struct wh_lower *l)
{
	WH_AUTO_STRV struct wh_strv env = {0}, nothing = {0};
	size_t i, k;

	wh_strv_copy(&env, &l->globals);
	for (i = 0; i < l->d->n_nodes && l->d->nodes[i].instr == WH_I_ARG; i++)
		for (k = 0; k < l->d->nodes[i].n_args; k++) {
			WH_CLEANUP(wh_matches_release) struct wh_matches needs;
			WH_AUTO_FREE char *value = NULL;

			if (global_arg(l, l->d->nodes[i].args[k], &nothing, &env, &needs, &value, NULL) < 0)
				return; /* told in a moment */
		}
	wh_lint_default_args(l, &env);
}

static int check_epoch(struct wh_lower *l, struct wh_err **err)
{
	const char *epoch = wh_env_get(&l->build_args, "SOURCE_DATE_EPOCH");
	uint64_t seconds;

	if (!epoch)
		epoch = wh_env_get(&l->globals, "SOURCE_DATE_EPOCH");
	if (!epoch || !*epoch)
		return 0;
	if (!wh_parse_u64(epoch, 10, &seconds) || seconds > INT64_MAX) {
		wh_usage_word(err, epoch, "invalid SOURCE_DATE_EPOCH: %.80s", epoch);
		wh_err_hint(err, "it is a number of seconds since 1970-01-01 UTC");
		return -EINVAL;
	}
	l->epoch = wh_arena_strdup(l->a, epoch);
	return 0;
}

static void collect_proxies(struct wh_lower *l)
{
	static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"};
	size_t i, k;

	for (i = 0; i < WH_ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);
		const char *given = NULL, *value;

		/* Of http_proxy and HTTP_PROXY the one in small letters counts. */
		for (k = 0; k < l->build_args.n; k++)
			if (strncasecmp(l->build_args.v[k], names[i], n) == 0 && l->build_args.v[k][n] == '=' &&
			    (!given || strncmp(given, l->build_args.v[k], n) < 0))
				given = l->build_args.v[k];
		value = given ? given + n + 1 : "";
		if (!*value)
			continue;
		wh_env_set(&l->proxy, names[i], value);
		{
			WH_AUTO_FREE char *lower = wh_strdup(names[i]);

			for (k = 0; k < n; k++)
				if (lower[k] != '_')
					lower[k] = (char)(lower[k] + 32);
			wh_env_set(&l->proxy, lower, value);
		}
	}
}

int wh_scope_globals(struct wh_lower *l, struct wh_err **err)
{
	size_t i, k;
	int r;

	predefine_platform(l, "BUILD", &l->build);
	predefine_platform(l, "TARGET", &l->target);
	predefine(l, "TARGETSTAGE", target_name(l));
	collect_proxies(l);
	judge_defaults(l);
	for (i = 0; i < l->d->n_nodes && l->d->nodes[i].instr == WH_I_ARG; i++) {
		const struct wh_node *n = &l->d->nodes[i];

		for (k = 0; k < n->n_args; k++) {
			WH_CLEANUP(wh_matches_release) struct wh_matches needs;
			WH_AUTO_FREE char *name = wh_strndup(n->args[k], strcspn(n->args[k], "=")), *value = NULL;
			struct wh_pos pos = wh_node_pos(l, n);

			wh_strv_add(&l->global_names, name);
			r = global_arg(l, n->args[k], &l->build_args, &l->globals, &needs, &value, err);
			if (r == 0 && wh_streq(name, "SOURCE_DATE_EPOCH"))
				r = check_epoch(l, err);
			if (r < 0) {
				wh_pos_at(&pos, err);
				return r;
			}
			wh_outline_arg(l, &l->outline, n, &pos, name, value, &needs.hits);
		}
	}
	return check_epoch(l, err);
}

/* ---- ARG and ENV in a stage ---- */

/* A kernel takes no more than some thousands either; and each is looked for among all. */
static int room_for(const struct wh_stage *s, size_t more, struct wh_err **err)
{
	if (s->env.n + more <= VARIABLES_MAX)
		return 0;
	wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG, "more than %d variables in a stage", VARIABLES_MAX);
	wh_err_hint(err, "what needs so many reads a file");
	return -E2BIG;
}

void wh_scope_given(struct wh_lower *l, struct wh_stage *s, const char *name, bool by_arg)
{
	struct wh_given *g;

	g = wh_arena_alloc(l->a, sizeof(*g));
	*g = (struct wh_given){.name = wh_arena_strdup(l->a, name), .by_arg = by_arg, .before = s->given};
	s->given = g;
}

static void declare(struct wh_lower *l, struct wh_stage *s, const char *name, const char *value)
{
	const struct wh_arg arg = {wh_arena_strdup(l->a, name), value ? wh_arena_strdup(l->a, value) : NULL};

	if (value && !wh_is_scan_arg(name)) {
		wh_env_set(&s->env, name, value);
		wh_scope_given(l, s, arg.name, true);
	}
	WH_PUSH(s->args, s->n_args, s->cap_args) = arg;
}

int wh_lower_arg(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i;

	if (room_for(s, c->n->n_args, err) < 0)
		return -E2BIG;
	wh_buf_adds(&text, "ARG");
	for (i = 0; i < c->n->n_args; i++) {
		const char *word = c->n->args[i], *eq = strchr(word, '='), *value;
		WH_AUTO_FREE char *name = wh_strndup(word, eq ? (size_t)(eq - word) : strlen(word));
		WH_AUTO_FREE char *expanded = NULL;
		bool inherited = false;

		wh_lint_secret(l, c, "ARG", name);
		value = wh_env_get(&l->build_args, name);
		if (!value && eq) {
			int r = wh_scope_expand(l, s, eq + 1, &expanded, err);

			if (r < 0)
				return r;
			value = expanded;
		} else if (!value) {
			value = wh_env_get(&l->globals, name);
			inherited = value != NULL; /* told at the global one */
		}
		if (!inherited)
			wh_outline_arg(l, &s->outline, c->n, &c->pos, name, value, NULL);
		wh_outline_use(&s->outline, name);
		declare(l, s, name, value);
		wh_buf_addf(&text, value ? " %s=%s" : " %s", name, value);
	}
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

int wh_lower_env(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv words = {0};
	size_t i;

	if (room_for(s, c->n->n_args / 3, err) < 0)
		return -E2BIG;
	for (i = 0; i < c->n->n_args; i++) {
		char *word = NULL;
		int r;

		if (i % 3 == 2)
			continue;
		r = wh_scope_expand(l, s, c->n->args[i], &word, err);
		if (r < 0)
			return r;
		wh_strv_take(&words, word);
	}
	wh_buf_adds(&text, "ENV");
	for (i = 0; i + 1 < words.n; i += 2) {
		if (!*words.v[i] || strchr(words.v[i], '='))
		{
			wh_usage_word(err, c->n->args[i / 2 * 3], "ENV names can not be blank or hold '=': \"%.80s\"",
				      words.v[i]);
			if (!*words.v[i])
				wh_err_hint(err, "a variable that is not set leaves nothing");
			return -EINVAL;
		}
		if (!*c->n->args[i / 2 * 3 + 2])
			wh_lint(l, WH_RULE_LEGACY_KEY_VALUE_FORMAT, &c->pos,
				"\"%s key=value\" should be used instead of legacy \"%s key value\" format", c->n->keyword,
				c->n->keyword);
		wh_lint_secret(l, c, "ENV", words.v[i]);
		wh_env_set(&s->env, words.v[i], words.v[i + 1]);
		wh_scope_given(l, s, words.v[i], false);
		wh_image_env(s, words.v[i], words.v[i + 1]);
		wh_buf_addf(&text, " %s=%s", words.v[i], words.v[i + 1]);
	}
	wh_history_add(l, s, text.p, NULL);
	return 0;
}
