# SPDX-License-Identifier: Apache-2.0
"""What a browser does with the guest book, through nginx, as TAP."""
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
jar = http.cookiejar.CookieJar()
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))


def get(path, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with browser.open("http://127.0.0.1:8080" + path, data, 10) as r:
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


nginx = subprocess.Popen(["nginx", "-c", "/tests/nginx.conf"])
try:
    for _ in range(100):
        try:
            get("/time")
            break
        except OSError:
            time.sleep(0.1)
    status, text = get("/")
    check("an empty book", status == 200 and "Visit 1" in text, (status, text))
    check("a session lasts", "Visit 2" in get("/")[1])
    status, text = get("/", name="Åsa", text="<hello>")
    check("an entry", status == 200 and "<b>Åsa</b> &lt;hello&gt;" in text, (status, text))
    get("/", name="a very long name indeed, longer than that", text="x")
    names = [e["name"] for e in json.loads(get("/entries.json")[1])]
    check("JSON, and names are cut by characters", names == ["Åsa", "a very long name in…"], names)
    check("XML", '<entry id="1">Åsa: &lt;hello&gt;</entry>' in get("/entries.xml")[1], get("/entries.xml"))
    check("a time zone", get("/time?zone=Europe/Berlin")[1] == "2024-07-01T14:00:00+02:00", get("/time?zone=Europe/Berlin"))
    check("money in German", get("/money?locale=de_DE")[1] == "1.234,50\u00a0€", get("/money?locale=de_DE"))
    check("what is not there", get("/no")[0] == 404)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: get("/entries.json")[0], range(100)))
    check("a hundred requests from eight clients", answers == [200] * 100, answers)
    check("a restart", subprocess.run(["/run/whittle/app", "restart"]).returncode == 0)
    check("and it is all there", "Åsa" in get("/entries.json")[1])
finally:
    nginx.terminate()
    nginx.wait()
print(f"1..{number}")
sys.exit(failed)
