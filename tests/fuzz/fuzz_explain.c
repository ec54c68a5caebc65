/* SPDX-License-Identifier: Apache-2.0 */
/* A prune report as an image brings it: asked or refused with one line; nothing of it commands the terminal. */
#include "cli/explain_words.h"
#include "harden/explain_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say(const char *key, json_t *part)
{
	WH_AUTO_JSON json_t *doc = json_pack("{s:o}", key, part);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, json = WH_BUF_INIT;

	wh_explain_say(doc, &text);
	for (size_t i = 0; i < text.n; i++)
		if (((unsigned char)text.p[i] < 0x20 && text.p[i] != '\n' && text.p[i] != '\t') || text.p[i] == 0x7f)
			abort();
	wh_json_dump(doc, &json);
	if (!wh_buf_ok(&json) || !wh_buf_ok(&text))
		abort();
}

static void ask(struct wh_explained *x, const char *arg)
{
	json_t *asked, *list = json_array();

	if (wh_explained_path(x, arg, &asked, NULL) == 0)
		json_array_append_new(list, asked);
	say("paths", list);
}

static void ask_all(struct wh_explained *x)
{
	static const char *const args[] = {"/", "/usr/lib", "/a/b/../c", "/**/a*", "/usr/*", "/none/of/these"};
	static const struct wh_explained_want want = {.kept = true, .removed = true};
	WH_AUTO_STRV struct wh_strv none = {0}, some = {0};
	json_t *list;

	wh_strv_add(&some, "/usr");
	for (size_t i = 0; i < WH_ARRAY_SIZE(args); i++)
		ask(x, args[i]);
	for (size_t i = 0; i < x->n_gone && i < 10; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("/%s", x->gone[i].path);

		ask(x, path);
	}
	for (const struct wh_ex_seen *s = x->seen; s; s = s->hh.next)
		if (s->first->profile == 0)
			ask(x, s->path);
	if (wh_explained_list(x, false, &none, &list, NULL) == 0)
		say("removed", list);
	if (wh_explained_packages(x, &want, &some, &list, NULL) == 0)
		say("packages", list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *predicate = NULL;
	struct wh_explained *x = NULL;
	struct wh_tree *empty = NULL;

	if (size > 65536 || wh_json_parse((const char *)data, size, "input", &predicate, NULL) < 0)
		return 0;
	if (wh_tree_open(NULL, NULL, 0, &empty, NULL) < 0)
		abort();
	if (wh_explained_open(predicate, empty, &x, &err) == 0) {
		ask_all(x);
		wh_explained_close(x);
	} else if (!err || strchr(err->msg, '\n')) {
		abort();
	}
	wh_tree_close(empty);
	return 0;
}
