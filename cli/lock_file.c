/* SPDX-License-Identifier: Apache-2.0 */
/* The lock's file: read (whoever wrote it), written, compared. Memory in, data out. */
#include "cli/lock.h"

#include <errno.h>

#define TEXT_MAX 4096
#define SOURCES_MAX 10000
#define STAGES_MAX 10000
#define PACKAGES_MAX 200000

static const struct {
	const char *list, *name, *which, *digest, *told;
} kinds[WH_LOCK_LISTS] = {
	[WH_LOCK_BASES] = {"bases", "name", "platform", "digest", "base"},
	[WH_LOCK_URLS] = {"urls", "url", NULL, "digest", "URL"},
	[WH_LOCK_REPOSITORIES] = {"repositories", "remote", "ref", "commit", "repository"},
};

/* ---------------------------------------------------------------- ownership, order */

static void package_release(struct wh_lock_package *p)
{
	free(p->type);
	free(p->name);
	free(p->version);
	free(p->arch);
	free(p->digest);
}

void wh_lock_release(struct wh_lock *l)
{
	for (size_t k = 0; k < WH_LOCK_LISTS; k++) {
		for (size_t i = 0; i < l->lists[k].n; i++) {
			free(l->lists[k].v[i].name);
			free(l->lists[k].v[i].which);
			free(l->lists[k].v[i].digest);
		}
		free(l->lists[k].v);
	}
	for (size_t i = 0; i < l->n_stages; i++) {
		for (size_t k = 0; k < l->stages[i].n; k++)
			package_release(&l->stages[i].v[k]);
		free(l->stages[i].v);
		free(l->stages[i].name);
		free(l->stages[i].platform);
	}
	free(l->stages);
	*l = (struct wh_lock){0};
}

static int by_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int by_source(const void *x, const void *y)
{
	const struct wh_lock_source *a = x, *b = y;
	int r = by_text(a->name, b->name);

	return r ? r : by_text(a->which, b->which);
}

/* What a package is, whatever its version. */
static int by_package_name(const struct wh_lock_package *a, const struct wh_lock_package *b)
{
	int r = by_text(a->type, b->type);

	if (!r)
		r = by_text(a->name, b->name);
	if (!r)
		r = by_text(a->arch, b->arch);
	return r ? r : a->removed - b->removed;
}

static int by_package(const void *x, const void *y)
{
	const struct wh_lock_package *a = x, *b = y;
	int r = by_package_name(a, b);

	if (!r)
		r = by_text(a->version, b->version);
	return r ? r : by_text(a->digest, b->digest);
}

/* Stages keep the order of the file. */
static void sort(struct wh_lock *l)
{
	for (size_t k = 0; k < WH_LOCK_LISTS; k++)
		if (l->lists[k].n)
			qsort(l->lists[k].v, l->lists[k].n, sizeof(*l->lists[k].v), by_source);
	for (size_t i = 0; i < l->n_stages; i++)
		if (l->stages[i].n)
			qsort(l->stages[i].v, l->stages[i].n, sizeof(*l->stages[i].v), by_package);
}

const struct wh_lock_source *wh_lock_find(const struct wh_lock *l, enum wh_lock_list list, const char *name, const char *which)
{
	const struct wh_lock_sources *s = &l->lists[list];

	for (size_t i = 0; i < s->n; i++)
		if (wh_streq(s->v[i].name, name) && wh_streq(s->v[i].which, which))
			return &s->v[i];
	return NULL;
}

const struct wh_lock_stage *wh_lock_find_stage(const struct wh_lock *l, const char *name, const char *platform)
{
	for (size_t i = 0; i < l->n_stages; i++)
		if (wh_streq(l->stages[i].name, name) && wh_streq(l->stages[i].platform, platform))
			return &l->stages[i];
	return NULL;
}

void wh_lock_add(struct wh_lock *l, enum wh_lock_list list, const char *name, const char *which, const char *digest)
{
	struct wh_lock_sources *s = &l->lists[list];

	if (!wh_lock_find(l, list, name, which))
		WH_PUSH(s->v, s->n, s->cap) =
			(struct wh_lock_source){wh_strdup(name), wh_strdup(which), wh_strdup(digest)};
}

struct wh_lock_stage *wh_lock_add_stage(struct wh_lock *l, const char *name, const char *platform)
{
	WH_PUSH(l->stages, l->n_stages, l->cap_stages) =
		(struct wh_lock_stage){.name = wh_strdup(name), .platform = wh_strdup(platform)};
	return &l->stages[l->n_stages - 1];
}

void wh_lock_add_package(struct wh_lock_stage *s, const struct wh_lock_package *p)
{
	WH_PUSH(s->v, s->n, s->cap) = (struct wh_lock_package){
		.type = wh_strdup(p->type),
		.name = wh_strdup(p->name),
		.version = wh_strdup(p->version),
		.arch = wh_strdup(p->arch),
		.digest = wh_strdup(p->digest),
		.removed = p->removed,
	};
}

/* ---------------------------------------------------------------- reading */

struct reader {
	const char *file;
	size_t packages;
	struct wh_lock out;
};

static int wrong(const struct reader *x, struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int wrong(const struct reader *x, struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s: %s", x->file, text.p);
	wh_err_hint(err, "whittle build --lock %s writes it anew", x->file);
	return -EINVAL;
}

static bool good_text(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > TEXT_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return true;
}

/* A text of an object; optional ones may be absent. where: "bases", for errors. */
static int take_text(const struct reader *x, const json_t *o, const char *where, const char *key, bool optional, const char **ret,
		     struct wh_err **err)
{
	const json_t *j = json_object_get(o, key);

	*ret = json_string_value(j);
	if (!j && optional)
		return 0;
	if (!j)
		return wrong(x, err, "an entry of %s has no %s", where, key);
	if (!json_is_string(j))
		return wrong(x, err, "%s of an entry of %s is no text", key, where);
	if (!good_text(*ret))
		return wrong(x, err, "%s of an entry of %s is empty, too long or has control characters", key, where);
	return 0;
}

/* Nothing else than these; a slip of the pen in a file that people edit is told. */
static int check_keys(const struct reader *x, json_t *o, const char *where, const char *const *keys, struct wh_err **err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(o))
		return wrong(x, err, "an entry of %s is no object", where);
	json_object_foreach (o, key, value) {
		size_t i = 0;

		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (!keys[i])
			return wrong(x, err, "an entry of %s has the unknown key \"%.40s\"", where, key);
	}
	return 0;
}

static int take_array(const struct reader *x, const json_t *o, const char *where, const char *key, size_t max, json_t **ret,
		      struct wh_err **err)
{
	json_t *a = json_object_get(o, key);

	if (!json_is_array(a))
		return wrong(x, err, "%s has no list \"%s\"", where, key);
	if (json_array_size(a) > max)
		return wrong(x, err, "%s has more than %zu entries", key, max);
	*ret = a;
	return 0;
}

static bool good_digest(const char *s)
{
	struct wh_digest d;

	return wh_digest_parse(s, &d);
}

/* npm's are of 512 bits. */
static bool good_archive(const char *s)
{
	size_t n = strlen("sha512:");

	return good_digest(s) || (wh_has_prefix(s, "sha512:") && strlen(s + n) == 128 && strspn(s + n, "0123456789abcdef") == 128);
}

static bool good_commit(const char *s)
{
	size_t n = strlen(s);

	return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static int read_source(struct reader *x, enum wh_lock_list list, json_t *o, struct wh_err **err)
{
	const char *const keys[] = {kinds[list].name, kinds[list].digest, kinds[list].which, NULL};
	const char *name, *which = NULL, *digest;
	int r = check_keys(x, o, kinds[list].list, keys, err);

	if (r == 0)
		r = take_text(x, o, kinds[list].list, kinds[list].name, false, &name, err);
	if (r == 0 && kinds[list].which)
		r = take_text(x, o, kinds[list].list, kinds[list].which, list == WH_LOCK_REPOSITORIES, &which, err);
	if (r == 0)
		r = take_text(x, o, kinds[list].list, kinds[list].digest, false, &digest, err);
	if (r < 0)
		return r;
	if (list == WH_LOCK_REPOSITORIES ? !good_commit(digest) : !good_digest(digest))
		return wrong(x, err, "%.100s: \"%.100s\" is no %s", name, digest,
			     list == WH_LOCK_REPOSITORIES ? "commit" : "digest");
	if (wh_lock_find(&x->out, list, name, which))
		return wrong(x, err, "%s names %.100s%s%.100s twice", kinds[list].list, name, which ? " " : "",
			     which ? which : "");
	wh_lock_add(&x->out, list, name, which, digest);
	return 0;
}

/* dpkg's grammar: these words go into a file that apt reads. */
static bool good_deb_word(const char *s, const char *more)
{
	for (const char *p = s; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && !strchr(more, *p))
			return false;
	return (s[0] >= 'a' && s[0] <= 'z') || (s[0] >= '0' && s[0] <= '9');
}

static bool good_deb(const struct wh_lock_package *p)
{
	return good_deb_word(p->name, "+.-") && p->arch && good_deb_word(p->arch, "-") && p->version[0] >= '0' &&
	       p->version[0] <= '9' && strspn(p->version, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+:~-") ==
					       strlen(p->version);
}

static int read_package(struct reader *x, struct wh_lock_stage *s, json_t *o, struct wh_err **err)
{
	static const char *const keys[] = {"type", "name", "version", "arch", "digest", "removed", NULL};
	const json_t *removed = json_object_get(o, "removed");
	const char *type, *name, *version, *arch = NULL, *digest = NULL;
	struct wh_lock_package p;
	int r = check_keys(x, o, "packages", keys, err);

	if (r == 0)
		r = take_text(x, o, "packages", "type", false, &type, err);
	if (r == 0)
		r = take_text(x, o, "packages", "name", false, &name, err);
	if (r == 0)
		r = take_text(x, o, "packages", "version", false, &version, err);
	if (r == 0)
		r = take_text(x, o, "packages", "arch", true, &arch, err);
	if (r == 0)
		r = take_text(x, o, "packages", "digest", true, &digest, err);
	if (r < 0)
		return r;
	if (removed && !json_is_boolean(removed))
		return wrong(x, err, "removed of %.100s is neither true nor false", name);
	/* Only read: the entry gets copies. */
	p = (struct wh_lock_package){.removed = json_is_true(removed)};
	p.type = wh_strdup(type);
	p.name = wh_strdup(name);
	p.version = wh_strdup(version);
	p.arch = wh_strdup(arch);
	p.digest = wh_strdup(digest);
	WH_PUSH(s->v, s->n, s->cap) = p;
	if (!wh_streq(type, "deb") && !wh_streq(type, "pypi") && !wh_streq(type, "npm"))
		return wrong(x, err, "%.100s: the unknown type \"%.40s\"", name, type);
	if (wh_streq(type, "deb") && !good_deb(&p))
		return wrong(x, err, "%.100s %.100s is no package of dpkg's", name, version);
	if (digest && !good_archive(digest))
		return wrong(x, err, "%.100s: \"%.100s\" is no digest", name, digest);
	return 0;
}

static int read_stage(struct reader *x, json_t *o, struct wh_err **err)
{
	static const char *const keys[] = {"stage", "platform", "packages", NULL};
	const char *name, *platform;
	struct wh_lock_stage *s;
	json_t *packages, *p;
	size_t i;
	int r = check_keys(x, o, "stages", keys, err);

	if (r == 0)
		r = take_text(x, o, "stages", "stage", false, &name, err);
	if (r == 0)
		r = take_text(x, o, "stages", "platform", false, &platform, err);
	if (r == 0)
		r = take_array(x, o, "a stage", "packages", PACKAGES_MAX, &packages, err);
	if (r < 0)
		return r;
	if (wh_lock_find_stage(&x->out, name, platform))
		return wrong(x, err, "stages names %.100s for %.100s twice", name, platform);
	x->packages += json_array_size(packages);
	if (x->packages > PACKAGES_MAX)
		return wrong(x, err, "more than %d packages", PACKAGES_MAX);
	s = wh_lock_add_stage(&x->out, name, platform);
	json_array_foreach (packages, i, p) {
		r = read_package(x, s, p, err);
		if (r < 0)
			return r;
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_package);
	for (i = 1; i < s->n; i++)
		if (by_package(&s->v[i - 1], &s->v[i]) == 0)
			return wrong(x, err, "stage %.100s names %.100s %.100s twice", name, s->v[i].name, s->v[i].version);
	return 0;
}

static int read_all(struct reader *x, json_t *doc, struct wh_err **err)
{
	static const char *const keys[] = {"schema", "bases", "urls", "repositories", "stages", NULL};
	json_t *list, *o;
	size_t i, k;
	int r = 0;

	if (!json_is_object(doc))
		return wrong(x, err, "is no lock: no object");
	if (!json_is_integer(json_object_get(doc, "schema")))
		return wrong(x, err, "is no lock: no schema");
	if (wh_json_int(doc, "schema", 0) != 1)
		return wrong(x, err, "has the schema %lld, and this program knows 1", (long long)wh_json_int(doc, "schema", 0));
	r = check_keys(x, doc, "the file", keys, err);
	for (k = 0; k < WH_LOCK_LISTS && r == 0; k++) {
		r = take_array(x, doc, "the file", kinds[k].list, SOURCES_MAX, &list, err);
		if (r < 0)
			return r;
		json_array_foreach (list, i, o) {
			r = read_source(x, k, o, err);
			if (r < 0)
				return r;
		}
	}
	if (r == 0)
		r = take_array(x, doc, "the file", "stages", STAGES_MAX, &list, err);
	if (r < 0)
		return r;
	json_array_foreach (list, i, o) {
		r = read_stage(x, o, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int wh_lock_parse(const char *text, size_t n, const char *name, struct wh_lock *ret, struct wh_err **err)
{
	struct reader x = {.file = name};
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	int r = wh_json_parse(text, n, name, &doc, &why);

	if (r < 0) {
		why->class = WH_ERR_USAGE;
		wh_err_hint(&why, "whittle build --lock %s writes it anew", name);
		wh_err_move(err, &why);
		return r;
	}
	r = read_all(&x, doc, err);
	if (r < 0) {
		wh_lock_release(&x.out);
		return r;
	}
	sort(&x.out);
	*ret = x.out;
	return 0;
}

/* ---------------------------------------------------------------- writing */

static void add_field(json_t *o, const char *key, const char *value)
{
	if (key && value)
		json_object_set_new(o, key, json_string(value));
}

/* One line, keys in the order in which they were set. Takes o. */
static void print_line(struct wh_buf *out, const char *indent, json_t *o, bool last)
{
	char *text = json_dumps(o, 0);

	wh_buf_addf(out, "%s%s%s\n", indent, text ? text : "{}", last ? "" : ",");
	free(text);
	json_decref(o);
}

static void print_sources(const struct wh_lock_sources *s, size_t k, struct wh_buf *out)
{
	wh_buf_addf(out, "  \"%s\": [%s", kinds[k].list, s->n ? "\n" : "");
	for (size_t i = 0; i < s->n; i++) {
		json_t *o = json_object();

		add_field(o, kinds[k].name, s->v[i].name);
		add_field(o, kinds[k].which, s->v[i].which);
		add_field(o, kinds[k].digest, s->v[i].digest);
		print_line(out, "    ", o, i + 1 == s->n);
	}
	wh_buf_addf(out, "%s],\n", s->n ? "  " : "");
}

static void print_stage(const struct wh_lock_stage *s, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *head = json_pack("{s:s, s:s}", "stage", s->name, "platform", s->platform);
	char *text = json_dumps(head, 0);

	/* The object is closed behind its packages. */
	wh_buf_addf(out, "    %.*s, \"packages\": [%s", text ? (int)strlen(text) - 1 : 0, text ? text : "", s->n ? "\n" : "");
	free(text);
	for (size_t i = 0; i < s->n; i++) {
		json_t *o = json_object();

		add_field(o, "type", s->v[i].type);
		add_field(o, "name", s->v[i].name);
		add_field(o, "version", s->v[i].version);
		add_field(o, "arch", s->v[i].arch);
		add_field(o, "digest", s->v[i].digest);
		if (s->v[i].removed)
			json_object_set_new(o, "removed", json_true());
		print_line(out, "      ", o, i + 1 == s->n);
	}
	wh_buf_addf(out, "%s]}", s->n ? "    " : "");
}

void wh_lock_print(struct wh_lock *l, struct wh_buf *out)
{
	sort(l);
	wh_buf_adds(out, "{\n  \"schema\": 1,\n");
	for (size_t k = 0; k < WH_LOCK_LISTS; k++)
		print_sources(&l->lists[k], k, out);
	wh_buf_addf(out, "  \"stages\": [%s", l->n_stages ? "\n" : "");
	for (size_t i = 0; i < l->n_stages; i++) {
		print_stage(&l->stages[i], out);
		wh_buf_adds(out, i + 1 == l->n_stages ? "\n" : ",\n");
	}
	wh_buf_addf(out, "%s]\n}\n", l->n_stages ? "  " : "");
}

/* ---------------------------------------------------------------- comparing */

static void compare_sources(const struct wh_lock *lock, const struct wh_lock *now, size_t k, struct wh_strv *ret)
{
	for (size_t i = 0; i < now->lists[k].n; i++) {
		const struct wh_lock_source *b = &now->lists[k].v[i], *a = wh_lock_find(lock, k, b->name, b->which);
		WH_AUTO_FREE char *name = wh_asprintf("%s %s%s%s%s", kinds[k].told, b->name, b->which ? " (" : "",
						      b->which ? b->which : "", b->which ? ")" : "");

		if (!a)
			wh_strv_addf(ret, "%s is not in the lock", name);
		else if (!wh_streq(a->digest, b->digest))
			wh_strv_addf(ret, "%s: the lock has %s, this build %s", name, a->digest, b->digest);
	}
}

static char *package_told(const struct wh_lock_stage *s, const struct wh_lock_package *p)
{
	return wh_asprintf("stage %s: %s %s%s%s%s", s->name, p->type, p->name, p->arch ? " (" : "", p->arch ? p->arch : "",
			   p->arch ? ")" : "");
}

static const struct wh_lock_package *with_version(const struct wh_lock_package *v, size_t n, const char *version)
{
	for (size_t i = 0; i < n; i++)
		if (wh_streq(v[i].version, version))
			return &v[i];
	return NULL;
}

static bool with_digest(const struct wh_lock_package *v, size_t n, const struct wh_lock_package *p)
{
	for (size_t i = 0; i < n; i++)
		if (wh_streq(v[i].version, p->version) && wh_streq(v[i].digest, p->digest))
			return true;
	return false;
}

/* All there is of one package: na versions in the lock, nb now. */
static void compare_package(const struct wh_lock_stage *s, const struct wh_lock_package *a, size_t na,
			    const struct wh_lock_package *b, size_t nb, struct wh_strv *ret)
{
	WH_AUTO_FREE char *name = package_told(s, na ? a : b);

	if (na == 1 && nb == 1 && !wh_streq(a->version, b->version)) {
		wh_strv_addf(ret, "%s: the lock has %s, this build %s", name, a->version, b->version);
		return;
	}
	for (size_t i = 0; i < na; i++)
		if (!with_version(b, nb, a[i].version))
			wh_strv_addf(ret, "%s %s is missing", name, a[i].version);
	for (size_t i = 0; i < nb; i++) {
		const struct wh_lock_package *p = with_version(a, na, b[i].version);

		if (!p)
			wh_strv_addf(ret, "%s %s is not in the lock", name, b[i].version);
		else if (p->digest && !b[i].digest)
			wh_strv_addf(ret, "%s %s: its archive was not seen, the lock has %s", name, p->version, p->digest);
		else if (p->digest && !with_digest(a, na, &b[i]))
			wh_strv_addf(ret, "%s %s: the lock has the archive %s, this build %s", name, p->version, p->digest,
				     b[i].digest);
	}
}

static size_t group(const struct wh_lock_stage *s, size_t i)
{
	size_t n = 1;

	while (i + n < s->n && by_package_name(&s->v[i], &s->v[i + n]) == 0)
		n++;
	return n;
}

static void compare_stage(const struct wh_lock_stage *a, const struct wh_lock_stage *b, struct wh_strv *ret)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		int order = i == a->n ? 1 : k == b->n ? -1 : by_package_name(&a->v[i], &b->v[k]);
		size_t na = order <= 0 ? group(a, i) : 0, nb = order >= 0 ? group(b, k) : 0;

		compare_package(b, na ? &a->v[i] : NULL, na, nb ? &b->v[k] : NULL, nb, ret);
		i += na;
		k += nb;
	}
}

void wh_lock_compare(struct wh_lock *lock, struct wh_lock *now, struct wh_strv *ret)
{
	sort(lock);
	sort(now);
	for (size_t k = 0; k < WH_LOCK_LISTS; k++)
		compare_sources(lock, now, k, ret);
	for (size_t i = 0; i < now->n_stages; i++) {
		const struct wh_lock_stage *b = &now->stages[i], *a = wh_lock_find_stage(lock, b->name, b->platform);

		if (a)
			compare_stage(a, b, ret);
		else if (b->n)
			wh_strv_addf(ret, "stage %s (%s) is not in the lock, and has %zu packages", b->name, b->platform, b->n);
	}
}

void wh_lock_compare_seen(const struct wh_lock_stage *s, const json_t *seen, struct wh_strv *ret)
{
	const json_t *o;
	size_t i;

	json_array_foreach (seen, i, o) {
		const char *name = wh_json_str(o, "name"), *version = wh_json_str(o, "version"), *arch = wh_json_str(o, "arch");
		const char *hex = wh_json_str(o, "sha256"), *other = NULL, *archive = NULL;
		bool good = false, known = false;

		for (size_t k = 0; k < s->n && !good; k++) {
			const struct wh_lock_package *p = &s->v[k];

			if (!wh_streq(p->type, "deb") || !wh_streq(p->name, name) || !wh_streq(p->arch, arch))
				continue;
			other = p->version;
			if (!wh_streq(p->version, version))
				continue;
			known = true;
			archive = p->digest;
			good = !p->digest || (hex && wh_streq(p->digest + strlen("sha256:"), hex));
		}
		if (good)
			continue;
		if (known)
			wh_strv_addf(ret, "stage %s: deb %s (%s) %s: the lock has the archive %s, this build sha256:%s", s->name,
				     name, arch, version, archive, hex);
		else if (other)
			wh_strv_addf(ret, "stage %s: deb %s (%s): the lock has %s, this build %s", s->name, name, arch, other,
				     version);
		else
			wh_strv_addf(ret, "stage %s: deb %s (%s) %s is not in the lock", s->name, name, arch, version);
	}
}

/* ---------------------------------------------------------------- apt */

/* The first record that fits a version counts, so the one that forbids all others stands behind those that allow. */
void wh_lock_pins(const struct wh_lock_stage *s, struct wh_buf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct wh_lock_package *p = &s->v[i];

		if (!wh_streq(p->type, "deb"))
			continue;
		wh_buf_addf(out, "Package: %s:any\nPin: version %s\nPin-Priority: 1001\n\n", p->name, p->version);
		if (i + 1 == s->n || !wh_streq(s->v[i + 1].type, "deb") || !wh_streq(s->v[i + 1].name, p->name))
			wh_buf_addf(out, "Package: %s:any\nPin: version *\nPin-Priority: -1\n\n", p->name);
	}
}
