/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/foreign.h"
#include "sandbox/step.h"

#include <errno.h>

static int missing_loader(const char *name, struct wh_err **err)
{
	return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENOENT,
			  "exec: \"%s\": the file is there, but its interpreter (the #! line or the ELF loader) is not",
			  name);
}

/* Another machine's program in a stage that is said to be this one's, for one. */
static int bad_format(const char *name, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	unsigned char head[WH_ELF_HEAD];
	const char *arch = fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) ? wh_elf_machine(head) : NULL;

	wh_err_set(err, "sandbox", WH_ERR_BUILD, ENOEXEC, "exec: \"%s\": exec format error%s%s", name,
		   arch ? ": it is a program for " : "", arch ? arch : "");
	if (arch)
		wh_err_hint(err, "where the stage is of that platform, say so: FROM --platform=linux/%s", arch);
	return -ENOEXEC;
}

static int explain(const char *name, int e, int *ret_status, struct wh_err **err)
{
	*ret_status = e == ENOENT || e == ENOTDIR ? 127 : 126;
	if (e == ENOEXEC)
		return bad_format(name, err);
	wh_err_sys(err, "sandbox", WH_ERR_BUILD, e, "exec: \"%s\"", name);
	if (e == ENOENT && wh_streq(name, "/bin/sh"))
		wh_err_hint(err, "this tree has no shell (scratch has none): write the command as [\"program\", \"argument\"], "
				 "or name another shell with SHELL");
	return -e;
}

/* errno, or never comes back. */
static int try(const char *path, const char *const *args, const char *const *env)
{
	char *const *av, *const *ev;

	/* execve's prototype lacks the const that it keeps. */
	memcpy(&av, &args, sizeof(av));
	memcpy(&ev, &env, sizeof(ev));
	execve(path, av, ev);
	return errno;
}

static const char *search_path(const char *const *env)
{
	for (; *env; env++)
		if (wh_has_prefix(*env, "PATH="))
			return *env + 5;
	return "";
}

/* Confined, there is one try: what cannot be it is passed over before. 0, or -errno with err. *ret_e: as of try(). */
static int try_one(const char *path, const char *const *args, const char *const *env, const struct wh_confined *confined, int *ret_e,
		   struct wh_err **err)
{
	struct stat st;
	int r;

	if (confined) {
		if (stat(path, &st) < 0 || access(path, X_OK) < 0) {
			*ret_e = errno;
			return 0;
		}
		if (!S_ISREG(st.st_mode)) {
			*ret_e = EACCES;
			return 0;
		}
		r = wh_confine_last(confined, err);
		if (r < 0)
			return r;
	}
	*ret_e = try(path, args, env);
	return 0;
}

int wh_exec(const char *const *args, const char *const *env, const struct wh_confined *confined, int *ret_status,
	    struct wh_err **err)
{
	const char *name = args[0], *dirs = search_path(env);
	int e = 0, denied = 0, r;

	*ret_status = 127;
	if (!name || !*name)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EINVAL, "exec: no command");
	if (strchr(name, '/')) {
		r = try_one(name, args, env, confined, &e, err);
		if (r < 0)
			return r;
		if (e == ENOENT && access(name, F_OK) == 0)
			return missing_loader(name, err);
		return explain(name, e, ret_status, err);
	}
	while (*dirs) {
		size_t n = strcspn(dirs, ":");
		WH_AUTO_FREE char *path = wh_asprintf("%.*s%s%s", (int)n, dirs, n ? "/" : "", name);

		dirs += n + (dirs[n] == ':');
		if (!n)
			continue; /* an empty element would be whatever directory is the current one */
		r = try_one(path, args, env, confined, &e, err);
		if (r < 0)
			return r;
		if (e == ENOENT && access(path, F_OK) == 0)
			return missing_loader(path, err);
		if (e == EACCES)
			denied = e;
		else if (e != ENOENT && e != ENOTDIR)
			return explain(path, e, ret_status, err);
	}
	if (denied)
		return explain(name, denied, ret_status, err);
	return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENOENT, "exec: \"%s\": not found in PATH", name);
}
