/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner process of `whittle build`, from top to bottom:
 *
 *   Dockerfile and ignore files → syntax tree → graph → image → outputs → names
 */
#include "cli/build_input.h"
#include "cli/cache_opts.h"
#include "cli/call.h"
#include "cli/context.h"
#include "cli/documents.h"
#include "cli/lock.h"
#include "cli/metadata.h"
#include "cli/on_failure.h"
#include "cli/profile_lock.h"
#include "cli/proof.h"
#include "cli/verify_build.h"

#include <errno.h>
#include <signal.h>

struct run {
	struct wh_build_spec *spec;
	struct wh_inner *inner;
	struct wh_progress *progress; /* NULL: quiet */
	struct wh_store *store;
	struct wh_cli_source source;
	struct wh_context context;
	struct wh_build_input input;
	int64_t epoch;
	struct wh_layer_opts layer;
	struct wh_local *builder_locals; /* the builder reads these three as long as it lives */
	struct wh_secret *builder_secrets;
	struct wh_ssh_agent *builder_ssh;
	const char *protect[2]; /* the key: no COPY takes it in */
	struct wh_cli_pull pull;
	struct wh_cli_lazy lazy;
	struct wh_cache_share share;
	struct wh_builder *builder;
	struct wh_graph *graph;
	struct wh_built *built; /* one a platform */
	size_t n_built;
	struct wh_lint_list findings;
	struct wh_builder_opts builder_opts;
	struct wh_profile_locks *profile_locks;
	struct wh_documents documents;
	struct wh_locking locking;
	struct wh_on_failure on_failure;
	struct wh_verify verify; /* its outcomes are those of the build */
	struct wh_image image;  /* what came out: that of the only platform, or the index */
};

/* ---------------------------------------------------------------- building */

static const char *lookup_arg(void *arg, const char *name)
{
	return wh_env_get(arg, name);
}

/* SOURCE_DATE_EPOCH: the command line's, else the default of an ARG before the first FROM. */
static int find_epoch(struct run *r, struct wh_err **err)
{
	const struct wh_build_spec *s = r->spec;
	const struct wh_dockerfile *d = r->input.dockerfile;
	WH_AUTO_STRV struct wh_strv seen = {0};

	r->epoch = s->epoch;
	wh_strv_copy(&seen, &s->build_args);
	for (size_t i = 0; i < d->n_nodes && d->nodes[i].instr != WH_I_FROM; i++) {
		for (size_t k = 0; d->nodes[i].instr == WH_I_ARG && k < d->nodes[i].n_args; k++) {
			const char *eq = strchr(d->nodes[i].args[k], '=');
			WH_AUTO_FREE char *key =
				eq ? wh_strndup(d->nodes[i].args[k], (size_t)(eq - d->nodes[i].args[k])) : NULL;
			WH_AUTO_FREE char *value = NULL;

			/* A default that does not expand is the lowering's to complain about. */
			if (!key || wh_env_get(&seen, key) ||
			    wh_expand_word(eq + 1, d->escape, lookup_arg, &seen, &value, NULL) < 0)
				continue;
			wh_env_set(&seen, key, value);
			if (!wh_streq(key, "SOURCE_DATE_EPOCH") || wh_epoch_parse(value, &r->epoch, err) == 0)
				continue;
			wh_err_at(err, d->name, d->nodes[i].line, 0, d->nodes[i].original);
			return -EINVAL;
		}
	}
	return 0;
}

/* New layers get the compression that the outputs want, when they agree: then nothing is compressed twice. */
static void choose_layers(struct run *r)
{
	const struct wh_build_spec *s = r->spec;
	const struct wh_layer_opts usual = WH_LAYER_OPTS_INIT;
	bool found = false;

	r->layer = usual;
	r->layer.epoch = r->epoch;
	r->layer.reproducible = s->reproducible;
	for (size_t i = 0; i < s->n_outputs; i++) {
		enum wh_compression comp;
		int level;

		if (!wh_output_wants(&s->outputs[i], &comp, &level))
			continue;
		if (found && (comp != r->layer.comp || level != r->layer.level)) {
			r->layer.comp = usual.comp;
			r->layer.level = usual.level;
			return;
		}
		found = true;
		r->layer.comp = comp;
		r->layer.level = level;
	}
}

/* Parents of the store's directory; the store itself makes the last part. */
static int make_parents(const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *part = wh_strdup(path);

	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make the directory \"%s\" for the store",
					  part);
		*p = '/';
	}
	return 0;
}

/* A base that the store lacks; the registry is asked by the outer process. */
static int pull(void *arg, const char *ref, const char *platform, struct wh_digest *ret, struct wh_err **err)
{
	struct run *r = arg;
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_progress_row row = {r->progress, 0};
	struct wh_cli_pull with_row = r->pull;
	unsigned id;
	int res;

	if (r->spec->pull == WH_PULL_NEVER) {
		wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT, "%s is not in the store, and --pull=never forbids to fetch it", ref);
		wh_err_hint(err, "whittle pull %s brings it", ref);
		return -ENOENT;
	}
	id = row.id = wh_progress_begin(r->progress, "[internal] pull %s", ref);
	with_row.row = &row;
	res = wh_cli_registry_builder_pull(&with_row, ref, platform, ret, &e);
	wh_progress_end(r->progress, id, e);
	wh_err_move(err, &e);
	return res;
}

static int open_store(struct run *r, struct wh_err **err)
{
	int res = r->store ? 0 : make_parents(r->spec->root, err);

	return res || r->store ? res : wh_store_open(r->spec->root, &r->store, err);
}

/* A context that is no directory of the user's comes first: the Dockerfile may be in it. */
static int open_context(struct run *r, struct wh_err **err)
{
	struct wh_context *c = &r->context;
	int res;

	if (!wh_context_is_foreign(r->spec))
		return 0;
	res = open_store(r, err);
	if (!res && r->spec->composer) {
		r->input.foreign = true;
		return r->spec->composer->compose(r->spec->composer->arg, r->spec, r->store, &r->input.dockerfile, err);
	}
	if (!res)
		res = wh_context_open(r->spec, r->store, &r->source, r->progress, c, err);
	r->input.context = c->path;
	r->input.layer = c->has_layer ? &c->layer : NULL;
	r->input.foreign = c->foreign;
	r->input.given = c->has_text ? &c->text : NULL;
	r->input.given_name = c->text_name;
	return res;
}

static int judge_profile(void *run, const struct wh_vertex *v, json_t *profile, const struct wh_layer *layers, size_t n_layers,
			 struct wh_err **err)
{
	struct run *r = run;

	wh_documents_saw(&r->documents, v, profile);
	return wh_profile_locks_judge(r->profile_locks, v, profile, layers, n_layers, err);
}

static int start_builder(struct run *r, struct wh_err **err)
{
	const struct wh_build_spec *s = r->spec;
	struct wh_local *locals = r->builder_locals = wh_calloc(r->input.n_locals, sizeof(*locals));
	struct wh_secret *secrets = r->builder_secrets = wh_calloc(s->n_secrets + 1, sizeof(*secrets));
	struct wh_ssh_agent *agents = r->builder_ssh = wh_calloc(s->n_ssh + 1, sizeof(*agents));
	WH_AUTO_ERR struct wh_err *refused = NULL;
	int res = open_store(r, err);

	if (res < 0)
		return res;
	for (size_t i = 0; i < r->input.n_locals; i++)
		locals[i] = (struct wh_local){.name = r->input.locals[i].name,
					      .path = r->input.locals[i].path,
					      .layer = r->input.locals[i].layer,
					      .has_umask = r->input.locals[i].has_umask,
					      .umask = r->input.locals[i].umask};
	for (size_t i = 0; i < s->n_secrets; i++)
		secrets[i] = (struct wh_secret){
			.id = s->secrets[i].id, .data = s->secrets[i].data, .len = s->secrets[i].len};
	for (size_t i = 0; i < s->n_ssh; i++)
		agents[i] = (struct wh_ssh_agent){.id = s->ssh[i].id, .socket = s->ssh[i].socket};
	/* Files as such may have to be unpacked. That takes the user namespace, entered before any thread starts. Where there is none,
	 * who needs it says so. */
	for (size_t i = 0; i < s->n_outputs; i++)
		if (!wh_output_is_image(&s->outputs[i]) && wh_inner_enter(r->inner, &refused) < 0)
			break;
	if (refused && wh_inner_lost(r->inner)) {
		wh_err_move(err, &refused);
		return -EPERM;
	}
	choose_layers(r);
	r->protect[0] = s->sign_key;
	r->pull = (struct wh_cli_pull){.inner = r->inner, .store = r->store, .policy = s->pull, .insecure = s->insecure_registry};
	r->lazy = (struct wh_cli_lazy){.inner = r->inner, .store = r->store, .progress = r->progress, .insecure = s->insecure_registry};
	wh_cli_lazy_serve(&r->lazy);
	r->share.store = r->store;
	r->share.layer = &r->layer;
	res = wh_cache_share_import(&r->share, err);
	if (res < 0)
		return res;
	r->builder_opts = (struct wh_builder_opts){
		.imports = r->share.sources,
		.n_imports = r->share.n,
		.store = r->store,
		.inner = r->inner,
		.jobs = s->jobs,
		.layer = r->layer,
		.locals = locals,
		.n_locals = r->input.n_locals,
		.secrets = secrets,
		.n_secrets = s->n_secrets,
		.ssh = agents,
		.n_ssh = s->n_ssh,
		.allow_emulated_profile = s->allow_emulated_profile,
		.snapshotter = s->snapshotter,
		.reproducible = s->reproducible,
		.protect = s->sign_key ? r->protect : NULL,
		.pull = pull,
		.pull_always = s->pull == WH_PULL_ALWAYS,
		.pull_arg = r,
		.fetch = wh_cli_source_fetch,
		.fetch_arg = &r->source,
		.network = WH_NETCHOICE_AUTO,
		.explain = s->explain,
		.failed = s->failure_shell ? wh_on_failure : NULL,
		.failed_arg = &r->on_failure,
		.event = wh_progress_event,
		.event_arg = r->progress,
	};
	r->profile_locks = wh_profile_locks_new(s, r->store, r->progress);
	r->builder_opts.judge_profile = judge_profile;
	r->builder_opts.judge_profile_arg = r;
	r->builder_opts.judge_all = s->profile_out || s->profile_lock;
	res = wh_documents_read(&r->documents, s, err);
	if (res < 0)
		return res;
	if (wh_locking_wanted(s)) {
		r->locking.spec = s;
		r->locking.store = r->store;
		r->locking.inner = r->inner;
		r->locking.progress = r->progress;
		res = wh_locking_open(&r->locking, err);
		if (res < 0)
			return res;
		wh_locking_opts(&r->locking, &r->builder_opts);
	}
	return wh_builder_new(&r->builder_opts, &r->builder, err);
}

static const struct wh_image_resolver *resolver(struct run *r)
{
	const struct wh_image_resolver *of = wh_builder_resolver(r->builder);

	return wh_locking_wanted(r->spec) ? wh_locking_resolver(&r->locking, of) : of;
}

/* Findings are about the file: those of the first platform are enough. What its bases are is another thing. */
static void add_platform_finding(void *findings, const struct wh_lint_warning *w)
{
	if (wh_streq(w->rule, "InvalidBaseImagePlatform"))
		wh_lint_list_add(findings, w);
}

/* Once for each platform, into one graph. warn NULL: it is not the last time. */
static int lower_for(struct run *r, const struct wh_named_context *contexts, size_t i,
		     const struct wh_image_resolver *images, void (*warn)(void *, const struct wh_lint_warning *),
		     struct wh_graph *graph, struct wh_target *ret, struct wh_err **err)
{
	struct wh_build_spec *s = r->spec;
	const struct wh_strv *profiles_in = NULL;
	int res = wh_documents_in(&r->documents, &profiles_in, err);

	if (res < 0)
		return res;
	return wh_dockerfile_lower(r->input.dockerfile,
				   &(struct wh_lower_opts){
					   .build_args = &s->build_args,
					   .target = s->target,
					   .platform = s->platforms.n ? s->platforms.v[i] : NULL,
					   .build_platform = s->platform,
					   .multi_platform = s->index,
					   .contexts = contexts,
					   .n_contexts = s->n_contexts,
					   .ignore_of = wh_build_input_ignore,
					   .ignore_arg = &r->input,
					   .resolver = images,
					   .pins_of = wh_locking_wanted(s) ? wh_locking_pins : NULL,
					   .pins_arg = &r->locking,
					   .no_context = s->context_kind == WH_CONTEXT_NONE ||
							 (s->context_kind == WH_CONTEXT_STDIN && r->context.has_text &&
							  !r->context.has_layer),
					   .no_cache = s->no_cache,
					   .no_cache_filter = &s->no_cache_filter,
					   .labels = &s->labels,
					   .network = s->network,
					   .extra_hosts = &s->extra_hosts,
					   .shm_size = s->shm_size,
					   .ulimits = &s->ulimits,
					   .allow_insecure = s->allow_insecure,
					   .prove = s->runtime_out != NULL,
					   .profiles_in = profiles_in,
					   .allow_host_network = s->allow_host_network,
					   .hostname = wh_env_get(&s->build_args, "BUILDKIT_SANDBOX_HOSTNAME"),
					   .warn = warn,
					   .warn_arg = &r->findings,
				   },
				   graph, ret, err);
}

struct dated { /* a resolver that remembers the newest image it gave out */
	const struct wh_image_resolver *of;
	int64_t newest;
};

static int resolve_dated(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
			 struct wh_err **err)
{
	struct dated *d = arg;
	int res = d->of->resolve(d->of->arg, ref, platform, ret_pinned, ret_config, err);

	if (res == 0 && wh_image_created(*ret_config) > d->newest)
		d->newest = wh_image_created(*ret_config);
	return res;
}

/* --reproducible alone: the epoch is when the newest of the bases was made. RUN has it in its environment, so it must be known
 * before anything is lowered: what the file needs is found out once for that, and then everything goes on as if the
 * number had been given. */
static int epoch_of_bases(struct run *r, const struct wh_named_context *contexts, size_t n, struct wh_err **err)
{
	struct dated dated = {.of = resolver(r)};
	const struct wh_image_resolver noting = {.arg = &dated, .resolve = resolve_dated};
	struct wh_graph *graph = wh_graph_new();
	char text[24];
	int res = 0;

	for (size_t i = 0; i < n && res == 0; i++) {
		struct wh_target target = {0};

		res = lower_for(r, contexts, i, &noting, NULL, graph, &target, err);
		if (res == 0)
			wh_target_release(&target);
	}
	wh_graph_free(graph);
	if (res < 0)
		return res;
	r->epoch = r->layer.epoch = dated.newest;
	wh_builder_set_epoch(r->builder, r->epoch);
	snprintf(text, sizeof(text), "%lld", (long long)r->epoch);
	wh_env_set(&r->spec->build_args, "SOURCE_DATE_EPOCH", text);
	return 0;
}

static int lower(struct run *r, struct wh_err **err)
{
	const struct wh_build_spec *s = r->spec;
	WH_AUTO_FREE struct wh_named_context *contexts = wh_calloc(s->n_contexts + 1, sizeof(*contexts));
	size_t n = s->platforms.n ? s->platforms.n : 1;
	int res = 0;

	for (size_t i = 0; i < s->n_contexts; i++)
		contexts[i] = (struct wh_named_context){.name = s->contexts[i].name, .ref = s->contexts[i].ref};
	r->graph = wh_graph_new();
	r->built = wh_calloc(n, sizeof(*r->built));
	if (s->reproducible && r->epoch == INT64_MAX)
		res = epoch_of_bases(r, contexts, n, err);
	for (; r->n_built < n && res == 0; r->n_built += res == 0)
		res = lower_for(r, contexts, r->n_built, resolver(r),
				s->composer	? NULL
				: r->n_built ? add_platform_finding
						: wh_lint_list_add,
				r->graph,
				&r->built[r->n_built].target, err);
	wh_lint_list_tell(&r->findings, r->progress);
	for (size_t i = 0; i < r->n_built && res == 0; i++)
		res = wh_documents_check(s, &r->built[i].target, err);
	if (res == 0)
		wh_progress_graph(r->progress, r->graph);
	return res;
}

static size_t base_layers(const struct wh_built *b)
{
	size_t n = 0, i, own = 0;
	json_t *h;

	if (b->target.base_history && json_array_size(b->target.base_history)) {
		json_array_foreach (b->target.base_history, i, h)
			n += !json_is_true(json_object_get(h, "empty_layer"));
	} else {
		for (i = 0; i < b->target.n_history; i++)
			own += b->target.history[i].vertex != NULL;
		n = b->image.n_layers > own ? b->image.n_layers - own : 0;
	}
	return n < b->image.n_layers ? n : b->image.n_layers;
}

/* What the provenance calls the text that says what was built. */
static const char *said_in(const struct wh_build_spec *s)
{
	if (s->composer)
		return "whittle prune";
	return s->file ? wh_path_base(s->file) : "Dockerfile";
}

/* All platforms together, so that what they share is made once. */
static int solve(struct run *r, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_target *targets = wh_calloc(r->n_built, sizeof(*targets));
	WH_AUTO_FREE struct wh_image *images = wh_calloc(r->n_built, sizeof(*images));
	int res;

	for (size_t i = 0; i < r->n_built; i++)
		targets[i] = r->built[i].target; /* lent */
	if (wh_locking_wanted(r->spec))
		wh_locking_begin(&r->locking, r->graph, targets, r->n_built);
	res = wh_builder_images(r->builder, targets, r->n_built, images, err);
	if (res < 0 && wh_locking_wanted(r->spec))
		wh_locking_failed(&r->locking, err);
	if (res < 0)
		return res;
	wh_builder_outcomes(r->builder, &r->verify.first);
	if (r->spec->cache)
		wh_builder_cache(r->builder, targets, r->n_built, &r->share.export);
	for (size_t i = 0; i < r->n_built; i++) {
		r->built[i].image = images[i];
		r->built[i].n_base_layers = base_layers(&r->built[i]);
		r->built[i].isolation = wh_builder_isolation(r->builder, &targets[i]);
		r->built[i].provenance = wh_provenance_of(r->spec, said_in(r->spec), r->graph, &targets[i],
							  r->built[i].isolation);
	}
	for (size_t i = 0; i < r->n_built && res == 0; i++)
		res = wh_builder_hardening(r->builder, &r->built[i].target, &r->built[i].hardening, err);
	return res;
}

/* The first builder is gone, and its threads with it. */
static int verify(struct run *r, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_target *targets = wh_calloc(r->n_built, sizeof(*targets));
	WH_AUTO_FREE struct wh_image *images = wh_calloc(r->n_built, sizeof(*images));

	for (size_t i = 0; i < r->n_built; i++) {
		targets[i] = r->built[i].target; /* lent */
		images[i] = r->built[i].image;
	}
	r->verify.spec = r->spec;
	r->verify.store = r->store;
	r->verify.progress = r->progress;
	r->builder_opts.layer = r->layer; /* the epoch may have come from the bases */
	r->verify.opts = &r->builder_opts;
	r->verify.targets = targets;
	r->verify.images = images;
	r->verify.n = r->n_built;
	return wh_verify_build(&r->verify, err);
}

static int end_locking(struct run *r, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_target *targets = wh_calloc(r->n_built, sizeof(*targets));

	for (size_t i = 0; i < r->n_built; i++)
		targets[i] = r->built[i].target; /* lent */
	return wh_locking_end(&r->locking, &r->verify.first, targets, r->n_built, err);
}

/* Gates: what does not pass is not published. */
static int check(struct run *r, struct wh_err **err)
{
	bool lock = wh_locking_wanted(r->spec), locked = r->spec->locked;
	int res = lock && locked ? end_locking(r, err) : 0;

	if (!res && r->spec->verify_reproducible)
		res = verify(r, err);
	if (!res && lock && !locked)
		res = end_locking(r, err);
	return res ? res : wh_profile_locks_check(r->profile_locks, err);
}

/* ---------------------------------------------------------------- what came out */

/* The builder is gone: from here on a signal just ends the process, and the next build sweeps what it was writing. */
static void allow_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* An old one must not pass for the result of a build that failed. */
static void clear_file(const char *path)
{
	struct stat st;

	if (wh_path_stream(path) >= 0 || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (wh_path_plain(path))
		(void)unlink(path);
	else
		(void)!truncate(path, 0); /* whatever is wrong is said when it is written */
}

/* What docker calls the image's id; of an index its digest, as buildx has it. */
static const struct wh_digest *image_id(const struct wh_image *i)
{
	return wh_image_is_index(i) ? &i->manifest : &i->config_digest;
}

static int publish(struct run *r, struct wh_err **err)
{
	const struct wh_build_spec *s = r->spec;
	struct wh_publish p = {
		.store = r->store,
		.inner = r->inner,
		.spec = s,
		.progress = r->progress,
		.layer = &r->layer,
		.epoch = r->epoch,
		.built = r->built,
		.n = r->n_built,
		.share = &r->share,
	};
	char id[WH_DIGEST_TEXT];
	int res = wh_publish(&p, err);

	r->image = p.image;
	if (res == 0)
		res = wh_cache_share_export(&r->share, err);
	if (res == 0 && s->iidfile) {
		wh_digest_text(image_id(&r->image), id);
		res = wh_cli_write_file(s->iidfile, id, strlen(id), "the image id", err);
	}
	if (res == 0)
		res = wh_profile_locks_end(r->profile_locks, err);
	if (res == 0)
		res = wh_documents_write(&r->documents, s, r->built, r->n_built, err);
	if (res < 0 || !s->metadata_file)
		return res;
	return wh_metadata_write(&(struct wh_metadata){.spec = s,
						       .image = &r->image,
						       .built = r->built,
						       .n = r->n_built,
						       .epoch = r->epoch,
						       .findings = &r->findings,
						       .dockerfile = r->input.dockerfile},
				 err);
}

static void tell_built(const struct run *r, size_t i, struct wh_buf *out)
{
	char digest[WH_DIGEST_TEXT];
	struct wh_platform p;
	WH_AUTO_FREE char *platform = NULL;

	if (r->spec->index) {
		wh_image_platform(&r->image.parts[i], &p);
		platform = wh_platform_text(&p);
		wh_buf_addf(out, "%-14s %s\n", platform, wh_digest_text(&r->image.parts[i].manifest, digest));
	}
	if (r->built[i].proof)
		wh_proof_summary(r->built[i].proof, out);
}

/* Standard output carries the result alone: the id with --quiet, else digest, id and names. */
static int tell(const struct run *r)
{
	const struct wh_build_spec *s = r->spec;
	char id[WH_DIGEST_TEXT], digest[WH_DIGEST_TEXT];
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_digest_text(image_id(&r->image), id);
	wh_digest_text(&r->image.manifest, digest);
	if (s->quiet) {
		wh_buf_addf(&out, "%s\n", id);
	} else {
		wh_buf_addf(&out, "image  %s\n", digest);
		if (!wh_image_is_index(&r->image))
			wh_buf_addf(&out, "id     %s\n", id);
		for (size_t i = 0; i < s->tags.n; i++)
			wh_buf_addf(&out, "name   %s\n", s->tags.v[i]);
		for (size_t i = 0; i < r->n_built; i++)
			tell_built(r, i, &out);
		if (r->verify.told)
			wh_buf_addf(&out, "same   %s\n", r->verify.told);
	}
	for (size_t i = 0; i < s->n_outputs; i++) {
		if (wh_streq(s->outputs[i].dest, "-")) { /* standard output is taken */
			(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
			return 0;
		}
	}
	return wh_cli_say(&out);
}

/* Slips of the pen that would otherwise be seen only in what was built. */
static void tell_notes(struct run *r)
{
	WH_AUTO_ERR struct wh_err *notes = NULL;
	WH_AUTO_STRV struct wh_strv contexts = {0};

	for (size_t i = 0; i < r->spec->platforms.n; i++)
		wh_platform_note(r->spec->platforms.v[i], &notes);
	wh_context_notes(r->spec->contexts, r->spec->n_contexts, &notes);
	wh_dockerfile_notes(r->input.dockerfile, &r->spec->build_args, &notes);
	for (size_t i = 0; i < r->spec->n_contexts; i++)
		if (!wh_streq(r->spec->contexts[i].name, "context"))
			wh_strv_add(&contexts, r->spec->contexts[i].name);
	wh_dockerfile_name_notes(r->input.dockerfile, &r->spec->no_cache_filter, &contexts, &notes);
	wh_progress_notes(r->progress, notes);
}

static int run_all(struct run *r, struct wh_err **err)
{
	int res = open_context(r, err);

	r->input.contexts = r->spec->contexts;
	r->input.n_contexts = r->spec->n_contexts;
	if (!res)
		res = wh_build_input_read(&r->input, err);
	if (!res && !r->spec->composer)
		tell_notes(r);
	for (size_t i = 0; i < r->spec->n_outputs && !res; i++)
		res = wh_output_check(&r->spec->outputs[i], err);
	if (!res && r->spec->verify_report)
		res = wh_cli_write_check(r->spec->verify_report, "the report", err);
	if (!res && r->spec->iidfile)
		res = wh_cli_write_check(r->spec->iidfile, "the image id", err);
	if (!res && r->spec->metadata_file)
		res = wh_cli_write_check(r->spec->metadata_file, "the metadata", err);
	if (!res)
		res = find_epoch(r, err);
	if (!res)
		res = start_builder(r, err);
	if (!res)
		res = lower(r, err);
	if (!res)
		res = solve(r, err);
	if (r->builder)
		wh_builder_free(WH_TAKE_PTR(r->builder));
	if (!res)
		res = check(r, err);
	if (res < 0)
		return res;
	allow_signals();
	return publish(r, err);
}

/* Files of subordinate ids that a killed build left: a build that ran something removed them on its way, for one that was cached
 * they are worth the user namespace, too. */
static void sweep(struct run *r)
{
	if (r->store && geteuid() != 0 && wh_store_leavings(r->store) && wh_inner_enter(r->inner, NULL) == 0)
		(void)wh_store_sweep(r->store, NULL);
}

static void run_release(struct run *r)
{
	for (size_t i = 0; i < r->n_built; i++) {
		wh_proof_free(r->built[i].proof);
		json_decref(r->built[i].provenance);
		wh_hardening_release(&r->built[i].hardening);
		wh_image_release(&r->built[i].image);
		wh_target_release(&r->built[i].target);
	}
	free(r->built);
	wh_outcomes_release(&r->verify.first);
	wh_locking_close(&r->locking);
	wh_profile_locks_free(r->profile_locks);
	wh_documents_release(&r->documents);
	free(r->verify.told);
	wh_image_release(&r->image);
	if (r->graph)
		wh_graph_free(r->graph);
	wh_context_release(&r->context);
	wh_cache_share_release(&r->share);
	sweep(r);
	if (r->store)
		wh_store_close(r->store);
	wh_build_input_release(&r->input);
	wh_cli_source_release(&r->source);
	wh_lint_list_release(&r->findings);
	free(r->builder_locals);
	free(r->builder_secrets);
	free(r->builder_ssh);
	wh_progress_free(r->progress);
}

int wh_build_run(struct wh_build_spec *s, struct wh_inner *inner)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct run r = {.spec = s, .inner = inner};
	int res;

	res = wh_progress_new(s->quiet ? WH_PROGRESS_QUIET : s->progress, &r.progress, &err);
	if (res < 0)
		return wh_err_report(err);
	r.on_failure = (struct wh_on_failure){.spec = s, .progress = r.progress};
	r.input = (struct wh_build_input){
		.context = s->context,
		.context_shown = s->context_shown,
		.file = s->file,
		.build_args = &s->build_args,
		.progress = r.progress,
	};
	wh_cli_source_init(&r.source, inner, s->root);
	/* Never silently: said by every build, cached or not. */
	if (s->isolation == WH_ISOLATION_CHROOT) {
		wh_inner_set_isolation(inner, s->isolation);
		wh_progress_warn(r.progress, "--isolation=chroot: steps see and can signal the other processes of this container, and use its network");
	}
	r.share = (struct wh_cache_share){.opts = s->cache, .inner = inner, .progress = r.progress, .insecure = s->insecure_registry};
	if (s->cgroup_parent)
		wh_progress_warn(r.progress, "--cgroup-parent does nothing: steps stay in the control group of whittle");
	if (s->iidfile)
		clear_file(s->iidfile);
	if (s->metadata_file)
		clear_file(s->metadata_file);
	res = run_all(&r, &err);
	if (res < 0) {
		if (s->composer)
			s->composer->tell(s->composer->arg, err);
		wh_progress_gap(r.progress);
		wh_on_failure_end(&r.on_failure, err);
		res = wh_err_report(err);
	} else {
		wh_progress_finish(r.progress);
		res = tell(&r);
	}
	run_release(&r);
	return res;
}
