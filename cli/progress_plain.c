/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain progress: every line begins with the number of the step it belongs
 * to, so that lines of steps that run at once can be told apart and a log can
 * be searched. A blank line and the step's name stand where the step changes.
 *
 *     #5 [build 2/5] RUN make
 *     #5 0.123 cc -c main.c
 *     #5 DONE 1.2s
 *
 * Transfers that take their time are told now and then, and at their end:
 *
 *     #5 layer sha256:3f2a… 12.6MB / 29.1MB 5.0s
 */
#include "cli/progress_view.h"

#define BIG ((uint64_t)1000 * 1000)                /* worth a line at its end */
#define VERY_BIG ((uint64_t)10 * 1000 * 1000)      /* and one at its beginning */
#define EVERY_NS ((uint64_t)5 * 1000 * 1000 * 1000)
#define LONG_NS ((uint64_t)1000 * 1000 * 1000)

/* The header, when another step was speaking. */
static void turn_to(struct wh_progress *p, const struct wh_progress_step *s)
{
	if (p->shown == s->id)
		return;
	fprintf(p->out, "%s#%u %s\n", p->begun ? "\n" : "", s->id, s->name);
	p->shown = s->id;
	p->begun = true;
}

static void start(struct wh_progress *p, struct wh_progress_step *s)
{
	turn_to(p, s);
}

struct speaker {
	struct wh_progress *p;
	struct wh_progress_step *s;
};

static void log_line(void *arg, const char *text, size_t n)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;
	const struct speaker *x = arg;
	double seconds = (double)(wh_now_ns() - x->s->start_ns) / 1e9;

	wh_text_add_output(&safe, text, n, x->p->colours);
	turn_to(x->p, x->s);
	fprintf(x->p->out, "#%u %.3f %s\n", x->s->id, seconds, safe.n ? safe.p : "");
}

static void add_log(struct wh_progress *p, struct wh_progress_step *s, int stream, const char *data, size_t n)
{
	wh_text_feed(&s->line[stream == 2], data, n, log_line, &(struct speaker){p, s});
}

static void note(struct wh_progress *p, struct wh_progress_step *s, const char *text)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_text_add_short(&safe, text);
	turn_to(p, s);
	fprintf(p->out, "#%u %s\n", s->id, safe.n ? safe.p : "");
}

static bool worth_a_line(const struct wh_progress_move *m, uint64_t now)
{
	if (m->ended)
		return m->told_ns || m->done >= BIG || now - m->start_ns >= LONG_NS;
	if (!m->told_ns && m->total >= VERY_BIG)
		return true;
	return now - (m->told_ns ? m->told_ns : m->start_ns) >= EVERY_NS;
}

static void move(struct wh_progress *p, struct wh_progress_step *s, struct wh_progress_move *m)
{
	WH_AUTO_FREE char *done = wh_progress_bytes(m->done);
	WH_AUTO_FREE char *total = wh_progress_bytes(m->total);
	uint64_t now = wh_now_ns();

	if (!worth_a_line(m, now))
		return;
	m->told_ns = now;
	turn_to(p, s);
	fprintf(p->out, "#%u %s %s%s%s %.1fs%s\n", s->id, m->what, done, m->total ? " / " : "", m->total ? total : "",
		(double)(now - m->start_ns) / 1e9, m->ended ? " done" : "");
}

static void end_line(struct wh_progress *p, struct wh_progress_step *s, const char *how, double seconds)
{
	for (int i = 0; i < 2; i++)
		wh_text_flush(&s->line[i], log_line, &(struct speaker){p, s});
	turn_to(p, s);
	if (seconds >= 0)
		fprintf(p->out, "#%u %s %.1fs\n", s->id, how, seconds);
	else
		fprintf(p->out, "#%u %s\n", s->id, how);
}

static void end(struct wh_progress *p, struct wh_progress_step *s, enum wh_progress_end how, uint64_t ns, const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	if (how == WH_PROGRESS_CANCELED && err)
		how = WH_PROGRESS_ERROR;
	switch (how) {
	case WH_PROGRESS_DONE:
		end_line(p, s, "DONE", (double)ns / 1e9);
		break;
	case WH_PROGRESS_CACHED:
		end_line(p, s, "CACHED", -1);
		break;
	case WH_PROGRESS_CANCELED:
		end_line(p, s, "CANCELED", -1);
		break;
	case WH_PROGRESS_ERROR:
		wh_buf_adds(&safe, "ERROR: ");
		wh_text_add_short(&safe, err ? err->msg : "failed");
		end_line(p, s, safe.p, -1);
		break;
	}
}

static void say_with(struct wh_progress *p, const char *label, const char *text)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_text_add_short(&safe, text);
	fprintf(p->out, "%s%s%s\n", p->begun ? "\n" : "", label, safe.n ? safe.p : "");
	p->shown = 0;
	p->begun = true;
}

static void say(struct wh_progress *p, bool warning, const char *text)
{
	say_with(p, warning ? "warning: " : "note: ", text);
}

static void list(struct wh_progress *p, const char *title, const struct wh_strv *lines)
{
	say_with(p, " ", title);
	for (size_t i = 0; i < lines->n; i++) {
		WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

		wh_text_add_short(&safe, lines->v[i]);
		fprintf(p->out, " - %s\n", safe.n ? safe.p : "");
	}
}

static void block(struct wh_progress *p, const struct wh_err *one)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_note_format(one, false, &text);
	fputs(text.p, p->out);
}

static void finish(struct wh_progress *p)
{
	(void)p;
}

const struct wh_progress_view wh_progress_plain = {
	.start = start, .log = add_log, .note = note, .move = move, .end = end, .say = say, .list = list, .block = block, .finish = finish,
};

char *wh_progress_bytes(uint64_t n)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double x = (double)n;
	size_t i = 0;

	for (; x >= 999.95 && i + 1 < WH_ARRAY_SIZE(units); i++)
		x /= 1000;
	return i ? wh_asprintf("%.1f%s", x, units[i]) : wh_asprintf("%lluB", (unsigned long long)n);
}
