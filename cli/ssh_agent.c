/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --ssh ID=KEYFILE[,KEYFILE…]: the keys go into an ssh-agent of their own, which this process, the outer one, starts and
 * ends; no other part of whittle reads them. The program is OpenSSH's.
 */
#include "cli/ssh_agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_KEY ((size_t)64 << 10)
#define MAX_SAID ((size_t)16 << 10)
#define READY_TRIES 500 /* 10 ms each */

struct agent {
	pid_t pid;
	char *socket;
};

struct wh_ssh_agents {
	char *dir;
	struct agent *v;
	size_t n, cap;
};

static int misuse(struct wh_err **err, const char *id, const char *path, const char *why)
{
	return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--ssh %s: \"%s\" %s", id, path, why);
}

/* Does the text of a private key say that a passphrase protects it? OpenSSH's own format names its cipher in the first
 * bytes, in base64: "openssh-key-v1", then "none" or a cipher. */
static bool is_protected(const char *text)
{
	static const char own[] = "-----BEGIN OPENSSH PRIVATE KEY-----", none[] = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
	const char *at = strstr(text, own);

	if (!at)
		return strstr(text, "ENCRYPTED") != NULL;
	at += strlen(own);
	at += strspn(at, "\r\n");
	return strncmp(at, none, strlen(none)) != 0;
}

/* ---------------------------------------------------------------- one agent */

static int answers(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	WH_AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return fd < 0 ? -errno : -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path));
	return connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

static int start(struct wh_ssh_agents *all, const char **ret, struct wh_err **err)
{
	struct agent a = {.socket = wh_asprintf("%s/%zu", all->dir, all->n)};
	const char *const argv[] = {"ssh-agent", "-D", "-a", a.socket, NULL};
	struct wh_proc_opts o = WH_PROC_OPTS_INIT;
	int r = -ETIMEDOUT;

	o.die_with_parent = true;
	/* Debian's is set-group-id, and the kernel takes the death signal from such programs. */
	o.no_new_privs = true;
	a.pid = wh_proc_spawn(argv, &o);
	if (a.pid < 0) {
		free(a.socket);
		wh_err_sys(err, "cli", WH_ERR_ENV, (int)-a.pid, "--ssh: start ssh-agent for key files");
		wh_err_hint(err, "Debian: apt install openssh-client");
		return (int)a.pid;
	}
	WH_PUSH(all->v, all->n, all->cap) = a;
	*ret = a.socket;
	for (unsigned i = 0; i < READY_TRIES && r != 0; i++) {
		r = answers(a.socket);
		if (r != 0)
			(void)poll(NULL, 0, 10);
	}
	return r == 0 ? 0 : wh_err_sys(err, "cli", WH_ERR_ENV, -r, "--ssh: ssh-agent does not answer");
}

/* Nothing asks anybody for a passphrase. */
static void add_env(const char *socket, struct wh_strv *env)
{
	for (char **e = environ; *e; e++)
		if (!wh_has_prefix(*e, "SSH_ASKPASS") && !wh_has_prefix(*e, "SSH_AUTH_SOCK="))
			wh_strv_add(env, *e);
	wh_strv_addf(env, "SSH_AUTH_SOCK=%s", socket);
	wh_strv_add(env, "SSH_ASKPASS=/bin/false");
	wh_strv_add(env, "SSH_ASKPASS_REQUIRE=force");
}

/* The key goes in through standard input, so that nobody objects to the file's mode, as buildx does not. */
static int add_key(const char *id, const char *path, const char *socket, struct wh_err **err)
{
	static const char *const argv[] = {"ssh-add", "-q", "-", NULL};
	WH_AUTO_STRV struct wh_strv env = {0};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, said = WH_BUF_INIT;
	WH_AUTO_FD int key = wh_openat(AT_FDCWD, path, O_RDONLY, 0);
	WH_AUTO_FD int out = memfd_create("whittle-ssh-add", MFD_CLOEXEC);
	struct wh_proc_opts o = WH_PROC_OPTS_INIT;
	pid_t pid;
	int r = key < 0 ? key : out < 0 ? -errno : wh_read_fd(key, MAX_KEY, &text);
	bool protected;

	if (r == -EFBIG)
		return misuse(err, id, path, "is too large to be a key");
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "--ssh %s: read \"%s\"", id, path);
	protected = text.n && is_protected(text.p);
	if (text.n)
		explicit_bzero(text.p, text.n);
	if (protected) {
		misuse(err, id, path, "is protected by a passphrase");
		wh_err_hint(err, "load it into an agent (ssh-add %s), and give that: --ssh %s", path, id);
		return -EINVAL;
	}
	if (lseek(key, 0, SEEK_SET) < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, errno, "--ssh %s: read \"%s\"", id, path);
	add_env(socket, &env);
	o.stdin_fd = key;
	o.stderr_fd = out;
	o.env = (const char *const *)env.v;
	pid = wh_proc_spawn(argv, &o);
	r = pid < 0 ? (int)pid : wh_proc_wait(pid);
	if (r == 0)
		return 0;
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "--ssh %s: run ssh-add", id);
	misuse(err, id, path, "is no private key that ssh-add takes");
	if (lseek(out, 0, SEEK_SET) == 0 && wh_read_fd(out, MAX_SAID, &said) == 0 && said.n)
		wh_err_detail(err, said.p);
	return -EINVAL;
}

/* ---------------------------------------------------------------- all of them */

void wh_ssh_agents_forget(struct wh_ssh_agents *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++)
		free(all->v[i].socket);
	free(all->dir);
	free(all->v);
	free(all);
}

void wh_ssh_agents_end(struct wh_ssh_agents *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++) {
		kill(all->v[i].pid, SIGTERM);
		(void)wh_proc_wait(all->v[i].pid);
		unlink(all->v[i].socket);
	}
	rmdir(all->dir);
	wh_ssh_agents_forget(all);
}

/* NULL: failed. */
static struct wh_ssh_agents *begin(struct wh_err **err)
{
	struct wh_ssh_agents *all;
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *const where = runtime && runtime[0] == '/' && access(runtime, W_OK) == 0 ? runtime : NULL;
	WH_AUTO_FREE char *dir = NULL;

	if (wh_cli_temp_dir(where, "ssh", &dir, err) < 0) {
		wh_err_wrap(err, "--ssh");
		return NULL;
	}
	all = wh_calloc(1, sizeof(*all));
	all->dir = WH_TAKE_PTR(dir);
	return all;
}

int wh_ssh_agents_start(struct wh_build_spec *spec, struct wh_ssh_agents **ret, struct wh_err **err)
{
	struct wh_ssh_agents *all = NULL;
	const char *socket = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->n_ssh; i++) {
		struct wh_ssh_agent_text *x = &spec->ssh[i];

		if (!x->keys.n)
			continue;
		if (!all)
			all = begin(err);
		if (!all)
			return -EACCES;
		r = start(all, &socket, err);
		for (size_t k = 0; r == 0 && k < x->keys.n; k++)
			r = add_key(x->id, x->keys.v[k], socket, err);
		if (r == 0)
			x->socket = wh_strdup(socket);
	}
	if (r < 0)
		wh_ssh_agents_end(all);
	else
		*ret = all;
	return r;
}
