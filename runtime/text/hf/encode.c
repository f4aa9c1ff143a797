/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/encoder.h"
#include <stdlib.h>

static int encode_piece(struct lm_encoder *e, const char *s, size_t n)
{
    switch (e->t->hf->kind) {
    case LM_HF_BPE:
        return lm_hf_encode_bpe(e, s, n);
    case LM_HF_UNIGRAM:
        return lm_hf_encode_unigram(e, s, n);
    default:
        return lm_hf_encode_wordpiece(e, s, n);
    }
}

/* Normalized text without added tokens. */
static int encode_words(struct lm_encoder *e, const char *s, size_t n, bool first)
{
    struct lm_split_work *w = &e->hf.split;
    int rc = lm_split_run(&e->t->hf->split, w, s, n, first, e->err);
    size_t from = 0;
    for (size_t i = 0; i < w->in.n && !rc; from = w->in.piece[i++].end)
        rc = encode_piece(e, w->in.text.data + from, w->in.piece[i].end - from);
    return rc;
}

/* Text without the added tokens that are not normalized. Offsets of it would not hold in normalized text: see lm_hf_encode(). */
static int encode_part(struct lm_encoder *e, const char *s, size_t n, bool first, bool special)
{
    static const struct lm_plain none = {0};
    const struct lm_hf *h = e->t->hf;
    struct lm_added_hits *hits = &e->hf.normalized;
    size_t done = 0;
    int rc = lm_norm_run(&h->norm, &e->hf.norm, s, n, &s, &n, &first, e->err);
    if (!rc)
        rc = lm_added_search(&h->added, true, special, &none, s, n, hits, e->err);
    for (size_t i = 0; i < hits->n && !rc; done = hits->hit[i++].to) {
        if (hits->hit[i].from > done)
            rc = encode_words(e, s + done, hits->hit[i].from - done, first && done == 0);
        if (!rc)
            rc = lm_encoder_put(e, hits->hit[i].id);
    }
    return rc || done >= n ? rc : encode_words(e, s + done, n - done, first && done == 0);
}

static int put_all(struct lm_encoder *e, const struct lm_hf_ids *ids)
{
    int rc = 0;
    for (size_t i = 0; i < ids->n && !rc; i++)
        rc = lm_encoder_put(e, ids->id[i]);
    return rc;
}

/* Where something is plain, no special token that is normalized is looked for from the last added token to the next. */
int lm_hf_encode(struct lm_encoder *e, const char *text, size_t n, unsigned flags)
{
    const struct lm_hf *h = e->t->hf;
    struct lm_added_hits *hits = &e->hf.raw;
    bool special = flags & LM_TOK_PARSE_SPECIAL, around = flags & LM_TOK_ADD_SPECIAL;
    size_t done = 0;
    if (!lm_utf8_valid(text, n)) {
        struct lm_detok whole = {0};
        lm_detok_add(&whole, text, n, &e->hf.text);
        lm_detok_finish(&whole, &e->hf.text);
        if (e->hf.text.failed)
            return lm_fail(e->err, LM_ENOMEM, "out of memory");
        text = e->hf.text.data;
        n = e->hf.text.len;
        special &= !e->plain->n; /* whose offsets are gone */
    }
    lm_cuts_begin(&e->hf.norm.cuts, n);
    lm_cuts_begin(&e->hf.split.cuts, n);
    int rc = around ? put_all(e, &h->before) : 0;
    if (!rc)
        rc = lm_added_search(&h->added, false, special, e->plain, text, n, hits, e->err);
    for (size_t i = 0; i < hits->n && !rc; done = hits->hit[i++].to) {
        if (hits->hit[i].from > done)
            rc = encode_part(e, text + done, hits->hit[i].from - done, done == 0, special && !lm_plain_has(e->plain, done, hits->hit[i].from));
        if (!rc)
            rc = lm_encoder_put(e, hits->hit[i].id);
    }
    if (!rc && done < n)
        rc = encode_part(e, text + done, n - done, done == 0, special && !lm_plain_has(e->plain, done, n));
    return !rc && around ? put_all(e, &h->behind) : rc;
}

void lm_hf_work_fini(struct lm_hf_work *w)
{
    lm_norm_work_fini(&w->norm);
    lm_split_work_fini(&w->split);
    lm_bytes_fini(&w->text);
    free(w->raw.hit);
    free(w->normalized.hit);
    free(w->best);
}

void lm_hf_fini(struct lm_hf *h)
{
    lm_norm_fini(&h->norm);
    lm_split_fini(&h->split);
    lm_added_fini(&h->added);
    lm_dec_fini(&h->dec);
    free(h->inner);
    free(h->final);
    lm_trie_fini(&h->trie);
    free(h->score);
}
