#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make OCI layouts for the tests of the store, upon the layers of another one.

usage: lying_layers.py BASE GOOD EVIL         a file /pay that says GOOD or EVIL; EVIL's config has GOOD's diff id
       lying_layers.py --whiteouts BASE DIR   a layer with files /d/f0 to /d/f9, and one that removes all but f0
"""
import gzip, hashlib, io, json, os, sys, tarfile


def layer(entries):
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode='w', format=tarfile.USTAR_FORMAT) as t:
        for name, data in entries:
            e = tarfile.TarInfo(name)
            e.mtime = 1700000000
            e.type, e.mode = (tarfile.DIRTYPE, 0o755) if data is None else (tarfile.REGTYPE, 0o644)
            e.size = len(data or b'')
            t.addfile(e, io.BytesIO(data or b''))
    return buf.getvalue()


def diff_id(raw):
    return 'sha256:' + hashlib.sha256(raw).hexdigest()


def write(base, out, raws, ids):
    """An image of base's layers and these tars, with these diff ids."""
    os.makedirs(out + '/blobs/sha256')

    def blob(digest):
        with open(base + '/blobs/sha256/' + digest[7:], 'rb') as f:
            return f.read()

    def put(b):
        h = hashlib.sha256(b).hexdigest()
        with open(out + '/blobs/sha256/' + h, 'wb') as f:
            f.write(b)
        return {'digest': 'sha256:' + h, 'size': len(b)}

    def dump(name, o):
        with open(out + '/' + name, 'w') as f:
            json.dump(o, f)

    with open(base + '/index.json') as f:
        m = json.loads(blob(json.load(f)['manifests'][0]['digest']))
    config = json.loads(blob(m['config']['digest']))
    config.pop('history', None)
    for l in m['layers']:
        put(blob(l['digest']))
    for raw, i in zip(raws, ids):
        m['layers'].append({'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', **put(gzip.compress(raw, 1, mtime=0))})
        config['rootfs']['diff_ids'].append(i)
    m['config'].update(put(json.dumps(config).encode()))
    dump('index.json', {'schemaVersion': 2, 'manifests': [
        {'mediaType': 'application/vnd.oci.image.manifest.v1+json', **put(json.dumps(m).encode())}]})
    dump('oci-layout', {'imageLayoutVersion': '1.0.0'})


def main():
    if sys.argv[1] == '--whiteouts':
        files = layer([('d', None)] + [('d/f%d' % i, b'x') for i in range(10)])
        white = layer([('d/.wh.f%d' % i, b'') for i in range(1, 10)])
        write(sys.argv[2], sys.argv[3], [files, white], [diff_id(files), diff_id(white)])
        return
    base, good, evil = sys.argv[1:]
    a, b = layer([('pay', b'GOOD\n')]), layer([('pay', b'EVIL\n')])
    write(base, good, [a], [diff_id(a)])
    write(base, evil, [b], [diff_id(a)])


main()
