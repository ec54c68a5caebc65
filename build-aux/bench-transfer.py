#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Push and pull of one image with 300 MB of layers, beside others, with a registry (Debian's docker-registry) on loopback.

    bench-transfer.py --whittle PROGRAM [--rounds N] [--dir DIR]

Every run has a registry of its own, empty before a push, so that nobody finds or mounts what another one sent. Pulls start with an empty store. The tools
take turns. Seconds of the wall clock, whole processes; median, minimum and maximum, and the ratio of medians.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LAYERS, SIZE = 6, 50 << 20


def run(*args, **kw):
    p = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **kw)
    if p.returncode:
        sys.exit(f"{' '.join(args)}: {p.returncode}\n{p.stderr[-2000:]}")
    return p.stdout


class Registry:
    def __init__(self, where):
        self.where = where
        shutil.rmtree(where, ignore_errors=True)
        os.makedirs(where)
        self.process = self.start()

    def start(self):
        with open(f"{self.where}/config.yml", "w", encoding="ascii") as f:
            f.write(f"version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {self.where}/data}}}}\nhttp:\n  addr: \"127.0.0.1:0\"\n")
        with open(f"{self.where}/log", "wb") as log:
            p = subprocess.Popen(["docker-registry", "serve", f"{self.where}/config.yml"], stdout=log, stderr=log)
        while p.poll() is None:
            with open(f"{self.where}/log", encoding="utf-8") as f:
                m = re.search(r"listening on (127\.0\.0\.1:\d+)", f.read())
            if m:
                self.host = m.group(1)
                return p
            time.sleep(0.02)
        sys.exit("docker-registry does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def tools(o, d):
    """(name, prepare, push(host), pull(host)); what pulls write to is d/pulled."""
    layout, new = f"oci:{d}/layout", f"{d}/pulled"
    storage = ["--root", f"{d}/storage", "--runroot", f"{d}/storage-run"]
    fresh = ["--root", f"{new}/s", "--runroot", f"{new}/r"]
    list_ = [("whittle", [], [o.whittle, "push", "-q", "--root", f"{d}/store", "bench:1", "{}/bench:1"], [o.whittle, "pull", "-q", "--root", new, "{}/bench:1"])]
    if shutil.which("skopeo"):
        list_.append(("skopeo", [], ["skopeo", "copy", "-q", "--dest-tls-verify=false", layout, "docker://{}/bench:1"],
                      ["skopeo", "copy", "-q", "--src-tls-verify=false", "docker://{}/bench:1", f"oci:{new}"]))
    for name in "buildah", "podman":
        if not shutil.which(name):
            continue
        list_.append((name, [name, *storage, "pull", "-q", layout], [name, *storage, "push", "-q", "--tls-verify=false", "ID", "docker://{}/bench:1"],
                      [name, *fresh, "pull", "-q", "--tls-verify=false", "{}/bench:1"]))
    return list_


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--whittle", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--dir", default="/var/tmp")
    o = p.parse_args()
    o.whittle = os.path.abspath(o.whittle)
    d = tempfile.mkdtemp(prefix="whittle-bench.", dir=o.dir)
    times = {}
    try:
        os.makedirs(f"{d}/ctx")
        with open(f"{d}/ctx/Dockerfile", "w", encoding="ascii") as f:
            f.write("FROM scratch\n" + "".join(f"COPY f{i} /\n" for i in range(LAYERS)))
        for i in range(LAYERS):
            with open(f"{d}/ctx/f{i}", "wb") as f:
                f.write(os.urandom(SIZE))
        run(o.whittle, "build", "-q", "--root", f"{d}/store", "-t", "bench:1", "--output", f"type=oci,tar=false,compression=gzip,dest={d}/layout", f"{d}/ctx")
        all_ = tools(o, d)
        ids = {name: run(*prepare).split()[-1] for name, prepare, _, _ in all_ if prepare}
        for _ in range(o.rounds):
            for name, _, push, pull in all_:
                registry = Registry(f"{d}/registry")
                for what, args in ("push", push), ("pull", pull):
                    os.sync()
                    start = time.monotonic()
                    run(*[ids[name] if a == "ID" else a.format(registry.host) for a in args])
                    times.setdefault(what, {}).setdefault(name, []).append(time.monotonic() - start)
                registry.stop()
                if name in ("buildah", "podman"):
                    subprocess.run([name, "--root", f"{d}/pulled/s", "--runroot", f"{d}/pulled/r", "rmi", "-af"], capture_output=True, check=False)
                shutil.rmtree(f"{d}/pulled")
    finally:
        subprocess.run(["umount", f"{d}/storage/overlay", f"{d}/pulled/s/overlay"], capture_output=True, check=False)
        shutil.rmtree(d, ignore_errors=True)
    for what, by_tool in times.items():
        first = statistics.median(by_tool["whittle"])
        print(f"| {what}, {LAYERS * SIZE >> 20} MiB in {LAYERS} layers, {o.rounds} runs | " + " | ".join(
            f"{name} {statistics.median(v):.2f} ({min(v):.2f}–{max(v):.2f}), {statistics.median(v) / first:.1f}" for name, v in by_tool.items()) + " |")


main()
