/* SPDX-License-Identifier: Apache-2.0 */
/* whittle build: the option table, and the fork into the process that works. */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/context.h"
#include "cli/password.h"
#include "cli/sign_service.h"
#include "cli/source_service.h"
#include "cli/ssh_agent.h"
#include "cli/terminal.h"

#include <signal.h>

#define AT(field) offsetof(struct wh_build_flags, field)

static const char *const networks[] = {"default", "none", "host", NULL};
static const char *const progresses[] = {"auto", "plain", "quiet", "tty", "rawjson", NULL};
static const char *const snapshotters[] = {"auto", "overlay", "copy", NULL};
static const char *const isolations[] = {"default", "chroot", NULL};
static const char *const on_failures[] = {"fail", "shell", NULL};
static const char *const pulls[] = {"always", "missing", "never", "newer", "ifnewer", "true", "false", NULL};
static const char *const allowances[] = {"security.insecure", "network.host", "profile.emulated", NULL};

static const struct wh_option options[] = {
	{"add-host", 0, WH_OPT_LIST, AT(add_hosts), "NAME:IP", "Line for /etc/hosts in the steps (repeatable)", NULL},
	{"allow", 0, WH_OPT_LIST, AT(allow), "WHAT",
	 "Let the Dockerfile ask for more: network.host is what\nRUN --network=host needs, security.insecure what RUN\n"
	 "--security=insecure needs, profile.emulated what PROFILE\nof another machine's programs needs (repeatable)",
	 allowances},
	{"annotation", 0, WH_OPT_LIST, AT(annotations), "[LEVEL:]KEY=VALUE",
	 "Annotation of the manifest, or LEVEL: manifest, index,\nmanifest-descriptor, index-descriptor; the image for one\n"
	 "platform: manifest[linux/arm64] (repeatable)",
	 NULL},
	{"build-arg", 0, WH_OPT_LIST, AT(build_args), "KEY[=VALUE]",
	 "Value for an ARG; without \"=\" from the environment (repeatable)", NULL},
	{"build-context", 0, WH_OPT_LIST, AT(contexts), "NAME=REF",
	 "What FROM NAME and --from=NAME mean (repeatable). REF: a directory,\n"
	 "oci-layout://DIR[:TAG][@DIGEST], docker-image://NAME, a git address\nor http(s)://",
	 NULL},
	{"cache-from", 0, WH_OPT_LIST, AT(cache_from), "SPEC",
	 "Take results of steps from a cache elsewhere: REF, or\ntype=registry,ref=REF (a cache, or an image with an inline one) or\n"
	 "type=local,src=DIR[,tag=TAG|,digest=DIGEST] (repeatable)",
	 NULL},
	{"cache-to", 0, WH_OPT_LIST, AT(cache_to), "SPEC",
	 "Put results of steps into a cache: REF, or type=registry,ref=REF,\ntype=local,dest=DIR[,tag=TAG] or type=inline (goes with the image);\n"
	 "[,mode=min|max][,compression=zstd|gzip|uncompressed]\n[,ignore-error=true]; min: layers of the image alone (repeatable)",
	 NULL},
	{"cgroup-parent", 0, WH_OPT_TEXT, AT(cgroup_parent), "NAME",
	 "Taken for docker's sake: steps stay in the control group\nthat whittle runs in", NULL},
	{"call", 0, WH_OPT_TEXT, AT(call), "METHOD[,format=json]",
	 "Do not build, but print: check, outline (arguments, secrets,\nagents, caches that the target takes), targets", NULL},
	{"check", 0, WH_OPT_FLAG, AT(check), NULL, "The same as --call=check; whittle check has more to say", NULL},
	{"explain-cache", 0, WH_OPT_FLAG, AT(explain), NULL, "Say why a step was not taken from the cache", NULL},
	{"file", 'f', WH_OPT_TEXT, AT(file), "FILE", "The Dockerfile (default CONTEXT/Dockerfile); - is standard input",
	 NULL},
	{"iidfile", 0, WH_OPT_TEXT, AT(iidfile), "FILE", "Write the image id (digest of its config) to this file",
	 NULL},
	{"isolation", 0, WH_OPT_TEXT, AT(isolation), "KIND",
	 "How steps are kept apart: default (namespaces), or chroot, for\nroot of a container that may not have them: weaker, see\n"
	 "DOCKERFILE.md ($WHITTLE_ISOLATION)", isolations},
	{"jobs", 0, WH_OPT_COUNT, AT(jobs), "N", "Steps run at once (default: as many as CPUs, at least 4)", NULL},
	{"keep-removed", 0, WH_OPT_FLAG, AT(keep_removed), NULL,
	 "Keep what PRUNE takes away beside the image, as an artifact that goes\nwhere the image goes: for whittle restore, whittle debug shell", NULL},
	{"label", 0, WH_OPT_LIST, AT(labels), "KEY=VALUE", "Label of the image (repeatable)", NULL},
	{"load", 0, WH_OPT_SWITCH, AT(load), "WHERE",
	 "Load the image into docker, podman or containerd (default: the\nfirst of them that answers), as --output type=docker does", NULL},
	{"lock", 0, WH_OPT_TEXT, AT(lock), "FILE",
	 "Write down what came from outside: bases, URLs, repositories,\npackages, each with its version and digest", NULL},
	{"locked", 0, WH_OPT_FLAG, AT(locked), NULL,
	 "Keep to what --lock wrote (default: the Dockerfile's name with\n.lock): the same bases, URLs, repositories and packages, else\n"
	 "exit code 3", NULL},
	{"metadata-file", 0, WH_OPT_TEXT, AT(metadata_file), "FILE",
	 "Write what came out (digests, names, provenance) to this file, as\nJSON with buildx's keys", NULL},
	{"network", 0, WH_OPT_TEXT, AT(network), "MODE",
	 "Network of RUN: default (own network where pasta or slirp4netns\nworks, else the host's), none, host",
	 networks},
	{"no-cache", 0, WH_OPT_FLAG, AT(no_cache), NULL, "Run every step", NULL},
	{"no-cache-filter", 0, WH_OPT_LIST, AT(no_cache_filter), "STAGE[,STAGE]",
	 "Run every step of these stages (repeatable)", NULL},
	{"on-failure", 0, WH_OPT_TEXT, AT(on_failure), "WHAT",
	 "When a RUN fails: fail (the default), or shell: first a shell in the\nstate in which it was left", on_failures},
	{"output", 'o', WH_OPT_LIST, AT(outputs), "SPEC",
	 "type=oci|docker|local|tar|registry|image,dest=PATH[,tar=false]\n[,name=NAME][,push=true][,push-by-digest=true]\n"
	 "[,compression=zstd|gzip|uncompressed][,compression-level=N]\n[,force-compression=true][,oci-mediatypes=false][,chunk-size=SIZE]\n"
	 "[,annotation-LEVEL.KEY=VALUE]; dest=- is standard output;\na DIR alone is type=local (repeatable)",
	 NULL},
	{"platform", 0, WH_OPT_LIST, AT(platforms), "OS/ARCH",
	 "Platforms of the image, between commas (default: this machine's);\nseveral make an image index with one image each (repeatable)", NULL},
	{"profile-in", 0, WH_OPT_LIST, AT(profile_in), "FILE",
	 "Keep what this profile says, too (of --profile-out, from other\ntests, platforms or staging; repeatable)", NULL},
	{"profile-lock", 0, WH_OPT_TEXT, AT(profile_lock), "FILE",
	 "Hold PROFILEs to what this file says that the application needs;\nsomething new ends the build (exit code 3)", NULL},
	{"profile-out", 0, WH_OPT_TEXT, AT(profile_out), "FILE",
	 "Write what the target's PROFILEs saw (dest=FILE,tests=true: and in\nwhich test); -: standard output", NULL},
	{"progress", 0, WH_OPT_TEXT, AT(progress), "HOW", "auto, plain, tty, rawjson or quiet", progresses},
	{"pull", 0, WH_OPT_SWITCH, AT(pull), "WHEN",
	 "Ask registries what the bases' names mean now: always, missing\n(the default: names that the store lacks), never; --pull alone is\nalways. Layers are fetched only when a step reads them", pulls},
	{"push", 0, WH_OPT_FLAG, AT(push), NULL, "Push the image, with what is attached to it, to where each --tag says", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but the image id", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure_registry), NULL,
	 "Take plain HTTP and unknown certificates from registries\n(those on loopback may always speak plain HTTP)", NULL},
	{"reproducible", 0, WH_OPT_FLAG, AT(reproducible), NULL,
	 "The same bits twice: times as SOURCE_DATE_EPOCH has them (default:\nwhen the newest base was made), logs and caches "
	 "of package managers\nleft out (DOCKERFILE.md has the rules)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR",
	 "The store (default $WHITTLE_ROOT, else $XDG_DATA_HOME/whittle or\n~/.local/share/whittle; for root /var/lib/whittle)", NULL},
	{"runtime-out", 0, WH_OPT_TEXT, AT(runtime_out), "DIR",
	 "Write the least privileges of a pruned target for runtimes\n(seccomp, Landlock, AppArmor, Kubernetes, docker, OCI), after\nthe tests have passed under them and failed with less", NULL},
	{"secret", 0, WH_OPT_LIST, AT(secrets), "id=ID[,src=FILE|,env=VAR]",
	 "Secret for RUN --mount=type=secret (repeatable)", NULL},
	{"shm-size", 0, WH_OPT_TEXT, AT(shm_size), "SIZE", "Size of /dev/shm in the steps (default 64m)", NULL},
	{"sign-key", 0, WH_OPT_TEXT, AT(sign_key), "FILE",
	 "Sign the image, its SBOM and its verdict with this private key\n(whittle keygen makes one; $COSIGN_PASSWORD)", NULL},
	{"snapshotter", 0, WH_OPT_TEXT, AT(snapshotter), "KIND",
	 "How a step's root is made: overlay, copy, or auto\n(overlay where it works)", snapshotters},
	{"ssh", 0, WH_OPT_LIST, AT(ssh), "ID[=SOCKET|=KEYFILE[,KEYFILE]]",
	 "An agent for RUN --mount=type=ssh, or keys for which one is\nstarted; the usual id is default, the usual socket\n$SSH_AUTH_SOCK (repeatable)", NULL},
	{"tag", 't', WH_OPT_LIST, AT(tags), "NAME[:TAG]", "Name of the image in the store and in outputs (repeatable)",
	 NULL},
	{"target", 0, WH_OPT_TEXT, AT(target), "STAGE", "The stage to build (default: the last)", NULL},
	{"ulimit", 0, WH_OPT_LIST, AT(ulimits), "NAME=SOFT[:HARD]", "Limit of the steps' processes, -1: none (repeatable)",
	 NULL},
	{"verify-report", 0, WH_OPT_TEXT, AT(verify_report), "FILE",
	 "Write what --verify-reproducible found to this file, as JSON\n(and verify)", NULL},
	{"update-lock", 0, WH_OPT_FLAG, AT(update_lock), NULL,
	 "Write what the application needs now into the lock of\n--profile-lock or PROFILE --lock", NULL},
	{"verify-reproducible", 0, WH_OPT_FLAG, AT(verify_reproducible), NULL,
	 "Build a second time without cache, and compare: exit code 3 and\na list of what differs, file by file; then nothing is written,\nnamed or pushed", NULL},
	/* What docker has and is still to come: named, so that nobody takes it for a slip of the pen. */
	{"attest", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"builder", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"compress", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL}, /* the context is sent nowhere */
	{"cpu-period", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cpu-quota", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cpu-shares", 'c', WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cpuset-cpus", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cpuset-mems", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"debug", 'D', WH_OPT_LATER_FLAG, 0, NULL, NULL, NULL},
	{"disable-content-trust", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL}, /* Notary's: nobody asks it */
	{"force-rm", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL}, /* nothing of a step is left in any case */
	{"memory", 'm', WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"memory-swap", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"provenance", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"rm", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL},
	{"sbom", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"squash", 0, WH_OPT_LATER_FLAG, 0, NULL, NULL, NULL},
	{0},
};

/* The outer process: lives until the inner one is gone, then says how it went. */
static int serve(struct wh_outer *outer, struct wh_terminal_state *terminal)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	int status = wh_outer_serve(outer);

	wh_terminal_restore(terminal);
	if (status <= 128)
		return status;
	if (status - 128 == SIGINT || status - 128 == SIGTERM || status - 128 == SIGHUP || status - 128 == SIGPIPE ||
	    status - 128 == SIGQUIT)
		return status; /* the user's own doing */
	wh_err_set(&err, "cli", WH_ERR_BUILD, 0, "the build was killed by signal %d (%s)", status - 128,
		   strsignal(status - 128));
	wh_err_hint(&err, "nothing is left running; the next build goes on from what was finished");
	return wh_err_report(err);
}

/* The outer process's part: what the inner one may ask of it. */
static int offer(struct wh_outer *outer, struct wh_build_spec *spec, char *password)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_sign_keeper *keeper = NULL;
	struct wh_service services[] = {
		{WH_SERVICE_REGISTRY, wh_cli_registry_service, NULL},
		{WH_SERVICE_SOURCE, wh_cli_source_service, spec},
		{WH_SERVICE_LOAD, wh_load_service, NULL},
		{WH_SERVICE_SIGN, wh_sign_service, NULL},
	};
	bool echo = spec->sign_key && wh_password_echo(), keep;
	struct wh_terminal_state *terminal = spec->failure_shell ? wh_terminal_save() : NULL;
	int r;

	if (!spec->sign_key)
		wh_password_free(password);
	keep = spec->sign_key && wh_sign_keeper_new(spec->sign_key, password, &keeper, &err) == 0;
	if (err)
		(void)wh_err_report(err);
	services[3].arg = keeper;
	wh_outer_offer(outer, services, keep ? 4 : 3);
	r = serve(outer, terminal);
	wh_sign_keeper_free(keeper);
	if (echo)
		wh_password_echo_on();
	return r;
}

static int work(const struct wh_call *call, struct wh_build_spec *spec, struct wh_inner *inner)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r;

	if (call->name == WH_CALL_BUILD)
		return wh_build_run(spec, inner);
	r = wh_call_build(call, spec, inner, &err);
	return r < 0 ? wh_err_report(err) : r;
}

static int build(const struct wh_call *call, struct wh_build_spec *spec, struct wh_err **err)
{
	struct wh_outer *outer = NULL;
	struct wh_inner *inner = NULL;
	struct wh_ssh_agents *agents = NULL;
	char *password = wh_password_take();
	int r = wh_ssh_agents_start(spec, &agents, err);

	if (r == 0)
		r = wh_outer_fork(&outer, &inner, err);
	if (r == 0 && outer) {
		r = offer(outer, spec, password);
		wh_ssh_agents_end(agents);
		return r;
	}
	if (r < 0)
		wh_ssh_agents_end(agents);
	else
		wh_ssh_agents_forget(agents);
	/* What reads other people's data does not have it, nor does its environment. */
	wh_password_free(password);
	if (r < 0)
		return r;
	r = work(call, spec, inner);
	wh_inner_free(inner);
	return r;
}

int wh_build_start(struct wh_build_spec *spec, struct wh_err **err)
{
	static const struct wh_call call = {.name = WH_CALL_BUILD};

	return build(&call, spec, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	struct wh_build_flags flags = {0};
	struct wh_build_spec spec = {0};
	struct wh_call call = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &flags, &args, &help, &err);

	if (!r && help) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_options_help(c, &out);
		r = wh_cli_say(&out);
	} else if (!r) {
		r = wh_call_parse(flags.call ? flags.call : flags.check ? "check" : "build", &call, &err);
		if (!r)
			r = wh_build_spec_make(&flags, &args, &spec, &err);
		if (!r)
			/* Without a build, and with all files at hand, there is nobody to fork for. */
			r = call.name == WH_CALL_BUILD || wh_context_is_foreign(&spec) ?
				    build(&call, &spec, &err) :
				    wh_call_build(&call, &spec, NULL, &err);
	}
	if (r < 0)
		r = wh_err_report(err);
	wh_build_spec_release(&spec);
	wh_options_release(c, &flags);
	return r;
}

const struct wh_command wh_cmd_build = {
	.name = "build",
	.group = "Building and running",
	.args = "CONTEXT",
	.summary = "Build an image from a Dockerfile",
	.about = "Builds the Dockerfile of the directory CONTEXT without a daemon and without root.\n"
		 "The image stays in the store; --output writes it elsewhere, too.\n"
		 "CONTEXT may also be a repository (https://HOST/X.git#REF:DIR, git@HOST:X), the URL of an archive\n"
		 "or of a Dockerfile, or - for one of these on standard input.",
	.examples =
		"  whittle build -t shop:1.4 .\n"
		"  whittle build -t shop --output type=oci,dest=shop.tar .\n"
		"  whittle build -t registry.example/shop:1.4 --platform linux/amd64,linux/arm64 --push .\n"
		"  whittle build -t shop --build-context debian=oci-layout://./debian -o type=oci,dest=out,tar=false .",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "exactly one context directory",
	.run = run,
};
