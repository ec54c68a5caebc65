/* SPDX-License-Identifier: Apache-2.0 */
/* An OSV record: what is taken has names, is the same when read again, and every version gets an answer. */
#include "evidence/vulndb_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct wh_osv_affected *a)
{
	static const char *const versions[] = {"0", "1", "1.0", "1:2.3-4+deb12u1", "2.0rc1", "1.2.3-beta.1",
					       "",  "~", "x"};
	enum wh_version_scheme scheme = wh_version_scheme_of(a->ecosystem);

	if (!a->ecosystem[0] || !a->name || a->severity < WH_SEV_UNKNOWN || a->severity >= WH_N_SEVERITIES)
		abort();
	for (size_t i = 0; i < WH_ARRAY_SIZE(versions); i++) {
		const char *fixed = NULL;
		enum wh_osv_match m = wh_osv_affects(a->spec, scheme, versions[i], &fixed);

		if (fixed && m != WH_OSV_YES)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *j = NULL;
	WH_AUTO_BUF struct wh_buf canonical = WH_BUF_INIT;
	struct wh_osv o, again;

	if (wh_osv_parse((const char *)data, size, "input", &o, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	if (!o.id[0] || !o.ids.n || wh_osv_time_cmp(o.modified, o.modified))
		abort();
	for (size_t i = 0; i < o.n_affected; i++)
		ask(&o.affected[i]);
	if (wh_json_parse((const char *)data, size, "input", &j, NULL) < 0)
		abort();
	wh_json_dump(j, &canonical);
	if (wh_osv_parse(canonical.p, canonical.n, "again", &again, NULL) < 0 ||
	    !wh_digest_eq(&o.digest, &again.digest))
		abort();
	wh_osv_release(&again);
	wh_osv_release(&o);
	return 0;
}
