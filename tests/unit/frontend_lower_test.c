/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfile → graph, image config and history; and the refusals that need variables, stages or images. */
#include "tests/unit/frontend_resolver.h"
#include "tests/unit/test.h"

struct lowered {
	struct wh_dockerfile *d;
	struct wh_graph *g;
	struct wh_target t;
	struct wh_err *err;
	int r;
};

static const char *const ignored[] = {"*.o", NULL};

static const char *const *ignore_of(void *arg, const char *local, const struct wh_patterns **ret)
{
	(void)arg;
	*ret = NULL;
	return wh_streq(local, "context") ? ignored : NULL;
}

/* args: "K=V K=V"; o: NULL or further options. */
static void lower_with(struct lowered *x, const char *text, const char *args, const json_t *images,
		       const struct wh_lower_opts *o)
{
	const struct wh_image_resolver resolver = {(void *)(uintptr_t)images, test_resolve};
	struct wh_lower_opts opts = o ? *o : (struct wh_lower_opts){0};
	WH_AUTO_STRV struct wh_strv list = {0};
	WH_AUTO_FREE char *copy = wh_strdup(args ? args : "");
	char *save = NULL, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		wh_strv_add(&list, word);
	opts.build_args = &list;
	opts.build_platform = "linux/amd64";
	opts.resolver = &resolver;
	opts.ignore_of = ignore_of;
	*x = (struct lowered){.g = wh_graph_new()};
	x->r = wh_dockerfile_parse("D", text, strlen(text), &x->d, &x->err);
	if (x->r == 0)
		x->r = wh_dockerfile_lower(x->d, &opts, x->g, &x->t, &x->err);
}

static void lower(struct lowered *x, const char *text, const char *args)
{
	lower_with(x, text, args, NULL, NULL);
	if (x->r < 0)
		fail_msg("%s\nline %u: %s", text, x->err->line, x->err->msg);
}

static void release(struct lowered *x)
{
	wh_target_release(&x->t);
	wh_graph_free(x->g);
	wh_dockerfile_free(x->d);
	if (x->err)
		wh_err_free(x->err);
}

static void put_list(struct wh_buf *out, const char *const *list)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		wh_buf_addf(out, "%s%s", i ? "|" : "", list[i]);
}

static void put_mount(struct wh_buf *out, const struct wh_op_mount *m)
{
	static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh", "file"};

	wh_buf_addf(out, "  %s%s %s", types[m->type], m->readonly ? " ro" : "", m->target ? m->target : "-");
	if (m->input >= 0)
		wh_buf_addf(out, " input=%d", m->input);
	if (m->source)
		wh_buf_addf(out, " source=%s", m->source);
	if (m->id)
		wh_buf_addf(out, " id=%s", m->id);
	if (m->env)
		wh_buf_addf(out, " env=%s", m->env);
	if (m->sharing)
		wh_buf_addf(out, " sharing=%d", m->sharing);
	if (m->required)
		wh_buf_adds(out, " required");
	if (m->size)
		wh_buf_addf(out, " size=%llu", (unsigned long long)m->size);
	if (m->has_mode)
		wh_buf_addf(out, " mode=%o", m->mode);
	if (m->has_owner)
		wh_buf_addf(out, " owner=%u:%u", m->uid, m->gid);
	if (m->data)
		wh_buf_addf(out, " data=%zu", m->data_len);
	wh_buf_addc(out, '\n');
}

static void put_action(struct wh_buf *out, const struct wh_file_action *a)
{
	static const char *const kinds[] = {"copy", "mkfile", "mkdir", "rm", "symlink"};

	wh_buf_addf(out, "  %s ", kinds[a->kind]);
	if (a->kind == WH_FILE_COPY) {
		wh_buf_addf(out, "%d:", a->input);
		put_list(out, a->srcs);
		wh_buf_addc(out, ' ');
	}
	wh_buf_adds(out, a->path);
	if (a->chown)
		wh_buf_addf(out, " chown=%s", a->chown);
	if (a->chmod)
		wh_buf_addf(out, " chmod=%s", a->chmod);
	if (a->exclude) {
		wh_buf_adds(out, " exclude=");
		put_list(out, a->exclude);
	}
	wh_buf_addf(out, "%s%s%s%s", a->unpack ? " unpack" : "", a->parents ? " parents" : "",
		    a->make_parents ? " make_parents" : "", a->no_glob ? " no_glob" : "");
	if (a->data)
		wh_buf_addf(out, " data=%s", a->data);
	wh_buf_addc(out, '\n');
}

/* Everything that matters of the graph, a line a vertex and one for each of its parts. malloc'ed. */
static char *dump(const struct lowered *x)
{
	struct wh_buf out = WH_BUF_INIT;
	size_t i, k;

	for (i = 0; i < wh_graph_count(x->g); i++) {
		const struct wh_vertex *v = wh_graph_at(x->g, i);

		wh_buf_addf(&out, "%zu", i);
		for (k = 0; k < v->n_inputs; k++) {
			if (v->inputs[k])
				wh_buf_addf(&out, "%c%zu", k ? ',' : '<', v->inputs[k]->index);
			else
				wh_buf_addf(&out, "%c-", k ? ',' : '<');
		}
		wh_buf_addf(&out, "%s %s\n", v->no_cache ? "!" : "", v->name);
		if (v->kind == WH_OP_SOURCE) {
			wh_buf_addf(&out, "  %s", v->op.source->ref);
			if (v->op.source->platform)
				wh_buf_addf(&out, " %s", v->op.source->platform);
			put_list(&out, v->op.source->ignore);
			wh_buf_addc(&out, '\n');
		} else if (v->kind == WH_OP_EXEC) {
			const struct wh_op_exec *e = v->op.exec;

			wh_buf_adds(&out, "  ");
			put_list(&out, e->args);
			wh_buf_addf(&out, " in %s as '%s' net %d\n", e->cwd, e->user, e->network);
			wh_buf_adds(&out, "  env ");
			put_list(&out, e->env);
			wh_buf_addc(&out, '\n');
			for (k = 0; k < e->n_mounts; k++)
				put_mount(&out, &e->mounts[k]);
		} else if (v->kind == WH_OP_MERGE) {
			wh_buf_adds(&out, "  merge\n");
		} else {
			for (k = 0; k < v->op.file->n_actions; k++)
				put_action(&out, &v->op.file->actions[k]);
		}
	}
	return wh_buf_take(&out);
}

static void expect_dump(const char *text, const char *args, const char *want)
{
	struct lowered x;
	WH_AUTO_FREE char *got = NULL;

	lower(&x, text, args);
	got = dump(&x);
	assert_string_equal(got, want);
	release(&x);
}

static void expect_history(const struct lowered *x, const char *want)
{
	WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
	size_t i;

	for (i = 0; i < x->t.n_history; i++) {
		assert_string_equal(x->t.history[i].comment, "buildkit.dockerfile.v0");
		wh_buf_addf(&got, "%c %s\n", x->t.history[i].vertex ? '*' : '-', x->t.history[i].created_by);
	}
	assert_string_equal(got.p ? got.p : "", want);
}

static void expect_config(const struct lowered *x, const char *want)
{
	WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;

	wh_json_dump(x->t.config, &got);
	assert_string_equal(got.p, want);
}

/* ---- steps ---- */

static void stages_and_names(void **state)
{
	(void)state;
	expect_dump(
		"FROM img AS a\nRUN make\nFROM scratch\nWORKDIR /w/\nCOPY --from=a x y/\nCOPY --from=0 --chown=u:g --chmod=755 /x/../y .\n",
		NULL,
		"0 [a 1/2] FROM img@" TEST_DIGEST "\n"
		"  docker-image://img@" TEST_DIGEST " linux/amd64\n"
		"1<0 [a 2/2] RUN make\n"
		"  /bin/sh|-c|make in / as '' net 0\n"
		"  env " TEST_PATH "\n"
		"2<- [stage-1 1/3] WORKDIR /w/\n"
		"  mkdir /w make_parents\n"
		"3<2,1 [stage-1 2/3] COPY --from=a x y/\n"
		"  copy 1:x /w/y/\n"
		"4<3,1 [stage-1 3/3] COPY --from=0 --chown=u:g --chmod=755 /x/../y .\n"
		"  copy 1:y /w/ chown=u:g chmod=755\n");
}

static void unused_stages_are_left_out(void **state)
{
	(void)state;
	expect_dump("FROM missing AS a\nRUN x\nFROM scratch\nCOPY ../../f* ./d/../e /x/.\n", NULL,
		    "0 [internal] load build context\n"
		    "  local://context*.o\n"
		    "1<-,0 [stage-1 1/1] COPY ../../f* ./d/../e /x/.\n"
		    "  copy 1:f* /x/\n"
		    "  copy 1:e /x/\n");
}

static void users_and_directories(void **state)
{
	(void)state;
	expect_dump(
		"FROM scratch\nUSER me\nWORKDIR a\nWORKDIR b\nWORKDIR /\nSHELL [\"/bin/ash\", \"-e\"]\nRUN x\nRUN [\"y\"]\n",
		NULL,
		"0<- [1/5] WORKDIR a\n"
		"  mkdir /a chown=me make_parents\n"
		"1<0 [2/5] WORKDIR b\n"
		"  mkdir /a/b chown=me make_parents\n"
		"2<1 [3/5] RUN x\n"
		"  /bin/ash|-e|x in / as 'me' net 0\n"
		"  env " TEST_PATH "\n"
		"3<2 [4/5] RUN [\"y\"]\n"
		"  y in / as 'me' net 0\n"
		"  env " TEST_PATH "\n");
}

static void add_unpacks(void **state)
{
	(void)state;
	expect_dump(
		"FROM scratch\nADD --exclude=*.c --exclude=d a.tar /\nADD --unpack=false a.tar /b\nCOPY --parents a/./b/c d/e /f/\n",
		NULL,
		"0 [internal] load build context\n"
		"  local://context*.o\n"
		"1<-,0 [1/3] ADD --exclude=*.c --exclude=d a.tar /\n"
		"  copy 1:a.tar / exclude=*.c|d unpack\n"
		"2<1,0 [2/3] ADD --unpack=false a.tar /b\n"
		"  copy 1:a.tar /b\n"
		"3<2,0 [3/3] COPY --parents a/./b/c d/e /f/\n"
		"  copy 1:a/./b/c /f/ parents\n"
		"  copy 1:d/e /f/ parents\n");
}

static void linked_copies(void **state)
{
	struct lowered x;

	(void)state;
	/* On scratch there is nothing to be merged with; --chmod makes it a plain copy. */
	expect_dump("FROM scratch\nWORKDIR /w\nCOPY --link --chown=1:root a .\n"
		    "ADD --link=true b /c\nCOPY --link --chmod=1 a /\n",
		    NULL,
		    "0<- [1/4] WORKDIR /w\n"
		    "  mkdir /w make_parents\n"
		    "1 [internal] load build context\n"
		    "  local://context*.o\n"
		    "2<-,1 [2/4] COPY --link --chown=1:root a .\n"
		    "  copy 1:a /w/ chown=1:root\n"
		    "3<0,2 [2/4] COPY --link --chown=1:root a . (linked)\n"
		    "  merge\n"
		    "4<-,1 [3/4] ADD --link=true b /c\n"
		    "  copy 1:b /c unpack\n"
		    "5<3,4 [3/4] ADD --link=true b /c (linked)\n"
		    "  merge\n"
		    "6<5,1 [4/4] COPY --link --chmod=1 a /\n"
		    "  copy 1:a / chmod=1\n");
	expect_dump("FROM scratch\nCOPY --link <<A b /c\nx\nA\n", NULL,
		    "0 [internal] load build context\n"
		    "  local://context*.o\n"
		    "1<- [internal] preparing inline document\n"
		    "  mkfile /A data=x\n\n"
		    "2<-,0,1 [1/1] COPY --link <<A b /c\n"
		    "  copy 1:b /c\n"
		    "  copy 2:A /c no_glob\n");
	lower(&x, "FROM scratch\nWORKDIR /w\nCOPY --link a .\nCOPY a b c\n", NULL);
	expect_history(&x, "* WORKDIR /w\n* COPY a . # buildkit\n* COPY a b c # buildkit\n");
	assert_int_equal(x.t.history[1].vertex->kind, WH_OP_MERGE);
	release(&x);
}

static void heredocs(void **state)
{
	(void)state;
	expect_dump(
		"FROM scratch\nENV v=1\nCOPY <<A <<-'B' x /d/\n$v\nA\n\t$v\nB\nRUN <<E\necho a\nE\nRUN <<S\n#!/bin/x\nS\nRUN cat <<F\nf\nF\n",
		NULL,
		"0 [internal] load build context\n"
		"  local://context*.o\n"
		"1<- [internal] preparing inline document\n"
		"  mkfile /A data=1\n\n"
		"2<- [internal] preparing inline document\n"
		"  mkfile /B data=$v\n\n"
		"3<-,0,1,2 [1/4] COPY <<A <<-B x /d/\n"
		"  copy 1:x /d/\n"
		"  copy 2:A /d/ no_glob\n"
		"  copy 3:B /d/ no_glob\n"
		"4<3 [2/4] RUN <<E (echo a)\n"
		"  /bin/sh|-c|echo a\n in / as '' net 0\n"
		"  env " TEST_PATH "|v=1\n"
		"5<4 [3/4] RUN <<S (#!/bin/x)\n"
		"  /bin/sh|-c|/dev/pipes/S in / as '' net 0\n"
		"  env " TEST_PATH "|v=1\n"
		"  file ro /dev/pipes/S mode=755 data=9\n"
		"6<5 [4/4] RUN cat <<F\n"
		"  /bin/sh|-c|cat <<F\nf\nF in / as '' net 0\n"
		"  env " TEST_PATH "|v=1\n");
}

/* Caches of one name in two namespaces are two; a file may set thousands of variables, but not any number. */
static void argument_limits(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct lowered x;

	(void)state;
	lower(&x, "FROM scratch\nRUN --mount=type=cache,target=/c,id=x y\n", "BUILDKIT_CACHE_MOUNT_NS=ns");
	assert_string_equal(x.t.state->op.exec->mounts[0].id, "//ns//x");
	release(&x);
	lower(&x, "FROM scratch\nRUN --mount=type=cache,target=/c,id=x y\n", "BUILDKIT_CACHE_MOUNT_NS=");
	assert_string_equal(x.t.state->op.exec->mounts[0].id, "x");
	release(&x);
	wh_buf_adds(&text, "FROM scratch\n");
	for (unsigned i = 0; i < 17000; i++)
		wh_buf_addf(&text, "ENV v%u=1\n", i);
	lower_with(&x, text.p, NULL, NULL, NULL);
	assert_int_equal(x.r, -E2BIG);
	assert_string_equal(x.err->msg, "more than 16384 variables in a stage");
	assert_int_equal(x.err->line, 1 + 16384);
	release(&x);
	/* What grows tenfold a line, and what repeats all ports. */
	wh_buf_reset(&text);
	wh_buf_adds(&text, "FROM scratch\nARG a=");
	for (unsigned i = 0; i < 1000000 / 16; i++)
		wh_buf_adds(&text, i % 3000 == 2999 ? "0123456789abcd\\\n" : "0123456789abcdef");
	wh_buf_adds(&text, "\nLABEL");
	for (unsigned i = 0; i < 80; i++)
		wh_buf_addf(&text, " l%u=$a", i);
	lower_with(&x, text.p, NULL, NULL, NULL);
	assert_int_equal(x.r, -E2BIG);
	assert_string_equal(x.err->msg, "the expanded text is too long: up to here it is 64 MiB in all");
	release(&x);
	lower_with(&x, "FROM scratch\nEXPOSE 1-65535 1-65535/udp 1-65535/sctp 1-9\n", NULL, NULL, NULL);
	assert_int_equal(x.r, -EINVAL);
	release(&x);
}

/* What is no longer needed is given back while later stages are lowered; what is needed later is not. */
static void stages_kept(void **state)
{
	struct lowered x;

	(void)state;
	lower(&x,
	      "FROM scratch AS a\nENV e=1\nARG v=2\nLABEL l=m\nFROM scratch AS b\nRUN x\nFROM scratch AS c\n"
	      "FROM a AS d\nENV f=$e$v\nFROM scratch\nCOPY --from=d / /\n",
	      NULL);
	release(&x);
	lower_with(&x, "FROM scratch AS a\nENV e=1\nARG v=2\nLABEL l=m\nFROM scratch\nFROM a AS d\nENV f=$e$v\nFROM d\nENV g=$f",
		   NULL, NULL, NULL);
	assert_string_equal(json_string_value(json_array_get(json_object_get(json_object_get(x.t.config, "config"), "Env"), 3)),
			    "g=12");
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_object_get(x.t.config, "config"), "Labels"), "l")),
			    "m");
	assert_int_equal(x.t.n_history, 5);
	release(&x);
	lower_with(&x, "FROM scratch AS a\nENV e=1\nFROM a AS b\nENV e=2\nFROM scratch\n", NULL, NULL,
		   &(struct wh_lower_opts){.target = "a"});
	assert_string_equal(json_string_value(json_array_get(json_object_get(json_object_get(x.t.config, "config"), "Env"), 1)),
			    "e=1");
	release(&x);
}

static void mounts(void **state)
{
	(void)state;
	expect_dump(
		"FROM scratch AS s\nCOPY a /a\nFROM img\nWORKDIR /w\nARG t=/t\n"
		"RUN --mount=target=m --mount=type=bind,from=s,source=../a,target=/b,rw --mount=type=cache,target=$t/ "
		"--mount=type=cache,id=i,from=s,sharing=locked,uid=7,target=/c --mount=type=tmpfs,target=/v,size=4k "
		"--mount=type=secret,id=x --mount=type=secret,src=y,env=Y,required --mount=type=ssh --network=none x\n",
		NULL,
		"0 [stage-1 1/3] FROM img@" TEST_DIGEST "\n"
		"  docker-image://img@" TEST_DIGEST " linux/amd64\n"
		"1 [internal] load build context\n"
		"  local://context*.o\n"
		"2<-,1 [s 1/1] COPY a /a\n"
		"  copy 1:a /a\n"
		"3<0 [stage-1 2/3] WORKDIR /w\n"
		"  mkdir /w make_parents\n"
		"4<3,1,2,2 [stage-1 3/3] RUN --mount=target=m --mount=type=bind,from=s,source=../a,target=/b,rw "
		"--mount=type=cache,target=/t/ --mount=type=cache,id=i,from=s,sharing=locked,uid=7,target=/c "
		"--mount=type=tmpfs,target=/v,size=4k --mount=type=secret,id=x --mount=type=secret,src=y,env=Y,required "
		"--mount=type=ssh --network=none x\n"
		"  /bin/sh|-c|x in /w as '' net 1\n"
		"  env " TEST_PATH "|t=/t\n"
		"  bind ro /w/m input=1 source=/\n"
		"  bind /b input=2 source=/a\n"
		"  cache /t source=/ id=/t mode=755\n"
		"  cache /c input=3 source=/ id=i sharing=2 mode=755 owner=7:0\n"
		"  tmpfs /v size=4096\n"
		"  secret ro /run/secrets/x id=x mode=400\n"
		"  secret ro - id=y env=Y required mode=400\n"
		"  ssh ro /run/buildkit/ssh_agent.0 id=default mode=600\n");
}

/* ---- variables ---- */

static void scopes(void **state)
{
	struct lowered x;
	WH_AUTO_FREE char *got = NULL;

	(void)state;
	lower(&x,
	      "ARG base=img\nARG given=no\nFROM $base AS a\nARG given\nARG own=d$given\nARG unset\nENV e=$own f=$base\n"
	      "FROM a\nARG TARGETARCH\nENV e=2 g=$e\nRUN x\n",
	      "given=yes http_proxy=p");
	got = dump(&x);
	assert_string_equal(strstr(got, "1<0"),
			    "1<0 [stage-1 1/1] RUN x\n"
			    "  /bin/sh|-c|x in / as '' net 0\n"
			    "  env " TEST_PATH "|given=yes|own=dyes|e=2|f=|TARGETARCH=amd64|g=dyes\n");
	assert_string_equal(wh_graph_at(x.g, 1)->op.exec->proxy_env[0], "HTTP_PROXY=p");
	assert_string_equal(wh_graph_at(x.g, 1)->op.exec->proxy_env[1], "http_proxy=p");
	assert_null(wh_graph_at(x.g, 1)->op.exec->proxy_env[2]);
	expect_history(
		&x, "- ARG given=yes\n- ARG own=dyes\n- ARG unset\n- ENV e=dyes f=\n- ARG TARGETARCH=amd64\n"
		    "- ENV e=2 g=dyes\n* RUN |4 given=yes own=dyes unset= TARGETARCH=amd64 /bin/sh -c x # buildkit\n");
	release(&x);
}

/* An inherited ARG does not hide what the base's ENV says; the target's name is one in small letters. */
static void inherited(void **state)
{
	struct lowered x;
	WH_AUTO_FREE char *got = NULL;

	(void)state;
	lower(&x,
	      "FROM img AS a\nENV e=env\nARG e=arg\nRUN in-a\nFROM a AS Goal\nARG TARGETSTAGE\nARG BUILDKIT_SBOM_SCAN_STAGE=1\n"
	      "RUN in-goal\n",
	      "http_proxy=small HTTP_PROXY=big");
	got = dump(&x);
	assert_string_equal(strstr(got, "1<0"),
			    "1<0 [a 2/2] RUN in-a\n"
			    "  /bin/sh|-c|in-a in / as '' net 0\n"
			    "  env " TEST_PATH "|e=arg\n"
			    "2<1 [goal 1/1] RUN in-goal\n"
			    "  /bin/sh|-c|in-goal in / as '' net 0\n"
			    "  env " TEST_PATH "|e=env|TARGETSTAGE=goal\n");
	assert_string_equal(wh_graph_at(x.g, 1)->op.exec->proxy_env[0], "HTTP_PROXY=small");
	release(&x);
	/* Nothing is for every platform. */
	lower(&x, "ARG p=linux/riscv64\nFROM --platform=$p scratch\nCOPY a /\n", NULL);
	assert_string_equal(json_string_value(json_object_get(x.t.config, "architecture")), "amd64");
	release(&x);
}

static void epoch(void **state)
{
	struct lowered x;

	(void)state;
	lower(&x, "FROM img\nRUN x\n", "SOURCE_DATE_EPOCH=12");
	assert_string_equal(wh_graph_at(x.g, 1)->op.exec->env[1], "SOURCE_DATE_EPOCH=12");
	assert_null(wh_graph_at(x.g, 1)->op.exec->env[2]);
	expect_history(&x, "* RUN /bin/sh -c x # buildkit\n");
	release(&x);
}

/* ---- config ---- */

/* As BuildKit has it: a path from the root is kept to the letter, a relative one is joined and cleaned. */
static void workdir_text(void **state)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{"FROM scratch\nWORKDIR /a//b", "\"WorkingDir\":\"/a//b\""},
		{"FROM scratch\nWORKDIR /a/../b/", "\"WorkingDir\":\"/a/../b/\""},
		{"FROM scratch\nWORKDIR /a//b\nWORKDIR c/./d/", "\"WorkingDir\":\"/a/b/c/d\""},
		{"FROM scratch\nWORKDIR /a\nWORKDIR ../b", "\"WorkingDir\":\"/b\""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct lowered x;

		lower(&x, rows[i].file, NULL);
		wh_json_dump(x.t.config, &got);
		if (!strstr(got.p, rows[i].want))
			fail_msg("%s: %s", rows[i].file, got.p);
		release(&x);
	}
}

static void config(void **state)
{
	struct lowered x;

	(void)state;
	lower(&x,
	      "FROM img\nMAINTAINER me <m@x>\nENV a=\"b c\"\nLABEL l=1 m=\"x y\"\nEXPOSE 80 53/UDP\nUSER u:g\nVOLUME /v /w\n"
	      "STOPSIGNAL SIGINT\nWORKDIR /\nSHELL [\"sh\",\"-c\"]\nENTRYPOINT [\"e\"]\nCMD c $a\n"
	      "HEALTHCHECK --interval=1m30s --retries=3 CMD h\nONBUILD RUN o\n",
	      NULL);
	expect_config(
		&x,
		"{\"architecture\":\"amd64\",\"author\":\"me <m@x>\",\"config\":{\"Cmd\":[\"sh\",\"-c\",\"c $a\"],\"Entrypoint\":[\"e\"],"
		"\"Env\":[\"" TEST_PATH "\",\"a=b c\"],\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},"
		"\"Healthcheck\":{\"Interval\":90000000000,\"Retries\":3,\"Test\":[\"CMD-SHELL\",\"h\"]},"
		"\"Labels\":{\"l\":\"1\",\"m\":\"x y\"},\"OnBuild\":[\"RUN o\"],\"Shell\":[\"sh\",\"-c\"],\"StopSignal\":\"SIGINT\","
		"\"User\":\"u:g\",\"Volumes\":{\"/v\":{},\"/w\":{}},\"WorkingDir\":\"/\"},\"os\":\"linux\"}");
	expect_history(&x,
		       "- MAINTAINER me <m@x>\n- ENV a=b c\n- LABEL l=1 m=x y\n- EXPOSE [53/udp 80/tcp]\n- USER u:g\n"
		       "- VOLUME [/v /w]\n- STOPSIGNAL SIGINT\n- WORKDIR /\n- SHELL [sh -c]\n- ENTRYPOINT [\"e\"]\n"
		       "- CMD [\"sh\" \"-c\" \"c $a\"]\n- HEALTHCHECK {Test:[CMD-SHELL h] Interval:1m30s Timeout:0s "
		       "StartPeriod:0s StartInterval:0s Retries:3}\n");
	assert_int_equal(json_array_size(x.t.base_history), 1);
	release(&x);
}

static void entrypoint_resets_the_bases_cmd(void **state)
{
	struct lowered x;

	(void)state;
	lower(&x, "FROM img\nENTRYPOINT e\n", NULL);
	assert_null(json_object_get(json_object_get(x.t.config, "config"), "Cmd"));
	release(&x);
	lower(&x, "FROM img\nCMD [\"c\"]\nENTRYPOINT []\n", NULL);
	assert_non_null(json_object_get(json_object_get(x.t.config, "config"), "Cmd"));
	assert_null(json_object_get(json_object_get(x.t.config, "config"), "Entrypoint"));
	release(&x);
}

static void options(void **state)
{
	static const struct wh_named_context contexts[] = {{"img", "local://here"}, {"b", "oci-layout:///l"}};
	WH_AUTO_STRV struct wh_strv labels = {0}, filter = {0};
	struct wh_lower_opts o = {.contexts = contexts,
				  .n_contexts = 2,
				  .labels = &labels,
				  .no_cache_filter = &filter,
				  .platform = "linux/arm64",
				  .target = "B",
				  .network = WH_NET_HOST};
	struct lowered x;
	WH_AUTO_FREE char *got = NULL;

	(void)state;
	wh_strv_add(&labels, "l=v");
	wh_strv_add(&filter, "c");
	lower_with(
		&x,
		"FROM docker.io/library/img:latest AS a\nRUN x\nFROM missing AS b\nFROM a AS c\nCOPY --from=b / /\nRUN y\n",
		NULL, NULL,
		&(struct wh_lower_opts){.contexts = contexts,
					.n_contexts = 2,
					.labels = &labels,
					.no_cache_filter = &filter,
					.platform = "linux/arm64",
					.network = WH_NET_HOST});
	assert_int_equal(x.r, 0);
	got = dump(&x);
	assert_string_equal(got, "0 [context here] load from client\n"
				 "  local://here\n"
				 "1 FROM b@" TEST_DIGEST "\n"
				 "  oci-layout:///l@" TEST_DIGEST " linux/arm64\n"
				 "2<-,0 [context here] load from client as a tree\n"
				 "  copy 1:. / no_glob\n"
				 "3<2 [a 2/2] RUN x\n"
				 "  /bin/sh|-c|x in / as '' net 2\n"
				 "  env " TEST_PATH "\n"
				 "4<3,1! [c 1/2] COPY --from=b / /\n"
				 "  copy 1:. /\n"
				 "5<4! [c 2/2] RUN y\n"
				 "  /bin/sh|-c|y in / as '' net 2\n"
				 "  env " TEST_PATH "\n");
	expect_config(&x, "{\"architecture\":\"arm64\",\"config\":{\"Env\":[\"" TEST_PATH
			  "\"],\"Labels\":{\"l\":\"v\"},\"WorkingDir\":\"/\"},\"os\":\"linux\"}");
	assert_string_equal(x.t.stage, "c");
	release(&x);
	lower_with(&x, "FROM missing AS a\nFROM scratch AS B\nFROM missing\n", NULL, NULL, &o);
	assert_int_equal(x.r, 0);
	assert_string_equal(x.t.stage, "B");
	assert_string_equal(wh_graph_at(x.g, x.t.state->index)->op.source->ref, "oci-layout:///l@" TEST_DIGEST);
	release(&x);
}

static void onbuild(void **state)
{
	WH_AUTO_JSON json_t *images = json_pack("{s:{s:{s:[s, s, s], s:[s]}, s:{s:[s]}}}", "docker-image://trig",
						"config", "OnBuild", "ENV t=1", "COPY --from=helper /h /h",
						"RUN <<E\necho\nE", "Env", TEST_PATH, "rootfs", "diff_ids", "x");
	struct lowered x;
	WH_AUTO_FREE char *got = NULL;

	(void)state;
	lower_with(&x, "FROM scratch AS helper\nCOPY a /h\nFROM trig\nRUN own\n", NULL, images, NULL);
	if (x.r < 0)
		fail_msg("%s", x.err->msg);
	got = dump(&x);
	assert_string_equal(strstr(got, "3<"), "3<0,2 [stage-1 2/5] ONBUILD COPY --from=helper /h /h\n"
					       "  copy 1:h /h\n"
					       "4<3 [stage-1 3/5] ONBUILD RUN <<E (echo)\n"
					       "  /bin/sh|-c|echo\n in / as '' net 0\n"
					       "  env " TEST_PATH "|t=1\n"
					       "5<4 [stage-1 4/5] RUN own\n"
					       "  /bin/sh|-c|own in / as '' net 0\n"
					       "  env " TEST_PATH "|t=1\n");
	assert_null(json_object_get(json_object_get(x.t.config, "config"), "OnBuild"));
	assert_int_equal(wh_graph_at(x.g, 4)->pos.line, 3);
	release(&x);
	/* An image that stands for a stage sets nothing off, and hands nothing on. */
	lower_with(&x, "FROM scratch AS s\n", NULL, images,
		   &(struct wh_lower_opts){.contexts = &(struct wh_named_context){"s", "docker-image://trig"}, .n_contexts = 1});
	assert_int_equal(x.r, 0);
	assert_null(json_object_get(json_object_get(x.t.config, "config"), "OnBuild"));
	release(&x);
}

/* ---- refusals ---- */

static void refusals(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *message, *hint;
	} cases[] = {
		{"FROM missing-one", 1, "missing-one: no such image", NULL},
		{"FROM Upper/Case", 1, "repository name must be lowercase", NULL},
		{"FROM Nobody/Needs AS it\nFROM scratch", 1, "repository name must be lowercase", NULL},
		{"FROM $none", 1, "base name ($none) should not be blank", "--build-arg"},
		{"ARG a=${b:?gone}\nFROM x", 1, "b: gone", NULL},
		{"FROM --platform=$none x", 1, "empty platform value from expression $none", NULL},
		{"FROM --platform=a/b/c/d x", 1, "a/b/c/d", NULL},
		{"FROM scratch AS build\nFROM scratch\nCOPY --from=missing a b", 3, "missing: no such image", NULL},
		{"FROM scratch AS missing\nFROM scratch\nCOPY --from=missings a b", 3, "missings: no such image",
		 "did you mean missing?"},
		{"FROM scratch\nCOPY --from=7 a b", 2, "invalid stage index 7", "counted from 0"},
		{"FROM scratch\nCOPY --from=$x a b", 2, "variable expansion is not supported for --from",
		 "FROM $x AS name"},
		{"FROM scratch AS a\nCOPY --from=a b c", 2, "circular dependency detected on stage: a", NULL},
		{"FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nFROM a", 2,
		 "needs to be defined before current stage \"a\"", NULL},
		{"FROM scratch AS a\nRUN --mount=from=b,target=/x y\nFROM scratch AS b\nFROM a", 2,
		 "cannot mount from stage \"b\"", NULL},
		{"FROM scratch\nCOPY --link --chown=joe a b", 2, "--chown=joe: with --link nobody can say which user",
		 "write numbers"},
		{"FROM scratch\nADD --link --chown=1:web a b", 2, "with --link nobody can say which group", NULL},
		{"FROM scratch\nCOPY http://x/y z", 2, "source can't be a URL for COPY", NULL},
		{"FROM scratch\nCOPY git@h:x y", 2, "source can't be a git ref for COPY", NULL},
		{"FROM scratch\nADD https://x/y.git?ref=a#b /", 2, "ref conflicts: \"b\" vs \"a\"", NULL},
		{"FROM scratch\nADD --checksum=x a /", 2, "checksum requires HTTP(S) or Git sources", NULL},
		{"FROM scratch\nADD --checksum=x https://x/y https://x/z /", 2,
		 "checksum can't be specified for multiple sources", NULL},
		{"FROM scratch\nADD --checksum=abc https://x/y /", 2, "invalid checksum digest format", "a commit for git"},
		{"FROM scratch\nADD --checksum=sha256:abc https://x/y /", 2, "invalid checksum digest length", NULL},
		{"FROM scratch\nADD --checksum=md5:abc https://x/y /", 2, "unsupported digest algorithm", NULL},
		{"FROM scratch\nADD --checksum=foobar https://x/y.git /", 2,
		 "invalid checksum foobar for Git URL, expected hex commit hash", NULL},
		{"FROM scratch\nADD --checksum=a https://x/y.git?commit=b /", 2, "checksum mismatch \"a\" != \"b\"", NULL},
		{"FROM scratch\nADD --keep-git-dir=false https://x/y.git?keep-git-dir /", 2,
		 "inconsistent keep-git-dir configuration", NULL},
		{"FROM scratch\nADD --checksum=sha256:0 a /", 2, "checksum requires HTTP(S) or Git sources", NULL},
		{"FROM scratch\nCOPY --chmod=999 a /", 2, "invalid chmod parameter: '999'", "0 to 7"},
		{"FROM scratch\nENV a=${b?none}", 2, "b: none", NULL},
		{"FROM scratch\nEXPOSE x", 2, "invalid containerPort: x", NULL},
		{"FROM scratch\nSTOPSIGNAL SIGTREM", 2, "invalid signal: SIGTREM", "did you mean SIGTERM?"},
		{"FROM scratch\nARG v\nVOLUME $v", 3, "VOLUME specified can not be an empty string", NULL},
		{"FROM img\nRUN --security=insecure x", 2, "security.insecure is not allowed", "--allow"},
		{"FROM img\nRUN --network=host x", 2, "network.host is not allowed", "--allow network.host"},
		{"FROM img\nRUN --device=x,required y", 2, "the device \"x\" is not to be had", "required"},
		{"FROM img\nRUN --device=a,name=b y", 2, "device name already set to a", NULL},
		{"FROM img\nRUN --mount=type=secret,id=x,sharing=shared y", 2, "secret mount should not define sharing", NULL},
		{"FROM img\nRUN --mount=target=/t,env y", 2, "invalid field 'env' must be a key=value pair", NULL},
		{"FROM img\nRUN --mount=type=bind,target=/ x", 2, "invalid mount target \"/\"", NULL},
		{"FROM img\nRUN --mount=type=tmp x", 2, "unsupported mount type \"tmp\"", "did you mean tmpfs?"},
		{"FROM img AS a\nONBUILD COPY x\nFROM a", 2, "COPY requires at least two arguments", NULL},
		{"ARG SOURCE_DATE_EPOCH=soon\nFROM img", 1, "invalid SOURCE_DATE_EPOCH: soon", "seconds"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct lowered x;

		lower_with(&x, cases[i].text, NULL, NULL, NULL);
		if (x.r >= 0 || !strstr(x.err->msg, cases[i].message) || x.err->line != cases[i].line ||
		    !x.err->excerpt || (cases[i].hint && (!x.err->hint || !strstr(x.err->hint, cases[i].hint))))
			fail_msg("%s: %d line %u: %s (%s)", cases[i].text, x.r, x.err ? x.err->line : 0,
				 x.err ? x.err->msg : "accepted", x.err && x.err->hint ? x.err->hint : "");
		release(&x);
	}
}

static void bad_target(void **state)
{
	struct lowered x;

	(void)state;
	lower_with(&x, "FROM scratch AS build\n", NULL, NULL, &(struct wh_lower_opts){.target = "bulid"});
	assert_true(x.r < 0);
	assert_string_equal(x.err->msg, "target stage \"bulid\" could not be found");
	assert_string_equal(x.err->hint, "did you mean build?");
	release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_and_names),
		cmocka_unit_test(unused_stages_are_left_out),
		cmocka_unit_test(users_and_directories),
		cmocka_unit_test(workdir_text),
		cmocka_unit_test(add_unpacks),
		cmocka_unit_test(linked_copies),
		cmocka_unit_test(heredocs),
		cmocka_unit_test(mounts),
		cmocka_unit_test(scopes), cmocka_unit_test(inherited),
		cmocka_unit_test(epoch),
		cmocka_unit_test(config),
		cmocka_unit_test(entrypoint_resets_the_bases_cmd),
		cmocka_unit_test(options),
		cmocka_unit_test(argument_limits),
		cmocka_unit_test(stages_kept),
		cmocka_unit_test(onbuild),
		cmocka_unit_test(refusals),
		cmocka_unit_test(bad_target),
	};

	return cmocka_run_group_tests_name("frontend_lower", tests, NULL, NULL);
}
