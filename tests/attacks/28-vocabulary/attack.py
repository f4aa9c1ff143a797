# SPDX-License-Identifier: Apache-2.0
"""Vocabularies (CVE-2025-49847, CVE-2025-52566, CVE-2025-46560, llama.cpp #26511): hostile ones, and texts that take quadratic time."""
import harness, tempfile
from kit import *

MB = 1 << 20


def vocab(name, accepted=None, **keys):
    k = {**toy_gguf.keys(), **{"tokenizer.ggml." + key: v for key, v in keys.items()}}
    return File("a GGUF vocabulary: " + name, gguf({key: v for key, v in k.items() if v is not None}), accepted)


def folder(name, tokenizer):
    with tempfile.TemporaryDirectory() as d:
        harness.write_folder(d)
        files = {f: open(os.path.join(d, f), "rb").read() for f in os.listdir(d)}
    right = json.loads(files["tokenizer.json"])
    files["tokenizer.json"] = dump(tokenizer(right) if callable(tokenizer) else tokenizer)
    return File("tokenizer.json: " + name, files)


def put(path, value):
    def change(t):
        *way, last = path
        at = t
        for step in way:
            at = at[step]
        at[last] = value
        return t
    return change


def cases():
    for char in ("a", " ", "\n", "\0", "<", "\u00e9", "\u4e2d", "\U0001f600", "0", "'", "q"):
        yield complete("1 MB of %r" % char, REFUSED, prompt=char * (MB // len(char.encode())))
        yield post("1 MB of %r to /tokenize" % char, "/tokenize", {"prompt": char * (MB // len(char.encode()))}, 200)
    yield complete("1 MB of random letters", REFUSED, prompt="".join(chr(97 + (i * i * 7919 + i) % 26) for i in range(1 << 20)))
    yield vocab("no tokens", tokens=[""] * 0 or None)
    yield vocab("one token of 1 MB", tokens=["x" * (1 << 20)] + toy_gguf.keys()["tokenizer.ggml.tokens"][1:])
    yield vocab("empty tokens", tokens=[""] * 261)
    yield vocab("equal tokens", tokens=["a"] * 261)
    yield vocab("ill-formed UTF-8", tokens=struct.pack("<IIQ", 9, 8, 261) + (struct.pack("<Q", 2) + b"\xff\xfe") * 261)
    yield vocab("merges of what is no token", merges=["nosuch other"])
    yield vocab("merges without a space", merges=["qq"])
    yield vocab("100,000 merges", merges=["q q"] * 100000)
    yield vocab("an unknown model", tokenizer="x", model="nosuch")
    yield vocab("byte tokens that are none", model="llama", tokens=["<0x-1>", "<0xGG>", "<0x>"] * 87)
    yield vocab("too few types", token_type=[1])
    yield vocab("types that are none", token_type=[-1] * 261)
    for key in ("bos_token_id", "eos_token_id", "eot_token_id", "padding_token_id", "unknown_token_id"):
        for v in (261, 0xFFFFFFFF, 0x7FFFFFFF):
            yield vocab("%s = %d" % (key, v), **{key: v})
    yield vocab("scores that are NaN", model="llama", scores=struct.pack("<IIQ", 9, 6, 261) + struct.pack("<f", float("nan")) * 261)
    yield vocab("an SPM vocabulary without scores", model="llama")
    for name, t in (("nothing", b""), ("null", b"null"), ("an array", b"[]"), ("deep", b'{"a":' * 100000), ("no model", {"version": "1.0"}), ("a model that is none", put(["model"], 1)),
                    ("a vocabulary that is none", put(["model", "vocab"], [])), ("a negative id", put(["model", "vocab", "x"], -1)), ("an id of 2^31", put(["model", "vocab", "x"], 1 << 31)),
                    ("an id of 2^40", put(["model", "vocab", "x"], 1 << 40)), ("an id that is a string", put(["model", "vocab", "x"], "1")), ("merges that are none", put(["model", "merges"], 1)),
                    ("a merge that is none", put(["model", "merges"], [[1, 2, 3]])), ("a merge of unknown tokens", put(["model", "merges"], ["zz yy"])),
                    ("added tokens that are none", put(["added_tokens"], {})), ("an added token without an id", put(["added_tokens"], [{"content": "x"}])),
                    ("an added token of -1", put(["added_tokens"], [{"id": -1, "content": "x"}])), ("an added token of no text", put(["added_tokens", 0, "content"], "")),
                    ("a normalizer that is none", put(["normalizer"], {"type": "Nosuch"})), ("a normalizer in itself, 10,000 times", None),
                    ("a pattern that is none", put(["pre_tokenizer"], {"type": "Split", "pattern": {"Regex": "(["}, "behavior": "Isolated", "invert": False})),
                    ("a pattern that backtracks", put(["pre_tokenizer"], {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False})),
                    ("a charsmap that is none", put(["normalizer"], {"type": "Precompiled", "precompiled_charsmap": "////"})), ("a unigram of NaN", put(["model"], {"type": "Unigram", "vocab": [["a", None]]})),
                    ("a unigram whose unknown is beyond", put(["model"], {"type": "Unigram", "unk_id": 9, "vocab": [["a", -1.0]]}))):
        if t is None:
            t = b'{"version":"1.0","added_tokens":[],"normalizer":' + b'{"type":"Sequence","normalizers":[' * 10000 + b"]}" * 10000 + b',"model":{"type":"BPE","vocab":{},"merges":[]}}'
        item = folder(name, t)
        item.accepted = None if name in ("a pattern that backtracks", "an added token without an id", "an added token of -1", "an added token of no text") else False
        yield item
