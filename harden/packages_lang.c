/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packages of Python and Node.js, found by their metadata wherever it lies:
 *   NAME.dist-info/METADATA, NAME.egg-info/PKG-INFO, NAME.egg-info,
 *   EGG-INFO/PKG-INFO                                         core metadata (packaging.python.org)
 *   package.json with name and version                        docs.npmjs.com
 * A package.json that cannot be read as one is passed over: test suites of npm packages bring such files.
 */
#include "base/rune.h"
#include "harden/packages_private.h"

#include <errno.h>
#include <sodium.h>

#define MAX_HEADER ((size_t)1 << 20) /* METADATA has the whole README behind its header */
#define MAX_JSON ((size_t)16 << 20)
#define MAX_TEXT 1024
#define MAX_LANG 100000

/* Foreign text as one line of good UTF-8: what is none becomes "?". NULL when nothing is left. */
static char *clean(struct wh_str s)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	s = wh_str_trim(s);
	for (size_t i = 0, w; i < s.n && b.n < MAX_TEXT; i += w) {
		uint32_t c = wh_rune(s.p + i, s.n - i, &w);
		bool good = c >= ' ' && c != 0x7f && c < 0x80000000U && !(c >= 0xd800 && c < 0xe000) && c < 0x110000 &&
			    !(w == 3 && c < 0x800) && !(w == 4 && c < 0x10000);

		if (good)
			wh_buf_add(&b, s.p + i, w);
		else
			wh_buf_addc(&b, '?');
	}
	return b.n ? wh_buf_take(&b) : NULL;
}

/* A span from the header of core metadata: first of that name; "UNKNOWN" is how old tools write nothing. */
static struct wh_str header(struct wh_str text, const char *name)
{
	struct wh_str line;

	while (wh_next_line(&text, &line) && wh_str_trim(line).n) {
		const char *colon = memchr(line.p, ':', line.n);
		struct wh_str value;

		if (!colon || !wh_str_ieq((struct wh_str){line.p, (size_t)(colon - line.p)}, name))
			continue;
		value = wh_str_trim((struct wh_str){colon + 1, (size_t)(line.p + line.n - colon - 1)});
		return wh_str_eq(value, "UNKNOWN") ? (struct wh_str){NULL, 0} : value;
	}
	return (struct wh_str){NULL, 0};
}

static char *person(struct wh_str name, struct wh_str mail)
{
	WH_AUTO_FREE char *n = clean(name), *m = clean(mail);

	if (n && m && !strchr(m, '<'))
		return wh_asprintf("%s <%s>", n, m);
	return m ? WH_TAKE_PTR(m) : WH_TAKE_PTR(n);
}

static int read_python(struct wh_tree *t, struct wh_lang_package *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_str text;
	int r = wh_pkg_read_file(t, p->record, MAX_HEADER, true, &buf, err);

	if (r < 0)
		return r;
	text = (struct wh_str){buf.p, buf.n};
	p->name = clean(header(text, "Name"));
	p->version = clean(header(text, "Version"));
	p->license = clean(header(text, "License-Expression"));
	if (!p->license)
		p->license = clean(header(text, "License"));
	p->author = person(header(text, "Maintainer"), header(text, "Maintainer-email"));
	if (!p->author)
		p->author = person(header(text, "Author"), header(text, "Author-email"));
	p->homepage = clean(header(text, "Home-page"));
	return 0;
}

static char *json_text(const json_t *j, const char *key)
{
	const char *s = wh_json_str(j, key);

	return s ? clean(wh_str(s)) : NULL;
}

static int read_npm(struct wh_tree *t, struct wh_lang_package *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *j = NULL;
	WH_AUTO_ERR struct wh_err *why = NULL;
	const json_t *author;
	int r = wh_pkg_read_file(t, p->record, MAX_JSON, false, &buf, &why);

	if (r == -EFBIG)
		return 0;
	if (r < 0) {
		wh_err_move(err, &why);
		return r;
	}
	j = json_loadb(buf.n ? buf.p : "", buf.n, JSON_DISABLE_EOF_CHECK, NULL);
	if (!json_is_object(j))
		return 0;
	p->name = json_text(j, "name");
	p->version = json_text(j, "version");
	p->license = json_text(j, "license");
	if (!p->license)
		p->license = json_text(json_object_get(j, "license"), "type");
	author = json_object_get(j, "author");
	p->author = json_is_string(author)
			    ? json_text(j, "author")
			    : person(wh_str(wh_json_str(author, "name")), wh_str(wh_json_str(author, "email")));
	p->homepage = json_text(j, "homepage");
	return 0;
}

/* ---------------------------------------------------------------- archives */

static bool is_hex(const char *s, size_t n)
{
	return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* direct_url.json: a wheel or source archive that was named by its place (packaging.python.org, "direct URL"). What came from an
 * index has none. */
static void find_python_archive(struct wh_tree *t, struct wh_lang_package *p)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/direct_url.json", p->dir);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *j = NULL;
	const json_t *info;
	const char *hex, *old;

	if (!wh_has_suffix(p->dir, ".dist-info") || wh_pkg_read_file(t, path, MAX_HEADER, false, &buf, NULL) < 0 || !buf.n ||
	    wh_json_parse(buf.p, buf.n, path, &j, NULL) < 0)
		return;
	info = json_object_get(j, "archive_info");
	hex = wh_json_str(json_object_get(info, "hashes"), "sha256");
	old = wh_json_str(info, "hash");
	if (!hex && old && wh_has_prefix(old, "sha256="))
		hex = old + strlen("sha256=");
	if (is_hex(hex, 64))
		p->digest = wh_asprintf("sha256:%s", hex);
}

/* "sha512-BASE64" (w3.org/TR/SRI), the first of them when there are several. */
static char *integrity_digest(const char *text)
{
	size_t n = text ? strcspn(text, " ") : 0, used = 0;
	unsigned char raw[64];
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	if (!text || !wh_has_prefix(text, "sha512-") || n != strlen("sha512-") + 88 ||
	    sodium_base642bin(raw, sizeof(raw), text + strlen("sha512-"), n - strlen("sha512-"), NULL, &used, NULL,
			      sodium_base64_VARIANT_ORIGINAL) < 0 ||
	    used != sizeof(raw))
		return NULL;
	wh_buf_adds(&out, "sha512:");
	for (size_t i = 0; i < sizeof(raw); i++)
		wh_buf_addf(&out, "%02x", raw[i]);
	return wh_buf_take(&out);
}

struct npm_lock { /* what npm left of its last install in a directory's node_modules */
	char *root;
	json_t *doc; /* NULL: there is none that can be read */
};
struct npm_locks {
	struct npm_lock *v;
	size_t n, cap;
};

static void npm_locks_release(struct npm_locks *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].root);
		json_decref(l->v[i].doc);
	}
	free(l->v);
}

static const json_t *npm_lock(struct wh_tree *t, struct npm_locks *l, const char *root)
{
	WH_AUTO_FREE char *path = wh_asprintf("%snode_modules/.package-lock.json", root);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	json_t *doc = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (wh_streq(l->v[i].root, root))
			return l->v[i].doc;
	if (wh_pkg_read_file(t, path, MAX_JSON, false, &buf, NULL) == 0 && buf.n)
		(void)wh_json_parse(buf.p, buf.n, path, &doc, NULL);
	WH_PUSH(l->v, l->n, l->cap) = (struct npm_lock){wh_strdup(root), doc};
	return doc;
}

static void find_npm_archive(struct wh_tree *t, struct npm_locks *locks, struct wh_lang_package *p)
{
	const char *at = wh_has_prefix(p->dir, "node_modules/") ? p->dir : strstr(p->dir, "/node_modules/");
	WH_AUTO_FREE char *root = NULL;
	const json_t *entry;

	if (!at)
		return;
	at += *at == '/';
	root = wh_strndup(p->dir, (size_t)(at - p->dir)); /* with its slash */
	entry = json_object_get(json_object_get(npm_lock(t, locks, root), "packages"), at);
	if (wh_streq(wh_json_str(entry, "version"), p->version))
		p->digest = integrity_digest(wh_json_str(entry, "integrity"));
}

static bool kind_of(const char *path, enum wh_package_kind *ret)
{
	*ret = WH_PKG_PYPI;
	if (wh_has_suffix(path, ".dist-info/METADATA") || wh_has_suffix(path, ".egg-info/PKG-INFO") ||
	    wh_has_suffix(path, ".egg-info") || wh_has_suffix(path, "/EGG-INFO/PKG-INFO"))
		return true;
	*ret = WH_PKG_NPM;
	return wh_streq(wh_path_base(path), "package.json");
}

static int collect(void *arg, const struct wh_node_ref *n)
{
	struct wh_lang_packages *l = arg;
	const char *path = n->e.path;
	enum wh_package_kind kind;

	/* The kernel's directories are nobody's software, and a .git directory is history. */
	if (n->e.type == WH_T_DIR)
		return wh_streq(path, "proc") || wh_streq(path, "sys") || wh_streq(path, "dev") ||
		       wh_streq(wh_path_base(path), ".git");
	if (n->e.type != WH_T_FILE || !kind_of(path, &kind))
		return 0;
	if (l->n == MAX_LANG)
		return -EFBIG;
	WH_PUSH(l->v, l->n, l->cap) = (struct wh_lang_package){
		.kind = kind,
		.record = wh_strdup(path),
		.dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup(""),
	};
	return 0;
}

static void release_one(struct wh_lang_package *p)
{
	free(p->record);
	free(p->dir);
	free(p->name);
	free(p->version);
	free(p->author);
	free(p->license);
	free(p->homepage);
	free(p->digest);
}

int wh_lang_find(struct wh_tree *t, struct wh_lang_packages *ret, struct wh_err **err)
{
	WH_CLEANUP(npm_locks_release) struct npm_locks locks = {0};
	struct wh_lang_packages l = {0};
	size_t n = 0;
	int r = wh_tree_walk(t, "", collect, &l);

	if (r < 0)
		wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "look for Python and npm packages");
	for (size_t i = 0; i < l.n; i++) {
		struct wh_lang_package *p = &l.v[i];

		if (r == 0)
			r = p->kind == WH_PKG_NPM ? read_npm(t, p, err) : read_python(t, p, err);
		if (r < 0 || !p->name || !p->version) {
			release_one(p);
			continue;
		}
		if (p->kind == WH_PKG_NPM)
			find_npm_archive(t, &locks, p);
		else
			find_python_archive(t, p);
		l.v[n++] = *p;
	}
	l.n = n;
	if (r < 0) {
		wh_lang_release(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void wh_lang_release(struct wh_lang_packages *l)
{
	for (size_t i = 0; i < l->n; i++)
		release_one(&l->v[i]);
	free(l->v);
	*l = (struct wh_lang_packages){0};
}

char *wh_lang_site(const struct wh_lang_package *p)
{
	/* NAME.egg-info is a file beside the modules; package.json is in the package's own directory. */
	if (p->kind == WH_PKG_NPM || wh_has_suffix(p->record, ".egg-info"))
		return wh_strdup(p->dir);
	return strchr(p->dir, '/') ? wh_path_dir(p->dir) : wh_strdup("");
}
