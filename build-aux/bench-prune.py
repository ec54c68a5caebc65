#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What pruning gives, for each of examples/: one table, as Markdown.

usage: bench-prune.py --build DIR --base OCI_LAYOUT [--db DIR_OR_FILE] [--work DIR] [--only NAME]... [--ten NAME]... [--json FILE]

DIR is a build folder with whittle. Every example is built twice into one store: its stages first (--target app and tests), so that the time
of PROFILE and PRUNE stands alone, then the whole. Figures before and after are the verdict's own (one rule, one database). --db: OSV records
to import, for the findings. --ten NAME: that PROFILE ten times more, without the cache; are the profiles the same?
"""
import argparse, json, os, re, subprocess, sys, tempfile, time

NAMES = ["nginx", "redis", "postgresql", "python-service", "flask-service", "node-service", "java-service", "php-fpm", "command-line"]


def run(cmd, ok=(0,)):
    begin = time.monotonic()
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if r.returncode not in ok:
        sys.exit("bench-prune: %s\nfailed with %d:\n%s" % (" ".join(cmd), r.returncode, r.stderr[-3000:]))
    return time.monotonic() - begin, r


class Bench:
    def __init__(self, o):
        self.o = o
        self.whittle = os.path.join(os.path.abspath(o.build), "whittle")
        self.top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.store = os.path.join(o.work, "store")
        if o.db:
            run([self.whittle, "db", "import", "--root", self.store, o.db])

    def build(self, name, *words):
        return run([self.whittle, "build", "--root", self.store, "--progress", "plain", "--build-context",
                    "debian=oci-layout://" + os.path.abspath(self.o.base), *words, os.path.join(self.top, "examples", name)])

    def one(self, name):
        for target in ("app", "tests"):
            self.build(name, "--target", target)
        layout = os.path.join(self.o.work, name)
        took, r = self.build(name, "-t", name, "-o", "type=oci,dest=%s,tar=false" % layout)
        rows = dict((m[0].strip(), (m[1].replace(",", ""), m[2].replace(",", ""))) for m in re.findall(
            r"^  (\w[\w -]*?)  +([0-9.,]+(?: MB)?|not assessed) +([0-9.,]+(?: MB)?|not assessed)(?: .*)?$", r.stdout, re.M))
        times = dict(re.findall(r"^#(\d+) DONE ([0-9.]+)s", r.stderr, re.M))
        steps = dict((what, times.get(number)) for number, what in re.findall(r"^#(\d+) \[release \d+/\d+\] (PROFILE|PRUNE)", r.stderr, re.M))
        risk = re.search(r"\brisk: (.*)$", r.stderr, re.M)
        return {"name": name, "rows": rows, "profile": steps.get("PROFILE"), "prune": steps.get("PRUNE"), "total": took,
                "risk": risk and risk.group(1)}

    def ten(self, name):
        """PROFILE --runs=10 of the same Dockerfile: what the build says of them."""
        with open(os.path.join(self.top, "examples", name, "Dockerfile")) as f:
            text = re.sub(r"^PROFILE ", "PROFILE --runs=10 ", f.read(), flags=re.M)
        path = os.path.join(self.o.work, "Dockerfile." + name)
        with open(path, "w") as f:
            f.write(re.sub(r"--timeout=\S+", "--timeout=20m", text))
        _, r = self.build(name, "-f", path)
        return [re.sub(r"^#\d+ [0-9.]+ ", "", line) for line in r.stderr.splitlines() if re.search(r"\bruns\b", line)]


def percent(a, b):
    return "%.1f %%" % (100.0 * b / a) if a else "–"


def number(text):
    try:
        return float(text.replace(" MB", ""))
    except ValueError:
        return None


def cell(row):
    if not row:
        return "–"
    a, b = row
    x, y = number(a), number(b)
    if x is None:
        return a
    unit = " MB" if a.endswith("MB") else ""
    return "%s → %s%s (%s)" % (a.replace(" MB", ""), b.replace(" MB", ""), unit, percent(x, y))


def risk(r):
    """The build's own line, shorter: how many of the tests would have broken without each other, and the bound."""
    m = re.match(r"(?:each of (\d+) tests|(\d+) of (\d+) tests).*?at most ([0-9.]+) %", r["risk"] or "")
    if not m:
        return "–"
    return "%s of %s (≤ %s %%)" % (m[2] or 0, m[1] or m[3], m[4])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--base", required=True)
    p.add_argument("--db")
    p.add_argument("--work")
    p.add_argument("--only", action="append")
    p.add_argument("--ten", action="append", default=[])
    p.add_argument("--json")
    o = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-prune-") as d:
        o.work = o.work or d
        os.makedirs(o.work, exist_ok=True)
        b = Bench(o)
        results = []
        print("| example | bytes | files | executables | packages | findings | tests that would have broken | PROFILE, PRUNE |")
        print("|---|---|---|---|---|---|---|---|")
        for name in o.only or NAMES:
            r = b.one(name)
            results.append(r)
            rows = r["rows"]
            print("| %s | %s | %s s, %s s |" % (name, " | ".join(
                [cell(rows.get(k)) for k in ("bytes", "files", "executables", "packages", "findings")] + [risk(r)]), r["profile"], r["prune"]), flush=True)
        for name in o.ten:
            for line in b.ten(name):
                print("\n%s, ten runs: %s" % (name, line), flush=True)
        if o.json:
            with open(o.json, "w") as f:
                json.dump(results, f, indent=1)
        subprocess.run(["chmod", "-R", "u+w", o.work], stderr=subprocess.DEVNULL)


main()
