#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Passes TCP connections on to a server on loopback, answers at so many bytes a second each: slow_proxy.py PORT RATE. Prints its own port."""
import socket
import sys
import threading
import time


def pump(source, to, rate):
    try:
        while True:
            data = source.recv(max(1024, rate // 20) if rate else 65536)
            if not data:
                break
            to.sendall(data)
            if rate:
                time.sleep(len(data) / rate)
    except OSError:
        pass
    for s in (source, to):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    port, rate = int(sys.argv[1]), int(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(client, server, 0), daemon=True).start()
        threading.Thread(target=pump, args=(server, client, rate), daemon=True).start()


main()
