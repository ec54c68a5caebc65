#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives tokens that distribution's registry takes with `auth: token`, to whom it knows.

    token_server.py --dir DIR --user NAME:PASSWORD --service SERVICE [--life SECONDS] [--access-token] [--offline]

On a free port of loopback: DIR/port has it once it listens; DIR/root.pem is what the registry is to trust (rootcertbundle). DIR/log
has a line for each request: METHOD HOW STATUS SCOPE…, HOW being anonymous, basic:NAME, refresh:TOKEN. Pull is for everybody, push for the
user; of what is not granted, a token says nothing.

    --life N         of tokens, in seconds (60); expires_in says so
    --silent         expires_in is left out
    --access-token   "access_token" alone, without "token"
    --offline        who asks for offline_token=true gets a refresh token, which POST (OAuth 2) takes
"""
import argparse
import base64
import datetime
import http.server
import json
import os
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

REFRESH = "refresh-me-0123456789"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    def __init__(self, o):
        self.o = o
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whittle-test-tokens")])
        now = datetime.datetime.utcnow()
        self.cert = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256()))
        with open(os.path.join(o.dir, "root.pem"), "wb") as f:
            f.write(self.cert.public_bytes(serialization.Encoding.PEM))

    def token(self, user, access):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256",
                "x5c": [base64.b64encode(self.cert.public_bytes(serialization.Encoding.DER)).decode()]}
        body = {"iss": "whittle-test", "sub": user, "aud": self.o.service, "exp": now + self.o.life, "nbf": now - 10, "iat": now,
                "jti": b64(os.urandom(12)), "access": access}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        return text + "." + b64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuer = None
    lock = threading.Lock()

    def log_message(self, *args):
        pass

    def answer(self, status, doc, how, scopes):
        data = json.dumps(doc).encode()
        with self.lock, open(os.path.join(self.issuer.o.dir, "log"), "a") as f:
            print(self.command, how, status, *(scopes or ["-"]), file=f)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def give(self, user, how, q):
        o = self.issuer.o
        scopes = [x for s in q.get("scope", []) for x in s.split(" ") if x]
        access = []
        if q.get("service") != [o.service]:
            self.answer(400, {"errors": [{"code": "BAD", "message": "another service"}]}, how, scopes)
            return
        for s in scopes:
            kind, rest = s.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            granted = [a for a in actions.split(",") if a == "pull" or user]
            if granted:
                access.append({"type": kind, "name": name, "actions": granted})
        token = self.issuer.token(user or "", access)
        doc = {"access_token": token} if o.access_token else {"token": token}
        if not o.silent:
            doc["expires_in"] = o.life
        if o.offline and q.get("offline_token") == ["true"] and user:
            doc["refresh_token"] = REFRESH
        self.answer(200, doc, how, scopes)

    def do_GET(self):
        q = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        header = self.headers.get("Authorization")
        if header is None:
            self.give(None, "anonymous", q)
            return
        said = base64.b64decode(header.removeprefix("Basic ")).decode() if header.startswith("Basic ") else ""
        how = "basic:" + said.split(":")[0]
        if said != self.issuer.o.user:
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}, how, q.get("scope"))
            return
        self.give(said.split(":")[0], how, q)

    def do_POST(self):
        q = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        how = "refresh:" + q.get("refresh_token", [""])[0]
        if q.get("grant_type") != ["refresh_token"] or q.get("refresh_token") != [REFRESH] or not q.get("client_id"):
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "that token is not ours"}]}, how, q.get("scope"))
            return
        self.give(self.issuer.o.user.split(":")[0], how, q)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dir", required=True)
    p.add_argument("--user", required=True)
    p.add_argument("--service", required=True)
    p.add_argument("--life", type=int, default=60)
    p.add_argument("--silent", action="store_true")
    p.add_argument("--access-token", action="store_true")
    p.add_argument("--offline", action="store_true")
    o = p.parse_args()
    Handler.issuer = Issuer(o)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(os.path.join(o.dir, "port.new"), "w") as f:
        print(server.server_address[1], file=f)
    os.rename(os.path.join(o.dir, "port.new"), os.path.join(o.dir, "port"))
    server.serve_forever()


main()
