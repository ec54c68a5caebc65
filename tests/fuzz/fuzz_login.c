/* SPDX-License-Identifier: Apache-2.0 */
/* A file of logins: what comes out is usable in a header, or as the name of a helper. */
#include "layers/registry_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const domains[] = {"docker.io", "r.example", "localhost:5000"};
	WH_AUTO_JSON json_t *o = NULL;

	if (wh_json_parse((const char *)data, size, "input", &o, NULL))
		return 0;
	for (size_t i = 0; i < WH_ARRAY_SIZE(domains); i++) {
		struct wh_login l;

		if (wh_login_find(o, domains[i], "a/b", &l) != (l.user || l.identity || l.helper))
			abort();
		if ((l.user && !l.password) || (l.password && strpbrk(l.password, "\r\n")) ||
		    (l.identity && strpbrk(l.identity, "\r\n")) ||
		    (l.helper && (strchr(l.helper, '/') || !l.helper_key)))
			abort();
		wh_login_release(&l);
	}
	return 0;
}
