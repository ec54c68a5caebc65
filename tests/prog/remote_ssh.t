#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Repositories behind a real sshd, with a real agent, and behind git daemon: ADD, contexts, keys, known hosts.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/remote-lib.sh"
PATH=$PATH:/usr/sbin
for program in ssh ssh-agent ssh-add ssh-keygen git python3; do
	command -v $program >/dev/null || skip_all "needs $program"
done
sshd=$("$SRC/tests/tools/fetch_tools.sh" sshd) || skip_all 'no sshd is to be had'
if is_root; then
	chmod 777 "$T"
fi
unset GIT_DIR GIT_CONFIG_COUNT SSH_AUTH_SOCK SSH_ASKPASS http_proxy HTTP_PROXY ALL_PROXY
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t

# ---- the servers: an ordinary user's, who serves itself ----

srv=$UT/srv
as_user mkdir "$srv"
who=$(as_user id -un)
for k in good wrong; do
	ssh-keygen -q -t ed25519 -N '' -C "key-$k" -f "$T/$k"
done
as_user ssh-keygen -q -t ed25519 -N '' -f "$srv/host_1"
as_user ssh-keygen -q -t ed25519 -N '' -f "$srv/host_2"
as_user ssh-keygen -q -t ecdsa -N '' -f "$srv/host_3"
install -m 644 good.pub "$srv/authorized"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
configure() { # PORT HOST-KEY [LINE]: sshd's file
	cat >"$srv/sshd_config" <<-EOT
		ListenAddress 127.0.0.1
		Port $1
		HostKey $srv/$2
		PidFile $srv/sshd.pid
		AuthorizedKeysFile $srv/authorized
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		LogLevel INFO
		${3:-}
	EOT
}
end_server() { # its file's name: ends it, and waits until it is gone
	local pid i

	pid=$(cat "$1" 2>/dev/null) && rm -f "$1" || return 0
	kill "$pid" 2>/dev/null
	for i in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
}
# On port $port; false: it is taken, say.
start_sshd() { # HOST-KEY [LINE]
	local i

	configure "$port" "$@"
	: >"$srv/start"
	chmod 666 "$srv/start"
	as_user "$sshd" -D -f "$srv/sshd_config" -E "$srv/start" </dev/null >/dev/null 2>&1 &
	for i in $(seq 100); do
		! grep -q 'Server listening' "$srv/start" || [ ! -s "$srv/sshd.pid" ] || return 0
		! grep -qE 'fatal|Cannot bind|error' "$srv/start" || break
		sleep 0.1
	done
	end_server "$srv/sshd.pid"
	return 1
}
stop_sshd() {
	end_server "$srv/sshd.pid"
	cat "$srv/start" >>"$srv/log"
}
logins() { cat "$srv/log" "$srv/start" 2>/dev/null | grep -c '^Accepted publickey'; }
on_exit "end_server '$srv/sshd.pid'; end_server '$srv/daemon.pid'; wait"
for _ in 1 2 3 4 5; do
	port=$(free_port)
	! start_sshd host_1 || break
done
[ -s "$srv/sshd.pid" ] || { echo 'Bail out! no sshd'; cat "$srv/start"; exit 1; }

ssh-agent -D -a "$T/agent" >/dev/null 2>&1 &
agent_pid=$!
on_exit "kill $agent_pid; wait $agent_pid 2>/dev/null"
for _ in $(seq 100); do
	[ ! -S agent ] || break
	sleep 0.1
done
SSH_AUTH_SOCK=$T/agent ssh-add -q good || { echo 'Bail out! no agent'; exit 1; }

# ---- the repositories ----

commit() { # REPO DATE MESSAGE
	git -C "$1" add -A && GIT_AUTHOR_DATE="@$2 +0000" GIT_COMMITTER_DATE="@$2 +0000" git -C "$1" commit -qm "$3"
}
publish() { # NAME: to where the server has it, which owns it
	git clone -q --bare "$1" "$1.git" && chmod -R a+rX "$1.git" && as_user cp -r "$T/$1.git" "$srv/"
}
for r in m r; do
	git -c init.defaultBranch=trunk init -q $r
done
echo 123 >m/file && commit m 1000000001 one
one=$(git -C m rev-parse HEAD)
echo 456 >m/file && commit m 1000000002 two
mkdir r/sub && echo first >r/foo && echo part >r/sub/foo
printf 'FROM scratch\nCOPY foo out\n' | tee r/Dockerfile >r/sub/Dockerfile
commit r 1000000003 first && git -C r tag v1
# Not the tip of the submodule's branch: a server may not give it when asked for it alone.
printf '[submodule "near"]\n\tpath = near\n\turl = ../m.git\n[submodule "far"]\n\tpath = far\n\turl = ssh://%s@127.0.0.1:%s%s/m.git\n' \
	"$who" "$port" "$srv" >r/.gitmodules
git -C r update-index --add --cacheinfo "160000,$one,near" --cacheinfo "160000,$one,far"
mkdir r/near r/far
echo second >r/foo && commit r 1000000004 second && git -C r tag v2
v1=$(git -C r rev-parse v1) v2=$(git -C r rev-parse v2)
publish m && publish r
repo=ssh://$who@127.0.0.1:$port$srv/r.git

# ---- helpers ----

fresh() { remove_tree "$T/st"; }
errors() { grep -c '^error' <<<"$err"; }
known() { wc -l <"$T/st/sources/known_hosts"; }
mkdir -m 777 ctx out
agent=(--ssh "default=$T/agent")
add="FROM scratch
ADD $repo#v1 /x"

# ---- keys ----

build none <<<"$add"
is "$status $(errors)" '1 1' 'without --ssh'
like "$err" "^error: .*$repo: ask for v1: $who@127\.0\.0\.1: Permission denied \(publickey\)" 'the server lets nobody in'
like "$err" '^hint: --ssh default ' 'the hint names --ssh default'
SSH_AUTH_SOCK=$T/agent build none <<<"$add"
is "$status $(logins)" '1 0' 'an agent that was not named is not used'
build wrong --ssh "default=$T/wrong" <<<"$add"
is "$status $(errors)" '1 1' 'a wrong key'
like "$err" 'Permission denied \(publickey\)' 'is refused'
like "$err" '^hint: .*--ssh default.*none' 'and the hint says that it is the key'
is "$(logins)" 0 'nobody was let in yet'
is "$(known)" 1 'the host is known from then on'

build agent "${agent[@]}" <<<"$add"
is "$status $(cat out/agent/x/foo out/agent/x/sub/foo | xargs)" '0 first part' 'ADD by ssh with an agent'
build agent "${agent[@]}" --ssh "other=$T/wrong" <<<"FROM scratch
ADD $repo /x"
is "$status $(cat out/agent/x/foo)" '0 second' 'HEAD'
is "$(cat out/agent/x/near/file out/agent/x/far/file | xargs)" '123 123' 'with its submodules on the same server'
fresh
build file --ssh "default=$T/good" <<<"$add"
is "$status $(cat out/file/x/foo)" '0 first' 'with a key file'
SSH_AUTH_SOCK=$T/agent build file --ssh default <<<"FROM scratch
ADD $repo#trunk:sub /x"
is "$status $(cat out/file/x/foo)" '0 part' 'with the agent of the environment; a branch, a directory'
build other --ssh "other=$T/good" <<<"FROM scratch
ADD $repo?submodules=0#v2 /x"
is "$status" 1 'an agent of another name'
like "$err" '^hint: --ssh default ' 'is for steps alone'
build nothing "${agent[@]}" <<<"FROM scratch
ADD ${repo%r.git}none.git /x"
is "$status $(errors)" '1 1' 'no such repository'
like "$err" "^error: .*'$srv/none.git' does not appear to be a git repository" 'is what the server says'

# ---- contexts ----

from "$repo#v1" "${agent[@]}"
is "$status $(cat out/from/out)" '0 first' 'as the main context'
from "$repo#trunk:sub" "${agent[@]}"
is "$status $(cat out/from/out)" '0 part' 'a directory of it'
build named "${agent[@]}" --build-context "r=$repo#v2" --build-context "s=$repo#:sub" <<<'FROM scratch
COPY --from=r foo near/file /r/
COPY --from=s foo /s/'
is "$status $(cat out/named/r/foo out/named/r/file out/named/s/foo | xargs)" '0 second 123 part' 'as named contexts'
printf 'FROM scratch\nCOPY .git/HEAD out\n' >kept.df
from "$repo?keep-git-dir=1" -f "$T/kept.df" "${agent[@]}"
is "$status $(cat out/from/out)" "0 $v2" 'with its repository'
fresh
from "$repo#v1"
is "$status $(errors)" '1 1' 'as the main context without --ssh'
like "$err" '^hint: --ssh default ' 'the same hint'

# ---- nobody is asked ----

build pinned "${agent[@]}" <<<"FROM scratch
ADD $repo?ref=$v1 /x
ADD --checksum=$v2 $repo#v2 /y"
is "$status" 0 'pinned commits'
from "$repo#$v1" "${agent[@]}"
is "$status" 0 'one as the context'
stop_sshd
for i in '' "--no-cache"; do
	build pinned $i <<<"FROM scratch
ADD $repo?ref=$v1 /x
ADD --checksum=$v2 $repo#v2 /y"
	is "$status $(cat out/pinned/x/foo out/pinned/y/foo out/pinned/y/far/file | xargs)" '0 first second 123' \
		"at hand: without a server, without keys${i:+, $i}"
	from "$repo#$v1" $i
	is "$status $(cat out/from/out)" '0 first' "  as the context"
done
build gone "${agent[@]}" <<<"$add"
is "$status $(errors)" '1 1' 'a tag is asked for'
like "$err" "^error: .*$repo: ask for v1: .*Connection refused" 'which nobody answers'

# ---- known hosts ----

start_sshd host_1 'AcceptEnv GIT_PROTOCOL' || { echo 'Bail out! no sshd'; cat "$srv/start"; exit 1; }
fresh
build first "${agent[@]}" <<<"$add"
is "$status $(known)" '0 1' 'an unknown host is taken, and remembered'
is "$(cut -d' ' -f1,2,3 st/sources/known_hosts)" "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$srv/host_1.pub")" 'with its key'
build first "${agent[@]}" <<<"FROM scratch
ADD $repo?ref=$v2 /x"
is "$status $(known) $(cat out/first/x/near/file)" '0 1 123' 'once'
stop_sshd
start_sshd host_2 || { echo 'Bail out! no sshd'; cat "$srv/start"; exit 1; }
before=$(logins)
build changed "${agent[@]}" <<<"$add"
is "$status $(errors)" '1 1' 'a host whose key has changed'
like "$err" "^error: .*$repo: ask for v1: Host key for \[127\.0\.0\.1\]:$port has changed" 'is refused, and that is said'
like "$err" "^hint: .*$T/st/sources/known_hosts:1\$" 'and where the old one stands'
from "$repo#trunk" "${agent[@]}"
like "$err" 'key.*changed' 'as the context, too'
build changed "${agent[@]}" <<<"FROM scratch
ADD $repo?ref=$(git -C r rev-parse 'v1^{tree}') /x"
like "$err" "fetch: .*key.*changed" 'and where nothing is asked before'
is "$(logins) $(known)" "$before 1" 'no login was tried, no key was taken'
stop_sshd
start_sshd host_3 || { echo 'Bail out! no sshd'; cat "$srv/start"; exit 1; }
build changed "${agent[@]}" <<<"$add"
is "$status $(errors) $(known)" '1 1 1' 'a key of another kind'
like "$err" 'Host key for .* has changed' 'is a changed one'
: >st/sources/known_hosts
build changed "${agent[@]}" <<<"$add"
is "$status $(known)" '0 1' 'forgotten, it is taken'
# The name of a store means nothing to ssh.
for ST in "$T/st %h 'x'" "$T/st\${HOME}" "$T/st\"q\\b"; do
	build odd "${agent[@]}" <<<"$add"
	is "$status $(wc -l <"$ST/sources/known_hosts")" '0 1' "remembered in a store named ${ST#"$T/"}"
	[ "$status" = 0 ] || show "$all"
	remove_tree "$ST"
done
unset ST

# ---- nothing becomes an option or a command ----

mkdir ctx/plain && printf 'FROM scratch\nCOPY --from=r / /\n' >ctx/plain/Dockerfile
before=$(logins)
while read -r address; do
	build evil "${agent[@]}" <<<"FROM scratch
ADD [\"$address\", \"/x\"]"
	isnt "$status" 0 "ADD $address"
	is "$(errors)" 1 '  in one line'
	[ -z "${KEEP_TEST_DIR:-}" ] || show "$err"
	from "$address" "${agent[@]}"
	isnt "$status" 0 '  as the main context'
	is "$(errors)" 1 '  in one line'
	from "$T/ctx/plain" "${agent[@]}" --build-context "r=$address"
	isnt "$status" 0 '  as a named context'
	is "$(errors)" 1 '  in one line'
done <<EOT
ssh://-oProxyCommand=touch,pwned/x
ssh://-oProxyCommand=touch%20pwned/x
ssh://-oProxyCommand=touch%20pwned@127.0.0.1:$port$srv/r.git
ssh://-oX@127.0.0.1:$port$srv/r.git
ssh://$who@-oProxyCommand=touch/x
ssh://$who@-oProxyCommand=touch:22/r.git
ssh://@-oProxyCommand=touch/x
-oX@127.0.0.1:r.git
-oProxyCommand=touch@127.0.0.1:r.git
$who@-oProxyCommand=touch:r.git
$who@127.0.0.1:-x
$repo#--upload-pack=touch,pwned
git://-oProxyCommand=touch/x
EOT
is "$(logins)" "$before" 'nobody was asked'
build evil "${agent[@]}" <<<"FROM scratch
ADD [\"ssh://$who@127.0.0.1:$port$srv/x';touch%20$srv/pwned;'/r.git\", \"/x\"]"
is "$status $(errors)" '1 1' "a shell's words in a path"
git -c init.defaultBranch=trunk init -q h
printf '[submodule "x"]\n\tpath = x\n\turl = ssh://-oProxyCommand=touch%%20pwned/x\n' >h/.gitmodules
git -C h update-index --add --cacheinfo "160000,$one,x" && mkdir h/x
commit h 1000000005 evil && publish h
build evil "${agent[@]}" <<<"FROM scratch
ADD ${repo%r.git}h.git /x"
is "$status $(errors)" '1 1' 'a submodule whose address is an option'
is "$(find . "$srv" ~ -maxdepth 3 -name 'pwned*' 2>/dev/null)" '' 'nothing was run'

# ---- as scp writes it: port 22, on a network of its own ----

if is_root && command -v busybox >/dev/null && unshare --net busybox ip link set lo up 2>/dev/null; then
	stop_sshd
	configure 22 host_1
	cat >scp.sh <<-'EOT'
		# SSHD CONFIG LOG USER COMMAND…: with that server
		busybox ip link set lo up
		setpriv --reuid "$4" --regid "$4" --init-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service \
			-- "$1" -D -f "$2" -E "$3" </dev/null >/dev/null 2>&1 &
		for i in $(seq 100); do
			! grep -q 'Server listening' "$3" || break
			sleep 0.1
		done
		"${@:5}"
		status=$?
		kill %1
		wait
		exit $status
	EOT
	: >"$srv/start"
	fresh
	mkdir -p ctx/scp && echo "FROM scratch
ADD $who@127.0.0.1:$srv/r.git?submodules=0#v2 /x
ADD $who@127.0.0.1:$(realpath --relative-to="$(as_user sh -c 'cd && pwd')" "$srv")/r.git#v1 /y" >ctx/scp/Dockerfile
	run unshare --net bash scp.sh "$sshd" "$srv/sshd_config" "$srv/start" "$who" \
		"$WHITTLE" build -q --root "$T/st" -o "type=local,dest=$T/out/scp" "${agent[@]}" ctx/scp
	is "$status $(cat out/scp/x/foo out/scp/y/foo | xargs)" '0 second first' 'user@host:path'
	[ "$status" = 0 ] || show "$all"
	start_sshd host_1 || { echo 'Bail out! no sshd'; cat "$srv/start"; exit 1; }
	fresh
fi

# ---- git:// ----

start_daemon() {
	local i

	rm -f "$srv/daemon.pid"
	as_user "$(git --exec-path)/git-daemon" --export-all --listen=127.0.0.1 --port="$1" --base-path="$srv" \
		--pid-file="$srv/daemon.pid" --reuseaddr "$srv" </dev/null >"$srv/daemon" 2>&1 &
	for i in $(seq 100); do
		[ ! -s "$srv/daemon.pid" ] || ! (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0
		sleep 0.1
	done
	end_server "$srv/daemon.pid"
	return 1
}
for _ in 1 2 3 4 5; do
	git_port=$(free_port)
	! start_daemon "$git_port" || break
done
plain=git://127.0.0.1:$git_port
build git <<<"FROM scratch
ADD $plain/r.git#v1 /x
ADD $plain/m.git?ref=$one /m
ADD --keep-git-dir $plain/m.git /k"
is "$status $(cat out/git/x/foo out/git/m/file out/git/k/file | xargs)" '0 first 123 456' 'ADD of git://'
from "$plain/r.git#v1:sub" --build-context "unused=$plain/none.git"
is "$status $(cat out/from/out)" '0 part' 'as the main context'
build git --build-context "m=$plain/m.git" <<<'FROM scratch
COPY --from=m file /'
is "$status $(cat out/git/file)" '0 456' 'as a named context'
build git <<<"FROM scratch
ADD $plain/none.git /x"
is "$status $(errors)" '1 1' 'no such repository'
like "$err" "^error: .*$plain/none.git: ask for its HEAD: " 'is told with its address'
end_server "$srv/daemon.pid"
build git <<<"FROM scratch
ADD $plain/m.git?ref=$one /again"
is "$status $(cat out/git/again/file)" '0 123' 'a commit at hand asks nobody'
build git <<<"FROM scratch
ADD $plain/m.git /x"
is "$status $(errors)" '1 1' 'nobody there'
like "$err" 'Connection refused' 'is the reason'

# ---- an ordinary user ----

if is_root; then
	install -m 600 -o "$who" good "$UT/key"
	AS=as_user ST=$UT/st build user --ssh "default=$UT/key" <<<"FROM scratch
ADD $repo#v2 /x"
	is "$status $(cat out/user/x/foo out/user/x/near/file | xargs)" '0 second 123' 'the same as an ordinary user'
	[ "$status" = 0 ] || show "$all"
	ok 'who has known hosts of its own' grep -q "^\[127.0.0.1\]:$port " "$UT/st/sources/known_hosts"
	build user "${agent[@]}" <<<"FROM scratch
ADD $repo#v2 /x"
	a=$(run "$WHITTLE" build -q --root "$T/st" "${agent[@]}" ctx/user; echo "$out")
	is "$(run as_user "$WHITTLE" build -q --root "$UT/st" --ssh "default=$UT/key" ctx/user; echo "$out")" "$a" 'and the same image'
	AS=as_user ST=$UT/st build user <<<"FROM scratch
ADD $repo#v1 /x"
	like "$err" '^hint: --ssh default ' 'without --ssh: the hint'
fi
is "$(compgen -G '/tmp/whittle-ssh-*' || true)" '' 'nothing is left of the agents'
done_testing
