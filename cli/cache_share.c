/* SPDX-License-Identifier: Apache-2.0 */
/* Caches elsewhere, in a build: what is asked for before it, what is written behind it. */
#include "cli/cache_opts.h"
#include "cli/registry_service.h"

#include <errno.h>

/* ---------------------------------------------------------------- before */

/* "registry:HOST/NAME" of a normalised name. */
static char *origin_of(const char *ref)
{
	const char *slash = strrchr(ref, '/'), *at = strchr(ref, '@'), *colon;
	size_t n = at ? (size_t)(at - ref) : strlen(ref);
	WH_AUTO_FREE char *name = NULL;

	colon = memrchr(ref, ':', n);
	if (colon && colon > slash)
		n = (size_t)(colon - ref);
	name = wh_strndup(ref, n);
	return wh_asprintf("%s%s", WH_ORIGIN_REGISTRY, name);
}

static int find(struct wh_cache_share *c, const struct wh_cache_opt *o, struct wh_artifacts *ret, struct wh_err **err)
{
	if (o->type == WH_CACHE_REGISTRY)
		return wh_cli_registry_find(c->inner, c->store, o->ref, WH_ARTIFACT_CACHE, c->insecure, ret, err);
	return wh_layout_find(c->store, o->dir, WH_ARTIFACT_CACHE, o->tag, o->has_digest ? &o->digest : NULL, ret, err);
}

/* An image may have several. */
static int read_all(struct wh_cache_share *c, const struct wh_cache_opt *o, const struct wh_artifacts *list, size_t *ret_records,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *origin = o->type == WH_CACHE_REGISTRY ? origin_of(o->ref) : wh_strdup(o->dir);
	struct wh_cache_source *source;
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++) {
		r = wh_cache_source_read(c->store, &list->v[i].manifest.digest, o->shown, origin, &source, err);
		if (r < 0)
			break;
		*ret_records += wh_cache_source_count(source);
		WH_PUSH(c->sources, c->n, c->cap) = source;
	}
	return r;
}

static int import(struct wh_cache_share *c, const struct wh_cache_opt *o, struct wh_err **err)
{
	unsigned id = wh_progress_begin(c->progress, "importing cache manifest from %s", o->shown);
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	WH_AUTO_ERR struct wh_err *e = NULL;
	size_t records = 0;
	int r = find(c, o, &list, &e);
	bool none = r == -ENOENT || (r == 0 && !list.n);

	if (r == 0)
		r = read_all(c, o, &list, &records, &e);
	if (r == -ECANCELED) {
		wh_progress_end(c->progress, id, e);
		wh_err_move(err, &e);
		return r;
	}
	if (none)
		wh_progress_note(c->progress, id, "there is no cache yet");
	else if (r < 0)
		wh_progress_warn(c->progress, "the cache %s is not used: %s", o->shown, e ? e->msg : strerror(-r));
	else
		wh_progress_note(c->progress, id, "%zu records", records);
	wh_progress_end(c->progress, id, NULL);
	return 0;
}

int wh_cache_share_import(struct wh_cache_share *c, struct wh_err **err)
{
	int r = 0;

	if (!c->opts)
		return 0;
	for (size_t i = 0; i < c->opts->n_from && r == 0; i++)
		r = import(c, &c->opts->from[i], err);
	return r;
}

/* ---------------------------------------------------------------- behind */

/* What the artifact names, in the store. */
static int settle(struct wh_cache_share *c, const struct wh_result *layers, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(layers->n_layers + 1, sizeof(*v));

	for (size_t i = 0; i < layers->n_layers; i++)
		v[i] = &layers->layers[i];
	return wh_layers_settle(c->store, v, layers->n_layers, err);
}

static int inline_one(struct wh_cache_share *c, const struct wh_cache_opt *o, const struct wh_image *i, size_t target,
		      struct wh_artifacts *ret, struct wh_err **err)
{
	const struct wh_cache_write w = {.max = o->max, .subject = i, .target = target};
	struct wh_result layers = {0};
	struct wh_artifact a = {0};
	int r = wh_cache_export_write(c->store, c->export, &w, &a, &layers, err);

	if (r == 0)
		r = settle(c, &layers, err);
	wh_result_release(&layers);
	if (r < 0)
		wh_artifact_release(&a);
	else
		*wh_artifacts_add(ret) = a;
	return r;
}

int wh_cache_share_inline(struct wh_cache_share *c, const struct wh_image *i, struct wh_artifacts *ret, struct wh_err **err)
{
	const struct wh_image *parts = wh_image_is_index(i) ? i->parts : i;
	size_t n = wh_image_is_index(i) ? i->n_parts : 1;
	int r = 0;

	for (size_t k = 0; c->opts && c->export && k < c->opts->n_to && r == 0; k++)
		for (size_t t = 0; c->opts->to[k].type == WH_CACHE_INLINE && t < n && r == 0; t++)
			r = inline_one(c, &c->opts->to[k], &parts[t], t, ret, err);
	return r;
}

/* Which repository of the same registry has the blobs that are not here; the others are fetched. */
static int sources_of(struct wh_cache_share *c, const struct wh_cache_opt *o, const struct wh_result *layers, json_t *sources,
		      struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(layers->n_layers + 1, sizeof(*v));
	WH_AUTO_FREE char *origin = origin_of(o->ref);
	size_t host = strcspn(origin + strlen(WH_ORIGIN_REGISTRY), "/") + strlen(WH_ORIGIN_REGISTRY) + 1, n = 0;
	char text[WH_DIGEST_TEXT];

	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct wh_layer *l = &layers->layers[i];

		if (l->origin && strncmp(l->origin, origin, host) == 0 && !wh_layer_at_hand(c->store, l))
			json_object_set_new(sources, wh_digest_text(&l->blob, text), json_string(l->origin + host));
		else
			v[n++] = l;
	}
	return wh_layers_settle(c->store, v, n, err);
}

static int write_to(struct wh_cache_share *c, const struct wh_cache_opt *o, const struct wh_progress_row *row, struct wh_err **err)
{
	struct wh_cache_write w = {.max = o->max, .convert = o->has_comp, .layer = *c->layer};
	WH_AUTO_JSON json_t *sources = json_object();
	WH_AUTO_FREE const struct wh_layer **v = NULL;
	WH_CLEANUP(wh_artifact_release) struct wh_artifact a = {0};
	struct wh_result layers = {0};
	int r;

	w.layer.cancel = NULL;
	if (o->has_comp) {
		w.layer.comp = o->comp;
		w.layer.level = o->level;
	}
	r = wh_cache_export_write(c->store, c->export, &w, &a, &layers, err);
	if (r == 0 && o->type == WH_CACHE_REGISTRY) {
		r = sources_of(c, o, &layers, sources, err);
		if (r == 0)
			r = wh_cli_registry_put(c->inner, c->store, o->ref, &a.manifest.digest, sources, c->insecure, row, err);
	} else if (r == 0) {
		v = wh_calloc(layers.n_layers + 1, sizeof(*v));
		for (size_t i = 0; i < layers.n_layers; i++)
			v[i] = &layers.layers[i];
		r = wh_layers_settle(c->store, v, layers.n_layers, err);
		if (r == 0)
			r = wh_layout_put(c->store, o->dir, o->tag, &a, v, layers.n_layers, err);
	}
	wh_result_release(&layers);
	return r;
}

int wh_cache_share_export(struct wh_cache_share *c, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; c->opts && c->export && i < c->opts->n_to && r == 0; i++) {
		const struct wh_cache_opt *o = &c->opts->to[i];
		WH_AUTO_ERR struct wh_err *e = NULL;
		unsigned id;

		if (o->type == WH_CACHE_INLINE)
			continue;
		id = wh_progress_begin(c->progress, "exporting cache to %s", o->shown);
		r = write_to(c, o, &(struct wh_progress_row){c->progress, id}, &e);
		wh_progress_end(c->progress, id, e);
		if (r < 0 && o->ignore_error && r != -ECANCELED) {
			wh_progress_warn(c->progress, "the cache was not exported to %s: %s", o->shown, e ? e->msg : strerror(-r));
			r = 0;
			continue;
		}
		if (r < 0)
			wh_err_wrap(&e, "export the cache to %s", o->shown);
		wh_err_move(err, &e);
	}
	return r;
}

void wh_cache_share_release(struct wh_cache_share *c)
{
	for (size_t i = 0; i < c->n; i++)
		wh_cache_source_free(c->sources[i]);
	free(c->sources);
	wh_cache_export_free(c->export);
}
