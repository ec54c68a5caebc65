/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as somebody hands it to --profile-in, and a lock: read and written again, the same twice, or refused with one line. */
#include "harden/harden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written as it is, and merging it with itself changes nothing more. */
static void again(const json_t *doc)
{
	const json_t *const twice[] = {doc, doc};
	WH_AUTO_BUF struct wh_buf first = WH_BUF_INIT, second = WH_BUF_INIT;
	WH_AUTO_JSON json_t *one = NULL;
	WH_AUTO_JSON json_t *two = NULL;
	const json_t *both[2];

	if (wh_document_merge(twice, 2, &one, NULL) < 0)
		return;
	both[0] = both[1] = one;
	if (wh_document_merge(both, 2, &two, NULL) < 0)
		abort();
	wh_document_dump(one, &first);
	wh_document_dump(two, &second);
	if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0)
		abort();
}

static void need(const json_t *doc)
{
	WH_AUTO_JSON json_t *profile = NULL;
	struct wh_needs needs = {0}, back = {0};
	const json_t *all[1];

	if (wh_document_profile(doc, &profile, NULL) < 0)
		abort();
	all[0] = profile;
	if (wh_needs_make(all, 1, NULL, &needs, NULL) == 0) {
		WH_AUTO_JSON json_t *j = wh_needs_json(&needs);
		WH_AUTO_FREE const struct wh_need **fresh = NULL;
		size_t n;

		if (wh_needs_of_json(j, "needs", &back, NULL) < 0)
			abort();
		fresh = wh_needs_without(&needs, &back, &n);
		if (n)
			abort();
	}
	wh_needs_release(&needs);
	wh_needs_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_ERR struct wh_err *err = NULL, *other = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_JSON json_t *lock = NULL;

	if (size > 65536)
		return 0;
	if (wh_document_read((const char *)data, size, "input", &doc, &err) == 0) {
		again(doc);
		need(doc);
	} else if (!err || strchr(err->msg, '\n')) {
		abort();
	}
	if (wh_profile_lock_read((const char *)data, size, "input", &lock, &other) == 0) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		wh_profile_lock_dump(lock, &text);
		if (!wh_buf_ok(&text))
			abort();
	} else if (!other || strchr(other->msg, '\n')) {
		abort();
	}
	return 0;
}
