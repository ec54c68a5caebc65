/* SPDX-License-Identifier: Apache-2.0 */
/* Observation logs become a profile: what of the tree was used, by whom, under which mark, in which run. */
#include "harden/chains.h"
#include "harden/profile_private.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_PROCESSES (1U << 20)
#define ALL_ACCESS ((1U << (sizeof(WH_PROFILE_LETTERS) - 1)) - 1)

static void release_seen(struct wh_seen_by **all)
{
	struct wh_seen_by *s, *next;

	HASH_ITER (hh, *all, s, next) {
		HASH_DEL(*all, s);
		free(s->by);
		free(s->when.v);
		free(s->runs.v);
	}
}

void wh_profile_release(struct wh_profile *p)
{
	HASH_CLEAR(hh, p->processes);
	for (size_t i = 0; i < WH_SEEN_LISTS; i++)
		release_seen(&p->seen[i]);
	free(p->marks);
	wh_arena_freep(&p->a);
}

/* ---------------------------------------------------------------- gathering */

void wh_numbers_add(struct wh_numbers *s, uint32_t number)
{
	size_t at = s->n;

	while (at && s->v[at - 1] > number)
		at--;
	if (at && s->v[at - 1] == number)
		return;
	WH_PUSH(s->v, s->n, s->cap) = number;
	memmove(s->v + at + 1, s->v + at, (s->n - 1 - at) * sizeof(*s->v));
	s->v[at] = number;
}

bool wh_numbers_has(const struct wh_numbers *s, uint32_t number)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i] == number)
			return true;
	return false;
}

struct wh_process *wh_profile_process(struct wh_profile *p, const char *name, struct wh_process *parent,
				      const char *program, const char *script)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct wh_process *f;
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

struct wh_seen_by *wh_profile_seen(struct wh_profile *p, enum wh_seen_list list, const char *text)
{
	struct wh_seen_by *s;

	HASH_FIND_STR(p->seen[list], text, s);
	if (s)
		return s;
	s = wh_arena_alloc(p->a, sizeof(*s));
	s->text = wh_arena_strdup(p->a, text);
	HASH_ADD_KEYPTR(hh, p->seen[list], s->text, strlen(s->text), s);
	return s;
}

void wh_profile_by(struct wh_seen_by *s, struct wh_process *by)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->by[i] == by)
			return;
	if (by)
		WH_PUSH(s->by, s->n, s->cap) = by;
}

uint32_t wh_profile_mark(struct wh_profile *p, uint32_t profile, const char *phase, const char *test)
{
	for (size_t i = 0; i < p->n_marks; i++) {
		const struct wh_prof_mark *m = &p->marks[i];

		if (m->profile == profile && wh_streq(m->phase, phase) &&
		    (m->test && test ? wh_streq(m->test, test) : !m->test && !test))
			return (uint32_t)i;
	}
	WH_PUSH(p->marks, p->n_marks, p->cap_marks) =
		(struct wh_prof_mark){.profile = profile,
				 .phase = wh_arena_strdup(p->a, phase),
				 .test = test ? wh_arena_strdup(p->a, test) : NULL};
	return (uint32_t)p->n_marks - 1;
}

/* ---------------------------------------------------------------- one log */

struct reading {
	struct wh_profile *p;
	struct wh_tree *tree;
	const struct wh_obs_log *log;
	const char *phase;
	struct wh_process **v; /* by the log's number; NULL where there is none */
	size_t n, cap;
	uint32_t mark;
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
	wh_err_set(c->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the observation of %s is damaged: %s", c->log->name,
		   what);
	return -EBADMSG;
}

static int on_process(struct reading *c, const struct wh_obs *o)
{
	struct wh_process *parent = o->parent && o->parent < c->n ? c->v[o->parent] : NULL;

	if (!o->process || o->process > MAX_PROCESSES || (o->parent && !parent))
		return bad_log(c, "a process without a parent");
	while (c->n <= o->process)
		WH_PUSH(c->v, c->n, c->cap) = NULL;
	c->v[o->process] = wh_profile_process(c->p, c->log->name, parent, rel(o->program), o->script ? rel(o->script) : NULL);
	return 0;
}

static void note(struct reading *c, struct wh_seen_by *s, struct wh_process *by)
{
	wh_profile_by(s, by);
	wh_numbers_add(&s->when, c->mark);
	wh_numbers_add(&s->runs, c->log->run);
}

static int on_path(struct reading *c, const struct wh_obs *o)
{
	struct wh_process *by = o->process < c->n ? c->v[o->process] : NULL;
	const char *path = rel(o->path);
	WH_AUTO_FREE char *general = NULL;
	struct wh_node_ref n;
	struct wh_seen_by *s;
	int r = wh_tree_lookup(c->tree, path, &n);

	if (r < 0 && r != -ENOENT)
		return bad_log(c, "the image's indexes cannot be read");
	if (r < 0 && wh_has_prefix(path, "proc/"))
		path = general = without_pids(path);
	s = wh_profile_seen(c->p, WH_SEEN_PATHS, path);
	s->access |= o->access & ALL_ACCESS;
	/* What the tree has may be looked up in vain when a mount hides it, or after the application removed it: used,
	 * all the same. */
	s->exists |= r == 0;
	s->made |= o->kind == WH_OBS_USED || (o->access & WH_ACCESS_CREATE);
	note(c, s, by);
	return 0;
}

static void on_named(struct reading *c, enum wh_seen_list list, const struct wh_obs *o)
{
	note(c, wh_profile_seen(c->p, list, o->text), o->process < c->n ? c->v[o->process] : NULL);
}

static void on_address(struct reading *c, enum wh_seen_list list, const struct wh_obs *o)
{
	WH_AUTO_FREE char *text = wh_asprintf("%s\t%s\t%u", o->text, o->address, o->number);

	note(c, wh_profile_seen(c->p, list, text), o->process < c->n ? c->v[o->process] : NULL);
}

static void on_mark(struct reading *c, const char *text)
{
	static const char *const phases[] = {"start", "serve", "stop"};
	const char *test = NULL;

	for (size_t i = 0; i < WH_ARRAY_SIZE(phases); i++)
		if (wh_streq(text, phases[i]))
			c->phase = phases[i];
	if (wh_has_prefix(text, "test "))
		test = wh_test_of(c->log, text + 5);
	c->mark = wh_profile_mark(c->p, 0, c->phase, test);
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
		on_named(c, WH_SEEN_REMARKS, o);
		return 0;
	case WH_OBS_SYSCALL:
		on_named(c, WH_SEEN_SYSCALLS, o);
		return 0;
	case WH_OBS_CAPABILITY:
		on_named(c, WH_SEEN_CAPABILITIES, o);
		return 0;
	case WH_OBS_BOUND:
		on_address(c, WH_SEEN_BOUND, o);
		return 0;
	case WH_OBS_PEER:
		on_address(c, WH_SEEN_PEERS, o);
		return 0;
	case WH_OBS_MARK:
		on_mark(c, o->text);
		return 0;
	case WH_OBS_WORD: /* may hold secrets */
		return 0;
	case WH_OBS_END:
		c->ended = true;
		c->lost = o->lost;
		return 0;
	}
	return 0;
}

static int read_log(struct wh_profile *p, struct wh_tree *tree, const struct wh_obs_log *log, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *own = NULL;
	struct reading c = {.p = p, .tree = tree, .log = log, .phase = "start", .err = &own};
	int r;

	/* What the tests let run beside it does not start it. */
	if (log->name && !wh_streq(log->name, "application"))
		c.phase = "serve";
	c.mark = wh_profile_mark(p, 0, c.phase, NULL);
	r = wh_obs_read(log->data, log->len, on_record, &c, &own);

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

int wh_profile_make(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(wh_profile_release) struct wh_profile p = {.a = wh_arena_new(), .runs = 1};

	for (size_t i = 0; i < n; i++) {
		int r = read_log(&p, tree, &logs[i], err);

		if (r < 0)
			return r;
		if (logs[i].run >= p.runs)
			p.runs = logs[i].run + 1;
	}
	*ret = wh_profile_write(&p);
	return 0;
}
