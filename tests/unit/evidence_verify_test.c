/* SPDX-License-Identifier: Apache-2.0 */
/* What is verified, what is a forgery, and what is other people's. */
#include "evidence/sign_private.h"
#include "tests/unit/layers_helper.h"

static char shop_name[] = "registry.example/shop";
static char *shop_names[] = {shop_name};
static const struct wh_strv shop = {.v = shop_names, .n = 1};

#define TYPE "https://example.org/claim/v1"

struct scene {
	struct bed bed;
	struct wh_image image, other;
	struct wh_key *key, *stranger;
	char *hint, *stranger_hint;
	struct wh_signer signer, stranger_signer;
	struct wh_artifacts list;
};

static void image_of(struct bed *b, const char *spec, struct wh_image *ret)
{
	struct wh_err *err = NULL;

	*ret = (struct wh_image){.config = json_pack("{s:s, s:s, s:{s:s}}", "architecture", "amd64", "os", "linux",
						     "config", "User", "nobody")};
	ret->layers = wh_calloc(1, sizeof(*ret->layers));
	ret->n_layers = 1;
	layer_of(b->store, spec, &ret->layers[0]);
	assert_ok(wh_image_write(b->store, ret, &err), err);
}

static void scene_open(struct scene *x)
{
	struct wh_err *err = NULL;

	*x = (struct scene){0};
	bed_open(&x->bed);
	image_of(&x->bed, "f a 644 one\n", &x->image);
	image_of(&x->bed, "f a 644 two\n", &x->other);
	assert_ok(wh_key_generate(&x->key, &err), err);
	assert_ok(wh_key_generate(&x->stranger, &err), err);
	x->signer = wh_key_signer(x->key, &x->hint);
	x->stranger_signer = wh_key_signer(x->stranger, &x->stranger_hint);
}

static void scene_close(struct scene *x)
{
	wh_artifacts_release(&x->list);
	wh_key_free(x->key);
	wh_key_free(x->stranger);
	free(x->hint);
	free(x->stranger_hint);
	wh_image_release(&x->image);
	wh_image_release(&x->other);
	bed_close(&x->bed);
}

static void sign(struct scene *x, const struct wh_signer *by)
{
	WH_AUTO_JSON json_t *claim = json_pack("{s:i}", "n", 1);
	const struct wh_attest_item item = {TYPE, claim};
	struct wh_err *err = NULL;

	assert_ok(wh_sign_image(x->bed.store, &x->image, &shop, by, &item, 1, &x->list, &err), err);
}

static int verify(struct scene *x, struct wh_verified *v, struct wh_err **err)
{
	return wh_verify_image(x->bed.store, &x->image, &x->list, x->key, v, err);
}

static void accepted(struct scene *x)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0};
	struct wh_err *err = NULL;

	assert_ok(verify(x, &v, &err), err);
}

static void refused(struct scene *x, const char *why)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_verified v = {0};
	/* That the key's signature is not there is told apart. */
	int want = strstr(why, "not signed") || strstr(why, "but not the") ? -ENOKEY : -EBADMSG;

	assert_int_equal(verify(x, &v, &err), want);
	assert_non_null(err);
	if (!strstr(err->msg, why))
		fail_msg("\"%s\" is not in: %s", why, err->msg);
	assert_int_equal(err->class, WH_ERR_GATE);
	assert_null(v.statements);
}

/* Takes what fn says from the list. */
static void drop(struct scene *x, bool (*fn)(const struct wh_artifact *a))
{
	for (size_t i = 0; i < x->list.n; i++) {
		if (!fn(&x->list.v[i]))
			continue;
		wh_artifact_release(&x->list.v[i]);
		x->list.n--;
		memmove(&x->list.v[i], &x->list.v[i + 1], (x->list.n - i) * sizeof(*x->list.v));
		i--;
	}
}

static bool is_sig(const struct wh_artifact *a)
{
	return a->tag && wh_has_suffix(a->tag, ".sig");
}

static bool is_image_bundle(const struct wh_artifact *a)
{
	return !a->tag && strcmp(wh_json_str(a->manifest.annotations, WH_AN_BUNDLE_PREDICATE), WH_PREDICATE_SIGN) == 0;
}

static void good(void **state)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0};
	struct scene x;
	struct wh_err *err = NULL;

	(void)state;
	scene_open(&x);
	sign(&x, &x.signer);
	assert_ok(verify(&x, &v, &err), err);
	assert_true(v.legacy);
	assert_true(v.bundle);
	assert_int_equal(v.references.n, 1);
	assert_string_equal(v.references.v[0], "registry.example/shop");
	assert_null(v.verdict);
	assert_int_equal(json_array_size(v.statements), 2);
	for (size_t i = 0; i < 2; i++) {
		const json_t *s = json_array_get(v.statements, i);

		assert_string_equal(wh_json_str(s, "predicateType"), TYPE);
		assert_string_equal(wh_json_str(s, "form"), i ? "legacy" : "bundle");
		assert_int_equal(wh_json_int(json_object_get(s, "predicate"), "n", 0), 1);
	}
	/* Manifest, config, layer; of four artifacts the manifest and one layer each. */
	assert_int_equal(v.blobs, 3 + 4 * 2);
	assert_true(v.bytes > x.image.layers[0].blob_size + x.image.manifest_size);
	scene_close(&x);
}

static void forms(void **state)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0}, w = {0};
	struct scene x;
	struct wh_err *err = NULL;

	(void)state;
	scene_open(&x);
	refused(&x, "is not signed by this key");
	sign(&x, &x.signer);
	drop(&x, is_sig);
	assert_ok(verify(&x, &v, &err), err);
	assert_true(v.bundle && !v.legacy);
	assert_int_equal(v.references.n, 1); /* the newer form says a name, too */
	assert_string_equal(v.references.v[0], "registry.example/shop");
	/* Statements alone, however well signed, are not the image's signature. */
	drop(&x, is_image_bundle);
	refused(&x, "signed statements about the image, but not the image");
	wh_artifacts_release(&x.list);
	sign(&x, &x.signer);
	drop(&x, is_image_bundle);
	assert_ok(verify(&x, &w, &err), err);
	assert_true(w.legacy && !w.bundle);
	scene_close(&x);
}

/* One digest, several names: at once, and one after the other. */
static void names(void **state)
{
	static char a[] = "registry.example/a", b[] = "registry.example/b", c[] = "registry.example/c";
	char *ab[] = {a, b}, *only_c[] = {c};
	const struct wh_strv first = {.v = ab, .n = 2}, second = {.v = only_c, .n = 1};
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0}, w = {0};
	WH_AUTO_JSON json_t *claim = json_pack("{s:i}", "n", 1);
	const struct wh_attest_item item = {TYPE, claim};
	struct wh_err *err = NULL;
	struct scene x;

	(void)state;
	scene_open(&x);
	assert_ok(wh_sign_image(x.bed.store, &x.image, &first, &x.signer, &item, 1, &x.list, &err), err);
	assert_int_equal(x.list.n, 4);
	assert_ok(verify(&x, &v, &err), err);
	assert_int_equal(v.references.n, 2);
	assert_string_equal(v.references.v[1], b);
	assert_ok(wh_sign_keep(x.bed.store, &x.image, &x.list, &err), err);
	assert_ok(wh_store_attach(x.bed.store, &x.list, &err), err);
	wh_artifacts_release(&x.list);

	assert_ok(wh_sign_image(x.bed.store, &x.image, &second, &x.signer, &item, 1, &x.list, &err), err);
	assert_ok(wh_sign_keep(x.bed.store, &x.image, &x.list, &err), err);
	assert_ok(wh_store_attach(x.bed.store, &x.list, &err), err);
	wh_artifacts_release(&x.list);
	assert_ok(wh_artifacts_from_store(x.bed.store, &x.image.manifest, &x.list, &err), err);
	assert_int_equal(x.list.n, 4);
	assert_ok(verify(&x, &w, &err), err);
	assert_int_equal(w.references.n, 3);
	assert_string_equal(w.references.v[0], a);
	assert_string_equal(w.references.v[2], c);
	scene_close(&x);
}

/* An index: its own signature, which stands for the images in it. */
static void indexes(void **state)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0}, part = {0}, second = {0};
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts of_index = {0};
	struct wh_image images[2], index, lying;
	struct wh_err *err = NULL;
	struct scene x;

	(void)state;
	scene_open(&x);
	images[0] = x.image;
	images[1] = x.other;
	json_object_set_new(images[1].config, "architecture", json_string("arm64"));
	assert_ok(wh_image_write(x.bed.store, &images[1], &err), err);
	x.other = images[1];
	assert_ok(wh_image_index_write(x.bed.store, images, 2, &index, &err), err);

	/* Signatures of its images are not the index's. */
	sign(&x, &x.signer);
	assert_int_equal(wh_verify_image(x.bed.store, &index, &x.list, x.key, &v, &err), -ENOKEY);
	assert_string_equal(err->msg, "the index is not signed by this key");
	assert_int_equal(err->class, WH_ERR_GATE);
	wh_err_freep(&err);
	assert_ok(wh_sign_image(x.bed.store, &index, &shop, &x.stranger_signer, NULL, 0, &of_index, &err), err);
	assert_int_equal(wh_verify_image(x.bed.store, &index, &of_index, x.key, &v, &err), -ENOKEY);
	wh_err_freep(&err);
	wh_artifacts_release(&of_index);

	assert_ok(wh_sign_image(x.bed.store, &index, &shop, &x.signer, NULL, 0, &of_index, &err), err);
	assert_ok(wh_verify_image(x.bed.store, &index, &of_index, x.key, &v, &err), err);
	assert_true(v.legacy && v.bundle);
	assert_int_equal(v.references.n, 1);
	assert_int_equal(json_array_size(v.statements), 0);

	/* A part may have a signature of its own, or none; alone it needs one. */
	assert_ok(wh_verify_part(x.bed.store, &index.parts[0], &x.list, x.key, &part, &err), err);
	assert_true(part.legacy && part.bundle);
	assert_int_equal(json_array_size(part.statements), 2);
	assert_ok(wh_verify_part(x.bed.store, &index.parts[1], NULL, x.key, &second, &err), err);
	assert_false(second.legacy || second.bundle);
	wh_verified_release(&second);
	assert_int_equal(wh_verify_image(x.bed.store, &index.parts[1], NULL, x.key, &second, &err), -ENOKEY);
	wh_err_freep(&err);

	/* An image that its document does not name is no part of it. */
	wh_image_copy(&lying, &index);
	lying.parts[1].manifest.b[0] ^= 1;
	wh_verified_release(&v);
	assert_int_equal(wh_verify_image(x.bed.store, &lying, &of_index, x.key, &v, &err), -EBADMSG);
	wh_err_freep(&err);
	wh_image_release(&lying);
	wh_image_release(&index);
	scene_close(&x);
}

/* What a verdict says is of one tree: an index has none. */
static void verdict_of_an_index(void **state)
{
	WH_AUTO_JSON json_t *verdict = json_pack("{s:i}", "setid", 0);
	const struct wh_attest_item item = {WH_PREDICATE_VERDICT, verdict};
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	struct wh_err *err = NULL;
	struct wh_image index;
	struct wh_verified v;
	struct scene x;

	(void)state;
	scene_open(&x);
	assert_ok(wh_image_index_write(x.bed.store, &x.image, 1, &index, &err), err);
	assert_ok(wh_sign_image(x.bed.store, &index, &shop, &x.signer, &item, 1, &list, &err), err);
	assert_int_equal(wh_verify_image(x.bed.store, &index, &list, x.key, &v, &err), -EBADMSG);
	assert_non_null(strstr(err->msg, "about an index"));
	wh_err_freep(&err);
	wh_image_release(&index);
	scene_close(&x);
}

static void strangers(void **state)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0};
	struct scene x;
	struct wh_err *err = NULL;

	(void)state;
	scene_open(&x);
	sign(&x, &x.stranger_signer);
	refused(&x, "is not signed by this key");
	sign(&x, &x.signer);
	assert_ok(verify(&x, &v, &err), err); /* both are there; what the stranger says is not told */
	assert_int_equal(json_array_size(v.statements), 2);
	scene_close(&x);
}

/* ---------------------------------------------------------------- forgeries */

static void attach(struct scene *x, const char *type, const char *tag_kind, const json_t *layer_an,
		   const json_t *manifest_an, const void *p, size_t n)
{
	WH_AUTO_JSON json_t *an = layer_an ? json_deep_copy(layer_an) : NULL;
	struct wh_artifact_blob b = {.media_type = type, .data = p, .len = n, .annotations = an};
	char hex[65];
	WH_AUTO_FREE char *tag =
		tag_kind ? wh_asprintf("sha256-%s.%s", wh_digest_hex(&x->image.manifest, hex), tag_kind) : NULL;
	struct wh_err *err = NULL;

	assert_ok(wh_artifact_write(x->bed.store, &x->image, WH_MEDIA_BUNDLE, tag, NULL, &b, 1, manifest_an, &x->list,
				    &err),
		  err);
}

struct forgery {
	const char *what;
	const char *why;          /* NULL: it is passed over */
	const char *payload_type; /* NULL: in-toto's */
	const char *label;        /* predicate type in the annotation; NULL: the right one */
	const char *hint;         /* NULL: the key's; "": none; "x": another's */
	bool other_subject, other_key, no_predicate, bad_json;
};

static void forge(struct scene *x, const struct forgery *f)
{
	const struct wh_digest *about = f->other_subject ? &x->other.manifest : &x->image.manifest;
	const char *type = f->payload_type ? f->payload_type : WH_TYPE_INTOTO;
	const char *hint = !f->hint ? x->hint : strcmp(f->hint, "x") ? f->hint : x->stranger_hint;
	WH_AUTO_JSON json_t *claim = json_pack("{s:i}", "n", 2), *st = wh_statement("s", about, TYPE, claim);
	WH_AUTO_JSON json_t *an = json_pack("{s:s}", WH_AN_BUNDLE_PREDICATE, f->label ? f->label : TYPE);
	WH_AUTO_JSON json_t *bundle = NULL;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, der = WH_BUF_INIT, out = WH_BUF_INIT;
	struct wh_err *err = NULL;
	struct wh_digest d;

	if (f->no_predicate)
		json_object_del(st, "predicate");
	wh_json_dump(st, &text);
	wh_dsse_digest(type, text.p, text.n, &d);
	assert_ok(wh_key_sign(f->other_key ? x->stranger : x->key, &d, &der, &err), err);
	bundle = wh_bundle_json(hint, wh_envelope_json(type, text.p, text.n, der.p, der.n));
	if (!hint[0])
		json_object_del(json_object_get(bundle, "verificationMaterial"), "publicKey");
	wh_json_dump(bundle, &out);
	if (f->bad_json)
		wh_buf_addc(&out, '}');
	attach(x, WH_MEDIA_BUNDLE, NULL, NULL, an, out.p, out.n);
}

static void forgeries(void **state)
{
	static const struct forgery cases[] = {
		{.what = "nothing wrong"},
		{.what = "no hint, our signature", .hint = ""},
		{.what = "a stranger's", .hint = "x", .other_key = true},
		{.what = "a stranger's without a hint", .hint = "", .other_key = true},
		{.what = "a stranger's about another image", .hint = "x", .other_key = true, .other_subject = true},
		{.what = "a stranger's that is broken", .hint = "x", .other_key = true, .bad_json = true},
		{.what = "our name, another's signature", .why = "the signature is not this key's", .other_key = true},
		{.what = "another image", .why = "statement about another image", .other_subject = true},
		{.what = "broken", .why = "bad JSON", .bad_json = true},
		{.what = "another kind", .why = "labelled as another kind", .label = WH_PREDICATE_SPDX},
		{.what = "the signature's label", .why = "labelled as another kind", .label = WH_PREDICATE_SIGN},
		{.what = "no statement", .why = "no in-toto statement", .payload_type = "application/json"},
		{.what = "no predicate", .why = "says nothing", .no_predicate = true},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct scene x;

		print_message("# %s\n", cases[i].what);
		scene_open(&x);
		sign(&x, &x.signer);
		forge(&x, &cases[i]);
		if (cases[i].why)
			refused(&x, cases[i].why);
		else
			accepted(&x);
		scene_close(&x);
	}
}

/* The older form: a payload with our signature about another image, and one that is no payload. */
static void older_forgeries(void **state)
{
	static const char junk[] = "{\"critical\":{}}";
	struct scene x;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, der = WH_BUF_INIT, sig = WH_BUF_INIT;
		WH_AUTO_JSON json_t *an = NULL;
		struct wh_err *err = NULL;
		struct wh_digest d;

		scene_open(&x);
		sign(&x, &x.signer);
		drop(&x, is_sig);
		if (kind == 0 || kind == 2)
			wh_simple_payload("r", &x.other.manifest, &text);
		else
			wh_buf_adds(&text, junk);
		wh_digest_of(text.p, text.n, &d);
		assert_ok(wh_key_sign(kind == 2 ? x.stranger : x.key, &d, &der, &err), err);
		wh_base64_add(&sig, der.p, der.n);
		an = json_pack("{s:s}", WH_AN_SIGNATURE, kind == 3 ? "no base64" : sig.p);
		attach(&x, WH_MEDIA_SIMPLE, "sig", an, NULL, text.p, text.n);
		if (kind == 0)
			refused(&x, "signed, but for another image");
		else if (kind == 1)
			refused(&x, "no image signature's payload");
		else
			accepted(&x); /* by the bundle: this .sig is a stranger's, or nobody's */
		scene_close(&x);
	}
}

/* A list may call an artifact what it likes. */
static void lying_lists(void **state)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified v = {0};
	struct scene x;
	struct wh_err *err = NULL;

	(void)state;
	scene_open(&x);
	sign(&x, &x.signer);
	for (size_t i = 0; i < x.list.n; i++) {
		if (x.list.v[i].tag)
			continue;
		free(x.list.v[i].artifact_type);
		x.list.v[i].artifact_type = wh_strdup("application/json");
	}
	assert_ok(verify(&x, &v, &err), err);
	assert_true(v.bundle);
	scene_close(&x);
}

/* ---------------------------------------------------------------- bytes */

static void damage(struct scene *x, const struct wh_digest *d, int how)
{
	char hex[65];
	WH_AUTO_FREE char *name = wh_asprintf("blobs/sha256/%s", wh_digest_hex(d, hex));
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;

	assert_int_equal(wh_read_file(wh_store_dirfd(x->bed.store), name, 1 << 20, &buf), 0);
	if (how == 0)
		buf.p[buf.n / 2] ^= 1;
	else if (how == 1)
		buf.n--;
	if (how == 2)
		assert_int_equal(unlinkat(wh_store_dirfd(x->bed.store), name, 0), 0);
	else
		assert_int_equal(wh_write_file_atomic(wh_store_dirfd(x->bed.store), name, buf.p, buf.n, 0644, false),
				 0);
}

static void damaged(void **state)
{
	(void)state;
	/* Manifest, config, layer, then each artifact's manifest: a byte changed, one less, or the file away. */
	for (int which = 0; which < 7; which++) {
		for (int how = 0; how < 3; how++) {
			struct scene x;

			scene_open(&x);
			sign(&x, &x.signer);
			accepted(&x); /* and now it is known, which must not matter */
			damage(&x,
			       which == 0   ? &x.image.manifest
			       : which == 1 ? &x.image.config_digest
			       : which == 2 ? &x.image.layers[0].blob
					    : &x.list.v[which - 3].manifest.digest,
			       how);
			refused(&x, "");
			scene_close(&x);
		}
	}
}

/* Layers are unpacked for who signed them only. */
static void unsigned_first(void **state)
{
	struct scene x;

	(void)state;
	scene_open(&x);
	damage(&x, &x.image.layers[0].blob, 0);
	refused(&x, "is not signed by this key");
	sign(&x, &x.stranger_signer);
	refused(&x, "is not signed by this key");
	sign(&x, &x.signer);
	refused(&x, "damaged");
	scene_close(&x);
}

/* The caller's idea of the image is not what counts. */
static void other_image(void **state)
{
	struct scene x;
	struct wh_layer l;

	(void)state;
	scene_open(&x);
	sign(&x, &x.signer);
	l = x.image.layers[0];
	x.image.layers[0] = x.other.layers[0];
	x.other.layers[0] = l;
	refused(&x, "list of layers is not what its manifest says");
	json_object_set_new(x.image.config, "os", json_string("plan9"));
	refused(&x, "config is not what its manifest says");
	scene_close(&x);
}

/* ---------------------------------------------------------------- content */

static json_t *sbom_of(struct scene *x, const struct wh_image *i)
{
	WH_CLEANUP(wh_packages_release) struct wh_packages p = {0};
	const struct wh_sbom_subject s = {.name = "shop", .digest = i->manifest, .created = "2026-01-01T00:00:00Z"};
	struct wh_tree *t = NULL;
	struct wh_err *err = NULL;
	json_t *o = NULL;

	assert_ok(wh_tree_open(x->bed.store, i->layers, i->n_layers, &t, &err), err);
	assert_ok(wh_packages_read(t, &p, &err), err);
	assert_ok(wh_sbom_spdx(&p, &s, &o, &err), err);
	wh_tree_close(t);
	return o;
}

static json_t *verdict_of(struct scene *x, const struct wh_image *i)
{
	struct wh_measure m = {0};
	const struct wh_verdict_input in = {.before = &m, .after = &m, .config = json_object_get(i->config, "config")};
	struct wh_tree *t = NULL;
	struct wh_err *err = NULL;
	json_t *o = NULL;

	assert_ok(wh_tree_open(x->bed.store, i->layers, i->n_layers, &t, &err), err);
	assert_ok(wh_measure_tree(t, &m, &err), err);
	assert_ok(wh_verdict_make(&in, &o, &err), err);
	wh_tree_close(t);
	return o;
}

static void claim(struct scene *x, const char *type, const json_t *predicate)
{
	const struct wh_attest_item item = {type, predicate};
	struct wh_err *err = NULL;

	wh_artifacts_release(&x->list);
	assert_ok(wh_sign_image(x->bed.store, &x->image, NULL, &x->signer, &item, 1, &x->list, &err), err);
}

/* dpkg's status has lines: the specification of a layer has not, so the file is written by hand. */
static void image_with_package(struct scene *x, const char *package, struct wh_image *ret)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	WH_AUTO_FREE char *text =
		wh_asprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\n"
			    "Maintainer: nobody <nobody@example.org>\nVersion: 1.0-1\nDescription: x\n",
			    package);
	static const char *const dirs[] = {"var", "var/lib", "var/lib/dpkg"};
	struct wh_entry e = {.type = WH_T_DIR, .mode = 0755, .mtime = 1000};
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*ret = (struct wh_image){.config = json_pack("{s:s, s:s, s:{s:s}}", "architecture", "amd64", "os", "linux",
						     "config", "User", "nobody")};
	ret->layers = wh_calloc(1, sizeof(*ret->layers));
	ret->n_layers = 1;
	o.threads = 1;
	assert_ok(wh_layer_writer_new(x->bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++) {
		e.path = dirs[i];
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
	}
	e = (struct wh_entry){
		.path = "var/lib/dpkg/status", .type = WH_T_FILE, .mode = 0644, .mtime = 1000, .size = strlen(text)};
	assert_ok(wh_layer_writer_add(w, &e, &err), err);
	assert_ok(wh_layer_writer_data(w, text, strlen(text), &err), err);
	assert_ok(wh_layer_writer_finish(w, &ret->layers[0], &err), err);
	assert_ok(wh_image_write(x->bed.store, ret, &err), err);
}

static void sboms(void **state)
{
	WH_AUTO_JSON json_t *mine = NULL, *others = NULL, *foreign = NULL;
	struct scene x;

	(void)state;
	scene_open(&x);
	wh_image_release(&x.image);
	wh_image_release(&x.other);
	image_with_package(&x, "tiny", &x.image);
	image_with_package(&x, "large", &x.other);
	mine = sbom_of(&x, &x.image);
	others = sbom_of(&x, &x.other);
	claim(&x, WH_PREDICATE_SPDX, mine);
	accepted(&x);
	claim(&x, WH_PREDICATE_SPDX, others);
	refused(&x, "SBOM: it lists pkg:deb/");
	foreign = json_deep_copy(mine);
	json_array_clear(json_object_get(foreign, "packages"));
	claim(&x, WH_PREDICATE_SPDX, foreign);
	refused(&x, "tiny@1.0-1");
	/* Another tool's is its own affair. */
	json_object_set_new(foreign, "creationInfo", json_pack("{s:[s]}", "creators", "Tool: another"));
	claim(&x, WH_PREDICATE_SPDX, foreign);
	accepted(&x);
	scene_close(&x);
}

static void verdicts(void **state)
{
	static const struct {
		const char *object, *inner, *key;
	} figures[] = {
		{"sizes", "after", "files"},  {"sizes", "after", "bytes"}, {"sizes", "after", "shells"},
		{"sizes", "after", "setid"},  {NULL, NULL, "setid"},       {NULL, NULL, "shellPresent"},
		{NULL, NULL, "configDigest"},
	};
	WH_AUTO_JSON json_t *mine = NULL;
	struct scene x;

	(void)state;
	scene_open(&x);
	mine = verdict_of(&x, &x.image);
	claim(&x, WH_PREDICATE_VERDICT, mine);
	{
		WH_CLEANUP(wh_verified_release) struct wh_verified v = {0};
		struct wh_err *err = NULL;

		assert_ok(verify(&x, &v, &err), err);
		assert_true(json_equal(v.verdict, mine));
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(figures); i++) {
		WH_AUTO_JSON json_t *lie = json_deep_copy(mine);
		json_t *at = figures[i].object
				     ? json_object_get(json_object_get(lie, figures[i].object), figures[i].inner)
				     : lie;

		if (strcmp(figures[i].key, "shellPresent") == 0)
			json_object_set_new(at, figures[i].key, json_true());
		else if (strcmp(figures[i].key, "configDigest") == 0)
			json_object_set_new(
				at, figures[i].key,
				json_string("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
		else
			json_object_set_new(at, figures[i].key, json_integer(wh_json_int(at, figures[i].key, 0) + 1));
		claim(&x, WH_PREDICATE_VERDICT, lie);
		refused(&x, "hardening verdict: ");
		json_object_del(at, figures[i].key);
		claim(&x, WH_PREDICATE_VERDICT, lie);
		refused(&x, "hardening verdict: ");
	}
	/* Two that differ, each right by itself as far as can be seen. */
	{
		WH_AUTO_JSON json_t *second = json_deep_copy(mine);
		struct wh_artifacts both = {0};

		json_object_set_new(second, "tests", json_pack("{s:i}", "passed", 1000));
		claim(&x, WH_PREDICATE_VERDICT, mine);
		both = x.list;
		x.list = (struct wh_artifacts){0};
		claim(&x, WH_PREDICATE_VERDICT, second);
		accepted(&x);
		for (size_t i = 0; i < both.n; i++)
			*wh_artifacts_add(&x.list) = both.v[i];
		free(both.v);
		refused(&x, "two hardening verdicts that differ");
	}
	scene_close(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),      cmocka_unit_test(forms),           cmocka_unit_test(strangers), cmocka_unit_test(indexes), cmocka_unit_test(verdict_of_an_index),
		cmocka_unit_test(forgeries), cmocka_unit_test(older_forgeries), cmocka_unit_test(lying_lists),
		cmocka_unit_test(damaged),   cmocka_unit_test(other_image),     cmocka_unit_test(sboms),
		cmocka_unit_test(verdicts),  cmocka_unit_test(unsigned_first),  cmocka_unit_test(names),
	};

	become_root(); /* what layers hold is unpacked */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
