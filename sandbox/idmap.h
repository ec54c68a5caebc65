/* SPDX-License-Identifier: Apache-2.0 */
/* Id maps of the user namespace: who may map what, and writing it. */
#ifndef WH_SANDBOX_IDMAP_H
#define WH_SANDBOX_IDMAP_H

#include "base/base.h"

#define WH_ID_WANTED 65536U

struct wh_id_extent {
	uint32_t inside, outside, count;
};
struct wh_id_map {
	struct wh_id_extent *v;
	size_t n, cap;
};
void wh_id_map_release(struct wh_id_map *m);
#define WH_AUTO_ID_MAP WH_CLEANUP(wh_id_map_release)
uint32_t wh_id_map_total(const struct wh_id_map *m);

/* For an ordinary user: inside 0 → id, inside 1… → the ranges that a subuid(5) text gives to the name or the uid, up to
 * WH_ID_WANTED ids in all. Malformed lines, and ranges that hold id itself or an id mapped already, are skipped. */
void wh_id_map_from_subid(struct wh_str text, const char *name, uint32_t uid, uint32_t id, struct wh_id_map *ret);
/* For root: every id below WH_ID_WANTED that the current map (the text of /proc/self/uid_map) has, as it is, cut
 * where the current map has its seams, since the kernel wants each extent within one of the parent's. */
void wh_id_map_identity(struct wh_str current, struct wh_id_map *ret);

/* The first id above all ranges that a subuid(5) text hands out; at least 100000; 0: there is none left. */
uint32_t wh_subid_first_free(struct wh_str text);

/* Before the user namespace is made, in which there is no way back: may root map its own id? Since Linux 5.12 that takes
 * CAP_SETFCAP. Who is not root always may. */
int wh_id_map_possible(struct wh_err **err);
/* Writes both maps of a process that has just unshared its user namespace, from outside of it: directly as root,
 * else with newuidmap and newgidmap, and where these cannot, of the own id alone. *ret_count: ids that are mapped both
 * as uid and as gid; when it is below WH_ID_WANTED, *few says why, with the smallest mend as hint. Errors are
 * WH_ERR_ENV with a hint. */
int wh_id_map_apply(pid_t pid, uint32_t *ret_count, struct wh_err **few, struct wh_err **err);

#endif
