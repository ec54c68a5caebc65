# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private dockerd of a newer Debian than the machine's (fetch_tools.sh docker), for the language of its newer BuildKit. Source it; needs root.
#   newer_dockerd_start ROOT DIR   starts one in the tree ROOT, in a mount namespace of its own, with all state in memory; it sees the directory
#                                  DIR as /mnt, and writes its log there
#   NEWER_DOCKER                   its client, an array, with the same view
#   newer_dockerd_stop             ends it by its process id; its mounts go with its namespace

newer_dockerd_start() {
	# runc changes its root, which must be a mount for that.
	# shellcheck disable=SC2016
	unshare --mount --propagation private bash -c '
		set -eu
		mount --bind "$1" "$1"
		for d in proc sys dev; do mount --rbind "/$d" "$1/$d"; done
		for d in run tmp; do mount -t tmpfs -o mode=755 tmpfs "$1/$d"; done
		mount --bind "$2" "$1/mnt"
		echo "{\"features\":{\"containerd-snapshotter\":true}}" >"$1/run/daemon.json"
		exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root /usr/sbin/dockerd --config-file /run/daemon.json \
			--iptables=false --ip6tables=false --bridge=none --data-root /run/data --exec-root /run/exec --pidfile /run/pid \
			-H unix:///run/docker.sock' - "$1" "$2" >"$2/dockerd.log" 2>&1 &
	NEWER_DOCKERD_PID=$!
	NEWER_DOCKER=(nsenter "--target=$NEWER_DOCKERD_PID" --mount --root --wd=/ env -i PATH=/usr/sbin:/usr/bin HOME=/root
		DOCKER_HOST=unix:///run/docker.sock docker)
	for _ in $(seq 150); do
		"${NEWER_DOCKER[@]}" version >/dev/null 2>&1 && return 0
		kill -0 "$NEWER_DOCKERD_PID" 2>/dev/null || break
		sleep 0.2
	done
	tail -5 "$2/dockerd.log" >&2
	return 1
}

newer_dockerd_stop() {
	[ -n "${NEWER_DOCKERD_PID:-}" ] || return 0
	kill "$NEWER_DOCKERD_PID" 2>/dev/null
	wait "$NEWER_DOCKERD_PID" 2>/dev/null
	NEWER_DOCKERD_PID=
}
