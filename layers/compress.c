/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd, gzip, or nothing.
 *
 * zstd: its single-threaded mode gives other bytes than its threaded one, so
 * the latter is used always. There input is cut into jobs of a fixed size, and
 * the number of workers decides only how many are under way. The content size
 * is never pledged, and the first call is never the last: both would let
 * zstd choose by size or by the caller's way of cutting.
 */
#include "layers/compress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#define ZSTD_JOB (1 << 20)   /* changing one of these changes every blob */
#define ZSTD_OVERLAP 6       /* a job starts with 1/8 window of the one before */
#define ZSTD_MAX_WORKERS 16U /* memory: about 4 MiB each */
#define OUT_SIZE (256U << 10)

struct wh_compressor {
	enum wh_compression kind;
	wh_compress_sink sink;
	void *arg;
	int level;
	unsigned threads;
	ZSTD_CCtx *zstd; /* made by the first add */
	z_stream gz;
	gz_header gz_head;
	bool gz_ready;
	unsigned char *out;
};

struct wh_compressor *wh_compressor_new(enum wh_compression kind, int level, unsigned threads, wh_compress_sink sink,
					void *arg)
{
	struct wh_compressor *c = wh_calloc(1, sizeof(*c));

	c->kind = kind;
	c->sink = sink;
	c->arg = arg;
	c->level = level ? level : kind == WH_COMP_GZIP ? 6 : 3;
	c->threads = threads ? threads : wh_cpu_count();
	if (c->threads > ZSTD_MAX_WORKERS)
		c->threads = ZSTD_MAX_WORKERS;
	return c;
}

void wh_compressor_free(struct wh_compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->zstd);
	if (c->gz_ready)
		deflateEnd(&c->gz);
	free(c->out);
	free(c);
}

static int zstd_err(size_t code, struct wh_err **err)
{
	return wh_err_set(err, "layers", WH_ERR_INTERNAL, EIO, "zstd: %s", ZSTD_getErrorName(code));
}

static int zstd_start(struct wh_compressor *c, struct wh_err **err)
{
	const struct {
		ZSTD_cParameter param;
		int value;
	} params[] = {
		{ZSTD_c_compressionLevel, c->level}, {ZSTD_c_nbWorkers, (int)c->threads}, {ZSTD_c_jobSize, ZSTD_JOB},
		{ZSTD_c_overlapLog, ZSTD_OVERLAP},   {ZSTD_c_contentSizeFlag, 0},         {ZSTD_c_checksumFlag, 0},
	};

	c->zstd = ZSTD_createCCtx();
	if (!c->zstd)
		return wh_err_set(err, "layers", WH_ERR_ENV, ENOMEM, "zstd: out of memory");
	for (size_t i = 0; i < WH_ARRAY_SIZE(params); i++) {
		size_t r = ZSTD_CCtx_setParameter(c->zstd, params[i].param, params[i].value);

		if (ZSTD_isError(r))
			return zstd_err(r, err);
	}
	return 0;
}

static int zstd_run(struct wh_compressor *c, const void *p, size_t n, ZSTD_EndDirective end, struct wh_err **err)
{
	ZSTD_inBuffer in = {.src = p, .size = n};
	size_t left;

	do {
		ZSTD_outBuffer out = {.dst = c->out, .size = OUT_SIZE};
		int r;

		left = ZSTD_compressStream2(c->zstd, &out, &in, end);
		if (ZSTD_isError(left))
			return zstd_err(left, err);
		r = out.pos ? c->sink(c->arg, c->out, out.pos, err) : 0;
		if (r < 0)
			return r;
	} while (end == ZSTD_e_end ? left != 0 : in.pos < in.size);
	return 0;
}

static int gzip_start(struct wh_compressor *c, struct wh_err **err)
{
	int r = deflateInit2(&c->gz, c->level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);

	if (r != Z_OK)
		return wh_err_set(err, "layers", WH_ERR_ENV, ENOMEM, "zlib: %s", zError(r));
	c->gz_ready = true;
	c->gz_head = (gz_header){.os = 255}; /* "unknown"; time 0, no name */
	deflateSetHeader(&c->gz, &c->gz_head);
	return 0;
}

static int gzip_run(struct wh_compressor *c, const void *p, size_t n, int flush, struct wh_err **err)
{
	int z;

	c->gz.next_in = (const Bytef *)p;
	c->gz.avail_in = (uInt)n;
	do {
		int r;

		c->gz.next_out = c->out;
		c->gz.avail_out = OUT_SIZE;
		z = deflate(&c->gz, flush);
		if (z == Z_STREAM_ERROR)
			return wh_err_set(err, "layers", WH_ERR_INTERNAL, EIO, "zlib: %s", zError(z));
		r = c->gz.avail_out < OUT_SIZE ? c->sink(c->arg, c->out, OUT_SIZE - c->gz.avail_out, err) : 0;
		if (r < 0)
			return r;
	} while (flush == Z_FINISH ? z != Z_STREAM_END : c->gz.avail_in > 0);
	return 0;
}

static int start(struct wh_compressor *c, struct wh_err **err)
{
	if (c->out || c->kind == WH_COMP_NONE)
		return 0;
	c->out = wh_malloc(OUT_SIZE);
	return c->kind == WH_COMP_ZSTD ? zstd_start(c, err) : gzip_start(c, err);
}

int wh_compressor_add(struct wh_compressor *c, const void *p, size_t n, struct wh_err **err)
{
	sigset_t all, old;
	int r = start(c, err);

	if (r < 0 || !n)
		return r;
	switch (c->kind) {
	case WH_COMP_NONE:
		return c->sink(c->arg, p, n, err);
	case WH_COMP_GZIP:
		while (n > 0 && r == 0) {
			size_t part = n < (1U << 30) ? n : 1U << 30; /* zlib counts in unsigned int */

			r = gzip_run(c, p, part, Z_NO_FLUSH, err);
			p = (const char *)p + part;
			n -= part;
		}
		return r;
	case WH_COMP_ZSTD:
		/* zstd's workers inherit the mask: signals are for the main thread's signalfd. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		r = zstd_run(c, p, n, ZSTD_e_continue, err);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return r;
	}
	return 0;
}

int wh_compressor_finish(struct wh_compressor *c, struct wh_err **err)
{
	int r = start(c, err);

	if (r < 0)
		return r;
	if (c->kind == WH_COMP_GZIP)
		return gzip_run(c, "", 0, Z_FINISH, err);
	return c->kind == WH_COMP_ZSTD ? zstd_run(c, "", 0, ZSTD_e_end, err) : 0;
}
