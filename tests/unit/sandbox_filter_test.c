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

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#define MAX 8192

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

static uint32_t ask_with(uint32_t arch, int nr, uint64_t all)
{
	const struct seccomp_data d = {.nr = nr, .arch = arch, .args = {all, all, all, all, all, all}};

	return run(&observed, &d);
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

/* The supervisor is asked for what the table has a row for, unless it goes by a lane; and for nothing else. */
static void all_rows(void **state)
{
	struct wh_table *t = wh_malloc(sizeof(*t));
	unsigned rows = 0;

	(void)state;
	wh_table_make(t);
	for (int i = 0; i < 2 * WH_TABLE_NUMBERS; i++) {
		uint32_t arch = i < WH_TABLE_NUMBERS ? t->native : t->compat;
		int nr = i % WH_TABLE_NUMBERS;
		const struct wh_row *row = wh_table_row(t, arch, nr);
		bool asked = ask_with(arch, nr, 0) == SECCOMP_RET_USER_NOTIF ||
			     ask_with(arch, nr, UINT64_MAX) == SECCOMP_RET_USER_NOTIF;

		if (arch && asked != (row != NULL))
			fail_msg("arch %#x, number %d (%s): %s", arch, nr,
				 row ? t->names[i / WH_TABLE_NUMBERS][nr] : "no row",
				 asked ? "asked for" : "not asked for");
		rows += asked;
	}
	assert_true(rows > 200);
	assert_null(wh_table_row(t, t->native, -1));
	assert_null(wh_table_row(t, t->native, WH_TABLE_NUMBERS));
	assert_null(wh_table_row(t, AUDIT_ARCH_S390, 5));
	wh_table_release(t);
	free(t);
}

/* What goes by a lane, and its neighbours that do not. */
static void lanes(void **state)
{
	static const struct {
		int nr;
		uint64_t args[6];
		bool told;
	} cases[] = {
		{SYS_sendto, {3, 1, 1, 0, 0, 0}, false},
		{SYS_sendto, {3, 1, 1, 0, 0, 16}, false},
		{SYS_sendto, {3, 1, 1, 0, 1, 16}, true},
		{SYS_sendto, {3, 1, 1, 0, UINT64_C(1) << 32, 16}, true},
		{SYS_setsockopt, {3, 6, 1}, false},
		{SYS_setsockopt, {3, 6, 6}, false},
		{SYS_setsockopt, {3, 6, 12}, false},
		{SYS_setsockopt, {3, 6, 0}, true},
		{SYS_setsockopt, {3, 6, 7}, true},
		{SYS_setsockopt, {3, 6, 13}, true},
		{SYS_setsockopt, {3, 1, 1}, true},
		{SYS_setsockopt, {3, 7, 1}, true},
		{SYS_fcntl, {3, F_GETFL, 0}, false},
		{SYS_fcntl, {3, F_SETFL, O_NONBLOCK}, false},
		{SYS_fcntl, {3, F_SETFL, O_NONBLOCK | O_NOATIME}, true},
		{SYS_fcntl, {3, F_SETLKW, 0}, false},
		{SYS_fcntl, {3, F_DUPFD_CLOEXEC, 0}, false},
		{SYS_fcntl, {3, F_SETLEASE, 0}, true},
		{SYS_fcntl, {3, F_NOTIFY, 0}, true},
		{SYS_fcntl, {3, F_SETPIPE_SZ, 0}, true},
		{SYS_read, {3, 1, 1}, false},
		{SYS_ioctl, {3, 1, 1}, true},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct seccomp_data d = {.nr = cases[i].nr, .arch = seccomp_arch_native()};

		for (size_t j = 0; j < 6; j++)
			d.args[j] = cases[i].args[j];
		if (run(&observed, &d) != (cases[i].told ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW))
			fail_msg("case %zu is %s", i, cases[i].told ? "not told" : "told");
	}
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_wider), cmocka_unit_test(all_rows),
					   cmocka_unit_test(lanes)};

	return cmocka_run_group_tests_name("sandbox/filter", tests, setup, NULL);
}
