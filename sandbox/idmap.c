/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/idmap.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/syscall.h>

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

/* CAP_SETUID and CAP_SETGID in this process's own user namespace. */
static bool may_write_maps(void)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	if (geteuid() != 0 || syscall(SYS_capget, &hdr, data) < 0)
		return false;
	return (data[0].effective & (1U << CAP_SETUID)) && (data[0].effective & (1U << CAP_SETGID));
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

static int apply_as_root(pid_t pid, uint32_t *ret_count, struct wh_err **err)
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
	wh_err_hint(err, "sudo usermod --add-subuids %u-%u --add-subgids %u-%u %s", first, first + WH_ID_WANTED - 1,
		    first, first + WH_ID_WANTED - 1, name);
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
	hint_subid(err, name);
	return r < 0 ? r : -EPERM;
}

static int apply_as_user(pid_t pid, uint32_t *ret_count, struct wh_err **err)
{
	static const char *const files[2] = {"/etc/subuid", "/etc/subgid"};
	static const char *const tools[2] = {"newuidmap", "newgidmap"};
	const uint32_t own[2] = {geteuid(), getegid()};
	struct passwd pw, *found = NULL;
	WH_AUTO_FREE char *name = NULL;
	char space[4096];
	uint32_t count = UINT32_MAX;

	if (getpwuid_r(geteuid(), &pw, space, sizeof(space), &found) == 0 && found)
		name = wh_strdup(found->pw_name);
	else
		name = wh_asprintf("%u", geteuid());
	for (int i = 0; i < 2; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_ID_MAP struct wh_id_map map = {0};
		int r = wh_read_file(AT_FDCWD, files[i], MAX_SUBID, &text);

		if (r < 0 && r != -ENOENT)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "read %s", files[i]);
		wh_id_map_from_subid((struct wh_str){text.p, text.n}, name, geteuid(), own[i], &map);
		if (map.n < 2) {
			wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM, "user %s has no range of ids in %s", name,
				   files[i]);
			hint_subid(err, name);
			return -EPERM;
		}
		r = run_helper(tools[i], pid, &map, name, err);
		if (r < 0)
			return r;
		if (wh_id_map_total(&map) < count)
			count = wh_id_map_total(&map);
	}
	*ret_count = count;
	return 0;
}

int wh_id_map_apply(pid_t pid, uint32_t *ret_count, struct wh_err **err)
{
	return may_write_maps() ? apply_as_root(pid, ret_count, err) : apply_as_user(pid, ret_count, err);
}
