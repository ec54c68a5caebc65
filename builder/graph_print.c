/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph for people and programs. Every vertex is first a JSON object; text shows its fields, a line each, and dot
 * the graph's shape. Strings come from Dockerfiles: what is no UTF-8 is U+FFFD, and no control character leaves this
 * file as it is.
 *
 *   {"version": 1,
 *    "vertices": [{"index": 0, "id": "sha256:…", "kind": "exec", "name": "…", "stage": "build", "file": "Dockerfile",
 *                  "line": 3, "last_line": 4, "inputs": [2, null], "op": {…}}],
 *    "targets": [{"stage": "build", "vertex": 5}]}
 *
 * inputs are indexes, null is the empty tree; op has the fields of builder/graph.h's structure, those that say nothing
 * left out.
 */
#include "base/rune.h"
#include "builder/graph.h"

#define LABEL_MAX 120 /* characters of a name in a picture */

/* ---- strings ---- */

static bool good_rune(uint32_t r, size_t width)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	return r < 0x110000 && r >= least[width] && (r < 0xd800 || r >= 0xe000);
}

static void add_utf8(struct wh_buf *out, const char *s, size_t n)
{
	size_t w;

	for (; n; s += w, n -= w) {
		uint32_t r = wh_rune(s, n, &w);

		if (good_rune(r, w))
			wh_buf_add(out, s, w);
		else
			wh_buf_adds(out, "\xef\xbf\xbd");
	}
}

static json_t *stringn(const char *s, size_t n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	add_utf8(&text, s, n);
	return json_stringn(text.p ? text.p : "", text.n);
}

static void set_text(json_t *o, const char *key, const char *s)
{
	if (s && *s)
		json_object_set_new(o, key, stringn(s, strlen(s)));
}

static void set_list(json_t *o, const char *key, const char *const *list)
{
	json_t *array;

	if (!list || !*list)
		return;
	array = json_array();
	for (; *list; list++)
		json_array_append_new(array, stringn(*list, strlen(*list)));
	json_object_set_new(o, key, array);
}

static void set_true(json_t *o, const char *key, bool value)
{
	if (value)
		json_object_set_new(o, key, json_true());
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	if (n)
		json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void set_array(json_t *o, const char *key, json_t *array)
{
	if (json_array_size(array))
		json_object_set_new(o, key, array);
	else
		json_decref(array);
}

static void set_data(json_t *o, const char *key, const char *data, size_t n)
{
	if (data)
		json_object_set_new(o, key, stringn(data, n));
}

/* ---- operations ---- */

static const char *kind_name(enum wh_op_kind k)
{
	switch (k) {
	case WH_OP_SOURCE:
		return "source";
	case WH_OP_EXEC:
		return "exec";
	case WH_OP_FILE:
		return "file";
	case WH_OP_MERGE:
		return "merge";
	case WH_OP_DIFF:
		return "diff";
	case WH_OP_PROFILE:
		return "profile";
	case WH_OP_PRUNE:
		return "prune";
	case WH_OP_PROVE:
		return "prove";
	}
	return "?";
}

static void source_fields(json_t *o, const struct wh_op_source *s)
{
	set_text(o, "ref", s->ref);
	set_text(o, "platform", s->platform);
	set_list(o, "ignore", s->ignore);
	set_text(o, "filename", s->filename);
	set_text(o, "checksum", s->checksum);
	set_text(o, "git_ref", s->git_ref);
	set_text(o, "git_subdir", s->git_subdir);
	set_true(o, "keep_git_dir", s->keep_git_dir);
	set_true(o, "git_submodules", s->git_submodules);
}

static json_t *mount_json(const struct wh_op_mount *m)
{
	static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh", "file"};
	static const char *const sharing[] = {"shared", "private", "locked"};
	json_t *o = json_object();

	set_text(o, "type", types[m->type]);
	set_text(o, "target", m->target);
	if ((m->type == WH_MOUNT_BIND || m->type == WH_MOUNT_CACHE) && m->input >= 0)
		json_object_set_new(o, "input", json_integer(m->input));
	set_text(o, "source", m->source);
	set_true(o, "readonly", m->readonly);
	set_text(o, "id", m->id);
	if (m->type == WH_MOUNT_CACHE)
		set_text(o, "sharing", sharing[m->sharing]);
	set_true(o, "required", m->required);
	set_text(o, "env", m->env);
	set_number(o, "size", m->size);
	if (m->has_mode)
		json_object_set_new(o, "mode", json_sprintf("%04o", m->mode));
	if (m->has_owner)
		json_object_set_new(o, "owner", json_sprintf("%u:%u", m->uid, m->gid));
	if (m->type == WH_MOUNT_FILE)
		set_data(o, "data", m->data, m->data_len);
	return o;
}

static void exec_fields(json_t *o, const struct wh_op_exec *e)
{
	json_t *mounts = json_array();

	set_list(o, "args", e->args);
	set_text(o, "cwd", e->cwd);
	set_text(o, "user", e->user);
	set_list(o, "env", e->env);
	set_list(o, "proxy_env", e->proxy_env);
	for (size_t i = 0; i < e->n_mounts; i++)
		json_array_append_new(mounts, mount_json(&e->mounts[i]));
	set_array(o, "mounts", mounts);
	set_text(o, "network", e->network == WH_NET_NONE ? "none" : e->network == WH_NET_HOST ? "host" : NULL);
	set_true(o, "insecure", e->insecure);
	set_text(o, "platform", e->platform);
	set_text(o, "hostname", e->hostname);
	set_list(o, "extra_hosts", e->extra_hosts);
	set_number(o, "shm_size", e->shm_size);
}

static json_t *action_json(const struct wh_file_action *a)
{
	static const char *const kinds[] = {"copy", "mkfile", "mkdir", "rm", "symlink"};
	json_t *o = json_object();

	set_text(o, "kind", kinds[a->kind]);
	if (a->kind == WH_FILE_COPY) {
		json_object_set_new(o, "input", json_integer(a->input));
		set_list(o, "srcs", a->srcs);
		set_list(o, "exclude", a->exclude);
		set_true(o, "no_glob", a->no_glob);
		set_true(o, "parents", a->parents);
		set_true(o, "unpack", a->unpack);
	}
	set_text(o, "path", a->path);
	set_text(o, "chown", a->chown);
	set_text(o, "chmod", a->chmod);
	set_true(o, "make_parents", a->make_parents);
	set_true(o, "missing_ok", a->missing_ok);
	if (a->kind == WH_FILE_MKFILE || a->kind == WH_FILE_SYMLINK)
		set_data(o, "data", a->data, a->data_len);
	return o;
}

static void file_fields(json_t *o, const struct wh_op_file *f)
{
	json_t *actions = json_array();

	for (size_t i = 0; i < f->n_actions; i++)
		json_array_append_new(actions, action_json(&f->actions[i]));
	set_array(o, "actions", actions);
}

static json_t *ready_json(const struct wh_ready *r)
{
	static const char *const kinds[] = {"tcp", "http", "log", "file", "delay"};
	json_t *o = json_object();

	set_text(o, "kind", kinds[r->kind]);
	set_number(o, "port", r->port);
	set_text(o, "text", r->text);
	set_number(o, "ns", r->ns);
	return o;
}

static void profile_fields(json_t *o, const struct wh_op_profile *p)
{
	json_t *app = json_object(), *driver = json_object(), *ready = json_array();

	set_list(app, "entrypoint", p->app.entrypoint);
	set_list(app, "cmd", p->app.cmd);
	set_list(app, "start", p->app.start);
	set_text(app, "cwd", p->app.cwd);
	set_text(app, "user", p->app.user);
	set_list(app, "env", p->app.env);
	set_text(app, "stop_signal", p->app.stop_signal);
	set_list(app, "health", p->app.health);
	json_object_set_new(o, "app", app);
	set_true(o, "manual", p->manual);
	for (size_t i = 0; i < p->n_ready; i++)
		json_array_append_new(ready, ready_json(&p->ready[i]));
	set_array(o, "ready", ready);
	set_list(o, "share", p->share);
	set_text(o, "lock", p->lock);
	exec_fields(driver, &p->driver);
	json_object_set_new(o, "driver", driver);
	set_number(o, "timeout_ns", p->timeout_ns);
	set_number(o, "runs", p->runs);
	set_text(o, "platform", p->platform);
}

static void prune_fields(json_t *o, const struct wh_op_prune *p)
{
	set_list(o, "keep", p->keep);
	set_list(o, "drop", p->drop);
	set_true(o, "package_mode", p->package_mode);
	set_true(o, "keep_shell", p->keep_shell);
	set_true(o, "keep_setid", p->keep_setid);
	set_list(o, "setid", p->setid);
	set_number(o, "repair", p->repair);
	if (p->max_risk != WH_NO_LIMIT)
		set_number(o, "max_risk", p->max_risk);
}

static json_t *op_json(const struct wh_vertex *v)
{
	json_t *o = json_object();

	switch (v->kind) {
	case WH_OP_SOURCE:
		source_fields(o, v->op.source);
		break;
	case WH_OP_EXEC:
		exec_fields(o, v->op.exec);
		break;
	case WH_OP_FILE:
		file_fields(o, v->op.file);
		break;
	case WH_OP_PROFILE:
		profile_fields(o, v->op.profile);
		break;
	case WH_OP_PRUNE:
		prune_fields(o, v->op.prune);
		break;
	case WH_OP_PROVE:
		set_text(o, "platform", v->op.prove->platform);
		break;
	case WH_OP_MERGE:
	case WH_OP_DIFF:
		break;
	}
	return o;
}

/* ---- JSON ---- */

static json_t *vertex_json(const struct wh_vertex *v)
{
	json_t *o = json_object(), *inputs = json_array();
	char id[WH_DIGEST_TEXT];

	json_object_set_new(o, "index", json_integer((json_int_t)v->index));
	(void)wh_digest_text(&v->id, id);
	set_text(o, "id", id);
	set_text(o, "kind", kind_name(v->kind));
	set_text(o, "name", v->name);
	set_text(o, "stage", v->stage);
	set_text(o, "file", v->pos.file);
	set_number(o, "line", v->pos.line);
	set_number(o, "last_line", v->pos.last_line);
	set_true(o, "no_cache", v->no_cache);
	for (size_t i = 0; i < v->n_inputs; i++)
		json_array_append_new(inputs,
				      v->inputs[i] ? json_integer((json_int_t)v->inputs[i]->index) : json_null());
	json_object_set_new(o, "inputs", inputs);
	json_object_set_new(o, "op", op_json(v));
	return o;
}

static void print_json(const struct wh_graph *g, const struct wh_target *targets, size_t n, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *doc = json_object();
	json_t *vertices = json_array(), *list = json_array();
	char *text;

	for (size_t i = 0; i < wh_graph_count(g); i++)
		json_array_append_new(vertices, vertex_json(wh_graph_at(g, i)));
	for (size_t i = 0; i < n; i++) {
		json_t *t = json_object();

		set_text(t, "stage", targets[i].stage);
		json_object_set_new(t, "vertex",
				    targets[i].state ? json_integer((json_int_t)targets[i].state->index) : json_null());
		json_array_append_new(list, t);
	}
	json_object_set_new(doc, "version", json_integer(1));
	json_object_set_new(doc, "vertices", vertices);
	json_object_set_new(doc, "targets", list);
	text = json_dumps(doc, JSON_INDENT(2));
	wh_buf_adds(out, text);
	wh_buf_addc(out, '\n');
	free(text);
}

/* ---- text ---- */

/* One line, whatever is in it. */
static void add_line(struct wh_buf *out, const char *s)
{
	size_t n = strlen(s), w;

	for (; n; s += w, n -= w) {
		uint32_t r = wh_rune(s, n, &w);

		if (r == '\n')
			wh_buf_adds(out, "\\n");
		else if (r == '\t')
			wh_buf_adds(out, "\\t");
		else if (r < 0x20 || (r >= 0x7f && r < 0xa0))
			wh_buf_addf(out, "\\u%04x", r);
		else if (good_rune(r, w))
			wh_buf_add(out, s, w);
		else
			wh_buf_adds(out, "\xef\xbf\xbd");
	}
}

static void add_field(struct wh_buf *out, const char *key, const json_t *value)
{
	size_t i;
	json_t *item;
	char *text;

	if (json_is_array(value) && json_is_object(json_array_get(value, 0))) { /* mounts, actions: a line each */
		json_array_foreach (value, i, item)
			add_field(out, key, item);
		return;
	}
	wh_buf_addf(out, "    %-10s ", key);
	text = json_is_string(value) ? wh_strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
	add_line(out, text);
	wh_buf_addc(out, '\n');
	free(text);
}

static void add_place(struct wh_buf *out, const struct wh_pos *p)
{
	if (!p->file || !p->line)
		return;
	wh_buf_adds(out, "    at         ");
	add_line(out, p->file);
	wh_buf_addf(out, ":%u", p->line);
	if (p->last_line > p->line)
		wh_buf_addf(out, "-%u", p->last_line);
	wh_buf_addc(out, '\n');
}

static void add_vertex(struct wh_buf *out, const struct wh_vertex *v)
{
	WH_AUTO_JSON json_t *op = op_json(v);
	const char *key;
	json_t *value;

	wh_buf_addf(out, "#%zu %s ", v->index, kind_name(v->kind));
	add_line(out, v->name ? v->name : "");
	wh_buf_addc(out, '\n');
	add_place(out, &v->pos);
	if (v->stage) {
		wh_buf_adds(out, "    stage      ");
		add_line(out, v->stage);
		wh_buf_addc(out, '\n');
	}
	if (v->n_inputs) {
		wh_buf_adds(out, "    inputs    ");
		for (size_t i = 0; i < v->n_inputs; i++) {
			if (v->inputs[i])
				wh_buf_addf(out, " #%zu", v->inputs[i]->index);
			else
				wh_buf_adds(out, " scratch");
		}
		wh_buf_addc(out, '\n');
	}
	json_object_foreach (op, key, value)
		add_field(out, key, value);
	wh_buf_addc(out, '\n');
}

static void print_text(const struct wh_graph *g, const struct wh_target *targets, size_t n, struct wh_buf *out)
{
	for (size_t i = 0; i < wh_graph_count(g); i++)
		add_vertex(out, wh_graph_at(g, i));
	for (size_t i = 0; i < n; i++) {
		wh_buf_adds(out, "stage ");
		add_line(out, targets[i].stage);
		if (targets[i].state)
			wh_buf_addf(out, " is #%zu\n", targets[i].state->index);
		else
			wh_buf_adds(out, " is scratch\n");
	}
}

/* ---- dot ---- */

static void add_label(struct wh_buf *out, const char *s)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;
	size_t chars = 0, left, w;
	const char *p;

	add_line(&line, s);
	for (p = line.p ? line.p : "", left = line.n; left; p += w, left -= w) {
		(void)wh_rune(p, left, &w);
		if (++chars > LABEL_MAX) {
			wh_buf_adds(out, "…");
			return;
		}
		if (*p == '"' || *p == '\\')
			wh_buf_addc(out, '\\');
		wh_buf_add(out, p, w);
	}
}

static const char *shape(enum wh_op_kind k)
{
	return k == WH_OP_SOURCE ? "ellipse" : k == WH_OP_EXEC || k == WH_OP_PROFILE ? "box" : "note";
}

static void print_dot(const struct wh_graph *g, const struct wh_target *targets, size_t n, struct wh_buf *out)
{
	wh_buf_adds(out, "digraph whittle {\n\tnode [fontname=\"sans-serif\"];\n");
	for (size_t i = 0; i < wh_graph_count(g); i++) {
		const struct wh_vertex *v = wh_graph_at(g, i);

		wh_buf_addf(out, "\tv%zu [shape=%s, label=\"", i, shape(v->kind));
		add_label(out, v->name ? v->name : "");
		if (v->pos.file && v->pos.line) {
			wh_buf_adds(out, "\\n");
			add_label(out, v->pos.file);
			wh_buf_addf(out, ":%u", v->pos.line);
		}
		wh_buf_adds(out, "\"];\n");
		for (size_t k = 0; k < v->n_inputs; k++)
			if (v->inputs[k])
				wh_buf_addf(out, "\tv%zu -> v%zu%s;\n", v->inputs[k]->index, i,
					    k ? " [style=dashed]" : "");
	}
	for (size_t i = 0; i < n; i++) {
		wh_buf_addf(out, "\tt%zu [shape=plaintext, label=\"", i);
		add_label(out, targets[i].stage);
		wh_buf_adds(out, "\"];\n");
		if (targets[i].state)
			wh_buf_addf(out, "\tv%zu -> t%zu [arrowhead=none];\n", targets[i].state->index, i);
	}
	wh_buf_adds(out, "}\n");
}

void wh_graph_print(const struct wh_graph *g, const struct wh_target *targets, size_t n, enum wh_graph_format format,
		    struct wh_buf *out)
{
	switch (format) {
	case WH_GRAPH_TEXT:
		print_text(g, targets, n, out);
		return;
	case WH_GRAPH_DOT:
		print_dot(g, targets, n, out);
		return;
	case WH_GRAPH_JSON:
		print_json(g, targets, n, out);
		return;
	}
}
