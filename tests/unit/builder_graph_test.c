/* SPDX-License-Identifier: Apache-2.0 */
/* Vertices: equal ones are one, every field counts, and the serialisation does not drift. */
#include "builder/graph.h"
#include "tests/unit/test.h"

static struct wh_vertex *source(struct wh_graph *g, const char *ref)
{
	struct wh_op_source *op = wh_arena_alloc(wh_graph_arena(g), sizeof(*op));

	op->ref = ref;
	return wh_graph_add(g, &(struct wh_vertex){.kind = WH_OP_SOURCE, .op.source = op, .name = ref});
}

static void one_of_a_kind(void **state)
{
	struct wh_graph *g = wh_graph_new();
	struct wh_vertex *a = source(g, "local://a"), *b = source(g, "local://b"), *again = source(g, "local://a");

	(void)state;
	assert_ptr_equal(a, again);
	assert_ptr_not_equal(a, b);
	assert_int_equal(wh_graph_count(g), 2);
	assert_int_equal(a->index, 0);
	assert_int_equal(b->index, 1);
	assert_ptr_equal(wh_graph_at(g, 1), b);
	assert_null(wh_graph_at(g, 2));
	wh_graph_free(g);
}

static void names_stay_and_no_cache_spreads(void **state)
{
	struct wh_graph *g = wh_graph_new();
	const struct wh_op_source op = {.ref = "local://a"};
	struct wh_vertex v = {.kind = WH_OP_SOURCE, .op.source = &op, .name = "first"}, *a;

	(void)state;
	a = wh_graph_add(g, &v);
	v.name = "second";
	v.no_cache = true;
	assert_ptr_equal(wh_graph_add(g, &v), a);
	assert_string_equal(a->name, "first");
	assert_true(a->no_cache);
	wh_graph_free(g);
}

/* Changes one field after the other; each must give another name. */
static void fields_count(void **state)
{
	static const char *const args[] = {"sh", NULL}, *const other[] = {"sh", "", NULL}, *const none[] = {NULL};
	const struct wh_op_mount mount = {.type = WH_MOUNT_TMPFS, .input = -1, .target = "/t"};
	struct wh_op_exec e = {.args = args, .env = none, .cwd = "/", .user = ""};
	struct wh_graph *g = wh_graph_new();
	struct wh_vertex *in[1] = {source(g, "local://a")};
	struct wh_vertex v = {.kind = WH_OP_EXEC, .op.exec = &e, .n_inputs = 1};
	struct wh_vertex *const inputs[1] = {in[0]}, *const empty[1] = {NULL};
	size_t n = wh_graph_count(g);

#define DIFFERS(change)                                   \
	do {                                              \
		change;                                   \
		wh_graph_add(g, &v);                      \
		assert_int_equal(wh_graph_count(g), ++n); \
	} while (0)
	(void)state;
	DIFFERS(v.inputs = inputs);
	DIFFERS(v.inputs = empty);
	DIFFERS(e.args = other);
	DIFFERS(e.env = args);
	DIFFERS(e.proxy_env = args);
	DIFFERS(e.cwd = "/x");
	DIFFERS(e.user = "u");
	DIFFERS(e.network = WH_NET_NONE);
	DIFFERS(e.insecure = true);
	DIFFERS((e.mounts = &mount, e.n_mounts = 1));
	DIFFERS(e.hostname = "h");
	DIFFERS(e.extra_hosts = args);
	DIFFERS(e.shm_size = 1);
#undef DIFFERS
	wh_graph_add(g, &v);
	assert_int_equal(wh_graph_count(g), n);
	wh_graph_free(g);
}

static void list_ends_do_not_blur(void **state)
{
	static const char *const ab[] = {"ab", NULL}, *const a_b[] = {"a", "b", NULL};
	struct wh_file_action one = {.kind = WH_FILE_COPY, .srcs = ab, .path = "/x"};
	const struct wh_op_file op = {.actions = &one, .n_actions = 1};
	struct wh_vertex *const inputs[2] = {NULL, NULL};
	const struct wh_vertex v = {.kind = WH_OP_FILE, .op.file = &op, .inputs = inputs, .n_inputs = 2};
	struct wh_graph *g = wh_graph_new();

	(void)state;
	wh_graph_add(g, &v);
	one.srcs = a_b;
	wh_graph_add(g, &v);
	assert_int_equal(wh_graph_count(g), 2);
	wh_graph_free(g);
}

/* Names of vertices are shown and compared across versions: a change here is a change of the format. */
static void golden(void **state)
{
	struct wh_graph *g = wh_graph_new();
	struct wh_vertex *a = source(g, "local://context");
	char hex[65];

	(void)state;
	assert_string_equal(wh_digest_hex(&a->id, hex),
			    "59e0467d4b631aee470b33caa1f3772196b32edcca032d93c8158d5090bd894d");
	wh_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_a_kind), cmocka_unit_test(names_stay_and_no_cache_spreads),
		cmocka_unit_test(fields_count),  cmocka_unit_test(list_ends_do_not_blur),
		cmocka_unit_test(golden),
	};

	return cmocka_run_group_tests_name("builder_graph", tests, NULL, NULL);
}
