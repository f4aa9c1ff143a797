/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_RMSNORM_H
#define LM_OPS_RMSNORM_H
/**
 * Divide each group of columns by its root mean square, then scale each column.
 *
 *   y[r][i] = x[r][i] / sqrt(mean_j(x[r][j]^2) + eps) * (w[i % n_w] + w_add)      j over the group that i is in
 *
 * x, y     [rows][dim] f32; y may be x
 * w        [n_w] f32, n_w = dim or group (one weight for all groups: QK norm over heads); NULL: no scale
 * group    divides dim; group == dim: the whole row
 * eps      >= 0, added inside the root; w_add 1 for families that store w - 1 (gemma), else 0
 * Accuracy |y - ref| <= LM_RMSNORM_TOL * (1 + |ref|)
 * Source   Zhang and Sennrich 2019, arXiv:1910.07467
 */
#include <llmserve/backend.h>

#define LM_RMSNORM_TOL 2e-6

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_rmsnorm_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference, accumulating in double.  Thread [any] */
void lm_rmsnorm_ref(float *y, const float *x, const float *w, size_t n_w, size_t rows, size_t dim, size_t group,
                    float eps, float w_add);
#endif
