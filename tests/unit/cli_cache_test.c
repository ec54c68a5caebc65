/* SPDX-License-Identifier: Apache-2.0 */
/* What --cache-from and --cache-to may say. */
#include "cli/cache_opts.h"
#include "tests/unit/test.h"

#include <errno.h>

const struct wh_command *const wh_commands[] = {NULL};

#define ZERO "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static const struct {
	bool to;
	const char *text;
	const char *want; /* one "TYPE WHERE min|max …;" an entry; "!": refused */
} table[] = {
	{true, "type=registry,ref=reg.example/a", "registry reg.example/a:latest min;"},
	{true, "type=registry,ref=a:1,mode=max", "registry docker.io/library/a:1 max;"},
	{true, "mode=min,REF=a:1,Type=registry", "registry docker.io/library/a:1 min;"},
	{true, "reg.example:5000/a/b:1", "registry reg.example:5000/a/b:1 min;"},
	{false, "a:1,b:2", "registry docker.io/library/a:1 min;registry docker.io/library/b:2 min;"},
	{true, "type=registry,ref=a,image-manifest=true,oci-mediatypes=true", "registry docker.io/library/a:latest min;"},
	{true, "type=registry,ref=a,ignore-error=true", "registry docker.io/library/a:latest min ignore;"},
	{true, "type=registry,ref=a,ignore-error=false", "registry docker.io/library/a:latest min;"},
	{true, "type=registry,ref=a,compression=gzip,compression-level=9,force-compression=true",
	 "registry docker.io/library/a:latest min gzip9;"},
	{true, "type=registry,ref=a,compression=zstd", "registry docker.io/library/a:latest min zstd0;"},
	{true, "type=local,dest=/x", "local /x latest min;"},
	{true, "type=local,dest=/x,tag=t,mode=max", "local /x t max;"},
	{true, "type=local,\"dest=/x,y\"", "local /x,y latest min;"},
	{false, "type=local,src=/x", "local /x latest min;"},
	{false, "type=local,src=/x,digest=" ZERO, "local /x latest min digest;"},
	{false, "type=registry,ref=reg.example/a@" ZERO, "registry reg.example/a@" ZERO " min;"},
	{true, "type=inline", "inline min;"},
	{true, "type=inline,mode=max", "inline max;"},
	{true, "", ""},
	{true, "type=registry", "!"},
	{true, "ref=a", "!"},
	{true, "type=registry,ref=", "!"},
	{true, "type=registry,ref=A B", "!"},
	{true, "type=registry,ref=a,mode=mid", "!"},
	{true, "type=registry,ref=a,compression=estargz", "!"},
	{true, "type=registry,ref=a,compression=gzip,compression-level=10", "!"},
	{true, "type=registry,ref=a,compression-level=x", "!"},
	{true, "type=registry,ref=a,oci-mediatypes=false", "!"},
	{true, "type=registry,ref=a,ignore-error=x", "!"},
	{true, "type=registry,ref=a,tag=t", "!"},
	{true, "type=registry,ref=a,x", "!"},
	{true, "type=local,dest=", "!"},
	{true, "type=local,dest=/x,ref=a", "!"},
	{true, "type=local,dest=/x,tag=", "!"},
	{true, "type=local,src=/x", "!"},
	{true, "type=inline,ref=a", "!"},
	{true, "type=inline,compression=gzip", "!"},
	{true, "type=gha", "!"},
	{true, "type=s3,region=x,bucket=y", "!"},
	{true, "type=\"x", "!"},
	{true, "NotAName", "!"},
	{false, "type=inline", "!"},
	{false, "type=azblob", "!"},
	{false, "type=local,dest=/x", "!"},
	{false, "type=local,src=/x,digest=1", "!"},
	{false, "type=registry,ref=a,mode=max", "!"},
};

static void show(const struct wh_cache_opt *o, struct wh_buf *out)
{
	static const char *const types[] = {"registry", "local", "inline"};

	wh_buf_adds(out, types[o->type]);
	if (o->ref)
		wh_buf_addf(out, " %s", o->ref);
	if (o->dir)
		wh_buf_addf(out, " %s", o->dir);
	if (o->tag)
		wh_buf_addf(out, " %s", o->tag);
	wh_buf_addf(out, " %s", o->max ? "max" : "min");
	if (o->has_comp)
		wh_buf_addf(out, " %s%d", wh_compression_name(o->comp), o->level);
	wh_buf_addf(out, "%s%s;", o->has_digest ? " digest" : "", o->ignore_error ? " ignore" : "");
}

static void values(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_STRV struct wh_strv given = {0}, none = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct wh_cache_opts *o = NULL;
		int r;

		wh_strv_add(&given, table[i].text);
		r = wh_cache_opts_make(table[i].to ? &none : &given, table[i].to ? &given : &none, &none, &o, &err);
		if (r < 0) {
			assert_non_null(err);
			assert_int_equal(err->class, WH_ERR_USAGE);
			assert_null(o);
			wh_buf_adds(&got, "!");
		}
		for (size_t k = 0; o && k < o->n_from; k++)
			show(&o->from[k], &got);
		for (size_t k = 0; o && k < o->n_to; k++)
			show(&o->to[k], &got);
		if (strcmp(got.p ? got.p : "", table[i].want) != 0)
			fail_msg("%s: %s, not %s", table[i].text, got.p ? got.p : "", table[i].want);
		wh_cache_opts_free(o);
	}
}

/* What docker build takes for the same. */
static void argument(void **state)
{
	static const struct {
		const char *arg, *to;
		size_t want;
	} cases[] = {
		{"BUILDKIT_INLINE_CACHE=1", NULL, 1},     {"BUILDKIT_INLINE_CACHE=true", NULL, 1}, {"BUILDKIT_INLINE_CACHE=0", NULL, 0},
		{"BUILDKIT_INLINE_CACHE=", NULL, 0},      {"OTHER=1", NULL, 0},                    {"BUILDKIT_INLINE_CACHE=1", "type=inline", 1},
		{"BUILDKIT_INLINE_CACHE=1", "a/b", 2},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv args = {0}, to = {0}, none = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_cache_opts *o = NULL;

		wh_strv_add(&args, cases[i].arg);
		if (cases[i].to)
			wh_strv_add(&to, cases[i].to);
		assert_int_equal(wh_cache_opts_make(&none, &to, &args, &o, &err), 0);
		assert_int_equal(o ? o->n_to : 0, cases[i].want);
		wh_cache_opts_free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(argument)};

	return cmocka_run_group_tests_name("cli cache", tests, NULL, NULL);
}
