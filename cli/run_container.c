/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle run, in the inner process:
 *
 *   ports    listeners, while the host's low ports may still be had
 *   image    from the store, or pulled
 *   enter    user namespace, host probe, launcher
 *   network  a namespace that the ports' relay can enter, too
 *   mounts   volumes made and filled
 *   root     an overlay whose upper directory is thrown away
 *   step     with pipes or a terminal; signals passed on; its status is ours
 */
#include "cli/registry_service.h"
#include "cli/relay.h"
#include "cli/run_spec.h"
#include "cli/terminal.h"

#include <errno.h>
#include <sys/file.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#define OVERFLOW_ID 65534
#define KILLS 3                       /* as many interrupts, and it is killed */
#define INIT_PATH "/sbin/docker-init" /* where docker has its own */

struct container {
	struct wh_run_spec *spec;
	struct wh_inner *inner;
	struct wh_store *store;
	struct wh_progress *progress; /* of what is fetched */
	struct wh_cli_lazy lazy;
	struct wh_image image;
	struct wh_image stack; /* the layers to run on, where they are not the image's alone */
	bool pulled;
	struct wh_run_config config;
	struct wh_ports *ports;
	struct wh_host host;
	bool probed;
	struct wh_loop *loop;
	struct wh_launcher *launcher;
	struct wh_foreign *foreign;
	struct wh_emulation emulation;
	enum wh_snapshotter snapshotter;
	enum wh_net net;
	int net_fd;
	struct wh_work *root;
	struct wh_bind *binds;
	size_t n_binds;
	uid_t *owners;              /* of the binds' sources as the host has them */
	struct wh_strv paths, args; /* what binds and step point to */
	bool terminals[3]; /* of our standard descriptors, at the start */
	char hostname[65], hostname_file[67];

	struct wh_terminal *terminal;
	struct wh_relay *input, *output[2];
	int signals;
	uint64_t id, timer;
	bool over;
	unsigned interrupts;
	struct wh_step_result result;
	int observe_fd; /* --profile-out; -1: none */
};

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT, out = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&line, fmt, ap);
	va_end(ap);
	wh_buf_adds(&out, "whittle: ");
	wh_text_add_safe(&out, line.p, line.n);
	wh_buf_addc(&out, '\n');
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

/* ---------------------------------------------------------------- before the user namespace */

static int open_ports(struct container *c, struct wh_err **err)
{
	const struct wh_run_spec *s = c->spec;
	int r = s->n_ports ? wh_ports_open(s->ports, s->n_ports, &c->ports, err) : 0;

	for (size_t i = 0; r == 0 && i < s->n_ports; i++)
		if (!s->ports[i].host)
			note("port %u/%s is port %u of this host", s->ports[i].container,
			     s->ports[i].udp ? "udp" : "tcp", wh_ports_host(c->ports, i));
	return r;
}

/* Of the host: there, or (as docker has it for -v) made. By the user's own rights. */
static int open_sources(struct container *c, struct wh_err **err)
{
	c->owners = wh_calloc(c->spec->n_mounts + 1, sizeof(*c->owners));
	for (size_t i = 0; i < c->spec->n_mounts; i++) {
		const struct wh_run_mount *m = &c->spec->mounts[i];
		struct stat st;
		int r = 0;

		if (m->kind != WH_RUN_BIND)
			continue;
		if (stat(m->source, &st) < 0)
			r = -errno;
		if (r == -ENOENT && m->make) {
			mode_t before = umask(022);

			r = wh_mkdir_p(AT_FDCWD, m->source, 0755);
			umask(before);
			if (r == 0 && stat(m->source, &st) < 0)
				r = -errno;
		}
		if (r < 0)
			return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "mount %s: %s", m->target, m->source);
		c->owners[i] = st.st_uid;
	}
	return 0;
}

/* The image by its digest: a name that stands for several platforms stays as it is. */
static int pull(struct container *c, const char *ref, struct wh_err **err)
{
	const struct wh_run_flags *f = c->spec->flags;
	unsigned id = wh_progress_begin(c->progress, "pulling %s", ref);
	const struct wh_progress_row row = {c->progress, id};
	struct wh_cli_pull p = {
		.inner = c->inner, .store = c->store, .policy = c->spec->pull, .insecure = f->insecure, .row = &row};
	WH_AUTO_ERR struct wh_err *e = NULL;
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	int r = wh_cli_registry_builder_pull(&p, ref, f->platform, &d, &e);

	if (r == 0)
		r = wh_image_from_store(c->store, wh_digest_text(&d, text), NULL, &c->image, &e);
	wh_progress_end(c->progress, id, e);
	wh_err_move(err, &e);
	c->pulled = r == 0;
	return r;
}

static int find_image(struct container *c, struct wh_err **err)
{
	const struct wh_run_spec *s = c->spec;
	WH_AUTO_FREE char *layout = NULL, *name = NULL;
	WH_AUTO_ERR struct wh_err *absent = NULL;
	int r = wh_cli_image_layout(s->ref, &layout, err);
	bool pullable = !layout && !wh_has_prefix(s->ref, "sha256:");

	if (r < 0)
		return r;
	if (!pullable || s->pull != WH_PULL_ALWAYS) {
		r = wh_cli_image_open(s->ref, s->flags->root, s->flags->platform, &c->store, &c->image, &absent);
		if (r == 0)
			return 0;
		if (r != -ENOENT || !pullable || s->pull == WH_PULL_NEVER) {
			wh_err_move(err, &absent);
			return r;
		}
	}
	r = wh_reference_normalize(s->ref, &name, err);
	if (r == 0)
		r = wh_cli_store_open(s->flags->root, &c->store, err);
	if (r == 0)
		r = pull(c, name, err);
	if (r < 0 && c->store)
		wh_store_hint_near(c->store, name, err);
	return r;
}

/* Layers may still be where they were: they come when the root is made. */
static int open_image(struct container *c, struct wh_err **err)
{
	int r;

	c->progress = wh_progress_new_for(stderr);
	r = find_image(c, err);
	if (r < 0)
		return r;
	c->lazy = (struct wh_cli_lazy){
		.inner = c->inner, .store = c->store, .progress = c->progress, .insecure = c->spec->flags->insecure};
	wh_cli_lazy_serve(&c->lazy);
	return 0;
}

/* ---------------------------------------------------------------- coming to life */

static int enter(struct container *c, struct wh_err **err)
{
	const struct wh_err *few;
	struct wh_platform p;
	WH_AUTO_FREE char *platform = NULL;
	int r = wh_builder_probe(c->inner, c->store, &c->host, err);

	if (r < 0)
		return r;
	c->probed = true;
	/* What dead ones left, with files of subordinate ids: here they can be removed. */
	r = wh_store_sweep(c->store, err);
	if (r < 0)
		return r;
	c->snapshotter = c->host.overlay ? WH_SNAP_OVERLAY : WH_SNAP_COPY;
	if (c->snapshotter == WH_SNAP_COPY && (c->host.noexec || c->spec->flags->read_only)) {
		wh_err_set(err, "cli", WH_ERR_ENV, ENOTSUP, "overlay file systems do not work here (%s), and %s",
			   c->host.overlay_why ? c->host.overlay_why : "the probe failed",
			   c->host.noexec ? "nothing can be run from the store's file system"
					  : "a copied root cannot be read-only");
		return -ENOTSUP;
	}
	few = wh_inner_few_ids(c->inner);
	if (few)
		note("only %u user id%s here (%s): programs that change users or owners will fail; mend: %s",
		     wh_inner_id_count(c->inner), wh_inner_id_count(c->inner) == 1 ? "" : "s", few->msg,
		     few->hint ? few->hint : "see whittle doctor");
	c->loop = wh_loop_new();
	r = wh_launcher_start(c->inner, c->loop, &c->launcher, err);
	if (r < 0)
		return r;
	c->foreign = wh_foreign_new();
	wh_image_platform(&c->image, &p);
	platform = wh_platform_text(&p);
	r = wh_foreign_ensure(c->foreign, platform, &c->emulation, err);
	if (r == 0 && c->emulation.emulated)
		note("%s programs run under %s", platform, c->emulation.emulator);
	return r;
}

static int make_network(struct container *c, struct wh_err **err)
{
	const char *why = !c->host.tun ? "/dev/net/tun cannot be opened" : "neither pasta nor slirp4netns is installed";
	bool user = c->host.tun && (c->host.pasta || c->host.slirp4netns);

	c->net_fd = -1;
	c->net = WH_SANDBOX_NET_HOST;
	if (c->spec->network == WH_RUN_NET_NONE)
		c->net = WH_SANDBOX_NET_NONE;
	if (c->spec->network != WH_RUN_NET_DEFAULT)
		return 0;
	if (user)
		c->net = WH_SANDBOX_NET_USER;
	else if (isatty(STDERR_FILENO) || c->ports) /* a pipe has the command's words alone */
		note(c->ports ? "network: the container has nothing but its ports, as %s"
			      : "network: the container uses this host's, as %s",
		     why);
	if (!c->ports)
		return 0;
	if (!user)
		c->net = WH_SANDBOX_NET_JOIN;
	c->net_fd = wh_netns_new(err);
	return c->net_fd < 0 ? c->net_fd : wh_ports_serve(c->ports, c->net_fd, err);
}

/* ---------------------------------------------------------------- mounts */

/* With what the image has there; in our lease, so that nobody sees half of it. */
static int make_volume(struct container *c, const struct wh_run_mount *m, const char *name, struct wh_err **err)
{
	int tmp = wh_store_tmp_dirfd(c->store);

	if (m->copy)
		return wh_share_copy(c->store, c->image.layers, c->image.n_layers, "volume", m->target, tmp, name, err);
	if (mkdirat(tmp, name, 0755) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make the volume for %s", m->target);
	return 0;
}

/* As long as we live nobody removes it (whittle rm --volume). False: it is not there. */
static bool hold(int root, const char *path)
{
	WH_AUTO_FD int fd = wh_openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat held, named;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &held) < 0 || fstatat(root, path, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    held.st_ino != named.st_ino)
		return false;
	(void)WH_TAKE_FD(fd); /* to the end of the process */
	return true;
}

static int named_volume(struct container *c, const struct wh_run_mount *m, const char *temporary, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("volumes/%s", m->source);
	int root = wh_store_dirfd(c->store), tmp = wh_store_tmp_dirfd(c->store), r;

	if (hold(root, path))
		return 0;
	if (mkdirat(root, "volumes", 0700) < 0 && errno != EEXIST)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make %s/volumes", wh_store_path(c->store));
	r = make_volume(c, m, temporary, err);
	if (r < 0)
		return r;
	if (renameat2(tmp, temporary, root, path, RENAME_NOREPLACE) < 0 &&
	    errno != EEXIST) /* else another run was quicker */
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make the volume %s", m->source);
	if (!hold(root, path))
		return wh_err_set(err, "cli", WH_ERR_ENV, EBUSY, "the volume %s is being removed", m->source);
	return 0;
}

static int volume(struct container *c, size_t i, const char **ret, struct wh_err **err)
{
	const struct wh_run_mount *m = &c->spec->mounts[i];
	WH_AUTO_FREE char *temporary = wh_asprintf("volume-%zu", i);
	int r = m->source ? named_volume(c, m, temporary, err) : make_volume(c, m, temporary, err);

	if (m->source)
		wh_strv_addf(&c->paths, "%s/volumes/%s", wh_store_path(c->store), m->source);
	else
		wh_strv_addf(&c->paths, "%s/%s", wh_store_tmp_path(c->store), temporary);
	*ret = c->paths.v[c->paths.n - 1];
	return r;
}

/* Whose owner nobody is in the container: its programs may find that they cannot write there. */
static void note_owner(const struct container *c, size_t i)
{
	const struct wh_run_mount *m = &c->spec->mounts[i];
	struct stat st;

	if (c->owners[i] != OVERFLOW_ID && stat(m->source, &st) == 0 && st.st_uid == OVERFLOW_ID)
		note("%s: its owner, user %u of this host, has no id in the container; root there is the user who runs it",
		     m->source, c->owners[i]);
}

static int make_mounts(struct container *c, struct wh_err **err)
{
	const struct wh_run_spec *s = c->spec;
	int r = 0;

	c->binds = wh_calloc(s->n_mounts + 3, sizeof(*c->binds));
	/* As docker has it; first, so that a volume may lie on it. */
	snprintf(c->hostname_file, sizeof(c->hostname_file), "%s\n", c->hostname);
	c->binds[c->n_binds++] = (struct wh_bind){.kind = WH_BIND_DATA, .target = "/etc/hostname", .mode = 0644,
						  .data = c->hostname_file, .data_len = strlen(c->hostname_file)};
	for (size_t i = 0; i < s->n_mounts && r == 0; i++) {
		const struct wh_run_mount *m = &s->mounts[i];
		struct wh_bind *b = &c->binds[c->n_binds++];

		*b = (struct wh_bind){.kind = WH_BIND_PATH, .target = m->target, .readonly = m->readonly};
		switch (m->kind) {
		case WH_RUN_BIND:
			b->source = m->source;
			b->recursive = true;
			note_owner(c, i);
			break;
		case WH_RUN_VOLUME:
			r = volume(c, i, &b->source, err);
			break;
		case WH_RUN_TMPFS:
			b->kind = WH_BIND_TMPFS;
			b->size = m->size;
			b->mode = m->mode;
			break;
		}
	}
	if (r == 0 && s->flags->init) {
		struct wh_bind *b = &c->binds[c->n_binds++];

		*b = (struct wh_bind){.kind = WH_BIND_DATA, .target = INIT_PATH, .readonly = true, .mode = 0755};
		b->data = wh_init_program(&b->data_len);
	}
	return r;
}

/* ---------------------------------------------------------------- while it runs */

static void signal_it(struct container *c, int sig)
{
	if (c->id && !c->over)
		wh_launcher_signal(c->launcher, c->id, sig);
}

static void on_stop_timeout(void *arg)
{
	struct container *c = arg;

	c->timer = 0;
	if (!c->over)
		wh_launcher_kill(c->launcher, c->id);
}

static void stop(struct container *c, int sig)
{
	signal_it(c, sig);
	if (!c->timer)
		c->timer = wh_loop_add_timer(c->loop, c->spec->stop_ms, on_stop_timeout, c);
}

/* Was there one, and is it closed at its other end? Who sent the signal does not tell: the outer process passes it on. */
static bool terminal_gone(const struct container *c)
{
	for (int fd = 0; fd <= 2; fd++)
		if (c->terminals[fd] && !isatty(fd))
			return true;
	return false;
}

static void on_signal(void *arg, int fd, short revents)
{
	struct container *c = arg;
	struct signalfd_siginfo si;

	(void)revents;
	if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	/* It is over, and somebody does not take its output. */
	if (c->over && si.ssi_signo != SIGWINCH) {
		wh_loop_stop(c->loop, 0);
		return;
	}
	switch (si.ssi_signo) {
	case SIGTERM:
		stop(c, c->config.stop_signal);
		break;
	case SIGHUP:
		if (terminal_gone(c)) /* nobody will stop it */
			stop(c, SIGHUP);
		else
			signal_it(c, SIGHUP);
		break;
	case SIGINT:
		signal_it(c, SIGINT);
		if (++c->interrupts >= KILLS)
			wh_launcher_kill(c->launcher, c->id);
		break;
	default:
		signal_it(c, (int)si.ssi_signo);
		break;
	}
}

static void end_when_told(struct container *c)
{
	if (!c->over)
		return;
	for (int i = 0; i < 2; i++)
		if (c->output[i] && !wh_relay_ended(c->output[i]))
			return;
	wh_loop_stop(c->loop, 0);
}

static void on_output_end(void *arg)
{
	end_when_told(arg);
}

static void on_end(void *arg, struct wh_step_result *res)
{
	struct container *c = arg;

	c->over = true;
	c->result = *res;
	res->err = NULL;
	end_when_told(c);
}

static void taken_signals(sigset_t *set)
{
	static const int taken[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

	sigemptyset(set);
	for (size_t i = 0; i < WH_ARRAY_SIZE(taken); i++)
		sigaddset(set, taken[i]);
}

/* Until there is a container, they end us: there is nothing to be ended in order, what is half made is swept by the
 * next run. */
static void allow_signals(void)
{
	sigset_t set;

	taken_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int open_signals(struct container *c, struct wh_err **err)
{
	sigset_t set;

	for (int fd = 0; fd <= 2; fd++)
		c->terminals[fd] = isatty(fd);
	taken_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signals < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "signalfd");
	wh_loop_add_fd(c->loop, c->signals, POLLIN, on_signal, c);
	return 0;
}

/* ---------------------------------------------------------------- the step */

static int open_pipes(struct container *c, struct wh_step *step, int theirs[3], struct wh_err **err)
{
	int p[2];

	for (int i = 1; i <= 2; i++) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make a pipe");
		theirs[i] = p[1];
		c->output[i - 1] = wh_relay_new(c->loop, p[0], i, WH_RELAY_OWNS_FROM, on_output_end, c);
	}
	step->out_fd = theirs[1];
	step->err_fd = theirs[2];
	if (!c->spec->flags->interactive)
		return 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make a pipe");
	step->in_fd = theirs[0] = p[0];
	c->input = wh_relay_new(c->loop, STDIN_FILENO, p[1], WH_RELAY_OWNS_TO, NULL, NULL);
	return 0;
}

static void make_step(struct container *c, struct wh_step *ret)
{
	const struct wh_run_flags *f = c->spec->flags;

	if (f->init)
		wh_strv_add(&c->args, INIT_PATH);
	if (f->init)
		wh_strv_add(&c->args, "--");
	wh_strv_copy(&c->args, &c->config.args);
	if (!wh_env_get(&c->config.env, "HOSTNAME"))
		wh_env_set(&c->config.env, "HOSTNAME", c->hostname);
	*ret = (struct wh_step){
		.args = (const char *const *)c->args.v,
		.env = (const char *const *)c->config.env.v,
		.cwd = c->config.cwd,
		.user = c->config.user,
		.hostname = c->hostname,
		.net = c->net,
		.net_fd = c->net_fd,
		.proc = c->host.proc,
		.binds = c->binds,
		.n_binds = c->n_binds,
		.extra_hosts = (const char *const *)f->add_hosts.v,
		.shm_size = c->spec->shm_size,
		.ulimits = (const char *const *)f->ulimits.v,
		.out_fd = -1,
		.err_fd = -1,
	};
	wh_exec_root(c->root, !f->read_only, c->snapshotter, &ret->root);
}

/* docker's: twelve digits of a number that nobody else has; with the host's network its name, too. */
static void choose_hostname(struct container *c)
{
	unsigned char random[6] = {0};

	if (c->spec->flags->hostname) {
		snprintf(c->hostname, sizeof(c->hostname), "%s", c->spec->flags->hostname);
		return;
	}
	if (c->spec->network == WH_RUN_NET_HOST && gethostname(c->hostname, sizeof(c->hostname) - 1) == 0)
		return;
	(void)!getrandom(random, sizeof(random), 0);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(c->hostname + 2 * i, 3, "%02x", random[i]);
}

/* A log that was begun for a run that did not come about is begun anew. */
static int observe(struct container *c, struct wh_step *step, struct wh_err **err)
{
	int r = 0;

	if (!c->spec->flags->profile_out)
		return 0;
	wh_closep(&c->observe_fd);
	r = wh_run_profile_open(c->store, &c->observe_fd, err);
	step->observe_fd = c->observe_fd;
	return r;
}

static int run_once(struct container *c, struct wh_err **err)
{
	const struct wh_run_flags *f = c->spec->flags;
	int theirs[3] = {-1, -1, -1}, r;
	struct wh_step step;

	wh_strv_release(&c->args);
	make_step(c, &step);
	if (f->tty) {
		r = wh_terminal_open(c->loop, f->interactive ? STDIN_FILENO : -1, STDOUT_FILENO, &c->terminal, err);
		if (r == 0)
			wh_terminal_lend(c->terminal, &step.console_fd, &step.console_rows, &step.console_columns);
	} else {
		r = open_pipes(c, &step, theirs, err);
	}
	c->over = false;
	if (r == 0)
		r = observe(c, &step, err);
	if (r == 0)
		r = wh_launcher_run(c->launcher, &step, on_end, c, &c->id, err);
	if (c->terminal)
		wh_terminal_lent(c->terminal);
	for (size_t i = 0; i < WH_ARRAY_SIZE(theirs); i++)
		wh_closep(&theirs[i]);
	if (r == 0)
		wh_loop_run(c->loop);
	wh_terminal_close(WH_TAKE_PTR(c->terminal));
	wh_relay_free(WH_TAKE_PTR(c->input));
	for (int i = 0; i < 2; i++)
		wh_relay_free(WH_TAKE_PTR(c->output[i]));
	return r;
}

static int run_step(struct container *c, struct wh_err **err)
{
	int r = run_once(c, err);

	/* Whether a private network can be had shows when its helper is started. As builds have it, nobody having
	 * asked for one. */
	if (r < 0 || !c->result.err || c->result.err->sys != ENETDOWN || c->spec->network != WH_RUN_NET_DEFAULT)
		return r;
	note(c->ports
		     ? "network: the container has nothing but its ports, as a private one did not come up (see whittle doctor)"
		     : "network: the container uses this host's, as a private one did not come up (see whittle doctor)");
	c->net = c->ports ? WH_SANDBOX_NET_JOIN : WH_SANDBOX_NET_HOST;
	wh_err_freep(&c->result.err);
	return run_once(c, err);
}

static int lay_under(struct container *c, bool inside, struct wh_err **err)
{
	const struct wh_run_under *u = c->spec->under;
	const struct wh_run_below b = {c->spec, c->inner, c->store, c->spec->ref, &c->image, c->pulled};

	if (!u)
		return 0;
	return inside ? u->fill(u->arg, &b, err) : u->find(u->arg, &b, &c->stack, err);
}

static int run_all(struct container *c, struct wh_err **err)
{
	const struct wh_run_spec *s = c->spec;
	const struct wh_image *on = s->under ? &c->stack : &c->image;
	int r;

	allow_signals();
	r = open_image(c, err);
	if (r == 0)
		r = lay_under(c, false, err);
	/* The image may add volumes and, with -P, ports. */
	if (r == 0)
		r = wh_run_config_make(c->spec, c->image.config, &c->config, err);
	if (r == 0)
		r = open_sources(c, err);
	if (r == 0)
		r = open_ports(c, err);
	if (r == 0)
		r = enter(c, err);
	if (r == 0)
		r = lay_under(c, true, err);
	if (r == 0)
		r = make_network(c, err);
	choose_hostname(c);
	if (r == 0)
		r = make_mounts(c, err);
	if (r == 0)
		r = wh_work_new(c->store, c->snapshotter, on->layers, on->n_layers, !s->flags->read_only,
				&c->root, err);
	if (r == 0)
		r = open_signals(c, err);
	if (r < 0)
		return r;
	wh_progress_finish(c->progress);
	r = run_step(c, err);
	if (r == 0 && s->flags->profile_out && c->result.started)
		r = wh_run_profile_save(c->store, &c->image, c->observe_fd, s->flags->profile_out, err);
	return r;
}

static void container_release(struct container *c)
{
	if (c->signals >= 0)
		wh_loop_del_fd(c->loop, c->signals);
	wh_closep(&c->signals);
	if (c->launcher)
		wh_launcher_free(c->launcher);
	wh_ports_free(c->ports);
	if (c->root)
		wh_work_discard(c->root);
	wh_emulation_release(&c->emulation);
	wh_foreign_free(c->foreign);
	wh_loop_free(c->loop);
	if (c->probed)
		wh_host_release(&c->host);
	wh_closep(&c->net_fd);
	wh_closep(&c->observe_fd);
	wh_run_config_release(&c->config);
	wh_image_release(&c->image);
	wh_image_release(&c->stack);
	wh_progress_free(c->progress);
	if (c->store)
		wh_store_close(c->store);
	free(c->binds);
	free(c->owners);
	wh_strv_release(&c->paths);
	wh_strv_release(&c->args);
	wh_err_freep(&c->result.err);
}

int wh_run_container(struct wh_run_spec *s, struct wh_inner *inner)
{
	struct container c = {.spec = s, .inner = inner, .signals = -1, .net_fd = -1, .observe_fd = -1};
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = run_all(&c, &err), status;

	if (r < 0) {
		wh_progress_finish(c.progress);
		(void)wh_err_report(err);
		status = WH_RUN_FAILED;
	} else {
		/* 127: no such command, 126: it cannot be executed, 125: all else that kept it from running. */
		if (c.result.err)
			(void)wh_err_report(c.result.err);
		status = c.result.status;
	}
	container_release(&c);
	return status;
}
