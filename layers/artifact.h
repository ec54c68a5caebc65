/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached to an image: signatures, attestations, SBOMs (image-spec manifest.md "subject"; distribution-spec referrers).
 * Part of layers.h.
 *
 * An artifact is a manifest in the store whose subject is the image's manifest (bundles, reports), or one that is found by a tag made of
 * the subject's digest (cosign's older form: sha256-HEX.sig, sha256-HEX.att). In a layout it stands in index.json beside
 * the image: the first kind without a name, the second with that tag as org.opencontainers.image.ref.name. In a registry the
 * first is listed by the referrers API, or by the index under the fallback tag sha256-HEX where there is no such API.
 */
#ifndef WH_LAYERS_ARTIFACT_H
#define WH_LAYERS_ARTIFACT_H

#include "base/base.h"

/* Build caches (builder/cache_remote.h): the type of the artifact and the media type of its config. They may be large and are of use to
 * builds alone: not taken along by pulls and copies. */
#define WH_ARTIFACT_CACHE "application/vnd.whittle.cache.config.v1+json"
/* What PRUNE took away from the image (artifact_removed.c). Manifest and config go along with the image; its layer, which may be large, is
 * fetched by whoever reads it. */
#define WH_ARTIFACT_REMOVED "application/vnd.whittle.removed.v1"
#define WH_MEDIA_EMPTY "application/vnd.oci.empty.v1+json" /* the two bytes {} */

struct wh_store;
struct wh_image;

struct wh_descriptor { /* image-spec descriptor.md */
	struct wh_digest digest;
	uint64_t size;
	char *media_type;     /* owned */
	json_t *annotations;  /* owned reference, or NULL */
};
void wh_descriptor_release(struct wh_descriptor *d);

struct wh_artifact {
	struct wh_descriptor manifest; /* annotations: as a referrers list shows them */
	struct wh_digest subject;      /* digest of the image's manifest */
	char *artifact_type;           /* or NULL (cosign's older form) */
	char *tag;                     /* "sha256-HEX.sig"; NULL: by subject */
};
void wh_artifact_release(struct wh_artifact *a);
struct wh_artifacts {
	struct wh_artifact *v;
	size_t n, cap;
};
void wh_artifacts_release(struct wh_artifacts *l);
struct wh_artifact *wh_artifacts_add(struct wh_artifacts *l); /* zeroed, owned by the list */

struct wh_artifact_blob {
	const char *media_type;
	const void *data;
	size_t len;
	json_t *annotations; /* of the layer's descriptor; borrowed, or NULL */
};
/* Writes blobs and manifest into the store. config NULL: the empty config. tag NULL: the manifest has artifactType and
 * subject; else neither. annotations (borrowed, or NULL) are the manifest's. Deterministic. Appends to list. */
int wh_artifact_write(struct wh_store *s, const struct wh_image *subject, const char *artifact_type, const char *tag,
		      const struct wh_artifact_blob *config, const struct wh_artifact_blob *layers, size_t n_layers,
		      const json_t *annotations, struct wh_artifacts *list, struct wh_err **err);
/* A manifest over blobs that exist, in the store or elsewhere; only config is written. subject NULL: none. config has the artifact's type as
 * its media type. Deterministic. */
int wh_artifact_manifest_write(struct wh_store *s, const struct wh_image *subject, const char *artifact_type,
			       const struct wh_artifact_blob *config, const struct wh_descriptor *layers, size_t n_layers,
			       struct wh_artifact *ret, struct wh_err **err);
/* A new image was made of it (other compression): artifacts follow digests, so there is nothing to copy; write them anew. */

/* The store remembers artifacts of an image in index.json. Those with the same subject, type and predicate annotation that the same
 * key signed before (or nobody, if nobody signed these) are replaced. What others signed stays; a .sig or .att joins the one that
 * is there. */
int wh_store_attach(struct wh_store *s, const struct wh_artifacts *list, struct wh_err **err);
/* The same for what came from a registry: nothing that is there goes, and only so many are taken. */
int wh_store_attach_pulled(struct wh_store *s, const struct wh_artifacts *list, struct wh_err **err);
/* Annotations for an artifact whose manifest is in the store, and of which only digest, subject, type and tag are known. */
int wh_artifact_complete(struct wh_store *s, struct wh_artifact *a, struct wh_err **err);
/* What is attached to the image with this manifest digest: in the store, or in a layout directory (whose manifests and blobs are verified
 * by digest and copied into the store). None is success. */
int wh_artifacts_from_store(struct wh_store *s, const struct wh_digest *subject, struct wh_artifacts *ret, struct wh_err **err);
int wh_artifacts_from_layout(struct wh_store *s, const char *dir, const struct wh_digest *subject, struct wh_artifacts *ret,
			     struct wh_err **err);
/* Writes them into a layout directory that has the image; as wh_store_attach(). */
int wh_layout_attach(struct wh_store *s, const char *dir, const struct wh_artifacts *list, struct wh_err **err);
/* Artifacts that stand for themselves, in a layout under a name (org.opencontainers.image.ref.name). put: replaces what has this type and name;
 * layers says where the blobs are that the store lacks. The directory is made. */
struct wh_layer;
int wh_layout_put(struct wh_store *s, const char *dir, const char *tag, const struct wh_artifact *a,
		  const struct wh_layer *const *layers, size_t n_layers, struct wh_err **err);
/* find: manifest and config, no more, are in the store then. By digest, or (NULL) that of the name; where there is none, those
 * that are attached to images. None is success. */
int wh_layout_find(struct wh_store *s, const char *dir, const char *type, const char *tag, const struct wh_digest *digest,
		   struct wh_artifacts *ret, struct wh_err **err);
/* The names that a layout gives the image with this manifest digest, or an index that has it (io.containerd.image.name), sorted. */
int wh_layout_names(const char *dir, const struct wh_digest *manifest, struct wh_strv *ret, struct wh_err **err);
/* Digest and size of each layer blob of an artifact's manifest (in the store), its media type and annotations; hostile input. */
int wh_artifact_layers(struct wh_store *s, const struct wh_artifact *a, struct wh_descriptor **ret, size_t *ret_n,
		       struct wh_err **err);
/* The descriptor of its config. */
int wh_artifact_config(struct wh_store *s, const struct wh_artifact *a, struct wh_descriptor *ret, struct wh_err **err);
/* artifact_removed.c: the artifact around that layer, whose blob is in the store. Deterministic. Appends to list. */
int wh_removed_part_write(struct wh_store *s, const struct wh_image *subject, const struct wh_layer *l, struct wh_artifacts *list,
			  struct wh_err **err);
bool wh_artifact_is_removed(const struct wh_artifact *a);
/* As an image of one layer, whose origin says where it is when the store lacks it. layout: where the artifact was found; NULL: in the store. */
int wh_removed_part_open(struct wh_store *s, const char *layout, const struct wh_digest *manifest, struct wh_image *ret,
			 struct wh_err **err);
/* The layers of those in the list, for whoever copies them: into the store. */
int wh_removed_part_bring(struct wh_store *s, const char *layout, const struct wh_artifacts *list, struct wh_err **err);
/* Takes them from the list. */
void wh_removed_part_leave(struct wh_artifacts *list);
/* Every file of a layout directory against what names it: oci-layout, index.json (well formed, descriptors of the right size), each blob
 * under blobs/sha256 hashed. -EBADMSG names the first thing that is not as it must be. For verify. */
int wh_layout_check(const char *dir, struct wh_err **err);

#endif
