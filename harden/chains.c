/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/chains.h"

#include <errno.h>

#define MAX_PROCESSES (1U << 20)

void wh_chains_init(struct wh_chains *c)
{
	*c = (struct wh_chains){.a = wh_arena_new()};
}

void wh_chains_release(struct wh_chains *c)
{
	HASH_CLEAR(hh, c->all);
	wh_arena_freep(&c->a);
}

static struct wh_chain *get(struct wh_chains *c, const char *name, struct wh_chain *parent, const char *program,
			    const char *script)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct wh_chain *w;
	void *own;

	wh_buf_u64(&key, (uintptr_t)parent);
	wh_buf_lstr(&key, parent ? "" : name);
	wh_buf_lstr(&key, program);
	wh_buf_lstr(&key, script);
	HASH_FIND(hh, c->all, key.p, key.n, w);
	if (w)
		return w;
	w = wh_arena_alloc(c->a, sizeof(*w));
	*w = (struct wh_chain){
		.name = wh_arena_strdup(c->a, name),
		.program = program ? wh_arena_strdup(c->a, program) : NULL,
		.script = script ? wh_arena_strdup(c->a, script) : NULL,
		.parent = parent,
		.index = HASH_COUNT(c->all),
	};
	own = memcpy(wh_arena_alloc(c->a, key.n), key.p, key.n); /* it holds NULs */
	HASH_ADD_KEYPTR(hh, c->all, own, key.n, w);
	return w;
}

struct reading {
	struct wh_chains *c;
	const struct wh_obs_log *log;
	struct wh_chain **v; /* by the log's number */
	size_t n, cap;
	struct wh_mark_of when;
	wh_chain_fn fn;
	void *arg;
};

const char *wh_test_of(const struct wh_obs_log *log, const char *text)
{
	uint64_t number;

	if (!*text)
		return NULL;
	if (*text != '#' || !wh_parse_u64(text + 1, 10, &number))
		return text;
	if (!log->tests || !number || number > log->tests->n || !*log->tests->v[number - 1])
		return NULL;
	return log->tests->v[number - 1];
}

static void on_mark(struct reading *x, const char *text)
{
	static const char test[] = "test";
	size_t n = strlen(test);

	if (wh_streq(text, test))
		x->when.test = NULL;
	else if (wh_has_prefix(text, test) && text[n] == ' ')
		x->when.test = wh_arena_strdup(x->c->a, wh_test_of(x->log, text + n + 1));
	else
		x->when = (struct wh_mark_of){.phase = wh_arena_strdup(x->c->a, text)};
}

static struct wh_chain *chain_of(const struct reading *x, uint32_t process)
{
	return process < x->n && x->v[process] ? x->v[process] : x->v[0];
}

static int on_record(void *arg, const struct wh_obs *o)
{
	struct reading *x = arg;
	struct wh_chain *w;

	if (o->kind == WH_OBS_MARK) {
		on_mark(x, o->text);
		return 0;
	}
	if (o->kind != WH_OBS_PROCESS)
		return x->fn(x->arg, chain_of(x, o->process), &x->when, o);
	if (o->process > MAX_PROCESSES)
		return -EBADMSG;
	w = get(x->c, x->log->name, chain_of(x, o->parent), wh_rel(o->program), o->script ? wh_rel(o->script) : NULL);
	while (x->n <= o->process)
		WH_PUSH(x->v, x->n, x->cap) = NULL;
	x->v[o->process] = w;
	return x->fn(x->arg, w, &x->when, o);
}

int wh_chains_read(struct wh_chains *c, const struct wh_obs_log *log, wh_chain_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *own = NULL;
	struct reading x = {.c = c, .log = log, .fn = fn, .arg = arg};
	int r;

	WH_PUSH(x.v, x.n, x.cap) = get(c, log->name, NULL, NULL, NULL);
	r = wh_obs_read(log->data, log->len, on_record, &x, &own);
	free(x.v);
	if (r == -EBADMSG)
		return 0;
	if (r < 0)
		wh_err_move(err, &own);
	return r;
}

/* ---------------------------------------------------------------- words */

void wh_chain_say(struct wh_buf *b, const struct wh_chain *w)
{
	if (!w->program)
		wh_buf_adds(b, "whoever started it");
	else
		wh_buf_addf(b, "/%s", w->program);
	if (w->script)
		wh_buf_addf(b, " (script /%s)", w->script);
}

void wh_chain_say_all(struct wh_buf *b, const struct wh_chain *w)
{
	const struct wh_chain *chain[16];
	size_t n = 0;

	for (const struct wh_chain *q = w; q && q->program && n < WH_ARRAY_SIZE(chain); q = q->parent)
		chain[n++] = q;
	wh_buf_addf(b, "%s: %s", w->name, n == 1 ? "starts as " : "");
	while (n-- > 0) {
		wh_chain_say(b, chain[n]);
		if (n)
			wh_buf_adds(b, " ran ");
	}
}
