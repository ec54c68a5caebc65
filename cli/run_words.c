/* SPDX-License-Identifier: Apache-2.0 */
/* docker run's ways to write ports and mounts. */
#include "cli/run_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#define MAX_PORTS 1024 /* of a range */

/* ---------------------------------------------------------------- ports */

/* "80", "8000-8010"; an empty text is 0-0. */
static bool range_parse(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
	const char *dash = strchr(text, '-');
	WH_AUTO_FREE char *first = wh_strndup(text, dash ? (size_t)(dash - text) : strlen(text));

	*ret_first = *ret_last = 0;
	if (!*text)
		return true;
	if (!wh_parse_u64(first, 10, ret_first) || *ret_first > 65535)
		return false;
	*ret_last = *ret_first;
	return !dash || (wh_parse_u64(dash + 1, 10, ret_last) && *ret_last <= 65535 && *ret_last >= *ret_first);
}

static bool is_address(const char *text)
{
	unsigned char room[16];

	return inet_pton(AF_INET, text, room) == 1 || inet_pton(AF_INET6, text, room) == 1;
}

static int bad_port(const char *text, const char *why, struct wh_err **err)
{
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--publish \"%s\": %s", text, why);
	wh_err_hint(err, "write it as [IP:]HOST:CONTAINER[/tcp|udp], [IP::]CONTAINER for a free port of this host");
	return -EINVAL;
}

/* Takes the address off its front; NULL: none is there. */
static char *split_address(char *text, char **ret_rest)
{
	char *end;

	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || end[1] != ':')
			return NULL;
		*end = '\0';
		*ret_rest = end + 2;
		return wh_strdup(text + 1);
	}
	end = strchr(text, ':');
	if (!end || !strchr(end + 1, ':'))
		return NULL;
	*end = '\0';
	*ret_rest = end + 1;
	return wh_strdup(text);
}

int wh_run_port_parse(struct wh_run_spec *s, const char *text, struct wh_err **err)
{
	WH_AUTO_FREE char *copy = wh_strdup(text), *address = NULL;
	char *rest = copy, *slash = strchr(copy, '/'), *colon;
	uint64_t h0, h1, c0, c1;
	bool udp = false;

	if (slash) {
		*slash = '\0';
		udp = wh_streq(slash + 1, "udp");
		if (!udp && !wh_streq(slash + 1, "tcp"))
			return bad_port(text, "the protocol is tcp or udp", err);
	}
	address = split_address(copy, &rest);
	if (address && !is_address(address))
		return bad_port(text, "that is no IP address", err);
	colon = strchr(rest, ':');
	if (colon)
		*colon = '\0';
	if (!range_parse(colon ? colon + 1 : rest, &c0, &c1) || !c0)
		return bad_port(text, "the container's port is a number from 1 to 65535, or a range", err);
	if (!range_parse(colon ? rest : "", &h0, &h1))
		return bad_port(text, "the host's port is a number from 0 to 65535, or a range", err);
	if (h0 && h1 - h0 != c1 - c0)
		return bad_port(text, "the two ranges are of different length", err);
	if (c1 - c0 >= MAX_PORTS)
		return bad_port(text, "that are too many", err);
	for (uint64_t i = 0; i <= c1 - c0; i++)
		WH_PUSH(s->ports, s->n_ports, s->cap_ports) = (struct wh_port){
			.address = address ? wh_strdup(address) : NULL,
			.host = (uint16_t)(h0 ? h0 + i : 0),
			.container = (uint16_t)(c0 + i),
			.udp = udp,
		};
	return 0;
}

/* ---------------------------------------------------------------- mounts */

static int bad_mount(const char *option, const char *text, const char *why, struct wh_err **err)
{
	return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s \"%s\": %s", option, text, why);
}

/* Takes m's strings in any case. */
static int add(struct wh_run_spec *s, const char *option, const char *text, struct wh_run_mount *m, struct wh_err **err)
{
	static const char *const ours[] = {"/", "/proc", "/sys", "/dev"};
	const char *why = NULL;
	char *clean;

	if (!m->target || m->target[0] != '/')
		why = "the place in the container is an absolute path";
	clean = why ? NULL : wh_path_abs_in("/", m->target);
	for (size_t i = 0; clean && i < WH_ARRAY_SIZE(ours); i++)
		if (wh_streq(clean, ours[i]))
			why = "nothing can be mounted there: the container has its own";
	for (size_t i = 0; clean && !why && i < s->n_mounts; i++)
		if (wh_streq(clean, s->mounts[i].target))
			why = "something else is mounted there already";
	if (why) {
		free(clean);
		free(m->source);
		free(m->target);
		return bad_mount(option, text, why, err);
	}
	free(m->target);
	m->target = clean;
	WH_PUSH(s->mounts, s->n_mounts, s->cap_mounts) = *m;
	return 0;
}

/* docker's: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static bool is_volume_name(const char *name)
{
	size_t n = strlen(name);

	if (n < 2 || n > 255 || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static bool is_path(const char *text)
{
	return text[0] == '/' || wh_streq(text, ".") || wh_streq(text, "..") || wh_has_prefix(text, "./") ||
	       wh_has_prefix(text, "../");
}

/* Of -v: those that ask for what is so in any case, and ro, rw. */
static bool volume_option(struct wh_run_mount *m, const char *word)
{
	static const char *const fine[] = {"rw",         "z",        "Z",       "cached", "delegated",
					   "consistent", "rprivate", "private", "rslave"};

	if (wh_streq(word, "ro") || wh_streq(word, "readonly")) {
		m->readonly = true;
		return true;
	}
	if (wh_streq(word, "nocopy")) {
		m->copy = false;
		return true;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(fine); i++)
		if (wh_streq(word, fine[i]))
			return true;
	return false;
}

int wh_run_volume_parse(struct wh_run_spec *s, const char *text, struct wh_err **err)
{
	WH_AUTO_FREE char *copy = wh_strdup(text);
	struct wh_run_mount m = {.kind = WH_RUN_VOLUME, .copy = true};
	char *parts[3] = {copy}, *save = NULL;
	size_t n = 1;

	for (char *p = strchr(copy, ':'); p && n < 3; p = strchr(p + 1, ':')) {
		*p = '\0';
		parts[n++] = p + 1;
	}
	for (char *w = n == 3 ? strtok_r(parts[2], ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save))
		if (!volume_option(&m, w))
			return bad_mount("--volume", text, "after the second \":\" stand ro or rw", err);
	if (n > 1 && is_path(parts[0])) {
		m.kind = WH_RUN_BIND;
		m.source = wh_cli_absolute(parts[0]);
		m.make = true;
	} else if (n > 1 && is_volume_name(parts[0])) {
		m.source = wh_strdup(parts[0]);
	} else if (n > 1) {
		return bad_mount(
			"--volume", text,
			"before the \":\" stands a path (/DIR or ./DIR), or a volume's name: letters, digits, _ . -",
			err);
	}
	m.target = wh_strdup(parts[n > 1 ? 1 : 0]);
	return add(s, "--volume", text, &m, err);
}

static bool is_true(const char *value)
{
	return !value || wh_streq(value, "true") || wh_streq(value, "1");
}

/* NULL, or what is wrong. */
static const char *mount_key(struct wh_run_mount *m, const char *key, const char *value, char **source)
{
	uint64_t n;

	if (wh_streq(key, "type")) {
		if (!wh_streq(value, "bind") && !wh_streq(value, "volume") && !wh_streq(value, "tmpfs"))
			return "the type is bind, volume or tmpfs";
		m->kind = value[0] == 'b' ? WH_RUN_BIND : value[0] == 'v' ? WH_RUN_VOLUME : WH_RUN_TMPFS;
	} else if (value && (wh_streq(key, "source") || wh_streq(key, "src"))) {
		free(*source);
		*source = wh_strdup(value);
	} else if (value && (wh_streq(key, "target") || wh_streq(key, "dst") || wh_streq(key, "destination"))) {
		free(m->target);
		m->target = wh_strdup(value);
	} else if (wh_streq(key, "readonly") || wh_streq(key, "ro")) {
		m->readonly = is_true(value);
	} else if (wh_streq(key, "volume-nocopy")) {
		m->copy = !is_true(value);
	} else if (value && wh_streq(key, "tmpfs-size")) {
		if (!wh_size_parse(value, &m->size))
			return "tmpfs-size is a size as 64m";
	} else if (value && wh_streq(key, "tmpfs-mode")) {
		if (!wh_parse_u64(value, 8, &n) || n > 07777)
			return "tmpfs-mode is an octal number";
		m->mode = (uint32_t)n;
	} else {
		return "known are type, source, target, readonly, volume-nocopy, tmpfs-size and tmpfs-mode";
	}
	return NULL;
}

int wh_run_mount_parse(struct wh_run_spec *s, const char *text, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv words = {0};
	struct wh_run_mount m = {.kind = WH_RUN_VOLUME, .copy = true};
	WH_AUTO_FREE char *source = NULL;
	const char *why = wh_strv_add_csv(&words, text) ? NULL : "that is no list of KEY=VALUE between commas";

	for (size_t i = 0; i < words.n && !why; i++) {
		char *eq = strchr(words.v[i], '=');

		if (eq)
			*eq = '\0';
		why = mount_key(&m, words.v[i], eq ? eq + 1 : NULL, &source);
	}
	if (!why && m.kind == WH_RUN_BIND && !source)
		why = "a bind has a source";
	if (!why && m.kind == WH_RUN_VOLUME && source && !is_volume_name(source))
		why = "a volume's name has letters, digits, _ . - (for a directory of this host: type=bind)";
	if (!why && m.kind == WH_RUN_TMPFS && source)
		why = "a tmpfs has no source";
	if (why) {
		free(m.target);
		return bad_mount("--mount", text, why, err);
	}
	m.source = m.kind == WH_RUN_BIND ? wh_cli_absolute(source) : WH_TAKE_PTR(source);
	return add(s, "--mount", text, &m, err);
}

int wh_run_tmpfs_parse(struct wh_run_spec *s, const char *text, struct wh_err **err)
{
	static const char *const fine[] = {"rw", "noexec", "exec", "nosuid", "nodev"};
	const char *colon = strchr(text, ':');
	struct wh_run_mount m = {.kind = WH_RUN_TMPFS,
				 .target = wh_strndup(text, colon ? (size_t)(colon - text) : strlen(text))};
	WH_AUTO_FREE char *options = wh_strdup(colon ? colon + 1 : "");
	char *save = NULL;

	for (char *w = strtok_r(options, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		uint64_t mode = 0;
		bool known = wh_streq(w, "ro");

		m.readonly |= known;
		for (size_t i = 0; i < WH_ARRAY_SIZE(fine); i++)
			known |= wh_streq(w, fine[i]);
		if (wh_has_prefix(w, "size="))
			known = wh_size_parse(w + 5, &m.size);
		if (wh_has_prefix(w, "mode="))
			known = wh_parse_u64(w + 5, 8, &mode) && mode <= 07777;
		m.mode = mode ? (uint32_t)mode : m.mode;
		if (!known) {
			free(m.target);
			return bad_mount("--tmpfs", text, "options are size=SIZE, mode=OCTAL, ro", err);
		}
	}
	return add(s, "--tmpfs", text, &m, err);
}
