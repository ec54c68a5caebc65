/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache keys.
 *
 * A projection is what of an operation can change its result, and nothing
 * else, in a form in which equal meanings are equal bytes:
 *
 *   in        arguments, environment (as a set), directory, user, network kind, host name, privileges,
 *             mounts with targets, sources, ids, modes, owners and the bytes of small files; all of a file action;
 *             SOURCE_DATE_EPOCH, because layers are clamped to it; --reproducible with the version of its rules
 *   not in    names and positions, proxies, extra hosts, sizes of /dev/shm and tmpfs, whether a secret must
 *             exist, how a cache mount is shared, ignore patterns (what they leave is in the selection)
 *
 * PROFILE: the application, how it is started and seen to be ready, what is shared, the driver like an EXEC, how often;
 * not how long it may take. PRUNE: globs, modes, the image's config, how often it may be repaired. Both: the version of
 * what observes (and of the rules). PRUNE's further inputs count by their profiles' documents.
 *
 * Change what is projected, or how an operation works, and SCHEMA must change.
 */
#include "builder/builder_private.h"
#include "harden/harden.h"

#define SCHEMA 3

static void start(struct wh_buf *b, const char *what)
{
	wh_buf_u32(b, SCHEMA);
	wh_buf_lstr(b, what);
}

static void end(struct wh_buf *b, struct wh_digest *ret)
{
	wh_digest_of(b->p, b->n, ret);
	wh_buf_release(b);
}

static void add_digest(struct wh_buf *b, const struct wh_digest *d)
{
	wh_buf_add(b, d->b, sizeof(d->b));
}

/* ---------------------------------------------------------------- what is projected, said in both ways */

/*
 * The bytes of a key, or its facts: name → text, for people. One walk makes both, so that nothing can be in a key and
 * have no name. Values of variables and bytes of files are told by digest alone.
 */
struct out {
	struct wh_buf *key;
	json_t *facts;      /* NULL: only the key is wanted */
	const char *prefix; /* of the facts' names: "test's ", or "" */
};

#define TEXT_SHOWN 400 /* bytes; what is longer is cut, and told apart by digest */

static void fact(struct out *o, const char *name, const char *text)
{
	WH_AUTO_FREE char *full = NULL, *cut = NULL;
	size_t n = strlen(text);
	json_t *value = NULL;

	if (!o->facts)
		return;
	full = wh_asprintf("%s%s", o->prefix, name);
	if (n <= TEXT_SHOWN)
		value = json_string(text);
	if (!value) { /* long, or not UTF-8 */
		struct wh_digest d;
		char hex[65];

		wh_digest_of(text, n, &d);
		n = n < TEXT_SHOWN ? n : TEXT_SHOWN;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--; /* no character is cut in two */
		cut = wh_asprintf("%.*s… (%.16s)", (int)n, text, wh_digest_hex(&d, hex));
		value = json_string(cut);
		if (!value)
			value = json_string(hex);
	}
	/* An invalid name loses its fact, not the key. */
	json_object_set_new(o->facts, full, value);
}

static void fact_digest(struct out *o, const char *name, const char *p, size_t n)
{
	struct wh_digest d;
	char hex[65];

	if (!o->facts)
		return;
	wh_digest_of(n ? p : "", n, &d);
	wh_digest_hex(&d, hex)[16] = '\0';
	fact(o, name, hex);
}

static void add_text(struct out *o, const char *name, const char *s)
{
	wh_buf_lstr(o->key, s);
	if (s && *s)
		fact(o, name, s);
}

static void add_flag(struct out *o, const char *name, bool b)
{
	wh_buf_u8(o->key, b);
	if (b)
		fact(o, name, "yes");
}

static void add_number(struct out *o, const char *name, uint64_t v, size_t bytes)
{
	char text[24];

	if (bytes == 1)
		wh_buf_u8(o->key, (uint8_t)v);
	else if (bytes == 4)
		wh_buf_u32(o->key, (uint32_t)v);
	else
		wh_buf_u64(o->key, v);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	if (v)
		fact(o, name, text);
}

/* Bytes by digest: a key's input stays small, and NULs are no matter. */
static void add_data(struct out *o, const char *name, const char *p, size_t n)
{
	struct wh_digest d;

	wh_digest_of(n ? p : "", n, &d);
	wh_buf_u64(o->key, n);
	add_digest(o->key, &d);
	fact_digest(o, name, p, n);
}

/* As a shell would want it, so that what was split otherwise looks otherwise. */
static void add_quoted(struct wh_buf *b, const char *word)
{
	if (*word && !word[strcspn(word, " \t\n'\"")]) {
		wh_buf_adds(b, word);
		return;
	}
	wh_buf_addc(b, '\'');
	for (; *word; word++)
		if (*word == '\'')
			wh_buf_adds(b, "'\\''");
		else
			wh_buf_addc(b, *word);
	wh_buf_addc(b, '\'');
}

static void add_list(struct out *o, const char *name, const char *const *v)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i, n = 0;

	while (v && v[n])
		n++;
	wh_buf_u32(o->key, v ? (uint32_t)n : UINT32_MAX);
	for (i = 0; i < n; i++)
		wh_buf_lstr(o->key, v[i]);
	if (!o->facts || !v)
		return;
	for (i = 0; i < n; i++) {
		wh_buf_adds(&text, i ? " " : "");
		add_quoted(&text, v[i]);
	}
	fact(o, name, text.n ? text.p : "(nothing)");
}

/* The last value of a name counts; sorted, as programs look variables up by name. */
static void add_env(struct out *o, const char *const *env)
{
	WH_AUTO_STRV struct wh_strv set = {0};
	size_t i;

	for (i = 0; env && env[i]; i++) {
		const char *eq = strchr(env[i], '=');
		WH_AUTO_FREE char *name = eq ? wh_strndup(env[i], (size_t)(eq - env[i])) : NULL;

		if (name)
			wh_env_set(&set, name, eq + 1);
		else
			wh_strv_add(&set, env[i]);
	}
	wh_strv_sort(&set);
	wh_buf_u32(o->key, (uint32_t)set.n);
	for (i = 0; i < set.n; i++) {
		wh_buf_lstr(o->key, set.v[i]);
		if (o->facts) {
			size_t n = strcspn(set.v[i], "=");
			WH_AUTO_FREE char *name = wh_asprintf("ENV %.*s", (int)n, set.v[i]);

			fact_digest(o, name, set.v[i] + n, strlen(set.v[i] + n));
		}
	}
}

/* ---------------------------------------------------------------- operations */

static void add_mount_kind(struct out *o, const struct wh_op_mount *m)
{
	switch (m->type) {
	case WH_MOUNT_BIND:
		add_text(o, "source", m->source);
		add_flag(o, "readonly", m->readonly);
		break;
	case WH_MOUNT_CACHE:
		add_text(o, "source", m->source);
		add_text(o, "id", m->id);
		add_flag(o, "readonly", m->readonly);
		break;
	case WH_MOUNT_SECRET:
		add_text(o, "id", m->id);
		add_text(o, "env", m->env);
		break;
	case WH_MOUNT_SSH:
		add_text(o, "id", m->id);
		break;
	case WH_MOUNT_FILE:
		add_data(o, "text", m->data, m->data_len);
		break;
	case WH_MOUNT_TMPFS:
		break;
	}
}

static void add_mount(struct out *out, const struct wh_op_mount *m)
{
	static const char *const types[] = {
		[WH_MOUNT_BIND] = "bind",     [WH_MOUNT_CACHE] = "cache", [WH_MOUNT_TMPFS] = "tmpfs",
		[WH_MOUNT_SECRET] = "secret", [WH_MOUNT_SSH] = "ssh",     [WH_MOUNT_FILE] = "file",
	};
	WH_AUTO_FREE char *prefix = out->facts ? wh_asprintf("%smount %s: ", out->prefix,
							     m->target ? m->target
							     : m->env  ? m->env
								       : "?")
					       : NULL;
	struct out o = {out->key, out->facts, prefix};

	wh_buf_u8(o.key, (uint8_t)m->type);
	if (o.facts)
		fact(&o, "type", types[m->type]);
	wh_buf_lstr(o.key, m->target);
	wh_buf_u32(o.key, (uint32_t)m->input);
	if (o.facts && (m->type == WH_MOUNT_BIND || m->type == WH_MOUNT_CACHE)) {
		char text[16];

		snprintf(text, sizeof(text), "%d", m->input);
		fact(&o, "from", text);
	}
	add_mount_kind(&o, m);
	wh_buf_u8(o.key, m->has_mode);
	wh_buf_u32(o.key, m->has_mode ? m->mode : 0);
	wh_buf_u8(o.key, m->has_owner);
	wh_buf_u32(o.key, m->has_owner ? m->uid : 0);
	wh_buf_u32(o.key, m->has_owner ? m->gid : 0);
	if (o.facts) {
		char text[40];

		snprintf(text, sizeof(text), "%04o", m->mode);
		if (m->has_mode)
			fact(&o, "mode", text);
		snprintf(text, sizeof(text), "%u:%u", m->uid, m->gid);
		if (m->has_owner)
			fact(&o, "owner", text);
	}
}

static void add_exec(struct out *o, const struct wh_op_exec *x)
{
	static const char *const networks[] = {
		[WH_NET_DEFAULT] = "default", [WH_NET_NONE] = "none", [WH_NET_HOST] = "host"};
	size_t i;

	add_list(o, "command", x->args);
	add_env(o, x->env);
	add_text(o, "working directory", x->cwd);
	wh_buf_lstr(o->key, x->user ? x->user : "");
	fact(o, "user", x->user && *x->user ? x->user : "root");
	wh_buf_u8(o->key, (uint8_t)x->network);
	fact(o, "network", networks[x->network]);
	add_flag(o, "--security=insecure", x->insecure);
	add_text(o, "host name", x->hostname);
	wh_buf_u32(o->key, (uint32_t)x->n_mounts);
	for (i = 0; i < x->n_mounts; i++)
		add_mount(o, &x->mounts[i]);
}

static void add_action(struct out *out, const struct wh_file_action *a, size_t i)
{
	static const char *const kinds[] = {
		[WH_FILE_COPY] = "copy", [WH_FILE_MKFILE] = "a file",     [WH_FILE_MKDIR] = "a directory",
		[WH_FILE_RM] = "remove", [WH_FILE_SYMLINK] = "a symlink",
	};
	WH_AUTO_FREE char *prefix = i ? wh_asprintf("%ssource %zu: ", out->prefix, i + 1) : wh_strdup(out->prefix);
	struct out o = {out->key, out->facts, prefix};

	wh_buf_u8(o.key, (uint8_t)a->kind);
	fact(&o, "kind", kinds[a->kind]);
	add_text(&o, "destination", a->path);
	add_text(&o, "--chown", a->chown);
	add_text(&o, "--chmod", a->chmod);
	switch (a->kind) {
	case WH_FILE_COPY:
		wh_buf_u32(o.key, (uint32_t)a->input);
		add_list(&o, "source", a->srcs);
		add_list(&o, "--exclude", a->exclude);
		add_flag(&o, "names taken as they stand", a->no_glob);
		add_flag(&o, "--parents", a->parents);
		add_number(&o, "--unpack", (uint8_t)(a->unpack ? 1 + a->unpack_all : 0), 1);
		add_flag(&o, "content only", a->contents_only);
		break;
	case WH_FILE_MKFILE:
	case WH_FILE_SYMLINK:
		add_data(&o, "text", a->data, a->data_len);
		break;
	case WH_FILE_MKDIR:
		add_flag(&o, "with parents", a->make_parents);
		break;
	case WH_FILE_RM:
		add_flag(&o, "may be missing", a->missing_ok);
		add_flag(&o, "names taken as they stand", a->no_glob);
		break;
	}
}

static void add_app(struct out *o, const struct wh_op_app *a)
{
	add_list(o, "ENTRYPOINT", a->entrypoint);
	add_list(o, "CMD", a->cmd);
	add_list(o, "--start", a->start);
	add_env(o, a->env);
	add_text(o, "working directory", a->cwd);
	wh_buf_lstr(o->key, a->user ? a->user : "");
	fact(o, "user", a->user && *a->user ? a->user : "root");
	add_text(o, "STOPSIGNAL", a->stop_signal);
	add_list(o, "HEALTHCHECK", a->health);
	add_number(o, "HEALTHCHECK's timeout", a->health_timeout_ns, 8);
	add_number(o, "HEALTHCHECK's interval", a->health_interval_ns, 8);
	add_number(o, "HEALTHCHECK's retries", a->health_retries, 4);
}

static void add_profile(struct out *o, const struct wh_op_profile *p)
{
	struct out app = {o->key, o->facts, "application's "}, driver = {o->key, o->facts, "test's "};
	size_t i;

	add_number(o, "observer's version", WH_OBSERVER_VERSION, 4);
	add_number(o, "rules' version", WH_RULES_VERSION, 4); /* what a log says of a tree is a matter of rules, too */
	add_app(&app, &p->app);
	add_flag(o, "--start=manual", p->manual);
	wh_buf_u32(o->key, (uint32_t)p->n_ready);
	for (i = 0; i < p->n_ready; i++) {
		WH_AUTO_FREE char *prefix = wh_asprintf("--ready %zu: ", i + 1);
		struct out ready = {o->key, o->facts, prefix};

		add_number(&ready, "kind", p->ready[i].kind, 1);
		add_number(&ready, "port", p->ready[i].port, 4);
		add_text(&ready, "text", p->ready[i].text);
		add_number(&ready, "delay", p->ready[i].ns, 8);
	}
	add_list(o, "--share", p->share);
	add_exec(&driver, &p->driver);
	add_number(o, "--runs", p->runs, 4);
}

static void add_prune(struct out *o, const struct wh_op_prune *p)
{
	add_number(o, "observer's version", WH_OBSERVER_VERSION, 4);
	add_number(o, "rules' version", WH_RULES_VERSION, 4);
	add_number(o, "closure rules", wh_rules_sum(), 8);
	add_list(o, "--keep", p->keep);
	add_list(o, "--drop", p->drop);
	add_flag(o, "--mode=package", p->package_mode);
	add_flag(o, "--shell=keep", p->keep_shell);
	add_flag(o, "--setuid=keep", p->keep_setid);
	add_list(o, "--setuid", p->setid);
	add_number(o, "--repair", p->repair, 4);
	if (p->max_risk != WH_NO_LIMIT)
		add_number(o, "--max-risk", p->max_risk, 4);
	if (p->profiles_in)
		add_list(o, "--profile-in", p->profiles_in);
	wh_buf_lstr(o->key, p->config);
	fact_digest(o, "image's config", p->config, p->config ? strlen(p->config) : 0);
}

static void add_prove(struct out *o, const struct wh_op_prove *p)
{
	add_number(o, "observer's version", WH_OBSERVER_VERSION, 4);
	add_number(o, "privileges' version", WH_PRIVILEGES_VERSION, 4);
	add_number(o, "proof's version", WH_PROVE_VERSION, 4);
	wh_buf_lstr(o->key, p->platform);
	/* Of what is emulated nothing is proven, and another machine may do better. */
	wh_buf_addc(o->key, wh_foreign_native(p->platform) ? 'n' : 'e');
	add_list(o, "--profile-in", p->profiles_in);
	wh_buf_lstr(o->key, p->config);
	fact_digest(o, "image's config", p->config, p->config ? strlen(p->config) : 0);
}

static void project(struct out *o, const struct wh_vertex *v, const struct wh_layer_opts *layer)
{
	struct wh_digest rules;
	char text[24];
	size_t i;

	wh_buf_u8(o->key, (uint8_t)v->kind);
	wh_buf_u64(o->key, (uint64_t)layer->epoch);
	snprintf(text, sizeof(text), "%lld", (long long)layer->epoch);
	if (layer->epoch != INT64_MAX)
		fact(o, "SOURCE_DATE_EPOCH", text);
	add_flag(o, "--reproducible", layer->reproducible);
	if (layer->reproducible) {
		wh_normal_version(&rules);
		add_digest(o->key, &rules);
		fact_digest(o, "rules of --reproducible", (const char *)rules.b, sizeof(rules.b));
	}
	wh_buf_u32(o->key, (uint32_t)v->n_inputs);
	switch (v->kind) {
	case WH_OP_EXEC:
		add_exec(o, v->op.exec);
		break;
	case WH_OP_FILE:
		wh_buf_u32(o->key, (uint32_t)v->op.file->n_actions);
		for (i = 0; i < v->op.file->n_actions; i++)
			add_action(o, &v->op.file->actions[i], i);
		break;
	case WH_OP_PROFILE:
		add_profile(o, v->op.profile);
		break;
	case WH_OP_PRUNE:
		add_prune(o, v->op.prune);
		break;
	case WH_OP_PROVE:
		add_prove(o, v->op.prove);
		break;
	case WH_OP_SOURCE:
	case WH_OP_MERGE:
	case WH_OP_DIFF:
		break;
	}
}

void wh_op_key(const struct wh_vertex *v, const struct wh_layer_opts *layer, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	struct out o = {.key = &b, .prefix = ""};

	start(&b, "op");
	project(&o, v, layer);
	end(&b, ret);
}

json_t *wh_op_facts(const struct wh_vertex *v, const struct wh_layer_opts *layer)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct out o = {.key = &b, .facts = json_object(), .prefix = ""};

	project(&o, v, layer);
	return o.facts;
}

/* ---------------------------------------------------------------- trees, and keys from all that */

void wh_tree_key(const struct wh_layer *layers, size_t n, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	size_t i;

	start(&b, "tree");
	wh_buf_u64(&b, n);
	for (i = 0; i < n; i++)
		add_digest(&b, &layers[i].diff_id);
	end(&b, ret);
}

void wh_file_base_key(const struct wh_digest *tree, int64_t base_time, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "file base");
	add_digest(&b, tree);
	wh_buf_u64(&b, (uint64_t)base_time);
	end(&b, ret);
}

bool wh_fast_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *const *others,
		 size_t n_others, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;
	size_t i;

	for (i = 0; i < n_others; i++)
		if (!others[i])
			return false;
	start(&b, "fast");
	add_digest(&b, op);
	add_digest(&b, base);
	wh_buf_u64(&b, n_others);
	for (i = 0; i < n_others; i++)
		add_digest(&b, others[i]);
	end(&b, ret);
	return true;
}

void wh_content_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *selection,
		    struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "content");
	add_digest(&b, op);
	add_digest(&b, base);
	add_digest(&b, selection);
	end(&b, ret);
}

void wh_profile_key(const struct wh_key_parts *k, const struct wh_digest *doc, struct wh_digest *ret)
{
	struct wh_buf b = WH_BUF_INIT;

	start(&b, "profile");
	/* Which of the two it has is a matter of its inputs, not of how it was found. */
	wh_buf_u8(&b, k->has_fast);
	add_digest(&b, k->has_fast ? &k->fast : &k->content);
	add_digest(&b, doc);
	end(&b, ret);
}
