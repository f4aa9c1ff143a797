/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ELEMENTWISE_H
#define LM_OPS_ELEMENTWISE_H
/**
 * Ops on each element.
 *
 *   add      y = x + x2
 *   scale    y = x * scale
 *   softcap  y = cap * tanh(x / cap)
 *
 * x, x2, y  [rows][dim] f32; y may be x or x2
 * scale     finite; cap > 0
 * Accuracy  add, scale: exact to the rounding; softcap: |y - ref| <= LM_SOFTCAP_TOL * |ref|
 * Source    softcap: Gemma Team 2024, arXiv:2408.00118
 */
#include <llmserve/backend.h>

#define LM_SOFTCAP_TOL 1e-6

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_add_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_scale_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_softcap_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar references over n elements.  Thread [any] */
void lm_add_ref(float *y, const float *x, const float *x2, size_t n);
void lm_scale_ref(float *y, const float *x, float scale, size_t n);
void lm_softcap_ref(float *y, const float *x, float cap, size_t n);
#endif
