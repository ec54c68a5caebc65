/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as a document. */
#include "harden/profile_private.h"
#include "harden/tree.h"

static int by_place(const void *a, const void *b)
{
	const struct wh_process *x = *(struct wh_process *const *)a, *y = *(struct wh_process *const *)b;
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
	const struct wh_process *x = *(struct wh_process *const *)a, *y = *(struct wh_process *const *)b;

	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static json_t *write_processes(struct wh_profile *p)
{
	size_t n = HASH_COUNT(p->processes), k = 0;
	WH_AUTO_FREE struct wh_process **v = wh_calloc(n + 1, sizeof(struct wh_process *));
	json_t *list = json_array();

	for (struct wh_process *x = p->processes; x; x = x->hh.next)
		v[k++] = x;
	qsort(v, n, sizeof(struct wh_process *), by_depth);
	for (size_t from = 0, to; from < n; from = to) { /* a generation, its parents being numbered */
		for (to = from; to < n && v[to]->depth == v[from]->depth; to++)
			;
		qsort(v + from, to - from, sizeof(struct wh_process *), by_place);
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

static int by_text(struct wh_seen_by *a, struct wh_seen_by *b)
{
	return strcmp(a->text, b->text);
}

static int by_index(const void *a, const void *b)
{
	const struct wh_process *x = *(struct wh_process *const *)a, *y = *(struct wh_process *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static json_t *write_by(struct wh_seen_by *s)
{
	json_t *list = json_array();

	if (s->n)
		qsort(s->by, s->n, sizeof(struct wh_process *), by_index);
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_integer((json_int_t)s->by[i]->index));
	return list;
}

static void access_text(unsigned access, char out[sizeof(WH_PROFILE_LETTERS)])
{
	size_t n = 0;

	for (size_t i = 0; WH_PROFILE_LETTERS[i]; i++)
		if (access & 1U << i)
			out[n++] = WH_PROFILE_LETTERS[i];
	out[n] = '\0';
}

static json_t *write_numbers(const struct wh_numbers *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_integer(s->v[i]));
	return list;
}

static json_t *write_marks(const struct wh_profile *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_marks; i++) {
		json_t *o = json_pack("{s:s, s:o}", "phase", p->marks[i].phase, "test", wh_text_json(p->marks[i].test));

		if (p->marks[i].profile)
			json_object_set_new(o, "profile", json_integer(p->marks[i].profile));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *write_common(const struct wh_profile *p, json_t *o, struct wh_seen_by *s)
{
	json_object_set_new(o, "by", write_by(s));
	json_object_set_new(o, "when", write_numbers(&s->when));
	if (s->runs.n < p->runs)
		json_object_set_new(o, "runs", write_numbers(&s->runs));
	return o;
}

static void write_paths(struct wh_profile *p, json_t *used, json_t *created, json_t *missing)
{
	char access[sizeof(WH_PROFILE_LETTERS)];

	for (struct wh_seen_by *s = p->seen[WH_SEEN_PATHS]; s; s = s->hh.next) {
		json_t *o = write_common(p, json_pack("{s:o}", "path", wh_path_json(s->text)), s);

		access_text(s->access, access);
		if (s->exists || s->made)
			json_object_set_new(o, "access", json_string(access));
		json_array_append_new(s->exists ? used : s->made ? created : missing, o);
	}
}

static json_t *write_named(struct wh_profile *p, enum wh_seen_list which, const char *key)
{
	json_t *list = json_array();

	for (struct wh_seen_by *s = p->seen[which]; s; s = s->hh.next)
		json_array_append_new(list, write_common(p, json_pack("{s:o}", key, wh_text_json(s->text)), s));
	return list;
}

static json_t *write_addresses(struct wh_profile *p, enum wh_seen_list which)
{
	json_t *list = json_array();

	for (struct wh_seen_by *s = p->seen[which]; s; s = s->hh.next) {
		const char *address = s->text + strcspn(s->text, "\t"), *port = strrchr(s->text, '\t');
		WH_AUTO_FREE char *protocol = wh_strndup(s->text, (size_t)(address - s->text)), *host = NULL;

		host = wh_strndup(address + 1, (size_t)(port - address - 1));
		json_array_append_new(list, write_common(p,
							 json_pack("{s:o, s:o, s:I}", "protocol",
								   wh_text_json(protocol), "address",
								   wh_text_json(host), "port",
								   (json_int_t)strtoul(port + 1, NULL, 10)),
							 s));
	}
	return list;
}

json_t *wh_profile_write(struct wh_profile *p)
{
	json_t *processes = write_processes(p); /* first: it numbers them */
	json_t *used = json_array(), *created = json_array(), *missing = json_array();

	for (size_t i = 0; i < WH_SEEN_LISTS; i++)
		HASH_SORT(p->seen[i], by_text);
	write_paths(p, used, created, missing);
	return json_pack("{s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
			 WH_PROFILE_SCHEMA, "observer", WH_OBSERVER_VERSION, "runs", (json_int_t)p->runs, "marks",
			 write_marks(p), "processes", processes, "used", used, "created", created, "missing", missing,
			 "syscalls", write_named(p, WH_SEEN_SYSCALLS, "name"), "capabilities",
			 write_named(p, WH_SEEN_CAPABILITIES, "name"), "bound", write_addresses(p, WH_SEEN_BOUND),
			 "peers", write_addresses(p, WH_SEEN_PEERS), "remarks",
			 write_named(p, WH_SEEN_REMARKS, "text"));
}
