/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --cache-from and --cache-to: buildx's words. */
#include "cli/cache_opts.h"
#include "base/reference.h"

#include <errno.h>

/* ---------------------------------------------------------------- one value */

struct parsing {
	const char *option; /* "--cache-to" */
	const char *text;
	bool to, typed, moded;
	struct wh_cache_opt o;
};

static int set_type(struct parsing *x, const char *value, struct wh_err **err)
{
	static const char *const others[] = {"gha", "s3", "azblob"};

	x->typed = true;
	for (size_t i = 0; i < WH_ARRAY_SIZE(others); i++)
		if (wh_streq(value, others[i])) {
			wh_cli_misuse(err, "%s type=%s is not supported; registry, local and inline are", x->option, value);
			wh_err_hint(err, "a repository beside the image's does the same in CI: type=registry,ref=HOST/NAME:cache");
			return -EINVAL;
		}
	if (wh_streq(value, "registry"))
		x->o.type = WH_CACHE_REGISTRY;
	else if (wh_streq(value, "local"))
		x->o.type = WH_CACHE_LOCAL;
	else if (wh_streq(value, "inline"))
		x->o.type = WH_CACHE_INLINE;
	else
		return wh_cli_misuse(err, "%s type is registry, local or inline, not \"%s\"", x->option, value);
	return 0;
}

static int set_bool(const struct parsing *x, const char *key, const char *value, bool *ret, struct wh_err **err)
{
	*ret = wh_streq(value, "true") || wh_streq(value, "1");
	if (*ret || wh_streq(value, "false") || wh_streq(value, "0"))
		return 0;
	return wh_cli_misuse(err, "%s %s is true or false, not \"%s\"", x->option, key, value);
}

/* What a cache is made of is not a matter of choice here; that which is asked for may be said. */
static int set_form(const struct parsing *x, const char *key, const char *value, struct wh_err **err)
{
	bool yes;
	int r = set_bool(x, key, value, &yes, err);

	return r < 0 || yes ? r : wh_cli_misuse(err, "%s %s=false: caches of whittle are always OCI image manifests", x->option, key);
}

static int set_ref(struct parsing *x, const char *value, struct wh_err **err)
{
	free(WH_TAKE_PTR(x->o.ref));
	return wh_reference_normalize(value, &x->o.ref, err);
}

static int set_dir(struct parsing *x, const char *key, const char *value, struct wh_err **err)
{
	if (!value[0])
		return wh_cli_misuse(err, "%s %s is empty", x->option, key);
	free(x->o.dir);
	x->o.dir = wh_cli_absolute(value);
	return 0;
}

static int set_mode(struct parsing *x, const char *value, struct wh_err **err)
{
	x->moded = true;
	x->o.max = wh_streq(value, "max");
	return x->o.max || wh_streq(value, "min") ? 0 : wh_cli_misuse(err, "%s mode is min or max, not \"%s\"", x->option, value);
}

static int set_compression(struct parsing *x, const char *value, struct wh_err **err)
{
	static const enum wh_compression all[] = {WH_COMP_NONE, WH_COMP_GZIP, WH_COMP_ZSTD};

	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++) {
		if (!wh_streq(value, wh_compression_name(all[i])))
			continue;
		x->o.has_comp = true;
		x->o.comp = all[i];
		return 0;
	}
	return wh_cli_misuse(err, "%s compression is zstd, gzip or uncompressed, not \"%s\"", x->option, value);
}

static int set_level(struct parsing *x, const char *value, struct wh_err **err)
{
	uint64_t n;

	if (!wh_parse_u64(value, 10, &n) || n > 22)
		return wh_cli_misuse(err, "%s compression-level is a number from 0 to 22, not \"%s\"", x->option, value);
	x->o.level = (int)n;
	return 0;
}

static int set_digest(struct parsing *x, const char *value, struct wh_err **err)
{
	x->o.has_digest = wh_digest_parse(value, &x->o.digest);
	return x->o.has_digest ? 0 : wh_cli_misuse(err, "%s digest is sha256: and 64 hex digits, not \"%s\"", x->option, value);
}

static int no_such_key(const struct parsing *x, const char *key, struct wh_err **err)
{
	static const char *const to[] = {"type", "ref", "dest", "tag", "mode", "compression", "compression-level", "force-compression",
					 "image-manifest", "oci-mediatypes", "ignore-error"};
	static const char *const from[] = {"type", "ref", "src", "tag", "digest"};
	const char *near = x->to ? wh_nearest(key, to, WH_ARRAY_SIZE(to)) : wh_nearest(key, from, WH_ARRAY_SIZE(from));

	if (x->to && wh_streq(key, "src"))
		near = "dest";
	if (!x->to && wh_streq(key, "dest"))
		near = "src";
	wh_cli_misuse(err, "%s has no key \"%s\"; it takes %s", x->option, key,
	       x->to ? "type, ref, dest, tag, mode, compression, compression-level, force-compression, image-manifest, oci-mediatypes, "
		       "ignore-error"
		     : "type, ref, src, tag, digest");
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	return -EINVAL;
}

static int set_field(struct parsing *x, const char *key, const char *value, struct wh_err **err)
{
	bool ignored;

	if (wh_streq(key, "type"))
		return set_type(x, value, err);
	if (wh_streq(key, "ref"))
		return set_ref(x, value, err);
	if (wh_streq(key, x->to ? "dest" : "src"))
		return set_dir(x, key, value, err);
	if (wh_streq(key, "tag")) {
		free(x->o.tag);
		x->o.tag = wh_strdup(value);
		return value[0] ? 0 : wh_cli_misuse(err, "%s tag is empty", x->option);
	}
	if (!x->to && wh_streq(key, "digest"))
		return set_digest(x, value, err);
	if (!x->to)
		return no_such_key(x, key, err);
	if (wh_streq(key, "mode"))
		return set_mode(x, value, err);
	if (wh_streq(key, "ignore-error"))
		return set_bool(x, key, value, &x->o.ignore_error, err);
	if (wh_streq(key, "image-manifest") || wh_streq(key, "oci-mediatypes"))
		return set_form(x, key, value, err);
	if (wh_streq(key, "compression"))
		return set_compression(x, value, err);
	if (wh_streq(key, "compression-level"))
		return set_level(x, value, err);
	/* What is converted is always all of it. */
	if (wh_streq(key, "force-compression"))
		return set_bool(x, key, value, &ignored, err);
	return no_such_key(x, key, err);
}

/* What the type needs and what it has no use for. */
static int check(struct parsing *x, struct wh_err **err)
{
	struct wh_cache_opt *o = &x->o;
	const char *dir = x->to ? "dest" : "src";

	if (!x->typed)
		return wh_cli_misuse(err, "%s \"%s\" says no type=", x->option, x->text);
	if (o->type == WH_CACHE_REGISTRY && !o->ref)
		return wh_cli_misuse(err, "%s \"%s\" says no ref=", x->option, x->text);
	if (o->type != WH_CACHE_REGISTRY && o->ref)
		return wh_cli_misuse(err, "%s \"%s\": ref belongs to type=registry", x->option, x->text);
	if (o->type == WH_CACHE_LOCAL && !o->dir)
		return wh_cli_misuse(err, "%s \"%s\" says no %s=", x->option, x->text, dir);
	if (o->type != WH_CACHE_LOCAL && (o->dir || o->tag || o->has_digest))
		return wh_cli_misuse(err, "%s \"%s\": %s belongs to type=local", x->option, x->text, o->dir ? dir : o->tag ? "tag" : "digest");
	if (o->type == WH_CACHE_INLINE && !x->to)
		return wh_cli_misuse(err, "--cache-from \"%s\": name the image by type=registry,ref=IMAGE or type=local,src=LAYOUT", x->text);
	if (o->has_comp && o->type == WH_CACHE_INLINE)
		return wh_cli_misuse(err, "%s \"%s\": the layers are those of the image, in its compression", x->option, x->text);
	if (o->has_comp && o->comp == WH_COMP_GZIP && o->level > 9)
		return wh_cli_misuse(err, "%s \"%s\": gzip has compression levels 1 to 9", x->option, x->text);
	if (o->type == WH_CACHE_LOCAL && !o->tag)
		o->tag = wh_strdup("latest");
	return 0;
}

static void opt_release(struct wh_cache_opt *o)
{
	free(o->ref);
	free(o->dir);
	free(o->tag);
	free(o->shown);
}

static int parse_fields(struct parsing *x, const struct wh_strv *fields, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < fields->n && r == 0; i++) {
		char *key = fields->v[i], *eq = strchr(key, '=');

		if (!eq)
			return wh_cli_misuse(err, "%s \"%s\": \"%s\" is no KEY=VALUE", x->option, x->text, key);
		*eq = 0;
		for (char *p = key; *p; p++)
			*p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
		r = set_field(x, key, eq + 1, err);
	}
	return r < 0 ? r : check(x, err);
}

static int parse(const char *text, bool to, struct wh_cache_opt *ret, struct wh_err **err)
{
	struct parsing x = {.option = to ? "--cache-to" : "--cache-from", .text = text, .to = to};
	WH_AUTO_STRV struct wh_strv fields = {0};
	int r;

	if (!wh_strv_add_csv(&fields, text))
		return wh_cli_misuse(err, "%s \"%s\": a quote is not closed or stands inside a word", x.option, text);
	r = parse_fields(&x, &fields, err);
	if (r < 0) {
		opt_release(&x.o);
		return r;
	}
	x.o.shown = x.o.type == WH_CACHE_REGISTRY ? wh_reference_familiar(x.o.ref)
		    : x.o.type == WH_CACHE_LOCAL  ? wh_strdup(x.o.dir)
						  : wh_strdup("the image");
	*ret = x.o;
	return 0;
}

/* ---------------------------------------------------------------- all of them */

/* Without a '=' each field is the name of a registry's. */
static int parse_list(const struct wh_strv *texts, bool to, struct wh_cache_opt **v, size_t *n, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv all = {0};
	size_t cap = 0;

	for (size_t i = 0; i < texts->n; i++) {
		WH_AUTO_STRV struct wh_strv fields = {0};

		if (!texts->v[i][0])
			continue;
		if (strchr(texts->v[i], '=') || !wh_strv_add_csv(&fields, texts->v[i])) {
			wh_strv_add(&all, texts->v[i]);
			continue;
		}
		for (size_t k = 0; k < fields.n; k++)
			wh_strv_addf(&all, "type=registry,ref=%s", fields.v[k]);
	}
	for (size_t i = 0; i < all.n; i++) {
		struct wh_cache_opt o = {0};
		int r = parse(all.v[i], to, &o, err);

		if (r < 0)
			return r;
		WH_PUSH(*v, *n, cap) = o;
	}
	return 0;
}

static bool is_true(const char *text)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};

	for (size_t i = 0; text && i < WH_ARRAY_SIZE(yes); i++)
		if (wh_streq(text, yes[i]))
			return true;
	return false;
}

int wh_cache_opts_make(const struct wh_strv *from, const struct wh_strv *to, const struct wh_strv *build_args,
		       struct wh_cache_opts **ret, struct wh_err **err)
{
	struct wh_cache_opts *o = wh_calloc(1, sizeof(*o));
	WH_AUTO_STRV struct wh_strv targets = {0};
	bool has_inline = false;
	int r;

	wh_strv_copy(&targets, to);
	for (size_t i = 0; i < to->n; i++)
		has_inline |= wh_has_prefix(to->v[i], "type=inline");
	if (!has_inline && is_true(wh_env_get(build_args, "BUILDKIT_INLINE_CACHE")))
		wh_strv_add(&targets, "type=inline");
	r = parse_list(from, false, &o->from, &o->n_from, err);
	if (r == 0)
		r = parse_list(&targets, true, &o->to, &o->n_to, err);
	if (r < 0 || (!o->n_from && !o->n_to)) {
		wh_cache_opts_free(o);
		o = NULL;
	}
	if (r == 0)
		*ret = o;
	return r;
}

int wh_cache_opts_check(const struct wh_cache_opts *o, const struct wh_strv *tags, struct wh_err **err)
{
	for (size_t i = 0; o && i < o->n_to; i++) {
		if (!o->to[i].ref || !wh_strv_has(tags, o->to[i].ref))
			continue;
		wh_cli_misuse(err, "--cache-to ref=%s is the name of the image, which the cache would replace", o->to[i].shown);
		wh_err_hint(err, "another tag, say :cache, or type=inline");
		return -EINVAL;
	}
	return 0;
}

void wh_cache_opts_free(struct wh_cache_opts *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_from; i++)
		opt_release(&o->from[i]);
	for (size_t i = 0; i < o->n_to; i++)
		opt_release(&o->to[i]);
	free(o->from);
	free(o->to);
	free(o);
}
