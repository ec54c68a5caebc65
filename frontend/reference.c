/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images as a Dockerfile has them, and addresses that are none. */
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <errno.h>

int wh_reference_check(const char *ref, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	bool capital = false;

	if (wh_reference_normalize(ref, &full, NULL) == 0)
		return 0;
	for (const char *p = ref; *p && *p != ':' && *p != '@'; p++)
		capital |= *p >= 'A' && *p <= 'Z';
	wh_usage_word(err, ref, "failed to parse stage name \"%.200s\": invalid reference format%s", ref,
		      capital ? ": repository name must be lowercase" : "");
	wh_err_expect(err, "a stage, or an image as [HOST/]NAME[:TAG][@DIGEST]");
	if (wh_is_url(ref) || wh_has_prefix(ref, "docker://"))
		wh_err_hint(err, "without the scheme: %.200s", strstr(ref, "//") + 2);
	else if (capital && strlen(ref) < 200) {
		WH_AUTO_FREE char *lower = wh_strdup(ref);

		for (char *p = lower; *p && *p != ':' && *p != '@'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p + 32);
		wh_err_hint(err, "did you mean %s?", lower);
	}
	return -EINVAL;
}

bool wh_is_url(const char *s)
{
	return wh_has_prefix(s, "http://") || wh_has_prefix(s, "https://");
}
