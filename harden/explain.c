/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/closure_table.h"
#include "harden/removed.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_VIA 16

/* The item of a path in one of the report's lists; NULL: none. */
static const json_t *listed_item(const json_t *report, const char *list, const char *path)
{
	const json_t *a = json_object_get(report, list);

	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		const char *s = wh_json_str(o, "path");
		WH_AUTO_FREE char *p = s ? wh_path_of_json(s) : NULL;

		if (wh_streq(p, path))
			return o;
	}
	return NULL;
}

/* The item of a path in the report's "kept"; NULL: none. */
static const json_t *kept_item(const json_t *report, const char *path)
{
	return listed_item(report, "kept", path);
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

/* A report tells the rule's name; what the rule says is this program's, as the report may be of another version. */
static void add_rule(struct wh_buf *out, const char *name)
{
	wh_buf_addf(out, " by rule closure/%s", name);
	for (size_t i = 0; i < wh_closure_rows; i++)
		if (wh_streq(wh_closure_table[i].name, name)) {
			wh_buf_addf(out, ": %s", wh_closure_table[i].says);
			return;
		}
}

/* Who looked for it on the pruned tree, and when. */
static void add_seeker(struct wh_buf *out, const json_t *o)
{
	const char *test = wh_json_str(o, "test"), *phase = wh_json_str(o, "phase");

	wh_buf_adds(out, " looked for");
	add_by(out, o);
	if (test)
		wh_buf_addf(out, " in test \"%s\"", test);
	else if (phase)
		wh_buf_addf(out, " in phase %s", phase);
}

static void add_unforeseen(const json_t *report, struct wh_buf *out, const char *path)
{
	const json_t *o = listed_item(report, "unforeseen", path);

	if (!o)
		return;
	wh_buf_adds(out, " — not foreseen by the profile;");
	add_seeker(out, o);
	wh_buf_addf(out, " on the pruned tree, put back in round %lld", (long long)wh_json_int(o, "round", 0));
}

static void add_lacking(const json_t *report, struct wh_buf *out, const char *path)
{
	const json_t *o = listed_item(report, "lacking", path);

	if (!o)
		return;
	wh_buf_adds(out, ";");
	add_seeker(out, o);
	wh_buf_addf(out, " in vain, and not put back (%s)", wh_json_str(o, "why") ? wh_json_str(o, "why") : "?");
}

static void add_kept(const json_t *report, struct wh_buf *out, const json_t *o)
{
	const char *rule = wh_json_str(o, "rule"), *name = wh_json_str(o, "name"), *via = wh_json_str(o, "via");
	bool observed = wh_streq(rule, "observed");

	wh_buf_addf(out, "/%s: kept", wh_json_str(o, "path"));
	if (name) {
		add_rule(out, name);
		if (via)
			wh_buf_addf(out, " — set off by /%s", via);
		wh_buf_addc(out, '\n');
		return;
	}
	wh_buf_addf(out, ": %s", rule);
	if (observed) {
		add_access(out, wh_json_str(o, "access"));
		add_by(out, o);
	} else if (wh_streq(rule, "parent")) {
		wh_buf_addf(out, " — of /%s", wh_json_str(o, "via"));
	} else {
		add_via(report, out, o);
	}
	if (wh_streq(rule, "repair")) {
		WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(o, "path"));

		add_unforeseen(report, out, path);
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
	add_lacking(report, out, path);
	if (wh_removed_owner(gone))
		wh_buf_addf(out, " (of package %s)", wh_removed_owner(gone));
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

/* ---------------------------------------------------------------- what was there: the pruned tree and what went */

struct union_tree {
	const json_t *report;
	struct wh_tree *pruned;
	struct wh_node_ref n;
	char *link; /* the last one's text */
};

static int at_union(void *arg, const char *path, const char **ret_link)
{
	struct union_tree *u = arg;
	const json_t *gone;

	if (wh_tree_lookup(u->pruned, path, &u->n) == 0) {
		*ret_link = u->n.e.link;
		return u->n.e.type == WH_T_DIR       ? WH_WALK_DIR
		       : u->n.e.type == WH_T_SYMLINK ? WH_WALK_LINK
						     : WH_WALK_OTHER;
	}
	gone = removed_at(u->report, path);
	if (!gone)
		return -ENOENT;
	if (!json_is_array(gone))
		return json_is_object(gone) ? WH_WALK_DIR : WH_WALK_OTHER;
	if (!json_is_string(json_array_get(gone, 0)))
		return -ENOENT;
	free(u->link);
	u->link = wh_path_of_json(json_string_value(json_array_get(gone, 0)));
	*ret_link = u->link;
	return WH_WALK_LINK;
}

static void add_links(struct union_tree *u, const struct wh_strv *links, struct wh_buf *out)
{
	for (size_t i = 0; i < links->n; i++) {
		const char *link;

		if (at_union(u, links->v[i], &link) == WH_WALK_LINK)
			wh_buf_addf(out, "/%s: a link to %s\n", links->v[i], link);
		add_verdict(u->report, out, links->v[i]);
	}
}

int wh_explain(const json_t *report, struct wh_tree *pruned, const char *path, struct wh_buf *out, struct wh_err **err)
{
	struct union_tree u = {.report = report, .pruned = pruned};
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *canonical = NULL;
	int r;

	if (!json_is_array(json_object_get(report, "kept")) || !json_is_object(json_object_get(report, "removed_tree")))
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG,
				  "the image's prune report is damaged, or of another version");
	r = wh_walk_by(at_union, &u, path, true, &links, &canonical);
	add_links(&u, &links, out);
	if (r == 0) {
		add_verdict(report, out, canonical);
		if (wh_tree_lookup(pruned, canonical, &u.n) == 0 && u.n.e.type == WH_T_DIR)
			add_below(report, out, pruned, canonical);
	} else {
		WH_AUTO_FREE char *clean = wh_path_abs_in("/", path);

		wh_buf_addf(out, "%s: %s\n", clean, links.n ? "leads nowhere, and never did" : "never in the image");
	}
	free(u.link);
	return 0;
}

/* ---------------------------------------------------------------- the rules */

/* At most 100 columns, the words one by one. */
static void add_words(struct wh_buf *out, const char *title, const char *words)
{
	size_t column = 0;

	if (!words)
		return;
	wh_buf_addf(out, "    %s", title);
	column = 4 + strlen(title);
	for (const char *p = words; *p;) {
		size_t n = strcspn(p, " ");

		if (column + 1 + n > 100) {
			wh_buf_adds(out, "\n       ");
			column = 7;
		}
		wh_buf_addf(out, " %.*s", (int)n, p);
		column += 1 + n;
		p += n + (p[n] == ' ');
	}
	wh_buf_addc(out, '\n');
}

void wh_explain_rules(struct wh_buf *out)
{
	static const char *const evidence[] = {
		[WH_SEEN] = "when seen:",
		[WH_SOUGHT] = "when seen or looked for:",
		[WH_KEPT] = "when kept:",
		[WH_IMPORT] = "when kept code imports:",
		[WH_NAMED] = "when kept code has in its data:",
		[WH_ENV] = "when the image's environment has:",
	};

	for (size_t i = 0; i < wh_closure_rows; i++) {
		const struct wh_rule_row *row = &wh_closure_table[i];

		if (!i || !wh_streq(row->name, row[-1].name))
			wh_buf_addf(out, "%s%s: %s\n", i ? "\n" : "", row->name, row->says);
		add_words(out, evidence[row->when], row->match);
		add_words(out, row->fn ? "keeps what that leads to, and:" : "keeps:", row->keep);
	}
}
