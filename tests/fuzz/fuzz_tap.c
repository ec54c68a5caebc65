/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's output, line by line: names that go into documents and messages are short and have no control characters. */
#include "builder/tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s)
{
	if (s && strlen(s) > WH_TAP_NAME_MAX)
		abort();
	for (; s && *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size), *failure = NULL;
	struct wh_tap t = {0};

	for (const char *p = text; *p;) {
		WH_AUTO_FREE char *name = NULL;
		size_t n = strcspn(p, "\n");
		enum wh_tap_kind kind = wh_tap_line(&t, p, n, &name);

		if ((kind == WH_TAP_RESULT || kind == WH_TAP_SKIPPED) != (name != NULL))
			abort();
		check(name);
		p += n + (p[n] != '\0');
	}
	if (t.n_failed > t.results || t.skipped > t.results)
		abort();
	failure = wh_tap_failure(&t);
	wh_tap_release(&t);
	return 0;
}
