/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/normalise.h"

#include <errno.h>
#include <fcntl.h>

#define ANYWHERE "**/"
#define BELOW "/**"

/*
 * Patterns are paths without the leading slash, component by component as wh_glob_match() has it; "**" as the first
 * component stands for any directories, as the last one for all that is below, the directory included.
 *
 * A row belongs here when what it names was seen to differ between two runs of the same step, nobody but its writer needs
 * it, and the writer makes it again or does without. What an image needs (a key, a database) is never touched.
 */
static const struct wh_normal_rule rules[] = {
	{"var/cache/apt/pkgcache.bin", WH_NORMAL_BELOW, "times of files, and chance; apt makes it again"},
	{"var/cache/apt/srcpkgcache.bin", WH_NORMAL_BELOW, "the same"},
	{"var/log/apt/history.log", WH_NORMAL_BELOW, "when packages were installed"},
	{"var/log/apt/term.log", WH_NORMAL_BELOW, "the same"},
	{"var/log/dpkg.log", WH_NORMAL_BELOW, "the same"},
	{"var/log/alternatives.log", WH_NORMAL_BELOW, "when alternatives were set"},
	{"var/cache/ldconfig/aux-cache", WH_NORMAL_BELOW, "numbers and times of inodes; ldconfig makes it again"},
	{ANYWHERE ".cache/pip" BELOW, WH_NORMAL_BELOW, "what servers answered, and where packages were built"},
	{ANYWHERE ".npm/_cacache" BELOW, WH_NORMAL_BELOW, "what servers answered, and when"},
	{ANYWHERE ".npm/_logs" BELOW, WH_NORMAL_BELOW, "npm's logs, named by the time"},
	{ANYWHERE "*.pyc", WH_NORMAL_PYC, "the time of the source, which would not be that of the layer"},
	{"etc/ssl/certs/java/cacerts", WH_NORMAL_JKS, "when each certificate was put into it"},
	{"etc/machine-id", WH_NORMAL_EMPTY, "chance; without content, the machine that starts makes its own"},
	{"var/lib/dbus/machine-id", WH_NORMAL_BELOW, "chance; dbus makes its own"},
};

#define CODE_VERSION 1U /* of what actions do, and of how times are set */

const struct wh_normal_rule *wh_normal_rules(size_t *ret_n)
{
	*ret_n = WH_ARRAY_SIZE(rules);
	return rules;
}

const char *wh_normal_name(enum wh_normal action)
{
	switch (action) {
	case WH_NORMAL_NONE:
		break;
	case WH_NORMAL_BELOW:
		return "below";
	case WH_NORMAL_EMPTY:
		return "empty";
	case WH_NORMAL_JKS:
		return "jks";
	case WH_NORMAL_PYC:
		return "pyc";
	}
	return "";
}

void wh_normal_version(struct wh_digest *ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_u32(&b, CODE_VERSION);
	for (size_t i = 0; i < WH_ARRAY_SIZE(rules); i++) {
		wh_buf_lstr(&b, rules[i].pattern);
		wh_buf_lstr(&b, wh_normal_name(rules[i].action));
	}
	wh_digest_of(b.p, b.n, ret);
}

/* ---------------------------------------------------------------- matching */

/* pattern against the whole path, or when it ends with BELOW against the path or a directory above it. */
static bool matches_here(const char *pattern, const char *path)
{
	size_t n = strlen(pattern), depth = 1;
	WH_AUTO_FREE char *dir = NULL, *above = NULL;
	const char *end = path;

	if (n < strlen(BELOW) || strcmp(pattern + n - strlen(BELOW), BELOW) != 0)
		return wh_glob_match(pattern, path) == 1;
	dir = wh_strndup(pattern, n - strlen(BELOW));
	for (const char *p = dir; *p; p++)
		depth += *p == '/';
	while (depth-- > 0) {
		end += strcspn(end, "/");
		if (!depth)
			break;
		if (!*end)
			return false;
		end++;
	}
	above = wh_strndup(path, (size_t)(end - path));
	return wh_glob_match(dir, above) == 1;
}

static bool matches(const char *pattern, const char *path)
{
	if (!wh_has_prefix(pattern, ANYWHERE))
		return matches_here(pattern, path);
	pattern += strlen(ANYWHERE);
	for (;;) {
		if (matches_here(pattern, path))
			return true;
		path = strchr(path, '/');
		if (!path)
			return false;
		path++;
	}
}

enum wh_normal wh_normal_action(const char *path)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(rules); i++)
		if (matches(rules[i].pattern, path))
			return rules[i].action;
	return WH_NORMAL_NONE;
}

/* ---------------------------------------------------------------- files without content */

static int give_time_back(int fd, const struct stat *st)
{
	const struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

	return futimens(fd, ts) < 0 ? -errno : 0;
}

int wh_normal_truncate(int dirfd, const char *name, const struct stat *st)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	return ftruncate(fd, 0) < 0 ? -errno : give_time_back(fd, st);
}

int wh_normal_write(int dirfd, const char *name, const struct stat *st, const void *p, size_t n)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	int r = fd < 0 ? fd : wh_write_all(fd, p, n);

	return r < 0 ? r : give_time_back(fd, st);
}

/* ---------------------------------------------------------------- Python's bytecode */

/* Python 3.7's first number, and one beyond any to come; PyPy's are smaller and Python 2's larger. */
#define MAGIC_MIN 3390U
#define MAGIC_MAX 20000U

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool wh_pyc_read(const void *data, size_t n, struct wh_pyc *ret)
{
	const unsigned char *p = data;
	unsigned magic;

	if (n < WH_PYC_HEADER || p[2] != '\r' || p[3] != '\n' || le32(p + 4))
		return false;
	magic = p[0] | (unsigned)p[1] << 8;
	if (magic < MAGIC_MIN || magic >= MAGIC_MAX)
		return false;
	*ret = (struct wh_pyc){.mtime = le32(p + 8), .size = le32(p + 12)};
	return true;
}

char *wh_pyc_source(const char *name, bool in_cache)
{
	size_t n = strlen(name);

	if (n < 5 || strcmp(name + n - 4, ".pyc") != 0)
		return NULL;
	if (!in_cache)
		return wh_strndup(name, n - 1);
	n = strcspn(name, ".");
	return n ? wh_asprintf("%.*s.py", (int)n, name) : NULL;
}

uint32_t wh_pyc_time(const struct wh_pyc *pyc, const struct wh_pyc_source *source, int64_t clamped)
{
	if (!source)
		return (uint32_t)clamped;
	if (pyc->mtime == (uint32_t)source->was && pyc->size == (uint32_t)source->size)
		return (uint32_t)source->becomes;
	if (clamped == (int64_t)pyc->mtime && pyc->mtime != (uint32_t)source->becomes)
		return pyc->mtime;
	/* Made from another state of the source: it was of no use, and must not become so. */
	return (uint32_t)source->becomes ? 0 : 1;
}

int wh_pyc_write(int dirfd, const char *name, const struct stat *st, uint32_t mtime)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	const unsigned char le[4] = {(unsigned char)mtime, (unsigned char)(mtime >> 8), (unsigned char)(mtime >> 16),
				     (unsigned char)(mtime >> 24)};

	if (fd < 0)
		return fd;
	if (pwrite(fd, le, sizeof(le), 8) != (ssize_t)sizeof(le))
		return errno ? -errno : -EIO;
	return give_time_back(fd, st);
}
