/* SPDX-License-Identifier: Apache-2.0 */
/* Package URLs (github.com/package-url/purl-spec): deb, pypi, npm. */
#include "evidence/evidence.h"

/* Percent-encodes all but letters, digits, ".-_~" and the colon. */
static void add_encoded(struct wh_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (plain || (c && strchr(".-_~:", c)))
			wh_buf_addc(b, (char)c);
		else
			wh_buf_addf(b, "%%%02X", c);
	}
}

static void add_lower(struct wh_buf *b, const char *s, bool dashes)
{
	for (; *s; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;

		c = dashes && c == '_' ? '-' : c;
		add_encoded(b, &c, 1);
	}
}

static void add_deb(struct wh_buf *b, const struct wh_package *p, const struct wh_packages *all)
{
	char sep = '?';

	wh_buf_adds(b, "pkg:deb/");
	add_lower(b, all->distro_id ? all->distro_id : "debian", false);
	wh_buf_addc(b, '/');
	add_lower(b, p->name, false);
	wh_buf_addc(b, '@');
	add_encoded(b, p->version, strlen(p->version));
	if (p->arch) {
		wh_buf_addf(b, "%carch=", sep);
		add_encoded(b, p->arch, strlen(p->arch));
		sep = '&';
	}
	if (all->distro_id) {
		wh_buf_addf(b, "%cdistro=", sep);
		add_encoded(b, all->distro_id, strlen(all->distro_id));
		if (all->distro_version) {
			wh_buf_addc(b, '-');
			add_encoded(b, all->distro_version, strlen(all->distro_version));
		}
		sep = '&';
	}
	if (p->source && !wh_streq(p->source, p->name)) {
		wh_buf_addf(b, "%cupstream=", sep);
		add_encoded(b, p->source, strlen(p->source));
	}
}

char *wh_package_purl(const struct wh_package *p, const struct wh_packages *all)
{
	struct wh_buf b = WH_BUF_INIT;
	const char *slash;

	switch (p->kind) {
	case WH_PKG_DEB:
		add_deb(&b, p, all);
		break;
	case WH_PKG_PYPI:
		wh_buf_adds(&b, "pkg:pypi/");
		add_lower(&b, p->name, true);
		wh_buf_addc(&b, '@');
		add_encoded(&b, p->version, strlen(p->version));
		break;
	case WH_PKG_NPM:
		/* Old names with capitals are other packages than those without: they stay as they are. */
		wh_buf_adds(&b, "pkg:npm/");
		slash = p->name[0] == '@' ? strchr(p->name, '/') : NULL;
		if (slash) {
			add_encoded(&b, p->name, (size_t)(slash - p->name));
			wh_buf_addc(&b, '/');
		}
		add_encoded(&b, slash ? slash + 1 : p->name, strlen(slash ? slash + 1 : p->name));
		wh_buf_addc(&b, '@');
		add_encoded(&b, p->version, strlen(p->version));
		break;
	}
	return wh_buf_take(&b);
}
