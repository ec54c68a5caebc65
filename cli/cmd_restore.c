/* SPDX-License-Identifier: Apache-2.0 */
/* whittle restore IMAGE PATH…: a new image, with paths that PRUNE took away back in it. */
#include "cli/password.h"
#include "cli/proof.h"
#include "cli/registry_service.h"
#include "cli/removed.h"

#include <errno.h>

struct flags {
	const char *root, *platform, *key;
	struct wh_strv tags;
	bool exact, all, insecure, quiet;
};

struct restore {
	const struct flags *flags;
	const char *ref;
	struct wh_strv paths, names; /* names: normalised */
	char *layout;                /* or NULL */
	struct wh_progress *progress;
	struct wh_cli_contents of; /* the image */
	struct wh_cli_removed removed;
	struct wh_artifacts attached, made;
	struct wh_image image; /* the new one */
	json_t *doc;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"all", 0, WH_OPT_FLAG, AT(all), NULL, "Everything that PRUNE took away; no PATH then", NULL},
	{"exact", 0, WH_OPT_FLAG, AT(exact), NULL,
	 "These paths alone, without libraries and interpreters that they\nneed", NULL},
	{"key", 0, WH_OPT_TEXT, AT(key), "FILE", "The image and what is put back must be signed with this public key's\nprivate one", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but the new image's digest", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{"tag", 't', WH_OPT_LIST, AT(tags), "NAME[:TAG]", "Name of the new image in the store (repeatable)", NULL},
	{0},
};

/* ---------------------------------------------------------------- the new image */

static void add_history(const struct restore *x, json_t *config)
{
	json_t *list = json_object_get(config, "history"), *line = json_object();
	WH_AUTO_BUF struct wh_buf by = WH_BUF_INIT;
	json_t *text;

	wh_buf_addf(&by, "whittle restore%s", x->flags->all ? " --all" : x->flags->exact ? " --exact" : "");
	for (size_t i = 0; i < x->paths.n && by.n < 1000; i++) {
		wh_buf_addc(&by, ' ');
		wh_text_add_safe(&by, x->paths.v[i], strlen(x->paths.v[i]));
	}
	text = json_string(by.p);
	if (json_object_get(config, "created"))
		json_object_set(line, "created", json_object_get(config, "created"));
	json_object_set_new(line, "created_by", text ? text : json_string("whittle restore"));
	if (!json_is_array(list))
		json_object_set_new(config, "history", list = json_array());
	json_array_append_new(list, line);
}

static int write_image(struct restore *x, struct wh_layer *layer, struct wh_err **err)
{
	const struct wh_image *old = &x->of.image;
	struct wh_image *i = &x->image;
	WH_AUTO_FREE char *name = NULL;
	char text[WH_DIGEST_TEXT];
	int r = wh_cli_image_name(x->ref, x->of.store, old, &name, err);

	if (r < 0)
		return r;
	i->config = json_deep_copy(old->config);
	i->annotations = json_is_object(old->annotations) ? json_deep_copy(old->annotations) : json_object();
	i->layers = wh_calloc(old->n_layers + 1, sizeof(*i->layers));
	for (; i->n_layers < old->n_layers; i->n_layers++)
		wh_layer_copy(&i->layers[i->n_layers], &old->layers[i->n_layers]);
	i->layers[i->n_layers++] = *layer;
	*layer = (struct wh_layer){0};
	add_history(x, i->config);
	json_object_set_new(i->annotations, "org.opencontainers.image.base.digest", json_string(wh_digest_text(&old->manifest, text)));
	if (!wh_streq(name, "image"))
		json_object_set_new(i->annotations, "org.opencontainers.image.base.name", json_string(name));
	return wh_image_write(x->of.store, i, err);
}

/* Its own: what was proved of the image is not true of this one. */
static int attach(struct restore *x, struct wh_err **err)
{
	const char *created = wh_json_str(x->image.config, "created"), *name = x->names.n ? x->names.v[0] : "image";
	const struct wh_sbom_subject subject = {
		.name = name, .digest = x->image.manifest, .created = created ? created : "1970-01-01T00:00:00Z"};
	struct wh_packages packages = {0};
	WH_AUTO_JSON json_t *sbom = NULL;
	struct wh_tree *t = NULL;
	char text[WH_DIGEST_TEXT];
	int r = wh_tree_open(x->of.store, x->image.layers, x->image.n_layers, &t, err);

	if (r == 0)
		r = wh_packages_read(t, &packages, err);
	if (r == 0)
		r = wh_sbom_spdx(&packages, &subject, &sbom, err);
	json_object_set_new(x->doc, "$schema", json_string("https://whittle.dev/schema/restored-1.json"));
	json_object_set_new(x->doc, "base", json_string(wh_digest_text(&x->of.image.manifest, text)));
	if (r == 0) {
		const struct wh_attest_item items[] = {{WH_PREDICATE_SPDX, sbom}, {WH_PREDICATE_RESTORED, x->doc}};

		r = wh_proof_attach_plain(x->of.store, name, &x->image, items, WH_ARRAY_SIZE(items), &x->made, err);
	}
	wh_packages_release(&packages);
	if (t)
		wh_tree_close(t);
	return r;
}

static int name_image(struct restore *x, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < x->names.n && r == 0; i++)
		r = wh_store_tag(x->of.store, x->names.v[i], &x->image, err);
	return r < 0 ? r : wh_store_attach(x->of.store, &x->made, err);
}

/* ---------------------------------------------------------------- putting back */

static int find(struct restore *x, struct wh_inner *inner, struct wh_err **err)
{
	int r = wh_cli_contents_open(x->ref, x->flags->root, x->flags->platform, inner, &x->of, err);

	x->of.lazy.progress = x->progress;
	x->of.lazy.insecure = x->flags->insecure;
	if (r == 0)
		r = wh_cli_image_artifacts(x->ref, x->of.store, &x->of.image, &x->attached, err);
	if (r == 0)
		r = wh_cli_removed_find(x->of.store, x->layout, &x->of.image, &x->attached, x->flags->key, &x->removed, err);
	return r < 0 || x->removed.present ? r : wh_cli_removed_absent(&x->removed, x->ref, err);
}

static int restore(struct restore *x, struct wh_err **err)
{
	struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
	const struct wh_restore_opts o = {.paths = &x->paths,
					  .exact = x->flags->exact,
					  .all = x->flags->all,
					  .config = json_object_get(x->of.image.config, "config")};
	struct wh_layer layer = {0};
	/* Whatever is known of it. */
	int r = wh_layer_prove(x->of.store, &x->removed.part.layers[0], err);

	/* Whoever takes the image takes this layer, too. */
	lo.comp = x->removed.part.layers[0].comp;
	if (r == 0)
		r = wh_restore_write(x->of.store, x->of.image.layers, x->of.image.n_layers, &x->removed.part.layers[0], &o, &lo, &layer,
				     &x->doc, err);
	if (r == 0)
		r = write_image(x, &layer, err);
	wh_layer_release(&layer);
	if (r == 0)
		r = attach(x, err);
	return r < 0 ? r : name_image(x, err);
}

/* ---------------------------------------------------------------- saying */

static void list(struct wh_buf *out, const char *what, const json_t *names)
{
	if (!json_array_size(names))
		return;
	wh_buf_addf(out, "%-10s ", what);
	for (size_t i = 0; i < json_array_size(names); i++) {
		if (i == 12) {
			wh_buf_addf(out, " and %zu more", json_array_size(names) - i);
			break;
		}
		wh_buf_adds(out, i ? ", " : "");
		wh_text_add_short(out, json_string_value(json_array_get(names, i)));
	}
	wh_buf_addc(out, '\n');
}

static void tell(const struct restore *x, struct wh_buf *out)
{
	const json_t *restored = json_object_get(x->doc, "restored");
	size_t asked = 0, needed = 0, n = json_array_size(restored);
	char digest[WH_DIGEST_TEXT];

	wh_digest_text(&x->image.manifest, digest);
	if (x->flags->quiet) {
		wh_buf_addf(out, "%s\n", digest);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const char *rule = wh_json_str(json_array_get(restored, i), "rule");

		asked += wh_streq(rule, "keep");
		needed += !wh_streq(rule, "keep") && !wh_streq(rule, "parent") && !wh_streq(rule, "package");
	}
	wh_buf_addf(out, "image      %s\n", digest);
	wh_buf_addf(out, "id         %s\n", wh_digest_text(&x->image.config_digest, digest));
	for (size_t i = 0; i < x->names.n; i++)
		wh_buf_addf(out, "name       %s\n", x->names.v[i]);
	if (x->flags->all)
		wh_buf_addf(out, "restored   %zu paths, all that PRUNE took away\n", n);
	else
		wh_buf_addf(out, "restored   %zu paths: %zu asked for, %zu that they need%s\n", n, asked, needed,
			    x->flags->exact ? " (links; --exact)" : "");
	list(out, "packages", json_object_get(x->doc, "packages"));
	list(out, "shells", json_object_get(x->doc, "shells"));
	list(out, "set-id", json_object_get(x->doc, "setid"));
	wh_buf_adds(out, "note       what was proved of the pruned image is not proved of this one\n");
}

/* ---------------------------------------------------------------- the command */

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct restore *x = arg;
	int r;

	x->progress = x->flags->quiet ? NULL : wh_progress_new_for(stderr);
	r = find(x, inner, err);
	if (r == 0)
		r = restore(x, err);
	wh_progress_finish(x->progress);
	if (r == 0)
		tell(x, out);
	wh_progress_free(x->progress);
	wh_artifacts_release(&x->made);
	wh_artifacts_release(&x->attached);
	wh_cli_removed_release(&x->removed);
	wh_image_release(&x->image);
	json_decref(x->doc);
	wh_cli_contents_release(&x->of);
	return r;
}

static int check(struct restore *x, const struct wh_strv *args, struct wh_err **err)
{
	const struct flags *f = x->flags;
	int r = 0;

	for (size_t i = 1; i < args->n; i++)
		wh_strv_add(&x->paths, args->v[i]);
	if (f->all && (x->paths.n || f->exact))
		return wh_cli_misuse(err, "--all puts everything back: no paths then, and no --exact");
	if (!f->all && !x->paths.n)
		return wh_cli_misuse(err, "whittle restore wants an image and the paths to put back, or --all");
	for (size_t i = 0; i < x->paths.n; i++)
		if (x->paths.v[i][0] != '/')
			return wh_cli_misuse(err, "\"%s\": a path begins with a slash", x->paths.v[i]);
	for (size_t i = 0; i < f->tags.n && r == 0; i++) {
		char *full = NULL;

		r = wh_reference_normalize(f->tags.v[i], &full, err);
		if (r == 0 && strchr(full, '@'))
			r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\": a digest cannot be given as a name", f->tags.v[i]);
		if (full)
			wh_strv_take(&x->names, full);
	}
	return r < 0 ? r : wh_cli_image_layout(x->ref, &x->layout, err);
}

static int command(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct restore x = {.flags = flags, .ref = args->v[0]};
	int r = check(&x, args, err);

	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	if (r == 0)
		r = wh_cli_with_registry(inside, &x, out, err);
	wh_strv_release(&x.paths);
	wh_strv_release(&x.names);
	free(x.layout);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, command);
}

const struct wh_command wh_cmd_restore = {
	.name = "restore",
	.args = "IMAGE PATH…",
	.summary = "Make an image with paths back that PRUNE took away",
	.about = "Takes the paths (globs allowed) and what they need, libraries, interpreters and shells, from what build --keep-removed\n"
		 "kept beside the image, and makes a new image: one layer more, same config. IMAGE, a name in the store, oci:DIR[:TAG] or\n"
		 "oci-layout://DIR[:TAG][@DIGEST], stays as it is. The new image has an SBOM of its own; verdict and report of the pruned\n"
		 "one do not hold for it and do not come along. Set-id bits of what comes back are as they were before PRUNE.",
	.examples = "  whittle restore shop:1.4 /bin/sh -t shop:debug\n"
		    "  whittle restore shop:1.4 '/usr/share/zoneinfo/**' /usr/bin/curl -t shop:more\n"
		    "  whittle restore shop:1.4 --all -t shop:debug",
	.options = options,
	.min_args = 1,
	.max_args = 10000,
	.args_wanted = "an image and the paths to put back",
	.run = run,
};
