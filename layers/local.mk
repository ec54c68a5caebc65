# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += layers/liblayers.a
# The store, indexes, and what writes layers.
layers_liblayers_a_SOURCES = \
	layers/blob.c layers/compress.c layers/compress.h layers/diff.c layers/diff.h layers/entry.c \
	layers/index.c layers/index_builder.c layers/index_format.h layers/index_private.h layers/layers.h \
	layers/lease.c layers/materialize.c layers/materialize.h layers/normalise.c layers/normalise.h layers/normalise_jks.c layers/pipeline.c layers/pipeline.h \
	layers/store.c layers/store_private.h layers/tar.c layers/tar_private.h layers/tree.c layers/work.c \
	layers/writer.c
# What reads layers and archives, and images.
layers_liblayers_a_SOURCES += \
	layers/archive.c layers/artifact.c layers/artifact.h layers/artifact_entry.c layers/artifact_merge.c layers/artifact_private.h layers/artifact_removed.c \
	layers/artifact_store.c layers/convert.c layers/export_local.c layers/export_blob.c layers/export_docker.c layers/export_oci.c layers/export_private.h layers/import_docker.c layers/export_tar.c layers/fetch.c \
	layers/image.c layers/image_index.c layers/image_private.h layers/layout.c layers/layout_check.c layers/names.c layers/names.h layers/pair.c layers/platform.c \
	layers/reader.c layers/reader.h layers/registry.h layers/root.c layers/root.h layers/stream.c layers/stream.h \
	layers/tag.c layers/unpack.c layers/xattr.c layers/xattr.h
layers_liblayers_a_SOURCES += layers/gc_decide.c layers/origin.c
# What is used, and what goes.
layers_liblayers_a_SOURCES += layers/gc.c layers/gc.h layers/gc_mark.c layers/gc_private.h layers/gc_scan.c layers/use.c
# URLs and repositories.
layers_liblayers_a_SOURCES += \
	layers/remote.c layers/remote.h layers/remote_git.c layers/remote_gitrun.c layers/remote_http.c layers/remote_private.h \
	layers/remote_tree.c
# Registries.
layers_liblayers_a_SOURCES += \
	layers/registry_auth.c layers/registry_blob.c layers/registry_call.c layers/registry_hosts.c layers/registry_hosts.h layers/registry_http.c layers/registry_keep.c layers/registry_login.c \
	layers/registry_private.h layers/registry_pull.c layers/registry_push.c layers/registry_referrers.c layers/registry_text.c layers/registry_toml.c layers/registry_toml.h \
	layers/registry_upload.c
# What the store has.
layers_liblayers_a_SOURCES += layers/inventory.c
