/* SPDX-License-Identifier: Apache-2.0 */
/* Images by name or id: what goes before what, and what is told of ids that are not enough. (Reading a store: tests/prog/images.t.) */
#include "layers/layers.h"
#include "tests/unit/test.h"

#include <errno.h>

static struct wh_digest hex(char c, const char *end)
{
	struct wh_digest d;
	char text[65];

	memset(text, c, 64);
	text[64] = '\0';
	memcpy(text + 64 - strlen(end), end, strlen(end));
	assert_true(wh_digest_parse_hex(text, &d));
	return d;
}

static void id_like(void **state)
{
	static const struct {
		const char *text;
		bool like;
	} rows[] = {
		{"abcd", true},  {"0123456789abcdef", true}, {"sha256:abcd", true}, {"abc", false},     {"sha256:abc", false},
		{"abcg", false}, {"ABCD", false},            {"", false},           {"sha256:", false}, {"shop", false},
		{"abcd:1", false},
	};
	char text[80];

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		assert_int_equal(wh_image_id_like(rows[i].text), rows[i].like);
	memset(text, 'a', 65);
	text[65] = '\0';
	assert_false(wh_image_id_like(text));
	text[64] = '\0';
	assert_true(wh_image_id_like(text));
}

static void find(void **state)
{
	struct wh_stored v[] = {
		{.name = wh_strdup("docker.io/library/aaaa:latest"), .manifest = hex('1', "0"), .id = hex('2', "0")},
		{.name = wh_strdup("docker.io/library/shop:1"), .manifest = hex('3', "0"), .id = hex('4', "0")},
		{.name = wh_strdup("docker.io/library/shop:2"), .manifest = hex('3', "0"), .id = hex('4', "0")},
		{.manifest = hex('a', "0"), .id = hex('5', "0")},
		{.manifest = hex('a', "1"), .id = hex('6', "0")},
		{.manifest = hex('b', "0"), .id = hex('7', "0"), .part = true},
		{.manifest = hex('c', "0"), .id = hex('7', "0")},
	};
	const struct wh_inventory l = {.v = v, .n = WH_ARRAY_SIZE(v)};
	static const struct {
		const char *ref;
		int at; /* or -errno */
		bool by_id;
	} rows[] = {
		{"aaaa", 0, false},                                                         /* a name, though two ids begin so */
		{"sha256:aaaa", -EEXIST, true},                                             /* none that is a name */
		{"aaaaa", -EEXIST, true},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", 4, true},
		{"1111", 0, true},  {"2222", 0, true}, {"shop:1", 1, false},  {"docker.io/library/shop:2", 2, false},
		{"4444", 1, true},  {"3333", 1, true}, {"shop", -ENOENT, false}, {"5555", 3, true},
		{"bbbb", 5, true},  {"7777", 6, true}, /* one image under two manifests: that which stands for itself */
		{"9999", -ENOENT, true}, {"444", -ENOENT, false}, {"Shop", -ENOENT, false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		const struct wh_stored *e = NULL;
		bool by_id = !rows[i].by_id;
		int r = wh_inventory_find(&l, rows[i].ref, &e, &by_id, &err);

		assert_int_equal(r, rows[i].at < 0 ? rows[i].at : 0);
		assert_int_equal(err != NULL, rows[i].at == -EEXIST);
		if (r == 0) {
			assert_ptr_equal(e, &v[rows[i].at]);
			assert_int_equal(by_id, rows[i].by_id);
		}
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(v); i++)
		free(v[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(id_like), cmocka_unit_test(find)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
