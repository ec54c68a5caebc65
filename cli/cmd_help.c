/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

static int help(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct wh_command *about = args->n ? wh_command_find(args->v[0]) : NULL;

	(void)flags;
	if (args->n && !about)
		return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "no command \"%s\"; see whittle help", args->v[0]);
	if (about)
		wh_options_help(about, out);
	else
		wh_commands_help(out);
	return 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	return wh_command_main(c, argc, argv, NULL, help);
}

const struct wh_command wh_cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "Show the commands, or what one of them takes",
	.max_args = 1,
	.args_wanted = "at most one command",
	.run = run,
};
