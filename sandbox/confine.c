/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is held to beyond what every step is (struct wh_confine). Each part is applied as late as it can be, so that what a step's
 * own process does to set itself up needs no place in anybody's list:
 *
 *   root          read-only once the working directory is made
 *   Landlock      when all is mounted, while CAP_SYS_ADMIN is there; before the observer begins, who would be asked about every rule
 *   capabilities  the bounding set as that of any step; the others fall with the exec
 *   filter        when the program is found, right before it is executed. Without no_new_privs it takes CAP_SYS_ADMIN, which
 *                 is kept up to there: the exec takes away whatever the bounding set lacks from root, and everything from others. So the list
 *                 needs execve alone of what is ours
 */
#include "sandbox/seccomp.h"
#include "sandbox/step.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MAX_PROGRAM 4096 /* BPF_MAXINSNS */

/* Of later kernels' headers. */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define RULE_NET_PORT 2
struct ruleset_abi4 {
	uint64_t handled_access_fs, handled_access_net;
};
struct net_port {
	uint64_t allowed_access, port;
};

#define OF_FILES                                                                                                 \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | \
	 FS_IOCTL_DEV)

struct word {
	const char *word;
	uint64_t access;
	int abi;
};
static const struct word fs_words[] = {
	{"execute", LANDLOCK_ACCESS_FS_EXECUTE, 1},         {"write_file", LANDLOCK_ACCESS_FS_WRITE_FILE, 1},
	{"read_file", LANDLOCK_ACCESS_FS_READ_FILE, 1},     {"read_dir", LANDLOCK_ACCESS_FS_READ_DIR, 1},
	{"remove_dir", LANDLOCK_ACCESS_FS_REMOVE_DIR, 1},   {"remove_file", LANDLOCK_ACCESS_FS_REMOVE_FILE, 1},
	{"make_char", LANDLOCK_ACCESS_FS_MAKE_CHAR, 1},     {"make_dir", LANDLOCK_ACCESS_FS_MAKE_DIR, 1},
	{"make_reg", LANDLOCK_ACCESS_FS_MAKE_REG, 1},       {"make_sock", LANDLOCK_ACCESS_FS_MAKE_SOCK, 1},
	{"make_fifo", LANDLOCK_ACCESS_FS_MAKE_FIFO, 1},     {"make_block", LANDLOCK_ACCESS_FS_MAKE_BLOCK, 1},
	{"make_sym", LANDLOCK_ACCESS_FS_MAKE_SYM, 1},       {"refer", LANDLOCK_ACCESS_FS_REFER, 2},
	{"truncate", FS_TRUNCATE, 3},                       {"ioctl_dev", FS_IOCTL_DEV, 5},
};
static const struct word net_words[] = {{"bind_tcp", NET_BIND_TCP, 4}, {"connect_tcp", NET_CONNECT_TCP, 4}};

static uint64_t access_of(const struct word *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (wh_streq(words[i].word, word))
			return words[i].access;
	return 0;
}

uint64_t wh_landlock_fs_access(const char *word)
{
	return access_of(fs_words, WH_ARRAY_SIZE(fs_words), word);
}

uint64_t wh_landlock_net_access(const char *word)
{
	return access_of(net_words, WH_ARRAY_SIZE(net_words), word);
}

static uint64_t known(const struct word *words, size_t n, long abi)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		if (words[i].abi <= abi)
			all |= words[i].access;
	return all;
}

/* ---------------------------------------------------------------- beforehand */

struct wh_confined {
	bool no_new_privs;
	struct sock_filter program[MAX_PROGRAM];
	struct sock_fprog prog; /* len 0: none */
};

static long landlock_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int compile(const struct wh_confine *c, struct wh_confined *ret, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_seccomp_build_list(c->syscalls, c->absent, c->second_arch, err);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, ret->program, sizeof(ret->program), 0);
	if (n <= 0 || (size_t)n >= sizeof(ret->program) || n % (ssize_t)sizeof(ret->program[0]))
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, E2BIG, "the filter of allowed system calls is too large for the kernel");
	ret->prog = (struct sock_fprog){.len = (unsigned short)((size_t)n / sizeof(ret->program[0])), .filter = ret->program};
	return 0;
}

int wh_confine_prepare(const struct wh_confine *c, bool chroot, struct wh_arena *a, struct wh_confined **ret, struct wh_err **err)
{
	struct wh_confined *x;

	*ret = NULL;
	if (!c)
		return 0;
	if (chroot && c->readonly_root)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, ENOTSUP,
				  "a read-only root takes mounts, which this container does not allow");
	if (c->landlock && landlock_abi() < 1)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, ENOTSUP,
				  "this kernel has no Landlock (Linux 5.13, and landlock among its lsm=)");
	if (!c->no_new_privs && (c->syscalls || c->landlock) && !wh_caps_has(CAP_SYS_ADMIN))
		return wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM,
				  "without no_new_privs, limits on system calls or files take CAP_SYS_ADMIN, which this container has not");
	x = wh_arena_alloc(a, sizeof(*x));
	memset(x, 0, sizeof(*x));
	x->no_new_privs = c->no_new_privs;
	*ret = x;
	return c->syscalls ? compile(c, x, err) : 0;
}

uint64_t wh_confine_caps(const struct wh_confine *c, uint64_t mask)
{
	uint64_t keep = 0;

	if (!c || !c->limit_capabilities)
		return mask;
	for (const char *const *name = c->capabilities; name && *name; name++) {
		int n = wh_capability_number(*name);

		if (n >= 0)
			keep |= (uint64_t)1 << n;
	}
	return keep;
}

bool wh_confine_needs_admin(const struct wh_confine *c)
{
	return c && c->syscalls && !c->no_new_privs;
}

/* ---------------------------------------------------------------- in order */

int wh_confine_root(const struct wh_confine *c, int root, struct wh_err **err)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	if (!c || !c->readonly_root)
		return 0;
	if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make the root read-only");
	return 0;
}

static int add_rule(int set, const struct wh_landlock_rule *rule, uint64_t handled, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, rule->path, O_PATH | O_CLOEXEC, 0);
	struct landlock_path_beneath_attr beneath = {.allowed_access = rule->access & handled, .parent_fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		beneath.allowed_access &= OF_FILES;
	if (beneath.allowed_access && syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "allow %s by Landlock", rule->path);
	return 0;
}

static int add_port(int set, const struct wh_landlock_port *rule, uint64_t handled, struct wh_err **err)
{
	struct net_port port = {.allowed_access = rule->access & handled, .port = rule->port};

	if (port.allowed_access && syscall(SYS_landlock_add_rule, set, RULE_NET_PORT, &port, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "allow port %u by Landlock", rule->port);
	return 0;
}

int wh_confine_files(const struct wh_confine *c, struct wh_err **err)
{
	struct ruleset_abi4 attr = {0};
	WH_AUTO_FD int set = -1;
	long abi;
	int r = 0;

	if (!c || !c->landlock)
		return 0;
	abi = landlock_abi();
	attr.handled_access_fs = known(fs_words, WH_ARRAY_SIZE(fs_words), abi);
	attr.handled_access_net = known(net_words, WH_ARRAY_SIZE(net_words), abi) & c->net;
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, abi < 4 ? sizeof(attr.handled_access_fs) : sizeof(attr), 0);
	if (set < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "begin Landlock's rules");
	for (size_t i = 0; r == 0 && i < c->n_rules; i++)
		r = add_rule(set, &c->rules[i], attr.handled_access_fs, err);
	for (size_t i = 0; r == 0 && i < c->n_ports; i++)
		r = add_port(set, &c->ports[i], attr.handled_access_net, err);
	if (r == 0 && c->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "set no_new_privs");
	if (r == 0 && syscall(SYS_landlock_restrict_self, set, 0) < 0)
		r = wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "restrict files by Landlock");
	return r;
}

int wh_confine_last(const struct wh_confined *c, struct wh_err **err)
{
	if (c->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "set no_new_privs");
	/* The raw call, as in seccomp.c. */
	if (c->prog.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->prog) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "load the filter of allowed system calls");
	return 0;
}
