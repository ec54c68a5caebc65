/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, media types and annotations, shared by what reads and what writes images. Private to layers/. */
#ifndef WH_LAYERS_IMAGE_PRIVATE_H
#define WH_LAYERS_IMAGE_PRIVATE_H

#include "layers/layers.h"

#include <errno.h>

#define WH_MT_INDEX "application/vnd.oci.image.index.v1+json"
#define WH_MT_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define WH_MT_CONFIG "application/vnd.oci.image.config.v1+json"
#define WH_MT_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define WH_MT_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define WH_MT_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define WH_MT_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define WH_MT_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define WH_AN_REF_NAME "org.opencontainers.image.ref.name"
#define WH_AN_IMAGE_NAME "io.containerd.image.name"
#define WH_MANIFEST_MAX ((size_t)4 << 20)
#define WH_STORE_INDEX_MAX ((size_t)64 << 20) /* our own, however many names it has */
#define WH_CONFIG_MAX ((size_t)8 << 20)
#define WH_LAYERS_MAX 1024 /* layers in an image: overlay takes 500, docker 127 */
#define WH_DOCUMENT_VALUES_MAX ((size_t)200000)
#define WH_OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

void wh_platform_from_json(const json_t *o, struct wh_platform *ret);
/* "linux_arm_v7"; malloc'ed. Platforms have no "..", for a slash is always in them. */
char *wh_image_platform_dir(const struct wh_image *i);
/* Attestations and other things that are no images lie in indexes too. One that is said to be for a platform is what others
 * run there, whatever else is said of it. */
bool wh_image_is_attachment(const json_t *descriptor);
/* No two images for one platform. */
int wh_image_index_check(const struct wh_image *i, struct wh_err **err);
/* All images of an index are at hand. */
int wh_image_whole(const struct wh_image *i, struct wh_err **err);

/* Manifests, indexes and configs from outside: wh_json_parse() with a bound that suits their size. */
static inline int wh_document_parse(const char *p, size_t n, const char *what, json_t **ret, struct wh_err **err)
{
	return wh_json_parse_max(p, n, what, WH_DOCUMENT_VALUES_MAX, ret, err);
}

/* The class of a destination that cannot be written: without permission it is the machine's matter, else the user's word. */
static inline enum wh_err_class wh_dest_class(int r)
{
	return r == -EACCES || r == -EPERM ? WH_ERR_ENV : WH_ERR_USAGE;
}

/* An object's bytes with the given keys first, in this order, then the others sorted; nested values are canonical. */
void wh_json_dump_ordered(const json_t *o, const char *const *first, struct wh_buf *out);
/* A manifest's bytes. */
void wh_manifest_json(const json_t *m, struct wh_buf *out);
/* One descriptor of an index.json: the image under a name (NULL: none). ref_name is for the ref.name annotation. */
json_t *wh_image_descriptor(const struct wh_image *i, const char *name, const char *ref_name);
/* Puts descriptor d into manifests (an array, sorted by name): what bears its name, or is as nameless, goes;
 * artifacts stay, and stand behind the images. */
void wh_index_put(json_t *manifests, json_t *d);
/* The whole document: descriptors in the order given. */
void wh_index_json(const json_t *manifests, struct wh_buf *out);
/* The same as an image index, or docker's manifest list, of its own. */
void wh_index_document(const json_t *manifests, const char *media_type, const json_t *annotations, struct wh_buf *out);
/* The list of manifests in the store's index.json, which has a name for each. */
int wh_store_names(struct wh_store *s, json_t **ret, struct wh_err **err);
/* Replaces it. Under wh_store_lock(s, "index"), and after a sync of what it names. What could not be read again is refused. */
int wh_store_names_write(struct wh_store *s, const json_t *manifests, struct wh_err **err);
int wh_store_names_write_max(struct wh_store *s, const json_t *manifests, size_t max, struct wh_err **err);
/* mkdir -p for a path of the user's. 0 or -errno. */
int wh_make_parents(const char *dir);
/* Runs fn with the file that x->dest names: x->out_fd for "-", else a temporary that is renamed when fn succeeds. */
int wh_export_file(const struct wh_export *x, int (*fn)(void *arg, int fd, struct wh_err **err), void *arg,
		   struct wh_err **err);

#endif
