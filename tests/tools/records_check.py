#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""records_check.py BEFORE AFTER - were dpkg's records filtered honestly? Both are OCI layouts with one image.

Written apart from the program: from the lists of the image before, and the files of the image after. Prints what is wrong,
one thing a line, and exits with 1:
  - a package of which a file other than documentation is there has no record, or one has a record without that
  - a record was changed
  - a list names what is not there, or leaves out what is
  - a package that is there has no copyright file, though it had one
"""
import io
import json
import os
import subprocess
import sys
import tarfile

DOCUMENTATION = tuple(f"usr/share/{d}/" for d in ("doc", "man", "info", "lintian", "doc-base"))
INFO = "var/lib/dpkg/info/"


def blob(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def read_tree(layout):
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
        images = [m for m in json.load(f)["manifests"] if "artifactType" not in m]
    with open(blob(layout, images[0]["digest"]), encoding="utf-8") as f:
        layers = json.load(f)["layers"]
    tree = {}
    for layer in layers:
        path = blob(layout, layer["digest"])
        if layer["mediaType"].endswith("zstd"):
            raw = io.BytesIO(subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout)
        else:
            raw = path
        with tarfile.open(**({"name": raw} if raw is path else {"fileobj": raw})) as tar:
            for member in tar:
                name = member.name.removeprefix("./").strip("/")
                head, _, last = name.rpartition("/")
                if last == ".wh..wh..opq":
                    for old in [n for n in tree if n.startswith(head + "/")]:
                        del tree[old]
                elif last.startswith(".wh."):
                    gone = f"{head}/{last[4:]}" if head else last[4:]
                    for old in [n for n in tree if n == gone or n.startswith(gone + "/")]:
                        del tree[old]
                else:
                    data = tar.extractfile(member).read() if name.startswith("var/lib/dpkg/") and member.isreg() else None
                    tree[name] = (member, data)
    return tree


def text(tree, name):
    return tree[name][1].decode() if name in tree and tree[name][1] is not None else ""


def records(tree):
    found = {}
    for stanza in text(tree, "var/lib/dpkg/status").strip("\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            name = fields["Package"]
            full = f"{name}:{fields['Architecture']}"
            found[full if fields.get("Multi-Arch") == "same" else name] = stanza
    return found


def main(before, after):
    full, pruned = read_tree(before), read_tree(after)
    wrong = []
    links = {n: m.linkname.strip("/") for n, (m, _) in full.items() if m.issym() and "/" not in n}
    lines = text(full, "var/lib/dpkg/diversions").split("\n")
    diversions = {lines[i]: (lines[i + 1], lines[i + 2]) for i in range(0, len(lines) - 2, 3)}

    def place(package, listed):
        to, by = diversions.get(listed, (listed, package))
        path = (to if by != package.split(":")[0] else listed).strip("/")
        top, _, rest = path.partition("/")
        return f"{links[top]}/{rest}" if top in links and rest else path

    old, new = records(full), records(pruned)
    for package, stanza in old.items():
        name = f"{INFO}{package}.list"
        listed = [line for line in text(full, name).split("\n") if line and line != "/."]
        there = [line for line in listed if place(package, line) in pruned]
        files = [line for line in there if not pruned[place(package, line)][0].isdir() and line.count("/") > 1]
        remains = any(not place(package, line).startswith(DOCUMENTATION) for line in files)
        if remains != (package in new):
            wrong.append(f"{package}: {'a file of it is there, its record is not' if remains else 'a record of nothing'}")
        if package not in new:
            continue
        if new[package] != stanza:
            wrong.append(f"{package}: its record was changed")
        now = text(pruned, name).split("\n")
        wrong += [f"{package}: lists {line}" for line in now if line and line != "/." and line not in there]
        wrong += [f"{package}: does not list {line}" for line in files if line not in now]
        copyright_file = f"usr/share/doc/{package.split(':')[0]}"
        if copyright_file in full and copyright_file not in pruned:
            wrong.append(f"{package}: no copyright")
    wrong += [f"{package}: a record from nowhere" for package in new if package not in old]
    print("\n".join(wrong[:40]) or f"{len(new)} of {len(old)} records, all of them right")
    return 1 if wrong or not old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
