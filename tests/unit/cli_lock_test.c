/* SPDX-License-Identifier: Apache-2.0 */
/* The lock's file: what is read, what is refused, what is written, what differs. And the place where two contents part. */
#include "cli/lock.h"
#include "cli/verify_build.h"
#include "tests/unit/test.h"

#include <errno.h>

const struct wh_command *const wh_commands[] = {NULL};

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D5 \
	"sha512:" \
	"55555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555"
#define C1 "1111111111111111111111111111111111111111"
#define NOTHING "\"bases\":[],\"urls\":[],\"repositories\":[],"
#define STAGE(packages) "{\"schema\":1," NOTHING "\"stages\":[{\"stage\":\"a\",\"platform\":\"p\",\"packages\":[" packages "]}]}"
#define DEB(name, version) "{\"type\":\"deb\",\"name\":\"" name "\",\"version\":\"" version "\",\"arch\":\"all\"}"

static void read_lock(const char *text, struct wh_lock *ret)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (wh_lock_parse(text, strlen(text), "L", ret, &err) < 0)
		fail_msg("%s", err->msg);
}

/* ---------------------------------------------------------------- what is refused */

static const struct {
	const char *text, *why;
} refused[] = {
	{"", "L"},
	{"{", "L"},
	{"[]", "no object"},
	{"{}", "no schema"},
	{"{\"schema\":\"1\"}", "no schema"},
	{"{\"schema\":2," NOTHING "\"stages\":[]}", "the schema 2"},
	{"{\"schema\":1,\"schema\":1," NOTHING "\"stages\":[]}", "L"},
	{"{\"schema\":1," NOTHING "\"stages\":[],\"more\":1}", "unknown key \"more\""},
	{"{\"schema\":1,\"urls\":[],\"repositories\":[],\"stages\":[]}", "no list \"bases\""},
	{"{\"schema\":1,\"bases\":{},\"urls\":[],\"repositories\":[],\"stages\":[]}", "no list \"bases\""},
	{"{\"schema\":1,\"bases\":[1],\"urls\":[],\"repositories\":[],\"stages\":[]}", "no object"},
	{"{\"schema\":1,\"bases\":[{\"name\":\"x\",\"digest\":\"" D1 "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}", "no platform"},
	{"{\"schema\":1,\"bases\":[{\"name\":1,\"platform\":\"p\",\"digest\":\"" D1 "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}",
	 "no text"},
	{"{\"schema\":1,\"bases\":[{\"name\":\"\",\"platform\":\"p\",\"digest\":\"" D1 "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}",
	 "empty"},
	{"{\"schema\":1,\"bases\":[{\"name\":\"a\\nb\",\"platform\":\"p\",\"digest\":\"" D1
	 "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}",
	 "control"},
	{"{\"schema\":1,\"bases\":[{\"name\":\"x\",\"platform\":\"p\",\"digest\":\"sha256:1\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}",
	 "no digest"},
	{"{\"schema\":1,\"bases\":[{\"name\":\"x\",\"platform\":\"p\",\"digest\":\"" D1 "\"},{\"name\":\"x\",\"platform\":\"p\",\"digest\":\"" D2
	 "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}",
	 "twice"},
	{"{\"schema\":1,\"bases\":[],\"urls\":[],\"repositories\":[{\"remote\":\"r\",\"commit\":\"main\"}],\"stages\":[]}", "no commit"},
	{"{\"schema\":1,\"bases\":[],\"urls\":[{\"url\":\"u\",\"digest\":\"" D5 "\"}],\"repositories\":[],\"stages\":[]}", "no digest"},
	{"{\"schema\":1," NOTHING "\"stages\":[{\"stage\":\"a\",\"platform\":\"p\"}]}", "no list \"packages\""},
	{"{\"schema\":1," NOTHING
	 "\"stages\":[{\"stage\":\"a\",\"platform\":\"p\",\"packages\":[]},{\"stage\":\"a\",\"platform\":\"p\",\"packages\":[]}]}",
	 "twice"},
	{STAGE("{\"type\":\"rpm\",\"name\":\"a\",\"version\":\"1\"}"), "unknown type"},
	{STAGE("{\"type\":\"deb\",\"name\":\"a\",\"version\":\"1\"}"), "no package of dpkg's"},
	{STAGE(DEB("A", "1")), "no package of dpkg's"},
	{STAGE(DEB("a b", "1")), "no package of dpkg's"},
	{STAGE(DEB("a*", "1")), "no package of dpkg's"},
	{STAGE(DEB("/a/", "1")), "no package of dpkg's"},
	{STAGE(DEB("a", "1*")), "no package of dpkg's"},
	{STAGE(DEB("a", "*")), "no package of dpkg's"},
	{STAGE(DEB("a", "1\\nPackage: *")), "control"},
	{STAGE("{\"type\":\"npm\",\"name\":\"a\",\"version\":\"1\",\"digest\":\"sha512:55\"}"), "no digest"},
	{STAGE("{\"type\":\"npm\",\"name\":\"a\",\"version\":\"1\",\"removed\":1}"), "neither true nor false"},
	{STAGE("{\"type\":\"npm\",\"name\":\"a\",\"version\":\"1\",\"sha\":\"x\"}"), "unknown key \"sha\""},
	{STAGE(DEB("a", "1") "," DEB("a", "1")), "twice"},
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(refused); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_lock l = {0};

		assert_true(wh_lock_parse(refused[i].text, strlen(refused[i].text), "L", &l, &err) < 0);
		assert_non_null(err);
		if (err->class != WH_ERR_USAGE || !strstr(err->msg, refused[i].why) || !strstr(err->msg, "L") ||
		    strchr(err->msg, '\n') || !err->hint)
			fail_msg("%s: %s", refused[i].text, err->msg);
	}
}

/* A list with more entries than anybody has, and a text longer than any name. */
static void sizes(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf c = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_ERR struct wh_err *err2 = NULL;
	struct wh_lock l;

	(void)state;
	wh_buf_adds(&b, "{\"schema\":1,\"bases\":[");
	for (int i = 0; i < 10001; i++)
		wh_buf_addf(&b, "%s{\"name\":\"%d\",\"platform\":\"p\",\"digest\":\"" D1 "\"}", i ? "," : "", i);
	wh_buf_adds(&b, "],\"urls\":[],\"repositories\":[],\"stages\":[]}");
	assert_true(wh_lock_parse(b.p, b.n, "L", &l, &err) < 0);
	assert_non_null(strstr(err->msg, "more than 10000"));
	wh_buf_adds(&c, "{\"schema\":1,\"bases\":[{\"platform\":\"p\",\"digest\":\"" D1 "\",\"name\":\"");
	for (int i = 0; i < 4097; i++)
		wh_buf_addc(&c, 'x');
	wh_buf_adds(&c, "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}");
	assert_true(wh_lock_parse(c.p, c.n, "L", &l, &err2) < 0);
	assert_non_null(strstr(err2->msg, "too long"));
}

/* ---------------------------------------------------------------- the one form */

static const char golden[] =
	"{\n"
	"  \"schema\": 1,\n"
	"  \"bases\": [\n"
	"    {\"name\": \"debian:12\", \"platform\": \"linux/amd64\", \"digest\": \"" D1 "\"},\n"
	"    {\"name\": \"debian:12\", \"platform\": \"linux/arm64\", \"digest\": \"" D2 "\"}\n"
	"  ],\n"
	"  \"urls\": [\n"
	"    {\"url\": \"https://example.org/a?b=\\\"c\\\"\", \"digest\": \"" D1 "\"}\n"
	"  ],\n"
	"  \"repositories\": [\n"
	"    {\"remote\": \"https://example.org/x.git\", \"commit\": \"" C1 "\"},\n"
	"    {\"remote\": \"https://example.org/x.git\", \"ref\": \"main\", \"commit\": \"" C1 "\"}\n"
	"  ],\n"
	"  \"stages\": [\n"
	"    {\"stage\": \"build\", \"platform\": \"linux/amd64\", \"packages\": [\n"
	"      {\"type\": \"deb\", \"name\": \"curl\", \"version\": \"7.88.1-10+deb12u5\", \"arch\": \"amd64\", \"digest\": \"" D1 "\"},\n"
	"      {\"type\": \"deb\", \"name\": \"gcc\", \"version\": \"4:12.2.0-3\", \"arch\": \"amd64\", \"removed\": true},\n"
	"      {\"type\": \"npm\", \"name\": \"left-pad\", \"version\": \"1.3.0\", \"digest\": \"" D5 "\"},\n"
	"      {\"type\": \"pypi\", \"name\": \"flask\", \"version\": \"3.0.0\"}\n"
	"    ]},\n"
	"    {\"stage\": \"1\", \"platform\": \"linux/amd64\", \"packages\": []}\n"
	"  ]\n"
	"}\n";

static void round_trip(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf empty = WH_BUF_INIT;
	struct wh_lock l = {0}, none = {0};

	(void)state;
	read_lock(golden, &l);
	wh_lock_print(&l, &out);
	assert_string_equal(out.p, golden);
	assert_non_null(wh_lock_find(&l, WH_LOCK_BASES, "debian:12", "linux/arm64"));
	assert_null(wh_lock_find(&l, WH_LOCK_BASES, "debian:12", "linux/riscv64"));
	assert_null(wh_lock_find(&l, WH_LOCK_REPOSITORIES, "https://example.org/x.git", "other"));
	assert_string_equal(wh_lock_find(&l, WH_LOCK_REPOSITORIES, "https://example.org/x.git", NULL)->digest, C1);
	wh_lock_release(&l);
	wh_lock_print(&none, &empty);
	read_lock(empty.p, &l);
	wh_lock_release(&l);
}

/* ---------------------------------------------------------------- what differs */

#define ONE(version, digest) "{\"type\":\"deb\",\"name\":\"a\",\"version\":\"" version "\",\"arch\":\"all\",\"digest\":\"" digest "\"}"
#define BASE(digest) \
	"{\"schema\":1,\"bases\":[{\"name\":\"b\",\"platform\":\"p\",\"digest\":\"" digest "\"}],\"urls\":[],\"repositories\":[],\"stages\":[]}"

static const struct {
	const char *lock, *now, *want;
} compared[] = {
	{STAGE(DEB("a", "1")), STAGE(DEB("a", "1")), ""},
	{STAGE(DEB("a", "1")), STAGE(DEB("a", "2")), "stage a: deb a (all): the lock has 1, this build 2\n"},
	{STAGE(DEB("a", "1")), STAGE(""), "stage a: deb a (all) 1 is missing\n"},
	{STAGE(""), STAGE(DEB("a", "1")), "stage a: deb a (all) 1 is not in the lock\n"},
	{STAGE(DEB("a", "1") "," DEB("c", "1")), STAGE(DEB("b", "1") "," DEB("c", "1")),
	 "stage a: deb a (all) 1 is missing\nstage a: deb b (all) 1 is not in the lock\n"},
	{STAGE(ONE("1", D1)), STAGE(ONE("1", D1)), ""},
	{STAGE(ONE("1", D1)), STAGE(ONE("1", D2)), "stage a: deb a (all) 1: the lock has the archive " D1 ", this build " D2 "\n"},
	{STAGE(ONE("1", D1)), STAGE(DEB("a", "1")), "stage a: deb a (all) 1: its archive was not seen, the lock has " D1 "\n"},
	{STAGE(DEB("a", "1")), STAGE(ONE("1", D1)), ""},
	{STAGE(DEB("a", "1") "," DEB("a", "2")), STAGE(DEB("a", "2") "," DEB("a", "3")),
	 "stage a: deb a (all) 1 is missing\nstage a: deb a (all) 3 is not in the lock\n"},
	{BASE(D1), BASE(D1), ""},
	{BASE(D1), BASE(D2), "base b (p): the lock has " D1 ", this build " D2 "\n"},
	{STAGE(""), BASE(D2), "base b (p) is not in the lock\n"},
	{BASE(D1), "{\"schema\":1," NOTHING "\"stages\":[]}", ""}, /* another target needs less */
	{BASE(D1), STAGE(DEB("a", "1")), "stage a (p) is not in the lock, and has 1 packages\n"},
	{BASE(D1), STAGE(""), ""},
};

static void differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(compared); i++) {
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		WH_AUTO_STRV struct wh_strv lines = {0};
		struct wh_lock a = {0}, b = {0};

		read_lock(compared[i].lock, &a);
		read_lock(compared[i].now, &b);
		wh_lock_compare(&a, &b, &lines);
		for (size_t k = 0; k < lines.n; k++)
			wh_buf_addf(&got, "%s\n", lines.v[k]);
		assert_string_equal(got.p ? got.p : "", compared[i].want);
		wh_lock_release(&a);
		wh_lock_release(&b);
	}
}

static const struct {
	const char *name, *version, *hex, *want;
} seen[] = {
	{"curl", "7.88.1-10+deb12u5", "1111111111111111111111111111111111111111111111111111111111111111", NULL},
	{"curl", "7.88.1-10+deb12u5", "2222222222222222222222222222222222222222222222222222222222222222", "the lock has the archive " D1},
	{"curl", "8", "1111111111111111111111111111111111111111111111111111111111111111", "the lock has 7.88.1-10+deb12u5, this build 8"},
	{"gcc", "4:12.2.0-3", "2222222222222222222222222222222222222222222222222222222222222222", NULL},
	{"flask", "3.0.0", "2222222222222222222222222222222222222222222222222222222222222222", "flask (amd64) 3.0.0 is not in the lock"},
};

static void archives(void **state)
{
	WH_AUTO_BUF struct wh_buf pins = WH_BUF_INIT;
	struct wh_lock l = {0};

	(void)state;
	read_lock(golden, &l);
	for (size_t i = 0; i < WH_ARRAY_SIZE(seen); i++) {
		WH_AUTO_JSON json_t *list = json_pack("[{s:s, s:s, s:s, s:s}]", "name", seen[i].name, "version", seen[i].version,
						      "arch", "amd64", "sha256", seen[i].hex);
		WH_AUTO_STRV struct wh_strv lines = {0};

		wh_lock_compare_seen(&l.stages[0], list, &lines);
		assert_int_equal(lines.n, seen[i].want ? 1 : 0);
		if (lines.n && !strstr(lines.v[0], seen[i].want))
			fail_msg("%s", lines.v[0]);
	}
	wh_lock_pins(&l.stages[0], &pins);
	assert_string_equal(pins.p, "Package: curl:any\nPin: version 7.88.1-10+deb12u5\nPin-Priority: 1001\n\n"
				    "Package: curl:any\nPin: version *\nPin-Priority: -1\n\n"
				    "Package: gcc:any\nPin: version 4:12.2.0-3\nPin-Priority: 1001\n\n"
				    "Package: gcc:any\nPin: version *\nPin-Priority: -1\n\n");
	wh_lock_release(&l);
}

/* ---------------------------------------------------------------- where two contents part */

#define T(text) text, sizeof(text) - 1
static const struct {
	const char *a;
	size_t na;
	const char *b;
	size_t nb;
	const char *want;
} texts[] = {
	{T("same"), T("same"), "{}"},
	{T("abc\ndef\n"), T("abc\ndxf\n"), "{\"first_line\":\"def\",\"line\":2,\"offset\":5,\"second_line\":\"dxf\"}"},
	{T(""), T("x"), "{\"first_line\":\"\",\"line\":1,\"offset\":0,\"second_line\":\"x\"}"},
	{T("a\n"), T("a"), "{\"first_line\":\"a\",\"line\":1,\"offset\":1,\"second_line\":\"a\"}"},
	{T("a\n"), T("a\nb"), "{\"first_line\":\"\",\"line\":2,\"offset\":2,\"second_line\":\"b\"}"},
	{T("a\0b"), T("a\0c"), "{\"offset\":2}"},
	{T("\xff\x1b"), T("\xff\x1c"), "{\"first_line\":\"\\\\xff^[\",\"line\":1,\"offset\":1,\"second_line\":\"\\\\xff^\\\\\"}"},
	{T("\x1f\x8b\x08\0aaaa"), T("\x1f\x8b\x08\0aaab"), "{\"known_as\":\"the time in gzip's header\",\"offset\":7}"},
	{T("\xcb\x0d\x0d\x0a\0\0\0\0aaaabbbb"), T("\xcb\x0d\x0d\x0a\0\0\0\0aaaxbbbb"),
	 "{\"known_as\":\"the time or size of the source in the header of compiled Python\",\"offset\":11}"},
};

static void places(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(texts); i++) {
		WH_AUTO_JSON json_t *got = json_object();
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		wh_verify_texts(texts[i].a, texts[i].na, texts[i].b, texts[i].nb, got);
		wh_json_dump(got, &text);
		assert_string_equal(text.p, texts[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals), cmocka_unit_test(sizes),    cmocka_unit_test(round_trip),
		cmocka_unit_test(differences), cmocka_unit_test(archives), cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
