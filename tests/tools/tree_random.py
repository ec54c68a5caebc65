#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random image and what is done in it: for tests/tools/tree_image.py and tests/prog/prune-app.c.

usage: tree_random.py SEED WORDS     prints lines for "tree_image.py make"; a shell's words for the application go to WORDS
"""
import os, random, sys

R = random.Random(int(sys.argv[1]))
dirs, files, links, fifos, paths = [b''], [], [], [], []


def esc(b):
    return ''.join(chr(c) if 33 <= c < 127 and c not in b'\\=' else '\\x%02x' % c for c in b)


def name():
    kind = R.random()
    if kind < .12: # any bytes, but what layers give a meaning
        return bytes(R.choice(range(1, 256)) for _ in range(R.randint(1, 20))).replace(b'/', b'_').replace(b'.', b',') or b'z'
    if kind < .15:
        return b'n' * R.randint(100, 250)
    return b'%c%d' % (R.choice(b'abcdef'), R.randint(0, 99))


def owner():
    ids = [R.choice([0, 1, 1000, 65534, R.randint(0, 65535)]) for _ in range(2)]
    return 'uid=%d gid=%d mtime=%d' % (*ids, R.choice([0, 1, 1600000000, R.randint(0, 2**33 + 5), R.randint(0, 2**31)]))


def add(layer):
    parent = R.choice(dirs)
    path = (parent + b'/' + name()).lstrip(b'/')
    if path in paths or len(path) > 900:
        return
    kind = R.random()
    if kind < .3:
        print('d /%s mode=%o %s' % (esc(path), R.choice([0o755, 0o700, 0o1777, 0o2775, 0o3777, 0o555, 0o711]), owner()))
        dirs.append(path)
    elif kind < .65:
        x = ' x.user.a=' + bytes(R.randint(0, 255) for _ in range(R.randint(1, 40))).hex() if R.random() < .2 else ''
        print('f /%s mode=%o %s size=%d text=t%d%s' % (esc(path), R.choice([0o644, 0o600, 0o755, 0o4755, 0o400, 0]), owner(),
                                                       R.choice([0, 1, 511, 512, 513, 100000]), R.randint(0, 9), x))
        files.append(path)
    elif kind < .75:
        if not files or layer:
            return
        print('h /%s to=%s' % (esc(path), esc(R.choice(files))))
        files.append(path)
    elif kind < .95:
        to = R.choice(files + dirs + links + [b'nowhere'])
        print('l /%s to=%s %s' % (esc(path), esc(b'/' + to if R.random() < .5 else os.path.relpath(b'/' + to, b'/' + parent)), owner()))
        links.append(path)
    else:
        print('p /%s mode=620 %s' % (esc(path), owner()))
        fifos.append(path)
    paths.append(path)


for layer in range(R.randint(1, 3)):
    if layer:
        print('layer')
    for _ in range(R.randint(5, 30)):
        add(layer)
words = [b'true']
for path in R.sample(paths, min(len(paths), R.randint(1, 12))):
    verb = b'lstat' if fifos else R.choice([b'read', b'stat', b'lstat', b'readlink', b'access', b'list', b'exec']) # nobody writes to a fifo
    if b':' not in path:
        words.append(b'?' + verb + b':/' + path)
with open(sys.argv[2], 'wb') as f:
    f.write(b' '.join(b"'" + w.replace(b"'", b"'\\''") + b"'" for w in words))
