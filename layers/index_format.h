/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer index on disk, version 2. One file for each diff id, made by
 * layers/index_builder.c, read by layers/index.c through mmap.
 *
 *	header    struct wh_ix_header
 *	records   in the order in which they were added, each struct wh_ix_record + strings, padded to 8 bytes
 *	table     n × u64: offsets of the records that count, sorted by wh_path_cmp() of their paths
 *	trailer   32 bytes: SHA-256 of all before it
 *
 * All numbers are little-endian. What follows a record's fixed part:
 *
 *	path NUL [link NUL] { u32 name length, u32 value length, name NUL, value }…
 *
 * An entry's parent directory is always there before it (as an implied entry when the tar lacks it), and is a
 * directory. A reader still checks every offset and length: a checksum is no
 * proof against whoever can write to the store.
 */
#ifndef WH_LAYERS_INDEX_FORMAT_H
#define WH_LAYERS_INDEX_FORMAT_H

#include <stdint.h>

#define WH_IX_MAGIC "whittle index\n\0" /* 16 bytes with the final NUL */
#define WH_IX_VERSION 2U
#define WH_IX_TRAILER 32U
#define WH_IX_MAX_STRING 65535U /* path, link, name or value of an xattr */
#define WH_IX_NO_LINK UINT32_MAX
#define WH_IX_OPAQUE 1U /* record flags */
#define WH_IX_IMPLIED 2U
#define WH_IX_SOME_IMPLIED 1U /* header flag: a record that counts has WH_IX_IMPLIED */

struct wh_ix_header {
	char magic[16];
	uint32_t version;
	uint32_t flags;
	uint64_t n;
	uint64_t table; /* offset: a multiple of 8 */
	int64_t newest; /* struct wh_index_info */
	uint8_t diff_id[32];
};

struct wh_ix_record {
	uint32_t len; /* of the whole record with padding */
	uint8_t type; /* enum wh_type */
	uint8_t flags;
	uint16_t n_xattrs;
	uint32_t mode, uid, gid, major, minor;
	uint32_t path_len; /* without NUL */
	int64_t mtime;
	uint64_t size, offset;
	uint8_t digest[32];
	uint32_t link_len;  /* without NUL; WH_IX_NO_LINK: no link */
	uint32_t xattr_len; /* bytes of all xattrs */
};

_Static_assert(sizeof(struct wh_ix_header) == 80, "on-disk format");
_Static_assert(sizeof(struct wh_ix_record) == 96, "on-disk format");

#endif
