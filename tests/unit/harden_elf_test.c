/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files of this machine in a layer: what the closure finds is what the dynamic linker of this machine finds. */
#include "harden/elf.h"
#include "harden/libs.h"

#include "tests/unit/harden_helper.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_ldd), cmocka_unit_test(test_run_paths), cmocka_unit_test(test_hwcaps),
		cmocka_unit_test(test_musl),   cmocka_unit_test(test_damaged),   cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests_name("harden_elf", tests, NULL, NULL);
}
