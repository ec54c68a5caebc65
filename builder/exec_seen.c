/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What apt unpacks in a step, by the digests of the archives: for the lock.
 *
 * apt calls a hook before dpkg gets the archives (apt.conf(5), DPkg::Pre-Install-Pkgs, version 3 of its protocol). Two files and
 * a directory are laid into the step for that; all three are mounts, so that no layer shows them:
 *
 *   /etc/apt/apt.conf.d/zz-whittle-lock   names the hook
 *   PLACE/hook                            a script: name, version, architecture and sha256 of each archive to
 *   PLACE/seen/debs                       which is read here when the step is over
 *
 * They change nothing of what the step does, so they are in no key. A step can write there what it likes: it could as well
 * install what it likes.
 *
 * The document of the step: {"schema":1, "debs":[{"name","version","arch","sha256"}, …]}, sorted, each once; of every
 * step that was watched, also when it installed nothing.
 */
#include "builder/exec_private.h"

#include <errno.h>

#define CONF "/etc/apt/apt.conf.d/zz-whittle-lock"
#define SEEN_MAX ((size_t)8 << 20)
#define NAME_MAX_LEN 256

static const char hook[] = "#!/bin/sh\n"
			   "# The archives that apt is about to unpack, for the lock.\n"
			   "while read -r line && [ -n \"$line\" ]; do :; done\n"
			   "while read -r name _ _ _ _ version arch _ file; do\n"
			   "\t[ -f \"$file\" ] || continue\n"
			   "\tsum=$(sha256sum <\"$file\") || continue\n"
			   "\tprintf '%s %s %s %s\\n' \"${sum%% *}\" \"$name\" \"$version\" \"$arch\" >>\"${0%/*}/seen/debs\"\n"
			   "done\n"
			   "exit 0\n";

struct wh_seen {
	char *name;   /* directory in this process's lease */
	char *dir;    /* the same, absolute */
	char *conf, *hook_path, *seen_path;
};

bool wh_exec_covers(const struct wh_op_exec *op, const char *path)
{
	for (size_t i = 0; i < op->n_mounts; i++) {
		const char *target = op->mounts[i].target;
		size_t n = target ? strlen(target) : 0;

		while (n && target[n - 1] == '/')
			n--;
		if (target && strncmp(target, path, n) == 0 && (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

static bool has_apt(struct wh_builder *b, const struct wh_node *base)
{
	struct wh_tree *t = NULL;
	struct wh_node_ref n;
	bool has;

	if (!base || wh_tree_open(b->o.store, base->result.layers, base->result.n_layers, &t, NULL) < 0)
		return false;
	has = wh_tree_resolve(t, "usr/bin/apt-get", true, false, NULL, &n) == 0 &&
	      wh_tree_resolve(t, "etc/apt/apt.conf.d", true, false, NULL, &n) == 0 && n.e.type == WH_T_DIR;
	wh_tree_close(t);
	return has;
}

int wh_seen_prepare(struct wh_exec *x, struct wh_err **err)
{
	static const char *const places[] = {"/run/whittle-lock", "/.whittle-lock"};
	const struct wh_node *n = x->node, *base = n->n_inputs ? n->inputs[0] : NULL;
	struct wh_builder *b = x->b;
	int tmp = wh_store_tmp_dirfd(b->o.store), r;
	const char *place = NULL;
	struct wh_seen *s;

	for (size_t i = 0; i < WH_ARRAY_SIZE(places) && !place; i++)
		if (!wh_exec_covers(x->op, places[i]))
			place = places[i];
	if (!place || wh_exec_covers(x->op, CONF) || !has_apt(b, base))
		return 0;
	s = x->seen = wh_calloc(1, sizeof(*s));
	s->name = wh_temp_name("seen");
	s->dir = wh_asprintf("%s/%s", wh_store_tmp_path(b->o.store), s->name);
	s->conf = wh_asprintf("DPkg::Pre-Install-Pkgs { \"%s/hook\"; };\n"
			      "DPkg::Tools::Options::%s/hook::Version \"3\";\n", place, place);
	s->hook_path = wh_asprintf("%s/hook", place);
	s->seen_path = wh_asprintf("%s/seen", place);
	r = wh_mkdir_p(tmp, s->name, 0755);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "make %s", s->dir);
	x->binds[x->n_binds++] = (struct wh_bind){.kind = WH_BIND_DATA, .target = CONF, .readonly = true, .mode = 0644,
						  .data = s->conf, .data_len = strlen(s->conf)};
	x->binds[x->n_binds++] = (struct wh_bind){.kind = WH_BIND_DATA, .target = s->hook_path, .readonly = true,
						  .mode = 0755, .data = hook, .data_len = sizeof(hook) - 1};
	x->binds[x->n_binds++] = (struct wh_bind){.kind = WH_BIND_PATH, .target = s->seen_path, .source = s->dir,
						  .stays = true};
	return 0;
}

/* ---------------------------------------------------------------- afterwards */

static bool good_word(struct wh_str s)
{
	if (!s.n || s.n > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static struct wh_str take_word(struct wh_str *rest, char end)
{
	const char *p = rest->n ? memchr(rest->p, end, rest->n) : NULL;
	struct wh_str w = {rest->p, p ? (size_t)(p - rest->p) : rest->n};
	size_t used = w.n + (p ? 1 : 0);

	rest->p += used;
	rest->n -= used;
	return w;
}

/* Lines that are none of the hook's are passed over. */
static json_t *seen_json(struct wh_str text)
{
	WH_AUTO_STRV struct wh_strv lines = {0};
	json_t *debs = json_array();

	while (text.n) {
		struct wh_str line = take_word(&text, '\n');

		if (line.n < 4 * NAME_MAX_LEN)
			wh_strv_take(&lines, wh_strndup(line.n ? line.p : "", line.n));
	}
	wh_strv_sort(&lines); /* by digest; sorted by name below */
	for (size_t i = 0; i < lines.n; i++) {
		struct wh_str rest = wh_str(lines.v[i]), sum = take_word(&rest, ' '), name = take_word(&rest, ' '),
			      version = take_word(&rest, ' ');
		WH_AUTO_FREE char *hex = wh_strndup(sum.n ? sum.p : "", sum.n);
		struct wh_digest d;

		if ((i && wh_streq(lines.v[i], lines.v[i - 1])) || !wh_digest_parse_hex(hex, &d) || !good_word(name) ||
		    !good_word(version) || !good_word(rest))
			continue;
		json_array_append_new(debs, json_pack("{s:s%, s:s%, s:s%, s:s}", "name", name.p, name.n, "version", version.p,
						      version.n, "arch", rest.p, rest.n, "sha256", hex));
	}
	return json_pack("{s:i, s:o}", "schema", 1, "debs", debs);
}

int wh_seen_finish(struct wh_exec *x, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_builder *b = x->b;
	int r = 0;

	if (x->seen) {
		WH_AUTO_FD int dir = wh_openat(AT_FDCWD, x->seen->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		WH_AUTO_FD int fd = dir < 0 ? dir : wh_open_beneath(dir, "debs", O_RDONLY | O_NONBLOCK, 0, true);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			r = wh_read_fd(fd, SEEN_MAX, &text);
	}
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_BUILD, -r, "read what apt was seen to unpack");
	doc = seen_json((struct wh_str){text.n ? text.p : "", text.n});
	if (b->o.seen.judge)
		r = b->o.seen.judge(b->o.seen.arg, x->node->v, doc, err);
	return r < 0 ? r : wh_doc_write(b, doc, ret, err);
}

void wh_seen_free(struct wh_exec *x)
{
	struct wh_seen *s = x->seen;

	if (!s)
		return;
	wh_rm_rf(wh_store_tmp_dirfd(x->b->o.store), s->name);
	free(s->name);
	free(s->dir);
	free(s->conf);
	free(s->hook_path);
	free(s->seen_path);
	free(WH_TAKE_PTR(x->seen));
}
