#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden data of Hugging Face tokenizers: small tokenizer.json files, one for each kind of part, and what the library
makes of texts; the same of sentencepiece. Needs tokenizers 0.23, sentencepiece 0.2.

  make.py                write golden.json.xz beside this file
  make.py DIR            write the tokenizers to DIR, one NAME.json each
"""
import json
import lzma
import pathlib
import random
import sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models as M, normalizers as N, pre_tokenizers as P
from tokenizers import processors as X, trainers as T

CORPUS = """The quick brown fox jumps over the lazy dog. It doesn't matter, they're here; we've 1234567 ways (and 3.14).
Der Fluß fließt über die Brücke, naïve café façade. Größe ÄÖÜ İstanbul ǅ ﬁne ½ ² Ⅷ
Быстрая коричневая лиса. Ёлка йод. Η γρήγορη αλεπού ΆΈ. 中文字符测试，你好世界。日本語テスト カタカナ ひらがな 한국어 시험
हिन्दी परीक्षण ज़ क़ العربية اختبار ١٢٣ עברית ไทย ทดสอบ tiếng Việt Đặng
def f(x): return x ** 2  # comment\n\tif (a != b) { c += d[0]; }  // ok?!  don't I'm you'll
hello world hello there hello hello aaa aaaa aaaaaaaa    four  spaces\r\n\r\n😀 👩‍👩‍👧 🇩🇪 é e\u0301 ñ n\u0303 Å A\u030a
""".split("\n")
GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
CL100K = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
MARK = "\u2581"


def tok(model, norm=None, pre=None, dec=None, post=None, add=()):
    t = Tokenizer(model)
    if norm:
        t.normalizer = norm
    if pre:
        t.pre_tokenizer = pre
    if dec:
        t.decoder = dec
    for a in add:
        t.add_special_tokens([a]) if a.special else t.add_tokens([a])
    if post:
        t.post_processor = post(t) if callable(post) else post
    return t


def bpe(norm=None, pre=None, dec=None, post=None, add=(), size=420, alphabet=None, **kw):
    t = Tokenizer(M.BPE(**{k: v for k, v in kw.items() if k != "unk_token"}, unk_token=kw.get("unk_token")))
    if norm:
        t.normalizer = norm
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS, T.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=["<unk>"] if kw.get("unk_token") else [],
        initial_alphabet=alphabet or [], **{k: kw[k] for k in ("continuing_subword_prefix", "end_of_word_suffix") if k in kw}))
    j = json.loads(t.to_str())
    j["model"].update({k: v for k, v in kw.items() if k in ("byte_fallback", "fuse_unk", "ignore_merges")})
    if kw.get("byte_fallback"):
        n = len(j["model"]["vocab"])
        for b in range(256):
            j["model"]["vocab"].setdefault("<0x%02X>" % b, len(j["model"]["vocab"]))
    t = Tokenizer.from_str(json.dumps(j))
    return tok(t.model, norm, pre, dec, post, add)


def words(kind, norm=None, pre=None, dec=None, post=None, add=(), size=400, **kw):
    t = Tokenizer({"WordPiece": M.WordPiece, "WordLevel": M.WordLevel}[kind](**kw))
    if norm:
        t.normalizer = norm
    t.pre_tokenizer = pre
    trainer = T.WordPieceTrainer if kind == "WordPiece" else T.WordLevelTrainer
    t.train_from_iterator(CORPUS, trainer(vocab_size=size, show_progress=False, special_tokens=["[UNK]", "[CLS]", "[SEP]"]))
    return tok(t.model, norm, pre, dec, post, add)


def unigram(norm=None, pre=None, dec=None, post=None, add=(), byte_fallback=False):
    seed = Tokenizer(M.BPE())
    if norm:
        seed.normalizer = norm
    seed.pre_tokenizer = pre or P.Metaspace()
    seed.train_from_iterator(CORPUS, T.BpeTrainer(vocab_size=500, show_progress=False))
    r = random.Random(5)
    vocab = [("<unk>", 0.0), ("</s>", 0.0)]
    for s in sorted(seed.get_vocab(), key=lambda s: seed.get_vocab()[s]):
        vocab.append((s, -2.0 - r.random() * 9 - 1 / len(s)))
    if byte_fallback:
        vocab += [("<0x%02X>" % b, -20.0) for b in range(256)]
    return tok(M.Unigram(vocab, unk_id=0, byte_fallback=byte_fallback), norm, pre, dec, post, add)


def special(s, **kw):
    return AddedToken(s, special=True, **{"normalized": False, **kw})


def plain(s, **kw):
    return AddedToken(s, **{"normalized": False, **kw})


def around(t):
    return X.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>",
                                special_tokens=[("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))])


RULES = [("\u00ad", ""), ("\u200b", " "), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\u00a0", " "), ("\ufb01", "fi"), ("\u00bd", "1\u20442"),
         ("e\u0301", "\u00e9"), ("\u212b", "\u00e5"), ("\u1112\u1161", "\ud558"), ("\U0001f1e9\U0001f1ea", "DE"), ("...", "\u2026")]
RULES += [(chr(c), chr(c + 32)) for c in range(0x41, 0x5b)] + [(chr(c), chr(c - 0xfee0)) for c in range(0xff01, 0xff5f)]


def sentencepiece(**kw):
    """The bytes of a tokenizer.model."""
    import io
    import tempfile
    import sentencepiece as spm
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as tsv:
        for s, t in RULES:
            tsv.write("\t".join(" ".join("%X" % ord(c) for c in x) for x in (s, t)) + "\n")
        tsv.flush()
        if "normalization_rule_name" not in kw:
            kw["normalization_rule_tsv"] = tsv.name
        spm.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS * 3), model_writer=out, hard_vocab_limit=False, minloglevel=9,
                                       character_coverage=0.98, **kw)
    return out.getvalue()


def fields(message):
    """Number and value of each field of a protobuf message."""
    def varint(i):
        v = shift = 0
        while True:
            v |= (message[i] & 127) << shift
            shift += 7
            i += 1
            if message[i - 1] < 128:
                return v, i
    i = 0
    while i < len(message):
        tag, i = varint(i)
        n = {1: 8, 5: 4}.get(tag & 7, 0)
        if tag & 7 == 0:
            v, i = varint(i)
        else:
            if tag & 7 == 2:
                n, i = varint(i)
            v, i = message[i:i + n], i + n
        yield tag >> 3, v


def charsmap():
    """The precompiled_charsmap that sentencepiece makes of RULES."""
    return bytes(dict(fields(dict(fields(sentencepiece(vocab_size=300, model_type="unigram")))[3]))[2])


def sentencepieces():
    more = ["<tool>", "word", MARK * 2, "lo wo", "ello"]
    yield "unigram", sentencepiece(vocab_size=300, model_type="unigram")
    yield "unigram_bytes", sentencepiece(vocab_size=600, model_type="unigram", byte_fallback=True, user_defined_symbols=more)
    yield "unigram_suffix", sentencepiece(vocab_size=300, model_type="unigram", treat_whitespace_as_suffix=True)
    yield "bpe", sentencepiece(vocab_size=350, model_type="bpe", normalization_rule_name="identity", add_dummy_prefix=False)
    yield "bpe_bytes", sentencepiece(vocab_size=600, model_type="bpe", byte_fallback=True, remove_extra_whitespaces=False,
                                     normalization_rule_name="identity", user_defined_symbols=more)


STS = [special("<s>"), special("</s>"), special("<|im_start|>"), plain("<tool>")]
FLAGS = [special("<a>", lstrip=True), special("<b>", rstrip=True), special("<c>", lstrip=True, rstrip=True),
         plain("word", single_word=True), plain("cafe\u0301", normalized=True), plain("Hello", normalized=True),
         plain("  "), plain("<a><b>"), plain("lo wo", normalized=True), plain("ÄÖ", normalized=True)]
BYTES = P.ByteLevel.alphabet()


def all_tokenizers():
    split = lambda rx, how, invert=False: P.Split(Regex(rx), how, invert)
    cl = P.Sequence([split(CL100K, "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    meta = lambda **kw: dict(pre=P.Metaspace(**kw), dec=D.Metaspace(**{k: v for k, v in kw.items() if k != "split"}))
    llama = dict(norm=N.Sequence([N.Prepend(MARK), N.Replace(" ", MARK)]),
                 dec=D.Sequence([D.Replace(MARK, " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]))
    lvl = dict(dec=D.ByteLevel(), alphabet=BYTES)
    yield "gpt2", bpe(pre=P.ByteLevel(add_prefix_space=False), **lvl, add=[special("<|endoftext|>")])
    yield "gpt2_space", bpe(pre=P.ByteLevel(add_prefix_space=True), **lvl, post=X.ByteLevel(trim_offsets=False), add=STS)
    yield "llama3", bpe(pre=cl, **lvl, ignore_merges=True, add=STS,
                        post=lambda t: X.Sequence([X.ByteLevel(trim_offsets=False), around(t)]))
    yield "qwen2", bpe(norm=N.NFC(), pre=P.Sequence([split(CL100K.replace("{1,3}", ""), "isolated"),
                                                     P.ByteLevel(add_prefix_space=False, use_regex=False)]), **lvl, add=STS)
    yield "o200k", bpe(pre=P.Sequence([split(O200K, "removed", True), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
                       **lvl, add=STS)
    yield "deepseek", bpe(pre=P.Sequence([split(r"\p{N}{1,3}", "isolated"), split("[一-龥぀-ゟ゠-ヿ]+", "isolated"), split(
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
        "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]), **lvl, add=STS)
    yield "falcon", bpe(pre=P.Sequence([P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False),
                                        P.Digits(individual_digits=False), split("[0-9][0-9][0-9]", "isolated")]), **lvl)
    yield "llama2", bpe(**llama, unk_token="<unk>", byte_fallback=True, fuse_unk=True, add=STS, post=around)
    yield "gemma", bpe(norm=N.Replace(" ", MARK), pre=P.Split(" ", "merged_with_previous"), unk_token="<unk>",
                       byte_fallback=True, fuse_unk=True, dec=D.Sequence([D.Replace(MARK, " "), D.ByteFallback(), D.Fuse()]), add=STS)
    yield "bpe_unk", bpe(pre=P.Whitespace(), unk_token="<unk>", size=200)
    yield "bpe_fuse", bpe(pre=P.WhitespaceSplit(), unk_token="<unk>", fuse_unk=True, size=150)
    yield "bpe_none", bpe(size=150)
    yield "bpe_affixes", bpe(pre=P.Whitespace(), continuing_subword_prefix="##", end_of_word_suffix="</w>", unk_token="<unk>",
                             dec=D.BPEDecoder("</w>"), size=300)
    yield "clip", bpe(norm=N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]), pre=P.Sequence([
        split(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "removed", True),
        P.ByteLevel(add_prefix_space=False)]), end_of_word_suffix="</w>", unk_token="<unk>",
        dec=D.Sequence([D.ByteLevel(), D.Replace("</w>", " ")]), alphabet=BYTES,
        post=lambda t: X.RobertaProcessing(("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))), add=STS)
    yield "bert", words("WordPiece", norm=N.BertNormalizer(), pre=P.BertPreTokenizer(), dec=D.WordPiece(), unk_token="[UNK]",
                        post=lambda t: X.BertProcessing(("[SEP]", 2), ("[CLS]", 1)), add=[special("[CLS]"), special("[SEP]")])
    yield "bert_cased", words("WordPiece", norm=N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True,
                              lowercase=False), pre=P.BertPreTokenizer(), dec=D.WordPiece(cleanup=False), unk_token="[UNK]",
                              max_input_chars_per_word=6)
    yield "wordlevel", words("WordLevel", norm=N.Sequence([N.NFKC(), N.Lowercase(), N.Strip()]), pre=P.Whitespace(), unk_token="[UNK]")
    yield "unigram", unigram(**meta(prepend_scheme="always"), add=STS, post=lambda t: X.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 1)]))
    yield "unigram_first", unigram(**meta(prepend_scheme="first"), add=STS, norm=N.NFKD())
    yield "unigram_never", unigram(**meta(prepend_scheme="never", split=False), byte_fallback=True)
    cm = N.Precompiled(charsmap())
    yield "t5", unigram(norm=N.Sequence([cm, N.Strip(left=False, right=True), N.Replace(Regex(" {2,}"), MARK)]),
                        **meta(prepend_scheme="always"), add=STS)
    yield "albert", unigram(norm=N.Sequence([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), cm]),
                            pre=P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first")]), dec=D.Metaspace(), add=FLAGS)
    yield "nmt", unigram(norm=N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), **meta(prepend_scheme="first"))
    yield "flags", bpe(norm=N.Sequence([N.NFC(), N.Lowercase()]), pre=P.ByteLevel(add_prefix_space=True), **lvl, add=FLAGS)
    yield "flags_first", bpe(norm=N.NFD(), **meta(prepend_scheme="first"), unk_token="<unk>", add=FLAGS)
    yield "byte_norm", bpe(norm=N.Sequence([N.NFKD(), N.ByteLevel()]), **lvl, pre=split("Ġ", "merged_with_next"))
    for how in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        yield "split_" + how, bpe(pre=P.Sequence([P.Split(" ", how), split(r"[\p{Lu}&&[^A-C]]|\b\w{1,2}\b|(?=\d)|^.|o$", how)]), size=260,
                                  unk_token="<unk>")
        yield "invert_" + how, bpe(pre=P.Sequence([split(r"\w+|[^\w\s]+", how, True), P.Punctuation(how)]), size=260, unk_token="<unk>")
    yield "digits", bpe(pre=P.Sequence([P.Digits(True), P.CharDelimiterSplit("o"), P.UnicodeScripts()]), size=300, unk_token="<unk>")
    yield "scripts", bpe(pre=P.Sequence([P.UnicodeScripts(), P.Digits(False)]), size=300, unk_token="<unk>")
    yield "fixed", bpe(pre=P.FixedLength(5), size=300, unk_token="<unk>")
    yield "nfd_strip", bpe(norm=N.Sequence([N.NFD(), N.StripAccents(), N.Strip(left=True, right=False), N.Prepend("~")]), size=300,
                           unk_token="<unk>", dec=D.Sequence([D.Strip("a", 2, 1), D.Replace(Regex("[aeiou]+"), "_"), D.Fuse(), D.Strip("_", 1, 2)]))
    yield "regexes", bpe(norm=N.Replace(Regex(r"(?i:strasse)|\h{4}|[[:upper:]]{2,}|a{,1}b|(?m:x.)|[^\W\d_]{9}|\p{Han}+"), "<>"),
                         pre=split(r"(?<=[a-z])(?=[A-Z])|[-_]|[a-c[x-z]]+|\d+(?!\S)|\s*[\r\n]+|[^\x{41}-\u005a\t]{1,3}+",
                                   "isolated"), size=300, unk_token="<unk>")


SNIPPETS = ["Hello", "hello", " ", "  ", "\n", "\r\n", "\t", "word", "words", "café", "cafe\u0301", "Cafe\u0301", "<s>", "</s>", "<a>", "<b>", "<c>",
            "<a><b>", "<tool>", "<|im_start|>", "<|endoftext|>", "[CLS]", "[UNK]", "<unk>", "<0x41>", "lo wo", "hello world", "ÄÖ",
            "don't", "I'LL", "1234567", "12", "3", "½²", "١٢٣", "the", "The", " the", "aaaa", "ß", "ﬁ", "İ", "Ǆ", "Å", "\u212b",
            "中文", "你好，世界。", "カタカナ", "ひらがな", "한국어", "\u1112\u1161\u11ab", "हिन्दी", "क\u094dष", "اختبار", "ไทย", "😀", "👩‍👩‍👧", "🇩🇪",
            MARK, "\u3000", "\u00a0", "\u200b", "\ufeff", "\u0301", "\u0345\u0301", "\u00ad", "\0", "\x7f", "\ufffd", "``", "''", "</w>", "##ing",
            ".", ",", "!", "?", "'", "\"", "(", ")", "-", "_", "...", "://", "strasse", "xy", "XYZ", "fooBar", "beef", "\u2028", "\x85", "\x1c"]


def random_char(r):
    k = r.random()
    if k < 0.45:
        return chr(r.randrange(0x20, 0x7f))
    if k < 0.6:
        return chr(r.randrange(0xa0, 0x600))
    if k < 0.7:
        return chr(r.choice([0x300, 0x900, 0xe00, 0x1100, 0x1e00, 0x2000, 0x2580, 0x3000, 0x4e00, 0xac00, 0xfb00, 0xff00, 0x1f600]) + r.randrange(0x80))
    while True:
        c = r.randrange(0x110000 if k < 0.8 else 0x3000)
        if not 0xd800 <= c < 0xe000:
            return chr(c)


def random_text(r):
    out, n = [], r.choice([1, 2, 3, 5, 8, 13, 30])
    for _ in range(n):
        out.append(r.choice(SNIPPETS) if r.random() < 0.5 else random_char(r) * r.choice([1, 1, 1, 1, 2, 5]))
    return "".join(out)


def encode(t, s):
    """Ids with special tokens around and found in the text, without either, and None where the library has an error."""
    out = []
    for on in (True, False):
        t.encode_special_tokens = not on
        try:
            out.append(t.encode(s, add_special_tokens=True).ids)
        except Exception:
            out.append(None)
    t.encode_special_tokens = False
    return out


def decode(t, ids):
    try:
        return [t.decode(ids, skip_special_tokens=True), t.decode(ids, skip_special_tokens=False)]
    except BaseException:
        return None


def main():
    if len(sys.argv) > 1:
        for name, t in all_tokenizers():
            (pathlib.Path(sys.argv[1]) / (name + ".json")).write_text(t.to_str(), encoding="utf-8")
        return
    r = random.Random(1)
    texts = ["", " ", "  hello  world  ", "\n\n"] + [x for x in CORPUS if x] + [random_text(r) for _ in range(70)]
    golden = {"texts": texts, "tokenizers": {}, "models": {}}
    for name, t in all_tokenizers():
        lists = [[r.randrange(t.get_vocab_size()) for _ in range(r.choice([1, 2, 5, 20]))] for _ in range(25)]
        golden["tokenizers"][name] = {"file": t.to_str(), "ids": [encode(t, s) for s in texts],
                                      "lists": lists, "decoded": [decode(t, x) for x in lists]}
    import sentencepiece as spm
    for name, model in sentencepieces():
        p = spm.SentencePieceProcessor(model_proto=model)
        ids = [p.encode(s) if "\0" not in s else None for s in texts]
        lists = [x for x in ids[:40] if x and 0 not in x]
        golden["models"][name] = {"file": model.hex(), "ids": ids, "lists": lists,
                                  "decoded": [p.decode(x) for x in lists]}
    data = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    pathlib.Path(__file__).with_name("golden.json.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
