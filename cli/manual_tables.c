/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for many commands: exit codes, environment, files. The help, the manual and the tests have it from here. */
#include "cli/options.h"

const struct wh_manual_exit wh_manual_exits[] = {
	{0, "done", NULL},
	{1, "the build failed", NULL},
	{2, "wrong usage or a wrong Dockerfile", NULL},
	{3, "not verified", "build verify"},
	{4, "this machine cannot do it", NULL},
	{5, "a bug of whittle", NULL},
	{10, "the tests fail", "build"},
	{11, "never ready", "build"},
	{12, "the application died", "build"},
	{13, "it does not stop well", "build"},
	{14, "it went into the background", "build"},
	{15, "it needs a shell", "build"},
	{16, "the tests fail after the prune only", "build"},
	{17, "not all was observed", "build"},
	{18, "out of time", "build"},
	{0},
};

const struct wh_manual_entry wh_manual_environment[] = {
	{"COSIGN_PASSWORD", "The password of the private key. It is taken out of the environment before anything else runs.", "build keygen sign"},
	{"DOCKER_CONFIG", "The directory with docker's config.json, in which logins stand (default ~/.docker).", NULL},
	{"HOME", "Where the store, logins and configuration of an ordinary user are.", NULL},
	{"HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "Proxies for registries and sources; in small letters, too. Steps have those that are given as --build-arg.",
	 "build check pull push verify"},
	{"KUBERNETES_SERVICE_HOST, container", "Whether this is a container: advice then says what its manifest or its command line needs.", "doctor build"},
	{"PATH", "Where newuidmap, newgidmap, pasta, slirp4netns, git, ssh-agent and credential helpers are looked for.", NULL},
	{"REGISTRY_AUTH_FILE", "A file with logins, as podman has it; nothing else is looked at then.", NULL},
	{"SOURCE_DATE_EPOCH", "Seconds since 1970: no time in the image, or in what is written beside it, is later.", "build sign"},
	{"SSH_AUTH_SOCK", "The agent that --ssh default means.", "build"},
	{"SSL_CERT_FILE", "Certificates of authorities that are trusted besides the system's.", NULL},
	{"TMPDIR", "Where temporary directories are made that are not in the store.", NULL},
	{"WHITTLE_ISOLATION", "What build's --isolation is when it is not given; chroot: other commands do without a user namespace, too.", "build du gc rm sbom scan verify"},
	{"XDG_DATA_HOME", "The store of an ordinary user is in its directory whittle (default ~/.local/share).", NULL},
	{"XDG_RUNTIME_DIR", "Where podman's logins are (containers/auth.json).", NULL},
	{0},
};

const struct wh_manual_entry wh_manual_files[] = {
	{"/var/lib/whittle", "The store, for root.", NULL},
	{"~/.local/share/whittle", "The store, for others.", NULL},
	{"~/.docker/config.json", "Logins, and names of credential helpers.", NULL},
	{"$XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json", "Logins that podman, buildah and skopeo wrote.", NULL},
	{"Dockerfile, Dockerfile.dockerignore, .dockerignore", "The build, and what of the context is not for it.", "build check"},
	{"Dockerfile.lock", "What --lock wrote and --locked reads.", "build"},
	{"/etc/subuid, /etc/subgid", "Ids that an ordinary user's builds may use.", "build doctor"},
	{0},
};
