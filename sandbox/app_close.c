/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that came from a driver are closed where waiting does no harm. */
#include "sandbox/app_protocol.h"

#include "base/fs.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct wh_app_closer {
	atomic_uint refs;    /* the owner's, and one a thread */
	atomic_uint pending; /* descriptors that threads hold */
};

struct batch {
	struct wh_app_closer *closer;
	size_t n;
	int fds[];
};

struct wh_app_closer *wh_app_closer_new(void)
{
	struct wh_app_closer *c = wh_calloc(1, sizeof(*c));

	atomic_init(&c->refs, 1);
	atomic_init(&c->pending, 0);
	return c;
}

void wh_app_closer_free(struct wh_app_closer *c)
{
	if (c && atomic_fetch_sub(&c->refs, 1) == 1)
		free(c);
}

unsigned wh_app_closer_pending(const struct wh_app_closer *c)
{
	return atomic_load(&c->pending);
}

static void *close_all(void *arg)
{
	struct batch *b = arg;

	for (size_t i = 0; i < b->n; i++) {
		close(b->fds[i]);
		atomic_fetch_sub(&b->closer->pending, 1);
	}
	wh_app_closer_free(b->closer);
	free(b);
	return NULL;
}

/* Sockets may linger, and so may what is on its way inside of one; what has no type of its own may do anything. */
static bool may_wait(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return true;
	return !S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISDIR(st.st_mode);
}

void wh_app_close(struct wh_app_closer *c, int *fds, size_t n)
{
	struct batch *b;
	pthread_t thread;

	if (!c) {
		for (size_t i = 0; i < n; i++)
			wh_closep(&fds[i]);
		return;
	}
	b = wh_malloc(sizeof(*b) + n * sizeof(int));
	*b = (struct batch){.closer = c};
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0 && may_wait(fds[i]))
			b->fds[b->n++] = WH_TAKE_FD(fds[i]);
		wh_closep(&fds[i]);
	}
	if (!b->n) {
		free(b);
		return;
	}
	atomic_fetch_add(&c->refs, 1);
	atomic_fetch_add(&c->pending, (unsigned)b->n);
	if (pthread_create(&thread, NULL, close_all, b) == 0) {
		pthread_detach(thread);
		return;
	}
	/* They stay open: an end of this process does not wait for them. */
	wh_app_closer_free(c);
	free(b);
}
