/* SPDX-License-Identifier: Apache-2.0 */
/* What the closure rules of the languages (lang_*.c) share. Private to harden/. */
#ifndef WH_HARDEN_LANG_H
#define WH_HARDEN_LANG_H

#include "harden/closure_table.h"

#define WH_CODE_TEXT_MAX ((size_t)4 << 20) /* a longer source is data */
#define WH_CODE_NAME_MAX 255

/* True for the first call with these two, for each prune. */
bool wh_code_first(struct wh_decide *d, const char *what, const char *name);
/* Was there such a call? */
bool wh_code_met(struct wh_decide *d, const char *what, const char *name);

/* A file of the image by any path, links followed; mapped. False: none, or empty, or longer than WH_CODE_TEXT_MAX. */
bool wh_code_open(struct wh_decide *d, const char *path, struct wh_bytes *ret);
bool wh_code_is_file(struct wh_decide *d, const char *path);
bool wh_code_is_dir(struct wh_decide *d, const char *path);
/* Is the last component an ordinary file, no link? */
bool wh_code_is_plain(struct wh_decide *d, const char *path);
bool wh_code_below(const char *path, const char *dir);     /* or dir itself */
bool wh_code_has_part(const char *path, const char *name); /* a component before the last of that name? */
bool wh_code_in_tests(const char *path);                   /* does it lie in a directory of tests? */

/* What the profiles saw used with more than a look: canonical paths, sorted. */
const struct wh_strv *wh_code_seen(struct wh_decide *d);
/* Scripts that interpreters whose name begins so were seen to run; canonical. */
void wh_code_scripts(struct wh_decide *d, const char *interpreter, struct wh_strv *ret);
bool wh_code_runs(struct wh_decide *d, const char *interpreter); /* was one of that name seen to run? */
/* Opens a source: by what its name ends in, or a program that begins with #! and the interpreter's name. */
bool wh_code_source(struct wh_decide *d, const char *path, const char *ends, const char *interpreter,
		    struct wh_bytes *ret);
const char *wh_code_env(struct wh_decide *d, const char *name); /* or NULL */

enum wh_code_language {
	WH_CODE_PERL,
	WH_CODE_RUBY,
	WH_CODE_RUBY_GEMS,
	WH_CODE_LANGUAGES
}; /* RUBY_GEMS: see lang_ruby.c */
/* Where a language looks for modules: empty until its own file fills it. */
struct wh_strv *wh_code_roots(struct wh_decide *d, enum wh_code_language language);

/* Files of the packages of dpkg that own the path, below a directory. */
int wh_code_owned(struct wh_decide *d, const char *path, const char *below, struct wh_strv *ret, struct wh_err **err);
/* Keeps those of them that match one of the globs; once for each package and rule. */
int wh_code_keep_owned(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *globs,
		       const char *via, struct wh_err **err);
/* Does a package of dpkg own it? */
bool wh_code_is_owned(struct wh_decide *d, const char *path);

bool wh_code_is_code(const char *path); /* by its name: a source or a module of an interpreter? */
/* May a directory be one application's alone, and not the system's? */
bool wh_code_is_own(const char *dir);
/* Does what lies in a directory of an application have rules of its own (node_modules …), or belong to nobody (.git)? */
bool wh_code_is_foreign(struct wh_decide *d, const char *dir);
/* The directory of the application that a file belongs to; malloc'ed. NULL: none that is the application's alone. */
char *wh_code_home(struct wh_decide *d, const char *path);
/* Keeps what each of the globs matches below each of the roots. */
int wh_code_keep_below_roots(struct wh_decide *d, const struct wh_rule_row *row, const struct wh_strv *roots,
			     const char *const *globs, size_t n, const char *via, struct wh_err **err);
/* Keeps what is below dir but directories for which skip() holds. */
typedef bool (*wh_code_skip_fn)(struct wh_decide *d, const char *dir);
int wh_code_keep_tree(struct wh_decide *d, const struct wh_rule_row *row, const char *dir, wh_code_skip_fn skip,
		      const char *via, struct wh_err **err);

/* ---------------------------------------------------------------- texts: what source code asks for */

struct wh_py_import {
	unsigned level;     /* leading dots */
	const char *module; /* "a.b", or "" with dots alone */
	const char *name;   /* from MODULE import NAME; "" without, "*" */
	bool text;          /* a string that looks like a name with dots, no statement */
};
typedef int (*wh_py_fn)(void *arg, const struct wh_py_import *i, struct wh_err **err);
/* lang_pytext.c: import statements, import_module("…"), __import__("…"); with strings, also texts that are names with
 * dots. */
int wh_py_imports(const char *p, size_t n, bool strings, wh_py_fn fn, void *arg, struct wh_err **err);

/* lang_words.c: for each place where one of the words (NULL-terminated) stands as a word of its own, and a string
 * literal (or, with bare, a name) is behind it on the same line, perhaps in brackets. Lines that begin with the comment
 * are left out; a line that is stop ends the text. */
struct wh_words {
	const char *const *words;
	const char *comment; /* "#", "//" */
	const char *pod;     /* a line that begins so begins a text; "=cut", "=end" end it; or NULL */
	const char *stop;    /* or NULL */
	bool bare;           /* Foo::Bar */
	bool tight;          /* only where a bracket or a blank is between word and string, and no dot before the word:
				JavaScript */
};
struct wh_word {
	const char *word; /* that of words */
	const char *name; /* the literal, at most WH_CODE_NAME_MAX bytes */
	bool bare;
	struct wh_str rest; /* of the line */
};
typedef int (*wh_word_fn)(void *arg, const struct wh_word *w, struct wh_err **err);
int wh_words_find(const char *p, size_t n, const struct wh_words *w, wh_word_fn fn, void *arg, struct wh_err **err);

/* lang_java.c: the name of the class that a class file defines ("com/example/Main"; JVM specification, 4.1 and 4.4). n
 * is 0: it is none. */
struct wh_str wh_java_class_name(const uint8_t *p, size_t n);

/* ---------------------------------------------------------------- functions of rows */

#define WH_CODE_RULE(name)                                                                              \
	int name(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, \
		 struct wh_err **err)
WH_CODE_RULE(wh_rule_home);           /* lang.c */
WH_CODE_RULE(wh_rule_python_runtime); /* lang_python.c */
WH_CODE_RULE(wh_rule_python_library);
WH_CODE_RULE(wh_rule_python_bytecode);
WH_CODE_RULE(wh_rule_python_import);
WH_CODE_RULE(wh_rule_python_find_library);
WH_CODE_RULE(wh_rule_python_distribution); /* lang_pydist.c */
WH_CODE_RULE(wh_rule_node_package);        /* lang_node.c */
WH_CODE_RULE(wh_rule_node_require);
WH_CODE_RULE(wh_rule_node_template);
WH_CODE_RULE(wh_rule_java_home); /* lang_java.c */
WH_CODE_RULE(wh_rule_java_jar);
WH_CODE_RULE(wh_rule_java_desktop);
WH_CODE_RULE(wh_rule_java_classes);
WH_CODE_RULE(wh_rule_php_extensions); /* lang_php.c */
WH_CODE_RULE(wh_rule_php_package);
WH_CODE_RULE(wh_rule_perl_module); /* lang_perl.c */
WH_CODE_RULE(wh_rule_perl_use);
WH_CODE_RULE(wh_rule_perl_runtime);
WH_CODE_RULE(wh_rule_ruby_gem); /* lang_ruby.c */
WH_CODE_RULE(wh_rule_ruby_require);
WH_CODE_RULE(wh_rule_ruby_runtime);
WH_CODE_RULE(wh_rule_ruby_library);

/* lang.c: what keep.c frees */
struct wh_code;
void wh_code_free(struct wh_code *c);

#endif
