/* SPDX-License-Identifier: Apache-2.0 */
/* The application ran a shell, and PRUNE is to remove shells: who did, and what to change. */
#include "harden/entry.h"
#include "harden/script.h"

#include <errno.h>

#define MAX_LINES 20
#define MAX_WHEN 4     /* phases and tests of one shell */
#define MAX_PROGRAMS 8 /* in a line */
#define MAX_WORDS 16   /* of a command line */

static const json_t *process_at(const struct wh_decide *d, int64_t i)
{
	return i < 0 ? NULL : json_array_get(json_object_get(d->profile, "processes"), (size_t)i);
}

static bool is_shell(const struct wh_decide *d, const json_t *p)
{
	WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(p, "program"));

	return wh_shells_kind(d->shells, d->t, path) != WH_SHELL_NONE;
}

struct told { /* of a chain; its data */
	struct wh_strv when;  /* when a shell did something */
	struct wh_strv words; /* the command line, where the log has it */
};

/* The file that an interpreter was given to run: what the kernel does not know to be a script. malloc'ed, or NULL. */
static char *script_in_words(struct wh_decide *d, const struct wh_chain *w)
{
	const struct told *t = w ? w->data : NULL;

	for (size_t i = 1; t && i < t->words.n; i++) {
		const char *word = t->words.v[i], *cwd = wh_json_str(d->o->config, "WorkingDir");
		WH_AUTO_FREE char *path = NULL;
		struct wh_node_ref n;

		if (word[0] == '-' && strpbrk(word, "cemrE") && strlen(word) == 2)
			return NULL; /* a text or a module follows */
		if (word[0] == '-' || !*word)
			continue;
		path = wh_path_abs_in(cwd && *cwd ? cwd : "/", word);
		if (wh_walk(d->t, path, true, NULL, NULL, &n) == 0 && n.e.type == WH_T_FILE)
			return WH_TAKE_PTR(path);
		return NULL;
	}
	return NULL;
}

static void add_program(struct wh_decide *d, struct wh_buf *b, const json_t *p, const struct wh_chain *w)
{
	WH_AUTO_FREE char *script = wh_json_str(p, "script") ? NULL : script_in_words(d, w);

	wh_buf_addf(b, "/%s", wh_json_str(p, "program"));
	if (wh_json_str(p, "script"))
		wh_buf_addf(b, " (script /%s)", wh_json_str(p, "script"));
	else if (script)
		wh_buf_addf(b, " (script %s)", script);
}

/* "application: /usr/sbin/app ran /usr/bin/dash (script /usr/bin/x)", with all that came between; or "healthcheck:
 * starts as …". w: the same in the logs, or NULL. */
static void add_chain(struct wh_decide *d, struct wh_buf *b, const json_t *p, const struct wh_chain *w)
{
	const struct wh_chain *seen[16];
	const json_t *chain[16];
	size_t n = 0;

	for (const json_t *q = p; q && n < WH_ARRAY_SIZE(chain); q = process_at(d, wh_json_int(q, "parent", -1))) {
		seen[n] = w;
		chain[n++] = q;
		w = w ? w->parent : NULL;
	}
	wh_buf_addf(b, "%s: %s", wh_json_str(p, "name"), n == 1 ? "starts as " : "");
	while (n-- > 0) {
		add_program(d, b, chain[n], seen[n]);
		if (n)
			wh_buf_adds(b, " ran ");
	}
}

/* The entry of the config that names a shell itself, in shell form. */
static const char *shell_form(struct wh_decide *d)
{
	static const char *const entries[] = {"Entrypoint", "Cmd"}, *const words[] = {"ENTRYPOINT", "CMD"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(entries); i++) {
		const json_t *argv = json_object_get(d->o->config, entries[i]);
		const char *name = json_string_value(json_array_get(argv, 0));

		if (name)
			return wh_shell_name(name) ? words[i] : NULL;
	}
	return NULL;
}

static bool is_first(const json_t *p)
{
	return wh_json_int(p, "parent", -1) < 0;
}

/* ---------------------------------------------------------------- by the logs */

struct telling {
	struct wh_chains chains;
	struct wh_decide *d;
};

static void telling_release(struct telling *x)
{
	for (struct wh_chain *w = x->chains.all; w; w = w->hh.next) {
		struct told *t = w->data;

		if (t) {
			wh_strv_release(&t->when);
			wh_strv_release(&t->words);
		}
		free(t);
	}
	wh_chains_release(&x->chains);
}

static int note_when(void *arg, struct wh_chain *w, const struct wh_mark_of *when, const struct wh_obs *o)
{
	struct telling *x = arg;
	WH_AUTO_FREE char *text = NULL;
	struct told *t = w->data;

	if (!t)
		w->data = t = wh_calloc(1, sizeof(*t));
	if (o->kind == WH_OBS_WORD && t->words.n == o->number && o->number < MAX_WORDS)
		wh_strv_add(&t->words, o->text);
	if (!w->program || wh_shells_kind(x->d->shells, x->d->t, w->program) == WH_SHELL_NONE)
		return 0;
	if (when->test)
		text = wh_asprintf("in test \"%s\"", when->test);
	else if (when->phase)
		text = wh_asprintf("in phase %s", when->phase);
	if (!text)
		return 0;
	if (!wh_strv_has(&t->when, text))
		wh_strv_add(&t->when, text);
	return 0;
}

static bool same_chain(const struct wh_decide *d, const json_t *p, const struct wh_chain *w)
{
	for (; p; p = process_at(d, wh_json_int(p, "parent", -1)), w = w->parent) {
		WH_AUTO_FREE char *program = wh_path_of_json(wh_json_str(p, "program"));
		WH_AUTO_FREE char *script =
			wh_json_str(p, "script") ? wh_path_of_json(wh_json_str(p, "script")) : NULL;

		if (!w || !wh_streq(w->program, program) || !wh_streq(w->script, script))
			return false;
		if (is_first(p) && !wh_streq(w->name, wh_json_str(p, "name")))
			return false;
	}
	return w && !w->program;
}

static const struct wh_chain *chain_of(const struct wh_decide *d, const struct telling *x, const json_t *p)
{
	for (const struct wh_chain *w = x->chains.all; w; w = w->hh.next)
		if (same_chain(d, p, w))
			return w;
	return NULL;
}

/* ", in test "a" and in phase stop" */
static void add_when(struct wh_buf *b, const struct wh_chain *w)
{
	const struct told *t = w ? w->data : NULL;
	size_t n = t ? t->when.n : 0;

	for (size_t i = 0; i < n && i < MAX_WHEN; i++)
		wh_buf_addf(b, "%s%s", !i ? ", " : i + 1 == n ? " and " : ", ", t->when.v[i]);
	if (n > MAX_WHEN)
		wh_buf_addf(b, " and %zu more", n - MAX_WHEN);
}

static void add_programs(struct wh_buf *b, const struct wh_strv *programs)
{
	size_t i;

	for (i = 0; i < programs->n && i < MAX_PROGRAMS; i++)
		wh_buf_addf(b, "%s/%s", i ? ", " : "", programs->v[i]);
	if (i < programs->n)
		wh_buf_addf(b, " and %zu more", programs->n - i);
}

/* ---------------------------------------------------------------- what to do about it */

static void hint_offer(struct wh_decide *d, const struct wh_entry_seen *e, const char *offer, const char *script,
		       struct wh_buf *more, struct wh_err **err)
{
	wh_buf_addf(more, "%s ", script ? "the script" : "the shell");
	if (script)
		wh_buf_addf(more, "/%s ", script);
	if (e->ran.n) {
		wh_buf_adds(more, "ran ");
		add_programs(more, &e->ran);
		wh_buf_adds(more, ", and ");
	}
	wh_buf_addf(more, "executed /%s in its own place", e->last->script ? e->last->script : e->last->program);
	if (e->via.n) {
		wh_buf_adds(more, ", by way of ");
		add_programs(more, &e->via);
		wh_buf_adds(more, " (which user, groups or environment that sets can be said with USER and ENV)");
	}
	wh_buf_addf(more, ". Without it:\n%s\nvariables that %s exports are not shown: they belong into ENV", offer,
		    script ? "it" : "the shell");
	(void)d;
	if (script)
		wh_err_hint(err,
			    "the script /%s ends in one exec: write %s in its place, and what else it does into RUN and ENV; "
			    "or PRUNE --shell=keep",
			    script, offer);
	else
		wh_err_hint(err, "write %s, which is what the shell executed in the end; or PRUNE --shell=keep", offer);
}

/* The text of ["/bin/sh", "-c", TEXT], when that is how it was started. */
static const char *text_of_shell(const struct wh_entry_seen *e)
{
	return e->given.n == 3 && wh_streq(e->given.v[1], "-c") ? e->given.v[2] : NULL;
}

static void hint_first(struct wh_decide *d, const json_t *p, struct wh_chains *c, const struct wh_obs_log *logs,
		       size_t n, struct wh_buf *more, struct wh_err **err)
{
	const char *name = wh_json_str(p, "name"), *script = wh_json_str(p, "script"), *entry = shell_form(d), *text;
	WH_CLEANUP(wh_entry_release) struct wh_entry_seen e = {0};
	WH_AUTO_FREE char *offer = NULL;

	if (wh_entry_read(c, logs, n, name, json_array_size(json_object_get(d->o->config, "Entrypoint")), &e, NULL) == 0 &&
	    e.first && same_chain(d, p, e.first)) {
		text = script ? NULL : text_of_shell(&e);
		offer = wh_streq(name, "exec") ? NULL : wh_entry_offer(d, &e);
		if (offer) {
			hint_offer(d, &e, offer, script, more, err);
			return;
		}
		offer = text ? wh_entry_plain(d, text) : NULL;
	}
	if (wh_streq(name, "healthcheck"))
		wh_err_hint(err, "write HEALTHCHECK CMD %s (exec form), or PRUNE --shell=keep",
			    offer ? offer : "[\"program\", …]");
	else if (wh_streq(name, "exec"))
		wh_err_hint(err,
			    "the test driver asked for it (app exec): run the program itself, or PRUNE --shell=keep");
	else if (!script && entry)
		wh_err_hint(err, "write %s %s (exec form), or PRUNE --shell=keep", entry,
			    offer ? offer : "[\"program\", …]");
	else if (script)
		wh_err_hint(err,
			    "the image starts the script /%s, which does not end in one exec of a program: let ENTRYPOINT start the "
			    "program itself, or PRUNE --shell=keep",
			    script);
	else
		wh_err_hint(err, "let it start the program without a shell, or PRUNE --shell=keep");
}

int wh_decide_shells_run(struct wh_decide *d, struct wh_err **err)
{
	const json_t *processes = json_object_get(d->profile, "processes"), *first = NULL;
	WH_CLEANUP(telling_release) struct telling x = {.d = d};
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT, head = WH_BUF_INIT, more = WH_BUF_INIT;
	const struct wh_obs_log *logs = NULL;
	size_t n = 0, n_logs = 0;

	wh_chains_init(&x.chains);
	for (size_t i = 0; i < json_array_size(processes); i++) {
		const json_t *p = json_array_get(processes, i), *parent = process_at(d, wh_json_int(p, "parent", -1));

		/* A shell that a shell runs goes when that one goes. */
		if (!is_shell(d, p) || (parent && is_shell(d, parent)))
			continue;
		if (!first && d->o->logs)
			d->o->logs(d->o->logs_arg, &logs, &n_logs);
		for (size_t k = 0; !first && k < n_logs; k++)
			(void)wh_chains_read(&x.chains, &logs[k], note_when, &x, NULL); /* a message may say less */
		if (!first)
			first = p;
		if (n++ < MAX_LINES) {
			wh_buf_adds(&b, n > 1 ? "\n" : "");
			add_chain(d, &b, p, chain_of(d, &x, p));
			add_when(&b, chain_of(d, &x, p));
		}
	}
	if (!first)
		return 0;
	if (n > MAX_LINES)
		wh_buf_addf(&b, "\n… and %zu more", n - MAX_LINES);
	add_chain(d, &head, first, chain_of(d, &x, first));
	add_when(&head, chain_of(d, &x, first));
	wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EPERM,
		   "PRUNE removes shells, and the application needs one: %s", head.p);
	wh_err_status(err, WH_STATUS_SHELL);
	if (is_first(first))
		hint_first(d, first, &x.chains, logs, n_logs, &more, err);
	else
		wh_err_hint(err, "let it start the program without a shell, or PRUNE --shell=keep");
	if (n > 1)
		wh_buf_addf(&more, "%sshells that were run:\n%s", more.n ? "\n" : "", b.p);
	if (more.n)
		wh_err_detail(err, more.p);
	return -EPERM;
}

/* ---------------------------------------------------------------- what the config names */

#define MAX_CHAIN 4 /* as many interpreters as Linux goes through */

/* A program, and the interpreters behind it: the first shell among them; malloc'ed. NULL: none. */
static char *shell_behind(struct wh_decide *d, const char *program)
{
	WH_AUTO_FREE char *at = wh_strdup(program);

	for (int i = 0; i <= MAX_CHAIN; i++) {
		WH_AUTO_BYTES struct wh_bytes b = {0};
		WH_AUTO_SCRIPT struct wh_script s = {0};
		struct wh_node_ref n;
		char *next;

		if (wh_decide_removes(d, at))
			return WH_TAKE_PTR(at);
		if (wh_walk(d->t, at, true, NULL, NULL, &n) < 0 || n.e.type != WH_T_FILE ||
		    wh_bytes_open(d->t, &n, &b, NULL) < 0 || wh_script_parse(b.p, b.n, &s) < 0)
			return NULL;
		next = s.program ? wh_decide_program(d, s.program, "/") : wh_strdup(s.interpreter);
		if (!next)
			return NULL;
		free(at);
		at = next;
	}
	return NULL;
}

static int named(struct wh_decide *d, const char *entry, const json_t *argv, size_t first, struct wh_err **err)
{
	const char *name = json_string_value(json_array_get(argv, first));
	WH_AUTO_FREE char *path = name ? wh_decide_program(d, name, wh_json_str(d->o->config, "WorkingDir")) : NULL;
	WH_AUTO_FREE char *shell = path ? shell_behind(d, path) : NULL;

	if (!shell)
		return 0;
	wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EPERM,
		   "PRUNE removes shells, and the image's %s needs one: %s is %s%s", entry, name,
		   wh_streq(shell, path) ? "a shell" : "a script for ", wh_streq(shell, path) ? "" : shell);
	wh_err_status(err, WH_STATUS_SHELL);
	wh_err_hint(
		err,
		"write %s [\"program\", …] with the program itself, or PRUNE --shell=keep; what a PROFILE starts instead "
		"(--start) does not change how the image starts",
		entry);
	return -EPERM;
}

int wh_decide_shells_named(struct wh_decide *d, struct wh_err **err)
{
	const json_t *c = d->o->config, *entrypoint = json_object_get(c, "Entrypoint");
	const json_t *test = json_object_get(json_object_get(c, "Healthcheck"), "Test");
	const char *kind = json_string_value(json_array_get(test, 0));
	bool entry = json_array_size(entrypoint) > 0;
	int r = named(d, entry ? "ENTRYPOINT" : "CMD", entry ? entrypoint : json_object_get(c, "Cmd"), 0, err);

	if (r == 0 && wh_streq(kind, "CMD"))
		r = named(d, "HEALTHCHECK CMD", test, 1, err);
	return r;
}
