/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_build.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#define DOC_MAX ((size_t)64 << 20)
#define SHOWN_FILES 50 /* a step, on the terminal; the report has all */

/* ---------------------------------------------------------------- vertex by vertex */

struct compare {
	struct wh_store *store;
	const struct wh_outcomes *first, *second;
	json_t *begins, *follows; /* differences */
	bool *saw_other; /* by outcome: a PROFILE that observed something else; its tree is the same */
	size_t steps, layers, files, writers;
};

static bool same_tree(const struct wh_outcome *a, const struct wh_outcome *b)
{
	return a == b || (a && b && wh_digest_eq(&a->tree, &b->tree));
}

static bool makes_files(const struct wh_vertex *v)
{
	return v->kind == WH_OP_EXEC || v->kind == WH_OP_FILE || v->kind == WH_OP_PROFILE || v->kind == WH_OP_PRUNE;
}

/* A result without layers of its own has no digest of its own either when it is a directory. */
static bool reads_directory(const struct compare *x, const struct wh_vertex *v)
{
	for (size_t i = 1; i < v->n_inputs; i++) {
		const struct wh_outcome *in = wh_outcomes_find(x->first, v->inputs[i]);

		if (in && in->local)
			return true;
	}
	return false;
}

/* What it was made of: the tree below, and what it takes from elsewhere, by content where that was looked at in both builds. */
static bool same_inputs(const struct compare *x, const struct wh_outcome *a, const struct wh_outcome *b, bool *ret_context)
{
	const struct wh_vertex *v = a->v;
	bool looked = a->has_selection && b->has_selection, same = true;

	*ret_context = looked && reads_directory(x, v) && !wh_digest_eq(&a->selection, &b->selection);
	for (size_t i = 0; i < v->n_inputs && same; i++) {
		const struct wh_outcome *in = wh_outcomes_find(x->first, v->inputs[i]);

		if (!v->inputs[i] || (in && in->local))
			continue;
		if (i && looked && v->kind != WH_OP_PRUNE)
			same = wh_digest_eq(&a->selection, &b->selection) || *ret_context;
		else
			same = same_tree(in, wh_outcomes_find(x->second, v->inputs[i])) && !(in && x->saw_other[in - x->first->v]);
	}
	return same;
}

/* ---- what a PROFILE saw ---- */

static int read_profile(struct wh_store *s, const struct wh_digest *doc, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r = wh_blob_read(s, doc, DOC_MAX, &text, err);

	return r < 0 ? r : wh_json_parse(text.p, text.n, "the record of a profile", ret, err);
}

static bool has_path(const json_t *list, const char *path)
{
	const json_t *e;
	size_t i;

	json_array_foreach (list, i, e)
		if (wh_streq(wh_json_str(e, "path"), path))
			return true;
	return false;
}

static void only_in(const json_t *a, const json_t *b, const char *list, const char *which, json_t *seen)
{
	const json_t *e, *other = json_object_get(b, list);
	size_t i;

	json_array_foreach (json_object_get(a, list), i, e) {
		const char *path = wh_json_str(e, "path");

		if (path && !has_path(other, path))
			json_array_append_new(seen, json_pack("{s:s+, s:s, s:s}", "path", "/", path, "list", list, "in", which));
	}
}

static int compare_profiles(struct compare *x, const struct wh_outcome *a, const struct wh_outcome *b, json_t **ret,
			    struct wh_err **err)
{
	static const char *const lists[] = {"used", "created", "missing"};
	WH_AUTO_JSON json_t *da = NULL;
	WH_AUTO_JSON json_t *db = NULL;
	json_t *seen;
	int r = read_profile(x->store, &a->doc, &da, err);

	if (r == 0)
		r = read_profile(x->store, &b->doc, &db, err);
	if (r < 0)
		return r;
	*ret = seen = json_array();
	for (size_t i = 0; i < WH_ARRAY_SIZE(lists); i++) {
		const json_t *pa = json_object_get(da, "document"), *pb = json_object_get(db, "document");

		only_in(pa, pb, lists[i], "first", seen);
		only_in(pb, pa, lists[i], "second", seen);
	}
	return 0;
}

/* ---- one vertex ---- */

static json_t *text_json(const char *text)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_text_add_safe(&b, text, strlen(text));
	return json_string(b.n ? b.p : "");
}

/* The instruction's first line; a heredoc's body is too long to be told. */
static json_t *instruction(const struct wh_vertex *v)
{
	const char *text = v->pos.excerpt ? v->pos.excerpt : v->name ? v->name : "";
	WH_AUTO_FREE char *first = wh_strndup(text, strcspn(text, "\n"));
	WH_AUTO_FREE char *more = wh_asprintf("%s%s", first, text[strlen(first)] && text[strlen(first) + 1] ? " …" : "");

	return text_json(more);
}

static json_t *difference(const struct wh_vertex *v, bool follows, bool context)
{
	json_t *d = json_object();

	json_object_set_new(d, "step", text_json(v->name ? v->name : "step"));
	if (v->pos.file)
		json_object_set_new(d, "dockerfile", text_json(v->pos.file));
	if (v->pos.line)
		json_object_set_new(d, "line", json_integer(v->pos.line));
	json_object_set_new(d, "instruction", instruction(v));
	json_object_set_new(d, "follows", json_boolean(follows));
	if (context)
		json_object_set_new(d, "context_changed", json_true());
	return d;
}

static int compare_one(struct compare *x, const struct wh_outcome *a, const struct wh_outcome *b, struct wh_err **err)
{
	const struct wh_layer *la = wh_outcome_own(a), *lb = wh_outcome_own(b);
	json_t *files = NULL, *seen = NULL, *d;
	bool context, follows;
	int r;

	x->steps++;
	x->layers += la != NULL;
	if ((!la && !lb) || (la && lb && wh_digest_eq(&la->diff_id, &lb->diff_id))) {
		if (a->v->kind != WH_OP_PROFILE || wh_digest_eq(&a->doc, &b->doc))
			return 0;
		r = compare_profiles(x, a, b, &seen, err);
		if (r < 0 || !json_array_size(seen)) {
			json_decref(seen);
			return r;
		}
		x->saw_other[a - x->first->v] = true;
	} else {
		r = wh_verify_layers(x->store, la, lb, &files, err);
		if (r < 0)
			return r;
		x->files += json_array_size(files);
		x->writers++;
	}
	follows = !same_inputs(x, a, b, &context);
	d = difference(a->v, follows, context);
	json_object_set_new(d, "files", files ? files : json_array());
	if (seen)
		json_object_set_new(d, "seen", seen);
	json_array_append_new(follows ? x->follows : x->begins, d);
	return 0;
}

int wh_verify_compare(struct wh_store *s, const struct wh_outcomes *first, const struct wh_outcomes *second, json_t **ret,
		      struct wh_err **err)
{
	struct compare x = {
		.store = s, .first = first, .second = second, .begins = json_array(), .follows = json_array()};
	int r = 0;

	x.saw_other = wh_calloc(first->n + 1, sizeof(*x.saw_other));
	for (size_t i = 0; i < first->n && r == 0; i++) {
		const struct wh_outcome *a = &first->v[i], *b = wh_outcomes_find(second, a->v);

		if (!b)
			r = wh_err_set(err, "cli", WH_ERR_INTERNAL, EINVAL, "the second build left out %s",
				       a->v->name ? a->v->name : "a step");
		else if (makes_files(a->v))
			r = compare_one(&x, a, b, err);
	}
	free(x.saw_other);
	json_array_extend(x.begins, x.follows);
	json_decref(x.follows);
	if (r < 0) {
		json_decref(x.begins);
		return r;
	}
	*ret = json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:o}", "schema", 1, "reproducible", x.writers == 0, "steps",
			 (json_int_t)x.steps, "layers", (json_int_t)x.layers, "files", (json_int_t)x.files, "writers",
			 (json_int_t)x.writers, "differences", x.begins);
	return 0;
}

/* ---------------------------------------------------------------- as text */

static const char *or_none(const json_t *entry, const char *key)
{
	const char *s = wh_json_str(entry, key);

	return s ? s : "none";
}

static void print_content(const json_t *f, struct wh_buf *out)
{
	const char *known = wh_json_str(f, "known_as"), *a = wh_json_str(f, "first_line"), *b = wh_json_str(f, "second_line");

	wh_buf_adds(out, "content");
	if (json_is_integer(json_object_get(f, "offset")))
		wh_buf_addf(out, " from byte %lld on", (long long)wh_json_int(f, "offset", 0));
	if (known)
		wh_buf_addf(out, " (%s)", known);
	if (a && b)
		wh_buf_addf(out, ", line %lld: \"%s\" and \"%s\"", (long long)wh_json_int(f, "line", 0), a, b);
}

static void print_presence(const json_t *a, const json_t *b, struct wh_buf *out)
{
	const json_t *there = json_is_object(a) ? a : b;

	wh_buf_addf(out, "%s in the %s build only", wh_streq(wh_json_str(there, "type"), "removed") ? "removed" : "written",
		    there == a ? "first" : "second");
}

static void print_kind(const json_t *f, const char *kind, struct wh_buf *out)
{
	const json_t *a = json_object_get(f, "first"), *b = json_object_get(f, "second");

	if (wh_streq(kind, "presence"))
		print_presence(a, b, out);
	else if (wh_streq(kind, "content"))
		print_content(f, out);
	else if (wh_streq(kind, "size"))
		wh_buf_addf(out, "size %lld and %lld", (long long)wh_json_int(a, "size", 0), (long long)wh_json_int(b, "size", 0));
	else if (wh_streq(kind, "xattr") || wh_streq(kind, "opaque"))
		wh_buf_adds(out, *kind == 'x' ? "extended attributes" : "what it hides of the layers below");
	else
		wh_buf_addf(out, "%s %s and %s", kind, or_none(a, kind), or_none(b, kind));
}

static void print_file(const json_t *f, struct wh_buf *out)
{
	const json_t *kind;
	size_t i;

	wh_buf_addf(out, "    %s: ", or_none(f, "path"));
	json_array_foreach (json_object_get(f, "kinds"), i, kind) {
		if (i)
			wh_buf_adds(out, "; ");
		print_kind(f, json_string_value(kind) ? json_string_value(kind) : "", out);
	}
	wh_buf_addc(out, '\n');
}

static void print_seen(const json_t *e, struct wh_buf *out)
{
	wh_buf_addf(out, "    %s: %s in the %s build only\n", or_none(e, "path"),
		    wh_streq(wh_json_str(e, "list"), "missing") ? "looked up in vain" : or_none(e, "list"), or_none(e, "in"));
}

static void print_list(const json_t *list, size_t max, void (*print)(const json_t *e, struct wh_buf *out), struct wh_buf *out)
{
	const json_t *e;
	size_t i, n = json_array_size(list);

	json_array_foreach (list, i, e)
		if (i < max)
			print(e, out);
	if (n > max)
		wh_buf_addf(out, "    and %zu more\n", n - max);
}

static void print_step(const json_t *d, size_t max, struct wh_buf *out)
{
	const char *file = wh_json_str(d, "dockerfile");

	if (file && wh_json_int(d, "line", 0))
		wh_buf_addf(out, "%s:%lld ", file, (long long)wh_json_int(d, "line", 0));
	wh_buf_addf(out, "%s\n", or_none(d, file ? "instruction" : "step"));
	if (json_is_true(json_object_get(d, "context_changed")))
		wh_buf_adds(out, "  files of the context changed between the two builds:\n");
	else if (json_is_true(json_object_get(d, "follows")))
		wh_buf_adds(out, "  follows from a step above, whose result it was given:\n");
	print_list(json_object_get(d, "files"), max, print_file, out);
	print_list(json_object_get(d, "seen"), max, print_seen, out);
}

void wh_verify_print(const json_t *report, size_t max_files, struct wh_buf *out)
{
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(report, "differences"), i, d)
		print_step(d, max_files, out);
}

/* ---------------------------------------------------------------- the second build */

struct second {
	struct wh_progress *progress;
	unsigned id;
};

/* Steps that run are named; what they print was shown the first time. */
static void on_event(void *arg, const struct wh_event *e)
{
	const struct second *s = arg;

	if (e->kind == WH_EV_START && e->v && e->v->name)
		wh_progress_note(s->progress, s->id, "%s", e->v->name);
}

/* What a step writes of the clock must not come out the same by chance: no second belongs to both builds. */
static void next_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec++;
	now.tv_nsec = 0;
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &now, NULL) == EINTR)
		;
}

/* One processor less than the first build had, where there is more than one. True: *ret_old is to be given back. */
static bool fewer_cpus(cpu_set_t *ret_old)
{
	cpu_set_t less;

	if (sched_getaffinity(0, sizeof(*ret_old), ret_old) < 0 || CPU_COUNT(ret_old) < 2)
		return false;
	less = *ret_old;
	for (int i = CPU_SETSIZE - 1; i >= 0; i--) {
		if (CPU_ISSET(i, &less)) {
			CPU_CLR(i, &less);
			break;
		}
	}
	return sched_setaffinity(0, sizeof(less), &less) == 0;
}

static int build_again(struct wh_verify *v, unsigned id, struct wh_image *images, struct wh_outcomes *ret, struct wh_err **err)
{
	struct second s = {v->progress, id};
	struct wh_builder_opts o = *v->opts;
	struct wh_builder *b = NULL;
	cpu_set_t old;
	bool fewer;
	int r;

	o.again = true;
	o.explain = false;
	o.jobs = 1;
	o.event = on_event;
	o.event_arg = &s;
	next_second();
	fewer = fewer_cpus(&old);
	r = wh_builder_new(&o, &b, err);
	if (r == 0)
		r = wh_builder_images(b, v->targets, v->n, images, err);
	if (r == 0)
		wh_builder_outcomes(b, ret);
	wh_builder_free(b);
	if (fewer)
		(void)sched_setaffinity(0, sizeof(old), &old);
	return r;
}

static int write_report(const char *path, const json_t *report, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_json_dump(report, &text);
	wh_buf_addc(&text, '\n');
	if (!wh_buf_ok(&text))
		return wh_err_set(err, "cli", WH_ERR_ENV, EFBIG, "the report of what differs is larger than 1 GiB");
	return wh_cli_write_file(path, text.p, text.n, "the report", err);
}

static bool any_other_kind(const json_t *report, const char *kind)
{
	const json_t *d, *f, *k;
	size_t i, j, l;

	json_array_foreach (json_object_get(report, "differences"), i, d)
		json_array_foreach (json_object_get(d, "files"), j, f)
			json_array_foreach (json_object_get(f, "kinds"), l, k)
				if (!wh_streq(json_string_value(k), kind))
					return true;
	return false;
}

static bool context_changed(const json_t *report)
{
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(report, "differences"), i, d)
		if (json_is_true(json_object_get(d, "context_changed")))
			return true;
	return false;
}

static void how_to_mend(const struct wh_build_spec *s, const json_t *report, struct wh_err **err)
{
	if (context_changed(report))
		wh_err_hint(err, "the context changed while it was built from; build again when nothing writes to it");
	else if (!any_other_kind(report, "time") && s->epoch == INT64_MAX && !s->reproducible)
		wh_err_hint(err, "only times differ, as none was given: set SOURCE_DATE_EPOCH, or build with --reproducible");
	else if (!s->reproducible)
		wh_err_hint(err, "--reproducible sets times, and takes away what package managers are known to leave");
}

static int judge(struct wh_verify *v, json_t *report, bool image_differs, struct wh_err **err)
{
	size_t files = (size_t)wh_json_int(report, "files", 0), writers = (size_t)wh_json_int(report, "writers", 0);
	size_t steps = (size_t)wh_json_int(report, "steps", 0), layers = (size_t)wh_json_int(report, "layers", 0);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r = 0;

	image_differs = image_differs && !writers;
	if (image_differs) {
		json_object_set_new(report, "image_differs", json_true());
		json_object_set_new(report, "reproducible", json_false());
	}
	if (v->spec->verify_report)
		r = write_report(v->spec->verify_report, report, err);
	if (r < 0)
		return r;
	if (!writers && !image_differs) {
		v->told = wh_asprintf("%zu step%s in %zu layer%s came out the same in a second build", steps,
				      steps == 1 ? "" : "s", layers, layers == 1 ? "" : "s");
		return 0;
	}
	if (image_differs)
		return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG,
				  "no file differs between two builds, but the configs of the images do");
	wh_verify_print(report, SHOWN_FILES, &text);
	wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%zu file%s, written by %zu step%s", files,
		   files == 1 ? " differs" : "s differ", writers, writers == 1 ? "" : "s");
	how_to_mend(v->spec, report, err);
	wh_err_detail(err, text.p ? text.p : "");
	return -EBADMSG;
}

int wh_verify_build(struct wh_verify *v, struct wh_err **err)
{
	unsigned id = wh_progress_begin(v->progress, "[verify] a second build, without cache, one step at a time");
	WH_AUTO_FREE struct wh_image *images = wh_calloc(v->n + 1, sizeof(*images));
	WH_CLEANUP(wh_outcomes_release) struct wh_outcomes second = {0};
	WH_AUTO_ERR struct wh_err *e = NULL;
	WH_AUTO_JSON json_t *report = NULL;
	bool image_differs = false;
	int r = build_again(v, id, images, &second, &e);

	if (r < 0)
		wh_err_wrap(&e, "the second build");
	for (size_t i = 0; i < v->n && r == 0; i++) {
		image_differs |= !wh_digest_eq(&images[i].manifest, &v->images[i].manifest);
		wh_image_release(&images[i]);
	}
	if (r == 0)
		r = wh_verify_compare(v->store, &v->first, &second, &report, &e);
	if (r == 0)
		r = judge(v, report, image_differs, &e);
	wh_progress_end(v->progress, id, e);
	wh_err_move(err, &e);
	return r;
}
