/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images as a Dockerfile has them, and addresses that are none. */
#include "frontend/names.h"
#include "frontend/syntax.h"

int wh_reference_check(const char *ref, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	bool capital = false;

	if (wh_reference_normalize(ref, &full, NULL) == 0)
		return 0;
	for (const char *p = ref; *p && *p != ':' && *p != '@'; p++)
		capital |= *p >= 'A' && *p <= 'Z';
	return wh_usage(err, "failed to parse stage name \"%.200s\": invalid reference format%s", ref,
			capital ? ": repository name must be lowercase" : "");
}

bool wh_is_url(const char *s)
{
	return wh_has_prefix(s, "http://") || wh_has_prefix(s, "https://");
}
