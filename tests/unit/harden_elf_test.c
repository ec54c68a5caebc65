/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files of this machine in a layer: what the closure finds is what the dynamic linker of this machine finds. */
#include "harden/elf.h"
#include "harden/libs.h"
#include "harden/shells.h"

#include "tests/unit/harden_helper.h"

#include <errno.h>
#include <sys/mman.h>

/* ---------------------------------------------------------------- a layer of this machine's files */

struct host_entry {
	char *path;   /* relative; canonical on this machine but for links, which are entries of their own */
	char *source; /* FILE: where its bytes are */
	char *link;   /* SYMLINK */
	mode_t mode;
};
struct host {
	struct host_entry *v;
	size_t n, cap;
};

static void host_add(struct host *h, const char *path, const char *source, const char *link, mode_t mode)
{
	for (size_t i = 0; i < h->n; i++)
		if (wh_streq(h->v[i].path, path))
			return;
	WH_PUSH(h->v, h->n, h->cap) = (struct host_entry){wh_strdup(path), wh_strdup(source), wh_strdup(link), mode};
}

/* A path of this machine with its parents, and the links on its way. */
static void host_take(struct host *h, const char *path)
{
	WH_AUTO_FREE char *todo = wh_strdup(path), *done = wh_strdup("");
	char *p = todo;

	for (;;) {
		WH_AUTO_FREE char *at = NULL, *absolute = NULL;
		char text[4096];
		struct stat st;
		ssize_t got;
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (!n)
			return;
		if (n == 2 && strncmp(p, "..", 2) == 0) {
			char *slash = strrchr(done, '/');

			*(slash ? slash : done) = '\0';
			p += n;
			continue;
		}
		at = wh_asprintf("%s%s%.*s", done, *done ? "/" : "", (int)n, p);
		absolute = wh_asprintf("/%s", at);
		p += n;
		if (lstat(absolute, &st) < 0)
			return;
		got = S_ISLNK(st.st_mode) ? readlink(absolute, text, sizeof(text) - 1) : -1;
		if (got < 0) {
			host_add(h, at, S_ISREG(st.st_mode) ? absolute : NULL, NULL, st.st_mode);
			free(done);
			done = WH_TAKE_PTR(at);
			continue;
		}
		text[got] = '\0';
		host_add(h, at, NULL, text, st.st_mode);
		if (text[0] == '/')
			*done = '\0';
		p = wh_asprintf("%s/%s", text, p);
		free(todo);
		todo = p;
	}
}

static int host_order(const void *a, const void *b)
{
	return wh_path_cmp(((const struct host_entry *)a)->path, ((const struct host_entry *)b)->path);
}

static void host_layer(struct host *h, struct grove *g)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*g = (struct grove){.n = 1};
	become_root();
	bed_open(&g->bed);
	qsort(h->v, h->n, sizeof(*h->v), host_order);
	assert_ok(wh_layer_writer_new(g->bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < h->n; i++) {
		struct host_entry *x = &h->v[i];
		struct wh_entry e = {.path = x->path,
				     .type = x->source ? WH_T_FILE
					     : x->link ? WH_T_SYMLINK
						       : WH_T_DIR,
				     .mode = x->mode & 07777,
				     .link = x->link};
		WH_AUTO_FD int fd = x->source ? wh_openat(AT_FDCWD, x->source, O_RDONLY, 0) : -1;
		struct stat st;

		if (x->source) {
			assert_true(fd >= 0);
			assert_int_equal(fstat(fd, &st), 0);
			e.size = (uint64_t)st.st_size;
		}
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		if (x->source)
			assert_ok(wh_layer_writer_fd(w, fd, x->source, &err), err);
	}
	assert_ok(wh_layer_writer_finish(w, &g->layers[0], &err), err);
	assert_ok(wh_tree_open(g->bed.store, g->layers, 1, &g->tree, &err), err);
}

static void host_free(struct host *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].path);
		free(h->v[i].source);
		free(h->v[i].link);
	}
	free(h->v);
}

/* ---------------------------------------------------------------- what this machine's linker says */

/* Real paths of all that ldd lists, the interpreter included; takes each as it is listed into the layer, links and all. */
static void ldd(const char *program, struct host *h, struct wh_strv *ret)
{
	const char *argv[] = {"ldd", program, NULL};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	assert_int_equal(wh_proc_run(argv, &out), 0);
	for (const char *line = out.p; line && *line;) {
		size_t n = strcspn(line, "\n");
		WH_AUTO_FREE char *text = wh_strndup(line, n);
		char *p = strchr(text, '/');

		if (p) {
			WH_AUTO_FREE char *real = NULL;

			p[strcspn(p, " ")] = '\0';
			real = realpath(p, NULL);
			assert_non_null(real);
			host_take(h, p);
			if (!wh_strv_has(ret, real))
				wh_strv_add(ret, real);
		}
		line += n + (line[n] == '\n');
	}
	wh_strv_sort(ret);
}

struct found {
	struct wh_tree *t;
	struct wh_strv paths;
};

static int note(void *arg, const char *what, const char *via, struct wh_err **err)
{
	struct found *f = arg;
	WH_AUTO_FREE char *canonical = NULL, *absolute = NULL;
	struct wh_node_ref n;

	(void)via;
	(void)err;
	if (wh_walk(f->t, what, true, NULL, &canonical, &n) < 0) /* an interpreter that the tree lacks */
		return 0;
	absolute = wh_asprintf("/%s", canonical);
	if (!wh_strv_has(&f->paths, absolute))
		wh_strv_add(&f->paths, absolute);
	return 0;
}

static char *joined(const struct wh_strv *l)
{
	struct wh_buf b = WH_BUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		wh_buf_addf(&b, "%s\n", l->v[i]);
	return wh_buf_take(&b);
}

static void closure(struct grove *g, const char *path, struct wh_strv *ret)
{
	struct found f = {.t = g->tree};
	struct wh_libs *l = NULL;
	struct wh_err *err = NULL;

	assert_ok(wh_libs_open(g->tree, NULL, &l, &err), err);
	assert_ok(wh_libs_closure(l, path, note, &f, &err), err);
	wh_libs_free(l);
	wh_strv_sort(&f.paths);
	*ret = f.paths;
}

static void test_as_ldd(void **state)
{
	static const char *const programs[] = {"/bin/ls",          "/usr/bin/tar", "/usr/bin/perl", "/usr/bin/git",
					       "/usr/bin/python3", "/usr/sbin/tc", "/usr/bin/gdb",  "/usr/bin/curl"};
	struct wh_strv expected[WH_ARRAY_SIZE(programs)] = {0};
	struct host h = {0};
	struct grove g;
	unsigned tried = 0;

	(void)state;
	host_take(&h, "/etc/ld.so.conf");
	host_take(&h, "/etc/ld.so.conf.d/libc.conf");
	host_take(&h, "/etc/ld.so.conf.d/x86_64-linux-gnu.conf");
	for (size_t i = 0; i < WH_ARRAY_SIZE(programs); i++) {
		if (access(programs[i], X_OK) < 0)
			continue;
		host_take(&h, programs[i]);
		ldd(programs[i], &h, &expected[i]);
	}
	host_layer(&h, &g);
	for (size_t i = 0; i < WH_ARRAY_SIZE(programs); i++) {
		WH_AUTO_FREE char *a = NULL, *b = NULL, *real = realpath(programs[i], NULL);
		WH_AUTO_STRV struct wh_strv got = {0};

		if (!expected[i].n)
			continue;
		closure(&g, real + 1, &got);
		a = joined(&expected[i]);
		b = joined(&got);
		print_message("%s: %zu\n", programs[i], got.n);
		assert_string_equal(a, b);
		wh_strv_release(&expected[i]);
		tried++;
	}
	assert_true(tried > 1);
	grove_close(&g);
	host_free(&h);
}

/* ---------------------------------------------------------------- RPATH, RUNPATH, $ORIGIN */

static void compile(const char *dir, const char *const *args)
{
	const char *argv[24] = {"cc", "-x", "c"};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct wh_strv full = {0};
	size_t n = 3;

	for (; *args; args++) {
		const char *at = strchr(*args, '@'); /* the directory */

		if (at)
			wh_strv_addf(&full, "%.*s%s%s", (int)(at - *args), *args, dir, at + 1);
		else
			wh_strv_add(&full, *args);
	}
	for (size_t i = 0; i < full.n; i++)
		argv[n++] = full.v[i];
	if (wh_proc_run(argv, &out) != 0)
		fail_msg("cc: %s", out.p);
	wh_strv_release(&full);
}

/* An application in bin/ whose library in lib/ needs another one in lib/ without saying where. */
static void test_run_paths(void **state)
{
	static const char *const cases[] = {
		"-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib", /* RPATH: for the library's library, too */
		"-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib",  /* RUNPATH: not */
		"-Wl,--enable-new-dtags,-rpath,${ORIGIN}/../lib:/nowhere",
		"-Wl,--disable-new-dtags,-rpath,/nowhere:@/lib",
		"-Wl,--enable-new-dtags,-rpath,relative:@/lib",
		"-Wl,--disable-new-dtags",
	};
	WH_AUTO_FREE char *cc = wh_proc_find("cc"), *dir = NULL, *src = NULL, *app = NULL;
	const char *tmp = getenv("TMPDIR");

	(void)state;
	if (!cc)
		skip();
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv expected = {0}, got = {0};
		WH_AUTO_FREE char *a = NULL, *b = NULL, *real = NULL, *path = NULL;
		struct host h = {0};
		struct grove g;

		dir = wh_asprintf("%s/whittle-test-XXXXXX", tmp ? tmp : "/tmp");
		assert_non_null(mkdtemp(dir));
		real = realpath(dir, NULL);
		src = wh_path_join(dir, "main.c");
		app = wh_path_join(real, "bin/app");
		assert_int_equal(wh_mkdir_p(AT_FDCWD, dir, 0755), 0);
		assert_int_equal(wh_write_file_atomic(AT_FDCWD, src, "int main(void) { return 0; }", 28, 0644, false),
				 0);
		for (const char *const *d = (const char *const[]){"bin", "lib", NULL}; *d; d++) {
			WH_AUTO_FREE char *p = wh_path_join(dir, *d);

			assert_int_equal(mkdir(p, 0755), 0);
		}
		compile(real, (const char *const[]){"-shared", "-o", "@/lib/libwhinner.so", "/dev/null", NULL});
		compile(real, (const char *const[]){"-shared", "-o", "@/lib/libwhouter.so", "/dev/null",
						    "-Wl,--no-as-needed", "-L@/lib", "-lwhinner", NULL});
		compile(real, (const char *const[]){"-o", "@/bin/app", "@/main.c", "-Wl,--no-as-needed", "-L@/lib",
						    "-lwhouter", "-Wl,--allow-shlib-undefined,-rpath-link,@/lib",
						    cases[i], NULL});
		host_take(&h, "/etc/ld.so.conf");
		host_take(&h, "/etc/ld.so.conf.d/x86_64-linux-gnu.conf");
		host_take(&h, app);
		for (const char *const *d = (const char *const[]){"lib/libwhinner.so", "lib/libwhouter.so", NULL}; *d;
		     d++) {
			WH_AUTO_FREE char *p = wh_path_join(real, *d);

			host_take(&h, p);
		}
		ldd(app, &h, &expected);
		host_layer(&h, &g);
		closure(&g, app + 1, &got);
		a = joined(&expected);
		b = joined(&got);
		print_message("%s: %zu\n", cases[i], got.n);
		assert_string_equal(a, b);
		grove_close(&g);
		host_free(&h);
		assert_int_equal(wh_rm_rf(AT_FDCWD, dir), 0);
		free(WH_TAKE_PTR(dir));
		free(WH_TAKE_PTR(src));
		free(WH_TAKE_PTR(app));
	}
}

/* ---------------------------------------------------------------- variants for better machines */

static void test_hwcaps(void **state)
{
	static const char *const dirs[] = {"etc",
					   "lib64",
					   "usr",
					   "usr/bin",
					   "usr/lib",
					   "usr/lib/glibc-hwcaps",
					   "usr/lib/glibc-hwcaps/x86-64-v3",
					   "usr/lib/glibc-hwcaps/x86-64-v9"};
	WH_AUTO_STRV struct wh_strv got = {0}, libs = {0};
	struct host real = {0}, h = {0};
	WH_AUTO_FREE char *text = NULL;
	const char *libc = NULL;
	struct grove g;

	(void)state;
	ldd("/bin/true", &real, &libs);
	for (size_t i = 0; i < libs.n; i++)
		if (strstr(libs.v[i], "/libc"))
			libc = libs.v[i];
	assert_non_null(libc);
	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++)
		host_add(&h, dirs[i], NULL, NULL, 0755);
	host_add(&h, "usr/bin/true", "/bin/true", NULL, 0755);
	host_add(&h, "usr/lib/libc.so.6", libc, NULL, 0755);
	host_add(&h, "usr/lib/glibc-hwcaps/x86-64-v3/libc.so.6", libc, NULL, 0755);
	host_add(&h, "usr/lib/glibc-hwcaps/x86-64-v9/libm.so.6", libc, NULL, 0755); /* nobody needs it */
	host_layer(&h, &g);
	closure(&g, "usr/bin/true", &got);
	text = joined(&got);
	assert_string_equal(text, "/usr/lib/glibc-hwcaps/x86-64-v3/libc.so.6\n/usr/lib/libc.so.6\n");
	grove_close(&g);
	host_free(&h);
	host_free(&real);
}

/* ---------------------------------------------------------------- musl */

/* A program of musl's: the directories come from its own file, RUNPATH is inherited. */
static void test_musl(void **state)
{
	static const char path_file[] = "/opt/first\n/opt/second:/opt/third\n";
	static const char *const dirs[] = {"etc", "lib", "opt", "opt/third", "srv", "srv/lib", "usr", "usr/lib"};
	WH_AUTO_FREE char *cc = wh_proc_find("cc"), *dir = NULL, *src = NULL, *app = NULL, *inner = NULL, *outer = NULL,
			  *conf = NULL, *text = NULL;
	WH_AUTO_STRV struct wh_strv got = {0};
	const char *tmp = getenv("TMPDIR");
	struct host h = {0};
	struct grove g;

	(void)state;
	if (!cc)
		skip();
	dir = wh_asprintf("%s/whittle-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	src = wh_path_join(dir, "main.c");
	app = wh_path_join(dir, "app");
	inner = wh_path_join(dir, "libwhinner.so");
	outer = wh_path_join(dir, "libwhouter.so");
	conf = wh_path_join(dir, "conf");
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, src, "int main(void) { return 0; }", 28, 0644, false), 0);
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, conf, path_file, sizeof(path_file) - 1, 0644, false), 0);
	compile(dir, (const char *const[]){"-nostdlib", "-shared", "-o", "@/libwhinner.so", "/dev/null", NULL});
	compile(dir, (const char *const[]){"-nostdlib", "-shared", "-o", "@/libwhouter.so", "/dev/null",
					   "-Wl,--no-as-needed", "-L@", "-lwhinner", NULL});
	compile(dir, (const char *const[]){"-nostdlib", "-o", "@/app", "@/main.c", "-Wl,-e,main,--no-as-needed", "-L@",
					   "-lwhouter", "-Wl,--allow-shlib-undefined,-rpath-link,@",
					   "-Wl,--enable-new-dtags,-rpath,/srv/lib",
					   "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1", NULL});
	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++)
		host_add(&h, dirs[i], NULL, NULL, 0755);
	host_add(&h, "app", app, NULL, 0755);
	host_add(&h, "etc/ld-musl-x86_64.path", conf, NULL, 0644);
	host_add(&h, "lib/ld-musl-x86_64.so.1", inner, NULL, 0755);
	host_add(&h, "opt/third/libwhouter.so", outer, NULL, 0755);
	host_add(&h, "srv/lib/libwhinner.so", inner, NULL,
		 0755); /* glibc would not look there for the library's library */
	host_add(&h, "usr/lib/libwhinner.so", inner, NULL, 0755); /* but here */
	host_add(&h, "usr/lib/libwhouter.so", outer, NULL, 0755);
	host_layer(&h, &g);
	closure(&g, "app", &got);
	text = joined(&got);
	assert_string_equal(text, "/lib/ld-musl-x86_64.so.1\n/opt/third/libwhouter.so\n/srv/lib/libwhinner.so\n");
	grove_close(&g);
	host_free(&h);
	assert_int_equal(wh_rm_rf(AT_FDCWD, dir), 0);
}

/* ---------------------------------------------------------------- the parser alone */

static void read_host(const char *path, struct wh_buf *b)
{
	assert_int_equal(wh_read_file(AT_FDCWD, path, (size_t)64 << 20, b), 0);
}

static int parse_copy(const void *p, size_t n, struct wh_elf *e)
{
	WH_AUTO_FREE uint8_t *copy = wh_memdup(p, n ? n : 1); /* its own block, so that the sanitizer knows the end */

	return wh_elf_parse(copy, n, e);
}

static void test_facts(void **state)
{
	WH_AUTO_STRV struct wh_strv libs = {0};
	struct host h = {0};

	(void)state;
	ldd("/bin/ls", &h, &libs);
	host_free(&h);
	for (size_t i = 0; i <= libs.n; i++) {
		const char *path = i < libs.n ? libs.v[i] : "/bin/ls";
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_ELF struct wh_elf e = {0};

		read_host(path, &b);
		assert_int_equal(parse_copy(b.p, b.n, &e), 0);
		print_message("%s: %s\n", path, e.soname ? e.soname : "program");
		assert_int_equal(e.program, i == libs.n);
		assert_int_equal(e.soname == NULL, i == libs.n);
		assert_true(e.is64 == (sizeof(void *) == 8));
		if (i == libs.n) {
			assert_non_null(e.interp);
			assert_true(wh_strv_has(&e.needed, "libc.so.6"));
		}
	}
}

/* Each byte of the headers changed, and each length cut: an answer or an error, and no byte outside is read. */
static void test_damaged(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	(void)state;
	read_host("/bin/true", &b);
	for (size_t n = 0; n < b.n; n = n < 2048 ? n + 1 : n + 511) {
		WH_AUTO_ELF struct wh_elf e = {0};
		int r = parse_copy(b.p, n, &e);

		assert_true(r == 0 || r == -ENOEXEC || r == -EBADMSG);
		assert_true(n >= 16 || r == -ENOEXEC);
	}
	for (size_t at = 0; at < 1024 && at < b.n; at++) {
		static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
		char was = b.p[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			struct wh_elf e = {0};
			int r;

			b.p[at] = (char)values[i];
			r = wh_elf_parse((const uint8_t *)b.p, b.n, &e);
			assert_true(r == 0 || r == -ENOEXEC || r == -EBADMSG);
			wh_elf_release(&e);
		}
		b.p[at] = was;
	}
}

/* ---------------------------------------------------------------- shells by what they are */

/* 40 KiB that begin as ELF does and end with texts, '|' for each NUL. */
static void elf_with(struct wh_buf *b, const char *texts)
{
	static const uint8_t zeros[40 << 10];

	wh_buf_add(b, "\177ELF\2\1\1", 7);
	wh_buf_add(b, zeros, sizeof(zeros));
	for (; *texts; texts++)
		wh_buf_addc(b, *texts == '|' ? '\0' : *texts);
	wh_buf_addc(b, '\0');
}

static void test_shell_bytes(void **state)
{
	static const struct {
		const char *texts;
		enum wh_shell_kind kind;
	} cases[] = {
		{"", WH_SHELL_NONE},
		{"bash|sh|/bin/sh|busybox", WH_SHELL_NONE},
		{"GNU bash, version %s-(%s)|BASH_SUBSHELL|BASH_VERSINFO", WH_SHELL_YES},
		/* one that knows the text, and asks others for their version */
		{"GNU bash, version %s", WH_SHELL_NONE},
		{"GNU bash, version %s-(%s)|BASH_SUBSHELL=|BASH_VERSINFO=", WH_SHELL_NONE},
		{"esac|elif|getopts|export", WH_SHELL_NONE},
		{"esac|elif|4getopts|EOF in backquote substitution", WH_SHELL_YES},
		{"ZSH_VERSION|ZSH_PATCHLEVEL|ZSH_SUBSHELL", WH_SHELL_YES},
		{"ZSH_VERSION", WH_SHELL_NONE},
		{"KSH_VERSION=@(#)MIRBSD KSH R59 2023/04/29|esac", WH_SHELL_YES},
		{"KSH_VERSION=@(#)LEGACY KSH R59|esac", WH_SHELL_YES},
		{"@(#)PD KSH v5.2.14 99/07/13.2|esac", WH_SHELL_YES},
		{"[-1c?|@(#)$Id: sh (AT&T Research) 93u+ 2012-08-01 $|esac", WH_SHELL_YES},
		{"Not in while/foreach|breaksw|endsw", WH_SHELL_YES},
		{"heredoc incomplete|bqstatus|apids", WH_SHELL_YES},
		{"heredoc incomplete|bqstatus", WH_SHELL_NONE},
		{"Bad here tag|Usage: whatis name ...\n|cdpath", WH_SHELL_YES},
		{"src.elv.sh/pkg/eval.keys|src.elv.sh/pkg/shell.minEditor", WH_SHELL_YES},
		{"src.elv.sh/pkg/eval.keys", WH_SHELL_NONE},
		{"\tBusyBox is a multi-call binary that|%s: applet not found|esac|getopts|EOF in backquote substitution",
		 WH_SHELL_APPLET},
		{"BusyBox is a multi-call binary", WH_SHELL_NONE},
		{"Toybox %s multicall binary%s| (see toybox --help)", WH_SHELL_APPLET},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		print_message("%s\n", cases[i].texts);
		elf_with(&b, cases[i].texts);
		assert_int_equal(wh_shell_of_bytes((const uint8_t *)b.p, b.n), cases[i].kind);
		b.p[0] = '#';
		assert_int_equal(wh_shell_of_bytes((const uint8_t *)b.p, b.n), WH_SHELL_NONE);
		b.p[0] = 0x7f;
		for (size_t cut = 0; cut < 64 && cut < b.n; cut++)
			wh_shell_of_bytes((const uint8_t *)b.p + 0, b.n - cut);
	}
	assert_int_equal(wh_shell_of_bytes((const uint8_t *)"\177ELF", 4), WH_SHELL_NONE);
}

static void take_texts(struct host *h, const char *path, mode_t mode, const char *texts)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *source = NULL;
	int fd = memfd_create("elf", MFD_CLOEXEC); /* open until the end: the layer is written from it */

	elf_with(&b, texts);
	assert_true(fd >= 0);
	assert_int_equal(wh_write_all(fd, b.p, b.n), 0);
	source = wh_asprintf("/proc/self/fd/%d", fd);
	host_add(h, path, source, NULL, mode);
}

/* Names that lie, both ways. */
static void test_shells_renamed(void **state)
{
	static const char dash[] = "EOF in backquote substitution|esac|getopts",
			  box[] = "BusyBox is a multi-call binary|: applet not found";
	static const struct {
		const char *path;
		enum wh_shell_kind kind;
	} cases[] = {
		{"bin/sh", WH_SHELL_YES}, /* leads to the multi-call program of another name */
		{"bin/ls", WH_SHELL_APPLET},        {"opt/tool.so.1", WH_SHELL_APPLET},
		{"opt/busybox-1.36", WH_SHELL_YES}, {"opt/runner", WH_SHELL_YES}, /* no link, no name */
		{"opt/plain", WH_SHELL_YES},                                      /* may not be executed */
		{"opt/unknown", WH_SHELL_YES}, /* a link to it is called ksh, by way of another */
		{"opt/ksh", WH_SHELL_YES},          {"opt/between", WH_SHELL_YES},
		{"opt/app", WH_SHELL_NONE}, /* the same as posh, which is none */
		{"opt/posh", WH_SHELL_NONE},        {"opt/sash", WH_SHELL_NONE},
		{"opt/to-posh", WH_SHELL_NONE},     {"opt/hush", WH_SHELL_YES},
		{"share/ksh", WH_SHELL_NONE}, /* leads to a text */
		{"share/text", WH_SHELL_NONE},
	};
	WH_AUTO_FREE char *app = wh_asprintf("usage: app|/bin/sh|esac");
	struct wh_shells *s = NULL;
	struct wh_err *err = NULL;
	struct wh_measure m;
	struct host h = {0};
	struct grove g;

	(void)state;
	host_add(&h, "bin", NULL, NULL, 0755);
	host_add(&h, "opt", NULL, NULL, 0755);
	host_add(&h, "share", NULL, NULL, 0755);
	host_add(&h, "bin/sh", NULL, "/opt/tool.so.1", 0777);
	host_add(&h, "bin/ls", NULL, "../opt/tool.so.1", 0777);
	take_texts(&h, "opt/tool.so.1", 0755, box);
	take_texts(&h, "opt/busybox-1.36", 0755, "BusyBox is a multi-call binary|: applet not found|2");
	take_texts(&h, "opt/runner", 0755, "GNU bash, version %s|BASH_VERSINFO|BASH_SUBSHELL");
	take_texts(&h, "opt/plain", 0644, dash);
	take_texts(&h, "opt/unknown", 0755, "a shell that nobody knows");
	host_add(&h, "opt/between", NULL, "unknown", 0777);
	host_add(&h, "opt/ksh", NULL, "between", 0777);
	take_texts(&h, "opt/app", 0755, app);
	take_texts(&h, "opt/posh", 0755, app);
	host_add(&h, "opt/sash", NULL, "app", 0777);
	host_add(&h, "opt/to-posh", NULL, "posh", 0777);
	take_texts(&h, "opt/hush", 0755, "syntax error|esac|elif");
	host_add(&h, "share/ksh", NULL, "text", 0777);
	host_add(&h, "share/text", "/etc/passwd", NULL, 0644);
	host_layer(&h, &g);
	assert_ok(wh_shells_open(g.tree, &s, &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].path);
		assert_int_equal(wh_shells_kind(s, g.tree, cases[i].path), cases[i].kind);
	}
	wh_shells_free(s);
	assert_ok(wh_measure_tree(g.tree, &m, &err), err);
	assert_int_equal(m.shells, 8);
	grove_close(&g);
	host_free(&h);
}

/* This machine's own shells, under names that say nothing; and programs that are none. */
static void test_shells_of_host(void **state)
{
	static const char *const shells[] = {"/bin/bash", "/bin/dash", "/bin/busybox", "/bin/zsh", "/bin/mksh"};
	static const char *const others[] = {"/bin/ls", "/usr/bin/env", "/usr/bin/perl", "/usr/bin/git"};
	unsigned tried = 0;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(shells) + WH_ARRAY_SIZE(others); i++) {
		bool shell = i < WH_ARRAY_SIZE(shells);
		const char *path = shell ? shells[i] : others[i - WH_ARRAY_SIZE(shells)];
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		if (fd < 0)
			continue;
		print_message("%s\n", path);
		assert_int_equal(wh_read_fd(fd, (size_t)1 << 26, &b), 0);
		assert_int_equal(wh_shell_of_bytes((const uint8_t *)b.p, b.n) != WH_SHELL_NONE, shell);
		tried++;
	}
	assert_true(tried > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_ldd),         cmocka_unit_test(test_run_paths),
		cmocka_unit_test(test_hwcaps),         cmocka_unit_test(test_musl),
		cmocka_unit_test(test_damaged),        cmocka_unit_test(test_facts),
		cmocka_unit_test(test_shell_bytes),    cmocka_unit_test(test_shells_renamed),
		cmocka_unit_test(test_shells_of_host),
	};

	return cmocka_run_group_tests_name("harden_elf", tests, NULL, NULL);
}
