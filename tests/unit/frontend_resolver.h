/* SPDX-License-Identifier: Apache-2.0 */
/* Images for the tests of lowering: every name but those with "missing" in them is an image of one layer. */
#ifndef WH_TESTS_UNIT_FRONTEND_RESOLVER_H
#define WH_TESTS_UNIT_FRONTEND_RESOLVER_H

#include "frontend/frontend.h"

#include <errno.h>

#define TEST_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TEST_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000001"

static int test_resolve(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
			struct wh_err **err)
{
	const json_t *images = arg; /* ref → config, to override */
	json_t *own = json_object_get(images, ref);
	const char *slash = strchr(platform, '/');

	if (strstr(ref, "missing"))
		return wh_err_set(err, "test", WH_ERR_BUILD, ENOENT, "no such image: %s", ref);
	*ret_pinned = wh_asprintf("%s@%s", ref, TEST_DIGEST);
	*ret_config = own ? json_deep_copy(own)
			  : json_pack("{s:s, s:s, s:s, s:{s:[s], s:[s]}, s:{s:s, s:[s]}, s:[{s:s}]}", "created",
				      "2024-01-01T00:00:00Z", "architecture", slash ? slash + 1 : "amd64", "os",
				      "linux", "config", "Env", TEST_PATH, "Cmd", "sh", "rootfs", "type", "layers",
				      "diff_ids", TEST_DIGEST, "history", "created_by", "base");
	return 0;
}

#endif
