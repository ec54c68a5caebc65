/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expansion: one word, words, raw. With nothing set and unset names kept, raw text comes back as it was (but for backslashes in
 * double quotes that escape nothing: there are two of them then).
 */
#include "frontend/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get(void *arg, const char *name)
{
	(void)arg;
	switch (name[0]) {
	case 'a':
		return "one two";
	case 'b':
		return "";
	case 'c':
		return "/x/\xc3\xa9.tar.gz/*?\\";
	default:
		return NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size);
	WH_AUTO_FREE char *word = NULL, *raw = NULL;
	WH_AUTO_STRV struct wh_strv words = {0};
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_expand_opts keep = {.escape = '\\', .raw_quotes = true, .raw_escapes = true, .keep_unset = true};
	size_t i;
	int r;

	r = wh_expand_word(text, '\\', get, NULL, &word, &err);
	if (r < 0 ? !err || strchr(err->msg, '\n') != NULL : !word)
		abort();
	if ((wh_expand_words(text, '\\', get, NULL, &words, NULL) < 0) != (r < 0))
		abort();
	for (i = 0; i < words.n; i++)
		if (!words.v[i][0])
			abort();
	(void)wh_expand_raw(text, '`', get, NULL, &raw, NULL);
	if (wh_expand(text, &keep, &all, NULL, NULL) == 0 && !strchr(text, '$') &&
	    !(strchr(text, '"') && strchr(text, '\\')) && !wh_streq(all.p ? all.p : "", text))
		abort();
	return 0;
}
