/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shell is known by its name, by the name of a link that leads to it, and by its content.
 *
 *   name      what is called sh, bash … and may be executed; so is what a symlink of such a name leads to in the end.
 *             Names that something else may have, too (posh, hush …), count with a program alone that has the reserved
 *             words of a shell in it.
 *   content   programs hold texts that no other program has: of each well-known shell a set of them is listed here, and
 *             an ELF file with all of one set is that shell, whatever it is called. One text is never enough: a program
 *             may well speak of bash.
 *   equal     what has the same bytes as any of these is one, too, under any name and with any mode (the dynamic linker
 *             runs what may not be executed).
 *
 * Multi-call programs (busybox, toybox) hold a shell among others.
 */
#include "harden/shells.h"
#include "harden/elf.h"
#include "harden/tree.h"

#include <errno.h>
#include <uthash.h>

/* What is smaller is no shell; of what is larger, this much is looked at. */
#define MIN_SHELL ((size_t)32 << 10)
#define MAX_LOOK ((size_t)32 << 20)
#define MAX_TEXTS 3

struct content {
	struct wh_digest d;
	enum wh_shell_kind kind;
};

struct looked { /* a content that was looked at */
	struct wh_digest d;
	enum wh_shell_kind kind;
	UT_hash_handle hh;
};

struct wh_shells {
	struct content *v; /* sorted */
	size_t n, cap;
	struct looked *looked; /* while they are collected */
	struct wh_tree *t;
};

static const char *const shell_names[] = {
	"elvish",     "xonsh",
	"ash",        "bash",    "bash-static", "csh",  "dash",  "fish",       "ksh",  "ksh2020",
	"ksh93",      "mksh",    "mksh-static", "pwsh", "rbash", "rksh",       "rzsh", "sh",
	"sh.distrib", "bsd-csh", "static-sh",   "tcsh", "zsh",   "zsh-static", "zsh5",
};
static const char *const vague_names[] = {"hush", "lksh", "loksh", "oksh", "pdksh", "posh", "sash", "yash"};
static const char *const multicall_names[] = {"busybox", "busybox.static", "busybox-static", "busybox-extras",
					      "toybox"};

/* The texts, each without its first byte: so this program has none of them itself. With `ends`, a NUL follows. */
struct text {
	char first;
	const char *rest;
	bool ends;
};
static const struct {
	enum wh_shell_kind kind;
	struct text v[MAX_TEXTS];
} marks[] = {
	{WH_SHELL_APPLET, {{'B', "usyBox is a multi-call binary", false}, {':', " applet not found", false}}},
	{WH_SHELL_APPLET, {{'T', "oybox %s multicall binary", false}, {'(', "see toybox --help)", false}}},
	{WH_SHELL_YES, {{'G', "NU bash, version %s", false}, {'B', "ASH_VERSINFO", true}, {'B', "ASH_SUBSHELL", true}}},
	/* dash, ash of the BSDs */
	{WH_SHELL_YES, {{'E', "OF in backquote substitution", true}, {'e', "sac", true}, {'g', "etopts", true}}},
	{WH_SHELL_YES, {{'Z', "SH_PATCHLEVEL", true}, {'Z', "SH_VERSION", true}, {'Z', "SH_SUBSHELL", true}}},
	{WH_SHELL_YES, {{'@', "(#)MIRBSD KSH R", false}, {'e', "sac", true}}},
	{WH_SHELL_YES, {{'@', "(#)LEGACY KSH R", false}, {'e', "sac", true}}},
	{WH_SHELL_YES, {{'@', "(#)PD KSH v", false}, {'e', "sac", true}}},
	{WH_SHELL_YES, {{'@', "(#)$Id: sh (AT&T Research)", false}, {'e', "sac", true}}},
	{WH_SHELL_YES, {{'P', "OSH_VERSION", true}, {'e', "sac", true}}},
	{WH_SHELL_YES, {{'$', "YASH_LOADPATH", false}, {'y', "ash -c", true}}},
	{WH_SHELL_YES, {{'S', "tand-alone shell (version %s)", false}, {'a', "liasall", true}}},
	/* csh, tcsh */
	{WH_SHELL_YES, {{'N', "ot in while/foreach", true}, {'b', "reaksw", true}, {'e', "ndsw", true}}},
	{WH_SHELL_YES, {{'F', "ISH_DEBUG_OUTPUT", false}, {'_', "_fish_print_help", false}}},
	/* rc: as Byron Rakitzis wrote it anew, and Plan 9's */
	{WH_SHELL_YES, {{'h', "eredoc incomplete", false}, {'b', "qstatus", true}, {'a', "pids", true}}},
	{WH_SHELL_YES, {{'B', "ad here tag", true}, {'U', "sage: whatis name ...", false}, {'c', "dpath", true}}},
	{WH_SHELL_YES, {{'s', "rc.elv.sh/pkg/shell.", false}, {'s', "rc.elv.sh/pkg/eval.", false}}},
};
static const struct text reserved[] = {{'e', "sac", true}, {'e', "lif", true}};

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

static bool vague_name(const char *path)
{
	return listed(vague_names, WH_ARRAY_SIZE(vague_names), path);
}

bool wh_shell_name(const char *path)
{
	return listed(shell_names, WH_ARRAY_SIZE(shell_names), path) || vague_name(path) || multicall_name(path);
}

/* ---------------------------------------------------------------- contents */

static bool text_at(const struct text *x, const uint8_t *p, size_t n)
{
	size_t len = strlen(x->rest);

	return n > len + x->ends && p[0] == (uint8_t)x->first && memcmp(p + 1, x->rest, len) == 0 &&
	       (!x->ends || !p[1 + len]);
}

static bool has_text(const struct text *x, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	while ((p = memchr(p, x->first, (size_t)(end - p)))) {
		if (text_at(x, p, (size_t)(end - p)))
			return true;
		p++;
	}
	return false;
}

static bool has_texts(const struct text *v, size_t n_texts, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n_texts && v[i].rest; i++)
		if (!has_text(&v[i], p, n))
			return false;
	return true;
}

/* All first texts in one pass, by their first two bytes; the others where a first one was met. */
enum wh_shell_kind wh_shell_of_bytes(const uint8_t *p, size_t n)
{
	uint8_t pairs[1 << 13] = {0};
	bool tried[WH_ARRAY_SIZE(marks)] = {0};

	if (n < MIN_SHELL || !wh_elf_is(p, n))
		return WH_SHELL_NONE;
	if (n > MAX_LOOK)
		n = MAX_LOOK;
	for (size_t i = 0; i < WH_ARRAY_SIZE(marks); i++) {
		unsigned pair = (uint8_t)marks[i].v[0].first | (unsigned)(uint8_t)marks[i].v[0].rest[0] << 8;

		pairs[pair >> 3] |= (uint8_t)(1U << (pair & 7));
	}
	for (size_t at = 0; at + 1 < n; at++) {
		unsigned pair = p[at] | (unsigned)p[at + 1] << 8;

		if (!(pairs[pair >> 3] >> (pair & 7) & 1))
			continue;
		for (size_t i = 0; i < WH_ARRAY_SIZE(marks); i++) {
			if (tried[i] || !text_at(&marks[i].v[0], p + at, n - at))
				continue;
			tried[i] = true;
			if (has_texts(&marks[i].v[1], MAX_TEXTS - 1, p, n))
				return marks[i].kind;
		}
	}
	return WH_SHELL_NONE;
}

/* vague: is it a shell of a name that is no proof? */
static enum wh_shell_kind look(struct wh_shells *s, const struct wh_node_ref *n, bool vague)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_ERR struct wh_err *ignored = NULL;
	struct looked *l;

	if (n->e.type != WH_T_FILE || n->e.size < MIN_SHELL)
		return WH_SHELL_NONE;
	HASH_FIND(hh, s->looked, &n->e.digest, sizeof(n->e.digest), l);
	if (l && (l->kind != WH_SHELL_NONE || !vague))
		return l->kind;
	/* What cannot be read here cannot be read when it is written, which is an error then. */
	if (wh_bytes_open(s->t, n, &b, &ignored) < 0)
		return WH_SHELL_NONE;
	if (!l) {
		l = wh_calloc(1, sizeof(*l));
		l->d = n->e.digest;
		l->kind = wh_shell_of_bytes(b.p, b.n);
		HASH_ADD(hh, s->looked, d, sizeof(l->d), l);
	}
	if (l->kind == WH_SHELL_NONE && vague && wh_elf_is(b.p, b.n) &&
	    has_texts(reserved, WH_ARRAY_SIZE(reserved), b.p, b.n < MAX_LOOK ? b.n : MAX_LOOK))
		return WH_SHELL_YES;
	return l->kind;
}

static enum wh_shell_kind kind_by_name(const char *path)
{
	if (multicall_name(path))
		return WH_SHELL_APPLET;
	return wh_shell_name(path) && !vague_name(path) ? WH_SHELL_YES : WH_SHELL_NONE;
}

/* Every file, and what symlinks lead to that are called like shells. */
static int collect(void *arg, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *target = NULL;
	struct wh_shells *s = arg;
	enum wh_shell_kind kind;
	struct wh_node_ref to = *n;

	if (n->e.type == WH_T_SYMLINK && wh_shell_name(n->e.path)) {
		target = wh_link_target(n);
		if (wh_walk(s->t, target, true, NULL, NULL, &to) < 0)
			return 0;
	}
	if (to.e.type != WH_T_FILE || !to.e.size)
		return 0;
	kind = look(s, &to, vague_name(n->e.path));
	if (kind == WH_SHELL_NONE && (to.e.mode & 0111))
		kind = kind_by_name(n->e.path);
	if (kind != WH_SHELL_NONE)
		WH_PUSH(s->v, s->n, s->cap) = (struct content){to.e.digest, kind};
	return 0;
}

/* ---------------------------------------------------------------- the set */

/* Of equal contents the multi-call one first: "sh" may be a hard link of busybox. */
static int by_digest(const void *a, const void *b)
{
	const struct content *x = a, *y = b;
	int r = memcmp(x->d.b, y->d.b, sizeof(x->d.b));

	return r ? r : (x->kind < y->kind) - (x->kind > y->kind);
}

static void forget_looked(struct wh_shells *s)
{
	struct looked *l, *next;

	HASH_ITER (hh, s->looked, l, next) {
		HASH_DEL(s->looked, l);
		free(l);
	}
}

int wh_shells_open(struct wh_tree *t, struct wh_shells **ret, struct wh_err **err)
{
	struct wh_shells *s = wh_calloc(1, sizeof(*s));
	size_t n = 0;
	int r;

	s->t = t;
	r = wh_tree_walk(t, "", collect, s);
	forget_looked(s);
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

/* Does a multi-call program of this name take its first argument for the program's name? */
static bool calls_any(const char *path)
{
	const char *base = wh_path_base(path);

	return wh_has_prefix(base, "busybox") || wh_has_prefix(base, "toybox");
}

/* path: the name it goes by, n: the file. A multi-call program starts a shell when it is called like one, or by its
 * own name. */
static enum wh_shell_kind kind_of_file(const struct wh_shells *s, const char *path, const struct wh_node_ref *n)
{
	enum wh_shell_kind kind =
		n->e.type == WH_T_FILE && n->e.size ? kind_of_content(s, &n->e.digest) : WH_SHELL_NONE;

	if (kind == WH_SHELL_APPLET && (wh_shell_name(path) || calls_any(path)))
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
