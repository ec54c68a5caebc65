# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Containers to run whittle in, as CI systems start them. Source it after lib.sh; needs root.
#
#   container_tree DIR PROGRAM…    a Debian root with these programs of this machine (as they are, set-id bits and all) and the libraries
#                                  that they need
#   container_start KIND TREE [OPTION…]
#                                  starts a container of KIND on a writable view of TREE (an overlay; TREE stays as it is):
#                                    docker   a dockerd that the first call starts
#                                    podman   as root
#                                    runc     config.json with docker's default capabilities, masked paths and seccomp profile
#                                  Options, in docker's words for all three: -v SRC:DST[:ro], --security-opt seccomp=unconfined|FILE
#                                  (runc: FILE is an OCI linux.seccomp object), --security-opt systempaths=unconfined,
#                                  --cap-add CAP, --cap-drop CAP|ALL, --device PATH (runc: bound), --privileged, --tmpfs DIR;
#                                  runc alone: --userns (its root is 200000 of the host).
#                                  Its network is the host's. CONTAINER names it from then on.
#   container_run CMD…             runs a command in it as its root, standard input /dev/null; its exit status
#   container_stop                 removes it
# What was started ends with the test, by its process id or by its own tool.

. "$SRC/tests/tools/dockerd.sh"

CONTAINER='' CONTAINER_KIND=''
container_count=0
container_dockerd=''
declare -A container_images=()

# ---- what is in it ----

container_tree() {
	local dir=$1 base program lib
	shift

	base=$(test_base debian) || return 1
	mkdir -p "$dir"
	skopeo copy -q "oci:$base" "dir:$dir.blobs" || return 1
	for lib in $(jq -r '.layers[].digest' "$dir.blobs/manifest.json"); do
		case $(file -b --mime-type "$dir.blobs/${lib#sha256:}") in
		application/zstd) zstd -dcq "$dir.blobs/${lib#sha256:}" ;;
		application/gzip) gzip -dc "$dir.blobs/${lib#sha256:}" ;;
		*) cat "$dir.blobs/${lib#sha256:}" ;;
		esac | tar -C "$dir" --numeric-owner --xattrs --xattrs-include='*' -xpf - || return 1
	done
	rm -rf "$dir.blobs"
	for program; do
		[ -e "$dir$program" ] || { mkdir -p "$dir${program%/*}" && cp -a "$(realpath "$program")" "$dir$program"; } || return 1
		for lib in $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
			[ -e "$dir$lib" ] || { mkdir -p "$dir${lib%/*}" && cp -L "$lib" "$dir$lib"; } || return 1
		done
	done
}

# The same tree as a user namespace sees it that begins at FIRST. Prints its name.
container_tree_shifted() { # DIR FIRST
	local dir=$1 first=$2 to=$1.$2 uid gid mode file

	if [ ! -e "$to" ]; then
		cp -a "$dir" "$to" || return 1
		find "$dir" -printf '%U %G\n' | sort -u | while read -r uid gid; do
			find "$to" -uid "$uid" -gid "$gid" -exec chown -h "$((first + uid)):$((first + gid))" {} +
		done
		# A change of owner takes these away.
		find "$dir" -type f -perm /6000 -printf '%m %P\n' | while read -r mode file; do chmod "$mode" "$to/$file"; done
	fi
	echo "$to"
}

# ---- docker, podman ----

container_docker() { # TREE OPTION…
	local tree=$1 image=${container_images[$1]:-}
	shift
	if [ -z "$container_dockerd" ]; then
		container_dockerd=$T/container-dockerd
		dockerd_start "$container_dockerd" || return 1
		on_exit dockerd_stop
	fi
	if [ -z "$image" ]; then
		image=tree$((${#container_images[@]} + 1))
		tar -C "$tree" --numeric-owner --xattrs --xattrs-include='*' -cf - . | "$DOCKER" import - "$image" >/dev/null || return 1
		container_images[$tree]=$image
	fi
	CONTAINER=$("$DOCKER" run -d --network host "$@" "$image" sleep 100000)
}

container_podman_do() {
	local options

	mapfile -t options < <([ ! -d /sys/fs/cgroup/unified ] || printf '%s\n' --runtime runc)
	podman "${options[@]}" --root "$T/container-podman" --runroot "$T/container-podman-run" "$@"
}

container_podman() {
	local tree=$1 limits words=() word
	shift
	for word; do
		[ "$word" = systempaths=unconfined ] && word=unmask=ALL
		words+=("$word")
	done
	mapfile -t limits < <((ulimit -n 1048576) 2>/dev/null || printf '%s\n' --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
	CONTAINER=$(container_podman_do run -d --network host "${limits[@]}" "${words[@]}" --rootfs "$tree:O" sleep 100000)
}

# ---- runc ----

CONTAINER_CAPS='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP",
	"CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"]'

# docker's default profile, for these capabilities, as config.json has it: made of the one that the distribution ships beside podman, which lets
# everybody have namespaces and mounts; docker's does so with CAP_SYS_ADMIN alone.
container_seccomp() { # CAPS-JSON
	# shellcheck disable=SC2016
	jq --argjson caps "$1" '
		def met: ((.includes.caps // []) - $caps == []) and ((.includes.arches // ["amd64"]) | index("amd64") != null)
			and ((.excludes.caps // []) | map(select(. as $c | $caps | index($c))) == []) and ((.excludes.arches // []) | index("amd64") == null);
		($caps | index("CAP_SYS_ADMIN") != null) as $admin
		| (if $admin then [] else ["clone", "clone3", "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree",
			"mount_setattr", "fsopen", "fsconfig", "fsmount", "fspick", "keyctl", "add_key", "request_key", "bpf", "sethostname"] end) as $not
		| {defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
		 syscalls: ([.syscalls[] | select(met) | {names: (.names - $not), action} + (if (.args // []) == [] then {} else {args} end)
			+ (if .errnoRet then {errnoRet} else {} end) | select(.names != [])]
			+ if $admin then [] else [{names: ["clone"], action: "SCMP_ACT_ALLOW",
				args: [{index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ"}]},
				{names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38}] end)}' /usr/share/containers/seccomp.json
}

container_runc_edit() { # FILE JQ-ARG…
	local file=$1
	shift
	jq "$@" "$file" >"$file.new" && mv "$file.new" "$file"
}

container_runc() {
	local tree=$1 bundle=$T/container-runc-$container_count caps=$CONTAINER_CAPS seccomp=default config word
	shift
	mkdir -p "$bundle/upper" "$bundle/work" "$bundle/rootfs"
	(cd "$bundle" && runc spec) || return 1
	config=$bundle/config.json
	# shellcheck disable=SC2016
	container_runc_edit "$config" '.process.terminal = false | .process.args = ["sleep", "100000"] | .root.readonly = false
		| del(.process.rlimits, .process.noNewPrivileges) | .hostname = "container"
		| .linux.namespaces |= map(select(.type != "network"))
		| .mounts += [{destination: "/etc/resolv.conf", type: "bind", source: "/etc/resolv.conf", options: ["rbind", "ro"]}]'
	while [ $# -gt 0 ]; do
		word=${2:-}
		case $1 in
		-v)
			IFS=: read -r src dst how <<<"$word"
			# shellcheck disable=SC2016
			container_runc_edit "$config" --arg s "$src" --arg d "$dst" --arg h "${how:-rw}" \
				'.mounts += [{destination: $d, type: "bind", source: $s, options: ["rbind", $h]}]'
			shift
			;;
		--tmpfs)
			# shellcheck disable=SC2016
			container_runc_edit "$config" --arg d "$word" '.mounts += [{destination: $d, type: "tmpfs", source: "tmpfs", options: ["mode=0755"]}]'
			shift
			;;
		--device)
			# shellcheck disable=SC2016
			container_runc_edit "$config" --arg d "$word" \
				'.mounts += [{destination: $d, type: "bind", source: $d, options: ["bind"]}] | .linux.resources.devices += [{allow: true, access: "rwm"}]'
			shift
			;;
		--security-opt)
			case $word in
			seccomp=*) seccomp=${word#seccomp=} ;;
			systempaths=unconfined) container_runc_edit "$config" 'del(.linux.maskedPaths, .linux.readonlyPaths)' ;;
			esac
			shift
			;;
		--cap-add) caps=$(jq -c --arg c "CAP_${word#CAP_}" '. + [$c]' <<<"$caps") && shift ;;
		--cap-drop)
			if [ "$word" = ALL ]; then caps='[]'; else caps=$(jq -c --arg c "CAP_${word#CAP_}" '. - [$c]' <<<"$caps"); fi
			shift
			;;
		--privileged)
			seccomp=unconfined
			caps=$(jq -cR 'split(" ") | map("CAP_" + .)' <<<"$(container_all_caps)")
			container_runc_edit "$config" 'del(.linux.maskedPaths, .linux.readonlyPaths) | .linux.resources.devices = [{allow: true, access: "rwm"}]
				| .mounts |= map(if .type == "sysfs" then .options -= ["ro"] else . end)'
			;;
		--userns)
			tree=$(container_tree_shifted "$tree" 200000) || return 1
			chown 200000:200000 "$bundle/upper"
			container_runc_edit "$config" '.linux.namespaces += [{type: "user"}]
				| .linux.uidMappings = [{containerID: 0, hostID: 200000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
				| .mounts |= map(if .type == "sysfs" then {destination, type: "bind", source: "/sys", options: ["rbind", "ro"]} else . end)'
			;;
		*) echo "container_start runc: $1?" >&2 && return 1 ;;
		esac
		shift
	done
	# shellcheck disable=SC2016
	container_runc_edit "$config" --argjson c "$caps" '.process.capabilities = {bounding: $c, effective: $c, permitted: $c}'
	[ "$seccomp" != default ] || { container_seccomp "$caps" >"$bundle/seccomp.json" && seccomp=$bundle/seccomp.json; } || return 1
	# shellcheck disable=SC2016
	[ "$seccomp" = unconfined ] || container_runc_edit "$config" --slurpfile s "$seccomp" '.linux.seccomp = $s[0]'
	mount -t overlay -o "lowerdir=$tree,upperdir=$bundle/upper,workdir=$bundle/work" overlay "$bundle/rootfs" || return 1
	on_exit "umount '$bundle/rootfs' 2>/dev/null"
	CONTAINER=whittle-$$-$container_count
	runc --root "$T/container-runc" run -d --bundle "$bundle" "$CONTAINER" </dev/null >"$bundle/log" 2>&1 || { cat "$bundle/log" >&2; return 1; }
}

# What this machine's root has: a container cannot have more. With blanks between.
container_all_caps() {
	capsh --decode="$(awk '/^CapPrm/ { print $2 }' /proc/self/status)" | sed 's/.*=//; s/cap_//g; s/,/ /g' | tr '[:lower:]' '[:upper:]'
}

# ---- all of them ----

container_start() { # KIND TREE OPTION…
	local kind=$1
	shift
	container_count=$((container_count + 1))
	CONTAINER='' CONTAINER_KIND=$kind
	"container_$kind" "$@" || return 1
	on_exit "container_remove $kind $CONTAINER"
}

container_run() {
	case $CONTAINER_KIND in
	docker) "$DOCKER" exec "$CONTAINER" "$@" ;;
	podman) container_podman_do exec "$CONTAINER" "$@" ;;
	runc) runc --root "$T/container-runc" exec --cwd / "$CONTAINER" "$@" ;;
	esac </dev/null
}

container_remove() { # KIND ID
	case $1 in
	docker) "$DOCKER" rm -f -v "$2" ;;
	podman) container_podman_do rm -f -t 0 "$2" ;;
	runc) runc --root "$T/container-runc" delete -f "$2" ;;
	esac >/dev/null 2>&1 </dev/null
}

container_stop() {
	container_remove "$CONTAINER_KIND" "$CONTAINER"
	[ "$CONTAINER_KIND" != runc ] || umount "$T/container-runc-$container_count/rootfs"
	CONTAINER=''
}
