/* SPDX-License-Identifier: Apache-2.0 */
/* A registries.conf: what comes out of it are hosts and paths that may stand in an URL. */
#include "layers/registry_private.h"
#include "layers/registry_toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct wh_reg_endpoints *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].domain[0] || strpbrk(l->v[i].domain, "/?#@% \r\n") || !l->v[i].path[0] || strstr(l->v[i].path, "..") ||
		    strpbrk(l->v[i].path, "?#@% \r\n"))
			abort();
	if (l->n == 0 || l->v[l->n - 1].mirror)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const domains[] = {"docker.io", "r.example", "a.r.example:5000"};
	struct wh_reg_hosts *h = wh_reg_hosts_new();
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = wh_reg_hosts_add_conf(h, (const char *)data, size, "f", &err);

	if ((r < 0) != (err != NULL))
		abort();
	for (size_t i = 0; i < WH_ARRAY_SIZE(domains) && r == 0; i++) {
		struct wh_reg_endpoints l;

		if (wh_reg_hosts_endpoints(h, domains[i], "a/b", i == 1, i == 2, &l, NULL) < 0)
			continue;
		check(&l);
		wh_reg_endpoints_release(&l);
	}
	wh_reg_hosts_free(h);
	return 0;
}
