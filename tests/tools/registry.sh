# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# A private registry (Debian's docker-registry) on a free port of loopback. Source it.
#   registry_start DIR [htpasswd USER PASSWORD] [token REALM BUNDLE] [tls CERT KEY] [clientca CA -]
#                                        all its state below DIR; sets REGISTRY to HOST:PORT, REGISTRY_PID
#   token_start DIR USER:PASSWORD OPTION…   token_server.py, which logs to DIR/log; sets TOKEN_REALM, TOKEN_PID; its bundle is DIR/root.pem
#   front_start DIR UPSTREAM OPTION…     registry_front.py before it; sets FRONT to HOST:PORT, FRONT_OTHER to its second address, FRONT_PID
#   fault_start DIR UPSTREAM [FAULT AT once|on]   fault_proxy.py before it; sets the same; its user is tester, its password geheim
#   server_stop PID                      ends any of them, by its process id
#   registry_get HOST:PORT PATH          a document of a registry, whatever its type

registry_wait() { # PID COMMAND: until it prints something
	local i seen

	for i in $(seq 100); do
		seen=$($2)
		[ -z "$seen" ] || { echo "$seen"; return 0; }
		kill -0 "$1" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

registry_port() {
	sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$registry_dir/log" | head -n 1
}

registry_start() {
	local port tls='' clientca='' auth=''

	registry_dir=$1
	shift
	mkdir -p "$registry_dir"
	{
		printf 'version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n' "$registry_dir/data"
		printf 'http:\n  addr: "127.0.0.1:0"\n'
		while [ $# -gt 0 ]; do
			case $1 in
			tls) tls="certificate: $2, key: $3" ;;
			clientca) clientca=", clientcas: [$2]" ;;
			token)
				auth="auth: {token: {realm: $2, service: whittle-test-registry, issuer: whittle-test, rootcertbundle: $3}}"
				;;
			htpasswd)
				htpasswd -Bbn "$2" "$3" >"$registry_dir/htpasswd"
				auth=$(printf 'auth: {htpasswd: {realm: whittle-test, path: %s}}' "$registry_dir/htpasswd")
				;;
			esac
			shift 3
		done
		[ -z "$tls" ] || echo "  tls: {$tls$clientca}"
		echo "$auth"
	} >"$registry_dir/config.yml"
	docker-registry serve "$registry_dir/config.yml" >"$registry_dir/log" 2>&1 &
	REGISTRY_PID=$!
	if ! port=$(registry_wait "$REGISTRY_PID" registry_port); then
		tail -n 5 "$registry_dir/log" >&2
		return 1
	fi
	REGISTRY=127.0.0.1:$port
}

front_ports() {
	cat "$front_dir/ports" 2>/dev/null
}

front_start() {
	local ports

	front_dir=$1
	mkdir -p "$front_dir"
	rm -f "$front_dir/ports"
	python3 "$SRC/tests/tools/registry_front.py" --upstream "$2" --dir "$front_dir" "${@:3}" >"$front_dir/out" 2>&1 &
	FRONT_PID=$!
	if ! ports=$(registry_wait "$FRONT_PID" front_ports); then
		tail -n 5 "$front_dir/out" >&2
		return 1
	fi
	FRONT=127.0.0.1:${ports% *}
	FRONT_OTHER=127.0.0.1:${ports#* }
}

fault_start() {
	local ports

	front_dir=$1
	mkdir -p "$front_dir"
	rm -f "$front_dir/ports"
	PYTHONDONTWRITEBYTECODE=1 python3 "$SRC/tests/tools/fault_proxy.py" "$2" "$front_dir" tester geheim "${@:3}" >"$front_dir/out" 2>&1 &
	FRONT_PID=$!
	if ! ports=$(registry_wait "$FRONT_PID" front_ports); then
		tail -n 5 "$front_dir/out" >&2
		return 1
	fi
	FRONT=127.0.0.1:${ports% *}
	FRONT_OTHER=127.0.0.1:${ports#* }
}

token_port() {
	cat "$token_dir/port" 2>/dev/null
}

token_start() {
	local port

	token_dir=$1
	mkdir -p "$token_dir"
	rm -f "$token_dir/port"
	python3 "$SRC/tests/tools/token_server.py" --dir "$token_dir" --user "$2" --service whittle-test-registry "${@:3}" >"$token_dir/out" 2>&1 &
	TOKEN_PID=$!
	if ! port=$(registry_wait "$TOKEN_PID" token_port); then
		tail -n 5 "$token_dir/out" >&2
		return 1
	fi
	TOKEN_REALM=http://127.0.0.1:$port/token
}

server_stop() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

registry_get() {
	curl -sS -f -H 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json' \
		-H 'Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json' \
		"http://$1$2"
}
