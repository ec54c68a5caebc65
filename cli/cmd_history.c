/* SPDX-License-Identifier: Apache-2.0 */
/* whittle history: how an image came about, the newest step first. */
#include "cli/gc.h"
#include "cli/listing.h"

#include <errno.h>

#define SHORT_STEP 45 /* columns that docker leaves for it */

struct flags {
	const char *root, *format, *platform;
	bool whole, quiet;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, AT(format), "FORMAT", "table (default) or json: an object a line", wh_cli_formats},
	{"no-trunc", 0, WH_OPT_FLAG, AT(whole), NULL, "Show ids and steps as a whole", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but ids", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

struct line {
	const char *id; /* of the image: of its newest step alone; else "<missing>", as docker has it */
	const char *created, *by, *comment;
	bool known; /* the size */
	uint64_t size;
};

static const char *text_of(const json_t *step, const char *key)
{
	const char *s = wh_json_str(step, key);

	return s ? s : "";
}

static int add_size(struct wh_store *s, const struct wh_layer *l, struct line *ret, struct wh_err **err)
{
	int r = wh_layer_unpacked(s, l, &ret->size, err);

	ret->known = r == 0;
	return r == -ENOENT ? 0 : r;
}

/* Lowest first, as the config has them. Layers that no line of the history speaks of have lines of their own. */
static int read_lines(struct wh_store *s, const struct wh_image *i, struct line **ret, size_t *ret_n, struct wh_err **err)
{
	const json_t *history = json_object_get(i->config, "history"), *step;
	size_t n = 0, cap = 0, layer = 0, k;
	struct line *v = NULL;
	int r = 0;

	json_array_foreach (history, k, step) {
		struct line *l = &WH_PUSH(v, n, cap);

		*l = (struct line){.id = "<missing>", .created = text_of(step, "created"), .by = text_of(step, "created_by"), .comment = text_of(step, "comment")};
		l->known = json_is_true(json_object_get(step, "empty_layer"));
		if (!l->known && layer < i->n_layers)
			r = add_size(s, &i->layers[layer++], l, err);
		if (r < 0)
			break;
	}
	for (; layer < i->n_layers && r == 0; layer++) {
		struct line *l = &WH_PUSH(v, n, cap);

		*l = (struct line){.id = "<missing>", .created = "", .by = "", .comment = ""};
		r = add_size(s, &i->layers[layer], l, err);
	}
	if (r < 0) {
		free(v);
		return r;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

/* docker's short form: as many characters as there is room for, the last of them an ellipsis. */
static char *short_step(const char *by, bool whole)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t n = 0;

	/* One line, whatever is in it. */
	for (const char *p = by; *p; p++)
		wh_buf_addc(&b, *p == '\n' || *p == '\t' ? ' ' : *p);
	if (whole || wh_text_columns(b.p ? b.p : "", b.n) <= SHORT_STEP)
		return wh_buf_take(&b);
	for (size_t k = 0; n < b.n && k < SHORT_STEP - 1; k++)
		for (n++; n < b.n && ((unsigned char)b.p[n] & 0xc0) == 0x80; n++)
			;
	b.p[n] = '\0';
	return wh_asprintf("%s…", b.p);
}

static void tell_table(const struct flags *f, const struct line *v, size_t n, struct wh_buf *out)
{
	WH_CLEANUP(wh_cli_table_release) struct wh_cli_table t = {.columns = 5};
	static const char *const heads[] = {"IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(heads); i++)
		wh_cli_table_cell(&t, heads[i]);
	for (size_t i = n; i-- > 0;) {
		WH_AUTO_FREE char *since = wh_cli_since(v[i].created);
		WH_AUTO_FREE char *by = short_step(v[i].by, f->whole);
		WH_AUTO_FREE char *size = v[i].known ? wh_cli_size((int64_t)v[i].size) : NULL;

		wh_cli_table_cell(&t, v[i].id);
		wh_cli_table_cell(&t, since);
		wh_cli_table_cell(&t, by);
		wh_cli_table_cell(&t, size);
		wh_cli_table_cell(&t, v[i].comment);
	}
	wh_cli_table_print(&t, out);
}

static void tell_json(const struct line *v, size_t n, struct wh_buf *out)
{
	for (size_t i = n; i-- > 0;) {
		WH_AUTO_FREE char *since = wh_cli_since(v[i].created);
		WH_AUTO_FREE char *size = v[i].known ? wh_cli_size((int64_t)v[i].size) : NULL;
		WH_AUTO_JSON json_t *o = json_object();

		json_object_set_new(o, "ID", json_string(v[i].id));
		json_object_set_new(o, "CreatedAt", json_string(v[i].created));
		json_object_set_new(o, "CreatedSince", json_string(since));
		json_object_set_new(o, "CreatedBy", json_string(v[i].by));
		json_object_set_new(o, "Size", size ? json_string(size) : json_null());
		json_object_set_new(o, "Bytes", v[i].known ? json_integer((json_int_t)v[i].size) : json_null());
		json_object_set_new(o, "Comment", json_string(v[i].comment));
		wh_cli_json(o, 0, out);
	}
}

static int history(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	WH_AUTO_FREE char *id = NULL;
	WH_AUTO_FREE struct line *v = NULL;
	struct wh_image image = {0};
	struct wh_store *s = NULL;
	size_t n = 0;
	int r = wh_cli_image_open(args->v[0], f->root, f->platform, &s, &image, err);

	if (r < 0)
		return r;
	id = wh_cli_id(&image.config_digest, f->whole);
	r = read_lines(s, &image, &v, &n, err);
	if (r == 0 && n)
		v[n - 1].id = id;
	if (r == 0 && f->quiet)
		for (size_t i = n; i-- > 0;)
			wh_buf_addf(out, "%s\n", v[i].id);
	else if (r == 0 && wh_streq(f->format, "json"))
		tell_json(v, n, out);
	else if (r == 0)
		tell_table(f, v, n, out);
	wh_image_release(&image);
	wh_store_close(s);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, history);
}

const struct wh_command wh_cmd_history = {
	.name = "history",
	.args = "IMAGE",
	.summary = "Show the steps that an image was made of",
	.about = "IMAGE is a name or an id in the store, or oci:DIR[:TAG]. SIZE is what docker shows, the bytes of the files\n"
		 "that the step's layer holds; \"-\" where nobody has read the layer yet.",
	.examples = "  whittle history --no-trunc shop:1.4",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "exactly one image",
	.run = run,
};
