/* SPDX-License-Identifier: Apache-2.0 */
/* Steps whose programs are another machine's: what the sandbox can do for them, asked once a platform. */
#include "builder/builder_private.h"

#include <errno.h>

/* ---------------------------------------------------------------- before a solve */

static int refuse_profile(const struct wh_vertex *v, struct wh_err **err)
{
	wh_err_set(err, "builder", WH_ERR_USAGE, EPERM,
		   "PROFILE of a %s application on this machine would observe it under an emulator", v->op.profile->platform);
	wh_err_hint(err, "profile it on a machine of its own, or grant it: --allow profile.emulated (the verdict will say so)");
	wh_err_at(err, v->pos.file, v->pos.line, 0, v->pos.excerpt);
	return -EPERM;
}

int wh_builder_check_platforms(struct wh_builder *b, struct wh_err **err)
{
	const struct wh_node *n;
	size_t i;

	if (b->o.allow_emulated_profile)
		return 0;
	for (i = 0; i < WH_NODE_BUCKETS; i++)
		for (n = b->buckets[i]; n; n = n->chain)
			if (n->mark == b->solve_no && n->v->kind == WH_OP_PROFILE && n->v->op.profile->platform &&
			    !wh_foreign_native(n->v->op.profile->platform))
				return refuse_profile(n->v, err);
	return 0;
}

/* ---------------------------------------------------------------- on a miss */

static const struct wh_platform_memo *find(const struct wh_builder *b, const char *platform)
{
	size_t i;

	for (i = 0; i < b->n_platforms; i++)
		if (!strcmp(b->platforms[i].platform, platform))
			return &b->platforms[i];
	return NULL;
}

static int ensure(struct wh_builder *b, const char *platform, struct wh_err **err)
{
	struct wh_platform_memo m = {0};
	int r;

	if (!platform || !b->foreign || find(b, platform))
		return 0;
	r = wh_foreign_ensure(b->foreign, platform, &m.how, err);
	if (r < 0)
		return r;
	if (m.how.emulated)
		wh_builder_notice(b, "platform: %s programs run under %s%s", platform, m.how.emulator,
				  m.how.ours ? ", which is registered for this build alone" : "");
	m.platform = wh_strdup(platform);
	WH_PUSH(b->platforms, b->n_platforms, b->cap_platforms) = m;
	return 0;
}

static int ensure_profile(struct wh_builder *b, const struct wh_op_profile *p, struct wh_err **err)
{
	int r = ensure(b, p->platform, err);

	return r < 0 ? r : ensure(b, p->driver.platform, err);
}

int wh_node_platforms(struct wh_node *n, struct wh_err **err)
{
	size_t i;
	int r = wh_node_isolation(n, err);

	if (r < 0)
		return r;
	if (n->v->kind == WH_OP_EXEC)
		return ensure(n->b, n->v->op.exec->platform, err);
	if (n->v->kind == WH_OP_PROFILE)
		return ensure_profile(n->b, n->v->op.profile, err);
	/* PRUNE and PROVE run the tests of its profiles again, which may themselves be from the cache. */
	for (i = 1; (n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE) && r == 0 && i < n->n_inputs; i++)
		if (n->inputs[i] && n->inputs[i]->v->kind == WH_OP_PROFILE)
			r = ensure_profile(n->b, n->inputs[i]->v->op.profile, err);
	return r;
}

bool wh_builder_emulates(const struct wh_builder *b, const char *platform)
{
	const struct wh_platform_memo *m = platform ? find(b, platform) : NULL;

	return m && m->how.emulated;
}

void wh_builder_platforms_free(struct wh_builder *b)
{
	size_t i;

	for (i = 0; i < b->n_platforms; i++) {
		wh_emulation_release(&b->platforms[i].how);
		free(b->platforms[i].platform);
	}
	free(b->platforms);
	wh_foreign_free(b->foreign);
}
