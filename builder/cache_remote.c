/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caches elsewhere: the config of the artifact, written and read.
 *
 *   {"documents":[{"digest":"sha256:…","size":N}, …],          of PROFILE and PRUNE; of RUN with --lock
 *    "layers":[{"compression":"zstd", "diff_id":"sha256:…", "digest":"sha256:…", "entries":N, "newest":N, "size":N,
 *               "absent":true or left out: the manifest does not have it}, …],
 *    "records":[{"key":HEX, "op":HEX, "base":HEX, "selection":HEX or left out, "layer":N or left out: empty, "document":N or left out,
 *                "isolation":"chroot" where the step ran so, else left out}, …],
 *    "version":1}
 *
 * Layers and documents stand in the order of the steps, records in that of their keys. Nothing else is in it: no name, path, time of
 * day, place of an instruction, value of a variable.
 */
#include "builder/builder_private.h"

#include <errno.h>

#define CONFIG_VERSION 1
#define CONFIG_MAX ((size_t)16 << 20)
#define RECORDS_MAX 20000
#define LAYERS_MAX 10000
#define DOCUMENT_MAX (INT64_C(256) << 20)
#define VALUES_MAX ((size_t)400000)
#define MEDIA_DOCUMENT "application/vnd.whittle.cache.document.v1+json"
#define NEWEST_MAX INT64_C(253402300799) /* the end of the year 9999 */

/* ---------------------------------------------------------------- a source */

struct wh_cache_source {
	char *name, *origin;
	struct wh_record *records; /* by key */
	size_t n, cap;
	struct wh_digest *ops; /* sorted */
	uint64_t *doc_sizes;   /* to each record */
};

void wh_cache_source_free(struct wh_cache_source *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		wh_record_release(&c->records[i]);
	free(c->records);
	free(c->ops);
	free(c->doc_sizes);
	free(c->name);
	free(c->origin);
	free(c);
}

size_t wh_cache_source_count(const struct wh_cache_source *c)
{
	return c->n;
}

const char *wh_cache_source_name(const struct wh_cache_source *c)
{
	return c->name;
}

const char *wh_cache_source_origin(const struct wh_cache_source *c)
{
	return c->origin;
}

static int by_digest(const void *a, const void *b)
{
	return memcmp(((const struct wh_digest *)a)->b, ((const struct wh_digest *)b)->b, 32);
}

static int by_key(const void *a, const void *b)
{
	return by_digest(&((const struct wh_record *)a)->key, &((const struct wh_record *)b)->key);
}

const struct wh_record *wh_cache_source_find(const struct wh_cache_source *c, const struct wh_digest *key, uint64_t *ret_doc_size)
{
	const struct wh_record want = {.key = *key};
	const struct wh_record *rec = c->n ? bsearch(&want, c->records, c->n, sizeof(*c->records), by_key) : NULL;

	if (rec)
		*ret_doc_size = c->doc_sizes[rec - c->records];
	return rec;
}

bool wh_cache_source_has(const struct wh_cache_source *c, const struct wh_digest *key)
{
	uint64_t size;

	return wh_cache_source_find(c, key, &size) != NULL;
}

bool wh_cache_source_knows_op(const struct wh_cache_source *c, const struct wh_digest *op)
{
	return c->n && bsearch(op, c->ops, c->n, sizeof(*c->ops), by_digest);
}

/* ---------------------------------------------------------------- reading */

struct reading {
	const char *origin;
	const struct wh_descriptor *blobs; /* of the manifest */
	size_t n_blobs;
	struct wh_layer *layers;
	size_t n_layers;
	struct wh_descriptor *docs;
	size_t n_docs;
	struct wh_cache_source *to;
};

static int bad(struct wh_err **err, const char *what)
{
	return wh_err_set(err, "builder", WH_ERR_BUILD, EBADMSG, "%s", what);
}

static bool in_manifest(const struct reading *x, const struct wh_digest *d, uint64_t size)
{
	for (size_t i = 0; i < x->n_blobs; i++)
		if (wh_digest_eq(&x->blobs[i].digest, d))
			return x->blobs[i].size == size;
	return false;
}

static bool get_digest(const json_t *o, const char *key, bool hex, struct wh_digest *ret)
{
	const char *text = wh_json_str(o, key);

	return text && (hex ? wh_digest_parse_hex(text, ret) : wh_digest_parse(text, ret));
}

static bool get_compression(const char *name, enum wh_compression *ret)
{
	static const enum wh_compression all[] = {WH_COMP_NONE, WH_COMP_GZIP, WH_COMP_ZSTD};

	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++) {
		if (!wh_streq(name, wh_compression_name(all[i])))
			continue;
		*ret = all[i];
		return true;
	}
	return false;
}

static int read_layer(struct reading *x, const json_t *o, struct wh_err **err)
{
	struct wh_layer l = {0};
	int64_t size = wh_json_int(o, "size", -1), entries = wh_json_int(o, "entries", -1);
	bool absent = json_is_true(json_object_get(o, "absent"));

	l.newest = wh_json_int(o, "newest", INT64_MIN);
	if (!get_digest(o, "diff_id", false, &l.diff_id) || !get_digest(o, "digest", false, &l.blob) ||
	    !get_compression(wh_json_str(o, "compression"), &l.comp) || size <= 0 || entries < 0 || l.newest > NEWEST_MAX ||
	    (l.newest < -NEWEST_MAX && l.newest != INT64_MIN))
		return bad(err, "a layer in it lacks something, or says what cannot be");
	l.blob_size = (uint64_t)size;
	l.n_entries = (uint64_t)entries;
	if (!absent && !in_manifest(x, &l.blob, l.blob_size))
		return bad(err, "a layer in it is not among its blobs");
	l.origin = wh_strdup(absent ? WH_ORIGIN_NOWHERE : x->origin);
	x->layers[x->n_layers++] = l;
	return 0;
}

static int read_document(struct reading *x, const json_t *o, struct wh_err **err)
{
	struct wh_descriptor d = {0};
	int64_t size = wh_json_int(o, "size", -1);

	d.size = (uint64_t)size;
	if (size <= 0 || size > DOCUMENT_MAX || !get_digest(o, "digest", false, &d.digest) || !in_manifest(x, &d.digest, d.size))
		return bad(err, "a document in it is not among its blobs, or too large");
	x->docs[x->n_docs++] = d;
	return 0;
}

/* 1 and the number, 0: not there, -1: beyond the list. */
static int get_index(const json_t *o, const char *key, size_t n, size_t *ret)
{
	const json_t *v = json_object_get(o, key);
	json_int_t i = json_is_integer(v) ? json_integer_value(v) : -1;

	if (!v)
		return 0;
	if (i < 0 || (uint64_t)i >= n)
		return -1;
	*ret = (size_t)i;
	return 1;
}

static int read_record(struct reading *x, const json_t *o, struct wh_err **err)
{
	struct wh_cache_source *c = x->to;
	struct wh_record rec = {.empty = true};
	size_t at = 0, doc = 0;
	int layer = get_index(o, "layer", x->n_layers, &at), document = get_index(o, "document", x->n_docs, &doc);

	if (!get_digest(o, "key", true, &rec.key) || !get_digest(o, "op", true, &rec.op) || !get_digest(o, "base", true, &rec.base) ||
	    (json_object_get(o, "selection") && !get_digest(o, "selection", true, &rec.selection)) || layer < 0 || document < 0)
		return bad(err, "a record in it lacks something, or points nowhere");
	if (c->n && by_key(&c->records[c->n - 1], &rec) >= 0)
		return bad(err, "its records are not in order");
	if (layer) {
		rec.empty = false;
		wh_layer_copy(&rec.layer, &x->layers[at]);
	}
	if (document)
		rec.doc = x->docs[doc].digest;
	rec.chroot = wh_streq(wh_json_str(o, "isolation"), "chroot");
	c->doc_sizes[c->n] = document ? x->docs[doc].size : 0;
	c->ops[c->n] = rec.op;
	c->records[c->n++] = rec;
	return 0;
}

static int read_list(struct reading *x, const json_t *list, size_t max, const char *what,
		     int (*fn)(struct reading *x, const json_t *o, struct wh_err **err), struct wh_err **err)
{
	int r = 0;

	if (!json_is_array(list) || json_array_size(list) > max)
		return wh_err_set(err, "builder", WH_ERR_BUILD, EBADMSG, "it has no list of %s, or one of more than %zu", what, max);
	for (size_t i = 0; i < json_array_size(list) && r == 0; i++)
		r = fn(x, json_array_get(list, i), err);
	return r;
}

static int read_config(struct reading *x, const json_t *config, struct wh_err **err)
{
	const json_t *layers = json_object_get(config, "layers"), *docs = json_object_get(config, "documents"),
		     *records = json_object_get(config, "records");
	struct wh_cache_source *c = x->to;
	int r;

	if (wh_json_int(config, "version", 0) != CONFIG_VERSION)
		return bad(err, "it is of another version");
	x->layers = wh_calloc(json_array_size(layers) + 1, sizeof(*x->layers));
	x->docs = wh_calloc(json_array_size(docs) + 1, sizeof(*x->docs));
	c->records = wh_calloc(json_array_size(records) + 1, sizeof(*c->records));
	c->ops = wh_calloc(json_array_size(records) + 1, sizeof(*c->ops));
	c->doc_sizes = wh_calloc(json_array_size(records) + 1, sizeof(*c->doc_sizes));
	r = read_list(x, layers, LAYERS_MAX, "layers", read_layer, err);
	if (r == 0)
		r = read_list(x, docs, LAYERS_MAX, "documents", read_document, err);
	if (r == 0)
		r = read_list(x, records, RECORDS_MAX, "records", read_record, err);
	if (c->n)
		qsort(c->ops, c->n, sizeof(*c->ops), by_digest);
	return r;
}

int wh_cache_source_parse(const char *p, size_t n, const struct wh_descriptor *blobs, size_t n_blobs, const char *name,
			  const char *origin, struct wh_cache_source **ret, struct wh_err **err)
{
	struct reading x = {.origin = origin, .blobs = blobs, .n_blobs = n_blobs, .to = wh_calloc(1, sizeof(*x.to))};
	WH_AUTO_JSON json_t *config = NULL;
	int r = wh_json_parse_max(p, n, "its config", VALUES_MAX, &config, err);

	x.to->name = wh_strdup(name);
	x.to->origin = wh_strdup(origin);
	if (r == 0)
		r = read_config(&x, config, err);
	for (size_t i = 0; i < x.n_layers; i++)
		wh_layer_release(&x.layers[i]);
	free(x.layers);
	free(x.docs);
	if (r < 0) {
		wh_cache_source_free(x.to);
		return r;
	}
	*ret = x.to;
	return 0;
}

int wh_cache_source_read(struct wh_store *s, const struct wh_digest *manifest, const char *name, const char *origin,
			 struct wh_cache_source **ret, struct wh_err **err)
{
	struct wh_artifact a = {.manifest.digest = *manifest};
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor config = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_descriptor *blobs = NULL;
	size_t n = 0;
	int r = wh_artifact_layers(s, &a, &blobs, &n, err);

	if (r == 0)
		r = wh_artifact_config(s, &a, &config, err);
	if (r == 0 && !wh_streq(config.media_type, WH_ARTIFACT_CACHE))
		r = bad(err, "it is no cache");
	if (r == 0)
		r = wh_blob_read(s, &config.digest, CONFIG_MAX, &buf, err);
	if (r == 0)
		r = wh_cache_source_parse(buf.p ? buf.p : "", buf.n, blobs, n, name, origin, ret, err);
	for (size_t i = 0; i < n; i++)
		wh_descriptor_release(&blobs[i]);
	free(blobs);
	return r;
}

/* ---------------------------------------------------------------- what a solve gives */

struct item {
	struct wh_record rec; /* key is set when it is written */
	struct wh_digest keys[2];
	size_t n_keys;
	uint64_t doc_size;
	bool spare_doc; /* an EXEC's: its record is worth something without */
	bool *in_image; /* to each target */
};

struct wh_cache_export {
	struct item *v; /* in the order of the steps */
	size_t n, cap;
	size_t n_targets;
};

void wh_cache_export_free(struct wh_cache_export *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n; i++) {
		wh_record_release(&x->v[i].rec);
		free(x->v[i].in_image);
	}
	free(x->v);
	free(x);
}

static bool is_step(const struct wh_vertex *v)
{
	return v->kind == WH_OP_EXEC || v->kind == WH_OP_FILE || v->kind == WH_OP_PROFILE ||
	       v->kind == WH_OP_PRUNE || v->kind == WH_OP_PROVE;
}

struct found { /* a node and whether its layer is in an image */
	const struct wh_node *n;
	bool *in_image;
};

struct finding {
	struct wh_builder *b;
	struct found *v;
	size_t n, cap;
	size_t n_targets;
};

static struct found *find(struct finding *x, const struct wh_vertex *v)
{
	const struct wh_node *n = v ? wh_builder_node(x->b, v) : NULL;

	if (!n || n->state != WH_NODE_DONE)
		return NULL;
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].n == n)
			return &x->v[i];
	WH_PUSH(x->v, x->n, x->cap) = (struct found){.n = n, .in_image = wh_calloc(x->n_targets + 1, sizeof(bool))};
	return &x->v[x->n - 1];
}

/* What evidence of a pruned image is about, the tree before and its profiles, goes with the image. */
static bool goes_along(const struct wh_vertex *v, size_t input)
{
	return input == 0 || v->kind == WH_OP_MERGE || v->kind == WH_OP_DIFF || v->kind == WH_OP_PRUNE ||
	       v->kind == WH_OP_PROVE;
}

static void mark(struct finding *x, const struct wh_vertex *v, size_t target)
{
	struct found *f = find(x, v);

	if (!f || f->in_image[target])
		return;
	f->in_image[target] = true;
	for (size_t i = 0; i < v->n_inputs; i++)
		if (goes_along(v, i))
			mark(x, v->inputs[i], target);
}

static int by_index(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->n->v->index > y->n->v->index) - (x->n->v->index < y->n->v->index);
}

static void add_item(struct wh_cache_export *x, struct wh_store *s, struct found *f)
{
	const struct wh_node *n = f->n, *base = n->n_inputs ? n->inputs[0] : NULL;
	size_t below = base && n->v->kind != WH_OP_PRUNE ? base->result.n_layers : 0;
	struct item it = {.rec = {.op = n->key.op, .base = n->key.base, .doc = n->doc, .chroot = n->chroot,
				  .empty = n->result.n_layers <= below}};

	it.spare_doc = n->v->kind == WH_OP_EXEC;
	if (n->key.has_selection)
		it.rec.selection = n->key.selection;
	if (n->key.has_fast)
		it.keys[it.n_keys++] = n->key.fast;
	if (n->key.has_selection)
		wh_content_key(&n->key.op, &n->key.base, &n->key.selection, &it.keys[it.n_keys++]);
	if (it.n_keys == 0 || (!wh_digest_is_zero(&n->doc) && !wh_blob_has(s, &n->doc, &it.doc_size)))
		return;
	if (!it.rec.empty)
		wh_layer_copy(&it.rec.layer, &n->result.layers[n->result.n_layers - 1]);
	it.in_image = WH_TAKE_PTR(f->in_image);
	WH_PUSH(x->v, x->n, x->cap) = it;
}

void wh_builder_cache(struct wh_builder *b, const struct wh_target *targets, size_t n, struct wh_cache_export **ret)
{
	struct wh_cache_export *x = wh_calloc(1, sizeof(*x));
	struct finding f = {.b = b, .n_targets = n};
	size_t i, j;

	x->n_targets = n;
	for (i = 0; i < n; i++)
		mark(&f, targets[i].state, i);
	/* The rest of the solve; the list grows while it is walked. */
	for (i = 0; i < f.n; i++)
		for (j = 0; j < f.v[i].n->v->n_inputs; j++)
			(void)find(&f, f.v[i].n->v->inputs[j]);
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), by_index);
	for (i = 0; i < f.n; i++) {
		if (is_step(f.v[i].n->v))
			add_item(x, b->o.store, &f.v[i]);
		free(f.v[i].in_image);
	}
	free(f.v);
	*ret = x;
}

/* ---------------------------------------------------------------- writing */

struct writing {
	struct wh_store *s;
	const struct wh_cache_write *w;
	json_t *layers, *docs;
	struct wh_record *records; /* one a key; layer and doc by number */
	size_t n, cap;
	struct wh_layer *blobs; /* in the manifest */
	size_t n_blobs, cap_blobs;
	struct wh_descriptor *descriptors;
	size_t n_descriptors, cap_descriptors;
};

static void add_descriptor(struct writing *x, const char *type, const struct wh_digest *d, uint64_t size)
{
	for (size_t i = 0; i < x->n_descriptors; i++)
		if (wh_digest_eq(&x->descriptors[i].digest, d))
			return;
	WH_PUSH(x->descriptors, x->n_descriptors, x->cap_descriptors) =
		(struct wh_descriptor){.digest = *d, .size = size, .media_type = wh_strdup(type)};
}

/* The same tar as the image has it, in the form that was asked for, or as it is. */
static int formed(struct writing *x, const struct wh_layer *l, struct wh_layer *ret, struct wh_err **err)
{
	const struct wh_image *i = x->w->subject;

	for (size_t k = 0; i && k < i->n_layers; k++) {
		if (!wh_digest_eq(&i->layers[k].diff_id, &l->diff_id))
			continue;
		wh_layer_copy(ret, &i->layers[k]);
		ret->newest = l->newest;
		ret->n_entries = l->n_entries;
		return 0;
	}
	if (x->w->convert)
		return wh_layer_as(x->s, l, &x->w->layer, ret, err);
	wh_layer_copy(ret, l);
	return 0;
}

static json_t *layer_json(const struct wh_layer *l, bool absent)
{
	char diff[WH_DIGEST_TEXT], blob[WH_DIGEST_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "diff_id", wh_digest_text(&l->diff_id, diff), "digest",
			      wh_digest_text(&l->blob, blob), "compression", wh_compression_name(l->comp), "size", (json_int_t)l->blob_size,
			      "entries", (json_int_t)l->n_entries);

	if (l->newest != INT64_MIN)
		json_object_set_new(o, "newest", json_integer(l->newest));
	if (absent)
		json_object_set_new(o, "absent", json_true());
	return o;
}

/* Its number in the list; each tar once. A layer that only some of the steps that made it want is there for all. */
static int add_layer(struct writing *x, const struct wh_layer *l, bool absent, json_int_t *ret, struct wh_err **err)
{
	struct wh_layer own = {0};
	char diff[WH_DIGEST_TEXT];
	size_t i;
	int r = 0;

	wh_digest_text(&l->diff_id, diff);
	for (i = 0; i < json_array_size(x->layers); i++)
		if (wh_streq(wh_json_str(json_array_get(x->layers, i), "diff_id"), diff))
			break;
	*ret = (json_int_t)i;
	if (i < json_array_size(x->layers) && (absent || !json_object_get(json_array_get(x->layers, i), "absent")))
		return 0;
	/* What is nowhere to be had cannot be given to others. */
	absent |= l->origin && wh_has_prefix(l->origin, WH_ORIGIN_NOWHERE) && !wh_layer_at_hand(x->s, l);
	if (absent)
		wh_layer_copy(&own, l);
	else
		r = formed(x, l, &own, err);
	if (r < 0)
		return r;
	if (i < json_array_size(x->layers))
		json_array_set_new(x->layers, i, layer_json(&own, absent));
	else
		json_array_append_new(x->layers, layer_json(&own, absent));
	if (absent) {
		wh_layer_release(&own);
		return 0;
	}
	add_descriptor(x, wh_layer_media_type(own.comp), &own.blob, own.blob_size);
	WH_PUSH(x->blobs, x->n_blobs, x->cap_blobs) = own;
	return 0;
}

static json_int_t add_document(struct writing *x, const struct wh_digest *d, uint64_t size)
{
	char text[WH_DIGEST_TEXT];
	size_t i;

	wh_digest_text(d, text);
	for (i = 0; i < json_array_size(x->docs); i++)
		if (wh_streq(wh_json_str(json_array_get(x->docs, i), "digest"), text))
			return (json_int_t)i;
	json_array_append_new(x->docs, json_pack("{s:s, s:I}", "digest", text, "size", (json_int_t)size));
	add_descriptor(x, MEDIA_DOCUMENT, d, size);
	return (json_int_t)i;
}

static bool goes_with(const struct writing *x, const struct wh_cache_export *e, const struct item *it)
{
	bool found = x->w->max;

	for (size_t t = 0; t < e->n_targets && !found; t++)
		found = it->in_image[t] && (!x->w->subject || x->w->target == t);
	return found;
}

struct line {
	struct wh_digest key;
	json_t *o;
};

static int by_line(const void *a, const void *b)
{
	return by_digest(&((const struct line *)a)->key, &((const struct line *)b)->key);
}

static int item_lines(struct writing *x, const struct wh_cache_export *e, const struct item *it, struct line *to, size_t *n,
		      struct wh_err **err)
{
	bool whole = goes_with(x, e, it), document = !wh_digest_is_zero(&it->rec.doc) && (whole || !it->spare_doc);
	char hex[65];
	json_int_t layer = 0, doc = 0;
	int r = 0;

	if (document) {
		if (!whole) /* without its document it is worth nothing */
			return 0;
		doc = add_document(x, &it->rec.doc, it->doc_size);
	}
	if (!it->rec.empty)
		r = add_layer(x, &it->rec.layer, !whole, &layer, err);
	for (size_t k = 0; k < it->n_keys && r == 0; k++) {
		json_t *o = json_object();

		json_object_set_new(o, "key", json_string(wh_digest_hex(&it->keys[k], hex)));
		json_object_set_new(o, "op", json_string(wh_digest_hex(&it->rec.op, hex)));
		json_object_set_new(o, "base", json_string(wh_digest_hex(&it->rec.base, hex)));
		if (!wh_digest_is_zero(&it->rec.selection))
			json_object_set_new(o, "selection", json_string(wh_digest_hex(&it->rec.selection, hex)));
		if (!it->rec.empty)
			json_object_set_new(o, "layer", json_integer(layer));
		if (document)
			json_object_set_new(o, "document", json_integer(doc));
		if (it->rec.chroot)
			json_object_set_new(o, "isolation", json_string("chroot"));
		to[(*n)++] = (struct line){.key = it->keys[k], .o = o};
	}
	return r;
}

/* By key, each once: of equal steps the first one's. */
static json_t *records_json(struct line *v, size_t n)
{
	json_t *list = json_array();
	size_t i;

	if (n)
		qsort(v, n, sizeof(*v), by_line);
	for (i = 0; i < n; i++) {
		if (i == 0 || by_line(&v[i - 1], &v[i]) != 0)
			json_array_append(list, v[i].o);
	}
	for (i = 0; i < n; i++)
		json_decref(v[i].o);
	return list;
}

static int write_config(struct writing *x, const struct wh_cache_export *e, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_FREE struct line *v = wh_calloc(2 * e->n + 1, sizeof(*v));
	WH_AUTO_JSON json_t *config = json_pack("{s:i, s:[], s:[]}", "version", CONFIG_VERSION, "layers", "documents");
	size_t i, n = 0;
	int r = 0;

	x->layers = json_object_get(config, "layers");
	x->docs = json_object_get(config, "documents");
	for (i = 0; i < e->n && r == 0; i++)
		r = item_lines(x, e, &e->v[i], v, &n, err);
	json_object_set_new(config, "records", records_json(v, n));
	if (r < 0)
		return r;
	wh_json_dump(config, out);
	if (!wh_buf_ok(out) || out->n > CONFIG_MAX || n > RECORDS_MAX)
		return wh_err_set(err, "builder", WH_ERR_BUILD, EFBIG, "a cache of %zu records is too large", n);
	return 0;
}

int wh_cache_export_write(struct wh_store *s, const struct wh_cache_export *e, const struct wh_cache_write *w, struct wh_artifact *ret,
			  struct wh_result *ret_layers, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf config = WH_BUF_INIT;
	struct writing x = {.s = s, .w = w};
	struct wh_artifact_blob blob = {.media_type = WH_ARTIFACT_CACHE};
	struct wh_result layers;
	size_t i;
	int r = write_config(&x, e, &config, err);

	blob.data = config.p;
	blob.len = config.n;
	if (r == 0)
		r = wh_artifact_manifest_write(s, w->subject, WH_ARTIFACT_CACHE, &blob, x.descriptors, x.n_descriptors, ret, err);
	for (i = 0; i < x.n_descriptors; i++)
		wh_descriptor_release(&x.descriptors[i]);
	free(x.descriptors);
	layers = (struct wh_result){.layers = x.blobs, .n_layers = x.n_blobs};
	if (r == 0 && ret_layers)
		*ret_layers = layers;
	else
		wh_result_release(&layers);
	return r;
}
