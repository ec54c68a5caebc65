#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands between a client and a registry with basic logins, and does one thing wrong.

A Proxy has two addresses on loopback: the front, which stands for the registry, and another host, where redirects lead; that one
serves what the registry has, too, with a login of its own, and notes every word that could be the client's. Requests to the front are
counted; a Fault says what happens to which of them: to the Nth alone ("once"), or to that and all that follow.

    drop-before   the connection ends, nothing was forwarded       drop-after     it was, but the answer is lost
    delay         it takes its time                                 duplicate      it is forwarded twice, the second answer counts
    cut-answer    the answer ends half-way                          cut-upload     half of the body is forwarded, then both ends see a break
    flip-request  one byte of the body is another one               flip-answer    the same of the answer's
    429 429-after 429-date 500 503 502                              answered so ("after", "date": with a Retry-After)
    401           with the challenge that the registry gives        401-strange    with one that nobody can answer
    307 302       to the other host                                 301-loop       to itself
    garbage       the answer is no HTTP                             keep           of the body half is forwarded as if that were all, then a break;
                                                                                   the session is moved on, as registries do that can resume
    no-mount      what asks for a mount gets an upload              chunk-min      to a POST: pieces of at least 5000000 bytes, please
"""
import base64
import email.utils
import http.client
import http.server
import json
import os
import re
import socket
import sys
import threading
import time

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
BODY = {"cut-upload", "flip-request", "keep"}  # only what has a body can suffer these
PLAIN = {"429": 429, "429-after": 429, "429-date": 429, "500": 500, "502": 502, "503": 503}
FAULTS = ["drop-before", "drop-after", "delay", "duplicate", "cut-answer", "cut-upload", "flip-request", "flip-answer", "429", "429-after",
          "429-date", "500", "502", "503", "401", "401-strange", "307", "302", "301-loop", "garbage", "keep"]  # at every position


class Break(Exception):
    """The client's connection ends here."""


class Case:
    """What one client meets, and what was seen of it."""

    def __init__(self, fault=None, at=0, once=True):
        self.fault, self.at, self.once = fault, at, once  # at: a number from 1, or a method: its first request
        self.lock = threading.Lock()
        self.log = []      # "METHOD path"
        self.hits = 0      # requests that the fault befell
        self.leaks = []    # what the other host was shown
        self.elsewhere = 0  # requests to the other host
        self.busy = self.peak = 0  # requests at the same time
        self.moved = {}    # sessions: where they go on
        self.status = None  # the client's exit code

    def next(self, method, path, content_range):
        with self.lock:
            self.log.append(f"{method} {path}" + (f" {content_range}" if content_range else ""))
            if self.at == method:
                self.at = len(self.log)
            n = len(self.log)
            hit = self.fault and isinstance(self.at, int) and (n == self.at or (n > self.at and not self.once))
            self.hits += bool(hit)
            return self.fault if hit else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.case = self.server.proxy.case

    def handle(self):
        try:
            super().handle()
        except (Break, ConnectionError, socket.timeout, http.client.HTTPException, ValueError):
            self.close_connection = True

    def handle_one_request(self):
        if self.rfile.peek(1)[:1] == b"\x16":  # TLS: a plain answer, at once
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\nplain HTTP is spoken here\n")
            self.wfile.flush()
            self.close_connection = True
            return
        super().handle_one_request()

    # ---- forwarding

    def forward(self, body, half=None):
        proxy = self.server.proxy
        c = http.client.HTTPConnection(proxy.upstream, timeout=60)
        c.putrequest(self.command, self.case.moved.get(self.path, self.path), skip_host=True, skip_accept_encoding=True)
        c.putheader("Host", self.headers.get("Host", "localhost"))
        for k, v in self.headers.items():
            if k.lower() not in HOP | {"host", "authorization"}:
                c.putheader(k, v)
        auth = proxy.auth if self.server.other else self.headers.get("Authorization")
        if auth:
            c.putheader("Authorization", auth)
        if body is not None:
            c.putheader("Content-Length", str(len(body)))
        c.endheaders()
        if body:
            c.send(body if half is None else body[:half])
        if half is not None:
            c.close()
            raise Break
        r = c.getresponse()
        headers = [(k, v) for k, v in r.getheaders() if k.lower() not in HOP]
        answer = r.status, headers, r.read(), r.getheader("Content-Length")
        c.close()
        return answer

    def reply(self, status, headers=(), body=b"", length=None):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        if status != 204:
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def cut(self, status, headers, body):
        """Half of it: of the body, or of the headers where there is none."""
        text = [f"HTTP/1.1 {status} X"] + [f"{k}: {v}" for k, v in headers] + [f"Content-Length: {len(body)}", "", ""]
        raw = "\r\n".join(text).encode()
        if body and self.command != "HEAD":
            self.wfile.write(raw + body[:len(body) // 2])
        else:
            self.wfile.write(raw[:len(raw) // 2])
        self.wfile.flush()
        raise Break

    def keep(self, body):
        """A registry that keeps what arrived: it has half, and says so when it is asked."""
        if self.command != "PATCH" or len(body) < 2:
            self.forward(body, len(body) // 2)
        half = body[:len(body) // 2]
        at = self.headers.get("Content-Range")
        if at:
            start = int(at.split("-")[0])
            self.headers.replace_header("Content-Range", f"{start}-{start + len(half) - 1}")
        _, headers, _, _ = self.forward(half)
        for k, v in headers:
            if k.lower() == "location":
                self.case.moved[self.path] = re.sub(r"^https?://[^/]+", "", v)
        raise Break

    # ---- one request

    def serve(self):
        proxy, case, other = self.server.proxy, self.case, self.server.other
        body = None
        if self.command in ("POST", "PUT", "PATCH"):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if other:
            self.note_leaks(body)
        fault = None if other else case.next(self.command, self.path, self.headers.get("Content-Range"))
        if fault in BODY and not body:
            fault = "drop-before"
        if fault == "drop-before":
            raise Break
        if fault == "delay":
            self.delay()
        if fault == "no-mount":
            self.path = self.path.partition("?mount=")[0]
        if fault in PLAIN:
            after = {"429-after": [("Retry-After", "1")], "429-date": [("Retry-After", email.utils.formatdate(time.time() + 1, usegmt=True))]}
            return self.reply(PLAIN[fault], after.get(fault, []), b'{"errors":[{"code":"X","message":"not now"}]}')
        if fault == "401":
            return self.reply(401, [("WWW-Authenticate", 'Basic realm="whittle-test"')])
        if fault == "401-strange":
            return self.reply(401, [("WWW-Authenticate", "Negotiate abcd")])
        if fault in ("307", "302"):
            return self.reply(int(fault), [("Location", f"http://127.0.0.1:{proxy.other_port}{self.path}")])
        if fault == "301-loop":
            return self.reply(301, [("Location", self.path)])
        if fault == "garbage":
            self.wfile.write(b"\0\1\2 what?\n" * 3)
            self.wfile.flush()
            raise Break
        if fault == "cut-upload":
            self.forward(body, len(body) // 2)
        if fault == "keep":
            self.keep(body)
        if fault == "flip-request":
            k = len(body) // 2
            body = body[:k] + bytes([body[k] ^ 1]) + body[k + 1:]
        if fault == "duplicate":
            self.forward(body)
        status, headers, answer, length = self.forward(body)
        if fault == "drop-after":
            raise Break
        if fault == "chunk-min" and self.command == "POST":
            headers.append(("OCI-Chunk-Min-Length", "5000000"))
        if fault == "cut-answer":
            self.cut(status, headers, answer)
        if fault == "flip-answer" and answer:
            k = len(answer) // 2
            answer = answer[:k] + bytes([answer[k] ^ 1]) + answer[k + 1:]
        return self.reply(status, headers, answer, length)

    def delay(self):
        with self.case.lock:
            self.case.busy += 1
            self.case.peak = max(self.case.peak, self.case.busy)
        time.sleep(0.4 if self.case.once else 0.1)
        with self.case.lock:
            self.case.busy -= 1

    def note_leaks(self, body):
        proxy, seen = self.server.proxy, str(self.headers) + self.path + (body or b"").decode("latin-1")
        with self.case.lock:
            self.case.elsewhere += 1
            if "authorization" in seen.lower() or any(s in seen for s in proxy.secrets):
                self.case.leaks.append(f"{self.command} {self.path}")

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Proxy:
    def __init__(self, upstream, user, password):
        self.upstream = upstream
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.auth = "Basic " + token
        self.secrets = [token, password]
        self.case = Case()
        self.servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
        for s, other in zip(self.servers, (False, True)):
            s.proxy, s.other = self, other
            threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 5}, daemon=True).start()
        self.port, self.other_port = (s.server_address[1] for s in self.servers)


def main():
    """fault_proxy.py HOST:PORT DIR USER PASSWORD [FAULT AT once|on]: by itself. DIR/ports has both ports, DIR/log a line for each request to
    the front, DIR/seen what else is known: {"elsewhere": …, "leaks": […], "peak": …}."""
    upstream, where, user, password = sys.argv[1:5]
    proxy = Proxy(upstream, user, password)
    if len(sys.argv) > 5:
        at = int(sys.argv[6]) if sys.argv[6].isdigit() else sys.argv[6]
        proxy.case = Case(sys.argv[5], at, sys.argv[7] == "once")
    case, seen = proxy.case, 0
    with open(os.path.join(where, "log"), "w", encoding="utf-8", buffering=1) as log:
        write(os.path.join(where, "ports"), f"{proxy.port} {proxy.other_port}\n")
        while True:
            lines = case.log[seen:]
            seen += len(lines)
            log.writelines(line + "\n" for line in lines)
            write(os.path.join(where, "seen"), json.dumps({"elsewhere": case.elsewhere, "leaks": case.leaks, "peak": case.peak}))
            time.sleep(0.05)


def write(path, text):
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".tmp", path)


if __name__ == "__main__":
    main()
