/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of instructions, held against the list that the grammar gives. */
#include "frontend/syntax.h"

#include <errno.h>

#define FLAGS_MAX 64

/* Length of the name in "--name" or "--name=value". */
static size_t name_len(const char *flag)
{
	const char *eq = strchr(flag, '=');

	return eq ? (size_t)(eq - flag) : strlen(flag);
}

static const struct wh_flag_def *find(const struct wh_flag_def *defs, const char *flag)
{
	size_t n = name_len(flag);

	for (; defs && defs->name; defs++)
		if (strlen(defs->name) == n - 2 && memcmp(defs->name, flag + 2, n - 2) == 0)
			return defs;
	return NULL;
}

static int unknown(const struct wh_node *n, const struct wh_flag_def *defs, const char *flag, struct wh_err **err)
{
	WH_AUTO_FREE char *word = wh_strndup(flag, name_len(flag));
	const char *names[FLAGS_MAX];
	enum wh_instr other;
	size_t count = 0;

	wh_usage_word(err, word, "unknown flag: %s", word);
	for (; defs && defs->name && count < FLAGS_MAX; defs++)
		names[count++] = defs->name;
	if (!count)
		wh_err_expect(err, "%s %s: it has no flags", wh_instr_name(n->instr), wh_grammar_row(n->instr)->usage);
	wh_usage_near(err, word + 2, names, count, "--");
	for (other = 0; other < WH_I_UNKNOWN; other++)
		if (find(wh_grammar_row(other)->flags, word))
			wh_err_hint(err, "%s is a flag of %s", word, wh_instr_name(other));
	if (!n->n_args || n->instr == WH_I_RUN || n->instr == WH_I_CMD || n->instr == WH_I_ENTRYPOINT)
		wh_err_hint(err, "a command that begins with -- wants a lone -- in front of it");
	return -EINVAL;
}

static bool is_bool(const char *s)
{
	return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

static int check_value(const struct wh_flag_def *def, const char *flag, const char *value, struct wh_err **err)
{
	if (def->type == WH_FLAG_BOOL ? value && !*value : !value) {
		wh_usage_word(err, flag, "missing a value on flag: --%s", def->name);
		wh_err_expect(err, def->type == WH_FLAG_BOOL ? "--%s, --%s=true or --%s=false" : "--%s=VALUE",
			      def->name, def->name, def->name);
		wh_err_hint(err, "the value stands behind =, without a blank");
		return -EINVAL;
	}
	if (def->type != WH_FLAG_BOOL || !value || is_bool(value))
		return 0;
	wh_usage_word(err, value, "expecting boolean value for flag --%s, not: %s", def->name, value);
	wh_err_within(err, flag);
	wh_err_expect(err, "true or false");
	return -EINVAL;
}

int wh_flags_check(const struct wh_node *n, const struct wh_flag_def *defs, struct wh_err **err)
{
	size_t i, k;
	int r;

	for (i = 0; i < n->n_flags; i++) {
		const char *flag = n->flags[i];
		const struct wh_flag_def *def;
		size_t len = name_len(flag);

		if (wh_streq(flag, "--"))
			return 0;
		def = find(defs, flag);
		if (!def)
			return unknown(n, defs, flag, err);
		for (k = 0; k < i && def->type != WH_FLAG_LIST; k++) {
			if (find(defs, n->flags[k]) != def)
				continue;
			wh_usage(err, "duplicate flag specified: --%s", def->name);
			wh_err_mark(err, WH_MARK_LAST, flag);
			wh_err_hint(err, "it was given as %s already; only one counts", n->flags[k]);
			return -EINVAL;
		}
		r = check_value(def, flag, flag[len] ? flag + len + 1 : NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

const char *wh_flag_next(const struct wh_node *n, const char *name, size_t *pos)
{
	size_t len = strlen(name);

	while (*pos < n->n_flags) {
		const char *flag = n->flags[(*pos)++];

		if (name_len(flag) == len + 2 && memcmp(flag + 2, name, len) == 0)
			return flag[len + 2] ? flag + len + 3 : "";
	}
	return NULL;
}

const char *wh_flag_text(const struct wh_node *n, const char *name)
{
	size_t pos = 0;

	return wh_flag_next(n, name, &pos);
}

bool wh_flag_bool(const struct wh_node *n, const char *name, bool fallback)
{
	const char *value = wh_flag_text(n, name);

	return value ? strcasecmp(value, "false") != 0 : fallback;
}
