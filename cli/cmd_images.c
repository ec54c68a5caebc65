/* SPDX-License-Identifier: Apache-2.0 */
/* whittle images: what the store has. */
#include "base/match.h"
#include "cli/gc.h"
#include "cli/listing.h"
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *format;
	bool all, digests, whole, quiet;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"all", 'a', WH_OPT_FLAG, AT(all), NULL, "Those without a name, too: results of builds without --tag, bases", NULL},
	{"digests", 0, WH_OPT_FLAG, AT(digests), NULL, "Show the manifests' digests", NULL},
	{"format", 0, WH_OPT_TEXT, AT(format), "FORMAT", "table (default) or json: an object a line", wh_cli_formats},
	{"no-trunc", 0, WH_OPT_FLAG, AT(whole), NULL, "Show ids as a whole", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but ids, each once", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* The newest first, as docker has it; equals by name, as they came. */
static int by_time(const void *a, const void *b)
{
	const struct wh_stored *x = *(const struct wh_stored *const *)a, *y = *(const struct wh_stored *const *)b;
	int64_t s = INT64_MIN, t = INT64_MIN;

	(void)wh_cli_time(x->created, &s);
	(void)wh_cli_time(y->created, &t);
	if (s != t)
		return s > t ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* A repository, a name, or a pattern of them; in the short form or the long one. */
static int meant(const struct wh_stored *e, const char *pattern, struct wh_err **err)
{
	WH_AUTO_FREE char *repository = NULL;
	WH_AUTO_FREE char *tag = NULL;
	WH_AUTO_FREE char *name = NULL;
	WH_AUTO_FREE char *plain = NULL;
	int r = 0;

	if (!e->name)
		return 0;
	wh_cli_name_split(e->name, &repository, &tag);
	name = wh_asprintf("%s:%s", repository, tag);
	plain = wh_strndup(e->name, strlen(e->name) - strlen(tag) - 1);
	for (size_t i = 0; i < 4 && r == 0; i++)
		r = wh_glob_match(pattern, i == 0 ? repository : i == 1 ? name : i == 2 ? plain : e->name);
	return r < 0 ? wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle images: \"%s\" is no good pattern", pattern) : r;
}

static char *size_text(const struct wh_stored *e)
{
	WH_AUTO_FREE char *size = wh_cli_size((int64_t)e->size);

	if (e->damaged)
		return wh_strdup("damaged");
	return e->here < e->size ? wh_asprintf("%s (in registry)", size) : WH_TAKE_PTR(size);
}

static char *platforms_text(const struct wh_stored *e)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (size_t i = 0; i < e->platforms.n; i++)
		wh_buf_addf(&b, "%s%s", i ? "," : "", e->platforms.v[i]);
	return b.n ? wh_buf_take(&b) : NULL;
}

static void tell_table(const struct flags *f, const struct wh_stored *const *v, size_t n, struct wh_buf *out)
{
	WH_CLEANUP(wh_cli_table_release) struct wh_cli_table t = {.columns = f->digests ? 7 : 6};
	static const char *const heads[] = {"REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "PLATFORM", "CREATED", "SIZE"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(heads); i++)
		if (i != 2 || f->digests)
			wh_cli_table_cell(&t, heads[i]);
	for (size_t i = 0; i < n; i++) {
		const struct wh_stored *e = v[i];
		WH_AUTO_FREE char *repository = NULL;
		WH_AUTO_FREE char *tag = NULL;
		WH_AUTO_FREE char *id = wh_cli_id(&e->id, f->whole);
		WH_AUTO_FREE char *since = wh_cli_since(e->created);
		WH_AUTO_FREE char *platforms = platforms_text(e);
		WH_AUTO_FREE char *size = size_text(e);
		char digest[WH_DIGEST_TEXT];

		if (e->name)
			wh_cli_name_split(e->name, &repository, &tag);
		wh_cli_table_cell(&t, repository ? repository : "<none>");
		wh_cli_table_cell(&t, tag ? tag : "<none>");
		if (f->digests)
			wh_cli_table_cell(&t, wh_digest_text(&e->manifest, digest));
		wh_cli_table_cell(&t, id);
		wh_cli_table_cell(&t, platforms);
		wh_cli_table_cell(&t, since);
		wh_cli_table_cell(&t, size);
	}
	wh_cli_table_print(&t, out);
}

static void tell_json(const struct wh_stored *e, struct wh_buf *out)
{
	WH_AUTO_FREE char *repository = NULL;
	WH_AUTO_FREE char *tag = NULL;
	WH_AUTO_FREE char *since = wh_cli_since(e->created);
	WH_AUTO_FREE char *size = wh_cli_size((int64_t)e->size);
	WH_AUTO_JSON json_t *o = json_object();
	char id[WH_DIGEST_TEXT], digest[WH_DIGEST_TEXT];
	json_t *platforms = json_array();

	if (e->name)
		wh_cli_name_split(e->name, &repository, &tag);
	for (size_t i = 0; i < e->platforms.n; i++)
		json_array_append_new(platforms, json_string(e->platforms.v[i]));
	json_object_set_new(o, "Repository", json_string(repository ? repository : "<none>"));
	json_object_set_new(o, "Tag", json_string(tag ? tag : "<none>"));
	json_object_set_new(o, "Digest", json_string(wh_digest_text(&e->manifest, digest)));
	json_object_set_new(o, "ID", json_string(wh_digest_text(&e->id, id)));
	json_object_set_new(o, "CreatedAt", e->created ? json_string(e->created) : json_null());
	json_object_set_new(o, "CreatedSince", json_string(since));
	json_object_set_new(o, "Size", json_string(size));
	json_object_set_new(o, "Bytes", json_integer((json_int_t)e->size));
	json_object_set_new(o, "BytesHere", json_integer((json_int_t)e->here));
	json_object_set_new(o, "Platforms", platforms);
	json_object_set_new(o, "Index", json_boolean(e->index));
	if (e->origin)
		json_object_set_new(o, "Origin", json_string(e->origin));
	if (e->damaged)
		json_object_set_new(o, "Damaged", json_string(e->damaged));
	wh_cli_json(o, 0, out);
}

static void tell_ids(const struct flags *f, const struct wh_stored *const *v, size_t n, struct wh_buf *out)
{
	WH_AUTO_STRV struct wh_strv seen = {0};

	for (size_t i = 0; i < n; i++) {
		WH_AUTO_FREE char *id = wh_cli_id(&v[i]->id, f->whole);

		if (wh_strv_has(&seen, id))
			continue;
		wh_strv_add(&seen, id);
		wh_buf_addf(out, "%s\n", id);
	}
}

static int images(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	WH_CLEANUP(wh_inventory_release) struct wh_inventory all = {0};
	const struct wh_stored **v = NULL;
	struct wh_store *s = NULL;
	size_t n = 0, cap = 0;
	int r = wh_cli_store_look(f->root, &s, err);

	if (r == 0 && s)
		r = wh_inventory_read(s, f->all, &all, err);
	for (size_t i = 0; i < all.n && r >= 0; i++) {
		r = args->n ? meant(&all.v[i], args->v[0], err) : !all.v[i].part;
		if (r > 0)
			WH_PUSH(v, n, cap) = &all.v[i];
	}
	if (s)
		wh_store_close(s);
	if (r >= 0 && n)
		qsort(v, n, sizeof(*v), by_time);
	if (r >= 0 && f->quiet)
		tell_ids(f, v, n, out);
	else if (r >= 0 && wh_streq(f->format, "json"))
		for (size_t i = 0; i < n; i++)
			tell_json(v[i], out);
	else if (r >= 0)
		tell_table(f, v, n, out);
	free(v);
	return r < 0 ? r : 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, images);
}

const struct wh_command wh_cmd_images = {
	.name = "images",
	.args = "[NAME[:TAG] | PATTERN]",
	.summary = "List the images in the store",
	.about = "NAME alone means all its tags; in a PATTERN * and ? stand for what has no slash.\n"
		 "SIZE is the sum of an image's layers as they are stored, that is, compressed; layers that images share\n"
		 "are counted in each (whittle du says what is on the disk). \"(in registry)\": not all of them are\n"
		 "here; they are fetched when somebody needs them. Of an index, id and digest are the index's own.",
	.examples = "  whittle images\n"
		    "  whittle images --format json 'registry.example/*'",
	.options = options,
	.max_args = 1,
	.args_wanted = "at most one name",
	.run = run,
};
