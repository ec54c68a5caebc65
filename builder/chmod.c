/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --chmod: octal, or symbolic as chmod(1) of the BSDs has it, with umask 0:
 *
 *   clause[,clause…]   clause: [ugoa…] (op [perms])…   op: + - =   perms: [rwxXstugo…]
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
		return 06777;
	}
}

/* An operation in the making; who 0: nobody was named, so all. */
struct clause {
	char op;
	uint32_t who, perm, perm_x;
	bool cleared; /* "=" took away what it takes away */
};

static void apply_perm(struct clause *c, uint32_t original, bool is_dir, uint32_t *now)
{
	uint32_t all = c->who ? c->who : S_ALL;

	if (c->op == '=' && (c->perm || !c->cleared)) {
		*now &= ~(c->who ? c->who : 06777u);
		c->cleared = true;
	}
	if (c->op == '-')
		*now &= ~(c->perm & all);
	else
		*now |= c->perm & all;
	if (c->perm_x && (is_dir || (original & 0111)))
		*now |= c->perm_x & all;
	c->perm = c->perm_x = 0;
}

/* What one class may do, given to (or taken from) those named; set-id bits are no part of it. */
static void apply_copy(const struct clause *c, char from, uint32_t *now)
{
	uint32_t value = (*now >> (from == 'u' ? 6 : from == 'g' ? 3 : 0)) & 7, who = c->who & 0777;
	uint32_t bits = value << 6 | value << 3 | value;

	if (!c->who)
		who = 0777;
	if (c->op == '=')
		*now &= ~who;
	if (c->op == '-')
		*now &= ~(bits & who);
	else
		*now |= bits & who;
}

/* One operator and what follows it. */
static const char *operation(const char *s, uint32_t who, uint32_t mode, bool is_dir, uint32_t *now)
{
	struct clause c = {.op = *s++, .who = who};
	bool only_other = who && !(who & ~0007u);

	for (;; s++) {
		switch (*s) {
		case 'r':
			c.perm |= 0444;
			break;
		case 'w':
			c.perm |= 0222;
			break;
		case 'x':
			c.perm |= 0111;
			break;
		case 'X':
			*(c.op == '-' ? &c.perm : &c.perm_x) |= 0111;
			break;
		case 's':
			c.perm |= only_other ? 0 : 06000;
			break;
		case 't':
			/* It belongs to nobody; whoever may set any bit may set it. */
			c.who |= only_other ? 0 : 01000;
			c.perm |= only_other ? 0 : 01000;
			break;
		case 'u':
		case 'g':
		case 'o':
			if (c.op == '=' && !c.perm)
				c.cleared = true; /* the copy itself replaces */
			apply_perm(&c, mode, is_dir, now);
			apply_copy(&c, *s, now);
			break;
		default:
			apply_perm(&c, mode, is_dir, now);
			return s;
		}
	}
}

/* Walks the text; with ret NULL it only says whether it is well-formed. */
static bool symbolic(const char *s, uint32_t mode, bool is_dir, uint32_t *ret)
{
	uint32_t now = mode;

	do {
		uint32_t who = 0;

		for (; *s && strchr("ugoa", *s); s++)
			who |= who_bits(*s);
		if (!*s || !strchr("+-=", *s))
			return false;
		while (*s && strchr("+-=", *s))
			s = operation(s, who, mode, is_dir, &now);
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
