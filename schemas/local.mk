# SPDX-License-Identifier: Apache-2.0
# JSON schemas (draft 2020-12) of the documents that whittle writes for others
schemasdir = $(pkgdatadir)/schemas
dist_schemas_DATA =
# of what was there before the profile was a document
dist_schemas_DATA += schemas/build-lock-1.json schemas/build-metadata-1.json schemas/explain-1.json schemas/findings-1.json \
	schemas/hardening-verdict-1.json schemas/image-inspect-1.json schemas/image-line-1.json schemas/prune-report-1.json \
	schemas/verification-1.json schemas/verify-report-1.json
# what runtimes are told
dist_schemas_DATA += schemas/privileges-1.json
dist_schemas_DATA += schemas/proof-1.json
# the profile and what is made of it
dist_schemas_DATA += schemas/diff-1.json schemas/profile-1.json schemas/profile-lock-1.json
# what PRUNE removed, and what came back
dist_schemas_DATA += schemas/removed-part-1.json schemas/restored-1.json
