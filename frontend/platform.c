/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms, "os/arch[/variant]", in the names that OCI images use. */
#include "frontend/names.h"

#include <errno.h>

static const struct {
	const char *name, *arch, *variant;
} aliases[] = {
	{"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""}, {"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},  {"i386", "386", ""},     {"i686", "386", ""},
};

static const char *const known_arch[] = {"amd64",   "arm64",    "arm",    "386",     "ppc64le", "s390x",
					 "riscv64", "mips64le", "mips64", "loong64", "ppc64",   "wasm"};

static bool word_ok(struct wh_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && !strchr("_.-", s.p[i]))
			return false;
	return s.n > 0 && s.n < 32;
}

static void keep(char out[32], struct wh_str s)
{
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

static void normalise(struct wh_platform *p)
{
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(aliases); i++) {
		if (!wh_streq(p->arch, aliases[i].name))
			continue;
		keep(p->arch, wh_str(aliases[i].arch));
		if (!p->variant[0])
			keep(p->variant, wh_str(aliases[i].variant));
	}
	if (wh_streq(p->arch, "arm64") && (wh_streq(p->variant, "v8") || wh_streq(p->variant, "8")))
		p->variant[0] = '\0';
	if (wh_streq(p->arch, "amd64") && wh_streq(p->variant, "v1"))
		p->variant[0] = '\0';
	if (wh_streq(p->arch, "arm") && !p->variant[0])
		keep(p->variant, WH_STR("v7"));
}

static bool is_arch(const char *s)
{
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(aliases); i++)
		if (wh_streq(s, aliases[i].name))
			return true;
	for (i = 0; i < WH_ARRAY_SIZE(known_arch); i++)
		if (wh_streq(s, known_arch[i]))
			return true;
	return false;
}

int wh_platform_parse(const char *s, const struct wh_platform *host, struct wh_platform *ret, struct wh_err **err)
{
	struct wh_platform p = {0};
	struct wh_str part[4];
	size_t n = 0;
	const char *at = s;

	for (;;) {
		size_t len = strcspn(at, "/");

		part[n] = (struct wh_str){at, len};
		if (!word_ok(part[n]) || n == 3)
			goto bad;
		n++;
		if (!at[len])
			break;
		at += len + 1;
	}
	keep(n == 1 ? p.arch : p.os, part[0]);
	if (n > 1)
		keep(p.arch, part[1]);
	if (n > 2)
		keep(p.variant, part[2]);
	if (n == 1 && !is_arch(p.arch)) { /* a lone word that is no architecture is an operating system */
		keep(p.os, part[0]);
		keep(p.arch, wh_str(host->arch));
		keep(p.variant, wh_str(host->variant));
	} else if (n == 1) {
		keep(p.os, wh_str(host->os[0] ? host->os : "linux"));
	}
	normalise(&p);
	*ret = p;
	return 0;
bad:
	wh_err_set(err, "frontend", WH_ERR_USAGE, EINVAL, "failed to parse platform %.80s", s);
	wh_err_hint(err, "write it like linux/amd64 or linux/arm/v7");
	return -EINVAL;
}

const char *wh_platform_text(struct wh_arena *a, const struct wh_platform *p)
{
	return wh_arena_printf(a, "%s/%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "", p->variant);
}
