/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command tells of its work while it works.
 *
 *   builder's events, the command's own rows, transfers
 *     → progress.c        one struct wh_progress: rows by number, names, times; a mutex: any thread may tell
 *         → progress_plain.c   lines, as docker's plain progress has them
 *         → progress_json.c    one JSON object a line, as buildx's rawjson has them (BuildKit's SolveStatus)
 *         → progress_tty.c     a live view, drawn by a process of its own that reads those objects from a pipe
 *
 * Whoever works must be free of threads until it has entered the user namespace, and must not be held up by a terminal: so what draws,
 * with its clock and its SIGWINCH, is a child. It reads the very objects that --progress=rawjson prints, so that what is
 * seen can be recorded and played again.
 *
 * All of it goes to standard error. Every function takes NULL for "quiet".
 */
#ifndef WH_CLI_PROGRESS_H
#define WH_CLI_PROGRESS_H

#include "base/base.h"
#include "builder/builder.h"

enum wh_progress_kind {
	WH_PROGRESS_AUTO, /* TTY where standard error is a terminal that can be drawn on (TERM is set and not "dumb"), else PLAIN */
	WH_PROGRESS_PLAIN,
	WH_PROGRESS_TTY, /* -EINVAL where standard error is no terminal */
	WH_PROGRESS_RAWJSON,
	WH_PROGRESS_QUIET, /* NULL comes back */
};
/* --progress' word, else $BUILDKIT_PROGRESS', else auto. */
int wh_progress_kind_parse(const char *text, enum wh_progress_kind *ret, struct wh_err **err);

struct wh_progress;
int wh_progress_new(enum wh_progress_kind kind, struct wh_progress **ret, struct wh_err **err);
/* The same for a command's options; title: wh_progress_title(). */
int wh_progress_open(const char *word, bool quiet, const char *title, struct wh_progress **ret, struct wh_err **err);
struct wh_progress *wh_progress_new_for(FILE *out); /* plain lines to there */
/* What the command does, for the head of the live view: "Pulling"; else it is "Building". */
void wh_progress_title(struct wh_progress *p, const char *text);
/* The steps that will be there, so that it can say how many of them are done. */
void wh_progress_graph(struct wh_progress *p, const struct wh_graph *g);
/* Somebody else asks something on the terminal meanwhile, then goes on. */
void wh_progress_pause(struct wh_progress *p, bool pause);
/* Nothing is drawn after it: the terminal is as it was, and who prints then prints below. Idempotent; free() does it. */
void wh_progress_finish(struct wh_progress *p);
/* The same for a command that failed; where people read, an empty line follows. */
void wh_progress_gap(struct wh_progress *p);
void wh_progress_free(struct wh_progress *p);
/* In a process that was forked and must not draw. */
void wh_progress_forget(struct wh_progress *p);

void wh_progress_event(void *progress, const struct wh_event *e); /* for wh_builder_opts.event */
/* Work of the command itself, outside the graph. Returns its number. */
unsigned wh_progress_begin(struct wh_progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wh_progress_note(struct wh_progress *p, unsigned id, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Bytes on their way for the row id (which began before): what is a short name ("layer 3f2a…", "sha256:…"), unique in its row; total 0: not
 * known. Told as often as one likes; done == total (or wh_progress_end()) ends it. */
void wh_progress_transfer(struct wh_progress *p, unsigned id, const char *what, uint64_t done, uint64_t total);
void wh_progress_end(struct wh_progress *p, unsigned id, const struct wh_err *err);
/* Blocks as errors have them, headed "note: ". */
void wh_progress_notes(struct wh_progress *p, const struct wh_err *notes);
void wh_progress_warn(struct wh_progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A title and a list below it. */
void wh_progress_list(struct wh_progress *p, const char *title, const struct wh_strv *lines);

/* What a service's notes (wh_inner_call_telling) are for: {"what", "done", "total"} become transfers of that row. */
struct wh_progress_row {
	struct wh_progress *progress;
	unsigned id;
};
void wh_progress_tell(void *row /* struct wh_progress_row */, const json_t *note);

#endif
