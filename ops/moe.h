/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_MOE_H
#define LM_OPS_MOE_H
/**
 * A mixture of experts: choose some for each row, multiply by their weights, join what they made.
 *
 *   route   p = softmax(x), sigmoid(x) or x itself (LM_MOE_SOFTMAX_CHOSEN)
 *           the n_used experts of the largest p + b, ties by the lower number; if n_group > 1 only those of the
 *           n_group_used groups whose group_top largest p + b have the largest sum
 *           weight = p of the chosen (SOFTMAX_CHOSEN: the softmax over them), divided by their sum if norm, times scale
 *   matmul  y[r][j][n] = sum_k x[r][j][k] * w[e][n][k] + b[e][n], e = expert j of row r; without a route e = j
 *   sum     y[r][i] = sum_j weight[r][j] * x[r][j][i]
 *
 * route   x [rows][n_expert] f32; y [rows][2 * n_used]: the chosen experts' numbers in falling order, then their
 *         weights; b [n_expert] or NULL: added for the choice only
 * matmul  x [rows][n_slot][>= k] (x_shared: [rows][>= k]), y [rows][n_slot][>= n]: columns past k are not read, those past
 *         n not written; all w are [n][k] of any type, as are all b [n]; x2 a route of n_slot experts or LM_NONE; y is not x
 *         A number of x2 that is no expert's counts as expert 0: the memory is safe whatever x2 holds.
 *         Of more experts in all (total) than w has, the others' slots become zeros, so that sums over ranks are whole.
 * sum     x [rows][n_slot * dim], x2 the route, y [rows][dim], neither x nor x2
 * Accuracy route: |y - ref| <= LM_MOE_ROUTE_TOL; matmul: as LM_OP_MATMUL; sum: LM_MOE_SUM_TOL * sum_j |weight * x|
 * Source  Shazeer et al. 2017, arXiv:1701.06538; groups and bias: DeepSeek-AI 2024, arXiv:2405.04434, arXiv:2412.19437
 */
#include <llmserve/backend.h>

#define LM_MOE_ROUTE_TOL 1e-5
#define LM_MOE_SUM_TOL 1e-6

enum { LM_MOE_MAX_EXPERT = 1024 };

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_moe_route_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_moe_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_moe_sum_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The index in w of the expert of slot j in a row of a route, or j where route is NULL; LM_NONE: another rank has it.  Thread [any] */
static inline uint32_t lm_moe_expert(const float *route, uint32_t j, const struct lm_op *op)
{
    if (!route)
        return j;
    const uint32_t n = op->u.moe.n_expert, total = op->u.moe.total ? op->u.moe.total : n;
    const uint32_t i = (route[j] >= 0 && route[j] < (float)total ? (uint32_t)route[j] : 0) - op->u.moe.first;
    return i < n ? i : LM_NONE;
}

/** The weight as f32 [rows][cols]; borrowed. */
typedef const float *lm_moe_weight(void *arg, const struct lm_weight *w);

/** The scalar references, accumulating in double. op gives u.route or u.moe.  Thread [any] */
void lm_moe_route_ref(float *y, const float *x, const float *b, const struct lm_op *op, size_t rows, size_t n_expert, size_t n_used);
void lm_moe_matmul_ref(float *y, const float *x, const float *route, const struct lm_graph *g, const struct lm_op *op, size_t rows,
                       lm_moe_weight *weight, void *weight_arg);
void lm_moe_sum_ref(float *y, const float *x, const float *route, size_t rows, size_t n_slot, size_t dim);
#endif
