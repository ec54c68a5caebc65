/* SPDX-License-Identifier: Apache-2.0 */
/* A throw-away store, and layers written from a few words. */
#ifndef WH_TESTS_UNIT_LAYERS_HELPER_H
#define WH_TESTS_UNIT_LAYERS_HELPER_H

#include "layers/layers.h"

#include <errno.h>
#include <sched.h>

#include "tests/unit/test.h"

#define UNUSED __attribute__((unused))

/* Fails the test with the error's text. */
#define assert_ok(r, err)                                                                  \
	do {                                                                               \
		int wh_r = (r);                                                            \
		if (wh_r < 0)                                                              \
			fail_msg("%s: %d %s", #r, wh_r, (err) ? (err)->msg : "(no text)"); \
	} while (0)

struct bed {
	char *dir;
	struct wh_store *store;
};

static UNUSED void bed_open(struct bed *b)
{
	struct wh_err *err = NULL;
	const char *tmp = getenv("TMPDIR");
	WH_AUTO_FREE char *store = NULL;

	b->dir = wh_asprintf("%s/whittle-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->dir));
	store = wh_asprintf("%s/store", b->dir);
	assert_ok(wh_store_open(store, &b->store, &err), err);
}

static UNUSED void bed_close(struct bed *b)
{
	wh_store_close(b->store);
	assert_int_equal(wh_rm_rf(AT_FDCWD, b->dir), 0);
	free(b->dir);
}

/* Root of a user namespace of its own with this one id: what steps see, and what an ordinary user can have. */
static UNUSED void enter_user_namespace(void)
{
	static const char *const files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
	unsigned ids[] = {0, geteuid(), getegid()};

	assert_int_equal(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(files); i++) {
		WH_AUTO_FREE char *text = i ? wh_asprintf("0 %u 1", ids[i]) : wh_strdup("deny");
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, files[i], O_WRONLY, 0);

		assert_true(fd >= 0);
		assert_int_equal(wh_write_all(fd, text, strlen(text)), 0);
	}
}

static UNUSED void become_root(void)
{
	if (geteuid() != 0)
		enter_user_namespace();
}

/*
 * One line an entry, in layer order: "TYPE PATH [MODE] [REST]"
 *   d PATH MODE   o PATH MODE (opaque)   i PATH (implied)   f PATH MODE TEXT   l PATH TEXT   h PATH TARGET   w PATH
 *   p PATH MODE   c PATH MODE (device 1:3)
 * PATH "." is the root. All belong to 0:0, time 1000.
 */
static UNUSED int spec_line(struct wh_layer_writer *w, const char *line, struct wh_err **err)
{
	char path[300], rest[300] = "";
	unsigned mode = 0;
	char type;
	struct wh_entry e;
	int r, n = 0;

	assert_true(sscanf(line, "%c %299s%n", &type, path, &n) == 2);
	if (strchr("dofpc", type)) {
		int m = 0;

		assert_true(sscanf(line + n, "%o%n", &mode, &m) == 1);
		n += m;
	}
	if (line[n] == ' ')
		snprintf(rest, sizeof(rest), "%s", line + n + 1);
	e = (struct wh_entry){
		.path = strcmp(path, ".") ? path : "", .type = (enum wh_type)type, .mode = mode, .mtime = 1000};
	if (type == 'o' || type == 'i') {
		e.type = WH_T_DIR;
		e.opaque = type == 'o';
		e.implied = type == 'i';
		e.mode = e.implied ? 0755 : mode;
	}
	if (type == 'f')
		e.size = strlen(rest);
	if (type == 'l' || type == 'h')
		e.link = rest;
	if (type == 'l')
		e.mode = 0777;
	if (type == 'c') {
		e.major = 1;
		e.minor = 3;
	}
	r = wh_layer_writer_add(w, &e, err);
	return r == 0 && type == 'f' ? wh_layer_writer_data(w, rest, strlen(rest), err) : r;
}

static UNUSED int layer_of_opts(struct wh_store *s, const char *spec, const struct wh_layer_opts *o,
				struct wh_layer *ret, struct wh_err **err)
{
	struct wh_layer_writer *w = NULL;
	int r = wh_layer_writer_new(s, o, &w, err);

	while (r == 0 && *spec) {
		WH_AUTO_FREE char *line = wh_strndup(spec, strcspn(spec, "\n"));

		r = spec_line(w, line, err);
		spec += strlen(line);
		spec += *spec == '\n';
	}
	if (r == 0)
		return wh_layer_writer_finish(w, ret, err);
	wh_layer_writer_abort(w);
	return r;
}

static UNUSED void layer_of(struct wh_store *s, const char *spec, struct wh_layer *ret)
{
	struct wh_err *err = NULL;
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;

	o.threads = 1;
	assert_ok(layer_of_opts(s, spec, &o, ret, &err), err);
}

/* The same words from an entry, for comparing; files show size and the digest's first digits. */
static UNUSED void describe(struct wh_buf *b, const struct wh_entry *e)
{
	char hex[65];

	wh_buf_addf(b, "%c %s", e->type, *e->path ? e->path : ".");
	if (e->opaque)
		wh_buf_adds(b, " opaque");
	if (e->type != WH_T_WHITEOUT && e->type != WH_T_SYMLINK)
		wh_buf_addf(b, " %o", e->mode);
	if (e->type == WH_T_FILE || e->type == WH_T_HARDLINK)
		wh_buf_addf(b, " %llu:%.6s", (unsigned long long)e->size, wh_digest_hex(&e->digest, hex));
	if (e->link)
		wh_buf_addf(b, " -> %s", e->link);
	for (size_t i = 0; i < e->n_xattrs; i++)
		wh_buf_addf(b, " %s=%zu", e->xattrs[i].name, e->xattrs[i].len);
	wh_buf_addc(b, '\n');
}

#endif
