# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += harden/libharden.a
harden_libharden_a_SOURCES = harden/harden.h
