/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/bpe.h"

#include <stdlib.h>

static const char KEY[] = "tokenizer.ggml.merges";

struct merge {
    struct lm_bpe_merge text;
    struct lm_bpe_slot slot;
};

static size_t first_slot(const struct lm_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 32) & b->mask;
}

static struct lm_bpe_slot *find_slot(const struct lm_bpe *b, int32_t left, int32_t right)
{
    size_t i = first_slot(b, left, right);
    while (b->slot[i].left >= 0 && (b->slot[i].left != left || b->slot[i].right != right))
        i = (i + 1) & b->mask;
    return &b->slot[i];
}

bool lm_bpe_rule(const void *ctx, const struct lm_sym *l, const struct lm_sym *r, uint32_t *order, int32_t *id)
{
    if (l->id < 0 || r->id < 0)
        return false;
    const struct lm_bpe_slot *slot = find_slot(ctx, l->id, r->id);
    if (slot->left < 0)
        return false;
    *order = slot->rank;
    *id = slot->id;
    return true;
}

static bool is_token(const struct lm_vocab *v, int32_t id, const char *s, size_t n)
{
    size_t len;
    if (id < 0 || id >= (int32_t)v->n)
        return false;
    const char *text = lm_vocab_text(v, id, &len);
    return len == n && memcmp(text, s, n) == 0;
}

/* Merges mostly stand in the order of the tokens that they make: try the last one's and the next before the hash. */
static int32_t find_joined(const struct lm_vocab *v, const char *s, size_t n, int32_t last)
{
    if (is_token(v, last, s, n))
        return last;
    if (is_token(v, last + 1, s, n))
        return last + 1;
    return lm_vocab_find(v, s, n);
}

static int32_t find_ids(struct merge *m, const struct lm_vocab *v, char *joined, int32_t last)
{
    const struct lm_bpe_merge *t = &m->text;
    size_t n_right = t->n_right - t->skip, n = t->n_left + n_right;
    m->slot.left = -1;
    if (n > v->max_len)
        return last;
    memcpy(joined, t->left, t->n_left);
    memcpy(joined + t->n_left, t->right + t->skip, n_right);
    int32_t left = lm_vocab_find(v, t->left, t->n_left), right = lm_vocab_find(v, t->right, t->n_right);
    int32_t id = find_joined(v, joined, n, last);
    if (left < 0 || right < 0 || id < 0)
        return last;
    m->slot = (struct lm_bpe_slot){left, right, m->slot.rank, id};
    return id;
}

struct reader {
    struct lm_bpe *b;
    const struct lm_vocab *v;
    char *joined;
    bool strict;
    int32_t last;
    struct lm_err *err;
};

/* Most of the time goes into waiting for memory: ask for a batch's slots before they are read. */
static int add_batch(struct reader *r, struct merge *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r->last = find_ids(&m[i], r->v, r->joined, r->last);
        if (m[i].slot.left < 0 && r->strict)
            return lm_fail(r->err, LM_EFORMAT, "merges[%u] is of texts that are no tokens", m[i].slot.rank);
        __builtin_prefetch(&r->b->slot[first_slot(r->b, m[i].slot.left, m[i].slot.right)], 1);
    }
    for (size_t i = 0; i < n; i++) {
        struct lm_bpe_slot *slot = m[i].slot.left >= 0 ? find_slot(r->b, m[i].slot.left, m[i].slot.right) : NULL;
        if (slot && (slot->left < 0 || r->strict))
            *slot = m[i].slot;
    }
    return 0;
}

static int add_all(struct reader *r, size_t max, lm_bpe_next *next, void *ctx)
{
    struct merge m[LM_BPE_BATCH];
    uint32_t rank = 0;
    for (int more = 1; more > 0;) {
        size_t n = 0;
        while (n < LM_BPE_BATCH && (more = next(ctx, &m[n].text, r->err)) > 0) {
            if (rank == max)
                return lm_fail(r->err, LM_ELIMIT, "there are more than %zu merges", max);
            m[n].slot.rank = rank++;
            lm_vocab_prefetch(r->v, m[n].text.left, m[n].text.n_left);
            lm_vocab_prefetch(r->v, m[n].text.right, m[n].text.n_right);
            n++;
        }
        int rc = more < 0 ? more : add_batch(r, m, n);
        if (rc)
            return rc;
    }
    return 0;
}

int lm_bpe_read(struct lm_bpe *b, const struct lm_vocab *v, size_t n_merges, bool strict, lm_bpe_next *next, void *ctx,
                struct lm_err *err)
{
    int rc = 0;
    if (n_merges > INT32_MAX)
        return lm_fail(err, LM_ELIMIT, "there are %zu merges", n_merges);
    size_t n = 64;
    while (2 * n < 3 * n_merges)
        n *= 2;
    b->mask = n - 1;
    b->slot = malloc(n * sizeof *b->slot);
    struct reader r = {b, v, malloc(v->max_len + 1), strict, -1, err};
    if (b->slot && r.joined) {
        memset(b->slot, 0xff, n * sizeof *b->slot);
        rc = add_all(&r, n_merges, next, ctx);
    } else {
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    }
    free(r.joined);
    return rc;
}

struct gguf_merges {
    const struct lm_gguf_value *array;
    const unsigned char *cursor;
    uint32_t i;
};

static int next_of_gguf(void *ctx, struct lm_bpe_merge *out, struct lm_err *err)
{
    struct gguf_merges *g = ctx;
    struct lm_gguf_str s;
    if (!lm_gguf_next_string(g->array, &g->cursor, &s))
        return 0;
    const char *space = s.n > 2 ? memchr(s.s + 1, ' ', s.n - 2) : NULL;
    if (!space)
        return lm_fail(err, LM_EFORMAT, "%s[%u] is not two texts with a space between them", KEY, g->i);
    size_t n_left = (size_t)(space - s.s);
    *out = (struct lm_bpe_merge){s.s, space + 1, n_left, s.n - n_left - 1, 0};
    g->i++;
    return 1;
}

int lm_bpe_load(struct lm_bpe *b, const struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err)
{
    struct gguf_merges m = {0};
    int rc = lm_vocab_array(g, KEY, true, &m.array, err);
    if (rc)
        return rc;
    if (m.array->n > INT32_MAX)
        return lm_fail(err, LM_EFORMAT, "%s has %llu elements", KEY, (unsigned long long)m.array->n);
    return lm_bpe_read(b, v, m.array->n, false, next_of_gguf, &m, err);
}

void lm_bpe_fini(struct lm_bpe *b)
{
    free(b->slot);
    b->slot = NULL;
}
