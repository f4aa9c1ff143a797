/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary of a tokenizer.json: its model's tokens by their ids, and the added ones. */
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"

#include <stdlib.h>

enum { MAX_HOLES = 1 << 16 };

/* Which of the model's tokens has an id; NULL: none. */
static int order(struct lm_hf *h, const struct lm_hf_vocab *tokens, const struct lm_hf_raw ***out, struct lm_err *err)
{
    uint32_t n = 0;
    for (size_t i = 0; i < tokens->n; i++)
        if (tokens->token[i].id >= n)
            n = tokens->token[i].id + 1;
    if (n > 4 * tokens->n + MAX_HOLES)
        return lm_fail(err, LM_EFORMAT, "model.vocab has %zu tokens, but an id of %u", tokens->n, n - 1);
    const struct lm_hf_raw **of_id = calloc((size_t)n + 1, sizeof *of_id);
    if (!of_id)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < tokens->n; i++) {
        const struct lm_hf_raw *raw = &tokens->token[i];
        if (of_id[raw->id]) {
            free(of_id);
            return lm_fail(err, LM_EFORMAT, "model.vocab has two tokens with the id %u", raw->id);
        }
        of_id[raw->id] = raw;
    }
    h->n_model = n;
    h->n_model_tokens = tokens->n;
    *out = of_id;
    return 0;
}

/* Ids of the model's tokens by their texts, for the time until there is a vocabulary. */
static int index_model(struct lm_vocab *v, const struct lm_hf_vocab *tokens, struct lm_err *err)
{
    int rc = lm_vocab_begin(v, tokens->n, tokens->text.len, err);
    v->byte_coded = true;
    for (size_t i = 0; i < tokens->n && !rc; i++) {
        const struct lm_hf_raw *raw = &tokens->token[i];
        lm_vocab_put(v, (int32_t)i, LM_TOKEN_CONTROL, tokens->text.data + raw->at, raw->n);
    }
    for (size_t i = tokens->n; i-- > 0 && !rc;)
        lm_vocab_index(v, (int32_t)i);
    return rc;
}

/* An added token is the model's of the same text, or else gets the next id behind all others. */
static int give_ids(struct lm_hf *h, const struct lm_hf_vocab *tokens, uint32_t *out_n, struct lm_err *err)
{
    struct lm_vocab model = {0}, added = {0};
    uint64_t bytes = 0;
    int64_t max = -1;
    for (size_t i = 0; i < h->added.n; i++)
        bytes += h->added.token[i].n;
    int rc = index_model(&model, tokens, err);
    if (!rc)
        rc = lm_vocab_begin(&added, h->added.n, bytes, err);
    added.byte_coded = true;
    *out_n = h->n_model;
    for (size_t i = 0; i < h->added.n && !rc; i++) {
        struct lm_added_token *t = &h->added.token[i];
        int32_t at = lm_vocab_find(&model, t->text, t->n), before = lm_vocab_find(&added, t->text, t->n);
        int64_t size = (int64_t)h->n_model_tokens;
        t->id = before >= 0 ? h->added.token[before].id
                : at >= 0   ? (int32_t)tokens->token[at].id
                            : (int32_t)(max >= size || (max >= 0 && size == 0) ? max + 1 : size);
        max = t->id > max ? t->id : max;
        if ((uint32_t)t->id >= *out_n)
            *out_n = (uint32_t)t->id + 1;
        lm_vocab_put(&added, (int32_t)i, LM_TOKEN_CONTROL, t->text, t->n);
        lm_vocab_index(&added, (int32_t)i);
    }
    lm_vocab_fini(&model);
    lm_vocab_fini(&added);
    return rc;
}

static int put_all(struct lm_vocab *v, const struct lm_hf *h, const struct lm_hf_vocab *tokens,
                   const struct lm_hf_raw *const *of_id, const struct lm_added_token *const *added, struct lm_err *err)
{
    for (uint32_t id = 0; id < v->n; id++) {
        const struct lm_added_token *a = added[id];
        const struct lm_hf_raw *raw = id < h->n_model ? of_id[id] : NULL;
        const char *text = raw ? tokens->text.data + raw->at : "";
        size_t n = raw ? raw->n : 0;
        if (a && raw && (a->n != n || memcmp(a->text, text, n) != 0))
            return lm_fail(err, LM_EFORMAT, "an added token gets the id %u, which another token has", id);
        enum lm_token_kind kind = a ? (a->flags & LM_ADDED_SPECIAL ? LM_TOKEN_CONTROL : LM_TOKEN_USER_DEFINED)
                                    : raw ? LM_TOKEN_NORMAL : LM_TOKEN_UNUSED;
        lm_vocab_put(v, (int32_t)id, kind, a ? a->shown : text, a ? a->n_shown : n);
    }
    for (size_t i = tokens->n; i-- > 0;)
        lm_vocab_index(v, (int32_t)tokens->token[i].id);
    return 0;
}

int lm_hf_vocab_make(struct lm_tokenizer *t, const struct lm_hf_vocab *tokens, struct lm_err *err)
{
    const struct lm_hf_raw **of_id = NULL;
    const struct lm_added_token **added = NULL;
    uint64_t bytes = tokens->text.len;
    uint32_t n = 0;
    int rc = order(t->hf, tokens, &of_id, err);
    if (!rc)
        rc = give_ids(t->hf, tokens, &n, err);
    if (!rc && n == 0)
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.json has no tokens");
    if (!rc && !(added = calloc((size_t)n + 1, sizeof *added)))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < t->hf->added.n && !rc; i++) {
        added[t->hf->added.token[i].id] = &t->hf->added.token[i];
        bytes += t->hf->added.token[i].n_shown;
    }
    t->vocab.byte_coded = true;
    if (!rc)
        rc = lm_vocab_begin(&t->vocab, n, bytes, err);
    if (!rc)
        rc = put_all(&t->vocab, t->hf, tokens, of_id, added, err);
    free(of_id);
    free(added);
    return rc;
}

int lm_hf_pieces_make(struct lm_vocab *v, const struct lm_dec *d, struct lm_err *err)
{
    struct lm_dec_list l = {0};
    struct lm_bytes all = {.limit = UINT32_MAX};
    int rc = 0;
    for (uint32_t id = 0; id < v->n && !rc; id++) {
        size_t n;
        const char *s = lm_vocab_text(v, (int32_t)id, &n);
        if (v->kind[id] == LM_TOKEN_NORMAL || v->kind[id] == LM_TOKEN_USER_DEFINED)
            rc = lm_dec_piece(d, &l, s, n, &all, err);
        else
            lm_bytes_add(&all, s, n);
        v->piece_at[id + 1] = (uint32_t)all.len;
    }
    if (!rc && all.failed)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    lm_dec_list_fini(&l);
    free(v->piece);
    v->piece = all.data;
    return rc;
}
