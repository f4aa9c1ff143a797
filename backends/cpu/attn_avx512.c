/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in f32, AVX-512. Scores: 6 query rows by 64 keys, 24 sums, keys 16 to a register as they are stored.
 * Values: 6 query rows by 64 columns, 24 sums. Both 24 fma for 4 loads that convert and 6 broadcasts.
 */
#include "backends/cpu/attn_avx512.h"

#include <math.h>

INLINE __mmask16 first_n(size_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

/** Lanes of [i, i + 16) that lie in [lo, hi). */
INLINE __mmask16 inside(uint32_t i, uint32_t lo, uint32_t hi)
{
    return (__mmask16)((i < hi ? first_n(hi - i) : 0) & ~(i < lo ? first_n(lo - i) : 0));
}

static void convert(enum lm_kv_dtype dtype, const float *src, size_t n, void *dst)
{
    if (dtype == LM_KV_F32) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    const __m512 most = _mm512_set1_ps(65504);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_n(n - i);
        __m512 x = _mm512_maskz_loadu_ps(mask, src + i);
        __m256i h;
        if (dtype == LM_KV_F16) {
            __m512 bounded = _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), most), _mm512_min_ps(most, x)); /* in this order NaN stays */
            h = _mm512_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        } else {
            __m512i u = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
            __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
            h = _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
        }
        _mm256_mask_storeu_epi16((uint16_t *)dst + i, mask, h);
    }
}

/** Column d of 16 keys, or 16 columns of a value; of a pair of either where bf16 pairs them. */
INLINE __m512 load(enum lm_kv_dtype dtype, const uint8_t *p, uint32_t i, int odd)
{
    switch (dtype) {
    case LM_KV_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 32 * (size_t)i)));
    case LM_KV_F32: return _mm512_loadu_ps(p + 64 * (size_t)i);
    default: break;
    }
    __m512i pair = _mm512_loadu_si512(p + 64 * (size_t)i);
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(pair, _mm512_set1_epi32((int)0xffff0000)) : _mm512_slli_epi32(pair, 16));
}

INLINE void qk_tile(enum lm_kv_dtype dtype, int n_q, int n_sub, const float *q, const uint8_t *const *k, uint32_t k_dim, float *s)
{
    const uint32_t pair = dtype == LM_KV_BF16 ? 2 : 1;
    __m512 acc[CPU_ATTN_TILE][CPU_ATTN_GROUP];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            acc[t][g] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < k_dim; d += pair)
#pragma GCC unroll 2
        for (uint32_t odd = 0; odd < pair; odd++) {
            __m512 key[CPU_ATTN_GROUP];
#pragma GCC unroll 4
            for (int g = 0; g < n_sub; g++)
                key[g] = load(dtype, k[g], d / pair, (int)odd);
#pragma GCC unroll 6
            for (int t = 0; t < n_q; t++) {
                __m512 x = _mm512_castsi512_ps(all_lanes(q + t * k_dim + d + odd));
#pragma GCC unroll 4
                for (int g = 0; g < n_sub; g++)
                    acc[t][g] = fma_to(acc[t][g], x, key[g]);
            }
        }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            _mm512_storeu_ps(s + t * CPU_ATTN_CHUNK + g * CPU_ATTN_LANE, acc[t][g]);
}

INLINE void qk_rows(enum lm_kv_dtype dtype, uint32_t n_q, int n_sub, const float *q, const uint8_t *const *k, uint32_t k_dim, float *s)
{
    switch (n_q) {
    case 1: qk_tile(dtype, 1, n_sub, q, k, k_dim, s); break;
    case 2: qk_tile(dtype, 2, n_sub, q, k, k_dim, s); break;
    case 3: qk_tile(dtype, 3, n_sub, q, k, k_dim, s); break;
    case 4: qk_tile(dtype, 4, n_sub, q, k, k_dim, s); break;
    case 5: qk_tile(dtype, 5, n_sub, q, k, k_dim, s); break;
    default: qk_tile(dtype, 6, n_sub, q, k, k_dim, s);
    }
}

INLINE void qk_of(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    if (n_sub == CPU_ATTN_GROUP)
        qk_rows(dtype, n_q, CPU_ATTN_GROUP, q, k, k_dim, s);
    else
        for (uint32_t g = 0; g < n_sub; g++)
            qk_rows(dtype, n_q, 1, q, k + g, k_dim, s + g * CPU_ATTN_LANE);
}

static void qk(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    switch (dtype) {
    case LM_KV_F16: qk_of(LM_KV_F16, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_BF16: qk_of(LM_KV_BF16, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_F32: qk_of(LM_KV_F32, q, n_q, k, n_sub, k_dim, s); break;
    }
}

/** e^x for x <= 0, 0 below -87, NaN for NaN: 2^n times a polynomial (least squares, relative error 1.1e-7) in what is left of x. */
INLINE __m512 exp_of(__m512 x)
{
    const __m512 least = _mm512_set1_ps(-87);
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.10627ap-7f), r, _mm512_set1_ps(0x1.572a08p-5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5557aep-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffdfcp-2f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1)));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), p, n);
}

/** cap * tanh(x / cap) = cap * sign(x) * (1 - 2 e / (1 + e)), e = exp(-2 |x| / cap) */
INLINE __m512 cap_of(__m512 x, float cap)
{
    __m512 e = exp_of(_mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(-2 / cap)));
    __m512 t = _mm512_div_ps(_mm512_sub_ps(_mm512_set1_ps(1), e), _mm512_add_ps(_mm512_set1_ps(1), e));
    __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0x80000000));
    t = _mm512_mul_ps(t, _mm512_set1_ps(cap));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(t), sign));
}

static float softmax(float *s, uint32_t n, uint32_t lo, uint32_t hi, float scale, float cap, float *out_max)
{
    const __m512 none = _mm512_set1_ps(-INFINITY);
    __m512 most = none, sum = _mm512_setzero_ps();
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 x = _mm512_mul_ps(_mm512_loadu_ps(s + i), _mm512_set1_ps(scale));
        x = _mm512_mask_blend_ps(inside(i, lo, hi), none, cap > 0 ? cap_of(x, cap) : x);
        _mm512_storeu_ps(s + i, x);
        most = _mm512_max_ps(most, x);
    }
    float max = _mm512_reduce_max_ps(most);
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 e = exp_of(_mm512_sub_ps(_mm512_loadu_ps(s + i), _mm512_set1_ps(max)));
        e = _mm512_maskz_mov_ps(inside(i, lo, hi), e);
        _mm512_storeu_ps(s + i, e);
        sum = _mm512_add_ps(sum, e);
    }
    *out_max = max;
    return _mm512_reduce_add_ps(sum);
}

INLINE void pv_tile(enum lm_kv_dtype dtype, int n_q, int n_col, const float *p, const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
                    uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    const uint32_t mask = (1u << v_shift) - 1, pair = dtype == LM_KV_BF16 ? 2 : 1, at = d / CPU_ATTN_LANE;
    __m512 acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            acc[t][c] = _mm512_setzero_ps();
    for (uint32_t i = lo; i < hi; i++) {
        const uint8_t *row = v[i >> v_shift] + (size_t)((i & mask) / pair) * v_dim * (dtype == LM_KV_F16 ? 2 : 4);
        __m512 value[4];
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            value[c] = load(dtype, row, at + (uint32_t)c, i % 2);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            __m512 x = _mm512_castsi512_ps(all_lanes(p + t * CPU_ATTN_CHUNK + i));
#pragma GCC unroll 4
            for (int c = 0; c < n_col; c++)
                acc[t][c] = fma_to(acc[t][c], x, value[c]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            _mm512_storeu_ps(o + t * v_dim + d + c * 16, acc[t][c]);
}

INLINE void pv_rows(enum lm_kv_dtype dtype, uint32_t n_q, int n_col, const float *p, const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
                    uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    switch (n_q) {
    case 1: pv_tile(dtype, 1, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 2: pv_tile(dtype, 2, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 3: pv_tile(dtype, 3, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 4: pv_tile(dtype, 4, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    case 5: pv_tile(dtype, 5, n_col, p, v, v_shift, lo, hi, v_dim, d, o); break;
    default: pv_tile(dtype, 6, n_col, p, v, v_shift, lo, hi, v_dim, d, o);
    }
}

INLINE void pv_of(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo, uint32_t hi,
                  uint32_t v_dim, float *o)
{
    uint32_t d = 0;
    for (; d + 64 <= v_dim; d += 64)
        pv_rows(dtype, n_q, 4, p, v, v_shift, lo, hi, v_dim, d, o);
    for (; d < v_dim; d += 16)
        pv_rows(dtype, n_q, 1, p, v, v_shift, lo, hi, v_dim, d, o);
}

static void pv(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo, uint32_t hi,
               uint32_t v_dim, float *o)
{
    switch (dtype) {
    case LM_KV_F16: pv_of(LM_KV_F16, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_BF16: pv_of(LM_KV_BF16, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_F32: pv_of(LM_KV_F32, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    }
}

static void join(float *o, float a, const float *x, float b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_n(n - i);
        __m512 y = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(b));
        _mm512_mask_storeu_ps(o + i, mask, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, o + i), _mm512_set1_ps(a), y));
    }
}

const struct cpu_attn_kern cpu_attn_avx512 = {convert, qk, softmax, pv, join};
