/* SPDX-License-Identifier: Apache-2.0 */
/* PHP: extensions that a configuration in use enables, and libraries (composer's, Debian's) whole, with what they
 * require. */
#include "harden/lang.h"

#include <errno.h>

#define MAX_JSON ((size_t)1 << 20)

/* "extension=mbstring" or "zend_extension=/usr/lib/php/20220829/opcache.so" */
static int keep_extension(struct wh_decide *d, const struct wh_rule_row *row, struct wh_str value, const char *via,
			  struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL, *globs = NULL;

	value = wh_str_trim(value);
	if (value.n > 1 && (value.p[0] == '"' || value.p[0] == '\''))
		value = (struct wh_str){value.p + 1, value.n - 2};
	if (!value.n || value.n > WH_CODE_NAME_MAX || memchr(value.p, ' ', value.n) || memchr(value.p, '*', value.n))
		return 0;
	name = wh_strndup(value.p, value.n);
	if (name[0] == '/')
		return wh_rule_keep(d, row, name, via, err);
	if (strchr(name, '/') || strpbrk(name, "!?\\"))
		return 0;
	if (wh_has_suffix(name, ".so"))
		name[strlen(name) - 3] = '\0';
	globs = wh_asprintf(
		"usr/lib/php/*/%s.so usr/lib/php*/modules/%s.so usr/local/lib/php/extensions/*/%s.so usr/local/lib/php/extensions/*/php_%s.so",
		name, name, name, name);
	return wh_rule_keep_globs(d, row, globs, via, err);
}

int wh_rule_php_extensions(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			   struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	const char *p, *end;
	int r = 0;

	(void)via;
	if (!wh_code_open(d, path, &b))
		return 0;
	for (p = (const char *)b.p, end = p + b.n; r == 0 && p < end;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *is;
		struct wh_str line, key;

		if (!eol)
			eol = end;
		line = wh_str_trim((struct wh_str){p, (size_t)(eol - p)});
		is = line.n ? memchr(line.p, '=', line.n) : NULL;
		key = wh_str_trim((struct wh_str){line.p, is ? (size_t)(is - line.p) : 0});
		if (is && (wh_str_eq(key, "extension") || wh_str_eq(key, "zend_extension"))) {
			const char *from = is + 1, *comment = memchr(from, ';', (size_t)(line.p + line.n - from));

			r = keep_extension(
				d, row, (struct wh_str){from, (size_t)((comment ? comment : line.p + line.n) - from)},
				path, err);
		}
		p = eol + 1;
	}
	return r;
}

/* ---------------------------------------------------------------- libraries */

static int keep_required(struct wh_decide *d, const struct wh_rule_row *row, const char *vendor, const char *dir,
			 const char *via, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_path_join(dir, "composer.json");
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	const char *name;
	json_t *value;
	int r = 0;

	if (!wh_code_open(d, path, &b) || b.n > MAX_JSON || wh_json_parse((const char *)b.p, b.n, path, &doc, NULL) < 0)
		return 0;
	json_object_foreach (json_object_get(doc, "require"), name, value) {
		WH_AUTO_FREE char *other = strstr(name, "..") || !strchr(name, '/')
						   ? NULL
						   : wh_asprintf("%s/%s/composer.json", vendor, name);

		/* Its composer.json sets this rule off for it. */
		r = other ? wh_rule_keep(d, row, other, via, err) : 0;
		if (r < 0)
			break;
	}
	return r;
}

/* "a/vendor/x/y/src/z.php" → "a/vendor", "a/vendor/x/y" */
static bool split_vendor(struct wh_decide *d, const char *path, char **ret_vendor, char **ret_dir)
{
	for (const char *p = path; (p = strstr(p, "/vendor/")); p += 7) {
		WH_AUTO_FREE char *vendor = wh_strndup(path, (size_t)(p + 7 - path)),
				  *autoload = wh_path_join(vendor, "composer/autoload_real.php");
		const char *rest = p + 8;
		size_t n = strcspn(rest, "/");

		if (!rest[n] || !wh_code_is_file(d, autoload))
			continue;
		n += 1 + strcspn(rest + n + 1, "/");
		if (!rest[n])
			continue;
		*ret_dir = wh_strndup(path, (size_t)(rest - path) + n);
		*ret_vendor = WH_TAKE_PTR(vendor);
		return true;
	}
	return false;
}

int wh_rule_php_package(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			struct wh_err **err)
{
	WH_AUTO_FREE char *vendor = NULL, *dir = NULL, *autoload = NULL, *composer = NULL;
	int r = 0;

	if (!wh_code_runs(d, "php") || !wh_code_is_plain(d, path))
		return 0;
	if (!split_vendor(d, path, &vendor, &dir))
		return wh_code_below(path, "usr/share/php")
			       ? wh_code_keep_owned(d, row, path, "usr/share/php/**", via, err)
			       : 0;
	if (wh_streq(wh_path_base(dir), "composer") || !wh_code_first(d, "php-package", dir))
		return 0;
	autoload = wh_path_join(vendor, "autoload.php");
	composer = wh_path_join(vendor, "composer");
	r = wh_rule_keep(d, row, autoload, via, err);
	if (r == 0)
		r = wh_rule_keep_below(d, row, composer, via, err);
	if (r == 0)
		r = wh_rule_keep_below(d, row, dir, via, err);
	return r < 0 ? r : keep_required(d, row, vendor, dir, via, err);
}
