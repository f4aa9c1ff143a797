#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write qtype_grid.h: the code books of the IQ types, one 16-bit code an entry, from the Python package gguf.

Usage: qtype_grid.py > qtype_grid.h
"""
from gguf import quants

BOOKS = [("iq2_xxs", quants.IQ2_XXS, 2), ("iq2_xs", quants.IQ2_XS, 2), ("iq2_s", quants.IQ2_S, 2),
         ("iq3_xxs", quants.IQ3_XXS, 4), ("iq3_s", quants.IQ3_S, 4), ("iq1", quants.IQ1_S, 2)]

print("""/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_QTYPE_GRID_H
#define LM_MODEL_QTYPE_GRID_H
/**
 * Code books of the IQ types: each entry holds 8 elements of 2 bits or 4 of 4 bits, the first one lowest.
 *
 * Written by qtype_grid.py.
 *
 * Source   gguf/quants.py of the Python package gguf, itself from ggml (src/ggml-common.h), MIT licence
 */
#include <stdint.h>
""")
for name, cls, bits in BOOKS:
    data = bytes.fromhex(bytes(cls.grid_hex).decode())
    n = cls.grid_shape[0]
    assert cls.grid_shape[1] * bits == 16 and len(data) == 2 * n
    codes = [data[2 * i] | data[2 * i + 1] << 8 for i in range(n)]
    print(f"static const uint16_t grid_{name}[{n}] = {{")
    for i in range(0, n, 16):
        print("    " + " ".join(f"{c:#06x}," for c in codes[i:i + 16]))
    print("};\n")
print("#endif")
