/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph: vertices in an arena, named by the digest of their canonical
 * serialisation, equal ones kept once.
 *
 * The serialisation, version 1: every number fixed-width little-endian, every
 * string with its length in front, every list with its count. It begins with
 * the version and the kind, then come the inputs' ids (32 zero bytes for the
 * empty tree), then the operation's fields in the order of its struct.
 */
#include "builder/graph.h"

#include <uthash.h>

#define GRAPH_VERSION 1

struct entry {
	struct wh_vertex vertex;
	UT_hash_handle hh;
};

struct wh_graph {
	struct wh_arena *arena;
	struct entry *by_id;
	struct entry **v;
	size_t n, cap;
};

struct wh_graph *wh_graph_new(void)
{
	struct wh_graph *g = wh_calloc(1, sizeof(*g));

	g->arena = wh_arena_new();
	return g;
}

void wh_graph_free(struct wh_graph *g)
{
	if (!g)
		return;
	HASH_CLEAR(hh, g->by_id);
	free(g->v);
	wh_arena_free(g->arena);
	free(g);
}

struct wh_arena *wh_graph_arena(struct wh_graph *g)
{
	return g->arena;
}

size_t wh_graph_count(const struct wh_graph *g)
{
	return g->n;
}

struct wh_vertex *wh_graph_at(const struct wh_graph *g, size_t index)
{
	return index < g->n ? &g->v[index]->vertex : NULL;
}

/* ---- serialisation ---- */

static void put_list(struct wh_buf *out, const char *const *list)
{
	uint32_t n = 0;

	while (list && list[n])
		n++;
	wh_buf_u32(out, list ? n : UINT32_MAX);
	for (n = 0; list && list[n]; n++)
		wh_buf_lstr(out, list[n]);
}

static void put_data(struct wh_buf *out, const char *data, size_t len)
{
	wh_buf_u64(out, len);
	if (len)
		wh_buf_add(out, data, len);
}

static void put_source(struct wh_buf *out, const struct wh_op_source *s)
{
	wh_buf_lstr(out, s->ref);
	wh_buf_lstr(out, s->platform);
	put_list(out, s->ignore);
	if (!wh_has_prefix(s->ref, "http") && !wh_has_prefix(s->ref, "git:"))
		return;
	wh_buf_lstr(out, s->filename);
	wh_buf_lstr(out, s->checksum);
	wh_buf_lstr(out, s->git_ref);
	wh_buf_lstr(out, s->git_subdir);
	wh_buf_u8(out, s->keep_git_dir);
	wh_buf_u8(out, s->git_submodules);
	wh_buf_u8(out, s->git_by_commit);
}

static void put_mount(struct wh_buf *out, const struct wh_op_mount *m)
{
	wh_buf_u8(out, (uint8_t)m->type);
	wh_buf_u32(out, (uint32_t)m->input);
	wh_buf_lstr(out, m->source);
	wh_buf_lstr(out, m->target);
	wh_buf_u8(out, m->readonly);
	wh_buf_lstr(out, m->id);
	wh_buf_u8(out, (uint8_t)m->sharing);
	wh_buf_u8(out, m->required);
	wh_buf_lstr(out, m->env);
	wh_buf_u64(out, m->size);
	wh_buf_u8(out, m->has_mode);
	wh_buf_u8(out, m->has_owner);
	wh_buf_u32(out, m->mode);
	wh_buf_u32(out, m->uid);
	wh_buf_u32(out, m->gid);
	put_data(out, m->data, m->data_len);
}

static void put_exec(struct wh_buf *out, const struct wh_op_exec *e)
{
	size_t i;

	put_list(out, e->args);
	put_list(out, e->env);
	put_list(out, e->proxy_env);
	wh_buf_lstr(out, e->cwd);
	wh_buf_lstr(out, e->user);
	wh_buf_u8(out, (uint8_t)e->network);
	wh_buf_u8(out, e->insecure);
	wh_buf_u32(out, (uint32_t)e->n_mounts);
	for (i = 0; i < e->n_mounts; i++)
		put_mount(out, &e->mounts[i]);
	wh_buf_lstr(out, e->hostname);
	put_list(out, e->extra_hosts);
	wh_buf_u64(out, e->shm_size);
	put_list(out, e->ulimits);
	/* Equal steps on equal roots for two platforms: what runs them may differ. */
	wh_buf_lstr(out, e->platform);
}

static void put_action(struct wh_buf *out, const struct wh_file_action *a)
{
	wh_buf_u8(out, (uint8_t)a->kind);
	wh_buf_u32(out, (uint32_t)a->input);
	put_list(out, a->srcs);
	wh_buf_u8(out, a->no_glob);
	put_list(out, a->exclude);
	wh_buf_u8(out, a->parents);
	wh_buf_u8(out, (uint8_t)(a->unpack ? 1 + a->unpack_all : 0));
	wh_buf_u8(out, a->contents_only);
	wh_buf_lstr(out, a->path);
	wh_buf_lstr(out, a->chown);
	wh_buf_lstr(out, a->chmod);
	wh_buf_u8(out, a->make_parents);
	wh_buf_u8(out, a->missing_ok);
	put_data(out, a->data, a->data_len);
}

static void put_app(struct wh_buf *out, const struct wh_op_app *a)
{
	put_list(out, a->entrypoint);
	put_list(out, a->cmd);
	put_list(out, a->start);
	put_list(out, a->env);
	wh_buf_lstr(out, a->cwd);
	wh_buf_lstr(out, a->user);
	wh_buf_lstr(out, a->stop_signal);
	put_list(out, a->health);
	wh_buf_u64(out, a->health_timeout_ns);
	wh_buf_u64(out, a->health_interval_ns);
	wh_buf_u32(out, a->health_retries);
}

static void put_profile(struct wh_buf *out, const struct wh_op_profile *p)
{
	size_t i;

	put_app(out, &p->app);
	wh_buf_u8(out, p->manual);
	wh_buf_u32(out, (uint32_t)p->n_ready);
	for (i = 0; i < p->n_ready; i++) {
		wh_buf_u8(out, (uint8_t)p->ready[i].kind);
		wh_buf_u32(out, p->ready[i].port);
		wh_buf_lstr(out, p->ready[i].text);
		wh_buf_u64(out, p->ready[i].ns);
	}
	put_list(out, p->share);
	wh_buf_lstr(out, p->lock);
	put_exec(out, &p->driver);
	wh_buf_u64(out, p->timeout_ns);
	wh_buf_u32(out, p->runs);
	wh_buf_lstr(out, p->platform);
}

static void put_prune(struct wh_buf *out, const struct wh_op_prune *p)
{
	put_list(out, p->keep);
	put_list(out, p->drop);
	wh_buf_u8(out, p->package_mode);
	wh_buf_u8(out, p->keep_shell);
	wh_buf_u8(out, p->keep_setid);
	put_list(out, p->setid);
	wh_buf_u32(out, p->repair);
	wh_buf_lstr(out, p->config);
	wh_buf_u8(out, p->health_is_shell);
	if (p->max_risk != WH_NO_LIMIT)
		wh_buf_u32(out, p->max_risk);
	if (p->profiles_in)
		put_list(out, p->profiles_in);
}

void wh_vertex_serialize(const struct wh_vertex *v, struct wh_buf *out)
{
	static const struct wh_digest empty;
	size_t i;

	wh_buf_u8(out, GRAPH_VERSION);
	wh_buf_u8(out, (uint8_t)v->kind);
	wh_buf_u32(out, (uint32_t)v->n_inputs);
	for (i = 0; i < v->n_inputs; i++)
		wh_buf_add(out, v->inputs[i] ? v->inputs[i]->id.b : empty.b, sizeof(empty.b));
	switch (v->kind) {
	case WH_OP_SOURCE:
		put_source(out, v->op.source);
		return;
	case WH_OP_EXEC:
		put_exec(out, v->op.exec);
		return;
	case WH_OP_FILE:
		wh_buf_u32(out, (uint32_t)v->op.file->n_actions);
		for (i = 0; i < v->op.file->n_actions; i++)
			put_action(out, &v->op.file->actions[i]);
		return;
	case WH_OP_PROFILE:
		put_profile(out, v->op.profile);
		return;
	case WH_OP_PRUNE:
		put_prune(out, v->op.prune);
		return;
	case WH_OP_PROVE:
		wh_buf_lstr(out, v->op.prove->config);
		wh_buf_lstr(out, v->op.prove->platform);
		put_list(out, v->op.prove->profiles_in);
		return;
	case WH_OP_MERGE:
	case WH_OP_DIFF:
		return; /* their inputs say all */
	}
}

/* ---- adding ---- */

struct wh_vertex *wh_graph_add(struct wh_graph *g, const struct wh_vertex *v)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_digest id;
	struct entry *e;

	wh_vertex_serialize(v, &text);
	wh_digest_of(text.p, text.n, &id);
	HASH_FIND(hh, g->by_id, &id, sizeof(id), e);
	if (e) {
		/* Whoever asked for a fresh run gets it, also when somebody else asked for the same without. */
		e->vertex.no_cache |= v->no_cache;
		return &e->vertex;
	}
	e = wh_arena_alloc(g->arena, sizeof(*e));
	e->vertex = *v;
	e->vertex.id = id;
	e->vertex.index = g->n;
	HASH_ADD(hh, g->by_id, vertex.id, sizeof(e->vertex.id), e);
	WH_PUSH(g->v, g->n, g->cap) = e;
	return &e->vertex;
}

void wh_target_release(struct wh_target *t)
{
	json_decref(t->config);
	json_decref(t->base_history);
	*t = (struct wh_target){0};
}
