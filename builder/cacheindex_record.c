/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache records as documents.
 *
 * records/HEX, HEX being the key, is one JSON object:
 *
 *   {"schema":1, "key":HEX, "op":HEX, "base":HEX, "selection":HEX,
 *    "layer":{"diff_id":HEX, "blob":HEX, "size":N, "comp":"zstd", "newest":SECONDS, "entries":N}}
 *
 * where a step that changed nothing has "empty":true instead of "layer", and
 * "selection" and "newest" may be missing. "doc":HEX tells the blob of a
 * document that belongs to the result; "place":HEX which instruction of which
 * stage it was, "slot":HEX which step of that stage, and "inputs":HEX the blob
 * that tells what it was made of. All four may be missing. "isolation":"chroot"
 * is there where the step ran so. Documents of another schema are left alone
 * and not read.
 */
#include "builder/cacheindex.h"

#define SCHEMA 1

void wh_record_copy(struct wh_record *dst, const struct wh_record *src)
{
	struct wh_record r = *src;

	r.layer = (struct wh_layer){0};
	if (!src->empty)
		wh_layer_copy(&r.layer, &src->layer);
	*dst = r;
}

void wh_record_release(struct wh_record *r)
{
	if (!r->empty)
		wh_layer_release(&r->layer);
	*r = (struct wh_record){0};
}

static void put_hex(json_t *o, const char *key, const struct wh_digest *d)
{
	char hex[65];

	json_object_set_new(o, key, json_string(wh_digest_hex(d, hex)));
}

static void put_optional(json_t *o, const char *key, const struct wh_digest *d)
{
	if (!wh_digest_is_zero(d))
		put_hex(o, key, d);
}

static bool get_hex(const json_t *o, const char *key, struct wh_digest *ret)
{
	const char *s = wh_json_str(o, key);

	return s && wh_digest_parse_hex(s, ret);
}

void wh_record_dump(const struct wh_record *r, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_object();
	json_t *l;

	json_object_set_new(o, "schema", json_integer(SCHEMA));
	put_hex(o, "key", &r->key);
	put_hex(o, "op", &r->op);
	put_hex(o, "base", &r->base);
	put_optional(o, "selection", &r->selection);
	if (r->empty) {
		json_object_set_new(o, "empty", json_true());
	} else {
		l = json_object();
		put_hex(l, "diff_id", &r->layer.diff_id);
		put_hex(l, "blob", &r->layer.blob);
		json_object_set_new(l, "size", json_integer((json_int_t)r->layer.blob_size));
		json_object_set_new(l, "comp", json_string(wh_compression_name(r->layer.comp)));
		if (r->layer.newest != INT64_MIN)
			json_object_set_new(l, "newest", json_integer(r->layer.newest));
		json_object_set_new(l, "entries", json_integer((json_int_t)r->layer.n_entries));
		json_object_set_new(o, "layer", l);
	}
	put_optional(o, "doc", &r->doc);
	put_optional(o, "place", &r->place);
	put_optional(o, "inputs", &r->inputs);
	put_optional(o, "slot", &r->slot);
	if (r->chroot)
		json_object_set_new(o, "isolation", json_string("chroot"));
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

static bool layer_load(const json_t *l, struct wh_layer *ret)
{
	static const enum wh_compression kinds[] = {WH_COMP_NONE, WH_COMP_GZIP, WH_COMP_ZSTD};
	int64_t size = wh_json_int(l, "size", -1), entries = wh_json_int(l, "entries", -1);
	const char *comp = wh_json_str(l, "comp");
	struct wh_layer x = {.newest = wh_json_int(l, "newest", INT64_MIN)};
	size_t i;

	if (size < 0 || entries < 0 || !comp || !get_hex(l, "diff_id", &x.diff_id) || !get_hex(l, "blob", &x.blob))
		return false;
	x.blob_size = (uint64_t)size;
	x.n_entries = (uint64_t)entries;
	for (i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		if (!strcmp(comp, wh_compression_name(kinds[i]))) {
			x.comp = kinds[i];
			*ret = x;
			return true;
		}
	}
	return false;
}

bool wh_record_load(const char *hex, const char *p, size_t n, struct wh_record *ret)
{
	WH_AUTO_JSON json_t *o = NULL;
	struct wh_record r = {0};
	struct wh_digest name;

	if (wh_json_parse(p, n, "record", &o, NULL) < 0 || wh_json_int(o, "schema", 0) != SCHEMA)
		return false;
	if (!wh_digest_parse_hex(hex, &name) || !get_hex(o, "key", &r.key) || !wh_digest_eq(&name, &r.key) ||
	    !get_hex(o, "op", &r.op) || !get_hex(o, "base", &r.base))
		return false;
	get_hex(o, "selection", &r.selection);
	/* What explains a miss is worth less than the hit. */
	get_hex(o, "place", &r.place);
	get_hex(o, "inputs", &r.inputs);
	get_hex(o, "slot", &r.slot);
	if (json_object_get(o, "doc") && !get_hex(o, "doc", &r.doc))
		return false;
	r.chroot = wh_streq(wh_json_str(o, "isolation"), "chroot");
	r.empty = json_is_true(json_object_get(o, "empty"));
	if (!r.empty && !layer_load(json_object_get(o, "layer"), &r.layer))
		return false;
	*ret = r;
	return true;
}
