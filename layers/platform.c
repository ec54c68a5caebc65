/* SPDX-License-Identifier: Apache-2.0 */
/* Which image of several suits a platform. */
#include "layers/image_private.h"

void wh_platform_from_json(const json_t *o, struct wh_platform *ret)
{
	const char *os = wh_json_str(o, "os"), *arch = wh_json_str(o, "architecture"), *variant = wh_json_str(o, "variant");
	struct wh_platform p = {0};

	snprintf(p.os, sizeof(p.os), "%s", os ? os : "");
	snprintf(p.arch, sizeof(p.arch), "%s", arch ? arch : "");
	snprintf(p.variant, sizeof(p.variant), "%s", variant ? variant : "");
	wh_platform_normalize(&p);
	*ret = p;
}

int wh_platform_rank(const struct wh_platform *want, const struct wh_platform *have)
{
	if (strcmp(want->os, have->os) != 0 || strcmp(want->arch, have->arch) != 0)
		return -1;
	if (strcmp(want->variant, have->variant) == 0)
		return 100;
	/* A processor also runs what was made for its elders: v7 runs v6, amd64/v3 runs v2 and v1. */
	if (strcmp(want->arch, "arm") == 0 || strcmp(want->arch, "amd64") == 0) {
		char w = want->variant[0] ? want->variant[1] : '1', h = have->variant[0] ? have->variant[1] : '1';

		return h <= w ? 50 + h - w : -1;
	}
	return want->variant[0] && have->variant[0] ? -1 : 10;
}
