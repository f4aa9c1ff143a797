#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Render every template of tests/data/chat-templates over many conversations with jinja2, configured as Hugging Face
transformers does for chat templates, and keep the texts (or the raised message) in golden.json.xz.

usage: make.py        needs jinja2; the templates come from llama.cpp's models/templates (MIT, LICENSE.llama.cpp)
"""
import datetime, glob, hashlib, itertools, json, lzma, os
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1760000000


class Generation(jinja2.ext.Extension):
    """{% generation %} … {% endgeneration %}: the block's own text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inner"), [], [], body).set_lineno(line)

    def _inner(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.utcfromtimestamp(NOW).strftime(f)
    return env


def text(role, content, **more):
    return {"role": role, "content": content, **more}


TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather \"now\" & <later>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Ville, e.g. Genève"}, "days": {"type": "integer", "default": 3},
    "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}}}
TOOL2 = {"type": "function", "function": {"name": "nothing", "description": "", "parameters": {"type": "object", "properties": {}}}}


def call(arguments, n=1, **more):
    calls = [{"id": f"call_{i:05d}", "type": "function", "function": {"name": "get_weather", "arguments": arguments}} for i in range(n)]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


U, A, S = text("user", "Hello, wörld!"), text("assistant", "Hi.\n\nHow can I help?"), text("system", "Be brief.")
ANSWER = {"role": "tool", "tool_call_id": "call_00000", "name": "get_weather", "content": "{\"temp\": 21.5}"}
CONVERSATIONS = {
    "user": [U],
    "system": [S, U],
    "turns": [U, A, text("user", "  padded  \n")],
    "system_turns": [S, U, A, text("user", "日本語 😀 <|im_end|> {{ x }}"), A, U],
    "empty": [text("user", "")],
    "empty_system": [text("system", ""), U],
    "assistant_last": [U, A],
    "two_users": [U, U],
    "assistant_first": [A, U],
    "no_messages": [],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}],
    "reasoning": [U, text("assistant", "4", reasoning_content="2+2 is 4"), text("user", "sure?")],
    "think": [U, text("assistant", "<think>\nhm\n</think>\n\n4"), text("user", "sure?")],
    "developer": [text("developer", "Obey."), U],
    "call": [U, call({"city": "Paris", "days": 2}), ANSWER, text("assistant", "21.5 °C"), U],
    "call_text": [U, call("{\"city\": \"Paris\"}"), ANSWER],
    "two_calls": [S, U, call({"city": "Köln"}, 2), ANSWER, {**ANSWER, "tool_call_id": "call_00001"}],
    "call_content": [U, call({"city": "Paris"}, content="Let me look."), ANSWER],
    "call_reasoning": [U, call({"city": "Oslo"}, reasoning_content="need weather"), ANSWER, A],
    "tool_alone": [U, ANSWER],
    "odd_role": [text("narrator", "x"), U],
}
EXTRAS = [
    {"add_generation_prompt": True},
    {"add_generation_prompt": False},
    {"add_generation_prompt": True, "tools": [TOOL]},
    {"add_generation_prompt": True, "tools": [TOOL, TOOL2], "enable_thinking": False},
    {"add_generation_prompt": True, "enable_thinking": True, "tools": None, "documents": None},
]


def cases():
    for (name, messages), extra in itertools.product(CONVERSATIONS.items(), EXTRAS):
        yield {"messages": messages, "bos_token": "<s>", "eos_token": "</s>", **extra}


def main():
    env, out = environment(), {}
    inputs = list(cases())
    for path in sorted(glob.glob(os.path.join(HERE, "../../data/chat-templates/*.jinja"))):
        template = env.from_string(open(path, encoding="utf-8", newline="").read())
        rows = []
        for case in inputs:
            try:
                rows.append({"text": template.render(**case)})
            except jinja2.exceptions.TemplateError as e:
                raised = type(e) is jinja2.exceptions.TemplateError
                rows.append({"raised": str(e)} if raised else {"failed": type(e).__name__})
            except Exception as e:
                rows.append({"failed": type(e).__name__})
        out[os.path.basename(path)] = rows
    data = json.dumps({"now": NOW, "inputs": inputs, "rows": out}, ensure_ascii=False).encode()
    open(os.path.join(HERE, "golden.json.xz"), "wb").write(lzma.compress(data, preset=9))
    kinds = [next(iter(r)) for rows in out.values() for r in rows]
    print(len(out), "templates", {k: kinds.count(k) for k in set(kinds)}, hashlib.sha256(data).hexdigest()[:12])


main()
