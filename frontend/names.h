/* SPDX-License-Identifier: Apache-2.0 */
/* Small languages inside arguments: image references, platforms, ports, modes, signals, git addresses. */
#ifndef WH_FRONTEND_NAMES_H
#define WH_FRONTEND_NAMES_H

#include "frontend/frontend.h"

/* ---- reference.c ---- */

/* Is it a name of an image: [domain/]path[:tag][@digest]? */
int wh_reference_check(const char *ref, struct wh_err **err);
bool wh_is_url(const char *s);
/* A git address that could not be a path as well (which github.com/… could). */
bool wh_is_git(const char *s);

/* ---- add.c ---- */

/* What a file from a URL is called: the last part of its path; malloc'ed. */
char *wh_url_filename(const char *url);
/* --checksum of a URL: "sha256:…", "sha384:…", "sha512:…". */
int wh_checksum_check(const char *text, struct wh_err **err);

/* ---- ports.c ---- */

/* EXPOSE's words ("80", "80/udp", "8000-8010", "ip:host:port") → "port/proto", appended. */
int wh_ports_parse(const char *spec, struct wh_strv *out, struct wh_err **err);

/* ---- mode.c ---- */

/* --chmod: octal up to 07777, or symbolic like chmod(1) has it ("u=rwX,go-w"). */
int wh_mode_check(const char *s, struct wh_err **err);

/* ---- signal.c ---- */

int wh_signal_check(const char *s, struct wh_err **err);

#endif
