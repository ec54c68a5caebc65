/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --load: an image into docker, podman or containerd, through their own programs.
 *
 *   inner: docker archive in the store's tmp/ ──path──▶ outer: service "load": docker load < FILE
 *
 * The programs run on the outer side: they need the user's environment (DOCKER_HOST, contexts, podman's storage) and are none of the
 * sandbox's business. What they print comes back as notes of the row.
 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#define PROBE_SECONDS 15
#define OUTPUT_MAX ((size_t)64 << 10)

struct loader {
	const char *place;   /* as --load= names it */
	const char *program;
	const char *probe[5]; /* answers only where the service does */
	const char *load[8];  /* an archive on standard input */
};

static const struct loader loaders[] = {
	{"docker", "docker", {"docker", "version", NULL}, {"docker", "load", NULL}},
	{"podman", "podman", {"podman", "version", NULL}, {"podman", "load", NULL}},
	{"containerd", "nerdctl", {"nerdctl", "info", NULL}, {"nerdctl", "load", NULL}},
	{"containerd", "ctr", {"ctr", "version", NULL}, {"ctr", "images", "import", "-", NULL}},
};

/* ---------------------------------------------------------------- outer side */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is there to be read now. False: that was all there will be. */
static bool read_some(int fd, struct wh_buf *out)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (out->n + (size_t)n > OUTPUT_MAX)
		wh_buf_reset(out);
	wh_buf_add(out, buf, (size_t)n);
	return true;
}

/* Until the program ends, whatever it leaves behind that may hold its output. False: it took longer than that (seconds 0: it may). */
static bool watch(pid_t pid, int fd, int seconds, struct wh_buf *out)
{
	WH_AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	unsigned left = 2 * OUTPUT_MAX / 4096; /* reads of what it printed at last */

	for (;;) {
		int64_t rest = end - now_ms();
		int r;

		if (seconds && rest <= 0)
			return false;
		r = poll(p, 2, seconds ? (int)rest : -1);
		if (r < 0 && errno != EINTR)
			return true;
		if (r <= 0)
			continue;
		if (p[0].revents && !read_some(fd, out))
			p[0].fd = -1;
		else if (p[0].revents && (!p[1].revents || left--))
			continue;
		if (p[1].revents || (p[0].fd < 0 && pidfd < 0))
			return true;
	}
}

/* All that the program prints, the last OUTPUT_MAX bytes of it at most. seconds 0: as long as it takes. Its exit status or -errno. */
static int run_program(const char *const *argv, int stdin_fd, int seconds, struct wh_buf *out)
{
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	WH_AUTO_FD int rd = -1;
	WH_AUTO_FD int wr = -1;
	int fds[2], r;
	bool late;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	rd = fds[0];
	wr = fds[1];
	opts.stdin_fd = stdin_fd;
	opts.stdout_fd = opts.stderr_fd = wr;
	opts.die_with_parent = true;
	pid = wh_proc_spawn(argv, &opts);
	if (pid < 0)
		return pid;
	wh_closep(&wr);
	late = !watch(pid, rd, seconds, out);
	if (late)
		(void)kill(pid, SIGKILL);
	r = wh_proc_wait(pid);
	return late ? -ETIMEDOUT : r;
}

/* The last line that says something. */
static char *last_line(const struct wh_buf *b)
{
	size_t end = b->n, start;

	while (end && strchr("\r\n \t", b->p[end - 1]))
		end--;
	for (start = end; start && b->p[start - 1] != '\n' && b->p[start - 1] != '\r';)
		start--;
	return wh_strndup(b->p ? b->p + start : "", end - start);
}

static void add_safe(struct wh_buf *out, const char *s)
{
	wh_text_add_safe(out, s, strlen(s));
}

/* Is it there, and does it answer? why: words when not. */
static bool answers(const struct loader *l, struct wh_buf *why)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_FREE char *path = wh_proc_find(l->program);
	WH_AUTO_FREE char *line = NULL;
	int r;

	if (!path) {
		wh_buf_addf(why, "%s%s is not installed", why->n ? "; " : "", l->program);
		return false;
	}
	r = run_program(l->probe, -1, PROBE_SECONDS, &out);
	if (r == 0)
		return true;
	line = last_line(&out);
	wh_buf_addf(why, "%s%s does not answer", why->n ? "; " : "", l->program);
	if (line[0]) {
		wh_buf_adds(why, ": ");
		add_safe(why, line);
	}
	return false;
}

static const struct loader *choose(const char *place, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf why = WH_BUF_INIT;

	for (size_t i = 0; i < WH_ARRAY_SIZE(loaders); i++)
		if ((!place || wh_streq(place, loaders[i].place)) && answers(&loaders[i], &why))
			return &loaders[i];
	if (place)
		wh_err_set(err, "cli", WH_ERR_ENV, ENOENT, "the image cannot be loaded into %s: %s", place, why.n ? why.p : "it is not known");
	else
		wh_err_set(err, "cli", WH_ERR_ENV, ENOENT, "there is nothing to load the image into: %s", why.p);
	wh_err_hint(err, "--output type=docker,dest=FILE writes the archive that docker load and podman load take");
	return NULL;
}

int wh_load_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	const char *file = wh_json_str(request, "file"), *place = wh_json_str(request, "place");
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf safe = WH_BUF_INIT;
	WH_AUTO_FD int fd = -1;
	const struct loader *l;
	int r;

	(void)arg;
	fd = file ? wh_openat(AT_FDCWD, file, O_RDONLY | O_NOFOLLOW, 0) : -EINVAL;
	if (fd < 0)
		return wh_err_sys(err, "cli", WH_ERR_INTERNAL, -fd, "open the archive to be loaded");
	l = choose(place, err);
	if (!l)
		return -ENOENT;
	r = run_program(l->load, fd, 0, &out);
	if (r != 0) {
		WH_AUTO_FREE char *line = last_line(&out);

		if (r < 0)
			return wh_err_sys(err, "cli", WH_ERR_BUILD, -r, "run %s", l->program);
		add_safe(&safe, line);
		return wh_err_set(err, "cli", WH_ERR_BUILD, EIO, "%s does not take the image (exit code %d)%s%s", l->program, r,
				  safe.n ? ": " : "", safe.n ? safe.p : "");
	}
	for (size_t at = 0; at < out.n;) {
		size_t n = strcspn(out.p + at, "\r\n");

		if (n) {
			wh_text_add_safe(&safe, out.p + at, n);
			wh_buf_addc(&safe, '\n');
		}
		at += n + 1;
	}
	*ret_reply = json_pack("{s:s, s:s}", "program", l->program, "said", safe.n ? safe.p : "");
	return 0;
}

/* ---------------------------------------------------------------- inner side */

static int hand_over(struct wh_inner *inner, const char *file, const struct wh_output *o, struct wh_progress *p, unsigned id,
		     struct wh_err **err)
{
	WH_AUTO_JSON json_t *q = json_pack("{s:s}", "file", file);
	WH_AUTO_JSON json_t *reply = NULL;
	const char *program, *said;
	int r;

	if (o->dest)
		json_object_set_new(q, "place", json_string(o->dest));
	r = wh_inner_call(inner, WH_SERVICE_LOAD, q, &reply, err);
	if (r < 0)
		return r;
	program = wh_json_str(reply, "program");
	said = wh_json_str(reply, "said");
	for (const char *next = said ? said : ""; *next;) {
		size_t n = strcspn(next, "\n");

		wh_progress_note(p, id, "%s: %.*s", program ? program : "", (int)n, next);
		next += n + (next[n] != 0);
	}
	return 0;
}

int wh_load_image(struct wh_inner *inner, struct wh_store *s, const struct wh_image *i, const struct wh_build_spec *spec,
		  const struct wh_output *o, int64_t epoch, struct wh_progress *p, struct wh_err **err)
{
	const struct wh_strv *names = wh_output_names(spec, o);
	WH_AUTO_FREE char *random = wh_temp_name("load-");
	WH_AUTO_FREE char *file = wh_asprintf("%s/%s", wh_store_tmp_path(s), random);
	const struct wh_export x = {.dest = file, .out_fd = -1, .tar = true, .epoch = epoch};
	struct wh_export_item item = {.image = i, .names = (const char *const *)names->v};
	WH_AUTO_ERR struct wh_err *e = NULL;
	unsigned id = wh_progress_begin(p, "loading the image into %s", o->dest ? o->dest : "docker, podman or containerd");
	int r = 0;

	if (wh_image_is_index(i)) {
		r = wh_cli_image_part(i, NULL, &item.image, &e);
		if (r == 0)
			wh_progress_note(p, id, "of several platforms, this machine's image");
	}
	if (r == 0)
		r = wh_export_docker(s, &item, 1, &x, &e);
	if (r == 0)
		r = hand_over(inner, file, o, p, id, &e);
	(void)unlink(file);
	wh_progress_end(p, id, e);
	wh_err_move(err, &e);
	return r;
}
