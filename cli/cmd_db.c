/* SPDX-License-Identifier: Apache-2.0 */
/* whittle db import FILE…, whittle db info: the vulnerability database of the store. */
#include "cli/cli.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>
#include <inttypes.h>

struct flags {
	const char *root, *format;
};

static const char *const formats[] = {"table", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "table (default) or json, for info",
	 formats},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* Each file is a transaction of its own: what was said to be imported stays when a later one is damaged. */
static int import(struct wh_vulndb *db, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	for (size_t i = 1; i < args->n; i++) {
		uint64_t taken, skipped;
		int r = wh_vulndb_import(db, args->v[i], &taken, &skipped, err);

		if (r < 0)
			return r;
		wh_text_add_short(out, args->v[i]);
		wh_buf_addf(out, ": %" PRIu64 " records taken", taken);
		if (skipped)
			wh_buf_addf(out, ", %" PRIu64 " left out (the database has them, or newer ones)", skipped);
		wh_buf_addc(out, '\n');
	}
	return 0;
}

static void info_json(const struct wh_vulndb_info *i, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_object();
	char text[WH_DIGEST_TEXT];
	json_t *list;

	json_object_set_new(o, "present", json_boolean(i->present));
	if (i->present) {
		list = json_array();
		for (size_t k = 0; k < i->ecosystems.n; k++)
			json_array_append_new(list, json_string(i->ecosystems.v[k]));
		json_object_set_new(o, "records", json_integer((json_int_t)i->records));
		json_object_set_new(o, "affected", json_integer((json_int_t)i->affected));
		json_object_set_new(o, "withdrawn", json_integer((json_int_t)i->withdrawn));
		json_object_set_new(o, "ecosystems", list);
		json_object_set_new(o, "digest", json_string(wh_digest_text(&i->digest, text)));
		json_object_set_new(o, "date", i->newest ? json_string(i->newest) : json_null());
	}
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

static void info_table(const struct wh_vulndb_info *i, struct wh_buf *out)
{
	char text[WH_DIGEST_TEXT];

	if (!i->present) {
		wh_buf_adds(out, "no vulnerability database: whittle db import FILE makes one\n");
		return;
	}
	wh_buf_addf(out, "records     %" PRIu64 " (%" PRIu64 " withdrawn)\n", i->records, i->withdrawn);
	wh_buf_addf(out, "affected    %" PRIu64 " packages\n", i->affected);
	for (size_t k = 0; k < i->ecosystems.n; k++) {
		wh_buf_adds(out, k ? "            " : "ecosystems  ");
		wh_text_add_short(out, i->ecosystems.v[k]);
		wh_buf_addc(out, '\n');
	}
	wh_buf_addf(out, "newest      %s\n", i->newest ? i->newest : "-");
	wh_buf_addf(out, "digest      %s\n", wh_digest_text(&i->digest, text));
}

static int info(struct wh_vulndb *db, const struct flags *f, struct wh_buf *out, struct wh_err **err)
{
	struct wh_vulndb_info i;
	int r = wh_vulndb_info(db, &i, err);

	if (r < 0)
		return r;
	if (wh_streq(f->format, "json"))
		info_json(&i, out);
	else
		info_table(&i, out);
	wh_vulndb_info_release(&i);
	return 0;
}

static int check(const struct wh_strv *args, struct wh_err **err)
{
	static const char *const words[] = {"import", "info"};
	const char *word = args->v[0], *near = wh_nearest(word, words, WH_ARRAY_SIZE(words));

	if (wh_streq(word, "import"))
		return args->n > 1 ? 0
				   : wh_err_set(err, "cli", WH_ERR_USAGE, 0,
						"a file or directory wanted; see whittle db --help");
	if (wh_streq(word, "info"))
		return args->n == 1 ? 0 : wh_err_set(err, "cli", WH_ERR_USAGE, 0, "db info takes no further words");
	if (near)
		return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "db has no \"%s\"; did you mean \"%s\"?", word, near);
	return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "db has no \"%s\", only import and info", word);
}

static int db(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	struct wh_store *s = NULL;
	struct wh_vulndb *v = NULL;
	int r = check(args, err);

	if (r == 0)
		r = wh_cli_store_open(f->root, &s, err);
	if (r == 0)
		r = wh_vulndb_open(s, &v, err);
	if (r == 0)
		r = wh_streq(args->v[0], "info") ? info(v, f, out, err) : import(v, args, out, err);
	if (v)
		wh_vulndb_close(v);
	if (s)
		wh_store_close(s);
	if (r < 0) /* what was done before something failed */
		(void)wh_cli_say(out);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, db);
}

const struct wh_command wh_cmd_db = {
	.name = "db",
	.args = "import FILE|DIR… | info",
	.summary = "Import vulnerability records, or tell what there is",
	.about =
		"import takes records in OSV's format: a file of JSON (one record, or one a line), a zip of such files, either\n"
		"compressed with gzip, xz or zstd, or a directory of them. A record replaces an older one of its id. A file is\n"
		"taken whole or not at all. Builds and scans use what is in the database; nothing is fetched.",
	.examples = "  whittle db import debian.zip\n"
		    "  whittle db info",
	.options = options,
	.min_args = 1,
	.max_args = 1000,
	.args_wanted = "\"import\" with files, or \"info\"",
	.run = run,
};
