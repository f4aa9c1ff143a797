# SPDX-License-Identifier: Apache-2.0
"""tiny_gguf.py OUT.gguf: a llama of two layers with random weights and the tokenizer of tests/api/toy_gguf.py. It talks
nonsense, on any machine, in a tenth of a second."""
import os, random, struct, sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api"))
import toy_gguf

DIM, FFN, HEADS, VOCAB, LAYERS = 64, 128, 2, 261, 2
F32, ALIGN = 0, 32


def tensors():
    yield "token_embd.weight", (DIM, VOCAB)
    yield "output_norm.weight", (DIM,)
    yield "output.weight", (DIM, VOCAB)
    for i in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{name}.weight", (DIM,)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{i}.{name}.weight", (DIM, DIM)
        for name in ("ffn_gate", "ffn_up"):
            yield f"blk.{i}.{name}.weight", (DIM, FFN)
        yield f"blk.{i}.ffn_down.weight", (FFN, DIM)


def data(dims, rng):
    n = dims[0] * (dims[1] if len(dims) > 1 else 1)
    return struct.pack(f"<{n}f", *([1.0] * n if len(dims) == 1 else (rng.gauss(0, 0.1) for _ in range(n))))


def write(path):
    keys = {**toy_gguf.keys(), "llama.block_count": LAYERS, "llama.embedding_length": DIM, "llama.feed_forward_length": FFN,
            "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": HEADS}
    rng, head, body = random.Random(1), b"", b""
    for name, dims in tensors():
        head += toy_gguf.string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", F32, len(body))
        body += data(dims, rng)
        body += bytes(-len(body) % ALIGN)
    top = b"GGUF" + struct.pack("<IQQ", 3, len(list(tensors())), len(keys))
    top += b"".join(toy_gguf.string(k) + toy_gguf.value(v) for k, v in keys.items()) + head
    with open(path, "wb") as f:
        f.write(top + bytes(-len(top) % ALIGN) + body)


if __name__ == "__main__":
    write(sys.argv[1])
