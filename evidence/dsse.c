/* SPDX-License-Identifier: Apache-2.0 */
/* DSSE v1: an envelope of a payload, its type, and signatures over both (secure-systems-lab/dsse, envelope.md,
 * protocol.md). */
#include "evidence/sign_private.h"

#include <errno.h>

#define SIGNATURES_MAX 64

void wh_dsse_digest(const char *type, const void *payload, size_t n, struct wh_digest *ret)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	WH_AUTO_FREE char *head = wh_asprintf("DSSEv1 %zu %s %zu ", strlen(type), type, n);

	wh_sha256_add(h, head, strlen(head));
	wh_sha256_add(h, payload, n);
	wh_sha256_end(h, ret);
}

static json_t *base64(const void *p, size_t n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_base64_add(&text, p, n);
	return json_string(text.p);
}

json_t *wh_envelope_json(const char *type, const void *payload, size_t n, const void *sig, size_t n_sig)
{
	return json_pack("{s:s, s:o, s:[{s:o}]}", "payloadType", type, "payload", base64(payload, n), "signatures",
			 "sig", base64(sig, n_sig));
}

void wh_envelope_release(struct wh_envelope *e)
{
	for (size_t i = 0; i < e->n_sigs; i++)
		free(e->sigs[i].p);
	free(e->sigs);
	free(e->payload);
	free(e->type);
	*e = (struct wh_envelope){0};
}

static int fill(const json_t *o, struct wh_envelope *e, struct wh_err **err)
{
	const json_t *sigs = json_object_get(o, "signatures");
	size_t n = json_array_size(sigs);

	e->type = wh_strdup(wh_json_str(o, "payloadType"));
	if (!e->type || !wh_base64_decode(wh_json_str(o, "payload"), WH_PAYLOAD_MAX, &e->payload, &e->n))
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
				  "the envelope has no payload, or no type of it");
	if (n == 0 || n > SIGNATURES_MAX)
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "the envelope has %zu signatures", n);
	e->sigs = wh_calloc(n, sizeof(*e->sigs));
	for (; e->n_sigs < n; e->n_sigs++) {
		struct wh_signature *s = &e->sigs[e->n_sigs];

		if (!wh_base64_decode(wh_json_str(json_array_get(sigs, e->n_sigs), "sig"), WH_SIGNATURE_MAX, &s->p,
				      &s->n))
			return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
					  "a signature of the envelope is not base64");
	}
	return 0;
}

int wh_envelope_parse(const json_t *o, struct wh_envelope *ret, struct wh_err **err)
{
	struct wh_envelope e = {0};
	int r = fill(o, &e, err);

	if (r < 0) {
		wh_envelope_release(&e);
		return r;
	}
	*ret = e;
	return 0;
}

bool wh_envelope_signed_by(const struct wh_envelope *e, const struct wh_key *key)
{
	struct wh_digest d;

	wh_dsse_digest(e->type, e->payload, e->n, &d);
	for (size_t i = 0; i < e->n_sigs; i++)
		if (wh_key_verify(key, &d, e->sigs[i].p, e->sigs[i].n) == 0)
			return true;
	return false;
}
