/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the live view looks: what was heard → lines.
 *
 * When there is less room than there are lines, they are given away in this order: steps that run, steps that failed, transfers under way, the
 * logs of steps that run (line by line, the newest first), what else is known of those, steps that are over, the newest first, what is known
 * of them. What is left stands in the order of the steps.
 */
#include "base/rune.h"
#include "cli/progress_screen.h"
#include "cli/progress_view.h"

#define TAB 8
#define NARROW 60u /* columns; below, less is written around what matters */

/* ---------------------------------------------------------------- the look */

static bool says_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* SGR parameters for a colour's name or its "R,G,B". */
static bool colour_of(struct wh_str word, char out[24])
{
	static const char *const names[] = {"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"};
	bool light = word.n > 6 && memcmp(word.p, "light-", 6) == 0;
	unsigned c[3];
	char text[16], end;

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		if (wh_str_eq(light ? (struct wh_str){word.p + 6, word.n - 6} : word, names[i])) {
			snprintf(out, 24, "%zu", (light ? 90 : 30) + i);
			return true;
		}
	}
	if (word.n >= sizeof(text))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	if (sscanf(text, "%3u,%3u,%3u%c", &c[0], &c[1], &c[2], &end) != 3 || c[0] > 255 || c[1] > 255 || c[2] > 255)
		return false;
	snprintf(out, 24, "38;2;%u;%u;%u", c[0], c[1], c[2]);
	return true;
}

/* "run=green:warning=yellow:error=red:cancel=255,165,0"; what makes no sense is passed over. */
static void take_colours(struct wh_screen_look *l, const char *text)
{
	static const char *const names[] = {"run", "cancel", "warning", "error"};

	while (*text) {
		size_t n = strcspn(text, ":"), key = strcspn(text, "=");

		for (size_t i = 0; i < WH_ARRAY_SIZE(names) && key < n; i++)
			if (wh_str_eq((struct wh_str){text, key}, names[i]))
				colour_of((struct wh_str){text + key + 1, n - key - 1}, l->colour[i]);
		text += n + (text[n] == ':');
	}
}

void wh_screen_look_init(struct wh_screen_look *l)
{
	const char *no_color = getenv("NO_COLOR"), *colours = getenv("BUILDKIT_COLORS");

	*l = (struct wh_screen_look){
		.columns = 80, .rows = 24, .utf8 = says_utf8(), .colours = !(no_color && *no_color), .colour = {"34", "33", "33", "31"}};
	if (colours)
		take_colours(l, colours);
}

/* ---------------------------------------------------------------- one line */

struct line {
	const struct wh_screen_look *look;
	struct wh_buf b;
	unsigned used, width; /* columns */
};

/* A character as this terminal can show it. Returns its columns. */
static unsigned put_rune(struct line *l, const char *p, size_t n, uint32_t r, struct wh_buf *out)
{
	unsigned columns = wh_rune_columns(r);

	if (r < 0x80) {
		wh_buf_add(out, p, n);
		return 1;
	}
	if (l->look->utf8) {
		wh_buf_add(out, p, n);
		return columns;
	}
	if (r == 0x2026) { /* … */
		wh_buf_adds(out, "...");
		return 3;
	}
	if (columns)
		wh_buf_addc(out, '?');
	return columns ? 1 : 0;
}

/* Safe text with its tabs made blanks, as this terminal has it: the columns it takes. */
static unsigned shown(struct line *l, const char *text, struct wh_buf *out)
{
	size_t n = strlen(text), w;
	unsigned columns = 0;

	for (size_t i = 0; i < n; i += w) {
		uint32_t r = wh_rune(text + i, n - i, &w);

		if (r == '\t') {
			do
				wh_buf_addc(out, ' ');
			while (++columns % TAB);
		} else {
			columns += put_rune(l, text + i, w, r, out);
		}
	}
	return columns;
}

/* As much of the text as has room in so many columns; where something is cut, it is seen. */
static void put(struct line *l, const char *text, unsigned room)
{
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	const char *mark = l->look->utf8 ? "…" : "...";
	unsigned mark_columns = l->look->utf8 ? 1 : 3, columns = shown(l, text, &all), at = 0;
	size_t w;

	if (room > l->width - l->used)
		room = l->width - l->used;
	if (columns <= room) {
		wh_buf_add(&l->b, all.p, all.n);
		l->used += columns;
		return;
	}
	if (room < mark_columns + 3)
		mark_columns = 0;
	for (size_t i = 0; i < all.n; i += w) {
		unsigned one = wh_rune_columns(wh_rune(all.p + i, all.n - i, &w));

		if (at + one > room - mark_columns)
			break;
		wh_buf_add(&l->b, all.p + i, w);
		at += one;
	}
	if (mark_columns)
		wh_buf_adds(&l->b, mark);
	l->used += at + mark_columns;
}

static void blanks_to(struct line *l, unsigned column)
{
	for (; l->used < column; l->used++)
		wh_buf_addc(&l->b, ' ');
}

static unsigned min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Left, and right at the edge; the left one gives way, but for a few columns. */
static void put_both(struct line *l, const char *left, const char *right)
{
	unsigned n = (unsigned)strlen(right), room = l->width - l->used;

	put(l, left, room > n + 1 + min_of(8, room) ? room - n - 1 : room > n + 1 ? room - n - 1 : room);
	if (l->used + n + 1 <= l->width) {
		blanks_to(l, l->width - n);
		wh_buf_adds(&l->b, right);
		l->used = l->width;
	}
}

static struct line begin(const struct wh_screen_look *look)
{
	return (struct line){.look = look, .width = look->columns > 1 ? look->columns - 1 : 1};
}

/* sgr NULL: as it is. */
static void end(struct line *l, const char *sgr, struct wh_frame *f)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (sgr && l->look->colours)
		wh_buf_addf(&text, "\033[%sm", sgr);
	wh_buf_add(&text, l->b.p, l->b.n);
	if (sgr && l->look->colours)
		wh_buf_adds(&text, "\033[0m");
	WH_PUSH(f->v, f->n, f->cap) = (struct wh_frame_line){text.n ? wh_buf_take(&text) : wh_strdup(""), l->used};
	wh_buf_release(&l->b);
}

/* ---------------------------------------------------------------- the lines there are */

static double seconds(int64_t from, int64_t to)
{
	double s = (double)(to - from) / 1e9;

	return s < 0.05 ? 0 : s;
}

static bool canceled(const struct wh_screen_step *s)
{
	const char *how = "context canceled";
	size_t n = s->error ? strlen(s->error) : 0;

	return n >= strlen(how) && strcmp(s->error + n - strlen(how), how) == 0;
}

static bool failed(const struct wh_screen_step *s)
{
	return s->end_ns && s->error && !canceled(s);
}

static void draw_head(const struct wh_screen *s, int64_t now, const struct wh_screen_look *l, struct wh_frame *f)
{
	WH_AUTO_FREE char *text = NULL;
	size_t done = 0, all = l->final && !s->failed ? s->n_started : s->n;
	bool bad = false, stopped = false;
	struct line line = begin(l);
	const char *how = "";

	for (size_t i = 0; i < s->n_started; i++) {
		done += s->steps[i]->end_ns != 0;
		bad |= failed(s->steps[i]);
		stopped |= canceled(s->steps[i]) || !s->steps[i]->end_ns;
	}
	bad |= s->failed && !stopped;
	if (l->final)
		how = bad ? " FAILED" : stopped ? " CANCELED" : " FINISHED";
	text = wh_asprintf("%s%s %.1fs (%zu/%zu)%s", l->columns < 30 ? "" : "[+] ", s->title ? s->title : "Building",
			   s->start_ns ? seconds(s->start_ns, now) : 0.0, done, all, how);
	put(&line, text, line.width);
	end(&line, NULL, f);
}

static void draw_step(const struct wh_screen_step *s, int64_t now, const struct wh_screen_look *l, struct wh_frame *f)
{
	WH_AUTO_FREE char *time = wh_asprintf("%.1fs", seconds(s->start_ns, s->end_ns ? s->end_ns : now));
	bool bad = failed(s), stopped = s->end_ns && canceled(s);
	struct line line = begin(l);
	WH_AUTO_FREE char *name =
		wh_asprintf("%s%s", bad ? "ERROR " : stopped ? "CANCELED " : s->end_ns && s->cached ? "CACHED " : "", s->name ? s->name : "");

	put(&line, " => ", 4);
	put_both(&line, name, time);
	end(&line, !s->end_ns ? NULL : bad ? l->colour[WH_COLOUR_ERROR] : l->colour[stopped ? WH_COLOUR_CANCEL : WH_COLOUR_RUN], f);
}

static const char *in_step(const struct wh_screen_look *l)
{
	return l->columns < NARROW ? "  > " : " => => ";
}

/* "layer sha256:9834876dcfb05cb1…": of a digest twelve digits are enough. */
static char *short_id(const char *id)
{
	const char *at = strstr(id, "sha256:");
	size_t n = at ? strspn(at + 7, "0123456789abcdef") : 0;

	if (n < 12)
		return wh_strdup(id);
	at += 7;
	return wh_asprintf("%.*s%.12s%s", (int)(at - 7 - id), id, at, wh_has_prefix(at + n, "…") ? at + n + strlen("…") : at + n);
}

static char *sizes_of(const struct wh_screen_move *m, int width)
{
	WH_AUTO_FREE char *now = wh_progress_bytes(m->current);
	WH_AUTO_FREE char *all = wh_progress_bytes(m->total);
	WH_AUTO_FREE char *both = m->total ? wh_asprintf("%s / %s", now, all) : wh_asprintf("%s", now);

	return wh_asprintf("%*s", width, both);
}

/* "2s left" */
static char *rest_of(const struct wh_screen_move *m, double rate)
{
	double left = rate > 0 && m->total > m->current ? (double)(m->total - m->current) / rate : -1;

	if (left < 0 || left > 100.0 * 3600)
		return wh_strdup("");
	if (left < 99.5)
		return wh_asprintf("%.0fs left", left < 1 ? 1 : left);
	return left < 99.5 * 60 ? wh_asprintf("%.0fm left", left / 60) : wh_asprintf("%.0fh left", left / 3600);
}

static void add_bar(struct wh_buf *out, const struct wh_screen_move *m, unsigned inside)
{
	double part = m->total && m->current < m->total ? (double)m->current / (double)m->total : 1;
	unsigned full = (unsigned)(part * inside);

	wh_buf_addc(out, '[');
	for (unsigned i = 0; i < inside; i++)
		wh_buf_addc(out, i + 1 == full && full < inside ? '>' : i < full ? '=' : ' ');
	wh_buf_adds(out, "] ");
}

/* What there is room for, beside the name: how much of it; how fast; how long it will take; a bar. */
static char *figures_of(const struct wh_screen_move *m, int64_t now, unsigned room)
{
	enum { SIZES = 17, RATE = 10, REST = 9, BAR_LEAST = 8, BAR_MOST = 30, AROUND = 3 };
	double rate = wh_screen_rate(m, now);
	WH_AUTO_FREE char *per_second = wh_progress_bytes((uint64_t)rate);
	WH_AUTO_FREE char *rest = rest_of(m, rate);
	WH_AUTO_FREE char *sizes = sizes_of(m, m->total && room >= SIZES + REST ? SIZES : 0);
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	if (!m->total && room >= SIZES + RATE && rate > 0)
		return wh_asprintf("%s  %s/s", sizes, per_second);
	if (!m->total)
		return WH_TAKE_PTR(sizes);
	if (room < strlen(sizes))
		return wh_asprintf("%.0f%%", 100.0 * (double)m->current / (double)m->total);
	wh_buf_addf(&out, "%s ", sizes);
	if (room >= SIZES + RATE + REST + BAR_LEAST + AROUND)
		add_bar(&out, m, min_of(room - (SIZES + RATE + REST + AROUND), BAR_MOST));
	if (room >= SIZES + RATE + REST && rate > 0)
		wh_buf_addf(&out, "%*s/s ", RATE - 3, per_second);
	else if (room >= SIZES + RATE + REST)
		wh_buf_addf(&out, "%*s", RATE, "");
	if (room >= SIZES + REST)
		wh_buf_addf(&out, "%*s", REST - 1, rest);
	while (out.n && out.p[out.n - 1] == ' ' && room < SIZES + REST)
		out.p[--out.n] = '\0';
	return wh_buf_take(&out);
}

static void draw_move(const struct wh_screen_move *m, int64_t now, const struct wh_screen_look *l, struct wh_frame *f)
{
	struct line line = begin(l);
	WH_AUTO_FREE char *id = short_id(m->id);
	WH_AUTO_FREE char *right = NULL;
	WH_AUTO_BUF struct wh_buf dummy = WH_BUF_INIT;
	unsigned name = shown(&line, id, &dummy), room;

	put(&line, in_step(l), 8);
	room = line.width - line.used;
	if (m->end_ns && !m->current && !m->total) {
		right = wh_asprintf("%.1fs", seconds(m->start_ns, m->end_ns));
	} else if (m->end_ns) {
		WH_AUTO_FREE char *sizes = sizes_of(m, 0);

		right = wh_asprintf(room >= name + 26 ? "%s %6.1fs" : "%s", sizes, seconds(m->start_ns, m->end_ns));
	} else {
		right = figures_of(m, now, room > name + 1 ? room - name - 1 : 0);
	}
	put_both(&line, id, right);
	end(&line, m->end_ns ? l->colour[WH_COLOUR_RUN] : NULL, f);
}

static void draw_text(const char *before, const char *text, const char *sgr, const struct wh_screen_look *l, struct wh_frame *f)
{
	struct line line = begin(l);

	put(&line, before, line.width);
	put(&line, text, line.width);
	end(&line, sgr, f);
}

/* ---------------------------------------------------------------- which of them */

struct choice { /* of one step */
	bool step;
	unsigned running_moves, other_moves, logs; /* so many, the newest */
	size_t more; /* transfers that have no line of their own: they have one together */
};

static bool runs(const struct wh_screen_step *s)
{
	return !s->end_ns;
}

static size_t count_moves(const struct wh_screen_step *s, bool running)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_moves; i++)
		n += (s->moves[i].end_ns == 0 && runs(s)) == running;
	return n;
}

static size_t log_lines(const struct wh_screen_step *s)
{
	size_t n = s->n_log + (s->part[0].n != 0) + (s->part[1].n != 0);

	return n < WH_SCREEN_LOGS ? n : WH_SCREEN_LOGS;
}

static void choose_all(const struct wh_screen *s, struct choice *c)
{
	for (size_t i = 0; i < s->n_started; i++)
		c[i] = (struct choice){.step = true, .other_moves = UINT32_MAX, .running_moves = UINT32_MAX};
}

static void choose_running(const struct wh_screen *s, struct choice *c, size_t *left)
{
	size_t least = 0;

	for (size_t i = 0; i < s->n_started && *left; i++) {
		if (runs(s->steps[i])) {
			c[i].step = true;
			--*left;
		}
	}
	for (size_t i = s->n_started; i-- > 0 && *left;) {
		if (failed(s->steps[i])) {
			c[i].step = true;
			--*left;
		}
	}
	for (size_t i = 0; i < s->n_started; i++)
		least += c[i].step && runs(s->steps[i]) && log_lines(s->steps[i]);
	/* Transfers leave a line to each log. */
	for (size_t i = 0; i < s->n_started && *left > least; i++) {
		size_t n = c[i].step ? count_moves(s->steps[i], true) : 0, room = *left - least;

		c[i].running_moves = (unsigned)(n <= room ? n : room - 1);
		c[i].more = n <= room ? 0 : n - (room - 1);
		*left -= n <= room ? n : room;
	}
	for (size_t line = 0; line < WH_SCREEN_LOGS; line++) {
		for (size_t i = 0; i < s->n_started && *left; i++) {
			if (c[i].step && runs(s->steps[i]) && line < log_lines(s->steps[i])) {
				c[i].logs++;
				--*left;
			}
		}
	}
}

static void choose_rest(const struct wh_screen *s, struct choice *c, size_t *left)
{
	for (size_t i = s->n_started; i-- > 0 && *left;) {
		size_t n = runs(s->steps[i]) && c[i].step ? count_moves(s->steps[i], false) : 0;

		c[i].other_moves = (unsigned)(n < *left ? n : *left);
		*left -= c[i].other_moves;
	}
	for (size_t i = s->n_started; i-- > 0 && *left;) {
		if (!c[i].step) {
			c[i].step = true;
			--*left;
		}
	}
	for (size_t i = s->n_started; i-- > 0 && *left;) {
		size_t n = !runs(s->steps[i]) && c[i].step ? count_moves(s->steps[i], false) : 0;

		n = n < *left ? n : *left;
		c[i].other_moves += (unsigned)n;
		*left -= n;
	}
}

/* ---------------------------------------------------------------- the frame */

static void draw_more(const struct wh_screen_step *s, size_t from, size_t n, const struct wh_screen_look *l, struct wh_frame *f)
{
	struct wh_screen_move sum = {0};
	WH_AUTO_FREE char *sizes = NULL;
	WH_AUTO_FREE char *text = wh_asprintf("and %zu more", n);
	struct line line = begin(l);

	for (size_t i = 0, k = 0; i < s->n_moves; i++) {
		if (s->moves[i].end_ns || k++ < from)
			continue;
		sum.current += s->moves[i].current;
		sum.total += s->moves[i].total;
	}
	sizes = sizes_of(&sum, 0);
	put(&line, in_step(l), 8);
	put_both(&line, text, sizes);
	end(&line, NULL, f);
}

static void draw_logs(const struct wh_screen_step *s, unsigned n, const struct wh_screen_look *l, struct wh_frame *f)
{
	const char *before = l->columns < NARROW ? "  # " : " => => # ";
	size_t parts = (s->part[0].n != 0) + (s->part[1].n != 0), skip = s->n_log + parts - n;

	for (size_t i = skip; i < s->n_log; i++)
		draw_text(before, s->log[i], "2", l, f);
	for (size_t i = 0, at = s->n_log; i < 2; i++) {
		WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;
		const struct wh_buf *b = &s->part[i];
		size_t from = b->n, len = b->n;

		if (!b->n || at++ < skip)
			continue;
		while (len && b->p[len - 1] == '\r')
			len--;
		for (from = len; from > 0 && b->p[from - 1] != '\r'; from--)
			;
		len -= from;
		wh_text_add_output(&safe, b->p + from, len < 1024 ? len : 1024, false);
		draw_text(before, safe.n ? safe.p : "", "2", l, f);
	}
}

/* The newest n of those that are over, then the first n of those under way. */
static void draw_moves(const struct wh_screen_step *s, const struct choice *c, int64_t now, const struct wh_screen_look *l, struct wh_frame *f)
{
	size_t others = count_moves(s, false), skip = others > c->other_moves ? others - c->other_moves : 0, running = 0;

	for (size_t i = 0; i < s->n_moves; i++) {
		const struct wh_screen_move *m = &s->moves[i];
		bool going = !m->end_ns && runs(s);

		if (going ? running++ < c->running_moves : skip == 0)
			draw_move(m, now, l, f);
		else if (!going)
			skip--;
	}
	if (c->more)
		draw_more(s, c->running_moves, c->more, l, f);
}

void wh_screen_draw(const struct wh_screen *s, int64_t now_ns, const struct wh_screen_look *l, struct wh_frame *ret)
{
	WH_AUTO_FREE struct choice *c = wh_calloc(s->n_started + 1, sizeof(*c));
	size_t left = l->rows > 2 ? l->rows - 2 : 0, hidden = 0;

	draw_head(s, now_ns, l, ret);
	if (l->final) {
		choose_all(s, c);
	} else {
		size_t running = 0;

		for (size_t i = 0; i < s->n_started; i++)
			running += runs(s->steps[i]);
		if (running > left && left) {
			left--; /* for the line that says so */
			hidden = running - left;
		}
		choose_running(s, c, &left);
		choose_rest(s, c, &left);
	}
	for (size_t i = 0; i < s->n_started; i++) {
		if (!c[i].step)
			continue;
		draw_step(s->steps[i], now_ns, l, ret);
		draw_moves(s->steps[i], &c[i], now_ns, l, ret);
		draw_logs(s->steps[i], c[i].logs, l, ret);
	}
	if (hidden) {
		WH_AUTO_FREE char *text = wh_asprintf("and %zu more", hidden);

		draw_text(" => ", text, NULL, l, ret);
	}
}

void wh_frame_release(struct wh_frame *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct wh_frame){0};
}

void wh_screen_words(const struct wh_screen *s, const struct wh_screen_look *l, struct wh_buf *out)
{
	for (size_t i = 0; i < s->n_words; i++) {
		struct line line = begin(l);
		const char *text = s->words[i].text;
		const char *colour = l->colours && s->words[i].warning ? l->colour[WH_COLOUR_WARNING] : NULL;

		wh_buf_adds(out, "\n");
		while (*text) {
			size_t n = strcspn(text, "\n");
			WH_AUTO_FREE char *one = wh_strndup(text, n);

			if (colour)
				wh_buf_addf(out, "\033[%sm", colour);
			shown(&line, one, out);
			wh_buf_adds(out, colour ? "\033[0m\n" : "\n");
			text += n + (text[n] == '\n');
		}
	}
}
