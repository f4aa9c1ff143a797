/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_LAYERNORM_H
#define LM_OPS_LAYERNORM_H
/**
 * Shift and scale each row, or each group of its columns, to mean 0 and variance 1, then scale and shift each column.
 *
 *   y[r][i] = (x[r][i] - mean) / sqrt(var + eps) * w[i] + b[i]      mean and (biased) variance over i's group
 *
 * x, y     [rows][dim] f32; y may be x
 * w, b     [dim] f32; NULL: no scale, no shift
 * group    columns, divides dim; 0: the row
 * eps      >= 0
 * Accuracy |y - ref| <= LM_LAYERNORM_TOL * (1 + |ref|) * (1 + |mean| / sqrt(var))
 * Source   Ba, Kiros and Hinton 2016, arXiv:1607.06450
 */
#include <llmserve/backend.h>

#define LM_LAYERNORM_TOL 2e-6

/** Pure validation of one op: w_add is 0.  Errors LM_EINVAL  Thread [any] */
int lm_layernorm_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference, accumulating in double.  Thread [any] */
void lm_layernorm_ref(float *y, const float *x, const float *w, const float *b, size_t rows, size_t dim, size_t group, float eps);
#endif
