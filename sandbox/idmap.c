/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/idmap.h"
#include "sandbox/inner.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define MAX_SUBID ((size_t)4 << 20)
#define MAX_EXTENTS 340 /* user_namespaces(7) */

void wh_id_map_release(struct wh_id_map *m)
{
	free(m->v);
	*m = (struct wh_id_map){0};
}

uint32_t wh_id_map_total(const struct wh_id_map *m)
{
	uint32_t total = 0;

	for (size_t i = 0; i < m->n; i++)
		total += m->v[i].count;
	return total;
}

static struct wh_str next_line(struct wh_str *text)
{
	const char *end = memchr(text->p, '\n', text->n);
	struct wh_str line = {text->p, end ? (size_t)(end - text->p) : text->n};

	text->p += line.n + (end ? 1 : 0);
	text->n -= line.n + (end ? 1 : 0);
	return line;
}

static bool parse_u32(struct wh_str s, uint32_t *ret)
{
	WH_AUTO_FREE char *copy = wh_strndup(s.p, s.n);
	uint64_t v;

	if (!wh_parse_u64(copy, 10, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Splits at the separator (blanks when it is ' '); false unless there are exactly three fields. */
static bool three_fields(struct wh_str line, char sep, struct wh_str ret[3])
{
	size_t n = 0;

	while (line.n) {
		size_t i = 0;

		if (sep == ' ')
			line = wh_str_trim(line);
		while (i < line.n && line.p[i] != sep)
			i++;
		if (n == 3)
			return false;
		ret[n++] = (struct wh_str){line.p, i};
		i += i < line.n ? 1 : 0;
		line.p += i;
		line.n -= i;
	}
	return n == 3;
}

static bool overlaps(const struct wh_id_map *m, uint32_t first, uint32_t count)
{
	for (size_t i = 0; i < m->n; i++)
		if (first < (uint64_t)m->v[i].outside + m->v[i].count && m->v[i].outside < (uint64_t)first + count)
			return true;
	return false;
}

void wh_id_map_from_subid(struct wh_str text, const char *name, uint32_t uid, uint32_t id, struct wh_id_map *ret)
{
	uint32_t next = 1;
	char number[16];

	snprintf(number, sizeof(number), "%u", uid);
	WH_PUSH(ret->v, ret->n, ret->cap) = (struct wh_id_extent){0, id, 1};
	while (text.n && next < WH_ID_WANTED && ret->n < MAX_EXTENTS) {
		struct wh_str f[3], line = wh_str_trim(next_line(&text));
		uint32_t first, count;

		if (!line.n || line.p[0] == '#' || !three_fields(line, ':', f))
			continue;
		if (!wh_str_eq(f[0], number) && !(name && wh_str_eq(f[0], name)))
			continue;
		if (!parse_u32(f[1], &first) || !parse_u32(f[2], &count) || !count)
			continue;
		if (count > WH_ID_WANTED - next)
			count = WH_ID_WANTED - next;
		if ((uint64_t)first + count > UINT32_MAX || overlaps(ret, first, count))
			continue;
		WH_PUSH(ret->v, ret->n, ret->cap) = (struct wh_id_extent){next, first, count};
		next += count;
	}
}

void wh_id_map_identity(struct wh_str current, struct wh_id_map *ret)
{
	while (current.n && ret->n < MAX_EXTENTS) {
		struct wh_str f[3], line = wh_str_trim(next_line(&current));
		uint32_t first, outside, count;

		if (!three_fields(line, ' ', f) || !parse_u32(f[0], &first) || !parse_u32(f[1], &outside) ||
		    !parse_u32(f[2], &count))
			continue;
		if (first >= WH_ID_WANTED)
			continue;
		if (count > WH_ID_WANTED - first)
			count = WH_ID_WANTED - first;
		WH_PUSH(ret->v, ret->n, ret->cap) = (struct wh_id_extent){first, first, count};
	}
}

/* All of these in this process's own user namespace. */
static bool holds(uint32_t caps)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	return syscall(SYS_capget, &hdr, data) == 0 && (data[0].effective & caps) == caps;
}

static bool may_write_maps(void)
{
	return geteuid() == 0 && holds(1U << CAP_SETUID | 1U << CAP_SETGID);
}

int wh_id_map_possible(struct wh_err **err)
{
	if (geteuid() != 0 || holds(1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_SETFCAP))
		return 0;
	wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM,
		   "this container's root lacks the capabilities SETUID, SETGID or SETFCAP, without which a user namespace can have no root");
	wh_err_hint(err, "start the container with --cap-add SETUID --cap-add SETGID --cap-add SETFCAP, or as an ordinary user");
	return -EPERM;
}

static int write_map(pid_t pid, const char *file, const struct wh_id_map *m, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("/proc/%d/%s", pid, file);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY, 0);

	if (fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -fd, "open %s", path);
	for (size_t i = 0; i < m->n; i++)
		wh_buf_addf(&text, "%u %u %u\n", m->v[i].inside, m->v[i].outside, m->v[i].count);
	/* One write: the kernel takes a map whole or not at all. */
	if (write(fd, text.p, text.n) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "write the id map %s", path);
	return 0;
}

static int apply_as_root(pid_t pid, uint32_t *ret_count, struct wh_err **few, struct wh_err **err)
{
	static const char *const files[2] = {"uid_map", "gid_map"};
	uint32_t count = UINT32_MAX;

	for (int i = 0; i < 2; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("/proc/self/%s", files[i]);
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_ID_MAP struct wh_id_map map = {0};
		int r = wh_read_file(AT_FDCWD, path, 65536, &text);

		if (r < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "read %s", path);
		wh_id_map_identity((struct wh_str){text.p, text.n}, &map);
		if (!map.n || map.v[0].inside != 0)
			return wh_err_set(err, "sandbox", WH_ERR_ENV, EINVAL,
					  "the user namespace around has no root in %s", path);
		r = write_map(pid, files[i], &map, err);
		if (r < 0)
			return r;
		if (wh_id_map_total(&map) < count)
			count = wh_id_map_total(&map);
	}
	if (count < WH_ID_WANTED) {
		wh_err_set(few, "sandbox", WH_ERR_ENV, EPERM, "the user namespace around has no more");
		wh_err_hint(few, "give whoever starts that one 65536 subordinate ids, or enter it with unshare --map-root-user --map-auto");
	}
	*ret_count = count;
	return 0;
}

/* The first id above all ranges that a subuid(5) text hands out, and where useradd begins at the least. */
uint32_t wh_subid_first_free(struct wh_str text)
{
	uint64_t free_from = 100000;

	while (text.n) {
		struct wh_str f[3], line = wh_str_trim(next_line(&text));
		uint32_t first, count;

		if (!three_fields(line, ':', f) || !parse_u32(f[1], &first) || !parse_u32(f[2], &count))
			continue;
		if ((uint64_t)first + count > free_from)
			free_from = (uint64_t)first + count;
	}
	return free_from > UINT32_MAX - WH_ID_WANTED ? 0 : (uint32_t)free_from;
}

static void hint_subid(struct wh_err **err, const char *name)
{
	static const char *const files[2] = {"/etc/subuid", "/etc/subgid"};
	uint32_t first = 0;

	for (int i = 0; i < 2; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		uint32_t here;

		wh_read_file(AT_FDCWD, files[i], MAX_SUBID, &text);
		here = wh_subid_first_free((struct wh_str){text.p, text.n});
		first = here > first ? here : first;
	}
	/* A number: usermod knows nobody of that name. */
	if (name[0] >= '0' && name[0] <= '9')
		wh_err_hint(err, "echo %s:%u:%u | sudo tee -a /etc/subuid /etc/subgid", name, first, WH_ID_WANTED);
	else
		wh_err_hint(err, "sudo usermod --add-subuids %u-%u --add-subgids %u-%u %s", first, first + WH_ID_WANTED - 1,
			    first, first + WH_ID_WANTED - 1, name);
}

/* Why a helper that is there, and whose range is there, was not allowed to write the map. */
static void hint_helper(struct wh_err **err, const char *tool, const char *path, const char *name)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);
	bool set_id = false;
	struct statvfs fs;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		set_id = (st.st_mode & S_ISUID) != 0;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		wh_err_hint(err, "no_new_privs is set, under which %s has no privileges: start this container without "
				 "--security-opt no-new-privileges (Kubernetes: allowPrivilegeEscalation: true)", tool);
	else if (fd >= 0 && fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		wh_err_hint(err, "%s lies on a file system that is mounted nosuid", path);
	else if (fd >= 0 && !set_id && fgetxattr(fd, "security.capability", NULL, 0) < 0)
		wh_err_hint(err, "sudo chmod u+s %s", path);
	/* The kernel wants who writes the map to be mighty in the namespace: its owner is, another user only with CAP_SYS_ADMIN around it. */
	else if (set_id && !(wh_self_status("CapBnd", 16) >> CAP_SYS_ADMIN & 1))
		wh_err_hint(err, "in a container without CAP_SYS_ADMIN it works with file capabilities alone; in the container's image: chmod u-s %s && "
				 "setcap cap_set%cid+ep %s (and so for the other one of newuidmap and newgidmap)", path, tool[3], path);
	else
		hint_subid(err, name);
}

/* Runs newuidmap or newgidmap for the map. */
static int run_helper(const char *tool, pid_t pid, const struct wh_id_map *m, const char *name, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv argv = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_FREE char *path = wh_proc_find(tool);
	const char *const *args;
	int r;

	if (!path) {
		wh_err_set(err, "sandbox", WH_ERR_ENV, ENOENT, "%s is not installed: no user namespace without it",
			   tool);
		wh_err_hint(err, "sudo apt-get install uidmap");
		return -ENOENT;
	}
	wh_strv_add(&argv, path);
	wh_strv_addf(&argv, "%d", pid);
	for (size_t i = 0; i < m->n; i++) {
		wh_strv_addf(&argv, "%u", m->v[i].inside);
		wh_strv_addf(&argv, "%u", m->v[i].outside);
		wh_strv_addf(&argv, "%u", m->v[i].count);
	}
	memcpy(&args, &argv.v, sizeof(args));
	r = wh_proc_run(args, &out);
	if (r == 0)
		return 0;
	wh_err_set(err, "sandbox", WH_ERR_ENV, r < 0 ? -r : EPERM, "%s failed for user %s", tool, name);
	if (out.n && err && *err)
		wh_err_detail(err, out.p);
	hint_helper(err, tool, path, name);
	return r < 0 ? r : -EPERM;
}

/* A range of uids (0) or of gids (1). */
static int map_range(pid_t pid, int which, const char *name, uint32_t *ret_count, struct wh_err **err)
{
	static const char *const files[2] = {"/etc/subuid", "/etc/subgid"};
	static const char *const tools[2] = {"newuidmap", "newgidmap"};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ID_MAP struct wh_id_map map = {0};
	int r = wh_read_file(AT_FDCWD, files[which], MAX_SUBID, &text);

	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "read %s", files[which]);
	wh_id_map_from_subid((struct wh_str){text.p, text.n}, name, geteuid(), which ? getegid() : geteuid(), &map);
	if (map.n < 2) {
		wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM, "user %s has no range of ids in %s", name, files[which]);
		hint_subid(err, name);
		return -EPERM;
	}
	r = run_helper(tools[which], pid, &map, name, err);
	if (r == 0)
		*ret_count = wh_id_map_total(&map);
	return r;
}

/* What needs nobody's leave: one's own id alone. Of gids only for who gives up setgroups(2). */
static int map_own(pid_t pid, int which, struct wh_err **err)
{
	struct wh_id_extent own = {0, which ? getegid() : geteuid(), 1};
	const struct wh_id_map map = {&own, 1, 1};
	WH_AUTO_FREE char *path = wh_asprintf("/proc/%d/setgroups", pid);
	WH_AUTO_FD int fd = which ? wh_openat(AT_FDCWD, path, O_WRONLY, 0) : -1;
	int r = which && fd < 0 ? fd : 0;

	if (which && r == 0)
		r = wh_write_all(fd, "deny", 4);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "write %s", path);
	return write_map(pid, which ? "gid_map" : "uid_map", &map, err);
}

static int apply_as_user(pid_t pid, uint32_t *ret_count, struct wh_err **few, struct wh_err **err)
{
	struct passwd pw, *found = NULL;
	WH_AUTO_FREE char *name = NULL;
	char space[4096];
	uint32_t count = UINT32_MAX;

	if (getpwuid_r(geteuid(), &pw, space, sizeof(space), &found) == 0 && found)
		name = wh_strdup(found->pw_name);
	else
		name = wh_asprintf("%u", geteuid());
	for (int i = 0; i < 2; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		uint32_t n = 1;

		/* Not even the own id: then why there is no range is what the user can mend. */
		if (map_range(pid, i, name, &n, &why) < 0 && map_own(pid, i, NULL) < 0) {
			int r = why && why->sys ? -why->sys : -EPERM;

			wh_err_move(err, &why);
			return r;
		}
		wh_err_move(few, &why);
		count = n < count ? n : count;
	}
	if (count < WH_ID_WANTED && few && !*few) {
		wh_err_set(few, "sandbox", WH_ERR_ENV, EPERM, "user %s has no more in /etc/subuid and /etc/subgid", name);
		hint_subid(few, name);
	}
	*ret_count = count;
	return 0;
}

int wh_id_map_apply(pid_t pid, uint32_t *ret_count, struct wh_err **few, struct wh_err **err)
{
	return may_write_maps() ? apply_as_root(pid, ret_count, few, err) : apply_as_user(pid, ret_count, few, err);
}
