/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile as a document: what leaves the build for people, for git, for other builds. Included by harden.h.
 *
 *   profile (harden.h: compact, by indices) ──▶ document ──▶ --profile-out, `whittle profile show`, merge
 *   document ──▶ profile ──▶ PRUNE (--profile-in), lock, diff
 *
 * JSON, schemas/profile-1.json. Canonical: equal observations are equal bytes, on every machine; whatever one run adds is a line that is added, as
 * nothing is known by its number. Text: object keys in the order below, lists sorted, each item of a list on a line of its own.
 *
 *   {"$schema":"https://whittle.dev/schema/profile-1.json", "observer":N, "platforms":["linux/amd64"],
 *    "processes":[{"id":"nginx","name":"application","program":"/usr/sbin/nginx","script":"/x" or absent,"parent":"id" or absent}, …],
 *          id: names of the chain's programs ("entrypoint.sh > psql"), with a part of its hash behind "~" where two chains would have the same one
 *    "used":[{"path":"/etc/nginx/nginx.conf","access":["read",…],"by":["nginx"],"when":[…] or absent}, …],
 *    "created":[…], "missing":[…],                              numbers in names that the run made are "[n]"
 *    "syscalls":[{"name","by"}, …], "capabilities":[{"name","by"}, …], "bound":[{"protocol","address","port","by"}, …], "peers":[…],
 *    "remarks":[…], "tests":["name", …]}
 *
 * "platforms" stands on an entry, too, where not all of the document's saw it. "when": "start", "serve", "stop", "test NAME"; timing decides some
 * of it, so it is told only when asked for. No word of a command line but program and script; paths below the mounts of secrets are told as
 * "/run/secrets/[masked]"; no value of a secret, whole, stands anywhere.
 */
#ifndef WH_HARDEN_DOCUMENT_H
#define WH_HARDEN_DOCUMENT_H

#include "base/base.h"

#define WH_DOCUMENT_SCHEMA "https://whittle.dev/schema/profile-1.json"

struct wh_document_opts {
	const char *platform;              /* of what was observed, "linux/amd64" */
	const char *const *secret_paths;   /* absolute, NULL-terminated, beside /run/secrets and /var/run/secrets; or NULL */
	bool when;
};
/* Several profiles (harden.h) of one image as one document. New reference. Errors: WH_ERR_BUILD, a damaged profile. */
int wh_document_make(const json_t *const *profiles, size_t n, const struct wh_document_opts *o, json_t **ret, struct wh_err **err);
/* A profile (harden.h) without the names of files below the mounts of secrets, where the run and not the image has them. New reference. */
json_t *wh_profile_mask(const json_t *profile, const char *const *secret_paths);
/* Its canonical text; appends. */
void wh_document_dump(const json_t *doc, struct wh_buf *out);
/* Hostile input: bounded; whatever the schema does not allow is refused with what and where (WH_ERR_USAGE). what: the file, for messages. */
int wh_document_read(const char *text, size_t n, const char *what, json_t **ret, struct wh_err **err);
/* As a profile (harden.h), of all its platforms. Without "when" it is one test's, nobody's. */
int wh_document_profile(const json_t *doc, json_t **ret, struct wh_err **err);
/* Shards, platforms, staging: as if all had been one. */
int wh_document_merge(const json_t *const *docs, size_t n, json_t **ret, struct wh_err **err);

#endif
