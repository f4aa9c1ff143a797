/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_FP8_H
#define LM_BASE_FP8_H
/**
 * Conversions from the 8-bit floats to f32, exact.
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
#endif
