/* SPDX-License-Identifier: Apache-2.0 */
/* whittle gc: removes from the store what nothing needs, and what was not used for long. */
#include "cli/gc.h"
#include "cli/registry_service.h"

#include <errno.h>

#define DEFAULT_AGE (7 * 86400)

struct flags {
	const char *root, *format, *keep, *max_used, *older;
	struct wh_strv filters;
	bool all, dry, force, quiet;
};
struct job {
	const struct flags *flags;
	struct wh_gc_policy policy;
};

static const char *const formats[] = {"table", "json", NULL};
static const struct wh_option options[] = {
	{"all", 'a', WH_OPT_FLAG, offsetof(struct flags, all), NULL,
	 "Everything that no image with a name needs, whatever its age", NULL},
	{"dry-run", 0, WH_OPT_FLAG, offsetof(struct flags, dry), NULL, "Tell what would go, and remove nothing", NULL},
	{"filter", 0, WH_OPT_LIST, offsetof(struct flags, filters), "until=AGE",
	 "The same as --older-than, as docker has it", NULL},
	{"force", 'f', WH_OPT_NOTHING, offsetof(struct flags, force), NULL, "Nothing is asked in any case", NULL},
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "table (default) or json", formats},
	{"keep-storage", 0, WH_OPT_TEXT, offsetof(struct flags, keep), "SIZE",
	 "Remove what was used least lately, until the\ncache takes no more than this (\"20g\")", NULL},
	{"max-used-space", 0, WH_OPT_TEXT, offsetof(struct flags, max_used), "SIZE",
	 "The same as --keep-storage, as buildx has it", NULL},
	{"older-than", 0, WH_OPT_TEXT, offsetof(struct flags, older), "AGE",
	 "Only what was not used for so long (\"36h\", \"7d\")", NULL},
	{"quiet", 'q', WH_OPT_FLAG, offsetof(struct flags, quiet), NULL, "Print the number of bytes alone", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int set_age(const char *text, bool *given, struct wh_gc_policy *p, struct wh_err **err)
{
	if (*given)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle gc: the age is given twice");
	*given = true;
	return wh_age_parse(text, &p->age) ? 0
					   : wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
							"whittle gc: \"%s\" is no age like 36h, 7d or 1h30m", text);
}

static int read_policy(const struct flags *f, struct wh_gc_policy *p, struct wh_err **err)
{
	const char *size = f->keep ? f->keep : f->max_used;
	bool given = false;
	int r = 0;

	*p = (struct wh_gc_policy){.by_size = size != NULL};
	if (f->keep && f->max_used)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
				  "whittle gc: --keep-storage and --max-used-space are one and the same");
	if (size && !wh_size_parse(size, &p->keep))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle gc: \"%s\" is no size like 500m or 20g",
				  size);
	if (f->older)
		r = set_age(f->older, &given, p, err);
	for (size_t i = 0; i < f->filters.n && r == 0; i++) {
		if (!wh_has_prefix(f->filters.v[i], "until="))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
					  "whittle gc: there is no filter \"%s\", only until=AGE", f->filters.v[i]);
		r = set_age(f->filters.v[i] + strlen("until="), &given, p, err);
	}
	if (r < 0)
		return r;
	if (f->all && given)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle gc: --all goes by no age");
	if (!given && !f->all && !size)
		p->age = DEFAULT_AGE;
	return 0;
}

static void tell_table(const struct wh_gc_sum *there, const struct wh_gc_sum *gone, bool dry, struct wh_buf *out)
{
	WH_AUTO_FREE char *total = wh_cli_size(gone->all.bytes);
	WH_AUTO_FREE char *left = wh_cli_size(there->all.bytes - gone->all.bytes);

	for (size_t k = 0; k < WH_GC_KINDS; k++) {
		const struct wh_gc_count *c = &gone->kinds[k];
		WH_AUTO_FREE char *size = wh_cli_size(c->bytes);

		if (c->items || c->bytes)
			wh_buf_addf(out, "%-18s  %7llu  %10s\n", wh_gc_kind_name((enum wh_gc_kind)k),
				    (unsigned long long)c->items, size);
	}
	wh_buf_addf(out, "%s: %s (%lld bytes)\n", dry ? "Would be reclaimed" : "Total reclaimed space", total,
		    (long long)gone->all.bytes);
	wh_buf_addf(out, "%s: %s (%lld bytes)\n", dry ? "Would be left" : "Left in the store", left,
		    (long long)(there->all.bytes - gone->all.bytes));
}

static void tell_json(const struct wh_gc *g, const struct wh_gc_sum *there, const struct wh_gc_sum *gone, bool dry,
		      struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_object();

	json_object_set_new(o, "dryRun", json_boolean(dry));
	json_object_set_new(o, "items", json_integer((json_int_t)gone->all.items));
	json_object_set_new(o, "bytes", json_integer((json_int_t)gone->all.bytes));
	json_object_set_new(o, "left", json_integer((json_int_t)(there->all.bytes - gone->all.bytes)));
	json_object_set_new(o, "kinds", wh_cli_gc_kinds(gone, NULL));
	json_object_set_new(o, "unknown", g ? wh_cli_gc_unknown(g) : json_array());
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

static void tell(const struct flags *f, const struct wh_gc *g, struct wh_buf *out)
{
	struct wh_gc_sum there = {0}, gone = {0};

	if (g)
		wh_gc_sums(g, &there, &gone);
	if (f->quiet)
		wh_buf_addf(out, "%lld\n", (long long)gone.all.bytes);
	else if (wh_streq(f->format, "json"))
		tell_json(g, &there, &gone, f->dry, out);
	else
		tell_table(&there, &gone, f->dry, out);
	if (g && !f->quiet)
		wh_cli_gc_notes(g);
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	const struct job *j = arg;
	struct wh_gc *g = NULL;
	int r = wh_cli_gc_look(j->flags->root, !j->flags->dry, false, inner, &g, err);

	if (r < 0)
		return r;
	if (g)
		wh_gc_decide(g, &j->policy);
	if (g && !j->flags->dry) {
		r = wh_gc_run(g, wh_cache_forget, wh_gc_store(g), err);
		wh_cache_compact(wh_gc_store(g));
		wh_gc_settle(g);
	}
	tell(j->flags, g, out);
	if (r < 0) /* what was done before something failed */
		(void)wh_cli_say(out);
	wh_gc_free(g);
	return r;
}

static int gc(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {.flags = flags};
	int r = read_policy(j.flags, &j.policy, err);

	(void)args;
	return r < 0 ? r : wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, gc);
}

const struct wh_command wh_cmd_gc = {
	.name = "gc",
	.summary = "Remove from the store what is no longer used",
	.about =
		"Images with a name, with what is attached to them, stay. What nothing needs any more goes in any case, and\n"
		"of the logs of failed steps those that are older than 7 days, and all but the newest 100. Of\n"
		"the rest (cache records with their layers, images without a name, unpacked layers, cache mounts, fetched\n"
		"sources) goes what was not used for 7 days; with --older-than, for so long; with --keep-storage, what was\n"
		"used least lately, until this rest takes no more than SIZE (together with --older-than: only as old as\n"
		"that); with --all everything.\n"
		"Builds may run meanwhile: what they asked for since they began stays, and nobody waits for them.\n"
		"Sizes are blocks on disk, each file once, directories included; see whittle du.",
	.examples = "  whittle gc\n"
		    "  whittle gc --keep-storage 20g\n"
		    "  whittle gc --older-than 36h --dry-run",
	.options = options,
	.run = run,
};
