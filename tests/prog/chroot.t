#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --isolation=chroot: builds as root of a container with docker's default seccomp profile and capabilities, where neither namespaces nor
# mounts are to be had. The images are those that are built outside.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/container-lib.sh"
busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }

mkdir -p ctx/dir out
for tool in poke ssh_ask; do
	${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O1 -static -o ctx/$tool "$SRC/tests/tools/$tool.c" || { echo "Bail out! $tool does not build"; exit 1; }
done
printf 'geheimnis-4711\n' >out/secret
printf 'file of the context\n' >ctx/file
printf 'int answer(void);\nint main(void) { return answer() != 42; }\n' >ctx/dir/main.c
printf 'int answer(void) { return 42; }\n' >ctx/dir/answer.c

container_tree "$T/tree" "$WHITTLE" || { echo "Bail out! no tree"; exit 1; }
volumes=(-v "$T/ctx:/ctx" -v "$T/out:/out" -v "$busybox:/busybox:ro" -v "$debian:/debian:ro" -v "$SRC:/src:ro")
container_start docker "$T/tree" "${volumes[@]}" || { echo "Bail out! no container"; exit 1; }

# shellcheck disable=SC2054
words=(--root /var/lib/whittle --progress=plain --build-context base=oci-layout:///busybox --build-context debian=oci-layout:///debian
	--secret id=s,src=/out/secret)
inside() { # ARGS…: whittle build in the container, with what builds need; the Dockerfile on standard input
	cat >ctx/Dockerfile
	run container_run env SOURCE_DATE_EPOCH=1700000000 timeout 300 "$WHITTLE" build "${words[@]}" "$@" /ctx
}
chrooted() {
	inside --isolation=chroot "$@"
}
outside() { # the same, here
	run env SOURCE_DATE_EPOCH=1700000000 timeout 300 "$WHITTLE" build --root "$T/store" --progress=plain \
		--build-context "base=oci-layout://$busybox" --build-context "debian=oci-layout://$debian" --secret "id=s,src=$T/out/secret" "$@" "$T/ctx"
}
digest() {
	sed -n 's/^image  //p' <<<"$out"
}
# same DESC ARGS…: the Dockerfile on standard input gives the same image in the container and here
same() {
	local desc=$1 there
	shift
	chrooted "$@"
	is "$status" 0 "$desc: built in the container"
	[ "$status" = 0 ] || show "$err"
	there=$(digest)
	like "$err" '^warning: --isolation=chroot: steps see' "$desc: the build says how steps are kept apart"
	outside "$@"
	is "$status" 0 "$desc: built outside"
	[ "$status" = 0 ] || show "$err"
	is "$there" "$(digest)" "$desc: the same image"
}

# ---- what this container allows ----

nok 'the container gives no user namespace' container_run unshare -U true
nok 'nor a mount namespace' container_run unshare -m true
nok 'nor a mount' container_run mount -t tmpfs tmpfs /mnt
is "$(container_run awk '/^CapEff/ { print $2 }' /proc/self/status)" 00000000a80425fb "its root has docker's capabilities"
inside <<'D'
FROM base
RUN true
D
is "$status" 4 'without the option a step is an error of the environment'
like "$err" 'isolation=chroot' '… whose hint names the way out'

# ---- the same images ----

same 'steps of all kinds' <<'D'
FROM base AS a
RUN mkdir -p /out/sub && echo x >/out/f && ln -s f /out/l && ln /out/f /out/h && chmod 4755 /out/f && chown 12:34 /out/sub
RUN rm -rf /home && mkdir /home && touch /home/new && rm /etc/nsswitch.conf && mkfifo /out/fifo
FROM base
WORKDIR /srv/w
COPY file .
COPY --from=a /out /out
COPY --chown=5:6 dir /dir
ENV A=b
USER 1000:1000
RUN id >/tmp/id; pwd >>/tmp/id; umask >>/tmp/id; env | sort >>/tmp/id; ls -la /dev/null | cut -c1-10 >>/tmp/id; head -c 3 /dev/zero | wc -c >>/tmp/id
USER root
RUN ["/bin/busybox", "sh", "-c", "grep Cap /proc/self/status || true; ulimit -n >/dev/null; echo json form"]
RUN <<EOF
echo "a heredoc" >/heredoc
cat </dev/null >>/heredoc
EOF
RUN <<EOF cat >/two && cat </etc/hosts | grep -c localhost >>/two
second
EOF
RUN <<one cp /dev/pipes/one /one 2>/dev/null || echo none >/one
one of several
one
RUN #!/bin/sh
RUN mkdir /dev/x; echo y >/dev/y; echo z >/proc/z; mkdir -p /sys/q; true
RUN mkdir -p /deep/er && rm -rf /deep
RUN cat /etc/resolv.conf >/dev/null && echo changed >>/etc/hosts; rm -f /etc/hosts; true
WORKDIR /made/by/cwd
RUN echo here >x
VOLUME /data
CMD ["/bin/sh"]
D

same 'mounts of all kinds' <<'D'
FROM base AS a
RUN mkdir -p /out/sub && echo x >/out/f && ln -s sub/g /out/l && echo g >/out/sub/g
FROM base
RUN --mount=type=bind,from=a,source=/out,target=/mnt/a ls -lan /mnt/a | awk '{ print $1, $3, $4, $5, $9 }' >/seen && cat /mnt/a/l >>/seen
RUN --mount=type=bind,from=a,source=/out,target=/mnt/a,rw echo more >/mnt/a/f && cat /mnt/a/f >/seen.rw
RUN --mount=type=bind,from=a,source=/out/sub/g,target=/etc/g cat /etc/g >/seen.file
RUN --mount=type=bind,from=a,target=/all test -x /all/bin/sh && cat /all/out/f >/seen.all
RUN --mount=type=bind,target=/ctx cat /ctx/file >/seen.ctx; ls /ctx/dir >>/seen.ctx
RUN --mount=type=tmpfs,target=/scratch,size=1m echo t >/scratch/t && stat -c %a /scratch >/seen.tmpfs
RUN --mount=type=cache,target=/var/cache/x,mode=0711,uid=7 stat -c '%a %u' /var/cache/x >/seen.cache; cat /var/cache/x/log; echo run >>/var/cache/x/log
RUN --mount=type=cache,target=/elsewhere,id=/var/cache/x,mode=0711,uid=7 cat /elsewhere/log >/seen.again
RUN --mount=type=cache,target=/started,from=a,source=/out cat /started/f >/seen.from; echo new >/started/new
RUN --mount=type=cache,target=/started,from=a,source=/out,id=/started cat /started/new >/seen.new
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/c/inner --mount=type=cache,target=/c/inner/other touch /c/inner/other/x /c/inner/y /c/z
RUN --mount=type=cache,target=/c ls -a /c >/seen.nested
RUN --mount=type=secret,id=s wc -c </run/secrets/s >/seen.secret; stat -c %a /run/secrets/s >>/seen.secret
RUN --mount=type=secret,id=s,target=/etc/deep/er/s,mode=0444,uid=3 stat -c '%a %u' /etc/deep/er/s >/seen.secret2
RUN --mount=type=secret,id=s,env=S echo ${#S} >/seen.env
RUN test ! -e /run/secrets && test ! -e /etc/deep && test ! -e /mnt/a && test ! -e /var/cache/x && test ! -e /ctx
D

if command -v ssh-agent >/dev/null && command -v ssh-keygen >/dev/null; then
	ssh-agent -D -a out/agent >/dev/null 2>&1 &
	agent=$!
	on_exit "kill $agent"
	for _ in $(seq 50); do [ ! -S out/agent ] || break; sleep 0.1; done
	ssh-keygen -q -t ed25519 -N '' -C key-one -f out/key && SSH_AUTH_SOCK=$T/out/agent ssh-add -q out/key
	ssh_words=(--ssh default=/out/agent)
	chrooted "${ssh_words[@]}" <<'D'
FROM base
COPY --chmod=755 ssh_ask /
RUN --mount=type=ssh [ "$(/ssh_ask list)" = "$(printf 'keys 1\nkey-one')" ] && /ssh_ask sign | grep -q '^signed .* answer 14'
RUN --mount=type=ssh,uid=33,target=/s SSH_AUTH_SOCK=/s /ssh_ask list | grep -q key-one && stat -c %u /s | grep -x 33
RUN test ! -e /s && test ! -e /run/buildkit
D
	is "$status" 0 'an ssh agent is reached'
	[ "$status" = 0 ] || show "$err"
fi

same 'a program of several stages' <<'D'
FROM debian AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY dir /src
WORKDIR /src
RUN gcc -O2 -c answer.c && gcc -O2 -c main.c && gcc -static -o /answer main.o answer.o && /answer
FROM base
COPY --from=build /answer /usr/bin/answer
RUN answer
D

same 'a web server from packages' --reproducible <<'D'
FROM debian
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN install -d -o www-data -g www-data /srv/extra
USER www-data
RUN nginx -v && id >/tmp/id
D
# ---- what is said of it ----

provenance() { # LAYOUT: of the image in it, as a plain statement or in a signed envelope
	local digest

	for digest in $(jq -r '.manifests[].digest' "$1/index.json"); do
		jq -r '.layers[]?.digest' "$1/blobs/sha256/${digest#sha256:}"
	done | while read -r digest; do
		jq -c '(.dsseEnvelope // .) | if .payload then .payload | @base64d | fromjson else . end
			| select(.predicateType? == "https://slsa.dev/provenance/v1").predicate' "$1/blobs/sha256/${digest#sha256:}" 2>/dev/null
	done | head -1
}
isolation() { # LAYOUT
	provenance "$1" | jq -r .buildDefinition.internalParameters.isolation
}
here() { # LAYOUT ARGS…: built by this root, in a store of its own
	run "$WHITTLE" build --root "$T/said" --build-context "base=oci-layout://$busybox" --output "type=oci,dest=$1,tar=false" "${@:2}" ctx
	is "$status" 0 "$1: built"
}
printf 'FROM base\nRUN echo "$TOKEN" | wc -c >/x\n' >ctx/Dockerfile
here said1 --isolation=chroot --build-arg TOKEN=abc
is "$(isolation said1)" chroot 'the image has a statement that tells it'
is "$(provenance said1 | jq -c .buildDefinition.externalParameters.buildArgs)" '["TOKEN"]' '… with the names of build arguments'
unlike "$(provenance said1)" abc '… without their values'
is "$(provenance said1 | jq -r '.buildDefinition.resolvedDependencies[0].digest.sha256')" "$(jq -r '.manifests[0].digest' "$busybox/index.json" | cut -d: -f2)" \
	'… and the base by its digest'
here said2 --isolation=chroot --build-arg TOKEN=abc
is "$(grep -c ' CACHED$' <<<"$err")" 2 'base and step are in the cache'
is "$(isolation said2)" chroot '… and the image tells it again'
rm "$T"/said/cache.db*
here said3 --isolation=chroot --build-arg TOKEN=abc --cache-to "type=local,dest=$T/taken-along"
is "$(isolation said3)" chroot 'whose index may be made anew'
here said6 --isolation=chroot --build-arg TOKEN=abc --cache-from "type=local,src=$T/taken-along" --root "$T/said-elsewhere"
is "$(grep -c ' CACHED$' <<<"$err")" 2 'a cache from elsewhere: its step is taken'
is "$(isolation said6)" chroot '… and its isolation is told'
# It might have come out differently in namespaces: neither the store's record nor the cache's is for a build that has them.
here said7 --build-arg TOKEN=abc --explain-cache --cache-from "type=local,src=$T/taken-along"
like "$err" 'not cached: its last run was in a chroot' 'a build in namespaces runs the step itself, and says why'
is "$(provenance said7)" '' '… and has nothing to tell'
here said8 --isolation=chroot --build-arg TOKEN=abc
is "$(grep -c ' CACHED$' <<<"$err")" 2 'what ran in namespaces is for both'
is "$(provenance said8)" '' '… and nothing of it ran in a chroot'
here said4 --no-cache
is "$(provenance said4)" '' 'one whose steps had namespaces needs none'
ok 'a key' env COSIGN_PASSWORD= "$WHITTLE" keygen --output-key-prefix "$T/key"
COSIGN_PASSWORD='' here said5 --sign-key "$T/key.key" --no-cache
is "$(isolation said5)" namespaces 'signed, it tells that'

# ---- a step's reach ----

processes() { # SECONDS: how many sleeps of so many seconds run in the container
	container_run sh -c 'n=0; for p in /proc/[0-9]*; do case $(tr "\0" " " <$p/cmdline 2>/dev/null) in *"sleep $1 ") n=$((n + 1)) ;; esac; done; echo $n' - "$1" 2>/dev/null
}
left() { # files of builds that are no more, and processes of theirs
	container_run sh -c 'find /var/lib/whittle/tmp -mindepth 2 ! -name lock ! -name unsynced | head -5
		for p in /proc/[0-9]*; do [ -z "$(tr "\0" x <$p/cmdline 2>/dev/null)" ] || grep -l -s -e whittle-keep -e whittle-launch $p/comm; done; true'
}

container_run sh -c 'echo the container >/marker'
chrooted --no-cache <<'D'
FROM base
COPY --chmod=755 poke /bin/
RUN echo "fds: $(poke fds)"
RUN echo "escape: $(poke escape /marker)"
RUN cd / && cd ../../.. && ls -d marker var/lib/whittle 2>&1 | sed 's/^/up: /'
RUN poke mounts 2>&1 | sed 's/^/mounts: /'
RUN echo "mknod: $(poke mknod /tmp/disk)"
RUN i=$$; while [ $i -gt 1 ]; do i=$((i - 1)); echo "trace: $(poke ptrace $i) $(poke vm $i)"; done | sort | uniq -c
RUN grep . /proc/*/environ /proc/1/cmdline /proc/[0-9]*/root/marker 2>&1 | grep -v 'No such file' | sed 's/^/proc: /'; true
USER 1000
RUN echo "user: $(poke kill 1)"
D
is "$status" 0 'a step that tries to get out ends'
[ "$status" = 0 ] || show "$err"
like "$err" ' fds: 0 1 2 ?$' 'it has no descriptor but its three'
like "$err" ' escape: chroot: EPERM$' 'it may not change its root, and so not leave it'
unlike "$err" ' (up|proc): .*the container|up: marker$' 'it does not see the container'
unlike "$err" ' mounts: .*: ok$' 'it can neither mount nor make namespaces'
like "$err" ' mknod: EPERM$' 'it makes no device'
like "$err" ' [0-9]+ trace: (EPERM|ESRCH) ' 'it looked for processes to trace'
unlike "$err" ' trace: .*ok' 'it can trace none, of ours or of the container'
like "$err" ' user: EPERM$' 'another user than root can signal none either'

chrooted --no-cache <<'D'
FROM base
RUN (setsid sleep 98761 &) ; (trap '' HUP TERM; sleep 98761) & sh -c 'sh -c "sleep 98761 & sleep 98761" &' ; echo started
D
is "$status" 0 'a step that leaves processes behind ends'
is "$(processes 98761)" 0 'nothing of it runs on'

chrooted --no-cache <<'D'
FROM base
RUN f() { (sleep 0.01; f) & }; f; f; setsid sleep 98762 & exit 0
D
is "$status" 0 'so does one that forks on and on'
is "$(processes 98762)" 0 'nothing of it runs on, either'

chrooted --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/keep echo kept >/keep/it && exit 3
D
is "$status" 1 'a step that fails'
chrooted --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/keep cat /keep/it
D
like "$err" ' kept$' '… has its cache mount brought back'

chrooted --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/keep --mount=type=secret,id=s mv /keep /elsewhere; rm -f /etc/resolv.conf /etc/hosts; \
    ln /run/secrets/s /stolen; mv /run/secrets/s /moved; mkdir -p /keep/decoy; echo more >>/elsewhere/it; mv /etc /etc2
RUN test ! -s /stolen && test ! -e /moved && test ! -e /elsewhere && test ! -e /keep && grep -q root /etc2/passwd && test ! -e /etc2/hosts
RUN --mount=type=cache,target=/keep cat /keep/it
D
is "$status" 0 'a step that moves what is not its own about'
[ "$status" = 0 ] || show "$err"
like "$err" ' more$' '… leaves the cache mount where it was'

chrooted --no-cache <<'D'
FROM base
RUN (setsid sleep 98763 &); kill -9 $PPID; sleep 98763
D
is "$status" 1 'a step that kills its keeper fails'
like "$err" '^error: .*the process that keeps the step was killed' '… and the error says so'
is "$(processes 98763)" 0 'nothing of it runs on'
is "$(left)" '' 'no file and no process of these builds is left'

# ---- killed ----

cat >ctx/Dockerfile <<'D'
FROM base
RUN --mount=type=cache,target=/keep --mount=type=secret,id=s echo later >/keep/it; (setsid sleep 98764 &); sleep 98764
D
container_run "$WHITTLE" build "${words[@]}" --isolation=chroot /ctx >killed 2>&1 &
job=$!
for _ in $(seq 150); do [ "$(processes 98764)" != 2 ] || break; sleep 0.2; done
is "$(processes 98764)" 2 'a build whose step runs'
container_run sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != whittle ] || { kill -9 ${p#/proc/}; break; }; done'
wait "$job"
for _ in $(seq 100); do [ "$(processes 98764)" != 0 ] || break; sleep 0.1; done
is "$(processes 98764)" 0 'killed with SIGKILL, it takes the step along'
chrooted --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/keep cat /keep/it
D
is "$status" 0 'the next build is none the worse'
like "$err" ' later$' 'the cache mount is where it was'
is "$(left)" '' 'nothing is left of the one that was killed'

# ---- what is refused ----

refused() { # STATUS ERE DESC ARGS…
	local code=$1 pattern=$2 desc=$3
	shift 3
	chrooted --no-cache "$@"
	is "$status" "$code" "$desc: refused"
	like "$err" "$pattern" "$desc: one clear line"
}
refused 4 '^error: .*Dockerfile:2: --isolation=chroot: there is no network but this container' 'RUN --network=none' <<'D'
FROM base
RUN --network=none true
D
refused 4 '^error: .*Dockerfile:2: --isolation=chroot: a step cannot have more rights' 'RUN --security=insecure' --allow security.insecure <<'D'
FROM base
RUN --security=insecure true
D
refused 4 '^error: .*Dockerfile:3: --isolation=chroot: nothing would keep the observer apart' PROFILE <<'D'
FROM base
CMD ["/bin/sh", "-c", "sleep 10"]
PROFILE --ready=delay:1s true
PRUNE
D
refused 2 'excludes --snapshotter=overlay' '--snapshotter=overlay' --snapshotter=overlay <<'D'
FROM base
D
run "$WHITTLE" build --isolation=hyperv ctx
is "$status" 2 'another kind of isolation is an error of usage'
run env WHITTLE_ISOLATION=vm "$WHITTLE" build ctx
is "$status" 2 'in the environment as well'
inside <<'D'
FROM base
RUN echo by option
D
run container_run env WHITTLE_ISOLATION=chroot "$WHITTLE" build "${words[@]}" /ctx
is "$status" 0 'the environment variable chooses it'
like "$err" '^warning: --isolation=chroot' '… and is told as the option is'
run container_run env WHITTLE_ISOLATION=chroot "$WHITTLE" build "${words[@]}" --isolation=default --no-cache /ctx
is "$status" 4 'the option wins over the variable'
printf 'FROM base\nRUN true\n' >"$UT/Dockerfile"
run as_user "$WHITTLE" build --root "$UT/store" --isolation=chroot --build-context "base=oci-layout://$busybox" "$UT"
is "$status" 4 'an ordinary user cannot'
like "$err" '^error: --isolation=chroot is for root' '… and is told'
# ---- together, and interrupted ----

inside --isolation=chroot --no-cache --verify-reproducible <<'D'
FROM base AS a
RUN --mount=type=cache,target=/both sleep 0.3; echo a >>/both/log
FROM base AS b
RUN --mount=type=cache,target=/both sleep 0.3; echo b >>/both/log
FROM base
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
RUN --mount=type=cache,target=/both echo "lines: $(wc -l </both/log)"
D
is "$status" 0 'steps at once that share a cache mount wait for each other; a second build comes out the same'
like "$err" ' lines: 2$' 'both have written to it'
inside --isolation=chroot <<'D'
FROM base
RUN --mount=type=cache,target=/both --mount=type=cache,target=/twice,id=/both true
D
is "$status" 4 'one cache at two places of a step is refused'
like "$err" 'one cache cannot be at two places' '… in a clear line'
cat >ctx/Dockerfile <<'D'
FROM base
RUN --mount=type=cache,target=/both echo c >>/both/log; kill -STOP $PPID; sleep 98765
D
container_run timeout -s INT 4 "$WHITTLE" build "${words[@]}" --isolation=chroot --no-cache /ctx >interrupted 2>&1
ok 'a build whose step has stopped its keeper can be interrupted' grep -q 'canceled (SIGINT)' interrupted
is "$(processes 98765)" 0 'nothing of it runs on'
is "$(left)" '' 'nothing of it is left'
inside --isolation=chroot --no-cache <<'D'
FROM base
RUN --mount=type=cache,target=/both tail -1 /both/log
D
like "$err" ' c$' 'the cache mount is where it was'
container_stop

container_start docker "$T/tree" "${volumes[@]}" --cap-drop MKNOD --cap-drop SETFCAP
chrooted <<'D'
FROM base
RUN true
D
is "$status" 4 'a capability is missing'
like "$err" '^error: --isolation=chroot .* the capability SETFCAP, which this root lacks' '… the error names it'
container_stop
container_start docker "$T/tree" "${volumes[@]}" --cap-drop MKNOD
chrooted <<'D'
FROM base
RUN true
D
is "$status" 4 'devices cannot be made'
like "$err" 'cap-add MKNOD' '… the hint tells how they can'
inside --isolation=chroot <<'D'
FROM base
COPY file /
D
is "$status" 0 'without RUN none are needed'
container_stop
container_start docker "$T/tree" "${volumes[@]}" --cap-add SYS_ADMIN
same 'where mounts are allowed' <<'D'
FROM base
RUN echo "stdout works" >/dev/stdout; mount | grep -c ' on /proc type proc (ro,' >/n; grep -c . /proc/self/status >/dev/null && mkdir /made && rm -rf /n
RUN ls /proc/1/root/marker /proc/$PPID/root/etc 2>&1 | sed 's/^/reach: /' >&2; test ! -e /proc/self/nothing
D
chrooted --no-cache <<'D'
FROM base
RUN echo "stdout works" >/dev/stdout; poke status 2>/dev/null; grep Seccomp_filters /proc/self/status; ls /proc/1/root/etc /proc/$PPID/root/etc 2>&1 | sed 's/^/reach: /'; echo x >/proc/sys/kernel/hostname
D
like "$err" ' stdout works$' 'a step there has /proc'
like "$err" 'Seccomp_filters:.2$' '… and a filter more than the container'
unlike "$err" ' reach: passwd' '… and no way through it'
like "$err" 'hostname: Read-only file system' '… nor a switch in it'
container_stop
container_start runc "$T/tree" --userns --privileged -v "$T/ctx:/ctx:ro" -v "$busybox:/busybox:ro"
printf 'FROM base\nRUN true\n' >ctx/Dockerfile
run container_run "$WHITTLE" build --root /var/lib/whittle --isolation=chroot --build-context base=oci-layout:///busybox /ctx
is "$status" 4 'nor can they be made in a container with a user namespace'
like "$err" '^hint: this container has a user namespace, where nobody can make devices' '… the hint tells what to do there'
container_stop
done_testing
