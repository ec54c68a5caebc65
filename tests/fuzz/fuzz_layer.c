/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a layer's tar. What is accepted must be a proper tree: clean
 * paths in strict order, each below a directory that came before it, links that
 * lead to an earlier file of this tree. A sink keeps its own books meanwhile:
 * nothing is made in a directory that was not made, no name twice.
 */
#include "layers/reader.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

struct books {
	size_t made, writing;
	uint64_t at, size;
};

struct check {
	char *last;
	struct wh_strv dirs, files;
};

#define must(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static int next(void *src, const void **p, size_t *n, struct wh_err **err)
{
	struct input *in = src;

	(void)err;
	*p = in->p;
	*n = in->n < 512 ? in->n : 512;
	in->p += *n;
	in->n -= *n;
	return 0;
}

static int on_drop(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct books *b = arg;

	(void)err;
	must(n->parent && !b->writing && b->made > 0);
	return 0;
}

static int on_make(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct books *b = arg;

	(void)err;
	must(n->parent && n->parent->ino->type == WH_T_DIR && n->text[0] && !strchr(n->text, '/') &&
	     strcmp(n->text, ".") != 0 && strcmp(n->text, "..") != 0 && strlen(n->text) <= 255 && !n->child);
	b->made++;
	b->writing = n->ino->type == WH_T_FILE;
	b->at = 0;
	b->size = n->ino->size;
	return 0;
}

static int on_link(void *arg, struct wh_name *n, struct wh_name *target, struct wh_err **err)
{
	(void)err;
	must(n != target && n->ino == target->ino && n->ino->type != WH_T_DIR);
	((struct books *)arg)->made++;
	return 0;
}

static int on_data(void *arg, struct wh_name *n, uint64_t offset, const void *p, size_t len, struct wh_err **err)
{
	struct books *b = arg;

	(void)n;
	(void)p;
	(void)err;
	must(b->writing && offset >= b->at && offset <= b->size && len <= b->size - offset);
	b->at = offset + len;
	return 0;
}

static int on_done(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct books *b = arg;

	(void)n;
	(void)err;
	must(b->writing);
	b->writing = 0;
	return 0;
}

static int check_one(void *arg, const struct wh_entry *e, const struct wh_inode *ino, struct wh_err **err)
{
	struct check *c = arg;
	WH_AUTO_FREE char *clean = wh_path_clean(e->path);
	WH_AUTO_FREE char *dir = wh_path_dir(e->path);

	(void)ino;
	(void)err;
	must(!c->last || wh_path_cmp(c->last, e->path) < 0);
	free(c->last);
	c->last = wh_strdup(e->path);
	must(strlen(e->path) <= WH_PATH_LIMIT && !(e->mode & ~07777u));
	if (e->path[0]) {
		must(strcmp(clean, e->path) == 0 && e->path[0] != '/' && strcmp(e->path, "..") != 0 &&
		     !wh_has_prefix(e->path, "../"));
		must(strcmp(dir, ".") == 0 || wh_strv_has(&c->dirs, dir));
		must(!wh_has_prefix(wh_path_base(e->path), ".wh..wh."));
	}
	for (size_t i = 0; i < e->n_xattrs; i++) {
		must(i == 0 || strcmp(e->xattrs[i - 1].name, e->xattrs[i].name) < 0);
		must(e->xattrs[i].len <= WH_XATTR_LIMIT && !wh_has_prefix(e->xattrs[i].name, "user.overlay."));
	}
	must(e->n_xattrs <= WH_MAX_XATTRS);
	if (e->type == WH_T_DIR)
		wh_strv_add(&c->dirs, e->path);
	else if (e->type == WH_T_FILE)
		wh_strv_add(&c->files, e->path);
	else if (e->type == WH_T_HARDLINK)
		must(e->link && (wh_strv_has(&c->files, e->link) || wh_digest_is_zero(&e->digest)));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wh_read_sink sink = {
		.drop = on_drop, .make = on_make, .link = on_link, .data = on_data, .done = on_done};
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_read_opts o = {
		.add = size && data[0] == 'A',
		.digests = true,
		.limits = {.entries = 1000, .bytes = 1 << 20, .holes = 1 << 16, .memory = 1 << 22},
	};
	struct input in = {data, size};
	struct books b = {0};
	struct check c = {0};

	if (wh_tar_read(next, &in, &o, names, &sink, &b, &err) < 0) {
		must(err && !strchr(err->msg, '\n'));
		return 0;
	}
	must(!err && !b.writing);
	must(wh_names_list(names, check_one, &c, &err) == 0);
	free(c.last);
	wh_strv_release(&c.dirs);
	wh_strv_release(&c.files);
	return 0;
}
