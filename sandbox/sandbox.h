/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a step where it can do no harm, without root.
 *
 * Four processes, each with less than the one before:
 *
 *   outer     what the user started. Stays in the user's namespaces; later holds keys and credential helpers. Writes the
 *             id maps, passes signals on, waits, ends with the inner's status. Never reads an image, archive or step's file.
 *   inner     fork of outer; parses, schedules, hashes. Enters the user namespace (and a private mount namespace) only
 *             when there is something to run or unpack: a cached build never does. Dies with outer.
 *   launcher  fork of inner, single-threaded, PID 1 of its own PID namespace. Starts the steps. Dies with inner; as
 *             it dies the kernel kills every step below it: whatever happens, nothing keeps running and nothing stays
 *             mounted (all mounts are in inner's and the steps' namespaces).
 *   step      child of launcher: own pid, mount, ipc, uts, cgroup and (unless host) network namespace; the command is its PID 1.
 *
 * Real root takes the same path (it enters a user namespace too), so both get the same bits.
 */
#ifndef WH_SANDBOX_H
#define WH_SANDBOX_H

#include "base/base.h"
#include "base/passwd.h"
#include "sandbox/app_protocol.h"

/* ---------------------------------------------------------------- outer and inner */

/* Call first in main(). The launcher is this same program executed anew, with its file on a read-only mount, lest a step
 * write to it through /proc/self/exe; in that process the call does not return. In a program that does not call it the
 * launcher is a fork without this protection. */
void wh_sandbox_init(int argc, char **argv);

struct wh_outer; /* the outer's end */
struct wh_inner; /* the inner's end */

/* Forks. In the parent *ret_outer is set, in the child *ret_inner; the other is NULL. Call before any thread exists.
 * The child: own PR_SET_PDEATHSIG, umask 0, SIGINT/SIGTERM/SIGHUP/SIGQUIT blocked (it takes them from a signalfd). */
int wh_outer_fork(struct wh_outer **ret_outer, struct wh_inner **ret_inner, struct wh_err **err);
/* Serves the inner's requests (id maps), forwards SIGINT, SIGTERM, SIGHUP, SIGQUIT; returns the inner's exit status
 * (128+signal when it was killed). */
int wh_outer_serve(struct wh_outer *o);

/* Services: what needs keys, credentials or credential helpers is done on the outer side, each call in a fork of it that
 * ends with the call (and dies with outer), so that signals are passed on meanwhile. Requests and replies are JSON documents (up
 * to 64 MiB); a service's error arrives at the caller whole. */
typedef int (*wh_service_fn)(void *arg, const json_t *request, json_t **ret_reply /* new reference */, struct wh_err **err);
struct wh_service {
	const char *name;
	wh_service_fn fn;
	void *arg;
};
/* Passes this signal on, too, besides SIGINT, SIGTERM, SIGHUP and SIGQUIT; the caller has blocked it before the fork. */
void wh_outer_forward(struct wh_outer *o, int sig);
/* Before wh_outer_serve(); the array must live until that returns. */
void wh_outer_offer(struct wh_outer *o, const struct wh_service *services, size_t n);
/* Blocks until the reply is there. From any thread; several calls may be under way. */
int wh_inner_call(struct wh_inner *i, const char *service, const json_t *request, json_t **ret_reply, struct wh_err **err);
/* The same; once *cancel is true it is not waited for any longer: -ECANCELED. The service goes on until its end, or inner's. */
int wh_inner_call_while(struct wh_inner *i, const char *service, const json_t *request, const _Atomic bool *cancel,
			json_t **ret_reply, struct wh_err **err);
/* From within a service, any thread: a word to the caller before the reply. Nobody may be listening. Never blocks for long: what the
 * caller does not take in is dropped. */
void wh_service_tell(const json_t *note);
/* The same as wh_inner_call_while(); such words are handed to tell (on the calling thread). */
typedef void (*wh_tell_fn)(void *arg, const json_t *note);
int wh_inner_call_telling(struct wh_inner *i, const char *service, const json_t *request, const _Atomic bool *cancel, wh_tell_fn tell,
			  void *arg, json_t **ret_reply, struct wh_err **err);
/* How steps are kept apart. CHROOT: for real root where neither namespaces nor mounts are to be had (a container with docker's
 * default seccomp profile); weaker, hence by explicit choice only. Before wh_inner_enter(). */
enum wh_isolation { WH_ISOLATION_NAMESPACES, WH_ISOLATION_CHROOT };
void wh_inner_set_isolation(struct wh_inner *i, enum wh_isolation kind);
enum wh_isolation wh_inner_isolation(const struct wh_inner *i);
/* Enters the user namespace: ids 0 → the caller's, 1… → /etc/subuid and /etc/subgid (newuidmap, newgidmap; without them the caller's alone),
 * real root: 0…65535 as they are; then a private mount namespace. Idempotent. Needs: no thread yet. Errors are WH_ERR_ENV with the smallest mend as
 * hint (package uidmap, `usermod --add-subuids`, the sysctl, the AppArmor restriction …). */
int wh_inner_enter(struct wh_inner *i, struct wh_err **err);
bool wh_inner_entered(const struct wh_inner *i);
/* After it failed: half-way, so that this process has no id any more and can write nothing. */
bool wh_inner_lost(const struct wh_inner *i);
/* Number of ids mapped (65536 normally). */
uint32_t wh_inner_id_count(const struct wh_inner *i);
/* Where these are fewer: why, and the smallest mend as hint; else NULL. Files of other owners can then neither be made nor unpacked. */
const struct wh_err *wh_inner_few_ids(const struct wh_inner *i);
void wh_inner_free(struct wh_inner *i);
/* ISOLATION_CHROOT: can the devices that every step needs be made in this directory, and opened there? */
int wh_chroot_try_devices(int dirfd, struct wh_err **err);

/* ---------------------------------------------------------------- what this host allows */

/* A step's /proc. BOUND: in a container whose own is masked the kernel allows no new one, so a step sees the container's, read-only; its
 * numbers are the container's, and names and command lines of the container's processes can be read there. */
enum wh_proc_kind { WH_PROC_FRESH, WH_PROC_BOUND };
struct wh_host {
	unsigned kernel_major, kernel_minor;
	bool overlay;          /* overlay with userxattr works on the given directory */
	char *overlay_why;     /* why not, or NULL */
	bool noexec, nosuid;   /* so is the given directory mounted: it holds for roots that are copies, not for overlays */
	enum wh_proc_kind proc;
	int proc_error;        /* BOUND: why (errno) */
	int sys_error;         /* no sysfs of a network namespace's own (errno): steps see the host's, or an empty one */
	int hostname_error;    /* steps cannot have a hostname of their own (errno) */
	bool tun;              /* /dev/net/tun can be opened */
	int tun_error;         /* why not (errno) */
	char *pasta, *slirp4netns; /* paths, or NULL */
	bool seccomp, landlock;
	int landlock_abi;      /* 0: none */
	bool notify;           /* seccomp's user notifications, which PROFILE needs */
};
/* Call after wh_inner_enter(), before the first thread. scratch: an empty directory of ours for trial mounts; everything is undone. */
int wh_host_probe(int scratch_dirfd, const char *scratch_path, struct wh_host *ret, struct wh_err **err);
void wh_host_release(struct wh_host *h);

/* ---------------------------------------------------------------- doctor.c: the same, in words */

enum wh_check_state {
	WH_CHECK_OK,
	WH_CHECK_DEGRADED, /* builds go on, in another way */
	WH_CHECK_MISSING,
};
struct wh_check {
	const char *name;
	enum wh_check_state state;
	char *text; /* what is so, and what it means */
	char *mend; /* the smallest, to be copied; or NULL */
};
struct wh_doctor {
	struct wh_check *v;
	size_t n, cap;
	struct wh_strv limits; /* in what builds are other than elsewhere */
	bool steps;            /* commands can be run */
};
void wh_doctor_add(struct wh_doctor *d, const char *name, enum wh_check_state state, const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Before wh_inner_enter(). */
void wh_doctor_outside(struct wh_doctor *d);
/* After it: refused is its error, or NULL. */
void wh_doctor_entered(struct wh_doctor *d, const struct wh_inner *i, const struct wh_err *refused);
/* What the probe found, and what can be tried besides. */
void wh_doctor_inside(struct wh_doctor *d, const struct wh_host *h);
void wh_doctor_release(struct wh_doctor *d);

/* ---------------------------------------------------------------- programs of other machines */

struct wh_foreign;
struct wh_emulation {
	bool emulated;  /* false: this machine's processor runs them */
	bool ours;      /* the emulator was registered for our processes alone */
	char *emulator; /* the interpreter's path, or NULL */
};
struct wh_foreign *wh_foreign_new(void);
void wh_foreign_free(struct wh_foreign *f); /* what it registered goes with it */
/* Sees to it that steps can run programs of that platform ("linux/arm64"): natively, by an emulator that is registered on
 * the host (binfmt_misc, flag F), or by one that is installed and that the kernel lets us register in our user namespace
 * (Linux 6.7). Else -ENOEXEC, WH_ERR_ENV with what to do as hint. After wh_inner_enter(). */
int wh_foreign_ensure(struct wh_foreign *f, const char *platform, struct wh_emulation *ret, struct wh_err **err);
void wh_emulation_release(struct wh_emulation *e);
/* Would they run without emulation? At any time. */
bool wh_foreign_native(const char *platform);

/* ---------------------------------------------------------------- a step */

enum wh_root_kind {
	WH_ROOT_OVERLAY, /* lowers (topmost first), upper, work; upper and work on one file system, both empty or resumed */
	WH_ROOT_DIR,     /* a directory that is the root itself (plain-copy snapshotter) */
};

/* An upper is mounted volatile: no fsync in the step, no sync at the unmount. Who keeps it (as a snapshot) must syncfs(2)
 * its file system once before relying on it after a power cut. */
struct wh_root {
	enum wh_root_kind kind;
	const char *const *lowers; /* absolute paths, NULL-terminated; up to 500 */
	const char *upper, *work;  /* absolute; upper NULL: read-only root */
	const char *stubs;         /* an empty directory of ours: mount points that the image lacks are made there, and it is
				    * laid at the bottom of the overlay, so that they never show in upper. What was made stays;
				    * the caller removes it. NULL only with WH_ROOT_DIR and for binds */
	const char *dir;
};

enum wh_bind_kind { WH_BIND_PATH, WH_BIND_TMPFS, WH_BIND_DATA };
struct wh_bind {
	enum wh_bind_kind kind;
	const char *source;   /* PATH: absolute path outside the root of a directory or file (of ours: store, snapshot) */
	const char *subpath;  /* PATH: resolved in source as if it were "/": may not leave it; NULL: source itself */
	const struct wh_root *overlay; /* PATH: instead of source, this tree mounted read-only or with a throw-away upper */
	const char *target;   /* absolute path inside the step's root; symlinks are resolved inside the root; made when missing */
	bool readonly;
	bool recursive;       /* PATH: with what is mounted below it, as docker has it for directories of the host */
	bool stays;           /* PATH, under ISOLATION_CHROOT, where sources are moved into the root: moved back after the step, with what it
			       * wrote. Else the source is gone then */
	uint64_t size;        /* TMPFS: bytes; 0: no limit */
	uint32_t mode, uid, gid; /* TMPFS and DATA */
	const void *data;     /* DATA: file content, on a private tmpfs, never on disk */
	size_t data_len;
};

enum wh_net {
	WH_SANDBOX_NET_HOST,
	WH_SANDBOX_NET_NONE, /* loopback alone */
	WH_SANDBOX_NET_USER, /* pasta or slirp4netns */
	WH_SANDBOX_NET_JOIN, /* the network namespace net_fd */
};

/* A network namespace with its loopback up, ports below 1024 open to every user; it lives as long as the descriptor or a process in
 * it. After wh_inner_enter(). Any thread. fd or -errno. */
int wh_netns_new(struct wh_err **err);
/* Runs fn(arg) on a thread of its own inside that network namespace and returns its value. Sockets made there stay there. */
int wh_netns_run(int net_fd, int (*fn)(void *arg), void *arg, struct wh_err **err);

/* ---------------------------------------------------------------- ports.c: from the host's network into one of ours */

struct wh_port {
	char *address;      /* IPv4 or IPv6, where it listens; NULL: everywhere, by either */
	uint16_t host;      /* 0: a free one */
	uint16_t container;
	bool udp;
};
struct wh_ports;
/* Listens. Before wh_inner_enter(), which takes away what low ports need. An error is of class BUILD and names the port. Of equal ports without
 * a number on two addresses each gets its own. */
int wh_ports_open(const struct wh_port *v, size_t n, struct wh_ports **ret, struct wh_err **err);
uint16_t wh_ports_host(const struct wh_ports *p, size_t i); /* where v[i] listens */
/* From here on a process of its own takes what comes and connects to 127.0.0.1, else ::1, in that network namespace; what is refused there is
 * reset here. It dies with the caller, which has no thread but those that only ever compute. */
int wh_ports_serve(struct wh_ports *p, int net_fd, struct wh_err **err);
void wh_ports_free(struct wh_ports *p); /* ends it; NULL is none */

/* --init: a static program that runs its arguments as a child, passes signals on, and waits for whatever is left to it. */
const void *wh_init_program(size_t *n);

/* A limit as docker's --ulimit has it: NAME=SOFT[:HARD], -1 is unlimited. */
struct wh_ulimit {
	const char *name;
	int resource;
	uint64_t soft, hard; /* RLIM_INFINITY: unlimited */
};
int wh_ulimit_parse(const char *text, struct wh_ulimit *ret, struct wh_err **err);

/* What a container is held to beyond what every step is, as a container runtime is told it. Applied last, so that the first program executed is the
 * first that is held by it (but for mounts and limits). A command that joins gives it anew. Not with insecure. */
struct wh_landlock_rule {
	const char *path;            /* absolute in the root, symlinks followed; what is not there is passed over */
	uint64_t access;             /* LANDLOCK_ACCESS_FS_*; what only directories have is left out for files */
};
struct wh_landlock_port {
	uint16_t port;               /* 0: whatever the kernel chooses */
	uint64_t access;             /* LANDLOCK_ACCESS_NET_* */
};
struct wh_confine {
	const char *const *syscalls; /* NULL-terminated: all that is allowed, by libseccomp's names (unknown ones are passed over), the rest is EPERM; NULL: no
				      * filter beyond a step's own */
	const char *const *absent;   /* NULL-terminated, or NULL: answered with ENOSYS instead, so that a program takes its older way */
	bool second_arch;            /* the same for the 32-bit calls that the machine has beside its own; else these are ENOSYS */
	bool limit_capabilities;
	const char *const *capabilities; /* NULL-terminated, or NULL: none. Where limit_capabilities: the bounding set; root has these, others have none */
	bool no_new_privs;
	bool readonly_root;          /* binds stay as they are; so do /proc, /sys, /dev, /dev/shm. Not under ISOLATION_CHROOT */
	bool landlock;               /* every access to files that this kernel's Landlock knows is denied but for the rules' */
	const struct wh_landlock_rule *rules;
	size_t n_rules;
	uint64_t net;                /* LANDLOCK_ACCESS_NET_* that are denied but for the ports' (ABI 4; passed over before) */
	const struct wh_landlock_port *ports;
	size_t n_ports;
};
/* A word of a rule, LANDLOCK_ACCESS_* in lower case ("read_file", "bind_tcp"); 0: no such word. */
uint64_t wh_landlock_fs_access(const char *word);
uint64_t wh_landlock_net_access(const char *word);
/* "CAP_CHOWN" → its number; -1: no such name. */
int wh_capability_number(const char *name);

struct wh_step {
	struct wh_root root;
	const char *const *args;
	const char *const *env;      /* HOME is added from passwd and PATH as docker's default when missing */
	const char *cwd;             /* made when missing */
	const char *user;            /* USER's text, resolved with the root's own passwd and group */
	const char *hostname;
	enum wh_net net;
	bool insecure;               /* all capabilities of the namespace, no seccomp filter; nothing masked but for real root, whose
				      * step could write what the host's root can */
	enum wh_proc_kind proc;      /* as the host's probe says. BOUND: refused for insecure; two steps at once could look into one another
				      * there, so the caller runs one at a time */
	const struct wh_bind *binds; /* in order */
	size_t n_binds;
	const char *const *extra_hosts; /* "name:ip" */
	const char *resolv_conf;     /* text; NULL: the host's; with NET_USER one nameserver that forwards to the host's */
	uint64_t shm_size;           /* bytes; 0: 64 MiB */
	const char *const *ulimits;  /* as wh_ulimit_parse() takes them, NULL-terminated, or NULL */
	int out_fd, err_fd;          /* standard output and error */
	int in_fd;                   /* standard input; 0 or less: /dev/null */
	int net_fd;                  /* NET_JOIN; NET_USER: above 0, it is this namespace (wh_netns_new()) that gets a way out */
	int console_fd;              /* above 0: a unix stream socket. The step gets a terminal from its own /dev/pts as controlling terminal,
				      * /dev/console and standard input, output and error (in_fd, out_fd, err_fd are not used); the other
				      * end of it is sent over the socket (SCM_RIGHTS, one byte), as runc's --console-socket does */
	uint16_t console_rows, console_columns; /* its size at the start; 0: not said */
	uint64_t join;               /* not 0: id of a running step whose container this command enters (as `docker exec` does): its
				      * root, mounts, pid, ipc, uts, cgroup and network namespaces. root, binds, net, hostname and hosts are
				      * ignored; user, cwd and env count, and insecure where both are. It ends with that container; one that is
				      * not up yet is waited for. What the command leaves running lives on, and when observed, done() waits for it;
				      * wh_launcher_kill() reaches its process group */
	const struct wh_confine *confine; /* or NULL */
	int observe_fd;              /* above 0: observed; the log (base/observation.h) is appended here. done() comes when it is complete */
};

/* Where few ids are mapped: the first that the step asked for in vain. It may have gone on as if nothing were wrong. */
enum wh_foreign_kind {
	WH_FOREIGN_NONE,
	WH_FOREIGN_OWNER,   /* a file was to be given to that user or group */
	WH_FOREIGN_USER,    /* it was to become that user or group */
	WH_FOREIGN_UNKNOWN, /* who watched over it died */
};
struct wh_foreign_id {
	enum wh_foreign_kind kind;
	uint32_t id;
};

struct wh_step_result {
	int status;          /* exit status 0–255, or 128+signal; with err: 127 no such command, 126 not executable, else 125 */
	int signal;          /* signal that killed it, or 0 */
	uint64_t wall_ns;    /* from the command's start to its end */
	bool started;        /* the command was executed */
	struct wh_foreign_id foreign;
	struct wh_err *err;  /* setup failed (the command never ran): what and why; else NULL. Owned by the receiver of the callback */
};

struct wh_launcher;
/* Forks the launcher. After wh_inner_enter(), before the first thread. The loop must outlive it. */
int wh_launcher_start(struct wh_inner *i, struct wh_loop *loop, struct wh_launcher **ret, struct wh_err **err);
/* Starts a step; done() is called once on the loop, after every process of the step is dead and its root unmounted.
 * *ret_id names it for wh_launcher_kill(). The spec is serialised at once: nothing of it is kept. */
typedef void (*wh_step_fn)(void *arg, struct wh_step_result *result);
int wh_launcher_run(struct wh_launcher *l, const struct wh_step *step, wh_step_fn done, void *arg, uint64_t *ret_id,
		    struct wh_err **err);
/* For a joined command: called once, when the command itself has ended, with its exit status or 128+signal; before
 * done(), which also waits for what an observed one has left running. Not called when the command never ran. */
typedef void (*wh_exit_fn)(void *arg, int status);
void wh_launcher_on_exit(struct wh_launcher *l, uint64_t id, wh_exit_fn fn, void *arg);
void wh_launcher_kill(struct wh_launcher *l, uint64_t id); /* SIGKILL to all of the step; done() still comes */
/* A signal to the step's first process (PID 1 of its container, or the joined command's), as `docker kill` sends it. */
void wh_launcher_signal(struct wh_launcher *l, uint64_t id, int sig);
/* Puts a phase mark into the log of an observed step. */
void wh_launcher_mark(struct wh_launcher *l, uint64_t id, const char *text);
/* Is there something at this path in the step's container, mounts included (a symlink to nothing is nothing; before its command runs
 * there is nothing)? The answer comes on the loop: 1, 0, or -errno (-ESRCH: the step is over). */
typedef void (*wh_exists_fn)(void *arg, int answer);
void wh_launcher_exists(struct wh_launcher *l, uint64_t id, const char *path, wh_exists_fn fn, void *arg);
void wh_launcher_free(struct wh_launcher *l);              /* kills what runs; no more done() */

/* Names of system calls that an observation log tells nothing of, as nearly every program makes them (their reasons: seccomp_table.c). What is made from
 * a log, such as a seccomp profile, allows them beside what the log tells. NULL-terminated. */
extern const char *const wh_syscalls_assumed[];
/* Those that steps answer with ENOSYS though the kernel has them, so that programs take their older way. NULL-terminated. */
extern const char *const wh_syscalls_absent[];

/* What steps may do, as told by `whittle doctor` and the docs: docker's default capability names, NULL-terminated. */
const char *const *wh_default_capabilities(void);

#endif
