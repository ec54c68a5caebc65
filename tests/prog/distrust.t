#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a Dockerfile or a context of a stranger's tries on the user of the command: more than was allowed, his files, his terminal.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

build() { # ARG…
	run "$WHITTLE" build --root "$T/store" --build-context base="oci-layout://$base" "$@"
}
mkdir ctx

# ---- the host's network ----
printf 'FROM base\nRUN --network=host wc -l </proc/net/dev >/n && echo "lines $(cat /n)"\nRUN --network=none wc -l </proc/net/dev >/n && echo "none $(cat /n)"\n' >ctx/Dockerfile
for net in default none; do
	build --network "$net" ctx
	is "$status" 2 "RUN --network=host with --network $net: exit code 2"
	like "$err" '^error: .*Dockerfile:2: network.host is not allowed$' "RUN --network=host with --network $net: refused"
	like "$err" '^hint: .*--allow network.host' "RUN --network=host with --network $net: says how to allow it"
	build --network "$net" --allow network.host ctx
	is "$status" 0 "--allow network.host with --network $net"
	build --network "$net" --allow security.insecure ctx
	is "$status" 2 "another --allow than network.host with --network $net"
done
build --network host ctx
is "$status" 0 'the command line'\''s --network host allows it, too'
printf 'FROM base\nRUN --network=default true\nRUN --network=none true\n' >ctx/Dockerfile
build --network host ctx
is "$status" 0 'less than the host'\''s needs no permission'

# ---- files that the user names ----
printf 'FROM base\nCOPY file /\n' >ctx/Dockerfile
echo text >ctx/file
set -- --network host
echo keep >kept && ln -s kept link
build "$@" -q --iidfile link ctx
id=$out
like "$id" '^sha256:' '--iidfile through a symlink: builds'
ok '--iidfile through a symlink: it stays a symlink' test -L link
is "$(cat kept)" "$id" '--iidfile through a symlink: written through it'
ln -s new dangling
build "$@" -q --iidfile dangling ctx
is "$(readlink dangling) $(cat new)" "new $id" '--iidfile through a symlink to nothing'
printf 'FROM base\nRUN false\n' >ctx/fails
build "$@" -q --iidfile link -f ctx/fails ctx
ok 'a failed build: the symlink stays' test -L link
is "$(cat kept)" '' 'a failed build: the old id behind it does not'
mkdir dev
if is_root && mknod dev/null c 1 3; then
	build "$@" -q --iidfile dev/null ctx
	is "$status" 0 '--iidfile to a device'
	ok '--iidfile to a device: it stays one' test -c dev/null
	ln -s dev/null nulllink
	build "$@" -q --iidfile nulllink --output type=tar,dest=nulllink ctx
	ok '--iidfile and --output through a symlink to a device: both stay' test -L nulllink -a -c dev/null
	is "$(readlink nulllink)" dev/null '--output through a symlink to a device: it stays a symlink'
fi
ln -s /proc/self/fd/1 stdout
build "$@" -q --iidfile stdout ctx
is "$out" "$id$id" '--iidfile to standard output: the id, and the id that -q prints'
ok '--iidfile to standard output: it stays a symlink' test -L stdout
for kind in tar oci; do
	rm -f image.link image.tar
	ln -s image.tar image.link
	build "$@" --output "type=$kind,dest=image.link" ctx
	ok "--output type=$kind through a symlink to nothing: it stays one" test -L image.link
	ok "--output type=$kind through a symlink to nothing: written through it" tar tf image.tar
	echo old >image.tar
	build "$@" --output "type=$kind,dest=image.link" ctx
	ok "--output type=$kind through a symlink: it stays one" test -L image.link
	ok "--output type=$kind through a symlink: written through it" tar tf image.tar
	"$WHITTLE" build --root "$T/store" --build-context base="oci-layout://$base" "$@" --output "type=$kind,dest=stdout" ctx >image.tar 2>/dev/null
	ok "--output type=$kind to /proc/self/fd/1: nothing but the archive" python3 -c 'import sys, tarfile
t = tarfile.open("image.tar")
t.getmembers()
sys.exit(any(open("image.tar", "rb").read()[t.offset:]))'
	ok "--output type=$kind to /proc/self/fd/1: it stays a symlink" test -L stdout
done

# ---- ignore files that cannot be read ----
mkdir ign && touch ign/a ign/hidden outside
printf 'FROM scratch\nCOPY . /\n' >ign/Dockerfile
unreadable() { # DESC ERE
	build --network host -o "$T/out" ign
	is "$status" 2 "$1: exit code 2"
	like "$err" "^error: read \"[^\"]*dockerignore\": $2" "$1: the message"
	like "$err" '^hint: ' "$1: a hint"
	nok "$1: nothing was built" test -e out
	rm -rf out ign/.dockerignore ign/Dockerfile.dockerignore
}
mkfifo ign/.dockerignore
unreadable 'a FIFO as .dockerignore' 'it is no file'
mkdir ign/.dockerignore
unreadable 'a directory as .dockerignore' 'it is no file'
ln -s "$T/outside" ign/.dockerignore
unreadable '.dockerignore that leads out of the context' '.*symlink'
ln -s ../outside ign/.dockerignore
unreadable '.dockerignore that leads out of the context by ..' '.*symlink'
ln -s .dockerignore ign/.dockerignore
unreadable '.dockerignore that leads to itself' 'Too many levels'
ln -s nowhere ign/Dockerfile.dockerignore
unreadable 'Dockerfile.dockerignore that leads nowhere' '.*symlink'
if is_root; then
	cp -r ign "$UT/ign" && echo hidden >"$UT/ign/.dockerignore" && chmod 600 "$UT/ign/.dockerignore"
	run as_user "$WHITTLE" build --root "$UT/store" --network host -o "$UT/out" "$UT/ign"
	is "$status" 2 '.dockerignore without permission: exit code 2'
	like "$err" '^error: read "[^"]*.dockerignore": Permission denied' '.dockerignore without permission: the message'
fi
echo hidden >ign/rules && ln -s rules ign/.dockerignore
build --network host -q -o "$T/out" ign
is "$status" 0 'a symlink inside the context'
nok 'a symlink inside the context: its rules count' test -e out/hidden
ok 'a symlink inside the context: the others are there' test -e out/a
rm -rf out

# ---- RUN --mount=type=bind of a symlink ----
mkdir -p mnt/d mnt/real/sub
echo b >mnt/b && ln -s ../b mnt/d/ln
echo sub >mnt/real/sub/f && ln -s /real mnt/d/dir && ln -s ../../.. mnt/d/up
mount_build() { # SOURCE TARGET COMMAND
	printf 'FROM base\nRUN --mount=type=bind,source=%s,target=%s %s\n' "$1" "$2" "$3" >mnt/Dockerfile
	build --network host --snapshotter "$snap" --no-cache mnt
}
for snap in overlay copy; do
	mount_build d/ln /c 'cat /c'
	is "$status" 0 "$snap: a link to a file elsewhere in the context"
	like "$err" '^#[0-9]+ [0-9.]+ b$' "$snap: a link to a file elsewhere in the context: its content"
	mount_build d/dir /c 'cat /c/sub/f'
	is "$status" 0 "$snap: a link to a directory elsewhere in the context"
	mount_build d/dir/sub/f /c 'cat /c'
	is "$status" 0 "$snap: a link on the way"
	mount_build d/up /c 'cat /c/b'
	is "$status" 0 "$snap: a link above the context is the context"
	mount_build d/none /c 'cat /c'
	is "$status" 1 "$snap: what is not there"
done

done_testing
