/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_EMBED_H
#define LM_OPS_EMBED_H
/**
 * Look each token's row up.
 *
 *   y[r][i] = w[token[r]][i] * scale
 *
 * y        [n_tok][dim] f32
 * w        [at least n_vocab][dim] of any type; the reference takes it dequantized
 * Accuracy exact to the rounding of the product
 */
#include <llmserve/backend.h>

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_embed_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference.  Thread [any] */
void lm_embed_ref(float *y, const float *w, const int32_t *token, size_t rows, size_t dim, float scale);
#endif
