/* SPDX-License-Identifier: Apache-2.0 */
/* passwd(5) and group(5) as an image brings them: hostile text, read line by line, odd lines skipped. */
#include "base/passwd.h"

#include <errno.h>

/* Ids above this are refused, as docker does: 2^31-1 is where signed tools start to disagree. */
#define MAX_ID 0x7fffffffU

struct entry {
	struct wh_str field[7];
	size_t n;
};

/* Takes the next line off text and splits it at colons; false at the end. */
static bool next_entry(struct wh_str *text, struct entry *ret)
{
	struct wh_str line;
	const char *end;

	if (!text->n)
		return false;
	end = memchr(text->p, '\n', text->n);
	line.p = text->p;
	line.n = end ? (size_t)(end - text->p) : text->n;
	text->p += line.n + (end ? 1 : 0);
	text->n -= line.n + (end ? 1 : 0);
	ret->n = 0;
	line = wh_str_trim(line);
	if (!line.n || line.p[0] == '#' || memchr(line.p, '\0', line.n))
		return true;
	for (;;) {
		const char *colon = memchr(line.p, ':', line.n);
		size_t n = colon ? (size_t)(colon - line.p) : line.n;

		ret->field[ret->n++] = (struct wh_str){line.p, n};
		if (!colon || ret->n == WH_ARRAY_SIZE(ret->field))
			return true;
		line.p += n + 1;
		line.n -= n + 1;
	}
}

static bool span_eq(struct wh_str a, struct wh_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool parse_id(struct wh_str s, uint32_t *ret)
{
	uint64_t v = 0;

	if (!s.n || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > MAX_ID)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool all_digits(struct wh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static void copy_text(char *out, size_t size, struct wh_str s)
{
	if (s.n >= size)
		return; /* an overlong name or home is as good as none */
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

/* The first passwd line whose name is `who` or whose uid is the number `who`; a name goes before nothing: first
 * wins. */
static bool find_user(struct wh_str passwd, struct wh_str who, struct wh_user *ret)
{
	uint32_t want = 0;
	bool numeric = parse_id(who, &want);
	struct entry e;

	while (next_entry(&passwd, &e)) {
		uint32_t uid, gid;

		if (e.n < 4 || !e.field[0].n || !parse_id(e.field[2], &uid) || !parse_id(e.field[3], &gid))
			continue;
		if (!span_eq(e.field[0], who) && !(numeric && uid == want))
			continue;
		ret->uid = uid;
		ret->gid = gid;
		copy_text(ret->name, sizeof(ret->name), e.field[0]);
		if (e.n > 5)
			copy_text(ret->home, sizeof(ret->home), e.field[5]);
		return true;
	}
	return false;
}

static bool find_group(struct wh_str group, struct wh_str who, uint32_t *ret)
{
	uint32_t want = 0;
	bool numeric = parse_id(who, &want);
	struct entry e;

	while (next_entry(&group, &e)) {
		uint32_t gid;

		if (e.n < 3 || !e.field[0].n || !parse_id(e.field[2], &gid))
			continue;
		if (span_eq(e.field[0], who) || (numeric && gid == want)) {
			*ret = gid;
			return true;
		}
	}
	if (numeric)
		*ret = want;
	return numeric;
}

static bool lists_member(struct wh_str members, const char *name)
{
	while (members.n) {
		const char *comma = memchr(members.p, ',', members.n);
		size_t n = comma ? (size_t)(comma - members.p) : members.n;

		if (wh_str_eq((struct wh_str){members.p, n}, name))
			return true;
		n += comma ? 1 : 0;
		members.p += n;
		members.n -= n;
	}
	return false;
}

static void add_groups(struct wh_str group, struct wh_user *u)
{
	struct entry e;

	while (next_entry(&group, &e) && u->n_groups < WH_ARRAY_SIZE(u->groups)) {
		uint32_t gid;
		bool known = false;

		if (e.n < 4 || !parse_id(e.field[2], &gid) || !lists_member(e.field[3], u->name))
			continue;
		for (size_t i = 0; i < u->n_groups; i++)
			known = known || u->groups[i] == gid;
		if (!known)
			u->groups[u->n_groups++] = gid;
	}
}

/* The name in the file that is nearest, or how to get one. */
static void name_hint(struct wh_err **err, const char *what, const char *word, struct wh_str text)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	const char *near;
	struct entry e;

	while (next_entry(&text, &e) && names.n < 1000)
		if (e.n && e.field[0].n && e.field[0].n < 64)
			wh_strv_take(&names, wh_strndup(e.field[0].p, e.field[0].n));
	near = wh_nearest(word, (const char *const *)names.v, names.n);
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	else
		wh_err_hint(err, "a RUN above must add the %s, with %sadd or add%s as the image has it", what, what, what);
}

static int unknown(struct wh_err **err, const char *what, struct wh_str who, struct wh_str text, const char *file)
{
	int n = who.n > 64 ? 64 : (int)who.n;
	WH_AUTO_FREE char *word = wh_strndup(who.p, (size_t)n);

	if (all_digits(who))
		return wh_err_set(err, "passwd", WH_ERR_BUILD, EINVAL, "%s \"%.*s\" is above the highest id, %u", what,
				  n, who.p, MAX_ID);
	if (!text.n) {
		wh_err_set(err, "passwd", WH_ERR_BUILD, ENOENT,
			   "unable to find %s \"%.*s\": the root has no %s (a number needs none)", what, n, who.p, file);
		wh_err_mark(err, WH_MARK_WORD, word);
		return -ENOENT;
	}
	wh_err_set(err, "passwd", WH_ERR_BUILD, ENOENT, "unable to find %s \"%.*s\": no such entry in %s", what, n, who.p,
		   file);
	wh_err_mark(err, WH_MARK_WORD, word);
	name_hint(err, what, word, text);
	return -ENOENT;
}

int wh_user_resolve(const char *spec, struct wh_str passwd, struct wh_str group, bool for_chown, struct wh_user *ret,
		    struct wh_err **err)
{
	struct wh_user u = {0};
	struct wh_str user = wh_str(spec), grp = {NULL, 0};
	const char *colon = memchr(spec, ':', user.n);
	bool numeric;

	if (colon) {
		grp = wh_str(colon + 1);
		user.n = (size_t)(colon - spec);
	}
	if (!user.n)
		user = WH_STR("0");
	numeric = parse_id(user, &u.uid);
	if (!find_user(passwd, user, &u)) {
		if (!numeric)
			return unknown(err, "user", user, passwd, "/etc/passwd");
		u.gid = 0;
	}
	/* docker's rule for --chown: a lone number is both; the passwd entry counts only for a name. */
	if (for_chown && numeric)
		u.gid = u.uid;
	if (grp.n) {
		if (!find_group(group, grp, &u.gid))
			return unknown(err, "group", grp, group, "/etc/group");
	} else if (!for_chown && u.name[0]) {
		add_groups(group, &u);
	}
	*ret = u;
	return 0;
}
