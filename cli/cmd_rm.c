/* SPDX-License-Identifier: Apache-2.0 */
/* whittle rm, rmi: takes names away from images; what is left of them is gc's, or goes at once. */
#include "cli/gc.h"
#include "cli/registry_service.h"

#include <errno.h>
#include <sys/file.h>

struct flags {
	const char *root;
	bool force, gc, quiet, volume;
};

struct job {
	const struct flags *flags;
	const struct wh_strv *args;
	struct wh_strv names;   /* to be taken away */
	struct wh_digest *gone; /* manifests that lose all their names, and what an index among them has */
	size_t n, cap;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"force", 'f', WH_OPT_FLAG, AT(force), NULL, "Take away all names of what is named by its id; an image that\nis not there is no error", NULL},
	{"gc", 0, WH_OPT_FLAG, AT(gc), NULL, "Remove at once what only these images needed", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{"volume", 0, WH_OPT_FLAG, AT(volume), NULL, "The arguments are named volumes of whittle run: they are removed,\nwith what is in them", NULL},
	{0},
};

static void add_name(struct job *j, const char *name)
{
	if (!wh_strv_has(&j->names, name))
		wh_strv_add(&j->names, name);
}

/* The names of an image that was named by its id. */
static int add_all_names(struct job *j, const struct wh_inventory *all, const struct wh_stored *image, const char *ref, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].name && wh_digest_eq(&all->v[i].id, &image->id))
			wh_buf_addf(&text, "%s%s", n++ ? ", " : "", all->v[i].name);
	if (n > 1 && !j->flags->force) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EEXIST, "%s has %zu names: %.400s", ref, n, text.p);
		wh_err_hint(err, "say which of them, or --force for all");
		return r;
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].name && wh_digest_eq(&all->v[i].id, &image->id))
			add_name(j, all->v[i].name);
	return 0;
}

static int add(struct job *j, const struct wh_inventory *all, const char *ref, struct wh_err **err)
{
	const struct wh_stored *e = NULL;
	bool by_id;
	int r = wh_inventory_find(all, ref, &e, &by_id, err);

	if (r == -ENOENT && j->flags->force)
		return 0;
	if (r == -ENOENT)
		return wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT, "image %s: it is not in the store", ref);
	if (r < 0)
		return r;
	if (by_id)
		r = add_all_names(j, all, e, ref, err);
	else
		add_name(j, e->name);
	WH_PUSH(j->gone, j->n, j->cap) = e->manifest;
	return r;
}

/* Images that are left without any name, with the images of those that are indexes. Nothing is asked of the store for it: what was
 * used just now would not go. */
static void find_gone(struct job *j, const struct wh_inventory *all)
{
	size_t asked = j->n, n = 0;

	for (size_t i = 0; i < asked; i++) {
		bool named = false;

		for (size_t k = 0; k < all->n; k++)
			named |= all->v[k].name && wh_digest_eq(&all->v[k].manifest, &j->gone[i]) && !wh_strv_has(&j->names, all->v[k].name);
		if (!named)
			j->gone[n++] = j->gone[i];
	}
	j->n = n;
	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k < n; k++)
			for (size_t p = 0; p < all->v[i].n_parts && wh_digest_eq(&all->v[i].manifest, &j->gone[k]); p++)
				WH_PUSH(j->gone, j->n, j->cap) = all->v[i].parts[p];
}

static int take_names(struct job *j, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_inventory_release) struct wh_inventory all = {0};
	struct wh_store *s = NULL;
	int r = wh_cli_store_open(j->flags->root, &s, err);

	if (r == 0)
		r = wh_inventory_read(s, true, &all, err);
	for (size_t i = 0; i < j->args->n && r == 0; i++) {
		r = add(j, &all, j->args->v[i], err);
		if (r == -ENOENT)
			wh_store_hint_near(s, j->args->v[i], err);
	}
	if (r == 0)
		find_gone(j, &all);
	for (size_t i = 0; i < j->names.n && r == 0; i++) {
		WH_AUTO_FREE char *shown = NULL;

		r = wh_store_untag(s, j->names.v[i], err);
		if (r < 0)
			break;
		shown = wh_reference_familiar(j->names.v[i]);
		wh_buf_addf(out, "Untagged: %s%s\n", shown, strchr(wh_path_base(shown), ':') ? "" : ":latest");
	}
	if (s)
		wh_store_close(s);
	return r;
}

/* What goes of these images alone, beside what goes in any case. */
static int look(const struct job *j, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	const struct wh_digest none = {0};
	struct wh_gc_sum there, before = {0}, goes = {0};
	WH_AUTO_FREE char *size = NULL;
	struct wh_gc *g = NULL;
	int r = wh_cli_gc_look(j->flags->root, j->flags->gc, false, inner, &g, err);

	if (r < 0 || !g)
		return r;
	wh_gc_decide(g, &(struct wh_gc_policy){.only = &none, .n_only = 0});
	wh_gc_sums(g, &there, &before);
	wh_gc_decide(g, &(struct wh_gc_policy){.only = j->gone, .n_only = j->n});
	if (j->flags->gc)
		r = wh_gc_run(g, wh_cache_forget, wh_gc_store(g), err);
	wh_gc_sums(g, &there, &goes);
	if (!j->flags->gc)
		goes.all.bytes -= before.all.bytes;
	size = wh_cli_size(goes.all.bytes);
	if (j->flags->gc)
		wh_buf_addf(out, "Total reclaimed space: %s (%lld bytes)\n", size, (long long)goes.all.bytes);
	else
		wh_buf_addf(out, "Reclaimable: %s (%lld bytes) that nothing else needs\n", size, (long long)goes.all.bytes);
	wh_gc_free(g);
	return r;
}

/* ---------------------------------------------------------------- volumes */

static int remove_volume(struct wh_store *s, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("volumes/%s", name);
	WH_AUTO_FD int fd = -1;
	int r;

	if (!name[0] || name[0] == '.' || strchr(name, '/'))
		return wh_cli_misuse(err, "\"%s\" is no name of a volume", name);
	fd = wh_openat(wh_store_dirfd(s), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return wh_err_set(err, "cli", WH_ERR_USAGE, ENOENT, "there is no volume \"%s\"", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EBUSY, "the volume \"%s\" is in use", name);
	if (renameat2(wh_store_dirfd(s), path, wh_store_tmp_dirfd(s), name, RENAME_NOREPLACE) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "remove the volume \"%s\"", name);
	r = wh_rm_rf(wh_store_tmp_dirfd(s), name);
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "remove what is in the volume \"%s\"", name) : 0;
}

/* What is in them has other owners: within the user namespace. */
static int remove_volumes(const struct job *j, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct wh_store *s = NULL;
	int r = wh_cli_store_open(j->flags->root, &s, err);

	if (r == 0)
		r = wh_inner_enter(inner, err);
	for (size_t i = 0; i < j->args->n && r == 0; i++) {
		WH_AUTO_ERR struct wh_err *e = NULL;

		r = remove_volume(s, j->args->v[i], &e);
		if (r == -ENOENT && j->flags->force) {
			r = 0;
			continue;
		}
		if (r == 0 && !j->flags->quiet)
			wh_buf_addf(out, "Removed: %s\n", j->args->v[i]);
		wh_err_move(err, &e);
	}
	if (s)
		wh_store_close(s);
	return r;
}

/* ---------------------------------------------------------------- the command */

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct job *j = arg;
	int r;

	if (j->flags->volume)
		return remove_volumes(j, inner, out, err);
	r = take_names(j, out, err);
	if (j->flags->quiet)
		wh_buf_reset(out);
	if (r == 0 && j->n && !j->flags->gc && !j->flags->quiet) {
		/* Names that went are told, whatever becomes of the rest. */
		WH_AUTO_ERR struct wh_err *why = NULL;

		(void)look(j, inner, out, &why);
	} else if (r == 0 && j->n && j->flags->gc) {
		r = look(j, inner, out, err);
		if (j->flags->quiet)
			wh_buf_reset(out);
	}
	wh_strv_release(&j->names);
	free(j->gone);
	return r;
}

static int rm(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {.flags = flags, .args = args};

	return wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, rm);
}

const struct wh_command wh_cmd_rm = {
	.name = "rm",
	.args = "IMAGE [IMAGE…]",
	.summary = "Take names away from images",
	.about = "IMAGE is a name in the store, or an id; an image with several names is named by its id with --force only.\n"
		 "What no name leads to any more is removed by whittle gc in time, or by --gc at once; layers that other\n"
		 "images or cached steps need stay. (whittle rmi is the same.)",
	.examples = "  whittle rm shop:1.3\n"
		    "  whittle rm --gc $(whittle images -q 'shop*')\n"
		    "  whittle rm --volume shop-data",
	.options = options,
	.min_args = 1,
	.max_args = 1000,
	.args_wanted = "at least one image",
	.run = run,
};
