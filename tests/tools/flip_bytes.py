#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flip_bytes.py LAYOUT WANT COMMAND… - changes one byte of LAYOUT at a time, runs COMMAND, and expects exit code WANT and one line that
starts with "error: ".

Small files are changed at up to 40 places each, spread over the file and always at its ends; big ones at 10. How a byte changes depends on
its place alone, so that every run does the same. Each file is put back as it was. Prints what went otherwise than wanted, and a last
line with the number of runs; exit code 1 when anything did.
"""
import os
import subprocess
import sys

SMALL = 64 * 1024


def places(size):
    n = min(size, 40 if size <= SMALL else 10)
    return sorted({k * (size - 1) // max(n - 1, 1) for k in range(n)})


def main():
    layout, want, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    runs, odd = 0, 0
    files = sorted(os.path.join(d, f) for d, _, fs in os.walk(layout) for f in fs)
    for path in files:
        with open(path, 'rb') as f:
            whole = f.read()
        for at in places(len(whole)):
            flip = 1 << (at % 7)
            with open(path, 'r+b') as f:
                f.seek(at)
                f.write(bytes([whole[at] ^ flip]))
            r = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', check=False)
            with open(path, 'r+b') as f:
                f.seek(at)
                f.write(whole[at:at + 1])
            runs += 1
            lines = [line for line in r.stderr.splitlines() if not line.startswith('hint: ')]
            if r.returncode != want or len(lines) != 1 or not lines[0].startswith('error: ') or r.stdout:
                odd += 1
                print(f'{os.path.relpath(path, layout)}, byte {at}: exit code {r.returncode}: {r.stderr.strip()[:200]}')
        with open(path, 'rb') as f:
            assert f.read() == whole
    print(f'{len(files)} files, {runs} changes')
    return 1 if odd or not runs else 0


sys.exit(main())
