# SPDX-License-Identifier: Apache-2.0
"""Compressed bodies (CVE-2026-28435, CVE-2024-12886): none is ever unpacked."""
import gzip, zlib
from kit import *


def cases():
    bomb = gzip.compress(bytes(64 << 20))
    body = b'{"prompt":"x","max_tokens":1}'
    for coding, data in (("gzip", bomb), ("x-gzip", bomb), ("deflate", zlib.compress(bytes(1 << 20))), ("br", b"\x8b"), ("zstd", b"\x28\xb5\x2f\xfd"), ("compress", b"\x1f\x9d"),
                         ("gzip, gzip", gzip.compress(bomb)), ("GZIP", gzip.compress(body)), ("gzip", gzip.compress(body)), ("identity, gzip", gzip.compress(body)), ("aes128gcm", body),
                         ("x" * 1000, body), ("gzip;q=1", body)):
        for path in ("/v1/completions", "/v1/chat/completions", "/tokenize"):
            yield post("%s to %s (%d bytes)" % (coding[:20], path, len(data)), path, data, 415, ["Content-Encoding: " + coding])
    yield Attack("gzip in chunks", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x1f\r\n0\r\n\r\n", 415)
