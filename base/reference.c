/* SPDX-License-Identifier: Apache-2.0 */
/* Image names by docker's rules: [domain/]path[:tag][@digest]; what is left out is docker.io, library/ and latest. */
#include "base/reference.h"

#include "base/digest.h"

#include <errno.h>

#define DEFAULT_DOMAIN "docker.io"
#define NAME_MAX_LEN 255

static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n > 0;
}

/* Host names, with dots and inner dashes, or an IPv6 address in brackets; then perhaps a port. */
static bool good_domain(const char *p, size_t n)
{
	size_t host = 0, part = 0;

	if (n && p[0] == '[') {
		while (host < n && p[host] != ']')
			host++;
		if (host == n || host < 3)
			return false;
		for (size_t i = 1; i < host; i++)
			if (!strchr("0123456789abcdefABCDEF:", p[i]))
				return false;
		host++;
	} else {
		for (; host < n && p[host] != ':'; host++) {
			if (p[host] == '.' || p[host] == '-') {
				if (part == 0 || (p[host] == '.' && p[host - 1] == '-'))
					return false;
				part = p[host] == '.' ? 0 : part + 1;
			} else if (alnum(p[host])) {
				part++;
			} else {
				return false;
			}
		}
		if (part == 0 || p[host - 1] == '-')
			return false;
	}
	if (host == n)
		return true;
	return p[host] == ':' && digits(p + host + 1, n - host - 1);
}

/* Lower-case words, joined by one of . _ __ or any number of dashes. */
static bool good_component(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t from = i, sep;

		while (i < n && lower_or_digit(p[i]))
			i++;
		if (i == from)
			return false;
		if (i == n)
			return true;
		sep = i;
		if (p[i] == '-') {
			while (i < n && p[i] == '-')
				i++;
		} else if (p[i] == '.') {
			i++;
		} else if (p[i] == '_') {
			i += i + 1 < n && p[i + 1] == '_' ? 2 : 1;
		}
		if (i == sep)
			return false;
	}
	return false;
}

static bool good_path(const char *p, size_t n)
{
	for (;;) {
		const char *slash = memchr(p, '/', n);
		size_t part = slash ? (size_t)(slash - p) : n;

		if (!good_component(p, part))
			return false;
		if (!slash)
			return true;
		p += part + 1;
		n -= part + 1;
	}
}

static bool good_tag(const char *p)
{
	size_t n = strlen(p);

	if (n == 0 || n > 128 || !(alnum(p[0]) || p[0] == '_'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!alnum(p[i]) && !strchr("_.-", p[i]))
			return false;
	return true;
}

static int bad(const char *ref, const char *why, const char *hint, struct wh_err **err)
{
	int r = wh_err_set(err, "reference", WH_ERR_USAGE, EINVAL, "\"%.300s\" is no image name: %s", ref, why);

	if (hint)
		wh_err_hint(err, "%s", hint);
	return r;
}

/* The first part of a name is a domain when it looks like one; else the name is one of docker.io's. */
static void split_domain(const char *name, const char **ret_domain, size_t *ret_n, const char **ret_path)
{
	const char *slash = strchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;
	bool upper = false;

	for (size_t i = 0; i < n; i++)
		upper = upper || (name[i] >= 'A' && name[i] <= 'Z');
	*ret_domain = DEFAULT_DOMAIN;
	*ret_n = strlen(DEFAULT_DOMAIN);
	*ret_path = name;
	if (!slash || (!memchr(name, '.', n) && !memchr(name, ':', n) && !upper &&
		       !(n == strlen("localhost") && memcmp(name, "localhost", n) == 0)))
		return;
	*ret_path = slash + 1;
	if (n == strlen("index.docker.io") && memcmp(name, "index.docker.io", n) == 0)
		return;
	*ret_domain = name;
	*ret_n = n;
}

static int check_name(const char *ref, const char *domain, size_t domain_n, const char *path, struct wh_err **err)
{
	struct wh_digest d;

	if (!path[0])
		return bad(ref, "the name is missing", NULL, err);
	if (!good_domain(domain, domain_n))
		return bad(ref, "its registry is no host name", NULL, err);
	if (domain_n + 1 + strlen(path) > NAME_MAX_LEN)
		return bad(ref, "it is longer than 255 characters", NULL, err);
	if (good_path(path, strlen(path)))
		return wh_digest_parse_hex(ref, &d)
			       ? bad(ref, "64 hexadecimal digits are not allowed as a name", NULL, err)
			       : 0;
	for (const char *p = path; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return bad(ref, "it must be in lower case", NULL, err);
	return bad(ref, "only a-z, 0-9 and between them . _ __ - are allowed", "such as registry.example/team/shop:1.4",
		   err);
}

int wh_reference_normalize(const char *ref, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_strdup(ref);
	const char *domain, *path, *library, *tag = NULL, *digest = NULL;
	size_t domain_n;
	struct wh_digest d;
	char *at, *colon, *slash;
	int r;

	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		digest = at + 1;
		if (!wh_digest_parse(digest, &d))
			return bad(ref, "what follows @ is no digest", "such as name@sha256: and 64 hexadecimal digits",
				   err);
	}
	colon = strrchr(name, ':');
	slash = strrchr(name, '/');
	if (colon && (!slash || colon > slash)) {
		*colon = '\0';
		tag = colon + 1;
		if (!good_tag(tag))
			return bad(ref, "its tag is not good", "a tag has up to 128 letters, digits and _ . -", err);
	} else if (!digest) {
		tag = "latest";
	}
	split_domain(name, &domain, &domain_n, &path);
	library = domain_n == strlen(DEFAULT_DOMAIN) && memcmp(domain, DEFAULT_DOMAIN, domain_n) == 0 && path[0] &&
				  !strchr(path, '/')
			  ? "library/"
			  : "";
	r = check_name(ref, domain, domain_n, path, err);
	if (r < 0)
		return r;
	*ret = wh_asprintf("%.*s/%s%s%s%s%s%s", (int)domain_n, domain, library, path, tag ? ":" : "", tag ? tag : "",
			   digest ? "@" : "", digest ? digest : "");
	return 0;
}

const char *wh_reference_tag(const char *ref)
{
	const char *at = strchr(ref, '@');
	const char *colon = NULL;

	for (const char *p = ref; *p && p != at; p++) {
		if (*p == ':')
			colon = p;
		else if (*p == '/')
			colon = NULL;
	}
	return colon ? colon + 1 : "latest";
}

char *wh_reference_familiar(const char *ref)
{
	static const char domain[] = DEFAULT_DOMAIN "/", library[] = "library/", latest[] = ":latest";
	WH_AUTO_FREE char *full = NULL;
	char *name;

	if (wh_reference_normalize(ref, &full, NULL) < 0)
		return wh_strdup(ref);
	name = full;
	if (wh_has_prefix(name, domain)) {
		name += strlen(domain);
		if (wh_has_prefix(name, library))
			name += strlen(library);
	}
	if (wh_has_suffix(name, latest))
		name[strlen(name) - strlen(latest)] = '\0';
	return wh_strdup(name);
}
