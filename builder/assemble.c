/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a tree to an image: history, times, config, manifest.
 *
 * Nothing here may depend on when or where the build ran. So a line of the
 * history was created when the newest thing in its layer, or in one below it,
 * was; lines without a layer take the time of the line before. The base's
 * times are those that its config tells. With SOURCE_DATE_EPOCH all our lines
 * take that.
 */
#include "builder/builder_private.h"

#include <errno.h>
#include <time.h>

#define YEAR_10000 253402300800LL /* RFC 3339 has four digits */

static json_t *time_json(int64_t t)
{
	char text[32];
	struct tm tm;
	time_t tt;

	if (t < 0)
		t = 0;
	if (t >= YEAR_10000)
		t = YEAR_10000 - 1;
	tt = (time_t)t;
	gmtime_r(&tt, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* What a Dockerfile holds need not be UTF-8; a config must be. */
static json_t *text_json(const char *s)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	json_t *j = json_string(s);
	size_t i;

	if (j)
		return j;
	for (i = 0; s[i]; i++) {
		if ((unsigned char)s[i] < 0x80)
			wh_buf_addc(&b, s[i]);
		else
			wh_buf_adds(&b, "\xef\xbf\xbd");
	}
	return json_string(b.p);
}

static json_t *line(const struct wh_history *h, int64_t created, bool empty)
{
	json_t *o = json_object();

	json_object_set_new(o, "created", time_json(created));
	if (h->created_by)
		json_object_set_new(o, "created_by", text_json(h->created_by));
	if (h->comment)
		json_object_set_new(o, "comment", text_json(h->comment));
	if (empty)
		json_object_set_new(o, "empty_layer", json_true());
	return o;
}

/* How many layers the vertex put on its first input, and the newest time in them. */
static size_t layers_of(struct wh_builder *b, const struct wh_vertex *v, int64_t *newest)
{
	const struct wh_node *n = wh_builder_node(b, v);
	size_t below, i;

	if (!n || n->state != WH_NODE_DONE)
		return 0;
	below = n->n_inputs && n->inputs[0] && v->kind != WH_OP_PRUNE ? n->inputs[0]->result.n_layers : 0;
	if (below > n->result.n_layers)
		return 0;
	for (i = below; i < n->result.n_layers; i++)
		if (n->result.layers[i].newest > *newest)
			*newest = n->result.layers[i].newest;
	return n->result.n_layers - below;
}

/* Where the last PRUNE stands: what came before it has no layer of its own any more. SIZE_MAX: nowhere. */
static size_t pruned_at(const struct wh_target *t)
{
	size_t i;

	for (i = t->n_history; i-- > 0;)
		if (t->history[i].vertex && t->history[i].vertex->kind == WH_OP_PRUNE)
			return i;
	return SIZE_MAX;
}

static void all_empty(json_t *lines)
{
	json_t *h;
	size_t i;

	json_array_foreach (lines, i, h)
		json_object_set_new(h, "empty_layer", json_true());
}

/* The base's lines, one for each of its layers whatever it says itself. n_layers SIZE_MAX: just what it says. */
static json_t *base_lines(const json_t *history, size_t n_layers, int64_t created)
{
	json_t *out = json_array();
	const json_t *h;
	size_t i, told = 0;

	json_array_foreach (history, i, h)
		if (json_is_object(h) && !json_is_true(json_object_get(h, "empty_layer")))
			told++;
	if (told <= n_layers) {
		json_array_foreach (history, i, h)
			if (json_is_object(h))
				json_array_append_new(out, json_deep_copy(h));
	} else {
		told = 0; /* it lies: none of it can be told to which layer it belongs */
	}
	for (; n_layers != SIZE_MAX && told < n_layers; told++)
		json_array_append_new(
			out, line(&(struct wh_history){.comment = "base layer without history"}, created, false));
	return out;
}

/* Time of the tree at the bottom of our history: what the source image's config says. */
static int64_t base_created(struct wh_builder *b, const struct wh_target *t)
{
	const struct wh_node *n = t->state ? wh_builder_node(b, t->state) : NULL;

	while (n && n->v->kind != WH_OP_SOURCE)
		n = n->n_inputs ? n->inputs[0] : NULL;
	return n ? n->base_time : 0;
}

/* Fills history and *created. */
static json_t *history(struct wh_builder *b, const struct wh_target *t, size_t n_layers, int64_t *created)
{
	int64_t epoch = b->o.layer.epoch, now = base_created(b, t), newest = INT64_MIN;
	size_t i, j, n, own = 0, pruned = pruned_at(t);
	json_t *out;

	for (i = pruned == SIZE_MAX ? 0 : pruned; i < t->n_history; i++)
		if (t->history[i].vertex)
			own += layers_of(b, t->history[i].vertex, &newest);
	/* Of a pruned image there is no layer but PRUNE's and what came later; how many its base had is of no matter. */
	out = base_lines(t->base_history, pruned != SIZE_MAX ? SIZE_MAX : n_layers > own ? n_layers - own : 0, now);
	if (pruned != SIZE_MAX)
		all_empty(out);
	for (i = 0; i < t->n_history; i++) {
		const struct wh_history *h = &t->history[i];

		newest = INT64_MIN;
		n = h->vertex ? layers_of(b, h->vertex, &newest) : 0;
		if (epoch != INT64_MAX)
			now = epoch;
		else if (newest > now)
			now = newest;
		if (pruned != SIZE_MAX && i < pruned)
			n = 0;
		if (!n)
			json_array_append_new(out, line(h, now, true));
		for (j = 0; j < n; j++)
			json_array_append_new(out, line(h, now, false));
	}
	*created = epoch != INT64_MAX ? epoch : now;
	return out;
}

/* A cached layer may have been written when another compression was asked for; the image must not tell. */
static int same_compression(struct wh_builder *b, struct wh_layer *l, struct wh_err **err)
{
	struct wh_layer other = {0};
	int r;

	if (l->comp == b->o.layer.comp)
		return 0;
	r = wh_layer_as(b->o.store, l, &b->o.layer, &other, err);
	if (r < 0)
		return r;
	wh_layer_release(l);
	*l = other;
	return 0;
}

static bool is_base_layer(struct wh_builder *b, const struct wh_target *t, size_t i)
{
	const struct wh_node *n = t->state ? wh_builder_node(b, t->state) : NULL;

	while (n && n->v->kind != WH_OP_SOURCE)
		n = n->n_inputs && n->v->kind != WH_OP_PRUNE ? n->inputs[0] : NULL;
	return n && i < n->result.n_layers;
}

/* Takes the result's layers. */
static int write_image(struct wh_builder *b, const struct wh_target *t, struct wh_result *result, struct wh_image *ret,
		       struct wh_err **err)
{
	struct wh_image image = {.layers = result->layers, .n_layers = result->n_layers};
	int64_t created;
	size_t i;
	int r = 0;

	*result = (struct wh_result){0};
	for (i = 0; i < image.n_layers && r == 0; i++)
		if (!is_base_layer(b, t, i))
			r = same_compression(b, &image.layers[i], err);
	image.config = json_deep_copy(t->config);
	if (r == 0) {
		json_object_set_new(image.config, "history", history(b, t, image.n_layers, &created));
		json_object_set_new(image.config, "created", time_json(created));
		r = wh_image_write(b->o.store, &image, err);
	}
	if (r < 0) {
		wh_image_release(&image);
		return r;
	}
	*ret = image;
	return 0;
}

/* What a cache promised may turn out to be missing or something else, as late as when it is read: then without that cache. */
static int solve(struct wh_builder *b, struct wh_vertex *const *states, size_t n, struct wh_result *results, struct wh_err **err)
{
	for (;;) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r = wh_builder_solve(b, states, n, results, &why);
		bool solved = r == 0;
		size_t i;

		if (solved)
			r = wh_import_settle(b, states, n, &why);
		if (r == 0)
			return 0;
		for (i = 0; solved && i < n; i++)
			wh_result_release(&results[i]);
		if (!wh_import_failed(b, r, why)) {
			wh_err_move(err, &why);
			return r;
		}
	}
}

int wh_builder_images(struct wh_builder *b, const struct wh_target *targets, size_t n, struct wh_image *ret,
		      struct wh_err **err)
{
	WH_AUTO_FREE struct wh_vertex **states = wh_calloc(2 * n, sizeof(struct wh_vertex *));
	WH_AUTO_FREE struct wh_result *results = wh_calloc(2 * n, sizeof(*results));
	uint64_t from;
	size_t i, all = n, done = 0;
	int r;

	for (i = 0; i < n; i++)
		states[i] = targets[i].state;
	for (i = 0; i < n; i++)
		if (targets[i].prove)
			states[all++] = targets[i].prove;
	r = solve(b, states, all, results, err);
	if (r < 0)
		return r;
	for (i = n; i < all; i++)
		wh_result_release(&results[i]); /* its document is what counts */
	from = wh_now_ns();
	for (; done < n && r == 0; done += r == 0)
		r = write_image(b, &targets[done], &results[done], &ret[done], err);
	for (i = 0; r < 0 && i < n; i++) {
		if (i < done)
			wh_image_release(&ret[i]);
		wh_result_release(&results[i]);
	}
	if (r < 0)
		return r;
	wh_builder_event(b, &(struct wh_event){.kind = WH_EV_PHASE,
					       .text = n > 1 ? "writing the images" : "writing the image",
					       .ns = wh_now_ns() - from});
	return 0;
}

int wh_builder_image(struct wh_builder *b, const struct wh_target *t, struct wh_image *ret, struct wh_err **err)
{
	return wh_builder_images(b, t, 1, ret, err);
}
