/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options, messages, progress lines. */
#include "cli/cli.h"
#include "tests/unit/test.h"

#include <errno.h>

const struct wh_command *const wh_commands[] = {NULL};

static const struct {
	const char *text;
	const char *want; /* "!": refused */
} outputs[] = {
	{"type=oci,dest=/x", "oci /x tar1 comp0"},
	{"dest=/x,type=oci,tar=false", "oci /x tar0 comp0"},
	{"type=oci,dest=/x,compression=gzip,compression-level=9", "oci /x tar1 comp1 gzip 9 force0"},
	{"type=oci,dest=/x,compression=zstd,force-compression=true", "oci /x tar1 comp1 zstd 0 force1"},
	{"type=oci,dest=/x,compression=uncompressed", "oci /x tar1 comp1 uncompressed 0 force0"},
	{"type=oci,\"dest=/a,b\"", "oci /a,b tar1 comp0"},
	{"type=oci,\"dest=/a\"\"b\"", "oci /a\"b tar1 comp0"},
	{"type=local,dest=/x", "local /x tar1 comp0"},
	{"/x", "local /x tar1 comp0"},
	{"-", "tar - tar1 comp0"},
	{"type=tar,dest=-", "tar - tar1 comp0"},
	{"type=tar", "tar - tar1 comp0"},
	{"", "!"},
	{"dest=/x", "!"},
	{"type=oci,dest=", "!"},
	{"type=oci,x", "!"},
	{"type=oci,dest=/x,", "!"},
	{"type=oci,dest=/x,colour=red", "!"},
	{"type=zip,dest=/x", "!"},
	{"type=docker,dest=/x", "docker /x tar1 comp0"},
	{"type=oci,dest=/x,tar=maybe", "!"},
	{"type=oci,dest=/x,compression=lz4", "!"},
	{"type=oci,dest=/x,compression=gzip,compression-level=10", "!"},
	{"type=oci,dest=/x,compression-level=23", "!"},
	{"type=oci,dest=/x,compression-level=-1", "!"},
	{"type=local,dest=/x,compression=gzip", "!"},
	{"type=local", "!"},
	{"type=local,dest=-", "!"},
	{"type=oci,dest=-,tar=false", "!"},
	{"type=oci,\"dest=/x", "!"},
	{"type=oci,de\"st=/x", "!"},
};

static const char *const output_types[] = {
	[WH_OUT_OCI] = "oci",           [WH_OUT_DOCKER] = "docker", [WH_OUT_LOCAL] = "local", [WH_OUT_TAR] = "tar",
	[WH_OUT_REGISTRY] = "registry", [WH_OUT_IMAGE] = "image",   [WH_OUT_LOAD] = "load",
};

static void output_specs(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(outputs); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct wh_output o = {0};

		if (isatty(STDOUT_FILENO) && strstr(outputs[i].want, " - ")) /* a terminal takes no tar */
			continue;
		if (wh_output_parse(outputs[i].text, &o, &err) < 0) {
			assert_non_null(err);
			assert_int_equal(err->class, WH_ERR_USAGE);
			wh_buf_adds(&got, "!");
		} else {
			wh_buf_addf(&got, "%s %s tar%d comp%d", output_types[o.type], o.dest, o.tar, o.has_comp);
			if (o.has_comp)
				wh_buf_addf(&got, " %s %d force%d",
					    o.comp == WH_COMP_GZIP   ? "gzip"
					    : o.comp == WH_COMP_ZSTD ? "zstd"
								     : "uncompressed",
					    o.level, o.force_comp);
			wh_output_release(&o);
		}
		if (!wh_streq(got.p, outputs[i].want))
			fail_msg("%s: %s, wanted %s", outputs[i].text, got.p, outputs[i].want);
	}
}

static void platform_lists(void **state)
{
	static const struct {
		const char *text[3];
		const char *want; /* NULL: refused */
	} table[] = {
		{{"linux/amd64"}, "linux/amd64"},
		{{"linux/amd64,linux/arm64"}, "linux/amd64 linux/arm64"},
		{{"linux/arm64", "linux/amd64"}, "linux/arm64 linux/amd64"},
		{{"x86_64,aarch64,armhf"}, "linux/amd64 linux/arm64 linux/arm/v7"},
		{{"linux/amd64,amd64", "linux/x86-64/v1"}, "linux/amd64"},
		{{"linux/arm,linux/arm/v7,linux/arm/v6"}, "linux/arm/v7 linux/arm/v6"},
		{{"Linux/ARM64"}, "linux/arm64"},
		{{"windows/amd64,darwin/arm64"}, "windows/amd64 darwin/arm64"},
		{{""}, NULL},
		{{"linux/amd64,"}, NULL},
		{{",linux/amd64"}, NULL},
		{{"linux/amd64, linux/arm64"}, NULL},
		{{"nonsense"}, NULL},
		{{"linux/a/b/c"}, NULL},
	};
	WH_AUTO_STRV struct wh_strv here = {0};
	WH_AUTO_FREE char *host = NULL;
	struct wh_platform p;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_STRV struct wh_strv list = {0};
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = 0;

		for (size_t k = 0; k < WH_ARRAY_SIZE(table[i].text) && table[i].text[k] && r == 0; k++)
			r = wh_platforms_parse(table[i].text[k], &list, &err);
		if (!table[i].want) {
			assert_true(r < 0);
			assert_int_equal(err->class, WH_ERR_USAGE);
			continue;
		}
		assert_int_equal(r, 0);
		for (size_t k = 0; k < list.n; k++)
			wh_buf_addf(&got, "%s%s", k ? " " : "", list.v[k]);
		assert_string_equal(got.p, table[i].want);
	}
	wh_platform_host(&p);
	host = wh_platform_text(&p);
	assert_int_equal(wh_platforms_parse("local,Local", &here, NULL), 0);
	assert_int_equal(here.n, 1);
	assert_string_equal(here.v[0], host);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t want; /* 7: refused */
	} t[] = {
		{"0", 0},
		{"1", 1},
		{"5b", 5},
		{"64k", 65536},
		{"64K", 65536},
		{"2kb", 2048},
		{"64m", 64 << 20},
		{"1g", 1 << 30},
		{"1GB", 1 << 30},
		{"134217728", 134217728},
		{"16777215t", 16777215ULL << 40},
		{"16777216t", 7},
		{"", 7},
		{"m", 7},
		{"-1", 7},
		{"1x", 7},
		{"1bb", 7},
		{"1mbx", 7},
		{"1.5m", 7},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(t); i++) {
		uint64_t got = 7;

		if (!wh_size_parse(t[i].text, &got))
			got = 7;
		if (got != t[i].want)
			fail_msg("%s: %ju", t[i].text, (uintmax_t)got);
	}
}

static void epochs(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} t[] = {
		{NULL, INT64_MAX}, {"", INT64_MAX}, {"0", 0},   {"1700000000", 1700000000},
		{"-5", -1},        {"soon", -1},    {"1 ", -1}, {"99999999999999", -1},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(t); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		int64_t got = -1;

		if (wh_epoch_parse(t[i].text, &got, &err) < 0)
			assert_non_null(strstr(err->msg, "invalid SOURCE_DATE_EPOCH"));
		assert_int_equal(got, t[i].want);
	}
}

static void messages(void **state)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	(void)state;
	wh_err_set(&err, "frontend", WH_ERR_USAGE, EINVAL, "unknown instruction");
	wh_err_at(&err, "Dockerfile", 12, 3, "\tRNU x\nmore");
	wh_err_hint(&err, "did you mean RUN?");
	wh_err_detail(&err, "one\n\033[31mtwo\007\n");
	wh_err_format(err, false, &out);
	assert_string_equal(out.p, "error: Dockerfile:12:3: unknown instruction\n"
				   "    12 | \tRNU x\n"
				   "       | \t ^\n"
				   "    13 | more\n"
				   "hint: did you mean RUN?\n"
				   "  | one\n"
				   "  | two^G\n");
	assert_int_equal(wh_err_exit_code(err), 2);

	wh_buf_reset(&out);
	err->column = 0;
	free(WH_TAKE_PTR(err->hint));
	free(WH_TAKE_PTR(err->detail));
	wh_err_format(err, false, &out);
	assert_string_equal(out.p, "error: Dockerfile:12: unknown instruction\n"
				   "    12 > \tRNU x\n"
				   "    13 > more\n");
}

/* What is shown of an instruction, and where the mark is. */
static void excerpts(void **state)
{
	static const char hundred[] = "0123456789012345678901234567890123456789012345678901234567890123456789"
				      "012345678901234567890123456789";
	WH_AUTO_FREE char *wide = wh_asprintf("RUN %s%s bad %s%s", hundred, hundred, hundred, hundred);
	const struct {
		const char *excerpt, *word, *want;
	} t[] = {
		{"RUN a \\\n b \\\n c \\\n bad \\\n d \\\n e", "bad",
		 "error: D:6:2: x\n     3 | RUN a \\\n       …\n     5 |  c \\\n     6 |  bad \\\n       |  ^~~\n"
		 "     7 |  d \\\n"},
		{"RUN\tü日本\033 bad\r\n", "bad", "error: D:3:10: x\n     3 | RUN\tü日本^[ bad\n       |    \t        ^~~\n"},
		{"RUN bad\xff\nx", "bad\xff", "error: D:3:5: x\n     3 | RUN bad\\xff\n       |     ^~~~~~~\n     4 | x\n"},
		{"RUN 日本 x", "日本", "error: D:3:5: x\n     3 | RUN 日本 x\n       |     ^~~~\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", NULL,
		 "error: D:3: x\n     3 > 1\n     4 > 2\n     5 > 3\n     6 > 4\n     7 > 5\n     8 > 6\n     9 > 7\n"
		 "    10 > 8\n    11 > 9\n    12 > 10\n       …[2 lines]\n"},
		{wide, "bad",
		 "error: D:3:206: x\n"
		 "     3 | …12345678901234567890123456789012345678901234567890123456789 bad "
		 "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345…[104 bytes]\n       |                                                              ^~~\n"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(t); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_err_set(&err, "frontend", WH_ERR_USAGE, EINVAL, "x");
		wh_err_mark(&err, WH_MARK_WORD, t[i].word);
		wh_err_at(&err, "D", 3, 0, t[i].excerpt);
		wh_err_format(err, false, &out);
		assert_string_equal(out.p, t[i].want);
	}
}

static void add_line(void *arg, const char *line, size_t n)
{
	wh_buf_addc(arg, '<');
	wh_text_add_output(arg, line, n, true);
	wh_buf_addc(arg, '>');
}

/* Whole, and byte by byte as pipes may bring it. */
static void output_lines(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{"a\nb\n", "<a><b>"},
		{"a\n\nb", "<a><><b>"},
		{"a\r\nb\r\n", "<a><b>"},
		{"\r\n", "<>"},
		{"a\r\r\n\nb", "<a><><b>"},
		{"10%\r20%\r\r30%\n", "<10%><20%><30%>"},
		{"\033[1;31mx\033[0m \033[32my\n", "<\033[1;31mx\033[0m \033[32my\033[0m>"},
		{"\033[31", "<^[[31>"},
		{"\033[2Jx\033", "<^[[2Jx^[>"},
		{"\xc3\xbc \xf0\x9f\x98\x80 \xf4\x90\x80\x80 \xc0\x80",
		 "<\xc3\xbc \xf0\x9f\x98\x80 \\xf4\\x90\\x80\\x80 \\xc0\\x80>"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(t); i++) {
		size_t n = strlen(t[i].text);

		for (size_t chunk = 1; chunk <= n; chunk += n - 1) {
			WH_CLEANUP(wh_text_release) struct wh_text_lines l = {0};
			WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

			for (size_t at = 0; at < n; at += chunk)
				wh_text_feed(&l, t[i].text + at, chunk, add_line, &out);
			wh_text_flush(&l, add_line, &out);
			assert_string_equal(out.p, t[i].want);
		}
	}
}

static void exit_codes(void **state)
{
	static const enum wh_err_class classes[] = {WH_ERR_BUILD, WH_ERR_USAGE, WH_ERR_GATE, WH_ERR_ENV,
						    WH_ERR_INTERNAL};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(classes); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		wh_err_set(&err, "x", classes[i], 0, "x");
		assert_int_equal(wh_err_exit_code(err), (int)i + 1);
	}
	assert_int_equal(wh_err_exit_code(NULL), 5);
}

static void event(struct wh_progress *p, enum wh_event_kind kind, const struct wh_vertex *v, const char *text)
{
	wh_progress_event(p, &(struct wh_event){
				     .kind = kind,
				     .v = v,
				     .ns = 1250000000,
				     .stream = 1,
				     .data = text,
				     .len = text ? strlen(text) : 0,
				     .text = text,
			     });
}

/* Times that were measured differ from run to run; the log's are cut out. */
static char *without_times(const char *text)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	for (const char *p = text; *p; p++) {
		size_t n = strspn(p, "0123456789");

		if (n && p[n] == '.' && strspn(p + n + 1, "0123456789") == 3) {
			wh_buf_adds(&out, "T");
			p += n + 3;
		} else {
			wh_buf_addc(&out, *p);
		}
	}
	return wh_buf_take(&out);
}

static void progress(void **state)
{
	const struct wh_vertex a = {.index = 2, .name = "[1/2] RUN a\nb"}, b = {.index = 0, .name = "[2/2] RUN c"};
	WH_AUTO_FREE char *text = NULL;
	WH_AUTO_FREE char *plain = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct wh_progress *p = wh_progress_new_for(f);
	unsigned id = wh_progress_begin(p, "load %s", "x");

	(void)state;
	wh_progress_note(p, id, "%d bytes", 5);
	event(p, WH_EV_START, &a, NULL);
	event(p, WH_EV_LOG, &a, "one\ntw");
	event(p, WH_EV_CACHED, &b, NULL);
	event(p, WH_EV_LOG, &a, "o\r\nbar 10%\rbar 99%\033[K\n\nend");
	event(p, WH_EV_DONE, &a, NULL);
	event(p, WH_EV_NOTICE, NULL, "network");
	event(p, WH_EV_PHASE, NULL, "exporting");
	wh_progress_warn(p, "odd");
	wh_progress_free(p);
	fclose(f);
	plain = without_times(text);
	assert_string_equal(
		plain, "#1 load x\n#1 5 bytes\n"
		       "\n#2 [1/2] RUN a b\n#2 T one\n"
		       "\n#3 [2/2] RUN c\n#3 CACHED\n"
		       "\n#2 [1/2] RUN a b\n#2 T two\n#2 T bar 10%\n#2 T bar 99%^[[K\n#2 T \n#2 T end\n#2 DONE 1.2s\n"
		       "\nnote: network\n"
		       "\n#4 exporting\n#4 DONE 1.2s\n"
		       "\nwarning: odd\n");
	wh_progress_event(NULL, &(struct wh_event){.kind = WH_EV_START, .v = &a}); /* quiet */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_specs), cmocka_unit_test(platform_lists), cmocka_unit_test(sizes),        cmocka_unit_test(epochs),
		cmocka_unit_test(messages), cmocka_unit_test(excerpts),     cmocka_unit_test(output_lines), cmocka_unit_test(exit_codes),
		cmocka_unit_test(progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
