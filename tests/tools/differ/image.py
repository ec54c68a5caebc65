# SPDX-License-Identifier: Apache-2.0
"""Reads an image that a builder exported, as an OCI layout (a directory, or a tar of one): its config and its merged tree."""
import collections, gzip, hashlib, io, json, os, subprocess, tarfile

KINDS = {tarfile.DIRTYPE: 'dir', tarfile.SYMTYPE: 'link', tarfile.CHRTYPE: 'chr', tarfile.BLKTYPE: 'blk', tarfile.FIFOTYPE: 'fifo'}


class Wrong(Exception):
    pass


class Layout:
    def __init__(self, path):
        self.dir = path if os.path.isdir(path) else None
        self.tar = None if self.dir else tarfile.open(path)

    def read(self, name):
        if self.dir:
            with open(os.path.join(self.dir, name), 'rb') as f:
                return f.read()
        return self.tar.extractfile(name).read()

    def blob(self, desc):
        kind, hexa = desc['digest'].split(':')
        data = self.read('blobs/%s/%s' % (kind, hexa))
        if len(data) != desc['size'] or hashlib.sha256(data).hexdigest() != hexa:
            raise Wrong('blob %s is not what its descriptor says' % desc['digest'])
        return data


def plain(data):
    if data[:2] == b'\x1f\x8b':
        return gzip.decompress(data)
    if data[:4] == b'\x28\xb5\x2f\xfd':
        return subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


# What a layer's tar holds, by diff id: bases come again in every case.
parsed = collections.OrderedDict()


def layer_entries(layout, desc, diff_id):
    if diff_id in parsed:
        return parsed[diff_id]
    data = plain(layout.blob(desc))
    if 'sha256:' + hashlib.sha256(data).hexdigest() != diff_id:
        raise Wrong('layer %s is not what its diff id says' % desc['digest'])
    out = []
    with tarfile.open(fileobj=io.BytesIO(data), errors='surrogateescape') as tar:
        for e in tar:
            path = os.path.normpath('/' + e.name)
            path = '/' + path.lstrip('/')
            row = {'path': path, 'kind': KINDS.get(e.type, 'file'), 'mode': e.mode & 0o7777, 'uid': e.uid, 'gid': e.gid, 'time': int(e.mtime),
                   'xattr': sorted((k[13:], v) for k, v in e.pax_headers.items() if k.startswith('SCHILY.xattr.'))}
            if e.islnk():
                row['kind'], row['to'] = 'hard', '/' + os.path.normpath('/' + e.linkname).lstrip('/')
            elif e.issym():
                row['to'] = e.linkname
            elif row['kind'] == 'file':
                body = tar.extractfile(e).read()
                row['size'], row['sum'] = len(body), hashlib.sha256(body).hexdigest()[:16]
                row['text'] = body[:400].decode('utf-8', 'backslashreplace') if len(body) < 4096 else None
            elif row['kind'] in ('chr', 'blk'):
                row['to'] = '%d,%d' % (e.devmajor, e.devminor)
            out.append(row)
    parsed[diff_id] = out
    if len(parsed) > 64:
        parsed.popitem(last=False)
    return out


def drop(tree, path, itself=True):
    for k in [k for k in tree if k.startswith(path.rstrip('/') + '/') or (itself and k == path)]:
        del tree[k]


def merge(layers):
    tree, inode = {}, 0
    for entries in layers:
        # Whiteouts speak of the layers below, wherever in the tar they stand.
        for row in entries:
            base, parent = os.path.basename(row['path']), os.path.dirname(row['path'])
            if base == '.wh..wh..opq':
                drop(tree, parent, False)
            elif base.startswith('.wh.'):
                drop(tree, os.path.join(parent, base[4:]))
        for row in entries:
            path = row['path']
            if os.path.basename(path).startswith('.wh.'):
                continue
            if row['kind'] == 'hard':
                if row['to'] not in tree:
                    raise Wrong('hard link %s to %s, which is not there' % (path, row['to']))
                drop(tree, path)
                tree[path] = tree[row['to']]
                continue
            if not (row['kind'] == 'dir' and path in tree and tree[path]['kind'] == 'dir'):
                drop(tree, path)
            inode += 1
            tree[path] = dict(row, inode=inode)
    return tree


def load(path):
    layout = Layout(path)
    index = json.loads(layout.read('index.json'))
    found = [m for m in index['manifests'] if m.get('annotations', {}).get('vnd.docker.reference.type') != 'attestation-manifest']
    if len(found) != 1:
        raise Wrong('%d manifests' % len(found))
    doc = json.loads(layout.blob(found[0]))
    if 'manifests' in doc:
        doc = json.loads(layout.blob(doc['manifests'][0]))
    config = json.loads(layout.blob(doc['config']))
    diff = config['rootfs'].get('diff_ids') or []
    doc['layers'] = doc['layers'] or []
    if len(diff) != len(doc['layers']):
        raise Wrong('%d layers, %d diff ids' % (len(doc['layers']), len(diff)))
    return config, [layer_entries(layout, d, i) for d, i in zip(doc['layers'], diff)]
