/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Test Anything Protocol, as far as it tells which tests there were and whether they passed. Its lines are those of a program's output, one at a time.
 *
 *   1..4                        the plan, first or last; several streams one after the other add up
 *   ok 1 - login                a result: a number, a name behind " - ", or both. "ok" alone is what other programs print, too, and says nothing
 *   not ok 2 - mail # TODO why  known to fail; "# SKIP why": it was not carried out; any other comment is no part of the name
 *   Bail out! why               the rest is given up
 *
 * Lines that are indented belong to subtests, whose result comes on a line of its own. All else is passed over.
 */
#ifndef WH_BUILDER_TAP_H
#define WH_BUILDER_TAP_H

#include "base/base.h"

#define WH_TAP_NAME_MAX 200 /* bytes */

enum wh_tap_kind { WH_TAP_OTHER, WH_TAP_PLAN, WH_TAP_RESULT, WH_TAP_SKIPPED, WH_TAP_BAIL };

struct wh_tap {
	uint64_t planned; /* of all plans */
	uint64_t results, skipped;
	uint64_t n_failed;     /* but for TODO */
	struct wh_strv failed; /* names of the first ones, as texts to show */
	char *bail;            /* why it was given up; NULL: it was not */
};

/* Takes in a line without its end. RESULT, SKIPPED: *ret_name is the test's name, "#3" where it has a number alone; the caller frees. */
enum wh_tap_kind wh_tap_line(struct wh_tap *t, const char *p, size_t n, char **ret_name);
/* What speaks against them, in words: "not ok: login, mail", "5 tests were planned, 3 came"; NULL: they passed. The caller frees. */
char *wh_tap_failure(const struct wh_tap *t);
void wh_tap_release(struct wh_tap *t);

#endif
