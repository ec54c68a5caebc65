# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Running images with other programs: what examples.t and harden.t share. Sourced after lib.sh.

# The container's network is its own: with loopback and nothing else.
# fetch PID URL: what it answers, tried for ten seconds. telnet:// is sent a PING and QUIT, or what
# memcached knows, on its port.
fetch() {
	local pid=$1 url=$2 i

	for i in $(seq 50); do
		case $url in
		telnet:*:11211) printf 'version\r\nquit\r\n' | nsenter -t "$pid" -n curl -sf --max-time 5 "$url" && return ;;
		telnet:*) printf 'PING\r\nQUIT\r\n' | nsenter -t "$pid" -n curl -sf --max-time 5 "$url" && return ;;
		*) nsenter -t "$pid" -n curl -sf --max-time 5 "$url" && return ;;
		esac
		sleep 0.2
	done
	return 1
}

# podman's defaults are more than this machine may allow.
podman_options() {
	[ ! -d /sys/fs/cgroup/unified ] || printf '%s\n' --runtime runc
}
podman_limits() {
	(ulimit -n 1048576) 2>/dev/null || printf '%s\n' --ulimit nofile=1024:1024 --ulimit nproc=4096:4096
}
