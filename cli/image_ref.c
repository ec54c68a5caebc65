/* SPDX-License-Identifier: Apache-2.0 */
/* An image by whatever name the user has for it: in the store, or in an OCI layout directory. */
#include "cli/cli.h"
#include "cli/registry_service.h"

#include <errno.h>

struct ref {
	char *dir; /* NULL: a name in the store */
	char *tag; /* or NULL */
	bool has_digest;
	struct wh_digest digest;
};

static void ref_release(struct ref *r)
{
	free(r->dir);
	free(r->tag);
}

static int parse(const char *text, struct ref *ret, struct wh_err **err)
{
	static const char *const schemes[] = {"oci-layout://", "oci:"};
	const char *rest = NULL;
	char *at, *colon;

	*ret = (struct ref){.dir = NULL};
	for (size_t i = 0; i < WH_ARRAY_SIZE(schemes) && !rest; i++)
		if (wh_has_prefix(text, schemes[i]))
			rest = text + strlen(schemes[i]);
	if (!rest)
		return 0;
	if (!*rest) {
		wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\" names no directory", text);
		return -EINVAL;
	}
	ret->dir = wh_strdup(rest);
	if (access(ret->dir, F_OK) == 0) /* a directory whose name has a colon */
		return 0;
	at = strrchr(ret->dir, '@');
	if (at && !strchr(at, '/')) {
		if (!wh_digest_parse(at + 1, &ret->digest))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\": \"%s\" is no digest", text,
					  at + 1);
		ret->has_digest = true;
		*at = '\0';
	}
	colon = strrchr(ret->dir, ':');
	if (colon && !strchr(colon, '/')) {
		ret->tag = wh_strdup(colon + 1);
		*colon = '\0';
	}
	return 0;
}

int wh_cli_image_open(const char *ref, const char *root, struct wh_store **ret_store, struct wh_image *ret,
		      struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	struct wh_store *s = NULL;
	int r = parse(ref, &x, err);

	if (r == 0)
		r = wh_cli_store_open(root, &s, err);
	if (r == 0 && x.dir)
		r = wh_image_from_layout(s, x.dir, x.tag, x.has_digest ? &x.digest : NULL, NULL, ret, err);
	else if (r == 0)
		r = wh_image_from_store(s, ref, NULL, ret, err);
	if (r < 0) {
		if (s)
			wh_store_close(s);
		if (!x.dir)
			wh_err_hint(err, "a layout is named oci:DIR[:TAG]; whittle pull fetches from a registry");
		return r;
	}
	*ret_store = s;
	return 0;
}

int wh_cli_image_layout(const char *ref, char **ret, struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	int r = parse(ref, &x, err);

	if (r == 0)
		*ret = WH_TAKE_PTR(x.dir);
	return r;
}

int wh_cli_image_artifacts(const char *ref, struct wh_store *s, const struct wh_image *i, struct wh_artifacts *ret,
			   struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	int r = parse(ref, &x, err);

	if (r < 0)
		return r;
	return x.dir ? wh_artifacts_from_layout(s, x.dir, &i->manifest, ret, err)
		     : wh_artifacts_from_store(s, &i->manifest, ret, err);
}

int wh_cli_image_name(const char *ref, const struct wh_image *i, char **ret, struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = parse(ref, &x, err);

	if (r == 0 && x.dir)
		r = wh_layout_names(x.dir, &i->manifest, &names, err);
	if (r < 0)
		return r;
	if (!x.dir)
		return wh_reference_normalize(ref, ret, err);
	*ret = wh_strdup(names.n ? names.v[0] : "image");
	return 0;
}

int wh_cli_contents_open(const char *ref, const char *root, struct wh_inner *inner, struct wh_cli_contents *ret,
			 struct wh_err **err)
{
	int r = wh_cli_image_open(ref, root, &ret->store, &ret->image, err);

	return r < 0 ? r : wh_inner_enter(inner, err);
}

int wh_cli_contents_read(struct wh_cli_contents *c, struct wh_err **err)
{
	int r = wh_tree_open(c->store, c->image.layers, c->image.n_layers, &c->tree, err);

	return r < 0 ? r : wh_packages_read(c->tree, &c->packages, err);
}

void wh_cli_contents_release(struct wh_cli_contents *c)
{
	wh_packages_release(&c->packages);
	if (c->tree)
		wh_tree_close(c->tree);
	wh_image_release(&c->image);
	if (c->store)
		wh_store_close(c->store);
}
