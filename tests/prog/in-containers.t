#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle inside containers, and where the host gives less than it could: the same images as outside, or one clear error; and what
# `whittle doctor` says there. What may not be had is told, and what would differ is refused.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/container-lib.sh"
busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }
export SOURCE_DATE_EPOCH=1700000000

# ---- what is built ----

mkdir -p ctx/steps ctx/files ctx/apt ctx/deb/DEBIAN ctx/deb/var/lib/svc/sub
printf 'file of the context\n' | tee ctx/steps/f >ctx/files/f
cat >ctx/steps/Dockerfile <<'D'
FROM base AS a
RUN mkdir -p /srv/data && echo hi >/srv/data/a && ln /srv/data/a /srv/data/b && ln -s a /srv/data/c && chown -R 1000:1000 /srv/data
RUN rm -rf /srv/data/b /home && mkdir /home && touch /home/new && chown 33:44 /srv/data/a && chmod 4750 /srv/data/a && mkfifo /srv/fifo
COPY --chown=7:8 f /srv/
# not with ls -l: how many links a directory has is the file system's affair
RUN find /srv -exec stat -c '%n %F %u %g %a %Y' {} + | sort >/list && cat /proc/self/status >/dev/null && test -e /proc/self/exe && test -c /dev/null && echo x >/dev/null
FROM base
COPY --from=a /srv /srv
COPY --from=a --chown=65534 /list /
USER 1000
RUN id -u >/tmp/me
D
cat >ctx/files/Dockerfile <<'D'
FROM base
COPY --chown=5:6 f /f
WORKDIR /work
COPY f g
ENV A=b
D
# A package as they are: a user of its own, a directory that is given to it, a link, a mode.
cat >ctx/deb/DEBIAN/control <<'D'
Package: svc
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a service
D
printf '#!/bin/sh\nset -e\ngroupadd -r -g 901 svc\nuseradd -r -u 901 -g svc -M -d /var/lib/svc svc\nchown -R svc:svc /var/lib/svc\nsu -s /bin/sh svc -c "umask 077; echo mine >/var/lib/svc/own"\n' \
	>ctx/deb/DEBIAN/postinst
chmod 755 ctx/deb/DEBIAN/postinst
echo data >ctx/deb/var/lib/svc/sub/data
dpkg-deb --root-owner-group -b ctx/deb ctx/apt/svc.deb >/dev/null || { echo "Bail out! no package"; exit 1; }
cat >ctx/apt/Dockerfile <<'D'
FROM debian
COPY svc.deb /tmp/svc.deb
RUN apt-get install -y --no-install-recommends /tmp/svc.deb && rm /tmp/svc.deb
RUN dpkg -s svc | grep -q 'install ok installed' && test "$(stat -c %U /var/lib/svc/own)" = svc
D

words=(--progress=plain)
image_of() {
	sed -n 's/^image  //p' <<<"$1"
}
declare -A want
for what in steps files apt; do
	[ $what != apt ] || words+=(--reproducible)
	run timeout 600 "$WHITTLE" build --root "$T/store" --build-context "base=oci-layout://$busybox" \
		--build-context "debian=oci-layout://$debian" "${words[@]}" "ctx/$what"
	want[$what]=$(image_of "$out")
	isnt "${want[$what]}" '' "outside: $what is built"
	[ "$status" = 0 ] || show "$err"
done

# ---- in an environment: `there CMD…` runs a command in it ----

there=() store=/store bases=/bases contexts=/ctx
inside() { # ARGS…: whittle there
	run "${there[@]}" env SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH timeout 600 "$whittle_there" "$@"
}
build_there() { # WHAT ARGS…
	local what=$1
	shift
	[ "$what" != apt ] || set -- --reproducible "$@"
	inside build --root "$store" --progress=plain --build-context "base=oci-layout://$bases/busybox" \
		--build-context "debian=oci-layout://$bases/debian" "$@" "$contexts/$what"
}
same() { # WHERE WHAT…: these come out as outside
	local where=$1 what
	shift
	for what; do
		build_there "$what"
		is "$(image_of "$out")" "${want[$what]}" "$where: $what is the image that is built outside"
		[ "$status" = 0 ] || show "$err"
	done
}
verdict() { # WHERE CODE TEXT
	inside doctor --root "$store"
	is "$(tail -n 1 <<<"$out")" "builds: $3" "$1: the doctor's verdict"
	is "$status" "$2" "$1: its exit code"
}

whittle_there=$WHITTLE
container_tree "$T/tree" "$WHITTLE" "$(command -v newuidmap)" "$(command -v newgidmap)" "$(command -v pasta)" /usr/sbin/setcap ||
	{ echo "Bail out! no tree"; exit 1; }
grep -q "^$TEST_USER:" "$T/tree/etc/passwd" || echo "$TEST_USER:x:1000:1000::/tmp:/bin/sh" >>"$T/tree/etc/passwd"
echo "$TEST_USER:100000:65536" | tee "$T/tree/etc/subuid" >"$T/tree/etc/subgid"
mkdir -p "$T/tree/store"
volumes=(-v "$T/ctx:/ctx:ro" -v "$(dirname "$busybox"):/bases:ro")
fresh_store() { # owner
	remove_tree "$T/volume"
	mkdir "$T/volume" && chown "${1:-0:0}" "$T/volume"
}
# container WHERE KIND OPTION…: with a store on a volume
container() {
	local where=$1 kind=$2
	shift 2
	container_start "$kind" "$T/tree" "${volumes[@]}" "$@" || { fail "$where: the container starts"; return 1; }
	there=(container_run)
}
with_volume() {
	fresh_store
	container "$@" -v "$T/volume:/store"
}

masked='all, one step at a time, without PROFILE, with this host'"'"'s network'

# ---- docker ----

# Its default: neither namespaces nor mounts.
if with_volume 'docker' docker; then
	verdict 'docker' 4 'only with --isolation=chroot, or what runs nothing'
	like "$out" '^missing +user namespace +this host refuses a user namespace: Operation not permitted$' 'docker: says what is missing'
	like "$out" '^ +mend: .*--security-opt seccomp=unconfined' 'docker: and the mend'
	inside doctor --root "$store" --isolation=chroot
	is "$status:$(tail -n 1 <<<"$out")" '0:builds: all, with --isolation=chroot' 'docker: with --isolation=chroot'
	inside doctor --root "$store" --format json
	is "$(jq -r '[.works, ([.checks[] | select(.name == "user namespace") | .state] | join(","))] | join(" ")' <<<"$out")" 'false missing' \
		'docker: the same as JSON'
	build_there steps
	is "$status" 4 'docker: a step is an error of the environment'
	is "$(grep -c '^error: ' <<<"$err")" 1 'docker: one error'
	like "$err" '^error: this host refuses a user namespace' 'docker: which says so'
	like "$err" '^hint: .*seccomp=unconfined.*--isolation=chroot' 'docker: and both ways out'
	same 'docker, without a user namespace' files
	container_stop
fi
mkdir user-volume && chown 1000:1000 user-volume
if with_volume 'docker, no seccomp' docker --security-opt seccomp=unconfined -v "$T/user-volume:/user"; then
	verdict 'docker, no seccomp' 0 "$masked"
	same 'docker, no seccomp, /proc masked, no tun' steps files apt
	like "$err" "^note: this container's /proc is masked" 'docker, no seccomp: a notice'
	# What a step sees in that /proc can neither be written nor looked into.
	cat >ctx/steps/peek <<-'D'
		for f in /proc/self/oom_score_adj /proc/sys/kernel/panic /proc/sysrq-trigger /proc/1/oom_score_adj; do
			(echo 1 >$f) 2>/dev/null && echo "wrote $f"
		done
		for p in /proc/[0-9]*; do
			[ -e $p/status ] || continue
			# Of its own there are two: this shell and what it has started.
			grep -q "^NSpid:.*[[:space:]]1$" $p/status && ls $p/root/peek >/dev/null 2>&1 && echo "own" && continue
			ls $p/root/ >/dev/null 2>&1 && echo "looked into $p: $(cat $p/comm)"
			cat $p/environ >/dev/null 2>&1 && [ -s $p/cmdline ] && echo "read the environment of $p: $(cat $p/comm)"
		done
		echo "secrets: $(cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c)"
	D
	printf 'FROM base\nCOPY peek /\nRUN sh /peek\n' >ctx/steps/Dockerfile.peek
	build_there steps --no-cache -f /ctx/steps/Dockerfile.peek
	is "$status" 0 'docker, no seccomp: a step looks around'
	like "$err" ' own$' 'docker, no seccomp: it finds itself in /proc'
	like "$err" ' secrets: 0$' 'docker, no seccomp: and what is masked empty'
	unlike "$err" ' (wrote|looked into|read the environment)' 'docker, no seccomp: writes nothing there, looks into no process of the builder'
	there=(container_run setpriv --reuid 1000 --regid 1000 --clear-groups --reset-env) store=/user/store
	verdict 'docker, an ordinary user' 0 "all, with 1 user id, ${masked#all, }"
	like "$out" '^ +mend: .*chmod u-s [a-z/]*/newuidmap && setcap cap_setuid.ep [a-z/]*/newuidmap' 'docker, an ordinary user: newuidmap needs file capabilities'
	same 'docker, an ordinary user' files
	container_run sh -c 'chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap; setcap cap_setuid+ep /usr/bin/newuidmap; setcap cap_setgid+ep /usr/bin/newgidmap'
	verdict 'docker, an ordinary user with that' 0 "$masked"
	same 'docker, an ordinary user with that' steps
	there=(container_run) store=/store
	printf 'FROM base\nRUN --security=insecure true\n' >ctx/steps/Dockerfile.insecure
	build_there steps --allow security.insecure -f /ctx/steps/Dockerfile.insecure
	is "$status" 4 'docker, no seccomp: an insecure step is refused'
	like "$err" 'needs a /proc of its own' 'docker, no seccomp: and why'
	container_stop
fi
if with_volume "docker with podman's profile" docker --security-opt seccomp=/usr/share/containers/seccomp.json; then
	verdict "docker with podman's profile" 0 "$masked"
	same "docker with podman's profile" steps
	container_stop
fi
if with_volume 'docker, unconfined' docker --security-opt seccomp=unconfined --security-opt systempaths=unconfined --device /dev/net/tun; then
	verdict 'docker, unconfined' 0 all
	same 'docker, seccomp and systempaths unconfined, with tun' steps
	unlike "$err" '^note: (network|only|steps|this|overlay)' 'docker, unconfined: nothing to be told'
	container_stop
fi

# ---- podman, runc ----

# Its default profile. The store lies on the container's own root, an overlay, on which the kernel lays no other.
if container 'podman' podman; then
	verdict 'podman, store on the overlay' 0 "all, with copied roots, one step at a time, without PROFILE, with this host's network"
	same 'podman, store on the overlay' steps
	like "$err" '^note: overlay file systems do not work here' 'podman, store on the overlay: a notice'
	container_stop
fi
if with_volume 'podman' podman --read-only; then
	verdict 'podman, read-only' 0 "$masked"
	same 'podman, root read-only' steps
	container_stop
fi
if with_volume 'runc' runc --security-opt seccomp=unconfined --device /dev/net/tun; then
	# pasta wants more than this container has; where it does not work, the network is the host's.
	inside doctor --root "$store"
	like "$out" '^builds: all, one step at a time, without PROFILE' "runc: the doctor's verdict"
	same "runc, docker's capabilities" steps
	container_stop
fi
if with_volume 'runc, few capabilities' runc --security-opt seccomp=unconfined --cap-drop SETFCAP; then
	build_there steps
	is "$status" 4 'runc, no SETFCAP: exit code'
	like "$err" '^error: .*lacks the capabilities SETUID, SETGID or SETFCAP' 'runc, no SETFCAP: says so'
	like "$err" '^hint: .*--cap-add SETFCAP' 'runc, no SETFCAP: and the mend'
	same 'runc, no SETFCAP' files
	container_stop
fi
fresh_store 200000:200000
if container 'runc, user namespace' runc --userns --security-opt seccomp=unconfined -v "$T/volume:/store"; then
	verdict 'runc in a user namespace' 0 "$masked"
	same 'runc in a user namespace' steps files
	container_stop
fi

# ---- podman without root ----

mkdir "$UT/tree" "$UT/store" "$UT/run" && chown -R "$TEST_USER:" "$UT"
tar -C "$T/tree" --numeric-owner -cf - . | as_user unshare --user --map-root-user --map-auto tar -C "$UT/tree" --numeric-owner -xpf -
rootless() {
	as_user env XDG_RUNTIME_DIR="$UT/run" podman --runtime runc --cgroup-manager cgroupfs --root "$UT/graph" --runroot "$UT/r" run --rm --network host \
		--ulimit nofile=1024:1024 --ulimit nproc=4096:4096 -v "$UT/store:/store" "${volumes[@]}" --rootfs "$UT/tree" "$@"
}
there=(rootless)
verdict 'podman without root' 0 "$masked"
same 'podman without root' steps
# What holds podman's user namespace would stay when the test is over.
pause=$(cat "$UT/run/libpod/tmp/pause.pid" 2>/dev/null) && kill "$pause"

# ---- nested, by hand ----

store=$UT/nested bases=$(dirname "$busybox") contexts=$T/ctx
mapped() {
	as_user unshare --user --map-root-user --map-auto "$@"
}
there=(mapped)
inside doctor --root "$store"
like "$out" '^builds: all(, with this host.s network)?$' "root of a user namespace with a range: the doctor's verdict"
same 'root of a user namespace with a range' steps
# As few as a stranger gives: 1000 ids, and root among them.
unshare --user sleep 1000 &
holder=$!
on_exit "kill $holder"
until [ "$(readlink /proc/$holder/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo 0 300000 1000 >/proc/$holder/uid_map && echo 0 300000 1000 >/proc/$holder/gid_map
few() {
	nsenter -t $holder -U -S 0 -G 0 "$@"
}
there=(few) store=$T/few
mkdir "$store" && chown 300000:300000 "$store"
inside doctor --root "$store"
like "$out" '^builds: all, with 1000 user ids' "a namespace of 1000 ids: the doctor's verdict"
build_there steps
is "$status" 1 'a namespace of 1000 ids: a step that needs another fails'
like "$err" 'give a file to user or group 1000, and only 1000 ids are mapped here' 'a namespace of 1000 ids: says which'
same 'a namespace of 1000 ids' files

# ---- one id ----

one() {
	setpriv --reuid 54321 --regid 54321 --clear-groups --reset-env "$@"
}
there=(one) store=$T/one
mkdir "$store" && chown 54321:54321 "$store"
inside doctor --root "$store"
like "$out" '^builds: all, with 1 user id' "one id: the doctor's verdict"
like "$out" '^ +mend: echo 54321:[0-9]+:65536 \| sudo tee -a /etc/subuid /etc/subgid' 'one id: and the mend'
same 'one id' files
cat >ctx/steps/Dockerfile.one <<'D'
FROM base
RUN echo hi >/a && ln /a /b && rm -rf /home && mkdir -m 1777 /home && chown 0:0 /a && chmod 4755 /a
COPY f /
D
run "$WHITTLE" build --root "$T/store" --build-context "base=oci-layout://$busybox" -f ctx/steps/Dockerfile.one ctx/steps
want[one]=$(image_of "$out")
build_there steps -f "$T/ctx/steps/Dockerfile.one"
is "$(image_of "$out")" "${want[one]}" 'one id: a step that needs no more is the same image'
like "$err" '^note: only one user id here .*: programs that change users or owners will fail; mend: ' 'one id: a notice'
# refused DESC CODE ERE RUN…: a step that would come out otherwise
refused() {
	printf 'FROM base\nRUN %s\n' "$4" >ctx/steps/Dockerfile.refused
	build_there steps -f "$T/ctx/steps/Dockerfile.refused"
	is "$status" "$2" "one id, $1: refused"
	like "$err" "$3" "one id, $1: and why"
	like "$err" '^hint: .*; mend: echo 54321:' "one id, $1: and the mend"
}
refused 'a failed chown' 1 'did not complete successfully: exit code: 1' 'touch /a; chown 33 /a'
refused 'a chown whose failure is hidden' 4 'would be another than elsewhere: it tried to give a file to user or group 33' \
	'touch /a; chown 33:44 /a 2>/dev/null; true'
refused 'a chown of a link, hidden, in the background' 4 'another than elsewhere: .*user or group 7' \
	'ln -s x /a; (chown -h :7 /a >/dev/null 2>&1 || : ) & wait; true'
printf '#include <unistd.h>\nint main(void) { return setregid(-1, 12) == 12; }\n' >become.c
${CC:-cc} -static -o ctx/steps/become become.c || echo 'Bail out! become does not build'
refused 'a change of group, hidden' 4 'another than elsewhere: it tried to become user or group 12' '--mount=type=bind,source=become,target=/become touch /a; /become; true'
# A base whose files have other owners is not unpacked as if they were ours.
printf 'FROM base\nCOPY --chown=5:6 f /f\nRUN true\n' >ctx/steps/Dockerfile.owners
build_there steps -f "$T/ctx/steps/Dockerfile.owners"
is "$status" 4 'one id, a layer of another owner: refused'
like "$err" 'owner 5:6' 'one id, a layer of another owner: says whose'
build_there steps
isnt "$status" 0 'one id: the whole build is refused'

# ---- a network helper that does not work ----

mkdir -p broken
printf '#!/bin/sh\necho "no network today" >&2\nexit 1\n' >broken/pasta
chmod 755 broken/pasta
without_network() {
	env PATH="$T/broken:$PATH" "$@"
}
there=(without_network) store=$T/no-network
verdict 'pasta fails' 0 "all, with this host's network"
like "$out" '^degraded +network +a private network did not come up: no network today$' "pasta fails: the doctor has it in pasta's words"
same 'pasta fails' steps
is "$(grep -c "^note: network: steps use this host's, as a private one did not come up" <<<"$err")" 1 'pasta fails: one notice'
build_there steps --no-cache --network none
is "$status" 0 'pasta fails: without a network there is nothing to fail'

# ---- stores where nothing may be executed, and none of /sys ----

mkdir noexec
on_noexec() {
	unshare -m sh -c 'mount -t tmpfs -o noexec,nosuid none "$0" && exec "$@"' "$T/noexec" "$@"
}
there=(on_noexec) store=$T/noexec/store
same 'a store on noexec, overlay' steps
build_there steps --snapshotter copy
is "$status" 4 'a store on noexec, copies: refused'
like "$err" '^error: .*mounted noexec' 'a store on noexec, copies: and why'
same_copy=$(build_there files --snapshotter copy && image_of "$out")
is "$same_copy" "${want[files]}" 'a store on noexec, copies: what runs nothing is the same image'
no_sys() {
	unshare -m sh -c 'umount -R /sys && exec "$@"' sh "$@"
}
there=(no_sys) store=$T/no-sys
same 'a host without /sys' steps

# ---- no namespaces, no privileges ----

store=$T/none
none() {
	unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh "$@"
}
there=(none)
verdict 'no user namespaces' 4 'only what runs nothing'
like "$out" '^ +mend: sudo sysctl user.max_user_namespaces=' 'no user namespaces: and the mend'
same 'no user namespaces' files
no_new_privs() {
	as_user setpriv --no-new-privs "$@"
}
there=(no_new_privs) store=$UT/nnp
inside doctor --root "$store"
like "$out" '^degraded +ids +1 mapped: newuidmap failed' 'no_new_privs: newuidmap is of no use'
like "$out" '^ +mend: no_new_privs is set' 'no_new_privs: says why'
same 'no_new_privs' files

is "$(pgrep -c whittle-guard)" 0 'no guard is left'
done_testing
