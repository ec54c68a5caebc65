/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms in which signatures travel. Private to evidence/.
 *
 *   statement ──▶ envelope (DSSE) ──▶ bundle, a referrer        dsse.c, bundle.c
 *                                └──▶ layer of sha256-HEX.att
 *   manifest digest ──▶ payload ──▶ layer of sha256-HEX.sig     simple_signing.c
 *
 * All parsers here take bytes of strangers.
 */
#ifndef WH_EVIDENCE_SIGN_PRIVATE_H
#define WH_EVIDENCE_SIGN_PRIVATE_H

#include "evidence/evidence.h"

#define WH_TYPE_INTOTO "application/vnd.in-toto+json"
#define WH_MEDIA_DSSE "application/vnd.dsse.envelope.v1+json"
#define WH_MEDIA_SIMPLE "application/vnd.dev.cosign.simplesigning.v1+json"
#define WH_MEDIA_BUNDLE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define WH_MEDIA_BUNDLE_PREFIX "application/vnd.dev.sigstore.bundle"
#define WH_MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define WH_AN_SIGNATURE "dev.cosignproject.cosign/signature"
#define WH_AN_PREDICATE "predicateType"
#define WH_AN_BUNDLE_CONTENT "dev.sigstore.bundle.content"
#define WH_AN_BUNDLE_PREDICATE "dev.sigstore.bundle.predicateType"
#define WH_PREDICATE_SIGN "https://sigstore.dev/cosign/sign/v1"

#define WH_PAYLOAD_MAX ((size_t)64 << 20) /* of one statement, bundle or envelope */
#define WH_SIGNATURE_MAX 1024
#define WH_SUBJECTS_MAX 1000 /* of one statement; the others are passed over */

/* Standard base64 with padding, nothing else in it. decode: malloc'ed; false for whatever is no such text, or gives
 * more than max bytes. */
void wh_base64_add(struct wh_buf *out, const void *p, size_t n);
bool wh_base64_decode(const char *s, size_t max, uint8_t **ret, size_t *ret_n);

/* ---------------------------------------------------------------- dsse.c */

struct wh_signature {
	uint8_t *p;
	size_t n;
};
struct wh_envelope {
	char *type; /* payloadType */
	uint8_t *payload;
	size_t n;
	struct wh_signature *sigs;
	size_t n_sigs;
};
void wh_envelope_release(struct wh_envelope *e);
/* SHA-256 of the pre-authentication encoding: what is signed. */
void wh_dsse_digest(const char *type, const void *payload, size_t n, struct wh_digest *ret);
json_t *wh_envelope_json(const char *type, const void *payload, size_t n, const void *sig, size_t n_sig);
int wh_envelope_parse(const json_t *o, struct wh_envelope *ret, struct wh_err **err);
bool wh_envelope_signed_by(const struct wh_envelope *e, const struct wh_key *key);

/* ---------------------------------------------------------------- bundle.c */

struct wh_bundle {
	char *hint; /* of the public key, or NULL */
	struct wh_envelope envelope;
};
void wh_bundle_release(struct wh_bundle *b);
json_t *wh_bundle_json(const char *hint, json_t *envelope); /* takes the reference */
int wh_bundle_parse(const char *p, size_t n, const char *what, struct wh_bundle *ret, struct wh_err **err);

/* ---------------------------------------------------------------- simple_signing.c */

void wh_simple_payload(const char *repo, const struct wh_digest *manifest, struct wh_buf *out);
/* The digest and the docker-reference that a payload speaks of; reference malloc'ed. */
int wh_simple_parse(const char *p, size_t n, const char *what, struct wh_digest *ret, char **ret_reference,
		    struct wh_err **err);

/* ---------------------------------------------------------------- statement.c */

/* A statement of in-toto's (v1 or v0.1) about this manifest: its document and type (into the document). -EBADMSG: it is
 * none; -ESTALE: it is one about something else. */
int wh_statement_parse(const void *p, size_t n, const struct wh_digest *manifest, const char *what, json_t **ret,
		       const char **ret_type, struct wh_err **err);

#endif
