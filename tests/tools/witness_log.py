#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness_log.py ROOT SEEN LOG...: what fanotify saw (SEEN, of `witness --names ROOT`), or what stress_paths says that it did, against
observation logs.

Each line of SEEN must have a record of the same path, and of a kind that fits, in one of the logs; what is missing is printed. An ELF
interpreter of a program that is in a log is executed for the kernel, for the observer read.
Exit code 0: all is there; 1: something is missing, or a log is not complete; 2: nothing to compare.
"""
import os
import re
import struct
import sys

# What a record must have one of. "+" stands for an N record: made, where nothing was before; "-" for any other N record.
FITS = {"O": "rwx+", "X": "x", "L": "lrg", "R": "rwxl+", "W": "w+", "M": "m", "C": "c+", "D": "d", "F": "d", "T": "c+",
        "S": "s", "G": "g", "K": "k", "P": "r", "U": "u", "N": "-", "V": "rw"}
SAID = {"O": "opened", "X": "executed", "L": "opened as a directory", "R": "read", "W": "written", "M": "changed", "C": "made", "D": "removed",
        "F": "renamed", "T": "renamed to", "S": "looked at", "G": "entered", "K": "walked as a symlink", "P": "opened as a path",
        "U": "connected to", "N": "looked for", "V": "opened, no file"}
MAX_LINKS = 40


def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode()).decode("utf-8", "surrogateescape")


def read_log(name, had):
    """Adds its paths and kinds. False: not complete."""
    end = None
    with open(name, encoding="utf-8", errors="surrogateescape") as f:
        if f.readline().rstrip("\n") != "whittle-observation 1":
            return False
        for line in f:
            field = line.rstrip("\n").split("\t")
            if field[0] == "A":
                had.setdefault(unescape(field[3]), set()).update(field[1])
            elif field[0] == "N":
                had.setdefault(unescape(field[3]), set()).update("+" * ("c" in field[1]) + "-" * (field[1] != "c"))
            end = field
    return end is not None and end[0] == "E" and end[2] == "0"


def inside(root, path):
    """The file that a path of the container is, no symlink left in it."""
    at, rest, links = "", path.split("/"), 0
    while rest:
        part = rest.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            at = os.path.dirname(at)
            continue
        here = root + at + "/" + part
        if os.path.islink(here):
            links += 1
            if links > MAX_LINKS:
                return None
            target = os.readlink(here)
            at = "" if target.startswith("/") else at
            rest = target.split("/") + rest
            continue
        at += "/" + part
    return at


def interpreter(root, path):
    """Of an ELF file: what PT_INTERP names."""
    try:
        with open(root + path, "rb") as f:
            head = f.read(64)
            if head[:4] != b"\x7fELF" or head[4] not in (1, 2):
                return None
            wide = head[4] == 2
            at, size, count = (struct.unpack_from("<Q", head, 32) + struct.unpack_from("<HH", head, 54) if wide
                               else struct.unpack_from("<I", head, 28) + struct.unpack_from("<HH", head, 42))
            for i in range(count):
                f.seek(at + i * size)
                row = f.read(size)
                if struct.unpack_from("<I", row)[0] == 3:
                    offset, length = (struct.unpack_from("<Q", row, 8) + struct.unpack_from("<Q", row, 32) if wide
                                      else struct.unpack_from("<I", row, 4) + struct.unpack_from("<I", row, 16))
                    f.seek(offset)
                    return inside(root, f.read(length).rstrip(b"\0").decode())
    except OSError:
        pass
    return None


def main():
    root, seen, logs = sys.argv[1], sys.argv[2], sys.argv[3:]
    had, compared, missed, kinds = {}, 0, 0, {}
    for log in logs:
        if not read_log(log, had):
            print(f"{log}: not complete")
            missed += 1
    loaders = {interpreter(root, p) for p, k in had.items() if k & {"x"}} - {None}
    with open(seen, encoding="ascii") as f:
        lines = sorted({(*(unescape(w) for w in line.rstrip("\n").split(" ")), "-")[:3] for line in f})
    made = {}
    for kind, path, thing in lines:
        if kind == "C":
            made.setdefault(thing, set()).add(path)
    for kind, path, thing in lines:
        path = os.path.normpath(path).removesuffix(" (deleted)")
        compared += 1
        kinds[kind] = kinds.get(kind, 0) + 1
        if had.get(path, set()) & set(FITS[kind]):
            continue
        if kind == "X" and path in loaders and "r" in had.get(path, set()):
            continue
        # A file without a name (O_TMPFILE): its directory was opened for writing.
        if kind in "ORW" and re.search(r"/#[0-9]+$", path) and "w" in had.get(os.path.dirname(path), set()):
            continue
        # The number of its names changed, by a link.
        if kind == "M" and made.get(thing, set()) - {path} and "r" in had.get(path, set()):
            continue
        missed += 1
        print(f"{path}: {SAID[kind]}; the log has: {''.join(sorted(had.get(path, '-')))}")
    told = ", ".join(f"{n} {SAID[k]}" for k, n in sorted(kinds.items()))
    print(f"{compared} things seen by the kernel ({told}), {missed} missed", file=sys.stderr)
    sys.exit(1 if missed else 2 if not compared else 0)


main()
