/* SPDX-License-Identifier: Apache-2.0 */
#include "base/passwd.h"
#include "harden/runtime_private.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_ETC ((size_t)4 << 20)
#define CLONE_NAMESPACES 0x7e020000 /* flags of clone(2) that make them */

/* ---------------------------------------------------------------- small things */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *wh_runtime_names(struct wh_strv *names)
{
	json_t *list = json_array();

	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_text);
	for (size_t i = 0; i < names->n; i++)
		if (!i || !wh_streq(names->v[i], names->v[i - 1]))
			json_array_append_new(list, wh_text_json(names->v[i]));
	return list;
}

static void add_all(struct wh_strv *to, const char *const *names)
{
	for (; names && *names; names++)
		wh_strv_add(to, *names);
}

/* ---------------------------------------------------------------- who */

static int user_of(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err)
{
	const char *text = wh_json_str(o->config, "User");
	WH_AUTO_BUF struct wh_buf passwd = WH_BUF_INIT, group = WH_BUF_INIT;
	struct wh_user u;
	json_t *groups;
	int r = wh_text_read(o->tree, "etc/passwd", MAX_ETC, &passwd, err);

	if (r == 0 || r == -ENOENT)
		r = wh_text_read(o->tree, "etc/group", MAX_ETC, &group, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = wh_user_resolve(text ? text : "", (struct wh_str){passwd.p, passwd.n}, (struct wh_str){group.p, group.n}, false, &u, err);
	if (r < 0)
		return r;
	groups = json_array();
	for (size_t i = 0; i < u.n_groups; i++)
		if (u.groups[i] != u.gid)
			json_array_append_new(groups, json_integer(u.groups[i]));
	json_object_set_new(doc, "user", json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)u.uid, "gid", (json_int_t)u.gid, "groups", groups));
	return 0;
}

/* ---------------------------------------------------------------- system calls */

static const struct {
	const char *platform, *native, *second;
} architectures[] = {
	{"linux/amd64", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86"},
	{"linux/arm64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"},
	{"linux/arm", "SCMP_ARCH_ARM", NULL},
	{"linux/386", "SCMP_ARCH_X86", NULL},
	{"linux/ppc64le", "SCMP_ARCH_PPC64LE", NULL},
	{"linux/s390x", "SCMP_ARCH_S390X", NULL},
	{"linux/riscv64", "SCMP_ARCH_RISCV64", NULL},
};

static json_t *architectures_of(const char *platform, bool second)
{
	json_t *list = json_array();

	for (size_t i = 0; i < WH_ARRAY_SIZE(architectures); i++) {
		size_t n = strlen(architectures[i].platform);

		if (strncmp(platform, architectures[i].platform, n) != 0 || (platform[n] && platform[n] != '/'))
			continue;
		json_array_append_new(list, json_string(architectures[i].native));
		if (second && architectures[i].second)
			json_array_append_new(list, json_string(architectures[i].second));
	}
	return list;
}

/* What was seen, without the "x86:" of calls made with 32-bit numbers. True: there were such. */
static bool observed_calls(const struct wh_privileges_opts *o, struct wh_strv *ret)
{
	bool second = false;

	for (size_t p = 0; p < o->n_profiles; p++) {
		const json_t *list = json_object_get(o->profiles[p], "syscalls"), *one;
		size_t i;

		json_array_foreach (list, i, one) {
			const char *name = wh_json_str(one, "name"), *colon = name ? strchr(name, ':') : NULL;

			if (!name || wh_streq(name, "clone3"))
				continue;
			second |= colon != NULL;
			wh_strv_add(ret, colon ? colon + 1 : name);
		}
	}
	return second;
}

/* s390 has the flags second (clone(2)). */
static json_t *clone_rule(const char *platform)
{
	return json_pack("{s:[s], s:s, s:[{s:i, s:I, s:I, s:s}]}", "names", "clone", "action", "SCMP_ACT_ALLOW", "args", "index",
			 wh_has_prefix(platform, "linux/s390") ? 1 : 0, "value", (json_int_t)CLONE_NAMESPACES, "valueTwo",
			 (json_int_t)0, "op", "SCMP_CMP_MASKED_EQ");
}

static void without(struct wh_strv *names, const char *const *gone)
{
	size_t n = 0;

	for (size_t i = 0; i < names->n; i++) {
		bool out = false;

		for (const char *const *g = gone; *g && !out; g++)
			out = wh_streq(names->v[i], *g);
		if (out)
			free(names->v[i]);
		else
			names->v[n++] = names->v[i];
	}
	names->n = n;
	if (names->v)
		names->v[n] = NULL;
}

/* Of those taken for granted: what only 32-bit machines have. */
static const char *const of_32_bits[] = {
	"_llseek", "_newselect", "clock_getres_time64", "clock_gettime64", "clock_nanosleep_time64", "fcntl64", "fstat64", "futex_time64",
	"getegid32", "geteuid32", "getgid32", "getuid32", "mmap2", "ppoll_time64", "pselect6_time64", "recv", "recvmmsg_time64", "send",
	"sendfile64", "sigreturn", NULL,
};

static bool has_64_bits(const char *platform)
{
	return wh_has_prefix(platform, "linux/amd64") || wh_has_prefix(platform, "linux/arm64") ||
	       wh_has_prefix(platform, "linux/ppc64le") || wh_has_prefix(platform, "linux/s390x") ||
	       wh_has_prefix(platform, "linux/riscv64");
}

static void calls_of(const struct wh_privileges_opts *o, json_t *doc)
{
	static const char *const apart[] = {"clone", NULL};
	WH_AUTO_STRV struct wh_strv seen = {0}, all = {0}, base = {0}, absent = {0};
	bool second = observed_calls(o, &seen);
	json_t *rules = json_array();

	wh_strv_copy(&all, &seen);
	add_all(&all, o->assumed);
	if (!second && has_64_bits(o->platform))
		without(&all, of_32_bits);
	for (const char *const *name = wh_runtime_baseline; *name; name++)
		if (!wh_strv_has(&all, *name))
			wh_strv_add(&base, *name);
	wh_strv_copy(&all, &base);
	without(&all, apart);
	if (o->absent)
		without(&all, o->absent);
	add_all(&absent, o->absent);
	json_array_append_new(rules, json_pack("{s:o, s:s}", "names", wh_runtime_names(&all), "action", "SCMP_ACT_ALLOW"));
	json_array_append_new(rules, clone_rule(o->platform));
	if (absent.n)
		json_array_append_new(rules, json_pack("{s:o, s:s, s:i}", "names", wh_runtime_names(&absent), "action",
						       "SCMP_ACT_ERRNO", "errnoRet", ENOSYS));
	json_object_set_new(doc, "seccomp",
			    json_pack("{s:s, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO", "architectures",
				      architectures_of(o->platform, second), "syscalls", rules));
	json_object_set_new(doc, "observed", wh_runtime_names(&seen));
	json_object_set_new(doc, "baseline", wh_runtime_names(&base));
}

/* ---------------------------------------------------------------- capabilities */

/* A program that was run and that gives its caller more than it had: with no_new_privileges it would not. */
static bool gives_privileges(const struct wh_privileges_opts *o)
{
	for (size_t p = 0; p < o->n_profiles; p++) {
		const json_t *list = json_object_get(o->profiles[p], "processes"), *one;
		size_t i;

		json_array_foreach (list, i, one) {
			const char *text = wh_json_str(one, "program");
			WH_AUTO_FREE char *path = text ? wh_path_of_json(text) : NULL;
			struct wh_node_ref n;

			if (!path || wh_tree_lookup(o->tree, path, &n) < 0 || n.e.type != WH_T_FILE)
				continue;
			if (n.e.mode & 06000)
				return true;
			for (size_t x = 0; x < n.e.n_xattrs; x++)
				if (wh_streq(n.e.xattrs[x].name, "security.capability"))
					return true;
		}
	}
	return false;
}

static void capabilities_of(const struct wh_privileges_opts *o, json_t *doc)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	for (size_t p = 0; p < o->n_profiles; p++) {
		const json_t *list = json_object_get(o->profiles[p], "capabilities"), *one;
		size_t i;

		json_array_foreach (list, i, one)
			if (wh_json_str(one, "name"))
				wh_strv_add(&names, wh_json_str(one, "name"));
	}
	json_object_set_new(doc, "capabilities", wh_runtime_names(&names));
	json_object_set_new(doc, "noNewPrivileges", json_boolean(!gives_privileges(o)));
}

/* ---------------------------------------------------------------- ports */

static int port_order(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(wh_json_str(x, "protocol"), wh_json_str(y, "protocol"));
	int64_t m = wh_json_int(x, "port", 0), n = wh_json_int(y, "port", 0);

	return r ? r : m < n ? -1 : m > n;
}

static void ports_of(const struct wh_privileges_opts *o, json_t *doc)
{
	WH_AUTO_FREE json_t **v = NULL;
	json_t *ports = json_array();
	size_t n = 0, cap = 0;

	for (size_t p = 0; p < o->n_profiles; p++) {
		json_t *list = json_object_get(o->profiles[p], "bound"), *one;
		size_t i;

		json_array_foreach (list, i, one)
			if (wh_json_str(one, "protocol") &&
			    (wh_streq(wh_json_str(one, "protocol"), "tcp") || wh_streq(wh_json_str(one, "protocol"), "udp")))
				WH_PUSH(v, n, cap) = one;
	}
	if (n)
		qsort(v, n, sizeof(json_t *), port_order);
	for (size_t i = 0; i < n; i++)
		if (!i || port_order(&v[i], &v[i - 1]) != 0)
			json_array_append_new(ports, json_pack("{s:s, s:I}", "protocol", wh_json_str(v[i], "protocol"), "port",
							       (json_int_t)wh_json_int(v[i], "port", 0)));
	json_object_set_new(doc, "ports", ports);
}

/* ---------------------------------------------------------------- all of it */

int wh_privileges_make(const struct wh_privileges_opts *o, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = json_object();
	int r;

	json_object_set_new(doc, "$schema", json_string(WH_PRIVILEGES_SCHEMA));
	json_object_set_new(doc, "platform", json_string(o->platform));
	r = user_of(o, doc, err);
	if (r < 0)
		return r;
	calls_of(o, doc);
	capabilities_of(o, doc);
	ports_of(o, doc);
	r = wh_runtime_writable(o, doc, err);
	if (r == 0)
		r = wh_runtime_landlock(o, doc, err);
	if (r == 0)
		*ret = WH_TAKE_PTR(doc);
	return r;
}
