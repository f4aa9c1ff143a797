/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/gather.h"
#include "ops/check.h"

int lm_gather_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_shape(g, op->x, "x", LM_ROWS_TOK, g->act[op->x].dim, err);
    return rc ? rc : lm_check_shape(g, op->y, "y", LM_ROWS_OUT, g->act[op->x].dim, err);
}

void lm_gather_ref(float *y, const float *x, const uint32_t *out_row, size_t n_out, size_t dim)
{
    for (size_t o = 0; o < n_out; o++)
        memcpy(y + o * dim, x + out_row[o] * dim, dim * sizeof *y);
}
