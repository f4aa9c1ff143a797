# SPDX-License-Identifier: Apache-2.0
"""Routes without a key, and keys that are almost right (CVE-2025-59425)."""
from kit import *

KEY = "correct-horse-battery-staple"


def routes():
    with open(os.path.join(os.path.dirname(TESTS), "api", "routes.c"), encoding="utf-8") as f:
        import re
        return re.findall(r'\{"(\w+)", "([^"]+)", ([^,]+),', f.read())


def hides(r, target):
    return "the answer holds the key" if KEY.encode() in r.body else None


def cases():
    for method, path, flags in routes():
        open_one = "OPEN" in flags and "PREFIX" not in flags  # a prefix alone is no route
        yield Attack("%s %s without a key" % (method, path), request(method, path, b"{}" if method == "POST" else b""), 200 if open_one else (401, 403), check=hides)
        if not open_one:
            yield Attack("%s %s with a wrong key" % (method, path), request(method, path, b"{}" if method == "POST" else b"", ["Authorization: Bearer wrong"]), (401, 403), check=hides)
    for name, key in (("all but the last byte", KEY[:-1]), ("one more byte", KEY + "e"), ("the first byte", KEY[0]), ("upper case", KEY.upper()), ("the key in quotes", '"%s"' % KEY),
                      ("two keys", KEY + "," + KEY), ("empty", ""), ("64 KB less", "a" * 10000), ("the key twice", KEY + KEY), ("UTF-8", "\xe9" * 20), ("a hash", "sha256:" + "0" * 64)):
        yield get("a key that is " + name, "/v1/models", 401, ["Authorization: Bearer " + key], check=hides)
        yield get("an X-Api-Key that is " + name, "/v1/models", 401, ["X-Api-Key: " + key], check=hides)
    yield get("the key as Basic", "/v1/models", 401, ["Authorization: Basic " + KEY], check=hides)
    yield get("the key without a scheme", "/v1/models", 401, ["Authorization: " + KEY], check=hides)
    yield get("a wrong key behind the right one", "/v1/models", ANY, ["Authorization: Bearer " + KEY, "Authorization: Bearer x"], check=hides)
    yield get("the right key", "/v1/models", 200, ["Authorization: Bearer " + KEY], check=hides)
    yield get("the key in the query", "/v1/models?api_key=" + KEY, 401, check=hides)


def servers():
    return [({"flags": ("--api-key", KEY)}, cases())]
