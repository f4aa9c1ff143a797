#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of RFC 9110 and 9112 that concerns a server, as a table: bytes in, answers out.

A case is (section, what it shows, bytes, answers, end). An answer is a status, or (status, path that the handler
saw). "open": the connection serves a further request; "close": the server closes it and sends nothing more. No case
may make the handler see /evil, which stands where a mistaken reader would find a second request. Each case is sent
at once, and again byte by byte.
"""
import sys

sys.dont_write_bytecode = True
from peer import Server

LIMITS = ["head_bytes=4096", "target_bytes=1024", "n_header=20", "body_bytes=65536"]
EVIL = b"GET /evil HTTP/1.1\r\nHost: t\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def req(line=b"GET / HTTP/1.1", headers=b"", body=b"", host=b"Host: t\r\n"):
    return line + b"\r\n" + host + headers + b"\r\n" + body


def get(target=b"/", **more):
    return req(b"GET " + target + b" HTTP/1.1", **more)


def old(headers=b"", line=b"GET / HTTP/1.0", **more):
    return req(line, headers, host=b"", **more)


def post(headers, body=b"", **more):
    return req(b"POST /p HTTP/1.1", headers, body, **more)


def chunks(body, **more):
    return post(CHUNKED, body, **more)


def length(n, body):
    return post(b"Content-Length: " + n + b"\r\n", body)


def bad(section, what, data, status=400):
    return (section, what, data, [status], "close")


def ok(section, what, data, *answers):
    return (section, what, data, list(answers) or [200], "open")


def request_line():
    s = "9112 3"
    yield ok(s, "a plain request", get())
    yield ok(s, "any token is a method", req(b"M-SEARCH!#$%&'*+.^_`|~0 / HTTP/1.1"))
    yield ok(s, "methods are case-sensitive: get is another", req(b"get / HTTP/1.1"))
    yield bad(s, "two spaces after the method", req(b"GET  / HTTP/1.1"))
    yield bad(s, "two spaces before the version", req(b"GET /  HTTP/1.1"))
    yield bad(s, "a tab for a space", req(b"GET\t/ HTTP/1.1"))
    yield bad(s, "a vertical tab for a space", req(b"GET\x0b/ HTTP/1.1"))
    yield bad(s, "a tab before the version", req(b"GET /\tHTTP/1.1"))
    yield bad(s, "space before the method", req(b" GET / HTTP/1.1"))
    yield bad(s, "space at the end", req(b"GET / HTTP/1.1 "))
    yield bad(s, "a space in the target", req(b"GET /a b HTTP/1.1"))
    yield bad(s, "no target", req(b"GET HTTP/1.1"))
    yield bad(s, "no version", req(b"GET /"))
    yield bad(s, "no method", req(b"/ HTTP/1.1"))
    yield bad(s, "the simple request of HTTP/0.9", b"GET /\r\n")
    yield bad(s, "a method that is no token: (", req(b"G(T / HTTP/1.1"))
    yield bad(s, "a method that is no token: /", req(b"GE/T / HTTP/1.1"))
    yield bad(s, "a method that is no token: NUL", req(b"GE\0T / HTTP/1.1"))
    yield bad(s, "a method that is no token: UTF-8", req("GÉT / HTTP/1.1".encode()))
    yield bad(s, "a TLS client hello", bytes.fromhex("16030100c8010000c40303") + bytes(40))
    yield bad(s, "a JSON body instead of a request", b'{"model":"m"}\r\n\r\n')
    yield bad(s, "an endless line of NUL", b"\0" * 100)
    yield ok(s, "a method of 32 bytes", req(b"M" * 32 + b" / HTTP/1.1"))
    yield bad(s, "a method of 33 bytes is 501", req(b"M" * 33 + b" / HTTP/1.1"), 501)
    yield bad(s, "an endless method is 501", b"M" * 10000, 501)
    yield ok(s, "a target at the limit", get(b"/" + b"a" * 1023))
    yield bad(s, "a target beyond the limit is 414", get(b"/" + b"a" * 1024), 414)
    yield bad(s, "an endless target is 414", b"GET /" + b"a" * 10000, 414)
    yield bad(s, "an endless query is 414", b"GET /?" + b"a" * 10000, 414)
    s = "9112 2.2"
    yield ok(s, "an empty line before the request line is ignored", b"\r\n" + get())
    yield ok(s, "four are", b"\r\n" * 4 + get())
    yield bad(s, "five are not", b"\r\n" * 5 + get())
    yield bad(s, "an empty line of LF alone", b"\n" + get())
    yield bad(s, "CR alone before the request line", b"\r" + get())
    yield ok(s, "an empty line after a body, as old clients send", length(b"1", b"x\r\n") + get(b"/2"), 200, (200, "/2"))
    yield bad(s, "LF alone ends the request line", b"GET / HTTP/1.1\nHost: t\r\n\r\n")
    yield bad(s, "LF alone ends a header", b"GET / HTTP/1.1\r\nHost: t\n\r\n")
    yield bad(s, "LF alone ends the head", b"GET / HTTP/1.1\r\nHost: t\r\n\n")
    yield bad(s, "CR alone in the request line", b"GET / HTTP/1.1\rHost: t\r\n\r\n")
    yield bad(s, "CR alone in a target", b"GET /\r/ HTTP/1.1\r\nHost: t\r\n\r\n")
    yield bad(s, "CR alone ends a header", b"GET / HTTP/1.1\r\nHost: t\rX: y\r\n\r\n")
    yield bad(s, "CR CR LF ends a header", b"GET / HTTP/1.1\r\nHost: t\r\r\n\r\n")
    yield bad(s, "CR alone ends the head", b"GET / HTTP/1.1\r\nHost: t\r\n\rGET /evil")
    yield bad(s, "white space between request line and first header",
              b"GET / HTTP/1.1\r\n Host: t\r\n\r\n")


def versions():
    s = "9110 2.5"
    yield ok(s, "HTTP/1.2 is read as 1.1", req(b"GET / HTTP/1.2"))
    yield ok(s, "HTTP/1.9 is read as 1.1", req(b"GET / HTTP/1.9"))
    yield bad(s, "HTTP/1.2 needs a Host like 1.1", req(b"GET / HTTP/1.2", host=b""))
    yield bad(s, "HTTP/2.0 is 505", req(b"GET / HTTP/2.0"), 505)
    yield bad(s, "the preface of HTTP/2 is 505", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
    yield bad(s, "HTTP/3.0 is 505", req(b"GET / HTTP/3.0"), 505)
    yield bad(s, "HTTP/0.9 is 505", req(b"GET / HTTP/0.9"), 505)
    yield bad(s, "HTTP/9.9 is 505", req(b"GET / HTTP/9.9"), 505)
    s = "9112 2.3"
    for version in (b"http/1.1", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1,1",
                    b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/+1.1", b"HTTP/1.1x", b"HTP/1.1", b"HTTPS/1.1", b"ICY/1.1",
                    b"HTTP/1.a", b"HTTP/a.1"):
        yield bad(s, "version %r" % version, req(b"GET / " + version))


def hosts():
    s = "9112 3.2"
    yield bad(s, "no Host", req(host=b""))
    yield bad(s, "two Hosts", req(host=b"Host: t\r\nHost: t\r\n"))
    yield bad(s, "two Hosts that differ", req(host=b"Host: t\r\nX: y\r\nHOST: u\r\n"))
    yield bad(s, "two Hosts in HTTP/1.0", old(b"Host: t\r\nHost: t\r\n"))
    yield bad(s, "a Host that is no host in HTTP/1.0", old(b"Host: a/b\r\n"))
    for host in (b"", b"t", b"t:80", b"t:", b"127.0.0.1:8000", b"[::1]", b"[::1]:8000", b"[::ffff:1.2.3.4]:1",
                 b"a-b.c_d~e", b"xn--bcher-kva.example", b"%41bc", b"t:65535", b"!$&'()*+,;="):
        yield ok(s, "Host %r" % host, req(host=b"Host: " + host + b"\r\n"))
    for host in (b"a b", b"a/b", b"a/health?", b"a?b", b"a#b", b"a@b", b"user:pass@a", b"a:b", b"a:80:80", b"a:-1",
                 b"a:+80", b"a:65536", b"a:99999999999999999999", b":80", b"[::1", b"::1", b"[::1]x", b"[::1]80", b"[]",
                 b"[a]", b"[::1%25lo]", b"a[::1]", b"a%zz", b"a%4", b"a%", b"http://a", b"a\\b", b"a\"b", b"a<b",
                 b"a|b", b"a^b", b"a\tb", b"a, b", "é".encode(), b"a" * 300):
        yield bad(s, "Host %r" % host[:20], req(host=b"Host: " + host + b"\r\n"))


def targets():
    s = "9112 3.2.1"
    yield ok(s, "path and query are split at the first ?", get(b"/a?b?c"), (200, "/a"))
    yield ok(s, "an empty query", get(b"/a?"), (200, "/a"))
    yield ok(s, "every character of a path", get(b"/aZ09-._~!$&'()*+,;=:@/"), (200, "/aZ09-._~!$&'()*+,;=:@/"))
    yield ok(s, "escapes are decoded once", get(b"/%41%2541"), (200, "/A%41"))
    yield ok(s, "escapes in either case", get(b"/%c3%A9"), (200, "/é"))
    yield ok(s, "an encoded question mark is part of the path", get(b"/a%3Fb"), (200, "/a?b"))
    yield ok(s, "an encoded slash is a slash of the path", get(b"/a%2fb%2Fc"), (200, "/a/b/c"))
    yield ok(s, "dots inside a segment", get(b"/...a/a../.b"), (200, "/...a/a../.b"))
    yield ok(s, "anything goes in a query's escapes", get(b"/?%00%2f%ff"), (200, "/"))
    for path in (b"/a%", b"/a%4", b"/a%zz", b"/a%4z", b"/%", b"/%u0041", b"/%00", b"/a%0a", b"/%0d%0aX:y", b"/%1f",
                 b"/%7f", b"/a%2f..%2fb", b"/%2e%2e%2fa", b"/a%2f%2fb", b"/%2f", b"/%ff", b"/%c3", b"/%c0%af", b"/%ed%a0%80", b"/%f4%90%80%80", b"//",
                 b"//v1", b"/a//b", b"/.", b"/..", b"/./a", b"/../a", b"/a/./b", b"/a/../b", b"/a/..", b"/a/.", b"/%2e",
                 b"/%2e%2e/a", b"/a/.%2E", b"/a\\b", b"/a\"b", b"/a<b", b"/a>b", b"/a^b", b"/a`b", b"/a{b}", b"/a|b",
                 b"/[a]", b"/a#b", b"/a?b#c", b"/?a\"", b"/?a%", b"/?%zz", b"/?<", "/é".encode(), b"/\xff", b"/\x7f",
                 b"/\x01"):
        yield bad(s, "target %r" % path, get(path))
    for target in (b"a", b"v1/models", b"?a", b"t:80", b".", b"%2f", b"*a", b"@"):
        yield bad(s, "target %r" % target, get(target))
    s = "9112 3.2.2"
    yield ok(s, "an absolute target", get(b"http://h/a?b"), (200, "/a"))
    yield ok(s, "the scheme in capitals", get(b"HTTP://h/a"), (200, "/a"))
    yield ok(s, "https", get(b"https://h:443/a"), (200, "/a"))
    yield ok(s, "no path means /", get(b"http://h"), (200, "/"))
    yield ok(s, "no path but a query", get(b"http://h?b"), (200, "/"))
    yield ok(s, "an address for a host", get(b"http://[::1]:80/a"), (200, "/a"))
    yield ok(s, "in HTTP/1.0 without Host", old(b"Connection: keep-alive\r\n", b"GET http://h/a HTTP/1.0"), (200, "/a"))
    yield bad(s, "still needs a Host", get(b"http://h/a", host=b""))
    yield bad(s, "still needs a valid Host", get(b"http://h/a", host=b"Host: a b\r\n"))
    for target in (b"http://", b"http:///a", b"http:/a", b"http:a", b"//h/a", b"ftp://h/a", b"http://u@h/a",
                   b"http://u:p@h/a", b"http://h:x/a", b"http://h:70000/", b"http://h/..", b"http://h//", b"http://h#a",
                   b"http://h/a#b", b"http://?a", b"http://:80/", b"http://[::1/a", b"http://a\\b/",
                   b"file:///etc/passwd", b"http://h/%2f"):
        yield bad(s, "target %r" % target, get(target))
    s = "9112 3.2.3"
    yield bad(s, "CONNECT is 501", req(b"CONNECT t:80 HTTP/1.1"), 501)
    yield bad(s, "CONNECT with a path is 501", req(b"CONNECT / HTTP/1.1"), 501)
    s = "9112 3.2.4"
    yield ok(s, "OPTIONS * is about the server", req(b"OPTIONS * HTTP/1.1"), (200, "*"))
    yield ok(s, "an absolute target without a path means * too", req(b"OPTIONS http://h HTTP/1.1"), (200, "*"))
    yield ok(s, "OPTIONS of a path", req(b"OPTIONS /a HTTP/1.1"), (200, "/a"))
    yield bad(s, "GET *", get(b"*"))
    yield bad(s, "OPTIONS *?a", req(b"OPTIONS *?a HTTP/1.1"))
    yield bad(s, "OPTIONS **", req(b"OPTIONS ** HTTP/1.1"))


def headers():
    s = "9112 5"
    yield ok(s, "white space around a value is dropped", get(headers=b"X: \t y \t \r\n"))
    yield ok(s, "no white space is needed", get(headers=b"X:y\r\n"))
    yield ok(s, "an empty value", get(headers=b"X:\r\n"))
    yield ok(s, "a value of spaces", get(headers=b"X:   \r\n"))
    yield ok(s, "every token character in a name", get(headers=b"!#$%&'*+-.^_`|~09aZ: y\r\n"))
    yield ok(s, "bytes above 127 in a value", get(headers=b"X: \x80\xff\r\n"))
    yield ok(s, "a colon in a value", get(headers=b"X: a:b\r\n"))
    yield ok(s, "a header may be repeated", get(headers=b"X: a\r\nX: b\r\n"))
    s = "9112 5.1"
    yield bad(s, "space before the colon", get(headers=b"X : y\r\n"))
    yield bad(s, "tab before the colon", get(headers=b"X\t: y\r\n"))
    yield bad(s, "space before the colon of Host", req(host=b"Host : t\r\n"))
    yield bad(s, "space before the colon of Content-Length", length(b"5", b"").replace(b"th:", b"th :") + EVIL)
    yield bad(s, "space before the colon of Transfer-Encoding", post(b"Transfer-Encoding : chunked\r\n", EVIL))
    yield bad(s, "a line without a colon", get(headers=b"X\r\n"))
    yield bad(s, "an empty name", get(headers=b": y\r\n"))
    yield bad(s, "a space in a name", get(headers=b"X Y: z\r\n"))
    for c in b'"(),/;<=>?@[\\]{}\0\x01\x7f\x80\xff':
        yield bad("9110 5.6.2", "byte %#x in a name" % c, get(headers=b"X" + bytes([c]) + b": y\r\n"))
    s = "9112 5.2"
    yield bad(s, "a folded line", get(headers=b"X: y\r\n z\r\n"))
    yield bad(s, "a line folded by a tab", get(headers=b"X: y\r\n\tz\r\n"))
    yield bad(s, "a folded Transfer-Encoding", post(b"Transfer-Encoding:\r\n chunked\r\n", EVIL))
    for c in (*range(0, 9), 11, 12, *range(14, 32), 127):
        yield bad("9110 5.5", "byte %#x in a value" % c, get(headers=b"X: a" + bytes([c]) + b"b\r\n"))
    s = "9110 5.4"
    yield ok(s, "headers at the limit of number", get(headers=b"X: y\r\n" * 19))
    yield bad(s, "more of them are 431", get(headers=b"X: y\r\n" * 20), 431)
    yield ok(s, "a head at the limit of bytes", get(headers=b"X: " + b"y" * (4096 - 32) + b"\r\n"))
    yield bad(s, "more bytes are 431", get(headers=b"X: " + b"y" * (4096 - 31) + b"\r\n"), 431)
    yield bad(s, "an endless value is 431", b"GET / HTTP/1.1\r\nX: " + b"y" * 10000, 431)
    yield bad(s, "an endless name is 431", b"GET / HTTP/1.1\r\n" + b"y" * 10000, 431)
    yield bad(s, "endless spaces are 431", b"GET / HTTP/1.1\r\nX:" + b" " * 10000, 431)
    yield bad(s, "a million headers are 431", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 30, 431)


def lengths():
    s = "9110 8.6"
    yield ok(s, "a body", length(b"5", b"hello"))
    yield ok(s, "no body", length(b"0", b""))
    yield ok(s, "leading zeros", length(b"0000000000000000000000005", b"hello"))
    yield ok(s, "white space around", length(b" \t5 \t", b"hello"))
    yield ok(s, "a body of GET is read", get(headers=b"Content-Length: %d\r\n" % len(EVIL), body=EVIL))
    yield ok(s, "neither length nor coding means no body", post(b"", get(b"/2")), 200, (200, "/2"))
    yield ok(s, "in HTTP/1.0",
             old(b"Connection: keep-alive\r\nContent-Length: %d\r\n" % len(EVIL), b"POST / HTTP/1.0", body=EVIL))
    for n in (b"", b"+5", b"-5", b"-0", b"5.0", b"5e0", b"0x5", b"5x", b"x", b"5 5", b"5,5", b"5, 5", b"5,", b",5",
              b"5;", b"\"5\"", b"1_0", b"\xd9\xa5", b"NaN", b"5\x0b"):
        yield bad(s, "Content-Length %r" % n, length(n, EVIL))
    yield bad(s, "repeated, the same", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello" + EVIL))
    yield bad(s, "repeated, differing", post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(EVIL), EVIL))
    yield bad(s, "repeated in another case", post(b"content-length: 0\r\nCONTENT-LENGTH: 5\r\n", EVIL))
    yield bad(s, "beyond the limit is 413 at once", length(b"65537", b""), 413)
    yield ok(s, "at the limit", length(b"65536", b"x" * 65536))
    for n in (b"4294967296", b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"9" * 300):
        yield bad(s, "a length of %r is 413" % n[:24], length(n, EVIL), 413)


def codings():
    s = "9112 6.1"
    last = b"5\r\nhello\r\n0\r\n\r\n"
    yield ok(s, "chunked", chunks(last))
    yield ok(s, "names of codings are case-insensitive", post(b"Transfer-Encoding: ChUnKeD\r\n", last))
    yield ok(s, "white space around", post(b"Transfer-Encoding: \tchunked \r\n", last))
    yield bad(s, "beside Content-Length", post(CHUNKED + b"Content-Length: 5\r\n", last + EVIL))
    yield bad(s, "beside Content-Length, the other order", post(b"Content-Length: 5\r\n" + CHUNKED, last + EVIL))
    yield bad(s, "beside Content-Length: 0", post(b"Content-Length: 0\r\n" + CHUNKED, EVIL))
    yield bad(s, "in HTTP/1.0", old(b"Connection: keep-alive\r\n" + CHUNKED, b"POST / HTTP/1.0", body=last + EVIL))
    yield bad(s, "gzip before chunked is 501", post(b"Transfer-Encoding: gzip, chunked\r\n", last), 501)
    yield bad(s, "over two lines is 501", post(b"Transfer-Encoding: gzip\r\n" + CHUNKED, last), 501)
    yield bad(s, "an unknown coding before chunked is 501", post(b"Transfer-Encoding: foo, chunked\r\n", last), 501)
    s = "9112 6.3"
    for coding in (b"", b"xchunked", b"chunkedx", b"chunked, gzip", b"chunked, chunked", b"chunked,", b", chunked",
                   b"chunked;a=b", b"\"chunked\"", b"gzip", b"identity", b"chunked, identity", b"chun ked",
                   b"chunked\x80", b"'chunked'", b"chunked;", b"\xc5\xbfchunked", b"chunked\tx"):
        yield bad(s, "Transfer-Encoding %r" % coding, post(b"Transfer-Encoding: " + coding + b"\r\n", last + EVIL))
    yield bad(s, "chunked twice, over two lines", post(CHUNKED + CHUNKED, last + EVIL))
    yield bad(s, "chunked, then another line", post(CHUNKED + b"Transfer-Encoding: identity\r\n", last + EVIL))
    yield bad(s, "chunked, then an empty line", post(CHUNKED + b"Transfer-Encoding:\r\n", last + EVIL))
    s = "9110 8.4"
    for coding in (b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip", b"x"):
        yield bad(s, "Content-Encoding %r is 415" % coding,
                  post(b"Content-Encoding: " + coding + b"\r\nContent-Length: 5\r\n", b"hello"), 415)
    yield ok(s, "Content-Encoding identity", post(b"Content-Encoding: Identity\r\nContent-Length: 5\r\n", b"hello"))


def chunked_bodies():
    s = "9112 7.1"
    end = b"0\r\n\r\n"
    yield ok(s, "no data", chunks(end))
    yield ok(s, "two chunks", chunks(b"1\r\na\r\n2\r\nbc\r\n" + end))
    yield ok(s, "hexadecimal in either case", chunks(b"a\r\n0123456789\r\nA\r\n0123456789\r\n" + end))
    yield ok(s, "leading zeros", chunks(b"0000000000000005\r\nhello\r\n" + end))
    yield ok(s, "many zeros end it", chunks(b"5\r\nhello\r\n0000\r\n\r\n"))
    yield ok(s, "data that looks like a request", chunks(b"%x\r\n%s\r\n" % (len(EVIL), EVIL) + end))
    yield ok(s, "data of CR and LF", chunks(b"4\r\n\r\n\r\n\r\n" + end))
    yield ok(s, "what follows is the next request", chunks(b"1\r\na\r\n" + end + get(b"/2")), 200, (200, "/2"))
    for size in (b"", b"-1", b"-2", b"+3", b" 3", b"3 ", b"\t3", b"0x3", b"0X3", b"3h", b"3L", b"g", b"3.0", b"3,3",
                 b"3\x0b", b"\xd9\xa3", b"00000000000000003", b"FFFFFFFFFFFFFFFFF", b"3\0", b"\"3\"", b"3 3", b"3\t",
                 b"1_0"):
        yield bad(s, "a chunk size of %r" % size, chunks(size + b"\r\nabc\r\n" + end + EVIL))
    for size in (b"FFFFFFFFFFFFFFFF", b"8000000000000000", b"7FFFFFFFFFFFFFFF", b"100000000", b"10001", b"FFFFFFFF",
                 b"0000000000010001"):
        yield bad(s, "a chunk size of %r is 413" % size, chunks(size + b"\r\nabc\r\n"), 413)
    yield ok(s, "a body at the limit", chunks(b"ffff\r\n" + b"x" * 65535 + b"\r\n1\r\nx\r\n" + end))
    yield bad(s, "beyond it is 413 as soon as it is", chunks(b"ffff\r\n" + b"x" * 65535 + b"\r\n2\r\n"), 413)
    yield bad(s, "LF alone after the size", chunks(b"3\nabc\r\n" + end + EVIL))
    yield bad(s, "CR alone after the size", chunks(b"3\rabc\r\n" + end + EVIL))
    yield bad(s, "LF alone after the data", chunks(b"3\r\nabc\n" + end + EVIL))
    yield bad(s, "CR alone after the data", chunks(b"3\r\nabc\r0\r\n\r\n" + EVIL))
    yield bad(s, "more data than the size says", chunks(b"3\r\nabcd\r\n" + end + EVIL))
    yield bad(s, "less data than the size says", chunks(b"5\r\nabc\r\n" + end + EVIL))
    yield bad(s, "no line end after the data", chunks(b"3\r\nabc" + end + EVIL))
    yield bad(s, "the next size runs into the data", chunks(b"3\r\nabc3\r\n" + EVIL))
    yield bad(s, "LF alone after the last size", chunks(b"0\n\r\n" + EVIL))
    yield bad(s, "LF alone at the end", chunks(b"0\r\n\n" + EVIL))
    yield bad(s, "CR alone at the end", chunks(b"0\r\n\rX" + EVIL))
    s = "9112 7.1.1"
    for ext in (b";a", b";a=b", b";a=\"b c\"", b";a=\"\\\"\\\\\"", b" ;a", b"; a = b", b"\t;\ta\t=\tb", b";a;b=c;d",
                b";a=\"\"", b";a=\"\t\xff\"", b";a=b ;c", b";a=\"b\" ;c", b";a ;b", b";" + b"a" * 4000):
        yield ok(s, "extension %r" % (ext if len(ext) < 100 else len(ext)), chunks(b"3" + ext + b"\r\nabc\r\n" + end))
    yield ok(s, "an extension of the last chunk", chunks(b"3\r\nabc\r\n0;a=b\r\n\r\n"))
    for ext in (b";", b";=b", b";a=", b";a=b ", b";a ", b"z", b";;a", b";a=\"b", b";a=\"b\"c", b";a==b", b";a=b=c",
                b";a b", b";a=\"\\\x01\"", b";a=\"\0\"", b";a=b c", b";\"a\"", b";a\n", b";a=\"\n\"", b";a=b,c",
                b";" + b"a" * 5000, b";a=\"" + b"b" * 5000):
        yield bad(s, "extension %r" % (ext if len(ext) < 100 else len(ext)), chunks(b"3" + ext + b"\r\nabc\r\n" + end + EVIL))
    yield bad(s, "extensions of all chunks together are bounded", chunks((b"1;" + b"a" * 50 + b"\r\nx\r\n") * 200))
    s = "9112 7.1.2"
    yield ok(s, "trailers are read", chunks(b"0\r\nX: y\r\nZ: w\r\n\r\n"))
    yield ok(s, "trailers that frame nothing", chunks(b"0\r\nContent-Length: 5\r\n" + CHUNKED + b"Host: u\r\n\r\n"))
    yield bad(s, "a malformed trailer", chunks(b"0\r\nX y\r\n\r\n" + EVIL))
    yield bad(s, "space before its colon", chunks(b"0\r\nX : y\r\n\r\n" + EVIL))
    yield bad(s, "a folded trailer", chunks(b"0\r\nX: y\r\n z\r\n\r\n" + EVIL))
    yield bad(s, "a trailer that ends in LF alone", chunks(b"0\r\nX: y\n\r\n" + EVIL))
    yield bad(s, "NUL in a trailer", chunks(b"0\r\nX: \0\r\n\r\n" + EVIL))
    yield bad(s, "a request line where a trailer may stand", chunks(b"0\r\n" + EVIL))
    yield bad(s, "too many trailers are 431", chunks(b"0\r\n" + b"X: y\r\n" * 21), 431)
    yield bad(s, "an endless trailer is 431", chunks(b"0\r\nX: " + b"y" * 5000), 431)


def connections():
    s = "9112 9.3"
    yield ok(s, "1.1 stays open", get())
    yield ok(s, "1.0 stays open when asked", old(b"Connection: keep-alive\r\n"))
    yield ok(s, "an option in another case", old(b"connection: Keep-Alive\r\n"))
    yield ok(s, "an option in a list", old(b"Connection: foo, keep-alive\r\n"))
    yield ok(s, "other options are ignored", get(headers=b"Connection: upgrade, foo\r\nUpgrade: h2c\r\n"))
    yield ok(s, "an empty Connection", get(headers=b"Connection:\r\n"))
    yield ok(s, "a word that only begins like close", get(headers=b"Connection: closed\r\n"))
    yield ok(s, "an upgrade may be ignored", get(headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
    yield ("9112 9.3", "1.0 closes", old(), [200], "close")
    yield ("9112 9.3", "1.0 with a body closes", old(b"Content-Length: 5\r\n", b"POST / HTTP/1.0", body=b"hello"), [200], "close")
    s = "9112 9.6"
    for option in (b"close", b"CLOSE", b"keep-alive, close", b"close, keep-alive", b"foo ,close", b",close,",
                   b" close "):
        yield (s, "Connection %r closes" % option, get(headers=b"Connection: " + option + b"\r\n"), [200], "close")
    yield (s, "close on a second line", get(headers=b"Connection: foo\r\nConnection: close\r\n"), [200], "close")
    yield (s, "nothing is handled after close", get(headers=b"Connection: close\r\n") + EVIL, [200], "close")
    yield (s, "nothing is handled after 1.0", old() + EVIL, [200], "close")
    yield (s, "nothing is handled after an error", req(host=b"") + EVIL, [400], "close")
    yield (s, "1.0 closes in spite of close, keep-alive", old(b"Connection: close, keep-alive\r\n"), [200], "close")
    s = "9112 9.3.2"
    yield ok(s, "pipelined requests are answered in order", get(b"/1") + get(b"/2") + get(b"/3"),
             (200, "/1"), (200, "/2"), (200, "/3"))
    yield ok(s, "bodies between", length(b"5", b"hello") + get(b"/2") + chunks(b"1\r\na\r\n0\r\n\r\n") + get(b"/4"),
             200, (200, "/2"), 200, (200, "/4"))
    yield ok(s, "a slow answer holds the fast one back", get(b"/delay?20") + get(b"/2"), (200, "/delay"), (200, "/2"))
    yield ok(s, "streams and answers", get(b"/pieces?3") + get(b"/2"), 200, (200, "/2"))
    yield (s, "an error after good ones", get(b"/1") + get(b"/2") + req(host=b""), [(200, "/1"), (200, "/2"), 400], "close")
    yield (s, "an error behind a slow answer", get(b"/delay?20") + b"X\r\n", [(200, "/delay"), 400], "close")
    yield (s, "close in the middle", get(b"/1") + get(b"/2", headers=b"Connection: close\r\n") + EVIL,
           [(200, "/1"), (200, "/2")], "close")


def expectations():
    s = "9110 10.1.1"
    yield ok(s, "no body, no 100", get(headers=b"Expect: 100-continue\r\n"))
    yield ok(s, "length 0, no 100", post(b"Expect: 100-continue\r\nContent-Length: 0\r\n"))
    yield ok(s, "HTTP/1.0 may not expect: it is ignored",
             old(b"Connection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", b"POST / HTTP/1.0", body=b"hello"))
    yield ok(s, "HTTP/1.0: also another", old(b"Connection: keep-alive\r\nExpect: foo\r\n"))
    yield bad(s, "another expectation is 417", get(headers=b"Expect: foo\r\n"), 417)
    yield bad(s, "another beside it is 417", get(headers=b"Expect: 100-continue, foo\r\n"), 417)
    yield bad(s, "on two lines is 417", get(headers=b"Expect: 100-continue\r\nExpect: bar\r\n"), 417)
    yield bad(s, "with a value is 417", get(headers=b"Expect: 100-continue=1\r\n"), 417)
    yield bad(s, "too large: 413 instead of 100", post(b"Expect: 100-continue\r\nContent-Length: 65537\r\n"), 413)
    yield bad(s, "malformed: 400 instead of 100", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n" + CHUNKED), 400)


def answers():
    yield ok("9110 15.3.5", "204 has no body", get(b"/204"), 204)
    yield ok("9110 9.3.1", "an answer of no bytes", get(b"/large?0"))


def cases():
    for group in (request_line, versions, hosts, targets, headers, lengths, codings, chunked_bodies, connections, expectations,
                  answers):
        yield from group()


def check_answer(answer, want):
    status, path = want if isinstance(want, tuple) else (want, None)
    assert answer.status == status, "status %d, not %d: %r" % (answer.status, status, answer.body[:200])
    assert path is None or answer.json()["path"] == path, answer.body
    if status >= 400:
        error = answer.json()["error"]
        assert error["code"] == status and error["param"] is None and error["message"] and error["type"].endswith("Error")
        assert answer.headers["content-type"] == "application/json"
    assert ("retry-after" in answer.headers) == (status == 503)


def run(server, data, wants, end, bytewise):
    with server.peer() as p:
        p.send_bytewise(data) if bytewise else p.send(data)
        for i, want in enumerate(wants):
            answer = p.response()
            check_answer(answer, want)
            last = end == "close" and i + 1 == len(wants)
            assert (answer.headers.get("connection") == "close") == last, "Connection: %s" % answer.headers.get("connection")
        if end == "close":
            assert p.ended(), "the server did not close, or sent more: %r" % p.got
            assert not p.reset, "the answer was followed by RST"
        else:
            p.send(get(b"/probe", headers=b"X-Probe: 1\r\n"))
            check_answer(p.response(), (200, "/probe"))


def main():
    names, failed = set(), 0
    with Server(*LIMITS) as server, server.peer() as watcher:
        for section, what, data, wants, end in cases():
            assert (section, what) not in names, "%s %s is there twice" % (section, what)
            names.add((section, what))
            for bytewise in (False, True):
                try:
                    run(server, data, wants, end, bytewise)
                    watcher.send(get(b"/stat"))
                    assert watcher.response().json()["n_evil"] == 0, "a second request was smuggled"
                except (AssertionError, OSError, KeyError, ValueError) as error:
                    failed += 1
                    print("FAIL RFC %s: %s%s: %s" % (section, what, " (byte by byte)" if bytewise else "", error))
    print("%d cases, each sent at once and byte by byte: %d failures" % (len(names), failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
