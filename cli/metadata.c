/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/annotate.h"
#include "cli/metadata.h"

#include <openssl/evp.h>
#include <sys/random.h>
#include <time.h>

/* Go's JSON has bytes as base64. */
static json_t *bytes(const char *p, size_t n)
{
	WH_AUTO_FREE char *out = wh_malloc(4 * ((n + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)p, (int)n);
	return json_string(out);
}

static bool switched_on(const char *variable)
{
	const char *value = getenv(variable);
	bool on = false;

	return value && wh_bool_parse(value, &on) && on;
}

/* BuildKit's ids: 25 digits and small letters. */
static char *build_ref(void)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned char random[25];
	char id[sizeof(random) + 1];

	while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		;
	for (size_t i = 0; i < sizeof(random); i++)
		id[i] = digits[random[i] % (sizeof(digits) - 1)];
	id[sizeof(random)] = 0;
	return wh_asprintf("whittle/whittle/%s", id);
}

/* ---------------------------------------------------------------- the image */

static void add_all_names(const struct wh_strv *from, struct wh_strv *to)
{
	for (size_t i = 0; i < from->n; i++)
		if (!wh_strv_has(to, from->v[i]))
			wh_strv_add(to, from->v[i]);
}

static void add_names(const struct wh_metadata *m, json_t *o)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	add_all_names(&m->spec->tags, &names);
	for (size_t i = 0; i < m->spec->n_outputs; i++)
		add_all_names(&m->spec->outputs[i].names, &names);
	for (size_t i = 0; i < names.n; i++)
		wh_buf_addf(&text, "%s%s", i ? "," : "", names.v[i]);
	if (text.n)
		json_object_set_new(o, "image.name", json_string(text.p));
}

static json_t *platform_json(const struct wh_image *i)
{
	struct wh_platform p;
	json_t *o;

	wh_image_platform(i, &p);
	o = json_pack("{s:s, s:s}", "architecture", p.arch, "os", p.os);
	if (p.variant[0])
		json_object_set_new(o, "variant", json_string(p.variant));
	return o;
}

/* When it was made, as far as that is told at all: of an index, the newest of its images. */
static int64_t created_of(const struct wh_metadata *m)
{
	int64_t newest = 0;

	if (m->epoch != INT64_MAX)
		return m->epoch;
	for (size_t i = 0; i < (wh_image_is_index(m->image) ? m->image->n_parts : 1); i++) {
		int64_t t = wh_image_created(wh_image_is_index(m->image) ? m->image->parts[i].config : m->image->config);

		newest = t > newest ? t : newest;
	}
	return newest;
}

static json_t *annotations_of(const struct wh_metadata *m)
{
	const struct wh_image *i = m->image;
	json_t *all = NULL;
	time_t t = (time_t)created_of(m);
	struct tm tm;
	char text[40];

	if (wh_image_is_index(i)) {
		wh_annotations_collect(&m->spec->annotations, WH_ANNOTATE_INDEX_DESCRIPTOR, NULL, &all);
		if (m->spec->n_outputs == 1)
			wh_annotations_collect(&m->spec->outputs[0].annotations, WH_ANNOTATE_INDEX_DESCRIPTOR, NULL, &all);
	} else if (i->listed_annotations) {
		all = json_deep_copy(i->listed_annotations);
	}
	if (!all)
		all = json_object();
	if (!json_object_get(all, "org.opencontainers.image.created") && gmtime_r(&t, &tm)) {
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		json_object_set_new(all, "org.opencontainers.image.created", json_string(text));
	}
	return all;
}

static void add_image(const struct wh_metadata *m, json_t *o)
{
	static const char manifest[] = "application/vnd.oci.image.manifest.v1+json";
	const struct wh_image *i = m->image;
	char text[WH_DIGEST_TEXT];
	json_t *d = json_pack("{s:s, s:s, s:I, s:o}", "mediaType", i->media_type ? i->media_type : manifest, "digest",
			      wh_digest_text(&i->manifest, text), "size", (json_int_t)i->manifest_size, "annotations", annotations_of(m));

	if (!wh_image_is_index(i))
		json_object_set_new(d, "platform", platform_json(i));
	json_object_set_new(o, "containerimage.digest", json_string(text));
	json_object_set_new(o, "containerimage.descriptor", d);
	if (!wh_image_is_index(i))
		json_object_set_new(o, "containerimage.config.digest", json_string(wh_digest_text(&i->config_digest, text)));
}

/* ---------------------------------------------------------------- the build */

static void add_provenance(const struct wh_metadata *m, json_t *o)
{
	const char *mode = getenv("BUILDX_METADATA_PROVENANCE");

	if (mode && (wh_streq(mode, "disabled") || wh_streq(mode, "false") || wh_streq(mode, "0")))
		return;
	for (size_t i = 0; i < m->n; i++) {
		struct wh_platform p;
		WH_AUTO_FREE char *platform = NULL;
		WH_AUTO_FREE char *key = NULL;

		if (!m->built[i].provenance)
			continue;
		wh_image_platform(&m->built[i].image, &p);
		platform = wh_platform_text(&p);
		key = m->spec->index ? wh_asprintf("buildx.build.provenance/%s", platform) : wh_strdup("buildx.build.provenance");
		json_object_set(o, key, m->built[i].provenance);
	}
}

/* As BuildKit's client has them. */
static void add_warnings(const struct wh_metadata *m, json_t *o)
{
	const struct wh_lint_list *f = m->findings;
	json_t *list;

	if (!f->lines.n || !switched_on("BUILDX_METADATA_WARNINGS"))
		return;
	list = json_array();
	for (size_t i = 0; i < f->lines.n; i++) {
		const struct wh_lint_more *more = &f->more[i];
		json_t *w = json_pack("{s:i, s:o}", "level", 1, "short", bytes(f->lines.v[i], strlen(f->lines.v[i])));

		json_object_set_new(w, "detail", json_pack("[o]", bytes(more->description, strlen(more->description))));
		if (more->url)
			json_object_set_new(w, "url", json_string(more->url));
		if (m->dockerfile)
			json_object_set_new(w, "sourceInfo",
					    json_pack("{s:s, s:o, s:s}", "filename", wh_path_base(m->dockerfile->name), "data",
						      bytes(m->dockerfile->text, m->dockerfile->len), "language", "Dockerfile"));
		json_object_set_new(w, "range",
				    json_pack("[{s:{s:i}, s:{s:i}}]", "start", "line", (int)more->line, "end", "line", (int)more->last_line));
		json_array_append_new(list, w);
	}
	json_object_set_new(o, "buildx.build.warnings", list);
}

json_t *wh_metadata_make(const struct wh_metadata *m)
{
	json_t *o = json_object();
	WH_AUTO_FREE char *ref = build_ref();

	json_object_set_new(o, "buildx.build.ref", json_string(ref));
	add_provenance(m, o);
	add_warnings(m, o);
	add_image(m, o);
	add_names(m, o);
	return o;
}

int wh_metadata_write(const struct wh_metadata *m, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = wh_metadata_make(m);
	WH_AUTO_FREE char *text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS);

	if (!text)
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, 0, "the metadata are no JSON");
	return wh_cli_write_file(m->spec->metadata_file, text, strlen(text), "the metadata", err);
}
