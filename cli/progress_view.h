/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the model of progress and its views. A view's functions are called with the mutex held, rows and texts as they came: what
 * is foreign in them is made harmless by the view.
 */
#ifndef WH_CLI_PROGRESS_VIEW_H
#define WH_CLI_PROGRESS_VIEW_H

#include "cli/cli.h"

#include <pthread.h>

struct wh_progress_move { /* a transfer */
	char *what;
	uint64_t done, total;
	uint64_t start_ns;
	uint64_t told_ns; /* view: when it last said something of it; 0: never */
	bool ended;
};

struct wh_progress_step {
	unsigned id;  /* as shown */
	char *name;   /* one safe line */
	char *digest; /* "sha256:…": BuildKit's name for it */
	char *inputs; /* JSON: digests; NULL: none */
	uint64_t start_ns;
	bool running;
	struct wh_text_lines line[2]; /* view: what is unfinished of standard output and error */
	struct wh_progress_move *moves;
	size_t n_moves, cap_moves;
};

enum wh_progress_end { WH_PROGRESS_DONE, WH_PROGRESS_CACHED, WH_PROGRESS_ERROR, WH_PROGRESS_CANCELED };

struct wh_progress_view {
	void (*title)(struct wh_progress *p, const char *text); /* what the command does, "Building" */
	void (*known)(struct wh_progress *p, const struct wh_progress_step *s); /* it will be there, perhaps */
	void (*start)(struct wh_progress *p, struct wh_progress_step *s);
	void (*log)(struct wh_progress *p, struct wh_progress_step *s, int stream, const char *data, size_t n);
	void (*note)(struct wh_progress *p, struct wh_progress_step *s, const char *text);
	void (*move)(struct wh_progress *p, struct wh_progress_step *s, struct wh_progress_move *m);
	/* err: NULL but for ERROR, and perhaps there */
	void (*end)(struct wh_progress *p, struct wh_progress_step *s, enum wh_progress_end how, uint64_t ns, const struct wh_err *err);
	void (*say)(struct wh_progress *p, bool warning, const char *text);
	void (*list)(struct wh_progress *p, const char *title, const struct wh_strv *lines);
	void (*block)(struct wh_progress *p, const struct wh_err *note); /* one */
	void (*finish)(struct wh_progress *p);
};
extern const struct wh_progress_view wh_progress_plain, wh_progress_json;

struct wh_progress {
	pthread_mutex_t mutex;
	const struct wh_progress_view *view;
	bool finished;
	unsigned last_id; /* numbers given so far */
	struct wh_progress_step **vertices; /* by index in the graph; NULL: not heard of yet */
	size_t n_vertices, cap_vertices;
	struct wh_progress_step **own; /* the command's own work */
	size_t n_own, cap_own;
	/* plain */
	FILE *out;
	bool colours;
	unsigned shown; /* whose lines were printed last; 0: nobody's */
	bool begun;     /* something was printed */
	/* json */
	uint64_t clock; /* what the monotonic clock lacks to the real one, ns */
	void (*emit)(struct wh_progress *p, const char *line, size_t n, bool may_drop);
	struct wh_progress_pipe *pipe; /* tty */
};

/* "12.6MB", as docker counts; malloc'ed. */
char *wh_progress_bytes(uint64_t n);

/* A view of objects that go to a file. */
struct wh_progress *wh_progress_new_json_for(FILE *out);

/* The live view's end in the worker (progress_tty.c). -EINVAL where there is no terminal to draw on. */
struct wh_progress_pipe;
bool wh_progress_can_draw(int fd);
int wh_progress_pipe_new(uint64_t clock, struct wh_progress_pipe **ret, struct wh_err **err);
/* With a line end. may_drop: when the one who draws is behind, it may be lost. */
void wh_progress_pipe_send(struct wh_progress_pipe *pipe, const char *line, size_t n, bool may_drop);
/* Waits until nothing is drawn any more, but not for ever. */
void wh_progress_pipe_pause(struct wh_progress_pipe *pipe, bool pause);
void wh_progress_pipe_finish(struct wh_progress_pipe *pipe); /* waits for the last frame */
void wh_progress_pipe_free(struct wh_progress_pipe *pipe);

#endif
