/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/prune_private.h"

#include <errno.h>

#define NAMED_MAX 12 /* missing paths in a message */

static void say_missing(struct wh_prune *p, struct wh_buf *text)
{
	size_t i, total = p->missing.n;

	for (i = 0; i < total && i < NAMED_MAX; i++)
		wh_buf_addf(text, "%s/%s", i ? ", " : "; looked up and no longer there: ", p->missing.v[i].path);
	if (i < total)
		wh_buf_addf(text, " and %zu more", total - i);
}

static void add_hint(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	const struct wh_unforeseen *first = p->missing.n ? &p->missing.v[0] : NULL;
	struct wh_err **err = &n->job_err;
	size_t i;

	for (i = 0; i < p->missing.n; i++) /* what no --keep brings back comes first */
		if (p->missing.v[i].withheld) {
			first = &p->missing.v[i];
			break;
		}
	if (first && first->is_shell)
		wh_err_hint(err, "PRUNE removes shells: let the application do without /%s, or PRUNE --shell=keep",
			    first->path);
	else if (first && first->withheld)
		wh_err_hint(err, "PRUNE %s takes /%s away: narrow the pattern", first->withheld, first->path);
	else if (first)
		wh_err_hint(err,
			    "--keep=/%s keeps it; --repair=%u puts back what was looked up in vain, and tests again",
			    first->path, p->op->repair + 1);
	else if (p->why && p->why->hint)
		wh_err_hint(err, "%s", p->why->hint);
	else
		wh_err_hint(
			err,
			"nothing was looked up in vain: look into both logs, and at --keep=GLOB and --mode=package");
}

/* Both runs: where they differ, and the last that was printed in each. */
static void add_runs(struct wh_node *n, struct wh_buf *out)
{
	struct wh_prune *p = n->prune;
	struct wh_trial *t = n->trial;
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(t);
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_ERR struct wh_err *ignored = NULL; /* a message that says less is better than none */
	WH_CLEANUP(wh_trace_release) struct wh_trace before = {0};
	struct wh_tree *full = NULL, *pruned = NULL;
	bool known = wh_doc_read(n->b, &n->inputs[p->at + 1]->doc, &doc, &ignored) == 0 &&
		     wh_trace_read(n->b->o.store, doc, &before) == 0;

	if (known && wh_prune_open_full(n, &full, &ignored) == 0 &&
	    wh_tree_open(n->b->o.store, &p->layer, 1, &pruned, &ignored) == 0 &&
	    wh_diverge(full, pruned, before.logs, before.n_logs, logs + t->first_log, t->n_logs - t->first_log, out,
		       &ignored) == 0)
		wh_buf_addc(out, '\n');
	if (pruned)
		wh_tree_close(pruned);
	if (full)
		wh_tree_close(full);
	wh_buf_adds(out, "on the pruned tree:");
	if (p->why && p->why->detail)
		wh_buf_addf(out, "\n%s", p->why->detail);
	if (known)
		wh_buf_addf(out, "\non the full tree:\n%s", before.output);
	else
		wh_buf_adds(out, "\nthe run on the full tree is not at hand: its profile came from a cache elsewhere");
}

/* The last word: what the tests said, and what they may have missed. */
static void fail_work(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	const struct wh_pos *pos = &n->inputs[p->at + 1]->v->pos;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, runs = WH_BUF_INIT;

	wh_buf_adds(&text, "the tests pass before the prune and fail after it (");
	if (pos->option)
		wh_buf_addf(&text, "%.80s%s", pos->option, strlen(pos->option) > 80 ? " …" : "");
	else
		wh_buf_addf(&text, "PROFILE in line %u", pos->line);
	wh_buf_addf(&text, "): %s", p->why ? p->why->msg : "they ended");
	say_missing(p, &text);
	wh_err_set(&n->job_err, "builder", WH_ERR_BUILD, ECHILD, "%s", text.p);
	add_hint(n);
	wh_err_status(&n->job_err, WH_STATUS_PRUNED);
	add_runs(n, &runs);
	wh_err_detail(&n->job_err, runs.p);
	n->job_r = -ECHILD;
}

void wh_prune_fail(struct wh_node *n)
{
	wh_node_submit(n, fail_work, wh_prune_end);
}
