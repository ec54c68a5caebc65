# SPDX-License-Identifier: Apache-2.0
"""What clients of the service do, as TAP. Nobody asks for /charset, /roots, /picture and /packed."""
import hashlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

number = failed = 0


def ask(path, body=None, method=None):
    try:
        with urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8080" + path, body, method=method), timeout=20) as a:
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


check("it answers", ask("/health") == (200, "ok\n"))
check("something is kept", ask("/items/tea", "Tee, grün".encode(), "PUT")[1] == "kept\n")
check("and is given back", ask("/items/tea") == (200, "Tee, grün"), ask("/items/tea"))
check("what is not there", ask("/items/none")[0] == 404)
check("a word in German", ask("/hello?lang=de")[1] == "Guten Tag\n", ask("/hello?lang=de"))
check("a word in English", ask("/hello?lang=en")[1] == "Hello\n", ask("/hello?lang=en"))
check("a time elsewhere", ask("/when?zone=Europe/Berlin&lang=de")[1] == "Montag 14:00 +02:00", ask("/when?zone=Europe/Berlin&lang=de"))
check("money", ask("/money?lang=de")[1] == "1.234,50\u00a0€", ask("/money?lang=de"))
check("a digest", ask("/digest", b"abc")[1] == hashlib.sha256(b"abc").hexdigest())
check("a digest that is none", ask("/digest?how=none", b"abc") == (400, "NoSuchAlgorithmException\n"))
with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(lambda i: ask("/items/tea")[0], range(200)))
check("two hundred requests from eight clients", answers == [200] * 200, answers)
check("a restart", subprocess.run(["/run/whittle/app", "restart"]).returncode == 0)
for _ in range(200):
    try:
        ask("/health")
        break
    except OSError:
        time.sleep(0.1)
check("and it has forgotten", ask("/items/tea")[0] == 404)
print(f"1..{number}")
sys.exit(failed)
