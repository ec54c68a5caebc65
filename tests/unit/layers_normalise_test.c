/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of --reproducible by themselves; layers_work_test has them on real trees. */
#include "layers/normalise.h"

#include "tests/unit/test.h"

static void actions(void **state)
{
	static const struct {
		const char *path;
		enum wh_normal action;
	} rows[] = {
		{"var/log/dpkg.log", WH_NORMAL_BELOW},
		{"var/log/dpkg.log.1", WH_NORMAL_NONE},
		{"srv/var/log/dpkg.log", WH_NORMAL_NONE},
		{"var/log", WH_NORMAL_NONE},
		{"var/log/dpkg.log/x", WH_NORMAL_NONE},
		{"root/.cache/pip", WH_NORMAL_BELOW},
		{"root/.cache/pip/a/b/c", WH_NORMAL_BELOW},
		{".cache/pip/a", WH_NORMAL_BELOW},
		{"home/u/.cache/pip/a", WH_NORMAL_BELOW},
		{"root/.cache", WH_NORMAL_NONE},
		{"root/.cache/pipe", WH_NORMAL_NONE},
		{"root/x.cache/pip", WH_NORMAL_NONE},
		{"root/.npm/_logs/x", WH_NORMAL_BELOW},
		{"root/.npm/x", WH_NORMAL_NONE},
		{"a.pyc", WH_NORMAL_PYC},
		{"usr/lib/__pycache__/a.cpython-311.pyc", WH_NORMAL_PYC},
		{"usr/lib/a.pyc/x", WH_NORMAL_NONE},
		{"usr/lib/a.py", WH_NORMAL_NONE},
		{"etc/machine-id", WH_NORMAL_EMPTY},
		{"etc/ssl/certs/java/cacerts", WH_NORMAL_JKS},
		{"", WH_NORMAL_NONE},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		if (wh_normal_action(rows[i].path) != rows[i].action)
			fail_msg("%s: %s", rows[i].path, wh_normal_name(wh_normal_action(rows[i].path)));
}

/* A table that people read: no row twice, none without words, nothing that markdown would not show. */
static void table(void **state)
{
	size_t n;
	const struct wh_normal_rule *r = wh_normal_rules(&n);

	(void)state;
	assert_true(n > 10);
	for (size_t i = 0; i < n; i++) {
		assert_true(*r[i].pattern && *r[i].reason && *wh_normal_name(r[i].action));
		assert_int_not_equal(r[i].pattern[0], '/');
		assert_null(strpbrk(r[i].pattern, "|`\n"));
		assert_null(strpbrk(r[i].reason, "|`\n"));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(r[i].pattern, r[k].pattern);
	}
}

static void sources(void **state)
{
	static const struct {
		const char *name, *in_cache, *beside;
	} rows[] = {
		{"a.cpython-311.pyc", "a.py", "a.cpython-311.py"},
		{"a.cpython-311.opt-2.pyc", "a.py", "a.cpython-311.opt-2.py"},
		{"__init__.cpython-311.pyc", "__init__.py", "__init__.cpython-311.py"},
		{"a.pyc", "a.py", "a.py"},
		{".pyc", NULL, NULL},
		{".x.pyc", NULL, ".x.py"},
		{"a.py", NULL, NULL},
		{"", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *in = wh_pyc_source(rows[i].name, true), *beside = wh_pyc_source(rows[i].name, false);

		if (!wh_streq(in, rows[i].in_cache) || !wh_streq(beside, rows[i].beside))
			fail_msg("%s: %s, %s", rows[i].name, in ? in : "-", beside ? beside : "-");
	}
}

static void headers(void **state)
{
	unsigned char b[WH_PYC_HEADER] = {0xa7, 0x0d, '\r', '\n', 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 4, 3, 2, 1};
	struct wh_pyc p;

	(void)state;
	assert_true(wh_pyc_read(b, sizeof(b), &p));
	assert_int_equal(p.mtime, 0x12345678);
	assert_int_equal(p.size, 0x01020304);
	assert_false(wh_pyc_read(b, sizeof(b) - 1, &p));
	for (unsigned char flags = 1; flags < 4; flags++) { /* goes by the source's hash */
		b[4] = flags;
		assert_false(wh_pyc_read(b, sizeof(b), &p));
	}
	b[4] = 0;
	b[2] = '\n';
	assert_false(wh_pyc_read(b, sizeof(b), &p));
	b[2] = '\r';
	b[0] = 0x03; /* Python 2.7: its header ends after the time */
	b[1] = 0xf3;
	assert_false(wh_pyc_read(b, sizeof(b), &p));
}

static void times(void **state)
{
	static const struct wh_pyc pyc = {.mtime = 5000, .size = 7};
	static const struct {
		struct wh_pyc_source source;
		int64_t clamped;
		uint32_t want;
	} rows[] = {
		{{5000, 2000, 7}, 2000, 2000}, /* fits, and still does */
		{{5000, 5000, 7}, 2000, 5000}, /* its source keeps a late time */
		{{5000, 2000, 8}, 2000, 0},    /* did not fit */
		{{5001, 2000, 7}, 2000, 0},
		{{5001, 0, 7}, 0, 1}, /* must not fit by chance */
		{{4000, 5000, 7}, 5000, 0},
		{{900, 900, 7}, 5000, 5000},                                /* did not fit, is not of this step */
		{{(1LL << 32) + 5000, 2000, (1ULL << 32) + 7}, 2000, 2000}, /* 32 bits are compared */
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		assert_int_equal(wh_pyc_time(&pyc, &rows[i].source, rows[i].clamped), rows[i].want);
	assert_int_equal(wh_pyc_time(&pyc, NULL, 2000), 2000);
}

/* ---------------------------------------------------------------- Java */

/* Made with keytool's form in mind, sums by another implementation of SHA-1: two certificates "a" and "b" of three bytes, put
 * in at 1700000000123 and 1700000001000 milliseconds; what is expected has both at 1700000000000. */
static const unsigned char store_two[] = {
	0xfe, 0xed, 0xfe, 0xed, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01,
	0x61, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0x00, 0x05, 0x58, 0x2e, 0x35, 0x30, 0x39, 0x00, 0x00,
	0x00, 0x03, 0x61, 0x62, 0x63, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01, 0x62, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5,
	0x6b, 0xe8, 0x00, 0x05, 0x58, 0x2e, 0x35, 0x30, 0x39, 0x00, 0x00, 0x00, 0x03, 0x61, 0x62, 0x63, 0xce, 0x6c,
	0x7a, 0x0d, 0xbf, 0x6d, 0x8c, 0x80, 0xd8, 0xee, 0xda, 0x8f, 0xdc, 0x3a, 0x99, 0xd6, 0x40, 0xae, 0x1a, 0xc0,
};
static const unsigned char store_want[] = {
	0xfe, 0xed, 0xfe, 0xed, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01,
	0x61, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x00, 0x05, 0x58, 0x2e, 0x35, 0x30, 0x39, 0x00, 0x00,
	0x00, 0x03, 0x61, 0x62, 0x63, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01, 0x62, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5,
	0x68, 0x00, 0x00, 0x05, 0x58, 0x2e, 0x35, 0x30, 0x39, 0x00, 0x00, 0x00, 0x03, 0x61, 0x62, 0x63, 0x16, 0x73,
	0x76, 0x8c, 0x0e, 0x49, 0x7d, 0x3c, 0x08, 0x40, 0x9b, 0x66, 0x0d, 0xe9, 0x9d, 0xc1, 0x87, 0xf8, 0x5c, 0xad,
};

static int64_t clamp(void *arg, int64_t t)
{
	int64_t epoch = *(int64_t *)arg;

	return t > epoch ? epoch : t;
}

static void java(void **state)
{
	int64_t epoch = 1700000000, late = 1800000000;
	unsigned char b[sizeof(store_two)];

	(void)state;
	memcpy(b, store_two, sizeof(b));
	assert_true(wh_jks_times(b, sizeof(b), clamp, &epoch));
	assert_memory_equal(b, store_want, sizeof(b));
	assert_false(wh_jks_times(b, sizeof(b), clamp, &epoch));
	memcpy(b, store_two, sizeof(b));
	assert_false(wh_jks_times(b, sizeof(b), clamp, &late));
	assert_memory_equal(b, store_two, sizeof(b));
	/* Any byte that is another, and any other length: it is left alone. */
	for (size_t i = 0; i < sizeof(b); i++) {
		b[i] ^= 1;
		assert_false(wh_jks_times(b, sizeof(b), clamp, &epoch));
		b[i] ^= 1;
		assert_false(wh_jks_times(b, i, clamp, &epoch));
		assert_memory_equal(b, store_two, sizeof(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions), cmocka_unit_test(table), cmocka_unit_test(sources),
		cmocka_unit_test(headers), cmocka_unit_test(times), cmocka_unit_test(java),
	};

	return cmocka_run_group_tests_name("layers_normalise", tests, NULL, NULL);
}
