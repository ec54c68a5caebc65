/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static int result(int sys)
{
	return sys ? -sys : -EINVAL;
}

/* Takes msg. */
static void store(struct wh_err **err, const char *domain, enum wh_err_class class, int sys, char *msg)
{
	struct wh_err *e = wh_calloc(1, sizeof(*e));

	e->domain = domain;
	e->class = class;
	e->sys = sys;
	e->msg = msg;
	*err = e;
}

static char *vformat(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *vformat(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	/* Messages quote names from archives and images: these must not start new lines or talk to the terminal. */
	for (char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '\177')
			*p = '?';
	return s;
}

int wh_err_set(struct wh_err **err, const char *domain, enum wh_err_class class, int sys, const char *fmt, ...)
{
	va_list ap;

	if (sys < 0)
		sys = -sys;
	if (err && !*err) {
		va_start(ap, fmt);
		store(err, domain, class, sys, vformat(fmt, ap));
		va_end(ap);
	}
	return result(sys);
}

int wh_err_sys(struct wh_err **err, const char *domain, enum wh_err_class class, int sys, const char *fmt, ...)
{
	WH_AUTO_FREE char *text = NULL;
	char why[128];
	va_list ap;

	if (sys < 0)
		sys = -sys;
	if (!err || *err)
		return result(sys);
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		class = WH_ERR_ENV;
		break;
	default:
		break;
	}
	va_start(ap, fmt);
	text = vformat(fmt, ap);
	va_end(ap);
	/* strerror_r, not strerror: worker threads come here too. */
	store(err, domain, class, sys, wh_asprintf("%s: %s", text, strerror_r(sys, why, sizeof(why))));
	return result(sys);
}

void wh_err_wrap(struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_FREE char *text = NULL;
	WH_AUTO_FREE char *old = NULL;
	va_list ap;

	if (!err || !*err)
		return;
	va_start(ap, fmt);
	text = vformat(fmt, ap);
	va_end(ap);
	old = (*err)->msg;
	(*err)->msg = wh_asprintf("%s: %s", text, old);
}

void wh_err_status(struct wh_err **err, int status)
{
	if (err && *err)
		(*err)->status = status;
}

void wh_err_hint(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err || (*err)->hint)
		return;
	va_start(ap, fmt);
	(*err)->hint = vformat(fmt, ap);
	va_end(ap);
}

void wh_err_expect(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err || (*err)->expected)
		return;
	va_start(ap, fmt);
	(*err)->expected = vformat(fmt, ap);
	va_end(ap);
}

void wh_err_at(struct wh_err **err, const char *file, unsigned line, unsigned column, const char *excerpt)
{
	if (!err || !*err || (*err)->file || (*err)->line)
		return;
	(*err)->file = wh_strdup(file);
	(*err)->line = line;
	(*err)->column = column;
	(*err)->excerpt = wh_strdup(excerpt);
	(void)wh_err_locate(*err);
}

void wh_err_unplace(struct wh_err **err)
{
	if (!err || !*err)
		return;
	free((*err)->file);
	free((*err)->excerpt);
	(*err)->file = (*err)->excerpt = NULL;
	(*err)->line = (*err)->row = (*err)->column = (*err)->length = 0;
}

void wh_err_append(struct wh_err **err, struct wh_err **more)
{
	struct wh_err **end = err;

	while (*end)
		end = &(*end)->next;
	*end = *more;
	*more = NULL;
}

void wh_err_detail(struct wh_err **err, const char *text)
{
	char *copy;

	if (!err || !*err)
		return;
	copy = wh_strdup(text);
	free((*err)->detail);
	(*err)->detail = copy;
}

void wh_err_extent(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err)
		return;
	free((*err)->extent);
	va_start(ap, fmt);
	(*err)->extent = vformat(fmt, ap);
	va_end(ap);
}

void wh_err_log(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err)
		return;
	free((*err)->log);
	va_start(ap, fmt);
	(*err)->log = vformat(fmt, ap);
	va_end(ap);
}

void wh_err_move(struct wh_err **dst, struct wh_err **src)
{
	if (!src || !*src)
		return;
	if (dst && !*dst)
		*dst = *src;
	else
		wh_err_free(*src);
	*src = NULL;
}

void wh_err_free(struct wh_err *err)
{
	while (err) {
		struct wh_err *next = err->next;

		free(err->msg);
		free(err->hint);
		free(err->file);
		free(err->excerpt);
		free(err->expected);
		free(err->detail);
		free(err->extent);
		free(err->log);
		wh_err_mark_free(err->mark);
		free(err);
		err = next;
	}
}
