/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observation log: what one observed command (an application, or a command that was run beside it) was seen to use.
 * The recorder in sandbox/ writes it, harden/ reads it; it is text, so that a person can read it too.
 *
 * One record a line, fields separated by one tab. In a field, bytes below 0x21, above 0x7e, and '\' are written \xHH;
 * an empty field is "-" (a field that is really "-" is written \x2d).
 *
 *   whittle-observation 1                              first line
 *   P  PROCESS PARENT PROGRAM SCRIPT                   a program image: PROGRAM was executed (for the script SCRIPT) by PARENT.
 *                                                      Numbers from 1; PARENT 0: whoever started the command. One record for each
 *                                                      distinct (PARENT, PROGRAM, SCRIPT), not for each pid
 *   M  TEXT                                            from here on: "start", "serve", "stop", "test NAME" … (phase)
 *   A  KINDS PROCESS PATH                              used: something exists at PATH. PROCESS 0, here and below: whoever started
 *                                                      the command, as it looked for it and executed it
 *   N  KINDS PROCESS PATH                              looked up, and nothing is there
 *   S  PROCESS NAME                                    a system call that it made, by its kernel name ("accept4"; "x86:open" when made
 *                                                      with 32-bit numbers). Calls that the observer takes for granted are not told
 *   C  PROCESS NAME                                    a capability that a call of its needed ("CAP_CHOWN"), as far as arguments and
 *                                                      credentials tell: never too few, at times one too many
 *   L  PROCESS PROTOCOL ADDRESS PORT                   bound: PROTOCOL is "tcp", "udp" …, ADDRESS as inet_ntop(3) writes it, PORT 0: any
 *   K  PROCESS PROTOCOL ADDRESS PORT                   connected or sent to
 *   V  PROCESS NUMBER WORD                             a word of the command line by which the command's first process executed
 *                                                      the program of PROCESS, NUMBER from 0; one of more than 4 KiB is
 *                                                      left out, with those behind it. Secrets may stand there: it is for
 *                                                      messages, never for a document that leaves the machine
 *   X  PROCESS TEXT                                    a remark: "listener" (it wanted a seccomp listener of its own), "setsid",
 *                                                      "chroot PATH" …
 *   E  EVENTS LOST                                     last line: notifications seen, and how many could not be told. Without
 *                                                      this line, or with LOST != 0, the log is incomplete
 *
 * Marks are "start", "serve", "stop" (phases, in this order; "start" again after a restart) and "test NAME" (from here on it is that test's; "test"
 * alone: nobody's; a phase's mark ends a test's). TAP tells a test's name when it is over, so a driver's run is cut into segments, and the mark is "test #3" where
 * the third begins; whoever reads the log has a table of the run's segments with the names that were told, "" where nobody's.
 *
 * PATH is absolute inside the container's root and canonical: no symlink but perhaps the last component (then LINK is
 * among the KINDS), no "." or "..". A record is written once for each (mark, KINDS bit, PROCESS, PATH), likewise S, C, L, K for each mark. Each symlink
 * that was walked on the way to something has a record of its own, with LINK.
 */
#ifndef WH_BASE_OBSERVATION_H
#define WH_BASE_OBSERVATION_H

#include "base/err.h"
#include "base/str.h"

/* What was done; in the log one letter each, in this order: rwxslcdmkug. */
enum wh_access {
	WH_ACCESS_READ = 1 << 0,   /* r: opened for reading (or with O_PATH) */
	WH_ACCESS_WRITE = 1 << 1,  /* w: opened for writing, truncated */
	WH_ACCESS_EXEC = 1 << 2,   /* x: executed */
	WH_ACCESS_STAT = 1 << 3,   /* s: stat, access, statfs, getxattr, inotify watch … */
	WH_ACCESS_LIST = 1 << 4,   /* l: a directory opened */
	WH_ACCESS_CREATE = 1 << 5, /* c: made: open with O_CREAT of what was not there, mkdir, symlink, link and rename to, bind of a socket.
				    * In an N record: nothing was there before; its parent directory is needed */
	WH_ACCESS_REMOVE = 1 << 6, /* d: unlink, rmdir, rename from */
	WH_ACCESS_CHANGE = 1 << 7, /* m: mode, owner, times, xattrs */
	WH_ACCESS_LINK = 1 << 8,   /* k: a symlink itself: walked, read, or looked at */
	WH_ACCESS_SOCKET = 1 << 9, /* u: connected to as a socket */
	WH_ACCESS_ENTER = 1 << 10, /* g: chdir, chroot: made a working or root directory */
};

enum wh_obs_kind {
	WH_OBS_PROCESS, WH_OBS_MARK, WH_OBS_USED, WH_OBS_MISSING, WH_OBS_REMARK, WH_OBS_END,
	WH_OBS_SYSCALL, WH_OBS_CAPABILITY, WH_OBS_BOUND, WH_OBS_PEER, WH_OBS_WORD,
};

struct wh_obs {
	enum wh_obs_kind kind;
	uint32_t process, parent;     /* all but MARK and END; parent: PROCESS */
	unsigned access;              /* USED, MISSING: enum wh_access bits */
	const char *program, *script; /* PROCESS; script NULL: none */
	const char *path;             /* USED, MISSING */
	const char *text;             /* MARK, REMARK, SYSCALL, CAPABILITY; BOUND, PEER: the protocol; WORD: the word */
	const char *address;          /* BOUND, PEER */
	uint32_t number;              /* BOUND, PEER: port; WORD: its place */
	uint64_t events, lost;        /* END */
};

/* Appends the first line. */
void wh_obs_begin(struct wh_buf *out);
/* Appends one record. */
void wh_obs_write(const struct wh_obs *o, struct wh_buf *out);
/* Calls fn for each record; its strings are valid during the call. fn returns 0 or a negative errno, which ends the
 * reading. -EBADMSG with err: damaged, or no END record where one must be. */
typedef int (*wh_obs_fn)(void *arg, const struct wh_obs *o);
int wh_obs_read(const char *p, size_t n, wh_obs_fn fn, void *arg, struct wh_err **err);

#endif
