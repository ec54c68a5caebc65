# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += frontend/libfrontend.a
frontend_libfrontend_a_SOURCES = \
	frontend/ast_print.c frontend/check.c frontend/check.h frontend/directive.c frontend/duration.c \
	frontend/expand.c frontend/expand.h frontend/flags.c frontend/frontend.h frontend/grammar.c \
	frontend/heredoc.c frontend/ignore.c frontend/lines.c frontend/mode.c frontend/mount.c frontend/mount.h \
	frontend/names.h frontend/parse.c frontend/platform.c frontend/ports.c frontend/reference.c \
	frontend/substitute.c frontend/syntax.h frontend/words.c
