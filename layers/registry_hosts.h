/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a registry is really found: mirrors, other locations, hosts without TLS, certificates. Private to layers/.
 *
 *   registries.conf   containers-registries.conf(5), TOML (registry_toml.c): the file in $WHITTLE_REGISTRIES or $CONTAINERS_REGISTRIES_CONF
 *                     and its .d/ *.conf. Else whittle's own, when there is one, else containers': ~/.config/NAME/registries.conf, or
 *                     /etc/NAME/registries.conf where that is not there; then registries.conf.d/ *.conf beside both (the user's last:
 *                     of two tables with one prefix the later file's counts)
 *   daemon.json       /etc/docker/daemon.json, ~/.config/docker/daemon.json: "registry-mirrors" (of docker.io), "insecure-registries" (hosts,
 *                     CIDRs)
 *   certs.d/HOST[:PORT]/  of ~/.config/containers, ~/.config/docker, /etc/containers, /etc/docker: *.crt (CAs, of all), NAME.cert with
 *                     NAME.key (ours, of the first that has one)
 *
 * $XDG_CONFIG_HOME stands for ~/.config where it is set. What may not be read (the system's files of another user) is passed over;
 * what is broken is an error. Names mean the same on every machine: one without a host is of docker.io, so
 * "unqualified-search-registries" and [aliases] are not used.
 */
#ifndef WH_LAYERS_REGISTRY_HOSTS_H
#define WH_LAYERS_REGISTRY_HOSTS_H

#include "layers/registry.h"

struct wh_reg_endpoint {
	char *domain;     /* HOST[:PORT] to speak to; logins and certificates are looked up by it */
	char *path;       /* the repository's there */
	bool insecure;    /* plain HTTP and unknown certificates are taken */
	bool mirror;      /* of somebody else's: asked first, and passed over when it fails in any way; never pushed to */
};
struct wh_reg_endpoints {
	struct wh_reg_endpoint *v; /* in the order in which they are asked; the last is the registry itself */
	size_t n, cap;
};
struct wh_reg_hosts; /* the files, read once */
int wh_reg_hosts_read(const struct wh_registry_opts *o, struct wh_reg_hosts **ret, struct wh_err **err);
void wh_reg_hosts_free(struct wh_reg_hosts *h);
/* Their texts alone, for tests: a registries.conf over what is there already, a daemon.json. */
struct wh_reg_hosts *wh_reg_hosts_new(void);
int wh_reg_hosts_add_conf(struct wh_reg_hosts *h, const char *text, size_t n, const char *file, struct wh_err **err);
int wh_reg_hosts_add_daemon(struct wh_reg_hosts *h, const char *text, size_t n, const char *file, struct wh_err **err);
/* Of a repository. push: no mirrors. by_digest: mirrors that are for digests, too. -EACCES: a file blocks it (the error names file and line). */
int wh_reg_hosts_endpoints(const struct wh_reg_hosts *h, const char *domain, const char *path, bool by_digest, bool push,
			   struct wh_reg_endpoints *ret, struct wh_err **err);
void wh_reg_endpoints_release(struct wh_reg_endpoints *l);
/* Is the host one without TLS by itself, whatever the repository? */
bool wh_reg_hosts_insecure(const struct wh_reg_hosts *h, const char *domain);
/* The files that were found and read. */
const struct wh_strv *wh_reg_hosts_files(const struct wh_reg_hosts *h);
/* Certificates for a host: files, each may be NULL; malloc'ed. h may be NULL: none. */
struct wh_reg_certs {
	struct wh_strv cas;
	char *cert, *key;
};
int wh_reg_hosts_certs(const struct wh_reg_hosts *h, const char *domain, struct wh_reg_certs *ret, struct wh_err **err);
void wh_reg_certs_release(struct wh_reg_certs *c);

#endif
