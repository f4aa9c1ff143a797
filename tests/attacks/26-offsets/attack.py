# SPDX-License-Identifier: Apache-2.0
"""Data beyond the file (CVE-2026-7482, CVE-2024-12055)."""
from kit import *


def tensors(name, header, data=b"\0" * 64):
    return File("safetensors: " + name, {"config.json": b'{"architectures":["LlamaForCausalLM"]}', "model.safetensors": safetensors(header, data)})


def cases():
    for offset in (32, 96, 128, 1 << 20, 1 << 32, 1 << 63, (1 << 64) - 32, (1 << 64) - 128, 1, 31):
        yield File("an offset of %d" % offset, gguf(tensors=[("token_embd.weight", (32,), 0, offset)]))
    yield File("two tensors at one place", gguf(tensors=[("token_embd.weight", (16,), 0, 0), ("output.weight", (16,), 0, 0)]))
    yield File("tensors that overlap", gguf(tensors=[("token_embd.weight", (24,), 0, 0), ("output.weight", (16,), 0, 32)]))
    w = lambda **more: {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64], **more}
    for offsets in ([0, 65], [64, 128], [-1, 63], [0, 1 << 63], [1 << 64, (1 << 64) + 64], [64, 0], [0], [], "x", [0, 64, 128], [0.0, 64.0], None, [1, 65]):
        yield tensors("offsets %r" % (offsets,), {"a": w(data_offsets=offsets)})
    for shape in ([-1, 4], [1 << 62, 4], [4], [], "x", None, [0, 4], [4.0, 4.0], [1 << 32, 1 << 32]):
        yield tensors("shape %r" % (shape,), {"a": w(shape=shape)})
    for dtype in ("F99", "", None, 1, "f32", "F64"):
        yield tensors("dtype %r" % (dtype,), {"a": w(dtype=dtype)})
    yield tensors("a hole", {"a": w(), "b": w(data_offsets=[80, 144])}, b"\0" * 144)
    yield tensors("an overlap", {"a": w(), "b": w(data_offsets=[32, 96])}, b"\0" * 96)
    yield tensors("data that no tensor has", {"a": w()}, b"\0" * 100)
    yield tensors("a header of 99 MB", b" " * (99 << 20) + b"{}")
    yield tensors("100,000 entries", {"t%d" % i: w(data_offsets=[0, 64]) for i in range(100000)})
    yield tensors("a header that is no JSON", b"{{{")
    yield tensors("an entry that is none", {"a": 1})
    yield tensors("metadata that is none", {"__metadata__": [], "a": w()})
    for name in ("../../etc/passwd", "/etc/passwd", "a/../../b", "", "\0"):
        index = json.dumps({"weight_map": {"model.embed_tokens.weight": name}}).encode()
        yield File("an index that names %r" % name, {"config.json": b'{"architectures":["LlamaForCausalLM"]}', "model.safetensors.index.json": index})
