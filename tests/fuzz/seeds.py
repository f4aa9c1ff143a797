#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the corpus beside itself: inputs that show every feature of a format once. Inputs that a fuzzer found are
committed next to them, named found-*."""
import json, lzma, os, struct, sys

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


JSON = {  # the first byte: enum lm_json_flags
    "all": '\x06{"a":[1,-0,1.5e+3,-2E-2,true,false,null,""],"":{"\\u20ac":"\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude00\\u0000"}}',
    "bare": "\x01 12345678901234567890 ", "real": "\x011e999", "twice": '\x02{"a":1,"a":2}', "nul": '\x00["\\u0000"]', "utf8": '\x01"\u00e9\u20ac\U0001f600"',
    "surrogate": '\x01"\\ud800x\\udc00"', "deep": "\x00" + "[" * 600 + "]" * 600, "integers": "\x00[9223372036854775807,-9223372036854775808,007]",
}
INI = {
    "model": "[server]\nport = 8001\nhost = 127.0.0.1\n\n[model m]\npath = /m.gguf\nmax-model-len = 4k\ngpu-memory-utilization = 0.5\n",
    "two": "; c\n[model a]\npath=/a\n[model b]\npath=/b\nserved-model-name = x, y\n  z\n[backend cpu]\nthreads = 4\nisa = avx2\n",
    "lists": "[server]\napi-key = a\napi-key = b\nallowed-origins = [\"*\"]\n[model m]\npath=/m\nlora-modules = a=/x b=/y\nspeculative-config = {\"method\":\"ngram\",\"num_speculative_tokens\":3}\n",
    "wrong": "[server]\nprot = 1\n[nosuch]\n[model]\n= x\n",
    "sizes": "[model m]\npath=/m\nkv-cache-memory-bytes = 512M\nstep-timeout = 1.5\nenable-prefix-caching = off\nswap_space=1GiB\n",
}
TEMPLATE = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content | trim }}{% endfor %}{% if add_generation_prompt %}x{% endif %}",
    "macro": "{%- macro f(a, b='x') -%}{{ a ~ b }}{{ caller() if caller else '' }}{%- endmacro -%}{% call f(1) %}y{% endcall %}{{ f(b=2, a=[1,2][::-1]) }}",
    "filters": "{{ tools | tojson(indent=2) }}{{ messages | map(attribute='role') | list | join(', ') | upper | replace('A','b') }}{{ [3,1,2] | sort | first }}",
    "scopes": "{% set ns = namespace(n=0) %}{% for a, b in {'k': 1}.items() %}{% set ns.n = ns.n + b %}{{ loop.index0 }}{% else %}-{% endfor %}{{ ns.n }}",
    "tests": "{{ x is defined }}{{ 1 is not none and 'a' in 'ab' }}{{ 7 // 2 ** 2 % 3 - 1.5e3 }}{{ 'a' if bos_token else raise_exception('no') }}{{ -1 | abs }}",
    "strings": "{{ 'a-b'.split('-')[1].strip().title() }}{{ '%05.2f|%s' % (1.5, none) }}{{ '{:>5}'.format('x') }}{{ \"\\u00e9\"[0:1] }}{{ strftime_now('%Y-%m-%d') }}",
    "blocks": "{% filter upper %}a{% endfilter %}{% raw %}{{ }}{% endraw %}{# c #}{% generation %}g{% endgeneration %}{% for i in range(5) %}{% if i==1 %}{% continue %}{% elif i==3 %}{% break %}{% endif %}{{ loop.cycle(1,2) }}{% endfor %}",
    "bombs": "{% for i in range(10**9) %}{{ 'x' * 10**9 }}{% endfor %}{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
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


def tokenizers():
    """Of tests/golden/hf; the first byte says which kind of file it is."""
    with lzma.open(os.path.join(HERE, "..", "..", "golden", "hf", "golden.json.xz"), "rt", encoding="utf-8") as f:
        golden = json.load(f)
    names = ("bpe_unk", "bpe_affixes", "bert_cased", "wordlevel", "gpt2", "split_removed", "digits", "scripts", "nfd_strip", "regexes", "fixed")
    out = {name: b"\0" + golden["tokenizers"][name]["file"].encode() for name in names}
    return {**out, **{"pieces-" + name: b"\1" + bytes.fromhex(golden["models"][name]["file"]) for name in ("unigram", "bpe")}}


def gguf():
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(HERE, "..", "..", "api"))
    import toy_gguf
    pairs = toy_gguf.keys()
    few = {"general.alignment": 32, "a.real": 1.5, "a.bool": True, "a.list": [1, 2], "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "\u2581a", "a", "b", "<0x41>"],
           "tokenizer.ggml.token_type": [2, 1, 1, 1, 6], "tokenizer.ggml.scores": [0, 0, 0, 0, 0], "tokenizer.ggml.unknown_token_id": 0}
    out = {}
    for name, keys, tensors in (("bpe", pairs, [("t", (32,), 0, 128)]), ("spm", few, [("a", (32, 2), 8, 68), ("b", (4, 3), 1, 24)])):
        head, at = b"", 0
        for tensor, dims, kind, size in tensors:
            head += toy_gguf.string(tensor) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, at)
            at += -(-size // 32) * 32
        head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(toy_gguf.string(k) + toy_gguf.value(v) for k, v in keys.items()) + head
        out[name] = head + bytes(-len(head) % 32) + bytes(at)
    return out


def safetensors():
    out = {}
    for name, header, n in (("types", {t.lower(): {"dtype": t, "shape": [2], "data_offsets": [2 * i, 2 * i + 2]} for i, t in enumerate(("F8_E4M3", "F8_E5M2", "U8", "I8", "BOOL"))}, 10),
                            ("shapes", {"__metadata__": {"format": "pt"}, "a": {"dtype": "BF16", "shape": [2, 1, 3], "data_offsets": [0, 12]},
                                        "b": {"dtype": "F64", "shape": [], "data_offsets": [12, 20]}, "c": {"dtype": "I64", "shape": [0, 5], "data_offsets": [20, 20]}}, 20)):
        text = json.dumps(header).encode()
        out[name] = struct.pack("<Q", len(text)) + text + bytes(range(n))
    return out


def protocol():
    message = lambda kind, payload: struct.pack("<II", 8 + -(-len(payload) // 8) * 8, kind) + payload + bytes(-len(payload) % 8)
    submit = lambda more: message(64, struct.pack("<QIIIIIIiI", 7, 1, 3, 0, 0, 0, 0, 0, 2) + bytes(8) + struct.pack("<fffifff", 0.5, 0.9, 0, 0, 0, 0, 1) + bytes(248) + more)
    vocab = message(68, struct.pack("<IIII5Ii", 4, 1, 3, 0, 0, 1, 2, 3, 3, 3) + b"abc")
    token = struct.pack("<QifIIIIif", 7, 1, -0.5, 1, 0, 0, 1, 2, -1.5)
    return {"submit": b"\1" + submit(bytes(16)), "vocab": b"\1" + vocab + submit(struct.pack("<4i", 0, 1, 2, 3)), "tokens": b"\0" + message(3, struct.pack("<II", 1, 0) + token),
            "lora": b"\0" + message(69, struct.pack("<II", 1, 6) + b"/a/b/c") + message(70, bytes(8)) + message(65, bytes(8)) + message(66, b"")}


def main():
    every = {"http": HTTP, "request": REQUEST, "grammar": GRAMMAR, "tools": tools(), "json": JSON, "ini": INI, "template": TEMPLATE, "tokenizer": tokenizers(), "gguf": gguf(),
             "safetensors": safetensors(), "protocol": protocol()}
    for folder, inputs in every.items():
        os.makedirs(os.path.join(HERE, folder), exist_ok=True)
        for name, data in inputs.items():
            with open(os.path.join(HERE, folder, name), "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())


main()
