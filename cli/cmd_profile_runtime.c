/* SPDX-License-Identifier: Apache-2.0 */
/* whittle profile runtime IMAGE DIR: the least privileges of a pruned image, for those who enforce them. */
#include "cli/cmd_profile.h"
#include "cli/documents.h"
#include "evidence/evidence.h"

#include <errno.h>

struct flags {
	const char *root, *platform, *name;
};

static const struct wh_option options[] = {
	{"name", 0, WH_OPT_TEXT, offsetof(struct flags, name), "NAME",
	 "Of the application, for objects that need one (default: the\nimage's)", NULL},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which image of several (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

static const char *text_or(const json_t *o, const char *key, const char *other)
{
	return wh_json_str(o, key) ? wh_json_str(o, key) : other;
}

/* From the profiles in the prune report; nobody tried these. */
static int derive(struct wh_store *s, const struct wh_image *i, const json_t *report, json_t **ret, struct wh_err **err)
{
	json_t *list = json_object_get(report, "profiles"), *one;
	WH_AUTO_FREE const json_t **profiles = wh_calloc(json_array_size(list) + 1, sizeof(*profiles));
	const char *os = text_or(i->config, "os", "linux"), *arch = text_or(i->config, "architecture", "amd64");
	WH_AUTO_FREE char *platform = wh_asprintf("%s/%s", os, arch);
	struct wh_tree *tree = NULL;
	size_t k;
	int r = wh_tree_open(s, i->layers, i->n_layers, &tree, err);

	json_array_foreach (list, k, one)
		profiles[k] = json_object_get(one, "document");
	if (r == 0) {
		const struct wh_privileges_opts o = {.profiles = profiles,
						     .n_profiles = json_array_size(list),
						     .tree = tree,
						     .config = json_object_get(i->config, "config"),
						     .platform = platform,
						     .assumed = wh_syscalls_assumed,
						     .absent = wh_syscalls_absent};

		r = wh_privileges_make(&o, ret, err);
	}
	if (tree)
		wh_tree_close(tree);
	return r;
}

static int find(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *list, const char *ref, json_t **ret_privileges,
		json_t **ret_proof, struct wh_err **err)
{
	WH_AUTO_JSON json_t *runtime = wh_predicate_find(s, list, WH_PREDICATE_RUNTIME);
	WH_AUTO_JSON json_t *report = NULL;

	if (json_is_object(json_object_get(runtime, "privileges"))) {
		*ret_privileges = json_incref(json_object_get(runtime, "privileges"));
		*ret_proof = json_incref(json_object_get(runtime, "proof"));
		return 0;
	}
	report = wh_predicate_find(s, list, WH_PREDICATE_REPORT);
	if (json_is_array(json_object_get(report, "profiles")))
		return derive(s, i, report, ret_privileges, err);
	wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has no profile", ref);
	wh_err_hint(err, "images that PRUNE made have one; copies made by tools that leave referrers behind do not");
	return -ENODATA;
}

static int runtime(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts artifacts = {0};
	WH_AUTO_JSON json_t *privileges = NULL;
	WH_AUTO_JSON json_t *proof = NULL;
	WH_AUTO_FREE char *name = NULL;
	const struct flags *f = flags;
	struct wh_store *s = NULL;
	struct wh_image image = {0};
	int r = wh_cli_image_open(args->v[0], f->root, f->platform, &s, &image, err);

	if (r == 0)
		r = wh_cli_image_artifacts(args->v[0], s, &image, &artifacts, err);
	if (r == 0)
		r = find(s, &image, &artifacts, args->v[0], &privileges, &proof, err);
	if (r == 0) {
		name = f->name ? wh_strdup(f->name) : wh_name_of_image(args->v[0]);
		r = wh_runtime_out(args->v[1], privileges, proof, args->v[0], name, err);
	}
	if (r == 0)
		wh_buf_addf(out, "%s: %s\n", args->v[1],
			    proof ? "seccomp, capabilities, read-only root and what else proof.json names were proven when the image was built; "
				    "apparmor.profile was not"
				  : "unproven: nobody ran the tests under these; PRUNE --runtime=prove or build --runtime-out does");
	wh_image_release(&image);
	if (s)
		wh_store_close(s);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, runtime);
}

const struct wh_command wh_cmd_profile_runtime = {
	.name = "profile runtime",
	.args = "IMAGE DIR",
	.summary = "Write what a container runtime is to be told of a pruned image",
	.about = "Writes the least privileges that the image's application was seen to need into DIR, in the words of those who enforce\n"
		 "them: seccomp.json (OCI, docker, Kubernetes), landlock.json (landlockconfig), apparmor.profile,\n"
		 "kubernetes-patch.yaml, docker-run.args, oci-runtime.json; privileges.json is what all are made of, and proof.json says\n"
		 "what was enforced while the tests passed and what was taken away when they failed. IMAGE is a name in the store,\n"
		 "oci:DIR[:TAG] or oci-layout://DIR[:TAG].",
	.examples = "  whittle profile runtime shop:1.4 ./runtime\n"
		    "  docker run $(cat runtime/docker-run.args) shop:1.4        # in ./runtime",
	.options = options,
	.min_args = 2,
	.max_args = 2,
	.args_wanted = "an image and a directory",
	.run = run,
};
