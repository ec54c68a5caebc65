# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += base/libbase.a
base_libbase_a_SOURCES = \
	base/banned.h base/base.h base/digest.c base/digest.h base/err.c base/err.h base/err_mark.c base/fs.c base/fs.h \
	base/json.c base/json.h base/loop.c base/loop.h base/match.c base/match_private.h base/patterns.c base/match.h base/mem.c base/mem.h base/observation.c base/observation.h base/passwd.c base/passwd.h base/path.c base/platform.c \
	base/platform.h base/pool.c \
	base/proc.c base/proc.h base/reference.c base/reference.h base/rmrf.c base/rune.h base/str.c base/str.h
