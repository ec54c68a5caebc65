/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

#include <errno.h>

#define SCHEMA "https://whittle.dev/schema/diff-1.json"

void wh_diff_side_release(struct wh_diff_side *s)
{
	wh_needs_release(&s->needs);
	json_decref(s->report);
	wh_owners_free(s->owners);
	wh_findings_release(&s->findings);
	wh_packages_release(&s->packages);
	if (s->tree)
		wh_tree_close(s->tree);
	wh_image_release(&s->image);
	if (s->store)
		wh_store_close(s->store);
}

/* Foreign text, as JSON can have it. */
static json_t *text_of(const char *s)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	json_t *j = s ? json_string(s) : json_null();

	if (j)
		return j;
	wh_text_add_safe(&b, s, strlen(s));
	return json_string(b.p ? b.p : "");
}

/* ---------------------------------------------------------------- config */

/* ["A=1"] and {"A":…} as one object. */
static json_t *flat(const json_t *config)
{
	json_t *o = json_object(), *value, *one;
	const char *key, *sub;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)config, key, value) {
		if (wh_streq(key, "Env") && json_is_array(value)) {
			json_array_foreach (value, i, one) {
				const char *text = json_string_value(one);
				size_t n = text ? strcspn(text, "=") : 0;
				WH_AUTO_FREE char *name = wh_asprintf("Env %.*s", (int)n, text ? text : "");

				if (text)
					json_object_set_new(o, name, json_string(text[n] ? text + n + 1 : ""));
			}
		} else if (json_is_object(value) && !wh_streq(key, "Healthcheck")) {
			json_object_foreach (value, sub, one) {
				WH_AUTO_FREE char *name = wh_asprintf("%s %s", key, sub);

				json_object_set(o, name, json_object_size(one) || !json_is_object(one) ? one : json_true());
			}
		} else {
			json_object_set(o, key, value);
		}
	}
	return o;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *config_of(const struct wh_diff_side *a, const struct wh_diff_side *b)
{
	WH_AUTO_JSON json_t *x = flat(json_object_get(a->image.config, "config"));
	WH_AUTO_JSON json_t *y = flat(json_object_get(b->image.config, "config"));
	WH_AUTO_FREE const char **keys = wh_calloc(json_object_size(x) + json_object_size(y) + 1, sizeof(*keys));
	json_t *list = json_array(), *value;
	const char *key;
	size_t n = 0;

	json_object_foreach (x, key, value)
		keys[n++] = key;
	json_object_foreach (y, key, value)
		if (!json_object_get(x, key))
			keys[n++] = key;
	qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0; i < n; i++) {
		json_t *p = json_object_get(x, keys[i]), *q = json_object_get(y, keys[i]);

		if (!json_equal(p, q))
			json_array_append_new(list, json_pack("{s:s, s:O*, s:O*}", "key", keys[i], "a", p, "b", q));
	}
	return list;
}

/* ---------------------------------------------------------------- packages */

static const char *const kinds[] = {[WH_PKG_DEB] = "deb", [WH_PKG_PYPI] = "pypi", [WH_PKG_NPM] = "npm"};

static int by_name(const struct wh_package *a, const struct wh_package *b)
{
	int r = a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);

	return r ? r : strcmp(a->arch ? a->arch : "", b->arch ? b->arch : "");
}

static json_t *package_json(const struct wh_package *p)
{
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(kinds[p->kind]));
	json_object_set_new(o, "name", text_of(p->name));
	json_object_set_new(o, "version", text_of(p->version));
	return o;
}

/* Both are sorted; of one name there may be several versions (npm's). */
static json_t *packages_of(const struct wh_diff_side *a, const struct wh_diff_side *b)
{
	json_t *added = json_array(), *removed = json_array(), *changed = json_array();
	size_t i = 0, k = 0;

	while (i < a->packages.n || k < b->packages.n) {
		const struct wh_package *p = i < a->packages.n ? &a->packages.v[i] : NULL, *q = k < b->packages.n ? &b->packages.v[k] : NULL;
		int r = !p ? 1 : !q ? -1 : by_name(p, q);

		if (r < 0) {
			json_array_append_new(removed, package_json(p));
		} else if (r > 0) {
			json_array_append_new(added, package_json(q));
		} else if (!wh_streq(p->version, q->version)) {
			int order = wh_deb_version_cmp(p->version, q->version);
			json_t *o = package_json(q);

			json_object_set_new(o, "from", text_of(p->version));
			json_object_set_new(o, "direction", json_string(order <= 0 ? "upgraded" : "downgraded"));
			json_array_append_new(changed, o);
		}
		i += r <= 0;
		k += r >= 0;
	}
	return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

/* ---------------------------------------------------------------- files */

struct file {
	char *path;
	enum wh_type type;
	uint32_t mode, uid, gid, major, minor;
	struct wh_digest digest, xattrs;
	char *link;
};
struct files {
	struct file *v;
	size_t n, cap;
};

static void files_release(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].path);
		free(f->v[i].link);
	}
	free(f->v);
}

static int on_file(void *arg, const struct wh_node_ref *n)
{
	struct files *f = arg;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct file x = {.path = wh_strdup(n->e.path),
			 .type = n->e.type,
			 .mode = n->e.mode,
			 .uid = n->e.uid,
			 .gid = n->e.gid,
			 .major = n->e.major,
			 .minor = n->e.minor,
			 .digest = n->e.digest,
			 .link = n->e.type == WH_T_SYMLINK && n->e.link ? wh_strdup(n->e.link) : NULL};

	for (size_t i = 0; i < n->e.n_xattrs; i++) {
		wh_buf_lstr(&b, n->e.xattrs[i].name);
		wh_buf_u64(&b, n->e.xattrs[i].len);
		wh_buf_add(&b, n->e.xattrs[i].value, n->e.xattrs[i].len);
	}
	wh_digest_of(b.n ? b.p : "", b.n, &x.xattrs);
	WH_PUSH(f->v, f->n, f->cap) = x;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static json_t *file_json(const struct wh_diff_side *s, const struct file *f)
{
	/* What dpkg writes down follows from which packages there are. */
	const char *owner = wh_has_prefix(f->path, "var/lib/dpkg/") ? "the package database" : wh_owners_of(s->owners, f->path);
	WH_AUTO_FREE char *path = wh_asprintf("/%s%s", f->path, f->type == WH_T_DIR ? "/" : "");
	json_t *o = json_object();

	json_object_set_new(o, "path", text_of(path));
	if (owner)
		json_object_set_new(o, "package", text_of(owner));
	if (f->mode & 06000 && f->type == WH_T_FILE)
		json_object_set_new(o, "setid", json_true());
	return o;
}

static json_t *what_changed(const struct file *p, const struct file *q)
{
	json_t *what = json_array();

	if (p->type != q->type) {
		json_array_append_new(what, json_string("type"));
		return what;
	}
	if (p->type == WH_T_FILE && !wh_digest_eq(&p->digest, &q->digest))
		json_array_append_new(what, json_string("content"));
	if (p->type == WH_T_SYMLINK && !wh_streq(p->link, q->link))
		json_array_append_new(what, json_string("link"));
	if (p->type != WH_T_SYMLINK && p->mode != q->mode)
		json_array_append_new(what, json_string("mode"));
	if (p->uid != q->uid || p->gid != q->gid)
		json_array_append_new(what, json_string("owner"));
	if (p->major != q->major || p->minor != q->minor)
		json_array_append_new(what, json_string("device"));
	if (!wh_digest_eq(&p->xattrs, &q->xattrs))
		json_array_append_new(what, json_string("attributes"));
	return what;
}

static int files_of(const struct wh_diff_side *a, const struct wh_diff_side *b, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(files_release) struct files x = {0};
	WH_CLEANUP(files_release) struct files y = {0};
	json_t *added, *removed, *changed;
	size_t i = 0, k = 0;
	int r = wh_tree_walk(a->tree, "", on_file, &x);

	if (r == 0)
		r = wh_tree_walk(b->tree, "", on_file, &y);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_BUILD, -r, "read the files of an image");
	if (x.n)
		qsort(x.v, x.n, sizeof(*x.v), by_path);
	if (y.n)
		qsort(y.v, y.n, sizeof(*y.v), by_path);
	added = json_array();
	removed = json_array();
	changed = json_array();
	while (i < x.n || k < y.n) {
		int order = i == x.n ? 1 : k == y.n ? -1 : by_path(&x.v[i], &y.v[k]);
		json_t *what = order ? NULL : what_changed(&x.v[i], &y.v[k]);

		if (order < 0)
			json_array_append_new(removed, file_json(a, &x.v[i]));
		else if (order > 0)
			json_array_append_new(added, file_json(b, &y.v[k]));
		else if (json_array_size(what)) {
			json_t *o = file_json(b, &y.v[k]);

			json_object_set(o, "what", what);
			json_array_append_new(changed, o);
		}
		json_decref(what);
		i += order <= 0;
		k += order >= 0;
	}
	*ret = json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
	return 0;
}

/* ---------------------------------------------------------------- findings */

static int by_finding(const struct wh_finding *a, const struct wh_finding *b)
{
	int r = strcmp(a->id, b->id);

	return r ? r : strcmp(a->package, b->package);
}

static json_t *finding_json(const struct wh_finding *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", text_of(f->id));
	json_object_set_new(o, "severity", json_string(wh_severity_name(f->severity)));
	json_object_set_new(o, "package", text_of(f->package));
	json_object_set_new(o, "version", text_of(f->version));
	if (f->fixed)
		json_object_set_new(o, "fixed", text_of(f->fixed));
	return o;
}

static json_t *findings_of(const struct wh_diff_side *a, const struct wh_diff_side *b)
{
	const struct wh_findings *x = &a->findings, *y = &b->findings;
	json_t *fresh, *gone;
	size_t i = 0, k = 0, still = 0;

	if (!x->assessed || !y->assessed) {
		const char *why = !x->assessed ? x->why : y->why;

		return json_pack("{s:b, s:o}", "assessed", 0, "why", text_of(why ? why : "nobody looked"));
	}
	fresh = json_array();
	gone = json_array();
	while (i < x->n || k < y->n) {
		int order = i == x->n ? 1 : k == y->n ? -1 : by_finding(&x->v[i], &y->v[k]);

		if (order < 0)
			json_array_append_new(gone, finding_json(&x->v[i]));
		else if (order > 0)
			json_array_append_new(fresh, finding_json(&y->v[k]));
		else
			still++;
		i += order <= 0;
		k += order >= 0;
	}
	return json_pack("{s:b, s:o, s:o, s:I}", "assessed", 1, "new", fresh, "gone", gone, "still", (json_int_t)still);
}

/* ---------------------------------------------------------------- behaviour */

static json_t *needs_list(const struct wh_needs *have, const struct wh_needs *other)
{
	size_t n;
	WH_AUTO_FREE const struct wh_need **v = wh_needs_without(have, other, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "kind", json_string(wh_need_names[v[i]->kind]));
		json_object_set_new(o, "need", text_of(v[i]->text));
		if (v[i]->example)
			json_object_set_new(o, "example", text_of(v[i]->example));
		if (v[i]->chain)
			json_object_set_new(o, "chain", text_of(v[i]->chain));
		if (v[i]->when)
			json_object_set_new(o, "when", text_of(v[i]->when));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *tests_of(const json_t *report)
{
	json_t *names = json_object();
	const json_t *profile, *mark;
	size_t i, k;

	json_array_foreach (json_object_get(report, "profiles"), i, profile)
		json_array_foreach (json_object_get(json_object_get(profile, "document"), "marks"), k, mark)
			if (wh_json_str(mark, "test"))
				json_object_set_new(names, wh_json_str(mark, "test"), json_true());
	return names;
}

static json_t *names_without(const json_t *a, const json_t *b)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)a, key, value)
		if (!json_object_get(b, key))
			wh_strv_add(&names, key);
	wh_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(list, text_of(names.v[i]));
	return list;
}

static json_t *behaviour_of(const struct wh_diff_side *a, const struct wh_diff_side *b)
{
	WH_AUTO_JSON json_t *x = tests_of(a->report);
	WH_AUTO_JSON json_t *y = tests_of(b->report);

	if (!a->report || !b->report)
		return json_pack("{s:b, s:s}", "known", 0, "why",
				 !a->report && !b->report ? "neither image has a profile"
				 : !a->report		  ? "the first image has no profile"
							  : "the second image has no profile");
	return json_pack("{s:b, s:o, s:o, s:{s:o, s:o}}", "known", 1, "added", needs_list(&b->needs, &a->needs), "gone",
			 needs_list(&a->needs, &b->needs), "tests", "added", names_without(y, x), "gone", names_without(x, y));
}

/* ---------------------------------------------------------------- figures */

static void add_figure(json_t *list, const char *name, uint64_t a, uint64_t b)
{
	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", name, "a", (json_int_t)a, "b", (json_int_t)b));
}

static json_t *figures_of(const struct wh_diff_side *a, const struct wh_diff_side *b)
{
	const struct wh_measure *x = &a->measure, *y = &b->measure;
	json_t *list = json_array();

	add_figure(list, "bytes", x->bytes, y->bytes);
	add_figure(list, "files", x->files, y->files);
	add_figure(list, "executables", x->executables, y->executables);
	add_figure(list, "packages", a->packages.n, b->packages.n);
	add_figure(list, "shells", x->shells, y->shells);
	add_figure(list, "set-id files", x->setid, y->setid);
	if (a->findings.assessed && b->findings.assessed)
		add_figure(list, "findings", a->findings.total, b->findings.total);
	return list;
}

/* ---------------------------------------------------------------- all of it */

static json_t *side_json(const struct wh_diff_side *s)
{
	char text[WH_DIGEST_TEXT];

	return json_pack("{s:o, s:s}", "name", text_of(s->name), "digest", wh_digest_text(&s->image.manifest, text));
}

static bool anything(const json_t *section)
{
	const char *key;
	json_t *value;

	if (json_is_array(section))
		return json_array_size(section) > 0;
	json_object_foreach ((json_t *)(uintptr_t)section, key, value)
		if ((json_is_array(value) || json_is_object(value)) && anything(value))
			return true;
	return false;
}

int wh_diff_make(struct wh_diff_side *a, struct wh_diff_side *b, json_t **ret, struct wh_err **err)
{
	static const char *const sections[] = {"config", "packages", "files", "findings", "behaviour"};
	WH_AUTO_JSON json_t *doc = json_object();
	json_t *files = NULL;
	bool same = true;
	int r = files_of(a, b, &files, err);

	if (r < 0)
		return r;
	json_object_set_new(doc, "$schema", json_string(SCHEMA));
	json_object_set_new(doc, "a", side_json(a));
	json_object_set_new(doc, "b", side_json(b));
	json_object_set_new(doc, "config", config_of(a, b));
	json_object_set_new(doc, "packages", packages_of(a, b));
	json_object_set_new(doc, "files", files);
	json_object_set_new(doc, "findings", findings_of(a, b));
	json_object_set_new(doc, "behaviour", behaviour_of(a, b));
	json_object_set_new(doc, "figures", figures_of(a, b));
	for (size_t i = 0; i < WH_ARRAY_SIZE(sections); i++)
		same &= !anything(json_object_get(doc, sections[i]));
	json_object_set_new(doc, "same", json_boolean(same));
	*ret = WH_TAKE_PTR(doc);
	return 0;
}
