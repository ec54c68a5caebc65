# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += evidence/libevidence.a
evidence_libevidence_a_SOURCES = evidence/evidence.h
