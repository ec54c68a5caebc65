/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/step.h"

#include <linux/landlock.h>
#include <sys/syscall.h>

/* Linux 6.12, ABI 6; older headers lack them. */
#define SCOPE_ABSTRACT_UNIX_SOCKET 1ULL
struct ruleset_abi6 {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

bool wh_landlock_scope(void)
{
	struct ruleset_abi6 attr = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	long fd;
	bool done;

	if (abi < 6)
		return false;
	/* No file access is handled: Landlock then forbids neither mounts nor anything else, but for the scope. */
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return false;
	done = syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;
	close((int)fd);
	return done;
}
