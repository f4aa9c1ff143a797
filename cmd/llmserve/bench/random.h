/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_RANDOM_H
#define LM_BENCH_RANDOM_H
/**
 * Random numbers that a seed fixes on every machine.
 *
 * Source   SplitMix64: Steele, Lea, Flood 2014; gamma: Marsaglia and Tsang 2000
 * Thread   [any], one at a time
 */
#include <math.h>
#include <stdint.h>

struct lm_random { uint64_t state; };

static inline uint64_t lm_random_u64(struct lm_random *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/** Uniform in (0, 1). */
static inline double lm_random_unit(struct lm_random *r)
{
    return ((double)(lm_random_u64(r) >> 11) + 0.5) * 0x1p-53;
}

/** Uniform whole number in [lo, hi]. */
static inline int64_t lm_random_between(struct lm_random *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(lm_random_unit(r) * (double)(hi - lo + 1));
}

static inline double lm_random_normal(struct lm_random *r)
{
    double u = lm_random_unit(r), v = lm_random_unit(r);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/** Gamma distribution of mean shape (scale 1); shape > 0. */
static inline double lm_random_gamma(struct lm_random *r, double shape)
{
    if (shape < 1)
        return lm_random_gamma(r, shape + 1) * pow(lm_random_unit(r), 1 / shape);
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = lm_random_normal(r), v = 1 + c * x;
        v = v * v * v;
        if (v > 0 && log(lm_random_unit(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}
#endif
