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
# shellcheck disable=SC2016 # the step's shell expands it
printf 'FROM base\nRUN --network=host wc -l </proc/net/dev >/n && echo "lines $(cat /n)"\nRUN --network=none wc -l </proc/net/dev >/n && echo "none $(cat /n)"\n' >ctx/Dockerfile
for net in default none; do
	build --network "$net" ctx
	is "$status" 2 "RUN --network=host with --network $net: exit code 2"
	like "$err" '^error: .*Dockerfile:2:5: entitlement network.host is not allowed$' "RUN --network=host with --network $net: refused"
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

# ---- what the terminal gets ----
cat >ctx/speak <<'END'
printf '\033[31mred\033[0m \033]0;title\007 \033[6n\033[2J del\177 bell\007\n'
printf 'shown\rhidden\r\nnext\tcolumn\n'
printf 'c1 \302\233 raw \233 cut \303( long \340\200\200 half \355\240\200 good \303\274\n'
printf 'nul\000behind\n'
printf 'open \033[32m\n'
exit 3
END
printf 'FROM base\nCOPY speak /\n# \033[5n\nRUN sh /speak # \033[2J\033[31m\n' >ctx/Dockerfile
build "$@" ctx
is "$status" 1 'output with controls: the step failed as it should'
unlike "$err" $'[\001-\010\013-\037\177]|\033' 'output with controls: no control character comes through'
for prefix in '#[0-9]+ [0-9.]+ ' '  \| '; do
	like "$err" "^${prefix}red \^\[\]0;title\^G \^\[\[6n\^\[\[2J del\^\? bell\^G\$" "behind '$prefix': escapes made visible, colours dropped"
	# The message has the last lines as a terminal would have left them: the log, whose name it gives, has the rest.
	[ "$prefix" = '  \| ' ] || like "$err" "^${prefix}shown\$" "behind '$prefix': what a carriage return would hide"
	like "$err" "^${prefix}hidden\$" "behind '$prefix': what comes behind it, as a line of its own"
	like "$err" "^${prefix}next	column\$" "behind '$prefix': a tab stays"
	like "$err" "^${prefix}c1 .u009b raw .x9b cut .xc3\( long .xe0.x80.x80 half .xed.xa0.x80 good ü\$" "behind '$prefix': C1 and broken UTF-8"
	like "$err" "^${prefix}nul\^@behind\$" "behind '$prefix': what comes after a NUL"
done
like "$err" '^ +4 > RUN sh /speak # \^\[\[2J\^\[\[31m$' 'the Dockerfile'\''s line in the message'
like "$err" '^  \| open $' 'the last line is there'
if command -v script >/dev/null; then
	on_terminal=$(script -qec "'$WHITTLE' build --progress plain --root store --build-context base='oci-layout://$base' --network host ctx" /dev/null | tr -d '\r')
	like "$on_terminal" $'^#[0-9]+ [0-9.]+ \033\\[31mred\033\\[0m \\^\\[\\]0;title' 'on a terminal colours pass'
	like "$on_terminal" $'^  \\| \033\\[31mred\033\\[0m ' 'on a terminal colours pass in the message'
	like "$on_terminal" $'^#[0-9]+ [0-9.]+ open \033\\[32m\033\\[0m$' 'and end with their line'
	unlike "$on_terminal" $'\033[^[]|\033\\[[0-9;]*[^0-9;m]' 'and nothing else'
	unlike "$(grep RUN <<<"$on_terminal")" $'\033' 'no colours from the Dockerfile itself'
else
	fail 'script is not installed'
fi

# ---- long names ----
long=$(printf 'x%.0s' {1..5000})
printf 'FROM base\nCOPY %s /\n' "$long" >ctx/Dockerfile
build "$@" ctx
isnt "$status" 0 'a very long name: refused'
ok "a very long name: the message is short (${#err})" test "${#err}" -lt 3000
like "$err" 'xxx…\[[0-9]+ bytes\]…xxx' 'a very long name: cut in the middle'

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
