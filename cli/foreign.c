/* SPDX-License-Identifier: Apache-2.0 */
/* Options and commands of other programs that are not here, and what there is in their place: hints beside the error. The
 * tables follow MIGRATION.md, row by row. */
#include "cli/cli.h"

struct row {
	const char *words; /* between spaces */
	const char *instead;
};

#define BUILD_CPU "limits are the caller's: systemd-run --user --scope -p CPUQuota=200% whittle build …"
#define BUILD_MEMORY "limits are the caller's: systemd-run --user --scope -p MemoryMax=2G whittle build …"
#define PLATFORM "--platform OS/ARCH[/VARIANT], several between commas"
#define ONE_LAYER "PRUNE makes one layer of what is needed; FROM scratch and COPY --from=STAGE / / one of all"
#define INSECURE "--registry-insecure, or insecure = true for the registry in registries.conf"
#define CERTS "certs.d/HOST/ below /etc/containers or ~/.config/containers: ca.crt, client.cert, client.key"
#define RETRIES "leave it out: transfers are tried again, and go on where they broke off"
#define OWN "leave it out: each step has its own"
#define IDS "leave it out: steps are always in a user namespace, with the ids that /etc/subuid and /etc/subgid have"
#define WROTE "leave it out: only what a step itself wrote is in its layer"
#define CONTENT "finished steps are always kept, by content and not by age; whittle gc --older-than for the store"
#define CACHE_REPO "finished steps are always kept; between machines: --cache-from REPO:cache --cache-to type=registry,ref=REPO:cache,mode=max"
#define RESOLVER "steps have the host's resolver; --add-host for single names"
#define EVIDENCE "an image that is signed (--sign-key) has SBOM and provenance as attestations"

static const struct row build_options[] = {
	/* docker, buildx */
	{"attest provenance", EVIDENCE},
	{"sbom", EVIDENCE "; whittle sbom IMAGE prints one of any image"},
	{"builder", "leave it out: there is one builder, the program that you start"},
	{"cpu-period cpu-quota", BUILD_CPU},
	{"cpu-shares", "limits are the caller's: systemd-run --user --scope -p CPUWeight=N whittle build …"},
	{"cpuset-cpus", "taskset -c 0-3 whittle build …"},
	{"cpuset-mems", "numactl --membind=NODES whittle build …"},
	{"debug", "--explain-cache tells why a step ran, --on-failure=shell opens a shell where one failed"},
	{"memory", BUILD_MEMORY},
	{"memory-swap", "limits are the caller's: systemd-run --user --scope -p MemorySwapMax=2G whittle build …"},
	{"security-opt", "the filter and the capabilities of steps are fixed, like docker's defaults; RUN --security=insecure where a step needs all"},
	{"squash", ONE_LAYER},
	/* buildah, podman */
	{"all-platforms arch os variant custom-platform customPlatform", PLATFORM},
	{"authfile", "REGISTRY_AUTH_FILE in the environment, or whittle login"},
	{"cache-ttl", CONTENT},
	{"cap-add", "docker's default capabilities are there; RUN --security=insecure for all"},
	{"cap-drop", "USER in the Dockerfile: without root a step has none"},
	{"cert-dir registry-certificate registry-client-cert", CERTS},
	{"cgroupns ipc pid uts", OWN},
	{"cpp-flag", "cpp -E Dockerfile.in | whittle build -f - ."},
	{"creds", "whittle login: passwords on command lines are seen by others"},
	{"decryption-key", "skopeo copy --decryption-key … docker://… oci:DIR, and --build-context NAME=oci-layout://DIR"},
	{"device", "there is nothing in its place: devices of the host are not for steps"},
	{"disable-compression", "--output type=oci,dest=FILE,compression=uncompressed"},
	{"dns dns-option dns-search", RESOLVER},
	{"env", "ENV in the Dockerfile"},
	{"format", "OCI's is the default; docker's with --output type=docker, or oci-mediatypes=false"},
	{"from", "--build-context NAME=docker-image://OTHER, for each FROM by its name"},
	{"hooks-dir runtime runtime-flag", "there is no OCI runtime beside this program"},
	{"http-proxy", "--build-arg HTTP_PROXY and the like: steps get none by themselves"},
	{"identity-label", "leave it out: no label is added"},
	{"ignorefile", "Dockerfile.dockerignore beside the Dockerfile goes before .dockerignore"},
	{"layers", "leave it out: finished steps are always kept; --no-cache runs them again"},
	{"logfile", "2>FILE; --progress=rawjson for programs"},
	{"logsplit", "--progress=rawjson: each line says whose it is"},
	{"manifest", "--platform with several makes the index, --tag names it"},
	{"no-hosts", "steps have an /etc/hosts of their own, which never gets into a layer"},
	{"omit-history", "there is nothing in its place; PRUNE has a history of its own, short"},
	{"os-feature os-version", "there is nothing in its place: images are for linux"},
	{"retry retry-delay image-download-retry image-fs-extract-retry push-retry", RETRIES},
	{"sign-by", "--sign-key FILE (sigstore, cosign), in place of GPG"},
	{"skip-unused-stages", "leave it out: what the target does not need is never run"},
	{"stdin", "there is nothing in its place: steps read /dev/null"},
	{"timestamp", "SOURCE_DATE_EPOCH=SECONDS in the environment; --reproducible does more"},
	{"tls-verify", INSECURE ", or the authority's certificate in certs.d"},
	{"unsetenv", "ENV NAME= empties it; variables of a base stay"},
	{"userns userns-gid-map userns-gid-map-group userns-uid-map userns-uid-map-user", IDS},
	{"volume", "RUN --mount=type=bind from the context or a --build-context, type=cache for what shall stay"},
	/* kaniko */
	{"bucket", "fetch the archive, and whittle build - < FILE"},
	{"cache cache-repo", CACHE_REPO},
	{"cache-copy-layers cache-run-layers", "leave it out: results of COPY and RUN are in a cache alike"},
	{"cache-dir kaniko-dir", "--root DIR: the store, with bases and results, on a volume"},
	{"cleanup force", "leave it out: the files of the container or machine are not touched"},
	{"compressed-caching", "--cache-to …,compression=zstd, gzip or uncompressed"},
	{"compression", "--output type=registry,compression=zstd; zstd is the default"},
	{"compression-level", "--output …,compression-level=N"},
	{"context", "the argument: a directory, a git address, a URL, - for a tar on standard input"},
	{"context-sub-path", "https://HOST/X.git#REF:DIR, or the directory itself"},
	{"credential-helpers", "credHelpers in docker's config.json"},
	{"destination", "--tag NAME --push, as often as there are names"},
	{"digest-file image-name-with-digest-file image-name-tag-with-digest-file", "--metadata-file FILE (containerimage.digest, image.name)"},
	{"dockerfile", "--file FILE, -f FILE"},
	{"force-build-metadata", "leave it out: the config is as docker's"},
	{"git", "#BRANCH of the git address"},
	{"ignore-path ignore-var-run whitelist-var-run snapshot-mode snapshotMode use-new-run", WROTE},
	{"insecure insecure-pull insecure-registry skip-tls-verify skip-tls-verify-pull skip-tls-verify-registry", INSECURE},
	{"log-format", "--progress plain or rawjson"},
	{"log-timestamp", "--progress rawjson has times; 2>&1 | ts"},
	{"no-push", "leave it out: without --push nothing is pushed"},
	{"no-push-cache", "leave it out: without --cache-to no cache is written"},
	{"oci-layout-path", "--output type=oci,dest=DIR,tar=false"},
	{"push-ignore-immutable-tag-errors", "there is nothing in its place: a registry that refuses a tag fails the build"},
	{"registry-map", "[[registry]] with location in registries.conf"},
	{"registry-mirror", "[[registry.mirror]] in registries.conf, registry-mirrors in daemon.json"},
	{"single-snapshot", ONE_LAYER},
	{"skip-default-registry-fallback", "blocked = true for the registry in registries.conf"},
	{"skip-push-permission-check", "leave it out: nothing is asked before there is something to push"},
	{"tar-path tarPath", "--output type=docker,dest=FILE, or type=oci"},
	{"verbosity", "--progress plain, --quiet"},
};

static const struct row run_options[] = {
	{"attach", "whittle run always shows what the container prints; -i gives it standard input"},
	{"cgroupns ipc pid userns", "leave it out: the container has its own"},
	{"device gpus", "there is nothing in its place: devices of the host are not for containers"},
	{"dns dns-option dns-search", "the container has the host's resolver; --add-host for single names"},
	{"memory-swap", "limits are the caller's: systemd-run --scope -p MemorySwapMax=SIZE whittle run …"},
	{"runtime", "leave it out: there is no runtime beside this program"},
	{"security-opt", "the filter and the capabilities are fixed, as docker's defaults are"},
	{"volumes-from", "name the volumes: -v NAME:DIR, for both"},
};

/* docker's "image prune", and what users of slim (mint) are used to. */
static const struct row prune_options[] = {
	{"all filter force volumes", "this prunes one image to what its application uses; whittle gc removes what the store does not need"},
	/* slim */
	{"target", "the image is the argument: whittle prune IMAGE"},
	{"http-probe http-probe-cmd http-probe-cmd-file http-probe-apispec http-probe-apispec-file http-probe-crawl",
	 "tests are commands: --ready http:PORT/ --run 'curl -fsS http://localhost:PORT/…' --tests IMAGE-WITH-CURL"},
	{"http-probe-ports http-probe-start-wait http-probe-retry-count http-probe-retry-wait http-probe-ready-timeout probe-cmd",
	 "--ready http:PORT/ (or tcp:PORT, log:REGEX, delay:TIME) waits, --timeout limits"},
	{"http-probe-off", "leave it out: nothing is asked but what --ready and --run say"},
	{"continue-after", "the tests' end is the end: --run COMMAND; to wait only, --run 'sleep 30'"},
	{"exec exec-file", "--run '/run/whittle/app exec COMMAND' runs it in the application's container"},
	{"host-exec host-exec-file", "--run COMMAND with --tests-dir DIR: tests run in a container, files of this machine beside"},
	{"new-entrypoint", "--entrypoint '[\"PROGRAM\",\"ARGUMENT\"]'"},
	{"new-cmd", "--cmd '[\"ARGUMENT\"]'"},
	{"new-user run-target-as-user", "--user USER"},
	{"expose new-expose new-env new-label new-volume new-workdir remove-env remove-expose remove-label remove-volume image-overrides",
	 "what was tested is what is shipped: FROM IMAGE and the change, PROFILE, PRUNE in a Dockerfile; --label is here"},
	{"include-path include-bin include-exe include-path-file include-paths-container-file include-bin-file include-exe-file preserve-path preserve-path-file include-dir-bins-all",
	 "--keep=GLOB, as often as there are patterns; what programs among them need comes along"},
	{"exclude-pattern", "--drop=GLOB: what nothing was seen to use of it goes"},
	{"include-shell", "--shell=keep"},
	{"include-cert-all include-cert-bundles-only include-cert-dirs include-cert-pk-all include-new include-oslibs-net include-zoneinfo include-ssh-client",
	 "leave it out: rules keep what an application that uses the network, time zones or certificates needs; --keep=GLOB for more"},
	{"include-node-package include-app-nuxt-dir include-app-next-dir", "--mode=package keeps whole packages of which code was used"},
	{"keep-perms path-perms path-perms-file", "leave it out: owners, modes, times and capabilities stay as they are"},
	{"tag-fat", "the image itself stays as it is, under its name"},
	{"copy-meta-artifacts show-blogs show-clogs show-plogs", "whittle explain IMAGE tells what stayed and why; --metadata-file, --output type=oci for the evidence"},
	{"compose-file compose-svc dep-include-compose-svc-deps dep-exclude-compose-svc-all",
	 "--start=manual lets the tests start what the application needs first; --tests IMAGE can hold it"},
	{"build-from-dockerfile dockerfile-context", "PROFILE and PRUNE in the Dockerfile: whittle build"},
	{"rta-onbuild-base-image rta-source-ptrace sensor-ipc-mode sensor-ipc-endpoint remove-file-artifacts in-container pull-image",
	 "leave it out: there is no sensor in the container, and no daemon"},
};

static const struct row images_options[] = {
	{"filter", "a pattern selects by name: whittle images 'team/*'; for more --format json and jq"},
	{"tree", "whittle images --format json, and whittle inspect"},
};

#define NO_CONTAINERS "nothing of a container stays: whittle run stops it and throws it away at its end"

static const struct row commands[] = {
	{"attach container cp create diff exec kill logs pause port ps rename restart start stats stop top unpause update wait", NO_CONTAINERS},
	{"bud buildx", "whittle build takes buildx's and docker's options"},
	{"slim mint xray", "whittle prune IMAGE --tests IMAGE --run COMMAND, or PROFILE and PRUNE in the Dockerfile"},
	{"builder system", "whittle du tells what takes how much, whittle gc removes what is not needed"},
	{"commit compose events import network plugin swarm", "there is nothing in its place"},
	{"export", "whittle build -o DIR, or -o type=tar,dest=FILE, writes the files of an image"},
	{"image", "whittle images, inspect, history, tag, rm, load, save, pull and push are commands by themselves"},
	{"info", "whittle doctor and whittle du"},
	{"manifest", "whittle build --platform with several makes an index, whittle inspect shows one"},
	{"volume", "whittle du --verbose lists volumes, whittle rm --volume NAME removes one"},
};

static const char *look_up(const struct row *rows, size_t n_rows, struct wh_str word)
{
	size_t i, n;

	for (i = 0; i < n_rows; i++)
		for (const char *p = rows[i].words; *p; p += n + (p[n] == ' ')) {
			n = strcspn(p, " ");
			if (n == word.n && memcmp(p, word.p, n) == 0)
				return rows[i].instead;
		}
	return NULL;
}

const char *wh_foreign_option(const char *command, struct wh_str name)
{
	if (wh_streq(command, "build"))
		return look_up(build_options, WH_ARRAY_SIZE(build_options), name);
	if (wh_streq(command, "run"))
		return look_up(run_options, WH_ARRAY_SIZE(run_options), name);
	if (wh_streq(command, "prune"))
		return look_up(prune_options, WH_ARRAY_SIZE(prune_options), name);
	return wh_streq(command, "images") ? look_up(images_options, WH_ARRAY_SIZE(images_options), name) : NULL;
}

const char *wh_foreign_command(const char *name)
{
	return look_up(commands, WH_ARRAY_SIZE(commands), wh_str(name));
}
