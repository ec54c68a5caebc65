/* SPDX-License-Identifier: Apache-2.0 */
/* What a run's record says of its observation logs. What harden/ makes of them is its own. */
#include "builder/profile_private.h"

#include <errno.h>
#include <uthash.h>

#define LOG_MAX ((size_t)512 * 1024 * 1024)

/* Marks that were there when the log began: in the log they would come after the command's first steps. */
static void add_marks(struct wh_trial_log *l)
{
	WH_AUTO_BUF struct wh_buf head = WH_BUF_INIT;
	const char *line = l->text.n ? memchr(l->text.p, '\n', l->text.n) : NULL;
	size_t first = line ? (size_t)(line - l->text.p) + 1 : 0, n = l->text.n;
	char test[32];

	if (!line || !l->test)
		return;
	snprintf(test, sizeof(test), "test #%zu", l->test);
	wh_obs_write(&(struct wh_obs){.kind = WH_OBS_MARK, .text = l->phase}, &head);
	wh_obs_write(&(struct wh_obs){.kind = WH_OBS_MARK, .text = test}, &head);
	l->text.max = 0;
	wh_buf_add(&l->text, head.p, head.n); /* room */
	memmove(l->text.p + first + head.n, l->text.p + first, n - first);
	memcpy(l->text.p + first, head.p, head.n);
}

int wh_trial_log_read(struct wh_trial_log *l, struct wh_err **err)
{
	int r;

	if (l->fd < 0)
		return 0;
	l->text.max = LOG_MAX;
	if (lseek(l->fd, 0, SEEK_SET) < 0)
		r = -errno;
	else
		r = wh_read_fd(l->fd, LOG_MAX, &l->text);
	wh_closep(&l->fd);
	if (r < 0) {
		wh_err_sys(err, "builder", r == -EFBIG ? WH_ERR_BUILD : WH_ERR_ENV, -r, "read the observation log (%s)",
			   l->name);
		wh_err_status(err, WH_STATUS_INCOMPLETE);
		return r;
	}
	add_marks(l);
	return 0;
}

struct seen {
	UT_hash_handle hh;
	char path[];
};

struct counts {
	struct seen *paths;
	uint64_t events, files;
};

static int count_one(void *arg, const struct wh_obs *o)
{
	struct counts *c = arg;
	struct seen *s;
	size_t n;

	if (o->kind == WH_OBS_END)
		c->events += o->events;
	if (o->kind != WH_OBS_USED)
		return 0;
	HASH_FIND_STR(c->paths, o->path, s);
	if (s)
		return 0;
	n = strlen(o->path);
	s = wh_malloc(sizeof(*s) + n + 1);
	memcpy(s->path, o->path, n + 1);
	HASH_ADD_KEYPTR(hh, c->paths, s->path, n, s);
	c->files++;
	return 0;
}

void wh_trial_count(const struct wh_trial_log *logs, size_t n, uint64_t *ret_events, uint64_t *ret_files)
{
	struct counts c = {0};
	struct seen *s, *next;
	size_t i;

	for (i = 0; i < n; i++)
		wh_obs_read(logs[i].text.n ? logs[i].text.p : "", logs[i].text.n, count_one, &c, NULL);
	HASH_ITER (hh, c.paths, s, next) {
		HASH_DEL(c.paths, s);
		free(s);
	}
	*ret_events = c.events;
	*ret_files = c.files;
}

struct left {
	bool session;
	unsigned programs;
};

static int look(void *arg, const struct wh_obs *o)
{
	struct left *l = arg;

	if (o->kind == WH_OBS_REMARK && wh_streq(o->text, "setsid"))
		l->session = true;
	if (o->kind == WH_OBS_PROCESS)
		l->programs++;
	return 0;
}

bool wh_trial_left_others(const struct wh_trial_log *log)
{
	struct left l = {0};

	wh_obs_read(log->text.n ? log->text.p : "", log->text.n, look, &l, NULL);
	return l.session || l.programs > 1;
}
