#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copy build conformance cases, with the symbolic links that a checkout without links turned into small text files.

usage: conformance_copy.py CASES DEST      prints how many links were made again

A file becomes a link again when it holds one line without a newline that is a path, and either a tree that the case expects has a link
of that name with that very target, or the target exists beside it.
"""
import glob, json, os, re, shutil, sys


def main():
    src, dest = sys.argv[1:3]
    shutil.copytree(src, dest, symlinks=True)
    made = 0
    for case in sorted(glob.glob(dest + '/*/')):
        os.chmod(case, 0o755)
        links = set()
        for t in glob.glob(case + 'tree*.json'):
            for e in json.load(open(t)):
                if e.get('type') == 'symlink':
                    links.add((os.path.basename(e['path']), e['linkname']))
        for d, subdirs, files in os.walk(case):
            os.chmod(d, 0o755)
            for f in files:
                p = os.path.join(d, f)
                if f.endswith('.dockerignore') or os.path.islink(p) or os.path.getsize(p) > 255 or os.path.getsize(p) == 0:
                    continue
                text = open(p, 'rb').read()
                if b'\n' in text or b'\0' in text:
                    continue
                try:
                    target = text.decode()
                except UnicodeDecodeError:
                    continue
                inside = os.path.normpath(os.path.join(case + 'context', target.lstrip('/'))) if target.startswith('/') else os.path.join(d, target)
                beside = re.fullmatch(r'[\w./-]+', target) and target != f and os.path.lexists(inside)
                if (f, target) in links or beside:
                    os.unlink(p)
                    os.symlink(target, p)
                    made += 1
                    print('%s -> %s' % (p[len(dest) + 1:], target), file=sys.stderr)
    print(made)


main()
