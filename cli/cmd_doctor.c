/* SPDX-License-Identifier: Apache-2.0 */
/* whittle doctor: what this host, or container, allows, and how to mend it. */
#include "cli/cli.h"
#include "cli/registry_service.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#define LITTLE_SPACE ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

struct flags {
	const char *root, *format, *isolation;
	struct wh_strv hosts, logins; /* files that say where registries are, and who we are there */
	struct wh_err *broken;        /* one of them */
};

static const char *const formats[] = {"text", "json", NULL};
static const char *const isolations[] = {"namespaces", "chroot", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "text or json", formats},
	{"isolation", 0, WH_OPT_TEXT, offsetof(struct flags, isolation), "KIND",
	 "How steps are to be kept apart: namespaces or chroot, as for build", isolations},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

struct doctor {
	const struct flags *flags;
	struct wh_doctor found;
	bool chroot; /* steps can be kept apart in that way alone */
	bool files;  /* what runs nothing can be built */
};

/* ---------------------------------------------------------------- what is not the sandbox's */

static const char *fs_name(int dirfd)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} known[] = {{0xef53, "ext4"},	     {0x58465342, "xfs"},  {0x9123683e, "btrfs"},    {0x01021994, "tmpfs"},
		     {0x794c7630, "overlay"}, {0x6969, "nfs"},	   {0xff534d42, "cifs"},     {0x65735546, "fuse"},
		     {0x01021997, "9p"},	     {0xf2f52010, "f2fs"}, {0x2fc12fc1, "zfs"},	     {0xca451a4e, "bcachefs"}};
	struct statfs sf;

	if (fstatfs(dirfd, &sf) < 0)
		return "unknown file system";
	for (size_t i = 0; i < WH_ARRAY_SIZE(known); i++)
		if ((uint32_t)sf.f_type == known[i].magic)
			return known[i].name;
	return "other file system";
}

static void look_at_store(struct doctor *d, const char *path, struct wh_store *s)
{
	struct statvfs v = {0};
	uint64_t room;
	int fd = wh_store_dirfd(s);

	if (wh_is_network_fs(fd))
		wh_doctor_add(&d->found, "store", WH_CHECK_DEGRADED, "--root DIR on a local file system",
			      "%s on %s, which may be a network's: slow, and no overlay", path, fs_name(fd));
	else
		wh_doctor_add(&d->found, "store", WH_CHECK_OK, NULL, "%s on %s", path, fs_name(fd));
	if (fstatvfs(fd, &v) < 0)
		return;
	room = (uint64_t)v.f_bavail * v.f_frsize;
	wh_doctor_add(&d->found, "space", room < LITTLE_SPACE ? WH_CHECK_DEGRADED : WH_CHECK_OK,
		      room < LITTLE_SPACE ? "whittle gc, or --root DIR elsewhere" : NULL, "%llu MiB free for the store",
		      (unsigned long long)(room / MIB));
}

static void look_for_programs(struct doctor *d)
{
	static const struct {
		const char *program, *package, *for_what;
	} wanted[] = {{"git", "git", "repositories as context or in ADD"}, {"ssh-agent", "openssh-client", "--ssh with key files"}};

	for (size_t i = 0; i < WH_ARRAY_SIZE(wanted); i++) {
		WH_AUTO_FREE char *path = wh_proc_find(wanted[i].program);
		WH_AUTO_FREE char *mend = wh_asprintf("sudo apt-get install %s", wanted[i].package);

		if (path)
			wh_doctor_add(&d->found, wanted[i].program, WH_CHECK_OK, NULL, "%s", path);
		else
			wh_doctor_add(&d->found, wanted[i].program, WH_CHECK_DEGRADED, mend, "not installed: no %s", wanted[i].for_what);
	}
}

static void add_list(struct wh_buf *b, const char *what, const struct wh_strv *files)
{
	for (size_t i = 0; i < files->n; i++)
		wh_buf_addf(b, "%s%s", i ? ", " : what, files->v[i]);
}

static void look_at_registries(struct doctor *d)
{
	const struct flags *f = d->flags;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (f->broken) {
		wh_doctor_add(&d->found, "registries", WH_CHECK_DEGRADED, f->broken->hint ? f->broken->hint : "correct that file: registries cannot be asked",
			      "%s", f->broken->msg);
		return;
	}
	add_list(&b, "found by ", &f->hosts);
	add_list(&b, b.n ? "; logins in " : "logins in ", &f->logins);
	wh_doctor_add(&d->found, "registries", WH_CHECK_OK, NULL, "%s", b.n ? b.p : "no configuration files, no logins");
}

/* ---------------------------------------------------------------- all of it */

/* Where namespaces are refused: would it go without? */
static void try_chroot(struct doctor *d, struct wh_inner *inner, struct wh_store *s)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_host host = {0};

	wh_inner_set_isolation(inner, WH_ISOLATION_CHROOT);
	if (wh_builder_probe(inner, s, &host, &err) == 0) {
		d->chroot = true;
		wh_doctor_add(&d->found, "chroot", WH_CHECK_DEGRADED, NULL,
			      "--isolation=chroot works: steps see this container's processes, network and devices");
	} else {
		wh_doctor_add(&d->found, "chroot", WH_CHECK_MISSING, err->hint, "%s", err->msg);
	}
	wh_host_release(&host);
}

static void examine(struct doctor *d, struct wh_inner *inner, struct wh_store *s)
{
	bool only_chroot = wh_streq(d->flags->isolation, "chroot");
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_host host = {0};

	if (!only_chroot) {
		int r;

		wh_inner_set_isolation(inner, WH_ISOLATION_NAMESPACES); /* whatever $WHITTLE_ISOLATION says */
		r = wh_inner_enter(inner, &err);

		wh_doctor_entered(&d->found, inner, r < 0 ? err : NULL);
		d->files = !wh_inner_lost(inner);
		if (r == 0 && wh_builder_probe(inner, s, &host, &err) == 0)
			wh_doctor_inside(&d->found, &host);
		else if (r == 0)
			wh_doctor_add(&d->found, "probe", WH_CHECK_MISSING, err->hint, "%s", err->msg);
		wh_host_release(&host);
	}
	if (only_chroot || (!d->found.steps && d->files))
		try_chroot(d, inner, s);
}

static char *verdict(const struct doctor *d)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (d->found.steps) {
		wh_buf_adds(&b, "all");
		for (size_t i = 0; i < d->found.limits.n; i++)
			wh_buf_addf(&b, ", %s", d->found.limits.v[i]);
		return wh_buf_take(&b);
	}
	if (d->chroot)
		return wh_strdup(wh_streq(d->flags->isolation, "chroot") ? "all, with --isolation=chroot"
									: "only with --isolation=chroot, or what runs nothing");
	return wh_strdup(d->files ? "only what runs nothing" : "none");
}

static void say_text(const struct doctor *d, const char *builds, struct wh_buf *out)
{
	static const char *const states[] = {"ok", "degraded", "missing"};

	for (size_t i = 0; i < d->found.n; i++) {
		const struct wh_check *c = &d->found.v[i];

		wh_buf_addf(out, "%-9s %-15s ", states[c->state], c->name);
		wh_text_add_safe(out, c->text, strlen(c->text));
		wh_buf_addc(out, '\n');
		if (c->mend) {
			wh_buf_addf(out, "%-25s mend: ", "");
			wh_text_add_safe(out, c->mend, strlen(c->mend));
			wh_buf_addc(out, '\n');
		}
	}
	wh_buf_addf(out, "builds: %s\n", builds);
}

static void say_json(const struct doctor *d, const char *builds, bool works, struct wh_buf *out)
{
	static const char *const states[] = {"ok", "degraded", "missing"};
	WH_AUTO_JSON json_t *o = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < d->found.n; i++) {
		const struct wh_check *c = &d->found.v[i];
		json_t *e = json_pack("{s:s, s:s, s:s}", "name", c->name, "state", states[c->state], "text", c->text);

		if (c->mend)
			json_object_set_new(e, "mend", json_string(c->mend));
		json_array_append_new(list, e);
	}
	json_object_set_new(o, "checks", list);
	json_object_set_new(o, "builds", json_string(builds));
	json_object_set_new(o, "works", json_boolean(works));
	wh_json_dump(o, out);
	wh_buf_addc(out, '\n');
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *flags = arg;
	struct doctor d = {.flags = flags};
	WH_AUTO_FREE char *path = wh_cli_store_path(flags->root), *builds = NULL;
	WH_AUTO_ERR struct wh_err *no_store = NULL;
	struct wh_store *store = NULL;
	bool works;
	int r;

	(void)err;
	wh_doctor_outside(&d.found);
	if (wh_cli_store_open(flags->root, &store, &no_store) == 0) {
		look_at_store(&d, path, store);
		examine(&d, inner, store);
	} else {
		wh_doctor_add(&d.found, "store", WH_CHECK_MISSING, no_store->hint ? no_store->hint : "--root DIR, where you may write", "%s",
			      no_store->msg);
	}
	look_at_registries(&d);
	look_for_programs(&d);
	builds = verdict(&d);
	works = d.found.steps || (d.chroot && wh_streq(flags->isolation, "chroot"));
	if (wh_streq(flags->format, "json"))
		say_json(&d, builds, works, out);
	else
		say_text(&d, builds, out);
	wh_doctor_release(&d.found);
	wh_store_close(store);
	if (works)
		return 0;
	r = wh_cli_say(out);
	return r ? r : WH_ERR_ENV;
}

static int doctor(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct flags *f = flags;
	int r;

	(void)args;
	/* Here, and not where steps are tried: logins are read. */
	(void)!wh_registry_files(&(struct wh_registry_opts){0}, &f->hosts, &f->logins, &f->broken);
	r = wh_cli_with_registry(inside, flags, out, err);
	wh_strv_release(&f->hosts);
	wh_strv_release(&f->logins);
	wh_err_free(f->broken);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, doctor);
}

const struct wh_command wh_cmd_doctor = {
	.name = "doctor",
	.summary = "Say what this host or container allows, and how to mend it",
	.about = "Tries what builds need: user namespace and ids, overlay on the store's file system, /proc, network, filters.\n"
		 "A line a check: ok; degraded (builds go on, in the way that is told); missing. The last line says which builds\n"
		 "work here. Exit code 0: they do; 4: they do not.",
	.examples = "  whittle doctor\n"
		    "  whittle doctor --root /cache/whittle --format json",
	.options = options,
	.run = run,
};
