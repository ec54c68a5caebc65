#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make an OCI layout as some tools write them: layers hold files without the directories above them, which only a lower
layer describes.

usage: foreign_layers.py LAYOUT

/tmp is 1777 and /srv/deep 2750 1:1 in the first layer; the second only has tmp/foo and srv/deep/x/f.
"""
import gzip, hashlib, io, json, os, sys, tarfile


def entry(name, kind=tarfile.REGTYPE, data=b'foreign\n', mode=0o755, link='', uid=0, gid=0):
    e = tarfile.TarInfo(name)
    e.type, e.mode, e.linkname, e.uid, e.gid, e.mtime = kind, mode, link, uid, gid, 1600000000
    e.size = len(data) if kind == tarfile.REGTYPE else 0
    return e, data


def main():
    top = sys.argv[1]
    d, l = tarfile.DIRTYPE, tarfile.SYMTYPE
    layers = [
        [entry('bin', d), entry('bin/busybox', data=open('/bin/busybox', 'rb').read()), entry('bin/sh', l, link='busybox'),
         entry('tmp', d, mode=0o1777), entry('srv', d), entry('srv/deep', d, mode=0o2750, uid=1, gid=1)],
        [entry('tmp/foo', mode=0o644), entry('srv/deep/x/f', mode=0o644)],
    ]
    os.makedirs(top + '/blobs/sha256')

    def put(b):
        h = 'sha256:' + hashlib.sha256(b).hexdigest()
        with open(top + '/blobs/' + h.replace(':', '/'), 'wb') as f:
            f.write(b)
        return {'digest': h, 'size': len(b)}

    blobs, diff_ids = [], []
    for entries in layers:
        buf = io.BytesIO()
        with tarfile.open(fileobj=buf, mode='w', format=tarfile.PAX_FORMAT) as t:
            for e, data in entries:
                t.addfile(e, io.BytesIO(data) if e.size else None)
        raw = buf.getvalue()
        diff_ids.append('sha256:' + hashlib.sha256(raw).hexdigest())
        blobs.append({'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', **put(gzip.compress(raw, 1, mtime=0))})
    arch = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
    config = {'architecture': arch, 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers', 'diff_ids': diff_ids}}
    m = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
         'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', **put(json.dumps(config).encode())}, 'layers': blobs}
    index = {'schemaVersion': 2, 'manifests': [{'mediaType': m['mediaType'], **put(json.dumps(m).encode())}]}
    for name, doc in ('index.json', index), ('oci-layout', {'imageLayoutVersion': '1.0.0'}):
        with open(top + '/' + name, 'w') as f:
            json.dump(doc, f)


main()
