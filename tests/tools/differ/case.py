# SPDX-License-Identifier: Apache-2.0
"""A case: what one build is given. Everything in it comes from its seed, times included."""
import hashlib, os


class Entry:
    """One file of a context. kind: f file, d directory, l symbolic link (data: target), h hard link (data: earlier path)."""

    def __init__(self, kind, path, mode=0o644, data=b'', xattr=None):
        self.kind, self.path, self.mode, self.data, self.xattr = kind, path, mode, data, xattr


class Case:
    def __init__(self, seed):
        self.seed = seed
        self.dockerfile = b''
        self.files = []          # of the context
        self.extra = {}          # named contexts: name -> entries
        self.args = []           # --build-arg
        self.target = None
        self.labels = []         # --label
        self.wrong = False       # made to be refused, perhaps
        self.name = 'Dockerfile'

    def write(self, dest):
        write_tree(os.path.join(dest, 'context'), self.files + [Entry('f', self.name, 0o644, self.dockerfile)])
        for name, files in self.extra.items():
            write_tree(os.path.join(dest, 'extra-' + name), files)


def mtime_of(data):
    """Times that depend on contents only: equal files are one file to a build cache, whatever their times are."""
    return 1000000000 + int.from_bytes(hashlib.sha256(data).digest()[:3], 'big')


# All directories have one: the peer's cache takes two for the same whatever their times are.
DIR_TIME = 1000000000


def write_tree(root, entries):
    os.makedirs(root)
    os.chmod(root, 0o755)
    dirs = []
    for e in entries:
        path = os.path.join(os.fsencode(root), os.fsencode(e.path))
        if e.kind == 'd':
            os.mkdir(path)
            dirs.append((path, e.mode))
            continue
        if e.kind == 'l':
            os.symlink(e.data, path)
        elif e.kind == 'h':
            os.link(os.path.join(os.fsencode(root), os.fsencode(e.data)), path, follow_symlinks=False)
            continue
        else:
            with open(path, 'wb') as f:
                f.write(e.data)
            os.chmod(path, e.mode)
            for k, v in (e.xattr or {}).items():
                os.setxattr(path, k, v)
        t = mtime_of(e.data if isinstance(e.data, bytes) else os.fsencode(e.data))
        os.utime(path, (t, t), follow_symlinks=False)
    for path, mode in reversed(dirs):
        os.chmod(path, mode)
        os.utime(path, (DIR_TIME, DIR_TIME))
    os.utime(root, (DIR_TIME, DIR_TIME))
