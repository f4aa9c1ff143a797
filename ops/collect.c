/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/collect.h"
#include "ops/check.h"

int lm_allreduce_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t dim, n;
    if (__builtin_add_overflow(op->u.reduce.token_first, op->u.reduce.n_token, &n) || n > g->n_vocab)
        return lm_fail(err, LM_EINVAL, "tokens from %u on, %u of %u", op->u.reduce.token_first, op->u.reduce.n_token, g->n_vocab);
    int rc = lm_check_same(g, op->x, op->y, &dim, err);
    if (rc == 0 && op->u.reduce.n_token && g->act[op->x].rows != LM_ROWS_TOK)
        rc = lm_fail(err, LM_EINVAL, "rows of tokens where there are only outputs");
    return rc;
}

int lm_allgather_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0 && op->y != LM_NONE)
        rc = lm_check_act(g, op->y, "y", err);
    if (rc == 0 && op->y != LM_NONE && (op->x == op->y || g->act[op->x].rows != g->act[op->y].rows || op->u.gather.total != g->act[op->y].dim))
        rc = lm_fail(err, LM_EINVAL, "y is not a row of all columns");
    if (rc == 0 && (op->u.gather.first > op->u.gather.total || g->act[op->x].dim > op->u.gather.total - op->u.gather.first))
        rc = lm_fail(err, LM_EINVAL, "columns from %u on, %u of %u", op->u.gather.first, g->act[op->x].dim, op->u.gather.total);
    return rc;
}

static bool counts(const struct lm_op *op, const int32_t *token, size_t row)
{
    return !op->u.reduce.n_token || (uint32_t)token[row] - op->u.reduce.token_first < op->u.reduce.n_token;
}

void lm_allreduce_ref(float *y, const float *const *x, const struct lm_op *op, size_t n_rank, const int32_t *token, size_t rows, size_t dim)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < dim; i++) {
            double sum = 0;
            for (size_t k = 0; k < n_rank; k++)
                sum += counts(&op[k], token, r) ? (double)x[k][r * dim + i] : 0;
            y[r * dim + i] = (float)sum;
        }
}

void lm_allgather_ref(float *y, const float *const *x, const size_t *dim, size_t n_rank, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < n_rank; y += dim[k], k++)
            memcpy(y, x[k] + r * dim[k], dim[k] * sizeof *y);
}
