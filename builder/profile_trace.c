/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PROFILE leaves behind for messages: its observation logs as they are, and the last that application and tests
 * printed. When the tests fail on the pruned tree, the two runs are held against each other, also when the first one
 * came from the cache.
 *
 * It is a blob of its own, named by the PROFILE's record ("trace"), and no part of the document: no key is made of it,
 * no statement has it, and no cache elsewhere gets it, because command lines stand in the logs. Whoever has the record
 * may lack it.
 *
 *   zstd( "whittle-trace 1\n"  output  u32 logs  (name  u32 run  u32 tests  (test)…  text)… )      texts: u32 length, bytes
 *
 * tests: UINT32_MAX: as of the log before.
 */
#include "builder/profile_private.h"

#include <errno.h>
#include <zstd.h>

#define MAGIC "whittle-trace 1\n"
#define TRACE_MAX ((size_t)96 * 1024 * 1024) /* before compression */
#define LEVEL 3
#define AS_BEFORE UINT32_MAX

static void add_text(struct wh_buf *b, const char *p, size_t n)
{
	wh_buf_u32(b, (uint32_t)n);
	wh_buf_add(b, p, n);
}

static void add_log(struct wh_buf *b, const struct wh_obs_log *l, const struct wh_obs_log *before)
{
	size_t i, n = l->tests ? l->tests->n : 0;

	add_text(b, l->name, strlen(l->name));
	wh_buf_u32(b, l->run);
	wh_buf_u32(b, before && before->tests == l->tests ? AS_BEFORE : (uint32_t)n);
	for (i = 0; i < n && !(before && before->tests == l->tests); i++)
		add_text(b, l->tests->v[i], strlen(l->tests->v[i]));
	add_text(b, l->data, l->len);
}

int wh_trace_write(struct wh_trial *t, json_t *doc, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(t);
	WH_AUTO_BUF struct wh_buf raw = {.max = TRACE_MAX};
	WH_AUTO_FREE char *packed = NULL;
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	size_t i, n;
	int r;

	wh_buf_adds(&raw, MAGIC);
	add_text(&raw, t->said.n ? t->said.p : "", t->said.n);
	wh_buf_u32(&raw, (uint32_t)t->n_logs);
	for (i = 0; i < t->n_logs && wh_buf_ok(&raw); i++)
		add_log(&raw, &logs[i], i ? &logs[i - 1] : NULL);
	if (!wh_buf_ok(&raw)) /* too much to keep for a message */
		return 0;
	n = ZSTD_compressBound(raw.n);
	packed = wh_malloc(n);
	n = ZSTD_compress(packed, n, raw.p, raw.n, LEVEL);
	if (ZSTD_isError(n))
		return wh_err_set(err, "builder", WH_ERR_INTERNAL, EIO, "compress a trace: %s", ZSTD_getErrorName(n));
	r = wh_blob_put(t->b->o.store, packed, n, &d, err);
	if (r == 0)
		json_object_set_new(doc, "trace", json_string(wh_digest_text(&d, text)));
	return r;
}

/* ---------------------------------------------------------------- reading */

struct cursor {
	char *p;
	size_t left;
};

static bool take_u32(struct cursor *c, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)c->p;

	if (c->left < 4)
		return false;
	*ret = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	c->p += 4;
	c->left -= 4;
	return true;
}

static bool take_text(struct cursor *c, struct wh_str *ret)
{
	uint32_t n;

	if (!take_u32(c, &n) || n > c->left)
		return false;
	*ret = (struct wh_str){c->p, n};
	c->p += n;
	c->left -= n;
	return true;
}

static bool take_tests(struct wh_trace *x, struct cursor *c, const struct wh_strv **now)
{
	uint32_t n, i;
	struct wh_strv *l;

	if (!take_u32(c, &n))
		return false;
	if (n == AS_BEFORE)
		return true;
	if (n > c->left) /* each has a length */
		return false;
	l = wh_calloc(1, sizeof(*l));
	WH_PUSH(x->tests, x->n_tests, x->cap_tests) = l;
	*now = l;
	for (i = 0; i < n; i++) {
		struct wh_str name;

		if (!take_text(c, &name))
			return false;
		wh_strv_take(l, wh_strndup(name.p, name.n));
	}
	return true;
}

static bool take_logs(struct wh_trace *x, struct cursor *c)
{
	const struct wh_strv *tests = NULL;
	uint32_t n, run, i;
	size_t cap = 0;

	if (!take_u32(c, &n))
		return false;
	for (i = 0; i < n; i++) {
		struct wh_str name, text;

		if (!take_text(c, &name) || !take_u32(c, &run) || !take_tests(x, c, &tests) || !take_text(c, &text))
			return false;
		wh_strv_take(&x->names, wh_strndup(name.p, name.n));
		WH_PUSH(x->logs, x->n_logs, cap) =
			(struct wh_obs_log){.data = text.p, .len = text.n, .run = run, .tests = tests};
	}
	for (i = 0; i < n; i++)
		x->logs[i].name = x->names.v[i];
	return !c->left;
}

static bool unpack(struct wh_trace *x, const struct wh_buf *packed)
{
	unsigned long long n = ZSTD_getFrameContentSize(packed->p ? packed->p : "", packed->n);
	struct cursor c;
	struct wh_str output;

	if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > TRACE_MAX || n < strlen(MAGIC))
		return false;
	x->data = wh_malloc(n);
	if (ZSTD_decompress(x->data, n, packed->p, packed->n) != n || memcmp(x->data, MAGIC, strlen(MAGIC)) != 0)
		return false;
	c = (struct cursor){x->data + strlen(MAGIC), n - strlen(MAGIC)};
	if (!take_text(&c, &output))
		return false;
	x->output = wh_strndup(output.p, output.n);
	return take_logs(x, &c);
}

int wh_trace_read(struct wh_store *s, const json_t *doc, struct wh_trace *ret)
{
	WH_AUTO_ERR struct wh_err *ignored = NULL;
	WH_AUTO_BUF struct wh_buf packed = WH_BUF_INIT;
	struct wh_trace x = {0};
	const char *text = wh_json_str(doc, "trace");
	struct wh_digest d;

	if (!text || !wh_digest_parse(text, &d) || !wh_blob_has(s, &d, NULL) ||
	    wh_blob_read(s, &d, TRACE_MAX, &packed, &ignored) < 0)
		return -ENOENT;
	if (!unpack(&x, &packed)) {
		wh_trace_release(&x);
		return -ENOENT;
	}
	*ret = x;
	return 0;
}

void wh_trace_release(struct wh_trace *x)
{
	size_t i;

	for (i = 0; i < x->n_tests; i++) {
		wh_strv_release(x->tests[i]);
		free(x->tests[i]);
	}
	free(x->tests);
	free(x->data);
	free(x->output);
	free(x->logs);
	wh_strv_release(&x->names);
	*x = (struct wh_trace){0};
}
