/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of a build that go into files of their own, beside the image: for git, for runtimes. */
#ifndef WH_CLI_DOCUMENTS_H
#define WH_CLI_DOCUMENTS_H

#include "cli/cli.h"

/* Profiles as they become known (wh_builder_opts.judge_profile), and those of --profile-in. */
struct wh_documents {
	struct {
		const struct wh_vertex *v;
		json_t *profile;
	} * seen;
	size_t n, cap;
	json_t **in; /* documents */
	struct wh_strv in_files;
	size_t n_in;
	struct wh_strv texts; /* of one platform: what the frontend wants */
};
void wh_documents_release(struct wh_documents *d);
void wh_documents_saw(struct wh_documents *d, const struct wh_vertex *v, json_t *profile); /* takes a reference */
/* Reads and checks the files of --profile-in. */
int wh_documents_read(struct wh_documents *d, const struct wh_build_spec *s, struct wh_err **err);
/* As profiles, whatever platforms they are of: what a tree has not is not kept. Valid until the next call. */
int wh_documents_in(struct wh_documents *d, const struct wh_strv **ret, struct wh_err **err);
/* Can the target give what the spec asks for? Before anything runs. */
int wh_documents_check(const struct wh_build_spec *s, const struct wh_target *t, struct wh_err **err);
/* What the spec asks for, of images that are finished. */
int wh_documents_write(const struct wh_documents *d, const struct wh_build_spec *s, const struct wh_built *built, size_t n,
		       struct wh_err **err);
/* A document to a file, or standard output for "-". */
int wh_document_save(const json_t *doc, const char *path, struct wh_err **err);
/* What a runtime is to be told, into a directory, which is made: privileges.json, proof.json (proof NULL: none, and an old one goes;
 * privileges NULL: proof alone, which says why) and the files of
 * wh_runtime_files. image: as the user calls it. */
int wh_runtime_out(const char *dir, const json_t *privileges, const json_t *proof, const char *image, const char *name,
		   struct wh_err **err);
/* "shop" of "registry.example/team/shop:1.4". malloc'ed. */
char *wh_name_of_image(const char *image);

#endif
