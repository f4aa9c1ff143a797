/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/layernorm.h"
#include "tests/suite.h"

#include <math.h>

START_TEST(test_ops_layernorm__rows_get_mean_0_and_variance_1)
{
    const float x[] = {1, 2, 3, 6, 10, 10, 10, 14}, w[] = {1, 1, 2, 1}, b[] = {0, 5, 0, 0};
    float y[8];
    lm_layernorm_ref(y, x, w, b, 2, 4, 0, 0);
    const double s = sqrt(3.5), t = sqrt(3);
    const double want[] = {-2 / s, -1 / s + 5, 0, 3 / s, -1 / t, -1 / t + 5, -2 / t, 3 / t};
    for (int i = 0; i < 8; i++)
        ck_assert_float_eq_tol(y[i], want[i], 1e-6);
    lm_layernorm_ref(y, x, NULL, NULL, 1, 4, 4, 0.5f);
    ck_assert_float_eq_tol(y[3], 3 / 2.0, 1e-6);
}
END_TEST

START_TEST(test_ops_layernorm__groups_are_rows_of_their_own)
{
    const float x[] = {1, 2, 3, 6, 10, 10, 10, 14}, w[] = {1, 1, 2, 1, 3, 1, 1, 1};
    float y[8], want[8];
    lm_layernorm_ref(want, x, w, NULL, 1, 4, 0, 0);
    lm_layernorm_ref(want + 4, x + 4, w + 4, NULL, 1, 4, 0, 0);
    lm_layernorm_ref(y, x, w, NULL, 1, 8, 4, 0);
    for (int i = 0; i < 8; i++)
        ck_assert_float_eq(y[i], want[i]);
}
END_TEST

START_TEST(test_ops_layernorm__check_refuses_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 12}, {LM_ROWS_OUT, 12}};
    const struct lm_graph g = {.act = act, .n_act = 2};
    const struct lm_weight row = {.rows = 12, .cols = 1}, wrong = {.rows = 1, .cols = 6};
    const struct lm_op good = {.kind = LM_OP_LAYERNORM, .x = 0, .y = 0, .w = &row, .b = &row, .u.norm = {.eps = 1e-5f}};
    struct lm_op bad[6];
    for (int i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].y = 1;
    bad[1].w = &wrong;
    bad[2].b = &wrong;
    bad[3].u.norm.group = 5;
    bad[4].u.norm.w_add = 1;
    bad[5].u.norm.eps = NAN;
    for (int i = 0; i < 6; i++)
        ck_assert_msg(lm_layernorm_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    struct lm_op op = good;
    ck_assert_int_eq(lm_layernorm_check(&g, &op, NULL), 0);
    op.w = op.b = NULL;
    op.u.norm.group = 12;
    ck_assert_int_eq(lm_layernorm_check(&g, &op, NULL), 0);
}
END_TEST

SUITE_MAIN("ops/layernorm", test_ops_layernorm__rows_get_mean_0_and_variance_1,
           test_ops_layernorm__groups_are_rows_of_their_own, test_ops_layernorm__check_refuses_what_disagrees)
