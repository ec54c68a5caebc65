#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --isolation=chroot: builds as root of a container with docker's default seccomp profile and capabilities, where neither namespaces nor
# mounts are to be had. The images are those that are built outside.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/container-lib.sh"
busybox=$(test_base busybox) && debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }

mkdir -p ctx/dir out
printf 'geheimnis-4711\n' >out/secret
printf 'file of the context\n' >ctx/file
printf 'int answer(void);\nint main(void) { return answer() != 42; }\n' >ctx/dir/main.c
printf 'int answer(void) { return 42; }\n' >ctx/dir/answer.c

container_tree "$T/tree" "$WHITTLE" || { echo "Bail out! no tree"; exit 1; }
volumes=(-v "$T/ctx:/ctx" -v "$T/out:/out" -v "$busybox:/busybox:ro" -v "$debian:/debian:ro" -v "$SRC:/src:ro")
container_start docker "$T/tree" "${volumes[@]}" || { echo "Bail out! no container"; exit 1; }

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
done_testing
