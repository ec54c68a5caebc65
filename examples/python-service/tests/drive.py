#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of the Python service: run beside it, on the same loopback."""
import http.client
import json
import ssl
import subprocess
import unittest

APP = "/run/whittle/app"


def call(method, path, tls=None):
    if tls:
        c = http.client.HTTPSConnection("localhost", 8443, context=tls, timeout=20)
    else:
        c = http.client.HTTPConnection("127.0.0.1", 8000, timeout=20)
    c.request(method, path)
    r = c.getresponse()
    body = r.read()
    c.close()
    return r.status, body


def get(path):
    status, body = call("GET", path)
    return status, json.loads(body)


class Service(unittest.TestCase):
    def setUp(self):
        # Which test the application is used by.
        subprocess.run([APP, "test", self.id().removeprefix("__main__.")], check=True)

    def test_health(self):
        self.assertEqual(get("/health"), (200, {"ok": True}))

    def test_primes(self):
        self.assertEqual(get("/primes/1000000"), (200, {"below": 1000000, "primes": 78498}))
        self.assertEqual(get("/primes/many")[0], 400)

    def test_missing(self):
        self.assertEqual(get("/nothing")[0], 404)

    def test_template(self):
        status, body = call("GET", "/page/%3CAda%3E")
        self.assertEqual(status, 200)
        self.assertIn(b"<h1>Hello, &lt;Ada&gt;</h1>", body)
        self.assertIn(b"<li>2</li>", body)

    def test_zones(self):
        for zone, hour in (("Europe/Vienna", 14), ("Asia/Tokyo", 21), ("America/New_York", 8)):
            self.assertEqual(get(f"/time/{zone}"), (200, {"zone": zone, "hour": hour}))
        self.assertEqual(get("/time/Mars/Olympus")[0], 404)

    def test_database(self):
        self.assertEqual(get("/visits/ada")[1]["visits"], 0)
        call("POST", "/visits/ada")
        call("POST", "/visits/ada")
        self.assertEqual(get("/visits/ada")[1]["visits"], 2)

    def test_tls(self):
        context = ssl.create_default_context(cafile="/tls/cert.pem")
        status, body = call("GET", "/health", tls=context)
        self.assertEqual((status, json.loads(body)), (200, {"ok": True}))

    def test_the_data_stays(self):
        call("POST", "/visits/grace")
        subprocess.run([APP, "restart"], check=True)
        self.assertEqual(get("/visits/grace")[1]["visits"], 1)


if __name__ == "__main__":
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "/tls/key.pem", "-out", "/tls/cert.pem", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    subprocess.run(["chmod", "644", "/tls/key.pem"], check=True)
    subprocess.run([APP, "start"], check=True)
    unittest.main(verbosity=2)
