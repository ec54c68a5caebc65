/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run on the pruned tree first did something else than the run on the full one.
 *
 * Each process chain's records are held against the same chain's in the other log, in the order in which they came up. What
 * processes did at the same time has no order between them, and what is made at run time may have another name each time: so it
 * is the first difference seen in each chain, those that the image explains first, and no claim to be the cause.
 */
#include "harden/chains.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_CHAINS 4
#define MAX_NAMES 6   /* of entries that a directory lost */
#define MAX_OTHERS 3  /* lines of a chain on what was the same call and another content */
#define MAX_ITEMS (1U << 20)

enum side { BEFORE, AFTER };
enum what { MISSED, DID, RAN }; /* looked for in vain; used; executed a program */

/* One thing that a chain did, on either side or both. */
struct item {
	enum what what;
	unsigned bit;   /* of enum wh_access; RAN: 0 */
	const char *path, *script;
	size_t at[2];   /* where it came up first, from 1; 0: never */
	uint32_t runs;  /* BEFORE: how many had it */
	uint32_t last;  /* the last of them, + 1 */
	struct item *next[2]; /* in the order of that side */
	UT_hash_handle hh;
};

struct line { /* a chain's items; its chain's data */
	struct item *items, *first[2], **end[2];
	size_t n[2];
	bool seen[2];
	uint32_t runs, last;
};

struct diverge {
	struct wh_tree *full, *pruned;
	struct wh_arena *a;
	enum side side;
	uint32_t run;
	size_t total;
	struct wh_chains chains;
};

/* ---------------------------------------------------------------- reading */

static struct line *line_of(struct diverge *x, struct wh_chain *w)
{
	struct line *l = w->data;

	if (!l) {
		w->data = l = wh_arena_alloc(x->a, sizeof(*l));
		l->end[BEFORE] = &l->first[BEFORE];
		l->end[AFTER] = &l->first[AFTER];
	}
	l->seen[x->side] = true;
	if (x->side == BEFORE && l->last != x->run + 1) {
		l->last = x->run + 1;
		l->runs++;
	}
	return l;
}

static void add(struct diverge *x, struct wh_chain *w, enum what what, unsigned bit, const char *path,
		const char *script)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct line *l = line_of(x, w);
	struct item *i;

	wh_buf_u8(&key, (uint8_t)what);
	wh_buf_u32(&key, bit);
	wh_buf_lstr(&key, path);
	wh_buf_lstr(&key, script);
	HASH_FIND(hh, l->items, key.p, key.n, i);
	if (!i) {
		if (++x->total > MAX_ITEMS)
			return;
		i = wh_arena_alloc(x->a, sizeof(*i));
		*i = (struct item){.what = what, .bit = bit, .path = wh_arena_strdup(x->a, path),
				   .script = script ? wh_arena_strdup(x->a, script) : NULL};
		HASH_ADD_KEYPTR(hh, l->items, memcpy(wh_arena_alloc(x->a, key.n), key.p, key.n), key.n, i);
	}
	if (x->side == BEFORE && i->last != x->run + 1) {
		i->last = x->run + 1;
		i->runs++;
	}
	if (i->at[x->side])
		return;
	i->at[x->side] = ++l->n[x->side];
	*l->end[x->side] = i;
	l->end[x->side] = &i->next[x->side];
}

/* What the kernel makes up is other in each run. */
static bool is_made_up(const char *path)
{
	return wh_has_prefix(path, "proc/") || wh_has_prefix(path, "sys/") || wh_has_prefix(path, "dev/");
}

static int on_record(void *arg, struct wh_chain *w, const struct wh_mark_of *when, const struct wh_obs *o)
{
	struct diverge *x = arg;

	(void)when;
	if (o->kind == WH_OBS_PROCESS && w->parent) {
		add(x, w->parent, RAN, 0, wh_rel(o->program), o->script ? wh_rel(o->script) : NULL);
		line_of(x, w); /* it may do nothing more */
		return 0;
	}
	if ((o->kind != WH_OBS_USED && o->kind != WH_OBS_MISSING) || is_made_up(wh_rel(o->path)))
		return 0;
	for (unsigned bit = 1; bit <= WH_ACCESS_ENTER; bit <<= 1)
		if (o->access & bit)
			add(x, w, o->kind == WH_OBS_USED ? DID : MISSED, bit, wh_rel(o->path), NULL);
	return 0;
}

static int read_all(struct diverge *x, enum side side, const struct wh_obs_log *logs, size_t n, struct wh_err **err)
{
	int r = 0;

	x->side = side;
	for (size_t i = 0; r == 0 && i < n; i++) {
		x->run = logs[i].run;
		r = wh_chains_read(&x->chains, &logs[i], on_record, x, err);
	}
	return r;
}

/* ---------------------------------------------------------------- differences */

static bool has(struct wh_tree *t, const char *path)
{
	struct wh_node_ref n;

	return wh_tree_lookup(t, path, &n) == 0;
}

/* Of what neither image has, only that it was looked for says something: names are made up at run time. */
static bool is_weak(struct diverge *x, const struct item *i)
{
	if (i->what == RAN || has(x->full, i->path) || has(x->pruned, i->path))
		return false;
	return i->what == DID || i->bit == WH_ACCESS_CREATE;
}

static bool stable(const struct line *l, const struct item *i)
{
	return i->runs == l->runs;
}

/* The first item of one side that the other lacks; *ret_common: how many both have stand before it. */
static struct item *first_alone(struct diverge *x, const struct line *l, enum side side, bool weak, size_t *ret_common)
{
	*ret_common = 0;
	for (struct item *i = l->first[side]; i; i = i->next[side]) {
		if (i->at[!side]) {
			++*ret_common;
			continue;
		}
		if ((side == BEFORE && !stable(l, i)) || is_weak(x, i) != weak)
			continue;
		return i;
	}
	return NULL;
}

struct difference {
	struct item *here, *there; /* the first that only this side has; either may be NULL */
	bool here_first;
};

static bool find_difference(struct diverge *x, const struct line *l, bool weak, struct difference *ret)
{
	size_t here, there;

	if (!l->seen[BEFORE] || !l->seen[AFTER])
		return false;
	ret->here = first_alone(x, l, AFTER, weak, &here);
	ret->there = first_alone(x, l, BEFORE, weak, &there);
	ret->here_first = ret->here && (!ret->there || here <= there);
	return ret->here || ret->there;
}

/* ---------------------------------------------------------------- words */

static const char *verb(unsigned bit)
{
	switch (bit) {
	case WH_ACCESS_READ:
		return "opened";
	case WH_ACCESS_WRITE:
		return "opened for writing";
	case WH_ACCESS_EXEC:
		return "executed";
	case WH_ACCESS_LIST:
		return "listed";
	case WH_ACCESS_CREATE:
		return "made";
	case WH_ACCESS_REMOVE:
		return "removed";
	case WH_ACCESS_CHANGE:
		return "changed mode, owner or times of";
	case WH_ACCESS_LINK:
		return "followed the link";
	case WH_ACCESS_SOCKET:
		return "connected to";
	case WH_ACCESS_ENTER:
		return "entered";
	default:
		return "looked at";
	}
}

static void add_what(struct wh_buf *b, const struct item *i)
{
	wh_buf_addf(b, "%s /%s", i->what == RAN ? "ran" : i->what == MISSED ? "looked for" : verb(i->bit), i->path);
	if (i->script)
		wh_buf_addf(b, " (script /%s)", i->script);
	if (i->what == MISSED)
		wh_buf_adds(b, " in vain");
}

/* What the other side did with the same path: the strongest. */
static const struct item *counterpart(const struct line *l, enum side side, const char *path, enum what what)
{
	for (const struct item *i = l->first[side]; i; i = i->next[side])
		if (i->what == what && wh_streq(i->path, path))
			return i;
	return NULL;
}

static void say_here(struct diverge *x, struct wh_buf *b, const struct line *l, const struct difference *d)
{
	const struct item *i = d->here, *was = i->what == MISSED ? counterpart(l, BEFORE, i->path, DID) : NULL;

	if (was) {
		wh_buf_addf(b, "%s /%s in the full image; here it looked for it in vain", verb(was->bit), i->path);
		return;
	}
	if (i->what == MISSED && has(x->full, i->path))
		wh_buf_addf(b, "looked for /%s here in vain; in the full image it did not look for it", i->path);
	else {
		add_what(b, i);
		wh_buf_adds(b, " here; in the full image it did not");
		if (i->what == MISSED)
			wh_buf_adds(b, " look for it");
	}
	if (!d->there)
		return;
	wh_buf_adds(b, ", but ");
	add_what(b, d->there);
}

static const struct item *last_of(const struct line *l, enum side side)
{
	const struct item *i = l->first[side];

	while (i && i->next[side])
		i = i->next[side];
	return i;
}

static void say_there(struct wh_buf *b, const struct line *l, const struct difference *d)
{
	const struct item *last = last_of(l, AFTER);

	add_what(b, d->there);
	wh_buf_adds(b, " in the full image; here it did not");
	if (d->here) {
		wh_buf_adds(b, ", but ");
		add_what(b, d->here);
	} else if (last) {
		wh_buf_adds(b, ": the last new thing that it did here is that it ");
		add_what(b, last);
	}
}

/* ---------------------------------------------------------------- the same call, another answer */

static bool lost_entries(struct diverge *x, const char *dir, struct wh_buf *b)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t lost = 0;

	if (wh_tree_list(x->full, dir, &names) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *path = *dir ? wh_asprintf("%s/%s", dir, names.v[i]) : wh_strdup(names.v[i]);

		if (!has(x->pruned, path) && lost++ < MAX_NAMES)
			wh_buf_addf(b, "%s%s", lost > 1 ? ", " : "", names.v[i]);
	}
	if (!lost)
		return false;
	if (lost > MAX_NAMES)
		wh_buf_addf(b, " and %zu more", lost - MAX_NAMES);
	{
		WH_AUTO_FREE char *list = wh_buf_take(b);

		wh_buf_addf(b, "listed /%s, of whose %zu entries %zu went: %s (--keep=/%s%s** keeps them)", dir, names.n,
			    lost, list, dir, *dir ? "/" : "");
	}
	return true;
}

static bool has_capability(const struct wh_entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (wh_streq(e->xattrs[i].name, "security.capability"))
			return true;
	return false;
}

static bool changed_file(struct diverge *x, const struct item *i, struct wh_buf *b)
{
	struct wh_node_ref n;
	struct wh_digest was;
	uint32_t mode;
	bool capable;

	if (wh_tree_lookup(x->full, i->path, &n) < 0 || n.e.type != WH_T_FILE)
		return false;
	was = n.e.digest;
	mode = n.e.mode;
	capable = has_capability(&n.e);
	if (wh_tree_lookup(x->pruned, i->path, &n) < 0 || n.e.type != WH_T_FILE)
		return false;
	if (i->bit == WH_ACCESS_READ && !wh_digest_eq(&was, &n.e.digest)) {
		wh_buf_addf(b, "opened /%s, which the prune cut to what stays", i->path);
		return true;
	}
	if (i->bit == WH_ACCESS_EXEC && (mode & 06000) && !(n.e.mode & 06000)) {
		wh_buf_addf(b, "executed /%s, whose set-id bit went: --setuid=/%s keeps it", i->path, i->path);
		return true;
	}
	if (i->bit == WH_ACCESS_EXEC && capable && !has_capability(&n.e)) {
		wh_buf_addf(b, "executed /%s, whose file capabilities went", i->path);
		return true;
	}
	return false;
}

/* RAN has no access of its own: the x is the parent's. */
static bool other_answer(struct diverge *x, const struct item *i, struct wh_buf *b)
{
	if (i->what != DID || !i->at[BEFORE] || !i->at[AFTER])
		return false;
	return i->bit == WH_ACCESS_LIST ? lost_entries(x, i->path, b) : changed_file(x, i, b);
}

/* ---------------------------------------------------------------- all chains */

static void begin_line(struct wh_buf *out, const struct wh_chain *w)
{
	wh_buf_adds(out, out->n ? "\n" : "");
	wh_buf_adds(out, "  ");
	if (w->program)
		wh_chain_say(out, w);
	else
		wh_buf_adds(out, w->name);
	wh_buf_adds(out, wh_streq(w->name, "application") ? " " : "");
	if (!wh_streq(w->name, "application"))
		wh_buf_addf(out, " (%s) ", w->name);
}

/* Up to the difference, or all where there is none. */
static void say_other_answers(struct diverge *x, const struct wh_chain *w, const struct item *until, struct wh_buf *out)
{
	const struct line *l = w->data;
	size_t n = 0;

	for (struct item *i = l->first[AFTER]; i && i != until && n < MAX_OTHERS; i = i->next[AFTER]) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		if (!other_answer(x, i, &b))
			continue;
		begin_line(out, w);
		wh_buf_adds(out, b.p);
		n++;
	}
}

static void say_chains(struct diverge *x, bool weak, struct wh_buf *out)
{
	size_t said = 0;

	for (struct wh_chain *w = x->chains.all; w; w = w->hh.next) {
		struct difference d = {0};
		bool found;

		if (!w->data)
			continue;
		found = find_difference(x, w->data, weak, &d);
		if (!found && weak)
			continue;
		if (said == MAX_CHAINS)
			break;
		if (!weak)
			say_other_answers(x, w, found && d.here_first ? d.here : NULL, out);
		if (!found)
			continue;
		said++;
		begin_line(out, w);
		if (d.here_first)
			say_here(x, out, w->data, &d);
		else
			say_there(out, w->data, &d);
	}
}

static void forget(struct diverge *x)
{
	for (struct wh_chain *w = x->chains.all; w; w = w->hh.next) {
		struct line *l = w->data;

		if (l)
			HASH_CLEAR(hh, l->items);
	}
	wh_chains_release(&x->chains);
	wh_arena_freep(&x->a);
}

int wh_diverge(struct wh_tree *full, struct wh_tree *pruned, const struct wh_obs_log *before, size_t n_before,
	       const struct wh_obs_log *after, size_t n_after, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(forget) struct diverge x = {.full = full, .pruned = pruned, .a = wh_arena_new()};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r;

	wh_chains_init(&x.chains);
	r = read_all(&x, BEFORE, before, n_before, err);
	if (r == 0)
		r = read_all(&x, AFTER, after, n_after, err);
	if (r < 0)
		return r;
	say_chains(&x, false, &text);
	if (!text.n)
		say_chains(&x, true, &text);
	if (text.n)
		wh_buf_addf(out, "the first difference seen between the run on the full image and this one, in each process:\n%s",
			    text.p);
	else
		wh_buf_adds(out, "no difference was seen between what the application used in the full image and here");
	return 0;
}
