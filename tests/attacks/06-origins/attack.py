# SPDX-License-Identifier: Apache-2.0
"""Pages of other sites, by DNS rebinding or CORS (CVE-2024-28224)."""
from kit import *


def unshared(r, target):
    return "another origin may read it" if r.headers.get("access-control-allow-origin") else None


def cases():
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "[::]", "169.254.169.254", "localhost.", "evil.example:80", "xn--localhost-.example", "2130706433"):
        yield Attack("Host " + host, request("GET", "/v1/models", host="Host: " + host), 403)
        yield Attack("Host %s for an answer" % host, request("POST", "/v1/completions", b'{"prompt":"x"}', ["Content-Type: application/json"], host="Host: " + host), 403)
    for origin in ("http://evil.example", "null", "file://", "http://localhost:1", "https://localhost", "http://127.0.0.1", "*", "a\tb", "http://evil.example http://localhost"):
        yield get("Origin " + origin, "/v1/models", 200, ["Origin: " + origin], check=unshared)
        yield Attack("a preflight of " + origin, request("OPTIONS", "/v1/completions", headers=["Origin: " + origin, "Access-Control-Request-Method: POST"]), (403, 405), check=unshared)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain; application/json"):
        yield Attack("a simple request of a page: " + kind, request("POST", "/v1/completions", b'{"prompt":"x","max_tokens":1}', ["Content-Type: " + kind, "Origin: http://evil.example"]), (400, 415))
