/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listing.h"

#include <errno.h>
#include <time.h>

struct flags {
	bool man;
	const char *completion, *root;
};

#define AT(field) offsetof(struct flags, field)

/* For the build of this program, and for the completion itself: no word of them in the help. */
static const char *const completions[] = {"bash", "images", NULL};
static const struct wh_option options[] = {
	{"completion", 0, WH_OPT_TEXT, AT(completion), "SHELL", NULL, completions},
	{"man", 0, WH_OPT_FLAG, AT(man), NULL, NULL, NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", NULL, NULL},
	{0},
};

/* The day of SOURCE_DATE_EPOCH, else today. */
static int page_date(char ret[16], struct wh_err **err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	int64_t epoch = INT64_MAX;
	struct tm tm;
	time_t t;
	int r = text ? wh_epoch_parse(text, &epoch, err) : 0;

	if (r < 0)
		return r;
	t = epoch == INT64_MAX ? time(NULL) : (time_t)epoch;
	if (!gmtime_r(&t, &tm) || !strftime(ret, 16, "%Y-%m-%d", &tm))
		return wh_err_set(err, "cli", WH_ERR_USAGE, ERANGE, "SOURCE_DATE_EPOCH is beyond all years");
	return 0;
}

static int manual(const struct wh_command *about, struct wh_buf *out, struct wh_err **err)
{
	char date[16];
	int r = page_date(date, err);

	if (r == 0)
		wh_manual_page(about, date, out);
	return r;
}

/* Names as people type them; no word of what goes wrong, as this is asked for with every press of a key. */
static void image_names(const char *root, struct wh_buf *out)
{
	WH_CLEANUP(wh_inventory_release) struct wh_inventory l = {0};
	struct wh_store *s = NULL;

	if (wh_cli_store_look(root, &s, NULL) == 0 && s && wh_inventory_read(s, false, &l, NULL) == 0)
		for (size_t i = 0; i < l.n; i++) {
			WH_AUTO_FREE char *repository = NULL;
			WH_AUTO_FREE char *tag = NULL;

			wh_cli_name_split(l.v[i].name, &repository, &tag);
			wh_text_add_safe(out, repository, strlen(repository));
			wh_buf_addc(out, ':');
			wh_text_add_safe(out, tag, strlen(tag));
			wh_buf_addc(out, '\n');
		}
	if (s)
		wh_store_close(s);
}

static int help(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	const struct wh_command *about = args->n ? wh_command_find(args->v[0]) : NULL;

	if (args->n && !about)
		return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "no command \"%s\"; see whittle help", args->v[0]);
	if (f->man)
		return manual(about, out, err);
	if (wh_streq(f->completion, "bash"))
		wh_manual_bash(out);
	else if (f->completion)
		image_names(f->root, out);
	else if (about)
		wh_options_help(about, out);
	else
		wh_commands_help(out);
	return 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, help);
}

const struct wh_command wh_cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "Show the commands, or what one of them takes",
	.examples = "  whittle help\n"
		    "  whittle help build",
	.options = options,
	.max_args = 1,
	.args_wanted = "at most one command",
	.run = run,
};
