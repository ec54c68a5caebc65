/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A difference as a reviewer reads it: what the application has come to do and what is newly known to be wrong with it first, then what it is made of. Files of
 * packages are counted, all others named.
 */
#include "cli/diff.h"

#include <inttypes.h>

#define VALUE_MAX 200 /* bytes of a config's value */

struct telling {
	struct wh_buf *out;
	bool markdown, colours, all_files;
};

static const struct {
	const char *mark, *colour;
} marks[] = {{"+", "\033[32m"}, {"-", "\033[31m"}, {"~", "\033[33m"}};
enum mark { ADDED, GONE, CHANGED };

/* Nothing that an image holds becomes a control character, a tag or a row of a table. */
static void foreign(const struct telling *t, const char *text)
{
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;

	wh_text_add_safe(&safe, text, strlen(text));
	if (!t->markdown) {
		wh_buf_add(t->out, safe.p ? safe.p : "", safe.n);
		return;
	}
	wh_buf_adds(t->out, "<code>");
	for (size_t i = 0; i < safe.n; i++) {
		switch (safe.p[i]) {
		case '&': wh_buf_adds(t->out, "&amp;"); break;
		case '<': wh_buf_adds(t->out, "&lt;"); break;
		case '>': wh_buf_adds(t->out, "&gt;"); break;
		case '|': wh_buf_adds(t->out, "&#124;"); break;
		case '`': wh_buf_adds(t->out, "&#96;"); break;
		case '*': wh_buf_adds(t->out, "&#42;"); break;
		case '_': wh_buf_adds(t->out, "&#95;"); break;
		case '[': wh_buf_adds(t->out, "&#91;"); break;
		case '\\': wh_buf_adds(t->out, "&#92;"); break;
		default: wh_buf_addc(t->out, safe.p[i]);
		}
	}
	wh_buf_adds(t->out, "</code>");
}

static void title(const struct telling *t, const char *text)
{
	wh_buf_addf(t->out, t->markdown ? "\n### %s\n\n" : "\n%s\n", text);
}

static void begin(const struct telling *t, enum mark m)
{
	if (t->markdown)
		wh_buf_addf(t->out, "- %s ", m == ADDED ? "added" : m == GONE ? "removed" : "changed");
	else
		wh_buf_addf(t->out, "  %s%s%s ", t->colours ? marks[m].colour : "", marks[m].mark, t->colours ? "\033[0m" : "");
}

static void end(const struct telling *t)
{
	wh_buf_addc(t->out, '\n');
}

static size_t count(const json_t *diff, const char *section, const char *list)
{
	return json_array_size(json_object_get(json_object_get(diff, section), list));
}

/* ---------------------------------------------------------------- in a line */

static void part(struct wh_buf *b, size_t n, const char *one, const char *more)
{
	if (n)
		wh_buf_addf(b, "%s%zu %s", b->n ? ", " : "", n, n == 1 ? one : more);
}

static void summary(const struct telling *t, const json_t *diff)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const json_t *one, *behaviour = json_object_get(diff, "behaviour"), *findings = json_object_get(diff, "findings");
	size_t up = 0, down = 0, needs = json_array_size(json_object_get(behaviour, "added")), bad = 0, i;

	json_array_foreach (json_object_get(json_object_get(diff, "packages"), "changed"), i, one)
		*(wh_streq(wh_json_str(one, "direction"), "upgraded") ? &up : &down) += 1;
	json_array_foreach (json_object_get(findings, "new"), i, one)
		bad += wh_streq(wh_json_str(one, "severity"), "high") || wh_streq(wh_json_str(one, "severity"), "critical");
	part(&b, needs, "new need of the application", "new needs of the application");
	part(&b, json_array_size(json_object_get(behaviour, "gone")), "need gone", "needs gone");
	part(&b, count(diff, "findings", "new"), "new finding", "new findings");
	if (bad)
		wh_buf_addf(&b, " (%zu high or critical)", bad);
	part(&b, count(diff, "findings", "gone"), "finding gone", "findings gone");
	part(&b, up, "package upgraded", "packages upgraded");
	part(&b, down, "package downgraded", "packages downgraded");
	part(&b, count(diff, "packages", "added"), "package added", "packages added");
	part(&b, count(diff, "packages", "removed"), "package removed", "packages removed");
	part(&b, json_array_size(json_object_get(diff, "config")), "setting changed", "settings changed");
	part(&b, count(diff, "files", "added") + count(diff, "files", "removed") + count(diff, "files", "changed"), "file differs",
	     "files differ");
	wh_buf_addf(t->out, "%s\n", b.n ? b.p : "no difference");
}

/* ---------------------------------------------------------------- sections */

static void needs_of(const struct telling *t, const json_t *list, enum mark m, enum wh_need_kind kind)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const char *chain = wh_json_str(one, "chain"), *when = wh_json_str(one, "when"), *example = wh_json_str(one, "example"),
			   *need = wh_json_str(one, "need");

		if (!wh_streq(wh_json_str(one, "kind"), wh_need_names[kind]))
			continue;
		begin(t, m);
		wh_buf_addf(t->out, t->markdown ? "%s " : "%-13s", wh_json_str(one, "kind"));
		foreign(t, need);
		if (example && !strstr(need, example)) {
			wh_buf_adds(t->out, " (");
			foreign(t, example);
			wh_buf_addc(t->out, ')');
		}
		if (chain) {
			wh_buf_adds(t->out, " — ");
			foreign(t, chain);
		}
		if (when) {
			wh_buf_adds(t->out, ", in ");
			foreign(t, when);
		}
		end(t);
	}
}

/* What gives an attacker most comes first. */
static void needs(const struct telling *t, const json_t *list, enum mark m)
{
	static const enum wh_need_kind order[] = {WH_NEED_EXECUTABLES, WH_NEED_PORTS,	 WH_NEED_PEERS, WH_NEED_CAPABILITIES,
						  WH_NEED_WRITTEN,     WH_NEED_SYSCALLS, WH_NEED_FILES};

	for (size_t i = 0; i < WH_ARRAY_SIZE(order); i++)
		needs_of(t, list, m, order[i]);
}

static void tests(const struct telling *t, const json_t *list, enum mark m)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		begin(t, m);
		wh_buf_addf(t->out, t->markdown ? "test " : "%-13s", "test");
		foreign(t, json_string_value(one));
		end(t);
	}
}

static void behaviour(const struct telling *t, const json_t *diff)
{
	const json_t *b = json_object_get(diff, "behaviour"), *of = json_object_get(b, "tests");

	if (!json_is_true(json_object_get(b, "known"))) {
		title(t, "behaviour");
		wh_buf_addf(t->out, "%snot known: %s\n", t->markdown ? "" : "  ", wh_json_str(b, "why"));
		return;
	}
	if (!json_array_size(json_object_get(b, "added")) && !json_array_size(json_object_get(b, "gone")) &&
	    !json_array_size(json_object_get(of, "added")) && !json_array_size(json_object_get(of, "gone")))
		return;
	title(t, "behaviour");
	needs(t, json_object_get(b, "added"), ADDED);
	needs(t, json_object_get(b, "gone"), GONE);
	tests(t, json_object_get(of, "added"), ADDED);
	tests(t, json_object_get(of, "gone"), GONE);
}

static void finding_list(const struct telling *t, const json_t *list, enum mark m)
{
	static const char *const order[] = {"critical", "high", "medium", "low", "negligible", "unknown"};
	const json_t *one;
	size_t i;

	for (size_t s = 0; s < WH_ARRAY_SIZE(order); s++)
		json_array_foreach (list, i, one) {
			if (!wh_streq(wh_json_str(one, "severity"), order[s]))
				continue;
			begin(t, m);
			wh_buf_addf(t->out, t->markdown ? "%s " : "%-11s", order[s]);
			foreign(t, wh_json_str(one, "id"));
			wh_buf_adds(t->out, " in ");
			foreign(t, wh_json_str(one, "package"));
			wh_buf_addc(t->out, ' ');
			foreign(t, wh_json_str(one, "version"));
			if (wh_json_str(one, "fixed")) {
				wh_buf_adds(t->out, ", mended in ");
				foreign(t, wh_json_str(one, "fixed"));
			}
			end(t);
		}
}

static void findings(const struct telling *t, const json_t *diff)
{
	const json_t *f = json_object_get(diff, "findings");

	if (!json_is_true(json_object_get(f, "assessed"))) {
		title(t, "findings");
		wh_buf_addf(t->out, "%snot assessed: ", t->markdown ? "" : "  ");
		foreign(t, wh_json_str(f, "why"));
		end(t);
		return;
	}
	if (!json_array_size(json_object_get(f, "new")) && !json_array_size(json_object_get(f, "gone")))
		return;
	title(t, "findings");
	finding_list(t, json_object_get(f, "new"), ADDED);
	finding_list(t, json_object_get(f, "gone"), GONE);
}

static void package_list(const struct telling *t, const json_t *list, enum mark m)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const char *kind = wh_json_str(one, "kind");

		begin(t, m);
		if (kind && !wh_streq(kind, "deb"))
			wh_buf_addf(t->out, "%s ", kind);
		foreign(t, wh_json_str(one, "name"));
		wh_buf_addc(t->out, ' ');
		if (wh_json_str(one, "from")) {
			foreign(t, wh_json_str(one, "from"));
			wh_buf_adds(t->out, " → ");
		}
		foreign(t, wh_json_str(one, "version"));
		if (wh_streq(wh_json_str(one, "direction"), "downgraded"))
			wh_buf_adds(t->out, " (downgraded)");
		end(t);
	}
}

static void packages(const struct telling *t, const json_t *diff)
{
	const json_t *p = json_object_get(diff, "packages");

	if (!count(diff, "packages", "added") && !count(diff, "packages", "removed") && !count(diff, "packages", "changed"))
		return;
	title(t, "packages");
	package_list(t, json_object_get(p, "changed"), CHANGED);
	package_list(t, json_object_get(p, "added"), ADDED);
	package_list(t, json_object_get(p, "removed"), GONE);
}

static void value(const struct telling *t, const json_t *j)
{
	char *text = j && !json_is_string(j) ? json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	const char *s = j ? (text ? text : json_string_value(j)) : "(none)";
	WH_AUTO_FREE char *cut = wh_strndup(s, strlen(s) < VALUE_MAX ? strlen(s) : VALUE_MAX);

	foreign(t, cut);
	if (strlen(s) > VALUE_MAX)
		wh_buf_adds(t->out, "…");
	free(text);
}

static void config(const struct telling *t, const json_t *diff)
{
	const json_t *list = json_object_get(diff, "config"), *one;
	size_t i;

	if (json_array_size(list))
		title(t, "config");
	json_array_foreach (list, i, one) {
		const json_t *a = json_object_get(one, "a"), *b = json_object_get(one, "b");

		begin(t, !a ? ADDED : !b ? GONE : CHANGED);
		foreign(t, wh_json_str(one, "key"));
		wh_buf_adds(t->out, ": ");
		if (a)
			value(t, a);
		if (a && b)
			wh_buf_adds(t->out, " → ");
		if (b)
			value(t, b);
		end(t);
	}
}

static void file_list(const struct telling *t, const json_t *list, enum mark m, json_t *of_packages)
{
	const json_t *one, *word;
	size_t i, k;

	json_array_foreach (list, i, one) {
		const char *package = wh_json_str(one, "package");
		bool setid = json_is_true(json_object_get(one, "setid"));

		if (package && !t->all_files && !setid) {
			json_object_set_new(of_packages, package, json_integer(wh_json_int(of_packages, package, 0) + 1));
			continue;
		}
		begin(t, m);
		foreign(t, wh_json_str(one, "path"));
		json_array_foreach (json_object_get(one, "what"), k, word)
			wh_buf_addf(t->out, "%s%s", k ? ", " : " — ", json_string_value(word));
		if (setid)
			wh_buf_adds(t->out, " — SET-ID");
		if (package && t->all_files) {
			wh_buf_adds(t->out, " of ");
			foreign(t, package);
		}
		end(t);
	}
}

static void files(const struct telling *t, const json_t *diff)
{
	static const char *const lists[] = {[ADDED] = "added", [GONE] = "removed", [CHANGED] = "changed"};
	static const enum mark order[] = {CHANGED, ADDED, GONE};
	const json_t *f = json_object_get(diff, "files");
	size_t hidden = 0;

	if (!count(diff, "files", "added") && !count(diff, "files", "removed") && !count(diff, "files", "changed"))
		return;
	title(t, "files");
	for (size_t i = 0; i < WH_ARRAY_SIZE(order); i++) {
		WH_AUTO_JSON json_t *of_packages = json_object();
		const char *name;
		json_t *n;

		file_list(t, json_object_get(f, lists[order[i]]), order[i], of_packages);
		json_object_foreach (of_packages, name, n) {
			begin(t, order[i]);
			wh_buf_addf(t->out, "%lld of ", (long long)json_integer_value(n));
			foreign(t, name);
			end(t);
			hidden++;
		}
	}
	if (hidden && !t->markdown)
		wh_buf_adds(t->out, "  (--files names those of packages, too)\n");
}

static void figures(const struct telling *t, const json_t *diff)
{
	const json_t *list = json_object_get(diff, "figures"), *one;
	bool any = false;
	size_t i;

	json_array_foreach (list, i, one) {
		int64_t a = wh_json_int(one, "a", 0), b = wh_json_int(one, "b", 0);

		if (a == b)
			continue;
		if (!any) {
			title(t, "figures");
			if (t->markdown)
				wh_buf_adds(t->out, "| | before | after |\n|---|---:|---:|\n");
		}
		any = true;
		wh_buf_addf(t->out, t->markdown ? "| %s | %" PRId64 " | %" PRId64 " |\n" : "    %-14s %14" PRId64 " → %" PRId64 "\n",
			    wh_json_str(one, "name"), a, b);
	}
}

static void tell(const struct telling *t, const json_t *diff)
{
	if (t->markdown)
		wh_buf_adds(t->out, "## ");
	foreign(t, wh_json_str(json_object_get(diff, "a"), "name"));
	wh_buf_adds(t->out, " → ");
	foreign(t, wh_json_str(json_object_get(diff, "b"), "name"));
	wh_buf_adds(t->out, t->markdown ? "\n\n" : "\n");
	summary(t, diff);
	behaviour(t, diff);
	findings(t, diff);
	packages(t, diff);
	config(t, diff);
	files(t, diff);
	figures(t, diff);
}

void wh_diff_text(const json_t *diff, bool all_files, bool colours, struct wh_buf *out)
{
	tell(&(struct telling){.out = out, .all_files = all_files, .colours = colours}, diff);
}

void wh_diff_markdown(const json_t *diff, bool all_files, struct wh_buf *out)
{
	tell(&(struct telling){.out = out, .all_files = all_files, .markdown = true}, diff);
}
