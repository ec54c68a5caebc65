# SPDX-License-Identifier: Apache-2.0
"""Random contexts."""
import bz2, gzip, io, lzma, os, tarfile

from case import DIR_TIME, Entry, mtime_of

PLAIN = ['a', 'b.txt', 'c.sh', 'conf', 'data.json', 'x1', 'x2', 'readme.md', 'Z', '.hidden', 'long-name-with-dashes', 'a.b.c', 'src.c', 'src.h']
ODD = ['a b', 'st*r', 'q?x', '[x]', '[a-c]', 'ünï', "it's", 'dq"x', '$HOME', '#hash', '-dash', 'tail.', '..two', 'sl\\ash', '{x}', '~', 'new,comma', 'eq=x', '!bang']
DIRS = ['d', 'dir', 'sub', 'lib', 'e.d', 'Deep', '.dot', 'nested']
# Names with wildcard characters are for files only: the peer does not send what is below such directories.
ODD_DIRS = ['s p', 'ö', "it's", '#d', 'd=d']
MODES = [0o644, 0o644, 0o644, 0o755, 0o600, 0o444, 0o640, 0o777, 0o4755, 0o2755, 0o000, 0o1644]
DIR_MODES = [0o755, 0o755, 0o755, 0o700, 0o775, 0o2775, 0o1777, 0o555]


class Context:
    """Entries, and the paths by kind so that a Dockerfile can name them."""

    def __init__(self):
        self.entries, self.files, self.dirs, self.links, self.archives = [], [], [], [], []

    def paths(self):
        return self.files + self.dirs + self.links


def contents(r):
    kind = r.random()
    if kind < 0.1:
        return b''
    if kind < 0.5:
        return b'text %d\n' % r.randrange(1 << 20)
    if kind < 0.6:
        return b'#!/bin/sh\necho "$0 $* %d"\n' % r.randrange(1 << 16)
    if kind < 0.7:
        return b'A=$A ${B} \\$C %d\r\nno end' % r.randrange(1 << 16)
    return r.randbytes(r.randrange(1, 3000))


def make_archive(r):
    raw = io.BytesIO()
    tar = tarfile.open(fileobj=raw, mode='w', format=r.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]))
    names, dirs, head = [], [''], {}
    for n in range(r.randrange(1, 8)):
        top = r.choice(dirs)
        kind = r.choice(['file', 'file', 'file', 'dir', 'link', 'hard'])
        t = tarfile.TarInfo(top + r.choice(['', './'] if not top else ['']) + 'in%d%s' % (n, r.choice(['', '.x', ' y'])))
        t.mode, t.uid, t.gid = r.choice(MODES), r.choice([0, 0, 33, 1009, 65534]), r.choice([0, 0, 50, 1010])
        body = b'archived %d' % r.randrange(1 << 20)
        t.mtime = mtime_of(body)
        if kind == 'dir':
            t.type, t.mode, t.mtime = tarfile.DIRTYPE, r.choice(DIR_MODES), DIR_TIME
            dirs.append(t.name + '/')
            tar.addfile(t)
        elif kind == 'link':
            t.type, t.linkname, t.mode = tarfile.SYMTYPE, r.choice(names + ['nowhere', '/abs', '../up']), 0o777
            tar.addfile(t)
        elif kind == 'hard' and names:
            # A second name says the same of its file as the first, as tar itself writes it.
            t.type, t.linkname = tarfile.LNKTYPE, r.choice(names)
            t.mode, t.uid, t.gid, t.mtime = head[t.linkname]
            tar.addfile(t)
        else:
            t.size = len(body)
            tar.addfile(t, io.BytesIO(body))
            names.append(t.name)
            head[t.name] = (t.mode, t.uid, t.gid, t.mtime)
    tar.close()
    pack = r.choice(['', '', 'gz', 'bz2', 'xz'])
    data = raw.getvalue()
    if pack == 'gz':
        data = gzip.compress(data, mtime=0)
    elif pack == 'bz2':
        data = bz2.compress(data)
    elif pack == 'xz':
        data = lzma.compress(data)
    return data, pack


def make(r, small=False):
    c = Context()
    dirs = ['']
    for _ in range(r.randrange(0, 3 if small else 6)):
        parent = r.choice(dirs)
        name = r.choice(ODD_DIRS if r.random() < 0.12 else DIRS)
        path = parent + name
        if path in c.dirs:
            continue
        c.dirs.append(path)
        c.entries.append(Entry('d', path, r.choice(DIR_MODES)))
        dirs.append(path + '/')
    taken = set(c.dirs)
    for _ in range(r.randrange(2, 5 if small else 12)):
        path = r.choice(dirs) + r.choice(ODD if r.random() < 0.2 else PLAIN)
        if path in taken:
            continue
        taken.add(path)
        kind = r.random()
        if kind < 0.08 and c.files:
            c.entries.append(Entry('h', path, data=r.choice(c.files)))
            c.files.append(path)
        elif kind < 0.22:
            up = '../' * path.count('/')
            target = r.choice([up + t for t in c.files + c.dirs if not any(x in t for x in '[*?\\')] + ['nowhere', '/etc/passwd', up + 'missing/x'])
            c.entries.append(Entry('l', path, data=target))
            if target not in ('nowhere', '/etc/passwd', up + 'missing/x') or r.random() < 0.03:
                c.links.append(path)
        elif kind < 0.3:
            data, pack = make_archive(r)
            path = os.path.join(os.path.dirname(path), 'ar%d.tar%s' % (len(c.archives), '.' + pack if pack else ''))
            if r.random() < 0.1 and pack in ('', 'gz'):
                # Cut off. (Of other kinds libarchive reads nothing at all then, and what is no archive is copied.)
                data = data[:len(data) // 2]
            c.entries.append(Entry('f', path, 0o644, data))
            c.archives.append(path)
            c.files.append(path)
        else:
            xattr = {'user.mark': b'v'} if r.random() < 0.04 else None
            c.entries.append(Entry('f', path, r.choice(MODES), contents(r), xattr))
            # The peer does not reliably find sources with such names.
            if not any(x in path for x in '\\[*?!'):
                c.files.append(path)
    return c


def ignore_file(r, c):
    """A .dockerignore that mostly leaves something to copy."""
    lines = []
    names = [p for p in c.paths()] or ['a']
    for _ in range(r.randrange(1, 6)):
        p = r.choice(names)
        base = os.path.basename(p)
        pick = r.randrange(15)
        lines.append([
            p, '/' + p, p + '/', './' + p, base, '**/' + base, '*' + base[-1:], '**/*' + base[-2:], '!' + p, '# ' + p, '',
            '  ' + p + '  ', os.path.dirname(p) + '/*' if '/' in p else p, '*/*', 'd/../' + p][pick])
    if r.random() < 0.3:
        # Nothing but what is named. Wildcards bring back only what nothing but "*" took out: see known.py.
        kept = [c.files[n] for n in r.sample(range(len(c.files)), min(len(c.files), 4))]
        lines = [r.choice(['*', '**'])]
        for p in kept:
            base = os.path.basename(p)
            lines.append('!' + r.choice([p, '**/' + base, '**/*' + base[-2:], '*/' + base, p, os.path.join(os.path.dirname(p), '*')]))
    end = r.choice(['\n', '\n', '\n', '\r\n'])
    return (r.choice(['', '', '', '\ufeff']) + end.join(lines) + r.choice(['', end])).encode()
