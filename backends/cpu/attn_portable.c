/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"

#include "backends/cpu/x.h"
#include "runtime/base/fp8.h"

#include <float.h>
#include <math.h>

static float get(enum lm_kv_dtype dtype, const uint8_t *p, size_t i)
{
    float f;
    uint16_t h;
    if (dtype == LM_KV_F32) {
        memcpy(&f, p + 4 * i, sizeof f);
        return f;
    }
    if (dtype == LM_KV_E4M3)
        return lm_f8e4m3_to_f32(p[i]);
    if (dtype == LM_KV_E5M2)
        return lm_f8e5m2_to_f32(p[i]);
    memcpy(&h, p + 2 * i, sizeof h);
    return dtype == LM_KV_F16 ? lm_f16_to_f32(h) : lm_bf16_to_f32(h);
}

static void convert(enum lm_kv_dtype dtype, const float *src, size_t n, void *dst)
{
    uint16_t *h = dst;
    uint8_t *b = dst;
    if (dtype == LM_KV_F32)
        memcpy(dst, src, n * sizeof *src);
    for (size_t i = 0; i < n && dtype == LM_KV_BF16; i++)
        h[i] = lm_f32_to_bf16(src[i]);
    for (size_t i = 0; i < n && (dtype == LM_KV_E4M3 || dtype == LM_KV_E5M2); i++)
        b[i] = lm_f32_to_f8(src[i], dtype == LM_KV_E4M3 ? 3 : 2);
    for (size_t i = 0; i < n && dtype == LM_KV_F16; i++)
        h[i] = lm_f32_to_f16(src[i] > 65504.0f ? 65504.0f : src[i] < -65504.0f ? -65504.0f : src[i]);
}

static void qk(enum lm_kv_dtype dtype, const float *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    uint32_t pair = dtype == LM_KV_BF16 ? 2 : 1;
    for (uint32_t t = 0; t < n_q; t++, q += k_dim, s += CPU_ATTN_CHUNK)
        for (uint32_t g = 0; g < n_sub; g++) {
            float acc[CPU_ATTN_LANE] = {0};
            for (uint32_t d = 0; d < k_dim; d++)
                for (uint32_t i = 0; i < CPU_ATTN_LANE; i++)
                    acc[i] += q[d] * get(dtype, k[g], ((size_t)(d / pair) * CPU_ATTN_LANE + i) * pair + d % pair);
            memcpy(s + g * CPU_ATTN_LANE, acc, sizeof acc);
        }
}

static float softmax(float *s, uint32_t n, uint32_t lo, uint32_t hi, float scale, float cap, float *out_max)
{
    float max = -INFINITY, sum[CPU_ATTN_LANE] = {0};
    for (uint32_t i = lo; i < hi; i++) {
        s[i] = cap > 0 ? cap * tanhf(s[i] * scale / cap) : s[i] * scale;
        max = s[i] > max ? s[i] : max;
    }
    for (uint32_t i = 0; i < n; i++) {
        s[i] = i >= lo && i < hi ? expf(s[i] - max) : 0;
        sum[i % CPU_ATTN_LANE] += s[i];
    }
    for (int half = CPU_ATTN_LANE / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    *out_max = max;
    return sum[0];
}

static void pv(enum lm_kv_dtype dtype, const float *p, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift, uint32_t lo, uint32_t hi,
               uint32_t v_dim, float *o)
{
    uint32_t pair = dtype == LM_KV_BF16 ? 2 : 1, mask = (1u << v_shift) - 1;
    for (uint32_t t = 0; t < n_q; t++, p += CPU_ATTN_CHUNK, o += v_dim) {
        memset(o, 0, v_dim * sizeof *o);
        for (uint32_t i = lo; i < hi; i++)
            for (uint32_t d = 0; d < v_dim; d++)
                o[d] += p[i] * get(dtype, v[i >> v_shift], ((size_t)((i & mask) / pair) * v_dim + d) * pair + i % pair);
    }
}

static void join(float *o, float a, const float *x, float b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        o[i] = o[i] * a + x[i] * b;
}

static float quantize(const float *x, uint32_t n, float most, float norm, int16_t *q)
{
    float max = 0, scale = 0, inv = 0, square = 0;
    for (uint32_t i = 0; i < n && !isnan(max); i++)
        max = !(fabsf(x[i]) <= max) ? fabsf(x[i]) : max;
    if (!(max < CPU_X_TINY)) {
        scale = max / most;
        inv = most / max;
    }
    for (uint32_t i = 0; i < n; i++)
        square += x[i] * inv * (x[i] * inv);
    if (norm > 0 && sqrtf(square) > norm) {
        scale *= sqrtf(square) / norm;
        inv *= norm / sqrtf(square);
    }
    for (uint32_t i = 0; i < (n + 31) / 32 * 32; i++)
        q[i] = i < n && max <= FLT_MAX ? (int16_t)lrintf(x[i] * inv) : 0;
    return scale;
}

/** Integer i of 16 lanes' pairs: pair, lane, which of the two. */
static inline int32_t get_int(enum lm_kv_dtype dtype, const uint8_t *p, size_t pair, size_t n_lane, size_t lane, uint32_t odd)
{
    size_t i = pair * n_lane + lane;
    int16_t v;
    if (dtype == LM_KV_I4)
        return (p[i] >> 4 * odd & 15) - 8;
    if (dtype == LM_KV_I8)
        return (int8_t)p[2 * i + odd];
    memcpy(&v, p + 4 * i + 2 * odd, sizeof v);
    return v;
}

static void qk_int(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_q, const uint8_t *const *k, uint32_t n_sub, uint32_t k_dim, float *s)
{
    const size_t scales = (size_t)k_dim / 2 * (dtype == LM_KV_I16 ? 64 : dtype == LM_KV_I8 ? 32 : 16);
    for (uint32_t t = 0; t < n_q; t++, q += (k_dim + 31) / 32 * 32, s += CPU_ATTN_CHUNK)
        for (uint32_t g = 0; g < n_sub; g++) {
            int32_t acc[CPU_ATTN_LANE] = {0};
            float scale[CPU_ATTN_LANE];
            for (uint32_t d = 0; d < k_dim; d++)
                for (uint32_t i = 0; i < CPU_ATTN_LANE; i++)
                    acc[i] += q[d] * get_int(dtype, k[g], d / 2, CPU_ATTN_LANE, i, d % 2);
            memcpy(scale, k[g] + scales, sizeof scale);
            for (uint32_t i = 0; i < CPU_ATTN_LANE; i++)
                s[g * CPU_ATTN_LANE + i] = (float)acc[i] * scale[i];
        }
}

static float weigh(const float *p, const float *v_scale, uint32_t lo, uint32_t hi, int16_t *w)
{
    float max = 0, sum[CPU_ATTN_LANE] = {0};
    for (uint32_t i = lo; i < hi; i++) {
        float x = p[i] * v_scale[i];
        max = !(x <= max) ? x : max;
        sum[i % CPU_ATTN_LANE] += x;
    }
    for (int half = CPU_ATTN_LANE / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    for (uint32_t i = lo / 16 * 16; i < (hi + 15) / 16 * 16; i++)
        w[i] = 0;
    if (!(sum[0] > 0 && sum[0] <= FLT_MAX))
        return sum[0];
    float inv = 32767 / max < CPU_ATTN_WEIGHT / sum[0] ? 32767 / max : CPU_ATTN_WEIGHT / sum[0];
    int32_t total = 0;
    for (uint32_t i = lo; i < hi; i++)
        total += w[i] = (int16_t)lrintf(p[i] * v_scale[i] * inv);
    return sum[0] / (float)total;
}

static void pv_int(enum lm_kv_dtype dtype, const int16_t *w, const float *scale, uint32_t n_q, const uint8_t *const *v, uint32_t v_shift,
                   uint32_t lo, uint32_t hi, uint32_t v_dim, float *o)
{
    const uint32_t mask = (1u << v_shift) - 1;
    for (uint32_t t = 0; t < n_q; t++, w += CPU_ATTN_CHUNK, o += v_dim) {
        int32_t acc[CPU_ATTN_MAX_DIM] = {0};
        for (uint32_t i = lo; i < hi; i++)
            for (uint32_t d = 0; d < v_dim; d++)
                acc[d] += w[i] * get_int(dtype, v[i >> v_shift], (i & mask) / 2, v_dim, d, i % 2);
        for (uint32_t d = 0; d < v_dim; d++)
            o[d] = (float)acc[d] * scale[t];
    }
}

const struct cpu_attn_kern cpu_attn_portable = {convert, qk, softmax, pv, join, quantize, qk_int, weigh, pv_int};
