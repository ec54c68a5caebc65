/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git repositories: which commit is meant, is it at hand, fetch it, check it out.
 *
 *   reference ──ls-remote──▶ object, commit ──▶ trees/KEY there?
 *                                               └─ no: fetched (no history) into git/REMOTE ──▶ checkout ──▶ trees/KEY
 *
 * A reference that is a whole commit asks nobody. What is pinned by a checksum asks nobody when the reference was seen
 * to be that commit before. Branches win over tags of the same name, as in BuildKit.
 */
#include "layers/remote_private.h"

#include <errno.h>

#define DOMAIN "source"
#define SHALLOW_MAX ((size_t)16 << 20)

struct want {
	struct wh_store *s;
	const struct wh_remote_opts *o;
	const char *remote, *ref, *checksum, *subdir; /* as asked for; ref, checksum and subdir may be NULL */
	bool keep, submodules, by_commit;
	char *shown;
	char object[65]; /* what the reference is: a commit, or a tag's own object */
	char commit[65]; /* the commit; "": not known yet */
	char *used;      /* the full reference; "": none, a commit was named */
	char record[65]; /* name of the reference's record */
	char key[65];    /* of the tree */
	struct wh_git g;
	bool open; /* g is */
	char *bare;
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* ---------------------------------------------------------------- words */

/* 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. */
static bool is_commit(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static bool begins(const char *whole, const char *part)
{
	return *whole && strncasecmp(whole, part, strlen(part)) == 0;
}

static bool good_ref(const char *ref)
{
	if (!*ref || *ref == '-' || *ref == '/' || strlen(ref) > 1024 || strstr(ref, "..") || strstr(ref, "@{"))
		return false;
	for (; *ref; ref++)
		if ((unsigned char)*ref <= ' ' || *ref == 0x7f || strchr("~^:?*[\\", *ref))
			return false;
	return true;
}

static bool good_subdir(const char *path)
{
	WH_AUTO_FREE char *clean = wh_path_clean(path);

	return *path && strcmp(clean, path) == 0 && *path != '/' && strcmp(path, ".") != 0 && strcmp(path, "..") != 0 &&
	       !wh_has_prefix(path, "../");
}

/* ---------------------------------------------------------------- which commit */

static bool matches(const struct want *w)
{
	return !w->checksum || begins(w->object, w->checksum) || begins(w->commit, w->checksum);
}

static int mismatch(const struct want *w, struct wh_err **err)
{
	bool two = *w->commit && strcmp(w->commit, w->object) != 0;

	return wh_err_set(err, DOMAIN, WH_ERR_BUILD, EBADMSG, "%s: expected checksum to match %s, got %s%s%s", w->shown,
			  w->checksum, w->object, two ? " or " : "", two ? w->commit : "");
}

static void set_used(struct want *w, const char *used)
{
	free(w->used);
	w->used = wh_strdup(used);
}

/* {"object", "commit", "ref"}, as a record or as what the build was told. */
static bool take_known(struct want *w, const json_t *j)
{
	const char *object = wh_json_str(j, "object"), *commit = wh_json_str(j, "commit"),
		   *used = wh_json_str(j, "ref");

	if (!is_commit(object) || !is_commit(commit) || !used || (*used && !good_ref(used)))
		return false;
	memcpy(w->object, object, strlen(object) + 1);
	memcpy(w->commit, commit, strlen(commit) + 1);
	set_used(w, used);
	return true;
}

static json_t *known_json(const struct want *w)
{
	return json_pack("{s:s, s:s, s:s}", "object", w->object, "commit", *w->commit ? w->commit : w->object, "ref",
			 or_empty(w->used));
}

/* The object that ls-remote's output has for a reference; NULL: none. */
static const char *listed(const char *text, const char *ref, char ret[65])
{
	size_t n = strlen(ref);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *tab = p + strcspn(p, "\t\n");
		size_t len = (size_t)(tab - p);

		if (*tab != '\t' || (len != 40 && len != 64) || strncmp(tab + 1, ref, n) != 0 ||
		    (tab[1 + n] && tab[1 + n] != '\n'))
			continue;
		memcpy(ret, p, len);
		ret[len] = '\0';
		return is_commit(ret) ? ret : NULL;
	}
	return NULL;
}

static bool take_listed(struct want *w, const char *text, const char *ref)
{
	WH_AUTO_FREE char *peeled = wh_asprintf("%s^{}", ref);

	if (!listed(text, ref, w->object))
		return false;
	if (!listed(text, peeled, w->commit))
		memcpy(w->commit, w->object, sizeof(w->commit));
	set_used(w, ref);
	return true;
}

/* The remote's HEAD: "ref: refs/heads/main\tHEAD", then its object. */
static int ask_head(struct want *w, struct wh_err **err)
{
	int r = wh_git_run(&w->g, false, err, "ls-remote", "--symref", "--", w->g.remote, "HEAD", NULL);
	const char *text = or_empty(w->g.out.p), *at;

	if (r < 0)
		return r;
	if (r > 0)
		return wh_git_failed(&w->g, err, "%s: ask for its HEAD", w->shown);
	if (!take_listed(w, text, "HEAD"))
		return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOENT, "could not find default branch for repository: %s",
				  w->shown);
	at = wh_has_prefix(text, "ref: ") ? text + strlen("ref: ") : strstr(text, "\nref: ");
	if (at) {
		WH_AUTO_FREE char *name = NULL;

		at += *at == '\n' ? strlen("\nref: ") : 0;
		name = wh_strndup(at, strcspn(at, "\t\n"));
		if (wh_has_prefix(name, "refs/heads/") && good_ref(name))
			set_used(w, name);
	}
	return 0;
}

static int ask_ref(struct want *w, struct wh_err **err)
{
	const char *bare = wh_has_prefix(w->ref, "refs/") ? w->ref + strlen("refs/") : w->ref;
	WH_AUTO_FREE char *peeled = wh_asprintf("%s^{}", w->ref);
	WH_AUTO_FREE char *full = wh_asprintf("refs/%s", bare);
	WH_AUTO_FREE char *head = wh_asprintf("refs/heads/%s", w->ref);
	WH_AUTO_FREE char *tag = wh_asprintf("refs/tags/%s", w->ref);
	int r = wh_git_run(&w->g, false, err, "ls-remote", "--", w->g.remote, w->ref, peeled, NULL);
	const char *text = or_empty(w->g.out.p);

	if (r < 0)
		return r;
	if (r > 0)
		return wh_git_failed(&w->g, err, "%s: ask for %s", w->shown, w->ref);
	if (take_listed(w, text, full) || take_listed(w, text, head) || take_listed(w, text, tag))
		return 0;
	wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOENT, "%s: repository does not contain ref %s", w->shown, w->ref);
	if (strspn(w->ref, "0123456789abcdef") == strlen(w->ref) && strlen(w->ref) >= 4)
		wh_err_hint(err, "a commit is named by all its digits");
	return -ENOENT;
}

/* Without a question: 0; -ENODATA when one is needed. */
static int resolve_offline(struct want *w, const json_t *known, struct wh_err **err)
{
	WH_AUTO_JSON json_t *record = NULL;

	if (is_commit(w->ref) || w->by_commit) {
		const char *whole = is_commit(w->ref) ? w->ref : w->checksum;

		if (!is_commit(whole))
			return wh_err_set(
				err, DOMAIN, WH_ERR_USAGE, EINVAL, "%s: fetch-by-commit requires %s", w->shown,
				w->checksum ? "a full commit SHA checksum" : "a checksum or a commit SHA ref");
		memcpy(w->object, whole, strlen(whole) + 1);
		if (w->ref && !is_commit(w->ref)) {
			WH_AUTO_FREE char *full = wh_has_prefix(w->ref, "refs/") ? wh_strdup(w->ref)
										 : wh_asprintf("refs/heads/%s", w->ref);

			set_used(w, full);
		}
		/* A tag's own object may be named, and its commit be pinned: that is seen once it is there. */
		return !matches(w) && strlen(w->checksum) >= strlen(w->object) ? mismatch(w, err) : 0;
	}
	if (known && take_known(w, known))
		return matches(w) ? 0 : mismatch(w, err);
	record = w->checksum ? wh_sources_record(w->s, "refs", w->record) : NULL;
	if (record && take_known(w, record) && matches(w))
		return 0;
	*w->object = *w->commit = '\0';
	return -ENODATA;
}

static int open_git(struct want *w, struct wh_err **err)
{
	int r;

	if (w->open)
		return 0;
	w->g.shown = w->shown;
	w->open = true;
	r = wh_git_open(&w->g, w->s, w->o, w->remote, err);
	return r;
}

static int resolve_asking(struct want *w, struct wh_err **err)
{
	WH_AUTO_JSON json_t *record = NULL;
	int r = open_git(w, err);

	if (r == 0)
		r = w->ref ? ask_ref(w, err) : ask_head(w, err);
	if (r < 0)
		return r;
	record = known_json(w);
	wh_sources_note(w->s, "refs", w->record, record);
	return matches(w) ? 0 : mismatch(w, err);
}

/* What of the request decides the tree. Without a repository in it, equal commits are equal wherever they come from. */
static void make_key(struct want *w)
{
	if (w->keep)
		wh_sources_key(w->key, "git", w->object, "keep", or_empty(w->used), w->shown, w->submodules ? "1" : "0",
			       NULL);
	else
		wh_sources_key(w->key, "git", *w->commit ? w->commit : w->object, or_empty(w->subdir),
			       w->submodules ? "1" : "0", NULL);
}

/* ---------------------------------------------------------------- the bare repository */

static int open_bare(struct want *w, struct wh_err **err)
{
	WH_AUTO_FD int dir = wh_sources_dir(w->s, "git", err);
	WH_AUTO_FREE char *temp = wh_temp_name("bare-");
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", w->s->tmp_path, temp);
	const char *format = strlen(w->object) == 64 ? "--object-format=sha256" : "--object-format=sha1";
	char name[65];
	int r;

	if (dir < 0)
		return dir;
	wh_sources_key(name, w->g.remote, format, NULL);
	free(w->bare);
	w->bare = wh_asprintf("%s/sources/git/%s", w->s->path, name);
	if (wh_store_use(w->s, dir, name))
		return 0;
	r = wh_git_run(&w->g, true, err, "init", "--quiet", "--bare", "--template=", format, "--", path, NULL);
	if (r == 0)
		r = wh_git_run(&w->g, true, err, "-C", path, "config", "uploadpack.allowAnySHA1InWant", "true", NULL);
	if (r > 0)
		return wh_git_failed(&w->g, err, "%s: make a repository", w->shown);
	return r < 0 ? r : wh_store_publish(w->s, temp, dir, name, err);
}

/* Something in it is broken: out of the way. */
static void drop_bare(struct want *w)
{
	WH_AUTO_FREE char *aside = wh_temp_name("old-");

	(void)renameat(AT_FDCWD, w->bare, wh_store_tmp_dirfd(w->s), aside);
}

static int has_commit(struct want *w, struct wh_err **err)
{
	WH_AUTO_FREE char *commit = wh_asprintf("%s^{commit}", w->object);
	int r = wh_git_run(&w->g, true, err, "-C", w->bare, "cat-file", "-e", commit, NULL);

	return r < 0 ? r : r == 0;
}

/* No other way to ask would help. */
static bool is_final(const struct wh_git *g)
{
	return wh_git_says(g, "Could not resolve host", "unable to access", "Connection refused", "timed out",
			   "could not read Username", "Authentication failed", "Permission denied", "Host key",
			   "not found", "transport '", NULL);
}

/* From the least that may do to all there is: servers differ in what can be asked for, plain files behind HTTP most. */
static int fetch(struct want *w, struct wh_err **err)
{
	WH_AUTO_FREE char *shallow = wh_asprintf("%s/shallow", w->bare);
	WH_AUTO_FREE char *stale = wh_asprintf("%s/shallow.lock", w->bare);
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT;
	int r = 0, there;

	(void)unlink(stale); /* the lock on this remote is ours: it is a dead process's */
	for (unsigned i = 0; i < 5; i++) {
		const char *whole = access(shallow, F_OK) == 0 ? "--unshallow" : "--no-tags";
		const char *what = i % 2 ? w->object : w->used;

		if (i < 4 && i % 2 == 0 && !*or_empty(w->used))
			continue;
		if (i < 4)
			r = wh_git_run(&w->g, false, err, "-C", w->bare, "fetch", "--quiet", "--no-tags",
				       "--no-write-fetch-head", i < 2 ? "--depth=1" : whole, "--", w->g.remote, what,
				       NULL);
		else
			r = wh_git_run(&w->g, false, err, "-C", w->bare, "fetch", "--quiet", "--force",
				       "--no-write-fetch-head", whole, "--", w->g.remote, "+refs/heads/*:refs/heads/*",
				       "+refs/tags/*:refs/tags/*", NULL);
		if (r < 0)
			return r;
		if (r > 0 && (is_final(&w->g) || i == 4))
			return wh_git_failed(&w->g, err, "%s: fetch", w->shown);
		there = has_commit(w, err);
		if (there)
			return there < 0 ? there : 0;
	}
	return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOENT, "%s: the repository does not contain commit %s", w->shown,
			  w->object);
}

/* The commit is in the bare repository, and known. */
static int have_commit(struct want *w, struct wh_err **err)
{
	WH_AUTO_FREE char *peel = wh_asprintf("%s^{commit}", w->object);
	WH_AUTO_FREE char *keep = NULL;
	int r = open_bare(w, err);

	if (r == 0)
		r = has_commit(w, err);
	if (r == 0)
		r = fetch(w, err);
	if (r < 0)
		return r;
	r = wh_git_run(&w->g, true, err, "-C", w->bare, "rev-parse", "--verify", "--quiet", "--end-of-options", peel,
		       NULL);
	if (r < 0)
		return r;
	if (w->g.out.n)
		w->g.out.p[strcspn(w->g.out.p, "\n")] = '\0';
	if (r > 0 || !is_commit(w->g.out.p))
		return wh_git_failed(&w->g, err, "%s: look at %s", w->shown, w->object);
	memcpy(w->commit, w->g.out.p, strlen(w->g.out.p) + 1);
	if (!matches(w))
		return mismatch(w, err);
	/* The next fetch tells the server of it, and gets what is new. Not needed otherwise. */
	keep = wh_asprintf("refs/have/%s", w->commit);
	r = wh_git_run(&w->g, true, err, "-C", w->bare, "update-ref", keep, w->commit, NULL);
	return r < 0 ? r : 0;
}

/* ---------------------------------------------------------------- checkout */

struct checkout {
	struct want *w;
	char *name, *path; /* the working tree: below the lease's directory, absolute */
};

/* Runs git in the working tree; an exit status other than 0 is an error. */
#define IN_TREE(c, local, err, ...) \
	tree_status((c), wh_git_run(&(c)->w->g, (local), (err), "-C", (c)->path, __VA_ARGS__, NULL), (err))

static int tree_status(struct checkout *c, int r, struct wh_err **err)
{
	return r > 0 ? wh_git_failed(&c->w->g, err, "%s: check out %s", c->w->shown, c->w->commit) : r;
}

static char *file_url(const char *path)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_buf_adds(&out, "file://");
	for (; *path; path++) {
		if (*path == '%')
			wh_buf_adds(&out, "%25");
		else
			wh_buf_addc(&out, *path);
	}
	return wh_buf_take(&out);
}

/* The objects of the bare repository are used where they are; where the repository stays, it gets its own. */
static int lend_objects(struct checkout *c, struct wh_err **err)
{
	WH_AUTO_FREE char *link = wh_asprintf("%s/objects\n", c->w->bare);
	WH_AUTO_FREE char *alternates = wh_asprintf("%s/.git/objects/info/alternates", c->path);
	WH_AUTO_FREE char *info = wh_asprintf("%s/.git/objects/info", c->path);
	WH_AUTO_FREE char *from = wh_asprintf("%s/shallow", c->w->bare);
	WH_AUTO_FREE char *to = wh_asprintf("%s/.git/shallow", c->path);
	WH_AUTO_BUF struct wh_buf shallow = WH_BUF_INIT;
	WH_AUTO_FREE char *url = NULL;
	int r;

	if (c->w->keep) {
		url = file_url(c->w->bare);
		return IN_TREE(c, true, err, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head",
			       "--", url, c->w->object);
	}
	r = wh_mkdir_p(AT_FDCWD, info, 0755);
	if (r == 0)
		r = wh_write_file_atomic(AT_FDCWD, alternates, link, strlen(link), 0644, false);
	if (r == 0)
		r = wh_read_file(AT_FDCWD, from, SHALLOW_MAX, &shallow);
	if (r == 0)
		r = wh_write_file_atomic(AT_FDCWD, to, shallow.p ? shallow.p : "", shallow.n, 0644, false);
	return r < 0 && r != -ENOENT ? wh_err_sys(err, DOMAIN, WH_ERR_ENV, -r, "write into the store") : 0;
}

/* From the start: what is shallow already stays so, and lacks the commit as before. */
static int submodules_whole(struct checkout *c, struct wh_err **err)
{
	WH_AUTO_FREE char *modules = wh_asprintf("%s/.git/modules", c->name);
	int r = IN_TREE(c, true, err, "submodule", "--quiet", "deinit", "--force", "--all");

	if (r < 0)
		return r;
	r = wh_rm_rf(wh_store_tmp_dirfd(c->w->s), modules);
	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, DOMAIN, WH_ERR_ENV, -r, "write into the store");
	return wh_git_run(&c->w->g, false, err, "-C", c->path, "submodule", "--quiet", "update", "--init",
			  "--recursive", NULL);
}

static int submodules(struct checkout *c, struct wh_err **err)
{
	WH_AUTO_FREE char *list = wh_asprintf("%s/.gitmodules", c->path);
	struct wh_git *g = &c->w->g;
	struct stat st;
	int r;

	if (!c->w->submodules || lstat(list, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = IN_TREE(c, true, err, "config", "remote.origin.url", g->remote);
	if (r < 0)
		return r;
	r = wh_git_run(g, false, err, "-C", c->path, "submodule", "--quiet", "update", "--init", "--recursive",
		       "--depth=1", NULL);
	/* Plain files behind HTTP cannot be asked for a part, some servers not for a commit of their history. */
	if (r > 0 && wh_git_says(g, "--depth", "shallow", "not our ref", "unadvertised", "Direct fetching", NULL))
		r = submodules_whole(c, err);
	return r > 0 ? wh_git_failed(g, err, "%s: fetch its submodules", c->w->shown) : r;
}

/* The reference by which it was asked for exists in what is kept, as BuildKit has it there. */
static int name_commit(struct checkout *c, struct wh_err **err)
{
	const struct want *w = c->w;
	const char *used = or_empty(w->used);
	WH_AUTO_FREE char *head = NULL;

	if (!*used || strcmp(used, "HEAD") == 0)
		return 0;
	/* A tag without an object of its own becomes a branch, when it was not asked for by its full name. */
	if (wh_has_prefix(used, "refs/tags/") && strcmp(w->object, w->commit) == 0 && w->ref &&
	    !wh_has_prefix(w->ref, "refs/"))
		head = wh_asprintf("refs/heads/%s", w->ref);
	return IN_TREE(c, true, err, "update-ref", head ? head : used, w->object);
}

/* Nothing of when and where it was made stays in what is kept: one pack of a known form, an index without inodes. */
static int settle_git(struct checkout *c, struct wh_err **err)
{
	static const char *const leavings[] = {"FETCH_HEAD", "ORIG_HEAD", "description", "branches",
					       "hooks",      "logs",      "info"};
	WH_AUTO_FREE char *git = wh_asprintf("%s/.git", c->path);
	WH_AUTO_FD int dir = -1;
	int r = name_commit(c, err);

	if (r == 0)
		r = IN_TREE(c, true, err, "config", "remote.origin.url", c->w->g.remote);
	if (r == 0)
		r = IN_TREE(c, true, err, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
	if (r == 0)
		r = IN_TREE(c, true, err, "-c", "pack.threads=1", "repack", "-a", "-d", "-F", "--quiet", "--window=0");
	if (r == 0)
		r = IN_TREE(c, true, err, "read-tree", "HEAD");
	if (r == 0 && c->w->submodules)
		r = IN_TREE(c, true, err, "submodule", "--quiet", "foreach", "--recursive", "git read-tree HEAD");
	if (r < 0)
		return r;
	dir = wh_openat(AT_FDCWD, git, O_RDONLY | O_DIRECTORY, 0);
	for (size_t i = 0; dir >= 0 && i < WH_ARRAY_SIZE(leavings); i++)
		(void)wh_rm_rf(dir, leavings[i]);
	return 0;
}

static int commit_time(struct want *w, int64_t *ret, struct wh_err **err)
{
	uint64_t n;
	int r = wh_git_run(&w->g, true, err, "-C", w->bare, "show", "--no-patch", "--format=%ct", w->commit, "--",
			   NULL);

	if (r > 0)
		return wh_git_failed(&w->g, err, "%s: look at %s", w->shown, w->commit);
	if (r < 0)
		return r;
	if (w->g.out.n)
		w->g.out.p[strcspn(w->g.out.p, "\n")] = '\0';
	/* A time that no file system takes counts as none. */
	*ret = w->g.out.p && wh_parse_u64(w->g.out.p, 10, &n) && n < ((uint64_t)1 << 33) ? (int64_t)n : 0;
	return 0;
}

static int work_tree(struct checkout *c, struct wh_err **err)
{
	const char *format = strlen(c->w->object) == 64 ? "--object-format=sha256" : "--object-format=sha1";
	int tmp = wh_store_tmp_dirfd(c->w->s);
	WH_AUTO_FREE char *git = wh_asprintf("%s/.git", c->name);
	int r = wh_git_run(&c->w->g, true, err, "init", "--quiet", "--template=", format, "--", c->path, NULL);

	r = tree_status(c, r, err);
	if (r == 0)
		r = lend_objects(c, err);
	if (r == 0)
		r = IN_TREE(c, true, err, "checkout", "--quiet", "--force", "--detach", c->w->commit, "--");
	if (r == 0)
		r = submodules(c, err);
	if (r == 0 && c->w->keep)
		return settle_git(c, err);
	if (r == 0)
		r = wh_rm_rf(tmp, git);
	return r < 0 && err && !*err ? wh_err_sys(err, DOMAIN, WH_ERR_ENV, -r, "write into the store") : r;
}

static int check_out(struct want *w, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("checkout-");
	WH_AUTO_FREE char *part = wh_temp_name("subdir-");
	WH_AUTO_FREE char *part_tree = wh_asprintf("%s/" WH_TREE, part);
	struct checkout c = {.w = w, .name = wh_asprintf("%s/" WH_TREE, name)};
	WH_AUTO_FD int trees = wh_sources_dir(w->s, "trees", err);
	int tmp = wh_store_tmp_dirfd(w->s), r = trees;
	int64_t when = 0;

	c.path = wh_asprintf("%s/%s", w->s->tmp_path, c.name);
	if (r >= 0)
		r = work_tree(&c, err);
	if (r == 0 && w->subdir && mkdirat(tmp, part, 0755) < 0)
		r = wh_err_sys(err, DOMAIN, WH_ERR_ENV, errno, "write into the store");
	if (r == 0 && w->subdir)
		r = wh_checkout_subdir(tmp, c.name, w->subdir, part_tree, err);
	if (r == 0)
		r = commit_time(w, &when, err);
	if (r == 0)
		r = wh_checkout_settle(tmp, w->subdir ? part_tree : c.name, w->keep, when, err);
	if (r == 0)
		r = wh_store_publish(w->s, w->subdir ? part : name, trees, w->key, err);
	(void)wh_rm_rf(tmp, name);
	(void)wh_rm_rf(tmp, part);
	free(c.name);
	free(c.path);
	return r;
}

/* ---------------------------------------------------------------- the request */

/* Is the repository at fault, not the server and not what was asked for? */
static bool is_damaged(const struct wh_git *g)
{
	return wh_git_says(g, "corrupt", "missing blob", "missing tree", "bad object", "unable to read", "invalid sha1",
			   "loose object", "bad tree", "inflate", "packfile", "shallow file", "unresolved deltas",
			   NULL);
}

static int make(struct want *w, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_FD int lock = -1;
	char name[65];
	int r = open_git(w, err);

	if (r < 0)
		return r;
	wh_sources_key(name, "git", w->g.remote, NULL);
	lock = wh_sources_lock(w->s, name, err);
	if (lock < 0)
		return lock;
	for (unsigned i = 0; i < 2; i++) {
		WH_AUTO_FREE char *there = NULL;

		r = have_commit(w, &why);
		make_key(w); /* the commit may have become known */
		there = r == 0 ? wh_sources_tree(w->s, w->key) : NULL;
		if (r == 0 && !there)
			r = check_out(w, &why);
		if (r == 0 || i > 0 || !is_damaged(&w->g))
			break;
		drop_bare(w);
		wh_err_freep(&why);
	}
	if (r < 0)
		wh_err_move(err, &why);
	return r;
}

static int reply(struct want *w, bool fetched, json_t **ret)
{
	WH_AUTO_FREE char *path = wh_sources_tree(w->s, w->key);
	WH_AUTO_FREE char *note = NULL;
	const char *commit = *w->commit ? w->commit : w->object;

	if (!path)
		return -ENODATA;
	note = wh_asprintf("%scommit %s", fetched ? "" : "at hand, ", commit);
	*ret = json_pack("{s:s, s:s, s:s, s:o, s:s}", "path", path, "digest", commit, "key", w->key, "known",
			 known_json(w), "note", note);
	return 0;
}

static int answer(struct want *w, const json_t *q, json_t **ret, struct wh_err **err)
{
	int r = resolve_offline(w, json_object_get(q, "known"), err);

	if (r == -ENODATA && w->o)
		r = resolve_asking(w, err);
	if (r < 0)
		return r;
	make_key(w);
	r = reply(w, false, ret);
	if (r != -ENODATA || !w->o)
		return r;
	r = make(w, err);
	if (r < 0)
		return r;
	r = reply(w, true, ret);
	return r < 0 ? wh_err_set(err, DOMAIN, WH_ERR_INTERNAL, ENOENT, "%s: the checkout is gone", w->shown) : 0;
}

static int check(const struct want *w, struct wh_err **err)
{
	if (w->ref && !good_ref(w->ref))
		return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL, "%s: invalid git ref \"%.200s\"", w->shown,
				  w->ref);
	if (w->subdir && !good_subdir(w->subdir))
		return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL, "%s: invalid directory \"%.200s\"", w->shown,
				  w->subdir);
	if (w->checksum && (!*w->checksum || strlen(w->checksum) > 64 ||
			    strspn(w->checksum, "0123456789abcdefABCDEF") != strlen(w->checksum)))
		return wh_err_set(err, DOMAIN, WH_ERR_USAGE, EINVAL,
				  "invalid checksum %.200s for Git URL, expected hex commit hash", w->checksum);
	return 0;
}

int wh_remote_git(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		  struct wh_err **err)
{
	struct want w = {
		.s = s,
		.o = o,
		.remote = wh_json_str(request, "remote"),
		.ref = wh_json_str(request, "ref"),
		.checksum = wh_json_str(request, "checksum"),
		.subdir = wh_json_str(request, "subdir"),
		.submodules = json_is_true(json_object_get(request, "submodules")),
		.by_commit = json_is_true(json_object_get(request, "by_commit")),
	};
	int r;

	if (!w.remote)
		return wh_err_set(err, DOMAIN, WH_ERR_INTERNAL, EBADMSG, "a request for no repository");
	/* As in BuildKit: a part of the tree has no repository of its own. */
	w.keep = json_is_true(json_object_get(request, "keep_git_dir")) && !w.subdir;
	w.shown = wh_remote_shown(w.remote);
	wh_sources_key(w.record, w.remote, or_empty(w.ref), NULL);
	r = check(&w, err);
	if (r == 0)
		r = answer(&w, request, ret_reply, err);
	if (w.open)
		wh_git_close(&w.g);
	free(w.bare);
	free(w.used);
	free(w.shown);
	return r;
}
