/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests that walk the conformance data: where it is, and its files. */
#ifndef WH_TESTS_UNIT_FRONTEND_DATA_H
#define WH_TESTS_UNIT_FRONTEND_DATA_H

#include "frontend/frontend.h"
#include "tests/unit/test.h"

#include <dirent.h>

/* The directory from $WHITTLE_CONFORMANCE, else one beside or in the source tree; NULL: not at hand. malloc'ed. */
static inline char *data_dir(void)
{
	static const char *const places[] = {"tests/conformance", "../shared/conformance"};
	const char *env = getenv("WHITTLE_CONFORMANCE"), *top = getenv("WH_SRCDIR");
	size_t i;

	if (env && *env)
		return wh_strdup(env);
	for (i = 0; i < WH_ARRAY_SIZE(places); i++) {
		char *dir = wh_path_join(top ? top : ".", places[i]);
		WH_AUTO_FREE char *probe = wh_path_join(dir, "parser");

		if (access(probe, R_OK) == 0)
			return dir;
		free(dir);
	}
	return NULL;
}

/* True, and the program is told as skipped, when the data is not there. (cmocka's skip() prints "not ok".) */
static inline bool data_is_missing(void)
{
	WH_AUTO_FREE char *dir = data_dir();

	if (!dir)
		printf("1..0 # SKIP no conformance data\n");
	return !dir;
}

#define DATA(var)                            \
	WH_AUTO_FREE char *var = data_dir(); \
	assert_non_null(var)

static inline void data_read(const char *dir, const char *name, struct wh_buf *out)
{
	WH_AUTO_FREE char *path = wh_path_join(dir, name);

	assert_int_equal(wh_read_file(AT_FDCWD, path, (size_t)16 << 20, out), 0);
	if (!out->p)
		wh_buf_add(out, "", 0);
}

static inline json_t *data_json(const char *dir, const char *name)
{
	WH_AUTO_FREE char *path = wh_path_join(dir, name);
	json_t *j = json_load_file(path, JSON_ALLOW_NUL, NULL);

	assert_non_null(j);
	return j;
}

static inline void data_list(const char *dir, const char *sub, struct wh_strv *out)
{
	WH_AUTO_FREE char *path = wh_path_join(dir, sub);
	DIR *d = opendir(path);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			wh_strv_addf(out, "%s/%s", path, e->d_name);
	closedir(d);
	wh_strv_sort(out);
	assert_true(out->n > 0);
}

static inline const char *str(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* Says what failed and goes on; the caller asserts on the sum. */
#define MISS(failed, ...)                 \
	do {                              \
		print_error(__VA_ARGS__); \
		print_error("\n");        \
		(failed)++;               \
	} while (0)

#endif
