/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java: what a virtual machine loads by itself from its own directory, jars that a manifest names, directories of
 * classes. The module image holds the class library, and is one file.
 */
#include "harden/lang.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define MAX_MANIFEST ((size_t)1 << 20)
#define MAX_ENTRIES 64 /* a manifest is first or second */
#define MAX_CLASS ((size_t)1 << 20)
#define MAX_DEPTH 1                    /* of jars in jars */
#define MAX_INNER ((size_t)128 << 20)  /* one of them */
#define MAX_READ ((size_t)1 << 30)     /* of a jar, unpacked: what is behind it is not looked at */

/* What is not everybody's, and when it comes. */
enum extra {
	EVERYBODYS,
	DRAWS, /* a class names AWT, or a library of it was seen to be loaded */
	PLAYS, /* a class names sound */
	ASIDE, /* debugging, splash screens: when AWT was seen to be loaded, as ever */
};

static enum extra extra_of(const char *name)
{
	static const struct {
		const char *name;
		enum extra what;
	} names[] = {
		{"libawt", DRAWS},          {"libfontmanager", DRAWS}, {"libfreetype", DRAWS}, {"libharfbuzz", DRAWS},
		{"libjavajpeg", DRAWS},     {"liblcms", DRAWS},        {"libmlib_image", DRAWS}, {"psfont", DRAWS},
		{"libjsound", PLAYS},       {"libsplashscreen", ASIDE}, {"libjawt", ASIDE},    {"libsaproc", ASIDE},
		{"libattach", ASIDE},       {"libdt_socket", ASIDE},   {"libjdwp", ASIDE},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (wh_has_prefix(name, names[i].name))
			return names[i].what;
	return EVERYBODYS;
}

static bool saw_desktop(struct wh_decide *d, const char *home)
{
	const struct wh_strv *seen = wh_code_seen(d);

	for (size_t i = 0; i < seen->n; i++)
		if (wh_code_below(seen->v[i], home) && wh_has_suffix(seen->v[i], ".so") &&
		    wh_has_prefix(wh_path_base(seen->v[i]), "libawt"))
			return true;
	return false;
}

/* path: HOME/lib/modules, HOME/lib/server/libjvm.so, or before Java 9 HOME/lib/rt.jar. malloc'ed, or NULL. */
static char *home_of(const char *path)
{
	const char *lib = NULL;

	for (const char *p = path; (p = strstr(p, "/lib/")); p++)
		lib = p;
	return lib ? wh_strndup(path, (size_t)(lib - path)) : NULL;
}

static int keep_home(struct wh_decide *d, const struct wh_rule_row *row, const char *home, enum extra what, const char *via,
		     struct wh_err **err)
{
	/* With the last part of the home, so that lib is not taken for the system's. */
	static const char globs[] =
		"*/lib/modules */lib/*.so */lib/*/*.so */lib/*/jvm.cfg */lib/jvm.cfg* */lib/security/** */lib/*.properties "
		"*/lib/*.dat */lib/tzmappings */lib/jfr/** */lib/jspawnhelper */lib/jexec */lib/*.jar */lib/ext/** */lib/management/** "
		"*/lib/logging.properties */lib/psfont* */conf/** */release";
	const struct wh_strv *all = wh_rule_paths(d, err);
	int r = 0;

	if (!all)
		return -EBADMSG;
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		if (!wh_has_prefix(all->v[i], home) || all->v[i][strlen(home)] != '/')
			continue;
		if (wh_rule_matches(globs, all->v[i] + (wh_path_base(home) - home)) &&
		    extra_of(wh_path_base(all->v[i])) == what)
			r = wh_rule_keep(d, row, all->v[i], via, err);
	}
	return r;
}

int wh_rule_java_home(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		      struct wh_err **err)
{
	WH_AUTO_FREE char *home = home_of(path);
	int r;

	if (!home || !wh_code_first(d, "java-home", home))
		return 0;
	r = keep_home(d, row, home, EVERYBODYS, via, err);
	for (enum extra what = DRAWS; r == 0 && what <= ASIDE && saw_desktop(d, home); what++)
		r = keep_home(d, row, home, what, via, err);
	return r;
}

/* ---------------------------------------------------------------- what draws */

struct asked {
	bool draws, plays, prints;
	size_t room; /* bytes that may be unpacked still */
};

/* A class names what it uses in its pool of constants, as text. */
static void ask(struct asked *a, const char *p, size_t n)
{
	static const char *const names[] = {"java/awt/", "javax/imageio/", "javax/swing/", "javax/print/"};

	for (size_t i = 0; !a->draws && i < WH_ARRAY_SIZE(names); i++)
		a->draws = memmem(p, n, names[i], strlen(names[i]));
	a->plays = a->plays || memmem(p, n, "javax/sound/", strlen("javax/sound/"));
	a->prints = a->prints || memmem(p, n, "javax/print/", strlen("javax/print/")) ||
		    memmem(p, n, "java/awt/print/", strlen("java/awt/print/"));
}

static void ask_jar(struct asked *asked, const void *p, size_t n, unsigned depth);

/* One entry of a jar; jars may be in jars. */
static void ask_entry(struct asked *asked, struct archive *a, const char *name, unsigned depth)
{
	bool jar = wh_has_suffix(name, ".jar");
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	char part[16384];
	ssize_t n;

	if (!wh_has_suffix(name, ".class") && (!jar || depth >= MAX_DEPTH))
		return;
	while (asked->room && b.n < (jar ? MAX_INNER : MAX_CLASS) && (n = archive_read_data(a, part, sizeof(part))) > 0) {
		wh_buf_add(&b, part, (size_t)n);
		asked->room -= (size_t)n < asked->room ? (size_t)n : asked->room;
	}
	if (b.n && jar)
		ask_jar(asked, b.p, b.n, depth + 1);
	else if (b.n)
		ask(asked, b.p, b.n);
}

static void ask_jar(struct asked *asked, const void *p, size_t n, unsigned depth)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;

	archive_read_support_format_zip(a);
	if (archive_read_open_memory(a, p, n) == ARCHIVE_OK)
		while (!(asked->draws && asked->plays && asked->prints) && asked->room && archive_read_next_header(a, &e) == ARCHIVE_OK)
			if (archive_entry_pathname(e))
				ask_entry(asked, a, archive_entry_pathname(e), depth);
	archive_read_free(a);
}

/* A class that stays asks for what draws; those of the virtual machine itself tell nothing. */
int wh_rule_java_desktop(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	const struct wh_strv *seen = wh_code_seen(d);
	WH_AUTO_BYTES struct wh_bytes b = {0};
	struct asked asked = {.room = MAX_READ};
	int r = 0;

	(void)via;
	if (!wh_code_runs(d, "java"))
		return 0;
	for (size_t i = 0; i < seen->n; i++) {
		WH_AUTO_FREE char *home = wh_rule_matches(row->keep, seen->v[i]) ? home_of(seen->v[i]) : NULL;

		if (home && wh_code_below(path, home))
			return 0;
	}
	if (!wh_code_is_plain(d, path) || !wh_code_open(d, path, &b))
		return 0;
	if (wh_has_suffix(path, ".class"))
		ask(&asked, (const char *)b.p, b.n);
	else
		ask_jar(&asked, b.p, b.n, 0);
	if (asked.prints)
		r = wh_rule_keep_globs(d, row, "usr/lib/libcups.so.2 usr/lib/*/libcups.so.2 usr/lib64/libcups.so.2", path, err);
	for (size_t i = 0; r == 0 && i < seen->n; i++) {
		WH_AUTO_FREE char *home = wh_rule_matches(row->keep, seen->v[i]) ? home_of(seen->v[i]) : NULL;

		if (home && asked.draws && wh_code_first(d, "java-draws", home))
			r = keep_home(d, row, home, DRAWS, path, err);
		if (home && r == 0 && asked.plays && wh_code_first(d, "java-plays", home))
			r = keep_home(d, row, home, PLAYS, path, err);
	}
	return r;
}

/* ---------------------------------------------------------------- jars */

static bool read_manifest(const struct wh_bytes *b, struct wh_buf *ret)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	bool found = false;

	archive_read_support_format_zip(a);
	if (archive_read_open_memory(a, b->p, b->n) == ARCHIVE_OK) {
		for (unsigned i = 0; !found && i < MAX_ENTRIES && archive_read_next_header(a, &e) == ARCHIVE_OK; i++) {
			const char *name = archive_entry_pathname(e);
			char part[4096];
			ssize_t n;

			if (!name || strcasecmp(name, "META-INF/MANIFEST.MF") != 0)
				continue;
			found = true;
			while (ret->n < MAX_MANIFEST && (n = archive_read_data(a, part, sizeof(part))) > 0)
				wh_buf_add(ret, part, (size_t)n);
		}
	}
	archive_read_free(a);
	return found && ret->n;
}

/* The value of Class-Path, its folded lines joined. */
static char *class_path(const struct wh_buf *manifest)
{
	static const char field[] = "class-path:";
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const char *p = manifest->p, *end = p + manifest->n;
	bool in = false;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		struct wh_str line;

		if (!eol)
			eol = end;
		line = (struct wh_str){p, (size_t)(eol - p)};
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (in && line.n && line.p[0] == ' ')
			wh_buf_add(&b, line.p + 1, line.n - 1);
		else
			in = line.n >= sizeof(field) - 1 && strncasecmp(line.p, field, sizeof(field) - 1) == 0;
		if (in && !b.n && line.n >= sizeof(field) - 1 && line.p[0] != ' ')
			wh_buf_add(&b, line.p + sizeof(field) - 1, line.n - sizeof(field) + 1);
		p = eol + 1;
	}
	return wh_buf_take(&b);
}

/* A jar brings those that its manifest names, as a class path of its own. */
int wh_rule_java_jar(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		     struct wh_err **err)
{
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup(""), *cwd = wh_asprintf("/%s", dir),
			  *list = NULL;
	WH_AUTO_BUF struct wh_buf manifest = WH_BUF_INIT;
	WH_AUTO_BYTES struct wh_bytes b = {0};
	struct wh_node_ref n;
	int r;

	(void)via;
	if (!wh_code_runs(d, "java") || wh_tree_lookup(d->t, path, &n) < 0 || n.e.type != WH_T_FILE)
		return 0;
	r = wh_bytes_open(d->t, &n, &b, err);
	if (r < 0 || !b.n || !read_manifest(&b, &manifest))
		return r;
	list = class_path(&manifest);
	for (const char *p = list; r == 0 && *p;) {
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, " \t");
		if (len && len < 4096) {
			WH_AUTO_FREE char *word = wh_strndup(p, len), *to = NULL;

			to = wh_path_abs_in(cwd, wh_has_prefix(word, "file:") ? word + 5 : word);
			/* A directory is one of classes. */
			if (wh_has_suffix(word, "/") && wh_code_is_dir(d, to) && to[1])
				r = wh_rule_keep_below(d, row, to + 1, path, err);
			else if (wh_code_is_file(d, to))
				r = wh_rule_keep(d, row, to, path, err);
		}
		p += len;
	}
	return r;
}

/* ---------------------------------------------------------------- classes */

static unsigned u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct wh_str wh_java_class_name(const uint8_t *p, size_t n)
{
	static const uint8_t sizes[] = {[3] = 4,  [4] = 4,  [5] = 8,  [6] = 8,  [7] = 2,  [8] = 2,  [9] = 4,  [10] = 4,
					[11] = 4, [12] = 4, [15] = 3, [16] = 2, [17] = 4, [18] = 4, [19] = 2, [20] = 2};
	const struct wh_str none = {(const char *)p, 0};
	WH_AUTO_FREE uint32_t *at = NULL;
	unsigned count, this_class;
	size_t pos = 10;

	if (n < 12 || memcmp(p, "\xca\xfe\xba\xbe", 4) != 0)
		return none;
	count = u16(p + 8);
	at = wh_calloc(count + 1, sizeof(*at));
	for (unsigned i = 1; i < count; i++) {
		uint8_t tag;

		if (pos + 3 > n)
			return none;
		at[i] = (uint32_t)pos;
		tag = p[pos];
		if (tag == 1)
			pos += 3 + u16(p + pos + 1);
		else if (tag < WH_ARRAY_SIZE(sizes) && sizes[tag])
			pos += 1 + sizes[tag];
		else
			return none;
		i += tag == 5 || tag == 6;
	}
	if (pos + 4 > n)
		return none;
	this_class = u16(p + pos + 2);
	if (this_class >= count || !at[this_class] || p[at[this_class]] != 7)
		return none;
	this_class = u16(p + at[this_class] + 1);
	if (this_class >= count || !at[this_class] || p[at[this_class]] != 1)
		return none;
	pos = at[this_class];
	return (struct wh_str){(const char *)p + pos + 3, u16(p + pos + 1)};
}

/* A directory of the class path of which a class was used stays whole. */
int wh_rule_java_classes(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_FREE char *end = NULL, *root = NULL;
	struct wh_str name;

	if (!wh_code_is_plain(d, path) || !wh_code_open(d, path, &b) || b.n > MAX_CLASS)
		return 0;
	name = wh_java_class_name(b.p, b.n);
	if (!name.n || name.n > 4096)
		return 0;
	end = wh_asprintf("/%.*s.class", (int)name.n, name.p);
	if (!wh_has_suffix(path, end))
		return 0;
	root = wh_strndup(path, strlen(path) - strlen(end));
	/* A class in /usr/lib itself does not make that a directory of classes. */
	if (!strchr(root, '/') &&
	    (wh_streq(root, "usr") || wh_streq(root, "opt") || wh_streq(root, "var") || wh_streq(root, "home")))
		return 0;
	return *root && !wh_streq(root, "usr/lib") && !wh_streq(root, "usr/share") &&
			       wh_code_first(d, "java-classes", root)
		       ? wh_rule_keep_below(d, row, root, via, err)
		       : 0;
}
