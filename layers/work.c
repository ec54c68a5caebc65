/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots for steps, by one of two snapshotters.
 *
 * overlay: the layers' snapshots are the lower directories, and what the step
 * writes is in an upper directory of its own, which becomes the new layer's
 * snapshot. Copy: a directory with everything in it, made from the layers'
 * snapshots and compared with their indexes afterwards; read-only ones are
 * kept under roots/, named by chain id (image-spec config.md, "Layer ChainID").
 */
#include "layers/diff.h"
#include "layers/index_private.h"
#include "layers/materialize.h"
#include "layers/store_private.h"

#include <errno.h>

struct wh_work {
	struct wh_store *store;
	enum wh_snapshotter kind;
	bool writable;
	struct wh_tree *tree;
	char *name; /* of its directory in the lease directory */
	int dir_fd;
	struct wh_strv lowers;
	char *upper, *workdir, *stubs, *root;
	struct wh_made made;
	int64_t from; /* the file system's clock when the step could begin to write */
};

static int env_err(const struct wh_work *w, const char *what, int r, struct wh_err **err)
{
	return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "%s %s/%s", what, w->store->tmp_path, w->name);
}

/* The kernel's clock, as files get their times from it: the process may be told of another, and on a network file system a
 * server may have the say. */
static int clock_of(const struct wh_work *w, int64_t *ret, struct wh_err **err)
{
	struct stat st;

	if (futimens(w->dir_fd, NULL) < 0 || fstat(w->dir_fd, &st) < 0)
		return env_err(w, "set the time of", -errno, err);
	*ret = st.st_mtim.tv_sec;
	return 0;
}

static int make_dir(struct wh_work *w, const char *name, char **ret, struct wh_err **err)
{
	if (mkdirat(w->dir_fd, name, 0755) < 0)
		return env_err(w, "make a directory in", -errno, err);
	*ret = wh_asprintf("%s/%s/%s", w->store->tmp_path, w->name, name);
	return 0;
}

/* Topmost first. Overlay refuses the same directory twice; of two equal layers the lower one changes nothing that the
 * upper one does not decide in the same way, so it is left out. */
static int add_lowers(struct wh_work *w, const struct wh_layer *layers, size_t n, struct wh_err **err)
{
	for (size_t i = n; i-- > 0;) {
		WH_AUTO_FREE char *path = NULL;
		char hex[65];
		int r;

		path = wh_asprintf("%s/snapshots/%s", w->store->path, wh_digest_hex(&layers[i].diff_id, hex));
		if (wh_strv_has(&w->lowers, path))
			continue;
		r = wh_snapshot_ensure(w->store, &layers[i], err);
		if (r < 0) {
			wh_err_wrap(err, "layer %zu of %zu", i + 1, n);
			return r;
		}
		wh_strv_take(&w->lowers, WH_TAKE_PTR(path));
	}
	return 0;
}

/*
 * A merged directory has the attributes of its topmost layer in overlay's eyes, even where that layer's tar says nothing
 * of it and its snapshot has a made-up one. Such directories are put right by one more lower directory on top, with
 * nothing in it but them: /tmp of a base stays 1777 above a layer that only has tmp/foo. Nothing of it can get into the
 * step's layer, as what is copied up from it is equal to what the tree shows. The root is such a directory, too, but an
 * upper directory covers it.
 */
static int add_fix(struct wh_work *w, size_t n, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv paths = {0};
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_node_ref root;
	int r = wh_tree_list_implied(w->tree, &paths);

	if (r == 0)
		r = wh_tree_lookup(w->tree, "", &root);
	if (r < 0)
		return env_err(w, "read the layers' tree for", r, err);
	if (!paths.n && (w->writable || (!root.e.implied && root.layer + 1 == n)))
		return 0;
	r = make_dir(w, "fix", &path, err);
	if (r < 0)
		return r;
	fd = wh_openat(w->dir_fd, "fix", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return env_err(w, "open", fd, err);
	wh_strv_take(&w->lowers, WH_TAKE_PTR(path));
	return wh_materialize_dirs(w->tree, &paths, fd, err);
}

/* The upper directory's own attributes are the root's. */
static int start_overlay(struct wh_work *w, const struct wh_layer *layers, size_t n, struct wh_err **err)
{
	struct wh_node_ref root;
	int r = n ? add_fix(w, n, err) : 0;

	if (r == 0)
		r = add_lowers(w, layers, n, err);
	if (r == 0)
		r = make_dir(w, "stubs", &w->stubs, err);
	if (r < 0 || !w->writable)
		return r;
	r = make_dir(w, "work", &w->workdir, err);
	if (r == 0)
		r = make_dir(w, "upper", &w->upper, err);
	if (r < 0)
		return r;
	r = wh_tree_lookup(w->tree, "", &root);
	if (r == 0)
		r = wh_entry_apply(w->dir_fd, "upper", &root.e);
	return r < 0 ? env_err(w, "set up", r, err) : 0;
}

static void chain_id(const struct wh_layer *layers, size_t n, struct wh_digest *ret)
{
	char a[WH_DIGEST_TEXT], b[WH_DIGEST_TEXT], both[2 * WH_DIGEST_TEXT];

	wh_digest_of("", 0, ret);
	for (size_t i = 0; i < n; i++) {
		if (!i) {
			*ret = layers[0].diff_id;
			continue;
		}
		snprintf(both, sizeof(both), "%s %s", wh_digest_text(ret, a), wh_digest_text(&layers[i].diff_id, b));
		wh_digest_of(both, strlen(both), ret);
	}
}

static int start_copy(struct wh_work *w, const struct wh_layer *layers, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE char *from = wh_asprintf("%s/root", w->name), *kept = NULL, *mark = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_digest chain;
	char hex[65];
	int r;

	chain_id(layers, n, &chain);
	wh_digest_hex(&chain, hex);
	kept = wh_asprintf("%s/roots/%s", w->store->path, hex);
	mark = wh_asprintf("%s.used", hex);
	if (!w->writable && wh_store_use_marked(w->store, w->store->roots_fd, hex, mark)) {
		w->root = WH_TAKE_PTR(kept);
		return 0;
	}
	r = make_dir(w, "root", &w->root, err);
	if (r < 0)
		return r;
	fd = wh_openat(w->dir_fd, "root", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return env_err(w, "open", fd, err);
	r = wh_materialize(w->tree, fd, !w->writable, &w->made, err);
	if (r < 0 || w->writable)
		return r;
	/* First the mark: should another's be there by now, it stays. */
	wh_store_look(w->store);
	wh_store_mark(w->store, w->store->roots_fd, mark);
	wh_store_seen(w->store);
	r = wh_store_publish(w->store, from, w->store->roots_fd, hex, err);
	if (r == 0) {
		free(w->root);
		w->root = WH_TAKE_PTR(kept);
	}
	return r;
}

int wh_work_new(struct wh_store *s, enum wh_snapshotter kind, const struct wh_layer *layers, size_t n, bool writable,
		struct wh_work **ret, struct wh_err **err)
{
	struct wh_work *w = wh_calloc(1, sizeof(*w));
	int r;

	w->store = s;
	w->kind = kind;
	w->writable = writable;
	w->dir_fd = -1;
	w->name = wh_temp_name("root-");
	/* A list without members is a list, too. */
	w->lowers.v = wh_calloc(1, sizeof(*w->lowers.v));
	w->lowers.cap = 1;
	if (mkdirat(s->lease.dir_fd, w->name, 0700) < 0)
		r = env_err(w, "make", -errno, err);
	else if ((w->dir_fd = wh_openat(s->lease.dir_fd, w->name, O_RDONLY | O_DIRECTORY, 0)) < 0)
		r = env_err(w, "open", w->dir_fd, err);
	else
		r = wh_tree_open(s, layers, n, &w->tree, err);
	if (r == 0)
		r = kind == WH_SNAP_OVERLAY ? start_overlay(w, layers, n, err) : start_copy(w, layers, n, err);
	if (r == 0)
		r = clock_of(w, &w->from, err);
	if (r < 0) {
		wh_work_discard(w);
		return r;
	}
	*ret = w;
	return 0;
}

void wh_work_discard(struct wh_work *w)
{
	if (!w)
		return;
	wh_closep(&w->dir_fd);
	/* What cannot be removed now goes with the lease. */
	(void)wh_rm_rf(w->store->lease.dir_fd, w->name);
	wh_tree_close(w->tree);
	wh_made_release(&w->made);
	wh_strv_release(&w->lowers);
	free(w->upper);
	free(w->workdir);
	free(w->stubs);
	free(w->root);
	free(w->name);
	free(w);
}

const char *const *wh_work_lowers(const struct wh_work *w)
{
	return (const char *const *)w->lowers.v;
}

const char *wh_work_upper(const struct wh_work *w)
{
	return w->upper;
}

const char *wh_work_workdir(const struct wh_work *w)
{
	return w->workdir;
}

const char *wh_work_stubs(const struct wh_work *w)
{
	return w->stubs;
}

const char *wh_work_dir(const struct wh_work *w)
{
	return w->root;
}

static int diff(struct wh_work *w, const struct wh_layer_opts *o, struct wh_layer *ret, struct wh_err **err)
{
	bool whole = w->kind == WH_SNAP_COPY;
	struct wh_layer_writer *writer = NULL;
	WH_AUTO_FD int fd = wh_openat(w->dir_fd, whole ? "root" : "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct wh_diff d = {
		.store = w->store,
		.tree = w->tree,
		.root_fd = fd,
		.whole = whole,
		.epoch = o->epoch,
		.normal = o->reproducible,
		.from = w->from,
		.untouched = wh_made_untouched,
		.in_place = wh_made_in_place,
		.arg = &w->made,
	};
	int r = fd < 0 ? env_err(w, "open", fd, err) : clock_of(w, &d.to, err);

	if (r == 0)
		r = wh_layer_writer_new(w->store, o, &writer, err);
	if (r < 0)
		return r;
	r = wh_diff_run(&d, writer, err);
	if (r < 0) {
		wh_layer_writer_abort(writer);
		return r;
	}
	return wh_layer_writer_finish(writer, ret, err);
}

int wh_work_commit(struct wh_work *w, const struct wh_layer_opts *o, struct wh_layer *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *upper = wh_asprintf("%s/upper", w->name);
	struct wh_layer l;
	char hex[65];
	int r;

	if (!w->writable)
		r = wh_err_set(err, "layers", WH_ERR_INTERNAL, EROFS, "a read-only root cannot become a layer");
	else
		r = diff(w, o, &l, err);
	if (r == 0 && w->kind == WH_SNAP_OVERLAY) {
		r = wh_store_publish(w->store, upper, w->store->snapshots_fd, wh_digest_hex(&l.diff_id, hex), err);
		if (r < 0)
			wh_layer_release(&l);
	}
	if (r == 0)
		*ret = l;
	wh_work_discard(w);
	return r;
}
