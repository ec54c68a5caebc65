/* SPDX-License-Identifier: Apache-2.0 */
/* whittle du: what takes how much of the disk, and what of it could go. */
#include "cli/gc.h"
#include "cli/registry_service.h"

#include <time.h>

struct flags {
	const char *root, *format;
	bool verbose;
};

static const char *const formats[] = {"table", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "table (default) or json", formats},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{"verbose", 'v', WH_OPT_FLAG, offsetof(struct flags, verbose), NULL,
	 "A line for each image, record, snapshot, mount, …", NULL},
	{0},
};

static int by_row(const void *a, const void *b)
{
	const struct wh_gc_row *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->used != y->used)
		return x->used > y->used ? -1 : 1;
	return strcmp(x->id, y->id);
}

struct rows {
	struct wh_gc_row *v;
	size_t n, cap;
};

static void add_row(void *arg, const struct wh_gc_row *row)
{
	struct rows *l = arg;

	WH_PUSH(l->v, l->n, l->cap) = *row;
}

static const char *ago(int64_t used, char buf[32])
{
	int64_t s = (int64_t)time(NULL) - used;

	if (!used)
		return "-";
	if (s < 60)
		snprintf(buf, 32, "%llds", (long long)(s < 0 ? 0 : s));
	else if (s < 3600)
		snprintf(buf, 32, "%lldm", (long long)s / 60);
	else if (s < 2 * 86400)
		snprintf(buf, 32, "%lldh", (long long)s / 3600);
	else
		snprintf(buf, 32, "%lldd", (long long)s / 86400);
	return buf;
}

static const char *state(const struct wh_gc_row *r)
{
	return r->named ? "named" : r->in_use ? "in use" : r->goes ? "reclaimable" : "kept";
}

static void tell_rows(const struct rows *l, struct wh_buf *out)
{
	wh_buf_addf(out, "%-16s %-12s %10s %10s %6s  %-11s  %s\n", "KIND", "ID", "SIZE", "OWN", "USED", "STATE",
		    "NAME");
	for (size_t i = 0; i < l->n; i++) {
		const struct wh_gc_row *r = &l->v[i];
		WH_AUTO_FREE char *size = wh_cli_size((int64_t)r->bytes);
		WH_AUTO_FREE char *own = wh_cli_size((int64_t)r->own);
		const char *id = wh_has_prefix(r->id, "sha256:") ? r->id + 7 : r->id;
		char when[32];

		wh_buf_addf(out, "%-16s %-12.12s %10s %10s %6s  %-11s  ", wh_gc_kind_name(r->kind), id, size, own,
			    ago(r->used, when), state(r));
		if (r->name)
			wh_text_add_short(out, r->name);
		else
			wh_buf_addc(out, '-');
		wh_buf_addc(out, '\n');
	}
	wh_buf_addc(out, '\n');
}

static void tell_table(const struct wh_gc_sum *there, const struct wh_gc_sum *goes, struct wh_buf *out)
{
	WH_AUTO_FREE char *total = wh_cli_size(there->all.bytes);
	WH_AUTO_FREE char *free_ = wh_cli_size(goes->all.bytes);

	wh_buf_addf(out, "%-18s  %7s  %10s  %11s\n", "KIND", "ITEMS", "SIZE", "RECLAIMABLE");
	for (size_t k = 0; k < WH_GC_KINDS; k++) {
		const struct wh_gc_count *c = &there->kinds[k];
		WH_AUTO_FREE char *size = wh_cli_size(c->bytes);
		WH_AUTO_FREE char *r = wh_cli_size(goes->kinds[k].bytes);

		if (c->items || c->bytes)
			wh_buf_addf(out, "%-18s  %7llu  %10s  %11s\n", wh_gc_kind_name((enum wh_gc_kind)k),
				    (unsigned long long)c->items, size, r);
	}
	wh_buf_addf(out, "Reclaimable: %s (%lld bytes)\n", free_, (long long)goes->all.bytes);
	wh_buf_addf(out, "Total:       %s (%lld bytes)\n", total, (long long)there->all.bytes);
}

static json_t *row_json(const struct wh_gc_row *r)
{
	WH_AUTO_BUF struct wh_buf name = WH_BUF_INIT;
	json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:b, s:b}", "kind", wh_gc_kind_name(r->kind), "id",
			      r->id, "bytes", (json_int_t)r->bytes, "own", (json_int_t)r->own, "lastUsed",
			      (json_int_t)r->used, "named", r->named, "inUse", r->in_use, "reclaimable", r->goes,
			      "shared", r->own < r->bytes);

	if (r->name) {
		wh_text_add_safe(&name, r->name, strlen(r->name));
		json_object_set_new(o, "name", json_string(name.p ? name.p : ""));
	}
	return o;
}

static void tell_json(const struct wh_gc *g, const struct wh_gc_sum *there, const struct wh_gc_sum *goes,
		      const struct rows *l, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_object();
	json_t *rows = l ? json_array() : NULL;

	json_object_set_new(o, "bytes", json_integer((json_int_t)there->all.bytes));
	json_object_set_new(o, "reclaimable", json_integer((json_int_t)goes->all.bytes));
	json_object_set_new(o, "kinds", wh_cli_gc_kinds(there, goes));
	json_object_set_new(o, "unknown", g ? wh_cli_gc_unknown(g) : json_array());
	for (size_t i = 0; l && i < l->n; i++)
		json_array_append_new(rows, row_json(&l->v[i]));
	if (rows)
		json_object_set_new(o, "units", rows);
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = arg;
	struct wh_gc_sum there = {0}, goes = {0};
	struct rows l = {0};
	struct wh_gc *g = NULL;
	int r = wh_cli_gc_look(f->root, false, f->verbose, inner, &g, err);

	if (r < 0)
		return r;
	if (g) {
		wh_gc_decide(g, &(struct wh_gc_policy){0});
		wh_gc_sums(g, &there, &goes);
		wh_gc_rows(g, add_row, &l);
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_row);
	if (wh_streq(f->format, "json")) {
		tell_json(g, &there, &goes, f->verbose ? &l : NULL, out);
	} else {
		if (f->verbose)
			tell_rows(&l, out);
		tell_table(&there, &goes, out);
	}
	if (g)
		wh_cli_gc_notes(g);
	free(l.v);
	wh_gc_free(g);
	return 0;
}

static int du(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	(void)args;
	return wh_cli_with_registry(inside, flags, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, du);
}

const struct wh_command wh_cmd_du = {
	.name = "du",
	.group = "The store and this machine",
	.summary = "Show what takes how much of the disk",
	.about =
		"Sizes are blocks on disk, each file once, directories included: the total is what du -s -B1 says of the\n"
		"store. Reclaimable is what gc --all would remove now. SIZE of a line is all that it needs, OWN what\n"
		"nothing else needs; USED is how long ago it was used last.",
	.examples = "  whittle du\n"
		    "  whittle du --verbose --format json",
	.options = options,
	.run = run,
};
