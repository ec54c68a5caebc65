/* SPDX-License-Identifier: Apache-2.0 */
/* The least privileges, and their forms: what a hostile image may call its directories stays a name. */
#include "tests/unit/harden_helper.h"

static const char *const specs[] = {"d data 750\nd etc 755\nf etc/group 644 more:x:30:app\nf etc/passwd 644 app:x:10:20::/:/bin/app\nd mnt 755\n"
				    "d srv 755\nf srv/list 644 x\nd tmp 1777\nd usr 755\nd usr/bin 755\nf usr/bin/app 755 x\nf usr/bin/su 4755 x\n"
				    "d var 755\nd var/lib 755\nd var/lib/app 755\n",
				    NULL};
static const char *const assumed[] = {"read", "write", "close", NULL};
static const char *const absent[] = {"clone3", NULL};
static const char *const shares[] = {"/mnt", NULL};

static json_t *privileges(struct grove *g, const char *config_text, const char *records)
{
	WH_AUTO_JSON json_t *profile = profile_of(g->tree, records), *config = json_loads(config_text, 0, NULL);
	const json_t *list[] = {profile};
	const struct wh_privileges_opts o = {.profiles = list,
					     .n_profiles = 1,
					     .tree = g->tree,
					     .config = config,
					     .platform = "linux/amd64",
					     .shares = shares,
					     .assumed = assumed,
					     .absent = absent};
	struct wh_err *err = NULL;
	json_t *doc = NULL;

	assert_non_null(config);
	assert_ok(wh_privileges_make(&o, &doc, &err), err);
	return doc;
}

static char *dump(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
}

static const json_t *at(const json_t *o, const char *key, const char *path)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(o, key), i, one)
		if (wh_streq(wh_json_str(one, "path"), path))
			return one;
	return NULL;
}

static bool allowed(const json_t *doc, const char *name)
{
	const json_t *rules = json_object_get(json_object_get(doc, "seccomp"), "syscalls"), *one;
	size_t i;

	json_array_foreach (json_object_get(json_array_get(rules, 0), "names"), i, one)
		if (wh_streq(json_string_value(one), name))
			return true;
	return false;
}

static const char run[] = "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\nA r 1 /srv/list\nS 1 bind\nS 1 clone\nC 1 CAP_CHOWN\n"
			  "L 1 tcp 0.0.0.0 8080\nL 1 tcp :: 8080\nL 1 udp 0.0.0.0 53\nK 1 tcp 127.0.0.1 5432\n"
			  "N c 1 /tmp/x.Yq3MOz\nN c 1 /data/db\nN c 1 /mnt/out\nN c 1 /var/lib/app/deep/file\nN c 1 /srv/new\nA w 1 /dev/null\n";

static void test_document(void **state)
{
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *doc = privileges(&g, "{\"User\":\"app\",\"Volumes\":{\"/data\":{}}}", run);
		static const struct {
			const char *path, *kind, *mode, *seen;
			bool content;
		} places[] = {
			{"/data", "volume", "0750", "/data/db", false},   {"/mnt", "mount", "0755", "/mnt/out", false},
			{"/srv", "data", "0755", "/srv/new", true},       {"/tmp", "temporary", "1777", "/tmp/x.*", false},
			{"/var/lib/app", "data", "0755", "/var/lib/app/deep/file", false},
		};
		WH_AUTO_FREE char *user = dump(json_object_get(doc, "user")), *ports = dump(json_object_get(doc, "ports")),
				  *caps = dump(json_object_get(doc, "capabilities"));

		assert_string_equal(user, "{\"gid\":20,\"groups\":[30],\"uid\":10}");
		assert_string_equal(caps, "[\"CAP_CHOWN\"]");
		assert_string_equal(ports, "[{\"port\":8080,\"protocol\":\"tcp\"},{\"port\":53,\"protocol\":\"udp\"}]");
		assert_true(json_is_true(json_object_get(doc, "noNewPrivileges")));
		assert_true(json_is_true(json_object_get(doc, "readOnlyRoot")));
		assert_int_equal(json_array_size(json_object_get(doc, "writable")), WH_ARRAY_SIZE(places));
		for (size_t i = 0; i < WH_ARRAY_SIZE(places); i++) {
			const json_t *one = at(doc, "writable", places[i].path);

			assert_non_null(one);
			assert_string_equal(wh_json_str(one, "kind"), places[i].kind);
			assert_string_equal(wh_json_str(one, "mode"), places[i].mode);
			assert_int_equal(json_is_true(json_object_get(one, "content")), places[i].content);
			assert_string_equal(json_string_value(json_array_get(json_object_get(one, "seen"), 0)), places[i].seen);
		}
		/* seen, taken for granted, the runtime's; and neither what nobody asked for nor clone without its condition */
		assert_true(allowed(doc, "bind") && allowed(doc, "read") && allowed(doc, "execve"));
		assert_false(allowed(doc, "ptrace") || allowed(doc, "clone") || allowed(doc, "clone3") || allowed(doc, "mount"));
	}
	grove_close(&g);
}

static void test_variants(void **state)
{
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *setid = privileges(&g, "{}", "P 1 0 /usr/bin/app -\nP 2 1 /usr/bin/su -\nA x 2 /usr/bin/su\n");
		WH_AUTO_JSON json_t *root = privileges(&g, "{}", "P 1 0 /usr/bin/app -\nN c 1 /file\nN c 1 /tmp/x\n");
		WH_AUTO_JSON json_t *second = privileges(&g, "{}", "P 1 0 /usr/bin/app -\nS 1 x86:open\n");
		WH_AUTO_FREE char *arches = dump(json_object_get(json_object_get(second, "seccomp"), "architectures"));

		assert_false(json_is_true(json_object_get(setid, "noNewPrivileges")));
		assert_false(json_is_true(json_object_get(root, "readOnlyRoot")));
		assert_string_equal(arches, "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"]");
		assert_true(allowed(second, "open"));
	}
	grove_close(&g);
}

static char *form(const json_t *doc, enum wh_runtime_form f)
{
	struct wh_buf b = WH_BUF_INIT;
	struct wh_err *err = NULL;

	assert_ok(wh_runtime_write(doc, f, "shop:1", "Shop", &b, &err), err);
	return wh_buf_take(&b);
}

static void test_forms(void **state)
{
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *doc = privileges(&g, "{\"User\":\"app\",\"Volumes\":{\"/data\":{}}}", run);
		WH_AUTO_FREE char *args = form(doc, WH_RUNTIME_DOCKER), *text = form(doc, WH_RUNTIME_OCI), *patch = form(doc, WH_RUNTIME_KUBERNETES);
		WH_AUTO_JSON json_t *oci = json_loads(text, 0, NULL);

		assert_string_equal(args, "--user=10:20\n--group-add=30\n--cap-drop=ALL\n--cap-add=CHOWN\n--security-opt=no-new-privileges\n"
					  "--security-opt=seccomp=seccomp.json\n--read-only\n"
					  "--mount=type=volume,destination=/data\n--mount=type=volume,destination=/srv\n"
					  "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,uid=0,gid=0\n"
					  "--mount=type=volume,destination=/var/lib/app\n");
		assert_int_equal(json_array_size(json_object_get(oci, "mounts")), 4);
		assert_non_null(strstr(patch, "runAsNonRoot: true"));
		assert_non_null(strstr(patch, "claimName: shop-0"));
		assert_null(strstr(patch, "mountPath: \"/mnt\""));
	}
	grove_close(&g);
}

/* Directories that would be options, lines, rules. */
static void test_hostile(void **state)
{
	static const struct {
		const char *path;
		bool docker;
	} names[] = {
		{"/a --privileged", false}, {"/a\n--privileged", false}, {"/a,readonly", false}, {"/*", false}, {"/a\"b", false}, {"/a:b", false},
		{"/a}\nprofile x {}", false}, {"/a'b", false}, {"/plain-1.2_x", true},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		const char *p = names[i].path;
		WH_AUTO_JSON json_t *doc = json_pack(
			"{s:{}, s:{s:[{s:[s, s], s:[s]}], s:{s:[], s:[]}}, s:{s:i, s:i, s:[]}, s:[], s:[], s:b, s:b, s:[{s:s, s:s, s:s, s:i, s:i, s:b, s:[s]}]}",
			"seccomp", "landlock", "fs", "access", "read_file", "make_reg", "paths", p, "net", "handled", "rules", "user", "uid", 1,
			"gid", 1, "groups", "capabilities", "ports", "noNewPrivileges", 1, "readOnlyRoot", 1, "writable", "path", p, "kind",
			"temporary", "mode", "0755", "uid", 0, "gid", 0, "content", 0, "seen", p);
		WH_AUTO_BUF struct wh_buf docker = WH_BUF_INIT;
		struct wh_err *err = NULL;
		WH_AUTO_FREE char *apparmor = NULL, *patch = NULL, *quoted = NULL;
		json_t *text = json_string(p);
		int r;

		assert_non_null(doc);
		r = wh_runtime_write(doc, WH_RUNTIME_DOCKER, "i", "n", &docker, &err);
		assert_int_equal(r == 0, names[i].docker);
		wh_err_free(err);
		apparmor = form(doc, WH_RUNTIME_APPARMOR);
		assert_null(strstr(apparmor, "\nprofile x"));
		assert_null(strstr(apparmor, "a}"));
		patch = form(doc, WH_RUNTIME_KUBERNETES);
		assert_null(strstr(patch, "\n--priv"));
		quoted = json_dumps(text, JSON_ENCODE_ANY);
		assert_non_null(strstr(patch, quoted));
		json_decref(text);
	}
}

static void test_damaged(void **state)
{
	WH_AUTO_JSON json_t *doc = json_pack("{s:{}}", "seccomp");
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_err *err = NULL;

	(void)state;
	assert_int_equal(wh_runtime_write(doc, WH_RUNTIME_OCI, "i", "n", &b, &err), -EBADMSG);
	wh_err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document), cmocka_unit_test(test_variants), cmocka_unit_test(test_forms),
		cmocka_unit_test(test_hostile),  cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
