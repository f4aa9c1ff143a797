/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/lora.h"
#include "tests/suite.h"

/* A weight whose numbers stand behind it. */
struct matrix {
    struct lm_weight w;
    float v[8];
};

static const float *numbers(void *arg, const struct lm_weight *w)
{
    return ((const struct matrix *)w)->v;
}

static struct lm_act act[] = {{LM_ROWS_TOK, 2}, {LM_ROWS_TOK, 3}, {LM_ROWS_OUT, 3}};
static const struct matrix a0 = {{.rows = 1, .cols = 2}, {1, 10}}, b0 = {{.rows = 1, .cols = 3}, {1, 2, 3}};
static const struct matrix a1 = {{.rows = 2, .cols = 2}, {1, 0, 0, 1}}, b1 = {{.rows = 2, .cols = 3}, {1, 0, 1, 0, 1, 1}};
static const struct lm_lora slot[] = {{&a0.w, &b0.w, 2}, {&a1.w, &b1.w, 0.5f}, {NULL, NULL, 0}};
static const struct lm_graph good = {.act = act, .n_act = 3, .n_lora = 3, .lora_rank = 2};
static const struct lm_op op = {.kind = LM_OP_LORA_MATMUL, .x = 0, .y = 1, .u.lora.slot = slot};

START_TEST(test_ops_lora__each_row_gets_its_own_adapter)
{
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int32_t of[] = {0, 1, -1, 2};
    float y[12] = {100, 100, 100, 0, 0, 0, 7, 8, 9, 1, 2, 3};
    const float want[12] = {100 + 42, 100 + 84, 100 + 126, 1.5f, 2, 3.5f, 7, 8, 9, 1, 2, 3};
    ck_assert_int_eq(lm_lora_matmul_check(&good, &op, NULL), 0);
    lm_lora_matmul_ref(y, x, &good, &op, of, 4, numbers, NULL);
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_lora__rows_follow_their_sequences)
{
    const uint32_t seq_row[] = {0, 2, 3, 6}, out_row[] = {5, 0, 2};
    const int32_t lora[] = {1, -1, 0};
    const struct lm_step step = {.n_tok = 6, .n_seq = 3, .n_out = 3, .seq_row = seq_row, .out_row = out_row, .lora = lora};
    int32_t row[6], out[3];
    lm_lora_rows(&step, row, out);
    const int32_t want[] = {1, 1, -1, 0, 0, 0}, want_out[] = {0, 1, -1};
    ck_assert_mem_eq(row, want, sizeof want);
    ck_assert_mem_eq(out, want_out, sizeof want_out);
}
END_TEST

START_TEST(test_ops_lora__check_refuses_what_disagrees)
{
    struct lm_op bad[] = {op, op, op, op, op};
    struct lm_graph g[] = {good, good};
    bad[0].y = 0;
    bad[1].y = 2;
    bad[2].x = 3;
    bad[3].u.lora.slot = NULL;
    bad[4].y = LM_NONE;
    for (int i = 0; i < 5; i++)
        ck_assert_msg(lm_lora_matmul_check(&good, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    g[0].n_lora = 0;
    g[1].lora_rank = 0;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(lm_lora_matmul_check(&g[i], &op, NULL), LM_EINVAL);
}
END_TEST

START_TEST(test_ops_lora__a_step_may_only_have_slots_that_fit)
{
    static const struct matrix wide = {{.rows = 1, .cols = 3}, {0}}, high = {{.rows = 3, .cols = 2}, {0}}, high_b = {{.rows = 3, .cols = 3}, {0}};
    const struct lm_lora bad[] = {{&a0.w, NULL, 1}, {NULL, &b0.w, 1}, {&a0.w, &b1.w, 1}, {&wide.w, &b0.w, 1}, {&a0.w, &a0.w, 1},
                                  {&high.w, &high_b.w, 1}, {&a0.w, &b0.w, 0.0f / 0.0f}};
    int32_t lora[] = {-1, 0, 0};
    struct lm_op ops[] = {op, op};
    struct lm_graph g = good;
    g.op = ops;
    g.n_op = 2;
    const struct lm_step step = {.n_seq = 3, .lora = lora};
    for (int32_t s = 0; s < 3; s++) {
        lora[2] = s;
        ck_assert_int_eq(lm_lora_step_check(&g, &step, NULL), 0);
    }
    lora[2] = 3;
    ck_assert_int_eq(lm_lora_step_check(&g, &step, NULL), LM_EINVAL);
    lora[2] = -2;
    ck_assert_int_eq(lm_lora_step_check(&g, &step, NULL), LM_EINVAL);
    lora[2] = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ops[1].u.lora.slot = &bad[i];
        ck_assert_msg(lm_lora_step_check(&g, &step, NULL) == LM_EINVAL, "case %zu", i);
    }
}
END_TEST

SUITE_MAIN("ops/lora", test_ops_lora__each_row_gets_its_own_adapter, test_ops_lora__rows_follow_their_sequences,
           test_ops_lora__check_refuses_what_disagrees, test_ops_lora__a_step_may_only_have_slots_that_fit)
