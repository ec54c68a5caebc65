#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_witness.py LAYOUT SEEN PROGRAM: what fanotify saw against the profile in the image's prune report.

SEEN is what witness.c wrote. Roots of containers are those directories under which PROGRAM was opened. Prints each file of
the image's unpruned tree that was seen there and that no profile has.
Exit code 0: none; 1: some; 2: nothing to compare.
"""
import base64
import json
import os
import re
import sys

layout, seen_file, program = sys.argv[1:]


def blob(digest):
    with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as f:
        return f.read()


def statements():
    with open(os.path.join(layout, "index.json")) as f:
        index = json.load(f)
    for m in index["manifests"]:
        for layer in json.loads(blob(m["digest"])).get("layers", []):
            if "json" not in layer["mediaType"]:
                continue
            doc = json.loads(blob(layer["digest"]))
            if "dsseEnvelope" in doc:
                doc = json.loads(base64.b64decode(doc["dsseEnvelope"]["payload"]))
            if "predicateType" in doc:
                yield doc


report = next((s["predicate"] for s in statements() if "prune-report" in s["predicateType"]), None)
if report is None:
    sys.exit("no prune report")
had = set()
for profile in report["profiles"]:
    had.update(e["path"] for e in profile["document"]["used"])
    had.update(e["path"] for e in profile["document"]["created"])
kept = {e["path"] for e in report["report"]["kept"]}
gone = report["report"]["removed_tree"]


def in_image(path):
    """What runs make, under whatever name, is not the image's."""
    at = gone
    if path in kept:
        return True
    for part in path.split("/"):
        if not isinstance(at, dict) or part not in at:
            return False
        at = at[part]
    return True




def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode()).decode("utf-8", "surrogateescape")


with open(seen_file) as f:
    seen = {unescape(line.rstrip("\n").split(" ", 1)[1]) for line in f}
roots = {p[: -len(program) - 1] for p in seen if p.endswith("/" + program)}
if not roots:
    print("the witness saw no container with", program, file=sys.stderr)
    sys.exit(2)
compared = missed = 0
names = set()
for path in seen:
    for root in roots:
        if path.startswith(root + "/"):
            names.add(path[len(root) + 1:].removesuffix(" (deleted)"))
for name in sorted(filter(in_image, names)):
    compared += 1
    if name in had:
        continue
    missed += 1
    print(name)
print(f"{compared} files seen by the kernel, {missed} missed", file=sys.stderr)
sys.exit(2 if not compared else 1 if missed else 0)
