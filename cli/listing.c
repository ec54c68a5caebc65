/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listing.h"
#include "cli/registry_service.h"

#include <errno.h>
#include <time.h>

const char *const wh_cli_formats[] = {"table", "json", NULL};

/* ---------------------------------------------------------------- tables */

void wh_cli_table_cell(struct wh_cli_table *t, const char *text)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_text_add_safe(&b, text ? text : "-", strlen(text ? text : "-"));
	wh_strv_add(&t->cells, b.p ? b.p : "");
}

void wh_cli_table_print(const struct wh_cli_table *t, struct wh_buf *out)
{
	WH_AUTO_FREE size_t *width = wh_calloc(t->columns, sizeof(*width));

	for (size_t i = 0; i < t->cells.n; i++) {
		size_t w = wh_text_columns(t->cells.v[i], strlen(t->cells.v[i]));

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->cells.n; i++) {
		const char *cell = t->cells.v[i];
		size_t k = i % t->columns;

		wh_buf_adds(out, cell);
		if (k + 1 == t->columns)
			wh_buf_addc(out, '\n');
		else
			wh_buf_addf(out, "%*s", (int)(width[k] - wh_text_columns(cell, strlen(cell)) + 3), "");
	}
}

void wh_cli_table_release(struct wh_cli_table *t)
{
	wh_strv_release(&t->cells);
}

/* ---------------------------------------------------------------- words */

bool wh_cli_time(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	unsigned h = 0, m = 0;
	int n = 0;
	char sign;

	if (!rest)
		return false;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!wh_streq(rest, "Z") && (sscanf(rest, "%c%2u:%2u%n", &sign, &h, &m, &n) != 3 || n != 6 || rest[6] || !strchr("+-", sign)))
		return false;
	*ret = (int64_t)timegm(&tm);
	if (n)
		*ret += (int64_t)(h * 3600 + m * 60) * (sign == '-' ? 1 : -1);
	return true;
}

char *wh_cli_since(const char *rfc3339)
{
	static const struct {
		int64_t below, unit; /* seconds */
		const char *one, *many;
	} steps[] = {
		{60, 1, "1 second", "seconds"},           {3600, 60, "About a minute", "minutes"},
		{172800, 3600, "About an hour", "hours"}, {1209600, 86400, "1 day", "days"},
		{5184000, 604800, "1 week", "weeks"},     {63072000, 2592000, "1 month", "months"},
	};
	int64_t then, s;

	if (!wh_cli_time(rfc3339, &then))
		return wh_strdup("N/A");
	s = (int64_t)time(NULL) - then;
	if (s < 1)
		return wh_strdup("Less than a second ago");
	for (size_t i = 0; i < WH_ARRAY_SIZE(steps); i++)
		if (s < steps[i].below)
			return s / steps[i].unit == 1 ? wh_asprintf("%s ago", steps[i].one)
						      : wh_asprintf("%lld %s ago", (long long)(s / steps[i].unit), steps[i].many);
	return wh_asprintf("%lld years ago", (long long)(s / 31536000));
}

char *wh_cli_id(const struct wh_digest *d, bool whole)
{
	char text[WH_DIGEST_TEXT];

	wh_digest_text(d, text);
	return whole ? wh_strdup(text) : wh_strndup(text + strlen("sha256:"), 12);
}

void wh_cli_name_split(const char *full, char **ret_repository, char **ret_tag)
{
	const char *tag = wh_reference_tag(full);
	WH_AUTO_FREE char *repository = wh_strdup(full);
	char *colon = strrchr(repository, ':');

	if (colon && !strchr(colon, '/'))
		*colon = '\0';
	*ret_tag = wh_strdup(tag);
	*ret_repository = wh_reference_familiar(repository);
}

/* jansson escapes what ASCII calls control characters; terminals obey DEL and those of C1 as well. */
void wh_cli_json(const json_t *o, size_t indent, struct wh_buf *out)
{
	WH_AUTO_FREE char *text = json_dumps(o, indent ? JSON_INDENT(indent) : JSON_COMPACT);

	for (const char *p = text ? text : "null"; *p; p++) {
		if (*p == 0x7f)
			wh_buf_adds(out, "\\u007f");
		else if (*p == '\xc2' && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
			wh_buf_addf(out, "\\u%04x", (unsigned char)*++p);
		else
			wh_buf_addc(out, *p);
	}
	wh_buf_addc(out, '\n');
}

int wh_cli_store_look(const char *root, struct wh_store **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_cli_store_path(root);

	*ret = NULL;
	if (path && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return wh_cli_store_open(root, ret, err);
}
