# SPDX-License-Identifier: Apache-2.0
"""Width (CVE-2025-58446): enums, alternatives, nullable loops and counts of 10^9."""
from kit import *


def cases():
    for n in (1000, 10000, 100000):
        yield schema("an enum of %d" % n, {"enum": ["value %d" % i for i in range(n)]}, ANY)
        yield schema("%d properties" % n, {"type": "object", "properties": {"p%d" % i: {"type": "string"} for i in range(n)}}, ANY)
        yield schema("%d required properties" % n, {"type": "object", "properties": {"p%d" % i: {} for i in range(n)}, "required": ["p%d" % i for i in range(n)]}, ANY)
        yield schema("anyOf of %d" % n, {"anyOf": [{"const": i} for i in range(n)]}, ANY)
        yield structured("a choice of %d" % n, ANY, choice=["choice %d" % i for i in range(n)])
        yield structured("%d alternatives" % n, ANY, regex="|".join("a%d" % i for i in range(n)))
        yield structured("%d rules" % n, ANY, grammar="\n".join('%s ::= "a%d" | %s' % ("root" if i == 0 else "r%d" % i, i, "r%d" % (i + 1) if i + 1 < n else '"z"') for i in range(n)))
    for low, high in ((0, 10**9), (10**9, 10**9), (0, 2**31), (2**31, 2**32), (0, 2**64), (1000, 1000000), (0, 5000), (65535, 65536)):
        yield structured("a pattern of a{%d,%d}" % (low, high), ANY, regex="a{%d,%d}" % (low, high))
        yield structured("a grammar of a{%d,%d}" % (low, high), ANY, grammar='root ::= "a"{%d,%d}' % (low, high))
        yield schema("minLength %d, maxLength %d" % (low, high), {"type": "string", "minLength": low, "maxLength": high}, ANY)
        yield schema("minItems %d, maxItems %d" % (low, high), {"type": "array", "items": {"type": "object", "minProperties": low, "maxProperties": high}, "minItems": low, "maxItems": high}, ANY)
    for grammar in ('root ::= ( [x]* )*', 'root ::= ("a"?)*', 'root ::= ("" | "")*', 'root ::= a*\na ::= b*\nb ::= "x"*', 'root ::= (("a"*)*)*', 'root ::= "a"* "a"* "a"* "a"* "b"', 'root ::= (a | a | a)*\na ::= "x"?'):
        yield structured("the loop %r" % grammar, ANY, grammar=grammar)
    for pattern in ("(a*)*", "(a?){1000}", "((a{0,100}){0,100}){0,100}", "(a{1,1000}){1,1000}", "(.{0,500}){0,500}", "[\\s\\S]{0,65535}", "(?:(?:(?:a{9}){9}){9}){9}", "\\p{L}{0,1000}"):
        yield structured("the pattern %r" % pattern, ANY, regex=pattern)
    yield schema("integers of a wide range", {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}, ANY)
    yield schema("numbers of a wide range", {"type": "number", "minimum": -1e308, "maximum": 1e308}, ANY)
    yield chat("1,000 tools", ANY, tools=[{"type": "function", "function": {"name": "f%d" % i, "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}} for i in range(1000)],
               tool_choice="required")
