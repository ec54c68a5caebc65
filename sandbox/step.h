/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a step's setup, in the step's own process; step.c calls them in order. Internal to sandbox/. */
#ifndef WH_SANDBOX_STEP_H
#define WH_SANDBOX_STEP_H

#include "sandbox/rootfs.h"
#include "sandbox/sandbox.h"

/* What the launcher hands to a step's process. */
struct wh_step_task {
	int spec_fd; /* memfd with the spec */
	int in_fd; /* -1: the null device */
	int out_fd, err_fd;
	int console_fd; /* one of them: standard input, output and error are a terminal, whose other end goes there; -1: none */
	int net_fd;    /* network namespace to enter; -1: none */
	int report_fd; /* records for the launcher (report.h); close-on-exec: its end says that the command runs */
	int go_fd;     /* private network: ends when its helper does; -1: none */
	int go_other;  /* the launcher's end of it, to be closed here */
	int filter_fd; /* memfd with the BPF program; -1: none */
	int handover_fd; /* observed: to the supervisor; -1: not observed */
	int root_fd;     /* chroot: the root, all in place; -1: it is to be mounted */
	pid_t keeper;    /* chroot: whose death is the step's (chroot.c) */
	int guard_fd;    /* few ids: to the guard (guard.h); -1: none */
	bool joined;     /* in a container that is there already: what holds for it stands here */
	bool insecure;
	enum wh_net net;
};
#define WH_STEP_TASK_INIT                                                                                       \
	((struct wh_step_task){                                                                                 \
		.spec_fd = -1,                                                                                  \
		.in_fd = -1,                                                                                    \
		.out_fd = -1,                                                                                   \
		.err_fd = -1,                                                                                   \
		.console_fd = -1,                                                                               \
		.net_fd = -1,                                                                                   \
		.report_fd = -1,                                                                                \
		.go_fd = -1,                                                                                    \
		.go_other = -1,                                                                                 \
		.filter_fd = -1,                                                                                \
		.handover_fd = -1,                                                                              \
		.guard_fd = -1,                                                                                 \
		.root_fd = -1,                                                                                  \
	})
/* Sets up and executes; never returns. */
_Noreturn void wh_step_main(const struct wh_step_task *t);
/* The description that the memfd holds; it stays mapped. */
int wh_step_spec(int fd, struct wh_arena *a, struct wh_step *ret, struct wh_err **err);
/* Closes every descriptor above 2 but these; -1 among them is none. */
void wh_step_close_all_but(const int *keep, size_t n);

/* ---------------------------------------------------------------- dev.c, procfs.c */

/* A minimal /dev: the six devices of the host, pts, shm, mqueue, the usual links. null_input: standard input becomes its
 * null device. */
int wh_dev_mount(struct wh_rootfs *r, uint64_t shm_size, bool null_input, struct wh_err **err);
/* A detached /proc: of this pid namespace, or the one at hand with all that lies on it, read-only. fd or -errno. */
int wh_proc_open(enum wh_proc_kind kind);
/* /proc and /sys, read-only and masked as docker does; insecure: neither. own_net: fresh sysfs. files: of
 * wh_files_new(). */
int wh_proc_mount(struct wh_rootfs *r, int files, enum wh_proc_kind kind, bool insecure, struct wh_err **err);
int wh_sys_mount(struct wh_rootfs *r, int files, bool insecure, bool own_net, struct wh_err **err);

/* ---------------------------------------------------------------- binds.c */

/* A bind whose source is open: detached tree, and what kind of mount point it needs. */
struct wh_source {
	int tree;
	bool dir;
};
/* Opens (before the change of roots) what one bind shows. files: a detached private tmpfs for DATA. */
int wh_bind_open(const struct wh_bind *b, int files, size_t index, struct wh_source *ret, struct wh_err **err);
int wh_bind_attach(struct wh_rootfs *r, const struct wh_bind *b, const struct wh_source *s, struct wh_err **err);
/* A private tmpfs, detached, with an empty directory WH_FILES_EMPTY; fd or -errno. */
#define WH_FILES_EMPTY "empty"
int wh_files_new(struct wh_err **err);
/* One file on it as a detached tree. fd or -errno. */
int wh_files_add(int files, const char *name, const void *p, size_t n, mode_t mode, uint32_t uid, uint32_t gid,
		 struct wh_err **err);

/* ---------------------------------------------------------------- net.c */

/* The texts of /etc/hosts and /etc/resolv.conf. */
int wh_net_hosts(const struct wh_step *s, struct wh_buf *out, struct wh_err **err);
int wh_net_resolv(const struct wh_step *s, struct wh_buf *out, struct wh_err **err);
/* Brings the loopback interface of this network namespace up. */
int wh_net_loopback(struct wh_err **err);
/* As docker has it in a network namespace of the container's own: any user binds low ports and sends echo requests. */
void wh_net_open_ports(void);
/* Waits for the private network's default route; go_fd as in the task. */
int wh_net_wait(int go_fd, struct wh_err **err);

/* ---------------------------------------------------------------- caps.c, landlock.c */

enum wh_caps {
	WH_CAPS_DEFAULT, /* docker's */
	WH_CAPS_ALL,     /* insecure */
	WH_CAPS_CHROOT,  /* docker's but for SYS_CHROOT and MKNOD (chroot.c) */
};
uint64_t wh_caps_mask(enum wh_caps which); /* bit N is capability N */
/* Limits the bounding set to these, empties inheritable and ambient. */
int wh_caps_bound(uint64_t keep, struct wh_err **err);
/* The number of the capability whose name wh_default_capabilities() has there. */
unsigned wh_caps_number(size_t i);
/* Limits permitted and effective likewise; after the change of user. */
int wh_caps_limit(uint64_t keep, struct wh_err **err);
/* In the effective set? */
bool wh_caps_has(unsigned cap);
/* Abstract sockets of the host out of reach, where the kernel can (Landlock ABI 6). Needs CAP_SYS_ADMIN. True when
 * done. */
bool wh_landlock_scope(void);

/* ---------------------------------------------------------------- confine.c: struct wh_confine */

struct wh_confined; /* what is left to be done at the very end */
/* Before anything is held: may it be done here at all? The filter is compiled. */
int wh_confine_prepare(const struct wh_confine *c, bool chroot, struct wh_arena *a, struct wh_confined **ret, struct wh_err **err);
/* Remounts the root (O_PATH) read-only. */
int wh_confine_root(const struct wh_confine *c, int root, struct wh_err **err);
/* Landlock. Needs CAP_SYS_ADMIN, or no_new_privs in c. */
int wh_confine_files(const struct wh_confine *c, struct wh_err **err);
/* The capabilities that the program is to have, of those that it would have. */
uint64_t wh_confine_caps(const struct wh_confine *c, uint64_t mask);
/* Does the filter need CAP_SYS_ADMIN up to the end? */
bool wh_confine_needs_admin(const struct wh_confine *c);
/* The last thing before the program is executed: no_new_privs and the filter. */
int wh_confine_last(const struct wh_confined *c, struct wh_err **err);

/* ---------------------------------------------------------------- exec.c */

/* Replaces this process. On return: *ret_status 126 or 127, and the error. confined: applied when the program is found; NULL: nothing is. */
int wh_exec(const char *const *args, const char *const *env, const struct wh_confined *confined, int *ret_status,
	    struct wh_err **err);

/* ulimit.c: for this process. */
int wh_ulimit_set(const struct wh_ulimit *u, struct wh_err **err);

#endif
