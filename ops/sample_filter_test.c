/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/sample_filter.h"
#include "ops/philox.h"
#include "ops/sample.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>

enum { N = 400 };

struct slow_token {
    double logit, p;
    int32_t id;
};

static struct slow_token token[N]; /* n_token that are left */
static size_t n_token;
static double margin; /* how close a comparison came that rounding could turn */
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

static void near(double a, double b)
{
    margin = fmin(margin, fabs(a - b) / (fabs(b) + 1e-300));
}

static int by_p(const void *a, const void *b)
{
    const struct slow_token *x = a, *y = b;
    return x->p != y->p ? (x->p < y->p) - (x->p > y->p) : (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b)
{
    return ((const struct slow_token *)a)->id - ((const struct slow_token *)b)->id;
}

static double sum_p(size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += token[i].p;
    return sum;
}

/* Likeliest first, p adding up to 1. */
static void normalize(void)
{
    double sum = sum_p(n_token);
    for (size_t i = 0; i < n_token; i++)
        token[i].p /= sum;
    qsort(token, n_token, sizeof *token, by_p);
}

static double entropy(void)
{
    double h = 0;
    for (size_t i = 0; i < n_token; i++)
        h -= token[i].p > 0 ? token[i].p * log(token[i].p) : 0;
    return h;
}

static double h_now;

static int by_typicality(const void *a, const void *b)
{
    double x = fabs(-log(((const struct slow_token *)a)->p) - h_now), y = fabs(-log(((const struct slow_token *)b)->p) - h_now);
    return x != y ? (x > y) - (x < y) : by_id(a, b);
}

/* The first tokens that reach mass, at least min_keep. */
static size_t reaching(double mass, uint32_t min_keep)
{
    double run = 0;
    size_t n = 0;
    while (n < n_token) {
        run += token[n++].p;
        near(run, mass);
        if (run >= mass && n >= min_keep)
            break;
    }
    return n;
}

static void slow_sigma(const struct lm_sampling *p)
{
    double mean = 0, squares = 0, max = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < n_token; i++) {
        mean += token[i].logit / (double)n_token;
        max = fmax(max, token[i].logit);
    }
    for (size_t i = 0; i < n_token; i++)
        squares += (token[i].logit - mean) * (token[i].logit - mean);
    double least = max - p->top_n_sigma * sqrt(squares / (double)n_token);
    for (size_t i = 0; i < n_token; i++) {
        margin = fmin(margin, fabs(token[i].logit - least));
        if (token[i].logit >= least)
            token[n++] = token[i];
    }
    n_token = n;
}

static void slow_xtc(const struct lm_sampling *p)
{
    size_t n_above = 0;
    for (size_t i = 0; i < n_token; i++) {
        near(token[i].p, p->xtc_threshold);
        n_above += token[i].p >= p->xtc_threshold;
    }
    if (n_above < 2 || n_token - (n_above - 1) < p->min_keep)
        return;
    memmove(token, token + n_above - 1, (n_token -= n_above - 1) * sizeof *token);
}

static double slow_temperature(const struct lm_sampling *p)
{
    double low = fmax(p->temperature - p->dynatemp_range, 0);
    for (size_t i = 0; i < n_token; i++)
        token[i].p = exp(token[i].logit);
    normalize();
    double t = low + (p->temperature + p->dynatemp_range - low) * pow(entropy() / log((double)n_token), p->dynatemp_exponent);
    return p->dynatemp_range > 0 ? fmax(t, 0.01) : p->temperature;
}

static void slow_filter(const struct lm_sampling *p, double second)
{
    double t = slow_temperature(p);
    if (p->top_n_sigma > 0)
        slow_sigma(p);
    for (size_t i = 0; i < n_token; i++)
        token[i].p = exp(token[i].logit / t);
    normalize();
    size_t top_k = (size_t)p->top_k > p->min_keep ? (size_t)p->top_k : p->min_keep;
    if (p->top_k > 0 && top_k < n_token)
        n_token = top_k;
    normalize();
    if (p->typical_p > 0) {
        h_now = entropy();
        qsort(token, n_token, sizeof *token, by_typicality);
        n_token = reaching(p->typical_p, p->min_keep);
        normalize();
    }
    n_token = p->top_p < 1 ? reaching(p->top_p, p->min_keep) : n_token;
    normalize();
    size_t n = 0;
    for (; n < n_token && (token[n].p >= p->min_p * token[0].p || n < p->min_keep); n++)
        near(token[n].p, p->min_p * token[0].p);
    if (n < n_token)
        near(token[n].p, p->min_p * token[0].p);
    n_token = n;
    normalize();
    if (second < p->xtc_probability)
        slow_xtc(p);
    normalize();
}

static int32_t slow_draw(double u)
{
    double run = 0;
    qsort(token, n_token, sizeof *token, by_id);
    for (size_t i = 0; i < n_token; i++) {
        run += token[i].p;
        near(run, u);
        if (run >= u)
            return token[i].id;
    }
    return token[n_token - 1].id;
}

static struct lm_sampling random_sampling(void)
{
    struct lm_sampling p = {.temperature = rnd_real(0.3f, 2), .top_p = 1, .repetition = 1, .seed = rnd(1 << 30), .counter = rnd(100)};
    p.top_k = rnd(2) ? 0 : 1 + (int32_t)rnd(60);
    p.top_p = rnd(2) ? 1 : rnd_real(0.1f, 1);
    p.min_p = rnd(2) ? 0 : rnd_real(0, 0.3f);
    p.min_keep = rnd(2) ? 0 : rnd(20);
    p.top_n_sigma = rnd(2) ? 0 : rnd_real(0.5f, 3);
    p.typical_p = rnd(2) ? 0 : rnd_real(0.1f, 0.99f);
    p.xtc_probability = rnd(2) ? 0 : rnd_real(0.3f, 1);
    p.xtc_threshold = rnd_real(0.01f, 0.5f);
    p.dynatemp_range = rnd(2) ? 0 : rnd_real(0.05f, 1.5f);
    p.dynatemp_exponent = rnd_real(0.5f, 2);
    return p;
}

static void random_row(float *x)
{
    float spread = rnd_real(1, 6);
    for (size_t i = 0; i < N; i++) {
        x[i] = spread * (rnd_real(-1, 1) + rnd_real(-1, 1));
        token[i] = (struct slow_token){.logit = x[i], .id = (int32_t)i};
    }
    n_token = N;
}

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

START_TEST(test_ops_sample_filter__agrees_with_sorting_everything)
{
    float x[N];
    size_t compared = 0;
    rng_state = 1;
    for (int trial = 0; trial < 4000; trial++) {
        random_row(x);
        struct lm_sampling p = random_sampling();
        double second, u = lm_philox_uniforms(p.seed, p.counter, &second);
        margin = INFINITY;
        slow_filter(&p, second);
        int32_t want = slow_draw(u);
        if (margin < 1e-4 || !lm_sample_has_filters(&p))
            continue;
        compared++;
        ck_assert_msg(sample(x, N, &p).token == want, "trial %d", trial);
    }
    ck_assert_uint_gt(compared, 1500);
}
END_TEST

START_TEST(test_ops_sample_filter__mirostat_2_keeps_what_surprises_little)
{
    float x[4] = {0, logf(2), logf(4), logf(9)}; /* of 16: 4, 3, 2 and less than one bit */
    struct lm_sampling p = {.temperature = 1, .top_p = 1, .repetition = 1, .mirostat = 2, .mirostat_mu = 2.1f};
    double bits = 0;
    size_t n_last = 0;
    for (p.seed = 0; p.seed < 2000; p.seed++) {
        struct lm_sampled out = sample(x, 4, &p);
        ck_assert_int_ge(out.token, 2);
        n_last += out.token == 3;
        bits = out.token == 2 ? (double)out.surprise : bits;
    }
    ck_assert_double_eq_tol(bits, log2(13.0 / 4), 1e-5);
    ck_assert_double_eq_tol((double)n_last / 2000, 9.0 / 13, 0.03);
    p.mirostat_mu = -5; /* nothing would be left: the likeliest is */
    ck_assert_int_eq(sample(x, 4, &p).token, 3);
}
END_TEST

/* On logits -ln(rank)/s' the estimate of the exponent is exact, and so is k. */
START_TEST(test_ops_sample_filter__mirostat_1_estimates_k_from_a_zipf_tail)
{
    enum { V = 2000 };
    float x[V];
    const double s = 1.2, mu = 6, e = s - 1;
    for (int i = 0; i < V; i++)
        x[i] = (float)(-s * log(i + 1));
    struct lm_sampling p = {.temperature = 1, .top_p = 1, .repetition = 1, .mirostat = 1, .mirostat_mu = (float)mu};
    int32_t k = (int32_t)pow(e * exp2(mu) / (1 - pow(V, -e)), 1 / s), max = 0;
    for (p.seed = 0; p.seed < 3000; p.seed++) {
        int32_t id = sample(x, V, &p).token;
        max = id > max ? id : max;
    }
    ck_assert_int_gt(k, 1);
    ck_assert_int_eq(max, k - 1);
}
END_TEST

START_TEST(test_ops_sample_filter__a_given_token_is_ranked_and_not_drawn)
{
    float x[5] = {1, 3, 2, 3, -INFINITY};
    double log_sum = log(exp(1) + 2 * exp(3) + exp(2));
    for (int32_t id = 0; id < 5; id++) {
        struct lm_sampling p = {.top_p = 1, .repetition = 1, .given = true, .given_token = id, .n_logprobs = 1};
        struct lm_sampled out = sample(x, 5, &p);
        ck_assert_int_eq(out.token, id);
        ck_assert_uint_eq(out.rank, ((const uint32_t[]){4, 1, 3, 1, 5})[id]);
        ck_assert_int_eq(out.top_id[0], 1);
        if (id < 4)
            ck_assert_double_eq_tol(out.logprob, x[id] - log_sum, 1e-5);
        else
            ck_assert(out.logprob == -INFINITY);
    }
}
END_TEST

START_TEST(test_ops_sample_filter__parameters_out_of_range_are_refused)
{
    const struct lm_sampling good = {.temperature = 1, .top_p = 1, .repetition = 1};
    struct lm_sampling bad[] = {good, good, good, good, good, good, good, good};
    bad[0].typical_p = 1.5f;
    bad[1].xtc_probability = -1;
    bad[2].xtc_threshold = NAN;
    bad[3].dynatemp_range = INFINITY;
    bad[4].mirostat = 3;
    bad[5].top_n_sigma = -1;
    bad[6].given = true;
    bad[6].given_token = 10;
    bad[7].mirostat_mu = NAN;
    ck_assert_int_eq(lm_sampling_check(&good, 10, NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(lm_sampling_check(&bad[i], 10, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("ops/sample_filter", test_ops_sample_filter__agrees_with_sorting_everything,
           test_ops_sample_filter__mirostat_2_keeps_what_surprises_little,
           test_ops_sample_filter__mirostat_1_estimates_k_from_a_zipf_tail,
           test_ops_sample_filter__a_given_token_is_ranked_and_not_drawn,
           test_ops_sample_filter__parameters_out_of_range_are_refused)
