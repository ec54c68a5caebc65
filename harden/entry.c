/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/entry.h"

#include <errno.h>

void wh_entry_release(struct wh_entry_seen *e)
{
	wh_strv_release(&e->words);
	wh_strv_release(&e->via);
	wh_strv_release(&e->ran);
	wh_strv_release(&e->given);
}

/* ---------------------------------------------------------------- reading */

struct one { /* a log */
	const struct wh_chain *first, *last;
	struct wh_strv given, words, via, ran;
};

static void one_release(struct one *x)
{
	wh_strv_release(&x->given);
	wh_strv_release(&x->words);
	wh_strv_release(&x->via);
	wh_strv_release(&x->ran);
}

static int on_record(void *arg, struct wh_chain *w, const struct wh_mark_of *when, const struct wh_obs *o)
{
	struct one *x = arg;

	(void)when;
	if (o->kind == WH_OBS_PROCESS && !x->first)
		x->first = w;
	else if (o->kind == WH_OBS_PROCESS && w->parent == x->first && !wh_strv_has(&x->ran, w->program))
		wh_strv_add(&x->ran, w->program);
	if (o->kind != WH_OBS_WORD)
		return 0;
	if (w == x->first) {
		wh_strv_add(&x->given, o->text);
		return 0;
	}
	if (w != x->last) {
		if (x->last)
			wh_strv_add(&x->via, x->last->program);
		wh_strv_release(&x->words);
		x->words = (struct wh_strv){0};
		x->last = w;
	}
	wh_strv_add(&x->words, o->text);
	return 0;
}

static bool equal(const struct wh_strv *a, const struct wh_strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!wh_streq(a->v[i], b->v[i]))
			return false;
	return true;
}

/* The words of CMD differ with `app run`; what comes before them must not. False: they do not stand behind something. */
static bool cut_args(struct wh_strv *words, const struct wh_strv *args)
{
	size_t n = args->n;

	if (!n || words->n <= n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!wh_streq(words->v[words->n - n + i], args->v[i]))
			return false;
	while (n--) {
		free(words->v[--words->n]);
		words->v[words->n] = NULL;
	}
	return true;
}

static void move_programs(struct wh_strv *to, const struct one *x, const struct wh_strv *from, bool via)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *p = from->v[i];

		/* What it executed in its own place came as a process of its own, too. */
		if (!via && ((x->last && wh_streq(p, x->last->program)) || wh_strv_has(&x->via, p)))
			continue;
		if (!wh_strv_has(to, p))
			wh_strv_add(to, p);
	}
}

int wh_entry_read(struct wh_chains *c, const struct wh_obs_log *logs, size_t n, const char *name, size_t n_own,
		  struct wh_entry_seen *ret, struct wh_err **err)
{
	bool any = false, same = true;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		WH_CLEANUP(one_release) struct one x = {0};
		WH_AUTO_STRV struct wh_strv args = {0};
		bool cut;

		if (!wh_streq(logs[i].name, name))
			continue;
		r = wh_chains_read(c, &logs[i], on_record, &x, err);
		if (r < 0 || !x.first)
			continue;
		for (size_t k = n_own; k < x.given.n; k++)
			wh_strv_add(&args, x.given.v[k]);
		cut = cut_args(&x.words, &args);
		move_programs(&ret->via, &x, &x.via, true);
		move_programs(&ret->ran, &x, &x.ran, false);
		if (!any) {
			any = true;
			ret->first = x.first;
			ret->last = x.last;
			ret->has_args = args.n;
			ret->cut = cut;
			ret->words = x.words;
			ret->given = x.given;
			x.words = x.given = (struct wh_strv){0};
		} else {
			same &= x.last == ret->last && cut == ret->cut && equal(&x.words, &ret->words);
		}
	}
	if (!same)
		ret->last = NULL;
	return r;
}

/* ---------------------------------------------------------------- offering */

/* By which path to call it: as it was called, where that means it; the name may matter (a virtual environment's python). malloc'ed. */
static char *path_of(struct wh_decide *d, const char *called, const char *is)
{
	char *path = called && *called ? wh_decide_program(d, called, wh_json_str(d->o->config, "WorkingDir")) : NULL;
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (path && wh_walk(d->t, path, true, NULL, &canonical, &n) == 0 && wh_streq(canonical, is)) {
		char *clean = wh_path_abs_in("/", path);

		free(path);
		return clean;
	}
	free(path);
	return wh_asprintf("/%s", is);
}

static char *json_text(json_t *list)
{
	char *text = list ? json_dumps(list, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	char *own = wh_strdup(text);

	free(text);
	return own;
}

/* ["/usr/sbin/nginx","-g"]; NULL: not of this world of UTF-8. */
static char *exec_form(struct wh_decide *d, const struct wh_strv *words, const char *program)
{
	WH_AUTO_JSON json_t *list = json_array();
	WH_AUTO_FREE char *path = path_of(d, words->n ? words->v[0] : NULL, program);

	for (size_t i = 0; i < (words->n ? words->n : 1); i++)
		if (json_array_append_new(list, json_string(i ? words->v[i] : path)) < 0)
			return NULL;
	return json_text(list);
}

char *wh_entry_offer(struct wh_decide *d, const struct wh_entry_seen *e)
{
	json_t *cmd = json_object_get(d->o->config, "Cmd");
	const struct wh_chain *w = e->last;
	WH_AUTO_FREE char *form = NULL, *same = NULL;

	if (!w || wh_shells_kind(d->shells, d->t, w->program) != WH_SHELL_NONE || !e->words.n)
		return NULL;
	/* The command is whatever the tests gave it. */
	if (wh_streq(w->name, "run") && e->has_args && !e->cut)
		return NULL;
	form = exec_form(d, &e->words, w->script ? w->script : w->program);
	if (!form)
		return NULL;
	if (wh_streq(w->name, "healthcheck"))
		return wh_asprintf("HEALTHCHECK CMD %s", form);
	if (!json_array_size(json_object_get(d->o->config, "Entrypoint")))
		return wh_asprintf("CMD %s", form);
	if (!json_array_size(cmd))
		return wh_asprintf("ENTRYPOINT %s", form);
	same = e->cut ? json_text(cmd) : wh_strdup("[]");
	return wh_asprintf("ENTRYPOINT %s and CMD %s", form, same);
}

/* ---------------------------------------------------------------- what needs no shell to be read */

/* The words of a command line without anything that a shell would do: plain words, quoted ones. */
static bool split_plain(const char *p, struct wh_strv *words)
{
	WH_AUTO_BUF struct wh_buf word = WH_BUF_INIT;
	bool open = false;
	char quote = 0;

	for (;; p++) {
		if (!*p && quote)
			return false;
		if (!quote && (!*p || *p == ' ' || *p == '\t')) {
			if (open) {
				wh_buf_adds(&word, "");
				wh_strv_take(words, wh_buf_take(&word));
			}
			open = false;
			if (!*p)
				return words->n > 0;
			continue;
		}
		open = true;
		if (quote == *p || (!quote && (*p == '"' || *p == '\''))) {
			quote = quote ? 0 : *p;
			continue;
		}
		if (quote != '\'' && strchr(quote ? "$`\\" : "$`\\;|&<>(){}*?[]~#!\n", *p))
			return false;
		wh_buf_addc(&word, *p);
	}
}

char *wh_entry_plain(struct wh_decide *d, const char *text)
{
	WH_AUTO_STRV struct wh_strv words = {0};
	WH_AUTO_JSON json_t *list = json_array();
	WH_AUTO_FREE char *program = NULL;
	size_t first;

	if (!split_plain(text, &words))
		return NULL;
	first = wh_streq(words.v[0], "exec") && words.n > 1;
	program = wh_decide_program(d, words.v[first], wh_json_str(d->o->config, "WorkingDir"));
	if (!program || wh_decide_removes(d, program))
		return NULL;
	for (size_t i = first; i < words.n; i++)
		if (json_array_append_new(list, json_string(i == first ? program : words.v[i])) < 0)
			return NULL;
	return json_text(list);
}
