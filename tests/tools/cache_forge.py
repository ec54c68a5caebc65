#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make a damaged or lying build cache out of a good one in a layout (--cache-to type=local).

usage: cache_forge.py FROM TO KIND
"""
import hashlib, json, os, shutil, sys


def path(d, digest):
    return d + '/blobs/sha256/' + digest[7:]


def put(d, data):
    digest = 'sha256:' + hashlib.sha256(data).hexdigest()
    with open(path(d, digest), 'wb') as f:
        f.write(data)
    return digest, len(data)


def lies(c, m):
    """A layer's diff id goes with another layer's blob, and the other way round."""
    a, b = [l for l in c['layers'] if not l.get('absent')][:2]
    for k in ('digest', 'size', 'compression'):
        a[k], b[k] = b[k], a[k]


def set_layer(**kw):
    def change(c, m):
        for l in c['layers']:
            l.update(kw)
    return change


def set_record(**kw):
    def change(c, m):
        for r in c['records']:
            r.update(kw)
    return change


def drop(name, key):
    def change(c, m):
        for o in c[name]:
            o.pop(key, None)
    return change


def put_key(key, value):
    def change(c, m):
        c[key] = value
    return change


def elsewhere(c, m):
    """A blob that the manifest does not have."""
    c['layers'][0]['digest'] = 'sha256:' + '5' * 64


def blobless(c, m):
    m['layers'] = []


def gone(c, m):
    """Blobs that nobody has: the whole cache agrees with itself."""
    for i, l in enumerate(c['layers']):
        old, l['digest'] = l['digest'], 'sha256:' + hashlib.sha256(b'%d' % i).hexdigest()
        for x in m['layers']:
            if x['digest'] == old:
                x['digest'] = l['digest']


def no_documents(c, m):
    """Documents that are layers."""
    for doc in c['documents']:
        layer = next(l for l in c['layers'] if not l.get('absent'))
        doc.update(digest=layer['digest'], size=layer['size'])


KINDS = {
    'lies': lies,
    'gone': gone,
    'elsewhere': elsewhere,
    'blobless': blobless,
    'documents': no_documents,
    'version': put_key('version', 2),
    'no-records': put_key('records', None),
    'records-object': put_key('records', {}),
    'layers-string': put_key('layers', 'x'),
    'no-layers': put_key('layers', []),
    'not-ordered': lambda c, m: c['records'].reverse(),
    'twice': lambda c, m: c['records'].insert(0, dict(c['records'][0])),
    'layer-99': set_record(layer=99),
    'layer-negative': set_record(layer=-1),
    'layer-text': set_record(layer='0'),
    'layer-huge': set_record(layer=2**62),
    'document-99': set_record(document=99),
    'no-key': drop('records', 'key'),
    'no-op': drop('records', 'op'),
    'selection-text': set_record(selection='../../etc/passwd'),
    'key-path': set_record(key='../../../../etc/passwd'),
    'no-diff-id': drop('layers', 'diff_id'),
    'size-0': set_layer(size=0),
    'size-negative': set_layer(size=-5),
    'size-other': set_layer(size=77),
    'newest-huge': set_layer(newest=2**62),
    'entries-negative': set_layer(entries=-1),
    'compression': set_layer(compression='lzma'),
    'records-number': put_key('records', 7),
    'records-of-numbers': put_key('records', [1, 2, 3]),
    'records-10M': put_key('records', [0] * 10000000),
    'records-1M': put_key('records', [0] * 1000000),
    'records-30k': lambda c, m: c.update(records=[dict(c['records'][0], key='%064x' % i) for i in range(30000)]),
}


def main():
    src, dst, kind = sys.argv[1:]
    shutil.copytree(src, dst)
    with open(dst + '/index.json') as f:
        index = json.load(f)
    entry = index['manifests'][0]
    with open(path(dst, entry['digest'])) as f:
        m = json.load(f)
    with open(path(dst, m['config']['digest'])) as f:
        c = json.load(f)
    os.unlink(path(dst, m['config']['digest']))
    if kind == 'config-text':
        text = b'{"records":'
    else:
        KINDS[kind](c, m)
        text = json.dumps(c, separators=(',', ':')).encode()
    m['config']['digest'], m['config']['size'] = put(dst, text)
    entry['digest'], entry['size'] = put(dst, json.dumps(m).encode())
    with open(dst + '/index.json', 'w') as f:
        json.dump(index, f)


main()
