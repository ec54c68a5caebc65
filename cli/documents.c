/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/documents.h"

#include <errno.h>

static int write_one(const char *dir, const char *name, const struct wh_buf *text, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);

	return wh_cli_write_file(path, text->n ? text->p : "", text->n, name, err);
}

static int write_json(const char *dir, const char *name, const json_t *j, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	char *s = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);

	wh_buf_addf(&text, "%s\n", s ? s : "{}");
	free(s);
	return write_one(dir, name, &text, err);
}

static void remove_old(const char *dir, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);

	(void)unlink(path);
}

char *wh_name_of_image(const char *image)
{
	const char *at = strchr(image, '@'), *end = at ? at : image + strlen(image), *slash = image, *colon = NULL;

	for (const char *p = image; p < end; p++) {
		if (*p == '/') {
			slash = p + 1;
			colon = NULL;
		} else if (*p == ':') {
			colon = p;
		}
	}
	if (colon && colon >= slash)
		end = colon;
	return end > slash ? wh_strndup(slash, (size_t)(end - slash)) : wh_strdup("app");
}

int wh_runtime_out(const char *dir, const json_t *privileges, const json_t *proof, const char *image, const char *name,
		   struct wh_err **err)
{
	int r = wh_mkdir_p(AT_FDCWD, dir, 0755);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "make %s", dir);
	if (!privileges) { /* nothing could be proven: what lies there is of another image */
		remove_old(dir, "privileges.json");
		for (size_t form = 0; form < WH_RUNTIME_FORMS; form++)
			remove_old(dir, wh_runtime_files[form]);
		return write_json(dir, "proof.json", proof, err);
	}
	r = write_json(dir, "privileges.json", privileges, err);
	if (r == 0 && proof) {
		r = write_json(dir, "proof.json", proof, err);
	} else if (r == 0) {
		remove_old(dir, "proof.json"); /* it would speak of other documents */
	}
	for (size_t form = 0; form < WH_RUNTIME_FORMS && r == 0; form++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		r = wh_runtime_write(privileges, (enum wh_runtime_form)form, image, name, &text, err);
		if (r == 0)
			r = write_one(dir, wh_runtime_files[form], &text, err);
	}
	return r;
}

static int runtime_of(const struct wh_build_spec *s, const struct wh_built *b, bool several, struct wh_err **err)
{
	const json_t *privileges = json_object_get(b->hardening.runtime, "privileges");
	const char *image = s->tags.n ? s->tags.v[0] : "image";
	WH_AUTO_FREE char *name = s->tags.n ? wh_name_of_image(image) : wh_strdup("app"), *dir = NULL;

	dir = several ? wh_asprintf("%s/%s", s->runtime_out, b->target.platform) : wh_strdup(s->runtime_out);
	for (char *c = dir + strlen(s->runtime_out) + 1; several && *c; c++) /* as outputs of several platforms have it */
		if (*c == '/')
			*c = '_';
	return wh_runtime_out(dir, privileges, json_object_get(b->hardening.runtime, "proof"), image, name, err);
}

int wh_documents_check(const struct wh_build_spec *s, const struct wh_target *t, struct wh_err **err)
{
	if (!s->runtime_out || t->prove)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--runtime-out: the target (stage %s) has no PRUNE", t->stage);
	wh_err_hint(err, "what an application needs is known of stages with PROFILE and PRUNE; --target names one");
	return -EINVAL;
}

int wh_documents_write(const struct wh_build_spec *s, const struct wh_built *built, size_t n, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; s->runtime_out && i < n && r == 0; i++)
		r = runtime_of(s, &built[i], n > 1, err);
	return r;
}
