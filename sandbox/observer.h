/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the observer. Internal to sandbox/; supervisor.c calls them, and nothing here depends on the rest of
 * sandbox/, so that whittle-record links them alone.
 *
 *   supervisor.c        the loop: notification in, answer out
 *   supervisor_table.c  which system calls, and what each does with its arguments
 *   observer_call.c     a call's arguments → which paths, used how
 *   observer_exec.c     the same for execve: scripts, and what becomes of the caller
 *   observer_net.c      the same for sockets: addresses, and those that are paths
 *   observer_task.c     who called: thread → process → program image; its memory, its /proc links
 *   observer_creds.c     its ids and capabilities; which of them modes call for
 *   observer_caps.c     which capabilities other calls need
 *   observer_path.c     a path of the caller's → canonical path in the container's root, symlinks recorded
 *   observer_log.c      records, each once
 *
 * What is looked up is looked up below the root's descriptor, with openat2 and without magic links: nothing outside
 * can be opened, whatever the caller names. Descriptors are O_PATH, but for the first bytes of an executed regular
 * file.
 */
#ifndef WH_SANDBOX_OBSERVER_H
#define WH_SANDBOX_OBSERVER_H

#include "base/base.h"
#include "base/observation.h"

#include <limits.h>
#include <linux/seccomp.h>

/* A canonical path: /proc names no longer ones than PATH_MAX, a call adds as much. */
#define WH_PLACE_MAX (2 * PATH_MAX)

/* ---------------------------------------------------------------- state */

struct wh_program;  /* a P record */
struct wh_thread;   /* a thread that is no leader of its process */
struct wh_image;    /* a program image that was seen running */
struct wh_seen;     /* an A, N, X, L or K record */
struct wh_searched; /* a directory that some ids may search */
struct wh_creds;    /* observer_caps.h */
struct wh_need;
struct wh_told; /* the S and C records of a program */

/* System call numbers are below this. */
#define WH_SYSCALL_NUMBERS 1024

/* An execve whose outcome is not known yet: CONTINUE tells nobody. The caller's next call, or its end, tells. */
struct wh_pending {
	pid_t tid; /* who called it */
	char *program, *script;
	struct wh_strv words; /* the command line, of the first process */
	dev_t dev;
	ino_t ino;
};

struct wh_task { /* a process */
	pid_t pid;
	int pidfd;        /* readable when it is gone; -1: no descriptor was free, then started tells */
	uint64_t started; /* field 22 of /proc/PID/stat */
	uint32_t record;  /* its P record; 0: none yet */
	uint64_t image;   /* what it runs (observer_task.c) */
	struct wh_pending *pending;
	struct wh_creds *creds;      /* NULL: to be read */
	bool differ;                 /* its threads' may */
	pid_t inner;                 /* its number in its own container; 0: not asked yet */
	struct wh_task_links *links; /* the table's */
};

struct wh_observer {
	int root;     /* the container's "/" */
	int proc;     /* a /proc that knows the callers' numbers */
	int listener; /* to ask whether a caller is still there */
	int exits;    /* epoll: processes that ended */
	int log;
	int max_pidfd; /* higher ones are left to what has to be opened for a moment */
	bool counting; /* the first execve was seen */
	bool chrooted; /* somebody changed its root, or tried to */
	bool failed;   /* the log cannot be written */
	pid_t first;   /* the command's first process; -1: it is gone */
	uint64_t events, lost;
	uint64_t size; /* of the log, in bytes */
	uint32_t phase;
	struct wh_buf out;
	struct wh_seen *seen;
	size_t n_seen;
	struct wh_program *programs;
	struct wh_program **by_number;
	size_t n_programs, cap_programs;
	struct wh_told *told; /* of process 0 */
	struct wh_task_links *tasks;
	struct wh_thread *threads;
	size_t n_threads;
	struct wh_image *images;
	size_t n_images;
	struct wh_searched *searched;
	size_t n_searched;
	char *links[256]; /* by hash: where symlinks were met */
};
/* Takes nothing over but proc; root, listener come with the handover. */
int wh_observer_init(struct wh_observer *o, int log_fd, struct wh_err **err);
void wh_observer_release(struct wh_observer *o);
/* The end: what is still open is assumed, the last line is written. 0 or -errno. */
int wh_observer_finish(struct wh_observer *o);
/* One event could not be told. */
void wh_observer_lost(struct wh_observer *o);

/* ---------------------------------------------------------------- one call */

#define WH_CALL_STRINGS 4
struct wh_call {
	uint64_t id;
	pid_t tid;
	bool compat; /* a 32-bit call */
	int nr;
	uint64_t args[6];
	struct wh_task *task;
	const struct wh_need *need; /* capabilities; or NULL */
	bool moves;                 /* rename */
	struct {
		uint64_t addr, hash;
	} strings[WH_CALL_STRINGS]; /* that were read: wh_call_string() */
	unsigned n_strings;
};
struct wh_row;
typedef void (*wh_call_fn)(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);

/* The caller waits still: what was read was its own. */
bool wh_call_holds(const struct wh_observer *o, const struct wh_call *c);

/* wh_task_string(), remembered. */
int wh_call_string(const struct wh_observer *o, struct wh_call *c, uint64_t addr, char p[PATH_MAX]);
/* Are the call's strings what they were when they were read? Another thread may write there. */
bool wh_call_is_same(const struct wh_observer *o, const struct wh_call *c);

/* Sorts what kept a call from being read: what the caller cannot have used either is nothing, all else is lost. */
void wh_call_failed(struct wh_observer *o, int r);

/* observer_call.c, observer_exec.c, observer_net.c: the table's handlers. */
void wh_see_path(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_open(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_creat(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_openat2(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_make(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_rename(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_link(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_fd(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_chroot(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_seccomp(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_bind(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_connect(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_listen(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_sendmsg(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_sendmmsg(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_socketcall(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_remark(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);
void wh_see_exec(struct wh_observer *o, const struct wh_row *row, struct wh_call *c);

/* ---------------------------------------------------------------- observer_task.c */

/* The process that thread tid belongs to. -ESRCH: it is gone. */
int wh_task_find(struct wh_observer *o, pid_t tid, struct wh_task **ret);
/* Settles what became of a pending execve; tid has made a call since. */
void wh_task_settle(struct wh_observer *o, struct wh_task *t, pid_t tid);
/* Takes p over. */
void wh_task_execs(struct wh_observer *o, struct wh_task *t, struct wh_pending *p);
/* Calls fn for each process, until it says false. */
void wh_task_each(struct wh_observer *o, bool (*fn)(void *arg, struct wh_observer *o, struct wh_task *t), void *arg);
/* Its number in its own container; 0: it is gone. */
pid_t wh_task_inner(struct wh_observer *o, struct wh_task *t);
/* Processes that ended since. False: there are more, call again. */
bool wh_task_bury(struct wh_observer *o);
void wh_tasks_release(struct wh_observer *o);

/* What /proc/PID/NAME holds, up to max bytes. How many; -ESRCH: it is gone; else it cannot be told. */
int wh_task_proc(const struct wh_observer *o, pid_t pid, const char *name, char *p, size_t max);

/* n bytes at the caller's addr. 0; -EFAULT: not readable, for the kernel neither; -ESRCH: gone; else it cannot be
 * told. */
int wh_task_read(const struct wh_observer *o, pid_t tid, uint64_t addr, void *p, size_t n);
/* A string of at most PATH_MAX bytes with its NUL, else -ENAMETOOLONG. */
int wh_task_string(const struct wh_observer *o, pid_t tid, uint64_t addr, char p[PATH_MAX]);

/* A copy of the caller's descriptor, for a moment. -EBADF: it has none of that number; -ESRCH; else it cannot be had. */
int wh_task_descriptor(const struct wh_observer *o, const struct wh_call *c, int fd);

/* What /proc/PID/NAME ("cwd", "fd/3") leads to, as a canonical path in the container. -ENOENT: to nothing that the
 * root holds; p is what /proc says then. */
int wh_task_link(const struct wh_observer *o, pid_t pid, const char *name, char p[WH_PLACE_MAX]);

/* ---------------------------------------------------------------- observer_path.c */

struct wh_start {
	char at[WH_PLACE_MAX];   /* where the path begins; "" is the container's "/" */
	char root[WH_PLACE_MAX]; /* what is "/" for the caller */
};
struct wh_found {
	char path[WH_PLACE_MAX]; /* canonical, in the container */
	struct stat st;          /* of what is there */
	int fd;                  /* it, with O_PATH; -1 when missing */
};
#define WH_FOUND_INIT ((struct wh_found){.fd = -1})
static inline void wh_found_release(struct wh_found *f)
{
	wh_closep(&f->fd);
}
#define WH_AUTO_FOUND WH_CLEANUP(wh_found_release)

/* Where a path of the caller's begins. dirfd as in openat(2). 0; -ESRCH; -ENOENT: nowhere in the root; -ENOTDIR;
 * else lost. */
int wh_place_start(struct wh_observer *o, const struct wh_call *c, int dirfd, const char *path, struct wh_start *ret);
/* Walks. 0: *f tells what is there. -ENOENT: nothing is; f->path is set. -EXDEV: it lies in /proc or is nothing of the
 * root's, so there is nothing to record; f->fd and f->st tell of the caller's open file that the path stands for, if it
 * is one. -EACCES, -ELOOP, -ENAMETOOLONG …: the caller gets that too. */
int wh_place_walk(struct wh_observer *o, const struct wh_call *c, const struct wh_start *s, const char *path,
		  bool follow, struct wh_found *f);

/* What is at that path of the caller's: nothing there is an N record, something there is looked at (EEXIST) or, with
 * over, replaced. */
struct wh_named {
	struct wh_start start;
	char path[PATH_MAX];
};
void wh_call_made(struct wh_observer *o, const struct wh_call *c, const struct wh_named *n, bool over);
/* A record of what was found (r 0), or not found (-ENOENT). */
void wh_call_note(struct wh_observer *o, const struct wh_call *c, int r, unsigned access, const struct wh_found *f);

/* fstat(2) of a canonical path. 0 or -errno. */
int wh_place_stat(const struct wh_observer *o, const char *path, struct stat *st);

/* wh_place_walk(); what fails for a reason of ours is lost. */
int wh_call_walk(struct wh_observer *o, const struct wh_call *c, const struct wh_start *start, const char *path,
		 bool follow, struct wh_found *f);

/* ---------------------------------------------------------------- observer_creds.c, observer_caps.c */

/* Tells what a call needs that does this to what was found, or not found. */
void wh_cap_access(struct wh_observer *o, const struct wh_call *c, unsigned access, bool missing,
		   const struct wh_found *f);
/* The same for the way there: the directories above path are searched. */
void wh_cap_search(struct wh_observer *o, const struct wh_call *c, const char *path);
/* Modes, owners or directories change: what was found out about ways is forgotten. */
void wh_searched_forget(struct wh_observer *o);
/* What the call's own row says; st as in struct wh_need. */
void wh_cap_call(struct wh_observer *o, const struct wh_call *c, const struct stat *st);
/* The row of that name, or NULL. */
const struct wh_need *wh_need_find(const char *name);
/* After the call its credentials may be others. */
void wh_need_done(struct wh_observer *o, const struct wh_call *c);
/* A message's control data, at the caller's addr. */
void wh_cap_control(struct wh_observer *o, const struct wh_call *c, uint64_t addr, uint64_t len);
/* A port is bound. */
void wh_cap_port(struct wh_observer *o, const struct wh_call *c, uint16_t port);
/* Something is opened that has no name in the root. */
void wh_cap_object(struct wh_observer *o, const struct wh_call *c, unsigned access, const struct stat *st);
void wh_creds_release(struct wh_task *t);

/* ---------------------------------------------------------------- observer_log.c */

/* An A record, or an N record when missing. Nothing for what is in /proc, /sys and /dev. */
void wh_record(struct wh_observer *o, uint32_t process, unsigned access, bool missing, const char *path);
void wh_remark(struct wh_observer *o, uint32_t process, const char *text);
void wh_phase(struct wh_observer *o, const char *text);
/* An S record. which: 0 native, 1 with 32-bit numbers. */
void wh_syscall(struct wh_observer *o, uint32_t process, unsigned which, int nr, const char *name);
/* A C record; the capability's number. */
void wh_capability(struct wh_observer *o, uint32_t process, unsigned capability);
bool wh_capability_told(struct wh_observer *o, uint32_t process, unsigned capability);
/* "CAP_CHOWN"; the caller frees it. */
char *wh_capability_name(unsigned capability);
/* An L or K record. Of too many ports at one address all further ones become 0. */
void wh_endpoint(struct wh_observer *o, enum wh_obs_kind kind, uint32_t process, const char *protocol,
		 const char *address, uint16_t port);
/* V records, for a program that has none yet. */
void wh_words(struct wh_observer *o, uint32_t process, const struct wh_strv *words);
/* The number of that P record; a new one is written. */
uint32_t wh_program(struct wh_observer *o, uint32_t parent, const char *program, const char *script);
/* Writes out what is buffered. */
void wh_log_flush(struct wh_observer *o);
void wh_log_release(struct wh_observer *o);

#endif
