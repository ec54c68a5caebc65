/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --chmod: octal, or symbolic as chmod(1) of the BSDs has it, with umask 0:
 *
 *   clause[,clause…]   clause: [ugoa…] (op [perms])…   op: + - =   perms: [rwxXst…] or one of u g o
 */
#include "builder/fileop_private.h"

#include <errno.h>

#define S_ALL 07777u

static bool is_octal(const char *s)
{
	return *s && strspn(s, "01234567") == strlen(s);
}

static int bad(const char *text, struct wh_err **err)
{
	wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL, "invalid chmod parameter: '%s'", text);
	wh_err_hint(err, "it is octal, between 0 and 07777, or symbolic, as in u=rwX,go=rX");
	return -EINVAL;
}

static uint32_t who_bits(char c)
{
	switch (c) {
	case 'u':
		return 04700;
	case 'g':
		return 02070;
	case 'o':
		return 0007;
	default:
		return S_ALL;
	}
}

/* What one class may do, spread over all three. */
static uint32_t spread(uint32_t mode, unsigned shift)
{
	uint32_t p = (mode >> shift) & 7;

	return p << 6 | p << 3 | p;
}

static uint32_t perm_bits(char c, uint32_t original, uint32_t now, bool is_dir, bool only_other)
{
	switch (c) {
	case 'r':
		return 0444;
	case 'w':
		return 0222;
	case 'x':
		return 0111;
	case 'X':
		return is_dir || (original & 0111) ? 0111 : 0;
	case 's':
		return only_other ? 0 : 06000;
	case 't':
		return only_other ? 0 : 01000;
	case 'u':
		return spread(now, 6);
	case 'g':
		return spread(now, 3);
	default:
		return spread(now, 0);
	}
}

/* Walks the text; with ret NULL it only says whether it is well-formed. */
static bool symbolic(const char *s, uint32_t mode, bool is_dir, uint32_t *ret)
{
	uint32_t now = mode;

	do {
		uint32_t who = 0;
		bool given = false, only_other = true;

		for (; *s && strchr("ugoa", *s); s++) {
			who |= who_bits(*s);
			only_other = only_other && *s == 'o';
			given = true;
		}
		if (!given) {
			who = S_ALL;
			only_other = false;
		}
		/* The sticky bit belongs to no class: whoever may set any may set it. */
		who |= only_other ? 0 : 01000;
		if (!*s || !strchr("+-=", *s))
			return false;
		while (*s && strchr("+-=", *s)) {
			char op = *s++;
			uint32_t bits = 0;

			for (; *s && strchr("rwxXstugo", *s); s++)
				bits |= perm_bits(*s, mode, now, is_dir, only_other);
			bits &= who;
			if (op == '+')
				now |= bits;
			else if (op == '-')
				now &= ~bits;
			else
				now = (now & ~(who & 06777u)) | bits;
		}
	} while (*s == ',' && *++s);
	if (*s)
		return false;
	if (ret)
		*ret = now;
	return true;
}

int chmod_parse(const char *text, struct chmod *ret, struct wh_err **err)
{
	uint64_t v;

	if (is_octal(text)) {
		if (!wh_parse_u64(text, 8, &v) || v > 07777)
			return bad(text, err);
		*ret = (struct chmod){.octal = true, .mode = (uint32_t)v, .text = text};
		return 0;
	}
	if (!*text || text[strlen(text) - 1] == ',' || !symbolic(text, 0, false, NULL))
		return bad(text, err);
	*ret = (struct chmod){.text = text};
	return 0;
}

uint32_t chmod_apply(const struct chmod *c, uint32_t mode, bool is_dir)
{
	if (!c || !c->text)
		return mode;
	if (c->octal)
		return c->mode;
	symbolic(c->text, mode, is_dir, &mode);
	return mode;
}
