#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stages of another machine's platform: run by an emulator that nobody registered, refused where there is none, profiled
# only where that was granted.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
[ "$(uname -m)" = x86_64 ] || skip_all 'made for amd64'
command -v qemu-aarch64-static >/dev/null || skip_all 'no qemu-aarch64-static (package qemu-user-static)'
arm=$(test_base busybox-arm64)
base=$(test_base busybox)
[ -e "$arm/index.json" ] || skip_all 'no busybox for arm64 is to be had'
unshare -Urm sh -c 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc' 2>/dev/null ||
	skip_all 'this kernel has no binfmt_misc of a user namespace (Linux 6.7)'
mkdir "$T/ctx"
more=(--build-context "arm=oci-layout://$arm")

registered() {
	ls /proc/sys/fs/binfmt_misc 2>/dev/null
}

before=$(registered)
for who in root user; do
	[ $who = root ] && ! is_root && continue
	mkdir -p "$T/$who"
	[ $who = root ] || chown "$TEST_USER": "$T/$who" 2>/dev/null
	build $who -o "type=local,dest=$T/$who/out" <<'D'
FROM --platform=linux/arm64 arm AS there
RUN uname -m > /machine && [ "$(cat /machine)" = aarch64 ]
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t touch /c/x /t/x && ls -l / | grep -q machine
RUN (sleep 0.1; exit 3) & wait $!; [ $? = 3 ] && sh -c 'echo $0 $1' name arg | grep -q '^sh name\|^name arg'
RUN printf '#!/bin/sh\necho script $1\n' > /s && chmod 755 /s && /s ok | grep -q 'script ok'
USER 33:33
RUN [ "$(id -u):$(id -g)" = 33:33 ] && ! touch /x 2>/dev/null
FROM base
COPY --from=there /machine /s /
RUN [ "$(uname -m)" = x86_64 ]
D
	is "$status" 0 "$who: steps of linux/arm64, and of this machine"
	[ "$status" = 0 ] || show "$all"
	like "$all" '^note: platform: linux/arm64 programs run under .*, which is registered for this build alone' "$who: it is said"
	is "$(grep -c 'programs run under' <<<"$all")" 1 "$who: once"
	is "$(cat "$T/$who/out/machine" 2>/dev/null)" aarch64 "$who: what the step wrote"
	build $who <<'D'
FROM --platform=linux/arm64 arm
RUN uname -m > /machine && [ "$(cat /machine)" = aarch64 ]
D
	like "$all" 'CACHED' "$who: from the cache"
	unlike "$all" 'programs run under' "$who: a cached build asks for no emulator"

	# Nobody can run these.
	build $who --network none --platform linux/sparc64 <<'D'
FROM scratch
COPY . /
RUN ["/x"]
D
	is "$status" 4 "$who: no emulator: exit code"
	like "$err" '^error: .*Dockerfile:3: linux/sparc64 programs do not run on this machine \(linux/amd64\)' "$who: no emulator: where and what"
	# An image that says it is this machine's, and is not.
	build $who <<'D'
FROM base
COPY --from=arm --chmod=755 /bin/busybox /foreign
RUN ["/foreign", "true"]
D
	is "$status" 1 "$who: a foreign program in a stage of this machine's: exit code"
	like "$err" 'exec format error: it is a program for arm64' "$who: says whose it is"

	cat >"$T/P" <<'D'
FROM --platform=linux/arm64 arm AS app
RUN mkdir -p /www /usr/lib/spare && echo hello > /www/index.html && echo unused > /usr/lib/spare/other
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
PROFILE --ready=tcp:8080 wget -q -O - http://127.0.0.1:8080/index.html | grep hello
PRUNE --shell=keep
D
	build $who -t emulated <"$T/P"
	is "$status" 2 "$who: PROFILE of a foreign application: exit code"
	like "$err" '^error: .*Dockerfile:5: PROFILE of a linux/arm64 application' "$who: PROFILE: the message"
	like "$err" '--allow profile.emulated' "$who: PROFILE: how to grant it"
	unlike "$all" '\[2/4\] RUN' "$who: PROFILE: before anything ran"
	build $who -t emulated --allow profile.emulated <"$T/P"
	is "$status" 0 "$who: PROFILE, granted"
	[ "$status" = 0 ] || show "$all"
	like "$all" 'emulated +linux/arm64' "$who: the summary says so"
	build $who -t emulated --allow profile.emulated -o "type=oci,dest=$T/$who/layout,tar=false" <"$T/P"
	like "$all" 'emulated +linux/arm64' "$who: so it does from the cache"
	run as $who "$WHITTLE" explain "oci:$T/$who/layout" --platform linux/arm64 /www/index.html /usr/lib/spare/other
	like "$all" 'ran under an emulator of linux/arm64' "$who: explain says so"
	like "$all" '/www/index.html: kept: observed' "$who: what the emulated program opened was seen"
	like "$all" '/usr/lib/spare/other: .*removed' "$who: what it did not is gone"
	like "$(cat "$T/$who"/layout/blobs/sha256/* 2>/dev/null | tr -d '\0' | grep -ao '"emulated":true,"emulatedPlatform":"linux/arm64"\|"emulatedPlatform":"linux/arm64"' | head -1)" \
		emulatedPlatform "$who: the verdict says so"
done
is "$(registered)" "$before" 'nothing was registered on this machine'

# What somebody has registered is used as it is when its interpreter was opened in advance, and stands aside when not.
somebody() { # FLAGS
	printf 'FROM --platform=linux/arm64 arm\nRUN [ "$(uname -m)" = aarch64 ] # %s\n' "$1" >"$T/Dockerfile"
	cat >"$T/somebody" <<-'S'
		mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
		printf '%s' ':arm:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$1" \
			>/proc/sys/fs/binfmt_misc/register && shift && exec "$@"
	S
	run unshare -Urm bash "$T/somebody" "$(command -v qemu-aarch64-static):$1" timeout 60 "$WHITTLE" build --root "$T/somebodys" --network none \
		--build-context arm="oci-layout://$arm" -f "$T/Dockerfile" "$T/ctx"
}
somebody F
is "$status" 0 'registered by somebody, with flag F'
like "$all" '^note: platform: linux/arm64 programs run under /[^ ]*qemu-aarch64-static$' 'that one is used'
somebody OC
is "$status" 0 'registered by somebody, without F'
like "$all" 'registered for this build alone' 'ours is used'

# Without an emulator at all: its programs hidden behind an empty directory, in a mount namespace of the test's own.
if is_root; then
	printf 'FROM --platform=linux/arm64 arm\nRUN true no emulator\n' >"$T/Dockerfile"
	mkdir "$T/empty"
	run unshare -m sh -c "mount --bind '$T/empty' /usr/libexec/qemu-binfmt && for f in /usr/bin/qemu-aarch64*; do mount --bind /dev/null \$f; done &&
		exec timeout 60 '$WHITTLE' build --root '$T/none' --build-context arm='oci-layout://$arm' -f '$T/Dockerfile' '$T/ctx'"
	is "$status" 4 'no emulator installed: exit code'
	like "$err" 'Dockerfile:2: linux/arm64 programs do not run on this machine \(linux/amd64\): no emulator is registered for them' \
		'no emulator installed: one line'
	like "$err" '^hint: .*qemu-user-static.*BUILDPLATFORM' 'no emulator installed: how to mend it'
fi
done_testing
