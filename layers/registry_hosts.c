/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/registry_private.h"
#include "layers/registry_toml.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netdb.h>

#define FILES_MAX 256

enum pull { PULL_ALL, PULL_DIGEST, PULL_TAG };

struct mirror {
	char *location;
	bool insecure;
	enum pull pull;
};
struct entry { /* one [[registry]] */
	char *prefix, *location; /* HOST[:PORT][/PATH]; location NULL: as the name says */
	bool insecure, blocked, digest_only;
	struct mirror *mirrors;
	size_t n_mirrors, cap_mirrors;
	const char *file; /* of wh_reg_hosts' */
	unsigned line;
};
struct cidr {
	int family;
	unsigned char addr[16];
	unsigned bits;
};
struct wh_reg_hosts {
	struct entry *v;
	size_t n, cap;
	struct mirror *docker; /* docker.io's of daemon.json */
	size_t n_docker, cap_docker;
	struct wh_strv insecure;
	struct cidr *cidrs;
	size_t n_cidrs, cap_cidrs;
	struct wh_strv files;
};

static void entry_release(struct entry *e)
{
	for (size_t i = 0; i < e->n_mirrors; i++)
		free(e->mirrors[i].location);
	free(e->mirrors);
	free(e->prefix);
	free(e->location);
	*e = (struct entry){0};
}

struct wh_reg_hosts *wh_reg_hosts_new(void)
{
	return wh_calloc(1, sizeof(struct wh_reg_hosts));
}

void wh_reg_hosts_free(struct wh_reg_hosts *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		entry_release(&h->v[i]);
	for (size_t i = 0; i < h->n_docker; i++)
		free(h->docker[i].location);
	free(h->v);
	free(h->docker);
	free(h->cidrs);
	wh_strv_release(&h->insecure);
	wh_strv_release(&h->files);
	free(h);
}

const struct wh_strv *wh_reg_hosts_files(const struct wh_reg_hosts *h)
{
	return &h->files;
}

/* ---------------------------------------------------------------- registries.conf */

/* A table, and where it stands. */
struct place {
	const json_t *table;
	const char *file;
};

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._:[]", c);
}

/* HOST[:PORT]: what may stand in an URL and in a directory's name. */
static bool is_host(const char *s, size_t n)
{
	if (n == 0 || n > 255 || s[0] == '.' || s[0] == '-' || s[0] == ':')
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\0' || !is_host_char(s[i]))
			return false;
	return true;
}

static bool is_path(const char *s)
{
	bool part = false; /* something stands behind the last slash */

	for (; *s; s++) {
		if (*s == '/' && !part)
			return false;
		if (*s != '/' && !((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr("._-", *s)))
			return false;
		if (*s == '.' && !part)
			return false;
		part = *s != '/';
	}
	return part;
}

/* HOST[:PORT][/PATH], with "*." before it where that may be. */
static bool is_location(const char *s, bool wild)
{
	const char *slash;

	if (wild && wh_has_prefix(s, "*."))
		s += 2;
	slash = strchr(s, '/');
	return is_host(s, slash ? (size_t)(slash - s) : strlen(s)) && (!slash || is_path(slash + 1));
}

static int get_text(const struct place *p, const char *key, const char **ret, struct wh_err **err)
{
	const json_t *v = json_object_get(p->table, key);

	if (v && !json_is_string(v))
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: %s wants text", p->file, wh_toml_line(p->table), key);
	*ret = json_string_value(v);
	return 0;
}

static int get_bool(const struct place *p, const char *key, bool *ret, struct wh_err **err)
{
	const json_t *v = json_object_get(p->table, key);

	if (v && !json_is_boolean(v))
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: %s wants true or false", p->file, wh_toml_line(p->table),
				  key);
	*ret = json_is_true(v);
	return 0;
}

/* Of a key: NULL when it is not there. */
static int get_location(const struct place *p, const char *key, bool wild, char **ret, struct wh_err **err)
{
	const char *text = NULL;
	size_t n;
	int r = get_text(p, key, &text, err);

	if (r < 0 || !text || !text[0])
		return r;
	n = strlen(text);
	while (n && text[n - 1] == '/')
		n--;
	*ret = wh_strndup(text, n);
	if (is_location(*ret, wild))
		return 0;
	r = wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: %s \"%.200s\" is not HOST[:PORT][/PATH]", p->file,
		       wh_toml_line(p->table), key, text);
	if (strstr(text, "://"))
		wh_err_hint(err, "without a scheme; \"insecure = true\" allows plain HTTP");
	free(WH_TAKE_PTR(*ret));
	return r;
}

/* A list of tables under a key; -1 when it is something else. */
static int tables(const struct place *p, const char *key, const json_t **ret, struct wh_err **err)
{
	const json_t *l = json_object_get(p->table, key), *o;
	size_t i;
	bool good = !l || json_is_array(l);

	json_array_foreach (l, i, o)
		good = good && json_is_object(o);
	*ret = l;
	return good ? 0
		    : wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: %s wants tables, [[%s]]", p->file, wh_toml_line(p->table),
				 key, key);
}

static int read_mirror(const struct place *p, struct entry *e, struct wh_err **err)
{
	struct mirror m = {0};
	const char *pull = NULL;
	int r = get_location(p, "location", false, &m.location, err);

	if (r == 0)
		r = get_bool(p, "insecure", &m.insecure, err);
	if (r == 0)
		r = get_text(p, "pull-from-mirror", &pull, err);
	if (r == 0 && !m.location)
		r = wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: a mirror without location", p->file, wh_toml_line(p->table));
	if (r == 0 && pull && pull[0]) {
		if (strcmp(pull, "digest-only") == 0)
			m.pull = PULL_DIGEST;
		else if (strcmp(pull, "tag-only") == 0)
			m.pull = PULL_TAG;
		else if (strcmp(pull, "all") != 0)
			r = wh_err_set(err, "registry", WH_ERR_ENV, EINVAL,
				       "%s:%u: pull-from-mirror \"%.100s\" is none of all, digest-only, tag-only", p->file,
				       wh_toml_line(p->table), pull);
	}
	if (r < 0)
		free(m.location);
	else
		WH_PUSH(e->mirrors, e->n_mirrors, e->cap_mirrors) = m;
	return r;
}

static int read_entry(const struct place *p, struct entry *e, struct wh_err **err)
{
	const json_t *list, *o;
	size_t i;
	int r = get_location(p, "prefix", true, &e->prefix, err);

	e->file = p->file;
	e->line = wh_toml_line(p->table);
	if (r == 0)
		r = get_location(p, "location", false, &e->location, err);
	if (r == 0)
		r = get_bool(p, "insecure", &e->insecure, err);
	if (r == 0)
		r = get_bool(p, "blocked", &e->blocked, err);
	if (r == 0)
		r = get_bool(p, "mirror-by-digest-only", &e->digest_only, err);
	if (r == 0 && !e->prefix && !e->location)
		r = wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: a registry without prefix and location", e->file, e->line);
	if (r == 0)
		r = tables(p, "mirror", &list, err);
	if (r < 0)
		return r;
	if (!e->prefix)
		e->prefix = wh_strdup(e->location);
	json_array_foreach (list, i, o) {
		struct place q = {o, p->file};

		r = read_mirror(&q, e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct entry *find_prefix(struct wh_reg_hosts *h, const char *prefix)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].prefix, prefix) == 0)
			return &h->v[i];
	return NULL;
}

/* A later file's takes the place of an earlier one's; in one file the first counts, and the others must not differ in what forbids. */
static int add_entry(struct wh_reg_hosts *h, struct entry *e, struct wh_err **err)
{
	struct entry *old = find_prefix(h, e->prefix);
	int r = 0;

	if (!old) {
		WH_PUSH(h->v, h->n, h->cap) = *e;
		return 0;
	}
	if (old->file != e->file) {
		entry_release(old);
		*old = *e;
		return 0;
	}
	if (old->insecure != e->insecure || old->blocked != e->blocked)
		r = wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: \"%s\" differs from line %u in insecure or blocked", e->file,
			       e->line, e->prefix, old->line);
	entry_release(e);
	return r;
}

/* [registries.insecure] and [registries.block] of the first form of the file. */
static int read_old(struct wh_reg_hosts *h, const struct place *p, struct wh_err **err)
{
	static const char *const lists[] = {"insecure", "block"};
	const json_t *old = json_object_get(p->table, "registries"), *o;
	size_t k;

	if (!old)
		return 0;
	if (json_object_get(p->table, "registry"))
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: [registries] of the file's first form beside [[registry]]",
				  p->file, wh_toml_line(old));
	for (size_t i = 0; i < WH_ARRAY_SIZE(lists); i++) {
		const json_t *list = json_object_get(json_object_get(old, lists[i]), "registries");

		json_array_foreach (list, k, o) {
			const char *text = json_string_value(o);
			struct entry e = {.file = p->file, .line = wh_toml_line(json_object_get(old, lists[i]))}, *there;

			if (!text || !is_location(text, false))
				return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: registries wants a list of HOST[:PORT]",
						  p->file, e.line);
			there = find_prefix(h, text);
			if (!there) {
				e.prefix = wh_strdup(text);
				WH_PUSH(h->v, h->n, h->cap) = e;
				there = &h->v[h->n - 1];
			} else if (there->file != p->file) {
				entry_release(there);
				e.prefix = wh_strdup(text);
				*there = e;
			}
			there->insecure = there->insecure || i == 0;
			there->blocked = there->blocked || i == 1;
		}
	}
	return 0;
}

int wh_reg_hosts_add_conf(struct wh_reg_hosts *h, const char *text, size_t n, const char *file, struct wh_err **err)
{
	WH_AUTO_JSON json_t *root = NULL;
	struct place p = {0};
	const json_t *list, *o;
	size_t i;
	int r = wh_toml_parse(text, n, file, &root, err);

	if (r < 0)
		return r;
	wh_strv_add(&h->files, file);
	p = (struct place){root, h->files.v[h->files.n - 1]};
	r = tables(&p, "registry", &list, err);
	if (r == 0)
		r = read_old(h, &p, err);
	if (r < 0)
		return r;
	json_array_foreach (list, i, o) {
		struct place q = {o, p.file};
		struct entry e = {0};

		r = read_entry(&q, &e, err);
		if (r < 0)
			entry_release(&e);
		else
			r = add_entry(h, &e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------- daemon.json */

static int add_docker_mirror(struct wh_reg_hosts *h, const char *url, const char *file, struct wh_err **err)
{
	bool plain = wh_has_prefix(url, "http://");
	const char *host = strstr(url, "://");
	size_t n;

	host = host ? host + 3 : url;
	n = strlen(host);
	while (n && host[n - 1] == '/')
		n--;
	if ((!plain && !wh_has_prefix(url, "https://")) || !is_host(host, n))
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s: registry-mirrors: \"%.200s\" is not https://HOST[:PORT]", file,
				  url);
	WH_PUSH(h->docker, h->n_docker, h->cap_docker) = (struct mirror){.location = wh_strndup(host, n), .insecure = plain};
	return 0;
}

static bool parse_cidr(const char *text, struct cidr *ret)
{
	const char *slash = strchr(text, '/');
	WH_AUTO_FREE char *addr = slash ? wh_strndup(text, (size_t)(slash - text)) : NULL;
	uint64_t bits;

	if (!addr || !wh_parse_u64(slash + 1, 10, &bits))
		return false;
	*ret = (struct cidr){.family = strchr(addr, ':') ? AF_INET6 : AF_INET};
	if (bits > (ret->family == AF_INET ? 32 : 128) || inet_pton(ret->family, addr, ret->addr) != 1)
		return false;
	ret->bits = (unsigned)bits;
	return true;
}

static int add_docker_insecure(struct wh_reg_hosts *h, const char *text, const char *file, struct wh_err **err)
{
	const char *scheme = strstr(text, "://");
	struct cidr c;

	if (scheme)
		text = scheme + 3;
	if (parse_cidr(text, &c))
		WH_PUSH(h->cidrs, h->n_cidrs, h->cap_cidrs) = c;
	else if (is_host(text, strlen(text)))
		wh_strv_add(&h->insecure, text);
	else
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL,
				  "%s: insecure-registries: \"%.200s\" is neither HOST[:PORT] nor ADDRESS/BITS", file, text);
	return 0;
}

int wh_reg_hosts_add_daemon(struct wh_reg_hosts *h, const char *text, size_t n, const char *file, struct wh_err **err)
{
	static const struct {
		const char *key;
		int (*add)(struct wh_reg_hosts *h, const char *text, const char *file, struct wh_err **err);
	} table[] = {{"registry-mirrors", add_docker_mirror}, {"insecure-registries", add_docker_insecure}};
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *list, *v;
	size_t k;
	int r;

	wh_strv_add(&h->files, file);
	if (wh_str_trim((struct wh_str){text, n}).n == 0)
		return 0;
	r = wh_json_parse(text, n, file, &o, &why);
	if (r < 0)
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s", why->msg);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		list = json_object_get(o, table[i].key);
		if (list && !json_is_null(list) && !json_is_array(list))
			return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s: %s wants a list", file, table[i].key);
		json_array_foreach (list, k, v) {
			if (!json_is_string(v))
				return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s: %s wants text", file, table[i].key);
			r = table[i].add(h, json_string_value(v), file, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---------------------------------------------------------------- files */

/* 1: it is not there, or not ours to read. */
static int read_one(struct wh_reg_hosts *h, const char *file, bool named,
		    int (*add)(struct wh_reg_hosts *h, const char *text, size_t n, const char *file, struct wh_err **err), struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_read_file(AT_FDCWD, file, WH_TOML_MAX, &buf);

	if (!named && (r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EPERM))
		return 1;
	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "read %s", file);
	return add(h, buf.p ? buf.p : "", buf.n, file, err);
}

/* Names in a directory that end so, sorted. One that is not there has none. */
static void list_dir(const char *dir, const char *suffix, struct wh_strv *ret)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while (ret->n < FILES_MAX && (e = readdir(d)))
		if (wh_has_suffix(e->d_name, suffix) && e->d_name[0] != '.')
			wh_strv_add(ret, e->d_name);
	closedir(d);
	wh_strv_sort(ret);
}

static int read_drop_ins(struct wh_reg_hosts *h, const char *dir, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	list_dir(dir, ".conf", &names);
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *file = wh_asprintf("%s/%s", dir, names.v[i]);
		int r = read_one(h, file, false, wh_reg_hosts_add_conf, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_named(struct wh_reg_hosts *h, const char *file, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_asprintf("%s.d", file);
	int r = read_one(h, file, true, wh_reg_hosts_add_conf, err);

	return r < 0 ? r : read_drop_ins(h, dir, err);
}

/* One program's files, the user's and the system's. 1: it has none. */
static int read_family(struct wh_reg_hosts *h, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_asprintf("%s/registries.conf", name);
	WH_AUTO_FREE char *user = wh_reg_config_file(dir);
	WH_AUTO_FREE char *system = wh_asprintf("/etc/%s", dir);
	const char *const files[] = {user, system};
	size_t before = h->files.n;
	int r = 1;

	for (size_t i = 0; i < WH_ARRAY_SIZE(files) && r == 1; i++)
		if (files[i])
			r = read_one(h, files[i], false, wh_reg_hosts_add_conf, err);
	for (size_t i = WH_ARRAY_SIZE(files); i > 0 && r >= 0; i--) {
		WH_AUTO_FREE char *more = files[i - 1] ? wh_asprintf("%s.d", files[i - 1]) : NULL;

		if (more && read_drop_ins(h, more, err) < 0)
			return -EINVAL;
	}
	return r < 0 ? r : h->files.n == before;
}

static int read_docker(struct wh_reg_hosts *h, struct wh_err **err)
{
	WH_AUTO_FREE char *user = wh_reg_config_file("docker/daemon.json");
	int r = read_one(h, "/etc/docker/daemon.json", false, wh_reg_hosts_add_daemon, err);

	if (r >= 0 && user)
		r = read_one(h, user, false, wh_reg_hosts_add_daemon, err);
	return r < 0 ? r : 0;
}

int wh_reg_hosts_read(const struct wh_registry_opts *o, struct wh_reg_hosts **ret, struct wh_err **err)
{
	const char *named = o->hosts_file;
	struct wh_reg_hosts *h = wh_reg_hosts_new();
	int r;

	if (!named)
		named = getenv("WHITTLE_REGISTRIES");
	if (!named || !named[0])
		named = getenv("CONTAINERS_REGISTRIES_CONF");
	if (named && named[0])
		r = read_named(h, named, err);
	else
		r = read_family(h, "whittle", err);
	if (r == 1)
		r = read_family(h, "containers", err);
	if (r >= 0)
		r = read_docker(h, err);
	if (r < 0) {
		wh_reg_hosts_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* ---------------------------------------------------------------- endpoints */

static bool ends_part(char c)
{
	return c == '\0' || c == '/';
}

/* How much of the name a prefix stands for; 0: it is another's. */
static size_t prefix_fits(const char *prefix, const char *name)
{
	size_t n = strlen(prefix), host = strcspn(name, "/"), tail;

	if (!wh_has_prefix(prefix, "*."))
		return wh_has_prefix(name, prefix) && ends_part(name[n]) ? n : 0;
	tail = strcspn(++prefix, "/"); /* ".example.com" */
	if (tail >= host || memcmp(name + host - tail, prefix, tail) != 0)
		return 0;
	n = strlen(prefix + tail);
	return strncmp(name + host, prefix + tail, n) == 0 && ends_part(name[host + n]) ? host + n : 0;
}

static const struct entry *find_entry(const struct wh_reg_hosts *h, const char *name, size_t *ret_n)
{
	const struct entry *best = NULL;
	size_t most = 0;

	for (size_t i = 0; h && i < h->n; i++) {
		size_t n = prefix_fits(h->v[i].prefix, name);

		/* Of a host and a pattern for it the host counts. */
		if (n > most || (n && n == most && h->v[i].prefix[0] != '*')) {
			most = n;
			best = &h->v[i];
		}
	}
	*ret_n = most;
	return best;
}

static bool in_cidr(const struct cidr *c, int family, const void *addr)
{
	const unsigned char *a = addr;
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (family != c->family || memcmp(a, c->addr, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ c->addr[whole]) >> (8 - rest)) == 0;
}

static bool address_in_range(const struct wh_reg_hosts *h, const struct sockaddr *a)
{
	for (size_t i = 0; i < h->n_cidrs; i++) {
		const void *addr = a->sa_family == AF_INET
					   ? (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
					   : (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;

		if ((a->sa_family == AF_INET || a->sa_family == AF_INET6) && in_cidr(&h->cidrs[i], a->sa_family, addr))
			return true;
	}
	return false;
}

/* Ranges hold for names, too, as docker has it; but all the name's addresses must be in one. */
static bool name_in_range(const struct wh_reg_hosts *h, const char *domain)
{
	const char *bracket = domain[0] == '[' ? strchr(domain, ']') : NULL;
	WH_AUTO_FREE char *host = bracket ? wh_strndup(domain + 1, (size_t)(bracket - domain - 1)) : wh_strndup(domain, strcspn(domain, ":"));
	struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	bool all = true;

	if (h->n_cidrs == 0 || getaddrinfo(host, NULL, &want, &list) != 0 || !list)
		return false;
	for (const struct addrinfo *a = list; a && all; a = a->ai_next)
		all = address_in_range(h, a->ai_addr);
	freeaddrinfo(list);
	return all;
}

/* By daemon.json. */
static bool docker_insecure(const struct wh_reg_hosts *h, const char *domain)
{
	return h && (wh_strv_has(&h->insecure, domain) || name_in_range(h, domain));
}

bool wh_reg_hosts_insecure(const struct wh_reg_hosts *h, const char *domain)
{
	size_t n;
	const struct entry *e = find_entry(h, domain, &n);

	return (e && e->insecure && !e->location) || docker_insecure(h, domain);
}

static void add_endpoint(const struct wh_reg_hosts *h, struct wh_reg_endpoints *l, const char *location, const char *rest, bool insecure,
			 bool mirror)
{
	WH_AUTO_FREE char *name = wh_asprintf("%s%s", location, rest);
	size_t host = strcspn(name, "/");
	struct wh_reg_endpoint e = {.domain = wh_strndup(name, host), .insecure = insecure, .mirror = mirror};

	e.path = wh_strdup(name[host] ? name + host + 1 : "");
	e.insecure = e.insecure || docker_insecure(h, e.domain);
	WH_PUSH(l->v, l->n, l->cap) = e;
}

static bool mirror_serves(const struct entry *e, const struct mirror *m, bool by_digest)
{
	return by_digest ? m->pull != PULL_TAG : m->pull != PULL_DIGEST && !e->digest_only;
}

int wh_reg_hosts_endpoints(const struct wh_reg_hosts *h, const char *domain, const char *path, bool by_digest, bool push,
			   struct wh_reg_endpoints *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_asprintf("%s%s%s", domain, path[0] ? "/" : "", path);
	size_t n = 0;
	const struct entry *e = find_entry(h, name, &n);

	*ret = (struct wh_reg_endpoints){0};
	if (e && e->blocked)
		return wh_err_set(err, "registry", WH_ERR_ENV, EACCES, "%s:%u blocks it", e->file, e->line);
	for (size_t i = 0; e && !push && i < e->n_mirrors; i++)
		if (mirror_serves(e, &e->mirrors[i], by_digest))
			add_endpoint(h, ret, e->mirrors[i].location, name + n, e->mirrors[i].insecure, true);
	for (size_t i = 0; h && !push && i < h->n_docker && strcmp(domain, "docker.io") == 0; i++)
		add_endpoint(h, ret, h->docker[i].location, name + strlen(domain), h->docker[i].insecure, true);
	if (e && e->location)
		add_endpoint(h, ret, e->location, name + n, e->insecure, false);
	else
		add_endpoint(h, ret, name, "", e && e->insecure, false);
	for (size_t i = 0; i < ret->n && path[0]; i++) {
		if (ret->v[i].path[0])
			continue;
		wh_reg_endpoints_release(ret);
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: a location for \"%s\" must name a repository", e->file,
				  e->line, e->prefix);
	}
	return 0;
}

void wh_reg_endpoints_release(struct wh_reg_endpoints *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].domain);
		free(l->v[i].path);
	}
	free(l->v);
	*l = (struct wh_reg_endpoints){0};
}

/* ---------------------------------------------------------------- certificates */

static char *with_suffix(const char *dir, const char *name, size_t n, const char *suffix)
{
	return wh_asprintf("%s/%.*s%s", dir, (int)n, name, suffix);
}

/* Our certificate: the first by name. Half of a pair is a mistake that nobody would find otherwise. */
static int find_pair(const char *dir, struct wh_reg_certs *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv certs = {0}, keys = {0};

	list_dir(dir, ".cert", &certs);
	list_dir(dir, ".key", &keys);
	for (size_t i = 0; i < certs.n; i++) {
		WH_AUTO_FREE char *key = with_suffix(dir, certs.v[i], strlen(certs.v[i]) - strlen(".cert"), ".key");

		if (!wh_strv_has(&keys, wh_path_base(key)))
			return wh_err_set(err, "registry", WH_ERR_ENV, ENOENT, "%s/%s has no %s beside it", dir, certs.v[i],
					  wh_path_base(key));
		if (ret->cert)
			continue;
		ret->cert = wh_asprintf("%s/%s", dir, certs.v[i]);
		ret->key = WH_TAKE_PTR(key);
	}
	for (size_t i = 0; i < keys.n; i++) {
		WH_AUTO_FREE char *cert = with_suffix(dir, keys.v[i], strlen(keys.v[i]) - strlen(".key"), ".cert");

		if (!wh_strv_has(&certs, wh_path_base(cert)))
			return wh_err_set(err, "registry", WH_ERR_ENV, ENOENT, "%s/%s has no %s beside it", dir, keys.v[i],
					  wh_path_base(cert));
	}
	return 0;
}

static int look_in(const char *dir, struct wh_reg_certs *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	list_dir(dir, ".crt", &names);
	for (size_t i = 0; i < names.n; i++)
		wh_strv_addf(&ret->cas, "%s/%s", dir, names.v[i]);
	return ret->cert ? 0 : find_pair(dir, ret, err);
}

int wh_reg_hosts_certs(const struct wh_reg_hosts *h, const char *domain, struct wh_reg_certs *ret, struct wh_err **err)
{
	static const char *const families[] = {"containers", "docker"};
	const char *port = domain[0] == '[' ? strchr(domain, ']') : domain, *names[2] = {domain, NULL};
	WH_AUTO_FREE char *other = NULL;
	struct wh_reg_certs c = {0};
	int r = 0;

	*ret = c;
	if (!h || !is_host(domain, strlen(domain)))
		return 0;
	port = port ? strchr(port, ':') : NULL;
	/* Port 443 goes without saying, or is said. */
	if (port && strcmp(port, ":443") == 0)
		names[1] = other = wh_strndup(domain, (size_t)(port - domain));
	else if (!port)
		names[1] = other = wh_asprintf("%s:443", domain);
	for (size_t i = 0; i < 8 && r == 0; i++) {
		WH_AUTO_FREE char *below = NULL, *dir = NULL;

		if (!names[i % 2])
			continue;
		below = wh_asprintf("%s/certs.d/%s", families[i / 2 % 2], names[i % 2]);
		dir = i < 4 ? wh_reg_config_file(below) : wh_asprintf("/etc/%s", below);
		r = dir ? look_in(dir, &c, err) : 0;
	}
	if (r < 0) {
		wh_reg_certs_release(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void wh_reg_certs_release(struct wh_reg_certs *c)
{
	wh_strv_release(&c->cas);
	free(c->cert);
	free(c->key);
	*c = (struct wh_reg_certs){0};
}
