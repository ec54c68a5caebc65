/* SPDX-License-Identifier: Apache-2.0 */
/* The closure rules, and how sure a profile is, as the report has it. */
#include "harden/closure_table.h"
#include "harden/explain_private.h"

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

json_t *wh_explain_rules_json(void)
{
	static const char *const evidence[] = {
		[WH_SEEN] = "seen",     [WH_SOUGHT] = "sought", [WH_KEPT] = "kept",
		[WH_IMPORT] = "import", [WH_NAMED] = "named",   [WH_ENV] = "environment",
	};
	json_t *list = json_array(), *when = NULL;

	for (size_t i = 0; i < wh_closure_rows; i++) {
		const struct wh_rule_row *row = &wh_closure_table[i];

		if (!i || !wh_streq(row->name, row[-1].name))
			json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", row->name, "says", row->says,
							      "evidence", when = json_array()));
		json_array_append_new(when, json_pack("{s:s, s:s*, s:s*, s:b}", "when", evidence[row->when], "match",
						      row->match, "keeps", row->keep, "follows", row->fn != NULL));
	}
	return list;
}

/* ---------------------------------------------------------------- risk */

static void copy_numbers(const json_t *from, const char *const *keys, size_t n, json_t *to)
{
	for (size_t i = 0; i < n; i++)
		if (wh_json_int(from, keys[i], -1) >= 0)
			json_object_set(to, keys[i], json_object_get(from, keys[i]));
}

json_t *wh_explained_risk(const struct wh_explained *x)
{
	static const char *const figures[] = {"unit", "tests", "broken",     "with_own_paths", "grouped",
					      "risk", "bound", "confidence", "max_risk",       "observed_risk"};
	static const char *const files[] = {
		"uses", "once", "outside_rules", "estimate", "bound", "estimate_outside_rules", "bound_outside_rules"};
	const json_t *risk = json_object_get(x->report, "risk"), *broken = json_object_get(risk, "would_break");
	json_t *o, *list = json_array(), *unseen = json_object();

	if (!json_is_object(risk)) {
		json_decref(list);
		json_decref(unseen);
		return NULL;
	}
	o = json_pack("{s:b}", "measurable", wh_risk_known(risk));
	copy_numbers(risk, figures, WH_ARRAY_SIZE(figures), o);
	if (wh_json_str(risk, "fallback"))
		json_object_set(o, "fallback", json_object_get(risk, "fallback"));
	for (size_t i = 0; i < json_array_size(broken); i++) {
		const json_t *b = json_array_get(broken, i);
		const char *path = wh_json_str(b, "path"), *test = wh_json_str(b, "test");
		json_t *one = path ? json_pack("{s:o}", "path", wh_ex_told_path(path)) : NULL;

		if (!one)
			continue;
		if (test)
			json_object_set_new(one, "test", json_string(test));
		copy_numbers(b, (const char *const[]){"profile", "paths"}, 2, one);
		json_array_append_new(list, one);
	}
	json_object_set_new(o, "would_break", list);
	copy_numbers(json_object_get(risk, "unseen_files"), files, WH_ARRAY_SIZE(files), unseen);
	json_object_set_new(o, "unseen_files", unseen);
	return o;
}
