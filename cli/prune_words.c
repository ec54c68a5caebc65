/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IMAGE, --tests, --run …  ─▶  FROM IMAGE, [ENTRYPOINT, CMD, HEALTHCHECK, USER,] PROFILE --from=TESTS …, PRUNE …  ─▶  the way of a build
 *
 * Images and directories become named contexts under the very words that the user has for them, so that messages and progress
 * name what was typed. Each instruction carries the options that it is made of, a line each; where an error has its place
 * in one of these lines, it is told as that option's.
 */
#include "cli/prune_words.h"

#include <errno.h>

#define COMMAND_LINE "command line" /* never shown */
#define OTHERS 6                    /* instructions beside PROFILE */
#define OPTION_MAX 100              /* bytes of an option before a message */
#define TESTS "/tests"              /* where --tests-dir is seen */

/* ---------------------------------------------------------------- directories of tests */

/* DIR:/PATH: where it is seen; NULL: DIR alone. */
static const char *target_given(const char *text)
{
	const char *colon = NULL;

	for (const char *p = text; (p = strstr(p, ":/")); p++)
		colon = p;
	return colon ? colon + 1 : NULL;
}

static const char *target_of(const char *text)
{
	const char *given = target_given(text);

	return given ? given : TESTS;
}

static char *dir_of(const char *text)
{
	const char *given = target_given(text);

	return wh_strndup(text, given ? (size_t)(given - text) - 1 : strlen(text));
}

static int check_dir(const char *text, struct wh_err **err)
{
	const char *target = target_of(text);
	WH_AUTO_FREE char *dir = dir_of(text);
	struct stat st;
	int r = 0;

	if (stat(dir, &st) < 0)
		r = wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "--tests-dir %s", text);
	else if (!S_ISDIR(st.st_mode))
		r = wh_err_sys(err, "cli", WH_ERR_USAGE, ENOTDIR, "--tests-dir %s", text);
	else if (!target[strspn(target, "/")])
		r = wh_cli_misuse(err, "--tests-dir %s: it cannot lie over the root", text);
	if (r < 0)
		wh_err_hint(err, "a directory of this machine, and where the tests see it: DIR:/PATH (default " TESTS ")");
	return r;
}

/* ---------------------------------------------------------------- contexts */

static void add_context(struct wh_build_spec *s, const char *name, char *ref, char *path)
{
	s->contexts = wh_realloc(s->contexts, (s->n_contexts + 1) * sizeof(*s->contexts));
	s->contexts[s->n_contexts++] = (struct wh_named_ctx){.name = wh_strdup(name), .ref = ref, .path = path};
}

static int add_image(struct wh_build_spec *s, const char *option, const char *word, struct wh_store *store,
		     struct wh_err **err)
{
	char *ref = NULL;
	int r;

	for (size_t i = 0; i < s->n_contexts; i++)
		if (wh_streq(s->contexts[i].name, word))
			return 0;
	r = wh_cli_image_source(word, store, &ref, err);
	if (r < 0) {
		if (*option)
			wh_err_wrap(err, "%s", option);
		return r;
	}
	add_context(s, word, ref, NULL);
	return 0;
}

/* ---------------------------------------------------------------- instructions */

/* One of them while it is put together. */
struct part {
	struct wh_strv flags, args, said;
	bool json;
};

static void part_release(struct part *p)
{
	wh_strv_release(&p->flags);
	wh_strv_release(&p->args);
	wh_strv_release(&p->said);
}

static void add_flag(struct part *p, const char *name, const char *value)
{
	if (!value)
		return;
	wh_strv_addf(&p->flags, "--%s=%s", name, value);
	wh_strv_addf(&p->said, "--%s=%s", name, value);
}

static void add_flags(struct part *p, const char *name, const struct wh_strv *values)
{
	for (size_t i = 0; i < values->n; i++)
		add_flag(p, name, values->v[i]);
}

/* A field of a record of comma-separated values. */
static void add_field(struct wh_buf *out, const char *key, const char *value)
{
	const char *quote = strpbrk(value, ",\"\n") ? "\"" : "";

	wh_buf_addf(out, ",%s%s=", quote, key);
	for (; *value; value++) {
		if (*value == '"')
			wh_buf_addc(out, '"');
		wh_buf_addc(out, *value);
	}
	wh_buf_adds(out, quote);
}

static void add_dirs(struct part *p, const struct wh_prune_flags *f, const struct wh_strv *names)
{
	for (size_t i = 0; i < f->tests_dirs.n; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		wh_buf_adds(&text, "--mount=type=bind");
		add_field(&text, "from", names->v[i]);
		add_field(&text, "target", target_of(f->tests_dirs.v[i]));
		wh_strv_add(&p->flags, text.p);
		wh_strv_addf(&p->said, "--tests-dir %s", f->tests_dirs.v[i]);
	}
}

/* Everything of a PROFILE but its command. */
static void add_profile_flags(struct part *p, const struct wh_prune_flags *f, const struct wh_strv *dirs)
{
	WH_AUTO_FREE char *runs = f->runs ? wh_asprintf("%u", f->runs) : NULL;

	if (f->tests) {
		wh_strv_addf(&p->flags, "--from=%s", f->tests);
		wh_strv_addf(&p->said, "--tests %s", f->tests);
	}
	add_flags(p, "ready", &f->ready);
	add_flag(p, "start", f->start);
	add_flags(p, "share", &f->share);
	add_flag(p, "network", f->network);
	add_dirs(p, f, dirs);
	add_flags(p, "mount", &f->mount);
	add_flags(p, "env", &f->env);
	add_flag(p, "timeout", f->timeout);
	add_flag(p, "runs", runs);
}

/* A JSON array of strings is a command in exec form, as in a Dockerfile. False: it is none. */
static bool json_command(const char *text, struct wh_strv *ret)
{
	WH_AUTO_JSON json_t *words = json_loads(text, 0, NULL);
	bool strings = json_is_array(words);

	for (size_t i = 0; i < json_array_size(words); i++)
		strings = strings && json_is_string(json_array_get(words, i));
	for (size_t i = 0; strings && i < json_array_size(words); i++)
		wh_strv_add(ret, json_string_value(json_array_get(words, i)));
	return strings;
}

static void add_command(struct part *p, const char *text)
{
	p->json = json_command(text, &p->args) && p->args.n;
	if (!p->json)
		wh_strv_add(&p->args, text);
	wh_strv_addf(&p->said, "--run %s", text);
}

/* What the result starts: never by a shell, so a text is a program. */
static void add_start(struct part *p, const char *option, const char *text)
{
	p->json = true;
	if (!json_command(text, &p->args))
		wh_strv_add(&p->args, text);
	wh_strv_addf(&p->said, "--%s %s", option, text);
}

/* command NULL: none. */
static void add_health(struct part *p, const char *command)
{
	wh_strv_add(&p->args, command ? "CMD" : "NONE");
	if (command)
		add_start(p, "health-cmd", command);
	else
		wh_strv_add(&p->said, "--no-healthcheck");
}

static int check_start(const char *option, const char *text, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv args = {0};

	if (!text || json_command(text, &args))
		return 0;
	if (*text && *text != '[' && !strpbrk(text, " \t\n"))
		return 0;
	wh_cli_misuse(err, "--%s: \"%s\" is neither a program nor a command as JSON array", option, text);
	wh_err_hint(err, "write --%s '[\"program\",\"argument\"]'", option);
	return -EINVAL;
}

int wh_prune_words_check(const struct wh_prune_flags *f, struct wh_err **err)
{
	int r = check_start("entrypoint", f->entrypoint, err);

	if (r == 0)
		r = check_start("cmd", f->cmd, err);
	if (r == 0)
		r = check_start("health-cmd", f->health, err);
	for (size_t i = 0; i < f->run.n && r == 0; i++)
		if (!f->run.v[i][strspn(f->run.v[i], " \t\n")])
			r = wh_cli_misuse(err, "--run is empty");
	if (r == 0 && !f->run.n && !f->command.n) {
		r = wh_cli_misuse(err, "no test: what the application needs is what it uses while a test runs");
		wh_err_hint(err, "--run COMMAND, run where --tests IMAGE says; for a first look --ready=http:PORT/ --run true");
	}
	for (size_t i = 0; i < f->tests_dirs.n && r == 0; i++)
		r = check_dir(f->tests_dirs.v[i], err);
	return r;
}

static void add_words(struct part *p, const struct wh_strv *command)
{
	WH_AUTO_BUF struct wh_buf said = WH_BUF_INIT;

	p->json = true;
	wh_strv_copy(&p->args, command);
	wh_buf_adds(&said, "--");
	for (size_t i = 0; i < command->n; i++)
		wh_buf_addf(&said, " %s", command->v[i]);
	wh_strv_add(&p->said, said.p);
}

static void add_prune_flags(struct part *p, const struct wh_prune_flags *f)
{
	wh_strv_addf(&p->said, "prune %s", f->image);
	add_flags(p, "keep", &f->keep);
	add_flags(p, "drop", &f->drop);
	add_flag(p, "mode", f->mode);
	add_flag(p, "shell", f->shell);
	add_flags(p, "setuid", &f->setuid);
	add_flag(p, "repair", f->repair);
	add_flag(p, "max-risk", f->max_risk);
	add_flag(p, "runtime", f->runtime);
}

static struct wh_dockerfile *instructions(const struct wh_prune_flags *f, const struct wh_strv *dirs)
{
	size_t n_profiles = f->run.n + (f->command.n > 0), n = 0;
	struct part *v = wh_calloc(n_profiles + OTHERS, sizeof(*v));
	struct wh_composed *c = wh_calloc(n_profiles + OTHERS, sizeof(*c));
	struct wh_dockerfile *d;

	c[n].instr = WH_I_FROM;
	wh_strv_add(&v[n].args, f->image);
	wh_strv_add(&v[n++].said, f->image);
	if (f->entrypoint) {
		c[n].instr = WH_I_ENTRYPOINT;
		add_start(&v[n++], "entrypoint", f->entrypoint);
	}
	if (f->cmd) {
		c[n].instr = WH_I_CMD;
		add_start(&v[n++], "cmd", f->cmd);
	}
	if (f->health || f->no_health) {
		c[n].instr = WH_I_HEALTHCHECK;
		add_health(&v[n++], f->health);
	}
	if (f->user) {
		c[n].instr = WH_I_USER;
		wh_strv_add(&v[n].args, f->user);
		wh_strv_addf(&v[n++].said, "--user %s", f->user);
	}
	for (size_t i = 0; i < n_profiles; i++) {
		c[n].instr = WH_I_PROFILE;
		if (i < f->run.n)
			add_command(&v[n], f->run.v[i]);
		else
			add_words(&v[n], &f->command);
		add_profile_flags(&v[n++], f, dirs);
	}
	c[n].instr = WH_I_PRUNE;
	add_prune_flags(&v[n++], f);
	for (size_t i = 0; i < n; i++) {
		c[i].flags = &v[i].flags;
		c[i].args = &v[i].args;
		c[i].json = v[i].json;
		c[i].said = &v[i].said;
	}
	d = wh_dockerfile_compose(COMMAND_LINE, c, n);
	for (size_t i = 0; i < n; i++)
		part_release(&v[i]);
	free(v);
	free(c);
	return d;
}

int wh_prune_words_compose(void *arg, struct wh_build_spec *spec, struct wh_store *store, struct wh_dockerfile **ret,
			   struct wh_err **err)
{
	const struct wh_prune_flags *f = arg;
	WH_AUTO_STRV struct wh_strv dirs = {0};
	int r = add_image(spec, "", f->image, store, err);

	if (r == 0 && f->tests)
		r = add_image(spec, "--tests", f->tests, store, err);
	for (size_t i = 0; r == 0 && i < f->tests_dirs.n; i++) {
		WH_AUTO_FREE char *dir = dir_of(f->tests_dirs.v[i]);

		wh_strv_addf(&dirs, "directory of tests %zu", i + 1); /* the name of no image */
		add_context(spec, dirs.v[i], wh_asprintf("local://%s", dirs.v[i]), wh_cli_absolute(dir));
	}
	if (r == 0)
		*ret = instructions(f, &dirs);
	return r;
}

/* ---------------------------------------------------------------- errors */

/* Words of the build file, and what they are here. */
static const struct {
	const char *from, *to;
} words[] = {
	{"PRUNE --", "--"},
	{"PROFILE --", "--"},
	{"the stage has neither ENTRYPOINT nor CMD", "the image has neither ENTRYPOINT nor CMD"},
	{"give it one above this line, or name a command here: --start=", "name a command: --start="},
	{"write --start=", "--start="},
	{"PRUNE removes shells", "shells are removed"},
	{"and CMD [] in its place", "in its place"},
	{"what a PROFILE starts instead (--start)", "what --start starts"},
	{"let ENTRYPOINT start", "let --entrypoint start"},
	{"let CMD start", "let --cmd start"},
	{"PROFILE", "test"},
	{"PRUNE", "prune"},
};

/* A word by itself: what stands in a path or in quotes is somebody else's. */
static char *find_word(char *text, const char *word)
{
	for (char *at = text; (at = strstr(at, word)); at++)
		if (at == text || at[-1] == ' ' || at[-1] == '(')
			return at;
	return NULL;
}

static void replace(char **text)
{
	for (size_t i = 0; *text && i < WH_ARRAY_SIZE(words); i++) {
		char *at;

		while ((at = find_word(*text, words[i].from))) {
			char *now = wh_asprintf("%.*s%s%s", (int)(at - *text), *text, words[i].to, at + strlen(words[i].from));

			free(*text);
			*text = now;
		}
	}
}

/* 'ENTRYPOINT ["x"]' becomes '--entrypoint '["x"]'', which can be pasted. */
static void replace_commands(char **text)
{
	static const struct {
		const char *from, *to;
	} known[] = {{"HEALTHCHECK CMD [", "--health-cmd '["}, {"ENTRYPOINT [", "--entrypoint '["}, {"CMD [", "--cmd '["}};

	for (size_t i = 0; *text && i < WH_ARRAY_SIZE(known); i++) {
		const char *at = strstr(*text, known[i].from), *rest = at ? at + strlen(known[i].from) : NULL, *end = rest;
		char *now;

		while (end && *end && (*end != ']' || (end[-1] != '"' && !wh_has_prefix(end - 3, "…"))))
			end++;
		if (!end || !*end)
			continue;
		now = wh_asprintf("%.*s%s%.*s]'%s", (int)(at - *text), *text, known[i].to, (int)(end - rest), rest, end + 1);
		free(*text);
		*text = now;
	}
}

/* The line of the excerpt in which the mistake is; malloc'ed. */
static char *line_of(const struct wh_err *err)
{
	const char *p = err->excerpt ? err->excerpt : "";

	for (unsigned row = 0; err->column && row < err->row && strchr(p, '\n'); row++)
		p = strchr(p, '\n') + 1;
	return wh_strndup(p, strcspn(p, "\n"));
}

/* Does the message name the option already? */
static bool names(const char *msg, const char *option)
{
	size_t n = strcspn(option, "= ");

	return strncmp(msg, option, n) == 0 && !(msg[n] >= 'a' && msg[n] <= 'z');
}

static void tell_one(const struct wh_prune_flags *f, struct wh_err *err)
{
	WH_AUTO_FREE char *line = wh_streq(err->file, COMMAND_LINE) ? line_of(err) : NULL;

	replace(&err->msg);
	replace_commands(&err->msg);
	replace_commands(&err->hint);
	replace(&err->hint);
	replace(&err->expected);
	/* Of a build file: FROM, --build-context */
	if (err->hint && strstr(err->hint, "--build-context")) {
		free(err->hint);
		err->hint = wh_strdup("an image is named as in the store, by its id, as oci:DIR[:TAG], docker-archive:FILE, or is pulled");
	}
	if (!line)
		return;
	if (wh_has_prefix(line, "--") ? !names(err->msg, line)
				      : wh_streq(line, f->image) && !strstr(err->msg, f->image)) {
		bool whole = strlen(line) <= OPTION_MAX;
		char *now = wh_asprintf("%.*s%s: %s", (int)(whole ? strlen(line) : OPTION_MAX - 20), line, whole ? "" : " …",
					err->msg);

		free(err->msg);
		err->msg = now;
	}
	free(err->file);
	free(err->excerpt);
	err->file = err->excerpt = NULL;
	err->line = err->row = err->column = err->length = 0;
}

void wh_prune_words_tell(void *arg, struct wh_err *err)
{
	for (; err; err = err->next)
		tell_one(arg, err);
}
