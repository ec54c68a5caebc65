/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --metadata-file: what came out, as JSON with buildx's keys.
 *
 *   containerimage.digest, containerimage.descriptor   manifest or index
 *   containerimage.config.digest                       of an image alone
 *   image.name                                         all names it was given, with commas
 *   buildx.build.ref                                   whittle/whittle/ID, the ID new with each build
 *   buildx.build.provenance[/PLATFORM]                 the predicate; not with BUILDX_METADATA_PROVENANCE=disabled
 *   buildx.build.warnings                              with BUILDX_METADATA_WARNINGS=1, when there are any
 */
#ifndef WH_CLI_METADATA_H
#define WH_CLI_METADATA_H

#include "cli/call.h"
#include "cli/cli.h"

struct wh_metadata {
	const struct wh_build_spec *spec;
	const struct wh_image *image; /* as it was written: image or index */
	const struct wh_built *built;
	size_t n;
	int64_t epoch;
	const struct wh_lint_list *findings;
	const struct wh_dockerfile *dockerfile;
};
/* New reference. */
json_t *wh_metadata_make(const struct wh_metadata *m);
int wh_metadata_write(const struct wh_metadata *m, struct wh_err **err);

#endif
