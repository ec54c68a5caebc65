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
	unsigned line;           /* 1-based; 0: unknown */
	unsigned column;         /* 1-based; 0: unknown */
	char *excerpt;           /* the source line(s) at fault, or NULL */
	char *detail;            /* further lines to show below (a log's tail), or NULL */
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
/* Sets the place in the user's input unless there is one; excerpt may be NULL. Strings are copied. */
void wh_err_at(struct wh_err **err, const char *file, unsigned line, unsigned column, const char *excerpt);
/* Replaces the detail text (copied). */
void wh_err_detail(struct wh_err **err, const char *text);
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
