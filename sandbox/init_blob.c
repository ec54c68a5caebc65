/* SPDX-License-Identifier: Apache-2.0 */
/* container_init.c's program file inside of ours. local.mk has it built before this. */
#include "sandbox/sandbox.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"wh_init_program_start:\n"
	".incbin \"sandbox/container-init\"\n"
	"wh_init_program_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char wh_init_program_start[], wh_init_program_end[];

const void *wh_init_program(size_t *n)
{
	*n = (size_t)(wh_init_program_end - wh_init_program_start);
	return wh_init_program_start;
}
