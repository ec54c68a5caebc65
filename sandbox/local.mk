# SPDX-License-Identifier: Apache-2.0
# Nothing of sandbox/ is built yet.
