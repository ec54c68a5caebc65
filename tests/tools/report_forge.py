#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report_forge.py LAYOUT FILTER: gives a layout another prune report, made of its own by a filter of jq; digests and sizes are made right."""
import hashlib
import json
import os
import subprocess
import sys

layout, jq = sys.argv[1:]
blobs = os.path.join(layout, "blobs", "sha256")


def read(digest):
    with open(os.path.join(blobs, digest.split(":")[1]), "rb") as f:
        return f.read()


def write(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def forge(data):
    """The same bytes with another predicate; None: it is no report."""
    try:
        doc = json.loads(data)
    except ValueError:
        return None
    if not isinstance(doc, dict) or doc.get("predicateType") != "https://whittle.dev/prune-report/v1":
        return None
    made = subprocess.run(["jq", "-c", ".predicate |= (%s)" % jq], input=data, stdout=subprocess.PIPE, check=True)
    return made.stdout


with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
    index = json.load(f)
forged = 0
for entry in index["manifests"]:
    manifest = json.loads(read(entry["digest"]))
    for layer in manifest.get("layers", []) if "subject" in manifest else []:
        new = forge(read(layer["digest"]))
        if new is None:
            continue
        layer.update(write(new))
        entry.update(write(json.dumps(manifest).encode()))
        forged += 1
with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as f:
    json.dump(index, f)
sys.exit(0 if forged else "no report in " + layout)
