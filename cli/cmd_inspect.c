/* SPDX-License-Identifier: Apache-2.0 */
/* whittle inspect: all that is known of an image, in docker's words where docker has any. */
#include "cli/listing.h"
#include "cli/registry_service.h"

#include <errno.h>

#define DOCUMENT_MAX ((size_t)8 << 20)

struct flags {
	const char *root, *format, *platform, *type;
	bool raw, config;
};

#define AT(field) offsetof(struct flags, field)

static const char *const formats[] = {"json", NULL};
static const char *const types[] = {"image", NULL};
static const struct wh_option options[] = {
	{"config", 0, WH_OPT_FLAG, AT(config), NULL, "Print the bytes of the image's config", NULL},
	{"format", 'f', WH_OPT_TEXT, AT(format), "FORMAT", "json: an array with an object for each image (default)", formats},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"raw", 0, WH_OPT_FLAG, AT(raw), NULL, "Print the bytes of the manifest; of several images those of the\nindex, unless --platform says which is meant", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{"type", 0, WH_OPT_TEXT, AT(type), "TYPE", "image: there is nothing else", types},
	{0},
};

/* One image, and the index in which it was found. */
struct view {
	const char *ref;
	struct wh_store *store;
	struct wh_image whole;
	const struct wh_image *image; /* whole, or the part of it that is meant */
};

static void set(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value ? value : ""));
}

static json_t *digest_json(const struct wh_digest *d)
{
	char text[WH_DIGEST_TEXT];

	return json_string(wh_digest_text(d, text));
}

/* ---------------------------------------------------------------- names */

static int names_of(const struct view *v, struct wh_strv *ret, char **ret_origin, struct wh_err **err)
{
	WH_CLEANUP(wh_inventory_release) struct wh_inventory all = {0};
	WH_AUTO_FREE char *layout = NULL;
	int r = wh_cli_image_layout(v->ref, &layout, err);

	if (r == 0 && layout)
		return wh_layout_names(layout, &v->image->manifest, ret, err);
	if (r == 0)
		r = wh_inventory_read(v->store, false, &all, err);
	for (size_t i = 0; i < all.n && r == 0; i++) {
		const struct wh_stored *e = &all.v[i];

		if (!wh_digest_eq(&e->manifest, &v->whole.manifest) && !wh_digest_eq(&e->manifest, &v->image->manifest))
			continue;
		wh_strv_add(ret, e->name);
		if (e->origin && !*ret_origin)
			*ret_origin = wh_strdup(e->origin);
	}
	return r;
}

static void set_names(const struct view *v, const struct wh_strv *names, json_t *o)
{
	json_t *tags = json_array(), *digests = json_array();
	WH_AUTO_STRV struct wh_strv seen = {0};

	for (size_t i = 0; i < names->n; i++) {
		WH_AUTO_FREE char *repository = NULL;
		WH_AUTO_FREE char *tag = NULL;
		char text[WH_DIGEST_TEXT];

		wh_cli_name_split(names->v[i], &repository, &tag);
		json_array_append_new(tags, json_sprintf("%s:%s", repository, tag));
		if (wh_strv_has(&seen, repository))
			continue;
		wh_strv_add(&seen, repository);
		json_array_append_new(digests, json_sprintf("%s@%s", repository, wh_digest_text(&v->whole.manifest, text)));
	}
	json_object_set_new(o, "RepoTags", tags);
	json_object_set_new(o, "RepoDigests", digests);
}

/* ---------------------------------------------------------------- the image */

static json_t *descriptor(const struct wh_image *i)
{
	json_t *o = json_object();

	set(o, "mediaType", i->media_type ? i->media_type : "application/vnd.oci.image.manifest.v1+json");
	json_object_set_new(o, "digest", digest_json(&i->manifest));
	json_object_set_new(o, "size", json_integer((json_int_t)i->manifest_size));
	return o;
}

/* Size is docker's: bytes of files. It is known of layers that somebody has read. */
static int set_layers(const struct view *v, json_t *o, struct wh_err **err)
{
	const struct wh_image *i = v->image;
	json_t *ids = json_array(), *list = json_array(), *rootfs;
	uint64_t size = 0, stored = 0;
	bool known = true;

	for (size_t k = 0; k < i->n_layers; k++) {
		const struct wh_layer *l = &i->layers[k];
		json_t *layer = json_object();
		uint64_t bytes = 0;
		int r = wh_layer_unpacked(v->store, l, &bytes, err);

		json_array_append_new(ids, digest_json(&l->diff_id));
		set(layer, "MediaType", wh_layer_media_type(l->comp));
		json_object_set_new(layer, "Digest", digest_json(&l->blob));
		json_object_set_new(layer, "Size", json_integer((json_int_t)l->blob_size));
		json_object_set_new(layer, "Here", json_boolean(wh_blob_has(v->store, &l->blob, NULL)));
		json_array_append_new(list, layer);
		size += bytes;
		stored += l->blob_size;
		known = known && r == 0;
		if (r < 0 && r != -ENOENT) {
			json_decref(ids);
			json_decref(list);
			return r;
		}
	}
	json_object_set_new(o, "Size", known ? json_integer((json_int_t)size) : json_null());
	json_object_set_new(o, "StoredSize", json_integer((json_int_t)stored));
	rootfs = json_object();
	set(rootfs, "Type", "layers");
	json_object_set_new(rootfs, "Layers", ids);
	json_object_set_new(o, "RootFS", rootfs);
	json_object_set_new(o, "Layers", list);
	return 0;
}

static void set_config(const struct wh_image *i, json_t *o)
{
	static const struct {
		const char *theirs, *ours;
		bool always;
	} keys[] = {{"comment", "Comment", false}, {"created", "Created", true}, {"author", "Author", false},
		    {"architecture", "Architecture", true}, {"variant", "Variant", false}, {"os", "Os", true}, {"os.version", "OsVersion", false}};
	json_t *config = json_object_get(i->config, "config");

	for (size_t k = 0; k < WH_ARRAY_SIZE(keys); k++)
		if (keys[k].always || wh_json_str(i->config, keys[k].theirs))
			set(o, keys[k].ours, wh_json_str(i->config, keys[k].theirs));
	if (json_is_object(config))
		json_object_set(o, "Config", config);
	else
		json_object_set_new(o, "Config", json_object());
}

static void set_index(const struct view *v, json_t *o)
{
	json_t *x, *list;

	if (!wh_image_is_index(&v->whole))
		return;
	x = descriptor(&v->whole);
	list = json_array();
	for (size_t k = 0; k < v->whole.n_parts; k++) {
		const struct wh_image *part = &v->whole.parts[k];
		json_t *d = descriptor(part);
		WH_AUTO_FREE char *text = NULL;
		struct wh_platform p = part->listed;

		if (!p.os[0] || !p.arch[0])
			wh_image_platform(part, &p);
		text = wh_platform_text(&p);
		set(d, "platform", text);
		json_array_append_new(list, d);
	}
	json_object_set_new(x, "manifests", list);
	if (v->whole.annotations)
		json_object_set(x, "annotations", v->whole.annotations);
	json_object_set_new(o, "Index", x);
}

/* ---------------------------------------------------------------- what is attached */

static int add_attached(const struct view *v, const struct wh_image *i, json_t *list, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts all = {0};
	int r = wh_cli_image_artifacts(v->ref, v->store, i, &all, err);

	for (size_t k = 0; k < all.n && r == 0; k++) {
		const struct wh_artifact *a = &all.v[k];
		const char *predicate = wh_json_str(a->manifest.annotations, "dev.sigstore.bundle.predicateType");
		json_t *o = json_object();

		if (!predicate)
			predicate = wh_json_str(a->manifest.annotations, "in-toto.io/predicate-type");
		json_object_set_new(o, "Digest", digest_json(&a->manifest.digest));
		json_object_set_new(o, "Subject", digest_json(&a->subject));
		if (a->artifact_type)
			set(o, "ArtifactType", a->artifact_type);
		if (a->tag)
			set(o, "Tag", a->tag);
		if (predicate)
			set(o, "PredicateType", predicate);
		json_array_append_new(list, o);
	}
	return r;
}

static int set_attached(const struct view *v, json_t *o, struct wh_err **err)
{
	json_t *list = json_array();
	int r = add_attached(v, v->image, list, err);

	if (r == 0 && v->image != &v->whole)
		r = add_attached(v, &v->whole, list, err);
	json_object_set_new(o, "Attached", list);
	return r;
}

static int describe(const struct view *v, json_t *o, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *origin = NULL;
	int r = names_of(v, &names, &origin, err);

	json_object_set_new(o, "Id", digest_json(&v->image->config_digest));
	set_names(v, &names, o);
	set_config(v->image, o);
	if (r == 0)
		r = set_layers(v, o, err);
	json_object_set_new(o, "Descriptor", descriptor(v->image));
	if (v->image->annotations)
		json_object_set(o, "Annotations", v->image->annotations);
	if (origin)
		set(o, "Origin", origin);
	set_index(v, o);
	return r == 0 ? set_attached(v, o, err) : r;
}

/* ---------------------------------------------------------------- the command */

static int print(struct wh_store *s, const struct wh_digest *d, struct wh_buf *out, struct wh_err **err)
{
	return wh_blob_read(s, d, DOCUMENT_MAX, out, err);
}

static int inspect_one(const struct flags *f, const char *ref, json_t *list, struct wh_buf *out, struct wh_err **err)
{
	struct view v = {.ref = ref};
	int r = wh_cli_image_open_all(ref, f->root, &v.store, &v.whole, err);

	if (r == 0 && f->raw && !f->platform)
		r = print(v.store, &v.whole.manifest, out, err);
	else if (r == 0) {
		v.image = &v.whole;
		if (f->platform || wh_image_is_index(&v.whole))
			r = wh_cli_image_part(&v.whole, f->platform, &v.image, err);
		if (r == -ENOENT && !f->platform)
			wh_err_hint(err, "--platform says which one is meant");
		if (r == 0 && (f->raw || f->config))
			r = print(v.store, f->raw ? &v.image->manifest : &v.image->config_digest, out, err);
		else if (r == 0) {
			json_t *o = json_object();

			json_array_append_new(list, o);
			r = describe(&v, o, err);
		}
		if (r < 0)
			wh_err_wrap(err, "image %s", ref);
	}
	wh_image_release(&v.whole);
	if (v.store)
		wh_store_close(v.store);
	return r;
}

static int inspect(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	WH_AUTO_JSON json_t *list = json_array();
	int r = 0;

	if (f->raw && f->config)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--raw and --config exclude each other");
	if ((f->raw || f->config) && args->n > 1)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--raw and --config are for one image");
	for (size_t i = 0; i < args->n && r == 0; i++)
		r = inspect_one(f, args->v[i], list, out, err);
	if (r == 0 && !f->raw && !f->config)
		wh_cli_json(list, 4, out);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, inspect);
}

const struct wh_command wh_cmd_inspect = {
	.name = "inspect",
	.args = "IMAGE [IMAGE…]",
	.summary = "Print what is known of images, as JSON",
	.about = "IMAGE is a name or an id in the store, or oci:DIR[:TAG]. The keys are docker's, so far as docker has them;\n"
		 "beside them stand the layers as they are stored, annotations, the index, and what is attached (signatures,\n"
		 "SBOMs, attestations). Size counts the bytes of files, StoredSize those of the compressed layers.",
	.examples = "  whittle inspect shop:1.4\n"
		    "  whittle inspect --config shop:1.4 | jq .config.Env",
	.options = options,
	.min_args = 1,
	.max_args = 1000,
	.args_wanted = "at least one image",
	.run = run,
};
