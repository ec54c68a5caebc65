/* SPDX-License-Identifier: Apache-2.0 */
/* The password of a private key: $COSIGN_PASSWORD, else asked for on the terminal without echo. */
#ifndef WH_CLI_PASSWORD_H
#define WH_CLI_PASSWORD_H

#include "base/base.h"

#define WH_PASSWORD_ENV "COSIGN_PASSWORD"

/* Is there one, or a terminal to ask on? */
bool wh_password_available(void);
/* what: the key, for the question. twice: a new one, to be typed again. "" is a password too. */
int wh_password_ask(const char *what, bool twice, char **ret, struct wh_err **err);
/* One line of an answer on the terminal, with or without echo; -ENOTTY, without an error: there is no terminal. */
int wh_terminal_ask(const char *question, bool echo, char **ret, struct wh_err **err);
void wh_password_free(char *p); /* wiped */
/* Takes what the environment holds out of it, also where /proc/PID/environ shows it: for a process that goes on to read other
 * people's data. malloc'ed; NULL: there is none. */
char *wh_password_take(void);
/* For whoever waits for a process that asks, and that may be killed meanwhile: does the terminal echo now? And: it shall. Of
 * a process in the background neither. */
bool wh_password_echo(void);
void wh_password_echo_on(void);

#endif
