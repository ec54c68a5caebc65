/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern as a list of steps: what match.c and patterns.c share. */
#ifndef WH_BASE_MATCH_PRIVATE_H
#define WH_BASE_MATCH_PRIVATE_H

#include "base/match.h"

enum wh_step_kind { STEP_CHAR, STEP_ANY, STEP_RUN, STEP_DIRS, STEP_REST, STEP_CLASS, STEP_ASSERT };

struct wh_step {
	enum wh_step_kind kind;
	uint32_t c;        /* CHAR; ASSERT: 'A' the beginning, 'z' the end, 'b' a word's end or beginning, 'B' none */
	uint32_t class_at; /* CLASS: index of its first range */
	uint32_t class_n;
	bool negated;
};

struct wh_range {
	uint32_t lo, hi;
};

struct wh_program {
	struct wh_step *steps;
	size_t n, cap;
	struct wh_range *ranges;
	size_t n_ranges, cap_ranges;
	bool asserts; /* has steps of that kind */
};

/* deep: a set's pattern, where "**" crosses directories; else a glob. -EINVAL: malformed (release it all the same). */
int wh_program_compile(const char *s, bool deep, struct wh_program *p);
void wh_program_release(struct wh_program *p);
/* ret[i]: does it match the first i + 1 components of the path? In one walk, for paths may be long. */
void wh_program_levels(const struct wh_program *p, const char *path, bool *ret);
/* Could it match something below dir? True when some step is alive after "dir/". */
bool wh_program_reaches(const struct wh_program *p, const char *dir);

#endif
