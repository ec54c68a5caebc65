/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: an image's layers as they are (nothing is fetched or unpacked), a local directory, or what somebody else fetches:
 * a URL's body, a repository's tree. Those come back as directories that never change, and are read like local ones.
 */
#include "builder/builder_private.h"

#include <errno.h>
#include <time.h>

#define LOCAL "local://"

/* RFC 3339 as image configs have it, to seconds; 0 when it is not one. */
static int64_t when(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t t;

	if (!rest)
		return 0;
	t = timegm(&tm);
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if ((*rest == '+' || *rest == '-') && strlen(rest) == 6) {
		int64_t off =
			((rest[1] - '0') * 10 + (rest[2] - '0')) * 3600 + ((rest[4] - '0') * 10 + (rest[5] - '0')) * 60;

		t += *rest == '+' ? -off : off;
	}
	return t;
}

int64_t wh_image_created(const json_t *config)
{
	int64_t t = when(wh_json_str(config, "created"));

	return t < 0 ? 0 : t;
}

/* ---------------------------------------------------------------- what is fetched */

#define GIT "git:"

bool wh_source_is_remote(const struct wh_vertex *v)
{
	const char *ref = v->kind == WH_OP_SOURCE ? v->op.source->ref : "";

	return wh_has_prefix(ref, "http://") || wh_has_prefix(ref, "https://") || wh_has_prefix(ref, GIT);
}

static void add_text(json_t *q, const char *key, const char *value)
{
	if (value)
		json_object_set_new(q, key, json_string(value));
}

/* NULL: something in it is no UTF-8. */
static json_t *request_new(const struct wh_op_source *s)
{
	bool git = wh_has_prefix(s->ref, GIT);
	json_t *q = json_pack("{s:s, s:s}", "kind", git ? "git" : "http", git ? "remote" : "url",
			      git ? s->ref + strlen(GIT) : s->ref);

	if (!q)
		return NULL;
	add_text(q, "checksum", s->checksum);
	if (!git) {
		add_text(q, "filename", s->filename);
		return q;
	}
	add_text(q, "ref", s->git_ref);
	add_text(q, "subdir", s->git_subdir);
	json_object_set_new(q, "keep_git_dir", json_boolean(s->keep_git_dir));
	json_object_set_new(q, "submodules", json_boolean(s->git_submodules));
	json_object_set_new(q, "by_commit", json_boolean(s->git_by_commit));
	return q;
}

static bool take_reply(struct wh_node *n, const json_t *reply)
{
	const char *path = wh_json_str(reply, "path"), *key = wh_json_str(reply, "key");

	if (!path || path[0] != '/' || !key || !wh_digest_parse_hex(key, &n->tree_key))
		return false;
	free(n->fetched);
	n->local_path = n->fetched = wh_strdup(path);
	free(n->source_digest);
	n->source_digest = wh_strdup(wh_json_str(reply, "digest"));
	return true;
}

bool wh_source_at_hand(struct wh_node *n)
{
	WH_AUTO_JSON json_t *q = request_new(n->v->op.source), *reply = NULL;

	return q && wh_remote_at_hand(n->b->o.store, q, &reply) && take_reply(n, reply);
}

void wh_source_fetch(struct wh_node *n)
{
	WH_AUTO_JSON json_t *q = request_new(n->v->op.source);

	json_decref(n->job_reply);
	n->job_reply = NULL;
	if (!q)
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_USAGE, EILSEQ, "the source's address is no UTF-8");
	else if (!n->b->o.fetch)
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_INTERNAL, ENOTSUP, "nothing can be fetched here");
	else
		n->job_r = n->b->o.fetch(n->b->o.fetch_arg, q, &n->b->cancel, &n->job_reply, &n->job_err);
	if (n->job_r == 0 && !take_reply(n, n->job_reply))
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_INTERNAL, EBADMSG, "the fetcher's answer says nothing");
}

void wh_source_fetched(struct wh_node *n)
{
	const char *note = wh_json_str(n->job_reply, "note");
	WH_AUTO_FREE char *line = note ? wh_asprintf("%s\n", note) : NULL;

	if (line)
		wh_builder_event(n->b, &(struct wh_event){
					       .kind = WH_EV_LOG, .v = n->v, .stream = 1, .data = line, .len = strlen(line)});
}

/* ---------------------------------------------------------------- the others */

int wh_source_solve(struct wh_node *n, struct wh_err **err)
{
	const struct wh_op_source *s = n->v->op.source;
	const struct wh_image *image;
	size_t i;
	int r;

	if (wh_has_prefix(s->ref, LOCAL)) {
		const struct wh_layer *layer = NULL;

		if (wh_builder_local(n->b, s->ref + strlen(LOCAL), &n->local_path, &n->local_attrs, &layer) < 0)
			return wh_err_set(err, "builder", WH_ERR_INTERNAL, ENOENT,
					  "%s: no such local directory is known", s->ref);
		n->result.cached = true;
		if (!layer)
			return 0;
		n->result.layers = wh_calloc(1, sizeof(*n->result.layers));
		wh_layer_copy(&n->result.layers[0], layer);
		n->result.n_layers = 1;
		return 0;
	}
	r = wh_builder_source_image(n->b, s->ref, s->platform, &image, err);
	if (r < 0)
		return r;
	n->result.layers = wh_calloc(image->n_layers, sizeof(*n->result.layers));
	for (i = 0; i < image->n_layers; i++)
		wh_layer_copy(&n->result.layers[i], &image->layers[i]);
	n->result.n_layers = image->n_layers;
	n->result.cached = true;
	/* Not the layers' own newest time: that is known only once they were read, and must not depend on it. */
	n->base_time = wh_image_created(image->config);
	return 0;
}
