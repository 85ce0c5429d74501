#!/usr/bin/env python3
"""One connection of a machine's, which qemu hands on as standard input, to a port of this machine's loopback.

    relay.py PORT
"""

import os
import select
import socket
import sys


def relay(ours, theirs):
    """Copies both ways until both have ended."""
    other = {ours: theirs, theirs: ours}
    while other:
        for end in select.select(list(other), [], [])[0]:
            try:
                data = end.recv(1 << 16)
                if data:
                    other[end].sendall(data)
                    continue
                other[end].shutdown(socket.SHUT_WR)
            except OSError:  # One that is gone takes the other with it.
                return
            del other[end]


if __name__ == "__main__":
    try:
        target = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
    except OSError:
        sys.exit(1)
    target.settimeout(None)
    relay(socket.socket(fileno=os.dup(0)), target)
