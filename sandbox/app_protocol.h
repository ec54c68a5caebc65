/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the driver of a profile talks about its application: the helper `app` in the driver's container, a stream
 * socket, and whoever listens on it.
 *
 *   request   one message with the caller's standard input, output and error as SCM_RIGHTS:
 *             u32 length of what follows, then strings, each a u32 length and its bytes: the verb and its words
 *   reply     i32 status, u32 length of text; where that is not 0, a memfd with the text as SCM_RIGHTS. Then the
 *             end. In a descriptor, a text of any size is handed over without waiting for its reader
 *
 * Numbers are little-endian. The caller's end of the connection is the end of its interest: a command that it has
 * started by `exec` or `run` is to be killed when the connection ends first.
 *
 * The status becomes the helper's exit status: for exec and run the command's, else 0 or 1; 2: wrong usage. The helper
 * itself ends with 125 when nobody answers. The text goes to standard output when the status is 0, else to standard
 * error.
 */
#ifndef WH_SANDBOX_APP_PROTOCOL_H
#define WH_SANDBOX_APP_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

/* The helper looks for the socket beside its own file first. */
#define WH_APP_DIR "/run/whittle"
#define WH_APP_HELPER "app"
#define WH_APP_SOCKET "control"
#define WH_APP_FDS 3
#define WH_APP_MAX_REQUEST ((size_t)1 << 20)
#define WH_APP_MAX_WORDS ((size_t)4096)

enum wh_app_verb {
	WH_APP_EXEC = 1, /* a command in the application's container */
	WH_APP_RUN,      /* the image's entrypoint with these arguments, in a container like the application's */
	WH_APP_START,
	WH_APP_STOP,
	WH_APP_RESTART,
	WH_APP_KILL, /* args[0]: the signal's name or number, perhaps none */
	WH_APP_LOGS,
	WH_APP_TEST, /* args[0]: the name of the test that begins; none: no test's */
};

struct wh_err;
struct wh_app_inbox;

/* Closing the last descriptor of a socket can take as long as whoever made the socket likes (SO_LINGER), also for one
 * that is still on its way inside of another: threads that nobody waits for do it. What they hold when the process ends
 * is no hindrance to that. */
struct wh_app_closer;
struct wh_app_closer *wh_app_closer_new(void);
void wh_app_closer_free(struct wh_app_closer *c); /* what is under way goes on */
unsigned wh_app_closer_pending(const struct wh_app_closer *c); /* descriptors that are not closed yet */
/* Closes them and makes them -1; those that are -1 are passed over. c NULL: here and now. */
void wh_app_close(struct wh_app_closer *c, int *fds, size_t n);

struct wh_app_request {
	enum wh_app_verb verb;
	char *user, *cwd; /* EXEC, RUN: as asked for, or NULL */
	char **env;       /* the same: K=V, NULL-terminated */
	char **args;      /* the rest, NULL-terminated */
	int fds[WH_APP_FDS];
	struct wh_app_inbox *inbox; /* what has come so far */
	struct wh_app_closer *closer; /* the caller's; may be NULL */
};
#define WH_APP_REQUEST_INIT ((struct wh_app_request){.fds = {-1, -1, -1}})

/* The listener's side; whoever connects may be hostile. Never blocks. */

/* Call whenever the connection is readable, with the same ret, until it returns something else than -EAGAIN: 0, the
 * request is whole, and none of fds is a network's socket; -EINVAL, a mistake of who typed it (*err is what to reply with status 2); any other, not worth an
 * answer. */
int wh_app_request_read(int fd, struct wh_app_request *ret, struct wh_err **err);
void wh_app_request_release(struct wh_app_request *r);
/* The one answer; the caller closes the connection. 0 or -errno. */
int wh_app_reply(int fd, int status, const char *text, size_t n);

/* The helper's program file, as it is to be put into a driver's container. */
const void *wh_app_helper(size_t *n);

#endif
