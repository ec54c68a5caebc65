# SPDX-License-Identifier: Apache-2.0
"""A small service.

GET /health           is it there?
GET /primes/N         how many prime numbers are below N
GET /page/NAME        a page from a template
GET /time/ZONE        the hour of 2024-07-01 12:00 UTC in a time zone
POST /visits/NAME     counts a visit in the database; GET tells the count
"""
import datetime
import http.server
import json
import os
import signal
import sqlite3
import ssl
import sys
import threading
import urllib.parse
import urllib.request
import zoneinfo

import jinja2

import primes

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = int(os.environ.get("PORT", "8000"))
TLS_PORT = int(os.environ.get("TLS_PORT", "8443"))
DATABASE = os.environ.get("DATABASE", "/data/visits.db")
CERTIFICATE = "/tls/cert.pem"
templates = jinja2.Environment(loader=jinja2.FileSystemLoader(f"{HERE}/templates"), autoescape=True)


def database():
    db = sqlite3.connect(DATABASE, timeout=10)
    db.execute("create table if not exists visits (name text primary key, count integer not null)")
    return db


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "service"
    sys_version = ""

    def send(self, code, kind, data):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, code, body):
        self.send(code, "application/json", (json.dumps(body) + "\n").encode())

    def primes(self, word):
        try:
            below = int(word)
            return self.answer(200, {"below": below, "primes": primes.count(below)})
        except (ValueError, OverflowError) as e:
            return self.answer(400, {"error": str(e)})

    def page(self, word):
        text = templates.get_template("page.html").render(title="A page", name=word, numbers=range(3))
        self.send(200, "text/html; charset=utf-8", text.encode())

    def time(self, word):
        noon = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.timezone.utc)
        try:
            return self.answer(200, {"zone": word, "hour": noon.astimezone(zoneinfo.ZoneInfo(word)).hour})
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return self.answer(404, {"error": "no such zone"})

    def visits(self, word):
        with database() as db:
            row = db.execute("select count from visits where name = ?", (word,)).fetchone()
        self.answer(200, {"name": word, "visits": row[0] if row else 0})

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"ok": True})
        kind, _, word = self.path[1:].partition("/")
        method = {"primes": self.primes, "page": self.page, "time": self.time, "visits": self.visits}.get(kind)
        if not method:
            return self.answer(404, {"error": "not found"})
        return method(urllib.parse.unquote(word))

    def do_POST(self):
        kind, _, word = self.path[1:].partition("/")
        if kind != "visits":
            return self.answer(404, {"error": "not found"})
        with database() as db:
            db.execute("insert into visits values (?, 1) on conflict (name) do update set count = count + 1", (word,))
        return self.visits(word)


def serve(port, context=None):
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def main():
    if sys.argv[1:] == ["--check"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2) as r:
            sys.exit(r.status != 200)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.path.exists(CERTIFICATE):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, "/tls/key.pem")
        threading.Thread(target=serve, args=(TLS_PORT, context), daemon=True).start()
    serve(PORT)


if __name__ == "__main__":
    main()
