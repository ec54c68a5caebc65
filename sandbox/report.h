/* SPDX-License-Identifier: Apache-2.0 */
/* Records that a step's process writes to the launcher through a pipe, each a length and a type before it. */
#ifndef WH_SANDBOX_REPORT_H
#define WH_SANDBOX_REPORT_H

#include "sandbox/stubs.h"

enum wh_report_kind {
	WH_REPORT_BASE = 'b',  /* string: where things made in place lie */
	WH_REPORT_MADE = 'm',  /* one of them */
	WH_REPORT_START = 's', /* u64: CLOCK_MONOTONIC at exec; u64: the id of the mount that is its root */
	WH_REPORT_ERROR = 'e', /* u32 status, error: the command does not run */
	WH_REPORT_END = 'x',   /* of a keeper (chroot.h): u32 si_code and u32 si_status of the command; u64: when it ended, CLOCK_MONOTONIC */
};
/* Writes one record. A launcher that is gone is no concern: it takes the step along. */
void wh_report(int fd, enum wh_report_kind kind, const struct wh_buf *body);

/* All that a step reported, on the launcher's side. */
struct wh_report {
	struct wh_stub_list made;
	bool started;
	uint64_t start_ns;
	uint64_t root_mount;
	uint32_t status;
	struct wh_err *err;
	bool ended;
	int end_code, end_status;
	uint64_t end_ns;
};
void wh_report_read(struct wh_str records, struct wh_report *ret);
void wh_report_release(struct wh_report *r);

#endif
