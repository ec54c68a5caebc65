/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: an image's layers as they are (nothing is fetched or unpacked), or a local directory. */
#include "builder/builder_private.h"

#include <errno.h>
#include <time.h>

#define LOCAL "local://"

/* RFC 3339 as image configs have it, to seconds; 0 when it is not one. */
static int64_t when(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t t;

	if (!rest)
		return 0;
	t = timegm(&tm);
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if ((*rest == '+' || *rest == '-') && strlen(rest) == 6) {
		int64_t off =
			((rest[1] - '0') * 10 + (rest[2] - '0')) * 3600 + ((rest[4] - '0') * 10 + (rest[5] - '0')) * 60;

		t += *rest == '+' ? -off : off;
	}
	return t;
}

int wh_source_solve(struct wh_node *n, struct wh_err **err)
{
	const struct wh_op_source *s = n->v->op.source;
	const struct wh_image *image;
	size_t i;
	int r;

	if (wh_has_prefix(s->ref, LOCAL)) {
		n->local_path = wh_builder_local(n->b, s->ref + strlen(LOCAL));
		if (!n->local_path)
			return wh_err_set(err, "builder", WH_ERR_INTERNAL, ENOENT,
					  "%s: no such local directory is known", s->ref);
		n->result.cached = true;
		return 0;
	}
	r = wh_builder_source_image(n->b, s->ref, s->platform, &image, err);
	if (r < 0)
		return r;
	n->result.layers = wh_calloc(image->n_layers, sizeof(*n->result.layers));
	for (i = 0; i < image->n_layers; i++)
		wh_layer_copy(&n->result.layers[i], &image->layers[i]);
	n->result.n_layers = image->n_layers;
	n->result.cached = true;
	/* Not the layers' own newest time: that is known only once they were read, and must not depend on it. */
	n->base_time = when(wh_json_str(image->config, "created"));
	if (n->base_time < 0)
		n->base_time = 0;
	return 0;
}
