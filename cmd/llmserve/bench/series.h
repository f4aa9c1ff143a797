/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_SERIES_H
#define LM_BENCH_SERIES_H
/**
 * Numbers that were measured, and what is said of them. All-zero is an empty series; of an empty one all figures are 0.
 *
 * Owns     v, until lm_series_fini(); failed: memory was short and numbers are missing
 * Thread   [any], one at a time
 */
#include <stdbool.h>
#include <stddef.h>

struct lm_series {
    double *v;
    size_t n, cap;
    bool sorted, failed;
};

void lm_series_fini(struct lm_series *s);
void lm_series_add(struct lm_series *s, double x);
double lm_series_mean(const struct lm_series *s);
double lm_series_std(const struct lm_series *s); /* of the population, as numpy.std */
/** The p-th percentile, 0 to 100, linear between neighbours as numpy.percentile; sorts the series. */
double lm_series_percentile(struct lm_series *s, double p);
#endif
