/* SPDX-License-Identifier: Apache-2.0 */
/* --chmod and STOPSIGNAL: words that must be right before they reach an image. */
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

/* [ugoa]*([-+=][rwxXstugo]*)+ */
static bool clause_ok(const char **p)
{
	bool any = false;

	*p += strspn(*p, "ugoa");
	while (**p && strchr("-+=", **p)) {
		(*p)++;
		any = true;
		*p += strspn(*p, "rwxXstugo");
	}
	return any && (!**p || **p == ',');
}

int wh_mode_check(const char *s, struct wh_err **err)
{
	uint64_t mode;
	const char *p = s;

	if (wh_parse_u64(s, 8, &mode)) {
		if (mode <= 07777)
			return 0;
	} else {
		while (clause_ok(&p)) {
			if (!*p)
				return 0;
			p++;
		}
	}
	wh_usage_word(err, s, "invalid chmod parameter: '%.80s'. it should be octal string and between 0 and 07777", s);
	wh_err_expect(err, "octal digits, like 0755, or symbols, like u=rwX,go=rX");
	if (*s && strspn(s, "0123456789") == strlen(s) && strpbrk(s, "89"))
		wh_err_hint(err, "octal digits go from 0 to 7");
	else
		wh_err_hint(err, "or symbolic, like u=rwX,go=rX");
	return -EINVAL;
}

static const char *const signals[] = {
	"ABRT", "ALRM", "BUS",  "CHLD",   "CLD", "CONT", "FPE",  "HUP",    "ILL",   "INT",  "IO",   "IOT",
	"KILL", "PIPE", "POLL", "PROF",   "PWR", "QUIT", "SEGV", "STKFLT", "STOP",  "SYS",  "TERM", "TRAP",
	"TSTP", "TTIN", "TTOU", "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
};

int wh_signal_check(const char *s, struct wh_err **err)
{
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s, *near;
	uint64_t n;
	size_t i;

	if (wh_parse_u64(s, 10, &n) && n >= 1 && n <= 64)
		return 0;
	for (i = 0; i < WH_ARRAY_SIZE(signals); i++)
		if (strcasecmp(name, signals[i]) == 0)
			return 0;
	if (strcasecmp(name, "RTMIN") == 0 || strcasecmp(name, "RTMAX") == 0)
		return 0;
	if ((strncasecmp(name, "RTMIN+", 6) == 0 || strncasecmp(name, "RTMAX-", 6) == 0) &&
	    wh_parse_u64(name + 6, 10, &n) && n >= 1 && n <= 15)
		return 0;
	wh_usage_word(err, s, "invalid signal: %.80s", s);
	wh_err_expect(err, "a name like SIGTERM or SIGRTMIN+3, or a number from 1 to 64");
	near = wh_nearest(name, signals, WH_ARRAY_SIZE(signals));
	if (near)
		wh_err_hint(err, "did you mean SIG%s?", near);
	return -EINVAL;
}
