# SPDX-License-Identifier: Apache-2.0
"""Sizes that overflow (CVE-2024-21802, CVE-2024-21825, CVE-2024-21836, CVE-2024-23496, CVE-2024-23605, CVE-2025-53630, CVE-2026-27940, CVE-2026-33298)."""
from kit import *

HUGE = (0xFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0x2000000000000000, 0x7FFFFFFF)


def array(kind, n, data=b""):
    return struct.pack("<IIQ", 9, kind, n) + data


def cases():
    for n in HUGE:
        yield File("%#x keys" % n, gguf(n_keys=n))
        yield File("%#x tensors" % n, gguf(n_tensors=n))
        yield File("a key of %#x bytes" % n, gguf(raw_keys=struct.pack("<Q", n) + b"key", n_keys=len(toy_gguf.keys()) + 1))
        yield File("a string of %#x bytes" % n, gguf({**toy_gguf.keys(), "x": struct.pack("<IQ", 8, n) + b"x"}))
        for kind in (0, 4, 8, 12):
            yield File("an array of %#x of type %d" % (n, kind), gguf({**toy_gguf.keys(), "x": array(kind, n)}))
        yield File("a dimension of %#x" % n, gguf(tensors=[("token_embd.weight", (n,), 0, 0)]))
        yield File("dimensions whose product is too much: %#x" % n, gguf(tensors=[("token_embd.weight", (n, n, n, n), 0, 0)]))
        yield File("safetensors of a header of %#x bytes" % n, {"config.json": b"{}", "model.safetensors": safetensors(b"{}", n=n)})
    yield File("an array of arrays, 10,000 deep", gguf({**toy_gguf.keys(), "x": struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 10000 + struct.pack("<IQB", 0, 1, 0)}))
    yield File("dimensions that wrap to 0", gguf(tensors=[("token_embd.weight", (1 << 32, 1 << 32), 0, 0)]))
    yield File("dimensions that wrap to 32", gguf(tensors=[("token_embd.weight", ((1 << 62) + 8, 4), 0, 0)]))
    yield File("five dimensions", gguf(tensors=[("token_embd.weight", (1, 1, 1, 1, 32), 0, 0)]))
    yield File("no dimension", gguf(tensors=[("token_embd.weight", (), 0, 0)]))
    for kind in (4, 5, 36, 99, 0xFFFFFFFF):
        yield File("the weight type %d" % kind, gguf(tensors=[("token_embd.weight", (32,), kind, 0)]))
    for version in (0, 1, 4, 0xFFFFFFFF, 0x03000000):
        yield File("version %d" % version, gguf(version=version))
    yield File("another magic", gguf(magic=b"GGML"))
    yield File("a value of type 13", gguf({**toy_gguf.keys(), "x": struct.pack("<II", 13, 0)}))
