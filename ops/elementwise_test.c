/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/elementwise.h"
#include "ops/act_mul.h"
#include "tests/suite.h"

#include <math.h>

START_TEST(test_ops_elementwise__follow_their_formulas)
{
    const float x[] = {-2, 0, 0.5f, 20}, x2[] = {1, 2, 3, 4};
    float add[4], scale[4], cap[4], silu[4], gelu[4], plain[4], erfs[4], erf_mul[4], clamped[4], gated[4];
    lm_add_ref(add, x, x2, 4);
    lm_scale_ref(scale, x, -0.5f, 4);
    lm_softcap_ref(cap, x, 2, 4);
    lm_silu_mul_ref(silu, x, x2, 4);
    lm_gelu_mul_ref(gelu, x, x2, false, 4);
    lm_gelu_mul_ref(erf_mul, x, x2, true, 4);
    lm_gelu_ref(erfs, x, true, 4);
    lm_gelu_ref(plain, x, false, 4);
    lm_swiglu_clamp_ref(clamped, x, x2, 1.5f, 2.5f, 4);
    lm_gate_rows_ref(gated, x, x2, 2, 2);
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(add[i], x[i] + x2[i]);
        ck_assert_float_eq(scale[i], -x[i] / 2);
        ck_assert_float_eq_tol(cap[i], 2 * tanh(x[i] / 2.0), 1e-6);
        ck_assert_float_eq_tol(silu[i], x[i] / (1 + exp(-x[i])) * x2[i], 1e-5);
        double u = sqrt(2 / M_PI) * (x[i] + 0.044715 * pow(x[i], 3));
        ck_assert_float_eq_tol(gelu[i], 0.5 * x[i] * (1 + tanh(u)) * x2[i], 1e-5);
        ck_assert_float_eq_tol(plain[i], 0.5 * x[i] * (1 + tanh(u)), 1e-5);
        ck_assert_float_eq_tol(erfs[i], 0.5 * x[i] * (1 + erf(x[i] / sqrt(2))), 1e-6);
        ck_assert_float_eq_tol(erf_mul[i], 0.5 * x[i] * (1 + erf(x[i] / sqrt(2))) * x2[i], 1e-5);
        double g = x[i] < 2.5f ? x[i] : 2.5, l = x2[i] < 2.5f ? x2[i] : 2.5;
        ck_assert_float_eq_tol(clamped[i], g / (1 + exp(-1.5 * g)) * (1 + l), 1e-5);
        ck_assert_float_eq_tol(gated[i], x[i] / (1 + exp(-x2[i / 2])), 1e-5);
    }
}
END_TEST

START_TEST(test_ops_elementwise__checks_refuse_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 8}, {LM_ROWS_TOK, 8}, {LM_ROWS_OUT, 8}, {LM_ROWS_TOK, 9}};
    const struct lm_graph g = {.act = act, .n_act = 4};
    const uint32_t wrong[] = {2, 3, 4, LM_NONE};
    for (int i = 0; i < 4; i++)
        for (int at = 0; at < 3; at++) {
            struct lm_op op = {.x = at == 0 ? wrong[i] : 0, .x2 = at == 1 ? wrong[i] : 1, .y = at == 2 ? wrong[i] : 0};
            ck_assert_int_eq(lm_add_check(&g, &op, NULL), LM_EINVAL);
            ck_assert_int_eq(lm_act_mul_check(&g, &op, NULL), LM_EINVAL);
            op.u.softcap.cap = 1; /* and scale */
            ck_assert_int_eq(lm_scale_check(&g, &op, NULL), at == 1 ? 0 : LM_EINVAL);
            ck_assert_int_eq(lm_softcap_check(&g, &op, NULL), at == 1 ? 0 : LM_EINVAL);
        }
    struct lm_op op = {.x = 0, .x2 = 1, .y = 1};
    ck_assert_int_eq(lm_add_check(&g, &op, NULL), 0);
    ck_assert_int_eq(lm_act_mul_check(&g, &op, NULL), 0);
    ck_assert_int_eq(lm_softcap_check(&g, &op, NULL), LM_EINVAL); /* cap 0 */
    op.u.swiglu.alpha = op.u.swiglu.limit = 1;
    ck_assert_int_eq(lm_swiglu_clamp_check(&g, &op, NULL), 0);
    op.u.swiglu.limit = -1;
    ck_assert_int_eq(lm_swiglu_clamp_check(&g, &op, NULL), LM_EINVAL);
    ck_assert_int_eq(lm_gate_rows_check(&g, &op, NULL), LM_EINVAL); /* x2 has 8 columns */
    op.u.scale.scale = INFINITY;
    ck_assert_int_eq(lm_scale_check(&g, &op, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("ops/elementwise", test_ops_elementwise__follow_their_formulas, test_ops_elementwise__checks_refuse_what_disagrees)
