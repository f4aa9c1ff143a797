/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/elementwise.h"
#include "ops/check.h"

#include <math.h>

int lm_add_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    return rc ? rc : lm_check_shape(g, op->x2, "x2", g->act[op->x].rows, dim, err);
}

int lm_scale_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    return rc ? rc : lm_check_real(op->u.scale.scale, "scale", false, err);
}

int lm_softcap_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    return rc ? rc : lm_check_real(op->u.softcap.cap, "cap", true, err);
}

void lm_add_ref(float *y, const float *x, const float *x2, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] + x2[i];
}

void lm_scale_ref(float *y, const float *x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * scale;
}

void lm_softcap_ref(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(cap * tanh((double)x[i] / cap));
}
