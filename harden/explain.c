/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/removed.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_VIA 16

/* The item of a path in the report's "kept"; NULL: none. */
static const json_t *kept_item(const json_t *report, const char *path)
{
	const json_t *kept = json_object_get(report, "kept");

	for (size_t i = 0; i < json_array_size(kept); i++) {
		const json_t *o = json_array_get(kept, i);
		const char *s = wh_json_str(o, "path");
		WH_AUTO_FREE char *p = s ? wh_path_of_json(s) : NULL;

		if (wh_streq(p, path))
			return o;
	}
	return NULL;
}

static const char *rel(const char *path)
{
	return path + strspn(path, "/");
}

static bool listed(const json_t *list, const char *path)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		WH_AUTO_FREE char *p = s ? wh_path_of_json(s) : NULL;

		if (wh_streq(p, path))
			return true;
	}
	return false;
}

static void add_access(struct wh_buf *out, const char *access)
{
	static const struct {
		char letter;
		const char *word;
	} words[] = {
		{'r', "read"},     {'w', "written"},           {'x', "executed"}, {'s', "looked at"},
		{'l', "listed"},   {'c', "made things there"}, {'d', "removed"},  {'m', "changed"},
		{'k', "followed"}, {'u', "connected to"},      {'g', "entered"},
	};
	bool first = true;

	for (size_t i = 0; access && i < WH_ARRAY_SIZE(words); i++) {
		if (!strchr(access, words[i].letter))
			continue;
		wh_buf_addf(out, "%s%s", first ? " — " : ", ", words[i].word);
		first = false;
	}
}

static void add_by(struct wh_buf *out, const json_t *o)
{
	const json_t *by = json_object_get(o, "by");
	const char *program = wh_json_str(by, "program"), *script = wh_json_str(by, "script");

	if (program)
		wh_buf_addf(out, " by /%s", program);
	if (script)
		wh_buf_addf(out, " (script /%s)", script);
}

/* " — needed by /a, which is needed by /b" up to something that was observed. */
static void add_via(const json_t *report, struct wh_buf *out, const json_t *o)
{
	const char *via = wh_json_str(o, "via");

	for (unsigned n = 0; via && n < MAX_VIA; n++) {
		WH_AUTO_FREE char *path = wh_path_of_json(via);

		wh_buf_addf(out, "%s/%s", n ? ", that by " : " — needed by ", via);
		o = kept_item(report, path);
		via = o && !wh_streq(wh_json_str(o, "rule"), "observed") ? wh_json_str(o, "via") : NULL;
	}
}

static void add_kept(const json_t *report, struct wh_buf *out, const json_t *o)
{
	const char *rule = wh_json_str(o, "rule");
	bool observed = wh_streq(rule, "observed");

	wh_buf_addf(out, "/%s: kept: %s", wh_json_str(o, "path"), rule);
	if (observed) {
		add_access(out, wh_json_str(o, "access"));
		add_by(out, o);
	} else if (wh_streq(rule, "parent")) {
		wh_buf_addf(out, " — of /%s", wh_json_str(o, "via"));
	} else {
		add_via(report, out, o);
	}
	wh_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- */

static int count(void *arg, const struct wh_node_ref *n)
{
	size_t *total = arg;

	*total += n->e.type != WH_T_DIR;
	return 0;
}

static const json_t *removed_at(const json_t *report, const char *path)
{
	return wh_removed_find(json_object_get(report, "removed_tree"), path);
}

static void add_below(const json_t *report, struct wh_buf *out, struct wh_tree *pruned, const char *dir)
{
	size_t kept = 0;

	wh_tree_walk(pruned, dir, count, &kept);
	wh_buf_addf(out, "/%s: a directory: %zu files and links below it kept, %zu removed\n", dir, kept,
		    wh_removed_count(removed_at(report, dir)));
}

static void add_removed(const json_t *report, struct wh_buf *out, const char *path)
{
	const json_t *gone = removed_at(report, path);

	wh_buf_addf(out, "/%s: removed: ", path);
	if (listed(json_object_get(report, "shells_removed"), path))
		wh_buf_adds(out, "a shell");
	else
		wh_buf_adds(out, "nothing was seen to use it, and no rule needs it");
	if (json_is_string(gone))
		wh_buf_addf(out, " (of package %s)", json_string_value(gone));
	if (json_is_object(gone))
		wh_buf_addf(out, " (a directory, with %zu files and links)", wh_removed_count(gone));
	wh_buf_addc(out, '\n');
}

/* Kept, removed, or neither. */
static bool add_verdict(const json_t *report, struct wh_buf *out, const char *path)
{
	const json_t *o = kept_item(report, path);

	if (o)
		add_kept(report, out, o);
	else if (*path && removed_at(report, path))
		add_removed(report, out, path);
	else
		return false;
	return true;
}

static void add_links(const json_t *report, struct wh_tree *t, const struct wh_strv *links, struct wh_buf *out)
{
	for (size_t i = 0; i < links->n; i++) {
		struct wh_node_ref link;

		if (wh_tree_lookup(t, links->v[i], &link) == 0 && link.e.link)
			wh_buf_addf(out, "/%s: a link to %s\n", links->v[i], link.e.link);
		add_verdict(report, out, links->v[i]);
	}
}

int wh_explain(const json_t *report, struct wh_tree *pruned, struct wh_tree *full, const char *path, struct wh_buf *out,
	       struct wh_err **err)
{
	struct wh_tree *t = full ? full : pruned;
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	int r = wh_walk(t, path, true, &links, &canonical, &n);

	if (!json_is_array(json_object_get(report, "kept")))
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the image's prune report is damaged");
	add_links(report, t, &links, out);
	if (r == 0) {
		add_verdict(report, out, canonical);
		if (n.e.type == WH_T_DIR && wh_tree_lookup(pruned, canonical, &n) == 0)
			add_below(report, out, pruned, canonical);
		return 0;
	}
	/* What went is known by its path alone. */
	if (wh_tree_resolve(t, path, true, true, &canonical, NULL) < 0)
		canonical = wh_path_abs_in("/", path);
	if (!add_verdict(report, out, rel(canonical)))
		wh_buf_addf(out, "/%s: never in the image\n", rel(canonical));
	return 0;
}
