/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that PRUNE took away come back, as one layer more.
 *
 *   check the part ─▶ all of the pruned tree counts as kept ─▶ add what is asked for ─▶ what that needs (closure.c)
 *   ─▶ package database of all that is there now ─▶ write what the pruned tree lacks, and what of the database is another
 *
 * The full tree is the removed part laid on the pruned one: originals of rewritten files are on top. The part may come from anywhere, so
 * it is looked at first: it may add to the tree and bring originals of files, no more.
 */
#include "harden/keep_private.h"
#include "harden/removed.h"
#include "harden/restore.h"

#include <errno.h>

struct restore {
	struct wh_store *s;
	const struct wh_restore_opts *o;
	struct wh_tree *pruned, *part, *full;
	struct wh_decide d;
	struct wh_strv originals; /* paths of rewritten files, sorted */
	struct wh_strv write;     /* paths of the layer's entries */
	struct wh_strv rewritten; /* those of them that the pruned tree has, but for directories */
	struct wh_layer_writer *w;
	struct wh_err **err;
};

static void restore_release(struct restore *x)
{
	wh_decide_release(&x->d);
	wh_keep_free(x->d.k);
	wh_strv_release(&x->originals);
	wh_strv_release(&x->write);
	wh_strv_release(&x->rewritten);
	if (x->full)
		wh_tree_close(x->full);
	if (x->part)
		wh_tree_close(x->part);
	if (x->pruned)
		wh_tree_close(x->pruned);
	if (x->w)
		wh_layer_writer_abort(x->w);
}

static int read_failed(struct restore *x, int r)
{
	if (x->err && *x->err)
		return r;
	return wh_err_sys(x->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
}

static bool is_there(struct restore *x, const char *path)
{
	struct wh_node_ref n;

	return wh_tree_lookup(x->pruned, path, &n) == 0;
}

/* ---------------------------------------------------------------- does the part fit? */

static int misfit(struct restore *x, const char *path, const char *why)
{
	return wh_err_set(x->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the removed part is not this image's: /%s %s", path, why);
}

/* Whiteouts and opaque directories hide what is below: a removed part has neither. They show in its index alone. */
static int check_index(struct restore *x, const struct wh_layer *part)
{
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *index = NULL;
	struct wh_entry e;
	int r = wh_index_open(x->s, part, &index, x->err);

	for (size_t i = 0; r == 0 && i < wh_index_count(index); i++) {
		r = wh_index_at(index, i, &e, xs);
		if (r < 0)
			r = read_failed(x, r);
		else if (e.type == WH_T_WHITEOUT)
			r = misfit(x, e.path, "is a mark that hides what the image has");
		else if (e.opaque)
			r = misfit(x, e.path, "hides what the image has there");
	}
	if (index)
		wh_index_close(index);
	return r;
}

static int check_one(void *arg, const struct wh_node_ref *n)
{
	struct restore *x = arg;
	struct wh_node_ref is;
	int r = wh_tree_lookup(x->pruned, n->e.path, &is);

	if (r == -ENOENT) {
		WH_AUTO_FREE char *dir = strchr(n->e.path, '/') ? wh_path_dir(n->e.path) : wh_strdup("");

		/* Directories were looked at before what is in them. */
		return wh_tree_lookup(x->full, dir, &is) == 0 && is.e.type == WH_T_DIR
			       ? 0
			       : misfit(x, n->e.path, "is below something that is no directory");
	}
	if (r < 0)
		return r;
	if (n->e.type != is.e.type || (n->e.type != WH_T_DIR && n->e.type != WH_T_FILE))
		return misfit(x, n->e.path, "is something else in the image");
	if (n->e.type == WH_T_FILE && !wh_digest_eq(&n->e.digest, &is.e.digest))
		wh_strv_add(&x->originals, n->e.path);
	return 0;
}

static int open_trees(struct restore *x, const struct wh_layer *pruned, size_t n, const struct wh_layer *part)
{
	WH_AUTO_FREE struct wh_layer *all = wh_calloc(n + 1, sizeof(*all));
	int r = wh_tree_open(x->s, pruned, n, &x->pruned, x->err);

	memcpy(all, pruned, n * sizeof(*all)); /* lent */
	all[n] = *part;
	if (r == 0)
		r = check_index(x, part);
	if (r == 0)
		r = wh_tree_open(x->s, part, 1, &x->part, x->err);
	if (r == 0)
		r = wh_tree_open(x->s, all, n + 1, &x->full, x->err);
	if (r < 0)
		return r;
	r = wh_tree_walk(x->part, "", check_one, x);
	return r < 0 ? read_failed(x, r) : 0;
}

/* ---------------------------------------------------------------- what comes back */

static int keep_one(void *arg, const struct wh_node_ref *n)
{
	struct restore *x = arg;
	struct wh_keep *k = x->d.k;
	struct wh_kept *i = wh_arena_alloc(k->a, sizeof(*i));

	/* As if it had been seen: no rule takes it away, and nothing that it needs is looked for. */
	*i = (struct wh_kept){.path = wh_arena_strdup(k->a, n->e.path), .rule = WH_RULE_OBSERVED};
	HASH_ADD_KEYPTR(hh, k->items, i->path, strlen(i->path), i);
	return 0;
}

static int keep_image(struct restore *x)
{
	const struct wh_node_ref root = {.e = {.path = ""}};
	int r;

	(void)keep_one(x, &root);
	r = wh_tree_walk(x->pruned, "", keep_one, x);
	return r < 0 ? read_failed(x, r) : 0;
}

struct asking {
	struct restore *x;
	const struct wh_patterns *p;
	size_t matches, missing;
};

static int add(struct asking *a, const char *path, enum wh_rule rule, const char *via)
{
	const struct wh_why why = {.rule = rule, .via = via};

	a->missing += !wh_keep_has(a->x->d.k, path);
	return wh_decide_add(&a->x->d, path, &why, a->x->err);
}

static int match(void *arg, const struct wh_node_ref *n)
{
	struct asking *a = arg;
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *target = NULL, *to = NULL;
	struct wh_node_ref at;
	int r;

	if (!wh_patterns_excluded(a->p, n->e.path))
		return 0;
	a->matches++;
	r = add(a, n->e.path, WH_RULE_KEEP, NULL);
	if (r < 0 || n->e.type != WH_T_SYMLINK)
		return r;
	/* A link alone is of no use to anybody. */
	to = wh_link_target(n);
	if (wh_walk(a->x->full, to, true, &links, &target, &at) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < links.n; i++)
		r = add(a, links.v[i], WH_RULE_SYMLINK, n->e.path);
	return r < 0 ? r : add(a, target, WH_RULE_SYMLINK, n->e.path);
}

static int ask_for(struct restore *x, const char *word)
{
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *p = NULL;
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_STRV struct wh_strv words = {0};
	struct asking a = {.x = x};
	char *pattern = wh_glob_pattern(x->full, "", word, &links, x->err);
	int r = pattern ? 0 : -EINVAL;

	if (pattern)
		wh_strv_take(&words, pattern);
	if (r == 0)
		r = wh_patterns_new(&words, &p, x->err);
	if (r < 0)
		return r;
	a.p = p;
	r = wh_tree_walk(x->full, "", match, &a);
	if (r < 0)
		return read_failed(x, r);
	for (size_t i = 0; r == 0 && a.matches && i < links.n; i++)
		r = add(&a, links.v[i], WH_RULE_SYMLINK, NULL);
	if (r < 0 || a.missing)
		return r;
	r = wh_err_set(x->err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, a.matches ? EEXIST : ENOENT,
		       a.matches ? "%s is in the image: there is nothing to put back" : "%s was never in the image", word);
	wh_err_hint(x->err, a.matches ? "whittle explain says why it is there"
				      : "whittle explain IMAGE --removed lists what was removed; ** stands for any number of directories");
	return r;
}

static int decide(struct restore *x)
{
	int r = keep_image(x);

	if (r == 0)
		r = wh_decide_open(&x->d, x->err);
	for (size_t i = 0; r == 0 && !x->o->all && i < x->o->paths->n; i++)
		r = ask_for(x, x->o->paths->v[i]);
	if (r == 0 && !x->o->exact)
		r = wh_decide_close(&x->d, x->err);
	if (r == 0 && !x->o->exact)
		r = wh_decide_late(&x->d, x->err);
	/* Of what the database is made of, nothing needs to be looked into. */
	x->d.n_todo = x->o->exact ? 0 : x->d.n_todo;
	return r < 0 ? r : wh_decide_database(&x->d, x->err);
}

/* ---------------------------------------------------------------- what is written */

static const struct wh_pkgdb_change *change_of(const struct restore *x, const char *path)
{
	const struct wh_pkgdb_plan *p = &x->d.k->plan;

	for (size_t i = 0; i < p->n; i++)
		if (wh_streq(p->v[i].path, path))
			return &p->v[i];
	return NULL;
}

static bool is_another(struct restore *x, const char *path, const struct wh_buf *data)
{
	struct wh_node_ref n;
	struct wh_digest d;

	wh_digest_of(data->n ? data->p : "", data->n, &d);
	return wh_tree_lookup(x->pruned, path, &n) == 0 && !wh_digest_eq(&n.e.digest, &d);
}

static void add_parents(struct restore *x, const char *path)
{
	WH_AUTO_FREE char *dir = wh_strdup(path);
	char *slash;

	while ((slash = strrchr(dir, '/'))) {
		*slash = '\0';
		wh_strv_add(&x->write, dir);
	}
}

static int by_path(const void *a, const void *b)
{
	return wh_path_cmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(struct restore *x)
{
	const struct wh_pkgdb_plan *p = &x->d.k->plan;
	size_t n = 0;

	for (const struct wh_kept *i = x->d.k->items; i; i = i->hh.next)
		if (!is_there(x, i->path))
			wh_strv_add(&x->write, i->path);
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i].drop && is_another(x, p->v[i].path, &p->v[i].data))
			wh_strv_add(&x->rewritten, p->v[i].path);
	for (size_t i = 0; i < x->originals.n; i++)
		if (!change_of(x, x->originals.v[i]))
			wh_strv_add(&x->rewritten, x->originals.v[i]);
	wh_strv_sort(&x->rewritten);
	for (size_t i = 0; i < x->rewritten.n; i++)
		wh_strv_add(&x->write, x->rewritten.v[i]);
	for (size_t i = x->write.n; i-- > 0;)
		add_parents(x, x->write.v[i]);
	if (x->write.n)
		qsort(x->write.v, x->write.n, sizeof(*x->write.v), by_path);
	for (size_t i = 0; i < x->write.n; i++) {
		if (n && wh_streq(x->write.v[n - 1], x->write.v[i]))
			free(x->write.v[i]);
		else
			x->write.v[n++] = x->write.v[i];
	}
	if (x->write.v)
		x->write.v[n] = NULL;
	x->write.n = n;
}

static int write_content(struct restore *x, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *what = wh_asprintf("/%s", n->e.path);
	WH_AUTO_FD int fd = wh_tree_open_file(x->full, n, x->err);
	struct wh_digest got;
	int r = fd < 0 ? fd : wh_layer_writer_fd(x->w, fd, what, x->err);

	if (r < 0)
		return r;
	wh_layer_writer_last_digest(x->w, &got);
	return wh_digest_eq(&got, &n->e.digest) ? 0
						: wh_err_set(x->err, WH_HARDEN_DOMAIN, WH_ERR_ENV, EBADMSG,
							     "the store is damaged: %s is not what its layer says", what);
}

/* Names of one content become files of their own: which of them come is the user's choice, and they are few. */
static int write_one(struct restore *x, const char *path)
{
	const struct wh_pkgdb_change *c = change_of(x, path);
	struct wh_node_ref n;
	struct wh_entry e;
	int r = wh_tree_lookup(x->full, path, &n);

	if (r < 0)
		return wh_err_sys(x->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", path);
	e = n.e;
	e.opaque = e.implied = false;
	e.xattrs = n.xs;
	if (e.type != WH_T_SYMLINK)
		e.link = NULL;
	if (c)
		e.size = c->data.n;
	r = wh_layer_writer_add(x->w, &e, x->err);
	if (r < 0 || e.type != WH_T_FILE || !e.size)
		return r;
	return c ? wh_layer_writer_data(x->w, c->data.p, c->data.n, x->err) : write_content(x, &n);
}

static int write_layer(struct restore *x, const struct wh_layer_opts *lo, struct wh_layer *ret)
{
	int r = wh_layer_writer_new(x->s, lo, &x->w, x->err);

	for (size_t i = 0; r == 0 && i < x->write.n; i++)
		r = write_one(x, x->write.v[i]);
	return r < 0 ? r : wh_layer_writer_finish(WH_TAKE_PTR(x->w), ret, x->err);
}

/* ---------------------------------------------------------------- the document */

static json_t *absolute(const char *path)
{
	WH_AUTO_FREE char *text = wh_asprintf("/%s", path);

	return wh_path_json(text);
}

/* paths: of the tree. Each once. */
static json_t *list_json(const struct wh_strv *l, bool paths)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		if (!i || !wh_streq(l->v[i], l->v[i - 1]))
			json_array_append_new(a, paths ? absolute(l->v[i]) : wh_path_json(l->v[i]));
	return a;
}

static json_t *restored_json(struct restore *x, const char *path)
{
	struct wh_kept *i;
	json_t *o;

	HASH_FIND_STR(x->d.k->items, path, i);
	o = json_pack("{s:o, s:s}", "path", absolute(path), "rule", i ? wh_rule_name(i->rule) : "keep");
	if (i && i->via)
		json_object_set_new(o, "via", absolute(i->via));
	if (i && i->name)
		json_object_set_new(o, "name", json_string(i->name));
	return o;
}

static void note(struct restore *x, const struct wh_removed *owners, const struct wh_node_ref *n, struct wh_strv *packages,
		 struct wh_strv *shells, struct wh_strv *setid)
{
	const struct wh_dpkg_record *record = n->e.type == WH_T_DIR ? NULL : wh_removed_record_of(owners, n->e.path);

	if (record)
		wh_strv_add(packages, record->name);
	if (wh_shells_kind_of(x->d.shells, x->full, n) == WH_SHELL_YES)
		wh_strv_add(shells, n->e.path);
	if (n->e.type == WH_T_FILE && (n->e.mode & 06000))
		wh_strv_add(setid, n->e.path);
}

static int document(struct restore *x, json_t **ret)
{
	WH_CLEANUP(wh_removed_release) struct wh_removed owners = {0};
	WH_AUTO_STRV struct wh_strv packages = {0};
	WH_AUTO_STRV struct wh_strv shells = {0};
	WH_AUTO_STRV struct wh_strv setid = {0};
	json_t *restored = json_array();
	int r = wh_removed_open(x->full, &owners, x->err);

	for (size_t i = 0; r == 0 && i < x->write.n; i++) {
		struct wh_node_ref n;

		if (is_there(x, x->write.v[i]) || wh_tree_lookup(x->full, x->write.v[i], &n) < 0)
			continue;
		json_array_append_new(restored, restored_json(x, x->write.v[i]));
		note(x, &owners, &n, &packages, &shells, &setid);
	}
	if (r < 0) {
		json_decref(restored);
		return r;
	}
	wh_strv_sort(&packages);
	*ret = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "mode",
			 x->o->all     ? "all"
			 : x->o->exact ? "exact"
				       : "needed",
			 "asked", list_json(x->o->paths, false), "restored", restored, "rewritten", list_json(&x->rewritten, true), "packages",
			 list_json(&packages, false), "shells", list_json(&shells, true), "setid", list_json(&setid, true));
	return 0;
}

/* ---------------------------------------------------------------- all of it */

static int list_all(void *arg, const struct wh_node_ref *n)
{
	struct restore *x = arg;

	wh_strv_add(&x->write, n->e.path);
	return 0;
}

/* Everything: the part itself is the layer. */
static int take_all(struct restore *x, const struct wh_layer *part, struct wh_layer *ret, json_t **ret_doc)
{
	int r = wh_shells_open(x->full, &x->d.own_shells, x->err);

	if (r < 0)
		return r;
	x->d.shells = x->d.own_shells;
	r = wh_tree_walk(x->part, "", list_all, x);
	if (r < 0)
		return read_failed(x, r);
	wh_strv_copy(&x->rewritten, &x->originals);
	r = document(x, ret_doc);
	if (r == 0)
		wh_layer_copy(ret, part);
	return r;
}

int wh_restore_write(struct wh_store *s, const struct wh_layer *pruned, size_t n_pruned, const struct wh_layer *part,
		     const struct wh_restore_opts *o, const struct wh_layer_opts *lo, struct wh_layer *ret, json_t **ret_doc,
		     struct wh_err **err)
{
	const struct wh_prune_opts as_prune = {.keep_shell = true, .keep_setid = true, .config = o->config};
	WH_CLEANUP(restore_release) struct restore x = {.s = s, .o = o, .err = err};
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_layer l = {0};
	int r;

	x.d.k = wh_calloc(1, sizeof(*x.d.k));
	x.d.k->a = wh_arena_new();
	x.d.o = &as_prune;
	r = open_trees(&x, pruned, n_pruned, part);
	x.d.t = x.full;
	if (r == 0 && o->all)
		return take_all(&x, part, ret, ret_doc);
	if (r == 0)
		r = decide(&x);
	if (r < 0)
		return r;
	collect(&x);
	r = document(&x, &doc);
	if (r == 0)
		r = write_layer(&x, lo, &l);
	if (r < 0)
		return r;
	*ret = l;
	*ret_doc = WH_TAKE_PTR(doc);
	return 0;
}

bool wh_restore_explain(const json_t *doc, const char *path, struct wh_buf *out)
{
	const json_t *list = json_object_get(doc, "restored"), *found = NULL;
	WH_AUTO_JSON json_t *wanted = absolute(path + strspn(path, "/"));
	const char *rule, *via;

	for (size_t i = 0; i < json_array_size(list) && !found; i++)
		if (json_equal(json_object_get(json_array_get(list, i), "path"), wanted))
			found = json_array_get(list, i);
	if (!found)
		return false;
	rule = wh_json_str(found, "rule");
	via = wh_json_str(found, "via");
	wh_buf_addf(out, "%s: put back by whittle restore", json_string_value(wanted));
	if (wh_streq(wh_json_str(doc, "mode"), "all"))
		wh_buf_adds(out, " --all");
	else if (wh_streq(rule, "keep"))
		wh_buf_adds(out, ": asked for");
	else if (wh_streq(rule, "package"))
		wh_buf_adds(out, ": the record of a package of which files came back");
	else if (wh_streq(rule, "parent") && via)
		wh_buf_addf(out, ": the directory of %s", via);
	else if (via)
		wh_buf_addf(out, ": %s needs it (rule \"%s\")", via, rule ? rule : "?");
	wh_buf_addc(out, '\n');
	return true;
}
