# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += frontend/libfrontend.a
frontend_libfrontend_a_SOURCES = \
	frontend/add.c frontend/ast_print.c frontend/base.c frontend/check.c frontend/check.h frontend/compose.c frontend/config.c frontend/copy.c \
	frontend/device.c frontend/directive.c frontend/duration.c frontend/expand.c frontend/expand.h frontend/flags.c \
	frontend/frontend.h frontend/git_ref.c frontend/grammar.c frontend/harden.c frontend/heredoc.c frontend/ignore.c frontend/image.c frontend/lines.c frontend/lint.c \
	frontend/lint.h frontend/lint_file.c frontend/lint_step.c \
	frontend/lower.c frontend/lower.h frontend/mistakes.c frontend/mode.c frontend/notes.c frontend/mount.c frontend/mount.h frontend/names.h \
	frontend/outline.c frontend/outline.h frontend/parse.c frontend/ports.c frontend/reference.c frontend/run.c frontend/scope.c \
	frontend/stages.c frontend/substitute.c frontend/syntax.h frontend/usage.c frontend/words.c
