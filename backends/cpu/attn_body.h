/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in f32 in vectors of 16, for the file of an ISA that included its vectors (mat_vec_*.h) before. Scores: 6 query
 * rows by VEC_COLS vectors of 16 keys; values: 6 query rows by VEC_COLS vectors of columns. With AVX-512 both are 24 fma
 * for 4 loads that convert and 6 broadcasts.
 */
#include "backends/cpu/attn_kern.h"

#include <math.h>

_Static_assert(CPU_ATTN_GROUP % VEC_COLS == 0, "a group of sub-tiles is whole tiles");

/** Bytes of one value. */
INLINE size_t kv_bytes(enum lm_kv_dtype dtype)
{
    return dtype == LM_KV_F32 ? 4 : dtype == LM_KV_E4M3 || dtype == LM_KV_E5M2 ? 1 : 2;
}

/** 16 values as 8-bit floats, see lm_f32_to_f8(). */
INLINE void convert_f8(int n_mantissa, struct vf x, uint8_t *dst)
{
    const struct vf most = vf_all(n_mantissa == 3 ? 448 : 57344), unit = vf_all(n_mantissa == 3 ? 0x1p14f : 0x1p7f);
    const int shift = 23 - n_mantissa, lower = (n_mantissa == 3 ? 120 : 112) << 23;
    struct vf a = vf_of_bits(vi_and(vi_bits_of(x), vi_all(0x7fffffff))), b = vf_min(most, a);
    struct vi odd = vi_and(vi_right(vi_bits_of(b), shift), vi_all(1));
    struct vi normal = vi_right(vi_add(vi_bits_of(b), vi_add(odd, vi_all((1 << (shift - 1)) - 1 - lower))), shift);
    struct vi small = vi_sub(vi_bits_of(vf_add(b, unit)), vi_bits_of(unit));
    struct vf code = vf_unless_less(b, n_mantissa == 3 ? 0x1p-6f : 0x1p-14f, vf_of_bits(normal), vf_of_bits(small));
    code = vf_unless_less(a, INFINITY, vf_of_bits(vi_all(0x7f)), code);
    vi_store_i8(dst, vi_sub(vi_bits_of(code), vi_and(vi_right(vi_bits_of(x), 24), vi_all(0x80))));
}

/** 16 values to 16 of dtype. */
INLINE void convert16(enum lm_kv_dtype dtype, struct vf x, void *dst)
{
    if (dtype == LM_KV_E4M3 || dtype == LM_KV_E5M2)
        convert_f8(dtype == LM_KV_E4M3 ? 3 : 2, x, dst);
    else if (dtype == LM_KV_BF16)
        vf_store_bf16(dst, x);
    else /* in this order NaN stays */
        vf_store_f16(dst, vf_max(vf_all(-65504), vf_min(vf_all(65504), x)));
}

static void convert(enum lm_kv_dtype dtype, const float *src, size_t n, void *dst)
{
    if (dtype == LM_KV_F32) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    const size_t bytes = kv_bytes(dtype);
    uint8_t *to = dst;
    for (; n >= 16; n -= 16, src += 16, to += 16 * bytes)
        convert16(dtype, vf_load(src), to);
    if (n) {
        float rest[16] = {0};
        uint16_t half[16];
        memcpy(rest, src, n * sizeof *src);
        convert16(dtype, vf_load(rest), half);
        memcpy(to, half, n * bytes);
    }
}

/** Column i of 16 keys, or 16 columns i of a value; where bf16 pairs them, the odd or even one of pair i. */
INLINE struct vf kv_load(enum lm_kv_dtype dtype, const uint8_t *p, uint32_t i, uint32_t odd)
{
    switch (dtype) {
    case LM_KV_F16: return vf_of_f16(p + 32 * (size_t)i);
    case LM_KV_F32: return vf_load(p + 64 * (size_t)i);
    case LM_KV_E4M3: return vf_of_e4m3(p + 16 * (size_t)i);
    case LM_KV_E5M2: return vf_of_e5m2(p + 16 * (size_t)i);
    default: break;
    }
    struct vi pair = vi_load(p + 64 * (size_t)i);
    return vf_of_bits(odd ? vi_and(pair, vi_all((int32_t)0xffff0000)) : vi_left(pair, 16));
}

INLINE void qk_tile(enum lm_kv_dtype dtype, int n_q, int n_sub, const float *q, const uint8_t *const *k, uint32_t k_dim, float *s)
{
    const uint32_t pair = dtype == LM_KV_BF16 ? 2 : 1;
    struct vf acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            acc[t][g] = vf_zero();
    for (uint32_t d = 0; d < k_dim; d += pair)
#pragma GCC unroll 2
        for (uint32_t odd = 0; odd < pair; odd++) {
            struct vf key[4];
#pragma GCC unroll 4
            for (int g = 0; g < n_sub; g++)
                key[g] = kv_load(dtype, k[g], d / pair, odd);
#pragma GCC unroll 6
            for (int t = 0; t < n_q; t++) {
                struct vf x = vf_all_at(q + t * k_dim + d + odd);
#pragma GCC unroll 4
                for (int g = 0; g < n_sub; g++)
                    acc[t][g] = vf_add_product(acc[t][g], x, key[g]);
            }
        }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            vf_store(s + t * CPU_ATTN_CHUNK + g * CPU_ATTN_LANE, acc[t][g]);
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
    uint32_t g = 0;
    for (; g + VEC_COLS <= n_sub; g += VEC_COLS)
        qk_rows(dtype, n_q, VEC_COLS, q, k + g, k_dim, s + g * CPU_ATTN_LANE);
    for (; g < n_sub; g++)
        qk_rows(dtype, n_q, 1, q, k + g, k_dim, s + g * CPU_ATTN_LANE);
}

static void qk(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    switch (dtype) {
    case LM_KV_F16: qk_of(LM_KV_F16, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_BF16: qk_of(LM_KV_BF16, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_E4M3: qk_of(LM_KV_E4M3, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_E5M2: qk_of(LM_KV_E5M2, q, n_q, k, n_sub, k_dim, s); break;
    default: qk_of(LM_KV_F32, q, n_q, k, n_sub, k_dim, s);
    }
}

/** e^x for x <= 0, 0 below -87, NaN for NaN: 2^n times a polynomial (least squares, relative error 1.1e-7) in what is left of x. */
INLINE struct vf exp_of(struct vf x)
{
    struct vf n = vf_round(vf_mul(x, vf_all(0x1.715476p+0f)));
    struct vf r = vf_fnma(n, vf_all(0x1.7f7d1cp-20f), vf_fnma(n, vf_all(0x1.62e4p-1f), x));
    struct vf p = vf_fma(vf_all(0x1.10627ap-7f), r, vf_all(0x1.572a08p-5f));
    p = vf_fma(p, r, vf_all(0x1.5557aep-3f));
    p = vf_fma(p, r, vf_all(0x1.fffdfcp-2f));
    p = vf_fma(p, vf_mul(r, r), vf_add(r, vf_all(1)));
    return vf_unless_less(x, -87, vf_scale2(p, n), vf_zero());
}

/** cap * tanh(x / cap) = cap * sign(x) * (1 - e) / (1 + e), e = exp(-2 |x| / cap) */
INLINE struct vf cap_of(struct vf x, float cap)
{
    const struct vi sign = vi_all((int32_t)0x80000000), magnitude = vi_all(0x7fffffff);
    struct vf e = exp_of(vf_mul(vf_of_bits(vi_and(vi_bits_of(x), magnitude)), vf_all(-2 / cap)));
    struct vf t = vf_mul(vf_div(vf_sub(vf_all(1), e), vf_add(vf_all(1), e)), vf_all(cap));
    return vf_of_bits(vi_or(vi_bits_of(t), vi_and(vi_bits_of(x), sign)));
}

static float softmax(float *s, uint32_t n, uint32_t lo, uint32_t hi, float scale, float cap, float *out_max)
{
    struct vf most = vf_all(-INFINITY), sum = vf_zero();
    for (uint32_t i = 0; i < n; i += 16) {
        struct vf x = vf_mul(vf_load(s + i), vf_all(scale));
        x = vf_inside(i, lo, hi, cap > 0 ? cap_of(x, cap) : x, vf_all(-INFINITY));
        vf_store(s + i, x);
        most = vf_max(most, x);
    }
    float max = vf_largest(most);
    for (uint32_t i = 0; i < n; i += 16) {
        struct vf e = vf_inside(i, lo, hi, exp_of(vf_sub(vf_load(s + i), vf_all(max))), vf_zero());
        vf_store(s + i, e);
        sum = vf_add(sum, e);
    }
    *out_max = max;
    return vf_sum(sum);
}

INLINE void pv_tile(enum lm_kv_dtype dtype, int n_q, int n_col, const float *p, const uint8_t *const *v, uint32_t v_shift, uint32_t lo,
                    uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    const uint32_t mask = (1u << v_shift) - 1, pair = dtype == LM_KV_BF16 ? 2 : 1, at = d / CPU_ATTN_LANE;
    struct vf acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            acc[t][c] = vf_zero();
    for (uint32_t i = lo; i < hi; i++) {
        const uint8_t *row = v[i >> v_shift] + (size_t)((i & mask) / pair) * v_dim * pair * kv_bytes(dtype);
        struct vf value[4];
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            value[c] = kv_load(dtype, row, at + (uint32_t)c, i % 2);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            struct vf x = vf_all_at(p + t * CPU_ATTN_CHUNK + i);
#pragma GCC unroll 4
            for (int c = 0; c < n_col; c++)
                acc[t][c] = vf_add_product(acc[t][c], x, value[c]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            vf_store(o + t * v_dim + d + c * 16, acc[t][c]);
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
    for (; d + 16 * VEC_COLS <= v_dim; d += 16 * VEC_COLS)
        pv_rows(dtype, n_q, VEC_COLS, p, v, v_shift, lo, hi, v_dim, d, o);
    for (; d < v_dim; d += 16)
        pv_rows(dtype, n_q, 1, p, v, v_shift, lo, hi, v_dim, d, o);
}

static void pv(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo, uint32_t hi,
               uint32_t v_dim, float *o)
{
    switch (dtype) {
    case LM_KV_F16: pv_of(LM_KV_F16, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_BF16: pv_of(LM_KV_BF16, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_E4M3: pv_of(LM_KV_E4M3, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_E5M2: pv_of(LM_KV_E5M2, p, n_q, v, v_shift, lo, hi, v_dim, o); break;
    default: pv_of(LM_KV_F32, p, n_q, v, v_shift, lo, hi, v_dim, o);
    }
}

static void join(float *o, float a, const float *x, float b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 16)
        vf_store(o + i, vf_fma(vf_load(o + i), vf_all(a), vf_mul(vf_load(x + i), vf_all(b))));
}
