/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Annotations, as buildx takes them: --annotation "[LEVEL[PLATFORM][,LEVEL[PLATFORM]…]:]KEY=VALUE".
 *
 *   manifest             in the image's manifest (the default)
 *   manifest-descriptor  in the descriptor that leads to it: in the index, and of an image alone in a layout's index.json
 *   index                in the index
 *   index-descriptor     in the descriptor that leads to the index, in a layout's index.json
 *
 * [linux/arm64] binds the first two to one image of several.
 */
#ifndef WH_CLI_ANNOTATE_H
#define WH_CLI_ANNOTATE_H

#include "base/base.h"

enum wh_annotation_level { WH_ANNOTATE_MANIFEST, WH_ANNOTATE_MANIFEST_DESCRIPTOR, WH_ANNOTATE_INDEX, WH_ANNOTATE_INDEX_DESCRIPTOR };

/* Is the text well formed? */
int wh_annotation_check(const char *text, struct wh_err **err);
/* --output's annotation[-LEVEL][PLATFORM].KEY=VALUE as such a text (malloc'ed). key: what is before the '='. False: it is no annotation. */
bool wh_annotation_from_output(const char *key, const char *value, char **ret);
/* Checked texts against what is built. platforms: names as wh_platform_text() gives them; docker: in docker's media types. */
int wh_annotations_fit(const struct wh_strv *texts, const char *const *platforms, size_t n, bool index, bool docker, struct wh_err **err);
/* What the texts say for one level and image (platform NULL: whatever is bound to none), added to *into, which is made when there is
 * something to add; later ones win. */
void wh_annotations_collect(const struct wh_strv *texts, enum wh_annotation_level level, const char *platform, json_t **into);

#endif
