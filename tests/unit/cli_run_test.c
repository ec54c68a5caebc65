/* SPDX-License-Identifier: Apache-2.0 */
/* whittle run: ports and mounts in docker's words, and what they and an image's config make of each other. */
#include "cli/run_spec.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>

const struct wh_command *const wh_commands[] = {NULL};

typedef int (*parse_fn)(struct wh_run_spec *s, const char *text, struct wh_err **err);

static void show(const struct wh_run_spec *s, struct wh_buf *out)
{
	static const char *const kinds[] = {"bind", "volume", "tmpfs"};

	for (size_t i = 0; i < s->n_ports; i++)
		wh_buf_addf(out, "%s%s|%u>%u%s", i ? " " : "", s->ports[i].address ? s->ports[i].address : "",
			    s->ports[i].host, s->ports[i].container, s->ports[i].udp ? "u" : "");
	for (size_t i = 0; i < s->n_mounts; i++)
		wh_buf_addf(out, "%s%s %s>%s%s%s%s %llu %o", i ? " " : "", kinds[s->mounts[i].kind],
			    s->mounts[i].source ? s->mounts[i].source : "-", s->mounts[i].target,
			    s->mounts[i].readonly ? " ro" : "", s->mounts[i].make ? " make" : "",
			    s->mounts[i].copy ? " copy" : "", (unsigned long long)s->mounts[i].size, s->mounts[i].mode);
}

static const struct {
	parse_fn fn;
	const char *text, *want; /* "!": refused */
} words[] = {
	{wh_run_port_parse, "80", "|0>80"},
	{wh_run_port_parse, "80/udp", "|0>80u"},
	{wh_run_port_parse, "8080:80", "|8080>80"},
	{wh_run_port_parse, "8080:80/tcp", "|8080>80"},
	{wh_run_port_parse, "0:80", "|0>80"},
	{wh_run_port_parse, ":80", "|0>80"},
	{wh_run_port_parse, "127.0.0.1:8080:80", "127.0.0.1|8080>80"},
	{wh_run_port_parse, "127.0.0.1::80", "127.0.0.1|0>80"},
	{wh_run_port_parse, "[::1]:8080:80/udp", "::1|8080>80u"},
	{wh_run_port_parse, "[::]::80", "::|0>80"},
	{wh_run_port_parse, "8000-8002:80-82", "|8000>80 |8001>81 |8002>82"},
	{wh_run_port_parse, "80-81", "|0>80 |0>81"},
	{wh_run_port_parse, "", "!"},
	{wh_run_port_parse, "0", "!"},
	{wh_run_port_parse, "80:", "!"},
	{wh_run_port_parse, "65536:80", "!"},
	{wh_run_port_parse, "80:65536", "!"},
	{wh_run_port_parse, "80:80:80", "!"},
	{wh_run_port_parse, "localhost:80:80", "!"},
	{wh_run_port_parse, "::1:80:80", "!"},
	{wh_run_port_parse, "[::1]80", "!"},
	{wh_run_port_parse, "80/sctp", "!"},
	{wh_run_port_parse, "8000-8001:80-82", "!"},
	{wh_run_port_parse, "82-80", "!"},
	{wh_run_port_parse, "1-2000", "!"},
	{wh_run_port_parse, "-80", "!"},
	{wh_run_port_parse, " 80", "!"},

	{wh_run_volume_parse, "/a:/b", "bind /a>/b make copy 0 0"},
	{wh_run_volume_parse, "/a:/b:ro", "bind /a>/b ro make copy 0 0"},
	{wh_run_volume_parse, "/a:/b:rw,Z", "bind /a>/b make copy 0 0"},
	{wh_run_volume_parse, "/a:/b/../c/", "bind /a>/c make copy 0 0"},
	{wh_run_volume_parse, "name:/b", "volume name>/b copy 0 0"},
	{wh_run_volume_parse, "n.a_m-e:/b:ro,nocopy", "volume n.a_m-e>/b ro 0 0"},
	{wh_run_volume_parse, "/b", "volume ->/b copy 0 0"},
	{wh_run_volume_parse, "", "!"},
	{wh_run_volume_parse, "b", "!"},
	{wh_run_volume_parse, "/a:b", "!"},
	{wh_run_volume_parse, "/a:/", "!"},
	{wh_run_volume_parse, "/a:/b/..", "!"},
	{wh_run_volume_parse, "/a:/proc", "!"},
	{wh_run_volume_parse, "/a:/b:maybe", "!"},
	{wh_run_volume_parse, "a/b:/c", "!"},
	{wh_run_volume_parse, "..a:/c", "!"},
	{wh_run_volume_parse, "-a:/c", "!"},
	{wh_run_volume_parse, "a:/c", "!"},
	{wh_run_volume_parse, ":/c", "!"},

	{wh_run_mount_parse, "type=bind,src=/a,dst=/b,ro", "bind /a>/b ro copy 0 0"},
	{wh_run_mount_parse, "type=bind,source=/a,target=/b,readonly=false", "bind /a>/b copy 0 0"},
	{wh_run_mount_parse, "type=bind,\"src=/a,b\",destination=/b", "bind /a,b>/b copy 0 0"},
	{wh_run_mount_parse, "src=name,dst=/b", "volume name>/b copy 0 0"},
	{wh_run_mount_parse, "type=volume,dst=/b,volume-nocopy", "volume ->/b 0 0"},
	{wh_run_mount_parse, "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=0700", "tmpfs ->/b copy 1048576 700"},
	{wh_run_mount_parse, "type=bind,dst=/b", "!"},
	{wh_run_mount_parse, "type=bind,src=/a", "!"},
	{wh_run_mount_parse, "type=npipe,src=/a,dst=/b", "!"},
	{wh_run_mount_parse, "type,src=/a,dst=/b", "!"},
	{wh_run_mount_parse, "type=volume,src=/a,dst=/b", "!"},
	{wh_run_mount_parse, "type=tmpfs,src=a1,dst=/b", "!"},
	{wh_run_mount_parse, "type=tmpfs,dst=/b,tmpfs-mode=9", "!"},
	{wh_run_mount_parse, "type=tmpfs,dst=/b,colour=red", "!"},
	{wh_run_mount_parse, "type=tmpfs,dst", "!"},
	{wh_run_mount_parse, "", "!"},

	{wh_run_tmpfs_parse, "/t", "tmpfs ->/t 0 0"},
	{wh_run_tmpfs_parse, "/t:size=1m,mode=1777,rw,noexec", "tmpfs ->/t 1048576 1777"},
	{wh_run_tmpfs_parse, "/t:ro", "tmpfs ->/t ro 0 0"},
	{wh_run_tmpfs_parse, "/t:size=x", "!"},
	{wh_run_tmpfs_parse, "/t:mode=8", "!"},
	{wh_run_tmpfs_parse, "t", "!"},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++) {
		WH_CLEANUP(wh_run_spec_release) struct wh_run_spec s = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		int r = words[i].fn(&s, words[i].text, &err);

		if (r == 0)
			show(&s, &got);
		if (!wh_streq(r < 0 ? "!" : got.p, words[i].want))
			fail_msg("\"%s\": %s, not %s", words[i].text, r < 0 ? err->msg : got.p, words[i].want);
		assert_true(r == 0 || (err && err->class == WH_ERR_USAGE));
	}
}

static void test_twice(void **state)
{
	WH_CLEANUP(wh_run_spec_release) struct wh_run_spec s = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;

	(void)state;
	assert_int_equal(wh_run_volume_parse(&s, "/a:/b", &err), 0);
	assert_int_equal(wh_run_tmpfs_parse(&s, "/x/../b", &err), -EINVAL);
}

static const struct {
	const char *config, *entrypoint, *words, *want; /* words: between blanks; want "!": refused */
	bool all;
} configs[] = {
	{"{}", NULL, "", "!", false},
	{"{\"Cmd\":[\"a\",\"b\"]}", NULL, "", "a b @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", NULL, "", "e a @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", NULL, "x y", "e x y @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", "f", "", "f @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", "f", "x", "f x @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", "", "x", "x @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Entrypoint\":[\"e\"]}", "", "", "!", false},
	{"{\"Cmd\":[\"a\",7,null],\"WorkingDir\":\"/w\",\"User\":\"u\",\"StopSignal\":\"SIGQUIT\"}", NULL, "",
	 "a @/w u=u s=3 ", false},
	{"{\"Cmd\":[\"a\"],\"StopSignal\":\"SIGNONSENSE\"}", NULL, "", "a @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"Volumes\":{\"/z\":{},\"/b/\":{}}}", NULL, "",
	 "a @/ u= s=15 volume ->/b copy 0 0 volume ->/z copy 0 0", false},
	{"{\"Cmd\":[\"a\"],\"Volumes\":{\"/\":{}}}", NULL, "", "!", false},
	{"{\"Cmd\":[\"a\"],\"Volumes\":{\"/x:/y\":{}}}", NULL, "", "!", false},
	{"{\"Cmd\":[\"a\"],\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}}}", NULL, "", "a @/ u= s=15 ", false},
	{"{\"Cmd\":[\"a\"],\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}}}", NULL, "", "a @/ u= s=15 |0>53u |0>80",
	 true},
	{"{\"Cmd\":[\"a\"],\"ExposedPorts\":{\"nonsense\":{}}}", NULL, "", "!", true},
	{"[]", NULL, "x", "x @/ u= s=15 ", true},
};

static void test_configs(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(configs); i++) {
		const struct wh_run_flags flags = {.entrypoint = configs[i].entrypoint, .publish_all = configs[i].all};
		WH_CLEANUP(wh_run_spec_release) struct wh_run_spec s = {.flags = &flags};
		WH_CLEANUP(wh_run_config_release) struct wh_run_config c = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		WH_AUTO_JSON json_t *config = json_loads(configs[i].config, 0, NULL), *document = json_object();
		WH_AUTO_FREE char *text = wh_strdup(configs[i].words);
		char *save = NULL;
		int r;

		for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
			wh_strv_add(&s.words, w);
		json_object_set(document, "config", config);
		r = wh_run_config_make(&s, document, &c, &err);
		for (size_t k = 0; r == 0 && k < c.args.n; k++)
			wh_buf_addf(&got, "%s ", c.args.v[k]);
		if (r == 0) {
			wh_buf_addf(&got, "@%s u=%s s=%d ", c.cwd, c.user, c.stop_signal);
			show(&s, &got);
		}
		if (!wh_streq(r < 0 ? "!" : got.p, configs[i].want))
			fail_msg("%s: %s, not %s", configs[i].config, r < 0 ? err->msg : got.p, configs[i].want);
	}
}

/* What the image has, what the user adds, and what he takes away. */
static void test_env(void **state)
{
	const struct wh_run_flags flags = {.tty = true};
	WH_CLEANUP(wh_run_spec_release) struct wh_run_spec s = {.flags = &flags};
	WH_CLEANUP(wh_run_config_release) struct wh_run_config c = {0};
	WH_AUTO_JSON json_t *document = json_pack("{s{s[s]s[sss]}}", "config", "Cmd", "a", "Env", "A=1", "B=2", "AB=3");
	WH_AUTO_ERR struct wh_err *err = NULL;

	(void)state;
	wh_strv_add(&s.env, "A");
	wh_strv_add(&s.env, "B=");
	wh_strv_add(&s.env, "C=x=y");
	wh_strv_add(&s.env, "nosuch");
	assert_int_equal(wh_run_config_make(&s, document, &c, &err), 0);
	assert_null(wh_env_get(&c.env, "A"));
	assert_string_equal(wh_env_get(&c.env, "B"), "");
	assert_string_equal(wh_env_get(&c.env, "AB"), "3");
	assert_string_equal(wh_env_get(&c.env, "C"), "x=y");
	assert_string_equal(wh_env_get(&c.env, "TERM"), "xterm");
	assert_int_equal(c.env.n, 4);
	assert_null(c.env.v[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_configs),
		cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
