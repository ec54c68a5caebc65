/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox's processes say to each other: little-endian numbers and
 * length-prefixed strings, written with wh_buf_u8() and friends and read here.
 * Both ends are the same program, so there is no version.
 */
#ifndef WH_SANDBOX_WIRE_H
#define WH_SANDBOX_WIRE_H

#include "base/base.h"

struct wh_wire {
	const char *p;
	size_t n;
	bool bad; /* read past the end: all further results are zero */
};

uint8_t wh_wire_u8(struct wh_wire *w);
uint32_t wh_wire_u32(struct wh_wire *w);
uint64_t wh_wire_u64(struct wh_wire *w);
char *wh_wire_str(struct wh_wire *w); /* malloc'ed; NULL for a NULL string and when bad */
/* A span into the message. */
struct wh_str wh_wire_bytes(struct wh_wire *w);
void wh_buf_lbytes(struct wh_buf *b, const void *p, size_t n);

/* An error whole; NULL stays NULL. Texts are cut at 4 KiB, the detail at 32. */
void wh_wire_put_err(struct wh_buf *b, const struct wh_err *e);
struct wh_err *wh_wire_err(struct wh_wire *w);

/* One packet on a SOCK_SEQPACKET socket, with up to 8 descriptors. 0 or -errno. */
int wh_wire_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds);
/* Appends the packet to buf; *n_fds in: room, out: received (close-on-exec; the caller owns them). Returns 0,
 * -errno, or -EPIPE when the other end is gone. */
int wh_wire_recv(int sock, struct wh_buf *buf, int *fds, size_t *n_fds);

#endif
