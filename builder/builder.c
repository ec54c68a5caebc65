/* SPDX-License-Identifier: Apache-2.0 */
/* The builder object: what it knows of locals and images, and how it comes to life on the first miss. */
#include "builder/builder_private.h"

#include <errno.h>
#include <unistd.h>

/* ---------------------------------------------------------------- events */

void wh_builder_event(struct wh_builder *b, const struct wh_event *e)
{
	if (b->o.event)
		b->o.event(b->o.event_arg, e);
}

void wh_builder_notice(struct wh_builder *b, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_builder_event(b, &(struct wh_event){.kind = WH_EV_NOTICE, .text = text.p});
}

static void cache_notice(void *arg, const char *text)
{
	wh_builder_notice(arg, "%s", text);
}

/* ---------------------------------------------------------------- images */

#define LAYOUT "oci-layout://"
#define DOCKER "docker-image://"

/* "oci-layout://DIR[:TAG][@DIGEST]", "docker-image://NAME[@DIGEST]": what stands before the digest, and the digest. */
struct image_ref {
	bool layout;
	char *name; /* directory, or image name */
	char *tag;  /* layouts; NULL: none */
	bool pinned;
	struct wh_digest digest;
};

static void ref_release(struct image_ref *r)
{
	free(r->name);
	free(r->tag);
}

static int ref_parse(const char *text, struct image_ref *ret, struct wh_err **err)
{
	struct image_ref r = {.layout = wh_has_prefix(text, LAYOUT)};
	const char *body = text, *at;
	char *colon;

	if (r.layout)
		body += strlen(LAYOUT);
	else if (wh_has_prefix(text, DOCKER))
		body += strlen(DOCKER);
	else
		return wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL, "%s: not a reference to an image", text);
	at = strrchr(body, '@');
	if (at && wh_has_prefix(at + 1, "sha256:")) {
		if (!wh_digest_parse(at + 1, &r.digest))
			return wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL, "%s: bad digest", text);
		r.pinned = true;
		r.name = wh_strndup(body, (size_t)(at - body));
	} else {
		r.name = wh_strdup(body);
	}
	if (r.layout) {
		colon = strrchr(wh_path_base(r.name), ':');
		if (colon) {
			*colon = '\0';
			r.tag = wh_strdup(colon + 1);
		}
		if (r.name[0] != '/') {
			ref_release(&r);
			return wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL,
					  "%s: the directory must be an absolute path", text);
		}
	}
	*ret = r;
	return 0;
}

/* The store has no such image: a registry may. */
static int pull(struct wh_builder *b, const struct image_ref *r, const char *platform, const struct wh_platform *p,
		struct wh_image *ret, struct wh_err **err)
{
	char digest[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *ref = NULL;
	struct wh_digest got;
	int e;

	ref = r->pinned ? wh_asprintf("%s@%s", r->name, wh_digest_text(&r->digest, digest)) : wh_strdup(r->name);
	e = b->o.pull(b->o.pull_arg, ref, platform, &got, err);
	return e < 0 ? e : wh_image_from_store(b->o.store, wh_digest_text(&got, digest), p, ret, err);
}

static bool lone_image(struct wh_builder *b, const struct image_ref *r, struct wh_image *ret)
{
	struct wh_image image = {0};
	int e = r->pinned   ? -EINVAL
		: r->layout ? wh_image_all_from_layout(b->o.store, r->name, r->tag, NULL, &image, NULL)
			    : wh_image_all_from_store(b->o.store, r->name, &image, NULL);

	if (e == 0 && !wh_image_is_index(&image)) {
		*ret = image;
		return true;
	}
	wh_image_release(&image);
	return false;
}

/* What a name means now is its registry's to say, and nobody else's. */
static int pull_first(struct wh_builder *b, const struct image_ref *r, const char *platform, const struct wh_platform *p,
		      struct wh_image *ret, struct wh_err **err)
{
	struct wh_image mine = {0};
	int e = pull(b, r, platform, p, ret, err);

	if (e < 0 && e != -ECANCELED && wh_image_all_from_store(b->o.store, r->name, &mine, NULL) == 0) {
		wh_err_hint(err, "the store has an image of this name; without --pull it is used");
		wh_image_release(&mine);
	}
	return e;
}

static int load(struct wh_builder *b, const struct image_ref *r, const char *platform, struct wh_image *ret,
		struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *missing = NULL;
	char digest[WH_DIGEST_TEXT];
	struct wh_platform p;
	int e;

	wh_platform_host(&p);
	if (platform && (e = wh_platform_parse(platform, NULL, &p, err)) < 0)
		return e;
	if (b->o.pull_always && b->o.pull && !r->layout && !r->pinned)
		return pull_first(b, r, platform, &p, ret, err);
	if (r->layout)
		e = wh_image_from_layout(b->o.store, r->name, r->tag, r->pinned ? &r->digest : NULL, &p, ret, &missing);
	else
		e = wh_image_from_store(b->o.store, r->pinned ? wh_digest_text(&r->digest, digest) : r->name, &p, ret,
					&missing);
	if (e == -ENOENT && !r->layout && b->o.pull) {
		wh_err_freep(&missing);
		e = pull(b, r, platform, &p, ret, &missing);
	}
	/* An image that is in no index is taken for what it is; the frontend says when that is not what was asked for. */
	if (e < 0 && lone_image(b, r, ret))
		return 0;
	wh_err_move(err, &missing);
	return e;
}

/* Takes image. */
static const struct wh_image_memo *remember(struct wh_builder *b, const char *asked, const char *pinned,
					    const char *platform, struct wh_image *image)
{
	struct wh_image_memo *m = wh_calloc(1, sizeof(*m));

	m->ref = wh_strdup(pinned);
	m->asked = wh_strdup(asked);
	m->platform = wh_strdup(platform);
	m->image = *image;
	WH_PUSH(b->images, b->n_images, b->cap_images) = m;
	return m;
}

static const struct wh_image_memo *recall(const struct wh_builder *b, const char *text, const char *platform)
{
	size_t i;

	for (i = 0; i < b->n_images; i++)
		if ((!strcmp(b->images[i]->ref, text) || wh_streq(b->images[i]->asked, text)) &&
		    wh_streq(b->images[i]->platform, platform))
			return b->images[i];
	return NULL;
}

static int resolve(void *arg, const char *text, const char *platform, char **ret_pinned, json_t **ret_config,
		   struct wh_err **err)
{
	struct wh_builder *b = arg;
	WH_AUTO_FREE char *pinned = NULL;
	char digest[WH_DIGEST_TEXT];
	const struct wh_image_memo *known = recall(b, text, platform);
	struct image_ref r = {0};
	struct wh_image image = {0};
	int e;

	if (!known) {
		e = ref_parse(text, &r, err);
		if (e < 0)
			return e;
		e = load(b, &r, platform, &image, err);
		if (e < 0) {
			ref_release(&r);
			return e;
		}
		/* What was asked by a pinned index keeps that digest: the platform picks the same manifest again. */
		if (r.pinned)
			pinned = wh_strdup(text);
		else
			pinned = wh_asprintf("%s%s%s%s@%s", r.layout ? LAYOUT : DOCKER, r.name, r.tag ? ":" : "",
					     r.tag ? r.tag : "", wh_digest_text(&image.manifest, digest));
		ref_release(&r);
		known = remember(b, text, pinned, platform, &image);
	}
	*ret_config = json_incref(known->image.config);
	*ret_pinned = wh_strdup(known->ref);
	return 0;
}

int wh_builder_source_image(struct wh_builder *b, const char *text, const char *platform, const struct wh_image **ret,
			    struct wh_err **err)
{
	const struct wh_image_memo *known = recall(b, text, platform);
	struct wh_image image = {0};
	struct image_ref r = {0};
	int e;

	if (!known) {
		e = ref_parse(text, &r, err);
		if (e < 0)
			return e;
		e = load(b, &r, platform, &image, err);
		ref_release(&r);
		if (e < 0)
			return e;
		known = remember(b, NULL, text, platform, &image);
	}
	*ret = &known->image;
	return 0;
}

const struct wh_image_resolver *wh_builder_resolver(struct wh_builder *b)
{
	return &b->resolver;
}

void wh_builder_set_epoch(struct wh_builder *b, int64_t epoch)
{
	b->o.layer.epoch = epoch;
}

/* ---------------------------------------------------------------- life */

int wh_builder_local(const struct wh_builder *b, const char *name, const char **ret_path, struct wh_local_attrs *ret_attrs,
		     const struct wh_layer **ret_layer)
{
	size_t i;

	for (i = 0; i < b->local_names.n; i++) {
		const struct wh_layer *layer = &b->local_layers[i];

		if (strcmp(b->local_names.v[i], name) != 0)
			continue;
		*ret_layer = wh_digest_is_zero(&layer->blob) ? NULL : layer;
		*ret_path = *ret_layer ? NULL : b->local_paths.v[i];
		*ret_attrs = b->local_attrs[i];
		return 0;
	}
	return -ENOENT;
}

int wh_builder_new(const struct wh_builder_opts *o, struct wh_builder **ret, struct wh_err **err)
{
	struct wh_builder *b = wh_calloc(1, sizeof(*b));
	unsigned cpus = wh_cpu_count();
	size_t i;
	int r;

	b->o = *o;
	b->local_layers = wh_calloc(o->n_locals + 1, sizeof(*b->local_layers));
	b->local_attrs = wh_calloc(o->n_locals + 1, sizeof(*b->local_attrs));
	for (i = 0; i < o->n_locals; i++) {
		wh_strv_add(&b->local_names, o->locals[i].name);
		wh_strv_add(&b->local_paths, o->locals[i].path ? o->locals[i].path : "");
		b->local_attrs[i] =
			(struct wh_local_attrs){.has_umask = o->locals[i].has_umask, .umask = o->locals[i].umask};
		if (o->locals[i].layer)
			wh_layer_copy(&b->local_layers[i], o->locals[i].layer);
	}
	b->o.layer.cancel = &b->cancel;
	wh_store_set_cancel(o->store, &b->cancel);
	b->import_off = wh_calloc(o->n_imports + 1, sizeof(bool));
	b->o.locals = NULL; /* copied: only the copies are used */
	for (i = 0; o->protect && o->protect[i]; i++)
		wh_strv_add(&b->protect, o->protect[i]);
	b->o.protect = b->protect.n ? (const char *const *)b->protect.v : NULL;
	b->ssh = o->ssh;
	b->n_ssh = o->n_ssh;
	b->slots = o->jobs ? o->jobs : cpus < 4 ? 4 : cpus;
	b->resolver = (struct wh_image_resolver){.arg = b, .resolve = resolve};
	b->loop = wh_loop_new();
	b->pool = wh_pool_new(b->loop, cpus < 4 ? 4 : cpus); /* jobs also wait for the disk */
	r = wh_cache_open(o->store, cache_notice, b, &b->cache, err);
	if (r < 0) {
		wh_builder_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void wh_builder_free(struct wh_builder *b)
{
	size_t i;

	if (!b)
		return;
	/* Steps first: jobs may wait for nothing that a step holds, but nodes belong to both. */
	if (b->launcher)
		wh_launcher_free(b->launcher);
	wh_pool_free(b->pool);
	wh_builder_free_nodes(b);
	wh_loop_free(b->loop);
	wh_cache_close(b->cache);
	wh_host_release(&b->host);
	wh_builder_platforms_free(b);
	for (i = 0; i < b->n_images; i++) {
		wh_image_release(&b->images[i]->image);
		free(b->images[i]->ref);
		free(b->images[i]->asked);
		free(b->images[i]->platform);
		free(b->images[i]);
	}
	free(b->images);
	for (i = 0; i < b->n_made; i++)
		wh_record_release(&b->made[i]);
	free(b->made);
	free(b->touched);
	wh_imports_release(b);
	wh_store_set_cancel(b->o.store, NULL);
	for (i = 0; i < b->local_names.n; i++)
		wh_layer_release(&b->local_layers[i]);
	free(b->local_layers);
	free(b->local_attrs);
	wh_strv_release(&b->local_names);
	wh_strv_release(&b->local_paths);
	wh_strv_release(&b->protect);
	wh_err_free(b->fail);
	wh_err_free(b->no_sandbox);
	free(b);
}

void wh_result_release(struct wh_result *r)
{
	size_t i;

	for (i = 0; i < r->n_layers; i++)
		wh_layer_release(&r->layers[i]);
	free(r->layers);
	*r = (struct wh_result){0};
}

/* ---------------------------------------------------------------- coming to life */

static int choose_snapshotter(struct wh_builder *b, struct wh_err **err)
{
	const char *why = b->host.overlay_why ? b->host.overlay_why : "the probe failed";

	switch (b->o.snapshotter) {
	case WH_SNAPSHOT_COPY:
		b->snapshotter = WH_SNAP_COPY;
		return 0;
	case WH_SNAPSHOT_OVERLAY:
		if (!b->host.overlay) {
			wh_err_set(err, "builder", WH_ERR_ENV, ENOTSUP, "overlay file systems do not work here: %s",
				   why);
			wh_err_hint(err, "leave the choice to whittle: it copies where overlay is refused");
			return -ENOTSUP;
		}
		break;
	case WH_SNAPSHOT_AUTO:
		if (!b->host.overlay) {
			b->snapshotter = WH_SNAP_COPY;
			wh_builder_notice(
				b, "overlay file systems do not work here (%s): every step gets a copy of its root",
				why);
			return 0;
		}
		break;
	}
	b->snapshotter = WH_SNAP_OVERLAY;
	return 0;
}

static void choose_network(struct wh_builder *b)
{
	bool user = b->host.tun && (b->host.pasta || b->host.slirp4netns);

	switch (b->o.network) {
	case WH_NETCHOICE_USER:
		b->net = WH_SANDBOX_NET_USER;
		return;
	case WH_NETCHOICE_HOST:
		b->net = WH_SANDBOX_NET_HOST;
		return;
	case WH_NETCHOICE_NONE:
		b->net = WH_SANDBOX_NET_NONE;
		return;
	case WH_NETCHOICE_AUTO:
		b->net = user ? WH_SANDBOX_NET_USER : WH_SANDBOX_NET_HOST;
		return;
	}
}

static int refuse_steps(const struct wh_builder *b, struct wh_err **err)
{
	const struct wh_err *why = b->no_sandbox;

	wh_err_set(err, why->domain, why->class, why->sys, "%s", why->msg);
	if (why->hint)
		wh_err_hint(err, "%s", why->hint);
	if (why->detail && err)
		wh_err_detail(err, why->detail);
	return why->sys ? -why->sys : -EPERM;
}

/* What holds for every step of this build and makes it other than elsewhere is told once. */
static void tell_limits(struct wh_builder *b)
{
	const struct wh_err *few = wh_inner_few_ids(b->o.inner);
	uint32_t ids = wh_inner_id_count(b->o.inner);

	if (few && ids == 1)
		wh_builder_notice(b, "only one user id here (%s): programs that change users or owners will fail; mend: %s", few->msg,
				  few->hint ? few->hint : "see whittle doctor");
	else if (few)
		wh_builder_notice(b, "only %u user ids here (%s): programs that use others will fail; mend: %s", ids, few->msg,
				  few->hint ? few->hint : "see whittle doctor");
	if (b->host.proc == WH_PROC_BOUND) {
		wh_builder_notice(b, "this container's /proc is masked, so the kernel allows no new one: steps run one at a time and see this "
				     "container's, read-only, with the names and command lines of its processes; mend: start the container "
				     "with --security-opt systempaths=unconfined");
		b->slots = 1;
	}
	if (b->snapshotter == WH_SNAP_COPY && b->host.nosuid)
		wh_builder_notice(b, "the store's file system is mounted nosuid: set-id programs have no effect in copied roots");
	if (b->host.hostname_error)
		wh_builder_notice(b, "steps have this container's hostname: its seccomp profile allows no other");
}

static int start_launcher(struct wh_builder *b, struct wh_err **err)
{
	int r = wh_launcher_start(b->o.inner, b->loop, &b->launcher, err);

	if (r < 0)
		return r;
	b->foreign = wh_foreign_new();
	b->entered = true;
	return 0;
}

/* The host, with the store's file system; in the user namespace. */
static int probe(struct wh_store *s, struct wh_host *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/probe", wh_store_tmp_path(s));
	int tmp = wh_store_tmp_dirfd(s), r = wh_mkdir_p(tmp, "probe", 0700);
	WH_AUTO_FD int fd = -1;

	if (r == 0)
		/* By its path: the store's descriptors are of the mount namespace that was left, where nothing can be mounted. */
		r = fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "make %s", path);
	r = wh_host_probe(fd, path, ret, err);
	wh_rm_rf(tmp, "probe");
	return r;
}

int wh_builder_probe(struct wh_inner *i, struct wh_store *s, struct wh_host *ret, struct wh_err **err)
{
	int r = wh_inner_enter(i, err);

	if (r < 0)
		return r;
	if (wh_inner_isolation(i) == WH_ISOLATION_CHROOT) /* where nothing is mounted */
		return wh_chroot_try_devices(wh_store_tmp_dirfd(s), err);
	return probe(s, ret, err);
}

int wh_builder_enter(struct wh_builder *b, bool steps, struct wh_err **err)
{
	int r;

	if (b->entered)
		return steps && b->no_sandbox ? refuse_steps(b, err) : 0;
	if (!b->o.inner) { /* a caller that only moves files (tests): no steps, the threads run as we are */
		b->entered = true;
		return 0;
	}
	r = wh_inner_enter(b->o.inner, &b->no_sandbox);
	if (r < 0) {
		/* Files go from the context into layers without it. */
		b->entered = true;
		return steps || wh_inner_lost(b->o.inner) ? refuse_steps(b, err) : 0;
	}
	/* What dead processes left, with files of subordinate ids: here they can be removed. */
	r = wh_store_sweep(b->o.store, err);
	if (r < 0)
		return r;
	if (wh_builder_moves(b)) {
		b->snapshotter = WH_SNAP_COPY;
		b->net = WH_SANDBOX_NET_HOST;
		return start_launcher(b, err);
	}
	r = probe(b->o.store, &b->host, err);
	if (r < 0)
		return r;
	r = choose_snapshotter(b, err);
	if (r < 0)
		return r;
	if (b->snapshotter == WH_SNAP_COPY && b->host.noexec) {
		wh_err_set(&b->no_sandbox, "builder", WH_ERR_ENV, EACCES,
			   "the store's file system is mounted noexec: nothing can be run from a copied root");
		wh_err_hint(&b->no_sandbox, "--root DIR on a file system that is not");
		b->entered = true;
		return steps ? refuse_steps(b, err) : 0;
	}
	choose_network(b);
	tell_limits(b);
	return start_launcher(b, err);
}
