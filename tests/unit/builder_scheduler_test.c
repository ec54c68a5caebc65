/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler with real steps: a base of one static program, made here, and
 * graphs made by hand. The whole program is an inner process (sandbox.h), as
 * the real one is.
 */
#include "builder/builder.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>

/* /step WORD… : each word takes its arguments from those that follow. */
static const char step_source[] =
	"#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/stat.h>\n"
	"#include <unistd.h>\n"
	"static void put(const char *path, const char *text)\n"
	"{ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);\n"
	"  if (fd < 0 || write(fd, text, strlen(text)) < 0) { perror(path); exit(90); } close(fd); }\n"
	"int main(int argc, char **argv) { struct stat st; int i, n; setvbuf(stdout, NULL, _IOLBF, 0);\n"
	"  for (i = 1; i < argc; i++) {\n"
	"    if (!strcmp(argv[i], \"write\")) { put(argv[i + 1], argv[i + 2]); i += 2; }\n"
	"    else if (!strcmp(argv[i], \"out\")) { puts(argv[++i]); fflush(stdout); }\n"
	"    else if (!strcmp(argv[i], \"err\")) fprintf(stderr, \"%s\\n\", argv[++i]);\n"
	"    else if (!strcmp(argv[i], \"lines\")) for (n = 0; n < 100; n++) printf(\"line %d\\n\", n);\n"
	"    else if (!strcmp(argv[i], \"mkdir\")) { if (mkdir(argv[++i], 0755) < 0) exit(96); }\n"
	"    else if (!strcmp(argv[i], \"sleep\")) sleep(atoi(argv[++i]));\n"
	"    else if (!strcmp(argv[i], \"exit\")) exit(atoi(argv[i + 1]));\n"
	"    else if (!strcmp(argv[i], \"abort\")) abort();\n"
	"    else if (!strcmp(argv[i], \"env\")) { const char *v = getenv(argv[++i]); puts(v ? v : \"(unset)\"); }\n"
	"    else if (!strcmp(argv[i], \"cat\")) { char b[4096]; int fd = open(argv[++i], O_RDONLY); ssize_t g;\n"
	"      if (fd < 0) { perror(argv[i]); exit(91); } while ((g = read(fd, b, sizeof(b))) > 0) fwrite(b, 1, g, stdout); close(fd); }\n"
	"    else if (!strcmp(argv[i], \"mode\")) { if (stat(argv[++i], &st) < 0) exit(92);\n"
	"      printf(\"%o %u:%u\\n\", st.st_mode & 07777, st.st_uid, st.st_gid); }\n"
	"    else if (!strcmp(argv[i], \"rm\")) { if (unlink(argv[++i]) < 0) exit(97); }\n"
	"    else if (!strcmp(argv[i], \"size\")) { if (stat(argv[++i], &st) < 0) exit(95); printf(\"%d\\n\", (int)st.st_size); }\n"
	"    else if (!strcmp(argv[i], \"none\")) { if (lstat(argv[++i], &st) == 0) exit(93); }\n"
	/* Two steps that both do this end only when they run at the same time. */
	"    else if (!strcmp(argv[i], \"meet\")) { put(argv[i + 1], \"\");\n"
	"      for (n = 0; stat(argv[i + 2], &st) < 0; n++) { if (n == 2000) exit(94); usleep(5000); } i += 2; }\n"
	"    else exit(99);\n  }\n  return 0; }\n";

struct env {
	char dir[64]; /* store, context, base */
	char *store_path, *context;
	struct wh_store *store;
	struct wh_inner *inner;
	struct wh_graph *graph;
	struct wh_builder *builder;
	enum wh_snapshot_choice snapshotter;
	int64_t epoch;
	struct wh_buf events; /* "START name\n" … */
	struct wh_buf log;    /* all output */
	struct wh_buf notices;
	bool explain;
	const char *interrupt_on; /* a log text, or a vertex that starts, on which to send ourselves SIGINT */
	struct wh_vertex *base;
};

static struct wh_inner *the_inner;
static char *step_path;

static void on_event(void *arg, const struct wh_event *e)
{
	static const char *const kinds[] = {"START", "CACHED", NULL, NULL, "ERROR", "CANCELED", NULL, NULL};
	struct env *x = arg;

	if (e->kind == WH_EV_LOG) {
		wh_buf_add(&x->log, e->data, e->len);
		if (x->interrupt_on && strstr(x->log.p, x->interrupt_on)) {
			x->interrupt_on = NULL;
			kill(getpid(), SIGINT);
		}
	}
	if (e->kind == WH_EV_START && x->interrupt_on && !strcmp(x->interrupt_on, e->v->name)) {
		x->interrupt_on = NULL;
		kill(getpid(), SIGINT);
	}
	if (e->kind == WH_EV_NOTICE)
		wh_buf_addf(&x->notices, "%s\n", e->text);
	if (kinds[e->kind])
		wh_buf_addf(&x->events, "%s %s\n", kinds[e->kind], e->v->name);
}

static bool saw(const struct env *e, const char *kind, const char *name)
{
	WH_AUTO_FREE char *want = wh_asprintf("%s %s\n", kind, name);

	return e->events.n && strstr(e->events.p, want);
}

/* ---------------------------------------------------------------- graphs */

#define V(...)                                                           \
	({                                                               \
		static const char *const v_list[] = {__VA_ARGS__, NULL}; \
		v_list;                                                  \
	})

static struct wh_vertex *add(struct env *e, enum wh_op_kind kind, const void *op, size_t size, const char *name,
			     size_t n, struct wh_vertex *const *inputs)
{
	struct wh_arena *a = wh_graph_arena(e->graph);
	struct wh_vertex **in = wh_arena_alloc(a, (n + 1) * sizeof(*in));
	void *copy = wh_arena_alloc(a, size);
	struct wh_vertex v = {.kind = kind, .inputs = in, .n_inputs = n, .name = name};
	size_t i;

	for (i = 0; i < n; i++)
		in[i] = inputs[i];
	memcpy(copy, op, size);
	v.op.any = copy;
	v.pos = (struct wh_pos){.file = "Dockerfile", .line = 3, .last_line = 3, .excerpt = name};
	return wh_graph_add(e->graph, &v);
}

#define IN(...)                \
	(struct wh_vertex *[]) \
	{                      \
		__VA_ARGS__    \
	}

static struct wh_vertex *local(struct env *e, const char *ref)
{
	struct wh_op_source s = {.ref = ref};

	return add(e, WH_OP_SOURCE, &s, sizeof(s), "local", 0, NULL);
}

static struct wh_vertex *copy(struct env *e, const char *name, struct wh_vertex *to, struct wh_vertex *from,
			      const char *const *srcs, const char *path)
{
	struct wh_file_action a = {.kind = WH_FILE_COPY, .input = 1, .srcs = srcs, .path = path};
	struct wh_op_file f = {.n_actions = 1};

	f.actions = wh_arena_alloc(wh_graph_arena(e->graph), sizeof(a));
	memcpy((void *)(uintptr_t)f.actions, &a, sizeof(a));
	return add(e, WH_OP_FILE, &f, sizeof(f), name, 2, IN(to, from));
}

static struct wh_vertex *run(struct env *e, const char *name, struct wh_vertex *on, const char *const *args)
{
	struct wh_op_exec x = {.args = args, .cwd = "/", .user = ""};

	return add(e, WH_OP_EXEC, &x, sizeof(x), name, 1, IN(on));
}

static struct wh_vertex *run_with(struct env *e, const char *name, struct wh_vertex *on, const char *const *args,
				  const struct wh_op_mount *mounts, size_t n, struct wh_vertex *second)
{
	struct wh_op_exec x = {.args = args, .cwd = "/", .user = "", .n_mounts = n};
	struct wh_op_mount *m = wh_arena_alloc(wh_graph_arena(e->graph), n * sizeof(*m));

	memcpy(m, mounts, n * sizeof(*m));
	x.mounts = m;
	return add(e, WH_OP_EXEC, &x, sizeof(x), name, second ? 2 : 1, IN(on, second));
}

/* ---------------------------------------------------------------- frame */

static const struct wh_secret secret = {.id = "token", .data = "s3cret", .len = 6};

static void open_builder(struct env *e)
{
	const struct wh_local locals[] = {{.name = "context", .path = e->context}, {.name = "base", .path = step_path}};
	struct wh_builder_opts o = {
		.store = e->store,
		.inner = e->inner,
		.layer = WH_LAYER_OPTS_INIT,
		.locals = locals,
		.n_locals = 2,
		.secrets = &secret,
		.n_secrets = 1,
		.snapshotter = e->snapshotter,
		.network = WH_NETCHOICE_NONE,
		.explain = e->explain,
		.event = on_event,
		.event_arg = e,
	};
	struct wh_err *err = NULL;

	o.layer.epoch = e->epoch;
	if (wh_builder_new(&o, &e->builder, &err) < 0)
		fail_msg("%s", err->msg);
	wh_graph_free(e->graph);
	e->graph = wh_graph_new();
	e->base = copy(e, "base", NULL, local(e, "local://base"), V("step"), "/step");
	wh_buf_reset(&e->events);
	wh_buf_reset(&e->log);
	wh_buf_reset(&e->notices);
	wh_buf_adds(&e->events, "");
	wh_buf_adds(&e->log, "");
	wh_buf_adds(&e->notices, "");
}

/* A new builder over the same store, as the next run of the program has. */
static void again(struct env *e)
{
	wh_builder_free(e->builder);
	open_builder(e);
}

static int setup(void **state)
{
	struct env *e = wh_calloc(1, sizeof(*e));

	e->epoch = INT64_MAX;
	e->inner = the_inner;
	snprintf(e->dir, sizeof(e->dir), "/tmp/wh-sched-test.XXXXXX");
	if (!mkdtemp(e->dir))
		return -1;
	e->store_path = wh_asprintf("%s/store", e->dir);
	e->context = wh_asprintf("%s/context", e->dir);
	if (mkdir(e->context, 0755) < 0 || wh_store_open(e->store_path, &e->store, NULL) < 0)
		return -1;
	open_builder(e);
	*state = e;
	return 0;
}

static int setup_copy(void **state)
{
	int r = setup(state);
	struct env *e = *state;

	if (r == 0) {
		e->snapshotter = WH_SNAPSHOT_COPY;
		wh_builder_free(e->builder);
		open_builder(e);
	}
	return r;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wh_builder_free(e->builder);
	wh_graph_free(e->graph);
	wh_store_close(e->store);
	wh_rm_rf(AT_FDCWD, e->dir);
	wh_buf_release(&e->events);
	wh_buf_release(&e->log);
	wh_buf_release(&e->notices);
	free(e->store_path);
	free(e->context);
	free(e);
	return 0;
}

static void file(struct env *e, const char *name, const char *text)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", e->context, name);

	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, false), 0);
}

static void solve(struct env *e, struct wh_vertex *v, struct wh_result *ret)
{
	struct wh_err *err = NULL;

	if (wh_builder_solve(e->builder, &v, 1, ret, &err) < 0)
		fail_msg("%s\n%s", err->msg, err->detail ? err->detail : "");
}

static void build(struct env *e, struct wh_vertex *v)
{
	struct wh_result r;

	solve(e, v, &r);
	wh_result_release(&r);
}

/* ---------------------------------------------------------------- tests */

static void test_run_and_cache(void **state)
{
	struct env *e = *state;
	struct wh_result one, two;
	size_t i, k;

	file(e, "a", "hello");
	for (i = 0; i < 2; i++) {
		struct wh_vertex *r = run(e, "run", e->base, V("/step", "write", "/x", "hi", "out", "done"));
		struct wh_vertex *c = copy(e, "copy", r, local(e, "local://context"), V("a"), "/b");
		struct wh_vertex *d = run(e, "read", c, V("/step", "cat", "/x", "cat", "/b", "write", "/y", "1"));

		solve(e, d, i ? &two : &one);
		assert_true(saw(e, i ? "CACHED" : "START", "base"));
		assert_true(saw(e, i ? "CACHED" : "START", "run"));
		assert_true(saw(e, i ? "CACHED" : "START", "copy"));
		assert_true(saw(e, i ? "CACHED" : "START", "read"));
		if (i == 0) {
			assert_non_null(strstr(e->log.p, "done\n"));
			assert_non_null(strstr(e->log.p, "hihello"));
			again(e);
		}
	}
	assert_false(one.cached);
	assert_true(two.cached);
	assert_int_equal(one.n_layers, 4);
	assert_int_equal(two.n_layers, 4);
	for (k = 0; k < 4; k++)
		assert_true(wh_digest_eq(&one.layers[k].diff_id, &two.layers[k].diff_id));
	wh_result_release(&one);
	wh_result_release(&two);
}

/* Times count for nothing, bytes for all. */
static void test_content(void **state)
{
	struct env *e = *state;
	static const char *const text[] = {"one", "one", "two"};
	static const char *const want[] = {"START", "CACHED", "START"};
	size_t i;

	for (i = 0; i < 3; i++) {
		if (i)
			again(e);
		file(e, "a", text[i]); /* a new file each time */
		build(e, copy(e, "copy", e->base, local(e, "local://context"), V("a"), "/b"));
		assert_true(saw(e, want[i], "copy"));
	}
}

/* A stage that came out differently, but not in what is taken from it. */
static void test_content_of_stage(void **state)
{
	struct env *e = *state;
	struct wh_vertex *stage;
	int i;

	for (i = 0; i < 2; i++) {
		if (i)
			again(e);
		stage = i == 0 ? run(e, "stage", e->base, V("/step", "write", "/taken", "same", "write", "/other", "1"))
			       : run(e, "stage", e->base,
				     V("/step", "write", "/taken", "same", "write", "/other", "2"));
		build(e, copy(e, "copy", e->base, stage, V("taken"), "/t"));
		assert_true(saw(e, "START", "stage"));
		assert_true(saw(e, i ? "CACHED" : "START", "copy"));
	}
}

static void test_no_cache(void **state)
{
	struct env *e = *state;
	struct wh_op_exec x = {.args = V("/step", "write", "/x", "1"), .cwd = "/", .user = ""};
	struct wh_vertex *in[1], v = {.kind = WH_OP_EXEC, .inputs = in, .n_inputs = 1, .name = "run", .no_cache = true};
	int i;

	for (i = 0; i < 2; i++) {
		if (i)
			again(e);
		in[0] = e->base;
		v.op.exec = wh_arena_alloc(wh_graph_arena(e->graph), sizeof(x));
		memcpy((void *)(uintptr_t)v.op.exec, &x, sizeof(x));
		v.inputs = wh_arena_alloc(wh_graph_arena(e->graph), sizeof(in));
		memcpy((void *)(uintptr_t)v.inputs, in, sizeof(in));
		build(e, wh_graph_add(e->graph, &v));
		assert_true(saw(e, "START", "run"));
	}
}

static void test_nothing_changed(void **state)
{
	struct env *e = *state;
	struct wh_result r;

	solve(e, run(e, "run", e->base, V("/step")), &r);
	assert_int_equal(r.n_layers, 1);
	wh_result_release(&r);
	again(e);
	solve(e, run(e, "run", e->base, V("/step")), &r);
	assert_int_equal(r.n_layers, 1);
	assert_true(saw(e, "CACHED", "run"));
	wh_result_release(&r);
}

static const struct wh_op_mount shared = {
	.type = WH_MOUNT_CACHE,
	.input = -1,
	.source = "/",
	.target = "/shared",
	.id = "meeting",
	.sharing = WH_SHARED,
};

static void test_overlap(void **state)
{
	struct env *e = *state;
	struct wh_vertex *a = run_with(e, "a", e->base, V("/step", "meet", "/shared/a", "/shared/b"), &shared, 1, NULL);
	struct wh_vertex *b = run_with(e, "b", e->base, V("/step", "meet", "/shared/b", "/shared/a"), &shared, 1, NULL);
	struct wh_result r[2];
	struct wh_err *err = NULL;

	if (wh_builder_solve(e->builder, IN(a, b), 2, r, &err) < 0)
		fail_msg("%s", err->msg);
	wh_result_release(&r[0]);
	wh_result_release(&r[1]);
}

/* Locked: never two at once, or one of them would find the other's file. */
static void test_locked(void **state)
{
	struct env *e = *state;
	struct wh_op_mount m = shared;
	struct wh_result r[2];
	struct wh_err *err = NULL;
	struct wh_vertex *v[2];

	m.sharing = WH_LOCKED;
	v[0] = run_with(e, "a", e->base,
			V("/step", "none", "/shared/at", "write", "/shared/at", "", "sleep", "1", "rm", "/shared/at"),
			&m, 1, NULL);
	v[1] = run_with(e, "b", e->base,
			V("/step", "none", "/shared/at", "write", "/shared/at", "", "sleep", "1", "rm", "/shared/at",
			  "out", ""),
			&m, 1, NULL);
	if (wh_builder_solve(e->builder, v, 2, r, &err) < 0)
		fail_msg("%s %s", err->msg, err->detail ? err->detail : "");
	wh_result_release(&r[0]);
	wh_result_release(&r[1]);
}

/* Private: each has a directory of its own while the other has one. */
static void test_private(void **state)
{
	struct env *e = *state;
	const struct wh_op_mount m[] = {
		{.type = WH_MOUNT_CACHE,
		 .input = -1,
		 .source = "/",
		 .target = "/own",
		 .id = "own",
		 .sharing = WH_PRIVATE},
		shared,
	};
	struct wh_vertex *a = run_with(
		e, "a", e->base, V("/step", "write", "/own/a", "", "meet", "/shared/a", "/shared/b", "none", "/own/b"),
		m, 2, NULL);
	struct wh_vertex *b = run_with(
		e, "b", e->base, V("/step", "write", "/own/b", "", "meet", "/shared/b", "/shared/a", "none", "/own/a"),
		m, 2, NULL);
	struct wh_result r[2];
	struct wh_err *err = NULL;

	if (wh_builder_solve(e->builder, IN(a, b), 2, r, &err) < 0)
		fail_msg("%s %s", err->msg, err->detail ? err->detail : "");
	wh_result_release(&r[0]);
	wh_result_release(&r[1]);
}

/* Other vertices (their proxies differ), one key: one of them runs. */
static void test_twins(void **state)
{
	struct env *e = *state;
	struct wh_op_exec x = {.args = V("/step", "sleep", "1", "write", "/x", "1"), .cwd = "/", .user = ""};
	struct wh_vertex *a = add(e, WH_OP_EXEC, &x, sizeof(x), "a", 1, IN(e->base)), *b;
	struct wh_result r[2];

	x.proxy_env = V("http_proxy=http://x");
	b = add(e, WH_OP_EXEC, &x, sizeof(x), "b", 1, IN(e->base));
	assert_ptr_not_equal(a, b);
	assert_int_equal(wh_builder_solve(e->builder, IN(a, b), 2, r, NULL), 0);
	assert_true(saw(e, "START", "a"));
	assert_false(saw(e, "START", "b"));
	assert_true(saw(e, "CACHED", "b"));
	assert_true(wh_digest_eq(&r[0].layers[1].diff_id, &r[1].layers[1].diff_id));
	wh_result_release(&r[0]);
	wh_result_release(&r[1]);
}

static void test_failure(void **state)
{
	struct env *e = *state;
	struct wh_vertex *good = run(e, "good", e->base, V("/step", "write", "/g", "1"));
	struct wh_vertex *bad = run(e, "bad", good, V("/step", "lines", "err", "it \"broke\"", "exit", "3"));
	struct wh_vertex *slow = run(e, "slow", e->base, V("/step", "sleep", "100"));
	struct wh_result r[2];
	struct wh_err *err = NULL;
	uint64_t from = wh_now_ns();

	assert_true(wh_builder_solve(e->builder, IN(bad, slow), 2, r, &err) < 0);
	assert_true(wh_now_ns() - from < 50000000000U); /* the slow one was not waited for */
	assert_string_equal(
		err->msg,
		"process \"/step lines err it \\\"broke\\\" exit 3\" did not complete successfully: exit code: 3");
	assert_int_equal(err->class, WH_ERR_BUILD);
	assert_string_equal(err->file, "Dockerfile");
	assert_int_equal(err->line, 3);
	assert_string_equal(err->excerpt, "bad");
	assert_non_null(err->detail);
	assert_non_null(strstr(err->detail, "line 99"));
	assert_non_null(strstr(err->detail, "it \"broke\""));
	assert_null(strstr(err->detail, "line 10\n")); /* a tail, not all */
	assert_true(saw(e, "ERROR", "bad"));
	assert_true(saw(e, "CANCELED", "slow"));
	wh_err_free(err);
	/* What was finished before stays. */
	again(e);
	build(e, run(e, "good", e->base, V("/step", "write", "/g", "1")));
	assert_true(saw(e, "CACHED", "good"));
}

static void test_killed_step(void **state)
{
	struct env *e = *state;
	struct wh_vertex *v = run(e, "abort", e->base, V("/step", "abort"));
	struct wh_result r;
	struct wh_err *err = NULL;

	assert_true(wh_builder_solve(e->builder, &v, 1, &r, &err) < 0);
	/* Not 134: PID 1 of a namespace is not killed by its own SIGABRT, but by what abort() does next. */
	assert_non_null(strstr(err->msg, "did not complete successfully: exit code: 1"));
	assert_non_null(strstr(err->msg, ": killed by SIG"));
	wh_err_free(err);
	/* The builder is still good. */
	build(e, run(e, "good", e->base, V("/step", "write", "/g", "1")));
}

static void test_cancel(void **state)
{
	struct env *e = *state;
	struct wh_vertex *first = run(e, "first", e->base, V("/step", "write", "/f", "1"));
	struct wh_vertex *v = run(e, "slow", first, V("/step", "out", "now", "sleep", "100"));
	struct wh_result r;
	struct wh_err *err = NULL;
	uint64_t from = wh_now_ns();

	e->interrupt_on = "now";
	assert_int_equal(wh_builder_solve(e->builder, &v, 1, &r, &err), -ECANCELED);
	assert_true(wh_now_ns() - from < 50000000000U);
	assert_int_equal(err->class, WH_ERR_BUILD);
	assert_non_null(strstr(err->msg, "SIGINT"));
	assert_true(saw(e, "CANCELED", "slow"));
	wh_err_free(err);
	again(e);
	build(e, run(e, "first", e->base, V("/step", "write", "/f", "1")));
	assert_true(saw(e, "CACHED", "first"));
}

/* A job ends in the middle of a file. */
static void test_cancel_job(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = wh_asprintf("%s/big", e->context);
	struct wh_vertex *v;
	struct wh_result r;
	struct wh_err *err = NULL;
	uint64_t from = wh_now_ns();

	file(e, "big", "");
	assert_int_equal(truncate(path, (off_t)64 << 30), 0); /* sparse; a minute to read at the very least */
	v = copy(e, "copy", e->base, local(e, "local://context"), V("big"), "/big");
	e->interrupt_on = "copy";
	assert_int_equal(wh_builder_solve(e->builder, &v, 1, &r, &err), -ECANCELED);
	assert_true(wh_now_ns() - from < 10000000000U);
	assert_true(saw(e, "CANCELED", "copy"));
	wh_err_free(err);
}

static void test_mounts(void **state)
{
	struct env *e = *state;
	const struct wh_op_mount m[] = {
		{.type = WH_MOUNT_BIND, .input = 1, .source = "/sub", .target = "/ctx", .readonly = true},
		{.type = WH_MOUNT_SECRET, .input = -1, .id = "token", .target = "/run/secrets/token", .required = true},
		{.type = WH_MOUNT_SECRET, .input = -1, .id = "token", .env = "TOKEN"},
		{.type = WH_MOUNT_SECRET, .input = -1, .id = "absent", .target = "/run/secrets/absent"},
		{.type = WH_MOUNT_FILE, .input = -1, .target = "/here", .data = "heredoc", .data_len = 7},
		{.type = WH_MOUNT_TMPFS, .input = -1, .target = "/scratch"},
		{.type = WH_MOUNT_CACHE,
		 .input = -1,
		 .target = "/cache",
		 .id = "c",
		 .source = "/",
		 .has_mode = true,
		 .mode = 0750,
		 .has_owner = true,
		 .uid = 7,
		 .gid = 8},
	};
	WH_AUTO_FREE char *sub = wh_asprintf("%s/sub", e->context);
	struct wh_result r;

	assert_int_equal(mkdir(sub, 0755), 0);
	file(e, "sub/f", "context");
	file(e, "hidden", "x");
	solve(e,
	      run_with(e, "run", e->base,
		       V("/step", "cat", "/ctx/f", "none", "/ctx/hidden", "out", "", "size", "/run/secrets/token",
			 "cat", "/run/secrets/token", "out", "", "env", "TOKEN", "none", "/run/secrets/absent", "cat",
			 "/here", "out", "", "mode", "/run/secrets/token", "mode", "/cache", "mode", "/scratch",
			 "write", "/scratch/x", "1", "write", "/cache/kept", "kept", "write", "/own", "1"),
		       m, WH_ARRAY_SIZE(m), local(e, "local://context")),
	      &r);
	assert_string_equal(e->log.p, "context\n6\n***\n***\nheredoc\n400 0:0\n750 7:8\n1777 0:0\n");
	assert_int_equal(r.n_layers, 2);
	wh_result_release(&r);
	again(e);
	build(e, run_with(e, "next", e->base, V("/step", "cat", "/cache/kept"), &m[6], 1, NULL));
	assert_string_equal(e->log.p, "kept");
}

static void test_secret_missing(void **state)
{
	struct env *e = *state;
	const struct wh_op_mount m = {
		.type = WH_MOUNT_SECRET, .input = -1, .id = "absent", .target = "/s", .required = true};
	struct wh_vertex *v = run_with(e, "run", e->base, V("/step"), &m, 1, NULL);
	struct wh_result r;
	struct wh_err *err = NULL;

	assert_true(wh_builder_solve(e->builder, &v, 1, &r, &err) < 0);
	assert_string_equal(err->msg, "secret absent: not found");
	assert_non_null(err->hint);
	wh_err_free(err);
}

/* Writes to a writable bind mount of another stage reach neither the stage nor the result. */
static void test_bind_writable(void **state)
{
	struct env *e = *state;
	const struct wh_op_mount m = {.type = WH_MOUNT_BIND, .input = 1, .source = "/", .target = "/m"};
	struct wh_vertex *stage = run(e, "stage", e->base, V("/step", "write", "/data", "old"));
	struct wh_result r;

	solve(e, run_with(e, "one", e->base, V("/step", "write", "/m/data", "new", "cat", "/m/data"), &m, 1, stage),
	      &r);
	assert_int_equal(r.n_layers, 1);
	wh_result_release(&r);
	build(e, run_with(e, "two", e->base, V("/step", "out", "", "cat", "/m/data"), &m, 1, stage));
	assert_string_equal(e->log.p, "new\nold");
}

/* A cache that starts as a stage's tree, and keeps what is written over it. */
static void test_cache_from(void **state)
{
	struct env *e = *state;
	const struct wh_op_mount m = {.type = WH_MOUNT_CACHE, .input = 1, .source = "/d", .target = "/c", .id = "x"};
	struct wh_vertex *made = run(e, "made", e->base, V("/step", "mkdir", "/d", "write", "/d/start", "start"));

	build(e, run_with(e, "one", e->base, V("/step", "cat", "/c/start", "write", "/c/more", "more"), &m, 1, made));
	build(e, run_with(e, "two", e->base,
			  V("/step", "cat", "/c/start", "cat", "/c/more", "write", "/c/start", "new"), &m, 1, made));
	build(e, run_with(e, "three", e->base, V("/step", "cat", "/c/start"), &m, 1, made));
	build(e, run(e, "four", made, V("/step", "cat", "/d/start", "none", "/d/more")));
	assert_string_equal(e->log.p, "startstartmorenewstart");
}

static void test_explain(void **state)
{
	struct env *e = *state;
	static const char *const want[] = {"never run", "the files it takes", "the tree it builds on"};
	int i;

	e->explain = true;
	for (i = 0; i < 3; i++) {
		struct wh_vertex *below;

		again(e);
		file(e, "a", i ? "two" : "one");
		if (i == 2)
			below = run(e, "below", e->base, V("/step", "write", "/below", "1"));
		else
			below = e->base;
		build(e, copy(e, "copy", below, local(e, "local://context"), V("a"), "/b"));
		assert_true(saw(e, "START", "copy"));
		assert_non_null(strstr(e->notices.p, want[i]));
	}
}

/* ---------------------------------------------------------------- assembly */

static void test_image(void **state)
{
	static const char want[] =
		"{\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"/step\"]},\"created\":\"2001-09-09T01:46:40Z\",\"history\":["
		"{\"created\":\"2001-09-09T01:46:40Z\",\"created_by\":\"COPY step /step\"},"
		"{\"created\":\"2001-09-09T01:46:40Z\",\"created_by\":\"RUN nothing\",\"empty_layer\":true},"
		"{\"comment\":\"c\",\"created\":\"2001-09-09T01:46:40Z\",\"created_by\":\"RUN x\"},"
		"{\"created\":\"2001-09-09T01:46:40Z\",\"created_by\":\"CMD [\\\"\xef\xbf\xbd\\\"]\",\"empty_layer\":true}],\"os\":\"linux\"}";
	struct env *e = *state;
	struct wh_image image[2];
	struct wh_err *err = NULL;
	struct wh_buf text = WH_BUF_INIT;
	size_t i;

	e->epoch = 1000000000;
	again(e);
	for (i = 0; i < 2; i++) {
		struct wh_vertex *empty = run(e, "empty", e->base, V("/step"));
		struct wh_vertex *x = run(e, "x", empty, V("/step", "env", "SOURCE_DATE_EPOCH", "write", "/x", "1"));
		struct wh_history h[] = {
			{"COPY step /step", NULL, e->base},
			{"RUN nothing", NULL, empty},
			{"RUN x", "c", x},
			{"CMD [\"\xff\"]", NULL, NULL},
		};
		struct wh_target t = {.stage = "0", .state = x, .history = h, .n_history = 4};

		t.config = json_pack("{s:s,s:s,s:{s:[s]}}", "architecture", "amd64", "os", "linux", "config", "Cmd",
				     "/step");
		if (wh_builder_image(e->builder, &t, &image[i], &err) < 0)
			fail_msg("%s", err->msg);
		json_decref(t.config);
		if (i == 0) {
			assert_string_equal(e->log.p, "1000000000\n");
			again(e);
		}
	}
	assert_true(wh_digest_eq(&image[0].manifest, &image[1].manifest));
	assert_int_equal(image[0].n_layers, 2);
	assert_int_equal(image[0].layers[1].newest, 1000000000);
	assert_int_equal(json_array_size(json_object_get(json_object_get(image[0].config, "rootfs"), "diff_ids")), 2);
	json_object_del(image[0].config, "rootfs");
	wh_json_dump(image[0].config, &text);
	assert_string_equal(text.p, want);
	wh_buf_release(&text);
	wh_image_release(&image[0]);
	wh_image_release(&image[1]);
}

/* ---------------------------------------------------------------- main */

static int make_step(void)
{
	const char *cc = getenv("WH_CC") ? getenv("WH_CC") : "cc";
	static char dir[] = "/tmp/wh-sched-step.XXXXXX";
	WH_AUTO_FREE char *src = NULL, *exe = NULL;
	struct wh_buf out = WH_BUF_INIT;
	struct wh_strv argv = {0};
	int r;

	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	step_path = dir;
	src = wh_asprintf("%s/step.c", dir);
	exe = wh_asprintf("%s/step", dir);
	if (wh_write_file_atomic(AT_FDCWD, src, step_source, strlen(step_source), 0644, false) < 0)
		return -1;
	for (const char *p = cc; *p; p += strspn(p, " ")) { /* "ccache gcc" */
		size_t n = strcspn(p, " ");

		wh_strv_addf(&argv, "%.*s", (int)n, p);
		p += n;
	}
	wh_strv_add(&argv, "-static");
	wh_strv_add(&argv, "-o");
	wh_strv_add(&argv, exe);
	wh_strv_add(&argv, src);
	r = wh_proc_run((const char *const *)argv.v, &out);
	if (r)
		fprintf(stderr, "%s\n", out.n ? out.p : "no compiler");
	wh_strv_release(&argv);
	wh_buf_release(&out);
	return r;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define COPY(f)                                           \
	{                                                 \
		"copy_" #f, f, setup_copy, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_run_and_cache), T(test_content),          T(test_content_of_stage),
		T(test_no_cache),      T(test_nothing_changed),  T(test_overlap),
		T(test_locked),        T(test_private),          T(test_twins),
		T(test_failure),       T(test_killed_step),      T(test_cancel),
		T(test_cancel_job),    T(test_mounts),           T(test_secret_missing),
		T(test_bind_writable), T(test_cache_from),       T(test_explain),
		T(test_image),         COPY(test_run_and_cache), COPY(test_nothing_changed),
		COPY(test_failure),    COPY(test_mounts),        COPY(test_bind_writable),
		COPY(test_image),
	};
	struct wh_outer *outer;
	struct wh_err *err = NULL;
	int r;

	if (make_step() != 0)
		return 99;
	if (wh_outer_fork(&outer, &the_inner, &err) < 0) {
		fprintf(stderr, "%s\n", err->msg);
		return 99;
	}
	if (outer) {
		r = wh_outer_serve(outer);
		wh_rm_rf(AT_FDCWD, step_path);
		return r;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	wh_inner_free(the_inner);
	return r;
}
