/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/vocab.h"

#include <stdlib.h>

enum { N_KEY = 6, ENDS_MAX = 64 };
#define KEY_ENDS "tokenizer.ggml.eos_token_ids"

/* Tokens that converters often leave without their role: by this text they are control tokens. */
static const struct {
    const char *text;
    bool eog;
} known[] = {
    {"<|eot_id|>", true},        {"<|im_end|>", true},         {"<|end|>", true},
    {"<|return|>", true},        {"<|call|>", true},           {"<|flush|>", true},
    {"<|calls|>", true},         {"<end_of_turn>", true},      {"<|endoftext|>", true},
    {"<|eom_id|>", true},        {"<EOT>", true},              {"_<EOT>", true},
    {"[EOT]", true},             {"[EOS]", true},              {"<|end_of_text|>", true},
    {"<end_of_utterance>", true}, {"<eos>", true},             {"<turn|>", true},
    {"<|tool_response>", true},  {"<｜end▁of▁sentence｜>", true}, {"[e~[", true},
    /* Fill in the middle: padding and the next file end a generation. */
    {"<|fim_pad|>", true},       {"<fim-pad>", true},          {"<fim_pad>", true},
    {"<PAD>", true},             {"[PAD]", true},              {"<|fim_repo|>", true},
    {"<|repo_name|>", true},     {"<fim-repo>", true},         {"<REPO>", true},
    {"<reponame>", true},        {"<|file_sep|>", true},
    {"<|fim_prefix|>", false},   {"<fim-prefix>", false},      {"<fim_prefix>", false},
    {"<｜fim▁begin｜>", false},  {"<PRE>", false},             {"▁<PRE>", false},
    {"<|code_prefix|>", false},  {"<|prefix|>", false},        {"<|fim_suffix|>", false},
    {"<fim-suffix>", false},     {"<fim_suffix>", false},      {"<｜fim▁hole｜>", false},
    {"<SUF>", false},            {"▁<SUF>", false},            {"<|code_suffix|>", false},
    {"<|suffix|>", false},       {"<|fim_middle|>", false},    {"<fim-middle>", false},
    {"<fim_middle>", false},     {"<｜fim▁end｜>", false},     {"<MID>", false},
    {"▁<MID>", false},           {"<|code_middle|>", false},   {"<|middle|>", false},
};
enum { N_KNOWN = sizeof known / sizeof *known };

static int32_t find(const struct lm_vocab *v, const char *text)
{
    return lm_vocab_find(v, text, strlen(text));
}

/* Absent or -1: fallback, where there is such a token. */
static int load_id(const struct lm_vocab *v, const struct lm_gguf *g, const char *key, int32_t fallback, int32_t *out,
                   struct lm_err *err)
{
    uint32_t id;
    if (!lm_gguf_get(g, key)) {
        *out = fallback < (int64_t)v->n ? fallback : -1;
        return 0;
    }
    int rc = lm_gguf_u32(g, key, 0, &id, err);
    if (rc)
        return rc;
    if (id >= v->n && id != UINT32_MAX)
        return lm_fail(err, LM_EFORMAT, "%s is %u, but there are %u tokens", key, id, v->n);
    *out = (int32_t)id;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* In the harmony format <|end|> ends a message, and <|return|> or <|call|> the turn. */
static bool end_is_no_eog(const struct lm_vocab *v)
{
    bool call = find(v, "<|call|>") >= 0;
    return (find(v, "<|return|>") >= 0 && call) || (find(v, "<|flush|>") >= 0 && (call || find(v, "<|calls|>") >= 0));
}

bool lm_vocab_ends(const char *s, size_t n)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (known[i].eog && n == strlen(known[i].text) && memcmp(s, known[i].text, n) == 0)
            return true;
    return false;
}

static size_t known_eog(struct lm_vocab *v, int32_t *eog)
{
    size_t n = 0;
    for (size_t i = 0; i < N_KNOWN; i++) {
        int32_t id = find(v, known[i].text);
        if (id < 0)
            continue;
        v->kind[id] = LM_TOKEN_CONTROL;
        if (known[i].eog && !(strcmp(known[i].text, "<|end|>") == 0 && end_is_no_eog(v)))
            eog[n++] = id;
    }
    int32_t s = find(v, "</s>"); /* elsewhere a tag of HTML */
    if (s >= 0 && v->kind[s] == LM_TOKEN_CONTROL)
        eog[n++] = s;
    return n;
}

/* Ids of "tokenizer.ggml.eos_token_ids", which runtime/model/hf writes: a generation may have several ends. */
static int add_ends(struct lm_vocab *v, const struct lm_gguf *g, int32_t *eog, size_t *io_n, struct lm_err *err)
{
    const struct lm_gguf_value *a = lm_gguf_get(g, KEY_ENDS);
    for (uint64_t i = 0; a && i < a->n && i < ENDS_MAX; i++) {
        int64_t id = a->elem == LM_GGUF_I32 ? lm_gguf_elem_i64(a, i) : -1;
        if (id < 0 || id >= (int64_t)v->n)
            return lm_fail(err, LM_EFORMAT, "%s has %lld, but there are %u tokens", KEY_ENDS, (long long)id, v->n);
        eog[(*io_n)++] = (int32_t)id;
    }
    return 0;
}

int lm_vocab_load_special(struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err)
{
    static const char *const keys[N_KEY] = {
        "tokenizer.ggml.eos_token_id",     "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id"};
    int32_t id[N_KEY];
    bool sentencepiece = v->score != NULL;
    int rc = load_id(v, g, "tokenizer.ggml.bos_token_id", sentencepiece ? 1 : -1, &v->bos, err);
    if (!rc)
        rc = load_id(v, g, "tokenizer.ggml.unknown_token_id", sentencepiece ? 0 : -1, &v->unk, err);
    for (size_t i = 0; i < N_KEY && !rc; i++)
        rc = load_id(v, g, keys[i], sentencepiece && i == 0 ? 2 : -1, &id[i], err);
    if (rc)
        return rc;
    v->eos = id[0];
    v->eog = malloc((N_KNOWN + 1 + N_KEY + ENDS_MAX) * sizeof *v->eog);
    if (!v->eog)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    size_t n = known_eog(v, v->eog);
    for (size_t i = 0; i < N_KEY; i++)
        if (id[i] >= 0)
            v->eog[n++] = id[i];
    if ((rc = add_ends(v, g, v->eog, &n, err)) != 0)
        return rc;
    qsort(v->eog, n, sizeof *v->eog, by_id);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || v->eog[i] != v->eog[i - 1])
            v->eog[v->n_eog++] = v->eog[i];
    return 0;
}
