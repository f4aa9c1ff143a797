/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that the device draws, beside those of lm_sample() from the same logits. */
#include "backends/cl/plugin_test.h"
#include "ops/sample.h"
#include "tests/suite.h"

#include <math.h>

enum { ROWS = 48, VOCAB = 5003 };

static uint64_t rng = 7;

static float random_float(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (float)(rng >> 40) / (float)(1 << 24);
}

/* Logits that lie near one another in some rows, are equal in groups in some, and are forbidden in places. */
static void fill_row(float *x, int row)
{
    for (int i = 0; i < VOCAB; i++) {
        x[i] = 8 * random_float() - 4;
        if (row % 3 == 1)
            x[i] = floorf(2 * x[i]) / 2;
        if (row % 5 == 2 && i % 7 == 0)
            x[i] = -INFINITY;
        if (row % 4 == 3)
            x[i] *= 5;
    }
}

static struct lm_sampling sampling_of(int row, uint64_t counter)
{
    static const int32_t top_k[] = {0, 1, 3, 50, 4000, VOCAB, -1};
    static const float top_p[] = {1, 0.9f, 0.5f, 0.999f, 0.05f}, min_p[] = {0, 0, 0.1f, 0.7f}, temperature[] = {1, 0.7f, 0.2f, 1.8f, 0.01f, 0};
    return (struct lm_sampling){.temperature = temperature[row % 6], .top_k = top_k[row % 7], .top_p = top_p[row % 5], .min_p = min_p[row % 4],
                                .repetition = 1, .seed = 1234 + (uint64_t)row, .counter = counter};
}

static void compare(const struct lm_backend *be, struct lm_dev *dev, struct lm_plan *plan, uint64_t counter, bool nan_in_row_0)
{
    static float x[ROWS * VOCAB];
    struct lm_sampling sampling[ROWS];
    struct lm_sampled got[ROWS], want;
    uint32_t row_of[ROWS], seq_row[] = {0, ROWS};
    int32_t token[ROWS] = {0}, pos[ROWS];
    static const uint32_t table[] = {0, 1, 2, 3, 4, 5};
    void *scratch = malloc(lm_sample_scratch_bytes(VOCAB));
    struct lm_err err = {0};
    for (int r = 0; r < ROWS; r++) {
        fill_row(x + r * VOCAB, r);
        sampling[r] = sampling_of(r, counter);
        row_of[r] = (uint32_t)r;
        pos[r] = r;
    }
    if (nan_in_row_0)
        x[4711] = NAN;
    sampling[5].logprob = true; /* the host's */
    const struct lm_step step = {.n_tok = ROWS, .n_seq = 1, .n_out = ROWS, .token = token, .pos = pos, .seq_row = seq_row, .block_table = table,
                                 .table_stride = 6, .out_row = row_of, .sampling = sampling, .sampled = got};
    ck_assert_ptr_nonnull(scratch);
    ck_assert_msg(be->copy_in(dev, plan, 0, x, ROWS, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->launch(dev, plan, &step, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->sync(dev, 60000000, &err) == 0, "%s", err.msg);
    for (int r = 0; r < ROWS; r++) {
        lm_sample(x + r * VOCAB, VOCAB, &sampling[r], &want, scratch);
        ck_assert_msg(got[r].token == want.token, "row %d, counter %llu: token %d, not %d (temperature %g, top_k %d, top_p %g, min_p %g)", r,
                      (unsigned long long)counter, got[r].token, want.token, (double)sampling[r].temperature, sampling[r].top_k,
                      (double)sampling[r].top_p, (double)sampling[r].min_p);
        ck_assert_float_eq_tol(got[r].logprob, want.logprob, 1e-5);
    }
    free(scratch);
}

START_TEST(test_cl_sample__draws_what_the_reference_draws)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_backend *be = test_plugin();
    struct lm_act act = {LM_ROWS_OUT, VOCAB};
    struct lm_op op = {.kind = LM_OP_SAMPLE, .x = 0, .x2 = LM_NONE, .y = LM_NONE};
    const struct lm_graph g = {.act = &act, .n_act = 1, .op = &op, .n_op = 1, .n_vocab = VOCAB};
    const struct lm_plan_desc desc = {.graph = &g, .max_tok = ROWS, .max_seq = 1, .max_out = ROWS, .max_len = 128, .block_size = 8, .n_block = 6};
    struct lm_plan *plan;
    struct lm_dev *dev;
    struct lm_err err = {0};
    ck_assert_msg(be->open(&(struct lm_open_desc){.option = option, .n_option = n_option}, &dev, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->prepare(dev, &desc, &plan, &err) == 0, "%s", err.msg);
    for (uint64_t counter = 0; counter < 6; counter++)
        compare(be, dev, plan, counter, counter == 3);
    be->release(dev, plan);
    be->close(dev);
}
END_TEST

SUITE_MAIN("cl/sample", test_cl_sample__draws_what_the_reference_draws)
