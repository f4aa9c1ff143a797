#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print newer_unicode.h: the characters that Unicode 15, 15.1 and 16 added, each with an older one of its kind.

Needs a Python whose unicodedata is Unicode 14 (3.11) and tokenizers 0.23 (Oniguruma with Unicode 16).
"""
import unicodedata
from tokenizers import Regex, normalizers

KINDS = ["Lu", "Ll", "Lm", "Han", "Lo", "M", "Nd", "N", "P", "S", "C"]
# By kind: stand-ins of three and four bytes. They lie in the same ranges that pre-tokenizers name by number
# (U+0800..U+4E00, the letters of deepseek-llm) as the characters they stand for.
AS = {"Lu": (0xA790, 0x16E40), "Ll": (0xA791, 0x16E60), "Lm": (0, 0x16B40), "Lo": (0, 0x10300), "Han": (0, 0x20000),
      "M": (0x0E31, 0x101FD), "Nd": (0, 0x104A0), "N": (0, 0x10107), "P": (0x2E52, 0x1183B), "S": (0x2426, 0x1F000),
      "C": (0, 0x110BD)}
BELOW_4E00 = {0x1C89: 0x10C7, 0x1C8A: 0x2D27}


def members(kind):
    mark = normalizers.Replace(Regex(r"\p{%s}" % kind), "\x01\x02")
    return {c for c in range(0x800, 0x110000)
            if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) == "Cn"
            and mark.normalize_str(chr(c)) == "\x01\x02"}


assert unicodedata.unidata_version == "14.0.0"
unassigned = members("Cn")
kind_of = {}
for kind in KINDS:
    for c in members(kind) - unassigned:
        kind_of.setdefault(c, kind)
rows = [[0x180E, 0x180E, 0x200B]]  # no longer white space since Unicode 6.3, but PCRE2 has it in \s
for c in sorted(kind_of):
    to = BELOW_4E00.get(c, AS[kind_of[c]][c > 0xFFFF])
    assert to, hex(c)
    if rows[-1][1] == c - 1 and rows[-1][2] == to:
        rows[-1][1] = c
    else:
        rows.append([c, c, to])
rows.sort()
print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by newer_unicode.py: first, last, stand-in. */")
for i in range(0, len(rows), 4):
    print(" ".join("{0x%x, 0x%x, 0x%x}," % tuple(r) for r in rows[i:i + 4]))
