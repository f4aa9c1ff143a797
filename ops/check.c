/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/check.h"

#include <math.h>

int lm_check_act(const struct lm_graph *g, uint32_t id, const char *what, struct lm_err *err)
{
    if (id >= g->n_act)
        return lm_fail(err, LM_EINVAL, "%s is activation %u of %u", what, id, g->n_act);
    return 0;
}

int lm_check_shape(const struct lm_graph *g, uint32_t id, const char *what, enum lm_rows rows, uint32_t dim,
                   struct lm_err *err)
{
    int rc = lm_check_act(g, id, what, err);
    if (rc < 0)
        return rc;
    if (g->act[id].rows != rows)
        return lm_fail(err, LM_EINVAL, "%s has the wrong kind of rows", what);
    if (g->act[id].dim != dim)
        return lm_fail(err, LM_EINVAL, "%s has %u columns, not %u", what, g->act[id].dim, dim);
    return 0;
}

int lm_check_same(const struct lm_graph *g, uint32_t x, uint32_t y, uint32_t *out_dim, struct lm_err *err)
{
    int rc = lm_check_act(g, x, "x", err);
    if (rc == 0)
        rc = lm_check_shape(g, y, "y", g->act[x].rows, g->act[x].dim, err);
    if (rc == 0)
        *out_dim = g->act[x].dim;
    return rc;
}

int lm_check_vector(const struct lm_weight *w, const char *what, uint32_t n, struct lm_err *err)
{
    if ((uint64_t)w->rows * w->cols != n)
        return lm_fail(err, LM_EINVAL, "%s has %u x %u elements, not %u", what, w->rows, w->cols, n);
    return 0;
}

int lm_check_real(float v, const char *what, bool positive, struct lm_err *err)
{
    if (!isfinite(v) || (positive && v <= 0))
        return lm_fail(err, LM_EINVAL, "%s is %g", what, (double)v);
    return 0;
}

int lm_check_kv(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t layer = op->u.attn.layer;
    if (layer >= g->n_layer)
        return lm_fail(err, LM_EINVAL, "layer %u of %u", layer, g->n_layer);
    uint64_t cols = (uint64_t)op->u.attn.n_kv_head * op->u.attn.head_dim;
    if (cols == 0 || cols != g->kv_head_dim[layer])
        return lm_fail(err, LM_EINVAL, "%u heads of %u columns, but layer %u stores %u", op->u.attn.n_kv_head,
                       op->u.attn.head_dim, layer, g->kv_head_dim[layer]);
    if (lm_v_dim(op) > op->u.attn.head_dim)
        return lm_fail(err, LM_EINVAL, "values of %u columns, keys of %u", lm_v_dim(op), op->u.attn.head_dim);
    return 0;
}
