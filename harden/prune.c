/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keep set becomes a layer: entries in path order as the indexes have them, contents from the snapshots of the
 * lower layers straight into tar, digest and compressor.
 *
 * Two passes. The first lists what is kept and groups the names of each hard-linked content, because what an inode gets
 * (set-id bits, capabilities) depends on all names that stay; the second writes. The first kept name of a group in path
 * order carries the content, the others are links to it, so the layer needs nothing that is not in it.
 */
#include "harden/keep_private.h"
#include "harden/removed.h"

#include <errno.h>

#define CAPABILITY "security.capability"

struct entry {
	const struct wh_kept *kept;
	char *content; /* FILE: whose bytes: "LAYER:first name" */
	struct group *group;
	bool is_dir;
	const struct wh_pkgdb_change *change; /* or NULL */
};

struct group { /* names of one content */
	const char *key;
	const char *written; /* its first name, once it is written */
	struct wh_digest digest;
	bool runs;  /* one of its names was seen to be executed */
	bool setid; /* one of its names is to keep its set-id bits */
	UT_hash_handle hh;
};

struct prune {
	struct wh_tree *t;
	const struct wh_keep *k;
	struct entry *v;
	size_t n, cap, total;
	struct group *groups;
	struct wh_strv setid, setid_kept, capabilities;
	struct wh_removed removed;
	struct wh_layer_writer *w;
	struct wh_err **err;
};

static void prune_release(struct prune *p)
{
	struct group *g, *next;

	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].content);
	free(p->v);
	HASH_ITER (hh, p->groups, g, next) {
		HASH_DEL(p->groups, g);
		free(g);
	}
	wh_strv_release(&p->setid);
	wh_strv_release(&p->setid_kept);
	wh_strv_release(&p->capabilities);
	wh_removed_release(&p->removed);
	if (p->w)
		wh_layer_writer_abort(p->w);
}

/* ---------------------------------------------------------------- what is kept */

static const struct wh_pkgdb_change *change_of(const struct wh_keep *k, const char *path)
{
	size_t lo = 0, hi = k->plan.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(k->plan.v[mid].path, path);

		if (!c)
			return k->plan.v[mid].drop ? NULL : &k->plan.v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static struct group *group_of(struct prune *p, const char *key)
{
	struct group *g;

	HASH_FIND_STR(p->groups, key, g);
	if (!g) {
		g = wh_calloc(1, sizeof(*g));
		g->key = key;
		HASH_ADD_KEYPTR(hh, p->groups, key, strlen(key), g);
	}
	return g;
}

static int list_one(void *arg, const struct wh_node_ref *n)
{
	struct prune *p = arg;
	struct wh_kept *kept;
	struct entry *e;

	p->total++;
	HASH_FIND_STR(p->k->items, n->e.path, kept);
	if (!kept) {
		wh_removed_add(&p->removed, n);
		return 0;
	}
	e = &WH_PUSH(p->v, p->n, p->cap);
	*e = (struct entry){.kept = kept, .is_dir = n->e.type == WH_T_DIR, .change = change_of(p->k, n->e.path)};
	if (n->e.type != WH_T_FILE)
		return 0;
	/* A replaced file is no other name's content any more. */
	e->content =
		e->change ? wh_strdup(n->e.path) : wh_asprintf("%zu:%s", n->layer, n->e.link ? n->e.link : n->e.path);
	e->group = group_of(p, e->content);
	e->group->setid |= p->k->keep_setid || wh_strv_has(&p->k->setid, n->e.path);
	e->group->runs |= kept->rule == WH_RULE_OBSERVED && kept->access && strchr(kept->access, 'x');
	return 0;
}

/* What a profile saw is kept, or is a shell; and all that is kept is there. Anything else would be a bug, and no
 * image. */
static int assert_complete(struct prune *p)
{
	const struct wh_keep *k = p->k;
	struct wh_kept *i;

	for (size_t x = 0; x < k->observed.n; x++) {
		HASH_FIND_STR(k->items, k->observed.v[x], i);
		if (!i)
			HASH_FIND_STR(k->shells, k->observed.v[x], i);
		if (!i)
			return wh_err_set(p->err, WH_HARDEN_DOMAIN, WH_ERR_INTERNAL, EINVAL,
					  "/%s was used, and is not kept", k->observed.v[x]);
	}
	if (p->n + 1 != HASH_COUNT(k->items)) /* the walk leaves the root out */
		return wh_err_set(p->err, WH_HARDEN_DOMAIN, WH_ERR_INTERNAL, EINVAL,
				  "%u paths are to be kept, and the image has %zu of them", HASH_COUNT(k->items),
				  p->n + 1);
	return 0;
}

/* ---------------------------------------------------------------- writing */

/* In one layer alone nothing is hidden or implied. */
static void as_kept(struct prune *p, const struct entry *e, const struct wh_node_ref *n, struct wh_entry *x,
		    struct wh_xattr *xs)
{
	*x = n->e;
	x->opaque = x->implied = false;
	x->link = x->type == WH_T_SYMLINK ? n->e.link : NULL;
	x->xattrs = xs;
	x->n_xattrs = 0;
	for (size_t i = 0; i < n->e.n_xattrs; i++)
		if (!e->group || e->group->runs || !wh_streq(n->e.xattrs[i].name, CAPABILITY))
			xs[x->n_xattrs++] = n->e.xattrs[i];
	if (x->n_xattrs < n->e.n_xattrs)
		wh_strv_add(&p->capabilities, x->path);
	if (x->type != WH_T_FILE || !(x->mode & 06000))
		return;
	if (e->group && e->group->setid) {
		wh_strv_add(&p->setid_kept, x->path);
		return;
	}
	x->mode &= ~06000U;
	wh_strv_add(&p->setid, x->path);
}

static int write_content(struct prune *p, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *what = wh_asprintf("/%s", n->e.path);
	WH_AUTO_FD int fd = wh_tree_open_file(p->t, n, p->err);
	struct wh_digest got;
	int r = fd < 0 ? fd : wh_layer_writer_fd(p->w, fd, what, p->err);

	if (r < 0)
		return r;
	wh_layer_writer_last_digest(p->w, &got);
	if (!wh_digest_eq(&got, &n->e.digest))
		return wh_err_set(p->err, WH_HARDEN_DOMAIN, WH_ERR_ENV, EBADMSG,
				  "the store is damaged: /%s is not what its layer says", n->e.path);
	return 0;
}

static int write_file(struct prune *p, struct entry *e, const struct wh_node_ref *n, struct wh_entry *x)
{
	int r;

	if (e->group->written) {
		x->type = WH_T_HARDLINK;
		x->link = e->group->written;
		x->digest = e->group->digest;
		return wh_layer_writer_add(p->w, x, p->err);
	}
	if (e->change)
		x->size = e->change->data.n;
	r = wh_layer_writer_add(p->w, x, p->err);
	if (r == 0 && e->change && x->size)
		r = wh_layer_writer_data(p->w, e->change->data.p, e->change->data.n, p->err);
	else if (r == 0 && !e->change && x->size)
		r = write_content(p, n);
	e->group->written = e->kept->path;
	e->group->digest = n->e.digest; /* a changed file has one name */
	return r;
}

static int write_one(struct prune *p, struct entry *e)
{
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_node_ref n;
	struct wh_entry x;
	int r = wh_tree_lookup(p->t, e->kept->path, &n);

	if (r < 0)
		return wh_err_sys(p->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", e->kept->path);
	as_kept(p, e, &n, &x, xs);
	return x.type == WH_T_FILE ? write_file(p, e, &n, &x) : wh_layer_writer_add(p->w, &x, p->err);
}

static int write_root(struct prune *p)
{
	struct entry e = {0};
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_node_ref n;
	struct wh_entry x;
	int r = wh_tree_lookup(p->t, "", &n);

	if (r < 0)
		return wh_err_sys(p->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up the image's root");
	if (n.e.implied)
		return 0;
	as_kept(p, &e, &n, &x, xs);
	return wh_layer_writer_add(p->w, &x, p->err);
}

static int write_layer(struct prune *p, struct wh_store *s, const struct wh_layer_opts *o, struct wh_layer *ret)
{
	int r = wh_layer_writer_new(s, o, &p->w, p->err);

	if (r == 0)
		r = write_root(p);
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		r = write_one(p, &p->v[i]);
		if (r == -EAGAIN) /* a snapshot does not change by itself */
			wh_err_set(p->err, WH_HARDEN_DOMAIN, WH_ERR_ENV, EAGAIN, "/%s changed while it was read",
				   p->v[i].kept->path);
	}
	return r < 0 ? r : wh_layer_writer_finish(WH_TAKE_PTR(p->w), ret, p->err);
}

/* ---------------------------------------------------------------- the report */

static json_t *list_json(const struct wh_strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, wh_path_json(l->v[i]));
	return a;
}

static json_t *shells_json(const struct wh_keep *k)
{
	WH_AUTO_STRV struct wh_strv all = {0};
	json_t *a = json_array();

	/* Applets of a multi-call program are told when something asked for them, shells in any case. */
	for (const struct wh_kept *i = k->shells; i; i = i->hh.next)
		wh_strv_add(&all, i->path);
	for (size_t i = 0; i < k->shell_names.n; i++)
		if (!wh_keep_has(k, k->shell_names.v[i]))
			wh_strv_add(&all, k->shell_names.v[i]);
	wh_strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if (!i || !wh_streq(all.v[i], all.v[i - 1]))
			json_array_append_new(a, wh_path_json(all.v[i]));
	return a;
}

static json_t *kept_json(const struct prune *p, const struct entry *e)
{
	const struct wh_kept *i = e->kept;
	const char *owner = e->is_dir ? NULL : wh_removed_owner_of(&p->removed, i->path);
	json_t *o = json_pack("{s:o, s:s, s:o}", "path", wh_path_json(i->path), "rule", wh_rule_name(i->rule), "via",
			      wh_text_json(i->via));

	if (i->name)
		json_object_set_new(o, "name", json_string(i->name));
	if (i->program)
		json_object_set_new(o, "by",
				    json_pack("{s:o, s:o}", "program", wh_path_json(i->program), "script",
					      wh_text_json(i->script)));
	if (i->access)
		json_object_set_new(o, "access", json_string(i->access));
	if (owner)
		json_object_set_new(o, "package", wh_path_json(owner));
	return o;
}

static json_t *report_of(const struct prune *p, const struct wh_measure *before, const struct wh_measure *after)
{
	const struct wh_keep *k = p->k;
	const struct wh_pkgdb_plan *plan = &k->plan;
	json_t *kept = json_array();

	for (size_t i = 0; i < p->n; i++)
		json_array_append_new(kept, kept_json(p, &p->v[i]));
	return json_pack("{s:i, s:i, s:o, s:o, s:o, s:I, s:O, s:O, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o}", "schema",
			 1,
			 "rules", WH_RULES_VERSION, "before", wh_measure_json(before), "after", wh_measure_json(after),
			 "kept", kept, "removed", (json_int_t)(p->total - p->n), "removed_tree", p->removed.tree,
			 "removed_packages", p->removed.packages,
			 "setid_stripped", list_json(&p->setid), "setid_kept", list_json(&p->setid_kept), "capabilities_stripped", list_json(&p->capabilities),
			 "shells_removed", shells_json(k), "packages", "kept", list_json(&plan->kept), "partial",
			 list_json(&plan->partial), "removed", list_json(&plan->removed), "repaired",
			 list_json(&k->repaired));
}

static int measure_layer(struct wh_store *s, const struct wh_layer *l, struct wh_measure *ret, struct wh_err **err)
{
	struct wh_tree *t = NULL;
	int r = wh_tree_open(s, l, 1, &t, err);

	if (r == 0)
		r = wh_measure_tree(t, ret, err);
	wh_tree_close(t);
	return r;
}

int wh_prune_write(struct wh_store *s, struct wh_tree *t, const struct wh_keep *k, const struct wh_layer_opts *o,
		   struct wh_layer *ret, json_t **ret_report, struct wh_err **err)
{
	WH_CLEANUP(prune_release) struct prune p = {.t = t, .k = k, .err = err};
	struct wh_measure before, after;
	struct wh_layer l = {0};
	int r = wh_removed_open(t, &p.removed, err);

	if (r == 0)
		r = wh_removed_open_langs(&p.removed, t, err);
	if (r < 0)
		return r;
	r = wh_tree_walk(t, "", list_one, &p);
	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	r = assert_complete(&p);
	if (r == 0)
		r = wh_measure_tree(t, &before, err);
	if (r == 0)
		r = write_layer(&p, s, o, &l);
	if (r < 0)
		return r;
	r = measure_layer(s, &l, &after, err);
	if (r < 0) {
		wh_layer_release(&l);
		return r;
	}
	*ret_report = report_of(&p, &before, &after);
	*ret = l;
	return 0;
}
