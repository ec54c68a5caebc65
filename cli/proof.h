/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build proves of its image: figures before and after, SBOM, findings, verdict; as text for the user, and as artifacts
 * for whoever gets the image.
 *
 *   hardening + trees ──▶ wh_proof ──▶ summary
 *                                └──▶ artifacts of one manifest: signed statements, or plain ones without a key
 *
 * The same image in another compression has another manifest, so each gets artifacts of its own.
 */
#ifndef WH_CLI_PROOF_H
#define WH_CLI_PROOF_H

#include "builder/builder.h"
#include "cli/cli.h"
#include "evidence/evidence.h"

struct wh_proof;
struct wh_proof_opts {
	struct wh_store *store;
	const struct wh_image *image;
	const struct wh_hardening *hardening; /* present false: an image that was not pruned */
	const char *name;                     /* as the user named it, or NULL */
	json_t *provenance;                   /* how it was built, or NULL: not to be told */
	bool built_only;                      /* that alone: no tree is read */
	const struct wh_layer_opts *removed;  /* how to write what PRUNE took away; NULL: it is not kept */
};
/* Reads both trees. Inside the user namespace. Options are copied but for the store. */
int wh_proof_make(const struct wh_proof_opts *o, struct wh_proof **ret, struct wh_err **err);
void wh_proof_free(struct wh_proof *p);
/* Writes the artifacts of the image into the store. signer NULL: unsigned. repo: the image's name without tag, or "". */
int wh_proof_attach(struct wh_proof *p, const struct wh_image *i, const struct wh_signer *signer, const struct wh_strv *repos,
		    struct wh_artifacts *list, struct wh_err **err);
/* provenance.c: the predicate. dockerfile: how the user called it, or NULL. New reference. */
json_t *wh_provenance_of(const struct wh_build_spec *s, const char *dockerfile, const struct wh_graph *g, const struct wh_target *t,
			 enum wh_isolation isolation);
/* The statements as they are, without a key, each a referrer of its own. */
int wh_proof_attach_plain(struct wh_store *s, const char *name, const struct wh_image *i, const struct wh_attest_item *items, size_t n,
			  struct wh_artifacts *list, struct wh_err **err);
/* A table for people; nothing for an image that was not pruned. */
void wh_proof_summary(const struct wh_proof *p, struct wh_buf *out);

#endif
