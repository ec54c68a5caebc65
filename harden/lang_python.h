/* SPDX-License-Identifier: Apache-2.0 */
/* What lang_python.c and lang_pydist.c share. Private to them. */
#ifndef WH_HARDEN_LANG_PYTHON_H
#define WH_HARDEN_LANG_PYTHON_H

#include "harden/lang.h"

/* Of setuptools, and loaded at each start; it imports the rest only for who asks for distutils. */
#define WH_PY_HOOK "/_distutils_hack/"

enum wh_py_kind {
	WH_PY_LIBRARY, /* the standard library, lib-dynload */
	WH_PY_SITE,    /* site-packages, dist-packages */
	WH_PY_OWN,     /* the application's */
};
struct wh_py_root {
	char *dir;
	enum wh_py_kind kind;
};
struct wh_pydist;
struct wh_python {
	struct wh_py_root *v;
	size_t n, cap;
	struct wh_strv suffixes; /* ".cpython-311-x86_64-linux-gnu.so" */
	struct wh_pydist *dist;  /* lang_pydist.c: made when it is asked for */
};

/* Where Python looks for modules; n is 0 when no Python was seen. */
const struct wh_python *wh_python_of(struct wh_decide *d);
/* The directory of those that a path lies in, the longest; or NULL. */
const struct wh_py_root *wh_python_root(const struct wh_python *y, const char *path);

/* lang.c: where they are kept */
struct wh_python **wh_code_python(struct wh_decide *d);
void wh_python_free(struct wh_python *y);
void wh_pydist_free(struct wh_pydist *x);

#endif
