/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_EMBED_H
#define LM_OPS_EMBED_H
/**
 * Look each row's row of a table up.
 *
 *   y[r][i] = w[index[r]][i] * scale    index[r]: the step's token[r], pos[r] or type[r]
 *
 * y        [n_tok][dim] f32
 * w        [n][dim] of any type; by tokens n is n_vocab at least, by positions the longest sequence; the reference takes
 *          it dequantized
 * Accuracy exact to the rounding of the product
 */
#include <llmserve/backend.h>

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_embed_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** What the op looks row r up by.  Thread [any] */
static inline int32_t lm_embed_index(const struct lm_op *op, const struct lm_step *step, size_t r)
{
    return op->u.embed.by == LM_EMBED_TOKEN ? step->token[r] : op->u.embed.by == LM_EMBED_POS ? step->pos[r] : step->type ? step->type[r] : 0;
}

/** The scalar reference. op gives u.embed.  Thread [any] */
void lm_embed_ref(float *y, const float *w, const struct lm_op *op, const struct lm_step *step, size_t dim);
#endif
