/* SPDX-License-Identifier: Apache-2.0 */
/* A predicate among what is attached to an image. */
#include "evidence/sign_private.h"

static json_t *of_statement(const char *p, size_t n, const char *type)
{
	WH_AUTO_JSON json_t *statement = NULL;

	if (wh_json_parse(p, n, "statement", &statement, NULL) < 0 ||
	    !wh_streq(wh_json_str(statement, "predicateType"), type))
		return NULL;
	return json_incref(json_object_get(statement, "predicate"));
}

/* A bundle, an envelope, or a statement as it is. */
static json_t *of_blob(const struct wh_buf *text, const char *type)
{
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_envelope e = {0};
	const json_t *envelope;
	json_t *found;

	if (wh_json_parse(text->p, text->n, "artifact", &doc, NULL) < 0)
		return NULL;
	envelope = json_object_get(doc, "dsseEnvelope");
	if (!envelope && !json_object_get(doc, "payloadType"))
		return of_statement(text->p, text->n, type);
	if (wh_envelope_parse(envelope ? envelope : doc, &e, NULL) < 0)
		return NULL;
	found = of_statement((const char *)e.payload, e.n, type);
	wh_envelope_release(&e);
	return found;
}

json_t *wh_predicate_find(struct wh_store *s, const struct wh_artifacts *list, const char *predicate_type)
{
	json_t *found = NULL;

	for (size_t i = 0; i < list->n && !found; i++) {
		struct wh_descriptor *layers = NULL;
		size_t n = 0;

		if (wh_artifact_layers(s, &list->v[i], &layers, &n, NULL) < 0)
			continue;
		for (size_t k = 0; k < n; k++) {
			WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

			if (!found && layers[k].size <= WH_PAYLOAD_MAX &&
			    wh_blob_read(s, &layers[k].digest, WH_PAYLOAD_MAX * 2, &text, NULL) == 0)
				found = of_blob(&text, predicate_type);
			wh_descriptor_release(&layers[k]);
		}
		free(layers);
	}
	return found;
}
