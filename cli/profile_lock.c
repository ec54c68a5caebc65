/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_lock.h"

#include <errno.h>

#define LOCK_MAX ((size_t)16 << 20)
#define TOLD_MAX 12 /* lines of a message */

struct lock {
	char *path, *shown;
	json_t *doc;  /* NULL: there is no such file */
	json_t *seen; /* stage → {needs}, of this build */
};

struct wh_profile_locks {
	const struct wh_build_spec *spec;
	struct wh_store *store;
	struct wh_progress *progress;
	struct lock *v;
	size_t n, cap;
};

struct wh_profile_locks *wh_profile_locks_new(const struct wh_build_spec *spec, struct wh_store *store, struct wh_progress *progress)
{
	struct wh_profile_locks *l = wh_calloc(1, sizeof(*l));

	l->spec = spec;
	l->store = store;
	l->progress = progress;
	return l;
}

void wh_profile_locks_free(struct wh_profile_locks *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].shown);
		json_decref(l->v[i].doc);
		json_decref(l->v[i].seen);
	}
	free(l->v);
	free(l);
}

/* ---------------------------------------------------------------- files */

/* Whoever wrote the context does not say which other files are read, or written. */
static int check_inside(const char *context, const char *path, const char *shown, struct wh_err **err)
{
	WH_AUTO_FREE char *top = realpath(context, NULL), *real = realpath(path, NULL), *dir = NULL;
	struct stat st;
	size_t n;

	if (!real && lstat(path, &st) == 0) /* a link to nothing */
		dir = NULL;
	else if (!real) {
		WH_AUTO_FREE char *parent = wh_strndup(path, (size_t)(strrchr(path, '/') - path));

		dir = realpath(parent, NULL);
		if (!dir)
			return wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "PROFILE --lock=%s: its directory", shown);
	} else {
		dir = wh_strdup(real);
	}
	n = top ? strlen(top) : 0;
	if (top && dir && strncmp(dir, top, n) == 0 && (!dir[n] || dir[n] == '/' || wh_streq(top, "/")))
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EXDEV, "PROFILE --lock=%s: a symbolic link leads out of the build context", shown);
	wh_err_hint(err, "--profile-lock FILE may be any file");
	return -EXDEV;
}

/* The file that a PROFILE is held to; *ret NULL: none. */
static int path_of(const struct wh_profile_locks *l, const struct wh_vertex *v, char **ret, const char **ret_shown, struct wh_err **err)
{
	const char *own = v->op.profile->lock;

	*ret = NULL;
	if (!own) {
		*ret = l->spec->profile_lock ? wh_strdup(l->spec->profile_lock) : NULL;
		*ret_shown = *ret;
		return 0;
	}
	*ret_shown = own;
	if (l->spec->context_kind == WH_CONTEXT_DIR) {
		*ret = wh_asprintf("%s/%s", l->spec->context, own);
		return check_inside(l->spec->context, *ret, own, err);
	}
	if (l->spec->profile_lock) {
		*ret = wh_strdup(l->spec->profile_lock);
		*ret_shown = *ret;
		return 0;
	}
	wh_err_set(err, "cli", WH_ERR_USAGE, ENOTSUP, "PROFILE --lock=%s: the build context is no directory of this machine", own);
	wh_err_hint(err, "--profile-lock FILE names a lock file that is");
	return -ENOTSUP;
}

static int open_lock(struct wh_profile_locks *l, char *path, const char *shown, struct lock **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *taken = path;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	json_t *doc = NULL;
	int r;

	for (size_t i = 0; i < l->n; i++)
		if (wh_streq(l->v[i].path, path)) {
			*ret = &l->v[i];
			return 0;
		}
	r = wh_read_file(AT_FDCWD, path, LOCK_MAX, &text);
	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the lock %s", shown);
	if (r == 0) {
		r = wh_profile_lock_read(text.n ? text.p : "", text.n, shown, &doc, err);
		if (r < 0)
			return r;
	}
	WH_PUSH(l->v, l->n, l->cap) =
		(struct lock){.path = WH_TAKE_PTR(taken), .shown = wh_strdup(shown), .doc = doc, .seen = json_object()};
	*ret = &l->v[l->n - 1];
	return 0;
}

/* ---------------------------------------------------------------- held against it */

static void add_need(struct wh_buf *out, const struct wh_need *n)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;

	wh_buf_addf(&line, "%-13s%s", wh_need_names[n->kind], n->text);
	if (n->example && !strstr(n->text, n->example))
		wh_buf_addf(&line, " (%s)", n->example);
	if (n->chain)
		wh_buf_addf(&line, " — %s", n->chain);
	if (n->when)
		wh_buf_addf(&line, ", %s%s", wh_has_prefix(n->when, "test ") ? "in " : "in phase ", n->when);
	wh_text_add_safe(out, line.p, line.n);
	wh_buf_addc(out, '\n');
}

static int refuse(const struct lock *k, const struct wh_need *const *fresh, size_t n, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	for (size_t i = 0; i < n && i < TOLD_MAX; i++)
		add_need(&text, fresh[i]);
	if (n > TOLD_MAX)
		wh_buf_addf(&text, "and %zu more\n", n - TOLD_MAX);
	wh_err_set(err, "cli", WH_ERR_GATE, EPERM, "the application needs what %s does not have: %zu %s", k->shown, n,
		   n == 1 ? "thing" : "things");
	wh_err_extent(err, "new");
	wh_err_detail(err, text.p);
	wh_err_hint(err, "where that is meant: build --update-lock, and review what changes in %s", k->shown);
	return -EPERM;
}

static int compare(const struct lock *k, const char *stage, const struct wh_needs *is, struct wh_err **err)
{
	const json_t *allowed = json_object_get(json_object_get(k->doc, "stages"), stage);
	WH_AUTO_FREE const struct wh_need **fresh = NULL;
	struct wh_needs may = {0};
	size_t n;
	int r;

	if (!allowed) {
		wh_err_set(err, "cli", WH_ERR_GATE, ENOENT, k->doc ? "the lock %s has nothing of \"%s\"" : "there is no lock %s for \"%s\"",
			   k->shown, stage);
		wh_err_hint(err, "build --update-lock writes what was seen now");
		return -ENOENT;
	}
	r = wh_needs_of_json(allowed, k->shown, &may, err);
	if (r < 0)
		return r;
	fresh = wh_needs_without(is, &may, &n);
	if (n)
		r = refuse(k, fresh, n, err);
	wh_needs_release(&may);
	return r;
}

/* Several PROFILEs of a stage need what any of them does. */
static void gather(struct lock *k, const char *stage, const struct wh_needs *is)
{
	json_t *all = json_object_get(k->seen, stage);
	WH_AUTO_JSON json_t *these = wh_needs_json(is);

	if (!all) {
		json_object_set(k->seen, stage, these);
		return;
	}
	for (size_t kind = 0; kind < WH_NEED_KINDS; kind++) {
		json_t *to = json_object_get(all, wh_need_names[kind]), *one, *other;
		const json_t *from = json_object_get(these, wh_need_names[kind]);
		size_t i, j;

		json_array_foreach (from, i, one) {
			bool there = false;

			json_array_foreach (to, j, other)
				there |= json_equal(one, other) != 0;
			if (!there)
				json_array_append(to, one);
		}
	}
}

int wh_profile_locks_judge(void *locks, const struct wh_vertex *v, const json_t *profile, const struct wh_layer *layers, size_t n_layers,
			   struct wh_err **err)
{
	struct wh_profile_locks *l = locks;
	const char *shown = NULL, *stage = v->place.stage ? v->place.stage : "";
	struct wh_needs is = {0};
	struct wh_tree *tree = NULL;
	struct lock *k = NULL;
	char *path = NULL;
	int r = path_of(l, v, &path, &shown, err);

	if (r < 0 || !path) {
		free(path);
		return r;
	}
	r = open_lock(l, path, shown, &k, err);
	if (r == 0)
		r = wh_tree_open(l->store, layers, n_layers, &tree, err);
	if (r == 0)
		r = wh_needs_make(&profile, 1, tree, &is, err);
	if (tree)
		wh_tree_close(tree);
	if (r == 0 && !l->spec->update_lock)
		r = compare(k, stage, &is, err);
	if (r == 0)
		gather(k, stage, &is);
	wh_needs_release(&is);
	return r;
}

/* ---------------------------------------------------------------- the end */

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static json_t *sorted(const json_t *needs)
{
	json_t *o = json_object();

	for (size_t k = 0; k < WH_NEED_KINDS; k++) {
		const json_t *list = json_object_get(needs, wh_need_names[k]);
		size_t n = json_array_size(list);
		WH_AUTO_FREE json_t **v = wh_calloc(n + 1, sizeof(json_t *));
		json_t *to = json_array();

		for (size_t i = 0; i < n; i++)
			v[i] = json_array_get(list, i);
		qsort(v, n, sizeof(json_t *), by_text);
		for (size_t i = 0; i < n; i++)
			json_array_append(to, v[i]);
		json_object_set_new(o, wh_need_names[k], to);
	}
	return o;
}

static int update(const struct wh_profile_locks *l, struct lock *k, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = k->doc ? json_deep_copy(k->doc) : json_pack("{s:s, s:{}}", "$schema", WH_LOCK_SCHEMA, "stages");
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	const char *stage;
	json_t *needs;

	json_object_foreach (k->seen, stage, needs)
		json_object_set_new(json_object_get(doc, "stages"), stage, sorted(needs));
	if (k->doc && json_equal(doc, k->doc))
		return 0;
	wh_profile_lock_dump(doc, &text);
	wh_progress_warn(l->progress, "the profile's lock %s was %s", k->shown, k->doc ? "changed" : "written");
	return wh_cli_write_file(k->path, text.p, text.n, "the profile's lock", err);
}

/* What is in the lock, and nobody needs. */
static void tell_gone(const struct wh_profile_locks *l, const struct lock *k)
{
	const char *stage;
	json_t *needs;

	json_object_foreach (k->seen, stage, needs) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_FREE const struct wh_need **gone = NULL;
		struct wh_needs may = {0}, is = {0};
		size_t n = 0;

		if (wh_needs_of_json(json_object_get(json_object_get(k->doc, "stages"), stage), k->shown, &may, NULL) < 0)
			continue;
		if (wh_needs_of_json(needs, k->shown, &is, NULL) == 0)
			gone = wh_needs_without(&may, &is, &n);
		for (size_t i = 0; i < n && i < 5; i++)
			wh_buf_addf(&text, "%s%s %s", i ? ", " : "", wh_need_names[gone[i]->kind], gone[i]->text);
		if (n > 5)
			wh_buf_addf(&text, " and %zu more", n - 5);
		if (n)
			wh_progress_warn(l->progress, "%s allows \"%s\" what it did not need: %s; --update-lock takes it out", k->shown,
					   stage, text.p);
		wh_needs_release(&may);
		wh_needs_release(&is);
	}
}

int wh_profile_locks_check(const struct wh_profile_locks *l, struct wh_err **err)
{
	if (!l->spec->update_lock || l->n)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--update-lock: no PROFILE of this build has a lock");
	wh_err_hint(err, "PROFILE --lock=FILE, or --profile-lock FILE, says where it is");
	return -EINVAL;
}

int wh_profile_locks_end(struct wh_profile_locks *l, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++) {
		if (l->spec->update_lock)
			r = update(l, &l->v[i], err);
		else
			tell_gone(l, &l->v[i]);
	}
	return r;
}
