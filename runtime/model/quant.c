/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/quant.h"
#include "runtime/base/half.h"
#include "runtime/model/qtype_dequant.h"
#include "runtime/model/qtype_low.h"
#include "runtime/model/quant_block.h"
#include <float.h>
#include <math.h>

enum { N = LM_QUANT_BLOCK };

_Static_assert((int)LM_QUANT_BLOCK == (int)LM_QTYPE_SHORT_BLOCK, "the low-bit types have one size of block");

typedef void encode_fn(const float *v, uint8_t *q); /* numbers of the grid to what follows the scales */

static void put_nibble(uint8_t *q, int i, uint32_t code)
{
    if (i < 32)
        q[i] = (uint8_t)code;
    else
        q[i - 32] |= (uint8_t)(code << 4);
}

static void int4(const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++)
        put_nibble(q, i, (uint32_t)((int32_t)v[i] + 8));
}

static void uint4(const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++)
        put_nibble(q, i, (uint32_t)v[i]);
}

/* GGUF's order in a block of 32. */
static void int4_32(const float *v, uint8_t *q)
{
    for (int i = 0; i < 16; i++)
        q[i] = (uint8_t)(((int32_t)v[i] + 8) | ((int32_t)v[i + 16] + 8) << 4);
}

static void uint4_32(const float *v, uint8_t *q)
{
    for (int i = 0; i < 16; i++)
        q[i] = (uint8_t)((int32_t)v[i] | (int32_t)v[i + 16] << 4);
}

static void five(const float *v, int32_t offset, uint8_t *q)
{
    memset(q, 0, 8);
    for (int i = 0; i < N; i++) {
        uint32_t code = (uint32_t)((int32_t)v[i] + offset);
        q[i / 8] |= (uint8_t)((code >> 4) << i % 8);
        put_nibble(q + 8, i, code & 15);
    }
}

static void int5(const float *v, uint8_t *q)
{
    five(v, 16, q);
}

static void uint5(const float *v, uint8_t *q)
{
    five(v, 0, q);
}

static void int8(const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++)
        q[i] = (uint8_t)(int8_t)v[i];
}

static void look_up(const int8_t *value, const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++) {
        uint32_t code = 0;
        while (code < 15 && (float)value[code] != v[i])
            code++;
        put_nibble(q, i, code);
    }
}

static void fp4(const float *v, uint8_t *q)
{
    static const int8_t value[16] = {LM_FP4_VALUES};
    look_up(value, v, q);
}

static void nf4(const float *v, uint8_t *q)
{
    static const int8_t value[16] = {LM_NF4_VALUES};
    look_up(value, v, q);
}

static void fp6(const float *v, uint8_t *q)
{
    memset(q + 32, 0, 16);
    for (int i = 0; i < N; i++) {
        uint32_t a = (uint32_t)fabsf(v[i]), e = a < 16 ? a >> 3 : a < 32 ? 2 : 3;
        uint32_t code = (v[i] < 0 ? 32u : 0u) | e << 3 | (e ? (a >> (e - 1)) - 8 : a);
        put_nibble(q, i, code & 15);
        q[32 + i % 16] |= (uint8_t)(code >> 4 << i / 16 * 2);
    }
}

static void e5m2(const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++)
        q[i] = (uint8_t)(lm_f32_to_f16(v[i]) >> 8);
}

static void e4m3(const float *v, uint8_t *q)
{
    for (int i = 0; i < N; i++) {
        uint32_t h = lm_f32_to_f16(v[i]);
        q[i] = (uint8_t)((h & 0x8000) >> 8 | (h >> 7 & 0x7f));
    }
}

static const struct kind {
    enum lm_grid grid;
    int n_scale; /* 2: with a minimum */
    encode_fn *encode;
} kinds[LM_Q_LOW_BIT_END - LM_Q_LOW_BIT] = {
    [LM_Q_SYM_INT4 - LM_Q_LOW_BIT] = {LM_GRID_INT4, 1, int4},    [LM_Q_ASYM_INT4 - LM_Q_LOW_BIT] = {LM_GRID_UINT4, 2, uint4},
    [LM_Q_SYM_INT5 - LM_Q_LOW_BIT] = {LM_GRID_INT5, 1, int5},    [LM_Q_ASYM_INT5 - LM_Q_LOW_BIT] = {LM_GRID_UINT5, 2, uint5},
    [LM_Q_SYM_INT8 - LM_Q_LOW_BIT] = {LM_GRID_INT8, 1, int8},    [LM_Q_FP4 - LM_Q_LOW_BIT] = {LM_GRID_FP4, 1, fp4},
    [LM_Q_NF4 - LM_Q_LOW_BIT] = {LM_GRID_NF4, 1, nf4},           [LM_Q_FP6 - LM_Q_LOW_BIT] = {LM_GRID_FP6, 1, fp6},
    [LM_Q_FP8_E5M2 - LM_Q_LOW_BIT] = {LM_GRID_E5M2, 1, e5m2},    [LM_Q_FP8_E4M3 - LM_Q_LOW_BIT] = {LM_GRID_E4M3, 1, e4m3},
};

static const struct kind q4_0 = {LM_GRID_INT4, 1, int4_32}, q4_1 = {LM_GRID_UINT4, 2, uint4_32};

static bool is_low_bit(uint32_t qtype)
{
    return qtype >= LM_Q_LOW_BIT && qtype < LM_Q_LOW_BIT_END && kinds[qtype - LM_Q_LOW_BIT].encode;
}

static bool is_ggml(uint32_t qtype)
{
    return qtype == LM_Q_Q4_0 || qtype == LM_Q_Q4_1 || qtype == LM_Q_Q8_0;
}

bool lm_quantize_can(uint32_t qtype)
{
    return is_low_bit(qtype) || is_ggml(qtype) || qtype == LM_Q_F32 || qtype == LM_Q_F16 || qtype == LM_Q_BF16;
}

static lm_quant_block_fn *block_fn(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return lm_quant_block_avx2;
#endif
    return lm_quant_block_portable;
}

static int check(const float *x, size_t n, float most, const char *type, size_t col, struct lm_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= most))
            return lm_fail(err, LM_EFORMAT, "%g in column %zu cannot be a weight of type %s", (double)x[i], col + i, type);
    return 0;
}

static void put16(uint8_t *p, float f)
{
    uint16_t h = lm_f32_to_f16(f);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

/*
 * In grids without a minimum large weights weigh more: they meet the large activations, and what is clipped of them is missing in
 * one direction. By their square where nothing is known of the columns. With a minimum only the columns' importance counts.
 */
static void weigh(bool with_min, const float *x, const float *importance, size_t n, float *w)
{
    float mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] * x[i] / (float)n;
    for (size_t i = 0; i < n; i++) {
        float self = with_min ? 1 : importance ? sqrtf(mean + x[i] * x[i]) : x[i] * x[i];
        w[i] = importance ? importance[i] * self : self;
    }
}

/* Blocks of GGUF's types are searched as the first half of one of 64. */
static int searched_row(uint32_t qtype, const float *x, const float *importance, size_t cols, uint8_t *dst, double *error,
                        struct lm_err *err)
{
    const struct lm_qtype_info *info = lm_qtype_info(qtype);
    const struct kind *k = qtype == LM_Q_Q4_0 ? &q4_0 : qtype == LM_Q_Q4_1 ? &q4_1 : &kinds[qtype - LM_Q_LOW_BIT];
    lm_quant_block_fn *find = block_fn();
    float in[N], w[N], v[N], back[N], d, m;
    for (size_t c = 0; c < cols; c += info->block, dst += info->block_bytes) {
        size_t n = cols - c < info->block ? cols - c : info->block;
        int rc = check(x + c, n, 65504, info->name, c, err);
        if (rc)
            return rc;
        memset(in, 0, sizeof in);
        memset(w, 0, sizeof w);
        memcpy(in, x + c, n * sizeof *in);
        weigh(k->n_scale == 2, in, importance ? importance + c : NULL, n, w);
        find(k->grid, in, w, &d, &m, v);
        for (size_t i = n; i < N; i++)
            v[i] = 0;
        put16(dst, d);
        if (k->n_scale == 2)
            put16(dst + 2, m);
        k->encode(v, dst + 2 * k->n_scale);
        info->dequantize(dst, back, 1);
        for (size_t i = 0; i < n; i++)
            *error += ((double)back[i] - (double)in[i]) * ((double)back[i] - (double)in[i]);
    }
    return 0;
}

static int float_row(uint32_t qtype, const float *x, size_t cols, uint8_t *dst, double *error, struct lm_err *err)
{
    float most = qtype == LM_Q_F16 ? 65504.0f : qtype == LM_Q_BF16 ? 3.3895314e38f : FLT_MAX;
    int rc = check(x, cols, most, lm_qtype_info(qtype)->name, 0, err);
    for (size_t i = 0; i < cols && !rc; i++) {
        uint16_t h = qtype == LM_Q_F16 ? lm_f32_to_f16(x[i]) : lm_f32_to_bf16(x[i]);
        float back = qtype == LM_Q_F32 ? x[i] : qtype == LM_Q_F16 ? lm_f16_to_f32(h) : lm_bf16_to_f32(h);
        if (qtype == LM_Q_F32)
            memcpy(dst + 4 * i, x + i, 4);
        else
            memcpy(dst + 2 * i, &h, 2);
        *error += ((double)back - (double)x[i]) * ((double)back - (double)x[i]);
    }
    return rc;
}

/* Source of the three: quantize_row_q4_0_ref(), ..q4_1_ref(), ..q8_0_ref() of https://github.com/ggml-org/ggml, src/ggml-quants.c */
static void q8_0_block(const float *x, uint8_t *dst)
{
    float most = 0;
    for (int i = 0; i < 32; i++)
        most = fmaxf(most, fabsf(x[i]));
    float d = most / 127, inv = d > 0 ? 1 / d : 0;
    put16(dst, d);
    for (int i = 0; i < 32; i++)
        dst[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inv);
}

static void q4_block(bool with_min, const float *x, uint8_t *dst)
{
    float lo = x[0], hi = x[0];
    for (int i = 0; i < 32; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    float d = with_min ? (hi - lo) / 15 : (-lo > hi ? lo : hi) / -8, m = with_min ? lo : d * -8, inv = d < 0 || d > 0 ? 1 / d : 0;
    uint8_t *q = dst + (with_min ? 4 : 2);
    put16(dst, d);
    if (with_min)
        put16(dst + 2, m);
    for (int i = 0; i < 32; i++) {
        int code = (int)(with_min ? (x[i] - m) * inv + 0.5f : x[i] * inv + 8.5f);
        code = code > 15 ? 15 : code;
        q[i % 16] = (uint8_t)(i < 16 ? code : q[i % 16] | code << 4);
    }
}

static int ggml_row(uint32_t qtype, const float *x, size_t cols, uint8_t *dst, double *error, struct lm_err *err)
{
    const struct lm_qtype_info *info = lm_qtype_info(qtype);
    float back[32];
    int rc = check(x, cols, 65504, info->name, 0, err);
    for (size_t c = 0; c < cols && !rc; c += 32, dst += info->block_bytes) {
        if (qtype == LM_Q_Q8_0)
            q8_0_block(x + c, dst);
        else
            q4_block(qtype == LM_Q_Q4_1, x + c, dst);
        info->dequantize(dst, back, 1);
        for (size_t i = 0; i < 32; i++)
            *error += ((double)back[i] - (double)x[c + i]) * ((double)back[i] - (double)x[c + i]);
    }
    return rc;
}

int lm_quantize_row(uint32_t qtype, bool search, const float *x, const float *importance, size_t cols, void *dst, double *out_error,
                    struct lm_err *err)
{
    double error = 0;
    if (!lm_quantize_can(qtype) || lm_qtype_row_bytes(qtype, cols) == 0)
        return lm_fail(err, LM_EUNSUPPORTED, "no quantizer makes type %u of %zu columns", qtype, cols);
    search = is_low_bit(qtype) || (search && qtype != LM_Q_Q8_0 && is_ggml(qtype));
    int rc = search         ? searched_row(qtype, x, importance, cols, dst, &error, err) :
             is_ggml(qtype) ? ggml_row(qtype, x, cols, dst, &error, err) :
                                 float_row(qtype, x, cols, dst, &error, err);
    if (rc == 0 && out_error)
        *out_error += error;
    return rc;
}
