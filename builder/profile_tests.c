/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which test a run is at. Its time is cut into segments, numbered from 1; the logs of all that runs get the mark
 * "test #3" where the third begins. Whose it was is known later, as TAP tells a test's name when it is over:
 *
 *   driver begins ─ #1 ─ "1..2" ─ #2 ─ "ok 1 - login" ─ #3 ─ "ok 2 - mail" ─ #4 ─ driver ends
 *                nobody's        login               mail                nobody's
 *
 * Results that are read together cannot be told apart (a driver that buffers its output tells all of them at its end): their tests are
 * one, in all runs, named after all of them. `app test NAME` begins a segment with its name; from then on TAP's lines begin none.
 */
#include "builder/profile_private.h"

#include <errno.h>
#include <uthash.h>

#define SEGMENTS_MAX 20000 /* of a run; the last one takes the rest */
#define NAMES_MAX 3        /* told of tests that are one */
#define BETWEEN '\n'       /* names of a segment */

/* ---------------------------------------------------------------- marks */

static void mark(struct wh_trial *t, const struct wh_tstep *s)
{
	char text[32];

	if (!t->tests.number || s->log == SIZE_MAX)
		return;
	snprintf(text, sizeof(text), "test #%zu", t->tests.number);
	wh_launcher_mark(t->b->launcher, s->id, text);
}

/* What the application does to come up and to go down is no test's, whoever asked for it. */
static bool tested(const struct wh_trial *t, const struct wh_tstep *s)
{
	return s->kind == WH_TSTEP_EXEC || s->kind == WH_TSTEP_RUN || t->app.state == WH_APP_UP;
}

static struct wh_strv *segments(struct wh_trial *t)
{
	return &t->tests.of_run[t->run];
}

static void next_segment(struct wh_trial *t, const char *name)
{
	struct wh_strv *v = segments(t);
	const struct wh_tstep *s;

	t->tests.border = false;
	if (v->n >= SEGMENTS_MAX)
		return;
	wh_strv_add(v, name);
	t->tests.number = v->n;
	for (s = t->steps; s; s = s->next)
		if (tested(t, s))
			mark(t, s);
}

void wh_tests_phase(struct wh_trial *t, const char *phase)
{
	if (!t->app.step)
		return;
	wh_launcher_mark(t->b->launcher, t->app.step->id, phase);
	if (tested(t, t->app.step))
		mark(t, t->app.step);
}

void wh_tests_mark_log(const struct wh_trial *t, enum wh_tstep_kind kind, struct wh_trial_log *log)
{
	const struct wh_tstep s = {.kind = kind};

	switch (t->app.state) {
	case WH_APP_DOWN:
	case WH_APP_STARTING:
		log->phase = kind == WH_TSTEP_RUN ? "serve" : "start";
		break;
	case WH_APP_UP:
		log->phase = kind == WH_TSTEP_APP ? "start" : "serve";
		break;
	case WH_APP_STOPPING:
		log->phase = kind == WH_TSTEP_RUN ? "serve" : "stop";
		break;
	}
	log->test = kind != WH_TSTEP_APP && tested(t, &s) ? t->tests.number : 0;
}

/* ---------------------------------------------------------------- what the driver tells */

void wh_tests_begin(struct wh_trial *t)
{
	next_segment(t, "");
}

static void add_name(struct wh_trial *t, const char *name)
{
	struct wh_strv *v = segments(t);
	char **last = &v->v[v->n - 1], *old = *last;

	*last = *old ? wh_asprintf("%s%c%s", old, BETWEEN, name) : wh_strdup(name);
	free(old);
}

void wh_tests_line(struct wh_trial *t, const char *p, size_t n)
{
	struct wh_tests *x = &t->tests;
	WH_AUTO_FREE char *name = NULL;
	enum wh_tap_kind kind = wh_tap_line(&x->tap, p, n, &name);

	if (kind == WH_TAP_OTHER || x->by_hand || !x->number)
		return;
	/* What was skipped has used nothing: it says nothing of tests to come. */
	if (kind == WH_TAP_RESULT && segments(t)->n < SEGMENTS_MAX)
		add_name(t, name);
	x->border = true;
}

void wh_tests_settle(struct wh_trial *t)
{
	if (t->tests.border)
		next_segment(t, "");
}

void wh_tests_name(struct wh_trial *t, const char *name)
{
	WH_AUTO_BUF struct wh_buf clean = WH_BUF_INIT;

	for (; *name && clean.n < WH_TAP_NAME_MAX; name++)
		wh_buf_addc(&clean, (unsigned char)*name < ' ' || *name == 127 ? ' ' : *name);
	t->tests.by_hand = true;
	next_segment(t, clean.n ? clean.p : "");
}

void wh_tests_end(struct wh_trial *t)
{
	t->tests.number = 0;
	t->tests.border = false;
}

void wh_tests_reset(struct wh_trial *t)
{
	wh_tests_end(t);
	t->tests.by_hand = false;
	wh_tap_release(&t->tests.tap);
}

/* ---------------------------------------------------------------- whose segments were */

/* A test: one of its names, and the test that it is one with. */
struct named {
	UT_hash_handle hh;
	struct named *same; /* NULL: none before it */
	struct wh_strv names; /* the first of them; a hostile driver joins as many as it likes */
	size_t n;             /* all */
	char *label;
	char name[];
};

static struct named *root(struct named *x)
{
	struct named *top = x, *next;

	while (top->same)
		top = top->same;
	for (; x != top; x = next) { /* chains stay short */
		next = x->same;
		x->same = top;
	}
	return top;
}

static struct named *get(struct named **all, struct wh_str s)
{
	struct named *x;

	HASH_FIND(hh, *all, s.p, s.n, x);
	if (x)
		return root(x);
	x = wh_calloc(1, sizeof(*x) + s.n + 1);
	memcpy(x->name, s.p, s.n);
	HASH_ADD_KEYPTR(hh, *all, x->name, s.n, x);
	wh_strv_add(&x->names, x->name);
	x->n = 1;
	return x;
}

/* The tests of a segment are one from now on. NULL: nobody's segment. */
static struct named *join(struct named **all, const char *segment)
{
	struct named *first = NULL;

	while (*segment) {
		size_t n = strcspn(segment, "\n");
		struct named *x = get(all, (struct wh_str){segment, n});

		if (!first) {
			first = x;
		} else if (x != first) {
			x->same = first;
			first->n += x->n;
			for (size_t i = 0; i < x->names.n && first->names.n < NAMES_MAX; i++)
				wh_strv_add(&first->names, x->names.v[i]);
		}
		segment += n + (segment[n] != '\0');
	}
	return first;
}

static const char *label(struct named *x)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t i;

	if (x->label)
		return x->label;
	for (i = 0; i < x->names.n; i++)
		wh_buf_addf(&b, "%s%s", i ? ", " : "", x->names.v[i]);
	if (i < x->n)
		wh_buf_addf(&b, " and %zu more", x->n - i);
	return x->label = wh_buf_take(&b);
}

void wh_tests_told(struct wh_trial *t, size_t *ret_joined)
{
	struct wh_tests *x = &t->tests;
	struct named *all = NULL, *one, *next;
	size_t joined = 0;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned run = 0; run < t->op->runs; run++)
			for (size_t i = 0; i < x->of_run[run].n; i++) {
				struct named *s = join(&all, x->of_run[run].v[i]);

				if (!pass || !s)
					continue;
				free(x->of_run[run].v[i]);
				x->of_run[run].v[i] = wh_strdup(label(s));
			}
	HASH_ITER (hh, all, one, next) {
		HASH_DEL(all, one);
		joined += one->same != NULL;
		wh_strv_release(&one->names);
		free(one->label);
		free(one);
	}
	*ret_joined = joined;
}
