#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Escapes tried: from the context, from COPY, from layers and archives, from a running step. Each must fail, as root and as an
# ordinary user.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

secret="host-secret-$$-$RANDOM"
mkdir -p outside
echo "$secret" >outside/secret
chmod 777 outside
chmod 666 outside/secret
image_holds_secret() { # LAYOUT: is the host's file in any layer?
	python3 "$SRC/tests/tools/imgtree.py" "oci:$1" | grep -q "$(sha256sum <outside/secret | cut -d' ' -f1)"
}

everyone() { # CMD…: as the user of this round
	if [ "$who" = root ]; then "$@"; else as_user "$@"; fi
}
build() { # ARG…
	run everyone "$WHITTLE" build --root "$home/store" --network host --progress plain --build-context base="oci-layout://$base" "$@"
}

context_escapes() {
	mkdir -p "$home/ctx/sub/deep"
	ln -s "$T/outside/secret" "$home/ctx/abs"
	ln -s ../../outside/secret "$home/ctx/rel"
	ln -s ../../.. "$home/ctx/sub/up"
	ln -s "$T/outside" "$home/ctx/absdir"
	echo inside >"$home/ctx/sub/deep/file"
	local src n=0
	for src in abs rel absdir absdir/secret sub/up sub/up/outside/secret ../outside/secret "$T/outside/secret" sub/../../outside/secret \
		'abs*/secret' 'sub/*/outside/secret' '*/secret' './//../../outside' sub/deep/../../../outside .; do
		n=$((n + 1))
		printf 'FROM scratch\nCOPY ["%s", "/x/"]\n' "$src" >"$home/ctx/Dockerfile"
		build --output "type=oci,dest=$home/out$n,tar=false" "$home/ctx"
		if [ "$status" = 0 ]; then
			nok "$who: COPY $src built, without the host's file" image_holds_secret "$home/out$n"
		else
			ok "$who: COPY $src is refused cleanly ($status)" test "$status" -lt 5
		fi
	done
	# a destination cannot leave the image either, not even through links of a lower layer
	printf 'FROM base\nRUN ln -s %s /esc && ln -s ../../../../../../../..%s /esc2\nCOPY sub/deep/file /esc/planted\nCOPY sub/deep/file /esc2/planted2\nRUN cat %s/planted %s/planted2\n' \
		"$T/outside" "$T/outside" "$T/outside" "$T/outside" >"$home/ctx/Dockerfile"
	build "$home/ctx"
	is "$status" 0 "$who: COPY through absolute links stays in the image"
	is "$(ls outside)" secret "$who: nothing was planted outside"
	rm -rf "$home/ctx"
}

# Layers that lie: each either refused, or unpacked without leaving its directory.
hostile_layers() {
	python3 "$SRC/tests/tools/hostile_layers.py" "$home/hostile" "$T/outside" || { fail 'hostile layers made'; return; }
	[ "$who" = root ] || chown -R "$TEST_USER": "$home/hostile" 2>/dev/null
	local d n=0
	for d in "$home"/hostile/*/; do
		d=${d%/}
		n=$((n + 1))
		mkdir -p "$home/ctx"
		printf 'FROM evil\nRUN ["/bin/busybox", "true"]\n' >"$home/ctx/Dockerfile"
		run everyone "$WHITTLE" build --root "$home/store" --network host --build-context evil="oci-layout://$d" "$home/ctx"
		ok "$who: layer ${d##*/}: a clean end ($status)" test "$status" -lt 5
		is "$(ls outside) $(cat outside/secret)" "secret $secret" "$who: layer ${d##*/}: outside is as it was"
		printf 'FROM scratch\nCOPY --from=evil / /\n' >"$home/ctx/Dockerfile"
		run everyone "$WHITTLE" build --root "$home/store" --network host --build-context evil="oci-layout://$d" \
			--output "type=oci,dest=$home/hout$n,tar=false" "$home/ctx"
		ok "$who: COPY from ${d##*/}: a clean end ($status)" test "$status" -lt 5
		[ "$status" != 0 ] || nok "$who: COPY from ${d##*/}: without the host's file" image_holds_secret "$home/hout$n"
		mkdir -p "$home/local$n"
		printf 'FROM evil\n' >"$home/ctx/Dockerfile"
		run everyone "$WHITTLE" build --root "$home/store" --build-context evil="oci-layout://$d" \
			--output "type=local,dest=$home/lout$n" "$home/ctx"
		ok "$who: export of ${d##*/}: a clean end ($status)" test "$status" -lt 5
		is "$(ls outside) $(cat outside/secret)" "secret $secret" "$who: export of ${d##*/}: outside is as it was"
	done
}

# A step, as root of its image, tries everything; what it could do, it tells.
step_escapes() {
	mkdir -p "$home/ctx"
	cp "$SRC/tests/tools/escape.sh" "$home/ctx/escape.sh"
	cat >"$home/ctx/Dockerfile" <<'D'
FROM base
COPY escape.sh /escape.sh
ARG OUTSIDE
ARG VICTIM
RUN sh /escape.sh
D
	local victim
	rm -f "$home/victim"
	everyone sh -c 'echo $$ >"$0"; exec sleep 1000' "$home/victim" >/dev/null 2>&1 &
	for _ in $(seq 50); do [ -s "$home/victim" ] && break; sleep 0.1; done
	victim=$(cat "$home/victim")
	on_exit "kill $victim 2>/dev/null"
	build --no-cache --build-arg OUTSIDE="$T/outside" --build-arg VICTIM="$victim" "$home/ctx"
	is "$status" 0 "$who: the step itself ran to its end"
	unlike "$err" 'ESCAPED' "$who: nothing that it tried worked"
	like "$err" 'TRIED [3-9][0-9]' "$who: it tried them all"
	ok "$who: the process outside is alive" kill -0 "$victim"
	is "$(ls outside) $(cat outside/secret)" "secret $secret" "$who: outside is as it was"
	kill "$victim" 2>/dev/null
	rm -rf "$home/ctx"
}

# What execve walks before it closes anything: names through a descriptor that a step's process still holds would lead to the
# host, in a command, in a #! line, in a program's interpreter (shown by the first two: the kernel opens all three alike).
exec_escapes() {
	local n up=../../../../../../../../../../../.. ran=''
	mkdir -p "$home/ctx" "$T/hostbin"
	cp /bin/busybox "$T/hostbin/busybox"
	for kind in overlay copy; do
		for n in $(seq 3 24); do
			printf '#!/proc/self/fd/%d/%s%s true\n' "$n" "$up" "$T/hostbin/busybox" >"$home/ctx/script"
			chmod 755 "$home/ctx/script"
			printf 'FROM base\nRUN ["/proc/self/fd/%d/%s%s", "true"]\n' "$n" "$up" "$T/hostbin/busybox" >"$home/ctx/Dockerfile"
			build --snapshotter $kind "$home/ctx"
			[ "$status" = 1 ] || ran+=" command:$kind:$n:$status"
			printf 'FROM base\nCOPY script /\nRUN ["/script"]\n' >"$home/ctx/Dockerfile"
			build --snapshotter $kind "$home/ctx"
			[ "$status" = 1 ] || ran+=" script:$kind:$n:$status"
		done
	done
	is "$ran" '' "$who: no program of the host can be executed through a descriptor"
	rm -rf "$home/ctx"
}

for who in root user; do
	[ $who = root ] && ! is_root && continue
	home=$T/$who
	mkdir -p "$home"
	[ $who = root ] || chown "$TEST_USER": "$home"
	context_escapes
	hostile_layers
	step_escapes
	exec_escapes
done
done_testing
