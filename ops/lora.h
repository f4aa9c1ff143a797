/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_LORA_H
#define LM_OPS_LORA_H
/**
 * Add what low-rank adapters add to a matmul, each row that of its own sequence.
 *
 *   y[r][i] += scale * sum_j b[j][i] * (sum_k a[j][k] * x[r][k])      a, b, scale: of slot step.lora[sequence of row r]
 *
 * x        [rows][k] f32; y [rows][n] f32, of the same kind of rows, not x; rows without an adapter stay as they are
 * a        [rank][k], b [rank][n] (B transposed) of LM_USE_VECTOR; rank 1 to the graph's lora_rank
 * slots    [n_lora] of the graph; one without a and b leaves its rows alone. They may change while no step runs, or while
 *          the one that runs has no row of the slot
 * Accuracy over the activation |y - ref| <= LM_LORA_TOL * |ref| (Euclidean norms)
 * Source   Hu et al. 2021, arXiv:2106.09685; several adapters in one batch: Chen et al. 2023, arXiv:2310.18547
 */
#include <llmserve/backend.h>

#define LM_LORA_TOL 1e-5

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_lora_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** Do all slots that the step's sequences have exist, with shapes that fit?  Errors LM_EINVAL  Thread [any] */
int lm_lora_step_check(const struct lm_graph *g, const struct lm_step *step, struct lm_err *err);

/** Fill out[n_tok] and out_row[n_out] with the slot of each row; step.lora is not NULL.  Thread [any] */
void lm_lora_rows(const struct lm_step *step, int32_t *out, int32_t *out_row);

/** The weight as f32; borrowed. */
typedef const float *lm_lora_weight(void *arg, const struct lm_weight *w);

/** The scalar reference, accumulating in double. slot [rows].  Thread [any] */
void lm_lora_matmul_ref(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op, const int32_t *slot, size_t rows,
                        lm_lora_weight *weight, void *weight_arg);
#endif
