/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/matmul.h"
#include "ops/check.h"

int lm_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc < 0)
        return rc;
    if (!op->w)
        return lm_fail(err, LM_EINVAL, "no weight");
    if (op->w->cols != g->act[op->x].dim)
        return lm_fail(err, LM_EINVAL, "x has %u columns, w %u", g->act[op->x].dim, op->w->cols);
    if (op->y == op->x)
        return lm_fail(err, LM_EINVAL, "y is x");
    rc = lm_check_shape(g, op->y, "y", g->act[op->x].rows, op->w->rows, err);
    if (rc == 0 && op->b)
        rc = lm_check_vector(op->b, "b", op->w->rows, err);
    return rc;
}

void lm_matmul_ref(float *y, const float *x, const float *w, const float *b, size_t rows, size_t n, size_t k)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++) {
            double sum = b ? b[i] : 0;
            for (size_t j = 0; j < k; j++)
                sum += (double)x[r * k + j] * w[i * k + j];
            y[r * n + i] = (float)sum;
        }
}
