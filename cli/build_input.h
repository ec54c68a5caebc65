/* SPDX-License-Identifier: Apache-2.0 */
/* What a build begins with, and a check, an outline or a graph, too: the Dockerfile and the ignore files of its contexts. */
#ifndef WH_CLI_BUILD_INPUT_H
#define WH_CLI_BUILD_INPUT_H

#include "cli/cli.h"
#include "frontend/frontend.h"

struct wh_input_local {   /* a directory that COPY can read */
	const char *name; /* "context", or the named context's */
	const char *path;  /* NULL: layer */
	const struct wh_layer *layer;
	bool has_umask; /* as in struct wh_local */
	uint32_t umask;
	char *ignore_file; /* as messages show it; NULL: none was found */
	struct wh_strv lines;
	struct wh_patterns *patterns;
};

struct wh_build_input {
	/* Given by the caller, borrowed: */
	const char *context;       /* absolute directory, or NULL: layer */
	const struct wh_layer *layer;
	bool foreign;              /* it is no directory of the user's: file is inside it, and it has no ignore files */
	const struct wh_buf *given;/* the Dockerfile, when it was read already; else NULL */
	const char *given_name;
	const char *context_shown; /* as the user wrote it */
	const char *file;          /* -f; NULL: CONTEXT/Dockerfile; "-": standard input */
	const struct wh_strv *build_args; /* or NULL: BUILDKIT_SYNTAX may be among them */
	const struct wh_named_ctx *contexts;
	size_t n_contexts;
	struct wh_progress *progress; /* NULL: quiet */
	/* Read, but for a dockerfile that is there already: */
	char *file_shown; /* the Dockerfile in messages */
	struct stat file_st;
	struct wh_buf text;
	struct wh_dockerfile *dockerfile;
	struct wh_input_local *locals; /* [0]: the context */
	size_t n_locals;
};

/* Errors are of class USAGE. Release it in any case. */
int wh_build_input_read(struct wh_build_input *in, struct wh_err **err);
/* For wh_lower_opts.ignore_of; arg is the input. */
const char *const *wh_build_input_ignore(void *arg, const char *name, const struct wh_patterns **ret_filter);
void wh_build_input_release(struct wh_build_input *in);

#endif
