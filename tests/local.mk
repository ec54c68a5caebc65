# SPDX-License-Identifier: Apache-2.0
# `make check`: unit tests, replay of the fuzz corpora, the check of the includes; all speak TAP.

AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	WH_SRCDIR='$(abs_top_srcdir)'; export WH_SRCDIR; \
	WH_CC='$(CC)'; export WH_CC;
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .t
T_LOG_DRIVER = $(LOG_DRIVER)
T_LOG_COMPILER = bash

# What a unit test of a folder links: its library, those below, and these.
TEST_LIBS = $(CMOCKA_LIBS) $(DEPS_LIBS)

noinst_HEADERS = tests/unit/test.h

if HAVE_CMOCKA
include tests/unit/local.mk
else
check-local:
	@echo 'cmocka was not found by configure: no unit test was run' >&2; exit 1
endif
include tests/fuzz/local.mk

TESTS += $(check_PROGRAMS)

# Scripts that need nothing but the source tree and a compiler.
dist_check_SCRIPTS = tests/build/arm64.t tests/build/includes.t tests/build/banned.t
TESTS += $(dist_check_SCRIPTS)

# Tests of the whole program: see run-tests, which also knows how to count.
check-prog: $(bin_PROGRAMS)
	cd $(srcdir) && WHITTLE='$(abs_builddir)/whittle' prove -v tests/prog/*.t
.PHONY: check-prog
