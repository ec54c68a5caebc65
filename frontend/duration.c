/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as HEALTHCHECK has them (Go's time.ParseDuration): a sign, then numbers with units. */
#include "frontend/check.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <inttypes.h>

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
	{"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
};

static int64_t unit_at(const char **p)
{
	const char *start = *p;
	size_t i, n;

	while (**p && **p != '.' && !(**p >= '0' && **p <= '9'))
		(*p)++;
	n = (size_t)(*p - start);
	for (i = 0; i < WH_ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, start, n) == 0)
			return units[i].ns;
	return 0;
}

/* One "1.5h"; the fraction keeps nine digits, which is all that a nanosecond can tell of a second. */
static bool part(const char **p, int64_t *sum)
{
	int64_t whole = 0, fraction = 0, scale = 1, unit, value;
	bool digits = false;

	for (; **p >= '0' && **p <= '9'; (*p)++, digits = true)
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, **p - '0', &whole))
			return false;
	if (**p == '.')
		for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, digits = true) {
			if (scale == 1000000000)
				continue;
			fraction = fraction * 10 + (**p - '0');
			scale *= 10;
		}
	unit = digits ? unit_at(p) : 0;
	if (!unit || __builtin_mul_overflow(whole, unit, &value))
		return false;
	value += (int64_t)((__int128)fraction * unit / scale);
	return value >= 0 && !__builtin_add_overflow(*sum, value, sum);
}

/* What people write for a unit, and what they mean. */
static const char *meant(const char *s)
{
	static const struct {
		const char *word, *unit;
	} words[] = {
		{"sec", "s"},    {"secs", "s"},    {"second", "s"}, {"seconds", "s"}, {"min", "m"}, {"mins", "m"},
		{"minute", "m"}, {"minutes", "m"}, {"hour", "h"},   {"hours", "h"},   {"hr", "h"},  {"hrs", "h"},
		{"msec", "ms"},  {"S", "s"},       {"M", "m"},      {"H", "h"},       {"MS", "ms"}, {"usec", "us"},
	};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(words); i++)
		if (wh_streq(s, words[i].word))
			return words[i].unit;
	return NULL;
}

static void duration_hint(const char *s, struct wh_err **err)
{
	size_t n = strspn(s, "0123456789.");
	const char *unit = meant(s + n + strspn(s + n, " "));
	uint64_t days;

	wh_err_expect(err, "numbers with units (h, m, s, ms, us, ns), like 30s, 1m30s or 500ms");
	if (n && n < 20 && !s[n])
		wh_err_hint(err, "seconds are written %ss", s);
	else if (n && n < 20 && unit)
		wh_err_hint(err, "did you mean %.*s%s?", (int)n, s, unit);
	else if (n && n < 5 && wh_streq(s + n, "d")) {
		WH_AUTO_FREE char *count = wh_strndup(s, n);

		if (wh_parse_u64(count, 10, &days))
			wh_err_hint(err, "days are written as hours: %lluh", (unsigned long long)days * 24);
	}
	wh_err_hint(err, "write it like 30s, 1m30s or 500ms");
}

int wh_duration_parse(const char *s, int64_t *ret, struct wh_err **err)
{
	const char *p = s + (*s == '-' || *s == '+');
	int64_t sum = 0;

	if (wh_streq(p, "0")) {
		*ret = 0;
		return 0;
	}
	do {
		if (!part(&p, &sum)) {
			wh_usage_word(err, s, "invalid duration \"%.60s\"", s);
			duration_hint(s, err);
			return -EINVAL;
		}
	} while (*p);
	*ret = *s == '-' ? -sum : sum;
	return 0;
}

static void decimal(struct wh_buf *out, int64_t value, int64_t unit, const char *name)
{
	char digits[24];
	size_t n;

	wh_buf_addf(out, "%lld", (long long)(value / unit));
	if (value % unit) {
		n = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value % unit + unit);
		while (n > 1 && digits[n - 1] == '0')
			n--;
		wh_buf_addf(out, ".%.*s", (int)n - 1, digits + 1);
	}
	wh_buf_adds(out, name);
}

void wh_duration_print(int64_t ns, struct wh_buf *out)
{
	if (ns < 0)
		wh_buf_addc(out, '-');
	ns = ns < 0 ? -ns : ns;
	if (ns && ns < 1000000000) {
		if (ns < 1000)
			decimal(out, ns, 1, "ns");
		else if (ns < 1000000)
			decimal(out, ns, 1000, "\xc2\xb5s");
		else
			decimal(out, ns, 1000000, "ms");
		return;
	}
	if (ns >= 3600000000000)
		wh_buf_addf(out, "%lldh", (long long)(ns / 3600000000000));
	if (ns >= 60000000000)
		wh_buf_addf(out, "%lldm", (long long)(ns / 60000000000 % 60));
	decimal(out, ns % 60000000000, 1000000000, "s");
}
