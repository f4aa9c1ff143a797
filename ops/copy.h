/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_COPY_H
#define LM_OPS_COPY_H
/**
 * Put columns of each head of x into columns of the same head of y; the other columns of y stay.
 *
 *   y[r][h][y_first + i] = x[r][n_head_x == 1 ? 0 : h][x_first + i]      i < n
 *
 * x        [rows][n_head_x][...] f32, n_head_x 1 or n_head; y [rows][n_head][...], not x
 * Accuracy exact
 */
#include <llmserve/backend.h>

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_copy_heads_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** One row, as backends too may do it. op gives u.copy.  Thread [any] */
void lm_copy_heads_row(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op);

/** The scalar reference.  Thread [any] */
void lm_copy_heads_ref(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op, size_t rows);
#endif
