/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/xattr.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>

bool wh_xattr_keep(const char *name)
{
	if (strcmp(name, "security.capability") == 0)
		return true;
	return wh_has_prefix(name, "user.") && name[5] && !wh_has_prefix(name, "user.overlay.") &&
	       !wh_has_prefix(name, "user.fuseoverlayfs.");
}

int wh_cap_normalize(const void *p, size_t n, uint8_t out[WH_CAP_MAX], size_t *ret_n)
{
	const uint8_t *b = p;
	uint32_t magic, words[4] = {0};
	size_t pairs;

	if (n < sizeof(magic))
		return -EINVAL;
	memcpy(&magic, b, sizeof(magic));
	magic = le32toh(magic);
	switch (magic & VFS_CAP_REVISION_MASK) {
	case VFS_CAP_REVISION_1:
		pairs = 1;
		if (n != XATTR_CAPS_SZ_1)
			return -EINVAL;
		break;
	case VFS_CAP_REVISION_2:
		pairs = 2;
		if (n != XATTR_CAPS_SZ_2)
			return -EINVAL;
		break;
	case VFS_CAP_REVISION_3:
		pairs = 2;
		if (n != XATTR_CAPS_SZ_3)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	memcpy(words, b + sizeof(magic), pairs * 2 * sizeof(uint32_t));
	magic = htole32(VFS_CAP_REVISION_2 | (magic & VFS_CAP_FLAGS_EFFECTIVE));
	memcpy(out, &magic, sizeof(magic));
	memcpy(out + sizeof(magic), words, sizeof(words));
	*ret_n = XATTR_CAPS_SZ_2;
	return 0;
}
