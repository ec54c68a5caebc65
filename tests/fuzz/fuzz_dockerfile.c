/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes → tree → graph, with images that bring ONBUILD triggers taken from the
 * input itself. An error must come with its text; a graph must be in order.
 */
#include "frontend/frontend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int resolve(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
		   struct wh_err **err)
{
	(void)arg;
	(void)platform;
	if (strlen(ref) % 7 == 0)
		return wh_err_set(err, "fuzz", WH_ERR_BUILD, 2, "no such image: %s", ref);
	*ret_pinned = wh_asprintf("%s@sha256:00", ref);
	*ret_config = json_pack("{s:{s:[s, s], s:[s]}, s:{s:[s]}}", "config", "OnBuild", "COPY --from=a . /t/",
				"ENV o=$x", "Env", "x=y", "rootfs", "diff_ids", "d");
	return 0;
}

static void check(const struct wh_graph *g, const struct wh_target *t)
{
	size_t i, k;

	for (i = 0; i < wh_graph_count(g); i++) {
		const struct wh_vertex *v = wh_graph_at(g, i);

		if (v->index != i || !v->name)
			abort();
		for (k = 0; k < v->n_inputs; k++)
			if (v->inputs[k] && v->inputs[k]->index >= i)
				abort();
		for (k = 0; v->kind == WH_OP_FILE && k < v->op.file->n_actions; k++)
			if (v->op.file->actions[k].path[0] != '/' || v->op.file->actions[k].input >= (int)v->n_inputs)
				abort();
		for (k = 0; v->kind == WH_OP_EXEC && k < v->op.exec->n_mounts; k++)
			if (v->op.exec->mounts[k].input >= (int)v->n_inputs)
				abort();
	}
	if (!t->config || !t->stage)
		abort();
}

static const char *const *ignore_of(void *arg, const char *local, const struct wh_patterns **ret)
{
	static const char *const lines[] = {"a*", "**/b", NULL};

	(void)arg;
	(void)local;
	*ret = NULL;
	return lines;
}

/* The mark of a message is inside its line. */
static void check_mark(const struct wh_err *err)
{
	for (; err; err = err->next) {
		const char *line = err->excerpt;

		if (!err->column)
			continue;
		for (unsigned row = 0; row < err->row; row++) {
			if (!strchr(line, '\n'))
				abort();
			line = strchr(line, '\n') + 1;
		}
		if (err->column - 1 + err->length > strcspn(line, "\n") + 1)
			abort();
	}
}

/* Answers without a build: there is one for whatever parses. */
static void ask(const struct wh_dockerfile *d, const struct wh_lower_opts *opts)
{
	WH_AUTO_JSON json_t *lint = wh_dockerfile_lint(d, opts);
	WH_AUTO_JSON json_t *outline = NULL;
	WH_AUTO_JSON json_t *targets = NULL;
	WH_AUTO_FREE char *text = json_dumps(lint, 0);

	if (!text)
		abort();
	(void)wh_dockerfile_outline(d, opts, &outline, NULL);
	(void)wh_dockerfile_targets(d, &targets, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct wh_image_resolver resolver = {NULL, resolve};
	const struct wh_named_context contexts[] = {{"c", "local://c"}, {"d", "docker-image://scratch"}};
	const struct wh_lower_opts opts = {
		.build_platform = "linux/amd64", .resolver = &resolver, .contexts = contexts, .n_contexts = 2,
		.ignore_of = ignore_of};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_BUF struct wh_buf tree = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL, *notes = NULL;
	struct wh_target t = {0};
	struct wh_graph *g;

	if (size > 1 << 16)
		return 0;
	if (wh_dockerfile_parse("D", (const char *)data, size, &d, &err) < 0) {
		if (!err || !err->msg[0] || strchr(err->msg, '\n'))
			abort();
		check_mark(err);
		return 0;
	}
	wh_dockerfile_notes(d, NULL, &notes);
	check_mark(notes);
	wh_ast_print(d, &tree);
	g = wh_graph_new();
	if (wh_dockerfile_lower(d, &opts, g, &t, &err) == 0)
		check(g, &t);
	else if (!err || !err->msg[0] || strchr(err->msg, '\n'))
		abort();
	check_mark(err);
	wh_target_release(&t);
	wh_graph_free(g);
	ask(d, &opts);
	return 0;
}
