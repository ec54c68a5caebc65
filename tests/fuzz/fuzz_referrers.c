/* SPDX-License-Identifier: Apache-2.0 */
/* The list under a fallback tag: merging into it twice is merging once, and no entry of others is lost. */
#include "layers/registry_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char type[] = "application/x-test";
	struct wh_artifact a = {.manifest = {.size = 7}, .artifact_type = type};
	const struct wh_artifact *v[] = {&a};
	WH_AUTO_BUF struct wh_buf once = WH_BUF_INIT, twice = WH_BUF_INIT;
	WH_AUTO_JSON json_t *before = NULL, *after = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	size_t n;

	memset(a.manifest.digest.b, 0xaa, sizeof(a.manifest.digest.b));
	if (wh_referrers_merge((const char *)data, size, v, 1, &once, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	if (wh_referrers_merge(once.p, once.n, v, 1, &twice, NULL) < 0 || once.n != twice.n ||
	    memcmp(once.p, twice.p, once.n) != 0)
		abort();
	if (wh_json_parse(once.p, once.n, "merged", &after, NULL) < 0)
		abort();
	if (size == 0)
		return 0;
	if (wh_json_parse((const char *)data, size, "input", &before, NULL) < 0)
		abort();
	n = json_array_size(json_object_get(before, "manifests"));
	if (json_array_size(json_object_get(after, "manifests")) < n ||
	    json_object_size(after) != json_object_size(before))
		abort();
	return 0;
}
