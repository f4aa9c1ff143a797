/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rmsnorm.h"
#include "tests/suite.h"

#include <math.h>

START_TEST(test_ops_rmsnorm__divides_groups_by_their_root_mean_square)
{
    const float x[] = {3, 4, 0, 0, 6, 8, 1, 1}, w[] = {1, 2};
    float y[8];
    lm_rmsnorm_ref(y, x, w, 2, 2, 4, 2, 0, 1);
    const float r = sqrtf(2);
    const float want[] = {3 / 5.0f * r * 2, 4 / 5.0f * r * 3, NAN, NAN, 6 / 10.0f * r * 2, 8 / 10.0f * r * 3, 2, 3};
    for (int i = 0; i < 8; i++)
        ck_assert(isnan(want[i]) ? isnan(y[i]) : fabsf(y[i] - want[i]) < 1e-6f); /* 0 / 0: only eps keeps it finite */
    lm_rmsnorm_ref(y, x, NULL, 0, 1, 8, 8, 1, 0);
    ck_assert_float_eq_tol(y[5], 8 / sqrt((9 + 16 + 36 + 64 + 2) / 8.0 + 1), 1e-6);
}
END_TEST

START_TEST(test_ops_rmsnorm__a_weight_has_the_group_or_the_row)
{
    const float x[] = {1, 1, 1, 1}, w[] = {1, 2, 3, 4};
    float y[4];
    lm_rmsnorm_ref(y, x, w, 4, 1, 4, 2, 0, 0);
    ck_assert_float_eq(y[3], 4);
    lm_rmsnorm_ref(y, x, w, 2, 1, 4, 2, 0, 0);
    ck_assert_float_eq(y[3], 2);
}
END_TEST

START_TEST(test_ops_rmsnorm__check_refuses_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 12}, {LM_ROWS_OUT, 12}, {LM_ROWS_TOK, 6}};
    const struct lm_graph g = {.act = act, .n_act = 3};
    const struct lm_weight row = {.rows = 1, .cols = 12}, group = {.rows = 4, .cols = 1}, wrong = {.rows = 1, .cols = 6};
    const struct lm_op good = {.kind = LM_OP_RMSNORM, .x = 0, .y = 0, .w = &row, .u.norm = {1e-5f, 0, 4}};
    struct lm_op bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].y = 1;
    bad[1].y = 2;
    bad[2].x = 3;
    bad[3].w = &wrong;
    bad[4].u.norm.group = 5;
    bad[5].u.norm.group = 0;
    bad[6].u.norm.eps = -1;
    bad[7].u.norm.w_add = NAN;
    for (int i = 0; i < 8; i++)
        ck_assert_msg(lm_rmsnorm_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    struct lm_op op = good;
    ck_assert_int_eq(lm_rmsnorm_check(&g, &op, NULL), 0);
    op.w = &group;
    ck_assert_int_eq(lm_rmsnorm_check(&g, &op, NULL), 0);
    op.w = NULL;
    ck_assert_int_eq(lm_rmsnorm_check(&g, &op, NULL), 0);
}
END_TEST

SUITE_MAIN("ops/rmsnorm", test_ops_rmsnorm__divides_groups_by_their_root_mean_square,
           test_ops_rmsnorm__a_weight_has_the_group_or_the_row, test_ops_rmsnorm__check_refuses_what_disagrees)
