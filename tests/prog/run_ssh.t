#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN --mount=type=ssh with OpenSSH's real agent: sockets, key files, and what a step may ask for.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
command -v ssh-agent >/dev/null || skip_all 'no ssh-agent (package openssh-client)'
base=$(test_base busybox)
mkdir "$T/ctx" "$T/keys"
gcc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$T/ctx/ssh_ask" "$SRC/tests/tools/ssh_ask.c" || skip_all 'no static C library'
for k in one two three; do
	ssh-keygen -q -t ed25519 -N '' -C "key-$k" -f "$T/keys/$k"
done
ssh-keygen -q -t ed25519 -N secret -C locked -f "$T/keys/locked"
ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -C pem -f "$T/keys/pem"
chmod -R a+rX "$T/keys" # too open for OpenSSH's own tools
chmod a+r "$T"/keys/*

for who in root user; do
	[ $who = root ] && ! is_root && continue
	mkdir -p "$T/$who"
	[ $who = root ] || chown "$TEST_USER": "$T/$who" 2>/dev/null
	# An agent of that user's, ended by its process id.
	# shellcheck disable=SC2016
	as $who sh -c 'echo $$ >"$1.pid"; exec ssh-agent -D -a "$1"' - "$T/$who/agent" >/dev/null 2>&1 & # $! is a shell's
	for _ in $(seq 100); do [ -S "$T/$who/agent" ] && break; sleep 0.1; done
	agent=$(cat "$T/$who/agent.pid")
	on_exit "kill $agent 2>/dev/null"
	as $who env SSH_AUTH_SOCK="$T/$who/agent" ssh-add -q - <"$T/keys/one"

	build $who --ssh default="$T/$who/agent" --ssh files="$T/keys/two,$T/keys/three" <<'D'
FROM base
COPY --chmod=755 ssh_ask /
RUN --mount=type=ssh,mode=741,uid=100,gid=102 [ "$(stat -c "%u %g %f" $SSH_AUTH_SOCK)" = "100 102 c1e1" ]
RUN --mount=type=ssh [ "$(stat -c "%u %g %a %n" $SSH_AUTH_SOCK)" = "0 0 600 /run/buildkit/ssh_agent.0" ]
RUN --mount=type=ssh [ "$(/ssh_ask list)" = "$(printf 'keys 1\nkey-one')" ] && /ssh_ask sign | grep -q '^signed .* answer 14'
RUN --mount=type=ssh,id=files [ "$(/ssh_ask list)" = "$(printf 'keys 2\nkey-two\nkey-three')" ] && /ssh_ask sign | grep -q 'answer 14'
RUN --mount=type=ssh,id=files --mount=type=ssh,target=/second --mount=type=ssh,id=files \
    [ $SSH_AUTH_SOCK = /run/buildkit/ssh_agent.0 ] && [ -S /second ] && [ -S /run/buildkit/ssh_agent.2 ] && [ ! -e /run/buildkit/ssh_agent.1 ] && \
    SSH_AUTH_SOCK=/second /ssh_ask list | grep -q key-one
ENV SSH_AUTH_SOCK=/mine
RUN --mount=type=ssh,target=/mine /ssh_ask list | grep -q key-one
ENV SSH_AUTH_SOCK=
RUN --mount=type=ssh,id=absent,target=/no [ ! -e /no ]
USER 33
RUN --mount=type=ssh,uid=33,target=/s SSH_AUTH_SOCK=/s /ssh_ask list | grep -q key-one
RUN --mount=type=ssh,target=/s ! SSH_AUTH_SOCK=/s /ssh_ask list
USER 0
RUN [ ! -e /run/buildkit ] && [ ! -e /second ] && [ ! -e /mine ]
D
	is "$status" 0 "$who: sockets, keys from files, owners"
	[ "$status" = 0 ] || show "$all"

	# A step that would take the keys away, lock the agent, add keys, or keep us waiting.
	build $who --ssh default="$T/$who/agent" <<'D'
FROM base
COPY --chmod=755 ssh_ask /
RUN --mount=type=ssh for t in 1 9 17 18 19 20 22 23 25 26 27 255; do [ "$(/ssh_ask $t)" = 'answer 5' ] || exit 1; done; \
    /ssh_ask long; for i in $(seq 100); do /ssh_ask long >/dev/null & done; wait; sleep 1; /ssh_ask list | grep -q key-one
D
	is "$status" 0 "$who: a step gets nothing but the list and signatures"
	like "$(as $who env SSH_AUTH_SOCK="$T/$who/agent" ssh-add -l)" key-one "$who: the agent has its key still"

	build $who --ssh default="$T/keys/one" <<'D'
FROM base
COPY --chmod=755 ssh_ask /
RUN --mount=type=ssh,required /ssh_ask list && false
D
	is "$status" 1 "$who: a step that fails with a key from a file"
	like "$all" key-one "$who: it had the key"
	is "$(pgrep -u "$([ $who = root ] && echo root || echo "$TEST_USER")" -f "ssh-agent -D -a .*/whittle-ssh-" || true)" '' \
		"$who: the agent that was started is gone"
	kill $agent
done
is "$(compgen -G '/tmp/whittle-ssh-*' || true)" '' 'nothing is left of the agents'

refused() { # SSH-VALUE WANT
	run timeout 60 "$WHITTLE" build --root "$T/store" --ssh "$1" -f "$T/Dockerfile" "$T/ctx"
	is "$status" 2 "--ssh $1: exit code"
	like "$err" "$2" "--ssh $1: the message"
}
refused "default=$T/keys/locked" 'is protected by a passphrase'
refused "default=$T/keys/pem" 'is protected by a passphrase'
refused "default=$T/keys/one.pub" 'is no private key that ssh-add takes'
refused "default=$T/keys/none" 'No such file'
refused "default=$T/keys" 'neither an agent.s socket nor a key file'
run env -u SSH_AUTH_SOCK timeout 60 "$WHITTLE" build --root "$T/store" --ssh default -f "$T/Dockerfile" "$T/ctx"
is "$status" 2 '--ssh default without an agent: exit code'
like "$err" 'SSH_AUTH_SOCK is not set' '--ssh default without an agent: the message'
run timeout 60 "$WHITTLE" build --root "$T/store" --ssh "a=$T/keys/one" --ssh "a=$T/keys/two" -f "$T/Dockerfile" "$T/ctx"
like "$err" 'duplicate agent ID "a"' 'one id twice'
done_testing
