/* SPDX-License-Identifier: Apache-2.0 */
/* The Dockerfile and the ignore files, from wherever they are. Nothing else of a context is read here. */
#include "cli/build_input.h"

#include <dirent.h>
#include <errno.h>

#define MAX_DOCKERFILE (16u << 20)
#define MAX_IGNORE (4u << 20)

/* The Dockerfile of a directory: a symlink is followed as if the directory were "/", because the directory may be a
 * stranger's, and messages quote the file. */
static int open_in_context(const struct wh_build_input *in, const char *name)
{
	WH_AUTO_FD int dir = wh_openat(AT_FDCWD, in->context, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return dir;
	return wh_open_in_root(dir, name, O_RDONLY | O_NONBLOCK, 0);
}

/* A Dockerfile that is there under another name. */
static void hint_name(const struct wh_build_input *in, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, in->context, O_RDONLY | O_DIRECTORY, 0);
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *path = NULL;
	const char *near;
	const struct dirent *e;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir) {
		fd = -1;
		while (names.n < 1000 && (e = readdir(dir)))
			if (e->d_name[0] != '.')
				wh_strv_add(&names, e->d_name);
		closedir(dir);
	}
	near = wh_strv_has(&names, "Containerfile") ? "Containerfile"
						    : wh_nearest("Dockerfile", (const char *const *)names.v, names.n);
	if (near) {
		path = in->foreign ? wh_strdup(near) : wh_path_join(in->context_shown, near);
		wh_err_hint(err, "there is %s: -f %s", near, path);
	}
	wh_err_hint(err, "-f names another file");
}

static int open_dockerfile(struct wh_build_input *in, struct wh_err **err)
{
	struct stat st;
	int fd;

	if (wh_streq(in->file, "-")) {
		in->file_shown = wh_strdup("standard input");
		return STDIN_FILENO;
	}
	if (in->file && in->foreign && in->file[0] != '/') {
		in->file_shown = wh_strdup(in->file);
		fd = open_in_context(in, in->file);
	} else if (in->file) {
		in->file_shown = wh_strdup(in->file);
		fd = wh_openat(AT_FDCWD, in->file, O_RDONLY, 0); /* may well be a pipe */
	} else {
		in->file_shown = in->foreign ? wh_strdup("Dockerfile") : wh_path_join(in->context_shown, "Dockerfile");
		fd = open_in_context(in, "Dockerfile");
		if (fd == -ENOENT) {
			fd = open_in_context(in, "dockerfile");
			if (fd >= 0) {
				free(in->file_shown);
				in->file_shown =
					in->foreign ? wh_strdup("dockerfile") : wh_path_join(in->context_shown, "dockerfile");
			}
		}
	}
	if (fd < 0) {
		wh_err_sys(err, "cli", WH_ERR_USAGE, -fd, "read the Dockerfile \"%s\"", in->file_shown);
		if (fd == -ENOENT && !in->file)
			hint_name(in, err);
		return fd;
	}
	if (fstat(fd, &st) < 0 || (in->file && !in->foreign ? S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))) {
		close(fd);
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "read the Dockerfile \"%s\": it is no file",
				  in->file_shown);
	}
	in->file_st = st;
	return fd;
}

/* docker/dockerfile in any version, its labs and upstream builds: the language that whittle reads. */
static bool is_known_frontend(const char *ref)
{
	static const char *const hosts[] = {"docker.io/", "registry-1.docker.io/", "index.docker.io/"};
	size_t n;

	for (size_t i = 0; i < WH_ARRAY_SIZE(hosts); i++)
		if (wh_has_prefix(ref, hosts[i]))
			ref += strlen(hosts[i]);
	n = strcspn(ref, ":@");
	return wh_str_eq((struct wh_str){ref, n}, "docker/dockerfile") ||
	       wh_str_eq((struct wh_str){ref, n}, "docker/dockerfile-upstream");
}

/* BuildKit would run that image instead of reading the file; the build argument counts more than the file. */
static void warn_of_syntax(const struct wh_build_input *in)
{
	const char *arg = in->build_args ? wh_env_get(in->build_args, "BUILDKIT_SYNTAX") : NULL;
	WH_AUTO_FREE char *ref = NULL;

	if (arg && *arg)
		ref = wh_strndup(arg, strcspn(arg, " "));
	else if (in->dockerfile->syntax)
		ref = wh_strdup(in->dockerfile->syntax);
	if (ref && !is_known_frontend(ref))
		wh_progress_warn(in->progress,
				 "%s: %s=%s names another frontend; whittle runs none and reads the file as a "
				 "Dockerfile",
				 in->file_shown, arg && *arg ? "BUILDKIT_SYNTAX" : "syntax", ref);
}

static int read_dockerfile(struct wh_build_input *in, struct wh_err **err)
{
	unsigned id;
	int res = 0, fd = -1;

	if (in->given)
		in->file_shown = wh_strdup(in->given_name);
	else if ((fd = open_dockerfile(in, err)) < 0)
		return fd;
	id = wh_progress_begin(in->progress, "[internal] load build definition from %s", in->file_shown);
	if (in->given && in->given->n)
		wh_buf_add(&in->text, in->given->p, in->given->n);
	else if (!in->given)
		res = wh_read_fd(fd, MAX_DOCKERFILE, &in->text);
	if (fd > STDIN_FILENO)
		close(fd);
	if (res < 0) {
		wh_err_sys(err, "cli", WH_ERR_USAGE, -res, "read the Dockerfile \"%s\"", in->file_shown);
		return res;
	}
	wh_progress_note(in->progress, id, "%zu bytes", in->text.n);
	res = wh_dockerfile_parse(in->file_shown, in->text.p ? in->text.p : "", in->text.n, &in->dockerfile, err);
	wh_progress_end(in->progress, id, res < 0 && err ? *err : NULL);
	if (!res)
		warn_of_syntax(in);
	return res;
}

/* Only what is not there at all counts as none: a symlink that leads nowhere, or out of the context, was meant as rules. */
static int or_dangling(int fd, int dir, const char *name)
{
	struct stat st;

	return fd == -ENOENT && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? -EXDEV : fd;
}

/* Opens the context's ignore file: the one that is named after the Dockerfile wins. fd; -ENOENT: there is none; -EXDEV: a
 * symlink to nothing. */
static int open_ignore(const struct wh_build_input *in, struct wh_input_local *l)
{
	const char *file = in->file;
	WH_AUTO_FD int dir = wh_openat(AT_FDCWD, l->path, O_PATH | O_DIRECTORY, 0);
	int fd;

	l->ignore_file = wh_strdup(".dockerignore");
	if (dir < 0)
		return dir == -ENOENT ? -ESTALE : dir;
	if (l == &in->locals[0] && !wh_streq(file, "-")) {
		WH_AUTO_FREE char *own = wh_asprintf("%s.dockerignore", file ? file : "Dockerfile");
		int from = file ? AT_FDCWD : dir;

		fd = file ? wh_openat(from, own, O_RDONLY | O_NONBLOCK, 0)
			  : wh_open_in_root(dir, own, O_RDONLY | O_NONBLOCK, 0);
		fd = or_dangling(fd, from, own);
		if (fd != -ENOENT) {
			free(l->ignore_file);
			l->ignore_file = WH_TAKE_PTR(own);
			return fd;
		}
	}
	fd = wh_open_in_root(dir, ".dockerignore", O_RDONLY | O_NONBLOCK, 0);
	return or_dangling(fd, dir, ".dockerignore");
}

static int read_ignore_text(int fd, const char *name, struct wh_buf *text, struct wh_err **err)
{
	struct stat st;
	int res = fd < 0 ? fd : 0;

	if (!res && fstat(fd, &st) < 0)
		res = -errno;
	if (res == -EXDEV)
		wh_err_set(err, "cli", WH_ERR_USAGE, EXDEV,
			   "read \"%s\": it is a symlink that leads nowhere in the context", name);
	else if (!res && !S_ISREG(st.st_mode))
		res = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "read \"%s\": it is no file", name);
	else if (!res)
		res = wh_read_fd(fd, MAX_IGNORE, text);
	if (res < 0) {
		wh_err_sys(err, "cli", WH_ERR_USAGE, -res, "read \"%s\"", name);
		wh_err_hint(err, "without its rules more would be taken in than was meant: mend it or remove it");
	}
	return res;
}

static int read_ignore(struct wh_build_input *in, struct wh_input_local *l, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_FD int fd = open_ignore(in, l);
	WH_AUTO_FREE unsigned *numbers = NULL;
	unsigned id;
	int res;

	if (fd == -ENOENT) {
		free(WH_TAKE_PTR(l->ignore_file));
		return 0;
	}
	res = read_ignore_text(fd, l->ignore_file, &text, err);
	if (res < 0)
		return res;
	id = wh_progress_begin(in->progress, "[%s] load %s", l == &in->locals[0] ? "internal" : l->name,
			       l->ignore_file);
	wh_ignore_read_numbered(text.p ? text.p : "", text.n, &l->lines, &numbers);
	res = wh_patterns_new(&l->lines, &l->patterns, err);
	if (!res)
		wh_patterns_set_source(l->patterns, l->ignore_file, numbers, l->lines.n);
	if (res < 0) {
		unsigned bad = wh_patterns_bad(&l->lines);

		wh_err_at(err, l->ignore_file, bad ? numbers[bad - 1] : 0, 0, NULL);
		if (err && *err)
			(*err)->class = WH_ERR_USAGE;
	}
	wh_progress_end(in->progress, id, res < 0 && err ? *err : NULL);
	return res;
}

static int read_ignores(struct wh_build_input *in, struct wh_err **err)
{
	int res;

	in->locals = wh_calloc(in->n_contexts + 1, sizeof(*in->locals));
	in->locals[in->n_locals++] =
		(struct wh_input_local){.name = "context", .path = in->context, .layer = in->layer};
	for (size_t i = 0; i < in->n_contexts; i++)
		if (in->contexts[i].path)
			in->locals[in->n_locals++] =
				(struct wh_input_local){.name = in->contexts[i].name, .path = in->contexts[i].path};
	for (size_t i = in->foreign ? 1 : 0; i < in->n_locals; i++) {
		res = read_ignore(in, &in->locals[i], err);
		if (res < 0)
			return res;
	}
	return 0;
}

/* The Dockerfile that is used, if it lies in that directory, at any depth. */
static bool stat_within(const struct wh_build_input *in, const char *dir, struct stat *ret)
{
	WH_AUTO_FREE char *root = realpath(dir, NULL);
	WH_AUTO_FREE char *name = in->file ? NULL : wh_path_join(dir, wh_path_base(in->file_shown));
	WH_AUTO_FREE char *file = realpath(in->file ? in->file : name, NULL);
	size_t n = root ? strlen(root) : 0;

	return root && file && wh_has_prefix(file, root) && file[n] == '/' && lstat(file, ret) == 0 &&
	       ret->st_ino == in->file_st.st_ino && ret->st_dev == in->file_st.st_dev;
}

/* The umask that a checkout was made under, where it is not the usual one: told by the context's directory and by the Dockerfile
 * that lies in it. One that takes rights from the owner is no checkout's, but somebody's intention. */
static void find_umask(const struct wh_build_input *in, struct wh_input_local *l)
{
	struct stat dir_st, st;
	uint32_t mask;

	if (in->foreign || !l->path || !S_ISREG(in->file_st.st_mode) || stat(l->path, &dir_st) < 0 ||
	    !stat_within(in, l->path, &st))
		return;
	mask = ~dir_st.st_mode & 0777;
	if (mask == 022 || mask & 0700 || (dir_st.st_mode & 07777) != (0777 & ~mask) ||
	    (st.st_mode & 07777) != (0666 & ~mask))
		return;
	l->has_umask = true;
	l->umask = mask;
}

int wh_build_input_read(struct wh_build_input *in, struct wh_err **err)
{
	int res = in->dockerfile ? 0 : read_dockerfile(in, err); /* a composed one is there */

	if (res == 0)
		res = read_ignores(in, err);
	if (res == 0)
		find_umask(in, &in->locals[0]);
	return res;
}

const char *const *wh_build_input_ignore(void *arg, const char *name, const struct wh_patterns **ret_filter)
{
	const struct wh_build_input *in = arg;

	*ret_filter = NULL;
	for (size_t i = 0; i < in->n_locals; i++) {
		if (!wh_streq(in->locals[i].name, name))
			continue;
		*ret_filter = in->locals[i].patterns;
		return in->locals[i].lines.n ? (const char *const *)in->locals[i].lines.v : NULL;
	}
	return NULL;
}

void wh_build_input_release(struct wh_build_input *in)
{
	for (size_t i = 0; i < in->n_locals; i++) {
		wh_strv_release(&in->locals[i].lines);
		wh_patterns_freep(&in->locals[i].patterns);
		free(in->locals[i].ignore_file);
	}
	free(in->locals);
	if (in->dockerfile)
		wh_dockerfile_free(in->dockerfile);
	wh_buf_release(&in->text);
	free(in->file_shown);
}
