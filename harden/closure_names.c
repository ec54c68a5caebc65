/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in the data of ELF files: absolute paths, and what looks like a library's file name. Code that opens a file by a fixed name has the name in it.
 * What is put together when it runs ("%s/lib%s.so", a plugin's name from a config file) cannot be seen here.
 */
#include "harden/closure_table.h"

#define MAX_NAME 4096

struct names {
	wh_closure_name_fn fn;
	void *arg;
	bool globs; /* a path may have * and ? */
};

static bool is_name(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	       c == '-' || c == '+' || c == '@' || c == '~';
}

static size_t path_length(const uint8_t *p, size_t n, bool globs)
{
	size_t i = 0;

	while (i < n && i < MAX_NAME && (is_name(p[i]) || p[i] == '/' || (globs && (p[i] == '*' || p[i] == '?'))))
		i++;
	return i;
}

/* A pattern ("/etc/x/%s", "/etc/x/${y}") still tells its directory. */
static size_t without_pattern(const uint8_t *p, size_t length, size_t n)
{
	if (length < n && strchr("%$*{<", p[length]) && p[length])
		while (length && p[length - 1] != '/')
			length--;
	while (length > 1 && (p[length - 1] == '/' || p[length - 1] == '.'))
		length--;
	return length;
}

/* Go and Rust put strings together without an end between them: what many programs want is known by its beginning alone. */
static int find_known(const uint8_t *p, size_t n, const struct names *x)
{
	static const char *const known[] = {
		"/etc/mime.types", "/etc/pki/tls/certs",     "/etc/protocols",      "/etc/services",
		"/etc/ssl/certs",  "/usr/share/mime/globs2", "/usr/share/zoneinfo", "/usr/share/ca-certificates"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(known); i++) {
		size_t length = strlen(known[i]);

		if (length <= n && memcmp(p, known[i], length) == 0)
			r = x->fn(x->arg, known[i], length);
	}
	return r;
}

static int find_paths(const uint8_t *p, size_t n, const struct names *x)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n;) {
		const uint8_t *slash = memchr(p + i, '/', n - i);
		size_t length;

		if (!slash)
			break;
		i = (size_t)(slash - p);
		if (n - i > 4 && (slash[1] == 'e' || slash[1] == 'u'))
			r = find_known(slash, n - i, x);
		if ((n - i > 1 && slash[1] == '/') ||
		    (i && (is_name(p[i - 1]) || strchr("/%$}>)*", p[i - 1])) && p[i - 1])) {
			i++;
			continue;
		}
		length = path_length(slash, n - i, x->globs);
		i++;
		length = without_pattern(slash, length, n - (size_t)(slash - p));
		if (r == 0 && length > 2)
			r = x->fn(x->arg, (const char *)slash, length);
	}
	return r;
}

/* ".so", or ".so" and numbers: how long; 0: something else that begins so. */
static size_t ending(const uint8_t *p, size_t n)
{
	size_t i = 3;

	while (i + 1 < n && p[i] == '.' && p[i + 1] >= '0' && p[i + 1] <= '9')
		for (i++; i < n && p[i] >= '0' && p[i] <= '9';)
			i++;
	return i < n && (is_name(p[i]) || p[i] == '/') ? 0 : i;
}

static int find_libraries(const uint8_t *p, size_t n, const struct names *x)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n;) {
		const uint8_t *so = memmem(p + i, n - i, ".so", 3), *start;
		size_t end;

		if (!so)
			break;
		i = (size_t)(so - p) + 3;
		end = ending(so, n - (size_t)(so - p));
		for (start = so; start > p && so - start < MAX_NAME && is_name(start[-1]);)
			start--;
		if (end && start < so && (start == p || !start[-1] || !strchr("/%$}>)*", start[-1])))
			r = x->fn(x->arg, (const char *)start, (size_t)(so - start) + end);
	}
	return r;
}

static int part(void *arg, const uint8_t *p, size_t n)
{
	int r = find_paths(p, n, arg);

	return r < 0 ? r : find_libraries(p, n, arg);
}

int wh_closure_names(const uint8_t *p, size_t n, wh_closure_name_fn fn, void *arg)
{
	struct names x = {fn, arg, false};

	return wh_elf_data(p, n, part, &x);
}

int wh_closure_names_in_text(const uint8_t *p, size_t n, wh_closure_name_fn fn, void *arg)
{
	struct names x = {fn, arg, true};

	return find_paths(p, n, &x);
}
