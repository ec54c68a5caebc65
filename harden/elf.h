/* SPDX-License-Identifier: Apache-2.0 */
/* What a dynamic linker reads of an ELF file. Parser only: memory in, facts out; hostile input. Private to harden/. */
#ifndef WH_HARDEN_ELF_H
#define WH_HARDEN_ELF_H

#include "base/str.h"

struct wh_elf {
	bool is64, big;
	uint16_t machine;
	bool program;      /* a program (static or dynamic), not a shared library or an object file */
	char *interp;      /* or NULL */
	char *soname, *rpath, *runpath; /* or NULL */
	struct wh_strv needed; /* filters (DT_FILTER, DT_AUXILIARY) are loaded, too */
};
#define WH_ELF_MAX_STRING 4096
#define WH_ELF_MAX_NEEDED 1024

bool wh_elf_is(const uint8_t *p, size_t n); /* by its first bytes */
/* 0; -ENOEXEC: not ELF, or of no class and byte order that there is; -EBADMSG: damaged (*ret is empty then, too). */
int wh_elf_parse(const uint8_t *p, size_t n, struct wh_elf *ret);
void wh_elf_release(struct wh_elf *e);
#define WH_AUTO_ELF WH_CLEANUP(wh_elf_release)

/* Calls for the name of each undefined dynamic symbol. A damaged table: as far as it goes. */
typedef int (*wh_elf_name_fn)(void *arg, const char *name);
int wh_elf_imports(const uint8_t *p, size_t n, wh_elf_name_fn fn, void *arg);
/* Calls for the bytes of each loaded part that is no code (of all, when code and data are not apart). */
typedef int (*wh_elf_part_fn)(void *arg, const uint8_t *p, size_t n);
int wh_elf_data(const uint8_t *p, size_t n, wh_elf_part_fn fn, void *arg);

#endif
