/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which entries a COPY takes. A source is a path with wildcards: each match is
 * one pick, with what lies below it. --parents makes the part behind "/./" an
 * include pattern of the part before; --exclude patterns count from the pick.
 * A directory that is not selected itself comes along, lazily, with the first
 * thing below it that is.
 */
#include "builder/fileop_private.h"

#include <errno.h>

static void pick_add(struct pick *p, const char *rel, const struct node *n, bool lazy)
{
	WH_PUSH(p->items, p->n, p->cap) = (struct item){.rel = rel, .n = *n, .lazy = lazy};
}

void pick_release(struct pick *p)
{
	free(p->items);
	p->items = NULL;
	p->n = p->cap = 0;
}

/* ---------------------------------------------------------------- walking one pick */

struct frame {
	struct node n;
	const char *rel;
	bool take, through, added;
};

struct walk {
	struct view *view;
	struct pick *pick;
	size_t strip; /* of the paths of the view, to make them relative */
	const struct wh_patterns *include, *exclude;
	const char *pattern; /* the text of include */
	bool exact;          /* pattern is a path, and include NULL: that path, and what is below it */
	struct frame *frames;
	size_t n, cap;
};

static void walk_release(struct walk *w)
{
	free(w->frames);
}

/* The directories that lead here: lazily those that were not selected; of a context all that it has. */
static void add_frames(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct frame *f = &w->frames[i];

		if (!f->added)
			pick_add(w->pick, f->rel, &f->n, !f->take);
		f->added = true;
	}
}

/* Component by component, up to the first "**". */
bool pattern_may_hold(const char *pattern, const char *rel)
{
	for (;;) {
		size_t pn = strcspn(pattern, "/"), rn = strcspn(rel, "/");
		WH_AUTO_FREE char *p = wh_strndup(pattern, pn), *r = wh_strndup(rel, rn);

		if (strstr(p, "**"))
			return true;
		if (!*p || wh_glob_match(p, r) != 1)
			return false;
		if (!rel[rn])
			return true;
		pattern += pn + (pattern[pn] == '/');
		rel += rn + 1;
	}
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool includes(const struct walk *w, const char *rel)
{
	if (w->exact)
		return strcmp(rel, w->pattern) == 0 || below(rel, w->pattern);
	return !w->include || wh_patterns_excluded(w->include, rel);
}

static bool leads_to(const struct walk *w, const char *rel)
{
	return w->exact ? below(w->pattern, rel) : pattern_may_hold(w->pattern, rel);
}

static int walk_one(void *arg, const struct node *n, struct wh_err **err)
{
	struct walk *w = arg;
	const char *rel = n->path + w->strip;
	bool in, out, take;
	struct node kept;
	int r;

	while (w->n && !below(rel, w->frames[w->n - 1].rel))
		w->n--;
	in = includes(w, rel);
	out = w->exclude && wh_patterns_excluded(w->exclude, rel);
	take = in && !out;
	if (n->type != WH_T_DIR) {
		if (!take)
			return 0;
		r = view_keep(w->view, n, &kept, err);
		if (r)
			return r;
		add_frames(w);
		pick_add(w->pick, kept.path + w->strip, &kept, false);
		return 0;
	}
	if (!take && ((out && wh_patterns_prunable(w->exclude, rel)) || (!in && !leads_to(w, rel))))
		return 1;
	r = view_keep(w->view, n, &kept, err);
	if (r)
		return r;
	WH_PUSH(w->frames, w->n, w->cap) = (struct frame){
		.n = kept,
		.rel = kept.path + w->strip,
		.take = take,
		.through = n->through,
	};
	if (take && !n->through)
		add_frames(w);
	return 0;
}

/* ---------------------------------------------------------------- hard links */

struct name {
	size_t layer;
	uint64_t dev, ino;
	const char *first; /* trees */
	size_t item;       /* of the first of them, + 1 */
};

static int by_inode(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

static int by_first(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int r;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	r = strcmp(x->first, y->first);
	return r ? r : (x->item > y->item) - (x->item < y->item);
}

/* A file of a tree that is the first of its names says nothing about the others: once a link is seen, all take part. */
static void find_peers(struct pick *p, bool tree)
{
	WH_AUTO_FREE struct name *names = NULL;
	size_t n = 0, cap = 0;
	bool any = false;

	for (size_t i = 0; i < p->n && !any; i++)
		any = p->items[i].n.linked;
	if (!any)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct node *f = &p->items[i].n;

		if (f->type == WH_T_FILE && (tree || f->linked))
			WH_PUSH(names, n, cap) = (struct name){
				.layer = f->layer,
				.dev = f->dev,
				.ino = f->ino,
				.first = f->first ? f->first : f->path,
				.item = i + 1,
			};
	}
	qsort(names, n, sizeof(*names), tree ? by_first : by_inode);
	for (size_t i = 1, start = 0; i < n; i++) {
		const struct name *a = &names[start], *b = &names[i];
		bool same = tree ? a->layer == b->layer && strcmp(a->first, b->first) == 0
				 : a->dev == b->dev && a->ino == b->ino;

		if (same)
			p->items[a->item - 1].peer = p->items[b->item - 1].peer = a->item;
		else
			start = i;
	}
}

/* ---------------------------------------------------------------- one source */

struct spec {
	struct view *view;
	const struct wh_patterns *include, *exclude;
	const char *pattern;
	bool exact, wildcard;
};

static int fill_pick(const struct spec *s, const struct node *root, struct pick *p, struct wh_err **err)
{
	WH_CLEANUP(walk_release)
	struct walk w = {
		.view = s->view,
		.pick = p,
		.include = s->include,
		.exclude = s->exclude,
		.pattern = s->pattern,
		.exact = s->exact,
	};
	struct node kept;
	int r;

	r = view_keep(s->view, root, &kept, err);
	if (r)
		return r;
	pick_add(p, "", &kept, false);
	if (root->type != WH_T_DIR)
		return 0;
	w.strip = *root->path ? strlen(root->path) + 1 : 0;
	r = view_walk(s->view, kept.path, walk_one, &w, err);
	if (r)
		return r;
	find_peers(p, s->view->tree);
	return 0;
}

int select_path(struct view *v, const char *path, struct pick *p, struct wh_err **err)
{
	struct spec s = {.view = v};
	struct node root;
	int r = view_resolve(v, path, &root, err);

	return r ? r : fill_pick(&s, &root, p, err);
}

/* -ENOENT without text: there is no such source. */
static int add_pick(struct wh_fileop *f, const struct spec *s, const char *path, size_t action, struct wh_err **err)
{
	struct pick p = {.action = action, .input = (size_t)f->v->op.file->actions[action].input};
	struct node root;
	int r;

	r = view_resolve(s->view, path, &root, err);
	if (r == -ENOTDIR)
		return -ENOENT;
	if (r == -ELOOP)
		return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ELOOP, "\"/%s\": too many levels of symbolic links", path);
	if (r)
		return r;
	p.path = wh_arena_strdup(f->arena, path);
	p.base = wh_path_base(p.path);
	/* What a wildcard found is a candidate; a directory counts for what is in it. */
	if (s->wildcard && s->exclude && root.type != WH_T_DIR && wh_patterns_excluded(s->exclude, p.base))
		return 0;
	r = fill_pick(s, &root, &p, err);
	if (r || (root.through && p.n == 1)) {
		pick_release(&p);
		return r || s->wildcard ? r : -ENOENT;
	}
	WH_PUSH(f->picks, f->n_picks, f->cap_picks) = p;
	return 0;
}

/* Matches one component after the other; only real directories are entered. */
static int expand(struct view *v, const char *dir, const char *shown, const char *pattern, struct wh_strv *out,
		  struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t len = strcspn(pattern, "/");
	WH_AUTO_FREE char *part = wh_strndup(pattern, len);
	int r;

	r = view_list(v, dir, &names, err);
	for (size_t i = 0; !r && i < names.n; i++) {
		WH_AUTO_FREE char *path = NULL, *show = NULL;
		struct node n;

		if (wh_glob_match(part, names.v[i]) != 1)
			continue;
		path = wh_path_join(dir, names.v[i]);
		show = wh_path_join(shown, names.v[i]);
		if (!pattern[len]) {
			wh_strv_take(out, WH_TAKE_PTR(show));
			continue;
		}
		r = view_lookup(v, path, &n, err);
		if (r == -ENOENT)
			r = 0;
		else if (!r && n.type == WH_T_DIR)
			r = expand(v, path, show, pattern + len + 1, out, err);
	}
	return r;
}

/* Splits before the first component with a wildcard. */
static int match_wildcards(struct view *v, const char *src, struct wh_strv *out, struct wh_err **err)
{
	WH_AUTO_FREE char *fixed = NULL;
	const char *at = src;
	struct node n;
	int r;

	if (wh_glob_match(src, "x") < 0)
	{
		wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL, "\"%s\": syntax error in pattern", src);
		wh_err_mark(err, WH_MARK_PATH, src);
		wh_err_hint(err, "[ begins a set of characters; one that is meant as it stands is written [[]");
		return -EINVAL;
	}
	for (;;) {
		size_t len = strcspn(at, "/");
		WH_AUTO_FREE char *part = wh_strndup(at, len);

		if (wh_glob_has_meta(part) || !at[len])
			break;
		at += len + 1;
	}
	fixed = at == src ? wh_strdup("") : wh_strndup(src, (size_t)(at - src - 1));
	r = view_resolve(v, fixed, &n, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return view_missing(v, fixed, err);
	if (r)
		return r == -ELOOP ? wh_err_set(err, DOMAIN, WH_ERR_BUILD, ELOOP,
						"\"/%s\": too many levels of symbolic links", fixed)
				   : r;
	return n.type == WH_T_DIR ? expand(v, n.path, fixed, at, out, err) : 0;
}

/* "a/b", "./a/b/", "/a/b" → "a/b"; "." and "/" → "". malloc'ed. */
static char *clean_source(const char *src)
{
	WH_AUTO_FREE char *abs = wh_path_abs_in("/", src);

	return wh_strdup(abs + 1);
}

static int one_pattern(const char *text, struct wh_patterns **ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv lines = {0};

	wh_strv_add(&lines, text);
	return wh_patterns_new(&lines, ret, err);
}

/* The name without the backslashes that kept it from being a pattern. */
static char *unescape(const char *src)
{
	char *out = wh_strdup(src), *w = out;

	for (const char *s = src; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		*w++ = *s;
	}
	*w = '\0';
	return out;
}

static int select_plain(struct wh_fileop *f, const struct spec *s, const char *src, size_t action, struct wh_err **err)
{
	WH_AUTO_FREE char *plain = NULL;
	int r = add_pick(f, s, src, action, err);

	if (r != -ENOENT)
		return r;
	if (strchr(src, '\\')) {
		plain = unescape(src);
		r = add_pick(f, s, plain, action, err);
	}
	return r == -ENOENT ? view_missing(s->view, plain ? plain : src, err) : r;
}

static bool nothing_below(const struct wh_fileop *f, size_t from)
{
	for (size_t i = from; i < f->n_picks; i++)
		if (f->picks[i].n > 1 || f->picks[i].items[0].n.type != WH_T_DIR)
			return false;
	return true;
}

static int select_source(struct wh_fileop *f, const struct wh_file_action *a, struct spec *s, const char *src,
			 size_t action, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL, *pattern = NULL, *head = NULL;
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *include = NULL;
	WH_AUTO_STRV struct wh_strv found = {0};
	size_t before = f->n_picks;
	const char *pivot;
	int r = 0;

	if (a->parents) {
		pivot = strstr(src, "/./");
		pattern = clean_source(pivot ? pivot + 3 : src);
		head = pivot ? wh_strndup(src, (size_t)(pivot - src)) : wh_strdup("");
		path = clean_source(head);
		s->exact = *pattern && a->no_glob;
		if (*pattern && !s->exact)
			r = one_pattern(pattern, &include, err);
		if (r)
			return r;
	} else {
		path = clean_source(src);
	}
	s->include = include;
	s->pattern = pattern;
	s->wildcard = !a->no_glob && wh_glob_has_meta(path);
	if (s->wildcard) {
		r = match_wildcards(s->view, path, &found, err);
		for (size_t i = 0; !r && i < found.n; i++) {
			r = add_pick(f, s, found.v[i], action, err);
			if (r == -ENOENT) /* a link to nothing */
				r = view_missing(s->view, found.v[i], err);
		}
		return r;
	}
	r = select_plain(f, s, path, action, err);
	if (!r && ((include && !wh_glob_has_meta(pattern)) || s->exact) && nothing_below(f, before)) {
		WH_AUTO_FREE char *full = wh_path_join(path, pattern);

		return view_missing(s->view, full, err);
	}
	return r;
}

int select_action(struct wh_fileop *f, size_t action, struct wh_err **err)
{
	const struct wh_file_action *a = &f->v->op.file->actions[action];
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *exclude = NULL;
	struct spec s = {0};
	int r;

	r = fileop_view(f, (size_t)a->input, &s.view, err);
	if (r)
		return r;
	if (a->exclude && a->exclude[0]) {
		WH_AUTO_STRV struct wh_strv lines = {0};

		for (size_t i = 0; a->exclude[i]; i++)
			wh_strv_add(&lines, a->exclude[i]);
		r = wh_patterns_new(&lines, &exclude, err);
		if (r) {
			wh_err_wrap(err, "--exclude");
			return r;
		}
		s.exclude = exclude;
	}
	for (size_t i = 0; !r && a->srcs[i]; i++)
		r = select_source(f, a, &s, a->srcs[i], action, err);
	return r;
}

/* ---------------------------------------------------------------- content */

bool pick_known(const struct pick *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->items[i].n.type == WH_T_FILE && !p->items[i].n.has_digest)
			return false;
	return true;
}

int pick_read(struct view *v, struct pick *p, struct wh_err **err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct item *it = &p->items[i];
		int r;

		if (it->n.type != WH_T_FILE || it->n.has_digest)
			continue;
		if (v->cancel && *v->cancel)
			return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ECANCELED, "canceled while files were read");
		r = local_hash(v, &it->n, err);
		if (r)
			return r;
	}
	return 0;
}

/*
 * Item by item: rel, type, lazy; mode (but of symlinks), uid, gid, link, device numbers, xattrs; size, digest and
 * the item it is linked to. No times, and nothing of a directory source itself unless asked.
 */
void pick_hash(const struct pick *p, bool with_root, struct wh_sha256 *h)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_u64(&b, p->action);
	wh_buf_lstr(&b, p->base);
	wh_buf_u64(&b, p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct item *it = &p->items[i];
		const struct node *n = &it->n;

		wh_buf_lstr(&b, it->rel);
		wh_buf_u8(&b, (uint8_t)n->type);
		wh_buf_u8(&b, it->lazy);
		if (i || with_root || n->type != WH_T_DIR) {
			wh_buf_u32(&b, n->type == WH_T_SYMLINK ? 0777 : n->mode);
			wh_buf_u32(&b, n->uid);
			wh_buf_u32(&b, n->gid);
			wh_buf_lstr(&b, n->link);
			wh_buf_u32(&b, n->major);
			wh_buf_u32(&b, n->minor);
			wh_buf_u64(&b, n->n_xattrs);
			for (size_t k = 0; k < n->n_xattrs; k++) {
				wh_buf_lstr(&b, n->xattrs[k].name);
				wh_buf_u64(&b, n->xattrs[k].len);
				wh_buf_add(&b, n->xattrs[k].value, n->xattrs[k].len);
			}
		}
		if (n->type == WH_T_FILE) {
			wh_buf_u64(&b, n->size);
			wh_buf_add(&b, n->digest.b, sizeof(n->digest.b));
			wh_buf_u64(&b, it->peer);
		}
		if (b.n > ((size_t)1 << 20)) {
			wh_sha256_add(h, b.p, b.n);
			wh_buf_reset(&b);
		}
	}
	wh_sha256_add(h, b.p, b.n);
}
