/* SPDX-License-Identifier: Apache-2.0 */
/* Sigstore bundles, v0.3 (sigstore/protobuf-specs): an envelope, and by which key its signature is to be verified. */
#include "evidence/sign_private.h"

#include <errno.h>

json_t *wh_bundle_json(const char *hint, json_t *envelope)
{
	return json_pack("{s:s, s:{s:{s:s}}, s:o}", "mediaType", WH_MEDIA_BUNDLE, "verificationMaterial", "publicKey",
			 "hint", hint, "dsseEnvelope", envelope);
}

void wh_bundle_release(struct wh_bundle *b)
{
	free(b->hint);
	wh_envelope_release(&b->envelope);
	*b = (struct wh_bundle){0};
}

int wh_bundle_parse(const char *p, size_t n, const char *what, struct wh_bundle *ret, struct wh_err **err)
{
	struct wh_bundle b = {0};
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *key;
	const char *mt;
	int r = wh_json_parse(p, n, what, &o, err);

	if (r < 0)
		return r;
	mt = wh_json_str(o, "mediaType");
	if (!mt || !wh_has_prefix(mt, WH_MEDIA_BUNDLE_PREFIX))
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: it is no bundle", what);
	r = wh_envelope_parse(json_object_get(o, "dsseEnvelope"), &b.envelope, err);
	if (r < 0) {
		wh_err_wrap(err, "%s", what);
		return r;
	}
	if (b.envelope.n_sigs != 1) {
		wh_bundle_release(&b);
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: a bundle has exactly one signature",
				  what);
	}
	key = json_object_get(json_object_get(o, "verificationMaterial"), "publicKey");
	b.hint = wh_strdup(wh_json_str(key, "hint"));
	*ret = b;
	return 0;
}
