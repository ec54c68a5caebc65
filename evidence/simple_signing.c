/* SPDX-License-Identifier: Apache-2.0 */
/* The older form of an image signature: a payload that names the manifest's digest, signed as it is (containers/image,
 * "simple signing"). */
#include "evidence/sign_private.h"

#include <errno.h>

#define TYPE "cosign container image signature"

void wh_simple_payload(const char *repo, const struct wh_digest *manifest, struct wh_buf *out)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_JSON json_t *o =
		json_pack("{s:{s:{s:s}, s:{s:s}, s:s}, s:n}", "critical", "identity", "docker-reference", repo, "image",
			  "docker-manifest-digest", wh_digest_text(manifest, text), "type", TYPE, "optional");

	wh_json_dump(o, out); /* sorted keys are this format's order, too */
}

int wh_simple_parse(const char *p, size_t n, const char *what, struct wh_digest *ret, char **ret_reference,
		    struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *critical;
	const char *digest, *reference;
	int r = wh_json_parse(p, n, what, &o, err);

	if (r < 0)
		return r;
	critical = json_object_get(o, "critical");
	digest = wh_json_str(json_object_get(critical, "image"), "docker-manifest-digest");
	reference = wh_json_str(json_object_get(critical, "identity"), "docker-reference");
	if (!wh_streq(wh_json_str(critical, "type"), TYPE) || !digest || !wh_digest_parse(digest, ret))
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: it is no image signature's payload",
				  what);
	*ret_reference = wh_strdup(reference ? reference : "");
	return 0;
}
