/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs steps in the sandbox from the command line, for the program tests.
 *
 *   sandbox-driver [option]… -- COMMAND [ARG]…
 *   sandbox-driver --script FILE         several, as the script says (sandbox-play.c)
 *
 * Its standard output is the step's; a last line on standard error says
 * "result: status=N signal=N ms=N.NNN err=…". The exit status is the step's.
 */
#include "tests/prog/sandbox-driver.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
	OPT_LOWER = 256,
	OPT_UPPER,
	OPT_WORK,
	OPT_STUBS,
	OPT_DIR,
	OPT_NET,
	OPT_INSECURE,
	OPT_USER,
	OPT_CWD,
	OPT_HOSTNAME,
	OPT_ENV,
	OPT_BIND,
	OPT_BIND_RO,
	OPT_TMPFS,
	OPT_DATA,
	OPT_HOST,
	OPT_KILL_AFTER,
	OPT_REPEAT,
	OPT_PARALLEL,
	OPT_PIDS,
	OPT_PROBE,
	OPT_RESOLV,
	OPT_SUBPATH,
	OPT_OVERLAY,
	OPT_SHM,
	OPT_FRESH,
	OPT_SCRIPT,
	OPT_JOIN,
	OPT_OBSERVE,
	OPT_INPUT,
	OPT_OUTPUT,
	OPT_CONSOLE,
	OPT_ALLOW,
	OPT_ALLOW_32,
	OPT_ABSENT,
	OPT_CAPS,
	OPT_NO_NEW_PRIVS,
	OPT_READ_ONLY,
	OPT_LANDLOCK,
	OPT_LANDLOCK_PORT,
};

static const struct option options[] = {
	{"lower", 1, 0, OPT_LOWER},
	{"upper", 1, 0, OPT_UPPER},
	{"work", 1, 0, OPT_WORK},
	{"stubs", 1, 0, OPT_STUBS},
	{"dir", 1, 0, OPT_DIR},
	{"net", 1, 0, OPT_NET},
	{"insecure", 0, 0, OPT_INSECURE},
	{"user", 1, 0, OPT_USER},
	{"cwd", 1, 0, OPT_CWD},
	{"hostname", 1, 0, OPT_HOSTNAME},
	{"env", 1, 0, OPT_ENV},
	{"bind", 1, 0, OPT_BIND},
	{"bind-ro", 1, 0, OPT_BIND_RO},
	{"tmpfs", 1, 0, OPT_TMPFS},
	{"data", 1, 0, OPT_DATA},
	{"add-host", 1, 0, OPT_HOST},
	{"kill-after", 1, 0, OPT_KILL_AFTER},
	{"repeat", 1, 0, OPT_REPEAT},
	{"parallel", 1, 0, OPT_PARALLEL},
	{"pids", 0, 0, OPT_PIDS},
	{"probe", 1, 0, OPT_PROBE},
	{"resolv", 1, 0, OPT_RESOLV},
	{"subpath", 1, 0, OPT_SUBPATH},
	{"bind-overlay", 1, 0, OPT_OVERLAY},
	{"fresh", 1, 0, OPT_FRESH},
	{"shm", 1, 0, OPT_SHM},
	{"script", 1, 0, OPT_SCRIPT},
	{"join", 1, 0, OPT_JOIN},
	{"observe", 1, 0, OPT_OBSERVE},
	{"input", 1, 0, OPT_INPUT},
	{"output", 1, 0, OPT_OUTPUT},
	{"console", 1, 0, OPT_CONSOLE},
	/* struct wh_confine; lists are of names with commas */
	{"allow", 1, 0, OPT_ALLOW},
	{"allow-32", 0, 0, OPT_ALLOW_32},
	{"absent", 1, 0, OPT_ABSENT},
	{"caps", 1, 0, OPT_CAPS},
	{"no-new-privs", 0, 0, OPT_NO_NEW_PRIVS},
	{"read-only", 0, 0, OPT_READ_ONLY},
	{"landlock", 1, 0, OPT_LANDLOCK},           /* PATH:ACCESS,ACCESS… */
	{"landlock-port", 1, 0, OPT_LANDLOCK_PORT}, /* PORT:ACCESS,…; handles these */
	{0},
};

static const char *const *list(const struct wh_strv *l)
{
	const char *const *ret;

	memcpy(&ret, &l->v, sizeof(ret));
	return ret;
}

/* "source:target" */
static struct wh_bind *add_bind(struct driver *d, char *text, bool readonly)
{
	struct wh_bind *b = &d->binds[d->step.n_binds++];
	char *colon = strrchr(text, ':');

	*b = (struct wh_bind){.kind = WH_BIND_PATH, .source = text, .readonly = readonly};
	if (colon) {
		*colon = '\0';
		b->target = colon + 1;
	}
	return b;
}

/* "lower,lower,…:target" */
static void add_overlay_bind(struct driver *d, char *text)
{
	struct wh_bind *b = add_bind(d, text, true);
	struct wh_strv *lowers = &d->root_lowers[d->n_roots];
	struct wh_root *r = &d->roots[d->n_roots++];
	char *save = NULL;

	for (char *t = strtok_r(text, ",", &save); t; t = strtok_r(NULL, ",", &save))
		wh_strv_add(lowers, t);
	r->kind = WH_ROOT_OVERLAY;
	r->lowers = list(lowers);
	b->source = NULL;
	b->overlay = r;
}

static uint64_t number(const char *s)
{
	uint64_t v;

	if (!wh_parse_u64(s, 10, &v)) {
		fprintf(stderr, "not a number: %s\n", s);
		exit(2);
	}
	return v;
}

/* What the command sees of files: its root, and what is mounted into that. */
static void add_words(struct wh_strv *to, const char *words)
{
	while (*words) {
		size_t n = strcspn(words, ",");
		WH_AUTO_FREE char *word = wh_strndup(words, n);

		wh_strv_add(to, word);
		words += n + (words[n] == ',');
	}
}

static uint64_t accesses(const char *words, uint64_t (*of)(const char *word))
{
	WH_AUTO_STRV struct wh_strv list = {0};
	uint64_t all = 0;

	add_words(&list, words);
	for (size_t i = 0; i < list.n; i++)
		all |= of(list.v[i]);
	return all;
}

static const char *const *as_list(const struct wh_strv *v)
{
	const char *const *list;

	memcpy(&list, &v->v, sizeof(list));
	return list;
}

static void confine_option(struct driver *d, int c, char *arg)
{
	struct wh_confine *f = &d->confine;
	char *colon;

	d->step.confine = f;
	switch (c) {
	case OPT_ALLOW:
		add_words(&d->allow, arg);
		f->syscalls = as_list(&d->allow);
		break;
	case OPT_ALLOW_32:
		f->second_arch = true;
		break;
	case OPT_ABSENT:
		add_words(&d->absent, arg);
		f->absent = as_list(&d->absent);
		break;
	case OPT_CAPS:
		add_words(&d->caps, arg);
		f->capabilities = as_list(&d->caps);
		f->limit_capabilities = true;
		break;
	case OPT_NO_NEW_PRIVS:
		f->no_new_privs = true;
		break;
	case OPT_READ_ONLY:
		f->readonly_root = true;
		break;
	case OPT_LANDLOCK:
		colon = strrchr(arg, ':');
		*colon = 0;
		f->landlock = true;
		f->rules = d->rules;
		d->rules[f->n_rules++] = (struct wh_landlock_rule){arg, accesses(colon + 1, wh_landlock_fs_access)};
		break;
	case OPT_LANDLOCK_PORT:
		colon = strchr(arg, ':');
		*colon = 0;
		f->ports = d->ports;
		d->ports[f->n_ports] = (struct wh_landlock_port){(uint16_t)number(arg), accesses(colon + 1, wh_landlock_net_access)};
		f->net |= d->ports[f->n_ports++].access;
		break;
	}
}

static bool tree_option(struct driver *d, int c, char *arg)
{
	struct wh_step *s = &d->step;
	struct wh_bind *b;

	switch (c) {
	case OPT_LOWER:
		wh_strv_add(&d->lowers, arg);
		break;
	case OPT_UPPER:
		s->root.upper = arg;
		break;
	case OPT_WORK:
		s->root.work = arg;
		break;
	case OPT_STUBS:
		s->root.stubs = arg;
		break;
	case OPT_DIR:
		s->root.dir = arg;
		s->root.kind = WH_ROOT_DIR;
		break;
	case OPT_BIND:
		add_bind(d, arg, false);
		break;
	case OPT_BIND_RO:
		add_bind(d, arg, true);
		break;
	case OPT_OVERLAY:
		add_overlay_bind(d, arg);
		break;
	case OPT_SUBPATH:
		d->binds[s->n_binds - 1].subpath = arg;
		break;
	case OPT_TMPFS:
		b = add_bind(d, arg, false);
		b->kind = WH_BIND_TMPFS;
		b->size = number(b->source);
		break;
	case OPT_DATA:
		b = add_bind(d, arg, true);
		b->kind = WH_BIND_DATA;
		b->data = b->source;
		b->data_len = strlen(b->source);
		b->mode = 0400;
		break;
	default:
		return false;
	}
	return true;
}

static bool option(struct driver *d, int c, char *arg)
{
	struct wh_step *s = &d->step;

	switch (c) {
	case OPT_NET:
		s->net = !strcmp(arg, "none")   ? WH_SANDBOX_NET_NONE
			 : !strcmp(arg, "user") ? WH_SANDBOX_NET_USER
			 : !strcmp(arg, "join") ? WH_SANDBOX_NET_JOIN
						: WH_SANDBOX_NET_HOST;
		break;
	case OPT_INSECURE:
		s->insecure = true;
		break;
	case OPT_USER:
		s->user = arg;
		break;
	case OPT_CWD:
		s->cwd = arg;
		break;
	case OPT_HOSTNAME:
		s->hostname = arg;
		break;
	case OPT_ENV:
		wh_strv_add(&d->env, arg);
		break;
	case OPT_HOST:
		wh_strv_add(&d->hosts, arg);
		break;
	case OPT_KILL_AFTER:
		d->kill_after = number(arg);
		break;
	case OPT_REPEAT:
		d->repeat = number(arg);
		break;
	case OPT_PARALLEL:
		d->parallel = number(arg);
		break;
	case OPT_PIDS:
		d->pids = true;
		break;
	case OPT_PROBE:
		d->probe = arg;
		break;
	case OPT_RESOLV:
		s->resolv_conf = arg;
		break;
	case OPT_FRESH:
		d->fresh = arg;
		break;
	case OPT_SHM:
		s->shm_size = number(arg);
		break;
	case OPT_SCRIPT:
		d->script = arg;
		break;
	case OPT_JOIN:
		d->join = arg;
		break;
	case OPT_OBSERVE:
		d->observe = arg;
		break;
	case OPT_INPUT:
		d->input = arg;
		break;
	case OPT_OUTPUT:
		d->output = arg;
		break;
	case OPT_CONSOLE:
		d->console = arg;
		break;
	case OPT_ALLOW:
	case OPT_ALLOW_32:
	case OPT_ABSENT:
	case OPT_CAPS:
	case OPT_NO_NEW_PRIVS:
	case OPT_READ_ONLY:
	case OPT_LANDLOCK:
	case OPT_LANDLOCK_PORT:
		confine_option(d, c, arg);
		break;
	default:
		return tree_option(d, c, arg);
	}
	return true;
}

bool driver_options(struct driver *d, int argc, char **argv)
{
	int c;

	d->step.out_fd = 1;
	d->step.err_fd = 2;
	d->step.binds = d->binds;
	optind = 0;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (!option(d, c, optarg))
			return false;
	d->step.root.lowers = list(&d->lowers);
	d->step.env = list(&d->env);
	d->step.extra_hosts = list(&d->hosts);
	argv += optind;
	memcpy(&d->step.args, &argv, sizeof(d->step.args));
	return true;
}

void driver_release(struct driver *d)
{
	wh_strv_release(&d->lowers);
	wh_strv_release(&d->env);
	wh_strv_release(&d->hosts);
	wh_strv_release(&d->allow);
	wh_strv_release(&d->absent);
	wh_strv_release(&d->caps);
	for (size_t i = 0; i < d->n_roots; i++)
		wh_strv_release(&d->root_lowers[i]);
}

void driver_fail(struct wh_err *e)
{
	fprintf(stderr, "error: class=%d %s\n", e ? (int)e->class : 0, e ? e->msg : "?");
	if (e && e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
	if (e && e->detail)
		fprintf(stderr, "detail: %s\n", e->detail);
	wh_err_freep(&e);
}

/* ---------------------------------------------------------------- a terminal */

static void on_typed(void *arg, int fd, short revents)
{
	struct driver *d = arg;
	char part[4096];
	ssize_t n = read(fd, part, sizeof(part));

	(void)revents;
	if (n > 0)
		wh_write_all(d->console_master, part, (size_t)n);
	else
		wh_loop_del_fd(d->loop, fd);
}

/* False at its end. */
static bool show(struct driver *d)
{
	char part[4096];
	ssize_t n = read(d->console_master, part, sizeof(part));

	if (n > 0)
		wh_write_all(1, part, (size_t)n);
	return n > 0;
}

static void on_shown(void *arg, int fd, short revents)
{
	struct driver *d = arg;

	(void)revents;
	if (!show(d))
		wh_loop_del_fd(d->loop, fd);
}

static void on_master(void *arg, int fd, short revents)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct driver *d = arg;

	(void)revents;
	wh_loop_del_fd(d->loop, fd);
	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return;
	memcpy(&d->console_master, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	wh_loop_add_fd(d->loop, d->console_master, POLLIN, on_shown, d);
	wh_loop_add_fd(d->loop, 0, POLLIN, on_typed, d);
}

void driver_console_open(struct driver *d, struct wh_loop *loop)
{
	unsigned rows = 0, columns = 0;
	int pair[2];

	if (!d->console || sscanf(d->console, "%ux%u", &rows, &columns) != 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	d->loop = loop;
	d->console_socket = pair[0];
	d->console_master = -1;
	d->step.console_fd = pair[1];
	d->step.console_rows = (uint16_t)rows;
	d->step.console_columns = (uint16_t)columns;
	wh_loop_add_fd(loop, pair[0], POLLIN, on_master, d);
}

void driver_console_close(struct driver *d, struct wh_loop *loop)
{
	if (!d->console)
		return;
	while (d->console_master >= 0 && show(d))
		;
	wh_loop_del_fd(loop, 0);
	wh_loop_del_fd(loop, d->console_master);
	wh_loop_del_fd(loop, d->console_socket);
	wh_closep(&d->console_master);
	wh_closep(&d->console_socket);
	wh_closep(&d->step.console_fd);
}

/* ---------------------------------------------------------------- steps */

static void start_one(struct driver *d);

static void done(void *arg, struct wh_step_result *r)
{
	struct driver *d = arg;

	d->running--;
	driver_console_close(d, d->loop);
	d->status = r->status;
	if (d->repeat <= 1) {
		fprintf(stderr, "result: status=%d signal=%d ms=%.3f err=%s\n", r->status, r->signal,
			(double)r->wall_ns / 1e6, r->err ? r->err->msg : "-");
		if (r->err)
			driver_fail(WH_TAKE_PTR(r->err));
	}
	wh_err_freep(&r->err);
	if (d->left)
		start_one(d);
	else if (!d->running)
		wh_loop_stop(d->loop, 0);
}

static void start_one(struct driver *d)
{
	struct wh_err *err = NULL;

	WH_AUTO_FREE char *upper = NULL, *work = NULL, *stubs = NULL;

	d->left--;
	driver_console_open(d, d->loop);
	if (d->fresh) {
		d->step.root.upper = upper = wh_asprintf("%s/%llu/up", d->fresh, (unsigned long long)d->left);
		d->step.root.work = work = wh_asprintf("%s/%llu/work", d->fresh, (unsigned long long)d->left);
		d->step.root.stubs = stubs = wh_asprintf("%s/%llu/stubs", d->fresh, (unsigned long long)d->left);
	}
	if (wh_launcher_run(d->launcher, &d->step, done, d, &d->last_id, &err) < 0) {
		driver_fail(err);
		exit(125);
	}
	d->running++;
}

static void kill_it(void *arg)
{
	struct driver *d = arg;

	wh_launcher_kill(d->launcher, d->last_id);
}

static int probe(struct driver *d)
{
	struct wh_host h;
	struct wh_err *err = NULL;
	int fd = wh_openat(AT_FDCWD, d->probe, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 || wh_host_probe(fd, d->probe, &h, &err) < 0) {
		driver_fail(err);
		return 1;
	}
	printf("kernel=%u.%u overlay=%d why=%s tun=%d pasta=%s slirp4netns=%s seccomp=%d landlock=%d\n", h.kernel_major,
	       h.kernel_minor, h.overlay, h.overlay_why ? h.overlay_why : "-", h.tun, h.pasta ? h.pasta : "-",
	       h.slirp4netns ? h.slirp4netns : "-", h.seccomp, h.landlock);
	wh_host_release(&h);
	close(fd);
	return 0;
}

static void make_fresh(const struct driver *d, uint64_t i)
{
	static const char *const names[] = {"up", "work", "stubs"};

	for (size_t j = 0; j < WH_ARRAY_SIZE(names); j++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%llu/%s", d->fresh, (unsigned long long)i, names[j]);

		wh_mkdir_p(AT_FDCWD, path, 0755);
	}
}

static int run_steps(struct driver *d, struct wh_inner *inner)
{
	struct wh_err *err = NULL;

	d->loop = wh_loop_new();
	if (wh_launcher_start(inner, d->loop, &d->launcher, &err) < 0) {
		driver_fail(err);
		wh_loop_free(d->loop);
		return 4;
	}
	if (d->pids)
		fprintf(stderr, "pids: outer=%d inner=%d ids=%u\n", getppid(), getpid(), wh_inner_id_count(inner));
	if (d->kill_after)
		wh_loop_add_timer(d->loop, d->kill_after, kill_it, d);
	d->left = d->repeat;
	for (uint64_t i = 0; d->fresh && i < d->repeat; i++)
		make_fresh(d, i);
	d->began = wh_now_ns();
	for (uint64_t i = 0; i < d->parallel && d->left; i++)
		start_one(d);
	wh_loop_run(d->loop);
	if (d->repeat > 1)
		fprintf(stderr, "%llu steps, %.3f ms each\n", (unsigned long long)d->repeat,
			(double)(wh_now_ns() - d->began) / 1e6 / (double)d->repeat);
	wh_launcher_free(d->launcher);
	wh_loop_free(d->loop);
	return d->status;
}

static int inner_main(struct driver *d, struct wh_inner *inner)
{
	struct wh_err *err = NULL;
	int status = 4;

	if (wh_inner_enter(inner, &err) < 0)
		driver_fail(err);
	else if (d->script)
		status = driver_play(d->script, inner);
	else
		status = d->probe ? probe(d) : run_steps(d, inner);
	if (wh_inner_few_ids(inner))
		fprintf(stderr, "few: %s\nhint: %s\n", wh_inner_few_ids(inner)->msg, wh_inner_few_ids(inner)->hint);
	wh_inner_free(inner);
	return status;
}

int main(int argc, char **argv)
{
	struct driver d = {.repeat = 1, .parallel = 1};
	struct wh_outer *outer = NULL;
	struct wh_inner *inner = NULL;
	struct wh_err *err = NULL;
	int c;

	wh_sandbox_init(argc, argv);
	if (!driver_options(&d, argc, argv))
		return 2;
	if (wh_outer_fork(&outer, &inner, &err) < 0) {
		driver_fail(err);
		return 4;
	}
	c = outer ? wh_outer_serve(outer) : inner_main(&d, inner);
	driver_release(&d);
	return c;
}
