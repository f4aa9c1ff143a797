/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_HALF_H
#define LM_BASE_HALF_H
/**
 * Conversions between f32 and the 16-bit types: f16 is IEEE 754 binary16, bf16 the upper half of an f32.
 *
 * To 16 bits rounds to nearest, ties to even; too large becomes infinity, a NaN stays a NaN. The results do
 * not depend on the flush-to-zero and denormals-are-zero modes of the processor.
 *
 * Thread   [any]
 */
#include <stdint.h>
#include <string.h>

static inline uint32_t lm_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float lm_f32_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float lm_f16_to_f32(uint16_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, a = h & 0x7fffu;
    uint32_t subnormal = lm_f32_bits((float)(int32_t)a * 0x1p-24f);
    uint32_t normal = (a << 13) + (a < 0x7c00 ? (127u - 15u) << 23 : 0x70000000u);
    return lm_f32_of(sign | (a < 0x400 ? subnormal : normal));
}

static inline uint16_t lm_f32_to_f16(float f)
{
    uint32_t x = lm_f32_bits(f), sign = x >> 16 & 0x8000u, a = x & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu));
    if (a >= 0x477ff000u) /* 65520: half way to the next power */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) /* below 2^-14: the sum's unit is 2^-24, the subnormals' */
        return (uint16_t)(sign | (lm_f32_bits(lm_f32_of(a) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}

static inline float lm_bf16_to_f32(uint16_t h)
{
    return lm_f32_of((uint32_t)h << 16);
}

static inline uint16_t lm_f32_to_bf16(float f)
{
    uint32_t x = lm_f32_bits(f);
    if ((x & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(x >> 16 | 0x40u);
    return (uint16_t)((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}
#endif
