# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# A pruned example run by another runtime, held to what `whittle profile runtime` says, and its own tests beside it: what runtime-outside*.t
# share. Source it after lib.sh; needs root, umoci, jq and runc.
#
#   outside_bundle NAME CONTEXT APP TESTS PRIVILEGES   unpacks two OCI layouts and makes $OUT/NAME/{app,tests}: bundles, with PRIVILEGES (a directory of
#                            forms) in app/config.json as oci-runtime.json says
#   outside_run NAME [JQ]    the tests of the example, once; JQ changes the application's config.json. 0: green. What was said is in
#                            $OUT/NAME/log
#
#   made, green, red: below, with their checks
# What it asks CONTEXT/Dockerfile: the driver, --start, --ready, --share, of its PROFILE line. The tests' container has a network of its own, which the
# application joins. /run/whittle/app is a stand-in of a few lines: whatever it is asked for is done out here.
# RUNTIME is the runtime (runc, or crun by outside_crun).

OUT=${OUT:-$T/outside}
RUNTIME=(runc --root "$T/outside-runc")
outside_count=0

# crun wants cgroups of the second version, or none that it could find.
outside_crun() {
	# shellcheck disable=SC2016
	unshare -m sh -c 'umount -R -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup && exec crun --root "$0" --cgroup-manager=disabled "$@"' \
		"$T/outside-crun" "$@"
}

outside_edit() { # FILE JQ-ARG…
	jq "${@:2}" "$1" >"$1.new" && mv "$1.new" "$1"
}

outside_unpack() { # LAYOUT BUNDLE
	umoci unpack --image "$1:latest" "$2" >"$2.umoci" 2>&1 || { cat "$2.umoci"; return 1; }
	# umoci mounts a tmpfs on each volume: what has to be writable is said by others.
	# shellcheck disable=SC2016
	outside_edit "$2/config.json" '.process.terminal = false | .root.readonly = false | del(.process.rlimits)
		| .mounts |= map(select(.destination | test("^/(proc|sys|dev)(/|$)")))'
}

outside_profile() { # NAME: sets ready, share, manual, driver
	local line
	line=$(cat "$OUT/$1/profile")
	ready=$(grep -oP -- '--ready=\K\S+' <<<"$line")
	share=$(grep -oP -- '--share=\K\S+' <<<"$line")
	manual=$(grep -o -- '--start=manual' <<<"$line")
	mapfile -t driver < <(grep -oP '\[.*\]$' <<<"$line" | jq -r '.[]')
}

outside_bundle() {
	local name=$1 from=$2 app=$3 tests=$4 privileges=$5 dir=$OUT/$1 share driver ready manual mount
	mkdir -p "$dir/talk"
	grep '^PROFILE' "$from/Dockerfile" >"$dir/profile"
	outside_profile "$name"
	outside_unpack "$app" "$dir/app" && outside_unpack "$tests" "$dir/tests" || return 1
	install -m 755 /dev/stdin "$dir/talk/app" <<'END'
#!/bin/sh
exec 9>/run/whittle/lock
flock 9
[ "$1" != test ] || exit 0
printf '%s\0' "$@" >/run/whittle/words
echo >/run/whittle/ask
read -r code </run/whittle/answer
cat /run/whittle/said
exit "$code"
END
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$dir/tests/rootfs/etc/hosts"
	mkfifo "$dir/talk/ask" "$dir/talk/answer"
	# shellcheck disable=SC2016
	outside_edit "$dir/tests/config.json" --arg d "$dir/talk" '.process.args = ["sleep", "1000"] | .process.user = {uid: 0, gid: 0}
		| (["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"] as $c
			| .process.capabilities = {bounding: $c, effective: $c, permitted: $c})
		| .mounts += [{destination: "/run/whittle", type: "bind", source: $d, options: ["rbind", "rw"]}]'
	# shellcheck disable=SC2016
	outside_edit "$dir/app/config.json" --slurpfile p "$privileges/oci-runtime.json" '.mounts as $m | . * ($p[0] | del(.mounts)) | .mounts = $m + $p[0].mounts'
	if [ -n "$share" ]; then
		mkdir -p "$dir/share" && chown --reference="$dir/app/rootfs$share" "$dir/share"
		for mount in app tests; do
			# shellcheck disable=SC2016
			outside_edit "$dir/$mount/config.json" --arg s "$dir/share" --arg d "$share" \
				'.mounts += [{destination: $d, type: "bind", source: $s, options: ["rbind", "rw"]}]'
			mkdir -p "$dir/$mount/rootfs$share"
		done
	fi
	cp "$dir/app/config.json" "$dir/app.json"
	skopeo inspect --config "oci:$app:latest" >"$dir/image.json"
}

# ---- one run ----

# Volumes begin as the image has them.
outside_places() { # NAME
	local dir=$OUT/$1/app source destination
	rm -rf "$dir/volumes"
	jq -r '.mounts[] | select(.source | startswith("volumes/")) | .source, .destination' "$dir/config.json" >"$dir.volumes"
	while read -r source && read -r destination; do
		mkdir -p "$dir/volumes" && cp -a "$dir/rootfs$destination" "$dir/$source"
	done <"$dir.volumes"
	[ ! -d "$OUT/$1/share" ] || find "$OUT/$1/share" -mindepth 1 -delete
}

outside_state() { # ID
	"${RUNTIME[@]}" state "$1" 2>/dev/null | jq -r .status
}

outside_up() { # 0 once the application answers
	local end=$((SECONDS + 20))
	while [ "$SECONDS" -lt "$end" ] && [ "$(outside_state "$id")" = running ]; do
		case $ready in
		http:*) nsenter -t "$tests_pid" -n curl -sf --max-time 3 "http://127.0.0.1:${ready#http:}" >/dev/null && return ;;
		tcp:*) nsenter -t "$tests_pid" -n bash -c ": </dev/tcp/127.0.0.1/${ready#tcp:}" 2>/dev/null && return ;;
		esac
		sleep 0.1
	done
	return 1
}

outside_start() {
	"${RUNTIME[@]}" run -d --bundle "$dir/app" "$id" </dev/null >>"$dir/log" 2>&1 || { echo 'it does not start'; return 1; }
	outside_up || { echo 'the application is not ready'; return 1; }
}

outside_end() { # SIGNAL
	local i
	"${RUNTIME[@]}" kill "$id" "$1"
	for i in $(seq 150); do
		[ "$(outside_state "$id")" = running ] || break
		sleep 0.1
	done
	"${RUNTIME[@]}" delete -f "$id"
}

# As a user does: the same image and options, other words.
outside_once() {
	local once=$id-once-$RANDOM
	rm -rf "$dir/once" && mkdir "$dir/once" && ln -s "$dir/app/rootfs" "$dir/once/rootfs"
	jq --args '.process.args = ($e[0].config.Entrypoint // []) + $ARGS.positional | .root.path = $r' --slurpfile e "$dir/image.json" \
		--arg r "$dir/app/rootfs" "$dir/app/config.json" "$@" >"$dir/once/config.json"
	ln -sfn "$dir/app/volumes" "$dir/once/volumes"
	"${RUNTIME[@]}" run --bundle "$dir/once" "$once" </dev/null
}

outside_answer() { # WORD…
	local signal
	case $1 in
	start) "${RUNTIME[@]}" delete -f "$id" 2>/dev/null; outside_start ;;
	restart)
		signal=$(jq -r '.config.StopSignal // "SIGTERM"' "$dir/image.json")
		outside_end "$signal" && outside_start
		;;
	kill) "${RUNTIME[@]}" kill "$id" "${2:-TERM}" ;;
	exec) "${RUNTIME[@]}" exec "$id" "${@:2}" ;;
	run) outside_once "${@:2}" ;;
	*) echo "app $1?" && return 1 ;;
	esac </dev/null
}

outside_serve() {
	local words _
	while read -r _ <"$dir/talk/ask"; do
		mapfile -d '' words <"$dir/talk/words"
		outside_answer "${words[@]}" >"$dir/talk/said" 2>&1
		echo $? >"$dir/talk/answer"
	done
}

outside_run() {
	local name=$1 change=${2:-.} dir=$OUT/$1 id tests_id tests_pid server code=1 share driver ready manual
	outside_count=$((outside_count + 1))
	id=whittle-$$-app$outside_count tests_id=whittle-$$-tests$outside_count
	outside_profile "$name"
	jq "$change" "$dir/app.json" >"$dir/app/config.json" || return 2
	outside_places "$name"
	: >"$dir/log"
	runc --root "$T/outside-runc" run -d --bundle "$dir/tests" "$tests_id" </dev/null >"$dir/tests.log" 2>&1 || { cat "$dir/tests.log"; return 2; }
	on_exit "runc --root '$T/outside-runc' delete -f $tests_id >/dev/null 2>&1"
	on_exit "${RUNTIME[*]@Q} delete -f $id >/dev/null 2>&1"
	tests_pid=$(runc --root "$T/outside-runc" state "$tests_id" | jq .pid)
	# shellcheck disable=SC2016
	outside_edit "$dir/app/config.json" --arg p "/proc/$tests_pid/ns/net" '.linux.namespaces |= map(if .type == "network" then .path = $p else . end)'
	outside_serve &
	server=$!
	on_exit "kill $server 2>/dev/null"
	if [ -n "$manual" ] || outside_start >>"$dir/log"; then
		timeout -k 5 100 runc --root "$T/outside-runc" exec "$tests_id" "${driver[@]}" </dev/null >>"$dir/log" 2>&1
		code=$?
	fi
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	"${RUNTIME[@]}" delete -f "$id" >/dev/null 2>&1
	runc --root "$T/outside-runc" delete -f "$tests_id" >/dev/null 2>&1
	return $code
}

# ---- what the tests do with it ----

# made NAME [CONTEXT]: with $common: the image, its tests, its privileges
made() {
	local name=$1 from=${2:-$SRC/examples/$1}
	run timeout 300 "$WHITTLE" build "${common[@]}" -t "$name" --runtime-out "$name.rt" -o "type=oci,dest=$name.oci,tar=false,compression=gzip" "$from"
	is "$status" 0 "$name: built, and proven"
	[ "$status" = 0 ] || { show "$err"; return 1; }
	like "$out" '^  runtime +proven ' "$name: the summary says so"
	run "$WHITTLE" build "${common[@]}" -t "$name-tests" --target tests -o "type=oci,dest=$name.tests,tar=false,compression=gzip" "$from"
	fits privileges-1 "$name.rt/privileges.json" "$name: the privileges hold to their schema"
	run outside_bundle "$name" "$from" "$name.oci" "$name.tests" "$name.rt"
	is "$status" 0 "$name: unpacked, with config.json as oci-runtime.json says"
	[ "$status" = 0 ] || { show "$all"; return 1; }
}

# green NAME DESC, red NAME DESC JQ
green() {
	if outside_run "$1"; then pass "$1: $2"; else fail "$1: $2" "$(tail -n 30 "$OUT/$1/log")"; fi
}
red() {
	outside_run "$1" "$3"
	case $? in
	0) fail "$1: $2" 'its tests pass' ;;
	2) fail "$1: $2" 'they were not run' ;;
	*) pass "$1: $2" ;;
	esac
}
without_call() {
	printf '.linux.seccomp.syscalls |= map(.names -= ["%s"] | select(.names != []))' "$1"
}
without_place() {
	printf '.mounts |= map(select(.destination != "%s"))' "$1"
}
