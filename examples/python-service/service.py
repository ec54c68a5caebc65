# SPDX-License-Identifier: Apache-2.0
"""GET /primes/N: how many prime numbers are below N. GET /health: is it there?"""
import http.server
import json
import os
import signal
import sys
import urllib.request

import primes

PORT = int(os.environ.get("PORT", "8000"))


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "primes"
    sys_version = ""

    def answer(self, code, body):
        data = (json.dumps(body) + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"ok": True})
        if not self.path.startswith("/primes/"):
            return self.answer(404, {"error": "not found"})
        try:
            below = int(self.path[len("/primes/"):])
            return self.answer(200, {"below": below, "primes": primes.count(below)})
        except (ValueError, OverflowError) as e:
            return self.answer(400, {"error": str(e)})


def main():
    if sys.argv[1:] == ["--check"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2) as r:
            sys.exit(r.status != 200)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
