/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a step wrote, as the rules of --reproducible read them. */
#include "layers/normalise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int64_t clamp(void *arg, int64_t t)
{
	(void)arg;
	check(t >= 0);
	return t > 1000000000 ? 1000000000 : t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE unsigned char *copy = wh_memdup(size ? data : (const uint8_t *)"", size ? size : 1);
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size);
	WH_AUTO_FREE char *in_cache = wh_pyc_source(text, true), *beside = wh_pyc_source(text, false);
	struct wh_pyc pyc;

	/* Once is enough, and what is left alone is left as it was. */
	if (wh_jks_times(copy, size, clamp, NULL))
		check(!wh_jks_times(copy, size, clamp, NULL));
	else
		check(memcmp(copy, data, size) == 0 || size == 0);
	if (wh_pyc_read(data, size, &pyc)) {
		const struct wh_pyc_source same = {pyc.mtime, 17, pyc.size},
					   other = {(int64_t)pyc.mtime + 1, 17, pyc.size};

		check(wh_pyc_time(&pyc, &same, 17) == 17);
		check(wh_pyc_time(&pyc, &other, 17) != 17);
	}
	check(!in_cache || !strchr(in_cache, '/') || strchr(text, '/'));
	check(!beside || strlen(beside) + 1 == strlen(text));
	(void)wh_normal_action(text);
	return 0;
}
