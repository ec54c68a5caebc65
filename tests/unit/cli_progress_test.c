/* SPDX-License-Identifier: Apache-2.0 */
/* Progress: the objects as BuildKit has them, and how the live view looks, from recorded objects with fixed times. */
#include "cli/progress_screen.h"
#include "cli/progress_view.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>

#define DAY "2026-01-02T03:04:"
#define T0 INT64_C(1767323040000000000) /* DAY "00Z" */

/* ---------------------------------------------------------------- objects */

/* Digests that are made up and times become D and T. */
static char *masked(const char *text)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	for (const char *p = text; *p; p++) {
		if (strncmp(p, "\"20", 3) == 0 && strspn(p + 1, "0123456789-T:.Z") > 18) {
			wh_buf_adds(&out, "T");
			p = strchr(p + 1, '"');
		} else if (strncmp(p, "\"sha256:", 8) == 0 && strspn(p + 8, "0123456789abcdef") == 64 && strncmp(p + 10, "0000000000", 10) != 0) {
			wh_buf_adds(&out, "D");
			p = strchr(p + 1, '"');
		} else {
			wh_buf_addc(&out, *p);
		}
	}
	return out.n ? wh_buf_take(&out) : wh_strdup("");
}

static void objects(void **state)
{
	struct wh_vertex a = {.index = 0, .name = "[1/2] RUN a \"x\"\nb"}, *inputs[] = {&a};
	struct wh_vertex b = {.index = 1, .name = "[2/2] RUN c", .inputs = inputs, .n_inputs = 1};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_ERR struct wh_err *note = NULL;
	WH_AUTO_STRV struct wh_strv lines = {0};
	WH_AUTO_FREE char *text = NULL;
	WH_AUTO_FREE char *plain = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct wh_progress *p = wh_progress_new_json_for(f);
	unsigned id;

	(void)state;
	b.id.b[0] = 0x01; /* a's is all zero */
	wh_err_set(&err, "x", WH_ERR_BUILD, EIO, "exit code: 1");
	wh_err_set(&note, "x", WH_ERR_USAGE, 0, "a slip");
	wh_err_hint(note ? &note : NULL, "mend it");
	wh_strv_add(&lines, "one");
	wh_strv_add(&lines, "two");
	wh_progress_title(p, "Building"); /* for the live view alone */
	wh_progress_event(p, &(struct wh_event){.kind = WH_EV_START, .v = &a});
	wh_progress_event(p, &(struct wh_event){.kind = WH_EV_LOG, .v = &a, .stream = 2, .data = "hi\n\377", .len = 4});
	wh_progress_event(p, &(struct wh_event){.kind = WH_EV_ERROR, .v = &a, .err = err, .ns = 5});
	wh_progress_event(p, &(struct wh_event){.kind = WH_EV_CACHED, .v = &b});
	wh_progress_event(p, &(struct wh_event){.kind = WH_EV_CANCELED, .v = &b});
	id = wh_progress_begin(p, "pull %s", "x");
	wh_progress_note(p, id, "%d bytes", 5);
	wh_progress_transfer(p, id, "layer y", 0, 10);
	wh_progress_transfer(p, id, "layer y", 10, 10);
	wh_progress_transfer(p, id, "layer y", 10, 10); /* said twice */
	wh_progress_transfer(p, id, "layer z", 4, 0);
	wh_progress_end(p, id, NULL);
	wh_progress_transfer(p, id, "layer y", 1, 10); /* too late */
	wh_progress_warn(p, "odd");
	wh_progress_list(p, "found:", &lines);
	wh_progress_notes(p, note);
	wh_progress_free(p);
	fclose(f);
	plain = masked(text);
#define ZERO "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\""
#define ONE "\"sha256:0100000000000000000000000000000000000000000000000000000000000000\""
#define A "{\"vertexes\":[{\"digest\":" ZERO ",\"name\":\"[1/2] RUN a \\\"x\\\" b\",\"started\":T"
#define B "{\"vertexes\":[{\"digest\":" ONE ",\"inputs\":[" ZERO "],\"name\":\"[2/2] RUN c\",\"started\":T"
	assert_string_equal(plain,
			    A "}]}\n"
			    "{\"logs\":[{\"vertex\":" ZERO ",\"stream\":2,\"data\":\"aGkK/w==\",\"timestamp\":T}]}\n"
			    A ",\"completed\":T,\"error\":\"exit code: 1\"}]}\n"
			    B ",\"completed\":T,\"cached\":true}]}\n"
			    B ",\"completed\":T,\"error\":\"context canceled\"}]}\n"
			    "{\"vertexes\":[{\"digest\":D,\"name\":\"pull x\",\"started\":T}]}\n"
			    "{\"statuses\":[{\"id\":\"5 bytes\",\"vertex\":D,\"current\":0,\"timestamp\":T,\"started\":T,\"completed\":T}]}\n"
			    "{\"statuses\":[{\"id\":\"layer y\",\"vertex\":D,\"total\":10,\"current\":0,\"timestamp\":T,\"started\":T}]}\n"
			    "{\"statuses\":[{\"id\":\"layer y\",\"vertex\":D,\"total\":10,\"current\":10,\"timestamp\":T,\"started\":T,\"completed\":T}]}\n"
			    "{\"statuses\":[{\"id\":\"layer z\",\"vertex\":D,\"current\":4,\"timestamp\":T,\"started\":T}]}\n"
			    "{\"statuses\":[{\"id\":\"layer z\",\"vertex\":D,\"current\":4,\"timestamp\":T,\"started\":T,\"completed\":T}]}\n"
			    "{\"vertexes\":[{\"digest\":D,\"name\":\"pull x\",\"started\":T,\"completed\":T}]}\n"
			    "{\"warnings\":[{\"level\":1,\"short\":\"b2Rk\"}]}\n"
			    "{\"warnings\":[{\"level\":1,\"short\":\"Zm91bmQ6\",\"detail\":[\"b25l\",\"dHdv\"]}]}\n"
			    "{\"warnings\":[{\"short\":\"YSBzbGlw\",\"detail\":[\"aGludDogbWVuZCBpdA==\"]}]}\n");
}

static void kinds(void **state)
{
	static const struct {
		const char *word, *env;
		int want; /* -1: refused */
	} table[] = {
		{"auto", "plain", WH_PROGRESS_AUTO}, {"plain", NULL, WH_PROGRESS_PLAIN}, {"tty", NULL, WH_PROGRESS_TTY},
		{"rawjson", NULL, WH_PROGRESS_RAWJSON}, {"quiet", NULL, WH_PROGRESS_QUIET}, {NULL, NULL, WH_PROGRESS_AUTO},
		{NULL, "", WH_PROGRESS_AUTO}, {NULL, "rawjson", WH_PROGRESS_RAWJSON}, {"loud", NULL, -1}, {NULL, "loud", -1}, {"", NULL, -1},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		enum wh_progress_kind kind = WH_PROGRESS_AUTO;

		unsetenv("BUILDKIT_PROGRESS");
		if (table[i].env)
			setenv("BUILDKIT_PROGRESS", table[i].env, 1);
		assert_int_equal(wh_progress_kind_parse(table[i].word, &kind, &err), table[i].want < 0 ? -EINVAL : 0);
		if (table[i].want >= 0)
			assert_int_equal((int)kind, table[i].want);
		else
			assert_non_null(strstr(err->msg, table[i].word ? "--progress" : "BUILDKIT_PROGRESS"));
	}
	unsetenv("BUILDKIT_PROGRESS");
}

static void plain_transfers(void **state)
{
	WH_AUTO_FREE char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct wh_progress *p = wh_progress_new_for(f);
	unsigned id = wh_progress_begin(p, "pull");
	struct wh_progress_row row = {p, id};
	WH_AUTO_JSON json_t *note = json_pack("{s:s, s:i, s:i}", "what", "big\033[2J", "done", 0, "total", 12600000);

	(void)state;
	wh_progress_tell(&row, note);
	wh_progress_transfer(p, id, "small", 0, 500);
	wh_progress_transfer(p, id, "small", 500, 500);
	for (uint64_t i = 0; i <= 12600000; i += 100000)
		wh_progress_transfer(p, id, "big\033[2J", i, 12600000);
	wh_progress_transfer(NULL, id, "x", 1, 2);
	wh_progress_tell(&(struct wh_progress_row){NULL, 0}, note);
	wh_progress_free(p);
	fclose(f);
	assert_string_equal(text, "#1 pull\n#1 big^[[2J 0B / 12.6MB 0.0s\n#1 big^[[2J 12.6MB / 12.6MB 0.0s done\n");
}

static void sizes(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} table[] = {{0, "0B"},		 {999, "999B"},	      {1000, "1.0kB"},	 {999949, "999.9kB"}, {999950, "1.0MB"},
		     {12600000, "12.6MB"}, {29100000000, "29.1GB"}, {UINT64_MAX, "18.4EB"}};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_FREE char *text = wh_progress_bytes(table[i].n);

		assert_string_equal(text, table[i].want);
	}
}

/* ---------------------------------------------------------------- screens */

static void take(struct wh_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void take(struct wh_screen *s, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&line, fmt, ap);
	va_end(ap);
	wh_screen_take(s, line.p, line.n);
}

static void step(struct wh_screen *s, const char *digest, const char *name, double from, double to, const char *more)
{
	if (to >= 0)
		take(s, "{\"vertexes\":[{\"digest\":\"%s\",\"name\":\"%s\",\"started\":\"" DAY "%09.6fZ\",\"completed\":\"" DAY "%09.6fZ\"%s}]}", digest,
		     name, from, to, more);
	else if (from >= 0)
		take(s, "{\"vertexes\":[{\"digest\":\"%s\",\"name\":\"%s\",\"started\":\"" DAY "%09.6fZ\"%s}]}", digest, name, from, more);
	else
		take(s, "{\"vertexes\":[{\"digest\":\"%s\",\"name\":\"%s\"%s}]}", digest, name, more);
}

static void transfer(struct wh_screen *s, const char *digest, const char *id, double at, double mb, double total, bool ended)
{
	char completed[64] = "";

	if (ended)
		snprintf(completed, sizeof(completed), ",\"completed\":\"" DAY "%09.6fZ\"", at);
	take(s, "{\"statuses\":[{\"id\":\"%s\",\"vertex\":\"%s\",\"total\":%.0f,\"current\":%.0f,\"timestamp\":\"" DAY "%09.6fZ\",\"started\":\"" DAY
	     "01Z\"%s}]}", id, digest, total * 1e6, mb * 1e6, at, completed);
}

static void logs(struct wh_screen *s, const char *digest, int stream, const char *b64)
{
	take(s, "{\"logs\":[{\"vertex\":\"%s\",\"stream\":%d,\"data\":\"%s\",\"timestamp\":\"" DAY "02Z\"}]}", digest, stream, b64);
}

/* Steps in every state. */
static void fill(struct wh_screen *s)
{
	*s = (struct wh_screen){0};
	step(s, "w", "[5/5] RUN later", -1, -1, "");
	step(s, "a", "[internal] load build definition from Dockerfile", 0, 0.02, "");
	take(s, "{\"statuses\":[{\"id\":\"265 bytes\",\"vertex\":\"a\",\"current\":0,\"timestamp\":\"" DAY "00Z\",\"started\":\"" DAY
	     "00Z\",\"completed\":\"" DAY "00Z\"}]}");
	step(s, "b", "[build 1/5] FROM debian", 0.5, 0.5, ",\"cached\":true");
	step(s, "c", "[build 2/5] RUN make && echo \\u65e5\\u672c\\u8a9e \\u2026 and a long tail of words that goes on", 1, -1, "");
	logs(s, "c", 1, "b25lCnR3bwp0aHJlZQpmb3VyCmZpdmUKc2l4CnNldmVuCg=="); /* one … seven */
	logs(s, "c", 2, "AQkbWzJKeBtbMzFtcmVkCmJhciAxJQ1iYXIgMiU="); /* ^A, tab, clear, red; a bar that is drawn over */
	step(s, "d", "[internal] pull busybox:1.36", 1, -1, "");
	transfer(s, "d", "config sha256:0123456789ab\\u2026", 1.2, 0.001, 0.001, true);
	transfer(s, "d", "layer sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0", 1, 0, 29.1, false);
	transfer(s, "d", "layer sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0", 2, 6, 29.1, false);
	transfer(s, "d", "layer sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0", 3, 12.6, 29.1, false);
	transfer(s, "d", "layer of no known size", 3, 4, 0, false);
	step(s, "e", "[test 1/2] RUN false", 1, 1.5, ",\"error\":\"exit code: 1\"");
	step(s, "f", "[test 2/2] RUN sleep 9", 1, 2.5, ",\"error\":\"wait: context canceled\"");
}

static char *screen(const struct wh_screen *s, unsigned columns, unsigned rows, bool utf8, bool colours, bool final)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct wh_screen_look look;
	struct wh_frame f = {0};

	wh_screen_look_init(&look);
	look.columns = columns;
	look.rows = rows;
	look.utf8 = utf8;
	look.colours = colours;
	look.final = final;
	wh_screen_draw(s, T0 + INT64_C(3200000000), &look, &f);
	for (size_t i = 0; i < f.n; i++)
		wh_buf_addf(&out, "%s\n", f.v[i].text);
	wh_frame_release(&f);
	return wh_buf_take(&out);
}

static void show(unsigned columns, unsigned rows, bool utf8, bool colours, bool final, const char *text)
{
	printf("@{%u, %u, %d, %d, %d,", columns, rows, utf8, colours, final);
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
		printf("\n@ \"");
		for (const char *c = p; *c != '\n'; c++)
			printf(*c == '\033' ? "\\033" : *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
		printf("\\n\"");
	}
	printf("},\n");
}

static void screens(void **state)
{
	static const struct {
		unsigned columns, rows;
		bool utf8, colours, final;
		const char *want;
	} table[] = {
#include "tests/data/progress/screens.inc"
	};
	struct wh_screen s;

	(void)state;
	fill(&s);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_FREE char *got =
			screen(&s, table[i].columns, table[i].rows, table[i].utf8, table[i].colours, table[i].final);

		/* "SHOW_SCREENS=1 tests/unit/cli_progress_test" prints what the table would hold. */
		if (getenv("SHOW_SCREENS"))
			show(table[i].columns, table[i].rows, table[i].utf8, table[i].colours, table[i].final, got);
		else
			assert_string_equal(got, table[i].want);
	}
	wh_screen_release(&s);
}

/* Without colours: columns as a terminal counts them. */
static void check_frame(const struct wh_screen *s, unsigned columns, unsigned rows, bool utf8)
{
	WH_AUTO_FREE char *text = screen(s, columns, rows, utf8, false, false);
	size_t lines = 0;

	for (const char *p = text; *p; lines++) {
		size_t n = strcspn(p, "\n");

		assert_true(wh_text_columns(p, n) < columns);
		for (size_t i = 0; i < n; i++)
			assert_true((unsigned char)p[i] >= 0x20 && p[i] != 0x7f && (utf8 || (unsigned char)p[i] < 0x80));
		p += n + 1;
	}
	assert_true(lines >= 1 && (lines < rows || rows < 2));
}

/* Whatever is there: no line too long, never too many, and steps that run are seen when there is room for them. */
static void sizes_of_screens(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct wh_screen s = {0};
		unsigned n = 1 + seed % 40, running = 0;

		for (unsigned i = 0; i < n; i++) {
			char digest[16], name[128];
			bool runs;

			seed = seed * 1103515245 + 12345;
			runs = seed >> 16 & 1;
			running += runs;
			snprintf(digest, sizeof(digest), "d%u", i);
			snprintf(name, sizeof(name), "%s%u\\u65e5\\u672c\\u8a9e e\\u0301 \\u001b[2J \\ud83d\\ude00 some words", runs ? "RUNS" : "OVER", i);
			step(&s, digest, name, 1, runs ? -1 : 2, seed >> 17 & 1 ? "" : ",\"cached\":true");
			for (unsigned k = 0; k < (seed >> 18 & 7); k++)
				logs(&s, digest, 1 + (int)(k & 1), "5pel5pys6KqeIGFuZCBtb3JlCWJ5dGVzIP8bWzJKCnBhcnQ=");
			for (unsigned k = 0; k < (seed >> 21 & 15); k++) {
				char id[64];

				snprintf(id, sizeof(id), "layer \\u65e5 %u", k);
				transfer(&s, digest, id, 2, k, 12, k & 1);
			}
		}
		for (unsigned columns = 20; columns < 210; columns += 19) {
			for (unsigned rows = 1; rows < 70; rows += 4) {
				WH_AUTO_FREE char *text = NULL;
				unsigned seen = 0;

				check_frame(&s, columns, rows, round & 1);
				text = screen(&s, columns, rows, true, false, false);
				for (const char *p = text; (p = strstr(p, " => RUNS")); p++)
					seen++;
				if (running + 2 <= rows)
					assert_int_equal(seen, running);
			}
		}
		wh_screen_release(&s);
	}
}

static void rates(void **state)
{
	struct wh_screen s = {0};
	const struct wh_screen_move *m;

	(void)state;
	step(&s, "d", "pull", 0, -1, "");
	transfer(&s, "d", "x", 1, 50, 100, false); /* resumed */
	m = &s.steps[0]->moves[0];
	assert_true(wh_screen_rate(m, T0 + INT64_C(1100000000)) == 0); /* too early to say */
	transfer(&s, "d", "x", 2, 60, 100, false);
	m = &s.steps[0]->moves[0];
	assert_true(wh_screen_rate(m, T0 + INT64_C(2000000000)) == 1e7);
	assert_true(wh_screen_rate(m, T0 + INT64_C(3000000000)) == 5e6); /* it has stopped */
	transfer(&s, "d", "x", 3, 5, 100, false);			 /* from the beginning again */
	m = &s.steps[0]->moves[0];
	assert_true(wh_screen_rate(m, T0 + INT64_C(3500000000)) == 0);
	for (int i = 4; i < 30; i++)
		transfer(&s, "d", "x", i, 5 + 2 * (i - 3), 100, false);
	m = &s.steps[0]->moves[0];
	assert_true(m->n_samples == WH_SCREEN_SAMPLES);
	assert_true(wh_screen_rate(m, T0 + INT64_C(29000000000)) == 2e6);
	wh_screen_release(&s);
}

/* What is no object, or about nothing we know. */
static void nonsense(void **state)
{
	static const char *const lines[] = {
		"", "x", "{", "[]", "{}", "null", "{\"vertexes\":1}", "{\"vertexes\":[1,null,{}]}", "{\"vertexes\":[{\"digest\":7}]}",
		"{\"logs\":[{\"vertex\":\"d\"}]}", "{\"logs\":[{\"vertex\":\"d\",\"data\":\"***\"}]}", "{\"logs\":[{\"vertex\":\"q\",\"data\":\"aGkK\"}]}",
		"{\"statuses\":[{\"vertex\":\"d\"}]}", "{\"statuses\":[{\"vertex\":\"q\",\"id\":\"x\"}]}", "{\"warnings\":[{}]}",
	};
	struct wh_screen s = {0};
	WH_AUTO_FREE char *text = NULL;

	(void)state;
	step(&s, "d", "x", 1, -1, "");
	for (size_t i = 0; i < WH_ARRAY_SIZE(lines); i++)
		assert_false(wh_screen_take(&s, lines[i], strlen(lines[i])));
	take(&s, "{\"statuses\":[{\"vertex\":\"d\",\"id\":\"y\",\"current\":-5,\"total\":-1,\"timestamp\":\"no\"}]}");
	take(&s, "{\"vertexes\":[{\"digest\":\"e\",\"name\":\"\\u001b]0;title\\u0007\",\"started\":\"" DAY "01+00:00\"}]}");
	text = screen(&s, 80, 24, true, false, false);
	assert_non_null(strstr(text, "^[]0;title^G"));
	wh_screen_release(&s);
}

static void words(void **state)
{
	struct wh_screen_look look;
	struct wh_screen s = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	(void)state;
	wh_screen_look_init(&look);
	look.colours = look.utf8 = false;
	take(&s, "{\"warnings\":[{\"level\":1,\"short\":\"b2Rk\"},{\"level\":1,\"short\":\"Zm91bmQ6\",\"detail\":[\"b25l\",\"G1sySg==\"]},"
		 "{\"short\":\"YSBzbGlw\",\"detail\":[\"aGludDogbWVuZCBpdA==\"]}]}");
	wh_screen_words(&s, &look, &out);
	assert_string_equal(out.p, "\nwarning: odd\n\nfound:\n - one\n - ^[[2J\n\nnote: a slip\nhint: mend it\n");
	wh_screen_release(&s);
}

static void looks(void **state)
{
	static const struct {
		const char *all, *ctype, *lang;
		bool utf8;
	} table[] = {{"C", NULL, "de_DE.UTF-8", false}, {NULL, NULL, NULL, false}, {"", "", "en_US.utf8", true}, {NULL, "C.UTF-8", "C", true}};
	struct wh_screen_look l;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		setenv("LC_ALL", table[i].all ? table[i].all : "", 1);
		setenv("LC_CTYPE", table[i].ctype ? table[i].ctype : "", 1);
		setenv("LANG", table[i].lang ? table[i].lang : "", 1);
		wh_screen_look_init(&l);
		assert_int_equal(l.utf8, table[i].utf8);
	}
	setenv("BUILDKIT_COLORS", "run=green:error=1,2,3:cancel=light-red:warning=mauve:nonsense:=:x=red:error=256,0,0", 1);
	wh_screen_look_init(&l);
	assert_true(l.colours);
	assert_string_equal(l.colour[WH_COLOUR_RUN], "32");
	assert_string_equal(l.colour[WH_COLOUR_ERROR], "38;2;1;2;3");
	assert_string_equal(l.colour[WH_COLOUR_CANCEL], "91");
	assert_string_equal(l.colour[WH_COLOUR_WARNING], "33");
	unsetenv("BUILDKIT_COLORS");
	setenv("NO_COLOR", "1", 1);
	wh_screen_look_init(&l);
	assert_false(l.colours);
	unsetenv("NO_COLOR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects), cmocka_unit_test(kinds),    cmocka_unit_test(plain_transfers), cmocka_unit_test(sizes),
		cmocka_unit_test(screens), cmocka_unit_test(rates),    cmocka_unit_test(sizes_of_screens), cmocka_unit_test(nonsense),
		cmocka_unit_test(words),   cmocka_unit_test(looks),
	};

	return cmocka_run_group_tests_name("cli/progress", tests, NULL, NULL);
}
