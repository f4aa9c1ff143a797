/* SPDX-License-Identifier: Apache-2.0 */
/* Every weight type, of random blocks, read back from the device by the embedding op. */
#include PLUGIN_TEST_H
#include "tests/suite.h"

#include <math.h>

enum { ROWS = 70, COLS = 512 };

static uint64_t rng = 1;

static uint32_t random_u32(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

/* Random bytes, again until all values are finite and those that become f16 fit; what is no block gets plain numbers. */
static void random_block(uint32_t qtype, const struct lm_qtype_info *q, uint8_t *block, float *out)
{
    for (int tries = 0; tries < 100000; tries++) {
        bool good = true;
        for (uint32_t i = 0; i < q->block_bytes; i++)
            block[i] = (uint8_t)random_u32();
        if (qtype == LM_Q_F64)
            memcpy(block, &(double){(double)random_u32() / 4e9 - 0.5}, 8);
        q->dequantize(block, out, 1);
        for (uint32_t i = 0; i < q->block; i++)
            good = good && isfinite(out[i]) && fabsf(out[i]) < 60000;
        if (good)
            return;
    }
    ck_abort_msg("%s: no finite block in 100000", q->name);
}

static void read_back(const struct lm_backend *be, struct lm_dev *dev, const struct lm_weight *w, float *out)
{
    struct lm_act act = {LM_ROWS_TOK, COLS};
    struct lm_op op = {.kind = LM_OP_EMBED, .x = LM_NONE, .x2 = LM_NONE, .y = 0, .w = w, .u.embed.scale = 1};
    const struct lm_graph g = {.act = &act, .n_act = 1, .op = &op, .n_op = 1, .n_vocab = ROWS};
    const struct lm_plan_desc desc = {.graph = &g, .max_tok = ROWS, .max_seq = 1, .max_len = 128, .block_size = 16, .n_block = 8};
    int32_t token[ROWS], pos[ROWS];
    const uint32_t seq_row[] = {0, ROWS}, table[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    const struct lm_step step = {.n_tok = ROWS, .n_seq = 1, .token = token, .pos = pos, .seq_row = seq_row, .block_table = table, .table_stride = 8};
    struct lm_plan *plan = NULL;
    struct lm_err err = {0};
    for (int i = 0; i < ROWS; i++)
        token[i] = pos[i] = i;
    ck_assert_msg(be->prepare(dev, &desc, &plan, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->launch(dev, plan, &step, &err) == 0 && be->sync(dev, 60000000, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->copy_out(dev, plan, 0, out, ROWS, &err) == 0, "%s", err.msg);
    be->release(dev, plan);
}

static bool has_kind(uint32_t t)
{
    return t <= LM_Q_Q8_0 || (t >= LM_Q_Q2_K && t <= LM_Q_Q6_K) || t == LM_Q_IQ4_NL || t == LM_Q_IQ4_XS || t == LM_Q_MXFP4 || t == LM_Q_BF16;
}

static void type_agrees(const struct lm_backend *be, struct lm_dev *dev, uint32_t qtype, const struct lm_qtype_info *q)
{
    static float ref[ROWS * COLS], got[ROWS * COLS];
    struct lm_weight_desc desc = {.qtype = qtype, .rows = ROWS, .cols = COLS, .use = LM_USE_EMBED};
    size_t row = lm_qtype_row_bytes(qtype, COLS), n = COLS / q->block;
    uint8_t *data = calloc(ROWS, row);
    struct lm_weight *w = NULL;
    struct lm_err err = {0};
    bool ready;
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < ROWS * n; i++)
        random_block(qtype, q, data + i * q->block_bytes, ref + i * q->block);
    ck_assert_msg(be->weight_create(dev, &desc, &w, &ready, &err) == 0, "%s: %s", q->name, err.msg);
    ck_assert_msg(be->pack(dev, w, 0, 64, data, &err) == 0, "%s: %s", q->name, err.msg);
    ck_assert_msg(be->pack(dev, w, 64, ROWS - 64, data + 64 * row, &err) == 0, "%s: %s", q->name, err.msg);
    read_back(be, dev, w, got);
    double tol = has_kind(qtype) ? 1e-6 : 5e-4; /* the others become f16 */
    for (int i = 0; i < ROWS * COLS; i++)
        if (!(fabs((double)got[i] - ref[i]) <= tol * fabs((double)ref[i]) + 1e-6))
            ck_abort_msg("%s: row %d column %d: %g, not %g", q->name, i / COLS, i % COLS, (double)got[i], (double)ref[i]);
    be->weight_destroy(dev, w);
    free(data);
}

START_TEST(test_gpu_plugin_weight__every_type_is_read_back)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev;
    struct lm_err err;
    int n = 0;
    ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = option, .n_option = n_option}, &dev, &err), 0);
    for (uint32_t t = 0; t < LM_Q_GGUF_END; t++) {
        const struct lm_qtype_info *q = lm_qtype_info(t);
        if (q && q->dequantize) {
            type_agrees(be, dev, t, q);
            n++;
        }
    }
    ck_assert_int_gt(n, 25);
    for (uint32_t t = LM_Q_LOW_BIT; t < LM_Q_LOW_BIT_END; t++)
        type_agrees(be, dev, t, lm_qtype_info(t));
    be->close(dev);
}
END_TEST

START_TEST(test_gpu_plugin_weight__what_is_none_or_out_of_order_is_refused)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_backend *be = test_plugin();
    struct lm_weight_desc desc = {.qtype = LM_Q_I8, .rows = 4, .cols = 32, .use = LM_USE_MATMUL};
    static const uint8_t zeros[128 * 34];
    struct lm_weight *w = NULL;
    struct lm_dev *dev;
    struct lm_err err;
    bool ready;
    ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = option, .n_option = n_option}, &dev, &err), 0);
    ck_assert_int_eq(be->weight_create(dev, &desc, &w, &ready, &err), LM_EUNSUPPORTED);
    desc.qtype = LM_Q_LOW_BIT_END;
    ck_assert_int_eq(be->weight_create(dev, &desc, &w, &ready, &err), LM_EUNSUPPORTED);
    desc = (struct lm_weight_desc){.qtype = LM_Q_Q8_0, .rows = 128, .cols = 33, .use = LM_USE_MATMUL};
    ck_assert_int_eq(be->weight_create(dev, &desc, &w, &ready, &err), LM_EINVAL);
    desc.cols = 32;
    ck_assert_int_eq(be->weight_create(dev, &desc, &w, &ready, &err), 0);
    ck_assert_int_eq(be->pack(dev, w, 64, 64, zeros, &err), LM_EINVAL);
    ck_assert_int_eq(be->pack(dev, w, 0, 63, zeros, &err), LM_EINVAL);
    ck_assert_int_eq(be->pack(dev, w, 0, 64, zeros, &err), 0);
    ck_assert_int_eq(be->pack(dev, w, 64, 65, zeros, &err), LM_EINVAL);
    ck_assert_int_eq(be->pack(dev, w, 64, 64, zeros, &err), 0);
    be->weight_destroy(dev, w);
    be->close(dev);
}
END_TEST

SUITE_MAIN("gpu/plugin_weight", test_gpu_plugin_weight__every_type_is_read_back, test_gpu_plugin_weight__what_is_none_or_out_of_order_is_refused)
