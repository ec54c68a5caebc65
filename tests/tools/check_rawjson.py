#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what --progress=rawjson printed (standard input) against the form of BuildKit's SolveStatus; prints the logs, then "ok N vertices"."""
import base64
import json
import re
import sys

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$")
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
# field: (type, needed)
FORMS = {
    "vertexes": {"digest": (str, True), "inputs": (list, False), "name": (str, False), "started": (str, False), "completed": (str, False),
                 "cached": (bool, False), "error": (str, False)},
    "statuses": {"id": (str, True), "vertex": (str, False), "name": (str, False), "total": (int, False), "current": (int, True),
                 "timestamp": (str, True), "started": (str, False), "completed": (str, False)},
    "logs": {"vertex": (str, False), "stream": (int, False), "data": (str, True), "timestamp": (str, True)},
    "warnings": {"vertex": (str, False), "level": (int, False), "short": (str, False), "detail": (list, False), "url": (str, False),
                 "sourceInfo": (dict, False), "range": (list, False)},
}
vertices, logs, said = {}, {}, set()


def need(fact, what, line):
    if not fact:
        sys.exit(f"{what}: {line}")


def check(kind, o, line):
    form = FORMS[kind]
    for key, value in o.items():
        need(key in form, f"{kind} has no {key}", line)
        need(isinstance(value, form[key][0]), f"{kind}.{key} is of another type", line)
        if key in ("started", "completed", "timestamp"):
            need(TIME.match(value), f"{kind}.{key} is no time", line)
        if key in ("digest", "vertex"):
            need(DIGEST.match(value), f"{kind}.{key} is no digest", line)
        if key in ("cached", "total", "error"):
            need(value, f"{kind}.{key} is empty, so it should not be there", line)
    for key, (_, needed) in form.items():
        need(not needed or key in o, f"{kind} lacks {key}", line)


for line in sys.stdin:
    status = json.loads(line)
    need(isinstance(status, dict) and status, "no object", line)
    for kind, objects in status.items():
        need(kind in FORMS and objects, "unknown or empty", line)
        for o in objects:
            check(kind, o, line)
            if kind == "vertexes":
                for one in o.get("inputs", []):
                    need(DIGEST.match(one), "an input is no digest", line)
                vertices[o["digest"]] = o
            elif kind == "warnings":
                base64.b64decode(o["short"], validate=True)
                for one in o.get("detail", []):
                    base64.b64decode(one, validate=True)
            else:
                need(o["vertex"] in vertices, "of a vertex that nobody knows", line)
            if kind == "logs":
                logs.setdefault((o["vertex"], o["stream"]), b"")
                logs[o["vertex"], o["stream"]] += base64.b64decode(o["data"], validate=True)
for v in vertices.values():
    need("started" not in v or "completed" in v, "never completed", json.dumps(v))
for data in logs.values():
    sys.stdout.write(data.decode("utf-8", "replace"))
print(f"ok {len(vertices)} vertices")
