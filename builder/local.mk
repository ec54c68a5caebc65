# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += builder/libbuilder.a
builder_libbuilder_a_SOURCES = builder/graph.c builder/graph.h
