# SPDX-License-Identifier: Apache-2.0
"""Bombs of chunks (CVE-2025-23310, CVE-2025-23311, CVE-2025-46728, CVE-2026-45352)."""
from kit import *

HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"prompt":"x","max_tokens":1}'


def sized(size, want=400):
    return Attack("a chunk of size %r" % size, HEAD + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", want)


def bytewise(body):
    return b"".join(b"1\r\n" + body[i:i + 1] + b"\r\n" for i in range(len(body)))


def cases():
    yield Attack("a body in chunks of one byte", HEAD + bytewise(BODY) + b"0\r\n\r\n", 200)
    yield Attack("3 MB in chunks of one byte", HEAD + b"1\r\n \r\n" * (500 << 10) + bytewise(BODY) + b"0\r\n\r\n", 200)
    yield Attack("40 MB in chunks", HEAD + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 40, 413)
    yield Attack("no last chunk", [HEAD + b"1d\r\n" + BODY + b"\r\n", END], None)
    yield Attack("an end within a chunk", [HEAD + b"ff\r\n" + BODY, END], None)
    yield Attack("an end within a size", [HEAD + b"1", END], None)
    for size in (b"-1", b"-2", b"+3", b"0x1d", b"", b" 1d", b"1d ", b"1_d", b"1d\t", b"g", b"1.d", b"1d,1d", b"\xef\xbc\x91", b"\"1d\"", b"0000000000000000000000001g"):
        yield sized(size)
    for size in (b"F" * 16, b"1" + b"0" * 16, b"8" + b"0" * 15, b"FFFFFFFF", b"7FFFFFFFFFFFFFFF", b"9" * 40, b"2000001"):
        yield sized(size, (400, 413))
    yield Attack("size 1 MB of zeros", HEAD + b"0" * (1 << 20) + b"1d\r\n" + BODY + b"\r\n0\r\n\r\n", (200, 400, 413))
    yield Attack("an extension of 1 MB", HEAD + b"1d;a=" + b"b" * (1 << 20) + b"\r\n" + BODY + b"\r\n0\r\n\r\n", (400, 413))
    yield Attack("an extension to each of 100,000 chunks", HEAD + b"1;a=b\r\n \r\n" * 100000 + b"1d\r\n" + BODY + b"\r\n0\r\n\r\n", (200, 400, 413))
    yield Attack("trailers of 1 MB", HEAD + b"1d\r\n" + BODY + b"\r\n0\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n", (400, 413, 431))
    yield Attack("trailers without an end", HEAD + b"1d\r\n" + BODY + b"\r\n0\r\n" + b"X: y\r\n" * 200000, (400, 413, 431))
    yield Attack("LF for CRLF", HEAD + b"1d\n" + BODY + b"\n0\n\n", 400)
    yield Attack("no CRLF behind a chunk", HEAD + b"1d\r\n" + BODY + b"0\r\n\r\n", 400)
