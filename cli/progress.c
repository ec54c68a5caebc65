/* SPDX-License-Identifier: Apache-2.0 */
/* The model: which steps there are, their numbers, names and times, and what moves in them. Views: progress_*.c. */
#include "cli/progress_view.h"

#include <errno.h>
#include <time.h>

int wh_progress_kind_parse(const char *text, enum wh_progress_kind *ret, struct wh_err **err)
{
	static const char *const words[] = {"auto", "plain", "tty", "rawjson", "quiet"};
	const char *env = text ? NULL : getenv("BUILDKIT_PROGRESS"), *word = text ? text : env && *env ? env : "auto";

	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++) {
		if (wh_streq(word, words[i])) {
			*ret = (enum wh_progress_kind)i;
			return 0;
		}
	}
	return wh_cli_misuse(err, "%s is auto, plain, tty, rawjson or quiet, not \"%s\"", text ? "--progress" : "BUILDKIT_PROGRESS", word);
}

static struct wh_progress *progress_new(const struct wh_progress_view *view, FILE *out)
{
	struct wh_progress *p = wh_calloc(1, sizeof(*p));
	struct timespec now;

	pthread_mutex_init(&p->mutex, NULL);
	p->view = view;
	p->out = out;
	clock_gettime(CLOCK_REALTIME, &now);
	p->clock = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec - wh_now_ns();
	return p;
}

struct wh_progress *wh_progress_new_for(FILE *out)
{
	struct wh_progress *p = progress_new(&wh_progress_plain, out);
	const char *no_color = getenv("NO_COLOR");

	p->colours = isatty(fileno(out)) && !(no_color && *no_color);
	return p;
}

static void emit_to_file(struct wh_progress *p, const char *line, size_t n, bool may_drop)
{
	(void)may_drop;
	fwrite(line, 1, n, p->out);
	fflush(p->out);
}

struct wh_progress *wh_progress_new_json_for(FILE *out)
{
	struct wh_progress *p = progress_new(&wh_progress_json, out);

	p->emit = emit_to_file;
	return p;
}

static void emit_to_pipe(struct wh_progress *p, const char *line, size_t n, bool may_drop)
{
	wh_progress_pipe_send(p->pipe, line, n, may_drop);
}

int wh_progress_new(enum wh_progress_kind kind, struct wh_progress **ret, struct wh_err **err)
{
	struct wh_progress *p;
	int r;

	if (kind == WH_PROGRESS_AUTO)
		kind = wh_progress_can_draw(STDERR_FILENO) ? WH_PROGRESS_TTY : WH_PROGRESS_PLAIN;
	if (kind == WH_PROGRESS_QUIET) {
		*ret = NULL;
		return 0;
	}
	if (kind == WH_PROGRESS_PLAIN || kind == WH_PROGRESS_RAWJSON) {
		*ret = kind == WH_PROGRESS_PLAIN ? wh_progress_new_for(stderr) : wh_progress_new_json_for(stderr);
		return 0;
	}
	p = progress_new(&wh_progress_json, stderr);
	p->emit = emit_to_pipe;
	r = wh_progress_pipe_new(p->clock, &p->pipe, err);
	if (r < 0) {
		wh_progress_forget(p);
		return r;
	}
	*ret = p;
	return 0;
}

int wh_progress_open(const char *word, bool quiet, const char *title, struct wh_progress **ret, struct wh_err **err)
{
	enum wh_progress_kind kind = WH_PROGRESS_QUIET;
	int r = quiet ? 0 : wh_progress_kind_parse(word, &kind, err);

	if (r == 0)
		r = wh_progress_new(kind, ret, err);
	if (r == 0)
		wh_progress_title(*ret, title);
	return r;
}

static void step_free(struct wh_progress_step *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->digest);
	free(s->inputs);
	for (size_t i = 0; i < s->n_moves; i++)
		free(s->moves[i].what);
	free(s->moves);
	wh_text_release(&s->line[0]);
	wh_text_release(&s->line[1]);
	free(s);
}

/* NULL: nobody listens. */
static struct wh_progress *enter(struct wh_progress *p)
{
	if (p)
		pthread_mutex_lock(&p->mutex);
	return p;
}

static void leave(struct wh_progress *p)
{
	if (p->out)
		fflush(p->out);
	pthread_mutex_unlock(&p->mutex);
}

void wh_progress_finish(struct wh_progress *p)
{
	if (!enter(p))
		return;
	if (!p->finished)
		p->view->finish(p);
	p->finished = true;
	leave(p);
}

void wh_progress_gap(struct wh_progress *p)
{
	if (p && p->pipe && !p->finished)
		p->emit(p, "F\n", 2, false);
	wh_progress_finish(p);
	if (p && (p->pipe || p->view != &wh_progress_json))
		fputc('\n', p->out);
}

static void progress_free(struct wh_progress *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_vertices; i++)
		step_free(p->vertices[i]);
	for (size_t i = 0; i < p->n_own; i++)
		step_free(p->own[i]);
	free(p->vertices);
	free(p->own);
	wh_progress_pipe_free(p->pipe);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

void wh_progress_free(struct wh_progress *p)
{
	wh_progress_finish(p);
	progress_free(p);
}

void wh_progress_forget(struct wh_progress *p)
{
	progress_free(p);
}

/* ---------------------------------------------------------------- steps */

static char *safe_line(const char *text)
{
	WH_AUTO_BUF struct wh_buf flat = WH_BUF_INIT, safe = WH_BUF_INIT;

	for (const char *s = text; *s; s++) /* a heredoc's name has line ends */
		wh_buf_addc(&flat, *s == '\n' || *s == '\r' ? ' ' : *s);
	if (flat.n)
		wh_text_add_short(&safe, flat.p);
	return safe.n ? wh_buf_take(&safe) : wh_strdup("");
}

static struct wh_progress_step *step_new(const char *name)
{
	struct wh_progress_step *s = wh_calloc(1, sizeof(*s));

	s->name = safe_line(name);
	s->start_ns = wh_now_ns();
	return s;
}

static char *inputs_of(const struct wh_vertex *v)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	char text[WH_DIGEST_TEXT];

	for (size_t i = 0; i < v->n_inputs; i++)
		wh_buf_addf(&out, "%s\"%s\"", i ? "," : "[", wh_digest_text(&v->inputs[i]->id, text));
	if (out.n)
		wh_buf_addc(&out, ']');
	return out.n ? wh_buf_take(&out) : NULL;
}

static struct wh_progress_step *step_of(struct wh_progress *p, const struct wh_vertex *v)
{
	char text[WH_DIGEST_TEXT];
	struct wh_progress_step *s;

	while (p->n_vertices <= v->index)
		WH_PUSH(p->vertices, p->n_vertices, p->cap_vertices) = NULL;
	s = p->vertices[v->index];
	if (s)
		return s;
	s = p->vertices[v->index] = step_new(v->name ? v->name : "step");
	if (p->view == &wh_progress_json) {
		s->digest = wh_strdup(wh_digest_text(&v->id, text));
		s->inputs = inputs_of(v);
	}
	return s;
}

/* Numbers are given in the order in which steps are first heard of. */
static void number(struct wh_progress *p, struct wh_progress_step *s)
{
	if (!s->id)
		s->id = ++p->last_id;
}

static struct wh_progress_step *own_step(struct wh_progress *p, unsigned id)
{
	for (size_t i = p->n_own; i-- > 0;)
		if (p->own[i]->id == id)
			return p->own[i];
	return NULL;
}

static struct wh_progress_step *begin(struct wh_progress *p, const char *name, uint64_t ago)
{
	struct wh_progress_step *s = step_new(name);

	number(p, s);
	s->start_ns -= ago;
	if (p->view == &wh_progress_json) {
		WH_AUTO_FREE char *unique = wh_asprintf("%u %llu %s", s->id, (unsigned long long)s->start_ns, s->name);
		char text[WH_DIGEST_TEXT];
		struct wh_digest d;

		wh_digest_of(unique, strlen(unique), &d);
		s->digest = wh_strdup(wh_digest_text(&d, text));
	}
	WH_PUSH(p->own, p->n_own, p->cap_own) = s;
	s->running = true;
	p->view->start(p, s);
	return s;
}

static void end(struct wh_progress *p, struct wh_progress_step *s, enum wh_progress_end how, uint64_t ns, const struct wh_err *err)
{
	for (size_t i = 0; i < s->n_moves; i++) {
		struct wh_progress_move *m = &s->moves[i];

		if (!m->ended && how == WH_PROGRESS_DONE) {
			m->ended = true;
			p->view->move(p, s, m);
		}
	}
	p->view->end(p, s, how, ns, err);
	s->running = false;
}

/* ---------------------------------------------------------------- the builder's */

static void build_event(struct wh_progress *p, const struct wh_event *e)
{
	if (e->kind == WH_EV_NOTICE && e->text)
		p->view->say(p, false, e->text);
	else if (e->kind == WH_EV_PHASE && e->text)
		end(p, begin(p, e->text, e->ns), WH_PROGRESS_DONE, e->ns, NULL);
}

static void step_event(struct wh_progress *p, struct wh_progress_step *s, const struct wh_event *e)
{
	number(p, s);
	if (e->kind == WH_EV_START || (!s->running && e->kind != WH_EV_NOTICE && e->kind != WH_EV_PHASE && e->kind != WH_EV_LOG))
		s->start_ns = wh_now_ns();
	switch (e->kind) {
	case WH_EV_START:
		s->running = true;
		p->view->start(p, s);
		break;
	case WH_EV_CACHED:
		end(p, s, WH_PROGRESS_CACHED, 0, NULL);
		break;
	case WH_EV_LOG:
		p->view->log(p, s, e->stream, e->data, e->len);
		break;
	case WH_EV_DONE:
		end(p, s, WH_PROGRESS_DONE, e->ns, NULL);
		break;
	case WH_EV_ERROR:
		end(p, s, WH_PROGRESS_ERROR, e->ns, e->err);
		break;
	case WH_EV_CANCELED:
		end(p, s, WH_PROGRESS_CANCELED, e->ns, NULL);
		break;
	case WH_EV_NOTICE:
	case WH_EV_PHASE:
		if (e->text)
			p->view->note(p, s, e->text);
		break;
	}
}

void wh_progress_event(void *progress, const struct wh_event *e)
{
	struct wh_progress *p = enter(progress);

	if (!p)
		return;
	if (e->v)
		step_event(p, step_of(p, e->v), e);
	else
		build_event(p, e);
	leave(p);
}

void wh_progress_graph(struct wh_progress *p, const struct wh_graph *g)
{
	if (!enter(p))
		return;
	for (size_t i = 0; i < wh_graph_count(g) && p->view->known; i++)
		p->view->known(p, step_of(p, wh_graph_at(g, i)));
	leave(p);
}

/* ---------------------------------------------------------------- the command's own */

void wh_progress_title(struct wh_progress *p, const char *text)
{
	if (!enter(p))
		return;
	if (p->view->title)
		p->view->title(p, text);
	leave(p);
}

void wh_progress_pause(struct wh_progress *p, bool pause)
{
	if (!enter(p))
		return;
	if (p->pipe && !p->finished)
		wh_progress_pipe_pause(p->pipe, pause);
	leave(p);
}

unsigned wh_progress_begin(struct wh_progress *p, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf name = WH_BUF_INIT;
	unsigned id;
	va_list ap;

	if (!p)
		return 0;
	va_start(ap, fmt);
	wh_buf_vaddf(&name, fmt, ap);
	va_end(ap);
	enter(p);
	id = begin(p, name.p ? name.p : "", 0)->id;
	leave(p);
	return id;
}

void wh_progress_note(struct wh_progress *p, unsigned id, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_progress_step *s;
	va_list ap;

	if (!p)
		return;
	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	enter(p);
	s = own_step(p, id);
	if (s)
		p->view->note(p, s, text.p ? text.p : "");
	leave(p);
}

static struct wh_progress_move *move_of(struct wh_progress_step *s, const char *what)
{
	WH_AUTO_FREE char *safe = safe_line(what);

	for (size_t i = s->n_moves; i-- > 0;)
		if (wh_streq(s->moves[i].what, safe))
			return &s->moves[i];
	WH_PUSH(s->moves, s->n_moves, s->cap_moves) = (struct wh_progress_move){.what = WH_TAKE_PTR(safe), .start_ns = wh_now_ns()};
	return &s->moves[s->n_moves - 1];
}

void wh_progress_transfer(struct wh_progress *p, unsigned id, const char *what, uint64_t done, uint64_t total)
{
	struct wh_progress_step *s;
	struct wh_progress_move *m;

	if (!enter(p))
		return;
	s = own_step(p, id);
	m = s && s->running ? move_of(s, what) : NULL;
	if (m && !(m->ended && done == total)) { /* which is said twice now and then */
		m->done = done;
		m->total = total;
		m->ended = total && done == total;
		p->view->move(p, s, m);
	}
	leave(p);
}

void wh_progress_tell(void *row, const json_t *note)
{
	const struct wh_progress_row *r = row;
	const char *what = wh_json_str(note, "what");

	if (what)
		wh_progress_transfer(r->progress, r->id, what, (uint64_t)wh_json_int(note, "done", 0), (uint64_t)wh_json_int(note, "total", 0));
}

void wh_progress_end(struct wh_progress *p, unsigned id, const struct wh_err *err)
{
	struct wh_progress_step *s;

	if (!enter(p))
		return;
	s = own_step(p, id);
	if (s)
		end(p, s, !err ? WH_PROGRESS_DONE : err->sys == ECANCELED ? WH_PROGRESS_CANCELED : WH_PROGRESS_ERROR,
		    wh_now_ns() - s->start_ns, err);
	leave(p);
}

void wh_progress_list(struct wh_progress *p, const char *title, const struct wh_strv *lines)
{
	if (!enter(p))
		return;
	p->view->list(p, title, lines);
	leave(p);
}

void wh_progress_notes(struct wh_progress *p, const struct wh_err *notes)
{
	if (!enter(p))
		return;
	for (; notes; notes = notes->next) {
		struct wh_err one = *notes;

		one.next = NULL;
		p->view->block(p, &one);
	}
	leave(p);
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
	enter(p);
	p->view->say(p, true, text.p ? text.p : "");
	leave(p);
}
