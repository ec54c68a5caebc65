/* SPDX-License-Identifier: Apache-2.0 */
/* run --profile-out: what an application needs where no test is, in staging: observed as a PROFILE's is, written as a document. */
#include "cli/documents.h"
#include "cli/run_spec.h"

#include <errno.h>
#include <sys/mman.h>

#define LOG_MAX ((size_t)1024 * 1024 * 1024)

int wh_run_profile_open(struct wh_store *s, int *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("observed-");
	int dir = wh_store_tmp_dirfd(s), fd = wh_openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);

	if (fd < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -fd, "make %s/%s", wh_store_tmp_path(s), name);
	unlinkat(dir, name, 0);
	*ret = fd;
	return 0;
}

static int make(struct wh_store *s, const struct wh_image *i, const struct wh_buf *log, const char *path, struct wh_err **err)
{
	const struct wh_obs_log one = {.name = "application", .data = log->n ? log->p : "", .len = log->n};
	const char *os = wh_json_str(i->config, "os"), *arch = wh_json_str(i->config, "architecture");
	WH_AUTO_FREE char *platform = wh_asprintf("%s/%s", os ? os : "linux", arch ? arch : "amd64");
	const struct wh_document_opts o = {.platform = platform};
	WH_AUTO_JSON json_t *profile = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_tree *tree = NULL;
	const json_t *all[1];
	int r = wh_tree_open(s, i->layers, i->n_layers, &tree, err);

	if (r == 0)
		r = wh_profile_make(tree, &one, 1, &profile, err);
	if (tree)
		wh_tree_close(tree);
	all[0] = profile;
	if (r == 0)
		r = wh_document_make(all, 1, &o, &doc, err);
	return r < 0 ? r : wh_document_save(doc, path, err);
}

int wh_run_profile_save(struct wh_store *s, const struct wh_image *i, int fd, const char *path, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : wh_read_fd(fd, LOG_MAX, &log);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "read what was observed");
	r = make(s, i, &log, path, err);
	if (r < 0)
		wh_err_wrap(err, "--profile-out");
	return r;
}
