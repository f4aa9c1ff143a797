/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_MATMUL_H
#define LM_OPS_MATMUL_H
/**
 * Multiply each row by a weight matrix that stands with its outputs in rows, and add a bias.
 *
 *   y[r][n] = sum_k x[r][k] * w[n][k] + b[n]
 *
 * x        [rows][k] f32; y [rows][n] f32, not x
 * w        [n][k] of any type; the reference takes it dequantized
 * b        [n] f32 or NULL
 * Accuracy a backend that rounds x to int8 in blocks of 32 columns (error at most max|x| / 254 an element):
 *          |y - ref| <= LM_MATMUL_TOL_Q8 * |x| * |w[n]| (Euclidean norms); one that does not: LM_MATMUL_TOL_F32
 */
#include <llmserve/backend.h>

#define LM_MATMUL_TOL_Q8 0.024
#define LM_MATMUL_TOL_F32 2e-5

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference, accumulating in double.  Thread [any] */
void lm_matmul_ref(float *y, const float *x, const float *w, const float *b, size_t rows, size_t n, size_t k);
#endif
