/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/act_mul.h"
#include "ops/elementwise.h"

#include <math.h>

int lm_act_mul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    return lm_add_check(g, op, err);
}

void lm_silu_mul_ref(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(x[i] / (1 + exp(-(double)x[i])) * x2[i]);
}

void lm_gelu_mul_ref(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = x[i], u = sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
        y[i] = (float)(v / (1 + exp(-2 * u)) * x2[i]); /* (1 + tanh(u)) / 2 without its cancellation */
    }
}
