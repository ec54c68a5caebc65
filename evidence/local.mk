# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += evidence/libevidence.a
evidence_libevidence_a_SOURCES = evidence/evidence.h
# Keys, signing, verifying.
evidence_libevidence_a_SOURCES += \
	evidence/bundle.c evidence/dsse.c evidence/find.c evidence/key.c evidence/key_box.c evidence/key_private.h evidence/sign.c \
	evidence/sign_private.h evidence/simple_signing.c evidence/statement.c evidence/verify.c evidence/verify_artifact.c evidence/verify_content.c \
	evidence/verify_private.h
# The vulnerability database, findings, the verdict.
evidence_libevidence_a_SOURCES += \
	evidence/cvss.c evidence/debversion.c evidence/findings.c evidence/langversion.c evidence/severity.c evidence/verdict.c \
	evidence/vulndb.c evidence/vulndb_private.h evidence/vulndb_range.c evidence/vulndb_record.c evidence/vulndb_stream.c
# How it was built.
evidence_libevidence_a_SOURCES += evidence/provenance.c
# The bill of materials.
evidence_libevidence_a_SOURCES += evidence/purl.c evidence/sbom.c evidence/sbom_license.c evidence/sbom_private.h
