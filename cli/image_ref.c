/* SPDX-License-Identifier: Apache-2.0 */
/* An image by whatever name the user has for it: in the store, or in an OCI layout directory. */
#include "cli/cli.h"
#include "cli/registry_service.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>

/* Such a directory is locked (flock) as long as a process of ours lives. fd, or -1: it is another's, or gone. */
static int lock_dir(int at, const char *name)
{
	WH_AUTO_FD int fd = wh_openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat held, named;

	if (fd < 0 || fstat(fd, &held) < 0 || held.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    fstatat(at, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || held.st_ino != named.st_ino)
		return -1;
	return WH_TAKE_FD(fd);
}

/* Those of processes that were killed. */
static void sweep_dirs(const char *parent, const char *what)
{
	WH_AUTO_FREE char *prefix = wh_asprintf("whittle-%s-", what);
	DIR *d = opendir(parent);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		WH_AUTO_FD int fd = -1;

		if (!wh_has_prefix(e->d_name, prefix) || strlen(e->d_name) != strlen(prefix) + 6)
			continue;
		fd = lock_dir(dirfd(d), e->d_name);
		if (fd >= 0)
			(void)wh_rm_rf(dirfd(d), e->d_name);
	}
	if (d)
		closedir(d);
}

int wh_cli_temp_dir(const char *parent, const char *what, char **ret, struct wh_err **err)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	if (!parent)
		parent = tmp && tmp[0] == '/' ? tmp : "/tmp";
	sweep_dirs(parent, what);
	for (;;) {
		WH_AUTO_FREE char *dir = wh_asprintf("%s/whittle-%s-XXXXXX", parent, what);

		if (!mkdtemp(dir))
			return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make the directory \"%s\"", dir);
		fd = lock_dir(AT_FDCWD, dir);
		/* Who swept before it was locked took it away. The descriptor stays open to the end of the process. */
		if (fd >= 0 || access(dir, F_OK) == 0) {
			*ret = WH_TAKE_PTR(dir);
			return 0;
		}
	}
}

struct ref {
	char *dir; /* NULL: a name in the store */
	char *tag; /* or NULL */
	bool has_digest;
	struct wh_digest digest;
};

static void ref_release(struct ref *r)
{
	free(r->dir);
	free(r->tag);
}

static int parse(const char *text, struct ref *ret, struct wh_err **err)
{
	static const char *const schemes[] = {"oci-layout://", "oci:"};
	const char *rest = NULL;
	char *at, *colon;

	*ret = (struct ref){.dir = NULL};
	for (size_t i = 0; i < WH_ARRAY_SIZE(schemes) && !rest; i++)
		if (wh_has_prefix(text, schemes[i]))
			rest = text + strlen(schemes[i]);
	if (!rest)
		return 0;
	if (!*rest) {
		wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\" names no directory", text);
		return -EINVAL;
	}
	ret->dir = wh_strdup(rest);
	if (access(ret->dir, F_OK) == 0) /* a directory whose name has a colon */
		return 0;
	at = strrchr(ret->dir, '@');
	if (at && !strchr(at, '/')) {
		if (!wh_digest_parse(at + 1, &ret->digest))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\": \"%s\" is no digest", text,
					  at + 1);
		ret->has_digest = true;
		*at = '\0';
	}
	colon = strrchr(ret->dir, ':');
	if (colon && !strchr(colon, '/')) {
		ret->tag = wh_strdup(colon + 1);
		*colon = '\0';
	}
	return 0;
}

/* What an id stands for, as the digest of the manifest in text; NULL: ref is a name, or nothing that is in the store. */
static int id_digest(struct wh_store *s, const char *ref, char **ret, struct wh_err **err)
{
	WH_CLEANUP(wh_inventory_release) struct wh_inventory all = {0};
	WH_CLEANUP(wh_image_release) struct wh_image image = {0};
	const struct wh_stored *e = NULL;
	char text[WH_DIGEST_TEXT];
	bool by_id = false;
	struct wh_digest d;
	int r;

	*ret = NULL;
	if (!wh_image_id_like(ref) || (wh_digest_parse(ref, &d) && wh_image_all_from_store(s, ref, &image, NULL) == 0))
		return 0;
	r = wh_inventory_read(s, true, &all, err);
	if (r == 0)
		r = wh_inventory_find(&all, ref, &e, &by_id, err);
	if (r == 0 && by_id)
		*ret = wh_strdup(wh_digest_text(&e->manifest, text));
	return r == -ENOENT ? 0 : r;
}

/* all: an index as such. platform NULL: this machine's. */
static int find(struct wh_store *s, const char *ref, const struct ref *x, bool all, const struct wh_platform *platform,
		struct wh_image *ret, struct wh_err **err)
{
	const struct wh_digest *digest = x->has_digest ? &x->digest : NULL;

	if (x->dir)
		return all ? wh_image_all_from_layout(s, x->dir, x->tag, digest, ret, err)
			   : wh_image_from_layout(s, x->dir, x->tag, digest, platform, ret, err);
	return all ? wh_image_all_from_store(s, ref, ret, err) : wh_image_from_store(s, ref, platform, ret, err);
}

/* Without a platform: what is in no index, else this machine's. */
static int find_one(struct wh_store *s, const char *ref, const struct ref *x, const char *platform,
		    struct wh_image *ret, struct wh_err **err)
{
	struct wh_image image = {0};
	struct wh_platform p;
	int r = 0;

	if (platform) {
		r = wh_platform_parse(platform, NULL, &p, err);
		return r < 0 ? r : find(s, ref, x, false, &p, ret, err);
	}
	if (find(s, ref, x, true, NULL, &image, NULL) == 0 && !wh_image_is_index(&image)) {
		*ret = image;
		return 0;
	}
	wh_image_release(&image);
	r = find(s, ref, x, false, NULL, ret, err);
	if (r == -ENOENT && err && *err && (*err)->hint)
		wh_err_hint(err, "--platform says which one is meant");
	return r;
}

/* The only image of an archive; it stays in the store as any other. */
static int source_of_archive(const char *file, struct wh_store *s, char **ret, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, file, O_RDONLY | O_NOCTTY, 0);
	struct wh_loaded *v = NULL;
	char text[WH_DIGEST_TEXT];
	size_t n = 0;
	int r = fd < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -fd, "%s", file)
		       : wh_archive_load(s, fd, file, NULL, &v, &n, err);

	if (r == 0 && n != 1) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s holds %zu images", file, n);
		wh_err_hint(err, "whittle load takes them all; name one of them then");
	}
	if (r == 0)
		*ret = wh_asprintf("docker-image://image@%s", wh_digest_text(&v[0].image.manifest, text));
	wh_loaded_free(v, n);
	return r;
}

int wh_cli_image_source(const char *ref, struct wh_store *s, char **ret, struct wh_err **err)
{
	static const char *const registries[] = {"docker://", "docker-image://"};
	static const char *const archives[] = {"docker-archive:", "oci-archive:"};
	WH_CLEANUP(ref_release) struct ref x = {0};
	WH_AUTO_FREE char *id = NULL, *name = NULL, *abs = NULL;
	char text[WH_DIGEST_TEXT];
	bool plain = true;
	int r;

	for (size_t i = 0; i < WH_ARRAY_SIZE(archives); i++)
		if (wh_has_prefix(ref, archives[i]))
			return source_of_archive(ref + strlen(archives[i]), s, ret, err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(registries); i++) {
		if (!wh_has_prefix(ref, registries[i]))
			continue;
		ref += strlen(registries[i]);
		plain = false;
	}
	r = parse(ref, &x, err);
	if (r < 0)
		return r;
	if (x.dir) {
		abs = wh_cli_absolute(x.dir);
		*ret = wh_asprintf("oci-layout://%s%s%s%s%s", abs, x.tag ? ":" : "", x.tag ? x.tag : "", x.has_digest ? "@" : "",
				   x.has_digest ? wh_digest_text(&x.digest, text) : "");
		return 0;
	}
	r = plain ? id_digest(s, ref, &id, err) : 0;
	if (r == 0 && !id)
		r = wh_reference_normalize(ref, &name, err);
	if (r < 0) {
		if (err && *err)
			(*err)->class = WH_ERR_USAGE;
		return r;
	}
	*ret = id ? wh_asprintf("docker-image://image@%s", id) : wh_asprintf("docker-image://%s", name);
	return 0;
}

static int open_image(const char *ref, const char *root, bool all, const char *platform, struct wh_store **ret_store,
		      struct wh_image *ret, struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	WH_AUTO_FREE char *id = NULL;
	struct wh_store *s = NULL;
	int r = parse(ref, &x, err);

	if (r == 0)
		r = wh_cli_store_open(root, &s, err);
	if (r == 0 && !x.dir)
		r = id_digest(s, ref, &id, err);
	if (r == 0)
		r = all ? find(s, id ? id : ref, &x, true, NULL, ret, err) : find_one(s, id ? id : ref, &x, platform, ret, err);
	if (r < 0) {
		if (s)
			wh_store_close(s);
		if (!x.dir)
			wh_err_hint(err, "a layout is named oci:DIR[:TAG]; whittle pull fetches from a registry");
		return r;
	}
	*ret_store = s;
	return 0;
}

int wh_cli_image_open(const char *ref, const char *root, const char *platform, struct wh_store **ret_store,
		      struct wh_image *ret, struct wh_err **err)
{
	return open_image(ref, root, false, platform, ret_store, ret, err);
}

int wh_cli_image_open_all(const char *ref, const char *root, struct wh_store **ret_store, struct wh_image *ret,
			  struct wh_err **err)
{
	return open_image(ref, root, true, NULL, ret_store, ret, err);
}

int wh_cli_image_part(const struct wh_image *i, const char *platform, const struct wh_image **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf have = WH_BUF_INIT;
	struct wh_platform want;
	const struct wh_image *best = NULL;
	size_t n = wh_image_is_index(i) ? i->n_parts : 1;
	int top = -1, r = platform ? wh_platform_parse(platform, NULL, &want, err) : 0;

	if (r < 0)
		return r;
	if (!platform)
		wh_platform_host(&want);
	for (size_t k = 0; k < n; k++) {
		const struct wh_image *part = wh_image_is_index(i) ? &i->parts[k] : i;
		struct wh_platform p;
		WH_AUTO_FREE char *text = NULL;
		int rank;

		/* As everybody else goes by it; the config may say something else. */
		p = part->listed;
		if (!p.os[0] || !p.arch[0])
			wh_image_platform(part, &p);
		text = wh_platform_text(&p);
		rank = wh_platform_rank(&want, &p);
		wh_buf_addf(&have, "%s%.100s", k ? ", " : "", text);
		if (rank > top) {
			top = rank;
			best = part;
		}
	}
	if (best) {
		*ret = best;
		return 0;
	}
	{
		WH_AUTO_FREE char *text = wh_platform_text(&want);

		r = wh_err_set(err, "cli", WH_ERR_BUILD, ENOENT, "no image for %s", text);
	}
	if (have.n)
		wh_err_hint(err, "there is one for %s", have.p);
	return r;
}

int wh_cli_image_layout(const char *ref, char **ret, struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	int r = parse(ref, &x, err);

	if (r == 0)
		*ret = WH_TAKE_PTR(x.dir);
	return r;
}

int wh_cli_image_artifacts(const char *ref, struct wh_store *s, const struct wh_image *i, struct wh_artifacts *ret,
			   struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	int r = parse(ref, &x, err);

	if (r < 0)
		return r;
	return x.dir ? wh_artifacts_from_layout(s, x.dir, &i->manifest, ret, err)
		     : wh_artifacts_from_store(s, &i->manifest, ret, err);
}

int wh_cli_image_names(const char *ref, struct wh_store *s, const struct wh_image *i, struct wh_strv *ret, struct wh_err **err)
{
	WH_CLEANUP(ref_release) struct ref x;
	WH_AUTO_FREE char *id = NULL;
	WH_AUTO_FREE char *name = NULL;
	struct wh_digest d;
	int r = parse(ref, &x, err);

	if (r == 0 && x.dir)
		return wh_layout_names(x.dir, &i->manifest, ret, err);
	if (r == 0)
		r = id_digest(s, ref, &id, err);
	if (r < 0 || id || wh_digest_parse(ref, &d))
		return r;
	r = wh_reference_normalize(ref, &name, err);
	if (r == 0)
		wh_strv_add(ret, name);
	return r;
}

int wh_cli_image_name(const char *ref, struct wh_store *s, const struct wh_image *i, char **ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = wh_cli_image_names(ref, s, i, &names, err);

	if (r == 0)
		*ret = wh_strdup(names.n ? names.v[0] : "image");
	return r;
}

int wh_cli_contents_open(const char *ref, const char *root, const char *platform, struct wh_inner *inner,
			 struct wh_cli_contents *ret, struct wh_err **err)
{
	int r = wh_cli_image_open(ref, root, platform, &ret->store, &ret->image, err);

	if (r < 0)
		return r;
	ret->lazy = (struct wh_cli_lazy){.inner = inner, .store = ret->store};
	wh_cli_lazy_serve(&ret->lazy);
	return wh_inner_enter(inner, err);
}

int wh_cli_contents_read(struct wh_cli_contents *c, struct wh_err **err)
{
	int r = wh_tree_open(c->store, c->image.layers, c->image.n_layers, &c->tree, err);

	return r < 0 ? r : wh_packages_read(c->tree, &c->packages, err);
}

void wh_cli_contents_release(struct wh_cli_contents *c)
{
	wh_packages_release(&c->packages);
	if (c->tree)
		wh_tree_close(c->tree);
	wh_image_release(&c->image);
	if (c->store)
		wh_store_close(c->store);
}
