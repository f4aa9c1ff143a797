/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/copy.h"
#include "tests/suite.h"

static struct lm_act act[] = {{LM_ROWS_TOK, 6}, {LM_ROWS_TOK, 10}, {LM_ROWS_OUT, 10}};
static const struct lm_graph g = {.act = act, .n_act = 3};

START_TEST(test_ops_copy__columns_of_each_head_go_over)
{
    const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    float y[20] = {0};
    struct lm_op op = {.x = 0, .y = 1, .u.copy = {.n_head = 2, .n_head_x = 2, .n = 2, .x_first = 1, .y_first = 3}};
    ck_assert_int_eq(lm_copy_heads_check(&g, &op, NULL), 0);
    lm_copy_heads_ref(y, x, &g, &op, 2);
    const float want[20] = {0, 0, 0, 2, 3, 0, 0, 0, 5, 6, 0, 0, 0, 8, 9, 0, 0, 0, 11, 12};
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_copy__one_head_goes_to_all)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    float y[10] = {0};
    struct lm_op op = {.x = 0, .y = 1, .u.copy = {.n_head = 5, .n_head_x = 1, .n = 1, .x_first = 5, .y_first = 1}};
    ck_assert_int_eq(lm_copy_heads_check(&g, &op, NULL), 0);
    lm_copy_heads_ref(y, x, &g, &op, 1);
    const float want[10] = {0, 6, 0, 6, 0, 6, 0, 6, 0, 6};
    ck_assert_mem_eq(y, want, sizeof want);
}
END_TEST

START_TEST(test_ops_copy__check_refuses_what_disagrees)
{
    const struct lm_op good = {.x = 0, .y = 1, .u.copy = {.n_head = 2, .n_head_x = 2, .n = 2, .x_first = 1, .y_first = 3}};
    struct lm_op bad[9];
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].y = 0;
    bad[1].y = 2;
    bad[2].x = 3;
    bad[3].u.copy.n = 0;
    bad[4].u.copy.n = UINT32_MAX;
    bad[5].u.copy.x_first = 2;
    bad[6].u.copy.y_first = 4;
    bad[7].u.copy.n_head = bad[7].u.copy.n_head_x = 4;
    bad[8].u.copy.n_head = 0;
    for (int i = 0; i < 9; i++)
        ck_assert_msg(lm_copy_heads_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
}
END_TEST

SUITE_MAIN("ops/copy", test_ops_copy__columns_of_each_head_go_over, test_ops_copy__one_head_goes_to_all,
           test_ops_copy__check_refuses_what_disagrees)
