/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress_view.h"

#include <errno.h>

bool wh_progress_can_draw(int fd)
{
	(void)fd;
	return false;
}
int wh_progress_pipe_new(struct wh_progress_pipe **ret, struct wh_err **err)
{
	(void)ret;
	return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--progress=tty is not there yet");
}
void wh_progress_pipe_send(struct wh_progress_pipe *pipe, const char *line, size_t n, bool may_drop)
{
	(void)pipe; (void)line; (void)n; (void)may_drop;
}
void wh_progress_pipe_finish(struct wh_progress_pipe *pipe)
{
	(void)pipe;
}
void wh_progress_pipe_free(struct wh_progress_pipe *pipe, bool forked)
{
	(void)pipe; (void)forked;
}
