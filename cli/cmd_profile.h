/* SPDX-License-Identifier: Apache-2.0 */
/* The words of `whittle profile`, each in a file of its own. */
#ifndef WH_CLI_CMD_PROFILE_H
#define WH_CLI_CMD_PROFILE_H

#include "cli/cli.h"

extern const struct wh_command wh_cmd_profile_show, wh_cmd_profile_merge, wh_cmd_profile_check; /* cmd_profile_file.c */
extern const struct wh_command wh_cmd_profile_runtime; /* cmd_profile_runtime.c */

#endif
