# SPDX-License-Identifier: Apache-2.0
# All but main() is a library, so that unit tests can link it.
noinst_LIBRARIES += cli/libcli.a
cli_libcli_a_SOURCES = \
	cli/build_input.c cli/build_input.h cli/build_run.c cli/build_spec.c cli/cli.h cli/cmd_build.c cli/cmd_explain.c cli/explain_words.c cli/explain_words.h cli/cmd_help.c cli/cmd_version.c cli/errors.c \
	cli/foreign.c cli/options.c cli/options.h cli/output.c cli/password.c cli/password.h cli/progress.c cli/lazy.c cli/progress.h cli/progress_draw.c cli/progress_json.c cli/progress_plain.c cli/progress_screen.c cli/progress_screen.h cli/progress_tty.c cli/progress_view.h cli/proof.c cli/provenance.c cli/proof.h \
	cli/publish.c cli/sign_service.c cli/sign_service.h cli/ssh_agent.c cli/ssh_agent.h cli/text.c
# What comes from elsewhere.
cli_libcli_a_SOURCES += cli/context.c cli/context.h cli/source_service.c cli/source_service.h
# Caches elsewhere.
cli_libcli_a_SOURCES += cli/cache_opts.c cli/cache_opts.h cli/cache_share.c
# Registries.
cli_libcli_a_SOURCES += cli/cmd_login.c cli/cmd_pull.c cli/cmd_push.c cli/registry_service.c cli/registry_service.h
# Images by any name; the bill of materials.
cli_libcli_a_SOURCES += cli/cmd_sbom.c cli/image_ref.c
# Vulnerabilities.
cli_libcli_a_SOURCES += cli/cmd_db.c cli/cmd_scan.c
# What takes room, and what goes.
cli_libcli_a_SOURCES += cli/cmd_du.c cli/cmd_gc.c cli/gc.c cli/gc.h
# Steps on the user's terminal.
cli_libcli_a_SOURCES += cli/relay.c cli/relay.h cli/terminal.c cli/terminal.h
# Containers.
cli_libcli_a_SOURCES += cli/cmd_run.c cli/run_container.c cli/run_spec.c cli/run_spec.h cli/run_words.c
# An image pruned without a Dockerfile.
cli_libcli_a_SOURCES += cli/cmd_profile.c cli/cmd_profile.h cli/cmd_profile_file.c cli/cmd_profile_runtime.c cli/documents.c cli/documents.h
cli_libcli_a_SOURCES += cli/profile_lock.c cli/profile_lock.h
cli_libcli_a_SOURCES += cli/cmd_diff.c cli/diff.h cli/diff_make.c cli/diff_tell.c
cli_libcli_a_SOURCES += cli/run_profile.c
cli_libcli_a_SOURCES += cli/cmd_prune.c cli/prune_words.c cli/prune_words.h
# What the store has.
cli_libcli_a_SOURCES += cli/cmd_history.c cli/cmd_images.c cli/cmd_inspect.c cli/cmd_rm.c cli/cmd_tag.c cli/listing.c cli/listing.h
# The manual, and the completion.
cli_libcli_a_SOURCES += cli/manual.c cli/manual_bash.c cli/manual_tables.c
# Answers without a build.
cli_libcli_a_SOURCES += cli/call.c cli/call.h cli/cmd_check.c
# What this host allows.
cli_libcli_a_SOURCES += cli/cmd_doctor.c
# Windows into the frontend.
cli_libcli_a_SOURCES += cli/cmd_debug.c
# Keys and signatures.
cli_libcli_a_SOURCES += cli/cmd_keygen.c cli/cmd_sign.c cli/cmd_verify.c cli/verify.h cli/verify_tell.c
# Built twice, and from what is written down.
cli_libcli_a_SOURCES += cli/lock.c cli/lock.h cli/lock_file.c
cli_libcli_a_SOURCES += cli/verify_build.c cli/verify_build.h cli/verify_layers.c
# Images out and in.
cli_libcli_a_SOURCES += cli/annotate.c cli/annotate.h cli/cmd_load.c cli/cmd_save.c cli/load.c cli/metadata.c cli/metadata.h cli/output_spec.c
EXTRA_DIST += build-aux/mkbase.sh

bin_PROGRAMS += whittle
whittle_SOURCES = cli/main.c
whittle_LDADD = cli/libcli.a frontend/libfrontend.a builder/libbuilder.a frontend/libfrontend.a evidence/libevidence.a \
	harden/libharden.a layers/liblayers.a sandbox/libsandbox.a \
	base/libbase.a $(DEPS_LIBS)
# A shell where a step failed.
cli_libcli_a_SOURCES += cli/on_failure.c cli/on_failure.h
# What PRUNE took away.
cli_libcli_a_SOURCES += cli/cmd_restore.c cli/debug_shell.c cli/removed.c cli/removed.h
