#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print uclass_table.h: the classes of characters that Hugging Face tokenizers 0.23 uses, read off its behaviour."""
from tokenizers import normalizers as N, pre_tokenizers as P

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(chars):
    out = []
    for c in sorted(chars):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def removed(n):
    return [c for c in ALL if n.normalize_str("a" + chr(c) + "b") == "ab"]


def pieces(p, n, text="a%sb"):
    return [c for c in ALL if len(p.pre_tokenize_str(text % chr(c))) == n]


def bert(**on):
    return N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **on})


def scripts():
    """Runs of characters that UnicodeScripts keeps together, numbered so that two runs of one script get one number."""
    p, runs, known = P.UnicodeScripts(), [], []
    any_ = {c for c in ALL if all(len(p.pre_tokenize_str(l + chr(c) + r)) == 2
                                  for l, r in ("a\u0431", "\u0431a", "\u03b1\u05d0", "\u05d0\u03b1"))}
    for c in ALL:
        if c in any_:
            continue
        if runs and runs[-1][1] == c - 1 and len(p.pre_tokenize_str(chr(c - 1) + chr(c))) == 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    for run in runs:
        first = chr(run[0])
        for i, k in enumerate(known):
            if len(p.pre_tokenize_str(k + first)) == 1:
                run.append(i + 1)
                break
        else:
            known.append(first)
            run.append(len(known))
    return runs


def table(name, rows, form):
    print("static const struct %s %s[] = {" % ("uc_script" if len(rows[0]) == 3 else "uc_range", name))
    per = 5
    for i in range(0, len(rows), per):
        print("    " + " ".join(form % tuple(r) for r in rows[i:i + per]))
    print("};")


print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by uclass_table.py: first, last (and number of the script). */")
space = pieces(P.WhitespaceSplit(), 2)
table("control", ranges(removed(bert(clean_text=True))), "{0x%x, 0x%x},")
table("nonspacing", ranges(removed(bert(strip_accents=True))), "{0x%x, 0x%x},")
table("mark", ranges(removed(N.StripAccents())), "{0x%x, 0x%x},")
table("punct", ranges(pieces(P.Punctuation(), 3)), "{0x%x, 0x%x},")
table("numeric", ranges(pieces(P.Digits(), 3)), "{0x%x, 0x%x},")
table("space", ranges(space), "{0x%x, 0x%x},")
table("word", ranges(set(pieces(P.Whitespace(), 1)) - set(space)), "{0x%x, 0x%x},")
chinese = bert(handle_chinese_chars=True)
table("chinese", ranges(c for c in ALL if len(chinese.normalize_str(chr(c))) == 3), "{0x%x, 0x%x},")
table("script", scripts(), "{0x%x, 0x%x, %d},")
