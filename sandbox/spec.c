/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/spec.h"
#include "sandbox/wire.h"

#include <errno.h>

#define MAX_LIST (1U << 20)

static void put_list(struct wh_buf *b, const char *const *v)
{
	uint32_t n = 0;

	while (v && v[n])
		n++;
	wh_buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++)
		wh_buf_lstr(b, v[i]);
}

static void put_root(struct wh_buf *b, const struct wh_root *r)
{
	wh_buf_u32(b, r->kind);
	put_list(b, r->lowers);
	wh_buf_lstr(b, r->upper);
	wh_buf_lstr(b, r->work);
	wh_buf_lstr(b, r->stubs);
	wh_buf_lstr(b, r->dir);
}

static void put_bind(struct wh_buf *b, const struct wh_bind *m)
{
	wh_buf_u32(b, m->kind);
	wh_buf_lstr(b, m->source);
	wh_buf_lstr(b, m->subpath);
	wh_buf_u8(b, m->overlay != NULL);
	if (m->overlay)
		put_root(b, m->overlay);
	wh_buf_lstr(b, m->target);
	wh_buf_u8(b, (uint8_t)(m->readonly | m->stays << 1 | m->recursive << 2));
	wh_buf_u64(b, m->size);
	wh_buf_u32(b, m->mode);
	wh_buf_u32(b, m->uid);
	wh_buf_u32(b, m->gid);
	wh_buf_lbytes(b, m->data, m->data_len);
}

static void put_confine(struct wh_buf *b, const struct wh_confine *c)
{
	wh_buf_u8(b, c != NULL);
	if (!c)
		return;
	wh_buf_u8(b, (uint8_t)((c->syscalls != NULL) | c->second_arch << 1 | c->limit_capabilities << 2 | c->no_new_privs << 3 |
			       c->readonly_root << 4 | c->landlock << 5));
	put_list(b, c->syscalls);
	put_list(b, c->absent);
	put_list(b, c->capabilities);
	wh_buf_u32(b, (uint32_t)c->n_rules);
	for (size_t i = 0; i < c->n_rules; i++) {
		wh_buf_lstr(b, c->rules[i].path);
		wh_buf_u64(b, c->rules[i].access);
	}
	wh_buf_u64(b, c->net);
	wh_buf_u32(b, (uint32_t)c->n_ports);
	for (size_t i = 0; i < c->n_ports; i++) {
		wh_buf_u32(b, c->ports[i].port);
		wh_buf_u64(b, c->ports[i].access);
	}
}

void wh_spec_write(const struct wh_step *s, struct wh_buf *out)
{
	put_root(out, &s->root);
	put_list(out, s->args);
	put_list(out, s->env);
	wh_buf_lstr(out, s->cwd);
	wh_buf_lstr(out, s->user);
	wh_buf_lstr(out, s->hostname);
	wh_buf_u32(out, s->net);
	wh_buf_u8(out, s->insecure);
	wh_buf_u32(out, s->proc);
	wh_buf_u32(out, (uint32_t)s->n_binds);
	for (size_t i = 0; i < s->n_binds; i++)
		put_bind(out, &s->binds[i]);
	put_list(out, s->extra_hosts);
	wh_buf_lstr(out, s->resolv_conf);
	wh_buf_u64(out, s->shm_size);
	put_list(out, s->ulimits);
	wh_buf_u64(out, s->join);
	wh_buf_u32(out, (uint32_t)s->console_rows << 16 | s->console_columns);
	put_confine(out, s->confine);
}

static char *get_str(struct wh_wire *w, struct wh_arena *a)
{
	struct wh_str s = wh_wire_bytes(w);

	return s.p ? wh_arena_strndup(a, s.p, s.n) : NULL;
}

static const char *const *get_list(struct wh_wire *w, struct wh_arena *a)
{
	uint32_t n = wh_wire_u32(w);
	char **v;
	const char *const *ret;

	if (n > MAX_LIST) {
		w->bad = true;
		n = 0;
	}
	v = wh_arena_alloc(a, (n + 1) * sizeof(*v));
	for (uint32_t i = 0; i < n; i++)
		v[i] = get_str(w, a);
	memcpy(&ret, &v, sizeof(ret));
	return ret;
}

static void get_root(struct wh_wire *w, struct wh_arena *a, struct wh_root *r)
{
	r->kind = (enum wh_root_kind)wh_wire_u32(w);
	r->lowers = get_list(w, a);
	r->upper = get_str(w, a);
	r->work = get_str(w, a);
	r->stubs = get_str(w, a);
	r->dir = get_str(w, a);
}

static void get_bind(struct wh_wire *w, struct wh_arena *a, struct wh_bind *m)
{
	struct wh_str data;
	uint8_t flags;

	m->kind = (enum wh_bind_kind)wh_wire_u32(w);
	m->source = get_str(w, a);
	m->subpath = get_str(w, a);
	if (wh_wire_u8(w)) {
		struct wh_root *r = wh_arena_alloc(a, sizeof(*r));

		get_root(w, a, r);
		m->overlay = r;
	}
	m->target = get_str(w, a);
	flags = wh_wire_u8(w);
	m->readonly = flags & 1;
	m->stays = flags & 2;
	m->recursive = flags & 4;
	m->size = wh_wire_u64(w);
	m->mode = wh_wire_u32(w);
	m->uid = wh_wire_u32(w);
	m->gid = wh_wire_u32(w);
	data = wh_wire_bytes(w);
	m->data = data.p;
	m->data_len = data.n;
}

static const struct wh_confine *get_confine(struct wh_wire *w, struct wh_arena *a)
{
	struct wh_confine *c;
	struct wh_landlock_rule *rules;
	struct wh_landlock_port *ports;
	uint8_t flags;

	if (!wh_wire_u8(w))
		return NULL;
	c = wh_arena_alloc(a, sizeof(*c));
	flags = wh_wire_u8(w);
	*c = (struct wh_confine){.second_arch = flags & 2,
				 .limit_capabilities = flags & 4,
				 .no_new_privs = flags & 8,
				 .readonly_root = flags & 16,
				 .landlock = flags & 32};
	c->syscalls = get_list(w, a);
	if (!(flags & 1))
		c->syscalls = NULL;
	c->absent = get_list(w, a);
	c->capabilities = get_list(w, a);
	c->n_rules = wh_wire_u32(w);
	w->bad |= c->n_rules > MAX_LIST;
	rules = wh_arena_alloc(a, ((w->bad ? 0 : c->n_rules) + 1) * sizeof(*rules));
	for (size_t i = 0; i < c->n_rules && !w->bad; i++) {
		rules[i].path = get_str(w, a);
		rules[i].access = wh_wire_u64(w);
	}
	c->rules = rules;
	c->net = wh_wire_u64(w);
	c->n_ports = wh_wire_u32(w);
	w->bad |= c->n_ports > MAX_LIST;
	ports = wh_arena_alloc(a, ((w->bad ? 0 : c->n_ports) + 1) * sizeof(*ports));
	for (size_t i = 0; i < c->n_ports && !w->bad; i++) {
		ports[i].port = (uint16_t)wh_wire_u32(w);
		ports[i].access = wh_wire_u64(w);
	}
	c->ports = ports;
	return c;
}

int wh_spec_read(struct wh_arena *a, const void *p, size_t n, struct wh_step *ret)
{
	struct wh_wire w = {p, n, false};
	struct wh_step s = {.out_fd = -1, .err_fd = -1, .in_fd = -1, .net_fd = -1, .observe_fd = -1};
	struct wh_bind *binds;
	uint32_t count, size;

	get_root(&w, a, &s.root);
	s.args = get_list(&w, a);
	s.env = get_list(&w, a);
	s.cwd = get_str(&w, a);
	s.user = get_str(&w, a);
	s.hostname = get_str(&w, a);
	s.net = (enum wh_net)wh_wire_u32(&w);
	s.insecure = wh_wire_u8(&w) != 0;
	s.proc = (enum wh_proc_kind)wh_wire_u32(&w);
	count = wh_wire_u32(&w);
	if (w.bad || count > MAX_LIST)
		return -EBADMSG;
	binds = wh_arena_alloc(a, (count + 1) * sizeof(*binds));
	for (uint32_t i = 0; i < count && !w.bad; i++)
		get_bind(&w, a, &binds[i]);
	s.binds = binds;
	s.n_binds = count;
	s.extra_hosts = get_list(&w, a);
	s.resolv_conf = get_str(&w, a);
	s.shm_size = wh_wire_u64(&w);
	s.ulimits = get_list(&w, a);
	s.join = wh_wire_u64(&w);
	size = wh_wire_u32(&w);
	s.console_rows = (uint16_t)(size >> 16);
	s.console_columns = (uint16_t)size;
	s.confine = get_confine(&w, a);
	if (w.bad || w.n)
		return -EBADMSG;
	*ret = s;
	return 0;
}
