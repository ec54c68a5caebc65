/* SPDX-License-Identifier: Apache-2.0 */
/* whittle run: an image in the sandbox. The options, and the two processes. */
#include "cli/password.h"
#include "cli/registry_service.h"
#include "cli/run_spec.h"
#include "cli/terminal.h"

#include <limits.h>
#include <signal.h>

#define AT(field) offsetof(struct wh_run_flags, field)

static const char *const networks[] = {"default", "none", "host", NULL};
static const char *const pulls[] = {"missing", "always", "never", NULL};

static const struct wh_option options[] = {
	{"add-host", 0, WH_OPT_LIST, AT(add_hosts), "NAME:IP", "Line for /etc/hosts (repeatable)", NULL},
	{"entrypoint", 0, WH_OPT_TEXT, AT(entrypoint), "PROGRAM", "Run this instead of the image's ENTRYPOINT and CMD; \"\" for none", NULL},
	{"env", 'e', WH_OPT_LIST, AT(env), "KEY[=VALUE]", "Variable; without \"=\" from the environment (repeatable)", NULL},
	{"env-file", 0, WH_OPT_LIST, AT(env_files), "FILE", "Variables, one a line (repeatable)", NULL},
	{"hostname", 0, WH_OPT_TEXT, AT(hostname), "NAME", "Name of the container in its network (default: a random one)", NULL},
	{"init", 0, WH_OPT_FLAG, AT(init), NULL, "A first process that passes signals on and waits for orphans", NULL},
	{"interactive", 'i', WH_OPT_FLAG, AT(interactive), NULL, "Standard input is the command's", NULL},
	{"mount", 0, WH_OPT_LIST, AT(mounts), "type=TYPE,…",
	 "type=bind,src=PATH,dst=DIR[,ro]; type=volume,src=NAME,dst=DIR[,ro];\ntype=tmpfs,dst=DIR[,tmpfs-size=SIZE][,tmpfs-mode=MODE] (repeatable)", NULL},
	{"network", 0, WH_OPT_TEXT, AT(network), "MODE",
	 "default (own network where pasta or slirp4netns works, else the\nhost's; with -p always an own one, then without a way out), none,\nhost", networks},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"profile-out", 0, WH_OPT_TEXT, AT(profile_out), "FILE",
	 "Observe the command and write what it needed (for build\n--profile-in, profile merge)", NULL},
	{"publish", 'p', WH_OPT_LIST, AT(publish), "[IP:]HOST:PORT[/udp]",
	 "The container's PORT as the host's port HOST; both may be ranges\n(8000-8010); without HOST a free one, which is told (repeatable)", NULL},
	{"publish-all", 'P', WH_OPT_FLAG, AT(publish_all), NULL, "All ports that the image EXPOSEs, at free ports of the host", NULL},
	{"pull", 0, WH_OPT_TEXT, AT(pull), "WHEN", "Ask the registry when the image is missing (default), always, or\nnever", pulls},
	{"read-only", 0, WH_OPT_FLAG, AT(read_only), NULL, "The root file system is read-only; volumes are not", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{"shm-size", 0, WH_OPT_TEXT, AT(shm_size), "SIZE", "Size of /dev/shm (default 64m)", NULL},
	{"stop-signal", 0, WH_OPT_TEXT, AT(stop_signal), "SIGNAL", "What SIGTERM becomes (default: the image's STOPSIGNAL, else\nSIGTERM)", NULL},
	{"stop-timeout", 0, WH_OPT_TEXT, AT(stop_timeout), "SECONDS", "From SIGTERM to SIGKILL (default 10)", NULL},
	{"tmpfs", 0, WH_OPT_LIST, AT(tmpfs), "DIR[:size=SIZE,mode=MODE]", "An empty file system in memory (repeatable)", NULL},
	{"tty", 't', WH_OPT_FLAG, AT(tty), NULL, "A terminal for the command", NULL},
	{"ulimit", 0, WH_OPT_LIST, AT(ulimits), "NAME=SOFT[:HARD]", "Limit of its processes, -1: none (repeatable)", NULL},
	{"user", 'u', WH_OPT_TEXT, AT(user), "USER[:GROUP]", "Who runs it, by name or number, instead of the image's USER", NULL},
	{"volume", 'v', WH_OPT_LIST, AT(volumes), "HOST:DIR[:ro]",
	 "A file or directory of the host in the container (/DIR, ./DIR: made\nwhen missing), or, by a name, a volume that the store keeps; DIR\nalone: one for this run (repeatable)", NULL},
	{"workdir", 'w', WH_OPT_TEXT, AT(workdir), "DIR", "Where it starts, instead of the image's WORKDIR", NULL},
	/* What docker has, and what is so in any case or is not to be had without a daemon. */
	{"rm", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL},
	{"sig-proxy", 0, WH_OPT_NOTHING, 0, NULL, NULL, NULL},
	{"detach", 'd', WH_OPT_LATER_FLAG, 0, NULL,
	 "there is no daemon that a container could be left with; systemd-run --user whittle run …, or whittle run … &", NULL},
	{"annotation", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"attach", 'a', WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cap-add", 0, WH_OPT_LATER, 0, NULL, "containers have docker's default capabilities", NULL},
	{"cap-drop", 0, WH_OPT_LATER, 0, NULL, "containers have docker's default capabilities", NULL},
	{"cgroupns", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"cpu-shares", 'c', WH_OPT_LATER, 0, NULL, "systemd-run --scope -p CPUWeight=N whittle run … limits it", NULL},
	{"cpus", 0, WH_OPT_LATER, 0, NULL, "systemd-run --scope -p CPUQuota=N% whittle run … limits it", NULL},
	{"cpuset-cpus", 0, WH_OPT_LATER, 0, NULL, "taskset -c LIST whittle run … limits it", NULL},
	{"device", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"dns", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"dns-option", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"dns-search", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"domainname", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"expose", 0, WH_OPT_LATER, 0, NULL, "-p makes a port reachable", NULL},
	{"gpus", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"group-add", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"health-cmd", 0, WH_OPT_LATER, 0, NULL, "nobody asks whether a container is healthy", NULL},
	{"ipc", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"label", 'l', WH_OPT_LATER, 0, NULL, "nothing of a container is kept", NULL},
	{"log-driver", 0, WH_OPT_LATER, 0, NULL, "output goes to standard output and error", NULL},
	{"memory", 'm', WH_OPT_LATER, 0, NULL, "systemd-run --scope -p MemoryMax=SIZE whittle run … limits it", NULL},
	{"memory-swap", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"name", 0, WH_OPT_LATER, 0, NULL, "nobody keeps a list of containers; --hostname gives it one inside", NULL},
	{"pid", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"pids-limit", 0, WH_OPT_LATER, 0, NULL, "systemd-run --scope -p TasksMax=N whittle run … limits it", NULL},
	{"privileged", 0, WH_OPT_LATER_FLAG, 0, NULL, "containers have docker's default capabilities", NULL},
	{"restart", 0, WH_OPT_LATER, 0, NULL, "whoever starts whittle starts it again: a systemd unit with Restart=", NULL},
	{"runtime", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"security-opt", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"sysctl", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"userns", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{"volumes-from", 0, WH_OPT_LATER, 0, NULL, NULL, NULL},
	{0},
};

/* Beside those that the outer process passes on in any case. */
static const int more_signals[] = {SIGUSR1, SIGUSR2};

static int serve(struct wh_outer *outer)
{
	static const struct wh_service services[] = {{WH_SERVICE_REGISTRY, wh_cli_registry_service, NULL}};
	struct wh_terminal_state *terminal = wh_terminal_save();
	int status;

	for (size_t i = 0; i < WH_ARRAY_SIZE(more_signals); i++)
		wh_outer_forward(outer, more_signals[i]);
	wh_outer_offer(outer, services, WH_ARRAY_SIZE(services));
	status = wh_outer_serve(outer);
	wh_terminal_restore(terminal);
	return status;
}

int wh_run_start(struct wh_run_spec *spec, struct wh_err **err)
{
	struct wh_outer *outer = NULL;
	struct wh_inner *inner = NULL;
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < WH_ARRAY_SIZE(more_signals); i++)
		sigaddset(&set, more_signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	wh_password_free(wh_password_take()); /* not for containers, nor for who starts them */
	r = wh_outer_fork(&outer, &inner, err);
	if (r < 0)
		return r;
	if (outer)
		return serve(outer);
	r = wh_run_container(spec, inner);
	wh_inner_free(inner);
	return r;
}

/* As docker has it: what is wrong with us is 125, so that all else is the command's. */
static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	struct wh_run_flags flags = {0};
	struct wh_run_spec spec = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &flags, &args, &help, &err);

	if (r == 0 && help) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

		wh_options_help(c, &out);
		r = wh_cli_say(&out);
	} else if (r == 0) {
		r = wh_run_spec_make(&flags, &args, &spec, &err);
		if (r == 0)
			r = wh_run_start(&spec, &err);
	}
	if (r < 0) {
		(void)wh_err_report(err);
		r = WH_RUN_FAILED;
	}
	wh_run_spec_release(&spec);
	wh_options_release(c, &flags);
	return r;
}

const struct wh_command wh_cmd_run = {
	.name = "run",
	.args = "IMAGE [COMMAND [ARG…]]",
	.summary = "Run an image in the sandbox",
	.about = "Runs the image's program, or COMMAND, as a build's steps run: without a daemon, without root, with docker's default\n"
		 "capabilities and system calls. IMAGE is a name or digest in the store, oci:DIR[:TAG], or is pulled. What it changes is\n"
		 "thrown away at its end, but for volumes. SIGTERM stops it; when whittle is killed, it is, too.\n\n"
		 "The exit code is the command's (128 + N when signal N killed it), 127 when there is no such command, 126 when it\n"
		 "cannot be executed, 125 when whittle could not run it.",
	.examples = "  whittle run -it debian:12\n"
		    "  whittle run -p 8080:80 -v ./site:/usr/share/nginx/html:ro nginx\n"
		    "  whittle run -v data:/var/lib/redis -p 127.0.0.1:6379:6379 redis\n"
		    "  tar c . | whittle run -i --network none oci:out/tool tool --stdin",
	.options = options,
	.min_args = 1,
	.max_args = UINT_MAX,
	.args_wanted = "an image",
	.words_end_options = true,
	.run = run,
};
