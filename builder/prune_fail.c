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

/* The last word: what the tests said, and what they may have missed. */
void wh_prune_fail(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	const struct wh_pos *pos = &n->inputs[p->at + 1]->v->pos;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_buf_addf(&text, "the tests pass before the prune and fail after it (PROFILE in line %u): %s", pos->line,
		    p->why ? p->why->msg : "they ended");
	say_missing(p, &text);
	wh_err_set(&n->job_err, "builder", WH_ERR_BUILD, ECHILD, "%s", text.p);
	add_hint(n);
	wh_err_status(&n->job_err, WH_STATUS_PRUNED);
	if (p->why && p->why->detail)
		wh_err_detail(&n->job_err, p->why->detail);
	n->job_r = -ECHILD;
	wh_prune_end(n);
}
