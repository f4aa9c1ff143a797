/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_SAMPLE_BLOCK_H
#define LM_OPS_SAMPLE_BLOCK_H
/**
 * What lm_sample() does to whole blocks of logits, for the width of vectors that the including file is compiled for.
 *
 * Thread   [any]
 */
#include "ops/sample.h"
#include "ops/vec.h"

#include <float.h>

/** The largest of a block; NaN is returned for NaN or +inf in it. */
static inline float lm_sample_block_max(const float *x)
{
    float lane[LM_VEC_LANES];
    lm_vf max = lm_vf_load(x);
    lm_vi fine = max <= FLT_MAX;
    for (size_t i = LM_VEC_LANES; i < LM_SAMPLE_BLOCK; i += LM_VEC_LANES) {
        lm_vf v = lm_vf_load(x + i);
        fine &= v <= FLT_MAX;
        max = lm_vf_max(v, max);
    }
    lm_vf_store(lane, lm_vf_select(fine, max, lm_vf_set(__builtin_nanf(""))));
    for (size_t i = 1; i < LM_VEC_LANES; i++)
        lane[0] = lane[i] > lane[0] || lane[i] != lane[i] ? lane[i] : lane[0];
    return lane[0];
}

/** w[i] = exp((x[i] - max) * inv_t) of a block; returns their sum. */
static inline float lm_sample_block_weigh(const float *x, float max, float inv_t, float *w)
{
    lm_vf sum = {0};
    for (size_t i = 0; i < LM_SAMPLE_BLOCK; i += LM_VEC_LANES) {
        lm_vf v = lm_vf_exp((lm_vf_load(x + i) - max) * inv_t);
        lm_vf_store(w + i, v);
        sum += v;
    }
    return lm_vf_sum(sum);
}
#endif
