/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a signature, or of whatever else is attached: reading it may fail, and does no harm. */
#include "layers/artifact_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *copy =
		wh_memdup(data, size ? size : 1); /* its own block, so that a sanitizer knows the end */
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	WH_AUTO_JSON json_t *manifests = json_array();
	struct wh_artifact a = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (wh_artifact_manifest_parse(copy, size, "input", &m, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	if (m.n > WH_ARTIFACT_LAYERS_MAX || !m.config.media_type || !m.doc)
		abort();
	for (size_t i = 0; i < m.n; i++) {
		const char *tag = wh_json_str(m.layers[i].annotations, "org.opencontainers.image.ref.name");

		if (!m.layers[i].media_type || (m.layers[i].annotations && !json_is_object(m.layers[i].annotations)))
			abort();
		/* What it says may end up in an index.json, where it finds its place. */
		a.manifest = m.layers[i];
		a.artifact_type = m.layers[i].media_type;
		a.tag = wh_artifact_tag_parse(tag, NULL) ? wh_strdup(tag) : NULL;
		wh_index_put_artifact(manifests, &a);
		free(a.tag);
	}
	return 0;
}
