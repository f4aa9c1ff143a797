/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/sample_filter.h"

#include <math.h>
#include <stdlib.h>

uint64_t lm_pick_cut(uint64_t *key, float *weight, size_t n, double target)
{
    enum { DIGIT = 2048 };
    uint64_t prefix = 0;
    double before = 0;
    for (int shift = 53; ; shift = shift > 11 ? shift - 11 : 0) {
        double sum[DIGIT] = {0};
        for (size_t i = 0; i < n; i++)
            sum[key[i] >> shift & (DIGIT - 1)] += weight ? weight[i] : 1;
        uint64_t digit = DIGIT;
        do {
            if (digit-- == 0)
                return prefix;
            before += sum[digit];
        } while (before < target);
        before -= sum[digit];
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            uint64_t k = key[i];
            key[m] = k;
            if (weight)
                weight[m] = weight[i];
            m += (k >> shift & (DIGIT - 1)) == digit;
        }
        n = m;
        prefix |= digit << shift;
        if (shift == 0 || n == 1)
            return n == 1 ? key[0] : prefix;
    }
}

bool lm_sample_has_filters(const struct lm_sampling *p)
{
    return p->min_keep > 1 || p->top_n_sigma > 0 || (p->typical_p > 0 && p->typical_p < 1) ||
           (p->xtc_probability > 0 && p->xtc_threshold <= 0.5f) || p->dynatemp_range > 0 || p->mirostat;
}

static double sum_of(const struct lm_picked *c)
{
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += c->weight[i];
    return sum;
}

static void keep(struct lm_picked *c, size_t i, size_t *n)
{
    c->key[*n] = c->key[i];
    c->weight[(*n)++] = c->weight[i];
}

/* The key of the min_keep-th likeliest token. */
static uint64_t key_of_rank(const struct lm_picked *c, uint32_t rank, struct lm_picked *spare)
{
    if (rank >= c->n)
        return 0;
    memcpy(spare->key, c->key, c->n * sizeof *c->key);
    return lm_pick_cut(spare->key, NULL, c->n, rank > 1 ? rank : 1);
}

/* How far a token's surprise is from the mean surprise, as a key: the closest is the largest. */
static uint64_t typical_key(const struct lm_picked *c, size_t i, double sum, double entropy)
{
    double p = c->weight[i] / sum;
    return lm_pick_key(p > 0 ? -(float)fabs(-log(p) - entropy) : -INFINITY, lm_pick_id(c->key[i]));
}

static void typical(const struct lm_sampling *p, struct lm_picked *c, struct lm_picked *spare)
{
    double sum = sum_of(c), entropy = 0;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        entropy -= c->weight[i] > 0 ? c->weight[i] / sum * log(c->weight[i] / sum) : 0;
    for (size_t i = 0; i < c->n; i++)
        spare->key[i] = typical_key(c, i, sum, entropy);
    memcpy(spare->weight, c->weight, c->n * sizeof *c->weight);
    uint64_t least = lm_pick_cut(spare->key, spare->weight, c->n, p->typical_p * sum);
    for (size_t i = 0; i < c->n && p->min_keep > 1; i++)
        spare->key[i] = typical_key(c, i, sum, entropy);
    uint64_t kept = p->min_keep <= 1 ? least : p->min_keep < c->n ? lm_pick_cut(spare->key, NULL, c->n, p->min_keep) : 0;
    least = kept < least ? kept : least;
    for (size_t i = 0; i < c->n; i++)
        if (typical_key(c, i, sum, entropy) >= least)
            keep(c, i, &n);
    c->n = n;
}

static void top_p(const struct lm_sampling *p, struct lm_picked *c, struct lm_picked *spare)
{
    size_t n = 0;
    uint64_t kept = key_of_rank(c, p->min_keep, spare);
    memcpy(spare->key, c->key, c->n * sizeof *c->key);
    memcpy(spare->weight, c->weight, c->n * sizeof *c->weight);
    uint64_t least = lm_pick_cut(spare->key, spare->weight, c->n, p->top_p * sum_of(c));
    least = kept < least ? kept : least;
    for (size_t i = 0; i < c->n; i++)
        if (c->key[i] >= least)
            keep(c, i, &n);
    c->n = n;
}

static float largest(const struct lm_picked *c)
{
    float max = 0;
    for (size_t i = 0; i < c->n; i++)
        max = c->weight[i] > max ? c->weight[i] : max;
    return max;
}

/* Drop what weighs less than `least`, down to the n_keep likeliest. */
static void drop_light(double least, uint32_t n_keep, struct lm_picked *c, struct lm_picked *spare)
{
    size_t n = 0;
    uint64_t kept = key_of_rank(c, n_keep, spare);
    for (size_t i = 0; i < c->n; i++)
        if (c->weight[i] >= least || c->key[i] >= kept)
            keep(c, i, &n);
    c->n = n;
}

/* Drop every token that reaches the threshold but the least likely of them. */
static void xtc(const struct lm_sampling *p, struct lm_picked *c)
{
    double least = p->xtc_threshold * sum_of(c);
    uint64_t last = UINT64_MAX;
    size_t n_above = 0, n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->weight[i] >= least) {
            n_above++;
            last = c->key[i] < last ? c->key[i] : last;
        }
    if (n_above < 2 || c->n - (n_above - 1) < p->min_keep)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (c->weight[i] < least || c->key[i] == last)
            keep(c, i, &n);
    c->n = n;
}

void lm_sample_filter(const struct lm_sampling *p, double u2, struct lm_picked *c, struct lm_picked *spare)
{
    if (p->mirostat == 2)
        drop_light(exp2(-(double)p->mirostat_mu) * sum_of(c), 1, c, spare);
    if (p->mirostat)
        return;
    if (p->typical_p > 0 && p->typical_p < 1)
        typical(p, c, spare);
    if (p->top_p < 1)
        top_p(p, c, spare);
    if (p->min_p > 0)
        drop_light((double)p->min_p * largest(c), p->min_keep, c, spare);
    if (u2 < p->xtc_probability && p->xtc_threshold <= 0.5f)
        xtc(p, c);
}

static int heavier(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

uint32_t lm_mirostat_k(const struct lm_sampling *p, uint32_t n_vocab, struct lm_picked *c)
{
    double tb = 0, tt = 0;
    qsort(c->weight, c->n, sizeof *c->weight, heavier);
    for (size_t i = 0; i + 1 < c->n && c->weight[i + 1] > 0; i++) {
        double t = log((double)(i + 2) / (double)(i + 1));
        tb += t * log((double)c->weight[i] / (double)c->weight[i + 1]);
        tt += t * t;
    }
    double s = tt > 0 ? tb / tt : 1, e = s - 1;
    double k = pow(e * exp2(p->mirostat_mu) / (1 - pow(n_vocab, -e)), 1 / s);
    return !(k >= 1) ? 1 : k < n_vocab ? (uint32_t)k : n_vocab;
}
