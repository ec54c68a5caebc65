/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>

int wh_cli_say(const struct wh_buf *text)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = wh_write_all(STDOUT_FILENO, text->p, text->n);

	if (!r)
		return 0;
	wh_err_sys(&err, "cli", WH_ERR_ENV, -r, "write to standard output");
	return wh_err_report(err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	bool help;

	if (wh_options_parse(c, argc, argv, NULL, &args, &help, &err) < 0)
		return wh_err_report(err);
	if (help)
		wh_options_help(c, &out);
	else
		wh_buf_adds(&out, "whittle " PACKAGE_VERSION "\n");
	return wh_cli_say(&out);
}

const struct wh_command wh_cmd_version = {
	.name = "version",
	.summary = "Show the version",
	.run = run,
};
