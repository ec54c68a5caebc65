#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of the nginx example: run beside it, on the same loopback."""
import gzip
import http.client
import http.server
import ssl
import subprocess
import threading
import time
import unittest

APP = "/run/whittle/app"
EXTRA = "/srv/extra"

TLS = """
server {
	listen 8443 ssl;
	ssl_certificate /srv/extra/cert.pem;
	ssl_certificate_key /srv/extra/key.pem;
	root /srv/site;
	index index.html;
}
"""
MORE = """
server {
	listen 8081;
	location / { return 200 "after the reload\\n"; }
}
"""


def app(*words):
    subprocess.run([APP, *words], check=True)


class Upstream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} for {self.headers['X-Forwarded-For']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def get(path, port=8080, headers=None, tls=None):
    if tls:
        c = http.client.HTTPSConnection("localhost", port, context=tls, timeout=10)
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", path, headers=headers or {})
    r = c.getresponse()
    body = r.read()
    c.close()
    return r, body


class Told(unittest.TestCase):
    """Which test the application is used by."""

    def setUp(self):
        app("test", self.id().removeprefix("__main__."))


class Site(Told):
    def test_index(self):
        r, body = get("/")
        self.assertEqual(r.status, 200)
        self.assertIn(b"<h1>It is served</h1>", body)
        self.assertTrue(r.headers["Content-Type"].startswith("text/html"))

    def test_style(self):
        r, _ = get("/style.css")
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/css"))

    def test_missing(self):
        self.assertEqual(get("/nothing")[0].status, 404)

    def test_traversal(self):
        self.assertIn(get("/../../etc/passwd")[0].status, (400, 404))

    def test_range(self):
        r, body = get("/", headers={"Range": "bytes=0-8"})
        self.assertEqual((r.status, body), (206, b"<!doctype"))

    def test_not_modified(self):
        tag = get("/")[0].headers["ETag"]
        self.assertEqual(get("/", headers={"If-None-Match": tag})[0].status, 304)

    def test_gzip(self):
        r, body = get("/style.css", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(r.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(body), get("/style.css")[1])

    def test_ipv6(self):
        c = http.client.HTTPConnection("::1", 8080, timeout=10)
        c.request("GET", "/health")
        self.assertEqual(c.getresponse().read(), b"ok\n")
        c.close()


class Proxy(Told):
    def test_upstream(self):
        r, body = get("/api/things")
        self.assertEqual((r.status, body), (200, b"/things for 127.0.0.1"))


class Encrypted(Told):
    def test_tls(self):
        context = ssl.create_default_context(cafile=f"{EXTRA}/cert.pem")
        r, body = get("/", 8443, tls=context)
        self.assertEqual(r.status, 200)
        self.assertIn(b"It is served", body)


class Reload(Told):
    def test_reload(self):
        with self.assertRaises(OSError):
            get("/", 8081)
        with open(f"{EXTRA}/more.conf", "w") as f:
            f.write(MORE)
        app("kill", "HUP")
        for _ in range(100):
            try:
                _, body = get("/", 8081)
                break
            except OSError:
                time.sleep(0.1)
        self.assertEqual(body, b"after the reload\n")
        self.assertEqual(get("/")[0].status, 200)


if __name__ == "__main__":
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{EXTRA}/key.pem", "-out", f"{EXTRA}/cert.pem", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    subprocess.run(["chmod", "644", f"{EXTRA}/key.pem"], check=True)
    with open(f"{EXTRA}/tls.conf", "w") as f:
        f.write(TLS)
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    app("start")
    unittest.main(verbosity=2)
