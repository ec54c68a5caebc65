/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors.
 *
 * A function that can fail returns 0 or a negative errno, and takes
 * `struct wh_err **err` last. On failure it stores exactly one error there
 * (the caller passes a NULL-initialised slot, or NULL when it does not care
 * for the text); on success it leaves the slot alone. Each layer that adds
 * knowledge wraps what it got: "unpack layer 2: read sha256:…: truncated".
 *
 * The class decides the exit code of the program and nothing else.
 */
#ifndef WH_BASE_ERR_H
#define WH_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum wh_err_class {
	WH_ERR_BUILD = 1,    /* the build itself failed: a step, a missing file, a bad digest */
	WH_ERR_USAGE = 2,    /* the user's words are wrong: command line, Dockerfile, policy */
	WH_ERR_GATE = 3,     /* a policy said no */
	WH_ERR_ENV = 4,      /* this machine cannot do it: user namespaces, disk full, permissions */
	WH_ERR_INTERNAL = 5, /* a bug of ours */
};

struct wh_err {
	const char *domain;      /* static string: "frontend", "layers", … */
	enum wh_err_class class; /* exit code */
	int sys;                 /* errno, or 0 */
	int status;              /* exit code instead of the class's, or 0 (cli/errors.c lists them) */
	char *msg;               /* one line, no trailing newline, no trailing full stop */
	char *hint;              /* how to mend it, or NULL */
	char *file;              /* where in the user's input, or NULL */
	unsigned line;           /* 1-based; 0: unknown; of the excerpt's first line */
	unsigned row;            /* how many lines of the excerpt stand above the marked one */
	unsigned column;         /* 1-based, in bytes, of the marked line; 0: unknown */
	unsigned length;         /* bytes to mark from there; 0: just the place */
	char *excerpt;           /* the source line(s) at fault, or NULL */
	char *expected;          /* what should stand there, or NULL */
	char *detail;            /* further lines to show below (a log's tail), or NULL */
	char *extent;            /* how much of a log the detail is ("last 40 of 12034 lines"), or NULL */
	char *log;               /* the file with all of it, or why there is none; or NULL */
	struct wh_err_mark *mark; /* the word that is wrong, until its place is known, or NULL */
	struct wh_err *next;     /* a further mistake in the same text, or NULL; the first one's class counts */
};

/* Sets *err (if err is not NULL and *err is NULL) and returns -sys, or -EINVAL when sys is 0. */
int wh_err_set(struct wh_err **err, const char *domain, enum wh_err_class class, int sys, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same with ": strerror(sys)" appended. ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE and ENOMEM turn the class into
 * WH_ERR_ENV. */
int wh_err_sys(struct wh_err **err, const char *domain, enum wh_err_class class, int sys, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Puts "text: " before the message of *err; nothing when *err is NULL. */
void wh_err_wrap(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the hint unless there is one. */
void wh_err_hint(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the exit code that stands for this kind of failure. */
void wh_err_status(struct wh_err **err, int status);
/* Says what should have stood there, unless that was said: "a number of seconds". */
void wh_err_expect(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the place in the user's input unless there is one; excerpt may be NULL. Strings are copied. Where column is 0, the
 * word of wh_err_mark() is looked for in the excerpt. */
void wh_err_at(struct wh_err **err, const char *file, unsigned line, unsigned column, const char *excerpt);

/* ---- err_mark.c: which word is wrong; whoever knows the source line finds the place ---- */

enum wh_mark {
	WH_MARK_WORD,  /* the first time it stands behind the first word */
	WH_MARK_LAST,  /* the last time it stands there */
	WH_MARK_FIRST, /* the first time it stands anywhere; the first word when it does not, or is NULL */
	WH_MARK_PATH,  /* the word that ends in this path, or in its last name: "/a/b" is found as "./a/b", "$d/b" */
	WH_MARK_END,   /* behind the text: something is missing */
};
/* Names the word at fault, unless one was named: the innermost function knows best. The word may be NULL for FIRST, END. */
void wh_err_mark(struct wh_err **err, enum wh_mark how, const char *word);
/* Names a text around the word ("--mount=type=x"), in which it is to be looked for; marked itself when it is not there. */
void wh_err_within(struct wh_err **err, const char *text);
/* Drops the place, so that another can be given: what was wrong stood in a text of its own. */
void wh_err_unplace(struct wh_err **err);
/* Drops the word. */
void wh_err_unmark(struct wh_err **err);
/* Finds the place of the word in the excerpt; false: not there, or no word. wh_err_at() calls it. */
bool wh_err_locate(struct wh_err *err);
void wh_err_mark_free(struct wh_err_mark *mark);

/* Puts the error of *more (which becomes NULL) behind those of *err. */
void wh_err_append(struct wh_err **err, struct wh_err **more);
/* Replaces the detail text (copied). */
void wh_err_detail(struct wh_err **err, const char *text);
/* Says how much of a log the detail is; where all of it is. */
void wh_err_extent(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wh_err_log(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Moves src's error to dst (src becomes NULL); keeps dst's if it has one already. */
void wh_err_move(struct wh_err **dst, struct wh_err **src);
void wh_err_free(struct wh_err *err);

static inline void wh_err_freep(struct wh_err **err)
{
	if (*err)
		wh_err_free(*err);
	*err = 0;
}

#endif
