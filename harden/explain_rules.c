/* SPDX-License-Identifier: Apache-2.0 */
/* The closure rules, for a person. */
#include "harden/closure_table.h"

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
