#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The examples, built as root and as an ordinary user, and run; and the promise that the bits do not tell who built them.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/run-lib.sh"

is_root || skip_all 'needs root, to be two users and to run containers'
busybox=$(test_base busybox) || skip_all 'no busybox base'
debian=$(test_base debian) || skip_all 'no Debian base'
TREE=$SRC/tests/tools/imgtree.py
export HOME=$T

digest_of() {
	jq -r '.manifests[0].digest' "$1/index.json"
}

# ---- the same bits ----

# Owners, modes, links, deletions, a hole, a file capability, a later stage: but no package manager, which logs the time.
mkdir same
cp -r "$SRC/cli" same/tree
find same -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
cat >same/Dockerfile <<'END'
FROM busybox AS build
RUN mkdir -p /a/b /gone && echo x >/a/b/x && echo y >/a/y && ln /a/y /a/hard && ln -s b/x /a/soft && mkfifo /a/pipe
RUN echo 'other:x:4321:4321::/home/other:/bin/sh' >>/etc/passwd && chown -R other /a/b && chmod 4755 /a/b/x && chmod 0700 /a
COPY --chown=33:33 tree /srv/tree
USER other
WORKDIR /home/other/work
RUN umask; id; dd if=/dev/zero of=sparse bs=1 count=1 seek=1048576 2>/dev/null; touch 'a name' ü
USER root
RUN rm -r /gone /bin/vi && truncate -s 0 /etc/group
FROM busybox
COPY --from=build /a /a
COPY --from=build --chown=other /home/other /home/other
RUN date +%Y >/dev/null; find /a /home -newer /bin/busybox | sort >/list
CMD ["sh"]
END
sed -i 's/--chown=other /--chown=4321:4321 /' same/Dockerfile
find same -exec touch -h -d @1600000000 {} +
cp -a same other-place
cp -a same "$UT/same"
chown -R "$TEST_USER:" "$UT"
export SOURCE_DATE_EPOCH=1700000000

# same DESC DIR WORD…: builds with the words before it (as_user), compares with the first digest.
first=
same() {
	local desc=$1 dir=$2

	shift 2
	run "$@" "--output=type=oci,dest=$dir,tar=false"
	is "$status" 0 "$desc: built"
	[ "$status" = 0 ] || { show "$err"; return; }
	if [ -z "$first" ]; then
		first=$(digest_of "$dir")
		like "$first" '^sha256:' "$desc: a digest to compare with"
	else
		is "$(digest_of "$dir")" "$first" "$desc: the same digest"
	fi
}
common=(--build-context "busybox=oci-layout://$busybox")
same 'root' d1 "$WHITTLE" build --root s1 "${common[@]}" same
same 'root, from the cache' d2 "$WHITTLE" build --root s1 "${common[@]}" same
same 'root, --no-cache' d3 "$WHITTLE" build --root s1 "${common[@]}" --no-cache same
same 'root, another store' d4 "$WHITTLE" build --root s2 "${common[@]}" same
same 'root, another directory' d5 "$WHITTLE" build --root s1 "${common[@]}" other-place
(umask 077 && "$WHITTLE" build -q --root s3 "${common[@]}" --output type=oci,dest=d6,tar=false same >/dev/null)
is "$(digest_of d6)" "$first" 'umask 077: the same digest'
same 'one step at a time' d7 "$WHITTLE" build --root s4 "${common[@]}" --jobs 1 same
same 'plain copies instead of overlay' d8 "$WHITTLE" build --root s5 "${common[@]}" --snapshotter copy same
same 'an ordinary user' "$UT/d1" as_user "$WHITTLE" build --root "$UT/s1" "${common[@]}" "$UT/same"
same 'an ordinary user, --no-cache' "$UT/d2" as_user "$WHITTLE" build --root "$UT/s1" "${common[@]}" --no-cache "$UT/same"
same 'an ordinary user, plain copies' "$UT/d3" as_user "$WHITTLE" build --root "$UT/s2" "${common[@]}" --snapshotter copy "$UT/same"
ok 'the tree is as it should be' grep -qE '^/?a/b/x .*4755 4321' <(python3 "$TREE" oci:d1)
unset SOURCE_DATE_EPOCH

# ---- the examples ----

# What tells when apt, dpkg and ldconfig ran; all else has to be the same.
noise=(--no-mtime --ignore '/var/log/apt/*' --ignore /var/log/dpkg.log --ignore /var/cache/ldconfig/aux-cache
	--ignore '/var/cache/apt/*')
common=(--build-context "debian=oci-layout://$debian")
cp -r "$SRC/examples" "$UT/examples"
chown -R "$TEST_USER:" "$UT/examples"

# under_runc NAME LAYOUT URL ERE: umoci unpacks the gzip form, runc runs it.
under_runc() {
	local name=$1 layout=$2 url=$3 want=$4 id=whittle-test-$$-$1 pid

	ok "$name: umoci unpacks it" umoci unpack --image "$layout:latest" "bundle-$name"
	jq '.process.terminal = false' "bundle-$name/config.json" >c.json && mv c.json "bundle-$name/config.json"
	on_exit "runc delete -f $id >/dev/null 2>&1"
	runc run -d --bundle "bundle-$name" "$id" </dev/null >"$name.log" 2>&1
	is $? 0 "$name: runc starts it"
	pid=$(runc state "$id" | jq .pid)
	like "$(fetch "$pid" "$url" || cat "$name.log")" "$want" "$name: it answers"
	isnt "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" 0 "$name: it does not run as root"
	runc kill "$id" "$(jq -r '.config.StopSignal // "TERM"' config-$name.json)"
	ok "$name: it stops at its stop signal" timeout 10 tail --pid "$pid" -f /dev/null
}

under_podman() {
	local name=$1 layout=$2 url=$3 want=$4 options limits id container

	mapfile -t options < <(podman_options)
	mapfile -t limits < <(podman_limits)
	options+=(--root "$T/podman" --runroot "$T/podman-run")
	id=$(podman "${options[@]}" pull -q "oci:$layout:latest" 2>"$T/podman.err")
	is "sha256:$id" "$(cat "$name.iid")" "$name: podman takes it, and has the same id"
	container=$(podman "${options[@]}" run -d --network none "${limits[@]}" "$id" 2>&1)
	like "$(fetch "$(podman "${options[@]}" inspect --format '{{.State.Pid}}' "$container")" "$url")" "$want" \
		"$name: it answers under podman"
	podman "${options[@]}" rm -f -t 5 "$container" >/dev/null 2>&1
	podman "${options[@]}" system reset -f >/dev/null 2>&1
}

# example NAME URL ERE
example() {
	local name=$1 url=$2 want=$3 digest

	run "$WHITTLE" build --target app --root "$T/s1" "${common[@]}" --iidfile "$name.iid" -t "$name" \
		--output "type=oci,dest=$name,tar=false" "$SRC/examples/$name"
	is "$status" 0 "$name: built as root"
	[ "$status" = 0 ] || { show "$err"; return; }
	run as_user "$WHITTLE" build --target app --root "$UT/s1" "${common[@]}" -t "$name" \
		--output "type=oci,dest=$UT/$name,tar=false" "$UT/examples/$name"
	is "$status" 0 "$name: built as an ordinary user"
	[ "$status" = 0 ] || { show "$err"; return; }
	ok "$name: both have the same files" diff <(python3 "$TREE" "${noise[@]}" "oci:$name") \
		<(python3 "$TREE" "${noise[@]}" "oci:$UT/$name")
	run as_user "$WHITTLE" build --target app --root "$UT/s1" "${common[@]}" -t "$name" \
		--output "type=oci,dest=$UT/$name-gzip,tar=false,compression=gzip" "$UT/examples/$name"
	unlike "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} ' "$name: the second build runs nothing"
	python3 "$TREE" --config "oci:$UT/$name" >/dev/null || fail "$name: the layout is not whole"
	digest=$(digest_of "$UT/$name-gzip")
	digest=$(jq -r .config.digest "$UT/$name-gzip/blobs/sha256/${digest#sha256:}")
	cp "$UT/$name-gzip/blobs/sha256/${digest#sha256:}" "config-$name.json"
	under_runc "$name" "$UT/$name-gzip" "$url" "$want"
	ok "$name: skopeo copies it" skopeo copy --insecure-policy "oci:$name:latest" "oci:$name-copy:latest"
	is "$(digest_of "$name-copy")" "$(digest_of "$name")" "$name: and the copy has the same digest"
	! command -v podman >/dev/null || under_podman "$name" "$name" "$url" "$want"
}

example nginx http://127.0.0.1:8080/ '<h1>It is served</h1>'
example python-service http://127.0.0.1:8000/primes/1000000 '"primes": 78498'

done_testing
