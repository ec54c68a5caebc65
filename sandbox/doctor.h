/* SPDX-License-Identifier: Apache-2.0 */
/* What `whittle doctor` finds out. Its public face is in sandbox.h; this is what the folder's other files lend it. */
#ifndef WH_SANDBOX_DOCTOR_H
#define WH_SANDBOX_DOCTOR_H

#include "sandbox/inner.h"

void wh_host_kernel(unsigned *ret_major, unsigned *ret_minor);

#endif
