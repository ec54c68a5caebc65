/* SPDX-License-Identifier: Apache-2.0 */
#include <rot.h>
#include <stdio.h>

int main(void)
{
	int c;

	while ((c = getchar()) != EOF)
		putchar(rot13(c));
	return 0;
}
