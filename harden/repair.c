/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run on the pruned tree looked for in vain, and the full tree has: it is put back, with the links on the way to
 * it. What that needs comes when the keep set is decided anew. Shells stay away, and so does what --drop names.
 */
#include "harden/chains.h"
#include "harden/keep_private.h"

#include <errno.h>

void wh_repairs_release(struct wh_repairs *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].path);
		free(r->v[i].program);
		free(r->v[i].script);
		free(r->v[i].phase);
		free(r->v[i].test);
		free(r->v[i].withheld);
	}
	free(r->v);
	*r = (struct wh_repairs){0};
}

struct lacking {
	struct wh_unforeseen u;
	UT_hash_handle hh;
};

struct repairs {
	struct wh_tree *full, *pruned;
	struct lacking *found;
};

static void note(struct repairs *x, const char *path, const struct wh_chain *w, const struct wh_mark_of *when,
		 unsigned access)
{
	struct wh_node_ref n;
	struct lacking *l;

	if (wh_tree_lookup(x->pruned, path, &n) != -ENOENT || wh_tree_lookup(x->full, path, &n) != 0)
		return;
	HASH_FIND_STR(x->found, path, l);
	if (!l) {
		l = wh_calloc(1, sizeof(*l));
		l->u = (struct wh_unforeseen){
			.path = wh_strdup(path),
			.program = wh_strdup(w->program),
			.script = wh_strdup(w->script),
			.phase = wh_strdup(when->phase),
			.test = wh_strdup(when->test),
		};
		HASH_ADD_KEYPTR(hh, x->found, l->u.path, strlen(l->u.path), l);
	}
	l->u.access |= access;
}

/* What stands there in the full tree, and the links on the way to it. */
static int on_record(void *arg, struct wh_chain *w, const struct wh_mark_of *when, const struct wh_obs *o)
{
	struct repairs *x = arg;
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *path = NULL;
	struct wh_node_ref n;

	if (o->kind != WH_OBS_MISSING)
		return 0;
	if (wh_walk(x->full, wh_rel(o->path), true, &links, &path, &n) == 0) /* executed is what was named */
		note(x, path, w, when, wh_streq(path, wh_rel(o->path)) ? o->access : o->access & ~WH_ACCESS_EXEC);
	else
		wh_strv_release(&links);
	note(x, wh_rel(o->path), w, when, o->access); /* a link that leads nowhere is something, too */
	for (size_t i = 0; i < links.n; i++)
		note(x, links.v[i], w, when, WH_ACCESS_LINK);
	return 0;
}

static int by_path(struct lacking *a, struct lacking *b)
{
	return strcmp(a->u.path, b->u.path);
}

static void take(struct repairs *x, struct wh_repairs *ret)
{
	size_t n = HASH_COUNT(x->found);
	struct lacking *l, *next;

	HASH_SORT(x->found, by_path);
	ret->v = wh_calloc(n + 1, sizeof(*ret->v));
	HASH_ITER (hh, x->found, l, next) {
		ret->v[ret->n++] = l->u;
		HASH_DEL(x->found, l);
		free(l);
	}
}

static int withhold(struct wh_tree *full, const struct wh_prune_opts *o, struct wh_repairs *all, struct wh_err **err)
{
	WH_CLEANUP(wh_shells_freep) struct wh_shells *shells = NULL;
	WH_CLEANUP(wh_globs_release) struct wh_globs drop = {0};
	int r = all->n ? wh_globs_open(&drop, full, "--drop", o->drop, err) : 0;

	if (r == 0 && all->n && !o->keep_shell)
		r = wh_shells_open(full, &shells, err);
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		struct wh_unforeseen *u = &all->v[i];
		const char *word = wh_globs_word(&drop, u->path);

		if (shells && wh_shells_kind(shells, full, u->path) != WH_SHELL_NONE) {
			u->withheld = wh_strdup("a shell");
			u->is_shell = true;
		} else if (word) {
			u->withheld = wh_asprintf("--drop=%s", word);
		}
	}
	return r;
}

int wh_repairs_find(struct wh_tree *full, struct wh_tree *pruned, const struct wh_prune_opts *o,
		    const struct wh_obs_log *logs, size_t n, struct wh_repairs *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_chains_release) struct wh_chains chains;
	struct repairs x = {.full = full, .pruned = pruned};
	struct wh_repairs all = {0};
	int r = 0;

	wh_chains_init(&chains);
	/* Also a run that was cut short says what it missed. */
	for (size_t i = 0; r == 0 && i < n; i++)
		r = wh_chains_read(&chains, &logs[i], on_record, &x, err);
	take(&x, &all);
	if (r == 0)
		r = withhold(full, o, &all, err);
	if (r < 0) {
		wh_repairs_release(&all);
		return r;
	}
	*ret = all;
	return 0;
}

json_t *wh_unforeseen_json(const struct wh_unforeseen *u)
{
	json_t *o = json_pack("{s:o, s:o, s:o}", "path", wh_path_json(u->path), "phase", wh_text_json(u->phase), "test",
			      wh_text_json(u->test));

	if (u->program)
		json_object_set_new(o, "by",
				    json_pack("{s:o, s:o}", "program", wh_path_json(u->program), "script",
					      wh_text_json(u->script)));
	return o;
}
