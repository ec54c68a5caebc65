/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_spec.h"

#include <errno.h>
#include <signal.h>

#define MAX_ENV_FILE ((size_t)1 << 20)
#define STOP_MS 10000

/* ---------------------------------------------------------------- the command line */

/* "KEY=VALUE"; "KEY" is what the environment has, and stays alone when that has none. */
static void add_env(struct wh_strv *env, const char *text)
{
	const char *value = strchr(text, '=') ? NULL : getenv(text);

	if (value)
		wh_strv_addf(env, "%s=%s", text, value);
	else
		wh_strv_add(env, text);
}

static int add_env_file(struct wh_strv *env, const char *path, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	char *save = NULL;
	int r = wh_read_file(AT_FDCWD, path, MAX_ENV_FILE, &text);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "--env-file: read %s", path);
	for (char *line = text.n ? strtok_r(text.p, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		size_t n;

		line += strspn(line, " \t");
		n = strlen(line);
		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		if (*line == '=' || strcspn(line, " \t") < strcspn(line, "="))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
					  "--env-file %s: \"%.200s\" is not KEY=VALUE", path, line);
		add_env(env, line);
	}
	return 0;
}

static int parse_environment(const struct wh_run_flags *f, struct wh_run_spec *s, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < f->env_files.n && r == 0; i++)
		r = add_env_file(&s->env, f->env_files.v[i], err);
	for (size_t i = 0; i < f->env.n && r == 0; i++) {
		if (!*f->env.v[i] || *f->env.v[i] == '=')
			r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--env \"%s\" is not KEY=VALUE", f->env.v[i]);
		else
			add_env(&s->env, f->env.v[i]);
	}
	return r;
}

static int each(const struct wh_strv *v, struct wh_run_spec *s,
		int (*fn)(struct wh_run_spec *s, const char *text, struct wh_err **err), struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < v->n && r == 0; i++)
		r = fn(s, v->v[i], err);
	return r;
}

static int parse_network(const struct wh_run_flags *f, struct wh_run_spec *s, struct wh_err **err)
{
	if (wh_streq(f->network, "none"))
		s->network = WH_RUN_NET_NONE;
	else if (wh_streq(f->network, "host"))
		s->network = WH_RUN_NET_HOST;
	if (s->network == WH_RUN_NET_DEFAULT || (!s->n_ports && !f->publish_all))
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
		   "--publish goes with a network of the container's own, not with --network %s", f->network);
	wh_err_hint(err, s->network == WH_RUN_NET_HOST
				 ? "with the host's network, it listens on the host's ports itself: leave -p out"
				 : "leave --network out");
	return -EINVAL;
}

static int parse_stop(const struct wh_run_flags *f, struct wh_run_spec *s, struct wh_err **err)
{
	uint64_t seconds;

	s->stop_ms = STOP_MS;
	if (f->stop_timeout) {
		if (!wh_parse_u64(f->stop_timeout, 10, &seconds) || seconds > 1000000)
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
					  "--stop-timeout is a number of seconds, not \"%s\"", f->stop_timeout);
		s->stop_ms = seconds * 1000;
	}
	if (!f->stop_signal)
		return 0;
	s->stop_signal = wh_app_signal_number(f->stop_signal);
	if (!s->stop_signal)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--stop-signal: there is no signal \"%s\"",
				  f->stop_signal);
	return 0;
}

static int parse_rest(const struct wh_run_flags *f, struct wh_run_spec *s, struct wh_err **err)
{
	struct wh_ulimit u;
	int r = 0;

	if (wh_streq(f->pull, "always"))
		s->pull = WH_PULL_ALWAYS;
	else if (wh_streq(f->pull, "never"))
		s->pull = WH_PULL_NEVER;
	if (f->shm_size && (!wh_size_parse(f->shm_size, &s->shm_size) || !s->shm_size))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--shm-size \"%s\": write a size as 64m",
				  f->shm_size);
	for (size_t i = 0; i < f->ulimits.n && r == 0; i++)
		r = wh_ulimit_parse(f->ulimits.v[i], &u, err);
	for (size_t i = 0; i < f->add_hosts.n && r == 0; i++) {
		const char *colon = strpbrk(f->add_hosts.v[i], ":=");

		if (!colon || colon == f->add_hosts.v[i] || !colon[1])
			r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--add-host \"%s\" is not NAME:IP",
				       f->add_hosts.v[i]);
	}
	if (r == 0 && f->workdir && f->workdir[0] != '/')
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--workdir \"%s\" is not an absolute path",
			       f->workdir);
	if (r == 0 && f->hostname && strlen(f->hostname) > 64)
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--hostname: at most 64 characters");
	if (r == 0 && f->interactive && f->tty && !isatty(STDIN_FILENO)) {
		wh_err_set(err, "cli", WH_ERR_USAGE, ENOTTY, "-i and -t: standard input is no terminal");
		wh_err_hint(err, "for a pipe or a file: -i alone");
		r = -ENOTTY;
	}
	return r;
}

int wh_run_spec_make(const struct wh_run_flags *f, const struct wh_strv *args, struct wh_run_spec *ret,
		     struct wh_err **err)
{
	int r;

	*ret = (struct wh_run_spec){.flags = f, .ref = args->v[0]};
	for (size_t i = 1; i < args->n; i++)
		wh_strv_add(&ret->words, args->v[i]);
	r = parse_environment(f, ret, err);
	if (r == 0)
		r = each(&f->volumes, ret, wh_run_volume_parse, err);
	if (r == 0)
		r = each(&f->mounts, ret, wh_run_mount_parse, err);
	if (r == 0)
		r = each(&f->tmpfs, ret, wh_run_tmpfs_parse, err);
	if (r == 0)
		r = each(&f->publish, ret, wh_run_port_parse, err);
	if (r == 0)
		r = parse_network(f, ret, err);
	if (r == 0)
		r = parse_stop(f, ret, err);
	return r < 0 ? r : parse_rest(f, ret, err);
}

void wh_run_spec_release(struct wh_run_spec *s)
{
	wh_strv_release(&s->words);
	wh_strv_release(&s->env);
	for (size_t i = 0; i < s->n_mounts; i++) {
		free(s->mounts[i].source);
		free(s->mounts[i].target);
	}
	free(s->mounts);
	for (size_t i = 0; i < s->n_ports; i++)
		free(s->ports[i].address);
	free(s->ports);
}

/* ---------------------------------------------------------------- the image's config */

static void add_list(struct wh_strv *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_string_value(json_array_get(list, i)))
			wh_strv_add(out, json_string_value(json_array_get(list, i)));
}

static int make_args(const struct wh_run_spec *s, const json_t *config, struct wh_strv *out, struct wh_err **err)
{
	const char *entrypoint = s->flags->entrypoint;

	if (!entrypoint)
		add_list(out, json_object_get(config, "Entrypoint"));
	else if (*entrypoint)
		wh_strv_add(out, entrypoint);
	if (s->words.n)
		wh_strv_copy(out, &s->words);
	else if (!entrypoint) /* the image's words are for the image's program */
		add_list(out, json_object_get(config, "Cmd"));
	if (out->n)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "no command: the image has neither ENTRYPOINT nor CMD");
	wh_err_hint(err, "name one after the image");
	return -EINVAL;
}

static void unset(struct wh_strv *env, const char *key)
{
	size_t n = strlen(key), kept = 0;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], key, n) == 0 && env->v[i][n] == '=')
			free(env->v[i]);
		else
			env->v[kept++] = env->v[i];
	}
	env->n = kept;
	if (env->v)
		env->v[kept] = NULL;
}

static void make_env(const struct wh_run_spec *s, const json_t *config, struct wh_strv *out)
{
	add_list(out, json_object_get(config, "Env"));
	if (s->flags->tty && !wh_env_get(out, "TERM"))
		wh_strv_add(out, "TERM=xterm");
	for (size_t i = 0; i < s->env.n; i++) {
		const char *text = s->env.v[i], *eq = strchr(text, '=');
		WH_AUTO_FREE char *key = wh_strndup(text, eq ? (size_t)(eq - text) : strlen(text));

		if (eq)
			wh_env_set(out, key, eq + 1);
		else
			unset(out, key);
	}
}

/* The image's: a place that the user has not filled. */
static int add_volumes(struct wh_run_spec *s, const json_t *config, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv places = {0};
	json_t *volumes = json_object_get(config, "Volumes");
	const char *path;
	json_t *unused;

	json_object_foreach (volumes, path, unused)
		wh_strv_add(&places, path);
	wh_strv_sort(&places);
	for (size_t i = 0; i < places.n; i++) {
		WH_AUTO_FREE char *clean = wh_path_abs_in("/", places.v[i]);
		bool taken = false;
		int r;

		for (size_t k = 0; k < s->n_mounts; k++)
			taken |= wh_streq(clean, s->mounts[k].target);
		if (taken)
			continue;
		if (strchr(clean, ':'))
			return wh_err_set(err, "cli", WH_ERR_BUILD, EINVAL,
					  "the image's volume \"%s\" has a colon in its name", places.v[i]);
		r = wh_run_volume_parse(s, clean, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_ports(struct wh_run_spec *s, const json_t *config, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv ports = {0};
	json_t *exposed = json_object_get(config, "ExposedPorts");
	const char *text;
	json_t *unused;

	json_object_foreach (exposed, text, unused)
		wh_strv_add(&ports, text);
	wh_strv_sort(&ports);
	for (size_t i = 0; i < ports.n; i++) {
		bool taken = false;
		uint64_t number;
		WH_AUTO_FREE char *digits = wh_strndup(ports.v[i], strspn(ports.v[i], "0123456789"));

		for (size_t k = 0; wh_parse_u64(digits, 10, &number) && k < s->n_ports; k++)
			taken |=
				s->ports[k].container == number && s->ports[k].udp == wh_has_suffix(ports.v[i], "/udp");
		if (!taken) {
			int r = wh_run_port_parse(s, ports.v[i], err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int wh_run_config_make(struct wh_run_spec *s, const json_t *document, struct wh_run_config *ret, struct wh_err **err)
{
	const json_t *config = json_object_get(document, "config");
	const char *cwd = s->flags->workdir ? s->flags->workdir : wh_json_str(config, "WorkingDir");
	const char *user = s->flags->user ? s->flags->user : wh_json_str(config, "User");
	const char *stop = wh_json_str(config, "StopSignal");
	int r;

	*ret = (struct wh_run_config){.stop_signal = SIGTERM};
	r = make_args(s, config, &ret->args, err);
	if (r < 0)
		return r;
	make_env(s, config, &ret->env);
	ret->cwd = wh_strdup(cwd && *cwd ? cwd : "/");
	ret->user = wh_strdup(user ? user : "");
	if (s->stop_signal)
		ret->stop_signal = s->stop_signal;
	else if (stop && *stop && wh_app_signal_number(stop))
		ret->stop_signal = wh_app_signal_number(stop);
	r = add_volumes(s, config, err);
	return r == 0 && s->flags->publish_all ? add_ports(s, config, err) : r;
}

void wh_run_config_release(struct wh_run_config *c)
{
	wh_strv_release(&c->args);
	wh_strv_release(&c->env);
	free(c->cwd);
	free(c->user);
}
