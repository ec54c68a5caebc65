#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# examples/ci: the files are what they are for, and their lines do what they say, in containers as the jobs have them, against a registry.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/container-lib.sh"
. "$SRC/tests/tools/registry.sh"
ci=$SRC/examples/ci
lines() { python3 "$SRC/tests/tools/ci_lines.py" "$@"; }
for f in github-actions.yml gitlab-ci.yml kubernetes-job.yaml; do
	ok "$f is YAML" python3 -c 'import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)' "$ci/$f"
done
ok 'nothing is to be found fault with in the Dockerfile of the jobs'"'"' image' "$WHITTLE" check -f "$ci/Dockerfile" "$SRC"

# ---- what a repository of a user's has ----

busybox=$(command -v busybox)
mkdir -p project keys login volume tmp
cp "$busybox" project/busybox
cat > project/Dockerfile <<'EOF'
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox id -u > /who; /bin/busybox chown 1000:1000 /who"]
CMD ["/bin/busybox", "true"]
EOF
export COSIGN_PASSWORD=geheim
ok 'a key pair' "$WHITTLE" keygen --output-key-prefix keys/release
cp keys/release.pub project/
registry_start "$T/registry" htpasswd ci secret-token || { echo 'Bail out! no registry'; exit 1; }
on_exit 'server_stop "$REGISTRY_PID"'
printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$REGISTRY" "$(printf %s ci:secret-token | base64)" > login/config.json
container_tree "$T/tree" "$WHITTLE" || { echo 'Bail out! no tree'; exit 1; }
ln -sf "$WHITTLE" "$T/tree/usr/bin/whittle"
mkdir -p "$T/tree/etc/ssl/certs" && cp -L /etc/ssl/certs/ca-certificates.crt "$T/tree/etc/ssl/certs/"
mkdir -p "$T/tree"/{project,keys,login,store,scratch}
manifest() { # REF
	curl -s -u ci:secret-token -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}"
}
# in_job DESC CODE SCRIPT: SCRIPT, in the container, in the project
in_job() {
	cp "$3" "$T/project/.job.sh"
	run container_run sh -c 'cd /project && exec sh .job.sh'
	is "$status" "$2" "$1: exit code"
	[ "$status" = "$2" ] || show "$all"
}

# ---- GitHub Actions: a container with the options of the job ----

options=$(python3 -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["jobs"]["release"]["container"]["options"])' "$ci/github-actions.yml")
is "$(python3 -c 'import sys, yaml; print(len({j["container"]["options"] for j in yaml.safe_load(open(sys.argv[1]))["jobs"].values()}))' "$ci/github-actions.yml")" 1 'github: one set of options'
[ -c /dev/net/tun ] || options=${options/--device \/dev\/net\/tun/}
# shellcheck disable=SC2086 # words
container_start docker "$T/tree" $options -v "$T/project:/project" -v "$T/tmp:/runner" || { echo 'Bail out! no container'; exit 1; }
expressions=("vars.REGISTRY=$REGISTRY" github.repository=team/shop github.actor=ci secrets.REGISTRY_TOKEN=secret-token
	"secrets.SIGN_KEY=$(cat keys/release.key)" secrets.SIGN_PASSWORD=geheim)
env='export GITHUB_SHA=0123abc RUNNER_TEMP=/runner GITHUB_OUTPUT=/runner/output HOME=/root'
{ echo "$env"; lines github "$ci/github-actions.yml" release "${expressions[@]}"; } > job
in_job 'github: release' 0 job
digest=$(sed -n 's/^digest=//p' "$T/tmp/output")
is "$digest" "sha256:$(manifest team/shop:0123abc | sha256sum | cut -c-64)" 'github: release: what the next job is told is what the registry has'
ok 'github: release: the key is gone' test ! -e "$T/tmp/release.key"
like "$(manifest team/shop:cache)" 'vnd.whittle.cache' 'github: release: the cache is there'
unlike "$all" 'geheim|secret-token|BEGIN' 'github: no secret is printed'
{ echo "$env"; lines github "$ci/github-actions.yml" gate "${expressions[@]}" "needs.release.outputs.digest=$digest"; } > job
in_job 'github: gate' 0 job
is "sha256:$(manifest team/shop:stable | sha256sum | cut -c-64)" "$digest" 'github: gate: the name is given'
{ echo "$env; rm -rf /var/lib/whittle"; lines github "$ci/github-actions.yml" try "${expressions[@]}"; } > job
in_job 'github: a pull request' 0 job
like "$all" CACHED 'github: … takes what it can from the cache'
# An image that nobody signed does not get through.
"$WHITTLE" build -q --root "$T/evil" -t "$REGISTRY/team/shop:evil" --label evil=1 project >/dev/null
DOCKER_CONFIG=$T/login "$WHITTLE" push -q --root "$T/evil" "$REGISTRY/team/shop:evil" >/dev/null
evil=sha256:$(manifest team/shop:evil | sha256sum | cut -c-64)
{ echo "$env"; lines github "$ci/github-actions.yml" gate "${expressions[@]}" "needs.release.outputs.digest=$evil"; } > job
in_job 'github: gate: what is not signed' 3 job
is "sha256:$(manifest team/shop:stable | sha256sum | cut -c-64)" "$digest" 'github: … does not get the name'

# ---- GitLab: a container as docker starts it ----

container_start docker "$T/tree" -v "$T/project:/project" -v "$T/keys:/keys:ro" || { echo 'Bail out! no container'; exit 1; }
cat > env <<EOF
export CI_REGISTRY=$REGISTRY CI_REGISTRY_IMAGE=$REGISTRY/group/shop CI_REGISTRY_USER=ci CI_REGISTRY_PASSWORD=secret-token HOME=/root
export CI_COMMIT_SHA=4567def SIGN_KEY=/keys/release.key
EOF
{ cat env; echo 'export COSIGN_PASSWORD=geheim'; lines gitlab "$ci/gitlab-ci.yml" release; } > job
in_job 'gitlab: release' 0 job
digest=$(sed -n 's/^DIGEST=//p' "$T/project/build.env")
is "$digest" "sha256:$(manifest group/shop:4567def | sha256sum | cut -c-64)" 'gitlab: release: what the next job is told is what the registry has'
{ cat env; echo "export DIGEST=$digest"; lines gitlab "$ci/gitlab-ci.yml" gate; } > job
in_job 'gitlab: gate' 0 job
is "sha256:$(manifest group/shop:stable | sha256sum | cut -c-64)" "$digest" 'gitlab: gate: the name is given'
{ cat env; lines gitlab "$ci/gitlab-ci.yml" try; } > job
in_job 'gitlab: a merge request' 0 job

# ---- Kubernetes: as root of a container with the Job's rights, its own seccomp profile, a root that cannot be written to ----

read -ra rights < <(python3 - "$ci/kubernetes-job.yaml" <<'EOF'
import sys, yaml
spec = yaml.safe_load(open(sys.argv[1]))["spec"]["template"]["spec"]
(c,) = spec["containers"]
s = c["securityContext"]
assert s["allowPrivilegeEscalation"] is False and s["readOnlyRootFilesystem"] is True and s["seccompProfile"] == {"type": "RuntimeDefault"}
assert {m["name"] for m in c["volumeMounts"]} == {v["name"] for v in spec["volumes"]}
words = ["--security-opt", "no-new-privileges", "--read-only"]
for k in s["capabilities"]["drop"]:
    words += ["--cap-drop", k]
for k in s["capabilities"]["add"]:
    words += ["--cap-add", k]
print(*words)
EOF
)
[ ${#rights[@]} -gt 20 ] && pass 'kubernetes: the manifest' || fail 'kubernetes: the manifest' "${rights[*]}"
container_start docker "$T/tree" "${rights[@]}" -v "$T/volume:/store" --tmpfs /tmp -v "$T/login:/login:ro" -v "$T/keys:/keys:ro" -v "$T/project:/project" ||
	{ echo 'Bail out! no container'; exit 1; }
{ echo "export IMAGE=$REGISTRY/job/shop CONTEXT=/project COSIGN_PASSWORD=geheim HOME=/tmp"; lines kubernetes "$ci/kubernetes-job.yaml"; } > job
in_job 'kubernetes: the Job' 0 job
like "$(manifest job/shop:1.4)" '"layers"' 'kubernetes: the image is in the registry'
like "$all" '^verified|^ok|proved' 'kubernetes: and verified'

# What its comments offer instead: namespaces, with three capabilities and a profile that allows them.
like "$(cat "$ci/kubernetes-job.yaml")" '# capabilities: \{drop: \[ALL\], add: \[SETFCAP, SETGID, SETUID\]\}' 'kubernetes: the other way'
container_start docker "$T/tree" --security-opt no-new-privileges --security-opt seccomp=/usr/share/containers/seccomp.json --read-only --cap-drop ALL --cap-add SETFCAP \
	--cap-add SETGID --cap-add SETUID -v "$T/volume:/store" --tmpfs /tmp -v "$T/login:/login:ro" -v "$T/keys:/keys:ro" -v "$T/project:/project" ||
	{ echo 'Bail out! no container'; exit 1; }
{ echo "export IMAGE=$REGISTRY/job/other CONTEXT=/project COSIGN_PASSWORD=geheim HOME=/tmp"; lines kubernetes "$ci/kubernetes-job.yaml" | sed '/WHITTLE_ISOLATION/d'; } > job
in_job 'kubernetes: the Job in namespaces' 0 job
unlike "$all" 'isolation=chroot' 'kubernetes: … and not in a chroot'

done_testing
