# SPDX-License-Identifier: Apache-2.0
"""Giant heads, and heads without an end (CVE-2025-48956, CVE-2025-52887)."""
from kit import *

BIG = "y" * (1 << 20)


def cases():
    yield get("a header of 1 MB", "/health", 431, ["X: " + BIG])
    yield get("a name of 1 MB", "/health", 431, [BIG + ": x"])
    yield Attack("a million headers that never end", b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000000, 431)
    yield Attack("8 MB of empty names", b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b":\r\n" * (1 << 21), (400, 431))
    yield Attack("a target of 1 MB", b"GET /" + BIG.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414)
    yield Attack("a query of 1 MB", b"GET /health?" + BIG.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414)
    yield Attack("a method of 1 MB", BIG.encode() + b" / HTTP/1.1\r\n\r\n", 501)
    yield Attack("a line of 16 MB without an end", b"GET /health HTTP/1.1\r\nX: " + b"y" * (16 << 20), 431)
    yield Attack("1 MB of empty lines", b"\r\n" * (1 << 19), 400)
    yield Attack("1 MB of NUL", bytes(1 << 20), 400)
    for name in ("Host", "Authorization", "X-Api-Key", "X-Request-Id", "traceparent", "Content-Type", "Origin", "Content-Length", "Transfer-Encoding", "Expect", "Connection"):
        host = b"" if name == "Host" else b"Host: localhost\r\n"
        yield Attack("a %s of 1 MB" % name, b"GET /health HTTP/1.1\r\n" + host + name.encode() + b": " + b"1" * (1 << 20) + b"\r\n\r\n", (400, 413, 431))
    for count in (100, 101, 1000, 10000):
        yield get("%d headers" % count, "/health", (200, 431), ["X-%d: y" % i for i in range(count)])
    yield get("a request id of 8 KB", "/health", ANY, ["X-Request-Id: " + "a" * 8000])
