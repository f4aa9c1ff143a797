/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/moe.h"
#include "tests/suite.h"

#include <math.h>

enum { N = 6 };

static const float x[N] = {1, 3, -2, 2.5f, 0, 2};

static void route(float *y, const struct lm_op *op, const float *b, size_t n_used)
{
    lm_moe_route_ref(y, x, b, op, 1, N, n_used);
}

static double softmax(int e)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += exp(x[i]);
    return exp(x[e]) / sum;
}

START_TEST(test_ops_moe__softmax_chooses_the_largest)
{
    float y[4];
    struct lm_op op = {.u.route = {.score = LM_MOE_SOFTMAX, .scale = 2}};
    route(y, &op, NULL, 2);
    ck_assert_float_eq(y[0], 1);
    ck_assert_float_eq(y[1], 3);
    ck_assert_float_eq_tol(y[2], 2 * softmax(1), 1e-6);
    ck_assert_float_eq_tol(y[3], 2 * softmax(3), 1e-6);
    op.u.route.norm = true;
    route(y, &op, NULL, 2);
    ck_assert_float_eq_tol(y[2] + y[3], 2, 1e-6);
    ck_assert_float_eq_tol(y[2] / y[3], exp(0.5), 1e-5);
    op.u.route = (typeof(op.u.route)){.score = LM_MOE_SOFTMAX_CHOSEN, .scale = 1};
    route(y, &op, NULL, 2);
    ck_assert_float_eq_tol(y[2], 1 / (1 + exp(-0.5)), 1e-6);
}
END_TEST

START_TEST(test_ops_moe__a_bias_changes_the_choice_and_not_the_weight)
{
    float y[4];
    const float b[N] = {0, 0, 5, 0, 0, 0.2f};
    const struct lm_op op = {.u.route = {.score = LM_MOE_SIGMOID, .scale = 1}};
    route(y, &op, b, 2);
    ck_assert_float_eq(y[0], 2);
    ck_assert_float_eq(y[1], 5);
    ck_assert_float_eq_tol(y[2], 1 / (1 + exp(2)), 1e-6);
    ck_assert_float_eq_tol(y[3], 1 / (1 + exp(-2)), 1e-6);
}
END_TEST

START_TEST(test_ops_moe__experts_of_other_groups_are_left_out)
{
    float y[4];
    struct lm_op op = {.u.route = {.score = LM_MOE_SIGMOID, .n_group = 3, .n_group_used = 1, .group_top = 1, .scale = 1}};
    route(y, &op, NULL, 2); /* groups (1, 3), (-2, 2.5), (0, 2) */
    ck_assert_float_eq(y[0], 1);
    ck_assert_float_eq(y[1], 0);
    const float b[N] = {0, 0, 1, 0, 1, 0}; /* by the best two, with the bias, the third is the best */
    op.u.route.group_top = 2;
    route(y, &op, b, 2);
    ck_assert_float_eq(y[0], 4);
    ck_assert_float_eq(y[1], 5);
}
END_TEST

START_TEST(test_ops_moe__numbers_that_are_none_choose_experts_still)
{
    const float bad[4] = {NAN, NAN, NAN, NAN};
    float y[4];
    const struct lm_op op = {.u.route = {.score = LM_MOE_SOFTMAX, .scale = 1}};
    lm_moe_route_ref(y, bad, NULL, &op, 1, 4, 2);
    ck_assert_float_eq(y[0], 0);
    ck_assert_float_eq(y[1], 1);
    const float route_of[] = {-1, 2, NAN, 7};
    const struct lm_op all = {.u.moe = {.n_expert = 4}}, some = {.u.moe = {.n_expert = 2, .first = 1, .total = 4}};
    ck_assert_uint_eq(lm_moe_expert(route_of, 0, &all), 0);
    ck_assert_uint_eq(lm_moe_expert(route_of, 1, &all), 2);
    ck_assert_uint_eq(lm_moe_expert(route_of, 2, &all), 0);
    ck_assert_uint_eq(lm_moe_expert(route_of, 3, &all), 0);
    ck_assert_uint_eq(lm_moe_expert(NULL, 3, &all), 3);
    ck_assert_uint_eq(lm_moe_expert(route_of, 1, &some), 1);
    ck_assert_uint_eq(lm_moe_expert(route_of, 3, &some), LM_NONE);
}
END_TEST

/* Weights of 2 x 3; the handle is the first member, as a backend would have it. */
struct weight {
    struct lm_weight w;
    float f[6];
};

static struct weight experts[3] = {{{.rows = 2, .cols = 3}, {1, 0, 0, 0, 1, 0}}, {{.rows = 2, .cols = 3}, {0, 0, 1, 1, 1, 1}},
                                   {{.rows = 2, .cols = 3}, {2, 0, 0, 0, 0, 2}}};
static struct weight biases[3] = {{{.rows = 1, .cols = 2}, {0, 0}}, {{.rows = 1, .cols = 2}, {10, 20}}, {{.rows = 1, .cols = 2}, {0, 1}}};
static const struct lm_weight *const w[3] = {&experts[0].w, &experts[1].w, &experts[2].w};
static const struct lm_weight *const bias[3] = {&biases[0].w, &biases[1].w, &biases[2].w};

static const float *values(void *arg, const struct lm_weight *weight)
{
    return ((const struct weight *)weight)->f;
}

static struct lm_act act[] = {{LM_ROWS_TOK, 3}, {LM_ROWS_TOK, 8}, {LM_ROWS_TOK, 4}, {LM_ROWS_TOK, 6}, {LM_ROWS_TOK, 2}, {LM_ROWS_OUT, 4}, {LM_ROWS_TOK, 9}};
static const struct lm_graph g = {.act = act, .n_act = 7};

START_TEST(test_ops_moe__each_slot_meets_its_expert)
{
    const float one[] = {1, 2, 3}, routes[] = {2, 1, 0.5f, 0.25f}, each[] = {1, 2, 3, 99, 4, 5, 6, 99};
    float y[6] = {0};
    struct lm_op op = {.x = 0, .x2 = 2, .y = 2, .u.moe = {.w = w, .b = bias, .n_expert = 3, .n_slot = 2, .x_shared = true}};
    lm_moe_matmul_ref(y, one, routes, &g, &op, 1, values, NULL);
    const float want[] = {2, 7, 13, 26};
    ck_assert_mem_eq(y, want, sizeof want);
    op.x = 1; /* slots of 4 columns, of which 3 are read; results in slots of 3, of which 2 are written */
    op.y = 3;
    op.u.moe.x_shared = false;
    op.u.moe.b = NULL;
    ck_assert_int_eq(lm_moe_matmul_check(&g, &op, NULL), 0);
    lm_moe_matmul_ref(memset(y, 0, sizeof y), each, routes, &g, &op, 1, values, NULL);
    const float wide[] = {2, 6, 0, 6, 15, 0};
    ck_assert_mem_eq(y, wide, sizeof wide);
    op.u.moe.w = w + 1; /* expert 2 is another rank's */
    op.u.moe.n_expert = op.u.moe.first = 1;
    op.u.moe.total = 3;
    ck_assert_int_eq(lm_moe_matmul_check(&g, &op, NULL), 0);
    lm_moe_matmul_ref(y, each, routes, &g, &op, 1, values, NULL);
    const float part[] = {0, 0, 0, 6, 15, 0};
    ck_assert_mem_eq(y, part, sizeof part);
    float sum[2];
    lm_moe_sum_ref(sum, want, routes, 1, 2, 2);
    ck_assert_float_eq(sum[0], 1 + 13 / 4.0f);
    ck_assert_float_eq(sum[1], 3.5f + 26 / 4.0f);
}
END_TEST

START_TEST(test_ops_moe__matmul_check_refuses_what_disagrees)
{
    const struct lm_weight other = {.rows = 2, .cols = 4};
    const struct lm_weight *const mixed[3] = {w[0], &other, w[2]}, *const none[3] = {w[0], NULL, w[2]};
    const struct lm_op good = {.x = 0, .x2 = 2, .y = 3, .u.moe = {.w = w, .b = bias, .n_expert = 3, .n_slot = 2, .x_shared = true}};
    struct lm_op bad[15];
    for (int i = 0; i < 15; i++)
        bad[i] = good;
    bad[0].u.moe.w = mixed;
    bad[1].u.moe.w = none;
    bad[2].u.moe.b = none;
    bad[3].u.moe.n_slot = 4;
    bad[4].x = 4;      /* too few columns */
    bad[5].y = 5;      /* other rows */
    bad[6].x2 = 3;     /* a route of another number */
    bad[7].x2 = LM_NONE;
    bad[8].y = 2;      /* y is x2 */
    bad[9].u.moe.n_expert = 0;
    bad[10].u.moe.x_shared = false; /* 3 columns for two slots */
    bad[11].u.moe.n_expert = LM_MOE_MAX_EXPERT + 1;
    bad[12].u.moe.total = 2; /* fewer than are here */
    bad[13].u.moe.total = 4;
    bad[13].u.moe.first = 2; /* past the last one */
    bad[14].u.moe.first = 1;
    ck_assert_int_eq(lm_moe_matmul_check(&g, &good, NULL), 0);
    for (int i = 0; i < 15; i++)
        ck_assert_msg(lm_moe_matmul_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    const struct lm_op heads = {.x = 6, .x2 = LM_NONE, .y = 3, .u.moe = {.w = w, .n_expert = 3, .n_slot = 3}};
    ck_assert_int_eq(lm_moe_matmul_check(&g, &heads, NULL), 0);
}
END_TEST

START_TEST(test_ops_moe__route_and_sum_checks_refuse_what_disagrees)
{
    const struct lm_op good = {.x = 3, .y = 2, .u.route = {.n_group = 3, .n_group_used = 1, .group_top = 1, .scale = 1}};
    struct lm_op bad[9];
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].x = 5;
    bad[1].x = 2;
    bad[2].u.route.n_group = 4;
    bad[3].u.route.n_group_used = 4;
    bad[4].u.route.group_top = 3;
    bad[5].u.route.scale = NAN;
    bad[6].b = w[0];
    bad[6].x = 6;
    bad[7].u.route.score = (enum lm_moe_score)3;
    bad[8].y = 1; /* more than there are */
    bad[8].x = 0;
    ck_assert_int_eq(lm_moe_route_check(&g, &good, NULL), 0);
    for (int i = 0; i < 9; i++)
        ck_assert_msg(lm_moe_route_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    struct lm_op sum = {.x = 2, .x2 = 2, .y = 4};
    ck_assert_int_eq(lm_moe_sum_check(&g, &sum, NULL), 0);
    sum.y = 0;
    ck_assert_int_eq(lm_moe_sum_check(&g, &sum, NULL), LM_EINVAL);
    sum = (struct lm_op){.x = 2, .x2 = 2, .y = 2};
    ck_assert_int_eq(lm_moe_sum_check(&g, &sum, NULL), LM_EINVAL);
    sum = (struct lm_op){.x = 0, .x2 = 2, .y = 4};
    ck_assert_int_eq(lm_moe_sum_check(&g, &sum, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("ops/moe", test_ops_moe__softmax_chooses_the_largest, test_ops_moe__a_bias_changes_the_choice_and_not_the_weight,
           test_ops_moe__experts_of_other_groups_are_left_out, test_ops_moe__numbers_that_are_none_choose_experts_still,
           test_ops_moe__each_slot_meets_its_expert, test_ops_moe__matmul_check_refuses_what_disagrees,
           test_ops_moe__route_and_sum_checks_refuse_what_disagrees)
