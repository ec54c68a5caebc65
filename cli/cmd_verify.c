/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle verify IMAGE --key KEY: who stands for the image, and is it whole?
 *
 * What cannot be proved is not verified: an image that is damaged, that is not there, or whose signature is not the
 * key's is exit code 3 in each case; 2 is left for a key that cannot be read and a command line that makes no sense.
 */
#include "cli/cli.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>

#define KEY_MAX ((size_t)64 << 10)
#define REGISTRY "docker://"

struct flags {
	const char *root, *key, *format;
	bool insecure;
};

struct verify {
	struct flags flags;
	const char *ref;
	struct wh_inner *inner;
	struct wh_key *key;
	char *layout; /* IMAGE is in this directory, or NULL */
	char *tmp;    /* where a store of our own is, or NULL */
	struct wh_store *store;
	struct wh_image image;
	struct wh_artifacts artifacts;
	struct wh_strv names; /* that the layout gives the image */
	struct wh_verified found;
};

#define AT(field) offsetof(struct flags, field)

static const char *const formats[] = {"text", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, AT(format), "FORMAT", "text (default) or json", formats},
	{"key", 0, WH_OPT_TEXT, AT(key), "FILE", "The public key", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build; for a layout: a temporary one)", NULL},
	{0},
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
		return wh_cli_store_open(v->flags.root, &v->store, err);
	return v->flags.root ? 0 : make_store(v, err);
}

static int open_layout(struct verify *v, struct wh_err **err)
{
	int r = wh_layout_check(v->layout, err);

	if (r == 0)
		r = wh_cli_image_open(v->ref, v->tmp ? v->tmp : v->flags.root, &v->store, &v->image, err);
	if (r == 0)
		r = wh_artifacts_from_layout(v->store, v->layout, &v->image.manifest, &v->artifacts, err);
	return r == 0 ? wh_layout_names(v->layout, &v->image.manifest, &v->names, err) : r;
}

/* From a registry, through the outer process, which has the logins; all of it, as every byte is to be looked at. */
static int open_registry(struct verify *v, const char *ref, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	int r = wh_cli_registry_pull(v->inner, v->store, ref, NULL, v->flags.insecure, &d, err);

	if (r == 0)
		r = wh_image_from_store(v->store, wh_digest_text(&d, text), NULL, &v->image, err);
	return r == 0 ? wh_cli_registry_artifacts(v->inner, v->store, ref, &v->image.manifest, v->flags.insecure,
						  &v->artifacts, err)
		      : r;
}

static int open_named(struct verify *v, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	bool remote = wh_has_prefix(v->ref, REGISTRY);
	int r;

	if (remote)
		return open_registry(v, v->ref + strlen(REGISTRY), err);
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

/* A layout may call its image what it likes. Where the signature says what the image is called, one of its names has to
 * be that. */
static int prove_name(const struct verify *v, struct wh_err **err)
{
	if (!v->names.n || !v->found.references.n)
		return 0;
	for (size_t i = 0; i < v->names.n; i++) {
		WH_AUTO_FREE char *name = repository(v->names.v[i]);

		for (size_t k = 0; k < v->found.references.n; k++) {
			WH_AUTO_FREE char *signed_for = repository(v->found.references.v[k]);

			if (strcmp(name, signed_for) == 0)
				return 0;
		}
	}
	return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the layout calls the image %s, but it is signed as %s",
			  v->names.v[0], v->found.references.v[0]);
}

static int prove(struct verify *v, struct wh_err **err)
{
	int r = v->layout ? open_layout(v, err) : open_named(v, err);

	if (r == 0)
		r = wh_verify_image(v->store, &v->image, &v->artifacts, v->key, &v->found, err);
	if (r == 0)
		r = prove_name(v, err);
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
		wh_buf_addf(out, "%-12s%lld passed, %lld failed\n", "tests", (long long)wh_json_int(tests, "passed", 0),
			    (long long)wh_json_int(tests, "failed", 0));
}

static void tell_text(const struct verify *v, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *statements = statements_json(&v->found);
	char digest[WH_DIGEST_TEXT];

	line(out, "verified", wh_digest_text(&v->image.manifest, digest));
	line(out, "signature",
	     v->found.legacy && v->found.bundle ? "bundle and older form (.sig)"
	     : v->found.bundle                  ? "bundle; there is none of the older form (.sig)"
						: "older form (.sig); there is no bundle");
	for (size_t i = 0; i < v->found.references.n; i++)
		line(out, "signed as", v->found.references.v[i]);
	for (size_t i = 0; i < json_array_size(statements); i++) {
		const json_t *s = json_array_get(statements, i);

		line(out, "statement", wh_json_str(s, "predicateType"));
	}
	wh_buf_addf(out, "%-12s%llu blobs, %llu bytes\n", "hashed", (unsigned long long)v->found.blobs,
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
static int inside(void *arg, struct wh_inner *inner)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct verify *v = arg;
	int r = prepare(v, &err);

	v->inner = inner;
	if (r == 0)
		r = wh_inner_enter(inner, &err);
	if (r == 0)
		r = prove(v, &err);
	if (r == 0 && wh_streq(v->flags.format, "json"))
		tell_json(v, &out);
	else if (r == 0)
		tell_text(v, &out);
	r = r < 0 ? wh_err_report(err) : wh_cli_say(&out);
	release(v);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct verify v = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &v.flags, &args, &help, &err);

	if (r == 0 && help) {
		wh_options_help(c, &out);
		return wh_cli_say(&out);
	}
	if (r == 0 && !v.flags.key)
		r = wh_err_set(&err, "cli", WH_ERR_USAGE, EINVAL, "whittle verify: --key is missing");
	if (r == 0)
		r = load_key(v.flags.key, &v.key, &err);
	if (r == 0) {
		v.ref = args.v[0];
		r = wh_cli_image_layout(v.ref, &v.layout, &err);
	}
	r = r < 0 ? wh_err_report(err) : wh_cli_with_registry(inside, &v);
	wh_options_release(c, &v.flags);
	free(v.layout);
	wh_key_free(v.key);
	return r;
}

const struct wh_command wh_cmd_verify = {
	.name = "verify",
	.args = "IMAGE",
	.summary = "Prove that an image is whole, and who signed it",
	.about =
		"Hashes every blob, checks the signature of the image and of each statement about it, and compares what the\n"
		"statements say with what the layers hold. IMAGE is oci:DIR[:TAG] or oci-layout://DIR[:TAG] (then every byte\n"
		"of the directory counts), a name in the store or in a registry, or docker://NAME for a registry only.\n"
		"Exit code 0: proved; 3: not proved; 2: the key cannot be read.",
	.examples = "  whittle verify registry.example/shop:1.4 --key release.pub\n"
		    "  whittle verify oci:./out:1.4 --key release.pub --format json",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};
