/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/qtype_dequant.h"
#include <llmserve/qtype.h>

static void f32(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        y[i] = lm_f32_of(q_le32(p + 4 * i));
}

static void f64(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = q_le32(p + 8 * i) | (uint64_t)q_le32(p + 8 * i + 4) << 32;
        double d;
        memcpy(&d, &bits, sizeof d);
        y[i] = (float)d;
    }
}

static void f16(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        y[i] = q_f16(p + 2 * i);
}

static void bf16(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        y[i] = lm_bf16_to_f32(q_le16(p + 2 * i));
}

/* { f16 d; u8 q[16] }: low nibbles are the first 16 elements, high ones the last; y = d * (q - 8) */
static void q4_0(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 18, y += 32) {
        float d = q_f16(p);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)((p[2 + i] & 15) - 8);
            y[i + 16] = d * (float)((p[2 + i] >> 4) - 8);
        }
    }
}

/* { f16 d, m; u8 q[16] }: y = d * q + m */
static void q4_1(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 20, y += 32) {
        float d = q_f16(p), m = q_f16(p + 2);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)(p[4 + i] & 15) + m;
            y[i + 16] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

/* { f16 d; u32 h; u8 q[16] }: bit i of h is the fifth bit of element i; y = d * (q - 16) */
static void q5_0(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 22, y += 32) {
        float d = q_f16(p);
        uint32_t h = q_le32(p + 2);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)((int)((p[6 + i] & 15) | (h >> i & 1) << 4) - 16);
            y[i + 16] = d * (float)((int)((p[6 + i] >> 4) | (h >> (i + 16) & 1) << 4) - 16);
        }
    }
}

/* { f16 d, m; u32 h; u8 q[16] }: y = d * q + m */
static void q5_1(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 24, y += 32) {
        float d = q_f16(p), m = q_f16(p + 2);
        uint32_t h = q_le32(p + 4);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)((p[8 + i] & 15) | (h >> i & 1) << 4) + m;
            y[i + 16] = d * (float)((p[8 + i] >> 4) | (h >> (i + 16) & 1) << 4) + m;
        }
    }
}

/* { f16 d; i8 q[32] } */
static void q8_0(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 34, y += 32) {
        float d = q_f16(p);
        for (int i = 0; i < 32; i++)
            y[i] = d * (float)(int8_t)p[2 + i];
    }
}

/* { f16 d, s; i8 q[32] }: s is the sum of the block and not needed here */
static void q8_1(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 36, y += 32) {
        float d = q_f16(p);
        for (int i = 0; i < 32; i++)
            y[i] = d * (float)(int8_t)p[4 + i];
    }
}

/* { u8 e; u8 q[16] }: twice the e2m1 values, times 2^(e - 128) */
static void mxfp4(const void *src, float *y, size_t n)
{
    static const int8_t value[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    const uint8_t *p = src;
    for (; n--; p += 17, y += 32) {
        float d = lm_f32_of(p[0] < 2 ? 0x00200000u << p[0] : (p[0] - 1u) << 23);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)value[p[1 + i] & 15];
            y[i + 16] = d * (float)value[p[1 + i] >> 4];
        }
    }
}

static const struct lm_qtype_info table[LM_Q_GGUF_END] = {
    [LM_Q_F32] = {"F32", 1, 4, f32},
    [LM_Q_F16] = {"F16", 1, 2, f16},
    [LM_Q_BF16] = {"BF16", 1, 2, bf16},
    [LM_Q_F64] = {"F64", 1, 8, f64},
    [LM_Q_I8] = {"I8", 1, 1, NULL},
    [LM_Q_I16] = {"I16", 1, 2, NULL},
    [LM_Q_I32] = {"I32", 1, 4, NULL},
    [LM_Q_I64] = {"I64", 1, 8, NULL},
    [LM_Q_Q4_0] = {"Q4_0", 32, 18, q4_0},
    [LM_Q_Q4_1] = {"Q4_1", 32, 20, q4_1},
    [LM_Q_Q5_0] = {"Q5_0", 32, 22, q5_0},
    [LM_Q_Q5_1] = {"Q5_1", 32, 24, q5_1},
    [LM_Q_Q8_0] = {"Q8_0", 32, 34, q8_0},
    [LM_Q_Q8_1] = {"Q8_1", 32, 36, q8_1},
    [LM_Q_Q2_K] = {"Q2_K", 256, 84, lm_dequant_q2_k},
    [LM_Q_Q3_K] = {"Q3_K", 256, 110, lm_dequant_q3_k},
    [LM_Q_Q4_K] = {"Q4_K", 256, 144, lm_dequant_q4_k},
    [LM_Q_Q5_K] = {"Q5_K", 256, 176, lm_dequant_q5_k},
    [LM_Q_Q6_K] = {"Q6_K", 256, 210, lm_dequant_q6_k},
    [LM_Q_Q8_K] = {"Q8_K", 256, 292, lm_dequant_q8_k},
    [LM_Q_IQ1_S] = {"IQ1_S", 256, 50, lm_dequant_iq1_s},
    [LM_Q_IQ1_M] = {"IQ1_M", 256, 56, lm_dequant_iq1_m},
    [LM_Q_IQ2_XXS] = {"IQ2_XXS", 256, 66, lm_dequant_iq2_xxs},
    [LM_Q_IQ2_XS] = {"IQ2_XS", 256, 74, lm_dequant_iq2_xs},
    [LM_Q_IQ2_S] = {"IQ2_S", 256, 82, lm_dequant_iq2_s},
    [LM_Q_IQ3_XXS] = {"IQ3_XXS", 256, 98, lm_dequant_iq3_xxs},
    [LM_Q_IQ3_S] = {"IQ3_S", 256, 110, lm_dequant_iq3_s},
    [LM_Q_IQ4_NL] = {"IQ4_NL", 32, 18, lm_dequant_iq4_nl},
    [LM_Q_IQ4_XS] = {"IQ4_XS", 256, 136, lm_dequant_iq4_xs},
    [LM_Q_TQ1_0] = {"TQ1_0", 256, 54, lm_dequant_tq1_0},
    [LM_Q_TQ2_0] = {"TQ2_0", 256, 66, lm_dequant_tq2_0},
    [LM_Q_MXFP4] = {"MXFP4", 32, 17, mxfp4},
};

static const struct lm_qtype_info low_bit[LM_Q_LOW_BIT_END - LM_Q_LOW_BIT] = {
    [LM_Q_SYM_INT4 - LM_Q_LOW_BIT] = {"SYM_INT4", 64, 34, lm_dequant_sym_int4, true},
    [LM_Q_ASYM_INT4 - LM_Q_LOW_BIT] = {"ASYM_INT4", 64, 36, lm_dequant_asym_int4, true},
    [LM_Q_SYM_INT5 - LM_Q_LOW_BIT] = {"SYM_INT5", 64, 42, lm_dequant_sym_int5, true},
    [LM_Q_ASYM_INT5 - LM_Q_LOW_BIT] = {"ASYM_INT5", 64, 44, lm_dequant_asym_int5, true},
    [LM_Q_SYM_INT8 - LM_Q_LOW_BIT] = {"SYM_INT8", 64, 66, lm_dequant_sym_int8, true},
    [LM_Q_FP4 - LM_Q_LOW_BIT] = {"FP4", 64, 34, lm_dequant_fp4, true},
    [LM_Q_NF4 - LM_Q_LOW_BIT] = {"NF4", 64, 34, lm_dequant_nf4, true},
    [LM_Q_FP6 - LM_Q_LOW_BIT] = {"FP6", 64, 50, lm_dequant_fp6, true},
    [LM_Q_FP8_E5M2 - LM_Q_LOW_BIT] = {"FP8_E5M2", 64, 66, lm_dequant_fp8_e5m2, true},
    [LM_Q_FP8_E4M3 - LM_Q_LOW_BIT] = {"FP8_E4M3", 64, 66, lm_dequant_fp8_e4m3, true},
    [LM_Q_FP8_E4M3_F32 - LM_Q_LOW_BIT] = {"FP8_E4M3_F32", 64, 68, lm_dequant_fp8_e4m3_f32, true},
};

const struct lm_qtype_info *lm_qtype_info(uint32_t id)
{
    if (id >= LM_Q_LOW_BIT)
        return id < LM_Q_LOW_BIT_END ? &low_bit[id - LM_Q_LOW_BIT] : NULL;
    return id < LM_Q_GGUF_END && table[id].name ? &table[id] : NULL;
}

size_t lm_qtype_row_bytes(uint32_t id, size_t cols)
{
    const struct lm_qtype_info *q = lm_qtype_info(id);
    size_t bytes;
    if (!q || cols == 0 || (cols % q->block && !q->ends_short) ||
        __builtin_mul_overflow((cols - 1) / q->block + 1, q->block_bytes, &bytes))
        return 0;
    return bytes;
}

void lm_qtype_dequantize(uint32_t id, const void *src, float *dst, size_t rows, size_t cols)
{
    const struct lm_qtype_info *q = lm_qtype_info(id);
    const uint8_t *p = src;
    const size_t whole = cols / q->block, rest = cols % q->block;
    float last[LM_QTYPE_SHORT_BLOCK];
    if (rest == 0) {
        q->dequantize(p, dst, rows * whole);
        return;
    }
    for (; rows--; dst += rest) {
        q->dequantize(p, dst, whole);
        p += whole * q->block_bytes;
        dst += whole * q->block;
        q->dequantize(p, last, 1);
        p += q->block_bytes;
        memcpy(dst, last, rest * sizeof *dst);
    }
}
