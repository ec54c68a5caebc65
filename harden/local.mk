# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += harden/libharden.a
harden_libharden_a_SOURCES = harden/harden.h harden/document.h harden/needs.h harden/restore.h harden/runtime.h
# packages and their database
harden_libharden_a_SOURCES += harden/packages.c harden/packages_deb822.c harden/packages_dpkg.c harden/packages_lang.c \
	harden/packages_private.h harden/pkgdb.c harden/pkgdb_files.c harden/pkgdb_lang.c
# profile, keep set, prune
harden_libharden_a_SOURCES += harden/closure.c harden/closure_content.c harden/closure_names.c harden/closure_native.c harden/closure_rules.c harden/closure_table.c harden/closure_table.h
harden_libharden_a_SOURCES += harden/keep.c harden/keep_package.c harden/keep_private.h harden/rules.c
harden_libharden_a_SOURCES += harden/elf.c harden/elf.h harden/libs.c harden/libs.h harden/script.c harden/script.h
harden_libharden_a_SOURCES += harden/profile.c harden/profile_canonical.c harden/profile_merge.c harden/profile_private.h harden/profile_write.c
harden_libharden_a_SOURCES += harden/prune.c harden/removed.c harden/removed.h harden/measure.c
harden_libharden_a_SOURCES += harden/explain.c harden/explain_list.c harden/explain_path.c harden/explain_private.h harden/explain_rules.c
harden_libharden_a_SOURCES += harden/chains.c harden/chains.h harden/diverge.c harden/entry.c harden/entry.h harden/setid.c harden/repair.c
harden_libharden_a_SOURCES += harden/risk.c harden/risk_words.c
harden_libharden_a_SOURCES += harden/document.c harden/document_private.h harden/document_read.c
harden_libharden_a_SOURCES += harden/owners.c
harden_libharden_a_SOURCES += harden/needs.c harden/needs_lock.c
harden_libharden_a_SOURCES += harden/runtime.c harden/runtime_apparmor.c harden/runtime_baseline.c harden/runtime_forms.c harden/runtime_kubernetes.c harden/runtime_landlock.c harden/runtime_private.h harden/runtime_writable.c
harden_libharden_a_SOURCES += harden/shellrun.c harden/shells.c harden/shells.h
harden_libharden_a_SOURCES += harden/tree.c harden/tree.h
harden_libharden_a_SOURCES += harden/removed_part.c harden/restore.c
# closure rules of languages
harden_libharden_a_SOURCES += harden/lang.c harden/lang.h harden/lang_java.c harden/lang_node.c harden/lang_perl.c harden/lang_php.c harden/lang_pydist.c \
	harden/lang_pytext.c harden/lang_python.c harden/lang_python.h harden/lang_ruby.c harden/lang_words.c
