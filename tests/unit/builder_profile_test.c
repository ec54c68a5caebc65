/* SPDX-License-Identifier: Apache-2.0 */
/* What of PROFILE and PRUNE can be told without running anything: names, keys, words, signals, logs, shared
 * directories. */
#include "builder/profile_private.h"
#include "tests/unit/layers_helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#ifdef __SANITIZE_ADDRESS__
static const bool under_sanitizers = true; /* they map far more than they use */
#else
static const bool under_sanitizers = false;
#endif

#define V(...)                                                           \
	({                                                               \
		static const char *const v_list[] = {__VA_ARGS__, NULL}; \
		v_list;                                                  \
	})

/* ---------------------------------------------------------------- names and keys */

struct op {
	struct wh_ready ready[2];
	struct wh_op_profile profile;
	struct wh_op_prune prune;
	struct wh_vertex v;
};

static void make_profile(struct op *o)
{
	*o = (struct op){.ready = {{.kind = WH_READY_TCP, .port = 80}, {.kind = WH_READY_LOG, .text = "up"}}};
	o->profile = (struct wh_op_profile){
		.app = {.entrypoint = V("/app"),
			.cmd = V("serve"),
			.env = V("A=1", "B=2"),
			.cwd = "/",
			.user = "",
			.stop_signal = "SIGTERM"},
		.ready = o->ready,
		.n_ready = 2,
		.driver = {.args = V("/test"), .env = V("C=3"), .cwd = "/", .user = "", .network = WH_NET_NONE},
		.runs = 1,
	};
	o->v = (struct wh_vertex){.kind = WH_OP_PROFILE, .op.profile = &o->profile, .name = "PROFILE /test"};
}

static void make_prune(struct op *o)
{
	*o = (struct op){.prune = {.keep = V("/a"), .config = "{}"}};
	o->v = (struct wh_vertex){.kind = WH_OP_PRUNE, .op.prune = &o->prune, .name = "PRUNE"};
}

#define CHANGE(name, code)             \
	static void name(struct op *o) \
	{                              \
		code;                  \
	}
CHANGE(other_name, o->v.name = "x")
CHANGE(timeout, o->profile.timeout_ns = 5)
CHANGE(entrypoint, o->profile.app.entrypoint = V("/app2"))
CHANGE(words_moved, (o->profile.app.entrypoint = V("/app", "serve"), o->profile.app.cmd = NULL))
CHANGE(start, o->profile.app.start = V("/app"))
CHANGE(app_env, o->profile.app.env = V("A=1"))
CHANGE(app_env_order, o->profile.app.env = V("B=2", "A=1"))
CHANGE(app_cwd, o->profile.app.cwd = "/w")
CHANGE(app_user, o->profile.app.user = "1")
CHANGE(stop, o->profile.app.stop_signal = "SIGQUIT")
CHANGE(health, o->profile.app.health = V("/health"))
CHANGE(health_retries, o->profile.app.health_retries = 7)
CHANGE(manual, o->profile.manual = true)
CHANGE(port, o->ready[0].port = 81)
CHANGE(regex, o->ready[1].text = "down")
CHANGE(kind, o->ready[1].kind = WH_READY_FILE)
CHANGE(fewer, o->profile.n_ready = 1)
CHANGE(delay, o->ready[1] = ((struct wh_ready){.kind = WH_READY_DELAY, .ns = 9}))
CHANGE(shared, o->profile.share = V("/srv"))
CHANGE(driver, o->profile.driver.args = V("/test2"))
CHANGE(driver_env, o->profile.driver.env = V("C=4"))
CHANGE(driver_net, o->profile.driver.network = WH_NET_HOST)
CHANGE(runs, o->profile.runs = 2)
CHANGE(keep, o->prune.keep = V("/b"))
CHANGE(keep_none, o->prune.keep = NULL)
CHANGE(drop, (o->prune.drop = o->prune.keep, o->prune.keep = NULL))
CHANGE(package, o->prune.package_mode = true)
CHANGE(shell, o->prune.keep_shell = true)
CHANGE(setid, o->prune.keep_setid = true)
CHANGE(setid_globs, o->prune.setid = V("/b"))
CHANGE(repair, o->prune.repair = 1)
CHANGE(config, o->prune.config = "{\"User\":\"1\"}")

static const struct {
	void (*make)(struct op *o);
	void (*change)(struct op *o);
	bool vertex, key; /* is it another vertex, has it another key? */
	const char *what;
} cases[] = {
#define P(c, v, k)                        \
	{                                 \
		make_profile, c, v, k, #c \
	}
#define R(c, v, k)                      \
	{                               \
		make_prune, c, v, k, #c \
	}
	P(other_name, false, false),   P(timeout, true, false),  P(entrypoint, true, true),
	P(words_moved, true, true),    P(start, true, true),     P(app_env, true, true),
	P(app_env_order, true, false), P(app_cwd, true, true),   P(app_user, true, true),
	P(stop, true, true),           P(health, true, true),    P(health_retries, true, true),
	P(manual, true, true),         P(port, true, true),      P(regex, true, true),
	P(kind, true, true),           P(fewer, true, true),     P(delay, true, true),
	P(shared, true, true),         P(driver, true, true),    P(driver_env, true, true),
	P(driver_net, true, true),     P(runs, true, true),      R(other_name, false, false),
	R(keep, true, true),           R(keep_none, true, true), R(drop, true, true),
	R(package, true, true),        R(shell, true, true),     R(setid, true, true),         R(setid_globs, true, true),
	R(repair, true, true),         R(config, true, true),
};

static void both(const struct op *o, struct wh_digest *vertex, struct wh_digest *key)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_vertex_serialize(&o->v, &b);
	wh_digest_of(b.p, b.n, vertex);
	wh_op_key(&o->v, &WH_LAYER_OPTS_INIT, key);
}

static void test_keys(void **state)
{
	struct wh_digest v1, k1, v2, k2;
	struct op o;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		cases[i].make(&o);
		both(&o, &v1, &k1);
		cases[i].make(&o);
		cases[i].change(&o);
		both(&o, &v2, &k2);
		if (wh_digest_eq(&v1, &v2) == cases[i].vertex)
			fail_msg("%s: the vertex", cases[i].what);
		if (wh_digest_eq(&k1, &k2) == cases[i].key)
			fail_msg("%s: the key", cases[i].what);
	}
}

/* A PRUNE is another when the tests are, when what they ran on is, and when what they gave is. */
static void test_profile_key(void **state)
{
	struct wh_key_parts a = {.has_fast = true}, b = a, content = {.has_content = true};
	struct wh_digest doc, doc2, k[4];
	size_t i, j;

	(void)state;
	wh_digest_of("1", 1, &doc);
	wh_digest_of("2", 1, &doc2);
	wh_digest_of("b", 1, &b.fast);
	wh_profile_key(&a, &doc, &k[0]);
	wh_profile_key(&a, &doc2, &k[1]);
	wh_profile_key(&b, &doc, &k[2]);
	wh_profile_key(&content, &doc, &k[3]);
	for (i = 0; i < WH_ARRAY_SIZE(k); i++)
		for (j = 0; j < i; j++)
			assert_false(wh_digest_eq(&k[i], &k[j]));
	/* However it was found in the cache. */
	a.has_content = true;
	wh_digest_of("c", 1, &a.content);
	wh_profile_key(&a, &doc, &k[1]);
	assert_true(wh_digest_eq(&k[0], &k[1]));
}

/* ---------------------------------------------------------------- words and signals */

static void test_signals(void **state)
{
	static const struct {
		const char *text;
		int want;
	} table[] = {
		{NULL, SIGTERM},
		{"", SIGTERM},
		{"SIGTERM", SIGTERM},
		{"TERM", SIGTERM},
		{"sigquit", SIGQUIT},
		{"3", 3},
		{"64", 64},
		{"65", 0},
		{"0", 0},
		{"-1", 0},
		{"SIG", 0},
		{"NOSUCH", 0},
		{"SIGRTMIN", 34},
		{"SIGRTMIN+3", 37},
		{"RTMAX-1", 63},
		{"SIGRTMAX", 64},
		{"SIGRTMIN-1", 0},
		{"SIGRTMAX+1", 0},
		{"SIGRTMIN+31", 0},
		{"SIGRTM", 0},
		{"SIGRTMINX", 0},
		{"KILL", SIGKILL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (wh_app_signal_number(table[i].text) != table[i].want)
			fail_msg("%s: %d", table[i].text ? table[i].text : "(none)",
				 wh_app_signal_number(table[i].text));
}

static void words(const struct wh_op_app *app, const char *const *args, const char *want)
{
	WH_AUTO_FREE const char **got = wh_app_args(app, args);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t i;

	wh_buf_adds(&b, "");
	for (i = 0; got[i]; i++)
		wh_buf_addf(&b, "%s%s", i ? " " : "", got[i]);
	assert_string_equal(b.p ? b.p : "", want);
}

static void test_words(void **state)
{
	struct wh_op_app app = {.entrypoint = V("/app", "-x"), .cmd = V("a", "b")};

	(void)state;
	words(&app, NULL, "/app -x a b");
	words(&app, V("c"), "/app -x c");
	app.start = V("/other");
	words(&app, NULL, "/other");
	words(&app, V("c"), "/app -x c");
	words(&(struct wh_op_app){.cmd = V("a")}, NULL, "a");
	words(&(struct wh_op_app){.cmd = V("a")}, V("b", "c"), "b c");
	words(&(struct wh_op_app){0}, NULL, "");
}

/* ---------------------------------------------------------------- logs */

static struct wh_trial_log log_of(const char *body)
{
	struct wh_trial_log l = {.fd = -1};

	wh_obs_begin(&l.text);
	wh_buf_adds(&l.text, body);
	return l;
}

static void test_logs(void **state)
{
	struct wh_trial_log logs[] = {
		log_of("P\t1\t0\t/a\t-\nA\tr\t1\t/x\nA\ts\t1\t/x\nA\tr\t1\t/y\nN\ts\t1\t/z\nE\t7\t0\n"),
		log_of("P\t1\t0\t/b\t-\nA\tr\t1\t/x\nX\t1\tsetsid\nE\t5\t0\n"),
		log_of("P\t1\t0\t/c\t-\nP\t2\t1\t/d\t-\nE\t1\t0\n"), log_of("P\t1\t0\t/c\t-\n"), /* cut off */
	};
	uint64_t events, files;
	size_t i;

	(void)state;
	wh_trial_count(logs, 2, &events, &files);
	assert_int_equal(events, 12);
	assert_int_equal(files, 2);
	assert_false(wh_trial_left_others(&logs[0]));
	assert_true(wh_trial_left_others(&logs[1]));
	assert_true(wh_trial_left_others(&logs[2]));
	assert_false(wh_trial_left_others(&logs[3]));
	for (i = 0; i < WH_ARRAY_SIZE(logs); i++)
		wh_buf_release(&logs[i].text);
}

/* ---------------------------------------------------------------- shared directories */

struct env {
	char path[64];
	struct wh_store *store;
	struct wh_layer layer;
	int dir;
};

static int setup(void **state)
{
	struct env *e = wh_calloc(1, sizeof(*e));
	const struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	const struct wh_xattr note = {"user.note", "n", 1};
	struct {
		struct wh_entry e;
		const char *data;
	} entries[] = {
		{{.path = "srv", .type = WH_T_DIR, .mode = 0755}, NULL},
		{{.path = "srv/d", .type = WH_T_DIR, .mode = 02750, .mtime = 1000}, NULL},
		{{.path = "srv/d/f",
		  .type = WH_T_FILE,
		  .mode = 0640,
		  .mtime = 2000,
		  .size = 5,
		  .xattrs = &note,
		  .n_xattrs = 1},
		 "hello"},
		{{.path = "srv/d/hard", .type = WH_T_HARDLINK, .link = "srv/d/f", .size = 5}, NULL},
		{{.path = "srv/d/link", .type = WH_T_SYMLINK, .mode = 0777, .link = "../../etc/passwd", .mtime = 3000},
		 NULL},
		{{.path = "srv/d/sub", .type = WH_T_DIR, .mode = 0500, .mtime = 4000}, NULL},
		{{.path = "srv/d/sub/out", .type = WH_T_HARDLINK, .link = "srv/d/f", .size = 5}, NULL},
		{{.path = "to", .type = WH_T_SYMLINK, .mode = 0777, .link = "/srv/d"}, NULL},
		{{.path = "x", .type = WH_T_FILE, .mode = 0644, .size = 0}, NULL},
	};
	struct wh_layer_writer *w = NULL;
	size_t i;

	snprintf(e->path, sizeof(e->path), "/tmp/wh-profile-test.XXXXXX");
	assert_non_null(mkdtemp(e->path));
	assert_int_equal(wh_store_open(e->path, &e->store, NULL), 0);
	assert_int_equal(wh_layer_writer_new(e->store, &o, &w, NULL), 0);
	for (i = 0; i < WH_ARRAY_SIZE(entries); i++) {
		entries[i].e.uid = getuid();
		entries[i].e.gid = getgid();
		assert_int_equal(wh_layer_writer_add(w, &entries[i].e, NULL), 0);
		if (entries[i].data)
			assert_int_equal(wh_layer_writer_data(w, entries[i].data, strlen(entries[i].data), NULL), 0);
	}
	assert_int_equal(wh_layer_writer_finish(w, &e->layer, NULL), 0);
	e->dir = wh_store_tmp_dirfd(e->store);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wh_layer_release(&e->layer);
	wh_store_close(e->store);
	wh_rm_rf(AT_FDCWD, e->path);
	free(e);
	return 0;
}

static void look(const struct env *e, const char *path, mode_t mode, int64_t mtime, struct stat *st)
{
	assert_int_equal(fstatat(e->dir, path, st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st->st_mode & 07777, mode);
	assert_int_equal(st->st_mtim.tv_sec, mtime);
	assert_int_equal(st->st_uid, getuid());
}

static void share(struct env *e, const char *path, const char *name, int want)
{
	struct wh_err *err = NULL;

	assert_int_equal(wh_share_copy(e->store, &e->layer, 1, "--share", path, e->dir, name, &err), want);
	assert_int_equal(err == NULL, want == 0);
	wh_err_freep(&err);
}

static void test_share(void **state)
{
	struct env *e = *state;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct stat st, other;
	char link[64] = "";

	share(e, "/to", "s", 0); /* through a symlink */
	look(e, "s", 02750, 1000, &st);
	look(e, "s/f", 0640, 2000, &st);
	look(e, "s/hard", 0640, 2000, &other);
	assert_int_equal(st.st_ino, other.st_ino);
	look(e, "s/sub", 0500, 4000, &other);
	look(e, "s/sub/out", 0640, 2000, &other);
	assert_int_equal(st.st_ino, other.st_ino);
	look(e, "s/link", 0777, 3000, &st);
	assert_int_equal(readlinkat(e->dir, "s/link", link, sizeof(link) - 1), 16);
	assert_string_equal(link, "../../etc/passwd");
	assert_int_equal(wh_read_file(e->dir, "s/f", 100, &text), 0);
	assert_string_equal(text.p, "hello");
}

static void test_share_odd(void **state)
{
	struct env *e = *state;
	struct stat st;

	/* One name of two: a file of its own. */
	share(e, "/srv/d/sub", "sub", 0);
	assert_int_equal(fstatat(e->dir, "sub/out", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	/* What the image lacks is an empty directory. */
	share(e, "/no/such", "none", 0);
	assert_int_equal(fstatat(e->dir, "none", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	share(e, "/x", "file", -ENOTDIR);
}

/* ---------------------------------------------------------------- tests that are one */

/* Each segment has a name of the one before as well: all are one. Names are not copied from each to each. */
static void test_joined(void **state)
{
	enum { SEGMENTS = 20000 };
	const struct rlimit little = {.rlim_cur = (rlim_t)1 << 30, .rlim_max = RLIM_INFINITY};
	struct wh_strv v = {0};
	struct wh_op_profile op = {.runs = 1};
	struct wh_trial t = {.op = &op, .tests.of_run = &v};
	struct rlimit was;
	size_t joined;

	(void)state;
	for (int i = 1; i <= SEGMENTS; i++) {
		WH_AUTO_FREE char *text = wh_asprintf("%d\n%d", i, i - 1);

		wh_strv_add(&v, text);
	}
	wh_strv_add(&v, "");
	wh_strv_add(&v, "alone");
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	if (was.rlim_max == RLIM_INFINITY && !under_sanitizers)
		setrlimit(RLIMIT_AS, &little);
	wh_tests_told(&t, &joined);
	setrlimit(RLIMIT_AS, &was);
	assert_int_equal(joined, SEGMENTS);
	assert_string_equal(v.v[0], "20000, 19999, 19998 and 19998 more");
	assert_string_equal(v.v[SEGMENTS - 1], v.v[0]);
	assert_string_equal(v.v[SEGMENTS], "");
	assert_string_equal(v.v[SEGMENTS + 1], "alone");
	wh_strv_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_profile_key),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_joined),
		cmocka_unit_test_setup_teardown(test_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_odd, setup, teardown),
	};

	umask(0); /* as the program has it */
	if (geteuid())
		enter_user_namespace(); /* as it does before it unpacks anything */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
