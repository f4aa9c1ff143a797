# SPDX-License-Identifier: Apache-2.0
"""Files that end too early, and names of no bytes (CVE-2024-41130, CVE-2024-32878, CVE-2025-0312, CVE-2024-39720). `make mutate` cuts at every byte."""
from kit import *


def cases():
    whole = gguf()
    for n in (0, 1, 3, 4, 7, 8, 15, 16, 23, 24, 31, 32, 40, 100, 500, len(whole) - 129, len(whole) - 128, len(whole) - 1):
        yield File("the first %d bytes" % n, whole[:n])
    head = {"model.embed_tokens.weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}
    whole = safetensors(head)
    for n in (0, 1, 7, 8, 9, 20, len(whole) - 65, len(whole) - 64, len(whole) - 1):
        yield File("the first %d bytes of safetensors" % n, {"config.json": b'{"architectures":["LlamaForCausalLM"]}', "model.safetensors": whole[:n]})
    yield File("a key of no bytes", gguf({"": 1, **toy_gguf.keys()}))
    yield File("a tensor without a name", gguf(tensors=[("", (32,), 0, 0)]))
    yield File("a name with NUL", gguf(tensors=[("token_embd\0.weight", (32,), 0, 0)]))
    yield File("a tensor twice", gguf(tensors=[("token_embd.weight", (16,), 0, 0), ("token_embd.weight", (16,), 0, 64)]))
    yield File("no architecture", gguf({k: v for k, v in toy_gguf.keys().items() if k != "general.architecture"}))
    for text in (b"", b"{", b"null", b"[]", b"\0", b"{" * 100000, b'{"architectures":[]}', b'{"architectures":"x"}', b'{"architectures":[1]}'):
        yield File("the config.json %r" % text[:20], {"config.json": text, "model.safetensors": whole})
    yield File("an empty folder", {})
