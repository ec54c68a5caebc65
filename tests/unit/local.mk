# SPDX-License-Identifier: Apache-2.0
# One block a folder; append only.

# base
BASE_TESTS = tests/unit/base_digest_test tests/unit/base_err_test tests/unit/base_fs_test tests/unit/base_json_test \
	tests/unit/base_loop_test tests/unit/base_mem_test tests/unit/base_path_test tests/unit/base_proc_test \
	tests/unit/base_str_test
check_PROGRAMS += $(BASE_TESTS)
tests_unit_base_digest_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_err_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_fs_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_json_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_loop_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_mem_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_path_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_proc_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_base_str_test_LDADD = base/libbase.a $(TEST_LIBS)

# cli
CLI_TESTS = tests/unit/cli_options_test tests/unit/cli_spec_test
check_PROGRAMS += $(CLI_TESTS)
tests_unit_cli_options_test_LDADD = cli/libcli.a base/libbase.a $(TEST_LIBS)
tests_unit_cli_spec_test_LDADD = cli/libcli.a frontend/libfrontend.a builder/libbuilder.a frontend/libfrontend.a evidence/libevidence.a frontend/libfrontend.a builder/libbuilder.a harden/libharden.a layers/liblayers.a sandbox/libsandbox.a \
	base/libbase.a $(TEST_LIBS)

# builder: keys and the cache index
BUILDER_TESTS = tests/unit/builder_tail_test tests/unit/builder_cacheindex_test tests/unit/builder_claim_test tests/unit/builder_key_test tests/unit/builder_mask_test \
	tests/unit/builder_profile_test tests/unit/builder_prove_test tests/unit/builder_scheduler_test tests/unit/builder_tap_test
check_PROGRAMS += $(BUILDER_TESTS)
BUILDER_LIBS = builder/libbuilder.a harden/libharden.a sandbox/libsandbox.a layers/liblayers.a base/libbase.a $(TEST_LIBS)
tests_unit_builder_cacheindex_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_claim_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_key_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_mask_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_tail_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_tap_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_profile_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_prove_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_scheduler_test_LDADD = $(BUILDER_LIBS)

# layers: the store, indexes, and what writes layers
LAYERS_WRITE_TESTS = tests/unit/layers_gc_test tests/unit/layers_index_test tests/unit/layers_normalise_test tests/unit/layers_store_test tests/unit/layers_tar_test \
	tests/unit/layers_tree_test tests/unit/layers_work_test tests/unit/layers_writer_test
check_PROGRAMS += $(LAYERS_WRITE_TESTS)
noinst_HEADERS += tests/unit/layers_helper.h tests/unit/layers_work_normal.h
LAYERS_LIBS = layers/liblayers.a base/libbase.a $(TEST_LIBS)
tests_unit_layers_gc_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_index_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_normalise_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_store_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_tar_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_tree_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_work_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_writer_test_LDADD = $(LAYERS_LIBS)

# sandbox
SANDBOX_TESTS = tests/unit/sandbox_app_test tests/unit/sandbox_idmap_test tests/unit/sandbox_net_test tests/unit/sandbox_seccomp_test \
	tests/unit/sandbox_service_test tests/unit/sandbox_spec_test tests/unit/sandbox_stubs_test tests/unit/base_passwd_test
check_PROGRAMS += $(SANDBOX_TESTS)
tests_unit_sandbox_app_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_idmap_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_net_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_seccomp_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_service_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_spec_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_stubs_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_base_passwd_test_LDADD = base/libbase.a $(TEST_LIBS)

# layers: what reads layers and archives, and images
LAYERS_READ_TESTS = tests/unit/layers_archive_test tests/unit/layers_export_test tests/unit/layers_image_test tests/unit/layers_reader_test \
	tests/unit/layers_trust_test
check_PROGRAMS += $(LAYERS_READ_TESTS)
tests_unit_layers_archive_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_export_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_image_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_reader_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_trust_test_LDADD = $(LAYERS_LIBS)

# frontend; graph and path patterns with it
FRONTEND_TESTS = tests/unit/base_match_test tests/unit/builder_graph_test tests/unit/frontend_expand_test \
	tests/unit/frontend_lower_test tests/unit/frontend_lowerdata_test tests/unit/frontend_lint_test tests/unit/frontend_lintdata_test tests/unit/frontend_names_test tests/unit/frontend_gitref_test \
	tests/unit/frontend_instructionsdata_test tests/unit/frontend_harden_test tests/unit/frontend_outline_test tests/unit/frontend_parse_test tests/unit/frontend_syntaxdata_test
check_PROGRAMS += $(FRONTEND_TESTS)
noinst_HEADERS += tests/unit/frontend_data.h tests/unit/frontend_resolver.h
FRONTEND_LIBS = frontend/libfrontend.a builder/libbuilder.a base/libbase.a $(TEST_LIBS)
tests_unit_base_match_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_builder_graph_test_LDADD = builder/libbuilder.a base/libbase.a $(TEST_LIBS)
tests_unit_frontend_expand_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_instructionsdata_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_harden_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_lower_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_lint_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_lintdata_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_lowerdata_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_names_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_gitref_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_outline_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_parse_test_LDADD = $(FRONTEND_LIBS)
tests_unit_frontend_syntaxdata_test_LDADD = $(FRONTEND_LIBS)

# builder: file operations and the context memo
FILEOP_TESTS = tests/unit/builder_chmod_test tests/unit/builder_fileop_actions_test tests/unit/builder_fileop_test \
	tests/unit/builder_memo_test
check_PROGRAMS += $(FILEOP_TESTS)
noinst_HEADERS += tests/unit/fileop_fixture.h
tests_unit_builder_chmod_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_fileop_actions_test_SOURCES = tests/unit/builder_fileop_actions_test.c tests/unit/fileop_fixture.c
tests_unit_builder_fileop_actions_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_fileop_test_SOURCES = tests/unit/builder_fileop_test.c tests/unit/fileop_fixture.c
tests_unit_builder_fileop_test_LDADD = $(BUILDER_LIBS)
tests_unit_builder_memo_test_LDADD = $(BUILDER_LIBS)

# evidence: keys and signatures
EVIDENCE_SIGN_TESTS = tests/unit/evidence_key_test tests/unit/evidence_sign_test tests/unit/evidence_verify_test
check_PROGRAMS += $(EVIDENCE_SIGN_TESTS)
EVIDENCE_LIBS = evidence/libevidence.a harden/libharden.a layers/liblayers.a base/libbase.a $(TEST_LIBS)
tests_unit_evidence_key_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_sign_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_verify_test_LDADD = $(EVIDENCE_LIBS)

# layers: what is attached to images
LAYERS_ARTIFACT_TESTS = tests/unit/layers_artifact_test
check_PROGRAMS += $(LAYERS_ARTIFACT_TESTS)
tests_unit_layers_artifact_test_LDADD = $(LAYERS_LIBS)

# harden: packages
HARDEN_PKG_TESTS = tests/unit/harden_packages_test tests/unit/harden_pkgdb_test
check_PROGRAMS += $(HARDEN_PKG_TESTS)
noinst_HEADERS += tests/unit/harden_packages_helper.h
HARDEN_PKG_LIBS = harden/libharden.a layers/liblayers.a base/libbase.a $(TEST_LIBS)
tests_unit_harden_packages_test_LDADD = $(HARDEN_PKG_LIBS)
tests_unit_harden_pkgdb_test_LDADD = $(HARDEN_PKG_LIBS)

# evidence: the vulnerability database, findings, the verdict
EVIDENCE_FIND_TESTS = tests/unit/evidence_debversion_test tests/unit/evidence_findings_test tests/unit/evidence_severity_test \
	tests/unit/evidence_verdict_test tests/unit/evidence_vulndb_test
check_PROGRAMS += $(EVIDENCE_FIND_TESTS)
tests_unit_evidence_debversion_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_findings_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_severity_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_verdict_test_LDADD = $(EVIDENCE_LIBS)
tests_unit_evidence_vulndb_test_LDADD = $(EVIDENCE_LIBS)

# evidence: the bill of materials
EVIDENCE_SBOM_TESTS = tests/unit/evidence_sbom_test
check_PROGRAMS += $(EVIDENCE_SBOM_TESTS)
tests_unit_evidence_sbom_test_LDADD = $(EVIDENCE_LIBS)

# the observer and its log
OBSERVER_TESTS = tests/unit/base_observation_test tests/unit/sandbox_calls_test tests/unit/sandbox_filter_test tests/unit/sandbox_observer_test \
	tests/unit/sandbox_told_test
check_PROGRAMS += $(OBSERVER_TESTS)
tests_unit_base_observation_test_LDADD = base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_calls_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_filter_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
noinst_HEADERS += tests/unit/observer_acts.h tests/unit/observer_run.h
tests_unit_sandbox_observer_test_SOURCES = tests/unit/sandbox_observer_test.c tests/unit/observer_acts.c tests/unit/observer_run.c
tests_unit_sandbox_told_test_SOURCES = tests/unit/sandbox_told_test.c tests/unit/observer_cap_acts.c tests/unit/observer_run.c
tests_unit_sandbox_told_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)
tests_unit_sandbox_observer_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)

# harden: profiles, keep sets, prune
HARDEN_TESTS = tests/unit/harden_closure_test tests/unit/harden_risk_test tests/unit/harden_elf_test tests/unit/harden_keep_test tests/unit/harden_profile_test tests/unit/harden_prune_test tests/unit/harden_repair_test tests/unit/harden_diverge_test \
	tests/unit/harden_script_test tests/unit/harden_explain_test tests/unit/harden_restore_test tests/unit/harden_runtime_test
check_PROGRAMS += $(HARDEN_TESTS)
noinst_HEADERS += tests/unit/harden_helper.h
HARDEN_LIBS = harden/libharden.a layers/liblayers.a base/libbase.a $(TEST_LIBS)
tests_unit_harden_closure_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_elf_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_keep_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_risk_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_profile_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_repair_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_diverge_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_prune_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_restore_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_script_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_explain_test_LDADD = $(HARDEN_LIBS)
tests_unit_harden_runtime_test_LDADD = $(HARDEN_LIBS)

# layers: registries
check_PROGRAMS += tests/unit/layers_registry_test tests/unit/layers_remote_test
tests_unit_layers_registry_test_LDADD = $(LAYERS_LIBS)
tests_unit_layers_remote_test_LDADD = $(LAYERS_LIBS)

# layers: image indexes
LAYERS_IMAGEINDEX_TESTS = tests/unit/layers_imageindex_test
check_PROGRAMS += $(LAYERS_IMAGEINDEX_TESTS)
tests_unit_layers_imageindex_test_LDADD = $(LAYERS_LIBS)

# sandbox: programs of other machines
check_PROGRAMS += tests/unit/sandbox_foreign_test
tests_unit_sandbox_foreign_test_LDADD = sandbox/libsandbox.a base/libbase.a $(TEST_LIBS)

# cli: the lock, contents that differ
check_PROGRAMS += tests/unit/cli_lock_test
tests_unit_cli_lock_test_LDADD = $(tests_unit_cli_spec_test_LDADD)

# cli: caches elsewhere
check_PROGRAMS += tests/unit/cli_cache_test
tests_unit_cli_cache_test_LDADD = $(tests_unit_cli_spec_test_LDADD)

# cli: progress
check_PROGRAMS += tests/unit/cli_progress_test
EXTRA_DIST += tests/data/progress/screens.inc
tests_unit_cli_progress_test_LDADD = $(tests_unit_cli_spec_test_LDADD)

# layers: where registries are found
check_PROGRAMS += tests/unit/layers_hosts_test
tests_unit_layers_hosts_test_LDADD = $(LAYERS_LIBS)

# cli: outputs and annotations
check_PROGRAMS += tests/unit/cli_outputs_test
tests_unit_cli_outputs_test_LDADD = $(tests_unit_cli_spec_test_LDADD)
# cli: run
check_PROGRAMS += tests/unit/cli_run_test
tests_unit_cli_run_test_LDADD = $(tests_unit_cli_spec_test_LDADD)

# what the store has
check_PROGRAMS += tests/unit/cli_listing_test tests/unit/layers_inventory_test
tests_unit_cli_listing_test_LDADD = $(tests_unit_cli_spec_test_LDADD)
tests_unit_layers_inventory_test_LDADD = $(LAYERS_LIBS)

# harden: closure rules of languages
check_PROGRAMS += tests/unit/harden_lang_test
tests_unit_harden_lang_test_LDADD = $(HARDEN_LIBS)
