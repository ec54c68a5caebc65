/* SPDX-License-Identifier: Apache-2.0 */
/* File operations in the scheduler: fileop.h, driven. */
#include "builder/builder_private.h"
#include "builder/explain.h"

#include <errno.h>

void wh_node_file_input(const struct wh_node *n, size_t input, struct wh_file_input *ret)
{
	const struct wh_node *in = n->inputs[input];

	*ret = (struct wh_file_input){.v = n->v->inputs[input]};
	if (in) {
		ret->local_path = in->local_path;
		ret->attrs = in->local_attrs;
		if (in->local_path && !in->fetched && n->b->o.reproducible) {
			ret->attrs.plain = true;
			ret->attrs.time = n->b->o.layer.epoch;
		}
		ret->layers = in->result.layers;
		ret->n_layers = in->result.n_layers;
	}
}

static int open_op(struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_file_input *inputs = wh_calloc(n->n_inputs, sizeof(*inputs));
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	struct wh_fileop_args a = {
		.store = n->b->o.store,
		.v = n->v,
		.inputs = inputs,
		.n_inputs = n->n_inputs,
		.protect = n->b->o.protect,
		.cancel = &n->b->cancel,
	};
	size_t i;
	int r;

	if (n->fileop)
		return 0;
	if (base) {
		a.base = base->result.layers;
		a.n_base = base->result.n_layers;
		a.base_time = base->base_time;
	}
	for (i = 1; i < n->n_inputs; i++)
		wh_node_file_input(n, i, &inputs[i]);
	r = wh_fileop_new(&a, &n->fileop, err);
	if (r == 0)
		r = wh_fileop_scan(n->fileop, err);
	return r;
}

static int tell(struct wh_node *n, struct wh_err **err)
{
	int r = wh_fileop_digest(n->fileop, &n->key.selection, err);

	if (r == 0)
		n->key.has_selection = true;
	return r;
}

void wh_file_select(struct wh_node *n)
{
	int r = open_op(n, &n->job_err);

	if (r == 0 && !wh_fileop_known(n->fileop))
		r = wh_fileop_hash(n->fileop, &n->job_err);
	if (r == 0)
		r = tell(n, &n->job_err);
	n->job_r = r;
}

void wh_file_work(struct wh_node *n)
{
	int r = open_op(n, &n->job_err);

	if (r == 0)
		r = wh_fileop_write(n->fileop, &n->b->o.layer, &n->own, &n->own_empty, &n->job_err);
	/* Told before or not: a file may have changed since, and the layer must be found by what is in it. */
	if (r == 0 && n->wants_selection)
		r = tell(n, &n->job_err);
	if (r == 0) {
		wh_buf_reset(&n->listing);
		wh_fileop_list(n->fileop, "", &n->listing);
		wh_explain_keep(n);
	}
	/* Sources and scans can be large, and nothing asks again. */
	wh_fileop_free(WH_TAKE_PTR(n->fileop));
	n->job_r = r;
}

/* ---------------------------------------------------------------- local directories that are mounted */

/* A directory of the user's as a tree of its own. Digest and layer come from the same selection, so that a record can name what the
 * layer really holds. */
struct mounted {
	const char *srcs[2];
	struct wh_file_action action;
	struct wh_op_file op;
	struct wh_vertex *inputs[2];
	struct wh_vertex v;
	struct wh_file_input in[2];
	struct wh_fileop *f;
};

static int mounted_open(struct wh_node *n, size_t input, const char *source, struct mounted *m, struct wh_err **err)
{
	/* --parents keeps the source's own path, so that the mount finds it where it says. */
	bool all = !strcmp(source, "/");
	struct wh_fileop_args a;
	int r;

	*m = (struct mounted){.srcs = {all ? "." : source + strspn(source, "/")}};
	m->action = (struct wh_file_action){
		.kind = WH_FILE_COPY,
		.input = 1,
		.srcs = m->srcs,
		.no_glob = true,
		.parents = !all,
		.path = "/",
	};
	m->op = (struct wh_op_file){.actions = &m->action, .n_actions = 1};
	m->inputs[1] = n->v->inputs[input];
	m->v = (struct wh_vertex){
		.kind = WH_OP_FILE,
		.op.file = &m->op,
		.inputs = m->inputs,
		.n_inputs = 2,
		.name = n->v->name,
		.pos = n->v->pos,
	};
	wh_node_file_input(n, input, &m->in[1]);
	a = (struct wh_fileop_args){
		.store = n->b->o.store,
		.v = &m->v,
		.inputs = m->in,
		.n_inputs = 2,
		.protect = n->b->o.protect,
		.cancel = &n->b->cancel,
	};
	r = wh_fileop_new(&a, &m->f, err);
	return r == 0 ? wh_fileop_scan(m->f, err) : r;
}

int wh_local_digest(struct wh_node *n, size_t input, const char *source, const char *label, struct wh_digest *ret,
		    struct wh_buf *list, struct wh_err **err)
{
	WH_AUTO_FREE char *real = NULL;
	struct wh_file_input in;
	struct mounted m = {0};
	int r;

	wh_node_file_input(n, input, &in);
	r = wh_local_resolve(n->b->o.store, &in, source, &real, err);
	if (r == 0)
		r = mounted_open(n, input, real, &m, err);
	if (r == 0)
		r = wh_fileop_digest(m.f, ret, err);
	if (r == 0)
		wh_fileop_list(m.f, label, list);
	wh_fileop_free(m.f);
	return r;
}

int wh_local_layer(struct wh_node *n, size_t input, const char *source, struct wh_layer *ret, struct wh_digest *ret_digest,
		   struct wh_err **err)
{
	struct wh_layer_opts o = n->b->o.layer;
	struct mounted m;
	bool empty;
	int r;

	o.comp = WH_COMP_NONE; /* never leaves this machine */
	r = mounted_open(n, input, source, &m, err);
	if (r == 0)
		r = wh_fileop_write(m.f, &o, ret, &empty, err);
	if (r == 0) {
		r = wh_fileop_digest(m.f, ret_digest, err);
		if (r < 0)
			wh_layer_release(ret);
	}
	wh_fileop_free(m.f);
	return r;
}
