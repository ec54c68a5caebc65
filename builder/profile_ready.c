/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the application serve? All probes have to hold; each is asked until it did once.
 *
 * Connections are made on a worker's thread inside the run's network namespace, to 127.0.0.1 and ::1. What an
 * application answers is
 * read no further than its status line says.
 */
#include "builder/profile_private.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <regex.h>
#include <sys/socket.h>

#define POLL_MS 50
#define LIMIT_NS (60 * UINT64_C(1000000000))
#define CONNECT_MS 1000
#define HTTP_MS 5000
#define QUIET_NS (5 * UINT64_C(1000000000)) /* so long nothing is said */
#define LISTENERS_MAX 16

struct wh_probe {
	const struct wh_ready *r;
	struct wh_trial *t;
	regex_t regex;
	bool has_regex;
	bool done;
	char seen[256]; /* what the last look gave, for the message */
};

/* ---------------------------------------------------------------- looking, on a thread in the namespace */

static int connect_to(const struct sockaddr *a, socklen_t len)
{
	WH_AUTO_FD int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t n = sizeof(int);
	int e = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, a, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0)
		return -errno;
	return -e;
}

static bool tcp_answers(uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect_to((struct sockaddr *)&v4, sizeof(v4)) == 0 ||
	       connect_to((struct sockaddr *)&v6, sizeof(v6)) == 0;
}

/* Ports that something listens on, as the kernel tells them of this thread's namespace. */
static void listeners(const char *path, uint16_t *ports, size_t *n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	char *line, *save = NULL;
	unsigned port, state;
	size_t i;

	if (wh_read_file(AT_FDCWD, path, (size_t)1024 * 1024, &text) < 0 || !text.n)
		return;
	for (line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, " %*u: %*32[0-9A-Fa-f]:%4x %*32[0-9A-Fa-f]:%*4x %2x", &port, &state) != 2 ||
		    state != 0x0a)
			continue;
		for (i = 0; i < *n && ports[i] != port; i++)
			;
		if (i == *n && *n < LISTENERS_MAX)
			ports[(*n)++] = (uint16_t)port;
	}
}

static void tell_listeners(struct wh_probe *p)
{
	uint16_t ports[LISTENERS_MAX];
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t n = 0, i;

	listeners("/proc/thread-self/net/tcp", ports, &n);
	listeners("/proc/thread-self/net/tcp6", ports, &n);
	wh_buf_addf(&text, "nothing listens on port %u", p->r->port);
	for (i = 0; i < n; i++)
		wh_buf_addf(&text, "%s %u",
			    i        ? ","
			    : n == 1 ? "; there is a listener on port"
				     : "; there are listeners on ports",
			    ports[i]);
	snprintf(p->seen, sizeof(p->seen), "%s", text.p);
}

static void look_tcp(struct wh_probe *p)
{
	p->done = tcp_answers(p->r->port);
	if (p->done)
		return;
	/* The host's listeners are none of our business. */
	if (p->t->probes_last && p->t->net_fd >= 0)
		tell_listeners(p);
	else
		snprintf(p->seen, sizeof(p->seen), "nothing listens on port %u", p->r->port);
}

static size_t ignore(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct wh_trial *t = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return t->cancel;
}

static void look_http(struct wh_probe *p)
{
	CURL *c = curl_easy_init();
	CURLcode rc;
	long status = 0;

	if (!c)
		return;
	curl_easy_setopt(c, CURLOPT_URL, p->r->text);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)HTTP_MS);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER,
			 0L); /* it is on our own loopback, with whatever certificate tests have */
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "whittle");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, p->t);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	rc = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 400)
		p->done = true;
	else if (status)
		snprintf(p->seen, sizeof(p->seen), "it answers with status %ld", status);
	else
		snprintf(p->seen, sizeof(p->seen), "no answer: %s", curl_easy_strerror(rc));
	curl_easy_cleanup(c);
}

static bool is_net(const struct wh_probe *p)
{
	return p->r->kind == WH_READY_TCP || p->r->kind == WH_READY_HTTP;
}

static int look_all(void *arg)
{
	struct wh_trial *t = arg;
	size_t i;

	for (i = 0; i < t->op->n_ready && !t->cancel; i++) {
		struct wh_probe *p = &t->probes[i];

		if (!is_net(p) || p->done) /* the others' are the loop's */
			continue;
		if (p->r->kind == WH_READY_TCP)
			look_tcp(p);
		else
			look_http(p);
	}
	return 0;
}

/* ---------------------------------------------------------------- asking */

static void ask(void *arg);

static const char *describe(const struct wh_probe *p, struct wh_buf *out)
{
	switch (p->r->kind) {
	case WH_READY_TCP:
		wh_buf_addf(out, "tcp:%u", p->r->port);
		break;
	case WH_READY_HTTP:
		wh_buf_adds(out, p->r->text);
		break;
	case WH_READY_LOG:
		wh_buf_addf(out, "log:%s", p->r->text);
		break;
	case WH_READY_FILE:
		wh_buf_addf(out, "file:%s", p->r->text);
		break;
	case WH_READY_DELAY:
		wh_buf_addf(out, "delay");
		break;
	}
	return out->p;
}

static void describe_open(const struct wh_trial *t, struct wh_buf *out)
{
	size_t i;

	for (i = 0; i < t->op->n_ready; i++) {
		if (t->probes[i].done)
			continue;
		wh_buf_adds(out, out->n ? "; " : "");
		describe(&t->probes[i], out);
		wh_buf_addf(out, ": %s", t->probes[i].seen);
	}
}

/* In the log alone, once it takes long, and again when something changed. */
static void say_waits(struct wh_trial *t)
{
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;

	if (wh_now_ns() - (t->waits ? t->waits_said : t->app.since) < QUIET_NS)
		return;
	describe_open(t, &what);
	if (!what.n || wh_streq(t->waits, what.p))
		return;
	wh_trial_say(t, "waiting for %s", what.p);
	free(t->waits);
	t->waits = wh_buf_take(&what);
	t->waits_said = wh_now_ns();
}

static void give_up(struct wh_trial *t)
{
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;

	describe_open(t, &what);
	wh_trial_failf(t, WH_STATUS_NOT_READY, NULL, "the application did not get ready within %.0f s: %s",
		       (double)(wh_now_ns() - t->app.since) / 1e9, what.p ? what.p : "");
}

/* All answers of one round are there. */
static void answered(struct wh_trial *t)
{
	size_t i;

	if (wh_trial_over(t) || t->app.state != WH_APP_STARTING)
		return;
	for (i = 0; i < t->op->n_ready && t->probes[i].done; i++)
		;
	if (i == t->op->n_ready) {
		wh_app_ready(t);
		return;
	}
	if (t->probes_last) {
		give_up(t);
		return;
	}
	say_waits(t);
	/* Once more after the deadline, looking closer. */
	t->probes_last = wh_now_ns() + POLL_MS * UINT64_C(1000000) >= t->ready_deadline;
	t->probe_timer = wh_loop_add_timer(t->b->loop, POLL_MS, ask, t);
}

static void answer(struct wh_trial *t)
{
	if (--t->probes_pending == 0)
		answered(t);
}

static void net_work(void *arg)
{
	struct wh_trial *t = arg;
	WH_AUTO_ERR struct wh_err *err = NULL;
	size_t i;

	if (t->net_fd < 0)
		look_all(t);
	else if (wh_netns_run(t->net_fd, look_all, t, &err) < 0)
		for (i = 0; i < t->op->n_ready; i++)
			if (is_net(&t->probes[i]))
				snprintf(t->probes[i].seen, sizeof(t->probes[i].seen), "%s",
					 err ? err->msg : "no look");
}

static void net_done(void *arg)
{
	struct wh_trial *t = arg;

	answer(t);
	wh_trial_idle(t);
}

static void on_exists(void *arg, int yes)
{
	struct wh_probe *p = arg;
	struct wh_trial *t = p->t;

	if (yes > 0)
		p->done = true;
	else
		snprintf(p->seen, sizeof(p->seen), "%s",
			 yes == 0        ? "it is not there"
			 : yes == -ESRCH ? "the application is gone"
					 : strerror(-yes));
	answer(t);
	wh_trial_idle(t);
}

static void ask(void *arg)
{
	struct wh_trial *t = arg;
	bool net = false;
	size_t i;

	t->probe_timer = 0;
	if (wh_trial_over(t) || t->app.state != WH_APP_STARTING || t->probes_pending)
		return;
	/* One more than are asked, so that the last answer comes last. */
	t->probes_pending = 1;
	for (i = 0; i < t->op->n_ready; i++) {
		struct wh_probe *p = &t->probes[i];

		if (p->done)
			continue;
		if (p->r->kind == WH_READY_DELAY) {
			p->done = wh_now_ns() - t->app.since >= p->r->ns;
			snprintf(p->seen, sizeof(p->seen), "the time is not over");
		} else if (p->r->kind == WH_READY_FILE) {
			t->probes_pending++;
			t->busy++;
			wh_launcher_exists(t->b->launcher, t->app.step->id, p->r->text, on_exists, p);
		}
		net = net || is_net(p);
	}
	if (net) {
		t->probes_pending++;
		wh_trial_job(t, net_work, net_done, t);
	}
	answer(t);
}

/* ---------------------------------------------------------------- life */

int wh_ready_new(struct wh_trial *t, struct wh_err **err)
{
	char why[256];
	size_t i;
	int e;

	t->probes = wh_calloc(t->op->n_ready, sizeof(*t->probes));
	for (i = 0; i < t->op->n_ready; i++) {
		struct wh_probe *p = &t->probes[i];

		p->r = &t->op->ready[i];
		p->t = t;
		if (p->r->kind != WH_READY_LOG)
			continue;
		e = regcomp(&p->regex, p->r->text, REG_EXTENDED | REG_NOSUB);
		if (e) {
			regerror(e, &p->regex, why, sizeof(why));
			return wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL, "--ready=log:%s: %s", p->r->text, why);
		}
		p->has_regex = true;
	}
	return 0;
}

void wh_ready_free(struct wh_trial *t)
{
	size_t i;

	for (i = 0; t->probes && i < t->op->n_ready; i++)
		if (t->probes[i].has_regex)
			regfree(&t->probes[i].regex);
	free(WH_TAKE_PTR(t->probes));
	free(WH_TAKE_PTR(t->waits));
}

void wh_ready_begin(struct wh_trial *t)
{
	uint64_t now = wh_now_ns(), limit = wh_trial_limit(t);
	size_t i;

	for (i = 0; i < t->op->n_ready; i++) {
		t->probes[i].done = false;
		snprintf(t->probes[i].seen, sizeof(t->probes[i].seen), "%s",
			 t->op->ready[i].kind == WH_READY_LOG ? "no line of its output matches" : "not asked yet");
	}
	t->ready_deadline = now + LIMIT_NS;
	/* A little before the run's own end: who gives up here can say why. */
	if (limit && t->from + limit - limit / 8 < t->ready_deadline)
		t->ready_deadline = t->from + limit - limit / 8;
	t->probes_last = false;
	free(WH_TAKE_PTR(t->waits));
	ask(t);
}

void wh_ready_cancel(struct wh_trial *t)
{
	wh_loop_del_timer(t->b->loop, t->probe_timer);
	t->probe_timer = 0;
}

void wh_ready_line(struct wh_trial *t, const char *line)
{
	size_t i;

	for (i = 0; t->probes && i < t->op->n_ready; i++) {
		struct wh_probe *p = &t->probes[i];

		if (p->has_regex && !p->done && regexec(&p->regex, line, 0, NULL, 0) == 0)
			p->done = true;
	}
}
