#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Archives of images that must not be loaded, and some unusual ones that must be.

usage: hostile_archives.py DIR      DIR/bad/NAME.tar, DIR/good/NAME.tar
"""
import gzip, hashlib, io, json, os, sys, tarfile

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
MT = 'application/vnd.oci.image.'


def sha(b):
    return hashlib.sha256(b).hexdigest()


def js(o):
    return json.dumps(o).encode()


def layer(name, data=b'x'):
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode='w') as t:
        e = tarfile.TarInfo(name)
        e.size = len(data)
        t.addfile(e, io.BytesIO(data))
    return buf.getvalue()


ONE, TWO = layer('one'), layer('two')


def config(*layers):
    return js({'architecture': 'amd64', 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + sha(x) for x in layers]}})


def f(name, data=b'', **more):
    e = tarfile.TarInfo(name)
    e.size = len(data)
    for k, v in more.items():
        setattr(e, k, v)
    return e, data


def link(name, target, kind=tarfile.SYMTYPE):
    return f(name, type=kind, linkname=target)


def docker(cfg, layers, tags=('shop:1',), name=None):
    """docker 20.10's form; layers: (path, member) pairs"""
    name = name or sha(cfg) + '.json'
    m = [{'Config': name, 'RepoTags': list(tags), 'Layers': [p for p, _ in layers]}]
    return [f(name, cfg)] + [e for _, es in layers for e in es] + [f('manifest.json', js(m))]


def plain(path, data):
    return path, [f(path, data)]


def oci(cfg, layers, annotations=None, name='registry.example/shop:1', types=None, extra=()):
    blobs = {sha(cfg): cfg}
    ls = []
    for i, x in enumerate(layers):
        blobs[sha(x)] = x
        ls.append({'mediaType': types[i] if types else MT + 'layer.v1.tar', 'digest': 'sha256:' + sha(x), 'size': len(x)})
    m = js({'schemaVersion': 2, 'mediaType': MT + 'manifest.v1+json',
            'config': {'mediaType': MT + 'config.v1+json', 'digest': 'sha256:' + sha(cfg), 'size': len(cfg)}, 'layers': ls})
    blobs[sha(m)] = m
    index = js({'schemaVersion': 2, 'manifests': [{'mediaType': MT + 'manifest.v1+json', 'digest': 'sha256:' + sha(m), 'size': len(m),
                                                   'annotations': {'io.containerd.image.name': name}}] + list(extra)})
    return [f('blobs/sha256/' + h, b) for h, b in blobs.items()] + [f('index.json', index), f('oci-layout', LAYOUT)]


def bad():
    c1, c2 = config(ONE), config(ONE, TWO)
    up = '../' * 20 + 'tmp/planted'
    yield 'empty', []
    yield 'no-manifest', [f('a', b'x')]
    yield 'repositories-alone', [f('repositories', b'{}')]
    yield 'manifest-no-json', [f('manifest.json', b'[{')]
    yield 'manifest-no-list', [f('manifest.json', b'{}')]
    yield 'manifest-empty', [f('manifest.json', b'[]')]
    yield 'manifest-duplicate-keys', docker(c1, [plain('l.tar', ONE)])[:-1] + [
        f('manifest.json', b'[{"Config":"' + (sha(c1) + '.json').encode() + b'","Config":"x","Layers":["l.tar"]}]')]
    yield 'manifest-huge', [f('manifest.json', b' ' * (5 << 20))]
    yield 'member-up', docker(c1, [plain('l.tar', ONE)]) + [f(up, b'planted')]
    yield 'member-absolute', docker(c1, [plain('l.tar', ONE)]) + [f('/tmp/planted', b'planted')]
    yield 'member-twice', docker(c1, [plain('l.tar', ONE)]) + [f('l.tar', TWO)]
    yield 'manifest-twice', docker(c1, [plain('l.tar', ONE)]) + [f('./manifest.json', b'[]')]
    yield 'device', docker(c1, [plain('l.tar', ONE)]) + [f('disk', type=tarfile.BLKTYPE, devmajor=8)]
    yield 'fifo', docker(c1, [plain('l.tar', ONE)]) + [f('p', type=tarfile.FIFOTYPE)]
    yield 'layer-up', docker(c1, [(up, [])])
    yield 'layer-absolute', docker(c1, [('/etc/passwd', [])])
    yield 'layer-link-up', docker(c1, [('a/layer.tar', [link('a/layer.tar', '../../../etc/passwd')])])
    yield 'layer-link-absolute', docker(c1, [('a/layer.tar', [link('a/layer.tar', '/etc/passwd')])])
    yield 'layer-hardlink-up', docker(c1, [('l.tar', [link('l.tar', '../etc/passwd', tarfile.LNKTYPE)])])
    yield 'layer-link-circle', docker(c1, [('a', [link('a', 'b'), link('b', 'a')])])
    yield 'layer-link-nowhere', docker(c1, [('a', [link('a', 'b')])])
    yield 'layer-missing', docker(c1, [('l.tar', [])])
    yield 'layer-is-manifest', docker(c1, [('manifest.json', [])])
    yield 'layer-other', docker(c1, [plain('l.tar', TWO)])
    yield 'layer-other-gzip', docker(c1, [plain('l.tar', gzip.compress(TWO))])
    yield 'layer-gzip-cut', docker(c1, [plain('l.tar', gzip.compress(ONE)[:-9])])
    yield 'layers-too-few', docker(c2, [plain('l.tar', ONE)])
    yield 'layers-too-many', docker(c1, [plain('l.tar', ONE), plain('m.tar', TWO)])
    yield 'layers-swapped', docker(c2, [plain('l.tar', TWO), plain('m.tar', ONE)])
    yield 'config-up', docker(c1, [plain('l.tar', ONE)], name='../c.json')
    yield 'config-not-its-name', docker(c1, [plain('l.tar', ONE)], name='0' * 64 + '.json')
    yield 'config-no-json', docker(b'x', [plain('l.tar', ONE)])
    yield 'config-no-os', docker(js({'rootfs': {'diff_ids': ['sha256:' + sha(ONE)]}}), [plain('l.tar', ONE)])
    yield 'name-no-name', docker(c1, [plain('l.tar', ONE)], tags=['Not A Name'])
    yield 'name-digest', docker(c1, [plain('l.tar', ONE)], tags=['shop@sha256:' + '0' * 64])
    yield 'name-escape', docker(c1, [plain('l.tar', ONE)], tags=['shop:\x1b[31m'])
    two = js([{'Config': sha(c) + '.json', 'RepoTags': ['shop:1'], 'Layers': ls} for c, ls in ((c1, ['l.tar']), (c2, ['l.tar', 'm.tar']))])
    yield 'name-of-two', [f(sha(c1) + '.json', c1), f(sha(c2) + '.json', c2), f('l.tar', ONE), f('m.tar', TWO), f('manifest.json', two)]
    yield 'oci-blob-not-its-name', oci(c1, [ONE]) + [f('blobs/sha256/' + '0' * 64, b'x')]
    yield 'oci-blob-no-name', oci(c1, [ONE]) + [f('blobs/sha256/x', b'x')]
    yield 'oci-layer-missing', [e for e in oci(c1, [ONE]) if e[1] != ONE]
    yield 'oci-config-missing', [e for e in oci(c1, [ONE]) if e[1] != c1]
    yield 'oci-diff-id', oci(c1, [TWO])
    yield 'oci-diff-id-gzip', oci(c1, [gzip.compress(TWO)], types=[MT + 'layer.v1.tar+gzip'])
    yield 'oci-manifest-missing', oci(c1, [ONE], extra=[{'mediaType': MT + 'manifest.v1+json', 'digest': 'sha256:' + '1' * 64, 'size': 2}])
    yield 'oci-no-digest', oci(c1, [ONE], extra=[{'mediaType': MT + 'manifest.v1+json', 'digest': 'sha256:../x', 'size': 2}])
    yield 'oci-index-no-list', [f('index.json', b'{"manifests":{}}'), f('oci-layout', LAYOUT)]
    yield 'oci-name', oci(c1, [ONE], name='../../x')
    # the layout is good, manifest.json is not: nothing of it may be named
    yield 'both-disagree', oci(c1, [ONE]) + [f('manifest.json', js([{'Config': 'blobs/sha256/' + sha(c1), 'RepoTags': ['registry.example/shop:2'], 'Layers': []},
                                                                    {'Config': 'nowhere', 'RepoTags': ['shop:3'], 'Layers': []}]))]


def good():
    c1, c2 = config(ONE), config(ONE, TWO)
    yield 'docker', docker(c1, [plain('l.tar', ONE)])
    yield 'docker-dot', [(e, d) for e, d in ((f('./' + e.name, d)) for e, d in docker(c1, [plain('l.tar', ONE)]))]
    yield 'docker-link', docker(c2, [('a/layer.tar', [f('a/layer.tar', ONE), f('a/VERSION', b'1.0'), f('a/json', b'{}')]), plain('b/layer.tar', TWO)]) + [
        link('c/layer.tar', '../a/layer.tar')]
    yield 'docker-links', docker(config(ONE, ONE), [plain('a/layer.tar', ONE), ('b/layer.tar', [link('b/layer.tar', '../a/layer.tar')])])
    yield 'docker-hardlink', docker(config(ONE, ONE), [plain('a/layer.tar', ONE), ('b/layer.tar', [link('b/layer.tar', 'a/layer.tar', tarfile.LNKTYPE)])])
    yield 'docker-gzip-layer', docker(c1, [plain('l.tar', gzip.compress(ONE))])
    yield 'docker-no-layers', docker(config(), [])
    yield 'docker-null-tags', [(f('manifest.json', js([{'Config': sha(c1) + '.json', 'RepoTags': None, 'Layers': ['l.tar']}]))),
                               f(sha(c1) + '.json', c1), f('l.tar', ONE)]
    yield 'docker-none-tag', docker(c1, [plain('l.tar', ONE)], tags=['<none>:<none>'])
    yield 'oci', oci(c1, [ONE])
    yield 'oci-bare-tag', [(e, d.replace(b'io.containerd.image.name', b'org.opencontainers.image.ref.name').replace(b'registry.example/shop:1', b'latest'))
                           if e.name == 'index.json' else (e, d) for e, d in oci(c1, [ONE])]


def write(path, entries):
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as t:
        for e, data in entries:
            if e.type == tarfile.REGTYPE:
                e.size = len(data)
            t.addfile(e, io.BytesIO(data) if e.size else None)


def main():
    top = sys.argv[1]
    for kind, cases in (('bad', bad), ('good', good)):
        os.makedirs(os.path.join(top, kind))
        for name, entries in cases():
            write(os.path.join(top, kind, name + '.tar'), entries)
    whole = open(os.path.join(top, 'good/docker.tar'), 'rb').read()
    open(os.path.join(top, 'bad/cut.tar'), 'wb').write(whole[:2000])
    open(os.path.join(top, 'bad/noise.tar'), 'wb').write(hashlib.sha512(b'x').digest() * 100)
    open(os.path.join(top, 'bad/gzip-cut.tar'), 'wb').write(gzip.compress(whole)[:-20])
    open(os.path.join(top, 'good/gzip.tar'), 'wb').write(gzip.compress(whole))
    # three GiB of zeros, compressed twice: a few KiB
    open(os.path.join(top, 'bad/bomb.tar'), 'wb').write(gzip.compress(bomb(), 9))


def bomb():
    """A tar with a member of 3 GiB of zeros, gzipped; gzipped again by the caller it is a few KiB."""
    buf = io.BytesIO()
    with gzip.GzipFile(fileobj=buf, mode='wb', compresslevel=1, mtime=0) as g:
        e = tarfile.TarInfo('l.tar')
        e.size = 3 << 30
        g.write(e.tobuf(tarfile.GNU_FORMAT))
        for _ in range(3 << 10):
            g.write(b'\0' * (1 << 20))
    return buf.getvalue()


main()
