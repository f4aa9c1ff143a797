/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/matmul.h"
#include "tests/suite.h"

START_TEST(test_ops_matmul__outputs_are_rows_of_the_weight)
{
    const float x[] = {1, 2, 3, 0, -1, 1}, w[] = {1, 0, 0, 1, 1, 1, 0, 2, 0, 1e8f, 1, -1e8f}, b[] = {0, 10, 0, 0};
    const float want[] = {1, 16, 4, -2e8f + 2, 0, 10, -2, -1e8f - 1};
    float y[8];
    lm_matmul_ref(y, x, w, b, 2, 4, 3);
    for (int i = 0; i < 8; i++)
        ck_assert_float_eq(y[i], want[i]);
    lm_matmul_ref(y, x, w, NULL, 1, 2, 3);
    ck_assert_float_eq(y[1], 6);
}
END_TEST

START_TEST(test_ops_matmul__check_refuses_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 8}, {LM_ROWS_TOK, 5}, {LM_ROWS_OUT, 5}, {LM_ROWS_TOK, 8}};
    const struct lm_graph g = {.act = act, .n_act = 4};
    const struct lm_weight w = {.rows = 5, .cols = 8}, square = {.rows = 8, .cols = 8}, b = {.rows = 1, .cols = 5}, wide = {.rows = 5, .cols = 9};
    const struct lm_op bad[] = {
        {.x = 0, .y = 1},           {.x = 1, .y = 1, .w = &w}, {.x = 0, .y = 2, .w = &w},
        {.x = 0, .y = 3, .w = &w},  {.x = 4, .y = 1, .w = &w}, {.x = 0, .y = LM_NONE, .w = &w},
        {.x = 0, .y = 1, .w = &wide}, {.x = 0, .y = 0, .w = &square}, {.x = 0, .y = 1, .w = &w, .b = &w},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(lm_matmul_check(&g, &bad[i], NULL) == LM_EINVAL, "case %zu", i);
    const struct lm_op good = {.x = 0, .y = 1, .w = &w, .b = &b};
    ck_assert_int_eq(lm_matmul_check(&g, &good, NULL), 0);
}
END_TEST

SUITE_MAIN("ops/matmul", test_ops_matmul__outputs_are_rows_of_the_weight, test_ops_matmul__check_refuses_what_disagrees)
