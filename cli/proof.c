/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/proof.h"

#include <errno.h>
#include <inttypes.h>

#define IN_TOTO "application/vnd.in-toto+json"

struct side { /* the image before, and after */
	struct wh_measure measure;
	struct wh_packages packages;
	struct wh_findings findings;
	json_t *sbom;
};

struct wh_proof {
	struct wh_store *store;
	char *name;
	bool pruned, built_only;
	json_t *provenance;
	struct side before, after;
	json_t *verdict;
	json_t *report; /* predicate of WH_PREDICATE_REPORT */
	json_t *profiles;
	json_t *runtime; /* predicate of WH_PREDICATE_RUNTIME, or NULL */
	struct wh_removed_part removed; /* no entries: none, or it is not kept */
};

/* ---------------------------------------------------------------- making */

static int read_side(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_vulndb *db, struct side *ret,
		     struct wh_err **err)
{
	struct wh_tree *t = NULL;
	int r = wh_tree_open(s, layers, n, &t, err);

	if (r == 0)
		r = wh_measure_tree(t, &ret->measure, err);
	if (r == 0)
		r = wh_packages_read(t, &ret->packages, err);
	if (r == 0)
		r = wh_findings_find(db, &ret->packages, &ret->findings, err);
	ret->measure.layers = n;
	if (t)
		wh_tree_close(t);
	return r;
}

static int make_verdict(struct wh_proof *p, const struct wh_proof_opts *o, struct wh_err **err)
{
	const struct wh_verdict_input in = {
		.before = &p->before.measure,
		.after = &p->after.measure,
		.findings_before = &p->before.findings,
		.findings_after = &p->after.findings,
		.profiles = o->hardening->profiles,
		.prune_report = o->hardening->report,
		.runtime = o->hardening->runtime,
		.config = json_object_get(o->image->config, "config"),
		.tree_before = o->hardening->tree_before,
	};

	return wh_verdict_make(&in, &p->verdict, err);
}

/* The long form: what explain, and whoever doubts the verdict's figures, wants to see. */
static int make_report(struct wh_proof *p, const struct wh_proof_opts *o, const char *created, struct wh_err **err)
{
	const struct wh_sbom_subject before = {.name = p->name, .created = created};
	int r = wh_sbom_spdx(&p->before.packages, &before, &p->before.sbom, err);

	if (r < 0)
		return r;
	p->report = json_object();
	json_object_set(p->report, "report", o->hardening->report);
	json_object_set(p->report, "profiles", o->hardening->profiles);
	json_object_set(p->report, "sbomBefore", p->before.sbom);
	json_object_set_new(p->report, "findingsBefore", wh_findings_json(&p->before.findings));
	json_object_set_new(p->report, "findingsAfter", wh_findings_json(&p->after.findings));
	return 0;
}

static int make_removed(struct wh_proof *p, const struct wh_proof_opts *o, struct wh_err **err)
{
	struct wh_tree *full = NULL, *pruned = NULL;
	int r = wh_tree_open(o->store, o->hardening->before.layers, o->hardening->before.n_layers, &full, err);

	if (r == 0)
		r = wh_tree_open(o->store, o->image->layers, o->image->n_layers, &pruned, err);
	if (r == 0)
		r = wh_removed_part_make(o->store, full, pruned, o->removed, &p->removed, err);
	if (full)
		wh_tree_close(full);
	if (pruned)
		wh_tree_close(pruned);
	return r;
}

int wh_proof_make(const struct wh_proof_opts *o, struct wh_proof **ret, struct wh_err **err)
{
	const struct wh_hardening *h = o->hardening;
	const char *created = wh_json_str(o->image->config, "created");
	struct wh_proof *p = wh_calloc(1, sizeof(*p));
	struct wh_vulndb *db = NULL;
	int r = 0;

	p->store = o->store;
	p->name = wh_strdup(o->name ? o->name : "image");
	p->provenance = json_incref(o->provenance);
	p->built_only = o->built_only;
	if (o->built_only) {
		*ret = p;
		return 0;
	}
	p->pruned = h && h->present;
	r = wh_vulndb_open(o->store, &db, err);
	if (r == 0)
		r = read_side(o->store, o->image->layers, o->image->n_layers, db, &p->after, err);
	if (r == 0 && p->pruned) {
		p->profiles = json_incref(h->profiles);
		p->runtime = json_incref(h->runtime);
		r = read_side(o->store, h->before.layers, h->before.n_layers, db, &p->before, err);
		if (r == 0)
			r = make_verdict(p, o, err);
		if (r == 0)
			r = make_report(p, o, created ? created : "1970-01-01T00:00:00Z", err);
		if (r == 0 && o->removed)
			r = make_removed(p, o, err);
	}
	if (db)
		wh_vulndb_close(db);
	if (r < 0) {
		wh_err_wrap(err, "evidence");
		wh_proof_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static void side_release(struct side *s)
{
	wh_packages_release(&s->packages);
	wh_findings_release(&s->findings);
	json_decref(s->sbom);
}

void wh_proof_free(struct wh_proof *p)
{
	if (!p)
		return;
	side_release(&p->before);
	side_release(&p->after);
	json_decref(p->verdict);
	json_decref(p->report);
	json_decref(p->profiles);
	json_decref(p->runtime);
	json_decref(p->provenance);
	wh_layer_release(&p->removed.layer);
	free(p->name);
	free(p);
}

/* ---------------------------------------------------------------- attaching */

int wh_proof_attach_plain(struct wh_store *s, const char *name, const struct wh_image *i, const struct wh_attest_item *items, size_t n,
			  struct wh_artifacts *list, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < n && r == 0; k++) {
		WH_AUTO_JSON json_t *statement =
			wh_statement(name, &i->manifest, items[k].predicate_type, items[k].predicate);
		WH_AUTO_JSON json_t *notes = json_pack("{s:s}", "in-toto.io/predicate-type", items[k].predicate_type);
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		struct wh_artifact_blob blob = {.media_type = IN_TOTO, .annotations = notes};

		wh_json_dump(statement, &text);
		blob.data = text.p;
		blob.len = text.n;
		r = wh_artifact_write(s, i, IN_TOTO, NULL, NULL, &blob, 1, notes, list, err);
	}
	return r;
}

/* The artifact, and what is said of it, which is signed where all else is. */
static int attach_removed(const struct wh_proof *p, const struct wh_image *i, struct wh_artifacts *list, json_t **ret, struct wh_err **err)
{
	char artifact[WH_DIGEST_TEXT], blob[WH_DIGEST_TEXT], diff_id[WH_DIGEST_TEXT];
	const struct wh_layer *l = &p->removed.layer;
	int r = wh_removed_part_write(p->store, i, l, list, err);

	if (r < 0)
		return r;
	*ret = json_pack("{s:s, s:s, s:{s:s, s:s, s:I, s:s}, s:I, s:I}", "$schema", "https://whittle.dev/schema/removed-part-1.json", "artifact",
			 wh_digest_text(&list->v[list->n - 1].manifest.digest, artifact), "layer", "mediaType",
			 wh_layer_media_type(l->comp), "digest", wh_digest_text(&l->blob, blob), "size", (json_int_t)l->blob_size, "diffId",
			 wh_digest_text(&l->diff_id, diff_id), "files", (json_int_t)p->removed.files, "bytes",
			 (json_int_t)p->removed.bytes);
	return 0;
}

int wh_proof_attach(struct wh_proof *p, const struct wh_image *i, const struct wh_signer *signer, const struct wh_strv *repos,
		    struct wh_artifacts *list, struct wh_err **err)
{
	const char *created = wh_json_str(i->config, "created");
	const struct wh_sbom_subject subject = {.name = p->name,
						.digest = i->manifest,
						.created = created ? created : "1970-01-01T00:00:00Z"};
	WH_AUTO_JSON json_t *sbom = NULL;
	WH_AUTO_JSON json_t *removed = NULL;
	struct wh_attest_item items[6];
	size_t n = 0;
	int r = p->built_only ? 0 : wh_sbom_spdx(&p->after.packages, &subject, &sbom, err);

	if (r == 0 && p->removed.entries)
		r = attach_removed(p, i, list, &removed, err);
	if (r < 0)
		return r;
	if (sbom)
		items[n++] = (struct wh_attest_item){WH_PREDICATE_SPDX, sbom};
	if (p->provenance)
		items[n++] = (struct wh_attest_item){WH_PREDICATE_PROVENANCE, p->provenance};
	if (p->pruned) {
		items[n++] = (struct wh_attest_item){WH_PREDICATE_VERDICT, p->verdict};
		items[n++] = (struct wh_attest_item){WH_PREDICATE_REPORT, p->report};
		if (p->runtime)
			items[n++] = (struct wh_attest_item){WH_PREDICATE_RUNTIME, p->runtime};
		if (removed)
			items[n++] = (struct wh_attest_item){WH_PREDICATE_REMOVED, removed};
	}
	return signer ? wh_sign_image(p->store, i, repos, signer, items, n, list, err)
		      : wh_proof_attach_plain(p->store, p->name, i, items, n, list, err);
}

/* ---------------------------------------------------------------- the table */

static void number(struct wh_buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			wh_buf_addc(out, ',');
		wh_buf_addc(out, digits[i]);
	}
}

static char *bytes_text(uint64_t n)
{
	return n < 100000 ? wh_asprintf("%.1f kB", (double)n / 1e3) : wh_asprintf("%.1f MB", (double)n / 1e6);
}

static char *number_text(uint64_t n)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	number(&b, n);
	return wh_buf_take(&b);
}

static void row(struct wh_buf *out, const char *what, const char *before, const char *after, const char *note)
{
	wh_buf_addf(out, "  %-14s %12s %12s%s%s\n", what, before, after, *note ? "   " : "", note);
}

static void count_row(struct wh_buf *out, const char *what, uint64_t before, uint64_t after, bool bytes)
{
	WH_AUTO_FREE char *b = bytes ? bytes_text(before) : number_text(before);
	WH_AUTO_FREE char *a = bytes ? bytes_text(after) : number_text(after);
	WH_AUTO_FREE char *share = before ? wh_asprintf("%.1f %%", 100.0 * (double)after / (double)before) : NULL;

	row(out, what, b, a, share ? share : "");
}

static void findings_rows(const struct wh_proof *p, struct wh_buf *out)
{
	const struct wh_findings *b = &p->before.findings, *a = &p->after.findings;

	if (!b->assessed || !a->assessed) {
		wh_buf_addf(out, "  %-14s %12s %12s   %s\n", "findings", "not assessed", "not assessed",
			    a->why ? a->why : b->why ? b->why : "");
		return;
	}
	count_row(out, "findings", b->total, a->total, false);
	for (int s = WH_N_SEVERITIES - 1; s >= 0; s--) {
		WH_AUTO_FREE char *name = wh_asprintf("  %s", wh_severity_name((enum wh_severity)s));

		if (b->count[s] || a->count[s])
			count_row(out, name, b->count[s], a->count[s], false);
	}
	if (a->packages_unassessed)
		wh_buf_addf(out, "  %-14s %25" PRIu64 "   packages of kinds that the database does not know\n", "  unassessed",
			    a->packages_unassessed);
}

static size_t runs_of(const struct wh_proof *p, const char *when)
{
	const json_t *profile;
	size_t n = 0, i;

	json_array_foreach (p->profiles, i, profile)
		n += json_array_size(json_object_get(profile, when));
	return n;
}

/* "proven" names what was enforced while the tests ran. */
static void runtime_row(const struct wh_proof *p, struct wh_buf *out)
{
	const json_t *r = json_object_get(p->verdict, "runtime"), *not_shown, *one;
	int64_t calls = wh_json_int(r, "syscalls", 0), caps = wh_json_int(r, "capabilities", 0), red = wh_json_int(r, "controls", 0);
	WH_AUTO_FREE char *capabilities = caps ? wh_asprintf("%" PRId64 " %s", caps, caps == 1 ? "capability" : "capabilities") : NULL;
	size_t i;

	if (!json_is_true(json_object_get(r, "proven"))) {
		const char *why = wh_json_str(json_object_get(p->runtime, "proof"), "why");

		wh_buf_addf(out, "  %-14s %25s   %s\n", "runtime", "not proven", why ? why : "");
		return;
	}
	wh_buf_addf(out, "  %-14s %25s   %" PRId64 " system calls, %s%s%s; %" PRId64 " %s\n", "runtime", "proven", calls,
		    caps ? capabilities : "no capabilities", json_is_true(json_object_get(r, "readOnlyRoot")) ? ", read-only root" : "",
		    json_is_true(json_object_get(r, "landlock")) ? ", Landlock" : ", Landlock not enforced here", red,
		    red == 1 ? "control failed as it must" : "controls failed as they must");
	not_shown = json_object_get(json_object_get(p->runtime, "proof"), "notShown");
	json_array_foreach (not_shown, i, one)
		wh_buf_addf(out, "  %-14s %25s   the tests pass with less, too: %s\n", "", "", json_string_value(one));
}

void wh_proof_summary(const struct wh_proof *p, struct wh_buf *out)
{
	const struct wh_measure *b = &p->before.measure, *a = &p->after.measure;
	const json_t *repaired = json_object_get(json_object_get(p->report, "report"), "repaired");
	const char *emulated = wh_json_str(p->verdict, "emulatedPlatform");

	if (!p->pruned)
		return;
	row(out, "", "before", "after", "");
	count_row(out, "bytes", b->bytes, a->bytes, true);
	count_row(out, "files", b->files, a->files, false);
	count_row(out, "executables", b->executables, a->executables, false);
	count_row(out, "packages", b->packages, a->packages, false);
	findings_rows(p, out);
	count_row(out, "shells", b->shells, a->shells, false);
	count_row(out, "set-id files", b->setid, a->setid, false);
	{
		WH_AUTO_FREE char *before = wh_asprintf("%zu passed", runs_of(p, "before"));
		WH_AUTO_FREE char *after = wh_asprintf("%zu passed", runs_of(p, "after"));

		row(out, "test runs", before, after, "");
	}
	if (emulated)
		wh_buf_addf(out, "  %-14s %25s   the tests ran under an emulator\n", "emulated", emulated);
	if (p->runtime)
		runtime_row(p, out);
	if (p->removed.entries) {
		WH_AUTO_FREE char *size = bytes_text(p->removed.layer.blob_size);

		wh_buf_addf(out, "  %-14s %25s   kept beside the image, %" PRIu64 " files: for restore and debug shell\n", "removed part", size,
			    p->removed.files);
	}
	if (json_array_size(repaired))
		wh_buf_addf(out, "  %-14s %25zu   paths that the profile had not foreseen: see the report\n", "repaired",
			    json_array_size(repaired));
}
