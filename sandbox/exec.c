/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/step.h"

#include <errno.h>

static int missing_loader(const char *name, struct wh_err **err)
{
	return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENOENT,
			  "exec: \"%s\": the file is there, but its interpreter (the #! line or the ELF loader) is not",
			  name);
}

static int explain(const char *name, int e, int *ret_status, struct wh_err **err)
{
	*ret_status = e == ENOENT || e == ENOTDIR ? 127 : 126;
	if (e == ENOEXEC)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, e, "exec: \"%s\": exec format error", name);
	return wh_err_sys(err, "sandbox", WH_ERR_BUILD, e, "exec: \"%s\"", name);
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

int wh_exec(const char *const *args, const char *const *env, int *ret_status, struct wh_err **err)
{
	const char *name = args[0], *dirs = search_path(env);
	int e, denied = 0;

	*ret_status = 127;
	if (!name || !*name)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EINVAL, "exec: no command");
	if (strchr(name, '/')) {
		e = try(name, args, env);
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
		e = try(path, args, env);
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
