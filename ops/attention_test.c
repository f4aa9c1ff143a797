/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention.h"
#include "tests/suite.h"

#include <math.h>

/* Two sequences in blocks of 2 that lie in no order; one KV head of 1 column, two query heads. */
static float k_cache[16], v_cache[16];
static const struct lm_kv_ref kv = {.k = k_cache, .v = v_cache, .block_size = 2, .dim = 1, .dtype = LM_KV_F32};
static const uint32_t table[] = {5, 1, 7, 6, 2, 0}, seq_row[] = {0, 4, 5};
static const int32_t pos[] = {0, 1, 2, 3, 0};
static const struct lm_step step = {.n_tok = 5, .n_seq = 2, .pos = pos, .seq_row = seq_row, .block_table = table, .table_stride = 3};
static const float k[] = {1, 2, -1, 0.5f, 3}, v[] = {10, 20, 30, 40, 50}, q[] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1};

static struct lm_op attention(uint32_t window, float softcap)
{
    return (struct lm_op){.kind = LM_OP_ATTENTION, .u.attn = {0, 2, 1, 1, 0.5f, softcap, window}};
}

START_TEST(test_ops_attention__store_follows_the_block_table)
{
    const struct lm_op op = attention(0, 0);
    lm_kv_store_ref(&kv, &op, &step, k, v);
    ck_assert_float_eq(k_cache[10], 1);
    ck_assert_float_eq(k_cache[11], 2);
    ck_assert_float_eq(k_cache[2], -1);
    ck_assert_float_eq(v_cache[3], 40);
    ck_assert_float_eq(v_cache[12], 50);
}
END_TEST

START_TEST(test_ops_attention__rows_see_their_past_and_no_other)
{
    float y[10];
    const struct lm_op op = attention(0, 0);
    lm_kv_store_ref(&kv, &op, &step, k, v);
    lm_attention_ref(y, &op, &kv, &step, q, NULL);
    const float mean[] = {10, 15, 20, 25, 50}; /* head 0: q is 0, all weigh the same */
    for (int r = 0; r < 5; r++)
        ck_assert_float_eq_tol(y[2 * r], mean[r], 1e-5);
    double a = exp(0.5), b = exp(1), c = exp(-0.5);
    ck_assert_float_eq_tol(y[5], (10 * a + 20 * b + 30 * c) / (a + b + c), 1e-5);
}
END_TEST

START_TEST(test_ops_attention__window_and_softcap)
{
    float y[10];
    struct lm_op op = attention(2, 0);
    lm_kv_store_ref(&kv, &op, &step, k, v);
    lm_attention_ref(y, &op, &kv, &step, q, NULL);
    ck_assert_float_eq_tol(y[0], 10, 1e-5);
    ck_assert_float_eq_tol(y[6], 35, 1e-5); /* positions 2 and 3 */
    op = attention(0, 0.25f);
    lm_attention_ref(y, &op, &kv, &step, q, NULL);
    double a = exp(0.25 * tanh(2)), b = exp(0.25 * tanh(4));
    ck_assert_float_eq_tol(y[3], (10 * a + 20 * b) / (a + b), 1e-5);
}
END_TEST

START_TEST(test_ops_attention__a_sink_takes_its_share)
{
    const float sink[] = {logf(3), -INFINITY};
    float y[10];
    const struct lm_op op = attention(0, 0);
    lm_kv_store_ref(&kv, &op, &step, k, v);
    lm_attention_ref(y, &op, &kv, &step, q, sink);
    ck_assert_float_eq_tol(y[0], 10 / 4.0, 1e-5); /* q is 0: the one position weighs 1, the sink 3 */
    ck_assert_float_eq_tol(y[6], 25 * 4 / 7.0, 1e-5);
    ck_assert_float_eq_tol(y[1], 10, 1e-5);
}
END_TEST

START_TEST(test_ops_attention__slopes_favour_what_is_near)
{
    const float slope[] = {logf(2), 0};
    float y[10];
    struct lm_op op = attention(0, 0);
    op.u.attn.slope = slope;
    lm_kv_store_ref(&kv, &op, &step, k, v);
    lm_attention_ref(y, &op, &kv, &step, q, NULL);
    ck_assert_float_eq_tol(y[6], (10 / 8.0 + 20 / 4.0 + 30 / 2.0 + 40) / (1 / 8.0 + 1 / 4.0 + 1 / 2.0 + 1), 1e-4);
}
END_TEST

START_TEST(test_ops_attention__values_may_be_narrower_than_keys)
{
    const float k2[] = {0, 9, 0, 9, 0, 9, 0, 9, 0, 9}, q2[20] = {0};
    float keys[32], y[10];
    const struct lm_kv_ref two = {.k = keys, .v = v_cache, .block_size = 2, .dim = 2, .dtype = LM_KV_F32, .v_dim = 1};
    struct lm_op op = attention(0, 0);
    op.u.attn.head_dim = 2;
    op.u.attn.v_dim = 1;
    lm_kv_store_ref(&two, &op, &step, k2, v);
    lm_attention_ref(y, &op, &two, &step, q2, NULL);
    ck_assert_float_eq_tol(y[2], 15, 1e-5);
    ck_assert_float_eq_tol(y[8], 50, 1e-5);
}
END_TEST

START_TEST(test_ops_attention__cache_types_round)
{
    const float x[] = {1.0001f, 1.0006f, -7, 0.4f}, zero[2] = {0};
    const struct { enum lm_kv_dtype dtype; float y[4]; } c[] = {
        {LM_KV_F32, {1.0001f, 1.0006f, -7, 0.4f}},
        {LM_KV_F16, {1, 1 + 1 / 1024.0f, -7, 0.399902344f}},
        {LM_KV_BF16, {1, 1, -7, 0.400390625f}},
        {LM_KV_I8, {18 * 7 / 127.0f, 18 * 7 / 127.0f, -7, 7 * 7 / 127.0f}},
        {LM_KV_I4, {1, 1, -7, 0}},
        {LM_KV_E4M3, {1, 1, -7, 0.40625f}},
        {LM_KV_E5M2, {1, 1, -7, 0.375f}},
    };
    float y[4];
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        lm_kv_round(c[i].dtype, 4, x, y);
        for (int j = 0; j < 4; j++)
            ck_assert_float_eq_tol(y[j], c[i].y[j], 1e-6);
        lm_kv_round(c[i].dtype, 2, zero, y);
        ck_assert(y[0] == 0 && y[1] == 0);
    }
}
END_TEST

START_TEST(test_ops_attention__check_refuses_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 32}, {LM_ROWS_TOK, 16}, {LM_ROWS_OUT, 32}, {LM_ROWS_TOK, 32}};
    const uint32_t dims[] = {16};
    const struct lm_graph g = {.act = act, .n_act = 4, .n_layer = 1, .kv_head_dim = dims};
    const struct lm_op good = {.kind = LM_OP_ATTENTION, .x = 0, .y = 3, .u.attn = {0, 4, 2, 8, 1, 0, 0}};
    struct lm_op bad[11];
    for (int i = 0; i < 11; i++)
        bad[i] = good;
    bad[0].x = 1;
    bad[1].y = 2;
    bad[2].y = 0;
    bad[3].u.attn.layer = 1;
    bad[4].u.attn.n_head = 3;
    bad[5].u.attn.n_head = 0;
    bad[6].u.attn.n_kv_head = 0;
    bad[7].u.attn.head_dim = 16;
    bad[8].u.attn.scale = NAN;
    bad[9].u.attn.softcap = -1;
    bad[10].u.attn.n_head = 8;
    for (int i = 0; i < 11; i++)
        ck_assert_msg(lm_attention_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    ck_assert_int_eq(lm_attention_check(&g, &good, NULL), 0);
    struct lm_op store = {.kind = LM_OP_KV_STORE, .x = 1, .x2 = 1, .y = LM_NONE, .u.attn = {.n_kv_head = 2, .head_dim = 8}};
    ck_assert_int_eq(lm_kv_store_check(&g, &store, NULL), 0);
    store.x2 = 0;
    ck_assert_int_eq(lm_kv_store_check(&g, &store, NULL), LM_EINVAL);
    store.x2 = 1;
    store.x = LM_NONE;
    ck_assert_int_eq(lm_kv_store_check(&g, &store, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("ops/attention", test_ops_attention__store_follows_the_block_table, test_ops_attention__rows_see_their_past_and_no_other,
           test_ops_attention__window_and_softcap, test_ops_attention__a_sink_takes_its_share,
           test_ops_attention__slopes_favour_what_is_near, test_ops_attention__values_may_be_narrower_than_keys,
           test_ops_attention__cache_types_round, test_ops_attention__check_refuses_what_disagrees)
