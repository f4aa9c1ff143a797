/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tokenizer.h"

#include "runtime/base/utf8.h"
#include "runtime/text/encoder.h"
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/spm.h"
#include <stdlib.h>

static bool is(struct lm_gguf_str s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.s, text, s.n) == 0;
}

/* Phi-3 tells itself apart by nothing but its name. */
static bool is_phi3(const struct lm_gguf *g)
{
    struct lm_gguf_str name = lm_gguf_string(g, "general.name");
    for (size_t i = 0; i + 4 <= name.n; i++)
        if (strncasecmp(name.s + i, "phi3", 4) == 0 || (i + 5 <= name.n && strncasecmp(name.s + i, "phi-3", 5) == 0))
            return true;
    return false;
}

static int load_model(struct lm_tokenizer *t, const struct lm_gguf *g, struct lm_err *err)
{
    struct lm_gguf_str model, pre;
    int rc = lm_gguf_text(g, "tokenizer.ggml.model", &model, err);
    if (rc || (rc = lm_gguf_text(g, "tokenizer.ggml.pre", &pre, err)) != 0)
        return rc;
    if (!model.s && lm_gguf_get(g, "llmserve.low_bit.version"))
        return lm_fail(err, LM_EFORMAT, "the file was quantized from a Hugging Face folder, whose tokenizer it does not have: let path name "
                       "the folder and low-bit-model-path this file");
    if (!model.s)
        return lm_fail(err, LM_EFORMAT, "tokenizer.ggml.model is missing");
    if (is(model, "llama")) {
        rc = lm_vocab_load(&t->vocab, g, false, err);
        if (!rc && !t->vocab.score)
            rc = lm_fail(err, LM_EFORMAT, "tokenizer.ggml.scores is missing");
        return rc;
    }
    if (is(model, "gemma4"))
        pre = (struct lm_gguf_str){"gemma4", 6};
    else if (!is(model, "gpt2"))
        return lm_fail(err, LM_EUNSUPPORTED, "tokenizer.ggml.model '%.*s' is not supported",
                       model.n < 64 ? (int)model.n : 64, model.s);
    if (!pre.s)
        pre = (struct lm_gguf_str){"default", 7};
    rc = lm_pretok_init(&t->pretok, pre.s, pre.n, err);
    if (!rc)
        rc = lm_vocab_load(&t->vocab, g, !(t->pretok.row->flags & LM_PRETOK_SPACED), err);
    return rc ? rc : lm_bpe_load(&t->bpe, &t->vocab, g, err);
}

static int load_flags(struct lm_tokenizer *t, const struct lm_gguf *g, struct lm_err *err)
{
    bool bpe = t->bpe.slot != NULL;
    bool add_bos = !bpe || t->pretok.row->flags & LM_PRETOK_BOS;
    int rc = lm_gguf_bool(g, "tokenizer.ggml.add_bos_token", add_bos, &t->add_bos, err);
    if (!rc)
        rc = lm_gguf_bool(g, "tokenizer.ggml.add_eos_token", false, &t->add_eos, err);
    if (!rc)
        rc = lm_gguf_bool(g, "tokenizer.ggml.add_space_prefix", true, &t->add_space, err);
    t->add_space &= !bpe;
    for (size_t i = 0; i < 256; i++)
        t->lacks_bytes |= t->vocab.byte[i] < 0;
    return rc;
}

static int create_hf(const struct lm_gguf *g, bool bert, struct lm_tokenizer **out, struct lm_err *err)
{
    struct lm_bytes text = {0};
    int rc = lm_hf_from_gguf(g, bert, &text, err);
    if (!rc && (rc = lm_tokenizer_parse(text.data, text.len - 1, NULL, out, err)) != 0)
        lm_fail_in(err, rc, "tokenizer.ggml.*");
    lm_bytes_fini(&text);
    return rc;
}

int lm_tokenizer_create(const struct lm_gguf *g, struct lm_tokenizer **out, struct lm_err *err)
{
    struct lm_gguf_str model = lm_gguf_string(g, "tokenizer.ggml.model");
    if (is(model, "bert") || is(model, "t5"))
        return create_hf(g, is(model, "bert"), out, err);
    struct lm_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int rc = load_model(t, g, err);
    if (!rc)
        rc = load_flags(t, g, err);
    if (!rc)
        rc = lm_special_init(&t->special, &t->vocab, is_phi3(g), 0, err);
    if (rc)
        lm_tokenizer_destroy(t);
    else
        *out = t;
    return rc;
}

void lm_tokenizer_destroy(struct lm_tokenizer *t)
{
    if (!t)
        return;
    lm_pretok_fini(&t->pretok);
    lm_bpe_fini(&t->bpe);
    lm_special_fini(&t->special);
    if (t->hf)
        lm_hf_fini(t->hf);
    if (t->spm)
        lm_spm_fini(t->spm);
    free(t->hf);
    free(t->spm);
    lm_vocab_fini(&t->vocab);
    free(t);
}

static int encode_text(struct lm_encoder *e, const char *text, size_t n, bool first)
{
    if (n == 0)
        return 0;
    if (e->t->spm)
        return lm_spm_encode(e, text, n);
    return e->t->bpe.slot ? lm_encode_bpe(e, text, n) : lm_encode_spm(e, text, n, first);
}

/* Bytes of white space, as Unicode has it, at the start of s[0..n). */
static size_t white(const char *s, size_t n)
{
    static const uint32_t range[][2] = {{0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
                                        {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                        {0x205f, 0x205f}, {0x3000, 0x3000}};
    size_t i = 0, k;
    uint32_t c;
    for (int len; i < n && (len = lm_utf8_decode(s + i, n - i, &c)) > 0; i += (size_t)len) {
        for (k = 0; k < sizeof range / sizeof *range && (c < range[k][0] || c > range[k][1]);)
            k++;
        if (k == sizeof range / sizeof *range)
            break;
    }
    return i;
}

static int encode(struct lm_encoder *e, const char *text, size_t n, unsigned flags)
{
    const struct lm_tokenizer *t = e->t;
    bool special = flags & LM_TOK_ADD_SPECIAL;
    int rc = special && t->add_bos && t->vocab.bos >= 0 ? lm_encoder_put(e, t->vocab.bos) : 0;
    bool first = true; /* at the start and behind a special token */
    for (size_t pos = 0; pos < n && !rc;) {
        struct lm_special_hit hit = lm_special_find(&t->special, &t->vocab, text, pos, n, flags & LM_TOK_PARSE_SPECIAL, e->plain);
        rc = encode_text(e, text + pos, hit.from - pos, first);
        if (!rc && hit.id >= 0)
            rc = lm_encoder_put(e, hit.id);
        first = hit.id >= 0;
        pos = hit.strip ? hit.to + white(text + hit.to, n - hit.to) : hit.to;
    }
    if (!rc && special && t->add_eos && t->vocab.eos >= 0)
        rc = lm_encoder_put(e, t->vocab.eos);
    return rc;
}

/* A text that is too long by far is refused before it is worked on. Its normal form may be a third as long. */
static bool too_long(const struct lm_tokenizer *t, size_t n, size_t max_tokens)
{
    bool drops = t->special.strips || t->lacks_bytes;
    return max_tokens && !drops && !t->hf && n / 4 / t->vocab.max_len >= max_tokens;
}

int lm_tokenizer_encode_plain(const struct lm_tokenizer *t, const char *text, size_t n, const struct lm_plain *plain, unsigned flags,
                              size_t max_tokens, struct lm_tokens *out, struct lm_err *err)
{
    if (n > UINT32_MAX / 4)
        return lm_fail(err, LM_ELIMIT, "the text has more than 1 GiB");
    if (too_long(t, n, max_tokens))
        return lm_fail(err, LM_ELIMIT, "the text has more than the %zu tokens allowed", max_tokens);
    struct lm_encoder e = {.t = t, .out = out, .plain = plain, .err = err, .n_before = out->n};
    e.max_tokens = max_tokens ? max_tokens : SIZE_MAX;
    int rc = t->hf && !t->spm ? lm_hf_encode(&e, text, n, flags) : encode(&e, text, n, flags);
    if (rc)
        out->n = e.n_before;
    lm_merger_fini(&e.merger);
    lm_pretok_work_fini(&e.work);
    lm_bytes_fini(&e.text);
    lm_bytes_fini(&e.word);
    lm_hf_work_fini(&e.hf);
    return rc;
}

int lm_tokenizer_encode(const struct lm_tokenizer *t, const char *text, size_t n, unsigned flags, size_t max_tokens,
                        struct lm_tokens *out, struct lm_err *err)
{
    return lm_tokenizer_encode_plain(t, text, n, &(struct lm_plain){0}, flags, max_tokens, out, err);
}

size_t lm_tokenizer_find_control(const struct lm_tokenizer *t, const char *text, size_t pos, size_t n, int32_t *out_id)
{
    static const struct lm_plain none = {0};
    if (t->hf && !t->spm)
        return lm_added_find_special(&t->hf->added, text, pos, n, out_id);
    for (struct lm_special_hit hit; pos < n; pos = hit.from + 1) {
        hit = lm_special_find(&t->special, &t->vocab, text, pos, n, true, &none);
        if (hit.id >= 0 && t->vocab.kind[hit.id] != LM_TOKEN_USER_DEFINED) {
            *out_id = hit.id;
            return hit.from;
        }
    }
    return n;
}

static int put_ids(struct lm_tokens *out, const struct lm_hf_ids *ids, size_t max_tokens, struct lm_err *err)
{
    struct lm_encoder e = {.out = out, .err = err, .max_tokens = max_tokens ? max_tokens : SIZE_MAX};
    int rc = 0;
    for (size_t i = 0; ids && i < ids->n && !rc; i++)
        rc = lm_encoder_put(&e, ids->id[i]);
    return rc;
}

int lm_tokenizer_encode_pair(const struct lm_tokenizer *t, const char *const text[2], const size_t n[2], size_t max_tokens,
                             struct lm_tokens *out, uint32_t *out_second, struct lm_err *err)
{
    const struct lm_hf *h = t->hf;
    const size_t first = out->n;
    int rc = put_ids(out, h ? &h->before : NULL, max_tokens, err);
    if (!rc)
        rc = lm_tokenizer_encode(t, text[0], n[0], 0, max_tokens, out, err);
    if (!rc)
        rc = put_ids(out, h ? &h->between : NULL, max_tokens, err);
    const size_t second = out->n - first;
    if (!rc)
        rc = lm_tokenizer_encode(t, text[1], n[1], 0, max_tokens, out, err);
    if (!rc)
        rc = put_ids(out, h ? &h->behind : NULL, max_tokens, err);
    if (!rc && max_tokens && out->n - first > max_tokens)
        rc = lm_fail(err, LM_ELIMIT, "the texts have more than the %zu tokens allowed", max_tokens);
    if (rc)
        out->n = first;
    else
        *out_second = h && h->second_type ? (uint32_t)second : 0;
    return rc;
}

static bool has(const struct lm_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->vocab.n;
}

const char *lm_tokenizer_piece(const struct lm_tokenizer *t, int32_t id, size_t *out_n)
{
    return has(t, id) ? lm_vocab_piece(&t->vocab, id, out_n) : NULL;
}

bool lm_tokenizer_is_control(const struct lm_tokenizer *t, int32_t id)
{
    return has(t, id) && t->vocab.kind[id] == LM_TOKEN_CONTROL;
}

bool lm_tokenizer_is_eog(const struct lm_tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->vocab.n_eog; i++)
        if (t->vocab.eog[i] == id)
            return true;
    return false;
}

int32_t lm_tokenizer_bos(const struct lm_tokenizer *t)
{
    return t->vocab.bos;
}

int32_t lm_tokenizer_eos(const struct lm_tokenizer *t)
{
    return t->vocab.eos;
}

uint32_t lm_tokenizer_n_vocab(const struct lm_tokenizer *t)
{
    return t->vocab.n;
}

void lm_tokenizer_limit(struct lm_tokenizer *t, uint32_t n_row)
{
    struct lm_vocab *v = &t->vocab;
    t->n_row = n_row;
    while (v->n_eog && (uint32_t)v->eog[v->n_eog - 1] >= n_row)
        v->n_eog--;
}

uint32_t lm_tokenizer_n_drawn(const struct lm_tokenizer *t)
{
    return t->n_row && t->n_row < t->vocab.n ? t->n_row : t->vocab.n;
}

const int32_t *lm_tokenizer_eog(const struct lm_tokenizer *t, size_t *out_n)
{
    *out_n = t->vocab.n_eog;
    return t->vocab.eog;
}
