/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/sample.h"
#include "ops/philox.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>

/* The plain form of the contract: everything in double, everything sorted. */
struct slow_token {
    double logit, p;
    int32_t id;
};

struct slow {
    struct slow_token *t; /* by id */
    size_t n;
    double margin; /* how close a comparison came that rounding could turn */
};

static int by_logit(const void *a, const void *b)
{
    const struct slow_token *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit) - (x->logit > y->logit) : (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b)
{
    const struct slow_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void near(struct slow *s, double a, double b)
{
    s->margin = fmin(s->margin, fabs(a - b) / (fabs(b) + 1e-300));
}

static void slow_process(struct slow *s, const float *x, const struct lm_sampling *p)
{
    for (size_t i = 0; i < s->n; i++)
        s->t[i] = (struct slow_token){.logit = x[i], .id = (int32_t)i};
    for (uint32_t i = 0; i < p->n_bias; i++)
        s->t[p->bias_id[i]].logit += p->bias[i];
    for (size_t i = 0; i < s->n && p->allow; i++)
        if (!(p->allow[i / 32] >> i % 32 & 1))
            s->t[i].logit = -INFINITY;
    for (uint32_t i = 0; i < p->n_seen; i++) {
        double *l = &s->t[p->seen[i]].logit;
        *l = *l > 0 ? *l / p->repetition : *l * p->repetition;
        *l -= (double)p->frequency * p->count[i] + (p->count[i] ? p->presence : 0);
    }
}

static void slow_filter(struct slow *s, const struct lm_sampling *p)
{
    double sum = 0, run = 0;
    qsort(s->t, s->n, sizeof *s->t, by_logit);
    for (size_t i = 0; i < s->n; i++)
        s->t[i].p = exp((s->t[i].logit - s->t[0].logit) / p->temperature);
    if (p->top_k > 0)
        for (size_t i = (size_t)p->top_k; i < s->n; i++)
            s->t[i].p = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->t[i].p;
    for (size_t i = 0; i < s->n && p->top_p < 1; i++) {
        double before = run;
        run += s->t[i].p;
        if (s->t[i].p > 0)
            near(s, before, p->top_p * sum);
        if (before >= p->top_p * sum)
            s->t[i].p = 0;
    }
    for (size_t i = 0; i < s->n && p->min_p > 0; i++) {
        near(s, s->t[i].p, p->min_p);
        if (s->t[i].p < p->min_p)
            s->t[i].p = 0;
    }
}

/* The token, and in s->margin how safe it is from rounding. */
static int32_t slow_sample(struct slow *s, const float *x, const struct lm_sampling *p)
{
    s->margin = INFINITY;
    slow_process(s, x, p);
    if (p->temperature < LM_SAMPLE_GREEDY) {
        qsort(s->t, s->n, sizeof *s->t, by_logit);
        if (s->n > 1 && s->t[0].logit != s->t[1].logit)
            near(s, s->t[0].logit, s->t[1].logit);
        return s->t[0].id;
    }
    slow_filter(s, p);
    qsort(s->t, s->n, sizeof *s->t, by_id);
    double sum = 0, run = 0, u = lm_philox_uniform(p->seed, p->counter);
    for (size_t i = 0; i < s->n; i++)
        sum += s->t[i].p;
    for (size_t i = 0; i < s->n; i++) {
        near(s, run, u * sum);
        run += s->t[i].p;
        near(s, run, u * sum);
        if (run >= u * sum)
            return s->t[i].id;
    }
    return -1;
}

static uint64_t rng_state;

static uint32_t rnd(uint32_t n)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng_state >> 33) % n;
}

static float rnd_real(float min, float max)
{
    return min + (max - min) * (float)rnd(1 << 24) / (1 << 24);
}

static const struct lm_sampling plain = {.temperature = 1, .top_p = 1, .repetition = 1};

static struct lm_sampled sample(const float *x, uint32_t n, const struct lm_sampling *p)
{
    struct lm_sampled out;
    void *scratch = malloc(lm_sample_scratch_bytes(n));
    memset(&out, 0xee, sizeof out);
    ck_assert_int_eq(lm_sampling_check(p, n, NULL), 0);
    lm_sample(x, n, p, &out, scratch);
    free(scratch);
    return out;
}

/* Arrays that a random lm_sampling points to. */
struct lists {
    int32_t seen[64], bias_id[16];
    uint32_t count[64], allow[4096];
    float bias[16];
};

static struct lm_sampling random_sampling(struct lists *l, uint32_t n)
{
    struct lm_sampling p = plain;
    p.temperature = rnd(6) ? rnd_real(0.05f, 3) : 0;
    p.top_k = rnd(2) ? 0 : (int32_t)rnd(rnd(3) ? 60 : 2 * n);
    p.top_p = rnd(2) ? 1 : rnd(4) ? rnd_real(0.01f, 1) : 0.999f;
    p.min_p = rnd(3) ? 0 : rnd_real(0, rnd(2) ? 1 : 0.1f);
    p.seed = rnd(1 << 30);
    p.counter = rnd(100);
    if (rnd(3) == 0) {
        p.seen = l->seen;
        p.count = l->count;
        for (uint32_t id = rnd(n); id < n && p.n_seen < 64; id += 1 + rnd(n)) {
            l->seen[p.n_seen] = (int32_t)id;
            l->count[p.n_seen++] = rnd(3);
        }
        p.repetition = rnd_real(0.5f, 2);
        p.presence = rnd_real(-2, 2);
        p.frequency = rnd_real(-2, 2);
    }
    if (rnd(3) == 0) {
        p.bias_id = l->bias_id;
        p.bias = l->bias;
        for (p.n_bias = 0; p.n_bias < 16; p.n_bias++) {
            l->bias_id[p.n_bias] = (int32_t)rnd(n);
            l->bias[p.n_bias] = rnd(4) ? rnd_real(-10, 10) : -INFINITY;
        }
    }
    if (rnd(4) == 0) {
        p.allow = l->allow;
        for (size_t i = 0; i < (n + 31) / 32; i++)
            l->allow[i] = rnd(2) ? UINT32_MAX : rnd(UINT32_MAX);
        l->allow[0] |= 1;
    }
    return p;
}

static void random_row(float *x, uint32_t n)
{
    uint32_t kind = rnd(4);
    for (uint32_t i = 0; i < n; i++) {
        x[i] = rnd_real(-1, 1) + rnd_real(-1, 1) + rnd_real(-1, 1);
        x[i] *= kind == 0 ? 8 : kind == 1 ? 0.01f : 3;
        if (kind == 3)
            x[i] = roundf(x[i]); /* many ties */
        if (kind == 2 && rnd(10) == 0)
            x[i] = -INFINITY;
    }
    x[0] = 0.5f;
}

START_TEST(test_ops_sample__agrees_with_sorting_everything)
{
    enum { MAX = 70000 };
    static float x[MAX];
    static struct lists lists;
    struct slow s = {.t = malloc(MAX * sizeof *s.t)};
    uint32_t compared = 0;
    rng_state = 1;
    for (int trial = 0; trial < 1500; trial++) {
        uint32_t n = trial % 50 == 0 ? 20000 + rnd(MAX - 20000) : 1 + rnd(rnd(2) ? 300 : 3000);
        random_row(x, n);
        struct lm_sampling p = random_sampling(&lists, n);
        s.n = n;
        int32_t want = slow_sample(&s, x, &p);
        struct lm_sampled got = sample(x, n, &p);
        if (s.margin < 2e-5)
            continue;
        compared++;
        ck_assert_msg(got.token == want, "trial %d: token %d, not %d", trial, got.token, want);
    }
    ck_assert_uint_gt(compared, 1000);
    free(s.t);
}
END_TEST

START_TEST(test_ops_sample__frequencies_are_the_softmax)
{
    enum { N = 12, DRAWS = 100000 };
    float x[N] = {0.3f, -1, 2, 0.5f, 0, 1.5f, -3, 0.7f, 0.1f, -0.5f, 1, 0.9f};
    size_t seen[N] = {0};
    double p[N], sum = 0, chi = 0;
    struct lm_sampling s = plain;
    s.temperature = 0.8f;
    for (size_t i = 0; i < N; i++)
        sum += p[i] = exp(x[i] / 0.8);
    for (s.seed = 0; s.seed < DRAWS; s.seed++)
        seen[sample(x, N, &s).token]++;
    for (size_t i = 0; i < N; i++) {
        double want = p[i] / sum * DRAWS;
        chi += ((double)seen[i] - want) * ((double)seen[i] - want) / want;
    }
    ck_assert_double_lt(chi, 31.3); /* 11 degrees of freedom: one in a thousand is above; the seeds are fixed */
}
END_TEST

START_TEST(test_ops_sample__counter_gives_independent_draws)
{
    float x[2] = {0, 0};
    size_t pairs[4] = {0};
    struct lm_sampling s = plain;
    for (s.counter = 0; s.counter < 40000; s.counter++) {
        size_t a = (size_t)sample(x, 2, &s).token;
        s.seed = 1;
        pairs[2 * a + (size_t)sample(x, 2, &s).token]++;
        s.seed = 0;
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_lt(pairs[i] - 9600, 800);
}
END_TEST

START_TEST(test_ops_sample__ties_go_to_the_lower_id)
{
    enum { N = 500 };
    float x[N];
    for (int i = 0; i < N; i++)
        x[i] = (float)(i % 10);
    x[9] = -0.0f;
    struct lm_sampling p = plain;
    p.n_logprobs = 5;
    p.temperature = 0;
    struct lm_sampled out = sample(x, N, &p);
    ck_assert_int_eq(out.token, 19);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(out.top_id[i], 19 + 10 * i);
    p.temperature = 1;
    p.top_k = 1;
    for (p.seed = 0; p.seed < 50; p.seed++)
        ck_assert_int_eq(sample(x, N, &p).token, 19);
    p.top_k = 3;
    for (p.seed = 0; p.seed < 50; p.seed++)
        ck_assert_int_le(sample(x, N, &p).token, 39);
    p.top_k = 0;
    p.min_p = 1; /* all that are as likely as the likeliest */
    int32_t max = 0;
    for (p.seed = 0; p.seed < 50; p.seed++) {
        int32_t id = sample(x, N, &p).token;
        ck_assert_int_eq(id % 10, 9);
        max = id > max ? id : max;
    }
    ck_assert_int_gt(max, 400);
}
END_TEST

START_TEST(test_ops_sample__logprobs_are_of_the_row_as_it_came)
{
    float x[5] = {1, 2, 3, -INFINITY, 2};
    int32_t id = 2, seen = 1;
    uint32_t count = 4, allow = 0x1b;
    float bias = -100;
    struct lm_sampling p = {.temperature = 0, .top_p = 1, .repetition = 2, .frequency = 1, .bias_id = &id, .bias = &bias,
                            .n_bias = 1, .seen = &seen, .count = &count, .n_seen = 1, .allow = &allow, .n_logprobs = 32};
    struct lm_sampled out = sample(x, 5, &p);
    double sum = exp(-2) + exp(-1) + 1 + exp(-1);
    ck_assert_int_eq(out.token, 4);
    ck_assert_float_eq_tol(out.logprob, -1 - log(sum), 1e-6);
    ck_assert_uint_eq(out.n_top, 4);
    const int32_t want[4] = {2, 1, 4, 0};
    const double logit[4] = {3, 2, 2, 1};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(out.top_id[i], want[i]);
        ck_assert_float_eq_tol(out.top_logprob[i], logit[i] - 3 - log(sum), 1e-6);
    }
}
END_TEST

START_TEST(test_ops_sample__mask_of_one_token_gives_it)
{
    enum { N = 1000 };
    static float x[N];
    uint32_t allow[(N + 31) / 32];
    rng_state = 7;
    for (int trial = 0; trial < 200; trial++) {
        random_row(x, N);
        struct lm_sampling p = plain;
        p.temperature = trial % 2 ? 1 : 0;
        p.top_k = trial % 3 ? 0 : 20;
        p.top_p = trial % 5 ? 1 : 0.5f;
        p.min_p = trial % 7 ? 0 : 0.5f;
        p.allow = allow;
        p.seed = (uint64_t)trial;
        uint32_t id = rnd(N);
        x[id] = -30;
        memset(allow, 0, sizeof allow);
        ck_assert_int_eq(sample(x, N, &p).token, -1);
        allow[id / 32] = 1u << id % 32;
        ck_assert_int_eq(sample(x, N, &p).token, (int32_t)id);
    }
}
END_TEST

START_TEST(test_ops_sample__nan_and_infinity_give_no_token)
{
    enum { N = 130 };
    const float bad[] = {NAN, -NAN, INFINITY};
    for (size_t k = 0; k < 3; k++)
        for (size_t at = 0; at < N; at++) {
            float x[N] = {0};
            struct lm_sampling p = plain;
            x[at] = bad[k];
            p.temperature = at % 2 ? 1 : 0;
            p.n_logprobs = 3;
            struct lm_sampled out = sample(x, N, &p);
            ck_assert_int_eq(out.token, -1);
            ck_assert_uint_eq(out.n_top, 0);
        }
    float none[3] = {-INFINITY, -INFINITY, -INFINITY};
    ck_assert_int_eq(sample(none, 3, &plain).token, -1);
}
END_TEST

START_TEST(test_ops_sample__extreme_rows_give_the_likeliest)
{
    enum { N = 200 };
    float x[N];
    for (int i = 0; i < N; i++)
        x[i] = -3e38f;
    x[150] = 3e38f;
    struct lm_sampling p = plain;
    for (int k = 0; k < 8; k++) {
        p.top_k = k & 1 ? 5 : 0;
        p.top_p = k & 2 ? 0.5f : 1;
        p.min_p = k & 4 ? 0.5f : 0;
        p.temperature = 2e-5f;
        ck_assert_int_eq(sample(x, N, &p).token, 150);
        p.temperature = 3e38f;
        ck_assert_int_ge(sample(x, N, &p).token, 0);
    }
}
END_TEST

START_TEST(test_ops_sample__check_refuses_what_is_out_of_range)
{
    const int32_t id = 9, unsorted[2] = {3, 3};
    const uint32_t count[2] = {1, 1};
    const float bias = NAN, ten = 10;
    struct lm_sampling bad[] = {
        {.temperature = -1, .top_p = 1, .repetition = 1},      {.temperature = NAN, .top_p = 1, .repetition = 1},
        {.temperature = INFINITY, .top_p = 1, .repetition = 1}, {.top_p = 0, .repetition = 1},
        {.top_p = 1.5f, .repetition = 1},                      {.top_p = NAN, .repetition = 1},
        {.top_p = 1, .min_p = 2, .repetition = 1},             {.top_p = 1, .min_p = NAN, .repetition = 1},
        {.top_p = 1, .repetition = 0},                         {.top_p = 1, .repetition = INFINITY},
        {.top_p = 1, .repetition = 1, .presence = NAN},        {.top_p = 1, .repetition = 1, .frequency = INFINITY},
        {.top_p = 1, .repetition = 1, .n_logprobs = 33},       {.top_p = 1, .repetition = 1, .n_bias = 1, .bias_id = &id, .bias = &ten},
        {.top_p = 1, .repetition = 1, .n_bias = 1, .bias_id = unsorted, .bias = &bias},
        {.top_p = 1, .repetition = 1, .n_seen = 2, .seen = unsorted, .count = count},
        {.top_p = 1, .repetition = 1, .n_seen = 1, .seen = &id, .count = count},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(lm_sampling_check(&bad[i], 8, NULL) == LM_EINVAL, "case %zu", i);
    ck_assert_int_eq(lm_sampling_check(&plain, 8, NULL), 0);
}
END_TEST

START_TEST(test_ops_sample__philox_gives_the_published_numbers)
{
    const struct { uint32_t key[2], counter[4], out[4]; } known[] = { /* from the authors' Random123 */
        {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        lm_philox(known[i].key, known[i].counter, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
}
END_TEST

SUITE_MAIN("ops/sample", test_ops_sample__agrees_with_sorting_everything, test_ops_sample__frequencies_are_the_softmax,
           test_ops_sample__counter_gives_independent_draws, test_ops_sample__ties_go_to_the_lower_id,
           test_ops_sample__logprobs_are_of_the_row_as_it_came, test_ops_sample__mask_of_one_token_gives_it,
           test_ops_sample__nan_and_infinity_give_no_token, test_ops_sample__extreme_rows_give_the_likeliest,
           test_ops_sample__check_refuses_what_is_out_of_range, test_ops_sample__philox_gives_the_published_numbers)
