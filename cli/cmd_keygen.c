/* SPDX-License-Identifier: Apache-2.0 */
/* whittle keygen: a pair of files, as cosign generate-key-pair writes them. */
#include "cli/cli.h"
#include "cli/password.h"
#include "evidence/evidence.h"

#include <errno.h>

struct flags {
	const char *prefix;
	bool force;
};

static const struct wh_option options[] = {
	{"force", 0, WH_OPT_FLAG, offsetof(struct flags, force), NULL, "Replace files that are there", NULL},
	{"output-key-prefix", 0, WH_OPT_TEXT, offsetof(struct flags, prefix), "PREFIX",
	 "Write PREFIX.key and PREFIX.pub (default whittle)", NULL},
	{0},
};

/* Without --force a file that is there stays, whoever made it meanwhile. */
static int write_key(const char *path, const struct wh_buf *text, mode_t mode, bool force, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	int r;

	if (force) {
		r = wh_write_file_atomic(AT_FDCWD, path, text->p, text->n, mode, true);
		return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "write %s", path) : 0;
	}
	fd = wh_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd == -EEXIST) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EEXIST, "%s is there already", path);
		wh_err_hint(err,
			    "name others with --output-key-prefix; --force replaces it, and nothing brings the old "
			    "key back");
		return r;
	}
	if (fd < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -fd, "make %s", path);
	r = wh_write_all(fd, text->p, text->n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "write %s", path) : 0;
}

static int refuse_existing(const char *path, struct wh_err **err)
{
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, EEXIST, "%s is there already", path);
	wh_err_hint(err,
		    "name others with --output-key-prefix; --force replaces it, and nothing brings the old key back");
	return -EEXIST;
}

static int make(const char *private, const char *public, bool force, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf pem = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf pub = WH_BUF_INIT;
	struct wh_key *k = NULL;
	char *password = NULL;
	int r = force ? 0 : refuse_existing(private, err);

	if (r == 0 && !force)
		r = refuse_existing(public, err);
	if (r == 0)
		r = wh_password_ask(private, true, &password, err);
	if (r == 0)
		r = wh_key_generate(&k, err);
	if (r == 0)
		r = wh_key_private_pem(k, password, &pem, err);
	if (r == 0)
		r = wh_key_public_pem(k, &pub, err);
	wh_password_free(password);
	wh_key_free(k);
	if (r == 0)
		r = write_key(private, &pem, 0600, force, err);
	if (r == 0)
		r = write_key(public, &pub, 0644, force, err);
	return r;
}

static int keygen(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	WH_AUTO_FREE char *private = wh_asprintf("%s.key", f->prefix);
	WH_AUTO_FREE char *public = wh_asprintf("%s.pub", f->prefix);
	int r = make(private, public, f->force, err);

	(void)args;
	if (r == 0)
		wh_buf_addf(out, "private key  %s\npublic key   %s\n", private, public);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {.prefix = "whittle"};

	return wh_command_main(c, argc, argv, &flags, keygen);
}

const struct wh_command wh_cmd_keygen = {
	.name = "keygen",
	.summary = "Make a key pair for signing images",
	.about =
		"Makes an ECDSA P-256 key pair. The private key is encrypted with a password, which is asked for on the\n"
		"terminal or taken from COSIGN_PASSWORD. cosign can use the files, and its files can be used here.",
	.examples = "  whittle keygen --output-key-prefix release\n"
		    "  whittle build -t registry.example/shop:1.4 --push --sign-key release.key .\n"
		    "  whittle verify registry.example/shop:1.4 --key release.pub",
	.options = options,
	.run = run,
};
