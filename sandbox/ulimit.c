/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a step's processes, by docker's names for them. */
#include "sandbox/step.h"

#include <errno.h>
#include <sys/resource.h>

static const struct {
	const char *name;
	int resource;
} rows[] = {
	{"core", RLIMIT_CORE},	       {"cpu", RLIMIT_CPU},	      {"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},	      {"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},	      {"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},	      {"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

static bool number(const char *s, size_t n, uint64_t *ret)
{
	WH_AUTO_FREE char *text = wh_strndup(s, n);

	if (wh_streq(text, "-1")) {
		*ret = RLIM_INFINITY;
		return true;
	}
	return wh_parse_u64(text, 10, ret) && *ret <= INT64_MAX;
}

static int unknown(const char *name, struct wh_err **err)
{
	const char *names[WH_ARRAY_SIZE(rows)], *near;
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		names[i] = rows[i].name;
	wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "invalid ulimit type: %s", name);
	near = wh_nearest(name, names, WH_ARRAY_SIZE(rows));
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	else
		wh_err_hint(err, "they are named as in docker: nofile, nproc, core, memlock …");
	return -EINVAL;
}

int wh_ulimit_parse(const char *text, struct wh_ulimit *ret, struct wh_err **err)
{
	size_t n = strcspn(text, "="), soft;
	WH_AUTO_FREE char *name = wh_strndup(text, n);
	const char *value = text[n] ? text + n + 1 : NULL, *hard;
	struct wh_ulimit u = {0};
	size_t i;

	if (!value || !*value || !n)
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL,
				  "invalid ulimit argument: %s (it is NAME=SOFT or NAME=SOFT:HARD)", text);
	for (i = 0; i < WH_ARRAY_SIZE(rows) && !u.name; i++) {
		if (wh_streq(name, rows[i].name)) {
			u.name = rows[i].name;
			u.resource = rows[i].resource;
		}
	}
	if (!u.name)
		return unknown(name, err);
	soft = strcspn(value, ":");
	hard = value[soft] ? value + soft + 1 : value;
	if (!number(value, soft, &u.soft) || !number(hard, value[soft] ? strlen(hard) : soft, &u.hard))
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL,
				  "ulimit %s: \"%s\" is no SOFT or SOFT:HARD (whole numbers; -1: unlimited)", u.name, value);
	if (u.soft > u.hard)
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL,
				  "ulimit soft limit must be less than or equal to hard limit: %s", text);
	*ret = u;
	return 0;
}

int wh_ulimit_set(const struct wh_ulimit *u, struct wh_err **err)
{
	const struct rlimit want = {u->soft, u->hard};
	struct rlimit have = {0};
	int e;

	if (setrlimit((__rlimit_resource_t)u->resource, &want) == 0)
		return 0;
	e = errno;
	getrlimit((__rlimit_resource_t)u->resource, &have);
	wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "ulimit %s: set the hard limit to %lld", u->name,
		   u->hard == RLIM_INFINITY ? -1LL : (long long)u->hard);
	if (e == EPERM)
		wh_err_hint(err, "a step's limits cannot be above those of who builds: here %lld",
			    have.rlim_max == RLIM_INFINITY ? -1LL : (long long)have.rlim_max);
	return -e;
}
