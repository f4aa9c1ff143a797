/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/layernorm.h"
#include "ops/check.h"

#include <math.h>

int lm_layernorm_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    if (rc < 0)
        return rc;
    if ((op->u.norm.group != 0 && dim % op->u.norm.group) || op->u.norm.w_add != 0)
        return lm_fail(err, LM_EINVAL, "groups of %u in %u columns, w_add %g", op->u.norm.group, dim,
                       (double)op->u.norm.w_add);
    if (op->w)
        rc = lm_check_vector(op->w, "w", dim, err);
    if (rc == 0 && op->b)
        rc = lm_check_vector(op->b, "b", dim, err);
    if (rc == 0 && !(op->u.norm.eps >= 0 && op->u.norm.eps < 1))
        rc = lm_fail(err, LM_EINVAL, "eps is %g", (double)op->u.norm.eps);
    return rc;
}

static void one_group(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    double mean = 0, var = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean);
    double inv = 1 / sqrt(var / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((x[i] - mean) * inv * (w ? w[i] : 1) + (b ? b[i] : 0));
}

void lm_layernorm_ref(float *y, const float *x, const float *w, const float *b, size_t rows, size_t dim, size_t group, float eps)
{
    group = group ? group : dim;
    for (size_t r = 0; r < rows; r++)
        for (size_t g = 0; g < dim; g += group)
            one_group(y + r * dim + g, x + r * dim + g, w ? w + g : NULL, b ? b + g : NULL, group, eps);
}
