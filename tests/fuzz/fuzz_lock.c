/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of a build: what is read is written in one form, which is read as the same; and no pin says more than its line. */
#include "cli/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const struct wh_command *const wh_commands[] = {NULL};

static void check_pins(const struct wh_lock_stage *s)
{
	WH_AUTO_BUF struct wh_buf pins = WH_BUF_INIT;
	size_t lines = 0, debs = 0;

	wh_lock_pins(s, &pins);
	for (size_t i = 0; i < pins.n; i++)
		lines += pins.p[i] == '\n';
	for (size_t i = 0; i < s->n; i++)
		debs += wh_streq(s->v[i].type, "deb");
	if (lines % 4 || lines > debs * 8 || lines < debs * 4)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_BUF struct wh_buf once = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf twice = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv lines = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_lock a = {0}, b = {0};
	int r = wh_lock_parse((const char *)data, size, "lock", &a, &err);

	if ((r < 0) != (err != NULL))
		abort();
	if (r < 0) {
		if (strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	wh_lock_print(&a, &once);
	if (wh_lock_parse(once.p, once.n, "lock", &b, &err) < 0)
		abort();
	wh_lock_print(&b, &twice);
	if (strcmp(once.p, twice.p) != 0)
		abort();
	wh_lock_compare(&a, &b, &lines);
	if (lines.n)
		abort();
	for (size_t i = 0; i < a.n_stages; i++)
		check_pins(&a.stages[i]);
	wh_lock_release(&a);
	wh_lock_release(&b);
	return 0;
}
