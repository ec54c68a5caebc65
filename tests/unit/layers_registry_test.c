/* SPDX-License-Identifier: Apache-2.0 */
/* What registries and docker's files say, read. */
#include "layers/registry_private.h"

#include "tests/unit/layers_helper.h"

static const char hex_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void names(void **state)
{
	static const struct {
		const char *ref, *domain, *path, *tag;
		bool digest;
	} table[] = {
		{"debian", "docker.io", "library/debian", "latest", false},
		{"a/b", "docker.io", "a/b", "latest", false},
		{"localhost/x", "localhost", "x", "latest", false},
		{"localhost:5000/x/y:1.0", "localhost:5000", "x/y", "1.0", false},
		{"[::1]:5000/x", "[::1]:5000", "x", "latest", false},
		{"r.example/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "r.example",
		 "x", NULL, true},
		{"r.example:1/x:t@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "r.example:1", "x", "t", true},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_reg_ref r;
		char hex[65];

		assert_ok(wh_reg_ref_parse(table[i].ref, &r, &err), err);
		assert_string_equal(r.domain, table[i].domain);
		assert_string_equal(r.path, table[i].path);
		assert_true(wh_streq(r.tag, table[i].tag));
		assert_int_equal(r.has_digest, table[i].digest);
		if (table[i].digest)
			assert_string_equal(wh_digest_hex(&r.digest, hex), hex_a);
		wh_reg_ref_release(&r);
	}
}

static void challenges(void **state)
{
	static const struct {
		const char *first, *second; /* header values */
		enum wh_auth_scheme scheme;
		const char *realm, *service, *scope;
	} table[] = {
		{"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"", NULL, WH_AUTH_BEARER,
		 "https://a/t", "s", "repository:x:pull,push"},
		{"bearer  Realm = \"https://a/t\" , SERVICE=s", NULL, WH_AUTH_BEARER, "https://a/t", "s", NULL},
		{"Bearer realm=\"a\\\"b\"", NULL, WH_AUTH_BEARER, "a\"b", NULL, NULL},
		{"Basic realm=\"x\"", NULL, WH_AUTH_BASIC, "x", NULL, NULL},
		{"Basic", NULL, WH_AUTH_BASIC, NULL, NULL, NULL},
		{"Basic realm=\"x\", Bearer realm=\"https://a\"", NULL, WH_AUTH_BEARER, "https://a", NULL, NULL},
		{"Bearer realm=\"https://a\", Basic realm=\"x\"", NULL, WH_AUTH_BEARER, "https://a", NULL, NULL},
		{"Basic realm=\"x\"", "Bearer realm=\"https://a\"", WH_AUTH_BEARER, "https://a", NULL, NULL},
		{"Bearer realm=\"https://a\"", "Basic realm=\"x\"", WH_AUTH_BEARER, "https://a", NULL, NULL},
		{"Digest realm=\"d\", nonce=\"n\", Basic realm=\"x\"", NULL, WH_AUTH_BASIC, "x", NULL, NULL},
		{"Bearer service=\"s\"", NULL, WH_AUTH_NONE, NULL, NULL, NULL}, /* no realm: nobody to ask */
		{"Bearer realm=\"https://a", NULL, WH_AUTH_NONE, NULL, NULL, NULL},
		{"Bearer realm=\"a\nb\"", NULL, WH_AUTH_NONE, NULL, NULL, NULL},
		{"Negotiate abc==, Basic realm=x", NULL, WH_AUTH_NONE, NULL, NULL, NULL},
		{"", NULL, WH_AUTH_NONE, NULL, NULL, NULL},
		{"=,=", NULL, WH_AUTH_NONE, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_challenge c = {0};

		wh_challenge_parse(table[i].first, &c);
		if (table[i].second)
			wh_challenge_parse(table[i].second, &c);
		assert_int_equal(c.scheme, table[i].scheme);
		assert_true(wh_streq(c.realm, table[i].realm));
		assert_true(wh_streq(c.service, table[i].service));
		assert_true(wh_streq(c.scope, table[i].scope));
		wh_challenge_release(&c);
	}
}

static void links(void **state)
{
	static const struct {
		const char *value, *next;
	} table[] = {
		{"</v2/x?n=1>; rel=\"next\"", "/v2/x?n=1"},
		{"</a>; rel=prev, </b>; title=\"x, y\"; rel=next", "/b"},
		{"<https://a/b>;rel=NEXT", "https://a/b"},
		{"</a>; rel=\"prev\"", NULL},
		{"</a>", NULL},
		{"</a", NULL},
		{"", NULL},
		{"nonsense; rel=next", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_FREE char *next = wh_link_next(table[i].value);

		assert_true(wh_streq(next, table[i].next));
	}
}

static void ranges(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(wh_content_range_start("bytes 100-199/200", &n));
	assert_int_equal(n, 100);
	assert_true(wh_content_range_start("bytes 0-0/*", &n));
	assert_int_equal(n, 0);
	assert_false(wh_content_range_start("bytes */200", &n));
	assert_false(wh_content_range_start("bytes -5", &n));
	assert_false(wh_content_range_start("bytes 99999999999999999999-1/2", &n));
	assert_false(wh_content_range_start("lines 1-2/3", &n));
	assert_true(wh_upload_range("0-99", &n));
	assert_int_equal(n, 100);
	assert_true(wh_upload_range("bytes=0-1", &n));
	assert_int_equal(n, 2);
	assert_true(wh_upload_range("0-0", &n));
	assert_int_equal(n, 0);
	assert_false(wh_upload_range("5-9", &n));
	assert_false(wh_upload_range("0-", &n));
	assert_false(wh_upload_range("0-18446744073709551615", &n));
	assert_false(wh_upload_range("0-5/7", &n));
}

static void addresses(void **state)
{
	static const struct {
		const char *base, *url, *want;
	} resolve[] = {
		{"https://a:5000/v2/x/", "/y?z=1", "https://a:5000/y?z=1"},
		{"https://a/v2/x/", "z", "https://a/v2/x/z"},
		{"https://a/v2/", "https://b/c#d", "https://b/c"},
		{"https://a/v2/", "//b/c", "https://b/c"},
		{"https://a/v2/", "http://user:password@b/c", "http://b/c"},
		{"https://a/v2/", "file:///etc/passwd", NULL},
		{"https://a/v2/", "ftp://a/b", NULL},
		{NULL, "nonsense://", NULL},
	};
	static const struct {
		const char *url;
		bool loopback;
	} loop[] = {
		{"http://localhost/", true},
		{"http://LOCALHOST:1/", true},
		{"https://127.0.0.1:5000/v2/", true},
		{"http://127.8.9.1/", true},
		{"http://[::1]:5000/", true},
		{"http://127.0.0.1.example/", false},
		{"http://localhost.example/", false},
		{"http://128.0.0.1/", false},
		{"http://[::2]/", false},
		{"http://x@127.0.0.1/", true},
		{"http://127.0.0.1@evil/", false},
		{"nonsense", false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(resolve); i++) {
		WH_AUTO_FREE char *got = wh_url_resolve(resolve[i].base, resolve[i].url);

		assert_true(wh_streq(got, resolve[i].want));
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(loop); i++)
		assert_int_equal(wh_url_is_loopback(loop[i].url), loop[i].loopback);
	assert_true(wh_url_same_origin("https://a/x", "https://A:443/y"));
	assert_true(wh_url_same_origin("http://a:80/x", "http://a/"));
	assert_false(wh_url_same_origin("https://a/x", "http://a:443/x"));
	assert_false(wh_url_same_origin("https://a/x", "https://a:444/x"));
	assert_false(wh_url_same_origin("https://a/x", "https://a.b/x"));
	assert_false(wh_url_same_origin("https://a/x", "https://b/x"));
	assert_false(wh_url_same_origin("nonsense", "nonsense"));
}

static void queries(void **state)
{
	WH_AUTO_FREE char *a = wh_url_with("https://a/b", "k", "v w");
	WH_AUTO_FREE char *b = wh_url_with("https://a/b?x=1", "k", "a&b=c");
	WH_AUTO_FREE char *c = wh_url_with("https://a/b?", "k", "");

	(void)state;
	assert_string_equal(a, "https://a/b?k=v%20w");
	assert_string_equal(b, "https://a/b?x=1&k=a%26b%3Dc");
	assert_string_equal(c, "https://a/b?k=");
}

static void errors(void **state)
{
	static const struct {
		const char *body, *text;
	} table[] = {
		{"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\"}]}", "DENIED: no"},
		{"{\"errors\":[{\"code\":\"DENIED\"}]}", "DENIED"},
		{"{\"errors\":[{\"message\":\"a\\nb\\u001b[1m\"}]}", "a b [1m"},
		{"{\"details\":\"incorrect username\"}", "incorrect username"},
		{"{\"error\":\"invalid_grant\"}", "invalid_grant"},
		{"{\"errors\":[]}", ""},
		{"[]", ""},
		{"<html>", ""},
		{"", ""},
	};
	char many[600];

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_reg_error_text(table[i].body, strlen(table[i].body), &out);
		assert_string_equal(out.p ? out.p : "", table[i].text);
	}
	assert_true(wh_reg_error_is("{\"errors\":[{\"code\":\"A\"}]}", 25, "A"));
	assert_false(wh_reg_error_is("{\"errors\":[{\"code\":\"A\"}]}", 25, "B"));
	assert_false(wh_reg_error_is("[]", 2, "A"));
	assert_false(wh_reg_error_is(NULL, 0, "A"));
	for (size_t cut = 0; cut < 4; cut++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		memset(many, 'x', sizeof(many));
		for (size_t i = cut; i + 1 < sizeof(many); i += 2)
			memcpy(many + i, "\xc3\xa9", 2); /* é */
		many[sizeof(many) - 1] = '\0';
		wh_reg_text(&out, many);
		assert_true(out.n <= 200 + strlen("…"));
		assert_true(wh_has_suffix(out.p, "\xc3\xa9…"));
	}
}

/* ---------------------------------------------------------------- logins */

static void logins(void **state)
{
	/* dXNlcjpwdw== is user:pw, dTI6cDpx u2:p:q, OnB3 :pw, dXNlcg== user */
	static const struct {
		const char *config, *domain, *path;
		const char *user, *password, *identity, *helper, *key;
	} table[] = {
		{"{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r.example", "x", "user", "pw", NULL, NULL,
		 NULL},
		{"{\"auths\":{\"https://R.example/\":{\"auth\":\"dTI6cDpx\"}}}", "r.example", "x", "u2", "p:q", NULL,
		 NULL, NULL},
		{"{\"auths\":{\"r.example:5000\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r.example", "x", NULL, NULL, NULL,
		 NULL, NULL},
		{"{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r.example.org", "x", NULL, NULL, NULL,
		 NULL, NULL},
		{"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwdw==\"}}}", "docker.io",
		 "library/debian", "user", "pw", NULL, NULL, NULL},
		{"{\"auths\":{\"docker.io\":{\"username\":\"a\",\"password\":\"b\"}}}", "docker.io", "library/debian",
		 "a", "b", NULL, NULL, NULL},
		/* the longest key; whole parts of a path only */
		{"{\"auths\":{\"r\":{\"auth\":\"dXNlcjpwdw==\"},\"r/a\":{\"auth\":\"dTI6cDpx\"}}}", "r", "a/b", "u2",
		 "p:q", NULL, NULL, NULL},
		{"{\"auths\":{\"r\":{\"auth\":\"dXNlcjpwdw==\"},\"r/a\":{\"auth\":\"dTI6cDpx\"}}}", "r", "ab", "user",
		 "pw", NULL, NULL, NULL},
		{"{\"auths\":{\"r/a/b\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r", "a", NULL, NULL, NULL, NULL, NULL},
		{"{\"auths\":{\"r\":{\"auth\":\"dXNlcjpwdw==\",\"identitytoken\":\"t\"}}}", "r", "x", NULL, NULL, "t",
		 NULL, NULL},
		/* helpers */
		{"{\"credsStore\":\"st\",\"auths\":{\"r\":{}}}", "r", "x", NULL, NULL, NULL, "st", "r"},
		{"{\"credsStore\":\"st\",\"auths\":{\"https://r\":{}}}", "r", "x", NULL, NULL, NULL, "st", "https://r"},
		{"{\"credsStore\":\"st\"}", "docker.io", "library/x", NULL, NULL, NULL, "st",
		 "https://index.docker.io/v1/"},
		{"{\"credsStore\":\"st\",\"credHelpers\":{\"r\":\"own\"}}", "r", "x", NULL, NULL, NULL, "own", "r"},
		{"{\"credsStore\":\"st\",\"credHelpers\":{\"q\":\"own\"}}", "r", "x", NULL, NULL, NULL, "st", "r"},
		{"{\"credsStore\":\"st\",\"auths\":{\"r\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r", "x", "user", "pw", NULL,
		 NULL, NULL},
		{"{\"credsStore\":\"a/b\"}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"credsStore\":\"\"}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"credsStore\":5}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		/* what is no login */
		{"{\"auths\":{\"r\":{\"auth\":\"dXNlcg==\"}}}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"auths\":{\"r\":{\"auth\":\"OnB3\"}}}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"auths\":{\"r\":{\"auth\":\"!\"}}}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"auths\":{\"r\":{\"auth\":\"dTpwDQpx\"}}}", "r", "x", NULL, NULL, NULL, NULL, NULL}, /* u:p\r\nq */
		{"{\"auths\":{\"r\":{\"username\":\"a:b\",\"password\":\"c\"}}}", "r", "x", NULL, NULL, NULL, NULL,
		 NULL},
		{"{\"auths\":{\"r\":{\"identitytoken\":\"a\\nb\"}}}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"{\"auths\":{\"\":{\"auth\":\"dXNlcjpwdw==\"},\"/\":{\"auth\":\"dXNlcjpwdw==\"}}}", "r", "x", NULL,
		 NULL, NULL, NULL, NULL},
		{"{\"auths\":[]}", "r", "x", NULL, NULL, NULL, NULL, NULL},
		{"[]", "r", "x", NULL, NULL, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_JSON json_t *o = NULL;
		struct wh_login l;
		bool found;

		assert_ok(wh_json_parse(table[i].config, strlen(table[i].config), "test", &o, &err), err);
		found = wh_login_find(o, table[i].domain, table[i].path, &l);
		assert_int_equal(found, table[i].user || table[i].identity || table[i].helper);
		assert_true(wh_streq(l.user, table[i].user));
		assert_true(wh_streq(l.password, table[i].password));
		assert_true(wh_streq(l.identity, table[i].identity));
		assert_true(wh_streq(l.helper, table[i].helper));
		assert_true(wh_streq(l.helper_key, table[i].key));
		wh_login_release(&l);
	}
}

/* ---------------------------------------------------------------- the fallback tag's list */

#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define OLD(c, more) \
	"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" D(c) "\",\"size\":5" more "}"
#define LIST(entries) "{\"schemaVersion\":2,\"mediaType\":\"" WH_MT_INDEX "\",\"manifests\":[" entries "]}"

static void merging(void **state)
{
	static const struct {
		const char *before, *after; /* NULL: refused */
	} table[] = {
		{"", LIST(OLD("aaaa", ",\"artifactType\":\"t\",\"annotations\":{\"k\":\"v\"}"))},
		{LIST(""), LIST(OLD("aaaa", ",\"artifactType\":\"t\",\"annotations\":{\"k\":\"v\"}"))},
		{LIST(OLD("bbbb", ",\"x\":[1,{\"y\":null}]")),
		 LIST(OLD("bbbb", ",\"x\":[1,{\"y\":null}]") "," OLD(
			 "aaaa", ",\"artifactType\":\"t\",\"annotations\":{\"k\":\"v\"}"))},
		/* ours, as somebody else described it: once, in its place */
		{LIST(OLD("aaaa", "") "," OLD("bbbb", "")),
		 LIST(OLD("aaaa", ",\"artifactType\":\"t\",\"annotations\":{\"k\":\"v\"}") "," OLD("bbbb", ""))},
		{"{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"a\":\"b\"}}",
		 "{\"schemaVersion\":2,\"manifests\":[" OLD(
			 "aaaa",
			 ",\"artifactType\":\"t\",\"annotations\":{\"k\":\"v\"}") "],"
										  "\"annotations\":{\"a\":\"b\"}}"},
		{"{\"schemaVersion\":2,\"mediaType\":\"" WH_MT_MANIFEST "\",\"manifests\":[]}", NULL},
		{"{\"schemaVersion\":2,\"mediaType\":5,\"manifests\":[]}", NULL},
		{"{\"schemaVersion\":1,\"manifests\":[]}", NULL},
		{"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", NULL},
		{"[]", NULL},
		{"{", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		char type[] = "t";
		struct wh_artifact a = {.manifest = {.size = 5}, .artifact_type = type};
		const struct wh_artifact *v[] = {&a};
		int r;

		assert_true(wh_digest_parse(D("aaaa"), &a.manifest.digest));
		a.manifest.annotations = json_pack("{s:s}", "k", "v");
		r = wh_referrers_merge(table[i].before, strlen(table[i].before), v, 1, &out, &err);
		json_decref(a.manifest.annotations);
		if (!table[i].after) {
			assert_true(r < 0 && err);
			continue;
		}
		assert_ok(r, err);
		assert_string_equal(out.p, table[i].after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),  cmocka_unit_test(challenges), cmocka_unit_test(links),
		cmocka_unit_test(ranges), cmocka_unit_test(addresses),  cmocka_unit_test(queries),
		cmocka_unit_test(errors), cmocka_unit_test(logins),     cmocka_unit_test(merging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
