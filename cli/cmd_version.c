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

static int version(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	(void)flags, (void)args, (void)err;
	wh_buf_adds(out, "whittle " PACKAGE_VERSION "\n");
	return 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	return wh_command_main(c, argc, argv, NULL, version);
}

const struct wh_command wh_cmd_version = {
	.name = "version",
	.summary = "Show the version",
	.examples = "  whittle version",
	.run = run,
};
