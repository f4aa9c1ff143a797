/* SPDX-License-Identifier: Apache-2.0 */
/* The way of the best sum of scores (Viterbi): O(n) steps, each over the tokens that start there. */
#include "runtime/base/utf8.h"
#include "runtime/text/encoder.h"
#include <stdlib.h>

static int reserve(struct lm_hf_work *w, size_t n, struct lm_err *err)
{
    if (n <= w->cap)
        return 0;
    free(w->best);
    w->cap = 0;
    w->best = malloc(n * sizeof *w->best);
    if (!w->best)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    w->cap = n;
    return 0;
}

static void offer(const struct lm_hf *h, struct lm_hf_best *at, double score, size_t from, int32_t id)
{
    score = h->single ? (float)score : score;
    if (at->id == -2 || score > at->score)
        *at = (struct lm_hf_best){score, (uint32_t)from, id};
}

/* A user-defined token always wins. */
static double score_of(const struct lm_encoder *e, int32_t id, size_t len)
{
    const struct lm_hf *h = e->t->hf;
    bool user = h->single && e->t->vocab.kind[id] == LM_TOKEN_USER_DEFINED;
    return user ? (float)((float)len * (float)h->max_score - 0.1) : h->score[id];
}

static void search(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_hf *h = e->t->hf;
    struct lm_hf_best *best = e->hf.best;
    for (size_t i = 1; i <= n; i++)
        best[i].id = -2;
    best[0] = (struct lm_hf_best){0};
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t c, at = 0;
        int k = lm_utf8_decode(s + i, n - i, &c);
        len = k > 0 ? (size_t)k : 1;
        double here = best[i].score;
        bool single = false;
        for (size_t to = i; h->trie.node && to < n && (at = lm_trie_step(&h->trie, at, (unsigned char)s[to])) != 0; to++) {
            int32_t id = h->trie.node[at].value;
            if (id < 0)
                continue;
            offer(h, &best[to + 1], score_of(e, id, to + 1 - i) + here, i, id);
            single |= to + 1 - i == len;
        }
        if (!single)
            offer(h, &best[i + len], h->single ? (float)(h->unk_score + here) : h->unk_score + here, i, h->unk);
    }
}

/* What no token is for: itself, should it be one; its bytes; the unknown token. */
static int put_unknown(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_hf *h = e->t->hf;
    int32_t id = lm_vocab_find(&e->t->vocab, s, n);
    int rc = 0;
    bool all = h->byte_fallback && id < 0;
    for (size_t i = 0; i < n && all; i++)
        all = h->bytes[(unsigned char)s[i]] >= 0;
    for (size_t i = 0; i < n && all && !rc; i++)
        rc = lm_encoder_put(e, h->bytes[(unsigned char)s[i]]);
    if (all)
        return rc;
    id = id < 0 ? h->unk : id;
    return id < 0 ? 0 : lm_encoder_put(e, id);
}

/* The way is found from its end: let each place on it say where it goes on. */
static void turn(struct lm_hf_best *best, size_t n)
{
    struct lm_hf_best at = best[n];
    for (size_t to = n; to > 0;) {
        struct lm_hf_best before = best[at.from];
        best[at.from].from = (uint32_t)to;
        best[at.from].id = at.id;
        to = at.from;
        at = before;
    }
}

int lm_hf_encode_unigram(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_hf *h = e->t->hf;
    int rc = reserve(&e->hf, n + 1, e->err);
    if (rc || n == 0)
        return rc;
    search(e, s, n);
    struct lm_hf_best *best = e->hf.best;
    turn(best, n);
    for (size_t i = 0; i < n && !rc;) {
        size_t from = i;
        int32_t id = best[i].id;
        i = best[i].from;
        if (id != h->unk) {
            rc = lm_encoder_put(e, id);
            continue;
        }
        while (i < n && best[i].id == h->unk)
            i = best[i].from;
        rc = put_unknown(e, s + from, i - from);
    }
    return rc;
}
