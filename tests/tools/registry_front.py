#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands before a registry and does what a real one shows too rarely to test.

    registry_front.py --upstream HOST:PORT --dir DIR [OPTION…]

Two addresses on loopback: the front itself and a second one, which is whatever lies elsewhere (the realm of tokens, the store of
blobs). DIR/ports has both ports once they listen, DIR/log a line for each request: FRONT|OTHER METHOD PATH STATUS AUTHORIZATION,
and for a part of something the range that was asked for.

    --cut N          the first answer with a blob breaks off after N bytes; --cuts K: the first K answers
    --stall N        the first answer with a blob stops after N bytes, and goes on when there is DIR/go
    --together N     blobs of more than 64 KiB wait until N of them were asked for; the log has a line "asked" for each when it is
    --shift          a range begins a byte late, and does not say so; --no-range-416: there is no range that could be had
    --cut-put N      the first blob that is sent is cut off after N bytes
    --no-range       ranges are ignored: the whole blob comes
    --doubt N        the first N manifests that are sent are answered with 400 DIGEST_INVALID
    --slow S         each PUT is S seconds under way
    --busy N         the first N requests to each path are answered with 503
    --redirect       blobs are at the second address
    --redirect-to U  blobs are at this address (a prefix, the digest follows)
    --token USER:PW  wants tokens, which the second address gives: pull to everybody, push to the user
    --expire         a token is good for three requests
    --damage         one byte of each blob is another one
    --grow           blobs have bytes behind their end, with a length to match; --grow-silent: without a length
    --lie            manifests differ from their digest
    --referrers      answers the referrers API, in pages of one
    --race D         the first tag that is an image's is followed by somebody else's manifests: D/TAG each under its tag
    --hop            where to send a blob to is said by a relative Location with a query
"""
import argparse
import base64
import collections
import hashlib
import http.client
import http.server
import json
import os
import re
import select
import threading
import time
import urllib.parse

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class State:
    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        self.tokens = {}
        self.referrers = collections.defaultdict(list)
        self.cuts = args.cuts if args.cut is not None else 0
        self.race = args.race
        self.asked = 0
        self.all_asked = threading.Event()
        self.stalls = 1 if args.stall is not None else 0
        self.cut_puts = 1 if args.cut_put is not None else 0
        self.log = open(os.path.join(args.dir, "log"), "a", buffering=1, encoding="utf-8")
        self.front = self.other = None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None
    which = "FRONT"

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        # What speaks TLS here gets a plain answer at once, as from Go's servers.
        if self.rfile.peek(1)[:1] == b"\x16":
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\nplain HTTP is spoken here\n")
            self.close_connection = True
            return
        super().handle_one_request()

    def note(self, status):
        auth = self.headers.get("Authorization", "-").replace(" ", "_")
        part = f" {self.headers['Range']}" if "Range" in self.headers else ""
        self.state.log.write(f"{self.which} {self.command} {self.path} {status} {auth}{part}\n")

    def reply(self, status, body=b"", headers=()):
        self.note(status)
        self.send_response(status)
        names = {k.lower() for k, _ in headers}
        for k, v in headers:
            self.send_header(k, v)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def upstream(self, body=None):
        c = http.client.HTTPConnection(self.state.args.upstream, timeout=60)
        headers = {k: v for k, v in self.headers.items()
                   if k.lower() not in HOP and k.lower() not in (("host", "authorization") if self.state.args.token else ("host",))}
        if self.state.args.no_range:
            headers.pop("Range", None)
        headers["Host"] = self.headers.get("Host", "localhost")
        if body is not None:
            headers["Content-Length"] = str(len(body))
        c.request(self.command, self.path, body=body, headers=headers)
        r = c.getresponse()
        return r.status, [(k, v) for k, v in r.getheaders() if k.lower() not in HOP], r.read(), r.getheader("Content-Length")

    # ---- tokens

    def allowed(self):
        args = self.state.args
        if not args.token or self.which == "OTHER":
            return True
        need = "push" if self.command not in ("GET", "HEAD") else "pull"
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        with self.state.lock:
            grant = self.state.tokens.get(token) if kind == "Bearer" else None
            if grant and args.expire:
                grant["left"] -= 1
                if grant["left"] < 0:
                    grant = None
        name = re.match(r"/v2/(.+?)/(manifests|blobs|referrers)/", self.path)
        if grant and (not name or (grant["name"] == name.group(1) and need in grant["actions"])):
            return True
        scope = f',scope="repository:{name.group(1)}:{need}"' if name else ""
        realm = f'Bearer realm="http://127.0.0.1:{self.state.other}/token?x=1",service="test service"{scope}'
        self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"a token is needed"}]}',
                   [("WWW-Authenticate", realm), ("Content-Type", "application/json")])
        return False

    def give_token(self):
        q = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        form = urllib.parse.parse_qs(self.body().decode()) if self.command == "POST" else {}
        user, password = self.state.args.token.split(":", 1)
        basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        auth = self.headers.get("Authorization")
        known = auth == basic or form.get("refresh_token") == ["refresh-" + password]
        if (auth or form) and not known:
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong\\u001b[31m password"}]}')
        if (form or q).get("service") != ["test service"] or (not form and q.get("x") != ["1"]):
            return self.reply(400, b'{"details":"no such service"}')
        scopes = [s for v in (form or q).get("scope", []) for s in v.split(" ")]
        _, name, actions = scopes[0].split(":")
        granted = [a for a in actions.split(",") if a == "pull" or known]
        token = hashlib.sha256(os.urandom(16)).hexdigest()
        with self.state.lock:
            self.state.tokens[token] = {"name": name, "actions": granted, "left": 3}
        key = "access_token" if form else "token"
        return self.reply(200, json.dumps({key: token, "expires_in": 60}).encode())

    # ---- blobs

    def cut_short(self, status, headers, body, at):
        self.note("cut")
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:at])
        self.wfile.flush()
        self.close_connection = True

    def stall(self, status, headers, body):
        self.note(f"{status}-stalled")
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:self.state.args.stall])
        self.wfile.flush()
        while not os.path.exists(os.path.join(self.state.args.dir, "go")):
            if select.select([self.connection], [], [], 0.05)[0]: # it is closed
                self.close_connection = True
                return
        self.wfile.write(body[self.state.args.stall:])

    def blob(self):
        args = self.state.args
        if args.no_range_416 and "Range" in self.headers:
            return self.reply(416)
        status, headers, body, _ = self.upstream()
        if args.shift and status == 206:
            body = body[1:] + b"x"
        if status not in (200, 206):
            return self.reply(status, body, headers)
        if args.damage:
            body = body[:10] + bytes([body[10] ^ 1]) + body[11:]
        if args.grow or args.grow_silent:
            body += b"more"
        if args.grow_silent:
            self.note(status)
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return None
        if args.together and len(body) > 65536:
            with self.state.lock:
                self.note("asked")
                self.state.asked += 1
                if self.state.asked == args.together:
                    self.state.all_asked.set()
            if not self.state.all_asked.wait(20):
                return self.reply(500, b"they do not come together")
        with self.state.lock:
            stalls = self.state.stalls > 0 and len(body) > args.stall
            self.state.stalls -= stalls
        if stalls:
            return self.stall(status, headers, body)
        with self.state.lock:
            cut = self.state.cuts > 0 and len(body) > args.cut
            self.state.cuts -= cut
        if cut:
            return self.cut_short(status, headers, body, args.cut)
        return self.reply(status, body, headers)

    # ---- referrers

    def list_referrers(self, digest):
        entries = self.state.referrers[digest]
        q = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        at = int(q.get("at", ["0"])[0])
        doc = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries[at:at + 1]}
        headers = [("Content-Type", "application/vnd.oci.image.index.v1+json")]
        if at + 1 < len(entries):
            headers.append(("Link", f'<{self.path.partition("?")[0]}?at={at + 1}>; rel="next"'))
        self.reply(200, json.dumps(doc).encode(), headers)

    def note_referrer(self, body):
        subject = json.loads(body).get("subject")
        if not subject:
            return []
        # What the list says besides is wrong: clients read the manifest.
        self.state.referrers[subject["digest"]].append({
            "mediaType": self.headers.get("Content-Type"), "size": len(body),
            "digest": "sha256:" + hashlib.sha256(body).hexdigest(), "artifactType": "application/x-lie"})
        return [("OCI-Subject", subject["digest"])]

    # ---- somebody else, at the same time

    def overwrite(self, name):
        with self.state.lock:
            race, self.state.race = self.state.race, None
        for tag in os.listdir(race) if race else ():
            with open(os.path.join(race, tag), "rb") as f:
                body = f.read()
            c = http.client.HTTPConnection(self.state.args.upstream, timeout=60)
            c.request("PUT", f"/v2/{name}/manifests/{tag}", body=body, headers={"Content-Type": json.loads(body)["mediaType"]})
            self.state.log.write(f"RACE PUT {tag} {c.getresponse().status}\n")

    # ---- one request

    def serve(self):
        args, path = self.state.args, self.path.partition("?")[0]
        if self.which == "OTHER" and path == "/token":
            return self.give_token()
        if not self.allowed():
            self.close_connection = True
            return None
        with self.state.lock:
            self.state.seen[self.command + path] += 1
            busy = self.which == "FRONT" and self.state.seen[self.command + path] <= args.busy
        if self.command == "PUT":
            time.sleep(args.slow)
        if busy:
            self.close_connection = True
            return self.reply(503, b"later", [("Retry-After", "0")])
        referrers = re.match(r"/v2/(.+)/referrers/(sha256:[0-9a-f]{64})$", path)
        if args.referrers and referrers:
            return self.list_referrers(referrers.group(2))
        is_blob = re.match(r"/v2/.+/blobs/(sha256:[0-9a-f]{64})$", path)
        if is_blob and self.command == "GET" and self.which == "FRONT" and (args.redirect or args.redirect_to):
            to = args.redirect_to + is_blob.group(1) if args.redirect_to else f"http://127.0.0.1:{self.state.other}{self.path}"
            return self.reply(307, b"", [("Location", to)])
        if is_blob and self.command == "GET":
            return self.blob()
        if self.command == "PUT" and "/blobs/uploads/" in path:
            length = int(self.headers.get("Content-Length") or 0)
            with self.state.lock:
                cut = self.state.cut_puts > 0 and length > args.cut_put
                self.state.cut_puts -= cut
            if cut:
                self.rfile.read(args.cut_put)
                self.note("cut")
                self.close_connection = True
                return None
        body = self.body() if self.command in ("PUT", "POST", "PATCH") else None
        if self.command == "PUT" and "/manifests/" in path:
            with self.state.lock:
                doubts = args.doubt > 0
                args.doubt -= doubts
            if doubts:
                return self.reply(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}', [])
        status, headers, answer, length = self.upstream(body)
        if args.lie and self.command == "GET" and "/manifests/" in path and status == 200:
            answer = answer.replace(b'"schemaVersion"', b' "schemaVersion"')
        if args.hop and status == 202:
            headers = [(k, v.partition(self.headers["Host"])[2] if k.lower() == "location" else v) for k, v in headers]
        if args.referrers and self.command == "PUT" and "/manifests/" in path and status == 201:
            headers += self.note_referrer(body)
        tagged = re.match(r"/v2/(.+)/manifests/(?!sha256[:-])", path)
        if tagged and self.command == "PUT" and status == 201:
            self.overwrite(tagged.group(1))
        if self.command == "HEAD" and length:
            headers.append(("Content-Length", length))
        return self.reply(status, answer, headers)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve


class Other(Handler):
    which = "OTHER"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--upstream", required=True)
    p.add_argument("--dir", required=True)
    p.add_argument("--cut", type=int)
    p.add_argument("--cuts", type=int, default=1)
    p.add_argument("--stall", type=int)
    p.add_argument("--together", type=int)
    p.add_argument("--cut-put", type=int)
    p.add_argument("--busy", type=int, default=0)
    p.add_argument("--doubt", type=int, default=0)
    p.add_argument("--slow", type=float, default=0)
    p.add_argument("--redirect-to")
    p.add_argument("--token")
    p.add_argument("--race")
    for flag in ("no-range", "no-range-416", "shift", "redirect", "expire", "damage", "grow", "grow-silent", "lie", "referrers", "hop"):
        p.add_argument("--" + flag, action="store_true")
    state = State(p.parse_args())
    Handler.state = state
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), h) for h in (Handler, Other)]
    state.front, state.other = (s.server_address[1] for s in servers)
    for s in servers:
        s.daemon_threads = True
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    tmp = os.path.join(state.args.dir, "ports.tmp")
    with open(tmp, "w", encoding="ascii") as f:
        f.write(f"{state.front} {state.other}\n")
    os.rename(tmp, os.path.join(state.args.dir, "ports"))
    servers[0].serve_forever()


main()
