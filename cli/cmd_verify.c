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
#include "cli/verify.h"

#include <errno.h>

#define KEY_MAX ((size_t)64 << 10)
#define REGISTRY "docker://"

struct flags {
	const char *root, *key, *format, *signed_as, *platform;
	struct wh_strv require;
	bool insecure, removed;
};

struct verify {
	const struct flags *flags;
	const char *ref;
	struct wh_inner *inner;
	struct wh_cli_lazy lazy;
	struct wh_key *key;
	char *layout; /* IMAGE is in this directory, or NULL */
	char *tmp;    /* where a store of our own is, or NULL */
	struct wh_store *store;
	struct wh_image whole; /* what the name leads to */
	const char *remote;    /* its name in a registry, or NULL */
	struct wh_strv names;  /* that the image was asked for by, or that the layout gives it */
	unsigned documents;    /* indexes of the layout that were read */
	struct wh_proofs proofs;
};

#define AT(field) offsetof(struct flags, field)

static const char *const formats[] = {"text", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, AT(format), "FORMAT", "text (default) or json", formats},
	{"key", 0, WH_OPT_TEXT, AT(key), "FILE", "The public key", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH",
	 "One image of several alone (default: all of them, where the\nindex is signed; else this machine's)", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"removed", 0, WH_OPT_FLAG, AT(removed), NULL, "Fetch what PRUNE took away, where it is kept, and prove that, too", NULL},
	{"require", 0, WH_OPT_LIST, AT(require), "TYPE",
	 "There must be a signed statement of this type (repeatable):\nspdx, verdict, report, or a URI", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build; for a layout: a temporary one)", NULL},
	{"signed-as", 0, WH_OPT_TEXT, AT(signed_as), "NAME",
	 "The name that the image must be signed as (default: the one\nit is asked for by, or that the layout gives it)", NULL},
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

/* Where the usual store is depends on who asks, so this comes before the user namespace. */
static int prepare(struct verify *v, struct wh_err **err)
{
	if (!v->layout)
		return wh_cli_store_open(v->flags->root, &v->store, err);
	/* A store that nobody wrote to before, so that nothing in it is taken for granted. */
	return v->flags->root ? 0 : wh_cli_temp_dir(NULL, "verify", &v->tmp, err);
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

	if (v->documents++ == DOCUMENTS_MAX || wh_read_regular(AT_FDCWD, path, INDEX_MAX, &buf) < 0 ||
	    wh_json_parse(buf.p ? buf.p : "", buf.n, path, &o, NULL) < 0)
		return NULL;
	return o;
}

/* All names under which the list leads to the image, by way of indexes, too. (The layout itself has been checked.) */
static bool look_for(struct verify *v, const struct wh_digest *image, const json_t *list, unsigned depth)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		const char *digest = wh_json_str(d, "digest"), *type = wh_json_str(d, "mediaType");
		struct wh_digest got;
		bool here;

		if (!digest || !wh_digest_parse(digest, &got))
			continue;
		here = wh_digest_eq(&got, image);
		if (!here && type && (strstr(type, "index") || strstr(type, "manifest.list")) && depth < DEPTH_MAX) {
			char hex[65];
			WH_AUTO_FREE char *name = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&got, hex));
			WH_AUTO_JSON json_t *o = read_index(v, name);

			here = look_for(v, image, json_object_get(o, "manifests"), depth + 1);
			v->proofs.nested |= here;
			v->proofs.others += here ? json_array_size(json_object_get(o, "manifests")) - 1 : 0;
		}
		if (here)
			add_names(v, json_object_get(d, "annotations"));
		found |= here;
	}
	return found;
}

static int layout_names(struct verify *v, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;

	if (!v->layout)
		return 0;
	o = read_index(v, "index.json");
	if (look_for(v, &v->proofs.top.image->manifest, json_object_get(o, "manifests"), 0))
		return 0;
	return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%s: nothing in index.json leads to the image", v->layout);
}

static int open_layout(struct verify *v, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	const char *root = v->tmp ? v->tmp : v->flags->root;
	int r = wh_layout_check(v->layout, err);

	if (r < 0)
		return r;
	v->proofs.place = wh_strdup(v->layout);
	r = wh_cli_image_open_all(v->ref, root, &v->store, &v->whole, &e);
	if (r == -ENOTSUP) { /* an index of indexes: the one image that the name means for a platform */
		wh_err_freep(&e);
		r = wh_cli_image_open(v->ref, root, v->flags->platform, &v->store, &v->whole, &e);
	}
	wh_err_move(err, &e);
	return r;
}

/* Documents first: what nobody signed is not worth fetching. Through the outer process, which has the logins. */
static int open_registry(struct verify *v, const char *ref, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	bool insecure = v->flags->insecure;
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	int r;

	v->proofs.source = WH_FROM_REGISTRY;
	v->remote = ref;
	v->proofs.place = wh_strdup(ref);
	r = wh_cli_registry_pull_all(v->inner, v->store, ref, false, insecure, NULL, &d, &e);
	if (r == -ENOTSUP) {
		wh_err_freep(&e);
		r = wh_cli_registry_pull(v->inner, v->store, ref, v->flags->platform, insecure, NULL, &d, &e);
	}
	if (r == 0)
		r = wh_image_all_from_store(v->store, wh_digest_text(&d, text), &v->whole, &e);
	wh_err_move(err, &e);
	return r;
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
	r = wh_image_all_from_store(v->store, v->ref, &v->whole, &e);
	if (r == -ENOENT && e->class != WH_ERR_USAGE)
		return open_registry(v, v->ref, err);
	v->proofs.source = WH_FROM_STORE;
	v->proofs.place = wh_strdup(wh_store_path(v->store));
	wh_err_move(err, &e);
	return r;
}

/* What is attached to one image, where it was found. */
static int artifacts_of(struct verify *v, struct wh_proved *p, struct wh_err **err)
{
	const struct wh_digest *d = &p->image->manifest;
	int r;

	if (p->artifacts.n)
		return 0; /* looked for before */
	if (v->layout)
		r = wh_artifacts_from_layout(v->store, v->layout, d, &p->artifacts, err);
	else if (!v->remote)
		r = wh_artifacts_from_store(v->store, d, &p->artifacts, err);
	else
		r = wh_cli_registry_artifacts(v->inner, v->store, v->remote, d, v->flags->insecure, &p->artifacts, err);
	if (r < 0 || (!v->layout && !v->flags->removed))
		return r;
	if (v->flags->removed)
		return wh_removed_part_bring(v->store, v->layout, &p->artifacts, err);
	/* Whatever others attached: what is signed for is looked at. */
	for (size_t k = 0; k < p->artifacts.n; k++)
		(void)wh_removed_part_bring(v->store, v->layout, &(struct wh_artifacts){.v = &p->artifacts.v[k], .n = 1}, NULL);
	return 0;
}

/* The layers too, as every byte is to be looked at. By digest: a name may lead elsewhere by now. */
static int fetch_layers(struct verify *v, const struct wh_image *i, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *ref = NULL;
	struct wh_digest d;

	if (!v->remote)
		return 0;
	ref = wh_asprintf("%.*s@%s", (int)strcspn(v->remote, "@"), v->remote, wh_digest_text(&i->manifest, text));
	return wh_cli_registry_pull_all(v->inner, v->store, ref, true, v->flags->insecure, NULL, &d, err);
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

	for (size_t i = 0; i < v->proofs.top.found.references.n; i++) {
		WH_AUTO_FREE char *signed_for = repository(v->proofs.top.found.references.v[i]);

		if (strcmp(name, signed_for) == 0)
			return true;
	}
	return false;
}

/* Whoever serves an image may serve it under any name. Where the signature says what the image is called, it has to be
 * what the user asked for, and what the layout calls it, each time. */
static int prove_name(const struct verify *v, struct wh_err **err)
{
	const struct wh_strv *signed_for = &v->proofs.top.found.references;
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

/* What was taken away leaves no trace: who wants a statement has to say so. */
static int prove_required(const struct verify *v, struct wh_err **err)
{
	for (size_t i = 0; i < v->flags->require.n; i++)
		if (!wh_proofs_state(&v->proofs, wh_predicate_named(v->flags->require.v[i])))
			return wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG,
					  "the key has signed no statement of the type that --require %s asks for",
					  v->flags->require.v[i]);
	return 0;
}

static int prove_one(struct verify *v, const struct wh_image *i, struct wh_err **err)
{
	struct wh_proofs *p = &v->proofs;
	int r = 0;

	p->top.image = i;
	if (wh_image_is_index(&v->whole) && !v->layout) { /* of a layout, index.json tells */
		p->nested = true;
		p->others = v->whole.n_parts - 1 + v->whole.n_absent;
	}
	r = artifacts_of(v, &p->top, err);
	if (r == 0)
		r = fetch_layers(v, i, err);
	return r < 0 ? r : wh_verify_image(v->store, i, &p->top.artifacts, v->key, &p->top.found, err);
}

/* The key stands for the index: then for each image in it, signed by itself or not. What is said of an image must be so. */
static int prove_parts(struct verify *v, struct wh_err **err)
{
	struct wh_proofs *p = &v->proofs;
	int r = fetch_layers(v, &v->whole, err);

	p->others = v->whole.n_absent;
	p->parts = wh_calloc(v->whole.n_parts + 1, sizeof(*p->parts));
	for (size_t k = 0; k < v->whole.n_parts && r == 0; k++) {
		struct wh_proved *part = &p->parts[p->n_parts++];
		struct wh_platform platform;

		part->image = &v->whole.parts[k];
		r = artifacts_of(v, part, err);
		if (r == 0)
			r = wh_verify_part(v->store, part->image, &part->artifacts, v->key, &part->found, err);
		if (r < 0) {
			WH_AUTO_FREE char *text = NULL;

			wh_image_platform(part->image, &platform);
			text = wh_platform_text(&platform);
			wh_err_wrap(err, "the image for %s", text);
		}
	}
	return r;
}

static int prove_index(struct verify *v, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_proofs *p = &v->proofs;
	const struct wh_image *host;
	int r;

	p->top.image = &v->whole;
	r = artifacts_of(v, &p->top, &e);
	if (r == 0)
		r = wh_verify_image(v->store, &v->whole, &p->top.artifacts, v->key, &p->top.found, &e);
	if (r == 0)
		return prove_parts(v, err);
	/* Nobody stands for the index. For this machine's image somebody may. */
	if (r == -ENOKEY && wh_cli_image_part(&v->whole, NULL, &host, NULL) == 0) {
		wh_artifacts_release(&p->top.artifacts);
		return prove_one(v, host, err);
	}
	wh_err_move(err, &e);
	return r;
}

static int prove_what_is_meant(struct verify *v, struct wh_err **err)
{
	const struct wh_image *one = &v->whole;
	int r = 0;

	if (!v->flags->platform && wh_image_is_index(&v->whole))
		return prove_index(v, err);
	if (v->flags->platform)
		r = wh_cli_image_part(&v->whole, v->flags->platform, &one, err);
	return r < 0 ? r : prove_one(v, one, err);
}

static int prove(struct verify *v, struct wh_err **err)
{
	int r = v->layout ? open_layout(v, err) : open_named(v, err);

	if (r == 0)
		r = prove_what_is_meant(v, err);
	if (r == 0)
		r = layout_names(v, err);
	if (r == 0)
		r = prove_name(v, err);
	if (r == 0)
		r = prove_required(v, err);
	/* Failures to find and to read are failures to prove. */
	if (r < 0 && *err && (*err)->class == WH_ERR_BUILD)
		(*err)->class = WH_ERR_GATE;
	return r;
}

/* ---------------------------------------------------------------- the command */

static void release_proved(struct wh_proved *p)
{
	wh_verified_release(&p->found);
	wh_artifacts_release(&p->artifacts);
}

/* What the inner process took. */
static void release(struct verify *v)
{
	release_proved(&v->proofs.top);
	for (size_t k = 0; k < v->proofs.n_parts; k++)
		release_proved(&v->proofs.parts[k]);
	free(v->proofs.parts);
	free(v->proofs.place);
	wh_image_release(&v->whole);
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
	if (r == 0 && v->store) { /* a layout has its layers with it, and its store is opened later */
		v->lazy = (struct wh_cli_lazy){.inner = inner, .store = v->store, .insecure = v->flags->insecure};
		wh_cli_lazy_serve(&v->lazy);
	}
	if (r == 0)
		r = wh_inner_enter(inner, err);
	if (r == 0)
		r = prove(v, err);
	if (r == 0 && wh_streq(v->flags->format, "json"))
		wh_proofs_json(&v->proofs, out);
	else if (r == 0)
		wh_proofs_text(&v->proofs, out);
	release(v);
	return r;
}

static int check(const struct flags *f, struct wh_err **err)
{
	int r;

	if (!f->key)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle verify: --key is missing");
	for (size_t i = 0; i < f->require.n; i++) {
		if (wh_predicate_named(f->require.v[i]))
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
		"platforms the index is proved, and each image in it; where the index is not signed, this machine's image.\n"
		"A statement that was taken away leaves no trace: --require those that must be there.\n"
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
