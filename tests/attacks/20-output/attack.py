# SPDX-License-Identifier: Apache-2.0
"""What a model says against the parsers of its calls (CVE-2025-9141, llama.cpp #25959 and #27619). The engine of tests/api/fake_engine.c says what its prompt tells it to."""
from kit import *

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]
SYNTAXES = ("hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3", "glm45", "kimi_k2", "openai", "pythonic")
OPENING = {"hermes": "<tool_call>", "llama3_json": "{", "mistral": "[TOOL_CALLS]", "qwen3_coder": "<tool_call>\n<function=f>\n<parameter=a>", "deepseek_v3": "<\uff5ctool\u2581calls\u2581begin\uff5c>",
           "glm45": "<tool_call>f\n<arg_key>a</arg_key>", "kimi_k2": "<|tool_calls_section_begin|>", "openai": "<|channel|>commentary to=functions.f", "pythonic": "[f("}


def says(text):
    return text.replace("!!", "!")


def cases(name):
    open_ = OPENING[name]
    for text in (open_ * 10, open_ + "[" * 500, open_ + '{"name":"f","arguments":' + '{"a":' * 100, open_ + "__import__('os').system('id')", open_ + "\0" * 50, open_ + "a=" + "(" * 300,
                 open_ + '"' + "\\" * 301, open_ + "a=" + "9" * 400 + ")]", open_ + '{"name":"' + "x" * 400 + '"}', "</tool_call>" * 30, open_ + "\ufffd\u2028\u202e<script>", open_ + "\\ud800\\u"):
        yield chat("%s: %r" % (name, text[:40]), 200, messages=[{"role": "user", "content": "!!|" + text}], tools=TOOLS, max_tokens=700, chat_template_kwargs={"tail": False})
        yield chat("%s, streamed: %r" % (name, text[:40]), 200, messages=[{"role": "user", "content": "!!step=3|" + text}], tools=TOOLS, max_tokens=700, stream=True,
                   chat_template_kwargs={"tail": False})


def servers():
    return [({"flags": ("--tool-call-parser", name), "fake": True}, cases(name)) for name in SYNTAXES]
