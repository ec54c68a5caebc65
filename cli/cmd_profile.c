/* SPDX-License-Identifier: Apache-2.0 */
/* whittle profile WORD …: profiles as documents, and what is made of them. */
#include "cli/cmd_profile.h"

static const struct wh_command *const subs[] = {&wh_cmd_profile_show, &wh_cmd_profile_merge, &wh_cmd_profile_check,
						  &wh_cmd_profile_runtime};

static const char *word_of(const struct wh_command *c)
{
	return c->name + strlen("profile ");
}

static int profile(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const char *names[WH_ARRAY_SIZE(subs)], *near;

	(void)flags;
	(void)out;
	for (size_t i = 0; i < WH_ARRAY_SIZE(subs); i++)
		names[i] = word_of(subs[i]);
	near = wh_nearest(args->v[0], names, WH_ARRAY_SIZE(subs));
	if (near)
		return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "profile has no \"%s\"; did you mean \"%s\"?", args->v[0], near);
	return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "profile has no \"%s\"; see whittle profile --help", args->v[0]);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(subs) && argc > 1; i++)
		if (wh_streq(argv[1], word_of(subs[i])))
			return subs[i]->run(subs[i], argc - 1, argv + 1);
	return wh_command_main(c, argc, argv, NULL, profile);
}

const struct wh_command wh_cmd_profile = {
	.name = "profile",
	.group = "Evidence",
	.args = "show|merge|check|runtime …",
	.summary = "Profiles as documents, and what is made of them",
	.about = "  show IMAGE          what the image's application was seen to use\n"
		 "  merge FILE…         several profiles as one: of test shards, platforms, staging\n"
		 "  check FILE…         is it a profile?\n"
		 "  runtime IMAGE DIR   what a runtime is to be told: seccomp, Landlock, AppArmor, Kubernetes, docker, OCI\n\n"
		 "\"whittle profile WORD --help\" says more about each.",
	.examples = "  whittle profile show shop:1.4 > shop.profile.json\n"
		    "  whittle profile runtime shop:1.4 ./runtime",
	.min_args = 1,
	.max_args = 64,
	.args_wanted = "a word",
	.run = run,
};
