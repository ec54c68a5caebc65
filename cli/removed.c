/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listing.h"
#include "cli/removed.h"

#include <errno.h>

#define KEY_MAX ((size_t)64 << 10)

void wh_cli_removed_release(struct wh_cli_removed *r)
{
	wh_image_release(&r->part);
	json_decref(r->said);
	json_decref(r->restored);
	*r = (struct wh_cli_removed){0};
}

static int load_key(const char *path, struct wh_key **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf pem = WH_BUF_INIT;
	int r = wh_read_file(AT_FDCWD, path, KEY_MAX, &pem);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the key \"%s\"", path);
	return wh_key_load_public(pem.p ? pem.p : "", pem.n, path, ret, err);
}

/* What the key has signed of it. */
static int said_by(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts, const char *key_file,
		   json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(wh_verified_release) struct wh_verified found = {0};
	struct wh_key *key = NULL;
	int r = load_key(key_file, &key, err);

	if (r == 0)
		r = wh_verify_image(s, i, artifacts, key, &found, err);
	wh_key_free(key);
	for (size_t k = 0; r == 0 && !*ret && k < json_array_size(found.statements); k++) {
		const json_t *one = json_array_get(found.statements, k);

		if (wh_streq(wh_json_str(one, "predicateType"), WH_PREDICATE_REMOVED))
			*ret = json_incref(json_object_get(one, "predicate"));
	}
	if (r == 0 && !*ret)
		r = wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the key has not signed for what PRUNE took away");
	return r;
}

static bool says(const json_t *o, const char *key, const struct wh_digest *d)
{
	char text[WH_DIGEST_TEXT];

	return wh_streq(wh_json_str(o, key), wh_digest_text(d, text));
}

/* Others may have attached a removed part of their own: which is meant, the statement says. */
static const struct wh_artifact *choose(const struct wh_artifacts *l, const struct wh_image *i, const json_t *said, size_t *ret_n)
{
	const struct wh_artifact *found = NULL;

	*ret_n = 0;
	for (size_t k = 0; k < l->n; k++) {
		if (!wh_artifact_is_removed(&l->v[k]) || !wh_digest_eq(&l->v[k].subject, &i->manifest))
			continue;
		++*ret_n;
		if (!said || says(said, "artifact", &l->v[k].manifest.digest))
			found = &l->v[k];
	}
	return found;
}

static int refuse(const char *why, struct wh_err **err)
{
	int r = wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the removed part that is attached to the image %s", why);

	wh_err_hint(err, "whittle verify --removed says what is wrong; build --keep-removed makes it anew");
	return r;
}

int wh_cli_removed_find(struct wh_store *s, const char *layout, const struct wh_image *i, const struct wh_artifacts *artifacts,
			const char *key_file, struct wh_cli_removed *ret, struct wh_err **err)
{
	const struct wh_artifact *a;
	const json_t *layer;
	size_t n;
	int r = 0;

	if (key_file)
		r = said_by(s, i, artifacts, key_file, &ret->said, err);
	else
		ret->said = wh_predicate_find(s, artifacts, WH_PREDICATE_REMOVED);
	ret->restored = wh_predicate_find(s, artifacts, WH_PREDICATE_RESTORED);
	if (r < 0)
		return r;
	a = choose(artifacts, i, ret->said, &n);
	if (!a)
		return n ? refuse("is not the one that is spoken of", err) : 0;
	if (!ret->said && n > 1)
		return refuse("is there more than once, and nothing says which it is", err);
	r = wh_removed_part_open(s, layout, &a->manifest.digest, &ret->part, err);
	if (r < 0)
		return r;
	layer = json_object_get(ret->said, "layer");
	if (ret->said && (!says(layer, "digest", &ret->part.layers[0].blob) || !says(layer, "diffId", &ret->part.layers[0].diff_id)))
		return refuse("has another layer than the one that is spoken of", err);
	ret->present = true;
	return 0;
}

int wh_cli_removed_absent(const struct wh_cli_removed *r, const char *ref, struct wh_err **err)
{
	const char *base = wh_json_str(r->restored, "base");

	wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has nothing to put back: what PRUNE removed was not kept", ref);
	if (base)
		wh_err_hint(err, "it was made by whittle restore: restore from the image that it was made of, %s", base);
	else if (r->said)
		wh_err_hint(err, "it was kept, and left out where this image came from (push --no-removed?)");
	else
		wh_err_hint(err, "build --keep-removed keeps it; where the build is cached nothing is run again, and the image stays the same");
	return -ENODATA;
}

int wh_cli_restored_explain(const json_t *restored, bool json, struct wh_tree *t, const struct wh_strv *paths, struct wh_buf *out,
			    struct wh_err **err)
{
	const char *base = wh_json_str(restored, "base");

	if (json) {
		wh_cli_json(restored, 2, out);
		return 0;
	}
	if (!paths->n) {
		wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the image was made by whittle restore: it has no prune report of its own");
		wh_err_hint(err, "ask for a path, or the image that it was made of: %.80s", base ? base : "");
		return -EINVAL;
	}
	for (size_t i = 0; i < paths->n; i++) {
		WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;
		struct wh_node_ref n;

		if (!wh_restore_explain(restored, paths->v[i], &line)) {
			const char *path = paths->v[i] + strspn(paths->v[i], "/");

			wh_buf_addf(&line, "/%s: %s; whittle explain %.80s /%s says more\n", path,
				    wh_tree_lookup(t, path, &n) == 0 ? "was not put back: it is of the image that this one was made of"
								     : "is not in the image",
				    base ? base : "", path);
		}
		wh_text_add_safe(out, line.p, line.n ? line.n - 1 : 0);
		wh_buf_addc(out, '\n');
	}
	return 0;
}
