#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What run.t asks of ports: port_client.py KIND HOST PORT…; each prints one line."""
import hashlib
import os
import socket
import sys
import threading


def connect(host, port):
    return socket.create_connection((host, int(port)), 20)


def echo(host, port, data):
    """Sends all, tells the end, and reads until the other's: so both directions and half-close count."""
    s = connect(host, port)

    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)

    t = threading.Thread(target=send)
    t.start()
    got = hashlib.sha256()
    n = 0
    while part := s.recv(1 << 16):
        got.update(part)
        n += len(part)
    t.join()
    s.close()
    return n == len(data) and got.digest() == hashlib.sha256(data).digest()


def big(host, port):
    print("same" if echo(host, port, os.urandom(20 << 20)) else "other")


def many(host, port):
    good = []
    threads = [threading.Thread(target=lambda i=i: good.append(echo(host, port, b"%d " % i * 1000))) for i in range(200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sum(good))


def udp(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(5)]
    n = 0
    for i, s in enumerate(socks):
        s.settimeout(5)
        s.connect((host, int(port)))
        for size in (1, 1000, 8000):
            s.send(bytes([i]) * size)
            n += s.recv(9000) == bytes([i]) * size
    print(n)


def refused(host, port):
    try:
        print("data" if connect(host, port).recv(1) else "end")
    except ConnectionResetError:
        print("reset")


{"big": big, "many": many, "udp": udp, "refused": refused}[sys.argv[1]](*sys.argv[2:])
