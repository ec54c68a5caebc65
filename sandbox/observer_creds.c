/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a caller is to the kernel, and what the modes of a path deny it. The kernel asks for a capability only where modes
 * do not suffice; so that is worked out here again, from its ids and those of what was found. Only for callers that hold
 * such a capability: for all others there is nothing to tell.
 *
 * /proc/PID/status is read once for a process, and again after a call that may have changed what it says: those calls
 * are all told. Threads of one process have the same ids, unless they were changed when there were several.
 */
#include "sandbox/observer_caps.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <uthash.h>

#define MAX_STATUS ((size_t)32 * 1024) /* groups can be many */
#define MAX_GROUPS ((size_t)65536)
#define MAX_SEARCHED ((size_t)1 << 15)

struct wh_searched { /* a directory whose parents and itself let those ids through */
	UT_hash_handle hh;
	size_t n;
	char key[]; /* wh_creds.hash, path */
};

/* ---------------------------------------------------------------- reading */

static uint64_t mixed(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x100000001b3;
}

static bool field(const char *text, const char *name, const char **ret)
{
	const char *p = strstr(text, name);

	if (p)
		*ret = p + strlen(name);
	return p;
}

static bool ids(const char *text, const char *name, uint32_t out[4])
{
	const char *p;
	char *end;

	if (!field(text, name, &p))
		return false;
	for (unsigned i = 0; i < 4; i++, p = end) {
		out[i] = (uint32_t)strtoul(p, &end, 10);
		if (end == p)
			return false;
	}
	return true;
}

static bool number(const char *text, const char *name, int base, uint64_t *out)
{
	const char *p;

	if (!field(text, name, &p))
		return false;
	*out = strtoull(p, NULL, base);
	return true;
}

static void groups(const char *text, struct wh_creds *k)
{
	const char *p;
	size_t cap = 0;

	if (!field(text, "\nGroups:", &p))
		return;
	while (*p && *p != '\n' && k->n_groups < MAX_GROUPS) {
		char *end;
		unsigned long g = strtoul(p, &end, 10);

		if (end == p)
			break;
		WH_PUSH(k->groups, k->n_groups, cap) = (uint32_t)g;
		p = end + strspn(end, " \t");
	}
}

/* In the innermost namespace: the number by which its own container knows it. */
static pid_t inner_pid(const char *text)
{
	const char *p;
	pid_t pid = 0;

	if (!field(text, "\nNSpid:", &p))
		return 0;
	while (*p && *p != '\n') {
		char *end;
		long n = strtol(p, &end, 10);

		if (end == p)
			break;
		pid = (pid_t)n;
		p = end + strspn(end, " \t");
	}
	return pid;
}

pid_t wh_task_inner(struct wh_observer *o, struct wh_task *t)
{
	char text[4096];
	int n = t->inner ? 0 : wh_task_proc(o, t->pid, "status", text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		t->inner = inner_pid(text);
	}
	return t->inner;
}

static bool parse(const char *text, struct wh_creds *k)
{
	uint64_t nnp = 0, h = 0xcbf29ce484222325;

	if (!ids(text, "\nUid:", k->uid) || !ids(text, "\nGid:", k->gid) ||
	    !number(text, "\nCapInh:", 16, &k->inheritable) || !number(text, "\nCapPrm:", 16, &k->permitted) ||
	    !number(text, "\nCapEff:", 16, &k->effective))
		return false;
	number(text, "\nNoNewPrivs:", 10, &nnp);
	k->no_new_privs = nnp;
	groups(text, k);
	h = mixed(mixed(mixed(h, k->uid[3]), k->gid[3]), k->effective);
	for (size_t i = 0; i < k->n_groups; i++)
		h = mixed(h, k->groups[i]);
	k->hash = h;
	return true;
}

static void creds_free(struct wh_creds *k)
{
	if (k)
		free(k->groups);
	free(k);
}

const struct wh_creds *wh_creds_of(struct wh_observer *o, struct wh_task *t, pid_t tid)
{
	WH_AUTO_FREE char *text = NULL;
	struct wh_creds *k = t->creds;
	int n;

	if (k && (!t->differ || k->tid == tid))
		return k;
	text = wh_malloc(MAX_STATUS);
	n = wh_task_proc(o, tid, "status", text, MAX_STATUS - 1);
	if (n <= 0)
		return NULL; /* gone, and with it the call */
	text[n] = '\0';
	k = wh_calloc(1, sizeof(*k));
	k->tid = tid;
	if (!parse(text, k)) {
		wh_observer_lost(o);
		creds_free(k);
		return NULL;
	}
	creds_free(t->creds);
	t->creds = k;
	return k;
}

void wh_creds_change(struct wh_observer *o, struct wh_task *t)
{
	char text[4096];
	uint64_t threads = 2;
	int n = t->differ ? 0 : wh_task_proc(o, t->pid, "status", text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		number(text, "\nThreads:", 10, &threads);
	}
	t->differ = t->differ || threads > 1;
	creds_free(WH_TAKE_PTR(t->creds));
}

void wh_creds_replace(struct wh_task *t)
{
	t->differ = false;
	creds_free(WH_TAKE_PTR(t->creds));
}

void wh_creds_release(struct wh_task *t)
{
	creds_free(WH_TAKE_PTR(t->creds));
}

bool wh_creds_has(const struct wh_creds *k, unsigned capability)
{
	return k->effective >> capability & 1;
}

bool wh_creds_in_group(const struct wh_creds *k, uint32_t gid)
{
	if (k->gid[WH_ID_FS] == gid)
		return true;
	for (size_t i = 0; i < k->n_groups; i++)
		if (k->groups[i] == gid)
			return true;
	return false;
}

void wh_cap_need(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, unsigned capability)
{
	if (wh_creds_has(k, capability))
		wh_capability(o, c->task->record, capability);
}

/* ---------------------------------------------------------------- modes */

static bool allows(const struct wh_creds *k, const struct stat *st, unsigned mask)
{
	unsigned mode = st->st_mode;

	if (k->uid[WH_ID_FS] == st->st_uid)
		mode >>= 6;
	else if (wh_creds_in_group(k, st->st_gid))
		mode >>= 3;
	return (mode & mask) == mask;
}

void wh_cap_modes(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, const struct stat *st,
		  unsigned mask)
{
	if (!mask || S_ISLNK(st->st_mode) || allows(k, st, mask))
		return;
	if (S_ISREG(st->st_mode) && (mask & WH_MAY_EXEC) && !(st->st_mode & 0111))
		return; /* nobody may */
	if (wh_creds_has(k, WH_CAP_DAC_OVERRIDE))
		wh_cap_need(o, c, k, WH_CAP_DAC_OVERRIDE);
	else if (!(mask & WH_MAY_WRITE) && (S_ISDIR(st->st_mode) || mask == WH_MAY_READ))
		wh_cap_need(o, c, k, WH_CAP_DAC_READ_SEARCH);
}

/* Nothing more can be told of it: it holds none, or what it holds is told. */
static bool is_settled(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k)
{
	if (wh_creds_has(k, WH_CAP_DAC_OVERRIDE))
		return wh_capability_told(o, c->task->record, WH_CAP_DAC_OVERRIDE);
	return !wh_creds_has(k, WH_CAP_DAC_READ_SEARCH) ||
	       wh_capability_told(o, c->task->record, WH_CAP_DAC_READ_SEARCH);
}

int wh_place_stat(const struct wh_observer *o, const char *path, struct stat *st)
{
	struct open_how h = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	WH_AUTO_FD int fd = (int)syscall(SYS_openat2, o->root, *path ? path : "/", &h, sizeof(h));

	return fd < 0 || fstat(fd, st) < 0 ? -errno : 0;
}

void wh_searched_forget(struct wh_observer *o)
{
	struct wh_searched *s, *next;

	HASH_ITER (hh, o->searched, s, next) {
		HASH_DEL(o->searched, s);
		free(s);
	}
	o->n_searched = 0;
}

/* The first n bytes of path, a directory. True: it was asked about before. */
static bool was_searched(struct wh_observer *o, const struct wh_creds *k, const char *path, size_t n, bool add)
{
	char key[sizeof(k->hash) + WH_PLACE_MAX];
	struct wh_searched *s;

	memcpy(key, &k->hash, sizeof(k->hash));
	memcpy(key + sizeof(k->hash), path, n);
	n += sizeof(k->hash);
	HASH_FIND(hh, o->searched, key, n, s);
	if (s || !add)
		return s;
	if (o->n_searched >= MAX_SEARCHED)
		wh_searched_forget(o);
	s = wh_malloc(sizeof(*s) + n);
	s->n = n;
	memcpy(s->key, key, n);
	HASH_ADD(hh, o->searched, key, n, s);
	o->n_searched++;
	return false;
}

static size_t parent_of(const char *path, size_t n)
{
	while (n > 0 && path[n - 1] != '/')
		n--;
	return n > 0 ? n - 1 : 0;
}

void wh_cap_search(struct wh_observer *o, const struct wh_call *c, const char *path)
{
	const struct wh_creds *k = wh_creds_of(o, c->task, c->tid);
	size_t n = parent_of(path, strlen(path));
	char dir[WH_PLACE_MAX];
	struct stat st;

	if (!k || is_settled(o, c, k) || n >= sizeof(dir))
		return;
	memcpy(dir, path, n);
	for (; !was_searched(o, k, dir, n, true); n = parent_of(dir, n)) {
		dir[n] = '\0';
		if (wh_place_stat(o, dir, &st) == 0)
			wh_cap_modes(o, c, k, &st, WH_MAY_EXEC);
		if (n == 0)
			break;
	}
}

/* A name is made in, or taken from, the directory of path; st: what has it now, or NULL. */
static void entry(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, const char *path,
		  const struct stat *st)
{
	size_t n = parent_of(path, strlen(path));
	uint32_t me = k->uid[WH_ID_FS];
	char dir[WH_PLACE_MAX];
	struct stat parent;

	if (n >= sizeof(dir))
		return;
	memcpy(dir, path, n);
	dir[n] = '\0';
	if (wh_place_stat(o, dir, &parent) < 0)
		return;
	wh_cap_modes(o, c, k, &parent, WH_MAY_WRITE | WH_MAY_EXEC);
	if (st && (parent.st_mode & S_ISVTX) && me != st->st_uid && me != parent.st_uid)
		wh_cap_need(o, c, k, WH_CAP_FOWNER);
}

void wh_cap_access(struct wh_observer *o, const struct wh_call *c, unsigned access, bool missing,
		   const struct wh_found *f)
{
	const unsigned names = WH_ACCESS_CREATE | WH_ACCESS_REMOVE;
	const struct wh_creds *k = wh_creds_of(o, c->task, c->tid);
	unsigned mask = 0;

	if (!k || !(k->effective & WH_CAPS_OF_FILES))
		return;
	wh_cap_search(o, c, f->path);
	if (access & names)
		entry(o, c, k, f->path, missing ? NULL : &f->st);
	if (missing)
		return;
	if (access & (WH_ACCESS_READ | WH_ACCESS_LIST))
		mask |= WH_MAY_READ;
	if (access & (WH_ACCESS_WRITE | WH_ACCESS_SOCKET))
		mask |= WH_MAY_WRITE;
	if (access & (WH_ACCESS_EXEC | WH_ACCESS_ENTER))
		mask |= WH_MAY_EXEC;
	wh_cap_modes(o, c, k, &f->st, mask);
	/* A directory that moves gets another "..". */
	if ((access & names) && S_ISDIR(f->st.st_mode)) {
		wh_searched_forget(o);
		if (!(access & WH_ACCESS_REMOVE) || c->moves)
			wh_cap_modes(o, c, k, &f->st, WH_MAY_WRITE);
	}
	/* Writing takes set-id bits away, but not from whoever holds this. */
	if ((access & WH_ACCESS_WRITE) && S_ISREG(f->st.st_mode) &&
	    ((f->st.st_mode & S_ISUID) || (f->st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)))
		wh_cap_need(o, c, k, WH_CAP_FSETID);
}
