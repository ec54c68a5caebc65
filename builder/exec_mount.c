/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step's mounts.
 *
 * Trees of other inputs are seen through an overlay of their own, whose upper
 * directory (for a writable mount) is thrown away with the step.
 *
 *   ROOT/caches/HEX/       a cache mount; HEX is the digest of its id and of what it starts as: owner, mode, tree (from=).
 *                          Steps that ask for another start get another cache, as in BuildKit
 *     id                   the id, for people and gc; its mtime is when the mount was used last
 *     data, data.1, …      its directory; further ones for steps that want it private at the same time
 *     full, full.1, …      instead, when it starts from an image and cannot be laid over that: a copy of it
 *     work, work.1, …      overlay's, when the mount starts from an image (from=)
 *     lock, lock.1, …      flock: shared, or exclusive for private and locked
 */
#include "builder/exec_private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define PRIVATE_MAX 64
#define SECRET_MODE 0400
#define SSH_MODE 0600
#define SSH_TARGET "/run/buildkit/ssh_agent.0"

/* ---------------------------------------------------------------- keys */

/* What is taken from an input: content of a path. */
static int input_digest(struct wh_node *n, size_t input, const char *source, const char *label, struct wh_digest *ret,
			struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf list = WH_BUF_INIT;
	struct wh_file_input in;
	struct wh_tree *t;
	int r;

	wh_node_file_input(n, input, &in);
	if (in.local_path) {
		r = wh_local_digest(n, input, source, label, ret, &list, err);
	} else {
		r = wh_tree_open(n->b->o.store, in.layers, in.n_layers, &t, err);
		if (r < 0)
			return r;
		r = wh_tree_content_digest(t, source, ret, label, &list, err);
		wh_tree_close(t);
	}
	if (r == 0 && list.n) {
		wh_buf_adds(&n->listing, n->listing.n ? "," : "");
		wh_buf_add(&n->listing, list.p, list.n);
	}
	return r;
}

/* From what was taken for each mount, and as the root of a driver (behind them). */
static void select_all(struct wh_node *n)
{
	bool profile = n->v->kind == WH_OP_PROFILE;
	const struct wh_op_exec *x = profile ? &n->v->op.profile->driver : n->v->op.exec;
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	size_t i;

	/* A driver can read all of its root. */
	if (profile && n->n_inputs > 1 && n->inputs[1])
		wh_buf_add(&all, n->taken[x->n_mounts].b, sizeof(n->taken->b));
	for (i = 0; i < x->n_mounts; i++) {
		const struct wh_op_mount *m = &x->mounts[i];

		if (m->input < 0 || (m->type != WH_MOUNT_BIND && m->type != WH_MOUNT_CACHE))
			continue;
		wh_buf_u32(&all, (uint32_t)i);
		wh_buf_add(&all, n->taken[i].b, sizeof(n->taken->b));
	}
	wh_digest_of(all.n ? all.p : "", all.n, &n->key.selection);
	n->key.has_selection = true;
}

void wh_exec_select(struct wh_node *n)
{
	bool profile = n->v->kind == WH_OP_PROFILE;
	const struct wh_op_exec *x = profile ? &n->v->op.profile->driver : n->v->op.exec;
	size_t i;
	int r;

	free(n->taken);
	n->taken = wh_calloc(x->n_mounts + 1, sizeof(*n->taken));
	wh_buf_reset(&n->listing);
	if (profile && n->n_inputs > 1 && n->inputs[1]) {
		n->taken[x->n_mounts] = n->inputs[1]->tree_key;
		if (n->inputs[1]->local_path &&
		    (r = input_digest(n, 1, "/", "", &n->taken[x->n_mounts], &n->job_err)) < 0) {
			n->job_r = r;
			return;
		}
	}
	for (i = 0; i < x->n_mounts; i++) {
		const struct wh_op_mount *m = &x->mounts[i];
		WH_AUTO_FREE char *label = NULL;

		if (m->input < 0 || (m->type != WH_MOUNT_BIND && m->type != WH_MOUNT_CACHE))
			continue;
		label = x->n_mounts > 1 ? wh_asprintf("mount %s: ", m->target) : wh_strdup("");
		r = input_digest(n, (size_t)m->input, m->source ? m->source : "/", label, &n->taken[i], &n->job_err);
		if (r < 0) {
			wh_err_wrap(&n->job_err, "mount %s", m->target);
			n->job_r = r;
			return;
		}
	}
	select_all(n);
}

/* The files may have changed since they were looked at for the key: the record names what the step gets to see. */
void wh_exec_took(struct wh_node *n, size_t i, const struct wh_digest *d)
{
	/* A trial of PRUNE uses the mounts of a PROFILE that was recorded long ago. */
	if (!n->taken || n->state != WH_NODE_BUSY || wh_digest_eq(&n->taken[i], d))
		return;
	n->taken[i] = *d;
	wh_buf_reset(&n->listing); /* it tells of other files */
	if (n->v->kind == WH_OP_EXEC)
		select_all(n);
	else
		n->key.has_selection = false; /* its runs saw different ones: no record */
}

/* ---------------------------------------------------------------- cache mounts: which directory */

static void suffix(char *out, size_t size, const char *name, unsigned slot)
{
	if (slot)
		snprintf(out, size, "%s.%u", name, slot);
	else
		snprintf(out, size, "%s", name);
}

static const char *cache_id(const struct wh_op_mount *m)
{
	return m->id ? m->id : m->target;
}

/* The tree it starts as, or NULL: an empty directory. */
static const struct wh_node *cache_start(const struct wh_node *n, const struct wh_op_mount *m)
{
	return m->input >= 0 ? n->inputs[m->input] : NULL;
}

static char *cache_name(const struct wh_node *n, const struct wh_op_mount *m)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const struct wh_node *from = cache_start(n, m);
	struct wh_digest d;
	char hex[65];

	wh_buf_lstr(&b, cache_id(m));
	wh_buf_u32(&b, m->has_mode ? m->mode & 07777 : UINT32_MAX);
	wh_buf_u8(&b, m->has_owner);
	wh_buf_u32(&b, m->has_owner ? m->uid : 0);
	wh_buf_u32(&b, m->has_owner ? m->gid : 0);
	if (from) {
		wh_buf_add(&b, from->tree_key.b, sizeof(from->tree_key.b));
		wh_buf_lstr(&b, m->source);
	}
	wh_digest_of(b.p, b.n, &d);
	return wh_asprintf("caches/%s", wh_digest_hex(&d, hex));
}

/* Opens caches/HEX, which is made with its id file. fd or -errno. */
static int cache_open(const struct wh_node *n, const struct wh_op_mount *m)
{
	WH_AUTO_FREE char *name = cache_name(n, m);
	int store = wh_store_dirfd(n->b->o.store), fd, r;

	r = wh_mkdir_p(store, name, 0700);
	if (r < 0)
		return r;
	fd = wh_openat(store, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0 && faccessat(fd, "id", F_OK, 0) < 0)
		/* Only a label: nothing depends on it. */
		wh_write_file_atomic(fd, "id", cache_id(m), strlen(cache_id(m)), 0600, false);
	return fd;
}

/* 1 taken, 0 held by another, -errno. */
static int try_lock(int dir, bool shared, unsigned slot, int *ret)
{
	WH_AUTO_FD int fd = -1;
	char name[32];

	suffix(name, sizeof(name), "lock", slot);
	fd = wh_openat(dir, name, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return fd;
	while (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	*ret = WH_TAKE_FD(fd);
	return 1;
}

static int lock_one(const struct wh_node *n, const struct wh_op_mount *m, struct wh_exec_mount *em)
{
	struct wh_store *s = n->b->o.store;
	unsigned slot, max = m->sharing == WH_PRIVATE ? PRIVATE_MAX : 1;
	/* Moved into a root, it cannot be in another at the same time. */
	bool shared = m->sharing == WH_SHARED && !wh_builder_moves(n->b);
	WH_AUTO_FD int dir = -1;
	int r;

	wh_store_look(s); /* else gc might take the directory before it is locked */
	dir = cache_open(n, m);
	r = dir < 0 ? dir : 0;
	if (r == 0)
		(void)wh_store_use(s, dir, "id");
	for (slot = 0; slot < max && r == 0; slot++) {
		r = try_lock(dir, shared, slot, &em->lock);
		if (r == 1)
			em->slot = slot;
	}
	wh_store_seen(s);
	return r;
}

/* A lock that this very step already has: two mounts of one cache are one directory. */
static const struct wh_exec_mount *own_lock(const struct wh_exec *x, size_t upto)
{
	const struct wh_op_exec *op = x->op;
	WH_AUTO_FREE char *name = cache_name(x->node, &op->mounts[upto]);
	size_t i;

	for (i = 0; i < upto; i++) {
		if (op->mounts[i].type == WH_MOUNT_CACHE) {
			WH_AUTO_FREE char *other = cache_name(x->node, &op->mounts[i]);

			if (!strcmp(name, other))
				return &x->mounts[i];
		}
	}
	return NULL;
}

static void unlock(struct wh_exec *x)
{
	size_t i;

	for (i = 0; i < x->n_mounts; i++)
		wh_closep(&x->mounts[i].lock);
}

struct wh_exec *wh_exec_new(struct wh_node *n, const struct wh_op_exec *op)
{
	struct wh_exec *x = wh_calloc(1, sizeof(*x));
	size_t i;

	x->b = n->b;
	x->node = n;
	x->op = op;
	x->mask = wh_mask_new();
	x->out = x->err = -1;
	x->n_mounts = op->n_mounts;
	x->mounts = wh_calloc(op->n_mounts, sizeof(*x->mounts));
	for (i = 0; i < x->n_mounts; i++)
		x->mounts[i].lock = -1;
	return x;
}

int wh_exec_try_lock(struct wh_exec *x, struct wh_err **err)
{
	const struct wh_op_exec *op = x->op;
	const struct wh_exec_mount *same;
	size_t i;
	int r;

	for (i = 0; i < op->n_mounts; i++) {
		if (op->mounts[i].type != WH_MOUNT_CACHE)
			continue;
		same = own_lock(x, i);
		if (same) {
			x->mounts[i].slot = same->slot;
			continue;
		}
		r = lock_one(x->node, &op->mounts[i], &x->mounts[i]);
		if (r == 1)
			continue;
		/* All or none, so that two steps never wait for each other. */
		unlock(x);
		if (r < 0)
			return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "cache mount %s", op->mounts[i].target);
		return 0;
	}
	return 1;
}

bool wh_exec_lock(struct wh_node *n, int *ret_r, struct wh_err **err)
{
	int r;

	if (!n->exec)
		n->exec = wh_exec_new(n, n->v->op.exec);
	r = wh_exec_try_lock(n->exec, err);
	*ret_r = r < 0 ? r : 0;
	return r == 1;
}

/* ---------------------------------------------------------------- preparing */

void wh_exec_root(struct wh_work *w, bool writable, enum wh_snapshotter kind, struct wh_root *ret)
{
	*ret = (struct wh_root){.kind = kind == WH_SNAP_OVERLAY ? WH_ROOT_OVERLAY : WH_ROOT_DIR};
	if (kind == WH_SNAP_COPY) {
		ret->dir = wh_work_dir(w);
		return;
	}
	ret->lowers = wh_work_lowers(w);
	ret->stubs = wh_work_stubs(w);
	if (writable) {
		ret->upper = wh_work_upper(w);
		ret->work = wh_work_workdir(w);
	}
}

/* The input's tree, ready to be mounted. */
static int tree_prepare(struct wh_node *n, const struct wh_op_mount *m, struct wh_exec_mount *em, bool writable,
			struct wh_err **err)
{
	struct wh_builder *b = n->b;
	struct wh_file_input in;
	int r;

	wh_node_file_input(n, (size_t)m->input, &in);
	if (in.local_path) {
		/* What the link names is packed, as what is digested for the key: a link alone would lead nowhere. */
		r = em->source ? 0 : wh_local_resolve(b->o.store, &in, m->source ? m->source : "/", &em->source, err);
		if (r == 0)
			r = wh_local_layer(n, (size_t)m->input, em->source, &em->local, &em->took, err);
		if (r < 0)
			return r;
		in.layers = &em->local;
		in.n_layers = 1;
	}
	r = wh_work_new(b->o.store, b->snapshotter, in.layers, in.n_layers, writable, &em->work, err);
	if (r < 0)
		return r;
	wh_exec_root(em->work, writable, b->snapshotter, &em->overlay);
	return 0;
}

static const char *subpath(const struct wh_op_mount *m, const struct wh_exec_mount *em)
{
	const char *source = em->source ? em->source : m->source;

	return source && source[strspn(source, "/")] ? source : NULL;
}

static int bind_prepare(struct wh_node *n, const struct wh_op_mount *m, struct wh_exec_mount *em, struct wh_bind *bind,
			struct wh_err **err)
{
	/* A tree that is moved into the root is gone afterwards, so it may be no kept one. */
	int r = tree_prepare(n, m, em, !m->readonly || wh_builder_moves(n->b), err);

	if (r < 0)
		return r;
	bind->kind = WH_BIND_PATH;
	bind->readonly = m->readonly;
	bind->subpath = subpath(m, em);
	if (em->overlay.kind == WH_ROOT_OVERLAY)
		bind->overlay = &em->overlay;
	else
		bind->source = em->overlay.dir;
	return 0;
}

static int cache_attributes(const struct wh_op_mount *m, int dir, const char *name)
{
	WH_AUTO_FD int fd = wh_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	if (m->has_owner && fchown(fd, m->uid, m->gid) < 0)
		return -errno;
	if (fchmod(fd, m->has_mode ? m->mode & 07777 : 0755) < 0)
		return -errno;
	return 0;
}

/* Makes the mount's directory with mode and owner; an existing one keeps its own. */
static int cache_dir(const struct wh_op_mount *m, int dir, const char *name)
{
	if (mkdirat(dir, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return cache_attributes(m, dir, name);
}

/* Without overlay it starts as a copy of the input's tree, made once. */
static int cache_copy(struct wh_node *n, const struct wh_op_mount *m, struct wh_exec_mount *em, int dir, struct wh_err **err)
{
	WH_AUTO_FREE char *name = cache_name(n, m);
	struct wh_file_input in;
	char full[32];
	int r = 0;

	wh_node_file_input(n, (size_t)m->input, &in);
	if (in.local_path)
		r = wh_local_resolve(n->b->o.store, &in, m->source ? m->source : "/", &em->source, err);
	if (r < 0)
		return r;
	suffix(full, sizeof(full), "full", em->slot);
	if (faccessat(dir, full, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		r = tree_prepare(n, m, em, true, err);
		if (r < 0)
			return r;
		if (renameat2(AT_FDCWD, wh_work_dir(em->work), dir, full, RENAME_NOREPLACE) < 0 && errno != EEXIST)
			r = -errno;
		wh_work_discard(WH_TAKE_PTR(em->work));
		if (r == 0)
			r = cache_attributes(m, dir, full);
	}
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "make its directory");
	em->dir = wh_asprintf("%s/%s/%s", wh_store_path(n->b->o.store), name, full);
	return 0;
}

static int cache_prepare(struct wh_node *n, const struct wh_op_mount *m, struct wh_exec_mount *em, struct wh_bind *bind,
			 struct wh_err **err)
{
	const bool from = cache_start(n, m) != NULL, whole = n->b->snapshotter == WH_SNAP_COPY;
	WH_AUTO_FREE char *name = cache_name(n, m);
	WH_AUTO_FD int dir = cache_open(n, m);
	const char *store = wh_store_path(n->b->o.store);
	char data[32], work[32];
	int r = dir;

	suffix(data, sizeof(data), "data", em->slot);
	suffix(work, sizeof(work), "work", em->slot);
	if (dir >= 0 && !(from && whole))
		r = cache_dir(m, dir, data);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "make its directory");
	bind->kind = WH_BIND_PATH;
	bind->readonly = m->readonly;
	bind->stays = true;
	if (from && whole)
		r = cache_copy(n, m, em, dir, err);
	else
		em->dir = wh_asprintf("%s/%s/%s", store, name, data);
	if (r < 0)
		return r;
	if (!from || whole) {
		bind->source = em->dir;
		bind->subpath = subpath(m, em);
		return 0;
	}
	/* It starts as the input's tree; what steps write over it stays. */
	r = tree_prepare(n, m, em, false, err);
	if (r < 0)
		return r;
	if (mkdirat(dir, work, 0700) < 0 && errno != EEXIST)
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make its directory");
	em->dir_work = wh_asprintf("%s/%s/%s", store, name, work);
	em->overlay.upper = em->dir;
	em->overlay.work = em->dir_work;
	bind->overlay = &em->overlay;
	bind->subpath = subpath(m, em);
	return 0;
}

static const struct wh_secret *find_secret(const struct wh_builder *b, const char *id)
{
	size_t i;

	for (i = 0; i < b->o.n_secrets; i++)
		if (id && !strcmp(b->o.secrets[i].id, id))
			return &b->o.secrets[i];
	return NULL;
}

/* 1: there is something to mount; 0: not (absent and not required, or only a variable). */
static int secret_prepare(struct wh_node *n, struct wh_exec *x, const struct wh_op_mount *m, struct wh_bind *bind,
			  struct wh_err **err)
{
	const struct wh_secret *s = find_secret(n->b, m->id);

	if (!s) {
		if (!m->required)
			return 0;
		wh_err_set(err, "builder", WH_ERR_USAGE, ENOENT, "secret %s: not found", m->id ? m->id : "");
		wh_err_hint(err, "give it with --secret id=%s,src=FILE", m->id ? m->id : "ID");
		return -ENOENT;
	}
	wh_mask_add(x->mask, s->data, s->len);
	if (m->env) {
		WH_AUTO_FREE char *value = NULL;

		if (memchr(s->len ? s->data : "", 0, s->len))
			return wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL,
					  "secret %s holds a NUL byte: it cannot be the variable %s", m->id, m->env);
		value = wh_strndup(s->len ? s->data : "", s->len);
		wh_env_set(&x->env, m->env, value);
		explicit_bzero(value, s->len);
	}
	if (!m->target)
		return 0;
	bind->kind = WH_BIND_DATA;
	bind->readonly = true;
	bind->data = s->data;
	bind->data_len = s->len;
	bind->mode = m->has_mode ? m->mode : SECRET_MODE;
	bind->uid = m->has_owner ? m->uid : 0;
	bind->gid = m->has_owner ? m->gid : 0;
	return 1;
}

static int ssh_prepare(struct wh_node *n, struct wh_exec *x, const struct wh_op_mount *m, struct wh_exec_mount *em,
		       struct wh_bind *bind, struct wh_err **err)
{
	const char *id = m->id && *m->id ? m->id : "default", *socket = NULL;
	size_t i;
	int r;

	bind->target = m->target ? m->target : SSH_TARGET;
	/* As BuildKit: the first one's, be there an agent or not. */
	if (!wh_env_get(&x->env, "SSH_AUTH_SOCK"))
		wh_env_set(&x->env, "SSH_AUTH_SOCK", bind->target);
	for (i = 0; i < n->b->n_ssh; i++)
		if (wh_streq(n->b->ssh[i].id, id))
			socket = n->b->ssh[i].socket;
	if (!socket) {
		if (!m->required)
			return 0;
		wh_err_set(err, "builder", WH_ERR_USAGE, ENOENT, "unset ssh forward key %s: no agent was given", id);
		wh_err_hint(err, "give an agent with --ssh %s, or a key with --ssh %s=FILE", id, id);
		return -ENOENT;
	}
	r = wh_ssh_relay_new(n->b, socket, m->has_owner ? m->uid : 0, m->has_owner ? m->gid : 0,
			     m->has_mode ? m->mode : SSH_MODE, &em->relay, err);
	if (r < 0)
		return r;
	bind->kind = WH_BIND_PATH;
	bind->source = wh_ssh_relay_path(em->relay);
	return 1;
}

/* 1 with *bind filled in, 0 when there is nothing to mount, or -errno. */
static int one(struct wh_exec *x, const struct wh_op_mount *m, struct wh_exec_mount *em, struct wh_bind *bind,
	       struct wh_err **err)
{
	struct wh_node *n = x->node;
	int r;

	*bind = (struct wh_bind){.target = m->target};
	switch (m->type) {
	case WH_MOUNT_BIND:
		r = bind_prepare(n, m, em, bind, err);
		return r < 0 ? r : 1;
	case WH_MOUNT_CACHE:
		if (wh_builder_moves(n->b) && own_lock(x, (size_t)(m - x->op->mounts)))
			return wh_err_set(err, "builder", WH_ERR_ENV, ENOTSUP,
					  "--isolation=chroot: one cache cannot be at two places of a step");
		r = cache_prepare(n, m, em, bind, err);
		return r < 0 ? r : 1;
	case WH_MOUNT_TMPFS:
		bind->kind = WH_BIND_TMPFS;
		bind->size = m->size;
		bind->mode = m->has_mode ? m->mode : 01777;
		bind->uid = m->has_owner ? m->uid : 0;
		bind->gid = m->has_owner ? m->gid : 0;
		return 1;
	case WH_MOUNT_SECRET:
		return secret_prepare(n, x, m, bind, err);
	case WH_MOUNT_SSH:
		return ssh_prepare(n, x, m, em, bind, err);
	case WH_MOUNT_FILE:
		bind->kind = WH_BIND_DATA;
		bind->readonly = true;
		bind->data = m->data;
		bind->data_len = m->data_len;
		bind->mode = m->has_mode ? m->mode : 0755;
		bind->uid = m->has_owner ? m->uid : 0;
		bind->gid = m->has_owner ? m->gid : 0;
		return 1;
	}
	return 0;
}

/* /a before /a/b, whatever their order in the file, as BuildKit has it; of two with one target the later counts. */
static void sort_binds(struct wh_bind *v, size_t n)
{
	size_t i, k;

	for (i = 1; i < n; i++) {
		struct wh_bind b = v[i];

		for (k = i; k && strcmp(v[k - 1].target, b.target) > 0; k--)
			v[k] = v[k - 1];
		v[k] = b;
	}
}

int wh_exec_mounts_prepare(struct wh_exec *x, size_t more, struct wh_err **err)
{
	const struct wh_op_exec *op = x->op;
	size_t i;
	int r;

	x->binds = wh_calloc(op->n_mounts + more, sizeof(*x->binds));
	for (i = 0; i < op->n_mounts; i++) {
		r = one(x, &op->mounts[i], &x->mounts[i], &x->binds[x->n_binds], err);
		if (r < 0) {
			if (op->mounts[i].type != WH_MOUNT_SECRET && op->mounts[i].type != WH_MOUNT_SSH)
				wh_err_wrap(err, "mount %s", op->mounts[i].target);
			return r;
		}
		x->n_binds += (size_t)r;
		if (x->mounts[i].source)
			wh_exec_took(x->node, i, &x->mounts[i].took);
	}
	sort_binds(x->binds, x->n_binds);
	return 0;
}

void wh_exec_mounts_release(struct wh_exec *x)
{
	size_t i;

	for (i = 0; i < x->n_mounts; i++) {
		struct wh_exec_mount *m = &x->mounts[i];

		if (m->work)
			wh_work_discard(WH_TAKE_PTR(m->work));
		wh_layer_release(&m->local);
		free(WH_TAKE_PTR(m->dir));
		free(WH_TAKE_PTR(m->dir_work));
		free(WH_TAKE_PTR(m->source));
		wh_ssh_relay_free(WH_TAKE_PTR(m->relay));
	}
	unlock(x);
}

void wh_exec_serve(struct wh_exec *x)
{
	size_t i;

	for (i = 0; i < x->n_mounts; i++)
		if (x->mounts[i].relay)
			wh_ssh_relay_open(x->mounts[i].relay);
}

void wh_exec_serve_end(struct wh_exec *x)
{
	size_t i;

	for (i = 0; i < x->n_mounts; i++)
		if (x->mounts[i].relay)
			wh_ssh_relay_close(x->mounts[i].relay);
}
