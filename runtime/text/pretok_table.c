/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The pre-tokenizers by their name in GGUF. The names are those that llama.cpp's converter writes; the expressions
 * are those of the models' own tokenizer.json, which also made llama.cpp's test vectors.
 *
 * Source   convert_hf_to_gguf_update.py and src/llama-vocab.cpp of llama.cpp for names and flags; for expressions
 *          the pre_tokenizer and normalizer of each model's tokenizer.json, openai/tiktoken
 *          tiktoken_ext/openai_public.py (o200k), tokenization_kimi.py of Kimi-K2
 */
#include "runtime/text/pretok.h"

#define ENGLISH "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SYMBOLS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"

#define GPT2 ENGLISH "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* cl100k and its kin differ in how many digits make a word. */
#define CL100K(digits) ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "|" SYMBOLS "|" SPACES

/* o200k: a word is capitals, then small letters; letters without case and marks count as both. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix, digits) \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix "|" \
    digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES

/* The same without Han, written so that nothing has to be given back: U capitals, C letters of no case and marks. */
#define KIMI_C "(?:(?!\\p{sc:Han})[\\p{Lm}\\p{Lo}\\p{M}])"
#define KIMI_U "[\\p{Lu}\\p{Lt}]"
#define KIMI_LOWER "\\p{Ll}(?:\\p{Ll}|" KIMI_C ")*+"
#define KIMI_WORD \
    "(?:(?:" KIMI_U "*+" KIMI_C "++)++(?:" KIMI_U "*+" KIMI_LOWER ")?+|" KIMI_U "*+" KIMI_LOWER ")"

#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define HAN_KANA "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define DEEPSEEK3 \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" \
    " ?[\\p{P}\\p{S}]+"
#define DEEPSEEK_CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK_LETTERS \
    "\\s?[A-Za-z" \
    "\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}" \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}" \
    "\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}" \
    "\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}" \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}" \
    "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}" \
    "\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}" \
    "\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}" \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}" \
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}" \
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}" \
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}" \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}" \
    "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}" \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}" \
    "\\x{1E900}-\\x{1E943}" \
    "]+"

/* What has no word boundary behind a digit. */
#define WORD \
    "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}\\x{24B6}-\\x{24E9}" \
    "\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}]"

/* Punctuation and ASCII symbols as Unicode 8 had them: what the Punctuation pre-tokenizer splits at. */
#define PUNCTUATION \
    "(?:(?![" \
    "\\x{61D}\\x{9FD}\\x{A76}\\x{C77}\\x{C84}\\x{1B4E}-\\x{1B4F}\\x{1B7D}-\\x{1B7F}\\x{2E43}-\\x{2E4F}" \
    "\\x{2E52}-\\x{2E5D}\\x{10EAD}\\x{10F55}-\\x{10F59}\\x{10F86}-\\x{10F89}\\x{1144B}-\\x{1144F}" \
    "\\x{1145A}-\\x{1145B}\\x{1145D}\\x{11660}-\\x{1166C}\\x{116B9}\\x{1183B}\\x{11944}-\\x{11946}\\x{119E2}" \
    "\\x{11A3F}-\\x{11A46}\\x{11A9A}-\\x{11A9C}\\x{11A9E}-\\x{11AA2}\\x{11C41}-\\x{11C45}" \
    "\\x{11C70}-\\x{11C71}\\x{11EF7}-\\x{11EF8}\\x{11FFF}\\x{12FF1}-\\x{12FF2}\\x{16E97}-\\x{16E9A}\\x{16FE2}" \
    "\\x{1E95E}-\\x{1E95F}" \
    "])[\\p{P}$+<=>^`|~\\x{166D}\\x{111C9}])"

const struct lm_pretok_row lm_pretok_rows[] = {
    {.names = " default ",
     .rx = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {.names = " gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat "
              "a.x-4.0 mellum jais trillion granite-docling exaone4 ",
     .rx = {GPT2}},
    {.names = " mpt olmo modern-bert gpt-neox ",
     .flags = LM_PRETOK_NFC,
     .rx = {GPT2}},
    {.names = " starcoder refact smollm codeshell exaone minerva-7b mellum2 ",
     .rx = {"\\p{N}", GPT2}},
    {.names = " command-r ",
     .flags = LM_PRETOK_NFC,
     .rx = {"\\p{N}", GPT2}},
    /* Falcon looks for digits in the alphabet of bytes, where six more bytes are numbers (U+00B2 and so on). */
    {.names = " falcon ",
     .rx = {PUNCTUATION "++", GPT2, "[0-9\\xb2\\xb3\\xb9\\xbc-\\xbe]+", "[0-9][0-9][0-9]"},
     .how = {[2] = LM_CUT_BYTES, [3] = LM_CUT_BYTES}},
    {.names = " llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
     .flags = LM_PRETOK_WHOLE | LM_PRETOK_BOS,
     .rx = {CL100K("\\p{N}{1,3}")}},
    {.names = " dbrx smaug-bpe chatglm-bpe glm4 ",
     .rx = {CL100K("\\p{N}{1,3}")}},
    {.names = " qwen2 deepseek-r1-qwen stablelm2 megrez kormo f2llmv2 ",
     .flags = LM_PRETOK_NFC,
     .rx = {CL100K("\\p{N}")}},
    {.names = " hunyuan solar-open grok-2 ",
     .rx = {CL100K("\\p{N}")}},
    {.names = " qwen35 ",
     .flags = LM_PRETOK_NFC,
     .rx = {ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES}},
    {.names = " ufakzeka ",
     .rx = {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" SYMBOLS "|" SPACES}},
    {.names = " seed-coder ",
     .rx = {ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES}},
    {.names = " minicpm5 ",
     .flags = LM_PRETOK_WHOLE,
     .rx = {"\\p{N}{1,3}", CL100K("\\p{N}+")}},
    {.names = " laguna ",
     .rx = {"[^\\n]+|\\n+", CL100K("\\p{N}")}},
    /* Behind a space there is no line end to look for: it was looked for in front of it. */
    {.names = " jais-2 ",
     .rx = {ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" SYMBOLS "|(?<![^\\S\\r\\n])\\s*[\\r\\n]+|"
            "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|"
            "\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s"}},
    {.names = " bailingmoe bailingmoe2 llada-moe ",
     .rx = {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
            "\\s+(?!\\S)|\\s+"}},
    {.names = " exaone-moe ",
     .rx = {ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|\\p{N}|"
            " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {.names = " gpt-4o llama4 kanana2 talkie minimax-m2 ",
     .rx = {O200K(ANY_CASE "?", "\\p{N}{1,3}")}},
    {.names = " granite-embed-multi-97m ",
     .flags = LM_PRETOK_WHOLE,
     .rx = {O200K(ANY_CASE "?", "\\p{N}{1,3}")}},
    {.names = " tekken ",
     .flags = LM_PRETOK_WHOLE | LM_PRETOK_BOS,
     .rx = {O200K("", "\\p{N}")}},
    {.names = " tiny_aya cohere2moe ",
     .rx = {"(?<!\\d)\\d++(?!" WORD ")", O200K(ANY_CASE "?", "\\p{N}{1,3}")},
     .how = {[0] = LM_CUT_THREES_ALONE}},
    {.names = " youtu ",
     .flags = LM_PRETOK_WHOLE,
     .rx = {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|["
            "\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}"
            "\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" HAN_KANA,
            O200K(ANY_CASE "?", "\\p{N}")}},
    {.names = " kimi-k2 ",
     .rx = {"\\p{sc:Han}++|[^\\r\\n\\p{L}\\p{N}]?" KIMI_WORD ANY_CASE "?|[^\\r\\n\\p{L}\\p{N}]?"
            KIMI_U "++" ANY_CASE "?|\\p{N}{1,3}|" SYMBOLS "|" SPACES}},
    {.names = " deepseek-llm ",
     .rx = {"[\\r\\n]", DEEPSEEK_LETTERS,
            "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
            "(?<!\\s)\\s++$", DEEPSEEK_CJK, "\\p{N}"}},
    {.names = " deepseek-coder ",
     .rx = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}},
    {.names = " deepseek-v3 hunyuan-dense joyai-llm hy_v4 ",
     .rx = {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK3 "[\\r\\n]*|" SPACES}},
    {.names = " spark2_5 ",
     .rx = {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK3 "|[\\r\\n]|\\s+(?!\\S)|\\s+", "\\p{N}"}},
    {.names = " afmoe ",
     .rx = {"\\p{N}++",
            "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}"
            "\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{E7F}\\x{E80}-\\x{EFF}\\x{1780}-\\x{17FF}"
            "\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+",
            DEEPSEEK3 "[\\r\\n]*|" SPACES},
     .how = {[0] = LM_CUT_THREES_ALONE}},
    {.names = " bloom gpt3-finnish poro-chat ",
     .rx = {BLOOM}},
    {.names = " viking ",
     .rx = {BLOOM, "\\p{N}"}},
    {.names = " superbpe ",
     .rx = {"\\p{N}+", "\\d+"},
     .how = {[1] = LM_CUT_THREES}},
    {.names = " chameleon ",
     .flags = LM_PRETOK_BOS,
     .rx = {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}", PUNCTUATION, GPT2}},
    {.names = " gemma4 granite-embed-multi-311m ",
     .flags = LM_PRETOK_SPACED | LM_PRETOK_WHOLE | LM_PRETOK_BOS,
     .rx = {"[^\\n]+|\\n+"}},
    {.names = " sarvam-moe ",
     .flags = LM_PRETOK_SPACED,
     .rx = {"[^\\n]+|\\n+"}},
};

const size_t lm_pretok_n_rows = sizeof lm_pretok_rows / sizeof *lm_pretok_rows;
