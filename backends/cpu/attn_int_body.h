/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention over an integer cache, for the file of an ISA that included its vectors (mat_vec_*.h) and attn_body.h before: the tiles of
 * attn_body.h in dot products of int16 pairs. 8 and 4 bits widen as they load.
 *
 * Limits   24 dot products for 4 loads and 6 broadcasts; a dot product does twice the work of an fma of f32
 */
#include "backends/cpu/x.h"

#include <float.h>

static float quantize(const float *x, uint32_t n, float most, float norm, int16_t *q)
{
    const uint32_t n_all = (n + 31) / 32 * 32;
    float buf[CPU_ATTN_MAX_DIM];
    memcpy(buf, x, n * sizeof *buf);
    memset(buf + n, 0, (n_all - n) * sizeof *buf);
    struct vi bits = vi_zero();
    for (uint32_t i = 0; i < n_all; i += 16)
        bits = vi_max_u32(bits, vi_and(vi_bits_of(vf_load(buf + i)), vi_all(0x7fffffff))); /* NaN is larger than infinity */
    const uint32_t u = vi_largest_u32(bits);
    float max, scale = 0, inv = 0;
    memcpy(&max, &u, sizeof max);
    if (!(max < CPU_X_TINY)) {
        scale = max / most;
        inv = most / max;
    }
    if (norm > 0 && inv > 0) {
        struct vf sum = vf_zero();
        for (uint32_t i = 0; i < n_all; i += 16) {
            struct vf y = vf_mul(vf_load(buf + i), vf_all(inv));
            sum = vf_fma(y, y, sum);
        }
        float is = sqrtf(vf_sum(sum));
        if (is > norm) {
            scale *= is / norm;
            inv *= norm / is;
        }
    }
    for (uint32_t i = 0; i < n_all; i += 16)
        vi_store_i16(q + i, vi_rounded(vf_mul(vf_load(buf + i), vf_all(inv))));
    return scale;
}

/** 16 pairs. */
INLINE struct vi pairs_at(enum lm_kv_dtype dtype, const uint8_t *p, size_t i)
{
    if (dtype == LM_KV_I16)
        return vi_load(p + 64 * i);
    if (dtype == LM_KV_I8)
        return vi_of_i8_pairs(p + 32 * i);
    struct vi b = vi_of_u8(p + 16 * i);
    return vi_sub16(vi_and(vi_or(b, vi_left(b, 12)), vi_all(0x000f000f)), vi_all(0x00080008));
}

INLINE void qk_int_tile(enum lm_kv_dtype dtype, int n_q, int n_sub, const int16_t *q, const uint8_t *const *k, uint32_t k_dim, float *s)
{
    const size_t ldq = (k_dim + 31u) / 32 * 32, scales = (size_t)k_dim / 2 * (dtype == LM_KV_I16 ? 64 : dtype == LM_KV_I8 ? 32 : 16);
    struct vi acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            acc[t][g] = vi_zero();
    for (size_t d = 0; d < k_dim / 2; d++) {
        struct vi key[4];
#pragma GCC unroll 4
        for (int g = 0; g < n_sub; g++)
            key[g] = pairs_at(dtype, k[g], d);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            struct vi x = vi_quad(q + t * ldq + 2 * d);
#pragma GCC unroll 4
            for (int g = 0; g < n_sub; g++)
                acc[t][g] = vi_dot16(acc[t][g], key[g], x);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < n_sub; g++) {
        struct vf scale = vf_load(k[g] + scales);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++)
            vf_store(s + t * CPU_ATTN_CHUNK + g * CPU_ATTN_LANE, vf_mul(vf_of_int(acc[t][g]), scale));
    }
}

INLINE void qk_int_rows(enum lm_kv_dtype dtype, uint32_t n_q, int n_sub, const int16_t *q, const uint8_t *const *k, uint32_t k_dim, float *s)
{
    switch (n_q) {
    case 1: qk_int_tile(dtype, 1, n_sub, q, k, k_dim, s); break;
    case 2: qk_int_tile(dtype, 2, n_sub, q, k, k_dim, s); break;
    case 3: qk_int_tile(dtype, 3, n_sub, q, k, k_dim, s); break;
    case 4: qk_int_tile(dtype, 4, n_sub, q, k, k_dim, s); break;
    case 5: qk_int_tile(dtype, 5, n_sub, q, k, k_dim, s); break;
    default: qk_int_tile(dtype, 6, n_sub, q, k, k_dim, s);
    }
}

INLINE void qk_int_of(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    uint32_t g = 0;
    for (; g + VEC_COLS <= n_sub; g += VEC_COLS)
        qk_int_rows(dtype, n_q, VEC_COLS, q, k + g, k_dim, s + g * CPU_ATTN_LANE);
    for (; g < n_sub; g++)
        qk_int_rows(dtype, n_q, 1, q, k + g, k_dim, s + g * CPU_ATTN_LANE);
}

static void qk_int(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    switch (dtype) {
    case LM_KV_I16: qk_int_of(LM_KV_I16, q, n_q, k, n_sub, k_dim, s); break;
    case LM_KV_I8: qk_int_of(LM_KV_I8, q, n_q, k, n_sub, k_dim, s); break;
    default: qk_int_of(LM_KV_I4, q, n_q, k, n_sub, k_dim, s);
    }
}

static float weigh(const float *p, const float *v_scale, uint32_t lo, uint32_t hi, int16_t *w)
{
    struct vf most = vf_zero(), sum = vf_zero();
    for (uint32_t i = lo / 16 * 16; i < hi; i += 16) {
        struct vf x = vf_inside(i, lo, hi, vf_mul(vf_load(p + i), vf_load(v_scale + i)), vf_zero());
        most = vf_max(most, x);
        sum = vf_add(sum, x);
    }
    const float all = vf_sum(sum), max = vf_largest(most);
    if (!(all > 0 && all <= FLT_MAX))
        return all; /* nothing to weigh, or no finite number */
    const float inv = 32767 / max < CPU_ATTN_WEIGHT / all ? 32767 / max : CPU_ATTN_WEIGHT / all;
    struct vi total = vi_zero();
    for (uint32_t i = lo / 16 * 16; i < hi; i += 16) {
        struct vf x = vf_inside(i, lo, hi, vf_mul(vf_load(p + i), vf_load(v_scale + i)), vf_zero());
        struct vi rounded = vi_rounded(vf_mul(x, vf_all(inv)));
        vi_store_i16(w + i, rounded);
        total = vi_add(total, rounded);
    }
    return all / (float)vi_sum(total);
}

INLINE void pv_int_tile(enum lm_kv_dtype dtype, int n_q, int n_col, const int16_t *w, const float *scale, const uint8_t *const *v,
                        uint32_t v_shift, uint32_t lo, uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    const uint32_t mask = (1u << v_shift) - 1, at = d / CPU_ATTN_LANE;
    const size_t unit = dtype == LM_KV_I16 ? 4 : dtype == LM_KV_I8 ? 2 : 1;
    struct vi acc[CPU_ATTN_TILE][4];
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            acc[t][c] = vi_zero();
    for (uint32_t i = lo & ~1u; i < hi; i += 2) {
        const uint8_t *row = v[i >> v_shift] + (size_t)((i & mask) / 2) * v_dim * unit;
        struct vi value[4];
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            value[c] = pairs_at(dtype, row, at + (uint32_t)c);
#pragma GCC unroll 6
        for (int t = 0; t < n_q; t++) {
            struct vi x = vi_quad(w + t * CPU_ATTN_CHUNK + i);
#pragma GCC unroll 4
            for (int c = 0; c < n_col; c++)
                acc[t][c] = vi_dot16(acc[t][c], value[c], x);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n_q; t++)
#pragma GCC unroll 4
        for (int c = 0; c < n_col; c++)
            vf_store(o + t * v_dim + d + c * 16, vf_mul(vf_of_int(acc[t][c]), vf_all(scale[t])));
}

INLINE void pv_int_rows(enum lm_kv_dtype dtype, uint32_t n_q, int n_col, const int16_t *w, const float *scale, const uint8_t *const *v,
                        uint32_t v_shift, uint32_t lo, uint32_t hi, uint32_t v_dim, uint32_t d, float *o)
{
    switch (n_q) {
    case 1: pv_int_tile(dtype, 1, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o); break;
    case 2: pv_int_tile(dtype, 2, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o); break;
    case 3: pv_int_tile(dtype, 3, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o); break;
    case 4: pv_int_tile(dtype, 4, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o); break;
    case 5: pv_int_tile(dtype, 5, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o); break;
    default: pv_int_tile(dtype, 6, n_col, w, scale, v, v_shift, lo, hi, v_dim, d, o);
    }
}

INLINE void pv_int_of(enum lm_kv_dtype dtype, const int16_t *w, const float *scale, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift,
                      uint32_t lo, uint32_t hi, uint32_t v_dim, float *o)
{
    uint32_t d = 0;
    for (; d + 16 * VEC_COLS <= v_dim; d += 16 * VEC_COLS)
        pv_int_rows(dtype, n_q, VEC_COLS, w, scale, v, v_shift, lo, hi, v_dim, d, o);
    for (; d < v_dim; d += 16)
        pv_int_rows(dtype, n_q, 1, w, scale, v, v_shift, lo, hi, v_dim, d, o);
}

static void pv_int(enum lm_kv_dtype dtype, const int16_t *w, const float *scale, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift,
                   uint32_t lo, uint32_t hi, uint32_t v_dim, float *o)
{
    switch (dtype) {
    case LM_KV_I16: pv_int_of(LM_KV_I16, w, scale, n_q, v, v_shift, lo, hi, v_dim, o); break;
    case LM_KV_I8: pv_int_of(LM_KV_I8, w, scale, n_q, v, v_shift, lo, hi, v_dim, o); break;
    default: pv_int_of(LM_KV_I4, w, scale, n_q, v, v_shift, lo, hi, v_dim, o);
    }
}
