/* SPDX-License-Identifier: Apache-2.0 */
/* dpkg's records: var/lib/dpkg/status, and status.d/NAME of images without dpkg. */
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_STATUS ((size_t)64 << 20)
#define MAX_ENTRY ((size_t)4 << 20) /* of status.d */
#define MAX_RECORDS 200000

/* Names become parts of file names and of output: nothing but what dpkg's own may have (deb-control(5)), and upper
 * case and "_" as it tolerates them. */
static bool good_name(struct wh_str s)
{
	if (!s.n || s.n > 255)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !strchr("+-._", c)))
			return false;
	}
	return true;
}

static bool good_version(struct wh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '/')
			return false;
	return s.n > 0 && s.n <= 255;
}

/* "want flag status". Between unpacked and installed there are many states, and in each of them the files are there:
 * only what dpkg calls gone is. Records in status.d often say nothing; that there is one is enough, here and there. */
static bool is_present(struct wh_str status)
{
	size_t n = 0;
	struct wh_str last;

	while (n < status.n && !strchr(" \t\r\n", status.p[status.n - n - 1]))
		n++;
	last = (struct wh_str){n ? status.p + status.n - n : "", n};
	return !wh_str_eq(last, "not-installed") && !wh_str_eq(last, "config-files");
}

/* Whatever was begun and not finished may not have a version yet (dpkg wants one in all other states). */
static bool may_lack_version(struct wh_str status)
{
	return !status.n || memmem(status.p, status.n, "half-installed", strlen("half-installed"));
}

static int add_record(struct wh_dpkg *d, const struct wh_stanza *s, const char *file, bool own_file, size_t line,
		      struct wh_err **err)
{
	struct wh_str name = wh_stanza_get(s, "Package"), version = wh_stanza_get(s, "Version");
	struct wh_str arch = wh_stanza_get(s, "Architecture");
	struct wh_str status = wh_stanza_get(s, "Status");
	bool installed = is_present(status) && (version.n || own_file || !may_lack_version(status));
	const char *bad = NULL;

	if (!good_name(name))
		bad = "package name";
	else if (installed ? !good_version(version) : version.n && !good_version(version))
		bad = "version";
	else if (arch.n && !good_name(arch))
		bad = "architecture";
	if (bad)
		return wh_err_set(err, "harden", WH_ERR_BUILD, EINVAL,
				  "/%s: the record that ends in line %zu has no valid %s", file, line, bad);
	if (d->n == MAX_RECORDS)
		return wh_err_set(err, "harden", WH_ERR_BUILD, EFBIG, "/%s: more than %d packages", file, MAX_RECORDS);
	WH_PUSH(d->v, d->n, d->cap) = (struct wh_dpkg_record){
		.file = wh_strdup(file),
		.own_file = own_file,
		.installed = installed,
		.raw = s->raw,
		.name = wh_strndup(name.p, name.n),
		.version = wh_strndup(version.n ? version.p : "", version.n),
		.arch = wh_strndup(arch.n ? arch.p : "", arch.n),
		.source = wh_stanza_get(s, "Source"),
		.maintainer = wh_stanza_get(s, "Maintainer"),
		.homepage = wh_stanza_get(s, "Homepage"),
		.depends = wh_stanza_get(s, "Depends"),
		.pre_depends = wh_stanza_get(s, "Pre-Depends"),
		.provides = wh_stanza_get(s, "Provides"),
		.conffiles = wh_stanza_get(s, "Conffiles"),
	};
	return 0;
}

int wh_dpkg_parse(struct wh_dpkg *d, char *text, size_t n, const char *file, bool own_file, struct wh_err **err)
{
	WH_CLEANUP(wh_stanza_release) struct wh_stanza s = {0};
	struct wh_deb822 reader = {.text = {text, n}, .what = file, .line = 1};
	int r;

	WH_PUSH(d->text, d->n_text, d->cap_text) = text;
	while ((r = wh_deb822_next(&reader, &s, err)) > 0) {
		r = add_record(d, &s, file, own_file, reader.line - 1, err);
		if (r < 0)
			break;
	}
	return r;
}

static int read_one(struct wh_tree *t, struct wh_dpkg *d, const char *path, bool own_file, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE char *canonical = NULL;
	size_t n;
	int r = wh_pkg_read_file(t, path, own_file ? MAX_ENTRY : MAX_STATUS, false, &buf, err);

	if (r < 0)
		return r;
	r = wh_tree_resolve(t, path, true, false, &canonical, NULL);
	if (r < 0)
		return r;
	n = buf.n;
	return wh_dpkg_parse(d, wh_buf_take(&buf), n, canonical, own_file, err);
}

static int read_status_d(struct wh_tree *t, struct wh_dpkg *d, struct wh_err **err)
{
	WH_AUTO_FREE char *asked = wh_asprintf("%s/status.d", d->dir), *dir = NULL;
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_node_ref n;
	int r = wh_tree_resolve(t, asked, true, false, &dir, &n);

	if (r < 0 || n.e.type != WH_T_DIR)
		return 0;
	r = wh_tree_list(t, dir, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, names.v[i]);

		if (wh_has_suffix(names.v[i], ".md5sums"))
			continue;
		if (wh_tree_resolve(t, path, true, false, NULL, &n) < 0 || n.e.type != WH_T_FILE)
			continue;
		r = read_one(t, d, path, true, err);
	}
	return r;
}

int wh_dpkg_read(struct wh_tree *t, struct wh_dpkg *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *status = NULL;
	struct wh_dpkg d = {0};
	struct wh_node_ref n;
	int r = wh_tree_resolve(t, "var/lib/dpkg", true, false, &d.dir, &n);

	if (r < 0 || n.e.type != WH_T_DIR) {
		free(d.dir);
		*ret = (struct wh_dpkg){0};
		return 0;
	}
	status = wh_asprintf("%s/status", d.dir);
	r = read_one(t, &d, status, false, err);
	if (r == 0 || r == -ENOENT)
		r = read_status_d(t, &d, err);
	if (r < 0) {
		wh_err_wrap(err, "package database");
		wh_dpkg_release(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void wh_dpkg_release(struct wh_dpkg *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].file);
		free(d->v[i].name);
		free(d->v[i].version);
		free(d->v[i].arch);
	}
	for (size_t i = 0; i < d->n_text; i++)
		free(d->text[i]);
	free(d->v);
	free(d->text);
	free(d->dir);
	*d = (struct wh_dpkg){0};
}
