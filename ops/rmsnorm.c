/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rmsnorm.h"
#include "ops/check.h"

#include <math.h>

int lm_rmsnorm_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim = 0, group = op->u.norm.group;
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    if (rc < 0)
        return rc;
    if (group == 0 || dim % group != 0)
        return lm_fail(err, LM_EINVAL, "groups of %u in %u columns", group, dim);
    if (op->w && (uint64_t)op->w->rows * op->w->cols != group)
        rc = lm_check_vector(op->w, "w", dim, err);
    if (rc == 0)
        rc = lm_check_real(op->u.norm.w_add, "w_add", false, err);
    if (rc == 0 && !(op->u.norm.eps >= 0 && op->u.norm.eps < 1))
        rc = lm_fail(err, LM_EINVAL, "eps is %g", (double)op->u.norm.eps);
    return rc;
}

void lm_rmsnorm_ref(float *y, const float *x, const float *w, size_t n_w, size_t rows, size_t dim, size_t group,
                    float eps, float w_add)
{
    for (size_t i0 = 0; i0 < rows * dim; i0 += group) {
        double sum = 0;
        for (size_t i = i0; i < i0 + group; i++)
            sum += (double)x[i] * x[i];
        double inv = 1 / sqrt(sum / (double)group + eps);
        for (size_t i = i0; i < i0 + group; i++)
            y[i] = (float)(x[i] * inv * (w ? (double)w[i % dim % n_w] + w_add : 1));
    }
}
