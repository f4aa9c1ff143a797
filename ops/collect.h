/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_COLLECT_H
#define LM_OPS_COLLECT_H
/**
 * allreduce and allgather: what joins the graphs of ranks that share the layers of a model.
 *
 *   allreduce  y[r][i] = sum over ranks k of x_k[r][i]; with n_token, a rank whose tokens [token_first, token_first + n_token)
 *              do not hold that of row r adds nothing
 *   allgather  y[r] = x_0[r] x_1[r] ..., side by side; y LM_NONE: the rank gives its columns and gets nothing
 *
 * x        [rows][n_k] f32 of each rank; the same n_k in an allreduce
 * y        [rows][n] f32; of an allreduce it may be x
 * Accuracy exact (allgather); the rounding of one sum in f32, in the order of the ranks, the same on all of them (allreduce)
 *
 * A backend stops before them: lm_step_check() keeps them out of what a launch runs, but where devices have joined.
 */
#include <llmserve/backend.h>

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_allreduce_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_allgather_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/**
 * The scalar references.
 *
 * op       [n_rank] of each rank: what its u.reduce says
 * token    [rows] ids in the whole vocabulary; NULL where no op has n_token
 * dim      [n_rank] columns of each x
 * Thread   [any]
 */
void lm_allreduce_ref(float *y, const float *const *x, const struct lm_op *op, size_t n_rank, const int32_t *token, size_t rows, size_t dim);
void lm_allgather_ref(float *y, const float *const *x, const size_t *dim, size_t n_rank, size_t rows);
#endif
