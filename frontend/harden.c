/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROFILE and PRUNE → vertices.
 *
 *   state ── PROFILE ── PROFILE ── PRUNE ──▶ the stage's tree
 *              └ driver  └ driver    └ all PROFILEs once more
 *
 * A PROFILE hands its first input on unchanged, so the stage's tree depends on every test having passed. What a profile proves
 * holds for the config that it ran under: after a stage's first PROFILE nothing may change tree or config but for labels.
 */
#include "frontend/check.h"
#include "frontend/lower.h"

#include <errno.h>
#include <regex.h>

#define MAX_RUNS 100
#define MAX_REPAIR 100
#define SECOND 1000000000

/* ---------------------------------------------------------------- flags */

static int duration(const char *flag, const char *text, uint64_t *ret, struct wh_err **err)
{
	int64_t ns = 0;
	int r = wh_duration_parse(text, &ns, err);

	if (r < 0) {
		WH_AUTO_FREE char *whole = wh_asprintf("%s%c%s", flag, strchr(flag, '=') ? ':' : '=', text);

		wh_err_within(err, whole);
		wh_err_wrap(err, "%s", flag);
		return r;
	}
	if (ns <= 0) {
		wh_usage_word(err, text, "%s: %s is no time to wait", flag, text);
		wh_err_expect(err, "more than nothing, like 30s or 500ms");
		return -EINVAL;
	}
	*ret = (uint64_t)ns;
	return 0;
}

static int count(const char *flag, const char *text, uint64_t max, uint64_t min, unsigned *ret, struct wh_err **err)
{
	uint64_t n;

	if (!wh_parse_u64(text, 10, &n) || n < min || n > max) {
		WH_AUTO_FREE char *whole = wh_asprintf("%s=%s", flag, text);

		wh_usage_word(err, text, "%s: \"%s\" is no number from %llu to %llu", flag, text,
			      (unsigned long long)min, (unsigned long long)max);
		wh_err_within(err, whole);
		return -EINVAL;
	}
	*ret = (unsigned)n;
	return 0;
}

/* "5%", "0.05" → parts of 10,000. A bare "5" could be either. */
static int risk(const char *text, unsigned *ret, struct wh_err **err)
{
	size_t n = strlen(text), whole = strspn(text, "0123456789"), places = 0;
	bool percent = n && text[n - 1] == '%', point = text[whole] == '.';
	unsigned long value = 0;

	if (point)
		places = strspn(text + whole + 1, "0123456789");
	for (size_t i = 0; whole <= 3 && i < whole; i++)
		value = value * 10 + (unsigned long)(text[i] - '0');
	for (size_t i = 0; i < (percent ? 2 : 4); i++)
		value = value * 10 + (unsigned long)(i < places ? text[whole + 1 + i] - '0' : 0);
	if (whole < 1 || whole > 3 || (point && !places) || (!point && !percent) || places > 9 ||
	    whole + point + places + percent != n || value < 1 || value > 10000) {
		WH_AUTO_FREE char *flag = wh_asprintf("--max-risk=%s", text);

		wh_usage_word(err, text, "--max-risk: \"%s\" is no share from 0.01%% to 100%%", text);
		wh_err_within(err, flag);
		wh_err_expect(err, "5%% or 0.05");
		return -EINVAL;
	}
	*ret = (unsigned)value;
	return 0;
}

static bool port_number(const char *text, size_t n, uint16_t *ret)
{
	WH_AUTO_FREE char *digits = wh_strndup(text, n);
	uint64_t port;

	if (!wh_parse_u64(digits, 10, &port) || !port || port > 65535)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* "8080/health", ":8080/health", "8080", "//host:port/path", or a URL. In the arena; NULL: none of these. */
static const char *url_of(struct wh_arena *a, const char *text)
{
	size_t n;
	uint16_t port;

	if (wh_has_prefix(text, "http://") || wh_has_prefix(text, "https://"))
		return wh_arena_strdup(a, text);
	if (wh_has_prefix(text, "//"))
		return wh_arena_printf(a, "http:%s", text);
	if (*text == ':')
		text++;
	if (*text == '/')
		return wh_arena_printf(a, "http://localhost%s", text);
	n = strcspn(text, "/");
	if (!port_number(text, n, &port))
		return NULL;
	return wh_arena_printf(a, "http://localhost:%u%s", port, text[n] ? text + n : "/");
}

static int unknown_ready(const char *text, struct wh_str kind, struct wh_err **err)
{
	static const char *const kinds[] = {"tcp", "http", "https", "log", "file", "delay"};
	WH_AUTO_FREE char *word = wh_strndup(kind.p, kind.n);
	const char *near = wh_nearest(word, kinds, WH_ARRAY_SIZE(kinds));
	uint16_t port;

	wh_usage_word(err, text, "--ready: \"%s\" is not known", text);
	if (near && kind.n > 2)
		wh_err_hint(err, "did you mean %s%s?", near, text + kind.n);
	else if (port_number(text, strlen(text), &port))
		wh_err_hint(err, "a port that is to be open is written tcp:%s", text);
	else if (*text == '/')
		wh_err_hint(err, "a file that is to be there is written file:%s", text);
	return -EINVAL;
}

static int check_regex(const char *text, struct wh_err **err)
{
	regex_t regex;
	char why[128];
	int e = regcomp(&regex, text, REG_EXTENDED | REG_NOSUB);

	if (!e) {
		regfree(&regex);
		return 0;
	}
	regerror(e, &regex, why, sizeof(why));
	wh_usage_word(err, text, "--ready=log: \"%s\" is no regular expression: %s", text, why);
	wh_err_hint(err, "a character that stands for itself wants a backslash: \\( \\[ \\{ \\*");
	return -EINVAL;
}

/* One --ready value, variables expanded. */
static int ready_parse(struct wh_arena *a, const char *text, struct wh_ready *ret, struct wh_err **err)
{
	const char *colon = strchr(text, ':'), *value = colon ? colon + 1 : "";
	struct wh_str kind = {text, colon ? (size_t)(colon - text) : strlen(text)};
	int r = 0;

	*ret = (struct wh_ready){0};
	if (wh_str_ieq(kind, "tcp")) {
		ret->kind = WH_READY_TCP;
		if (!port_number(value, strlen(value), &ret->port))
			r = wh_usage_word(err, value, "--ready=tcp: \"%s\" is no port", value);
	} else if (wh_str_ieq(kind, "http") || wh_str_ieq(kind, "https")) {
		ret->kind = WH_READY_HTTP;
		ret->text = wh_str_ieq(kind, "https") ? wh_arena_strdup(a, text) : url_of(a, value);
		if (!ret->text)
			r = wh_usage_word(err, value, "--ready=http: \"%s\" is no URL", value);
	} else if (wh_str_ieq(kind, "log")) {
		ret->kind = WH_READY_LOG;
		ret->text = wh_arena_strdup(a, value);
		if (!*value)
			r = wh_usage_word(err, text, "--ready=log: an expression is missing");
		else
			r = check_regex(value, err);
	} else if (wh_str_ieq(kind, "file")) {
		ret->kind = WH_READY_FILE;
		ret->text = wh_arena_strdup(a, value);
		if (*value != '/')
			r = wh_usage_word(err, value, "--ready=file: \"%s\" is no absolute path", value);
	} else if (wh_str_ieq(kind, "delay")) {
		ret->kind = WH_READY_DELAY;
		r = duration("--ready=delay", value, &ret->ns, err);
	} else {
		r = unknown_ready(text, kind, err);
	}
	if (r < 0) {
		WH_AUTO_FREE char *whole = wh_asprintf("--ready=%s", text);

		wh_err_within(err, whole);
		wh_err_expect(err, "tcp:PORT, http:PORT/PATH or a URL, log:REGEX, file:/PATH or delay:TIME");
	}
	return r;
}

/* Values with a variable are judged when that is known. */
static bool settled(const char *value)
{
	return value && !strchr(value, '$');
}

int wh_check_profile(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const char *value, *timeout = wh_flag_text(n, "timeout"), *runs = wh_flag_text(n, "runs");
	struct wh_ready ready;
	uint64_t ns;
	unsigned number;
	size_t pos = 0;
	int r = wh_check_run(n, err); /* --mount and --network are RUN's */

	while (r == 0 && (value = wh_flag_next(n, "ready", &pos)))
		if (settled(value))
			r = ready_parse(a, value, &ready, err);
	if (r == 0 && settled(timeout))
		r = duration("--timeout", timeout, &ns, err);
	if (r == 0 && settled(runs))
		r = count("--runs", runs, MAX_RUNS, 1, &number, err);
	for (pos = 0; r == 0 && (value = wh_flag_next(n, "env", &pos));)
		if (*value == '=' || !strchr(value, '='))
			r = wh_usage_word(err, value, "--env: \"%s\" is not NAME=VALUE", value);
	return r;
}

static int one_of(const struct wh_node *n, const char *flag, const char *first, const char *second, bool *ret_second,
		  struct wh_err **err)
{
	const char *value = wh_flag_text(n, flag);
	WH_AUTO_FREE char *whole = NULL;

	*ret_second = value && wh_streq(value, second);
	if (!value || *ret_second || wh_streq(value, first))
		return 0;
	whole = wh_asprintf("--%s=%s", flag, value);
	wh_usage_word(err, value, "--%s: \"%s\" is not known", flag, value);
	wh_err_within(err, whole);
	wh_usage_near(err, value, (const char *const[]){first, second}, 2, "");
	return -EINVAL;
}

/* --setuid: strip, keep, or the files that keep their bits. */
static int setuid_word(const char *value, bool *ret_keep, bool *ret_glob, struct wh_err **err)
{
	WH_AUTO_FREE char *whole = NULL;

	*ret_keep = wh_streq(value, "keep");
	*ret_glob = value[0] == '/';
	if (*ret_keep || *ret_glob || wh_streq(value, "strip"))
		return 0;
	whole = wh_asprintf("--setuid=%s", value);
	wh_usage_word(err, value, "--setuid: \"%s\" is not known", value);
	wh_err_within(err, whole);
	wh_usage_near(err, value, (const char *const[]){"strip", "keep", "/PATH"}, 3, "");
	return -EINVAL;
}

int wh_check_prune(const struct wh_node *n, struct wh_err **err)
{
	const char *repair = wh_flag_text(n, "repair"), *max_risk = wh_flag_text(n, "max-risk");
	const char *value;
	bool second, glob;
	unsigned number;
	size_t pos;
	int r = 0;

	if (n->n_args) {
		wh_usage_word(err, n->args[0], "PRUNE takes flags only, not \"%s\"", n->args[0]);
		wh_err_hint(err, "what is to stay: --keep=GLOB; what is to go: --drop=GLOB");
		return -EINVAL;
	}
	r = one_of(n, "mode", "observed", "package", &second, err);
	if (r == 0)
		r = one_of(n, "shell", "remove", "keep", &second, err);
	if (r == 0)
		r = one_of(n, "runtime", "none", "prove", &second, err);
	for (pos = 0; r == 0 && (value = wh_flag_next(n, "setuid", &pos));)
		if (settled(value))
			r = setuid_word(value, &second, &glob, err);
	if (r == 0 && settled(repair))
		r = count("--repair", repair, MAX_REPAIR, 0, &number, err);
	if (r == 0 && settled(max_risk))
		r = risk(max_risk, &number, err);
	return r;
}

/* ---------------------------------------------------------------- the application */

static const char *const *config_list(struct wh_lower *l, const struct wh_stage *s, const char *key)
{
	WH_AUTO_STRV struct wh_strv list = {0};

	wh_image_get_list(s, key, &list);
	return wh_arena_list(l->a, &list);
}

static uint64_t health_time(const json_t *health, const char *key)
{
	int64_t ns = wh_json_int(health, key, 0);

	return ns > 0 ? (uint64_t)ns : 0;
}

static void health_of(struct wh_lower *l, const struct wh_stage *s, struct wh_op_app *app)
{
	const json_t *health = json_object_get(json_object_get(s->image, "config"), "Healthcheck");
	const json_t *test = json_object_get(health, "Test"), *word;
	const char *kind = json_string_value(json_array_get(test, 0));
	WH_AUTO_STRV struct wh_strv args = {0};
	size_t i;

	if (!kind || wh_streq(kind, "NONE") || json_array_size(test) < 2)
		return;
	if (wh_streq(kind, "CMD-SHELL")) {
		wh_image_get_list(s, "Shell", &args);
		if (!args.n) {
			wh_strv_add(&args, "/bin/sh");
			wh_strv_add(&args, "-c");
		}
	}
	json_array_foreach (test, i, word)
		if (i && json_is_string(word))
			wh_strv_add(&args, json_string_value(word));
	app->health = wh_arena_list(l->a, &args);
	app->health_timeout_ns = health_time(health, "Timeout");
	app->health_interval_ns = health_time(health, "Interval");
	app->health_retries = (unsigned)wh_json_int(health, "Retries", 0);
}

/* --start=manual, --start=["program", …] */
static int start_of(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_op_profile *op,
		    struct wh_err **err)
{
	const char *flag = wh_flag_text(c->n, "start");
	WH_AUTO_STRV struct wh_strv words = {0}, args = {0};
	size_t i;
	int r;

	if (!flag)
		return 0;
	if (wh_streq(flag, "manual")) {
		op->manual = true;
		return 0;
	}
	r = wh_words_json(wh_str(flag), &words, err);
	if (r < 0)
		return r;
	if (!r || !words.n) {
		wh_usage_word(err, "--start=", "--start: \"%s\" is neither manual nor a command as JSON array", flag);
		wh_err_hint(err,
			    "write --start=[\"program\",\"argument\"]; for a shell's line [\"/bin/sh\",\"-c\",\"…\"]");
		return -EINVAL;
	}
	for (i = 0; i < words.n; i++) {
		WH_AUTO_FREE char *word = NULL;

		r = wh_scope_expand(l, s, words.v[i], &word, err);
		if (r < 0)
			return r;
		wh_strv_add(&args, word);
	}
	op->app.start = wh_arena_list(l->a, &args);
	return 0;
}

static int app_of(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_op_profile *op,
		  struct wh_err **err)
{
	struct wh_op_app *app = &op->app;
	const char *cwd = wh_image_text(s, "WorkingDir"), *stop = wh_image_text(s, "StopSignal");

	app->entrypoint = config_list(l, s, "Entrypoint");
	app->cmd = config_list(l, s, "Cmd");
	app->env = config_list(l, s, "Env");
	app->cwd = wh_arena_strdup(l->a, *cwd ? cwd : "/");
	app->user = wh_arena_strdup(l->a, wh_image_text(s, "User"));
	app->stop_signal = wh_arena_strdup(l->a, *stop ? stop : "SIGTERM");
	health_of(l, s, app);
	if (start_of(l, s, c, op, err) < 0)
		return -EINVAL;
	/* Where a base is not at hand, it may be the base that says how it is started. */
	if (!app->start && !*app->entrypoint && !*app->cmd && !l->unresolved.n) {
		wh_usage_keyword(err, c->n->keyword,
				 "there is nothing to profile: the stage has neither ENTRYPOINT nor CMD");
		wh_err_hint(err,
			    "give it one above this line, or name a command here: --start=[\"program\",\"argument\"]");
		return -EINVAL;
	}
	return 0;
}

/* ---------------------------------------------------------------- PROFILE */

static int list_flag(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, const char *flag,
		     struct wh_strv *out, struct wh_err **err)
{
	const char *value;
	size_t pos = 0;
	int r = 0;

	while (r == 0 && (value = wh_flag_next(n, flag, &pos))) {
		char *word = NULL;

		r = wh_scope_expand(l, s, value, &word, err);
		if (r == 0)
			wh_strv_take(out, word);
	}
	return r;
}

static int ready_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_profile *op,
		    struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv values = {0};
	struct wh_ready *ready;
	size_t i;
	int r = list_flag(l, s, n, "ready", &values, err);

	op->ready = ready = wh_arena_alloc(l->a, (values.n + 1) * sizeof(*ready));
	for (i = 0; r == 0 && i < values.n; i++)
		r = ready_parse(l->a, values.v[i], &ready[op->n_ready++], err);
	return r;
}

static int share_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_profile *op,
		    struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv values = {0}, clean = {0};
	size_t i;
	int r = list_flag(l, s, n, "share", &values, err);

	for (i = 0; r == 0 && i < values.n; i++) {
		char *path = wh_path_abs_in("/", values.v[i]);

		wh_strv_take(&clean, path);
		if (values.v[i][0] != '/' || !path[1])
			r = wh_usage_word(err, values.v[i], "--share: \"%s\" is no absolute path of a directory",
					  values.v[i]);
	}
	op->share = wh_arena_list(l->a, &clean);
	return r;
}

/* --lock=FILE, in the context. */
static int lock_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_profile *op, struct wh_err **err)
{
	const char *text = wh_flag_text(n, "lock");
	WH_AUTO_FREE char *clean = NULL;
	int r;

	if (!text)
		return 0;
	r = wh_scope_keep(l, s, text, &text, err);
	if (r == 0)
		clean = wh_path_clean(text);
	if (r == 0 && (!*text || *text == '/' || wh_has_prefix(clean, ".."))) {
		wh_usage_word(err, text, "--lock: \"%s\" is no path of a file in the build context", text);
		wh_err_hint(err, "build --profile-lock FILE takes any file");
		r = -EINVAL;
	}
	op->lock = text;
	return r;
}

static int numbers_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_profile *op,
		      struct wh_err **err)
{
	const char *timeout = wh_flag_text(n, "timeout"), *runs = wh_flag_text(n, "runs"), *text;
	int r = 0;

	op->runs = 1;
	if (timeout) {
		r = wh_scope_keep(l, s, timeout, &text, err);
		if (r == 0)
			r = duration("--timeout", text, &op->timeout_ns, err);
	}
	if (r == 0 && runs) {
		r = wh_scope_keep(l, s, runs, &text, err);
		if (r == 0)
			r = count("--runs", text, MAX_RUNS, 1, &op->runs, err);
	}
	return r;
}

/* The driver's environment: its own root's, then --env. */
static int driver_env(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_exec *driver,
		      struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv env = {0}, more = {0};
	size_t i;
	int r = list_flag(l, s, n, "env", &more, err);

	if (r < 0)
		return r;
	for (i = 0; driver->env && driver->env[i]; i++)
		wh_strv_add(&env, driver->env[i]);
	for (i = 0; i < more.n; i++) {
		const char *eq = strchr(more.v[i], '=');
		WH_AUTO_FREE char *name = eq ? wh_strndup(more.v[i], (size_t)(eq - more.v[i])) : NULL;

		if (name)
			wh_env_set(&env, name, eq + 1);
	}
	driver->env = wh_arena_list(l->a, &env);
	return 0;
}

static int in_order(struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	if (c->trigger)
		return wh_usage(err, "%s isn't allowed as an ONBUILD trigger", wh_instr_name(c->n->instr));
	if (!s->pruned)
		return 0;
	wh_usage_keyword(err, c->n->keyword, "%s after the stage's PRUNE", wh_instr_name(c->n->instr));
	wh_err_hint(err, "a stage is pruned once, after its last PROFILE");
	return -EINVAL;
}

int wh_lower_profile(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct wh_op_profile *op = wh_arena_alloc(l->a, sizeof(*op));
	struct wh_vertex v = {.kind = WH_OP_PROFILE, .op.profile = op, .pos = c->pos, .stage = s->name};
	struct wh_stage *driver = c->sources[0] ? c->sources[0] : s;
	struct wh_exec_parts parts = {.root = driver, .scope = s, .cmd = c, .skip = 1};
	int r = in_order(s, c, err);

	if (r == 0 && driver != s && !driver->lowered)
		r = wh_usage_word(err, wh_flag_text(c->n, "from"),
				  "--from=%s: the stage needs to be defined before this line",
				  wh_flag_text(c->n, "from"));
	if (r == 0)
		r = app_of(l, s, c, op, err);
	if (r == 0)
		r = ready_of(l, s, c->n, op, err);
	if (r == 0)
		r = share_of(l, s, c->n, op, err);
	if (r == 0)
		r = numbers_of(l, s, c->n, op, err);
	if (r == 0)
		r = lock_of(l, s, c->n, op, err);
	if (r < 0)
		return r;
	parts.first[0] = s->state;
	parts.first[1] = driver == s && s->profiles ? s->unprofiled : driver->state;
	parts.n_first = 2;
	r = wh_exec_lower(l, &parts, &op->driver, err);
	if (r == 0)
		r = driver_env(l, s, c->n, &op->driver, err);
	if (r < 0)
		return r;
	op->platform = wh_stage_foreign(l, s);
	if (!wh_flag_text(c->n, "network"))
		op->driver.network = WH_NET_NONE;
	if (!s->n_profiles)
		s->unprofiled = s->state;
	v.inputs = parts.inputs;
	v.n_inputs = parts.n_inputs;
	v.no_cache = s->no_cache;
	v.name = wh_step_name(l, s, c, parts.text);
	wh_step_place(l, s, c, &v);
	s->state = wh_graph_add(l->g, &v);
	WH_PUSH(s->profiles, s->n_profiles, s->cap_profiles) = s->state;
	wh_history_add(l, s, wh_arena_strdup(l->a, c->n->original), NULL);
	return 0;
}

/* ---------------------------------------------------------------- PRUNE */

/* The config that the tests ran under, labels left out: those may still follow. Canonical. */
static const char *config_text(struct wh_lower *l, const struct wh_stage *s)
{
	WH_AUTO_JSON json_t *config = json_copy(json_object_get(s->image, "config"));
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (!config)
		return "{}";
	json_object_del(config, "Labels");
	wh_json_dump(config, &text);
	return wh_arena_strdup(l->a, text.p);
}

static int globs_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, const char *flag,
		    const char *const **ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv values = {0};
	size_t i;
	int r = list_flag(l, s, n, flag, &values, err);

	for (i = 0; r == 0 && i < values.n; i++)
		if (values.v[i][0] != '/')
		{
			r = wh_usage_word(err, values.v[i], "--%s: \"%s\" does not begin with /", flag, values.v[i]);
			wh_err_hint(err, "patterns are paths in the image: --%s=/%s", flag, values.v[i]);
		}
	*ret = wh_arena_list(l->a, &values);
	return r;
}

static int setuid_of(struct wh_lower *l, struct wh_stage *s, const struct wh_node *n, struct wh_op_prune *op,
		     struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv values = {0}, globs = {0};
	size_t i;
	int r = list_flag(l, s, n, "setuid", &values, err);

	for (i = 0; r == 0 && i < values.n; i++) {
		bool keep, glob;

		r = setuid_word(values.v[i], &keep, &glob, err);
		op->keep_setid |= r == 0 && keep;
		if (r == 0 && glob)
			wh_strv_add(&globs, values.v[i]);
	}
	op->setid = globs.n ? wh_arena_list(l->a, &globs) : NULL;
	return r;
}

int wh_lower_prune(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct wh_op_prune *op = wh_arena_alloc(l->a, sizeof(*op));
	struct wh_vertex v = {.kind = WH_OP_PRUNE, .op.prune = op, .pos = c->pos, .stage = s->name};
	struct wh_vertex **inputs = wh_arena_alloc(l->a, (s->n_profiles + 1) * sizeof(struct wh_vertex *));
	const char *repair = wh_flag_text(c->n, "repair"), *max_risk = wh_flag_text(c->n, "max-risk");
	int r = in_order(s, c, err);

	if (r == 0 && !s->n_profiles) {
		wh_usage_keyword(err, c->n->keyword, "PRUNE without a PROFILE before it in this stage");
		wh_err_hint(err, "nothing would be known to be needed; what FROM's stage profiled does not count here");
		r = -EINVAL;
	}
	if (r == 0)
		r = globs_of(l, s, c->n, "keep", &op->keep, err);
	if (r == 0)
		r = globs_of(l, s, c->n, "drop", &op->drop, err);
	if (r == 0)
		r = one_of(c->n, "mode", "observed", "package", &op->package_mode, err);
	if (r == 0)
		r = one_of(c->n, "shell", "remove", "keep", &op->keep_shell, err);
	if (r == 0)
		r = one_of(c->n, "runtime", "none", "prove", &s->prove, err);
	if (r == 0)
		r = setuid_of(l, s, c->n, op, err);
	op->repair = WH_REPAIR_ROUNDS;
	if (r == 0 && repair) {
		r = wh_scope_keep(l, s, repair, &repair, err);
		if (r == 0)
			r = count("--repair", repair, MAX_REPAIR, 0, &op->repair, err);
	}
	op->max_risk = WH_NO_LIMIT;
	if (r == 0 && max_risk) {
		r = wh_scope_keep(l, s, max_risk, &max_risk, err);
		if (r == 0)
			r = risk(max_risk, &op->max_risk, err);
	}
	if (r < 0)
		return r;
	op->config = config_text(l, s);
	op->profiles_in = l->o->profiles_in && l->o->profiles_in->n ? wh_arena_list(l->a, l->o->profiles_in) : NULL;
	inputs[0] = s->state;
	memcpy(inputs + 1, s->profiles, s->n_profiles * sizeof(struct wh_vertex *));
	v.inputs = inputs;
	v.n_inputs = s->n_profiles + 1;
	v.no_cache = s->no_cache;
	v.name = wh_step_name(l, s, c, c->n->original);
	wh_step_place(l, s, c, &v);
	s->state = wh_graph_add(l->g, &v);
	s->pruned = true;
	wh_history_add(l, s, wh_arena_strdup(l->a, c->n->original), s->state);
	return 0;
}

struct wh_vertex *wh_lower_prove(struct wh_lower *l, const struct wh_stage *s)
{
	const struct wh_vertex *pruned = s->state;
	struct wh_vertex **inputs, v;
	struct wh_op_prove *op;

	if (!pruned || pruned->kind != WH_OP_PRUNE || !(s->prove || l->o->prove))
		return NULL;
	op = wh_arena_alloc(l->a, sizeof(*op));
	*op = (struct wh_op_prove){.config = pruned->op.prune->config,
				   .platform = wh_lower_platform(l, s->platform ? s->platform : &l->target),
				   .profiles_in = pruned->op.prune->profiles_in};
	inputs = wh_arena_alloc(l->a, pruned->n_inputs * sizeof(struct wh_vertex *));
	inputs[0] = s->state;
	memcpy(inputs + 1, s->profiles, s->n_profiles * sizeof(struct wh_vertex *));
	v = (struct wh_vertex){.kind = WH_OP_PROVE,
			       .op.prove = op,
			       .inputs = inputs,
			       .n_inputs = pruned->n_inputs,
			       .pos = pruned->pos,
			       .place = pruned->place,
			       .stage = pruned->stage,
			       .no_cache = pruned->no_cache};
	v.name = *s->label ? wh_arena_printf(l->a, "[%s] tests under the least privileges", s->label)
			   : "tests under the least privileges";
	v.place.text = "PROVE";
	return wh_graph_add(l->g, &v);
}

int wh_stage_check_after_profile(const struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	enum wh_instr i = c->n->instr;

	if (!s->n_profiles || i == WH_I_PROFILE || i == WH_I_PRUNE || i == WH_I_LABEL)
		return 0;
	wh_usage_keyword(err, c->n->keyword, "%s after PROFILE: what was tested must be what is shipped",
			 wh_instr_name(i));
	wh_err_hint(err, "move it above the stage's first PROFILE; only PROFILE, PRUNE and LABEL may follow that");
	return -EINVAL;
}
