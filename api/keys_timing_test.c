/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the time of comparing a key tells how right it is: right keys and random ones are tried by turns in random
 * order, and Welch's t says whether their times have different means; beyond 4.5 they do (Reparaz, Balasch and
 * Verbauwhede 2017, "Dude, is my code constant time?"). A comparison that stops at the first difference is told by it.
 * What seems to is tried again, four times as often and with other keys: a difference has twice the t then, chance has not.
 */
#include "api/keys.h"
#include "tests/suite.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { KEY_BYTES = 48, N_KEY = 4, N_TRY = 1000000, N_AGAIN = 4 * N_TRY, N_CONTROL = 100000, WARM = 1000 };

struct trial {
    bool right;
    double ns;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make_key(uint64_t *state, char *out)
{
    for (int i = 0; i < KEY_BYTES; i++)
        out[i] = (char)('a' + next(state) % 26);
    out[KEY_BYTES] = 0;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct trial *)a)->ns, y = ((const struct trial *)b)->ns;
    return (x > y) - (x < y);
}

/* Of the quicker share of the trials: the slow ones are the machine's other work. */
static double welch(const struct trial *t, size_t n)
{
    double mean[2] = {0}, sum2[2] = {0}, count[2] = {0};
    for (size_t i = 0; i < n; i++) {
        double d = t[i].ns - mean[t[i].right];
        count[t[i].right]++;
        mean[t[i].right] += d / count[t[i].right];
        sum2[t[i].right] += d * (t[i].ns - mean[t[i].right]);
    }
    double spread = 0;
    for (int k = 0; k < 2; k++)
        spread += sum2[k] / (count[k] - 1) / count[k];
    return spread > 0 ? (mean[0] - mean[1]) / sqrt(spread) : 0;
}

/* Either key by the same reads and writes, so that what came before the clock started is alike. */
static void choose(bool right, const char *from, const char *other, char *out)
{
    char mask = (char)-(char)right;
    for (int i = 0; i < KEY_BYTES; i++)
        out[i] = (char)(other[i] ^ ((from[i] ^ other[i]) & mask));
    out[KEY_BYTES] = 0;
}

static double t_of(bool (*match)(const void *keys, const char *given), const void *keys, const char *right, size_t n_try)
{
    uint64_t state = 0x9e3779b97f4a7c15u ^ n_try;
    struct trial *t = calloc(n_try, sizeof *t);
    char random[KEY_BYTES + 1], given[KEY_BYTES + 1];
    bool ok = true;
    ck_assert_ptr_nonnull(t);
    for (size_t i = 0; i < n_try + WARM; i++) {
        struct trial *out = &t[i < WARM ? 0 : i - WARM];
        make_key(&state, random);
        out->right = next(&state) >> 20 & 1;
        choose(out->right, right, random, given);
        double start = now_ns();
        bool matches = match(keys, given);
        out->ns = now_ns() - start;
        ok &= matches == out->right;
    }
    ck_assert(ok);
    qsort(t, n_try, sizeof *t, by_time);
    double worst = fmax(fabs(welch(t, n_try * 9 / 10)), fabs(welch(t, n_try)));
    free(t);
    return worst;
}

static bool by_keys(const void *keys, const char *given)
{
    return lm_keys_match(keys, given);
}

static bool early(const void *keys, const char *given)
{
    const volatile char *want = keys;
    size_t i = 0;
    while (i < KEY_BYTES && want[i] == given[i])
        i++;
    return i == KEY_BYTES;
}

START_TEST(test_api_keys_timing__a_right_key_takes_as_long_as_a_wrong_one)
{
    struct lm_keys keys = {0};
    uint64_t state = 88172645463325252u;
    char key[N_KEY][KEY_BYTES + 1];
    for (int i = 0; i < N_KEY; i++) {
        make_key(&state, key[i]);
        ck_assert_int_eq(lm_keys_add(&keys, key[i], NULL), 0);
    }
    double t = t_of(by_keys, &keys, key[0], N_TRY);
    printf("|t| %.2f of %d tries (bar 4.5)\n", t, N_TRY);
    if (t >= 4.5) {
        t = t_of(by_keys, &keys, key[0], N_AGAIN);
        printf("|t| %.2f of %d tries more\n", t, N_AGAIN);
    }
    lm_keys_fini(&keys);
    ck_assert_double_lt(t, 4.5);
}
END_TEST

START_TEST(test_api_keys_timing__a_comparison_that_stops_early_is_found_out)
{
    uint64_t state = 362436069u;
    char key[KEY_BYTES + 1];
    make_key(&state, key);
    double t = t_of(early, key, key, N_CONTROL);
    printf("|t| %.0f of %d tries of one that stops early\n", t, N_CONTROL);
    ck_assert_double_gt(t, 4.5);
}
END_TEST

SUITE_MAIN("api/keys_timing", test_api_keys_timing__a_right_key_takes_as_long_as_a_wrong_one,
           test_api_keys_timing__a_comparison_that_stops_early_is_found_out)
