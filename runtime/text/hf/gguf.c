/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokenizers of encoders in GGUF files, "bert" (WordPiece) and "t5" (Unigram), as the tokenizer.json that they came from.
 *
 * Source   llama.cpp: convert_hf_to_gguf.py, which puts U+2581 in front of the pieces that begin words where WordPiece
 *          has "##" in front of the others; src/llama-vocab.cpp for the ids where no key gives them
 */
#include "runtime/text/encoder.h"
#include "runtime/text/hf/file.h"

#include <math.h>

static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */

struct source {
    const struct lm_gguf *g;
    const struct lm_gguf_value *text, *kind, *score;
    struct lm_bytes *out;
};

static void put_string(struct lm_bytes *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '"' || s[i] == '\\')
            lm_bytes_addf(out, "\\%c", s[i]);
        else if ((unsigned char)s[i] < 0x20)
            lm_bytes_addf(out, "\\u%04x", (unsigned)(unsigned char)s[i]);
        else
            lm_bytes_add_char(out, s[i]);
}

static bool is_control(const struct source *s, size_t i)
{
    return s->kind && i < s->kind->n && lm_gguf_elem_i64(s->kind, i) == LM_TOKEN_CONTROL;
}

static void put_added(const struct source *s)
{
    const unsigned char *cursor = NULL;
    struct lm_gguf_str t;
    bool first = true;
    lm_bytes_add_str(s->out, "\"added_tokens\":[");
    for (size_t i = 0; lm_gguf_next_string(s->text, &cursor, &t); i++) {
        if (!is_control(s, i) || t.n == 0)
            continue;
        lm_bytes_addf(s->out, "%s{\"id\":%zu,\"special\":true,\"normalized\":false,\"content\":\"", first ? "" : ",", i);
        put_string(s->out, t.s, t.n);
        lm_bytes_add_str(s->out, "\"}");
        first = false;
    }
    lm_bytes_add_str(s->out, "],");
}

/* What stands around one text, and between two: T is <s> A </s> </s> B </s>, BERT [CLS] A [SEP] B [SEP]. */
static int put_around(const struct source *s, bool bert, struct lm_err *err)
{
    uint32_t first = 0, last = 0;
    int rc = lm_gguf_u32(s->g, bert ? "tokenizer.ggml.cls_token_id" : "tokenizer.ggml.bos_token_id", bert ? 101 : 0, &first, err);
    if (!rc && bert)
        rc = lm_gguf_u32(s->g, "tokenizer.ggml.bos_token_id", first, &first, err);
    if (!rc)
        rc = lm_gguf_u32(s->g, bert ? "tokenizer.ggml.seperator_token_id" : "tokenizer.ggml.eos_token_id", bert ? 102 : 2, &last, err);
    if (!rc && (first >= s->text->n || last >= s->text->n))
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.ggml: the special tokens %u and %u are not among %llu", first, last, (unsigned long long)s->text->n);
    lm_bytes_addf(s->out, "\"post_processor\":{\"type\":\"%s\",\"cls\":[\"\",%u],\"sep\":[\"\",%u]},", bert ? "BertProcessing" : "RobertaProcessing", first, last);
    return rc;
}

/* Vocabularies of lower-cased texts have no upper-case letter. */
static bool is_cased(const struct source *s)
{
    const unsigned char *cursor = NULL;
    struct lm_gguf_str t;
    while (lm_gguf_next_string(s->text, &cursor, &t))
        if (t.n == 4 && memcmp(t.s, "\xe2\x96\x81" "A", 4) == 0)
            return true;
    return false;
}

static int put_wordpiece(const struct source *s, struct lm_err *err)
{
    uint32_t unk;
    int rc = lm_gguf_u32(s->g, "tokenizer.ggml.unknown_token_id", 100, &unk, err);
    if (!rc && unk >= s->text->n)
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.ggml.unknown_token_id is %u of %llu tokens", unk, (unsigned long long)s->text->n);
    if (rc)
        return rc;
    const unsigned char *cursor = NULL;
    struct lm_gguf_str t = {NULL, 0};
    for (uint32_t i = 0; i <= unk && lm_gguf_next_string(s->text, &cursor, &t);)
        i++;
    lm_bytes_addf(s->out, "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,"
                  "\"lowercase\":%s},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
                  "\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"unk_token\":\"", is_cased(s) ? "false" : "true");
    put_string(s->out, t.s, t.n);
    lm_bytes_add_str(s->out, "\",\"vocab\":{");
    cursor = NULL;
    for (size_t i = 0; lm_gguf_next_string(s->text, &cursor, &t); i++) {
        bool begins = t.n >= 3 && memcmp(t.s, SPACE, 3) == 0, whole = is_control(s, i) || i == unk;
        size_t cut = begins && !whole ? 3 : 0;
        lm_bytes_addf(s->out, i ? ",\"%s" : "\"%s", whole || begins ? "" : "##");
        put_string(s->out, t.s + cut, t.n - cut);
        lm_bytes_addf(s->out, "\":%zu", i);
    }
    lm_bytes_add_str(s->out, "}}");
    return 0;
}

static void put_base64(struct lm_bytes *out, const struct lm_gguf_value *v)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < v->n; i += 3) {
        unsigned b[3] = {0};
        for (size_t k = 0; k < 3 && i + k < v->n; k++)
            b[k] = (unsigned)lm_gguf_elem_i64(v, i + k) & 0xff;
        unsigned w = b[0] << 16 | b[1] << 8 | b[2];
        char four[4] = {digit[w >> 18], digit[w >> 12 & 63], i + 1 < v->n ? digit[w >> 6 & 63] : '=', i + 2 < v->n ? digit[w & 63] : '='};
        lm_bytes_add(out, four, 4);
    }
}

static int put_unigram(const struct source *s, struct lm_err *err)
{
    const struct lm_gguf_value *map = lm_gguf_get(s->g, "tokenizer.ggml.precompiled_charsmap");
    const unsigned char *cursor = NULL;
    struct lm_gguf_str t;
    uint32_t unk = 0;
    int rc = lm_gguf_u32(s->g, "tokenizer.ggml.unknown_token_id", 3, &unk, err);
    if (!rc && (!s->score || s->score->n < s->text->n))
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.ggml.scores has not a score for each token");
    if (rc)
        return rc;
    if (map && map->type == LM_GGUF_ARRAY && map->elem != LM_GGUF_STRING && map->n) {
        lm_bytes_add_str(s->out, "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
        put_base64(s->out, map);
        lm_bytes_add_str(s->out, "\"},");
    }
    lm_bytes_addf(s->out, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\","
                  "\"replacement\":\"%s\",\"prepend_scheme\":\"always\",\"split\":true}]},\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"%s\","
                  "\"prepend_scheme\":\"always\",\"split\":true},\"model\":{\"type\":\"Unigram\",\"unk_id\":%u,\"vocab\":[", SPACE, SPACE, unk);
    for (size_t i = 0; lm_gguf_next_string(s->text, &cursor, &t); i++) {
        double score = lm_gguf_elem_f64(s->score, i);
        if (!isfinite(score))
            return lm_fail(err, LM_EFORMAT, "tokenizer.ggml.scores[%zu] is not finite", i);
        lm_bytes_add_str(s->out, i ? ",[\"" : "[\"");
        put_string(s->out, t.s, t.n);
        lm_bytes_addf(s->out, "\",%.17g]", score);
    }
    lm_bytes_add_str(s->out, "]}");
    return 0;
}

int lm_hf_from_gguf(const struct lm_gguf *g, bool bert, struct lm_bytes *out, struct lm_err *err)
{
    struct source s = {.g = g, .out = out};
    int rc = lm_vocab_array(g, "tokenizer.ggml.tokens", true, &s.text, err);
    if (!rc && lm_gguf_get(g, "tokenizer.ggml.token_type"))
        rc = lm_vocab_array(g, "tokenizer.ggml.token_type", false, &s.kind, err);
    if (!rc && !bert)
        rc = lm_vocab_array(g, "tokenizer.ggml.scores", false, &s.score, err);
    lm_bytes_add_str(out, "{\"version\":\"1.0\",");
    if (!rc) {
        put_added(&s);
        rc = put_around(&s, bert, err);
    }
    if (!rc)
        rc = bert ? put_wordpiece(&s, err) : put_unigram(&s, err);
    lm_bytes_add(out, "}", 2); /* and a NUL */
    return rc ? rc : out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}
