# SPDX-License-Identifier: Apache-2.0
# JSON schemas (draft 2020-12) of the documents that whittle writes for others
schemasdir = $(pkgdatadir)/schemas
dist_schemas_DATA =
