/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/embed.h"
#include "ops/check.h"

int lm_embed_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    const uint32_t n_token = g->n_token ? g->n_token : g->n_vocab;
    if ((unsigned)op->u.embed.by > LM_EMBED_TYPE)
        return lm_fail(err, LM_EINVAL, "rows of kind %d", (int)op->u.embed.by);
    if (!op->w || (op->u.embed.by == LM_EMBED_TOKEN && op->w->rows < n_token))
        return lm_fail(err, LM_EINVAL, "a table of %u rows for %u tokens", op->w ? op->w->rows : 0, n_token);
    int rc = lm_check_shape(g, op->y, "y", LM_ROWS_TOK, op->w->cols, err);
    return rc ? rc : lm_check_real(op->u.embed.scale, "scale", false, err);
}

void lm_embed_ref(float *y, const float *w, const struct lm_op *op, const struct lm_step *step, size_t dim)
{
    for (size_t r = 0; r < step->n_tok; r++)
        for (size_t i = 0; i < dim; i++)
            y[r * dim + i] = w[(size_t)lm_embed_index(op, step, r) * dim + i] * op->u.embed.scale;
}
