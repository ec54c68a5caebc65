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

/* ---------------------------------------------------------------- profiles */

#define IN_MAX ((size_t)256 << 20)

void wh_documents_release(struct wh_documents *d)
{
	for (size_t i = 0; i < d->n; i++)
		json_decref(d->seen[i].profile);
	for (size_t i = 0; i < d->n_in; i++)
		json_decref(d->in[i]);
	free(d->seen);
	free(d->in);
	wh_strv_release(&d->in_files);
	wh_strv_release(&d->texts);
}

void wh_documents_saw(struct wh_documents *d, const struct wh_vertex *v, json_t *profile)
{
	WH_PUSH(d->seen, d->n, d->cap).v = v;
	d->seen[d->n - 1].profile = json_incref(profile);
}

int wh_documents_read(struct wh_documents *d, const struct wh_build_spec *s, struct wh_err **err)
{
	d->in = wh_calloc(s->profile_in.n + 1, sizeof(*d->in));
	for (; d->n_in < s->profile_in.n; d->n_in++) {
		const char *path = s->profile_in.v[d->n_in];
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		int r = wh_read_file(AT_FDCWD, path, IN_MAX, &text);

		if (r < 0)
			return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the profile %s", path);
		r = wh_document_read(text.n ? text.p : "", text.n, path, &d->in[d->n_in], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int wh_documents_in(struct wh_documents *d, const struct wh_strv **ret, struct wh_err **err)
{
	wh_strv_release(&d->texts);
	d->texts = (struct wh_strv){0};
	for (size_t i = 0; i < d->n_in; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_JSON json_t *profile = NULL;
		int r = wh_document_profile(d->in[i], &profile, err);

		if (r < 0)
			return r;
		wh_json_dump(profile, &text);
		wh_strv_add(&d->texts, text.p);
	}
	*ret = d->n_in ? &d->texts : NULL;
	return 0;
}

static const json_t *seen_of(const struct wh_documents *d, const struct wh_vertex *v)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->seen[i].v == v)
			return d->seen[i].profile;
	return NULL;
}

/* The PROFILEs that the target's tree depends on. */
static size_t profiles_of(const struct wh_documents *d, const struct wh_target *t, const json_t ***ret)
{
	const struct wh_vertex *v = t->state;
	const json_t **list = NULL, *one;
	size_t n = 0, cap = 0;

	if (v && v->kind == WH_OP_PRUNE) {
		for (size_t i = 1; i < v->n_inputs; i++)
			if ((one = seen_of(d, v->inputs[i])))
				WH_PUSH(list, n, cap) = one;
	} else {
		for (; v && v->kind == WH_OP_PROFILE; v = v->inputs[0])
			if ((one = seen_of(d, v)))
				WH_PUSH(list, n, cap) = one;
	}
	*ret = list;
	return n;
}

int wh_document_save(const json_t *doc, const char *path, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_document_dump(doc, &text);
	return wh_streq(path, "-") ? wh_cli_say(&text) : wh_cli_write_file(path, text.p, text.n, "the profile", err);
}

static int profiles_out(const struct wh_documents *d, const struct wh_build_spec *s, const struct wh_built *built, size_t n,
			struct wh_err **err)
{
	WH_AUTO_FREE json_t **docs = wh_calloc(n + 1, sizeof(json_t *));
	WH_AUTO_JSON json_t *all = NULL;
	size_t made = 0;
	int r = 0;

	for (; made < n && r == 0; made += r == 0) {
		WH_AUTO_FREE const json_t **list = NULL;
		size_t k = profiles_of(d, &built[made].target, &list);
		const struct wh_document_opts o = {.platform = built[made].target.platform, .when = s->profile_tests};

		r = wh_document_make(list, k, &o, &docs[made], err);
	}
	if (r == 0)
		r = wh_document_merge((const json_t *const *)docs, n, &all, err);
	for (size_t i = 0; i < made; i++)
		json_decref(docs[i]);
	return r < 0 ? r : wh_document_save(all, s->profile_out, err);
}

/* ---------------------------------------------------------------- all of them */

static bool is_profiled(const struct wh_target *t)
{
	return t->state && (t->state->kind == WH_OP_PRUNE || t->state->kind == WH_OP_PROFILE);
}

int wh_documents_check(const struct wh_build_spec *s, const struct wh_target *t, struct wh_err **err)
{
	const char *flag = s->profile_out && !is_profiled(t)                                           ? "--profile-out"
			   : s->profile_in.n && !(t->state && t->state->kind == WH_OP_PRUNE)            ? "--profile-in"
			   : s->runtime_out && !t->prove                                                ? "--runtime-out"
													: NULL;

	if (!flag)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s: the target (stage %s) has no %s", flag, t->stage,
		   wh_streq(flag, "--profile-out") ? "PROFILE" : "PRUNE");
	wh_err_hint(err, "what an application needs is known of stages with PROFILE and PRUNE; --target names one");
	return -EINVAL;
}

int wh_documents_write(const struct wh_documents *d, const struct wh_build_spec *s, const struct wh_built *built, size_t n,
		       struct wh_err **err)
{
	int r = s->profile_out ? profiles_out(d, s, built, n, err) : 0;

	for (size_t i = 0; s->runtime_out && i < n && r == 0; i++)
		r = runtime_of(s, &built[i], n > 1, err);
	return r;
}
