/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/frontend.h"
#include "frontend/names.h"
#include "tests/unit/test.h"

static void addresses(void **state)
{
	static const struct {
		const char *text, *remote, *name, *ref, *subdir;
		bool local_like, unencrypted;
	} good[] = {
		{"https://h.invalid/a.git", "https://h.invalid/a.git", "a", NULL, NULL, false, false},
		{"HTTPS://h.invalid/a.git", "https://h.invalid/a.git", "a", NULL, NULL, false, false},
		{"http://h.invalid:8080/x/a.git#v1", "http://h.invalid:8080/x/a.git", "a", "v1", NULL, false, true},
		{"https://h.invalid/a.git#a/b:c/../d//e", "https://h.invalid/a.git", "a", "a/b", "d/e", false, false},
		{"https://h.invalid/a.git#:sub", "https://h.invalid/a.git", "a", NULL, "sub", false, false},
		{"https://h.invalid/a.git#:../../sub", "https://h.invalid/a.git", "a", NULL, "sub", false, false},
		{"https://h.invalid/a.git#x:", "https://h.invalid/a.git", "a", "x", NULL, false, false},
		{"https://h.invalid/a.git#", "https://h.invalid/a.git", "a", NULL, NULL, false, false},
		{"https://h.invalid/a.git#a%2Fb", "https://h.invalid/a.git", "a", "a/b", NULL, false, false},
		{"https://h.invalid/a b.git", "https://h.invalid/a%20b.git", "a%20b", NULL, NULL, false, false},
		{"https://h.invalid/.git", "https://h.invalid/.git", "", NULL, NULL, false, false},
		{"https://u:p@h.invalid/a.git", "https://u:p@h.invalid/a.git", "a", NULL, NULL, false, false},
		{"https://[::1]:80/a.git", "https://[::1]:80/a.git", "a", NULL, NULL, false, false},
		{"git://h.invalid/a", "git://h.invalid/a", "a", NULL, NULL, false, true},
		{"ssh://git@h.invalid:22/~/a.git#m", "ssh://git@h.invalid:22/~/a.git", "a", "m", NULL, false, false},
		{"git@h.invalid:x/a.git#m:s", "git@h.invalid:x/a.git", "a", "m", "s", false, false},
		{"some-user_1@h.invalid:/srv/a", "some-user_1@h.invalid:/srv/a", "a", NULL, NULL, false, false},
		{"git@h.invalid:a.git?subdir=/s#v", "git@h.invalid:a.git", "git@h.invalid:a", "v", "/s", false, false},
		{"github.com/x/a", "github.com/x/a", "a", NULL, NULL, true, false},
		{"github.com/x/a.git#m:s", "github.com/x/a.git", "a", "m", "s", true, false},
		{"github.com/x/a?tag=v1", "github.com/x/a", "a", "refs/tags/v1", NULL, true, false},
	};
	static const char *const none[] = {
		"",
		".",
		"a",
		".git",
		"./.git",
		"../a.git",
		"a/b.git",
		"custom.invalid/a/b.git",
		"file:///srv/a.git",
		"https://h.invalid/",
		"https://h.invalid/a",
		"https://h.invalid/a.git/",
		"https://h.invalid/a.git.b",
		"https://h.invalid/a.git:#b",
		"httpx://h.invalid/a.git",
		"ext::sh -c id",
		"git+ssh://h.invalid/a.git",
		"https://h.invalid:port/a.git",
		"https://h.invalid/%zz.git",
		"https://h invalid/a.git",
		"https://h.invalid/a.git#%zz",
		"https://h.invalid/\ta.git",
		"-u@h.invalid",
		"-u@h.invalid:a",
		"git@-oProxyCommand=x:a",
		"@h.invalid:a",
		"u@:a",
		"u@h/x:a",
		"a/b@c:d",
		"--upload-pack=x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(good); i++) {
		WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};

		if (wh_git_ref_parse(good[i].text, &g, NULL) != 1)
			fail_msg("%s: no git address", good[i].text);
		if (!wh_streq(g.remote, good[i].remote) || !wh_streq(g.short_name, good[i].name) ||
		    !wh_streq(g.ref, good[i].ref) || !wh_streq(g.subdir, good[i].subdir) ||
		    g.local_like != good[i].local_like || g.unencrypted != good[i].unencrypted)
			fail_msg("%s: %s, %s, %s, %s, %d, %d", good[i].text, g.remote, g.short_name,
				 g.ref ? g.ref : "-", g.subdir ? g.subdir : "-", g.local_like, g.unencrypted);
		assert_int_equal(wh_is_git(good[i].text), !good[i].local_like);
	}
	for (i = 0; i < WH_ARRAY_SIZE(none); i++) {
		struct wh_git_ref g;

		if (wh_git_ref_parse(none[i], &g, NULL) != 0)
			fail_msg("%s: taken for a git address", none[i]);
		assert_false(wh_is_git(none[i]));
	}
}

static void queries(void **state)
{
	static const struct {
		const char *query, *ref, *subdir, *checksum, *mtime;
		int keep, submodules;
		bool by_commit;
	} good[] = {
		{"", NULL, NULL, NULL, NULL, -1, -1, false},
		{"?ref=v1&subdir=/s", "v1", "/s", NULL, NULL, -1, -1, false},
		{"?subdir=/s#v1", "v1", "/s", NULL, NULL, -1, -1, false},
		{"?ref=v1#v1", "v1", NULL, NULL, NULL, -1, -1, false},
		{"?tag=v1", "refs/tags/v1", NULL, NULL, NULL, -1, -1, false},
		{"?tag=refs/tags/v1#refs/tags/v1", "refs/tags/v1", NULL, NULL, NULL, -1, -1, false},
		{"?branch=b", "refs/heads/b", NULL, NULL, NULL, -1, -1, false},
		{"?branch=a%2Fb+c", "refs/heads/a/b c", NULL, NULL, NULL, -1, -1, false},
		{"?checksum=dead", NULL, NULL, "dead", NULL, -1, -1, false},
		{"?commit=dead#b", "b", NULL, "dead", NULL, -1, -1, false},
		{"?mtime=commit", NULL, NULL, NULL, "commit", -1, -1, false},
		{"?mtime=checkout", NULL, NULL, NULL, "checkout", -1, -1, false},
		{"?keep-git-dir&submodules=", NULL, NULL, NULL, NULL, 1, 1, false},
		{"?keep-git-dir=0&submodules=F", NULL, NULL, NULL, NULL, 0, 0, false},
		{"?fetch-by-commit&checksum=dead", NULL, NULL, "dead", NULL, -1, -1, true},
		{"?fetch-by-commit=false", NULL, NULL, NULL, NULL, -1, -1, false},
		{"?a;b=c&ref=v1&%zz=1", "v1", NULL, NULL, NULL, -1, -1, false},
	};
	static const struct {
		const char *query, *error;
	} bad[] = {
		{"?ref=v1#v2", "ref conflicts: \"v2\" vs \"v1\""},
		{"?ref=v1&tag=v1", "ref conflicts"},
		{"?tag=v1#refs/heads/master", "ref conflicts"},
		{"?branch=b#b", "ref conflicts"},
		{"?subdir=/s#:t", "subdir conflicts"},
		{"?tag=v1&branch=b", "branch conflicts with tag"},
		{"?mtime=now", "invalid mtime value: \"now\" (must be \"checkout\" or \"commit\")"},
		{"?fetch-by-commit=maybe", "invalid fetch-by-commit value"},
		{"?keep-git-dir=maybe", "invalid keep-git-dir value"},
		{"?submodules=2", "invalid submodules value"},
		{"?x=1", "unexpected query \"x\""},
		{"?ref", "query \"ref\" has no value"},
		{"?ref=a&ref=b", "query \"ref\" has multiple values"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(good); i++) {
		WH_AUTO_FREE char *text = wh_asprintf("https://h.invalid/a.git%s", good[i].query);
		WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;

		if (wh_git_ref_parse(text, &g, &err) != 1)
			fail_msg("%s: %s", text, err ? err->msg : "no git address");
		assert_string_equal(g.remote, "https://h.invalid/a.git");
		if (!wh_streq(g.ref, good[i].ref) || !wh_streq(g.subdir, good[i].subdir) ||
		    !wh_streq(g.checksum, good[i].checksum) || !wh_streq(g.mtime, good[i].mtime) ||
		    g.keep_git_dir != good[i].keep || g.submodules != good[i].submodules ||
		    g.fetch_by_commit != good[i].by_commit)
			fail_msg("%s: %s, %s, %s, %s, %d, %d, %d", text, g.ref ? g.ref : "-", g.subdir ? g.subdir : "-",
				 g.checksum ? g.checksum : "-", g.mtime ? g.mtime : "-", g.keep_git_dir, g.submodules,
				 g.fetch_by_commit);
	}
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_FREE char *text = wh_asprintf("https://h.invalid/a.git%s", bad[i].query);
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_git_ref g;

		if (wh_git_ref_parse(text, &g, &err) >= 0)
			fail_msg("%s: taken", text);
		if (!strstr(err->msg, bad[i].error))
			fail_msg("%s: %s", text, err->msg);
		assert_true(wh_is_git(text));
	}
}

static void formats(void **state)
{
	static const struct {
		const char *text, *plain, *full;
	} rows[] = {
		{"https://h.invalid/a.git", "https://h.invalid/a.git", "https://h.invalid/a.git"},
		{"https://h.invalid/a.git#b:c", "https://h.invalid/a.git#b", "https://h.invalid/a.git#b:c"},
		{"https://h.invalid/a.git#:c", "https://h.invalid/a.git", "https://h.invalid/a.git#:c"},
		{"https://h.invalid/a.git?ref=b&subdir=/c/../d", "https://h.invalid/a.git#b",
		 "https://h.invalid/a.git#b:d"},
		{"git@h.invalid:a.git?subdir=s#v", "git@h.invalid:a.git#v", "git@h.invalid:a.git#v:s"},
		{"github.com/a/b?tag=v1", "github.com/a/b#refs/tags/v1", "github.com/a/b#refs/tags/v1"},
		{"https://h.invalid/a.git?x=1", "https://h.invalid/a.git?x=1", "https://h.invalid/a.git?x=1"},
		{"./.git", "./.git", "./.git"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *plain = wh_git_ref_format(rows[i].text, false);
		WH_AUTO_FREE char *full = wh_git_ref_format(rows[i].text, true);

		assert_string_equal(plain, rows[i].plain);
		assert_string_equal(full, rows[i].full);
	}
}

/* What a file from a URL is called. */
static void filenames(void **state)
{
	static const char *const cases[][2] = {
		{"http://h/a", "a"},
		{"http://h/a/b.tar.gz?x=/y#/z", "b.tar.gz"},
		{"http://h/a/b/", "b"},
		{"http://h/a%20b", "a b"},
		{"http://h/a%2Fb", "b"},
		{"http://h", "__unnamed__"},
		{"http://h/", "__unnamed__"},
		{"http://h?x", "__unnamed__"},
		{"http://h/.", "__unnamed__"},
		{"http://h/%zz", "__unnamed__"},
		{"http://h/..", "download"},
		{"http://h/%2e%2e", "download"},
		{"http://h/a%00b", "download"},
		{"http://h/a%0ab", "download"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_url_filename(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
	}
}

static void checksums(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"sha256:0123456789012345678901234567890123456789012345678901234567890123", NULL},
		{"sha256:01234567890123456789012345678901234567890123456789012345678901",
		 "invalid checksum digest length"},
		{"sha256:012345678901234567890123456789012345678901234567890123456789012G",
		 "invalid checksum digest format"},
		{"0123456789012345678901234567890123456789012345678901234567890123", "invalid checksum digest format"},
		{"sha256:", "invalid checksum digest format"},
		{":aa", "invalid checksum digest format"},
		{"SHA256:aa", "invalid checksum digest format"},
		{"a..b:aa", "invalid checksum digest format"},
		{"md5:7e55db001d319a94b0b713529a756623", "unsupported digest algorithm"},
		{"sha256+b64u:aa", "unsupported digest algorithm"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = wh_checksum_check(cases[i].text, &err);

		assert_int_equal(r == 0, cases[i].error == NULL);
		if (r < 0 && !strstr(err->msg, cases[i].error))
			fail_msg("%s: %s", cases[i].text, err->msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses), cmocka_unit_test(queries),   cmocka_unit_test(formats),
		cmocka_unit_test(filenames), cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests_name("frontend_gitref", tests, NULL, NULL);
}
