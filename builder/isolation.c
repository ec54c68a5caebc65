/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are kept apart by less than namespaces: what cannot be had then. */
#include "builder/builder_private.h"

#include <errno.h>

bool wh_builder_moves(const struct wh_builder *b)
{
	return b->o.inner && wh_inner_isolation(b->o.inner) == WH_ISOLATION_CHROOT;
}

bool wh_isolation_serves(const struct wh_builder *b, const struct wh_record *rec)
{
	return !rec->chroot || wh_builder_moves(b);
}

enum wh_isolation wh_builder_isolation(struct wh_builder *b, const struct wh_target *t)
{
	const struct wh_node *n = t->state ? wh_builder_node(b, t->state) : NULL;

	return n && n->in_chroot ? WH_ISOLATION_CHROOT : WH_ISOLATION_NAMESPACES;
}

static int refuse(const struct wh_vertex *v, struct wh_err **err, const char *what, const char *hint)
{
	wh_err_set(err, "builder", WH_ERR_ENV, ENOTSUP, "--isolation=chroot: %s", what);
	wh_err_hint(err, "%s", hint);
	wh_err_at(err, v->pos.file, v->pos.line, 0, v->pos.excerpt);
	return -ENOTSUP;
}

static int check_exec(struct wh_node *n, struct wh_err **err)
{
	const struct wh_op_exec *op = n->v->op.exec;
	struct wh_builder *b = n->b;
	int r;

	if (op->insecure)
		return refuse(n->v, err, "a step cannot have more rights than it has there (RUN --security=insecure)",
			      "build it where user namespaces can be had");
	if (op->network == WH_NET_NONE)
		return refuse(n->v, err, "there is no network but this container's (RUN --network=none)",
			      "build it where user namespaces can be had, or leave the network to the step");
	if (b->devices_tried)
		return 0;
	r = wh_chroot_try_devices(wh_store_tmp_dirfd(b->o.store), err);
	b->devices_tried = r == 0;
	return r;
}

int wh_node_isolation(struct wh_node *n, struct wh_err **err)
{
	if (!wh_builder_moves(n->b))
		return 0;
	if (n->v->kind == WH_OP_PROFILE || n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE)
		return refuse(n->v, err, "nothing would keep the observer apart from what it observes (PROFILE, PRUNE)",
			      "build it where user namespaces can be had; what is in the cache already is taken from there");
	return n->v->kind == WH_OP_EXEC ? check_exec(n, err) : 0;
}
