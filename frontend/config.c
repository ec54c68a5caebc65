/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that only change the image config. Each leaves one line of history, in BuildKit's words. */
#include "frontend/check.h"
#include "frontend/lower.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

#define PORTS_MAX (3 * 65536) /* as many as there are */

int wh_lower_label(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i;
	int r;

	wh_buf_adds(&text, "LABEL");
	for (i = 0; i + 2 < c->n->n_args; i += 3) {
		WH_AUTO_FREE char *name = NULL, *value = NULL;

		r = wh_scope_expand(l, s, c->n->args[i], &name, err);
		if (r == 0)
			r = wh_scope_expand(l, s, c->n->args[i + 1], &value, err);
		if (r < 0)
			return r;
		if (!*c->n->args[i + 2])
			wh_lint(l, WH_RULE_LEGACY_KEY_VALUE_FORMAT, &c->pos,
				"\"%s key=value\" should be used instead of legacy \"%s key value\" format", c->n->keyword,
				c->n->keyword);
		wh_image_map_add(s, "Labels", name, wh_json_text(value));
		wh_buf_addf(&text, " %s=%s", name, value);
	}
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

/* CMD and ENTRYPOINT */
int wh_lower_command(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_STRV struct wh_strv shell = {0};
	bool cmd = c->n->instr == WH_I_CMD;

	(void)err;
	wh_lint_once(l, c, cmd ? &s->cmd_at : &s->entrypoint_at);
	wh_image_get_list(s, "Shell", &shell);
	if (!c->n->json && !shell.n)
		wh_lint(l, WH_RULE_JSON_ARGS_RECOMMENDED, &c->pos,
			"JSON arguments recommended for %s to prevent unintended behavior related to OS signals", c->n->keyword);
	wh_shell_args(s, c->n, c->n->n_args ? c->n->args[0] : "", &args);
	if (args.n || cmd)
		wh_image_set_list(s, cmd ? "Cmd" : "Entrypoint", (const char *const *)args.v, args.n);
	else
		wh_image_drop(s, "Entrypoint");
	if (!cmd && !s->cmd_at) /* a CMD from the base was meant for the base's entry point */
		wh_image_drop(s, "Cmd");
	wh_buf_addf(&text, "%s ", wh_instr_name(c->n->instr));
	wh_print_list(&text, (const char *const *)args.v, args.n, true);
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

int wh_lower_expose(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv specs = {0}, words = {0}, ports = {0};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i;
	int r = 0;

	for (i = 0; i < c->n->n_args; i++)
		wh_strv_add(&specs, c->n->args[i]);
	wh_strv_sort(&specs);
	for (i = 0; i < specs.n && r == 0; i++)
		r = wh_expand_words(specs.v[i], l->d->escape, wh_scope_get, &s->env, &words, err);
	for (i = 0; i < words.n && r == 0; i++) {
		wh_lint_port(l, c, words.v[i]);
		r = wh_ports_parse(words.v[i], &ports, err);
		if (r == 0 && ports.n > PORTS_MAX) {
			wh_usage_word(err, words.v[i], "more than %d ports", PORTS_MAX);
			r = -EINVAL;
		}
	}
	if (r < 0)
		return r;
	for (i = 0; i < ports.n; i++)
		wh_image_map_add(s, "ExposedPorts", ports.v[i], json_object());
	wh_buf_adds(&text, "EXPOSE ");
	wh_print_list(&text, (const char *const *)ports.v, ports.n, false);
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

static int64_t duration_of(const struct wh_node *n, const char *flag)
{
	const char *value = wh_flag_text(n, flag);
	int64_t ns = 0;

	if (value && *value)
		(void)wh_duration_parse(value, &ns, NULL); /* judged before */
	return ns;
}

int wh_lower_health(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	static const struct {
		const char *flag, *key;
	} times[] = {{"interval", "Interval"},
		     {"timeout", "Timeout"},
		     {"start-period", "StartPeriod"},
		     {"start-interval", "StartInterval"}};
	const char *retries_text = wh_flag_text(c->n, "retries");
	bool none = strcasecmp(c->n->args[0], "NONE") == 0;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv test = {0};
	WH_AUTO_JSON json_t *health = json_object();
	json_t *list = json_array();
	uint64_t retries = 0;
	size_t i;

	(void)err;
	wh_lint_once(l, c, &s->health_at);
	wh_strv_add(&test, none ? "NONE" : c->n->json ? "CMD" : "CMD-SHELL");
	for (i = 1; i < c->n->n_args; i++)
		wh_strv_add(&test, c->n->args[i]);
	for (i = 0; i < test.n; i++)
		json_array_append_new(list, wh_json_text(test.v[i]));
	json_object_set_new(health, "Test", list);
	wh_buf_adds(&text, "HEALTHCHECK {Test:");
	wh_print_list(&text, (const char *const *)test.v, test.n, false);
	for (i = 0; i < WH_ARRAY_SIZE(times); i++) {
		int64_t ns = none ? 0 : duration_of(c->n, times[i].flag);

		if (ns)
			json_object_set_new(health, times[i].key, json_integer(ns));
		wh_buf_addf(&text, " %s:", times[i].key);
		wh_duration_print(ns, &text);
	}
	if (!none && retries_text && wh_parse_u64(retries_text, 10, &retries) && retries)
		json_object_set_new(health, "Retries", json_integer((json_int_t)retries));
	wh_buf_addf(&text, " Retries:%llu}", (unsigned long long)retries);
	json_object_set(json_object_get(s->image, "config"), "Healthcheck", health);
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

int wh_lower_maintainer(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	(void)err;
	json_object_set_new(s->image, "author", wh_json_text(c->n->args[0]));
	wh_history_add(l, s, wh_arena_printf(l->a, "MAINTAINER %s", c->n->args[0]), NULL);
	return 0;
}

char *wh_onbuild_text(const struct wh_node *n)
{
	struct wh_buf out = WH_BUF_INIT;
	size_t i;

	wh_buf_adds(&out, n->child->original);
	for (i = 0; i < n->n_heredocs; i++) {
		wh_buf_addc(&out, '\n');
		wh_buf_add(&out, n->heredocs[i].data, n->heredocs[i].len);
		wh_buf_adds(&out, n->heredocs[i].name);
	}
	return wh_buf_take(&out);
}

int wh_lower_onbuild(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv list = {0};

	(void)l;
	(void)err;
	wh_image_get_list(s, "OnBuild", &list);
	wh_strv_take(&list, wh_onbuild_text(c->n));
	wh_image_set_list(s, "OnBuild", (const char *const *)list.v, list.n);
	return 0;
}

int wh_lower_shell(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	(void)err;
	wh_image_set_list(s, "Shell", c->n->args, c->n->n_args);
	s->shell_from = wh_arena_printf(l->a, "SHELL is set in line %u", c->pos.line);
	wh_buf_adds(&text, "SHELL ");
	wh_print_list(&text, c->n->args, c->n->n_args, false);
	wh_history_add(l, s, text.p, NULL);
	return 0;
}

int wh_lower_stopsignal(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	const char *word;
	int r = wh_scope_keep(l, s, c->n->args[0], &word, err);

	if (r == 0)
		r = wh_signal_check(word, err);
	if (r < 0)
		return r;
	wh_image_set_text(s, "StopSignal", word);
	wh_history_add(l, s, wh_arena_printf(l->a, "STOPSIGNAL %s", word), NULL);
	return 0;
}

int wh_lower_user(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	const char *word;
	int r = wh_scope_keep(l, s, c->n->args[0], &word, err);

	if (r < 0)
		return r;
	wh_image_set_text(s, "User", word);
	s->user_from = wh_arena_printf(l->a, "USER %.80s is set in line %u", word, c->pos.line);
	wh_history_add(l, s, wh_arena_printf(l->a, "USER %s", word), NULL);
	return 0;
}

int wh_lower_volume(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv list = {0};
	size_t i;

	for (i = 0; i < c->n->n_args; i++) {
		WH_AUTO_FREE char *raw = NULL;
		struct wh_str word;
		int r = wh_scope_expand(l, s, c->n->args[i], &raw, err);

		if (r < 0)
			return r;
		word = wh_str_trim(wh_str(raw));
		if (!word.n)
		{
			wh_usage_word(err, c->n->args[i], "VOLUME specified can not be an empty string");
			wh_err_hint(err, "a variable that is not set leaves nothing");
			return -EINVAL;
		}
		wh_strv_take(&list, wh_strndup(word.p, word.n));
		wh_image_map_add(s, "Volumes", list.v[list.n - 1], json_object());
	}
	wh_buf_adds(&text, "VOLUME ");
	wh_print_list(&text, (const char *const *)list.v, list.n, false);
	wh_history_add(l, s, text.p, NULL);
	return 0;
}
