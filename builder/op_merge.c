/* SPDX-License-Identifier: Apache-2.0 */
/* Merge and diff, as far as they are matters of lists: no byte is read or written. */
#include "builder/builder_private.h"

#include <errno.h>

static void append(struct wh_result *to, const struct wh_layer *layers, size_t n)
{
	size_t i;

	if (!n)
		return;
	to->layers = wh_realloc(to->layers, (to->n_layers + n) * sizeof(*to->layers));
	for (i = 0; i < n; i++)
		wh_layer_copy(&to->layers[to->n_layers++], &layers[i]);
}

static int need_tree(const struct wh_node *n, const struct wh_node *input, struct wh_err **err)
{
	if (!input || !input->local_path)
		return 0;
	return wh_err_set(err, "builder", WH_ERR_INTERNAL, EINVAL, "%s: a local directory cannot be merged",
			  n->v->name ? n->v->name : "merge");
}

int wh_merge_solve(struct wh_node *n, struct wh_err **err)
{
	bool cached = true;
	size_t i;
	int r;

	for (i = 0; i < n->n_inputs; i++) {
		const struct wh_node *in = n->inputs[i];

		r = need_tree(n, in, err);
		if (r < 0)
			return r;
		if (!in)
			continue;
		append(&n->result, in->result.layers, in->result.n_layers);
		if (in->base_time > n->base_time)
			n->base_time = in->base_time;
		cached &= in->result.cached;
	}
	n->result.cached = cached;
	return 0;
}

int wh_diff_solve(struct wh_node *n, struct wh_err **err)
{
	const struct wh_node *lower = n->n_inputs > 0 ? n->inputs[0] : NULL,
			     *upper = n->n_inputs > 1 ? n->inputs[1] : NULL;
	size_t i, below = lower ? lower->result.n_layers : 0;
	int r;

	r = need_tree(n, lower, err);
	if (r == 0)
		r = need_tree(n, upper, err);
	if (r < 0)
		return r;
	if (!upper || below > upper->result.n_layers)
		return wh_err_set(err, "builder", WH_ERR_BUILD, ENOTSUP,
				  "the difference of trees that do not share their lower layers");
	for (i = 0; i < below; i++)
		if (!wh_digest_eq(&lower->result.layers[i].diff_id, &upper->result.layers[i].diff_id))
			return wh_err_set(err, "builder", WH_ERR_BUILD, ENOTSUP,
					  "the difference of trees that do not share their lower layers");
	append(&n->result, upper->result.layers + below, upper->result.n_layers - below);
	n->result.cached = upper->result.cached;
	n->base_time = upper->base_time;
	return 0;
}
