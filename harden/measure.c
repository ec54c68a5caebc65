/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree has, in numbers that can be compared. */
#include "harden/elf.h"
#include "harden/shells.h"
#include "harden/tree.h"

#include <errno.h>

struct content { /* one content, under one or more names */
	size_t layer;
	const char *first;
	uint64_t size;
};

struct measuring {
	struct wh_tree *t;
	struct wh_measure m;
	struct wh_shells *shells;
	struct content *v;
	size_t n, cap;
	struct wh_err **err;
};

static int by_content(const void *a, const void *b)
{
	const struct content *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return strcmp(x->first, y->first);
}

/* A program: #! or ELF, but no shared library (many of which may be executed by their mode). */
static int is_program(struct measuring *m, const struct wh_node_ref *n, bool *ret)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_ELF struct wh_elf e = {0};
	int r = wh_bytes_open(m->t, n, &b, m->err);

	*ret = r == 0 && b.n > 2 &&
	       ((b.p[0] == '#' && b.p[1] == '!') || (wh_elf_parse(b.p, b.n, &e) == 0 && e.program));
	return r;
}

static int measure_file(struct measuring *m, const struct wh_node_ref *n)
{
	const char *first = n->e.link ? n->e.link : n->e.path;
	bool program = false;
	int r = 0;

	m->m.files++;
	if (wh_streq(first, n->e.path)) /* seen again through links only */
		m->m.bytes += n->e.size;
	else
		WH_PUSH(m->v, m->n, m->cap) = (struct content){n->layer, first, n->e.size};
	m->m.setid += (n->e.mode & 06000) != 0;
	m->m.shells += wh_shells_kind_of(m->shells, m->t, n) == WH_SHELL_YES;
	if (n->e.mode & 0111)
		r = is_program(m, n, &program);
	m->m.executables += program;
	return r;
}

static int measure_node(void *arg, const struct wh_node_ref *n)
{
	struct measuring *m = arg;

	if (n->e.type == WH_T_DIR)
		m->m.directories++;
	if (n->e.type == WH_T_SYMLINK) {
		m->m.symlinks++;
		m->m.shells += wh_shells_kind_of(m->shells, m->t, n) == WH_SHELL_YES;
	}
	return n->e.type == WH_T_FILE ? measure_file(m, n) : 0;
}

/* Links whose first name is not in the tree under that content any more. */
static void add_orphans(struct measuring *m)
{
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_content);
	for (size_t i = 0; i < m->n; i++) {
		struct wh_node_ref n;

		if (i && by_content(&m->v[i], &m->v[i - 1]) == 0)
			continue;
		if (wh_tree_lookup(m->t, m->v[i].first, &n) == 0 && n.e.type == WH_T_FILE && n.layer == m->v[i].layer &&
		    !n.e.link)
			continue;
		m->m.bytes += m->v[i].size;
	}
}

int wh_measure_tree(struct wh_tree *t, struct wh_measure *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_shells_freep) struct wh_shells *shells = NULL;
	struct wh_packages packages = {0};
	struct measuring m = {.t = t, .err = err};
	int r = wh_shells_open(t, &shells, err);

	if (r < 0)
		return r;
	m.shells = shells;
	r = wh_tree_walk(t, "", measure_node, &m);
	if (r < 0)
		wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	else
		add_orphans(&m);
	free(m.v);
	if (r == 0)
		r = wh_packages_read(t, &packages, err);
	if (r < 0)
		return r;
	m.m.packages = packages.n;
	wh_packages_release(&packages);
	m.m.layers = wh_tree_layers(t);
	*ret = m.m;
	return 0;
}

json_t *wh_measure_json(const struct wh_measure *m)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "bytes", (json_int_t)m->bytes, "files",
			 (json_int_t)m->files, "symlinks", (json_int_t)m->symlinks, "directories",
			 (json_int_t)m->directories, "executables", (json_int_t)m->executables, "packages",
			 (json_int_t)m->packages, "setid", (json_int_t)m->setid, "shells", (json_int_t)m->shells,
			 "layers", (json_int_t)m->layers);
}
