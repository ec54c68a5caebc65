#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same Dockerfile built by whittle and by docker's BuildKit: the trees and the runtime configs are the same.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'dockerd needs root'
. "$SRC/tests/tools/dockerd.sh"
busybox=$(test_base busybox) && debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }

dockerd_start "$T/dockerd" || { echo "Bail out! dockerd does not start"; exit 1; }
on_exit dockerd_stop
ok 'docker knows the busybox base' docker_load_oci "$busybox" busybox:latest
ok 'docker knows the Debian base' docker_load_oci "$debian" debian:latest

same() { # DESC CONTEXT IGNORE…: both build CONTEXT; differences fail
	local desc=$1 ctx=$2 g ignore=()
	shift 2
	# dockerd leaves the mount points of its containers in the image
	for g in /dev /dev/* /proc /sys /etc/resolv.conf /etc/hosts /etc/hostname /run/secrets "$@"; do ignore+=(--ignore "$g"); done
	# one builds after the other; times that the build itself makes differ
	ok "$desc: docker builds it" "$DOCKER" build -q --network host -t peer "$ctx"
	ok "$desc: docker saves it" "$DOCKER" save -o "$T/docker.tar" peer
	rm -rf "$T/oci"
	ok "$desc: whittle builds it" "$WHITTLE" build --root "$T/store" --network host --build-context busybox="oci-layout://$busybox" \
		--build-context debian="oci-layout://$debian" --output "type=oci,dest=$T/oci,tar=false" "$ctx"
	python3 "$SRC/tests/tools/imgtree.py" --no-mtime --config "${ignore[@]}" "docker-archive:$T/docker.tar" >"$T/tree.docker"
	python3 "$SRC/tests/tools/imgtree.py" --no-mtime --config "${ignore[@]}" "oci:$T/oci" >"$T/tree.whittle"
	ok "$desc: there is a tree to compare ($(wc -l <"$T/tree.docker") lines)" test "$(wc -l <"$T/tree.docker")" -gt 20
	ok "$desc: trees and configs are the same" diff -U0 "$T/tree.docker" "$T/tree.whittle"
}

# Left out because docker 20.10 is behind its successors there: COPY of a FIFO (dropped), and the primary group among the
# supplementary ones (missing).
mkdir -p ctx/dir/sub ctx/dir/empty
echo text >ctx/dir/file
echo '#!/bin/sh' >ctx/dir/sub/tool
chmod 755 ctx/dir/sub/tool
ln -s ../file ctx/dir/sub/link
ln -s /nowhere ctx/dir/dangling
printf 'ignored\n!dir/kept.log\n*.log\n' >ctx/.dockerignore
echo x >ctx/ignored
echo y >ctx/dir/kept.log
cat >ctx/Dockerfile <<'D'
ARG VERSION=1.0
FROM busybox AS build
ARG VERSION
ENV NAME=app DIR=/opt/${NAME:-none}
RUN mkdir -p /out/a /out/b && echo "$VERSION $NAME $DIR" > /out/a/v && ln /out/a/v /out/b/hard && ln -s a/v /out/soft && chmod 4755 /out/a/v && chown 12:34 /out/b
RUN rm -rf /home && mkdir /home && touch /home/new && rm /etc/group && printf 'root:x:0:\nusers:x:100:\nwww-data:x:33:\n' > /etc/group
FROM build AS mid
WORKDIR /srv/www
COPY dir .
COPY --chown=www-data:users dir/file dir/sub/tool ./owned/
RUN ["/bin/sh", "-c", "id -u > /srv/uid; umask > /srv/umask; pwd > /srv/pwd; echo $NAME > /srv/name; echo $HOME > /srv/home; cat /proc/self/status | grep Cap > /srv/caps"]
USER www-data
RUN id -u > /tmp/id; id -g >> /tmp/id; env | grep -v HOSTNAME | sort > /tmp/env
FROM busybox
COPY --from=build /out /out/
COPY --from=mid /srv /srv
COPY --from=mid /tmp/id /tmp/env /seen/
WORKDIR rel
WORKDIR sub
ENV A="b c" D=e\ f
LABEL one=1 two="2 3"
EXPOSE 80 443/tcp 53/udp
VOLUME /data /more
USER 1000:1000
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD ["/bin/true"]
ENTRYPOINT ["/bin/cat"]
CMD ["/seen/id"]
D
same 'all instructions' ctx

cp -r "$SRC/examples/python-service" service
sed -i 's/^FROM [^ ]*debian[^ ]*/FROM debian/' service/Dockerfile
# What package managers write anew at each run: logs, caches, byte code with its source's time in it.
volatile=('/var/log/*' '/var/cache/ldconfig/aux-cache' '*.pyc')
sed -i '/^FROM debian AS tests/,$d' service/Dockerfile
same 'python-service' service "${volatile[@]}"
cp -r "$SRC/examples/nginx" web
sed -i 's/^FROM [^ ]*debian[^ ]*/FROM debian/' web/Dockerfile
sed -i '/^FROM debian AS tests/,$d' web/Dockerfile
same 'nginx' web "${volatile[@]}"

done_testing
