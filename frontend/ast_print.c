/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax tree as S-expressions, a line an instruction: (word ["--flag"] "arg" "arg"). */
#include "base/rune.h"
#include "frontend/frontend.h"

static void quoted(struct wh_buf *out, const char *s)
{
	size_t left = strlen(s), w;

	wh_buf_addc(out, '"');
	for (; left; s += w, left -= w) {
		uint32_t r = wh_rune(s, left, &w);

		if (r == '"' || r == '\\')
			wh_buf_addf(out, "\\%c", (char)r);
		else if (r == '\n')
			wh_buf_adds(out, "\\n");
		else if (r == '\t')
			wh_buf_adds(out, "\\t");
		else if (r == '\r')
			wh_buf_adds(out, "\\r");
		else if (r < 0x20 || r == 0x7f || r >= 0x80000000U)
			wh_buf_addf(out, "\\x%02x", (unsigned)(r & 0xff));
		else if (r >= 0x80 && r < 0xa0)
			wh_buf_addf(out, "\\u%04x", r);
		else
			wh_buf_add(out, s, w);
	}
	wh_buf_addc(out, '"');
}

static void node(struct wh_buf *out, const struct wh_node *n)
{
	size_t i;

	wh_buf_addc(out, '(');
	for (i = 0; n->keyword[i]; i++)
		wh_buf_addc(out,
			    n->keyword[i] >= 'A' && n->keyword[i] <= 'Z' ? (char)(n->keyword[i] + 32) : n->keyword[i]);
	for (i = 0; i < n->n_flags; i++) {
		wh_buf_adds(out, i ? " " : " [");
		quoted(out, n->flags[i]);
	}
	if (n->n_flags)
		wh_buf_addc(out, ']');
	if (n->child) {
		wh_buf_addc(out, ' ');
		node(out, n->child);
	}
	if (n->instr == WH_I_UNKNOWN) /* how its words fall apart nobody knows */
		wh_buf_adds(out, " \"\"");
	for (i = 0; i < n->n_args && n->instr != WH_I_UNKNOWN; i++) {
		wh_buf_addc(out, ' ');
		quoted(out, n->args[i]);
	}
	wh_buf_addc(out, ')');
}

void wh_ast_print(const struct wh_dockerfile *d, struct wh_buf *out)
{
	size_t i;

	for (i = 0; i < d->n_nodes; i++) {
		node(out, &d->nodes[i]);
		wh_buf_addc(out, '\n');
	}
}
