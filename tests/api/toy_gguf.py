# SPDX-License-Identifier: Apache-2.0
"""A GGUF file with a tokenizer and no model: token i is byte i, 256 <s>, 257 </s> (EOS), 258 <|im_start|>, 259 <|im_end|>
(EOT), 260 "qq". Enough for the front, whose engine is tests/api/fake_engine.c."""
import struct

CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_names():
    """The characters that byte-level BPE writes the 256 bytes as."""
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    names, n = {b: chr(b) for b in shown}, 0
    for b in range(256):
        if b not in names:
            names[b], n = chr(256 + n), n + 1
    return [names[b] for b in range(256)]


def string(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def value(v):
    if isinstance(v, str):
        return struct.pack("<I", 8) + string(v)
    if isinstance(v, bool):
        return struct.pack("<IB", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    if isinstance(v[0], str):
        return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(string, v))
    return struct.pack("<IIQ", 9, 5, len(v)) + struct.pack("<%di" % len(v), *v)


def keys(chat_template=CHATML, **more):
    tokens = byte_names() + ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "qq"]
    return {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 32,
        "llama.context_length": 2048,
        "llama.attention.head_count": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3] * 4 + [1],
        "tokenizer.ggml.merges": ["q q"],
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.ggml.eos_token_id": 257,
        "tokenizer.ggml.eot_token_id": 259,
        "tokenizer.ggml.add_bos_token": False,
        **({"tokenizer.chat_template": chat_template} if chat_template else {}), **more,
    }


def write(path, chat_template=CHATML, **more):
    pairs = keys(chat_template, **more)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs))
    head += b"".join(string(k) + value(v) for k, v in pairs.items())
    rows = len(keys()["tokenizer.ggml.tokens"])
    head += string("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, rows, 0, 0)
    head += b"\0" * (-len(head) % 32)
    with open(path, "wb") as f:
        f.write(head + b"\0" * (128 * rows))
