# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += layers/liblayers.a
# The store, indexes, and what writes layers.
layers_liblayers_a_SOURCES = \
	layers/blob.c layers/compress.c layers/compress.h layers/entry.c layers/index.c layers/index_builder.c \
	layers/index_format.h layers/index_private.h layers/layers.h layers/lease.c layers/pipeline.c layers/pipeline.h \
	layers/store.c layers/store_private.h layers/tar.c layers/tar_private.h layers/tree.c layers/writer.c
