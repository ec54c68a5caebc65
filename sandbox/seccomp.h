/* SPDX-License-Identifier: Apache-2.0 */
/* The syscall filter of a step: equal in spirit to docker's default profile. The table is in seccomp_table.c. */
#ifndef WH_SANDBOX_SECCOMP_H
#define WH_SANDBOX_SECCOMP_H

#include "base/base.h"

/* Allowed whatever the arguments; NULL-terminated. */
extern const char *const wh_seccomp_allowed[];
/*
 * What the observed filter lets pass of a call that it tells otherwise, by the call's native arguments. Only names of
 * wh_syscalls_assumed (sandbox.h) have any; one without is never told.
 */
enum wh_lane_test {
	WH_LANE_NONE,
	WH_LANE_RANGE,   /* a <= argument <= b, 32 bits of it */
	WH_LANE_WITHOUT, /* none of a's bits, 32 bits of it */
	WH_LANE_NULL,    /* 0, all of it */
};
struct wh_lane_cond {
	uint8_t arg;
	enum wh_lane_test test;
	uint32_t a, b;
};
struct wh_seccomp_lane {
	const char *name;
	struct wh_lane_cond all[2];
};
extern const struct wh_seccomp_lane wh_seccomp_lanes[]; /* up to a NULL name */

/* What personality(2) may be set to. */
extern const uint32_t wh_seccomp_personalities[5];
/* clone(2)'s flags that make namespaces. */
#define WH_SECCOMP_CLONE_NAMESPACES 0x7e020000U

/* Builds the filter for x86_64 and its 32-bit mode (or the native architecture alone) as BPF in a memfd. x32 is
 * refused. fd or -errno. */
int wh_seccomp_build(struct wh_err **err);
/* One that allows these names alone (NULL-terminated), answers absent's (or NULL) with ENOSYS and all else with EPERM. second_arch: the 32-bit calls
 * of these names, too; else every such call is ENOSYS. */
int wh_seccomp_build_list(const char *const *allowed, const char *const *absent, bool second_arch, struct wh_err **err);
/* Loads the program of such a memfd into this process. Needs CAP_SYS_ADMIN in its user namespace or no_new_privs. */
int wh_seccomp_load(int fd, struct wh_err **err);
/* The same for one of wh_seccomp_build_observed() (supervisor.h). Returns its listener. */
int wh_seccomp_listen(int fd, struct wh_err **err);

#endif
