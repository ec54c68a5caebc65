/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock's rules: read what the image has, execute the programs that are left in it, write where something was written. The image holds only what
 * is needed, so reading is allowed by its top directories; what was not seen and is needed all the same is then there.
 */
#include "harden/runtime_private.h"
#include "harden/tree.h"

#include <errno.h>

#define ABI 5             /* ioctl_dev; bind_tcp and connect_tcp came with 4, truncate with 3 */
#define HANDED_OUT 32768  /* ports from here on are the kernel's to choose (ip_local_port_range) */
#define PROGRAMS_MAX 4096

static const char *const reading[] = {"read_file", "read_dir", NULL};
static const char *const executing[] = {"execute", NULL};
static const char *const of_devices[] = {"read_file", "write_file", "read_dir", "ioctl_dev", NULL};
static const char *const writing[] = {"read_file", "read_dir",  "write_file", "remove_dir", "remove_file", "make_dir",
				      "make_reg",  "make_sock", "make_fifo",  "make_sym",   "refer",       "truncate", NULL};

static json_t *words(const char *const *v)
{
	json_t *list = json_array();

	for (; *v; v++)
		json_array_append_new(list, json_string(*v));
	return list;
}

static void add_rule(json_t *rules, const char *const *access, struct wh_strv *paths)
{
	json_t *list = json_array();

	wh_strv_sort(paths);
	for (size_t i = 0; i < paths->n; i++)
		if (!i || !wh_streq(paths->v[i], paths->v[i - 1]))
			json_array_append_new(list, wh_path_json(paths->v[i]));
	if (json_array_size(list))
		json_array_append_new(rules, json_pack("{s:o, s:o}", "access", words(access), "paths", list));
	else
		json_decref(list);
}

/* ---------------------------------------------------------------- files */

static int find_program(void *arg, const struct wh_node_ref *n)
{
	struct wh_strv *paths = arg;

	if (n->e.type == WH_T_FILE && (n->e.mode & 0111) && paths->n < PROGRAMS_MAX)
		wh_strv_addf(paths, "/%s", n->e.path);
	return 0;
}

static int find_file(void *arg, const struct wh_node_ref *n)
{
	bool *found = arg;

	*found |= n->e.type != WH_T_DIR;
	return *found ? -ECANCELED : 0;
}

static bool is_writable(const json_t *doc, const char *path)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(doc, "writable"), i, one)
		if (wh_streq(wh_json_str(one, "path"), path))
			return true;
	return false;
}

/* What has files in it; what is written to has a rule of its own. */
static void add_top(const struct wh_privileges_opts *o, const json_t *doc, struct wh_strv *paths)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	wh_tree_list(o->tree, "", &names);
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("/%s", names.v[i]);
		bool file = false;
		struct wh_node_ref n;

		if (wh_streq(names.v[i], "dev") || is_writable(doc, path) || wh_tree_lookup(o->tree, names.v[i], &n) < 0)
			continue;
		if (n.e.type == WH_T_DIR)
			wh_tree_walk(o->tree, names.v[i], find_file, &file);
		if (file || n.e.type == WH_T_FILE)
			wh_strv_add(paths, path);
	}
	wh_strv_add(paths, "/proc");
	wh_strv_add(paths, "/sys");
}

/* What was there in the tests without being the image's: a directory that they shared, a volume. */
static void add_made(const json_t *profile, const json_t *doc, const char *list, struct wh_strv *paths)
{
	const json_t *all = json_object_get(profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *path = wh_json_str(one, "path");
		WH_AUTO_FREE char *top = path ? wh_asprintf("/%.*s", (int)strcspn(path, "/"), path) : NULL;

		if (top && top[1] && !wh_streq(top, "/dev") && strchr(path, '/') && !wh_strv_has(paths, top) &&
		    !is_writable(doc, top))
			wh_strv_add(paths, top);
	}
}

static bool writes_proc(const json_t *profile, const char *list)
{
	const json_t *all = json_object_get(profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *path = wh_json_str(one, "path"), *access = wh_json_str(one, "access");

		if (path && access && wh_has_prefix(path, "proc/") && strchr(access, 'w'))
			return true;
	}
	return false;
}

static json_t *files_of(const struct wh_privileges_opts *o, const json_t *doc)
{
	WH_AUTO_STRV struct wh_strv read = {0}, execute = {0}, devices = {0}, write = {0};
	json_t *rules = json_array(), *one;
	bool proc = false;
	size_t i;

	wh_tree_walk(o->tree, "", find_program, &execute);
	add_top(o, doc, &read);
	wh_strv_add(&devices, "/dev");
	wh_strv_add(&write, "/dev/shm");
	for (size_t p = 0; p < o->n_profiles; p++) {
		add_made(o->profiles[p], doc, "created", &read);
		add_made(o->profiles[p], doc, "used", &read);
		proc |= writes_proc(o->profiles[p], "used") || writes_proc(o->profiles[p], "created");
	}
	if (proc)
		wh_strv_add(&devices, "/proc");
	json_array_foreach (json_object_get(doc, "writable"), i, one) {
		WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(one, "path"));

		wh_strv_add(&write, path);
	}
	if (!json_is_true(json_object_get(doc, "readOnlyRoot")))
		wh_strv_add(&write, "/");
	add_rule(rules, executing, &execute);
	add_rule(rules, of_devices, &devices);
	add_rule(rules, reading, &read);
	add_rule(rules, writing, &write);
	return rules;
}

/* ---------------------------------------------------------------- ports */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The TCP ports of one list, sorted, each once. */
static size_t ports_of(const struct wh_privileges_opts *o, const char *list, int64_t **ret)
{
	int64_t *v = NULL;
	size_t n = 0, cap = 0, k = 0;

	for (size_t p = 0; p < o->n_profiles; p++) {
		const json_t *all = json_object_get(o->profiles[p], list), *one;
		size_t i;

		json_array_foreach (all, i, one) {
			const char *protocol = wh_json_str(one, "protocol");

			if (protocol && wh_streq(protocol, "tcp"))
				WH_PUSH(v, n, cap) = wh_json_int(one, "port", 0);
		}
	}
	if (n)
		qsort(v, n, sizeof(*v), by_number);
	for (size_t i = 0; i < n; i++)
		if (!i || v[i] != v[i - 1])
			v[k++] = v[i];
	*ret = v;
	return k;
}

static void add_ports(json_t *net, const char *access, const int64_t *v, size_t n)
{
	json_t *ports = json_array();

	json_array_append_new(json_object_get(net, "handled"), json_string(access));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(ports, json_integer(v[i]));
	if (n)
		json_array_append_new(json_object_get(net, "rules"), json_pack("{s:[s], s:o}", "access", access, "ports", ports));
	else
		json_decref(ports);
}

static json_t *net_of(const struct wh_privileges_opts *o)
{
	WH_AUTO_FREE int64_t *bound = NULL, *peers = NULL;
	size_t n_bound = ports_of(o, "bound", &bound), n_peers = ports_of(o, "peers", &peers);
	json_t *net = json_pack("{s:[], s:[]}", "handled", "rules");

	add_ports(net, "bind_tcp", bound, n_bound);
	if (!n_peers || peers[n_peers - 1] < HANDED_OUT)
		add_ports(net, "connect_tcp", peers, n_peers);
	return net;
}

int wh_runtime_landlock(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err)
{
	(void)err;
	json_object_set_new(doc, "landlock", json_pack("{s:i, s:o, s:o}", "abi", ABI, "fs", files_of(o, doc), "net", net_of(o)));
	return 0;
}
