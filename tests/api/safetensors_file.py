# SPDX-License-Identifier: Apache-2.0
"""Reads small safetensors files of F32, BF16, I32 and I64."""
import json, struct


def read(path):
    """{name: (shape, values)} of a safetensors file."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        raw = data[slice(*t["data_offsets"])]
        if t["dtype"] == "BF16":
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        kind = {"I64": "q", "I32": "i"}.get(t["dtype"], "f")
        out[name] = t["shape"], struct.unpack(f"<{len(raw) // struct.calcsize(kind)}{kind}", raw)
    return out
