/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: their text form, and what this host is (names as GOOS, GOARCH and GOARM have them). */
#include "base/platform.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <sys/utsname.h>

static void set(char *dst, size_t room, const char *s)
{
	snprintf(dst, room, "%s", s);
}

static bool one_of(const char *s, const char *const *list)
{
	while (*list && strcmp(*list, s) != 0)
		list++;
	return *list;
}

/* One name has many spellings; images and hosts are compared in one. (What variants mean: containerd's platforms package.) */
void wh_platform_normalize(struct wh_platform *p)
{
	static const struct {
		const char *from, *arch, *variant; /* variant NULL: as it is given */
	} names[] = {
		{"x86_64", "amd64", NULL}, {"x86-64", "amd64", NULL}, {"aarch64", "arm64", NULL}, {"armhf", "arm", "v7"},
		{"armel", "arm", "v6"},	   {"i386", "386", ""},	      {"i486", "386", ""},	  {"i586", "386", ""},
		{"i686", "386", ""},
	};
	static const char *const v8[] = {"8", "v8", "v8.0", NULL}, *const v9[] = {"9", "9.0", "v9.0", NULL};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		if (strcmp(p->arch, names[i].from) != 0)
			continue;
		set(p->arch, sizeof(p->arch), names[i].arch);
		if (names[i].variant)
			set(p->variant, sizeof(p->variant), names[i].variant);
	}
	if (strcmp(p->os, "macos") == 0)
		set(p->os, sizeof(p->os), "darwin");
	if (strcmp(p->arch, "arm64") == 0 && one_of(p->variant, v8))
		p->variant[0] = '\0';
	else if (strcmp(p->arch, "arm64") == 0 && one_of(p->variant, v9))
		set(p->variant, sizeof(p->variant), "v9");
	if (strcmp(p->arch, "arm") == 0) {
		if (!p->variant[0])
			set(p->variant, sizeof(p->variant), "v7");
		else if (isdigit((unsigned char)p->variant[0]) && !p->variant[1])
			snprintf(p->variant, sizeof(p->variant), "v%c", p->variant[0]);
	}
	if (strcmp(p->arch, "amd64") == 0 && strcmp(p->variant, "v1") == 0)
		p->variant[0] = '\0';
}

/* Words that mean a system or an architecture when they stand alone (Go's lists). */
static bool known_os(const char *s)
{
	static const char *const names[] = {"aix",   "android", "darwin",  "dragonfly", "freebsd", "hurd",
					    "illumos", "ios",	"js",	   "linux",	"macos",   "nacl",
					    "netbsd",  "openbsd", "plan9", "solaris",	"windows", "zos", NULL};

	return one_of(s, names);
}

static bool known_arch(const char *s)
{
	static const char *const names[] = {
		"386",	"amd64",    "amd64p32", "arm",	     "armbe",	    "arm64", "arm64be", "ppc64", "ppc64le", "loong64",
		"mips", "mipsle",   "mips64",	"mips64le",  "mips64p32",   "mips64p32le", "ppc", "riscv", "riscv64",
		"s390", "s390x", "sparc", "sparc64", "wasm", NULL};

	return one_of(s, names);
}

static bool good_part(const char *s, size_t n, size_t room)
{
	if (n == 0 || n >= room)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("_-.", s[i]))
			return false;
	return true;
}

static bool parse(const char *text, struct wh_platform *p)
{
	char *const to[3] = {p->os, p->arch, p->variant};
	size_t i;

	for (i = 0; i < 3 && *text; i++) {
		size_t n = strcspn(text, "/");

		if (!good_part(text, n, sizeof(p->os)))
			return false;
		for (size_t k = 0; k < n; k++)
			to[i][k] = (char)tolower((unsigned char)text[k]);
		text += n;
		if (*text == '/' && !*++text)
			return false;
	}
	return i > 0 && !*text;
}

int wh_platform_parse(const char *text, const struct wh_platform *host, struct wh_platform *ret, struct wh_err **err)
{
	struct wh_platform p = {0};
	struct wh_platform here;
	bool word = false;
	int r;

	if (!parse(text, &p)) {
		r = wh_err_set(err, "platform", WH_ERR_USAGE, EINVAL, "failed to parse platform \"%.80s\"", text);
		wh_err_hint(err, "write it as os/arch or os/arch/variant, such as linux/amd64");
		return r;
	}
	if (!p.arch[0]) {
		/* One word: a system, or an architecture of this host's system. */
		if (!host) {
			wh_platform_host(&here);
			host = &here;
		}
		if (known_os(p.os)) {
			memcpy(p.arch, host->arch, sizeof(p.arch));
			memcpy(p.variant, host->variant, sizeof(p.variant));
		} else {
			memcpy(p.arch, p.os, sizeof(p.arch));
			memcpy(p.os, host->os, sizeof(p.os));
			word = true;
		}
	}
	wh_platform_normalize(&p);
	if (word && !known_arch(p.arch)) {
		r = wh_err_set(err, "platform", WH_ERR_USAGE, EINVAL,
			       "failed to parse platform \"%.80s\": unknown operating system or architecture", text);
		wh_err_hint(err, "write it as os/arch or os/arch/variant, such as linux/amd64");
		return r;
	}
	*ret = p;
	return 0;
}

static bool among(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(word, names[i]) == 0)
			return true;
	return false;
}

void wh_platform_note(const char *value, struct wh_err **notes)
{
	static const char *const systems[] = {"linux", "windows", "darwin", "freebsd", "wasi", "js"};
	static const char *const machines[] = {"amd64",    "arm64",  "arm",     "386",  "ppc64le", "s390x",  "riscv64",
					       "mips64le", "mips64", "loong64", "wasm", "x86_64",  "aarch64"};
	static const size_t n_systems = WH_ARRAY_SIZE(systems), n_machines = WH_ARRAY_SIZE(machines);
	const char *slash = strchr(value, '/'), *near;
	WH_AUTO_FREE char *os = NULL, *arch = NULL;
	WH_AUTO_ERR struct wh_err *note = NULL;

	if (!slash)
		return;
	os = wh_strndup(value, (size_t)(slash - value));
	arch = wh_strndup(slash + 1, strcspn(slash + 1, "/"));
	if (among(os, machines, n_machines)) {
		wh_err_set(&note, "platform", WH_ERR_USAGE, EINVAL,
			   "--platform=%s: %s is an architecture, and no operating system", value, os);
		wh_err_hint(&note, "the system comes first: %s/%s", arch, os);
	} else if (!among(arch, machines, n_machines) && (near = wh_nearest(arch, machines, n_machines))) {
		wh_err_set(&note, "platform", WH_ERR_USAGE, EINVAL, "--platform=%s: no architecture is known as %s", value,
			   arch);
		wh_err_hint(&note, "did you mean %s/%s?", os, near);
	} else if (!among(os, systems, n_systems) && (near = wh_nearest(os, systems, n_systems))) {
		wh_err_set(&note, "platform", WH_ERR_USAGE, EINVAL, "--platform=%s: no operating system is known as %s",
			   value, os);
		wh_err_hint(&note, "did you mean %s/%s?", near, arch);
	}
	if (note)
		wh_err_append(notes, &note);
}

void wh_platform_host(struct wh_platform *ret)
{
	struct utsname u;
	struct wh_platform p = {.os = "linux"};

	if (uname(&u) < 0)
		abort(); /* cannot fail with a valid pointer */
	if (wh_has_prefix(u.machine, "armv") && u.machine[4] && u.machine[4] <= '7') {
		set(p.arch, sizeof(p.arch), "arm");
		snprintf(p.variant, sizeof(p.variant), "v%c", u.machine[4]);
	} else {
		snprintf(p.arch, sizeof(p.arch), "%.31s", u.machine);
	}
	wh_platform_normalize(&p);
	*ret = p;
}

char *wh_platform_text(const struct wh_platform *p)
{
	return wh_asprintf("%s/%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "", p->variant);
}

