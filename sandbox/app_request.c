/* SPDX-License-Identifier: Apache-2.0 */
/* The listener's side of the helper's protocol. */
#include "sandbox/app_protocol.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define HEAD 4
#define FDS_MAX 253 /* of one message, says the kernel: what it had no room for, it would close here and now */

struct wh_app_inbox {
	struct wh_buf bytes;
	struct wh_strv words, env; /* env owns the strings of the request's */
	char *none[1]; /* an empty list */
	size_t n_fds;
	int excess[FDS_MAX]; /* more than there should be */
	size_t n_excess;
};

static const struct verb {
	const char *name;
	enum wh_app_verb verb;
	bool options;
	size_t min, max; /* words, without options */
} verbs[] = {
	{"exec", WH_APP_EXEC, true, 1, WH_APP_MAX_WORDS}, {"run", WH_APP_RUN, true, 0, WH_APP_MAX_WORDS},
	{"start", WH_APP_START, false, 0, 0},             {"stop", WH_APP_STOP, false, 0, 0},
	{"restart", WH_APP_RESTART, false, 0, 0},         {"kill", WH_APP_KILL, false, 0, 1},
	{"logs", WH_APP_LOGS, false, 0, 0},               {"test", WH_APP_TEST, false, 0, 1},
};

/* ---------------------------------------------------------------- bytes */

/* False when there are more than there should be; none is lost open. */
static bool keep_fds(struct msghdr *msg, struct wh_app_request *r)
{
	bool fit = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (r->inbox->n_fds < WH_APP_FDS) {
				r->fds[r->inbox->n_fds++] = fd;
			} else if (r->inbox->n_excess < FDS_MAX) {
				r->inbox->excess[r->inbox->n_excess++] = fd;
				fit = false;
			}
		}
	}
	return fit;
}

/* One part of the request; the count of its bytes, -EAGAIN, or another -errno. */
static ssize_t receive(int fd, struct wh_app_request *r, char *part, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = {part, size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (!keep_fds(&msg, r))
		return -EBADMSG;
	return n ? n : -EPIPE;
}

static int receive_all(int fd, struct wh_app_request *r)
{
	struct wh_buf *b = &r->inbox->bytes;
	char part[16384];

	for (;;) {
		struct wh_wire w = {b->p, b->n, false};
		size_t whole = b->n < HEAD ? HEAD : HEAD + (size_t)wh_wire_u32(&w);
		ssize_t n;

		if (whole > WH_APP_MAX_REQUEST || b->n > whole)
			return -EBADMSG;
		if (b->n >= HEAD && b->n == whole)
			return r->inbox->n_fds == WH_APP_FDS ? 0 : -EBADMSG;
		n = receive(fd, r, part, sizeof(part));
		if (n < 0)
			return (int)n;
		wh_buf_add(b, part, (size_t)n);
	}
}

/* A string with a NUL inside would be another one to whoever uses it. */
static int split(struct wh_app_inbox *in)
{
	struct wh_wire w = {in->bytes.p + HEAD, in->bytes.n - HEAD, false};

	while (w.n) {
		struct wh_str s = wh_wire_bytes(&w);

		if (w.bad || !s.p || memchr(s.p, '\0', s.n) || in->words.n == WH_APP_MAX_WORDS)
			return -EBADMSG;
		wh_strv_take(&in->words, wh_strndup(s.p, s.n));
	}
	return in->words.n ? 0 : -EBADMSG;
}

/* ---------------------------------------------------------------- words */

static const struct option {
	char letter;
	const char *name;
} options[] = {{'u', "user"}, {'w', "workdir"}, {'e', "env"}};

/* Is this word one of the options? -u X, -uX, --user X, --user=X. *ret_value NULL: it is the next word. */
static const struct option *find_option(const char *word, const char **ret_value)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(options); i++) {
		size_t n = strlen(options[i].name);

		*ret_value = NULL;
		if (word[1] == options[i].letter) {
			*ret_value = word[2] ? word + 2 : NULL;
			return &options[i];
		}
		if (word[1] != '-' || strncmp(word + 2, options[i].name, n) != 0)
			continue;
		*ret_value = word[2 + n] == '=' ? word + 3 + n : NULL;
		if (word[2 + n] == '=' || word[2 + n] == '\0')
			return &options[i];
	}
	return NULL;
}

static int set_option(struct wh_app_request *r, char letter, const char *value, struct wh_err **err)
{
	const char *equals = strchr(value, '=');

	if (letter == 'e') {
		if (!equals || equals == value)
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: -e %s is not NAME=VALUE", value);
		wh_strv_add(&r->inbox->env, value);
		return 0;
	}
	free(letter == 'u' ? r->user : r->cwd);
	*(letter == 'u' ? &r->user : &r->cwd) = wh_strdup(value);
	return 0;
}

/* *at: the first word that is no option any more. */
static int read_options(struct wh_app_request *r, const char *verb, size_t *at, struct wh_err **err)
{
	const struct wh_strv *words = &r->inbox->words;

	for (; *at < words->n && words->v[*at][0] == '-' && words->v[*at][1]; ++*at) {
		const char *word = words->v[*at], *value;
		const struct option *o;
		int e;

		if (wh_streq(word, "--")) {
			++*at;
			return 0;
		}
		o = find_option(word, &value);
		/* What is no option of ours is the application's argument. */
		if (!o && wh_streq(verb, "run"))
			return 0;
		if (!o)
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: %s has no option %s", verb, word);
		if (!value)
			value = ++*at < words->n ? words->v[*at] : NULL;
		if (!value)
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: %s wants a value", word);
		e = set_option(r, o->letter, value, err);
		if (e < 0)
			return e;
	}
	return 0;
}

static int read_words(struct wh_app_request *r, struct wh_err **err)
{
	struct wh_strv *words = &r->inbox->words;
	const char *name = words->v[0];
	const struct verb *v = NULL;
	size_t at = 1;
	int e = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(verbs); i++)
		if (wh_streq(verbs[i].name, name))
			v = &verbs[i];
	if (!v)
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: \"%s\" is no command; `app help` lists them",
				  name);
	if (v->options)
		e = read_options(r, name, &at, err);
	if (e < 0)
		return e;
	if (words->n - at < v->min)
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: %s wants a command", name);
	if (words->n - at > v->max)
		return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: %s: what is \"%s\"?", name,
				  words->v[at + v->max]);
	r->verb = v->verb;
	r->env = r->inbox->env.n ? r->inbox->env.v : r->inbox->none;
	r->args = words->v + at;
	return 0;
}

/* A socket of a network would be the command's way out, and is no one's standard input. */
static int check_fds(const struct wh_app_request *r, struct wh_err **err)
{
	static const char *const names[WH_APP_FDS] = {"standard input", "standard output", "standard error"};

	for (size_t i = 0; i < WH_APP_FDS; i++) {
		int domain = AF_UNIX;
		socklen_t n = sizeof(domain);
		struct stat st;

		if (fstat(r->fds[i], &st) < 0 || !(st.st_mode & S_IFMT))
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "app: %s is no file", names[i]);
		if (S_ISSOCK(st.st_mode) && getsockopt(r->fds[i], SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0)
			domain = AF_UNSPEC;
		if (domain != AF_UNIX)
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL,
					  "app: %s is a network's socket, which cannot be handed over", names[i]);
	}
	return 0;
}

int wh_app_request_read(int fd, struct wh_app_request *ret, struct wh_err **err)
{
	int r;

	if (!ret->inbox)
		ret->inbox = wh_calloc(1, sizeof(*ret->inbox));
	r = receive_all(fd, ret);
	if (r == 0)
		r = split(ret->inbox);
	if (r == 0) {
		r = check_fds(ret, err);
		return r < 0 ? r : read_words(ret, err);
	}
	return r == -EAGAIN ? r : wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "hear what the driver asks of the application");
}

void wh_app_request_release(struct wh_app_request *r)
{
	wh_app_close(r->closer, r->fds, WH_APP_FDS);
	if (r->inbox) {
		wh_app_close(r->closer, r->inbox->excess, r->inbox->n_excess);
		wh_buf_release(&r->inbox->bytes);
		wh_strv_release(&r->inbox->words);
		wh_strv_release(&r->inbox->env);
	}
	free(r->inbox);
	free(r->user);
	free(r->cwd);
	*r = WH_APP_REQUEST_INIT;
}

/* ---------------------------------------------------------------- the answer */

static int text_file(const char *text, size_t n)
{
	WH_AUTO_FD int fd = memfd_create("whittle-app", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : wh_write_all(fd, text, n);

	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r < 0 ? r : WH_TAKE_FD(fd);
}

int wh_app_reply(int fd, int status, const char *text, size_t n)
{
	WH_AUTO_BUF struct wh_buf head = WH_BUF_INIT;
	WH_AUTO_FD int file = -1;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > UINT32_MAX)
		n = UINT32_MAX;
	wh_buf_u32(&head, (uint32_t)status);
	wh_buf_u32(&head, (uint32_t)n);
	iov = (struct iovec){head.p, head.n};
	if (n) {
		struct cmsghdr *c;

		file = text_file(text, n);
		if (file < 0)
			return file;
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &file, sizeof(int));
	}
	/* Nothing was sent before: its buffer has room for a few bytes. */
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
