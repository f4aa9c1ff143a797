/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/dry.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const float max_penalty = 1e6f;

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static bool breaks(const struct lm_dry *d, int32_t token)
{
    return d->n_breaker && bsearch(&token, d->breaker, d->n_breaker, sizeof token, by_id);
}

/* match[i]: over how many tokens those that end i places before the end equal the last ones; at most `most`. */
static void find_matches(const int32_t *token, uint32_t n, uint32_t most, uint32_t *match)
{
    const int32_t *last = token + n - 1; /* last[-i]: the reversed tokens */
    uint32_t from = 0, to = 0;           /* the match that reaches furthest back */
    for (uint32_t i = 1; i < n; i++) {
        uint32_t len = i < to ? match[i - from] < to - i ? match[i - from] : to - i : 0;
        while (len < most && i + len < n && last[-(int64_t)len] == last[-(int64_t)(i + len)])
            len++;
        match[i] = len;
        if (i + len > to) {
            from = i;
            to = i + len;
        }
    }
}

static void add(int32_t token, float penalty, int32_t *id, float *bias, uint32_t *n)
{
    uint32_t i = 0;
    while (i < *n && id[i] != token)
        i++;
    if (i == LM_DRY_MAX)
        return;
    if (i == *n) {
        id[(*n)++] = token;
        bias[i] = 0;
    }
    bias[i] = -penalty < bias[i] ? -penalty : bias[i];
}

uint32_t lm_dry_penalize(const struct lm_dry *d, const int32_t *token, uint32_t n, int32_t *out_id, float *out_bias)
{
    uint32_t most = 0, n_out = 0;
    if (d->last_n && n > d->last_n) {
        token += n - d->last_n;
        n = d->last_n;
    }
    while (most < n && !breaks(d, token[n - 1 - most]))
        most++;
    if (n < 2 || most < d->allowed_length || !most)
        return 0;
    find_matches(token, n, most, d->match);
    for (uint32_t i = 1; i < n; i++)
        if (d->match[i] && d->match[i] >= d->allowed_length)
            add(token[n - i], fminf(d->multiplier * powf(d->base, (float)(d->match[i] - d->allowed_length)), max_penalty), out_id, out_bias, &n_out);
    return n_out;
}
