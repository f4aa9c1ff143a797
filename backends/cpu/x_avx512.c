/* SPDX-License-Identifier: Apache-2.0 */
/* The Q8 form (x.h), AVX-512: a block of one row in two registers. */
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/x.h"

#include <immintrin.h>

/** The largest magnitude, where NaN is larger than infinity. */
static inline float amax32(__m512 a, __m512 b)
{
    const __m512i mask = _mm512_set1_epi32(0x7fffffff);
    __m512i bits = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), mask), _mm512_and_si512(_mm512_castps_si512(b), mask));
    __m256i m = _mm256_max_epu32(_mm512_castsi512_si256(bits), _mm512_extracti64x4_epi64(bits, 1));
    __m128i n = _mm_max_epu32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    n = _mm_max_epu32(n, _mm_shuffle_epi32(n, 0x4e));
    n = _mm_max_epu32(n, _mm_shuffle_epi32(n, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(n));
}

/** The sums of 16 int8 each of lo and hi. */
static inline void sums(__m128i lo, __m128i hi, int32_t *out_lo, int32_t *out_sum)
{
    __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);
    q = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), q);
    q = _mm256_add_epi32(q, _mm256_shuffle_epi32(q, 0x4e));
    q = _mm256_add_epi32(q, _mm256_shuffle_epi32(q, 0xb1));
    *out_lo = _mm256_cvtsi256_si32(q);
    *out_sum = *out_lo + _mm_cvtsi128_si32(_mm256_extracti128_si256(q, 1));
}

static inline void block(const float *x, uint32_t n_row, uint32_t t, uint8_t *dst)
{
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    float amax = amax32(a, b), scale = 0, inv = 0;
    if (!(amax < CPU_X_TINY)) {
        scale = amax / 127.0f;
        inv = 127.0f / amax;
    }
    /* what is not finite converts to INT32_MIN, its low byte is 0 */
    __m512 f = _mm512_set1_ps(inv);
    __m128i lo = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, f)));
    __m128i hi = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, f)));
    _mm_storeu_si128((__m128i *)(dst + 32 * (size_t)t), lo);
    _mm_storeu_si128((__m128i *)(dst + 32 * (size_t)t + 16), hi);
    int32_t lo_sum, sum;
    sums(lo, hi, &lo_sum, &sum);
    float *s = (float *)(dst + (size_t)n_row * 32);
    int32_t *n = (int32_t *)(s + 2 * n_row);
    s[t] = scale;
    s[n_row + t] = scale * (float)sum;
    n[t] = -lo_sum;
    n[n_row + t] = -sum;
}

void cpu_x_tile_avx512(const float *src, uint32_t n_row, uint32_t cols, uint8_t *dst)
{
    for (uint32_t t = 0; t < n_row; t++)
        for (uint32_t b = 0; b < cols / 32; b++)
            block(src + (size_t)t * cols + b * 32, n_row, t, dst + (size_t)b * n_row * CPU_X_BLOCK_BYTES);
}
