/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec.h"
#include "tests/suite.h"

#include <math.h>

/* How far y is from the exact value, in units of the last place of the exact value. */
static double ulps(float y, double exact)
{
    float near = (float)exact;
    return fabs(y - exact) / (nextafterf(fabsf(near), INFINITY) - fabsf(near));
}

START_TEST(test_ops_vec__exp_is_within_two_units)
{
    double worst = 0;
    for (float x = -87.2f; x < 88; x += 0.00137f)
        worst = fmax(worst, ulps(lm_vf_exp(lm_vf_set(x))[0], exp(x)));
    ck_assert_double_lt(worst, 2);
    ck_assert_float_eq(lm_vf_exp(lm_vf_set(0))[0], 1);
    ck_assert_float_eq(lm_vf_exp(lm_vf_set(-INFINITY))[0], 0);
    ck_assert_float_eq(lm_vf_exp(lm_vf_set(INFINITY))[0], lm_vf_exp(lm_vf_set(88))[0]);
    ck_assert(isnan(lm_vf_exp(lm_vf_set(NAN))[0]));
}
END_TEST

START_TEST(test_ops_vec__tanh_is_within_three_units)
{
    double worst = 0;
    for (float x = -12; x < 12; x += 0.000173f)
        worst = fmax(worst, ulps(lm_vf_tanh(lm_vf_set(x))[0], tanh(x)));
    for (float x = 1e-30f; x < 1; x *= 1.01f)
        worst = fmax(worst, ulps(lm_vf_tanh(lm_vf_set(x))[0], tanh(x)));
    ck_assert_double_lt(worst, 3);
    ck_assert_float_eq(lm_vf_tanh(lm_vf_set(-INFINITY))[0], -1);
    ck_assert(isnan(lm_vf_tanh(lm_vf_set(NAN))[0]));
}
END_TEST

START_TEST(test_ops_vec__lanes_agree_and_join)
{
    float x[LM_VEC_LANES];
    for (int i = 0; i < LM_VEC_LANES; i++)
        x[i] = (float)i * 0.7f - 1;
    lm_vf all = lm_vf_exp(lm_vf_load(x));
    for (int i = 0; i < LM_VEC_LANES; i++)
        ck_assert_float_eq(all[i], lm_vf_exp(lm_vf_set(x[i]))[0]);
    ck_assert_float_eq_tol(lm_vf_sum(lm_vf_set(1.5f)), 1.5f * LM_VEC_LANES, 1e-6);
    ck_assert_float_eq(lm_vf_max(lm_vf_set(NAN), lm_vf_set(2))[0], 2);
}
END_TEST

SUITE_MAIN("ops/vec", test_ops_vec__exp_is_within_two_units, test_ops_vec__tanh_is_within_three_units, test_ops_vec__lanes_agree_and_join)
