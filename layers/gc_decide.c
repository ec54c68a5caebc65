/* SPDX-License-Identifier: Apache-2.0 */
/* What goes: first what nothing leads to, then by last use, until the policy is content; and what there is, in numbers and rows. */
#include "layers/gc_private.h"

#include <errno.h>

bool wh_gc_protected(const struct wh_gc *g, const struct wh_gc_lives *now, int64_t used, bool future)
{
	int64_t floor = g->began;

	if (future)
		return now && now->n;
	if (g->lives.n && g->lives.oldest < floor)
		floor = g->lives.oldest;
	if (now && now->n && now->oldest < floor)
		floor = now->oldest;
	return used >= floor;
}

void wh_gc_account(struct wh_gc *g, struct wh_gc_thing *t)
{
	uint64_t bytes = t->bytes;
	struct wh_gc_count *c = &g->goes.kinds[t->kind];

	for (size_t i = 0; i < t->n_shared; i++)
		if (--t->shared[i]->left == 0)
			bytes += t->shared[i]->bytes;
	c->items += t->counts;
	c->bytes += (int64_t)bytes;
	g->goes.all.items += t->counts;
	g->goes.all.bytes += (int64_t)bytes;
	if (t->kind != WH_GC_IMAGES && t->kind != WH_GC_TEMPORARY)
		g->cache -= (int64_t)bytes;
}

static void drop_unit(struct wh_gc *g, size_t unit);

static void drop_thing(struct wh_gc *g, size_t i)
{
	struct wh_gc_thing *t = g->things[i];

	if (t->goes || t->fixed || t->busy)
		return;
	t->goes = true;
	wh_gc_account(g, t);
	/* In the order of names a root's mark follows it. */
	if (t->place == WH_AT_ROOTS && i + 1 < g->n && g->things[i + 1]->place == WH_AT_ROOTS &&
	    wh_has_prefix(g->things[i + 1]->name, t->name))
		drop_thing(g, i + 1);
	if (t->unit != WH_GC_NONE && !g->units[t->unit].goes)
		drop_unit(g, t->unit);
}

/* No blob has this tar any more. */
static void drop_diff(struct wh_gc *g, const struct wh_gc_diff *d)
{
	if (d->index != WH_GC_NONE)
		drop_thing(g, d->index);
	if (d->snapshot != WH_GC_NONE &&
	    !wh_gc_protected(g, NULL, g->things[d->snapshot]->used, g->things[d->snapshot]->future))
		drop_thing(g, d->snapshot);
	for (size_t i = 0; i < d->n_variants; i++)
		drop_thing(g, d->variants[i]);
}

static void drop_blob(struct wh_gc *g, size_t i)
{
	struct wh_gc_thing *t = g->things[i];

	if (t->goes || wh_gc_protected(g, NULL, t->used, t->future))
		return;
	drop_thing(g, i);
	for (size_t k = 0; k < t->n_pairs; k++) {
		struct wh_gc_diff *d = g->diff_at[g->things[t->pairs[k]]->diff];

		drop_thing(g, t->pairs[k]);
		if (--d->blobs == 0)
			drop_diff(g, d);
	}
	for (size_t k = 0; k < t->n_of; k++)
		drop_unit(g, t->of[k]);
}

static void drop_unit(struct wh_gc *g, size_t unit)
{
	struct wh_gc_unit *u = &g->units[unit];

	if (u->goes)
		return;
	u->goes = true;
	if (u->thing != WH_GC_NONE)
		drop_thing(g, u->thing);
	for (size_t k = 0; k < u->n_blobs; k++)
		if (--g->things[u->blobs[k]]->holders == 0)
			drop_blob(g, u->blobs[k]);
}

static void start_over(struct wh_gc *g)
{
	struct wh_gc_sum there;
	struct wh_gc_inode *in, *next;

	memset(&g->goes, 0, sizeof(g->goes));
	HASH_ITER (hh, g->inodes, in, next)
		in->left = in->names;
	for (size_t i = 0; i < g->n; i++) {
		g->things[i]->goes = false;
		g->things[i]->holders = 0;
	}
	for (size_t i = 0; i < g->n_diffs; i++) {
		struct wh_gc_diff *d = g->diff_at[i];

		d->blobs = 0;
		for (size_t k = 0; k < d->n_pairs; k++)
			d->blobs += g->things[d->pairs[k]]->blob != WH_GC_NONE;
	}
	for (size_t i = 0; i < g->n_units; i++) {
		g->units[i].goes = false;
		for (size_t k = 0; k < g->units[i].n_blobs; k++)
			g->things[g->units[i].blobs[k]]->holders++;
	}
	wh_gc_sums(g, &there, NULL);
	g->cache = 0;
	for (size_t k = WH_GC_LAYERS; k < WH_GC_DB; k++)
		if (k != WH_GC_TEMPORARY)
			g->cache += there.kinds[k].bytes;
}

/* Does anything lead to it? For what is no unit's and no blob's. */
static bool is_lost(const struct wh_gc *g, const struct wh_gc_thing *t)
{
	const struct wh_gc_diff *d = t->diff == WH_GC_NONE ? NULL : g->diff_at[t->diff];
	const struct wh_gc_thing *manifest;
	WH_AUTO_FREE char *root = NULL;
	struct wh_digest of;

	if (t->kind == WH_GC_TEMPORARY)
		return !t->busy;
	switch (t->place) {
	case WH_AT_INDEX:
	case WH_AT_SNAPSHOTS:
		return !d || !d->blobs;
	case WH_AT_VARIANTS:
		return t->blob == WH_GC_NONE || !d || !d->blobs;
	case WH_AT_ORIGINS:
		manifest = wh_digest_parse_hex(t->name, &of) ? wh_gc_blob(g, &of) : NULL;
		return !manifest || manifest->goes;
	case WH_AT_ROOTS:
		if (!wh_has_suffix(t->name, ".used"))
			return false;
		root = wh_asprintf("roots/%.64s", t->name);
		return faccessat(g->s->dir_fd, root, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	case WH_AT_LOCKS:
		return !t->busy;
	case WH_AT_LOGS:
	case WH_AT_PARTIAL:
		return t->surplus;
	case WH_AT_BLOBS:
	case WH_AT_MOUNTS:
	case WH_AT_MEMOS:
	case WH_AT_TREES:
	case WH_AT_GIT:
	case WH_AT_FILES:
	case WH_AT_HTTP:
	case WH_AT_SUMS:
	case WH_AT_REFS:
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

/* Of manifests that went with an image. */
static void drop_origins(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct wh_gc_thing *t = g->things[i];

		if (t->place == WH_AT_ORIGINS && !t->goes && is_lost(g, t) && !wh_gc_protected(g, NULL, t->used, t->future))
			drop_thing(g, i);
	}
}

static void drop_lost(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n_units; i++)
		if (g->units[i].orphan)
			drop_unit(g, i);
	for (size_t i = 0; i < g->n; i++)
		if (g->things[i]->place == WH_AT_BLOBS && g->things[i]->kind != WH_GC_UNKNOWN &&
		    g->things[i]->kind != WH_GC_TEMPORARY && !g->things[i]->holders)
			drop_blob(g, i);
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];

		/* Locks and leases tell by themselves who lives. */
		if (!t->goes && is_lost(g, t) &&
		    (t->place == WH_AT_TMP || t->place == WH_AT_CLAIMS || t->place == WH_AT_LOCKS ||
		     !wh_gc_protected(g, NULL, t->used, t->future)))
			drop_thing(g, i);
	}
}

struct candidate {
	int64_t used;
	size_t unit;
	unsigned order;
};

/* The least lately used first; of equals what is easiest to make again. */
static int by_use(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static bool may_go(const struct wh_gc *g, const struct wh_gc_unit *u)
{
	if (u->goes || u->type == WH_UNIT_NAME || u->type == WH_UNIT_ARTIFACT)
		return false;
	if (u->thing != WH_GC_NONE && g->things[u->thing]->busy)
		return false;
	return !wh_gc_protected(g, NULL, u->used, u->future);
}

static bool meant(const struct wh_gc_policy *p, const struct wh_gc_unit *u)
{
	for (size_t i = 0; p->only && i < p->n_only; i++)
		if (u->type == WH_UNIT_IMAGE && wh_digest_eq(&u->digest, &p->only[i]))
			return true;
	return !p->only;
}

void wh_gc_decide(struct wh_gc *g, const struct wh_gc_policy *p)
{
	struct candidate *v = wh_calloc(g->n_units + 1, sizeof(*v));
	int64_t before = p->age > g->now / WH_GC_SECOND ? 0 : g->now - p->age * WH_GC_SECOND;
	size_t n = 0;

	g->policy = *p;
	start_over(g);
	drop_lost(g);
	for (size_t i = 0; i < g->n_units; i++) {
		const struct wh_gc_unit *u = &g->units[i];

		if (may_go(g, u) && meant(p, u) && (p->age == 0 || u->used <= before))
			v[n++] = (struct candidate){
				u->used, i,
				u->type != WH_UNIT_THING ? 2 : g->things[u->thing]->place != WH_AT_SNAPSHOTS};
	}
	qsort(v, n, sizeof(*v), by_use);
	for (size_t i = 0; i < n; i++) {
		if (p->by_size && (g->cache <= 0 || (uint64_t)g->cache <= p->keep))
			break;
		drop_unit(g, v[i].unit);
	}
	drop_origins(g);
	free(v);
}

/* ---------------------------------------------------------------- sums and rows */

static uint64_t bytes_of(const struct wh_gc_thing *t)
{
	uint64_t bytes = t->bytes;

	for (size_t i = 0; i < t->n_shared; i++) {
		if (!t->shared[i]->told)
			bytes += t->shared[i]->bytes;
		t->shared[i]->told = true;
	}
	return bytes;
}

static uint64_t bytes_alone(const struct wh_gc_thing *t)
{
	uint64_t bytes;

	for (size_t i = 0; i < t->n_shared; i++)
		t->shared[i]->told = false;
	bytes = bytes_of(t);
	return bytes;
}

static void untell(const struct wh_gc *g)
{
	struct wh_gc_inode *in, *next;

	HASH_ITER (hh, g->inodes, in, next)
		in->told = false;
}

void wh_gc_sums(const struct wh_gc *g, struct wh_gc_sum *ret_there, struct wh_gc_sum *ret_goes)
{
	struct wh_gc_sum s = {0};

	untell(g);
	for (size_t i = 0; i < g->n; i++) {
		const struct wh_gc_thing *t = g->things[i];

		s.kinds[t->kind].items += t->counts;
		s.kinds[t->kind].bytes += (int64_t)bytes_of(t);
	}
	s.kinds[WH_GC_STORE].bytes += g->store.bytes;
	for (size_t i = 0; i < g->n_units; i++)
		s.kinds[WH_GC_IMAGES].items += g->units[i].type == WH_UNIT_NAME;
	for (size_t k = 0; k < WH_GC_KINDS; k++) {
		s.all.items += s.kinds[k].items;
		s.all.bytes += s.kinds[k].bytes;
	}
	*ret_there = s;
	if (ret_goes)
		*ret_goes = g->goes;
}

void wh_gc_rows(const struct wh_gc *g, void (*fn)(void *arg, const struct wh_gc_row *row), void *arg)
{
	for (size_t i = 0; i < g->n_units; i++) {
		const struct wh_gc_unit *u = &g->units[i];
		const struct wh_gc_thing *t = u->thing == WH_GC_NONE ? NULL : g->things[u->thing];
		struct wh_gc_row row = {
			.kind = u->type == WH_UNIT_RECORD  ? WH_GC_RECORDS
				: u->type == WH_UNIT_THING ? t->kind
							   : WH_GC_IMAGES,
			.id = u->id,
			.name = u->name,
			.named = u->type == WH_UNIT_NAME,
			.goes = u->goes,
			.used = u->used == INT64_MIN ? 0 : u->used / WH_GC_SECOND,
		};

		row.own = t ? bytes_alone(t) : 0;
		row.bytes = row.own;
		for (size_t k = 0; k < u->n_blobs; k++) {
			const struct wh_gc_thing *b = g->things[u->blobs[k]];

			row.bytes += b->bytes;
			row.own += b->needed == 1 ? b->bytes : 0;
		}
		row.in_use = (t && t->busy) || (g->lives.n && wh_gc_protected(g, NULL, u->used, u->future));
		fn(arg, &row);
	}
}
