/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build --verify-reproducible: the same graph once more, and what came out otherwise.
 *
 *   first build ─▶ outcomes ┐
 *   second build ─▶ outcomes ┴▶ vertex by vertex, layer by layer (verify_layers.c) ─▶ a report (JSON) ─▶ text
 *
 * The report:
 *   {"schema":1, "reproducible":true|false,
 *    "steps":N,      steps that make files        "layers":N,   those that made a layer, in the first build
 *    "files":N,      entries of layers that differ "writers":N, the steps that wrote them
 *    "image_differs":true   no layer differs, but the image does (absent otherwise)
 *    "differences":[{"step":"[2/3] RUN date > /d", "dockerfile":"Dockerfile", "line":3, "instruction":"RUN date > $f",
 *                    "platform"?:…, "follows":false, "context_changed"?:true,
 *                    "files":[{"path":"/d", "kinds":["size","content","time"], "first":{entry}, "second":{entry},
 *                              "offset":17, "line":1, "first_line":"…", "second_line":"…", "known_as":"…"}, …],
 *                    "seen":[{"path":"/x", "list":"used", "in":"first"}, …]   PROFILE: what was observed once
 *                   }, …]}
 *   entry: {"type":"file", "mode":"0644", "owner":"0:0", "size":N, "digest":"sha256:…", "link":"…", "device":"1:3",
 *           "xattrs":{name: digest}, "time":"2026-01-01T00:00:00Z", "opaque":true}; a whiteout has the type "removed". One
 *           that is not there is null.
 *   kinds: presence, type, mode, owner, device, link, size, content, xattr, opaque, time
 *
 * Steps at which a difference begins come first, in the order of the file; then those ("follows") whose inputs had come
 * out otherwise already.
 */
#ifndef WH_CLI_VERIFY_BUILD_H
#define WH_CLI_VERIFY_BUILD_H

#include "cli/cli.h"

/* ---- verify_layers.c ---- */

/* What differs between two layers, either of which may be NULL (none was made): "files" as above. In the user
 * namespace, as contents are read. */
int wh_verify_layers(struct wh_store *s, const struct wh_layer *a, const struct wh_layer *b, json_t **ret, struct wh_err **err);
/* Where two texts begin to differ, as fields of an entry of "files": offset and, where both look like text, line, first_line,
 * second_line; known_as for what is known to differ there. Nothing where they are equal. */
void wh_verify_texts(const char *a, size_t na, const char *b, size_t nb, json_t *into);

/* ---- verify_build.c ---- */

/* Vertex by vertex; both are solves of one graph. */
int wh_verify_compare(struct wh_store *s, const struct wh_outcomes *first, const struct wh_outcomes *second, json_t **ret,
		      struct wh_err **err);
/* For people: one paragraph a step, at most so many files each. Appends. */
void wh_verify_print(const json_t *report, size_t max_files, struct wh_buf *out);

struct wh_verify {
	const struct wh_build_spec *spec;
	struct wh_store *store;
	struct wh_progress *progress;
	const struct wh_builder_opts *opts;  /* of the first build */
	const struct wh_target *targets;
	const struct wh_image *images;       /* what the first build made of them */
	size_t n;
	struct wh_outcomes first;            /* the caller releases it */
	char *told;                          /* set: one line for the user, when all is the same; the caller frees it */
};
/* Between two builders: no thread may be running. 0: the same; else an error, of class GATE when something differs. */
int wh_verify_build(struct wh_verify *v, struct wh_err **err);

#endif
