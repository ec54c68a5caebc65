# SPDX-License-Identifier: Apache-2.0
"""Makes a differing case small: lines of the Dockerfile, files, options go as long as it still differs in the same way."""
import copy


def kind(how, lines):
    """What must stay: that it differs, and at the same first thing."""
    return how, lines[0] if lines else ''


def shrink(runner, case):
    how, lines = runner.run(case)
    if how not in ('different', 'broken'):
        return case, [how]
    want = kind(how, lines)

    def attempt(change):
        nonlocal case, lines
        new = copy.deepcopy(case)
        if change(new) is False:
            return False
        try:
            h, found = runner.run(new)
        except (OSError, KeyError):
            return False
        if kind(h, found) != want:
            return False
        case, lines = new, found
        return True

    def without_lines(first, count):
        def change(c):
            text = c.dockerfile.split(b'\n')
            if first + count > len(text):
                return False
            c.dockerfile = b'\n'.join(text[:first] + text[first + count:])
        return change

    def without(field, n):
        def change(c):
            items = getattr(c, field)
            if n >= len(items):
                return False
            gone = items[n]
            setattr(c, field, items[:n] + items[n + 1:])
            if field == 'files' and any(e.path.startswith(gone.path + '/') or (e.kind == 'h' and e.data == gone.path) for e in c.files):
                return False
        return change

    def clear(field, value):
        def change(c):
            if not getattr(c, field):
                return False
            setattr(c, field, value)
        return change

    attempt(clear('target', None))
    attempt(clear('labels', []))
    attempt(clear('extra', {}))
    attempt(clear('args', []))
    for size in (8, 4, 2, 1, 1):
        n = len(case.dockerfile.split(b'\n')) - size
        while n >= 0:
            attempt(without_lines(n, size))
            n -= size
    for field in ('files', 'args'):
        for n in reversed(range(len(getattr(case, field)))):
            attempt(without(field, n))
    return case, lines
