/* SPDX-License-Identifier: Apache-2.0 */
int rot13(int c);
