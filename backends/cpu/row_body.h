/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of row.h, for one width of vectors: included by row_<isa>.c, which defines LM_VEC_LANES and ROW_TABLE.
 *
 * Work split: one row, or a run of columns of one, a call. Every input is read once (norms: twice, the second time from
 * the first-level cache) and every output written once, so that memory bounds them beyond the caches.
 */
#include "backends/cpu/row.h"
#include "ops/sample_block.h"
#include "ops/vec.h"

#include <math.h>

enum { L = LM_VEC_LANES };

static inline size_t part(size_t n)
{
    return n < L ? n : L;
}

/* The first n <= L elements at p, zeros behind them. */
static inline lm_vf get(const float *p, size_t n)
{
    if (n == L)
        return lm_vf_load(p);
    lm_vf v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void put(float *p, lm_vf v, size_t n)
{
    if (n == L)
        lm_vf_store(p, v);
    else
        memcpy(p, &v, n * sizeof *p);
}

static float sum_of(const float *x, size_t n)
{
    lm_vf a[4] = {{0}};
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (size_t k = 0; k < 4; k++)
            a[k] += lm_vf_load(x + i + k * L);
    for (; i < n; i += L)
        a[0] += get(x + i, part(n - i));
    return lm_vf_sum((a[0] + a[1]) + (a[2] + a[3]));
}

/* The sum of (x - mean)^2. */
static float sum_of_squares(const float *x, float mean, size_t n)
{
    lm_vf a[4] = {{0}};
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (size_t k = 0; k < 4; k++) {
            lm_vf v = lm_vf_load(x + i + k * L) - mean;
            a[k] += v * v;
        }
    for (; i + L <= n; i += L) {
        lm_vf v = lm_vf_load(x + i) - mean;
        a[0] += v * v;
    }
    float sum = lm_vf_sum((a[0] + a[1]) + (a[2] + a[3]));
    for (; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n_w, size_t dim, size_t group, float eps, float w_add)
{
    for (size_t g = 0; g < dim; g += group) {
        float inv = 1 / sqrtf(sum_of_squares(x + g, 0, group) / (float)group + eps);
        const float *wg = n_w == dim && w ? w + g : w;
        for (size_t i = 0; i < group; i += L) {
            size_t n = part(group - i);
            lm_vf v = get(x + g + i, n) * inv;
            put(y + g + i, w ? v * (get(wg + i, n) + w_add) : v, n);
        }
    }
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t dim, float eps)
{
    float mean = sum_of(x, dim) / (float)dim;
    float inv = 1 / sqrtf(sum_of_squares(x, mean, dim) / (float)dim + eps);
    for (size_t i = 0; i < dim; i += L) {
        size_t n = part(dim - i);
        lm_vf v = (get(x + i, n) - mean) * inv;
        v = w ? v * get(w + i, n) : v;
        put(y + i, b ? v + get(b + i, n) : v, n);
    }
}

static void rope_neox(float *y, const float *c, const float *s, size_t half)
{
    for (size_t i = 0; i < half; i += L) {
        size_t n = part(half - i);
        lm_vf p = get(y + i, n), q = get(y + half + i, n);
        put(y + i, p * get(c + i, n) + q * get(s + i, n), n);
        put(y + half + i, q * get(c + half + i, n) + p * get(s + half + i, n), n);
    }
}

static void rope_interleaved(float *y, const float *c, const float *s, size_t n_rot)
{
    typedef uint64_t pairs __attribute__((vector_size(sizeof(lm_vf))));
    for (size_t i = 0; i < n_rot; i += L) {
        size_t n = part(n_rot - i);
        lm_vf v = get(y + i, n);
        lm_vf swapped = (lm_vf)((pairs)v << 32 | (pairs)v >> 32);
        put(y + i, v * get(c + i, n) + swapped * get(s + i, n), n);
    }
}

static void rope(float *y, const float *angle, size_t n_head, size_t head_dim, size_t n_rot, enum lm_rope_pairing pairing)
{
    for (size_t h = 0; h < n_head; h++, y += head_dim)
        if (pairing == LM_ROPE_NEOX)
            rope_neox(y, angle, angle + n_rot, n_rot / 2);
        else
            rope_interleaved(y, angle, angle + n_rot, n_rot);
}

static void silu_mul(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        lm_vf v = get(x + i, m);
        put(y + i, v / (1.0f + lm_vf_exp(-v)) * get(x2 + i, m), m);
    }
}

/* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)), without its cancellation */
static void gelu_mul(float *y, const float *x, const float *x2, size_t n)
{
    const float root = 0.7978845608f; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        lm_vf v = get(x + i, m), u = root * v * (1.0f + 0.044715f * v * v);
        put(y + i, v / (1.0f + lm_vf_exp(-2.0f * u)) * get(x2 + i, m), m);
    }
}

static void gelu(float *y, const float *x, size_t n)
{
    const float root = 0.7978845608f;
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        lm_vf v = get(x + i, m), u = root * v * (1.0f + 0.044715f * v * v);
        put(y + i, v / (1.0f + lm_vf_exp(-2.0f * u)), m);
    }
}

/* x / 2 * erfc(-x / sqrt 2): erfc of |x| by a Chebyshev fit, within 1.2e-7 of itself (Press et al., Numerical Recipes, 6.2). */
static inline lm_vf by_erf(lm_vf x)
{
    lm_vf z = lm_vf_max(x, -x) * 0.70710678f, t = 1.0f / (1.0f + 0.5f * z);
    lm_vf p = t * 0.17087277f - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    lm_vf tail = 0.5f * t * lm_vf_exp(p * t - 1.26551223f - z * z);
    return x * lm_vf_select(x < 0.0f, tail, 1.0f - tail);
}

static void gelu_erf_mul(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        put(y + i, by_erf(get(x + i, m)) * get(x2 + i, m), m);
    }
}

static void gelu_erf(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        put(y + i, by_erf(get(x + i, m)), m);
    }
}

static void swiglu_clamp(float *y, const float *x, const float *x2, float alpha, float limit, size_t n)
{
    const lm_vf high = lm_vf_set(limit);
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        lm_vf g = get(x + i, m), u = get(x2 + i, m);
        g = lm_vf_select(g > high, high, g);
        u = lm_vf_select(u > high, high, lm_vf_select(u < -high, -high, u));
        put(y + i, g / (1.0f + lm_vf_exp(-alpha * g)) * (1.0f + u), m);
    }
}

static void weighted_sum(float *y, const float *x, const float *weight, size_t n, size_t dim)
{
    for (size_t i = 0; i < dim; i += L) {
        size_t m = part(dim - i);
        lm_vf sum = {0};
        for (size_t j = 0; j < n; j++)
            sum += weight[j] * get(x + j * dim + i, m);
        put(y + i, sum, m);
    }
}

static void add_weighted(float *y, const float *x, size_t ldx, const float *weight, size_t n, size_t dim)
{
    for (size_t i = 0; i < dim; i += L) {
        size_t m = part(dim - i);
        lm_vf sum = get(y + i, m);
        for (size_t j = 0; j < n; j++)
            sum += weight[j] * get(x + j * ldx + i, m);
        put(y + i, sum, m);
    }
}

static void add(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        put(y + i, get(x + i, m) + get(x2 + i, m), m);
    }
}

static void scale(float *y, const float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        put(y + i, get(x + i, m) * factor, m);
    }
}

static void softcap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i += L) {
        size_t m = part(n - i);
        put(y + i, lm_vf_tanh(get(x + i, m) / cap) * cap, m);
    }
}

const struct cpu_row ROW_TABLE = {
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .rope = rope,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .gelu = gelu,
    .gelu_erf_mul = gelu_erf_mul,
    .gelu_erf = gelu_erf,
    .swiglu_clamp = swiglu_clamp,
    .weighted_sum = weighted_sum,
    .add_weighted = add_weighted,
    .add = add,
    .scale = scale,
    .softcap = softcap,
    .sample = {lm_sample_block_max, lm_sample_block_weigh},
};
