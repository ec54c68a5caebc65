/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shell is known by its name, and by its content: whatever has the same bytes as a file that is called like a shell
 * is one under any name. Multi-call programs hold a shell among others; they are found by name, and busybox by a text
 * in it.
 */
#include "harden/shells.h"
#include "harden/elf.h"
#include "harden/tree.h"

#include <errno.h>

/* Smaller or larger programs are no busybox. */
#define MIN_MULTICALL ((uint64_t)64 << 10)
#define MAX_MULTICALL ((uint64_t)16 << 20)

struct content {
	struct wh_digest d;
	enum wh_shell_kind kind;
};

struct wh_shells {
	struct content *v; /* sorted */
	size_t n, cap;
	struct wh_tree *t;
};

static const char *const shell_names[] = {
	"ash",   "bash", "bash-static", "csh",         "dash",      "fish",  "hush", "ksh",  "ksh2020",    "ksh93",
	"loksh", "lksh", "mksh",        "mksh-static", "oksh",      "pdksh", "posh", "pwsh", "rbash",      "rksh",
	"rzsh",  "sash", "sh",          "sh.distrib",  "static-sh", "tcsh",  "yash", "zsh",  "zsh-static", "zsh5",
};
static const char *const multicall_names[] = {"busybox", "busybox.static", "busybox-static", "busybox-extras",
					      "toybox"};
static const char busybox_text[] = "BusyBox is a multi-call binary";

static bool listed(const char *const *v, size_t n, const char *path)
{
	const char *base = wh_path_base(path);

	for (size_t i = 0; i < n; i++)
		if (wh_streq(base, v[i]))
			return true;
	return false;
}

static bool multicall_name(const char *path)
{
	return listed(multicall_names, WH_ARRAY_SIZE(multicall_names), path);
}

bool wh_shell_name(const char *path)
{
	return listed(shell_names, WH_ARRAY_SIZE(shell_names), path) || multicall_name(path);
}

static bool runnable(const struct wh_node_ref *n)
{
	return n->e.type == WH_T_FILE && (n->e.mode & 0111) && n->e.size;
}

static bool is_busybox(struct wh_shells *s, const struct wh_node_ref *n)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_ERR struct wh_err *ignored = NULL;

	if (n->e.size < MIN_MULTICALL || n->e.size > MAX_MULTICALL || strstr(wh_path_base(n->e.path), ".so"))
		return false;
	/* What cannot be read here cannot be read when it is written, which is an error then. */
	if (wh_bytes_open(s->t, n, &b, &ignored) < 0 || !wh_elf_is(b.p, b.n))
		return false;
	return memmem(b.p, b.n, busybox_text, sizeof(busybox_text) - 1);
}

static int collect(void *arg, const struct wh_node_ref *n)
{
	struct wh_shells *s = arg;
	enum wh_shell_kind kind = WH_SHELL_NONE;

	if (!runnable(n))
		return 0;
	if (multicall_name(n->e.path) || (!(n->e.link && !wh_streq(n->e.link, n->e.path)) && is_busybox(s, n)))
		kind = WH_SHELL_APPLET;
	else if (wh_shell_name(n->e.path))
		kind = WH_SHELL_YES;
	if (kind != WH_SHELL_NONE)
		WH_PUSH(s->v, s->n, s->cap) = (struct content){n->e.digest, kind};
	return 0;
}

/* Of equal contents the multi-call one first: "sh" may be a hard link of busybox. */
static int by_digest(const void *a, const void *b)
{
	const struct content *x = a, *y = b;
	int r = memcmp(x->d.b, y->d.b, sizeof(x->d.b));

	return r ? r : (x->kind < y->kind) - (x->kind > y->kind);
}

int wh_shells_open(struct wh_tree *t, struct wh_shells **ret, struct wh_err **err)
{
	struct wh_shells *s = wh_calloc(1, sizeof(*s));
	size_t n = 0;
	int r;

	s->t = t;
	r = wh_tree_walk(t, "", collect, s);
	if (r < 0) {
		wh_shells_free(s);
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_digest);
	for (size_t i = 0; i < s->n; i++)
		if (!n || !wh_digest_eq(&s->v[i].d, &s->v[n - 1].d))
			s->v[n++] = s->v[i];
	s->n = n;
	*ret = s;
	return 0;
}

void wh_shells_free(struct wh_shells *s)
{
	free(s->v);
	free(s);
}

static enum wh_shell_kind kind_of_content(const struct wh_shells *s, const struct wh_digest *d)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = memcmp(s->v[mid].d.b, d->b, sizeof(d->b));

		if (!c)
			return s->v[mid].kind;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return WH_SHELL_NONE;
}

/* path: the name it goes by, n: the file. A multi-call program starts a shell when it is called like one, or by its
 * own name. */
static enum wh_shell_kind kind_of_file(const struct wh_shells *s, const char *path, const struct wh_node_ref *n)
{
	enum wh_shell_kind kind = runnable(n) ? kind_of_content(s, &n->e.digest) : WH_SHELL_NONE;

	if (kind == WH_SHELL_APPLET && wh_shell_name(path))
		return WH_SHELL_YES;
	return kind;
}

enum wh_shell_kind wh_shells_kind_of(const struct wh_shells *s, struct wh_tree *t, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *target = NULL;
	struct wh_node_ref to;

	if (n->e.type == WH_T_FILE)
		return kind_of_file(s, n->e.path, n);
	if (n->e.type != WH_T_SYMLINK)
		return WH_SHELL_NONE;
	target = wh_link_target(n);
	if (wh_walk(t, target, true, NULL, NULL, &to) < 0)
		return WH_SHELL_NONE;
	return kind_of_file(s, n->e.path, &to);
}

enum wh_shell_kind wh_shells_kind(const struct wh_shells *s, struct wh_tree *t, const char *path)
{
	struct wh_node_ref n;

	return wh_tree_lookup(t, path, &n) == 0 ? wh_shells_kind_of(s, t, &n) : WH_SHELL_NONE;
}

bool wh_is_shell(struct wh_tree *t, const char *path)
{
	WH_CLEANUP(wh_shells_freep) struct wh_shells *s = NULL;
	WH_AUTO_ERR struct wh_err *ignored = NULL;

	if (wh_shells_open(t, &s, &ignored) < 0)
		return wh_shell_name(path);
	return wh_shells_kind(s, t, path) != WH_SHELL_NONE;
}
