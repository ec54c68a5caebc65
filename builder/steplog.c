/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/steplog.h"

#include <errno.h>
#include <time.h>

#define HELD_MAX ((size_t)64 * 1024) /* in memory, then it is written */
#define HELD_MS 1000
#define WORD_MAX 40

struct wh_steplog {
	struct wh_store *store;
	struct wh_loop *loop;
	char *step;
	char *name; /* below logs/, once the file was made */
	int fd;
	struct wh_buf held;
	uint64_t timer;
	int failed; /* errno: what came since is missing */
	bool kept;
};

char *wh_steplog_word(const char *name)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (; name && *name && b.n < WORD_MAX; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			     (*name >= '0' && *name <= '9') || *name == '_' || (*name == '.' && b.n);

		if (plain)
			wh_buf_addc(&b, *name);
		else if (b.n && b.p[b.n - 1] != '-')
			wh_buf_addc(&b, '-');
	}
	while (b.n && b.p[b.n - 1] == '-')
		b.p[--b.n] = 0;
	if (!b.n)
		wh_buf_adds(&b, "step");
	return wh_buf_take(&b);
}

struct wh_steplog *wh_steplog_new(struct wh_store *s, struct wh_loop *loop, const char *name)
{
	struct wh_steplog *l = wh_calloc(1, sizeof(*l));

	l->store = s;
	l->loop = loop;
	l->step = wh_steplog_word(name);
	l->fd = -1;
	return l;
}

static int make(struct wh_steplog *l)
{
	WH_AUTO_FREE char *chance = wh_temp_name("");
	int store = wh_store_dirfd(l->store), r;
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	chance[8] = 0;
	l->name = wh_asprintf("logs/%s-%s-%s.log", when, l->step, chance);
	r = wh_mkdir_p(store, "logs", 0700);
	if (r == 0)
		l->fd = r = wh_openat(store, l->name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600);
	if (r < 0)
		free(WH_TAKE_PTR(l->name));
	return r < 0 ? r : 0;
}

static void flush(struct wh_steplog *l)
{
	int r = 0;

	if (l->timer)
		wh_loop_del_timer(l->loop, l->timer);
	l->timer = 0;
	if (l->held.n && !l->failed) {
		if (l->fd < 0)
			r = make(l);
		if (r == 0)
			r = wh_write_all(l->fd, l->held.p, l->held.n);
		l->failed = -r;
	}
	wh_buf_reset(&l->held);
}

static void on_timer(void *arg)
{
	struct wh_steplog *l = arg;

	l->timer = 0;
	flush(l);
}

void wh_steplog_add(struct wh_steplog *l, const char *p, size_t n)
{
	if (!n)
		return;
	if (l->failed)
		return;
	wh_buf_add(&l->held, p, n);
	if (l->held.n >= HELD_MAX)
		flush(l);
	else if (!l->timer)
		l->timer = wh_loop_add_timer(l->loop, HELD_MS, on_timer, l);
}

void wh_steplog_keep(struct wh_steplog *l, struct wh_err **err)
{
	char why[128];

	flush(l);
	if (l->fd >= 0 && close(WH_TAKE_FD(l->fd)) < 0 && !l->failed) /* where a quota or a server has the last word */
		l->failed = errno;
	l->kept = l->name;
	if (l->name && !l->failed)
		wh_err_log(err, "%s/%s", wh_store_path(l->store), l->name);
	else if (l->name)
		wh_err_log(err, "%s/%s (not all of it: %s)", wh_store_path(l->store), l->name,
			   strerror_r(l->failed, why, sizeof(why)));
	else if (l->failed)
		wh_err_log(err, "none, it could not be written: %s", strerror_r(l->failed, why, sizeof(why)));
}

void wh_steplog_free(struct wh_steplog *l)
{
	if (!l)
		return;
	if (l->timer)
		wh_loop_del_timer(l->loop, l->timer);
	wh_closep(&l->fd);
	if (l->name && !l->kept)
		unlinkat(wh_store_dirfd(l->store), l->name, 0);
	wh_buf_release(&l->held);
	free(l->step);
	free(l->name);
	free(l);
}
