/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar entries as bytes. The same entry gives the same bytes for ever: layers
 * are named by their digest. Hence what this file writes may only change
 * together with the golden digests of its tests, and that breaks every cache.
 *
 * - ustar header where name, link, size, ids and time fit and are ASCII; else
 *   a pax extended header (type x) before it that has only what does not fit,
 *   records sorted by keyword. Its own header is constant but for the size.
 * - Owners are numbers; user and group names are empty.
 * - Extended attributes: SCHILY.xattr.NAME, as every extractor of layers reads.
 * - Names that are no UTF-8: hdrcharset=BINARY, then the bytes as they are.
 */
#include "layers/tar_private.h"

#include <errno.h>

#define PAX_NAME "PaxHeaders/entry"
#define NAME_LEN 100U
#define PREFIX_LEN 155U
#define MAX_ID 07777777U        /* 7 octal digits */
#define MAX_NUM 077777777777ULL /* 11 octal digits */

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], type, linkname[100], magic[6],
		version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == WH_TAR_BLOCK, "tar block");

static void octal(char *field, size_t n, uint64_t v)
{
	field[--n] = '\0';
	while (n) {
		field[--n] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

static void put_header(struct wh_buf *out, struct ustar *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += p[i];
	octal(h->chksum, 7, sum); /* six digits, NUL, and the blank that is there */
	wh_buf_add(out, h, sizeof(*h));
}

static void pad_block(struct wh_buf *out)
{
	static const char zeros[WH_TAR_BLOCK];

	wh_buf_add(out, zeros, wh_tar_padding(out->n));
}

/* "LEN key=value\n", where LEN counts itself. */
static void pax_record(struct wh_buf *pax, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, len = rest + 1; /* blank, '=', newline */

	for (size_t was = 0; was != len;) {
		was = len;
		len = rest + (size_t)snprintf(NULL, 0, "%zu", was);
	}
	wh_buf_addf(pax, "%zu %s=", len, key);
	wh_buf_add(pax, value, n);
	wh_buf_addc(pax, '\n');
}

static void pax_text(struct wh_buf *pax, const char *key, const char *value)
{
	pax_record(pax, key, value, strlen(value));
}

static void pax_u64(struct wh_buf *pax, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	pax_text(pax, key, text);
}

static bool is_ascii(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s >= 0x80)
			return false;
	}
	return true;
}

/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		unsigned n = *p < 0x80                 ? 0
			     : *p >= 0xc2 && *p < 0xe0 ? 1
			     : (*p & 0xf0) == 0xe0     ? 2
			     : *p >= 0xf0 && *p < 0xf5 ? 3
						       : 9;

		if (n == 9)
			return false;
		if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
		    (*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; n; n--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

/* Puts the name into name and prefix; false when it has to go into a pax record (the fields then have its
 * beginning). */
static bool ustar_name(struct ustar *h, const char *name)
{
	size_t n = strlen(name), split = 0;

	if (n <= NAME_LEN) {
		memcpy(h->name, name, n);
		return is_ascii(name);
	}
	/* The last slash that leaves a prefix that fits, and a name behind it that does and is not empty. */
	for (size_t i = n - 2 < PREFIX_LEN ? n - 2 : PREFIX_LEN; i > 0; i--) {
		if (name[i] == '/') {
			split = i;
			break;
		}
	}
	if (split && n - split - 1 <= NAME_LEN && is_ascii(name)) {
		memcpy(h->prefix, name, split);
		memcpy(h->name, name + split + 1, n - split - 1);
		return true;
	}
	memcpy(h->name, name, NAME_LEN);
	return false;
}

static bool ustar_link(struct ustar *h, const char *link)
{
	size_t n = strlen(link);

	memcpy(h->linkname, link, n < NAME_LEN ? n : NAME_LEN);
	return n <= NAME_LEN && is_ascii(link);
}

static void ustar_id(char field[8], uint32_t id, struct wh_buf *pax, const char *key)
{
	octal(field, 8, id <= MAX_ID ? id : 0);
	if (id > MAX_ID)
		pax_u64(pax, key, id);
}

/* name: as it stands in the tar. Pax records are made in the order of their keywords ('S' < 'g' < 'h' < 'l' < …). */
static int put_member(struct wh_buf *out, const char *name, char type, const struct wh_entry *e, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf pax = WH_BUF_INIT;
	const char *link = type == '1' || type == '2' ? e->link : "";
	uint64_t size = type == '0' ? e->size : 0;
	struct ustar h = {.type = type}, x = {.name = PAX_NAME, .type = 'x'};
	bool name_fits = ustar_name(&h, name), link_fits = ustar_link(&h, link);

	octal(h.mode, sizeof(h.mode), e->mode & 07777);
	octal(h.size, sizeof(h.size), size <= MAX_NUM ? size : 0);
	octal(h.mtime, sizeof(h.mtime), e->mtime >= 0 && (uint64_t)e->mtime <= MAX_NUM ? (uint64_t)e->mtime : 0);
	octal(h.devmajor, sizeof(h.devmajor), type == '3' || type == '4' ? e->major : 0);
	octal(h.devminor, sizeof(h.devminor), type == '3' || type == '4' ? e->minor : 0);

	for (size_t i = 0; type != '1' && i < e->n_xattrs; i++) {
		WH_AUTO_FREE char *key = wh_asprintf("SCHILY.xattr.%s", e->xattrs[i].name);

		if (strchr(key, '='))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EINVAL,
					  "%s: tar has no way to write an extended attribute named %s", e->path,
					  e->xattrs[i].name);
		pax_record(&pax, key, e->xattrs[i].value, e->xattrs[i].len);
	}
	ustar_id(h.gid, e->gid, &pax, "gid");
	if (!is_utf8(name) || !is_utf8(link))
		pax_text(&pax, "hdrcharset", "BINARY");
	if (!link_fits)
		pax_text(&pax, "linkpath", link);
	if (e->mtime < 0 || (uint64_t)e->mtime > MAX_NUM) {
		char text[24];

		snprintf(text, sizeof(text), "%lld", (long long)e->mtime);
		pax_text(&pax, "mtime", text);
	}
	if (!name_fits)
		pax_text(&pax, "path", name);
	if (size > MAX_NUM)
		pax_u64(&pax, "size", size);
	ustar_id(h.uid, e->uid, &pax, "uid");
	if (!wh_buf_ok(&pax))
		return wh_err_set(err, "layers", WH_ERR_BUILD, E2BIG, "%s: extended attributes too big", e->path);

	if (pax.n) {
		octal(x.mode, sizeof(x.mode), 0644);
		octal(x.uid, sizeof(x.uid), 0);
		octal(x.gid, sizeof(x.gid), 0);
		octal(x.size, sizeof(x.size), pax.n);
		octal(x.mtime, sizeof(x.mtime), 0);
		octal(x.devmajor, sizeof(x.devmajor), 0);
		octal(x.devminor, sizeof(x.devminor), 0);
		put_header(out, &x);
		pad_block(&pax);
		wh_buf_add(out, pax.p, pax.n);
	}
	put_header(out, &h);
	return 0;
}

static int type_flag(enum wh_type t)
{
	switch (t) {
	case WH_T_FILE:
	case WH_T_WHITEOUT:
		return '0';
	case WH_T_HARDLINK:
		return '1';
	case WH_T_SYMLINK:
		return '2';
	case WH_T_CHR:
		return '3';
	case WH_T_BLK:
		return '4';
	case WH_T_DIR:
		return '5';
	case WH_T_FIFO:
		return '6';
	}
	return 0;
}

/* Whiteouts have fixed metadata: they say one thing only. */
static int put_whiteout(struct wh_buf *out, const char *dir, size_t dir_len, const char *base, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_asprintf("%.*s.wh.%s", (int)dir_len, dir, base);

	return put_member(out, name, '0', &(struct wh_entry){.path = name}, err);
}

int wh_tar_entry(struct wh_buf *out, const struct wh_entry *e, struct wh_err **err)
{
	const char *base = wh_path_base(e->path);
	WH_AUTO_FREE char *name = NULL;
	int r, type = type_flag(e->type);

	if (wh_has_prefix(base, ".wh.")) {
		r = wh_err_set(err, "layers", WH_ERR_BUILD, EINVAL,
			       "/%s: a name that begins with \".wh.\" cannot be in an image", e->path);
		wh_err_hint(err, "in a layer such a name means that the file was removed; give it another name");
		return r;
	}
	if (!type || ((e->type == WH_T_CHR || e->type == WH_T_BLK) && (e->major > MAX_ID || e->minor > MAX_ID)))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EINVAL, "/%s: a file of a kind that tar cannot hold",
				  e->path);
	if (e->implied && e->type == WH_T_DIR)
		name = NULL;
	else if (e->type == WH_T_WHITEOUT)
		return put_whiteout(out, e->path, (size_t)(base - e->path), base, err);
	else
		name = e->type == WH_T_DIR ? wh_asprintf("%s/", *e->path ? e->path : ".") : wh_strdup(e->path);
	if (name) {
		r = put_member(out, name, (char)type, e, err);
		if (r < 0)
			return r;
	}
	if (e->type == WH_T_DIR && e->opaque) {
		WH_AUTO_FREE char *dir = *e->path ? wh_asprintf("%s/", e->path) : wh_strdup("");

		return put_whiteout(out, dir, strlen(dir), ".wh..opq", err);
	}
	return 0;
}

void wh_tar_end(struct wh_buf *out)
{
	static const char zeros[2 * WH_TAR_BLOCK];

	wh_buf_add(out, zeros, sizeof(zeros));
}
