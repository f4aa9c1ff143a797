/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ACT_MUL_H
#define LM_OPS_ACT_MUL_H
/**
 * The gated activations of feed-forward layers.
 *
 *   silu_mul  y = x * sigmoid(x) * x2
 *   gelu_mul  y = gelu(x) * x2,  gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
 *
 * x, x2, y  [rows][dim] f32; y may be x or x2
 * Accuracy  |y - ref| <= LM_ACT_MUL_TOL * (1 + |x|) * |x2|
 * Source    Shazeer 2020, arXiv:2002.05202; Hendrycks and Gimpel 2016, arXiv:1606.08415
 */
#include <llmserve/backend.h>

#define LM_ACT_MUL_TOL 1e-6

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_act_mul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar references, in double, over n elements.  Thread [any] */
void lm_silu_mul_ref(float *y, const float *x, const float *x2, size_t n);
void lm_gelu_mul_ref(float *y, const float *x, const float *x2, size_t n);
#endif
