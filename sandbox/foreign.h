/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of binfmt_misc, and what they are for. Internal to sandbox/. */
#ifndef WH_SANDBOX_FOREIGN_H
#define WH_SANDBOX_FOREIGN_H

#include "base/base.h"

#define WH_ELF_HEAD 24 /* e_ident, e_type, e_machine, e_version */

struct wh_binfmt {
	bool enabled;
	char interpreter[1024];
	char flags[16];
	unsigned offset;
	unsigned char magic[256], mask[256];
	size_t n;
};

/* The text of a file in /proc/sys/fs/binfmt_misc; false: an entry that goes by the file's name, or nothing of the kind. */
bool wh_binfmt_parse(const char *text, size_t len, struct wh_binfmt *ret);
/* Is it enabled and for programs of that architecture ("arm64")? */
bool wh_binfmt_runs(const struct wh_binfmt *e, const char *arch);
/* The architecture of the program that begins so; NULL: unknown, or no program. */
const char *wh_elf_machine(const unsigned char head[WH_ELF_HEAD]);

#endif
