/* SPDX-License-Identifier: Apache-2.0 */
/* What packages*.c and pkgdb*.c share: dpkg's records and file lists, and the metadata of Python and npm packages. All
 * of it is hostile. */
#ifndef WH_HARDEN_PACKAGES_PRIVATE_H
#define WH_HARDEN_PACKAGES_PRIVATE_H

#include "harden/harden.h"

/* ---------------------------------------------------------------- packages_deb822.c */

/* One paragraph of deb822(5): spans into the text that was read. */
struct wh_stanza_field {
	struct wh_str name, value; /* value: trimmed; folded lines as they stand */
};
struct wh_stanza {
	struct wh_str raw; /* from its first byte to the end of its last line, blank line not included */
	struct wh_stanza_field *v;
	size_t n, cap;
};
struct wh_deb822 {          /* begin with text, what and line = 1 */
	struct wh_str text; /* what is left */
	const char *what;   /* path of the file, for errors */
	size_t line;
};
/* 1: ret holds the next paragraph (its array is used again), 0: there is none, or -EINVAL with the wrong line. */
int wh_deb822_next(struct wh_deb822 *d, struct wh_stanza *ret, struct wh_err **err);
/* The first field of that name, letter case ignored; n is 0 when there is none. */
struct wh_str wh_stanza_get(const struct wh_stanza *s, const char *name);
static inline void wh_stanza_release(struct wh_stanza *s)
{
	free(s->v);
}
/* Takes the next line (without its end) off text; false at the end. */
bool wh_next_line(struct wh_str *text, struct wh_str *ret);

/* Reads a regular file of the tree, symlinks followed inside it. Past max: -EFBIG, or, with head, just the first max
 * bytes. -ENOENT (no error text): there is nothing. */
int wh_pkg_read_file(struct wh_tree *t, const char *path, size_t max, bool head, struct wh_buf *buf,
		     struct wh_err **err);

/* ---------------------------------------------------------------- packages_dpkg.c */

struct wh_dpkg_record {
	char *file;    /* canonical path of the file that holds it */
	bool own_file; /* in status.d */
	bool installed;
	struct wh_str raw;
	char *name, *version, *arch; /* arch: "" when it says none */
	struct wh_str source, maintainer, homepage, depends, pre_depends, provides, conffiles;
};
struct wh_dpkg {
	char *dir;                /* var/lib/dpkg, symlinks followed; NULL: there is no such directory */
	struct wh_dpkg_record *v; /* as they come: status, then status.d by name */
	size_t n, cap;
	char **text; /* what the spans point into */
	size_t n_text, cap_text;
};
int wh_dpkg_read(struct wh_tree *t, struct wh_dpkg *ret, struct wh_err **err);
void wh_dpkg_release(struct wh_dpkg *d);
/* One text as status (or, with own_file, an entry of status.d) is read; file: its name. Takes the text. */
int wh_dpkg_parse(struct wh_dpkg *d, char *text, size_t n, const char *file, bool own_file, struct wh_err **err);

/* ---------------------------------------------------------------- pkgdb_files.c */

/* What the packages own, as dpkg's lists say, mapped to where it is in the tree: through diversions, and through
 * symlinked directories (/lib/x is usr/lib/x on a merged /usr). Only what is there. */
struct wh_owned {
	const char *path;
	uint32_t record; /* in wh_dpkg */
	bool dir;        /* a directory, or a symlink in the place of one that the package brings */
};
struct wh_dpkg_files {
	struct wh_owned *v; /* sorted by path, then record */
	size_t n, cap;
	bool *listed; /* for each record: a list of its files was found. Without one nothing can be said about them */
	char **base;  /* for each record: "name" or "name:arch" as its files in info/ are called */
	struct wh_arena *arena;
	struct wh_dpkg_map *map;
};
int wh_dpkg_files_read(struct wh_tree *t, const struct wh_dpkg *d, struct wh_dpkg_files *ret, struct wh_err **err);
void wh_dpkg_files_release(struct wh_dpkg_files *f);
/* Where a path from a list of this record is; NULL: nowhere, or it is no path below the root. Lives as long as f. */
const char *wh_dpkg_files_map(struct wh_dpkg_files *f, const struct wh_dpkg_record *r, struct wh_str listed);
bool wh_dpkg_files_owned(const struct wh_dpkg_files *f, const struct wh_dpkg *d,
			 const char *path); /* by an installed package */
bool wh_is_documentation(const char *path);

/* ---------------------------------------------------------------- packages_lang.c */

struct wh_lang_package {
	enum wh_package_kind kind;
	char *record; /* METADATA, PKG-INFO, NAME.egg-info or package.json */
	char *dir;    /* the directory that holds it; "" is the root */
	char *name, *version, *author, *license, *homepage;
	char *digest; /* of its archive, or NULL */
};
struct wh_lang_packages {
	struct wh_lang_package *v; /* in the tree's order */
	size_t n, cap;
};
int wh_lang_find(struct wh_tree *t, struct wh_lang_packages *ret, struct wh_err **err);
void wh_lang_release(struct wh_lang_packages *l);

/* pkgdb_lang.c: files of the package (no directories) that are in the tree, its metadata left out; sorted. *ret_known
 * false: nothing tells which they are. */
int wh_lang_files(struct wh_tree *t, const struct wh_lang_package *p, struct wh_strv *ret, bool *ret_known,
		  struct wh_err **err);
/* What of its metadata goes with the code: record, list of files, licence texts. */
int wh_lang_metadata(struct wh_tree *t, const struct wh_lang_package *p, struct wh_strv *ret, struct wh_err **err);
/* The directory that its modules are in (Python), or its own (npm). */
char *wh_lang_site(const struct wh_lang_package *p);

#endif
