/* SPDX-License-Identifier: Apache-2.0 */
/* whittle debug WORD …: what the frontend makes of its input, and tables that are data. Nothing is built: no store, network or namespace. */
#include "cli/cli.h"
#include "frontend/frontend.h"
#include "layers/layers.h"

#include <errno.h>

#define MAX_TEXT ((size_t)16 << 20)

static const char *const text_or_json[] = {"text", "json", NULL};
static const char *const graph_formats[] = {"text", "dot", "json", NULL};

static bool is_json(const char *format)
{
	return format && wh_streq(format, "json");
}

/* ---------------------------------------------------------------- input */

/* A file, or standard input for "-". */
static int read_text(const char *path, struct wh_buf *text, struct wh_err **err)
{
	int r = wh_streq(path, "-") ? wh_read_fd(STDIN_FILENO, MAX_TEXT, text)
				    : wh_read_file(AT_FDCWD, path, MAX_TEXT, text);

	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read %s", path) : 0;
}

static int read_dockerfile(const char *path, struct wh_dockerfile **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r = read_text(path, &text, err);

	if (r < 0)
		return r;
	r = wh_dockerfile_parse(wh_streq(path, "-") ? "standard input" : path, text.p ? text.p : "", text.n, ret, err);
	if (r < 0 && err && *err)
		(*err)->class = WH_ERR_BUILD; /* the words of the command were right */
	return r;
}

/* Calls fn with each line of standard input, without its end, and prints what it makes at once, so that a program can
 * ask and read in turns. */
static int each_line(int (*fn)(void *arg, const char *line, struct wh_buf *out, struct wh_err **err), void *arg,
		     struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_FREE char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = getline(&line, &cap, stdin)) >= 0) {
		number++;
		if (n && line[n - 1] == '\n')
			line[--n] = 0;
		if (memchr(line, 0, (size_t)n))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "line %zu holds a zero byte", number);
		wh_buf_reset(&out);
		r = fn(arg, line, &out, err);
		if (r == 0 && out.n)
			r = wh_cli_say(&out);
	}
	if (r == 0 && ferror(stdin))
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "read standard input");
	return r;
}

/* -e K=V, or K, whose value is the environment's. */
static void take_env(const struct wh_strv *words, struct wh_strv *env)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '='), *value = eq ? eq + 1 : getenv(words->v[i]);
		WH_AUTO_FREE char *key = wh_strndup(words->v[i], eq ? (size_t)(eq - words->v[i]) : strlen(words->v[i]));

		if (value)
			wh_env_set(env, key, value);
	}
}

/* JSON knows UTF-8 only: other bytes are shown, not kept. */
static json_t *json_text(const char *s)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	json_t *j = json_string(s);

	if (j)
		return j;
	wh_text_add_safe(&out, s, strlen(s));
	return json_string(out.p ? out.p : "");
}

static json_t *json_list(const struct wh_strv *list)
{
	json_t *a = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(a, json_text(list->v[i]));
	return a;
}

static void add_json(struct wh_buf *out, const json_t *j)
{
	char *text = json_dumps(j, JSON_ENCODE_ANY);

	wh_buf_addf(out, "%s\n", text);
	free(text);
}

/* ---------------------------------------------------------------- ast */

struct ast_flags {
	bool lines;
};

static json_t *span(unsigned first, unsigned last)
{
	return json_pack("[i, i]", (int)first, (int)last);
}

static int ast(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct ast_flags *f = flags;
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	json_t *children;
	int r = read_dockerfile(args->v[0], &d, err);

	if (r < 0)
		return r;
	if (!f->lines) {
		wh_ast_print(d, out);
		return 0;
	}
	children = json_array();
	for (size_t i = 0; i < d->n_nodes; i++)
		json_array_append_new(children, span(d->nodes[i].line, d->nodes[i].last_line));
	doc = json_pack("{s:o, s:o}", "root", span(d->nodes[0].line, d->nodes[d->n_nodes - 1].last_line), "children",
			children);
	add_json(out, doc);
	return 0;
}

static int run_ast(const struct wh_command *c, int argc, char **argv)
{
	struct ast_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, ast);
}

static const struct wh_option ast_options[] = {
	{"lines", 0, WH_OPT_FLAG, offsetof(struct ast_flags, lines), NULL,
	 "Instead of the tree: {\"root\": [FIRST, LAST], \"children\": [[FIRST, LAST], …]},\n"
	 "the lines of the file and of each instruction",
	 NULL},
	{0},
};

static const struct wh_command cmd_ast = {
	.name = "debug ast",
	.args = "FILE",
	.summary = "Print the syntax tree of a Dockerfile",
	.about =
		"A line an instruction: (word [\"--flag\" …] \"argument\" …). ENV and LABEL give name, value and\n"
		"\"=\", or \"\" where none was written; ONBUILD holds its instruction. Only what cannot be parsed is\n"
		"refused (exit code 1): whether an instruction makes sense is for \"whittle check\" to say. FILE - is\n"
		"standard input.",
	.examples = "  whittle debug ast Dockerfile\n"
		    "  echo 'ENV a=1 b=2' | whittle debug ast -",
	.options = ast_options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one Dockerfile",
	.run = run_ast,
};

/* ---------------------------------------------------------------- expand, words */

struct expand_flags {
	struct wh_strv env;
	const char *escape, *format;
};

struct expand {
	char escape;
	bool json;
	struct wh_strv env, matched, unmatched;
};

static void expand_release(struct expand *e)
{
	wh_strv_release(&e->env);
	wh_strv_release(&e->matched);
	wh_strv_release(&e->unmatched);
}

static const char *lookup(void *arg, const char *name)
{
	struct expand *e = arg;
	const char *value = wh_env_get(&e->env, name);
	struct wh_strv *list = value ? &e->matched : &e->unmatched;

	if (!wh_strv_has(list, name))
		wh_strv_add(list, name);
	return value;
}

static int expand_line(void *arg, const char *line, struct wh_buf *out, struct wh_err **err)
{
	struct expand *e = arg;
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_FREE char *got = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	int r;

	(void)err;
	wh_strv_release(&e->matched);
	wh_strv_release(&e->unmatched);
	r = wh_expand_word(line, e->escape, lookup, e, &got, &why);
	if (!e->json) {
		wh_buf_addf(out, "%s\n", r < 0 ? "error" : got);
		return 0;
	}
	wh_strv_sort(&e->matched);
	wh_strv_sort(&e->unmatched);
	doc = json_pack("{s:o, s:o, s:o}", "result", r < 0 ? json_null() : json_text(got), "matched",
			json_list(&e->matched), "unmatched", json_list(&e->unmatched));
	if (r < 0)
		json_object_set_new(doc, "error", json_text(why ? why->msg : ""));
	add_json(out, doc);
	return 0;
}

static int words_line(void *arg, const char *line, struct wh_buf *out, struct wh_err **err)
{
	struct expand *e = arg;
	WH_AUTO_STRV struct wh_strv words = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	int r;

	(void)err;
	if (wh_has_prefix(line, "ENV ")) {
		for (line += strlen("ENV "); *line == ' '; line++)
			;
		wh_strv_release(&e->matched);
		wh_strv_add(&e->matched, line);
		take_env(&e->matched, &e->env);
		return 0;
	}
	r = wh_expand_words(line, e->escape, lookup, e, &words, NULL);
	if (e->json) {
		doc = r < 0 ? json_null() : json_list(&words);
		add_json(out, doc);
		return 0;
	}
	for (size_t i = 0; i < words.n && r == 0; i++)
		wh_buf_addf(out, "%s%s", i ? "," : "", words.v[i]);
	wh_buf_adds(out, r < 0 ? "error\n" : "\n");
	return 0;
}

static int each_word(const struct expand_flags *f,
		     int (*fn)(void *arg, const char *line, struct wh_buf *out, struct wh_err **err),
		     struct wh_err **err)
{
	WH_CLEANUP(expand_release)
	struct expand e = {.escape = f->escape ? f->escape[0] : '\\', .json = is_json(f->format)};

	take_env(&f->env, &e.env);
	return each_line(fn, &e, err);
}

static int expand(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	(void)args;
	(void)out;
	return each_word(flags, expand_line, err);
}

static int words(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	(void)args;
	(void)out;
	return each_word(flags, words_line, err);
}

static int run_expand(const struct wh_command *c, int argc, char **argv)
{
	struct expand_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, expand);
}

static int run_words(const struct wh_command *c, int argc, char **argv)
{
	struct expand_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, words);
}

static const char *const escapes[] = {"\\", "`", NULL};

static const struct wh_option expand_options[] = {
	{"env", 'e', WH_OPT_LIST, offsetof(struct expand_flags, env), "K=V",
	 "Set a variable; without =V it is taken from the environment", NULL},
	{"escape", 0, WH_OPT_TEXT, offsetof(struct expand_flags, escape), "C",
	 "The escape character: \\ (default) or `", escapes},
	{"format", 0, WH_OPT_TEXT, offsetof(struct expand_flags, format), "FORM", "text (default) or json",
	 text_or_json},
	{0},
};

static const struct wh_command cmd_expand = {
	.name = "debug expand",
	.summary = "Expand the variables in words, one a line",
	.about =
		"Reads standard input; a line is one word as it is, blanks too, but for its line end. Prints what it becomes, or\n"
		"error. Nothing is set but what -e says. Line ends in values are printed as they are: --format json prints an\n"
		"object a line: result (null: error, and error says why), and the names that were looked up, matched (set)\n"
		"and unmatched. Every answer is written at once.",
	.examples = "  echo '${v:-x} ${w#*/}' | whittle debug expand -e w=a/b",
	.options = expand_options,
	.run = run_expand,
};

static const struct wh_command cmd_words = {
	.name = "debug words",
	.summary = "Expand and split words, one text a line",
	.about =
		"Reads standard input; prints the words that each line becomes, with commas between them, or error. A line\n"
		"ENV K=V sets a variable for those behind it, and is not answered. --format json prints an array of strings\n"
		"(null: error) a line.",
	.examples = "  printf 'ENV v=b  c\\na$v \"$v\"\\n' | whittle debug words",
	.options = expand_options,
	.run = run_words,
};

/* ---------------------------------------------------------------- ignore */

struct ignore_flags {
	bool why;
};

struct ignore {
	const char *file;
	bool why;
	struct wh_strv lines;
	unsigned *numbers;
	struct wh_patterns *patterns;
};

static void ignore_release(struct ignore *g)
{
	wh_strv_release(&g->lines);
	free(g->numbers);
	wh_patterns_freep(&g->patterns);
}

static int ignore_line(void *arg, const char *line, struct wh_buf *out, struct wh_err **err)
{
	struct ignore *g = arg;
	WH_AUTO_FREE char *clean = wh_path_clean(line);
	const char *path = clean;
	unsigned by;

	(void)err;
	if (path[0] == '/' && path[1])
		path++;
	wh_buf_adds(out, wh_patterns_excluded(g->patterns, path) ? "excluded" : "included");
	by = g->why ? wh_patterns_decider(g->patterns, path) : 0;
	if (by) {
		wh_buf_adds(out, " by ");
		wh_text_add_safe(out, g->file, strlen(g->file));
		wh_buf_addf(out, ":%u: ", g->numbers[by - 1]);
		wh_text_add_safe(out, g->lines.v[by - 1], strlen(g->lines.v[by - 1]));
	}
	wh_buf_addc(out, '\n');
	return 0;
}

static int ignore(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct ignore_flags *f = flags;
	WH_CLEANUP(ignore_release) struct ignore g = {.file = args->v[0], .why = f->why};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r;

	(void)out;
	if (wh_streq(g.file, "-"))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
				  "standard input is where the paths come from: the patterns need a file");
	r = read_text(g.file, &text, err);
	if (r < 0)
		return r;
	wh_ignore_read_numbered(text.p ? text.p : "", text.n, &g.lines, &g.numbers);
	r = wh_patterns_new(&g.lines, &g.patterns, err);
	if (r < 0) {
		unsigned bad = wh_patterns_bad(&g.lines);

		wh_err_at(err, g.file, bad ? g.numbers[bad - 1] : 0, 0, NULL);
		return r;
	}
	return each_line(ignore_line, &g, err);
}

static int run_ignore(const struct wh_command *c, int argc, char **argv)
{
	struct ignore_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, ignore);
}

static const struct wh_option ignore_options[] = {
	{"why", 0, WH_OPT_FLAG, offsetof(struct ignore_flags, why), NULL,
	 "Say which line of the file decided: excluded by FILE:LINE: PATTERN", NULL},
	{0},
};

static const struct wh_command cmd_ignore = {
	.name = "debug ignore",
	.args = "FILE",
	.summary = "Say which paths a .dockerignore file keeps out of a context",
	.about =
		"Reads paths, one a line, from standard input, and prints excluded or included for each. A path may begin with /\n"
		"or ./ and end in / (a directory); it need not exist.",
	.examples = "  git ls-files | whittle debug ignore --why .dockerignore",
	.options = ignore_options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one file of patterns",
	.run = run_ignore,
};

/* ---------------------------------------------------------------- graph */

struct graph_flags {
	const char *target, *platform, *format;
	struct wh_strv build_args, contexts;
};

static int nothing_there(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
			 struct wh_err **err)
{
	(void)arg;
	(void)platform;
	(void)ret_pinned;
	(void)ret_config;
	return wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT, "%s is not looked up", ref);
}

/* NAME=DIR, or NAME=SCHEME://…, as --build-context has it. Directories need not be there. */
static int take_contexts(const struct wh_strv *words, struct wh_named_context *list, struct wh_strv *keep,
			 struct wh_err **err)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *eq = strchr(words->v[i], '=');

		if (!eq || eq == words->v[i] || !eq[1])
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
					  "--build-context is NAME=SOURCE, not \"%s\"", words->v[i]);
		wh_strv_take(keep, wh_strndup(words->v[i], (size_t)(eq - words->v[i])));
		list[i].name = keep->v[keep->n - 1];
		if (strstr(eq, "://") || wh_has_prefix(eq, "=git@"))
			wh_strv_add(keep, eq + 1);
		else
			wh_strv_addf(keep, "local://%s", list[i].name);
		list[i].ref = keep->v[keep->n - 1];
	}
	return 0;
}

static void take_build_args(const struct wh_strv *words, struct wh_strv *ret)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *value = strchr(words->v[i], '=') ? NULL : getenv(words->v[i]);

		if (strchr(words->v[i], '='))
			wh_strv_add(ret, words->v[i]);
		else if (value)
			wh_strv_addf(ret, "%s=%s", words->v[i], value);
	}
}

static int lower(const struct wh_dockerfile *d, const struct graph_flags *f, struct wh_lower_opts *o,
		 struct wh_graph *g, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv platforms = {0};
	WH_AUTO_FREE struct wh_target *targets = NULL;
	size_t n = 0;
	int r = f->platform ? wh_platforms_parse(f->platform, &platforms, err) : 0;

	if (r == 0 && !platforms.n)
		wh_strv_add(&platforms, o->build_platform);
	targets = wh_calloc(platforms.n + 1, sizeof(*targets));
	for (; n < platforms.n && r == 0; n++) {
		o->platform = platforms.v[n];
		r = wh_dockerfile_lower(d, o, g, &targets[n], err);
	}
	if (r == 0)
		wh_graph_print(g, targets, n,
			       is_json(f->format)                        ? WH_GRAPH_JSON
			       : f->format && wh_streq(f->format, "dot") ? WH_GRAPH_DOT
									 : WH_GRAPH_TEXT,
			       out);
	for (size_t i = 0; i < n; i++)
		wh_target_release(&targets[i]);
	return r;
}

static int graph(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct graph_flags *f = flags;
	const struct wh_image_resolver resolver = {NULL, nothing_there};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_FREE struct wh_named_context *contexts = wh_calloc(f->contexts.n + 1, sizeof(*contexts));
	WH_AUTO_STRV struct wh_strv keep = {0}, build_args = {0};
	WH_AUTO_FREE char *machine = NULL;
	struct wh_platform host;
	struct wh_lower_opts o = {.build_args = &build_args,
				  .target = f->target,
				  .contexts = contexts,
				  .n_contexts = f->contexts.n,
				  .resolver = &resolver,
				  .allow_insecure = true,
				  .allow_host_network = true,
				  .all_stages = !f->target,
				  .unresolved_ok = true};
	struct wh_graph *g;
	int r = take_contexts(&f->contexts, contexts, &keep, err);

	if (r == 0)
		r = read_dockerfile(args->v[0], &d, err);
	if (r < 0)
		return r;
	take_build_args(&f->build_args, &build_args);
	wh_platform_host(&host);
	machine = wh_platform_text(&host);
	o.build_platform = machine;
	g = wh_graph_new();
	r = lower(d, f, &o, g, out, err);
	wh_graph_free(g);
	return r;
}

static int run_graph(const struct wh_command *c, int argc, char **argv)
{
	struct graph_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, graph);
}

static const struct wh_option graph_options[] = {
	{"build-arg", 0, WH_OPT_LIST, offsetof(struct graph_flags, build_args), "K=V", "Set an ARG (as for build)",
	 NULL},
	{"build-context", 0, WH_OPT_LIST, offsetof(struct graph_flags, contexts), "NAME=SOURCE",
	 "A further context (as for build); a directory need not be there", NULL},
	{"format", 0, WH_OPT_TEXT, offsetof(struct graph_flags, format), "FORM", "text (default), dot or json",
	 graph_formats},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct graph_flags, platform), "OS/ARCH[,…]",
	 "The platforms to build for (default: this machine's)", NULL},
	{"target", 0, WH_OPT_TEXT, offsetof(struct graph_flags, target), "STAGE",
	 "Only what this stage needs (default: all stages)", NULL},
	{0},
};

static const struct wh_command cmd_graph = {
	.name = "debug graph",
	.args = "FILE",
	.summary = "Print the graph of operations that a Dockerfile becomes",
	.about =
		"One block an operation: its number, kind and name, where it comes from, its inputs, what it does. dot is for\n"
		"Graphviz. Images are not looked up: they count as images that say nothing but PATH, and bring no ONBUILD.\n"
		"FILE - is standard input.",
	.examples = "  whittle debug graph Dockerfile\n"
		    "  whittle debug graph --format dot Dockerfile | dot -Tsvg > graph.svg",
	.options = graph_options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one Dockerfile",
	.run = run_graph,
};

/* ---------------------------------------------------------------- rules */

/* In the form of DOCKERFILE.md, which a test compares. */
static int rules(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	size_t n;
	const struct wh_normal_rule *r = wh_normal_rules(&n);

	(void)flags;
	(void)args;
	(void)err;
	wh_buf_adds(out, "| path | action | why |\n|---|---|---|\n");
	for (; n--; r++)
		wh_buf_addf(out, "| `/%s` | %s | %s |\n", r->pattern, wh_normal_name(r->action), r->reason);
	return 0;
}

static int run_rules(const struct wh_command *c, int argc, char **argv)
{
	return wh_command_main(c, argc, argv, NULL, rules);
}

static const struct wh_command cmd_rules = {
	.name = "debug rules",
	.summary = "Show what build --reproducible does to files that steps write",
	.about = "A row a rule: the path's pattern, the action, the reason.\n"
		 "  below   as the layers below have it; gone where they do not\n"
		 "  empty   without content\n"
		 "  jks     the times in a Java keystore are clamped like those of files\n"
		 "  pyc     the source's time in Python's bytecode becomes the one that it has in the layer",
	.examples = "  whittle debug rules",
	.run = run_rules,
};

/* ---------------------------------------------------------------- debug */

static const struct wh_command *const subs[] = {&cmd_ast, &cmd_expand, &cmd_words, &cmd_ignore, &cmd_graph, &cmd_rules, &wh_cmd_debug_shell};

static const char *word_of(const struct wh_command *c)
{
	return c->name + strlen("debug ");
}

static int debug(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const char *names[WH_ARRAY_SIZE(subs)], *near;

	(void)flags;
	(void)out;
	for (size_t i = 0; i < WH_ARRAY_SIZE(subs); i++)
		names[i] = word_of(subs[i]);
	near = wh_nearest(args->v[0], names, WH_ARRAY_SIZE(subs));
	if (near)
		return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "debug has no \"%s\"; did you mean \"%s\"?", args->v[0],
				  near);
	return wh_err_set(err, "cli", WH_ERR_USAGE, 0, "debug has no \"%s\"; see whittle debug --help", args->v[0]);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(subs) && argc > 1; i++)
		if (wh_streq(argv[1], word_of(subs[i])))
			return subs[i]->run(subs[i], argc - 1, argv + 1);
	return wh_command_main(c, argc, argv, NULL, debug);
}

const struct wh_command wh_cmd_debug = {
	.name = "debug",
	.args = "shell|ast|expand|words|ignore|graph|rules …",
	.summary = "Look into an image without a shell, or at what is made of a Dockerfile",
	.about = "  shell IMAGE   run an image with what PRUNE took away, and a shell, laid under it\n"
		 "  ast FILE      the syntax tree of a Dockerfile\n"
		 "  expand        words, one a line of standard input, with their variables expanded\n"
		 "  words         the same, split\n"
		 "  ignore FILE   which paths, one a line of standard input, a .dockerignore file excludes\n"
		 "  graph FILE    the graph of operations, as text, dot or JSON\n"
		 "  rules         what build --reproducible does to files that steps write\n\n"
		 "But for shell, nothing is built, fetched or run. \"whittle debug WORD --help\" says more about each.",
	.examples = "  whittle debug shell shop:1.4\n"
		    "  whittle debug graph --target build Dockerfile",
	.min_args = 1,
	.max_args = 64,
	.args_wanted = "shell, ast, expand, words, ignore, graph or rules",
	.run = run,
};
