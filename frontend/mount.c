/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount=key=value,…: one table of keys, one of types. */
#include "frontend/mount.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

enum key {
	KEY_TYPE,
	KEY_FROM,
	KEY_SOURCE,
	KEY_TARGET,
	KEY_RO,
	KEY_RW,
	KEY_ID,
	KEY_SHARING,
	KEY_REQUIRED,
	KEY_SIZE,
	KEY_MODE,
	KEY_UID,
	KEY_GID,
	KEY_ENV,
};

static const struct {
	const char *name;
	enum key key;
} keys[] = {
	{"type", KEY_TYPE},
	{"from", KEY_FROM},
	{"source", KEY_SOURCE},
	{"src", KEY_SOURCE},
	{"target", KEY_TARGET},
	{"dst", KEY_TARGET},
	{"destination", KEY_TARGET},
	{"readonly", KEY_RO},
	{"ro", KEY_RO},
	{"readwrite", KEY_RW},
	{"rw", KEY_RW},
	{"id", KEY_ID},
	{"sharing", KEY_SHARING},
	{"required", KEY_REQUIRED},
	{"size", KEY_SIZE},
	{"mode", KEY_MODE},
	{"uid", KEY_UID},
	{"gid", KEY_GID},
	{"env", KEY_ENV},
};

static const struct {
	const char *name;
	enum wh_mount_type type;
} types[] = {
	{"bind", WH_MOUNT_BIND},     {"cache", WH_MOUNT_CACHE}, {"tmpfs", WH_MOUNT_TMPFS},
	{"secret", WH_MOUNT_SECRET}, {"ssh", WH_MOUNT_SSH},
};

static const char *const sharings[] = {[WH_SHARED] = "shared", [WH_PRIVATE] = "private", [WH_LOCKED] = "locked"};

static const char *type_name(enum wh_mount_type type)
{
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "?";
}

char *wh_field_split(const char *field, const char **ret_value)
{
	const char *eq = strchr(field, '=');
	char *key = wh_strndup(field, eq ? (size_t)(eq - field) : strlen(field)), *p;

	for (p = key; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	*ret_value = eq ? eq + 1 : NULL;
	return key;
}

static int fields_of(const char *text, struct wh_strv *ret, struct wh_err **err)
{
	int r = wh_words_csv(text, ret, err);

	if (r < 0)
		wh_err_wrap(err, "failed to parse csv mounts");
	return r;
}

int wh_mount_check(const char *text, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv fields = {0};
	size_t i;
	int r = fields_of(text, &fields, err);

	for (i = 0; i < fields.n && r == 0; i++) {
		const char *value, *var;
		WH_AUTO_FREE char *key = wh_field_split(fields.v[i], &value);

		if (!wh_streq(key, "from") || !value)
			continue;
		var = strchr(value, '$');
		if (var && var[1]) {
			r = wh_usage_word(err, value, "'from' doesn't support variable expansion, define alias stage instead");
			wh_err_hint(err, "write FROM %s AS name above, and from=name here", value);
		}
	}
	return r;
}

const char *wh_mount_from(struct wh_arena *a, const char *text)
{
	WH_AUTO_STRV struct wh_strv fields = {0};
	const char *from = NULL;
	size_t i;

	if (wh_words_csv(text, &fields, NULL) < 0)
		return NULL;
	for (i = 0; i < fields.n; i++) {
		const char *value;
		WH_AUTO_FREE char *key = wh_field_split(fields.v[i], &value);

		if (wh_streq(key, "from") && value)
			from = wh_arena_strdup(a, value);
	}
	return from;
}

/* ---- values ---- */

int wh_field_bool(const char *key, const char *s, bool *ret, struct wh_err **err)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(yes); i++) {
		if (wh_streq(s, yes[i]) || wh_streq(s, no[i])) {
			*ret = wh_streq(s, yes[i]);
			return 0;
		}
	}
	wh_usage_word(err, s, "invalid value for %s: %s", key, s);
	wh_err_expect(err, "true or false");
	return -EINVAL;
}

static int parse_id(const char *key, const char *s, unsigned base, uint32_t *ret, struct wh_err **err)
{
	uint64_t v;

	if (!wh_parse_u64(s, base, &v) || v > UINT32_MAX)
	{
		wh_usage_word(err, s, "invalid value %s for %s", s, key);
		wh_err_expect(err, base == 8 ? "octal digits, like 0755" : "a number: names are not looked up here");
		return -EINVAL;
	}
	*ret = (uint32_t)v;
	return 0;
}

static int bad_size(const char *s, struct wh_err **err)
{
	wh_usage_word(err, s, "invalid value for size: %s", s);
	wh_err_expect(err, "a number of bytes, or with k, m, g or t behind, like 64m");
	return -EINVAL;
}

/* "64m", "1.5GiB", "4096": units are powers of 1024. */
static int parse_size(const char *s, uint64_t *ret, struct wh_err **err)
{
	static const char units[] = "kmgtp";
	const char *p = s, *unit;
	uint64_t factor = 1;
	double value;
	char *end;

	if (*p < '0' || *p > '9' || strpbrk(p, "xXeEnN+"))
		return bad_size(s, err);
	value = strtod(p, &end);
	for (p = end; *p == ' '; p++)
		;
	unit = *p ? strchr(units, *p | 32) : NULL;
	if (unit) {
		factor = 1ULL << (10 * (unit - units + 1));
		p++;
		p += *p == 'i' || *p == 'I';
	}
	p += *p == 'b' || *p == 'B';
	if (*p || value * (double)factor > 9e18)
		return bad_size(s, err);
	*ret = (uint64_t)(value * (double)factor);
	return 0;
}

static int set_type(struct wh_mount_spec *m, const char *value, struct wh_err **err)
{
	const char *names[WH_ARRAY_SIZE(types)];
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(types); i++) {
		names[i] = types[i].name;
		if (strcasecmp(value, types[i].name) == 0) {
			m->type = types[i].type;
			return 0;
		}
	}
	wh_usage_word(err, value, "unsupported mount type \"%s\"", value);
	wh_usage_near(err, value, names, WH_ARRAY_SIZE(types), "");
	return -EINVAL;
}

static int set_sharing(struct wh_mount_spec *m, const char *value, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(sharings); i++) {
		if (strcasecmp(value, sharings[i]) == 0) {
			m->sharing = (enum wh_sharing)i;
			m->has_sharing = true;
			return 0;
		}
	}
	wh_usage_word(err, value, "unsupported sharing value \"%s\"", value);
	wh_usage_near(err, value, sharings, WH_ARRAY_SIZE(sharings), "");
	return -EINVAL;
}

/* Keys whose meaning hangs on the type come after it, wherever they stand. */
static int allowed(const struct wh_mount_spec *m, enum key key, const char *name, struct wh_err **err)
{
	bool ok = true;

	if (key == KEY_REQUIRED)
		ok = m->type == WH_MOUNT_SECRET || m->type == WH_MOUNT_SSH;
	else if (key == KEY_SIZE)
		ok = m->type == WH_MOUNT_TMPFS;
	else if (key == KEY_MODE || key == KEY_UID || key == KEY_GID)
		ok = m->type == WH_MOUNT_SECRET || m->type == WH_MOUNT_SSH || m->type == WH_MOUNT_CACHE;
	if (ok)
		return 0;
	wh_usage_word(err, name,
		      key == KEY_REQUIRED || key == KEY_SIZE ? "unexpected key '%s' for mount type '%s'"
							     : "%s not allowed for \"%s\" type mounts",
		      name, type_name(m->type));
	wh_err_hint(err, key == KEY_SIZE       ? "size belongs to type=tmpfs"
			 : key == KEY_REQUIRED ? "required belongs to type=secret and type=ssh"
					       : "mode, uid and gid belong to type=cache, type=secret and type=ssh");
	return -EINVAL;
}

static int set_key(struct wh_arena *a, struct wh_mount_spec *m, enum key key, const char *name, const char *value,
		   bool *ro_given, struct wh_err **err)
{
	const char *kept = wh_arena_strdup(a, value);
	int r = allowed(m, key, name, err);

	if (r < 0)
		return r;
	switch (key) {
	case KEY_TYPE:
		return 0; /* taken before all others */
	case KEY_FROM:
		m->from = kept;
		return 0;
	case KEY_SOURCE:
		m->source = kept;
		return 0;
	case KEY_TARGET:
		m->target = kept;
		return 0;
	case KEY_RO:
	case KEY_RW:
		r = wh_field_bool(name, value, &m->readonly, err);
		if (key == KEY_RW)
			m->readonly = !m->readonly;
		*ro_given = true;
		return r;
	case KEY_ID:
		m->id = kept;
		return 0;
	case KEY_SHARING:
		return set_sharing(m, value, err);
	case KEY_REQUIRED:
		return wh_field_bool(name, value, &m->required, err);
	case KEY_SIZE:
		return parse_size(value, &m->size, err);
	case KEY_MODE:
		m->has_mode = true;
		return parse_id(name, value, 8, &m->mode, err);
	case KEY_UID:
		m->has_uid = true;
		return parse_id(name, value, 10, &m->uid, err);
	case KEY_GID:
		m->has_gid = true;
		return parse_id(name, value, 10, &m->gid, err);
	case KEY_ENV:
		m->env = kept;
		m->has_env = true;
		return 0;
	}
	return 0;
}

/* ---- fields ---- */

static int find_key(const char *name, const char *field, enum key *ret, struct wh_err **err)
{
	const char *names[WH_ARRAY_SIZE(keys)];
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		names[i] = keys[i].name;
		if (wh_streq(name, keys[i].name)) {
			*ret = keys[i].key;
			return 0;
		}
	}
	wh_usage_word(err, field, "unexpected key '%s' in '%s'", name, field);
	wh_usage_near(err, name, names, WH_ARRAY_SIZE(keys), "");
	return -EINVAL;
}

static int no_value(const char *field, struct wh_err **err)
{
	wh_usage(err, "invalid field '%s' must be a key=value pair", field);
	if (*field) {
		wh_err_mark(err, WH_MARK_WORD, field);
		wh_err_expect(err, "%s=VALUE", field);
	} else {
		wh_err_hint(err, "fields are separated by one comma, with no blank in front of it or behind it");
	}
	return -EINVAL;
}

/* type_pass: only "type" is looked at; otherwise all the others. */
static int take_field(struct wh_arena *a, struct wh_mount_spec *m, const char *field, bool type_pass,
		      wh_expand_fn expand, void *arg, bool *ro_given, struct wh_err **err)
{
	const char *value;
	WH_AUTO_FREE char *name = wh_field_split(field, &value), *expanded = NULL;
	static const char *const alone[] = {"readonly", "ro", "readwrite", "rw", "required"};
	bool may_be_alone = value != NULL;
	enum key key;
	size_t i;
	int r;

	for (i = 0; i < WH_ARRAY_SIZE(alone); i++)
		may_be_alone |= wh_streq(name, alone[i]);
	if (!may_be_alone)
		return no_value(field, err);
	r = find_key(name, field, &key, err);
	if (r < 0)
		return r;
	if ((key == KEY_TYPE) != type_pass)
		return 0;
	r = expand(arg, value ? value : "true", &expanded, err);
	if (r < 0)
		return r;
	return type_pass ? set_type(m, expanded, err) : set_key(a, m, key, name, expanded, ro_given, err);
}

static int judge(const struct wh_mount_spec *m, struct wh_err **err)
{
	if (m->has_sharing && m->type == WH_MOUNT_SECRET)
		return wh_usage_word(err, "sharing", "secret mount should not define sharing");
	if (m->has_sharing && m->type != WH_MOUNT_CACHE)
		return wh_usage_word(err, "sharing", "invalid cache sharing set for %s mount", type_name(m->type));
	if (m->type == WH_MOUNT_SSH && *m->source)
		return wh_usage_word(err, m->source, "ssh does not support source");
	if (m->type != WH_MOUNT_SECRET)
		return 0;
	if (*m->from)
		return wh_usage_word(err, "from", "secret mount should not have a from");
	if (!*m->source && !*m->target && !*m->id)
		return wh_usage(err, "invalid secret mount. one of source, target required");
	if (*m->source && *m->id)
		return wh_usage_word(err, m->source, "both source and id can't be set");
	return 0;
}

int wh_mount_parse(struct wh_arena *a, const char *text, wh_expand_fn expand, void *arg, struct wh_mount_spec *ret,
		   struct wh_err **err)
{
	struct wh_mount_spec m = {.type = WH_MOUNT_BIND, .from = "", .source = "", .target = "", .id = "", .env = ""};
	WH_AUTO_STRV struct wh_strv fields = {0};
	bool ro_given = false;
	size_t i, pass;
	int r = fields_of(text, &fields, err);

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < fields.n && r == 0; i++)
		{
			r = take_field(a, &m, fields.v[i], pass == 0, expand, arg, &ro_given, err);
			if (r < 0 && *fields.v[i])
				wh_err_within(err, fields.v[i]);
		}
	if (r < 0)
		return r;
	if (!ro_given)
		m.readonly = m.type != WH_MOUNT_CACHE && m.type != WH_MOUNT_TMPFS;
	r = judge(&m, err);
	if (r == 0)
		*ret = m;
	return r;
}
