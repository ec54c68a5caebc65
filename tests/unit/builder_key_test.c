/* SPDX-License-Identifier: Apache-2.0 */
/* What must and what must not change a cache key. */
#include "builder/builder_private.h"
#include "tests/unit/test.h"

/* A list that outlives the function which makes it. */
#define V(...)                                                           \
	({                                                               \
		static const char *const v_list[] = {__VA_ARGS__, NULL}; \
		v_list;                                                  \
	})

/* One operation and all that stands around it; every case changes one thing. */
struct op {
	struct wh_op_exec exec;
	struct wh_op_mount mounts[2];
	struct wh_file_action action;
	struct wh_op_file file;
	struct wh_vertex v;
	int64_t epoch;
	bool reproducible;
};

static void make_exec(struct op *o)
{
	*o = (struct op){.epoch = INT64_MAX};
	o->mounts[0] = (struct wh_op_mount){
		.type = WH_MOUNT_BIND,
		.input = 1,
		.source = "/src",
		.target = "/mnt",
		.readonly = true,
	};
	o->mounts[1] = (struct wh_op_mount){
		.type = WH_MOUNT_CACHE,
		.input = -1,
		.source = "/",
		.target = "/var/cache",
		.id = "apt",
		.sharing = WH_SHARED,
	};
	o->exec = (struct wh_op_exec){
		.args = V("/bin/sh", "-c", "make"),
		.env = V("PATH=/bin", "A=1", "B=2"),
		.cwd = "/w",
		.user = "",
		.mounts = o->mounts,
		.n_mounts = 2,
	};
	o->v = (struct wh_vertex){.kind = WH_OP_EXEC, .op.exec = &o->exec, .n_inputs = 2, .name = "RUN make"};
}

static void make_copy(struct op *o)
{
	*o = (struct op){.epoch = INT64_MAX};
	o->action = (struct wh_file_action){.kind = WH_FILE_COPY, .input = 1, .srcs = V("a", "b"), .path = "/d/"};
	o->file = (struct wh_op_file){.actions = &o->action, .n_actions = 1};
	o->v = (struct wh_vertex){.kind = WH_OP_FILE, .op.file = &o->file, .n_inputs = 2, .name = "COPY a b /d/"};
}

static void make_mkfile(struct op *o)
{
	make_copy(o);
	o->action = (struct wh_file_action){.kind = WH_FILE_MKFILE, .path = "/f", .data = "x\0y", .data_len = 3};
	o->v.n_inputs = 1;
}

static void key(const struct op *o, struct wh_digest *ret)
{
	struct wh_layer_opts opts = WH_LAYER_OPTS_INIT;

	opts.epoch = o->epoch;
	opts.reproducible = o->reproducible;
	wh_op_key(&o->v, &opts, ret);
}

#define CHANGE(name, code)             \
	static void name(struct op *o) \
	{                              \
		code;                  \
	}

/* Outside the key. */
CHANGE(same, (void)o)
CHANGE(other_name, o->v.name = "[2/3] RUN make")
CHANGE(other_pos, o->v.pos = ((struct wh_pos){.file = "Dockerfile", .line = 7}))
CHANGE(no_cache, o->v.no_cache = true)
CHANGE(stage, o->v.stage = "build")
CHANGE(proxy, o->exec.proxy_env = V("HTTP_PROXY=http://p:1"))
CHANGE(hosts, o->exec.extra_hosts = V("a:1.2.3.4"))
CHANGE(shm, o->exec.shm_size = 1 << 20)
CHANGE(env_order, o->exec.env = V("B=2", "PATH=/bin", "A=1"))
CHANGE(env_twice, o->exec.env = V("A=0", "PATH=/bin", "A=1", "B=2"))
CHANGE(user_null, o->exec.user = NULL)
CHANGE(sharing, o->mounts[1].sharing = WH_LOCKED)
CHANGE(required, o->mounts[0].required = true)

/* In the key. */
CHANGE(args, o->exec.args = V("/bin/sh", "-c", "make all"))
CHANGE(args_split, o->exec.args = V("/bin/sh", "-c make"))
CHANGE(env_value, o->exec.env = V("PATH=/bin", "A=1", "B=3"))
CHANGE(env_more, o->exec.env = V("PATH=/bin", "A=1", "B=2", "C="))
CHANGE(env_last, o->exec.env = V("PATH=/bin", "A=1", "A=2", "B=2"))
CHANGE(cwd, o->exec.cwd = "/")
CHANGE(user, o->exec.user = "1")
CHANGE(network, o->exec.network = WH_NET_NONE)
CHANGE(insecure, o->exec.insecure = true)
CHANGE(hostname, o->exec.hostname = "h")
CHANGE(epoch, o->epoch = 0)
CHANGE(reproducible, o->reproducible = true)
CHANGE(mount_target, o->mounts[0].target = "/mnt2")
CHANGE(mount_source, o->mounts[0].source = "/")
CHANGE(mount_rw, o->mounts[0].readonly = false)
CHANGE(mount_input, o->mounts[0].input = -1)
CHANGE(mount_fewer, o->exec.n_mounts = 1)
CHANGE(cache_id, o->mounts[1].id = "pip")
CHANGE(cache_mode, (o->mounts[1].has_mode = true, o->mounts[1].mode = 0700))
CHANGE(cache_owner, (o->mounts[1].has_owner = true, o->mounts[1].uid = 1))
CHANGE(tmpfs, o->mounts[1] = ((struct wh_op_mount){.type = WH_MOUNT_TMPFS, .input = -1, .target = "/var/cache"}))
CHANGE(heredoc, o->mounts[1] = ((struct wh_op_mount){
			.type = WH_MOUNT_FILE, .input = -1, .target = "/var/cache", .data = "x", .data_len = 1}))
CHANGE(secret,
       o->mounts[1] = ((struct wh_op_mount){.type = WH_MOUNT_SECRET, .input = -1, .target = "/var/cache", .id = "s"}))

CHANGE(src_order, o->action.srcs = V("b", "a"))
CHANGE(src_joined, o->action.srcs = V("ab"))
CHANGE(dest, o->action.path = "/d")
CHANGE(chown_text, o->action.chown = "0:0")
CHANGE(chmod_text, o->action.chmod = "644")
CHANGE(no_glob, o->action.no_glob = true)
CHANGE(exclude, o->action.exclude = V("*.o"))
CHANGE(parents, o->action.parents = true)
CHANGE(unpack, o->action.unpack = true)
CHANGE(kind, o->action.kind = WH_FILE_MKDIR)

CHANGE(data, o->action.data = "x\0z")
CHANGE(data_short, o->action.data_len = 1)
CHANGE(symlink_kind, o->action.kind = WH_FILE_SYMLINK)

static const struct {
	void (*make)(struct op *o);
	void (*change)(struct op *o);
	bool differs;
	const char *what;
} cases[] = {
#define S(make, c)                 \
	{                          \
		make, c, false, #c \
	}
#define D(make, c)                \
	{                         \
		make, c, true, #c \
	}
	S(make_exec, same),           S(make_exec, other_name),   S(make_exec, other_pos),  S(make_exec, no_cache),
	S(make_exec, stage),          S(make_exec, proxy),        S(make_exec, hosts),      S(make_exec, shm),
	S(make_exec, env_order),      S(make_exec, env_twice),    S(make_exec, user_null),  S(make_exec, sharing),
	S(make_exec, required),       D(make_exec, args),         D(make_exec, args_split), D(make_exec, env_value),
	D(make_exec, env_more),       D(make_exec, env_last),     D(make_exec, cwd),        D(make_exec, user),
	D(make_exec, network),        D(make_exec, insecure),     D(make_exec, hostname),   D(make_exec, epoch),
	D(make_exec, mount_target),   D(make_exec, mount_source), D(make_exec, mount_rw),   D(make_exec, mount_input),
	D(make_exec, mount_fewer),    D(make_exec, cache_id),     D(make_exec, cache_mode), D(make_exec, cache_owner),
	D(make_exec, tmpfs),          D(make_exec, heredoc),      D(make_exec, secret),     S(make_copy, same),
	S(make_copy, other_name),     S(make_copy, no_cache),     D(make_copy, src_order),  D(make_copy, src_joined),
	D(make_copy, dest),           D(make_copy, chown_text),   D(make_copy, chmod_text), D(make_copy, no_glob),
	D(make_copy, exclude),        D(make_copy, parents),      D(make_copy, unpack),     D(make_copy, kind),
	D(make_copy, epoch),          D(make_exec, reproducible), D(make_copy, reproducible),
	         S(make_mkfile, same),       D(make_mkfile, data),     D(make_mkfile, data_short),
	D(make_mkfile, symlink_kind),
};

static void test_op_key(void **state)
{
	struct wh_digest plain, changed;
	struct op o;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		cases[i].make(&o);
		key(&o, &plain);
		cases[i].make(&o);
		cases[i].change(&o);
		key(&o, &changed);
		if (wh_digest_eq(&plain, &changed) == cases[i].differs)
			fail_msg("%s %s the key", cases[i].what, cases[i].differs ? "does not change" : "changes");
	}
}

/* What is in a key can be told in words, and nothing else is. */
static void test_facts(void **state)
{
	struct wh_layer_opts opts = WH_LAYER_OPTS_INIT;
	struct op o;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		json_t *plain, *changed;

		cases[i].make(&o);
		opts.epoch = o.epoch;
		opts.reproducible = o.reproducible;
		plain = wh_op_facts(&o.v, &opts);
		cases[i].change(&o);
		opts.epoch = o.epoch;
		opts.reproducible = o.reproducible;
		changed = wh_op_facts(&o.v, &opts);
		if (json_equal(plain, changed) == cases[i].differs)
			fail_msg("%s %s the facts", cases[i].what, cases[i].differs ? "does not change" : "changes");
		json_decref(plain);
		json_decref(changed);
	}
}

/* Values are told by digest, long texts are cut but told apart, and what is no text does no harm. */
static void test_fact_values(void **state)
{
	static char text[2][1000];
	struct wh_layer_opts opts = WH_LAYER_OPTS_INIT;
	WH_AUTO_JSON json_t *long_one = NULL, *long_two = NULL, *odd = NULL;
	WH_AUTO_BUF struct wh_buf dump = WH_BUF_INIT;
	struct op o;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		memset(text[i], 'x', sizeof(text[i]) - 1);
		memcpy(text[i] + 397, "\xe2\x82\xac", 3); /* where it is cut */
	}
	text[1][900] = 'y';
	make_exec(&o);
	o.exec.env = V("A=SESAME", "B=\xff");
	o.exec.args = V(text[0]);
	long_one = wh_op_facts(&o.v, &opts);
	o.exec.args = V(text[1]);
	long_two = wh_op_facts(&o.v, &opts);
	assert_non_null(wh_json_str(long_one, "command"));
	assert_true(strlen(wh_json_str(long_one, "command")) < 500);
	assert_string_not_equal(wh_json_str(long_one, "command"), wh_json_str(long_two, "command"));
	wh_json_dump(long_one, &dump);
	assert_null(strstr(dump.p, "SESAME"));
	assert_non_null(strstr(dump.p, "\"ENV A\""));
	o.exec.args = V("\xff\xfe");
	o.exec.proxy_env = V("HTTP_PROXY=http://SESAME");
	odd = wh_op_facts(&o.v, &opts);
	assert_non_null(wh_json_str(odd, "command"));
}

/* All the changes that count make keys of their own: none stands for another. */
static void test_op_key_distinct(void **state)
{
	struct wh_digest d[WH_ARRAY_SIZE(cases)];
	struct op o;
	size_t i, j;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		cases[i].make(&o);
		cases[i].change(&o);
		key(&o, &d[i]);
		for (j = 0; j < i; j++)
			if (cases[i].differs && cases[j].differs && wh_digest_eq(&d[i], &d[j]))
				fail_msg("%s has the key of %s", cases[i].what, cases[j].what);
	}
}

static void layer(struct wh_layer *l, uint8_t b)
{
	*l = (struct wh_layer){.newest = b};
	memset(l->diff_id.b, b, 32);
	memset(l->blob.b, b + 100, 32);
}

static void test_tree_key(void **state)
{
	struct wh_layer a[2], b[2];
	struct wh_digest none, one, two, swapped, again;

	(void)state;
	layer(&a[0], 1);
	layer(&a[1], 2);
	b[0] = a[1];
	b[1] = a[0];
	wh_tree_key(NULL, 0, &none);
	wh_tree_key(a, 1, &one);
	wh_tree_key(a, 2, &two);
	wh_tree_key(b, 2, &swapped);
	assert_false(wh_digest_eq(&none, &one));
	assert_false(wh_digest_eq(&one, &two));
	assert_false(wh_digest_eq(&two, &swapped));
	/* Compression, times and where a blob lies are no part of a tree. */
	a[0].comp = WH_COMP_GZIP;
	a[0].newest = 99;
	memset(a[0].blob.b, 7, 32);
	wh_tree_key(a, 2, &again);
	assert_true(wh_digest_eq(&two, &again));
}

static void test_chaining(void **state)
{
	struct wh_digest op, base, base2, in, in2, k[6], d;
	const struct wh_digest *const one[] = {&in}, *const other[] = {&in2}, *const both[] = {&in, &in2},
				      *const local[] = {NULL};
	size_t i, j;

	(void)state;
	wh_digest_of("op", 2, &op);
	wh_digest_of("b1", 2, &base);
	wh_digest_of("b2", 2, &base2);
	wh_digest_of("i1", 2, &in);
	wh_digest_of("i2", 2, &in2);
	assert_true(wh_fast_key(&op, &base, NULL, 0, &k[0]));
	assert_true(wh_fast_key(&op, &base2, NULL, 0, &k[1]));
	assert_true(wh_fast_key(&op, &base, one, 1, &k[2]));
	assert_true(wh_fast_key(&op, &base, other, 1, &k[3]));
	assert_true(wh_fast_key(&op, &base, both, 2, &k[4]));
	wh_content_key(&op, &base, &in, &k[5]);
	for (i = 0; i < WH_ARRAY_SIZE(k); i++)
		for (j = 0; j < i; j++)
			assert_false(wh_digest_eq(&k[i], &k[j]));
	assert_false(wh_fast_key(&op, &base, local, 1, &d));
	wh_file_base_key(&base, 0, &d);
	wh_file_base_key(&base, 1, &k[0]);
	assert_false(wh_digest_eq(&d, &k[0]));
}

/* The bytes are a format: keys of one version must be found by the same version built elsewhere. */
static void test_golden(void **state)
{
	static const char want_exec[] = "e147fc9a17f15c0a992fd1cc452c3abe05cff3f4925e4638928d5e38f34d5cb4",
			  want_copy[] = "6062dc78809b60ee9db04c19a4601ff8bf17c503e8682c3c2ffcd8ec9bd5d141";
	struct wh_digest d;
	struct op o;
	char hex[65];

	(void)state;
	make_exec(&o);
	key(&o, &d);
	assert_string_equal(wh_digest_hex(&d, hex), want_exec);
	make_copy(&o);
	key(&o, &d);
	assert_string_equal(wh_digest_hex(&d, hex), want_copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_key), cmocka_unit_test(test_facts), cmocka_unit_test(test_fact_values),   cmocka_unit_test(test_op_key_distinct),
		cmocka_unit_test(test_tree_key), cmocka_unit_test(test_chaining),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
