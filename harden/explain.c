/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prune report and the profiles beside it, made ready to be asked. They come with an image, from anywhere: whatever
 * is not as harden.h has it ends the reading, and nothing is followed that does not lead back to a list of ours.
 */
#include "harden/explain_private.h"

#include <errno.h>

#define MAX_PATH_BYTES 4096
#define MAX_GONE_BYTES ((size_t)256 << 20) /* all paths that went, spelt out */

static int damaged(struct wh_err **err, const char *what)
{
	return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG,
			  "the image's prune report is damaged, or of another version: %s", what);
}

static char *arena_path(struct wh_explained *x, const char *told)
{
	WH_AUTO_FREE char *path = wh_path_of_json(told);

	return wh_arena_strdup(x->a, path);
}

/* ---------------------------------------------------------------- lists of the report */

static void add_item(struct wh_explained *x, struct wh_ex_item **list, const char *told, const json_t *o)
{
	char *path = arena_path(x, told);
	struct wh_ex_item *i;

	HASH_FIND_STR(*list, path, i);
	if (i)
		return;
	i = wh_arena_alloc(x->a, sizeof(*i));
	*i = (struct wh_ex_item){.path = path, .o = o};
	HASH_ADD_KEYPTR(hh, *list, i->path, strlen(i->path), i);
}

/* Strings, or objects with a "path" and what else must be there. */
static int read_list(struct wh_explained *x, const char *name, const char *also, struct wh_ex_item **ret,
		     struct wh_err **err)
{
	const json_t *list = json_object_get(x->report, name);

	if (list && !json_is_array(list))
		return damaged(err, name);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *told = json_is_string(o) ? json_string_value(o) : wh_json_str(o, "path");

		if (!told || (also && !wh_json_str(o, also)) || strlen(told) > MAX_PATH_BYTES)
			return damaged(err, name);
		add_item(x, ret, told, o);
	}
	return 0;
}

const json_t *wh_ex_item_of(struct wh_ex_item *list, const char *path)
{
	struct wh_ex_item *i;

	HASH_FIND_STR(list, path, i);
	return i ? i->o : NULL;
}

/* ---------------------------------------------------------------- what went */

static int add_gone(struct wh_explained *x, struct wh_buf *path, const char *key, const json_t *node, unsigned depth,
		    struct wh_err **err)
{
	union {
		const json_t *c;
		json_t *j;
	} u = {node};
	const json_t *link = json_is_array(node) ? json_array_get(node, 0) : NULL;
	const json_t *owner = json_is_array(node) ? json_array_get(node, 1) : node;
	size_t had = path->n;
	json_t *sub;
	int r = 0;

	if (*key) {
		WH_AUTO_FREE char *name = wh_path_of_json(key);

		wh_buf_addf(path, "%s%s", had ? "/" : "", name);
		if (strchr(name, '/') || !*name)
			return damaged(err, "removed_tree");
	}
	x->gone_bytes += path->n;
	if (depth > WH_REMOVED_DEPTH || path->n > MAX_PATH_BYTES || x->gone_bytes > MAX_GONE_BYTES ||
	    (link && (!json_is_string(link) || json_string_length(link) > MAX_PATH_BYTES)) ||
	    (!json_is_object(node) && !json_is_string(owner) && !json_is_true(owner)))
		return damaged(err, "removed_tree");
	if (*key)
		WH_PUSH(x->gone, x->n_gone, x->cap_gone) =
			(struct wh_ex_gone){.path = wh_arena_strdup(x->a, path->p),
					    .owner = json_string_value(owner),
					    .link = link ? arena_path(x, json_string_value(link)) : NULL,
					    .dir = json_is_object(node)};
	if (json_is_object(node))
		json_object_foreach (u.j, key, sub) {
			r = *key ? add_gone(x, path, key, sub, depth + 1, err) : damaged(err, "removed_tree");
			if (r < 0)
				break;
		}
	path->n = had;
	if (path->p)
		path->p[had] = '\0';
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct wh_ex_gone *)a)->path, ((const struct wh_ex_gone *)b)->path);
}

const struct wh_ex_gone *wh_ex_gone_at(const struct wh_explained *x, const char *path)
{
	union {
		const char *c;
		char *p;
	} u = {path};
	const struct wh_ex_gone key = {.path = u.p};

	return x->n_gone ? bsearch(&key, x->gone, x->n_gone, sizeof(key), by_path) : NULL;
}

/* ---------------------------------------------------------------- profiles */

static int read_processes(struct wh_explained *x, const json_t *list, struct wh_ex_profile *p, struct wh_err **err)
{
	if (!json_is_array(list))
		return damaged(err, "processes");
	p->n = json_array_size(list);
	p->v = wh_arena_alloc(x->a, (p->n + 1) * sizeof(*p->v));
	for (size_t i = 0; i < p->n; i++) {
		const json_t *o = json_array_get(list, i);
		const char *name = wh_json_str(o, "name"), *program = wh_json_str(o, "program"),
			   *script = wh_json_str(o, "script");
		int64_t parent = wh_json_int(o, "parent", -1);

		if (!name || !program || parent < -1 || parent >= (int64_t)i)
			return damaged(err, "processes");
		p->v[i] = (struct wh_chain){
			.name = arena_path(x, name),
			.program = arena_path(x, program),
			.script = script ? arena_path(x, script) : NULL,
			.parent = parent < 0 ? NULL : &p->v[parent],
			.index = i,
		};
	}
	return 0;
}

static int read_seen(struct wh_explained *x, size_t profile, enum wh_ex_list which, const json_t *list,
		     struct wh_err **err)
{
	if (!json_is_array(list))
		return damaged(err, "what a profile saw");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *told = wh_json_str(o, "path");
		struct wh_ex_use *u = wh_arena_alloc(x->a, sizeof(*u));
		struct wh_ex_seen *s;
		char *path;

		if (!told || strlen(told) > MAX_PATH_BYTES)
			return damaged(err, "what a profile saw");
		path = arena_path(x, told);
		HASH_FIND_STR(x->seen, path, s);
		if (!s) {
			s = wh_arena_alloc(x->a, sizeof(*s));
			*s = (struct wh_ex_seen){.path = path};
			HASH_ADD_KEYPTR(hh, x->seen, s->path, strlen(s->path), s);
		}
		*u = (struct wh_ex_use){.profile = profile, .list = which, .o = o};
		if (s->last)
			s->last->next = u;
		else
			s->first = u;
		s->last = u;
	}
	return 0;
}

static int read_profile(struct wh_explained *x, size_t i, const json_t *doc, struct wh_err **err)
{
	static const char *const keys[] = {
		[WH_EX_USED] = "used", [WH_EX_CREATED] = "created", [WH_EX_MISSING] = "missing"};
	int r;

	x->profiles[i] = (struct wh_ex_profile){.marks = json_object_get(doc, "marks")};
	r = read_processes(x, json_object_get(doc, "processes"), &x->profiles[i], err);
	for (size_t k = 0; r == 0 && k < WH_ARRAY_SIZE(keys); k++)
		r = read_seen(x, i, (enum wh_ex_list)k, json_object_get(doc, keys[k]), err);
	return r;
}

/* Those of the image's PROFILEs, then those that the build was given. */
static int read_profiles(struct wh_explained *x, struct wh_err **err)
{
	const json_t *list = json_object_get(x->predicate, "profiles"),
		     *given = json_object_get(x->report, "profiles_in");
	size_t n;
	int r = 0;

	if ((list && !json_is_array(list)) || (given && !json_is_array(given)))
		return damaged(err, "profiles");
	x->n_own = json_array_size(list);
	n = x->n_own + json_array_size(given);
	x->profiles = wh_arena_alloc(x->a, (n + 1) * sizeof(*x->profiles));
	for (; r == 0 && x->n_profiles < n; x->n_profiles++) {
		size_t i = x->n_profiles;
		const json_t *doc = i < x->n_own ? json_object_get(json_array_get(list, i), "document")
						 : json_array_get(given, i - x->n_own);

		r = read_profile(x, i, doc, err);
	}
	return r;
}

struct wh_ex_seen *wh_ex_seen_at(const struct wh_explained *x, const char *path)
{
	struct wh_ex_seen *s;

	HASH_FIND_STR(x->seen, path, s);
	return s;
}

/* ---------------------------------------------------------------- packages */

struct wh_ex_package *wh_ex_package_of(struct wh_explained *x, const char *owner)
{
	struct wh_ex_package *p;

	HASH_FIND_STR(x->packages, owner, p);
	if (p)
		return p;
	p = wh_arena_alloc(x->a, sizeof(*p));
	*p = (struct wh_ex_package){.owner = wh_arena_strdup(x->a, owner)};
	HASH_ADD_KEYPTR(hh, x->packages, p->owner, strlen(p->owner), p);
	return p;
}

/* "name:arch" as dpkg's files are called. */
static void read_states(struct wh_explained *x, const char *list, const char *state)
{
	const json_t *a = json_object_get(json_object_get(x->report, "packages"), list);

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *told = json_string_value(json_array_get(a, i));
		WH_AUTO_FREE char *name = told ? wh_strndup(told, strcspn(told, ":")) : NULL;

		if (name && *name)
			wh_ex_package_of(x, name)->state = state;
	}
}

static void read_versions(struct wh_explained *x)
{
	const json_t *list = json_object_get(json_object_get(x->predicate, "sbomBefore"), "packages");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *name = wh_json_str(o, "name"), *version = wh_json_str(o, "versionInfo"), *purl;
		struct wh_ex_package *p;

		purl = wh_json_str(json_array_get(json_object_get(o, "externalRefs"), 0), "referenceLocator");
		if (!name || !version || !purl || !wh_has_prefix(purl, "pkg:deb/"))
			continue;
		HASH_FIND_STR(x->packages, name, p);
		if (p && !p->version)
			p->version = wh_arena_strdup(x->a, version);
	}
}

static int count_kept(void *arg, const struct wh_node_ref *n)
{
	struct wh_explained *x = arg;
	struct wh_ex_package *p;
	const char *owner;

	if (n->e.type == WH_T_DIR)
		return 0;
	owner = wh_json_str(wh_ex_item_of(x->kept, n->e.path), "package");
	p = wh_ex_package_of(x, owner ? owner : "");
	p->kept++;
	p->kept_bytes += n->e.type == WH_T_FILE && !n->e.link ? n->e.size : 0;
	return 0;
}

static int read_packages(struct wh_explained *x, struct wh_err **err)
{
	const json_t *sizes = json_object_get(x->report, "removed_packages");
	int r = wh_tree_walk(x->t, "", count_kept, x);

	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	for (size_t i = 0; i < x->n_gone; i++)
		if (!x->gone[i].dir)
			wh_ex_package_of(x, x->gone[i].owner ? x->gone[i].owner : "")->removed++;
	read_states(x, "kept", "kept");
	read_states(x, "partial", "partial");
	read_states(x, "removed", "removed");
	read_versions(x);
	for (struct wh_ex_package *p = x->packages; p; p = p->hh.next) {
		const json_t *o = json_object_get(sizes, p->owner);
		int64_t bytes = wh_json_int(o, "bytes", -1);

		p->bytes_known = bytes >= 0;
		p->removed_bytes = bytes >= 0 ? (uint64_t)bytes : 0;
		if (!p->removed && !json_is_object(o))
			p->bytes_known = true;
		if (!p->state)
			p->state = !p->removed ? "kept" : p->kept ? "partial" : "removed";
	}
	return 0;
}

/* ---------------------------------------------------------------- all of it */

int wh_explained_open(const json_t *predicate, struct wh_tree *pruned, struct wh_explained **ret, struct wh_err **err)
{
	struct wh_explained *x = wh_calloc(1, sizeof(*x));
	WH_AUTO_BUF struct wh_buf path = WH_BUF_INIT;
	union {
		const json_t *c;
		json_t *j;
	} u = {predicate};
	int r;

	x->a = wh_arena_new();
	x->t = pruned;
	x->predicate = json_incref(u.j);
	x->report = json_object_get(predicate, "report");
	x->owners_known = json_is_object(json_object_get(x->report, "removed_packages"));
	r = json_is_array(json_object_get(x->report, "kept")) ? 0 : damaged(err, "kept");
	if (r == 0 && !json_is_object(json_object_get(x->report, "removed_tree")))
		r = damaged(err, "removed_tree");
	if (r == 0)
		r = read_list(x, "kept", "rule", &x->kept, err);
	if (r == 0)
		r = read_list(x, "unforeseen", NULL, &x->unforeseen, err);
	if (r == 0)
		r = read_list(x, "lacking", NULL, &x->lacking, err);
	if (r == 0)
		r = read_list(x, "shells_removed", NULL, &x->shells, err);
	if (r == 0)
		r = add_gone(x, &path, "", json_object_get(x->report, "removed_tree"), 0, err);
	if (r == 0) {
		size_t n = 0;

		/* Directories are told when something below them went: most of them stayed. */
		for (size_t i = 0; i < x->n_gone; i++) {
			struct wh_node_ref ref;

			if (wh_tree_lookup(pruned, x->gone[i].path, &ref) < 0)
				x->gone[n++] = x->gone[i];
		}
		x->n_gone = n;
		if (n)
			qsort(x->gone, n, sizeof(*x->gone), by_path);
		r = read_profiles(x, err);
	}
	if (r == 0)
		r = read_packages(x, err);
	if (r < 0) {
		wh_explained_close(x);
		return r;
	}
	*ret = x;
	return 0;
}

void wh_explained_close(struct wh_explained *x)
{
	HASH_CLEAR(hh, x->kept);
	HASH_CLEAR(hh, x->unforeseen);
	HASH_CLEAR(hh, x->lacking);
	HASH_CLEAR(hh, x->shells);
	HASH_CLEAR(hh, x->seen);
	HASH_CLEAR(hh, x->packages);
	free(x->gone);
	json_decref(x->predicate);
	wh_arena_freep(&x->a);
	free(x);
}
