# SPDX-License-Identifier: Apache-2.0
"""What users of the notes do, as TAP. Nobody asks for /digest."""
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

number = failed = 0


def ask(path, body=None, kind="application/json", accept="*/*"):
    r = urllib.request.Request("http://127.0.0.1:3000" + path, body, {"Content-Type": kind, "Accept": accept} if body else {"Accept": accept})
    try:
        with urllib.request.urlopen(r, timeout=10) as a:
            return a.status, a.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def check(name, good, got=None):
    global number, failed
    number += 1
    failed |= not good
    print("ok" if good else "not ok", number, "-", name, flush=True)
    if not good:
        print("# got:", repr(got), flush=True)


check("the page", "<h1>Notes</h1>" in ask("/")[1])
check("no notes", ask("/notes") == (200, "[]"), ask("/notes"))
check("a note", ask("/notes", b'{"text": "buy <milk>"}')[0] == 201)
check("a note from a form", ask("/notes", b"text=call+Bob", "application/x-www-form-urlencoded")[0] == 201)
check("a search", json.loads(ask("/notes?q=MILK")[1]) == [{"id": 1, "text": "buy <milk>"}], ask("/notes?q=MILK"))
check("as HTML", ask("/notes/1", accept="text/html")[1] == "<p>buy &#60;milk&#62;</p>", ask("/notes/1", accept="text/html"))
check("as text", ask("/notes/2", accept="text/plain")[1] == "call Bob")
check("what is not there", ask("/notes/9")[0] == 404)
check("no text", ask("/notes", b"{}") == (422, '{"error":"a text is needed"}'), ask("/notes", b"{}"))
check("no JSON", ask("/notes", b"{")[0] == 400, ask("/notes", b"{"))
check("a date in German", ask("/when?zone=Europe/Berlin&locale=de")[1] == "Montag, 1. Juli 2024 um 14:00", ask("/when?zone=Europe/Berlin&locale=de"))
check("a download", "<h1>Notes</h1>" in ask("/download")[1])
with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(lambda i: ask("/notes")[0], range(100)))
check("a hundred requests from eight clients", answers == [200] * 100, answers)
check("a restart", subprocess.run(["/run/whittle/app", "restart"]).returncode == 0)
for _ in range(100):
    try:
        ask("/health")
        break
    except OSError:
        time.sleep(0.1)
check("and they are all there", len(json.loads(ask("/notes")[1])) == 2)
print(f"1..{number}")
sys.exit(failed)
