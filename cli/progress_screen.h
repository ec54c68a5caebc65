/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live view: what was heard (objects of SolveStatus, a line each) and how it looks. No clock, no terminal: progress_tty.c has those,
 * and tests play recordings.
 *
 *   wh_screen_take() … ─▶ struct wh_screen ─(now, columns, rows, what the terminal can)─▶ struct wh_frame
 *
 *     [+] Building 12.3s (5/11)
 *      => CACHED [build 1/5] FROM debian                                       0.0s
 *      => [build 2/5] RUN make                                                 3.2s
 *      => => # cc -c main.c
 *      => [internal] pull busybox:1.36                                         1.2s
 *      => => layer 9834876dcfb0   12.6MB / 29.1MB [=====>       ]  10.2MB/s  2s left
 */
#ifndef WH_CLI_PROGRESS_SCREEN_H
#define WH_CLI_PROGRESS_SCREEN_H

#include "cli/cli.h"

#define WH_SCREEN_LOGS 6
#define WH_SCREEN_SAMPLES 8

struct wh_screen_move { /* a status: a transfer, or words alone */
	char *id;
	uint64_t current, total;
	int64_t start_ns, end_ns; /* since 1970; end 0: it goes on */
	struct wh_screen_sample {
		int64_t ns;
		uint64_t current;
	} samples[WH_SCREEN_SAMPLES]; /* oldest first, some time apart */
	size_t n_samples;
};

struct wh_screen_step {
	char *digest, *name, *error;
	int64_t start_ns, end_ns; /* start 0: only heard of; end 0: it runs */
	bool cached;
	struct wh_screen_move *moves;
	size_t n_moves, cap_moves;
	char *log[WH_SCREEN_LOGS]; /* oldest first */
	size_t n_log;
	struct wh_buf part[2]; /* a line that is not ended, of standard output and error */
};

struct wh_screen_words { /* below the last frame */
	char *text; /* lines, with their ends */
	bool warning;
};

struct wh_screen {
	char *title;
	int64_t start_ns; /* of the first step */
	bool failed;
	struct wh_screen_step **steps; /* in the order in which they started; those only heard of behind */
	size_t n, cap, n_started;
	struct wh_screen_words *words;
	size_t n_words, cap_words;
};

/* One line without its end: an object, "T" and a title, or "F": the command has failed. What is no such thing is passed over. False
 * when nothing changed. */
bool wh_screen_take(struct wh_screen *s, const char *line, size_t n);
bool wh_screen_runs(const struct wh_screen *s); /* something goes on, so that times change */
void wh_screen_release(struct wh_screen *s);
/* Bytes a second of late; 0: not known yet, or nothing moves. */
double wh_screen_rate(const struct wh_screen_move *m, int64_t now_ns);

enum { WH_COLOUR_RUN, WH_COLOUR_CANCEL, WH_COLOUR_WARNING, WH_COLOUR_ERROR, WH_COLOURS };
struct wh_screen_look {
	unsigned columns, rows;
	bool utf8;
	bool colours;
	bool final; /* everything, however much it is */
	char colour[WH_COLOURS][24]; /* SGR parameters: "34" */
};
/* What the environment says: LC_ALL, LC_CTYPE, LANG, NO_COLOR, BUILDKIT_COLORS. */
void wh_screen_look_init(struct wh_screen_look *l);

struct wh_frame {
	struct wh_frame_line {
		char *text; /* without an end; with colours */
		unsigned columns;
	} * v;
	size_t n, cap;
};
/* Not final: at most rows - 1 lines (the cursor stays below), of at most columns - 1 columns. */
void wh_screen_draw(const struct wh_screen *s, int64_t now_ns, const struct wh_screen_look *l, struct wh_frame *ret);
void wh_frame_release(struct wh_frame *f);
/* Warnings and notes, to be printed below the last frame. */
void wh_screen_words(const struct wh_screen *s, const struct wh_screen_look *l, struct wh_buf *out);

#endif
