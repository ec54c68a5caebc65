/* SPDX-License-Identifier: Apache-2.0 */
/* whittle check: what the rules find in a Dockerfile, and whether it could be built. */
#include "cli/call.h"
#include "cli/context.h"

#include <errno.h>

struct flags {
	const char *file, *format, *target, *root;
	struct wh_strv build_args, contexts, platforms;
};

static const char *const formats[] = {"text", "json", NULL};

static const struct wh_option options[] = {
	{"build-arg", 0, WH_OPT_LIST, offsetof(struct flags, build_args), "KEY[=VALUE]",
	 "Value for an ARG (as for build); BUILDKIT_DOCKERFILE_CHECK=…\nstands for the check directive", NULL},
	{"build-context", 0, WH_OPT_LIST, offsetof(struct flags, contexts), "NAME=REF",
	 "A further context (as for build)", NULL},
	{"file", 'f', WH_OPT_TEXT, offsetof(struct flags, file), "FILE",
	 "The Dockerfile (default CONTEXT/Dockerfile); - is standard input", NULL},
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORM", "text (default) or json", formats},
	{"platform", 0, WH_OPT_LIST, offsetof(struct flags, platforms), "OS/ARCH",
	 "The platform to check for (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build); none need be there",
	 NULL},
	{"target", 0, WH_OPT_TEXT, offsetof(struct flags, target), "STAGE",
	 "Only what this stage needs (default: all stages)", NULL},
	{0},
};

/* The argument may be the Dockerfile itself. Then its directory is the context. */
static int place(const char *arg, struct wh_build_flags *b, struct wh_strv *context, struct wh_err **err)
{
	struct stat st;
	bool input = wh_streq(arg, "-"), file = input || (stat(arg, &st) == 0 && !S_ISDIR(st.st_mode));

	if (file && b->file)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\" is a file, and --file names another", arg);
	if (file)
		b->file = arg;
	if (input)
		wh_strv_add(context, ".");
	else if (file)
		wh_strv_take(context, wh_path_dir(arg));
	else
		wh_strv_add(context, arg);
	return 0;
}

static int check(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct flags *f = flags;
	/* What build takes, it takes in the same way. Its store is not asked for: a check may be without one. */
	struct wh_build_flags b = {.file = f->file,
				   .target = f->target,
				   .root = "/",
				   .build_args = f->build_args,
				   .contexts = f->contexts,
				   .platforms = f->platforms};
	const struct wh_call call = {.name = WH_CALL_LINT, .json = wh_streq(f->format, "json"), .ignore_status = true};
	WH_AUTO_STRV struct wh_strv context = {0};
	struct wh_build_spec spec = {0};
	int r = place(args->n ? args->v[0] : ".", &b, &context, err);

	(void)out;
	if (r == 0)
		r = wh_build_spec_make(&b, &context, &spec, err);
	if (r == 0 && wh_context_is_foreign(&spec)) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "check fetches nothing: \"%s\" is not on this machine",
			       spec.context_kind == WH_CONTEXT_DIR ? spec.file : spec.context_shown);
		wh_err_hint(err, "whittle build --check fetches");
	}
	if (r == 0)
		r = wh_call_run(&call,
				&(struct wh_call_input){.context = spec.context,
							.context_shown = spec.context_shown,
							.file = spec.file,
							.contexts = spec.contexts,
							.n_contexts = spec.n_contexts,
							.build_args = &spec.build_args,
							.target = spec.target,
							.platform = spec.platforms.n ? spec.platforms.v[0] : NULL,
							.build_platform = spec.platform,
							.root = f->root},
				err);
	wh_build_spec_release(&spec);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, check);
}

const struct wh_command wh_cmd_check = {
	.name = "check",
	.args = "[CONTEXT|FILE]",
	.summary = "Look for mistakes in a Dockerfile, without building it",
	.about =
		"Runs the build checks (docs.docker.com/reference/build-checks) on all stages of the Dockerfile of the directory\n"
		"CONTEXT (default: this one), or of FILE, whose directory is the context then; - is standard input.\n"
		"Nothing is fetched: of base images that are neither in the store nor in a layout given with --build-context,\n"
		"nothing is known.\n\n"
		"A directive at the top of the file (# check=skip=RULE,RULE;error=true;experimental=all) or a comment above an\n"
		"instruction (# check=skip=RULE) chooses rules. Exit code: 0 with and without warnings; 1 where the directive says\n"
		"error=true and there are some, or the Dockerfile cannot be built. (build --check ends with 1 for any warning.)",
	.examples = "  whittle check\n"
		    "  whittle check --format json web/Dockerfile\n"
		    "  whittle check --build-arg BUILDKIT_DOCKERFILE_CHECK=error=true .",
	.options = options,
	.max_args = 1,
	.args_wanted = "at most one context directory or Dockerfile",
	.run = run,
};
