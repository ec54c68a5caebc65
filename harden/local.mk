# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += harden/libharden.a
harden_libharden_a_SOURCES = harden/harden.h
# packages and their database
harden_libharden_a_SOURCES += harden/packages.c harden/packages_deb822.c harden/packages_dpkg.c harden/packages_lang.c \
	harden/packages_private.h harden/pkgdb.c harden/pkgdb_files.c harden/pkgdb_lang.c
# profile, keep set, prune
harden_libharden_a_SOURCES += harden/closure.c harden/closure_names.c harden/closure_native.c harden/closure_rules.c harden/closure_table.c harden/closure_table.h
harden_libharden_a_SOURCES += harden/keep.c harden/keep_private.h harden/rules.c
harden_libharden_a_SOURCES += harden/elf.c harden/elf.h harden/libs.c harden/libs.h harden/script.c harden/script.h
harden_libharden_a_SOURCES += harden/profile.c harden/profile_merge.c harden/profile_private.h harden/profile_write.c
harden_libharden_a_SOURCES += harden/prune.c harden/removed.c harden/removed.h harden/explain.c harden/measure.c
harden_libharden_a_SOURCES += harden/chains.c harden/chains.h harden/repair.c
harden_libharden_a_SOURCES += harden/risk.c
harden_libharden_a_SOURCES += harden/shellrun.c harden/shells.c harden/shells.h
harden_libharden_a_SOURCES += harden/tree.c harden/tree.h
