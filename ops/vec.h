/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_VEC_H
#define LM_OPS_VEC_H
/**
 * Vectors of LM_VEC_LANES floats in the compilers' own extension: one source for every instruction set.
 *
 * A file that is compiled for wider registers defines LM_VEC_LANES before it includes this. A result's bits depend on
 * the element's value alone, not on its lane.
 *
 * Thread   [any]
 */
#include <stdint.h>
#include <string.h>

#ifndef LM_VEC_LANES
#define LM_VEC_LANES 4
#endif

typedef float lm_vf __attribute__((vector_size(4 * LM_VEC_LANES)));
typedef int32_t lm_vi __attribute__((vector_size(4 * LM_VEC_LANES)));

static inline lm_vf lm_vf_load(const float *p)
{
    lm_vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void lm_vf_store(float *p, lm_vf v)
{
    memcpy(p, &v, sizeof v);
}

static inline lm_vf lm_vf_set(float a)
{
    return a - (lm_vf){0};
}

/** mask's lanes are 0 or -1, as comparisons give them. */
static inline lm_vf lm_vf_select(lm_vi mask, lm_vf a, lm_vf b)
{
    return (lm_vf)((mask & (lm_vi)a) | (~mask & (lm_vi)b));
}

/** Where a is a NaN: b. */
static inline lm_vf lm_vf_max(lm_vf a, lm_vf b)
{
    return lm_vf_select(a > b, a, b);
}

/** Joined by halves: one order for each width. */
static inline float lm_vf_sum(lm_vf v)
{
    float a[LM_VEC_LANES];
    lm_vf_store(a, v);
    for (int half = LM_VEC_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            a[i] += a[i + half];
    return a[0];
}

/**
 * e^x within 2 units in the last place; 0 below -87.3, e^88 above 88; a NaN stays one.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that r is exact; the polynomial is that of Cephes' expf
 * (Moshier 1989), for (e^r - 1 - r) / r^2.
 */
static inline lm_vf lm_vf_exp(lm_vf x)
{
    const float round = 0x1.8p23f; /* adding it leaves an integer in the low bits */
    lm_vi low = x < -87.3f;
    lm_vf v = lm_vf_select(low, lm_vf_set(-87.3f), x);
    v = lm_vf_select(v > 88.0f, lm_vf_set(88.0f), v);
    lm_vf n = v * 1.44269504f + round;
    lm_vi power = ((lm_vi)n - (lm_vi)lm_vf_set(round) + 127) << 23;
    n -= round;
    lm_vf r = v - n * 0.693359375f + n * 2.12194440e-4f;
    lm_vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (lm_vf)((lm_vi)(p * (lm_vf)power) & ~low);
}

/** tanh(x) within 3 units in the last place; a NaN stays one. Polynomial below 0.625 from Cephes' tanhf. */
static inline lm_vf lm_vf_tanh(lm_vf x)
{
    lm_vi sign = (lm_vi)x & INT32_MIN;
    lm_vf a = (lm_vf)((lm_vi)x ^ sign), s = a * a;
    lm_vf p = s * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    lm_vf small = a + a * s * p;
    lm_vf large = 1.0f - 2.0f / (lm_vf_exp(2.0f * a) + 1.0f);
    return (lm_vf)((lm_vi)lm_vf_select(a < 0.625f, small, large) | sign);
}
#endif
