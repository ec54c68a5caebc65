/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's program file inside of ours. local.mk has it built before this. */
#include "sandbox/app_protocol.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"wh_app_helper_start:\n"
	".incbin \"sandbox/app-helper\"\n"
	"wh_app_helper_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char wh_app_helper_start[], wh_app_helper_end[];

const void *wh_app_helper(size_t *n)
{
	*n = (size_t)(wh_app_helper_end - wh_app_helper_start);
	return wh_app_helper_start;
}
