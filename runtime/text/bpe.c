/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/bpe.h"

#include <stdlib.h>

static const char KEY[] = "tokenizer.ggml.merges";

enum { BATCH = 32 };

struct merge {
    const char *left, *right;
    size_t n_left, n_right;
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

static int parse(struct merge *m, struct lm_gguf_str s, uint32_t rank, struct lm_err *err)
{
    const char *space = s.n > 2 ? memchr(s.s + 1, ' ', s.n - 2) : NULL;
    if (!space)
        return lm_fail(err, LM_EFORMAT, "%s[%u] is not two texts with a space between them", KEY, rank);
    size_t n_left = (size_t)(space - s.s);
    *m = (struct merge){s.s, space + 1, n_left, s.n - n_left - 1, {.rank = rank}};
    return 0;
}

static int32_t find_ids(struct merge *m, const struct lm_vocab *v, char *joined, int32_t last)
{
    size_t n = m->n_left + m->n_right;
    m->slot.left = -1;
    if (n > v->max_len)
        return last;
    memcpy(joined, m->left, m->n_left);
    memcpy(joined + m->n_left, m->right, m->n_right);
    int32_t left = lm_vocab_find(v, m->left, m->n_left), right = lm_vocab_find(v, m->right, m->n_right);
    int32_t id = find_joined(v, joined, n, last);
    if (left < 0 || right < 0 || id < 0)
        return last;
    m->slot = (struct lm_bpe_slot){left, right, m->slot.rank, id};
    return id;
}

/* Most of the time goes into waiting for memory: ask for a batch's slots before they are read. */
static int add_all(struct lm_bpe *b, const struct lm_vocab *v, const struct lm_gguf_value *merges, char *joined,
                   struct lm_err *err)
{
    const unsigned char *cursor = NULL;
    struct lm_gguf_str s;
    struct merge m[BATCH];
    uint32_t rank = 0;
    int32_t last = -1;
    for (size_t n = BATCH; n == BATCH;) {
        for (n = 0; n < BATCH && lm_gguf_next_string(merges, &cursor, &s); n++) {
            int rc = parse(&m[n], s, rank++, err);
            if (rc)
                return rc;
            lm_vocab_prefetch(v, m[n].left, m[n].n_left);
            lm_vocab_prefetch(v, m[n].right, m[n].n_right);
        }
        for (size_t i = 0; i < n; i++) {
            last = find_ids(&m[i], v, joined, last);
            __builtin_prefetch(&b->slot[first_slot(b, m[i].slot.left, m[i].slot.right)], 1);
        }
        for (size_t i = 0; i < n; i++) {
            struct lm_bpe_slot *slot = m[i].slot.left >= 0 ? find_slot(b, m[i].slot.left, m[i].slot.right) : NULL;
            if (slot && slot->left < 0)
                *slot = m[i].slot;
        }
    }
    return 0;
}

int lm_bpe_load(struct lm_bpe *b, const struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err)
{
    const struct lm_gguf_value *merges;
    int rc = lm_vocab_array(g, KEY, true, &merges, err);
    if (rc)
        return rc;
    if (merges->n > INT32_MAX)
        return lm_fail(err, LM_EFORMAT, "%s has %llu elements", KEY, (unsigned long long)merges->n);
    size_t n = 64;
    while (2 * n < 3 * merges->n)
        n *= 2;
    b->mask = n - 1;
    b->slot = malloc(n * sizeof *b->slot);
    char *joined = malloc(v->max_len + 1);
    if (b->slot && joined) {
        memset(b->slot, 0xff, n * sizeof *b->slot);
        rc = add_all(b, v, merges, joined, err);
    } else {
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    }
    free(joined);
    return rc;
}

void lm_bpe_fini(struct lm_bpe *b)
{
    free(b->slot);
    b->slot = NULL;
}
