/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention over a bf16 cache with dot products of bf16 pairs: queries and probabilities are rounded to bf16 too,
 * sums are f32. Other caches go the way of attn_body.h.
 */
#include "backends/cpu/mat_vec_avx512.h"

#include "backends/cpu/attn_kern.h"

INLINE __m512 dot_pair(__m512 acc, __m512i a, __m512i b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

/** n floats (in whole 32s of room) as pairs. */
static void to_pairs(const float *src, uint32_t n, uint32_t *dst)
{
    for (uint32_t i = 0; i < n; i += 32) {
        __mmask16 lo = n - i >= 16 ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
        __mmask16 hi = n - i >= 32 ? 0xffff : n - i <= 16 ? 0 : (__mmask16)((1u << (n - i - 16)) - 1);
        __m512bh h = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(hi, src + i + 16), _mm512_maskz_loadu_ps(lo, src + i));
        memcpy(dst + i / 2, &h, sizeof h);
    }
}

INLINE void qk_tile(int n_q, int n_sub, const uint32_t (*q)[CPU_ATTN_MAX_DIM / 2], const uint8_t *const *k, uint32_t k_dim, float *s)
{
    __m512 acc[CPU_ATTN_TILE][CPU_ATTN_GROUP];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            acc[t][g] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < k_dim / 2; d++) {
        __m512i key[CPU_ATTN_GROUP];
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            key[g] = _mm512_loadu_si512(k[g] + 64 * (size_t)d);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            __m512i x = vi_quad(&q[t][d]).v;
#pragma GCC unroll 4
            for (int g = 0; g < n_sub; g++)
                acc[t][g] = dot_pair(acc[t][g], key[g], x);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            _mm512_storeu_ps(s + t * CPU_ATTN_CHUNK + g * CPU_ATTN_LANE, acc[t][g]);
}

INLINE void qk_rows(uint32_t n_q, int n_sub, const uint32_t (*q)[CPU_ATTN_MAX_DIM / 2], const uint8_t *const *k, uint32_t k_dim, float *s)
{
    switch (n_q) {
    case 1: qk_tile(1, n_sub, q, k, k_dim, s); break;
    case 2: qk_tile(2, n_sub, q, k, k_dim, s); break;
    case 3: qk_tile(3, n_sub, q, k, k_dim, s); break;
    case 4: qk_tile(4, n_sub, q, k, k_dim, s); break;
    case 5: qk_tile(5, n_sub, q, k, k_dim, s); break;
    default: qk_tile(6, n_sub, q, k, k_dim, s);
    }
}

static void qk(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    if (dtype != LM_KV_BF16) {
        cpu_kern_avx512.attn->qk(dtype, q, n_q, k, n_sub, k_dim, s);
        return;
    }
    uint32_t pairs[CPU_ATTN_TILE][CPU_ATTN_MAX_DIM / 2];
    for (uint32_t t = 0; t < n_q; t++)
        to_pairs(q + t * k_dim, k_dim, pairs[t]);
    const uint32_t (*x)[CPU_ATTN_MAX_DIM / 2] = (const uint32_t (*)[CPU_ATTN_MAX_DIM / 2])pairs;
    if (n_sub == CPU_ATTN_GROUP)
        qk_rows(n_q, CPU_ATTN_GROUP, x, k, k_dim, s);
    else
        for (uint32_t g = 0; g < n_sub; g++)
            qk_rows(n_q, 1, x, k + g, k_dim, s + g * CPU_ATTN_LANE);
}

/** 16 columns of a pair of values, without those that lie outside [lo, hi): they may be anything. */
INLINE __m512i pair_at(const uint8_t *p, uint32_t i, uint32_t lo, uint32_t hi)
{
    __m512i v = _mm512_loadu_si512(p);
    if (__builtin_expect(i < lo, 0))
        v = _mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000));
    if (__builtin_expect(i + 1 >= hi, 0))
        v = _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
    return v;
}

INLINE void pv_tile(int n_q, int n_col, const uint32_t (*p)[CPU_ATTN_CHUNK / 2], const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
                    uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    const uint32_t mask = (1u << v_shift) - 1;
    __m512 acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            acc[t][c] = _mm512_setzero_ps();
    for (uint32_t i = lo & ~1u; i < hi; i += 2) {
        const uint8_t *row = v[i >> v_shift] + (size_t)((i & mask) / 2) * v_dim * 4 + d * 4;
        __m512i value[4];
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            value[c] = pair_at(row + 64 * c, i, lo, hi);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            __m512i x = vi_quad(&p[t][i / 2]).v;
#pragma GCC unroll 4
            for (int c = 0; c < n_col; c++)
                acc[t][c] = dot_pair(acc[t][c], value[c], x);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            _mm512_storeu_ps(o + t * v_dim + d + c * 16, acc[t][c]);
}

INLINE void pv_rows(uint32_t n_q, int n_col, const uint32_t (*p)[CPU_ATTN_CHUNK / 2], const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
                    uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    switch (n_q) {
    case 1: pv_tile(1, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 2: pv_tile(2, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 3: pv_tile(3, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 4: pv_tile(4, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 5: pv_tile(5, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    default: pv_tile(6, n_col, p, v, v_shift, lo, hi, v_dim, d, o);
    }
}

static void pv(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo, uint32_t hi,
               uint32_t v_dim, float *o)
{
    if (dtype != LM_KV_BF16) {
        cpu_kern_avx512.attn->pv(dtype, p, n_q, v, v_shift, lo, hi, v_dim, o);
        return;
    }
    uint32_t pairs[CPU_ATTN_TILE][CPU_ATTN_CHUNK / 2], first = lo / 32 * 32;
    for (uint32_t t = 0; t < n_q; t++)
        to_pairs(p + t * CPU_ATTN_CHUNK + first, hi - first, pairs[t] + first / 2);
    const uint32_t (*x)[CPU_ATTN_CHUNK / 2] = (const uint32_t (*)[CPU_ATTN_CHUNK / 2])pairs;
    uint32_t d = 0;
    for (; d + 64 <= v_dim; d += 64)
        pv_rows(n_q, 4, x, v, v_shift, lo, hi, v_dim, d, o);
    for (; d < v_dim; d += 16)
        pv_rows(n_q, 1, x, v, v_shift, lo, hi, v_dim, d, o);
}

static void convert(enum lm_kv_dtype dtype, const float *src, size_t n, void *dst)
{
    cpu_kern_avx512.attn->convert(dtype, src, n, dst);
}

static float softmax(float *s, uint32_t n, uint32_t lo, uint32_t hi, float scale, float cap, float *out_max)
{
    return cpu_kern_avx512.attn->softmax(s, n, lo, hi, scale, cap, out_max);
}

static void join(float *o, float a, const float *x, float b, uint32_t n)
{
    cpu_kern_avx512.attn->join(o, a, x, b, n);
}

static float quantize(const float *x, uint32_t n, float most, float norm, int16_t *q)
{
    return cpu_kern_avx512.attn->quantize(x, n, most, norm, q);
}

static void qk_int(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    cpu_kern_avx512.attn->qk_int(dtype, q, n_q, k, n_sub, k_dim, s);
}

static float weigh(const float *p, const float *v_scale, uint32_t lo, uint32_t hi, int16_t *w)
{
    return cpu_kern_avx512.attn->weigh(p, v_scale, lo, hi, w);
}

static void pv_int(enum lm_kv_dtype dtype, const int16_t *w, const float *scale, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift,
                   uint32_t lo, uint32_t hi, uint32_t v_dim, float *o)
{
    cpu_kern_avx512.attn->pv_int(dtype, w, scale, n_q, v, v_shift, lo, hi, v_dim, o);
}

const struct cpu_attn_kern cpu_attn_avx512bf16 = {convert, qk, softmax, pv, join, quantize, qk_int, weigh, pv_int};
