/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_dot_fn in vectors of 16, for the file of an ISA that included its vectors (mat_vec_*.h) before: tiles of 4 rows of w by
 * 4 of x, or 2 by 3 where a vector takes two registers; F16 and BF16 convert as they load. Limits: 16 fma of 8 loads; for one row
 * of x the read of w.
 */
#include "backends/cpu/mat_kern.h"

enum { DOT_W = VEC_ROWS == 6 ? 4 : 2, DOT_X = VEC_ROWS == 6 ? 4 : 3 };

INLINE struct vf dot_load(enum cpu_float type, const uint8_t *w, size_t k)
{
    switch (type) {
    case CPU_F16: return vf_of_f16(w + 2 * k);
    case CPU_BF16: return vf_of_bits(vi_left(vi_of_u16(w + 2 * k), 16));
    default: return vf_load(w + 4 * k);
    }
}

INLINE void dot_step(enum cpu_float type, int n_w, int n_x, const uint8_t *w, size_t w_stride, const float *x, size_t ldx, struct vf sum[4][4])
{
    struct vf wr[4];
#pragma GCC unroll 4
    for (int r = 0; r < n_w; r++)
        wr[r] = dot_load(type, w + r * w_stride, 0);
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++) {
        struct vf xt = vf_load(x + t * ldx);
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++)
            sum[t][r] = vf_fma(xt, wr[r], sum[t][r]);
    }
}

/** The last n < 16 columns, through copies that end in zeros. */
INLINE void dot_rest(enum cpu_float type, int n_w, int n_x, const uint8_t *w, size_t w_stride, const float *x, size_t ldx, uint32_t n,
                     struct vf sum[4][4])
{
    float x_end[4][16] = {{0}}, w_end[4][16] = {{0}};
    for (int t = 0; t < n_x; t++)
        memcpy(x_end[t], x + t * ldx, n * sizeof *x);
    for (int r = 0; r < n_w; r++)
        memcpy(w_end[r], w + r * w_stride, n * (type == CPU_F32 ? 4 : 2));
    dot_step(type, n_w, n_x, (const uint8_t *)w_end, sizeof *w_end, *x_end, 16, sum);
}

INLINE void dot_tile(enum cpu_float type, int n_w, int n_x, const uint8_t *w, size_t w_stride, const float *x, size_t ldx, uint32_t n,
                     float *out, size_t ldo, bool add)
{
    const size_t bytes = type == CPU_F32 ? 4 : 2;
    struct vf sum[4][4];
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++)
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++)
            sum[t][r] = vf_zero();
    uint32_t k = 0;
    for (; k + 16 <= n; k += 16)
        dot_step(type, n_w, n_x, w + k * bytes, w_stride, x + k, ldx, sum);
    if (k < n)
        dot_rest(type, n_w, n_x, w + k * bytes, w_stride, x + k, ldx, n - k, sum);
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++)
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++)
            out[t * ldo + r] = vf_sum(sum[t][r]) + (add ? out[t * ldo + r] : 0);
}

/** All rows of w with n_x rows of x. */
INLINE void dot_rows(enum cpu_float type, int n_x, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx, uint32_t k,
                     float *out, size_t ldo, bool add)
{
    uint32_t r = 0;
    for (; r + DOT_W <= n_w; r += DOT_W)
        dot_tile(type, DOT_W, n_x, w + r * w_stride, w_stride, x, ldx, k, out + r, ldo, add);
    for (; r < n_w; r++)
        dot_tile(type, 1, n_x, w + r * w_stride, w_stride, x, ldx, k, out + r, ldo, add);
}

INLINE void dot_of(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx, uint32_t n_x,
                   uint32_t k, float *out, size_t ldo, bool add)
{
    uint32_t t = 0;
    for (; t + DOT_X <= n_x; t += DOT_X)
        dot_rows(type, DOT_X, w, w_stride, n_w, x + t * ldx, ldx, k, out + t * ldo, ldo, add);
    for (; t < n_x; t++)
        dot_rows(type, 1, w, w_stride, n_w, x + t * ldx, ldx, k, out + t * ldo, ldo, add);
}

static void dot(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx, uint32_t n_x, uint32_t k,
                float *out, size_t ldo, bool add)
{
    switch (type) {
    case CPU_F32: dot_of(CPU_F32, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    case CPU_F16: dot_of(CPU_F16, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    case CPU_BF16: dot_of(CPU_BF16, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    }
}
