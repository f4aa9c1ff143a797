# SPDX-License-Identifier: Apache-2.0
"""An independent reader of llmserve's low-bit files, written from doc/low-bit-format.md alone.

tensors(path) gives {name: (type name, dims, raw bytes)}; floats(type, dims, raw) the values, rounded to f32.
Run as a program: python3 lmq_reader.py FILE [TENSOR]
"""
import struct
import sys

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
FLOATS = {0: ("F32", 4), 1: ("F16", 2), 30: ("BF16", 2)}
LOW_BIT = {0x4C4D0000 + i: t for i, t in enumerate([
    ("SYM_INT4", 34), ("ASYM_INT4", 36), ("SYM_INT5", 42), ("ASYM_INT5", 44), ("SYM_INT8", 66),
    ("FP4", 34), ("NF4", 34), ("FP6", 50), ("FP8_E5M2", 66), ("FP8_E4M3", 66), ("FP8_E4M3_F32", 68)])}
GGUF4 = {2: ("Q4_0", 18), 3: ("Q4_1", 20)}  # blocks of 32
FP4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]
NF4 = [-124, -86, -65, -49, -35, -23, -11, 0, 10, 20, 31, 42, 55, 70, 90, 124]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class File:
    def __init__(self, path):
        self.data = open(path, "rb").read()
        self.at = 0

    def take(self, form):
        v = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += struct.calcsize("<" + form)
        return v

    def string(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            elem, n = self.take("I"), self.take("Q")
            return [self.value(elem) for _ in range(n)]
        return self.take(SCALARS[kind])


def row_bytes(kind, cols):
    if kind in FLOATS:
        return FLOATS[kind][1] * cols
    return cols // 32 * GGUF4[kind][1] if kind in GGUF4 else -(-cols // 64) * LOW_BIT[kind][1]


def read(path):
    f = File(path)
    if f.data[:4] != b"GGUF":
        raise ValueError("no GGUF file")
    f.at = 4
    version, n_tensor, n_value = f.take("I"), f.take("Q"), f.take("Q")
    values = {}
    for _ in range(n_value):
        key = f.string()
        values[key] = f.value(f.take("I"))
    found = []
    for _ in range(n_tensor):
        name = f.string()
        dims = [f.take("Q") for _ in range(f.take("I"))]
        found.append((name, dims, f.take("I"), f.take("Q")))
    align = values.get("general.alignment", 32)
    start = -(-f.at // align) * align
    out = {}
    for name, dims, kind, offset in found:
        rows = 1
        for d in dims[1:]:
            rows *= d
        n = rows * row_bytes(kind, dims[0])
        out[name] = ({**FLOATS, **GGUF4, **LOW_BIT}[kind][0], dims, f.data[start + offset:start + offset + n])
    return values, out


def nibbles(q):
    return [b & 15 for b in q[:32]] + [b >> 4 for b in q[:32]]


def fp6(code):
    e, m = code >> 3 & 3, code & 7
    v = (8 + m) << (e - 1) if e else m
    return -v if code & 32 else v


def fp8(code, mantissa):
    e, m = (code & 127) >> mantissa, code & ((1 << mantissa) - 1)
    v = ((1 << mantissa) + m) * 2.0 ** (e - 15 - mantissa) if e else m * 2.0 ** (-14 - mantissa)
    return -v if code & 128 else v


def block(kind, b):
    """The values of one block."""
    with_min = kind in ("ASYM_INT4", "ASYM_INT5", "Q4_1")
    d = struct.unpack_from("<f" if kind.endswith("_F32") else "<e", b)[0]
    if kind.endswith("_F32"):
        m, q = 0.0, b[4:]
    elif with_min:
        m, q = struct.unpack_from("<e", b, 2)[0], b[4:]
    else:
        m, q = 0.0, b[2:]
    if kind.endswith("INT5"):
        codes = [c | (q[i // 8] >> i % 8 & 1) << 4 for i, c in enumerate(nibbles(q[8:]))]
    elif kind == "FP6":
        codes = [c | (q[32 + i % 16] >> i // 16 * 2 & 3) << 4 for i, c in enumerate(nibbles(q))]
    elif kind in ("Q4_0", "Q4_1"):
        codes = [c & 15 for c in q] + [c >> 4 for c in q]
    else:
        codes = nibbles(q) if len(q) == 32 else list(q)
    number = {"SYM_INT4": lambda c: c - 8, "Q4_0": lambda c: c - 8, "SYM_INT5": lambda c: c - 16, "SYM_INT8": lambda c: c - (c & 128) * 2, "FP4": lambda c: FP4[c],
              "NF4": lambda c: NF4[c], "FP6": fp6, "FP8_E5M2": lambda c: fp8(c, 2), "FP8_E4M3": lambda c: fp8(c, 3), "FP8_E4M3_F32": lambda c: fp8(c, 3)}.get(kind, lambda c: c)
    return [f32(f32(d * number(c)) + m) if with_min else f32(d * number(c)) for c in codes]


def floats(kind, dims, raw):
    if kind == "F32":
        return list(struct.unpack("<%df" % (len(raw) // 4), raw))
    if kind == "F16":
        return list(struct.unpack("<%de" % (len(raw) // 2), raw))
    if kind == "BF16":
        return [struct.unpack("<f", b"\0\0" + raw[i:i + 2])[0] for i in range(0, len(raw), 2)]
    size, out = dict([*LOW_BIT.values(), *GGUF4.values()])[kind], []
    per_row = -(-dims[0] // (32 if kind in dict(GGUF4.values()) else 64))
    for i in range(0, len(raw), size * per_row):
        row = [v for k in range(per_row) for v in block(kind, raw[i + k * size:i + (k + 1) * size])]
        out += row[:dims[0]]
    return out


if __name__ == "__main__":
    for tensor, (type_name, shape, data) in read(sys.argv[1])[1].items():
        if len(sys.argv) < 3 or sys.argv[2] == tensor:
            print(tensor, type_name, shape, floats(type_name, shape, data)[:8])
