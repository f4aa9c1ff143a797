/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_ATTN_KERN_H
#define CPU_ATTN_KERN_H
/**
 * The cache's layout and what attn.c asks of each ISA.
 *
 * A block holds, for each KV head, its keys and then its values, both in sub-tiles of `width` positions.
 * Columns or positions go in pairs where `pair` is 2 (bf16, for dot products of pairs), else pair is 1:
 *
 *   keys    [block_size / width][k_dim / pair][width][pair]
 *   values  [block_size / width][width / pair][v_dim][pair]
 *
 * k_dim is head_dim in whole pairs, v_dim the columns of a value in whole vectors; columns past those are zero in keys and
 * anything in values.
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
};

struct cpu_kv_shape {
    uint32_t width, pair, k_dim, v_dim;
    size_t elem_bytes, sub_k_bytes, sub_v_bytes; /* a sub-tile's keys, values */
    size_t head_bytes, v_offset;                 /* a head's keys and values in a block; where its values begin */
};

struct cpu_kv_shape cpu_kv_shape(const struct cpu_kv *kv);

struct cpu_attn_kern {
    /** n values to dtype; f16 saturates at its largest finite value. */
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
};

extern const struct cpu_attn_kern cpu_attn_portable, cpu_attn_avx512bf16;
#endif
