/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of file operations: little directories and layers told as text, and
 * one operation run over them.
 *
 * One entry a line:
 *
 *   d 0755 dir          f 0644 name content      l link -> target
 *   h name => first     p 0644 fifo              w removed
 *
 * with "@uid:gid" behind the mode when it is not root's, and " !" behind the name
 * of an opaque directory. Times are TIME.
 */
#ifndef WH_TESTS_UNIT_FILEOP_FIXTURE_H
#define WH_TESTS_UNIT_FILEOP_FIXTURE_H

#include "tests/unit/test.h"

#include "builder/fileop_private.h"

#define TIME 1485449953

/* Of a call that gets &err. */
#define MUST(call)                                                              \
	do {                                                                    \
		int must_r = (call);                                            \
		if (must_r)                                                     \
			fail_msg("%d: %s", must_r, err ? err->msg : "no text"); \
	} while (0)

struct env {
	char dir[64];
	int fd;
	struct wh_store *store;
};

struct copy {
	const char *srcs[8];
	const char *dest;
	const char *chown, *chmod;
	const char *exclude[4];
	const char *ignore[8];
	bool parents, add, no_glob;
};

struct job {
	struct wh_file_action actions[4];
	struct wh_op_file op;
	struct wh_op_source source;
	struct wh_vertex from, v;
	struct wh_vertex *inputs[2];
	struct wh_file_input in[2];
	struct wh_local_attrs attrs; /* for in[1] */
	char local[96];
	struct wh_layer base, tree;
	struct wh_fileop *f;
	const char *protect[2];
};

int setup(void **state);
int teardown(void **state);
/* Makes the directory below the environment's own. */
void make_dir(struct env *e, const char *name, const char *text);
void make_layer(struct env *e, const char *text, struct wh_layer *ret);
/* What the layer has, as text. */
char *show(struct env *e, const struct wh_layer *layer);
/* c: NULL when j->actions and j->op.n_actions are set already. context: NULL when it is there already. */
void job_start(struct env *e, struct job *j, const struct copy *c, const char *base, const char *context, bool tree);
void job_end(struct job *j);
struct wh_layer_opts plain(void);
/* The layer as text, or the error's text (and hint, in brackets). */
char *job_write(struct env *e, struct job *j);
struct wh_digest job_digest(struct job *j);

#endif
