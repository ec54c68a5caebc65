/* SPDX-License-Identifier: Apache-2.0 */
/* Agents for key files that --ssh names. */
#ifndef WH_CLI_SSH_AGENT_H
#define WH_CLI_SSH_AGENT_H

#include "cli/cli.h"

struct wh_ssh_agents;
/* In the outer process, before the fork: starts one for each --ssh that names key files and fills in its socket. *ret: NULL when
 * there is none to start. */
int wh_ssh_agents_start(struct wh_build_spec *spec, struct wh_ssh_agents **ret, struct wh_err **err);
void wh_ssh_agents_end(struct wh_ssh_agents *all);
/* In a fork: they go on. */
void wh_ssh_agents_forget(struct wh_ssh_agents *all);

#endif
