/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle sign IMAGE --key KEY: signs an image that is there already, and statements about it, and puts the signatures
 * beside it.
 *
 * Nothing runs here but this: the image's bytes are proved first, then the key is opened, then digests are signed.
 */
#include "cli/cli.h"
#include "cli/password.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>

#define KEY_MAX ((size_t)64 << 10)
#define PREDICATE_MAX ((size_t)24 << 20)

struct flags {
	const char *root, *key, *reference, *platform;
	struct wh_strv attest;
};

struct signing {
	const struct flags *flags;
	const char *ref;
	char *layout;                /* or NULL */
	char *tmp;                   /* where a store of our own is, or NULL */
	struct wh_strv repositories; /* what the signature calls the image */
	struct wh_store *store;
	struct wh_image whole;        /* what the name leads to */
	const struct wh_image *image; /* that, or the one of its images that is asked for */
	struct wh_key *key;
	struct wh_attest_item *items; /* strings and predicates owned */
	size_t n_items, cap_items;
	struct wh_artifacts list;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"attest", 0, WH_OPT_LIST, AT(attest), "TYPE=FILE",
	 "Sign the JSON document FILE as a statement about the image\n(repeatable). TYPE: spdx, cyclonedx, openvex, vuln, "
	 "slsa or a URI",
	 NULL},
	{"key", 0, WH_OPT_TEXT, AT(key), "FILE", "The private key; its password is in COSIGN_PASSWORD or asked for",
	 NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH",
	 "Sign one image of several alone (default: all of them, and the index)", NULL},
	{"reference", 0, WH_OPT_TEXT, AT(reference), "NAME",
	 "What the signature calls the image (default: its name without tag)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* ---------------------------------------------------------------- what is said */

static const char *type_of(const char *word)
{
	static const struct {
		const char *word, *type;
	} table[] = {
		{"spdx", WH_PREDICATE_SPDX},
		{"cyclonedx", "https://cyclonedx.org/bom"},
		{"openvex", "https://openvex.dev/ns"},
		{"vuln", "https://in-toto.io/attestation/vulns/v0.2"},
		{"slsa", "https://slsa.dev/provenance/v1"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (strcmp(word, table[i].word) == 0)
			return table[i].type;
	return strstr(word, ":") ? word : NULL;
}

/* What is signed is JSON, and that is UTF-8. */
static int check_text(const char *option, const char *text, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = json_string(text);

	return o ? 0 : wh_err_set(err, "cli", WH_ERR_USAGE, EILSEQ, "%s %s: it is not UTF-8", option, text);
}

static int add_statement(struct signing *x, const char *text, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE char *word = NULL;
	WH_AUTO_JSON json_t *o = NULL;
	const char *file = strchr(text, '='), *type;
	int r;

	word = file ? wh_strndup(text, (size_t)(file - text)) : NULL;
	type = word ? type_of(word) : NULL;
	if (!type || !file[1]) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--attest %s: it takes TYPE=FILE", text);
		wh_err_hint(err, "TYPE is spdx, cyclonedx, openvex, vuln, slsa, or a URI");
		return r;
	}
	r = check_text("--attest", type, err);
	if (r < 0)
		return r;
	r = wh_read_file(AT_FDCWD, ++file, PREDICATE_MAX, &buf);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read \"%s\"", file);
	r = wh_json_parse(buf.p ? buf.p : "", buf.n, file, &o, err);
	if (r < 0) {
		(*err)->class = WH_ERR_USAGE;
		return r;
	}
	if (!json_is_object(o))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s: it is no JSON object", file);
	WH_PUSH(x->items, x->n_items, x->cap_items) =
		(struct wh_attest_item){.predicate_type = wh_strdup(type), .predicate = json_incref(o)};
	return 0;
}

static int read_statements(struct signing *x, struct wh_err **err)
{
	int r = x->flags->reference ? check_text("--reference", x->flags->reference, err) : 0;

	for (size_t i = 0; i < x->flags->attest.n && r == 0; i++)
		r = add_statement(x, x->flags->attest.v[i], err);
	return r;
}

/* ---------------------------------------------------------------- image and key */

/* The part of a name that says where the image is at home: without tag and digest. */
static char *repository(const char *name)
{
	char *s = wh_strdup(name), *colon;

	s[strcspn(s, "@")] = 0;
	colon = strrchr(s, ':');
	if (colon && !strchr(colon, '/'))
		*colon = 0;
	return s;
}

static int name_image(struct signing *x, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = 0;

	if (x->flags->reference)
		wh_strv_add(&names, x->flags->reference);
	else
		r = wh_cli_image_names(x->ref, x->store, &x->whole, &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *name = x->flags->reference ? wh_strdup(names.v[i]) : repository(names.v[i]);

		if (name[0] && !wh_strv_has(&x->repositories, name))
			wh_strv_add(&x->repositories, name);
	}
	return 0;
}

/* Who signs stands for the bytes: they are looked at first. */
static int prove_bytes(struct signing *x, const struct wh_image *i, struct wh_err **err)
{
	int r = i->n_absent ? wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT,
					 "the index names %zu images that are not at hand", i->n_absent)
			    : 0;

	for (size_t k = 0; r == 0 && k < i->n_layers; k++)
		r = wh_layer_prove(x->store, &i->layers[k], err);
	for (size_t k = 0; r == 0 && k < i->n_parts; k++)
		r = prove_bytes(x, &i->parts[k], err);
	return r;
}

static int open_image(struct signing *x, struct wh_err **err)
{
	int r = wh_cli_image_layout(x->ref, &x->layout, err);

	if (r == 0 && x->layout && !x->flags->root)
		r = wh_cli_temp_dir(NULL, "sign", &x->tmp, err);
	if (r == 0)
		r = wh_cli_image_open_all(x->ref, x->tmp ? x->tmp : x->flags->root, &x->store, &x->whole, err);
	x->image = &x->whole;
	if (r == 0 && x->flags->platform)
		r = wh_cli_image_part(&x->whole, x->flags->platform, &x->image, err);
	if (r == 0)
		r = prove_bytes(x, x->image, err);
	return r < 0 ? r : name_image(x, err);
}

static void wipe(struct wh_buf *b)
{
	if (b->cap)
		explicit_bzero(b->p, b->cap);
	wh_buf_release(b);
}

static int open_key(struct signing *x, struct wh_err **err)
{
	struct wh_buf pem = WH_BUF_INIT;
	char *password = NULL;
	int r = wh_read_file(AT_FDCWD, x->flags->key, KEY_MAX, &pem);

	if (r < 0)
		wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the key \"%s\"", x->flags->key);
	if (r == 0 && pem.p && strstr(pem.p, "ENCRYPTED"))
		r = wh_password_ask(x->flags->key, false, &password, err);
	if (r == 0)
		r = wh_key_load(pem.p ? pem.p : "", pem.n, password, x->flags->key, &x->key, err);
	wh_password_free(password);
	wipe(&pem);
	return r;
}

/* The images of an index, then the index; statements are about what the name leads to. */
static int sign_image(struct signing *x, const struct wh_image *i, const struct wh_signer *signer, struct wh_err **err)
{
	bool top = i == x->image;
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n_parts; k++)
		r = sign_image(x, &i->parts[k], signer, err);
	if (r == 0)
		r = wh_sign_image(x->store, i, &x->repositories, signer, x->items, top ? x->n_items : 0, &x->list, err);
	return r == 0 && !x->layout ? wh_sign_keep(x->store, i, &x->list, err) : r;
}

static int sign_all(struct signing *x, struct wh_err **err)
{
	WH_AUTO_FREE char *hint = NULL;
	struct wh_signer signer;
	int r = read_statements(x, err);

	if (r == 0)
		r = open_image(x, err);
	if (r == 0)
		r = open_key(x, err);
	if (r < 0)
		return r;
	signer = wh_key_signer(x->key, &hint);
	r = sign_image(x, x->image, &signer, err);
	if (r < 0)
		return r;
	return x->layout ? wh_layout_attach(x->store, x->layout, &x->list, err)
			 : wh_store_attach(x->store, &x->list, err);
}

/* ---------------------------------------------------------------- the command */

static void release(struct signing *x)
{
	for (size_t i = 0; i < x->n_items; i++) {
		free((void *)(uintptr_t)x->items[i].predicate_type);
		json_decref((json_t *)(uintptr_t)x->items[i].predicate);
	}
	free(x->items);
	wh_artifacts_release(&x->list);
	wh_image_release(&x->whole);
	wh_key_free(x->key);
	if (x->store)
		wh_store_close(x->store);
	if (x->tmp)
		(void)wh_rm_rf(AT_FDCWD, x->tmp);
	free(x->tmp);
	free(x->layout);
	wh_strv_release(&x->repositories);
}

static void tell(const struct signing *x, struct wh_buf *out)
{
	char digest[WH_DIGEST_TEXT];

	wh_buf_addf(out, "signed     %s\n", wh_digest_text(&x->image->manifest, digest));
	for (size_t i = 0; i < x->image->n_parts; i++) {
		WH_AUTO_FREE char *platform = NULL;
		struct wh_platform p;

		wh_image_platform(&x->image->parts[i], &p);
		platform = wh_platform_text(&p);
		wh_buf_addf(out, "and        %s ", wh_digest_text(&x->image->parts[i].manifest, digest));
		wh_text_add_short(out, platform);
		wh_buf_addc(out, '\n');
	}
	for (size_t i = 0; i < x->repositories.n; i++)
		wh_buf_addf(out, "as         %s\n", x->repositories.v[i]);
	for (size_t i = 0; i < x->n_items; i++)
		wh_buf_addf(out, "statement  %s\n", x->items[i].predicate_type);
}

static int sign(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct signing x = {.flags = flags, .ref = args->v[0]};
	int r;

	if (!x.flags->key)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle sign: --key is missing");
	r = sign_all(&x, err);
	if (r == 0)
		tell(&x, out);
	release(&x);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, sign);
}

const struct wh_command wh_cmd_sign = {
	.name = "sign",
	.args = "IMAGE",
	.summary = "Sign an image, and statements about it",
	.about =
		"Signs in both forms that verifiers know, and puts the signatures beside the image: into the layout or the\n"
		"store where it is. What the same kinds of signatures were there before is replaced. Of a name with several\n"
		"platforms all images are signed, and the index. IMAGE is a name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG][@DIGEST].",
	.examples = "  whittle sign oci:./out:1.4 --key release.key\n"
		    "  whittle sign shop:1.4 --key release.key --attest spdx=shop.spdx.json",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};
