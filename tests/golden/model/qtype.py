#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the table of runtime/model/qtype_test.c: hashes of what the Python package gguf dequantizes.

A type's input is N_BLOCK blocks of a splitmix64 stream seeded with the type's id, in which one bit is
cleared (byte, bit) where a scale could otherwise be infinite; its hash is FNV-1a over the floats' bytes.
"""
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

N_BLOCK = 512
MASK = (1 << 64) - 1
SCALES = {"Q4_0": [1], "Q4_1": [1, 3], "Q5_0": [1], "Q5_1": [1, 3], "Q8_0": [1], "Q2_K": [81, 83], "Q3_K": [109],
          "Q4_K": [1, 3], "Q5_K": [1, 3], "Q6_K": [209], "IQ1_S": [1], "IQ1_M": [55], "IQ2_XXS": [1], "IQ2_XS": [1],
          "IQ2_S": [1], "IQ3_XXS": [1], "IQ3_S": [1], "IQ4_NL": [1], "IQ4_XS": [1], "TQ1_0": [53], "TQ2_0": [65],
          "MXFP4": [], "BF16": [], "F16": [1], "F32": []}


def stream(seed, n):
    out = bytearray()
    while len(out) < n:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out += (z ^ (z >> 31)).to_bytes(8, "little")
    return out[:n]


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


for name, scales in SCALES.items():
    block, size = GGML_QUANT_SIZES[T[name]]
    data = stream(int(T[name]), N_BLOCK * size)
    for i in range(N_BLOCK):
        for s in scales:
            data[i * size + s] &= 0xBF
    y = quants.dequantize(np.frombuffer(bytes(data), np.uint8).reshape(N_BLOCK, size), T[name])
    at = ", ".join(str(s) for s in (scales + [-1, -1])[:2])
    print(f"    {{LM_Q_{name}, {{{at}}}, 0x{fnv(y.astype('<f4').tobytes()):016x}}},")
