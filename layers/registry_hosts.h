/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a registry is really found: mirrors, other locations, hosts without TLS, certificates. Private to layers/.
 *
 *   registries.conf   containers-registries.conf(5), version 2 (TOML: registry_toml.c): $WHITTLE_REGISTRIES or $CONTAINERS_REGISTRIES_CONF, else
 *                     ~/.config/whittle/registries.conf, /etc/whittle/registries.conf, ~/.config/containers/registries.conf, else
 *                     /etc/containers/registries.conf; each with its registries.conf.d/ *.conf
 *   daemon.json       /etc/docker/daemon.json, ~/.config/docker/daemon.json: "registry-mirrors" (of docker.io), "insecure-registries" (hosts, CIDRs)
 *   certs.d/HOST[:PORT]/  of /etc/containers, /etc/docker, ~/.config/containers, ~/.config/docker: *.crt (CAs), NAME.cert with NAME.key (ours)
 *
 * The first of whittle's own files, or else containers', that is there counts; docker's are read besides.
 */
#ifndef WH_LAYERS_REGISTRY_HOSTS_H
#define WH_LAYERS_REGISTRY_HOSTS_H

#include "layers/registry_private.h"

struct wh_reg_endpoint {
	char *domain;     /* HOST[:PORT] to speak to; logins and certificates are looked up by it */
	char *path;       /* the repository's there */
	bool insecure;    /* plain HTTP and unknown certificates are taken */
	bool mirror;      /* asked first, and passed over when it fails in any way; never pushed to */
};
struct wh_reg_endpoints {
	struct wh_reg_endpoint *v; /* in the order in which they are asked; the last is the registry itself */
	size_t n, cap;
};
struct wh_reg_hosts; /* the files, read once */
int wh_reg_hosts_read(const struct wh_registry_opts *o, struct wh_reg_hosts **ret, struct wh_err **err);
void wh_reg_hosts_free(struct wh_reg_hosts *h);
/* Of a repository. push: no mirrors. by_digest: mirrors that are for digests, too. -EACCES: a file blocks it (the error names file and line). */
int wh_reg_hosts_endpoints(const struct wh_reg_hosts *h, const char *domain, const char *path, bool by_digest, bool push,
			   struct wh_reg_endpoints *ret, struct wh_err **err);
void wh_reg_endpoints_release(struct wh_reg_endpoints *l);
/* Certificates for a host: files, each may be NULL; malloc'ed. */
struct wh_reg_certs {
	struct wh_strv cas;
	char *cert, *key;
};
int wh_reg_hosts_certs(const struct wh_reg_hosts *h, const char *domain, struct wh_reg_certs *ret, struct wh_err **err);
void wh_reg_certs_release(struct wh_reg_certs *c);

#endif
