#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what observing costs an application: nobody looks, whittle-record, strace -f.

usage: bench-observe.py --build DIR --apps TREE [--work DIR] [--rounds N] [--seconds N] [--only CASE]... [--json FILE]

TREE is what `mkbase.sh apps TREE wrk openjdk-17-jdk-headless` makes; the applications run chrooted on an overlay of it, without a
sandbox, so that the observer alone is compared. DIR is a build folder with whittle-record. Each case is run N times for each tool, in
turns; medians, extremes and ratios are printed; also the processor time that the application and its observer took together, which says
more where the machine is busy with other things.
  nginx      requests a second of one worker with an access log, wrk with 16 kept connections: an answer from memory; a file of 4 KiB,
             opened each time, as is nginx's default; the same with open_file_cache
  redis      requests a second, redis-benchmark with 50 connections: SET and GET, alone and 16 in a pipeline
  python     seconds from the start of a Flask service to its first answer
  java       … of a service of the JDK's own HTTP server
strace writes to /dev/null. Needs root, strace, util-linux.
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

NGINX = """daemon off;
worker_processes 1;
error_log /dev/null;
pid /tmp/nginx.pid;
events { worker_connections 512; }
http {
	access_log /tmp/access.log;
	sendfile on;
	keepalive_requests 1000000000;
	server {
		listen 127.0.0.1:%(port)d;
		root /srv/bench;
		location = /memory { return 200 "hello\\n"; }
		location /cached/ { alias /srv/bench/; open_file_cache max=100; }
	}
}
"""
FLASK = """from flask import Flask
app = Flask(__name__)
@app.route("/")
def index():
    return "hello"
app.run(port=%(port)d)
"""
JAVA = """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Service {
	public static void main(String[] args) throws Exception {
		HttpServer s = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
		s.createContext("/", x -> {
			byte[] b = "hello".getBytes();
			x.sendResponseHeaders(200, b.length);
			x.getResponseBody().write(b);
			x.close();
		});
		s.start();
	}
}
"""
UNITS = {"1/s": "requests a second", "µs": "CPU µs a request", "s": "seconds", "CPU s": "CPU seconds"}
GIVE_UP = 120  # seconds


def fail(text):
    sys.exit("bench-observe: " + text)


def out_of(cmd):
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        fail("%s\nfailed with %d:\n%s" % (" ".join(cmd), r.returncode, r.stdout.decode("utf-8", "replace")[-2000:]))
    return r.stdout.decode("utf-8", "replace")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    """One HTTP answer has come."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(12).startswith(b"HTTP/1.")
    except OSError:
        return False


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def cpu_seconds(session):
    """What the threads of a session have had of the processors."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                if int(f.read().rsplit(")", 1)[1].split()[3]) != session:
                    continue
            for task in os.listdir("/proc/%s/task" % pid):
                with open("/proc/%s/task/%s/schedstat" % (pid, task)) as f:
                    total += int(f.read().split()[0])
        except OSError:
            continue
    return total / 1e9


class Bench:
    def __init__(self, o):
        self.o = o
        self.root = os.path.join(o.work, "root")
        self.figures = {}
        self.record = os.path.join(os.path.abspath(o.build), "whittle-record")
        self.tools = {
            "nobody looks": lambda words: ["chroot", self.root, *words],
            "whittle-record": lambda words: ["chroot", self.root, "/whittle-record", "-o", "/tmp/log", "--", *words],
            "strace -f": lambda words: ["strace", "-f", "-o", "/dev/null", "chroot", self.root, *words],
        }

    def prepare(self):
        for d in ("files/srv/bench", "files/tmp", "up", "over", "root"):
            os.makedirs(os.path.join(self.o.work, d), exist_ok=True)
        files = os.path.join(self.o.work, "files")
        os.chmod(files + "/tmp", 0o1777)
        shutil.copy(self.record, files + "/whittle-record")
        with open(files + "/srv/bench/file", "wb") as f:
            f.write(os.urandom(4096))
        with open(files + "/srv/bench/Service.java", "w") as f:
            f.write(JAVA)
        # Their mount namespace is ours alone (main): nothing is left mounted.
        out_of(["mount", "-t", "overlay", "whittle-bench", self.root, "-o",
                "lowerdir=%s:%s/root,upperdir=%s/up,workdir=%s/over" % (files, os.path.abspath(self.o.apps), self.o.work, self.o.work)])
        out_of(["mount", "-t", "proc", "proc", self.root + "/proc"])
        out_of(["mount", "--bind", "/dev", self.root + "/dev"])
        out_of(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", self.root + "/tmp"])

    def note(self, case, tool, value, unit):
        if self.warming:
            return
        self.figures.setdefault((case, unit), {}).setdefault(tool, []).append(value)
        print("%-60s %-16s %10.2f %s" % (case, tool, value, unit), file=sys.stderr)

    def start(self, tool, words, ready, port):
        """The process, and the seconds until it was ready."""
        begin = time.monotonic()
        p = subprocess.Popen(self.tools[tool](words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
        while not ready(port):
            if p.poll() is not None or time.monotonic() - begin > GIVE_UP:
                fail("%s under %s does not answer" % (words, tool))
            time.sleep(0.001)
        return p, time.monotonic() - begin

    def stop(self, p, tool):
        """All of its session is ours."""
        if tool == "strace -f":  # which waits for its children, and passes nothing on
            for child in out_of(["ps", "-o", "pid=", "--ppid", str(p.pid)]).split():
                os.kill(int(child), 15)
        else:
            p.terminate()
        p.wait(GIVE_UP)
        log = self.root + "/tmp/log"
        if tool == "whittle-record":
            with open(log, "rb") as f:
                end = f.read().splitlines()[-1].split(b"\t")
            if end[0] != b"E" or end[2] != b"0":
                fail("an observation log is not complete")
            self.events = int(end[1])
            os.unlink(log)

    def each(self):
        """Once for warmth, then in turns, each round beginning with another one."""
        names = list(self.tools)
        self.warming = True
        yield names[0]
        self.warming = False
        for i in range(self.o.rounds):
            yield from names[i % len(names):] + names[: i % len(names)]

    def nginx(self):
        for tool in self.each():
            port = free_port()
            with open(self.root + "/srv/bench/nginx.conf", "w") as f:
                f.write(NGINX % {"port": port})
            p, _ = self.start(tool, ["nginx", "-c", "/srv/bench/nginx.conf"], listens, port)
            for case, path in (("nginx, an answer from memory", "memory"), ("nginx, a file of 4 KiB", "file"),
                               ("nginx, … with open_file_cache", "cached/file")):
                before = cpu_seconds(p.pid)
                text = out_of(["chroot", self.root, "wrk", "-t1", "-c16", "-d%ds" % self.o.seconds, "http://127.0.0.1:%d/%s" % (port, path)])
                if "Non-2xx" in text:
                    fail(text)
                self.note(case, tool, float(re.search(r"Requests/sec: +([0-9.]+)", text)[1]), "1/s")
                requests = int(re.search(r"([0-9]+) requests in", text)[1])
                self.note(case, tool, (cpu_seconds(p.pid) - before) / requests * 1e6, "µs")
            self.stop(p, tool)
            os.unlink(self.root + "/tmp/access.log")

    def redis(self):
        for tool in self.each():
            port = free_port()
            p, _ = self.start(tool, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"], listens, port)
            for depth, n in ((1, 60000), (16, 600000)):
                if tool == "strace -f":
                    n //= 10
                for what in ("SET", "GET"):
                    case = "redis, %s%s" % (what, ", 16 in a pipeline" if depth > 1 else "")
                    before = cpu_seconds(p.pid)
                    text = out_of(["chroot", self.root, "redis-benchmark", "-p", str(port), "-n", str(n), "-P", str(depth), "-t", what.lower(),
                                   "--csv"])
                    self.note(case, tool, float(re.search(r'^"%s","([0-9.]+)"' % what, text, re.M)[1]), "1/s")
                    self.note(case, tool, (cpu_seconds(p.pid) - before) / n * 1e6, "µs")
            self.stop(p, tool)

    def python(self):
        with open(self.root + "/srv/bench/service.py", "w") as f:
            f.write(FLASK % {"port": (port := free_port())})
        for tool in self.each():
            p, took = self.start(tool, ["python3", "/srv/bench/service.py"], answers, port)
            self.note("a Flask service: start to first answer", tool, took, "s")
            self.note("a Flask service: start to first answer", tool, cpu_seconds(p.pid), "CPU s")
            self.stop(p, tool)

    def java(self):
        out_of(["chroot", self.root, "javac", "-d", "/srv/bench", "/srv/bench/Service.java"])
        for tool in self.each():
            port = free_port()
            p, took = self.start(tool, ["java", "-cp", "/srv/bench", "Service", str(port)], answers, port)
            self.note("a Java service: start to first answer", tool, took, "s")
            self.note("a Java service: start to first answer", tool, cpu_seconds(p.pid), "CPU s")
            self.stop(p, tool)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--apps", required=True)
    p.add_argument("--work", default="/var/tmp/whittle-bench-observe")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=2)
    p.add_argument("--only", action="append", choices=["nginx", "redis", "python", "java"])
    p.add_argument("--json")
    o = p.parse_args()
    if not os.environ.get("WHITTLE_BENCH_INSIDE"):
        os.environ["WHITTLE_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable, *sys.argv])
    shutil.rmtree(o.work, ignore_errors=True)
    b = Bench(o)
    b.prepare()
    for case in o.only or ["nginx", "redis", "python", "java"]:
        getattr(b, case)()
    print("| |" + "|".join(" %s | ratio " % t if i else " %s " % t for i, t in enumerate(b.tools)) + "|")
    print("|---|" + "---|" * (2 * len(b.tools) - 1))
    for (case, unit), tools in b.figures.items():
        cells, first = [], None
        for tool in b.tools:
            values = tools[tool]
            m = statistics.median(values)
            form = {"1/s": "{:,.0f}", "µs": "{:.1f}"}.get(unit, "{:.2f}")
            cells.append("%s (%s–%s)" % tuple(form.format(v) for v in (m, min(values), max(values))))
            if first is None:
                first = m
            else:
                cells.append("%.2f" % (first / m if unit == "1/s" else m / first))
        print("| %s, %s | %s |" % (case, UNITS[unit], " | ".join(cells)))
    if o.json:
        with open(o.json, "w") as f:
            json.dump([{"case": c, "unit": u, "tools": t} for (c, u), t in b.figures.items()], f, indent=1)


main()
