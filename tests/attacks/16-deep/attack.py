# SPDX-License-Identifier: Apache-2.0
"""Nesting (CVE-2026-25048, CVE-2025-57809, llama.cpp #26600 and #25283)."""
from kit import *


def nested(n, leaf, wrap):
    for _ in range(n):
        leaf = wrap(leaf)
    return leaf


def deep_schema(n, key):
    return json.loads("{}") if n == 0 else nested(n, {"type": "string"}, lambda s: {"type": "array", "items": s} if key == "items" else {key: [s]} if key != "properties" else {"type": "object", "properties": {"a": s}})


def cases():
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b""), (b'{"a":', b"")):
        for n in (65, 1000, 100000, 1000000):
            yield post("%d times %s%s" % (n, opening.decode(), closing.decode()), "/v1/completions", b'{"prompt":' + opening * n + b"1" + closing * n + b"}", 400)
    for key in ("items", "anyOf", "allOf", "properties"):
        for n in (20, 28):
            yield schema("a schema %d deep by %s" % (n, key), deep_schema(n, key), ANY)
        text = {"items": '{"type":"array","items":', "anyOf": '{"anyOf":[', "allOf": '{"allOf":[', "properties": '{"type":"object","properties":{"a":'}[key]
        end = {"items": "}", "anyOf": "]}", "allOf": "]}", "properties": "}}"}[key]
        yield post("a schema 5,000 deep by %s, as text" % key, "/v1/chat/completions",
                   {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "structured_outputs": {"json": text * 5000 + '{"type":"string"}' + end * 5000}}, 400)
    for n in (100, 5000, 60000):
        yield structured("a grammar of %d groups" % n, ANY if n == 100 else 400, grammar="root ::= " + "(" * n + '"a"' + ")" * n)
        yield structured("a grammar of %d open groups" % n, 400, grammar="root ::= " + "(" * n)
        yield structured("a grammar of %d rules, one in the other" % n, ANY, grammar="\n".join("%s ::= r%d" % ("root" if i == 0 else "r%d" % i, i + 1) for i in range(n)) + '\nr%d ::= "a"' % n)
    for n in (100, 5000, 50000):
        yield structured("a pattern of %d groups" % n, ANY if n == 100 else 400, regex="(" * n + "a" + ")" * n)
        yield structured("a pattern of %d open groups" % n, 400, regex="(" * n)
        yield structured("a pattern of %d repeats of repeats" % n, 400 if n > 100 else ANY, regex="(?:" * n + "a" + ")*" * n)
    for name, value in (("to itself", {"$ref": "#"}), ("to itself by defs", {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
                        ("in a ring", {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
                        ("through anyOf", {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
                        ("through allOf", {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}}, "$ref": "#/$defs/a"}),
                        ("through required members", {"$defs": {"a": {"type": "object", "properties": {"n": {"$ref": "#/$defs/a"}}, "required": ["n"]}}, "$ref": "#/$defs/a"})):
        yield schema("a reference %s" % name, value, ANY)
    yield chat("a tree of content parts", ANY, messages=[{"role": "user", "content": nested(50, "x", lambda v: [v])}])
    yield chat("variables 50 deep", ANY, chat_template_kwargs={"a": nested(50, 1, lambda v: {"b": v})})
