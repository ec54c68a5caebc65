#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the merged tree of an image, one line an entry, so that two builders' results can be compared with diff.

usage: imgtree.py [--no-mtime] [--ignore GLOB]... [--config] IMAGE
  IMAGE  oci:DIR[:TAG] | docker-archive:FILE

Each line: path type mode uid:gid [size sha256 | -> target | major,minor] [xattr=hex]... [mtime]. Reads the layers
itself (Python's tarfile, zstd through the zstd program), so it shares no code with what it checks. Digests of blobs and
diff ids are verified on the way; a mismatch is an error.
"""
import argparse, fnmatch, gzip, hashlib, io, json, os, subprocess, sys, tarfile


def unpack(data):
    if data[:2] == b'\x1f\x8b':
        return gzip.decompress(data)
    if data[:4] == b'\x28\xb5\x2f\xfd':
        return subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def oci(ref):
    d, _, tag = ref.partition(':')
    index = json.load(open(d + '/index.json'))

    def blob(desc):
        alg, hexa = desc['digest'].split(':')
        data = open('%s/blobs/%s/%s' % (d, alg, hexa), 'rb').read()
        if hashlib.sha256(data).hexdigest() != hexa or len(data) != desc['size']:
            sys.exit('imgtree: blob %s is not what its digest says' % desc['digest'])
        return data
    man = index['manifests']
    if tag:
        man = [m for m in man if m.get('annotations', {}).get('org.opencontainers.image.ref.name') == tag]
    if len(man) != 1:
        sys.exit('imgtree: %d images match %s' % (len(man), ref))
    m = json.loads(blob(man[0]))
    return json.loads(blob(m['config'])), [unpack(blob(l)) for l in m['layers']]


def docker_archive(path):
    t = tarfile.open(path)
    m = json.load(t.extractfile('manifest.json'))[0]
    return json.load(t.extractfile(m['Config'])), [unpack(t.extractfile(l).read()) for l in m['Layers']]


def merge(config, layers):
    tree = {}
    for n, raw in enumerate(layers):
        if 'sha256:' + hashlib.sha256(raw).hexdigest() != config['rootfs']['diff_ids'][n]:
            sys.exit('imgtree: layer %d is not what its diff id says' % n)
        new = {}
        tar = tarfile.open(fileobj=io.BytesIO(raw), errors='surrogateescape')
        for e in tar:
            p = os.path.normpath('/' + e.name)
            p = '/' + p.lstrip('/')
            b, d = os.path.basename(p), os.path.dirname(p)
            if b == '.wh..wh..opq':
                for k in [k for k in tree if k.startswith(d.rstrip('/') + '/')]:
                    del tree[k]
                continue
            if b.startswith('.wh.'):
                gone = os.path.join(d, b[4:])
                for k in [k for k in tree if k == gone or k.startswith(gone + '/')]:
                    del tree[k]
                continue
            kind = {tarfile.DIRTYPE: 'd', tarfile.SYMTYPE: 'l', tarfile.CHRTYPE: 'c', tarfile.BLKTYPE: 'b', tarfile.FIFOTYPE: 'p'}.get(e.type, 'f')
            what = ''
            if e.islnk():
                target = '/' + os.path.normpath('/' + e.linkname).lstrip('/')
                new[p] = dict(new.get(target) or tree[target], hard=True)
                continue
            if kind == 'l':
                what = '-> ' + e.linkname
            elif kind in 'cb':
                what = '%d,%d' % (e.devmajor, e.devminor)
            elif kind == 'f':
                what = '%d %s' % (e.size, hashlib.sha256(tar.extractfile(e).read()).hexdigest())
            xs = sorted((k[13:], v.encode('utf-8', 'surrogateescape').hex()) for k, v in e.pax_headers.items() if k.startswith('SCHILY.xattr.'))
            new[p] = {'kind': kind, 'mode': e.mode & 0o7777, 'own': '%d:%d' % (e.uid, e.gid), 'what': what, 'x': xs, 'mtime': int(e.mtime)}
        for p in sorted(new):
            old = tree.get(p)
            if old and not (old['kind'] == 'd' and new[p]['kind'] == 'd'):
                for k in [k for k in tree if k.startswith(p + '/')]:
                    if k not in new:
                        del tree[k]
            tree[p] = new[p]
    return tree


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--no-mtime', action='store_true')
    ap.add_argument('--config', action='store_true', help='the runtime config too')
    ap.add_argument('--ignore', action='append', default=[])
    ap.add_argument('image')
    o = ap.parse_args()
    kind, _, ref = o.image.partition(':')
    config, layers = {'oci': oci, 'docker-archive': docker_archive}[kind](ref)
    for p, e in sorted(merge(config, layers).items()):
        if p == '/' or any(fnmatch.fnmatch(p, g) for g in o.ignore):
            continue
        row = [p.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace'), e['kind'], '%04o' % e['mode'], e['own'], e['what']]
        row += ['%s=%s' % x for x in e['x']]
        if not o.no_mtime and e['kind'] != 'd':
            row.append('@%d' % e['mtime'])
        print(' '.join(x for x in row if x))
    if o.config:
        c = config.get('config', {})
        for k in ('Env', 'Entrypoint', 'Cmd', 'User', 'WorkingDir', 'ExposedPorts', 'Volumes', 'Labels', 'StopSignal', 'Healthcheck', 'Shell'):
            if c.get(k):
                print('config', k, json.dumps(c[k], sort_keys=True))


main()
