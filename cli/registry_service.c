/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/password.h"
#include "cli/registry_service.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>

/* ---------------------------------------------------------------- artifacts as JSON */

/* Not their annotations: those of strangers may be long, and their manifests have them. */
static json_t *artifact_json(const struct wh_artifact *a)
{
	char manifest[WH_DIGEST_TEXT], subject[WH_DIGEST_TEXT];
	json_t *o = json_pack("{s:s, s:I, s:s, s:s}", "digest", wh_digest_text(&a->manifest.digest, manifest), "size",
			      (json_int_t)a->manifest.size, "mediaType",
			      a->manifest.media_type ? a->manifest.media_type : "", "subject",
			      wh_digest_text(&a->subject, subject));

	if (a->artifact_type)
		json_object_set_new(o, "artifactType", json_string(a->artifact_type));
	if (a->tag)
		json_object_set_new(o, "tag", json_string(a->tag));
	return o;
}

static json_t *artifacts_json(const struct wh_artifacts *l)
{
	json_t *list = json_array();

	for (size_t i = 0; l && i < l->n; i++)
		json_array_append_new(list, artifact_json(&l->v[i]));
	return list;
}

static int artifacts_parse(const json_t *list, struct wh_store *s, struct wh_artifacts *ret, struct wh_err **err)
{
	struct wh_artifacts l = {0};
	const json_t *o;
	size_t i;
	int r;

	json_array_foreach (list, i, o) {
		const char *digest = wh_json_str(o, "digest"), *subject = wh_json_str(o, "subject");
		struct wh_artifact *a = wh_artifacts_add(&l);

		if (!digest || !subject || !wh_digest_parse(digest, &a->manifest.digest) ||
		    !wh_digest_parse(subject, &a->subject)) {
			wh_artifacts_release(&l);
			return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "an artifact without its digests");
		}
		a->manifest.size = (uint64_t)wh_json_int(o, "size", 0);
		a->manifest.media_type = wh_strdup(wh_json_str(o, "mediaType"));
		a->artifact_type = wh_strdup(wh_json_str(o, "artifactType"));
		a->tag = wh_strdup(wh_json_str(o, "tag"));
		r = wh_artifact_complete(s, a, err);
		if (r < 0) {
			wh_artifacts_release(&l);
			return r;
		}
	}
	*ret = l;
	return 0;
}

/* ---------------------------------------------------------------- outer side */

struct task {
	const json_t *q;
	const char *ref;
	struct wh_registry *registry;
	struct wh_store *store;
};

static int do_pull(struct task *t, json_t **ret, struct wh_err **err)
{
	const char *platform = wh_json_str(t->q, "platform"), *what = wh_json_str(t->q, "what");
	bool all = wh_streq(what, "all") || wh_streq(what, "documents"), lone = wh_streq(what, "lone");
	bool layers = !wh_streq(what, "documents") && !lone; /* a base's are fetched when they are read */
	char text[WH_DIGEST_TEXT];
	struct wh_platform p;
	struct wh_digest d;
	int r = platform ? wh_platform_parse(platform, NULL, &p, err) : 0;

	if (r == 0 && all)
		r = wh_registry_pull_all(t->registry, t->store, t->ref, layers, &d, err);
	else if (r == 0)
		r = wh_registry_pull(t->registry, t->store, t->ref, platform ? &p : NULL, lone, layers, &d, err);
	if (r == 0)
		*ret = json_pack("{s:s}", "digest", wh_digest_text(&d, text));
	return r;
}

/* Where layers came from: the image that was read from the store does not say. */
static void set_origins(struct wh_image *i, const json_t *origins)
{
	char text[WH_DIGEST_TEXT];

	for (size_t k = 0; k < i->n_parts; k++)
		set_origins(&i->parts[k], origins);
	for (size_t k = 0; k < i->n_layers; k++) {
		const char *origin = wh_json_str(origins, wh_digest_text(&i->layers[k].blob, text));

		if (origin && !i->layers[k].origin)
			i->layers[k].origin = wh_strdup(origin);
	}
}

static void add_origins(const struct wh_image *i, json_t *origins)
{
	char text[WH_DIGEST_TEXT];

	for (size_t k = 0; k < i->n_parts; k++)
		add_origins(&i->parts[k], origins);
	for (size_t k = 0; k < i->n_layers; k++)
		if (i->layers[k].origin && wh_has_prefix(i->layers[k].origin, WH_ORIGIN_REGISTRY))
			json_object_set_new(origins, wh_digest_text(&i->layers[k].blob, text), json_string(i->layers[k].origin));
}

static int do_push(struct task *t, json_t **ret, struct wh_err **err)
{
	const char *manifest = wh_json_str(t->q, "image");
	const json_t *list = json_object_get(t->q, "refs"), *o;
	WH_AUTO_STRV struct wh_strv refs = {0};
	struct wh_artifacts l = {0};
	struct wh_image i = {0};
	size_t k;
	int r = wh_image_all_from_store(t->store, manifest ? manifest : "", &i, err);

	json_array_foreach (list, k, o)
		wh_strv_add(&refs, json_is_string(o) ? json_string_value(o) : "");

	if (r == 0)
		r = artifacts_parse(json_object_get(t->q, "artifacts"), t->store, &l, err);
	set_origins(&i, json_object_get(t->q, "origins"));
	if (r == 0)
		r = wh_registry_push(t->registry, t->store, &refs, &i, &l, err);
	wh_artifacts_release(&l);
	wh_image_release(&i);
	if (r == 0)
		*ret = json_object();
	return r;
}

static int do_artifacts(struct task *t, json_t **ret, struct wh_err **err)
{
	const char *subject = wh_json_str(t->q, "subject");
	struct wh_artifacts l = {0};
	struct wh_digest d;
	int r;

	if (!subject || !wh_digest_parse(subject, &d))
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request without a subject");
	r = wh_registry_artifacts(t->registry, t->store, t->ref, &d, &l, err);
	if (r == 0)
		*ret = json_pack("{s:o}", "artifacts", artifacts_json(&l));
	wh_artifacts_release(&l);
	return r;
}

static int do_find(struct task *t, json_t **ret, struct wh_err **err)
{
	const char *type = wh_json_str(t->q, "type");
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts l = {0};
	json_t *list;
	int r = wh_registry_find(t->registry, t->store, t->ref, type ? type : "", &l, err);

	if (r < 0)
		return r;
	*ret = json_pack("{s:[]}", "found");
	list = json_object_get(*ret, "found");
	for (size_t i = 0; i < l.n; i++) {
		char text[WH_DIGEST_TEXT];

		json_array_append_new(list, json_string(wh_digest_text(&l.v[i].manifest.digest, text)));
	}
	return 0;
}

static int do_blobs(struct task *t, json_t **ret, struct wh_err **err)
{
	const json_t *list = json_object_get(t->q, "blobs"), *o;
	WH_AUTO_FREE struct wh_descriptor *v = wh_calloc(json_array_size(list) + 1, sizeof(*v));
	size_t i;
	int r;

	json_array_foreach (list, i, o) {
		const char *digest = wh_json_str(o, "digest");

		if (!digest || !wh_digest_parse(digest, &v[i].digest))
			return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request for a blob without a digest");
		v[i].size = (uint64_t)wh_json_int(o, "size", 0);
	}
	r = wh_registry_blobs(t->registry, t->store, t->ref, v, i, err);
	if (r == 0)
		*ret = json_object();
	return r;
}

static int do_put(struct task *t, json_t **ret, struct wh_err **err)
{
	const char *manifest = wh_json_str(t->q, "manifest");
	struct wh_digest d;
	int r;

	if (!manifest || !wh_digest_parse(manifest, &d))
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request to send a manifest without a digest");
	r = wh_registry_put(t->registry, t->store, t->ref, &d, json_object_get(t->q, "sources"), err);
	if (r == 0)
		*ret = json_object();
	return r;
}

/* Bytes on their way, told to the caller: of each transfer the first and the last word, and no more than ten a second. */
#define TELL_EVERY_NS ((uint64_t)100000000)

struct teller {
	struct told {
		char *what;
		uint64_t at;
	} * v;
	size_t n, cap;
};

static struct told *told_of(struct teller *t, const char *what)
{
	for (size_t i = t->n; i-- > 0;)
		if (wh_streq(t->v[i].what, what))
			return &t->v[i];
	WH_PUSH(t->v, t->n, t->cap) = (struct told){.what = wh_strdup(what)};
	return &t->v[t->n - 1];
}

static void tell_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	WH_AUTO_JSON json_t *note = NULL;
	const char *blank = strchr(what, ' '); /* "get layer sha256:…" */
	struct told *t = told_of(arg, what);
	uint64_t now = wh_now_ns();

	if (t->at && done && done != total && now - t->at < TELL_EVERY_NS)
		return;
	t->at = now;
	note = json_pack("{s:s, s:I, s:I}", "what", blank ? blank + 1 : what, "done", (json_int_t)done, "total", (json_int_t)total);
	wh_service_tell(note);
}

static void teller_release(struct teller *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].what);
	free(t->v);
}

int wh_cli_registry_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	static const struct {
		const char *op;
		int (*fn)(struct task *t, json_t **ret, struct wh_err **err);
	} table[] = {{"pull", do_pull}, {"push", do_push}, {"artifacts", do_artifacts},
		   {"find", do_find}, {"blobs", do_blobs}, {"put", do_put}};
	const char *op = wh_json_str(request, "op"), *root = wh_json_str(request, "root");
	WH_CLEANUP(teller_release) struct teller teller = {0};
	struct wh_registry_opts o = {.insecure = json_is_true(json_object_get(request, "insecure")),
				     .chunk = (uint64_t)wh_json_int(request, "chunk", 0),
				     .progress = tell_progress,
				     .arg = &teller};
	struct task t = {.q = request, .ref = wh_json_str(request, "ref")};
	int r = -ENOSYS;

	(void)arg;
	if (!op || !root || !t.ref)
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request to a registry that says too little");
	r = wh_store_open(root, &t.store, err);
	if (r == 0)
		r = wh_registry_new(&o, &t.registry, err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table) && r == 0; i++)
		if (strcmp(table[i].op, op) == 0)
			r = table[i].fn(&t, ret_reply, err);
	/* Another process goes on with what is in the store now. */
	if (r == 0 && !*ret_reply)
		r = wh_err_set(err, "cli", WH_ERR_INTERNAL, ENOSYS, "\"%s\" is nothing to do with a registry", op);
	wh_registry_free(t.registry);
	if (t.store)
		wh_store_close(t.store);
	return r;
}

/* ---------------------------------------------------------------- inner side */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* A signal from the terminal ends the service's process at once; here it may be pending until somebody takes it. */
static int call_while(struct wh_inner *inner, const json_t *q, const _Atomic bool *cancel, const struct wh_progress_row *row,
		      json_t **ret, struct wh_err **err)
{
	struct wh_progress_row of = row ? *row : (struct wh_progress_row){0};
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_inner_call_telling(inner, WH_SERVICE_REGISTRY, q, cancel, wh_progress_tell, &of, ret, &why);
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; r == -EPIPE && i < WH_ARRAY_SIZE(ending); i++)
		if (sigismember(&pending, ending[i]))
			return wh_err_set(err, "cli", WH_ERR_BUILD, ECANCELED, "interrupted");
	wh_err_move(err, &why);
	return r;
}

static int call(struct wh_inner *inner, const json_t *q, const struct wh_progress_row *row, json_t **ret, struct wh_err **err)
{
	return call_while(inner, q, NULL, row, ret, err);
}

static json_t *request_new(const char *op, struct wh_store *s, const char *ref, bool insecure)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "op", op, "root", wh_store_path(s), "ref", ref, "insecure", insecure);
}

static int ask_pull(struct wh_inner *inner, struct wh_store *s, const char *ref, const char *what, const char *platform,
		    bool insecure, const struct wh_progress_row *row, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("pull", s, ref, insecure);
	WH_AUTO_JSON json_t *a = NULL;
	const char *digest;
	int r;

	if (platform)
		json_object_set_new(q, "platform", json_string(platform));
	if (what)
		json_object_set_new(q, "what", json_string(what));
	r = call(inner, q, row, &a, err);
	if (r < 0)
		return r;
	digest = wh_json_str(a, "digest");
	if (!digest || !wh_digest_parse(digest, ret))
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "no digest came back");
	return 0;
}

int wh_cli_registry_pull(struct wh_inner *inner, struct wh_store *s, const char *ref, const char *platform,
			 bool insecure, const struct wh_progress_row *row, struct wh_digest *ret, struct wh_err **err)
{
	return ask_pull(inner, s, ref, NULL, platform, insecure, row, ret, err);
}

int wh_cli_registry_pull_all(struct wh_inner *inner, struct wh_store *s, const char *ref, bool layers, bool insecure,
			     const struct wh_progress_row *row, struct wh_digest *ret, struct wh_err **err)
{
	return ask_pull(inner, s, ref, layers ? "all" : "documents", NULL, insecure, row, ret, err);
}

/* The next build finds it in the store. A name that is pulled for a build stands for one platform's image: this machine's. One that
 * the store has for other platforms was given by the user, and stays. */
static int keep_name(struct wh_store *s, const char *ref, const char *platform, const struct wh_digest *d, bool anew,
		     struct wh_err **err)
{
	struct wh_platform host, want;
	struct wh_image i = {0};
	char text[WH_DIGEST_TEXT];
	int r;

	if (wh_image_all_from_store(s, ref, &i, NULL) == 0) {
		bool stays = !anew || wh_image_is_index(&i) || wh_digest_eq(&i.manifest, d);

		wh_image_release(&i);
		if (stays)
			return 0;
		i = (struct wh_image){0};
	}
	wh_platform_host(&host);
	if (strchr(ref, '@') || (platform && wh_platform_parse(platform, NULL, &want, NULL) == 0 &&
				 (strcmp(want.os, host.os) != 0 || strcmp(want.arch, host.arch) != 0)))
		return 0;
	r = wh_image_from_store(s, wh_digest_text(d, text), NULL, &i, err);
	if (r == 0)
		r = wh_store_tag(s, ref, &i, err);
	wh_image_release(&i);
	return r;
}

int wh_cli_registry_builder_pull(void *arg, const char *ref, const char *platform, struct wh_digest *ret,
				 struct wh_err **err)
{
	const struct wh_cli_pull *p = arg;
	int r = ask_pull(p->inner, p->store, ref, "lone", platform, p->insecure, p->row, ret, err);

	return r < 0 ? r : keep_name(p->store, ref, platform, ret, p->policy == WH_PULL_ALWAYS, err);
}

int wh_cli_registry_push(struct wh_inner *inner, struct wh_store *s, const struct wh_strv *refs, const struct wh_image *i,
			 const struct wh_artifacts *artifacts, bool insecure, uint64_t chunk,
			 const struct wh_progress_row *row, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("push", s, refs->n ? refs->v[0] : "", insecure);
	WH_AUTO_JSON json_t *a = NULL;
	json_t *list, *origins;
	char text[WH_DIGEST_TEXT];
	int r = wh_registry_prepare_for(s, i, refs, err);

	if (r < 0)
		return r;
	list = json_array();
	origins = json_object();
	for (size_t k = 0; k < refs->n; k++)
		json_array_append_new(list, json_string(refs->v[k]));
	json_object_set_new(q, "refs", list);
	json_object_set_new(q, "chunk", json_integer((json_int_t)chunk));
	json_object_set_new(q, "image", json_string(wh_digest_text(&i->manifest, text)));
	json_object_set_new(q, "artifacts", artifacts_json(artifacts));
	json_object_set_new(q, "origins", origins);
	add_origins(i, origins);
	return call(inner, q, row, &a, err);
}

int wh_cli_registry_artifacts(struct wh_inner *inner, struct wh_store *s, const char *ref,
			      const struct wh_digest *subject, bool insecure, struct wh_artifacts *ret,
			      struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("artifacts", s, ref, insecure);
	WH_AUTO_JSON json_t *a = NULL;
	char text[WH_DIGEST_TEXT];
	int r;

	json_object_set_new(q, "subject", json_string(wh_digest_text(subject, text)));
	r = call(inner, q, NULL, &a, err);
	return r < 0 ? r : artifacts_parse(json_object_get(a, "artifacts"), s, ret, err);
}

int wh_cli_registry_find(struct wh_inner *inner, struct wh_store *s, const char *ref, const char *type, bool insecure,
			 struct wh_artifacts *ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("find", s, ref, insecure);
	WH_AUTO_JSON json_t *a = NULL;
	const json_t *list, *o;
	size_t i;
	int r;

	json_object_set_new(q, "type", json_string(type));
	r = call(inner, q, NULL, &a, err);
	list = json_object_get(a, "found");
	for (i = 0; r == 0 && i < json_array_size(list); i++) {
		struct wh_artifact *x = wh_artifacts_add(ret);

		o = json_array_get(list, i);
		if (!json_is_string(o) || !wh_digest_parse(json_string_value(o), &x->manifest.digest))
			r = wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "an artifact without its digest");
		x->artifact_type = wh_strdup(type);
	}
	return r;
}

int wh_cli_registry_blobs(struct wh_inner *inner, struct wh_store *s, const char *ref, const struct wh_descriptor *blobs, size_t n,
			  bool insecure, const _Atomic bool *cancel, const struct wh_progress_row *row, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("blobs", s, ref, insecure);
	WH_AUTO_JSON json_t *a = NULL;
	json_t *list = json_array();
	char text[WH_DIGEST_TEXT];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:I}", "digest", wh_digest_text(&blobs[i].digest, text), "size",
						      (json_int_t)blobs[i].size));
	json_object_set_new(q, "blobs", list);
	return call_while(inner, q, cancel, row, &a, err);
}

int wh_cli_registry_put(struct wh_inner *inner, struct wh_store *s, const char *ref, const struct wh_digest *manifest,
			json_t *sources, bool insecure, const struct wh_progress_row *row, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = request_new("put", s, ref, insecure);
	WH_AUTO_JSON json_t *a = NULL;
	char text[WH_DIGEST_TEXT];

	json_object_set_new(q, "manifest", json_string(wh_digest_text(manifest, text)));
	json_object_set(q, "sources", sources);
	return call(inner, q, row, &a, err);
}

/* ---------------------------------------------------------------- for the commands */

int wh_cli_with_registry(wh_cli_inner_fn fn, void *arg, struct wh_buf *out, struct wh_err **err)
{
	static const struct wh_service services[] = {{WH_SERVICE_REGISTRY, wh_cli_registry_service, NULL}};
	struct wh_outer *outer = NULL;
	struct wh_inner *inner = NULL;
	sigset_t signals;
	int r = wh_outer_fork(&outer, &inner, err);

	/* No key is used here, so nobody needs the password. */
	wh_password_free(wh_password_take());
	if (r < 0)
		return r;
	if (outer) {
		wh_outer_offer(outer, services, WH_ARRAY_SIZE(services));
		return wh_outer_serve(outer);
	}
	/* Root of a container without namespaces said so to its builds; what looks into images has to do without, too. */
	if (wh_streq(getenv("WHITTLE_ISOLATION"), "chroot") && geteuid() == 0)
		wh_inner_set_isolation(inner, WH_ISOLATION_CHROOT);
	/* There is nothing to be ended in order: what was half written is swept by the next to open the store. */
	sigemptyset(&signals);
	for (size_t i = 0; i < WH_ARRAY_SIZE(ending); i++)
		sigaddset(&signals, ending[i]);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	r = fn(arg, inner, out, err);
	wh_inner_free(inner);
	return r;
}

static char *usual_store(void)
{
	const char *root = getenv("WHITTLE_ROOT"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (root && root[0])
		return wh_cli_absolute(root);
	if (geteuid() == 0)
		return wh_strdup("/var/lib/whittle");
	if (data && data[0] == '/')
		return wh_asprintf("%s/whittle", data);
	return home && home[0] == '/' ? wh_asprintf("%s/.local/share/whittle", home) : NULL;
}

char *wh_cli_store_path(const char *root)
{
	return root && root[0] ? wh_cli_absolute(root) : usual_store();
}

int wh_cli_store_open(const char *root, struct wh_store **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_cli_store_path(root);
	WH_AUTO_FREE char *dir = path ? wh_path_dir(path) : NULL;
	int r;

	if (!path) {
		wh_err_set(err, "cli", WH_ERR_ENV, ENOENT, "no place for the store: HOME is not set");
		wh_err_hint(err, "--root or $WHITTLE_ROOT names one");
		return -ENOENT;
	}
	r = wh_mkdir_p(AT_FDCWD, dir, 0755);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "make the directory \"%s\" for the store", dir);
	return wh_store_open(path, ret, err);
}
