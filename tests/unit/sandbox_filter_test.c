/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of an observed command allows nothing more than a step's: both programs are executed here, for every
 * number of every architecture, and must agree but for what is asked of the supervisor. And everything that the table
 * has a row for is asked.
 */
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_table.h"
#include "tests/unit/test.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define MAX 8192
#define ERRNO(x) (SECCOMP_RET_ERRNO | (x))

struct program {
	struct sock_filter p[MAX];
	size_t n;
};
static struct program plain, observed;

/* Classic BPF, as much of it as seccomp filters use. */
static uint32_t run(const struct program *f, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < f->n; pc++) {
		const struct sock_filter *i = &f->p[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k < sizeof(*d));
			memcpy(&a, (const char *)d + i->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("runs off its end");
	return 0;
}

static uint32_t ask(const struct program *f, uint32_t arch, int nr, uint64_t a, uint64_t b)
{
	const struct seccomp_data d = {.nr = nr, .arch = arch, .args = {a, b}};

	return run(f, &d);
}

/* What decides: flags of clone, numbers of socketcall, families, personalities, seccomp's operation and flags. */
static const uint64_t args[] = {
	0, 1, 2, 3, 4, 8, 9, 11, 40, 0x11, 0x20000, 0x7e020011, 0xffffffff, 1ULL << 32, (1ULL << 32) | 2, UINT64_MAX};

static void no_wider(void **state)
{
	const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0};
	const int sets[] = {0, 0x40000000, -4096};
	unsigned asked = 0;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(arches) * WH_ARRAY_SIZE(sets); i++)
		for (int nr = 0; nr < 2048; nr++)
			for (size_t j = 0; j < WH_ARRAY_SIZE(args) * WH_ARRAY_SIZE(args); j++) {
				uint32_t arch = arches[i / WH_ARRAY_SIZE(sets)];
				int n = nr + sets[i % WH_ARRAY_SIZE(sets)];
				uint64_t a = args[j / WH_ARRAY_SIZE(args)], b = args[j % WH_ARRAY_SIZE(args)];
				uint32_t was = ask(&plain, arch, n, a, b), is = ask(&observed, arch, n, a, b);

				if (was != is && (was != SECCOMP_RET_ALLOW || is != SECCOMP_RET_USER_NOTIF))
					fail_msg("arch %#x, number %d, %#llx, %#llx: %#x was %#x", arch, n,
						 (unsigned long long)a, (unsigned long long)b, is, was);
				asked += is == SECCOMP_RET_USER_NOTIF;
			}
	assert_true(asked > 0);
}

static void all_rows(void **state)
{
	struct wh_table *t = wh_malloc(sizeof(*t));
	unsigned rows = 0;

	(void)state;
	wh_table_make(t);
	for (int i = 0; i < 2; i++)
		for (int nr = 0; nr < WH_TABLE_NUMBERS; nr++) {
			uint32_t arch = i ? t->compat : t->native;
			const struct wh_row *row = wh_table_row(t, arch, nr);
			uint64_t a[2] = {0, 0};
			uint32_t got;

			if (i && !t->compat)
				continue;
			if (row && row->when)
				a[row->when->arg] = row->when->bits;
			got = ask(&observed, arch, nr, a[0], a[1]);
			/* getxattrat and the like are newer than the libseccomp, hence absent. */
			if ((got == SECCOMP_RET_USER_NOTIF) != (row != NULL) && !(row && got == ERRNO(38)))
				fail_msg("arch %#x, number %d (%s): %#x", arch, nr, row ? row->name : "no row", got);
			rows += got == SECCOMP_RET_USER_NOTIF;
			if (!row || !row->when)
				continue;
			a[row->when->arg] ^= row->when->mask & -row->when->mask;
			assert_int_equal(ask(&observed, arch, nr, a[0], a[1]), SECCOMP_RET_ALLOW);
		}
	assert_true(rows > 50);
	assert_null(wh_table_row(t, t->native, -1));
	assert_null(wh_table_row(t, t->native, WH_TABLE_NUMBERS));
	assert_null(wh_table_row(t, AUDIT_ARCH_S390, 5));
	free(t);
}

static void read_into(int fd, struct program *f)
{
	ssize_t n = pread(fd, f->p, sizeof(f->p), 0);

	assert_true(n > 0 && n < (ssize_t)sizeof(f->p));
	f->n = (size_t)n / sizeof(f->p[0]);
	assert_true(f->n <= BPF_MAXINSNS);
}

static int setup(void **state)
{
	WH_AUTO_FD int a = wh_seccomp_build(NULL), b = wh_seccomp_build_observed(NULL);

	(void)state;
	read_into(a, &plain);
	read_into(b, &observed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_wider), cmocka_unit_test(all_rows)};

	return cmocka_run_group_tests_name("sandbox/filter", tests, setup, NULL);
}
