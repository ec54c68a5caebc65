/* SPDX-License-Identifier: Apache-2.0 */
/* --on-failure=shell: a shell in the state of the failed step, on the user's terminal or fed from standard input. */
#ifndef WH_CLI_ON_FAILURE_H
#define WH_CLI_ON_FAILURE_H

#include "cli/cli.h"

struct wh_on_failure {
	const struct wh_build_spec *spec;
	struct wh_progress *progress;
	bool asked; /* a RUN has failed: there was a shell, or it was said why there is none */
};
void wh_on_failure(void *arg /* struct wh_on_failure */, struct wh_failed *f); /* for wh_builder_opts.failed */
/* The build has failed: where nobody was asked, says why. */
void wh_on_failure_end(const struct wh_on_failure *o, const struct wh_err *err);

#endif
