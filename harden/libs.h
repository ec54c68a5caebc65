/* SPDX-License-Identifier: Apache-2.0 */
/* Where the dynamic linker of a tree finds libraries. Private to harden/. */
#ifndef WH_HARDEN_LIBS_H
#define WH_HARDEN_LIBS_H

#include "harden/elf.h"
#include "harden/tree.h"

struct wh_libs;
/* env: LD_LIBRARY_PATH's value, or NULL. */
int wh_libs_open(struct wh_tree *t, const char *env, struct wh_libs **ret, struct wh_err **err);
void wh_libs_free(struct wh_libs *l);
/* The ELF facts of a file, by canonical path; remembered. NULL: it is no ELF file that a linker would take. */
int wh_libs_facts(struct wh_libs *l, const struct wh_node_ref *n, const struct wh_elf **ret, struct wh_err **err);

/* Everything that loading path may need: calls fn(arg, what, via) for its interpreter and each library (as it is
 * looked up, not canonical: links on the way are the caller's), via being the object that asks for it. */
typedef int (*wh_libs_fn)(void *arg, const char *what, const char *via, struct wh_err **err);
int wh_libs_closure(struct wh_libs *l, const char *path, wh_libs_fn fn, void *arg, struct wh_err **err);
/* The same for a library that path opens by a name when it runs (dlopen): nothing is called when there is none. */
int wh_libs_opened(struct wh_libs *l, const char *path, const char *name, wh_libs_fn fn, void *arg, struct wh_err **err);
/* Is this canonical directory one in which names without a slash are looked for? */
bool wh_libs_searches(struct wh_libs *l, const char *dir);
bool wh_is_glibc_linker(const char *interp);

#endif
