/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain progress: every line begins with the number of the step it belongs
 * to, so that lines of steps that run at once can be told apart and a log can
 * be searched. A blank line and the step's name stand where the step changes.
 *
 *     #5 [build 2/5] RUN make
 *     #5 0.123 cc -c main.c
 *     #5 DONE 1.2s
 */
#include "cli/cli.h"

#include <errno.h>

struct row {
	unsigned id; /* 0: not seen yet */
	char *name;
	uint64_t start_ns;
	struct wh_text_lines line[2]; /* of standard output and error */
};

struct wh_progress {
	FILE *out;
	bool colours;
	unsigned last_id; /* numbers given so far */
	unsigned shown;   /* whose lines were printed last; 0: nobody's */
	bool begun;       /* something was printed */
	struct row *rows; /* by vertex index */
	size_t n_rows, cap_rows;
	struct row **own; /* the command's own work */
	size_t n_own, cap_own;
};

int wh_progress_kind_parse(const char *text, enum wh_progress_kind *ret, struct wh_err **err)
{
	static const char *const words[] = {"auto", "plain", "tty", "rawjson", "quiet"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++) {
		if (wh_streq(text, words[i])) {
			*ret = (enum wh_progress_kind)i;
			return 0;
		}
	}
	return wh_cli_misuse(err, "--progress is auto, plain, tty, rawjson or quiet, not \"%s\"", text);
}

int wh_progress_new(enum wh_progress_kind kind, struct wh_progress **ret, struct wh_err **err)
{
	(void)err;
	*ret = kind == WH_PROGRESS_QUIET ? NULL : wh_progress_new_for(stderr);
	return 0;
}

struct wh_progress *wh_progress_new_for(FILE *out)
{
	struct wh_progress *p = wh_calloc(1, sizeof(*p));

	p->out = out;
	p->colours = isatty(fileno(out));
	return p;
}

void wh_progress_finish(struct wh_progress *p)
{
	if (p)
		fflush(p->out);
}

void wh_progress_transfer(struct wh_progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	(void)p;
	(void)id;
	(void)what;
	(void)done;
	(void)total;
}

void wh_progress_tell(void *row, const json_t *note)
{
	const struct wh_progress_row *r = row;
	const char *what = wh_json_str(note, "what");

	if (what)
		wh_progress_transfer(r->progress, r->id, what, (uint64_t)wh_json_int(note, "done", 0), (uint64_t)wh_json_int(note, "total", 0));
}

static void row_clear(struct row *r)
{
	free(r->name);
	wh_text_release(&r->line[0]);
	wh_text_release(&r->line[1]);
}

void wh_progress_free(struct wh_progress *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_rows; i++)
		row_clear(&p->rows[i]);
	for (size_t i = 0; i < p->n_own; i++) {
		row_clear(p->own[i]);
		free(p->own[i]);
	}
	free(p->rows);
	free(p->own);
	free(p);
}

static void name_row(struct wh_progress *p, struct row *r, const char *name)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	for (const char *s = name; *s; s++) /* a heredoc's name has line ends */
		wh_buf_addc(&safe, *s == '\n' || *s == '\r' ? ' ' : *s);
	r->name = NULL;
	r->id = ++p->last_id;
	r->start_ns = wh_now_ns();
	if (safe.n) {
		WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;

		wh_text_add_short(&shown, safe.p);
		r->name = wh_buf_take(&shown);
	} else {
		r->name = wh_strdup("");
	}
}

static struct row *row_of(struct wh_progress *p, const struct wh_vertex *v)
{
	while (p->n_rows <= v->index)
		WH_PUSH(p->rows, p->n_rows, p->cap_rows) = (struct row){0};
	if (!p->rows[v->index].id)
		name_row(p, &p->rows[v->index], v->name ? v->name : "step");
	return &p->rows[v->index];
}

/* The header, when another step was speaking. */
static void turn_to(struct wh_progress *p, const struct row *r)
{
	if (p->shown == r->id)
		return;
	fprintf(p->out, "%s#%u %s\n", p->begun ? "\n" : "", r->id, r->name);
	p->shown = r->id;
	p->begun = true;
}

struct speaker {
	struct wh_progress *p;
	struct row *r;
};

static void log_line(void *arg, const char *text, size_t n)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;
	const struct speaker *s = arg;
	double seconds = (double)(wh_now_ns() - s->r->start_ns) / 1e9;

	wh_text_add_output(&safe, text, n, s->p->colours);
	turn_to(s->p, s->r);
	fprintf(s->p->out, "#%u %.3f %s\n", s->r->id, seconds, safe.n ? safe.p : "");
}

static void log_add(struct wh_progress *p, struct row *r, int stream, const char *data, size_t n)
{
	wh_text_feed(&r->line[stream == 2], data, n, log_line, &(struct speaker){p, r});
}

static void log_flush(struct wh_progress *p, struct row *r)
{
	for (int i = 0; i < 2; i++)
		wh_text_flush(&r->line[i], log_line, &(struct speaker){p, r});
}

static void note(struct wh_progress *p, const struct row *r, const char *text)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_text_add_short(&safe, text);
	turn_to(p, r);
	fprintf(p->out, "#%u %s\n", r->id, safe.n ? safe.p : "");
}

static void end_row(struct wh_progress *p, struct row *r, const char *how, double seconds)
{
	log_flush(p, r);
	turn_to(p, r);
	if (seconds >= 0)
		fprintf(p->out, "#%u %s %.1fs\n", r->id, how, seconds);
	else
		fprintf(p->out, "#%u %s\n", r->id, how);
}

static void fail_row(struct wh_progress *p, struct row *r, const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_buf_adds(&safe, "ERROR: ");
	if (err)
		wh_text_add_short(&safe, err->msg);
	else
		wh_buf_adds(&safe, "failed");
	end_row(p, r, safe.p, -1);
}

static void say(struct wh_progress *p, const char *label, const char *text)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_text_add_short(&safe, text);
	fprintf(p->out, "%s%s%s\n", p->begun ? "\n" : "", label, safe.n ? safe.p : "");
	p->shown = 0;
	p->begun = true;
}

void wh_progress_event(void *progress, const struct wh_event *e)
{
	struct wh_progress *p = progress;
	struct row *r;

	if (!p)
		return;
	if (!e->v) {
		if (e->kind == WH_EV_NOTICE && e->text) {
			say(p, "note: ", e->text);
		} else if (e->kind == WH_EV_PHASE && e->text) {
			unsigned id = wh_progress_begin(p, "%s", e->text);

			fprintf(p->out, "#%u DONE %.1fs\n", id, (double)e->ns / 1e9);
		}
		fflush(p->out);
		return;
	}
	r = row_of(p, e->v);
	switch (e->kind) {
	case WH_EV_START:
		r->start_ns = wh_now_ns();
		turn_to(p, r);
		break;
	case WH_EV_CACHED:
		end_row(p, r, "CACHED", -1);
		break;
	case WH_EV_LOG:
		log_add(p, r, e->stream, e->data, e->len);
		break;
	case WH_EV_DONE:
		end_row(p, r, "DONE", (double)e->ns / 1e9);
		break;
	case WH_EV_ERROR:
		fail_row(p, r, e->err);
		break;
	case WH_EV_CANCELED:
		end_row(p, r, "CANCELED", -1);
		break;
	case WH_EV_NOTICE:
	case WH_EV_PHASE:
		if (e->text)
			note(p, r, e->text);
		break;
	}
	fflush(p->out);
}

unsigned wh_progress_begin(struct wh_progress *p, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf name = WH_BUF_INIT;
	struct row *r;
	va_list ap;

	if (!p)
		return 0;
	va_start(ap, fmt);
	wh_buf_vaddf(&name, fmt, ap);
	va_end(ap);
	r = wh_calloc(1, sizeof(*r));
	name_row(p, r, name.p ? name.p : "");
	WH_PUSH(p->own, p->n_own, p->cap_own) = r;
	turn_to(p, r);
	fflush(p->out);
	return r->id;
}

static struct row *own_row(struct wh_progress *p, unsigned id)
{
	for (size_t i = p ? p->n_own : 0; i-- > 0;)
		if (p->own[i]->id == id)
			return p->own[i];
	return NULL;
}

void wh_progress_note(struct wh_progress *p, unsigned id, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct row *r = own_row(p, id);
	va_list ap;

	if (!r)
		return;
	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	note(p, r, text.p ? text.p : "");
	fflush(p->out);
}

void wh_progress_end(struct wh_progress *p, unsigned id, const struct wh_err *err)
{
	struct row *r = own_row(p, id);

	if (!r)
		return;
	if (err)
		fail_row(p, r, err);
	else
		end_row(p, r, "DONE", (double)(wh_now_ns() - r->start_ns) / 1e9);
	fflush(p->out);
}

void wh_progress_list(struct wh_progress *p, const char *title, const struct wh_strv *lines)
{
	if (!p)
		return;
	say(p, " ", title);
	for (size_t i = 0; i < lines->n; i++) {
		WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

		wh_text_add_short(&safe, lines->v[i]);
		fprintf(p->out, " - %s\n", safe.n ? safe.p : "");
	}
	fflush(p->out);
}

void wh_progress_notes(struct wh_progress *p, const struct wh_err *notes)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (!p || !notes)
		return;
	wh_note_format(notes, false, &text);
	fputs(text.p, p->out);
	fflush(p->out);
}

void wh_progress_warn(struct wh_progress *p, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	if (!p)
		return;
	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	say(p, "warning: ", text.p ? text.p : "");
	fflush(p->out);
}
