/* SPDX-License-Identifier: Apache-2.0 */
/* Header values of a registry: what is taken from them can be sent on without becoming another header. */
#include "layers/registry_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size);
	WH_AUTO_FREE char *next = wh_link_next(text);
	WH_AUTO_FREE char *url = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct wh_challenge c = {0};
	uint64_t n;

	wh_challenge_parse(text, &c);
	check(c.realm);
	check(c.service);
	check(c.scope);
	if (c.scheme == WH_AUTH_BEARER && !c.realm)
		abort();
	(void)wh_content_range_start(text, &n);
	(void)wh_upload_range(text, &n);
	url = wh_url_resolve("https://a.example/v2/", next ? next : text);
	if (url && !wh_has_prefix(url, "https:") && !wh_has_prefix(url, "http:"))
		abort();
	if (url)
		(void)wh_url_is_loopback(url);
	wh_reg_error_text((const char *)data, size, &out);
	check(out.p);
	wh_challenge_release(&c);
	return 0;
}
