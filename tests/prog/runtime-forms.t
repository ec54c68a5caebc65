#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The forms of the least privileges, each read by the program that it is for: runc with capabilities, crun, docker, kubectl, apparmor_parser.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/outside-lib.sh"
. "$SRC/tests/tools/dockerd.sh"
debian=$(test_base debian) || skip_all 'no Debian base'
export HOME=$T
common=(--root "${OUTSIDE_STORE:-$T/store}" --build-context "debian=oci-layout://$debian")

# ---- an application of root's: nginx, whose master makes its workers somebody else's ----

cp -r "$SRC/examples/nginx" root && sed -i 's/^USER .*/USER root/' root/Dockerfile && sed -i '1iuser www-data;' root/nginx.conf
made web root || { done_testing; exit; }
is "$(jq -c .process.capabilities.bounding "$OUT/web/app.json")" '["CAP_CHOWN","CAP_SETGID","CAP_SETUID"]' 'web: three capabilities'
green web 'its tests pass under runc'
for one in CHOWN SETGID SETUID; do
	red web "and fail without CAP_$one" ".process.capabilities |= map_values(. - [\"CAP_$one\"])"
done

# ---- crun ----

RUNTIME=(outside_crun)
green web 'its tests pass under crun'
red web 'and fail under crun without socketpair' "$(without_call socketpair)"
red web 'and fail under crun where /tmp cannot be written' "$(without_place /tmp)"

# ---- from what the image carries ----

run "$WHITTLE" profile runtime "${common[@]:0:2}" docker.io/library/web:latest again
is "$status" 0 'profile runtime: the same from the image'
ok 'profile runtime: every file is what the build wrote' diff -r web.rt again

# ---- docker ----

dockerd_start "$T/dockerd" || { echo 'Bail out! no dockerd'; exit 1; }
on_exit dockerd_stop
docker_load_oci "$T/web.oci:latest" web
# in_docker [OPTION…]: in the directory of the forms, as the manual has it; prints what it answers
in_docker() {
	local id
	# shellcheck disable=SC2046
	id=$(cd web.rt && "$DOCKER" run -d --network none $(cat "${args:-docker-run.args}") "$@" web) || return 1
	sed -n 's/^\(CapBnd\|Seccomp\|NoNewPrivs\):[[:space:]]*/\1 /p' "/proc/$("$DOCKER" inspect --format '{{.State.Pid}}' "$id")/status"
	nsenter -t "$("$DOCKER" inspect --format '{{.State.Pid}}' "$id")" -n curl -s --max-time 3 --retry 20 --retry-connrefused --retry-delay 0 \
		--retry-max-time 6 http://127.0.0.1:8080/
	"$DOCKER" logs "$id" 2>&1 | grep -E 'emerg|alert'
	"$DOCKER" rm -f -v "$id" >/dev/null
}
run in_docker
like "$out" '<h1>It is served</h1>' 'docker: it answers'
like "$out" '^CapBnd 00000000000000c1$' 'docker: three capabilities'
like "$out" '^Seccomp 2$' 'docker: a filter'
like "$out" '^NoNewPrivs 1$' 'docker: no new privileges'
grep -v SETUID web.rt/docker-run.args >web.rt/less
args=less run in_docker
unlike "$out" '<h1>' 'docker: it does not answer without CAP_SETUID'
like "$out" 'setuid.*not permitted' 'docker: and says why'

# ---- Kubernetes: the patch, applied to a Deployment that a user might have ----

cat >deployment.yaml <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.example/web:1", env: [{name: A, value: b}], resources: {limits: {memory: 64Mi}}}
END
run kubectl patch --local -f deployment.yaml --patch "$(cat web.rt/kubernetes-patch.yaml)" -o json
is "$status" 0 'kubectl patches a Deployment'
pod=$(jq -c '.spec.template.spec' <<<"$out")
is "$(jq -c '.containers | length' <<<"$pod")" 1 'kubectl: one container still'
is "$(jq -c '.containers[0] | [.env[0].value, .resources.limits.memory]' <<<"$pod")" '["b","64Mi"]' "kubectl: what was the user's is the user's"
is "$(jq -c '.containers[0].securityContext | [.readOnlyRootFilesystem, .allowPrivilegeEscalation, .capabilities.drop, .capabilities.add]' <<<"$pod")" \
	'[true,false,["ALL"],["CHOWN","SETGID","SETUID"]]' 'kubectl: read-only root, all capabilities but three dropped'
is "$(jq -c '.securityContext.seccompProfile' <<<"$pod")" '{"localhostProfile":"profiles/web.json","type":"Localhost"}' 'kubectl: the filter'
is "$(jq -c '[.containers[0].volumeMounts[0].mountPath, .volumes[0].emptyDir, .volumes[0].name == .containers[0].volumeMounts[0].name]' <<<"$pod")" \
	'["/tmp",{},true]' 'kubectl: an empty directory where it writes'

# ---- AppArmor: parsed and compiled, as no kernel here enforces it ----

ok 'apparmor_parser compiles the profile' sh -c 'apparmor_parser -Q -K -S web.rt/apparmor.profile >apparmor.bin'
ok 'apparmor: something came out' test -s apparmor.bin

done_testing
