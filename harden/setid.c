/* SPDX-License-Identifier: Apache-2.0 */
/* --setuid=GLOB: set-user-id and set-group-id bits go from all files but those that are named. */
#include "harden/keep_private.h"

#include <errno.h>

struct naming {
	struct wh_tree *t;
	const struct wh_globs *g;
	struct wh_strv *found;
	bool *hit; /* a word: did it name a file that has such bits? */
};

static bool has_bits(const struct wh_node_ref *n)
{
	return n->e.type == WH_T_FILE && (n->e.mode & 06000);
}

static void add(struct naming *x, const char *path, size_t word)
{
	if (!wh_strv_has(x->found, path))
		wh_strv_add(x->found, path);
	if (word < x->g->words.n)
		x->hit[word] = true;
}

static size_t index_of(const struct wh_strv *l, const char *word)
{
	size_t i = 0;

	while (i < l->n && l->v[i] != word)
		i++;
	return i;
}

/* A link that is named (sudoedit) stands for what it leads to. */
static int match(void *arg, const struct wh_node_ref *n)
{
	struct naming *x = arg;
	const char *word = n->e.type == WH_T_FILE || n->e.type == WH_T_SYMLINK ? wh_globs_word(x->g, n->e.path) : NULL;
	WH_AUTO_FREE char *canonical = NULL, *path = NULL;
	struct wh_node_ref to;

	if (!word)
		return 0;
	if (has_bits(n)) {
		add(x, n->e.path, index_of(&x->g->words, word));
		return 0;
	}
	path = n->e.type == WH_T_SYMLINK ? wh_strdup(n->e.path) : NULL;
	if (path && wh_walk(x->t, path, true, NULL, &canonical, &to) == 0 && has_bits(&to))
		add(x, canonical, index_of(&x->g->words, word));
	return 0;
}

int wh_setid_named(struct wh_tree *t, const char *const *globs, struct wh_strv *ret, struct wh_err **err)
{
	int r = 0;

	/* One by one: each has to name something, also what another names as well. */
	for (size_t i = 0; r == 0 && globs && globs[i]; i++) {
		WH_CLEANUP(wh_globs_release) struct wh_globs g = {0};
		bool hit = false;
		struct naming x = {.t = t, .g = &g, .found = ret, .hit = &hit};

		r = wh_globs_open(&g, t, "--setuid", (const char *const[]){globs[i], NULL}, err);
		if (r == 0 && wh_tree_walk(t, "", match, &x) < 0)
			return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");
		if (r == 0 && !hit) {
			r = wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, ENOENT,
				       "--setuid=%s names no file with a set-user-id or set-group-id bit", globs[i]);
			wh_err_hint(err, "patterns are absolute paths; `find / -perm /6000` lists such files");
		}
	}
	wh_strv_sort(ret);
	return r;
}
