# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private dockerd (docker.io's, with its BuildKit) for tests and measurements. Source it; needs root.
#   dockerd_start DIR    starts one with all its state below DIR; exports DOCKER_HOST
#   dockerd_stop         ends it by its process id and unmounts what it left
#   docker_load_oci LAYOUT NAME   makes an image of an OCI layout known as NAME
# DOCKER is the client of the same package (another one may come first in PATH).

DOCKER=/usr/bin/docker
export DOCKER_BUILDKIT=1

dockerd_start() {
	DOCKERD_DIR=$1
	mkdir -p "$DOCKERD_DIR"
	/usr/sbin/dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2 --data-root "$DOCKERD_DIR/data" \
		--exec-root "$DOCKERD_DIR/exec" --pidfile "$DOCKERD_DIR/pid" -H "unix://$DOCKERD_DIR/sock" >"$DOCKERD_DIR/log" 2>&1 &
	DOCKERD_PID=$!
	export DOCKER_HOST=unix://$DOCKERD_DIR/sock
	local i
	for i in $(seq 100); do
		"$DOCKER" version >/dev/null 2>&1 && return 0
		kill -0 "$DOCKERD_PID" 2>/dev/null || break
		sleep 0.2
	done
	tail -5 "$DOCKERD_DIR/log" >&2
	return 1
}

dockerd_stop() {
	[ -n "${DOCKERD_PID:-}" ] || return 0
	kill "$DOCKERD_PID" 2>/dev/null
	wait "$DOCKERD_PID" 2>/dev/null
	DOCKERD_PID=
	awk -v d="$DOCKERD_DIR/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r m; do umount "$m"; done
	rm -rf "$DOCKERD_DIR"
}

docker_load_oci() {
	skopeo copy -q "oci:$1" "docker-archive:$DOCKERD_DIR/load.tar:$2" && "$DOCKER" load -q -i "$DOCKERD_DIR/load.tar" >/dev/null
	local rc=$?
	rm -f "$DOCKERD_DIR/load.tar"
	return $rc
}
