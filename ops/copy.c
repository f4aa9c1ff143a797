/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/copy.h"
#include "ops/check.h"

#include <string.h>

static bool fits(uint32_t dim, uint32_t n_head, uint32_t first, uint32_t n)
{
    return n_head > 0 && dim % n_head == 0 && first <= dim / n_head && n <= dim / n_head - first;
}

int lm_copy_heads_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_act(g, op->y, "y", err);
    if (rc < 0)
        return rc;
    const struct lm_act *x = &g->act[op->x], *y = &g->act[op->y];
    uint32_t n_head = op->u.copy.n_head, n_head_x = op->u.copy.n_head_x, n = op->u.copy.n;
    if (op->x == op->y || x->rows != y->rows)
        return lm_fail(err, LM_EINVAL, "y is x, or has other rows");
    if ((n_head_x != 1 && n_head_x != n_head) || n == 0 || !fits(x->dim, n_head_x, op->u.copy.x_first, n) ||
        !fits(y->dim, n_head, op->u.copy.y_first, n))
        return lm_fail(err, LM_EINVAL, "%u columns from %u of %u in %u heads to %u of %u in %u", n, op->u.copy.x_first, x->dim, n_head_x,
                       op->u.copy.y_first, y->dim, n_head);
    return 0;
}

void lm_copy_heads_row(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op)
{
    size_t n_head = op->u.copy.n_head, to = g->act[op->y].dim / n_head;
    size_t from = op->u.copy.n_head_x == 1 ? 0 : g->act[op->x].dim / n_head;
    for (size_t h = 0; h < n_head; h++)
        memcpy(y + h * to + op->u.copy.y_first, x + h * from + op->u.copy.x_first, op->u.copy.n * sizeof *y);
}

void lm_copy_heads_ref(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        lm_copy_heads_row(y + r * g->act[op->y].dim, x + r * g->act[op->x].dim, g, op);
}
