/* SPDX-License-Identifier: Apache-2.0 */
/* What PRUNE and its PROFILEs left behind, put together for reports and evidence. */
#include "builder/builder_private.h"

#include <errno.h>

void wh_hardening_release(struct wh_hardening *h)
{
	wh_result_release(&h->before);
	json_decref(h->report);
	json_decref(h->profiles);
	json_decref(h->runtime);
	*h = (struct wh_hardening){0};
}

static json_t *array_or_empty(json_t *j)
{
	return json_is_array(j) ? json_incref(j) : json_array();
}

static int fill(struct wh_builder *b, const struct wh_node *n, struct wh_hardening *h, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = NULL;
	const struct wh_node *base = n->inputs[0];
	size_t i;
	int r = wh_doc_read(b, &n->doc, &doc, err);

	if (r < 0)
		return r;
	h->present = true;
	h->report = json_incref(json_object_get(doc, "report"));
	h->profiles = json_array();
	for (i = 1; i < n->n_inputs; i++) {
		WH_AUTO_JSON json_t *profile = NULL;
		json_t *one = json_object();

		json_array_append_new(h->profiles, one);
		r = wh_doc_read(b, &n->inputs[i]->doc, &profile, err);
		if (r < 0)
			return r;
		json_object_set(one, "document", json_object_get(profile, "document"));
		if (json_is_string(json_object_get(profile, "emulated")))
			json_object_set(one, "emulated", json_object_get(profile, "emulated"));
		if (json_object_get(profile, "compared"))
			json_object_set(one, "compared", json_object_get(profile, "compared"));
		json_object_set_new(one, "before", array_or_empty(json_object_get(profile, "runs")));
		json_object_set_new(one, "after",
				    array_or_empty(json_array_get(json_object_get(doc, "runs_after"), i - 1)));
	}
	wh_tree_key(base ? base->result.layers : NULL, base ? base->result.n_layers : 0, &h->tree_before);
	if (!base)
		return 0;
	h->before.cached = base->result.cached;
	h->before.layers = wh_calloc(base->result.n_layers, sizeof(*h->before.layers));
	for (i = 0; i < base->result.n_layers; i++)
		wh_layer_copy(&h->before.layers[i], &base->result.layers[i]);
	h->before.n_layers = i;
	return 0;
}

int wh_builder_hardening(struct wh_builder *b, const struct wh_target *t, struct wh_hardening *ret, struct wh_err **err)
{
	const struct wh_node *n = t->state && t->state->kind == WH_OP_PRUNE ? wh_builder_node(b, t->state) : NULL;
	struct wh_hardening h = {0};
	int r;

	if (t->state && t->state->kind == WH_OP_PRUNE && (!n || n->state != WH_NODE_DONE))
		return wh_err_set(err, "builder", WH_ERR_INTERNAL, EINVAL, "the image was not built yet");
	if (n) {
		r = fill(b, n, &h, err);
		if (r == 0 && t->prove)
			r = wh_doc_read(b, &wh_builder_node(b, t->prove)->doc, &h.runtime, err);
		if (r < 0) {
			wh_hardening_release(&h);
			return r;
		}
	}
	*ret = h;
	return 0;
}
