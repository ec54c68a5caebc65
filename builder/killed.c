/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/killed.h"

#include <signal.h>

#define GROUPS "/proc/self/cgroup"
#define FILE_MAX ((size_t)64 * 1024)

/* The number behind "oom_kill " at the beginning of a line. */
static bool read_count(const char *path, uint64_t *ret)
{
	static const char word[] = "oom_kill ";
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const char *p;

	if (wh_read_file(AT_FDCWD, path, FILE_MAX, &b) < 0 || !b.n)
		return false;
	for (p = b.p; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (wh_has_prefix(p, word)) {
			p += sizeof(word) - 1;
			WH_AUTO_FREE char *number = wh_strndup(p, strcspn(p, "\n"));

			return wh_parse_u64(number, 10, ret);
		}
	}
	return false;
}

/* One line of /proc/self/cgroup: "0::/PATH", or of version 1 "4:memory:/PATH". In a container the file may stand at the
 * top. */
static bool look_at(const char *line, uint64_t *ret)
{
	const char *colon = strchr(line, ':'), *path = colon ? strchr(colon + 1, ':') : NULL;
	bool two = wh_has_prefix(line, "0::");

	if (!path || (!two && !wh_has_prefix(colon, ":memory:")))
		return false;
	for (int top = 0; top < 2; top++) {
		WH_AUTO_FREE char *file =
			wh_asprintf(two ? "/sys/fs/cgroup%s/memory.events"
				: "/sys/fs/cgroup/memory%s/memory.oom_control",
				    top || wh_streq(path + 1, "/") ? "" : path + 1);

		if (read_count(file, ret))
			return true;
	}
	return false;
}

void wh_killed_look(struct wh_killed *ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	*ret = (struct wh_killed){0};
	ret->machine = read_count("/proc/vmstat", &ret->in_machine);
	if (wh_read_file(AT_FDCWD, GROUPS, FILE_MAX, &b) < 0)
		return;
	for (char *p = b.p, *end; p && *p && !ret->group; p = end) {
		end = p + strcspn(p, "\n");
		if (*end)
			*end++ = 0;
		ret->group = look_at(p, &ret->in_group);
	}
}

void wh_killed_hint(const struct wh_killed *before, int status, struct wh_err **err)
{
	struct wh_killed now;

	if (status == 128 + SIGXCPU)
		wh_err_hint(err, "SIGXCPU: its limit of CPU time was reached (--ulimit cpu)");
	if (status == 128 + SIGXFSZ)
		wh_err_hint(err, "SIGXFSZ: a file grew beyond its limit (--ulimit fsize)");
	wh_killed_look(&now);
	if (before->group && now.group && now.in_group > before->in_group)
		wh_err_hint(err, "memory ran out: the kernel's OOM killer ended a process of this build; more memory for its "
				 "control group, or fewer steps at once (--jobs)");
	else if (status == 128 + SIGKILL && before->machine && now.machine && now.in_machine > before->in_machine)
		wh_err_hint(err, "memory ran out on this machine: the kernel's OOM killer ended a process meanwhile, "
				 "probably this one");
}

/* "…: /x.sh: not found", in the words of dash and busybox, and of bash: a path, thus nothing that PATH could have held. */
static bool lacks_interpreter(const char *line)
{
	static const char *const ends[] = {": not found", ": No such file or directory", ": cannot execute: required file not found"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(ends); i++) {
		size_t n = strlen(line), end = strlen(ends[i]), start;

		if (n <= end || strcmp(line + n - end, ends[i]) != 0)
			continue;
		for (start = n - end; start > 0 && line[start - 1] != ' '; start--)
			;
		return memchr(line + start, '/', n - end - start) != NULL;
	}
	return false;
}

void wh_unrunnable_hint(int status, const char *tail, struct wh_err **err)
{
	const char *line = tail ? strrchr(tail, '\n') : NULL;

	/* Who knows more has said it. */
	if (!tail || (status != 126 && status != 127) || (err && *err && (*err)->hint))
		return;
	line = line ? line + 1 : tail;
	if (strstr(line, "bad interpreter") || (strstr(line, "env: ") && strstr(line, "\\r")))
		wh_err_hint(err, "the program that the script's #! line names is not there; a line that ends in CRLF names another "
				 "one: sed -i 's/\\r$//' FILE");
	else if (status == 127 && lacks_interpreter(line))
		wh_err_hint(err, "if that file is there, what it needs to be run is not: the program of its #! line (which lines that end "
				 "in CRLF misspell), or the ELF loader of another libc or architecture");
	else if (status == 126 && strstr(line, "ermission denied"))
		wh_err_hint(err, "the file may not be executed: chmod +x where it comes from, or COPY --chmod=755");
	else if (status == 126 && strstr(line, "xec format error"))
		wh_err_hint(err, "the program is one of another architecture, or a script without a #! line");
}
