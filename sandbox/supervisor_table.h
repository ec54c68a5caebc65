/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatch table: one row a system call; the filter's rules are made from the same rows. Internal to sandbox/. */
#ifndef WH_SANDBOX_SUPERVISOR_TABLE_H
#define WH_SANDBOX_SUPERVISOR_TABLE_H

#include "sandbox/observer.h"

/* When the last part of a path is a symlink. */
enum wh_follow {
	WH_FOLLOW_YES,
	WH_FOLLOW_NO,
	WH_FOLLOW_UNLESS, /* unless flags has the row's bit */
	WH_FOLLOW_IF,     /* if flags has the row's bit */
};

#define WH_NO_ARG 15 /* the call has no such argument; as dirfd: the working directory */

struct wh_row {
	const char *name;
	wh_call_fn see;
	unsigned access;                         /* enum wh_access: what it does to its path */
	unsigned dirfd : 4, path : 4, flags : 4; /* numbers of its arguments */
	enum wh_follow follow;
	uint32_t bit;
	const char *text; /* remarks */
};

/* The row of that name, or NULL. */
const struct wh_row *wh_table_find(const char *name);

/* Numbers → rows and names, for one architecture each. A call that is told and has no row of its own has a row that does nothing. */
#define WH_TABLE_NUMBERS WH_SYSCALL_NUMBERS
struct wh_table {
	uint32_t native, compat; /* AUDIT_ARCH_*; compat 0: none */
	const struct wh_row *rows[2][WH_TABLE_NUMBERS];
	const struct wh_need *needs[2][WH_TABLE_NUMBERS];
	char *names[2][WH_TABLE_NUMBERS]; /* as the log has them */
};
/* For this machine. */
void wh_table_make(struct wh_table *t);
/* For a machine with these (SCMP_ARCH_* is AUDIT_ARCH_*; compat may be 0). */
void wh_table_make_for(struct wh_table *t, uint32_t native, uint32_t compat);
void wh_table_release(struct wh_table *t);
/* NULL: not asked for. */
const struct wh_row *wh_table_row(const struct wh_table *t, uint32_t arch, int nr);

#endif
