#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a quiet store without any code of ours: store_check.py STORE [--collected|--clean]

It must be an OCI layout whose every blob is what its name says; what index.json names must be there with all that it leads to; each
record's blobs must be there. With --collected (after a gc) nothing may be there that neither a name, a record nor a manifest leads to, and
nothing temporary. With --clean (after a gc --all) nothing that no name leads to. Complaints go to standard output, one a
line; exit code 1 when there are any.
"""
import hashlib
import json
import os
import re
import sys

store, clean = sys.argv[1], "--clean" in sys.argv[2:]
collected = clean or "--collected" in sys.argv[2:]
bad = []
HEX = re.compile(r"[0-9a-f]{64}$")


def ls(name):
    try:
        return sorted(os.listdir(os.path.join(store, name)))
    except FileNotFoundError:
        return []


def read(name):
    with open(os.path.join(store, name), "rb") as f:
        return f.read()


def complain(text):
    bad.append(text)


blobs = set(ls("blobs/sha256"))
for b in blobs:
    h = hashlib.sha256()
    with open(os.path.join(store, "blobs/sha256", b), "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    if h.hexdigest() != b:
        complain(f"blob {b} is not what its name says")


def document(digest):
    path = f"blobs/sha256/{digest}"
    if digest not in blobs or os.path.getsize(os.path.join(store, path)) > 4 << 20:
        return None
    data = read(path)
    if not data.startswith(b"{"):
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None


# Layers that stay in a registry: origins/MANIFEST says in which.
elsewhere = set()
for name in ls("origins"):
    if name not in blobs:
        complain(f"origins/{name}: there is no such manifest")
    for digest, where in json.loads(read(f"origins/{name}")).items():
        if not where.startswith("registry:"):
            complain(f"origins/{name}: {where}")
        elsewhere.add(digest.split(":")[1])
elsewhere -= blobs


def reach(digest, into, why):
    if digest in into:
        return
    into.add(digest)
    if digest in elsewhere:
        return
    if digest not in blobs:
        complain(f"{why}: blob {digest} is missing")
        return
    d = document(digest)
    if not isinstance(d, dict) or not ("layers" in d or "manifests" in d):
        return
    for part in d.get("layers", []) + d.get("manifests", []) + ([d["config"]] if "config" in d else []):
        reach(part["digest"].split(":")[1], into, why)


if json.loads(read("oci-layout")) != {"imageLayoutVersion": "1.0.0"}:
    complain("oci-layout")
named = set()
for m in json.loads(read("index.json"))["manifests"]:
    reach(m["digest"].split(":")[1], named, "index.json")

kept = set(named)
diffs = set()
for name in ls("records"):
    if not HEX.match(name):
        if not name.startswith(".tmp-"):
            complain(f"records/{name}")
        continue
    r = json.loads(read(f"records/{name}"))
    wanted = [r["layer"]["blob"]] if "layer" in r else []
    wanted += [r[k] for k in ("doc",) if k in r]
    for b in wanted:
        if b not in blobs and collected:
            complain(f"record {name}: blob {b} is missing")
    kept.update(wanted + ([r["inputs"]] if "inputs" in r else []))
for b in blobs - kept:
    d = document(b)
    if isinstance(d, dict) and ("layers" in d or "manifests" in d):
        kept.add(b)
        for part in d.get("layers", []) + d.get("manifests", []) + ([d["config"]] if "config" in d else []):
            kept.add(part["digest"].split(":")[1])
if clean:
    kept = named
for v in ls("variants"):
    diff, _, what = v.partition(".")
    if HEX.match(what):
        if what in blobs:
            diffs.add(diff)
        elif collected:
            complain(f"variants/{v}: its blob is missing")
    else:
        b = read(f"variants/{v}").split()[0].decode().split(":")[1]
        if b not in blobs and collected:
            complain(f"variants/{v}: its blob is missing")
        elif not clean:
            kept.add(b)
for b in sorted(blobs - kept if collected else []):
    complain(f"blob {b}: nothing leads to it")
for v in ls("variants"):
    if collected and v.partition(".")[0] not in diffs:
        complain(f"variants/{v}: no blob has this tar")
for kind in ("index", "snapshots") if collected else ():
    for name in ls(kind):
        if name not in diffs:
            complain(f"{kind}/{name}: no blob has this tar")
for name in ls("roots"):
    if collected and name.endswith(".used") and name[:-5] not in ls("roots"):
        complain(f"roots/{name}: no such root")
if clean:
    for kind in ("snapshots", "roots", "records", "caches", "memo", "sources/trees", "sources/git", "sources/files",
                 "sources/http", "sources/sums", "sources/refs", "sources/locks"):
        for name in ls(kind):
            if (kind, name) != ("memo", "lock"):
                complain(f"{kind}/{name} is left")
for name in ls("partial"):
    if clean or not HEX.match(name) or (collected and name in blobs):
        complain(f"partial/{name} is left")
for name in ls("tmp") + ls("claims") if collected else []:
    complain(f"tmp/ or claims/: {name} is left")
for kind in (".", "records", "memo", "variants", "sources/http", "sources/sums", "sources/refs") if collected else ():
    for name in ls(kind):
        if name.startswith(".tmp-"):
            complain(f"{kind}/{name} is left")
print("\n".join(bad), end="\n" if bad else "")
sys.exit(1 if bad else 0)
