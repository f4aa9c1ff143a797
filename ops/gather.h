/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_GATHER_H
#define LM_OPS_GATHER_H
/**
 * logits_gather: keep only the rows that need logits.
 *
 *   y[o][i] = x[out_row[o]][i]
 *
 * x        [n_tok][dim] f32; y [n_out][dim] f32
 * Accuracy exact
 */
#include <llmserve/backend.h>

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_gather_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference.  Thread [any] */
void lm_gather_ref(float *y, const float *x, const uint32_t *out_row, size_t n_out, size_t dim);
#endif
