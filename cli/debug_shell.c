/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle debug shell IMAGE: the image as `whittle run` runs it, on top of what PRUNE took away, with a shell.
 *
 *   --shell-from's layers ─▶ removed part ─▶ the image's layers     lowest first: what the image has is what is seen
 *
 * A shell that is there then is taken. Where there is none: one file that needs no other, busybox of this host or of --shell-from,
 * in a directory of its own that is mounted read-only, behind all others in PATH, under the names of what it can.
 */
#include "cli/registry_service.h"
#include "cli/removed.h"
#include "cli/run_spec.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

#define TOOLS "/run/whittle/tools"
#define TOOLS_DIR "debug-shell" /* in our lease */
#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SHELL_MAX ((size_t)64 << 20)

struct shell {
	struct wh_run_flags run; /* first: options are of both */
	const char *from;        /* --shell-from */
	struct wh_cli_removed removed;
	struct wh_image image;   /* --shell-from's */
	struct wh_tree *tree;    /* of that */
	char *file;              /* in that tree, or on this host: the program of TOOLS; NULL: there is none */
};

static const char *const shells[] = {"bin/sh", "bin/bash", "bin/dash", "bin/ash", "bin/busybox", "usr/bin/busybox"};
static const char *const hosts[] = {"/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"};

/* ---------------------------------------------------------------- programs that need no other file */

static uint64_t field(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return v;
}

/* ELF of 64 bit, little endian: of which machine, and does it name an interpreter? interp: malloc'ed, or NULL. */
static bool read_elf(const char *p, size_t n, char **ret_interp)
{
	uint64_t at, size, count;

	*ret_interp = NULL;
	if (n < 64 || memcmp(p, ELFMAG "\2\1", 6) != 0)
		return false;
	at = field(p + 32, 8);
	size = field(p + 54, 2);
	count = field(p + 56, 2);
	for (uint64_t i = 0; i < count; i++, at += size) {
		uint64_t offset, len;

		if (size < 56 || at > n || n - at < size)
			return false;
		offset = field(p + at + 8, 8);
		len = field(p + at + 32, 8);
		if (field(p + at, 4) != PT_INTERP)
			continue;
		if (offset > n || len > n - offset || !len || len > 4096)
			return false;
		*ret_interp = wh_strndup(p + offset, (size_t)len);
		return true;
	}
	return true;
}

static int read_program(int fd, struct wh_buf *text, char **ret_interp, struct wh_err **err)
{
	int r = wh_read_fd(fd, SHELL_MAX, text);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "read the shell");
	if (!read_elf(text->p ? text->p : "", text->n, ret_interp))
		return -ENOEXEC;
	return 0;
}

/* ---------------------------------------------------------------- before the user namespace */

/* A shell by any of its names, to be run where it is. */
static const char *shell_in(struct wh_tree *t)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(shells); i++) {
		WH_AUTO_FREE char *path = NULL;
		struct wh_node_ref n;

		if (wh_tree_resolve(t, shells[i], true, false, &path, &n) == 0 && n.e.type == WH_T_FILE && (n.e.mode & 0111))
			return shells[i];
	}
	return NULL;
}

static int find_removed(struct shell *x, const struct wh_run_below *b, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	WH_AUTO_FREE char *layout = NULL, *name = NULL;
	int r = wh_cli_image_layout(b->ref, &layout, err);

	if (r == 0 && b->pulled)
		r = wh_reference_normalize(b->ref, &name, err);
	if (r == 0 && b->pulled)
		r = wh_cli_registry_artifacts(b->inner, b->store, name, &b->image->manifest, x->run.insecure, &list, err);
	if (r == 0 && b->pulled)
		r = wh_store_attach_pulled(b->store, &list, err);
	else if (r == 0)
		r = wh_cli_image_artifacts(b->ref, b->store, b->image, &list, err);
	return r < 0 ? r : wh_cli_removed_find(b->store, layout, b->image, &list, NULL, &x->removed, err);
}

static int open_from(struct shell *x, struct wh_store *s, struct wh_err **err)
{
	WH_AUTO_FREE char *layout = NULL;
	struct wh_store *same = NULL;
	int r = wh_cli_image_layout(x->from, &layout, err);

	if (r == 0)
		r = wh_cli_image_open(x->from, x->run.root, x->run.platform, &same, &x->image, err);
	if (r == 0)
		r = wh_tree_open(s, x->image.layers, x->image.n_layers, &x->tree, err);
	if (same)
		wh_store_close(same);
	if (r < 0)
		wh_err_wrap(err, "--shell-from");
	return r;
}

static void stack(const struct shell *x, const struct wh_image *i, struct wh_image *ret)
{
	size_t n = x->image.n_layers + 1 + i->n_layers;

	*ret = (struct wh_image){.layers = wh_calloc(n, sizeof(*ret->layers))};
	for (size_t k = 0; k < x->image.n_layers; k++)
		wh_layer_copy(&ret->layers[ret->n_layers++], &x->image.layers[k]);
	if (x->removed.present)
		wh_layer_copy(&ret->layers[ret->n_layers++], &x->removed.part.layers[0]);
	for (size_t k = 0; k < i->n_layers; k++)
		wh_layer_copy(&ret->layers[ret->n_layers++], &i->layers[k]);
}

/* The image's PATH, and our directory behind it. */
static void add_path(struct wh_run_spec *s, const json_t *config)
{
	const json_t *env = json_object_get(json_object_get(config, "config"), "Env");
	const char *path = wh_env_get(&s->env, "PATH");

	for (size_t i = 0; !path && i < json_array_size(env); i++) {
		const char *text = json_string_value(json_array_get(env, i));

		if (text && wh_has_prefix(text, "PATH="))
			path = text + strlen("PATH=");
	}
	wh_strv_addf(&s->env, "PATH=%s:" TOOLS, path && *path ? path : USUAL_PATH);
}

/* The directory is filled later: files of images are read within the user namespace. */
static int add_tools(const struct wh_run_below *b, struct wh_err **err)
{
	struct wh_run_spec *s = b->spec;

	if (mkdirat(wh_store_tmp_dirfd(b->store), TOOLS_DIR, 0755) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make a directory for the shell");
	WH_PUSH(s->mounts, s->n_mounts, s->cap_mounts) =
		(struct wh_run_mount){.kind = WH_RUN_BIND,
				      .source = wh_asprintf("%s/" TOOLS_DIR, wh_store_tmp_path(b->store)),
				      .target = wh_strdup(TOOLS),
				      .readonly = true};
	add_path(s, b->image->config);
	return 0;
}

static void say(const struct shell *x, const char *shell)
{
	const json_t *said = x->removed.said;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_buf_adds(&out, "whittle: below the image: ");
	if (x->removed.present && said)
		wh_buf_addf(&out, "what PRUNE took away (%lld files, %.1f MB)", (long long)wh_json_int(said, "files", 0),
			    (double)wh_json_int(said, "bytes", 0) / 1e6);
	else if (x->removed.present)
		wh_buf_adds(&out, "what PRUNE took away");
	else
		wh_buf_adds(&out, "nothing that PRUNE took away (build --keep-removed keeps it)");
	if (x->image.n_layers) {
		wh_buf_adds(&out, ", and ");
		wh_text_add_short(&out, x->from);
	}
	wh_buf_adds(&out, "; shell: ");
	if (shell)
		wh_buf_addf(&out, "/%s\n", shell);
	else
		wh_buf_addf(&out, TOOLS "/sh (%s%s)\n", x->tree ? "of --shell-from, /" : "busybox of this host, ", x->file);
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

static const char *host_busybox(void)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(hosts); i++)
		if (access(hosts[i], R_OK | X_OK) == 0)
			return hosts[i];
	return NULL;
}

static int no_shell(struct wh_err **err)
{
	wh_err_set(err, "cli", WH_ERR_USAGE, ENOENT, "there is no shell in what PRUNE took away, and no busybox on this host");
	wh_err_hint(err, "install busybox-static, or name an image that has a shell: --shell-from IMAGE");
	return -ENOENT;
}

static void name_shell(struct wh_run_spec *s, const char *shell)
{
	if (shell)
		wh_strv_addf(&s->words, "/%s", shell);
	else
		wh_strv_add(&s->words, TOOLS "/sh");
	if (shell && wh_has_suffix(shell, "/busybox"))
		wh_strv_add(&s->words, "sh");
}

/* Is this shell of --shell-from the one that is seen where it lies? Else the image hides it. */
static bool is_seen(const struct shell *x, struct wh_tree *all, const char *shell)
{
	WH_AUTO_FREE char *here = NULL, *there = NULL;
	struct wh_node_ref a, b;

	return wh_tree_resolve(x->tree, shell, true, false, &here, &a) == 0 && wh_tree_resolve(all, shell, true, false, &there, &b) == 0 &&
	       wh_streq(here, there) && wh_digest_eq(&a.e.digest, &b.e.digest);
}

static int find(void *arg, const struct wh_run_below *b, struct wh_image *ret_stack, struct wh_err **err)
{
	struct shell *x = arg;
	struct wh_tree *all = NULL;
	const char *shell = NULL, *from = NULL;
	bool in_place = true;
	int r = find_removed(x, b, err);

	if (r == 0 && x->from)
		r = open_from(x, b->store, err);
	if (r < 0)
		return r;
	stack(x, b->image, ret_stack);
	r = wh_tree_open(b->store, ret_stack->layers, ret_stack->n_layers, &all, err);
	if (r < 0)
		return r;
	shell = shell_in(all);
	from = x->tree ? shell_in(x->tree) : NULL;
	if (x->tree && !from)
		r = wh_err_set(err, "cli", WH_ERR_USAGE, ENOENT, "--shell-from %s: it has no shell", x->from);
	if (r == 0 && from)
		in_place = is_seen(x, all, from);
	wh_tree_close(all);
	if (r < 0)
		return r;
	if (from && in_place) {
		shell = from;
	} else if (from) {
		/* Hidden by the image: taken as a file of its own. */
		shell = NULL;
		x->file = wh_strdup(from);
	} else if (!shell) {
		x->file = wh_strdup(host_busybox());
	}
	if (!shell && !x->file)
		return no_shell(err);
	say(x, shell);
	if (!b->spec->words.n)
		name_shell(b->spec, shell);
	return shell ? 0 : add_tools(b, err);
}

/* ---------------------------------------------------------------- inside */

/* Those of busybox that people type. Which of them a file has, it says itself: their names stand in it, one after the other. */
static const char *const applets[] = {
	"sh", "ash", "awk", "base64", "basename", "bzip2", "cat", "chgrp", "chmod", "chown", "clear", "cmp", "cp",
	"cpio", "cut", "date", "dd", "df", "diff", "dirname", "dmesg", "du", "echo", "ed", "env", "expr", "false",
	"find", "free", "fuser", "getopt", "grep", "gunzip", "gzip", "head", "hexdump", "hostname", "id", "ifconfig",
	"install", "ip", "kill", "killall", "less", "ln", "logger", "ls", "lsof", "md5sum", "mkdir", "mkfifo",
	"mknod", "mktemp", "more", "mount", "mv", "nc", "netstat", "nice", "nslookup", "od", "patch", "pgrep",
	"pidof", "ping", "pkill", "printenv", "printf", "ps", "pwd", "readlink", "realpath", "rev", "rm", "rmdir",
	"route", "sed", "seq", "sha256sum", "sleep", "sort", "split", "stat", "strings", "stty", "sync", "tail",
	"tar", "tee", "telnet", "test", "time", "timeout", "top", "touch", "tr", "traceroute", "true", "tty",
	"umount", "uname", "uniq", "unzip", "uptime", "vi", "watch", "wc", "wget", "which", "who", "whoami", "xargs",
	"xxd", "yes", "zcat",
};

static void link_applets(int dir, const struct wh_buf *program)
{
	(void)!symlinkat("shell", dir, "sh");
	if (!memmem(program->p, program->n, "BusyBox v", strlen("BusyBox v")))
		return;
	(void)!symlinkat("shell", dir, "busybox");
	for (size_t i = 0; i < WH_ARRAY_SIZE(applets); i++) {
		char name[32];
		size_t n = (size_t)snprintf(name, sizeof(name), "%c%s", 0, applets[i]) + 1;

		if (memmem(program->p, program->n, name, n))
			(void)!symlinkat("shell", dir, applets[i]);
	}
}

static int open_program(struct shell *x, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_node_ref n;
	int r;

	if (!x->tree) {
		r = wh_openat(AT_FDCWD, x->file, O_RDONLY, 0);
		return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "open %s", x->file) : r;
	}
	r = wh_tree_resolve(x->tree, x->file, true, false, &path, &n);
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_BUILD, -r, "look up /%s", x->file) : wh_tree_open_file(x->tree, &n, err);
}

static int fill(void *arg, const struct wh_run_below *b, struct wh_err **err)
{
	struct shell *x = arg;
	WH_AUTO_BUF struct wh_buf program = WH_BUF_INIT;
	WH_AUTO_FREE char *interp = NULL;
	WH_AUTO_FD int dir = -1;
	WH_AUTO_FD int fd = -1;
	int r;

	if (!x->file)
		return 0;
	fd = open_program(x, err);
	if (fd < 0)
		return fd;
	r = read_program(fd, &program, &interp, err);
	if (r == -ENOEXEC || interp) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, ENOEXEC, "the shell %s cannot be laid under this image: it needs other files (%s)",
			       x->file, interp ? interp : "it is no ELF program");
		wh_err_hint(err, "one that needs none is wanted: busybox-static on this host, or --shell-from an image with a static busybox");
	}
	if (r < 0)
		return r;
	dir = wh_openat(wh_store_tmp_dirfd(b->store), TOOLS_DIR, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -dir, "open the shell's directory");
	r = wh_write_file_atomic(dir, "shell", program.p, program.n, 0755, false);
	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, -r, "write the shell");
	link_applets(dir, &program);
	return 0;
}

/* ---------------------------------------------------------------- the command */

#define AT(field) offsetof(struct shell, run.field)

static const char *const networks[] = {"default", "none", "host", NULL};
static const char *const pulls[] = {"missing", "always", "never", NULL};

static const struct wh_option options[] = {
	{"add-host", 0, WH_OPT_LIST, AT(add_hosts), "NAME:IP", "Line for /etc/hosts (repeatable)", NULL},
	{"env", 'e', WH_OPT_LIST, AT(env), "KEY[=VALUE]", "Variable; without \"=\" from the environment (repeatable)", NULL},
	{"env-file", 0, WH_OPT_LIST, AT(env_files), "FILE", "Variables, one a line (repeatable)", NULL},
	{"hostname", 0, WH_OPT_TEXT, AT(hostname), "NAME", "Name of the container in its network (default: a random one)", NULL},
	{"init", 0, WH_OPT_FLAG, AT(init), NULL, "A first process that passes signals on and waits for orphans", NULL},
	{"interactive", 'i', WH_OPT_FLAG, AT(interactive), NULL, "Standard input is the shell's (so it is in any case)", NULL},
	{"mount", 0, WH_OPT_LIST, AT(mounts), "type=TYPE,…", "As for run (repeatable)", NULL},
	{"network", 0, WH_OPT_TEXT, AT(network), "MODE", "default, none or host, as for run", networks},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"publish", 'p', WH_OPT_LIST, AT(publish), "[IP:]HOST:PORT[/udp]", "The container's PORT as the host's port HOST (repeatable)", NULL},
	{"pull", 0, WH_OPT_TEXT, AT(pull), "WHEN", "Ask the registry when the image is missing (default), always, or\nnever", pulls},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"rm", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{"shell-from", 0, WH_OPT_TEXT, offsetof(struct shell, from), "IMAGE",
	 "Lay this image at the bottom and take its shell (default: the one\nthat PRUNE took away, else a static busybox of this host)", NULL},
	{"tmpfs", 0, WH_OPT_LIST, AT(tmpfs), "DIR[:size=SIZE,mode=MODE]", "An empty file system in memory (repeatable)", NULL},
	{"tty", 't', WH_OPT_FLAG, AT(tty), NULL, "A terminal for the shell (default: where whittle has one)", NULL},
	{"user", 'u', WH_OPT_TEXT, AT(user), "USER[:GROUP]", "Who runs it, instead of the image's USER", NULL},
	{"volume", 'v', WH_OPT_LIST, AT(volumes), "HOST:DIR[:ro]", "A file or directory of the host in the container, or a volume\n(repeatable)", NULL},
	{"workdir", 'w', WH_OPT_TEXT, AT(workdir), "DIR", "Where it starts, instead of the image's WORKDIR", NULL},
	{0},
};

/* A lone "--" says no more than that a command follows. */
static void drop_dashes(struct wh_strv *args)
{
	if (args->n < 2 || !wh_streq(args->v[1], "--"))
		return;
	free(args->v[1]);
	memmove(&args->v[1], &args->v[2], (args->n - 1) * sizeof(*args->v));
	args->n--;
}

static int start(struct shell *x, struct wh_strv *args, struct wh_err **err)
{
	const struct wh_run_under under = {.arg = x, .find = find, .fill = fill};
	struct wh_run_spec spec = {0};
	int r;

	drop_dashes(args);
	x->run.entrypoint = "";
	x->run.interactive = true;
	x->run.tty |= isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	r = wh_run_spec_make(&x->run, args, &spec, err);
	spec.under = &under;
	if (r == 0)
		r = wh_run_start(&spec, err);
	wh_run_spec_release(&spec);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	struct shell x = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &x, &args, &help, &err);

	if (r == 0 && help) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_options_help(c, &out);
		r = wh_cli_say(&out);
	} else if (r == 0) {
		r = start(&x, &args, &err);
	}
	if (r < 0) {
		(void)wh_err_report(err);
		r = WH_RUN_FAILED;
	}
	if (x.tree)
		wh_tree_close(x.tree);
	wh_image_release(&x.image);
	wh_cli_removed_release(&x.removed);
	free(x.file);
	wh_options_release(c, &x);
	return r;
}

const struct wh_command wh_cmd_debug_shell = {
	.name = "debug shell",
	.args = "IMAGE [COMMAND [ARG…]]",
	.summary = "Run an image with what PRUNE took away, and a shell, laid under it",
	.about = "Runs a shell, or COMMAND, instead of the image's program, as whittle run does. What the image has is what is seen; what it\n"
		 "has not comes from what build --keep-removed kept, which is fetched where IMAGE came from a registry. Where there is no\n"
		 "shell in that, a static busybox of this host is mounted at " TOOLS ", behind all else in PATH.\n"
		 "Nothing is written to the image; what is changed is thrown away.\n\n"
		 "Exit codes are those of whittle run.",
	.examples = "  whittle debug shell shop:1.4\n"
		    "  whittle debug shell shop:1.4 -- ls -l /etc\n"
		    "  whittle debug shell -u 0 -v ./notes:/notes --shell-from busybox:1.36 registry.example/shop:1.4",
	.options = options,
	.min_args = 1,
	.max_args = 10000,
	.args_wanted = "an image",
	.words_end_options = true,
	.run = run,
};
