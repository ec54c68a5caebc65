/* SPDX-License-Identifier: Apache-2.0 */
/* Deeds that need capabilities, or look as if they did, and deeds on the net. Each aborts where it does not succeed, so that it can be done again
 * with just what the log told. */
#include "base/base.h"
#include "tests/unit/observer_acts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define OTHER 1 /* a user, and a group */

static void must(bool done)
{
	if (!done)
		abort();
}

static bool can_open(const char *path, int flags)
{
	int fd = openat(AT_FDCWD, path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---------------------------------------------------------------- without any */

static void do_plain(void)
{
	struct rlimit l = {64, 64};
	int p[2];

	must(can_open("file", O_RDWR) && can_open("dir/file", O_RDONLY) && mkdir("d", 0700) == 0 &&
	     chmod("d", 0755) == 0);
	must(rename("d", "e") == 0 && rmdir("e") == 0 && utimensat(AT_FDCWD, "file", NULL, 0) == 0);
	must(kill(getpid(), 0) == 0 && kill(0, 0) == 0 && pipe(p) == 0 && access("file", R_OK | W_OK) == 0);
	must(setrlimit(RLIMIT_NOFILE, &l) == 0 && setuid(geteuid()) == 0 &&
	     setresgid((gid_t)-1, getegid(), (gid_t)-1) == 0);
	must(chown("file", geteuid(), getegid()) == 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

/* ---------------------------------------------------------------- files */

static void do_chown(void)
{
	must(chown("file", OTHER, (gid_t)-1) == 0);
}

static void do_chgrp(void)
{
	must(lchown("link", (uid_t)-1, OTHER) == 0);
}

/* The others' are prepared: "others/", mode 0700, with a file; and "private", mode 0600. */
static void do_dac_file(void)
{
	must(can_open("private", O_RDONLY));
}

static void do_dac_write(void)
{
	must(can_open("private", O_WRONLY));
}

static void do_dac_search(void)
{
	struct stat st;

	must(stat("others/file", &st) == 0);
}

static void do_dac_link(void)
{
	struct stat st;

	must(stat("in-others", &st) == 0);
}

static void do_dac_list(void)
{
	must(can_open("others", O_RDONLY | O_DIRECTORY));
}

static void do_dac_make(void)
{
	must(mkdir("others/new", 0700) == 0);
}

static void do_dac_access(void)
{
	must(access("private", R_OK) == 0);
}

static void do_dac_chdir(void)
{
	must(chdir("others") == 0);
}

static void do_dac_unix(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "others/sock"};

	must(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a)) == 0);
}

/* The same file again, when it has become somebody else's: what was found out before no longer holds. */
static void do_dac_later(void)
{
	must(can_open("file", O_RDONLY) && chmod("file", 0600) == 0 && can_open("file", O_RDONLY));
	must(chown("file", OTHER, OTHER) == 0 && can_open("file", O_RDONLY));
}

static void do_fowner(void)
{
	must(chmod("private", 0640) == 0);
}

static void do_fowner_fd(void)
{
	int fd = openat(AT_FDCWD, "public", O_RDONLY);

	must(fchmod(fd, 0644) == 0);
}

static void do_fowner_times(void)
{
	const struct timespec t[2] = {{1, 0}, {1, 0}};

	must(utimensat(AT_FDCWD, "public", t, 0) == 0);
}

/* In a directory like /tmp, of somebody else's. */
static void do_fowner_sticky(void)
{
	must(unlink("sticky/file") == 0);
}

/* The bit stays only with it. */
static void do_fsetid(void)
{
	struct stat st;

	must(chmod("grouped", 02755) == 0 && stat("grouped", &st) == 0 && (st.st_mode & S_ISGID));
}

static void do_mknod(void)
{
	must(mknod("null", S_IFCHR | 0600, makedev(1, 3)) == 0);
}

static void do_setfcap(void)
{
	struct vfs_cap_data v = {.magic_etc = VFS_CAP_REVISION_2, .data = {{1U << CAP_CHOWN, 0}}};

	must(setxattr("file", "security.capability", &v, sizeof(v), 0) == 0);
}

static void do_chroot(void)
{
	must(chroot("dir") == 0);
}

/* ---------------------------------------------------------------- who one is */

static void do_setuid(void)
{
	must(setuid(OTHER) == 0);
}

static void do_setgid(void)
{
	must(setresgid(OTHER, OTHER, OTHER) == 0);
}

static void do_setgroups(void)
{
	must(setgroups(0, NULL) == 0);
}

/* What root could do, somebody else cannot: nothing is told of what fails, or needs nothing. */
static void do_dropped(void)
{
	must(setgroups(0, NULL) == 0 && setgid(OTHER) == 0 && setuid(OTHER) == 0);
	must(!can_open("mine", O_RDONLY) && can_open("public", O_RDONLY) && can_open("private", O_RDONLY));
	must(chmod("private", 0600) == 0 && kill(getpid(), 0) == 0 && setuid(OTHER) == 0);
}

/* One thread only, by the call itself: the other one is root still. */
static void *other_thread(void *arg)
{
	pthread_barrier_t *b = arg;

	must(syscall(SYS_setresuid, OTHER, OTHER, OTHER) == 0);
	must(can_open("private", O_RDONLY));
	pthread_barrier_wait(b);
	pthread_barrier_wait(b);
	return NULL;
}

static void do_threads_differ(void)
{
	pthread_barrier_t b;
	pthread_t t;

	pthread_barrier_init(&b, NULL, 2);
	must(pthread_create(&t, NULL, other_thread, &b) == 0);
	pthread_barrier_wait(&b);
	must(can_open("private", O_RDONLY));
	pthread_barrier_wait(&b);
	pthread_join(t, NULL);
}

static void do_setpcap(void)
{
	must(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0) == 0);
}

static void kill_child(bool drops)
{
	int p[2], back[2], status;
	char c;
	pid_t pid;

	must(pipe(p) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		must(!drops || setuid(OTHER) == 0);
		close(back[1]);
		must(write(p[1], "", 1) == 1);
		_exit(read(back[0], &c, 1) == 1); /* until the parent ends */
	}
	close(p[1]);
	must(read(p[0], &c, 1) == 1 && kill(pid, SIGTERM) == 0);
	must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void do_kill_own(void)
{
	kill_child(false);
}

static void do_kill_other(void)
{
	kill_child(true);
}

static void do_speak(void)
{
	const struct ucred who = {getpid(), OTHER, OTHER};
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(who))];
	} m = {.room = {0}};
	struct iovec iov = {&m, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &m, .msg_controllen = sizeof(m)};
	int p[2];

	m.h = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(who)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
	memcpy(CMSG_DATA(&m.h), &who, sizeof(who));
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0 && sendmsg(p[0], &msg, 0) == 1);
}

/* ---------------------------------------------------------------- the net */

static int inet(int type, const char *address, uint16_t port, struct sockaddr_in *a)
{
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, address, &a->sin_addr);
	return socket(AF_INET, type, 0);
}

/* Whether the port is free or not. */
static void do_port(void)
{
	struct sockaddr_in a;
	int fd = inet(SOCK_STREAM, "127.0.0.1", 81, &a);

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EADDRINUSE);
}

static void do_raw(void)
{
	must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
}

static void do_packet(void)
{
	must(socket(AF_PACKET, SOCK_DGRAM, 0) >= 0);
}

static void do_net(void)
{
	struct sockaddr_in a;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(a);
	int fd = inet(SOCK_STREAM, "127.0.0.1", 0, &a), udp, other;
	struct iovec iov = {&a, 1};
	struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}}};
	struct sockaddr_in b;

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
	must(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	close(fd);
	must(listen(socket(AF_INET, SOCK_STREAM, 0), 1) == 0);
	udp = inet(SOCK_DGRAM, "127.0.0.1", 10, &a);
	must(connect(udp, (struct sockaddr *)&a, sizeof(a)) == 0);
	send(udp, "x", 1, 0); /* to whom it is connected: nothing new */
	other = inet(SOCK_DGRAM, "127.0.0.2", 11, &a);
	sendto(other, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	sendto(socket(AF_INET6, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&six, sizeof(six));
	m[1] = m[0];
	inet_pton(AF_INET, "127.0.0.3", &a.sin_addr);
	b = a;
	b.sin_port = htons(12);
	m[0].msg_hdr.msg_name = &a;
	m[1].msg_hdr.msg_name = &b;
	m[0].msg_hdr.msg_namelen = m[1].msg_hdr.msg_namelen = sizeof(a);
	sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), m, 2, 0);
	a.sin_port = htons(13);
	sendmsg(socket(AF_INET, SOCK_DGRAM, 0), &m[0].msg_hdr, 0);
	sendto(99, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)); /* no descriptor */
	sendto(0, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));  /* no socket */
}

/* Ever new ports at one address. */
static void do_ports(void)
{
	struct sockaddr_in a;
	int fd = inet(SOCK_DGRAM, "127.0.0.1", 0, &a);

	for (uint16_t i = 0; i < 1000; i++) {
		a.sin_port = htons(1000 + i);
		sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	}
}

static void do_unix(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	struct iovec iov = {&a, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &a, .msg_namelen = sizeof(a)};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	     sendto(from, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1);
	memcpy(a.sun_path, "none", 5);
	must(sendto(from, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) < 0);
	memcpy(a.sun_path, "gone", 5);
	must(sendmsg(from, &m, 0) < 0);
}

/* ---------------------------------------------------------------- calls */

static void do_calls(void)
{
	char c;
	int p[2];

	for (int i = 0; i < 3; i++)
		must(getpgid(0) > 0 && umask(022) <= 0777 && sched_yield() == 0 && pipe(p) == 0);
	must(write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1 && close(p[0]) == 0);
}

static void do_calls_child(void)
{
	in_child(do_calls);
}

static const struct {
	const char *name;
	void (*fn)(void);
} acts[] = {
	{"plain", do_plain},
	{"chown", do_chown},
	{"chgrp", do_chgrp},
	{"dac_file", do_dac_file},
	{"dac_write", do_dac_write},
	{"dac_search", do_dac_search},
	{"dac_link", do_dac_link},
	{"dac_list", do_dac_list},
	{"dac_make", do_dac_make},
	{"dac_access", do_dac_access},
	{"dac_chdir", do_dac_chdir},
	{"dac_unix", do_dac_unix},
	{"dac_later", do_dac_later},
	{"fowner", do_fowner},
	{"fowner_fd", do_fowner_fd},
	{"fowner_times", do_fowner_times},
	{"fowner_sticky", do_fowner_sticky},
	{"fsetid", do_fsetid},
	{"mknod", do_mknod},
	{"setfcap", do_setfcap},
	{"chroot", do_chroot},
	{"setuid", do_setuid},
	{"setgid", do_setgid},
	{"setgroups", do_setgroups},
	{"dropped", do_dropped},
	{"threads_differ", do_threads_differ},
	{"setpcap", do_setpcap},
	{"kill_own", do_kill_own},
	{"kill_other", do_kill_other},
	{"speak", do_speak},
	{"port", do_port},
	{"raw", do_raw},
	{"packet", do_packet},
	{"net", do_net},
	{"ports", do_ports},
	{"unix", do_unix},
	{"calls", do_calls},
	{"calls_child", do_calls_child},
};

int observer_cap_act(const char *name)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(acts); i++)
		if (strcmp(acts[i].name, name) == 0) {
			acts[i].fn();
			return 0;
		}
	return 98;
}
