#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the way out: what observing costs, what profiling and pruning cost, verifying, pushing.

usage: bench-harden.py --build DIR --base OCI_LAYOUT [--work DIR] [--rounds N] [--only CASE]... [--json FILE]

DIR is a build folder with whittle and whittle-record. Cases, run N times in turns for every tool; medians and ratios are printed:
  observe  a C program that opens and closes 50,000 files' names: alone, under whittle-record, under strace with a filter for path
           calls (seccomp stops, ptrace), under strace on every call (how ptrace-based slimmers observe)
  harden   examples/nginx from its cached stages to a pruned, signed image; of it, the two test runs; the same from the cache
  verify   `whittle verify` of that image, and cosign verify-blob's share is not in it: only whittle checks the bytes
  push     that image into an empty loopback registry: whittle push, skopeo copy
Needs: cc, strace, docker-registry, skopeo.
"""
import argparse, json, os, re, shutil, statistics, subprocess, sys, tempfile, time

LOOP = r'''
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	char name[64];
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "files/%d", i % 500);
		int fd = open(name, O_RDONLY);
		if (fd < 0)
			return 1;
		close(fd);
	}
	return 0;
}
'''


def run(cmd, **kw):
    begin = time.monotonic()
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    took = time.monotonic() - begin
    if r.returncode:
        sys.exit("bench-harden: %s\nfailed with %d:\n%s" % (" ".join(cmd), r.returncode, r.stdout.decode("utf-8", "replace")[-2000:]))
    return took, r.stdout.decode("utf-8", "replace")


class Bench:
    def __init__(self, o):
        self.o = o
        self.times = {}
        self.whittle = os.path.join(os.path.abspath(o.build), "whittle")
        self.record = os.path.join(os.path.abspath(o.build), "whittle-record")
        self.top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.store = os.path.join(o.work, "store")
        os.environ["COSIGN_PASSWORD"] = "bench"

    def note(self, case, tool, seconds):
        self.times.setdefault(case, {}).setdefault(tool, []).append(seconds)

    def build(self, *words):
        return run([self.whittle, "build", "--root", self.store, "--build-context", "debian=oci-layout://" + os.path.abspath(self.o.base),
                    *words, os.path.join(self.top, "examples/nginx")])

    def observe(self):
        d = os.path.join(self.o.work, "observe")
        os.makedirs(d + "/files", exist_ok=True)
        for i in range(500):
            open("%s/files/%d" % (d, i), "w").close()
        with open(d + "/loop.c", "w") as f:
            f.write(LOOP)
        run(["cc", "-O1", "-o", d + "/loop", d + "/loop.c"])
        tools = {
            "alone": [],
            "whittle-record": [self.record, "-o", d + "/log", "--"],
            "strace, path calls": ["strace", "-f", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null"],
            "strace, every call": ["strace", "-f", "-o", "/dev/null"],
        }
        for _ in range(self.o.rounds):
            for name, before in tools.items():
                if os.path.exists(d + "/log"):
                    os.unlink(d + "/log")
                took, _ = run([*before, "./loop"], cwd=d)
                self.note("observe: 50,000 open and close", name, took)

    def harden(self):
        key = os.path.join(self.o.work, "key")
        if not os.path.exists(key + ".key"):
            run([self.whittle, "keygen", "--output-key-prefix", key])
        for target in ("app", "tests"):
            self.build("--target", target)
        for _ in range(self.o.rounds):
            took, text = self.build("-t", "bench/nginx", "--sign-key", key + ".key", "--no-cache-filter", "release")
            self.note("examples/nginx: profile, prune, test again, sign", "whittle", took)
            for line in re.findall(r"^#(\d+) DONE ([0-9.]+)s", text, re.M):
                if re.search(r"^#%s \[release 1/2\] PROFILE" % line[0], text, re.M):
                    self.note("examples/nginx: profile, prune, test again, sign", "of it PROFILE", float(line[1]))
                if re.search(r"^#%s \[release 2/2\] PRUNE" % line[0], text, re.M):
                    self.note("examples/nginx: profile, prune, test again, sign", "of it PRUNE", float(line[1]))
            took, _ = self.build("-t", "bench/cached")
            self.note("examples/nginx: the same from the cache, unsigned", "whittle", took)
            out = os.path.join(self.o.work, "out")
            shutil.rmtree(out, ignore_errors=True)
            self.build("-t", "bench/nginx", "--sign-key", key + ".key", "-o", "type=oci,tar=false,dest=" + out)
            took, _ = run([self.whittle, "verify", "oci:%s:latest" % out, "--key", key + ".pub"])
            self.note("examples/nginx: verify", "whittle", took)

    def push(self):
        self.build("-t", "bench/push", "-o", "type=oci,tar=false,dest=" + os.path.join(self.o.work, "plain"), "--target", "app")
        for _ in range(self.o.rounds):
            for name in ("whittle", "skopeo"):
                d = tempfile.mkdtemp(dir=self.o.work)
                with open(d + "/config.yml", "w") as f:
                    f.write("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: '127.0.0.1:0'}\n" % d)
                with open(d + "/log", "w") as log:
                    server = subprocess.Popen(["docker-registry", "serve", d + "/config.yml"], stdout=log, stderr=log)
                try:
                    address = None
                    while not address:
                        time.sleep(0.05)
                        address = re.search(r"listening on (127\.0\.0\.1:\d+)", open(d + "/log").read())
                    ref = address[1] + "/bench/app:1"
                    if name == "whittle":
                        took, _ = run([self.whittle, "push", "--root", self.store, "bench/push", ref])
                    else:
                        took, _ = run(["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false",
                                       "oci:%s/plain:latest" % self.o.work, "docker://" + ref])
                    self.note("push of examples/nginx's unpruned image", name, took)
                finally:
                    server.terminate()
                    server.wait()
                    shutil.rmtree(d)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--base", required=True)
    p.add_argument("--work", default="/var/tmp/whittle-bench-harden")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", action="append", choices=["observe", "harden", "push"])
    p.add_argument("--json")
    o = p.parse_args()
    os.makedirs(o.work, exist_ok=True)
    b = Bench(o)
    for case in o.only or ["observe", "harden", "push"]:
        getattr(b, case)()
    for case, tools in b.times.items():
        first = None
        print(case)
        for tool, seconds in tools.items():
            median = statistics.median(seconds)
            first = first or median
            print("  %-22s %8.3f s  (%.3f–%.3f)  × %.1f" % (tool, median, min(seconds), max(seconds), median / first))
    if o.json:
        with open(o.json, "w") as f:
            json.dump(b.times, f, indent=1)


main()
