#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Images entry by entry, written and read by Python's tarfile alone, so that it shares no code with what it checks.

usage: tree_image.py make DIR [CONFIG-JSON] < LINES     writes an OCI layout
       tree_image.py compare FULL PRUNED [BUT]          layouts: is every entry of PRUNED as FULL has it, but for those below BUT?
       tree_image.py list DIR                           the merged tree, a path a line
       tree_image.py show DIR PATH FIELD                mode, owner, mtime, to, xattrs, content (a digest) of one

A line of make: TYPE PATH [KEY=VALUE]…, fields between blanks, \\xNN for any byte; "layer" begins another layer.
  TYPE  f d l h c b p      file, directory, symlink, hard link, character and block device, fifo
  KEY   mode uid gid mtime to (l, h: target) text (f) from (f: a file of this machine) dev (c, b: MAJOR,MINOR) size (f: zeros)
        x.NAME (an xattr, hex)
compare prints what differs, but that set-id bits may be gone and capabilities of files (both are decided, and tested
elsewhere), and ends with 1 if anything does.
"""
import gzip, hashlib, io, json, os, re, subprocess, sys, tarfile

KINDS = {'f': tarfile.REGTYPE, 'd': tarfile.DIRTYPE, 'l': tarfile.SYMTYPE, 'h': tarfile.LNKTYPE, 'c': tarfile.CHRTYPE,
         'b': tarfile.BLKTYPE, 'p': tarfile.FIFOTYPE}


def raw(text):
    data = re.sub(rb'\\x([0-9a-f]{2})', lambda m: bytes([int(m[1], 16)]), text.encode('utf-8', 'surrogateescape'))
    return data.decode('utf-8', 'surrogateescape')


def entry(words):
    kind, path, keys = words[0], raw(words[1]), {}
    for w in words[2:]:
        k, _, v = w.partition('=')
        keys[k] = raw(v)
    e = tarfile.TarInfo(path.lstrip('/'))
    e.type = KINDS[kind]
    e.mode = int(keys.get('mode', '755' if kind == 'd' else '644'), 8)
    e.uid, e.gid, e.mtime = (int(keys.get(k, d)) for k, d in (('uid', 0), ('gid', 0), ('mtime', 1600000000)))
    e.linkname = keys.get('to', '')
    data = b'\0' * int(keys.get('size', 0)) + keys.get('text', '').encode('utf-8', 'surrogateescape')
    if 'from' in keys:
        data = open(keys['from'], 'rb').read()
    if 'dev' in keys:
        e.devmajor, e.devminor = map(int, keys['dev'].split(','))
    for k, v in keys.items():
        if k.startswith('x.'):
            e.pax_headers['SCHILY.xattr.' + k[2:]] = bytes.fromhex(v).decode('utf-8', 'surrogateescape')
    if kind == 'f':
        e.size = len(data)
    return e, data


def make(where, config):
    layers, out = [], None
    for line in [['layer']] + [l.split() for l in sys.stdin if l.strip() and l[0] != '#']:
        if line[0] == 'layer':
            layers.append(io.BytesIO())
            out = tarfile.open(fileobj=layers[-1], mode='w', format=tarfile.PAX_FORMAT, errors='surrogateescape')
            continue
        e, data = entry(line)
        out.addfile(e, io.BytesIO(data) if e.isreg() else None)
    blobs = where + '/blobs/sha256'
    os.makedirs(blobs)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        open('%s/%s' % (blobs, digest), 'wb').write(data)
        return {'mediaType': 'application/vnd.oci.image.' + kind, 'digest': 'sha256:' + digest, 'size': len(data)}
    ends = [l.getvalue() + b'\0' * 1024 for l in layers]
    ls = [blob(l, 'layer.v1.tar') for l in ends]
    c = {'os': 'linux', 'architecture': 'amd64', 'created': '2020-09-13T12:26:40Z', 'config': config,
         'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(l).hexdigest() for l in ends]}}
    m = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
         'config': blob(json.dumps(c).encode(), 'config.v1+json'), 'layers': ls}
    d = blob(json.dumps(m).encode(), 'manifest.v1+json')
    d['annotations'] = {'org.opencontainers.image.ref.name': 'latest'}
    json.dump({'schemaVersion': 2, 'manifests': [d]}, open(where + '/index.json', 'w'))
    json.dump({'imageLayoutVersion': '1.0.0'}, open(where + '/oci-layout', 'w'))


def layers_of(where):
    def blob(d):
        return open('%s/blobs/sha256/%s' % (where, d['digest'].split(':')[1]), 'rb').read()
    ms = [m for m in json.load(open(where + '/index.json'))['manifests']
          if m.get('annotations', {}).get('org.opencontainers.image.ref.name')]
    for l in json.loads(blob(ms[0]))['layers']:
        data = blob(l)
        if data[:2] == b'\x1f\x8b':
            data = gzip.decompress(data)
        elif data[:4] == b'\x28\xb5\x2f\xfd':
            data = subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True).stdout
        yield data


def merged(where):
    tree, group = {}, 0
    for data in layers_of(where):
        tar = tarfile.open(fileobj=io.BytesIO(data), errors='surrogateescape', encoding='utf-8')
        own = {}
        for e in tar:
            p = os.path.normpath('/' + e.name).lstrip('/')
            base, parent = os.path.basename(p), os.path.dirname(p)
            if base == '.wh..wh..opq' or base.startswith('.wh.'):
                gone = parent if base == '.wh..wh..opq' else os.path.join(parent, base[4:])
                for k in [k for k in tree if k.startswith(gone + '/') or (k == gone and base != '.wh..wh..opq')]:
                    del tree[k]
                continue
            if e.islnk():
                own[p] = own.get(os.path.normpath('/' + e.linkname).lstrip('/')) or tree[os.path.normpath('/' + e.linkname).lstrip('/')]
                continue
            group += 1
            own[p] = {
                'type': e.type, 'mode': '%04o' % (e.mode & 0o7777), 'owner': '%d:%d' % (e.uid, e.gid), 'mtime': int(e.mtime),
                'to': e.linkname, 'device': (e.devmajor, e.devminor) if e.ischr() or e.isblk() else None,
                'content': hashlib.sha256(tar.extractfile(e).read()).hexdigest() if e.isreg() else None,
                'xattrs': {k[13:]: v for k, v in e.pax_headers.items() if k.startswith('SCHILY.xattr.')}, 'group': group}
        for p, x in own.items():
            if p in tree and not (tree[p]['type'] == x['type'] == tarfile.DIRTYPE):
                for k in [k for k in tree if k.startswith(p + '/') and k not in own]:
                    del tree[k]
            tree[p] = x
    return tree


def compare(full, pruned, but):
    a, b, wrong, groups = merged(full), merged(pruned), [], ({}, {})
    for p, x in sorted(b.items()):
        if but and p.startswith(but):
            continue
        if p not in a and any(k.startswith(p + '/') for k in a): # a directory without an entry of its own: as everybody makes it
            if (x['type'], x['mode'], x['owner']) != (tarfile.DIRTYPE, '0755', '0:0'):
                wrong.append('%s: is no plain directory' % p)
            continue
        if p not in a:
            wrong.append('%s: the image never had it' % p)
            continue
        y = dict(a[p])
        if x['mode'] != y['mode'] and x['type'] == tarfile.REGTYPE:
            y['mode'] = '%04o' % (int(y['mode'], 8) & ~0o6000)
        y['xattrs'] = {k: v for k, v in y['xattrs'].items() if k != 'security.capability' or k in x['xattrs']}
        for k in sorted(set(x) - ({'group', 'mode'} if x['type'] == tarfile.SYMTYPE else {'group'})):
            if x[k] != y[k]:
                wrong.append('%s: %s is %r, and was %r' % (p, k, x[k], y[k]))
        groups[0].setdefault(a[p]['group'], set()).add(p)
        groups[1].setdefault(x['group'], set()).add(p)
    for s in groups[0].values():
        if s not in groups[1].values():
            wrong.append('names of one file no longer are: %s' % ' '.join(sorted(s)))
    for w in wrong:
        print(w.encode('utf-8', 'backslashreplace').decode())
    return 1 if wrong else 0


def main():
    verb = sys.argv[1]
    if verb == 'make':
        sys.exit(make(sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}))
    if verb == 'compare':
        sys.exit(compare(sys.argv[2], sys.argv[3], sys.argv[4].strip('/') + '/' if len(sys.argv) > 4 else ''))
    if verb == 'show':
        x = merged(sys.argv[2])[raw(sys.argv[3]).strip('/')][sys.argv[4]]
        print(json.dumps(x) if isinstance(x, dict) else x)
        return
    for p in sorted(merged(sys.argv[2])):
        print('/' + p.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace'))


main()
