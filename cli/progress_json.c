/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress as BuildKit's SolveStatus, one JSON object a line, as `docker buildx build --progress=rawjson` prints it:
 *
 *   {"vertexes":[{"digest":"sha256:…","inputs":["sha256:…"],"name":"[2/5] RUN make","started":TIME,"completed":TIME,"cached":true,"error":"…"}]}
 *   {"statuses":[{"id":"layer sha256:…","vertex":"sha256:…","total":29100000,"current":12600000,"timestamp":TIME,"started":TIME,"completed":TIME}]}
 *   {"logs":[{"vertex":"sha256:…","stream":1,"data":"BASE64","timestamp":TIME}]}
 *   {"warnings":[{"level":1,"short":"BASE64","detail":["BASE64"]}]}
 *
 * Empty fields are left out, times are those of RFC 3339 with up to nine places, UTC. A note in a step is a status that has nothing to
 * count. What is about the build as a whole is a warning without a vertex: level 1, or, for a note, none. A step that was
 * canceled has the error "context canceled", by which BuildKit's readers know it.
 */
#include "cli/progress_view.h"

#include <sodium.h>
#include <time.h>

static void add_time(const struct wh_progress *p, struct wh_buf *out, uint64_t mono_ns)
{
	uint64_t ns = mono_ns + p->clock;
	time_t seconds = (time_t)(ns / 1000000000U);
	unsigned rest = (unsigned)(ns % 1000000000U);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "\"%Y-%m-%dT%H:%M:%S", &tm);
	wh_buf_adds(out, text);
	if (rest) {
		int n = snprintf(text, sizeof(text), ".%09u", rest);

		while (text[n - 1] == '0')
			n--;
		wh_buf_add(out, text, (size_t)n);
	}
	wh_buf_adds(out, "Z\"");
}

/* Text that is good UTF-8. */
static void add_text(struct wh_buf *out, const char *text)
{
	wh_buf_addc(out, '"');
	for (const char *s = text; *s; s++) {
		if (*s == '"' || *s == '\\')
			wh_buf_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			wh_buf_addf(out, "\\u%04x", (unsigned)*s);
		else
			wh_buf_addc(out, *s);
	}
	wh_buf_addc(out, '"');
}

static void add_base64(struct wh_buf *out, const char *p, size_t n)
{
	size_t room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
	WH_AUTO_FREE char *text = wh_malloc(room);

	sodium_bin2base64(text, room, (const unsigned char *)p, n, sodium_base64_VARIANT_ORIGINAL);
	wh_buf_addf(out, "\"%s\"", text);
}

static void send(struct wh_progress *p, struct wh_buf *line, bool may_drop)
{
	wh_buf_adds(line, "}]}\n");
	p->emit(p, line->p, line->n, may_drop);
}

/* ---------------------------------------------------------------- vertexes */

static void begin_vertex(struct wh_buf *out, const struct wh_progress_step *s)
{
	wh_buf_addf(out, "{\"vertexes\":[{\"digest\":\"%s\"", s->digest);
	if (s->inputs)
		wh_buf_addf(out, ",\"inputs\":%s", s->inputs);
	wh_buf_adds(out, ",\"name\":");
	add_text(out, s->name);
}

static void title(struct wh_progress *p, const char *text)
{
	WH_AUTO_FREE char *line = wh_asprintf("T%s\n", text);

	if (p->pipe && !p->finished)
		p->emit(p, line, strlen(line), false);
}

static void known(struct wh_progress *p, const struct wh_progress_step *s)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	begin_vertex(&out, s);
	send(p, &out, false);
}

static void start(struct wh_progress *p, struct wh_progress_step *s)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	begin_vertex(&out, s);
	wh_buf_adds(&out, ",\"started\":");
	add_time(p, &out, s->start_ns);
	send(p, &out, false);
}

static void end(struct wh_progress *p, struct wh_progress_step *s, enum wh_progress_end how, uint64_t ns, const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT, text = WH_BUF_INIT;

	begin_vertex(&out, s);
	wh_buf_adds(&out, ",\"started\":");
	add_time(p, &out, s->start_ns);
	wh_buf_adds(&out, ",\"completed\":");
	add_time(p, &out, s->start_ns + ns);
	if (how == WH_PROGRESS_CACHED)
		wh_buf_adds(&out, ",\"cached\":true");
	if (how == WH_PROGRESS_CANCELED)
		wh_buf_adds(&out, ",\"error\":\"context canceled\"");
	if (how == WH_PROGRESS_ERROR) {
		wh_text_add_short(&text, err && err->msg && *err->msg ? err->msg : "failed");
		if (err && err->log && !p->pipe) {
			wh_buf_adds(&text, "; full log: ");
			wh_text_add_safe(&text, err->log, strlen(err->log));
		}
		wh_buf_adds(&out, ",\"error\":");
		add_text(&out, text.p);
	}
	send(p, &out, false);
}

/* ---------------------------------------------------------------- statuses and logs */

static void add_status(struct wh_buf *out, const struct wh_progress_step *s, const char *id)
{
	wh_buf_adds(out, "{\"statuses\":[{\"id\":");
	add_text(out, id);
	wh_buf_addf(out, ",\"vertex\":\"%s\"", s->digest);
}

static void note(struct wh_progress *p, struct wh_progress_step *s, const char *text)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT, safe = WH_BUF_INIT;
	uint64_t now = wh_now_ns();

	wh_text_add_short(&safe, text);
	add_status(&out, s, safe.n ? safe.p : "");
	wh_buf_adds(&out, ",\"current\":0,\"timestamp\":");
	add_time(p, &out, now);
	wh_buf_adds(&out, ",\"started\":");
	add_time(p, &out, now);
	wh_buf_adds(&out, ",\"completed\":");
	add_time(p, &out, now);
	send(p, &out, false);
}

static void move(struct wh_progress *p, struct wh_progress_step *s, struct wh_progress_move *m)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	uint64_t now = wh_now_ns();
	bool first = !m->told_ns;

	add_status(&out, s, m->what);
	if (m->total)
		wh_buf_addf(&out, ",\"total\":%llu", (unsigned long long)m->total);
	wh_buf_addf(&out, ",\"current\":%llu,\"timestamp\":", (unsigned long long)m->done);
	add_time(p, &out, now);
	wh_buf_adds(&out, ",\"started\":");
	add_time(p, &out, m->start_ns);
	if (m->ended) {
		wh_buf_adds(&out, ",\"completed\":");
		add_time(p, &out, now);
	}
	m->told_ns = now;
	send(p, &out, !first && !m->ended);
}

static void add_log(struct wh_progress *p, struct wh_progress_step *s, int stream, const char *data, size_t n)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	if (!n)
		return;
	wh_buf_addf(&out, "{\"logs\":[{\"vertex\":\"%s\",\"stream\":%d,\"data\":", s->digest, stream);
	add_base64(&out, data, n);
	wh_buf_adds(&out, ",\"timestamp\":");
	add_time(p, &out, wh_now_ns());
	send(p, &out, true);
}

/* ---------------------------------------------------------------- warnings */

static void begin_warning(struct wh_buf *out, bool warning, const char *text, size_t n)
{
	wh_buf_adds(out, warning ? "{\"warnings\":[{\"level\":1,\"short\":" : "{\"warnings\":[{\"short\":");
	add_base64(out, text, n);
}

/* Below the last frame of the live view people read on in plain lines. */
static bool over(const struct wh_progress *p)
{
	return p->pipe && p->finished;
}

static void say(struct wh_progress *p, bool warning, const char *text)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT, safe = WH_BUF_INIT;

	if (over(p)) {
		wh_progress_plain.say(p, warning, text);
		return;
	}
	wh_text_add_short(&safe, text);
	begin_warning(&out, warning, safe.p ? safe.p : "", safe.n);
	send(p, &out, false);
}

static void list(struct wh_progress *p, const char *heading, const struct wh_strv *lines)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	if (over(p)) {
		wh_progress_plain.list(p, heading, lines);
		return;
	}
	begin_warning(&out, true, heading, strlen(heading));
	for (size_t i = 0; i < lines->n; i++) {
		WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

		wh_text_add_short(&safe, lines->v[i]);
		wh_buf_adds(&out, i ? "," : ",\"detail\":[");
		add_base64(&out, safe.p ? safe.p : "", safe.n);
	}
	wh_buf_adds(&out, lines->n ? "]" : "");
	send(p, &out, false);
}

/* Its first line, and those below. */
static void block(struct wh_progress *p, const struct wh_err *one)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, out = WH_BUF_INIT;
	const size_t label = strlen("note: ");
	const char *line;
	size_t n, k = 0;

	if (over(p)) {
		wh_progress_plain.block(p, one);
		return;
	}
	wh_note_format(one, false, &text);
	line = text.p + label;
	n = strcspn(line, "\n");
	begin_warning(&out, false, line, n);
	for (line += n + (line[n] == '\n'); *line; line += n + (line[n] == '\n'), k++) {
		n = strcspn(line, "\n");
		wh_buf_adds(&out, k ? "," : ",\"detail\":[");
		add_base64(&out, line, n);
	}
	wh_buf_adds(&out, k ? "]" : "");
	send(p, &out, false);
}

static void finish(struct wh_progress *p)
{
	if (p->pipe)
		wh_progress_pipe_finish(p->pipe);
}

const struct wh_progress_view wh_progress_json = {
	.title = title,
	.known = known,
	.start = start,
	.log = add_log,
	.note = note,
	.move = move,
	.end = end,
	.say = say,
	.list = list,
	.block = block,
	.finish = finish,
};
