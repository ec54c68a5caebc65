/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who needs what, and what goes.
 *
 * Images with a name stay, with all that they lead to. Artifacts (signatures,
 * attestations, caches) stay with their subject. All other units go by their
 * last use. A blob goes when no unit needs it any more, and takes along what is
 * known of it; nothing goes that a living process may have asked for.
 */
#include "layers/artifact_private.h"
#include "layers/gc_private.h"
#include "layers/image_private.h"

#include <errno.h>

#define DEPTH_MAX 8 /* of indexes in indexes */

/* ---------------------------------------------------------------- diff ids */

static size_t diff_get(struct wh_gc *g, const char *hex)
{
	struct wh_gc_diff *d = NULL;
	struct wh_digest id;
	char text[65];

	snprintf(text, sizeof(text), "%.64s", hex);
	if (!wh_digest_parse_hex(text, &id))
		return WH_GC_NONE;
	HASH_FIND(hh, g->diffs, &id, sizeof(id), d);
	if (!d) {
		d = wh_calloc(1, sizeof(*d));
		d->id = id;
		d->index = d->snapshot = WH_GC_NONE;
		d->number = g->n_diffs;
		HASH_ADD(hh, g->diffs, id, sizeof(d->id), d);
		WH_PUSH(g->diff_at, g->n_diffs, g->cap_diffs) = d;
	}
	return d->number;
}

/* Where a tar is in another compression: "sha256:… SIZE". */
static bool variant_blob(struct wh_gc *g, const char *name, struct wh_digest *ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (wh_read_regular(g->s->variants_fd, name, 256, &b) < 0 || !b.n)
		return false;
	b.p[strcspn(b.p, " \n")] = '\0';
	return wh_digest_parse(b.p, ret);
}

static size_t number_of_blob(const struct wh_gc *g, const struct wh_digest *d)
{
	const struct wh_gc_thing *t = wh_gc_blob(g, d);

	return t ? t->number : WH_GC_NONE;
}

static void link_variant(struct wh_gc *g, size_t i)
{
	struct wh_gc_thing *t = g->things[i];
	struct wh_gc_diff *d = g->diff_at[t->diff];
	struct wh_digest blob;

	if (wh_digest_parse_hex(t->name + 65, &blob)) {
		t->blob = number_of_blob(g, &blob);
		WH_PUSH(d->pairs, d->n_pairs, d->cap_pairs) = i;
		if (t->blob != WH_GC_NONE) {
			struct wh_gc_thing *b = g->things[t->blob];

			WH_PUSH(b->pairs, b->n_pairs, b->cap_pairs) = i;
			if (t->used > b->used)
				b->used = t->used;
		}
		return;
	}
	t->counts = false;
	WH_PUSH(d->variants, d->n_variants, d->cap_variants) = i;
	if (variant_blob(g, t->name, &blob))
		t->blob = number_of_blob(g, &blob);
}

static void link_diffs(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];

		t->number = i;
		if (t->fixed || t->kind == WH_GC_TEMPORARY ||
		    (t->place != WH_AT_INDEX && t->place != WH_AT_VARIANTS && t->place != WH_AT_SNAPSHOTS))
			continue;
		t->diff = diff_get(g, t->name);
		if (t->diff != WH_GC_NONE && t->place == WH_AT_INDEX)
			g->diff_at[t->diff]->index = i;
		else if (t->diff != WH_GC_NONE && t->place == WH_AT_SNAPSHOTS)
			g->diff_at[t->diff]->snapshot = i;
	}
	/* When all blobs have their numbers. */
	for (size_t i = 0; i < g->n; i++)
		if (g->things[i]->diff != WH_GC_NONE && g->things[i]->place == WH_AT_VARIANTS)
			link_variant(g, i);
	for (size_t i = 0; i < g->n; i++)
		if (g->things[i]->place == WH_AT_SNAPSHOTS)
			(void)wh_gc_used(g, g->things[i], &g->things[i]->used);
}

/* ---------------------------------------------------------------- units */

void wh_gc_unit_free(struct wh_gc_unit *u)
{
	free(u->id);
	free(u->name);
	free(u->blobs);
	free(u->wanted);
}

static struct wh_gc_unit *add_unit(struct wh_gc *g, enum wh_gc_unit_type type, const char *id)
{
	struct wh_gc_unit *u = &WH_PUSH(g->units, g->n_units, g->cap_units);

	*u = (struct wh_gc_unit){.type = type, .id = wh_strdup(id), .thing = WH_GC_NONE, .used = INT64_MIN};
	return u;
}

void wh_gc_add_record(struct wh_gc *g, const struct wh_gc_record *r)
{
	char hex[65];
	struct wh_gc_unit *u = add_unit(g, WH_UNIT_RECORD, wh_digest_hex(&r->key, hex));

	u->digest = r->key;
	u->name = wh_strdup(r->name);
	u->used = r->used > INT64_MAX / WH_GC_SECOND ? INT64_MAX : r->used * WH_GC_SECOND;
	u->wanted = wh_memdup(r->blobs, r->n_blobs * sizeof(*r->blobs));
	u->n_wanted = r->n_blobs;
}

/* False: it has it already, or it is not in the store. */
static bool need(struct wh_gc *g, size_t unit, const struct wh_digest *d, struct wh_gc_thing **ret)
{
	struct wh_gc_unit *u = &g->units[unit];
	struct wh_gc_thing *t = wh_gc_blob(g, d);

	if (!t || t->stamp == unit + 1)
		return false;
	t->stamp = unit + 1;
	t->needed++;
	WH_PUSH(u->blobs, u->n_blobs, u->cap_blobs) = t->number;
	if (ret)
		*ret = t;
	return true;
}

static void need_descriptor(struct wh_gc *g, size_t unit, const json_t *o)
{
	const char *text = wh_json_str(o, "digest");
	struct wh_digest d;

	if (text && wh_digest_parse(text, &d))
		(void)need(g, unit, &d, NULL);
}

/* A manifest or an index; NULL for all else. Damage is for whoever uses the image to find. */
static int read_manifest(struct wh_gc *g, const struct wh_gc_thing *t, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r;

	*ret = NULL;
	if (t->n_pairs) /* it was seen to be a layer */
		return 0;
	r = wh_read_regular(g->s->blobs_fd, t->name, WH_MANIFEST_MAX, &b);
	if (r == -EFBIG || r == -ENOENT || r == -EINVAL || (r == 0 && (!b.n || b.p[0] != '{')))
		return 0;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "read %s/blobs/sha256/%s", g->s->path, t->name);
	if (wh_document_parse(b.p, b.n, t->name, &o, NULL) == 0 &&
	    (json_is_array(json_object_get(o, "manifests")) || json_is_array(json_object_get(o, "layers"))))
		*ret = WH_TAKE_PTR(o);
	return 0;
}

/* All that a manifest leads to. ret_doc (may be NULL): the manifest itself. */
static int reach(struct wh_gc *g, size_t unit, const struct wh_digest *d, unsigned depth, json_t **ret_doc,
		 struct wh_err **err)
{
	static const char *const lists[] = {"layers", "blobs"};
	WH_AUTO_JSON json_t *o = NULL;
	struct wh_gc_thing *t;
	const json_t *ms;
	int r;

	if (depth == DEPTH_MAX || !need(g, unit, d, &t))
		return 0;
	r = read_manifest(g, t, &o, err);
	if (r < 0 || !o)
		return r;
	need_descriptor(g, unit, json_object_get(o, "config"));
	for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++)
		for (size_t i = 0; i < json_array_size(json_object_get(o, lists[k])); i++)
			need_descriptor(g, unit, json_array_get(json_object_get(o, lists[k]), i));
	ms = json_object_get(o, "manifests");
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++) {
		const char *text = wh_json_str(json_array_get(ms, i), "digest");
		struct wh_digest below;

		if (text && wh_digest_parse(text, &below))
			r = reach(g, unit, &below, depth + 1, NULL, err);
	}
	if (r == 0 && ret_doc)
		*ret_doc = WH_TAKE_PTR(o);
	return r;
}

/* Whose an artifact is: by its manifest, else by its tag. */
static bool subject_of(const json_t *entry, const json_t *manifest, struct wh_digest *ret)
{
	const char *text = wh_json_str(json_object_get(manifest, "subject"), "digest");
	const char *tag = wh_json_str(json_object_get(entry, "annotations"), WH_AN_REF_NAME);

	return (text && wh_digest_parse(text, ret)) || (tag && wh_artifact_tag_parse(tag, ret));
}

static int mark_name(struct wh_gc *g, const json_t *entry, struct wh_err **err)
{
	const json_t *an = json_object_get(entry, "annotations");
	const char *text = wh_json_str(entry, "digest"), *name = wh_json_str(an, WH_AN_IMAGE_NAME);
	bool artifact = wh_index_entry_is_artifact(entry), known;
	size_t unit = g->n_units;
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_digest d, subject;
	struct wh_gc_thing *t;
	struct wh_gc_unit *u;
	int r;

	if (!text || !wh_digest_parse(text, &d))
		return 0;
	u = add_unit(g, artifact ? WH_UNIT_ARTIFACT : WH_UNIT_NAME, text);
	u->digest = d;
	u->name = wh_strdup(name ? name : wh_json_str(an, WH_AN_REF_NAME));
	t = wh_gc_blob(g, &d);
	u->used = t ? t->used : INT64_MIN;
	r = reach(g, unit, &d, 0, &doc, err);
	u = &g->units[unit];
	if (r < 0 || !artifact)
		return r;
	/* What does not tell whose it is was named by somebody all the same. */
	known = subject_of(entry, doc, &subject);
	t = known ? wh_gc_blob(g, &subject) : NULL;
	if (!known)
		u->type = WH_UNIT_NAME;
	else if (t)
		WH_PUSH(t->of, t->n_of, t->cap_of) = unit;
	u->orphan = known && !t;
	return 0;
}

static int mark_names(struct wh_gc *g, struct wh_err **err)
{
	WH_AUTO_JSON json_t *ms = NULL;
	int r;

	if (faccessat(g->s->dir_fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	r = wh_store_names(g->s, &ms, err);
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = mark_name(g, json_array_get(ms, i), err);
	return r;
}

static void mark_record(struct wh_gc *g, size_t unit)
{
	struct wh_gc_unit *u = &g->units[unit];
	struct wh_gc_thing *t;

	for (size_t i = 0; i < u->n_wanted; i++)
		if (need(g, unit, &u->wanted[i], &t) && t->used > u->used)
			u->used = t->used;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct wh_gc_thing *const *)a)->name, (*(struct wh_gc_thing *const *)b)->name);
}

/* The files of records; those of no record that the index knows are another version's, or were damaged. */
static void mark_records(struct wh_gc *g)
{
	struct wh_gc_thing **files = wh_calloc(g->n + 1, sizeof(*files));
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->things[i]->place == WH_AT_RECORDS && g->things[i]->kind == WH_GC_RECORDS)
			files[n++] = g->things[i];
	qsort(files, n, sizeof(*files), by_name);
	for (size_t i = 0; i < g->n_units; i++) {
		struct wh_gc_thing key = {.name = g->units[i].id}, *at = &key, **hit;

		if (g->units[i].type != WH_UNIT_RECORD)
			continue;
		mark_record(g, i);
		hit = bsearch(&at, files, n, sizeof(*files), by_name);
		if (hit) {
			(*hit)->unit = i;
			g->units[i].thing = (*hit)->number;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (files[i]->unit == WH_GC_NONE)
			files[i]->kind = WH_GC_OLD;
	free(files);
}

/* Manifests that no name leads to: results of builds, bases, images that lost their name. */
static int mark_images(struct wh_gc *g, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < g->n && r == 0; i++) {
		struct wh_gc_thing *t = g->things[i];
		WH_AUTO_FREE char *id = NULL;
		WH_AUTO_JSON json_t *o = NULL;
		size_t unit = g->n_units;

		if (t->place != WH_AT_BLOBS || t->kind != WH_GC_LAYERS || t->needed || t->n_pairs)
			continue;
		r = read_manifest(g, t, &o, err);
		if (r < 0 || !o)
			continue;
		id = wh_asprintf("sha256:%s", t->name);
		add_unit(g, WH_UNIT_IMAGE, id)->digest = t->digest;
		g->units[unit].used = t->used;
		r = reach(g, unit, &t->digest, 0, NULL, err);
	}
	return r;
}

static bool stands_alone(const struct wh_gc_thing *t)
{
	if (t->fixed || t->unit != WH_GC_NONE)
		return false;
	if (t->kind == WH_GC_OLD)
		return true;
	if (t->kind == WH_GC_TEMPORARY)
		return false;
	switch (t->place) {
	case WH_AT_SNAPSHOTS:
	case WH_AT_MOUNTS:
	case WH_AT_MEMOS:
	case WH_AT_TREES:
	case WH_AT_GIT:
	case WH_AT_FILES:
	case WH_AT_HTTP:
	case WH_AT_SUMS:
	case WH_AT_REFS:
	case WH_AT_LOGS:
	case WH_AT_PARTIAL:
		return true;
	case WH_AT_ROOTS:
		return !wh_has_suffix(t->name, ".used");
	case WH_AT_VARIANTS:
		return t->diff != WH_GC_NONE && strlen(t->name) != 129;
	case WH_AT_BLOBS:
	case WH_AT_INDEX:
	case WH_AT_ORIGINS:
	case WH_AT_LOCKS:
	case WH_AT_RECORDS:
	case WH_AT_CLAIMS:
	case WH_AT_TMP:
	case WH_AT_DB:
	case WH_AT_VOLUMES:
	case WH_AT_TOP:
	case WH_AT_PLACES:
		break;
	}
	return false;
}

static char *label_of_mount(struct wh_gc *g, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("caches/%s/id", name);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	return wh_read_regular(g->s->dir_fd, path, 4096, &b) == 0 && b.n ? wh_buf_take(&b) : NULL;
}

static void mark_things(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];
		struct wh_gc_unit *u;

		if (!stands_alone(t))
			continue;
		t->unit = g->n_units;
		u = add_unit(g, WH_UNIT_THING, t->name);
		u->thing = i;
		u->used = t->used;
		if (t->place == WH_AT_VARIANTS && t->blob != WH_GC_NONE) {
			const struct wh_gc_thing *b = g->things[t->blob];

			(void)need(g, t->unit, &b->digest, NULL);
			u = &g->units[t->unit];
			if (b->used > u->used)
				u->used = b->used;
		}
		if (t->place == WH_AT_MOUNTS)
			u->name = label_of_mount(g, t->name);
	}
}

/* Images are counted by their names. */
static void as_image(struct wh_gc_thing *t)
{
	t->kind = WH_GC_IMAGES;
	t->counts = false;
}

/* What belongs to a named image shows as such, with the indexes of its layers. */
static void mark_kinds(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n_units; i++) {
		const struct wh_gc_unit *u = &g->units[i];

		for (size_t k = 0; k < u->n_blobs; k++)
			if (u->type == WH_UNIT_NAME || u->type == WH_UNIT_ARTIFACT)
				as_image(g->things[u->blobs[k]]);
	}
	for (size_t i = 0; i < g->n; i++) {
		const struct wh_gc_thing *b = g->things[i];

		for (size_t k = 0; b->place == WH_AT_BLOBS && b->kind == WH_GC_IMAGES && k < b->n_pairs; k++) {
			struct wh_gc_thing *p = g->things[b->pairs[k]];
			const struct wh_gc_diff *d = g->diff_at[p->diff];

			as_image(p);
			if (d->index != WH_GC_NONE)
				as_image(g->things[d->index]);
		}
	}
}

/* A time that has not come yet says nothing of when it was; unless a process lives whose clock that was. */
static void mark_future(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->things[i]->future = !g->lives.n && g->things[i]->used > g->now;
	for (size_t i = 0; i < g->n_units; i++)
		if (g->units[i].used > g->now && !g->lives.n) {
			g->units[i].future = true;
			g->units[i].used = g->now;
		}
}

int wh_gc_mark(struct wh_gc *g, struct wh_err **err)
{
	int r;

	link_diffs(g);
	r = mark_names(g, err);
	if (r < 0)
		return r;
	mark_records(g);
	r = mark_images(g, err);
	if (r < 0)
		return r;
	mark_things(g);
	mark_kinds(g);
	mark_future(g);
	return 0;
}
