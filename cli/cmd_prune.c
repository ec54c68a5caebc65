/* SPDX-License-Identifier: Apache-2.0 */
/* whittle prune: PROFILE and PRUNE for an image that is there already. Goes the way of a build (build_run.c). */
#include "cli/prune_words.h"

#include <errno.h>
#include <limits.h>

#define AT(field) offsetof(struct wh_prune_flags, field)
#define BUILD(field) offsetof(struct wh_prune_flags, build.field)

static const char *const networks[] = {"default", "none", "host", NULL};
static const char *const progresses[] = {"auto", "plain", "quiet", "tty", "rawjson", NULL};
static const char *const snapshotters[] = {"auto", "overlay", "copy", NULL};
static const char *const isolations[] = {"default", "chroot", NULL};
static const char *const pulls[] = {"always", "missing", "never", "newer", "ifnewer", "true", "false", NULL};
static const char *const allowances[] = {"network.host", "profile.emulated", NULL};
static const char *const modes[] = {"observed", "package", NULL};
static const char *const shells[] = {"remove", "keep", NULL};

static const char *const proofs[] = {"none", "prove", NULL};

static const struct wh_option options[] = {
	/* the tests */
	{"tests", 0, WH_OPT_TEXT, AT(tests), "IMAGE",
	 "Where the tests run: an image with all they need (default: in\nIMAGE itself, as it is before). Nothing of it gets into the result", NULL},
	{"run", 0, WH_OPT_LIST, AT(run), "COMMAND",
	 "Test command: a shell's line, or [\"PROGRAM\", \"ARGUMENT\"]; its exit\nstatus counts. The words behind -- are one, too (repeatable: the\n"
	 "application is started anew for each)", NULL},
	{"tests-dir", 0, WH_OPT_LIST, AT(tests_dirs), "DIR[:PATH]",
	 "A directory of this machine that the tests see, read-only, at PATH\n(default /tests) (repeatable)", NULL},
	{"ready", 0, WH_OPT_LIST, AT(ready), "PROBE",
	 "Tests begin when this holds: tcp:PORT, http:PORT/PATH or a URL,\nlog:REGEX, file:/PATH, delay:TIME (repeatable: all must hold)", NULL},
	{"start", 0, WH_OPT_TEXT, AT(start), "COMMAND",
	 "Start this, [\"PROGRAM\", \"ARGUMENT\"], in place of the image's\nENTRYPOINT and CMD; manual: the tests start it (app start)", NULL},
	{"share", 0, WH_OPT_LIST, AT(share), "DIR", "A directory that application and tests both see (repeatable)", NULL},
	{"env", 'e', WH_OPT_LIST, AT(env), "NAME=VALUE", "Variable for the tests (repeatable)", NULL},
	{"mount", 0, WH_OPT_LIST, AT(mount), "type=TYPE,…", "Mount for the tests, as RUN --mount has it (repeatable)", NULL},
	{"network", 0, WH_OPT_TEXT, AT(network), "MODE",
	 "Network that application and tests share: none (the default: a\nloopback of their own), default (with a way out), host", networks},
	{"timeout", 0, WH_OPT_TEXT, AT(timeout), "TIME", "For one run from start to end (default 10m)", NULL},
	{"runs", 0, WH_OPT_COUNT, AT(runs), "N", "Run each test so often; what is used in any run is kept", NULL},
	/* the application */
	{"entrypoint", 0, WH_OPT_TEXT, AT(entrypoint), "COMMAND",
	 "ENTRYPOINT of the result, [\"PROGRAM\", \"ARGUMENT\"] or PROGRAM, in\nplace of the image's, whose CMD goes with it: where that is a\n"
	 "shell's script, what it starts in the end", NULL},
	{"cmd", 0, WH_OPT_TEXT, AT(cmd), "COMMAND", "CMD of the result, in place of the image's", NULL},
	{"health-cmd", 0, WH_OPT_TEXT, AT(health), "COMMAND", "HEALTHCHECK of the result, [\"PROGRAM\", \"ARGUMENT\"] or PROGRAM", NULL},
	{"no-healthcheck", 0, WH_OPT_FLAG, AT(no_health), NULL, "The result has no HEALTHCHECK: where the image's wants a shell", NULL},
	{"user", 'u', WH_OPT_TEXT, AT(user), "USER[:GROUP]", "USER of the result, in place of the image's", NULL},
	/* what stays */
	{"keep", 0, WH_OPT_LIST, AT(keep), "GLOB", "Keep these paths, with what they need (repeatable)", NULL},
	{"drop", 0, WH_OPT_LIST, AT(drop), "GLOB", "Drop what nothing was seen to use of these (repeatable)", NULL},
	{"mode", 0, WH_OPT_TEXT, AT(mode), "MODE",
	 "observed (the default), or package: whole packages of which code\nwas used", modes},
	{"shell", 0, WH_OPT_TEXT, AT(shell), "WHAT", "remove (the default) or keep shells", shells},
	{"setuid", 0, WH_OPT_LIST, AT(setuid), "WHAT", "strip (the default) or keep set-user-id and set-group-id bits, or\nthe files that keep theirs, by GLOB (repeatable)", NULL},
	{"repair", 0, WH_OPT_TEXT, AT(repair), "N", "Put back what was missed and test again, at most so often", NULL},
	{"max-risk", 0, WH_OPT_TEXT, AT(max_risk), "SHARE",
	 "How often a test that nobody has written yet may be expected to\nfail, 5% or 0.05: above that whole packages are kept, and where\n"
	 "that is not enough nothing is made (exit code 3)", NULL},
	{"runtime", 0, WH_OPT_TEXT, AT(runtime), "WHAT",
	 "none (the default), or prove: run the tests once more under the\nleast privileges that they were seen to need, and with less,\nwhich must fail", proofs},
	/* as for build */
	{"add-host", 0, WH_OPT_LIST, BUILD(add_hosts), "NAME:IP", "Line for /etc/hosts (repeatable)", NULL},
	{"allow", 0, WH_OPT_LIST, BUILD(allow), "WHAT", "network.host, or profile.emulated: programs of another machine\n(repeatable)", allowances},
	{"annotation", 0, WH_OPT_LIST, BUILD(annotations), "[LEVEL:]KEY=VALUE", "Annotation, as for build (repeatable)", NULL},
	{"cache-from", 0, WH_OPT_LIST, BUILD(cache_from), "SPEC", "Take profiles and results from a cache elsewhere, as for build\n(repeatable)", NULL},
	{"cache-to", 0, WH_OPT_LIST, BUILD(cache_to), "SPEC", "Put them into a cache elsewhere, as for build (repeatable)", NULL},
	{"explain-cache", 0, WH_OPT_FLAG, BUILD(explain), NULL, "Say why a step was not taken from the cache", NULL},
	{"iidfile", 0, WH_OPT_TEXT, BUILD(iidfile), "FILE", "Write the image id to this file", NULL},
	{"isolation", 0, WH_OPT_TEXT, BUILD(isolation), "KIND", "default or chroot, as for build ($WHITTLE_ISOLATION)", isolations},
	{"jobs", 0, WH_OPT_COUNT, BUILD(jobs), "N", "Tests run at once (default: as many as CPUs, at least 4)", NULL},
	{"keep-removed", 0, WH_OPT_FLAG, BUILD(keep_removed), NULL,
	 "Keep what PRUNE takes away beside the image, as an artifact that goes\nwhere the image goes: for whittle restore, whittle debug shell", NULL},
	{"label", 0, WH_OPT_LIST, BUILD(labels), "KEY=VALUE", "Label of the image (repeatable)", NULL},
	{"load", 0, WH_OPT_SWITCH, BUILD(load), "WHERE", "Load the image into docker, podman or containerd", NULL},
	{"metadata-file", 0, WH_OPT_TEXT, BUILD(metadata_file), "FILE", "Write what came out to this file, as JSON with buildx's keys", NULL},
	{"no-cache", 0, WH_OPT_FLAG, BUILD(no_cache), NULL, "Run all tests", NULL},
	{"output", 'o', WH_OPT_LIST, BUILD(outputs), "SPEC", "type=oci|docker|local|tar|registry|image,dest=PATH…, as for build\n(repeatable)", NULL},
	{"platform", 0, WH_OPT_LIST, BUILD(platforms), "OS/ARCH", "Which images of several, between commas (default: this machine's)", NULL},
	{"profile-in", 0, WH_OPT_LIST, BUILD(profile_in), "FILE",
	 "Keep what this profile says, too (of --profile-out, from other\ntests, platforms or staging; repeatable)", NULL},
	{"profile-lock", 0, WH_OPT_TEXT, BUILD(profile_lock), "FILE", "Hold the application to what this file says, as for build", NULL},
	{"profile-out", 0, WH_OPT_TEXT, BUILD(profile_out), "FILE",
	 "Write what the target's PROFILEs saw (dest=FILE,tests=true: and in\nwhich test); -: standard output", NULL},
	{"progress", 0, WH_OPT_TEXT, BUILD(progress), "HOW", "auto, plain, tty, rawjson or quiet", progresses},
	{"pull", 0, WH_OPT_SWITCH, BUILD(pull), "WHEN", "Ask registries what the names mean now: always, missing (the\ndefault), never", pulls},
	{"push", 0, WH_OPT_FLAG, BUILD(push), NULL, "Push the image, with what is attached to it, to where each --tag says", NULL},
	{"quiet", 'q', WH_OPT_FLAG, BUILD(quiet), NULL, "Print nothing but the image id", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, BUILD(insecure_registry), NULL,
	 "Take plain HTTP and unknown certificates from registries\n(those on loopback may always speak plain HTTP)", NULL},
	{"reproducible", 0, WH_OPT_FLAG, BUILD(reproducible), NULL, "The same bits twice, as for build", NULL},
	{"root", 0, WH_OPT_TEXT, BUILD(root), "DIR", "The store (as for build)", NULL},
	{"runtime-out", 0, WH_OPT_TEXT, BUILD(runtime_out), "DIR", "Write the least privileges of the result for runtimes, as for build", NULL},
	{"secret", 0, WH_OPT_LIST, BUILD(secrets), "id=ID[,src=FILE|,env=VAR]", "Secret for --mount type=secret (repeatable)", NULL},
	{"shm-size", 0, WH_OPT_TEXT, BUILD(shm_size), "SIZE", "Size of /dev/shm (default 64m)", NULL},
	{"sign-key", 0, WH_OPT_TEXT, BUILD(sign_key), "FILE", "Sign the image, its SBOM and its verdict with this private key\n($COSIGN_PASSWORD)", NULL},
	{"snapshotter", 0, WH_OPT_TEXT, BUILD(snapshotter), "KIND", "overlay, copy or auto, as for build", snapshotters},
	{"ssh", 0, WH_OPT_LIST, BUILD(ssh), "ID[=SOCKET|=KEYFILE[,KEYFILE]]", "An agent for --mount type=ssh (repeatable)", NULL},
	{"tag", 't', WH_OPT_LIST, BUILD(tags), "NAME[:TAG]", "Name of the result in the store and in outputs (repeatable)", NULL},
	{"ulimit", 0, WH_OPT_LIST, BUILD(ulimits), "NAME=SOFT[:HARD]", "Limit of the processes, -1: none (repeatable)", NULL},
	{"update-lock", 0, WH_OPT_FLAG, BUILD(update_lock), NULL, "Write what it needs now into the file of --profile-lock", NULL},
	{0},
};

/* The argument, and what follows a lone "--": IMAGE -- COMMAND ARG… */
static int take_args(int argc, char **argv, const struct wh_strv *args, struct wh_prune_flags *f, struct wh_err **err)
{
	size_t behind = 0;

	for (int i = 1; i < argc && !behind; i++)
		if (wh_streq(argv[i], "--"))
			behind = (size_t)(argc - i - 1);
	if (behind >= args->n)
		return wh_cli_misuse(err, "one image wanted, before --; see whittle prune --help");
	if (args->n - behind > 1) {
		wh_cli_misuse(err, "unexpected argument \"%s\": one image is pruned at a time", args->v[1]);
		wh_err_hint(err, "a test command is what --run names, or what follows --: whittle prune %s -- %s …", args->v[0],
			    args->v[1]);
		return -EINVAL;
	}
	f->image = args->v[0];
	for (size_t i = 1; i < args->n; i++)
		wh_strv_add(&f->command, args->v[i]);
	if (f->health && f->no_health)
		return wh_cli_misuse(err, "--health-cmd and --no-healthcheck exclude each other");
	if (wh_streq(f->user, ""))
		return wh_cli_misuse(err, "--user is empty");
	if (!*f->image || wh_streq(f->tests, ""))
		return wh_cli_misuse(err, "the name of an image is empty");
	return 0;
}

static int prune(int argc, char **argv, const struct wh_strv *args, struct wh_prune_flags *f, struct wh_build_spec *spec,
		 struct wh_err **err)
{
	const struct wh_composer composer = {.arg = f, .compose = wh_prune_words_compose, .tell = wh_prune_words_tell};
	const struct wh_strv none = {0};
	int r = take_args(argc, argv, args, f, err);

	if (r == 0)
		r = wh_prune_words_check(f, err);
	if (r == 0)
		r = wh_build_spec_make(&f->build, &none, spec, err);
	spec->composer = &composer;
	if (r == 0)
		r = wh_build_start(spec, err);
	spec->composer = NULL;
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	struct wh_prune_flags flags = {0};
	struct wh_build_spec spec = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &flags, &args, &help, &err);

	if (r == 0 && help) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_options_help(c, &out);
		r = wh_cli_say(&out);
	} else if (r == 0) {
		r = prune(argc, argv, &args, &flags, &spec, &err);
	}
	if (r < 0)
		r = wh_err_report(err);
	wh_build_spec_release(&spec);
	wh_strv_release(&flags.command);
	wh_options_release(c, &flags);
	return r;
}

const struct wh_command wh_cmd_prune = {
	.name = "prune",
	.args = "IMAGE [-- COMMAND [ARG…]]",
	.summary = "Prune an image to what its application uses",
	.about = "Does to an image that is there what PROFILE and PRUNE do in a Dockerfile: starts its application, watches it while the\n"
		 "tests run, writes an image with what it used or the rules require, and runs the tests again on that. IMAGE is a name,\n"
		 "digest or id in the store, oci:DIR[:TAG], docker-archive:FILE, or is pulled; it stays as it is.\n\n"
		 "Only the application is watched. Tests reach it on 127.0.0.1, and by /run/whittle/app: app exec, app run, app restart.",
	.examples = "  whittle prune nginx:1.27 -t site:slim --ready http:80/ --tests curl -- curl -fsS http://localhost/\n"
		    "  whittle prune shop -t shop:slim --tests shop-tests --ready tcp:8080 --run /tests/run.sh\n"
		    "  whittle prune oci:out/tool -t tool:slim --tests-dir ./tests --start manual --run 'sh /tests/all.sh'",
	.options = options,
	.min_args = 1,
	.max_args = UINT_MAX,
	.args_wanted = "an image",
	.run = run,
};
