/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of tar entries: compared with golden digests (they name layers for ever), and read back by other programs. */
#include "layers/tar_private.h"

#include <errno.h>

#include "tests/unit/test.h"

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A100 A50 A50
#define DEEP "d1" A50 "/d2" A50 "/d3" A50

static const struct wh_xattr xattrs[] = {
	{.name = "security.capability", .value = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", .len = 20},
	{.name = "user.note", .value = "two\nlines", .len = 9},
};

static const struct row {
	const char *what;
	struct wh_entry e;
	size_t blocks; /* 512 bytes each */
	const char *digest;
} rows[] = {
	{"plain file",
	 {.path = "bin/sh", .type = WH_T_FILE, .mode = 0755, .mtime = 1000, .size = 5},
	 1,
	 "23911012b0696c0751c9843cb481e95629fc3217fce62dc4cfe5c4ff25fca430"},
	{"setuid file",
	 {.path = "bin/su", .type = WH_T_FILE, .mode = 04755, .mtime = 1000, .uid = 1, .gid = 2},
	 1,
	 "6fb801ead7115df0aad278a859d3a885ccc9858a3ca78dc4d5d01d2f0f699f6c"},
	{"directory",
	 {.path = "bin", .type = WH_T_DIR, .mode = 01777, .mtime = 1000},
	 1,
	 "2b053223b895b92d27f18ee0131cf1785afdf705359df99794624da6e42e1845"},
	{"root",
	 {.path = "", .type = WH_T_DIR, .mode = 0755, .mtime = 0},
	 1,
	 "926d8225e6e24b8f8bc8524d6f27cb5da96b1b8b6788e16274fbd98bc0a25852"},
	{"symlink",
	 {.path = "lib", .type = WH_T_SYMLINK, .mode = 0777, .link = "usr/lib"},
	 1,
	 "c2bc45a232753b1845c6b9d84da26b5969dd9e6e5417669a3a4c0be425dc2f45"},
	{"hard link",
	 {.path = "b", .type = WH_T_HARDLINK, .mode = 0644, .link = "a", .size = 77},
	 1,
	 "e28dca54db9ab509e54ef764e48cf7904d8ac73f8076c910faa70675762de282"},
	{"character device",
	 {.path = "dev/null", .type = WH_T_CHR, .mode = 0666, .major = 1, .minor = 3},
	 1,
	 "cf3350ba8c2fff669dd6f0a48adbfd0f3011c9a7ea4dff6901decadfc67cfe5c"},
	{"block device",
	 {.path = "dev/vdb", .type = WH_T_BLK, .mode = 0660, .major = 254, .minor = 16},
	 1,
	 "e4d9f78fbfb90df40c757767d10cf877be811369d810823a3af708efb712f3ca"},
	{"fifo",
	 {.path = "run/f", .type = WH_T_FIFO, .mode = 0600},
	 1,
	 "2bf64490d727ce0c0e0f1746951129596de05edcfeff070800c40fbb8050d901"},
	{"whiteout",
	 {.path = "etc/gone", .type = WH_T_WHITEOUT, .mode = 0644, .uid = 5, .mtime = 9},
	 1,
	 "816a129f43a9ff21d1d46a2b09a5bc6968d2f6060869d485239d363499e70f28"},
	{"whiteout at the top",
	 {.path = "gone", .type = WH_T_WHITEOUT},
	 1,
	 "1200d666eb49bde85c20ee6327871403878a114c9af40e52c472567354eed9c8"},
	{"opaque directory",
	 {.path = "var", .type = WH_T_DIR, .mode = 0755, .opaque = true},
	 2,
	 "7b836d293bb17fe6f9cb84bd56b443f3d9397a20197bf8983df2343853bb86bc"},
	{"opaque root",
	 {.path = "", .type = WH_T_DIR, .mode = 0755, .opaque = true},
	 2,
	 "2a80ee5835c27d4bed10cbc856b1f6e65f244a46f4bd415a5d6fda11b968c818"},
	{"implied directory",
	 {.path = "var", .type = WH_T_DIR, .mode = 0755, .implied = true},
	 0,
	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"name of 100 bytes",
	 {.path = A100, .type = WH_T_FILE},
	 1,
	 "ec4fa09a1ef7f12bfa06df7104a06962874fba3c402cd0dea1d06d9064be8c86"},
	{"name of 101 bytes without a slash",
	 {.path = A100 "b", .type = WH_T_FILE},
	 3,
	 "b15c38c8a4f68e32fbafe22fa8a8fc0c0aa3c57a6b02f60706a4f92709243012"},
	{"name that ustar splits",
	 {.path = DEEP "/f", .type = WH_T_FILE},
	 1,
	 "0a80cf7226872fe335ee1abb16b97742f835f7382a0666ffa280377eb2682de8"},
	{"directory that ustar splits",
	 {.path = DEEP, .type = WH_T_DIR, .mode = 0755},
	 1,
	 "0714c8b4523d6de668572756345e44f02c7ea0c527b5c0b392e0cbaf91160531"},
	{"name too long to split",
	 {.path = DEEP "/" DEEP, .type = WH_T_FILE},
	 3,
	 "54e5f2157bfbb0b91832da2bcfbf2b89464c1a06c6013c4af3e17c6b58caefd1"},
	{"directory of 156 bytes with its slash",
	 {.path = A50 A50 A50 "12345", .type = WH_T_DIR, .mode = 0755},
	 3,
	 "ba43ac4b5e68f34ceafbce4c3250c86add5bf71ec1283910cc7931c277aa4f97"},
	{"long symlink",
	 {.path = "l", .type = WH_T_SYMLINK, .mode = 0777, .link = A100 "/x"},
	 3,
	 "1fe5825b699fa7b9eb3555ea9ac87f42755e97aff568e60535294c7e9875b3d1"},
	{"long hard link",
	 {.path = "m", .type = WH_T_HARDLINK, .mode = 0644, .link = DEEP "/f"},
	 3,
	 "a005074af6957f508058f917fdc5322fa535eb45feb0f30f117f7d0a84a1b27d"},
	{"UTF-8 name",
	 {.path = "gr\xc3\xbc\xc3\x9f"
		  "e",
	  .type = WH_T_FILE},
	 3,
	 "040ddcc54405551bc679e418802ab8c5d760025edcb5bb1b66c70d8773814191"},
	{"name that is no UTF-8",
	 {.path = "gr\xfc"
		  "n",
	  .type = WH_T_FILE},
	 3,
	 "eb86b30cc69ff6a2741a410278cf0385b1113532c37b2a5c6eab66f0b006395a"},
	{"whiteout of a long name",
	 {.path = A100, .type = WH_T_WHITEOUT},
	 3,
	 "0879c0f3e0e43eb1e4fb25aab4fff6fba9c5232df82b1689576b31d1211c225a"},
	{"8 GiB less one",
	 {.path = "s", .type = WH_T_FILE, .size = 077777777777},
	 1,
	 "9c12719f57e59baf915537cffe6c2cd8e5e730fbaf02539e8685ce5c4b07fed4"},
	{"8 GiB",
	 {.path = "s", .type = WH_T_FILE, .size = 0100000000000},
	 3,
	 "8a6cbb6e5a9b1dbebc1e1c488ceecb13e4f80cde426608f466f6d23a7fa1b80a"},
	{"large ids",
	 {.path = "i", .type = WH_T_FILE, .uid = 2097152, .gid = 4294967294},
	 3,
	 "8d405aeaad9dedb1562bc31100ecb8413810221e770fcc680982744a7d4ef163"},
	{"largest ids of ustar",
	 {.path = "i", .type = WH_T_FILE, .uid = 2097151, .gid = 2097151},
	 1,
	 "5e0985aae25428c0289e19cd12fd6e74aef8d35777cbd6c9f16c01952245fff5"},
	{"before 1970",
	 {.path = "t", .type = WH_T_FILE, .mtime = -1},
	 3,
	 "d10e9c5627cede564e755c9597a3ed5e614f8e6fa9af8d445eaedca36b5741f3"},
	{"far future",
	 {.path = "t", .type = WH_T_FILE, .mtime = INT64_C(99999999999)},
	 3,
	 "cee5c167b2a8d06d395476a3cbabbd07727e51545f462782ac6722e8a9d56a6f"},
	{"xattrs",
	 {.path = "x", .type = WH_T_FILE, .xattrs = xattrs, .n_xattrs = 2},
	 3,
	 "46cbc54cc739dd9b4f1594e859919eac23c35e7820caa9acb8fd284310d76f7a"},
};

static void golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_digest d;
		char hex[65];

		assert_int_equal(wh_tar_entry(&b, &rows[i].e, &err), 0);
		wh_digest_of(b.p ? b.p : "", b.n, &d);
		wh_digest_hex(&d, hex);
		if (b.n != rows[i].blocks * WH_TAR_BLOCK || strcmp(hex, rows[i].digest) != 0)
			fail_msg("row %zu: %s: %zu blocks, %s", i, rows[i].what, b.n / WH_TAR_BLOCK, hex);
	}
}

static void refused(void **state)
{
	static const struct wh_xattr odd = {.name = "user.a=b", .value = "", .len = 0};
	const struct {
		struct wh_entry e;
		const char *names; /* what the message must name */
	} bad[] = {
		{{.path = "etc/.wh.passwd", .type = WH_T_FILE}, "/etc/.wh.passwd"},
		{{.path = ".wh..wh..opq", .type = WH_T_FILE}, "/.wh..wh..opq"},
		{{.path = "a/.wh.d", .type = WH_T_DIR}, "/a/.wh.d"},
		{{.path = "x", .type = WH_T_FILE, .xattrs = &odd, .n_xattrs = 1}, "user.a=b"},
		{{.path = "dev/x", .type = WH_T_CHR, .major = 07777777, .minor = 010000000}, "/dev/x"},
		{{.path = "z", .type = (enum wh_type)'z'}, "/z"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;

		assert_int_equal(wh_tar_entry(&b, &bad[i].e, &err), -EINVAL);
		assert_int_equal(b.n, 0);
		assert_non_null(strstr(err->msg, bad[i].names));
	}
}

/* ---------------------------------------------------------------- other programs */

/* Everything that can be told from outside, in an archive with content. */
static char *write_archive(void)
{
	static const struct wh_entry entries[] = {
		{.path = "", .type = WH_T_DIR, .mode = 0755, .mtime = 5},
		{.path = A100 "b", .type = WH_T_FILE, .mode = 0640, .uid = 7, .gid = 8, .mtime = 1000, .size = 3},
		{.path = DEEP "/" DEEP, .type = WH_T_FILE, .mode = 0600, .mtime = 1001, .size = 3},
		{.path = "dev", .type = WH_T_CHR, .mode = 0666, .mtime = 7, .major = 1, .minor = 3},
		{.path = "fifo", .type = WH_T_FIFO, .mode = 0600, .mtime = 8},
		{.path = "gr\xc3\xbc\xc3\x9f"
			 "e",
		 .type = WH_T_FILE,
		 .mode = 0644,
		 .mtime = 1002,
		 .size = 3},
		{.path = "i",
		 .type = WH_T_FILE,
		 .mode = 0644,
		 .uid = 2097152,
		 .gid = 4294967294,
		 .mtime = 3,
		 .size = 3},
		{.path = "l", .type = WH_T_SYMLINK, .mode = 0777, .mtime = 4, .link = A100 "/x"},
		{.path = "old", .type = WH_T_FILE, .mode = 04755, .mtime = -86400, .size = 3},
		{.path = "q", .type = WH_T_HARDLINK, .mode = 0640, .uid = 7, .gid = 8, .mtime = 1000, .link = A100 "b"},
		{.path = "x", .type = WH_T_FILE, .mode = 0644, .mtime = 6, .size = 3, .xattrs = xattrs, .n_xattrs = 2},
	};
	static const char content[512] = "abc";
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	char *path = wh_strdup("/tmp/whittle-tar-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(entries); i++) {
		assert_int_equal(wh_tar_entry(&b, &entries[i], NULL), 0);
		if (entries[i].type == WH_T_FILE)
			wh_buf_add(&b, content, sizeof(content));
	}
	wh_tar_end(&b);
	assert_int_equal(wh_write_all(fd, b.p, b.n), 0);
	close(fd);
	return path;
}

static void expect_output(const char *const *argv, const char *const *want)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	int status = wh_proc_run(argv, &out);

	if (status != 0)
		fail_msg("%s: %d: %s", argv[0], status, out.p ? out.p : "");
	for (; *want; want++) {
		if (!strstr(out.p, *want))
			fail_msg("%s does not say \"%s\":\n%s", argv[0], *want, out.p);
	}
}

static void read_by_others(void **state)
{
	WH_AUTO_FREE char *path = write_archive();
	static const char python[] =
		"import sys, tarfile\n"
		"for m in tarfile.open(sys.argv[1], encoding='utf-8', errorlevel=2):\n"
		"    x = sorted((k, v) for k, v in m.pax_headers.items() if k.startswith('SCHILY'))\n"
		"    t = (m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, m.size, int(m.mtime), m.linkname, x)\n"
		"    print(ascii(t))\n";

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1); /* bsdtar fails on names that the locale cannot show */
	expect_output((const char *const[]){"tar", "--numeric-owner", "--full-time", "--utc", "--quoting-style=escape",
					    "-tvf", path, NULL},
		      (const char *const[]){A100 "b\n", DEEP "/" DEEP "\n", "2097152/4294967294", "-rwsr-xr-x 0/0",
					    "1969-12-31 00:00:00 old", "l -> " A100 "/x\n", "q link to " A100 "b\n",
					    NULL});
	expect_output((const char *const[]){"bsdtar", "--numeric-owner", "-tvf", path, NULL},
		      (const char *const[]){A100 "b\n", DEEP "/" DEEP "\n", "2097152  4294967294  3 ", "-rwsr-xr-x",
					    "old\n", "l -> " A100 "/x\n", "q link to " A100 "b\n", NULL});
	expect_output((const char *const[]){"python3", "-c", python, path, NULL},
		      (const char *const[]){
			      "('.', '5', '0o755', 0, 0, 0, 5, '', [])",
			      "('" A100 "b', '0', '0o640', 7, 8, 3, 1000, '', [])",
			      "('" DEEP "/" DEEP "', '0', '0o600', 0, 0, 3, 1001, '', [])",
			      "('gr\\xfc\\xdfe', '0', '0o644', 0, 0, 3, 1002, '', [])",
			      "('dev', '3', '0o666', 0, 0, 0, 7, '', [])",
			      "('fifo', '6', '0o600', 0, 0, 0, 8, '', [])",
			      "('i', '0', '0o644', 2097152, 4294967294, 3, 3, '', [])",
			      "('l', '2', '0o777', 0, 0, 0, 4, '" A100 "/x', [])",
			      "('old', '0', '0o4755', 0, 0, 3, -86400, '', [])",
			      "('q', '1', '0o640', 7, 8, 0, 1000, '" A100 "b', [])",
			      "('x', '0', '0o644', 0, 0, 3, 6, '', [('SCHILY.xattr.security.capability', "
			      "'\\x01\\x00\\x00\\x02\\x00\\x04"
			      "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'), "
			      "('SCHILY.xattr.user.note', 'two\\nlines')])",
			      NULL,
		      });
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(refused),
		cmocka_unit_test(read_by_others),
	};

	return cmocka_run_group_tests_name("layers_tar", tests, NULL, NULL);
}
