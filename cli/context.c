/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/context.h"
#include "frontend/frontend.h"

#include <errno.h>
#include <strings.h>

#define HEADER_SIZE 1024
#define MAX_DOCKERFILE ((size_t)16 << 20)
#define MAX_INPUT ((uint64_t)64 << 30)

/* ---------------------------------------------------------------- words of the command line */

static int need_directory(const char *path, const char *what, const char *shown, struct wh_err **err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "%s \"%s\"", what, shown);
	if (!S_ISDIR(st.st_mode)) {
		wh_err_sys(err, "cli", WH_ERR_USAGE, ENOTDIR, "%s \"%s\"", what, shown);
		if (wh_streq(what, "context"))
			wh_err_hint(err, "-f %s names the Dockerfile; the context is a directory", shown);
		return -ENOTDIR;
	}
	return 0;
}

static bool is_url(const char *s)
{
	return wh_has_prefix(s, "http://") || wh_has_prefix(s, "https://");
}

/* 1: a repository, 0: not, negative: a wrong address of one. */
static int is_git(const char *s, struct wh_err **err)
{
	struct wh_git_ref g = {0};
	int r = wh_git_ref_parse(s, &g, err);

	if (r == 1)
		wh_git_ref_release(&g);
	return r;
}

int wh_context_main(const char *arg, const char *file, struct wh_build_spec *s, struct wh_err **err)
{
	struct stat st;
	int r;

	s->context_shown = wh_remote_shown(arg);
	if (wh_streq(arg, "-") && wh_streq(file, "-"))
		return wh_cli_misuse(err, "can't use stdin for both build context and dockerfile");
	if (wh_streq(arg, "-")) {
		s->context_kind = WH_CONTEXT_STDIN;
		s->context = wh_strdup(arg);
		return 0;
	}
	/* What is there wins over what it might mean. */
	r = stat(arg, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : is_git(arg, err);
	if (r < 0)
		return r;
	if (r == 1 || is_url(arg)) {
		s->context_kind = r == 1 ? WH_CONTEXT_GIT : WH_CONTEXT_HTTP;
		s->context = wh_strdup(arg);
		return 0;
	}
	s->context_kind = WH_CONTEXT_DIR;
	s->context = wh_cli_absolute(arg);
	return need_directory(s->context, "context", arg, err);
}

bool wh_context_is_foreign(const struct wh_build_spec *s)
{
	return s->context_kind != WH_CONTEXT_DIR || (s->file && is_url(s->file));
}

int wh_context_named(const char *text, struct wh_named_ctx *ret, struct wh_err **err)
{
	const char *eq = strchr(text, '=');
	WH_AUTO_FREE char *name = eq ? wh_strndup(text, (size_t)(eq - text)) : NULL;
	WH_AUTO_FREE char *abs = NULL;
	const char *ref = eq ? eq + 1 : NULL;
	int r;

	if (!name || !name[0] || !ref[0])
		return wh_cli_misuse(err, "--build-context \"%s\" is no NAME=REF", text);
	if (wh_streq(name, "context") || wh_streq(name, "scratch"))
		return wh_cli_misuse(err, "--build-context: \"%s\" is a reserved name", name);
	r = is_git(ref, err);
	if (r < 0) {
		wh_err_wrap(err, "--build-context %s", name);
		return r;
	}
	if (r == 1 || is_url(ref) || wh_has_prefix(ref, "docker-image://")) {
		ret->ref = wh_strdup(ref);
	} else if (wh_has_prefix(ref, "oci-layout://")) {
		abs = wh_cli_absolute(ref + strlen("oci-layout://"));
		ret->ref = wh_asprintf("oci-layout://%s", abs);
	} else if (strstr(ref, "://")) {
		return wh_cli_misuse(err,
			      "--build-context %s: \"%s\" is nothing that is known: a directory, docker-image://, "
			      "oci-layout://, a git address and http(s):// are",
			      name, ref);
	} else {
		abs = wh_cli_absolute(ref);
		r = need_directory(abs, "--build-context", text, err);
		if (r < 0)
			return r;
		ret->path = WH_TAKE_PTR(abs);
		ret->ref = wh_asprintf("local://%s", name);
	}
	ret->name = WH_TAKE_PTR(name);
	return 0;
}

void wh_context_notes(const struct wh_named_ctx *contexts, size_t n, struct wh_err **notes)
{
	for (size_t i = 0; i < n; i++) {
		WH_AUTO_FREE char *layout = NULL, *index = NULL;
		WH_AUTO_ERR struct wh_err *note = NULL;

		if (!contexts[i].path)
			continue;
		layout = wh_asprintf("%s/oci-layout", contexts[i].path);
		index = wh_asprintf("%s/index.json", contexts[i].path);
		if (access(layout, F_OK) < 0 || access(index, F_OK) < 0)
			continue;
		wh_cli_misuse(&note, "--build-context %s: that directory is an OCI layout, and its files are taken, not its image",
		       contexts[i].name);
		wh_err_hint(&note, "did you mean %s=oci-layout://%s?", contexts[i].name, contexts[i].path);
		wh_err_append(notes, &note);
	}
}

/* ---------------------------------------------------------------- what is at hand then */

struct opening {
	const struct wh_build_spec *s;
	struct wh_store *store;
	struct wh_cli_source *source;
	struct wh_progress *progress;
	struct wh_context *c;
};

/* One question to the fetcher, with a line of progress. *ret_path: the directory that came back. */
static int fetch(const struct opening *x, const json_t *request, const char *what, char **ret_path, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_JSON json_t *reply = NULL;
	unsigned id = wh_progress_begin(x->progress, "[internal] load %s", what);
	int r = wh_remote_at_hand(x->store, request, &reply)
			? 0
			: wh_cli_source_fetch(x->source, request, NULL, &reply, &why);

	if (r == 0 && !wh_json_str(reply, "path"))
		r = wh_err_set(&why, "cli", WH_ERR_INTERNAL, EBADMSG, "the fetcher's answer says nothing");
	if (r == 0) {
		wh_progress_note(x->progress, id, "%s", wh_json_str(reply, "note") ? wh_json_str(reply, "note") : "");
		*ret_path = wh_strdup(wh_json_str(reply, "path"));
	}
	wh_progress_end(x->progress, id, why);
	if (r < 0)
		wh_err_move(err, &why);
	return r;
}

static int fetch_url(const struct opening *x, const char *url, const char *what, char **ret_path, struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = json_pack("{s:s, s:s, s:s}", "kind", "http", "url", url, "filename", WH_CONTEXT_FILE);

	if (!q)
		return wh_cli_misuse(err, "\"%s\" is no URL", x->s->context_shown);
	return fetch(x, q, what, ret_path, err);
}

/* BuildKit's build argument: the main context keeps its repository. */
static bool keeps_git(const struct wh_build_spec *s)
{
	const char *v = wh_env_get(&s->build_args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");

	return wh_streq(v, "1") || (v && (strcasecmp(v, "true") == 0 || strcasecmp(v, "t") == 0));
}

static int open_git(const struct opening *x, struct wh_err **err)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	int r = wh_git_ref_parse(x->s->context, &g, err);
	WH_AUTO_FREE char *remote = NULL;
	WH_AUTO_FREE char *what = NULL;
	WH_AUTO_FREE char *abs = NULL;
	WH_AUTO_JSON json_t *q = NULL;

	if (r < 0)
		return r;
	remote = wh_asprintf("%s%s", g.local_like ? "https://" : "", g.remote);
	abs = wh_path_abs_in("/", g.subdir ? g.subdir : "");
	what = wh_asprintf("git source %s", x->s->context_shown);
	q = json_pack("{s:s, s:s, s:b, s:b, s:b}", "kind", "git", "remote", remote, "keep_git_dir",
		      g.keep_git_dir == 1 || keeps_git(x->s), "submodules", g.submodules != 0, "by_commit",
		      g.fetch_by_commit);
	if (!q)
		return wh_cli_misuse(err, "\"%s\" is no address", x->s->context_shown);
	if (g.ref)
		json_object_set_new(q, "ref", json_string(g.ref));
	if (g.checksum)
		json_object_set_new(q, "checksum", json_string(g.checksum));
	if (abs[1])
		json_object_set_new(q, "subdir", json_string(abs + 1));
	r = fetch(x, q, what, &x->c->own, err);
	x->c->path = x->c->own;
	return r;
}

/* ---------------------------------------------------------------- archives */

/* A tar's first header adds up; or it begins as compressed files do. */
static bool is_archive(const unsigned char *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t len;
	} known[] = {{"BZh", 3}, {"\x1f\x8b\x08", 3}, {"\xfd\x37\x7a\x58\x5a\x00", 6}, {"\x28\xb5\x2f\xfd", 4}};
	unsigned long sum = 0, signed_sum = 0;
	char digits[9] = {0};

	for (size_t i = 0; i < WH_ARRAY_SIZE(known); i++)
		if (n >= known[i].len && memcmp(p, known[i].magic, known[i].len) == 0)
			return true;
	if (n < 512)
		return false;
	for (size_t i = 0; i < 512; i++) {
		unsigned char c = i >= 148 && i < 156 ? ' ' : p[i];

		sum += c;
		signed_sum += (unsigned long)(long)(signed char)c;
	}
	memcpy(digits, p + 148, 8);
	for (char *d = digits; *d; d++)
		if ((*d < '0' || *d > '7') && *d != ' ')
			return false;
	if (strspn(digits, " ") == strlen(digits))
		return false;
	return strtoul(digits, NULL, 8) == sum || strtoul(digits, NULL, 8) == signed_sum;
}

static int read_header(int fd, unsigned char *to, size_t *ret_n)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n < HEADER_SIZE && got) {
		got = pread(fd, to + n, HEADER_SIZE - n, (off_t)n);
		if (got < 0 && errno != EINTR)
			return -errno;
		n += got > 0 ? (size_t)got : 0;
	}
	*ret_n = n;
	return 0;
}

/* A file of a layer that is a plain tar, symlinks followed inside. -ENOENT without an error. */
static int read_from_layer(struct wh_store *s, const struct wh_layer *l, const char *name, struct wh_buf *to,
			   struct wh_err **err)
{
	WH_AUTO_FREE char *real = NULL;
	struct wh_tree *t = NULL;
	struct wh_node_ref ref = {0};
	WH_AUTO_FD int fd = -1;
	WH_AUTO_FREE char *bytes = NULL;
	ssize_t n;
	int r = wh_tree_open(s, l, 1, &t, err);

	if (r < 0)
		return r;
	r = wh_tree_resolve(t, name, true, false, &real, &ref);
	if (r == 0 && ref.e.type != WH_T_FILE)
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "read the Dockerfile \"%s\": it is no file", name);
	if (r == 0 && (ref.e.size > MAX_DOCKERFILE || ref.e.offset == UINT64_MAX))
		r = wh_err_sys(err, "cli", WH_ERR_USAGE, EFBIG, "read the Dockerfile \"%s\"", name);
	if (r == 0)
		r = fd = wh_blob_open(s, &l->blob, NULL, err);
	if (r >= 0) {
		bytes = wh_malloc(ref.e.size + 1);
		n = pread(fd, bytes, ref.e.size, (off_t)ref.e.offset);
		r = n == (ssize_t)ref.e.size
			    ? 0
			    : wh_err_sys(err, "cli", WH_ERR_ENV, n < 0 ? errno : EIO, "read \"%s\"", name);
	}
	if (r == 0)
		wh_buf_add(to, bytes, ref.e.size);
	wh_tree_close(t);
	return r;
}

static int dockerfile_from_layer(const struct opening *x, struct wh_err **err)
{
	const char *file = x->s->file;
	struct wh_context *c = x->c;
	int r;

	if (wh_streq(file, "-") || (file && file[0] == '/') || c->has_text)
		return 0; /* it is elsewhere */
	c->text_name = wh_strdup(file ? file : "Dockerfile");
	r = read_from_layer(x->store, &c->layer, c->text_name, &c->text, err);
	if (r == -ENOENT && !file) {
		free(c->text_name);
		c->text_name = wh_strdup("dockerfile");
		r = read_from_layer(x->store, &c->layer, c->text_name, &c->text, err);
	}
	c->has_text = r == 0;
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP) {
		wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the Dockerfile \"%s\" in %s", file ? file : "Dockerfile",
			   x->s->context_shown);
		if (!file)
			wh_err_hint(err, "-f names another file inside");
	}
	return r;
}

/* fd is an archive: its content is the context. */
static int open_archive(const struct opening *x, int fd, struct wh_err **err)
{
	const char *what = x->s->context_kind == WH_CONTEXT_STDIN ? "standard input" : x->s->context_shown;
	unsigned id = wh_progress_begin(x->progress, "[internal] unpack %s", what);
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_archive_to_layer(x->store, fd, what, false, &x->c->layer, &why);

	if (r == -ENOTSUP && !why)
		wh_err_set(&why, "cli", WH_ERR_USAGE, ENOTSUP, "%s: begins like an archive, and is none that is known",
			   what);
	wh_progress_end(x->progress, id, why);
	if (r < 0) {
		wh_err_move(err, &why);
		return r;
	}
	x->c->has_layer = true;
	return dockerfile_from_layer(x, err);
}

/* ---------------------------------------------------------------- URLs and standard input */

static int open_http(const struct opening *x, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_asprintf("remote build context %s", x->s->context_shown);
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_FREE char *file = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_context *c = x->c;
	unsigned char header[HEADER_SIZE];
	size_t n;
	int r = fetch_url(x, x->s->context, what, &dir, err);

	if (r < 0)
		return r;
	file = wh_asprintf("%s/" WH_CONTEXT_FILE, dir);
	r = fd = wh_openat(AT_FDCWD, file, O_RDONLY | O_NOFOLLOW, 0);
	if (r >= 0)
		r = read_header(fd, header, &n);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "read %s", file);
	if (is_archive(header, n))
		return open_archive(x, fd, err);
	/* It is the Dockerfile, whatever -f says. */
	wh_buf_release(&c->text);
	free(c->text_name);
	c->text_name = wh_strdup(x->s->context_shown);
	c->path = c->own = WH_TAKE_PTR(dir);
	r = wh_read_fd(fd, MAX_DOCKERFILE, &c->text);
	c->has_text = r == 0;
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the Dockerfile %s", c->text_name) : 0;
}

/* All of it into a file without a name, as archives are read with seeks. */
static int spool_input(const struct opening *x, int *ret_fd, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("stdin-");
	int dir = wh_store_tmp_dirfd(x->store);
	WH_AUTO_FD int fd = wh_openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	WH_AUTO_FREE char *buf = wh_malloc((size_t)1 << 20);
	uint64_t total = 0;
	ssize_t n = 1;
	int r = fd < 0 ? fd : 0;

	if (r == 0)
		(void)unlinkat(dir, name, 0);
	while (r == 0 && n) {
		n = read(STDIN_FILENO, buf, (size_t)1 << 20);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "read standard input");
		total += (uint64_t)n;
		r = total > MAX_INPUT ? -EFBIG : wh_write_all(fd, buf, (size_t)n);
	}
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "keep standard input in the store");
	*ret_fd = WH_TAKE_FD(fd);
	return 0;
}

static int open_stdin(const struct opening *x, struct wh_err **err)
{
	unsigned char header[HEADER_SIZE];
	struct wh_context *c = x->c;
	WH_AUTO_FD int fd = -1;
	size_t n = 0;
	int r = spool_input(x, &fd, err);

	if (r < 0)
		return r;
	r = read_header(fd, header, &n);
	if (r == 0 && is_archive(header, n))
		return open_archive(x, fd, err);
	if (r == 0 && n == 0)
		return wh_cli_misuse(err, "standard input is empty: neither a context nor a Dockerfile");
	if (r == 0 && x->s->file)
		return wh_cli_misuse(err, "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
	c->text_name = wh_strdup("standard input");
	if (r == 0)
		r = wh_read_fd(fd, MAX_DOCKERFILE, &c->text);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the Dockerfile from standard input");
	c->has_text = true;
	c->path = c->own = wh_asprintf("%s/empty", wh_store_tmp_path(x->store));
	r = wh_mkdir_p(wh_store_tmp_dirfd(x->store), "empty", 0700);
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "make an empty context") : 0;
}

/* -f https://…: the Dockerfile alone. */
static int open_file_url(const struct opening *x, struct wh_err **err)
{
	WH_AUTO_FREE char *shown = wh_remote_shown(x->s->file);
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_FREE char *file = NULL;
	struct wh_context *c = x->c;
	int r = fetch_url(x, x->s->file, shown, &dir, err);

	if (r < 0)
		return r;
	file = wh_asprintf("%s/" WH_CONTEXT_FILE, dir);
	r = wh_read_file(AT_FDCWD, file, MAX_DOCKERFILE, &c->text);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the Dockerfile %s", shown);
	c->has_text = true;
	c->text_name = WH_TAKE_PTR(shown);
	return 0;
}

int wh_context_open(const struct wh_build_spec *s, struct wh_store *store, struct wh_cli_source *source,
		    struct wh_progress *progress, struct wh_context *ret, struct wh_err **err)
{
	struct opening x = {.s = s, .store = store, .source = source, .progress = progress, .c = ret};
	int r = 0;

	ret->path = s->context;
	if (s->file && is_url(s->file) && s->context_kind != WH_CONTEXT_STDIN)
		r = open_file_url(&x, err);
	if (r < 0 || s->context_kind == WH_CONTEXT_DIR)
		return r;
	ret->foreign = true;
	ret->path = NULL;
	if (s->context_kind == WH_CONTEXT_GIT)
		return open_git(&x, err);
	return s->context_kind == WH_CONTEXT_HTTP ? open_http(&x, err) : open_stdin(&x, err);
}

void wh_context_release(struct wh_context *c)
{
	if (c->has_layer)
		wh_layer_release(&c->layer);
	wh_buf_release(&c->text);
	free(c->text_name);
	free(c->own);
	*c = (struct wh_context){0};
}
