/* SPDX-License-Identifier: Apache-2.0 */
/* Answers without a build: where they come from, and how they are printed. */
#include "cli/call.h"
#include "cli/build_input.h"
#include "cli/context.h"
#include "cli/registry_service.h"

#include <errno.h>
#include <strings.h>

/* ---------------------------------------------------------------- --call */

static int misuse(struct wh_err **err, const char *text, const char *why)
{
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--call \"%s\": %s", text, why);
	wh_err_hint(
		err,
		"write --call=build, check, outline, targets or subrequests.describe, with ,format=json where wanted");
	return -EINVAL;
}

static bool call_name(const char *word, enum wh_call_name *ret)
{
	static const struct {
		const char *word;
		enum wh_call_name name;
	} names[] = {{"build", WH_CALL_BUILD},     {"check", WH_CALL_LINT},
		     {"lint", WH_CALL_LINT},       {"outline", WH_CALL_OUTLINE},
		     {"targets", WH_CALL_TARGETS}, {"subrequests.describe", WH_CALL_DESCRIBE}};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		if (!wh_streq(word, names[i].word))
			continue;
		*ret = names[i].name;
		return true;
	}
	return false;
}

static bool is_true(const char *s)
{
	return wh_streq(s, "1") || strcasecmp(s, "true") == 0 || strcasecmp(s, "t") == 0;
}

static bool is_false(const char *s)
{
	return wh_streq(s, "0") || strcasecmp(s, "false") == 0 || strcasecmp(s, "f") == 0;
}

int wh_call_parse(const char *text, struct wh_call *ret, struct wh_err **err)
{
	struct wh_call call = {0};
	bool named = false;

	for (const char *next = text; next && *text;) {
		size_t n = strcspn(next, ",");
		WH_AUTO_FREE char *word = wh_strndup(next, n);

		next = next[n] ? next + n + 1 : NULL;
		if (wh_has_prefix(word, "format=")) {
			call.json = wh_streq(word + strlen("format="), "json");
			if (!call.json && !wh_streq(word, "format=text"))
				return misuse(err, text, "the format is json or text");
		} else if (wh_has_prefix(word, "ignorestatus=")) {
			call.ignore_status = is_true(word + strlen("ignorestatus="));
			if (!call.ignore_status && !is_false(word + strlen("ignorestatus=")))
				return misuse(err, text, "ignorestatus is true or false");
		} else if (strchr(word, '=')) {
			return misuse(err, text, "it takes format and ignorestatus");
		} else if (named || !call_name(word, &call.name)) {
			return misuse(err, text, named ? "it names two methods" : "there is no such method");
		} else {
			named = true;
		}
	}
	*ret = call;
	return 0;
}

/* ---------------------------------------------------------------- images */

struct images {
	const char *root;
	char *empty; /* a store that is there for this command only, so that layouts can be read; NULL: not made yet */
};

static void images_release(struct images *x)
{
	if (x->empty)
		(void)wh_rm_rf(AT_FDCWD, x->empty);
	free(x->empty);
}

/* The store's path when there is one already. A check makes none. */
static char *store_at_hand(const struct images *x)
{
	char *path = wh_cli_store_path(x->root);

	if (path && access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *own_store(struct images *x, struct wh_err **err)
{
	if (!x->empty && wh_cli_temp_dir(NULL, "check", &x->empty, err) < 0)
		return NULL;
	return wh_strdup(x->empty);
}

static int open_image(const char *name, const char *root, const char *platform, char **ret_pinned, json_t **ret_config,
		      struct wh_err **err)
{
	struct wh_store *s = NULL;
	struct wh_image image = {0};
	int r = wh_cli_image_open(name, root, platform, &s, &image, err);

	if (r < 0)
		return r;
	*ret_config = json_incref(image.config);
	*ret_pinned = wh_strdup(name);
	wh_image_release(&image);
	wh_store_close(s);
	return 0;
}

static int resolve(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
		   struct wh_err **err)
{
	struct images *x = arg;
	WH_AUTO_FREE char *name = NULL, *root = store_at_hand(x);
	int r = 0;

	if (wh_has_prefix(ref, "docker-image://")) {
		if (!root)
			return wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT, "there is no store");
		r = wh_reference_normalize(ref + strlen("docker-image://"), &name, err);
	} else {
		name = wh_strdup(ref);
		if (!root)
			root = own_store(x, err);
	}
	if (r < 0 || !root)
		return r < 0 ? r : -EIO;
	if (open_image(name, root, platform, ret_pinned, ret_config, NULL) == 0)
		return 0;
	/* Not for this platform: what it is will be told. */
	return open_image(name, root, NULL, ret_pinned, ret_config, err);
}

static void note_unresolved(void *arg, const char *name)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	(void)arg;
	wh_buf_adds(&text, "note: the image ");
	wh_text_add_short(&text, name);
	wh_buf_adds(&text, " is not at hand: nothing is known of its config\n");
	(void)!wh_write_all(STDERR_FILENO, text.p, text.n);
}

/* ---------------------------------------------------------------- text */

static unsigned line_of(const json_t *location, size_t i)
{
	const json_t *range = json_array_get(json_object_get(location, "ranges"), i);

	return (unsigned)json_integer_value(json_object_get(json_object_get(range, "start"), "line"));
}

static bool has_line(const json_t *location, unsigned line)
{
	for (size_t i = 0; i < json_array_size(json_object_get(location, "ranges")); i++)
		if (line_of(location, i) == line)
			return true;
	return false;
}

/* The Dockerfile, for quoting from it thousands of times. */
struct source {
	const char *shown;
	const char **at; /* where each line starts */
	unsigned lines;
};

static void source_init(struct source *s, const struct wh_build_input *in)
{
	const char *p = in->text.p ? in->text.p : "";

	*s = (struct source){.shown = in->file_shown, .lines = 1};
	for (const char *q = p; *q; q++)
		s->lines += *q == '\n';
	s->at = wh_calloc(s->lines, sizeof(*s->at));
	s->at[0] = p;
	for (unsigned i = 1; i < s->lines; i++)
		s->at[i] = strchr(s->at[i - 1], '\n') + 1;
}

static void put_line(struct wh_buf *out, const char *text, unsigned number, bool marked)
{
	wh_buf_addf(out, " %3u | %s ", number, marked ? ">>>" : "   ");
	wh_text_add_safe(out, text, strcspn(text, "\n"));
	wh_buf_addc(out, '\n');
}

/* The lines of the place with those around them, as docker shows them. */
static void put_source(struct wh_buf *out, const struct source *s, const json_t *location)
{
	size_t n = json_array_size(json_object_get(location, "ranges"));
	unsigned start, end, p = 0, pad;

	start = n ? line_of(location, 0) : 0;
	end = n ? line_of(location, n - 1) : 0;
	if (!start || start > s->lines)
		return;
	if (end > s->lines)
		end = s->lines;
	wh_text_add_short(out, s->shown);
	wh_buf_addf(out, ":%u\n--------------------\n", start);
	for (pad = start == end ? 4 : 2; p < pad; p++) {
		if (start > 1) {
			start--;
			p++;
		}
		if (end < s->lines) {
			end++;
			p++;
		}
	}
	for (unsigned i = start; i <= end; i++)
		put_line(out, s->at[i - 1], i, has_line(location, i));
	wh_buf_adds(out, "--------------------\n");
}

static void put_warning(struct wh_buf *out, const struct source *s, const json_t *w)
{
	const char *url = wh_json_str(w, "url");

	wh_buf_addf(out, "\nWARNING: %s%s%s\n", wh_json_str(w, "ruleName"), url ? " - " : "", url ? url : "");
	wh_text_add_short(out, wh_json_str(w, "detail"));
	wh_buf_addc(out, '\n');
	put_source(out, s, json_object_get(w, "location"));
}

struct placed {
	const json_t *warning;
	unsigned line;
	size_t rank; /* in the order of the rules' work */
};

static int by_line(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->rank < y->rank ? -1 : 1;
}

/* By line; of one line in the order of the rules' work. */
static void put_warnings(struct wh_buf *out, const struct wh_build_input *in, const json_t *list)
{
	size_t n = json_array_size(list);
	WH_AUTO_FREE struct placed *sorted = wh_calloc(n + 1, sizeof(*sorted));
	struct source source;

	for (size_t i = 0; i < n; i++) {
		const json_t *w = json_array_get(list, i);

		sorted[i] = (struct placed){w, line_of(json_object_get(w, "location"), 0), i};
	}
	if (n)
		qsort(sorted, n, sizeof(*sorted), by_line);
	source_init(&source, in);
	for (size_t i = 0; i < n; i++)
		put_warning(out, &source, sorted[i].warning);
	free(source.at);
}

static void put_lint(struct wh_buf *out, const struct wh_build_input *in, const json_t *answer)
{
	const json_t *warnings = json_object_get(answer, "warnings");
	size_t n = json_array_size(warnings);

	if (n)
		wh_buf_addf(out, "Check complete, %zu warning%s been found!\n", n, n == 1 ? " has" : "s have");
	else if (!json_object_get(answer, "buildError"))
		wh_buf_adds(out, "Check complete, no warnings found.\n");
	put_warnings(out, in, warnings);
}

/* What no rule says, and what keeps the file from being built. */
static void tell(const struct wh_call *call, const struct wh_call_input *x, const struct wh_build_input *in,
		 const struct wh_err *why)
{
	WH_AUTO_ERR struct wh_err *notes = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	if (call->name == WH_CALL_LINT) {
		if (x->platform)
			wh_platform_note(x->platform, &notes);
		wh_context_notes(x->contexts, x->n_contexts, &notes);
	}
	if (in->dockerfile && call->name == WH_CALL_LINT)
		wh_dockerfile_notes(in->dockerfile, x->build_args, &notes);
	if (notes && !call->json)
		wh_note_format(notes, false, &out);
	if (why)
		wh_err_format(why, false, &out);
	(void)!wh_write_all(STDERR_FILENO, out.p ? out.p : "", out.n);
}

/* Columns as wide as their widest cell and gap more; the last one ragged. Rows end with NULL. */
static void put_table(struct wh_buf *out, const char *const *cells, size_t columns, size_t rows, size_t gap)
{
	for (size_t r = 0; r < rows; r++) {
		for (size_t c = 0; c < columns; c++) {
			const char *cell = cells[r * columns + c] ? cells[r * columns + c] : "";
			size_t width = 0, have = wh_text_columns(cell, strlen(cell));

			wh_text_add_safe(out, cell, strlen(cell));
			for (size_t k = 0; k < rows && c + 1 < columns; k++) {
				const char *other = cells[k * columns + c] ? cells[k * columns + c] : "";
				size_t w = wh_text_columns(other, strlen(other));

				width = w > width ? w : width;
			}
			if (c + 1 < columns)
				wh_buf_addf(out, "%*s", (int)(width + gap - have), "");
		}
		wh_buf_addc(out, '\n');
	}
}

struct column {
	const char *title, *key;
};

/* A table of a list's objects; nothing for an empty list. */
static void put_list(struct wh_buf *out, const json_t *list, const struct column *columns, size_t n)
{
	size_t rows = json_array_size(list) + 1;
	WH_AUTO_FREE const char **cells = wh_calloc(rows * n, sizeof(*cells));

	if (rows == 1)
		return;
	for (size_t c = 0; c < n; c++) {
		cells[c] = columns[c].title;
		for (size_t r = 1; r < rows; r++) {
			const json_t *value = json_object_get(json_array_get(list, r - 1), columns[c].key);

			cells[r * n + c] = json_is_true(value) ? "true" : json_string_value(value);
		}
	}
	put_table(out, cells, n, rows, 3);
	wh_buf_addc(out, '\n');
}

static void put_outline(struct wh_buf *out, const json_t *answer)
{
	static const struct column args[] = {{"BUILD ARG", "name"}, {"VALUE", "value"}, {"DESCRIPTION", "description"}};
	static const struct column secrets[] = {{"SECRET", "name"}, {"REQUIRED", "required"}};
	static const struct column agents[] = {{"SSH", "name"}, {"REQUIRED", "required"}};
	static const struct column caches[] = {{"CACHE", "ID"}};
	const char *name = wh_json_str(answer, "name"), *about = wh_json_str(answer, "description");

	if (name || about) {
		const char *const head[] = {"TARGET:", name ? name : "(default)", "DESCRIPTION:", about};

		put_table(out, head, 2, about ? 2 : 1, 1);
		wh_buf_addc(out, '\n');
	}
	put_list(out, json_object_get(answer, "args"), args, WH_ARRAY_SIZE(args));
	put_list(out, json_object_get(answer, "secrets"), secrets, WH_ARRAY_SIZE(secrets));
	put_list(out, json_object_get(answer, "ssh"), agents, WH_ARRAY_SIZE(agents));
	put_list(out, json_object_get(answer, "cache"), caches, WH_ARRAY_SIZE(caches));
}

static void put_targets(struct wh_buf *out, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "targets");
	size_t rows = json_array_size(list) + 1;
	WH_AUTO_FREE const char **cells = wh_calloc(rows * 2, sizeof(*cells));
	WH_AUTO_STRV struct wh_strv names = {0};

	for (size_t i = 1; i < rows; i++) {
		const json_t *t = json_array_get(list, i - 1);
		const char *name = wh_json_str(t, "name");
		bool last = json_is_true(json_object_get(t, "default"));

		wh_strv_addf(&names, "%s%s%s", name ? name : "", name && last ? " " : "", last ? "(default)" : "");
	}
	cells[0] = "TARGET";
	cells[1] = "DESCRIPTION";
	for (size_t i = 1; i < rows; i++) {
		cells[i * 2] = names.v[i - 1];
		cells[i * 2 + 1] = wh_json_str(json_array_get(list, i - 1), "description");
	}
	put_table(out, cells, 2, rows, 1);
}

/* ---------------------------------------------------------------- the methods themselves */

static json_t *described(const char *name, const char *about, const char *option, const char *option_about)
{
	json_t *opts = json_array();

	if (option)
		json_array_append_new(opts, json_pack("{s:s, s:s}", "name", option, "description", option_about));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:n, s:[{s:s, s:s}, {s:s, s:s}], s:n}", "name", name, "version",
			 "1.0.0", "type", "rpc", "description", about, "opts", opts, "inputs", "metadata", "name",
			 "result.json", "description", "", "name", "result.txt", "description", "", "refs");
}

static json_t *describe(void)
{
	return json_pack("[o, o, o, o]",
			 described("frontend.outline", "List all parameters current build target supports", "target",
				   "Target build stage"),
			 described("frontend.targets", "List all targets current build supports", NULL, NULL),
			 described("frontend.lint", "Lint a Dockerfile", NULL, NULL),
			 described("frontend.subrequests.describe", "List available subrequest types", NULL, NULL));
}

static void put_describe(struct wh_buf *out, const json_t *answer)
{
	size_t rows = json_array_size(answer) + 1;
	WH_AUTO_FREE const char **cells = wh_calloc(rows * 3, sizeof(*cells));

	cells[0] = "NAME";
	cells[1] = "VERSION";
	cells[2] = "DESCRIPTION";
	for (size_t i = 1; i < rows; i++) {
		const json_t *one = json_array_get(answer, i - 1);

		cells[i * 3] = wh_json_str(one, "name") + strlen("frontend.");
		cells[i * 3 + 1] = wh_json_str(one, "version");
		cells[i * 3 + 2] = wh_json_str(one, "description");
	}
	put_table(out, cells, 3, rows, 1);
}

/* ---------------------------------------------------------------- run */

static int ask(const struct wh_call *call, const struct wh_dockerfile *d, const struct wh_lower_opts *o, json_t **ret,
	       struct wh_err **ret_why, struct wh_err **err)
{
	switch (call->name) {
	case WH_CALL_OUTLINE:
		return wh_dockerfile_outline(d, o, ret, err);
	case WH_CALL_TARGETS:
		return wh_dockerfile_targets(d, ret, err);
	case WH_CALL_LINT:
	case WH_CALL_BUILD:
	case WH_CALL_DESCRIBE:
		break;
	}
	*ret = wh_dockerfile_lint_why(d, o, ret_why);
	return 0;
}

/* ret_why: the error that the answer tells of, where it does. */
static int answer_of(const struct wh_call *call, const struct wh_call_input *x, struct wh_build_input *in, json_t **ret,
		     struct wh_err **ret_why, struct wh_err **err)
{
	WH_CLEANUP(images_release) struct images images = {.root = x->root};
	const struct wh_image_resolver resolver = {&images, resolve};
	WH_AUTO_FREE struct wh_named_context *contexts = wh_calloc(x->n_contexts + 1, sizeof(*contexts));
	WH_AUTO_ERR struct wh_err *why = NULL;
	struct wh_lower_opts o = {
		.build_args = x->build_args,
		.target = x->target,
		.platform = x->platform,
		.build_platform = x->build_platform,
		.contexts = contexts,
		.n_contexts = x->n_contexts,
		.ignore_of = wh_build_input_ignore,
		.ignore_arg = in,
		.resolver = &resolver,
		.unresolved_ok = true,
		.unresolved = note_unresolved,
	};
	int r = wh_build_input_read(in, &why);

	for (size_t i = 0; i < x->n_contexts; i++)
		contexts[i] = (struct wh_named_context){.name = x->contexts[i].name, .ref = x->contexts[i].ref};
	if (r == 0)
		return ask(call, in->dockerfile, &o, ret, ret_why, err);
	/* A text that does not parse is an answer for a check; one that cannot be read is none for anybody. */
	if (call->name == WH_CALL_LINT && !in->dockerfile && in->text.p && wh_streq(why->domain, "frontend")) {
		*ret = wh_dockerfile_lint_refused(in->file_shown, in->text.p, in->text.n, why);
		*ret_why = WH_TAKE_PTR(why);
		return 0;
	}
	wh_err_move(err, &why);
	return r;
}

static void print(const struct wh_call *call, const struct wh_build_input *in, const json_t *answer, struct wh_buf *out)
{
	if (call->json) {
		WH_AUTO_FREE char *text = json_dumps(answer, JSON_INDENT(2));

		wh_buf_addf(out, "%s\n", text);
		return;
	}
	switch (call->name) {
	case WH_CALL_OUTLINE:
		put_outline(out, answer);
		return;
	case WH_CALL_TARGETS:
		put_targets(out, answer);
		return;
	case WH_CALL_DESCRIBE:
		put_describe(out, answer);
		return;
	case WH_CALL_LINT:
	case WH_CALL_BUILD:
		break;
	}
	put_lint(out, in, answer);
}

int wh_call_run(const struct wh_call *call, const struct wh_call_input *x, struct wh_err **err)
{
	WH_CLEANUP(wh_build_input_release)
	struct wh_build_input in = {.context = x->context,
				    .context_shown = x->context_shown,
				    .file = x->file,
				    .contexts = x->contexts,
				    .n_contexts = x->n_contexts};
	const struct wh_context *c = x->foreign;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_JSON json_t *answer = NULL;
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = 0;

	if (c) {
		in.context = c->path;
		in.layer = c->has_layer ? &c->layer : NULL;
		in.foreign = c->foreign;
		in.given = c->has_text ? &c->text : NULL;
		in.given_name = c->text_name;
	}
	if (call->name == WH_CALL_DESCRIBE)
		answer = describe();
	else
		r = answer_of(call, x, &in, &answer, &why, err);
	if (r < 0)
		return r;
	print(call, &in, answer, &out);
	r = wh_cli_say(&out);
	if (r)
		return r;
	tell(call, x, &in, why);
	return why || (!call->ignore_status && json_array_size(json_object_get(answer, "warnings"))) ? 1 : 0;
}

static int foreign_context(const struct wh_build_spec *spec, struct wh_inner *inner, struct wh_store **store,
			   struct wh_cli_source *source, struct wh_context *ret, struct wh_err **err)
{
	int r = wh_cli_store_open(spec->root, store, err);

	wh_cli_source_init(source, inner, spec->root);
	return r < 0 ? r : wh_context_open(spec, *store, source, NULL, ret, err);
}

int wh_call_build(const struct wh_call *call, const struct wh_build_spec *spec, struct wh_inner *inner,
		  struct wh_err **err)
{
	WH_CLEANUP(wh_context_release) struct wh_context context = {0};
	struct wh_cli_source source;
	struct wh_store *store = NULL;
	struct wh_call_input in = {
		.context = spec->context,
		.context_shown = spec->context_shown,
		.file = spec->file,
		.contexts = spec->contexts,
		.n_contexts = spec->n_contexts,
		.build_args = &spec->build_args,
		.target = spec->target,
		.platform = spec->platforms.n ? spec->platforms.v[0] : NULL,
		.build_platform = spec->platform,
		.root = spec->root,
	};
	int r = 0;

	if (!inner)
		return wh_call_run(call, &in, err);
	in.foreign = &context;
	r = foreign_context(spec, inner, &store, &source, &context, err);
	if (r == 0)
		r = wh_call_run(call, &in, err);
	wh_cli_source_release(&source);
	if (store)
		wh_store_close(store);
	return r;
}

/* ---------------------------------------------------------------- findings of a build */

void wh_lint_list_add(void *findings, const struct wh_lint_warning *w)
{
	struct wh_lint_list *f = findings;
	WH_AUTO_FREE char *line = wh_asprintf("%s: %s (line %u)", w->rule, w->message, w->line);

	if (wh_strv_has(&f->lines, line))
		return;
	wh_strv_add(&f->lines, line);
	WH_PUSH(f->more, f->n_more, f->cap_more) =
		(struct wh_lint_more){.description = w->description, .url = w->url, .line = w->line, .last_line = w->last_line};
}

void wh_lint_list_release(struct wh_lint_list *f)
{
	wh_strv_release(&f->lines);
	free(f->more);
	*f = (struct wh_lint_list){0};
}

void wh_lint_list_tell(const struct wh_lint_list *f, struct wh_progress *progress)
{
	WH_AUTO_FREE char *title =
		wh_asprintf("%zu warning%s found (whittle check shows more):", f->lines.n, f->lines.n == 1 ? "" : "s");

	if (f->lines.n)
		wh_progress_list(progress, title, &f->lines);
}
