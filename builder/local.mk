# SPDX-License-Identifier: Apache-2.0
# Nothing of builder/ is built yet.
