/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The searches of quant_block.h, for the file of an ISA to include. Loops go over LANE floats beside each other, which
 * the compiler makes vectors of; sums stay in their lanes to the end, so that every ISA gives the same bits.
 *
 * Symmetric grids: for each trial scale the nearest numbers v are taken, and with them the best scale is sum(w x v) / sum(w v v),
 * which leaves the error sum(w x x) - sum(w x v)^2 / sum(w v v). The trial with the least is refined and rounded to f16.
 * Grids with a minimum: the same with the line of least squares through (v, x).
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* sums stay in registers: twice as fast */
#endif
#include "runtime/base/half.h"
#include "runtime/model/quant_block.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANE = 16, N = LM_QUANT_BLOCK };

/** v: [first, first + n * step) times the largest |x| over the grid's largest number is tried. */
struct trials {
    float most, first, step;
    int n;
    int both_signs; /* the grid is not symmetric */
};

static const struct trials trials_of[] = {
    [LM_GRID_INT4] = {8, 0.62f, 0.022f, 20, 1},   [LM_GRID_INT5] = {16, 0.8f, 0.0125f, 18, 1},
    [LM_GRID_INT8] = {127, 0.97f, 0.005f, 8, 0},  [LM_GRID_FP4] = {12, 0.6f, 0.03f, 20, 0},
    [LM_GRID_NF4] = {124, 0.7f, 0.025f, 14, 1},   [LM_GRID_FP6] = {60, 0.55f, 0.03f, 17, 0},
    [LM_GRID_E5M2] = {1.75f, 0.57f, 0.03f, 18, 0}, [LM_GRID_E4M3] = {1.75f, 0.54f, 0.03f, 18, 0},
};

INLINE float rounded(float x)
{
    return (x + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: the sum's unit is 1 */
}

INLINE float between(float lo, float x, float hi)
{
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
}

/** The nearest number with n_bit bits behind the leading one, none smaller than of the exponent least, at most `most`. */
INLINE float snap_float(float x, int n_bit, int least, float most)
{
    uint32_t sign = lm_f32_bits(x) & 0x80000000u, a = lm_f32_bits(x) & 0x7fffffffu, e = a & 0x7f800000u;
    uint32_t low = (uint32_t)(127 + least) << 23;
    float unit = lm_f32_of((e < low ? low : e) + ((uint32_t)(23 - n_bit) << 23));
    float r = (lm_f32_of(a) + unit) - unit;
    r = r > most ? most : r;
    return lm_f32_of(lm_f32_bits(r) | sign);
}

INLINE float snap_nf4(float x)
{
    static const float level[16] = {-124, -86, -65, -49, -35, -23, -11, 0, 10, 20, 31, 42, 55, 70, 90, 124};
    float v = level[0];
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++)
        v = x > (level[i - 1] + level[i]) * 0.5f ? level[i] : v;
    return v;
}

INLINE float snap(enum lm_grid grid, float x)
{
    switch (grid) {
    case LM_GRID_INT4: return rounded(between(-8, x, 7));
    case LM_GRID_INT5: return rounded(between(-16, x, 15));
    case LM_GRID_INT8: return rounded(between(-127, x, 127));
    case LM_GRID_FP4: return snap_float(x, 1, 1, 12);
    case LM_GRID_NF4: return snap_nf4(x);
    case LM_GRID_FP6: return snap_float(x, 3, 3, 60);
    case LM_GRID_E5M2: return snap_float(x, 2, -14, 1.75f);
    case LM_GRID_E4M3: return snap_float(x, 3, -14, 1.75f);
    case LM_GRID_UINT4: return rounded(between(0, x, 15));
    default: return rounded(between(0, x, 31));
    }
}

INLINE float sum(const float lane[LANE])
{
    float s[LANE];
    for (int i = 0; i < LANE; i++)
        s[i] = lane[i];
    for (int half = LANE / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

INLINE float as_f16(float x)
{
    return lm_f16_to_f32(lm_f32_to_f16(x));
}

/** v = the nearest numbers to x * inv; their sums with w x and w v. */
INLINE void fit(enum lm_grid grid, const float *x, const float *w, float inv, float *v, float *out_xv, float *out_vv)
{
    float xv[LANE] = {0}, vv[LANE] = {0};
    for (int i = 0; i < N; i += LANE)
        for (int k = 0; k < LANE; k++) {
            float u = snap(grid, x[i + k] * inv), wu = w[i + k] * u;
            v[i + k] = u;
            xv[k] += wu * x[i + k];
            vv[k] += wu * u;
        }
    *out_xv = sum(xv);
    *out_vv = sum(vv);
}

/** The x of the largest |x|. */
INLINE float extreme(const float *x)
{
    float best = 0;
    for (int i = 0; i < N; i++)
        best = __builtin_fabsf(x[i]) > __builtin_fabsf(best) ? x[i] : best;
    return best;
}

INLINE float inverse(float d)
{
    return d < 0 || d > 0 ? 1 / d : 0;
}

INLINE void symmetric(enum lm_grid grid, const float *x, const float *w, float *out_d, float *v)
{
    const struct trials *t = &trials_of[grid];
    const float most = extreme(x) / -t->most; /* negative numbers reach further */
    float best = -1, d = as_f16(most), xv, vv, trial[N];
    for (int i = 0; i < t->n * (t->both_signs ? 2 : 1); i++) {
        float f = most * (t->first + t->step * (float)(i % t->n));
        fit(grid, x, w, inverse(i < t->n ? f : -f), trial, &xv, &vv);
        if (vv > 0 && xv * xv > best * vv) {
            best = xv * xv / vv;
            d = xv / vv;
        }
    }
    for (int i = 0; i < 2; i++) {
        fit(grid, x, w, inverse(d), trial, &xv, &vv);
        d = vv > 0 ? xv / vv : d;
    }
    const uint16_t half = lm_f32_to_f16(d);
    *out_d = lm_f16_to_f32(half);
    fit(grid, x, w, inverse(*out_d), v, &xv, &vv);
    const float error = *out_d * (*out_d * vv - 2 * xv), up = lm_f16_to_f32((uint16_t)(half + 1)); /* one of the smallest may be far off */
    fit(grid, x, w, inverse(up), trial, &xv, &vv);
    if (up * (up * vv - 2 * xv) < error) {
        for (int i = 0; i < N; i++)
            v[i] = trial[i];
        *out_d = up;
    }
}

struct line {
    float d, m;
    float error; /* of the line before this one, less sum(w x x) */
};

/** v = nearest to (x - m) / d; the line of least squares through them. */
INLINE struct line fit_line(enum lm_grid grid, const float *x, const float *w, struct line at, float *v)
{
    float s1[LANE] = {0}, sv[LANE] = {0}, sx[LANE] = {0}, vv[LANE] = {0}, xv[LANE] = {0};
    const float inv = inverse(at.d);
    for (int i = 0; i < N; i += LANE)
        for (int k = 0; k < LANE; k++) {
            float u = snap(grid, (x[i + k] - at.m) * inv), wi = w[i + k], wu = wi * u;
            v[i + k] = u;
            s1[k] += wi;
            sv[k] += wu;
            sx[k] += wi * x[i + k];
            vv[k] += wu * u;
            xv[k] += wu * x[i + k];
        }
    float n = sum(s1), a = sum(sv), b = sum(sx), c = sum(vv), e = sum(xv);
    struct line l = at;
    l.error = at.d * (at.d * c - 2 * e) + at.m * (at.m * n - 2 * b) + 2 * at.d * at.m * a;
    float det = n * c - a * a;
    if (det > 1e-6f * n * c) {
        l.d = (n * e - a * b) / det;
        l.m = (b - l.d * a) / n;
    }
    return l;
}

INLINE void with_minimum(enum lm_grid grid, float top, const float *x, const float *w, float *out_d, float *out_m, float *v)
{
    enum { SHRINK = 5, SHIFT = 3, ROUND = 2 };
    float lo = x[0], hi = x[0], trial[N];
    for (int i = 0; i < N; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    struct line best = {.d = as_f16((hi - lo) / top), .m = as_f16(lo)};
    best.error = fit_line(grid, x, w, best, v).error;
    for (int i = 0; i < SHRINK * SHIFT; i++) {
        float part = 1.0f - 0.06f * (float)(i / SHIFT);
        struct line l = {(hi - lo) * part / top, lo + (hi - lo) * (1 - part) * 0.5f * (float)(i % SHIFT), 0};
        for (int k = 0; k < ROUND; k++)
            l = fit_line(grid, x, w, l, trial);
        l.d = as_f16(l.d);
        l.m = as_f16(l.m);
        l.error = fit_line(grid, x, w, l, trial).error;
        if (l.error < best.error && l.d > 0) {
            best = l;
            for (int k = 0; k < N; k++)
                v[k] = trial[k];
        }
    }
    *out_d = best.d;
    *out_m = best.m;
}

static void quant_block(enum lm_grid grid, const float *x, const float *w, float *out_d, float *out_m, float *v)
{
    *out_m = 0;
    switch (grid) {
    case LM_GRID_INT4: symmetric(LM_GRID_INT4, x, w, out_d, v); break;
    case LM_GRID_INT5: symmetric(LM_GRID_INT5, x, w, out_d, v); break;
    case LM_GRID_INT8: symmetric(LM_GRID_INT8, x, w, out_d, v); break;
    case LM_GRID_FP4: symmetric(LM_GRID_FP4, x, w, out_d, v); break;
    case LM_GRID_NF4: symmetric(LM_GRID_NF4, x, w, out_d, v); break;
    case LM_GRID_FP6: symmetric(LM_GRID_FP6, x, w, out_d, v); break;
    case LM_GRID_E5M2: symmetric(LM_GRID_E5M2, x, w, out_d, v); break;
    case LM_GRID_E4M3: symmetric(LM_GRID_E4M3, x, w, out_d, v); break;
    case LM_GRID_UINT4: with_minimum(LM_GRID_UINT4, 15, x, w, out_d, out_m, v); break;
    default: with_minimum(LM_GRID_UINT5, 31, x, w, out_d, out_m, v); break;
    }
}
