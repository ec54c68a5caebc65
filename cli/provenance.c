/* SPDX-License-Identifier: Apache-2.0 */
/* What a build says of itself: its graph's sources, and how it was asked for. Secrets are in neither. */
#include "cli/proof.h"

struct bases {
	struct wh_provenance_base *v;
	size_t n, cap;
	struct wh_strv names; /* what v's names point to */
};

/* "docker-image://NAME@DIGEST", "oci-layout://DIR[:TAG]@DIGEST": of a directory of this machine only the last part is told. */
static void add_base(struct bases *b, const char *identifier)
{
	static const char docker[] = "docker-image://", layout[] = "oci-layout://";
	const char *at = strrchr(identifier, '@');
	WH_AUTO_FREE char *name = NULL;
	const char *shown;
	struct wh_digest d;

	if (!at || !wh_digest_parse(at + 1, &d))
		return;
	name = wh_strndup(identifier, (size_t)(at - identifier));
	if (wh_has_prefix(name, docker))
		shown = name + strlen(docker);
	else if (wh_has_prefix(name, layout))
		shown = wh_path_base(name + strlen(layout));
	else
		return;
	wh_strv_add(&b->names, shown);
	WH_PUSH(b->v, b->n, b->cap) = (struct wh_provenance_base){.name = b->names.v[b->names.n - 1], .digest = d};
}

/* All that the tree is made of: inputs come before users. */
static void find_bases(const struct wh_graph *g, const struct wh_vertex *state, struct bases *ret)
{
	WH_AUTO_FREE bool *used = wh_calloc(wh_graph_count(g) + 1, sizeof(*used));

	if (!state)
		return;
	used[state->index] = true;
	for (size_t i = state->index + 1; i-- > 0;) {
		const struct wh_vertex *v = wh_graph_at(g, i);

		for (size_t k = 0; used[i] && k < v->n_inputs; k++)
			if (v->inputs[k])
				used[v->inputs[k]->index] = true;
		if (used[i] && v->kind == WH_OP_SOURCE)
			add_base(ret, v->op.source->ref);
	}
}

json_t *wh_provenance_of(const struct wh_build_spec *s, const char *dockerfile, const struct wh_graph *g, const struct wh_target *t,
			 enum wh_isolation isolation)
{
	struct bases b = {0};
	json_t *o;

	find_bases(g, t->state, &b);
	o = wh_provenance_make(&(struct wh_provenance_input){
		.dockerfile = dockerfile,
		.target = s->target,
		.platform = t->platform,
		.build_args = &s->build_args,
		.isolation = isolation == WH_ISOLATION_CHROOT ? "chroot" : "namespaces",
		.bases = b.v,
		.n_bases = b.n,
	});
	free(b.v);
	wh_strv_release(&b.names);
	return o;
}
