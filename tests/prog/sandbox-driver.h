/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of sandbox-driver share: a step as its options describe it. */
#ifndef WH_TESTS_SANDBOX_DRIVER_H
#define WH_TESTS_SANDBOX_DRIVER_H

#include "sandbox/sandbox.h"

struct driver {
	struct wh_step step;
	struct wh_strv lowers, env, hosts;
	struct wh_confine confine;
	struct wh_strv allow, absent, caps;
	struct wh_landlock_rule rules[32];
	struct wh_landlock_port ports[8];
	struct wh_bind binds[32];
	struct wh_root roots[4]; /* of binds */
	struct wh_strv root_lowers[4];
	size_t n_roots;
	uint64_t kill_after, repeat, parallel, left, running;
	const char *probe;
	const char *fresh; /* a directory: each step gets upper, work and stubs of its own there, made beforehand */
	const char *script;
	const char *console; /* "ROWSxCOLUMNS": on a terminal, whose other end takes our standard input and gives our output */
	int console_socket, console_master;
	const char *join, *observe, *input, *output; /* for scripts: a step's name, and files */
	bool pids;
	struct wh_loop *loop;
	struct wh_launcher *launcher;
	uint64_t began, last_id;
	int status;
};

/* The options before a step's command. Keeps argv's strings. False when there is a wrong one. */
bool driver_options(struct driver *d, int argc, char **argv);
void driver_release(struct driver *d);
/* Before and after a step with a terminal. */
void driver_console_open(struct driver *d, struct wh_loop *loop);
void driver_console_close(struct driver *d, struct wh_loop *loop);
/* Prints and frees. */
void driver_fail(struct wh_err *e);

/* Plays a script of steps (sandbox-play.c); the exit status. */
int driver_play(const char *path, struct wh_inner *inner);

#endif
