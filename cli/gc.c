/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gc.h"
#include "cli/registry_service.h"

#include <errno.h>

#define NOTES_MAX 10

bool wh_age_parse(const char *text, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	int64_t sum = 0;

	if (!*text)
		return false;
	while (*text) {
		size_t digits = strspn(text, "0123456789");
		WH_AUTO_FREE char *number = wh_strndup(text, digits);
		int64_t unit = 0;
		uint64_t n;

		if (!digits || !wh_parse_u64(number, 10, &n) || n > INT64_MAX / 604800 / 2)
			return false;
		text += digits;
		for (size_t i = 0; *text && i < WH_ARRAY_SIZE(units); i++)
			if (units[i].unit == *text)
				unit = units[i].seconds;
		if (!*text)
			unit = sum ? 0 : 1; /* "1h30" is no duration */
		else
			text++;
		if (!unit || __builtin_add_overflow(sum, (int64_t)n * unit, &sum))
			return false;
	}
	*ret = sum;
	return true;
}

char *wh_cli_size(int64_t bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
	double n = (double)bytes / 1000;
	size_t i = 0;

	if (bytes < 1000 && bytes > -1000)
		return wh_asprintf("%lld B", (long long)bytes);
	for (; (n >= 999.95 || n <= -999.95) && i + 1 < WH_ARRAY_SIZE(units); i++)
		n /= 1000;
	return wh_asprintf("%.1f %s", n, units[i]);
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf raw = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&raw, fmt, ap);
	va_end(ap);
	wh_buf_adds(&out, "note: ");
	wh_text_add_safe(&out, raw.p, raw.n);
	wh_buf_addc(&out, '\n');
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

void wh_cli_gc_notes(const struct wh_gc *g)
{
	const struct wh_strv *unknown = wh_gc_unknown(g), *unseen = wh_gc_unseen(g);

	for (size_t i = 0; i < unknown->n && i < NOTES_MAX; i++)
		note("%s is nothing of whittle's and stays as it is", unknown->v[i]);
	if (unknown->n > NOTES_MAX)
		note("%zu more are nothing of whittle's", unknown->n - NOTES_MAX);
	for (size_t i = 0; i < unseen->n && i < NOTES_MAX; i++)
		note("%s could not be looked at as a whole: its size is more than told", unseen->v[i]);
}

json_t *wh_cli_gc_unknown(const struct wh_gc *g)
{
	const struct wh_strv *unknown = wh_gc_unknown(g);
	json_t *list = json_array();

	for (size_t i = 0; i < unknown->n; i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		wh_text_add_safe(&b, unknown->v[i], strlen(unknown->v[i]));
		json_array_append_new(list, json_string(b.p));
	}
	return list;
}

json_t *wh_cli_gc_kinds(const struct wh_gc_sum *sum, const struct wh_gc_sum *reclaimable)
{
	json_t *list = json_array();

	for (size_t k = 0; k < WH_GC_KINDS; k++) {
		const struct wh_gc_count *c = &sum->kinds[k];
		json_t *o;

		if (!c->items && !c->bytes)
			continue;
		o = json_pack("{s:s, s:I, s:I}", "kind", wh_gc_kind_name((enum wh_gc_kind)k), "items",
			      (json_int_t)c->items, "bytes", (json_int_t)c->bytes);
		if (reclaimable)
			json_object_set_new(o, "reclaimable", json_integer((json_int_t)reclaimable->kinds[k].bytes));
		json_array_append_new(list, o);
	}
	return list;
}

/* An ordinary user sees files of subordinate ids within the namespace alone. */
static int enter(struct wh_inner *inner, bool change, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = geteuid() == 0 ? 0 : wh_inner_enter(inner, &why);

	if (r < 0 && change)
		wh_err_move(err, &why);
	if (r < 0 && !change)
		note("%s: what belongs to subordinate ids is not seen", why ? why->msg : "no user namespace");
	return r < 0 && change ? r : 0;
}

static int look(const char *path, bool change, bool names, struct wh_inner *inner, struct wh_gc **ret,
		struct wh_err **err)
{
	struct wh_gc *g = NULL;
	int r = wh_gc_open(path, change, &g, err);

	if (r < 0)
		return r;
	r = enter(inner, change, err);
	if (r == 0)
		r = wh_gc_begin(g, err);
	if (r == 0)
		r = wh_cache_tell_gc(g, names, err);
	if (r == 0)
		r = wh_gc_scan(g, err);
	if (r < 0) {
		wh_gc_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

int wh_cli_gc_look(const char *root, bool change, bool names, struct wh_inner *inner, struct wh_gc **ret,
		   struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_cli_store_path(root);

	if (!path) {
		wh_err_set(err, "cli", WH_ERR_ENV, ENOENT, "no place for the store: HOME is not set");
		wh_err_hint(err, "--root names one");
		return -ENOENT;
	}
	*ret = NULL;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0; /* none is made for a look at it */
	return look(path, change, names, inner, ret, err);
}
