/* SPDX-License-Identifier: Apache-2.0 */
/* in-toto statements (in-toto/attestation, spec v1, statement.md): a predicate about things named by digest. */
#include "evidence/sign_private.h"

#include <errno.h>

#define STATEMENT "https://in-toto.io/Statement/v1"
#define STATEMENT_V0 "https://in-toto.io/Statement/v0.1"

json_t *wh_statement(const char *subject_name, const struct wh_digest *manifest, const char *predicate_type,
		     const json_t *predicate)
{
	char hex[65];

	/* A subject must have a name; "_" is the specification's for one that says nothing. */
	return json_pack("{s:s, s:[{s:s, s:{s:s}}], s:s, s:o}", "_type", STATEMENT, "subject", "name",
			 subject_name && subject_name[0] ? subject_name : "_", "digest", "sha256",
			 wh_digest_hex(manifest, hex), "predicateType", predicate_type, "predicate",
			 predicate ? json_deep_copy(predicate) : json_object());
}

/* Is the manifest among the subjects? */
static bool is_about(const json_t *o, const struct wh_digest *manifest)
{
	const json_t *subjects = json_object_get(o, "subject");
	size_t n = json_array_size(subjects);

	for (size_t i = 0; i < n && i < WH_SUBJECTS_MAX; i++) {
		const char *hex = wh_json_str(json_object_get(json_array_get(subjects, i), "digest"), "sha256");
		struct wh_digest d;

		if (hex && wh_digest_parse_hex(hex, &d) && wh_digest_eq(&d, manifest))
			return true;
	}
	return false;
}

int wh_statement_parse(const void *p, size_t n, const struct wh_digest *manifest, const char *what, json_t **ret,
		       const char **ret_type, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const char *type, *predicate;
	int r = wh_json_parse(p, n, what, &o, err);

	if (r < 0)
		return r;
	type = wh_json_str(o, "_type");
	predicate = wh_json_str(o, "predicateType");
	if ((!wh_streq(type, STATEMENT) && !wh_streq(type, STATEMENT_V0)) || !predicate || !predicate[0])
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: it is no in-toto statement", what);
	if (!is_about(o, manifest))
		return wh_err_set(err, "evidence", WH_ERR_GATE, ESTALE, "%s: it is a statement about another image",
				  what);
	*ret_type = predicate;
	*ret = WH_TAKE_PTR(o);
	return 0;
}
