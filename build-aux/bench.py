#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure whittle against buildah and docker's BuildKit, interleaved in one run. Needs root (dockerd).

usage: bench.py --whittle PROGRAM --base OCI_LAYOUT [--work DIR] [--rounds N] [--quick] [--only CASE]... [--user NAME] [--json FILE]

Every case is run N times for every tool, in turns, so that a slow minute of the machine hits all alike; medians and
ratios are printed. Whole processes are timed, wall clock. `whittle (user)` is whittle as the ordinary user NAME.
`limit` is what the machine needs for the same bytes with nothing else: read, hash, compress (tar | zstd -3 | sha256sum).
"""
import argparse, atexit, json, os, pwd, random, shutil, statistics, subprocess, sys, time

DOCKER = '/usr/bin/docker'


def sh(cmd, env=None, cwd=None, quiet=True, user=None):
    kw = {}
    if user:
        p = pwd.getpwnam(user)
        kw = {'user': p.pw_uid, 'group': p.pw_gid, 'extra_groups': []}
        env = {'PATH': os.environ['PATH'], 'HOME': p.pw_dir, **(env or {})}
    else:
        env = {**os.environ, **(env or {})}
    t = time.monotonic()
    r = subprocess.run(cmd, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    t = time.monotonic() - t
    if r.returncode:
        sys.exit('bench: %s\nfailed with %d:\n%s' % (' '.join(cmd), r.returncode, r.stdout.decode('utf-8', 'replace')[-2000:]))
    return t


class Whittle:
    def __init__(self, o, user=None):
        self.o, self.user = o, user
        self.name = 'whittle (user)' if user else 'whittle'
        self.store = os.path.join(o.work, 'store-' + (user or 'root'))
        self.fresh()

    def start(self):
        pass

    def fresh(self):
        if os.path.exists(self.store):
            sh(['rm', '-rf', self.store])
        os.makedirs(self.store, 0o700)
        if self.user:
            p = pwd.getpwnam(self.user)
            os.chown(self.store, p.pw_uid, p.pw_gid)

    def build(self, ctx, cache):
        cmd = [self.o.whittle, 'build', '--root', self.store, '-t', 'bench', '--build-context', 'base=oci-layout://' + self.o.base,
               '--network', 'host', '--progress', 'plain'] + ([] if cache else ['--no-cache']) + [ctx]
        return sh(cmd, user=self.user)


class Buildah:
    name = 'buildah'

    def __init__(self, o):
        self.o = o
        self.root = os.path.join(o.work, 'buildah')
        self.cli = ['buildah', '--root', self.root + '/root', '--runroot', self.root + '/run', '--storage-driver', 'overlay']

    def start(self):
        o = self.o
        out = subprocess.run(self.cli + ['pull', '-q', 'oci:' + o.base], stdout=subprocess.PIPE, check=True).stdout.decode().split()
        sh(self.cli + ['tag', out[-1], 'localhost/base'])

    def fresh(self):
        pass

    def build(self, ctx, cache):
        return sh(self.cli + ['bud', '--pull-never', '--runtime', 'runc', '--network', 'host', '--layers'] + ([] if cache else ['--no-cache']) +
                  ['-t', 'bench', ctx])

    def stop(self):
        sh(self.cli + ['rmi', '-a', '-f'])


class Docker:
    name = 'docker'

    def __init__(self, o):
        self.o, self.dir = o, os.path.join(o.work, 'dockerd')

    def start(self):
        o, d = self.o, self.dir
        os.makedirs(d)
        self.log = open(d + '/log', 'wb')
        self.p = subprocess.Popen(['/usr/sbin/dockerd', '--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=overlay2',
                                   '--data-root', d + '/data', '--exec-root', d + '/exec', '--pidfile', d + '/pid', '-H', 'unix://' + d + '/sock'],
                                  stdout=self.log, stderr=self.log)
        self.env = {'DOCKER_HOST': 'unix://%s/sock' % d, 'DOCKER_BUILDKIT': '1', 'DOCKER_CONFIG': d + '/config'}
        for _ in range(100):
            if subprocess.run([DOCKER, 'version'], env={**os.environ, **self.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.2)
        sh(['skopeo', 'copy', '-q', 'oci:' + o.base, 'docker-archive:%s/load.tar:base:latest' % d])
        sh([DOCKER, 'load', '-q', '-i', d + '/load.tar'], self.env)
        os.unlink(d + '/load.tar')

    def fresh(self):
        sh([DOCKER, 'builder', 'prune', '-af'], self.env)

    def build(self, ctx, cache):
        return sh([DOCKER, 'build', '-q', '--network', 'host'] + ([] if cache else ['--no-cache']) + ['-t', 'bench', ctx], self.env)

    def stop(self):
        self.p.terminate()
        self.p.wait()
        mounts = [l.split()[4] for l in open('/proc/self/mountinfo')]
        for m in sorted((m for m in mounts if m.startswith(self.dir + '/')), reverse=True):
            subprocess.run(['umount', m])


def context(work, name, dockerfile):
    d = os.path.join(work, name)
    os.makedirs(d)
    open(d + '/Dockerfile', 'w').write(dockerfile)
    return d


def big_context(d, files, total):
    """files of a source tree and its artefacts: half text-like, half incompressible; the same on every run"""
    rnd = random.Random(1)
    words = [bytes(rnd.choices(b'abcdefghijklmnopqrstuvwxyz_(){};', k=rnd.randint(2, 11))) for _ in range(4000)]
    size = total // files
    for i in range(files):
        p = '%s/d%03d/f%05d' % (d, i // 200, i)
        if i % 200 == 0:
            os.makedirs(os.path.dirname(p))
        with open(p, 'wb') as f:
            f.write(b' '.join(rnd.choices(words, k=size // 8))[:size] if i % 2 else rnd.randbytes(size))


SMALL = 'a context of small files'


def small_context(d, dirs):
    """100 files a directory, 100 to 1,700 bytes each"""
    rnd = random.Random(2)
    words = [bytes(rnd.choices(b'abcdefghijklmnopqrstuvwxyz', k=6)) for _ in range(4000)]
    for i in range(dirs):
        p = '%s/pkg%02d/mod%02d' % (d, i // 100, i % 100)
        os.makedirs(p)
        for k in range(100):
            open('%s/file%03d.txt' % (p, k), 'wb').write(b'%d %d ' % (i, k) + b' '.join(rnd.choices(words, k=rnd.randint(20, 250))) + b'\n')


def small_files(o, tools, dirs):
    """Each tool with an empty cache, with a full one, and with one file changed. One tool after the other: each needs several GB."""
    ctx = context(o.work, 'small', 'FROM base\nCOPY . /app/\n')
    small_context(ctx, dirs)
    print('%s: %d in %d directories' % (SMALL, dirs * 100, dirs))
    times = {}
    for i, t in enumerate(tools):
        t.fresh()
        sh(['sync'])
        v = [t.build(ctx, False), t.build(ctx, True), t.build(ctx, True)]
        open(ctx + '/pkg00/mod07/file050.txt', 'a').write('%d\n' % i)
        v.append(t.build(ctx, True))
        t.fresh()
        times[t.name] = v
        print('  %-16s first %.2f s, again %.2f and %.2f s, one file changed %.2f s' % (t.name, *v))
        sys.stdout.flush()
    return times


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--whittle', required=True)
    ap.add_argument('--base', required=True)
    ap.add_argument('--work', default='/var/tmp/whittle-bench')
    ap.add_argument('--rounds', type=int, default=5)
    ap.add_argument('--quick', action='store_true', help='smaller sizes, two rounds')
    ap.add_argument('--only', action='append', default=[])
    ap.add_argument('--user', help='also run whittle as this ordinary user')
    ap.add_argument('--json')
    o = ap.parse_args()
    o.whittle, o.base = os.path.abspath(o.whittle), os.path.abspath(o.base)
    files, total = (2000, 100 << 20) if o.quick else (20000, 1 << 30)
    rounds = 2 if o.quick else o.rounds
    sh(['rm', '-rf', o.work])
    os.makedirs(o.work, 0o755)
    steps = 'FROM base\n' + ''.join('RUN echo %d > /n%d\n' % (i, i) for i in range(5)) + 'COPY a /a\nWORKDIR /w\nENV A=b\nRUN true\nCMD ["sh"]\n'
    cases = {
        'cached ten steps': (context(o.work, 'ten', steps), True, False, rounds * 2),
        'ten RUN true': (context(o.work, 'run', 'FROM base\n' + 'RUN true\n' * 10), False, False, rounds),
        'COPY %d files, %d MiB, cold' % (files, total >> 20): (context(o.work, 'copy', 'FROM base\nCOPY data /data\n'), False, True, max(1, rounds // 2)),
    }
    open(o.work + '/ten/a', 'w').write('a\n')
    if not o.only or any('COPY' in x for x in o.only):
        big_context(o.work + '/copy/data', files, total)
    tools = []
    atexit.register(lambda: [t.stop() for t in tools if hasattr(t, 'stop')])
    tools += [Whittle(o)] + ([Whittle(o, o.user)] if o.user else [])
    tools.append(Docker(o))
    tools.append(Buildah(o))
    for t in tools:
        t.start()
    result = {}
    for case, (ctx, cache, cold, n) in cases.items():
        if o.only and not any(x in case for x in o.only):
            continue
        times = {t.name: [] for t in tools}
        if not cold:
            for t in tools:
                t.build(ctx, cache)
        for _ in range(n):
            for t in tools:
                if cold:
                    t.fresh()
                    sh(['sync'])
                times[t.name].append(t.build(ctx, cache))
            if cold:
                times.setdefault('limit', []).append(
                    sh(['bash', '-c', 'set -o pipefail; tar -C %s -cf - . | tee >(sha256sum >/dev/null) | zstd -q -3 -T%d | sha256sum' % (ctx, os.cpu_count())]))
        result[case] = times
        w = statistics.median(times['whittle'])
        print(case)
        for k, v in times.items():
            m = statistics.median(v)
            print('  %-16s %8.3f s  (%.3f – %.3f, %d runs)  %6.2f × whittle' % (k, m, min(v), max(v), len(v), m / w))
        sys.stdout.flush()
    if not o.only or any(x in SMALL for x in o.only):
        result[SMALL] = small_files(o, tools, 300 if o.quick else 3000)
    if o.json:
        json.dump(result, open(o.json, 'w'), indent=1)
    for t in tools:
        if hasattr(t, 'stop'):
            t.stop()
    tools.clear()
    sh(['rm', '-rf', o.work])


main()
