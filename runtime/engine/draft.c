/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/draft.h"

#include <string.h>

enum { TOKENS_PER_HEAD = 4, LEAST_HEADS = 64, TRIES = 16, LONGEST = 255 };

static const float own_rate = 1 / 8.0f, shared_rate = 1 / 64.0f;

static uint32_t n_head(uint32_t n)
{
    uint32_t heads = LEAST_HEADS;
    while (heads < n / TOKENS_PER_HEAD && heads < 1u << 30)
        heads *= 2;
    return heads;
}

size_t lm_draft_words(uint32_t n)
{
    return (size_t)n_head(n) + n + 1;
}

void lm_draft_init(struct lm_draft *d, uint32_t *word, uint32_t n, const struct lm_conf_speculative *conf, const struct lm_draft_odds *odds)
{
    *d = (struct lm_draft){.head = word, .prev = word + n_head(n), .mask = n_head(n) - 1, .n_min = conf->n_min, .n_max = conf->n_max, .odds = *odds};
}

/* The chain of the n-gram that ends before `end`. */
static uint32_t *chain(const struct lm_draft *d, const int32_t *token, uint32_t end)
{
    uint64_t h = 0;
    for (uint32_t i = end - d->n_min; i < end; i++)
        h = (h + (uint32_t)token[i] + 1) * 0x9e3779b97f4a7c15u;
    return &d->head[h >> 32 & d->mask];
}

void lm_draft_index(struct lm_draft *d, const int32_t *token, uint32_t n)
{
    if (d->n_index == 0)
        memset(d->head, 0, ((size_t)d->mask + 1) * sizeof *d->head);
    for (uint32_t end = d->n_index + 1; end <= n; end++) {
        if (end < d->n_min)
            continue;
        uint32_t *at = chain(d, token, end);
        d->prev[end] = *at;
        *at = end;
    }
    d->n_index = n > d->n_index ? n : d->n_index;
}

/* How many tokens before a and before b are the same, at most `most`. */
static uint32_t common(const int32_t *token, uint32_t a, uint32_t b, uint32_t most)
{
    uint32_t n = 0;
    while (n < most && n < a && token[a - 1 - n] == token[b - 1 - n])
        n++;
    return n;
}

/* The longest match of what ends at n, the latest of equals. */
static void search(struct lm_draft *d, const int32_t *token, uint32_t n)
{
    d->from = d->len = 0;
    if (n < d->n_min)
        return;
    uint32_t at = *chain(d, token, n);
    for (int i = 0; i < TRIES && at && d->len < d->n_max; i++, at = d->prev[at]) {
        uint32_t len = at < n ? common(token, at, n, d->n_max) : 0;
        if (len >= d->n_min && len > d->len) {
            d->len = len;
            d->from = at;
        }
    }
}

static size_t class_of(uint32_t len)
{
    return len < 3 ? 0 : len < 6 ? 1 : len < 12 ? 2 : 3;
}

static void learn(float *p, bool right, float rate)
{
    *p += ((right ? 1 : 0) - *p) * rate;
}

void lm_draft_take(struct lm_draft *d, const int32_t *token, uint32_t n, struct lm_draft_odds *shared)
{
    bool right = d->from && token[d->from] == token[n - 1];
    if (d->from) {
        learn(&d->odds.right[class_of(d->len)], right, own_rate);
        learn(&shared->right[class_of(d->len)], right, shared_rate);
    }
    lm_draft_index(d, token, n - 1);
    if (right) {
        d->from++;
        d->len += d->len < LONGEST;
    } else {
        search(d, token, n);
    }
    lm_draft_index(d, token, n);
}

void lm_draft_write(const struct lm_draft *d, int32_t *token, uint32_t n, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++)
        token[n + i] = token[d->from + i];
}

float lm_draft_chance(const struct lm_draft *d, uint32_t i)
{
    return d->from ? d->odds.right[class_of(d->len + i)] : 0;
}
