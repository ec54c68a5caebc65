#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN's mounts, as root and as an ordinary user: what each type gives, who sees it, what stays of it. The same Dockerfiles
# hold under docker.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
command -v gcc >/dev/null || skip_all 'no gcc'
base=$(test_base busybox)
mkdir "$T/ctx" "$T/ctx/dir"
echo one >"$T/ctx/file"
echo two >"$T/ctx/dir/two"
echo 'p4ss-w0rd' >"$T/secret"

cases() {
	local who=$1

	build "$who" --secret id=pw,src="$T/secret" --secret id=env,env=LC_ALL --secret id=typed,type=env,src=LC_ALL \
		-o "type=local,dest=$T/$who/out" <<'D'
FROM base AS other
RUN mkdir -p /sub/deep /owned && echo seed > /sub/deep/seed && echo alone > /single && ln -s /sub /link && chown 5:6 /owned
FROM scratch AS nothing
FROM base
WORKDIR /work
# bind
RUN --mount=target=/ctx [ "$(cat /ctx/file)" = one ] && ! touch /ctx/x 2>/dev/null
RUN --mount=target=rel,source=dir [ -f /work/rel/two ]
RUN --mount=target=/ctx,rw echo changed > /ctx/file && touch /ctx/new && [ "$(cat /ctx/file)" = changed ]
RUN --mount=target=/ctx [ "$(cat /ctx/file)" = one ] && [ ! -e /ctx/new ]
RUN --mount=type=bind,from=other,source=/single,target=/one [ "$(cat /one)" = alone ] && [ -f /one ]
RUN --mount=from=other,source=link/deep,dst=/d [ -f /d/seed ]
RUN --mount=from=0,src=../../sub,destination=/d [ -f /d/deep/seed ]
RUN --mount=from=other,target=/d,readwrite=true rm /d/single && mkdir /d/made
RUN --mount=from=other,target=/d,rw,ro=true ! touch /d/x 2>/dev/null && [ -f /d/single ]
RUN --mount=from=scratch,target=/empty [ -z "$(ls -A /empty)" ]
RUN --mount=from=nothing,target=/empty [ -z "$(ls -A /empty)" ]
RUN --mount=target=/a/dir,from=other,source=sub --mount=target=/a [ -f /a/file ] && [ -d /a/dir/deep ] && [ ! -e /a/dir/two ]
RUN --mount=target=/a --mount=target=/a,from=other [ -f /a/single ]
# cache
RUN --mount=type=cache,target=/c [ "$(stat -c '%u %g %a' /c)" = '0 0 755' ] && echo kept > /c/f
RUN --mount=type=cache,target=/c2 [ ! -e /c2/f ]
RUN --mount=type=cache,target=/x/../c [ "$(cat /c/f)" = kept ]
RUN --mount=type=cache,id=/c,target=/elsewhere [ "$(cat /elsewhere/f)" = kept ]
RUN --mount=type=cache,target=/c,ro ! touch /c/x 2>/dev/null && [ -f /c/f ]
RUN --mount=type=cache,target=/m,uid=1001,gid=1002,mode=0751 [ "$(stat -c '%u %g %f' /m)" = '1001 1002 41e9' ]
RUN --mount=type=cache,id=seeded,from=other,source=sub,target=/s [ "$(cat /s/deep/seed)" = seed ] && echo further > /s/deep/further
RUN --mount=type=cache,id=seeded,from=other,source=sub,target=/s [ -f /s/deep/seed ] && [ -f /s/deep/further ]
RUN --mount=type=cache,id=src,target=/s mkdir -p /s/sel && echo in > /s/sel/in
RUN --mount=type=cache,id=src,source=sel,target=/s [ "$(cat /s/in)" = in ]
RUN --mount=type=cache,id=src,target=/s rm -r /s/sel && ln -s /etc /s/sel
ENV SOME=/var CACHE=cache
ARG KIND=$CACHE
RUN --mount=type=$KIND,target=$SOME/c,id=env touch $SOME/c/foo
RUN --mount=type=${NO:-cache},target=/q,id="env" [ -f /q/foo ]
# tmpfs
RUN --mount=type=tmpfs,target=/t touch /t/x && grep -q ' /t tmpfs' /proc/mounts
RUN --mount=type=tmpfs,target=/dev/shm,size=128m grep ' /dev/shm ' /proc/mounts | grep -q size=131072k
RUN --mount=target=/t,type=tmpfs,size=1m ! dd if=/dev/zero of=/t/x bs=1M count=2 2>/dev/null
# secrets
RUN --mount=type=secret,id=pw [ "$(stat -c '%u %g %a %s' /run/secrets/pw)" = '0 0 400 10' ]
RUN --mount=type=secret,id=pw,mode=741,uid=100,gid=102,target=/mysecret [ "$(stat -c '%u %g %f' /mysecret)" = '100 102 81e1' ]
RUN [ ! -e /mysecret ] && [ ! -e /run/secrets ]
RUN --mount=type=secret,id=pw,env=PW [ ${#PW} = 10 ] && [ ! -e /run/secrets/pw ]
RUN --mount=type=secret,id=pw,env= [ ${#pw} = 10 ] && [ ! -e /run/secrets/pw ]
RUN --mount=type=secret,id=pw,env=PW,target=both [ -n "$PW" ] && [ -f /work/both ]
RUN --mount=type=secret,id=env,env=FROM_ENV --mount=type=secret,id=typed [ "$FROM_ENV" = C ] && [ "$(cat /run/secrets/typed)" = C ]
RUN --mount=type=secret,source=pw,target=/a/b/c [ -f /a/b/c ]
RUN --mount=type=secret,target=/x/pw [ -f /x/pw ]
RUN --mount=type=secret,id=absent [ ! -e /run/secrets/absent ]
RUN --mount=type=secret,id=absent,required=false,env=ABSENT [ -z "${ABSENT+x}" ]
RUN --mount=type=secret,id=pw cat /run/secrets/pw
# what no key of a type is for is passed over where BuildKit does
RUN --mount=type=tmpfs,target=/t,env=X,id=y,from=other true
# nothing of all that stays
RUN for p in /ctx /one /d /empty /c /c2 /m /s /q /t /elsewhere /mysecret /run/secrets /run/buildkit /x /var/c /work/rel /work/both; do \
      [ ! -e $p ] || { echo "left: $p"; exit 1; }; done
D
	is "$status" 0 "$who: every step of the table"
	[ "$status" = 0 ] || show "$all"
	unlike "$all" 'p4ss-w0rd' "$who: the secret is not in what is printed"
	like "$all" '\*\*\*' "$who: where a step prints it there are stars"
	is "$(grep -rl p4ss-w0rd "$T/$who/out" "$T/$who/store" 2>/dev/null)" '' "$who: nor in the tree, nor anywhere in the store"
	is "$(find "$T/$who/out" -name seed -o -name further -o -name two | wc -l)" 0 "$who: nor is what caches and contexts hold"

	# A link that a step laid into the cache leads nowhere else.
	build "$who" <<'D'
FROM base
RUN --mount=type=cache,id=src,source=sel,target=/victim cat /victim/hostname /victim/passwd
D
	isnt "$status" 0 "$who: a link in a cache does not lead out of it"
	unlike "$all" 'root:' "$who: and shows nothing"
	build "$who" --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/c [ "$(cat /c/f)" = kept ] && echo again
D
	is "$status" 0 "$who: a cache outlives the build"
	build "$who" <<'D'
FROM base
RUN --mount=type=cache,target=/c echo the content of a cache is in no key
D
	as "$who" "$WHITTLE" build --root "$T/$who/store" --build-context base="oci-layout://$base" -f - "$T/ctx" >/dev/null 2>&1 <<'D'
FROM base
RUN --mount=type=cache,target=/c date +%s%N > /c/changing
D
	build "$who" <<'D'
FROM base
RUN --mount=type=cache,target=/c echo the content of a cache is in no key
D
	like "$all" '^#[0-9]+ CACHED' "$who: a cache whose content changed leaves a step cached"
}

# Steps of one build, and of two, that want one cache. What they write is told from the cache's own files, never by the clock.
sharing() {
	local who=$1

	# locked: both take turns, so the file that says "somebody is in" is never there when one comes.
	build "$who" --jobs 4 -o "type=local,dest=$T/$who/locked" <<'D'
FROM base AS a
RUN --mount=type=cache,id=lock,target=/l,sharing=locked [ ! -e /l/in ] && touch /l/in && sleep 1 && echo a >> /l/turns && rm /l/in
FROM base AS b
RUN --mount=type=cache,id=lock,target=/l,sharing=locked [ ! -e /l/in ] && touch /l/in && sleep 1 && echo b >> /l/turns && rm /l/in
FROM base
RUN --mount=from=a,target=/a --mount=from=b,target=/b --mount=type=cache,id=lock,target=/l sort /l/turns > /turns
D
	is "$status" 0 "$who: locked: two steps of a build take turns"
	is "$(cat "$T/$who/locked/turns" 2>/dev/null)" $'a\nb' "$who: locked: one after the other, in one directory"
	# shared: both are in at once, and see each other.
	build "$who" --jobs 4 <<'D'
FROM base AS a
RUN --mount=type=cache,id=both,target=/l touch /l/a; i=0; until [ -e /l/b ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done
FROM base AS b
RUN --mount=type=cache,id=both,target=/l,sharing=shared touch /l/b; i=0; until [ -e /l/a ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done
FROM base
RUN --mount=from=a,target=/a --mount=from=b,target=/b true
D
	is "$status" 0 "$who: shared: both are in at once"
	# private: both are in at once (each waits for the other through a shared one), and see nothing of each other.
	build "$who" --jobs 4 <<'D'
FROM base AS a
RUN --mount=type=cache,id=alone,target=/p,sharing=private --mount=type=cache,id=meet,target=/l \
    touch /p/a /l/a; i=0; until [ -e /l/b ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done; [ ! -e /p/b ] && touch /l/a-looked; \
    until [ -e /l/b-looked ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done
FROM base AS b
RUN --mount=type=cache,id=alone,target=/p,sharing=private --mount=type=cache,id=meet,target=/l \
    touch /p/b /l/b; i=0; until [ -e /l/a ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done; [ ! -e /p/a ] && touch /l/b-looked; \
    until [ -e /l/a-looked ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done
FROM base
RUN --mount=from=a,target=/a --mount=from=b,target=/b true
D
	is "$status" 0 "$who: private: each has one of its own"
	# Two builds at once.
	for n in 1 2; do
		printf 'FROM base\nRUN --mount=type=cache,id=two,target=/l,sharing=locked [ ! -e /l/in ] && touch /l/in && sleep 1 && echo %s >> /l/turns && rm /l/in\n' $n \
			>"$T/two$n"
		as "$who" timeout 120 "$WHITTLE" build --root "$T/$who/store" --build-context base="oci-layout://$base" -f "$T/two$n" "$T/ctx" \
			>"$T/$who.two$n" 2>&1 &
		pids[n]=$!
	done
	for n in 1 2; do
		wait "${pids[n]}"
		is $? 0 "$who: locked: build $n of two at once"
	done
	build "$who" -o "type=local,dest=$T/$who/two" <<'D'
FROM base
RUN --mount=type=cache,id=two,target=/l sort /l/turns > /turns
D
	is "$(cat "$T/$who/two/turns" 2>/dev/null)" $'1\n2' "$who: locked: both had their turn"
}

for who in root user; do
	[ $who = root ] && ! is_root && continue
	mkdir -p "$T/$who"
	[ $who = root ] || chown "$TEST_USER": "$T/$who" 2>/dev/null
	cases $who
	sharing $who
done

# What is wrong with a mount, and how it is told: the line, then words.
wrong() { # RUN-FLAGS WANT [HINT]
	printf 'FROM base\nWORKDIR /\nRUN %s true\n' "$1" >"$T/Dockerfile"
	run timeout 60 "$WHITTLE" build --root "$T/wrong" --build-context base="oci-layout://$base" -f "$T/Dockerfile" "$T/ctx"
	is "$status" 2 "$1: exit code"
	like "$err" "^error: .*Dockerfile:3.*: .*$2" "$1: the message"
	[ $# -lt 3 ] || like "$all" "$3" "$1: a hint"
}
wrong --mont=target=/t,type=tmpfs 'unknown flag: --mont' 'did you mean (--)?mount'
wrong --mount=typ=tmpfs "unexpected key 'typ'" 'did you mean type'
wrong --mount=type=tmp 'unsupported mount type "tmp"' tmpfs
wrong --mount=type=cache,target=/c,sharing=lock 'unsupported sharing value "lock"'
wrong --mount=from=\$x,target=/t "'from' doesn't support variable expansion, define alias stage instead"
wrong --mount=type=secret,id=x,required 'secret x: not found'
wrong --mount=type=ssh,required 'unset ssh forward key default'
wrong --mount=type=ssh,source=x 'ssh does not support source'
wrong --mount=type=secret 'invalid secret mount. one of source, target required'
wrong --mount=type=secret,id=x,source=y "both source and id can't be set"
wrong --mount=type=secret,id=x,from=base 'secret mount should not have a from'
wrong --mount=type=secret,id=x,sharing=locked 'secret mount should not define sharing'
wrong --mount=target=/t,sharing=locked 'invalid cache sharing set for bind mount'
wrong --mount=type=tmpfs,target=/t,mode=0700 'mode not allowed for "tmpfs" type mounts'
wrong --mount=target=/t,uid=1 'uid not allowed for "bind" type mounts'
wrong --mount=type=cache,target=/t,mode=9 'invalid value 9 for mode'
wrong --mount=type=cache,target=/t,uid=x 'invalid value x for uid'
wrong --mount=target=/t,required "unexpected key 'required' for mount type 'bind'"
wrong --mount=target=/t,size=1m "unexpected key 'size' for mount type 'bind'"
wrong --mount=type=tmpfs,target=/t,size=1x 'invalid value for size: 1x'
wrong --mount=target=/t,ro=maybe 'invalid value for ro: maybe'
wrong --mount=type=cache 'invalid mount target "/"'
wrong --mount=target=/t,env "invalid field 'env' must be a key=value pair"
wrong --mount=target=/t,source 'must be a key=value pair'
wrong '--mount=type=bind,ta\"rget=/t' 'failed to parse csv mounts'
printf 'FROM base\nRUN --mount=target=/a --mount=type=tmpfs,target=/a/new true\n' >"$T/Dockerfile"
run timeout 60 "$WHITTLE" build --root "$T/wrong" --build-context base="oci-layout://$base" -f "$T/Dockerfile" "$T/ctx"
is "$status" 1 'a mount point that a read-only mount lacks: exit code'
like "$err" '^error: .*Dockerfile:2: make the mount point /a/new: the mount around it is read-only' 'and the message'
wrong --network=bridge 'invalid network mode "bridge"'
wrong --network=host 'network.host is not allowed' '--allow network.host'
wrong --security=none 'security "none" is not valid'
wrong --security=insecure 'security.insecure is not allowed' '--allow security.insecure'
wrong --device=vendor.com/class=name,required 'vendor.com/class=name' 'required'
wrong --device=name=a,name=b 'device name already set to a'
wrong --device=a,requires=true "unexpected key 'requires'" 'did you mean required'
wrong '--network=none --network=none' 'duplicate flag specified: --network'
done_testing
