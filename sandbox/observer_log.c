/* SPDX-License-Identifier: Apache-2.0 */
/* Records, each once for a phase. What was written is kept in a table: an observed command asks for the same files
 * again and again. */
#include "sandbox/observer.h"

#include <errno.h>
#include <uthash.h>

#define FLUSH_AT ((size_t)64 * 1024)
#define MAX_SEEN ((size_t)4 << 20)    /* records; beyond, the log would not be one that anybody can use */
#define MAX_LOG ((uint64_t)256 << 20) /* bytes: long names, and ever new ones, would fill the disk */
#define MAX_PROGRAMS ((size_t)1 << 20)
#define MAX_PORTS 64     /* at one address; further ones are told as 0 */
#define COUNTS 0x80U     /* beside a kind: how many of that kind */
#define MAX_RECURSION 16 /* the same program below itself: a server that executes itself anew would go on for ever */

struct wh_seen {
	UT_hash_handle hh;
	uint32_t phase;
	unsigned access; /* written in that phase */
	size_t n;
	char key[]; /* kind, process, path */
};

struct wh_program {
	UT_hash_handle hh;
	uint32_t number, parent;
	bool words;           /* it has V records */
	struct wh_told *told; /* NULL: none yet */
	size_t n;
	char key[]; /* parent, program NUL script NUL: the text of the record */
};

struct wh_told { /* in that phase */
	uint32_t phase;
	uint64_t capabilities;
	uint64_t calls[2][WH_SYSCALL_NUMBERS / 64];
};

void wh_log_flush(struct wh_observer *o)
{
	if (!wh_buf_ok(&o->out) || (!o->failed && wh_write_all(o->log, o->out.p, o->out.n) < 0))
		o->failed = true; /* a full disk; the command goes on, its log never gets its last line */
	wh_buf_reset(&o->out);
}

/* Then nothing more is kept in memory either, which the limits of what is observed do not bound. */
static bool is_full(const struct wh_observer *o)
{
	return o->size > MAX_LOG;
}

static void put(struct wh_observer *o, const struct wh_obs *r)
{
	size_t before = o->out.n;

	if (is_full(o)) {
		wh_observer_lost(o);
		return;
	}
	wh_obs_write(r, &o->out);
	o->size += o->out.n - before;
	if (o->out.n >= FLUSH_AT)
		wh_log_flush(o);
}

void wh_observer_lost(struct wh_observer *o)
{
	o->lost++;
}

/* The kernel's: whatever is there is no image's. */
static bool is_kernels(const char *path)
{
	static const char *const trees[] = {"/proc", "/sys", "/dev"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(trees); i++) {
		size_t n = strlen(trees[i]);

		if (strncmp(path, trees[i], n) == 0 && (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

/* NULL: there is no room for it. */
static struct wh_seen *seen_of(struct wh_observer *o, unsigned kind, uint32_t process, const char *text, bool *ret_new)
{
	char key[1 + sizeof(process) + WH_PLACE_MAX];
	size_t len = strlen(text), n = 1 + sizeof(process) + len;
	struct wh_seen *s;

	*ret_new = false;
	if (len >= WH_PLACE_MAX) {
		wh_observer_lost(o);
		return NULL;
	}
	key[0] = (char)kind;
	memcpy(key + 1, &process, sizeof(process));
	memcpy(key + 1 + sizeof(process), text, len);
	HASH_FIND(hh, o->seen, key, n, s);
	if (!s) {
		if (o->n_seen >= MAX_SEEN || is_full(o)) {
			wh_observer_lost(o);
			return NULL;
		}
		*ret_new = true;
		o->n_seen++;
		s = wh_malloc(sizeof(*s) + n);
		*s = (struct wh_seen){.phase = o->phase, .n = n};
		memcpy(s->key, key, n);
		HASH_ADD(hh, o->seen, key, n, s);
	}
	return s;
}

/* The bits of access that the record lacks in this phase; they count as written from here on. */
static unsigned news(struct wh_observer *o, enum wh_obs_kind kind, uint32_t process, unsigned access, const char *text)
{
	bool added;
	struct wh_seen *s = seen_of(o, kind, process, text, &added);

	if (!s)
		return 0;
	if (s->phase != o->phase) {
		s->phase = o->phase;
		s->access = 0;
	}
	access &= ~s->access;
	s->access |= access;
	return access;
}

void wh_record(struct wh_observer *o, uint32_t process, unsigned access, bool missing, const char *path)
{
	enum wh_obs_kind kind = missing ? WH_OBS_MISSING : WH_OBS_USED;

	if (is_kernels(path))
		return;
	access = news(o, kind, process, access, path);
	if (access)
		put(o, &(struct wh_obs){.kind = kind, .process = process, .access = access, .path = path});
}

void wh_remark(struct wh_observer *o, uint32_t process, const char *text)
{
	if (news(o, WH_OBS_REMARK, process, 1, text))
		put(o, &(struct wh_obs){.kind = WH_OBS_REMARK, .process = process, .text = text});
}

/* ---------------------------------------------------------------- calls, capabilities, addresses, words */

static struct wh_told **told_slot(struct wh_observer *o, uint32_t process)
{
	return process ? &o->by_number[process - 1]->told : &o->told;
}

/* What was told of the program in this phase; from here on it is written to. */
static struct wh_told *told_of(struct wh_observer *o, uint32_t process)
{
	struct wh_told **slot = told_slot(o, process);

	if (!*slot)
		*slot = wh_calloc(1, sizeof(**slot));
	if ((*slot)->phase != o->phase)
		**slot = (struct wh_told){.phase = o->phase};
	return *slot;
}

void wh_syscall(struct wh_observer *o, uint32_t process, unsigned which, int nr, const char *name)
{
	struct wh_told *t = told_of(o, process);
	uint64_t bit = UINT64_C(1) << (nr % 64);

	if (t->calls[which][nr / 64] & bit)
		return;
	t->calls[which][nr / 64] |= bit;
	put(o, &(struct wh_obs){.kind = WH_OBS_SYSCALL, .process = process, .text = name});
}

bool wh_capability_told(struct wh_observer *o, uint32_t process, unsigned capability)
{
	const struct wh_told *t = *told_slot(o, process);

	return t && t->phase == o->phase && (t->capabilities >> capability & 1);
}

void wh_capability(struct wh_observer *o, uint32_t process, unsigned capability)
{
	WH_AUTO_FREE char *name = NULL;

	if (wh_capability_told(o, process, capability))
		return;
	told_of(o, process)->capabilities |= UINT64_C(1) << capability;
	name = wh_capability_name(capability);
	put(o, &(struct wh_obs){.kind = WH_OBS_CAPABILITY, .process = process, .text = name});
}

void wh_endpoint(struct wh_observer *o, enum wh_obs_kind kind, uint32_t process, const char *protocol,
		 const char *address, uint16_t port)
{
	WH_AUTO_FREE char *all = wh_asprintf("%s %s", protocol, address), *one = NULL;
	bool added;
	struct wh_seen *count = seen_of(o, COUNTS | (unsigned)kind, process, all, &added), *s;

	if (!count)
		return;
	/* Whom a server of datagrams answers, or a resolver that takes another port for each question. */
	if (count->access >= MAX_PORTS)
		port = 0;
	one = wh_asprintf("%s %u", all, (unsigned)port);
	s = seen_of(o, kind, process, one, &added);
	if (!s || (!added && s->phase == o->phase))
		return;
	s->phase = o->phase;
	count->access += added;
	put(o,
	    &(struct wh_obs){.kind = kind, .process = process, .text = protocol, .address = address, .number = port});
}

void wh_words(struct wh_observer *o, uint32_t process, const struct wh_strv *words)
{
	struct wh_program *p = process ? o->by_number[process - 1] : NULL;

	if (!p || p->words || !words->n)
		return;
	p->words = true;
	for (size_t i = 0; i < words->n; i++)
		put(o, &(struct wh_obs){
			       .kind = WH_OBS_WORD, .process = process, .number = (uint32_t)i, .text = words->v[i]});
}

void wh_phase(struct wh_observer *o, const char *text)
{
	o->phase++;
	put(o, &(struct wh_obs){.kind = WH_OBS_MARK, .text = text});
	wh_log_flush(o);
}

/* The nearest of too many ancestors that are the same program, or 0. */
static uint32_t recursion(const struct wh_observer *o, uint32_t parent, const char *text, size_t n)
{
	uint32_t nearest = 0;
	unsigned depth = 0;

	for (uint32_t up = parent; up; up = o->by_number[up - 1]->parent) {
		const struct wh_program *p = o->by_number[up - 1];

		if (p->n != sizeof(p->parent) + n || memcmp(p->key + sizeof(p->parent), text, n) != 0)
			continue;
		if (!nearest)
			nearest = up;
		if (++depth >= MAX_RECURSION)
			return nearest;
	}
	return 0;
}

uint32_t wh_program(struct wh_observer *o, uint32_t parent, const char *program, const char *script)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct wh_program *p;
	uint32_t same;

	wh_buf_add(&key, &parent, sizeof(parent));
	wh_buf_add(&key, program, strlen(program) + 1);
	if (script)
		wh_buf_add(&key, script, strlen(script) + 1);
	HASH_FIND(hh, o->programs, key.p, key.n, p);
	if (p)
		return p->number;
	same = recursion(o, parent, key.p + sizeof(parent), key.n - sizeof(parent));
	if (same)
		return same;
	if (o->n_programs >= MAX_PROGRAMS || is_full(o)) {
		wh_observer_lost(o);
		return parent;
	}
	p = wh_malloc(sizeof(*p) + key.n);
	*p = (struct wh_program){.parent = parent, .n = key.n};
	memcpy(p->key, key.p, key.n);
	HASH_ADD(hh, o->programs, key, key.n, p);
	WH_PUSH(o->by_number, o->n_programs, o->cap_programs) = p;
	p->number = (uint32_t)o->n_programs;
	put(o, &(struct wh_obs){.kind = WH_OBS_PROCESS,
				.process = p->number,
				.parent = parent,
				.program = program,
				.script = script});
	return p->number;
}

void wh_log_release(struct wh_observer *o)
{
	struct wh_seen *s, *next_seen;
	struct wh_program *p, *next_program;

	HASH_ITER (hh, o->seen, s, next_seen) {
		HASH_DEL(o->seen, s);
		free(s);
	}
	HASH_ITER (hh, o->programs, p, next_program) {
		HASH_DEL(o->programs, p);
		free(p->told);
		free(p);
	}
	free(o->by_number);
	free(o->told);
	wh_buf_release(&o->out);
}
