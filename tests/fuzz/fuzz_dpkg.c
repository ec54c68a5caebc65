/* SPDX-License-Identifier: Apache-2.0 */
/* dpkg's records as an image brings them: read or refused with one line; spans stay inside the text; what was read can
 * be written and reads the same again. */
#include "harden/packages_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t look(const struct wh_dpkg *d, struct wh_str text, struct wh_buf *out)
{
	size_t sum = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct wh_dpkg_record *r = &d->v[i];
		const struct wh_str spans[] = {r->raw,     r->source,      r->maintainer, r->homepage,
					       r->depends, r->pre_depends, r->provides,   r->conffiles};

		if (strchr(r->name, '/') || strchr(r->arch, '/') || strchr(r->version, '/') ||
		    (r->installed && !*r->version))
			abort();
		for (size_t k = 0; k < WH_ARRAY_SIZE(spans); k++) {
			if (!spans[k].n)
				continue;
			if (spans[k].p < text.p || spans[k].p + spans[k].n > text.p + text.n)
				abort();
			for (size_t n = 0; n < spans[k].n; n++)
				sum += (unsigned char)spans[k].p[n];
		}
		wh_buf_addstr(out, r->raw);
		wh_buf_adds(out, "\n\n");
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct wh_dpkg d = {0}, again = {0};
	char *copy = wh_memdup(data, size ? size : 1); /* its own block, so that a sanitizer knows the end */
	size_t sum = 0;

	if (wh_dpkg_parse(&d, copy, size, "status", size & 1, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
	} else {
		sum = look(&d, (struct wh_str){copy, size}, &out);
		if (wh_dpkg_parse(&again, wh_memdup(out.p ? out.p : "", out.n + 1), out.n, "status", size & 1, &err) <
			    0 ||
		    again.n != d.n)
			abort();
		for (size_t i = 0; i < d.n; i++)
			if (!wh_streq(d.v[i].name, again.v[i].name) || d.v[i].installed != again.v[i].installed)
				abort();
	}
	wh_dpkg_release(&d);
	wh_dpkg_release(&again);
	return sum == SIZE_MAX; /* so that nothing is optimised away */
}
