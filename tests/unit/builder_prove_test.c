/* SPDX-License-Identifier: Apache-2.0 */
/* PROVE: what is taken away for a control, what the confinement then lacks, and what two documents of privileges differ in. */
#include "tests/unit/test.h"

#include "builder/prove_private.h"

#include <errno.h>

#define PRIVILEGES                                                                                                                  \
	"{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":["                \
	"{\"names\":[\"bind\",\"listen\",\"mmap\",\"read\",\"socket\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"                   \
	"{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]},"                                                 \
	"\"observed\":[\"bind\",\"listen\",\"socket\",\"uname\"],\"capabilities\":[\"CAP_CHOWN\",\"CAP_KILL\"],"                    \
	"\"noNewPrivileges\":true,\"readOnlyRoot\":true,\"writable\":["                                                             \
	"{\"path\":\"/data\",\"mode\":\"0750\",\"uid\":7,\"gid\":8,\"content\":true},"                                              \
	"{\"path\":\"/spool\",\"mode\":\"1777\",\"uid\":0,\"gid\":0,\"content\":false}],"                                           \
	"\"landlock\":{\"abi\":4,\"fs\":[{\"access\":[\"execute\"],\"paths\":[\"/bin/app\"]},"                                      \
	"{\"access\":[\"read_file\",\"read_dir\"],\"paths\":[\"/etc\",\"/proc\",\"/usr\",\"/var\"]},"                               \
	"{\"access\":[\"read_file\",\"read_dir\",\"write_file\"],\"paths\":[\"/data\",\"/spool\"]}],"                               \
	"\"net\":{\"handled\":[\"bind_tcp\"],\"rules\":[{\"access\":[\"bind_tcp\"],\"ports\":[80]}]}}}"

#define PROFILE                                                                                                                     \
	"{\"used\":[{\"path\":\"usr/lib/a\",\"access\":\"r\"},{\"path\":\"usr/lib/b\",\"access\":\"rs\"},{\"path\":\"etc/c\","      \
	"\"access\":\"r\"},{\"path\":\"var/d\",\"access\":\"s\"},{\"path\":\"proc/self/e\",\"access\":\"r\"}]}"

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static void assert_controls(unsigned parts, int abi, const char *want)
{
	json_t *privileges = parse(PRIVILEGES), *profile = parse(PROFILE);
	const json_t *profiles[] = {profile};
	struct wh_controls c = {0};
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;

	wh_controls_collect(privileges, profiles, 1, parts, abi, &c);
	for (size_t i = 0; i < c.n; i++)
		wh_buf_addf(&all, "%s%s:%s", i ? ", " : "", wh_control_kinds[c.v[i].kind], c.v[i].without);
	assert_string_equal(all.p, want);
	wh_controls_release(&c);
	json_decref(privileges);
	json_decref(profile);
}

#define CALLS "seccomp:listen, seccomp:bind, seccomp:socket, seccomp:mmap, seccomp:read, seccomp:write, seccomp:arch_prctl"
#define OTHERS ", capabilities:CAP_CHOWN, capabilities:CAP_KILL, read-only root:/data, read-only root:/spool"

static void controls_in_order(void **state)
{
	(void)state;
	/* Of directories that are read, the one of which most was used first; /proc never, nor what was only looked at. */
	assert_controls(WH_PART_ALL, 5, CALLS OTHERS ", Landlock:bind_tcp, Landlock:write_file /data, Landlock:read_file /usr, Landlock:read_file /etc");
	assert_controls(WH_PART_ALL, 3, CALLS OTHERS ", Landlock:write_file /data, Landlock:read_file /usr, Landlock:read_file /etc");
	assert_controls(WH_PART_ALL & ~WH_PART_LANDLOCK, 0, CALLS OTHERS);
}

static bool has(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (wh_streq(*list, name))
			return true;
	return false;
}

static struct wh_confinement *make(unsigned parts, enum wh_control_kind kind, const char *without)
{
	const struct wh_control control = {kind, without};
	json_t *privileges = parse(PRIVILEGES);
	struct wh_confinement *c = NULL;

	assert_int_equal(wh_confinement_make(privileges, parts, kind ? &control : NULL, &c, NULL), 0);
	json_decref(privileges);
	return c;
}

static uint64_t access_to(const struct wh_confinement *c, const char *path)
{
	uint64_t all = 0;

	for (size_t i = 0; i < c->c.n_rules; i++)
		if (wh_streq(c->c.rules[i].path, path))
			all |= c->c.rules[i].access;
	return all;
}

static void whole(void **state)
{
	struct wh_confinement *c = make(WH_PART_ALL, WH_CONTROL_NONE, NULL);

	(void)state;
	assert_true(has(c->c.syscalls, "listen") && has(c->c.absent, "clone3") && !has(c->c.syscalls, "clone3"));
	assert_true(c->c.limit_capabilities && c->c.no_new_privs && c->c.readonly_root && c->c.landlock);
	assert_true(has(c->c.capabilities, "CAP_KILL"));
	assert_int_equal(c->n_places, 2);
	assert_string_equal(c->places[0].path, "/data");
	assert_int_equal(c->places[0].mode, 0750);
	assert_int_equal(c->places[0].uid, 7);
	assert_int_equal(c->places[0].gid, 8);
	assert_true(c->places[0].content && !c->places[1].content);
	assert_null(c->read_only);
	assert_int_equal(c->c.n_ports, 1);
	assert_int_equal(c->c.ports[0].port, 80);
	wh_confinement_free(c);
}

static void parts_alone(void **state)
{
	struct wh_confinement *c = make(WH_PART_SECCOMP, WH_CONTROL_NONE, NULL);

	(void)state;
	assert_non_null(c->c.syscalls);
	assert_false(c->c.limit_capabilities || c->c.no_new_privs || c->c.readonly_root || c->c.landlock);
	wh_confinement_free(c);
	c = make(WH_PART_ALL & ~WH_PART_SECCOMP, WH_CONTROL_NONE, NULL);
	assert_null(c->c.syscalls);
	assert_true(c->c.limit_capabilities && c->c.readonly_root && c->c.landlock);
	wh_confinement_free(c);
}

static void one_thing_less(void **state)
{
	struct wh_confinement *c = make(WH_PART_ALL, WH_CONTROL_SECCOMP, "listen");

	(void)state;
	assert_true(!has(c->c.syscalls, "listen") && has(c->c.syscalls, "bind"));
	wh_confinement_free(c);
	c = make(WH_PART_ALL, WH_CONTROL_CAPABILITIES, "CAP_CHOWN");
	assert_true(!has(c->c.capabilities, "CAP_CHOWN") && has(c->c.capabilities, "CAP_KILL"));
	wh_confinement_free(c);
	c = make(WH_PART_ALL, WH_CONTROL_READ_ONLY, "/data");
	assert_int_equal(c->n_places, 1);
	assert_string_equal(c->places[0].path, "/spool");
	assert_string_equal(c->read_only, "/data");
	wh_confinement_free(c);
	c = make(WH_PART_ALL, WH_CONTROL_LANDLOCK, "write_file /data");
	assert_int_equal(access_to(c, "/data"), wh_landlock_fs_access("read_file") | wh_landlock_fs_access("read_dir"));
	assert_true(access_to(c, "/spool") & wh_landlock_fs_access("write_file"));
	wh_confinement_free(c);
	c = make(WH_PART_ALL, WH_CONTROL_LANDLOCK, "bind_tcp");
	assert_int_equal(c->c.n_ports, 0);
	assert_true(c->c.net & wh_landlock_net_access("bind_tcp"));
	wh_confinement_free(c);
}

static void damaged(void **state)
{
	json_t *empty = json_object();
	struct wh_confinement *c = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;

	(void)state;
	assert_int_equal(wh_confinement_make(empty, WH_PART_ALL, NULL, &c, &err), -EBADMSG);
	assert_null(c);
	json_decref(empty);
}

static void new_needs(void **state)
{
	json_t *before = parse(PRIVILEGES), *after = parse(PRIVILEGES), *fresh, *all = json_array();
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT;

	(void)state;
	fresh = wh_needs_new(before, after);
	assert_int_equal(json_array_size(fresh), 0);
	json_decref(fresh);
	json_array_append_new(json_object_get(after, "observed"), json_string("flock"));
	json_array_append_new(json_object_get(after, "capabilities"), json_string("CAP_FOWNER"));
	json_object_set_new(after, "readOnlyRoot", json_false());
	json_array_append_new(
		json_object_get(json_array_get(json_object_get(json_object_get(json_object_get(after, "landlock"), "net"), "rules"), 0), "ports"),
		json_integer(81));
	fresh = wh_needs_new(before, after);
	wh_needs_words(fresh, &words);
	assert_string_equal(words.p, "flock (seccomp), CAP_FOWNER (capabilities), / (read-only root), bind_tcp 81 (Landlock)");
	wh_needs_join(all, fresh);
	wh_needs_join(all, fresh);
	assert_int_equal(json_array_size(all), 4);
	json_decref(fresh);
	json_decref(all);
	/* What went is no need. */
	fresh = wh_needs_new(after, before);
	assert_int_equal(json_array_size(fresh), 0);
	json_decref(fresh);
	json_decref(before);
	json_decref(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_in_order), cmocka_unit_test(whole),	cmocka_unit_test(parts_alone),
		cmocka_unit_test(one_thing_less),    cmocka_unit_test(damaged), cmocka_unit_test(new_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
