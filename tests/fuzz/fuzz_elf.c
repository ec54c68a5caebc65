/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file of an image: reading it may fail, and does no harm. */
#include "harden/closure_table.h"
#include "harden/elf.h"
#include "harden/script.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t use(const char *s)
{
	if (s && (!*s || strlen(s) >= WH_ELF_MAX_STRING))
		abort();
	return s ? strlen(s) : 0;
}

static int import(void *arg, const char *name)
{
	*(size_t *)arg += strlen(name);
	return 0;
}

static int name(void *arg, const char *p, size_t n)
{
	if (!n || !*p)
		abort();
	*(size_t *)arg += (unsigned char)p[n - 1];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE uint8_t *copy =
		wh_memdup(data, size ? size : 1); /* its own block, so that a sanitizer knows the end */
	WH_AUTO_SCRIPT struct wh_script s = {0};
	WH_AUTO_ELF struct wh_elf e = {0};
	int r = wh_elf_parse(copy, size, &e);
	size_t sum;

	if (r != 0 && r != -ENOEXEC && r != -EBADMSG)
		abort();
	if (r != 0 && (e.interp || e.soname || e.rpath || e.runpath || e.needed.n))
		abort();
	if (e.needed.n > WH_ELF_MAX_NEEDED)
		abort();
	sum = use(e.interp) + use(e.soname) + use(e.rpath) + use(e.runpath);
	for (size_t i = 0; i < e.needed.n; i++)
		sum += use(e.needed.v[i]);
	wh_elf_imports(copy, size, import, &sum);
	wh_closure_names(copy, size, name, &sum);
	wh_closure_names_in_text(copy, size, name, &sum);
	if (wh_script_parse(copy, size, &s) == 0)
		sum += use(s.interpreter) + use(s.program);
	return sum == SIZE_MAX; /* so that nothing is optimised away */
}
