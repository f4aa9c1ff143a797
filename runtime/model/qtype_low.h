/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_QTYPE_LOW_H
#define LM_MODEL_QTYPE_LOW_H
/**
 * Codes of the low-bit types that are no plain integers, for quantizers and dequantizers.
 *
 * Source   e2m1, e2m3, e4m3, e5m2: OCP Microscaling Formats 1.0 and 8-bit Floating Point 1.0; the quantiles of NF4: Dettmers
 *          et al. 2023, arXiv:2305.14314, here as whole numbers of 124ths of the largest (off by 0.4 % of it at most)
 */
#include "runtime/base/half.h"
#include <stdint.h>

/** Twice the e2m1 numbers, by code. */
#define LM_FP4_VALUES 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12
/** 124 times the quantiles, by code. */
#define LM_NF4_VALUES -124, -86, -65, -49, -35, -23, -11, 0, 10, 20, 31, 42, 55, 70, 90, 124

/** Code i of a block's 48 bytes: 32 of low nibbles, 16 of the two bits above. */
static inline uint32_t lm_fp6_code(const uint8_t *p, int i)
{
    return (i < 32 ? p[i] & 15u : p[i - 32] >> 4) | (p[32 + i % 16] >> i / 16 * 2 & 3u) << 4;
}

/** 8 times the e2m3 number: -60 .. 60 */
static inline int32_t lm_fp6_value(uint32_t code)
{
    int32_t e = (int32_t)(code >> 3 & 3), m = (int32_t)(code & 7), v = e ? (8 + m) << (e - 1) : m;
    return code & 32 ? -v : v;
}

/**
 * The number of an e5m2 code (n_mantissa 2), or of an e4m3 code (3) over 256. The codes of infinity and NaN are numbers too,
 * those that the exponent says.
 */
static inline float lm_fp8_value(uint8_t code, int n_mantissa)
{
    return lm_f32_of((code & 0x80u) << 24 | (code & 0x7fu) << (23 - n_mantissa)) * 0x1p112f;
}
#endif
