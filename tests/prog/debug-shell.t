#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle debug shell: an image without a shell, on top of what PRUNE took away, or with a shell from elsewhere.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"

debian=$(test_base debian) || skip_all 'no Debian base'
busybox=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"

mkdir context scratch
cat >context/Dockerfile <<'D'
FROM debian AS app
ENV WORD=image
WORKDIR /srv
USER 33
ENTRYPOINT ["/usr/bin/id"]
FROM app AS release
PROFILE --from=app --start=manual ["/run/whittle/app","run"]
PRUNE
D
echo 'int main(void) { return 0; }' >scratch/a.c
"$CC" -static -o scratch/a scratch/a.c || skip_all 'no static C library'
printf 'FROM scratch\nCOPY a /a\nENTRYPOINT ["/a"]\n' >scratch/Dockerfile
chmod -R go+rX context scratch

users=(user)
! is_root || users=(root user)
for WHO in "${users[@]}"; do
	home=$T/home.root
	[ "$WHO" = root ] || home=$UT/home
	as "$WHO" mkdir -p "$home/host"
	store=$home/store
	mine() { as "$WHO" env HOME="$home" XDG_RUNTIME_DIR="$home" "$@"; }
	shell() { run mine timeout -k 5 60 "$WHITTLE" debug shell --root "$store" "$@"; }

	ref=$REGISTRY/$WHO/app:1
	run mine "$WHITTLE" build --root "$store" --build-context "debian=oci-layout://$debian" -q --keep-removed -t app:1 context
	is "$status" 0 "$WHO: built, keeping what went"
	[ "$status" = 0 ] || show "$err"
	run mine "$WHITTLE" push --root "$store" app:1 "$ref"
	is "$status" 0 "$WHO: pushed"
	before=$(mine sh -c 'cd "$1" && find blobs index.json -type f | sort | xargs sha256sum' - "$store")
	run mine "$WHITTLE" run --root "$store" --entrypoint /bin/sh app:1 -c true
	is "$status" 127 "$WHO: the image has no shell"

	# ---- what PRUNE took away ----

	run mine sh -c 'echo "echo shell \$0 \$WORD; pwd; ls /bin/sh" | "$@"' - "$WHITTLE" debug shell --root "$store" app:1
	is "$status" 0 "$WHO: commands from standard input"
	is "$out" $'shell /bin/sh image\n/srv\n/bin/sh' "$WHO: a shell, with the image's environment and directory"
	like "$err" '^whittle: below the image: what PRUNE took away \([0-9]+ files, [0-9.]+ MB\); shell: /bin/sh$' "$WHO: what lies below is told on standard error"
	is "$(wc -l <<<"$err")" 1 "$WHO: that alone"
	shell app:1 -- ls -l /usr/bin/id
	like "$out" '^-rwxr-xr-x .* /usr/bin/id$' "$WHO: a command"
	shell app:1 ls /usr/bin/perl
	is "$out" /usr/bin/perl "$WHO: and without dashes"
	shell app:1 /usr/bin/id -u
	is "$out" 33 "$WHO: as the image's user"
	shell -u 0 -e WORD=mine -v "$home/host:/host" app:1 -- sh -c 'id -u; echo $WORD; echo kept >/host/file; echo gone >/etc/new; rm /usr/bin/id'
	is "$status $out" $'0 0\nmine' "$WHO: options of run"
	is "$(cat "$home/host/file")" kept "$WHO: volumes are written to"
	shell app:1 -- ls /usr/bin/id /etc/new
	is "$out" /usr/bin/id "$WHO: the image is not"
	shell app:1 -- sh -c 'exit 7'
	is "$status" 7 "$WHO: the exit code is the command's"
	shell app:1 no-such-command
	is "$status" 127 "$WHO: or says that there is none"
	shell --network none app:1 -- sh -c 'cat /proc/net/dev | wc -l'
	is "$out" 3 "$WHO: without a network"
	# The image's own files are what is seen.
	shell app:1 -- sh -c 'grep -c ^Package: /var/lib/dpkg/status'
	is "$out" "$(mine "$WHITTLE" sbom --root "$store" app:1 | jq '[.packages[].externalRefs[]?.referenceLocator | select(startswith("pkg:deb/"))] | length')" \
		"$WHO: what both have is the image's"
	run mine script -qec "$WHITTLE debug shell --root $store app:1 -- sh -c 'tty; test -t 0 && echo terminal'" /dev/null </dev/null
	like "$out" 'terminal.?$' "$WHO: with a terminal where there is one"
	shell -t app:1 true
	is "$status" 125 "$WHO: -t without one"
	like "$err" 'standard input is no terminal' "$WHO: is refused as run refuses it"
	is "$(mine sh -c 'cd "$1" && find blobs index.json -type f | sort | xargs sha256sum' - "$store")" "$before" "$WHO: nothing was written to the store"
	is "$(mine ls "$store/tmp")" '' "$WHO: and nothing is left there"

	# ---- from a registry ----

	run mine timeout -k 5 60 "$WHITTLE" debug shell --root "$home/empty" "$ref" -- sh -c 'echo from afar'
	is "$out" 'from afar' "$WHO: image and what it lacks are fetched"
	[ "$status" = 0 ] || show "$err"
	run mine timeout -k 5 60 "$WHITTLE" debug shell --root "$home/empty" --pull never "$ref" -- sh -c 'echo once'
	is "$out" once "$WHO: once"

	# ---- other shells ----

	run mine sh -c 'echo "which ls; which vi; readlink /proc/\$\$/exe" | "$@"' - \
		"$WHITTLE" debug shell --root "$store" --shell-from "oci:$busybox" app:1
	is "$out" $'/usr/bin/ls\n/run/whittle/tools/vi\n/run/whittle/tools/shell' "$WHO: a static one of another image, behind all else"
	[ "$status" = 0 ] || show "$err"
	like "$err" 'and oci:.*; shell: /run/whittle/tools/sh \(of --shell-from' "$WHO: is told"
	run mine "$WHITTLE" build --root "$store" -q -t lone:1 scratch
	shell --shell-from "oci:$busybox" lone:1 -- sh -c 'echo here; ls /a'
	is "$out" $'here\n/a' "$WHO: under an image of one file"
	like "$err" 'nothing that PRUNE took away \(build --keep-removed keeps it\)' "$WHO: which was not pruned"
	shell --shell-from "oci-layout://$debian" lone:1 -- sh -c 'ls /a; perl -e "print 1"'
	is "$out" $'/a\n1' "$WHO: one that is not static, with all its files"
	shell --shell-from lone:1 app:1
	is "$status" 125 "$WHO: an image without one"
	like "$err" '--shell-from lone:1: it has no shell' "$WHO: is told"
	if [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; then
		shell lone:1 -- sh -c 'ls -l /run/whittle/tools/ls && echo fine'
		like "$out" '^fine$' "$WHO: busybox of this host"
		like "$err" 'busybox of this host' "$WHO: is told"
	fi
	run mine "$WHITTLE" debug
	is "$status" 2 "$WHO: debug alone"
	run mine "$WHITTLE" debug shell
	is "$status" 125 "$WHO: no image"
	shell no/such:1 --pull never
	isnt "$status" 0 "$WHO: an image that is not there"

	mine rm -rf "$home/empty"
done

done_testing
