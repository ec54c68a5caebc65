/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bill of materials: SPDX 2.3 as JSON (spdx.github.io/spdx-spec/v2.3), with NTIA's minimum elements.
 *
 * Equal packages and equal subject give equal bytes: no clock, no random name. What is not known is NOASSERTION, as the
 * specification wants it. Package URLs: purl.c.
 */
#include "evidence/evidence.h"
#include "evidence/sbom_private.h"

#include <ctype.h>
#include <errno.h>
#include <time.h>

#define NAMESPACE "https://whittle.dev/spdx/"
#define IMAGE_ID "SPDXRef-Image"
#define DOCUMENT_ID "SPDXRef-DOCUMENT"

/* The one form of time that SPDX has (clause 6.9): whole seconds, UTC. NULL: s is no RFC 3339 time. */
char *wh_spdx_time(const char *s)
{
	struct tm tm = {0};
	int year, month, n = 0, oh = 0, om = 0;
	char sign;
	time_t t;

	if (!s ||
	    sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
		   &n) != 6 ||
	    n != 19)
		return NULL;
	if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || year < 1 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return NULL;
	s += n;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789");
	if (sscanf(s, "%c%2d:%2d%n", &sign, &oh, &om, &n) == 3 && (sign == '+' || sign == '-') && n == 6 && !s[6])
		om += oh * 60;
	else if (strcmp(s, "Z") != 0)
		return NULL;
	else
		sign = '+', om = 0;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	t = timegm(&tm) - (time_t)om * (sign == '-' ? -60 : 60);
	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900)
		return NULL;
	return wh_asprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			   tm.tm_min, tm.tm_sec);
}

/* ---------------------------------------------------------------- people */

/* SPDX wants to know whether a supplier is a person; Debian's maintainers are one or the other, and say so only by
 * their names and mailing lists. */
static bool is_group(const char *name, const char *mail)
{
	static const char *const words[] = {"team",         "maintainers", "developers", "group",      "project",
					    "debian",       "ubuntu",      "packagers",  "foundation", "inc.",
					    "contributors", "authors",     "authority"};
	static const char *const hosts[] = {"@lists.", "@packages.", "@tracker.", "@alioth-lists."};

	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	for (size_t i = 0; mail && i < WH_ARRAY_SIZE(hosts); i++)
		if (strcasestr(mail, hosts[i]))
			return true;
	return false;
}

/* "Name <mail>" as "Person: Name (mail)" or "Organization: …" (clause 7.5). */
char *wh_spdx_agent(const char *who)
{
	const char *open = who ? strchr(who, '<') : NULL, *close = open ? strchr(open, '>') : NULL;
	WH_AUTO_FREE char *name = NULL, *mail = NULL;
	struct wh_str s;

	if (!who)
		return wh_strdup("NOASSERTION");
	s = wh_str_trim((struct wh_str){who, open ? (size_t)(open - who) : strlen(who)});
	name = wh_strndup(s.n ? s.p : "", s.n);
	if (close)
		mail = wh_strndup(open + 1, (size_t)(close - open - 1));
	else if (strchr(name, '@') && !strchr(name, ' '))
		mail = wh_strdup(name), *name = '\0';
	for (char *c = name; *c; c++) /* parentheses hold the address */
		*c = *c == '(' ? '[' : *c == ')' ? ']' : *c;
	if (!*name && !mail)
		return wh_strdup("NOASSERTION");
	return wh_asprintf("%s: %s%s%s%s", is_group(name, mail) ? "Organization" : "Person", *name ? name : mail,
			   mail && *name ? " (" : "", mail && *name ? mail : "", mail && *name ? ")" : "");
}

/* ---------------------------------------------------------------- packages */

/* json_object_set_new() with text; text that is no UTF-8 is an error at the end. */
static void set(json_t *o, const char *key, const char *value, bool *bad)
{
	*bad |= json_object_set_new(o, key, json_string(value)) < 0;
}

static void set_take(json_t *o, const char *key, char *value, bool *bad)
{
	set(o, key, value, bad);
	free(value);
}

static const char *kind_name(enum wh_package_kind k)
{
	switch (k) {
	case WH_PKG_DEB:
		return "deb";
	case WH_PKG_PYPI:
		return "pypi";
	case WH_PKG_NPM:
		return "npm";
	}
	return "package";
}

/* "SPDXRef-deb-libc6-0123456789abcdef": readable, and different for whatever differs (clause 7.2: letters, digits, "."
 * and "-"). */
static char *package_id(const struct wh_package *p)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT, out = WH_BUF_INIT;
	struct wh_digest d;
	char hex[65];

	wh_buf_lstr(&key, p->name);
	wh_buf_lstr(&key, p->version);
	wh_buf_lstr(&key, p->arch);
	wh_buf_lstr(&key, p->record);
	wh_digest_of(key.p, key.n, &d);
	wh_buf_addf(&out, "SPDXRef-%s-", kind_name(p->kind));
	for (const char *c = p->name; *c; c++)
		wh_buf_addc(&out, isalnum((unsigned char)*c) || *c == '.' ? *c : '-');
	wh_buf_addf(&out, "-%.16s", wh_digest_hex(&d, hex));
	return wh_buf_take(&out);
}

static json_t *external_ref(char *purl, bool *bad)
{
	json_t *refs = json_array(), *ref = json_object();

	set(ref, "referenceCategory", "PACKAGE-MANAGER", bad);
	set(ref, "referenceType", "purl", bad);
	set_take(ref, "referenceLocator", purl, bad);
	json_array_append_new(refs, ref);
	return refs;
}

/* What every package has to say, known or not. */
static json_t *new_package(const char *id, const char *name, bool *bad)
{
	json_t *o = json_object();

	set(o, "SPDXID", id, bad);
	set(o, "name", name, bad);
	set(o, "downloadLocation", "NOASSERTION", bad);
	set(o, "licenseConcluded", "NOASSERTION", bad);
	set(o, "licenseDeclared", "NOASSERTION", bad);
	set(o, "copyrightText", "NOASSERTION", bad);
	json_object_set_new(o, "filesAnalyzed", json_false());
	return o;
}

static bool is_uri(const char *s)
{
	if (!wh_has_prefix(s, "http://") && !wh_has_prefix(s, "https://"))
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("<>\"{}|\\^`", *s))
			return false;
	return true;
}

static json_t *package_of(const struct wh_package *p, const struct wh_packages *all, const char *id, bool *bad)
{
	json_t *o = new_package(id, p->name, bad);

	set(o, "versionInfo", p->version, bad);
	set_take(o, "supplier", wh_spdx_agent(p->maintainer), bad);
	if (p->license && wh_spdx_is_expression(p->license))
		set(o, "licenseDeclared", p->license, bad);
	else if (p->license)
		set_take(o, "licenseComments", wh_asprintf("the package's metadata says: %s", p->license), bad);
	if (p->homepage && is_uri(p->homepage))
		set(o, "homepage", p->homepage, bad);
	if (p->kind == WH_PKG_DEB)
		set_take(o, "sourceInfo",
			 wh_asprintf("source package %s %s; recorded in /%s", p->source, p->source_version, p->record),
			 bad);
	else
		set_take(o, "sourceInfo", wh_asprintf("recorded in /%s", p->record), bad);
	json_object_set_new(o, "externalRefs", external_ref(wh_package_purl(p, all), bad));
	return o;
}

/* "registry/path/name:tag" as pkg:oci/name@sha256%3A…?repository_url=registry/path/name&tag=tag; NULL: no name of an
 * image. */
static char *image_purl(const struct wh_sbom_subject *s)
{
	const char *base = wh_path_base(s->name), *tag = strchr(base, ':');
	char text[WH_DIGEST_TEXT];
	struct wh_buf b = WH_BUF_INIT;

	for (const char *c = s->name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-/:", *c))
			return NULL;
	if (!*base || base == tag || wh_streq(s->name, "image")) /* that stands for no name */
		return NULL;
	wh_buf_adds(&b, "pkg:oci/");
	for (const char *c = base; *c && c != tag; c++)
		wh_buf_addc(&b, (char)tolower((unsigned char)*c));
	wh_buf_addf(&b, "@sha256%%3A%s", strchr(wh_digest_text(&s->digest, text), ':') + 1);
	if (base != s->name)
		wh_buf_addf(&b, "?repository_url=%.*s", (int)(tag ? (size_t)(tag - s->name) : strlen(s->name)),
			    s->name);
	if (tag && tag[1])
		wh_buf_addf(&b, "%ctag=%s", base != s->name ? '&' : '?', tag + 1);
	return wh_buf_take(&b);
}

static json_t *image_of(const struct wh_packages *p, const struct wh_sbom_subject *s, bool *bad)
{
	json_t *o = new_package(IMAGE_ID, s->name, bad), *sums, *sum;
	char text[WH_DIGEST_TEXT], hex[65];
	char *purl;

	set(o, "primaryPackagePurpose", "CONTAINER", bad);
	set(o, "supplier", "NOASSERTION", bad);
	if (p->distro_name || p->distro_id)
		set_take(o, "comment", wh_asprintf("distribution: %s", p->distro_name ? p->distro_name : p->distro_id),
			 bad);
	if (wh_digest_is_zero(&s->digest))
		return o;
	set(o, "versionInfo", wh_digest_text(&s->digest, text), bad);
	sums = json_array();
	sum = json_object();
	set(sum, "algorithm", "SHA256", bad);
	set(sum, "checksumValue", wh_digest_hex(&s->digest, hex), bad);
	json_array_append_new(sums, sum);
	json_object_set_new(o, "checksums", sums);
	purl = image_purl(s);
	if (purl)
		json_object_set_new(o, "externalRefs", external_ref(purl, bad));
	return o;
}

/* ---------------------------------------------------------------- relationships */

static void relate(json_t *list, const char *a, const char *type, const char *b, bool *bad)
{
	json_t *o = json_object();

	set(o, "spdxElementId", a, bad);
	set(o, "relationshipType", type, bad);
	set(o, "relatedSpdxElement", b, bad);
	json_array_append_new(list, o);
}

/* The package of that name: of the same architecture, of all, or the first. Debs come first, by name. n: none. */
static size_t find_deb(const struct wh_packages *p, const char *name, const char *arch)
{
	size_t lo = 0, hi = p->n, best = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->v[mid].kind == WH_PKG_DEB && strcmp(p->v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i < p->n && p->v[i].kind == WH_PKG_DEB && wh_streq(p->v[i].name, name); i++) {
		if (best == p->n || wh_streq(p->v[i].arch, "all"))
			best = i;
		if (wh_streq(p->v[i].arch, arch))
			return i;
	}
	return best;
}

static json_t *relationships(const struct wh_packages *p, char **ids, bool *bad)
{
	json_t *list = json_array();

	relate(list, DOCUMENT_ID, "DESCRIBES", IMAGE_ID, bad);
	for (size_t i = 0; i < p->n; i++)
		relate(list, IMAGE_ID, "CONTAINS", ids[i], bad);
	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; p->v[i].kind == WH_PKG_DEB && k < p->v[i].depends.n; k++) {
			size_t other = find_deb(p, p->v[i].depends.v[k], p->v[i].arch);

			if (other < p->n && other != i)
				relate(list, ids[i], "DEPENDS_ON", ids[other], bad);
		}
	}
	return list;
}

/* ---------------------------------------------------------------- the document */

static void set_namespace(json_t *doc, bool *bad)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_digest d;
	char hex[65];

	/* Unique for a content, and the same for the same one (clause 6.5). */
	wh_json_dump(doc, &text);
	*bad |= !wh_buf_ok(&text);
	wh_digest_of(text.p, text.n, &d);
	set_take(doc, "documentNamespace", wh_asprintf(NAMESPACE "%s", wh_digest_hex(&d, hex)), bad);
}

int wh_sbom_spdx(const struct wh_packages *p, const struct wh_sbom_subject *s, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = json_object();
	WH_AUTO_FREE char *created = wh_spdx_time(s->created ? s->created : "1970-01-01T00:00:00Z");
	json_t *info = json_object(), *packages = json_array();
	char **ids = wh_calloc(p->n + 1, sizeof(*ids));
	bool bad = false;

	set(info, "created", created ? created : "1970-01-01T00:00:00Z", &bad);
	set(info, "comment",
	    "Lists packages of dpkg, of Python and of Node.js, as their own records in the image tell of them. "
	    "Software of other kinds was not looked for.",
	    &bad);
	json_object_set_new(info, "creators", json_pack("[s]", "Tool: whittle-" PACKAGE_VERSION));
	set(doc, "spdxVersion", "SPDX-2.3", &bad);
	set(doc, "dataLicense", "CC0-1.0", &bad);
	set(doc, "SPDXID", DOCUMENT_ID, &bad);
	set(doc, "name", s->name, &bad);
	json_object_set_new(doc, "creationInfo", info);
	json_array_append_new(packages, image_of(p, s, &bad));
	for (size_t i = 0; i < p->n; i++) {
		ids[i] = package_id(&p->v[i]);
		json_array_append_new(packages, package_of(&p->v[i], p, ids[i], &bad));
	}
	json_object_set_new(doc, "packages", packages);
	json_object_set_new(doc, "relationships", relationships(p, ids, &bad));
	set_namespace(doc, &bad);
	for (size_t i = 0; i < p->n; i++)
		free(ids[i]);
	free(ids);
	if (bad)
		return wh_err_set(err, "evidence", WH_ERR_BUILD, EILSEQ, "SBOM of %s: text that is not UTF-8", s->name);
	*ret = WH_TAKE_PTR(doc);
	return 0;
}
