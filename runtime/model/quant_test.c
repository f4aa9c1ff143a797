/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/quant.h"
#include "runtime/base/half.h"
#include "runtime/model/quant_block.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>

enum { N = 64 * 512 };

static uint64_t state = 1;

static float uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((float)(state >> 40) + 0.5f) * 0x1p-24f;
}

static float normal(void)
{
    return sqrtf(-2 * logf(uniform())) * cosf(6.2831853f * uniform());
}

static float *normals(size_t n, float size)
{
    float *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    state = 1;
    for (size_t i = 0; i < n; i++)
        x[i] = normal() * size;
    return x;
}

/** Largest error of normal numbers over their variance, mean of squares: measured, and a twentieth more. */
static const struct bound {
    uint32_t qtype;
    double error;
} bounds[] = {
    {LM_Q_SYM_INT4, 0.00857}, {LM_Q_ASYM_INT4, 0.0073},   {LM_Q_SYM_INT5, 0.0021},   {LM_Q_ASYM_INT5, 0.0018}, {LM_Q_SYM_INT8, 4e-5},
    {LM_Q_FP4, 0.0125},       {LM_Q_NF4, 0.0085},         {LM_Q_FP6, 0.0009},        {LM_Q_FP8_E5M2, 0.0036},  {LM_Q_FP8_E4M3, 0.0008},
    {LM_Q_F16, 1e-7},         {LM_Q_BF16, 3e-6},          {LM_Q_F32, 0},
};
enum { N_BOUND = sizeof bounds / sizeof *bounds };

static double error_of(uint32_t qtype, const float *x, size_t n)
{
    uint8_t *q = malloc(lm_qtype_row_bytes(qtype, n));
    double error = 0;
    ck_assert_int_eq(lm_quantize_row(qtype, x, NULL, n, q, &error, NULL), 0);
    free(q);
    return error;
}

START_TEST(test_model_quant__errors_of_normal_weights_are_bounded)
{
    for (float size = 1e-3f; size < 100; size *= 30) {
        float *x = normals(N, size);
        for (size_t i = 0; i < N_BOUND; i++) {
            double error = error_of(bounds[i].qtype, x, N) / N / (double)(size * size);
            ck_assert_msg(error <= bounds[i].error, "%s of size %g: %g", lm_qtype_info(bounds[i].qtype)->name, (double)size, error);
        }
        free(x);
    }
}
END_TEST

SUITE_MAIN("model/quant", test_model_quant__errors_of_normal_weights_are_bounded)
