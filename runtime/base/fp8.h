/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_FP8_H
#define LM_BASE_FP8_H
/**
 * Conversions of the 8-bit floats: to f32 exact, from it to the nearest, ties to even.
 *
 * e4m3 has 4 bits of exponent with bias 7 and no infinity (0x7f and 0xff are NaN, the largest is 448); e5m2 is the
 * upper half of an f16.
 *
 * Thread   [any]
 * Source   Micikevicius et al. 2022, arXiv:2209.05433
 */
#include "runtime/base/half.h"

static inline float lm_f8e4m3_to_f32(uint8_t b)
{
    uint32_t sign = (uint32_t)(b & 0x80u) << 24, a = b & 0x7fu;
    uint32_t subnormal = lm_f32_bits((float)(int32_t)a * 0x1p-9f);
    uint32_t normal = a == 0x7f ? 0x7fc00000u : (a << 20) + (120u << 23);
    return lm_f32_of(sign | (a < 8 ? subnormal : normal));
}

static inline float lm_f8e5m2_to_f32(uint8_t b)
{
    return lm_f16_to_f32((uint16_t)(b << 8));
}

/** To e4m3 (n_mantissa 3) or e5m2 (2): beyond the largest finite number that one, what is not finite becomes NaN. */
static inline uint8_t lm_f32_to_f8(float f, int n_mantissa)
{
    const uint32_t most = n_mantissa == 3 ? 0x43e00000u : 0x47600000u, lower = (n_mantissa == 3 ? 120u : 112u) << 23;
    const float unit = n_mantissa == 3 ? 0x1p14f : 0x1p7f; /* sums with it are whole subnormals */
    const int shift = 23 - n_mantissa;
    uint32_t x = lm_f32_bits(f), sign = x >> 24 & 0x80u, a = x & 0x7fffffffu;
    if (a >= 0x7f800000u)
        return (uint8_t)(sign | 0x7fu);
    a = a < most ? a : most;
    if (a < lower + (1u << 23))
        return (uint8_t)(sign | (lm_f32_bits(lm_f32_of(a) + unit) - lm_f32_bits(unit)));
    return (uint8_t)(sign | (a - lower + (1u << (shift - 1)) - 1 + (a >> shift & 1u)) >> shift);
}
#endif
