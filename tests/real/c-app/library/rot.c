/* SPDX-License-Identifier: Apache-2.0 */
#include "rot.h"

int rot13(int c)
{
	int base = c >= 'a' && c <= 'z' ? 'a' : c >= 'A' && c <= 'Z' ? 'A' : 0;

	return base ? base + (c - base + 13) % 26 : c;
}
