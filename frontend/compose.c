/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of instructions that stand in no file: what a command line asks for, lowered like a Dockerfile. */
#include "frontend/lower.h"
#include "frontend/syntax.h"


/* One line, for history and progress. */
static void add_line(struct wh_buf *out, const char *text)
{
	for (; *text; text++)
		wh_buf_addc(out, *text == '\n' ? ' ' : *text);
}

static void add_json(struct wh_buf *out, const struct wh_strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		WH_AUTO_JSON json_t *string = json_string(words->v[i]);
		WH_AUTO_FREE char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

		wh_buf_adds(out, i ? ", " : "[");
		if (quoted)
			wh_buf_adds(out, quoted);
		else
			wh_print_quoted(out, words->v[i]);
	}
	wh_buf_addc(out, ']');
}

/* As it would stand in a file, but that nobody reads it again. */
static void add_original(struct wh_buf *out, const struct wh_composed *c)
{
	wh_buf_adds(out, wh_instr_name(c->instr));
	for (size_t i = 0; c->flags && i < c->flags->n; i++) {
		wh_buf_addc(out, ' ');
		add_line(out, c->flags->v[i]);
	}
	if (!c->args || !c->args->n)
		return;
	wh_buf_addc(out, ' ');
	if (c->json)
		add_json(out, c->args);
	for (size_t i = 0; !c->json && i < c->args->n; i++) {
		if (i)
			wh_buf_addc(out, ' ');
		add_line(out, c->args->v[i]);
	}
}

static void add_node(struct wh_dockerfile *d, const struct wh_composed *c, unsigned line, struct wh_str source,
		     struct wh_node *n)
{
	static const struct wh_strv none = {0};
	WH_AUTO_BUF struct wh_buf original = WH_BUF_INIT;
	unsigned last = line + (c->said && c->said->n ? (unsigned)c->said->n - 1 : 0);

	add_original(&original, c);
	*n = (struct wh_node){
		.instr = c->instr,
		.keyword = wh_instr_name(c->instr),
		.flags = wh_arena_list(d->arena, c->flags ? c->flags : &none),
		.n_flags = c->flags ? c->flags->n : 0,
		.args = wh_arena_list(d->arena, c->args ? c->args : &none),
		.n_args = c->args ? c->args->n : 0,
		.json = c->json,
		.line = line,
		.last_line = last,
		.text_last_line = last,
		.source = source,
		.original = wh_arena_strdup(d->arena, original.p),
		.comments = wh_arena_list(d->arena, &none),
	};
}

struct wh_dockerfile *wh_dockerfile_compose(const char *name, const struct wh_composed *v, size_t n)
{
	struct wh_arena *arena = wh_arena_new();
	struct wh_dockerfile *d = wh_arena_alloc(arena, sizeof(*d));
	struct wh_node *nodes = wh_arena_alloc(arena, (n + 1) * sizeof(*nodes));
	WH_AUTO_FREE size_t *starts = wh_calloc(n + 1, sizeof(*starts));
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	unsigned line = 1;

	for (size_t i = 0; i < n; i++) {
		starts[i] = text.n;
		for (size_t k = 0; v[i].said && k < v[i].said->n; k++) {
			add_line(&text, v[i].said->v[k]);
			wh_buf_addc(&text, '\n');
		}
	}
	starts[n] = text.n;
	*d = (struct wh_dockerfile){
		.name = wh_arena_strdup(arena, name),
		.text = wh_arena_strdup(arena, text.p ? text.p : ""),
		.len = text.n,
		.escape = '\\',
		.literal = true,
		.nodes = nodes,
		.n_nodes = n,
		.arena = arena,
	};
	for (size_t i = 0; i < n; i++) {
		add_node(d, &v[i], line, (struct wh_str){d->text + starts[i], starts[i + 1] - starts[i]}, &nodes[i]);
		line += v[i].said ? (unsigned)v[i].said->n : 0;
	}
	return d;
}
