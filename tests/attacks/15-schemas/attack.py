# SPDX-License-Identifier: Apache-2.0
"""Schemas, patterns and tools that are wrong (CVE-2025-48942, CVE-2025-48943, CVE-2025-48944)."""
from kit import *


def tool(what, **function):
    return chat("a tool: " + what, ANY, tools=[{"type": "function", "function": function}], tool_choice="required")


def cases():
    for value in ({"type": "stsring"}, {"type": 1}, {"type": []}, {"type": ["string", "string"]}, {"type": None}, {"properties": []}, {"properties": {"a": 1}}, {"required": "a"}, {"required": [1]},
                  {"required": ["a"] * 1000, "type": "object"}, {"enum": []}, {"enum": {}}, {"items": 3}, {"prefixItems": {}}, {"minimum": "x"}, {"minimum": 2, "maximum": 1, "type": "integer"},
                  {"minLength": -1, "type": "string"}, {"maxItems": 1.5}, {"pattern": "[.*", "type": "string"}, {"pattern": 1}, {"$ref": 1}, {"$ref": "#/nosuch"}, {"$ref": "http://evil.example/s"},
                  {"$ref": "file:///etc/passwd"}, {"$ref": "#/%zz"}, {"anyOf": []}, {"anyOf": {}}, {"allOf": [1]}, {"not": 1}, {"format": 1}, {"multipleOf": 0, "type": "integer"}, [], 1, "x", None, True, False,
                  {"const": {"a": [1, {"b": None}]}}, {"if": 1}, {"additionalProperties": 1}, {"type": "object", "properties": {"": {}, "\0": {}}}, {"$defs": 1, "$ref": "#/$defs/a"}):
        yield schema("the schema %s" % json.dumps(value)[:50], value, ANY)
    for pattern in ("[.*", "(", ")", "a**", "a{2,1}", "a{", "[z-a]", "\\", "\\1", "(?=a)", "(?P<n>a)", "[[:nosuch:]]", "\\p{Nosuch}", "\\x{110000}", "\\u{d800}", "*", "?", "+", "a{-1}", "[^\\x00-\\xff]", ""):
        yield structured("the pattern %r" % pattern, ANY, regex=pattern)
    for grammar in ("", "root", "root ::=", "root ::= nosuch", "x ::= \"a\"", "root ::= root", "root ::= \"a", "root ::= [a", "root ::= (", "root ::= \"a\"{2,1}", "root ::= \"\\xZZ\"", "root ::= [z-a]",
                    "root ::= root \"a\"", "root ::= \"a\"\nroot ::= \"b\"", "root ::= a\na ::= b\nb ::= a", "\0", "root ::= \"\"*"):
        yield structured("the grammar %r" % grammar, ANY, grammar=grammar)
    for choice in ([], [""], [1], "a", {}, ["a"] * 2, [None], ["\0"], ["\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]):
        yield structured("the choice %r" % (choice,), ANY, choice=choice)
    yield tool("no name")
    for name in ("", "a b", "a\0", "x" * 100000, 1, None, "../x", "<tool_call>", '"'):
        yield tool("the name %r" % str(name)[:20], name=name)
    for parameters in (1, [], "x", {"type": "stsring"}, {"properties": 1}, None, {"type": "array"}):
        yield tool("the parameters %r" % (parameters,), name="f", parameters=parameters)
    for tools in (1, {}, "x", [1], [{}], [{"type": "x"}], [{"type": "function"}], [{"type": "function", "function": 1}]):
        yield chat("the tools %r" % (tools,), 400, tools=tools)
    for wanted in ("nosuch", 1, [], {}, {"type": "function"}, {"type": "function", "function": {"name": "nosuch"}}, {"type": "function", "function": 1}):
        yield chat("the tool choice %r" % (wanted,), 400, tools=[{"type": "function", "function": {"name": "f"}}], tool_choice=wanted)
