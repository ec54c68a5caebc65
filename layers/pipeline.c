/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/pipeline.h"
#include "layers/compress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define CHUNK (256U << 10)
#define N_CHUNKS 12U

struct chunk {
	struct chunk *next;
	size_t n;
	unsigned char data[CHUNK];
};

struct queue { /* guarded by the pipeline's mutex */
	struct chunk *first, **end;
	pthread_cond_t cond;
	bool closed; /* nothing more comes */
};

struct wh_pipeline {
	struct wh_blob_writer *blob;
	struct wh_compressor *comp;
	struct wh_sha256 *sha;
	struct chunk *cur; /* the caller's */
	unsigned n_chunks;
	uint64_t offset;

	pthread_t threads[2];
	unsigned n_threads;
	pthread_mutex_t mutex;
	struct queue free, to_hash, to_compress;
	bool failed; /* no more work is done; chunks only go round */
	int result;
	struct wh_err *err;
};

static int to_blob(void *arg, const void *p, size_t n, struct wh_err **err)
{
	return wh_blob_writer_add(((struct wh_pipeline *)arg)->blob, p, n, err);
}

int wh_pipeline_new(struct wh_store *s, const struct wh_layer_opts *o, struct wh_pipeline **ret, struct wh_err **err)
{
	struct wh_blob_writer *blob = NULL;
	struct wh_pipeline *p;
	int r = wh_blob_writer_new(s, &blob, err);

	if (r < 0)
		return r;
	p = wh_calloc(1, sizeof(*p));
	p->blob = blob;
	p->comp = wh_compressor_new(o->comp, o->level, o->threads, to_blob, p);
	p->sha = wh_sha256_new();
	pthread_mutex_init(&p->mutex, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct queue *q = (struct queue *[]){&p->free, &p->to_hash, &p->to_compress}[i];

		q->end = &q->first;
		pthread_cond_init(&q->cond, NULL);
	}
	*ret = p;
	return 0;
}

static void push(struct wh_pipeline *p, struct queue *q, struct chunk *c)
{
	pthread_mutex_lock(&p->mutex);
	c->next = NULL;
	*q->end = c;
	q->end = &c->next;
	pthread_cond_signal(&q->cond);
	pthread_mutex_unlock(&p->mutex);
}

/* NULL when the queue is empty and closed. */
static struct chunk *pop(struct wh_pipeline *p, struct queue *q)
{
	struct chunk *c;

	pthread_mutex_lock(&p->mutex);
	while (!q->first && !q->closed)
		pthread_cond_wait(&q->cond, &p->mutex);
	c = q->first;
	if (c) {
		q->first = c->next;
		if (!q->first)
			q->end = &q->first;
	}
	pthread_mutex_unlock(&p->mutex);
	return c;
}

static void close_queue(struct wh_pipeline *p, struct queue *q)
{
	pthread_mutex_lock(&p->mutex);
	q->closed = true;
	pthread_cond_signal(&q->cond);
	pthread_mutex_unlock(&p->mutex);
}

static bool has_failed(struct wh_pipeline *p)
{
	bool failed;

	pthread_mutex_lock(&p->mutex);
	failed = p->failed;
	pthread_mutex_unlock(&p->mutex);
	return failed;
}

static void fail(struct wh_pipeline *p, int r, struct wh_err **err)
{
	pthread_mutex_lock(&p->mutex);
	p->failed = true;
	p->result = r;
	wh_err_move(&p->err, err);
	pthread_mutex_unlock(&p->mutex);
}

static void *hash_thread(void *arg)
{
	struct wh_pipeline *p = arg;
	struct chunk *c;

	while ((c = pop(p, &p->to_hash))) {
		wh_sha256_add(p->sha, c->data, c->n);
		push(p, &p->to_compress, c);
	}
	close_queue(p, &p->to_compress);
	return NULL;
}

static void *compress_thread(void *arg)
{
	struct wh_pipeline *p = arg;
	bool failed = false;
	struct chunk *c;

	while ((c = pop(p, &p->to_compress))) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = failed ? 0 : wh_compressor_add(p->comp, c->data, c->n, &err);

		if (r < 0) {
			failed = true;
			fail(p, r, &err);
		}
		push(p, &p->free, c);
	}
	return NULL;
}

static int start_threads(struct wh_pipeline *p, struct wh_err **err)
{
	void *(*fns[])(void *) = {hash_thread, compress_thread};
	sigset_t all, old;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r == 0 && p->n_threads < WH_ARRAY_SIZE(fns)) {
		r = pthread_create(&p->threads[p->n_threads], NULL, fns[p->n_threads], p);
		if (r == 0)
			p->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r ? wh_err_sys(err, "layers", WH_ERR_ENV, r, "start a thread") : 0;
}

static int take_error(struct wh_pipeline *p, struct wh_err **err)
{
	pthread_mutex_lock(&p->mutex);
	wh_err_move(err, &p->err);
	pthread_mutex_unlock(&p->mutex);
	return p->result;
}

int wh_pipeline_space(struct wh_pipeline *p, void **ret, size_t *ret_n, struct wh_err **err)
{
	if (p->cur && p->cur->n == CHUNK) {
		int r = p->n_threads < WH_ARRAY_SIZE(p->threads) ? start_threads(p, err) : 0;

		if (r < 0)
			return r;
		push(p, &p->to_hash, WH_TAKE_PTR(p->cur));
	}
	if (!p->cur) {
		if (p->n_chunks < N_CHUNKS) {
			p->n_chunks++;
			p->cur = wh_malloc(sizeof(*p->cur));
		} else {
			p->cur = pop(p, &p->free);
			if (has_failed(p))
				return take_error(p, err);
		}
		p->cur->n = 0;
	}
	*ret = p->cur->data + p->cur->n;
	*ret_n = CHUNK - p->cur->n;
	return 0;
}

void wh_pipeline_filled(struct wh_pipeline *p, size_t n)
{
	p->cur->n += n;
	p->offset += n;
}

int wh_pipeline_add(struct wh_pipeline *p, const void *data, size_t n, struct wh_err **err)
{
	while (n > 0) {
		void *to;
		size_t room;
		int r = wh_pipeline_space(p, &to, &room, err);

		if (r < 0)
			return r;
		if (room > n)
			room = n;
		memcpy(to, data, room);
		wh_pipeline_filled(p, room);
		data = (const char *)data + room;
		n -= room;
	}
	return 0;
}

uint64_t wh_pipeline_offset(const struct wh_pipeline *p)
{
	return p->offset;
}

static void join(struct wh_pipeline *p)
{
	close_queue(p, &p->to_hash);
	if (p->n_threads == 1) /* the second never came to be */
		close_queue(p, &p->to_compress);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	p->n_threads = 0;
}

static void free_queue(struct queue *q)
{
	while (q->first) {
		struct chunk *c = q->first;

		q->first = c->next;
		free(c);
	}
	pthread_cond_destroy(&q->cond);
}

void wh_pipeline_abort(struct wh_pipeline *p)
{
	if (!p)
		return;
	fail(p, -ECANCELED, &(struct wh_err *){NULL});
	join(p);
	free_queue(&p->free);
	free_queue(&p->to_hash);
	free_queue(&p->to_compress);
	free(p->cur);
	pthread_mutex_destroy(&p->mutex);
	wh_compressor_free(p->comp);
	wh_sha256_free(p->sha);
	wh_blob_writer_abort(p->blob);
	wh_err_freep(&p->err);
	free(p);
}

int wh_pipeline_finish(struct wh_pipeline *p, struct wh_digest *ret_tar, struct wh_digest *ret_blob, uint64_t *ret_size,
		       struct wh_err **err)
{
	int r;

	join(p);
	r = p->failed ? take_error(p, err) : 0;
	/* The last, partly filled chunk (the only one of a small layer) is done here. */
	if (r == 0 && p->cur) {
		wh_sha256_add(p->sha, p->cur->data, p->cur->n);
		r = wh_compressor_add(p->comp, p->cur->data, p->cur->n, err);
	}
	if (r == 0)
		r = wh_compressor_finish(p->comp, err);
	if (r == 0) {
		wh_sha256_end(p->sha, ret_tar);
		r = wh_blob_writer_finish(WH_TAKE_PTR(p->blob), NULL, ret_blob, ret_size, err);
	}
	wh_pipeline_abort(p);
	return r;
}
