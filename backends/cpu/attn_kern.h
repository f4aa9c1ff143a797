/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_ATTN_KERN_H
#define CPU_ATTN_KERN_H
/**
 * The cache's layout and what attn.c asks of each ISA.
 *
 * A block holds, for each KV head, its keys and then its values, both in sub-tiles of `width` positions.
 * Columns or positions go in pairs where `pair` is 2 (bf16 and integers, for dot products of pairs), else pair is 1:
 *
 *   keys    [block_size / width]{[k_dim / pair][width][pair], scale[width]}
 *   values  [block_size / width]{[width / pair][v_dim][pair], scale[width]}
 *
 * k_dim is head_dim in whole pairs, v_dim the columns of a value in whole vectors; columns past those are zero in keys and
 * anything in values. Only integers have scales. A pair of 4 bits is a byte, the first in the low bits, each plus 8.
 *
 * Integers: q becomes int16 too (quantize()), so do the probabilities times the values' scales (weigh()); their products are summed
 * in int32, which CPU_ATTN_NORM and CPU_ATTN_WEIGHT keep from overflowing.
 *
 * Thread   [any]
 */
#include "backends/cpu/attn.h"
#include "backends/cpu/mat_kern.h"

enum {
    CPU_ATTN_LANE = 16,      /* positions a kernel handles together */
    CPU_ATTN_TILE = 6,       /* query rows a kernel handles together */
    CPU_ATTN_GROUP = 4,      /* sub-tiles of CPU_ATTN_LANE positions of one qk() call */
    CPU_ATTN_MAX_DIM = 576,  /* head_dim */
    CPU_ATTN_MAX_GROUP = 150000, /* query heads of a KV head times head_dim + 2 */
    CPU_ATTN_NORM = 46000,   /* most that the square root of the sum of squares of an int16 key or query is: 46000^2 < 2^31 */
    CPU_ATTN_WEIGHT = 65000, /* most that the int16 weights of a chunk add up to: times 32767 < 2^31 */
};

static inline bool cpu_kv_is_int(enum lm_kv_dtype dtype)
{
    return dtype == LM_KV_I16 || dtype == LM_KV_I8 || dtype == LM_KV_I4;
}

/** The largest integer of dtype. */
static inline float cpu_kv_most(enum lm_kv_dtype dtype)
{
    return dtype == LM_KV_I16 ? 32767 : dtype == LM_KV_I8 ? 127 : 7;
}

struct cpu_kv_shape {
    uint32_t width, pair, k_dim, v_dim;
    size_t unit;                                 /* bytes of a pair, or of one where pair is 1 */
    size_t k_scale, v_scale;                     /* where in a sub-tile the scales begin; its size where there are none */
    size_t sub_k_bytes, sub_v_bytes;             /* a sub-tile's keys, values */
    size_t head_bytes, v_offset;                 /* a head's keys and values in a block; where its values begin */
};

struct cpu_kv_shape cpu_kv_shape(const struct cpu_kv *kv);

struct cpu_attn_kern {
    /** n values to dtype; f16 and the 8-bit floats saturate at their largest finite value. */
    void (*convert)(enum lm_kv_dtype dtype, const float *src, size_t n, void *dst);

    /** s[t][i] = q[t] . key[i] for n_q <= CPU_ATTN_TILE rows of q[k_dim] and n_sub <= CPU_ATTN_GROUP sub-tiles of 16 positions. */
    void (*qk)(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim,
               float *s);

    /**
     * s[i] = exp(score(i) - max) for i in [lo, hi), else 0, in [0, n); score is s * scale, then cap * tanh(score / cap) if cap > 0.
     * Returns their sum, *out_max the largest score. n is a multiple of 16.
     */
    float (*softmax)(float *s, uint32_t n, uint32_t lo, uint32_t hi, float scale, float cap, float *out_max);

    /** o[t][d] = sum of p[t][i] * value[i][d], i ascending in [lo, hi); value i stands in v[i >> v_shift]. */
    void (*pv)(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
               uint32_t hi, uint32_t v_dim, float *o);

    /** o[i] = o[i] * a + x[i] * b; n is a multiple of 16 */
    void (*join)(float *o, float a, const float *x, float b, uint32_t n);

    /**
     * q[i] = round(x[i] / scale) for n <= CPU_ATTN_MAX_DIM values, zeros up to the next multiple of 32. Returns scale: max |x| / most,
     * larger where sqrt(sum of q^2) would exceed norm (0: no such bound); 0 below CPU_X_TINY, no finite number if x has such.
     */
    float (*quantize)(const float *x, uint32_t n, float most, float norm, int16_t *q);

    /** qk() of integers: s[t][i] = (q[t] . key[i]) * its scale; q[t] has (k_dim + 31) / 32 * 32 columns. */
    void (*qk_int)(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s);

    /** w[i]: p[i] * v_scale[i] as integers in [lo, hi), else 0, in whole 16s around; returns the sum of the former over that of the latter. */
    float (*weigh)(const float *p, const float *v_scale, uint32_t lo, uint32_t hi, int16_t *w);

    /** pv() of integers: o[t][d] = scale[t] * sum of w[t][i] * value[i][d]; w has rows of CPU_ATTN_CHUNK. */
    void (*pv_int)(enum lm_kv_dtype dtype, const int16_t *w, const float *scale, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift,
                   uint32_t lo, uint32_t hi, uint32_t v_dim, float *o);
};

extern const struct cpu_attn_kern cpu_attn_portable, cpu_attn_avx512bf16;
#endif
