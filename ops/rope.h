/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ROPE_H
#define LM_OPS_ROPE_H
/**
 * Rotate pairs of columns of each head, in place, by angles that grow with the row's position.
 *
 *   a = pos[r] * inv_freq[i], c = cos(a) * mscale, s = sin(a) * mscale
 *   (y[p], y[q]) = (y[p] * c - y[q] * s, y[q] * c + y[p] * s)
 *   neox: (p, q) = (i, i + n_rot / 2); interleaved: (2 i, 2 i + 1); both from column `first` of the head on
 *
 * y        [n_tok][n_head * head_dim] f32; x is y or LM_NONE
 * n_rot    even, first + n_rot <= head_dim: the other columns stay; inv_freq [n_rot / 2]
 * Accuracy the angle is taken in double, as f32 loses it beyond some thousand positions:
 *          |y - ref| <= LM_ROPE_TOL * (|y[p]| + |y[q]|) * mscale
 * Source   Su et al. 2021, arXiv:2104.09864
 */
#include <llmserve/backend.h>

#define LM_ROPE_TOL 2e-7

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_rope_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar reference. op gives u.rope.  Thread [any] */
void lm_rope_ref(float *y, const struct lm_op *op, const int32_t *pos, size_t rows);
#endif
