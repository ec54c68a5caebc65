#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault of fault_proxy.py at every request of a push and a pull. Prints TAP without a plan.

    fault_cases.py DIR WORKERS thin|full NUMBER COMMAND…

DIR/case.json: {"registry", "user", "password", "store", "image", "there", "base", "old", "whittle"}; there, base and old are images in the registry
(NAME:TAG), the first one the same as image, the second, which the store knows by that name, too, with layers that it has. NUMBER of tests
went before. COMMAND… is what runs the program (setpriv and the like). After each case either the image is there, each
blob of it what its digest says, or there is one line that says why not, and the name stands for what it did before.
"""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import queue
import shutil
import subprocess
import sys
import time

from fault_proxy import BODY, FAULTS, Case, Proxy

HERE = sys.argv[1]
WORKERS = int(sys.argv[2])
FULL = sys.argv[3] == "full"
RUN = sys.argv[5:]
with open(os.path.join(HERE, "case.json"), encoding="utf-8") as f:
    SPEC = json.load(f)
AUTH = {"Authorization": "Basic " + base64.b64encode(f"{SPEC['user']}:{SPEC['password']}".encode()).decode()}
OCI = "application/vnd.oci.image.manifest.v1+json"
LIMIT = 150  # seconds: nothing may hang
PASSING = {"drop-before", "drop-after", "delay", "duplicate", "cut-upload", "429", "429-after", "429-date", "500", "502", "503", "401", "keep"}
DEADLY = {"drop-before", "drop-after", "500", "429-after", "401-strange"}


def ask(method, path, body=None, headers=None):
    c = http.client.HTTPConnection(SPEC["registry"], timeout=60)
    c.request(method, path, body=body, headers={**AUTH, "Accept": OCI, **(headers or {})})
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, data


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def holes(repo, manifest):
    """What the registry has not, or has wrong, of the image."""
    m = json.loads(manifest)
    for d in m["layers"] + [m["config"]]:
        status, data = ask("GET", f"/v2/{repo}/blobs/{d['digest']}")
        if status != 200 or digest(data) != d["digest"]:
            return f"{d['digest']}: {status}"
    return None


def set_old(repo):
    """The tag stands for something else before."""
    seed, tag = SPEC["old"].split(":")
    _, manifest = ask("GET", f"/v2/{seed}/manifests/{tag}")
    m = json.loads(manifest)
    for d in m["layers"] + [m["config"]]:
        assert ask("POST", f"/v2/{repo}/blobs/uploads/?mount={d['digest']}&from={seed}")[0] == 201
    assert ask("PUT", f"/v2/{repo}/manifests/1", manifest, {"Content-Type": OCI})[0] == 201
    return digest(manifest)


class Worker:
    def __init__(self):
        self.proxy = Proxy(SPEC["registry"], SPEC["user"], SPEC["password"])
        self.host = f"127.0.0.1:{self.proxy.port}"

    def whittle(self, *args):
        try:
            p = subprocess.run([*RUN, SPEC["whittle"], *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return None, "", "it hangs"
        return p.returncode, p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")


def complaint(status, err):
    """An end with an error is one clear line, and the codes are for "it failed" and "the world is to blame"."""
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if status not in (1, 4):
        return f"exit code {status}: {err[-300:]}"
    if len(errors) != 1 or len(errors[0]) < 20:
        return f"not one line of error: {err[-300:]}"
    if SPEC["password"] in err or AUTH["Authorization"][6:] in err:
        return "the password is in the messages"
    return None


def unharmed(root):
    """No blob of the store is anything else than its name says."""
    blobs = os.path.join(root, "blobs/sha256")
    for name in os.listdir(blobs) if os.path.isdir(blobs) else ():
        with open(os.path.join(blobs, name), "rb") as f:
            if digest(f.read()) != "sha256:" + name:
                return f"the store's {name} is something else"
    return None


def push_goes_wrong(worker, case, repo, args):
    before = set_old(repo)
    status, _, err = case.status, _, _ = worker.whittle("push", "--root", SPEC["store"], *args, SPEC["image"], f"{worker.host}/{repo}:1")
    code, manifest = ask("GET", f"/v2/{repo}/manifests/1")
    now = digest(manifest) if code == 200 else None
    lost = holes(repo, manifest) if code == 200 else "no manifest"
    # A registry that believes a manifest which was changed on the way has been lied to; we must have said so.
    fooled = case.fault == "flip-request" and status not in (0, None) and now not in (before, SPEC["digest"])
    if lost and not fooled:
        return f"the tag leads to what is not whole: {lost}"
    if status == 0:
        return None if now == SPEC["digest"] else f"success, but the tag stands for {now}"
    if now not in (before, SPEC["digest"]) and not fooled:
        return f"the tag stands for {now}"
    return complaint(status, err)


def pull_goes_wrong(worker, case, repo, args):
    root = os.path.join(HERE, "stores", repo.replace("/", "-"))
    try:
        status, out, err = case.status, _, _ = worker.whittle("pull", "-q", "--root", root, *args, f"{worker.host}/{SPEC['there']}")
        harm = unharmed(root)
        if harm:
            return harm
        if status != 0:
            if os.path.exists(os.path.join(root, "index.json")):
                with open(os.path.join(root, "index.json"), encoding="utf-8") as f:
                    if SPEC["there"].split(":")[0] in f.read():
                        return "the store has a name for what did not come"
            return complaint(status, err)
        if out.strip() != SPEC["digest"]:
            return f"success, but the digest is {out}"
        return next((f"success without {name}" for name in SPEC["blobs"] if not os.path.exists(os.path.join(root, "blobs/sha256", name))), None)
    finally:
        shutil.rmtree(root, ignore_errors=True)


OPERATIONS = {
    "push": (push_goes_wrong, []),
    "push in pieces": (push_goes_wrong, ["--chunk-size", "60k"]),
    "pull": (pull_goes_wrong, []),
}


def one(workers, op, fault, at, once, number):
    worker = workers.get()
    try:
        case = worker.proxy.case = Case(fault, at, once)
        start = time.monotonic()
        check, args = OPERATIONS[op]
        wrong = check(worker, case, f"{os.path.basename(HERE)}/{number}", args)
        if case.leaks:
            wrong = f"a login was shown to another host: {case.leaks[0]}"
        return wrong, case, time.monotonic() - start
    except Exception as e:  # pylint: disable=broad-except
        return f"{type(e).__name__}: {e}", case, 0
    finally:
        worker.proxy.case = Case()
        workers.put(worker)


def tell(count, wrong, text):
    print(f"{'not ok' if wrong else 'ok'} {count} - {text}")
    for line in wrong[:8]:
        print("#   " + line.replace("\n", "\n#   "))
    sys.stdout.flush()


def main():
    status, manifest = ask("GET", "/v2/{}/manifests/{}".format(*SPEC["there"].split(":")))
    assert status == 200
    SPEC["digest"] = digest(manifest)
    m = json.loads(manifest)
    SPEC["blobs"] = [d["digest"][7:] for d in m["layers"] + [m["config"]]] + [SPEC["digest"][7:]]
    workers = queue.Queue()
    made = [Worker() for _ in range(WORKERS)]
    logins = {"auths": {w.host: {"auth": AUTH["Authorization"][6:]} for w in made}}
    with open(os.path.join(HERE, "login.json"), "w", encoding="ascii") as out:
        json.dump(logins, out)
    for w in made:
        # What this name stands for is at hand in the registry, for mounts.
        status, _, err = w.whittle("tag", "--root", SPEC["store"], SPEC["base"], f"{w.host}/{SPEC['base']}")
        assert status == 0, err
        workers.put(w)
    numbers = iter(range(1 << 30))
    count, slow, totals = int(sys.argv[4]), [], {}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for op in OPERATIONS:
            wrong, case, _ = one(workers, op, None, 0, True, next(numbers))
            if "--list" in os.environ.get("FAULT_CASES", ""):
                print("\n".join("# " + line for line in case.log))
            n = len(case.log)
            count += 1
            tell(count, [wrong] if wrong else [], f"{op}: without a fault it is {n} requests")
            if n < 5:
                continue
            jobs = {}
            for fault in FAULTS:
                for once in (True, False):
                    places = [at for at in range(1, n + 1) if wanted(op, fault, once) and can_suffer(fault, case.log[at - 1])]
                    for at in places if FULL else places[hash_of(fault) % 4::4]:
                        jobs.setdefault((fault, once), []).append((at, pool.submit(one, workers, op, fault, at, once, next(numbers))))
            for (fault, once), list_ in jobs.items():
                wrong, through, hits = [], 0, 0
                for at, job in list_:
                    what, case, took = job.result()
                    slow.append((took, f"{op} {fault} {at} {once}"))
                    hits += case.hits > 0
                    if what:
                        wrong.append(f"at {at} ({case.log[at - 1] if len(case.log) >= at else 'not reached'}): {what}")
                    through += case.status == 0
                if hits * 2 < len(list_):
                    wrong.append(f"the fault befell {hits} of {len(list_)} runs")
                if once and fault in PASSING and through < len(list_):
                    wrong.append("what passes is no reason to give up")
                if not once and fault in DEADLY and through:
                    wrong.append("success, when nothing more got through")
                print(f"# {through} of {len(list_)} got through")
                count += 1
                tell(count, wrong, f"{op}: {fault} {'once' if once else 'from there on'}, at {len(list_)} positions")
                totals[op] = totals.get(op, 0) + len(list_)
    for took, name in sorted(slow, reverse=True)[:3]:
        print(f"# {took:.1f} s: {name}")
    print(f"# {totals}")


def hash_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def can_suffer(fault, request):
    """From the order of a run without faults, which may be another one at the next."""
    method = request.split()[0]
    if fault in BODY:
        return method in ("PUT", "PATCH")
    return fault != "flip-answer" or method == "GET"


def wanted(op, fault, once):
    """In pieces there is little that push does not have; and what goes on for ever is often the same."""
    if fault == "keep":
        return op == "push in pieces" and once
    if op == "push in pieces":
        return once and fault in ("drop-before", "drop-after", "duplicate", "cut-upload", "flip-request", "500", "401", "307")
    return once or fault not in ("delay", "429", "429-date", "502", "503", "401", "302", "301-loop")


main()
