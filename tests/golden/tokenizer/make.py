#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes pretok.json and encode.json with the `tokenizers` library (0.23), the oracle of runtime/text.

pretok.json: for each pre-tokenizer and text the ends of its pieces in bytes.
encode.json: for each vocabulary of tests/data/vocab and text the token ids, without special tokens.
"""
import json, lzma, os, sys, tempfile
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers as pre

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = os.path.join(HERE, "../../data/vocab/ggml-vocab-%s.gguf.xz")

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", " \n \n", "\r\n\r\n x", " \t\r\n \n  end", "Hello world", " Hello  world ",
    "don't I'LL we'Ve 'S 'ſ x'ſt 'l 'll'll", "O'Neil's “quotes” don’t", "camelCase HTMLParser iPhone aB ABc ABC aaA ǅa",
    "3 33 333 3333 33333 333333 3333333 a1234567b 12345é 1371⁰ 1,000,000.00", "٣٤٥٦٧ ½6789 12½345 x²y Ⅷ ③",
    "м and мир 999 ¼", "!@#$%^&*()_+-=[]{}|;':\",./<>?`~ !!! ...\n\n///\r\n==\n", "_foo_bar __init__ a_b",
    "你好，世界。我想在apple工作1314151天～", "漢字かなカナ한국어ㄱㄴ ㄅㄆ 𠀀𠮷龦", "កាន់តែពិសេសអាច ไทยภาษา ລາວ ဗမာ",
    "हिन्दी বাংলা தமிழ் اَلْعَرَبِيَّةُ עברית", "e\u0301 n\u0303 \u1100\u1161\u11a8 \u212b \u2126 a\u0323\u0307 q\u0307\u0323 \u0344",
    "\u0301\u0302 \u0301a x\u0301\u0302\u0303y", "😀 👨\u200d👩\u200d👧 🏳️\u200d🌈 3️⃣ 🇩🇪 ✅ 👍🏽😶\u200d🌫️",
    "\u00a0\u1680\u2003\u2028\u2029\u202f\u3000x \u0085y \u180e \u200b \ufeff z", "a\u3000b \u00a0c\u2003\u2003d",
    "\u0000\u0001\u007f\u0080\u00ad", "\ufffd \uffff \U0010ffff \ue000 \u0378", "ḀἀᾈⱠꙀＡ𐐀𞤀Ꟃᲀ Ა ⴀ ℵ ª ʰ ᵃ",
    "\u1c89\u1c8a \ua7cb \U00010d50 \U0001e4d0 \U00011f02\U00011f03 \u0897 \U00031350 \U0001fae9 \U00010d40\U00010d41",
    "\u061d؟ \u2e52⸮ \U0001183b \U00016d6d § ¶ ` ´ ¨ ^ ° © ™ € +", "IMGIMGABCZ <sentinel:12> IMGIMGZ    four",
    "int main(void)\n{\n\treturn 0;  // nothing\n}\n", "    if x:\n        y = [1, 2]\n\n\n", "x" * 70 + " " * 40 + "y" * 3,
    " " * 600 + "z", "a  b   c    d     e\n     f", "http://a.b/c?d=e&f=%20#g user@example.com", "</s><s><|endoftext|><unk>",
    "▁ ▁▁ _ \u2581x", "ÄÖÜ ß ẞ ŉ ﬁ ﬆ", "õ ÷ Á ý À ÿ", "It's 5 o'clock; 'd 'm 're 've 't 's",
]

ANY_CASE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
HAN_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
             r"""| ?[\p{P}\p{S}]+""")
DEEPSEEK_LETTERS = "\\s?[" + "".join(
    chr(int(a, 16)) + ("-" + chr(int(b, 16)) if b else "") for a, _, b in (r.partition("-") for r in """
    41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1
    3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A
    1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4
    1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128
    212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D
    A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F
    104B0-104D3 104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943""".split())) + "]+"
KIMI_U, KIMI_L = UPPER[:-1] + r"&&[^\p{Han}]]", LOWER[:-1] + r"&&[^\p{Han}]]"


def split(rx):
    return pre.Split(Regex(rx), "isolated")


def bytes_(use_regex):
    return pre.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def cl100k(digits):
    return ANY_CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES


def o200k(suffix, digits):
    first = r"[^\r\n\p{L}\p{N}]?"
    return (first + UPPER + "*" + LOWER + "+" + suffix + "|" + first + UPPER + "+" + LOWER + "*" + suffix + "|" + digits
            + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES)


ROWS = {
    "default": [split(r"[\p{P}\$\+<=>\^~\|]+"), split(GPT2), split(r"\p{N}+"), split("[0-9][0-9][0-9]")],
    "gpt-2": [bytes_(True)],
    "mpt": [bytes_(True)],
    "starcoder": [pre.Digits(True), bytes_(True)],
    "command-r": [pre.Digits(True), bytes_(True)],
    "falcon": [pre.Punctuation("contiguous"), bytes_(True), pre.Digits(False), split("[0-9][0-9][0-9]")],
    "llama-bpe": [split(cl100k(r"\p{N}{1,3}"))],
    "dbrx": [split(cl100k(r"\p{N}{1,3}"))],
    "qwen2": [split(cl100k(r"\p{N}"))],
    "hunyuan": [split(cl100k(r"\p{N}"))],
    "qwen35": [split(ANY_CASE + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES)],
    "ufakzeka": [split(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES)],
    "seed-coder": [split(ANY_CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + SPACES)],
    "minicpm5": [split(r"\p{N}{1,3}"), split(cl100k(r"\p{N}+"))],
    "laguna": [split(r"[^\n]+|[\n]+"), split(cl100k(r"\p{N}"))],
    "jais-2": [split(ANY_CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                     r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|"
                     r"\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}")],
    "bailingmoe": [split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|"
                         r"\s+(?!\S)|\s+")],
    "exaone-moe": [split(ANY_CASE + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|"
                         r" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+")],
    "gpt-4o": [split(o200k(ANY_CASE + "?", r"\p{N}{1,3}"))],
    "tekken": [split(o200k("", r"\p{N}"))],
    "tiny_aya": [split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(o200k(ANY_CASE + "?", r"\p{N}{1,3}"))],
    "youtu": [split("[\uac00-\ud7a3\u3131-\u318e]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + HAN_KANA),
              split(o200k(ANY_CASE + "?", r"\p{N}"))],
    "kimi-k2": [split(r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?" + KIMI_U + "*" + KIMI_L + "+" + ANY_CASE +
                      r"?|[^\r\n\p{L}\p{N}]?" + KIMI_U + "+" + KIMI_L + "*" + ANY_CASE +
                      r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES)],
    "deepseek-llm": [split("[\r\n]"), split(DEEPSEEK_LETTERS), split("\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"),
                     split(r"\s+$"), split(CJK), pre.Digits(True)],
    "deepseek-coder": [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), pre.Digits(True)],
    "deepseek-v3": [split(r"\p{N}{1,3}"), split(HAN_KANA), split(DEEPSEEK3 + r"[\r\n]*" + SPACES)],
    "spark2_5": [split(r"\p{N}{1,3}"), split(HAN_KANA), split(DEEPSEEK3 + r"|[\r\n]|\s+(?!\S)|\s+"), split(r"\p{N}")],
    "bloom": [split(BLOOM)],
    "viking": [split(BLOOM), pre.Digits(True)],
    "superbpe": [split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))")],
    "chameleon": [split("<sentinel:[0-9]+>"), split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), split(r"([\t\n]|    |  )"),
                  pre.Digits(True), pre.Punctuation("isolated"), bytes_(True)],
}


def pre_tokenizer(row):
    steps = ROWS[row]
    return pre.Sequence(steps if any(isinstance(s, pre.ByteLevel) for s in steps) else steps + [bytes_(False)])


def piece_ends(row, text):
    end, ends = 0, []
    for piece, _ in pre_tokenizer(row).pre_tokenize_str(text):
        end += len(piece)  # a character of ByteLevel's alphabet is a byte
        ends.append(end)
    return ends


def sentencepiece(tokens, scores):
    vocab = {t: i for i, t in enumerate(tokens)}
    merges = [(-scores[i], t[:k], t[k:]) for t, i in vocab.items() for k in range(1, len(t))
              if t[:k] in vocab and t[k:] in vocab]
    merges.sort(key=lambda m: m[0])
    t = Tokenizer(models.BPE(vocab, [m[1:] for m in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return t


def tokenizer(name):
    with tempfile.NamedTemporaryFile() as f:
        f.write(lzma.open(VOCAB % name).read())
        f.flush()
        fields = {k: v.contents() for k, v in GGUFReader(f.name).fields.items() if k.startswith("tokenizer.ggml")}
    tokens = fields["tokenizer.ggml.tokens"]
    if fields["tokenizer.ggml.model"] == "llama":
        t = sentencepiece(tokens, fields["tokenizer.ggml.scores"])
    else:
        merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"]]
        t = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, ignore_merges=name == "llama-bpe"))
        t.pre_tokenizer = pre_tokenizer(name)
        if name == "qwen2":
            t.normalizer = normalizers.NFC()
    t.add_tokens([AddedToken(t, normalized=False, rstrip=name == "phi-3")
                  for t, kind in zip(tokens, fields["tokenizer.ggml.token_type"]) if kind == 4])
    return t


def write(name, data):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


write("pretok.json", {"texts": TEXTS, "rows": {row: [piece_ends(row, t) for t in TEXTS] for row in ROWS}})
names = sys.argv[1:] or ["deepseek-coder", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2"]
write("encode.json", {"texts": TEXTS, "vocabs": {n: [e.ids for e in tokenizer(n).encode_batch(TEXTS, add_special_tokens=False)]
                                                 for n in names}})
