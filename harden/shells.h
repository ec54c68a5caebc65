/* SPDX-License-Identifier: Apache-2.0 */
/* Which names of a tree start a shell. Private to harden/. */
#ifndef WH_HARDEN_SHELLS_H
#define WH_HARDEN_SHELLS_H

#include "harden/harden.h"

enum wh_shell_kind {
	WH_SHELL_NONE,
	WH_SHELL_YES,    /* starts a shell */
	WH_SHELL_APPLET, /* another name of a program that is a shell, too (busybox as ls): goes where the shell goes */
};
struct wh_shells; /* the shells of one tree, by content: a copy or a link under another name is one, too */
/* What a file is by its bytes alone: NONE, YES (a well-known shell), APPLET (a multi-call program with one). */
enum wh_shell_kind wh_shell_of_bytes(const uint8_t *p, size_t n);
int wh_shells_open(struct wh_tree *t, struct wh_shells **ret, struct wh_err **err);
void wh_shells_free(struct wh_shells *s);
static inline void wh_shells_freep(struct wh_shells **s)
{
	if (*s)
		wh_shells_free(*s);
	*s = NULL;
}
/* A FILE, or a symlink by what it leads to. */
enum wh_shell_kind wh_shells_kind(const struct wh_shells *s, struct wh_tree *t, const char *path);
/* The same for a node that was looked up. */
enum wh_shell_kind wh_shells_kind_of(const struct wh_shells *s, struct wh_tree *t, const struct wh_node_ref *n);
bool wh_shell_name(const char *path); /* is its last component what shells are called? */

#endif
