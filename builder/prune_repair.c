/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/prune_private.h"

#include <errno.h>

#define NAMED_MAX 12 /* paths in a message */

void wh_prune_forget_round(struct wh_prune *p)
{
	wh_strv_release(&p->fresh);
	wh_strv_release(&p->tried);
	wh_strv_release(&p->held);
	wh_repairs_release(&p->missing);
	json_decref(p->lacking);
	p->lacking = json_array();
}

/* ---------------------------------------------------------------- words */

/* "/a, /b and 3 more" */
static void add_names(struct wh_buf *b, const struct wh_strv *paths)
{
	size_t i;

	for (i = 0; i < paths->n && i < NAMED_MAX; i++)
		wh_buf_addf(b, "%s/%s", i ? ", " : "", paths->v[i]);
	if (i < paths->n)
		wh_buf_addf(b, " and %zu more", paths->n - i);
}

/* "/usr/bin/app (script /x) in test NAME" */
static void add_who(struct wh_buf *b, const struct wh_unforeseen *u)
{
	wh_buf_addf(b, "%s%s", u->program ? "/" : "", u->program ? u->program : "whoever started it");
	if (u->script)
		wh_buf_addf(b, " (script /%s)", u->script);
	if (u->test)
		wh_buf_addf(b, " in test \"%s\"", u->test);
	else if (u->phase)
		wh_buf_addf(b, " in phase %s", u->phase);
}

/* ---------------------------------------------------------------- one run */

static void note_lacking(struct wh_prune *p, const struct wh_unforeseen *u, const char *why)
{
	json_t *o;

	if (wh_strv_has(&p->held, u->path))
		return;
	wh_strv_add(&p->held, u->path);
	o = wh_unforeseen_json(u);
	json_object_set_new(o, "why", json_string(why));
	json_array_append_new(p->lacking, o);
}

static void note(struct wh_prune *p, const struct wh_unforeseen *u)
{
	json_t *o;

	if (u->is_shell && (u->access & WH_ACCESS_EXEC)) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		add_who(&b, u);
		wh_buf_addf(&b, " tried to run /%s", u->path);
		if (!wh_strv_has(&p->tried, b.p))
			wh_strv_add(&p->tried, b.p);
	}
	if (u->withheld) {
		note_lacking(p, u, u->withheld);
		return;
	}
	if (wh_strv_has(&p->repaired, u->path)) { /* it was put back, and is not there: a rule of the package database's */
		note_lacking(p, u, "it cannot be");
		return;
	}
	if (p->attempts >= p->op->repair) {
		WH_AUTO_FREE char *why = wh_asprintf("--repair=%u", p->op->repair);

		note_lacking(p, u, why);
		return;
	}
	if (wh_strv_has(&p->fresh, u->path))
		return;
	wh_strv_add(&p->fresh, u->path);
	o = wh_unforeseen_json(u);
	json_object_set_new(o, "round", json_integer((json_int_t)p->attempts + 1));
	json_array_append_new(p->unforeseen, o);
}

static void look_work(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	struct wh_trial *t = n->trial;
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(t);
	struct wh_tree *full = NULL, *pruned = NULL;
	struct wh_prune_opts o;
	int r = wh_prune_open_full(n, &full, &n->job_err);

	wh_prune_opts_of(p, &o);
	wh_repairs_release(&p->missing);
	if (r == 0)
		r = wh_tree_open(n->b->o.store, &p->layer, 1, &pruned, &n->job_err);
	if (r == 0)
		r = wh_repairs_find(full, pruned, &o, logs, t->n_logs, &p->missing, &n->job_err);
	if (pruned)
		wh_tree_close(pruned);
	if (full)
		wh_tree_close(full);
	n->job_r = r;
}

static void repair(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	WH_AUTO_BUF struct wh_buf names = WH_BUF_INIT;
	size_t i;

	p->attempts++;
	wh_strv_sort(&p->fresh);
	add_names(&names, &p->fresh);
	wh_node_say(n, "repair %u: %zu %s that the profile had not foreseen: %s", p->attempts, p->fresh.n,
		     p->fresh.n == 1 ? "path" : "paths", names.p);
	for (i = 0; i < p->fresh.n; i++)
		wh_strv_add(&p->repaired, p->fresh.v[i]);
	wh_strv_sort(&p->repaired);
	wh_trial_free(WH_TAKE_PTR(n->trial));
	wh_err_freep(&p->why);
	wh_prune_again(n);
}

static void looked(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	struct wh_trial *t = n->trial;
	size_t i;

	if (n->job_r == 0 && n->b->stopping)
		n->job_r = -ECANCELED;
	if (n->job_r < 0) {
		wh_prune_end(n);
		return;
	}
	for (i = 0; i < p->missing.n; i++)
		note(p, &p->missing.v[i]);
	if (p->why) {
		if (p->fresh.n)
			repair(n);
		else
			wh_prune_fail(n);
		return;
	}
	json_array_append(p->runs, t->runs);
	wh_trial_free(WH_TAKE_PTR(n->trial));
	p->at++;
	wh_prune_next(n);
}

void wh_prune_look(struct wh_node *n)
{
	wh_node_submit(n, look_work, looked);
}

/* ---------------------------------------------------------------- a round */

/* A shell that no profile saw run: the application is about to behave otherwise than it was tested. */
static void shell_tried(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	WH_AUTO_BUF struct wh_buf more = WH_BUF_INIT;
	size_t i;

	wh_err_set(&n->job_err, "builder", WH_ERR_BUILD, EPERM,
		   "PRUNE removes shells, and on the pruned tree the application wanted one, which no profile showed: %s",
		   p->tried.v[0]);
	wh_err_status(&n->job_err, WH_STATUS_SHELL);
	wh_err_hint(&n->job_err, "let it start the program without a shell, or PRUNE --shell=keep");
	for (i = 0; p->tried.n > 1 && i < p->tried.n; i++)
		wh_buf_addf(&more, "%s%s", i ? "\n" : "", p->tried.v[i]);
	if (more.n)
		wh_err_detail(&n->job_err, more.p);
	n->job_r = -EPERM;
	wh_prune_end(n);
}

static void say_lacking(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	size_t i, total = json_array_size(p->lacking);

	for (i = 0; i < total && i < NAMED_MAX; i++) {
		const json_t *o = json_array_get(p->lacking, i), *by = json_object_get(o, "by");

		wh_node_say(n, "looked for in vain%s%s, and not put back (%s): /%s",
			     wh_json_str(by, "program") ? " by /" : "",
			     wh_json_str(by, "program") ? wh_json_str(by, "program") : "", wh_json_str(o, "why"),
			     wh_json_str(o, "path"));
	}
	if (i < total)
		wh_node_say(n, "and %zu more", total - i);
}

void wh_prune_round_over(struct wh_node *n)
{
	struct wh_prune *p = n->prune;

	if (p->fresh.n) {
		repair(n);
		return;
	}
	if (p->tried.n) {
		shell_tried(n);
		return;
	}
	say_lacking(n);
	wh_prune_finish(n);
}
