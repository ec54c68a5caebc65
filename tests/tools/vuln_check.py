#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An independent look at vulnerabilities, for tests: shares nothing with the program but the inputs.

vuln_check.py check RECORDS STATUS RELEASE SCAN.json...
    Finds, with dpkg's own --compare-versions, what of the OSV records (jsonl, may be gzipped) the packages of a dpkg status
    file have on Debian RELEASE, and compares that with what `whittle scan --format json` said: findings with their
    severities and fixes, and the distinct ids of each severity. Prints one line; exit code 1 when anything differs.
vuln_check.py pairs SEED N STATUS RECORDS
    Writes N packages with versions that are hard to order, and two records for each: one fixed in, one last affected
    at, another version.
"""
import gzip
import json
import random
import subprocess
import sys
from functools import lru_cache

GRADES = ["unknown", "negligible", "low", "medium", "high", "critical"]


@lru_cache(maxsize=None)
def holds(a, op, b):
    r = subprocess.run(["dpkg", "--compare-versions", a, op, b], capture_output=True)
    if r.stderr:
        raise SystemExit("dpkg on %s %s %s: %s" % (a, op, b, r.stderr.decode()))
    return r.returncode == 0


def records(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def packages(path):
    """(name, version, source, version of the source) of what is installed."""
    found = []
    with open(path, encoding="utf-8") as f:
        for block in f.read().split("\n\n"):
            field = {}
            for line in block.splitlines():
                if line[:1].isspace() or ":" not in line:
                    continue
                key, value = line.split(":", 1)
                field[key] = value.strip()
            if "Package" not in field or not field.get("Status", "").endswith(" installed"):
                continue
            source, version = field.get("Source", field["Package"]), field["Version"]
            own = version
            if "(" in source:
                source, version = source.rstrip(")").split(" (")
            found.append((field["Package"], own, source, version))
    return found


def affected(entry, version):
    """(True, fix or None), or (False, None). The records that are used have plain ranges; anything else stops the test."""
    assert "versions" not in entry
    for r in entry["ranges"]:
        assert r["type"] == "ECOSYSTEM"
        events = r["events"]
        assert events[0] == {"introduced": "0"} and len(events) <= 2
        if len(events) == 1:
            return True, None
        (kind, limit), = events[1].items()
        if kind == "fixed" and limit != "0" and holds(version, "lt", limit):
            return True, limit
        if kind == "last_affected" and holds(version, "le", limit):
            return True, None
    return False, None


def expected(record_file, status, release):
    by_source = {}
    for r in records(record_file):
        if r.get("withdrawn"):
            continue
        for entry in r.get("affected", []):
            if entry["package"]["ecosystem"] == "Debian:" + release:
                by_source.setdefault(entry["package"]["name"], []).append((r, entry))
    found = {}
    for name, own, source, version in packages(status):
        for r, entry in by_source.get(source, []):
            hit, fix = affected(entry, version)
            if not hit:
                continue
            word = entry.get("ecosystem_specific", {}).get("severity", "UNKNOWN").lower()
            assert word != "unknown" or not r.get("severity")
            cve, = r["upstream"]
            assert (cve, name) not in found
            found[cve, name] = (word, fix, own)
    return found


def by_grade(found):
    worst = {}
    for (cve, _), (word, _, _) in found.items():
        worst[cve] = max(worst.get(cve, 0), GRADES.index(word))
    return {g: {c for c, n in worst.items() if n == i} for i, g in enumerate(GRADES)}


def check(record_file, status, release, scans):
    want = expected(record_file, status, release)
    grades = by_grade(want)
    bad = []
    for path in scans:
        with open(path, encoding="utf-8") as f:
            scan = json.load(f)
        got = {(x["id"], x["package"]): (x["severity"], x["fixed"], x["version"]) for x in scan["findings"]}
        if len(got) != len(scan["findings"]):
            bad.append("%s: a finding is there twice" % path)
        for key in sorted(set(got) ^ set(want)):
            bad.append("%s: %s only in %s" % (path, key, "the scan" if key in got else "the check"))
        bad += ["%s: %s is %s, not %s" % (path, k, got[k], want[k]) for k in sorted(set(got) & set(want)) if got[k] != want[k]]
        if by_grade(got) != grades:
            bad.append("%s: other ids in a severity" % path)
        counts = {g: len(grades[g]) for g in GRADES}
        counts["total"] = sum(counts.values())
        if scan["counts"] != counts or not scan["assessed"]:
            bad.append("%s: counts %s, not %s" % (path, scan["counts"], counts))
    for line in bad[:20]:
        print(line)
    print("%d findings, %d ids: %s" % (len(want), sum(map(len, grades.values())),
                                       ", ".join("%d %s" % (len(grades[g]), g) for g in reversed(GRADES))))
    return 1 if bad else 0


def version(rng):
    upstream = rng.choice("0123456789") + "".join(rng.choice("0019~~+.-abzA") for _ in range(rng.randrange(8)))
    revision = "".join(rng.choice("0019~+.a") for _ in range(rng.randrange(1, 4)))
    v = upstream.rstrip("-") + ("-" + revision if rng.random() < 0.4 else "")
    if "-" in v and v.endswith("-"):
        v += "0"
    return ("%d:" % rng.choice([0, 0, 1, 2, 10]) if rng.random() < 0.2 else "") + v


def neighbour(rng, v):
    """The same with one place changed, so that most pairs are close."""
    at = rng.randrange(len(v))
    w = v[:at] + rng.choice(["", "0", "00", "1", "~", "+", ".", "a", "-0", "+b1"]) + v[at + rng.randrange(2):]
    ok = w[:1].isdigit() and ":" not in w.replace(":", "", w[:2].endswith(":")) and not w.endswith("-")
    head = w.split(":")[0] if ":" in w else "0"
    return w if ok and head.isdigit() and w.split(":")[-1][:1].isdigit() else v


def pairs(seed, n, status, record_file):
    rng = random.Random(int(seed))
    with open(status, "w", encoding="utf-8") as s, open(record_file, "w", encoding="utf-8") as r:
        for i in range(int(n)):
            a = version(rng)
            b = neighbour(rng, a) if rng.random() < 0.8 else version(rng)
            s.write("Package: p%d\nStatus: install ok installed\nArchitecture: all\nVersion: %s\nDescription: x\n\n" % (i, a))
            for k, kind in enumerate(("fixed", "last_affected")):
                json.dump({"id": "DEBIAN-CVE-%d-%d" % (2000 + k, i), "modified": "2026-01-01T00:00:00Z",
                           "upstream": ["CVE-%d-%d" % (2000 + k, i)],
                           "affected": [{"package": {"ecosystem": "Debian:12", "name": "p%d" % i},
                                         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {kind: b}]}]}]}, r)
                r.write("\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "check":
        sys.exit(check(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]))
    sys.exit(pairs(*sys.argv[2:]))
