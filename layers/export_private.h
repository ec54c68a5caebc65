/* SPDX-License-Identifier: Apache-2.0 */
/* What is being exported: the blobs that go, and the ways out. Private to layers/. */
#ifndef WH_LAYERS_EXPORT_PRIVATE_H
#define WH_LAYERS_EXPORT_PRIVATE_H

#include "layers/artifact_private.h"
#include "layers/image_private.h"

struct wh_export_blob {
	struct wh_digest digest;
	uint64_t size;
	const struct wh_layer *layer; /* NULL: in the store */
};

struct wh_exporting {
	struct wh_store *s;
	const struct wh_export_item *items;
	size_t n_items;
	const struct wh_export *x;
	struct wh_export_blob *blobs; /* sorted, each once */
	size_t n, cap;
	json_t *manifests;          /* the images and indexes, each under each of its names */
	struct wh_settled attached; /* what goes along */
};

void wh_exporting_add(struct wh_exporting *e, const struct wh_digest *d, uint64_t size, const struct wh_layer *layer);
/* Manifest, config and (layers) layers; of an index, all of it. */
int wh_exporting_add_image(struct wh_exporting *e, const struct wh_image *i, bool layers, struct wh_err **err);
void wh_exporting_sort(struct wh_exporting *e);
/* No image leaves whose layers are not what its config says. */
int wh_exporting_verify(struct wh_store *s, const struct wh_image *i, struct wh_err **err);
/* e->manifests, from the items. */
int wh_exporting_names(struct wh_exporting *e, struct wh_err **err);
/* fd. ours: it is the store's. */
int wh_exporting_open(struct wh_exporting *e, const struct wh_export_blob *b, bool *ours, struct wh_err **err);
int wh_exporting_send(struct wh_exporting *e, const struct wh_export_blob *b, int in, int out, bool ours, struct wh_err **err);
/* Members of a tar. */
int wh_exporting_header(struct wh_exporting *e, int fd, const char *path, enum wh_type type, uint64_t size, struct wh_err **err);
int wh_exporting_text(struct wh_exporting *e, int fd, const char *path, const char *p, size_t n, struct wh_err **err);
int wh_exporting_member(struct wh_exporting *e, int fd, const struct wh_export_blob *b, struct wh_err **err); /* blobs/sha256/HEX */
int wh_exporting_end(struct wh_exporting *e, int fd, struct wh_err **err);

#endif
