/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, as far as Dockerfiles and path patterns need it: step over a character, know blanks, digits and letters. */
#ifndef WH_BASE_RUNE_H
#define WH_BASE_RUNE_H

#include "base/str.h"

/* The character at p (n > 0 bytes left) and its width. A byte that starts no valid sequence counts as itself, so that
 * foreign bytes pass through unchanged. */
static inline uint32_t wh_rune(const char *p, size_t n, size_t *ret_width)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t w = u[0] < 0xc2 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 1;
	uint32_t r;
	size_t i;

	*ret_width = 1;
	if (w == 1 || w > n)
		return u[0] | (u[0] >= 0x80 ? 0x80000000U : 0);
	r = u[0] & (0xffU >> (w + 1));
	for (i = 1; i < w; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return u[0] | 0x80000000U;
		r = r << 6 | (u[i] & 0x3f);
	}
	*ret_width = w;
	return r;
}

static inline bool wh_rune_is_space(uint32_t r)
{
	return r == ' ' || (r >= '\t' && r <= '\r') || r == 0x85 || r == 0xa0 || r == 0x1680 ||
	       (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000;
}

static inline bool wh_rune_is_digit(uint32_t r)
{
	return r >= '0' && r <= '9';
}

/* Letters beyond ASCII are not told apart: whatever is no blank and no stray byte may stand in a name. */
static inline bool wh_rune_is_letter(uint32_t r)
{
	return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') ||
	       (r > 0xa0 && r < 0x80000000U && !wh_rune_is_space(r));
}

/* Blanks that separate words on a Dockerfile line. */
static inline bool wh_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

#endif
