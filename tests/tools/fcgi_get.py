#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: fcgi_get.py PORT SCRIPT METHOD URI [BODY]: asks a FastCGI server as nginx does, and prints what it answers."""
import socket
import struct
import sys
import time

BEGIN, PARAMS, STDIN, STDOUT, END = 1, 4, 5, 6, 3


def record(kind, data):
    return struct.pack(">BBHHBB", 1, kind, 1, len(data), 0, 0) + data


def pair(name, value):
    return b"".join(bytes([len(x)]) if len(x) < 128 else struct.pack(">I", len(x) | 1 << 31) for x in (name, value)) + name + value


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            sys.exit("the server went away")
        data += more
    return data


port, script, method, uri = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
body = sys.argv[5].encode() if len(sys.argv) > 5 else b""
params = {"SCRIPT_FILENAME": script, "REQUEST_METHOD": method, "REQUEST_URI": uri, "QUERY_STRING": uri.partition("?")[2],
          "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/x-www-form-urlencoded" if body else "", "SERVER_PROTOCOL": "HTTP/1.1"}
for attempt in range(100):
    try:
        s = socket.create_connection(("127.0.0.1", port), 10)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("nobody listens")
s.sendall(record(BEGIN, struct.pack(">HB5x", 1, 0)) + record(PARAMS, b"".join(pair(k.encode(), v.encode()) for k, v in params.items()))
          + record(PARAMS, b"") + (record(STDIN, body) if body else b"") + record(STDIN, b""))
out = b""
while True:
    _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", exactly(s, 8))
    data = exactly(s, length)
    exactly(s, padding)
    if kind == STDOUT:
        out += data
    elif kind == END:
        break
sys.stdout.buffer.write(out)
