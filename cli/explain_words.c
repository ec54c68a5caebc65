/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain_words.h"

#include <inttypes.h>

#define SHOWN_BY 3
#define SHOWN_WHEN 4
#define SHOWN_OWNERS 5
#define SHOWN_RULES 5

static void add_safe(struct wh_buf *out, const char *told)
{
	WH_AUTO_FREE char *text = told ? wh_path_of_json(told) : NULL;

	if (text)
		wh_text_add_safe(out, text, strlen(text));
}

static void add_str(struct wh_buf *out, const json_t *o, const char *key)
{
	add_safe(out, wh_json_str(o, key));
}

static uint64_t number(const json_t *o, const char *key)
{
	int64_t n = wh_json_int(o, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

static void add_count(struct wh_buf *out, uint64_t n, const char *what)
{
	wh_buf_addf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

static void add_bytes(struct wh_buf *out, uint64_t n)
{
	if (n < 1000)
		wh_buf_addf(out, "%" PRIu64 " B", n);
	else
		wh_buf_addf(out, n < 100000 ? "%.1f kB" : "%.1f MB", (double)n / (n < 100000 ? 1e3 : 1e6));
}

/* "3 files, 1.2 kB" */
static void add_amount(struct wh_buf *out, const json_t *o)
{
	add_count(out, number(o, "files"), "file");
	if (number(o, "files") && json_is_integer(json_object_get(o, "bytes"))) {
		wh_buf_adds(out, ", ");
		add_bytes(out, number(o, "bytes"));
	}
}

static bool add_package_name(struct wh_buf *out, const json_t *p)
{
	const char *type = wh_json_str(p, "type");

	if (!wh_json_str(p, "name"))
		return false;
	if (type && !wh_streq(type, "deb"))
		wh_buf_addf(out, "%s ", wh_streq(type, "npm") ? "npm" : "python");
	add_str(out, p, "name");
	return true;
}

static void add_version(struct wh_buf *out, const json_t *p)
{
	if (!wh_json_str(p, "version"))
		return;
	wh_buf_addc(out, ' ');
	add_str(out, p, "version");
}

/* ---------------------------------------------------------------- who, how, when */

static void add_by(struct wh_buf *out, const json_t *by)
{
	if (!wh_json_str(by, "program"))
		return;
	wh_buf_adds(out, " by ");
	add_str(out, by, "program");
	if (!wh_json_str(by, "script"))
		return;
	wh_buf_adds(out, " (script ");
	add_str(out, by, "script");
	wh_buf_addc(out, ')');
}

static void add_access(struct wh_buf *out, const json_t *access)
{
	static const struct {
		const char *word, *was;
	} words[] = {
		{"write", "written"},
		{"execute", "executed"},
		{"stat", "looked at"},
		{"list", "listed"},
		{"remove", "removed"},
		{"change", "changed"},
		{"create", "made things there"},
		{"link", "followed"},
		{"socket", "connected to"},
		{"enter", "entered"},
	};

	for (size_t i = 0; i < json_array_size(access); i++) {
		const char *was = json_string_value(json_array_get(access, i));

		for (size_t k = 0; k < WH_ARRAY_SIZE(words); k++)
			if (wh_streq(was, words[k].word))
				was = words[k].was;
		if (i)
			wh_buf_adds(out, ", ");
		add_safe(out, was);
	}
}

/* "application: starts as /a", "application: /a ran /b (script /c)" */
static void add_chain(struct wh_buf *out, const json_t *chain)
{
	const json_t *programs = json_object_get(chain, "programs");
	size_t n = json_array_size(programs);

	add_str(out, chain, "name");
	wh_buf_adds(out, json_object_get(chain, "cut") ? ": … ran " : n == 1 ? ": starts as " : ": ");
	for (size_t i = 0; i < n; i++) {
		const json_t *p = json_array_get(programs, i);

		if (i)
			wh_buf_adds(out, " ran ");
		add_str(out, p, "program");
		if (!wh_json_str(p, "script"))
			continue;
		wh_buf_adds(out, " (script ");
		add_str(out, p, "script");
		wh_buf_addc(out, ')');
	}
}

/* in start, test "a", test "b" and 3 more */
static void add_when(struct wh_buf *out, const json_t *use)
{
	const json_t *when = json_object_get(use, "when");
	size_t n = json_array_size(when), total = n + number(use, "more_when");

	if (!n)
		return;
	wh_buf_adds(out, " in ");
	for (size_t i = 0; i < n && i < SHOWN_WHEN; i++) {
		const char *w = json_string_value(json_array_get(when, i));

		if (i)
			wh_buf_adds(out, ", ");
		if (wh_has_prefix(w, "test ")) {
			wh_buf_adds(out, "test \"");
			add_safe(out, w + 5);
			wh_buf_addc(out, '"');
		} else {
			add_safe(out, w);
		}
	}
	if (total > SHOWN_WHEN)
		wh_buf_addf(out, " and %zu more", total - SHOWN_WHEN);
}

static void add_use(struct wh_buf *out, const json_t *item, const json_t *use)
{
	const json_t *by = json_object_get(use, "by"), *access = json_object_get(use, "access");
	size_t n = json_array_size(by), total = n + number(use, "more_by");

	wh_buf_adds(out, "    ");
	if (number(use, "profile"))
		wh_buf_addf(out, "PROFILE %" PRIu64 ": ", number(use, "profile"));
	if (number(use, "given"))
		wh_buf_addf(out, "--profile-in %" PRIu64 ": ", number(use, "given"));
	if (!wh_streq(wh_json_str(use, "path"), wh_json_str(item, "path"))) {
		add_str(out, use, "path");
		wh_buf_adds(out, " was ");
	}
	if (json_array_size(access))
		add_access(out, access);
	else
		wh_buf_adds(out, "looked for");
	add_when(out, use);
	wh_buf_addc(out, '\n');
	if (!n && json_array_size(access))
		wh_buf_adds(out, "        whoever started it\n");
	for (size_t i = 0; i < n && i < SHOWN_BY; i++) {
		wh_buf_adds(out, "        ");
		add_chain(out, json_array_get(by, i));
		wh_buf_addc(out, '\n');
	}
	if (total > SHOWN_BY)
		wh_buf_addf(out, "        and %zu more chains of processes\n", total - SHOWN_BY);
}

static void add_uses(struct wh_buf *out, const json_t *item)
{
	const json_t *uses = json_object_get(item, "uses");

	for (size_t i = 0; i < json_array_size(uses); i++)
		add_use(out, item, json_array_get(uses, i));
}

/* ---------------------------------------------------------------- packages */

static void add_state(struct wh_buf *out, const json_t *p)
{
	const json_t *kept = json_object_get(p, "kept"), *removed = json_object_get(p, "removed");

	if (number(kept, "files")) {
		add_amount(out, kept);
		wh_buf_adds(out, number(removed, "files") ? " kept; " : " kept");
	}
	if (number(removed, "files")) {
		add_amount(out, removed);
		wh_buf_adds(out, " removed");
	}
	if (!number(kept, "files") && !number(removed, "files"))
		wh_buf_adds(out, kept ? "no files" : "no file removed");
}

static void add_package(struct wh_buf *out, const json_t *item)
{
	const json_t *p = json_object_get(item, "package"), *also = json_object_get(p, "also_removed");
	uint64_t others = number(json_object_get(p, "removed"), "files"), shown = json_array_size(also);

	if (!json_object_get(p, "removed")) /* told in brief */
		return;
	wh_buf_adds(out, "    package ");
	add_package_name(out, p);
	add_version(out, p);
	wh_buf_adds(out, ": ");
	add_state(out, p);
	for (size_t i = 0; i < shown; i++) {
		wh_buf_adds(out, i ? ", " : ", also ");
		add_safe(out, json_string_value(json_array_get(also, i)));
	}
	if (shown && others > shown + 1)
		wh_buf_addf(out, " and %" PRIu64 " more", others - shown - 1);
	wh_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- one path */

/* " — needed by /a, that by /b" up to something that was observed. */
static void add_via(struct wh_buf *out, const json_t *via, bool closure)
{
	for (size_t i = 0; i < json_array_size(via); i++) {
		wh_buf_adds(out, i ? ", that by " : closure ? " — set off by " : " — needed by ");
		add_str(out, json_array_get(via, i), "path");
	}
}

static void add_seeker(struct wh_buf *out, const json_t *o)
{
	const char *test = wh_json_str(o, "test"), *phase = wh_json_str(o, "phase");

	wh_buf_adds(out, " looked for");
	add_by(out, json_object_get(o, "by"));
	if (test) {
		wh_buf_adds(out, " in test \"");
		add_safe(out, test);
		wh_buf_addc(out, '"');
	} else if (phase) {
		wh_buf_adds(out, " in phase ");
		add_safe(out, phase);
	}
}

static void add_kept(struct wh_buf *out, const json_t *item)
{
	const char *rule = wh_json_str(item, "rule"), *name = wh_json_str(item, "name");
	const json_t *via = json_object_get(item, "via"), *unforeseen = json_object_get(item, "unforeseen");

	if (name) {
		wh_buf_adds(out, " by rule closure/");
		add_safe(out, name);
		if (wh_json_str(item, "says"))
			wh_buf_addf(out, ": %s", wh_json_str(item, "says"));
		add_via(out, via, true);
		return;
	}
	wh_buf_adds(out, ": ");
	add_safe(out, rule ? rule : "the report does not say why");
	if (wh_streq(rule, "observed")) {
		if (json_array_size(json_object_get(item, "access")))
			wh_buf_adds(out, " — ");
		add_access(out, json_object_get(item, "access"));
		add_by(out, json_object_get(item, "by"));
	} else if (wh_streq(rule, "parent")) {
		wh_buf_adds(out, " — of ");
		add_str(out, json_array_get(via, 0), "path");
	} else if (json_array_size(via)) {
		add_via(out, via, false);
	} else if (!unforeseen && wh_json_str(item, "says")) {
		wh_buf_addf(out, " — %s", wh_json_str(item, "says"));
	}
	if (unforeseen) {
		wh_buf_adds(out, " — not foreseen by the profile;");
		add_seeker(out, unforeseen);
		wh_buf_addf(out, " on the pruned tree, put back in round %" PRIu64, number(unforeseen, "round"));
	}
}

static void add_removed(struct wh_buf *out, const json_t *item)
{
	const json_t *lacking = json_object_get(item, "lacking"), *below = json_object_get(item, "below");
	size_t start;

	wh_buf_adds(out, wh_streq(wh_json_str(item, "why"), "shell")
				 ? ": a shell"
				 : ": nothing was seen to use it, and no rule needs it");
	if (lacking) {
		wh_buf_addc(out, ';');
		add_seeker(out, lacking);
		wh_buf_adds(out, " in vain, and not put back (");
		add_safe(out, wh_json_str(lacking, "why") ? wh_json_str(lacking, "why") : "?");
		wh_buf_addc(out, ')');
	}
	start = out->n;
	wh_buf_adds(out, " (of package ");
	if (add_package_name(out, json_object_get(item, "package"))) {
		wh_buf_addc(out, ')');
	} else if (wh_buf_ok(out)) {
		out->n = start;
		out->p[start] = '\0';
	}
	if (below)
		wh_buf_addf(out, " (a directory, with %" PRIu64 " files and links)", number(below, "removed"));
}

static void add_owners(struct wh_buf *out, const char *title, const json_t *list, uint64_t total)
{
	size_t n = json_array_size(list);

	if (!n)
		return;
	wh_buf_addf(out, "    %s", title);
	for (size_t i = 0; i < n && i < SHOWN_OWNERS; i++) {
		const json_t *p = json_array_get(list, i);

		wh_buf_addf(out, "%s%" PRIu64 " of ", i ? ", " : " ", number(p, "files"));
		if (!add_package_name(out, p))
			wh_buf_adds(out, "no package");
	}
	if (total > SHOWN_OWNERS)
		wh_buf_addf(out, " and %" PRIu64 " more", total - SHOWN_OWNERS);
	wh_buf_addc(out, '\n');
}

static void add_below(struct wh_buf *out, const json_t *item)
{
	const json_t *below = json_object_get(item, "below"), *rules = json_object_get(below, "rules");
	size_t n = json_array_size(rules);

	if (!below)
		return;
	if (wh_streq(wh_json_str(item, "state"), "kept")) {
		add_str(out, item, "path");
		wh_buf_addf(out, ": a directory: %" PRIu64 " files and links below it kept, %" PRIu64 " removed\n",
			    number(below, "kept"), number(below, "removed"));
	}
	for (size_t i = 0; i < n && i < SHOWN_RULES; i++) {
		wh_buf_addf(out, "%s%" PRIu64 " ",
			    i ? ", " : "    kept by rule: ", number(json_array_get(rules, i), "files"));
		add_str(out, json_array_get(rules, i), "rule");
	}
	if (n > SHOWN_RULES)
		wh_buf_addf(out, " and %zu more rules", n - SHOWN_RULES);
	if (n)
		wh_buf_addc(out, '\n');
	add_owners(out, "kept:", json_object_get(below, "kept_packages"), number(below, "n_kept_packages"));
	add_owners(out, "removed:", json_object_get(below, "removed_packages"), number(below, "n_removed_packages"));
}

static const char *foreign_words(const char *state)
{
	if (wh_streq(state, "made"))
		return "never in the image: the application makes it when it runs";
	if (wh_streq(state, "mounted"))
		return "never in the image: it was there when the application ran (mounted, or made by another)";
	return wh_streq(state, "missing") ? "never in the image: looked for in vain" : "never in the image";
}

static void add_item(struct wh_buf *out, const json_t *item)
{
	const char *state = wh_json_str(item, "state");
	bool kept = wh_streq(state, "kept"), dir = wh_streq(wh_json_str(item, "type"), "directory");

	if (wh_json_str(item, "target")) {
		add_str(out, item, "path");
		wh_buf_adds(out, ": a link to ");
		add_str(out, item, "target");
		wh_buf_addc(out, '\n');
	}
	if (!(kept && dir && !wh_json_str(item, "rule"))) { /* the root is there anyway */
		add_str(out, item, "path");
		if (kept || wh_streq(state, "removed"))
			wh_buf_addf(out, ": %s", state);
		if (kept)
			add_kept(out, item);
		else if (wh_streq(state, "removed"))
			add_removed(out, item);
		else
			wh_buf_addf(out, ": %s", foreign_words(state));
		wh_buf_addc(out, '\n');
	}
	add_below(out, item);
	add_uses(out, item);
	add_package(out, item);
}

static void say_paths(const json_t *list, struct wh_buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *asked = json_array_get(list, i), *found = json_object_get(asked, "found");
		size_t n = json_array_size(found);

		for (size_t k = 0; k < n; k++)
			add_item(out, json_array_get(found, k));
		if (n)
			continue;
		add_str(out, asked, "asked");
		wh_buf_adds(out, ": matches nothing that is or was in the image\n");
	}
}

/* ---------------------------------------------------------------- lists */

static void say_list(const json_t *list, struct wh_buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		add_str(out, json_array_get(list, i), "path");
		wh_buf_addc(out, '\n');
	}
}

static void say_group_paths(const json_t *list, char sign, struct wh_buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		wh_buf_addf(out, "    %c ", sign);
		add_safe(out, json_string_value(json_array_get(list, i)));
		wh_buf_addc(out, '\n');
	}
}

static void say_packages(const json_t *list, struct wh_buf *out)
{
	static const struct {
		const char *state, *title;
	} parts[] = {
		{"partial", "kept in part"}, {"kept", "kept"}, {"removed", "removed wholly"}, {NULL, "of no package"}};

	for (size_t k = 0; k < WH_ARRAY_SIZE(parts); k++) {
		size_t n = 0, i;
		const json_t *p;

		json_array_foreach (list, i, p)
			n += wh_streq(wh_json_str(p, "state"), parts[k].state);
		if (!n)
			continue;
		wh_buf_addf(out, parts[k].state ? "%s: %zu package%s\n" : "%s:\n", parts[k].title, n,
			    n == 1 ? "" : "s");
		json_array_foreach (list, i, p) {
			if (!wh_streq(wh_json_str(p, "state"), parts[k].state))
				continue;
			wh_buf_adds(out, "  ");
			if (add_package_name(out, p)) {
				add_version(out, p);
				wh_buf_adds(out, ": ");
			}
			add_state(out, p);
			wh_buf_addc(out, '\n');
			say_group_paths(json_object_get(p, "kept_paths"), '+', out);
			say_group_paths(json_object_get(p, "removed_paths"), '-', out);
		}
	}
}

void wh_explain_say(const json_t *doc, struct wh_buf *out)
{
	if (wh_json_str(doc, "emulated")) {
		wh_buf_adds(out, "note: what was observed ran under an emulator of ");
		add_str(out, doc, "emulated");
		wh_buf_addc(out, '\n');
	}
	say_paths(json_object_get(doc, "paths"), out);
	say_list(json_object_get(doc, "kept"), out);
	say_list(json_object_get(doc, "removed"), out);
	say_packages(json_object_get(doc, "packages"), out);
}
