/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/fileop_private.h"

#include <errno.h>

/* Changed when the digest's form does: old cache records are then not found any more. */
#define DIGEST_FORM "whittle.selection.1"

/* ---------------------------------------------------------------- making */

static void copy_inputs(struct wh_fileop *f, const struct wh_fileop_args *a)
{
	f->n_base = a->n_base;
	f->base = wh_calloc(a->n_base + 1, sizeof(*f->base));
	for (size_t i = 0; i < a->n_base; i++)
		wh_layer_copy(&f->base[i], &a->base[i]);
	f->n_inputs = a->n_inputs;
	f->inputs = wh_calloc(a->n_inputs + 1, sizeof(*f->inputs));
	f->views = wh_calloc(a->n_inputs + 1, sizeof(*f->views));
	f->view_open = wh_calloc(a->n_inputs + 1, sizeof(*f->view_open));
	for (size_t i = 0; i < a->n_inputs; i++) {
		const struct wh_file_input *in = &a->inputs[i];
		struct wh_layer *layers = wh_calloc(in->n_layers + 1, sizeof(*layers));

		for (size_t k = 0; k < in->n_layers; k++)
			wh_layer_copy(&layers[k], &in->layers[k]);
		f->inputs[i] = (struct wh_file_input){
			.v = in->v,
			.local_path = in->local_path ? wh_arena_strdup(f->arena, in->local_path) : NULL,
			.attrs = in->attrs,
			.layers = layers,
			.n_layers = in->n_layers,
		};
	}
}

/* By identity: a link to the key, hard or symbolic, is the key. */
static int find_protected(struct wh_fileop *f, const char *const *paths, struct wh_err **err)
{
	size_t cap = 0;

	for (size_t i = 0; paths && paths[i]; i++) {
		struct stat st;

		if (stat(paths[i], &st) < 0) {
			if (errno == ENOENT)
				continue;
			return wh_err_sys(err, DOMAIN, WH_ERR_USAGE, errno, "stat %s", paths[i]);
		}
		WH_PUSH(f->protect, f->n_protect, cap) = (struct file_id){
			.dev = st.st_dev,
			.ino = st.st_ino,
			.path = wh_arena_strdup(f->arena, paths[i]),
		};
	}
	return 0;
}

int wh_fileop_new(const struct wh_fileop_args *a, struct wh_fileop **ret, struct wh_err **err)
{
	const struct wh_op_file *op = a->v->op.file;
	struct wh_fileop *f;
	int r;

	for (size_t i = 0; i < op->n_actions; i++)
		if (op->actions[i].kind == WH_FILE_COPY &&
		    (op->actions[i].input < 0 || (size_t)op->actions[i].input >= a->n_inputs))
			return wh_err_set(err, DOMAIN, WH_ERR_INTERNAL, EINVAL, "COPY from an input that is not there");
	f = wh_calloc(1, sizeof(*f));
	f->arena = wh_arena_new();
	f->store = a->store;
	f->v = a->v;
	f->base_time = a->base_time;
	f->cancel = a->cancel;
	copy_inputs(f, a);
	r = find_protected(f, a->protect, err);
	if (r) {
		wh_fileop_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

int fileop_view(struct wh_fileop *f, size_t input, struct view **ret, struct wh_err **err)
{
	struct view *v = &f->views[input];
	int r;

	if (!f->view_open[input]) {
		*v = (struct view){.arena = f->arena, .protect = f->protect, .n_protect = f->n_protect, .rootfd = -1};
		v->cancel = f->cancel;
		r = view_open(v, f->store, &f->inputs[input], err);
		if (r) {
			view_close(v);
			return r;
		}
		f->view_open[input] = true;
	}
	*ret = v;
	return 0;
}

static void save_memos(struct wh_fileop *f)
{
	for (size_t i = 0; i < f->n_inputs; i++)
		if (f->view_open[i] && f->views[i].memo)
			wh_memo_save(f->views[i].memo); /* costs the next build time at most */
}

static void free_layers(const struct wh_layer *layers, size_t n)
{
	struct wh_layer *own;

	memcpy(&own, &layers, sizeof(own)); /* ours; const only as seen through the input */
	for (size_t i = 0; i < n; i++)
		wh_layer_release(&own[i]);
	free(own);
}

void wh_fileop_free(struct wh_fileop *f)
{
	if (!f)
		return;
	unpack_release(f);
	for (size_t i = 0; i < f->n_picks; i++)
		pick_release(&f->picks[i]);
	free(f->picks);
	for (size_t i = 0; i < f->n_inputs; i++) {
		if (f->view_open[i])
			view_close(&f->views[i]);
		free_layers(f->inputs[i].layers, f->inputs[i].n_layers);
	}
	free_layers(f->base, f->n_base);
	free(f->inputs);
	free(f->views);
	free(f->view_open);
	free(f->protect);
	wh_arena_free(f->arena);
	free(f);
}

/* ---------------------------------------------------------------- steps */

int wh_fileop_scan(struct wh_fileop *f, struct wh_err **err)
{
	const struct wh_op_file *op = f->v->op.file;
	int r = 0;

	if (f->scanned)
		return 0;
	for (size_t i = 0; !r && i < op->n_actions; i++)
		if (op->actions[i].kind == WH_FILE_COPY)
			r = select_action(f, i, err);
	f->scanned = !r;
	return r;
}

bool wh_fileop_known(const struct wh_fileop *f)
{
	for (size_t i = 0; i < f->n_picks; i++)
		if (!pick_known(&f->picks[i]))
			return false;
	return true;
}

int wh_fileop_hash(struct wh_fileop *f, struct wh_err **err)
{
	int r = wh_fileop_scan(f, err);

	for (size_t i = 0; !r && i < f->n_picks; i++)
		r = pick_read(&f->views[f->picks[i].input], &f->picks[i], err);
	save_memos(f);
	return r;
}

int wh_fileop_digest(struct wh_fileop *f, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	int r = 0;

	/* After a write, what another source overwrote, or what was unpacked, may still be unread. */
	if (!f->scanned || !wh_fileop_known(f))
		r = wh_fileop_hash(f, err);
	if (r)
		return r;
	wh_sha256_add(h, DIGEST_FORM, sizeof(DIGEST_FORM));
	for (size_t i = 0; i < f->n_picks; i++)
		pick_hash(&f->picks[i], false, h);
	wh_sha256_end(h, ret);
	return 0;
}

int wh_fileop_write(struct wh_fileop *f, const struct wh_layer_opts *o, struct wh_layer *ret, bool *ret_empty,
		    struct wh_err **err)
{
	WH_CLEANUP(dest_close) struct dest d = {0};
	int r = wh_fileop_scan(f, err);

	if (!r)
		r = dest_open(&d, f, err);
	if (!r)
		r = run_actions(f, &d, err);
	if (!r)
		r = write_layer(f, &d, o, ret, ret_empty, err);
	unpack_release(f);
	save_memos(f);
	return r;
}

/* ---------------------------------------------------------------- digests of mounts */

static int digest_view(struct view *v, const char *path, struct wh_digest *ret, const char *label, struct wh_buf *list,
		       struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	WH_CLEANUP(pick_release) struct pick p = {0};
	WH_AUTO_FREE char *clean = wh_path_abs_in("/", path);
	int r;

	r = select_path(v, clean + 1, &p, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return view_missing(v, clean + 1, err);
	if (!r)
		r = pick_read(v, &p, err);
	if (r) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, -r, "read %s: %s", clean, strerror(-r));
		return r;
	}
	wh_sha256_add(h, DIGEST_FORM, sizeof(DIGEST_FORM));
	pick_hash(&p, true, h);
	wh_sha256_end(h, ret);
	if (list)
		pick_list(&p, true, label, list);
	return 0;
}

int wh_tree_content_digest(struct wh_tree *t, const char *path, struct wh_digest *ret, const char *label, struct wh_buf *list,
			   struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *arena = wh_arena_new();
	struct view v = {.arena = arena, .tree = t, .rootfd = -1};

	return digest_view(&v, path, ret, label, list, err);
}

int wh_local_content_digest(struct wh_store *s, const struct wh_file_input *in, const char *path, struct wh_digest *ret,
			    struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *arena = wh_arena_new();
	WH_CLEANUP(view_close) struct view v = {.arena = arena, .rootfd = -1};
	int r = view_open(&v, s, in, err);

	if (r)
		return r;
	r = digest_view(&v, path, ret, NULL, NULL, err);
	wh_memo_save(v.memo);
	return r;
}

int wh_local_resolve(struct wh_store *s, const struct wh_file_input *in, const char *path, char **ret, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *arena = wh_arena_new();
	WH_CLEANUP(view_close) struct view v = {.arena = arena, .rootfd = -1};
	WH_AUTO_FREE char *clean = wh_path_abs_in("/", path);
	struct wh_err *e = NULL;
	struct node n;
	int r = view_open(&v, s, in, err);

	if (r)
		return r;
	r = view_resolve(&v, clean + 1, &n, &e);
	if (r == -ENOENT || r == -ENOTDIR) {
		wh_err_free(e);
		return view_missing(&v, clean + 1, err);
	}
	if (r) {
		if (!e)
			wh_err_set(&e, DOMAIN, WH_ERR_BUILD, -r, "read %s: %s", clean, strerror(-r));
		wh_err_move(err, &e);
		return r;
	}
	*ret = wh_asprintf("/%s", n.path);
	return 0;
}
