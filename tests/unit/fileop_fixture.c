/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fileop_fixture.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

/* Unpacking needs a root of its own: an account without one makes a user namespace of one id. */
static void become_root(void)
{
	static const char *const files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
	const unsigned ids[] = {0, geteuid(), getegid()};

	if (geteuid() == 0)
		return;
	assert_int_equal(unshare(CLONE_NEWUSER), 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(files); i++) {
		WH_AUTO_FREE char *text = i ? wh_asprintf("0 %u 1", ids[i]) : wh_strdup("deny");
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, files[i], O_WRONLY, 0);

		assert_true(fd >= 0);
		assert_int_equal(wh_write_all(fd, text, strlen(text)), 0);
	}
}

int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));
	WH_AUTO_ERR struct wh_err *err = NULL;
	char store[80];

	become_root();
	umask(0);
	snprintf(e->dir, sizeof(e->dir), "/tmp/wh-fileop-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	e->fd = wh_openat(AT_FDCWD, e->dir, O_RDONLY | O_DIRECTORY, 0);
	assert_true(e->fd >= 0);
	snprintf(store, sizeof(store), "%s/store", e->dir);
	MUST(wh_store_open(store, &e->store, &err));
	*state = e;
	return 0;
}

int teardown(void **state)
{
	struct env *e = *state;

	wh_store_close(e->store);
	close(e->fd);
	wh_rm_rf(AT_FDCWD, e->dir);
	free(e);
	return 0;
}

/* ---------------------------------------------------------------- telling files as text */

struct line {
	char type;
	unsigned mode, uid, gid;
	char path[400];
	char rest[400];
};

static const char *next_line(const char *s, struct line *l)
{
	char buf[1024], *p = buf, *save;
	size_t n = strcspn(s, "\n");

	assert_true(n < sizeof(buf));
	memcpy(buf, s, n);
	buf[n] = '\0';
	memset(l, 0, sizeof(*l));
	l->type = *p;
	p += 2;
	if (*p >= '0' && *p <= '7' && strchr("dfps", l->type)) {
		l->mode = (unsigned)strtoul(p, &p, 8);
		if (*p == '@') {
			l->uid = (unsigned)strtoul(p + 1, &p, 10);
			l->gid = (unsigned)strtoul(p + 1, &p, 10);
		}
		p++;
	}
	save = p + strcspn(p, " ");
	snprintf(l->path, sizeof(l->path), "%.*s", (int)(save - p), p);
	p = save + (*save == ' ');
	if (strncmp(p, "-> ", 3) == 0 || strncmp(p, "=> ", 3) == 0)
		p += 3;
	snprintf(l->rest, sizeof(l->rest), "%s", p);
	return s + n + (s[n] == '\n');
}

void make_dir(struct env *e, const char *name, const char *text)
{
	struct timespec t[2] = {{.tv_sec = TIME}, {.tv_sec = TIME}};
	WH_AUTO_FD int root = -1;
	struct line l;

	assert_int_equal(wh_mkdir_p(e->fd, name, 0755), 0);
	root = wh_openat(e->fd, name, O_RDONLY | O_DIRECTORY, 0);
	assert_true(root >= 0);
	for (const char *s = text; *s;) {
		s = next_line(s, &l);
		if (l.type == 'h')
			continue;
		if (l.type == 'd') {
			assert_int_equal(mkdirat(root, l.path, l.mode), 0);
		} else if (l.type == 'f') {
			WH_AUTO_FD int fd = wh_openat(root, l.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			assert_true(fd >= 0);
			assert_int_equal(wh_write_all(fd, l.rest, strlen(l.rest)), 0);
			assert_int_equal(fchmod(fd, l.mode), 0);
		} else if (l.type == 'l') {
			assert_int_equal(symlinkat(l.rest, root, l.path), 0);
		} else if (l.type == 'p') {
			assert_int_equal(mkfifoat(root, l.path, l.mode), 0);
		} else if (l.type == 's') {
			assert_int_equal(mknodat(root, l.path, S_IFSOCK | l.mode, 0), 0);
		}
		assert_int_equal(utimensat(root, l.path, t, AT_SYMLINK_NOFOLLOW), 0);
	}
	for (const char *s = text; *s;) {
		s = next_line(s, &l);
		if (l.type == 'h')
			assert_int_equal(linkat(root, l.rest, root, l.path, 0), 0);
	}
}

void make_layer(struct env *e, const char *text, struct wh_layer *ret)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer_writer *w;
	struct line l;

	o.comp = WH_COMP_NONE;
	MUST(wh_layer_writer_new(e->store, &o, &w, &err));
	for (const char *s = text; *s;) {
		struct wh_entry x = {.mtime = TIME};

		s = next_line(s, &l);
		x.path = l.path;
		x.type = (enum wh_type)l.type;
		x.mode = l.mode;
		x.uid = l.uid;
		x.gid = l.gid;
		if (l.type == 'f')
			x.size = strlen(l.rest);
		if (l.type == 'l' || l.type == 'h')
			x.link = l.rest;
		MUST(wh_layer_writer_add(w, &x, &err));
		if (x.size)
			MUST(wh_layer_writer_data(w, l.rest, x.size, &err));
	}
	MUST(wh_layer_writer_finish(w, ret, &err));
}

char *show(struct env *e, const struct wh_layer *layer)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FD int blob = wh_blob_open(e->store, &layer->blob, NULL, &err);
	struct wh_buf b = WH_BUF_INIT;
	struct wh_index *x;

	assert_true(blob >= 0);
	assert_int_equal(layer->comp, WH_COMP_NONE);
	MUST(wh_index_open(e->store, layer, &x, &err));
	for (size_t i = 0; i < wh_index_count(x); i++) {
		struct wh_xattr xs[WH_MAX_XATTRS];
		struct wh_entry n;

		assert_int_equal(wh_index_at(x, i, &n, xs), 0);
		if (!*n.path)
			continue;
		wh_buf_addf(&b, "%s%c", b.n ? "\n" : "", n.type);
		if (strchr("dfp", (int)n.type))
			wh_buf_addf(&b, " %04o", n.mode);
		if (n.uid || n.gid)
			wh_buf_addf(&b, "@%u:%u", n.uid, n.gid);
		wh_buf_addf(&b, " %s%s", n.path, n.opaque ? " !" : "");
		if (n.type == WH_T_SYMLINK)
			wh_buf_addf(&b, " -> %s", n.link);
		if (n.type == WH_T_HARDLINK)
			wh_buf_addf(&b, " => %s", n.link);
		if (n.type == WH_T_FILE && n.size) {
			WH_AUTO_FREE char *text = wh_malloc(n.size);

			assert_int_equal(pread(blob, text, n.size, (off_t)n.offset), (ssize_t)n.size);
			wh_buf_addc(&b, ' ');
			wh_buf_add(&b, text, n.size);
		}
	}
	wh_index_close(x);
	return wh_buf_take(&b);
}

/* ---------------------------------------------------------------- running one operation */

void job_start(struct env *e, struct job *j, const struct copy *c, const char *base, const char *context, bool tree)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_fileop_args a = {.store = e->store, .base_time = TIME};

	if (c)
		j->actions[0] = (struct wh_file_action){
			.kind = WH_FILE_COPY,
			.input = 1,
			.srcs = c->srcs,
			.no_glob = c->no_glob,
			.exclude = c->exclude[0] ? c->exclude : NULL,
			.parents = c->parents,
			.unpack = c->add,
			.path = c->dest,
			.chown = c->chown,
			.chmod = c->chmod,
		};
	if (!j->op.n_actions)
		j->op.n_actions = 1;
	j->op.actions = j->actions;
	j->source = (struct wh_op_source){.ref = "local://context", .ignore = c && c->ignore[0] ? c->ignore : NULL};
	j->from = (struct wh_vertex){.kind = WH_OP_SOURCE, .op.source = &j->source};
	j->inputs[1] = &j->from;
	j->v = (struct wh_vertex){.kind = WH_OP_FILE, .op.file = &j->op, .inputs = j->inputs, .n_inputs = 2};
	if (context && tree) {
		make_layer(e, context, &j->tree);
		j->in[1] = (struct wh_file_input){.v = &j->from, .layers = &j->tree, .n_layers = 1};
	} else {
		snprintf(j->local, sizeof(j->local), "%s/ctx", e->dir);
		if (context) {
			wh_rm_rf(e->fd, "ctx");
			make_dir(e, "ctx", context);
		} else {
			wh_mkdir_p(e->fd, "ctx", 0755);
		}
		j->in[1] = (struct wh_file_input){.v = &j->from, .local_path = j->local, .attrs = j->attrs};
	}
	if (base && *base) {
		make_layer(e, base, &j->base);
		a.base = &j->base;
		a.n_base = 1;
	}
	a.v = &j->v;
	a.inputs = j->in;
	a.n_inputs = 2;
	a.protect = j->protect[0] ? j->protect : NULL;
	MUST(wh_fileop_new(&a, &j->f, &err));
}

void job_end(struct job *j)
{
	wh_fileop_free(j->f);
	wh_layer_release(&j->base);
	wh_layer_release(&j->tree);
	memset(j, 0, sizeof(*j));
}

struct wh_layer_opts plain(void)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;

	o.comp = WH_COMP_NONE;
	return o;
}

char *job_write(struct env *e, struct job *j)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_layer_opts o = plain();
	struct wh_layer layer = {0};
	bool empty = false;
	char *text;
	int r = wh_fileop_write(j->f, &o, &layer, &empty, &err);

	if (r) {
		assert_non_null(err);
		assert_int_not_equal(err->class, WH_ERR_INTERNAL);
		return wh_asprintf("error: %s%s%s%s", err->msg, err->hint ? " [" : "", err->hint ? err->hint : "",
				   err->hint ? "]" : "");
	}
	assert_null(err);
	text = show(e, &layer);
	assert_int_equal(empty, !*text);
	wh_layer_release(&layer);
	return text;
}

struct wh_digest job_digest(struct job *j)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_digest d;

	MUST(wh_fileop_digest(j->f, &d, &err));
	return d;
}
