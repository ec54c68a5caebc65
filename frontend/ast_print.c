/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax tree as S-expressions, a line an instruction: (word ["--flag"] "arg" "arg"). */
#include "base/rune.h"
#include "frontend/syntax.h"

/* Go's unicode.IsPrint, as far as it matters: blanks but ' ', formatting, private and no characters are not. */
static bool is_print(uint32_t r)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {{0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},   {0x61c, 0x61c},   {0x6dd, 0x6dd},
		      {0x70f, 0x70f},     {0x180e, 0x180e},   {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
		      {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},   {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
		      {0xe0000, 0xe00ff}, {0xf0000, 0x10ffff}};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(hidden); i++)
		if (r >= hidden[i].first && r <= hidden[i].last)
			return false;
	return r >= ' ' && (r == ' ' || !wh_rune_is_space(r));
}

/* As strconv.Quote writes it. */
static void quoted(struct wh_buf *out, const char *s)
{
	static const char controls[] = "\a\b\t\n\v\f\r", letters[] = "abtnvfr";
	size_t left = strlen(s), w;

	wh_buf_addc(out, '"');
	for (; left; s += w, left -= w) {
		uint32_t r = wh_rune(s, left, &w);

		if (wh_has_prefix(s, WH_WORD_NUL)) {
			wh_buf_adds(out, "\\x00");
			w = 2;
		} else if (r == '"' || r == '\\') {
			wh_buf_addf(out, "\\%c", (char)r);
		} else if (r < 0x20 && strchr(controls, (char)r)) {
			wh_buf_addf(out, "\\%c", letters[strchr(controls, (char)r) - controls]);
		} else if (r < 0x20 || r == 0x7f || r >= 0x80000000U) {
			wh_buf_addf(out, "\\x%02x", (unsigned)(r & 0xff));
		} else if (is_print(r)) {
			wh_buf_add(out, s, w);
		} else {
			wh_buf_addf(out, r < 0x10000 ? "\\u%04x" : "\\U%08x", r);
		}
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
