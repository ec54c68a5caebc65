# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += builder/libbuilder.a
builder_libbuilder_a_SOURCES = builder/graph.c builder/graph.h builder/graph_print.c
builder_libbuilder_a_SOURCES += \
	builder/assemble.c builder/builder.c builder/builder.h builder/builder_private.h builder/cacheindex.c builder/cacheindex_record.c \
	builder/cacheindex.h builder/exec_mount.c builder/exec_private.h builder/fileop.h builder/foreign.c builder/isolation.c builder/key.c builder/mask.c \
	builder/mask.h builder/node.c \
	builder/claim.c builder/claim.h builder/collect.c builder/queue.c \
	builder/op_exec.c builder/op_file.c builder/op_merge.c builder/op_source.c builder/record.c builder/scheduler.c builder/ssh_relay.c
# the failed step
builder_libbuilder_a_SOURCES += builder/failed.c builder/failed.h builder/killed.c builder/killed.h builder/steplog.c builder/steplog.h
builder_libbuilder_a_SOURCES += \
	builder/chmod.c builder/fileop.c builder/fileop_copy.c builder/fileop_dest.c builder/fileop_local.c \
	builder/fileop_private.h builder/fileop_select.c builder/fileop_unpack.c builder/fileop_view.c \
	builder/fileop_write.c builder/memo.c builder/memo.h
# What steps were seen to install; what each vertex came out as.
builder_libbuilder_a_SOURCES += builder/exec_seen.c
builder_libbuilder_a_SOURCES += builder/outcomes.c builder/outcomes.h
# caches elsewhere
builder_libbuilder_a_SOURCES += builder/cache_remote.c builder/cache_remote.h builder/imports.c
# profile and prune
builder_libbuilder_a_SOURCES += \
	builder/hardening.c builder/op_profile.c builder/op_prune.c builder/op_prove.c builder/prove_controls.c builder/prove_needs.c builder/prove_private.h builder/confinement.c builder/profile_app.c builder/profile_compare.c builder/profile_control.c \
	builder/profile_log.c builder/profile_places.c builder/profile_private.h builder/profile_ready.c builder/profile_run.c \
	builder/profile_share.c builder/profile_step.c builder/profile_tests.c builder/profile_trace.c builder/tap.c builder/tap.h builder/prune_fail.c builder/prune_private.h builder/prune_risk.c builder/prune_repair.c builder/tail.c
# why a step missed
builder_libbuilder_a_SOURCES += builder/explain.c builder/explain.h builder/fileop_list.c
