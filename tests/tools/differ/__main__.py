# SPDX-License-Identifier: Apache-2.0
"""Builds random cases with whittle and with docker's BuildKit, and compares what comes out.

usage: python3 tests/tools/differ --whittle PROGRAM --client 'COMMAND…' --busybox LAYOUT --work DIR --peer-work DIR SEED|FIRST-LAST…
  --client   the docker client as a command line; it sees the directory --work under the name --peer-work
  --layouts  name the bases to the peer as layouts, instead of loading them into it
  --features WORD,…  what the peer's language has (default: what a try with each shows)
  --shrink   removes lines and files from a case as long as it still differs, and prints what is left
  --why      says for a refused case what both builders said
  --show     prints the cases only
  --jobs N   so many cases at once (default: 3)
  --results  only one line a case
Prints "ok SEED how" or "DIFFERENT SEED" with what differs, a line each; exit code 1 when one differs.
"""
import argparse, concurrent.futures, os, shlex, shutil, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bases, builders, compare, generate, image, known, shrink  # noqa: E402
from case import Case, Entry  # noqa: E402



TRIES = {'link': '--link', 'exclude': '--exclude=b', 'parents': '--parents', 'chmod-symbolic': '--chmod=u+x'}


class Runner:
    def __init__(self, o):
        self.work, self.peer_work = os.path.abspath(o.work), o.peer_work
        client = shlex.split(o.client)
        store = os.path.join(self.work, 'store')
        made = bases.make(o.whittle, store, os.path.abspath(o.busybox), self.work)
        there = {n: os.path.join(self.peer_work, os.path.relpath(d, self.work)) for n, d in made.items()}
        for name, layout in made.items() if not o.layouts else []:
            archive = os.path.join(self.work, 'load.tar')
            subprocess.run(['skopeo', 'copy', '-q', 'oci:' + layout, 'docker-archive:%s:%s:latest' % (archive, name)], check=True)
            subprocess.run(client + ['load', '-q', '-i', os.path.join(self.peer_work, 'load.tar')], check=True, stdout=subprocess.DEVNULL)
            os.unlink(archive)
        self.whittle, self.peer = builders.Whittle(o.whittle, store, made), builders.Peer(client, there if o.layouts else None)
        self.keep = o.keep
        self.count = 0

    def features(self):
        found = set()
        for word, flag in TRIES.items():
            c = Case(word)
            c.dockerfile = ('FROM scratch\nCOPY %s a /\n' % flag).encode()
            c.files = [Entry('f', 'a', 0o644, b'a')]
            name = 'try-' + word
            c.write(os.path.join(self.work, name))
            there = os.path.join(self.peer_work, name)
            if builders.start(self.peer.command(c, there, os.path.join(there, 'out.tar'))).wait() == 0:
                found.add(word)
        return found

    def run(self, case):
        """Returns (how it went, lines that say what differs)."""
        self.count += 1
        name = 'case-%s-%d' % (case.seed, self.count)
        dest, there = os.path.join(self.work, name), os.path.join(self.peer_work, name)
        case.write(dest)
        try:
            ours, theirs = builders.both(self.whittle.command(case, dest, os.path.join(dest, 'ours')),
                                         self.peer.command(case, there, os.path.join(there, 'theirs.tar')))
            return self.judge(case, ours, theirs, dest)
        finally:
            if not self.keep:
                shutil.rmtree(dest, ignore_errors=True)

    def judge(self, case, ours, theirs, dest):
        texts = ['--- whittle said (exit code %d):' % ours[0]] + tail(ours[1]) + ['--- the peer said (exit code %d):' % theirs[0]] + tail(theirs[1])
        if ours[0] not in (0, 1, 2, 4) or theirs[0] not in (0, 1) or 'Sanitizer' in ours[1] or 'runtime error' in ours[1]:
            return 'broken', texts
        if ours[0] and theirs[0]:
            return 'refused', texts
        if ours[0] or theirs[0]:
            why = known.refusal(case, ours, theirs)
            if why:
                return 'known', [why]
            return 'different', ['one refuses, the other does not'] + texts
        try:
            mine = image.load(os.path.join(dest, 'ours'))
            other = image.load(os.path.join(dest, 'theirs.tar'))
            diff = compare.differences(mine, other, case)
        except image.Wrong as e:
            return 'broken', [str(e)]
        return ('different' if diff else 'same'), diff


def tail(text):
    return ['    ' + line for line in text.rstrip().split('\n')[-14:]]


def why(lines):
    mine = [x.strip() for x in lines[:lines.index([y for y in lines if y.startswith('--- the peer')][0])] if x.strip().startswith('error: ')]
    other = [x.strip() for x in lines if x.strip().startswith('ERROR: ')]
    return ''.join('\n      %s' % x for x in mine + other)


def seeds_of(words):
    for w in words:
        first, _, last = w.partition('-')
        yield from range(int(first), int(last or first) + 1)


def show(case):
    print('=== case %s: --build-arg %r --target %r --label %r, contexts %r' % (case.seed, case.args, case.target, case.labels, sorted(case.extra)))
    print(case.dockerfile.decode('utf-8', 'backslashreplace').replace('\r', '<CR>'))
    for name, files in [('context', case.files)] + sorted(case.extra.items()):
        print('--- ' + name)
        for e in files:
            print('%s %04o %r %r' % (e.kind, e.mode, e.path, e.data[:60]))


def main():
    ap = argparse.ArgumentParser()
    for name in ('whittle', 'client', 'busybox', 'work', 'peer-work'):
        ap.add_argument('--' + name)
    ap.add_argument('--features')
    ap.add_argument('--jobs', type=int, default=3)
    for name in ('shrink', 'show', 'keep', 'results', 'layouts', 'why'):
        ap.add_argument('--' + name, action='store_true')
    ap.add_argument('seeds', nargs='+')
    o = ap.parse_args()
    seeds = list(seeds_of(o.seeds))
    if o.show:
        features = set((o.features or ','.join(TRIES)).split(','))
        for s in seeds:
            show(generate.case(s, features))
        return 0
    runner = Runner(o)
    features = set(o.features.split(',')) if o.features else runner.features()
    print('# the peer has: %s' % ', '.join(sorted(features)))
    if o.shrink:
        for s in seeds:
            case, lines = shrink.shrink(runner, generate.case(s, features))
            show(case)
            print('\n'.join(lines), flush=True)
        return 0
    counts, bad = {}, False
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for seed, (how, lines) in zip(seeds, pool.map(lambda s: runner.run(generate.case(s, features)), seeds)):
            counts[how] = counts.get(how, 0) + 1
            if how in ('same', 'refused', 'known'):
                more = why(lines) if o.why and how == 'refused' else ': ' + lines[0] if how == 'known' else ''
                print('ok %d %s%s' % (seed, how, more), flush=True)
                continue
            bad = True
            print('DIFFERENT %d' % seed if how == 'different' else 'BROKEN %d' % seed)
            if not o.results:
                show(generate.case(seed, features))
            print('\n'.join('  ' + x for x in lines), flush=True)
    print('# ' + ', '.join('%d %s' % (n, how) for how, n in sorted(counts.items())))
    return 1 if bad else 0


sys.exit(main())
