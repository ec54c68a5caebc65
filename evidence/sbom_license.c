/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a text that a package gives as its licence an SPDX expression? Only then may it stand in a document as one. The
 * identifiers are those that packages commonly have; a licence beyond them is told of in words.
 */
#include "base/base.h"
#include "evidence/sbom_private.h"

#include <ctype.h>

#define MAX_TOKENS 64
#define MAX_DEPTH 8

static const char *const licenses[] = {
	"0BSD",
	"AFL-2.1",
	"AFL-3.0",
	"AGPL-3.0",
	"AGPL-3.0-only",
	"AGPL-3.0-or-later",
	"Apache-1.1",
	"Apache-2.0",
	"Artistic-1.0",
	"Artistic-2.0",
	"BlueOak-1.0.0",
	"BSD-1-Clause",
	"BSD-2-Clause",
	"BSD-2-Clause-Patent",
	"BSD-3-Clause",
	"BSD-3-Clause-Clear",
	"BSD-4-Clause",
	"BSL-1.0",
	"CC-BY-3.0",
	"CC-BY-4.0",
	"CC-BY-SA-4.0",
	"CC0-1.0",
	"CDDL-1.0",
	"CDDL-1.1",
	"curl",
	"ECL-2.0",
	"EPL-1.0",
	"EPL-2.0",
	"EUPL-1.2",
	"FTL",
	"GPL-1.0-or-later",
	"GPL-2.0",
	"GPL-2.0+",
	"GPL-2.0-only",
	"GPL-2.0-or-later",
	"GPL-3.0",
	"GPL-3.0+",
	"GPL-3.0-only",
	"GPL-3.0-or-later",
	"HPND",
	"ICU",
	"IJG",
	"ISC",
	"LGPL-2.0-only",
	"LGPL-2.0-or-later",
	"LGPL-2.1",
	"LGPL-2.1+",
	"LGPL-2.1-only",
	"LGPL-2.1-or-later",
	"LGPL-3.0",
	"LGPL-3.0+",
	"LGPL-3.0-only",
	"LGPL-3.0-or-later",
	"Libpng",
	"MIT",
	"MIT-0",
	"MIT-CMU",
	"MPL-1.1",
	"MPL-2.0",
	"MS-PL",
	"MulanPSL-2.0",
	"NCSA",
	"OFL-1.1",
	"OpenSSL",
	"PostgreSQL",
	"PSF-2.0",
	"Python-2.0",
	"Python-2.0.1",
	"Ruby",
	"Unicode-3.0",
	"Unicode-DFS-2016",
	"Unlicense",
	"UPL-1.0",
	"Vim",
	"W3C",
	"WTFPL",
	"X11",
	"Zlib",
	"ZPL-2.1",
};
static const char *const exceptions[] = {
	"Autoconf-exception-3.0", "Bison-exception-2.2", "Classpath-exception-2.0", "GCC-exception-3.1",
	"LLVM-exception",         "OpenSSL-exception",   "u-boot-exception-2.0",
};

struct tokens {
	struct wh_str v[MAX_TOKENS];
	size_t n, at;
};

static bool split(const char *s, struct tokens *t)
{
	while (*s) {
		size_t n = 1;

		if (isspace((unsigned char)*s)) {
			s++;
			continue;
		}
		if (t->n == MAX_TOKENS)
			return false;
		if (*s != '(' && *s != ')')
			n = strcspn(s, " \t()");
		t->v[t->n++] = (struct wh_str){s, n};
		s += n;
	}
	return t->n > 0;
}

static bool take(struct tokens *t, const char *word)
{
	if (t->at == t->n || !wh_str_eq(t->v[t->at], word))
		return false;
	t->at++;
	return true;
}

static bool take_one(struct tokens *t, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (take(t, list[i]))
			return true;
	return false;
}

/* operand { (AND | OR) operand }; operand: "(" … ")" or identifier [WITH exception] */
static bool expression(struct tokens *t, unsigned depth)
{
	do {
		if (take(t, "(")) {
			if (depth == MAX_DEPTH || !expression(t, depth + 1) || !take(t, ")"))
				return false;
		} else if (!take_one(t, licenses, WH_ARRAY_SIZE(licenses))) {
			return false;
		} else if (take(t, "WITH") && !take_one(t, exceptions, WH_ARRAY_SIZE(exceptions))) {
			return false;
		}
	} while (take(t, "AND") || take(t, "OR"));
	return true;
}

bool wh_spdx_is_expression(const char *s)
{
	struct tokens t = {.n = 0};

	return split(s, &t) && expression(&t, 0) && t.at == t.n;
}
