/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which directories must be writable when the root is not.
 *
 *   paths written, made, changed or removed ──▶ the directory that this takes ──▶ one that the image has ──▶ none below another
 *
 * A file of the image's that is itself written takes its directory, with its content. What lies in a volume takes the volume.
 */
#include "harden/runtime_private.h"
#include "harden/tree.h"

#include <errno.h>
#include <uthash.h>

#define SEEN_MAX 5

struct place {
	char *path;
	struct wh_strv seen;
	const char *kind; /* "volume", "mount"; NULL: the path tells */
	UT_hash_handle hh;
};

struct writable {
	const struct wh_privileges_opts *o;
	struct place *places;
	bool root; /* "/" itself was written */
};

static void release(struct writable *w)
{
	struct place *p, *next;

	HASH_ITER (hh, w->places, p, next) {
		HASH_DEL(w->places, p);
		free(p->path);
		wh_strv_release(&p->seen);
		free(p);
	}
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

/* Made by whoever runs the container, and writable or not by other rules. */
static bool is_the_kernels(const char *path)
{
	return below(path, "proc") || below(path, "sys") || below(path, "dev");
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return wh_strndup(path, slash ? (size_t)(slash - path) : 0);
}

/* dir as the image has it, when path lies in it; else NULL. */
static char *if_in(const struct writable *w, const char *dir, const char *path)
{
	WH_AUTO_FREE char *clean = wh_path_abs_in("/", dir);
	char *canonical = NULL;

	if (wh_tree_resolve(w->o->tree, clean + 1, true, true, &canonical, NULL) == 0 && *canonical && below(path, canonical))
		return canonical;
	free(canonical);
	return NULL;
}

/* The volume, or what was mounted in the tests, that a path lies in; NULL: none. */
static char *volume_of(const struct writable *w, const char *path, const char **ret_kind)
{
	json_t *volumes = json_object_get(w->o->config, "Volumes"), *value;
	char *found = NULL;
	const char *name;

	*ret_kind = "volume";
	json_object_foreach (volumes, name, value)
		if (!found)
			found = if_in(w, name, path);
	if (!found)
		*ret_kind = "mount";
	for (const char *const *share = w->o->shares; share && *share && !found; share++)
		found = if_in(w, *share, path);
	return found;
}

/* The nearest directory that the image has. */
static char *existing(const struct writable *w, char *dir)
{
	struct wh_node_ref n;

	while (*dir && (wh_tree_lookup(w->o->tree, dir, &n) < 0 || n.e.type != WH_T_DIR)) {
		char *up = parent_of(dir);

		free(dir);
		dir = up;
	}
	return dir;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '[' || c == ']';
}

/*
 * Names that mkstemp(3) and its like make differ in every run: "/tmp/x.Yq3MOz" is told as "/tmp/x.*", so that two runs are one text. Such is a last part
 * of six characters or more, with digits among letters ("[n]"), or capitals behind small letters and the other way round.
 */
static char *steady(const char *path)
{
	const char *end = path + strlen(path), *p = end;
	bool small = false, capital_behind = false, small_behind = false, capital = false, digit = false, letter = false;

	while (p > path && is_word(p[-1]))
		p--;
	for (const char *c = p; *c; c++) {
		if (strncmp(c, "[n]", 3) == 0) {
			digit = true;
			c += 2;
			continue;
		}
		digit |= *c >= '0' && *c <= '9';
		small_behind |= *c >= 'a' && *c <= 'z' && capital;
		capital_behind |= *c >= 'A' && *c <= 'Z' && small;
		small |= *c >= 'a' && *c <= 'z';
		capital |= *c >= 'A' && *c <= 'Z';
		letter = small || capital;
	}
	/* "db1" and "[n]" tell something; a name that is nothing but a word, too. */
	if (end - p < 6 || p == path || p[-1] == '/' || !((digit && letter) || (capital_behind && small_behind)))
		return wh_strdup(path);
	return wh_asprintf("%.*s*", (int)(p - path), path);
}

static void add(struct writable *w, char *dir, const char *path, const char *kind)
{
	WH_AUTO_FREE char *seen = steady(path);
	struct place *p;

	HASH_FIND_STR(w->places, dir, p);
	if (!p) {
		p = wh_calloc(1, sizeof(*p));
		p->path = dir;
		p->kind = kind;
		HASH_ADD_KEYPTR(hh, w->places, p->path, strlen(p->path), p);
	} else {
		free(dir);
	}
	if (p->seen.n < SEEN_MAX && !wh_strv_has(&p->seen, seen))
		wh_strv_add(&p->seen, seen);
}

static void written(struct writable *w, const char *path, const char *access)
{
	struct wh_node_ref n;
	bool there = wh_tree_lookup(w->o->tree, path, &n) == 0, dir = there && n.e.type == WH_T_DIR;
	const char *kind;
	char *volume, *place;

	/* Devices, sockets and pipes are written to on a read-only root, too. */
	if (there && !dir && n.e.type != WH_T_FILE && n.e.type != WH_T_SYMLINK)
		return;
	volume = volume_of(w, path, &kind);
	if (volume) {
		add(w, volume, path, kind);
		return;
	}
	place = existing(w, dir && !strchr(access, 'd') ? wh_strdup(path) : parent_of(path));
	if (!*place) {
		w->root = true;
		free(place);
		return;
	}
	add(w, place, path, NULL);
}

static void collect(struct writable *w, const json_t *profile, const char *list)
{
	const json_t *all = json_object_get(profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *text = wh_json_str(one, "path"), *access = wh_json_str(one, "access");
		WH_AUTO_FREE char *path = text ? wh_path_of_json(text) : NULL;

		if (path && *path && access && strpbrk(access, "wcdm") && !is_the_kernels(path))
			written(w, path, access);
	}
}

/* Those that lie in another go into that. */
static void thin_out(struct writable *w)
{
	struct place *p, *next;

	HASH_ITER (hh, w->places, p, next) {
		struct place *above = NULL;

		for (struct place *q = w->places; q && !above; q = q->hh.next)
			if (q != p && below(p->path, q->path))
				above = q;
		if (!above)
			continue;
		for (size_t i = 0; i < p->seen.n && above->seen.n < SEEN_MAX; i++)
			wh_strv_add(&above->seen, p->seen.v[i]);
		HASH_DEL(w->places, p);
		free(p->path);
		wh_strv_release(&p->seen);
		free(p);
	}
}

/* ---------------------------------------------------------------- content */

static int find_file(void *arg, const struct wh_node_ref *n)
{
	bool *found = arg;

	*found |= n->e.type != WH_T_DIR;
	return *found ? -ECANCELED : 0;
}

/* Did the run use a directory of the image's below it? */
static bool uses_below(const struct wh_privileges_opts *o, const char *dir)
{
	for (size_t p = 0; p < o->n_profiles; p++) {
		const json_t *list = json_object_get(o->profiles[p], "used"), *one;
		size_t i;

		json_array_foreach (list, i, one) {
			const char *text = wh_json_str(one, "path");
			WH_AUTO_FREE char *path = text ? wh_path_of_json(text) : NULL;

			if (path && below(path, dir) && path[strlen(dir)])
				return true;
		}
	}
	return false;
}

static bool has_content(const struct wh_privileges_opts *o, const char *dir)
{
	bool file = false;

	wh_tree_walk(o->tree, dir, find_file, &file);
	return file || uses_below(o, dir);
}

static int by_path(struct place *a, struct place *b)
{
	return strcmp(a->path, b->path);
}

static json_t *absolute(const char *path)
{
	WH_AUTO_FREE char *p = wh_asprintf("/%s", path);

	return wh_path_json(p);
}

/* By the Filesystem Hierarchy Standard: what need not outlive the container. All else may be the application's data. */
static bool is_temporary(const char *path)
{
	static const char *const places[] = {"tmp", "run", "var/tmp", "var/run", "var/lock", "var/cache", NULL};

	for (const char *const *p = places; *p; p++)
		if (below(path, *p))
			return true;
	return false;
}

static json_t *place_json(const struct wh_privileges_opts *o, struct place *p)
{
	struct wh_node_ref n;
	bool there = wh_tree_lookup(o->tree, p->path, &n) == 0;
	char mode[8];
	json_t *seen = json_array();

	snprintf(mode, sizeof(mode), "%04o", there ? n.e.mode & 07777 : 0755);
	wh_strv_sort(&p->seen);
	for (size_t i = 0; i < p->seen.n; i++)
		json_array_append_new(seen, absolute(p->seen.v[i]));
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:b, s:o}", "path", absolute(p->path), "kind",
			 p->kind                 ? p->kind
			 : is_temporary(p->path) ? "temporary"
						 : "data",
			 "mode", mode, "uid", (json_int_t)(there ? n.e.uid : 0), "gid", (json_int_t)(there ? n.e.gid : 0), "content",
			 has_content(o, p->path), "seen", seen);
}

int wh_runtime_writable(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err)
{
	struct writable w = {.o = o};
	json_t *list = json_array();

	(void)err;
	for (size_t i = 0; i < o->n_profiles; i++) {
		/* "[n]" for numbers: names differ between runs, directories hardly. */
		WH_AUTO_JSON json_t *same = wh_profile_canonical(o->profiles[i]);

		collect(&w, same, "used");
		collect(&w, same, "created");
	}
	thin_out(&w);
	HASH_SORT(w.places, by_path);
	for (struct place *p = w.places; p; p = p->hh.next)
		json_array_append_new(list, place_json(o, p));
	json_object_set_new(doc, "readOnlyRoot", json_boolean(!w.root));
	json_object_set_new(doc, "writable", list);
	release(&w);
	return 0;
}
