/* SPDX-License-Identifier: Apache-2.0 */
/* RUN → an exec vertex: argv, environment, mounts. */
#include "frontend/expand.h"
#include "frontend/lower.h"
#include "frontend/mount.h"
#include "frontend/syntax.h"

#include <errno.h>

void wh_shell_args(const struct wh_stage *s, const struct wh_node *n, const char *text, struct wh_strv *out)
{
	size_t i;

	if (n->json) {
		for (i = 0; i < n->n_args; i++)
			wh_strv_add(out, n->args[i]);
		return;
	}
	wh_image_get_list(s, "Shell", out);
	if (!out->n) {
		wh_strv_add(out, "/bin/sh");
		wh_strv_add(out, "-c");
	}
	wh_strv_add(out, text);
}

/* What is put together for one RUN. */
struct run {
	struct wh_lower *l;
	struct wh_stage *s;     /* whose tree, shell, directory and user it has */
	struct wh_stage *scope; /* whose variables its flags see */
	struct wh_op_mount *mounts;
	size_t n_mounts;
	struct wh_vertex **inputs;
	size_t n_inputs;
	unsigned ssh_count;
};

/* ---- heredocs ---- */

/* A body that starts with "#!" becomes a file that is run; any other is the shell's text. In the arena. */
static const char *lone_heredoc(struct run *run, const struct wh_heredoc *h)
{
	size_t len = h->len;
	WH_AUTO_FREE char *chomped = h->chomp ? wh_heredoc_chomp(h->data, h->len, &len) : NULL;
	char *data = wh_arena_strndup(run->l->a, chomped ? chomped : h->data, len);
	const char *path;

	if (len < 2 || data[0] != '#' || data[1] != '!')
		return data;
	path = wh_arena_printf(run->l->a, "/dev/pipes/%s",
			       strchr(h->name, '/') || h->name[0] == '.' ? "script" : h->name);
	run->mounts[run->n_mounts++] = (struct wh_op_mount){
		.type = WH_MOUNT_FILE,
		.input = -1,
		.target = path,
		.readonly = true,
		.has_mode = true,
		.mode = 0755,
		.data = data,
		.data_len = len,
	};
	return path;
}

/* Heredocs among other words go to the shell as they stood in the file. */
static const char *rebuilt_heredocs(struct run *run, const struct wh_node *n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i;

	wh_buf_adds(&text, n->args[0]);
	for (i = 0; i < n->n_heredocs; i++) {
		wh_buf_addc(&text, '\n');
		wh_buf_add(&text, n->heredocs[i].data, n->heredocs[i].len);
		wh_buf_adds(&text, n->heredocs[i].name);
	}
	return wh_arena_strdup(run->l->a, text.p);
}

static const char *shell_text(struct run *run, const struct wh_node *n)
{
	struct wh_heredoc word;

	if (!n->n_heredocs)
		return n->n_args ? n->args[0] : "";
	if (wh_heredoc_word(run->l->a, n->args[0], &word, NULL) == 1)
		return lone_heredoc(run, &n->heredocs[0]);
	return rebuilt_heredocs(run, n);
}

/* The first line of a heredoc's body, for progress. */
static const char *summary(struct run *run, const struct wh_node *n)
{
	struct wh_heredoc word;
	struct wh_str body, first;

	if (!n->n_heredocs || wh_heredoc_word(run->l->a, n->args[0], &word, NULL) != 1)
		return "";
	body = wh_str_trim((struct wh_str){n->heredocs[0].data, n->heredocs[0].len});
	for (first = body, first.n = 0; first.n < body.n && body.p[first.n] != '\n'; first.n++)
		;
	return wh_arena_printf(run->l->a, " (%.*s%s)", (int)first.n, first.p, first.n < body.n ? "..." : "");
}

/* ---- mounts ---- */

struct expander {
	struct wh_lower *l;
	struct wh_stage *s;
};

static int expand_value(void *arg, const char *word, char **ret, struct wh_err **err)
{
	struct expander *e = arg;

	return wh_scope_expand(e->l, e->s, word, ret, err);
}

static int add_input(struct run *run, struct wh_vertex *v)
{
	run->inputs[run->n_inputs] = v;
	return (int)run->n_inputs++;
}

static const char *in_root(struct run *run, const char *path)
{
	const char *cwd = wh_image_text(run->s, "WorkingDir");
	WH_AUTO_FREE char *abs = wh_path_abs_in(*cwd ? cwd : "/", path);

	return wh_arena_strdup(run->l->a, abs);
}

static int secret_mount(struct run *run, const struct wh_mount_spec *spec, struct wh_op_mount *m, struct wh_err **err)
{
	const char *id = *spec->source ? spec->source : spec->id;

	if (!*id && *spec->target)
		id = wh_arena_strdup(run->l->a, wh_path_base(spec->target));
	if (!*id)
		return wh_usage(err, "invalid secret mount. one of source, target required");
	m->id = id;
	m->env = spec->has_env ? *spec->env ? spec->env : id : NULL;
	if (*spec->target)
		m->target = in_root(run, spec->target);
	else if (!spec->has_env)
		m->target = wh_arena_printf(run->l->a, "/run/secrets/%s", wh_path_base(id));
	m->has_mode = true;
	m->mode = spec->has_mode ? spec->mode : 0400;
	m->readonly = true;
	return 0;
}

static void ssh_mount(struct run *run, const struct wh_mount_spec *spec, struct wh_op_mount *m)
{
	m->id = *spec->id ? spec->id : "default";
	m->target = *spec->target ? in_root(run, spec->target)
				  : wh_arena_printf(run->l->a, "/run/buildkit/ssh_agent.%u", run->ssh_count);
	run->ssh_count++; /* those with a target of their own count, too */
	m->has_mode = true;
	m->mode = spec->has_mode ? spec->mode : 0600;
}

static int tree_mount(struct run *run, const struct wh_mount_spec *spec, struct wh_stage *source, struct wh_op_mount *m,
		      struct wh_err **err)
{
	m->target = in_root(run, spec->target);
	if (wh_streq(m->target, "/")) {
		wh_usage(err, "invalid mount target \"%s\"", *spec->target ? spec->target : "/");
		wh_err_hint(err, *spec->target ? "name a directory or file inside the root"
					       : "give target=PATH: where in the root it is to be seen");
		return -EINVAL;
	}
	if (spec->type == WH_MOUNT_TMPFS) {
		m->size = spec->size;
		return 0;
	}
	{
		WH_AUTO_FREE char *path = wh_path_abs_in("/", spec->source);

		m->source = wh_arena_strdup(run->l->a, path);
	}
	if (spec->type == WH_MOUNT_CACHE) {
		const char *ns = wh_env_get(&run->l->build_args, "BUILDKIT_CACHE_MOUNT_NS");
		WH_AUTO_FREE char *id = wh_path_clean(spec->target);

		m->id = *spec->id ? spec->id : wh_arena_strdup(run->l->a, id);
		if (ns && *ns)
			m->id = wh_arena_printf(run->l->a, WH_CACHE_NS "%s" WH_CACHE_NS "%s", ns, m->id);
		m->sharing = spec->sharing;
		m->has_mode = true;
		m->mode = spec->has_mode ? spec->mode : 0755;
	}
	if (source) {
		if (!source->lowered)
		{
			WH_AUTO_FREE char *word = wh_asprintf("from=%s", spec->from);

			wh_usage_word(err, word,
				      "cannot mount from stage \"%s\" to \"%s\", stage needs to be defined before "
				      "current command",
				      spec->from, spec->target);
			wh_err_hint(err, "move the stage %s above this one", spec->from);
			return -EINVAL;
		}
		m->input = add_input(run, source->state);
	} else if (spec->type == WH_MOUNT_BIND) {
		if (!*spec->from && run->l->d->literal) {
			wh_usage(err, "there is no build context to mount from");
			wh_err_hint(err, "from=IMAGE mounts from an image; --tests-dir DIR:%s a directory of this machine", spec->target);
			return -EINVAL;
		}
		m->input = add_input(run, *spec->from ? NULL : wh_local_source(run->l, "context"));
	}
	return 0;
}

static int add_mount(struct run *run, const char *text, struct wh_stage *source, struct wh_err **err)
{
	struct expander e = {run->l, run->scope};
	struct wh_mount_spec spec;
	struct wh_op_mount m = {.input = -1};
	int r = wh_mount_parse(run->l->a, text, expand_value, &e, &spec, err);

	if (r < 0)
		return r;
	m.type = spec.type;
	m.readonly = spec.readonly;
	m.required = spec.required;
	m.has_owner = spec.has_uid || spec.has_gid;
	m.uid = spec.uid;
	m.gid = spec.gid;
	switch (spec.type) {
	case WH_MOUNT_SECRET:
		r = secret_mount(run, &spec, &m, err);
		break;
	case WH_MOUNT_SSH:
		ssh_mount(run, &spec, &m);
		break;
	case WH_MOUNT_BIND:
	case WH_MOUNT_CACHE:
	case WH_MOUNT_TMPFS:
	case WH_MOUNT_FILE:
		r = tree_mount(run, &spec, source, &m, err);
		break;
	}
	if (r == 0)
		run->mounts[run->n_mounts++] = m;
	return r;
}

static int add_mounts(struct run *run, const struct wh_cmd *c, size_t first, struct wh_err **err)
{
	const char *text;
	size_t pos = 0, i = first;
	int r = 0;

	while (r == 0 && (text = wh_flag_next(c->n, "mount", &pos))) {
		r = add_mount(run, text, i < c->n_sources ? c->sources[i] : NULL, err);
		if (r < 0) {
			WH_AUTO_FREE char *whole = wh_asprintf("--mount=%s", text);

			wh_err_within(err, whole);
		}
		i++;
	}
	return r;
}

/* ---- the vertex ---- */

/* The command as progress shows it: variables filled in where they are known, quotes kept. What a secret is given as shows
 * as one. */
static const char *step_text(struct run *run, const struct wh_cmd *c)
{
	WH_AUTO_STRV struct wh_strv shown = {0};
	const struct wh_expand_opts o = {.escape = run->l->d->escape,
					 .raw_quotes = true,
					 .keep_unset = true,
					 .get = wh_scope_get,
					 .arg = &shown};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	const char *plain = wh_arena_printf(run->l->a, "%s%s", c->n->original, summary(run, c->n));
	size_t i;

	wh_strv_copy(&shown, &run->scope->env);
	for (i = 0; i < run->n_mounts; i++)
		if (run->mounts[i].env)
			wh_env_set(&shown, run->mounts[i].env, "****");
	if (run->l->d->literal || wh_expand(plain, &o, &text, NULL, NULL) < 0)
		return plain;
	return wh_arena_strdup(run->l->a, text.p ? text.p : "");
}

/* "RUN |1 FOO=x /bin/sh -c …": the ARGs that the command could see come first. */
static void add_history(struct run *run, const struct wh_strv *args, const struct wh_vertex *v)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv seen = {0};
	size_t i;

	for (i = 0; i < run->s->n_args; i++) {
		const char *value = wh_env_get(&run->s->env, run->s->args[i].name);

		wh_env_set(&seen, run->s->args[i].name, value ? value : "");
	}
	wh_buf_adds(&text, "RUN");
	if (seen.n)
		wh_buf_addf(&text, " |%zu", seen.n);
	for (i = 0; i < seen.n; i++)
		wh_buf_addf(&text, " %s", seen.v[i]);
	for (i = 0; i < args->n; i++)
		wh_buf_addf(&text, " %s", args->v[i]);
	wh_buf_adds(&text, " # buildkit");
	wh_history_add(run->l, run->s, text.p, v);
}

static enum wh_network network_of(const struct wh_lower *l, const struct wh_node *n)
{
	const char *flag = wh_flag_text(n, "network");

	if (wh_streq(flag, "none"))
		return WH_NET_NONE;
	return wh_streq(flag, "host") ? WH_NET_HOST : l->o->network;
}

/* There are none. A step that can do without (as it can unless it says "required") is run. */
static int check_devices(const struct wh_lower *l, const struct wh_node *n, struct wh_err **err)
{
	const char *text, *name;
	bool required;
	size_t pos = 0;

	while ((text = wh_flag_next(n, "device", &pos))) {
		int r = wh_device_parse(l->a, text, &name, &required, err);

		if (r < 0)
			return r;
		if (!required)
			continue;
		wh_usage(err, "the device \"%s\" is not to be had: steps run without any of the host's devices", name);
		wh_err_hint(err, "drop \"required\" if the step can do without, or build it on a machine whose builder "
				 "hands out CDI devices");
		return -ENOTSUP;
	}
	return 0;
}

static int check_allowed(const struct wh_lower *l, const struct wh_node *n, struct wh_err **err)
{
	if (wh_streq(wh_flag_text(n, "security"), "insecure") && !l->o->allow_insecure) {
		wh_usage_word(err, "--security=insecure", "entitlement security.insecure is not allowed");
		wh_err_hint(err, "grant it on the command line: --allow security.insecure");
		return -EPERM;
	}
	if (wh_streq(wh_flag_text(n, "network"), "host") && !l->o->allow_host_network && l->o->network != WH_NET_HOST) {
		wh_usage_word(err, "--network=host", "entitlement network.host is not allowed");
		wh_err_hint(err, "grant it on the command line: --allow network.host");
		return -EPERM;
	}
	return check_devices(l, n, err);
}

static const char *const *environment(struct wh_lower *l, const struct wh_stage *s)
{
	WH_AUTO_STRV struct wh_strv env = {0};

	wh_strv_copy(&env, &s->env);
	if (l->epoch && !wh_env_get(&env, "SOURCE_DATE_EPOCH"))
		wh_env_set(&env, "SOURCE_DATE_EPOCH", l->epoch);
	return wh_arena_list(l->a, &env);
}

/* Variants of one architecture are taken as they come: no emulator knows better than the machine. */
const char *wh_stage_foreign(struct wh_lower *l, const struct wh_stage *s)
{
	const struct wh_platform *p = s->platform ? s->platform : &l->target;

	if (wh_streq(p->os, l->build.os) && wh_streq(p->arch, l->build.arch))
		return NULL;
	return wh_lower_platform(l, p);
}

static int lower_command(struct run *run, const struct wh_cmd *c, size_t first_source, struct wh_op_exec *op,
			 struct wh_strv *args, struct wh_err **err)
{
	struct wh_lower *l = run->l;
	int r = check_allowed(l, c->n, err);

	if (r < 0)
		return r;
	wh_shell_args(run->s, c->n, shell_text(run, c->n), args);
	r = add_mounts(run, c, first_source, err);
	if (r < 0)
		return r;
	op->args = wh_arena_list(l->a, args);
	op->env = environment(l, run->s);
	op->proxy_env = wh_arena_list(l->a, &l->proxy);
	op->cwd = in_root(run, wh_image_text(run->s, "WorkingDir"));
	op->user = wh_arena_strdup(l->a, wh_image_text(run->s, "User"));
	op->network = network_of(l, c->n);
	op->insecure = wh_streq(wh_flag_text(c->n, "security"), "insecure");
	op->mounts = run->mounts;
	op->n_mounts = run->n_mounts;
	wh_outline_mounts(run->scope, c, op);
	op->hostname = l->o->hostname ? wh_arena_strdup(l->a, l->o->hostname) : NULL;
	op->extra_hosts = l->o->extra_hosts ? wh_arena_list(l->a, l->o->extra_hosts) : NULL;
	op->shm_size = l->o->shm_size;
	op->platform = wh_stage_foreign(l, run->s);
	op->ulimits = l->o->ulimits ? wh_arena_list(l->a, l->o->ulimits) : NULL;
	return 0;
}

/* Where the lock's versions stand for apt; nothing where the step has a mount of its own above it. */
#define PINS_TARGET "/etc/apt/preferences.d/00-whittle-lock"

static void add_pins(struct run *run, struct wh_op_exec *op)
{
	const struct wh_lower_opts *o = run->l->o;
	const char *text = NULL;
	size_t i;

	for (i = 0; i < op->n_mounts; i++) {
		size_t n = op->mounts[i].target ? strlen(op->mounts[i].target) : 0;

		if (n && strncmp(op->mounts[i].target, PINS_TARGET, n) == 0 && (PINS_TARGET[n] == '/' || !PINS_TARGET[n]))
			return;
	}
	if (o->pins_of)
		text = o->pins_of(o->pins_arg, wh_stage_title(run->l, run->s), wh_lower_platform(run->l, &run->l->target));
	if (!text)
		return;
	run->mounts[run->n_mounts++] = (struct wh_op_mount){
		.type = WH_MOUNT_FILE,
		.input = -1,
		.target = PINS_TARGET,
		.readonly = true,
		.has_mode = true,
		.mode = 0644,
		.data = wh_arena_strdup(run->l->a, text),
		.data_len = strlen(text),
	};
	op->n_mounts = run->n_mounts;
}

static void begin(struct run *run, struct wh_lower *l, struct wh_stage *s, struct wh_stage *scope,
		  const struct wh_cmd *c, size_t more)
{
	*run = (struct run){.l = l, .s = s, .scope = scope};
	run->mounts = wh_arena_alloc(l->a, (c->n_sources + 2) * sizeof(*run->mounts));
	run->inputs = wh_arena_alloc(l->a, (c->n_sources + more) * sizeof(struct wh_vertex *));
}

int wh_exec_lower(struct wh_lower *l, struct wh_exec_parts *p, struct wh_op_exec *op, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv args = {0};
	struct run run;
	size_t i;
	int r;

	begin(&run, l, p->root, p->scope, p->cmd, p->n_first);
	for (i = 0; i < p->n_first; i++)
		add_input(&run, p->first[i]);
	r = lower_command(&run, p->cmd, p->skip, op, &args, err);
	p->inputs = run.inputs;
	p->n_inputs = run.n_inputs;
	if (r == 0)
		p->text = step_text(&run, p->cmd);
	return r;
}

int wh_lower_run(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct wh_op_exec *op = wh_arena_alloc(l->a, sizeof(*op));
	WH_AUTO_STRV struct wh_strv args = {0};
	struct wh_vertex v = {.kind = WH_OP_EXEC, .op.exec = op, .pos = c->pos, .stage = s->name};
	struct run run;
	int r;

	begin(&run, l, s, s, c, 1);
	add_input(&run, s->state);
	r = lower_command(&run, c, 0, op, &args, err);
	if (r < 0)
		return r;
	add_pins(&run, op);
	v.inputs = run.inputs;
	v.n_inputs = run.n_inputs;
	v.no_cache = s->no_cache;
	v.pos.user_from = s->user_from;
	v.pos.shell_from = c->n->json ? NULL : s->shell_from;
	v.name = wh_step_name(l, s, c, step_text(&run, c));
	wh_step_place(l, s, c, &v);
	s->state = wh_graph_add(l->g, &v);
	add_history(&run, &args, s->state);
	return 0;
}
