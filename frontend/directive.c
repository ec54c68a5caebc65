/* SPDX-License-Identifier: Apache-2.0 */
/* Parser directives: "# escape=`" and its like, valid only before anything else. */
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

static const char *const keys[] = {"syntax", "escape", "check"};

static bool is_key_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

/* "key = value": letters and digits, '=', at least one character. */
static bool split_pair(struct wh_str line, struct wh_str *key, struct wh_str *value)
{
	size_t i = 0;

	while (i < line.n && is_key_char(line.p[i], i == 0))
		i++;
	if (!i)
		return false;
	*key = (struct wh_str){line.p, i};
	while (i < line.n && wh_is_blank(line.p[i]))
		i++;
	if (i == line.n || line.p[i] != '=')
		return false;
	*value = wh_str_trim((struct wh_str){line.p + i + 1, line.n - i - 1});
	return value->n > 0;
}

int wh_directive_line(struct wh_directives *st, const char *prefix, struct wh_str line, const char **ret_key,
		      struct wh_str *ret_value, struct wh_err **err)
{
	size_t skip = strlen(prefix), i;
	struct wh_str key;

	if (st->done)
		return 0;
	if (line.n < skip || memcmp(line.p, prefix, skip) != 0)
		goto none;
	line = wh_line_indent((struct wh_str){line.p + skip, line.n - skip});
	if (!split_pair(line, &key, ret_value))
		goto none;
	for (i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		if (!wh_str_ieq(key, keys[i]))
			continue;
		if (st->seen & (1U << i))
		{
			wh_usage_word(err, keys[i], "only one %s parser directive can be used", keys[i]);
			wh_err_hint(err, "it stands above already; take one of the two away");
			return -EINVAL;
		}
		st->seen |= 1U << i;
		*ret_key = keys[i];
		return 1;
	}
none:
	st->done = true;
	return 0;
}

static char *detect_lines(const char *key, const char *prefix, struct wh_lines in, unsigned *ret_line)
{
	struct wh_directives st = {0};
	struct wh_str line, value;
	const char *found;

	while (!st.done && wh_lines_next(&in, &line)) {
		if (wh_directive_line(&st, prefix, wh_line_chomp(line), &found, &value, NULL) != 1)
			return NULL;
		if (wh_streq(found, key)) {
			*ret_line = in.number;
			return wh_strndup(value.p, value.n);
		}
	}
	return NULL;
}

char *wh_directive_detect(const char *key, const char *text, size_t len, bool any_form, unsigned *ret_line)
{
	struct wh_lines in = {text, len, 0, 0};
	struct wh_str line;
	WH_AUTO_JSON json_t *doc = NULL;
	char *value;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		in.pos = 3;
	if (len - in.pos >= 2 && memcmp(text + in.pos, "#!", 2) == 0)
		(void)wh_lines_next(&in, &line);
	value = detect_lines(key, "#", in, ret_line);
	if (value || !any_form)
		return value;
	value = detect_lines(key, "//", in, ret_line);
	if (value)
		return value;
	line = wh_line_indent((struct wh_str){text + in.pos, len - in.pos});
	if (!line.n || line.p[0] != '{')
		return NULL;
	doc = json_loadb(line.p, line.n, 0, NULL);
	*ret_line = in.number + 1;
	return wh_strdup(json_string_value(json_object_get(doc, key)));
}
