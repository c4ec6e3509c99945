"""A small load generator, for machines without wrk: GETs of one page on connections that stay open.

It prints on stderr what wrk is made to print: requests, seconds and errors, as JSON. It is slower
than wrk, and than a fast page.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit


def main(url: str, seconds: float, connections: int, headers: dict[str, str]) -> None:
    """Ask for ``url`` as fast as the answers come."""
    parts = urlsplit(url)
    path = parts.path + ("?" + parts.query if parts.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    request = "\r\n".join([*lines, "", ""]).encode()
    requests = errors = 0
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(connections):
                stream = socket.create_connection((parts.hostname, parts.port or 80), timeout=10)
                selector.register(stream, selectors.EVENT_READ, bytearray())
                stream.sendall(request)
            while selector.get_map() and (not requests or time.monotonic() < began + seconds):
                for key, _ in selector.select(0.1):
                    answering, received = key.fileobj, key.data
                    assert isinstance(answering, socket.socket)
                    data = answering.recv(1 << 18)
                    received += data
                    if not data:
                        errors += 1
                        selector.unregister(answering)
                        answering.close()
                    elif is_whole(received):
                        requests += 1
                        errors += not received.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3"))
                        received.clear()
                        answering.sendall(request)
        except OSError:
            errors += 1
        finally:
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
    done = {"requests": requests, "seconds": time.monotonic() - began, "errors": errors}
    print(json.dumps(done), file=sys.stderr)


def is_whole(received: bytes) -> bool:
    """Tell whether a response has arrived with its whole body."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")  # in chunks


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
