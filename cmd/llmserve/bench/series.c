/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/series.h"

#include <math.h>
#include <stdlib.h>

void lm_series_fini(struct lm_series *s)
{
    free(s->v);
    *s = (struct lm_series){0};
}

void lm_series_add(struct lm_series *s, double x)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        double *grown = realloc(s->v, cap * sizeof *grown);
        s->failed = s->failed || !grown;
        if (!grown)
            return;
        s->v = grown;
        s->cap = cap;
    }
    s->v[s->n++] = x;
    s->sorted = false;
}

double lm_series_mean(const struct lm_series *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->v[i];
    return s->n ? sum / (double)s->n : 0;
}

double lm_series_std(const struct lm_series *s)
{
    double mean = lm_series_mean(s), sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += (s->v[i] - mean) * (s->v[i] - mean);
    return s->n ? sqrt(sum / (double)s->n) : 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double lm_series_percentile(struct lm_series *s, double p)
{
    if (!s->n)
        return 0;
    if (!s->sorted)
        qsort(s->v, s->n, sizeof *s->v, compare);
    s->sorted = true;
    double at = p / 100 * (double)(s->n - 1);
    size_t i = (size_t)at;
    return i + 1 < s->n ? s->v[i] + (at - (double)i) * (s->v[i + 1] - s->v[i]) : s->v[s->n - 1];
}
