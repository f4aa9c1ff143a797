/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve's low-bit types, as doc/low-bit-format.md publishes them: blocks of 64 columns, one f16 scale d first. */
#include "runtime/model/qtype_dequant.h"
#include "runtime/model/qtype_low.h"

enum { BLOCK = LM_QTYPE_SHORT_BLOCK };

/* { f16 d; u8 q[32] }: low nibbles are the first 32 elements, high ones the last; y = d * value[q] */
static void nibbles(const uint8_t *p, const int8_t *value, float *y, size_t n)
{
    for (; n--; p += 34, y += BLOCK) {
        float d = q_f16(p);
        for (int i = 0; i < 32; i++) {
            y[i] = d * (float)value[p[2 + i] & 15];
            y[i + 32] = d * (float)value[p[2 + i] >> 4];
        }
    }
}

void lm_dequant_sym_int4(const void *src, float *y, size_t n)
{
    static const int8_t value[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
    nibbles(src, value, y, n);
}

void lm_dequant_fp4(const void *src, float *y, size_t n)
{
    static const int8_t value[16] = {LM_FP4_VALUES};
    nibbles(src, value, y, n);
}

void lm_dequant_nf4(const void *src, float *y, size_t n)
{
    static const int8_t value[16] = {LM_NF4_VALUES};
    nibbles(src, value, y, n);
}

/* { f16 d, m; u8 q[32] }: y = d * q + m */
void lm_dequant_asym_int4(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 36, y += BLOCK) {
        float d = q_f16(p), m = q_f16(p + 2);
        for (int i = 0; i < 32; i++) {
            y[i] = d * (float)(p[4 + i] & 15) + m;
            y[i + 32] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

static int five(const uint8_t *h, const uint8_t *q, int i)
{
    return (i < 32 ? q[i] & 15 : q[i - 32] >> 4) | (h[i / 8] >> i % 8 & 1) << 4;
}

/* { f16 d; u8 h[8]; u8 q[32] }: bit i of h is the fifth bit of element i; y = d * (q - 16) */
void lm_dequant_sym_int5(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 42, y += BLOCK) {
        float d = q_f16(p);
        for (int i = 0; i < BLOCK; i++)
            y[i] = d * (float)(five(p + 2, p + 10, i) - 16);
    }
}

/* { f16 d, m; u8 h[8]; u8 q[32] }: y = d * q + m */
void lm_dequant_asym_int5(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 44, y += BLOCK) {
        float d = q_f16(p), m = q_f16(p + 2);
        for (int i = 0; i < BLOCK; i++)
            y[i] = d * (float)five(p + 4, p + 12, i) + m;
    }
}

/* { f16 d; i8 q[64] } */
void lm_dequant_sym_int8(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 66, y += BLOCK) {
        float d = q_f16(p);
        for (int i = 0; i < BLOCK; i++)
            y[i] = d * (float)(int8_t)p[2 + i];
    }
}

/* { f16 d; u8 q[32]; u8 h[16] }: h has bits 4 and 5 of elements i, i + 16, i + 32, i + 48 from the low end up */
void lm_dequant_fp6(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 50, y += BLOCK) {
        float d = q_f16(p);
        for (int i = 0; i < BLOCK; i++)
            y[i] = d * (float)lm_fp6_value(lm_fp6_code(p + 2, i));
    }
}

static void fp8_block(const uint8_t *q, int n_mantissa, float d, float *y)
{
    for (int i = 0; i < BLOCK; i++)
        y[i] = d * lm_fp8_value(q[i], n_mantissa);
}

static void fp8(const uint8_t *p, int n_mantissa, float *y, size_t n)
{
    for (; n--; p += 66, y += BLOCK)
        fp8_block(p + 2, n_mantissa, q_f16(p), y);
}

/* { f16 d; u8 q[64] }: y = d * the e5m2 number */
void lm_dequant_fp8_e5m2(const void *src, float *y, size_t n)
{
    fp8(src, 2, y, n);
}

/* { f16 d; u8 q[64] }: y = d * the e4m3 number / 256 */
void lm_dequant_fp8_e4m3(const void *src, float *y, size_t n)
{
    fp8(src, 3, y, n);
}

/* { f32 d; u8 q[64] }: y = d * the e4m3 number / 256 */
void lm_dequant_fp8_e4m3_f32(const void *src, float *y, size_t n)
{
    for (const uint8_t *p = src; n--; p += 68, y += BLOCK)
        fp8_block(p + 4, 3, lm_f32_of((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24), y);
}
