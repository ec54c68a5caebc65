/* SPDX-License-Identifier: Apache-2.0 */
/* From a document of privileges (harden/runtime.h) to what the sandbox enforces, whole or with something taken away. */
#include "builder/profile_private.h"

#include <errno.h>

struct making {
	struct wh_confinement *to;
	const struct wh_control *without;
};

static bool is_without(const struct making *m, enum wh_control_kind kind, const char *what)
{
	return m->without && m->without->kind == kind && wh_streq(m->without->without, what);
}

static const char *const *list_of(struct wh_arena *a, const struct wh_strv *v)
{
	const char **list = wh_arena_alloc(a, (v->n + 1) * sizeof(*list));

	for (size_t i = 0; i < v->n; i++)
		list[i] = wh_arena_strdup(a, v->v[i]);
	list[v->n] = NULL;
	return list;
}

/* Conditions on arguments are those that a step's own filter has. */
static void add_calls(struct making *m, const json_t *seccomp)
{
	WH_AUTO_STRV struct wh_strv allowed = {0}, absent = {0};
	const json_t *rules = json_object_get(seccomp, "syscalls"), *rule, *name;
	size_t i, k;

	json_array_foreach (rules, i, rule) {
		const char *action = wh_json_str(rule, "action");
		bool allow = wh_streq(action, "SCMP_ACT_ALLOW");

		json_array_foreach (json_object_get(rule, "names"), k, name)
			if (!is_without(m, WH_CONTROL_SECCOMP, json_string_value(name)))
				wh_strv_add(allow ? &allowed : &absent, json_string_value(name));
	}
	m->to->c.syscalls = list_of(m->to->a, &allowed);
	m->to->c.absent = list_of(m->to->a, &absent);
	m->to->c.second_arch = json_array_size(json_object_get(seccomp, "architectures")) > 1;
}

static void add_capabilities(struct making *m, const json_t *p)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	const json_t *name;
	size_t i;

	json_array_foreach (json_object_get(p, "capabilities"), i, name)
		if (!is_without(m, WH_CONTROL_CAPABILITIES, json_string_value(name)))
			wh_strv_add(&names, json_string_value(name));
	m->to->c.limit_capabilities = true;
	m->to->c.capabilities = list_of(m->to->a, &names);
	m->to->c.no_new_privs = json_is_true(json_object_get(p, "noNewPrivileges"));
}

static void add_places(struct making *m, const json_t *p)
{
	const json_t *list = json_object_get(p, "writable"), *one;
	size_t i;

	if (!json_is_true(json_object_get(p, "readOnlyRoot")))
		return;
	m->to->c.readonly_root = true;
	m->to->places = wh_arena_alloc(m->to->a, (json_array_size(list) + 1) * sizeof(*m->to->places));
	json_array_foreach (list, i, one) {
		const char *path = wh_json_str(one, "path"), *mode = wh_json_str(one, "mode");
		uint64_t bits = 0755;

		if (is_without(m, WH_CONTROL_READ_ONLY, path)) {
			m->to->read_only = wh_arena_strdup(m->to->a, path);
			continue;
		}
		wh_parse_u64(mode, 8, &bits);
		m->to->places[m->to->n_places++] =
			(struct wh_confined_place){.path = wh_arena_strdup(m->to->a, path),
						   .mode = (uint32_t)bits & 07777,
						   .uid = (uint32_t)wh_json_int(one, "uid", 0),
						   .gid = (uint32_t)wh_json_int(one, "gid", 0),
						   .content = json_is_true(json_object_get(one, "content"))};
	}
}

/* ---------------------------------------------------------------- Landlock */

static uint64_t accesses(const struct making *m, const json_t *words, const char *path)
{
	const json_t *word;
	uint64_t all = 0;
	size_t i;

	json_array_foreach (words, i, word) {
		WH_AUTO_FREE char *what = wh_asprintf("%s %s", json_string_value(word), path);

		if (!is_without(m, WH_CONTROL_LANDLOCK, what))
			all |= wh_landlock_fs_access(json_string_value(word));
	}
	return all;
}

static void add_files(struct making *m, const json_t *rules)
{
	struct wh_landlock_rule *v;
	const json_t *rule, *path;
	size_t i, k, n = 0;

	json_array_foreach (rules, i, rule)
		n += json_array_size(json_object_get(rule, "paths"));
	v = wh_arena_alloc(m->to->a, (n + 1) * sizeof(*v));
	n = 0;
	json_array_foreach (rules, i, rule)
		json_array_foreach (json_object_get(rule, "paths"), k, path)
			v[n++] = (struct wh_landlock_rule){
				wh_arena_strdup(m->to->a, json_string_value(path)),
				accesses(m, json_object_get(rule, "access"), json_string_value(path))};
	m->to->c.rules = v;
	m->to->c.n_rules = n;
}

static void add_ports(struct making *m, const json_t *net)
{
	const json_t *rules = json_object_get(net, "rules"), *rule, *word, *port;
	struct wh_landlock_port *v;
	size_t i, k, n = 0;

	json_array_foreach (json_object_get(net, "handled"), i, word)
		m->to->c.net |= wh_landlock_net_access(json_string_value(word));
	json_array_foreach (rules, i, rule)
		n += json_array_size(json_object_get(rule, "ports"));
	v = wh_arena_alloc(m->to->a, (n + 1) * sizeof(*v));
	n = 0;
	json_array_foreach (rules, i, rule) {
		const char *access = json_string_value(json_array_get(json_object_get(rule, "access"), 0));

		if (is_without(m, WH_CONTROL_LANDLOCK, access))
			continue;
		json_array_foreach (json_object_get(rule, "ports"), k, port)
			v[n++] = (struct wh_landlock_port){(uint16_t)json_integer_value(port), wh_landlock_net_access(access)};
	}
	m->to->c.ports = v;
	m->to->c.n_ports = n;
}

int wh_confinement_make(const json_t *privileges, unsigned parts, const struct wh_control *without, struct wh_confinement **ret,
			struct wh_err **err)
{
	const json_t *landlock = json_object_get(privileges, "landlock");
	struct making m = {.without = without};

	if (!json_is_object(landlock) || !json_is_object(json_object_get(privileges, "seccomp")))
		return wh_err_set(err, "builder", WH_ERR_INTERNAL, EBADMSG, "the document of privileges is damaged");
	m.to = wh_calloc(1, sizeof(*m.to));
	m.to->a = wh_arena_new();
	if (parts & WH_PART_SECCOMP)
		add_calls(&m, json_object_get(privileges, "seccomp"));
	if (parts & WH_PART_CAPABILITIES)
		add_capabilities(&m, privileges);
	if (parts & WH_PART_READ_ONLY)
		add_places(&m, privileges);
	if (parts & WH_PART_LANDLOCK) {
		m.to->c.landlock = true;
		add_files(&m, json_object_get(landlock, "fs"));
		add_ports(&m, json_object_get(landlock, "net"));
	}
	*ret = m.to;
	return 0;
}

void wh_confinement_free(struct wh_confinement *c)
{
	if (!c)
		return;
	wh_arena_free(c->a);
	free(c);
}
