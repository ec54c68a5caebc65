/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and classes of an image: what they ask for is names of bounded length, whatever they are. The first byte chooses the language. */
#include "harden/lang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *name)
{
	if (strlen(name) > WH_CODE_NAME_MAX)
		abort();
}

static int on_import(void *arg, const struct wh_py_import *i, struct wh_err **err)
{
	size_t *sum = arg;

	(void)err;
	check(i->module);
	check(i->name);
	if (i->level > 64)
		abort();
	*sum += strlen(i->module) + strlen(i->name);
	return 0;
}

static int on_word(void *arg, const struct wh_word *w, struct wh_err **err)
{
	size_t *sum = arg;

	(void)err;
	check(w->name);
	if (!*w->name)
		abort();
	for (size_t i = 0; i < w->rest.n; i++)
		*sum += (unsigned char)w->rest.p[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const node[] = {"require", "import", "from", "resolve", NULL},
				 *const perl[] = {"use", "require", "no", NULL},
				 *const ruby[] = {"require", "require_relative", "load", "autoload", NULL};
	static const struct wh_words words[] = {
		{.words = node, .comment = "//", .tight = true},
		{.words = perl, .comment = "#", .pod = "=", .stop = "__END__", .bare = true},
		{.words = ruby, .comment = "#", .pod = "=begin", .stop = "__END__", .bare = true}};
	/* its own block, so that a sanitizer knows the end */
	WH_AUTO_FREE uint8_t *copy = wh_memdup(size > 1 ? data + 1 : data, size > 1 ? size - 1 : 1);
	size_t n = size > 1 ? size - 1 : 0, sum = 0;
	struct wh_str name;

	if (!n)
		return 0;
	switch (data[0] % 5) {
	case 0:
		wh_py_imports((const char *)copy, n, data[0] & 0x80, on_import, &sum, NULL);
		break;
	case 1:
	case 2:
	case 3:
		wh_words_find((const char *)copy, n, &words[data[0] % 5 - 1], on_word, &sum, NULL);
		break;
	default:
		name = wh_java_class_name(copy, n);
		for (size_t i = 0; i < name.n; i++)
			sum += (unsigned char)name.p[i];
	}
	return sum == SIZE_MAX; /* so that nothing is optimised away */
}
