/* SPDX-License-Identifier: Apache-2.0 */
/* What the live view has heard. */
#include "cli/progress_screen.h"

#include <sodium.h>
#include <time.h>

#define SAMPLE_NS ((int64_t)400 * 1000 * 1000)
#define SOON_NS ((int64_t)300 * 1000 * 1000)
#define LINE_MAX_BYTES ((size_t)1024) /* of a log's line */
#define TAIL ((size_t)16 * 1024)      /* of one piece of a log */
#define MOVES_MAX ((size_t)2000)
#define WORDS_MAX ((size_t)1000)

/* ---------------------------------------------------------------- fields */

static int64_t time_of(const json_t *o, const char *key)
{
	const char *text = wh_json_str(o, key), *p;
	int64_t ns = 0, unit = 100000000;
	struct tm tm = {0};
	time_t seconds;

	p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!p)
		return 0;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += (*p - '0') * unit;
	seconds = timegm(&tm);
	if ((*p == '+' || *p == '-') && strlen(p) == 6 && p[3] == ':') {
		int minutes = ((p[1] - '0') * 10 + p[2] - '0') * 60 + (p[4] - '0') * 10 + p[5] - '0';

		seconds += *p == '+' ? -60 * minutes : 60 * minutes;
	}
	return (int64_t)seconds * 1000000000 + ns;
}

static char *safe_text(const char *text)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_text_add_safe(&out, text, strlen(text));
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] == '\t')
			out.p[i] = ' ';
	return out.n ? wh_buf_take(&out) : wh_strdup("");
}

static void set_text(char **slot, const char *text)
{
	free(*slot);
	*slot = text ? safe_text(text) : NULL;
}

/* malloc'ed; NULL: no base64. */
static char *bytes_of(const char *b64, size_t *ret_n)
{
	size_t n = b64 ? strlen(b64) : 0;
	WH_AUTO_FREE char *out = wh_malloc(n + 1);

	if (!b64 || sodium_base642bin((unsigned char *)out, n, b64, n, NULL, ret_n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return NULL;
	out[*ret_n] = '\0';
	return WH_TAKE_PTR(out);
}

/* ---------------------------------------------------------------- steps */

static struct wh_screen_step *find(const struct wh_screen *s, const char *digest)
{
	for (size_t i = s->n_started; digest && i-- > 0;) /* the newest is the likeliest */
		if (strcmp(s->steps[i]->digest, digest) == 0)
			return s->steps[i];
	for (size_t i = s->n_started; digest && i < s->n; i++)
		if (strcmp(s->steps[i]->digest, digest) == 0)
			return s->steps[i];
	return NULL;
}

/* Behind those that started before. */
static void move_up(struct wh_screen *s, const struct wh_screen_step *step)
{
	for (size_t i = s->n_started; i < s->n; i++) {
		struct wh_screen_step *found = s->steps[i];

		if (found != step)
			continue;
		memmove(&s->steps[s->n_started + 1], &s->steps[s->n_started], (i - s->n_started) * sizeof(*s->steps));
		s->steps[s->n_started++] = found;
		return;
	}
}

static bool take_vertex(struct wh_screen *s, const json_t *o)
{
	const char *digest = wh_json_str(o, "digest"), *name = wh_json_str(o, "name");
	struct wh_screen_step *step = find(s, digest);
	int64_t start = time_of(o, "started");

	if (!digest)
		return false;
	if (!step) {
		step = wh_calloc(1, sizeof(*step));
		step->digest = wh_strdup(digest);
		WH_PUSH(s->steps, s->n, s->cap) = step;
	}
	if (name)
		set_text(&step->name, name);
	if (!start)
		return true;
	if (!step->start_ns)
		move_up(s, step);
	if (!s->start_ns || start < s->start_ns)
		s->start_ns = start;
	step->start_ns = start;
	step->end_ns = time_of(o, "completed");
	step->cached = json_is_true(json_object_get(o, "cached"));
	set_text(&step->error, wh_json_str(o, "error"));
	return true;
}

/* ---------------------------------------------------------------- statuses */

static void sample(struct wh_screen_move *m, int64_t ns, uint64_t current)
{
	if (m->n_samples && m->samples[m->n_samples - 1].current > current)
		m->n_samples = 0; /* from the beginning again */
	if (m->n_samples && ns - m->samples[m->n_samples - 1].ns < SAMPLE_NS)
		return;
	if (m->n_samples == WH_SCREEN_SAMPLES)
		memmove(m->samples, m->samples + 1, --m->n_samples * sizeof(*m->samples));
	m->samples[m->n_samples++] = (struct wh_screen_sample){ns, current};
}

double wh_screen_rate(const struct wh_screen_move *m, int64_t now_ns)
{
	int64_t took;

	if (!m->n_samples)
		return 0;
	took = now_ns - m->samples[0].ns;
	if (took < SOON_NS || m->current < m->samples[0].current)
		return 0;
	return (double)(m->current - m->samples[0].current) / ((double)took / 1e9);
}

static bool take_status(struct wh_screen *s, const json_t *o)
{
	struct wh_screen_step *step = find(s, wh_json_str(o, "vertex"));
	const char *id = wh_json_str(o, "id");
	WH_AUTO_FREE char *safe = id ? safe_text(id) : NULL;
	struct wh_screen_move *m = NULL;

	if (!step || !id)
		return false;
	for (size_t i = step->n_moves; i-- > 0 && !m;)
		if (strcmp(step->moves[i].id, safe) == 0)
			m = &step->moves[i];
	if (!m && step->n_moves == MOVES_MAX)
		return false;
	if (!m) {
		WH_PUSH(step->moves, step->n_moves, step->cap_moves) = (struct wh_screen_move){.id = WH_TAKE_PTR(safe)};
		m = &step->moves[step->n_moves - 1];
	}
	m->current = (uint64_t)wh_json_int(o, "current", 0);
	m->total = (uint64_t)wh_json_int(o, "total", 0);
	m->start_ns = time_of(o, "started");
	m->end_ns = time_of(o, "completed");
	sample(m, time_of(o, "timestamp"), m->current);
	return true;
}

/* ---------------------------------------------------------------- logs */

static void add_line(struct wh_screen_step *step, const char *p, size_t n)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;
	size_t from;

	while (n && p[n - 1] == '\r')
		n--;
	/* What a carriage return is followed by is what is seen. */
	for (from = n; from > 0 && p[from - 1] != '\r'; from--)
		;
	p += from;
	n -= from;
	wh_text_add_output(&safe, p, n < LINE_MAX_BYTES ? n : LINE_MAX_BYTES, false);
	if (step->n_log == WH_SCREEN_LOGS) {
		free(step->log[0]);
		memmove(step->log, step->log + 1, --step->n_log * sizeof(*step->log));
	}
	step->log[step->n_log++] = safe.n ? wh_buf_take(&safe) : wh_strdup("");
}

static void add_part(struct wh_buf *part, const char *p, size_t n)
{
	if (n > TAIL) {
		p += n - TAIL;
		n = TAIL;
	}
	if (part->n + n > TAIL)
		wh_buf_reset(part); /* a line without end */
	wh_buf_add(part, p, n);
}

static bool take_log(struct wh_screen *s, const json_t *o)
{
	struct wh_screen_step *step = find(s, wh_json_str(o, "vertex"));
	WH_AUTO_FREE char *data = NULL;
	struct wh_buf *part;
	const char *p, *end;
	size_t n = 0;

	data = step ? bytes_of(wh_json_str(o, "data"), &n) : NULL;
	if (!data)
		return false;
	part = &step->part[wh_json_int(o, "stream", 1) == 2];
	p = data;
	if (n > TAIL) { /* more than is ever shown */
		p += n - TAIL;
		n = TAIL;
		wh_buf_reset(part);
	}
	while (n && (end = memchr(p, '\n', n))) {
		size_t len = (size_t)(end - p);

		if (part->n) {
			add_part(part, p, len);
			add_line(step, part->p, part->n);
			wh_buf_reset(part);
		} else {
			add_line(step, p, len);
		}
		p += len + 1;
		n -= len + 1;
	}
	if (n)
		add_part(part, p, n);
	return true;
}

/* ---------------------------------------------------------------- warnings */

static void add_decoded(struct wh_buf *out, const char *b64)
{
	size_t n = 0;
	WH_AUTO_FREE char *text = bytes_of(b64, &n);

	if (text)
		wh_text_add_safe(out, text, n);
}

static bool take_warning(struct wh_screen *s, const json_t *o)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	const json_t *detail = json_object_get(o, "detail"), *line;
	bool warning = wh_json_int(o, "level", 0) > 0, list = warning && json_array_size(detail);
	size_t i;

	if (s->n_words == WORDS_MAX)
		return false;
	wh_buf_adds(&out, list ? "" : warning ? "warning: " : "note: ");
	add_decoded(&out, wh_json_str(o, "short"));
	wh_buf_addc(&out, '\n');
	json_array_foreach (detail, i, line) {
		wh_buf_adds(&out, list ? " - " : "");
		add_decoded(&out, json_string_value(line));
		wh_buf_addc(&out, '\n');
	}
	WH_PUSH(s->words, s->n_words, s->cap_words) = (struct wh_screen_words){wh_buf_take(&out), warning};
	return false; /* nothing to be seen yet */
}

/* ---------------------------------------------------------------- lines */

static bool take_each(struct wh_screen *s, const json_t *o, const char *key, bool (*fn)(struct wh_screen *s, const json_t *o))
{
	const json_t *list = json_object_get(o, key), *one;
	bool changed = false;
	size_t i;

	json_array_foreach (list, i, one)
		changed |= fn(s, one);
	return changed;
}

bool wh_screen_take(struct wh_screen *s, const char *line, size_t n)
{
	WH_AUTO_JSON json_t *o = NULL;
	bool changed;

	if (n && line[0] == 'T') {
		free(s->title);
		s->title = wh_strndup(line + 1, n - 1);
		return true;
	}
	if (n && line[0] == 'F') {
		s->failed = true;
		return true;
	}
	if (!n || wh_json_parse(line, n, "status", &o, NULL) < 0)
		return false;
	changed = take_each(s, o, "vertexes", take_vertex);
	changed |= take_each(s, o, "statuses", take_status);
	changed |= take_each(s, o, "logs", take_log);
	changed |= take_each(s, o, "warnings", take_warning);
	return changed;
}

bool wh_screen_runs(const struct wh_screen *s)
{
	for (size_t i = 0; i < s->n_started; i++)
		if (!s->steps[i]->end_ns)
			return true;
	return false;
}

static void step_free(struct wh_screen_step *step)
{
	free(step->digest);
	free(step->name);
	free(step->error);
	for (size_t i = 0; i < step->n_moves; i++)
		free(step->moves[i].id);
	free(step->moves);
	for (size_t i = 0; i < step->n_log; i++)
		free(step->log[i]);
	wh_buf_release(&step->part[0]);
	wh_buf_release(&step->part[1]);
	free(step);
}

void wh_screen_release(struct wh_screen *s)
{
	for (size_t i = 0; i < s->n; i++)
		step_free(s->steps[i]);
	free(s->steps);
	for (size_t i = 0; i < s->n_words; i++)
		free(s->words[i].text);
	free(s->words);
	free(s->title);
	*s = (struct wh_screen){0};
}
