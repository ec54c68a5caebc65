/* SPDX-License-Identifier: Apache-2.0 */
/* whittle COMMAND …: finds the command in the table and runs it. */
#include "cli/cli.h"
#include "sandbox/sandbox.h"

const struct wh_command *const wh_commands[] = {
	&wh_cmd_build,
	&wh_cmd_run,
	&wh_cmd_profile,
	&wh_cmd_diff,
	&wh_cmd_prune,
	&wh_cmd_restore,
	&wh_cmd_check,
	&wh_cmd_explain,
	&wh_cmd_pull,
	&wh_cmd_push,
	&wh_cmd_login,
	&wh_cmd_logout,
	&wh_cmd_load,
	&wh_cmd_save,
	&wh_cmd_images,
	&wh_cmd_inspect,
	&wh_cmd_history,
	&wh_cmd_tag,
	&wh_cmd_rm,
	&wh_cmd_sbom,
	&wh_cmd_scan,
	&wh_cmd_db,
	&wh_cmd_keygen,
	&wh_cmd_sign,
	&wh_cmd_verify,
	&wh_cmd_du,
	&wh_cmd_gc,
	&wh_cmd_doctor,
	&wh_cmd_debug,
	&wh_cmd_version,
	&wh_cmd_help,
	NULL,
};

int main(int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	const char *word = argc > 1 ? argv[1] : "help";
	const char *names[WH_ARRAY_SIZE(wh_commands)];
	const struct wh_command *c;
	const char *near, *instead;
	size_t n = 0;

	wh_sandbox_init(argc, argv);
	if (wh_streq(word, "--version") || wh_streq(word, "-V"))
		word = "version";
	else if (wh_streq(word, "--help") || wh_streq(word, "-h"))
		word = "help";
	c = wh_command_find(word);
	if (c)
		return c->run(c, argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : argv);

	for (size_t i = 0; wh_commands[i]; i++)
		names[n++] = wh_commands[i]->name;
	near = wh_nearest(word, names, n);
	instead = wh_foreign_command(word);
	if (word[0] == '-') {
		wh_err_set(&err, "cli", WH_ERR_USAGE, 0, "option \"%s\" before the command", word);
		wh_err_hint(&err, "options follow the command: whittle build --root DIR …; $WHITTLE_ROOT is --root for all commands");
	} else if (instead) {
		wh_err_set(&err, "cli", WH_ERR_USAGE, 0, "unknown command \"%s\"; see whittle help", word);
		wh_err_hint(&err, "%s", instead);
	} else if (near) {
		wh_err_set(&err, "cli", WH_ERR_USAGE, 0, "unknown command \"%s\"; did you mean \"%s\"?", word, near);
	} else {
		wh_err_set(&err, "cli", WH_ERR_USAGE, 0, "unknown command \"%s\"; see whittle help", word);
	}
	return wh_err_report(err);
}
