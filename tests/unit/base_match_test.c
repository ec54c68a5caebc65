/* SPDX-License-Identifier: Apache-2.0 */
#include "base/match.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <time.h>

static void globs(void **state)
{
	static const struct {
		const char *pattern, *name;
		int want;
	} cases[] = {
		{"abc", "abc", 1},
		{"abc", "ab", 0},
		{"abc", "abcd", 0},
		{"", "", 1},
		{"", "a", 0},
		{"*", "", 1},
		{"*", "abc", 1},
		{"*", "a/b", 0},
		{"a*c", "abbc", 1},
		{"a*c", "abbd", 0},
		{"a*b*c", "axbxc", 1},
		{"a/*/c", "a/b/c", 1},
		{"a/*/c", "a/b/d/c", 0},
		{"?", "a", 1},
		{"?", "\xc3\xa9", 1},
		{"??", "\xc3\xa9", 0},
		{"?", "/", 0},
		{"?", "ab", 0},
		{"[a-c]", "b", 1},
		{"[^a-c]", "b", 0},
		{"[^a-c]", "d", 1},
		{"[a-cx]z", "xz", 1},
		{"[\\]]", "]", 1},
		{"\\*", "*", 1},
		{"\\*", "a", 0},
		{"\\a", "a", 1},
		{"**", "a/b", 0},
		{"[", "a", -EINVAL},
		{"[]", "a", -EINVAL},
		{"[a", "a", -EINVAL},
		{"[a-]", "a", -EINVAL},
		{"a\\", "b", -EINVAL},
		{"b[", "a", -EINVAL},
		{"\xff*",
		 "\xff"
		 "x",
		 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		int got = wh_glob_match(cases[i].pattern, cases[i].name);

		if (got != cases[i].want)
			fail_msg("%s against %s: %d", cases[i].pattern, cases[i].name, got);
	}
	assert_true(wh_glob_has_meta("a*") && wh_glob_has_meta("[a") && wh_glob_has_meta("\\\\?"));
	assert_false(wh_glob_has_meta("a\\*") || wh_glob_has_meta("]"));
}

/* A hundred stars against a text that almost fits: exponential for a matcher that backtracks. */
static void no_explosion(void **state)
{
	char pattern[402], name[2002];
	size_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		memcpy(pattern + 4 * i, "*a*b", 4);
	memcpy(pattern + 400, "c", 2);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(wh_glob_match(pattern, name), 0);
}

static struct wh_patterns *compile(const char *text)
{
	WH_AUTO_STRV struct wh_strv lines = {0};
	struct wh_patterns *set = NULL;
	WH_AUTO_FREE char *copy = wh_strdup(text);
	char *save = NULL, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		wh_strv_add(&lines, word);
	assert_int_equal(wh_patterns_new(&lines, &set, NULL), 0);
	return set;
}

/* What Go's matcher or its regular expressions refuse. */
static void refused_by_go(void **state)
{
	static const char *const cases[] = {"!",     "!/",  "a[",   "[]a]", "[a-]",
					    "[z-a]", "a\\", "a\\e", "a\\8", "\\\xc3\xa9"};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv lines = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_patterns *set = NULL;

		wh_strv_add(&lines, "fine");
		wh_strv_add(&lines, cases[i]);
		if (wh_patterns_new(&lines, &set, &err) == 0)
			fail_msg("%s is accepted", cases[i]);
		assert_non_null(err);
		assert_int_equal(wh_patterns_bad(&lines), 2);
	}
}

static void excluded(void **state)
{
	static const struct {
		const char *patterns, *path;
		unsigned decider; /* odd cases below: even a decider can bring back */
		bool excluded;
	} cases[] = {
		{"a", "a", 1, true},
		{"a", "a/b/c", 1, true},
		{"a", "ab", 0, false},
		{"/a/ b", "a/x", 1, true},
		{"a !a/b", "a/b", 2, false},
		{"a !a/b", "a/c", 1, true},
		{"!a a", "a", 2, true},
		{"* !*.c", "x.c", 2, false},
		{"* !*.c", "d/x.c", 1, true},
		{"**/x", "a/b/x", 1, true},
		{"**/x", "x/y", 1, true},
		{"**/x", "ax", 0, false},
		{"a/**", "a", 0, false},
		{"a/**", "a/b/c", 1, true},
		{"a/**/b", "a/b", 1, true},
		{"a/**/b", "a/x/y/b", 1, true},
		{"**.pyc", "d/m.pyc", 1, true},
		{"**.pyc", "d/m.py", 0, false},
		{"**", "x", 1, true},
		{"**lib", "a/mylib", 1, true}, /* plain text behind the stars: the end of the path */
		{"**lib", "a/mylibs", 0, false},
		{"src**", "srcs/x", 1, true}, /* and before them: its beginning */
		{"**/a*b", "x/aab", 1, true},
		{"a.+b*", "a.+bc", 1, true},
		{"a^", "a^", 1, true},    /* plain */
		{"a^*", "a^b", 0, false}, /* no longer plain: '^' is the beginning */
		{"^a*", "ab", 1, true},
		{"*^a*", "a", 1, true},
		{"f\\d", "f7", 1, true}, /* letters behind a backslash are RE2's */
		{"f\\D", "f7", 0, false},
		{"f\\w", "f_", 1, true},
		{"f\\bar", "fbar", 0, false},
		{"f-\\bar", "f-ar", 1, true},
		{"\\bar\\b*", "ar", 1, true},
		{"\\Aar\\z", "ar", 1, true},
		{"f\\.x", "f.x", 1, true},
		{"a\\*b", "a*b", 1, true},
		{"a\\*b", "axb", 0, false},
		/* One that was not tried at the parent does not match below it. */
		{"a !a/b/c a/b", "a/b/c", 2, false},
		{"a !a/b a/b/c", "a/b/c", 3, true},
		{"a !a/b/c", "a/b/c/d", 2, false},
		{"* !a/b a", "a/b/c", 2, false},
		{"*.[ch] !m.c", "m.c", 2, false},
		{"a ./b/../c", "c", 2, true},
		{"*", ".", 0, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct wh_patterns *set = compile(cases[i].patterns);

		if (wh_patterns_excluded(set, cases[i].path) != cases[i].excluded ||
		    wh_patterns_decider(set, cases[i].path) != cases[i].decider)
			fail_msg("%s: %s: %u", cases[i].patterns, cases[i].path,
				 wh_patterns_decider(set, cases[i].path));
		wh_patterns_free(set);
	}
}

static void prunable(void **state)
{
	static const struct {
		const char *patterns, *dir;
		bool prunable;
	} cases[] = {
		{"a", "a", true},           {"a !b", "a", true},        {"a !a/b", "a", false},
		{"!a/b a", "a", true},      {"* !**/keep", "a", false}, {"* !*.c", "a", true},
		{"* !a/b/c", "a/b", false}, {"* !a/b/c", "a/x", true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct wh_patterns *set = compile(cases[i].patterns);

		if (wh_patterns_prunable(set, cases[i].dir) != cases[i].prunable)
			fail_msg("%s: %s", cases[i].patterns, cases[i].dir);
		wh_patterns_free(set);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {"!", "! ", "a[", "x\\"};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_STRV struct wh_strv lines = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_patterns *set = NULL;

		wh_strv_add(&lines, bad[i]);
		assert_true(wh_patterns_new(&lines, &set, &err) < 0);
		assert_non_null(err);
		assert_null(set);
	}
}

/* A set of plain paths gives the verdicts of the same set whose patterns are tried one by one: "a/b" as "a/[b]". */
static void literals_in_order(void **state)
{
	static const char *const parts[] = {"a", "b", "a/b", "b/a", "a/b/a", "b/b", "a/a/b/b"};
	static const char *const paths[] = {"a",     "b",       "ab",      "a/b",     "b/a/b", "a/b/a/b",
					    "a/a/b", "a/a/b/b", "b/b/b/a", "a-/b",    "c",     "a/ab/b",
					    "b/ab",  "a/b-",    "b-",      "b/b/a/a", "a/c",   "b/b"};
	unsigned seed = 1;
	size_t round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		WH_AUTO_STRV struct wh_strv plain = {0}, slow = {0};
		struct wh_patterns *p = NULL, *q = NULL;

		for (i = 0; i < 1 + round % 9; i++) {
			unsigned pick = (unsigned)rand_r(&seed);
			const char *part = parts[pick / 8 % WH_ARRAY_SIZE(parts)], *sign = pick / 64 % 3 ? "" : "!";
			size_t n = strlen(part);

			if (pick % 8 == 0) {
				wh_strv_addf(&plain, "%s*/b", sign);
				wh_strv_addf(&slow, "%s*/b", sign);
				continue;
			}
			wh_strv_addf(&plain, "%s%s", sign, part);
			wh_strv_addf(&slow, "%s%.*s[%c]", sign, (int)n - 1, part, part[n - 1]);
		}
		assert_int_equal(wh_patterns_new(&plain, &p, NULL), 0);
		assert_int_equal(wh_patterns_new(&slow, &q, NULL), 0);
		for (i = 0; i < WH_ARRAY_SIZE(paths); i++) {
			assert_int_equal(wh_patterns_decider(p, paths[i]), wh_patterns_decider(q, paths[i]));
			assert_int_equal(wh_patterns_excluded(p, paths[i]), wh_patterns_excluded(q, paths[i]));
			assert_int_equal(wh_patterns_prunable(p, paths[i]), wh_patterns_prunable(q, paths[i]));
		}
		wh_patterns_free(p);
		wh_patterns_free(q);
	}
}

/* Found by search: tried one by one this would be the slowest test of all. */
static void very_many_literals(void **state)
{
	WH_AUTO_STRV struct wh_strv lines = {0};
	struct wh_patterns *p = NULL;
	unsigned hits = 0;
	int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		wh_strv_addf(&lines, "dir%d/sub/file%d.txt", i % 100, i);
	assert_int_equal(wh_patterns_new(&lines, &p, NULL), 0);
	for (i = 0; i < 3000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "dir%d/sub/file%d.txt", i % 100, i + 98500);
		hits += wh_patterns_excluded(p, path);
	}
	assert_int_equal(hits, 1500);
	wh_patterns_free(p);
}

static char *fill_in(const char *form, int i)
{
	const char *at = strstr(form, "%d");

	return wh_asprintf("%.*s%d%s", (int)(at - form), form, i, at + 2);
}

/* Wildcards are found by what they begin with, end in, or hold; and 5,000 of them over 3,400 files are nothing to wait for. */
static void very_many_wildcards(void **state)
{
	static const struct {
		const char *pattern, *path, *beside;
	} kinds[] = {
		{"dir%d/sub*/x", "dir%d/subway/x", "dir%d/su/x"},
		{"**/*file%d.tmp", "a/b/my-file%d.tmp/below", "a/b/file%d.tmp2"},
		{"**/tmp-%d-*", "c/tmp-%d-more", "c/tmp-%d"},
		{"*-%d", "some-%d/below/this", "below/some-%d"},
	};
	size_t k;
	int i;

	(void)state;
	for (k = 0; k < WH_ARRAY_SIZE(kinds); k++) {
		WH_AUTO_STRV struct wh_strv lines = {0};
		struct wh_patterns *p = NULL;
		unsigned hits = 0, beside = 0;

		for (i = 0; i < 5000; i++)
			wh_strv_take(&lines, fill_in(kinds[k].pattern, i));
		assert_int_equal(wh_patterns_new(&lines, &p, NULL), 0);
		for (i = 3300; i < 6700; i++) {
			WH_AUTO_FREE char *path = fill_in(kinds[k].path, i), *other = fill_in(kinds[k].beside, i);

			hits += wh_patterns_excluded(p, path);
			beside += wh_patterns_excluded(p, other);
		}
		assert_int_equal(hits, 1700);
		assert_int_equal(beside, 0);
		wh_patterns_free(p);
	}
}

static unsigned dice(unsigned *seed, unsigned n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

/* A set decides as the same one whose plain characters are written as sets of one, by which nothing can be found. */
static void indexed_as_tried(void **state)
{
	static const char *const pieces[] = {"a", "b", "ab", "a*", "*b", "*", "**", "?", "a?b", "*a*", "[ab]c", "\xc3\xa9*", "*c"};
	static const char *const names[] = {"a", "b", "ab", "ba", "aab", "abb", "ac", "bc", "\xc3\xa9", "\xc3\xa9""a", "c"};
	unsigned seed = 7, excluded = 0;
	int round, i, j;

	(void)state;
	for (round = 0; round < 400; round++) {
		WH_AUTO_STRV struct wh_strv lines = {0}, slow = {0};
		struct wh_patterns *p = NULL, *q = NULL;

		for (i = (int)dice(&seed, 12); i >= 0; i--) {
			WH_AUTO_BUF struct wh_buf x = WH_BUF_INIT, y = WH_BUF_INIT;

			if (dice(&seed, 3) == 0) {
				wh_buf_addc(&x, '!');
				wh_buf_addc(&y, '!');
			}
			for (j = (int)dice(&seed, 3); j >= 0; j--) {
				const char *s = pieces[dice(&seed, WH_ARRAY_SIZE(pieces))];
				bool in_set = false;

				wh_buf_adds(&x, s);
				for (; *s; s++) {
					in_set = *s == '[' || (in_set && s[-1] != ']');
					if (!in_set && *s >= 'a' && *s <= 'z')
						wh_buf_addf(&y, "[%c]", *s);
					else
						wh_buf_addc(&y, *s);
				}
				if (j) {
					wh_buf_addc(&x, '/');
					wh_buf_addc(&y, '/');
				}
			}
			wh_strv_add(&lines, x.p);
			wh_strv_add(&slow, y.p);
		}
		assert_int_equal(wh_patterns_new(&lines, &p, NULL), 0);
		assert_int_equal(wh_patterns_new(&slow, &q, NULL), 0);
		for (i = 0; i < 200; i++) {
			WH_AUTO_BUF struct wh_buf path = WH_BUF_INIT;

			for (j = (int)dice(&seed, 4); j >= 0; j--)
				wh_buf_addf(&path, "%s%s", names[dice(&seed, WH_ARRAY_SIZE(names))], j ? "/" : "");
			if (wh_patterns_decider(p, path.p) != wh_patterns_decider(q, path.p))
				fail_msg("%s: round %d", path.p, round);
			excluded += wh_patterns_excluded(p, path.p);
		}
		wh_patterns_free(p);
		wh_patterns_free(q);
	}
	assert_true(excluded > 8000 && excluded < 72000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs),
		cmocka_unit_test(no_explosion),
		cmocka_unit_test(excluded),
		cmocka_unit_test(refused_by_go),
		cmocka_unit_test(prunable),
		cmocka_unit_test(refused),
		cmocka_unit_test(literals_in_order),
		cmocka_unit_test(very_many_literals),
		cmocka_unit_test(very_many_wildcards),
		cmocka_unit_test(indexed_as_tried),
	};

	return cmocka_run_group_tests_name("base_match", tests, NULL, NULL);
}
