#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the corpus beside itself: requests that show every feature of a format once. Inputs that a fuzzer found are
committed next to them, named found-*."""
import json, os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")

HTTP = {  # the first byte is how the rest is cut
    "get": b"\x00GET / HTTP/1.1\r\nHost: t\r\n\r\n",
    "absolute": b"\x01GET http://[::1]:80/a%2Fb?c=%2f HTTP/1.1\r\nHost: t\r\n\r\n",
    "options": b"\x02OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n",
    "http-1.0": b"\x03GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
    "length": b"\x04POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: t\r\n\r\n",
    "chunked": b"\x05POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\\\"\"\r\nhello\r\n00\r\nX: y\r\n\r\n",
    "expect": b"\x06POST /a HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "repeated": b"\x07GET / HTTP/1.1\r\nHost: t\r\nX: 1\r\nx:\t2 \r\nConnection: a, close\r\n\r\n",
    "both": b"\x08POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "traversal": b"\x09GET /a/..%2f%2e%2e/b HTTP/1.1\r\nHost: t\r\n\r\n",
    "coding": b"\x0aPOST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\nContent-Encoding: gzip\r\n\r\n",
    "empty-lines": b"\x0b\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n",
}
REQUEST = {
    "text": '{"model":"m","prompt":"a","max_tokens":5,"min_tokens":2,"n":2,"best_of":2,"temperature":0.5,"top_p":0.9,"top_k":-1,"min_p":0.1}',
    "ids": '{"prompt":[[1,2],[3]],"echo":true,"logprobs":5,"suffix":"x","user":"u","stream":true,"stream_options":{"include_usage":true}}',
    "chat": '{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"max_completion_tokens":9,"logprobs":true,"top_logprobs":2}',
    "penalties": '{"presence_penalty":-2,"frequency_penalty":2.0,"repetition_penalty":1e-3,"seed":-1,"ignore_eos":true,"priority":-5}',
    "stops": '{"stop":["a","\\u20ac"],"stop_token_ids":[1,99],"include_stop_str_in_output":true,"logit_bias":{"1":-100,"99":1e9}}',
    "template": '{"chat_template_kwargs":{"a":[1]},"documents":[],"add_generation_prompt":false,"continue_final_message":true}',
    "tools": '{"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"auto","parallel_tool_calls":false}',
    "strings": '{"cache_salt":"s","request_id":"r","truncate_prompt_tokens":-1,"return_token_ids":true,"skip_special_tokens":false}',
    "huge": '{"n":9223372036854775807,"max_tokens":9223372036854775808,"temperature":1e999,"seed":1e400}',
    "wrong": '{"n":"1","stop":{},"logit_bias":[],"stream":1,"messages":{},"prompt":{},"tools":0,"top_p":null,"min_p":[]}',
    "nested": '{"a":' + "[" * 70 + "]" * 70 + "}",
    "twice": '{"n":1,"n":2,"\\ud800":1,"\\u0000":2}',
}
GRAMMAR = {  # the first byte is the kind: 0 a schema, 1 GBNF, 2 a regular expression
    "object": '\x00{"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":12.5},"b":{"$ref":"#"}},"required":["a"],"maxProperties":3}',
    "array": '\x00{"type":"array","prefixItems":[{"const":1.5},{"enum":["x",null,{"k":[true]}]}],"items":{"type":"string","minLength":1,"maxLength":3},"minItems":1,"maxItems":4}',
    "choice": '\x00{"oneOf":[{"type":"string","format":"date"},{"type":"number","multipleOf":0.25}],"anyOf":[{"minimum":1},{"type":"string","pattern":"^2"}]}',
    "keys": '\x00{"type":"object","patternProperties":{"^a+x$":{"type":"null"}},"propertyNames":{"maxLength":3},"additionalProperties":{"type":"boolean"},"minProperties":2}',
    "refs": '\x00{"$defs":{"t":{"type":["null","array"],"items":{"$ref":"#x"},"$anchor":"x"}},"allOf":[{"$ref":"#/$defs/t"},{"maxItems":2}]}',
    "sums": '\x01root ::= t ("+" t)*\nt ::= [0-9]{1,3} | "(" root ")" # nested\n',
    "classes": '\x01root ::= [^a-c\\]]+ . "\\x41\\u00e9"? \'q\'\nother ::= root{2,} | "x"',
    "left": '\x01root ::= a "x"\na ::= b?\nb ::= root',
    "regex": '\x02^(?:a|b{2,3}?)+[^\\d\\s]*\\.(?<n>x)$|\\u{1F600}',
    "look": '\x02(?=a)(b)\\1',
}


TOOLS = ["hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3", "glm45", "kimi_k2", "openai", "pythonic"]


def tools():
    """Of tests/golden/tools; the first byte is syntax, way of reasoning and where the prompt ends."""
    out = {}
    for i, name in enumerate(TOOLS):
        with open(os.path.join(HERE, "..", "..", "golden", "tools", name + ".json"), encoding="utf-8") as f:
            for k, case in enumerate(json.load(f)[:8]):
                out[f"{name}-{k}"] = bytes([i + 9 * (k % 3)]) + case["text"].encode()
    return out


def main():
    for folder, inputs in (("http", HTTP), ("request", REQUEST), ("grammar", GRAMMAR), ("tools", tools())):
        os.makedirs(os.path.join(HERE, folder), exist_ok=True)
        for name, data in inputs.items():
            with open(os.path.join(HERE, folder, name), "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())


main()
