/* SPDX-License-Identifier: Apache-2.0 */
/* An explain document (schemas/explain-1.json) as lines of text; what comes from the image cannot reach the terminal otherwise than as text. */
#ifndef WH_CLI_EXPLAIN_WORDS_H
#define WH_CLI_EXPLAIN_WORDS_H

#include "cli/cli.h"

void wh_explain_say(const json_t *doc, struct wh_buf *out);

#endif
