/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache keys.
 *
 * A projection is what of an operation can change its result, and nothing
 * else, in a form in which equal meanings are equal bytes:
 *
 *   in        arguments, environment (as a set), directory, user, network kind, host name, privileges,
 *             mounts with targets, sources, ids, modes, owners and the bytes of small files; all of a file action;
 *             SOURCE_DATE_EPOCH, because layers are clamped to it
 *   not in    names and positions, proxies, extra hosts, sizes of /dev/shm and tmpfs, whether a secret must
 *             exist, how a cache mount is shared, ignore patterns (what they leave is in the selection)
 *
 * PROFILE: the application, how it is started and seen to be ready, what is shared, the driver like an EXEC, how often;
 * not how long it may take. PRUNE: globs, modes, the image's config, how often it may be repaired. Both: the version of
 * what observes (and of the rules). PRUNE's further inputs count by their profiles' documents.
 *
 * Change what is projected, or how an operation works, and SCHEMA must change.
 */
#include "builder/builder_private.h"
#include "harden/harden.h"

#define SCHEMA 2

static void start(struct wh_buf *b, const char *what)
{
	wh_buf_u32(b, SCHEMA);
	wh_buf_lstr(b, what);
}

static void end(struct wh_buf *b, struct wh_digest *ret)
{
	wh_digest_of(b->p, b->n, ret);
	wh_buf_release(b);
}

static void add_digest(struct wh_buf *b, const struct wh_digest *d)
{
	wh_buf_add(b, d->b, sizeof(d->b));
}

/* Bytes by digest: a key's input stays small, and NULs are no matter. */
static void add_data(struct wh_buf *b, const char *p, size_t n)
{
	struct wh_digest d;

	wh_digest_of(n ? p : "", n, &d);
	wh_buf_u64(b, n);
	add_digest(b, &d);
}

static void add_list(struct wh_buf *b, const char *const *v)
{
	size_t i, n = 0;

	while (v && v[n])
		n++;
	wh_buf_u32(b, v ? (uint32_t)n : UINT32_MAX);
	for (i = 0; i < n; i++)
		wh_buf_lstr(b, v[i]);
}

/* The last value of a name counts; sorted, as programs look variables up by name. */
static void add_env(struct wh_buf *b, const char *const *env)
{
	WH_AUTO_STRV struct wh_strv set = {0};
	size_t i;

	for (i = 0; env && env[i]; i++) {
		const char *eq = strchr(env[i], '=');
		WH_AUTO_FREE char *name = eq ? wh_strndup(env[i], (size_t)(eq - env[i])) : NULL;

		if (name)
			wh_env_set(&set, name, eq + 1);
		else
			wh_strv_add(&set, env[i]);
	}
	wh_strv_sort(&set);
	wh_buf_u32(b, (uint32_t)set.n);
	for (i = 0; i < set.n; i++)
		wh_buf_lstr(b, set.v[i]);
}

static void add_mount(struct wh_buf *b, const struct wh_op_mount *m)
{
	wh_buf_u8(b, (uint8_t)m->type);
	wh_buf_lstr(b, m->target);
	wh_buf_u32(b, (uint32_t)m->input);
	switch (m->type) {
	case WH_MOUNT_BIND:
		wh_buf_lstr(b, m->source);
		wh_buf_u8(b, m->readonly);
		break;
	case WH_MOUNT_CACHE:
		wh_buf_lstr(b, m->source);
		wh_buf_lstr(b, m->id);
		wh_buf_u8(b, m->readonly);
		break;
	case WH_MOUNT_SECRET:
		wh_buf_lstr(b, m->id);
		wh_buf_lstr(b, m->env);
		break;
	case WH_MOUNT_SSH:
		wh_buf_lstr(b, m->id);
		break;
	case WH_MOUNT_FILE:
		add_data(b, m->data, m->data_len);
		break;
	case WH_MOUNT_TMPFS:
		break;
	}
	wh_buf_u8(b, m->has_mode);
	wh_buf_u32(b, m->has_mode ? m->mode : 0);
	wh_buf_u8(b, m->has_owner);
	wh_buf_u32(b, m->has_owner ? m->uid : 0);
	wh_buf_u32(b, m->has_owner ? m->gid : 0);
}

static void add_exec(struct wh_buf *b, const struct wh_op_exec *x)
{
	size_t i;

	add_list(b, x->args);
	add_env(b, x->env);
	wh_buf_lstr(b, x->cwd);
	wh_buf_lstr(b, x->user ? x->user : "");
	wh_buf_u8(b, (uint8_t)x->network);
	wh_buf_u8(b, x->insecure);
	wh_buf_lstr(b, x->hostname);
	wh_buf_u32(b, (uint32_t)x->n_mounts);
	for (i = 0; i < x->n_mounts; i++)
		add_mount(b, &x->mounts[i]);
}

static void add_action(struct wh_buf *b, const struct wh_file_action *a)
{
	wh_buf_u8(b, (uint8_t)a->kind);
	wh_buf_lstr(b, a->path);
	wh_buf_lstr(b, a->chown);
	wh_buf_lstr(b, a->chmod);
	switch (a->kind) {
	case WH_FILE_COPY:
		wh_buf_u32(b, (uint32_t)a->input);
		add_list(b, a->srcs);
		add_list(b, a->exclude);
		wh_buf_u8(b, a->no_glob);
		wh_buf_u8(b, a->parents);
		wh_buf_u8(b, (uint8_t)(a->unpack ? 1 + a->unpack_all : 0));
		wh_buf_u8(b, a->contents_only);
		break;
	case WH_FILE_MKFILE:
	case WH_FILE_SYMLINK:
		add_data(b, a->data, a->data_len);
		break;
	case WH_FILE_MKDIR:
		wh_buf_u8(b, a->make_parents);
		break;
	case WH_FILE_RM:
		wh_buf_u8(b, a->missing_ok);
		wh_buf_u8(b, a->no_glob);
		break;
	}
}

static void add_app(struct wh_buf *b, const struct wh_op_app *a)
{
	add_list(b, a->entrypoint);
	add_list(b, a->cmd);
	add_list(b, a->start);
	add_env(b, a->env);
	wh_buf_lstr(b, a->cwd);
	wh_buf_lstr(b, a->user ? a->user : "");
	wh_buf_lstr(b, a->stop_signal);
	add_list(b, a->health);
	wh_buf_u64(b, a->health_timeout_ns);
	wh_buf_u64(b, a->health_interval_ns);
	wh_buf_u32(b, a->health_retries);
}

static void add_profile(struct wh_buf *b, const struct wh_op_profile *p)
{
	size_t i;

	wh_buf_u32(b, WH_OBSERVER_VERSION);
	wh_buf_u32(b, WH_RULES_VERSION); /* what a log says of a tree is a matter of rules, too */
	add_app(b, &p->app);
	wh_buf_u8(b, p->manual);
	wh_buf_u32(b, (uint32_t)p->n_ready);
	for (i = 0; i < p->n_ready; i++) {
		wh_buf_u8(b, (uint8_t)p->ready[i].kind);
		wh_buf_u32(b, p->ready[i].port);
		wh_buf_lstr(b, p->ready[i].text);
		wh_buf_u64(b, p->ready[i].ns);
	}
	add_list(b, p->share);
	add_exec(b, &p->driver);
	wh_buf_u32(b, p->runs);
}

static void add_prune(struct wh_buf *b, const struct wh_op_prune *p)
{
	wh_buf_u32(b, WH_OBSERVER_VERSION);
	wh_buf_u32(b, WH_RULES_VERSION);
	add_list(b, p->keep);
	add_list(b, p->drop);
	wh_buf_u8(b, p->package_mode);
	wh_buf_u8(b, p->keep_shell);
	wh_buf_u8(b, p->keep_setid);
	wh_buf_u32(b, p->repair);
	wh_buf_lstr(b, p->config);
}

void wh_tree_key(const struct wh_layer *layers, size_t n, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	size_t i;

	start(&b, "tree");
	wh_buf_u64(&b, n);
	for (i = 0; i < n; i++)
		add_digest(&b, &layers[i].diff_id);
	end(&b, ret);
}

void wh_file_base_key(const struct wh_digest *tree, int64_t base_time, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "file base");
	add_digest(&b, tree);
	wh_buf_u64(&b, (uint64_t)base_time);
	end(&b, ret);
}

void wh_op_key(const struct wh_vertex *v, int64_t epoch, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	size_t i;

	start(&b, "op");
	wh_buf_u8(&b, (uint8_t)v->kind);
	wh_buf_u64(&b, (uint64_t)epoch);
	wh_buf_u32(&b, (uint32_t)v->n_inputs);
	switch (v->kind) {
	case WH_OP_EXEC:
		add_exec(&b, v->op.exec);
		break;
	case WH_OP_FILE:
		wh_buf_u32(&b, (uint32_t)v->op.file->n_actions);
		for (i = 0; i < v->op.file->n_actions; i++)
			add_action(&b, &v->op.file->actions[i]);
		break;
	case WH_OP_PROFILE:
		add_profile(&b, v->op.profile);
		break;
	case WH_OP_PRUNE:
		add_prune(&b, v->op.prune);
		break;
	case WH_OP_SOURCE:
	case WH_OP_MERGE:
	case WH_OP_DIFF:
		break;
	}
	end(&b, ret);
}

bool wh_fast_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *const *others,
		 size_t n_others, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	size_t i;

	for (i = 0; i < n_others; i++)
		if (!others[i])
			return false;
	start(&b, "fast");
	add_digest(&b, op);
	add_digest(&b, base);
	wh_buf_u64(&b, n_others);
	for (i = 0; i < n_others; i++)
		add_digest(&b, others[i]);
	end(&b, ret);
	return true;
}

void wh_content_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *selection,
		    struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "content");
	add_digest(&b, op);
	add_digest(&b, base);
	add_digest(&b, selection);
	end(&b, ret);
}

void wh_profile_key(const struct wh_key_parts *k, const struct wh_digest *doc, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "profile");
	/* Which of the two it has is a matter of its inputs, not of how it was found. */
	wh_buf_u8(&b, k->has_fast);
	add_digest(&b, k->has_fast ? &k->fast : &k->content);
	add_digest(&b, doc);
	end(&b, ret);
}
