/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROFILE: a trial on the stage's tree, then a profile of what was observed. The result is the tree unchanged and a
 * document, a blob:
 *
 *   {"document":{profile, see harden.h}, "runs":[{run, see builder.h}, …], "emulated":"linux/arm64" or absent,
 *    "trace":"sha256:…" (profile_trace.c) or absent}
 *
 * Of several runs the document's object has "compared" beside them: see profile_compare.c.
 */
#include "builder/profile_private.h"

#include <errno.h>

#define DOC_MAX ((size_t)1024 * 1024 * 1024)

int wh_doc_read(struct wh_builder *b, const struct wh_digest *doc, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r = wh_blob_read(b->o.store, doc, DOC_MAX, &text, err);

	return r < 0 ? r : wh_json_parse(text.p, text.n, "the record of a profile", ret, err);
}

int wh_doc_write(struct wh_builder *b, const json_t *doc, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_json_dump(doc, &text);
	if (!wh_buf_ok(&text))
		return wh_err_set(err, "builder", WH_ERR_BUILD, EFBIG, "a profile of more than 1 GiB");
	return wh_blob_put(b->o.store, text.p, text.n, ret, err);
}

static json_t *hidden(const struct wh_mask *m, const json_t *text)
{
	WH_AUTO_BUF struct wh_buf held = WH_BUF_INIT, out = WH_BUF_INIT;

	wh_mask_feed(m, &held, json_string_value(text), json_string_length(text), true, &out);
	return json_stringn(out.n ? out.p : "", out.n);
}

static void hide_in(const struct wh_mask *m, json_t *j)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_array(j)) {
		json_array_foreach (j, i, value) {
			json_t *text = json_is_string(value) ? hidden(m, value) : NULL;

			if (text)
				json_array_set_new(j, i, text);
			else
				hide_in(m, value);
		}
	} else if (json_is_object(j)) {
		json_object_foreach (j, key, value) {
			json_t *text = json_is_string(value) ? hidden(m, value) : NULL;

			if (text)
				json_object_set_new(j, key, text);
			else
				hide_in(m, value);
		}
	}
}

/* Names that the run or its tests gave may hold the value of a secret; those of the image's files were there before. */
static void hide_values(const struct wh_trial *t, json_t *profile)
{
	static const char *const lists[] = {"marks", "processes", "created", "missing", "bound", "peers", "remarks"};
	const struct wh_op_exec *d = &t->op->driver;
	const struct wh_builder_opts *o = &t->b->o;
	struct wh_mask *m = wh_mask_new();

	for (size_t i = 0; i < d->n_mounts; i++)
		for (size_t k = 0; d->mounts[i].type == WH_MOUNT_SECRET && k < o->n_secrets; k++)
			if (wh_streq(d->mounts[i].id, o->secrets[k].id))
				wh_mask_add(m, o->secrets[k].data, o->secrets[k].len);
	for (size_t i = 0; i < WH_ARRAY_SIZE(lists) && !wh_mask_empty(m); i++)
		hide_in(m, json_object_get(profile, lists[i]));
	wh_mask_free(m);
}

/* What a secret's file is called may be told; what lies below its mount may not. */
static json_t *without_secrets(const struct wh_trial *t, json_t *profile)
{
	const struct wh_op_exec *d = &t->op->driver;
	WH_AUTO_FREE const char **paths = wh_calloc(d->n_mounts + 1, sizeof(*paths));
	json_t *masked;
	size_t n = 0;

	for (size_t i = 0; i < d->n_mounts; i++)
		if (d->mounts[i].type == WH_MOUNT_SECRET && d->mounts[i].target)
			paths[n++] = d->mounts[i].target;
	hide_values(t, profile);
	masked = wh_profile_mask(profile, paths);
	json_decref(profile);
	return masked;
}

static void document_work(struct wh_node *n)
{
	struct wh_trial *t = n->trial;
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(t);
	WH_AUTO_JSON json_t *doc = json_object();
	struct wh_tree *tree = NULL;
	WH_AUTO_JSON json_t *compared = NULL;
	json_t *profile = NULL;
	int r = wh_tree_open(n->b->o.store, t->layers, t->n_layers, &tree, &n->job_err);

	if (r == 0)
		r = wh_profile_make(tree, logs, t->n_logs, &profile, &n->job_err);
	if (r == 0 && t->op->runs > 1)
		r = wh_profile_compare(tree, logs, t->n_logs, t->op->runs, profile, &compared, &t->compared, &n->job_err);
	if (tree)
		wh_tree_close(tree);
	if (r == 0)
		profile = without_secrets(t, profile);
	t->told = wh_profile_tests(profile);
	if (r < 0)
		json_decref(profile);
	if (r == 0) {
		if (compared)
			json_object_set(doc, "compared", compared);
		json_object_set_new(doc, "document", profile);
		json_object_set(doc, "runs", t->runs);
		if (wh_builder_emulates(n->b, t->op->platform))
			json_object_set_new(doc, "emulated", json_string(t->op->platform));
		r = wh_trace_write(t, doc, &n->job_err);
	}
	if (r == 0)
		r = wh_doc_write(n->b, doc, &n->doc, &n->job_err);
	n->own_empty = true;
	n->job_r = r;
}

/* What the runs and the tests are worth. */
static void say(struct wh_trial *t)
{
	if (t->compared.n)
		wh_trial_say(t, "%s", t->compared.p);
	if (t->told)
		wh_trial_say(t, "%zu %s told", t->told, t->told == 1 ? "test was" : "tests were");
	if (t->joined)
		wh_trial_say(t,
			     "%zu more ended at the same moment as another, and count as one with it: where output is "
			     "buffered, `/run/whittle/app test NAME` tells that a test begins",
			     t->joined);
}

static void end(struct wh_node *n)
{
	if (n->trial && n->job_r == 0)
		say(n->trial);
	wh_trial_free(WH_TAKE_PTR(n->trial));
	wh_builder_slot_free(n->b);
	wh_node_ran(n);
}

static void tested(struct wh_node *n)
{
	struct wh_trial *t = n->trial;

	if (t->r < 0) {
		n->job_r = t->r;
		wh_err_move(&n->job_err, &t->err);
		end(n);
		return;
	}
	wh_node_submit(n, document_work, end);
}

void wh_profile_run(struct wh_node *n)
{
	const struct wh_node *base = n->inputs[0];

	if (!n->b->launcher) {
		wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP, "this builder cannot run commands");
		n->job_r = -ENOTSUP;
		end(n);
		return;
	}
	wh_trial_start(n, n, base ? base->result.layers : NULL, base ? base->result.n_layers : 0, NULL, tested);
}
