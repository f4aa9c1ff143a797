# SPDX-License-Identifier: Apache-2.0
"""A second request where a mistaken reader would find one (GHSA-q39v-w2g7-gr8j, GHSA-2gmv-p5m7-98p6): it is never answered.
tests/http/rfc_test.py has every rule of framing; here the real routes stand behind it."""
from kit import *

EVIL = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def alone(r, target):
    return "the hidden request was answered" if b'"object":"list"' in r.body or b"owned_by" in r.body else None


def hidden(name, headers, want=(400, 413, 415, 501), body=EVIL, host="Host: localhost"):
    head = "\r\n".join(["POST /v1/completions HTTP/1.1", *([host] if host else []), "Content-Type: application/json", *headers])
    return Attack(name, head.encode("latin-1") + b"\r\n\r\n" + body, want, check=alone, answers=2)


def cases():
    n = "Content-Length: %d" % len(EVIL)
    for name, headers in (("length and coding", ["Content-Length: 0", CHUNKED]), ("coding and length", [CHUNKED, n]), ("two lengths", ["Content-Length: 0", n]),
                          ("two equal lengths", [n, n]), ("lengths in a list", ["Content-Length: 0, 44"]), ("a length with a sign", ["Content-Length: +0"]),
                          ("a negative length", ["Content-Length: -1"]), ("a hexadecimal length", ["Content-Length: 0x2c"]), ("an empty length", ["Content-Length:"]),
                          ("a length with a space before its colon", ["Content-Length : 0"]), ("a coding with a space before its colon", ["Transfer-Encoding : chunked"]),
                          ("xchunked", ["Transfer-Encoding: xchunked"]), ("chunked, identity", ["Transfer-Encoding: chunked, identity"]),
                          ("identity, chunked", ["Transfer-Encoding: identity, chunked"]), ("chunked twice", [CHUNKED, CHUNKED]), ("gzip, chunked", ["Transfer-Encoding: gzip, chunked"]),
                          ("a folded coding", ["Transfer-Encoding:\r\n chunked"]), ("a coding behind a vertical tab", ["Transfer-Encoding: \x0bchunked"]),
                          ("a coding in quotes", ['Transfer-Encoding: "chunked"']), ("a coding with a parameter", ["Transfer-Encoding: chunked;a=b"]),
                          ("a coding with NUL", ["Transfer-Encoding: chunked\0"]), ("an underscore in the name", ["Transfer_Encoding: chunked", "Content-Length: 0", n]),
                          ("a bare CR between headers", ["X: a\rContent-Length: 0", n, n]), ("a bare LF between headers", ["X: a\nContent-Length: 0"]),
                          ("an empty name", [": x", "Content-Length: 0"]), ("a name with a space", ["X Y: z", "Content-Length: 0"]), ("no colon", ["Content-Length 0"])):
        yield hidden(name, headers)
    yield hidden("no Host", ["Content-Length: 0"], 400, host=None)
    yield hidden("two Hosts", ["Host: localhost", "Content-Length: 0"], 400)
    yield hidden("a Host with a path", ["Content-Length: 0"], 400, host="Host: localhost/health?")
    yield hidden("the body is a request", [n], 400)
    yield hidden("the body of chunks is a request", [CHUNKED], 400, b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVIL), EVIL))
    yield hidden("a chunk that is longer than it says", [CHUNKED], 400, b"1\r\n{}\r\n0\r\n\r\n" + EVIL)
    yield hidden("trailers that are headers", [CHUNKED], REFUSED, b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nContent-Length: 50\r\nHost: evil\r\n\r\n")
    yield hidden("a last chunk with a sign", [CHUNKED], 400, b"+0\r\n\r\n" + EVIL)
    yield hidden("Expect and a request at once", ["Expect: 100-continue", n], 400)
    yield Attack("HTTP/1.0 with a coding", b"POST /v1/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL, REFUSED, check=alone, answers=2)
    yield Attack("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + EVIL, (505,), check=alone, answers=2)
