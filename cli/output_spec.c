/* SPDX-License-Identifier: Apache-2.0 */
/* --output, --push, --load and --annotation: from words to what is to be written where. */
#include "cli/annotate.h"
#include "cli/cli.h"

#include <errno.h>

bool wh_bool_parse(const char *text, bool *ret)
{
	if (wh_streq(text, "true") || wh_streq(text, "1"))
		*ret = true;
	else if (wh_streq(text, "false") || wh_streq(text, "0"))
		*ret = false;
	else
		return false;
	return true;
}

void wh_output_release(struct wh_output *o)
{
	free(o->dest);
	wh_strv_release(&o->names);
	wh_strv_release(&o->annotations);
	*o = (struct wh_output){0};
}

const struct wh_strv *wh_output_names(const struct wh_build_spec *s, const struct wh_output *o)
{
	return o->names.n ? &o->names : &s->tags;
}

bool wh_output_is_image(const struct wh_output *o)
{
	return o->type != WH_OUT_LOCAL && o->type != WH_OUT_TAR;
}

bool wh_output_wants(const struct wh_output *o, enum wh_compression *ret, int *ret_level)
{
	/* What docker reads has no zstd, or had none for long. */
	bool gzip = o->docker_types || o->type == WH_OUT_DOCKER || o->type == WH_OUT_LOAD;

	if (!o->has_comp && !gzip)
		return false;
	*ret = o->has_comp ? o->comp : WH_COMP_GZIP;
	*ret_level = o->level;
	return true;
}

/* ---------------------------------------------------------------- one --output */

/* What is said of an output besides its fields. */
struct words {
	const char *text;
	bool typed, shortened, push, push_said, tar_said;
};

static int set_type(const char *value, struct wh_output *o, struct words *w, struct wh_err **err)
{
	static const struct {
		const char *name;
		enum wh_output_type type;
	} types[] = {
		{"oci", WH_OUT_OCI}, {"docker", WH_OUT_DOCKER},     {"local", WH_OUT_LOCAL},
		{"tar", WH_OUT_TAR}, {"registry", WH_OUT_REGISTRY}, {"image", WH_OUT_IMAGE},
	};

	w->typed = true;
	for (size_t i = 0; i < WH_ARRAY_SIZE(types); i++) {
		if (wh_streq(types[i].name, value)) {
			o->type = types[i].type;
			return 0;
		}
	}
	return wh_cli_misuse(err, "--output type is oci, docker, local, tar, registry or image, not \"%s\"", value);
}

static int set_compression(const char *value, struct wh_output *o, struct wh_err **err)
{
	o->has_comp = true;
	if (wh_streq(value, "zstd"))
		o->comp = WH_COMP_ZSTD;
	else if (wh_streq(value, "gzip"))
		o->comp = WH_COMP_GZIP;
	else if (wh_streq(value, "uncompressed"))
		o->comp = WH_COMP_NONE;
	else if (wh_streq(value, "estargz"))
		return wh_cli_misuse(err, "--output compression=estargz is not supported; zstd, gzip and uncompressed are");
	else
		return wh_cli_misuse(err, "--output compression is zstd, gzip or uncompressed, not \"%s\"", value);
	return 0;
}

/* name=A,B needs quotes in the spec, as a comma ends a field: "name=A,B". */
static int set_names(const char *value, struct wh_output *o, struct wh_err **err)
{
	for (const char *next = value; next;) {
		size_t n = strcspn(next, ",");
		WH_AUTO_FREE char *word = wh_strndup(next, n);
		char *name;
		int r;

		next = next[n] ? next + n + 1 : NULL;
		if (strchr(word, '@'))
			return wh_cli_misuse(err, "--output name=%s: a name to be given has no digest", word);
		r = wh_reference_normalize(word, &name, err);
		if (r < 0) {
			if (err && *err)
				(*err)->class = WH_ERR_USAGE;
			wh_err_wrap(err, "--output name=%s", word);
			return r;
		}
		wh_strv_take(&o->names, name);
	}
	return 0;
}

static int set_number(const char *key, const char *value, struct wh_output *o, struct wh_err **err)
{
	uint64_t n;

	if (wh_streq(key, "chunk-size")) {
		if (!wh_size_parse(value, &o->chunk) || !o->chunk)
			return wh_cli_misuse(err, "--output chunk-size is a size like 64m, not \"%s\"", value);
		return 0;
	}
	if (!wh_parse_u64(value, 10, &n) || n > 22)
		return wh_cli_misuse(err, "--output compression-level is a number from 0 to 22, not \"%s\"", value);
	o->level = (int)n;
	return 0;
}

static int set_flag(const char *key, const char *value, struct wh_output *o, struct words *w, bool *ret_known, struct wh_err **err)
{
	bool oci_types = true;
	const struct {
		const char *key;
		bool *at;
	} flags[] = {
		{"tar", &o->tar},   {"force-compression", &o->force_comp}, {"push-by-digest", &o->by_digest},
		{"push", &w->push}, {"oci-mediatypes", &oci_types},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(flags); i++) {
		if (!wh_streq(flags[i].key, key))
			continue;
		*ret_known = true;
		if (!wh_bool_parse(value, flags[i].at))
			return wh_cli_misuse(err, "--output %s is true or false, not \"%s\"", key, value);
		w->push_said |= flags[i].at == &w->push;
		w->tar_said |= flags[i].at == &o->tar;
		if (flags[i].at == &oci_types)
			o->docker_types = !oci_types;
		return 0;
	}
	return 0;
}

/* What buildx's exporters have and this one has not, or has elsewhere. */
static const struct {
	const char *key;
	const char *nothing; /* the value that asks for what is so in any case, or NULL */
	const char *why;
} others[] = {
	{"unpack", "false", "images are unpacked when a step needs them"},
	{"store", "true", "every image is in the store"},
	{"registry.insecure", "false", "--registry-insecure says so of all registries"},
	{"name-canonical", "false", "every image is known by its digest, too"},
	{"dangling-name-prefix", NULL, "an image without a name is known by its digest"},
	{"prefer-nondist-layers", "false", "layers keep to distributable media types"},
	{"rewrite-timestamp", "false", "--reproducible and SOURCE_DATE_EPOCH decide times in layers"},
	{"attestation-inline", "false", "attestations are attached as referrers: see --sign-key"},
	{"attestation-prefix", NULL, "attestations are attached as referrers: see --sign-key"},
	{"oci-artifact", "true", "attestations are artifacts in any case"},
	{"platform-split", "true", "several platforms are kept in directories of their own"},
	{"mode", "copy", "an output directory is new, or empty"},
};

static int refuse_key(const char *key, const char *value, struct wh_err **err)
{
	static const char *const keys[] = {
		"type", "dest", "tar", "name", "push", "push-by-digest", "compression", "compression-level", "force-compression",
		"oci-mediatypes", "chunk-size",
	};
	const char *near;

	for (size_t i = 0; i < WH_ARRAY_SIZE(others); i++) {
		if (!wh_streq(others[i].key, key))
			continue;
		if (others[i].nothing && wh_streq(others[i].nothing, value))
			return 0;
		wh_cli_misuse(err, "--output %s=%s is not supported", key, value);
		wh_err_hint(err, "%s", others[i].why);
		return -EINVAL;
	}
	wh_cli_misuse(err,
		      "--output has no key \"%s\"; it takes type, dest, tar, name, push, push-by-digest, compression, compression-level, "
		      "force-compression, oci-mediatypes, chunk-size, annotation…",
		      key);
	if (wh_streq(key, "dst") || wh_streq(key, "destination") || wh_streq(key, "path"))
		near = "dest";
	else
		near = wh_nearest(key, keys, WH_ARRAY_SIZE(keys));
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	return -EINVAL;
}

static int set_field(const char *key, const char *value, struct wh_output *o, struct words *w, struct wh_err **err)
{
	WH_AUTO_FREE char *annotation = NULL;
	bool known = false;
	int r;

	if (wh_streq(key, "type"))
		return set_type(value, o, w, err);
	if (wh_streq(key, "dest")) {
		if (!value[0])
			return wh_cli_misuse(err, "--output dest is empty");
		free(o->dest);
		o->dest = wh_streq(value, "-") ? wh_strdup("-") : wh_cli_absolute(value);
		return 0;
	}
	if (wh_streq(key, "name"))
		return set_names(value, o, err);
	if (wh_streq(key, "compression"))
		return set_compression(value, o, err);
	if (wh_streq(key, "compression-level") || wh_streq(key, "chunk-size"))
		return set_number(key, value, o, err);
	if (wh_annotation_from_output(key, value, &annotation)) {
		r = wh_annotation_check(annotation, err);
		wh_strv_take(&o->annotations, WH_TAKE_PTR(annotation));
		return r;
	}
	r = set_flag(key, value, o, w, &known, err);
	return known ? r : refuse_key(key, value, err);
}

/* Where it goes. */
static int check_dest(struct wh_output *o, const struct words *w, struct wh_err **err)
{
	if (o->type == WH_OUT_REGISTRY || o->type == WH_OUT_IMAGE) {
		if (o->dest)
			return wh_cli_misuse(err, "--output \"%s\": %s image goes to where --tag or name= says", w->text,
					     o->type == WH_OUT_IMAGE ? "an" : "a registry's");
		return 0;
	}
	if (o->type == WH_OUT_DOCKER && !o->dest) {
		o->type = WH_OUT_LOAD;
		return 0;
	}
	if (!o->dest) {
		if (o->type == WH_OUT_LOCAL || isatty(STDOUT_FILENO))
			return wh_cli_misuse(err, "--output \"%s\" says no dest=", w->text);
		o->dest = wh_strdup("-");
	}
	if (wh_streq(o->dest, "-") && (o->type == WH_OUT_LOCAL || (o->type == WH_OUT_OCI && !o->tar)))
		return wh_cli_misuse(err, "--output \"%s\": a directory cannot go to standard output", w->text);
	if (wh_streq(o->dest, "-") && isatty(STDOUT_FILENO))
		return wh_cli_misuse(err, "--output \"%s\": standard output is a terminal", w->text);
	return 0;
}

/* What suits what. */
static int check_fields(struct wh_output *o, const struct words *w, struct wh_err **err)
{
	const bool registry = o->type == WH_OUT_REGISTRY, image = registry || o->type == WH_OUT_IMAGE;

	if (!wh_output_is_image(o) && (o->has_comp || o->level || o->force_comp))
		return wh_cli_misuse(err, "--output \"%s\": compression belongs to images: oci, docker, registry, image", w->text);
	if (!wh_output_is_image(o) && (o->annotations.n || o->names.n))
		return wh_cli_misuse(err, "--output \"%s\": files have no %s", w->text, o->names.n ? "name" : "annotations");
	if (!o->tar && (o->type == WH_OUT_DOCKER || o->type == WH_OUT_LOAD)) {
		wh_cli_misuse(err, "--output \"%s\": docker's archive is one file", w->text);
		wh_err_hint(err, "type=oci,tar=false writes a directory");
		return -EINVAL;
	}
	if (w->tar_said && !o->tar && o->type != WH_OUT_OCI && o->type != WH_OUT_LOCAL)
		return wh_cli_misuse(err, "--output \"%s\": tar=false belongs to type=oci", w->text);
	if (w->push_said && !image)
		return wh_cli_misuse(err, "--output \"%s\": push belongs to type=image", w->text);
	if (o->by_digest && !registry)
		return wh_cli_misuse(err, "--output \"%s\": push-by-digest belongs to what is pushed", w->text);
	if (o->chunk && !registry)
		return wh_cli_misuse(err, "--output \"%s\": chunk-size belongs to what is pushed", w->text);
	if (o->docker_types && (o->type == WH_OUT_OCI || !wh_output_is_image(o)))
		return wh_cli_misuse(err, "--output \"%s\": oci-mediatypes=false belongs to type=docker, registry and image", w->text);
	if (o->docker_types && o->has_comp && o->comp == WH_COMP_ZSTD)
		return wh_cli_misuse(err, "exporter option \"compression=zstd\" conflicts with \"oci-mediatypes=false\"");
	if (o->has_comp && o->comp == WH_COMP_ZSTD && (o->type == WH_OUT_DOCKER || o->type == WH_OUT_LOAD)) {
		wh_cli_misuse(err, "--output \"%s\": docker before version 23 and podman before 4.4 read no zstd from archives", w->text);
		wh_err_hint(err, "gzip (the default) or uncompressed");
		return -EINVAL;
	}
	if (o->level > 9 && (!o->has_comp || o->comp == WH_COMP_GZIP) &&
	    (o->has_comp || o->docker_types || o->type == WH_OUT_DOCKER || o->type == WH_OUT_LOAD))
		return wh_cli_misuse(err, "--output \"%s\": gzip has compression levels 1 to 9", w->text);
	if (o->level && !o->has_comp) { /* as buildx: zstd is said by name, so a level alone is of what the layers are in */
		o->has_comp = true;
		o->comp = o->docker_types || o->type == WH_OUT_DOCKER || o->type == WH_OUT_LOAD ? WH_COMP_GZIP : WH_COMP_ZSTD;
	}
	return 0;
}

static int parse_fields(const char *text, struct wh_output *o, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv fields = {0};
	struct words w = {.text = text};
	int r = 0;

	if (!wh_strv_add_csv(&fields, text))
		return wh_cli_misuse(err, "--output \"%s\": a quote is not closed or stands inside a word", text);
	if (fields.n == 1 && !strchr(fields.v[0], '=')) {
		/* buildx's short form: a directory, or "-" for a tar */
		if (!fields.v[0][0])
			return wh_cli_misuse(err, "--output is empty");
		w.typed = w.shortened = true;
		o->type = wh_streq(fields.v[0], "-") ? WH_OUT_TAR : WH_OUT_LOCAL;
		r = set_field("dest", fields.v[0], o, &w, err);
	}
	for (size_t i = 0; i < fields.n && !r && !w.shortened; i++) {
		char *eq = strchr(fields.v[i], '=');

		if (!eq)
			return wh_cli_misuse(err, "--output \"%s\": \"%s\" is no KEY=VALUE", text, fields.v[i]);
		*eq = 0;
		r = set_field(fields.v[i], eq + 1, o, &w, err);
	}
	if (!r && !w.typed)
		r = wh_cli_misuse(err, "--output \"%s\" says no type=", text);
	if (!r && o->type == WH_OUT_IMAGE && w.push)
		o->type = WH_OUT_REGISTRY;
	if (!r)
		r = check_dest(o, &w, err);
	return r ? r : check_fields(o, &w, err);
}

int wh_output_parse(const char *text, struct wh_output *ret, struct wh_err **err)
{
	struct wh_output o = {.type = WH_OUT_OCI, .tar = true, .comp = WH_COMP_ZSTD};
	int r = parse_fields(text, &o, err);

	if (r < 0) {
		wh_output_release(&o);
		return r;
	}
	*ret = o;
	return 0;
}

/* ---------------------------------------------------------------- all of them */

static const char *const load_words[] = {"true", "false", "docker", "podman", "containerd"};

static int add_load(const char *word, struct wh_build_spec *s, size_t *cap, struct wh_err **err)
{
	bool known = false, one = wh_streq(word, "true") || wh_streq(word, "1");

	for (size_t i = 0; i < WH_ARRAY_SIZE(load_words); i++)
		known |= wh_streq(word, load_words[i]);
	if (!known && !one && !wh_streq(word, "0"))
		return wh_cli_misuse(err, "--load is docker, podman or containerd, not \"%s\"", word);
	if (wh_streq(word, "false") || wh_streq(word, "0"))
		return 0;
	for (size_t i = 0; i < s->n_outputs; i++) { /* type=docker without dest asks for the same */
		if (s->outputs[i].type == WH_OUT_LOAD && !s->outputs[i].dest) {
			s->outputs[i].dest = one ? NULL : wh_strdup(word);
			return 0;
		}
	}
	WH_PUSH(s->outputs, s->n_outputs, *cap) =
		(struct wh_output){.type = WH_OUT_LOAD, .tar = true, .comp = WH_COMP_GZIP, .dest = one ? NULL : wh_strdup(word)};
	return 0;
}

static void add_push(struct wh_build_spec *s, size_t *cap)
{
	bool found = false;

	for (size_t i = 0; i < s->n_outputs; i++) {
		if (s->outputs[i].type == WH_OUT_IMAGE)
			s->outputs[i].type = WH_OUT_REGISTRY;
		found |= s->outputs[i].type == WH_OUT_REGISTRY;
	}
	if (!found)
		WH_PUSH(s->outputs, s->n_outputs, *cap) = (struct wh_output){.type = WH_OUT_REGISTRY, .tar = true, .comp = WH_COMP_ZSTD};
}

static int check_annotations(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	const char *const *platforms = s->platforms.n ? (const char *const *)s->platforms.v : (const char *const *)&s->platform;
	size_t n = s->platforms.n ? s->platforms.n : 1;
	int r = 0;

	for (size_t i = 0; i < f->annotations.n && r == 0; i++) {
		if (!f->annotations.v[i][0])
			continue;
		r = wh_annotation_check(f->annotations.v[i], err);
		if (r < 0)
			wh_err_wrap(err, "--annotation");
		else
			wh_strv_add(&s->annotations, f->annotations.v[i]);
	}
	if (r == 0)
		r = wh_annotations_fit(&s->annotations, platforms, n, s->index, false, err);
	for (size_t i = 0; i < s->n_outputs && r == 0; i++) {
		r = wh_annotations_fit(&s->outputs[i].annotations, platforms, n, s->index, s->outputs[i].docker_types, err);
		if (r == 0 && s->outputs[i].docker_types)
			r = wh_annotations_fit(&s->annotations, platforms, n, s->index, true, err);
	}
	return r;
}

static int check_names(const struct wh_build_spec *s, struct wh_err **err)
{
	for (size_t i = 0; i < s->n_outputs; i++) {
		if (s->outputs[i].type != WH_OUT_REGISTRY || wh_output_names(s, &s->outputs[i])->n)
			continue;
		return wh_cli_misuse(err, "a push needs a name: --tag REGISTRY/NAME:TAG says where to");
	}
	return 0;
}

int wh_outputs_make(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	size_t cap = 0, on_stdout = 0;
	int r = 0;

	for (size_t i = 0; i < f->outputs.n; i++) {
		struct wh_output o = {0};

		r = wh_output_parse(f->outputs.v[i], &o, err);
		if (r < 0)
			return r;
		if ((o.type == WH_OUT_TAR || o.type == WH_OUT_DOCKER || (o.type == WH_OUT_OCI && o.tar)) &&
		    wh_path_stream(o.dest) == STDOUT_FILENO) { /* /dev/stdout and the like */
			free(o.dest);
			o.dest = wh_strdup("-");
		}
		WH_PUSH(s->outputs, s->n_outputs, cap) = o;
		on_stdout += wh_streq(o.dest, "-");
	}
	if (f->push)
		add_push(s, &cap);
	if (f->load)
		r = add_load(f->load, s, &cap, err);
	if (r == 0)
		r = check_names(s, err);
	if (r == 0)
		r = check_annotations(f, s, err);
	if (r < 0)
		return r;
	if (on_stdout > 1)
		return wh_cli_misuse(err, "only one --output can go to standard output");
	if (on_stdout && f->quiet)
		return wh_cli_misuse(err, "--quiet prints the image id where --output dest=- writes the image");
	return 0;
}

/* Where bytes of ours replace what is there; not so a device or a pipe. */
static bool is_replaced(const char *path)
{
	struct stat st;

	return path && !wh_streq(path, "-") && (stat(path, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && wh_path_stream(path) < 0;
}

int wh_outputs_apart(const struct wh_build_spec *s, struct wh_err **err)
{
	WH_AUTO_FREE char *iidfile = s->iidfile ? wh_cli_absolute(s->iidfile) : NULL;
	const char *const files[] = {iidfile, s->metadata_file, s->verify_report};
	WH_AUTO_STRV struct wh_strv seen = {0};

	for (size_t i = 0; i < WH_ARRAY_SIZE(files) + s->n_outputs; i++) {
		const char *path = i < WH_ARRAY_SIZE(files) ? files[i] : s->outputs[i - WH_ARRAY_SIZE(files)].dest;
		WH_AUTO_FREE char *clean = NULL;

		if (i >= WH_ARRAY_SIZE(files) && s->outputs[i - WH_ARRAY_SIZE(files)].type == WH_OUT_LOAD)
			continue;
		if (!is_replaced(path))
			continue;
		clean = wh_path_clean(path);
		if (wh_strv_has(&seen, clean))
			return wh_cli_misuse(err, "two things are to be written to \"%s\", and one of them would be lost", clean);
		wh_strv_take(&seen, WH_TAKE_PTR(clean));
	}
	return 0;
}
