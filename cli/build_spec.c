/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of `whittle build` to a checked specification. Nothing of the image is read here. */
#include "cli/cache_opts.h"
#include "cli/cli.h"
#include "cli/context.h"
#include "cli/registry_service.h"
#include "cli/sign_service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>

#define MAX_SECRET (500 * 1024) /* as BuildKit's */

char *wh_cli_absolute(const char *path)
{
	WH_AUTO_FREE char *cwd = NULL;

	if (path[0] == '/')
		return wh_strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd || wh_streq(path, "."))
		return cwd ? WH_TAKE_PTR(cwd) : wh_strdup(path);
	return wh_asprintf("%s/%s", cwd[1] ? cwd : "", path);
}

/* ---------------------------------------------------------------- values */

bool wh_size_parse(const char *text, uint64_t *ret)
{
	static const char units[] = "bkmgt";
	size_t digits = strspn(text, "0123456789");
	WH_AUTO_FREE char *number = wh_strndup(text, digits);
	const char *unit;
	uint64_t n;
	unsigned shift = 0;

	if (!wh_parse_u64(number, 10, &n))
		return false;
	text += digits;
	if (*text) {
		unit = strchr(units, *text | 0x20);
		if (!unit)
			return false;
		shift = (unsigned)(unit - units) * 10;
		text++;
		if (shift && (*text == 'b' || *text == 'B'))
			text++;
		if (*text)
			return false;
	}
	if (shift && n >> (64 - shift))
		return false;
	*ret = n << shift;
	return true;
}

int wh_epoch_parse(const char *text, int64_t *ret, struct wh_err **err)
{
	uint64_t n;

	if (!text || !text[0]) {
		*ret = INT64_MAX;
		return 0;
	}
	if (!wh_parse_u64(text, 10, &n) || n > 253402300799) /* the end of the year 9999 */
		return wh_cli_misuse(err, "invalid SOURCE_DATE_EPOCH \"%s\": seconds since 1970 are wanted, up to the year 9999", text);
	*ret = (int64_t)n;
	return 0;
}

/* Splits "key=value" in place; value is NULL without a '='. */
static void split_pair(char *field, char **ret_key, char **ret_value)
{
	char *eq = strchr(field, '=');

	if (eq)
		*eq = 0;
	*ret_key = field;
	*ret_value = eq ? eq + 1 : NULL;
}

/* ---------------------------------------------------------------- --secret, --ssh */

static int read_secret(const char *id, const char *src, const char *env, struct wh_secret_text *ret,
		       struct wh_err **err)
{
	struct wh_buf buf = {.max = MAX_SECRET + 1};
	const char *value;
	int r;

	if (!src && !env) {
		if (getenv(id))
			env = id;
		else
			src = id;
	}
	if (env) {
		value = getenv(env);
		if (!value)
			return wh_cli_misuse(err, "--secret id=%s: the environment has no %s", id, env);
		wh_buf_adds(&buf, value);
	} else {
		r = wh_read_file(AT_FDCWD, src, MAX_SECRET, &buf);
		if (r < 0) {
			wh_buf_release(&buf);
			return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "--secret id=%s: read \"%s\"", id, src);
		}
	}
	if (!wh_buf_ok(&buf) || buf.n > MAX_SECRET) {
		wh_buf_release(&buf);
		return wh_cli_misuse(err, "--secret id=%s is larger than 500 KiB", id);
	}
	ret->id = wh_strdup(id);
	ret->len = buf.n;
	ret->data = wh_buf_take(&buf);
	return 0;
}

static int parse_secret(const char *text, struct wh_secret_text *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv fields = {0};
	const char *id = NULL, *src = NULL, *env = NULL, *type = NULL;

	if (!wh_strv_add_csv(&fields, text))
		return wh_cli_misuse(err, "--secret: a quote is not closed or stands inside a word");
	for (size_t i = 0; i < fields.n; i++) {
		char *key, *value;

		split_pair(fields.v[i], &key, &value);
		if (!value)
			return wh_cli_misuse(err, "--secret: \"%s\" is no KEY=VALUE", key);
		if (wh_streq(key, "id"))
			id = value;
		else if (wh_streq(key, "src") || wh_streq(key, "source"))
			src = value;
		else if (wh_streq(key, "env"))
			env = value;
		else if (wh_streq(key, "type"))
			type = value;
		else
			return wh_cli_misuse(err, "--secret has no key \"%s\"; it takes id, src and env", key);
	}
	if (type && !wh_streq(type, "file") && !wh_streq(type, "env"))
		return wh_cli_misuse(err, "--secret type is file or env, not \"%s\"", type);
	if (!id || !id[0])
		return wh_cli_misuse(err, "--secret wants an id: id=NAME,src=FILE");
	if (src && env)
		return wh_cli_misuse(err, "--secret id=%s: src and env exclude each other", id);
	if (wh_streq(type, "env") && src) { /* type=env,src=VAR is buildx's other way to say env=VAR */
		env = src;
		src = NULL;
	}
	return read_secret(id, src, env, ret, err);
}

/* ID, ID=SOCKET, or ID=KEYFILE[,KEYFILE…]. */
static int parse_ssh(const char *text, struct wh_ssh_agent_text *ret, struct wh_err **err)
{
	const char *eq = strchr(text, '=');
	const char *path = eq && eq[1] ? eq + 1 : getenv("SSH_AUTH_SOCK");
	WH_AUTO_STRV struct wh_strv paths = {0};

	if (!text[0] || eq == text)
		return wh_cli_misuse(err, "--ssh \"%s\" names no id: default, ID=SOCKET or ID=KEYFILE", text);
	if (!path || !path[0]) {
		wh_cli_misuse(err, "--ssh %s: SSH_AUTH_SOCK is not set; is an agent running?", text);
		wh_err_hint(err, "a key can be given without an agent: --ssh %s=FILE", text);
		return -EINVAL;
	}
	if (eq && eq[1] ? !wh_strv_add_csv(&paths, path) : (wh_strv_add(&paths, path), false))
		return wh_cli_misuse(err, "--ssh \"%s\": a quote is not closed or stands inside a word", text);
	ret->id = eq ? wh_strndup(text, (size_t)(eq - text)) : wh_strdup(text);
	for (size_t i = 0; i < paths.n; i++) {
		struct stat st;

		if (stat(paths.v[i], &st) < 0)
			return wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "--ssh %s: \"%s\"", ret->id, paths.v[i]);
		if (S_ISSOCK(st.st_mode) && paths.n > 1)
			return wh_cli_misuse(err, "--ssh %s: only single socket allowed, and no key files beside it", ret->id);
		if (S_ISSOCK(st.st_mode))
			ret->socket = wh_cli_absolute(paths.v[i]);
		else if (S_ISREG(st.st_mode))
			wh_strv_take(&ret->keys, wh_cli_absolute(paths.v[i]));
		else
			return wh_cli_misuse(err, "--ssh %s: \"%s\" is neither an agent's socket nor a key file", ret->id,
				      paths.v[i]);
	}
	return 0;
}

static void ssh_release(struct wh_ssh_agent_text *x)
{
	free(x->id);
	free(x->socket);
	wh_strv_release(&x->keys);
}

/* ---------------------------------------------------------------- contexts */

static int add_contexts(const struct wh_strv *words, struct wh_build_spec *s, struct wh_err **err)
{
	size_t cap = 0;

	for (size_t i = 0; i < words->n; i++) {
		struct wh_named_ctx c = {0};
		int r = wh_context_named(words->v[i], &c, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < s->n_contexts; k++) { /* the last one of a name wins, as in docker */
			if (!wh_streq(s->contexts[k].name, c.name))
				continue;
			free(s->contexts[k].name);
			free(s->contexts[k].ref);
			free(s->contexts[k].path);
			s->contexts[k] = s->contexts[--s->n_contexts];
			break;
		}
		WH_PUSH(s->contexts, s->n_contexts, cap) = c;
	}
	return 0;
}

/* ---------------------------------------------------------------- the rest */

static int add_args(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	int r;

	if (epoch && epoch[0])
		wh_env_set(&s->build_args, "SOURCE_DATE_EPOCH", epoch);
	for (size_t i = 0; i < f->build_args.n; i++) {
		const char *w = f->build_args.v[i];
		const char *eq = strchr(w, '=');
		WH_AUTO_FREE char *key = eq ? wh_strndup(w, (size_t)(eq - w)) : wh_strdup(w);
		const char *value = eq ? eq + 1 : getenv(w);

		if (!key[0])
			return wh_cli_misuse(err, "--build-arg \"%s\" is no KEY=VALUE", w);
		if (value) /* a bare key that the environment lacks counts as not given */
			wh_env_set(&s->build_args, key, value);
	}
	r = wh_epoch_parse(wh_env_get(&s->build_args, "SOURCE_DATE_EPOCH"), &s->epoch, err);
	return r;
}

static int add_host(const char *text, struct wh_strv *out, struct wh_err **err)
{
	size_t n = strcspn(text, ":=");
	const char *ip = text[n] ? text + n + 1 : "";
	size_t len = strlen(ip);
	WH_AUTO_FREE char *bare =
		len > 2 && ip[0] == '[' && ip[len - 1] == ']' ? wh_strndup(ip + 1, len - 2) : wh_strdup(ip);
	unsigned char bytes[sizeof(struct in6_addr)];

	if (wh_streq(bare, "host-gateway"))
		return wh_cli_misuse(err, "--add-host \"%s\": host-gateway is not supported", text);
	if (!n || (inet_pton(AF_INET, bare, bytes) != 1 && inet_pton(AF_INET6, bare, bytes) != 1))
		return wh_cli_misuse(err, "--add-host \"%s\" is no NAME:IP", text);
	wh_strv_addf(out, "%.*s:%s", (int)n, text, bare);
	return 0;
}

static int add_names(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	int r;

	for (size_t i = 0; i < f->tags.n; i++) {
		char *name;

		if (strchr(f->tags.v[i], '@'))
			return wh_cli_misuse(err, "--tag \"%s\": a name to be given has no digest", f->tags.v[i]);
		r = wh_reference_normalize(f->tags.v[i], &name, err);
		if (r < 0) {
			if (err && *err)
				(*err)->class = WH_ERR_USAGE;
			wh_err_wrap(err, "--tag");
			return r;
		}
		wh_strv_take(&s->tags, name);
	}
	for (size_t i = 0; i < f->labels.n; i++) {
		if (!f->labels.v[i][0] || f->labels.v[i][0] == '=')
			return wh_cli_misuse(err, "--label \"%s\" is no KEY=VALUE", f->labels.v[i]);
		wh_strv_addf(&s->labels, "%s%s", f->labels.v[i], strchr(f->labels.v[i], '=') ? "" : "=");
	}
	for (size_t i = 0; i < f->no_cache_filter.n; i++)
		if (!wh_strv_add_csv(&s->no_cache_filter, f->no_cache_filter.v[i]))
			return wh_cli_misuse(err, "--no-cache-filter \"%s\": a quote is not closed", f->no_cache_filter.v[i]);
	/* As buildx: a list without a name means all stages. */
	if (f->no_cache_filter.n && (!s->no_cache_filter.n || (s->no_cache_filter.n == 1 && !s->no_cache_filter.v[0][0]))) {
		wh_strv_release(&s->no_cache_filter);
		s->no_cache = true;
	}
	if (f->no_cache && f->no_cache_filter.n)
		return wh_cli_misuse(err, "--no-cache and --no-cache-filter cannot currently be used together");
	for (size_t i = 0; i < f->add_hosts.n; i++) {
		r = add_host(f->add_hosts.v[i], &s->extra_hosts, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < f->ulimits.n; i++) {
		struct wh_ulimit u;

		r = wh_ulimit_parse(f->ulimits.v[i], &u, err);
		if (r < 0) {
			wh_err_wrap(err, "--ulimit");
			return r;
		}
		wh_strv_add(&s->ulimits, f->ulimits.v[i]);
	}
	return 0;
}

int wh_platforms_parse(const char *text, struct wh_strv *ret, struct wh_err **err)
{
	for (const char *next = text; next;) {
		size_t n = strcspn(next, ",");
		WH_AUTO_FREE char *word = wh_strndup(next, n), *name = NULL;
		struct wh_platform p;
		int r = 0;

		next = next[n] ? next + n + 1 : NULL;
		if (strcasecmp(word, "local") == 0)
			wh_platform_host(&p);
		else
			r = wh_platform_parse(word, NULL, &p, err);
		if (r < 0)
			return r;
		name = wh_platform_text(&p);
		if (!wh_strv_has(ret, name))
			wh_strv_add(ret, name);
	}
	return 0;
}

static int check_platform(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	const char *index = wh_env_get(&s->build_args, "BUILDKIT_MULTI_PLATFORM");
	struct wh_platform host;

	wh_platform_host(&host);
	s->platform = wh_platform_text(&host);
	for (size_t i = 0; i < f->platforms.n; i++) {
		int r = wh_platforms_parse(f->platforms.v[i], &s->platforms, err);

		if (r < 0) {
			wh_err_wrap(err, "--platform %s", f->platforms.v[i]);
			return r;
		}
	}
	for (size_t i = 0; i < s->platforms.n; i++)
		if (wh_has_prefix(s->platforms.v[i], "windows/"))
			return wh_cli_misuse(err, "--platform %s: images of Windows are not built", s->platforms.v[i]);
	s->index = s->platforms.n > 1;
	if (!index || !*index)
		return 0;
	if (!wh_bool_parse(index, &s->index))
		return wh_cli_misuse(err, "BUILDKIT_MULTI_PLATFORM=%s is neither true nor false", index);
	if (!s->index && s->platforms.n > 1)
		return wh_cli_misuse(err, "BUILDKIT_MULTI_PLATFORM=%s: there is no image of several platforms without an index", index);
	return 0;
}

static int add_secrets(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	size_t cap = 0;

	for (size_t i = 0; i < f->secrets.n; i++) {
		struct wh_secret_text x = {0};
		int r = parse_secret(f->secrets.v[i], &x, err);

		if (r < 0)
			return r;
		WH_PUSH(s->secrets, s->n_secrets, cap) = x;
	}
	cap = 0;
	for (size_t i = 0; i < f->ssh.n; i++) {
		struct wh_ssh_agent_text x = {0};
		int r = parse_ssh(f->ssh.v[i], &x, err);

		for (size_t k = 0; r == 0 && k < s->n_ssh; k++)
			if (wh_streq(s->ssh[k].id, x.id))
				r = wh_cli_misuse(err, "--ssh: duplicate agent ID \"%s\"", x.id);
		if (r < 0) {
			ssh_release(&x);
			return r;
		}
		WH_PUSH(s->ssh, s->n_ssh, cap) = x;
	}
	return 0;
}

static int store_path(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	if (f->root && !f->root[0])
		return wh_cli_misuse(err, "--root is empty");
	s->root = wh_cli_store_path(f->root);
	return s->root ? 0 : wh_cli_misuse(err, "no place for the store: HOME is not set; give --root DIR");
}

/* The option counts, else the variable, as buildah has it. */
static int choose_isolation(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	const char *word = f->isolation ? f->isolation : getenv("WHITTLE_ISOLATION");

	if (!word || !word[0] || wh_streq(word, "default"))
		return 0;
	if (!wh_streq(word, "chroot"))
		return wh_cli_misuse(err, "WHITTLE_ISOLATION is default or chroot, not \"%s\"", word);
	if (wh_streq(f->snapshotter, "overlay"))
		return wh_cli_misuse(err, "--isolation=chroot cannot mount: it excludes --snapshotter=overlay");
	s->isolation = WH_ISOLATION_CHROOT;
	return 0;
}

static void add_choices(const struct wh_build_flags *f, struct wh_build_spec *s)
{
	s->network = wh_streq(f->network, "none")   ? WH_NET_NONE
		     : wh_streq(f->network, "host") ? WH_NET_HOST
						    : WH_NET_DEFAULT;
	s->snapshotter = wh_streq(f->snapshotter, "overlay") ? WH_SNAPSHOT_OVERLAY
			 : wh_streq(f->snapshotter, "copy")  ? WH_SNAPSHOT_COPY
							     : WH_SNAPSHOT_AUTO;
	s->allow_insecure = wh_strv_has(&f->allow, "security.insecure");
	s->allow_host_network = wh_strv_has(&f->allow, "network.host");
	s->allow_emulated_profile = wh_strv_has(&f->allow, "profile.emulated");
	s->cgroup_parent = f->cgroup_parent != NULL;
	s->file = f->file;
	s->target = f->target && f->target[0] ? f->target : NULL;
	s->no_cache |= f->no_cache;
	s->explain = f->explain;
	s->pull = wh_streq(f->pull, "never")	   ? WH_PULL_NEVER
		  : !f->pull || wh_streq(f->pull, "missing") || wh_streq(f->pull, "false") ? WH_PULL_MISSING
									 : WH_PULL_ALWAYS;
	s->failure_shell = wh_streq(f->on_failure, "shell");
	s->reproducible = f->reproducible;
	s->keep_removed = f->keep_removed;
	s->iidfile = f->iidfile;
	s->insecure_registry = f->insecure_registry;
	s->jobs = f->jobs;
	s->verify_reproducible = f->verify_reproducible || f->verify_report;
	if (f->verify_report)
		s->verify_report = wh_cli_absolute(f->verify_report);
}

/* The lock: where --lock says, else beside the Dockerfile. */
static int add_lock(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	s->locked = f->locked;
	if (f->lock && !f->lock[0])
		return wh_cli_misuse(err, "--lock is empty");
	if (f->lock) {
		s->lock = wh_cli_absolute(f->lock);
	} else if (f->locked && s->context_kind == WH_CONTEXT_DIR && !wh_streq(f->file, "-")) {
		WH_AUTO_FREE char *file = f->file ? wh_cli_absolute(f->file) : wh_asprintf("%s/Dockerfile", s->context);

		s->lock = wh_asprintf("%s.lock", file);
	} else if (f->locked) {
		return wh_cli_misuse(err, "--locked needs --lock FILE where the Dockerfile is no file of this machine");
	}
	return 0;
}

/* --profile-out FILE, or dest=FILE[,tests=true]; --profile-in FILE. */
static int profile_files(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err)
{
	const char *dest = f->profile_out;
	WH_AUTO_STRV struct wh_strv fields = {0};

	if (f->profile_out && wh_has_prefix(f->profile_out, "dest=")) {
		if (!wh_strv_add_csv(&fields, f->profile_out))
			return wh_cli_misuse(err, "--profile-out: \"%s\" is not dest=FILE[,tests=true]", f->profile_out);
		dest = NULL;
		for (size_t i = 0; i < fields.n; i++) {
			if (wh_has_prefix(fields.v[i], "dest="))
				dest = fields.v[i] + strlen("dest=");
			else if (!wh_has_prefix(fields.v[i], "tests=") ||
				 !wh_bool_parse(fields.v[i] + strlen("tests="), &s->profile_tests))
				return wh_cli_misuse(err, "--profile-out: \"%s\" is neither dest=FILE nor tests=true", fields.v[i]);
		}
	}
	if (f->profile_out && (!dest || !*dest))
		return wh_cli_misuse(err, "--profile-out names no file");
	if (dest)
		s->profile_out = wh_streq(dest, "-") ? wh_strdup("-") : wh_cli_absolute(dest);
	for (size_t i = 0; i < f->profile_in.n; i++) {
		if (!f->profile_in.v[i][0])
			return wh_cli_misuse(err, "--profile-in names no file");
		wh_strv_take(&s->profile_in, wh_cli_absolute(f->profile_in.v[i]));
	}
	return 0;
}

int wh_build_spec_make(const struct wh_build_flags *f, const struct wh_strv *args, struct wh_build_spec *ret,
		       struct wh_err **err)
{
	struct wh_build_spec *s = ret; /* the caller releases it, whatever happens here */
	int r;

	s->as_root = geteuid() == 0;
	add_choices(f, s);
	if (f->quiet && f->progress && !wh_streq(f->progress, "auto") && !wh_streq(f->progress, "quiet"))
		return wh_cli_misuse(err, "--quiet and --progress=%s exclude each other", f->progress);
	r = f->quiet ? 0 : wh_progress_kind_parse(f->progress, &s->progress, err);
	if (r < 0)
		return r;
	s->quiet = f->quiet || s->progress == WH_PROGRESS_QUIET;
	if (f->shm_size && !wh_size_parse(f->shm_size, &s->shm_size))
		return wh_cli_misuse(err, "--shm-size \"%s\" is no size like 64m", f->shm_size);
	if (f->file && !f->file[0])
		return wh_cli_misuse(err, "--file is empty");
	r = choose_isolation(f, s, err);
	if (!r && args->n)
		r = wh_context_main(args->v[0], f->file, s, err);
	else if (!r)
		s->context_kind = WH_CONTEXT_NONE;
	if (!r)
		r = add_contexts(&f->contexts, s, err);
	if (!r)
		r = add_args(f, s, err);
	if (!r)
		r = add_names(f, s, err);
	if (!r)
		r = check_platform(f, s, err);
	if (!r)
		r = wh_outputs_make(f, s, err);
	if (!r)
		r = add_lock(f, s, err);
	if (!r)
		r = add_secrets(f, s, err);
	if (!r)
		r = store_path(f, s, err);
	if (!r)
		r = wh_cache_opts_make(&f->cache_from, &f->cache_to, &s->build_args, &s->cache, err);
	for (size_t i = 0; i < s->n_outputs && !r; i++)
		if (s->outputs[i].type == WH_OUT_REGISTRY)
			r = wh_cache_opts_check(s->cache, wh_output_names(s, &s->outputs[i]), err);
	if (!r && f->metadata_file && !f->metadata_file[0])
		r = wh_cli_misuse(err, "--metadata-file is empty");
	if (!r && f->runtime_out && !f->runtime_out[0])
		r = wh_cli_misuse(err, "--runtime-out is empty");
	if (!r && f->runtime_out)
		s->runtime_out = wh_cli_absolute(f->runtime_out);
	if (!r)
		r = profile_files(f, s, err);
	if (!r && f->profile_lock && !f->profile_lock[0])
		r = wh_cli_misuse(err, "--profile-lock is empty");
	if (!r && f->profile_lock)
		s->profile_lock = wh_cli_absolute(f->profile_lock);
	s->update_lock = f->update_lock;
	if (!r && f->metadata_file)
		s->metadata_file = wh_cli_absolute(f->metadata_file);
	if (!r)
		r = wh_outputs_apart(s, err);
	if (!r && f->sign_key) {
		s->sign_key = wh_cli_absolute(f->sign_key);
		r = wh_sign_key_check(s->sign_key, err);
	}
	return r;
}

void wh_build_spec_release(struct wh_build_spec *s)
{
	wh_strv_release(&s->tags);
	wh_strv_release(&s->build_args);
	wh_strv_release(&s->labels);
	wh_strv_release(&s->no_cache_filter);
	wh_strv_release(&s->extra_hosts);
	wh_strv_release(&s->ulimits);
	free(s->sign_key);
	wh_cache_opts_free(s->cache);
	free(s->verify_report);
	free(s->lock);
	for (size_t i = 0; i < s->n_outputs; i++)
		wh_output_release(&s->outputs[i]);
	wh_strv_release(&s->annotations);
	free(s->metadata_file);
	free(s->runtime_out);
	free(s->profile_lock);
	free(s->profile_out);
	wh_strv_release(&s->profile_in);
	for (size_t i = 0; i < s->n_contexts; i++) {
		free(s->contexts[i].name);
		free(s->contexts[i].ref);
		free(s->contexts[i].path);
	}
	for (size_t i = 0; i < s->n_secrets; i++) {
		explicit_bzero(s->secrets[i].data, s->secrets[i].len);
		free(s->secrets[i].data);
		free(s->secrets[i].id);
	}
	free(s->outputs);
	free(s->contexts);
	free(s->secrets);
	free(s->context);
	free(s->context_shown);
	for (size_t i = 0; i < s->n_ssh; i++)
		ssh_release(&s->ssh[i]);
	free(s->ssh);
	free(s->platform);
	wh_strv_release(&s->platforms);
	free(s->root);
	*s = (struct wh_build_spec){0};
}
