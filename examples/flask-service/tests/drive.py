# SPDX-License-Identifier: Apache-2.0
"""What customers and keepers do, as TAP. Nobody asks for /report.csv."""
import http.cookiejar
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

number = failed = 0
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))


def ask(path, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with browser.open("http://127.0.0.1:8000" + path, data, 10) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def check(name, good, got=None):
    global number, failed
    number += 1
    failed |= not good
    print("ok" if good else "not ok", number, "-", name, flush=True)
    if not good:
        print("# got:", repr(got), flush=True)


check("an empty shop", "<h1>Shop</h1>" in ask("/")[1], ask("/"))
check("a style sheet", "sans-serif" in ask("/static/shop.css")[1])
check("nothing is sold without a login", ask("/items", name="x", price="1")[0] == 401)
check("a wrong password", ask("/login", password="x")[0] == 403)
check("a login", "Hello, keeper." in ask("/login", password="open sesame")[1])
check("an item", "<li>tea &amp; milk: 2.50</li>" in ask("/items", name="tea & milk", price="2.5")[1], ask("/"))
check("twice the same", "UNIQUE constraint" in ask("/items", name="tea & milk", price="3")[1])
check("JSON", json.loads(ask("/items.json")[1]) == [{"name": "tea & milk", "price": 2.5}], ask("/items.json"))
check("a time zone", ask("/when/Europe/Berlin") == (200, "2024-07-01T14:00:00+02:00"), ask("/when/Europe/Berlin"))
check("what is not there", ask("/none")[0] == 404)
with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(lambda i: ask("/items.json")[0], range(100)))
check("a hundred requests from eight clients", answers == [200] * 100, answers)
check("a restart", subprocess.run(["/run/whittle/app", "restart"]).returncode == 0)
for _ in range(100):
    try:
        ask("/health")
        break
    except OSError:
        time.sleep(0.1)
check("and it is all there", "tea" in ask("/items.json")[1])
print(f"1..{number}")
sys.exit(failed)
