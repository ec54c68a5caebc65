/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/source_service.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- outer side */

int wh_cli_source_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	const struct wh_build_spec *spec = arg;
	const char *root = wh_json_str(request, "root");
	WH_AUTO_FREE struct wh_remote_secret *secrets = wh_calloc(spec->n_secrets + 1, sizeof(*secrets));
	struct wh_remote_opts o = {.secrets = secrets, .n_secrets = spec->n_secrets};
	struct wh_store *s = NULL;
	int r;

	if (!root)
		return wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request for a source that names no store");
	for (size_t i = 0; i < spec->n_secrets; i++)
		secrets[i] =
			(struct wh_remote_secret){spec->secrets[i].id, spec->secrets[i].data, spec->secrets[i].len};
	for (size_t i = 0; i < spec->n_ssh; i++)
		if (wh_streq(spec->ssh[i].id, "default"))
			o.ssh_socket = spec->ssh[i].socket;
	umask(022); /* git gives its files what this leaves; this process is a fork for this call alone */
	r = wh_store_open(root, &s, err);
	if (r == 0)
		r = wh_remote_fetch(s, &o, json_object_get(request, "source"), ret_reply, err);
	if (s)
		wh_store_close(s);
	return r;
}

/* ---------------------------------------------------------------- inner side */

void wh_cli_source_init(struct wh_cli_source *s, struct wh_inner *inner, const char *root)
{
	*s = (struct wh_cli_source){.inner = inner, .root = root};
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
}

void wh_cli_source_release(struct wh_cli_source *s)
{
	for (size_t i = 0; i < s->n_memo; i++) {
		free(s->memo[i].key);
		json_decref(s->memo[i].known);
	}
	free(s->memo);
	if (s->inner) {
		pthread_mutex_destroy(&s->mutex);
		pthread_cond_destroy(&s->changed);
	}
	*s = (struct wh_cli_source){0};
}

static char *memo_key(const json_t *q)
{
	const char *url = wh_json_str(q, "url"), *remote = wh_json_str(q, "remote"), *ref = wh_json_str(q, "ref");
	/* Where the commit is given, nobody has seen the reference lead to it. */
	bool by_commit = json_is_true(json_object_get(q, "by_commit"));

	return url ? wh_asprintf("http %s", url)
		   : wh_asprintf("git %s %s%s", remote ? remote : "", ref ? ref : "", by_commit ? " by commit" : "");
}

/* The memo of this key, taken: nobody else asks for it meanwhile. A position, as the list may move. */
static size_t memo_take(struct wh_cli_source *s, const char *key)
{
	size_t i;

	pthread_mutex_lock(&s->mutex);
	for (;;) {
		for (i = 0; i < s->n_memo; i++)
			if (strcmp(s->memo[i].key, key) == 0)
				break;
		if (i == s->n_memo || !s->memo[i].busy)
			break;
		pthread_cond_wait(&s->changed, &s->mutex);
	}
	if (i == s->n_memo)
		WH_PUSH(s->memo, s->n_memo, s->cap_memo) = (struct wh_cli_source_memo){.key = wh_strdup(key)};
	s->memo[i].busy = true;
	pthread_mutex_unlock(&s->mutex);
	return i;
}

static json_t *memo_known(struct wh_cli_source *s, size_t i)
{
	json_t *known;

	pthread_mutex_lock(&s->mutex);
	known = json_deep_copy(s->memo[i].known); /* NULL: nothing yet */
	pthread_mutex_unlock(&s->mutex);
	return known;
}

static void memo_give(struct wh_cli_source *s, size_t i, const json_t *reply)
{
	pthread_mutex_lock(&s->mutex);
	if (reply && !s->memo[i].known)
		s->memo[i].known = json_deep_copy(json_object_get(reply, "known"));
	s->memo[i].busy = false;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

/* A signal from the terminal ends the service's process at once; here it may be pending until somebody takes it. */
static bool ended_by_signal(int r)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; r == -EPIPE && i < WH_ARRAY_SIZE(ending); i++)
		if (sigismember(&pending, ending[i]))
			return true;
	return false;
}

int wh_cli_source_fetch(void *arg, const json_t *request, const _Atomic bool *cancel, json_t **ret_reply,
			struct wh_err **err)
{
	struct wh_cli_source *s = arg;
	WH_AUTO_FREE char *key = memo_key(request);
	WH_AUTO_JSON json_t *source = json_deep_copy(request), *q = NULL, *reply = NULL;
	WH_AUTO_ERR struct wh_err *why = NULL;
	size_t memo = memo_take(s, key);
	json_t *known = memo_known(s, memo);
	int r;

	if (known)
		json_object_set_new(source, "known", known);
	q = json_pack("{s:s, s:O}", "root", s->root, "source", source);
	r = wh_inner_call_while(s->inner, WH_SERVICE_SOURCE, q, cancel, &reply, &why);
	memo_give(s, memo, r == 0 ? reply : NULL);
	if (ended_by_signal(r))
		return wh_err_set(err, "cli", WH_ERR_BUILD, ECANCELED, "interrupted");
	if (r < 0)
		wh_err_move(err, &why);
	else
		*ret_reply = WH_TAKE_PTR(reply);
	return r;
}
