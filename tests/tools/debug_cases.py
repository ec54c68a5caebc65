#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance data of parser, shell, ignore and realworld through `whittle debug`.

debug_cases.py WHITTLE DATA TMP prints a line a case, "PASS NAME" or "FAIL NAME WHY"; what they are is told in DATA/README.md.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

WHITTLE, DATA, TMP = sys.argv[1:4]


def debug(*args, text=""):
    return subprocess.run([WHITTLE, "debug", *args], input=text.encode(), capture_output=True, check=False)


def tell(good, name, why=""):
    print("PASS" if good else "FAIL", name.replace(" ", "_"), "" if good else repr(why)[:300])


def load(name):
    with open(f"{DATA}/{name}", encoding="utf-8") as f:
        return json.load(f)


def lines(name):
    with open(f"{DATA}/{name}", encoding="utf-8") as f:
        return f.read().split("\n")


def last(p):
    return p.stderr.decode(errors="replace").split("\n")[0]


def parser():
    for case in sorted(glob.glob(f"{DATA}/parser/positive/*")):
        p = debug("ast", f"{case}/Dockerfile")
        with open(f"{case}/result", "rb") as f:
            want = f.read()
        tell(p.returncode == 0 and p.stdout == want, f"ast:{os.path.basename(case)}", last(p) or p.stdout)
    for case in sorted(glob.glob(f"{DATA}/parser/negative/*")):
        p = debug("ast", f"{case}/Dockerfile")
        tell(p.returncode == 1 and p.stderr and not p.stdout, f"ast:{os.path.basename(case)}", (p.returncode, p.stdout))
    for case in sorted(glob.glob(f"{DATA}/parser/lines/*")):
        p = debug("ast", "--lines", f"{case}/Dockerfile")
        want = load(f"parser/lines/{os.path.basename(case)}/expected.json")
        tell(p.returncode == 0 and json.loads(p.stdout) == want, f"lines:{os.path.basename(case)}", p.stdout)


def compare(kind, inputs, wants, p):
    got = p.stdout.decode().split("\n")[:-1]
    tell(p.returncode == 0 and len(got) == len(wants), f"{kind}:all_answered", (last(p), len(got), len(wants)))
    for source, want, g in zip(inputs, wants, got):
        tell(g == want, f"{kind}:{source}", (g, want))


def env_lines():
    inputs, wants = [], []
    for line in lines("shell/envVarTest"):
        fields = line.split("|")
        if not line.startswith("#") and len(fields) >= 3 and fields[0].strip() in ("A", "U"):
            inputs.append("|".join(fields[1:-1]).strip())
            wants.append(fields[-1].strip())
    p = debug("expand", "-e", "PWD=/home", "-e", "SHELL=bash", "-e", "KOREAN=\ud55c\uad6d\uc5b4", "-e", "NULL=",
              text="\n".join(inputs) + "\n")
    compare("expand", inputs, wants, p)


def word_lines():
    text, inputs, wants = [], [], []
    for line in lines("shell/wordsTest"):
        if line.startswith("ENV "):
            text.append(line)
        elif "|" in line and not line.startswith("#"):
            source, want = line.split("|", 1)
            text.append(source.strip())
            inputs.append(source.strip())
            wants.append(want.lstrip())
    compare("words", inputs, wants, debug("words", text="\n".join(text) + "\n"))


def expand_rows():
    for row in load("shell/expand.json"):
        args = [word for k, v in row["env"].items() for word in ("-e", f"{k}={v}")]
        got = json.loads(debug("expand", "--format", "json", *args, text=row["input"] + "\n").stdout)
        good = (got["result"] is None) == row["error"] and bool(got.get("error")) == row["error"]
        if not row["error"]:
            good = good and got["result"] == row["expected"]
            for key in ("matched", "unmatched"):
                good = good and (key not in row or got[key] == sorted(row[key]))
        tell(good, f"names:{row['input']}", got)


def trim_patterns():
    """What the regular expression takes from the front of a value, the longest way, ${v##pattern} takes, too."""
    value = "*rest of it"
    for row in load("shell/trim_patterns.json"):
        p = debug("expand", "-e", f"v={value}", text="${v##" + row["input"] + "}\n")
        if row.get("error"):
            want = "error"
        else:
            found = re.match(row["expected"], value)
            want = value[found.end():] if found else value
        tell(p.stdout.decode() == want + "\n", f"trim:{row['input']}", p.stdout)


def ignore_rows():
    for number, row in enumerate(load("ignore/patterns.json")):
        with open(f"{TMP}/ignore", "w", encoding="utf-8") as f:
            f.write("".join(p + "\n" for p in row["patterns"]))
        p = debug("ignore", f"{TMP}/ignore", text=row["path"] + "\n")
        if row["excluded"] == "error":
            good = p.returncode in (1, 2) and f"{TMP}/ignore:" in last(p)
        else:
            good = p.stdout.decode() == ("excluded" if row["excluded"] else "included") + "\n"
        tell(good, f"ignore:{number}:{row['path']}", (row["patterns"], p.stdout, last(p)))


def ignore_files():
    """The lines as they were read show in --why, each for the path that it names."""
    for number, row in enumerate(load("ignore/readall.json")):
        with open(f"{TMP}/ignore", "w", encoding="utf-8") as f:
            f.write(row["content"])
        p = debug("ignore", "--why", f"{TMP}/ignore", text="".join(w.lstrip("!") + "\n" for w in row["lines"]))
        if "!" in row["lines"]:  # a lone mark is refused, and nothing else is wrong with the file
            first = row["content"].split("\n").index("!") + 1
            good = p.returncode == 2 and f"{TMP}/ignore:{first}: " in last(p)
            with open(f"{TMP}/ignore", "w", encoding="utf-8") as f:
                f.write("".join(line + "\n" for line in row["content"].split("\n") if line.strip() != "!"))
            kept = [w for w in row["lines"] if w != "!"]
            p = debug("ignore", "--why", f"{TMP}/ignore", text="".join(w.lstrip("!") + "\n" for w in kept))
        else:
            good, kept = True, row["lines"]
        answers = p.stdout.decode().split("\n")[:-1]
        good = good and p.returncode == 0 and len(answers) == len(kept)
        for want, answer in zip(kept, answers):
            good = good and (want.startswith("!") or answer.endswith(f": {want}"))
        tell(good, f"readall:{number}", (p.stdout, last(p)))


def graph_of(path):
    name = "/".join(path.split("/")[-2:])
    for form in ("text", "dot", "json"):
        p = debug("graph", "--format", form, path)
        good = p.returncode == 0 and p.stdout
        if good and form == "json":
            doc = json.loads(p.stdout)
            good = doc["vertices"] and all(i is None or i < v["index"] for v in doc["vertices"] for i in v["inputs"])
        if good and form == "dot" and shutil.which("dot"):
            good = subprocess.run(["dot", "-Tplain"], input=p.stdout, capture_output=True, check=False).returncode == 0
        tell(good, f"graph:{form}:{name}", last(p))


def graphs():
    index = load("realworld/index.json")
    found = [p for p in sorted(glob.glob(f"{DATA}/realworld/**", recursive=True))
             if os.path.isfile(p) and not p.endswith(".json")]
    tell(len(found) >= len(index), "graph:all_files", (len(found), len(index)))
    for path in found:
        p = debug("ast", path)
        tell(p.returncode == 0 and p.stdout, f"ast:{'/'.join(path.split('/')[-2:])}", last(p))
        graph_of(path)


for step in (parser, env_lines, word_lines, expand_rows, trim_patterns, ignore_rows, ignore_files, graphs):
    step()
