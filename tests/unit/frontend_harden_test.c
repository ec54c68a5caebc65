/* SPDX-License-Identifier: Apache-2.0 */
/* PROFILE and PRUNE: what they lower to, and what is refused. */
#include "tests/unit/frontend_resolver.h"
#include "tests/unit/test.h"

struct lowered {
	struct wh_dockerfile *d;
	struct wh_graph *g;
	struct wh_target t;
	struct wh_err *err;
	int r;
};

static const char *const *no_ignore(void *arg, const char *local, const struct wh_patterns **ret)
{
	(void)arg;
	(void)local;
	*ret = NULL;
	return NULL;
}

static void lower(struct lowered *x, const char *text)
{
	const struct wh_image_resolver resolver = {NULL, test_resolve};
	const struct wh_lower_opts opts = {
		.build_platform = "linux/amd64", .resolver = &resolver, .ignore_of = no_ignore};

	*x = (struct lowered){.g = wh_graph_new()};
	x->r = wh_dockerfile_parse("D", text, strlen(text), &x->d, &x->err);
	if (x->r == 0)
		x->r = wh_dockerfile_lower(x->d, &opts, x->g, &x->t, &x->err);
}

static void release(struct lowered *x)
{
	wh_target_release(&x->t);
	wh_graph_free(x->g);
	wh_dockerfile_free(x->d);
	wh_err_freep(&x->err);
}

static void good(struct lowered *x, const char *text)
{
	lower(x, text);
	if (x->r < 0)
		fail_msg("%s\nline %u: %s", text, x->err->line, x->err->msg);
}

#define APP "FROM base AS app\nENV PORT=8080\nWORKDIR /srv\nUSER www\nENTRYPOINT [\"/app\"]\nCMD [\"-v\"]\n"
#define TESTS "FROM driver AS tests\nENV WHO=me\nWORKDIR /t\n"

static void lowers_both(void **state)
{
	struct lowered x;
	const struct wh_vertex *prune, *second, *first;
	const struct wh_op_profile *p;

	(void)state;
	good(&x, TESTS APP "STOPSIGNAL SIGQUIT\nHEALTHCHECK --timeout=3s --retries=2 CMD [\"/app\",\"health\"]\n"
			   "FROM app AS release\n"
			   "PROFILE --from=tests --ready=tcp:$PORT --ready=http:8081/ok --ready=delay:1.5s --share=/run/x/ "
			   "--env=A=$PORT --timeout=90s --runs=3 --mount=type=tmpfs,target=/scratch run.sh --fast\n"
			   "PROFILE --start=manual [\"/t/other\", \"x y\"]\n"
			   "PRUNE --keep=/usr/share/zoneinfo/** --keep=/etc/a --drop=/usr/lib/x --mode=package --shell=keep "
			   "--setuid=keep --setuid=/bin/s* --setuid=strip --setuid=/bin/x --repair=2\nLABEL a=b\n");
	prune = x.t.state;
	assert_int_equal(prune->kind, WH_OP_PRUNE);
	assert_int_equal(prune->n_inputs, 3);
	first = prune->inputs[1];
	second = prune->inputs[2];
	assert_ptr_equal(prune->inputs[0], second);
	assert_ptr_equal(second->inputs[0], first);
	assert_int_equal(first->kind, WH_OP_PROFILE);
	/* The second one's driver runs in the tree before any profile, which is the first one's input. */
	assert_ptr_equal(second->inputs[1], first->inputs[0]);
	assert_ptr_not_equal(first->inputs[1], first->inputs[0]);

	p = first->op.profile;
	assert_string_equal(p->app.entrypoint[0], "/app");
	assert_string_equal(p->app.cmd[0], "-v");
	assert_null(p->app.start);
	assert_string_equal(p->app.cwd, "/srv");
	assert_string_equal(p->app.user, "www");
	assert_string_equal(p->app.stop_signal, "SIGQUIT");
	assert_string_equal(p->app.health[1], "health");
	assert_true(p->app.health_timeout_ns == 3000000000U);
	assert_int_equal(p->app.health_retries, 2);
	assert_int_equal(p->n_ready, 3);
	assert_int_equal(p->ready[0].kind, WH_READY_TCP);
	assert_int_equal(p->ready[0].port, 8080);
	assert_string_equal(p->ready[1].text, "http://localhost:8081/ok");
	assert_true(p->ready[2].ns == 1500000000U);
	assert_string_equal(p->share[0], "/run/x");
	assert_true(p->timeout_ns == 90000000000U);
	assert_int_equal(p->runs, 3);
	assert_false(p->manual);
	assert_string_equal(p->driver.args[0], "/bin/sh");
	assert_string_equal(p->driver.args[2], "run.sh --fast");
	assert_string_equal(p->driver.cwd, "/t");
	assert_string_equal(p->driver.user, "");
	assert_string_equal(p->driver.env[1], "WHO=me");
	assert_string_equal(p->driver.env[2], "A=8080");
	assert_int_equal(p->driver.network, WH_NET_NONE);
	assert_int_equal(p->driver.n_mounts, 1);

	assert_true(second->op.profile->manual);
	assert_string_equal(second->op.profile->driver.args[1], "x y");
	assert_int_equal(second->op.profile->runs, 1);

	assert_string_equal(prune->op.prune->keep[1], "/etc/a");
	assert_string_equal(prune->op.prune->drop[0], "/usr/lib/x");
	assert_true(prune->op.prune->package_mode && prune->op.prune->keep_shell && prune->op.prune->keep_setid);
	assert_string_equal(prune->op.prune->setid[0], "/bin/s*");
	assert_string_equal(prune->op.prune->setid[1], "/bin/x");
	assert_null(prune->op.prune->setid[2]);
	assert_int_equal(prune->op.prune->repair, 2);
	assert_non_null(strstr(prune->op.prune->config, "\"Entrypoint\":[\"/app\"]"));
	assert_null(strstr(prune->op.prune->config, "Labels"));
	assert_ptr_equal(x.t.history[x.t.n_history - 2].vertex, prune);
	release(&x);
}

static void start_takes_json(void **state)
{
	struct lowered x;
	const char *const *start;

	(void)state;
	good(&x, "FROM base\nPROFILE --start=[\"nginx\", \"-g\", \"daemon off;\"] --ready=log:up.* test a\n");
	assert_int_equal(x.t.state->kind, WH_OP_PROFILE);
	start = x.t.state->op.profile->app.start;
	assert_string_equal(start[0], "nginx");
	assert_string_equal(start[2], "daemon off;");
	assert_null(start[3]);
	assert_string_equal(x.t.state->op.profile->ready[0].text, "up.*");
	assert_string_equal(x.t.state->op.profile->driver.args[2], "test a");
	release(&x);
	good(&x, "FROM base\nPROFILE <<EOF\necho one\nEOF\n");
	assert_string_equal(x.t.state->op.profile->driver.args[2], "echo one\n");
	release(&x);
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} cases[] = {
		{"FROM scratch\nPROFILE x\n", 2, "neither ENTRYPOINT nor CMD"},
		{"FROM base\nPRUNE\n", 2, "PRUNE without a PROFILE"},
		{"FROM base\nPROFILE x\nRUN y\n", 3, "RUN after PROFILE"},
		{"FROM base\nPROFILE x\nENV A=b\n", 3, "ENV after PROFILE"},
		{"FROM base\nPROFILE x\nPRUNE\nPROFILE y\n", 4, "PROFILE after the stage's PRUNE"},
		{"FROM base\nPROFILE x\nPRUNE\nPRUNE\n", 4, "PRUNE after the stage's PRUNE"},
		{"FROM base AS a\nPROFILE x\nFROM a\nPRUNE\n", 4, "PRUNE without a PROFILE"},
		{"FROM base\nPROFILE x\nPRUNE all\n", 3, "flags only"},
		{"FROM base\nPROFILE x\nPRUNE --mode=all\n", 3, "--mode: \"all\""},
		{"FROM base\nPROFILE x\nPRUNE --repair=many\n", 3, "--repair"},
		{"FROM base\nPROFILE x\nPRUNE --keep=etc/a\n", 3, "does not begin with /"},
		{"FROM base\nPROFILE --ready=udp:5 x\n", 2, "--ready: \"udp:5\""},
		{"FROM base\nPROFILE --ready=tcp:0 x\n", 2, "is no port"},
		{"FROM base\nPROFILE --ready=http:x x\n", 2, "is no URL"},
		{"FROM base\nARG P=70000\nPROFILE --ready=tcp:$P x\n", 3, "is no port"},
		{"FROM base\nPROFILE --ready=file:a x\n", 2, "no absolute path"},
		{"FROM base\nPROFILE --timeout=-1s x\n", 2, "no time to wait"},
		{"FROM base\nPROFILE --runs=0 x\n", 2, "--runs"},
		{"FROM base\nPROFILE --env=A x\n", 2, "NAME=VALUE"},
		{"FROM base\nPROFILE --share=a x\n", 2, "no absolute path"},
		{"FROM base\nPROFILE --share=/ x\n", 2, "no absolute path"},
		{"FROM base\nPROFILE --start=nginx x\n", 2, "JSON array"},
		{"FROM base\nPROFILE --network=bridge x\n", 2, "invalid network mode"},
		{"FROM base\nPROFILE --network=host x\n", 2, "network.host is not allowed"},
		{"FROM base\nPROFILE\n", 2, "at least one argument"},
		{"FROM base AS a\nPROFILE --from=later x\nFROM base AS later\nFROM a\n", 2, "needs to be defined before"},
		{"FROM base\nONBUILD PRUNE\n", 2, "ONBUILD trigger"},
		{"FROM base\nONBUILD PROFILE x\n", 2, "ONBUILD trigger"},
	};
	struct lowered x;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		lower(&x, cases[i].text);
		if (x.r >= 0)
			fail_msg("taken: %s", cases[i].text);
		if (!strstr(x.err->msg, cases[i].says) || x.err->line != cases[i].line)
			fail_msg("%s\nline %u: %s", cases[i].text, x.err->line, x.err->msg);
		assert_int_equal(x.err->class, WH_ERR_USAGE);
		release(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowers_both),
		cmocka_unit_test(start_takes_json),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
