# SPDX-License-Identifier: Apache-2.0
# One block a target; append only. Each links replay.c, which reads tests/fuzz/corpus/NOUN.

check_PROGRAMS += tests/fuzz/fuzz_path
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c tests/fuzz/replay.c
tests_fuzz_fuzz_path_LDADD = base/libbase.a $(DEPS_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_json
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c tests/fuzz/replay.c
tests_fuzz_fuzz_json_LDADD = base/libbase.a $(DEPS_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_layer
tests_fuzz_fuzz_layer_SOURCES = tests/fuzz/fuzz_layer.c tests/fuzz/replay.c
tests_fuzz_fuzz_layer_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)

FRONTEND_FUZZ_LIBS = frontend/libfrontend.a builder/libbuilder.a base/libbase.a $(DEPS_LIBS)
check_PROGRAMS += tests/fuzz/fuzz_dockerfile tests/fuzz/fuzz_expand tests/fuzz/fuzz_ignore tests/fuzz/fuzz_lexer
tests_fuzz_fuzz_dockerfile_SOURCES = tests/fuzz/fuzz_dockerfile.c tests/fuzz/replay.c
tests_fuzz_fuzz_dockerfile_LDADD = $(FRONTEND_FUZZ_LIBS)
tests_fuzz_fuzz_expand_SOURCES = tests/fuzz/fuzz_expand.c tests/fuzz/replay.c
tests_fuzz_fuzz_expand_LDADD = $(FRONTEND_FUZZ_LIBS)
tests_fuzz_fuzz_ignore_SOURCES = tests/fuzz/fuzz_ignore.c tests/fuzz/replay.c
tests_fuzz_fuzz_ignore_LDADD = $(FRONTEND_FUZZ_LIBS)
tests_fuzz_fuzz_lexer_SOURCES = tests/fuzz/fuzz_lexer.c tests/fuzz/replay.c
tests_fuzz_fuzz_lexer_LDADD = $(FRONTEND_FUZZ_LIBS)
EXTRA_DIST += build-aux/fuzz.sh tests/fuzz/dockerfile.dict tests/fuzz/expand.dict tests/fuzz/ignore.dict tests/fuzz/lexer.dict

# frontend: addresses
check_PROGRAMS += tests/fuzz/fuzz_address
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c tests/fuzz/replay.c
tests_fuzz_fuzz_address_LDADD = $(FRONTEND_FUZZ_LIBS)

# layers: indexes
check_PROGRAMS += tests/fuzz/fuzz_index
tests_fuzz_fuzz_index_SOURCES = tests/fuzz/fuzz_index.c tests/fuzz/replay.c
tests_fuzz_fuzz_index_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# builder: --chmod
check_PROGRAMS += tests/fuzz/fuzz_chmod
tests_fuzz_fuzz_chmod_SOURCES = tests/fuzz/fuzz_chmod.c tests/fuzz/replay.c
tests_fuzz_fuzz_chmod_LDADD = builder/libbuilder.a base/libbase.a $(DEPS_LIBS)

# sandbox: what a profile's driver asks
check_PROGRAMS += tests/fuzz/fuzz_app
tests_fuzz_fuzz_app_SOURCES = tests/fuzz/fuzz_app.c tests/fuzz/replay.c
tests_fuzz_fuzz_app_LDADD = sandbox/libsandbox.a base/libbase.a $(DEPS_LIBS)

# base: the observation log
check_PROGRAMS += tests/fuzz/fuzz_observation
tests_fuzz_fuzz_observation_SOURCES = tests/fuzz/fuzz_observation.c tests/fuzz/replay.c
tests_fuzz_fuzz_observation_LDADD = base/libbase.a $(DEPS_LIBS)

# harden: dpkg's records
check_PROGRAMS += tests/fuzz/fuzz_dpkg
tests_fuzz_fuzz_dpkg_SOURCES = tests/fuzz/fuzz_dpkg.c tests/fuzz/replay.c
tests_fuzz_fuzz_dpkg_LDADD = harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# harden: ELF files and scripts
check_PROGRAMS += tests/fuzz/fuzz_elf
tests_fuzz_fuzz_elf_SOURCES = tests/fuzz/fuzz_elf.c tests/fuzz/replay.c
tests_fuzz_fuzz_elf_LDADD = harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# evidence: vulnerability records
check_PROGRAMS += tests/fuzz/fuzz_osv
tests_fuzz_fuzz_osv_SOURCES = tests/fuzz/fuzz_osv.c tests/fuzz/replay.c
tests_fuzz_fuzz_osv_LDADD = evidence/libevidence.a harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# layers: registries
check_PROGRAMS += tests/fuzz/fuzz_challenge tests/fuzz/fuzz_login tests/fuzz/fuzz_referrers
tests_fuzz_fuzz_challenge_SOURCES = tests/fuzz/fuzz_challenge.c tests/fuzz/replay.c
tests_fuzz_fuzz_challenge_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)
tests_fuzz_fuzz_login_SOURCES = tests/fuzz/fuzz_login.c tests/fuzz/replay.c
tests_fuzz_fuzz_login_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)
tests_fuzz_fuzz_referrers_SOURCES = tests/fuzz/fuzz_referrers.c tests/fuzz/replay.c
tests_fuzz_fuzz_referrers_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# what is attached to images
check_PROGRAMS += tests/fuzz/fuzz_artifact tests/fuzz/fuzz_bundle
tests_fuzz_fuzz_artifact_SOURCES = tests/fuzz/fuzz_artifact.c tests/fuzz/replay.c
tests_fuzz_fuzz_artifact_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz_bundle.c tests/fuzz/replay.c
tests_fuzz_fuzz_bundle_LDADD = evidence/libevidence.a harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# cli: the lock
check_PROGRAMS += tests/fuzz/fuzz_lock
tests_fuzz_fuzz_lock_SOURCES = tests/fuzz/fuzz_lock.c tests/fuzz/replay.c
tests_fuzz_fuzz_lock_LDADD = cli/libcli.a frontend/libfrontend.a builder/libbuilder.a frontend/libfrontend.a evidence/libevidence.a \
	harden/libharden.a layers/liblayers.a sandbox/libsandbox.a base/libbase.a $(DEPS_LIBS)

# builder: caches from elsewhere
check_PROGRAMS += tests/fuzz/fuzz_cache
tests_fuzz_fuzz_cache_SOURCES = tests/fuzz/fuzz_cache.c tests/fuzz/replay.c
tests_fuzz_fuzz_cache_LDADD = builder/libbuilder.a harden/libharden.a layers/liblayers.a sandbox/libsandbox.a base/libbase.a $(DEPS_LIBS)

# layers: what --reproducible reads of a step's files
check_PROGRAMS += tests/fuzz/fuzz_normalise
tests_fuzz_fuzz_normalise_SOURCES = tests/fuzz/fuzz_normalise.c tests/fuzz/replay.c
tests_fuzz_fuzz_normalise_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# layers: registries.conf
check_PROGRAMS += tests/fuzz/fuzz_toml
tests_fuzz_fuzz_toml_SOURCES = tests/fuzz/fuzz_toml.c tests/fuzz/replay.c
tests_fuzz_fuzz_toml_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)
EXTRA_DIST += tests/fuzz/toml.dict

# layers: archives of images
check_PROGRAMS += tests/fuzz/fuzz_archive
tests_fuzz_fuzz_archive_SOURCES = tests/fuzz/fuzz_archive.c tests/fuzz/replay.c
tests_fuzz_fuzz_archive_LDADD = layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# harden: sources of languages
check_PROGRAMS += tests/fuzz/fuzz_source
tests_fuzz_fuzz_source_SOURCES = tests/fuzz/fuzz_source.c tests/fuzz/replay.c
tests_fuzz_fuzz_source_LDADD = harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)

# builder: what a driver's tests print
check_PROGRAMS += tests/fuzz/fuzz_tap
tests_fuzz_fuzz_tap_SOURCES = tests/fuzz/fuzz_tap.c tests/fuzz/replay.c
tests_fuzz_fuzz_tap_LDADD = builder/libbuilder.a base/libbase.a $(DEPS_LIBS)

# harden: prune reports that came with an image, and how they are told
check_PROGRAMS += tests/fuzz/fuzz_explain
tests_fuzz_fuzz_explain_SOURCES = tests/fuzz/fuzz_explain.c tests/fuzz/replay.c
tests_fuzz_fuzz_explain_LDADD = cli/libcli.a frontend/libfrontend.a builder/libbuilder.a evidence/libevidence.a harden/libharden.a \
	layers/liblayers.a sandbox/libsandbox.a base/libbase.a $(DEPS_LIBS)

# harden: documents of profiles, and their locks
check_PROGRAMS += tests/fuzz/fuzz_document
tests_fuzz_fuzz_document_SOURCES = tests/fuzz/fuzz_document.c tests/fuzz/replay.c
tests_fuzz_fuzz_document_LDADD = harden/libharden.a layers/liblayers.a base/libbase.a $(DEPS_LIBS)
