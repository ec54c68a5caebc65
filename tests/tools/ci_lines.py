#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shell lines of a CI file, as one script for sh.

  ci_lines.py github FILE JOB [EXPRESSION=VALUE …]   run: of each step; ${{ EXPRESSION }} is replaced
  ci_lines.py gitlab FILE JOB                        script: of the job, variables: of the file
  ci_lines.py kubernetes FILE                        command: and args: of the only container, its env:

Each step is a process of its own, as there; the first that fails ends it.
"""
import re
import shlex
import sys
import yaml


def exports(variables):
    return "".join(f"export {k}={shlex.quote(str(v))}\n" for k, v in variables.items())


def github(path, job, *words):
    values = dict(w.split("=", 1) for w in words)

    def known(text):
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda m: values[m.group(1)], str(text))

    doc = yaml.safe_load(open(path))
    job = doc["jobs"][job]
    env = {k: known(v) for k, v in {**doc.get("env", {}), **job.get("env", {})}.items()}
    out = exports(env)
    for step in job["steps"]:
        if "run" not in step:
            continue
        own = exports({k: known(v) for k, v in step.get("env", {}).items()})
        out += f"(\n{own}sh -e <<'END-OF-STEP'\n{known(step['run'])}\nEND-OF-STEP\n) || exit\n"
    return out


def flat(lines):
    for line in lines:
        if isinstance(line, list):
            yield from flat(line)
        else:
            yield line


def gitlab(path, job):
    doc = yaml.safe_load(open(path))
    # As GitLab does: variables may name others, which the environment has.
    out = "".join(f'export {k}="{v}"\n' for k, v in {**doc.get("variables", {}), **doc[job].get("variables", {})}.items())
    return out + "set -e\n" + "".join(line.rstrip("\n") + "\n" for line in flat(doc[job]["script"]))


def kubernetes(path):
    doc = yaml.safe_load(open(path))
    (container,) = doc["spec"]["template"]["spec"]["containers"]
    env = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    # What the test has set goes before the example's names.
    out = "".join(f"export {k}=${{{k}:-{shlex.quote(v)}}}\n" for k, v in env.items())
    return out + " ".join(shlex.quote(w) for w in container["command"] + container["args"]) + "\n"


sys.stdout.write({"github": github, "gitlab": gitlab, "kubernetes": kubernetes}[sys.argv[1]](*sys.argv[2:]))
