#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make OCI layouts whose one layer tries to get out of the directory it is unpacked into.

usage: hostile_layers.py DIR OUTSIDE      one layout a case below DIR; OUTSIDE is where the files want to go
"""
import gzip, hashlib, io, json, os, sys, tarfile


def entry(name, kind=tarfile.REGTYPE, data=b'planted\n', link='', mode=0o755, **more):
    e = tarfile.TarInfo(name)
    e.type, e.linkname, e.mode, e.mtime = kind, link, mode, 1700000000
    e.size = len(data) if kind == tarfile.REGTYPE else 0
    for k, v in more.items():
        setattr(e, k, v)
    return e, data


def cases(out):
    d, l, h = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    up = '../' * 20
    yield 'dotdot', [entry(up + out[1:] + '/planted')]
    yield 'dotdot-inside', [entry('a', d), entry('a/' + up + out[1:] + '/planted')]
    yield 'absolute', [entry(out + '/planted')]
    yield 'symlink-then-below', [entry('s', l, link=out), entry('s/planted')]
    yield 'relative-symlink-then-below', [entry('s', l, link=up + out[1:]), entry('s/planted')]
    yield 'symlink-chain', [entry('a', l, link='b'), entry('b', l, link=out), entry('a/planted')]
    yield 'symlink-then-directory', [entry('s', l, link=out), entry('s', d), entry('s/planted')]
    yield 'symlink-file-overwritten', [entry('f', l, link=out + '/secret'), entry('f')]
    yield 'hardlink-outside', [entry('f', h, link=up + out[1:] + '/secret')]
    yield 'hardlink-absolute', [entry('f', h, link=out + '/secret')]
    yield 'hardlink-through-symlink', [entry('s', l, link=out), entry('f', h, link='s/secret')]
    yield 'hardlink-to-symlink', [entry('s', l, link=out + '/secret'), entry('f', h, link='s'), entry('f')]
    yield 'whiteout-dotdot', [entry('a', d), entry('.wh...', data=b'')]
    yield 'whiteout-outside', [entry(up + out[1:] + '/.wh.secret', data=b'')]
    yield 'whiteout-through-symlink', [entry('s', l, link=out), entry('s/.wh.secret', data=b'')]
    yield 'opaque-through-symlink', [entry('s', l, link=out), entry('s/.wh..wh..opq', data=b'')]
    yield 'root-is-a-symlink', [entry('.', l, link=out), entry('planted')]
    yield 'root-is-a-file', [entry('./', data=b'x')]
    yield 'empty-name', [entry('', data=b'x')]
    yield 'setuid-device', [entry('disk', tarfile.BLKTYPE, mode=0o6666, devmajor=254, devminor=0)]
    yield 'fifo-as-directory', [entry('p', tarfile.FIFOTYPE), entry('p/planted')]
    yield 'name-with-nul', [entry('a\0' + out + '/planted')]
    yield 'long-climb', [entry(('x/' * 300) + ('../' * 400) + out[1:] + '/planted')]
    yield 'pax-path', [entry('harmless', pax_headers={'path': up + out[1:] + '/planted'})]
    yield 'pax-linkpath', [entry('s', l, link='x', pax_headers={'linkpath': out}), entry('s/planted')]


def main():
    top, out = sys.argv[1:3]
    busybox = open('/bin/busybox', 'rb').read()
    for name, entries in cases(out):
        buf = io.BytesIO()
        t = tarfile.open(fileobj=buf, mode='w', format=tarfile.PAX_FORMAT)
        for e, data in [entry('bin', tarfile.DIRTYPE), entry('bin/busybox', data=busybox)] + entries:
            t.addfile(e, io.BytesIO(data) if e.size else None)
        t.close()
        raw = buf.getvalue()
        d = os.path.join(top, name)
        os.makedirs(d + '/blobs/sha256')

        def put(b):
            h = hashlib.sha256(b).hexdigest()
            open(d + '/blobs/sha256/' + h, 'wb').write(b)
            return {'digest': 'sha256:' + h, 'size': len(b)}
        layer = {'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', **put(gzip.compress(raw, 1, mtime=0))}
        config = {'architecture': 'amd64', 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(raw).hexdigest()]}}
        m = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
             'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', **put(json.dumps(config).encode())}, 'layers': [layer]}
        index = {'schemaVersion': 2, 'manifests': [{'mediaType': m['mediaType'], **put(json.dumps(m).encode())}]}
        json.dump(index, open(d + '/index.json', 'w'))
        json.dump({'imageLayoutVersion': '1.0.0'}, open(d + '/oci-layout', 'w'))


main()
