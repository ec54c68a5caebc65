# SPDX-License-Identifier: Apache-2.0
"""The images that cases stand on. whittle makes them of a busybox layout; both builders then have the very same bytes."""
import os, subprocess

# Older than any build, newer than what contexts hold.
TIME = 1700000000
# What a build makes is newer than this.
NOW = 1750000000

BASES = {
    # What a plain base has: PATH, users, nothing else.
    'base': r'''FROM busybox
RUN printf 'root:x:0:0:root:/root:/bin/sh\nbin:x:2:2:bin:/bin:/bin/sh\nweb:x:33:33:web:/var/www:/bin/sh\nnine:x:1009:1010::/home/nine:/bin/sh\n' > /etc/passwd && \
 printf 'root:x:0:\nbin:x:2:\nweb:x:33:\nstaff:x:50:web,nine\nnine:x:1010:\n' > /etc/group && mkdir -p /root /tmp && chmod 1777 /tmp
''',
    # A base that says something of everything, and whose tree has links where destinations may lead.
    'rich': r'''FROM base
RUN mkdir -p /data/sub /srv/app /opt/old/in && ln -s /data /absolute && ln -s data relative && ln -s ../srv/app /opt/app && ln -s nowhere /dangling && \
 echo one > /data/one && ln /data/one /data/hard && echo two > /data/sub/two && echo old > /opt/old/in/file && chmod 700 /opt/old && chown 33:50 /srv/app /data/one && \
 ln -s loop2 /loop1 && ln -s loop1 /loop2 && ln -s /data/one /srv/tofile && mkdir -p /var/www && chown web:web /var/www
ENV RICH=yes A=from-base EMPTY="" SPACED="two words"
LABEL rich=1 a="from base"
EXPOSE 80 53/udp
VOLUME /vol
WORKDIR /srv/app
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=7s --timeout=2s --retries=4 CMD true || exit 1
ENTRYPOINT ["/bin/cat", "-u"]
CMD ["/data/one"]
''',
    'user': r'''FROM base
USER web:staff
WORKDIR /var/www
SHELL ["/bin/sh", "-e", "-c"]
CMD exec sleep 1
''',
    'trigger': r'''FROM rich
ONBUILD ARG FROMCHILD=unset
ONBUILD ENV SEEN=${FROMCHILD}-${A}
ONBUILD RUN echo "$SEEN" > /seen
ONBUILD COPY --from=base /etc/group /copied
ONBUILD WORKDIR below
ONBUILD LABEL trigger="$SEEN"
''',
}


def make(whittle, store, layout, work):
    """Returns {name: layout directory}."""
    made = {'busybox': layout}
    for name, text in BASES.items():
        context = os.path.join(work, 'base-' + name)
        os.makedirs(context)
        with open(os.path.join(context, 'Dockerfile'), 'w') as f:
            f.write(text)
        out = os.path.join(work, 'layout-' + name)
        cmd = [whittle, 'build', '--root', store, '--network', 'none', '--quiet', '-t', name, '-o', 'type=oci,dest=%s,tar=false,compression=gzip' % out, context]
        for n, d in made.items():
            cmd += ['--build-context', '%s=oci-layout://%s' % (n, d)]
        subprocess.run(cmd, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, SOURCE_DATE_EPOCH=str(TIME)))
        made[name] = out
    del made['busybox']
    return made
