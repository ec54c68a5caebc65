/* SPDX-License-Identifier: Apache-2.0 */
/* TOML, and what registries.conf and daemon.json say of a repository. */
#include "layers/registry_private.h"
#include "layers/registry_toml.h"

#include "tests/unit/layers_helper.h"

static void drop_lines(json_t *v)
{
	const char *key;
	json_t *x;
	size_t i;

	json_object_del(v, WH_TOML_LINE);
	json_object_foreach (v, key, x)
		drop_lines(x);
	json_array_foreach (v, i, x)
		drop_lines(x);
}

static void toml(void **state)
{
	static const struct {
		const char *text, *json; /* or the error */
	} table[] = {
		{"", "{}"},
		{"\xef\xbb\xbf# just words\n\n\t \r\n", "{}"},
		{"a = true\nb=false # no", "{\"a\":true,\"b\":false}"},
		{"a = \"x\\ty\\u00e9\\U0001f600\\\\\\\"\"", "{\"a\":\"x\\ty\xc3\xa9\xf0\x9f\x98\x80\\\\\\\"\"}"},
		{"a = 'c:\\x\"'", "{\"a\":\"c:\\\\x\\\"\"}"},
		{"a = \"\"\"\nx\ny\\\n   z\"\"\"\"", "{\"a\":\"x\\nyz\\\"\"}"},
		{"a = '''\n\\n''x'''", "{\"a\":\"\\\\n''x\"}"},
		{"a = \"\"", "{\"a\":\"\"}"},
		{"a = 1\nb = -0x_f\nc = 1.5e+3\nd = 1979-05-27 07:32:00Z\ne = inf\nf = 07:32:00.5", "{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":null,\"f\":null}"},
		{"a = [ \"x\", # one\n 'y',\n]", "{\"a\":[\"x\",\"y\"]}"},
		{"a = []\nb = [[1], []]", "{\"a\":[],\"b\":[[null],[]]}"},
		{"a = {x = 1, \"y z\" = 'b'}\nb = {}", "{\"a\":{\"x\":null,\"y z\":\"b\"},\"b\":{}}"},
		{"[a]\nx = 'y'\n[a.b]\nz = 'w'\n[ c . 'd e' ]\n", "{\"a\":{\"b\":{\"z\":\"w\"},\"x\":\"y\"},\"c\":{\"d e\":{}}}"},
		{"[a.b]\n[a]\nx=1", "{\"a\":{\"b\":{},\"x\":null}}"},
		{"[[a]]\nx='1'\n[[a.b]]\ny='2'\n[[a.b]]\n[[a]]\n[a.c]\nz='3'", "{\"a\":[{\"b\":[{\"y\":\"2\"},{}],\"x\":\"1\"},{\"c\":{\"z\":\"3\"}}]}"},
		{"a.b.c = 'x'\na.b.d = 'y'", "{\"a\":{\"b\":{\"c\":\"x\",\"d\":\"y\"}}}"},
		{"\"a.b\" = true\n'' = false", "{\"\":false,\"a.b\":true}"},
		{"1-x_ = true", "{\"1-x_\":true}"},
		/* what is wrong */
		{"a", "f:1: \"=\" should stand behind \"a\""},
		{"a =", "f:1: a value should stand here"},
		{"\n\na = yes", "f:3: \"yes\" is no value: text stands in quotes"},
		{"a = 'x", "f:1: a string without an end"},
		{"a = 'x\n'", "f:1: a string without an end"},
		{"x=1\na = '''x\n\n", "f:2: a string without an end"},
		{"a = \"\\x\"", "f:1: an escape that TOML does not have"},
		{"a = \"\\ud800\"", "f:1: \\u names no character"},
		{"a = \"\\u12\"", "f:1: \\u wants hexadecimal digits"},
		{"a = \"\\u0000\"", "f:1: \\u names no character"},
		{"a = \"\001\"", "f:1: a control character in a string"},
		{"\"\\u0001\" = 1", "f:1: a control character in a key"},
		{"# \001", "f:1: a control character in a comment"},
		{"a = \"\xff\"", "f:1: text that is no UTF-8"},
		{"\"\xff\" = 1", "f:1: text that is no UTF-8"},
		{"[\"\xff\"]", "f:1: text that is no UTF-8"},
		{"a = 1 b = 2", "f:1: the line goes on where it should end"},
		{"a = true\na = true", "f:2: \"a\" has a value already"},
		{"[a]\n[a]", "f:2: \"a\" has a value already"},
		{"[[a]]\n[a]", "f:2: \"a\" has a value already"},
		{"[a]\n[[a]]", "f:2: \"a\" has a value already"},
		{"a = []\n[[a]]", "f:2: \"a\" has a value already"},
		{"a = [{}]\n[[a]]", "f:2: \"a\" has a value already"},
		{"a = {b = 1}\n[a]", "f:2: \"a\" has a value already"},
		{"a = {b = 1}\na.c = 1", "f:2: \"a\" has a value already"},
		{"a = {b.c = 1}\n[a.b]", "f:2: \"a\" has a value already"},
		{"a.b = 1\n[a]", "f:2: \"a\" has a value already"},
		{"a = 1\n[a.b]", "f:2: \"a\" has a value already"},
		{"a = [1\n", "f:1: an array without an end"},
		{"a = [1 2]", "f:1: \",\" or \"]\" should stand here"},
		{"a = [,]", "f:1: a value should stand here"},
		{"a = {x = 1\n}", "f:1: \",\" or \"}\" should stand here"},
		{"a = {x = 1,}", "f:1: a key should stand here"},
		{"[a\n", "f:1: \"]\" should stand here"},
		{"[[a]\n", "f:1: \"]]\" should stand here"},
		{"[]", "f:1: a key should stand here"},
		{"a = \r", "f:1: a value should stand here"},
		{"a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "f:1: values are nested too deeply"},
		{"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q = 1", "f:1: keys are nested too deeply"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_JSON json_t *o = NULL;
		int r = wh_toml_parse(table[i].text, strlen(table[i].text), "f", &o, &err);

		if (table[i].json[0] != '{') {
			assert_true(r < 0 && err);
			assert_string_equal(err->msg, table[i].json);
			continue;
		}
		assert_ok(r, err);
		drop_lines(o);
		wh_json_dump(o, &b);
		assert_string_equal(b.p, table[i].json);
	}
}

/* What the file says, and what becomes of a name by it: endpoints with blanks between, "!" for insecure, "*" for a mirror. */
static const char shared_conf[] =
	"unqualified-search-registries = ['docker.io', 'quay.io']\n"
	"short-name-mode = 'enforcing'\n"
	"[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n"
	"[[registry.mirror]]\nlocation = 'm1.example:5000/hub'\ninsecure = true\n"
	"[[registry.mirror]]\nlocation = 'm2.example'\npull-from-mirror = 'digest-only'\n"
	"[[registry.mirror]]\nlocation = 'm3.example'\npull-from-mirror = 'tag-only'\n"
	"[[registry]]\nprefix = 'docker.io/library'\nlocation = 'r.example/lib'\n"
	"[[registry]]\nprefix = 'docker.io/library/one'\nlocation = 'r.example/uno'\nmirror-by-digest-only = true\n"
	"[[registry.mirror]]\nlocation = 'm4.example/one'\n"
	"[[registry]]\nlocation = 'plain.example:80'\ninsecure = true\n"
	"[[registry]]\nprefix = '*.wild.example'\ninsecure = true\n"
	"[[registry]]\nprefix = '*.wild.example/deep'\nlocation = 'deep.example/x'\n"
	"[[registry]]\nprefix = 'a.wild.example'\nlocation = 'a.example'\n"
	"[[registry]]\nprefix = 'bad.example'\nblocked = true\n"
	"[[registry]]\nprefix = 'bad.example/good'\n"
	"[aliases]\nfedora = 'registry.fedoraproject.org/fedora'\n";

static void endpoints(void **state)
{
	static const struct {
		const char *domain, *path;
		bool digest, push;
		const char *want;
	} table[] = {
		{"docker.io", "a/b", false, false, "*!m1.example:5000/hub/a/b *m3.example/a/b docker.io/a/b"},
		{"docker.io", "a/b", true, false, "*!m1.example:5000/hub/a/b *m2.example/a/b docker.io/a/b"},
		{"docker.io", "a/b", false, true, "docker.io/a/b"},
		{"docker.io", "library/x", false, false, "r.example/lib/x"},
		{"docker.io", "library/x", false, true, "r.example/lib/x"},
		{"docker.io", "libraryx/x", false, true, "docker.io/libraryx/x"},
		{"docker.io", "library/one", false, false, "r.example/uno"},
		{"docker.io", "library/one", true, false, "*m4.example/one r.example/uno"},
		{"docker.io", "library/one/two", true, false, "*m4.example/one/two r.example/uno/two"},
		{"docker.io", "library/oneself", true, false, "r.example/lib/oneself"},
		{"docker.io.example", "x", false, false, "docker.io.example/x"},
		{"plain.example:80", "x", false, false, "!plain.example:80/x"},
		{"plain.example", "x", false, false, "plain.example/x"},
		{"plain.example:8080", "x", false, false, "plain.example:8080/x"},
		{"b.wild.example", "x", false, false, "!b.wild.example/x"},
		{"c.b.wild.example", "x", false, false, "!c.b.wild.example/x"},
		{"wild.example", "x", false, false, "wild.example/x"},
		{"xwild.example", "x", false, false, "xwild.example/x"},
		{"b.wild.example:5000", "x", false, false, "b.wild.example:5000/x"},
		{"b.wild.example", "deep/y", false, false, "deep.example/x/y"},
		{"b.wild.example", "deeper/y", false, false, "!b.wild.example/deeper/y"},
		{"a.wild.example", "x", false, false, "a.example/x"},
		{"bad.example", "x", false, false, NULL},
		{"bad.example", "x", false, true, NULL},
		{"bad.example", "good", false, false, "bad.example/good"},
		{"fedora", "x", false, false, "fedora/x"},
	};
	struct wh_reg_hosts *h = wh_reg_hosts_new();
	WH_AUTO_ERR struct wh_err *bad = NULL;

	(void)state;
	assert_ok(wh_reg_hosts_add_conf(h, shared_conf, strlen(shared_conf), "f", &bad), bad);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_reg_endpoints l;
		int r = wh_reg_hosts_endpoints(h, table[i].domain, table[i].path, table[i].digest, table[i].push, &l, &err);

		if (!table[i].want) {
			assert_int_equal(r, -EACCES);
			assert_string_equal(err->msg, "f:36 blocks it");
			continue;
		}
		assert_ok(r, err);
		for (size_t k = 0; k < l.n; k++)
			wh_buf_addf(&b, "%s%s%s%s/%s", k ? " " : "", l.v[k].mirror ? "*" : "", l.v[k].insecure ? "!" : "", l.v[k].domain,
				    l.v[k].path);
		assert_string_equal(b.p, table[i].want);
		wh_reg_endpoints_release(&l);
	}
	wh_reg_hosts_free(h);
}

static void broken_conf(void **state)
{
	static const struct {
		const char *text, *error;
	} table[] = {
		{"[[registry]]\n", "f:1: a registry without prefix and location"},
		{"\n[[registry]]\nlocation = true", "f:2: location wants text"},
		{"[[registry]]\nlocation = 'a.example'\ninsecure = 'yes'", "f:1: insecure wants true or false"},
		{"[[registry]]\nlocation = 'https://a.example'", "f:1: location \"https://a.example\" is not HOST[:PORT][/PATH]"},
		{"[[registry]]\nlocation = '*.a.example'", "f:1: location \"*.a.example\" is not HOST[:PORT][/PATH]"},
		{"[[registry]]\nlocation = 'a.example/../b'", "f:1: location \"a.example/../b\" is not HOST[:PORT][/PATH]"},
		{"[[registry]]\nlocation = '../../etc'", "f:1: location \"../../etc\" is not HOST[:PORT][/PATH]"},
		{"[[registry]]\nlocation = 'a.example'\n[[registry.mirror]]\n", "f:3: a mirror without location"},
		{"[[registry]]\nlocation = 'a.example'\n[[registry.mirror]]\nlocation='b'\npull-from-mirror='x'",
		 "f:3: pull-from-mirror \"x\" is none of all, digest-only, tag-only"},
		{"registry = 'x'", "f:1: registry wants tables, [[registry]]"},
		{"[registry]\n", "f:1: registry wants tables, [[registry]]"},
		{"[[registry]]\nlocation='a.b'\n[[registry]]\nlocation='a.b'\nblocked=true", "f:3: \"a.b\" differs from line 1 in insecure or blocked"},
		{"[registries.insecure]\nregistries=['a']\n[[registry]]\nlocation='a.b'",
		 "f:1: [registries] of the file's first form beside [[registry]]"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_reg_hosts *h = wh_reg_hosts_new();
		WH_AUTO_ERR struct wh_err *err = NULL;

		assert_true(wh_reg_hosts_add_conf(h, table[i].text, strlen(table[i].text), "f", &err) < 0);
		assert_string_equal(err->msg, table[i].error);
		wh_reg_hosts_free(h);
	}
}

static void add_conf(struct wh_reg_hosts *h, const char *text, const char *file)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	assert_ok(wh_reg_hosts_add_conf(h, text, strlen(text), file, &err), err);
}

static void drop_ins(void **state)
{
	struct wh_reg_hosts *h = wh_reg_hosts_new();
	struct wh_reg_endpoints l;

	(void)state;
	add_conf(h, "[[registry]]\nprefix='a.b'\nlocation='first.example'\n[[registry]]\nprefix='a.b'\nlocation='again.example'", "1");
	assert_int_equal(wh_reg_hosts_endpoints(h, "a.b", "x", false, false, &l, NULL), 0);
	assert_string_equal(l.v[0].domain, "first.example");
	wh_reg_endpoints_release(&l);
	add_conf(h, "[[registry]]\nprefix='a.b'\nlocation='second.example'", "2");
	assert_int_equal(wh_reg_hosts_endpoints(h, "a.b", "x", false, false, &l, NULL), 0);
	assert_string_equal(l.v[0].domain, "second.example");
	wh_reg_endpoints_release(&l);
	add_conf(h, "[registries.search]\nregistries=['x.y']\n[registries.insecure]\nregistries=['a.b']\n[registries.block]\nregistries=['c.d']", "3");
	assert_int_equal(wh_reg_hosts_endpoints(h, "a.b", "x", false, false, &l, NULL), 0);
	assert_string_equal(l.v[0].domain, "a.b");
	assert_true(l.v[0].insecure);
	wh_reg_endpoints_release(&l);
	assert_int_equal(wh_reg_hosts_endpoints(h, "c.d", "x", false, false, &l, NULL), -EACCES);
	/* A location for one repository alone must name one. */
	add_conf(h, "[[registry]]\nprefix='e.f/g'\nlocation='h.i'", "4");
	assert_int_equal(wh_reg_hosts_endpoints(h, "e.f", "g", false, false, &l, NULL), -EINVAL);
	assert_int_equal(wh_reg_hosts_files(h)->n, 4);
	wh_reg_hosts_free(h);
}

static void daemon_json(void **state)
{
	static const char text[] = "{\"registry-mirrors\": [\"https://m1.example/\", \"http://127.0.0.1:5001\"], \"debug\": true,"
				   " \"insecure-registries\": [\"i.example:5000\", \"10.1.0.0/16\", \"fd00::/8\", \"192.0.2.7/32\"]}";
	static const struct {
		const char *domain;
		bool insecure;
	} table[] = {
		{"i.example:5000", true}, {"i.example", false},       {"10.1.2.3", true},     {"10.1.2.3:5000", true}, {"10.2.2.3", false},
		{"[fd12::1]:5000", true}, {"[fe12::1]:5000", false}, {"192.0.2.7", true}, {"192.0.2.6", false},
	};
	static const char *const broken[] = {
		"{", "{\"registry-mirrors\": \"x\"}", "{\"registry-mirrors\": [1]}", "{\"registry-mirrors\": [\"m.example\"]}",
		"{\"registry-mirrors\": [\"https://m.example/path\"]}", "{\"registry-mirrors\": [\"https://u:p@m.example\"]}",
		"{\"insecure-registries\": [\"a b\"]}", "{\"insecure-registries\": [\"10.0.0.0/33\"]}",
	};
	struct wh_reg_hosts *h = wh_reg_hosts_new();
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_reg_endpoints l;

	(void)state;
	assert_ok(wh_reg_hosts_add_daemon(h, text, strlen(text), "d", &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		assert_int_equal(wh_reg_hosts_insecure(h, table[i].domain), table[i].insecure);
	assert_int_equal(wh_reg_hosts_endpoints(h, "docker.io", "a/b", false, false, &l, NULL), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].domain, "m1.example");
	assert_string_equal(l.v[0].path, "a/b");
	assert_true(l.v[0].mirror && !l.v[0].insecure && l.v[1].mirror && l.v[1].insecure);
	assert_string_equal(l.v[2].domain, "docker.io");
	wh_reg_endpoints_release(&l);
	assert_int_equal(wh_reg_hosts_endpoints(h, "quay.io", "a/b", false, false, &l, NULL), 0);
	assert_int_equal(l.n, 1);
	wh_reg_endpoints_release(&l);
	wh_reg_hosts_free(h);
	for (size_t i = 0; i < WH_ARRAY_SIZE(broken); i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;

		h = wh_reg_hosts_new();
		assert_true(wh_reg_hosts_add_daemon(h, broken[i], strlen(broken[i]), "d", &why) < 0);
		assert_true(wh_has_prefix(why->msg, "d: "));
		wh_reg_hosts_free(h);
	}
}

static void hosts(void **state)
{
	static const struct {
		const char *text, *host;
	} table[] = {
		{NULL, "docker.io"},
		{"docker.io", "docker.io"},
		{"https://index.docker.io/v1/", "docker.io"},
		{"registry-1.docker.io", "docker.io"},
		{"https://r.example/", "r.example"},
		{"localhost:5000", "localhost:5000"},
		{"[::1]:5000", "[::1]:5000"},
		{"r.example/x", NULL},
		{"name", NULL},
		{"", NULL},
		{"a b.c", NULL},
		{"user@r.example", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_FREE char *host = NULL;
		int r = wh_registry_host(table[i].text, &host, NULL);

		assert_int_equal(r, table[i].host ? 0 : -EINVAL);
		assert_true(wh_streq(host, table[i].host));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toml),	    cmocka_unit_test(endpoints),   cmocka_unit_test(broken_conf),
		cmocka_unit_test(drop_ins), cmocka_unit_test(daemon_json), cmocka_unit_test(hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
