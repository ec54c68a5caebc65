/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Negative controls of a proof: what to take away, so that the tests must fail. What was seen early, and what hardly a program does
 * without, comes first; a program may have another way, so there are several of each kind.
 */
#include "builder/prove_private.h"

#define CALLS_MAX 8
#define OTHERS_MAX 4
#define PLACES_MAX 1 /* of Landlock's */
#define ABI_OF_PORTS 4

const char *const wh_control_kinds[WH_CONTROL_KINDS] = {
	[WH_CONTROL_SECCOMP] = "seccomp",
	[WH_CONTROL_CAPABILITIES] = "capabilities",
	[WH_CONTROL_READ_ONLY] = "read-only root",
	[WH_CONTROL_LANDLOCK] = "Landlock",
};

struct collecting {
	struct wh_controls *to;
	const json_t *privileges;
	const json_t *const *profiles;
	size_t n_profiles;
};

static void add_candidate(struct collecting *p, enum wh_control_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add_candidate(struct collecting *p, enum wh_control_kind kind, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;
	size_t of_kind = 0;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < p->to->n; i++)
		of_kind += p->to->v[i].kind == kind;
	for (size_t i = 0; i < p->to->n; i++)
		if (p->to->v[i].kind == kind && wh_streq(p->to->v[i].without, text.p))
			return;
	if (of_kind < (kind == WH_CONTROL_SECCOMP ? CALLS_MAX : OTHERS_MAX))
		WH_PUSH(p->to->v, p->to->n, p->to->cap) =
			(struct wh_control){kind, wh_arena_strdup(p->to->a, text.p)};
}

/* How many files below the directory the profiles read: a measure of how sorely it would be missed. */
static size_t uses_below(const struct collecting *p, const char *dir)
{
	size_t len = strlen(dir), n = 0, i;
	const json_t *one;

	if (wh_streq(dir, "/proc") || wh_streq(dir, "/sys"))
		return 0;
	for (size_t k = 0; k < p->n_profiles; k++) {
		json_array_foreach (json_object_get(p->profiles[k], "used"), i, one) {
			const char *path = wh_json_str(one, "path"), *access = wh_json_str(one, "access");

			n += path && access && strchr(access, 'r') && strncmp(path, dir + 1, len - 1) == 0 &&
			     (path[len - 1] == '/' || !path[len - 1]);
		}
	}
	return n;
}

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (wh_streq(name, *list))
			return true;
	return false;
}

static bool was_observed(const struct collecting *p, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(p->privileges, "observed"), i, one)
		if (wh_streq(json_string_value(one), name))
			return true;
	return false;
}

/* Of what was seen, first what a server fails without before it serves, then what hardly any program does without; at last what
 * few start without. Not execve: without it nothing of the application's runs, which the trial itself refuses, whatever its tests look at. */
static void call_candidates(struct collecting *p)
{
	static const char *const first[] = {"listen", "bind", "socket", "openat", "open", "epoll_create1", "epoll_create", "socketpair",
					    "unlink", "mkdir", NULL};
	static const char *const optional[] = {"arch_prctl", "prctl", "prlimit64", "set_tid_address", "sysinfo", "uname", "execve", "clone",
					       "access", "alarm", "getcwd", "readlink", NULL};
	static const char *const last[] = {"mmap", "read", "write", "arch_prctl", NULL};
	const size_t most = CALLS_MAX - (WH_ARRAY_SIZE(last) - 1);
	const json_t *one;
	size_t i;

	for (const char *const *name = first; *name; name++)
		if (was_observed(p, *name) && p->to->n < most)
			add_candidate(p, WH_CONTROL_SECCOMP, "%s", *name);
	json_array_foreach (json_object_get(p->privileges, "observed"), i, one)
		if (p->to->n < most && !is_one_of(json_string_value(one), optional))
			add_candidate(p, WH_CONTROL_SECCOMP, "%s", json_string_value(one));
	for (const char *const *name = last; *name; name++)
		add_candidate(p, WH_CONTROL_SECCOMP, "%s", *name);
}

/* Directories of which most was used. */
static void reading_candidates(struct collecting *p, const json_t *rule)
{
	size_t best[OTHERS_MAX] = {0}, n = 0;
	const json_t *path;
	size_t *used = wh_calloc(json_array_size(json_object_get(rule, "paths")) + 1, sizeof(*used)), i;

	json_array_foreach (json_object_get(rule, "paths"), i, path)
		used[i] = uses_below(p, json_string_value(path));
	for (; n < OTHERS_MAX; n++) {
		best[n] = SIZE_MAX;
		json_array_foreach (json_object_get(rule, "paths"), i, path)
			if (used[i] && (best[n] == SIZE_MAX || used[i] > used[best[n]]))
				best[n] = i;
		if (best[n] == SIZE_MAX)
			break;
		used[best[n]] = 0;
		add_candidate(p, WH_CONTROL_LANDLOCK, "read_file %s",
			      json_string_value(json_array_get(json_object_get(rule, "paths"), best[n])));
	}
	free(used);
}

static void collect(struct collecting *p, unsigned parts, int abi)
{
	const json_t *landlock = json_object_get(p->privileges, "landlock"), *one, *rule;
	size_t i;

	call_candidates(p);
	json_array_foreach (json_object_get(p->privileges, "capabilities"), i, one)
		add_candidate(p, WH_CONTROL_CAPABILITIES, "%s", json_string_value(one));
	if (json_is_true(json_object_get(p->privileges, "readOnlyRoot")))
		json_array_foreach (json_object_get(p->privileges, "writable"), i, one)
			add_candidate(p, WH_CONTROL_READ_ONLY, "%s", wh_json_str(one, "path"));
	if (!(parts & WH_PART_LANDLOCK))
		return;
	json_array_foreach (json_object_get(json_object_get(landlock, "net"), "rules"), i, rule)
		if (abi >= ABI_OF_PORTS &&
		    wh_streq(json_string_value(json_array_get(json_object_get(rule, "access"), 0)), "bind_tcp"))
			add_candidate(p, WH_CONTROL_LANDLOCK, "bind_tcp");
	/* Where something was written, that is missed most surely. */
	json_array_foreach (json_object_get(p->privileges, "writable"), i, one)
		if (i < PLACES_MAX)
			add_candidate(p, WH_CONTROL_LANDLOCK, "write_file %s", wh_json_str(one, "path"));
	/* Rules of directories that are read: the word stands alone there, or with read_dir. */
	json_array_foreach (json_object_get(landlock, "fs"), i, rule)
		if (wh_streq(json_string_value(json_array_get(json_object_get(rule, "access"), 0)), "read_file") &&
		    json_array_size(json_object_get(rule, "access")) <= 2)
			reading_candidates(p, rule);
}

void wh_controls_collect(const json_t *privileges, const json_t *const *profiles, size_t n, unsigned parts, int abi,
			 struct wh_controls *ret)
{
	struct collecting c = {ret, privileges, profiles, n};

	ret->a = wh_arena_new();
	collect(&c, parts, abi);
}

void wh_controls_release(struct wh_controls *c)
{
	free(c->v);
	wh_arena_free(c->a);
	*c = (struct wh_controls){0};
}
