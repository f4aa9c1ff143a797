/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/collect.h"
#include "ops/graph.h"
#include "tests/suite.h"

static struct lm_act act[] = {{LM_ROWS_TOK, 2}, {LM_ROWS_TOK, 5}, {LM_ROWS_OUT, 2}};
static const struct lm_graph g = {.act = act, .n_act = 3, .n_vocab = 10};

START_TEST(test_ops_collect__a_sum_is_over_ranks)
{
    const float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40}, *const x[] = {a, b}, want[] = {11, 22, 33, 44};
    const struct lm_op op[2] = {0};
    float y[4];
    lm_allreduce_ref(y, x, op, 2, NULL, 2, 2);
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_collect__rows_of_other_tokens_count_as_zeros)
{
    const float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40}, *const x[] = {a, b}, want[] = {10, 20, 3, 4};
    const struct lm_op op[2] = {{.u.reduce = {0, 7}}, {.u.reduce = {7, 3}}};
    const int32_t token[] = {7, 6};
    float y[4];
    lm_allreduce_ref(y, x, op, 2, token, 2, 2);
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_collect__columns_come_side_by_side)
{
    const float a[] = {1, 2, 3, 4}, b[] = {10, 20}, *const x[] = {a, b}, want[] = {1, 2, 10, 3, 4, 20};
    const size_t dim[] = {2, 1};
    float y[6];
    lm_allgather_ref(y, x, dim, 2, 2);
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_collect__checks_refuse_what_disagrees)
{
    const struct lm_op sum = {.kind = LM_OP_ALLREDUCE, .x = 0, .y = 0}, gather = {.kind = LM_OP_ALLGATHER, .x = 0, .y = 1, .u.gather = {.total = 5}};
    struct lm_op bad[8] = {sum, sum, sum, sum, gather, gather, gather, gather};
    ck_assert_int_eq(lm_allreduce_check(&g, &sum, NULL), 0);
    ck_assert_int_eq(lm_allgather_check(&g, &gather, NULL), 0);
    ck_assert_int_eq(lm_allgather_check(&g, &(struct lm_op){.x = 0, .y = LM_NONE, .u.gather = {.total = 5}}, NULL), 0);
    bad[0].y = 1;
    bad[1].x = 3;
    bad[2].u.reduce.n_token = 11;
    bad[3].x = bad[3].y = 2;
    bad[3].u.reduce.n_token = 1;
    bad[4].y = 0;
    bad[5].y = 2;
    bad[6].x = 1, bad[6].y = 0;
    bad[7].u.gather.first = 5 - 1;
    for (int i = 0; i < 8; i++)
        ck_assert_msg((i < 4 ? lm_allreduce_check : lm_allgather_check)(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
}
END_TEST

/* ops: scale, allreduce, scale, scale */
START_TEST(test_ops_collect__a_step_runs_only_what_lies_between)
{
    struct lm_op op[4] = {{.kind = LM_OP_SCALE, .u.scale.scale = 1}, {.kind = LM_OP_ALLREDUCE}, {.kind = LM_OP_SCALE, .u.scale.scale = 1},
                          {.kind = LM_OP_SCALE, .u.scale.scale = 1}};
    const struct lm_graph four = {.act = act, .n_act = 3, .op = op, .n_op = 4, .n_vocab = 10};
    const struct lm_plan_desc plan = {.graph = &four, .max_tok = 1, .max_seq = 1, .max_out = 1, .max_len = 8, .block_size = 8, .n_block = 1};
    static const struct { uint32_t first, end; bool good; } c[] = {
        {0, 1, true}, {2, 4, true}, {4, 4, false}, {0, 0, false}, {0, 4, false}, {1, 4, false}, {2, 3, false}, {3, 4, false}, {2, 5, false}, {2, 1, false},
    };
    const uint32_t seq_row[] = {0};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const struct lm_step step = {.seq_row = seq_row, .first_op = c[i].first, .end_op = c[i].end};
        ck_assert_msg(lm_step_check(&plan, &step, NULL) == (c[i].good ? 0 : LM_EINVAL), "case %zu", i);
    }
}
END_TEST

SUITE_MAIN("ops/collect", test_ops_collect__a_sum_is_over_ranks, test_ops_collect__rows_of_other_tokens_count_as_zeros,
           test_ops_collect__columns_come_side_by_side, test_ops_collect__checks_refuse_what_disagrees,
           test_ops_collect__a_step_runs_only_what_lies_between)
