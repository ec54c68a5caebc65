/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lock.h"

#include <errno.h>

#define LOCK_MAX ((size_t)64 << 20)
#define DOC_MAX ((size_t)64 << 20)
#define LAYOUT "oci-layout://"
#define DOCKER "docker-image://"

static int anew(const struct wh_locking *l, struct wh_err **err)
{
	wh_err_hint(err, "if that is meant, whittle build --lock %s writes the lock anew", l->spec->lock);
	return -EBADMSG;
}

/* ---------------------------------------------------------------- the file */

int wh_locking_open(struct wh_locking *l, struct wh_err **err)
{
	const char *path = l->spec->lock;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r;

	if (!l->spec->locked)
		return l->spec->lock ? wh_cli_write_check(l->spec->lock, "the lock", err) : 0;
	r = wh_read_regular(AT_FDCWD, path, LOCK_MAX, &text);
	if (r == -EINVAL)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--locked: %s is no regular file", path);
	if (r == -ENOENT) {
		wh_err_set(err, "cli", WH_ERR_USAGE, ENOENT, "--locked: there is no lock \"%s\"", path);
		wh_err_hint(err, "whittle build --lock %s writes it", path);
		return r;
	}
	if (r == -EFBIG)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EFBIG, "%s: more than %zu MiB are no lock", path, LOCK_MAX >> 20);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the lock \"%s\"", path);
	return wh_lock_parse(text.n ? text.p : "", text.n, path, &l->lock, err);
}

void wh_locking_close(struct wh_locking *l)
{
	wh_lock_release(&l->lock);
	wh_lock_release(&l->now);
	wh_strv_release(&l->pins);
	free(l->stage_of);
	*l = (struct wh_locking){0};
}

/* ---------------------------------------------------------------- bases */

/* As it is written: the name of the context that stands for it, else the image's own. malloc'ed. */
static char *base_name(const struct wh_locking *l, const char *ref)
{
	const char *name = wh_has_prefix(ref, DOCKER) ? ref + strlen(DOCKER) : ref;

	for (size_t i = 0; i < l->spec->n_contexts; i++)
		if (wh_streq(l->spec->contexts[i].ref, ref))
			return wh_strdup(l->spec->contexts[i].name);
	return wh_strdup(name);
}

static const char *digest_of(const char *pinned)
{
	const char *at = strrchr(pinned, '@');

	return at && wh_has_prefix(at + 1, "sha256:") ? at + 1 : NULL;
}

/* "oci-layout://DIR[:TAG]" in its parts; both malloc'ed, tag perhaps NULL. */
static char *layout_dir(const char *ref, char **ret_tag)
{
	char *dir = wh_strndup(ref + strlen(LAYOUT), strcspn(ref + strlen(LAYOUT), "@")), *slash = strrchr(dir, '/');
	char *colon = strrchr(slash ? slash : dir, ':');

	*ret_tag = NULL;
	if (colon) {
		*ret_tag = wh_strdup(colon + 1);
		*colon = '\0';
	}
	return dir;
}

/* What the name leads to on this machine, without asking anybody. */
static bool is_here(const struct wh_locking *l, const char *ref, const char *platform, struct wh_digest *ret)
{
	struct wh_image image = {0};
	struct wh_platform p;
	int r;

	wh_platform_host(&p);
	if (digest_of(ref) || (platform && wh_platform_parse(platform, NULL, &p, NULL) < 0))
		return false;
	if (wh_has_prefix(ref, LAYOUT)) {
		WH_AUTO_FREE char *tag = NULL, *dir = layout_dir(ref, &tag);

		r = wh_image_from_layout(l->store, dir, tag, NULL, &p, &image, NULL);
	} else {
		r = wh_image_from_store(l->store, ref + strlen(DOCKER), &p, &image, NULL);
	}
	if (r < 0)
		return false;
	*ret = image.manifest;
	wh_image_release(&image);
	return true;
}

static char *with_digest(const char *ref, const char *digest)
{
	const char *at = digest_of(ref);

	if (wh_has_prefix(ref, LAYOUT)) { /* the tag may lead elsewhere by now */
		WH_AUTO_FREE char *tag = NULL, *dir = layout_dir(ref, &tag);

		return wh_asprintf("%s%s@%s", LAYOUT, dir, digest);
	}
	return wh_asprintf("%.*s@%s", at ? (int)(at - 1 - ref) : (int)strlen(ref), ref, digest);
}

static int resolve_locked(struct wh_locking *l, const char *ref, const char *name, const char *platform, char **ret_pinned,
			  json_t **ret_config, struct wh_err **err)
{
	const struct wh_lock_source *base = wh_lock_find(&l->lock, WH_LOCK_BASES, name, platform ? platform : "");
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_FREE char *pinned = NULL;
	char text[WH_DIGEST_TEXT];
	struct wh_digest here;
	bool is = is_here(l, ref, platform, &here);
	int r;

	if (!base) {
		wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the lock has no base of this name for %s", platform);
		return anew(l, err);
	}
	if (digest_of(ref) && !wh_streq(digest_of(ref), base->digest)) {
		wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the lock has %s", base->digest);
		return anew(l, err);
	}
	is = is && wh_streq(wh_digest_text(&here, text), base->digest);
	pinned = is ? wh_strdup(ref) : with_digest(ref, base->digest);
	r = l->images->resolve(l->images->arg, pinned, platform, ret_pinned, ret_config, &why);
	if (r < 0) {
		wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "the lock has %s, which is not to be had: %s", base->digest,
			   why ? why->msg : strerror(-r));
		return anew(l, err);
	}
	if (!is && !wh_lock_find(&l->now, WH_LOCK_BASES, name, platform ? platform : "") && is_here(l, ref, platform, &here))
		wh_progress_warn(l->progress, "%s is %s by now; the lock's %s is taken", name, wh_digest_text(&here, text),
				 base->digest);
	return 0;
}

static int resolve(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config, struct wh_err **err)
{
	struct wh_locking *l = arg;
	WH_AUTO_FREE char *name = base_name(l, ref);
	int r;

	if (l->spec->locked)
		r = resolve_locked(l, ref, name, platform, ret_pinned, ret_config, err);
	else
		r = l->images->resolve(l->images->arg, ref, platform, ret_pinned, ret_config, err);
	if (r == 0 && digest_of(*ret_pinned))
		wh_lock_add(&l->now, WH_LOCK_BASES, name, platform ? platform : "", digest_of(*ret_pinned));
	return r;
}

const struct wh_image_resolver *wh_locking_resolver(struct wh_locking *l, const struct wh_image_resolver *images)
{
	l->images = images;
	l->resolver = (struct wh_image_resolver){.arg = l, .resolve = resolve};
	return &l->resolver;
}

/* ---------------------------------------------------------------- URLs and repositories */

/* As the lock has it: without user and password. malloc'ed. */
static char *source_name(const json_t *request, enum wh_lock_list *ret_list, const char **ret_ref)
{
	const char *url = wh_json_str(request, "url"), *remote = wh_json_str(request, "remote");

	*ret_list = url ? WH_LOCK_URLS : WH_LOCK_REPOSITORIES;
	*ret_ref = url ? NULL : wh_json_str(request, "ref");
	return wh_remote_shown(url ? url : remote ? remote : "");
}

static int not_locked(const struct wh_locking *l, const char *name, const char *ref, struct wh_err **err)
{
	wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%s%s%s is not in the lock", name, ref ? " " : "", ref ? ref : "");
	return anew(l, err);
}

/* What the Dockerfile pins itself is asked for as it says, and compared at the end. A wh_fetch_fn. */
static int fetch(void *arg, const json_t *request, const _Atomic bool *cancel, json_t **ret_reply, struct wh_err **err)
{
	struct wh_locking *l = arg;
	enum wh_lock_list list;
	const char *ref;
	WH_AUTO_FREE char *name = source_name(request, &list, &ref);
	const struct wh_lock_source *s = wh_lock_find(&l->lock, list, name, ref);
	WH_AUTO_JSON json_t *q = json_deep_copy(request);
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r;

	if (!s)
		return not_locked(l, name, ref, err);
	if (!json_object_get(q, "checksum")) {
		json_object_set_new(q, "checksum", json_string(s->digest));
		if (list == WH_LOCK_REPOSITORIES)
			json_object_set_new(q, "by_commit", json_true());
	}
	if (wh_remote_at_hand(l->store, q, ret_reply))
		return 0;
	r = l->fetch(l->fetch_arg, q, cancel, ret_reply, &why);
	if (r == -EBADMSG) {
		why->class = WH_ERR_GATE;
		wh_err_wrap(&why, "the lock has another one");
		anew(l, &why);
	}
	wh_err_move(err, &why);
	return r;
}

/* ---------------------------------------------------------------- packages of steps */

const char *wh_locking_pins(void *locking, const char *stage, const char *platform)
{
	struct wh_locking *l = locking;
	const struct wh_lock_stage *s = wh_lock_find_stage(&l->lock, stage, platform);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (s)
		wh_lock_pins(s, &text);
	if (!text.n)
		return NULL;
	wh_strv_add(&l->pins, text.p);
	return l->pins.v[l->pins.n - 1];
}

/* The vertices of a stage, from its end down to what it stands on. */
static struct wh_vertex *below(const struct wh_stage_tree *t, const struct wh_vertex *v)
{
	return v == t->begin || !v->n_inputs || v->kind == WH_OP_SOURCE ? NULL : v->inputs[0];
}

void wh_locking_begin(struct wh_locking *l, const struct wh_graph *g, const struct wh_target *targets, size_t n)
{
	l->n_stage_of = wh_graph_count(g);
	l->stage_of = wh_calloc(l->n_stage_of + 1, sizeof(struct wh_lock_stage *));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < targets[i].n_stages; k++) {
			const struct wh_stage_tree *t = &targets[i].stages[k];
			const struct wh_lock_stage *s = wh_lock_find_stage(&l->lock, t->name, targets[i].platform);

			for (const struct wh_vertex *v = t->state; v && v != t->begin; v = below(t, v))
				if (!l->stage_of[v->index])
					l->stage_of[v->index] = s;
		}
	}
}

static int differs(const struct wh_locking *l, const struct wh_strv *lines, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (!lines->n)
		return 0;
	for (size_t i = 0; i < lines->n; i++)
		wh_buf_addf(&text, "%s\n", lines->v[i]);
	wh_err_set(err, "cli", WH_ERR_GATE, EBADMSG, "%zu %s not as the lock %s says", lines->n,
		   lines->n == 1 ? "thing is" : "things are", l->spec->lock);
	wh_err_detail(err, text.p);
	return anew(l, err);
}

/* A step that unpacked what it should not has failed: nothing of it stays in the cache. */
static int judge(void *arg, const struct wh_vertex *v, const json_t *seen, struct wh_err **err)
{
	static const struct wh_lock_stage nothing = {.name = NULL};
	const struct wh_locking *l = arg;
	const struct wh_lock_stage *s = v->index < l->n_stage_of ? l->stage_of[v->index] : NULL;
	struct wh_lock_stage unknown = nothing;
	WH_AUTO_STRV struct wh_strv lines = {0};
	char name[] = "?";

	unknown.name = name;
	wh_lock_compare_seen(s ? s : &unknown, json_object_get(seen, "debs"), &lines);
	return differs(l, &lines, err);
}

void wh_locking_opts(struct wh_locking *l, struct wh_builder_opts *o)
{
	o->seen.wanted = true;
	if (!l->spec->locked)
		return;
	o->seen.judge = judge;
	o->seen.arg = l;
	l->fetch = o->fetch;
	l->fetch_arg = o->fetch_arg;
	o->fetch = fetch;
	o->fetch_arg = l;
}

/* apt's words for a version that nobody offers any longer. */
static bool not_offered(const char *log, const char *name)
{
	WH_AUTO_FREE char *a = wh_asprintf("Package '%s' has no installation candidate", name);
	WH_AUTO_FREE char *b = wh_asprintf("Package %s is not available, but is referred to", name);
	WH_AUTO_FREE char *c = wh_asprintf(" %s but it is not installable", name);
	WH_AUTO_FREE char *d = wh_asprintf("Unable to locate package %s\n", name);

	return strstr(log, a) || strstr(log, b) || strstr(log, c) || strstr(log, d);
}

void wh_locking_failed(const struct wh_locking *l, struct wh_err **err)
{
	const char *log = *err ? (*err)->detail : NULL;

	if (!l->spec->locked || !log || (*err)->class != WH_ERR_BUILD)
		return;
	for (size_t i = 0; i < l->lock.n_stages; i++) {
		const struct wh_lock_stage *s = &l->lock.stages[i];

		for (size_t k = 0; k < s->n; k++) {
			if (!wh_streq(s->v[k].type, "deb") || !not_offered(log, s->v[k].name))
				continue;
			wh_err_wrap(err, "the lock has %s %s, which the package sources offer no longer", s->v[k].name,
				    s->v[k].version);
			(*err)->class = WH_ERR_GATE;
			anew(l, err);
			return;
		}
	}
}

/* ---------------------------------------------------------------- what a build took */

struct trees { /* packages by tree: what one stage ends with the next begins with */
	struct known {
		struct wh_digest tree;
		struct wh_packages packages;
	} * *v;
	size_t n, cap;
};

static void trees_release(struct trees *t)
{
	for (size_t i = 0; i < t->n; i++) {
		wh_packages_release(&t->v[i]->packages);
		free(t->v[i]);
	}
	free(t->v);
}

/* *ret NULL: a tree of nothing. */
static int packages_of(struct wh_locking *l, struct trees *known, const struct wh_outcome *o, const struct wh_packages **ret,
		       struct wh_err **err)
{
	struct wh_packages p = {0};
	struct wh_tree *t = NULL;
	struct known *one;
	int r;

	*ret = NULL;
	if (!o || !o->n_layers)
		return 0;
	for (size_t i = 0; i < known->n; i++) {
		if (wh_digest_eq(&known->v[i]->tree, &o->tree)) {
			*ret = &known->v[i]->packages;
			return 0;
		}
	}
	r = wh_tree_open(l->store, o->layers, o->n_layers, &t, err);
	if (r < 0)
		return r;
	r = wh_packages_read(t, &p, err);
	wh_tree_close(t);
	if (r < 0)
		return r;
	one = wh_calloc(1, sizeof(*one));
	*one = (struct known){o->tree, p};
	WH_PUSH(known->v, known->n, known->cap) = one;
	*ret = &one->packages;
	return 0;
}

static const char *type_of(enum wh_package_kind k)
{
	return k == WH_PKG_DEB ? "deb" : k == WH_PKG_PYPI ? "pypi" : "npm";
}

static bool has_package(const struct wh_packages *list, const char *type, const char *name, const char *version, const char *arch)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (wh_streq(list->v[i].name, name) && wh_streq(list->v[i].version, version) &&
		    wh_streq(list->v[i].arch, arch) && wh_streq(type_of(list->v[i].kind), type))
			return true;
	return false;
}

static bool is_listed(const struct wh_lock_stage *s, const struct wh_lock_package *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (wh_streq(s->v[i].name, p->name) && wh_streq(s->v[i].version, p->version) &&
		    wh_streq(s->v[i].arch, p->arch) && wh_streq(s->v[i].type, p->type) &&
		    (!p->digest || wh_streq(s->v[i].digest, p->digest)))
			return true;
	return false;
}

static void add_package(struct wh_lock_stage *s, const struct wh_lock_package *p)
{
	if (!is_listed(s, p))
		wh_lock_add_package(s, p);
}

/* The archives that a stage's steps unpacked, with what became of them. */
static int add_seen(struct wh_locking *l, struct wh_lock_stage *s, const struct wh_outcome *o, const struct wh_packages *after,
		    struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_JSON json_t *doc = NULL;
	const json_t *d;
	size_t i;
	int r;

	if (o->v->kind != WH_OP_EXEC || wh_digest_is_zero(&o->doc))
		return 0;
	r = wh_blob_read(l->store, &o->doc, DOC_MAX, &text, err);
	if (r == 0)
		r = wh_json_parse(text.p, text.n, "the record of a step", &doc, err);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(doc, "debs"), i, d) {
		const char *name = wh_json_str(d, "name"), *version = wh_json_str(d, "version"), *arch = wh_json_str(d, "arch");
		const char *hex = wh_json_str(d, "sha256");
		WH_AUTO_FREE char *type = wh_strdup("deb"), *n = wh_strdup(name), *v = wh_strdup(version), *a = wh_strdup(arch);
		WH_AUTO_FREE char *digest = hex ? wh_asprintf("sha256:%s", hex) : NULL;

		if (name && version && arch)
			add_package(s, &(struct wh_lock_package){
					       .type = type, .name = n, .version = v, .arch = a, .digest = digest,
					       .removed = !has_package(after, "deb", name, version, arch)});
	}
	return 0;
}

static int collect_stage(struct wh_locking *l, struct trees *known, const struct wh_outcomes *o, const struct wh_stage_tree *t,
			 const char *platform, struct wh_err **err)
{
	const struct wh_vertex *end = t->state, *v;
	const struct wh_packages *before = NULL, *after = NULL;
	struct wh_lock_stage *s;
	int r;

	if (end && !wh_outcomes_find(o, end))
		return 0; /* nothing of it was asked for */
	s = wh_lock_add_stage(&l->now, t->name, platform);
	/* What was installed, and not what a PRUNE left of it. */
	for (v = end; v && v != t->begin; v = below(t, v))
		if (v->kind == WH_OP_PRUNE)
			end = v->inputs[0];
	r = packages_of(l, known, wh_outcomes_find(o, t->begin), &before, err);
	if (r == 0)
		r = packages_of(l, known, wh_outcomes_find(o, end), &after, err);
	for (v = end; r == 0 && v && v != t->begin; v = below(t, v)) {
		const struct wh_outcome *one = wh_outcomes_find(o, v);

		if (one)
			r = add_seen(l, s, one, after, err);
	}
	for (size_t i = 0; r == 0 && after && i < after->n; i++) {
		const struct wh_package *p = &after->v[i];
		WH_AUTO_FREE char *type = wh_strdup(type_of(p->kind));

		if (!has_package(before, type, p->name, p->version, p->arch))
			add_package(s, &(struct wh_lock_package){
					       .type = type, .name = p->name, .version = p->version, .arch = p->arch,
					       .digest = p->digest});
	}
	return r;
}

/* Of what was asked of nobody, too. */
static void collect_sources(struct wh_locking *l, const struct wh_outcomes *o)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct wh_outcome *one = &o->v[i];
		const struct wh_op_source *s = one->v->kind == WH_OP_SOURCE ? one->v->op.source : NULL;
		bool git = s && wh_has_prefix(s->ref, "git:");

		if (s && one->fetched) {
			WH_AUTO_FREE char *name = wh_remote_shown(git ? s->ref + strlen("git:") : s->ref);

			wh_lock_add(&l->now, git ? WH_LOCK_REPOSITORIES : WH_LOCK_URLS, name, git ? s->git_ref : NULL,
				    one->fetched);
		}
	}
}

static int write_lock(struct wh_locking *l, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_lock_print(&l->now, &text);
	if (!wh_buf_ok(&text))
		return wh_err_sys(err, "cli", WH_ERR_ENV, EFBIG, "write the lock to \"%s\"", l->spec->lock);
	return wh_cli_write_file(l->spec->lock, text.p, text.n, "the lock", err);
}

static int collect(struct wh_locking *l, const struct wh_outcomes *o, const struct wh_target *targets, size_t n,
		   struct wh_err **err)
{
	WH_CLEANUP(trees_release) struct trees known = {0};
	int r = wh_inner_enter(l->inner, err); /* files of layers are read, which may have to be unpacked */

	collect_sources(l, o);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < targets[i].n_stages && r == 0; k++)
			r = collect_stage(l, &known, o, &targets[i].stages[k], targets[i].platform, err);
	return r;
}

int wh_locking_end(struct wh_locking *l, const struct wh_outcomes *o, const struct wh_target *targets, size_t n, struct wh_err **err)
{
	unsigned id = wh_progress_begin(l->progress, "[lock] %s %s", l->spec->locked ? "compare with" : "write", l->spec->lock);
	WH_AUTO_STRV struct wh_strv lines = {0};
	WH_AUTO_ERR struct wh_err *e = NULL;
	int r = collect(l, o, targets, n, &e);

	if (r == 0 && l->spec->locked) {
		wh_lock_compare(&l->lock, &l->now, &lines);
		r = differs(l, &lines, &e);
	} else if (r == 0) {
		r = write_lock(l, &e);
	}
	wh_progress_end(l->progress, id, e);
	wh_err_move(err, &e);
	return r;
}
