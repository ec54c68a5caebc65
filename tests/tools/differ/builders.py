# SPDX-License-Identifier: Apache-2.0
"""Runs the two builders on a case."""
import os, subprocess

LIMIT = 120


def arguments(case, dest):
    args = ['-f', os.path.join(dest, 'context', case.name)]
    for a in case.args:
        args += ['--build-arg', a]
    for a in case.labels:
        args += ['--label', a]
    for name in case.extra:
        args += ['--build-context', '%s=%s' % (name, os.path.join(dest, 'extra-' + name))]
    if case.target:
        args += ['--target', case.target]
    return args + [os.path.join(dest, 'context')]


class Whittle:
    def __init__(self, program, store, bases):
        self.program, self.store, self.bases = program, store, bases

    def command(self, case, dest, out):
        cmd = [self.program, 'build', '--root', self.store, '--network', 'none', '--progress', 'plain']
        for name, layout in self.bases.items():
            cmd += ['--build-context', '%s=oci-layout://%s' % (name, layout)]
        return cmd + ['-o', 'type=oci,dest=%s,tar=false,compression=uncompressed' % out] + arguments(case, dest)


class Peer:
    """docker's client, as a command. layouts: where it has to be told what the bases are (a BuildKit without images of its own)."""

    def __init__(self, client, layouts=None):
        self.client, self.layouts = client, layouts or {}

    def command(self, case, dest, out):
        cmd = self.client + ['buildx', 'build', '--provenance=false', '--network', 'none', '--progress', 'plain']
        for name, layout in self.layouts.items():
            cmd += ['--build-context', '%s=oci-layout://%s:latest' % (name, layout)]
        return cmd + ['-o', 'type=oci,dest=%s,compression=uncompressed' % out] + arguments(case, dest)


def start(command):
    env = {k: v for k, v in os.environ.items() if k in ('PATH', 'HOME', 'DOCKER_HOST', 'TMPDIR', 'ASAN_OPTIONS', 'UBSAN_OPTIONS')}
    return subprocess.Popen(['timeout', str(LIMIT)] + command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def both(first, second):
    """Runs two commands side by side; returns their exit codes and what they said."""
    a, b = start(first), start(second)
    # Read one after the other: who says more than a pipe holds waits for its turn.
    said_b = b.communicate()[0]
    said_a = a.communicate()[0]
    return (a.returncode, said_a.decode('utf-8', 'replace')), (b.returncode, said_b.decode('utf-8', 'replace'))
