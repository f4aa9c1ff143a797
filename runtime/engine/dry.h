/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_DRY_H
#define LM_ENGINE_DRY_H
/**
 * "Don't repeat yourself": a token that would lengthen a repeat of what came before becomes less likely.
 *
 * For each earlier place whose last tokens equal the newest ones over a length of n >= allowed_length, without a breaker
 * among them, the token that followed there loses multiplier * base^(n - allowed_length), for its longest n.
 *
 * Thread   [engine]
 * Source   llama.cpp's sampler of this name (by pi6am, after p-e-w's for text-generation-webui); the lengths by the Z algorithm
 *          (Gusfield 1997) over the reversed tokens
 */
#include <stdint.h>

#define LM_DRY_MAX 256u /* different tokens that are penalized at once */

struct lm_dry {
    float multiplier, base;  /* 0: off; 0 and base >= 0 */
    uint32_t allowed_length; /* repeats shorter than it are free */
    uint32_t last_n;         /* tokens looked at; 0: all */
    int32_t *breaker;        /* [n_breaker] ascending */
    uint32_t n_breaker;
    uint32_t *match;         /* scratch: [tokens] */
};

/** Penalties of what may follow token[0..n): out_id and out_bias (negative), room for LM_DRY_MAX. Returns how many. */
uint32_t lm_dry_penalize(const struct lm_dry *d, const int32_t *token, uint32_t n, int32_t *out_id, float *out_bias);
#endif
