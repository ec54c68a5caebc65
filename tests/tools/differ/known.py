# SPDX-License-Identifier: Apache-2.0
"""Cases where one builder refuses what the other builds, or has more in the tree, and why that stays so. All are in DOCKERFILE.md, "Where whittle differs
from BuildKit". What a rule takes is as narrow as what the builders say allows."""
import re


def refusal(case, ours, theirs):
    """Why one may refuse alone, or None."""
    text = case.dockerfile.decode('utf-8', 'replace')
    if ours[0]:
        if re.search(r'error: .*--chown=.*unable to find (user|group)', ours[1]):
            return 'an unknown name in --chown is root to BuildKit'
        if '--parents' in text and re.search(r'error: .*": not found\n', ours[1]):
            return 'BuildKit does not look for what --parents names in an empty stage'
        return None
    error = [x for x in theirs[1].split('\n') if x.startswith('ERROR: ')]
    error = error[-1] if error else ''
    missing = re.search(r'"(/.*)": not found$', error)
    links = {'/' + e.path for e in all_files(case) if e.kind == 'l'}
    if missing and '--parents' in text and missing.group(1) in ('/', '/.'):
        return 'BuildKit does not find the root of a tree with --parents'
    if missing and missing.group(1).replace('\\\\', '\\') in links:
        return 'BuildKit does not send what a link to an oddly named file, or one beside excluded ones, leads to'
    if error.endswith('invalid user index: -1'):
        return 'BuildKit knows no user in an empty stage'
    if re.search(r'[*?]|\[', text) and '/' + missing_dir(error) in {'/' + e.path for e in all_files(case) if e.kind == 'd'}:
        return 'BuildKit does not send a directory in which a wildcard finds nothing'
    if '--exclude' in text and re.search(r'lstat /.*: no such file or directory$', error):
        return 'BuildKit does not send a file that is named and excluded'
    return None


def all_files(case):
    return case.files + [x for files in case.extra.values() for x in files]


def missing_dir(error):
    found = re.search(r'lstat /(.*): no such file or directory$', error)
    return found.group(1) if found else ''


def ignore_text(case):
    return ''.join(e.data.decode('utf-8', 'replace') for e in case.files if e.path == '.dockerignore')


def left_out(case):
    """A function: may this path with this row differ in that the peer lacks it?"""
    text = ignore_text(case)
    if '!' not in text:
        return lambda path, row: False
    # An excluded directory that a "!" pattern names is there, with nothing in it: docker 20's rule.
    return lambda path, row: row.startswith('dir')


def older(case, path, ours, theirs):
    """What an older BuildKit than the newest one does: directories that COPY and ADD make on the way are 0755 whatever --chmod says."""
    return '--chmod=' in case.dockerfile.decode('utf-8', 'replace') and ours.startswith('dir 0') and theirs.startswith('dir 0755 ') and ours[8:] == theirs[8:]


def relinked(ours, theirs):
    """A file that was copied over its like: to the peer nothing changed, so that it keeps its other names."""
    return ours == theirs.split(' =')[0] and ' =' in theirs
