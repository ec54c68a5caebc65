#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback for tests of what is fetched: remote_server.py DIR [CERT KEY]

Serves below DIR/www, and writes DIR/ports ("PORT OTHER [TLS]") and DIR/log, a line a request: METHOD PATH STATUS, "+auth" where
a login came along. OTHER is the same server on another port: another origin.

  /f/NAME       with ETag and Last-Modified, both honoured      /lm/NAME      with Last-Modified alone
  /plain/NAME   without either                                  /deaf/NAME    with an ETag, but deaf to questions about it
  /weak/NAME    the ETag is weak the second time                /gone/NAME    404 once NAME.gone exists
  /status/N     that status                                     /to?URL       redirect
  /loop         redirects to itself                             /break/NAME   breaks off in the middle, twice
  /busy/NAME    503 the first time                              /auth/NAME    wants "Bearer sesame" or user:password "who:pass word"
  /short/NAME   says that more comes than does                  /stall/NAME   sends half, then nothing until NAME.go exists
  /git/…        git http-backend                                /private/…    the same, wants x-access-token:sesame
  /old/…        git http-backend without protocol 2             /www/…        files as they are: repositories, too ("dumb")
  /moved/…      redirects to the other server's /…
"""
import base64
import hashlib
import http.server
import os
import ssl
import subprocess
import sys
import threading
import time
import email.utils

ROOT = os.path.abspath(sys.argv[1])
WWW = os.path.join(ROOT, "www")
lock = threading.Lock()
counts = {}


def count(key):
    with lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def say(self, status, body=b"", headers=(), length=None):
        auth = " +auth" if self.headers.get("Authorization") else ""
        with lock, open(os.path.join(ROOT, "log"), "a") as log:
            log.write(f"{self.command} {self.path} {status}{auth}\n")
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, name, etag=False, modified=False, deaf=False, weak=False):
        path = os.path.join(WWW, name)
        if not os.path.isfile(path):
            return self.say(404, b"not here\n")
        with open(path, "rb") as f:
            body = f.read()
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        when = email.utils.formatdate(int(os.stat(path).st_mtime), usegmt=True)
        if weak and count(self.path) > 1:
            tag = "W/" + tag
        headers = [("ETag", tag)] if etag else []
        headers += [("Last-Modified", when)] if modified else []
        asked = self.headers.get("If-None-Match", "")
        same = etag and asked.replace("W/", "") == tag.replace("W/", "")
        same = same or (modified and not asked and self.headers.get("If-Modified-Since") == when)
        if same and not deaf:
            return self.say(304, b"", headers)
        return self.say(200, body, headers)

    def broken(self, name, stall):
        with open(os.path.join(WWW, name), "rb") as f:
            body = f.read()
        if not stall and count(self.path) > 2:
            return self.say(200, body)
        self.say(200, body[:len(body) // 2], length=len(body))
        while stall and not os.path.exists(os.path.join(WWW, name + ".go")):
            time.sleep(0.05)
        self.wfile.flush()
        self.close_connection = True

    def git(self, prefix, env=()):
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().strip(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        e = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": WWW, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path[len(prefix):],
             "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
             "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
             "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent",
             "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        e.update(env)
        out = subprocess.run(["git", "http-backend"], input=body, env=e, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if line]
        status = [int(v.split()[0]) for k, v in headers if k == "Status"]
        self.say(status[0] if status else 200, body, [h for h in headers if h[0] not in ("Status", "Content-Length")])

    def allowed(self, *logins):
        return self.headers.get("Authorization", "").split(" ", 1)[-1] in logins

    def do_GET(self):
        kind, _, rest = self.path[1:].partition("/")
        rest = rest.partition("?")[0].replace("%20", " ")
        if self.path.startswith("/to?"):
            return self.say(302, b"", [("Location", self.path[4:])])
        if kind == "moved":
            return self.say(302, b"", [("Location", "http://127.0.0.1:%s/%s" % (ports[1], self.path[len("/moved/"):]))])
        if kind == "loop":
            return self.say(301, b"", [("Location", "/loop")])
        if kind == "status":
            return self.say(int(rest), b"some words\n")
        if kind == "busy" and count(self.path) == 1:
            return self.say(503, b"", [("Retry-After", "0")])
        if kind == "auth" and not self.allowed("sesame", base64.b64encode(b"who:pass word").decode()):
            return self.say(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
        if kind == "gone" and os.path.exists(os.path.join(WWW, rest + ".gone")):
            return self.say(404)
        if kind in ("break", "stall"):
            return self.broken(rest, kind == "stall")
        if kind == "private" and not self.allowed(base64.b64encode(b"x-access-token:sesame").decode()):
            return self.say(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
        if kind in ("git", "private"):
            return self.git("/" + kind)
        if kind == "old":
            return self.git("/old", [("GIT_PROTOCOL", "")])
        if kind == "www" or not kind:
            return self.file(rest or "index")
        return self.file(rest, etag=kind in ("f", "deaf", "weak"), modified=kind in ("f", "lm"), deaf=kind == "deaf",
                         weak=kind == "weak")

    do_POST = do_HEAD = do_GET


def serve(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return str(server.server_address[1])


ports = [serve(False), serve(False)] + ([serve(True)] if len(sys.argv) > 3 else [])
with open(os.path.join(ROOT, "ports.new"), "w") as f:
    f.write(" ".join(ports) + "\n")
os.rename(os.path.join(ROOT, "ports.new"), os.path.join(ROOT, "ports"))
# Ends with the test, also when that is killed: its end closes our standard input.
sys.stdin.read()
