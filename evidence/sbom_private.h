/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the SBOM that have tests of their own. */
#ifndef WH_EVIDENCE_SBOM_PRIVATE_H
#define WH_EVIDENCE_SBOM_PRIVATE_H

#include <stdbool.h>

char *wh_spdx_time(const char *rfc3339); /* malloc'ed; NULL: it is none */
char *wh_spdx_agent(const char *who);    /* malloc'ed: "Person: …", "Organization: …", "NOASSERTION" */

/* sbom_license.c: is this a licence expression (annex D) of identifiers that we know? */
bool wh_spdx_is_expression(const char *s);

#endif
