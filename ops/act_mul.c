/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/act_mul.h"
#include "ops/check.h"
#include "ops/elementwise.h"

#include <math.h>

int lm_act_mul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    return lm_add_check(g, op, err);
}

int lm_gelu_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    return lm_check_same(g, op->x, op->y, &dim, err);
}

int lm_swiglu_clamp_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_add_check(g, op, err);
    if (rc == 0)
        rc = lm_check_real(op->u.swiglu.alpha, "alpha", true, err);
    return rc ? rc : lm_check_real(op->u.swiglu.limit, "limit", true, err);
}

int lm_gate_rows_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    if (rc == 0)
        rc = lm_check_shape(g, op->x2, "x2", g->act[op->x].rows, 1, err);
    if (rc == 0 && op->x2 == op->y)
        rc = lm_fail(err, LM_EINVAL, "y is x2");
    return rc;
}

void lm_silu_mul_ref(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(x[i] / (1 + exp(-(double)x[i])) * x2[i]);
}

static double gelu(double v, bool by_erf)
{
    if (by_erf)
        return v / 2 * erfc(-v * M_SQRT1_2);
    double u = sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
    return v / (1 + exp(-2 * u)); /* (1 + tanh(u)) / 2 without its cancellation */
}

void lm_gelu_mul_ref(float *y, const float *x, const float *x2, bool by_erf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(gelu(x[i], by_erf) * x2[i]);
}

void lm_gelu_ref(float *y, const float *x, bool by_erf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)gelu(x[i], by_erf);
}

void lm_swiglu_clamp_ref(float *y, const float *x, const float *x2, float alpha, float limit, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double g = fmin(x[i], limit), u = fmax(-limit, fmin(limit, x2[i]));
        y[i] = (float)(g / (1 + exp(-alpha * g)) * (1 + u));
    }
}

void lm_gate_rows_ref(float *y, const float *x, const float *x2, size_t rows, size_t dim)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < dim; i++)
            y[r * dim + i] = (float)(x[r * dim + i] / (1 + exp(-(double)x2[r])));
}
