/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observation logs become a profile: what of the tree was used, by whom.
 *
 * The document must not differ between equal observations. So a process is known by its chain (who was observed, its
 * parent's chain, program, script), never by a number or by when it came; processes are put in order generation by
 * generation; and numbers that the kernel makes up (/proc/4711/…) are replaced.
 */
#include "harden/tree.h"

#include <errno.h>
#include <uthash.h>

#define MAX_PROCESSES (1U << 20)
#define LETTERS "rwxslcdmkug" /* of enum wh_access, lowest bit first */
#define ALL_ACCESS ((1U << (sizeof(LETTERS) - 1)) - 1)

struct process {
	const char *name, *program, *script;
	struct process *parent;
	size_t depth, index;
	UT_hash_handle hh; /* by all of the above */
};

struct seen {
	const char *path; /* relative; of a remark: its text */
	unsigned access;
	bool exists, made;
	struct process **by;
	size_t n, cap;
	UT_hash_handle hh;
};

struct profile {
	struct wh_arena *a;
	struct process *processes;
	struct seen *paths, *remarks;
};

static void release_seen(struct seen **all)
{
	struct seen *s, *next;

	HASH_ITER (hh, *all, s, next) {
		HASH_DEL(*all, s);
		free(s->by);
	}
}

static void profile_release(struct profile *p)
{
	HASH_CLEAR(hh, p->processes);
	release_seen(&p->paths);
	release_seen(&p->remarks);
	wh_arena_freep(&p->a);
}

/* ---------------------------------------------------------------- gathering */

static struct process *get_process(struct profile *p, const char *name, struct process *parent, const char *program,
				   const char *script)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct process *f;
	void *own;

	wh_buf_u64(&key, (uintptr_t)parent);
	wh_buf_lstr(&key, parent ? "" : name);
	wh_buf_lstr(&key, program);
	wh_buf_lstr(&key, script);
	HASH_FIND(hh, p->processes, key.p, key.n, f);
	if (f)
		return f;
	f = wh_arena_alloc(p->a, sizeof(*f));
	f->name = wh_arena_strdup(p->a, name);
	f->program = wh_arena_strdup(p->a, program);
	f->script = script ? wh_arena_strdup(p->a, script) : NULL;
	f->parent = parent;
	f->depth = parent ? parent->depth + 1 : 0;
	own = memcpy(wh_arena_alloc(p->a, key.n), key.p, key.n); /* it holds NULs */
	HASH_ADD_KEYPTR(hh, p->processes, own, key.n, f);
	return f;
}

static struct seen *get_seen(struct profile *p, struct seen **all, const char *text)
{
	struct seen *s;

	HASH_FIND_STR(*all, text, s);
	if (s)
		return s;
	s = wh_arena_alloc(p->a, sizeof(*s));
	s->path = wh_arena_strdup(p->a, text);
	HASH_ADD_KEYPTR(hh, *all, s->path, strlen(s->path), s);
	return s;
}

static void add_by(struct seen *s, struct process *by)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->by[i] == by)
			return;
	if (by)
		WH_PUSH(s->by, s->n, s->cap) = by;
}

/* ---------------------------------------------------------------- one log */

struct reading {
	struct profile *p;
	struct wh_tree *tree;
	const char *name;
	struct process **v; /* by the log's number; NULL where there is none */
	size_t n, cap;
	uint64_t lost;
	bool ended;
	struct wh_err **err;
};

static const char *rel(const char *path)
{
	return path + strspn(path, "/");
}

static bool all_digits(struct wh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

/* "proc/123/task/124/x" → "proc/[pid]/task/[pid]/x" */
static char *without_pids(const char *path)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_str before = {"", 0};

	for (const char *p = path; *p;) {
		struct wh_str s = {p, strcspn(p, "/")};

		if (all_digits(s) && ((wh_str_eq(before, "proc") && before.p == path) || wh_str_eq(before, "task")))
			wh_buf_adds(&b, "[pid]");
		else
			wh_buf_addstr(&b, s);
		before = s;
		p += s.n;
		if (*p)
			wh_buf_addc(&b, *p++);
	}
	return wh_buf_take(&b);
}

static int bad_log(struct reading *c, const char *what)
{
	wh_err_set(c->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the observation of %s is damaged: %s", c->name,
		   what);
	return -EBADMSG;
}

static int on_process(struct reading *c, const struct wh_obs *o)
{
	struct process *parent = o->parent && o->parent < c->n ? c->v[o->parent] : NULL;

	if (!o->process || o->process > MAX_PROCESSES || (o->parent && !parent))
		return bad_log(c, "a process without a parent");
	while (c->n <= o->process)
		WH_PUSH(c->v, c->n, c->cap) = NULL;
	c->v[o->process] = get_process(c->p, c->name, parent, rel(o->program), o->script ? rel(o->script) : NULL);
	return 0;
}

static int on_path(struct reading *c, const struct wh_obs *o)
{
	struct process *by = o->process < c->n ? c->v[o->process] : NULL;
	const char *path = rel(o->path);
	WH_AUTO_FREE char *general = NULL;
	struct wh_node_ref n;
	struct seen *s;
	int r = wh_tree_lookup(c->tree, path, &n);

	if (r < 0 && r != -ENOENT)
		return bad_log(c, "the image's indexes cannot be read");
	if (r < 0 && wh_has_prefix(path, "proc/"))
		path = general = without_pids(path);
	s = get_seen(c->p, &c->p->paths, path);
	s->access |= o->access & ALL_ACCESS;
	/* What the tree has may be looked up in vain when a mount hides it, or after the application removed it: used,
	 * all the same. */
	s->exists |= r == 0;
	s->made |= o->kind == WH_OBS_USED || (o->access & WH_ACCESS_CREATE);
	add_by(s, by);
	return 0;
}

static int on_record(void *arg, const struct wh_obs *o)
{
	struct reading *c = arg;

	switch (o->kind) {
	case WH_OBS_PROCESS:
		return on_process(c, o);
	case WH_OBS_USED:
	case WH_OBS_MISSING:
		return on_path(c, o);
	case WH_OBS_REMARK:
		add_by(get_seen(c->p, &c->p->remarks, o->text), o->process < c->n ? c->v[o->process] : NULL);
		return 0;
	case WH_OBS_END:
		c->ended = true;
		c->lost = o->lost;
		return 0;
	case WH_OBS_MARK:
	case WH_OBS_SYSCALL:
	case WH_OBS_CAPABILITY:
	case WH_OBS_BOUND:
	case WH_OBS_PEER:
	case WH_OBS_WORD:
		return 0;
	}
	return 0;
}

static int read_log(struct profile *p, struct wh_tree *tree, const struct wh_obs_log *log, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *own = NULL;
	struct reading c = {.p = p, .tree = tree, .name = log->name, .err = &own};
	int r = wh_obs_read(log->data, log->len, on_record, &c, &own);

	free(c.v);
	if (r < 0 && own)
		wh_err_wrap(&own, "%s", log->name);
	else if (r < 0)
		wh_err_sys(&own, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the observation of %s", log->name);
	if (r == 0 && (!c.ended || c.lost)) {
		r = wh_err_set(&own, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG,
			       "the observation of %s is incomplete: %llu events were lost", log->name,
			       (unsigned long long)c.lost);
		wh_err_hint(&own, "what was not seen would be missing from the image; run it again");
	}
	if (r < 0) {
		wh_err_status(&own, WH_STATUS_INCOMPLETE);
		wh_err_move(err, &own);
	}
	return r;
}

/* ---------------------------------------------------------------- writing */

static int by_place(const void *a, const void *b)
{
	const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;
	int r;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->parent && x->parent->index != y->parent->index)
		return x->parent->index < y->parent->index ? -1 : 1;
	r = strcmp(x->name, y->name);
	if (!r)
		r = strcmp(x->program, y->program);
	return r ? r : strcmp(x->script ? x->script : "", y->script ? y->script : "");
}

static int by_depth(const void *a, const void *b)
{
	const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;

	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static json_t *write_processes(struct profile *p)
{
	size_t n = HASH_COUNT(p->processes), k = 0;
	WH_AUTO_FREE struct process **v = wh_calloc(n + 1, sizeof(struct process *));
	json_t *list = json_array();

	for (struct process *x = p->processes; x; x = x->hh.next)
		v[k++] = x;
	qsort(v, n, sizeof(struct process *), by_depth);
	for (size_t from = 0, to; from < n; from = to) { /* a generation, its parents being numbered */
		for (to = from; to < n && v[to]->depth == v[from]->depth; to++)
			;
		qsort(v + from, to - from, sizeof(struct process *), by_place);
		for (size_t i = from; i < to; i++)
			v[i]->index = i;
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I}", "name", wh_text_json(v[i]->name),
						      "program", wh_path_json(v[i]->program), "script",
						      wh_text_json(v[i]->script), "parent",
						      v[i]->parent ? (json_int_t)v[i]->parent->index : (json_int_t)-1));
	return list;
}

static int by_path(struct seen *a, struct seen *b)
{
	return strcmp(a->path, b->path);
}

static int by_index(const void *a, const void *b)
{
	const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static json_t *write_by(struct seen *s)
{
	json_t *list = json_array();

	if (s->n)
		qsort(s->by, s->n, sizeof(struct process *), by_index);
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_integer((json_int_t)s->by[i]->index));
	return list;
}

static void access_text(unsigned access, char out[sizeof(LETTERS)])
{
	size_t n = 0;

	for (size_t i = 0; LETTERS[i]; i++)
		if (access & 1U << i)
			out[n++] = LETTERS[i];
	out[n] = '\0';
}

static json_t *write_profile(struct profile *p)
{
	json_t *processes = write_processes(p); /* first: it numbers them */
	json_t *used = json_array(), *created = json_array(), *missing = json_array(), *remarks = json_array();
	char access[sizeof(LETTERS)];

	HASH_SORT(p->paths, by_path);
	HASH_SORT(p->remarks, by_path);
	for (struct seen *s = p->paths; s; s = s->hh.next) {
		json_t *o = json_pack("{s:o, s:o}", "path", wh_path_json(s->path), "by", write_by(s));

		access_text(s->access, access);
		if (s->exists)
			json_object_set_new(o, "access", json_string(access));
		json_array_append_new(s->exists ? used : s->made ? created : missing, o);
	}
	for (struct seen *s = p->remarks; s; s = s->hh.next)
		json_array_append_new(remarks,
				      json_pack("{s:o, s:o}", "text", wh_text_json(s->path), "by", write_by(s)));
	return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "schema", 1, "observer", WH_OBSERVER_VERSION,
			 "processes", processes, "used", used, "created", created, "missing", missing, "remarks",
			 remarks);
}

int wh_profile_make(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(profile_release) struct profile p = {.a = wh_arena_new()};

	for (size_t i = 0; i < n; i++) {
		int r = read_log(&p, tree, &logs[i], err);

		if (r < 0)
			return r;
	}
	*ret = write_profile(&p);
	return 0;
}

/* ---------------------------------------------------------------- several as one */

static int bad_profile(const char *what, struct wh_err **err)
{
	return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the profile is damaged: %s", what);
}

static unsigned access_of(const char *s)
{
	unsigned access = 0;

	for (; s && *s; s++) {
		const char *at = strchr(LETTERS, *s);

		if (at)
			access |= 1U << (at - LETTERS);
	}
	return access;
}

struct numbered {
	struct process **v;
	size_t n;
};

static int merge_processes(struct profile *p, const json_t *list, struct numbered *to, struct wh_err **err)
{
	size_t n = json_array_size(list);

	to->v = wh_calloc(n + 1, sizeof(struct process *));
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		int64_t parent = wh_json_int(o, "parent", -2);
		const char *name = wh_json_str(o, "name"), *program = wh_json_str(o, "program");
		WH_AUTO_FREE char *path = NULL, *script = NULL;

		if (parent < -1 || parent >= (int64_t)i || !name || !program)
			return bad_profile("a process", err);
		path = wh_path_of_json(program);
		script = wh_json_str(o, "script") ? wh_path_of_json(wh_json_str(o, "script")) : NULL;
		to->v[i] = get_process(p, name, parent < 0 ? NULL : to->v[parent], path, script);
		to->n = i + 1;
	}
	return 0;
}

static int merge_list(struct profile *p, struct seen **all, const json_t *doc, const char *list,
		      const struct numbered *from, struct wh_err **err)
{
	const json_t *a = json_object_get(doc, list);
	size_t n = json_array_size(a);

	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(a, i), *by = json_object_get(o, "by");
		const char *text = wh_json_str(o, all == &p->paths ? "path" : "text");
		WH_AUTO_FREE char *path = text ? wh_path_of_json(text) : NULL;
		struct seen *s;

		if (!path)
			return bad_profile(list, err);
		s = get_seen(p, all, path);
		s->access |= access_of(wh_json_str(o, "access"));
		s->exists |= wh_streq(list, "used");
		s->made |= !wh_streq(list, "missing");
		for (size_t k = 0; k < json_array_size(by); k++) {
			json_int_t number = json_integer_value(json_array_get(by, k));

			if (number < 0 || (size_t)number >= from->n)
				return bad_profile(list, err);
			add_by(s, from->v[number]);
		}
	}
	return 0;
}

static int merge_one(struct profile *p, const json_t *doc, struct wh_err **err)
{
	static const char *const lists[] = {"used", "created", "missing"};
	struct numbered from = {0};
	int r = wh_json_int(doc, "schema", 0) == 1 ? 0 : bad_profile("it is none, or of another version", err);

	if (r == 0)
		r = merge_processes(p, json_object_get(doc, "processes"), &from, err);
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(lists); i++)
		r = merge_list(p, &p->paths, doc, lists[i], &from, err);
	if (r == 0)
		r = merge_list(p, &p->remarks, doc, "remarks", &from, err);
	free(from.v);
	return r;
}

int wh_profile_merge(const json_t *const *profiles, size_t n, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(profile_release) struct profile p = {.a = wh_arena_new()};

	for (size_t i = 0; i < n; i++) {
		int r = merge_one(&p, profiles[i], err);

		if (r < 0)
			return r;
	}
	*ret = write_profile(&p);
	return 0;
}
