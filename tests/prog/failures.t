#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A build that fails at any stage: one clear message, the exit code of its kind, and a store that the next build uses as it is.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

mkdir -p ctx
echo hello >ctx/a
cat >ctx/Dockerfile <<'D'
FROM base AS one
RUN echo one > /one
COPY a /a
FROM base
COPY --from=one /one /a /in/
RUN cat /in/a /in/one > /both
CMD ["/bin/cat", "/both"]
D
export SOURCE_DATE_EPOCH=1700000000
chmod -R go+rX .

build() { # STORE ARG…
	local store=$1
	shift
	run "$WHITTLE" build --root "$store" --network host --build-context base="oci-layout://$base" "$@"
}
digest_of() { # STORE: the whole good build
	build "$1" -q ctx && echo "$out"
}

want=$(digest_of "$T/undisturbed")
like "$want" '^sha256:[0-9a-f]{64}$' 'the undisturbed build gives a digest'

# One store for all failures, so that each meets what the one before left.
store=$T/store
one_message() { # WHAT: exactly one error line, and it says more than that something failed
	is "$(grep -c '^error: ' <<<"$err")" 1 "$1: one error line"
}

printf 'FROM base\nRUNN echo\n' >ctx/bad1
build "$store" -f ctx/bad1 ctx
is "$status" 2 'syntax: exit code 2'
one_message syntax
like "$err" '^error: .*bad1:2.*unknown instruction: RUNN' 'syntax: file, line and word'
like "$err" 'RUNN echo' 'syntax: shows the line'
like "$err" '^hint: .*RUN' 'syntax: suggests RUN'

printf 'FROM base\nRUN echo before; echo to-stderr >&2; exit 7\n' >ctx/bad2
build "$store" -f ctx/bad2 ctx
is "$status" 1 'RUN fails: exit code 1'
one_message 'RUN fails'
like "$err" 'bad2:2' 'RUN fails: file and line'
like "$err" 'exit code: 7' 'RUN fails: the code of the process'
like "$err" 'to-stderr' 'RUN fails: its output is shown'

printf 'FROM base\nRUN ["/no/such/program"]\n' >ctx/bad3
build "$store" -f ctx/bad3 ctx
is "$status" 1 'missing program: exit code 1'
like "$err" '/no/such/program' 'missing program: named'

printf 'FROM nobase\n' >ctx/bad4
build "$store" -f ctx/bad4 ctx
like "$status" '^[14]$' 'missing base: exit code 1, or 4 where no registry can be asked'
one_message 'missing base'
like "$err" 'bad4:1.*nobase' 'missing base: file, line and name'
printf 'FROM alpine:3\n' >ctx/bad4
build "$store" -f ctx/bad4 ctx
like "$err" '^hint: .*--build-context alpine:3=oci-layout://' 'missing base: says how else to name it'
printf 'FROM base:1.2\n' >ctx/bad4
build "$store" -f ctx/bad4 ctx
like "$err" '^hint: .*the build context is called base' 'missing base: a build context of nearly that name'

printf 'FROM base\nCOPY nofile /\n' >ctx/bad5
build "$store" -f ctx/bad5 ctx
is "$status" 1 'missing COPY source: exit code 1'
one_message 'missing COPY source'
like "$err" 'bad5:2' 'missing COPY source: file and line'
like "$err" '/nofile.*not found' 'missing COPY source: named'

build "$store" -f ctx/none ctx
is "$status" 2 'no Dockerfile: exit code 2'
like "$err" 'ctx/none' 'no Dockerfile: named'

build "$store" nocontext
is "$status" 2 'no context: exit code 2'
like "$err" 'nocontext' 'no context: named'

is "$(digest_of "$store")" "$want" 'the store that met all of these gives the undisturbed digest'

# ---- a damaged base: one byte of its layer is another
cp -r "$base" damaged
layer=$(find damaged/blobs -type f -size +100k)
printf '\x55' | dd of="$layer" bs=1 seek=50000 conv=notrunc status=none
run "$WHITTLE" build --root "$T/store2" --network host --build-context base="oci-layout://$T/damaged" -q ctx
is "$status" 1 'damaged base: exit code 1'
is "$(grep -c '^error: ' <<<"$err")" 1 'damaged base: one error line'
like "$err" 'digest|sha256:' 'damaged base: says which digest'
is "$(digest_of "$T/store2")" "$want" 'damaged base: the next build with the good one is undisturbed'

cp -r "$base" damaged2
config=$(grep -l '"rootfs"' damaged2/blobs/sha256/*)
sed -i 's/"amd64"/"amd65"/' "$config"
run "$WHITTLE" build --root "$T/store2" --network host --build-context base="oci-layout://$T/damaged2" -q --no-cache ctx
is "$status" 1 'damaged base config: exit code 1'
like "$err" "damaged2.*${config##*/}" 'damaged base config: says which file'

# ---- a full disk
if is_root; then
	printf 'FROM base\nRUN dd if=/dev/urandom of=/big bs=1M count=64\n' >ctx/full
	for size in 200k 3m 6m 20m; do
		mkdir -p "small$size"
		mount -t tmpfs -o "size=$size,mode=700" none "small$size"
		on_exit "umount -l $T/small$size 2>/dev/null"
		build "$T/small$size" -f ctx/full ctx
		# The step that fills the disk sees the error itself (dd fails: 1); what whittle writes itself is 4.
		ok "full disk of $size: exit code 1 or 4, not $status" test "$status" = 4 -o "$status" = 1
		is "$(grep -c '^error: ' <<<"$err")" 1 "full disk of $size: one error line"
		like "$err" '[Nn]o space left' "full disk of $size: says so"
		mount -o remount,size=200m "small$size"
		is "$(digest_of "$T/small$size")" "$want" "full disk of $size: with room again, the same store gives the undisturbed digest"
		umount "small$size"
	done
fi

# ---- a destination without permission: the machine's matter, like every file that may not be written
if is_root; then
	mkdir -m 755 forbidden
	for spec in "type=local,dest=$T/forbidden/x" "type=oci,dest=$T/forbidden/x,tar=false" "type=oci,dest=$T/forbidden/x.tar" \
		"type=tar,dest=$T/forbidden/x.tar"; do
		run as_user "$WHITTLE" build --root "$UT/store" --network host --build-context base="oci-layout://$base" -o "$spec" ctx
		is "$status" 4 "no permission for $spec: exit code 4"
		like "$err" '^error: .*forbidden.*Permission denied' "no permission for $spec: says so"
		unlike "$err" 'RUN echo one' "no permission for $spec: before the first step"
	done
	is "$(ls forbidden)" '' 'and nothing is left there'
fi

# ---- no subordinate ids
if is_root; then
	useradd -M -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 whittle-nosub 2>/dev/null
	on_exit 'userdel whittle-nosub 2>/dev/null'
	sed -i '/^whittle-nosub:/d' /etc/subuid /etc/subgid
	mkdir -p nosub
	chown whittle-nosub nosub
	run setpriv --reuid whittle-nosub --regid whittle-nosub --clear-groups --reset-env "$WHITTLE" build --root "$T/nosub/store" \
		--network host --build-context base="oci-layout://$base" ctx
	is "$status" 0 'no subordinate ids: what needs one id is built'
	like "$err" '^note: only one user id here .*/etc/sub[ug]id' 'no subordinate ids: says so, and where'
	like "$err" 'mend: sudo usermod --add-subuids' 'no subordinate ids: says how to mend it'
	# with ids given, the same store serves
	usermod --add-subuids 900000-965535 --add-subgids 900000-965535 whittle-nosub
	run setpriv --reuid whittle-nosub --regid whittle-nosub --clear-groups --reset-env env SOURCE_DATE_EPOCH=1700000000 \
		"$WHITTLE" build --root "$T/nosub/store" --network host --build-context base="oci-layout://$base" -q ctx
	is "$out" "$want" 'no subordinate ids: with ids, the same store gives the undisturbed digest'
fi

done_testing
