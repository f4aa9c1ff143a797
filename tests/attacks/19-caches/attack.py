# SPDX-License-Identifier: Apache-2.0
"""Caches that grow with each new schema (CVE-2025-29770, CVE-2025-32381)."""
import http.client
from kit import *


def many(count, body):
    def run(server):
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for i in range(count):
            c.request("POST", "/v1/completions", json.dumps({"prompt": "x", "max_tokens": 1, **body(i)}), {"Content-Type": "application/json"})
            r = c.getresponse()
            r.read()
            assert r.status == 200, (i, r.status)
        c.close()
    return run


def cases():
    yield Do("1,000 schemas", many(1000, lambda i: {"structured_outputs": {"json": {"type": "object", "properties": {"p%d" % i: {"type": "string", "maxLength": i + 1}}}}}))
    yield Do("500 patterns", many(500, lambda i: {"structured_outputs": {"regex": "[a-z]{1,9}%d" % i}}))
    yield Do("500 grammars", many(500, lambda i: {"structured_outputs": {"grammar": 'root ::= "%d" root | "x"' % i}}))
    yield Do("500 choices of 50", many(500, lambda i: {"structured_outputs": {"choice": ["c%d.%d" % (i, k) for k in range(50)]}}))
    yield Do("1,000 salts", many(1000, lambda i: {"cache_salt": "salt %d" % i}))
    yield Do("1,000 lists of forbidden words", many(1000, lambda i: {"bad_words": ["w%d" % i]}))
