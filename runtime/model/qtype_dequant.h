/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_QTYPE_DEQUANT_H
#define LM_MODEL_QTYPE_DEQUANT_H
/**
 * Dequantizers of the published block formats: n blocks at src, any alignment, to n * block floats at y.
 *
 * Every product and sum is rounded to f32 in the order of the formula, so that the result is the same to the
 * bit on every machine (built with -ffp-contract=off). A block's scale may be infinite or NaN.
 *
 * Thread   [any]
 * Source   the tables of https://github.com/ggml-org/ggml (src/ggml-common.h) and the formulas of its
 *          Python package gguf (gguf/quants.py), which is the oracle of the test
 */
#include "runtime/base/half.h"
#include <stddef.h>
#include <stdint.h>

static inline uint16_t q_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t q_le32(const uint8_t *p)
{
    return q_le16(p) | (uint32_t)q_le16(p + 2) << 16;
}

static inline float q_f16(const uint8_t *p)
{
    return lm_f16_to_f32(q_le16(p));
}

void lm_dequant_q2_k(const void *src, float *y, size_t n);
void lm_dequant_q3_k(const void *src, float *y, size_t n);
void lm_dequant_q4_k(const void *src, float *y, size_t n);
void lm_dequant_q5_k(const void *src, float *y, size_t n);
void lm_dequant_q6_k(const void *src, float *y, size_t n);
void lm_dequant_q8_k(const void *src, float *y, size_t n);
void lm_dequant_tq1_0(const void *src, float *y, size_t n);
void lm_dequant_tq2_0(const void *src, float *y, size_t n);

void lm_dequant_iq1_s(const void *src, float *y, size_t n);
void lm_dequant_iq1_m(const void *src, float *y, size_t n);
void lm_dequant_iq2_xxs(const void *src, float *y, size_t n);
void lm_dequant_iq2_xs(const void *src, float *y, size_t n);
void lm_dequant_iq2_s(const void *src, float *y, size_t n);
void lm_dequant_iq3_xxs(const void *src, float *y, size_t n);
void lm_dequant_iq3_s(const void *src, float *y, size_t n);
void lm_dequant_iq4_nl(const void *src, float *y, size_t n);
void lm_dequant_iq4_xs(const void *src, float *y, size_t n);

/* llmserve's own, qtype_low.c: blocks of LM_QTYPE_SHORT_BLOCK */
enum { LM_QTYPE_SHORT_BLOCK = 64 };
void lm_dequant_sym_int4(const void *src, float *y, size_t n);
void lm_dequant_asym_int4(const void *src, float *y, size_t n);
void lm_dequant_sym_int5(const void *src, float *y, size_t n);
void lm_dequant_asym_int5(const void *src, float *y, size_t n);
void lm_dequant_sym_int8(const void *src, float *y, size_t n);
void lm_dequant_fp4(const void *src, float *y, size_t n);
void lm_dequant_nf4(const void *src, float *y, size_t n);
void lm_dequant_fp6(const void *src, float *y, size_t n);
void lm_dequant_fp8_e5m2(const void *src, float *y, size_t n);
void lm_dequant_fp8_e4m3(const void *src, float *y, size_t n);
void lm_dequant_fp8_e4m3_f32(const void *src, float *y, size_t n);
#endif
