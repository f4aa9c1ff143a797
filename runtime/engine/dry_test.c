/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/dry.h"
#include "tests/suite.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { N = 120, VOCAB = 6 };

static bool is_breaker(const struct lm_dry *d, int32_t token)
{
    for (uint32_t i = 0; i < d->n_breaker; i++)
        if (d->breaker[i] == token)
            return true;
    return false;
}

/* By comparing every place, token by token. */
static void slow(const struct lm_dry *d, const int32_t *token, uint32_t n, double out[VOCAB])
{
    uint32_t from = d->last_n && n > d->last_n ? n - d->last_n : 0;
    for (int i = 0; i < VOCAB; i++)
        out[i] = 0;
    for (uint32_t end = from + 1; end < n; end++) { /* what follows token[..end) is token[end] */
        uint32_t len = 0;
        while (end >= from + len + 1 && token[end - 1 - len] == token[n - 1 - len] && !is_breaker(d, token[n - 1 - len]))
            len++;
        if (len && len >= d->allowed_length)
            out[token[end]] = fmax(out[token[end]], fmin(d->multiplier * pow(d->base, len - d->allowed_length), 1e6));
    }
}

START_TEST(test_engine_dry__agrees_with_comparing_every_place)
{
    uint32_t match[N], state = 1, n_penalized = 0;
    int32_t token[N], breaker[1] = {5}, id[LM_DRY_MAX];
    float bias[LM_DRY_MAX];
    double want[VOCAB];
    for (int trial = 0; trial < 3000; trial++) {
        struct lm_dry d = {.multiplier = 0.8f, .base = 1.2f, .allowed_length = (uint32_t)trial % 4, .last_n = trial % 3 ? 0 : 40, .breaker = breaker,
                           .n_breaker = trial % 2, .match = match};
        uint32_t n = 1 + (uint32_t)trial % N, n_sym = 2 + (uint32_t)trial % 5;
        for (uint32_t i = 0; i < n; i++) {
            state = state * 1664525 + 1013904223;
            token[i] = i > 10 && state >> 28 ? token[i - 7] : (int32_t)((state >> 16) % n_sym);
        }
        slow(&d, token, n, want);
        uint32_t n_got = lm_dry_penalize(&d, token, n, id, bias), n_want = 0;
        for (int i = 0; i < VOCAB; i++)
            n_want += want[i] > 0;
        ck_assert_uint_eq(n_got, n_want);
        for (uint32_t i = 0; i < n_got; i++)
            ck_assert_double_eq_tol(-bias[i], want[id[i]], 1e-4 * want[id[i]]);
        n_penalized += n_got;
    }
    ck_assert_uint_gt(n_penalized, 1000);
}
END_TEST

START_TEST(test_engine_dry__many_followers_stay_within_bounds)
{
    enum { LONG = 4000 };
    int32_t *token = malloc(LONG * sizeof *token), id[LM_DRY_MAX];
    uint32_t *match = malloc(LONG * sizeof *match);
    float bias[LM_DRY_MAX];
    for (int i = 0; i < LONG; i++)
        token[i] = i % 2 ? 1 : 10 + i;
    struct lm_dry d = {.multiplier = 1, .base = 1e30f, .match = match};
    ck_assert_uint_eq(lm_dry_penalize(&d, token, LONG, id, bias), LM_DRY_MAX);
    for (int i = 0; i < LONG; i++)
        token[i] = 1;
    ck_assert_uint_eq(lm_dry_penalize(&d, token, LONG, id, bias), 1);
    ck_assert(isfinite(bias[0]) && bias[0] < -1000);
    free(token);
    free(match);
}
END_TEST

SUITE_MAIN("engine/dry", test_engine_dry__agrees_with_comparing_every_place, test_engine_dry__many_followers_stay_within_bounds)
