/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle verify IMAGE --key KEY: who stands for the image, and is it whole?
 *
 * What cannot be proved is not verified: an image that is damaged, that is not there, or whose signature is not the
 * key's is exit code 3 in each case; 2 is left for a key that cannot be read and a command line that makes no sense.
 */
#include "cli/cli.h"
#include "cli/password.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>

#define KEY_MAX ((size_t)64 << 10)
#define REGISTRY "docker://"

struct flags {
	const char *root, *key, *format, *signed_as;
	struct wh_strv require;
	bool insecure;
};

enum source { FROM_LAYOUT, FROM_STORE, FROM_REGISTRY };

struct verify {
	const struct flags *flags;
	const char *ref;
	struct wh_inner *inner;
	struct wh_key *key;
	char *layout; /* IMAGE is in this directory, or NULL */
	char *tmp;    /* where a store of our own is, or NULL */
	struct wh_store *store;
	struct wh_image image;
	struct wh_artifacts artifacts;
	enum source source;
	struct wh_strv names; /* that the image was asked for by, or that the layout gives it */
	bool nested;          /* an index of the layout leads to it, */
	size_t others;        /* and to so many others */
	unsigned documents;   /* indexes of the layout that were read */
	struct wh_verified found;
};

#define AT(field) offsetof(struct flags, field)

static const char *const formats[] = {"text", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, AT(format), "FORMAT", "text (default) or json", formats},
	{"key", 0, WH_OPT_TEXT, AT(key), "FILE", "The public key", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"require", 0, WH_OPT_LIST, AT(require), "TYPE",
	 "There must be a signed statement of this type (repeatable):\nspdx, verdict, report, or a URI", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build; for a layout: a temporary one)", NULL},
	{"signed-as", 0, WH_OPT_TEXT, AT(signed_as), "NAME",
	 "The name that the image must be signed as (default: the one\nit is asked for by, or that the layout gives it)", NULL},
	{0},
};

/* The statements that a build of ours makes. */
static const struct {
	const char *word, *type;
} usual[] = {
	{"spdx", WH_PREDICATE_SPDX},
	{"verdict", WH_PREDICATE_VERDICT},
	{"report", WH_PREDICATE_REPORT},
};

/* ---------------------------------------------------------------- what is to be verified */

static int load_key(const char *path, struct wh_key **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf pem = WH_BUF_INIT;
	int r = wh_read_file(AT_FDCWD, path, KEY_MAX, &pem);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the key \"%s\"", path);
	return wh_key_load_public(pem.p ? pem.p : "", pem.n, path, ret, err);
}

/* A store that nobody wrote to before, so that nothing in it is taken for granted. */
static int make_store(struct verify *v, struct wh_err **err)
{
	const char *tmp = getenv("TMPDIR");

	v->tmp = wh_asprintf("%s/whittle-verify-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
	if (mkdtemp(v->tmp))
		return 0;
	wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make %s", v->tmp);
	free(WH_TAKE_PTR(v->tmp));
	return -EIO;
}

/* Where the usual store is depends on who asks, so this comes before the user namespace. */
static int prepare(struct verify *v, struct wh_err **err)
{
	if (!v->layout)
		return wh_cli_store_open(v->flags->root, &v->store, err);
	return v->flags->root ? 0 : make_store(v, err);
}

#define DEPTH_MAX 4
#define DOCUMENTS_MAX 256
#define INDEX_MAX ((size_t)4 << 20)

/* What a descriptor calls the image it leads to: a name, not just a tag. */
static void add_names(struct verify *v, const json_t *annotations)
{
	const char *name = wh_json_str(annotations, "io.containerd.image.name");
	const char *ref = wh_json_str(annotations, "org.opencontainers.image.ref.name");

	if (name && !wh_strv_has(&v->names, name))
		wh_strv_add(&v->names, name);
	if (ref && strpbrk(ref, "/:") && !wh_strv_has(&v->names, ref))
		wh_strv_add(&v->names, ref);
}

static json_t *read_index(struct verify *v, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", v->layout, name);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	json_t *o = NULL;

	if (v->documents++ == DOCUMENTS_MAX || wh_read_file(AT_FDCWD, path, INDEX_MAX, &buf) < 0 ||
	    wh_json_parse(buf.p ? buf.p : "", buf.n, path, &o, NULL) < 0)
		return NULL;
	return o;
}

/* All names under which the list leads to the image, by way of indexes, too. (The layout itself has been checked.) */
static bool look_for(struct verify *v, const json_t *list, unsigned depth)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		const char *digest = wh_json_str(d, "digest"), *type = wh_json_str(d, "mediaType");
		struct wh_digest got;
		bool here;

		if (!digest || !wh_digest_parse(digest, &got))
			continue;
		here = wh_digest_eq(&got, &v->image.manifest);
		if (!here && type && (strstr(type, "index") || strstr(type, "manifest.list")) && depth < DEPTH_MAX) {
			char hex[65];
			WH_AUTO_FREE char *name = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&got, hex));
			WH_AUTO_JSON json_t *o = read_index(v, name);

			here = look_for(v, json_object_get(o, "manifests"), depth + 1);
			v->nested |= here;
			v->others += here ? json_array_size(json_object_get(o, "manifests")) - 1 : 0;
		}
		if (here)
			add_names(v, json_object_get(d, "annotations"));
		found |= here;
	}
	return found;
}

static int layout_names(struct verify *v, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = read_index(v, "index.json");

	if (look_for(v, json_object_get(o, "manifests"), 0))
		return 0;
	return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%s: nothing in index.json leads to the image", v->layout);
}

static int open_layout(struct verify *v, struct wh_err **err)
{
	int r = wh_layout_check(v->layout, err);

	if (r == 0)
		r = wh_cli_image_open(v->ref, v->tmp ? v->tmp : v->flags->root, &v->store, &v->image, err);
	if (r == 0)
		r = wh_artifacts_from_layout(v->store, v->layout, &v->image.manifest, &v->artifacts, err);
	return r == 0 ? layout_names(v, err) : r;
}

/* From a registry, through the outer process, which has the logins; all of it, as every byte is to be looked at. */
static int open_registry(struct verify *v, const char *ref, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	int r;

	v->source = FROM_REGISTRY;
	r = wh_cli_registry_pull(v->inner, v->store, ref, NULL, v->flags->insecure, &d, err);

	if (r == 0)
		r = wh_image_from_store(v->store, wh_digest_text(&d, text), NULL, &v->image, err);
	return r == 0 ? wh_cli_registry_artifacts(v->inner, v->store, ref, &v->image.manifest, v->flags->insecure,
						  &v->artifacts, err)
		      : r;
}

static int open_named(struct verify *v, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	bool remote = wh_has_prefix(v->ref, REGISTRY);
	const char *name = v->ref + (remote ? strlen(REGISTRY) : 0);
	struct wh_digest d;
	int r;

	if (!wh_digest_parse(name, &d))
		wh_strv_add(&v->names, name);
	if (remote)
		return open_registry(v, name, err);
	v->source = FROM_STORE;
	r = wh_image_from_store(v->store, v->ref, NULL, &v->image, &e);
	if (r == 0)
		return wh_artifacts_from_store(v->store, &v->image.manifest, &v->artifacts, err);
	if (r == -ENOENT && e->class != WH_ERR_USAGE)
		return open_registry(v, v->ref, err);
	wh_err_move(err, &e);
	return r;
}

/* ---------------------------------------------------------------- proving */

static char *repository(const char *name)
{
	WH_AUTO_FREE char *full = NULL;
	char *colon;

	if (wh_reference_normalize(name, &full, NULL) < 0)
		return wh_strdup(name);
	full[strcspn(full, "@")] = 0;
	colon = strrchr(full, ':');
	if (colon && !strchr(colon, '/'))
		*colon = 0;
	return WH_TAKE_PTR(full);
}

static bool is_signed_as(const struct verify *v, const char *asked)
{
	WH_AUTO_FREE char *name = repository(asked);

	for (size_t i = 0; i < v->found.references.n; i++) {
		WH_AUTO_FREE char *signed_for = repository(v->found.references.v[i]);

		if (strcmp(name, signed_for) == 0)
			return true;
	}
	return false;
}

/* Whoever serves an image may serve it under any name. Where the signature says what the image is called, it has to be
 * what the user asked for, and what the layout calls it, each time. */
static int prove_name(const struct verify *v, struct wh_err **err)
{
	const struct wh_strv *signed_for = &v->found.references;
	int r;

	if (v->flags->signed_as)
		return is_signed_as(v, v->flags->signed_as)
			       ? 0
			       : wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the image is signed as %s, not as %s",
					    signed_for->n ? signed_for->v[0] : "nothing by name", v->flags->signed_as);
	for (size_t i = 0; i < v->names.n && signed_for->n; i++) {
		if (is_signed_as(v, v->names.v[i]))
			continue;
		r = wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%s %s, but it is signed as %s",
			       v->layout ? "the layout calls the image" : "the image was asked for as", v->names.v[i],
			       signed_for->v[0]);
		wh_err_hint(err, "--signed-as NAME takes it for what it was signed as (a mirror, say)");
		return r;
	}
	return 0;
}

static const char *type_of(const char *word)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(usual); i++)
		if (strcmp(word, usual[i].word) == 0)
			return usual[i].type;
	return strchr(word, ':') ? word : NULL;
}

static bool is_stated(const struct verify *v, const char *type)
{
	for (size_t i = 0; i < json_array_size(v->found.statements); i++)
		if (wh_streq(wh_json_str(json_array_get(v->found.statements, i), "predicateType"), type))
			return true;
	return false;
}

/* What was taken away leaves no trace: who wants a statement has to say so. */
static int prove_required(const struct verify *v, struct wh_err **err)
{
	for (size_t i = 0; i < v->flags->require.n; i++)
		if (!is_stated(v, type_of(v->flags->require.v[i])))
			return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG,
					  "the key has signed no statement of the type that --require %s asks for",
					  v->flags->require.v[i]);
	return 0;
}

static int prove(struct verify *v, struct wh_err **err)
{
	int r = v->layout ? open_layout(v, err) : open_named(v, err);

	if (r == 0)
		r = wh_verify_image(v->store, &v->image, &v->artifacts, v->key, &v->found, err);
	if (r == 0)
		r = prove_name(v, err);
	if (r == 0)
		r = prove_required(v, err);
	/* Failures to find and to read are failures to prove. */
	if (r < 0 && *err && (*err)->class == WH_ERR_BUILD)
		(*err)->class = WH_ERR_GATE;
	return r;
}

/* ---------------------------------------------------------------- telling */

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

static const char *const sources[] = {[FROM_LAYOUT] = "layout", [FROM_STORE] = "store", [FROM_REGISTRY] = "registry"};

/* Where the image was found. */
static const char *source_name(const struct verify *v)
{
	return v->source == FROM_LAYOUT  ? v->layout
	       : v->source == FROM_STORE ? wh_store_path(v->store)
	       : wh_has_prefix(v->ref, REGISTRY) ? v->ref + strlen(REGISTRY)
						 : v->ref;
}

static char *platform(const struct verify *v)
{
	const char *os = wh_json_str(v->image.config, "os"), *arch = wh_json_str(v->image.config, "architecture");
	const char *variant = wh_json_str(v->image.config, "variant");

	return wh_asprintf("%s/%s%s%s", os ? os : "?", arch ? arch : "?", variant ? "/" : "", variant ? variant : "");
}

/* A base that was pruned leaves its line here, too. */
static bool was_pruned(const struct verify *v)
{
	const json_t *history = json_object_get(v->image.config, "history");

	for (size_t i = 0; i < json_array_size(history); i++) {
		const char *by = wh_json_str(json_array_get(history, i), "created_by");

		if (by && strncasecmp(by, "PRUNE", strlen("PRUNE")) == 0)
			return true;
	}
	return false;
}

static json_t *missing_json(const struct verify *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < WH_ARRAY_SIZE(usual); i++)
		if (!is_stated(v, usual[i].type))
			json_array_append_new(list, json_string(usual[i].word));
	return list;
}

/* others: how many more the name leads to; null where nobody can tell. */
static void add_origin(const struct verify *v, json_t *o)
{
	WH_AUTO_FREE char *proved = platform(v);
	json_t *from = json_pack("{s:s}", "kind", sources[v->source]), *name = json_string(source_name(v));

	if (name)
		json_object_set_new(from, "name", name);
	json_object_set_new(o, "from", from);
	json_object_set_new(o, "platform", json_string(proved));
	json_object_set_new(o, "otherPlatformsUnchecked",
			    v->source == FROM_REGISTRY ? json_null() : json_integer((json_int_t)v->others));
	json_object_set_new(o, "missing", missing_json(v));
}

static void tell_json(const struct verify *v, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = NULL;
	json_t *references = json_array();
	char digest[WH_DIGEST_TEXT];

	for (size_t i = 0; i < v->found.references.n; i++)
		json_array_append_new(references, json_string(v->found.references.v[i]));
	o = json_pack("{s:b, s:s, s:{s:b, s:b, s:o}, s:o, s:{s:I, s:I}, s:O?}", "verified", 1, "digest",
		      wh_digest_text(&v->image.manifest, digest), "signature", "legacy", v->found.legacy, "bundle",
		      v->found.bundle, "references", references, "statements", statements_json(&v->found), "hashed",
		      "blobs", (json_int_t)v->found.blobs, "bytes", (json_int_t)v->found.bytes, "verdict",
		      v->found.verdict);
	add_origin(v, o);
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

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

static void tell_origin(const struct verify *v, struct wh_buf *out)
{
	WH_AUTO_FREE char *from = wh_asprintf("%s %s", sources[v->source], source_name(v)), *proved = platform(v);
	WH_AUTO_FREE char *what =
		v->nested ? wh_asprintf("%s; the index has %zu more, which were not checked", proved, v->others)
		: v->source == FROM_REGISTRY
			? wh_asprintf("%s; others of this name, if there are any, were not checked", proved)
			: wh_strdup(proved);

	line(out, "from", from);
	line(out, "platform", what);
}

static void tell_missing(const struct verify *v, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *missing = missing_json(v);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (!json_array_size(missing))
		return;
	for (size_t i = 0; i < json_array_size(missing); i++)
		wh_buf_addf(&text, "%s%s", i ? ", " : "", json_string_value(json_array_get(missing, i)));
	if (was_pruned(v) && !is_stated(v, WH_PREDICATE_VERDICT))
		wh_buf_adds(&text, " (the image's history has a PRUNE)");
	line(out, "no statement", text.p);
}

static void tell_text(const struct verify *v, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *statements = statements_json(&v->found);
	char digest[WH_DIGEST_TEXT];

	line(out, "verified", wh_digest_text(&v->image.manifest, digest));
	tell_origin(v, out);
	line(out, "signature",
	     v->found.legacy && v->found.bundle ? "bundle and older form (.sig)"
	     : v->found.bundle                  ? "bundle; there is none of the older form (.sig)"
						: "older form (.sig); there is no bundle");
	for (size_t i = 0; i < v->found.references.n; i++)
		line(out, "signed as", v->found.references.v[i]);
	if (!v->found.references.n)
		line(out, "signed as", "nothing by name");
	for (size_t i = 0; i < json_array_size(statements); i++) {
		const json_t *s = json_array_get(statements, i);

		line(out, "statement", wh_json_str(s, "predicateType"));
	}
	tell_missing(v, out);
	wh_buf_addf(out, "%-13s%llu blobs, %llu bytes\n", "hashed", (unsigned long long)v->found.blobs,
		    (unsigned long long)v->found.bytes);
	if (v->found.verdict)
		tell_verdict(v->found.verdict, out);
}

/* ---------------------------------------------------------------- the command */

/* What the inner process took. */
static void release(struct verify *v)
{
	wh_verified_release(&v->found);
	wh_artifacts_release(&v->artifacts);
	wh_image_release(&v->image);
	wh_strv_release(&v->names);
	if (v->store)
		wh_store_close(v->store);
	if (v->tmp)
		(void)wh_rm_rf(AT_FDCWD, v->tmp);
	free(v->tmp);
}

/* Layers are read and unpacked: within the user namespace. */
static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct verify *v = arg;
	int r = prepare(v, err);

	v->inner = inner;
	if (r == 0)
		r = wh_inner_enter(inner, err);
	if (r == 0)
		r = prove(v, err);
	if (r == 0 && wh_streq(v->flags->format, "json"))
		tell_json(v, out);
	else if (r == 0)
		tell_text(v, out);
	release(v);
	return r;
}

static int check(const struct flags *f, struct wh_err **err)
{
	int r;

	if (!f->key)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle verify: --key is missing");
	for (size_t i = 0; i < f->require.n; i++) {
		if (type_of(f->require.v[i]))
			continue;
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--require %s: there is no such type",
			       f->require.v[i]);
		wh_err_hint(err, "TYPE is spdx, verdict, report, or a URI");
		return r;
	}
	return 0;
}

static int verify(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct verify v = {.flags = flags, .ref = args->v[0]};
	int r = check(v.flags, err);

	if (r == 0)
		r = load_key(v.flags->key, &v.key, err);
	if (r == 0)
		r = wh_cli_image_layout(v.ref, &v.layout, err);
	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	if (r == 0)
		r = wh_cli_with_registry(inside, &v, out, err);
	free(v.layout);
	wh_key_free(v.key);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, verify);
}

const struct wh_command wh_cmd_verify = {
	.name = "verify",
	.args = "IMAGE",
	.summary = "Prove that an image is whole, and who signed it",
	.about =
		"Hashes every blob, checks the signature of the image and of each statement about it, and compares what the\n"
		"statements say with what the layers hold. IMAGE is oci:DIR[:TAG] or oci-layout://DIR[:TAG] (then every byte\n"
		"of the directory counts), a name in the store or in a registry, or docker://NAME for a registry only.\n"
		"Where the signature says what the image is called, IMAGE has to be called so. Of a name with several\n"
		"platforms this machine's is proved. A statement that was taken away leaves no trace: --require those\n"
		"that must be there.\n"
		"Exit code 0: proved; 3: not proved; 2: the command line or the key is wrong; 4: the registry cannot be\n"
		"reached, or this machine cannot (nothing was found out, so nothing is proved).",
	.examples = "  whittle verify registry.example/shop:1.4 --key release.pub\n"
		    "  whittle verify oci:./out:1.4 --key release.pub --require verdict --format json",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};
