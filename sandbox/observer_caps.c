/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/observer.h"

char *wh_capability_name(unsigned capability)
{
	return wh_asprintf("CAP_%u", capability);
}
