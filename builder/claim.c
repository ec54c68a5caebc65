/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims.
 *
 * The file goes with the claim, so that the directory stays small. Whoever
 * opened it before that and gets the lock after it holds a file without a
 * name, while the next one makes a new file of that name. Therefore a lock
 * counts only while its inode is the name's; and as none but the holder of such a lock
 * removes the name, there is one holder at any time.
 */
#include "builder/claim.h"

#include <errno.h>
#include <sys/file.h>

#define DIR_NAME "claims"

struct wh_claim {
	int store; /* directory; borrowed */
	int fd;
	char path[sizeof(DIR_NAME) + 65];
};

/* The file of that name, locked. -EWOULDBLOCK: somebody has it. */
static int lock_file(int store, const char *path)
{
	struct stat held, named;

	for (;;) {
		WH_AUTO_FD int fd = wh_openat(store, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fstat(fd, &held) < 0)
			return -errno;
		if (fstatat(store, path, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == held.st_ino &&
		    named.st_dev == held.st_dev)
			return WH_TAKE_FD(fd);
		/* The one before us was about to remove it. */
	}
}

bool wh_claim_take(struct wh_store *s, const struct wh_digest *key, struct wh_claim **ret)
{
	struct wh_claim *c = wh_calloc(1, sizeof(*c));
	char hex[65];

	c->store = wh_store_dirfd(s);
	snprintf(c->path, sizeof(c->path), DIR_NAME "/%s", wh_digest_hex(key, hex));
	c->fd = lock_file(c->store, c->path);
	if (c->fd == -ENOENT && wh_mkdir_p(c->store, DIR_NAME, 0700) == 0)
		c->fd = lock_file(c->store, c->path);
	if (c->fd >= 0) {
		*ret = c;
		return true;
	}
	if (c->fd == -EWOULDBLOCK) {
		free(c);
		return false;
	}
	free(c);
	*ret = NULL;
	return true;
}

void wh_claim_drop(struct wh_claim *c)
{
	if (!c)
		return;
	unlinkat(c->store, c->path, 0);
	close(c->fd);
	free(c);
}
