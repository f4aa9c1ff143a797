/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_dot_fn, AVX-512: tiles of 4 rows of w by 4 of x, 16 sums of 16 lanes; F16 and BF16 convert as they load.
 * Limits: 16 fma of 8 loads; for one row of x the read of w.
 */
#include "backends/cpu/mat_kern.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m512 load(enum cpu_float type, const uint8_t *w, uint32_t k, __mmask16 mask)
{
    if (type == CPU_F32)
        return _mm512_maskz_loadu_ps(mask, w + 4 * (size_t)k);
    __m256i h = mask == 0xffff ? _mm256_loadu_si256((const __m256i *)(w + 2 * (size_t)k)) : _mm256_maskz_loadu_epi16(mask, w + 2 * (size_t)k);
    return type == CPU_F16 ? _mm512_cvtph_ps(h) : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE float sum16(__m512 v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

INLINE void step(enum cpu_float type, int n_w, int n_x, const uint8_t *w, size_t w_stride, const float *x, size_t ldx, uint32_t k,
                 __mmask16 mask, __m512 acc[4][4])
{
    __m512 wr[4];
#pragma GCC unroll 4
    for (int r = 0; r < n_w; r++)
        wr[r] = load(type, w + r * w_stride, k, mask);
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++) {
        __m512 xt = _mm512_maskz_loadu_ps(mask, x + t * ldx + k);
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++)
            acc[t][r] = _mm512_fmadd_ps(xt, wr[r], acc[t][r]);
    }
}

INLINE void tile(enum cpu_float type, int n_w, int n_x, const uint8_t *w, size_t w_stride, const float *x, size_t ldx, uint32_t n,
                 float *out, size_t ldo, bool add)
{
    __m512 acc[4][4];
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++)
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++)
            acc[t][r] = _mm512_setzero_ps();
    uint32_t k = 0;
    for (; k + 16 <= n; k += 16)
        step(type, n_w, n_x, w, w_stride, x, ldx, k, 0xffff, acc);
    if (k < n)
        step(type, n_w, n_x, w, w_stride, x, ldx, k, (__mmask16)((1u << (n - k)) - 1), acc);
#pragma GCC unroll 4
    for (int t = 0; t < n_x; t++)
#pragma GCC unroll 4
        for (int r = 0; r < n_w; r++) {
            float s = sum16(acc[t][r]);
            out[t * ldo + r] = add ? out[t * ldo + r] + s : s;
        }
}

INLINE void run(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx, uint32_t n_x,
                uint32_t k, float *out, size_t ldo, bool add)
{
    for (uint32_t t = 0; t < n_x;) {
        const float *xt = x + t * ldx;
        float *o = out + t * ldo;
        bool four = n_x - t >= 4;
        uint32_t r = 0;
        for (; r + 4 <= n_w; r += 4)
            if (four)
                tile(type, 4, 4, w + r * w_stride, w_stride, xt, ldx, k, o + r, ldo, add);
            else
                tile(type, 4, 1, w + r * w_stride, w_stride, xt, ldx, k, o + r, ldo, add);
        for (; r < n_w; r++)
            if (four)
                tile(type, 1, 4, w + r * w_stride, w_stride, xt, ldx, k, o + r, ldo, add);
            else
                tile(type, 1, 1, w + r * w_stride, w_stride, xt, ldx, k, o + r, ldo, add);
        t += four ? 4 : 1;
    }
}

void cpu_dot_avx512(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx, uint32_t n_x,
                    uint32_t k, float *out, size_t ldo, bool add)
{
    switch (type) {
    case CPU_F32: run(CPU_F32, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    case CPU_F16: run(CPU_F16, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    case CPU_BF16: run(CPU_BF16, w, w_stride, n_w, x, ldx, n_x, k, out, ldo, add); break;
    }
}
