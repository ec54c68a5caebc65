/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registries (distribution-spec 1.1): pull and push with libcurl. Part of layers.h.
 *
 * Credentials live in a struct wh_registry, so these functions are called by the outer process's service, never by what runs
 * steps or unpacks archives (cli/registry_service.c). Manifests are only parsed as far as descriptors; all content is verified by
 * digest before it is in the store. References: [HOST[:PORT]/]NAME[:TAG][@DIGEST]; no host is docker.io. Hosts on loopback (and, with
 * insecure, all) may speak plain HTTP: tried after HTTPS fails to connect as TLS, only for those.
 */
#ifndef WH_LAYERS_REGISTRY_H
#define WH_LAYERS_REGISTRY_H

#include "base/base.h"
#include "layers/artifact.h"

struct wh_registry_opts {
	const char *auth_file;  /* docker's config.json; NULL: $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or
				 * ~/.docker/config.json, then $XDG_RUNTIME_DIR/containers/auth.json (without it
				 * /run/containers/UID/auth.json), ~/.config/containers/auth.json */
	const char *user, *password; /* instead; or NULL */
	bool insecure;          /* plain HTTP and unknown certificates are taken from any host */
	const char *ca_file;    /* further certificates; NULL: $SSL_CERT_FILE */
	const char *hosts_file; /* registries.conf (registry_hosts.h); NULL: $WHITTLE_REGISTRIES, $CONTAINERS_REGISTRIES_CONF, else the usual files */
	uint64_t chunk;         /* of uploads, bytes; 0: as a whole */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total); /* or NULL */
	void *arg;
};
struct wh_registry;
int wh_registry_new(const struct wh_registry_opts *o, struct wh_registry **ret, struct wh_err **err);
void wh_registry_free(struct wh_registry *r);

/* The files that say where registries are found (registry_hosts.h), and those with logins, which are there. A broken one is an error with
 * file and line. */
int wh_registry_files(const struct wh_registry_opts *o, struct wh_strv *ret_hosts, struct wh_strv *ret_logins, struct wh_err **err);

/* "https://HOST/", "HOST", NULL (docker.io): a registry's host as names have it. malloc'ed. */
int wh_registry_host(const char *text, char **ret, struct wh_err **err);
/* Does the registry let the user of r's options in? *ret_identity: what it gave to be kept instead of the password (malloc'ed, secret), or
 * NULL; *ret_asked: it did ask. -EACCES: it does not. */
int wh_registry_try(struct wh_registry *r, const char *host, char **ret_identity, bool *ret_asked, struct wh_err **err);
/* Where a login is kept: docker's config.json, or what stands for it; or the helper that this says. */
struct wh_login_kept {
	char *file;
	char *helper; /* NULL: in the file itself, readable */
	size_t n;     /* logins that were forgotten */
};
void wh_login_kept_release(struct wh_login_kept *k);
/* identity: secret is a token, no password. Everything else in the file stays; it is replaced whole, mode 0600. */
int wh_login_keep(const char *host, const char *user, const char *secret, bool identity, struct wh_login_kept *ret, struct wh_err **err);
/* host NULL: all. */
int wh_login_forget(const char *host, struct wh_login_kept *ret, struct wh_err **err);
/* Whose login there is. -ENOENT: nobody's. */
int wh_login_user(const char *host, char **ret, struct wh_err **err);

/* The manifest (of the platform, when the reference names an index) and its config into the store; layers too when asked. An image
 * that is in no index must be for the platform, but where lone says that it need not (a base). Gives the
 * manifest's digest; then wh_image_from_store() finds the image by that digest. -ENOENT: no such image; -EACCES: not allowed. */
int wh_registry_pull(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_platform *p, bool lone, bool layers,
		     struct wh_digest *ret, struct wh_err **err);
/* Everything behind the name: of an index the index and all images in it (what is no image, attestations that lie in indexes, is left
 * out). wh_image_all_from_store() finds it by the digest. An index of indexes is -ENOTSUP. */
int wh_registry_pull_all(struct wh_registry *r, struct wh_store *s, const char *ref, bool layers, struct wh_digest *ret,
			 struct wh_err **err);
/* What a push needs of the image, done where no login is: fetches layers from their origin, reads those that were never read. A
 * push refuses an image with layers that nobody looked at. */
int wh_registry_prepare(struct wh_store *s, const struct wh_image *i, struct wh_err **err);
/* The same for these references: layers that the store lacks and that are in a repository of each of their registries stay there. A push mounts
 * them, and fetches them itself where the registry does not let it. */
int wh_registry_prepare_for(struct wh_store *s, const struct wh_image *i, const struct wh_strv *refs, struct wh_err **err);
/* Uploads what the registries of these references (at least one) lack: blobs side by side, manifests, artifacts, and when all is everywhere, the tags;
 * of an index, first all its images'. A repository gets its blobs and manifests once, however many tags of it are named. Artifacts may be
 * of the index and of its images. Layers come from the store or their origin; what another repository of the same registry has (a layer's
 * origin, or images of the store named after it) is mounted. Artifacts: by the referrers API, with the fallback tag (read, changed, written;
 * annotations and artifactType kept) where the registry does not answer OCI-Subject. A .sig or .att joins what its tag has. Tags
 * and lists are looked at again at the end: of two who push at the same time the later puts back what the other overwrote. A registry
 * has no way to write only if nothing has changed, so who overwrites after that look does take something away. */
int wh_registry_push(struct wh_registry *r, struct wh_store *s, const struct wh_strv *refs, const struct wh_image *i,
		     const struct wh_artifacts *artifacts, struct wh_err **err);
/* Referrers (API, else fallback tag) and the .sig and .att tags of the manifest, with their blobs, into the store. artifactType
 * is read from the manifests themselves, never from the list. */
int wh_registry_artifacts(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_digest *subject,
			  struct wh_artifacts *ret, struct wh_err **err);

/* The artifact of this type that the reference names, or those attached to the image (or to an index's images) that it names: manifest
 * and config, no more, into the store. -ENOENT: there is no such name. None is success. */
int wh_registry_find(struct wh_registry *r, struct wh_store *s, const char *ref, const char *type, struct wh_artifacts *ret,
		     struct wh_err **err);
/* Blobs of a repository (HOST/NAME) into the store, several at a time. */
int wh_registry_blobs(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_descriptor *blobs, size_t n,
		      struct wh_err **err);
/* An artifact that stands for itself under a tag. Blobs that the store lacks are mounted from the repository of the same registry that
 * sources ({"sha256:…": "NAME"}, or NULL) says, or else taken there. */
int wh_registry_put(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_digest *manifest,
		    const json_t *sources, struct wh_err **err);

#endif
