/* SPDX-License-Identifier: Apache-2.0 */
/* Profile documents as one. They may come from a cache that somebody else wrote: nothing in them is believed. */
#include "harden/profile_private.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_RUNS 100000
#define MAX_MARKS (1U << 20)

struct adding {
	struct wh_profile *p;
	struct wh_process **v; /* the document's processes */
	size_t n;
	uint32_t *marks;       /* the document's marks → ours */
	size_t n_marks;
	unsigned first_run, runs;
	struct wh_err **err;
};

static int bad(const struct adding *c, const char *what)
{
	return wh_err_set(c->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the profile is damaged: %s", what);
}

static unsigned access_of(const char *s)
{
	unsigned access = 0;

	for (; s && *s; s++) {
		const char *at = strchr(WH_PROFILE_LETTERS, *s);

		if (at)
			access |= 1U << (at - WH_PROFILE_LETTERS);
	}
	return access;
}

static int add_processes(struct adding *c, const json_t *list)
{
	size_t n = json_array_size(list);

	c->v = wh_calloc(n + 1, sizeof(struct wh_process *));
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		int64_t parent = wh_json_int(o, "parent", -2);
		const char *name = wh_json_str(o, "name"), *program = wh_json_str(o, "program");
		WH_AUTO_FREE char *path = NULL, *script = NULL;

		if (parent < -1 || parent >= (int64_t)i || !name || !program)
			return bad(c, "a process");
		path = wh_path_of_json(program);
		script = wh_json_str(o, "script") ? wh_path_of_json(wh_json_str(o, "script")) : NULL;
		c->v[i] = wh_profile_process(c->p, name, parent < 0 ? NULL : c->v[parent], path, script);
		c->n = i + 1;
	}
	return 0;
}

/* Of several documents each has a number; what one brings with it counts on. */
static int add_marks(struct adding *c, const json_t *list)
{
	size_t n = json_array_size(list);
	uint32_t last = c->p->profiles;

	if (n > MAX_MARKS)
		return bad(c, "marks");
	c->marks = wh_calloc(n + 1, sizeof(*c->marks));
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		int64_t profile = wh_json_int(o, "profile", 0);
		const char *phase = wh_json_str(o, "phase");

		if (!phase || profile < 0 || profile > MAX_MARKS)
			return bad(c, "a mark");
		c->marks[i] = wh_profile_mark(c->p, c->p->profiles + (uint32_t)profile, phase, wh_json_str(o, "test"));
		if (c->p->profiles + (uint32_t)profile > last)
			last = c->p->profiles + (uint32_t)profile;
		c->n_marks = i + 1;
	}
	c->p->profiles = last + 1;
	return 0;
}

static int add_numbers(struct adding *c, struct wh_seen_by *s, const json_t *o, const char *what)
{
	const json_t *by = json_object_get(o, "by"), *when = json_object_get(o, "when"),
		     *runs = json_object_get(o, "runs");

	for (size_t k = 0; k < json_array_size(by); k++) {
		json_int_t number = json_integer_value(json_array_get(by, k));

		if (number < 0 || (size_t)number >= c->n)
			return bad(c, what);
		wh_profile_by(s, c->v[number]);
	}
	for (size_t k = 0; k < json_array_size(when); k++) {
		json_int_t number = json_integer_value(json_array_get(when, k));

		if (number < 0 || (size_t)number >= c->n_marks)
			return bad(c, what);
		wh_numbers_add(&s->when, c->marks[number]);
	}
	for (size_t k = 0; k < json_array_size(runs); k++) {
		json_int_t number = json_integer_value(json_array_get(runs, k));

		if (number < 0 || number >= (json_int_t)c->runs)
			return bad(c, what);
		wh_numbers_add(&s->runs, c->first_run + (uint32_t)number);
	}
	for (unsigned k = 0; !runs && k < c->runs; k++)
		wh_numbers_add(&s->runs, c->first_run + k);
	return 0;
}

static int add_paths(struct adding *c, const json_t *doc, const char *list)
{
	const json_t *a = json_object_get(doc, list);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		WH_AUTO_FREE char *path = wh_json_str(o, "path") ? wh_path_of_json(wh_json_str(o, "path")) : NULL;
		struct wh_seen_by *s;

		if (!path)
			return bad(c, list);
		s = wh_profile_seen(c->p, WH_SEEN_PATHS, path);
		s->access |= access_of(wh_json_str(o, "access"));
		s->exists |= wh_streq(list, "used");
		s->made |= !wh_streq(list, "missing");
		r = add_numbers(c, s, o, list);
	}
	return r;
}

static int add_named(struct adding *c, const json_t *doc, const char *list, enum wh_seen_list which, const char *key)
{
	const json_t *a = json_object_get(doc, list);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		WH_AUTO_FREE char *text = wh_json_str(o, key) ? wh_path_of_json(wh_json_str(o, key)) : NULL;

		if (!text)
			return bad(c, list);
		r = add_numbers(c, wh_profile_seen(c->p, which, text), o, list);
	}
	return r;
}

static int add_addresses(struct adding *c, const json_t *doc, const char *list, enum wh_seen_list which)
{
	const json_t *a = json_object_get(doc, list);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		const char *protocol = wh_json_str(o, "protocol"), *address = wh_json_str(o, "address");
		int64_t port = wh_json_int(o, "port", -1);
		WH_AUTO_FREE char *text = NULL;

		if (!protocol || !address || strchr(protocol, '\t') || strchr(address, '\t') || port < 0 || port > 65535)
			return bad(c, list);
		text = wh_asprintf("%s\t%s\t%lld", protocol, address, (long long)port);
		r = add_numbers(c, wh_profile_seen(c->p, which, text), o, list);
	}
	return r;
}

static int add_all(struct adding *c, const json_t *doc)
{
	static const char *const lists[] = {"used", "created", "missing"};
	int64_t runs = wh_json_int(doc, "runs", 1);
	int r = wh_json_int(doc, "schema", 0) == WH_PROFILE_SCHEMA ? 0 : bad(c, "it is none, or of another version");

	if (r == 0 && (runs < 1 || runs > MAX_RUNS - (int64_t)c->p->runs))
		r = bad(c, "runs");
	c->first_run = c->p->runs;
	c->runs = (unsigned)runs;
	if (r == 0)
		r = add_processes(c, json_object_get(doc, "processes"));
	if (r == 0)
		r = add_marks(c, json_object_get(doc, "marks"));
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(lists); i++)
		r = add_paths(c, doc, lists[i]);
	if (r == 0)
		r = add_named(c, doc, "syscalls", WH_SEEN_SYSCALLS, "name");
	if (r == 0)
		r = add_named(c, doc, "capabilities", WH_SEEN_CAPABILITIES, "name");
	if (r == 0)
		r = add_addresses(c, doc, "bound", WH_SEEN_BOUND);
	if (r == 0)
		r = add_addresses(c, doc, "peers", WH_SEEN_PEERS);
	if (r == 0)
		r = add_named(c, doc, "remarks", WH_SEEN_REMARKS, "text");
	c->p->runs += c->runs;
	return r;
}

int wh_profile_add(struct wh_profile *p, const json_t *doc, struct wh_err **err)
{
	struct adding c = {.p = p, .err = err};
	int r = add_all(&c, doc);

	free(c.v);
	free(c.marks);
	return r;
}

int wh_profile_merge(const json_t *const *profiles, size_t n, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(wh_profile_release) struct wh_profile p = {.a = wh_arena_new()};

	for (size_t i = 0; i < n; i++) {
		int r = wh_profile_add(&p, profiles[i], err);

		if (r < 0)
			return r;
	}
	*ret = wh_profile_write(&p);
	return 0;
}
