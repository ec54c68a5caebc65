# SPDX-License-Identifier: Apache-2.0
# Nothing of layers/ is built yet.
