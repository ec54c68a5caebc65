/* SPDX-License-Identifier: Apache-2.0 */
/* What `whittle verify` found out, as text and as JSON. */
#include "cli/verify.h"

/* The statements that a build of ours makes. */
static const struct {
	const char *word, *type;
} usual[] = {
	{"spdx", WH_PREDICATE_SPDX},
	{"verdict", WH_PREDICATE_VERDICT},
	{"report", WH_PREDICATE_REPORT},
};

const char *wh_predicate_named(const char *word)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(usual); i++)
		if (strcmp(word, usual[i].word) == 0)
			return usual[i].type;
	return strchr(word, ':') ? word : NULL;
}

static bool is_stated(const struct wh_proved *p, const char *type)
{
	for (size_t i = 0; i < json_array_size(p->found.statements); i++)
		if (wh_streq(wh_json_str(json_array_get(p->found.statements, i), "predicateType"), type))
			return true;
	return false;
}

bool wh_proofs_state(const struct wh_proofs *p, const char *type)
{
	for (size_t i = 0; i < p->n_parts; i++)
		if (!is_stated(&p->parts[i], type))
			return false;
	return p->n_parts || is_stated(&p->top, type);
}

/* ---------------------------------------------------------------- JSON */

/* The forms in which a type of statement is there: each type once. */
static json_t *statements_json(const struct wh_verified *found)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(found->statements); i++) {
		const json_t *s = json_array_get(found->statements, i);
		const char *type = wh_json_str(s, "predicateType");
		json_t *forms = NULL;

		for (size_t k = 0; k < json_array_size(list) && !forms; k++)
			if (wh_streq(wh_json_str(json_array_get(list, k), "predicateType"), type))
				forms = json_object_get(json_array_get(list, k), "forms");
		if (!forms) {
			forms = json_array();
			json_array_append_new(list, json_pack("{s:s, s:o}", "predicateType", type, "forms", forms));
		}
		json_array_append(forms, json_object_get(s, "form"));
	}
	return list;
}

static const char *const sources[] = {
	[WH_FROM_LAYOUT] = "layout", [WH_FROM_STORE] = "store", [WH_FROM_REGISTRY] = "registry"};

/* As the config says it. */
static char *platform(const struct wh_proved *p)
{
	const json_t *c = p->image->config;
	const char *os = wh_json_str(c, "os"), *arch = wh_json_str(c, "architecture"), *variant = wh_json_str(c, "variant");

	return wh_asprintf("%s/%s%s%s", os ? os : "?", arch ? arch : "?", variant ? "/" : "", variant ? variant : "");
}

/* A base that was pruned leaves its line here, too. */
static bool was_pruned(const struct wh_proved *p)
{
	const json_t *history = json_object_get(p->image->config, "history");

	for (size_t i = 0; i < json_array_size(history); i++) {
		const char *by = wh_json_str(json_array_get(history, i), "created_by");

		if (by && strncasecmp(by, "PRUNE", strlen("PRUNE")) == 0)
			return true;
	}
	return false;
}

static json_t *missing_json(const struct wh_proved *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < WH_ARRAY_SIZE(usual); i++)
		if (!is_stated(p, usual[i].type))
			json_array_append_new(list, json_string(usual[i].word));
	return list;
}

static json_t *signature_json(const struct wh_proved *p)
{
	json_t *references = json_array();

	for (size_t i = 0; i < p->found.references.n; i++)
		json_array_append_new(references, json_string(p->found.references.v[i]));
	return json_pack("{s:b, s:b, s:o}", "legacy", p->found.legacy, "bundle", p->found.bundle, "references", references);
}

static void add_removed(json_t *o, const struct wh_proved *p)
{
	if (p->found.removed != WH_REMOVED_NONE)
		json_object_set_new(o, "removedPart", json_string(p->found.removed == WH_REMOVED_PROVED ? "proved" : "elsewhere"));
}

/* One image of an index. */
static json_t *part_json(const struct wh_proved *p)
{
	WH_AUTO_FREE char *of = platform(p);
	char digest[WH_DIGEST_TEXT];
	json_t *o;

	o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:O?}", "platform", of, "digest", wh_digest_text(&p->image->manifest, digest),
		      "signature", signature_json(p), "statements", statements_json(&p->found), "missing", missing_json(p), "verdict",
		      p->found.verdict);
	add_removed(o, p);
	return o;
}

static uint64_t hashed(const struct wh_proofs *p, bool bytes)
{
	uint64_t n = bytes ? p->top.found.bytes : p->top.found.blobs;

	for (size_t i = 0; i < p->n_parts; i++)
		n += bytes ? p->parts[i].found.bytes : p->parts[i].found.blobs;
	return n;
}

/* otherPlatformsUnchecked: how many more the name leads to. */
void wh_proofs_json(const struct wh_proofs *p, struct wh_buf *out)
{
	json_t *from = json_pack("{s:s}", "kind", sources[p->source]), *name = json_string(p->place);
	WH_AUTO_FREE char *of = platform(&p->top);
	WH_AUTO_JSON json_t *o = NULL;
	char digest[WH_DIGEST_TEXT];

	if (name)
		json_object_set_new(from, "name", name);
	o = json_pack("{s:b, s:s, s:o, s:o, s:{s:I, s:I}, s:o, s:I}", "verified", 1, "digest",
		      wh_digest_text(&p->top.image->manifest, digest), "signature", signature_json(&p->top), "statements",
		      statements_json(&p->top.found), "hashed", "blobs", (json_int_t)hashed(p, false), "bytes",
		      (json_int_t)hashed(p, true), "from", from, "otherPlatformsUnchecked", (json_int_t)p->others);
	if (wh_image_is_index(p->top.image)) {
		json_t *images = json_array();

		for (size_t i = 0; i < p->n_parts; i++)
			json_array_append_new(images, part_json(&p->parts[i]));
		json_object_set_new(o, "images", images);
	} else {
		json_object_set_new(o, "platform", json_string(of));
		json_object_set_new(o, "missing", missing_json(&p->top));
		json_object_set_new(o, "verdict", p->top.found.verdict ? json_incref(p->top.found.verdict) : json_null());
		add_removed(o, &p->top);
	}
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- text */

static void line(struct wh_buf *out, const char *what, const char *text)
{
	wh_buf_addf(out, "%-13s", what);
	wh_text_add_short(out, text);
	wh_buf_addc(out, '\n');
}

static void tell_findings(const json_t *verdict, struct wh_buf *out)
{
	static const char *const sides[] = {"before", "after"};
	int64_t unassessed;

	if (!json_is_true(json_object_get(verdict, "assessed"))) {
		line(out, "findings", "not assessed");
		return;
	}
	wh_buf_addf(out, "%-13s", "findings");
	for (size_t i = 0; i < WH_ARRAY_SIZE(sides); i++) {
		const json_t *o = json_object_get(verdict, sides[i]);

		wh_buf_addf(out, "%s%lld %s (%lld critical, %lld high)", i ? ", " : "",
			    (long long)wh_json_int(o, "total", 0), sides[i], (long long)wh_json_int(o, "critical", 0),
			    (long long)wh_json_int(o, "high", 0));
	}
	unassessed = wh_json_int(json_object_get(verdict, "packagesUnassessed"), "after", 0);
	if (unassessed)
		wh_buf_addf(out, "; %lld packages not assessed", (long long)unassessed);
	wh_buf_addc(out, '\n');
}

static void tell_verdict(const json_t *verdict, struct wh_buf *out)
{
	static const char *const figures[] = {"bytes", "files", "executables", "packages", "setid", "shells"};
	const json_t *sizes = json_object_get(verdict, "sizes"), *tests = json_object_get(verdict, "tests");
	const json_t *b = json_object_get(sizes, "before"), *a = json_object_get(sizes, "after");

	for (size_t i = 0; i < WH_ARRAY_SIZE(figures); i++) {
		if (!json_is_integer(json_object_get(a, figures[i])))
			continue;
		wh_buf_addf(out, "%-13s", figures[i]);
		if (json_is_integer(json_object_get(b, figures[i])))
			wh_buf_addf(out, "%lld before, after ", (long long)wh_json_int(b, figures[i], 0));
		wh_buf_addf(out, "%lld\n", (long long)wh_json_int(a, figures[i], 0));
	}
	tell_findings(verdict, out);
	if (json_is_object(tests))
		wh_buf_addf(out, "%-13s%lld passed, %lld failed\n", "tests", (long long)wh_json_int(tests, "passed", 0),
			    (long long)wh_json_int(tests, "failed", 0));
}

static void tell_origin(const struct wh_proofs *p, struct wh_buf *out)
{
	WH_AUTO_FREE char *from = wh_asprintf("%s %s", sources[p->source], p->place), *of = platform(&p->top);
	WH_AUTO_FREE char *what =
		p->nested ? wh_asprintf("%s; the index has %zu more, which were not checked", of, p->others) : wh_strdup(of);

	line(out, "from", from);
	if (!wh_image_is_index(p->top.image))
		line(out, "platform", what);
}

static void tell_missing(const struct wh_proved *p, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *missing = missing_json(p);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (!json_array_size(missing))
		return;
	for (size_t i = 0; i < json_array_size(missing); i++)
		wh_buf_addf(&text, "%s%s", i ? ", " : "", json_string_value(json_array_get(missing, i)));
	if (was_pruned(p) && !is_stated(p, WH_PREDICATE_VERDICT))
		wh_buf_adds(&text, " (the image's history has a PRUNE)");
	line(out, "no statement", text.p);
}

static void tell_signature(const struct wh_proved *p, bool vouched, struct wh_buf *out)
{
	line(out, "signature",
	     p->found.legacy && p->found.bundle ? "bundle and older form (.sig)"
	     : p->found.bundle                  ? "bundle; there is none of the older form (.sig)"
	     : p->found.legacy                  ? "older form (.sig); there is no bundle"
	     : vouched                          ? "the index's"
						: "none");
}

static void tell_statements(const struct wh_proved *p, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *statements = statements_json(&p->found);

	for (size_t i = 0; i < json_array_size(statements); i++)
		line(out, "statement", wh_json_str(json_array_get(statements, i), "predicateType"));
}

/* Nothing where nobody signed for one. */
static void tell_removed(const struct wh_proved *p, struct wh_buf *out)
{
	if (p->found.removed == WH_REMOVED_PROVED)
		line(out, "removed part", "as it was signed");
	else if (p->found.removed == WH_REMOVED_ELSEWHERE)
		line(out, "removed part", "signed for, and not here: not read");
}

static void tell_part(const struct wh_proved *p, struct wh_buf *out)
{
	WH_AUTO_FREE char *of = platform(p), *text = NULL;
	char digest[WH_DIGEST_TEXT];

	wh_buf_addc(out, '\n');
	text = wh_asprintf("%s %s", of, wh_digest_text(&p->image->manifest, digest));
	line(out, "image", text);
	tell_signature(p, true, out);
	tell_statements(p, out);
	tell_missing(p, out);
	tell_removed(p, out);
	if (p->found.verdict)
		tell_verdict(p->found.verdict, out);
}

void wh_proofs_text(const struct wh_proofs *p, struct wh_buf *out)
{
	bool index = wh_image_is_index(p->top.image);
	char digest[WH_DIGEST_TEXT];

	line(out, "verified", wh_digest_text(&p->top.image->manifest, digest));
	tell_origin(p, out);
	if (index)
		wh_buf_addf(out, "%-13s%zu images, all of them checked\n", "index", p->n_parts);
	if (index && p->others)
		wh_buf_addf(out, "%-13s%zu more that the index names are not here\n", "", p->others);
	tell_signature(&p->top, false, out);
	for (size_t i = 0; i < p->top.found.references.n; i++)
		line(out, "signed as", p->top.found.references.v[i]);
	if (!p->top.found.references.n)
		line(out, "signed as", "nothing by name");
	tell_statements(&p->top, out);
	if (!index)
		tell_missing(&p->top, out);
	tell_removed(&p->top, out);
	wh_buf_addf(out, "%-13s%llu blobs, %llu bytes\n", "hashed", (unsigned long long)hashed(p, false),
		    (unsigned long long)hashed(p, true));
	if (p->top.found.verdict)
		tell_verdict(p->top.found.verdict, out);
	for (size_t i = 0; i < p->n_parts; i++)
		tell_part(&p->parts[i], out);
}
