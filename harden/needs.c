/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/removed.h"
#include "harden/tree.h"

#include <errno.h>
#include <uthash.h>

#define HANDED_OUT 32768 /* ports from here on are the kernel's to choose (ip_local_port_range) */
#define CHAIN_MAX 8      /* programs of a chain that are told */

const char *const wh_need_names[WH_NEED_KINDS] = {
	[WH_NEED_FILES] = "files",
	[WH_NEED_EXECUTABLES] = "executables",
	[WH_NEED_SYSCALLS] = "syscalls",
	[WH_NEED_CAPABILITIES] = "capabilities",
	[WH_NEED_PORTS] = "ports",
	[WH_NEED_PEERS] = "peers",
	[WH_NEED_WRITTEN] = "written",
};

struct known { /* by kind and text */
	char *key;
	UT_hash_handle hh;
};

struct making {
	struct wh_needs *to;
	struct wh_tree *tree;
	struct wh_removed owners;
	struct known *known;
	const json_t *profile;
};

/* ---------------------------------------------------------------- who, and when */

static json_t *process_of(const json_t *profile, int64_t index)
{
	return index < 0 ? NULL : json_array_get(json_object_get(profile, "processes"), (size_t)index);
}

static void add_program(struct wh_buf *b, const json_t *p)
{
	wh_buf_addf(b, "/%s", wh_json_str(p, "program") ? wh_json_str(p, "program") : "?");
	if (wh_json_str(p, "script"))
		wh_buf_addf(b, " (script /%s)", wh_json_str(p, "script"));
}

/* "application: /usr/sbin/app ran /bin/dash (script /x)"; NULL: nobody is known. */
static char *chain_of(const json_t *profile, int64_t index)
{
	const json_t *v[CHAIN_MAX], *p = process_of(profile, index);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t n = 0;

	if (!p)
		return NULL;
	wh_buf_addf(&b, "%s: ", wh_json_str(p, "name") ? wh_json_str(p, "name") : "?");
	for (; p && n < CHAIN_MAX; p = process_of(profile, wh_json_int(p, "parent", -1)))
		v[n++] = p;
	if (p)
		wh_buf_adds(&b, "… ran ");
	while (n--) {
		add_program(&b, v[n]);
		if (n)
			wh_buf_adds(&b, " ran ");
	}
	return wh_buf_take(&b);
}

static char *when_of(const json_t *profile, const json_t *one)
{
	const json_t *mark = NULL, *when = json_object_get(one, "when");

	if (json_array_size(when))
		mark = json_array_get(json_object_get(profile, "marks"), (size_t)json_integer_value(json_array_get(when, 0)));
	if (wh_json_str(mark, "test"))
		return wh_asprintf("test %s", wh_json_str(mark, "test"));
	return wh_json_str(mark, "phase") ? wh_strdup(wh_json_str(mark, "phase")) : NULL;
}

/* Takes text. one: the profile's entry; example: a relative path, or NULL. */
static void add(struct making *m, enum wh_need_kind kind, char *text, const json_t *one, int64_t process, const char *example)
{
	WH_AUTO_FREE char *key = wh_asprintf("%d %s", (int)kind, text);
	struct known *k;

	HASH_FIND_STR(m->known, key, k);
	if (k) {
		free(text);
		return;
	}
	k = wh_calloc(1, sizeof(*k));
	k->key = WH_TAKE_PTR(key);
	HASH_ADD_KEYPTR(hh, m->known, k->key, strlen(k->key), k);
	WH_PUSH(m->to->v, m->to->n, m->to->cap) =
		(struct wh_need){.kind = kind,
				 .text = text,
				 .example = example ? wh_asprintf("/%s", example) : NULL,
				 .chain = chain_of(m->profile, process),
				 .when = when_of(m->profile, one)};
}

static int64_t first_by(const json_t *one)
{
	const json_t *by = json_object_get(one, "by");

	return json_array_size(by) ? json_integer_value(json_array_get(by, 0)) : -1;
}

/* ---------------------------------------------------------------- files */

static bool is_the_kernels(const char *path)
{
	return wh_has_prefix(path, "proc/") || wh_has_prefix(path, "sys/") || wh_has_prefix(path, "dev/");
}

/* The first n components of a relative path, as an absolute one. */
static char *cut(const char *path, size_t n)
{
	const char *p = path;

	for (; *p; p++)
		if (*p == '/' && !--n)
			break;
	return wh_asprintf("/%.*s", (int)(p - path), path);
}

/* Bytecode is its source's. */
static char *without_cache(const char *path)
{
	const char *cache = strstr(path, "/__pycache__/");

	return cache ? wh_asprintf("%.*s/x.py", (int)(cache - path), path) : wh_strdup(path);
}

static char *class_of(struct making *m, const char *path)
{
	const char *owner = wh_removed_owner_of(&m->owners, path);
	WH_AUTO_FREE char *plain = NULL, *dir = NULL;
	const char *base, *dot, *slash;

	if (owner && strchr(owner, ' ')) { /* "python flask 2.2.2": a version is no need */
		const char *last = strrchr(owner, ' ');

		return wh_strndup(owner, last == strchr(owner, ' ') ? strlen(owner) : (size_t)(last - owner));
	}
	if (owner)
		return wh_asprintf("package %s", owner);
	plain = without_cache(path);
	slash = strrchr(plain, '/');
	base = slash ? slash + 1 : plain;
	dot = strrchr(base, '.');
	dir = slash ? wh_strndup(plain, (size_t)(slash - plain)) : wh_strdup("");
	{
		WH_AUTO_FREE char *top = cut(dir, 3);
		/* A suffix with a digit is a version, or chance. */
		bool suffix = dot && dot > base && dot[1] && strlen(dot) <= 8 && !strpbrk(dot, "0123456789");

		return suffix ? wh_asprintf("%s: %s", top, dot) : wh_asprintf("%s: files", top);
	}
}

static void add_file(struct making *m, const json_t *one, const char *path)
{
	struct wh_node_ref n;

	/* Directories and links are on the way to something. */
	if (is_the_kernels(path) || (m->tree && wh_tree_lookup(m->tree, path, &n) == 0 && n.e.type != WH_T_FILE))
		return;
	add(m, WH_NEED_FILES, class_of(m, path), one, first_by(one), path);
}

/* The directory in which it was written, as far as the image has it. */
static void add_written(struct making *m, const json_t *one, const char *path)
{
	static const char *const deep[] = {"var/", "usr/", "opt/", "srv/", "home/", "etc/"};
	WH_AUTO_FREE char *dir = wh_strdup(path);
	size_t parts = 2;

	if (is_the_kernels(path))
		return;
	for (;;) {
		char *slash = strrchr(dir, '/');
		struct wh_node_ref n;

		if (!slash) {
			*dir = '\0';
			break;
		}
		*slash = '\0';
		if (!m->tree || (wh_tree_lookup(m->tree, dir, &n) == 0 && n.e.type == WH_T_DIR))
			break;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(deep); i++)
		if (wh_has_prefix(dir, deep[i]))
			parts = 3;
	add(m, WH_NEED_WRITTEN, cut(dir, parts), one, first_by(one), path);
}

static void add_paths(struct making *m, const char *list, bool used)
{
	const json_t *all = json_object_get(m->profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *text = wh_json_str(one, "path"), *access = wh_json_str(one, "access");
		WH_AUTO_FREE char *path = text ? wh_path_of_json(text) : NULL;

		if (!path || !*path || !access)
			continue;
		/* Who only asks whether it is there needs no content. */
		if (used && strpbrk(access, "rx"))
			add_file(m, one, path);
		if (strpbrk(access, "wcdm"))
			add_written(m, one, path);
	}
}

/* ---------------------------------------------------------------- the rest */

/* A process has no time of its own: what it is made of was used then. */
static const json_t *used_at(const struct making *m, const char *path)
{
	const json_t *all = json_object_get(m->profile, "used"), *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (wh_streq(wh_json_str(one, "path"), path))
			return one;
	return NULL;
}

/* What the run itself made has a name that the next run need not give again: its directory is what is told. */
static char *program_name(const struct making *m, const char *path)
{
	struct wh_node_ref n;
	const char *slash = strrchr(path, '/');

	if (!m->tree || wh_tree_lookup(m->tree, path, &n) == 0)
		return wh_asprintf("/%s", path);
	for (WH_AUTO_FREE char *dir = wh_strndup(path, slash ? (size_t)(slash - path) : 0);;) {
		char *up = strrchr(dir, '/');

		if (wh_tree_lookup(m->tree, dir, &n) == 0 || !*dir)
			return *dir ? wh_asprintf("/%s/*", dir) : wh_strdup("/*");
		*(up ? up : dir) = '\0';
	}
}

static void add_executables(struct making *m)
{
	const json_t *all = json_object_get(m->profile, "processes"), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *program = wh_json_str(one, "program"), *script = wh_json_str(one, "script");

		WH_AUTO_FREE char *path = program ? wh_path_of_json(program) : NULL, *own = script ? wh_path_of_json(script) : NULL;
		WH_AUTO_FREE char *first = path ? program_name(m, path) : NULL, *second = own ? program_name(m, own) : NULL;

		if (first)
			add(m, WH_NEED_EXECUTABLES, second ? wh_asprintf("%s %s", first, second) : wh_strdup(first),
			    used_at(m, script ? script : program), (int64_t)i, path);
	}
}

static void add_named(struct making *m, enum wh_need_kind kind, const char *list)
{
	const json_t *all = json_object_get(m->profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (wh_json_str(one, "name"))
			add(m, kind, wh_strdup(wh_json_str(one, "name")), one, first_by(one), NULL);
}

static void add_ports(struct making *m, enum wh_need_kind kind, const char *list)
{
	const json_t *all = json_object_get(m->profile, list), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *protocol = wh_json_str(one, "protocol");
		int64_t port = wh_json_int(one, "port", 0);

		if (!protocol || (!wh_streq(protocol, "tcp") && !wh_streq(protocol, "udp")))
			continue;
		if (port <= 0)
			add(m, kind, wh_asprintf("%s any", protocol), one, first_by(one), NULL);
		else if (kind == WH_NEED_PEERS && port >= HANDED_OUT)
			add(m, kind, wh_asprintf("%s high", protocol), one, first_by(one), NULL);
		else
			add(m, kind, wh_asprintf("%s %lld", protocol, (long long)port), one, first_by(one), NULL);
	}
}

static int by_need(const void *a, const void *b)
{
	const struct wh_need *x = a, *y = b;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->text, y->text);
}

static void forget(struct making *m)
{
	struct known *k, *next;

	HASH_ITER (hh, m->known, k, next) {
		HASH_DEL(m->known, k);
		free(k->key);
		free(k);
	}
}

int wh_needs_make(const json_t *const *profiles, size_t n, struct wh_tree *tree, struct wh_needs *ret, struct wh_err **err)
{
	struct making m = {.to = ret, .tree = tree};
	int r;

	*ret = (struct wh_needs){0};
	r = tree ? wh_removed_open(tree, &m.owners, err) : 0;
	if (r == 0 && tree)
		r = wh_removed_open_langs(&m.owners, tree, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		m.profile = profiles[i];
		add_paths(&m, "used", true);
		add_paths(&m, "created", false);
		add_executables(&m);
		add_named(&m, WH_NEED_SYSCALLS, "syscalls");
		add_named(&m, WH_NEED_CAPABILITIES, "capabilities");
		add_ports(&m, WH_NEED_PORTS, "bound");
		add_ports(&m, WH_NEED_PEERS, "peers");
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_need);
	forget(&m);
	wh_removed_release(&m.owners);
	if (r < 0)
		wh_needs_release(ret);
	return r;
}

const struct wh_need **wh_needs_without(const struct wh_needs *a, const struct wh_needs *b, size_t *ret_n)
{
	const struct wh_need **v = wh_calloc(a->n + 1, sizeof(*v));
	size_t n = 0, k = 0;

	for (size_t i = 0; i < a->n; i++) {
		while (k < b->n && by_need(&b->v[k], &a->v[i]) < 0)
			k++;
		if (k == b->n || by_need(&b->v[k], &a->v[i]) != 0)
			v[n++] = &a->v[i];
	}
	*ret_n = n;
	return v;
}

json_t *wh_needs_json(const struct wh_needs *n)
{
	json_t *o = json_object();

	for (size_t k = 0; k < WH_NEED_KINDS; k++)
		json_object_set_new(o, wh_need_names[k], json_array());
	for (size_t i = 0; i < n->n; i++)
		json_array_append_new(json_object_get(o, wh_need_names[n->v[i].kind]), wh_text_json(n->v[i].text));
	return o;
}

int wh_needs_of_json(const json_t *j, const char *what, struct wh_needs *ret, struct wh_err **err)
{
	*ret = (struct wh_needs){0};
	for (size_t k = 0; k < WH_NEED_KINDS; k++) {
		const json_t *list = json_object_get(j, wh_need_names[k]), *one;
		size_t i;

		if (list && !json_is_array(list)) {
			wh_needs_release(ret);
			return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EBADMSG, "%s: \"%s\" is no list", what, wh_need_names[k]);
		}
		json_array_foreach (list, i, one) {
			if (!json_is_string(one)) {
				wh_needs_release(ret);
				return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EBADMSG, "%s: \"%s\" has something that is no text", what,
						  wh_need_names[k]);
			}
			WH_PUSH(ret->v, ret->n, ret->cap) =
				(struct wh_need){.kind = (enum wh_need_kind)k, .text = wh_path_of_json(json_string_value(one))};
		}
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_need);
	return 0;
}

void wh_needs_release(struct wh_needs *n)
{
	for (size_t i = 0; i < n->n; i++) {
		free(n->v[i].text);
		free(n->v[i].example);
		free(n->v[i].chain);
		free(n->v[i].when);
	}
	free(n->v);
	*n = (struct wh_needs){0};
}
