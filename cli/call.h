/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said of a Dockerfile without building it: `whittle check`, and `build --check`, `build --call=…`, which print
 * and end as docker's do. Nothing here needs a network, a user namespace, or a store.
 */
#ifndef WH_CLI_CALL_H
#define WH_CLI_CALL_H

#include "cli/cli.h"
#include "frontend/frontend.h"

enum wh_call_name { WH_CALL_BUILD, WH_CALL_LINT, WH_CALL_OUTLINE, WH_CALL_TARGETS, WH_CALL_DESCRIBE };

struct wh_call {
	enum wh_call_name name;
	bool json;
	bool ignore_status; /* findings do not count for the exit code */
};
/* "check,format=json,ignorestatus=true" */
int wh_call_parse(const char *text, struct wh_call *ret, struct wh_err **err);

struct wh_context;
struct wh_call_input {
	const char *context, *context_shown, *file; /* as wh_build_input has them */
	const struct wh_context *foreign;           /* no directory of the user's; NULL: it is one */
	const struct wh_named_ctx *contexts;
	size_t n_contexts;
	const struct wh_strv *build_args;
	const char *target;
	const char *platform;       /* NULL: the build platform */
	const char *build_platform; /* "linux/amd64" */
	const char *root;           /* --root, or NULL */
};
/* Prints the answer. 0, or 1: there are findings, or (the reason is said then) the Dockerfile is wrong; -errno: there is no
 * answer. */
int wh_call_run(const struct wh_call *call, const struct wh_call_input *in, struct wh_err **err);

/* build --check, --call. inner: to fetch a context that is not on this machine, where wh_context_is_foreign() says so; else
 * NULL. As wh_call_run(). */
int wh_call_build(const struct wh_call *call, const struct wh_build_spec *spec, struct wh_inner *inner,
		  struct wh_err **err);

/* Findings of a build, each once; for wh_lower_opts.warn. */
struct wh_lint_more {
	const char *description, *url; /* the rule's own, static; url may be NULL */
	unsigned line, last_line;
};
struct wh_lint_list {
	struct wh_strv lines;
	struct wh_lint_more *more; /* one a line */
	size_t n_more, cap_more;
};
void wh_lint_list_release(struct wh_lint_list *f);
void wh_lint_list_add(void *findings, const struct wh_lint_warning *w);
/* As docker lists them at the end of a build. Nothing when there are none, or progress is NULL. */
void wh_lint_list_tell(const struct wh_lint_list *f, struct wh_progress *progress);

#endif
