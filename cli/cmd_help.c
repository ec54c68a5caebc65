/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	const struct wh_command *about = NULL;
	bool help;

	if (wh_options_parse(c, argc, argv, NULL, &args, &help, &err) < 0)
		return wh_err_report(err);
	if (help) {
		about = c;
	} else if (args.n) {
		about = wh_command_find(args.v[0]);
		if (!about) {
			wh_err_set(&err, "cli", WH_ERR_USAGE, 0, "no command \"%s\"; see whittle help", args.v[0]);
			return wh_err_report(err);
		}
	}
	if (about)
		wh_options_help(about, &out);
	else
		wh_commands_help(&out);
	return wh_cli_say(&out);
}

const struct wh_command wh_cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "Show the commands, or what one of them takes",
	.max_args = 1,
	.args_wanted = "at most one command",
	.run = run,
};
