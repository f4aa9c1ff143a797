/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_SAMPLE_FILTER_H
#define LM_OPS_SAMPLE_FILTER_H
/**
 * The sampler's filters that are off by default (sample.h, steps 4 to 8), over the tokens picked from a row.
 *
 * Source   typical_p: Meister et al. 2022, arXiv:2202.00666; mirostat: Basu et al. 2020, arXiv:2007.14966; xtc, min_keep, top_n_sigma
 *          (Tang et al. 2024, arXiv:2411.07641) and dynatemp: semantics of llama.cpp's samplers
 * Thread   [any]
 */
#include <llmserve/op.h>
#include <string.h>

#define LM_SAMPLE_COLDEST 0.01f /* of a dynamic temperature */
#define LM_MIROSTAT_M 100       /* tokens that version 1 looks at */

/** Tokens in ascending order of ids: their unique keys, in descending order of (logit, lower id first), and weights. */
struct lm_picked {
    uint64_t *key;
    float *weight;
    size_t n;
};

/** A key that orders tokens by x, and equal ones by lower id first; -0 and 0 are equal. */
static inline uint64_t lm_pick_key(float x, uint32_t id)
{
    int32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    uint32_t order = bits < 0 ? ~(uint32_t)bits : (uint32_t)bits | 0x80000000u;
    return (uint64_t)order << 32 | (uint32_t)~id;
}

static inline float lm_pick_logit(uint64_t key)
{
    uint32_t order = (uint32_t)(key >> 32), bits = order & 0x80000000u ? order & 0x7fffffffu : ~order;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t lm_pick_id(uint64_t key)
{
    return ~(uint32_t)key;
}

/**
 * The key down to which, from the largest, the weights (NULL: one each) sum up to `target`; 0 if all do not.
 * Radix selection: each round keeps the keys that share the digit in which the sum is reached. Scrambles its input.
 */
uint64_t lm_pick_cut(uint64_t *key, float *weight, size_t n, double target);

/** Does p ask for any of them? */
bool lm_sample_has_filters(const struct lm_sampling *p);

/** Drop what typical_p, top_p, min_p and xtc (u2 its random number), or mirostat 2, do not keep. spare has room for as many as c. */
void lm_sample_filter(const struct lm_sampling *p, double u2, struct lm_picked *c, struct lm_picked *spare);

/** Mirostat 1: how many tokens stay, estimated from the likeliest LM_MIROSTAT_M, in c, which is scrambled. */
uint32_t lm_mirostat_k(const struct lm_sampling *p, uint32_t n_vocab, struct lm_picked *c);
#endif
